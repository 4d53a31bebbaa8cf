"""The workshop: what tables hold, their provenance, what an interruption leaves, statistics and verdicts."""

import io
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

import lossbarcode as lb
from lossbarcode import study
from lossbarcode.study import _tables

JOBS = [{"name": "2", "power": 1 / 3}, {"name": "2-2", "power": 2.0}]  # a third has more digits than a file


class Job:
    """Two rows per job; interrupted before the call of number ``fails``."""

    def __init__(self, fails=None):
        self.calls, self.fails = [], fails

    def __call__(self, name, power):
        if len(self.calls) == self.fails:
            raise KeyboardInterrupt
        self.calls.append(name)
        return [{"n": n, "value": n**power, "says": ""} for n in (2, 3)]


def test_an_interrupted_run_resumes(tmp_path):
    whole = study.run_jobs(Job(), JOBS)
    assert whole.columns.tolist() == ["name", "power", "n", "value", "says"]
    file = tmp_path / "table.csv"
    with pytest.raises(KeyboardInterrupt):
        study.run_jobs(Job(fails=1), JOBS, file=file, command="make table")
    assert len(_tables.read_table(file)) == 2
    rest = Job()
    found = study.run_jobs(rest, JOBS, file=file)
    assert rest.calls == ["2-2"]
    pd.testing.assert_frame_equal(found.assign(says=""), whole, atol=1e-6)
    nothing = Job()
    again = study.run_jobs(nothing, JOBS, file=file)
    assert nothing.calls == []
    pd.testing.assert_frame_equal(again, found)


def test_a_table_records_its_provenance(tmp_path):
    file = tmp_path / "table.csv"
    study.run_jobs(Job(), JOBS[:1], file=file, command="make table")
    known = _tables.read_table(file).attrs
    assert known["command"] == "make table"
    assert {"device", "versions", "date"} <= set(known)
    assert "torch" in known["versions"]


