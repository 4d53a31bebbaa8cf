"""Which stationary points are critical for the box, and of which Morse index."""

from __future__ import annotations

import torch
from torch import Tensor

from .._support.types import Points
from ._critical_points import CriticalPoints, cap_degenerate, same_place
from ._newton import restricted
from ._unit_cube_loss import UnitCubeLoss

DEGENERATE_EXPONENT = 0.75  # eigenvalues below eps ** FLAT of the largest ones at a place count as zero
PROBE_RADIUS = 1e-3  # how far from a place we look for a direction along which the loss rises all around


def classify(field: UnitCubeLoss, unit: Points, free: Tensor) -> CriticalPoints:
    """Morse index of the points that are critical for the box: those on a face only where the loss grows inwards."""
    values, gradient, hessian = field(unit)
    hessian = restricted(hessian, free)
    eigenvalues, vectors = torch.linalg.eigh(hessian)
    near = same_place(field)
    # Across a face the loss must grow, at the place and a rounding error inside; if the two differ it is level there.
    inward = torch.where(unit < 0.5, 1.0, -1.0) * ~free
    _, inside = field(unit + 8 * field.eps * inward, order=1)
    grows = (torch.minimum(gradient * inward, inside * inward) > 0) | free
    falls = (torch.maximum(gradient * inward, inside * inward) < 0) & ~free
    # A critical point of the interior that happens to lie on a face is not one of Morse theory on a box.
    at_end = free & ((unit < near) | (unit > 1 - near))
    flat = (eigenvalues.abs() <= field.eps**DEGENERATE_EXPONENT * eigenvalues.abs().amax(1, keepdim=True)).any(1)
    degenerate = (~grows | at_end).any(1) | flat | ~hessian_confirmed(field, unit, free, eigenvalues, vectors)
    index = torch.where(degenerate, -1, (eigenvalues < 0).sum(1))
    found = cap_degenerate(CriticalPoints(unit, free, values, hessian, index)[~falls.any(1)])
    return found[~is_monotone_point(field, found)]


def slopes_around(gradient_at, unit: Points, free: Tensor, vectors: Tensor, far: float) -> tuple[Tensor, Points]:
    """How steeply the loss rises away from places, a little off them along both ends of every eigenvector.

    Returns:
        Slopes outwards ``[n 2d]``, zero along eigenvectors that only stand for coordinates that are not free; directions
        ``[n 2d d]``.
    """
    n, d = unit.shape
    directions = torch.cat([vectors.mT, -vectors.mT], 1) * free[:, None]
    gradient = gradient_at((unit[:, None] + far * directions).clamp(0, 1).reshape(-1, d)).reshape(n, 2 * d, d)
    slopes = (gradient * directions).sum(-1)
    return torch.where(directions.norm(dim=-1) < 0.5, 0, slopes), directions  # what rounding leaves of e_i is no direction


def hessian_confirmed(field: UnitCubeLoss, unit: Points, free: Tensor, eigenvalues: Tensor, vectors: Tensor) -> Tensor:
    """Whether the gradient changes its sign along every free eigenvector as the eigenvalue says ``[n]``.

    It does not where a Hessian exists only at the point (|x|^1.5, say), or where another critical point is too near.
    """
    slopes, _ = slopes_around(lambda place: field(place, 1)[1], unit, free, vectors, same_place(field))
    return ((slopes.sign() == eigenvalues.sign().repeat(1, 2)) | (slopes == 0)).all(1)


def is_monotone_point(field: UnitCubeLoss, found: CriticalPoints) -> Tensor:
    """Degenerate points around which the loss rises along one direction, as x³ does ``[n]``: no sublevel set changes there.

    The direction is that of the mean gradient on small spheres.
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
    inside = ((places >= 0) & (places <= 1)).all(-1).all(-1)
    gradient = field(places.clamp(0, 1).reshape(-1, d), order=1)[1].reshape(n, -1, d) * free[:, None]
    along = gradient.mean(1, keepdim=True)
    return torch.zeros_like(degenerate).masked_scatter_(degenerate, ((gradient * along).sum(-1) > 0).all(1) & inside)
