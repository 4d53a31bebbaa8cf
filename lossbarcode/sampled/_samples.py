"""Losses at n places: the record of the sampled route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .._support.checks import FLOATS, check_values
from ..barcodes._barcode import Barcode
from ..barcodes._graph import Graph
from ..barcodes._read_off import bars_of_pairs
from ..barcodes._source import Source
from ._cubical import cubical_pairs
from ._implicit_neighbors import Grid
from ._neighbors import Neighbors
from ._points import PointSource

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Samples(Source):
    """Losses at n places.

    Attributes:
        points: the places ``[n d]``. A tensor, or on a grid an object that computes the rows it is asked for:
            ``points[rows]`` works for both.
        values: loss at each place ``[n]``; +inf: outside the domain.
        bounds: the box that was sampled ``[d 2]``.
        neighbors: which samples are adjacent, or None: they are found by a search for nearest neighbors.
        name: what was sampled and how, for titles.
        periodic: which axes are periodic ``[d]``, with the width of the box as their period; default: none.
        axis_names: name of each axis, for tables and charts; default ``("parameter",)``, ``("x", "y")``, or of an image
            ``("row", "column")``; of more parameters ``("x0", "x1", ...)``.
        is_image: whether charts draw axis 0 downwards and axis 1 to the right, as arrays are printed and images shown, and not
            axis 0 to the right and axis 1 upwards, as functions are.

    Raises:
        ValueError: if there is not one loss per point, if a loss is NaN or -inf, or if there is not one name per axis.
    """

    points: PointSource
    values: Float[Tensor, " n"]
    bounds: Float[Tensor, "d 2"]
    neighbors: Neighbors | None = None
    name: str = ""
    periodic: Bool[Tensor, " d"] | None = None
    axis_names: tuple[str, ...] = ()
    is_image: bool = False

    def __post_init__(self) -> None:
        if self.values.dtype not in FLOATS or tuple(self.values.shape) != (len(self.points),):
            raise ValueError(
                f"Samples.values: expected float32 or float64 of shape ({len(self.points)},), one per point, "
                f"got {self.values.dtype} of shape {tuple(self.values.shape)}"
            )
        check_values(self.values)
        d = len(self.bounds)
        if self.periodic is None:
            object.__setattr__(self, "periodic", torch.zeros(d, dtype=torch.bool, device=self.bounds.device))
        names = self.axis_names or default_names(d, self.is_image)
        if len(names) != d:
            raise ValueError(f"axis_names: expected one name for each of {d} axes, got {names}")
        object.__setattr__(self, "axis_names", tuple(names))

    @property
    def graph(self) -> Graph:  # pyright: ignore[reportIncompatibleVariableOverride]  # a computed attribute is one, too
        """That of the basins of these samples, found anew each time; :func:`lossbarcode.basins` keeps it."""
        from ._basins import basins  # which needs samples

        return basins(self).graph

    def bars_of_degree(self, degree: int) -> Barcode:
        """The bars of the cubical complex of samples on a grid, by GUDHI."""
        if not isinstance(self.neighbors, Grid):
            return super().bars_of_degree(degree)
        return bars_of_pairs(self.values, cubical_pairs(self.values, self.neighbors, degree), degree, self.name)

    def table(self, rows: Int[Tensor, " m"] | None = None) -> DataFrame:
        """Places and losses as a ``pandas.DataFrame``, one row per sample, one column per axis and a last one ``value``.

        Args:
            rows: of the samples that are wanted ``[m]``, for example ``bars.minimum_row``; they are the table's index. Default: all.

        Example:
            >>> import lossbarcode as lb
            >>> samples = lb.sample(lb.functions.ThreeHumpCamel(), 4096)
            >>> print(samples.table(lb.barcode(samples).minimum_row).round(2))
                     x     y  value
            561   0.01 -0.01    0.0
            1661  1.75 -0.86    0.3
            3468 -1.75  0.89    0.3
        """
        import pandas as pd

        rows = torch.arange(len(self), device=self.values.device) if rows is None else rows
        places = dict(zip(self.axis_names, self.points[rows].cpu().numpy().T, strict=True))
        return pd.DataFrame({**places, "value": self.values[rows].cpu().numpy()}, index=rows.cpu().numpy())

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Samples({self.name or len(self)}, losses {float(self.values.min()):.4g} to {float(self.values.max()):.4g})"


def default_names(d: int, is_image: bool) -> tuple[str, ...]:
    """What axes without names of their own are called."""
    few = {1: ("parameter",), 2: ("row", "column") if is_image else ("x", "y")}
    return few.get(d, tuple(f"x{axis}" for axis in range(d)))
