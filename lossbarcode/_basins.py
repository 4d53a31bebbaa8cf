"""From samples to the few minima among them and the passes between their basins.

In: :class:`Samples`. Out: :class:`Basins`, whose graph has exactly the barcode of the whole sample (its lower-star
filtration). The one idea: if every sample points at its lowest neighbor, its basin is connected below any level it
takes part in; so only the lowest passes between basins matter, and no sample waits for another.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from ._graph import Graph, ascending
from ._machine import check_memory, kernels_for, row_dtype
from ._neighbors import Neighbors, NeighborTable
from ._progress import shown
from ._sampling import Samples
from ._types import Rows, Values


@dataclass(frozen=True, eq=False)
class Basins:
    """Which minimum each sample runs down to, and the passes between.

    Attributes:
        samples: what the basins are of.
        graph: minima in ascending order of (value, row), and the passes over which basins join as the level rises: a
            minimum spanning forest, one pass less than minima in every piece. The pass's ``saddle`` is the sample at its top.
        label: number of the basin of each sample ``[n]``, in the order of the graph's minima, in 32 bits where they
            number the samples; -1: outside the domain.
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
        >>> lb.basins(lb.sample(lb.functions.HumpCamel3(), 4096))
        Basins(3 minima, 2 passes; HumpCamel3, 4,096 sobol points, seed 0)
    """
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
    # in loops: labels, components that merge, marks on their edges; in tensor operations: what jumping takes
    width = row_dtype(len(values)).itemsize
    need = len(values) * (2 * width + 1 if kernels_for(values) else 3 * width + 9)
    check_memory(need, values.device, f"basins of {len(values):,} samples", "use fewer samples")
    with tqdm(desc="basins", unit="step", **shown(progress)) as bar:
        bar.set_postfix_str("lowest neighbors", refresh=False)  # a refresh would show the bar before its time
        pointer = neighbors.lowest(values)
        bar.update()
        minimum, label, size = minima_and_labels(pointer, values)
        top, bottom = spanning_forest(neighbors, values, label, size, bar)
    # Until here basins are numbered by their rows, which keeps what belongs to neighbors together in memory.
    losses, heights = values[minimum], values.index_select(0, top)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ascending, losses, minimum)
        opening = ascending(heights, top)
        order = waiting.result()
    losses, minimum, size = losses[order], minimum[order], size[order]
    heights, top, bottom = heights[opening], top[opening], bottom[opening]
    rank = torch.empty(len(minimum), dtype=label.dtype, device=label.device)
    rank[order] = torch.arange(len(minimum), dtype=label.dtype, device=label.device)
    label = follow(rank, label, out=label)
    del order, opening, rank, waiting
    a, b = label.index_select(0, top), label.index_select(0, bottom)
    edges = torch.stack([torch.minimum(a, b), torch.maximum(a, b)], 1).long()
    del a, b, bottom
    graph = Graph(losses, edges, heights, minimum, top.long())
    return Basins(samples, graph, label, minimum, size)


def nearest_inside(samples: Samples, k: int | None, radius: float | None) -> NeighborTable:
    """Nearest neighbors among the samples inside the domain; those outside have none."""
    inside = samples.values < torch.inf
    if inside.all():
        points = samples.points[:]  # a tensor, also where samples keep only a rule that makes their points
        return NeighborTable.nearest(points, k, radius=radius)
    rows = inside.nonzero().squeeze(1)
    rows = rows.to(row_dtype(len(inside)))
    table = rows[NeighborTable.nearest(samples.points[rows], k, radius=radius).index]
    index = torch.arange(len(inside), dtype=rows.dtype, device=rows.device)[:, None].repeat(1, table.shape[1])
    index[rows] = table
    return NeighborTable(index)


def minima_and_labels(pointer: Rows, values: Values) -> tuple[Rows, Rows, Rows]:
    """Where pointers end: rows of the minima, ascending ``[k]``; who leads to which ``[n]``, -1 outside; how many ``[k]``.

    The pointers are used up.
    """
    if kernels := kernels_for(values):
        label, losses = pointer.numpy(), values.numpy()
        kernels.parallel(len(label), lambda first, last: kernels.jump(label, first, last))
        minimum = torch.from_numpy(kernels.number_ends(label, losses))
        kernels.parallel(len(label), lambda first, last: kernels.label_by_end(label, losses, first, last))
        size = torch.zeros_like(minimum)
        kernels.decode(label, size.numpy())
        return minimum, pointer, size
    inside = values < torch.inf
    root = jump(pointer)
    minimum = ((root == torch.arange(len(root), device=root.device)) & inside).nonzero().squeeze(1)
    number = torch.full_like(root, -1)
    number[minimum] = torch.arange(len(minimum), dtype=root.dtype, device=root.device)
    label = torch.where(inside, number.index_select(0, root), -1)
    return minimum, label, torch.bincount(label[inside], minlength=len(minimum))


def jump(pointer: Rows) -> Rows:
    """Follow pointers to their ends, doubling the stride until nothing changes."""
    while not torch.equal(further := pointer.index_select(0, pointer), pointer):
        pointer = further
    return pointer


def spanning_forest(neighbors: Neighbors, values: Values, label: Rows, size: Rows, bar: tqdm) -> tuple[Rows, Rows]:
    """Tops and bottoms of the passes that join the basins at the lowest levels, as few as do ``([m], [m])``.

    Borůvka's rounds: the lowest edge that leaves a component belongs to the forest, whatever the others are. Each round at
    least halves the components that can still be joined, and reads the samples once, so that no edge is ever stored. A
    component of more than half of the samples only waits to be joined, which saves looking at them in the last rounds.
    """
    component, found = label, []
    frontier = neighbors.frontier(label)
    while True:
        bar.set_postfix_str(f"{len(size):,} components", refresh=False)
        bar.update()
        largest = int(size.argmax())
        skip = largest if 2 * int(size[largest]) > len(values) else -1
        top, bottom = neighbors.exits(values, component, len(size), skip, frontier)
        place, joins, count = contract(component, top, bottom)
        if not len(joins):
            nothing = top.new_empty(0)
            tops, bottoms = zip((nothing, nothing), *found, strict=True)
            return torch.cat(tops), torch.cat(bottoms)
        found.append((top[joins], bottom[joins]))
        size = size.new_zeros(count).index_add_(0, place, size)
        component = follow(place, component, out=None if component is label else component)


def contract(component: Rows, top: Rows, bottom: Rows) -> tuple[Rows, Rows, int]:
    """What becomes of components ``[k]`` if all leave over their lowest edge, who did so usefully ``[j]``, how many are left."""
    if kernels := kernels_for(component):
        place, joins = torch.empty_like(top), torch.empty_like(top)
        count, useful = kernels.contract(component.numpy(), top.numpy(), bottom.numpy(), place.numpy(), joins.numpy())
        return place, joins[:useful].long(), count
    leaves = (top >= 0).nonzero().squeeze(1)
    nodes = torch.arange(len(top), device=top.device)
    tree = nodes.clone()
    tree[leaves] = component[top[leaves]].long() + component[bottom[leaves]] - leaves
    root = (tree[tree] == nodes) & (nodes > tree)  # of two that leave over the same edge
    tree[root] = nodes[root]
    tree, joins = jump(tree), leaves[~root[leaves]]
    first = nodes.scatter_reduce(0, tree, nodes, "amin")[tree]  # trees are numbered in the order of their first members
    number = (first == nodes).cumsum(0) - 1
    return number[first].to(component.dtype), joins, int(number[-1]) + 1


def follow(number: Tensor, rows: Rows, out: Tensor | None = None) -> Tensor:
    """``number[rows]``, where -1 stays -1. Compiled loops write into ``out``, if given, which may be the rows."""
    if kernels := kernels_for(rows):
        out = torch.empty_like(rows, dtype=number.dtype) if out is None else out
        kernels.parallel(len(rows), lambda first, last: kernels.take(number.numpy(), rows.numpy(), out.numpy(), first, last))
        return out
    return torch.where(rows >= 0, number[rows], -1)
