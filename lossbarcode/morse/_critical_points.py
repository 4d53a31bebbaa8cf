"""Critical points in the unit cube: the record, and which of them are one and the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .._support.kd_tree import build_kd_tree
from .._support.types import Points, Rows
from ._unit_cube_loss import UnitCubeLoss

if TYPE_CHECKING:
    from scipy.spatial import KDTree

MAX_DEGENERATE = 1000  # degenerate points that are kept


@dataclass(frozen=True)
class CriticalPoints:
    """Critical points in the unit cube.

    Attributes:
        unit: places ``[c d]``.
        free: coordinates that are not at an end of the box ``[c d]``, bool; elsewhere the loss grows inwards. Those of periodic axes
            always are.
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


def euler_number(periodic: Bool[Tensor, " d"]) -> int:
    """The Euler characteristic of a box with periodic axes: the product over its axes of 1 for an interval and 0 for a circle."""
    return int(not periodic.any())


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


def tree_of(unit: Points, loss: UnitCubeLoss) -> KDTree:
    """A search tree of places within the cube. Along periodic axes it finds neighbors on the other side."""
    sides = loss.periodic.double().cpu().numpy() if loss.periodic.any() else None  # a side of 0: not periodic
    return build_kd_tree(unit.double().cpu().numpy(), boxsize=sides)


def nearest_known(places: Points, known: Points, loss: UnitCubeLoss) -> tuple[Rows, Tensor]:
    """The row of the known place nearest to each place, and whether both are one place ``[n]``."""
    if not len(known) or not len(places):
        return torch.zeros(len(places), dtype=torch.int64, device=places.device), torch.zeros_like(places[:, 0], dtype=torch.bool)
    distance, row = tree_of(known, loss).query(places.double().cpu().numpy())
    return torch.from_numpy(row).to(places.device), torch.from_numpy(distance < 2 * same_place(loss)).to(places.device)


def new_points(more: CriticalPoints, found: CriticalPoints, loss: UnitCubeLoss) -> CriticalPoints:
    """The points that are at no known place, each place once."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    more = more.select(~nearest_known(more.unit, found.unit, loss)[1])
    if not len(more):
        return more
    apart = 2 * same_place(loss)
    pairs = tree_of(more.unit, loss).query_pairs(apart, output_type="ndarray")
    same = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(more), len(more)))
    _, first, group = np.unique(connected_components(same, directed=False)[1], return_index=True, return_inverse=True)
    first, group = torch.from_numpy(first).to(more.unit.device), torch.from_numpy(group).to(more.unit.device)
    # A chain of places, or places that differ in index, are several points that this precision does not tell apart.
    far = (loss.nearest(more.unit, more.unit[first][group]) - more.unit[first][group]).abs().amax(1) > apart
    muddled = torch.zeros_like(first, dtype=torch.bool)
    muddled[group[far | (more.index != more.index[first][group])]] = True
    one_each = more.select(first)
    return replace(one_each, index=torch.where(muddled, -1, one_each.index))
