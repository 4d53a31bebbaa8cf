"""The gradient Morse complex of a loss on a box: critical points, gradient lines between them, and a certificate.

In: a loss and its box. Out: :class:`MorseComplex`, whose graph has the barcode of minima exactly, up to the precision of the
solver. It judges the sampled route, which needs neither smoothness nor few parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .._canonical import boundary_of_boundary
from .._checks import FLOATS, check_count
from .._graph import Graph
from .._sampling import box_of, name_of
from .._types import AnyArray, Bounds, Loss, Points, Rows, Values
from ._field import Field, check_hessian, check_smooth
from ._flow import follow
from ._search import Critical, classify, euler, nearest, newcomers, same_place, search, thinned, vertices

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_PARAMETERS = 12  # a box has 2^d corners, and 3^d faces of all kinds to be searched
PASSES = 4  # searches: one, and another each time that a gradient line ended where no critical point was known
OFF = 0.1  # times eps^1/4, in sides of the box: how far from its saddle a separatrix begins


@dataclass(frozen=True, eq=False)
class Separatrices:
    """Gradient lines from the 1-saddles: down to minima, and in two dimensions up to maxima.

    Attributes:
        points: places along all lines, one line after the other, each from its saddle on ``[p d]``.
        line: the line of each place ``[p]``.
        start: row of each line's saddle in the complex ``[l]``.
        end: row of the critical point where it ends ``[l]``; -1: an ascending line that left the box, where there is no
            maximum; -2: a line that did not arrive at a critical point that is known.
        rising: whether it leads up ``[l]``, bool.
    """

    points: Points
    line: Rows
    start: Rows
    end: Rows
    rising: Tensor


@dataclass(frozen=True, eq=False)
class MorseComplex:
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
    def graph(self) -> Graph:
        """Minima, joined over every 1-saddle by its two descending separatrices; rows are those of the complex."""
        minimum = (self.index == 0).nonzero().squeeze(1)
        if not len(minimum):
            raise ValueError(
                f"graph: expected at least one minimum that is not degenerate, got {self!r}; use the sampled route (lb.sample)"
            )
        number = torch.full_like(self.index, -1)
        number[minimum] = torch.arange(len(minimum), device=minimum.device)
        lines = self.separatrices
        down = (~lines.rising).nonzero().squeeze(1)
        down = down[lines.start[down].argsort(stable=True)].reshape(-1, 2)  # the two of each saddle
        down = down[(lines.end[down] >= 0).all(1)]
        saddle = lines.start[down[:, 0]]
        return Graph(self.values[minimum], number[lines.end[down]], self.values[saddle], minimum, saddle)

    @property
    def deficit(self) -> int:
        """What the sum of (-1)^index over the points that are not degenerate lacks to 1, the Euler characteristic of a box."""
        return 1 - euler(self.index)

    @property
    def certificate(self) -> str:
        """What the sum of (-1)^index and the separatrices say about this list of critical points.

        - ``"complete"``: the sum is 1, as on every box, and all separatrices arrive and join all minima. That is necessary, not
          sufficient: a minimum and a saddle that are both missing may go unseen.
        - ``"incomplete"``: the sum is not 1 (see ``deficit``), a separatrix did not arrive, or the minima are in pieces.
        - ``"unknown"``: there are degenerate points, for which the sum says nothing.
        """
        if (self.index < 0).any():
            return "unknown"
        arrived = bool((self.separatrices.end > -2).all())
        whole = self.deficit == 0 and arrived and bool((self.index == 0).any()) and pieces(self.graph) == 1
        return "complete" if whole else "incomplete"

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
        if self.certificate != "complete":
            raise ValueError(f"boundary: expected a complete list of critical points, got {self}; use more starts or rounds")
        columns = [set() for _ in range(len(self.index))]
        lines = self.separatrices
        for start, end, rising in zip(lines.start.tolist(), lines.end.tolist(), lines.rising.tolist(), strict=True):
            if end >= 0:
                columns[end if rising else start] ^= {start if rising else end}
        if boundary_of_boundary(columns):
            raise ValueError(
                f"boundary: expected gradient lines that run from no saddle to another, got some that do (a symmetry, say) in {self}; "
                "barcodes do not need the boundary, and tilting the loss a little removes such lines"
            )
        return [sorted(column) for column in columns]

    def without(self, rows: AnyArray) -> MorseComplex:
        """The complex as if some of its critical points, and their separatrices, had not been found."""
        keep = torch.ones_like(self.index, dtype=torch.bool)
        gone = torch.atleast_1d(torch.as_tensor(rows, device=keep.device))
        if len(gone):
            if gone.dtype != torch.int64 or int(gone.min()) < 0 or int(gone.max()) >= len(keep):
                raise ValueError(f"rows: expected row numbers from 0 to {len(keep) - 1}, got {gone.tolist()}")
            keep[gone] = False
        number = torch.where(keep, keep.cumsum(0) - 1, -2)
        lines = self.separatrices
        end = torch.where(lines.end >= 0, number[lines.end], lines.end)
        stays = keep[lines.start]
        places = stays[lines.line]
        line = (stays.cumsum(0) - 1)[lines.line[places]]
        left = Separatrices(lines.points[places], line, number[lines.start[stays]], end[stays], lines.rising[stays])
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
        status = self.certificate + (f", deficit {self.deficit}" if self.certificate == "incomplete" else "")
        return f"MorseComplex({points}; {status}{'; ' + self.name if self.name else ''})"


def pieces(graph: Graph) -> int:
    """In how many pieces the minima are."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = graph.edges.cpu().numpy().T
    size = len(graph.values)
    return connected_components(coo_array((torch.ones(len(graph.edges)).numpy(), ends), shape=(size, size)), directed=False)[0]


