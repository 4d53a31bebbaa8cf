"""The state of a flood from minima over the lowest passes: a catalogue of minima, and the passes between them.

In: minima, and what a run depends on. Out: the state before the first round, and what tells two minima apart.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._support.pointers import pointer_jump
from .._support.types import Bounds, Points, Rows, Values
from ..losses._boxes import active_bounds, nearest_image, project_to_box, wrap_into_box
from ..losses._derivatives import value_and_gradient
from ..losses._protocols import Loss
from ._descent import HISTORY_LENGTH, DescentState
from ._minima import CDIST_MODE
from ._saddle_search import MANY_PRODUCTS
from ._short_steps import descend_below, rounding_of
from ._soft_modes import RitzPairs, ritz_pairs

MODE_PRODUCTS = 200  # with the Hessian, for the softest modes of a minimum
NULL_CURVATURE = 1e-9  # share of the largest curvature; directions with less are symmetries, which lead nowhere
PUSH_OFF = 1e-3  # share of the climb that is lost at once in a push off a saddle
BUDGET = 1 << 27  # numbers in memory at a time, for searches side by side
SAME_LOSS = 1e-10  # difference of losses of one minimum, or one saddle, that was found twice; besides rounding


@dataclass(frozen=True)
class Options:
    """What a run depends on, besides the loss, the minima and the box.

    Attributes: as for :func:`transition_network`.
    """

    modes: int
    sweeps: int
    max_rounds: int
    max_cycles: int
    first_climb: float | None
    max_step: float
    gradient_tolerance: float
    max_steps: int
    min_distance: float
    hessian_products: int
    seed: int


@dataclass
class FloodState:
    """The catalogue and the passes so far.

    Attributes:
        points, values, gradient_norm, lowest_eigenvalue: minima ``[k d]``, ``[k]`` each.
        searched: up to which ceiling each minimum was searched in this sweep ``[k]``; -inf: not at all.
        saddles, heights, saddle_gradient, saddle_lowest, negative: passes ``[s d]``, ``[s]`` each.
        pairs: minima that they join ``[s 2]``.
        over_a_top: 1 where the pass is no stationary point ``[s]``.
        given_row: row of each given minimum ``[g]``.
        first_climb: how far above each given minimum searches lead at first ``[g]``.
        climb: how far they lead now, as long as nothing lower is joined ``[g]``.
        sweep: number of the set of directions that is searched.
        waiting: searches that have met their ceilings, or have spent their cycles: what :meth:`SearchState.set_aside` kept of them.
        deaths: of the given minima at the end of the last sweep ``[g]``.
        quiet_sweeps: sweeps in a row that changed none of them.
        n_rounds: rounds that are done.
    """

    points: Points
    values: Values
    gradient_norm: Values
    lowest_eigenvalue: Values
    searched: Values
    saddles: Points
    heights: Values
    saddle_gradient: Values
    saddle_lowest: Values
    negative: Rows
    pairs: Tensor
    over_a_top: Rows
    given_row: Rows
    first_climb: Values
    climb: Values
    waiting: dict[str, Tensor]
    deaths: Values
    sweep: int = 0
    quiet_sweeps: int = 0
    n_rounds: int = 0

    def state_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Flood:
    """The surroundings of a run: the loss, the box, and what tells two minima apart."""

    def __init__(self, loss: Loss, options: Options, box: Bounds | None, axes: Tensor | None, faces: Bounds | None, features):
        self.loss, self.options, self.box, self.axes, self.faces, self.features = loss, options, box, axes, faces, features

    def same(self, points: Points, values: Values, others: Points, other_values: Values) -> Tensor:
        """Which of the others each place is ``[n m]``, bool: near in space, or in features, and equal in loss."""
        if self.features is not None:
            distance = torch.cdist(self.features(points), self.features(others), compute_mode=CDIST_MODE)
        elif self.box is not None and self.axes is not None and self.axes.any():
            distance = (nearest_image(points[:, None], others, self.box, self.axes) - others).norm(dim=2)
        else:
            distance = torch.cdist(points, others, compute_mode=CDIST_MODE)
        gap = (values[:, None] - other_values).abs()
        return (distance < self.options.min_distance) & (gap <= SAME_LOSS + rounding_of(values)[:, None])

    def wrapped(self, points: Points) -> Points:
        """The images within the box."""
        return points if self.box is None or self.axes is None else wrap_into_box(points, self.box, self.axes)

    def push(self, points: Points, values: Values, modes: Points, curvature: Values, climb: Values) -> DescentState:
        """A short way down from places along modes ``[n d]`` of negative curvature ``[n]``, as the beginning of a descent."""
        options = self.options
        length = (2 * PUSH_OFF * climb / -curvature).sqrt().clamp(max=options.max_step / 2)
        least = (2 * 100 * rounding_of(values) / -curvature).sqrt()  # a fall that rounding does not hide
        length = torch.maximum(length, least)
        pushed = DescentState.begin(self.loss, project_to_box(points + length[:, None] * modes, self.faces))
        for _ in range(20):
            rows = (~(pushed.values < values) & (length > least)).nonzero().squeeze(1)
            if not len(rows):
                break
            length[rows] = torch.maximum(length[rows] / 2, least[rows])
            pushed.put(rows, DescentState.begin(self.loss, project_to_box(points[rows] + length[rows, None] * modes[rows], self.faces)))
        return pushed

    def settle(self, state: DescentState, tops: Values) -> tuple[DescentState, Values]:
        """Descents to minima below the tops: where one ends with a negative curvature it is pushed off, and goes on. In place.

        Returns:
            The state, and the lowest eigenvalue at each end ``[n]``.
        """
        options = self.options
        lowest, rows = torch.full_like(tops, torch.inf), torch.arange(len(tops), device=tops.device)
        for _ in range(4):
            part = state.select(rows)
            descend_below(self.loss, part, tops[rows], options.max_step, options.gradient_tolerance, options.max_steps, self.faces)
            free = ~active_bounds(part.points, part.gradient, self.faces)
            pairs = ritz_pairs(self.loss, part.points, free, [], options.hessian_products)
            curvature = pairs.curvature[:, 0]
            lowest[rows] = curvature
            state.put(rows, part)
            down = (curvature < -pairs.negligible()).nonzero().squeeze(1)
            if not len(down):
                break
            mode, at = pairs.mode(torch.zeros_like(rows))[down], part.select(down)
            climb = (tops[rows[down]] - at.values).clamp(rounding_of(at.values), at.values.abs() + 1)
            ahead = self.push(at.points, at.values, mode, curvature[down], climb)
            rows = rows[down]
            state.put(rows, ahead)
        return state, lowest


def floats_per_search(dimension: int) -> int:
    """Numbers that one search holds: histories of steps, bases of modes with their images, and some copies of these."""
    return dimension * (6 * HISTORY_LENGTH + 3 * MANY_PRODUCTS + 20)


def begin(flood: Flood, points: Points) -> FloodState:
    """The given minima, polished, without passes."""
    start = DescentState.begin(flood.loss, project_to_box(points, flood.faces))
    place, lowest = flood.settle(start, torch.full_like(start.values, torch.inf))
    none, empty = place.values[:0], torch.empty(0, dtype=torch.int64, device=points.device)
    climb = first_climb_of(flood, place.points, place.values)
    state = FloodState(
        points=place.points[:0],
        values=none,
        gradient_norm=none,
        lowest_eigenvalue=none,
        searched=none,
        saddles=place.points[:0],
        heights=none,
        saddle_gradient=none,
        saddle_lowest=none,
        negative=empty,
        pairs=empty.view(0, 2),
        over_a_top=empty,
        given_row=empty,
        first_climb=climb,
        climb=climb.clone(),
        waiting={},
        deaths=torch.full_like(place.values, torch.inf),
    )
    state.given_row = add_minima(flood, state, place, lowest)
    return state


def first_climb_of(flood: Flood, points: Points, values: Values) -> Values:
    """How far above each given minimum searches lead at first ``[g]``: as the longest step does along the stiffest mode that is tried."""
    options = flood.options
    if options.first_climb is not None:
        return torch.full_like(values, options.first_climb)
    pieces = []
    for part in points.split(max(1, BUDGET // (2 * MODE_PRODUCTS * points.shape[1]))):
        softest = soft_modes(flood, part)
        pieces.append(torch.where(softest.useful, softest.curvature, 0)[:, : options.modes].amax(1))
    return (torch.cat(pieces) * options.max_step**2).clamp_min(100 * rounding_of(values))


class SoftModes(NamedTuple):
    """Ritz pairs of minima, the useful ones first, their curvatures ascending.

    Attributes:
        curvature: ``[n p]``.
        useful: which are finite and no symmetries ``[n p]``, bool.
        number: of each among the Ritz pairs ``[n p]``.
        pairs: the Ritz pairs.
    """

    curvature: Tensor
    useful: Tensor
    number: Tensor
    pairs: RitzPairs


def soft_modes(flood: Flood, points: Points) -> SoftModes:
    """The directions in which minima can be left. Without curvature they are symmetries, as turns of a cluster of atoms are: no way out."""
    free = ~active_bounds(points, value_and_gradient(flood.loss, points)[1], flood.faces)
    pairs = ritz_pairs(flood.loss, points, free, [], MODE_PRODUCTS)
    finite = pairs.curvature.isfinite()
    largest = torch.where(finite, pairs.curvature.abs(), 0).amax(1, keepdim=True)
    useful = finite & (pairs.curvature > NULL_CURVATURE * largest)
    number = (~useful).to(torch.uint8).argsort(dim=1, stable=True)
    return SoftModes(pairs.curvature.gather(1, number), useful.gather(1, number), number, pairs)


def add_minima(flood: Flood, state: FloodState, place: DescentState, lowest: Values) -> Rows:
    """Rows of the ends of descents in the catalogue ``[n]``; those that are new are added."""
    points, values = flood.wrapped(place.points), place.values
    norm = place.gradient.masked_fill(active_bounds(place.points, place.gradient, flood.faces), 0).norm(dim=1)
    every, losses = torch.cat([state.points, points]), torch.cat([state.values, values])
    first = flood.same(points, values, every, losses).to(torch.uint8).argmax(1)  # of equal places the first: a known one, if any
    before = len(state.values)
    new = (first == torch.arange(before, len(losses), device=first.device)).nonzero().squeeze(1)
    number = torch.arange(len(losses), device=first.device)
    number[before + new] = before + torch.arange(len(new), device=first.device)
    state.points, state.values = torch.cat([state.points, points[new]]), torch.cat([state.values, values[new]])
    state.gradient_norm = torch.cat([state.gradient_norm, norm[new]])
    state.lowest_eigenvalue = torch.cat([state.lowest_eigenvalue, lowest[new]])
    state.searched = torch.cat([state.searched, torch.full_like(values[new], -torch.inf)])
    chains = torch.cat([torch.arange(before, device=first.device), first])  # to be near is not transitive
    return number[pointer_jump(chains)[before:]]
