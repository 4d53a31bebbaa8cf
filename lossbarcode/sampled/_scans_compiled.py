"""The scans over all samples by compiled loops, on the CPU.

The functions here and in ``_scans_tensor`` have the same names, signatures and answers, to the last bit; :func:`basins` takes all of them
from one of the two modules. These are for large inputs: they finish a block of samples while it is in the cache, and store nothing
per edge.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .._support import pointer_kernels
from .._support.threads import parallel
from . import _kernels
from ._neighbors import Neighbors


def lowest(neighbors: Neighbors, values: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
    """For every sample the lowest of itself and its neighbors ``[n]``."""
    return neighbors.lowest_by_loops(values)


def minima_and_labels(
    pointer: Int[Tensor, " n"], values: Float[Tensor, " n"]
) -> tuple[Int[Tensor, " k"], Int[Tensor, " n"], Int[Tensor, " k"]]:
    """Where pointers end: rows of the minima, ascending ``[k]``; the number of each sample's minimum ``[n]``, -1 outside the domain; and
    the number of samples of each minimum ``[k]``. The pointers are used up.
    """
    label, losses = pointer.numpy(), values.numpy()
    parallel(len(label), lambda first, last: pointer_kernels.pointer_jump(label, first, last))
    minimum = torch.from_numpy(_kernels.number_ends(label, losses))
    parallel(len(label), lambda first, last: _kernels.label_by_end(label, losses, first, last))
    size = torch.zeros_like(minimum)
    _kernels.unmark_labels(label, size.numpy())
    return minimum, pointer, size


def frontier(neighbors: Neighbors, label: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Samples that may have a neighbor with another label ``[n]``."""
    return neighbors.frontier_by_loops(label)


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
    threads = torch.get_num_threads()
    height = values.new_full((threads, count), torch.inf).numpy()
    top, bottom = (torch.empty((threads, count), dtype=component.dtype).numpy() for _ in range(2))
    free = iter(range(threads))
    given = values.numpy(), component.numpy(), skip, frontier.numpy()

    def task(first: int, last: int) -> None:
        own = next(free)
        neighbors.offer_exits_by_loops(*given, first, last, height[own], top[own], bottom[own])

    parallel(len(values), task)
    _kernels.reduce_threads(height, top, bottom, 0, count)
    return torch.from_numpy(top[0]), torch.from_numpy(bottom[0])


def contract(
    component: Int[Tensor, " n"], top: Int[Tensor, " k"], bottom: Int[Tensor, " k"]
) -> tuple[Int[Tensor, " k"], Int[Tensor, " j"], int]:
    """Components after all have left over their lowest edge: the new number of each ``[k]``; those whose edge joined two ``[j]``; and how
    many are left.
    """
    place, joins = torch.empty_like(top), torch.empty_like(top)
    count, useful = _kernels.contract(component.numpy(), top.numpy(), bottom.numpy(), place.numpy(), joins.numpy())
    return place, joins[:useful].long(), count
