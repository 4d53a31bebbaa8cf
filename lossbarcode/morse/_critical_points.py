"""Critical points in the unit cube: the record, and which of them are one and the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .._support.kd_tree import build_kd_tree
from .._support.types import Points, Rows
from ._unit_cube_loss import UnitCubeLoss

MAX_DEGENERATE = 1000  # degenerate points that are kept


@dataclass(frozen=True)
class CriticalPoints:
    """Critical points in the unit cube.

    Attributes:
        unit: places ``[c d]``.
        free: coordinates that are not at an end of the box ``[c d]``, bool; elsewhere the loss grows inwards.
        values: losses ``[c]``.
        hessian: Hessians ``[c d d]``, with a multiple of the identity in the rows and columns of coordinates that are not free.
        index: Morse index ``[c]``; -1: degenerate.
    """

    unit: Float[Tensor, "c d"]
    free: Bool[Tensor, "c d"]
    values: Float[Tensor, " c"]
    hessian: Float[Tensor, "c d d"]
    index: Int[Tensor, " c"]

    def __len__(self) -> int:
        return len(self.index)

    def select(self, rows: Tensor | slice) -> CriticalPoints:
        """Some of the points, by row numbers or by a mask."""
        return CriticalPoints(*(column[rows] for column in vars(self).values()))

    def join(self, other: CriticalPoints) -> CriticalPoints:
        """These points and then the others."""
        return CriticalPoints(*(torch.cat(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)))


def euler_sum(index: Rows) -> int:
    """The sum of (-1)^index over the points that are not degenerate: the Euler characteristic, if all points are there."""
    index = index[index >= 0]
    return int((1 - 2 * (index % 2)).sum())


def cap_degenerate(found: CriticalPoints) -> CriticalPoints:
    """The points, with at most ``MAX_DEGENERATE`` degenerate ones: a valley of equal loss consists of them."""
    degenerate = found.index < 0
    return found.select(~degenerate | (degenerate.cumsum(0) <= MAX_DEGENERATE))


def same_place(loss: UnitCubeLoss) -> float:
    """Distance, in sides of the box, from which two critical points count as two.

    The flattest ones that are not degenerate are found to about this precision, most to a much higher one.
    """
    return loss.eps**0.4


def distinct_places(unit: Points, free: Tensor, apart: float) -> tuple[Points, Tensor]:
    """One of the starts that came to the same place, up to borders of cells, which :func:`new_points` takes care of."""
    if not len(unit):
        return unit, free
    cells = (unit / apart).round().cpu().numpy()
    first = torch.from_numpy(np.sort(np.unique(cells, axis=0, return_index=True)[1])).to(unit.device)
    return unit[first], free[first]


def nearest_known(places: Points, known: Points, near: float) -> tuple[Rows, Tensor]:
    """The row of the known place nearest to each place, and whether it is nearer than ``near`` ``[n]``."""
    if not len(known) or not len(places):
        return torch.zeros(len(places), dtype=torch.int64, device=places.device), torch.zeros_like(places[:, 0], dtype=torch.bool)
    distance, row = build_kd_tree(known.double().cpu().numpy()).query(places.double().cpu().numpy())
    return torch.from_numpy(row).to(places.device), torch.from_numpy(distance < near).to(places.device)


def new_points(more: CriticalPoints, found: CriticalPoints, loss: UnitCubeLoss) -> CriticalPoints:
    """The points that are at no known place, each place once."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    apart = 2 * same_place(loss)
    more = more.select(~nearest_known(more.unit, found.unit, apart)[1])
    if not len(more):
        return more
    pairs = build_kd_tree(more.unit.double().cpu().numpy()).query_pairs(apart, output_type="ndarray")
    same = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(more), len(more)))
    _, first, group = np.unique(connected_components(same, directed=False)[1], return_index=True, return_inverse=True)
    first, group = torch.from_numpy(first).to(more.unit.device), torch.from_numpy(group).to(more.unit.device)
    # A chain of places, or places that differ in index, are several points that this precision does not tell apart.
    far = (more.unit - more.unit[first][group]).abs().amax(1) > apart
    muddled = torch.zeros_like(first, dtype=torch.bool)
    muddled[group[far | (more.index != more.index[first][group])]] = True
    one_each = more.select(first)
    return replace(one_each, index=torch.where(muddled, -1, one_each.index))
