"""Gradient lines between critical points: the record."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Separatrices:
    """Gradient lines from the 1-saddles: down to minima, and in two dimensions up to maxima.

    Attributes:
        points: places along all lines, one line after the other, each from its saddle on ``[p d]``. A line through the seam of a
            periodic axis is a period further on in its next place.
        line_of_point: the line of each place ``[p]``.
        saddle_row: row of each line's saddle in the complex ``[l]``.
        end_row: row of the critical point where it ends ``[l]``; -1: an ascending line that left the box, where there is no
            maximum; -2: a line that ended at no known critical point.
        is_ascending: whether it leads up ``[l]``, bool.
    """

    points: Float[Tensor, "p d"]
    line_of_point: Int[Tensor, " p"]
    saddle_row: Int[Tensor, " l"]
    end_row: Int[Tensor, " l"]
    is_ascending: Bool[Tensor, " l"]

    def restricted_to(self, keep: Bool[Tensor, " c"]) -> Separatrices:
        """The lines from those saddles that are kept, with new row numbers; a line to a point that is not kept ends at none (-2)."""
        number = (keep.cumsum(0) - 1).masked_fill(~keep, -2)
        end = self.end_row.where(self.end_row < 0, number[self.end_row])
        stays = keep[self.saddle_row]
        places = stays[self.line_of_point]
        line = (stays.cumsum(0) - 1)[self.line_of_point[places]]
        return Separatrices(self.points[places], line, number[self.saddle_row[stays]], end[stays], self.is_ascending[stays])
