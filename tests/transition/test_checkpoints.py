"""Files of long runs under attack: flipped bits, kills, full disks, bad folders, two runs on one file."""

import functools
import io
import os
import pickle
import random
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import lossbarcode as lb
from lossbarcode.transition import _checkpoints, _connect, _find_minima

CAMEL = lb.functions.SixHumpCamel()
STARTS = lb.sample(CAMEL, 8, dtype=torch.float64).points
MINIMA = lb.find_minima(CAMEL, STARTS).deduplicate(1e-3)
ANOTHER_RUN = "checkpoint: expected the state of the same loss, points and options, got that of another run"


@functools.cache
def network():
    inputs = torch.randn(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    module = lb.networks.FullyConnected(2, (3,), 2, torch.nn.Tanh).double()
    loss = lb.networks.network_loss(module, (inputs, (inputs.prod(1) > 0).long()), l2=1e-2)
    return loss, loss.initial_parameters(3)


def train(**options):
    return lb.find_minima(*network(), training=lb.TrainingSchedule(2, 0.01, batch_size=16), **options)


def descend(**options):
    return lb.find_minima(CAMEL, STARTS, **options)


def connect(**options):
    return lb.connect(CAMEL, MINIMA, **{"max_rounds": 3, **options})


RUNS = {"training": train, "descent": descend, "connect": connect}


@pytest.fixture
def every_save(monkeypatch):
    monkeypatch.setattr(_checkpoints, "SAVE_INTERVAL", 0)


def file_of_training(path):
    """The file as it is after an epoch of training."""
    loss, points = network()
    schedule = lb.TrainingSchedule(2, 0.01, batch_size=16)

    class Enough(Exception):
        pass

    class Interrupted:
        name, n_samples = loss.name, loss.n_samples
        batches = 0
        __call__ = staticmethod(loss.__call__)

        def batch_value_and_gradient(self, points, rows):
            self.batches += 1
            if self.batches > 2:  # an epoch has two
                raise Enough
            return loss.batch_value_and_gradient(points, rows)

    with pytest.raises(Enough):
        lb.find_minima(Interrupted(), points, training=schedule, checkpoint=path)


@pytest.mark.parametrize("name", RUNS)
def test_every_flipped_bit_is_noticed(name, tmp_path, every_save):
    path, run = tmp_path / "run.pt", RUNS[name]
    if name == "training":
        file_of_training(path)
    else:
        run(checkpoint=path)
    whole = path.read_bytes()
    run(checkpoint=path)  # as it is, it is accepted
    draw = random.Random(0)
    for _ in range(300):
        place, bit = draw.randrange(len(whole)), draw.randrange(8)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"checkpoint: expected .* of an earlier run, got .*, which is (none|damaged)"):
            run(checkpoint=path)


def test_truncated_and_foreign_files(tmp_path, every_save):
    path = tmp_path / "run.pt"
    connect(checkpoint=path)
    whole = path.read_bytes()
    torch.save({"key": 1}, path)
    foreign = path.read_bytes()
    for content in (b"", whole[:10], foreign, b"no checkpoint"):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"checkpoint: expected a file of an earlier run, got .*, which is none; name another"
        ) as caught:
            connect(checkpoint=path)
        assert "\n" not in str(caught.value)
    for content in (whole[:40], whole[:-1], whole + b"0"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="which is damaged; delete it or name another"):
            connect(checkpoint=path)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, pickle.dump], ids=["torch", "pickle"])
def test_a_file_cannot_run_code(save, tmp_path):
    """Not even one with the right checksum, which anyone can compute."""
    payload, path, victim = io.BytesIO(), tmp_path / "run.pt", tmp_path / "victim"
    save({"options": {}, "values": MINIMA.values, "kind": "StringState", "state": Malicious(victim)}, payload)
    _checkpoints.write_whole(path, payload.getvalue())
    with pytest.raises(ValueError, match="which is none; name another"):
        connect(checkpoint=path)
    assert not victim.exists()


def test_options_are_not_mixed_up(tmp_path):
    """Written one after the other without separators, 11, 21 and 112, 1 are the same."""
    path, options = tmp_path / "run.pt", {"initial_images": 11, "steps_per_round": 21, "max_rounds": 1, "checkpoint": tmp_path / "run.pt"}
    connect(**options)
    with pytest.raises(ValueError, match=f"{ANOTHER_RUN} in .*run.pt, which differs in initial_images, steps_per_round; delete it"):
        connect(**{**options, "initial_images": 112, "steps_per_round": 1})
    with pytest.raises(ValueError, match=f"{ANOTHER_RUN} .* differs in pairs;"):
        connect(pairs=[[0, 1]], **options)
    with pytest.raises(ValueError, match=f"{ANOTHER_RUN} .* differs in loss;"):
        lb.connect(lambda x: 2 * CAMEL(x), replace(MINIMA, values=2 * MINIMA.values), **options)
    with pytest.raises(ValueError, match=f"{ANOTHER_RUN} .* differs in points,"):
        descend(checkpoint=path)


def test_options_of_one_name_and_another_kind(tmp_path):
    """A tensor is told from another of the same bytes."""
    zeros = torch.zeros(2, 3)
    keys = [
        _checkpoints.Checkpoint(tmp_path / "run", CAMEL, STARTS, box=box).options
        for box in (None, zeros, zeros.view(3, 2), zeros.long(), zeros.flatten()[:6], "None")
    ]
    assert len({key["box"] for key in keys}) == len(keys)


