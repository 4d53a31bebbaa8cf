"""What the derivatives at the highest point of a path tell.

In: a loss and places. Out: :class:`StationaryEvidence`: how far each place is from being stationary, and of which Morse index it would be.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import torch

from .._support.types import Bounds, Points, Rows, Values
from ..losses._boxes import active_bounds
from ..losses._derivatives import lowest_eigenvalues, value_and_gradient
from ..losses._protocols import Loss


class SaddleEvidence(str, Enum):
    """What is known of the highest point of a path.

    ``INDEX_1``: numerically a saddle of Morse index 1, which bounds the pass from above and is one itself. ``UPPER_BOUND``: no more than an
    upper bound on the pass.
    """

    INDEX_1 = "index-1 saddle (numerical)"
    UPPER_BOUND = "upper bound"

    __str__ = str.__str__


class StationaryEvidence(NamedTuple):
    """Length of the gradient, lowest eigenvalue, and number of negative eigenvalues that were found, at each place ``[n]``."""

    gradient_norm: Values
    lowest_eigenvalue: Values
    negative_eigenvalues: Rows


def look_at(loss: Loss, points: Points, box: Bounds | None, *, products: int) -> StationaryEvidence:
    """The evidence at some places ``[n d]``, from a number of products with the Hessian at each."""
    _, gradient = value_and_gradient(loss, points)
    active = active_bounds(points, gradient, box)
    low = lowest_eigenvalues(loss, points, ~active, products=products)
    size = torch.where(low.isfinite(), low.abs(), 0).amax(1, keepdim=True)
    negative = (low < -(torch.finfo(low.dtype).eps ** 0.5) * size).sum(1)
    return StationaryEvidence(gradient.masked_fill(active, 0).norm(dim=1), low[:, 0], negative)
