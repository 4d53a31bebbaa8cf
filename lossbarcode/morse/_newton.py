"""Newton iterations on the gradient, all starts at once."""

from __future__ import annotations

import torch
from torch import Tensor

from .._support.types import Points
from ._critical_points import distinct_places, same_place
from ._unit_cube_loss import UnitCubeLoss

MAX_NEWTON_STEP = 0.05  # of the box
MAX_ITERATIONS = 60  # most starts converge in ten; to a degenerate point, each halves the distance or does a little better: about forty


def restricted(hessian: Tensor, free: Tensor) -> Tensor:
    """Hessians with the rows and columns of the other coordinates replaced by those of a multiple of the identity.

    The multiple has the size of the rest of the matrix, so that it neither hides an eigenvalue nor counts as zero.
    """
    left = torch.where(free[:, :, None] & free[:, None, :], hessian, 0)
    size = left.norm(dim=(1, 2))
    size = torch.where(size > 0, size, 1)
    return left + torch.diag_embed(size[:, None] * ~free)


def newton_step(gradient: Tensor, eigenvalues: Tensor, vectors: Tensor) -> Tensor:
    """The step to the critical point of the quadratic model, at most one side of the box along every eigenvector."""
    along = -matvec(vectors.mT, gradient) / eigenvalues
    return matvec(vectors, along.nan_to_num(0.0).clamp(-1, 1))  # 0/0: without gradient and curvature, stay


def matvec(matrix: Tensor, vector: Tensor) -> Tensor:
    """Matrices ``[... a b]`` times vectors ``[... b]``."""
    return (matrix @ vector[..., None]).squeeze(-1)


def newton(loss: UnitCubeLoss, unit: Points, free: Tensor) -> tuple[Points, Tensor]:
    """Places to which Newton iterations on the gradient along free coordinates converge, and what is free there.

    Steps are limited in length, and none is refused. A test that required descent of some kind would stop starts in curved
    valleys, where every long step first climbs a wall; and what a start does before it converges does not matter.
    """
    tolerance = loss.eps**0.5  # of the box; the last step squares the error
    converged = []
    for _ in range(MAX_ITERATIONS):
        _, gradient, hessian = loss(unit)
        step = newton_step(torch.where(free, gradient, 0), *torch.linalg.eigh(restricted(hessian, free)))
        size = step.norm(dim=1)
        small = size <= tolerance
        converged.append((unit[small] + step[small], free[small]))
        unit, free, step, size = (t[~small] for t in (unit, free, step, size))
        if not len(unit):
            break
        unit = loss.confine(unit + (MAX_NEWTON_STEP / size).clamp_max(1)[:, None] * step)
    places, free = (torch.cat(parts) for parts in zip(*converged, strict=True))
    inside = (loss.confine(places) == places).all(1)
    return distinct_places(loss.wrap(places[inside]), free[inside], same_place(loss))
