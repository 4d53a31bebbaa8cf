"""Newton iterations on the gradient, all starts at once."""

from __future__ import annotations

import torch
from torch import Tensor

from .._support.types import Points
from ._critical_points import distinct_places, same_place
from ._unit_cube_loss import UnitCubeLoss

MAX_NEWTON_STEP = 0.05  # of the box, a Newton step
MAX_ITERATIONS = 60  # most converge in ten; a degenerate point takes about forty, a half to two thirds of the way each


def restricted(hessian: Tensor, free: Tensor) -> Tensor:
    """Hessians with the rows and columns of the other coordinates replaced by those of a multiple of the identity.

    The multiple is of the size of what is left, so that it neither hides an eigenvalue nor looks like a zero.
    """
    left = torch.where(free[:, :, None] & free[:, None, :], hessian, 0)
    size = left.norm(dim=(1, 2))
    size = torch.where(size > 0, size, 1)
    return left + torch.diag_embed(size[:, None] * ~free)


def newton_step(gradient: Tensor, eigenvalues: Tensor, vectors: Tensor) -> Tensor:
    """Where the quadratic model has its critical point, at most a box's side away along every eigenvector."""
    along = -matvec(vectors.mT, gradient) / eigenvalues
    return matvec(vectors, along.nan_to_num(0.0).clamp(-1, 1))  # 0/0: no gradient and no curvature, nowhere to go


def matvec(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None]).squeeze(-1)


def newton(field: UnitCubeLoss, unit: Points, free: Tensor) -> tuple[Points, Tensor]:
    """Newton iterations of limited length on the gradient along free coordinates; those that converge, and what is free there.

    No step is refused. A test that asked for descent of some kind would stop starts in curved valleys, where every long
    step first leads up a wall; and what a start does before it converges does not matter.
    """
    tolerance = field.eps**0.5  # of the box; the step taken from there squares it
    arrived = []
    for _ in range(MAX_ITERATIONS):
        _, gradient, hessian = field(unit)
        step = newton_step(torch.where(free, gradient, 0), *torch.linalg.eigh(restricted(hessian, free)))
        size = step.norm(dim=1)
        there = size <= tolerance
        arrived.append((unit[there] + step[there], free[there]))
        unit, free, step, size = (t[~there] for t in (unit, free, step, size))
        if not len(unit):
            break
        unit = (unit + (MAX_NEWTON_STEP / size).clamp_max(1)[:, None] * step).clamp(0, 1)
    places, free = (torch.cat(parts) for parts in zip(*arrived, strict=True))
    inside = ((places >= 0) & (places <= 1)).all(1)
    return distinct_places(places[inside], free[inside], same_place(field))
