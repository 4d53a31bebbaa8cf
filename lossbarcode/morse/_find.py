"""From a smooth loss to its Morse complex."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from time import monotonic

import torch

from .._support.checks import FLOATS, check_count
from .._support.types import AnyArray
from ..losses._boxes import box_for, box_in, check_periodic
from ..losses._protocols import Loss, check_rows_independent, name_of
from ._classification import classify
from ._critical_points import CriticalPoints, cap_degenerate, nearest_known, new_points
from ._flow import integrate_lines
from ._morse_complex import MorseComplex
from ._search import corners, search
from ._separatrices import Separatrices
from ._unit_cube_loss import UnitCubeLoss, check_dimension, check_hessian, check_smooth

MAX_PARAMETERS = 12  # a box has 2^d corners, and 3^d faces of all dimensions to be searched
MAX_POINTS = 50_000  # a valley that is not quite flat may yield ever more points; smooth losses of two parameters have a few thousand
MAX_SEARCHES = 4  # another search follows whenever a gradient line ended at a critical point that was not known
ESCAPE_DISTANCE = 0.1  # times eps^1/4, in sides of the box: how far from its saddle a separatrix begins


def morse_complex(
    loss: Loss,
    bounds: AnyArray | None = None,
    *,
    periodic: bool | Sequence[bool] | None = None,
    starts: int = 4096,
    rounds: int = 64,
    max_points: int = MAX_POINTS,
    max_seconds: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
) -> MorseComplex:
    """All critical points of a smooth loss in a box, their Morse indices, and the gradient lines between them.

    Newton iterations from many starts at once, in rounds, until the number of starts is twice what it was at the last new point;
    eight times, if the sum of (-1)^index shows that a point is missing. Gradient lines are those of the box scaled to a cube.

    Args:
        loss: pure batched callable, points ``[n d]`` to losses ``[n]``, twice differentiable by autograd.
        bounds: the box ``[d 2]``; default ``loss.bounds``.
        periodic: which axes are periodic, with the width of the box as the period; one answer for all or one per axis; default
            ``loss.periodic``, or none. A periodic axis has no faces, and gradient lines run through its seam.
        starts: random starts per round, or four times the number of known points if that is more. An equal number is made from known
            points.
        rounds: the most rounds.
        max_points: the most critical points, those that are degenerate not counted; with more there is no complex.
        max_seconds: when to stop, in seconds of the wall clock, looked at between two rounds and between two steps of the gradient lines;
            then the complex says that it is not complete. Default: never, so that a result does not depend on the machine's speed.
        seed: of the starts.
        device: where to compute; default the CPU.
        dtype: float64, or float32 with accordingly less precision.
        progress: show progress bars; default: when it takes over two seconds.

    Returns:
        MorseComplex. Its ``completeness`` tells whether the list of critical points can be complete.

    Raises:
        ValueError: if the loss is not smooth, not differentiable by autograd or not finite on the box, if it has more critical points
            than ``max_points``, which it has if they are not isolated, or if the box, counts or dtype are not as described.

    Source:
        :cite:t:`barannikov1994framed`, :cite:t:`barannikov2023barcodes`.

    Example:
        >>> import lossbarcode as lb
        >>> camel = lb.morse_complex(lb.functions.SixHumpCamel())
        >>> camel
        MorseComplex(6 of index 0, 7 of index 1, 2 of index 2; complete; SixHumpCamel)
        >>> print(lb.barcode(camel).table()[["birth", "death"]].round(6) + 0.0)
              birth     death
        0 -1.031628       inf
        1 -1.031628  0.000000
        2 -0.215464  0.543719
        3 -0.215464  0.543719
        4  2.104250  2.229357
        5  2.104250  2.229357
        >>> import math
        >>> torus = lb.morse_complex(lambda x: x.cos().sum(1), [(0, 2 * math.pi)] * 2, periodic=True)
        >>> torus
        MorseComplex(1 of index 0, 2 of index 1, 1 of index 2; complete; a loss)
        >>> lb.barcode(torus, degree=1)  # loops around either angle
        Barcode(2 bars, 2 infinite; a loss)
    """
    if dtype not in FLOATS:
        raise ValueError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
    box = box_in(dtype, box_for(loss, bounds).to(device=device))
    d = len(box)
    if d > MAX_PARAMETERS:
        raise ValueError(f"bounds: expected at most {MAX_PARAMETERS} parameters, got {d}; use the sampled route, or fix some parameters")
    starts, rounds, max_points = check_count(starts, "starts"), check_count(rounds, "rounds"), check_count(max_points, "max_points")
    deadline = monotonic() + check_seconds(max_seconds)
    generator = torch.Generator().manual_seed(seed)
    cube_loss = UnitCubeLoss(loss, box, check_periodic(loss, periodic, box))
    check_dimension(cube_loss)
    inner = torch.tensor([[0.3], [0.7]], dtype=dtype, device=box.device).expand(-1, d)
    check_rows_independent(loss, cube_loss.place(inner))
    check_smooth(cube_loss, generator)
    check_hessian(cube_loss, generator)
    found = classify(cube_loss, *corners(cube_loss))
    searched = 0
    while True:
        found = search(cube_loss, found, starts, rounds, max_points, deadline, generator, progress)
        found = found.select(found.values.argsort(stable=True))
        separatrices, new = trace_separatrices(cube_loss, found, deadline, progress)
        searched += 1
        stopped = monotonic() >= deadline
        # once there are degenerate points, more of them are no reason to search again: they may be those of a valley
        if stopped or searched == MAX_SEARCHES or not ((new.index >= 0).any() or (len(new) and (found.index >= 0).all())):
            break
        found = cap_degenerate(found.join(new))
    columns = cube_loss.place(found.unit), found.values, found.index
    return MorseComplex(*columns, separatrices, box, cube_loss.periodic, name_of(loss), is_stopped=stopped)


def check_seconds(seconds: float | None) -> float:
    """A time limit, infinite if there is none."""
    if seconds is None:
        return math.inf
    if isinstance(seconds, bool) or not isinstance(seconds, Real) or not seconds > 0:
        raise ValueError(f"max_seconds: expected a positive number of seconds, or None for no limit, got {seconds!r}")
    return float(seconds)


def trace_separatrices(
    loss: UnitCubeLoss, found: CriticalPoints, deadline: float, progress: bool | None
) -> tuple[Separatrices, CriticalPoints]:
    """Separatrices of all points of index 1, and those of their ends that are critical points not yet known."""
    saddle = (found.index == 1).nonzero().squeeze(1)
    down = torch.linalg.eigh(found.hessian[saddle])[1][:, :, 0] * found.free[saddle]
    starts = [(torch.cat([saddle, saddle]), torch.cat([down, -down]), False)]
    if loss.dimension == 2:
        inner = found.free[saddle].all(1)
        # From a saddle on an edge of the box one line goes up, from the saddle itself: the gradient does not vanish there.
        across = torch.stack([-down[:, 1], down[:, 0]], 1) * inner[:, None]
        starts.append((torch.cat([saddle, saddle[inner]]), torch.cat([across, -across[inner]]), True))
    new, n_lines = found.select(slice(0, 0)), 0
    columns = []
    for start, direction, up in starts:
        offset = ESCAPE_DISTANCE * loss.eps**0.25 * direction
        lines = integrate_lines(loss, found.unit[start], offset, up=up, deadline=deadline, progress=progress)
        target = (found.index == (loss.dimension if up else 0)).nonzero().squeeze(1)
        end = torch.where(lines.left, -1, -2)
        row, known = nearest_known(lines.end, found.unit[target], loss)
        known &= lines.converged
        end[known] = target[row[known]]
        unit = lines.end[lines.converged & ~known]
        free = (unit > 0) & (unit < 1) | loss.periodic
        new = new.join(new_points(classify(loss, unit, free), found.join(new), loss))
        columns.append((loss.place(lines.unit), lines.line + n_lines, start, end, torch.full_like(start, up, dtype=torch.bool)))
        n_lines += len(start)
    return Separatrices(*(torch.cat(column) for column in zip(*columns, strict=True))), new