def morse_complex(
    loss: Loss,
    bounds: AnyArray | None = None,
    *,
    starts: int = 4096,
    rounds: int = 64,
    seed: int = 0,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
) -> MorseComplex:
    """All critical points of a smooth loss in a box, their Morse indices, and the gradient lines between them.

    Newton iterations from many starts at once, in rounds, until as many starts again as it took to find everything have
    found nothing new, or longer if the sum of (-1)^index says that something is missing. Gradient lines are those of the
    box scaled to a cube.

    Args:
        loss: pure batched callable, points ``[n d]`` to losses ``[n]``, twice differentiable by autograd.
        bounds: the box ``[d 2]``; default ``loss.bounds``.
        starts: random starts a round, or four times the number of known points if that is more; as many again are made from those.
        rounds: the most rounds.
        seed: of the starts.
        device: where to compute; default the CPU.
        dtype: float64, or float32 with accordingly less precision.
        progress: show progress bars; default: when it takes over two seconds.

    Returns:
        MorseComplex. Its ``certificate`` says whether the list of critical points can be complete.

    Raises:
        ValueError: if the loss is not smooth, not differentiable by autograd or not finite on the box, or if the box, counts
            or dtype are not what they should be.

    Source:
        :cite:t:`barannikov1994framed`, :cite:t:`barannikov2023barcodes`.

    Example:
        >>> import lossbarcode as lb
        >>> camel = lb.morse_complex(lb.functions.HumpCamel6())
        >>> camel
        MorseComplex(6 of index 0, 7 of index 1, 2 of index 2; complete; HumpCamel6)
        >>> print(lb.barcode(camel).table()[["birth", "death"]].round(6) + 0.0)
              birth     death
        0 -1.031628       inf
        1 -1.031628  0.000000
        2 -0.215464  0.543719
        3 -0.215464  0.543719
        4  2.104250  2.229357
        5  2.104250  2.229357
    """
    if dtype not in FLOATS:
        raise ValueError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
    box = box_of(loss, bounds).to(device=device, dtype=dtype)
    d = len(box)
    if d > MOST_PARAMETERS:
        raise ValueError(f"bounds: expected at most {MOST_PARAMETERS} parameters, got {d}; use the sampled route, or fix some parameters")
    starts, rounds = check_count(starts, "starts"), check_count(rounds, "rounds")
    generator = torch.Generator().manual_seed(seed)
    field = Field(loss, box)
    check_smooth(field, generator)
    check_hessian(field, generator)
    found = classify(field, *vertices(field))
    searched = 0
    while True:
        found = search(field, found, starts, rounds, generator, progress)
        found = found[found.values.argsort(stable=True)]
        separatrices, new = gradient_lines(field, found, progress)
        searched += 1
        # ends in a valley of degenerate points, once there are such, are no news
        if searched == PASSES or not ((new.index >= 0).any() or (len(new) and (found.index >= 0).all())):
            break
        found = thinned(found.join(new))
    return MorseComplex(field.place(found.unit), found.values, found.index, separatrices, box, name_of(loss))


def gradient_lines(field: Field, found: Critical, progress: bool | None) -> tuple[Separatrices, Critical]:
    """Separatrices of all points of index 1, and the ends of some that are critical points not yet known."""
    saddle = (found.index == 1).nonzero().squeeze(1)
    down = torch.linalg.eigh(found.hessian[saddle])[1][:, :, 0] * found.free[saddle]
    kinds = [(torch.cat([saddle, saddle]), torch.cat([down, -down]), False)]
    if field.dimension == 2:
        inner = found.free[saddle].all(1)
        # From a saddle on an edge of the box one line goes up, from the saddle itself: the gradient does not vanish there.
        across = torch.stack([-down[:, 1], down[:, 0]], 1) * inner[:, None]
        kinds.append((torch.cat([saddle, saddle[inner]]), torch.cat([across, -across[inner]]), True))
    parts, new = [], found[:0]
    for start, direction, up in kinds:
        lines = follow(field, found.unit[start], OFF * field.eps**0.25 * direction, up=up, progress=progress)
        target = (found.index == (field.dimension if up else 0)).nonzero().squeeze(1)
        end = torch.where(lines.left, -1, -2)
        row, known = nearest(lines.end, found.unit[target], 2 * same_place(field))
        known &= lines.arrived
        end[known] = target[row[known]]
        unit = lines.end[lines.arrived & ~known]
        new = new.join(newcomers(classify(field, unit, (unit > 0) & (unit < 1)), found.join(new), field))
        parts.append((lines, start, end, up))
    offset, columns = 0, []
    for lines, start, end, up in parts:
        columns.append((field.place(lines.unit), lines.line + offset, start, end, torch.full_like(start, up, dtype=torch.bool)))
        offset += len(start)
    return Separatrices(*(torch.cat(column) for column in zip(*columns, strict=True))), new
