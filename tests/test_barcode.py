"""The elder rule on graphs, against its definition; records and their views."""

import math
import warnings
from unittest import mock

import gudhi
import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graphs, grids

import lossbarcode as lb
from lossbarcode import _machine

INF = math.inf


def graph_of(values, edges, heights, saddle=None, device=None):
    def rows(x):
        return None if x is None else torch.tensor(x, dtype=torch.int64, device=device)

    return lb.Graph(
        torch.tensor(values, dtype=torch.float64, device=device),
        edges=rows(edges).reshape(-1, 2),
        heights=torch.tensor(heights, dtype=torch.float64, device=device),
        saddle=rows(saddle),
    )


def columns_of(record):
    """All tensors of a record, those of its graph included."""
    parts = vars(record) if isinstance(record, lb.Barcode) else {**vars(record.graph), **vars(record)}
    return {name: part for name, part in parts.items() if isinstance(part, torch.Tensor)}


def both_ways(call):
    """The answer of tensor operations, which is that of compiled loops to the last bit."""
    answers = []
    for large in (math.inf, 0):
        with mock.patch.object(_machine, "LARGE", large):
            answers.append(call())
    tensors, loops = map(columns_of, answers)
    assert tensors.keys() == loops.keys()
    for name, column in tensors.items():
        assert torch.equal(column, loops[name]), name
        assert column.dtype == loops[name].dtype, name
    return answers[0]


def quiet_barcode(source):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the graph is in")
        return both_ways(lambda: lb.barcode(source))


def rows_of(bars):
    """(birth, death, minimum, saddle, row of the parent's minimum) of every bar."""
    home = [-1 if p < 0 else int(bars.minimum[p]) for p in bars.parent.tolist()]
    return list(zip(bars.birth.tolist(), bars.death.tolist(), bars.minimum.tolist(), bars.saddle.tolist(), home, strict=True))


CASES = {
    # name: values, edges, heights, expected persistence
    "one minimum": ([2.5], [], [], [(2.5, INF)]),
    "negative": ([-3.0, -2.0], [(0, 1)], [-1.0], [(-3.0, INF), (-2.0, -1.0)]),
    "tie in births: the later row dies": ([1.0, 1.0], [(1, 0)], [4.0], [(1.0, INF), (1.0, 4.0)]),
    "zero length is no bar": ([1.0, 2.0], [(0, 1)], [2.0], [(1.0, INF)]),
    "two pieces": ([0.0, 1.0], [], [], [(0.0, INF), (1.0, INF)]),
    "a pass at infinity": ([0.0, 1.0], [(0, 1)], [INF], [(0.0, INF), (1.0, INF)]),
    "the lower of two passes": ([0.0, 1.0], [(0, 1), (1, 0)], [5.0, 3.0], [(0.0, INF), (1.0, 3.0)]),
    # 2 reaches 0 through 1: over 4 to 1 (higher, so 1 ends there), then over 6 to 0
    "chain through a third": ([0.0, 2.0, 1.0], [(0, 1), (1, 2)], [6.0, 4.0], [(0.0, INF), (1.0, 6.0), (2.0, 4.0)]),
    "a loop at one minimum": ([0.0], [(0, 0)], [1.0], [(0.0, INF)]),
}


@pytest.mark.parametrize("case", CASES)
def test_bars_of_small_graphs(case, device):
    values, edges, heights, expected = CASES[case]
    bars = quiet_barcode(graph_of(values, edges, heights, device=device))
    assert bars.birth.device.type == device.type
    assert [bar for _, bar in bars.persistence()] == expected


@settings(max_examples=500)
@given(graphs())
def test_agrees_with_the_definition(drawn):
    bars = quiet_barcode(graph_of(*drawn))
    assert rows_of(bars) == oracles.bars_of_graph(*drawn)


@settings(max_examples=200)
@given(graphs(), st.randoms(use_true_random=False))
def test_order_of_edges_changes_nothing(drawn, random):
    values, edges, heights, saddle = drawn
    order = random.sample(range(len(edges)), len(edges))
    turned = [edges[i][::-1] for i in order]
    shuffled = graph_of(values, turned, [heights[i] for i in order], [saddle[i] for i in order])
    assert rows_of(quiet_barcode(shuffled)) == rows_of(quiet_barcode(graph_of(*drawn)))


