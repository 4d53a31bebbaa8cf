"""From the graph on minima to the barcode.

In: a :class:`Graph`, from whichever route. Out: :class:`Barcode`. The rule is exact for any passes at or above their
ends; equal numbers are ordered by row.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ._basins import Basins, follow
from ._checks import check_count
from ._elder import elder_rule, settle
from ._graph import Graph, HasGraph, ascending
from ._machine import check_memory
from ._morse import MorseComplex
from ._neighbors import Grid
from ._sampling import Samples
from ._types import Rows, Values

if TYPE_CHECKING:
    from pandas import DataFrame

Source: TypeAlias = Graph | HasGraph | MorseComplex | Samples
"""What bars can be made of."""


@dataclass(frozen=True, eq=False)
class Barcode:
    """The segments of the minima of a loss, ascending in birth; or those of a higher index.

    A bar of index r is an r-dimensional feature of the sublevel sets (1: a loop around a hill, 2: a shell): it is born at a
    critical point of index r and filled in at one of index r + 1. Read ``minimum`` and ``saddle`` as these two then;
    it has neither parent nor owner.

    Attributes:
        birth: loss at each minimum ``[k]``.
        death: loss at the saddle over which something lower can be reached ``[k]``; inf: there is none.
        minimum: row of the minimum in the record that the graph came from ``[k]``.
        saddle: row of the saddle there ``[k]``; -1: none.
        parent: bar that each bar merges into ``[k]``; -1: none.
        size: samples in the basin of each minimum ``[k]``, or None if the route has no samples.
        owner: bar of each minimum of the graph; a minimum without a bar of its own (length zero) has that of the bar
            it merges into. ``bars.owner[basins.label]`` is the bar of every sample inside the domain.
        name: what the barcode is of, for titles.
        index: 0 for minima.
    """

    birth: Values
    death: Values
    minimum: Rows
    saddle: Rows
    parent: Rows
    size: Rows | None = None
    owner: Rows | None = None
    name: str = ""
    index: int = 0

    @property
    def length(self) -> Values:
        """Height to climb to escape each minimum ``[k]``; inf where there is no lower place."""
        return self.death - self.birth

    @property
    def finite(self) -> Tensor:
        """Which bars end ``[k]``, bool."""
        return self.death.isfinite()

    def __len__(self) -> int:
        return len(self.birth)

    def longest(self, count: int) -> Barcode:
        """The ``count`` longest bars, infinite ones first, in the order of this barcode.

        A bar ends in one that is at least as long, so parents stay. Minima of bars left out are owned by the first bar
        above theirs that stays.
        """
        chosen = self.length.argsort(descending=True, stable=True)[:count]
        keep = torch.zeros_like(self.parent, dtype=torch.bool).index_fill_(0, chosen, True)
        above = settle(keep, self.parent)
        size = self.size
        if size is not None:
            size = torch.zeros_like(chosen).index_add_(0, above[above >= 0], size[above >= 0])
        columns = (self.birth[keep], self.death[keep], self.minimum[keep], self.saddle[keep])
        owner = None if self.owner is None else follow(above, self.owner)
        return Barcode(*columns, follow(above, self.parent[keep]), size, owner, self.name, self.index)

    def table(self) -> DataFrame:
        """The bars as a ``pandas.DataFrame``, one row a bar; ``size`` is missing if the route has no samples.

        Example:
            >>> import lossbarcode as lb
            >>> bars = lb.barcode(lb.basins(lb.from_grid([2.0, 0.0, 3.0, 1.0, 4.0])))
            >>> print(bars.table())
               birth  death  length  minimum  saddle  parent  size
            0    0.0    inf     inf        1      -1      -1     3
            1    1.0    3.0     2.0        3       2       0     2
        """
        import pandas as pd

        names = ("birth", "death", "length", "minimum", "saddle", "parent", "size")
        return pd.DataFrame({name: getattr(self, name).cpu().numpy() for name in names if getattr(self, name) is not None})

    def persistence(self) -> list[tuple[int, tuple[float, float]]]:
        """The bars as GUDHI lists them: ``(index, (birth, death))`` each, so that GUDHI's plots and distances take them."""
        return [(self.index, bar) for bar in zip(self.birth.tolist(), self.death.tolist(), strict=True)]

    def __repr__(self) -> str:
        return f"Barcode({len(self)} bars, {len(self) - int(self.finite.sum())} infinite{'; ' + self.name if self.name else ''})"


