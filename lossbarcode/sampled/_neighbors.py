"""What :func:`lossbarcode.basins` asks of any neighborhood."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from jaxtyping import Bool, Float, Int
from torch import Tensor

CHUNK = 1 << 22  # samples or neighbors handled at a time by tensor operations: about 100 MB of temporary memory


class Neighbors(ABC):
    """Edges between samples; they have no direction.

    Every question has an answer by tensor operations and one by compiled loops, for ``_scans_tensor`` and ``_scans_compiled``.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def lowest_by_tensors(self, values: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        """For every sample the lowest of itself and its neighbors ``[n]``."""

    @abstractmethod
    def lowest_by_loops(self, values: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        """The same by compiled loops."""

    @abstractmethod
    def boundary(self, label: Int[Tensor, " n"]) -> Iterator[tuple[Int[Tensor, " e"], Int[Tensor, " e"]]]:
        """All edges whose ends carry different labels, at least once each, in parts ``([e], [e])``, by tensor operations."""

    def frontier_by_loops(self, label: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Samples that may have a neighbor with another label ``[n]``."""
        return label >= 0

    @abstractmethod
    def offer_exits_by_loops(self, values, component, skip, frontier, first, last, height, top, bottom, /) -> None:
        """The lowest edges that leave components, from rows ``first`` to ``last``, written into ``height``, ``top`` and ``bottom``."""