@settings(max_examples=200)
@given(graphs(), st.randoms(use_true_random=False))
def test_relabelling_minima_changes_no_interval(drawn, random):
    values, edges, heights, saddle = drawn
    new = random.sample(range(len(values)), len(values))
    moved = [0.0] * len(values)
    for old, value in enumerate(values):
        moved[new[old]] = value
    bars = quiet_barcode(graph_of(moved, [(new[u], new[v]) for u, v in edges], heights, saddle))
    assert sorted(bars.persistence()) == sorted(quiet_barcode(graph_of(*drawn)).persistence())


def test_a_long_staircase_needs_no_round_a_step():
    """Each minimum ends in the next older one, in sequence: the worst case of contracting one layer a round."""
    k = 20_000
    values = torch.arange(k, 0, -1, dtype=torch.float64)
    edges = torch.stack([torch.arange(k - 1), torch.arange(1, k)], 1)
    heights = k + torch.arange(1, k, dtype=torch.float64)
    bars = lb.barcode(lb.Graph(values, edges=edges, heights=heights))
    assert torch.equal(bars.birth, values.flip(0))
    assert torch.equal(bars.death[1:], heights.flip(0))
    assert torch.equal(bars.parent, torch.arange(-1, k - 1))


def test_pieces_are_counted_aloud():
    with pytest.warns(UserWarning, match=r"in 3 pieces, so there are 3 infinite bars.*more neighbors"):
        bars = lb.barcode(graph_of([0.0, 1.0, 2.0], [], []))
    assert (~bars.finite).sum() == 3


def test_views_of_a_barcode():
    bars = lb.barcode(graph_of([0.0, 1.0, 2.0], [(0, 1), (0, 2)], [3.0, 5.0], [7, 9]))
    table = bars.table()
    assert list(table.columns) == ["birth", "death", "length", "minimum", "saddle", "parent"]
    assert table.to_numpy().tolist() == [[0, INF, INF, 0, -1, -1], [1, 3, 2, 1, 7, 0], [2, 5, 3, 2, 9, 0]]
    assert bars.persistence() == [(0, (0.0, INF)), (0, (1.0, 3.0)), (0, (2.0, 5.0))]
    assert bars.length.tolist() == [INF, 2.0, 3.0]
    assert bars.finite.tolist() == [False, True, True]
    assert repr(bars) == "Barcode(3 bars, 1 infinite)"


@settings(max_examples=200)
@given(graphs(), st.integers(0, 9))
def test_the_longest_bars(drawn, count):
    bars = quiet_barcode(graph_of(*drawn))
    chosen = bars.longest(count)
    kept = sorted(bars.length.tolist(), reverse=True)[:count]
    assert sorted(chosen.length.tolist(), reverse=True) == kept
    assert set(rows_of(chosen)) <= set(rows_of(bars))  # parents included: none is left out below its child
    # a minimum is owned by the first bar at or above its own that was kept
    for node, owner in enumerate(chosen.owner.tolist()):
        bar = int(bars.owner[node])
        while bar >= 0 and int(bars.minimum[bar]) not in chosen.minimum.tolist():
            bar = int(bars.parent[bar])
        assert (int(chosen.minimum[owner]) if owner >= 0 else None) == (int(bars.minimum[bar]) if bar >= 0 else None)


def test_gudhi_takes_the_persistence_list():
    import gudhi.representations

    bars = lb.barcode(graph_of([0.0, 1.0], [(0, 1)], [3.0]))
    finite = gudhi.representations.DiagramSelector(use=True).fit_transform([np.array([bar for _, bar in bars.persistence()])])
    assert finite[0].tolist() == [[1.0, 3.0]]


