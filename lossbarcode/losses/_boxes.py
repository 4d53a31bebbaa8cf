"""Boxes of parameters: how they are checked, and how a descent stays inside them."""

from __future__ import annotations

import torch
from torch import Tensor

from .._support.types import AnyArray, Bounds, Points
from ._protocols import Loss


def box_for(loss: Loss, bounds: AnyArray | None) -> Bounds:
    """The box that is asked for, or else the loss's own, checked."""
    if bounds is None:
        bounds = getattr(loss, "bounds", None)
        if bounds is None:
            raise ValueError("bounds: expected a box [d 2], got None, and the loss has no .bounds; pass bounds=[[low, high], ...]")
    return check_bounds(bounds)


def check_bounds(bounds: AnyArray) -> Bounds:
    """A box as float64 ``[d 2]`` with finite, ascending ends."""
    try:
        box = torch.as_tensor(bounds, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:  # a class of losses has a property there
        raise ValueError(
            f"bounds: expected numbers, one (low, high) per axis, got {bounds!r}; a class of losses must be called first, as in Wavy()"
        ) from error
    if box.ndim != 2 or box.shape[1] != 2 or len(box) == 0:
        raise ValueError(f"bounds: expected shape [d 2], one (low, high) per axis, got {list(box.shape)}")
    bad = ~(box[:, 0] < box[:, 1]) | ~box.isfinite().all(1)
    if bad.any():
        axis = int(bad.nonzero()[0])
        raise ValueError(f"bounds: expected finite low < high along every axis, got {box[axis].tolist()} along axis {axis}")
    return box


def active_bounds(points: Points, gradient: Points, box: Tensor | None) -> Tensor:
    """Coordinates at an end of the box through which descent would leave it ``[n d]``, bool."""
    if box is None:
        return torch.zeros_like(points, dtype=torch.bool)
    low, high = box.T
    return ((points <= low) & (gradient > 0)) | ((points >= high) & (gradient < 0))


def project_to_box(points: Points, box: Tensor | None) -> Points:
    """Points moved into the box."""
    return points if box is None else points.clamp(*box.T)
