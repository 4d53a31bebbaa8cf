"""From samples to the few minima among them and the passes between their basins.

In: :class:`Samples`. Out: :class:`Basins`, whose graph has exactly the barcode of the whole sample (its lower-star
filtration). The one idea: if every sample points to its lowest neighbor, then a basin is connected when it is restricted to
any sublevel set; so only the lowest passes between basins matter, and no sample waits for another.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from .._support.machine import check_memory, loops_are_faster, prefers_compiled, row_dtype
from .._support.ordering import value_row_order
from .._support.pointers import gather_or_minus_one
from .._support.progress import tqdm_options
from ..barcodes._graph import Graph
from ..barcodes._read_off import read_off
from ..barcodes._source import Source
from . import _scans_tensor
from ._neighbor_table import NeighborTable
from ._passes import spanning_forest
from ._samples import Samples


@dataclass(frozen=True, eq=False)
class Basins(Source):
    """The minimum to which steepest descent leads from each sample, and the passes between the basins.

    Attributes:
        samples: what the basins are of.
        graph: minima in ascending order of (value, row), and the passes over which basins join as the level rises: a
            minimum spanning forest, one pass fewer than minima in every connected component. The ``saddle_row`` of a pass is the
            sample at its top.
        label: number of the basin of each sample ``[n]``, in the order of the graph's minima, in 32 bits where they
            number the samples; -1: outside the domain.
        minimum_row: row of the lowest sample of each basin ``[k]``.
        size: samples of each basin ``[k]``.
    """

    samples: Samples
    graph: Graph
    label: Int[Tensor, " n"]
    minimum_row: Int[Tensor, " k"]
    size: Int[Tensor, " k"]

    @property
    def sizes(self) -> Int[Tensor, " k"]:
        return self.size

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]  # a computed attribute is one, too
        """What was sampled."""
        return self.samples.name

    def plot(self, **options: Any) -> Any:
        """A chart: of one parameter the curve with a movable level, of two the map beside barcode and merge tree.

        Options are those of :func:`lossbarcode.charts.sublevel_explorer` and :func:`lossbarcode.charts.dashboard`.

        Raises:
            ValueError: if there are more parameters.
        """
        from .. import charts  # Altair is slow to load

        bars = read_off(self, stacklevel=2)
        if self.samples.points.shape[1] == 1:
            return charts.sublevel_explorer(self, bars, **options)
        return charts.dashboard(self, bars, **options)

    def __repr__(self) -> str:
        return f"Basins({len(self.minimum_row)} minima, {len(self.graph.heights)} passes; {self.name})"


def basins(samples: Samples, *, k: int | None = None, radius: float | None = None, progress: bool | None = None) -> Basins:
    """Assign every sample to a minimum by steepest descent among neighbors, and find the passes between basins.

    Equal values are ordered by row. A sample is a minimum if no neighbor is lower in that order.

    Args:
        samples: losses at places, with neighbors or without.
        k: for samples without neighbors, how many nearest ones count; default ``max(2 d, 8)``.
        radius: for those, edges longer than this are dropped; unit: that of the points.
        progress: show a progress bar; default: when it takes over two seconds.

    Returns:
        Basins, on the device of the samples.

    Raises:
        ValueError: if k or radius is given though the samples know their neighbors, or does not fit them.
        MemoryError: if the search for neighbors or the basins would not fit into memory.

    Source:
        The barcode of a function on a graph is Algorithm 1 of :cite:t:`barannikov2023barcodes`. Basins and passes
        here are found for all samples at once; the resulting bars are the same.

    Example:
        >>> import lossbarcode as lb
        >>> lb.basins(lb.sample(lb.functions.ThreeHumpCamel(), 4096))
        Basins(3 minima, 2 passes; ThreeHumpCamel, 4,096 sobol points, seed 0)
    """
    if not isinstance(samples, Samples):
        raise ValueError(
            f"basins: expected Samples, got {type(samples).__name__}; make them with lb.sample (of a loss), lb.from_grid (of an array) or "
            "lb.from_points (of a cloud), or call lb.barcode"
        )
    neighbors, values = samples.neighbors, samples.values
    if neighbors is None:
        neighbors = nearest_inside(samples, k, radius)
    elif k is not None or radius is not None:
        raise ValueError(
            f"basins: expected neither k nor radius for samples with neighbors of their own ({type(neighbors).__name__}), got "
            f"k={k}, radius={radius}; for nearest neighbors use lb.from_points(samples.points[:], samples.values)"
        )
    if len(neighbors) != len(values):
        raise ValueError(f"samples.neighbors: expected neighbors of {len(values)} samples, got those of {len(neighbors)}")
    check_memory(memory_of_basins(len(values), values.device), values.device, f"basins of {len(values):,} samples", "use fewer samples")
    scans = scans_for(values)
    with tqdm(desc="basins", unit="step", **tqdm_options(progress)) as bar:
        bar.set_postfix_str("lowest neighbors", refresh=False)  # a refresh would show the bar before its time
        pointer = scans.lowest(neighbors, values)
        bar.update()
        minimum, label, size = scans.minima_and_labels(pointer, values)
        top, bottom = spanning_forest(scans, neighbors, values, label, size, bar)
    # Until here basins are numbered by their rows, which keeps what belongs to neighbors together in memory.
    losses, heights = values[minimum], values.index_select(0, top)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(value_row_order, losses, minimum)
        opening = value_row_order(heights, top)
        order = waiting.result()
    losses, minimum, size = losses[order], minimum[order], size[order]
    heights, top, bottom = heights[opening], top[opening], bottom[opening]
    rank = torch.empty(len(minimum), dtype=label.dtype, device=label.device)
    rank[order] = torch.arange(len(minimum), dtype=label.dtype, device=label.device)
    label = gather_or_minus_one(rank, label, out=label)
    del order, opening, rank, waiting
    a, b = label.index_select(0, top), label.index_select(0, bottom)
    edges = torch.stack([torch.minimum(a, b), torch.maximum(a, b)], 1).long()
    del a, b, bottom
    graph = Graph(losses, edges, heights, minimum, top.long())
    return Basins(samples, graph, label, minimum, size)


def nearest_inside(samples: Samples, k: int | None, radius: float | None) -> NeighborTable:
    """Nearest neighbors among the samples inside the domain; those outside have none."""
    inside = samples.values < torch.inf
    period = None
    if samples.periodic is not None and samples.periodic.any():
        period = torch.where(samples.periodic, samples.bounds[:, 1] - samples.bounds[:, 0], torch.inf)
    if inside.all():
        points = samples.points[:]  # a tensor, also where samples keep only a rule that makes their points
        return NeighborTable.from_points(points, k, radius=radius, period=period)
    rows = inside.nonzero().squeeze(1)
    rows = rows.to(row_dtype(len(inside)))
    table = rows[NeighborTable.from_points(samples.points[rows], k, radius=radius, period=period).neighbors]
    index = torch.arange(len(inside), dtype=rows.dtype, device=rows.device)[:, None].repeat(1, table.shape[1])
    index[rows] = table
    return NeighborTable(index)


def memory_of_basins(n: int, device: torch.device) -> int:
    """Bytes that the basins of n samples take at most, besides losses and neighbors."""
    width = row_dtype(n).itemsize
    # in loops: labels, components that merge, marks on their edges; in tensor operations: what jumping takes
    return n * (2 * width + 1 if loops_are_faster(n, device) else 3 * width + 9)


def scans_for(values: Float[Tensor, " n"]) -> ModuleType:
    """The module that scans these samples, chosen once per call of :func:`basins`."""
    if not prefers_compiled(values):
        return _scans_tensor
    from . import _scans_compiled  # loads Numba, which small inputs do not need

    return _scans_compiled
