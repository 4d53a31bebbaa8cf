"""Paths between minima, and what is known of their highest points: the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..barcodes._barcode import Barcode
from ..barcodes._graph import Graph
from ..barcodes._read_off import read_off
from ..barcodes._source import Source
from ._evidence import categories, table_with_evidence
from ._minima import Minima
from ._saddles import SaddleEvidence

if TYPE_CHECKING:
    import altair as alt
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Paths(Source):
    """Paths between minima, and what is known of their highest points.

    Attributes:
        minima: what the paths join.
        pairs: numbers of the two minima of each path ``[p 2]``.
        points: images of each path, from the first minimum to the second ``[p m d]``; along periodic axes to its nearest image, so they
            may lie outside the box.
        values: loss at each image ``[p m]``.
        heights: highest loss on each path, between images too ``[p]``: an upper bound on the lowest pass between the two, up to the
            resolution at which the path was searched (up to 64 probes per chord); +inf: the path leads through a wall.
        last_decrease: by how much the last round lowered it ``[p]``.
        gradient_norm: length of the gradient at the highest point ``[p]``; NaN: not looked at.
        lowest_eigenvalue: lowest eigenvalue of the Hessian that was found there ``[p]``; NaN: not looked at.
        negative_eigenvalues: number of negative eigenvalues of the Hessian that were found there, a lower bound on the Morse index
            ``[p]``; -1: not looked at.
        height_tolerance: decrease up to which a round counts as quiet, in the unit of the loss.
        name: the loss.
        hessian_products: products with the Hessian that were spent on each highest point that was looked at; with as many as parameters,
            all eigenvalues are known.
    """

    minima: Minima
    pairs: Int[Tensor, "p 2"]
    points: Float[Tensor, "p m d"]
    values: Float[Tensor, "p m"]
    heights: Float[Tensor, " p"]
    last_decrease: Float[Tensor, " p"]
    gradient_norm: Float[Tensor, " p"]
    lowest_eigenvalue: Float[Tensor, " p"]
    negative_eigenvalues: Int[Tensor, " p"]
    height_tolerance: float
    name: str = ""
    hessian_products: int = 0

    if_unconnected: ClassVar[str] = "join more pairs, or find minima between the groups: strings do not find their way around walls of +inf"

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"Paths({len(self)} between {len(self.minima)} minima, {self.values.shape[1]} images each; {self.name})"

    @property
    def top_image_row(self) -> Int[Tensor, " p"]:
        """Row of each path's highest image in ``points.flatten(0, 1)`` ``[p]``."""
        return torch.arange(len(self), device=self.values.device) * self.values.shape[1] + self.values.argmax(1)

    @property
    def graph(self) -> Graph:  # pyright: ignore[reportIncompatibleVariableOverride]  # a computed attribute is one, too
        """All minima, joined by all paths."""
        return Graph(self.minima.values, self.pairs, self.heights, saddle_row=self.top_image_row)

    @property
    def quiet(self) -> Bool[Tensor, " p"]:
        """Which paths the last round lowered by no more than the tolerance ``[p]``. It is no evidence that a lower pass is not there."""
        return self.last_decrease <= self.height_tolerance

    @property
    def saddle_evidence(self) -> list[SaddleEvidence]:
        """What is known of each highest point ``[p]``.

        It counts as a saddle of index 1 if exactly one negative eigenvalue was found, and if it is stationary: its gradient is within the
        tolerance of the minima, or the path is quiet and a Newton step along the eigenvector would change the loss by no more than the
        tolerance of heights. This is numerical evidence from a few products with the Hessian, no proof.
        """
        near = self.gradient_norm.square() <= 2 * self.height_tolerance * -self.lowest_eigenvalue
        saddles = (self.negative_eigenvalues == 1) & (self._is_stationary | near & self.quiet)
        return [SaddleEvidence.INDEX_1 if saddle else SaddleEvidence.UPPER_BOUND for saddle in saddles.tolist()]

    @property
    def _is_stationary(self) -> Bool[Tensor, " p"]:
        """Whose gradient at the highest point is within the tolerance of the minima; not those that were not looked at."""
        return self.gradient_norm <= self.minima.gradient_tolerance

    def table(self) -> DataFrame:
        """The paths as a ``pandas.DataFrame``, one row per path."""
        import pandas as pd

        columns = {
            "from": self.pairs[:, 0],
            "to": self.pairs[:, 1],
            "height": self.heights,
            "last_decrease": self.last_decrease,
            "gradient_norm": self.gradient_norm,
            "negative_eigenvalues": self.negative_eigenvalues,
        }
        table = pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})
        return table.assign(saddle_evidence=categories(self.saddle_evidence, SaddleEvidence))

    def bars_table(self) -> DataFrame:
        """The bars as a ``pandas.DataFrame``, one row per bar, with what is known of both ends.

        Besides the columns of :meth:`Barcode.table` there are, of the minimum, ``gradient_norm``, ``lowest_eigenvalue`` (NaN: not looked
        at) and ``minimum_reached``: whether the gradient is within the tolerance of :func:`find_minima`. Of the end there is
        ``end_evidence`` (:class:`EndEvidence`; missing for the bar of the lowest minimum, which never ends). Of the path that ends the bar
        there are ``saddle_evidence`` for its highest point (missing for a bar without an end), ``last_decrease`` (NaN without an end) and
        ``quiet``: whether that is within the tolerance of :func:`connect`, which is no evidence for the end. A minimum without a bar has no
        row here, but one in :meth:`evidence_table`, which also prints in fewer columns.

        Example:
            >>> import torch, lossbarcode as lb
            >>> camel = lb.functions.SixHumpCamel()
            >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).deduplicate(1e-3)
            >>> table = lb.connect(camel, minima).bars_table()
            >>> print(table[["length", "quiet", "saddle_evidence", "end_evidence"]][1:].round(2))
               length  quiet             saddle_evidence   end_evidence
            1    1.03   True  index-1 saddle (numerical)  bounded above
            2    0.76   True  index-1 saddle (numerical)  bounded above
            3    0.76   True  index-1 saddle (numerical)  bounded above
            4    0.13   True  index-1 saddle (numerical)  bounded above
            5    0.13   True  index-1 saddle (numerical)  bounded above
        """
        return self._table_of(read_off(self, stacklevel=2))

    def _table_of(self, bars: Barcode) -> DataFrame:
        """:meth:`bars_table`, of bars that were read off."""
        path = bars.saddle_row.clamp_min(0) // self.values.shape[1]
        proven = self._is_stationary & (self.negative_eigenvalues == 1) & (self.hessian_products >= self.points.shape[2])
        columns = {
            "last_decrease": self.last_decrease[path].masked_fill(~bars.is_finite, torch.nan),
            "quiet": self.quiet[path] & bars.is_finite,
        }
        known = self.saddle_evidence
        evidence = [known[i] if end else None for i, end in zip(path.tolist(), bars.is_finite.tolist(), strict=True)]
        table = table_with_evidence(bars, self.minima, proven[path])
        table = table.assign(**{name: column.cpu().numpy() for name, column in columns.items()})
        return table.assign(saddle_evidence=categories(evidence, SaddleEvidence))

    def evidence_table(self) -> DataFrame:
        """What is known of every minimum, with a bar or without, as a ``pandas.DataFrame`` that prints in 80 characters.

        One row per minimum, whose label is its row in ``minima``, births ascending. ``death`` is the end of its bar, or its own loss where
        it has no bar; ``minimum_reached`` tells whether its gradient is within the tolerance; ``evidence`` is that for the end of the bar
        (:class:`EndEvidence`), or the reason why there is no end or no bar. A minimum has no bar if paths that nowhere rise above it lead
        to another one, which is as low or lower.

        Example:
            >>> import torch, lossbarcode as lb
            >>> def wells(x):
            ...     return (x.square() - 1).square().sum(1)
            >>> places = torch.tensor([[-1.0], [1.0], [1.0]])
            >>> minima = lb.Minima(places, wells(places), torch.zeros(3))
            >>> print(lb.connect(wells, minima).evidence_table())
               birth  death  minimum_reached                       evidence
            0    0.0    inf             True                     never ends
            1    0.0    1.0             True                         proven
            2    0.0    0.0             True  no bar: no climb to minimum 1
        """
        import pandas as pd

        bars, minima = read_off(self, stacklevel=2), self.minima
        table = self._table_of(bars).set_index("minimum_row").rename_axis(None)
        evidence = table["end_evidence"].astype(object).fillna("never ends")
        with_bar = table[["birth", "death", "minimum_reached"]].assign(evidence=evidence)
        home = bars.minimum_row[cast("Tensor", bars.bar_of_minimum)]
        rows = (home != torch.arange(len(minima), device=home.device)).nonzero().squeeze(1)
        values, reached = minima.values[rows].cpu().numpy(), minima.converged[rows].cpu().numpy()
        reasons = [f"no bar: no climb to minimum {elder}" for elder in home[rows].tolist()]
        columns = {"birth": values, "death": values, "minimum_reached": reached, "evidence": reasons}
        return pd.concat([with_bar, pd.DataFrame(columns, index=rows.cpu().numpy())]).sort_index().sort_values("birth", kind="stable")

    def plot(self, **options: Any) -> alt.LayerChart:
        """The loss along the paths as a chart; options as of :func:`lossbarcode.charts.path_profiles`."""
        from .. import charts  # Altair is slow to load

        return charts.path_profiles(self, **options)
