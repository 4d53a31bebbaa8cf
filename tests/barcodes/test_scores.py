"""Scores and distances: against sums written out, GUDHI's own solvers and the axioms."""

import math

import numpy as np
import pytest
import torch
from helpers import barcode_of_intervals
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

import lossbarcode as lb

intervals = st.lists(st.tuples(st.floats(-50, 50), st.floats(0.01, 20)).map(lambda bl: (bl[0], bl[0] + bl[1])), max_size=8)


@pytest.mark.parametrize(("p", "score"), [(1, 1.5 + 0.5), (2, math.hypot(1.5, 0.5)), (math.inf, 1.5)])
def test_score_by_hand(p, score, device):
    bars = barcode_of_intervals([(0.0, 3.0), (1.0, 2.0)])
    bars = lb.Barcode(*(getattr(bars, f).to(device) for f in ("birth", "death", "minimum_row", "saddle_row", "parent")))
    assert lb.obstruction_score(bars, p=p) == pytest.approx(score)


@given(intervals, st.sampled_from([1, 2, 3.5, math.inf]))
def test_score_is_the_distance_to_the_ideal_barcode(finite, p):
    bars = barcode_of_intervals(finite)
    assert lb.obstruction_score(bars, p=p) == pytest.approx(lb.wasserstein_distance(bars, barcode_of_intervals([]), p=p), rel=1e-5)
    assert (lb.obstruction_score(bars, p=p) == 0) == (not finite)


def costs(a, b, p):
    """Of matching every bar to a bar of the other side, or to one of as many copies of the diagonal."""
    a, b = np.reshape(a, (-1, 2)), np.reshape(b, (-1, 2))
    cost = np.zeros((len(a) + len(b),) * 2)
    cost[: len(a), : len(b)] = np.abs(a[:, None] - b[None]).max(-1) ** p
    cost[: len(a), len(b) :] = ((a[:, 1] - a[:, 0]) / 2)[:, None] ** p
    cost[len(a) :, : len(b)] = ((b[:, 1] - b[:, 0]) / 2)[None] ** p
    return cost


def bottleneck_by_matching(a, b):
    """The least cost at which SciPy finds a perfect matching of the pairs that cost no more."""
    cost = costs(a, b, 1)
    levels = np.unique(np.append(cost, 0.0))
    perfect = [(maximum_bipartite_matching(csr_array(cost <= level)) >= 0).all() for level in levels]
    return levels[perfect.index(True)]


@given(intervals, intervals, st.sampled_from([1e-9, 1.0, 1e9]))
def test_bottleneck_agrees_with_matchings(a, b, unit):
    a, b = ([(x * unit, y * unit) for x, y in side] for side in (a, b))
    assert lb.bottleneck_distance(barcode_of_intervals(a), barcode_of_intervals(b)) == pytest.approx(
        bottleneck_by_matching(a, b), rel=1e-9, abs=1e-8 * unit
    )


@given(intervals, intervals, intervals)
def test_distances_obey_the_axioms(a, b, c):
    a, b, c = barcode_of_intervals(a), barcode_of_intervals(b), barcode_of_intervals(c)
    for distance in (lb.bottleneck_distance, lb.wasserstein_distance):
        assert distance(a, a) == pytest.approx(0, abs=1e-9)
        assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-5, abs=1e-9)
        assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-4


@given(intervals, intervals, st.sampled_from([1, 2, 3]))
def test_wasserstein_agrees_with_the_assignment_written_out(a, b, p):
    cost = costs(a, b, p)
    expected = cost[linear_sum_assignment(cost)].sum() ** (1 / p)
    assert lb.wasserstein_distance(barcode_of_intervals(a), barcode_of_intervals(b), p=p) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("p", [1, 2, 4])
@pytest.mark.parametrize("gap", [0.0, 1e-15, 1e-12, 1e-6])
def test_nearly_equal_barcodes(p, gap):
    """hera's Wasserstein distance does not return on these."""
    finite = [(float(i), i + 1.5) for i in range(50)]
    moved = [(b + gap, d + gap) for b, d in reversed(finite)]
    assert lb.wasserstein_distance(barcode_of_intervals(finite), barcode_of_intervals(moved), p=p) == pytest.approx(
        gap * 50 ** (1 / p), rel=0.1, abs=1e-13
    )


def test_too_many_pairs():
    many = lb.Barcode(*(torch.ones(20_000) * x for x in (1, 2)), *(torch.zeros(20_000, dtype=torch.int64),) * 3)
    with pytest.raises(ValueError, match=r"at most 100,000,000 pairs of bars, got 20,000 x 20,000; compare the longest"):
        lb.wasserstein_distance(many, many)


def test_infinite_bars_are_matched_among_themselves():
    a, b = barcode_of_intervals([], [0.0, 5.0]), barcode_of_intervals([(1.0, 2.0)], [6.0, 0.25])
    assert lb.bottleneck_distance(a, b) == 1.0
    assert lb.wasserstein_distance(a, b) == pytest.approx(0.25 + 1.0 + 0.5)
    assert lb.wasserstein_distance(a, b, p=2) == pytest.approx(math.sqrt(0.0625 + 1.0 + 0.25))


def test_another_number_of_infinite_bars_is_infinitely_far():
    one, two = barcode_of_intervals([]), barcode_of_intervals([], [0.0, 1.0])
    for distance in (lb.bottleneck_distance, lb.wasserstein_distance):
        assert distance(one, two) == math.inf
    assert lb.obstruction_score(two) == math.inf
    assert lb.obstruction_score(barcode_of_intervals([], [])) == math.inf


@pytest.mark.parametrize("p", [0.5, 0, -1, math.nan])
def test_orders_below_one(p):
    with pytest.raises(ValueError, match="p: expected 1 or more"):
        lb.obstruction_score(barcode_of_intervals([]), p=p)
    with pytest.raises(ValueError, match="p: expected 1 or more"):
        lb.wasserstein_distance(barcode_of_intervals([]), barcode_of_intervals([]), p=p)


def test_score_of_a_higher_degree():
    """The ideal barcode is empty there, so every bar counts, and one that never ends is beyond repair."""
    ring = lb.from_grid(np.array([[2.0, 1.0, 2.0], [1.0, 5.0, 1.0], [2.0, 1.0, 2.0]]))
    assert lb.obstruction_score(ring, degree=1) == lb.obstruction_score(lb.barcode(ring, degree=1)) == pytest.approx((5 - 2) / 2)
    assert lb.obstruction_score(ring, degree=1, p=math.inf) == pytest.approx(1.5)
    assert lb.obstruction_score(lb.basins(ring)) == lb.obstruction_score(lb.basins(ring), degree=0) > 0
    hole = lb.from_grid(np.array([[2.0, 1.0, 2.0], [1.0, np.inf, 1.0], [2.0, 1.0, 2.0]]))
    assert lb.obstruction_score(hole, degree=1) == math.inf
    assert lb.obstruction_score(ring, degree=2) == 0.0
    with pytest.raises(ValueError, match="degree: expected 1, that of the barcode, got 0"):
        lb.obstruction_score(lb.barcode(ring, degree=1), degree=0)
