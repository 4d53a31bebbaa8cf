"""The scans over all samples by tensor operations, on any device.

The functions here and in ``_scans_compiled`` have the same names, signatures and answers, to the last bit; :func:`basins` takes all of them
from one of the two modules. These are for GPUs, and for inputs so small that compiled loops do not pay.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._support.pointers import pointer_jump
from .._support.types import Rows, Values
from ._neighbors import Neighbors


def lowest(neighbors: Neighbors, values: Values) -> Rows:
    """For every sample the lowest of itself and its neighbors ``[n]``."""
    return neighbors.lowest_by_tensors(values)


def minima_and_labels(pointer: Rows, values: Values) -> tuple[Rows, Rows, Rows]:
    """Where pointers end: rows of the minima, ascending ``[k]``; the number of each sample's minimum ``[n]``, -1 outside the domain; and
    the number of samples of each minimum ``[k]``. The pointers are used up.
    """
    inside = values < torch.inf
    root = pointer_jump(pointer)
    minimum = ((root == torch.arange(len(root), device=root.device)) & inside).nonzero().squeeze(1)
    number = torch.full_like(root, -1)
    number[minimum] = torch.arange(len(minimum), dtype=root.dtype, device=root.device)
    label = torch.where(inside, number.index_select(0, root), -1)
    return minimum, label, torch.bincount(label[inside], minlength=len(minimum))


def frontier(neighbors: Neighbors, label: Rows) -> Tensor:
    """Samples that may have a neighbor with another label ``[n]``, bool."""
    return label >= 0


def lowest_exits(neighbors: Neighbors, values: Values, component: Rows, count: int, skip: int, frontier: Tensor) -> tuple[Rows, Rows]:
    """The lowest edge that leaves each of ``count`` components: its top and its bottom ``([count], [count])``.

    Edges are in the order of (value of the top, row of the top, row of the bottom), which no two share. Samples of component -1 are
    outside the domain. The component ``skip`` (-1: none) needs no answer, now and in later rounds. Samples that are not on the
    ``frontier`` ``[n]`` (bool) are not looked at; samples that will not be on it again may be taken off.

    Returns:
        Rows; -1 where nothing leaves the component, or it is the one to skip.
    """
    none = len(values)
    height = values.new_full((count,), torch.inf)
    top = torch.full((count,), none, dtype=torch.int64, device=values.device)
    bottom = top.clone()
    for u, v in neighbors.boundary(component):
        swap = (values[u] > values[v]) | ((values[u] == values[v]) & (u > v))
        low, high = torch.where(swap, v, u), torch.where(swap, u, v)
        inside = values[high] < torch.inf
        low, high = low[inside].long().repeat(2), high[inside].long().repeat(2)
        half = len(low) // 2
        at = torch.cat([component[low[:half]], component[high[half:]]]).long()
        asked = at != skip
        at, low, high = at[asked], low[asked], high[asked]
        # the lowest height, then the first top at it, then the first bottom below that
        before = height.clone()
        height.scatter_reduce_(0, at, values[high], "amin")
        top[height < before] = none
        here = values[high] == height[at]
        at, low, high = at[here], low[here], high[here]
        before = top.clone()
        top.scatter_reduce_(0, at, high, "amin")
        bottom[top < before] = none
        here = high == top[at]
        bottom.scatter_reduce_(0, at[here], low[here], "amin")
    return torch.where(top < none, top, -1), torch.where(bottom < none, bottom, -1)


def contract(component: Rows, top: Rows, bottom: Rows) -> tuple[Rows, Rows, int]:
    """Components after all have left over their lowest edge: the new number of each ``[k]``; those whose edge joined two ``[j]``; and how
    many are left.
    """
    leaves = (top >= 0).nonzero().squeeze(1)
    nodes = torch.arange(len(top), device=top.device)
    tree = nodes.clone()
    tree[leaves] = component[top[leaves]].long() + component[bottom[leaves]] - leaves
    root = (tree[tree] == nodes) & (nodes > tree)  # of two that leave over the same edge
    tree[root] = nodes[root]
    tree, joins = pointer_jump(tree), leaves[~root[leaves]]
    first = nodes.scatter_reduce(0, tree, nodes, "amin")[tree]  # trees are numbered in the order of their first members
    number = (first == nodes).cumsum(0) - 1
    return number[first].to(component.dtype), joins, int(number[-1]) + 1
