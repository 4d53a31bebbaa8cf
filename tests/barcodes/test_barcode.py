"""The elder rule on graphs, against its definition; records and their views."""

import json
import math
from xml.etree import ElementTree

import gudhi
import numpy as np
import oracles
import pytest
import torch
from helpers import graph_of, quiet_barcode, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import clouds, graphs, grids

import lossbarcode as lb

INF = math.inf


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
    assert [bar for _, bar in bars.to_gudhi()] == expected


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
    assert sorted(bars.to_gudhi()) == sorted(quiet_barcode(graph_of(*drawn)).to_gudhi())


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


def test_components_are_counted_in_a_warning():
    with pytest.warns(UserWarning, match=r"has 3 connected components, so there are 3 infinite bars.*more neighbors"):
        bars = lb.barcode(graph_of([0.0, 1.0, 2.0], [], []))
    assert (~bars.is_finite).sum() == 3


def test_views_of_a_barcode():
    bars = lb.barcode(graph_of([0.0, 1.0, 2.0], [(0, 1), (0, 2)], [3.0, 5.0], [7, 9]))
    table = bars.table()
    assert list(table.columns) == ["birth", "death", "length", "minimum_row", "saddle_row", "parent"]
    assert table.to_numpy().tolist() == [[0, INF, INF, 0, -1, -1], [1, 3, 2, 1, 7, 0], [2, 5, 3, 2, 9, 0]]
    assert bars.to_gudhi() == [(0, (0.0, INF)), (0, (1.0, 3.0)), (0, (2.0, 5.0))]
    assert bars.length.tolist() == [INF, 2.0, 3.0]
    assert bars.is_finite.tolist() == [False, True, True]
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
    for node, owner in enumerate(chosen.bar_of_minimum.tolist()):
        bar = int(bars.bar_of_minimum[node])
        while bar >= 0 and int(bars.minimum_row[bar]) not in chosen.minimum_row.tolist():
            bar = int(bars.parent[bar])
        assert (int(chosen.minimum_row[owner]) if owner >= 0 else None) == (int(bars.minimum_row[bar]) if bar >= 0 else None)


def owners_by_definition(values, edges, heights, saddle, length):
    """The minimum whose bar each minimum belongs to when only bars longer than this count: it goes on from where it dies to the oldest
    minimum that can be reached there, until a bar is long enough."""
    age = {node: i for i, node in enumerate(sorted(range(len(values)), key=lambda i: (values[i], i)))}
    triples = [(u, v, (h, s)) for (u, v), h, s in zip(edges, heights, saddle, strict=True) if h < INF]
    reach, levels, far = oracles.minimax(len(values), triples)

    def owner(p):
        level = min((reach[p, q] for q in age if age[q] < age[p]), default=far)
        if level == far or levels[level][0] - values[p] > length:
            return p
        return owner(min((q for q in age if reach[p, q] <= level), key=age.get))

    return [owner(p) for p in range(len(values))]


@settings(max_examples=300)
@given(graphs(), st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 100.0]))
def test_bars_longer_than_a_length(drawn, length):
    """Against the elder rule: the same bars without the short ones, whose minima go to the first long one that they merge into."""
    bars = quiet_barcode(graph_of(*drawn))
    long = bars.longer_than(length)
    assert rows_of(long) == [bar for bar in oracles.bars_of_graph(*drawn) if bar[1] - bar[0] > length]
    assert long.minimum_row[long.bar_of_minimum].tolist() == owners_by_definition(*drawn, length)
    assert rows_of(long.longer_than(length)) == rows_of(long)


@given(clouds(), st.sampled_from([0.0, 0.5, 2.0]))
def test_sizes_of_long_bars_are_those_of_the_basins_merged(drawn, length):
    samples, _ = drawn
    found = lb.basins(samples)
    long = quiet_barcode(found).longer_than(length)
    owner = long.bar_of_minimum[found.label[found.label >= 0]]
    assert long.size.tolist() == torch.bincount(owner, minlength=len(long)).tolist()


def test_all_of_a_higher_degree_may_be_left_out():
    ring = lb.barcode(lambda x: (x.square().sum(1) - 1).square(), [(-2, 2), (-2, 2)], n=400, degree=1)
    assert len(ring.longer_than(0.5)) == 1
    assert len(ring.longer_than(1e9)) == 0


