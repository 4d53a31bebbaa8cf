"""Who is next to whom among samples.

In: the shape of a grid, or a cloud of points. Out: an object that answers the two questions on which route 1 rests,
for all samples at once: which of my neighbors is lowest, and which edges run between different basins. The order of
samples is by value and, among equal values, by row, so that no answer depends on chunks, threads or the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ._checks import check_count
from ._types import Points, Rows, Values

TREE_LIMIT = 10  # dimensions up to which the k-d tree is faster than all distances
CHUNK = 1 << 22  # samples or neighbors handled at a time: about 100 MB of temporary memory


class Neighbors(Protocol):
    """What :func:`lossbarcode.basins` asks of a neighborhood; edges have no direction."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def lowest(self, values: Values) -> Rows:
        """For every sample the lowest of itself and its neighbors ``[n]``."""
        ...

    def boundary(self, label: Rows) -> Iterator[tuple[Rows, Rows]]:
        """All edges whose ends carry different labels, at least once each, in pieces ``([e], [e])``."""
        ...


@dataclass(frozen=True)
class Grid:
    """The 2·D neighbors along the axes of a D-dimensional array, implicit: the rows are the array's C order.

    Args:
        shape: number of samples along every axis.

    Raises:
        ValueError: without an axis, or with an empty one.
    """

    shape: tuple[int, ...]

    def __post_init__(self):
        if not self.shape:
            raise ValueError("Grid.shape: expected at least one axis, got (); a single number has no neighbors")
        object.__setattr__(self, "shape", tuple(check_count(size, "Grid.shape") for size in self.shape))

    def __len__(self) -> int:
        return math.prod(self.shape)

    def lowest(self, values: Values) -> Rows:
        array = values.reshape(self.shape)
        pointer = torch.empty(self.shape, dtype=torch.int64, device=values.device)
        depth = max(1, CHUNK * self.shape[0] // len(self))
        for start in range(0, self.shape[0], depth):
            self._lowest_in_slab(array, pointer, start, min(start + depth, self.shape[0]))
        return pointer.reshape(-1)

    def _lowest_in_slab(self, array: Tensor, pointer: Tensor, start: int, stop: int) -> None:
        slab = array[start:stop]
        best = torch.full_like(slab, torch.inf)
        offset = torch.zeros_like(pointer[start:stop])

        def visit(axis: int, side: int) -> None:
            if axis == 0:  # the only axis along which a slab has neighbors outside itself
                first, last = max(start, -min(side, 0)), min(stop, self.shape[0] - max(side, 0))
                here, there = slice(first - start, last - start), array[first + side : last + side]
                keep_if_lower(best[here], offset[here], there, side * stride(0))
            else:
                inner = self.shape[axis] - 1
                here, there = (1, 0) if side < 0 else (0, 1)
                keep_if_lower(
                    best.narrow(axis, here, inner), offset.narrow(axis, here, inner), slab.narrow(axis, there, inner), side * stride(axis)
                )

        def stride(axis: int) -> int:
            return math.prod(self.shape[axis + 1 :])

        # In ascending order of rows, so that "strictly lower wins" breaks ties by row without another comparison.
        for axis in range(len(self.shape)):
            visit(axis, -1)
        keep_if_lower(best, offset, slab, 0)
        for axis in reversed(range(len(self.shape))):
            visit(axis, +1)
        rows = torch.arange(start * stride(0), stop * stride(0), device=array.device)
        torch.add(offset, rows.reshape(offset.shape), out=pointer[start:stop])

    def boundary(self, label: Rows) -> Iterator[tuple[Rows, Rows]]:
        for axis, size in enumerate(self.shape):
            stride = math.prod(self.shape[axis + 1 :])
            lines = label.reshape(-1, size, stride)
            differ = lines[:, :-1] != lines[:, 1:]
            position = differ.reshape(-1).nonzero().squeeze(1)
            # `differ` lacks one layer in every block of `size` layers
            lower = position + position // ((size - 1) * stride) * stride if size > 1 else position
            yield lower, lower + stride


def keep_if_lower(best: Tensor, offset: Tensor, value: Tensor, here: int) -> None:
    """Where ``value`` is strictly below ``best``, write it there, and ``here`` into ``offset``."""
    offset.masked_fill_(value < best, here)
    torch.minimum(best, value, out=best)


@dataclass(frozen=True, eq=False)
class NeighborTable:
    """Neighbors of the points of a cloud, as a list a point; always used in both directions.

    A list of nearest neighbors is directed: j may be among the nearest of i while i is not among those of j. Dropping
    or keeping such edges at will changes the minima, so every edge counts both ways here.

    Args:
        index: rows of the neighbors of each point ``[n k]``, int64; a point's own row means: no neighbor.

    Raises:
        ValueError: if the rows are not int64 ``[n k]`` within 0 to n - 1.
    """

    index: Rows

    def __post_init__(self):
        index = self.index
        if index.ndim != 2 or index.dtype != torch.int64:
            raise ValueError(f"NeighborTable.index: expected int64 of shape [n k], got {index.dtype} of shape {list(index.shape)}")
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= len(index)):
            raise ValueError(
                f"NeighborTable.index: expected rows 0 to {len(index) - 1}, got {int(index.min())} to {int(index.max())}; "
                "use a point's own row for 'no neighbor'"
            )

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def nearest(cls, points: Points, k: int | None = None, *, radius: float | None = None) -> NeighborTable:
        """The k nearest neighbors of every point in the Euclidean metric.

        On the CPU SciPy's k-d tree searches on all cores, and above ten dimensions scikit-learn's table of all distances.
        On a GPU all distances are computed there, in chunks. All three are exact. Seconds on 2 cores for uniform points
        and k = max(2 d, 8), and the share of neighbors found where it is not all (tests/benchmarks/bench_neighbors.py):

        ======= ==== ====== ================ ============ ================= =================
        points  d    SciPy  scikit-learn k-d scikit-learn hnswlib           pynndescent
        ======= ==== ====== ================ ============ ================= =================
        1e5     2    0.2    0.6              18           4.0               55 (compiles)
        1e5     6    1.4    4.5              24           7.4               9.3 (0.9986)
        1e5     15   284                     28           13 (0.992)        8.4 (0.9975)
        1e6     2    2.2                                  87                74
        1e6     6    21                                   171               21 (0.9985)
        1e6     15                                        264               119
        ======= ==== ====== ================ ============ ================= =================

        The approximate searches pay in fifteen dimensions. But an edge that is missing can make a minimum that is not
        there, and what they find depends on threads, so they are not used.

        Args:
            points: the cloud ``[n d]``, finite.
            k: neighbors a point, below n; default ``max(2 d, 8)`` (or n - 1 if that is less). The papers use 2 d, which
                for d = 2 leaves clouds in pieces.
            radius: edges longer than this are dropped (unit: that of the points).

        Raises:
            ValueError: if there are not more than k points, or if k or radius is not positive.
        """
        n, d = points.shape
        if k is None:
            k = min(max(2 * d, 8), n - 1)
        elif check_count(k, "k") >= n:
            raise ValueError(f"k: expected fewer neighbors than points, got k = {k} for {n} points; use k <= {n - 1}")
        if radius is not None and not radius > 0:
            raise ValueError(f"radius: expected a positive length in the unit of the points, got {radius}")
        if k == 0:  # a single point
            return cls(torch.arange(n, device=points.device)[:, None])
        search = all_pairs if points.is_cuda else kd_tree if d <= TREE_LIMIT else brute_force
        distance, index = search(points, k + 1)
        own = torch.arange(n, device=points.device)[:, None]
        # Drop the point itself. Among duplicates it can stand anywhere, or be crowded out: then the last one goes.
        itself = index == own
        itself[:, -1] |= ~itself.any(1)
        index, distance = (t[~itself].reshape(n, k) for t in (index, distance))
        if radius is not None:
            index = torch.where(distance <= radius, index, own)
        return cls(index)

    def lowest(self, values: Values) -> Rows:
        best = values.clone()
        for own, there in self._pieces():
            best[own] = torch.minimum(best[own], values[there].amin(1))
            best.scatter_reduce_(0, there.reshape(-1), values[own].repeat_interleave(there.shape[1]), "amin")
        # The rows that reach the best value; of several the first.
        pointer = torch.where(values == best, torch.arange(len(values), device=values.device), len(values))
        for own, there in self._pieces():
            here = torch.arange(own.start, own.stop, device=values.device)[:, None].expand_as(there)
            forth = values[there] == best[own, None]
            pointer.scatter_reduce_(0, here[forth], there[forth], "amin")
            back = values[own, None] == best[there]
            pointer.scatter_reduce_(0, there[back], here[back], "amin")
        return pointer

    def boundary(self, label: Rows) -> Iterator[tuple[Rows, Rows]]:
        for own, there in self._pieces():
            row, column = (label[own, None] != label[there]).nonzero(as_tuple=True)
            yield row + own.start, there[row, column]

    def _pieces(self) -> Iterator[tuple[slice, Rows]]:
        """The table in slices of rows that bound the temporary memory."""
        n, k = self.index.shape
        step = max(1, CHUNK // max(k, 1))
        for start in range(0, n, step):
            own = slice(start, min(start + step, n))
            yield own, self.index[own]


def kd_tree(points: Points, k: int) -> tuple[Tensor, Tensor]:
    """Distances and rows of the k nearest points, the point itself included ``([n k], [n k])``; on the CPU."""
    from scipy.spatial import cKDTree

    array = points.numpy()
    # Sliding midpoints instead of medians: the same answers, and no bad case on clouds with many equal coordinates.
    tree = cKDTree(array, balanced_tree=False)
    # Asked in the order of its leaves the tree answers twice as fast, because it stays in the cache.
    found = tree.query(array[tree.indices], k, workers=-1)
    distance, index = (torch.empty(len(array), k, dtype=dtype) for dtype in (torch.float64, torch.int64))
    order = torch.from_numpy(tree.indices)
    distance[order], index[order] = (torch.from_numpy(answer).reshape(-1, k) for answer in found)
    return distance, index


def brute_force(points: Points, k: int) -> tuple[Tensor, Tensor]:
    """The same by all distances on all cores of the CPU, where a tree would visit most of its leaves."""
    from sklearn.neighbors import NearestNeighbors

    array = points.numpy()
    distance, index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(array).kneighbors(array)
    return torch.from_numpy(distance), torch.from_numpy(index)


def all_pairs(points: Points, k: int) -> tuple[Tensor, Tensor]:
    """The same by all distances, in chunks of rows, on the device of the points."""
    step = max(1, 16 * CHUNK // len(points))
    # The matrix-product shortcut for distances cancels catastrophically between near neighbors.
    exact = "donot_use_mm_for_euclid_dist"
    found = [torch.cdist(piece, points, compute_mode=exact).topk(k, largest=False) for piece in points.split(step)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])
