"""Bounds on deaths, against the definition: whichever numbers within the bounds are the true ones, every minimum dies between its bounds."""

import math

import oracles
import pytest
import torch
from helpers import graph_of, quiet_barcode, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graphs

import lossbarcode as lb
from lossbarcode.barcodes._brackets import brackets_of

INF = math.inf
FEW = [0.0, 0.5, 1.0, 3.0, INF]


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def true_death(minimum, values, edges, heights):
    """The lowest level over which anything older can be reached, from the definition."""
    reach, levels, far = oracles.minimax(len(values), [(u, v, h) for (u, v), h in zip(edges, heights, strict=True) if h < INF])
    older = [q for q in range(len(values)) if (values[q], q) < (values[minimum], minimum)]
    first = min((reach[minimum, q] for q in older), default=far)
    return INF if first == far else levels[first]


def raised(edges, heights, values):
    """Passes raised to their ends, as they are in any loss."""
    return [max(h, values[u], values[v]) for (u, v), h in zip(edges, heights, strict=True)]


@st.composite
def bounded(draw, *, exact_values):
    """A graph whose numbers have bounds, some of them as wide as can be, and true numbers within the bounds."""
    values, edges, heights, _ = draw(graphs())
    below, above = (
        [draw(st.lists(st.sampled_from(FEW), min_size=len(part), max_size=len(part))) for part in (values, heights)] for _ in range(2)
    )
    low, high = (values, values) if exact_values else (
        [v - down for v, down in zip(values, below[0], strict=True)],
        [v + min(up, 4.0) for v, up in zip(values, above[0], strict=True)],
    )  # fmt: skip
    lower = [h - down if down < INF else -INF for h, down in zip(heights, below[1], strict=True)]
    upper = [h + up for h, up in zip(heights, above[1], strict=True)]
    true = [draw(st.sampled_from([a, v, b])) for a, v, b in zip(low, values, high, strict=True)]
    passes = [draw(st.sampled_from([a, h, b])) for a, h, b in zip(lower, heights, upper, strict=True)]
    graph = lb.Graph(
        tensor(values),
        torch.tensor(edges, dtype=torch.int64).reshape(-1, 2),
        tensor(heights),
        lower=tensor(lower),
        upper=tensor(upper),
        **({} if exact_values else {"values_lower": tensor(low), "values_upper": tensor(high)}),
    )
    return graph, edges, (low, high), (lower, upper), (true, raised(edges, passes, true))


@settings(max_examples=200)
@given(st.data(), st.booleans())
def test_every_true_death_is_within_its_bracket(data, exact_values):
    graph, edges, _, _, (values, heights) = data.draw(bounded(exact_values=exact_values))
    brackets = brackets_of(graph)
    lower, upper = brackets["death_lower"].tolist(), brackets["death_upper"].tolist()
    nominal = graph.values.tolist(), edges, graph.heights.tolist()
    for minimum in range(len(values)):
        for instance in ((values, edges, heights), nominal):
            assert lower[minimum] <= true_death(minimum, *instance) <= upper[minimum]


@settings(max_examples=200)
@given(st.data(), st.booleans())
def test_brackets_are_as_narrow_as_can_be(data, exact_values):
    """Both ends are deaths of a loss within the bounds: with this minimum at its highest and all else at its lowest, and the reverse.

    At its highest, the minimum raises all passes to its own loss; of its lower end this is the part that its birth explains.
    """
    graph, edges, (low, high), (lower, upper), _ = data.draw(bounded(exact_values=exact_values))
    brackets = brackets_of(graph)
    earliest, latest = brackets["death_lower"].tolist(), brackets["death_upper"].tolist()
    for i in range(len(low)):
        values = [*low[:i], high[i], *low[i + 1 :]]
        assert max(earliest[i], high[i]) == true_death(i, values, edges, raised(edges, lower, values))
        values = [*high[:i], low[i], *high[i + 1 :]]
        assert latest[i] == true_death(i, values, edges, raised(edges, upper, high))


@settings(max_examples=100)
@given(graphs())
def test_bars_stay_what_they_are(drawn):
    graph = graph_of(*drawn)
    nothing = torch.full_like(graph.heights, -INF)
    bars = quiet_barcode(lb.Graph(graph.values, graph.edges, graph.heights, saddle_row=graph.saddle_row, lower=nothing))
    plain = quiet_barcode(graph)
    assert plain.death_lower is None
    assert plain.birth_lower is None
    assert "lower" not in plain.table()
    assert rows_of(bars) == rows_of(plain)
    # heights are the upper ends here; of the lower ends, the ends of the passes are all that is known
    assert torch.equal(bars.death_upper, plain.death)
    assert (bars.death_lower >= bars.birth).all()
    assert bars.birth_lower is None


