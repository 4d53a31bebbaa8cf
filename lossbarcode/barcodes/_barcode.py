"""The barcode: a record of bars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .._support.pointers import gather_or_minus_one, pointer_jump
from .._support.types import Rows

if TYPE_CHECKING:
    import altair as alt
    from pandas import DataFrame


BRACKETS = ("death_lower", "death_upper", "birth_lower", "birth_upper")
REPR_BARS, SVG_HEIGHT = 10, 90  # in a notebook's output: bars, and pixels of their drawing


class Bar(NamedTuple):
    """One bar: what :class:`Barcode` has in its columns.

    Attributes:
        birth: loss at the minimum.
        death: loss at the saddle; inf: the bar does not end.
        minimum_row: row of the minimum.
        saddle_row: row of the saddle; -1: none.
        parent: bar that it merges into; -1: none.
    """

    birth: float
    death: float
    minimum_row: int
    saddle_row: int
    parent: int

    @property
    def length(self) -> float:
        """Height to climb."""
        return self.death - self.birth


@dataclass(frozen=True, eq=False)
class Barcode:
    """The bars of the minima of a loss, ascending in birth; or those of a higher degree.

    A bar of degree r is an r-dimensional feature of the sublevel sets (1: a loop around a hill, 2: a shell): it is born at a
    critical point of Morse index r and filled in at one of index r + 1. Read ``minimum_row`` and ``saddle_row`` as these two then;
    such a bar has no parent, and belongs to no minimum.

    ``len(bars)``, ``bars[i]`` (one bar, as :class:`Bar`) and iteration work; ``np.asarray(bars)`` is births and deaths ``[k 2]``.

    Attributes:
        birth: loss at each minimum ``[k]``.
        death: loss at the saddle over which something lower can be reached ``[k]``; inf: there is none.
        minimum_row: row of the minimum in the record that the graph came from ``[k]``.
        saddle_row: row of the saddle there ``[k]``; -1: none.
        parent: bar that each bar merges into ``[k]``; -1: none.
        size: samples in the basin of each minimum ``[k]``, or None if the route has no samples.
        bar_of_minimum: bar of each minimum of the graph; a minimum without a bar of its own (length zero) has that of the bar
            it merges into. ``bars.bar_of_minimum[basins.label]`` is the bar of every sample inside the domain.
        name: what the barcode is of, for titles.
        degree: degree of homology, 0 for minima.
        death_lower, death_upper: bounds on the death of each minimum ``[k]``, from the bounds of the graph's passes and values; None:
            the graph has none, its numbers count as exact. The bracket holds for the minima and passes of the graph, whichever numbers
            within their bounds are the true ones. Passes and minima that the graph lacks can only lower a death: the upper end holds with
            them, too, the lower one only if none is missing. Where it is not above the birth, the bar may not exist.
        birth_lower, birth_upper: bounds on the loss at each minimum ``[k]``, or None.
    """

    birth: Float[Tensor, " k"]
    death: Float[Tensor, " k"]
    minimum_row: Int[Tensor, " k"]
    saddle_row: Int[Tensor, " k"]
    parent: Int[Tensor, " k"]
    size: Int[Tensor, " k"] | None = None
    bar_of_minimum: Int[Tensor, " minima"] | None = None
    name: str = ""
    degree: int = 0
    death_lower: Float[Tensor, " k"] | None = None
    death_upper: Float[Tensor, " k"] | None = None
    birth_lower: Float[Tensor, " k"] | None = None
    birth_upper: Float[Tensor, " k"] | None = None

    @property
    def length(self) -> Float[Tensor, " k"]:
        """Height to climb to escape each minimum ``[k]``; inf where there is no lower place."""
        return self.death - self.birth

    @property
    def is_finite(self) -> Bool[Tensor, " k"]:
        """Which bars end ``[k]``, bool."""
        return self.death.isfinite()

    def __len__(self) -> int:
        return len(self.birth)

    def __getitem__(self, row: int) -> Bar:
        """One bar.

        Raises:
            IndexError: if there is no such bar.
        """
        if not -len(self) <= row < len(self):
            raise IndexError(f"bars: expected a row from {-len(self)} to {len(self) - 1}, got {row}")
        numbers = (getattr(self, name)[row].item() for name in ("birth", "death", "minimum_row", "saddle_row", "parent"))
        return Bar(*numbers)

    def __iter__(self) -> Iterator[Bar]:
        columns = (getattr(self, name).tolist() for name in ("birth", "death", "minimum_row", "saddle_row", "parent"))
        return (Bar(*numbers) for numbers in zip(*columns, strict=True))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Births and deaths ``[k 2]``."""
        array = torch.stack([self.birth, self.death], 1).cpu().numpy()  # a copy in any case
        return array if dtype is None else array.astype(dtype, copy=False)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Barcode:
        """The same bars on another device, losses in another floating-point dtype."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self) if isinstance(getattr(self, field.name), Tensor)}
        return replace(self, **{name: t.to(device, dtype if t.is_floating_point() else None) for name, t in tensors.items()})

    def longest(self, count: int) -> Barcode:
        """The ``count`` longest bars, infinite ones first, in the order of this barcode.

        A bar ends in one that is at least as long, so parents stay. Minima whose bars are left out belong to the first bar
        above theirs that stays.
        """
        chosen = self.length.argsort(descending=True, stable=True)[:count]
        return self._only(torch.zeros_like(self.parent, dtype=torch.bool).index_fill_(0, chosen, True))

    def longer_than(self, length: float) -> Barcode:
        """The bars longer than this, and so all infinite ones, in the order of this barcode: what is left when small dips are smoothed out.

        Parents stay, because a bar ends in one that is at least as long. A bar that is left out hands its minima, and its ``size``, to
        the bar that it merges into, or to the first above that one that stays.

        Args:
            length: in the unit of the loss, at least 0.

        Raises:
            ValueError: if that is no finite number of at least 0.

        Example:
            >>> import lossbarcode as lb
            >>> bars = lb.barcode([2.0, 0.0, 3.0, 1.0, 1.1, 0.9, 4.0])
            >>> print(bars.longer_than(0.5).table()[["birth", "death", "size"]])
               birth  death  size
            0    0.0    inf     3
            1    0.9    3.0     4
        """
        if not 0 <= length < torch.inf:
            raise ValueError(f"length: expected a finite number of at least 0, in the unit of the loss, got {length!r}")
        return self._only(self.length > length)

    def _only(self, keep: Bool[Tensor, " k"]) -> Barcode:
        """Some of the bars, none of them without its parent."""
        above = nearest_kept_ancestor(keep, self.parent)
        size = self.size
        if size is not None:
            size = torch.zeros_like(size[keep]).index_add_(0, above[above >= 0], size[above >= 0])
        columns = (self.birth[keep], self.death[keep], self.minimum_row[keep], self.saddle_row[keep])
        parent = gather_or_minus_one(above, self.parent[keep])
        bar_of_minimum = None if self.bar_of_minimum is None else gather_or_minus_one(above, self.bar_of_minimum)
        brackets = {name: getattr(self, name)[keep] for name in BRACKETS if getattr(self, name) is not None}
        return Barcode(*columns, parent, size, bar_of_minimum, self.name, self.degree, **brackets)

    def table(self) -> DataFrame:
        """The bars as a ``pandas.DataFrame``, one row per bar; ``size`` is missing if the route has no samples.

        Where deaths have bounds they are ``lower`` and ``upper``, after ``length``; where births have, ``birth_lower`` and
        ``birth_upper`` follow.

        Example:
            >>> import lossbarcode as lb
            >>> print(lb.barcode([2.0, 0.0, 3.0, 1.0, 4.0]).table())
               birth  death  length  minimum_row  saddle_row  parent  size
            0    0.0    inf     inf            1          -1      -1     3
            1    1.0    3.0     2.0            3           2       0     2
        """
        import pandas as pd

        names = ("birth", "death", "length", *BRACKETS, "minimum_row", "saddle_row", "parent", "size")
        columns = {name: getattr(self, name).cpu().numpy() for name in names if getattr(self, name) is not None}
        return pd.DataFrame(columns).rename(columns={"death_lower": "lower", "death_upper": "upper"})

    def to_gudhi(self) -> list[tuple[int, tuple[float, float]]]:
        """The bars as GUDHI lists them, one ``(degree, (birth, death))`` each, so that GUDHI's plots and distances take them."""
        return [(self.degree, bar) for bar in zip(self.birth.tolist(), self.death.tolist(), strict=True)]

    def plot(self, **options: Any) -> alt.LayerChart:
        """The bars as a chart; options as of :func:`lossbarcode.charts.barcode`."""
        from .. import charts  # Altair is slow to load

        return charts.barcode(self, **options)

    def _repr_html_(self) -> str:
        """A small chart and a small table for notebooks."""
        from html import escape

        shown = self.longest(REPR_BARS)
        more = f"<p>the {len(shown)} longest of {len(self):,} bars</p>" if len(shown) < len(self) else ""
        table = shown.table().to_html(float_format="{:.5g}".format)
        return f"<p><b>{escape(repr(self))}</b></p>{svg(shown)}{table}{more}"

    def __repr__(self) -> str:
        ends = ""
        if self.death_lower is not None and self.death_upper is not None and self.is_finite.any():
            ends = f", deaths known to {float((self.death_upper - self.death_lower)[self.is_finite].max()):.2g}"
        name = "; " + self.name if self.name else ""
        return f"Barcode({len(self)} bars, {len(self) - int(self.is_finite.sum())} infinite{ends}{name})"