BAD_GRAPHS = {
    "pass below an end": (
        dict(values=[0.0, 2.0], edges=[(0, 1)], heights=[1.0]),
        "at or above both its ends, got 1 that are not, the first at 0",
    ),
    "no such minimum": (dict(values=[0.0], edges=[(0, 1)], heights=[1.0]), "numbered 0 to 0, got 0 to 1"),
    "negative end": (dict(values=[0.0], edges=[(-1, 0)], heights=[1.0]), "numbered 0 to 0, got -1 to 0"),
    "NaN minimum": (dict(values=[0.0, math.nan], edges=[], heights=[]), r"Graph.values: .* got 1 NaN in 2, the first at 1"),
    "NaN height": (dict(values=[0.0, 1.0], edges=[(0, 1)], heights=[math.nan]), "height nan"),
    "infinite minimum": (dict(values=[0.0, INF], edges=[], heights=[]), "finite loss at every minimum"),
    "nothing": (dict(values=[], edges=[], heights=[]), r"at least one number, got shape \(0,\)"),
    "heights of another length": (
        dict(values=[0.0, 1.0], edges=[(0, 1)], heights=[1.0, 2.0]),
        r"Graph.edges: expected torch.int64 of shape \(2, 2\)",
    ),
}


@pytest.mark.parametrize("case", BAD_GRAPHS)
def test_bad_graphs(case):
    arguments, message = BAD_GRAPHS[case]
    with pytest.raises(ValueError, match=message):
        graph_of(**arguments)


def test_integer_values_are_refused():
    with pytest.raises(ValueError, match=r"Graph.values: expected torch.float64 .* got torch.int64"):
        lb.Graph(torch.tensor([1, 2]), edges=torch.zeros(0, 2, dtype=torch.int64), heights=torch.zeros(0, dtype=torch.float64))


@pytest.mark.parametrize("source", [None, [1.0], lb.from_grid([0.0, 1.0])], ids=["nothing", "list", "samples"])
def test_bad_sources(source):
    with pytest.raises(ValueError, match=r"expected a Graph or a record with a \.graph, got"):
        lb.barcode(source)


@given(grids(most=48), st.integers(0, 3))
def test_higher_bars_are_those_of_gudhi(array, index):
    samples = lb.from_grid(array)
    if index == 0:
        return
    bars = lb.barcode(samples, index=index)
    complex_ = gudhi.CubicalComplex(vertices=np.asarray(array, dtype=np.float64))
    complex_.compute_persistence(homology_coeff_field=2, min_persistence=0)
    expected = [(b, d) for b, d in complex_.persistence_intervals_in_dimension(index).tolist() if b < INF]
    assert sorted(bar for _, bar in bars.persistence()) == sorted(expected)
    assert all(degree == index for degree, _ in bars.persistence())
    assert bars.birth.dtype == samples.values.dtype
    assert torch.equal(samples.values[bars.minimum], bars.birth)
    ends = bars.finite & (bars.saddle >= 0)
    assert torch.equal(samples.values[bars.saddle[ends]], bars.death[ends])
    assert (bars.birth.diff() >= 0).all()


def test_a_shell_has_a_bar_of_index_two():
    """(|x|² - 1)² is low on a sphere; the hollow inside is filled in at the hill in its middle."""
    axis = np.linspace(-1.5, 1.5, 31)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    samples = lb.from_grid((x**2 + y**2 + z**2 - 1) ** 2, bounds=[(-1.5, 1.5)] * 3)
    (bar,) = lb.barcode(samples, index=2).longest(1).persistence()
    assert bar[1][1] == pytest.approx(1.0, abs=1e-6)
    assert bar[1][0] < 0.1
    assert samples.points[lb.barcode(samples, index=2).longest(1).saddle].abs().max() < 1e-6


@pytest.mark.parametrize(
    ("source", "message"), [(None, "for index 1, a MorseComplex or Samples on a grid, got Graph"), (-1, "index: expected a whole number")]
)
def test_index_that_cannot_be(source, message):
    graph = graph_of([0.0], [], [])
    with pytest.raises(ValueError, match=message):
        lb.barcode(graph, index=1 if source is None else source)


def test_scattered_samples_have_no_higher_bars():
    with pytest.raises(ValueError, match="expected, for index 1, a MorseComplex or Samples on a grid, got Samples"):
        lb.barcode(lb.sample(lb.functions.HumpCamel3(), 64), index=1)
