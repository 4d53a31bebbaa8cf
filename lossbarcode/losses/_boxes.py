"""Boxes of parameters: how they are checked, how a descent stays inside them, and which axes are periodic.

An axis is periodic (an angle, a phase) if the loss is the same one width of the box further on: the two ends of the axis are one place, and
no face of the box. The last axis of a torus is no different from its first; a box may have both kinds of axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from .._support.types import AnyArray, Bounds, Points
from ._protocols import Loss, check_loss_output, name_of, same_losses


def box_for(loss: Loss, bounds: AnyArray | None) -> Bounds:
    """The box that is asked for, or else the loss's own, checked."""
    own = getattr(loss, "bounds", None)
    if bounds is None:
        bounds = own
    if bounds is None:
        raise ValueError("bounds: expected a box [d 2], got None, and the loss has no .bounds; pass bounds=[[low, high], ...]")
    box = check_bounds(bounds)
    if own is not None and len(box) != len(own):
        raise ValueError(f"bounds: expected one row for each of the {len(own)} parameters of {name_of(loss)}, got {len(box)}")
    return box


def box_of_points(
    loss: Loss, bounds: AnyArray | None, periodic: bool | Sequence[bool] | Tensor | None, points: Points
) -> tuple[Bounds | None, Bool[Tensor, " d"] | None, Bounds | None]:
    """The box of points, like them in dtype and device, which of its axes are periodic, and the faces at which descents and strings are
    stopped: those of the other axes. All are None if there is no box.

    Args:
        loss: of the points.
        bounds: the box ``[d 2]``, or None.
        periodic: which axes of it are periodic, as for :func:`check_periodic`.
        points: ``[n d]``.

    Raises:
        ValueError: if the box is none, if it has another number of axes than the points, or if an axis is to be periodic that has no
            width, or a width that is no period.
    """
    if bounds is None:
        given = getattr(loss, "periodic", False) if periodic is None else periodic
        if np.any(np.asarray(given, dtype=object)):
            raise ValueError(f"periodic: expected bounds, whose width is the period, got periodic={given!r} alone; pass bounds [d 2] too")
        return None, None, None
    box = check_bounds(bounds, dimension=points.shape[1]).to(points)
    axes = check_periodic(loss, periodic, box)
    check_period(loss, points, box, axes)
    return box, axes, without_periodic_faces(box, axes)


def check_bounds(bounds: AnyArray, *, dimension: int | None = None) -> Bounds:
    """A box as float64 ``[d 2]`` with finite, ascending ends; of points that have ``dimension`` parameters, if that is known."""
    try:
        box = torch.as_tensor(bounds, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:  # a class of losses has a property there
        raise ValueError(
            f"bounds: expected numbers, one (low, high) per axis, got {bounds!r}; a class of losses must be called first, as in Wavy()"
        ) from error
    if box.ndim != 2 or box.shape[1] != 2 or len(box) == 0:
        raise ValueError(f"bounds: expected shape [d 2], one (low, high) per axis, got {list(box.shape)}")
    if dimension not in (None, len(box)):
        raise ValueError(f"bounds: expected one (low, high) for each of the {dimension} parameters of the points, got {len(box)} of them")
    bad = ~(box[:, 0] < box[:, 1]) | ~box.isfinite().all(1)
    if bad.any():
        axis = int(bad.nonzero()[0])
        raise ValueError(f"bounds: expected finite low < high along every axis, got {box[axis].tolist()} along axis {axis}")
    return box


def box_in(dtype: torch.dtype, box: Bounds) -> Bounds:
    """The box in the dtype of its points.

    Raises:
        ValueError: if an end or a width is too large a number for it, or if the two ends are one number in it.
    """
    narrow = box.to(dtype)
    width = narrow[:, 1] - narrow[:, 0]
    bad = ~(width.isfinite() & (width > 0))
    if bad.any():
        axis = int(bad.nonzero()[0])
        raise ValueError(
            f"bounds: expected ends and widths that {dtype} can hold, got {box[axis].tolist()} along axis {axis}; rescale the axis"
        )
    return narrow


def check_periodic(loss: Loss | None, periodic: bool | Sequence[bool] | Tensor | None, box: Bounds) -> Bool[Tensor, " d"]:
    """Which axes of the box are periodic, on its device: as asked for, or else as the loss's own attribute ``periodic`` says.

    Args:
        loss: the loss, or None.
        periodic: one answer for all axes, or one per axis; None: that of the loss, and False if it has none.
        box: the box ``[d 2]``.

    Raises:
        ValueError: if that is neither one bool nor one per axis.
    """
    given = getattr(loss, "periodic", False) if periodic is None else periodic
    try:
        axes = torch.as_tensor(given, device=box.device)
    except (TypeError, ValueError, RuntimeError):  # neither numbers nor bools, which is said below
        axes = torch.empty(0)
    if axes.dtype != torch.bool or axes.ndim > 1 or (axes.ndim == 1 and len(axes) != len(box)):
        raise ValueError(f"periodic: expected True, False, or one of them for each of {len(box)} axes, got {given!r}")
    return axes.expand(len(box)).clone()


def check_period(loss: Loss, points: Points, box: Bounds, periodic: Bool[Tensor, " d"]) -> None:
    """Refuse a width of the box that is no period of the loss: ends would be taken for places where they are not.

    Raises:
        ValueError: if the loss of the first point is another one period further on along all periodic axes.
    """
    if not periodic.any():
        return
    period = torch.where(periodic, box[:, 1] - box[:, 0], 0)
    places = points[:1] + period * points.new_tensor([[0.0], [0.3], [1.0]])  # the one between shows how large losses are
    with torch.no_grad():
        values = check_loss_output(loss(places), places)
    if not same_losses(values[:1], values[2:], values).all():
        raise ValueError(
            f"periodic: expected the same loss one width of the box further on along the periodic axes, got {float(values[0]):.6g} and "
            f"{float(values[2]):.6g}; the width of the box must be the period"
        )


def without_periodic_faces(box: Bounds, periodic: Bool[Tensor, " d"]) -> Bounds:
    """The box with the ends of periodic axes at infinity, where nothing is stopped: for descents and strings."""
    ends = torch.tensor([-torch.inf, torch.inf], dtype=box.dtype, device=box.device)
    return torch.where(periodic[:, None], ends, box)


def wrap_into_box(points: Points, box: Bounds, periodic: Bool[Tensor, " d"]) -> Points:
    """The same places with every periodic coordinate within ``low <= x < high``. Other coordinates are left as they are."""
    low, high = box.to(points).T
    wrapped = low + (points - low).remainder(high - low)
    return torch.where(periodic & ((points < low) | (points >= high)), torch.where(wrapped < high, wrapped, low), points)


def nearest_image(points: Points, to: Points, box: Bounds, periodic: Bool[Tensor, " d"]) -> Points:
    """The same places, moved by whole periods to where they lie nearest to the points ``to``; of two equally near images always one."""
    low, high = box.to(points).T
    width = high - low
    return torch.where(periodic, points - ((points - to) / width).round() * width, points)


def active_bounds(points: Points, gradient: Points, box: Tensor | None) -> Tensor:
    """Coordinates at an end of the box through which descent would leave it ``[n d]``, bool."""
    if box is None:
        return torch.zeros_like(points, dtype=torch.bool)
    low, high = box.T
    return ((points <= low) & (gradient > 0)) | ((points >= high) & (gradient < 0))


def project_to_box(points: Points, box: Tensor | None) -> Points:
    """Points moved into the box."""
    return points if box is None else points.clamp(*box.T)
