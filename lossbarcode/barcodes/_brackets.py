"""Between which levels each minimum dies, if passes and minima are known only within bounds.

In: a graph with bounds. Out: bounds on the death of each of its minima.

The death of minimum i is the lowest level at which passes join it to an older minimum: a lower one or, of equal ones, that with the lower
row. A lower pass joins no later, and more minima that count as older are reached no later. So with the lowest passes and with every other
minimum that *may* be older, the level is at most the true one; with the highest passes and only those that *surely* are, at least. Both
levels are read off a merge tree of the elder rule, that of the lower ends and that of the upper ends:

* At the lower ends, i meets the first one that may be older when its own bar ends, or earlier, when a bar ends in its own whose minimum
  may be older. (Whatever else that bar's component holds is at least as high as its minimum.)
* At the upper ends, i meets the first one that surely is older where it passes, from parent to parent, to the first that surely is.
"""

from __future__ import annotations

import torch

from .._support.types import Rows, Values
from ._elder_rule import oldest_first
from ._graph import Graph


def brackets_of(graph: Graph) -> dict[str, Values]:
    """Columns ``death_lower`` and ``death_upper`` and, where values have bounds, ``birth_lower`` and ``birth_upper``, of every minimum.

    Without bounds there are none.
    """
    if graph.lower is None or graph.upper is None:
        return {}
    low = high = graph.values
    births = {}
    if graph.values_lower is not None and graph.values_upper is not None:
        low, high = graph.values_lower, graph.values_upper
        births = {"birth_lower": low, "birth_upper": high}
    return {
        "death_lower": earliest_deaths(low, high, graph.edges, graph.lower),
        "death_upper": latest_deaths(low, high, graph.edges, graph.upper),
        **births,
    }


def earliest_deaths(low: Values, high: Values, edges: Rows, lower: Values) -> Values:
    """The lowest level at which each minimum can meet another one that may be older ``[k]``."""
    elders, death, parent = merge_tree(low, edges, lower)
    child = (parent >= 0).nonzero().squeeze(1)
    child = child[is_older(low[elders[child]], elders[child], high[elders[parent[child]]], elders[parent[child]])]
    earliest = death.scatter_reduce(0, parent[child], death[child], "amin")
    return torch.empty_like(death).index_copy_(0, elders, earliest)


def latest_deaths(low: Values, high: Values, edges: Rows, upper: Values) -> Values:
    """The lowest level at which each minimum must have met another one that surely is older ``[k]``."""
    elders, death, parent = merge_tree(high, edges, upper)
    k = len(death)
    root = parent.new_tensor([k])  # above all that have no parent; nothing is above it
    steps = [torch.cat([torch.where(parent >= 0, parent, k), root])]
    while (steps[-1] < k).any():
        steps.append(steps[-1][steps[-1]])
    last = torch.arange(k, device=parent.device)  # the last on the way up that is not surely older
    for step in reversed(steps):
        up = step[last]
        place = elders[up.clamp_max(k - 1)]
        stays = (up < k) & ~is_older(high[place], place, low[elders], elders)
        last = torch.where(stays, up, last)
    return torch.empty_like(death).index_copy_(0, elders, death[last])


def merge_tree(values: Values, edges: Rows, heights: Values) -> tuple[Rows, Values, Rows]:
    """Minima from the oldest, and in this order their deaths and the places of those into whose bars they merge (-1: none) ``[k]``."""
    tops = torch.arange(len(heights), device=heights.device)
    elders, birth, (death, _, parent, _) = oldest_first(values, edges, heights, tops)
    place = (death > birth).nonzero().squeeze(1)  # of each bar
    order = torch.arange(len(values), device=values.device)[elders]
    return order, death, torch.where(parent >= 0, place[parent], -1)


def is_older(value: Values, row: Rows, other: Values, other_row: Rows) -> torch.Tensor:
    """Which are lower than the others or, if they are equal, come first."""
    return (value < other) | ((value == other) & (row < other_row))
