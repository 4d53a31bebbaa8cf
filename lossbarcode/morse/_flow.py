"""Gradient lines, all at once, in the unit cube.

In: a :class:`UnitCubeLoss` and places. Out: :class:`Lines`, followed down to a minimum or up to a maximum. A step follows the
gradient flow of the quadratic model exactly (the local quadratic approximation of Page and McIver, 1988): that is stable in the
narrowest valley and, near its end, is a Newton step. It is taken only if loss and gradient at its middle and at its end are as
the model predicts and the loss falls, so that no step crosses a ridge.

Downwards the flow is confined to the box: a coordinate that would leave is held at the end of the box. Upwards a line that
leaves the box has ended, because no maximum of Morse theory on the box lies beyond. Along periodic axes lines run on beyond 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from time import monotonic

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from .._support.progress import tqdm_options
from .._support.types import Points, Rows
from ..losses._boxes import active_bounds
from ._classification import slopes_around
from ._critical_points import same_place
from ._newton import matvec, newton_step, restricted
from ._unit_cube_loss import UnitCubeLoss

MAX_FLOW_STEP = 0.02  # of the box; lines are drawn from these
STEP_TOLERANCE = 0.05  # error of a step's displacement, as a part of the step
MAX_STEPS = 20_000  # a line through a valley whose floor is flat takes a few thousand

Evaluate = Callable[..., tuple[Tensor, ...]]
"""Values ``[n]``, gradients ``[n d]`` and, for order 2, Hessians ``[n d d]`` of the function whose descent the lines follow."""


@dataclass(frozen=True)
class Lines:
    """Lines in the unit cube.

    Attributes:
        unit: places along all lines, one line after the other ``[p d]``; not wrapped into the cube.
        line: the line of each place ``[p]``.
        end: where each line ends ``[m d]``, within the cube.
        converged: whether that is a critical point ``[m]``; if not, the line has left the box or could not be continued.
        left: whether it has left the box ``[m]``.
    """

    unit: Float[Tensor, "p d"]
    line: Int[Tensor, " p"]
    end: Float[Tensor, "m d"]
    converged: Bool[Tensor, " m"]
    left: Bool[Tensor, " m"]


@dataclass
class FlowState:
    """The lines that have not ended yet.

    Attributes:
        line: number of each line ``[l]``.
        unit: place that it has reached ``[l d]``.
        values, gradient, hessian: of the function there ``[l]``, ``[l d]``, ``[l d d]``.
        time: length of the next step, in the time of the flow ``[l]``.
        polished: whether the last step was a final Newton step ``[l]``.
    """

    line: Int[Tensor, " l"]
    unit: Float[Tensor, "l d"]
    values: Float[Tensor, " l"]
    gradient: Float[Tensor, "l d"]
    hessian: Float[Tensor, "l d d"]
    time: Float[Tensor, " l"]
    polished: Bool[Tensor, " l"]

    def select(self, rows: Tensor) -> FlowState:
        """Some of the lines, by row numbers or by a mask."""
        return FlowState(**{name: column[rows] for name, column in self.state_dict().items()})

    def state_dict(self) -> dict[str, Tensor]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


class QuadraticModel:
    """The quadratic model of the function at each line's place, along the coordinates that are not held at an end of the box."""

    def __init__(self, state: FlowState, held: Bool[Tensor, "l d"]):
        self.state, self.held = state, held
        self.slope = torch.where(held, 0, state.gradient)
        self.eigenvalues, self.vectors = torch.linalg.eigh(restricted(state.hessian, ~held))

    def flow(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """The displacement by the gradient flow in ``time`` ``[l d]``, and how far per unit of slope along each eigenvector ``[l d]``."""
        reach = -torch.expm1((-self.eigenvalues * time[:, None]).clamp_max(50)) / self.eigenvalues
        reach = torch.where(self.eigenvalues == 0, time[:, None], reach)
        return -matvec(self.vectors, reach * matvec(self.vectors.mT, self.slope)), reach

    def error(self, place: Points, gradient: Tensor, reach: Tensor) -> Tensor:
        """By how much the gradient found at a place would have displaced the step there, as a part of the step ``[l]``."""
        step = place - self.state.unit
        wrong = torch.where(self.held, 0, gradient - self.slope - matvec(self.state.hessian, step))
        return (reach * matvec(self.vectors.mT, wrong)).norm(dim=1) / step.norm(dim=1)


def integrate_lines(loss: UnitCubeLoss, origin: Points, offset: Points, *, up: bool, deadline: float, progress: bool | None) -> Lines:
    """Follow the gradient flow from near every origin, at an offset from it, down to a minimum of the box or up to a maximum."""
    sign = -1.0 if up else 1.0

    def evaluate(unit: Points, order: int = 2) -> tuple[Tensor, ...]:
        return tuple(sign * part for part in loss(unit, order))

    state = first_state(evaluate, loss.confine(origin + offset))
    count = len(origin)
    end, converged, left = state.unit.clone(), *torch.zeros(2, count, dtype=torch.bool, device=origin.device)
    rounding = rounding_of(loss, state) if count else 0.0
    trail = [(state.line, origin), (state.line, state.unit)]
    with tqdm(total=count, desc="gradient lines", unit="line", **tqdm_options(progress)) as bar:
        for _ in range(MAX_STEPS):
            crossing = active_bounds(state.unit, state.gradient, loss.faces)
            model = QuadraticModel(state, torch.zeros_like(crossing) if up else crossing)
            still, bottom, forced = stationary_points(evaluate, model, loss)
            gone = crossing.any(1) & up
            ended = bottom & state.polished & ~gone
            stuck = ~still & (state.time * model.slope.norm(dim=1) <= loss.eps**1.5)
            done = ended | gone | stuck
            end[state.line[done]] = state.unit[done]
            converged[state.line[ended]], left[state.line[gone]] = True, True
            bar.update(int(done.sum()))
            if done.all() or monotonic() >= deadline:
                break
            state.polished = bottom
            state = take_step(loss, evaluate, model, still, forced, rounding).select(~done)
            trail.append((state.line, state.unit))
    return Lines(*along_lines(trail), loss.wrap(end), converged, left)


def rounding_of(loss: UnitCubeLoss, state: FlowState) -> float:
    """By how much losses may differ that are equal but for rounding: their own and, in a box far from the origin, that of coordinates."""
    low, high = loss.bounds.T
    far = float((torch.maximum(-high, low) / (high - low)).amax().clamp_min(0))
    return loss.eps * (16 * float(state.values.abs().amax()) + far * float(state.hessian.norm(dim=(1, 2)).amax()))


def first_state(evaluate: Evaluate, start: Points) -> FlowState:
    """All lines at their starts."""
    values, gradient, hessian = evaluate(start)
    line = torch.arange(len(start), device=start.device)
    # a first step that neither leaves the quadratic model nor is too long
    time = MAX_FLOW_STEP / (MAX_FLOW_STEP * hessian.norm(dim=(1, 2)) + gradient.norm(dim=1)).clamp_min(torch.finfo(start.dtype).tiny)
    return FlowState(line, start, values, gradient, hessian, time, torch.zeros_like(line, dtype=torch.bool))


def along_lines(trail: list[tuple[Rows, Points]]) -> tuple[Points, Rows]:
    """From lines and their places, step by step, to the places of one line after the other, and their lines."""
    line, places = (torch.cat(parts) for parts in zip(*trail, strict=True))
    order = line.argsort(stable=True)
    line, places = line[order], places[order]
    moved = torch.ones_like(line, dtype=torch.bool)  # a step that was refused leaves its line where it was
    moved[1:] = (places[1:] != places[:-1]).any(1) | (line[1:] != line[:-1])
    return places[moved], line[moved]


def stationary_points(evaluate: Evaluate, model: QuadraticModel, loss: UnitCubeLoss) -> tuple[Tensor, Tensor, Tensor]:
    """Which lines are at a stationary point ``[l]``, which of these are at the bottom ``[l]``, and their steps from there ``[l d]``.

    At the bottom that is a final Newton step, after which other ends of the box may hold. A saddle, or a place without a
    gradient that is no critical point, is left downhill.
    """
    newton = newton_step(model.slope, model.eigenvalues, model.vectors)
    still = newton.norm(dim=1) <= loss.eps**0.5
    bottom, forced = torch.zeros_like(still), torch.zeros_like(newton)
    if still.any():
        at = model.state.unit[still], ~model.held[still], model.vectors[still]
        slopes, directions = slopes_around(lambda unit: evaluate(loss.confine(unit), 1)[1], *at, same_place(loss))
        lowest = slopes.argmin(1)[:, None, None].expand(-1, 1, newton.shape[1])
        bottom[still] = (slopes >= 0).all(1)
        forced[still] = loss.eps**0.25 * directions.gather(1, lowest).squeeze(1)
        forced[bottom] = newton[bottom]
    return still, bottom, forced


def take_step(loss: UnitCubeLoss, evaluate: Evaluate, model: QuadraticModel, still: Tensor, forced: Tensor, rounding: float) -> FlowState:
    """One step of every line. A step that the loss does not confirm is not taken, and the next one is shorter."""
    state = model.state
    time = state.time
    for _ in range(3):  # shorten the path of the model to the longest step that is allowed
        time = time * (0.9 * MAX_FLOW_STEP / model.flow(time)[0].norm(dim=1)).clamp_max(1)
    (half_step, half_reach), (step, reach) = model.flow(time / 2), model.flow(time)
    step[still], half_step[still] = forced[still], forced[still] / 2
    half, trial = loss.confine(state.unit + half_step), loss.confine(state.unit + step)
    (half_values, half_gradient), found = evaluate(half, 1), evaluate(trial)
    error = torch.maximum(model.error(half, half_gradient, half_reach), model.error(trial, found[1], reach))
    falls = torch.maximum(half_values, found[0]) <= state.values + rounding
    good = (falls & (error <= STEP_TOLERANCE) & (step.norm(dim=1) <= 1.5 * MAX_FLOW_STEP)) | still
    time = torch.where(good, torch.where(error < STEP_TOLERANCE / 4, 2.0, 1.0) * time, time / 3)
    old = (state.unit, state.values, state.gradient, state.hessian)
    unit, values, gradient, hessian = (
        torch.where(good.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in zip(old, (trial, *found), strict=True)
    )
    return FlowState(state.line, unit, values, gradient, hessian, time, state.polished)
