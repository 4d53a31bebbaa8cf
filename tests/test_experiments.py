"""Tables of experiments: what they hold, where they came from, and what a killed run leaves."""

import io
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import nn

import lossbarcode as lb
from lossbarcode import experiments

JOBS = [{"name": "2", "power": 1 / 3}, {"name": "2-2", "power": 2.0}]  # a third has more digits than a file


class Job:
    """Two rows a job; dies before the call of number ``fails``."""

    def __init__(self, fails=None):
        self.calls, self.fails = [], fails

    def __call__(self, name, power):
        if len(self.calls) == self.fails:
            raise KeyboardInterrupt
        self.calls.append(name)
        return [{"n": n, "value": n**power, "says": ""} for n in (2, 3)]


def test_a_killed_run_goes_on(tmp_path):
    whole = experiments.run(Job(), JOBS)
    assert whole.columns.tolist() == ["name", "power", "n", "value", "says"]
    file = tmp_path / "table.csv"
    with pytest.raises(KeyboardInterrupt):
        experiments.run(Job(fails=1), JOBS, file=file, command="make table")
    assert len(experiments.read(file)) == 2
    rest = Job()
    found = experiments.run(rest, JOBS, file=file)
    assert rest.calls == ["2-2"]
    pd.testing.assert_frame_equal(found.assign(says=""), whole, atol=1e-6)
    nothing = Job()
    again = experiments.run(nothing, JOBS, file=file)
    assert nothing.calls == []
    pd.testing.assert_frame_equal(again, found)


def test_a_table_says_where_it_came_from(tmp_path):
    file = tmp_path / "table.csv"
    experiments.run(Job(), JOBS[:1], file=file, command="make table")
    known = experiments.read(file).attrs
    assert known["command"] == "make table"
    assert {"device", "versions", "date"} <= set(known)
    assert "torch" in known["versions"]


def test_committed_tables_come_from_here_or_from_the_public_address(tmp_path, monkeypatch):
    (tmp_path / "public").mkdir()
    experiments.run(Job(), JOBS, file=tmp_path / "public" / "t.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, "PUBLIC", f"{tmp_path}/public/")
    assert len(experiments.committed("t.csv")) == 4
    experiments.run(Job(), JOBS[:1], file="results/t.csv")
    assert len(experiments.committed("t.csv")) == 2
    (tmp_path / "results" / "t.json").write_text('{"a": [1]}')
    assert experiments.committed("t.json") == {"a": [1]}


def test_an_address_is_read(monkeypatch):
    monkeypatch.setattr(experiments, "urlopen", lambda address: io.BytesIO(b"# date: today\nn\n1\n"))
    table = experiments.committed("not here.csv")
    assert table["n"].tolist() == [1]
    assert table.attrs == {"date": "today"}


def test_bad_tables(tmp_path):
    file = tmp_path / "table.csv"
    experiments.run(Job(), JOBS, file=file)
    with pytest.raises(ValueError, match=r"file: expected columns \['seed'\], got \['name', .* name another file"):
        experiments.run(lambda seed: [{"n": 1}], [{"seed": 1}], file=file)
    with pytest.raises(ValueError, match=r"job: expected the columns \['name', .* got \['name', 'power', 'n'\] for"):
        experiments.run(lambda name, power: [{"n": 1}], [{"name": "3", "power": 1.0}], file=file)
    for jobs, seen in (([], "0, the first with .."), ([{"a": 1}, {"b": 1}], "2, the first with ..a")):
        with pytest.raises(ValueError, match=f"jobs: expected at least one, all with the same options, got {seen}"):
            experiments.run(Job(), jobs)
    with pytest.raises(ValueError, match=r"job: expected the columns \['seed', 'n'\] of the other rows, got \['seed', 'm'\]"):
        experiments.run(lambda seed: [{"nm"[seed]: 1}], [{"seed": 0}, {"seed": 1}])
    with pytest.raises(ValueError, match=r"job: expected at least one row, got none for \{'seed': 1\}"):
        experiments.run(lambda seed: [], [{"seed": 1}])


def test_bars_of_a_network_are_those_of_its_steps(tmp_path):
    x = torch.linspace(-2, 2, 40, dtype=torch.float64)[:, None]
    module = lb.networks.FullyConnected(1, (3,), 2, nn.Tanh).double()
    classes = (x.squeeze(1).abs() > 1).long()
    loss = lb.networks.loss_of(module, (x, classes), penalty=1e-2)
    starts = loss.starts(5)
    options = dict(recipe=lb.Recipe(3, 0.1, batch_size=10), tolerance=1e-5)
    found = pd.DataFrame(
        experiments.bars_of_network(loss, starts, test=(x[:7], classes[:7]), rounds=3, checkpoint=tmp_path / "a/run", **options)
    )
    assert list((tmp_path / "a").iterdir()) == []  # kept only while it lasts
    minima = lb.find_minima(loss, starts, test_error=lambda points: loss.error(points, (x[:7], classes[:7])), **options)
    moved = replace(minima, points=lb.networks.align(loss, minima.points))
    table = lb.evidence(lb.connect(loss, moved, rounds=3))
    pd.testing.assert_frame_equal(found.drop(columns=["parameters", "test_error"]), table[found.columns[1:-1]])
    assert found["test_error"].tolist() == minima.test_error.numpy()[table["minimum"]].tolist()
    assert (found["parameters"] == 14).all()
    as_trained = pd.DataFrame(experiments.bars_of_network(loss, starts, align=False, rounds=3, **options))
    assert "test_error" not in as_trained
    assert as_trained["birth"].min() == found["birth"].min()
