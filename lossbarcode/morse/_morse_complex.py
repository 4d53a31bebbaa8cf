"""The gradient Morse complex of a loss on a box: critical points, gradient lines between them, and a completeness check.

In: what :mod:`._find` has found. Out: :class:`MorseComplex`, whose graph has the barcode of minima to the precision of the solver, if
the list of critical points is complete. It is the reference for the sampled route, which needs neither smoothness nor few parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .._support.types import AnyArray
from ..barcodes._barcode import Barcode
from ..barcodes._canonical_form import boundary_of_boundary
from ..barcodes._graph import Graph
from ..barcodes._read_off import bars_of_pairs
from ..barcodes._source import Source
from ._critical_points import euler_number, euler_sum
from ._loops import higher_pairs
from ._separatrices import Separatrices

if TYPE_CHECKING:
    import altair as alt
    from pandas import DataFrame

Completeness: TypeAlias = Literal["complete", "incomplete", "unknown"]


@dataclass(frozen=True, eq=False)
class MorseComplex(Source):
    """Critical points of a loss on a box and the gradient lines between them.

    A point on a face of the box is critical if the loss restricted to the face is, and if it grows inwards; its index is
    that of the restriction. Periodic axes have no faces: with one of them the domain is a cylinder, with two a torus.

    Attributes:
        points: critical points, ascending in value ``[c d]``.
        values: loss at each ``[c]``.
        index: Morse index: the number of independent directions in which the loss curves downwards ``[c]``; -1: degenerate, where
            the Hessian does not determine it.
        separatrices: gradient lines from the points of index 1.
        bounds: the box ``[d 2]``.
        periodic: which of its axes are periodic ``[d]``.
        name: of the loss.
        is_stopped: whether ``max_seconds`` were over before everything was done.
    """

    points: Float[Tensor, "c d"]
    values: Float[Tensor, " c"]
    index: Int[Tensor, " c"]
    separatrices: Separatrices
    bounds: Float[Tensor, "d 2"]
    periodic: Bool[Tensor, " d"]
    name: str = ""
    is_stopped: bool = False

    @cached_property
    def graph(self) -> Graph:  # pyright: ignore[reportIncompatibleVariableOverride]  # a computed attribute is one, too
        """Minima, joined over every 1-saddle by its two descending separatrices; rows are those of the complex."""
        minimum = (self.index == 0).nonzero().squeeze(1)
        if not len(minimum):
            raise ValueError(
                f"graph: expected at least one minimum that is not degenerate, got {self!r}; use the sampled route (lb.sample)"
            )
        number = torch.full_like(self.index, -1)
        number[minimum] = torch.arange(len(minimum), device=minimum.device)
        lines = self.separatrices
        down = (~lines.is_ascending).nonzero().squeeze(1)
        down = down[lines.saddle_row[down].argsort(stable=True)].reshape(-1, 2)  # two per saddle
        down = down[(lines.end_row[down] >= 0).all(1)]
        saddle = lines.saddle_row[down[:, 0]]
        return Graph(self.values[minimum], number[lines.end_row[down]], self.values[saddle], minimum, saddle)

    @property
    def euler_deficit(self) -> int:
        """The Euler characteristic of the domain minus the sum of (-1)^index over the points that are not degenerate.

        It is 1 for a box, and 0 if an axis is periodic: the product of 1 for every interval and 0 for every circle.
        """
        return euler_number(self.periodic) - euler_sum(self.index)

    @property
    def completeness(self) -> Completeness:
        """Whether this list of critical points can be complete, by the sum of (-1)^index and by the separatrices.

        - ``"complete"``: the sum is 1, as it is on every box, or 0 if an axis is periodic, and all separatrices converge and join all
          minima. That is necessary, not sufficient: if both a minimum and a saddle are missing, this may go unnoticed.
        - ``"incomplete"``: the sum is another (see ``euler_deficit``), a separatrix did not converge, the minima are not all joined, or
          ``max_seconds`` were over.
        - ``"unknown"``: there are degenerate points, with which the sum means nothing.
        """
        if (self.index < 0).any():
            return "unknown"
        if self.is_stopped or self.euler_deficit or (self.separatrices.end_row == -2).any():
            return "incomplete"
        whole = bool((self.index == 0).any()) and n_components(self.graph) == 1
        return "complete" if whole else "incomplete"

    @property
    def is_complete(self) -> bool:
        """Whether the completeness check found nothing missing."""
        return self.completeness == "complete"

    def caution(self, n_infinite: int) -> str | None:
        """A warning that bars may be missing, unless the list of critical points is complete."""
        if self.is_complete:
            return None
        degenerate = self.points[self.index < 0]
        if not len(degenerate):
            return f"bars may be missing: {self!r}; use more starts, rounds or seconds, and compare with the sampled route"
        where = [round(t, 6) for t in degenerate[0].tolist()]
        return (
            f"bars may be missing: {self!r}; critical points are not isolated, or too flat to be told apart, for example at {where}; "
            "break the symmetry by a small term, fix a parameter, make the axes of angles periodic, or use the sampled route (lb.sample)"
        )

    def bars_of_degree(self, degree: int) -> Barcode:
        """The bars of degree 1 or 2 of a complex of one or two parameters; there are none of higher degrees.

        A bar of degree 1 that never ends is a loop around a periodic axis: a torus has two, a cylinder or a circle one, a box none. Only
        a torus has a bar of degree 2, which never ends.

        Raises:
            ValueError: if there are more than two parameters.
        """
        d = self.points.shape[1]
        if d > 2:
            raise ValueError(
                f"barcode: expected, for degree {degree}, a MorseComplex of one or two parameters, got {d}: above two, "
                "gradient lines between points of higher index come in families; use lb.sample(..., method='grid')"
            )
        if degree > d:
            return bars_of_pairs(self.values, [], degree, self.name)
        pairs = higher_pairs(self.graph, self.values, self.index, self.separatrices, self.periodic)
        return bars_of_pairs(self.values, pairs[degree - 1].tolist(), degree, self.name)

    def boundary(self) -> list[list[int]]:
        """The boundary of each critical point over Z/2, as rows of the complex: what :func:`canonical_form` takes.

        The boundary of a 1-saddle consists of the minima at the ends of its two descending separatrices; that of a maximum in the
        plane, of the saddles from which an odd number of ascending separatrices leads to it.

        Raises:
            ValueError: if there are more than two parameters, if the list of critical points is not ``"complete"``, or if lines run
                from saddle to saddle (the loss is not Morse-Smale), so that this is no boundary.
        """
        if self.points.shape[1] > 2:
            raise ValueError(
                f"boundary: expected one or two parameters, got {self.points.shape[1]}; above two, gradient lines between points of "
                "higher index come in families, and only the barcode of degree 0 is computed"
            )
        if not self.is_complete:
            raise ValueError(f"boundary: expected a complete list of critical points, got {self}; use more starts or rounds")
        columns = [set() for _ in range(len(self.index))]
        lines = self.separatrices
        for start, end, rising in zip(lines.saddle_row.tolist(), lines.end_row.tolist(), lines.is_ascending.tolist(), strict=True):
            if end >= 0:
                columns[end if rising else start] ^= {start if rising else end}
        if boundary_of_boundary(columns):
            raise ValueError(
                f"boundary: expected gradient lines that run from no saddle to another, got some that do, maybe by a symmetry, in {self}; "
                "barcodes do not need the boundary; to remove such lines, tilt the loss a little"
            )
        return [sorted(column) for column in columns]

    def drop(self, rows: AnyArray) -> MorseComplex:
        """The complex as if some of its critical points, and their separatrices, had not been found.

        Args:
            rows: row numbers of these points.

        Raises:
            ValueError: if there are no such rows.
        """
        keep = torch.ones_like(self.index, dtype=torch.bool)
        gone = torch.atleast_1d(torch.as_tensor(rows, device=keep.device))
        if len(gone):
            if gone.dtype != torch.int64 or int(gone.min()) < 0 or int(gone.max()) >= len(keep):
                raise ValueError(f"rows: expected row numbers from 0 to {len(keep) - 1}, got {gone.tolist()}")
            keep[gone] = False
        lines = self.separatrices.restricted_to(keep)
        return replace(self, points=self.points[keep], values=self.values[keep], index=self.index[keep], separatrices=lines)

    def table(self) -> DataFrame:
        """The critical points as a ``pandas.DataFrame``: value, index, kind, whether on the boundary, coordinates.

        Example:
            >>> import lossbarcode as lb
            >>> morse = lb.morse_complex(lb.functions.DoubleWell())
            >>> print(morse.table().round(3))
               value  index     kind  boundary     x1
            0 -0.322      0  minimum     False -0.731
            1 -0.181      0  minimum     False  0.681
            2  0.003      1  maximum     False  0.050
        """
        import pandas as pd

        d = self.points.shape[1]
        kinds = {-1: "degenerate", 0: "minimum", 1: "1-saddle", d: "maximum"}
        index = self.index.tolist()
        on_face = (((self.points == self.bounds[:, 0]) | (self.points == self.bounds[:, 1])) & ~self.periodic).any(1)
        columns = {
            "value": self.values.cpu().numpy(),
            "index": index,
            "kind": [kinds.get(i, f"{i}-saddle") for i in index],
            "boundary": on_face.cpu().numpy(),
        }
        return pd.DataFrame(columns | {f"x{i + 1}": column for i, column in enumerate(self.points.T.cpu().numpy())})

    def plot(self, samples: Any, **options: Any) -> alt.LayerChart:
        """The critical points and separatrices of a loss of two parameters as a map, on samples of the same loss for the shading.

        Args:
            samples: :class:`Samples` of the same loss on the same box (not in the signature, because no route imports another).
            options: as of :func:`lossbarcode.charts.morse_map`.
        """
        from .. import charts  # Altair is slow to load

        return charts.morse_map(self, samples, **options)

    def __repr__(self) -> str:
        counts = torch.bincount(self.index[self.index >= 0], minlength=2).tolist()
        degenerate = int((self.index < 0).sum())
        points = ", ".join([f"{count} of index {i}" for i, count in enumerate(counts)] + [f"{degenerate} degenerate"] * (degenerate > 0))
        status = "stopped by max_seconds, " * self.is_stopped + self.completeness
        status += f", deficit {self.euler_deficit}" * (self.completeness == "incomplete")
        return f"MorseComplex({points}; {status}{'; ' + self.name if self.name else ''})"


def n_components(graph: Graph) -> int:
    """Number of connected components of a graph."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = graph.edges.cpu().numpy().T
    size = len(graph.values)
    return connected_components(coo_array((torch.ones(len(graph.edges)).numpy(), ends), shape=(size, size)), directed=False)[0]
