"""The lowest passes between basins: a minimum spanning forest."""

from __future__ import annotations

import torch
from tqdm import tqdm

from .._support.machine import prefers_compiled
from .._support.pointers import gather_or_minus_one, pointer_jump
from .._support.types import Rows, Values
from ._neighbors import Neighbors


def spanning_forest(neighbors: Neighbors, values: Values, label: Rows, size: Rows, bar: tqdm) -> tuple[Rows, Rows]:
    """Tops and bottoms of the passes that join the basins at the lowest levels, as few as do ``([m], [m])``.

    Borůvka's rounds: the lowest edge that leaves a component belongs to the forest, whatever the others are. Each round at
    least halves the components that can still be joined, and reads the samples once, so that no edge is ever stored. A
    component of more than half of the samples only waits to be joined, which saves looking at them in the last rounds.
    """
    component, found = label, []
    frontier = neighbors.frontier(label)
    while True:
        bar.set_postfix_str(f"{len(size):,} components", refresh=False)
        bar.update()
        largest = int(size.argmax())
        skip = largest if 2 * int(size[largest]) > len(values) else -1
        top, bottom = neighbors.exits(values, component, len(size), skip, frontier)
        place, joins, count = contract(component, top, bottom)
        if not len(joins):
            nothing = top.new_empty(0)
            tops, bottoms = zip((nothing, nothing), *found, strict=True)
            return torch.cat(tops), torch.cat(bottoms)
        found.append((top[joins], bottom[joins]))
        size = size.new_zeros(count).index_add_(0, place, size)
        component = gather_or_minus_one(place, component, out=None if component is label else component)


def contract(component: Rows, top: Rows, bottom: Rows) -> tuple[Rows, Rows, int]:
    """What becomes of components ``[k]`` if all leave over their lowest edge, who did so usefully ``[j]``, how many are left."""
    if prefers_compiled(component):
        from . import _kernels as kernels

        place, joins = torch.empty_like(top), torch.empty_like(top)
        count, useful = kernels.contract(component.numpy(), top.numpy(), bottom.numpy(), place.numpy(), joins.numpy())
        return place, joins[:useful].long(), count
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
