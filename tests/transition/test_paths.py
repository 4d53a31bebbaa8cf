"""Minimum-energy paths: against the Morse route, known saddles and brute force."""

import itertools
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import lossbarcode as lb
from lossbarcode.losses import _derivatives
from lossbarcode.transition import _checkpoints, _minimax, _polylines

INF = math.inf


def minima_of(loss, n=1000, apart=1e-2, seed=0, **options):
    starts = lb.sample(loss, n, bounds=options.get("bounds"), dtype=torch.float64, seed=seed).points
    return lb.find_minima(loss, starts, gradient_tolerance=1e-8, **options).deduplicate(apart)


def intervals(bars):
    return sorted(bar for _, bar in bars.to_gudhi())


ANALYTIC = [("HumpCamel6",), ("Wavy", 2), ("Wavy", 3), ("Schwefel26", 2), ("Schwefel26", 3)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ANALYTIC, ids=str)
@pytest.mark.slow
def test_barcodes_are_those_of_the_morse_route(name):
    loss = getattr(lb.functions, name[0])(*name[1:])
    exact = lb.barcode(lb.morse_complex(loss))
    sampled = lb.basins(lb.sample(loss, 64 ** len(loss.bounds), method="grid", dtype=torch.float64))
    minima = lb.find_minima(loss, sampled.samples.points[sampled.minimum_row], gradient_tolerance=1e-8).deduplicate(1e-2)
    # in the plane all pairs, in space those that can matter: 400,000 pairs of a thousand minima would take minutes
    paths = lb.connect(loss, minima, pairs=minima.nearest_pairs(12) if len(minima) > 200 else None, height_tolerance=1e-6)
    bars = lb.barcode(paths)
    assert len(bars) == len(exact)
    assert lb.bottleneck_distance(bars, exact) < 1e-4


def mueller_brown(x):
    a, b, c = (-1, -1, -6.5, 0.7), (0, 0, 11, 0.6), (-10, -10, -6.5, 0.7)
    height, place = (-200, -100, -170, 15), ((1, 0), (0, 0.5), (-0.5, 1.5), (-1, 1))
    u = [(x[:, 0] - p, x[:, 1] - q) for p, q in place]
    return sum(height[i] * torch.exp(a[i] * u[i][0] ** 2 + b[i] * u[i][0] * u[i][1] + c[i] * u[i][1] ** 2) for i in range(4))


