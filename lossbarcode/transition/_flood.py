"""The flood from minima over the lowest passes: the state and the rounds.

In: minima, and what a run depends on. Out: a catalogue of minima and the passes between them. From each minimum searches lead upwards along
its softest directions to saddles; from a saddle descents lead to a minimum on either side; and the flood goes on from what it reaches, the
lowest first, until each given minimum has a way to something lower and no search is left that could find a lower way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from .._support.pointers import pointer_jump
from .._support.progress import tqdm_options
from .._support.types import Bounds, Points, Rows, Values
from ..losses._boxes import active_bounds, nearest_image, project_to_box, wrap_into_box
from ..losses._derivatives import evaluate_in_chunks, value_and_gradient
from ..losses._protocols import Loss
from ._descent import HISTORY_LENGTH, DescentState
from ._minima import CDIST_MODE
from ._saddle_search import FIRST_STEP, MANY_PRODUCTS, SHORTEST, Outcome, SearchState, search_upwards
from ._short_steps import descend_below, rounding_of
from ._soft_modes import ritz_pairs
from ._transition_network import joining_levels

MODE_PRODUCTS = 80  # with the Hessian, for the softest modes of a minimum
NULL_CURVATURE = 1e-9  # share of the largest curvature; directions with less are symmetries, which lead nowhere
QUIET_SWEEPS = 2  # sweeps in a row that change no death, after which the search ends
CLIMB_FACTOR = 8  # by which the first climb grows when nothing is found below it
MAX_CLIMB = CLIMB_FACTOR**6  # times the first climb; then searches lead as far as they come
PUSH_OFF = 1e-3  # share of the climb that is lost at once in a push off a saddle
CHORD_PROBES = 33  # places on a chord over a top whose losses are looked at
CHORD_ZOOMS = 5  # times that this is done, around the highest of them
SAME_LOSS = 1e-10  # difference of losses of one minimum, or one saddle, that was found twice; besides rounding
BUDGET = 1 << 27  # numbers in memory at a time, for searches side by side


@dataclass(frozen=True)
class Options:
    """What a run depends on, besides the loss, the minima and the box.

    Attributes: as for :func:`transition_network`.
    """

    modes: int
    sweeps: int
    max_rounds: int
    max_cycles: int
    first_climb: float
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
        climb: how far above each given minimum searches lead as long as nothing lower is joined ``[g]``.
        sweep: number of the set of directions that is searched.
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
    climb: Values
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
    state = FloodState(
        place.points[:0], none, none, none, none, place.points[:0], none, none, none, empty, empty.view(0, 2), empty, empty, none, none
    )
    state.given_row = add_minima(flood, state, place, lowest)
    state.climb = torch.full_like(place.values, flood.options.first_climb)
    state.deaths = torch.full_like(place.values, torch.inf)
    return state


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


def flood_on(flood: Flood, state: FloodState, progress: bool | None) -> Iterator[FloodState]:
    """Rounds of searches until nothing is left that could lower a death, in place; the state is yielded after every round."""
    options = flood.options
    with tqdm(desc="escapes", unit="round", initial=state.n_rounds, **tqdm_options(progress)) as bar:
        while state.sweep < options.sweeps:
            while state.n_rounds < options.max_rounds:
                rows, ceilings, _ = next_searches(state, options.first_climb)
                bar.set_postfix_str(f"sweep {state.sweep + 1}, {len(rows)} of {len(state.values)} minima", refresh=False)
                if not len(rows):
                    break
                per_chunk = max(1, BUDGET // (2 * options.modes * floats_per_search(state.points.shape[1])))
                for some, below in zip(rows.split(per_chunk), ceilings.split(per_chunk), strict=True):
                    explore(flood, state, some, below)
                state.n_rounds += 1
                bar.update()
                yield state
            if state.n_rounds == options.max_rounds:
                return
            deaths = deaths_of(state)[0]
            changed = not torch.allclose(deaths, state.deaths, rtol=1e-9, atol=SAME_LOSS)
            state.deaths, state.quiet_sweeps = deaths, 0 if changed else state.quiet_sweeps + 1
            if state.quiet_sweeps == QUIET_SWEEPS:
                return
            state.sweep += 1
            if state.sweep < options.sweeps:
                state.searched[:] = -torch.inf


def deaths_of(state: FloodState) -> tuple[Values, Tensor]:
    """The lowest known way from each given minimum to something lower ``[g]``, and the levels that join it with all minima ``[g k]``."""
    given = state.given_row
    levels = joining_levels(state.heights, state.pairs, given, len(state.values))
    order = state.values.argsort(stable=True).argsort()
    deaths = torch.where(order < order[given, None], levels, torch.inf).amin(1)
    levels[torch.arange(len(given)), given] = state.values[given]
    return deaths, levels


def next_searches(state: FloodState, first_climb: float) -> tuple[Rows, Values, Tensor]:
    """Which minima to search next, below which ceilings, and for which given minima nothing is left to do ``[g]``, bool.

    For each given minimum that one which it reaches over the lowest pass among those not yet searched, below its death as it is known; in
    sweeps after the first all of these at once, since deaths fall rarely then. The lowest minimum of all never dies: it is searched itself,
    but nothing that it reaches is searched for its sake.
    """
    given = state.given_row
    dies = given != state.values.argsort(stable=True)[:1]  # of equal minima the first counts as the lowest
    if not len(dies):
        return given[:0], state.climb[:0], dies
    deaths, levels = deaths_of(state)
    while True:
        wanted = torch.minimum(deaths, state.values[given] + state.climb)
        own = torch.arange(len(state.values), device=given.device) == given[:, None]
        open_rows = (levels < wanted[:, None]) & (state.searched < wanted[:, None]) & (dies[:, None] | own)
        raising = dies & (wanted < deaths) & ~open_rows.any(1)
        if not raising.any():
            break
        state.climb[raising] *= CLIMB_FACTOR
        state.climb[state.climb > MAX_CLIMB * first_climb] = torch.inf
    asks = open_rows.any(1)
    if not state.sweep:
        nearest = torch.where(open_rows, levels, torch.inf).argmin(1, keepdim=True)
        open_rows &= torch.zeros_like(open_rows).scatter(1, nearest, True)
    ceilings = torch.where(open_rows, wanted[:, None], -torch.inf).amax(0)
    rows = (ceilings > -torch.inf).nonzero().squeeze(1)
    return rows, ceilings[rows], ~asks


def directions(flood: Flood, state: FloodState, rows: Rows) -> tuple[Points, Rows, bool]:
    """Unit directions in which minima are left ``[m d]``, whose they are ``[m]``, and whether they are random."""
    options, points = flood.options, state.points[rows]
    modes = min(options.modes, points.shape[1])
    free = ~active_bounds(points, value_and_gradient(flood.loss, points)[1], flood.faces)
    pairs = ritz_pairs(flood.loss, points, free, [], MODE_PRODUCTS)
    finite = pairs.curvature.isfinite()
    largest = torch.where(finite, pairs.curvature.abs(), 0).amax(1, keepdim=True)
    useful = finite & (pairs.curvature > NULL_CURVATURE * largest)
    softest = (~useful).to(torch.uint8).argsort(dim=1, stable=True)  # useful ones first, ascending
    count = pairs.curvature.shape[1]
    first = state.sweep * modes
    is_random = first >= min(count, 3 * modes)
    if not is_random:
        chosen = softest[:, first : first + modes]
        found = torch.stack([pairs.mode(column) for column in chosen.T], 1)
        found = found * useful.gather(1, chosen)[:, :, None]
    else:
        generator = torch.Generator().manual_seed(options.seed * 1000 + state.sweep)
        draw = torch.randn(options.modes, count, dtype=points.dtype, generator=generator).to(points.device)
        reach = torch.where(useful, largest / pairs.curvature, 0).sqrt()  # how far a small climb leads along each mode
        found = ((draw * reach[:, None]) @ pairs.coefficients.mT) @ pairs.basis
    both = torch.stack([found, -found], 2).flatten(1, 2)
    owner = torch.arange(len(rows), device=rows.device)[:, None].expand(both.shape[:2])
    kept = both.any(2)
    return both[kept], owner[kept], is_random


def explore(flood: Flood, state: FloodState, rows: Rows, ceilings: Values) -> None:
    """Search upwards from some minima, descend from the saddles, and add what is new, in place."""
    options, loss = flood.options, flood.loss
    state.searched[rows] = torch.maximum(state.searched[rows], ceilings)
    ways, owner, is_random = directions(flood, state, rows)
    if not len(ways):
        return
    origin, below = rows[owner], ceilings[owner]
    floor = state.values[origin]
    fixed = torch.full_like(owner, is_random, dtype=torch.bool)
    search = SearchState.begin(loss, state.points[origin], ways, floor, below, options.max_step, leaving=True, fixed=fixed)
    climb_to_the_end(flood, search)
    add_saddles(flood, state, search)
    kinked = (search.outcome == Outcome.NOWHERE) & (search.step_length < SHORTEST * options.max_step)
    at_kinks = search.select(kinked.nonzero().squeeze(1))
    if len(at_kinks.floor):  # no step up is short enough where the slope jumps; what is behind is looked at
        at_kinks.top_before = at_kinks.place.points
        at_kinks.top_after = project_to_box(at_kinks.place.points + FIRST_STEP * options.max_step * at_kinks.mode, flood.faces)
        add_tops(flood, state, at_kinks)
    over = search.select((search.outcome == Outcome.BELOW).nonzero().squeeze(1))
    if not len(over.floor):
        return
    # the highest place on the way is near a saddle, if there is one
    retry = SearchState.begin(loss, over.top_points, over.mode, over.floor, over.ceiling, options.max_step, leaving=False, fixed=over.fixed)
    climb_to_the_end(flood, retry)
    add_saddles(flood, state, retry)
    add_tops(flood, state, over)


def climb_to_the_end(flood: Flood, search: SearchState) -> None:
    """All cycles of some searches."""
    options = flood.options
    for _ in search_upwards(flood.loss, search, options.max_step, options.gradient_tolerance, options.max_cycles, flood.faces):
        pass


def add_saddles(flood: Flood, state: FloodState, search: SearchState) -> None:
    """Descend to both sides of new saddles, and add these with the minima they join, in place."""
    search = search.select((search.outcome == Outcome.SADDLE).nonzero().squeeze(1))
    if not len(search.floor):
        return
    points, values = flood.wrapped(search.place.points), search.place.values
    every, losses = torch.cat([state.saddles, points]), torch.cat([state.heights, values])
    first = flood.same(points, values, every, losses).to(torch.uint8).argmax(1)
    new = (first == torch.arange(len(state.heights), len(losses), device=first.device)).nonzero().squeeze(1)
    if not len(new):
        return
    search, points, values = search.select(new), points[new], values[new]
    climb = (values - search.floor).clamp_min(rounding_of(values))
    twice = [torch.cat([column, column]) for column in (search.place.points, values, search.curvature, climb)]
    pushed = flood.push(twice[0], twice[1], torch.cat([search.mode, -search.mode]), twice[2], twice[3])
    place, lowest = flood.settle(pushed, twice[1])
    pairs = add_minima(flood, state, place, lowest).view(2, -1).T
    add_passes(flood, state, points, values, search.mode, pairs, 0)


def add_tops(flood: Flood, state: FloodState, search: SearchState) -> None:
    """Descend from both ends of the chords with the highest places of searches; where that leads to two minima there is a pass, if they
    are not yet joined below it; in place."""
    top_points, tops = chord_tops(flood.loss, search.top_before, search.top_after)
    ends = DescentState.begin(flood.loss, torch.cat([search.top_before, search.top_after]))
    place, lowest = flood.settle(ends, torch.cat([tops, tops]))
    pairs = add_minima(flood, state, place, lowest).view(2, -1).T
    levels = joining_levels(state.heights, state.pairs, pairs[:, 0], len(state.values)).gather(1, pairs[:, 1:]).squeeze(1)
    useful = ((pairs[:, 0] != pairs[:, 1]) & (tops < levels)).nonzero().squeeze(1)
    add_passes(flood, state, top_points[useful], tops[useful], search.mode[useful], pairs[useful], 1)


def add_passes(flood: Flood, state: FloodState, points: Points, values: Values, modes: Points, pairs: Tensor, over_a_top: int) -> None:
    """Add passes with what derivatives tell of them, in place; the modes ``[n d]`` are near those of the lowest eigenvalues."""
    if not len(values):
        return
    _, gradient = value_and_gradient(flood.loss, points)
    active = active_bounds(points, gradient, flood.faces)
    ritz = ritz_pairs(flood.loss, points, ~active, [modes], flood.options.hessian_products)
    negative = (ritz.curvature < -ritz.negligible()[:, None]).sum(1)
    kept = ((negative > 0) | bool(over_a_top)).nonzero().squeeze(1)  # without a negative curvature a stationary place is a minimum
    norm, tops = gradient.masked_fill(active, 0).norm(dim=1), torch.full_like(negative, over_a_top)
    state.saddles, state.heights = torch.cat([state.saddles, flood.wrapped(points)[kept]]), torch.cat([state.heights, values[kept]])
    state.saddle_gradient = torch.cat([state.saddle_gradient, norm[kept]])
    state.saddle_lowest = torch.cat([state.saddle_lowest, ritz.curvature[kept, 0]])
    state.negative, state.pairs = torch.cat([state.negative, negative[kept]]), torch.cat([state.pairs, pairs[kept]])
    state.over_a_top = torch.cat([state.over_a_top, tops[kept]])


def chord_tops(loss: Loss, before: Points, after: Points) -> tuple[Points, Values]:
    """The highest places on chords ``[n d]``, and the losses there ``[n]``."""
    rows = torch.arange(len(before), device=before.device)
    top_points, tops = before, torch.full_like(before[:, 0], -torch.inf)
    for _ in range(CHORD_ZOOMS):
        t = torch.linspace(0, 1, CHORD_PROBES, dtype=before.dtype, device=before.device)[:, None, None]
        places = torch.lerp(before, after, t)
        tops, which = evaluate_in_chunks(loss, places.flatten(0, 1)).view(CHORD_PROBES, -1).max(0)
        top_points = places[which, rows]
        before, after = places[(which - 1).clamp_min(0), rows], places[(which + 1).clamp_max(CHORD_PROBES - 1), rows]
    return top_points, tops