BAD = {
    "a negative length": (lambda: lb.barcode([1.0, 0.0]).longer_than(-1.0), "length: expected a finite number of at least 0, .*got -1.0"),
    "no number": (lambda: lb.barcode([1.0, 0.0]).longer_than(math.nan), "length: expected a finite number of at least 0, .*got nan"),
    "all, infinite ones too": (
        lambda: lb.barcode([1.0, 0.0]).longer_than(INF),
        "length: expected a finite number of at least 0, .*got inf",
    ),
}


def test_bad_input(bad_input):
    bad_input()


def test_gudhi_takes_the_persistence_list():
    import gudhi.representations

    bars = lb.barcode(graph_of([0.0, 1.0], [(0, 1)], [3.0]))
    finite = gudhi.representations.DiagramSelector(use=True).fit_transform([np.array([bar for _, bar in bars.to_gudhi()])])
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
def test_bad_graphs(case, as_users_call):
    arguments, message = BAD_GRAPHS[case]
    with pytest.raises(ValueError, match=message):
        graph_of(**arguments)


def test_integer_values_are_refused(as_users_call):
    with pytest.raises(ValueError, match=r"Graph.values: expected torch.float64 .* got torch.int64"):
        lb.Graph(torch.tensor([1, 2]), edges=torch.zeros(0, 2, dtype=torch.int64), heights=torch.zeros(0, dtype=torch.float64))


BAD_SOURCES = {
    "nothing": (None, "barcode: expected a loss with its bounds, an array, samples, or a record with a graph, got None"),
    "words": ("HumpCamel6", "values: expected an array of real numbers .* got dtype <U10"),
    "a loss without a box": (lambda x: x.sum(1), r"bounds: expected a box \[d 2\], got None"),
}


@pytest.mark.parametrize("case", BAD_SOURCES)
def test_bad_sources(case):
    source, message = BAD_SOURCES[case]
    with pytest.raises(ValueError, match=message):
        lb.barcode(source)


def test_bounds_of_what_has_bounds():
    with pytest.raises(ValueError, match="bounds: expected only for a loss or an array, got it for Graph"):
        lb.barcode(graph_of([0.0], [], []), [(0, 1)])


def same_bars(first, second):
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("birth", "death", "minimum_row", "saddle_row", "size"))


def test_one_call_does_all_steps():
    loss = lb.functions.EggCrate()
    samples = lb.sample(loss, 4096, dtype=torch.float64)
    assert same_bars(lb.barcode(samples), lb.barcode(lb.basins(samples)))
    assert same_bars(lb.barcode(lambda x: loss(x), loss.bounds, n=999, seed=3), lb.barcode(lb.basins(lb.sample(loss, 999, seed=3))))
    array = np.random.default_rng(0).normal(size=(17, 19))
    assert same_bars(lb.barcode(array), lb.barcode(lb.basins(lb.from_grid(array))))
    ring = lb.barcode(lambda x: (x.square().sum(1) - 1).square(), [(-2, 2), (-2, 2)], degree=1)
    assert len(ring.longest(1)) == 1
    assert ring.degree == 1


class Chain(lb.Source):
    """A route of somebody else: a graph and a name."""

    def __init__(self):
        self.graph, self.name = graph_of([0.0, 1.0], [(0, 1)], [3.0]), "a chain"


def test_a_source_of_ones_own():
    bars = lb.barcode(Chain())
    assert (bars.name, bars.size) == ("a chain", None)
    assert bars.to_gudhi() == [(0, (0.0, INF)), (0, (1.0, 3.0))]
    assert lb.obstruction_score(Chain()) == 1.0
    with pytest.raises(ValueError, match="for degree 1, a MorseComplex or Samples on a grid, got Chain"):
        lb.barcode(Chain(), degree=1)


