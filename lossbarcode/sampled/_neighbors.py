"""What :func:`lossbarcode.basins` asks of any neighborhood."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .._support.machine import prefers_compiled
from .._support.threads import parallel
from .._support.types import Rows, Values

CHUNK = 1 << 22  # samples or neighbors handled at a time by tensor operations: about 100 MB of temporary memory


class Neighbors(ABC):
    """Edges between samples; they have no direction."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def lowest(self, values: Values) -> Rows:
        """For every sample the lowest of itself and its neighbors ``[n]``."""

    @abstractmethod
    def boundary(self, label: Rows) -> Iterator[tuple[Rows, Rows]]:
        """All edges whose ends carry different labels, at least once each, in pieces ``([e], [e])``."""

    def frontier(self, label: Rows) -> Tensor:
        """Samples that may have a neighbor with another label ``[n]``, bool."""
        return label >= 0

    def exits(self, values: Values, component: Rows, count: int, skip: int, frontier: Tensor) -> tuple[Rows, Rows]:
        """The lowest edge that leaves each of ``count`` components: its top and its bottom ``([count], [count])``.

        Edges are in the order of (value of the top, row of the top, row of the bottom), which no two share. Samples of
        component -1 are outside the domain. The component ``skip`` (-1: none) needs no answer, now and in later rounds.
        Samples not on the ``frontier`` ``[n]`` (bool) need no look; who will not be there again may be taken off.

        Returns:
            Rows; -1 where nothing leaves the component, or it is the one to skip.
        """
        if prefers_compiled(values):
            from . import _kernels as kernels

            given = kernels, values.numpy(), component.numpy(), skip, frontier.numpy()
            return compiled_exits(kernels, values, component, count, lambda *part: self._offer_exits(*given, *part))
        none = len(values)
        height = values.new_full((count,), torch.inf)
        top = torch.full((count,), none, dtype=torch.int64, device=values.device)
        bottom = top.clone()
        for u, v in self.boundary(component):
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

    @abstractmethod
    def _offer_exits(self, kernels, values, component, skip, frontier, first, last, height, top, bottom, /) -> None:
        """By the compiled loops: what leaves components from rows ``first`` to ``last``, into ``height``, ``top`` and ``bottom``."""


def compiled_exits(kernels, values: Values, component: Rows, count: int, look: Callable[..., None]) -> tuple[Rows, Rows]:
    """:meth:`Neighbors.exits` by compiled loops: ``look(first, last, height, top, bottom)`` sees to the edges of some rows."""
    threads = torch.get_num_threads()
    height = values.new_full((threads, count), torch.inf).numpy()
    top, bottom = (torch.empty((threads, count), dtype=component.dtype).numpy() for _ in range(2))
    free = iter(range(threads))

    def task(first, last):
        mine = next(free)
        look(first, last, height[mine], top[mine], bottom[mine])

    parallel(len(values), task)
    kernels.reduce_threads(height, top, bottom, 0, count)
    return torch.from_numpy(top[0]), torch.from_numpy(bottom[0])
