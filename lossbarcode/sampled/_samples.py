"""Losses at n places: the record of the sampled route."""

from __future__ import annotations

from dataclasses import dataclass

from .._support.checks import FLOATS, check_values
from .._support.types import Bounds, Values
from ..barcodes._barcode import Barcode
from ..barcodes._graph import Graph
from ..barcodes._read_off import bars_of_pairs
from ..barcodes._source import Source
from ._cubical import cubical_pairs
from ._implicit_neighbors import Grid
from ._neighbors import Neighbors
from ._points import PointSource


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

    Raises:
        ValueError: if there is not one loss per point, or if a loss is NaN or -inf.
    """

    points: PointSource
    values: Values
    bounds: Bounds
    neighbors: Neighbors | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.values.dtype not in FLOATS or tuple(self.values.shape) != (len(self.points),):
            raise ValueError(
                f"Samples.values: expected float32 or float64 of shape ({len(self.points)},), one per point, "
                f"got {self.values.dtype} of shape {tuple(self.values.shape)}"
            )
        check_values(self.values)

    @property
    def graph(self) -> Graph:  # pyright: ignore[reportIncompatibleVariableOverride]  # a computed attribute is one, too
        """That of the basins of these samples, found anew each time; :func:`lossbarcode.basins` keeps it."""
        from ._basins import basins  # which needs samples

        return basins(self).graph

    def bars_of_degree(self, degree: int) -> Barcode:
        """The bars of the cubical complex of samples on a grid, by GUDHI."""
        if not isinstance(self.neighbors, Grid):
            return super().bars_of_degree(degree)
        return bars_of_pairs(self.values, cubical_pairs(self.values, self.neighbors.shape, degree), degree, self.name)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Samples({self.name or len(self)}, losses {float(self.values.min()):.4g} to {float(self.values.max()):.4g})"