def nearest_kept_ancestor(keep: Tensor, parent: Rows) -> Rows:
    """For every bar the number, among those kept, of the first at or above it that is kept; -1: there is none."""
    ancestor = torch.where(keep, torch.arange(len(keep), device=keep.device), parent)
    ancestor = torch.where(ancestor >= 0, ancestor, len(ancestor))
    ends = pointer_jump(torch.cat([ancestor, ancestor.new_tensor([len(ancestor)])]))[:-1]
    return torch.where(ends < len(ancestor), keep.cumsum(0)[ends.clamp_max(len(ancestor) - 1)] - 1, -1)


def svg(bars: Barcode) -> str:
    """The bars as a drawing that needs neither Altair nor a script: one vertical line per bar, infinite ones up to the upper edge."""
    birth, death = bars.birth.double().cpu(), bars.death.double().cpu()
    ends = torch.cat([birth, death[death.isfinite()]])
    low, high = (float(ends.min()), float(ends.max())) if len(ends) else (0.0, 1.0)
    scale = (SVG_HEIGHT - 20) / ((high - low) or 1.0)
    lines = []
    base = SVG_HEIGHT - 10
    for i, (start, stop) in enumerate(zip(birth.tolist(), death.tolist(), strict=True)):
        x, y1, y2 = 10 + 14 * i, base - scale * (start - low), 0.0 if stop == torch.inf else base - scale * (stop - low)
        lines.append(f'<line x1="{x}" x2="{x}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="currentColor" stroke-width="3"/>')
    label = f"{len(bars)} bars from {low:.5g} to {high:.5g}"
    width = 14 * len(bars) + 6
    return f'<svg role="img" aria-label="{label}" width="{width}" height="{SVG_HEIGHT}">{"".join(lines)}</svg>'
