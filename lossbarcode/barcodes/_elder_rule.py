"""The elder rule: at which pass each minimum dies, and into which bar it merges.

In: the loss at each minimum and the passes between them, in any order. Out: columns of the barcode, the oldest minimum first. Passes are
opened one after the other by union-find on the CPU, whatever the device of the graph.
"""

from __future__ import annotations

import torch

from .._support.machine import row_dtype
from .._support.ordering import value_row_order
from .._support.types import Rows, Values
from . import _union_find

COMPILED_MIN_SIZE = 1 << 14  # minima and passes from which compiled loops are worth the second in which Numba is loaded


def oldest_first(
    values: Values, edges: Rows, heights: Values, saddle_row: Rows
) -> tuple[Rows | slice, Values, tuple[Values, Rows, Rows, Rows]]:
    """The elder rule for minima and passes in any order; equal numbers are ordered by row.

    Args:
        values: loss at each minimum ``[k]``.
        edges: minima that a pass joins ``[m 2]``.
        heights: loss of each pass ``[m]``; +inf: never passable.
        saddle_row: row of each pass ``[m]``.

    Returns:
        The order of the minima from the oldest, their losses in this order ``[k]``, and the columns of :func:`elder_rule` in this order.
    """
    rows = torch.arange(len(values), device=values.device)
    elders = value_row_order(values, rows)
    passable = heights < torch.inf
    edges, heights, tops = (t if passable.all() else t[passable] for t in (edges, heights, saddle_row))
    opening = value_row_order(heights, tops)
    edges, heights, tops = edges[opening], heights[opening], tops[opening]
    birth = values[elders]
    if not isinstance(elders, slice):
        seniority = torch.empty_like(rows).index_copy_(0, elders, rows)
        edges = seniority[edges]
    del rows
    return elders, birth, elder_rule(birth, edges, heights, tops)


def elder_rule(birth: Values, edges: Rows, heights: Values, saddle_row: Rows) -> tuple[Values, Rows, Rows, Rows]:
    """Where the bar of every minimum ends.

    Args:
        birth: loss at each minimum, from the oldest ``[k]``.
        edges: minima that a pass joins, in the order in which passes open ``[m 2]``.
        heights: loss of each pass ``[m]``, finite.
        saddle_row: row of each pass ``[m]``.

    Returns:
        For every minimum ``[k]`` its death (inf: none), the row of its pass (-1: none), the bar it merges into (-1: none) and its
        own bar. Bars of length zero are not bars: a minimum with such a bar has the bar it merges into.
    """
    device, k = birth.device, len(birth)
    birth, edges, heights, saddle_row = (column.cpu() for column in (birth, edges, heights, saddle_row))
    if k + len(edges) < COMPILED_MIN_SIZE:
        nodes = [0] * (3 * k)
        _union_find.merge_components(edges.tolist(), nodes)
        columns = [0.0] * k, [0] * k, [0] * k, [0] * k
        _union_find.write_bars(nodes, birth.tolist(), heights.tolist(), saddle_row.tolist(), *columns)
        death = torch.tensor(columns[0], dtype=birth.dtype, device=device)
        saddle, parent, bar = (torch.tensor(column, device=device) for column in columns[1:])
        return death, saddle, parent, bar
    merge_components, write_bars = _union_find.compiled()
    nodes = torch.empty(3 * k, dtype=row_dtype(max(k, len(edges)))).numpy()
    merge_components(edges.contiguous().numpy(), nodes)
    columns = torch.empty_like(birth), *(torch.empty(k, dtype=torch.int64) for _ in range(3))
    write_bars(nodes, *(column.numpy() for column in (birth, heights, saddle_row, *columns)))
    death, saddle, parent, bar = (column.to(device) for column in columns)
    return death, saddle, parent, bar
