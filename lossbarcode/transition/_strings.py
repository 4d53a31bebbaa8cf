"""Strings of images that relax between two minima, all strings at once.

In: a loss and pairs of minima. Out: images ``[p m d]`` whose highest loss bounds the lowest pass from above. Images descend by the part of
the gradient that is orthogonal to their string, are distributed along it again, and extra images are inserted where the loss peaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from .._support.progress import tqdm_options
from .._support.types import Bounds, Rows, Values
from ..losses._boxes import active_bounds, project_to_box
from ..losses._derivatives import normalized, value_and_gradient
from ..losses._protocols import Loss
from ._minimax import minimax_heights
from ._polylines import equalise_spacing, interpolate, merged_positions, path_maximum, reindex, reparametrise

REPARAMETRISE_EVERY = 5  # steps after which images are distributed along their path again
MAX_STEP_FRACTION = 0.2  # the farthest that an image moves in a step, as a part of the shorter chord beside it
INITIAL_STEP_FRACTION = 0.1  # the first step of an image, as a part of the farthest
STEP_GROWTH = 1.05  # by how much step sizes may grow each time
MOMENTUM = 0.97  # at first; when a path gets higher, 1 - momentum is doubled
SPACING_EXPONENT = 0.8  # of the chords; equalises, a little every round, the images that were inserted where a path once peaked
QUIET_ROUNDS = 2  # after so many rounds in a row that change its height by less than the tolerance a path is at rest


@dataclass
class StringState:
    """Strings that are relaxing.

    Attributes:
        points: images ``[p m d]``.
        arc_length: where each image belongs, as a part of the length of its path ``[p m]``.
        step_size: of each image ``[p m]``; 0: not known yet.
        velocity: of each image ``[p m d]``.
        heights: highest loss on each path ``[p]``.
        peak_position: where that is, as a fractional number of images ``[p]``.
        insert_positions: where images are to be inserted next, the same ``[p 2]``.
        last_decrease: by how much the last round lowered the height ``[p]``.
        momentum: of each path ``[p]``.
        quiet_rounds: rounds in a row that changed the height by less than the tolerance ``[p]``.
        n_rounds: rounds that are done.
    """

    points: Tensor
    arc_length: Tensor
    step_size: Tensor
    velocity: Tensor
    heights: Values
    peak_position: Values
    insert_positions: Tensor
    last_decrease: Values
    momentum: Values
    quiet_rounds: Rows
    n_rounds: int = 0

    @classmethod
    def straight_lines(cls, loss: Loss, ends: Tensor, pairs: Tensor, n_images: int, height_tolerance: float) -> StringState:
        """Images at rest, evenly on straight lines between the ends ``[p 2 d]``."""
        arc_length = torch.linspace(0, 1, n_images, dtype=ends.dtype, device=ends.device).repeat(len(ends), 1)
        points = torch.lerp(ends[:, :1], ends[:, 1:], arc_length[..., None])
        heights, peak_position, insert = path_maximum(loss, points, height_tolerance, pairs)
        return cls(
            points,
            arc_length,
            torch.zeros_like(arc_length),
            torch.zeros_like(points),
            heights,
            peak_position,
            insert,
            last_decrease=torch.full_like(heights, torch.inf),
            momentum=torch.full_like(heights, MOMENTUM),
            quiet_rounds=torch.zeros_like(pairs[:, 0]),
        )

    def select(self, rows: Rows) -> StringState:
        """A copy of some rows."""
        return StringState(**{name: column[rows] for name, column in self._columns()}, n_rounds=self.n_rounds)

    def put(self, rows: Rows, part: StringState) -> None:
        """Write some rows back."""
        for name, column in self._columns():
            column[rows] = getattr(part, name)

    def _columns(self) -> list[tuple[str, Tensor]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self) if field.name != "n_rounds"]

    def state_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def memory_of_strings(n_paths: int, initial_images: int, rounds: int, dimension: int, itemsize: int) -> int:
    """Bytes that strings take at the end of some rounds, as measured: images, velocities and gradients, several times over."""
    return 14 * n_paths * (initial_images + 2 * rounds) * dimension * itemsize


def relax(
    loss: Loss,
    state: StringState,
    pairs: Tensor,
    n_minima: int,
    *,
    steps_per_round: int,
    max_rounds: int,
    height_tolerance: float,
    adaptive: bool,
    box: Bounds | None,
    progress: bool | None,
) -> Iterator[StringState]:
    """Relax strings in rounds until all are at rest, in place; the state is yielded after every round."""
    with tqdm(desc="paths", unit="round", initial=state.n_rounds, total=max_rounds, **tqdm_options(progress)) as bar:
        while state.n_rounds < max_rounds:
            active = state.quiet_rounds < QUIET_ROUNDS
            if adaptive and state.n_rounds > 1:
                # Leave a path alone once a chain through other minima is lower than its optimistic height.
                optimistic = torch.where(state.last_decrease.isfinite(), state.heights - 2 * state.last_decrease, -torch.inf)
                active &= optimistic <= minimax_heights(state.heights, pairs, n_minima) + height_tolerance
            rows = active.nonzero().squeeze(1)
            bar.set_postfix_str(f"{len(rows):,} of {len(pairs):,} paths", refresh=False)
            if not len(rows):
                return
            run_round(loss, state, pairs, rows, steps_per_round, height_tolerance, box)
            state.n_rounds += 1
            bar.update()
            yield state


def run_round(loss: Loss, state: StringState, pairs: Tensor, rows: Rows, steps: int, height_tolerance: float, box: Bounds | None) -> None:
    """One round: images are inserted into all paths where they are highest, and some paths relax, unless they would get higher.

    A path through a wall, of height +inf, is moved as long as there are rounds: it may leave the wall.
    """
    insert_images(state)
    part = state.select(rows)
    relax_images(loss, part, steps, box)
    heights, peak_position, insert = path_maximum(loss, part.points, height_tolerance, pairs[rows])
    decrease = part.heights - heights  # NaN where both are +inf
    lower, quiet = decrease > 0, decrease.abs() < height_tolerance
    state.quiet_rounds[rows] = torch.where(quiet, part.quiet_rounds + 1, torch.where(lower, 0, part.quiet_rounds))
    state.last_decrease[rows] = torch.where(lower | quiet, decrease.clamp_min(0), part.last_decrease)
    lower |= part.heights == torch.inf
    moved = {name: getattr(part, name) for name in ("points", "arc_length", "step_size", "velocity", "momentum")}
    for name, found in {**moved, "heights": heights, "peak_position": peak_position, "insert_positions": insert}.items():
        getattr(state, name)[rows[lower]] = found[lower]
    higher = rows[~lower]  # try again, from rest
    state.velocity[higher] = 0
    state.momentum[higher] = (2 * state.momentum[higher] - 1).clamp_min(0)


def insert_images(state: StringState) -> None:
    """Two more images in every path, where it is highest, with step sizes and velocities between those beside them."""
    where = merged_positions(state.points, state.insert_positions)
    for name in ("arc_length", "step_size"):
        setattr(state, name, interpolate(getattr(state, name)[..., None], where).squeeze(-1))
    state.points, state.velocity = interpolate(state.points, where), interpolate(state.velocity, where)
    state.arc_length = equalise_spacing(state.arc_length, SPACING_EXPONENT)
    state.peak_position = reindex(where, state.peak_position[:, None]).squeeze(1)
    state.insert_positions = (
        reindex(where, state.insert_positions) + 0.5
    )  # images are there now; paths at rest keep halving the same chords


def relax_images(loss: Loss, state: StringState, steps: int, box: Bounds | None) -> None:
    """Images descend orthogonally to their path, by gradient descent with Nesterov's momentum, in place.

    Each has a step size of its own: the inverse of how fast the gradient changes between the places at which it was taken. Momentum
    makes long valleys short. It is not restarted when a force points back, as is usual: images that are put back on their path look as if
    they turned around all the time.
    """
    points = state.points
    inner, velocity, step_size = (getattr(state, name)[:, 1:-1] for name in ("points", "velocity", "step_size"))
    momentum = state.momentum[:, None, None]
    last: tuple[Tensor, Tensor] | None = None  # where the gradient was taken last, and what it was
    for step in range(steps):
        value, gradient = value_and_gradient(loss, inner.flatten(0, 1))
        no_slope = ~(value.isfinite() & gradient.isfinite().all(1))  # in a wall
        held = active_bounds(inner.flatten(0, 1), gradient, box) | no_slope[:, None]
        gradient = gradient.masked_fill(held, 0).view_as(inner)
        chords = points[:, 1:] - points[:, :-1]
        length = chords.norm(dim=2)
        reach = MAX_STEP_FRACTION * torch.minimum(length[:, 1:], length[:, :-1])
        tangents = normalized(chords)
        along = [(gradient * t).sum(2, keepdim=True) * t for t in (tangents[:, 1:], tangents[:, :-1])]
        force = -gradient + (along[0] + along[1]) / 2
        if last is not None:
            distance, change = (inner - last[0]).norm(dim=2), (gradient - last[1]).norm(dim=2)
            step_size.copy_(torch.where(distance > 0, torch.minimum(STEP_GROWTH * step_size, distance / change), step_size))
        last = inner.clone(), gradient
        strength = force.norm(dim=2)
        step_size.copy_(torch.where((step_size == 0) & (strength > 0), INITIAL_STEP_FRACTION * reach / strength, step_size))
        push = step_size[..., None] * force
        velocity.mul_(momentum).add_(push)
        move = momentum * velocity + push
        far = move.norm(dim=2)
        shrink = torch.where(far > reach, reach / far, 1)[..., None]
        inner += move * shrink
        velocity *= shrink
        if box is not None:
            inner.copy_(project_to_box(inner, box))
        if (step + 1) % REPARAMETRISE_EVERY == 0:
            points.copy_(reparametrise(points, state.arc_length))
