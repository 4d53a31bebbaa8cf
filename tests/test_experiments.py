"""Tables of experiments: what they hold, where they came from, and what a killed run leaves."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
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


def test_a_table_says_all_the_places_it_came_from(tmp_path, monkeypatch):
    file = tmp_path / "table.csv"
    for device, jobs in (("a CPU", JOBS[:1]), ("a GPU", JOBS), ("a CPU", [*JOBS, {"name": "3", "power": 0.5}])):
        monkeypatch.setattr(experiments, "provenance", lambda command, device=device: {"command": command, "device": device})
        experiments.run(Job(), jobs, file=file, command="make table")
    table = experiments.read(file)
    assert table.attrs == {"command": "make table", "device": "a CPU | a GPU"}
    assert table["name"].tolist() == ["2", "2", "2-2", "2-2", "3", "3"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.csv"]


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


def test_rows_with_other_columns_are_kept(tmp_path):
    """A long job is not lost because the file is of a version that had fewer columns, or more."""
    file = tmp_path / "table.csv"
    experiments.run(Job(), JOBS, file=file)
    before = file.read_text()
    more = experiments.run(lambda name, power: [{"n": 1, "error": 0.5}], [*JOBS, {"name": "3", "power": 1.0}], file=file)
    assert more.columns.tolist() == ["name", "power", "n", "value", "says", "error"]
    assert more["n"].tolist() == [2, 3, 2, 3, 1]
    assert more["error"].isna().tolist() == [True] * 4 + [False]
    assert more["name"].tolist() == ["2", "2", "2-2", "2-2", "3"]
    assert [line.removesuffix(",") for line in file.read_text().splitlines()[-5:-1]] == before.splitlines()[-4:]
    alone = experiments.run(lambda seed: [{"nm"[seed]: 1}], [{"seed": 0}, {"seed": 1}])
    assert alone.columns.tolist() == ["seed", "n", "m"]


def test_bad_tables(tmp_path):
    file = tmp_path / "table.csv"
    experiments.run(Job(), JOBS, file=file)
    with pytest.raises(ValueError, match=r"file: expected columns \['seed'\], got \['name', .* name another file"):
        experiments.run(lambda seed: [{"n": 1}], [{"seed": 1}], file=file)
    for jobs, seen in (([], "0, the first with .."), ([{"a": 1}, {"b": 1}], "2, the first with ..a")):
        with pytest.raises(ValueError, match=f"jobs: expected at least one, all with the same options, got {seen}"):
            experiments.run(Job(), jobs)
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
    pd.testing.assert_frame_equal(
        found.drop(columns=["parameters", "test_error", "mean_loss", "mean_test_error"]), table[found.columns[1:-3]]
    )
    assert found["mean_loss"].tolist() == [float(minima.values.mean())] * len(found)
    assert found["mean_test_error"].tolist() == [float(minima.test_error.mean())] * len(found)
    assert found["test_error"].tolist() == minima.test_error.numpy()[table["minimum"]].tolist()
    assert (found["parameters"] == 14).all()
    as_trained = pd.DataFrame(experiments.bars_of_network(loss, starts, align=False, rounds=3, **options))
    assert not {"test_error", "mean_test_error"} & set(as_trained)
    assert as_trained["birth"].min() == found["birth"].min()


BARS = pd.DataFrame(
    {
        "seed": [0, 0, 0, 1, 1],
        "birth": [0.1, 0.2, 0.4, 0.3, 0.5],
        "death": [float("inf"), 0.5, 0.6, float("nan"), 0.6],
        "gradient_norm": [1e-7, 1e-6, 1e-8, 1e-5, 1e-4],
        "reached": [True, True, True, True, False],
        "converged": [False, True, False, False, False],
        "parameters": 7,
    }
)


def test_summary():
    runs = experiments.summary(BARS, ["seed"])
    expected = {"seed": [0, 1], "minima": [3, 2], "birth": [0.2, 0.4], "death": [0.55, 0.6], "length": [0.25, 0.1], "longest": [0.3, 0.1]}
    expected |= {"to_score": [0.25, 0.05], "reached": [1, 0], "converged": [0.5, 0], "steepest": [1e-6, 1e-4], "parameters": [7, 7]}
    pd.testing.assert_frame_equal(runs, pd.DataFrame(expected)[runs.columns], check_dtype=False)
    with_errors = experiments.summary(BARS.assign(test_error=[0.0, 0.1, 0.2, 0.3, 0.5]), ["seed"])
    assert with_errors["test_error"].round(6).tolist() == [0.1, 0.4]


@pytest.mark.parametrize(
    ("births", "verdict", "agree"),
    [
        ([3, 2, 1, 9, 8, 7], "reproduced", "2 of 2"),
        ([1, 2, 3, 7, 8, 9], "not reproduced", "0 of 2"),
        ([3, 2, 1, 7, 8, 9], "partly", "1 of 2"),
        ([2, 1, 2, 5, 5, 5], "not reproduced", "0 of 2"),  # what does not change does not fall
    ],
)
def test_falls(births, verdict, agree):
    runs = pd.DataFrame({"seed": [0, 0, 0, 1, 1, 1], "layers": [1, 2, 3] * 2, "birth": births, "penalty": 1e-3})
    found = experiments.falls(runs, "birth", "layers", within="penalty")
    assert (found["verdict"], found["agree"]) == (verdict, agree)


def test_rank_correlation_is_that_inside_runs():
    random = np.random.default_rng(0)
    seed = np.repeat(np.arange(40), 10)
    length = random.normal(size=400)
    error = length + random.normal(size=400)
    rows = pd.DataFrame({"seed": seed, "length": length - 100 * seed, "error": np.exp(error + 100 * (seed % 7))})
    found = experiments.rank_correlation(rows, "length", "error", within=["seed"])
    each = [spearmanr(length[seed == i], error[seed == i]).statistic for i in range(40)]
    assert found["correlation"] == pytest.approx(np.mean(each))  # runs of one size, without ties
    assert found["low"] < 6 / np.pi * np.arcsin(0.5**0.5 / 2) < found["high"]  # of normal variables
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * np.std(each) / 40**0.5, rel=0.5)
    with_gaps = pd.concat([rows, pd.DataFrame({"seed": [0, 99, 99], "length": [np.inf, 1, 2], "error": [1, 1, 2]})])
    assert experiments.rank_correlation(with_gaps, "length", "error", within=["seed"]) == found


BAD = {
    "a summary of other rows": (
        lambda: experiments.summary(BARS.drop(columns="death"), ["seed", "width"]),
        r"table: expected the columns of bars_of_network and \['seed', 'width'\], got one without \['death', 'width'\]",
    ),
    "two values do not fall": (
        lambda: experiments.falls(pd.DataFrame({"seed": 0, "n": [1, 2], "birth": 0.1, "penalty": 1}), "birth", "n", within="penalty"),
        "runs: expected a repetition with at least three values of n, got none in 2 rows",
    ),
    "a constant has no rank": (
        lambda: experiments.rank_correlation(BARS.assign(n=1), "n", "birth", within=["seed"]),
        "table: expected n and birth to vary inside runs of at least three rows, got 3 rows of such",
    ),
}


def test_bad_input(bad_input):
    bad_input()