def test_a_chain_by_hand(device):
    """1 reaches 0 over its own pass, or through 2; which is lower is not known, nor whether 2 dies in 1 or in 0."""
    rows, floats = (lambda x: torch.tensor(x, device=device)), (lambda x: torch.tensor(x, dtype=torch.float64, device=device))
    bounds = {"lower": floats([4.0, -INF, 4.5]), "upper": floats([6.0, 5.0, INF])}
    graph = lb.Graph(floats([0.0, 1.0, 2.0]), rows([[0, 1], [1, 2], [0, 2]]), floats([6.0, 4.0, 7.0]), **bounds)
    bars = lb.barcode(graph)
    assert bars.death.tolist() == [INF, 6.0, 4.0]
    assert bars.death_lower.tolist() == [INF, 4.0, 2.0]
    assert bars.death_upper.tolist() == [INF, 6.0, 5.0]
    assert repr(bars) == "Barcode(3 bars, 1 infinite, deaths known to 3)"
    assert list(bars.table().columns)[2:5] == ["length", "lower", "upper"]
    assert bars.longest(2).death_lower.tolist() == [INF, 4.0]
    assert bars.longer_than(3.0).death_upper.tolist() == [INF, 6.0]
    assert bars.to(dtype=torch.float32).death_upper.dtype == torch.float32


def test_births_may_have_bounds():
    """Which of two minima is lower is not known: each may be the one that dies, and none surely is."""
    bounds = {"values_lower": tensor([-1.0, 0.0]), "values_upper": tensor([0.5, 2.0])}
    bars = lb.barcode(lb.Graph(tensor([0.0, 1.0]), torch.tensor([[0, 1]]), tensor([3.0]), **bounds))
    assert bars.birth_lower.tolist() == [-1.0, 0.0]
    assert bars.birth_upper.tolist() == [0.5, 2.0]
    assert bars.death_lower.tolist() == [3.0, 3.0]
    assert bars.death_upper.tolist() == [INF, INF]
    assert list(bars.table().columns)[2:7] == ["length", "lower", "upper", "birth_lower", "birth_upper"]


def test_a_long_staircase_needs_no_round_a_step():
    """Each of 20,000 steps dies in the next lower one, and any may be the second lowest: only the lowest surely is lower than others."""
    k = 20_000
    values = torch.arange(k, dtype=torch.float64)
    edges = torch.stack([torch.arange(k - 1), torch.arange(1, k)], 1)
    heights = 2 * k - values[:-1]
    low = values.clamp_max(0.5)
    bars = lb.barcode(lb.Graph(values, edges, heights, values_lower=low))
    assert torch.equal(bars.death[1:], heights)
    # all the way down to 0, over the highest pass of all
    assert torch.equal(bars.death_upper[1:], heights[:1].expand(k - 1))
    # the neighbor above, over the lower one of two passes, may be lower; the last step has only one neighbor
    assert torch.equal(bars.death_lower[1:], torch.cat([heights[1:], heights[-1:]]))
    assert bars.death_lower[0] == INF


BAD = {
    # name: bounds of a graph with values 0, 1 and a pass at 3, and the message
    "a height above its upper end": ({"upper": tensor([2.0])}, r"Graph.heights: expected .* between its bounds, got 1 .* at 0: 3.0 with bounds 3.0 and 2.0"),
    "a height below its lower end": ({"lower": tensor([4.0])}, r"Graph.heights: .* 3.0 with bounds 4.0 and 3.0"),
    "NaN": ({"lower": tensor([math.nan])}, r"Graph.heights: .* pass -inf or \+inf where nothing is known"),
    "a value above its upper end": ({"values_upper": tensor([0.0, 0.5])}, r"Graph.values: expected .* the first at 1: 1.0 with bounds 1.0 and 0.5"),
    "a value that may be infinite": ({"values_upper": tensor([0.0, INF])}, r"Graph.values_upper: expected finite losses, got \+inf"),
    "another length": ({"upper": tensor([3.0, 4.0])}, r"Graph.upper: expected torch.float64 of shape \(1,\)"),
    "another dtype": ({"values_lower": torch.zeros(2)}, r"Graph.values_lower: expected torch.float64 of shape \(2,\) .* got torch.float32"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_bounds(case, as_users_call):
    bounds, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        lb.Graph(tensor([0.0, 1.0]), torch.tensor([[0, 1]]), tensor([3.0]), **bounds)
