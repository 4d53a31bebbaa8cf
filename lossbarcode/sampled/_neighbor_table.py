"""Neighbors of the points of a cloud, found by a search and stored as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from .._support.checks import check_count
from .._support.kd_tree import build_kd_tree
from .._support.machine import check_memory, row_dtype
from .._support.threads import parallel
from .._support.types import AnyArray
from . import _neighbors
from ._neighbors import Neighbors

KD_TREE_MAX_DIM = 10  # dimensions up to which the k-d tree is faster than all distances


@dataclass(frozen=True, eq=False)
class NeighborTable(Neighbors):
    """Neighbors of the points of a cloud, as one list per point; always used in both directions.

    A list of nearest neighbors is directed: j may be among the nearest of i while i is not among those of j. Dropping
    or keeping such edges at will changes the minima, so every edge counts both ways here.

    Args:
        neighbors: rows of the neighbors of each point ``[n k]``, int32 or int64; a point's own row means: no neighbor.

    Raises:
        ValueError: if the rows are not integers ``[n k]`` within 0 to n - 1.
    """

    neighbors: Int[Tensor, "n k"]

    def __post_init__(self) -> None:
        index = self.neighbors
        if index.ndim != 2 or index.dtype not in (torch.int32, torch.int64):
            raise ValueError(
                f"NeighborTable.neighbors: expected int32 or int64 of shape [n k], got {index.dtype} of shape {list(index.shape)}"
            )
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= len(index)):
            raise ValueError(
                f"NeighborTable.neighbors: expected rows 0 to {len(index) - 1}, got {int(index.min())} to {int(index.max())}; "
                "use a point's own row for 'no neighbor'"
            )

    def __len__(self) -> int:
        return len(self.neighbors)

    @classmethod
    def from_points(
        cls, points: Float[Tensor, "n d"], k: int | None = None, *, radius: float | None = None, period: AnyArray | None = None
    ) -> NeighborTable:
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
            k: neighbors per point, below n; default ``max(2 d, 8)`` (or n - 1 if that is less). The papers use 2 d, which
                for d = 2 leaves clouds in pieces.
            radius: edges longer than this are dropped (unit: that of the points).
            period: length ``[d]`` after which each axis comes around; inf: never. Default: no axis does.

        Raises:
            ValueError: if there are not more than k points, if k, radius or a period is not positive, or if distances are too small for the
                floating-point numbers beside the extent of the cloud.
            MemoryError: if distances and rows would not fit into memory.
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
        # distances and rows from the search, both once more while the point itself is dropped
        advice = "use fewer points or neighbors; a lattice or a grid needs no table"
        check_memory(40 * n * (k + 1), points.device, f"{k} nearest neighbors of {n:,} points", advice)
        period = None if period is None else check_period(period, points)
        points, period, unit = in_units_of_its_extent(points, period)
        use_tree = d <= KD_TREE_MAX_DIM or period is not None  # scikit-learn knows no periods
        if points.is_cuda or use_tree:
            distance, index = (search_all_pairs if points.is_cuda else search_kd_tree)(points, k + 1, period)
        else:
            distance, index = search_brute_force(points, k + 1)
        check_resolved(distance, index, points)
        own = torch.arange(n, device=points.device)[:, None]
        # Drop the point itself. Among duplicates it can stand anywhere, or be crowded out: then the last one goes.
        itself = index == own
        itself[:, -1] |= ~itself.any(1)
        index, distance = (t[~itself].reshape(n, k) for t in (index, distance))
        if radius is not None:
            index = torch.where(distance <= radius / unit, index, own)
        return cls(index.to(row_dtype(n)))

    def lowest_by_loops(self, values: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        from . import _kernels

        pointer = torch.empty(len(self), dtype=row_dtype(len(self)))
        arrays = values.numpy(), pointer.numpy()
        parallel(len(self), lambda first, last: _kernels.lowest_in_table(*arrays, first, last, self.neighbors.numpy()))
        _kernels.lowest_in_reverse(*arrays, self.neighbors.numpy())
        return pointer

    def lowest_by_tensors(self, values: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        best = values.clone()
        for own, others in self._pieces():
            best[own] = torch.minimum(best[own], values[others].amin(1))
            best.scatter_reduce_(0, others.reshape(-1), values[own].repeat_interleave(others.shape[1]), "amin")
        # The rows that reach the best value; of several the first.
        pointer = torch.where(values == best, torch.arange(len(values), device=values.device), len(values))
        for own, others in self._pieces():
            rows = torch.arange(own.start, own.stop, device=values.device)[:, None].expand_as(others)
            forth = values[others] == best[own, None]
            pointer.scatter_reduce_(0, rows[forth], others[forth], "amin")
            back = values[own, None] == best[others]
            pointer.scatter_reduce_(0, others[back], rows[back], "amin")
        return pointer.to(row_dtype(len(self)))

    def boundary(self, label: Int[Tensor, " n"]) -> Iterator[tuple[Int[Tensor, " e"], Int[Tensor, " e"]]]:
        for own, others in self._pieces():
            row, column = (label[own, None] != label[others]).nonzero(as_tuple=True)
            yield row + own.start, others[row, column]

    def offer_exits_by_loops(self, values, component, skip, frontier, first, last, height, top, bottom, /) -> None:
        from . import _kernels

        _kernels.lowest_exits_in_table(values, component, skip, first, last, height, top, bottom, self.neighbors.numpy())

    def _pieces(self) -> Iterator[tuple[slice, Int[Tensor, "piece k"]]]:
        """The table in slices of rows that bound the temporary memory."""
        n, k = self.neighbors.shape
        step = max(1, _neighbors.CHUNK // max(k, 1))
        for start in range(0, n, step):
            own = slice(start, min(start + step, n))
            yield own, self.neighbors[own].long()


def check_period(period: AnyArray, points: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """Length after which each axis comes around, in the points' dtype."""
    period = torch.as_tensor(period, dtype=points.dtype, device=points.device)
    if period.shape != points.shape[1:] or not (period > 0).all():
        raise ValueError(f"period: expected a positive length for each of {points.shape[1]} axes, inf for 'never', got {period.tolist()}")
    return period


