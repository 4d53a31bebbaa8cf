"""Upwards from a minimum to a saddle: minimum-mode following of many searches at once.

In: a loss, minima, and a direction in which to leave each. Out: places where the gradient vanishes and one curvature is negative, or the
reason why a search ended without one. In each cycle the mode is found anew from a few products with the Hessian; a step leads up along it;
quasi-Newton steps lead down at right angles to it. A step up is taken only where the curvature is known well enough for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import IntEnum

import torch
from torch import Tensor

from .._support.types import Bounds, Points, Rows, Values
from ..losses._boxes import active_bounds, project_to_box
from ..losses._derivatives import evaluate_in_chunks, normalized, value_and_gradient
from ..losses._protocols import Loss
from ._descent import DescentState
from ._short_steps import rounding_of, short_step, without
from ._soft_modes import ritz_pairs

FEW_PRODUCTS, MANY_PRODUCTS = 4, 40  # with the Hessian, for a mode that is followed; many in every REFRESH-th cycle
REFRESH = 8  # cycles; without it the mode that is followed may be the wrong one for good
RELAXATIONS = 12  # most quasi-Newton steps in a cycle
FIRST_STEP = 1 / 16  # share of the longest step with which a search leaves its minimum
MISFIT = 0.2  # of the slope after a step up, as a share of what the stiffest curvature known would make: more, and the step is refused
SHORTEST = 1e-9  # share of the longest step; a step that must be shorter leads nowhere
ALIKE = 0.9  # cosine of the angle between modes of two cycles from which they count as one mode
PROBES = 4  # places on the chord of a cycle whose losses are looked at


class Outcome(IntEnum):
    """Why a search ended: at a saddle, above its ceiling, below the minimum that it came from, or nowhere."""

    SEARCHING = 0
    SADDLE = 1
    CEILING = 2
    BELOW = 3
    NOWHERE = 4


@dataclass
class SearchState:
    """Searches on their way up.

    Attributes:
        place: where they are, with the history of their quasi-Newton steps.
        mode: unit direction that is followed ``[n d]``.
        curvature: along it ``[n]``.
        last: step of the last cycle ``[n d]``.
        step_length: of the next step up, at most ``[n]``.
        stiffness: largest curvature along the mode so far, absolute ``[n]``.
        leaving: searches that have not met a negative curvature ``[n]``, bool.
        fixed: searches whose direction does not turn while they leave ``[n]``, bool.
        floor: loss at the minimum that they come from ``[n]``.
        ceiling: loss above which they are of no use ``[n]``.
        top_points: highest place on the chords of all cycles ``[n d]``.
        top_values: loss there ``[n]``.
        top_before, top_after: ends of the chord that it lies on ``[n d]``.
        outcome: an :class:`Outcome` each ``[n]``.
        origin: row of the minimum that they come from ``[n]``.
        n_cycles: cycles that are done.
    """

    place: DescentState
    mode: Points
    curvature: Values
    last: Points
    step_length: Values
    stiffness: Values
    leaving: Tensor
    fixed: Tensor
    floor: Values
    ceiling: Values
    top_points: Points
    top_values: Values
    top_before: Points
    top_after: Points
    outcome: Rows
    origin: Rows
    n_cycles: int = 0

    @classmethod
    def begin(
        cls,
        loss: Loss,
        points: Points,
        directions: Points,
        floor: Values,
        ceiling: Values,
        longest: float,
        *,
        leaving: bool,
        fixed: Tensor,
        origin: Rows,
    ) -> SearchState:
        """At points ``[n d]``, which are minima that are to be left along the directions ``[n d]``, or tops of paths."""
        place = DescentState.begin(loss, points.clone())
        zero, no = torch.zeros_like(place.values), torch.zeros_like(place.values, dtype=torch.bool)
        return cls(
            place,
            mode=normalized(directions),
            curvature=zero,
            last=torch.zeros_like(points),
            step_length=torch.full_like(zero, FIRST_STEP * longest),
            stiffness=zero.clone(),
            leaving=no | leaving,
            fixed=fixed.clone(),
            floor=floor,
            ceiling=ceiling,
            top_points=points.clone(),
            top_values=place.values.clone(),
            top_before=points.clone(),
            top_after=points.clone(),
            outcome=torch.full_like(zero, Outcome.SEARCHING, dtype=torch.int64),
            origin=origin,
        )

    @classmethod
    def resume(cls, loss: Loss, columns: dict[str, Tensor]) -> SearchState:
        """Go on from what :meth:`set_aside` kept; quasi-Newton steps begin without a history."""
        columns = dict(columns)
        place = DescentState.begin(loss, columns.pop("points"))
        return cls(place, **columns | {"outcome": torch.zeros_like(columns["outcome"])}, n_cycles=0)

    def set_aside(self) -> dict[str, Tensor]:
        """All columns but histories, by name: a small part of what a running search holds."""
        return {"points": self.place.points, **dict(self._columns())}

    @classmethod
    def joined(cls, parts: list[SearchState]) -> SearchState:
        """Searches of several states side by side."""
        columns = {name: torch.cat([getattr(part, name) for part in parts]) for name, _ in parts[0]._columns()}
        return cls(DescentState.joined([part.place for part in parts]), **columns, n_cycles=0)

    def select(self, rows: Rows) -> SearchState:
        """A copy of some rows."""
        columns = {name: column[rows] for name, column in self._columns()}
        return SearchState(self.place.select(rows), **columns, n_cycles=self.n_cycles)

    def put(self, rows: Rows, part: SearchState) -> None:
        """Write some rows back."""
        self.place.put(rows, part.place)
        for name, column in self._columns():
            column[rows] = getattr(part, name)

    def _columns(self) -> list[tuple[str, Tensor]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self) if field.name not in ("place", "n_cycles")]


def search_upwards(
    loss: Loss, state: SearchState, longest: float, gradient_tolerance: float, max_cycles: int, box: Bounds | None
) -> Iterator[SearchState]:
    """Follow the modes until every search has an outcome, in place; the state is yielded after every cycle."""
    while state.n_cycles < max_cycles:
        rows = (state.outcome == Outcome.SEARCHING).nonzero().squeeze(1)
        if not len(rows):
            return
        part = state.select(rows)
        run_cycle(loss, part, longest, gradient_tolerance, box)
        state.put(rows, part)
        state.n_cycles += 1
        yield state


def run_cycle(loss: Loss, state: SearchState, longest: float, gradient_tolerance: float, box: Bounds | None) -> None:
    """One cycle of every row, in place."""
    start = state.place.points
    turn_mode(loss, state, box)
    step_up(loss, state, longest, gradient_tolerance, box)
    relax_across(loss, state, longest, gradient_tolerance, box)
    state.last = state.place.points - start
    look_along(loss, state, start)
    slope = free_gradient(state, box)
    flat = slope.norm(dim=1) <= gradient_tolerance
    values, floor = state.place.values, state.floor
    outcomes = (  # the first that holds is it
        (flat & ~state.leaving & (state.curvature < 0), Outcome.SADDLE),
        (values > state.ceiling, Outcome.CEILING),
        (values < floor - rounding_of(floor), Outcome.BELOW),
        ((flat & ~state.leaving) | (state.step_length < SHORTEST * longest), Outcome.NOWHERE),
    )
    for holds, outcome in reversed(outcomes):
        state.outcome = torch.where(holds, int(outcome), state.outcome)


def free_gradient(state: SearchState, box: Bounds | None) -> Points:
    """Gradients without the coordinates that the box holds ``[n d]``."""
    place = state.place
    return place.gradient.masked_fill(active_bounds(place.points, place.gradient, box), 0)


def turn_mode(loss: Loss, state: SearchState, box: Bounds | None) -> None:
    """The mode at the present place: while a search leaves its minimum the one most like the last; then the lowest."""
    place = state.place
    free = ~active_bounds(place.points, place.gradient, box)
    products = MANY_PRODUCTS if state.n_cycles % REFRESH == 0 else FEW_PRODUCTS
    pairs = ritz_pairs(loss, place.points, free, [state.mode, state.last], products)
    alike = pairs.coefficients[:, 0].abs().masked_fill(pairs.curvature.isinf(), -1).argmax(1)
    null = pairs.curvature.abs() <= pairs.negligible()[:, None]  # a symmetry: to turn a cluster is no way out
    curvature = pairs.curvature.masked_fill(null, 0)
    along, lowest = curvature.gather(1, alike[:, None]).squeeze(1), curvature[:, 0]
    state.leaving &= ~(torch.where(state.fixed, lowest, along) < 0)
    mode = pairs.mode(torch.where(state.leaving, alike, 0))
    mode = mode * torch.where((mode * state.mode).sum(1, keepdim=True) < 0, -1, 1)
    weights = pairs.coefficients[:, 0].square()  # of the Ritz vectors in the last direction
    mixed = weights.amax(1) < ALIKE**2  # two modes are about to change places, and the direction is that of neither
    held = state.leaving & (state.fixed | mixed)
    held_curvature = torch.where(weights > 0, weights * curvature, 0).sum(1)
    state.mode = torch.where(held[:, None], state.mode, mode)
    state.curvature = torch.where(held, held_curvature, torch.where(state.leaving, along, lowest))
    state.stiffness = torch.maximum(state.stiffness, torch.where(state.curvature.isfinite(), state.curvature.abs(), 0))


def step_up(loss: Loss, state: SearchState, longest: float, gradient_tolerance: float, box: Bounds | None) -> None:
    """A step up along the mode: to where the slope would vanish, if it curves downwards, but no longer than the curvature is good for."""
    place, mode = state.place, state.mode
    slope = (free_gradient(state, box) * mode).sum(1)
    newton = slope / state.curvature.abs().clamp_min(torch.finfo(slope.dtype).tiny)
    limit = state.step_length
    sign = torch.where(state.leaving, 1, slope.sign())
    length = torch.where(state.curvature < 0, torch.minimum(torch.maximum(newton, -limit), limit), sign * limit)
    trial = project_to_box(place.points + length[:, None] * mode, box)
    values, gradient = value_and_gradient(loss, trial)
    misfit = ((gradient - place.gradient) * mode).sum(1) - state.curvature * length
    good = misfit.abs() <= MISFIT * state.stiffness * length.abs() + gradient_tolerance
    good &= values.isfinite() & gradient.isfinite().all(1)
    place.points = torch.where(good[:, None], trial, place.points)
    place.values = torch.where(good, values, place.values)
    place.gradient = torch.where(good[:, None], gradient, place.gradient)
    state.step_length = torch.where(good, (2 * limit).clamp_max(longest), torch.minimum(limit, length.abs()) / 4)


def relax_across(loss: Loss, state: SearchState, longest: float, gradient_tolerance: float, box: Bounds | None) -> None:
    """Quasi-Newton steps at right angles to the mode, until the slope across is a tenth of that along it, or within the tolerance."""
    limit = torch.full_like(state.curvature, longest)
    state.place.stuck[:] = False
    for _ in range(RELAXATIONS):
        slope = free_gradient(state, box)
        along, across = (slope * state.mode).sum(1).abs(), without(slope, state.mode).norm(dim=1)
        far = across > torch.maximum(0.1 * along, torch.full_like(along, gradient_tolerance / 2))
        rows = (far & ~state.place.stuck).nonzero().squeeze(1)
        if not len(rows):
            return
        part = state.place.select(rows)
        short_step(loss, part, limit[rows], box, state.mode[rows])
        state.place.put(rows, part)


def look_along(loss: Loss, state: SearchState, start: Points) -> None:
    """Keep the highest place on the way, also between the ends of the cycle."""
    t = torch.linspace(0, 1, PROBES + 2, dtype=start.dtype, device=start.device)[1:, None, None]
    places = torch.lerp(start, state.place.points, t)
    values = torch.cat([evaluate_in_chunks(loss, places[:-1].flatten(0, 1)), state.place.values]).view(PROBES + 1, -1)
    values, which = values.max(0)
    higher = values > state.top_values
    rows = torch.arange(len(which), device=which.device)
    state.top_points = torch.where(higher[:, None], places[which, rows], state.top_points)
    state.top_values = torch.where(higher, values, state.top_values)
    state.top_before = torch.where(higher[:, None], start, state.top_before)
    state.top_after = torch.where(higher[:, None], state.place.points, state.top_after)
