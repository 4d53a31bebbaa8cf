"""Quasi-Newton descent (L-BFGS) of many points at once, inside a box.

In: a loss and points ``[n d]``. Out: points where the gradient vanishes, or where rounding or a kink ends the descent. Every point has a
history, a step length and an end of its own; all are evaluated together. No library does this for thousands of small problems at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from .._support.progress import tqdm_options
from .._support.types import Bounds, Points, Rows, Values
from ..losses._boxes import active_bounds, project_to_box
from ..losses._derivatives import hessian_product, value_and_gradient
from ..losses._protocols import Loss

ROUNDOFF_ULPS = 10  # round-off of a loss, in ulps
HISTORY_LENGTH = 10  # steps that the quasi-Newton method remembers
MAX_LINE_SEARCH = 25  # lengths of a step that are tried; each halves or doubles the last
PATIENCE = 30  # steps without a lower loss or a much shorter gradient before rounding, or a kink, is taken for the end


@dataclass
class DescentState:
    """Points on their way down.

    Attributes:
        points: ``[n d]``.
        values: loss there ``[n]``.
        gradient: ``[n d]``.
        history_s: last steps ``[m n d]``, zero where there are fewer.
        history_y: changes of the gradient along these ``[m n d]``.
        stuck: descents that have ended without a small gradient ``[n]``, bool.
        idle: steps since the loss fell or the gradient got much shorter ``[n]``.
        shortest: shortest gradient since then ``[n]``.
        undefined: descents that met a loss of NaN or -inf ``[n]``, bool.
        n_steps: steps that are done.
    """

    points: Points
    values: Values
    gradient: Points
    history_s: Tensor
    history_y: Tensor
    stuck: Tensor
    idle: Values
    shortest: Values
    undefined: Tensor
    n_steps: int = 0

    @classmethod
    def begin(cls, loss: Loss, points: Points) -> DescentState:
        """At rest, without a history.

        Raises:
            ValueError: if the loss or its gradient is not finite at all points.
        """
        values, gradient = value_and_gradient(loss, points)
        for what, finite in (("loss", values.isfinite()), ("gradient", gradient.isfinite().all(1))):
            if not finite.all():
                raise ValueError(
                    f"starts: expected a finite {what} at every start, got {int((~finite).sum())} of {len(values)} without, the first "
                    f"in row {int((~finite).nonzero()[0])}; leave them out"
                )
        history = gradient.new_zeros(HISTORY_LENGTH, *gradient.shape)
        stuck, idle = torch.zeros_like(values, dtype=torch.bool), torch.zeros_like(values)
        return cls(points, values, gradient, history, history.clone(), stuck, idle, gradient.norm(dim=1), stuck.clone())

    @classmethod
    def joined(cls, parts: list[DescentState]) -> DescentState:
        """Points of several states side by side."""
        names = [name for name, _ in parts[0]._columns()]
        columns = {name: torch.cat([getattr(part, name) for part in parts], int(name in HISTORIES)) for name in names}
        return cls(**columns, n_steps=0)

    def select(self, rows: Rows) -> DescentState:
        """A copy of some rows."""
        columns = {name: column[:, rows] if name in HISTORIES else column[rows] for name, column in self._columns()}
        return DescentState(**columns, n_steps=self.n_steps)

    def put(self, rows: Rows, part: DescentState) -> None:
        """Write some rows back."""
        for name, column in self._columns():
            if name in HISTORIES:
                column[:, rows] = getattr(part, name)
            else:
                column[rows] = getattr(part, name)

    def _columns(self) -> list[tuple[str, Tensor]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self) if field.name != "n_steps"]

    def state_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


HISTORIES = ("history_s", "history_y")  # columns whose second axis is that of the points


def descend(
    loss: Loss, state: DescentState, gradient_tolerance: float, max_steps: int, box: Bounds | None, progress: bool | None
) -> Iterator[DescentState]:
    """Descend until gradients are shorter than the tolerance, in place; the state is yielded after every step."""
    with tqdm(desc="descent", unit="step", initial=state.n_steps, total=max_steps, **tqdm_options(progress)) as bar:
        while state.n_steps < max_steps:
            norm = projected_gradient(state, box)[0].norm(dim=1)
            rows = ((norm > gradient_tolerance) & ~state.stuck).nonzero().squeeze(1)
            bar.set_postfix_str(f"{len(rows)} of {len(norm)} left", refresh=False)
            if not len(rows):
                return
            part = state.select(rows)
            take_step(loss, part, box)
            state.put(rows, part)
            state.n_steps += 1
            bar.update()
            yield state


def projected_gradient(state: DescentState, box: Bounds | None) -> tuple[Points, Tensor]:
    """Gradients without the coordinates that the box holds ``[n d]``, and which these are ``[n d]``."""
    active = active_bounds(state.points, state.gradient, box)
    return state.gradient.masked_fill(active, 0), active


def take_step(loss: Loss, state: DescentState, box: Bounds | None) -> None:
    """One step of every row, in place."""
    slope, active = projected_gradient(state, box)
    norm = slope.norm(dim=1)
    direction = -two_loop_recursion(slope, state.history_s, state.history_y).masked_fill_(active, 0)
    no_descent_direction = (state.history_y[-1] == 0).all(1) | ((direction * slope).sum(1) >= 0)  # no history, or one that misleads
    direction[no_descent_direction] = -slope[no_descent_direction]
    length = torch.ones_like(norm)
    if no_descent_direction.any():
        length[no_descent_direction] = initial_step_length(loss, state.points[no_descent_direction], slope[no_descent_direction])
    found = line_search(loss, state.points, state.values, slope, direction, length, box)
    gradient = torch.where(found.moved[:, None], found.gradient, state.gradient)
    update_history(state, found.points - state.points, gradient - state.gradient, ~found.moved)
    lower = found.values < state.values - ROUNDOFF_ULPS * torch.finfo(state.values.dtype).eps * state.values.abs()
    shorter = norm < 0.9 * state.shortest
    state.shortest = torch.where(shorter, norm, state.shortest)
    state.idle = torch.where(lower | shorter, 0, state.idle + 1)
    state.stuck = (~found.moved & no_descent_direction) | (state.idle >= PATIENCE) | found.unbounded
    state.undefined |= found.undefined | found.unbounded
    state.points, state.values, state.gradient = found.points, found.values, gradient


def update_history(state: DescentState, step: Points, change: Points, failed: Tensor) -> None:
    """Keep a step and its change of the gradient where the loss was convex along it; clear the history where the step failed."""
    convex = (step * change).sum(1) > torch.finfo(step.dtype).eps * change.square().sum(1)
    for name, last in zip(HISTORIES, (step, change), strict=True):
        history = getattr(state, name)
        newer = torch.cat([history[1:], last[None]])
        setattr(state, name, torch.where(convex[:, None], newer, history).masked_fill_(failed[:, None], 0))


def initial_step_length(loss: Loss, points: Points, slope: Points) -> Values:
    """How far to go along minus the gradient when nothing else is known: to the bottom of the parabola there, not into the next basin."""
    length = slope.norm(dim=1, keepdim=True)
    unit = slope / length
    curvature = (hessian_product(loss, points, unit) * unit).sum(1).abs()
    careful = 1 / length.squeeze(1).clamp_min(1)
    return torch.where(curvature * careful > 1, 1 / curvature, careful)


def two_loop_recursion(gradient: Points, history_s: Tensor, history_y: Tensor) -> Points:
    """The inverse Hessian times the gradient, as far as the last steps and changes of the gradient ``[m n d]`` tell."""
    product = (history_s * history_y).sum(2)
    weight = torch.where(product > 0, 1 / product, 0)
    part, vector = torch.zeros_like(weight), gradient
    for i in reversed(range(len(history_s))):
        part[i] = weight[i] * (history_s[i] * vector).sum(1)
        vector = vector - part[i, :, None] * history_y[i]
    size = history_y[-1].square().sum(1)
    vector = vector * torch.where(size > 0, product[-1] / size, 1)[:, None]
    for i in range(len(history_s)):
        vector = vector + (part[i] - weight[i] * (history_y[i] * vector).sum(1))[:, None] * history_s[i]
    return vector


class LineSearchResult(NamedTuple):
    """Points, losses and gradients after the step; whether there was one, whether a loss was NaN on the way, and -inf ``[n]`` each."""

    points: Points
    values: Values
    gradient: Points
    moved: Tensor
    undefined: Tensor
    unbounded: Tensor


def line_search(
    loss: Loss, points: Points, values: Values, slope: Points, direction: Points, length: Values, box: Bounds | None
) -> LineSearchResult:
    """Steps for which the loss falls enough and the slope has risen enough (the weak Wolfe conditions), from first lengths.

    A step that leads to +inf or NaN, outside the domain, is shortened; one that leads to -inf ends the search where it began.
    """
    low, high = torch.zeros_like(length), torch.full_like(length, torch.inf)
    nowhere = torch.zeros_like(length, dtype=torch.bool)
    best = LineSearchResult(points.clone(), values.clone(), slope.clone(), nowhere, nowhere.clone(), nowhere.clone())
    start = (direction * slope).sum(1)
    rounding = ROUNDOFF_ULPS * torch.finfo(values.dtype).eps * values.abs()
    rows = torch.arange(len(points), device=points.device)
    for _ in range(MAX_LINE_SEARCH):
        wanted = points[rows] + length[rows, None] * direction[rows]
        trial = project_to_box(wanted, box)
        value, gradient = value_and_gradient(loss, trial)
        best.undefined[rows] |= value.isnan()
        unbounded = value == -torch.inf
        best.unbounded[rows] = unbounded
        fall = 1e-4 * length[rows] * start[rows]
        falls = (value <= values[rows] + fall + rounding[rows]) & gradient.isfinite().all(1)
        rises = ((gradient * direction[rows]).sum(1) >= 0.9 * start[rows]) | (trial != wanted).any(1)
        better = rows[falls]
        for column, found in zip(best[:4], (trial[falls], value[falls], gradient[falls], True), strict=True):
            column[better] = found
        high[rows[~falls]] = length[rows[~falls]]
        low[better] = length[better]
        rows = rows[~((falls & rises) | unbounded)]
        if not len(rows):
            break
        bounded = high[rows] < torch.inf
        length[rows] = torch.where(bounded, (low[rows] + high[rows]) / 2, 2 * low[rows])
    for column, before in zip(best[:4], (points, values, slope, nowhere), strict=True):  # what led to such a place counts for nothing
        column[best.unbounded] = before[best.unbounded]
    return best
