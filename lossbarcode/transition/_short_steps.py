"""Descents that do not jump: what lies between two steps is looked at, too.

In: a loss, places, and a level for each. Out: minima that are joined with these places by chains of short chords below the level. A step
of a descent like that of :mod:`._descent` may end in another valley, behind a ridge; then its end says nothing about the pass that it began
at.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._support.types import Bounds, Points, Values
from ..losses._boxes import active_bounds, project_to_box
from ..losses._derivatives import evaluate_in_chunks, value_and_gradient
from ..losses._protocols import Loss
from ._descent import ROUNDOFF_ULPS, DescentState, initial_step_length, two_loop_recursion, update_history

MAX_BACKTRACKS = 30  # halvings of a step
CHORD_MISFIT = 0.1  # of the loss in the middle of a chord against the cubic through its ends, as a share of the fall: then it is resolved
SHORTEST_CHORD = 1e-4  # share of the longest step; chords as short as this count as resolved, since kinks have no cubic
QUIET_STEPS = 30  # steps without a shorter gradient before rounding, or a kink, is taken for the end


def rounding_of(values: Values) -> Values:
    """Round-off of losses ``[n]``."""
    return ROUNDOFF_ULPS * torch.finfo(values.dtype).eps * values.abs()


def short_step(loss: Loss, state: DescentState, longest: Values, box: Bounds | None, mode: Points | None = None) -> None:
    """One quasi-Newton step of every row, no longer than ``longest``, in place; at right angles to its mode, if there is one."""
    active = active_bounds(state.points, state.gradient, box)
    slope = without(state.gradient.masked_fill(active, 0), mode)
    direction = -without(two_loop_recursion(slope, state.history_s, state.history_y).masked_fill(active, 0), mode)
    size = slope.norm(dim=1)
    fresh = (state.history_y[-1] == 0).all(1) | ((direction * slope).sum(1) >= 0)  # no history, or one that misleads
    direction[fresh] = -slope[fresh]
    length = torch.ones_like(size)
    steep = fresh & (size > 0)
    if steep.any():
        length[steep] = initial_step_length(loss, state.points[steep], slope[steep])
    length = torch.minimum(length, longest / direction.norm(dim=1).clamp_min(torch.finfo(size.dtype).tiny))
    fall, rounding = 1e-4 * (direction * slope).sum(1), rounding_of(state.values)
    points, values, gradient = state.points.clone(), state.values.clone(), state.gradient.clone()
    rows = torch.arange(len(size), device=size.device)
    for _ in range(MAX_BACKTRACKS):
        trial = project_to_box(state.points[rows] + length[rows, None] * direction[rows], box)
        value, slopes = value_and_gradient(loss, trial)
        good = (value <= state.values[rows] + length[rows] * fall[rows] + rounding[rows]) & slopes.isfinite().all(1) & value.isfinite()
        points[rows[good]], values[rows[good]], gradient[rows[good]] = trial[good], value[good], slopes[good]
        rows = rows[~good]
        if not len(rows):
            break
        length[rows] /= 2
    failed = torch.zeros_like(fresh)
    failed[rows] = True
    update_history(state, points - state.points, gradient - state.gradient, failed)
    state.stuck = failed & fresh
    state.points, state.values, state.gradient = points, values, gradient


def without(vectors: Points, mode: Points | None) -> Points:
    """Vectors without their part along a mode ``[n d]``."""
    return vectors if mode is None else vectors - (vectors * mode).sum(1, keepdim=True) * mode


def descend_below(
    loss: Loss, state: DescentState, tops: Values, longest: float, gradient_tolerance: float, max_steps: int, box: Bounds | None
) -> None:
    """Descend until gradients are shorter than the tolerance, over chords that are resolved and do not rise above the tops, in place."""
    limit = torch.full_like(state.values, longest)
    for _ in range(max_steps):
        slope = state.gradient.masked_fill(active_bounds(state.points, state.gradient, box), 0)
        rows = ((slope.norm(dim=1) > gradient_tolerance) & ~state.stuck & (state.idle < QUIET_STEPS)).nonzero().squeeze(1)
        if not len(rows):
            return
        before, part = state.select(rows), state.select(rows)
        short_step(loss, part, limit[rows], box)
        refused = ~is_below(loss, before, part, tops[rows]) & (limit[rows] > SHORTEST_CHORD * longest)
        size = slope[rows].norm(dim=1)
        lower = (part.values < before.values - rounding_of(before.values)) | (size < 0.9 * before.shortest)
        part.idle = torch.where(lower | refused, 0, part.idle + 1)
        part.shortest = torch.where(size < 0.9 * before.shortest, size, before.shortest)
        state.put(rows, part)
        step = (part.points - before.points).norm(dim=1)
        limit[rows] = torch.where(refused, torch.minimum(limit[rows], step) / 4, (2 * limit[rows]).clamp_max(longest))
        back = refused.nonzero().squeeze(1)
        state.put(rows[back], before.select(back))
        state.history_s[:, rows[back]] = state.history_y[:, rows[back]] = 0


def is_below(loss: Loss, before: DescentState, after: DescentState, tops: Values) -> Tensor:
    """Whether the chords of a step stay below the tops: as cubics that predict the losses in their middles ``[n]``, bool."""
    step = after.points - before.points
    rise_before, rise_after = (before.gradient * step).sum(1), (after.gradient * step).sum(1)
    middle = evaluate_in_chunks(loss, (before.points + after.points) / 2)
    t = torch.linspace(0, 1, 17, dtype=tops.dtype, device=tops.device)[1:-1, None]
    cubic = (1 + 2 * t) * (1 - t) ** 2 * before.values + t**2 * (3 - 2 * t) * after.values
    cubic = cubic + t * (1 - t) ** 2 * rise_before - t**2 * (1 - t) * rise_after
    rounding = rounding_of(before.values)
    resolved = (middle - cubic[7]).abs() <= CHORD_MISFIT * (before.values - after.values).abs() + rounding
    return resolved & (torch.maximum(cubic.amax(0), middle) <= tops + rounding)
