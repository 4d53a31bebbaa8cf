"""The lowest passes between basins: a minimum spanning forest."""

from __future__ import annotations

from types import ModuleType

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from .._support.pointers import gather_or_minus_one
from ._neighbors import Neighbors


def spanning_forest(
    scans: ModuleType,
    neighbors: Neighbors,
    values: Float[Tensor, " n"],
    label: Int[Tensor, " n"],
    size: Int[Tensor, " k"],
    bar: tqdm,
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Tops and bottoms of the passes that join the basins at the lowest levels, as few as do ``([m], [m])``.

    Borůvka's rounds: the lowest edge that leaves a component belongs to the forest, whatever the others are. Each round at
    least halves the components that can still be joined, and reads the samples once, so that no edge is ever stored. A
    component of more than half of the samples only waits to be joined, which saves looking at them in the last rounds.

    Args:
        scans: module that does the scans, ``_scans_tensor`` or ``_scans_compiled``.
        neighbors, values, label, size: of the samples and their basins.
        bar: progress bar.
    """
    component, found = label, []
    frontier = scans.frontier(neighbors, label)
    while True:
        bar.set_postfix_str(f"{len(size):,} components", refresh=False)
        bar.update()
        largest = int(size.argmax())
        skip = largest if 2 * int(size[largest]) > len(values) else -1
        top, bottom = scans.lowest_exits(neighbors, values, component, len(size), skip, frontier)
        place, joins, count = scans.contract(component, top, bottom)
        if not len(joins):
            nothing = top.new_empty(0)
            tops, bottoms = zip((nothing, nothing), *found, strict=True)
            return torch.cat(tops), torch.cat(bottoms)
        found.append((top[joins], bottom[joins]))
        size = size.new_zeros(count).index_add_(0, place, size)
        component = gather_or_minus_one(place, component, out=None if component is label else component)
