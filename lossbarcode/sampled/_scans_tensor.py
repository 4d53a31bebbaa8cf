"""The scans over all samples by tensor operations, on any device.

The functions here and in ``_scans_compiled`` have the same names, signatures and answers, to the last bit; :func:`basins` takes all of them
from one of the two modules. These are for GPUs, and for inputs so small that compiled loops do not pay.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .._support.pointers import pointer_jump
from ._neighbors import Neighbors


def lowest(neighbors: Neighbors, values: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
    """For every sample the lowest of itself and its neighbors ``[n]``."""
    return neighbors.lowest_by_tensors(values)


def minima_and_labels(
    pointer: Int[Tensor, " n"], values: Float[Tensor, " n"]
) -> tuple[Int[Tensor, " k"], Int[Tensor, " n"], Int[Tensor, " k"]]:
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


def frontier(neighbors: Neighbors, label: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Samples that may have a neighbor with another label ``[n]``."""
    return label >= 0


def lowest_exits(
    neighbors: Neighbors, values: Float[Tensor, " n"], component: Int[Tensor, " n"], count: int, skip: int, frontier: Bool[Tensor, " n"]
) -> tuple[Int[Tensor, " count"], Int[Tensor, " count"]]:
    """The lowest edge that leaves each of ``count`` components: its top and its bottom ``([count], [count])``.

    Edges are in the order of (value of the top, row of the top, row of the bottom), which no two share. Samples of component -1 are
    outside the domain. The component ``skip`` (-1: none) needs no answer, now and in later rounds. Samples that are not on the
    ``frontier`` are not looked at; samples that will not be on it again may be taken off.

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
        left = torch.cat([component[low[:half]], component[high[half:]]]).long()  # the component that the edge leaves
        asked = left != skip
        left, low, high = left[asked], low[asked], high[asked]
        # the lowest height, then the first top at it, then the first bottom below that
        before = height.clone()
        height.scatter_reduce_(0, left, values[high], "amin")
        top[height < before] = none
        lowest = values[high] == height[left]
        left, low, high = left[lowest], low[lowest], high[lowest]
        before = top.clone()
        top.scatter_reduce_(0, left, high, "amin")
        bottom[top < before] = none
        first = high == top[left]
        bottom.scatter_reduce_(0, left[first], low[first], "amin")
    return torch.where(top < none, top, -1), torch.where(bottom < none, bottom, -1)


def contract(
    component: Int[Tensor, " n"], top: Int[Tensor, " k"], bottom: Int[Tensor, " k"]
) -> tuple[Int[Tensor, " k"], Int[Tensor, " j"], int]:
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