def test_a_table_records_all_devices_that_it_was_made_on(tmp_path, monkeypatch):
    file = tmp_path / "table.csv"
    for device, jobs in (("a CPU", JOBS[:1]), ("a GPU", JOBS), ("a CPU", [*JOBS, {"name": "3", "power": 0.5}])):
        monkeypatch.setattr(_tables, "provenance", lambda command, device=device: {"command": command, "device": device})
        study.run_jobs(Job(), jobs, file=file, command="make table")
    table = _tables.read_table(file)
    assert table.attrs == {"command": "make table", "device": "a CPU | a GPU"}
    assert table["name"].tolist() == ["2", "2", "2-2", "2-2", "3", "3"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.csv"]


def test_committed_tables_come_from_here_or_from_the_public_address(tmp_path, monkeypatch):
    (tmp_path / "public").mkdir()
    study.run_jobs(Job(), JOBS, file=tmp_path / "public" / "t.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_tables, "PUBLIC", f"{tmp_path}/public/")
    assert len(study.load_result("t.csv")) == 4
    study.run_jobs(Job(), JOBS[:1], file="results/t.csv")
    assert len(study.load_result("t.csv")) == 2
    (tmp_path / "results" / "t.json").write_text('{"a": [1]}')
    assert study.load_result("t.json") == {"a": [1]}


def test_an_address_is_read(monkeypatch):
    monkeypatch.setattr(_tables, "urlopen", lambda address: io.BytesIO(b"# date: today\nn\n1\n"))
    table = study.load_result("not here.csv")
    assert table["n"].tolist() == [1]
    assert table.attrs == {"date": "today"}


def test_rows_with_other_columns_are_kept(tmp_path):
    """A long job is not lost because the file is of a version that had fewer columns, or more."""
    file = tmp_path / "table.csv"
    study.run_jobs(Job(), JOBS, file=file)
    before = file.read_text()
    more = study.run_jobs(lambda name, power: [{"n": 1, "error": 0.5}], [*JOBS, {"name": "3", "power": 1.0}], file=file)
    assert more.columns.tolist() == ["name", "power", "n", "value", "says", "error"]
    assert more["n"].tolist() == [2, 3, 2, 3, 1]
    assert more["error"].isna().tolist() == [True] * 4 + [False]
    assert more["name"].tolist() == ["2", "2", "2-2", "2-2", "3"]
    assert [line.removesuffix(",") for line in file.read_text().splitlines()[-5:-1]] == before.splitlines()[-4:]
    alone = study.run_jobs(lambda seed: [{"nm"[seed]: 1}], [{"seed": 0}, {"seed": 1}])
    assert alone.columns.tolist() == ["seed", "n", "m"]


def test_bad_tables(tmp_path):
    file = tmp_path / "table.csv"
    study.run_jobs(Job(), JOBS, file=file)
    with pytest.raises(ValueError, match=r"file: expected columns \['seed'\], got \['name', .* name another file"):
        study.run_jobs(lambda seed: [{"n": 1}], [{"seed": 1}], file=file)
    for jobs, seen in (([], "0, the first with .."), ([{"a": 1}, {"b": 1}], "2, the first with ..a")):
        with pytest.raises(ValueError, match=f"jobs: expected at least one, all with the same options, got {seen}"):
            study.run_jobs(Job(), jobs)
    with pytest.raises(ValueError, match=r"job: expected at least one row, got none for \{'seed': 1\}"):
        study.run_jobs(lambda seed: [], [{"seed": 1}])


def small_data():
    x = torch.linspace(-2, 2, 40, dtype=torch.float64)[:, None]
    classes = (x.squeeze(1).abs() > 1).long()
    return lb.data.Data((x, classes), (x[:7], classes[:7]), 2, "an interval")


def small_module():
    return lb.networks.FullyConnected(1, (3,), 2, nn.Tanh).double()


def assert_same_rows(found, expected):
    """Rows of a table have texts where a record has categories."""
    pd.testing.assert_frame_equal(*(rows.astype({"saddle_evidence": object, "end_evidence": object}) for rows in (found, expected)))


def test_bars_of_a_network_are_those_of_its_steps(tmp_path):
    data, module = small_data(), small_module()
    training = lb.TrainingSchedule(3, 0.1, batch_size=10)
    options = dict(samples=38, l2=1e-2, training=training, gradient_tolerance=1e-5, max_rounds=3)
    found = pd.DataFrame(study.network_bars(module, data, 5, checkpoint=tmp_path / "a/run", **options))
    assert list((tmp_path / "a").iterdir()) == []  # the state is kept only until the function returns
    loss = lb.networks.network_loss(module, tuple(part[:38] for part in data.train), l2=1e-2)
    starts = loss.initial_parameters(5)
    minima = lb.find_minima(
        loss, starts, training=training, gradient_tolerance=1e-5, test_error=lambda points: loss.error_rate(points, data.test)
    )
    aligned = replace(minima, points=lb.networks.align(loss, minima.points))
    table = lb.connect(loss, aligned, max_rounds=3).bars_table()
    assert_same_rows(found.drop(columns=["parameters", "test_error", "mean_loss", "mean_test_error"]), table[found.columns[1:-3]])
    assert found["mean_loss"].tolist() == [float(minima.values.mean())] * len(found)
    assert found["mean_test_error"].tolist() == [float(minima.test_error.mean())] * len(found)
    assert found["test_error"].tolist() == minima.test_error.numpy()[table["minimum_row"]].tolist()
    assert (found["parameters"] == 14).all()
    as_trained = pd.DataFrame(study.network_bars(module, data, 5, align=False, **options))
    assert as_trained["birth"].min() == found["birth"].min()


def test_bars_survive_a_full_disk(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="the run goes on"):
        rows = study.network_bars(small_module(), small_data(), 3, l2=1e-2, max_steps=5, max_rounds=1, checkpoint=tmp_path / "run")
    assert rows
    assert list(tmp_path.iterdir()) == []


def test_tolerances_of_a_network_depend_on_its_precision():
    data = small_data()
    rows = [
        study.network_bars(module, data, 2, l2=1e-2, max_steps=steps, max_rounds=0)
        for module, steps in ((small_module(), 5000), (small_module().float(), 5000), (small_module(), 1))
    ]
    (double, single, stopped) = (max(row["gradient_norm"] for row in bars) for bars in rows)
    assert double <= 1e-4 < single <= 1e-2 < stopped
    assert all(row["minimum_reached"] for row in rows[0] + rows[1])
    assert not any(row["minimum_reached"] for row in rows[2])


def test_bars_of_classes_are_those_of_their_paths():
    x = torch.linspace(-torch.pi, torch.pi, 40, dtype=torch.float64)[:, None]
    module = lb.networks.FullyConnected(1, (2,), 1, nn.Tanh).double()
    loss = lb.networks.network_loss(module, (x, torch.sin(2 * x) + torch.cos(2 * x)), nn.functional.mse_loss, l2=1e-3)
    ends = lb.find_minima(loss, 3 * loss.initial_parameters(30))
    classes = ends.deduplicate(1e-2, features=study.copy_invariants(loss, ends.points))
    assert len(classes) > 2
    aligned = replace(classes, points=lb.networks.align(loss, classes.points))
    pairs = {(int(a), int(b)) for a, b in aligned.nearest_pairs(1)} | {(0, i) for i in range(1, len(classes))}
    table = lb.connect(loss, aligned, pairs=torch.tensor(sorted(pairs))).bars_table()
    found = pd.DataFrame(study.class_bars(loss, classes, neighbors=1))
    assert_same_rows(found, table[found.columns])


def test_copies_of_a_network_have_the_same_invariants_and_others_do_not():
    loss = lb.networks.network_loss(small_module(), small_data().train)
    (point,) = loss.initial_parameters(1)
    parts = {name: value.clone() for name, value in loss.parameters(point).items()}
    names = list(parts)
    order, sign = torch.tensor([2, 0, 1]), torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    copied = {
        names[0]: parts[names[0]][order] * sign[:, None],
        names[1]: parts[names[1]][order] * sign,
        names[2]: parts[names[2]][:, order] * sign,
        names[3]: parts[names[3]],
    }
    copy = torch.cat([copied[name].reshape(-1) for name in names])
    assert (copy - point).norm() > 0.1
    features = study.copy_invariants(loss, torch.stack([point, copy, point + 0.1]))
    assert torch.allclose(features[0], features[1], atol=1e-12)
    assert (features[0] - features[2]).norm() > 0.01


@pytest.mark.parametrize(("count", "limit", "rows"), [(3, 5, [0, 1, 2]), (1, 5, [0]), (9, 3, [0, 4, 8]), (100, 2, [0, 99])])
def test_evenly_spaced_rows(count, limit, rows):
    assert study.evenly_spaced(count, limit).tolist() == rows


def test_descent_as_published():
    """On a plane of slope 1 across a straight path nothing but that is subtracted; along it nothing is left."""
    line = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]])
    assert study.descend_as_published(lambda x: x[:, 1], line, lr=0.1, steps=3)[0, 1].tolist() == pytest.approx([1, -0.3], abs=1e-2)
    assert torch.equal(study.descend_as_published(lambda x: 5 * x[:, 0], line, lr=0.1, steps=3), line)


