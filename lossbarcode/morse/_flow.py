"""Gradient lines, all at once, in the unit cube.

In: a :class:`Field` and places. Out: :class:`Lines`, followed down to a minimum or up to a maximum. A step follows the
gradient flow of the quadratic model exactly (the local quadratic approximation of Page and McIver, 1988): that is stable in the
narrowest valley and, near its end, is a Newton step. It is taken only if loss and gradient in the middle and at the end of the
step are as the model says and the loss falls, so that no ridge is jumped.

Downwards the flow is confined to the box: a coordinate that would leave is held at the end of the box. Upwards a line that
leaves the box has ended, because no maximum of Morse theory on the box is out there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from .._support.progress import tqdm_options
from .._support.types import Points, Rows, Values
from ..losses._boxes import active_bounds
from ._classification import slopes_around
from ._critical_points import same_place
from ._newton import matvec, newton_step, restricted
from ._unit_cube_loss import UnitCubeLoss

MAX_FLOW_STEP = 0.02  # of the box; lines are drawn from these
STEP_TOLERANCE = 0.05  # error of a step's displacement, as a part of the step
MAX_STEPS = 20_000  # a line through a valley whose floor is flat takes a few thousand


@dataclass(frozen=True)
class Lines:
    """Lines in the unit cube.

    Attributes:
        unit: places along all lines, one line after the other ``[p d]``.
        line: the line of each place ``[p]``.
        end: where each line ends ``[m d]``.
        arrived: whether that is a critical point ``[m]``; if not, the line has left the box or did not get on.
        left: whether it has left the box ``[m]``.
    """

    unit: Points
    line: Rows
    end: Points
    arrived: Tensor
    left: Tensor


@dataclass
class FlowState:
    """How far the lines have got that are on their way: places, what the loss is like there, and how long the next step is."""

    line: Rows
    unit: Points
    values: Values
    gradient: Tensor
    hessian: Tensor
    time: Tensor
    polished: Tensor  # whether the last step was the last Newton step

    def __getitem__(self, rows) -> FlowState:
        return FlowState(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class QuadraticModel:
    """The quadratic model of the loss at places, along the coordinates that no end of the box holds."""

    def __init__(self, front: FlowState, held: Tensor):
        self.front, self.held = front, held
        self.slope = torch.where(held, 0, front.gradient)
        self.eigenvalues, self.vectors = torch.linalg.eigh(restricted(front.hessian, ~held))

    def flow(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """How far the gradient flow gets in ``time`` ``[n d]``, and how far per gradient along each eigenvector ``[n d]``."""
        reach = -torch.expm1((-self.eigenvalues * time[:, None]).clamp_max(50)) / self.eigenvalues
        reach = torch.where(self.eigenvalues == 0, time[:, None], reach)
        return -matvec(self.vectors, reach * matvec(self.vectors.mT, self.slope)), reach

    def error(self, place: Points, gradient: Tensor, reach: Tensor) -> Tensor:
        """By how much the gradient found at a place would have displaced the step there, as a part of the step ``[n]``."""
        step = place - self.front.unit
        wrong = torch.where(self.held, 0, gradient - self.slope - matvec(self.front.hessian, step))
        return (reach * matvec(self.vectors.mT, wrong)).norm(dim=1) / step.norm(dim=1)


def leaving_coordinates(front: FlowState) -> Tensor:
    """Which coordinates are at an end of the unit cube that the flow would cross ``[n d]``."""
    return active_bounds(front.unit, front.gradient, front.unit.new_tensor([[0, 1]]))


def integrate_lines(field: UnitCubeLoss, origin: Points, aside: Points, *, up: bool, progress: bool | None) -> Lines:
    """Follow the gradient flow from a little aside of every origin, down to a minimum of the box or up to a maximum."""
    sign = -1.0 if up else 1.0

    def state(unit: Points, order: int = 2) -> tuple[Tensor, ...]:
        return tuple(sign * part for part in field(unit, order))

    start, count = (origin + aside).clamp(0, 1), len(origin)
    end, arrived, left = start.clone(), *torch.zeros(2, count, dtype=torch.bool, device=start.device)
    values, gradient, hessian = state(start)
    line, polished = torch.arange(count, device=start.device), torch.zeros_like(arrived)
    rounding = 16 * field.eps * float(values.abs().amax()) if count else 0.0
    # a first step that neither leaves the quadratic model nor is too long
    time = MAX_FLOW_STEP / (MAX_FLOW_STEP * hessian.norm(dim=(1, 2)) + gradient.norm(dim=1)).clamp_min(torch.finfo(start.dtype).tiny)
    front = FlowState(line, start, values, gradient, hessian, time, polished)
    trail = [(line, origin), (line, start)]
    with tqdm(total=count, desc="gradient lines", unit="line", **tqdm_options(progress)) as bar:
        for _ in range(MAX_STEPS):
            crossing = leaving_coordinates(front)
            model = QuadraticModel(front, torch.zeros_like(crossing) if up else crossing)
            still, bottom, forced = stationary_points(state, model, field)
            gone = crossing.any(1) & up
            there = bottom & front.polished & ~gone
            stuck = ~still & (front.time * model.slope.norm(dim=1) <= field.eps**1.5)
            done = there | gone | stuck
            end[front.line[done]] = front.unit[done]
            arrived[front.line[there]], left[front.line[gone]] = True, True
            bar.update(int(done.sum()))
            if done.all():
                break
            front.polished = bottom
            front = take_step(state, front, model, still, forced, rounding)[~done]
            trail.append((front.line, front.unit))
    owner, places = (torch.cat(parts) for parts in zip(*trail, strict=True))
    order = owner.argsort(stable=True)
    owner, places = owner[order], places[order]
    moved = torch.ones_like(owner, dtype=torch.bool)  # a step that was refused leaves its line where it was
    moved[1:] = (places[1:] != places[:-1]).any(1) | (owner[1:] != owner[:-1])
    return Lines(places[moved], owner[moved], end, arrived, left)


def stationary_points(state, model: QuadraticModel, field: UnitCubeLoss) -> tuple[Tensor, Tensor, Tensor]:
    """Where the flow stands still, where that is at the bottom, and the step to take from there.

    At the bottom that is a last Newton step, which can still tell which ends of the box hold. A saddle, or a place without a
    gradient that is no critical point, is left downhill.
    """
    newton = newton_step(model.slope, model.eigenvalues, model.vectors)
    still = newton.norm(dim=1) <= field.eps**0.5
    bottom, forced = torch.zeros_like(still), torch.zeros_like(newton)
    if still.any():
        at = model.front.unit[still], ~model.held[still], model.vectors[still]
        slopes, directions = slopes_around(lambda unit: state(unit, 1)[1], *at, same_place(field))
        lowest = slopes.argmin(1)[:, None, None].expand(-1, 1, newton.shape[1])
        bottom[still] = (slopes >= 0).all(1)
        forced[still] = field.eps**0.25 * directions.gather(1, lowest).squeeze(1)
        forced[bottom] = newton[bottom]
    return still, bottom, forced


def take_step(state, front: FlowState, model: QuadraticModel, still: Tensor, forced: Tensor, rounding: float) -> FlowState:
    """One step of every line; one that the loss does not confirm is not taken, and shorter the next time."""
    time = front.time
    for _ in range(3):  # the model's path, cut where it is as long as a step may be
        time = time * (0.9 * MAX_FLOW_STEP / model.flow(time)[0].norm(dim=1)).clamp_max(1)
    (half_step, half_reach), (step, reach) = model.flow(time / 2), model.flow(time)
    step[still], half_step[still] = forced[still], forced[still] / 2
    half, trial = (front.unit + half_step).clamp(0, 1), (front.unit + step).clamp(0, 1)
    (half_values, half_gradient), found = state(half, 1), state(trial)
    error = torch.maximum(model.error(half, half_gradient, half_reach), model.error(trial, found[1], reach))
    falls = torch.maximum(half_values, found[0]) <= front.values + rounding
    good = (falls & (error <= STEP_TOLERANCE) & (step.norm(dim=1) <= 1.5 * MAX_FLOW_STEP)) | still
    time = torch.where(good, torch.where(error < STEP_TOLERANCE / 4, 2.0, 1.0) * time, time / 3)
    old = (front.unit, front.values, front.gradient, front.hessian)
    unit, values, gradient, hessian = (
        torch.where(good.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in zip(old, (trial, *found), strict=True)
    )
    return FlowState(front.line, unit, values, gradient, hessian, time, front.polished)