def barcode(source: Source, *, index: int = 0) -> Barcode:
    """The barcode of minima of a graph, by the elder rule; or the bars of a higher index.

    Raise a level through all losses. When a pass joins two components, the one whose lowest minimum is higher ends
    there, in the bar [its minimum, the pass]. Of equal minima the earlier row is the elder; passes of equal height open
    in the order of their rows. A bar of length zero exists only where values tie; it is no bar, and its samples count
    for the bar it merges into.

    Args:
        source: a :class:`Graph`, or any record with a ``.graph`` (:class:`Basins`, :class:`MorseComplex`).
        index: degree of the bars. Above 0 the source is a :class:`MorseComplex` of one or two parameters, or
            :class:`Samples` on a grid, whose cubical complex GUDHI reduces.

    Returns:
        Barcode. Ties included, it does not depend on device, threads or chunk sizes.

    Raises:
        ValueError: if the source is not a graph and has none, or has no bars of this index.
        MemoryError: if the cubical complex would not fit into memory.

    Warns:
        UserWarning: if the graph is in several pieces, each of which has an infinite bar; if the list of critical points of
            a Morse complex is incomplete, or has degenerate ones, so that bars may be missing.

    Source:
        :cite:t:`barannikov2023barcodes`; canonical forms: :cite:t:`barannikov1994framed`.

    Example:
        >>> import lossbarcode as lb
        >>> bars = lb.barcode(lb.basins(lb.sample(lb.functions.HumpCamel3(), 2**16)))
        >>> print(bars.table()[["birth", "death"]].round(2))
           birth  death
        0    0.0    inf
        1    0.3   0.88
        2    0.3   0.88
    """
    if isinstance(source, MorseComplex) and source.certificate != "complete":
        warnings.warn(f"bars may be missing: {source!r}; use more starts or rounds, and compare with the sampled route", stacklevel=2)
    if check_count(index, "index", least=0):
        return higher_bars(source, index)
    graph = source if isinstance(source, Graph) else getattr(source, "graph", None)
    if not isinstance(graph, Graph):
        raise ValueError(
            f"barcode: expected a Graph or a record with a .graph, got {type(source).__name__}; samples go through lb.basins first"
        )
    rows = torch.arange(len(graph.values), device=graph.values.device)
    elders = ascending(graph.values, rows)
    passable = graph.heights < torch.inf
    edges, heights, tops = (t if passable.all() else t[passable] for t in (graph.edges, graph.heights, graph.saddle))
    opening = ascending(heights, tops)
    edges, heights, tops = edges[opening], heights[opening], tops[opening]
    birth = graph.values[elders]
    if not isinstance(elders, slice):
        seniority = torch.empty_like(rows).index_copy_(0, elders, rows)
        edges = seniority[edges]
    del rows
    death, saddle, parent, bar = elder_rule(birth, edges, heights, tops)

    roots = int(death.isinf().sum())
    if roots > 1 and not isinstance(source, MorseComplex):
        warnings.warn(
            f"the graph is in {roots} pieces, so there are {roots} infinite bars; if the domain is in one piece, "
            "use more neighbors (k), a larger radius, more samples or, for a lattice, another seed",
            stacklevel=2,
        )
    keep = death > birth
    kept = slice(None) if keep.all() else keep
    owner = bar if isinstance(elders, slice) else torch.empty_like(bar).index_copy_(0, elders, bar)
    columns = (birth[kept], death[kept], graph.minimum[elders][kept], saddle[kept])
    size = getattr(source, "size", None)
    if size is not None:
        size = torch.zeros_like(columns[2]).index_add_(0, owner, size)
    return Barcode(*columns, parent[kept], size, owner, getattr(source, "name", ""))


def higher_bars(source: Source, index: int) -> Barcode:
    """The bars of an index above 0."""
    if isinstance(source, MorseComplex):
        d, values = source.points.shape[1], source.values
        if d > 2:
            raise ValueError(
                f"barcode: expected, for index {index}, a MorseComplex of one or two parameters, got {d}: above two, "
                "gradient lines between points of higher index come in families; use lb.sample(..., method='grid')"
            )
        pairs = loops(source) if index == 1 and d == 2 else []
    elif isinstance(source, Samples) and isinstance(source.neighbors, Grid):
        pairs, values = cubical_pairs(source.values, source.neighbors.shape, index), source.values
    else:
        raise ValueError(
            f"barcode: expected, for index {index}, a MorseComplex or Samples on a grid, got {type(source).__name__}; "
            "use lb.morse_complex, or lb.sample(..., method='grid') without lb.basins"
        )
    born, dies = torch.tensor(pairs, dtype=torch.int64, device=values.device).reshape(-1, 2).unbind(1)
    birth, death = values[born], torch.where(dies >= 0, values[dies], torch.inf)
    dies = torch.where(death < torch.inf, dies, -1)
    keep = (death > birth).nonzero().squeeze(1)
    keep = keep[birth[keep].argsort(stable=True)]
    return Barcode(birth[keep], death[keep], born[keep], dies[keep], torch.full_like(keep, -1), name=source.name, index=index)


