"""The elder rule: which minimum ends at which pass, and in whom.

In: the loss at each minimum, the oldest first, and the passes in the order in which they open. Out: columns of the barcode.

On the CPU many minima are merged by union and find, one pass after the other. The merge by tensor operations, for GPUs and
few minima, is a Borůvka contraction, a few rounds over all minima at once. In every round each component points along
its lowest pass, which makes trees. Below the lowest pass that leaves a tree nothing from outside interferes, and along
the pointers passes only get lower; so there every member is still alone when its own pass opens, and a running minimum
over the members in the order of their passes says who is the elder at each. Every tree swallows at least one
neighbor, so trees halve every round.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._support.machine import prefers_compiled, row_dtype
from .._support.pointers import gather_or_minus_one, pointer_jump
from .._support.types import Rows, Values


def elder_rule(birth: Values, edges: Rows, heights: Values, tops: Rows) -> tuple[Values, Rows, Rows, Rows]:
    """Where the bar of every minimum ends.

    Args:
        birth: loss at each minimum, from the oldest ``[k]``.
        edges: minima that a pass joins, in the order in which passes open ``[m 2]``.
        heights: loss of each pass ``[m]``, finite.
        tops: row of each pass ``[m]``.

    Returns:
        Of every minimum ``[k]`` its death (inf: it has none), the row of its pass (-1: none), the bar that it ends in (-1:
        none) and its own bar. Bars of length zero are none: a minimum with one has the bar that it ends in.
    """
    if prefers_compiled(edges):
        from . import _union_find as kernels

        nodes = torch.empty((len(birth), 3), dtype=row_dtype(max(len(birth), len(edges))))
        kernels.merge_by_elder_rule(edges.contiguous().numpy(), nodes.numpy())
        death, (saddle, parent, bar) = torch.empty_like(birth), (torch.empty_like(birth, dtype=torch.int64) for _ in range(3))
        kernels.write_bars(*(t.numpy() for t in (nodes, birth, heights, tops, death, saddle, parent, bar)))
        return death, saddle, parent, bar
    last, parent = merge(len(birth), *edges.T)
    mortal = last >= 0
    death = torch.full_like(birth, torch.inf).masked_scatter_(mortal, heights[last[mortal]])
    saddle = torch.full_like(last, -1).masked_scatter_(mortal, tops[last[mortal]])
    parent = merge_ties_at_saddle(parent, saddle, death)
    bar = nearest_kept_ancestor(death > birth, parent)
    return death, saddle, gather_or_minus_one(bar, parent), bar


def merge(count: int, a: Rows, b: Rows) -> tuple[Rows, Rows]:
    """Who ends at which edge, and in whom.

    Args:
        count: number of minima, numbered from the oldest.
        a, b: ends of the edges in the order in which they open ``[m]``.

    Returns:
        For each minimum the edge at which it ends (-1: never) and the elder it merges into (-1: none), both ``[k]``.
    """
    device = a.device
    never = len(a)
    nodes = torch.arange(count, device=device)
    last, parent = torch.full_like(nodes, -1), torch.full_like(nodes, -1)
    edge = torch.arange(never, device=device)
    while True:
        open_ = a != b
        a, b, edge = a[open_], b[open_], edge[open_]
        if not len(edge):
            return last, parent
        # Every component points along its lowest edge. Two point at each other over the lowest of a tree: its root.
        place = lowest_edge(count, a, b, torch.arange(len(edge), device=device), never)
        active = (place < never).nonzero().squeeze(1)
        first = nodes.new_full((count,), never)
        first[active] = edge[place[active]]
        tree = nodes.clone()
        tree[active] = (a + b)[place[active]] - active
        root = (tree[tree] == nodes) & (nodes < tree)
        tree[root] = nodes[root]
        tree = pointer_jump(tree)
        # Below its lowest edge to another tree a tree is on its own.
        outer = tree[a] != tree[b]
        leaves = lowest_edge(count, tree[a[outer]], tree[b[outer]], edge[outer], never)
        inside = active[(first[active] < leaves[tree[active]]) | (tree[active] == active)]
        # The members of each tree, the root and then the others as their edges open ...
        opens = torch.where(tree[inside] == inside, -1, first[inside])
        inside = inside[opens.argsort(stable=True)]
        inside = inside[tree[inside].argsort(stable=True)]
        # ... and the elder among the first ones of each. Subtracting more for every later tree keeps a tree's running
        # minimum from reaching into the next.
        start = tree[inside] == inside
        shift = start.cumsum(0) * count
        elder = (inside - shift).cummin(0).values + shift
        before, joins = elder[:-1][~start[1:]], inside[1:][~start[1:]]
        dies, lives = torch.maximum(before, joins), torch.minimum(before, joins)
        last[dies], parent[dies] = first[joins], lives
        # Contract: all of a tree's members here become its elder.
        end = torch.cat([start[1:], start.new_ones(1)])
        becomes = nodes.clone()
        becomes[inside] = elder[end][start.cumsum(0) - 1]
        a, b = becomes[a], becomes[b]


def lowest_edge(count: int, a: Rows, b: Rows, edge: Rows, never: int) -> Rows:
    """The first of the edges at each node ``[count]``; ``never`` where there is none."""
    first = torch.full((count,), never, dtype=torch.int64, device=a.device)
    return first.scatter_reduce_(0, a, edge, "amin").scatter_reduce_(0, b, edge, "amin")


def merge_ties_at_saddle(parent: Rows, saddle: Rows, death: Values) -> Rows:
    """Where several components meet in one saddle, all that end there end in the one that survives it."""
    some = ((parent >= 0) & (saddle[parent.clamp_min(0)] == saddle)).nonzero().squeeze(1)
    while len(some):
        above = parent[some]
        same = (parent[above] >= 0) & (saddle[above] == saddle[some]) & (death[above] == death[some])
        some, above = some[same], above[same]
        parent[some] = parent[above]
    return parent


def nearest_kept_ancestor(keep: Tensor, parent: Rows) -> Rows:
    """Of every bar the number, among those kept, of the first at or above it that is kept; -1: there is none."""
    home = torch.where(keep, torch.arange(len(keep), device=keep.device), parent)
    home = torch.where(home >= 0, home, len(home))
    ends = pointer_jump(torch.cat([home, home.new_tensor([len(home)])]))[:-1]
    return torch.where(ends < len(home), keep.cumsum(0)[ends.clamp_max(len(home) - 1)] - 1, -1)
