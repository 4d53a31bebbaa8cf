"""Neighbors that nothing stores: the same few row offsets for every sample of a regular arrangement."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .._support.checks import check_count
from .._support.machine import INT32_LIMIT, row_dtype
from .._support.threads import parallel
from . import _neighbors
from ._neighbors import Neighbors

FRONTIER_MAX_NEIGHBORS = 16  # neighbors so few that looking at all of them at once finds the frontier of components faster than one by one


class AxisRule(NamedTuple):
    """How rows become integer coordinates: one entry per axis.

    The coordinate of row i along an axis is ``(i // stride % size * generator + shift) % size``.
    """

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    generators: tuple[int, ...]
    shifts: tuple[int, ...]


class ImplicitNeighbors(Neighbors):
    """Samples at integer coordinates in a box; a neighbor is one step away, if that does not leave the box.

    A step changes the row by an offset that is the same for all rows.
    """

    @property
    @abstractmethod
    def rule(self) -> AxisRule:
        """Size, stride, generator and shift of every axis."""

    @property
    @abstractmethod
    def positive_steps(self) -> np.ndarray:
        """Of every two opposite steps the one that leads to a later row ``[m d]``."""

    @abstractmethod
    def offset_of(self, steps: np.ndarray) -> np.ndarray:
        """By how much steps ``[m d]`` change the row ``[m]``."""

    @abstractmethod
    def position(self, rows: Int[Tensor, "*m"]) -> Float[Tensor, "*m d"]:
        """Where samples are in the unit cube, float64 ``[m d]``."""

    @property
    def wraps(self) -> np.ndarray:
        """Axes ``[d]``, bool, along which a step that leaves the box comes in again at the other side with the same offset of the row."""
        return np.zeros(len(self.rule.sizes), dtype=bool)

    @cached_property
    def _neighborhood(self) -> tuple[np.ndarray, np.ndarray]:
        """All offsets, ascending ``[2 m]``, and their steps ``[2 m, d]``: 0 along axes where nothing has to be checked."""
        steps = np.concatenate([-self.positive_steps, self.positive_steps])
        offsets = self.offset_of(steps)
        order = np.argsort(offsets, kind="stable")
        return offsets[order], np.where(self.wraps, 0, steps)[order]

    def coordinates(self, rows: Int[Tensor, "*m"]) -> Int[Tensor, "*m d"]:
        """Integer coordinates of samples, int64 ``[m d]``."""
        rows = rows.long()
        axes = zip(*self.rule, strict=True)
        return torch.stack([(rows // stride % size * step + shift) % size for size, stride, step, shift in axes], -1)

    def lowest_by_loops(self, values: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        from . import _kernels

        pointer = torch.empty(len(self), dtype=row_dtype(len(self)))
        arrays = values.numpy(), pointer.numpy()
        parallel(len(self), lambda first, last: _kernels.lowest_at_offsets(*arrays, first, last, *self._arrays()))
        return pointer

    def lowest_by_tensors(self, values: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        n, device = len(self), values.device
        offsets, steps = self._neighborhood
        pointer = torch.empty(n, dtype=row_dtype(n), device=device)
        below = int(np.searchsorted(offsets, 0))
        for start in range(0, n, _neighbors.CHUNK):
            stop = min(start + _neighbors.CHUNK, n)
            rows = torch.arange(start, stop, device=device)
            coordinates = self.coordinates(rows)
            best, chosen = torch.full_like(values[start:stop], torch.inf), torch.zeros_like(rows)
            # In ascending order of rows, so that "strictly lower wins" breaks ties by row without another comparison.
            for offset, step in zip(np.insert(offsets, below, 0).tolist(), np.insert(steps, below, 0, axis=0), strict=True):
                low, high = max(start, -offset), min(stop, n - offset)
                if low >= high:
                    continue
                own = slice(low - start, high - start)
                other = values[low + offset : high + offset]
                lower = (other < best[own]) & self._stays_inside(coordinates[own], step)
                chosen[own].masked_fill_(lower, offset)
                best[own] = torch.where(lower, other, best[own])
            pointer[start:stop] = rows + chosen
        return pointer

    def boundary(self, label: Int[Tensor, " n"]) -> Iterator[tuple[Int[Tensor, " e"], Int[Tensor, " e"]]]:
        n = len(self)
        offsets, steps = self._neighborhood
        for start in range(0, n, _neighbors.CHUNK):
            rows = torch.arange(start, min(start + _neighbors.CHUNK, n), device=label.device)
            coordinates = self.coordinates(rows)
            for offset, step in zip(offsets.tolist(), steps, strict=True):
                count = min(len(rows), n - offset - start)
                if offset < 0 or count <= 0:
                    continue
                differ = label[start : start + count] != label[start + offset : start + offset + count]
                earlier = rows[:count][differ & self._stays_inside(coordinates[:count], step)]
                yield earlier, earlier + offset

    def frontier_by_loops(self, label: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
        offsets = self._neighborhood[0]
        if len(offsets) > FRONTIER_MAX_NEIGHBORS:
            return super().frontier_by_loops(label)
        from . import _kernels

        frontier = torch.zeros_like(label, dtype=torch.bool)
        arrays = label.numpy(), frontier.numpy()
        parallel(len(label), lambda first, last: _kernels.mark_frontier(*arrays, first, last, offsets))
        return frontier

    def offer_exits_by_loops(self, *given) -> None:
        from . import _kernels

        _kernels.lowest_exits_at_offsets(*given, *self._arrays())

    def _stays_inside(self, coordinates: Int[Tensor, "m d"], step: np.ndarray) -> Bool[Tensor, " m"]:
        """Which samples stay in the box when they take a step."""
        inside = coordinates.new_ones(len(coordinates), dtype=torch.bool)
        for axis, t in enumerate(step.tolist()):
            if t:
                size = self.rule.sizes[axis]
                inside &= (coordinates[:, axis] >= max(0, -t)) & (coordinates[:, axis] < min(size, size - t))
        return inside

    def _arrays(self) -> tuple:
        """What the compiled loops need to know, with room for the coordinates of a block."""
        from ._kernels import BLOCK

        rule = [np.array(column, dtype=np.int64) for column in self.rule]
        room = np.empty((len(rule[0]), BLOCK), dtype=np.int32 if rule[0].max() < INT32_LIMIT else np.int64)
        return room, *rule, *self._neighborhood


@dataclass(frozen=True)
class Grid(ImplicitNeighbors):
    """The 2·D neighbors along the axes of a D-dimensional array, implicit: the rows are the array's C order.

    Args:
        shape: number of samples along every axis.
        periodic: along which axes the last sample is next to the first one, one bool per axis; default: along none.

    Raises:
        ValueError: without an axis, with an empty one, or if there is not one bool per axis.
    """

    shape: tuple[int, ...]
    periodic: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if not self.shape:
            raise ValueError("Grid.shape: expected at least one axis, got (); a single number has no neighbors")
        object.__setattr__(self, "shape", tuple(check_count(size, "Grid.shape") for size in self.shape))
        object.__setattr__(self, "periodic", one_bool_per_axis(self.periodic, len(self.shape), "Grid.periodic"))

    def __len__(self) -> int:
        return math.prod(self.shape)

    @property
    def rule(self) -> AxisRule:
        strides = tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))
        return AxisRule(self.shape, strides, (1,) * len(self.shape), (0,) * len(self.shape))

    @property
    def positive_steps(self) -> np.ndarray:
        sizes = np.array(self.shape)
        one = np.eye(len(sizes), dtype=np.int64)
        # Along an axis of one sample there is none. Around a periodic axis the last sample is one step from the first one, in the
        # numbering a long one; two samples are neighbors already.
        around = one * (sizes - 1)
        return np.concatenate([one[sizes > 1], around[(sizes > 2) & np.array(self.periodic)]])

    def offset_of(self, steps: np.ndarray) -> np.ndarray:
        return steps @ np.array(self.rule.strides, dtype=np.int64)

    def position(self, rows: Int[Tensor, "*m"]) -> Float[Tensor, "*m d"]:
        # ends that are exactly 0 and 1 keep the ends of a box exact; of a periodic axis the two ends are one place
        lengths = [size if around else max(size - 1, 1) for size, around in zip(self.shape, self.periodic, strict=True)]
        return self.coordinates(rows).double() / torch.tensor(lengths, device=rows.device)


@dataclass(frozen=True)
class ProductLattice(ImplicitNeighbors):
    """Every sample of one arrangement with every sample of the next ones; a step is a step in one of them.

    Args:
        parts: the arrangements; rows are in C order, those of the last part fastest.
    """

    parts: tuple[ImplicitNeighbors, ...]

    def __len__(self) -> int:
        return math.prod(map(len, self.parts))

    @property
    def strides(self) -> tuple[int, ...]:
        """By how much the row changes if that of a part does by one."""
        return tuple(math.prod(map(len, self.parts[i + 1 :])) for i in range(len(self.parts)))

    @property
    def rule(self) -> AxisRule:
        axes = []
        for part, outer in zip(self.parts, self.strides, strict=True):
            axes += [(size, stride * outer, step, shift) for size, stride, step, shift in zip(*part.rule, strict=True)]
        sizes, strides, generators, shifts = zip(*axes, strict=True)
        return AxisRule(sizes, strides, generators, shifts)

    @property
    def positive_steps(self) -> np.ndarray:
        return block_diagonal([part.positive_steps for part in self.parts])

    def offset_of(self, steps: np.ndarray) -> np.ndarray:
        each = zip(self.parts, self._split(steps), self.strides, strict=True)
        return sum((part.offset_of(own) * outer for part, own, outer in each), np.zeros(len(steps), dtype=np.int64))

    def position(self, rows: Int[Tensor, "*m"]) -> Float[Tensor, "*m d"]:
        each = zip(self.parts, self.strides, strict=True)
        return torch.cat([part.position(rows // outer % len(part)) for part, outer in each], -1)

    @property
    def wraps(self) -> np.ndarray:
        return np.concatenate([part.wraps for part in self.parts])

    def _split(self, steps: np.ndarray) -> list[np.ndarray]:
        ends = np.cumsum([len(part.rule.sizes) for part in self.parts])
        return np.split(steps, ends[:-1], axis=1)


def one_bool_per_axis(periodic: tuple[bool, ...], d: int, name: str) -> tuple[bool, ...]:
    """Which axes are periodic; no answer means none."""
    axes = tuple(periodic) or (False,) * d
    if len(axes) != d or not all(isinstance(axis, bool | np.bool_) for axis in axes):
        raise ValueError(f"{name}: expected True or False for each of {d} axes, got {periodic}")
    return tuple(map(bool, axes))


def block_diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    """Rows of each block in columns of its own, zeros elsewhere."""
    width = np.cumsum([0] + [block.shape[1] for block in blocks])
    wide = [np.zeros((len(block), width[-1]), dtype=block.dtype) for block in blocks]
    for rows, block, first in zip(wide, blocks, width, strict=False):
        rows[:, first : first + block.shape[1]] = block
    return np.concatenate(wide)