def loops(source: MorseComplex) -> list[list[int]]:
    """Rows at which the bars of index 1 of a complex in the plane are born and end.

    A loop around a hill is a hill of the loss, seen from above: the elder rule for minus the loss, on the maxima, joined by the
    ascending separatrices. What lies outside the box is one more hill, higher than all others. (The same pairs as those of
    the canonical form, but lines from saddle to saddle do no harm.)
    """
    maximum = (source.index == 2).nonzero().squeeze(1)
    number = torch.full_like(source.index, -1)
    number[maximum] = torch.arange(len(maximum), device=maximum.device)
    lines = source.separatrices
    up = lines.rising.nonzero().squeeze(1)
    outside = len(maximum)
    ends = torch.where(lines.end[up] >= 0, number[lines.end[up]], outside)
    saddle, which = lines.start[up].unique(return_inverse=True)
    # a saddle on an edge of the box has one line up, and outside on its other side
    edges = torch.full((len(saddle), 2), outside, device=up.device)
    second = torch.zeros_like(up)
    order = which.argsort(stable=True)
    second[order[1:]] = (which[order][1:] == which[order][:-1]).to(second.dtype)
    edges[which, second] = ends
    above = -source.values.max().abs() * 2 - 1
    values = torch.cat([-source.values[maximum], above[None]])
    graph = Graph(values, edges, -source.values[saddle], torch.cat([maximum, maximum.new_tensor([-1])]), saddle)
    bars = barcode(graph)
    return torch.stack([bars.saddle, bars.minimum], 1)[bars.finite].tolist()


def cubical_pairs(values: Values, shape: tuple[int, ...], index: int) -> list[list[int]]:
    """Rows of the samples of a grid at which bars of the cubical complex are born and end (-1: never), by GUDHI."""
    import gudhi

    need = (200 + 36 * 2 ** len(shape)) * len(values)  # measured; GUDHI keeps the cells of every dimension
    check_memory(need, torch.device("cpu"), f"cubical complex of {len(values):,} samples", "use fewer samples")
    array = values.double().cpu().numpy().reshape(shape)
    complex_ = gudhi.CubicalComplex(vertices=array)
    complex_.compute_persistence(homology_coeff_field=2, min_persistence=0)
    finite, infinite = complex_.vertices_of_persistence_pairs()
    none = np.empty((0, 2), dtype=np.int64)
    finite = finite[index] if index < len(finite) else none
    infinite = infinite[index] if index < len(infinite) else none[:, 0]
    # GUDHI numbers vertices in Fortran order; samples are in C order
    rows = np.ravel_multi_index(np.unravel_index(np.append(finite.ravel(), infinite), shape, order="F"), shape)
    finite, infinite = rows[: finite.size].reshape(-1, 2), rows[finite.size :]
    return np.concatenate([finite, np.stack([infinite, np.full_like(infinite, -1)], 1)]).tolist()


def one_point_bars(bars: Barcode, basins: Basins) -> Tensor:
    """Which bars belong to components that never held a second sample.

    Where samples lie unevenly, one of them can have no lower neighbor by chance. Such an artefact usually ends at the next
    sample, so its component is itself alone. (A bar of the loss ends like this too if its basin is barely resolved.)

    Args:
        bars: barcode of the basins ``[k]``.
        basins: what the bars are of.

    Returns:
        bool ``[k]``.

    Raises:
        ValueError: if the bars are not those of these basins.

    Source:
        :cite:t:`barannikov2023barcodes` leave small clusters out of their plots.

    Example:
        >>> import lossbarcode as lb
        >>> basins = lb.basins(lb.sample(lb.functions.HumpCamel3(), 10_000, method="uniform"))
        >>> bars = lb.barcode(basins)
        >>> print(len(bars), "bars,", int(lb.one_point_bars(bars, basins).sum()), "of one sample")
        20 bars, 13 of one sample
    """
    owner = follow(check_owner(bars, basins), basins.label)
    inside = owner >= 0
    owner, values = owner[inside], basins.samples.values[inside]
    members = torch.bincount(owner[values < bars.death[owner]], minlength=len(bars))
    swallowed = torch.bincount(bars.parent[bars.parent >= 0], minlength=len(bars))
    return (members == 1) & (swallowed == 0) & bars.finite


def check_owner(bars: Barcode, basins: Basins) -> Rows:
    """The bar of each minimum, if the bars, or the longest of them, are those of the basins."""
    if bars.owner is None or len(bars.owner) != len(basins.minimum):
        raise ValueError("bars: expected the barcode of these basins, got another; pass bars=lb.barcode(basins)")
    return bars.owner
