"""From samples to the few minima among them and the passes between their basins.

In: :class:`Samples`. Out: :class:`Basins`, whose graph has exactly the barcode of the whole sample (its lower-star
filtration). The one idea: if every sample points at its lowest neighbor, its basin is connected below any level it
takes part in; so only the lowest pass between each pair of basins matters, and no sample waits for another.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ._graph import Graph
from ._neighbors import Neighbors, NeighborTable
from ._sampling import Samples
from ._types import Rows, Values


@dataclass(frozen=True, eq=False)
class Basins:
    """Which minimum each sample runs down to, and the passes between.

    Attributes:
        samples: what the basins are of.
        graph: minima in ascending order of (value, row) and the lowest pass of every pair of basins that touch. The
            pass's ``saddle`` is the sample at its top.
        label: number of the basin of each sample ``[n]``, in the order of the graph's minima; -1: outside the domain.
        minimum: row of the lowest sample of each basin ``[k]``.
        size: samples of each basin ``[k]``.
    """

    samples: Samples
    graph: Graph
    label: Rows
    minimum: Rows
    size: Rows

    @property
    def name(self) -> str:
        """What was sampled."""
        return self.samples.name

    def __repr__(self) -> str:
        return f"Basins({len(self.minimum)} minima, {len(self.graph.heights)} passes; {self.name})"


def basins(samples: Samples, *, k: int | None = None, radius: float | None = None) -> Basins:
    """Assign every sample to a minimum by steepest descent among neighbors, and find the passes between basins.

    Equal values are ordered by row. A sample is a minimum if no neighbor is lower in that order.

    Args:
        samples: losses at places, with neighbors or without.
        k: for samples without neighbors, how many nearest ones count; default ``max(2 d, 8)``.
        radius: for those, edges longer than this are dropped; unit: that of the points.

    Returns:
        Basins, on the device of the samples.

    Raises:
        ValueError: if k or radius is given though the samples know their neighbors, or does not fit them.

    Source:
        The barcode of a function on a graph is Algorithm 1 of :cite:t:`barannikov2023barcodes`. Basins and passes
        here are found for all samples at once; the resulting bars are the same.

    Example:
        >>> import lossbarcode as lb
        >>> lb.basins(lb.sample(lb.functions.HumpCamel3(), 4096))
        Basins(3 minima, 2 passes; HumpCamel3, 4,096 sobol points, seed 0)
    """
    neighbors, values = samples.neighbors, samples.values
    inside = values < torch.inf
    if neighbors is None:
        neighbors = nearest_inside(samples, inside, k, radius)
    elif k is not None or radius is not None:
        raise ValueError(
            f"basins: expected neither k nor radius for samples with neighbors of their own ({type(neighbors).__name__}), got "
            f"k={k}, radius={radius}; for nearest neighbors use lb.from_points(samples.points[:], samples.values)"
        )
    if len(neighbors) != len(values):
        raise ValueError(f"samples.neighbors: expected neighbors of {len(values)} samples, got those of {len(neighbors)}")
    root = jump(neighbors.lowest(values))
    minimum = ((root == torch.arange(len(root), device=root.device)) & inside).nonzero().squeeze(1)
    minimum = minimum[values[minimum].argsort(stable=True)]
    count = len(minimum)
    number = torch.full_like(root, -1)
    number[minimum] = torch.arange(count, device=root.device)
    label = torch.where(inside, number[root], -1)
    size = torch.bincount(label[inside], minlength=count)
    pairs, heights, saddle = passes(neighbors, values, label, count)
    graph = Graph(values[minimum], pairs, heights, minimum, saddle)
    return Basins(samples, graph, label, minimum, size)


def nearest_inside(samples: Samples, inside: torch.Tensor, k: int | None, radius: float | None) -> NeighborTable:
    """Nearest neighbors among the samples inside the domain; those outside have none."""
    if inside.all():
        return NeighborTable.nearest(samples.points, k, radius=radius)
    rows = inside.nonzero().squeeze(1)
    table = rows[NeighborTable.nearest(samples.points[rows], k, radius=radius).index]
    index = torch.arange(len(inside), device=rows.device)[:, None].repeat(1, table.shape[1])
    index[rows] = table
    return NeighborTable(index)


def jump(pointer: Rows) -> Rows:
    """Follow pointers to their ends, doubling the stride until nothing changes."""
    while not torch.equal(further := pointer[pointer], pointer):
        pointer = further
    return pointer


def passes(neighbors: Neighbors, values: Values, label: Rows, count: int) -> tuple[torch.Tensor, Values, Rows]:
    """The lowest edge between each pair of touching basins: pairs ``[m 2]``, heights ``[m]``, rows of their tops ``[m]``."""
    found = []
    for u, v in neighbors.boundary(label):
        swap = (values[u] > values[v]) | ((values[u] == values[v]) & (u > v))
        u, v = torch.where(swap, v, u), torch.where(swap, u, v)  # v is the top
        inside = values[v] < torch.inf
        u, v = u[inside], v[inside]
        a, b = label[u], label[v]
        found.append(lowest_of_each(torch.minimum(a, b) * count + torch.maximum(a, b), values[v], v))
    pair, height, saddle = lowest_of_each(*(torch.cat(parts) for parts in zip(*found, strict=True)))
    return torch.stack([pair // count, pair % count], 1), height, saddle


def lowest_of_each(pair: Rows, height: Values, saddle: Rows) -> tuple[Rows, Values, Rows]:
    """Of the passes of each pair the first in the order of (height, saddle)."""
    distinct, member = pair.unique(return_inverse=True)
    low = height.new_full(distinct.shape, torch.inf).scatter_reduce_(0, member, height, "amin")
    at_low = height == low[member]
    first = torch.full_like(distinct, torch.iinfo(torch.int64).max).scatter_reduce_(0, member[at_low], saddle[at_low], "amin")
    return distinct, low, first