@pytest.mark.parametrize("place", ["missing/run.pt", "a file/run.pt", ".", 250 * "x"])
def test_a_bad_place_is_noticed_before_the_run(place, tmp_path, monkeypatch):
    (tmp_path / "a file").touch()

    def never(*_):
        raise AssertionError

    for module in (_find_minima, _connect):
        monkeypatch.setattr(module, "drive", never)
    for run in (descend, connect):
        with pytest.raises(
            ValueError, match=r"checkpoint: expected a file in a folder that can be written to, got .*; make the folder or name"
        ):
            run(checkpoint=tmp_path / place)
    assert [file.name for file in tmp_path.iterdir()] == ["a file"]


def test_a_folder_without_permission(tmp_path, monkeypatch):
    """By hand, because an administrator has all permissions."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ValueError, match=r"checkpoint: expected a file in a folder .* \(Permission denied\); make"):
        connect(checkpoint=tmp_path / "run.pt")


def test_a_full_disk_costs_the_file_not_the_run(tmp_path, monkeypatch, every_save):
    path = tmp_path / "run.pt"
    connect(max_rounds=1, checkpoint=path)
    good = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = connect(checkpoint=path)
    (warning,) = caught  # once, not after every round
    assert "checkpoint: expected to write" in str(warning.message)
    assert "No space left on device" in str(warning.message)
    assert "the run goes on" in str(warning.message)
    assert torch.equal(found.points, connect().points)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]
    resumed = connect(checkpoint=path)
    assert torch.equal(found.points, resumed.points)


def test_a_finished_run_goes_on_with_more_rounds(tmp_path):
    path = tmp_path / "run.pt"
    for rounds in (0, 2, 2, 5):
        found = connect(max_rounds=rounds, height_tolerance=1e-9, checkpoint=path)
        whole = connect(max_rounds=rounds, height_tolerance=1e-9)
        for name in ("points", "values", "heights", "last_decrease", "gradient_norm"):
            torch.testing.assert_close(getattr(found, name), getattr(whole, name), rtol=0, atol=0, equal_nan=True)
    with pytest.raises(ValueError, match=r"max_rounds: expected at least the 5 that the run in .*run.pt has done, got 4; delete"):
        connect(max_rounds=4, height_tolerance=1e-9, checkpoint=path)


@pytest.mark.parametrize("run", [train, descend])
def test_a_finished_descent_goes_on_with_more_steps(run, tmp_path):
    path = tmp_path / "run.pt"
    for steps in (0, 3, 9):
        found, whole = run(max_steps=steps, checkpoint=path), run(max_steps=steps)
        assert torch.equal(found.points, whole.points)
        assert torch.equal(found.gradient_norm, whole.gradient_norm)
    with pytest.raises(ValueError, match=r"max_steps: expected at least the \d+ that the run in .*run.pt has done, got 2; delete"):
        run(max_steps=2, checkpoint=path)


KILLS = """
import os, random, signal, sys, time, traceback
from pathlib import Path
import torch
import lossbarcode as lb
from lossbarcode.transition import _checkpoints

torch.set_num_threads(1)
_checkpoints.SAVE_INTERVAL = 0
folder = Path(sys.argv[1])
file = folder / "run.pt"

# what is slow to load is loaded here; derivatives are left to the children, because autograd cannot be forked afterwards
inputs = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
module = lb.networks.FullyConnected(2, (4,), 2, torch.nn.Tanh).double()
loss = lb.networks.network_loss(module, (inputs, (inputs.prod(1) > 0).long()), l2=1e-2)
torch.optim.SGD([torch.zeros(1)], lr=1)


def minima(checkpoint=None):
    schedule = lb.TrainingSchedule(5, 0.1, batch_size=16)
    return lb.find_minima(loss, loss.initial_parameters(3), training=schedule, max_steps=15, checkpoint=checkpoint).points


def paths(checkpoint=None):
    camel = lb.functions.SixHumpCamel()
    ends = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).deduplicate(1e-3)
    return lb.connect(camel, ends, height_tolerance=1e-9, max_rounds=6, checkpoint=checkpoint).points


def start(run, result, checkpoint=None):
    pid = os.fork()
    if pid == 0:
        try:
            torch.save(run(checkpoint), folder / result)
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(0)
    return pid


def result_of(pid, result):
    os.waitpid(pid, 0)
    found = torch.load(folder / result)
    (folder / result).unlink()
    return found


draw = random.Random(0)
whole, took = {}, {}
for run in (minima, paths):
    begin = time.monotonic()
    whole[run] = result_of(start(run, "whole"), "whole")
    took[run] = time.monotonic() - begin
kills = halfway = 0
while kills < 20:
    run = (minima, paths)[kills % 2]
    pid = start(run, "killed", file)
    time.sleep(draw.uniform(0, took[run]))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    kills += os.WIFSIGNALED(status)
    halfway += os.WIFSIGNALED(status) and file.exists()
    assert torch.equal(result_of(start(run, "resumed", file), "resumed"), whole[run])
    file.unlink()
for left in folder.glob("*.part"):
    left.unlink()
for run in (minima, paths):
    both = [(start(run, result, file), result) for result in ("first", "second")]
    assert all(torch.equal(result_of(*one), whole[run]) for one in both)
    assert torch.equal(result_of(start(run, "third", file), "third"), whole[run])
    file.unlink()
assert not list(folder.glob("*.part"))
print(kills, halfway)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
def test_kills_and_two_runs_on_one_file(tmp_path):
    """Kills at 20 random moments; then two runs that write the same file at the same time."""
    found = subprocess.run([sys.executable, "-c", KILLS, tmp_path], capture_output=True, text=True, check=False, timeout=300)
    assert found.returncode == 0, found.stderr
    kills, halfway = map(int, found.stdout.split())
    assert kills == 20
    assert halfway >= 3  # kills between the first save and the end
