"""Which stationary points are critical for the box, and of which Morse index."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._support.types import Points
from ._critical_points import CriticalPoints, cap_degenerate, same_place
from ._newton import restricted
from ._unit_cube_loss import UnitCubeLoss

# Eigenvalues below eps to this power, times the largest one at a place, count as zero: the slopes that they make within eps^0.4, the
# distance at which they are confirmed, drown in the rounding of the gradient.
DEGENERATE_EXPONENT = 0.6
PROBE_RADIUS = 1e-3  # distance from a degenerate point at which gradients are looked at


def classify(loss: UnitCubeLoss, unit: Points, free: Tensor) -> CriticalPoints:
    """The stationary points that are critical for the box, with their Morse index. On a face the loss must grow inwards."""
    values, gradient, hessian = loss(unit)
    hessian = restricted(hessian, free)
    eigenvalues, vectors = torch.linalg.eigh(hessian)
    near = same_place(loss)
    # Across a face the loss must grow, both at the place and a few roundings inside; where the two differ it is level.
    inward = torch.where(unit < 0.5, 1.0, -1.0) * ~free
    _, inside = loss(unit + 8 * loss.eps * inward, order=1)
    grows = (torch.minimum(gradient * inward, inside * inward) > 0) | free
    falls = (torch.maximum(gradient * inward, inside * inward) < 0) & ~free
    # Morse theory on a box excludes critical points of the interior that happen to lie on a face.
    at_end = free & ~loss.periodic & ((unit < near) | (unit > 1 - near))
    flat = (eigenvalues.abs() <= loss.eps**DEGENERATE_EXPONENT * eigenvalues.abs().amax(1, keepdim=True)).any(1)
    degenerate = (~grows | at_end).any(1) | flat | ~hessian_confirmed(loss, unit, free, eigenvalues, vectors)
    index = torch.where(degenerate, -1, (eigenvalues < 0).sum(1))
    found = cap_degenerate(CriticalPoints(unit, free, values, hessian, index).select(~falls.any(1)))
    return found.select(~is_monotone_point(loss, found))


def slopes_around(
    gradient_at: Callable[[Points], Tensor], unit: Points, free: Tensor, vectors: Tensor, distance: float
) -> tuple[Tensor, Points]:
    """How steeply the loss rises away from places, at a distance from them in both directions of every eigenvector.

    Returns:
        Outward slopes ``[n 2d]``, zero along eigenvectors that only stand for coordinates that are not free; directions
        ``[n 2d d]``.
    """
    n, d = unit.shape
    directions = torch.cat([vectors.mT, -vectors.mT], 1) * free[:, None]
    gradient = gradient_at((unit[:, None] + distance * directions).reshape(-1, d)).reshape(n, 2 * d, d)
    slopes = (gradient * directions).sum(-1)
    return torch.where(directions.norm(dim=-1) < 0.5, 0, slopes), directions  # ignore those that only round-off makes nonzero


def hessian_confirmed(loss: UnitCubeLoss, unit: Points, free: Tensor, eigenvalues: Tensor, vectors: Tensor) -> Tensor:
    """Whether the slope along every free eigenvector is as the eigenvalue says, at a small distance on both sides ``[n]``.

    It has another sign or size where a Hessian exists only at the point itself (|x|^1.5, for example), where another critical point is too
    near, and where an eigenvalue is zero but for rounding, which the gradient has as well, but of another size.
    """
    distance = same_place(loss)
    slopes, directions = slopes_around(lambda place: loss(loss.confine(place), 1)[1], unit, free, vectors, distance)
    share = slopes / (distance * eigenvalues.repeat(1, 2))
    return (((share > 0.1) & (share < 10)) | (directions.norm(dim=-1) < 0.5)).all(1)


def is_monotone_point(loss: UnitCubeLoss, found: CriticalPoints) -> Tensor:
    """Whether a point is degenerate and the loss rises along one direction all around it, as x³ does ``[n]``.

    No sublevel set changes its topology there. The direction is that of the mean gradient on small spheres.
    """
    degenerate = found.index < 0
    unit, free = found.unit[degenerate], found.free[degenerate]
    if not len(unit):
        return degenerate
    n, d = unit.shape
    around = torch.randn(32, d, dtype=unit.dtype, generator=torch.Generator().manual_seed(0)).to(unit.device)
    around = PROBE_RADIUS * around / around.norm(dim=1, keepdim=True)
    around = torch.cat([around, -around, around / 8, -around / 8]) * free[:, None]
    places = unit[:, None] + around
    inside = (loss.confine(places) == places).all(-1).all(-1)
    gradient = loss(loss.confine(places).reshape(-1, d), order=1)[1].reshape(n, -1, d) * free[:, None]
    along = gradient.mean(1, keepdim=True)
    return torch.zeros_like(degenerate).masked_scatter_(degenerate, ((gradient * along).sum(-1) > 0).all(1) & inside)