def test_cost_of_the_published_settings():
    module = nn.Linear(5, 2, bias=False)  # 2 * 5 * 2 operations per sample, three times that for a gradient
    cost = study.published_cost(module, torch.zeros(1, 5), 100, 3, 7, networks=2, images=9, rounds=1)
    gradients = 7 * 2 + 20 * 1 * (9 - 2 + 2)
    operations = 3 * gradients * 60 * 100
    assert cost["operations"] == f"{operations:.0e}"
    assert cost["hours"] == pytest.approx(operations / 1e13 / 3600)
    assert cost["GiB"] == 14 * 11 * 10 * 4 / 2**30


def catalogue_of_one():
    return lb.Minima(torch.zeros(1, 14, dtype=torch.float64), *torch.zeros(2, 1, dtype=torch.float64))


BARS = pd.DataFrame(
    {
        "seed": [0, 0, 0, 1, 1],
        "birth": [0.1, 0.2, 0.4, 0.3, 0.5],
        "death": [float("inf"), 0.5, 0.6, float("nan"), 0.6],
        "gradient_norm": [1e-7, 1e-6, 1e-8, 1e-5, 1e-4],
        "minimum_reached": [True, True, True, True, False],
        "quiet": [False, True, False, False, None],  # older tables do not tell it where the minimum was not reached
        "end_evidence": [None, "proven", "bounded above", None, "bounded above"],
        "parameters": 7,
    }
)


def test_runs_are_summarised():
    runs = study.summarise_runs(BARS, ["seed"])
    expected = {"seed": [0, 1], "minima": [3, 2], "birth": [0.2, 0.4], "death": [0.55, 0.6], "length": [0.25, 0.1], "longest": [0.3, 0.1]}
    expected |= {
        "to_score": [0.25, 0.05],
        "minimum_reached": [1, 0],
        "quiet": [0.5, float("nan")],
        "proven": [0.5, 0],
        "max_gradient_norm": [1e-6, 1e-4],
        "parameters": [7, 7],
    }
    pd.testing.assert_frame_equal(runs, pd.DataFrame(expected)[runs.columns], check_dtype=False)
    with_errors = study.summarise_runs(BARS.assign(test_error=[0.0, 0.1, 0.2, 0.3, 0.5]), ["seed"])
    assert with_errors["test_error"].round(6).tolist() == [0.1, 0.4]


