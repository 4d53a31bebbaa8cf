"""What one round of the flood does: searches upwards from minima, and descents from what they find.

In: the state of a flood, and minima with ceilings. Out, in place: new minima, and passes with what derivatives tell of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._support.types import Points, Rows, Values
from ..losses._boxes import active_bounds, project_to_box
from ..losses._derivatives import evaluate_in_chunks, value_and_gradient
from ..losses._protocols import Loss
from ._descent import DescentState
from ._flood_state import Flood, FloodState, add_minima, soft_modes
from ._saddle_search import FIRST_STEP, SHORTEST, Outcome, SearchState, search_upwards
from ._short_steps import rounding_of
from ._soft_modes import ritz_pairs
from ._transition_network import joining_levels

CHORD_PROBES = 33  # places on a chord over a top whose losses are looked at
CHORD_ZOOMS = 5  # times that this is done, around the highest of them


def directions(flood: Flood, state: FloodState, rows: Rows) -> tuple[Points, Rows, bool]:
    """Unit directions in which minima are left ``[m d]``, whose they are ``[m]``, and whether they are random."""
    options, points = flood.options, state.points[rows]
    modes = min(options.modes, points.shape[1])
    softest = soft_modes(flood, points)
    pairs, count = softest.pairs, softest.curvature.shape[1]
    first = state.sweep * modes
    is_random = first >= min(count, 3 * modes)
    if not is_random:
        chosen = slice(first, first + modes)
        found = torch.stack([pairs.mode(column) for column in softest.number[:, chosen].T], 1)
        found = found * softest.useful[:, chosen, None]
    else:
        generator = torch.Generator().manual_seed(options.seed * 1000 + state.sweep)
        draw = torch.randn(options.modes, count, dtype=points.dtype, generator=generator).to(points.device)
        # how far a small climb leads along each mode
        reach = torch.where(softest.useful, softest.curvature, torch.inf).rsqrt()
        weights = torch.zeros_like(reach).scatter(1, softest.number, reach)
        found = ((draw * weights[:, None]) @ pairs.coefficients.mT) @ pairs.basis
    both = torch.stack([found, -found], 2).flatten(1, 2)
    owner = torch.arange(len(rows), device=rows.device)[:, None].expand(both.shape[:2])
    kept = both.any(2)
    return both[kept], owner[kept], is_random


def explore(flood: Flood, state: FloodState, rows: Rows, ceilings: Values) -> None:
    """Search upwards from some minima, descend from the saddles, and add what is new, in place.

    Searches that were stopped by a lower ceiling go on; new ones begin where this set of directions was not tried yet.
    """
    options, loss = flood.options, flood.loss
    below = torch.full_like(state.values, -torch.inf).index_put((rows,), ceilings)
    searches = []
    if state.waiting:
        ceiling = below[state.waiting["origin"]]
        goes_on = state.waiting["height"] <= ceiling
        if goes_on.any():
            part = {name: column[goes_on] for name, column in state.waiting.items() if name != "height"}
            searches.append(SearchState.resume(loss, part | {"ceiling": ceiling[goes_on]}))
            state.waiting = {name: column[~goes_on] for name, column in state.waiting.items()}
    new = rows[state.searched[rows] == -torch.inf]
    if len(new):
        ways, owner, is_random = directions(flood, state, new)
        origin = new[owner]
        fixed = torch.full_like(owner, is_random, dtype=torch.bool)
        at, floor = state.points[origin], state.values[origin]
        searches.append(SearchState.begin(loss, at, ways, floor, below[origin], options.max_step, leaving=True, fixed=fixed, origin=origin))
    state.searched[rows] = torch.maximum(state.searched[rows], ceilings)
    if not searches:
        return
    search = SearchState.joined(searches)
    climb_to_the_end(flood, search)
    put_aside(state, search.select(((search.outcome == Outcome.CEILING) | (search.outcome == Outcome.SEARCHING)).nonzero().squeeze(1)))
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
    retry = SearchState.begin(
        loss, over.top_points, over.mode, over.floor, over.ceiling, options.max_step, leaving=False, fixed=over.fixed, origin=over.origin
    )
    climb_to_the_end(flood, retry)
    add_saddles(flood, state, retry)
    add_tops(flood, state, over)


def put_aside(state: FloodState, search: SearchState) -> None:
    """Keep searches that are to go on when ceilings rise, in place."""
    columns = search.set_aside() | {"height": search.place.values}
    state.waiting = {name: torch.cat([state.waiting[name], column]) for name, column in columns.items()} if state.waiting else columns


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
