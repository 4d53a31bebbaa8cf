"""Paths by the rules of AutoNEB: nudged elastic bands that get more pivots where they need them.

In: a loss and minima. Out: the highest loss on the path between each pair.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from .._support.checks import check_count
from ..losses._derivatives import normalized, value_and_gradient
from ..losses._protocols import Loss
from ..transition import Minima
from ..transition._connect import checked_pairs
from ..transition._polylines import interpolate, losses_at, merged_positions, reparametrise
from ._published_descent import highest_losses, straight_lines

ROUNDS = 4 * [(0.1, 1)] + 2 * [(0.1, 2)] + 4 * [(0.01, 1)] + 4 * [(0.001, 1)]  # step size, and length as a multiple of the first round
MOMENTUM = 0.9
FIRST_PIVOTS = 3  # besides both ends
INSERTED = 2  # the most new pivots a round
PROBES = 9  # places on a chord whose losses are looked at
THRESHOLD = 0.1  # share of the range of losses on the path by which a loss exceeds the interpolated one where a pivot is wanted


def heights_by_auto_neb(loss: Loss, minima: Minima, *, steps_per_round: int) -> Float[Tensor, " p"]:
    """The highest losses on paths between all pairs of minima, by the rules of AutoNEB.

    Fourteen rounds of a nudged elastic band with infinitely stiff springs: pivots are put back to their places along the path in every
    step, and descend with momentum, without the part of the gradient along the tangent towards the higher neighbor. Between rounds at
    most two pivots are inserted, where the loss between two pivots is higher than the interpolated one by more than a tenth of the range of
    losses on the path. Step sizes fall from 0.1 to 0.001. The published rounds have 1,000 steps, two of them 2,000, with stochastic
    gradients; here gradients are those of the whole loss, and the effort is the number of steps.

    Args:
        loss: of the minima, differentiable.
        minima: two or more.
        steps_per_round: steps of most rounds; two have twice as many.

    Returns:
        The highest loss on each path, also between pivots ``[p]``, in the order of ``torch.combinations``. It bounds the lowest pass.

    Raises:
        ValueError: if there are fewer than two minima, or no steps.

    Source:
        :cite:t:`draxler2018essentially`, with the published configuration of their program.

    Example:
        >>> import torch, lossbarcode as lb
        >>> from lossbarcode import study
        >>> def valley(points):  # a bent one, whose pass at (0, 1) has the loss 0.1
        ...     return 0.1 * (points[:, 0] ** 2 - 1) ** 2 + (points[:, 1] - 1 + points[:, 0] ** 2) ** 2
        >>> minima = lb.find_minima(valley, torch.tensor([[-1.0, 0.1], [1.0, 0.1]], dtype=torch.float64))
        >>> study.heights_by_auto_neb(valley, minima, steps_per_round=20)
        tensor([0.1000], dtype=torch.float64)
    """
    steps_per_round, pairs = check_count(steps_per_round, "steps_per_round"), checked_pairs(None, minima)
    paths = straight_lines(minima.points[pairs], FIRST_PIVOTS + 2)
    arc_length = torch.linspace(0, 1, paths.shape[1], dtype=paths.dtype, device=paths.device).repeat(len(paths), 1)
    for number, (lr, length) in enumerate(ROUNDS):
        if number:
            where = merged_positions(paths, wanted_pivots(loss, paths, pairs))
            paths, arc_length = interpolate(paths, where), interpolate(arc_length[..., None], where).squeeze(-1)
        paths = relax_band(loss, paths, arc_length, minima.values[pairs], lr, length * steps_per_round)
    return highest_losses(loss, paths, minima, pairs)


def wanted_pivots(loss: Loss, paths: Tensor, pairs: Tensor) -> Tensor:
    """Where pivots are to be inserted, as fractional numbers of pivots ``[p 2]``.

    A path that needs fewer gets copies of its end, which stay there and move nothing, so that all paths have equally many.
    """
    chords = paths.shape[1] - 1
    where = torch.linspace(0, chords, chords * (PROBES + 1) + 1, dtype=paths.dtype, device=paths.device).expand(len(paths), -1)
    losses = losses_at(loss, paths, where, pairs)
    pivots = losses[:, :: PROBES + 1]
    part = (where[0, 1:] - where[0, :-1]).cumsum(0)[:PROBES]
    excess = losses[:, :-1].unflatten(1, (chords, PROBES + 1))[:, :, 1:] - torch.lerp(pivots[:, :-1, None], pivots[:, 1:, None], part)
    score, place = excess.max(2)
    needs, chord = (score / (pivots.amax(1) - pivots.amin(1)).clamp_min(1e-12)[:, None]).topk(min(INSERTED, chords), dim=1)
    return torch.where(needs > THRESHOLD, chord + part[place.gather(1, chord)], float(chords))


def relax_band(loss: Loss, paths: Tensor, arc_length: Tensor, end_values: Tensor, lr: float, steps: int) -> Tensor:
    """Pivots after some steps down, with momentum, orthogonally to their path.

    Args:
        loss: differentiable.
        paths: pivots ``[p m d]``; both ends stay.
        arc_length: where pivots belong, as parts of the length of their path ``[p m]``.
        end_values: losses at both ends ``[p 2]``.
        lr, steps: step size, and number of steps.
    """
    velocity = torch.zeros_like(paths[:, 1:-1])
    for _ in range(steps):
        paths = reparametrise(paths, arc_length)
        inner = paths[:, 1:-1]
        values, gradient = value_and_gradient(loss, inner.flatten(0, 1))
        values, gradient = torch.cat([end_values[:, :1], values.view(inner.shape[:2]), end_values[:, 1:]], 1), gradient.view_as(inner)
        tangent = tangents_towards_higher(paths, values)
        velocity = MOMENTUM * velocity + gradient - (gradient * tangent).sum(2, keepdim=True) * tangent
        inner -= lr * velocity
    return paths


def tangents_towards_higher(paths: Tensor, values: Tensor) -> Tensor:
    """Unit tangents at inner pivots ``[p m-2 d]``: the chord to the higher neighbor, and at peaks and dips a mean of both chords.

    There the chords are weighted by how much losses differ along them, so that the tangent does not jump (Henkelman and Jonsson, 2000).
    """
    chords, rise = normalized(paths.diff(dim=1)), values.diff(dim=1)
    before, after = rise[:, :-1], rise[:, 1:]
    steep, gentle = torch.maximum(before.abs(), after.abs()), torch.minimum(before.abs(), after.abs())
    next_is_higher, monotone = before + after > 0, before * after > 0
    forward = torch.where(monotone, next_is_higher.to(steep), torch.where(next_is_higher, steep, gentle))
    backward = torch.where(monotone, 1 - next_is_higher.to(steep), torch.where(next_is_higher, gentle, steep))
    return normalized(forward[..., None] * chords[:, 1:] + backward[..., None] * chords[:, :-1])