def test_mueller_and_brown():
    """The saddles that every article on paths has: -40.6648 and -72.2489."""
    minima = minima_of(mueller_brown, bounds=[(-1.7, 1.2), (-0.4, 2.1)])
    paths = lb.connect(mueller_brown, minima, height_tolerance=1e-5)
    bars = lb.barcode(paths)
    expected = [(-146.6995, INF), (-108.1667, -40.6648), (-80.7678, -72.2489)]
    np.testing.assert_allclose(intervals(bars), expected, atol=2e-4)
    used = [paths.saddle_evidence[int(row) // paths.points.shape[1]] for row in bars.saddle_row[bars.is_finite]]
    assert used == ["index-1 saddle (numerical)"] * 2
    place = paths.points.flatten(0, 1)[bars.saddle_row[1]]
    np.testing.assert_allclose(place, [-0.8220, 0.6243], atol=1e-3)


@pytest.mark.slow
def test_adaptive_effort_changes_no_bar():
    for loss in (lb.functions.HumpCamel6(), lb.functions.Schwefel26(2)):
        minima = minima_of(loss, 500)
        few, all_ = (lb.connect(loss, minima, height_tolerance=1e-5, adaptive=adaptive) for adaptive in (True, False))
        assert lb.bottleneck_distance(lb.barcode(few), lb.barcode(all_)) < 1e-4
        assert (few.heights >= all_.heights - 1e-4).all()


@pytest.mark.slow
def test_order_seeds_and_chunks_change_no_bar(monkeypatch):
    loss = lb.functions.HumpCamel6()
    bars = lb.barcode(lb.connect(loss, minima_of(loss), height_tolerance=1e-6))
    other = minima_of(loss, seed=3)
    turned = other[torch.randperm(len(other), generator=torch.Generator().manual_seed(0))]
    assert lb.bottleneck_distance(bars, lb.barcode(lb.connect(loss, turned, height_tolerance=1e-6))) < 1e-5
    monkeypatch.setattr(_derivatives, "CHUNK_SIZE", 13)
    assert lb.bottleneck_distance(bars, lb.barcode(lb.connect(loss, minima_of(loss), height_tolerance=1e-6))) < 1e-9


@pytest.mark.parametrize("calls", [5, 60])
def test_an_interrupted_run_resumes(calls, tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoints, "SAVE_INTERVAL", 0)
    left = calls

    class Killed(Exception):
        pass

    def camel(x):
        nonlocal left
        left -= x.requires_grad
        if left < 0:
            raise Killed
        return lb.functions.HumpCamel6()(x)

    minima = minima_of(lb.functions.HumpCamel6())
    with pytest.raises(Killed):
        lb.connect(camel, minima, checkpoint=tmp_path / "paths.pt")
    left = 10**9
    resumed = lb.connect(camel, minima, checkpoint=tmp_path / "paths.pt")
    whole = lb.connect(camel, minima)
    for name in ("points", "values", "heights", "last_decrease", "negative_eigenvalues"):
        assert torch.equal(getattr(resumed, name), getattr(whole, name))
    with pytest.raises(ValueError, match="got that of another run"):
        lb.connect(camel, minima, initial_images=11, checkpoint=tmp_path / "paths.pt")


@pytest.mark.slow
def test_the_highest_loss_is_that_of_the_whole_path(dtype):
    loss = lb.functions.Langermann()
    minima = minima_of(loss, 2000)[:6]
    some = lb.Minima(minima.points.to(dtype), loss(minima.points.to(dtype)), minima.gradient_norm.to(dtype), bounds=minima.bounds.to(dtype))
    paths = lb.connect(loss, some, max_rounds=3)
    assert paths.heights.dtype == dtype
    dense = torch.linspace(0, paths.points.shape[1] - 1, 20_001, dtype=dtype).expand(len(paths), -1)
    highest = loss(_polylines.interpolate(paths.points, dense).flatten(0, 1)).view(len(paths), -1).amax(1)
    assert (highest <= paths.heights + paths.height_tolerance / 5).all()
    assert torch.equal(paths.points.flatten(0, 1)[paths.top_image_row], paths.points[torch.arange(len(paths)), paths.values.argmax(1)])
    assert torch.equal(paths.points[:, 0], some.points[paths.pairs[:, 0]])
    assert torch.equal(paths.points[:, -1], some.points[paths.pairs[:, 1]])
    assert (paths.heights >= some.values[paths.pairs].amax(1)).all()


def test_images_are_distributed_along_their_path():
    corner = torch.tensor([[[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]]])
    moved = _polylines.reparametrise(corner, torch.tensor([[0.0, 0.5, 1.0]]))
    assert moved.tolist() == [[[0, 0], [2, 0], [3, 1]]]
    nowhere = torch.ones(1, 4, 2)
    assert torch.equal(_polylines.reparametrise(nowhere, torch.linspace(0, 1, 4)[None]), nowhere)


def test_minimax_heights_against_all_chains():
    random = np.random.default_rng(0)
    for count in (2, 3, 7):
        pairs = torch.combinations(torch.arange(count))
        height = torch.from_numpy(random.normal(size=len(pairs)))
        best = np.full((count, count), np.inf)
        best[tuple(pairs.T.numpy())] = height
        best = np.minimum(best, best.T)
        for via, a, b in itertools.product(range(count), repeat=3):
            best[a, b] = min(best[a, b], max(best[a, via], best[via, b])) if a != b else best[a, b]
        np.testing.assert_allclose(_minimax.minimax_heights(height, pairs, count), best[tuple(pairs.T.numpy())])


def test_walls_join_nothing():
    """0 and 1 are joined over 2 only, and 3 not at all."""
    heights = torch.tensor([INF, 5.0, -2.0, INF], dtype=torch.float64)
    pairs = torch.tensor([[0, 1], [1, 2], [2, 0], [3, 0]])
    assert _minimax.minimax_heights(heights, pairs, 4).tolist() == [5, 5, -2, INF]
    assert _minimax.minimax_heights(heights[[0, 3]], pairs[[0, 3]], 4).tolist() == [INF, INF]


def test_evidence():
    """Two wells and a straight path over x^2 - y^2 + y^4, whose saddle is at 0."""

    def wells(x):
        return x[:, 0] ** 2 - x[:, 1] ** 2 + x[:, 1] ** 4 + 3 * x[:, 2:].square().sum(1)

    for d in (2, 30):
        minima = lb.find_minima(wells, torch.tensor([[0.1] + [s] + [0.1] * (d - 2) for s in (-0.5, 0.5)], dtype=torch.float64))
        paths = lb.connect(wells, minima, height_tolerance=1e-6)
        assert paths.saddle_evidence == ["index-1 saddle (numerical)"]
        assert paths.negative_eigenvalues.tolist() == [1]
        assert abs(float(paths.heights[0])) < 1e-6
        assert float(paths.lowest_eigenvalue[0]) == pytest.approx(-2, abs=1e-3)
        without = lb.connect(wells, minima, height_tolerance=1e-6, hessian_products=0)
        assert without.saddle_evidence == ["upper bound"]
        assert without.negative_eigenvalues.tolist() == [-1]
    assert list(paths.table().columns) == [
        "from",
        "to",
        "height",
        "last_decrease",
        "gradient_norm",
        "negative_eigenvalues",
        "saddle_evidence",
    ]


def test_paths_stay_in_the_box():
    """The lowest way around the hill leaves the box; along its side is the best that is allowed."""

    def hill(x):
        return (x[:, 0].square() - 1).square() + 2 * torch.exp(-4 * x.square().sum(1)) - 0.8 * x[:, 1]

    box = torch.tensor([(-2.0, 2.0), (-1.0, 0.5)], dtype=torch.float64)
    minima = lb.find_minima(hill, torch.tensor([[-1.0, 0], [1.0, 0]], dtype=torch.float64), bounds=box)
    paths = lb.connect(hill, minima, height_tolerance=1e-6)
    assert (paths.points >= box[:, 0] - 1e-12).all()
    assert (paths.points <= box[:, 1] + 1e-12).all()
    exact = lb.barcode(lb.morse_complex(hill, box))
    assert lb.bottleneck_distance(lb.barcode(paths), exact) < 1e-4


def test_minima_that_coincide():
    place = torch.zeros(2, 2, dtype=torch.float64)
    loss = lb.functions.HumpCamel6()
    twice = lb.find_minima(loss, place + 0.09)
    paths = lb.connect(loss, twice)
    assert paths.heights.tolist() == twice.values[:1].tolist()
    assert len(lb.barcode(paths)) == 1  # a bar without length is none


def test_straight_lines():
    loss = lb.functions.HumpCamel6()
    minima = minima_of(loss)
    paths = lb.connect(loss, minima, max_rounds=0, height_tolerance=1e-6)
    for (a, b), saddle in zip(paths.pairs.tolist(), paths.heights, strict=True):
        line = torch.lerp(minima.points[a], minima.points[b], torch.linspace(0, 1, 100_001, dtype=torch.float64)[:, None])
        torch.testing.assert_close(saddle, loss(line).max(), rtol=0, atol=1e-6)


def test_only_some_pairs():
    loss = lb.functions.HumpCamel6()
    minima = minima_of(loss)
    chain = torch.stack([torch.arange(5), torch.arange(1, 6)], 1)
    paths = lb.connect(loss, minima, pairs=chain)
    assert len(paths) == 5
    assert len(lb.barcode(paths)) == 6


@pytest.mark.slow
def test_networks_from_minima_to_bars():
    data = lb.data.digits().to(dtype=torch.float64)
    loss = lb.networks.network_loss(
        lb.networks.FullyConnected(64, (6,), 10, torch.nn.Tanh).double(), tuple(t[:60] for t in data.train), l2=1e-3
    )
    minima = lb.find_minima(loss, loss.initial_parameters(4), gradient_tolerance=1e-5)
    paths = lb.connect(loss, minima, height_tolerance=1e-2, max_rounds=8)
    bars = lb.barcode(paths)
    assert len(bars) == 4
    assert torch.equal(bars.birth, minima.values.sort().values)
    straight = lb.connect(loss, minima, max_rounds=1, steps_per_round=1)
    assert (paths.heights < straight.heights).all()


def connect(count=6, **options):
    points = torch.rand(count, 2, generator=torch.Generator().manual_seed(0))
    return lb.connect(lb.functions.HumpCamel6(), lb.Minima(points, points[:, 0], points[:, 0]), **options)


def test_the_table_of_bars_names_paths_that_are_not_quiet():
    loss = lb.functions.HumpCamel6()
    minima = lb.find_minima(loss, lb.sample(loss, 64, dtype=torch.float64).points).deduplicate(1e-3)
    paths = lb.connect(loss, minima)
    table, bars = paths.bars_table(), lb.barcode(paths)
    pd.testing.assert_frame_equal(table[bars.table().columns.tolist()], bars.table())
    assert table["quiet"].tolist() == [False, *[True] * 5]
    assert table["saddle_evidence"].isna().tolist() == [True, *[False] * 5]
    assert table["saddle_evidence"][1:].tolist() == [*["index-1 saddle (numerical)"] * 5]
    assert (table["end_evidence"][1:] == "bounded above").all()
    one_round = lb.connect(loss, minima, max_rounds=1, height_tolerance=1e-9).bars_table()
    # the line between the two lowest runs over their saddle (0, 0)
    assert one_round["quiet"].tolist() == [False, True, *[False] * 4]
    assert one_round["minimum_reached"].all()
    assert (one_round["last_decrease"][2:] > 1e-9).all()


def valley(x):
    """Wells of depth 0 at (-1, 0) and (1, 0), and a valley between them, whose pass of height 1 is (0, -1)."""
    u, v = x[:, 0], x[:, 1]
    return (u.square() - 1).square() + 5 * (v + 1 - u.square()).square()


def behind(wall, height=INF, loss=valley):
    """The loss with another number wherever the wall is."""
    return lambda x: torch.where(wall(*x.T), torch.tensor(height, dtype=x.dtype), loss(x))


WELLS = lb.Minima(torch.tensor([[-1.0, 0], [1, 0]], dtype=torch.float64), *torch.zeros(2, 2, dtype=torch.float64))


def test_a_path_slides_out_of_a_thin_wall():
    loss = behind(lambda u, v: (u.abs() < 0.01) & (v > -0.4))
    paths = lb.connect(loss, WELLS, height_tolerance=1e-6)
    assert lb.connect(loss, WELLS, max_rounds=0).heights.tolist() == [INF]
    assert float(paths.heights[0]) == pytest.approx(1, abs=1e-4)
    assert paths.saddle_evidence == ["index-1 saddle (numerical)"]


def test_wells_behind_a_wall_are_never_joined():
    loss = behind(lambda u, v: u.abs() < 0.5)
    paths = lb.connect(loss, WELLS)
    assert paths.heights.tolist() == [INF]
    assert paths.saddle_evidence == ["upper bound"]
    # the highest finite loss of the straight line is near its end, at u = 0.5: (3/4)² + 5 (3/4)² = 27/8
    assert paths.height_tolerance == pytest.approx(1e-3 * 27 / 8, rel=0.2)
    with pytest.warns(UserWarning, match="the graph has 2 connected components, so there are 2 infinite bars; .* join more pairs"):
        bars = lb.barcode(paths)
    assert intervals(bars) == [(0, INF), (0, INF)]
    with pytest.warns(UserWarning, match="the graph has 2 connected components"):
        table = paths.evidence_table()
    assert table["evidence"].tolist() == ["never ends", "unknown"]


def test_walls_are_avoided_over_other_minima():
    """Between the wells at u = -2 and 2 stands a wall, with a well beside it that both can reach."""

    def wells(x):
        return (x[:, 0] * torch.pi / 2).sin().square() + x[:, 0].square() * x[:, 1].square() / 4

    places = torch.tensor([[-2.0, 0.0], [0.0, 2.0], [2.0, 0.0]], dtype=torch.float64)
    minima = lb.Minima(places, *torch.zeros(2, 3, dtype=torch.float64))
    loss = behind(lambda u, v: (u.abs() < 0.5) & (v < 0.8), loss=wells)
    paths = lb.connect(loss, minima, max_rounds=0)
    assert paths.heights.isinf().tolist() == [False, True, False]
    finite = paths.heights[[0, 2]]
    assert paths.height_tolerance == pytest.approx(1e-3 * float(finite.median()), rel=1e-3)
    np.testing.assert_allclose(intervals(lb.barcode(paths)), [(0, float(finite[0])), (0, float(finite[1])), (0, INF)])


@pytest.mark.parametrize(("height", "shown"), [(math.nan, "nan"), (-INF, "-inf")])
@pytest.mark.parametrize("rounds", [0, 16])
def test_a_path_without_numbers_is_named(height, shown, rounds):
    if rounds:  # the straight line is free of it, the pass is not
        wall, place = (lambda u, v: v < -0.6), r"at \[-?0\.[0-9]+, -0\.[6-9][0-9]*\]"
    else:
        wall, place = (lambda u, v: (u > 0.4) & (u < 0.9)), r"0.75 of its images from 0, at \[0\.5, 0\]"
    with pytest.raises(
        ValueError,
        match=rf"loss: expected numbers on paths, or \+inf for walls, got {shown} at \d+ of \d+ places, the first on the path from minimum 0 to 1, .*{place}; mend",
    ):
        lb.connect(behind(wall, height), WELLS, max_rounds=rounds)


def test_minima_without_a_bar_keep_their_reason():
    """The second minimum is found twice, and the third is only a place on the slope towards the first."""

    def wells(x):
        return (x[:, 0].square() - 1).square() + x[:, 0] / 10

    places = lb.find_minima(wells, torch.tensor([[-1.0], [1.0], [1.0], [-0.5]], dtype=torch.float64)).points
    places[3] = -0.5
    minima = lb.Minima(places, wells(places), torch.tensor([0, 0, 0, 9.0], dtype=torch.float64))
    paths = lb.connect(wells, minima)
    table = paths.evidence_table()
    assert table.index.tolist() == [0, 1, 2, 3]
    no_bar = "no bar: no climb to minimum"
    assert table["evidence"].tolist() == ["never ends", "bounded above", f"{no_bar} 1", f"{no_bar} 0"]
    assert table["minimum_reached"].tolist() == [True, True, True, False]
    assert (table["death"] == table["birth"]).tolist() == [False, False, True, True]
    bars = paths.bars_table().set_index("minimum_row")
    assert bars.index.tolist() == [0, 1]
    pd.testing.assert_frame_equal(bars[["birth", "death"]], table.loc[[0, 1], ["birth", "death"]], check_names=False)


def test_the_evidence_prints_in_80_characters():
    minima = minima_of(mueller_brown, bounds=[(-1.7, 1.2), (-0.4, 2.1)])
    again = minima[[0, 1, 2, 2]]
    text = str(lb.connect(mueller_brown, again).evidence_table())
    assert "..." not in text
    assert len(text.splitlines()) == 5
    assert max(map(len, text.splitlines())) <= 80
    assert "no bar: no climb to minimum 2" in text


def test_losses_close_to_zero_are_not_stale():
    """At exact solutions what is left of a loss is rounding, which another order of sums changes altogether."""
    minima = replace(WELLS, values=torch.tensor([3e-17, 0], dtype=torch.float64))
    assert len(lb.connect(valley, minima, max_rounds=1)) == 1


BAD = {
    "another loss": (lambda: lb.connect(lambda x: valley(x) + x[:, 0], WELLS), r"minima: expected minima.values to be the loss at minima.points, got 2 of 2 that differ, first in row 0: 0 instead of -1; find them again with this loss, by lb.find_minima\(loss, minima.points\)"),
    "stale minima": (lambda: lb.connect(valley, replace(WELLS, points=WELLS.points * torch.tensor([[1.0], [2.0]]))), "minima: .* got 1 of 2 that differ, first in row 1: 0 instead of 54; find"),
    "mean over rows": (lambda: lb.connect(lambda x: valley(x) - valley(x).mean(), WELLS), "loss: expected every row to have a loss of its own, got 0 for the first point alone"),
    "box of others": (lambda: lb.connect(valley, WELLS, bounds=[(-2, 2)] * 3), r"bounds: expected one \(low, high\) for each of the 2 parameters of the points, got 3 of them"),
    "no period": (lambda: lb.connect(valley, WELLS, bounds=[(-2, 2)] * 2, periodic=True), "periodic: expected the same loss one width of the box further on"),
    "periods of nothing": (lambda: lb.connect(valley, WELLS, periodic=[False, True]), r"periodic: expected bounds, whose width is the period, got periodic=\[False, True\] alone"),
    "one minimum": (lambda: connect(1), "minima: expected at least two, got 1"),
    "two images": (lambda: connect(initial_images=2), "images: expected a whole number of at least 3, got 2"),
    "rounds": (lambda: connect(max_rounds=-1), "rounds: expected a whole number of at least 0, got -1"),
    "tolerance": (lambda: connect(height_tolerance=0.0), "tolerance: expected a positive difference of losses, got 0.0"),
    "pairs": (lambda: connect(pairs=[0, 1]), r"pairs: expected whole numbers \[p 2\], got torch.int64 of shape \[2\]"),
    "pairs of others": (lambda: connect(pairs=[[0, 6]]), "pairs: expected numbers from 0 to 5, got 0 to 6"),
    "itself": (lambda: connect(pairs=[[1, 1]]), r"pairs: expected two different minima each, got \[1, 1\]"),
}  # fmt: skip


def test_bad_input(bad_input):
    bad_input()


def test_images_that_would_not_fit():
    minima = lb.Minima(torch.zeros(100, 10**6), torch.zeros(100), torch.zeros(100))
    with pytest.raises(MemoryError, match=r"4,950 paths: expected to fit .* join fewer pairs"):
        lb.connect(lb.functions.HumpCamel6(), minima, initial_images=1000)


PEAK = """
import re, torch, lossbarcode as lb
from pathlib import Path
from lossbarcode.transition import _connect

def memory(which):
    return int(re.search(rf"{which}:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)) * 1024

announced = []
_connect.check_memory = lambda size, *rest: announced.append(size)
random = torch.Generator().manual_seed(0)
loss = lambda x: x.square().sum(1)
points = torch.randn(6, 100_000, generator=random)
minima = lb.Minima(points, loss(points), torch.zeros(6))
before = memory("VmRSS")
lb.connect(loss, minima, max_rounds=3, steps_per_round=3, progress=False)
print(announced[0], memory("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.slow
def test_memory_is_as_announced():
    found = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    announced, held = map(float, found.stdout.split())
    assert announced / 6 < held < announced
