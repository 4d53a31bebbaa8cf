"""The gradient Morse complex of a loss on a box: critical points, gradient lines between them, and a certificate.

In: a loss and its box. Out: :class:`MorseComplex`, whose graph has the barcode of minima exactly, up to the precision of the
solver. It judges the sampled route, which needs neither smoothness nor few parameters.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .._support.types import AnyArray, Bounds, Points, Rows, Values
from ..barcodes._barcode import Barcode
from ..barcodes._canonical_form import boundary_of_boundary
from ..barcodes._graph import Graph
from ..barcodes._read_off import bars_of_pairs
from ..barcodes._source import Source
from ._critical_points import euler_sum
from ._loops import loops

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Separatrices:
    """Gradient lines from the 1-saddles: down to minima, and in two dimensions up to maxima.

    Attributes:
        points: places along all lines, one line after the other, each from its saddle on ``[p d]``.
        line_of_point: the line of each place ``[p]``.
        saddle_row: row of each line's saddle in the complex ``[l]``.
        end_row: row of the critical point where it ends ``[l]``; -1: an ascending line that left the box, where there is no
            maximum; -2: a line that did not arrive at a critical point that is known.
        is_ascending: whether it leads up ``[l]``, bool.
    """

    points: Points
    line_of_point: Rows
    saddle_row: Rows
    end_row: Rows
    is_ascending: Tensor


@dataclass(frozen=True, eq=False)
class MorseComplex(Source):
    """Critical points of a loss on a box and the gradient lines between them.

    A point on a face of the box is critical if the loss restricted to the face is, and if it grows inwards; its index is
    that of the restriction.

    Attributes:
        points: critical points, ascending in value ``[c d]``.
        values: loss at each ``[c]``.
        index: Morse index: the number of independent directions in which the loss curves downwards ``[c]``; -1: degenerate,
            where the Hessian does not tell.
        separatrices: gradient lines from the points of index 1.
        bounds: the box ``[d 2]``.
        name: of the loss.
    """

    points: Points
    values: Values
    index: Rows
    separatrices: Separatrices
    bounds: Bounds
    name: str = ""

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
        down = down[lines.saddle_row[down].argsort(stable=True)].reshape(-1, 2)  # the two of each saddle
        down = down[(lines.end_row[down] >= 0).all(1)]
        saddle = lines.saddle_row[down[:, 0]]
        return Graph(self.values[minimum], number[lines.end_row[down]], self.values[saddle], minimum, saddle)

    @property
    def euler_deficit(self) -> int:
        """What the sum of (-1)^index over the points that are not degenerate lacks to 1, the Euler characteristic of a box."""
        return 1 - euler_sum(self.index)

    @property
    def completeness(self) -> str:
        """What the sum of (-1)^index and the separatrices say about this list of critical points.

        - ``"complete"``: the sum is 1, as on every box, and all separatrices arrive and join all minima. That is necessary, not
          sufficient: a minimum and a saddle that are both missing may go unseen.
        - ``"incomplete"``: the sum is not 1 (see ``euler_deficit``), a separatrix did not arrive, or the minima are in pieces.
        - ``"unknown"``: there are degenerate points, for which the sum says nothing.
        """
        if (self.index < 0).any():
            return "unknown"
        arrived = bool((self.separatrices.end_row > -2).all())
        whole = self.euler_deficit == 0 and arrived and bool((self.index == 0).any()) and n_components(self.graph) == 1
        return "complete" if whole else "incomplete"

    @property
    def is_complete(self) -> bool:
        """Whether the completeness check found nothing missing."""
        return self.completeness == "complete"

    def caution(self, n_infinite: int) -> str | None:
        """Bars may be missing where critical points are."""
        if self.is_complete:
            return None
        return f"bars may be missing: {self!r}; use more starts or rounds, and compare with the sampled route"

    def bars_of_degree(self, degree: int) -> Barcode:
        """The bars of degree 1 of a complex of two parameters; of one or two parameters there are none of a higher degree."""
        d = self.points.shape[1]
        if d > 2:
            raise ValueError(
                f"barcode: expected, for degree {degree}, a MorseComplex of one or two parameters, got {d}: above two, "
                "gradient lines between points of higher index come in families; use lb.sample(..., method='grid')"
            )
        if caution := self.caution(1):
            warnings.warn(caution, stacklevel=4)
        return bars_of_pairs(self.values, loops(self) if degree == 1 and d == 2 else [], degree, self.name)

    def boundary(self) -> list[list[int]]:
        """The boundary of each critical point over Z/2, as rows of the complex: what :func:`canonical_form` takes.

        The boundary of a 1-saddle is the minima at the ends of its two descending separatrices, that of a maximum in the plane
        the saddles from which an odd number of ascending ones leads to it.

        Raises:
            ValueError: if there are more than two parameters, if the certificate is not ``"complete"``, or if lines run from saddle
                to saddle (the loss is not Morse-Smale) such that no boundary comes out.
        """
        if self.points.shape[1] > 2:
            raise ValueError(
                f"boundary: expected one or two parameters, got {self.points.shape[1]}; above two, gradient lines between points of "
                "higher index come in families, and only the barcode of index 0 is computed"
            )
        if self.completeness != "complete":
            raise ValueError(f"boundary: expected a complete list of critical points, got {self}; use more starts or rounds")
        columns = [set() for _ in range(len(self.index))]
        lines = self.separatrices
        for start, end, rising in zip(lines.saddle_row.tolist(), lines.end_row.tolist(), lines.is_ascending.tolist(), strict=True):
            if end >= 0:
                columns[end if rising else start] ^= {start if rising else end}
        if boundary_of_boundary(columns):
            raise ValueError(
                f"boundary: expected gradient lines that run from no saddle to another, got some that do (a symmetry, say) in {self}; "
                "barcodes do not need the boundary, and tilting the loss a little removes such lines"
            )
        return [sorted(column) for column in columns]

    def drop(self, rows: AnyArray) -> MorseComplex:
        """The complex as if some of its critical points, and their separatrices, had not been found."""
        keep = torch.ones_like(self.index, dtype=torch.bool)
        gone = torch.atleast_1d(torch.as_tensor(rows, device=keep.device))
        if len(gone):
            if gone.dtype != torch.int64 or int(gone.min()) < 0 or int(gone.max()) >= len(keep):
                raise ValueError(f"rows: expected row numbers from 0 to {len(keep) - 1}, got {gone.tolist()}")
            keep[gone] = False
        number = torch.where(keep, keep.cumsum(0) - 1, -2)
        lines = self.separatrices
        end = torch.where(lines.end_row >= 0, number[lines.end_row], lines.end_row)
        stays = keep[lines.saddle_row]
        places = stays[lines.line_of_point]
        line = (stays.cumsum(0) - 1)[lines.line_of_point[places]]
        left = Separatrices(lines.points[places], line, number[lines.saddle_row[stays]], end[stays], lines.is_ascending[stays])
        return replace(self, points=self.points[keep], values=self.values[keep], index=self.index[keep], separatrices=left)

    def table(self) -> DataFrame:
        """The critical points as a ``pandas.DataFrame``: value, index, kind, whether on the boundary, coordinates.

        Example:
            >>> import lossbarcode as lb
            >>> complex_ = lb.morse_complex(lb.functions.DoubleWell())
            >>> print(complex_.table().round(3))
               value  index     kind  boundary     x1
            0 -0.322      0  minimum     False -0.731
            1 -0.181      0  minimum     False  0.681
            2  0.003      1  maximum     False  0.050
        """
        import pandas as pd

        d = self.points.shape[1]
        kinds = {-1: "degenerate", 0: "minimum", 1: "1-saddle", d: "maximum"}
        index = self.index.tolist()
        on_face = ((self.points == self.bounds[:, 0]) | (self.points == self.bounds[:, 1])).any(1)
        columns = {
            "value": self.values.cpu().numpy(),
            "index": index,
            "kind": [kinds.get(i, f"{i}-saddle") for i in index],
            "boundary": on_face.cpu().numpy(),
        }
        return pd.DataFrame(columns | {f"x{i + 1}": column for i, column in enumerate(self.points.T.cpu().numpy())})

    def __repr__(self) -> str:
        counts = torch.bincount(self.index[self.index >= 0], minlength=2).tolist()
        degenerate = int((self.index < 0).sum())
        points = ", ".join([f"{count} of index {i}" for i, count in enumerate(counts)] + [f"{degenerate} degenerate"] * (degenerate > 0))
        status = self.completeness + (f", deficit {self.euler_deficit}" if self.completeness == "incomplete" else "")
        return f"MorseComplex({points}; {status}{'; ' + self.name if self.name else ''})"


def n_components(graph: Graph) -> int:
    """In how many pieces the minima are."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = graph.edges.cpu().numpy().T
    size = len(graph.values)
    return connected_components(coo_array((torch.ones(len(graph.edges)).numpy(), ends), shape=(size, size)), directed=False)[0]
