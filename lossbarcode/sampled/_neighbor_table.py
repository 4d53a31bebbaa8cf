"""Neighbors of the points of a cloud, found by a search and stored as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .._support.checks import check_count
from .._support.kd_tree import build_kd_tree
from .._support.machine import check_memory, row_dtype
from .._support.threads import parallel
from .._support.types import Points, Rows, Values
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

    neighbors: Rows

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
    def from_points(cls, points: Points, k: int | None = None, *, radius: float | None = None) -> NeighborTable:
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

        Raises:
            ValueError: if there are not more than k points, or if k or radius is not positive.
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
        search = search_all_pairs if points.is_cuda else search_kd_tree if d <= KD_TREE_MAX_DIM else search_brute_force
        distance, index = search(points, k + 1)
        own = torch.arange(n, device=points.device)[:, None]
        # Drop the point itself. Among duplicates it can stand anywhere, or be crowded out: then the last one goes.
        itself = index == own
        itself[:, -1] |= ~itself.any(1)
        index, distance = (t[~itself].reshape(n, k) for t in (index, distance))
        if radius is not None:
            index = torch.where(distance <= radius, index, own)
        return cls(index.to(row_dtype(n)))

    def lowest_by_loops(self, values: Values) -> Rows:
        from . import _kernels

        pointer = torch.empty(len(self), dtype=row_dtype(len(self)))
        arrays = values.numpy(), pointer.numpy()
        parallel(len(self), lambda first, last: _kernels.lowest_in_table(*arrays, first, last, self.neighbors.numpy()))
        _kernels.lowest_in_reverse(*arrays, self.neighbors.numpy())
        return pointer

    def lowest_by_tensors(self, values: Values) -> Rows:
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
        return pointer.to(row_dtype(len(self)))

    def boundary(self, label: Rows) -> Iterator[tuple[Rows, Rows]]:
        for own, there in self._pieces():
            row, column = (label[own, None] != label[there]).nonzero(as_tuple=True)
            yield row + own.start, there[row, column]

    def offer_exits_by_loops(self, values, component, skip, frontier, first, last, height, top, bottom, /) -> None:
        from . import _kernels

        _kernels.lowest_exits_in_table(values, component, skip, first, last, height, top, bottom, self.neighbors.numpy())

    def _pieces(self) -> Iterator[tuple[slice, Rows]]:
        """The table in slices of rows that bound the temporary memory."""
        n, k = self.neighbors.shape
        step = max(1, _neighbors.CHUNK // max(k, 1))
        for start in range(0, n, step):
            own = slice(start, min(start + step, n))
            yield own, self.neighbors[own].long()


def search_kd_tree(points: Points, k: int) -> tuple[Tensor, Tensor]:
    """Distances and rows of the k nearest points, the point itself included ``([n k], [n k])``; on the CPU."""
    array = points.numpy()
    # Sliding midpoints instead of medians: the same answers, and no bad case on clouds with many equal coordinates.
    tree = build_kd_tree(array, balanced_tree=False)
    # Asked in the order of its leaves the tree answers twice as fast, because it stays in the cache.
    found = tree.query(array[tree.indices], k, workers=-1)
    distance, index = (torch.empty(len(array), k, dtype=dtype) for dtype in (torch.float64, torch.int64))
    order = torch.from_numpy(tree.indices)
    distance[order], index[order] = (torch.from_numpy(answer).reshape(-1, k) for answer in found)
    return distance, index


def search_brute_force(points: Points, k: int) -> tuple[Tensor, Tensor]:
    """The same by all distances on all cores of the CPU, where a tree would visit most of its leaves."""
    from sklearn.neighbors import NearestNeighbors

    array = points.numpy()
    distance, index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(array).kneighbors(array)
    return torch.from_numpy(distance), torch.from_numpy(index)


def search_all_pairs(points: Points, k: int) -> tuple[Tensor, Tensor]:
    """The same by all distances, in chunks of rows, on the device of the points."""
    step = max(1, 16 * _neighbors.CHUNK // len(points))
    # The matrix-product shortcut for distances cancels catastrophically between near neighbors.
    exact = "donot_use_mm_for_euclid_dist"
    found = [torch.cdist(piece, points, compute_mode=exact).topk(k, largest=False) for piece in points.split(step)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])
