"""From the graph on minima to the barcode.

In: a :class:`Source`, from whichever route. Out: :class:`Barcode`. The rule is exact for any passes at or above their
ends; equal numbers are ordered by row.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch

from .._support.checks import check_count
from .._support.types import Values
from ._barcode import Barcode
from ._brackets import brackets_of
from ._elder_rule import oldest_first
from ._source import Source


def read_off(source: Source, *, degree: int = 0, stacklevel: int = 1) -> Barcode:
    """The barcode of a source, by the elder rule; what :func:`lossbarcode.barcode` does once it has a record with a graph.

    Args:
        source: a graph, or a record that has one (:class:`Source`: basins, Morse complex, paths).
        degree: degree of homology; above 0 the source must know bars of this degree.
        stacklevel: of warnings, as in :func:`warnings.warn`, counted from the caller.

    Raises:
        ValueError: if the source has no graph, or no bars of this degree.

    Warns:
        UserWarning: of what the source cautions against.

    Example:
        >>> import torch, lossbarcode as lb
        >>> from lossbarcode.barcodes import read_off
        >>> read_off(lb.Graph(torch.tensor([0.0, 1.0]), edges=torch.tensor([[0, 1]]), heights=torch.tensor([3.0])))
        Barcode(2 bars, 1 infinite)
    """
    if not isinstance(source, Source):
        raise ValueError(
            f"barcode: expected a loss with its bounds, an array, samples, or a record with a graph, got {type(source).__name__}"
        )
    if check_count(degree, "degree", least=0):
        bars = source.bars_of_degree(degree)
        warn(source.caution(1), stacklevel)  # that there are several components shows in degree 0
        return bars
    graph = source.graph
    elders, birth, (death, saddle_row, parent, bar) = oldest_first(graph.values, graph.edges, graph.heights, graph.saddle_row)
    warn(source.caution(int(death.isinf().sum())), stacklevel)
    keep = death > birth
    kept = slice(None) if keep.all() else keep
    bar_of_minimum = bar if isinstance(elders, slice) else torch.empty_like(bar).index_copy_(0, elders, bar)
    columns = (birth[kept], death[kept], graph.minimum_row[elders][kept], saddle_row[kept])
    size = source.sizes
    if size is not None:
        size = torch.zeros_like(columns[2]).index_add_(0, bar_of_minimum, size)
    bars = Barcode(*columns, parent[kept], size, bar_of_minimum, source.name)
    brackets = {name: bound[elders][kept] for name, bound in brackets_of(graph).items()}
    return replace(bars, **brackets) if brackets else bars


def warn(caution: str | None, stacklevel: int) -> None:
    """Warn of what a source cautions against, if anything, at the line of :func:`read_off`'s caller."""
    if caution:
        warnings.warn(caution, stacklevel=stacklevel + 2)


def bars_of_pairs(values: Values, pairs: list[list[int]], degree: int, name: str) -> Barcode:
    """The barcode of a degree above 0 from the rows at which bars are born and end (-1: never)."""
    born, dies = torch.tensor(pairs, dtype=torch.int64, device=values.device).reshape(-1, 2).unbind(1)
    birth, death = values[born], torch.where(dies >= 0, values[dies], torch.inf)
    dies = torch.where(death < torch.inf, dies, -1)
    keep = (death > birth).nonzero().squeeze(1)
    keep = keep[birth[keep].argsort(stable=True)]
    return Barcode(birth[keep], death[keep], born[keep], dies[keep], torch.full_like(keep, -1), name=name, degree=degree)