def in_units_of_its_extent(
    points: Float[Tensor, "n d"], period: Float[Tensor, " d"] | None
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " d"] | None, float]:
    """A cloud whose squared distances would overflow or vanish in another unit, a power of two, which changes no digit; and that unit."""
    largest = float(points.abs().max())
    limit = torch.finfo(points.dtype).max ** 0.25
    if not largest or 1 / limit < largest < limit:
        return points, period, 1.0
    exponent = math.frexp(largest)[1]
    halves = exponent // 2, exponent - exponent // 2  # the unit itself may be too large or too small a number
    for half in halves:
        points = points * 2.0**-half
        period = None if period is None else period * 2.0**-half
    return points, period, 2.0 ** halves[0] * 2.0 ** halves[1]


def check_resolved(distance: Float[Tensor, "n k"], index: Int[Tensor, "n k"], points: Float[Tensor, "n d"]) -> None:
    """Refuse distances between different places that became zero: nearest neighbors would be any."""
    row, column = (distance == 0).nonzero(as_tuple=True)
    vanished = (points[row] != points[index[row, column]]).any(1)
    if vanished.any():
        one = int(row[vanished][0])
        raise ValueError(
            f"points: expected distances that {points.dtype} can hold, got {int(vanished.sum())} between different places that round to 0 "
            f"beside the extent of the cloud, the first at {one}; rescale the axes, or leave far points out"
        )


Found = tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]


def search_kd_tree(points: Float[Tensor, "n d"], k: int, period: Float[Tensor, " d"] | None) -> Found:
    """Distances and rows of the k nearest points, the point itself included ``([n k], [n k])``; on the CPU."""
    array = points.numpy()
    boxsize = None
    if period is not None:  # SciPy takes 0 for an axis without a period, and coordinates from 0 to below the period for others
        boxsize = np.where(np.isfinite(period.numpy()), period.numpy(), 0).astype(np.float64)
        around = boxsize > 0
        array = array.astype(np.float64)
        array[:, around] = np.remainder(array[:, around], boxsize[around])
        array[:, around] = np.where(array[:, around] < boxsize[around], array[:, around], 0)  # rounded up to the period
    # Sliding midpoints instead of medians: the same answers, and no bad case on clouds with many equal coordinates.
    tree = build_kd_tree(array, balanced_tree=False, boxsize=boxsize)
    leaves = np.array(tree.indices)  # a copy, because recent versions of SciPy lend it for reading only
    # Asked in the order of its leaves the tree answers twice as fast, because it stays in the cache.
    found = tree.query(array[leaves], k, workers=-1)
    distance, index = (torch.empty(len(array), k, dtype=dtype) for dtype in (torch.float64, torch.int64))
    order = torch.from_numpy(leaves)
    distance[order], index[order] = (torch.from_numpy(answer).reshape(-1, k) for answer in found)
    return distance, index


def search_brute_force(points: Float[Tensor, "n d"], k: int) -> Found:
    """The same without periods by all distances on all cores of the CPU, where a tree would visit most of its leaves."""
    from sklearn.neighbors import NearestNeighbors

    array = points.numpy()
    distance, index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(array).kneighbors(array)
    return torch.from_numpy(distance), torch.from_numpy(index)


def search_all_pairs(points: Float[Tensor, "n d"], k: int, period: Float[Tensor, " d"] | None) -> Found:
    """The same by all distances, in chunks of rows, on the device of the points."""
    step = max(1, 16 * _neighbors.CHUNK // len(points))
    found = [distances(piece, points, period).topk(k, largest=False) for piece in points.split(step)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def distances(a: Float[Tensor, "m d"], b: Float[Tensor, "n d"], period: Float[Tensor, " d"] | None) -> Float[Tensor, "m n"]:
    """Lengths of the shortest ways from each point to each."""
    if period is None:  # the matrix-product shortcut cancels catastrophically between near neighbors
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    squares = a.new_zeros(len(a), len(b))
    for axis, length in enumerate(period.tolist()):
        apart = (a[:, axis, None] - b[:, axis]).abs()
        if length < math.inf:
            apart = apart.remainder(length)
            apart = torch.minimum(apart, length - apart)
        squares += apart.square()
    return squares.sqrt()
