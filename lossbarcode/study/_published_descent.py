"""Paths as the papers make them.

In: a loss and minima. Out: the highest loss on the path between each pair. Images descend, none are spread again, and now and then the
chords with the highest losses get a midpoint.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from .._support.checks import check_count
from ..losses._derivatives import value_and_gradient
from ..losses._protocols import Loss
from ..transition import Minima
from ..transition._connect import checked_pairs, thousandth_of_straight_lines
from ..transition._polylines import interpolate, losses_at, merged_positions, path_maximum

PROBES = 3  # places on a chord whose losses are looked at
INSERTED = 2  # midpoints a round


def heights_as_published(
    loss: Loss, minima: Minima, *, lr: float, steps_per_round: int, rounds: int = 10, images: int = 19
) -> Float[Tensor, " p"]:
    """The highest losses on paths between all pairs of minima, by the algorithm of the second paper.

    Straight lines of 19 images descend (:func:`descend_as_published`), and between two rounds the two chords with the highest loss at three
    places get a midpoint. The paper's round is 20 epochs of stochastic gradients; here gradients are those of the whole loss, and the
    effort is the number of steps.

    Args:
        loss: of the minima, differentiable.
        minima: two or more.
        lr: step size.
        steps_per_round: steps of descent in each round.
        rounds: number of rounds; the paper's 201 epochs are ten.
        images: of each path at first.

    Returns:
        The highest loss on each path, also between images ``[p]``, in the order of ``torch.combinations``. It bounds the lowest pass.

    Raises:
        ValueError: if there are fewer than two minima, or numbers are out of range.

    Source:
        The algorithm of :cite:t:`barannikov2020loss`.

    Example:
        >>> import torch, lossbarcode as lb
        >>> from lossbarcode import study
        >>> camel = lb.functions.SixHumpCamel()
        >>> minima = lb.find_minima(camel, torch.tensor([[0.1, -0.7], [-0.1, 0.7]], dtype=torch.float64))  # the pass between is at 0
        >>> bool(study.heights_as_published(camel, minima, lr=0.01, steps_per_round=5) < 1e-6)
        True
    """
    check_rate(lr)
    steps_per_round, rounds = check_count(steps_per_round, "steps_per_round"), check_count(rounds, "rounds")
    pairs = checked_pairs(None, minima)
    paths = straight_lines(minima.points[pairs], check_count(images, "images", least=3))
    for number in range(rounds):
        paths = descend_as_published(loss, insert_midpoints(loss, paths, pairs) if number else paths, lr=lr, steps=steps_per_round)
    return highest_losses(loss, paths, minima, pairs)


def descend_as_published(loss: Loss, paths: Tensor, *, lr: float, steps: int) -> Tensor:
    """Move the images of paths by plain gradient descent, without the part of the gradient along the path.

    From the gradient at each image the mean of its projections on the two neighboring chords is subtracted. :func:`connect` inserts images
    and spaces them evenly again in addition; this function shows what happens without that.

    Args:
        loss: points ``[n d]`` to losses ``[n]``.
        paths: images of each path ``[p m d]``; the first and the last stay.
        lr: step size.
        steps: number of steps.

    Returns:
        The moved images ``[p m d]``.

    Source:
        The algorithm of :cite:t:`barannikov2020loss`.

    Example:
        >>> import torch
        >>> from lossbarcode import study
        >>> line = torch.tensor([[[-1.0, 0.5], [0.0, 0.5], [1.0, 0.5]]])
        >>> study.descend_as_published(lambda x: x[:, 1] ** 2, line, lr=0.5, steps=1)[0, 1]
        tensor([0., 0.])
    """
    paths = paths.clone()
    for _ in range(steps):
        points = paths[:, 1:-1]
        gradient = value_and_gradient(loss, points.flatten(0, 1))[1].view_as(points)
        chords = normalize(paths.diff(dim=1), dim=2)
        before, after = ((gradient * chord).sum(2, keepdim=True) * chord for chord in (chords[:, :-1], chords[:, 1:]))
        paths[:, 1:-1] -= lr * (gradient - (before + after) / 2)
    return paths


def check_rate(lr: float) -> None:
    """A step size is positive."""
    if not lr > 0:
        raise ValueError(f"lr: expected a positive step size, got {lr}; 0.1 suits small networks")


def straight_lines(ends: Tensor, images: int) -> Tensor:
    """Images ``[p images d]`` evenly on straight lines between ends ``[p 2 d]``."""
    return torch.lerp(ends[:, :1], ends[:, 1:], torch.linspace(0, 1, images, dtype=ends.dtype, device=ends.device)[:, None])


def insert_midpoints(loss: Loss, paths: Tensor, pairs: Tensor) -> Tensor:
    """Paths with a midpoint more in each of the two chords with the highest losses."""
    chords = paths.shape[1] - 1
    inside = torch.arange(1, PROBES + 1, dtype=paths.dtype, device=paths.device) / (PROBES + 1)
    where = (torch.arange(chords, dtype=paths.dtype, device=paths.device)[:, None] + inside).flatten().expand(len(paths), -1)
    highest = losses_at(loss, paths, where, pairs).unflatten(1, (chords, PROBES)).amax(2)
    middles = highest.topk(min(INSERTED, chords), dim=1).indices + 0.5
    return interpolate(paths, merged_positions(paths, middles.to(paths.dtype)))


def highest_losses(loss: Loss, paths: Tensor, minima: Minima, pairs: Tensor) -> Float[Tensor, " p"]:
    """The highest loss on each path, as exactly as :func:`connect` has it."""
    tolerance = thousandth_of_straight_lines(loss, minima.points[pairs], minima.values[pairs].amin(1), pairs)
    return path_maximum(loss, paths, tolerance, pairs).heights