def test_bars_are_a_sequence():
    bars = lb.barcode([2.0, 0.0, 3.0, 1.0, 4.0])
    assert [bar.length for bar in bars] == [INF, 2.0]
    assert bars[1] == bars[-1] == lb.Bar(1.0, 3.0, 3, 2, 0)
    assert list(bars) == [bars[0], bars[1]]
    np.testing.assert_array_equal(np.asarray(bars), [[0.0, INF], [1.0, 3.0]])
    assert np.asarray(bars, dtype=np.float32).dtype == np.float32
    assert bars.to(dtype=torch.float32).birth.dtype == torch.float32
    assert bars.to("cpu").minimum_row.dtype == torch.int64
    with pytest.raises(IndexError, match="bars: expected a row from -2 to 1, got 2"):
        bars[2]


def test_a_barcode_in_a_notebook():
    page = lb.barcode(np.random.default_rng(0).normal(size=200))._repr_html_()
    assert "the 10 longest of" in page
    assert page.count("<tr") == 11
    drawing = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    lines = [{name: float(value) for name, value in line.attrib.items() if name[0] in "xy"} for line in drawing]
    assert len(lines) == 10
    assert all(line["x1"] == line["x2"] and line["y1"] > line["y2"] >= 0 for line in lines)
    assert sum(line["y2"] == 0 for line in lines) == 1  # the infinite one


def test_plots_are_those_of_the_charts():
    bars = lb.barcode([2.0, 0.0, 3.0, 1.0, 4.0])
    assert bars.plot(width=99).to_dict()["width"] == 99
    curve = lb.basins(lb.sample(lb.functions.DoubleWell(), 64, method="grid"))
    camel = lb.basins(lb.sample(lb.functions.SixHumpCamel(), 400))
    assert "level" in json.dumps(curve.plot().to_dict()["params"])
    assert "Merge tree" in json.dumps(camel.plot().to_dict())
    with pytest.raises(ValueError, match="two parameters, got 3"):
        lb.basins(lb.sample(lb.functions.Alpine01(3), 100)).plot()


@given(grids(most=48), st.integers(0, 3))
def test_higher_bars_are_those_of_gudhi(array, index):
    samples = lb.from_grid(array)
    if index == 0:
        return
    bars = lb.barcode(samples, degree=index)
    complex_ = gudhi.CubicalComplex(vertices=np.asarray(array, dtype=np.float64))
    complex_.compute_persistence(homology_coeff_field=2, min_persistence=0)
    expected = [(b, d) for b, d in complex_.persistence_intervals_in_dimension(index).tolist() if b < INF]
    assert sorted(bar for _, bar in bars.to_gudhi()) == sorted(expected)
    assert all(degree == index for degree, _ in bars.to_gudhi())
    assert bars.birth.dtype == samples.values.dtype
    assert torch.equal(samples.values[bars.minimum_row], bars.birth)
    ends = bars.is_finite & (bars.saddle_row >= 0)
    assert torch.equal(samples.values[bars.saddle_row[ends]], bars.death[ends])
    assert (bars.birth.diff() >= 0).all()


def test_a_shell_has_a_bar_of_degree_two():
    """(|x|² - 1)² is low on a sphere; the hollow inside is filled in at the hill in its middle."""
    axis = np.linspace(-1.5, 1.5, 31)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    samples = lb.from_grid((x**2 + y**2 + z**2 - 1) ** 2, bounds=[(-1.5, 1.5)] * 3)
    (bar,) = lb.barcode(samples, degree=2).longest(1).to_gudhi()
    assert bar[1][1] == pytest.approx(1.0, abs=1e-6)
    assert bar[1][0] < 0.1
    assert samples.points[lb.barcode(samples, degree=2).longest(1).saddle_row].abs().max() < 1e-6


@pytest.mark.parametrize(
    ("source", "message"), [(None, "for degree 1, a MorseComplex or Samples on a grid, got Graph"), (-1, "degree: expected a whole number")]
)
def test_degree_that_cannot_be(source, message):
    graph = graph_of([0.0], [], [])
    with pytest.raises(ValueError, match=message):
        lb.barcode(graph, degree=1 if source is None else source)


def test_scattered_samples_have_no_higher_bars():
    with pytest.raises(ValueError, match="expected, for degree 1, a MorseComplex or Samples on a grid, got Samples"):
        lb.barcode(lb.sample(lb.functions.HumpCamel3(), 64), degree=1)