@pytest.mark.parametrize(
    ("births", "verdict", "agree"),
    [
        ([3, 2, 1, 9, 8, 7], "reproduced", "2 of 2"),
        ([1, 2, 3, 7, 8, 9], "not reproduced", "0 of 2"),
        ([3, 2, 1, 7, 8, 9], "partly", "1 of 2"),
        ([2, 1, 2, 5, 5, 5], "not reproduced", "0 of 2"),  # what does not change does not decrease
    ],
)
def test_a_trend_is_judged_in_each_repetition(births, verdict, agree):
    runs = pd.DataFrame({"seed": [0, 0, 0, 1, 1, 1], "layers": [1, 2, 3] * 2, "birth": births, "penalty": 1e-3})
    found = study.monotone_trend(runs, "birth", "layers", within="penalty")
    assert (found["verdict"], found["agree"]) == (verdict, agree)


def test_rank_correlation_is_that_inside_runs():
    random = np.random.default_rng(0)
    seed = np.repeat(np.arange(40), 10)
    length = random.normal(size=400)
    error = length + random.normal(size=400)
    rows = pd.DataFrame({"seed": seed, "length": length - 100 * seed, "error": np.exp(error + 100 * (seed % 7))})
    found = study.rank_correlation(rows, "length", "error", within=["seed"])
    each = [spearmanr(length[seed == i], error[seed == i]).statistic for i in range(40)]
    assert found["correlation"] == pytest.approx(np.mean(each))  # runs of one size, without ties
    assert found["low"] < 6 / np.pi * np.arcsin(0.5**0.5 / 2) < found["high"]  # of normal variables
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * np.std(each) / 40**0.5, rel=0.5)
    with_gaps = pd.concat([rows, pd.DataFrame({"seed": [0, 99, 99], "length": [np.inf, 1, 2], "error": [1, 1, 2]})])
    assert study.rank_correlation(with_gaps, "length", "error", within=["seed"]) == found


def test_a_score_of_a_run_is_that_of_its_barcode():
    bars = lb.barcode(lb.from_grid([2.0, 0.0, 3.0, 1.0, 4.0, 0.5, 1.25]))
    table = bars.table().assign(gradient_norm=0.0, minimum_reached=True, quiet=True, end_evidence="bounded above", parameters=1, seed=0)
    assert study.summarise_runs(table, ["seed"])["to_score"].tolist() == [lb.obstruction_score(bars)]


def test_runs_are_resampled_and_not_rows():
    """Rows that are copied inside their runs add no information: the interval stays, where one that resamples rows would get shorter."""
    random = np.random.default_rng(1)
    seed = np.repeat(np.arange(12), 5)
    rows = pd.DataFrame({"seed": seed, "length": random.normal(size=60), "error": random.normal(size=60)})
    once = study.rank_correlation(rows, "length", "error", within=["seed"])
    copied = study.rank_correlation(pd.concat([rows] * 20), "length", "error", within=["seed"])
    assert (once["rows"], once["runs"], copied["rows"], copied["runs"]) == (60, 12, 1200, 12)
    for name in ("correlation", "low", "high"):
        assert copied[name] == pytest.approx(once[name], abs=0.02)
    # the exact bootstrap distribution of the mean of runs with equal sums of squares: a normal with this deviation, nearly
    each = [spearmanr(run["length"], run["error"]).statistic for _, run in rows.groupby("seed")]
    assert once["high"] - once["low"] == pytest.approx(2 * 1.96 * np.std(each) / 12**0.5, rel=0.15)


def test_one_run_has_no_interval():
    found = study.rank_correlation(BARS.assign(error=[1, 2, 3, 4, 5], n=[1, 3, 2, 0, 0]), "n", "error", within=["seed"])
    assert (found["rows"], found["runs"]) == (3, 1)
    assert found["correlation"] == pytest.approx(0.5)
    assert np.isnan([found["low"], found["high"]]).all()


BAD = {
    "one class has no bar that ends": (
        lambda: study.class_bars(lb.networks.network_loss(small_module(), small_data().train), catalogue_of_one(), neighbors=1),
        "minima: expected at least two, got 1",
    ),
    "no condition": (lambda: study.verdict_of([]), "held: expected at least one condition, got none"),
    "a summary of other rows": (
        lambda: study.summarise_runs(BARS.drop(columns="death"), ["seed", "width"]),
        r"table: expected the columns of network_bars and \['seed', 'width'\], got one without \['death', 'width'\]",
    ),
    "two values make no trend": (
        lambda: study.monotone_trend(pd.DataFrame({"seed": 0, "n": [1, 2], "birth": 0.1, "penalty": 1}), "birth", "n", within="penalty"),
        "runs: expected a repetition with at least three values of n, got none in 2 rows",
    ),
    "a constant has no rank": (
        lambda: study.rank_correlation(BARS.assign(n=1), "n", "birth", within=["seed"]),
        "table: expected n and birth to vary inside runs of at least three rows, got 3 rows of such",
    ),
}


def test_bad_input(bad_input):
    bad_input()
