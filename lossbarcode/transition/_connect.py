"""From minima to paths between them.

In: a loss and :class:`Minima`. Out: :class:`Paths`, whose graph has a pass for every pair: the highest loss on the path, which is an upper
bound on the lowest pass, and evidence on how good it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor

from .._support.checks import check_count
from .._support.machine import check_memory
from .._support.types import AnyArray, Bounds
from ..losses._boxes import box_of_points, nearest_image
from ..losses._derivatives import evaluate_in_chunks
from ..losses._protocols import Loss, check_rows_independent, name_of, same_losses
from ..losses.networks import NetworkLoss, ProfiledLoss
from ._checkpoints import Checkpoint, drive
from ._minima import Minima
from ._minimax import minimax_heights
from ._paths import Paths
from ._polylines import MAX_COORDINATES, interpolate, losses_at, merged_positions, path_maximum
from ._saddles import look_at
from ._strings import StringState, memory_of_strings, relax


def connect(
    loss: Loss,
    minima: Minima,
    *,
    pairs: AnyArray | None = None,
    initial_images: int = 9,
    steps_per_round: int = 20,
    max_rounds: int = 16,
    height_tolerance: float | None = None,
    adaptive: bool = True,
    hessian_products: int = 20,
    refit: bool | None = None,
    bounds: AnyArray | None = None,
    periodic: bool | Sequence[bool] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Paths:
    """Join minima by paths that are as low as relaxing strings gets them.

    Args:
        loss: the loss of the minima.
        minima: two or more.
        pairs: numbers of the minima to join ``[p 2]``; default: all pairs.
        initial_images: points of a path at first, both ends included; every round inserts two where its loss is highest.
        steps_per_round: steps of descent per round.
        max_rounds: the most rounds; 0: straight lines.
        height_tolerance: a path is left as it is when two rounds in a row change its highest loss by less; unit: the loss. Default: a
            thousandth of the height of the straight line above the lower of its ends, in the median over pairs whose line meets no wall.
            Name a tolerance where straight lines are very high, as with atoms that repel each other: a thousandth is too much there.
        adaptive: stop optimising a path once a chain through other minima is lower than its optimistic height (its height minus twice the
            last decrease). That is a guess: the barcode is the same up to the tolerance where paths reach their passes; where rounds end
            before that, it can be higher than with all paths at full effort.
        hessian_products: products with the Hessian spent on each highest point that the barcode uses; 0: none. With as many as parameters,
            stationary ones can be proven to be saddles (:class:`EndEvidence`).
        refit: solve for the last layer at every place of a finished path, and keep what that lowers: ends stay, and no height rises.
            Default: where :meth:`NetworkLoss.profiled` allows it, and there are no bounds.
        bounds: stay in this box ``[d 2]``; default: that of the minima.
        periodic: which axes are periodic, with the width of the box as the period; one answer for all or one per axis; default: those of
            the minima, or ``loss.periodic``. A path leads to the nearest image of its other end, so its images may lie outside the box; a
            lower pass the other way around is not looked for.
        checkpoint: file in which the state is kept; an interrupted run resumes from it, to the same result, and a finished one goes on with
            more ``max_rounds``.
        progress: show a progress bar; default: when it takes over two seconds.

    Returns:
        Paths. The highest loss of each, also between images, is an upper bound on the lowest pass. A loss of +inf is a wall: a path for
        which no way around it is found has the height +inf, and joins nothing.

    Raises:
        ValueError: if there are fewer than two minima, if their values are not those of this loss, if the loss of a row depends on other
            rows, if it is NaN or -inf on a path, if a pair names a minimum that is not there, if options are out of range, if the box has
            another number of axes than the minima, if its width is not the period, or if the
            checkpoint is that of another run, is damaged, or cannot be written there.
        MemoryError: if the images would not fit into memory.

    Warns:
        UserWarning: if the checkpoint can no longer be written.

    Source:
        Paths and the part of the gradient that moves them are those of :cite:t:`barannikov2020loss`.

    Example:
        >>> import torch, lossbarcode as lb
        >>> camel = lb.functions.SixHumpCamel()
        >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).deduplicate(1e-3)
        >>> bars = lb.barcode(lb.connect(camel, minima, height_tolerance=1e-6))
        >>> print(bars.table()[["birth", "death"]].round(3) + 0)
           birth  death
        0 -1.032    inf
        1 -1.032  0.000
        2 -0.215  0.544
        3 -0.215  0.544
        4  2.104  2.229
        5  2.104  2.229
    """
    pairs = checked_pairs(pairs, minima)
    initial_images = check_count(initial_images, "initial_images", least=3)
    steps_per_round, max_rounds = check_count(steps_per_round, "steps_per_round"), check_count(max_rounds, "max_rounds", least=0)
    hessian_products = check_count(hessian_products, "hessian_products", least=0)
    if not (height_tolerance is None or height_tolerance > 0):
        raise ValueError(f"height_tolerance: expected a positive difference of losses, got {height_tolerance}")
    itemsize = minima.points.element_size()
    need = memory_of_strings(len(pairs), initial_images, max_rounds, minima.points.shape[1], itemsize)
    need += 6 * MAX_COORDINATES * itemsize  # points on paths, which are evaluated in chunks
    check_memory(need, minima.points.device, f"{len(pairs):,} paths", "join fewer pairs, or take fewer images or rounds")
    bounds, around = (minima.bounds if bounds is None else bounds), (minima.periodic if periodic is None else periodic)
    box, axes, faces = box_of_points(loss, bounds, around, minima.points)
    profiled = profiled_for_refit(loss, box, refit)
    check_rows_independent(loss, minima.points)
    check_up_to_date(loss, minima)
    ends = minima.points[pairs]
    if box is not None and axes is not None:
        ends[:, 1] = nearest_image(ends[:, 1], ends[:, 0], box, axes)
    options = {"pairs": pairs, "initial_images": initial_images, "steps_per_round": steps_per_round, "adaptive": adaptive}
    file = Checkpoint(checkpoint, loss, minima.points, **options, height_tolerance=height_tolerance, bounds=box, periodic=axes)
    _, saved = file.load(minima.points.device) or ("", {})
    if height_tolerance is None:
        height_tolerance = thousandth_of_straight_lines(loss, ends, minima.values[pairs].amin(1), pairs)
    state = StringState(**saved) if saved else StringState.straight_lines(loss, ends, pairs, initial_images, height_tolerance)
    file.check_limit(max_rounds, "max_rounds", state.n_rounds)
    steps = relax(
        loss,
        state,
        pairs,
        len(minima),
        steps_per_round=steps_per_round,
        max_rounds=max_rounds,
        height_tolerance=height_tolerance,
        adaptive=adaptive,
        box=faces,
        progress=progress,
    )
    drive(steps, state, file)
    if profiled is not None:
        refit_last_layers(loss, profiled, state, pairs, height_tolerance)
    return make_record(loss, minima, pairs, state, height_tolerance, hessian_products, faces)


def check_up_to_date(loss: Loss, minima: Minima) -> None:
    """Refuse minima whose values are not those of the loss: of another loss, other data, or points that were moved since."""
    points = minima.points
    found = evaluate_in_chunks(loss, points)
    between = evaluate_in_chunks(loss, (points[1:] + points[:-1]) / 2)  # at minima themselves all losses may be close to 0
    stale = ~same_losses(minima.values, found, torch.cat([found, between]))
    if stale.any():
        row = int(stale.nonzero()[0])
        raise ValueError(
            f"minima: expected minima.values to be the loss at minima.points, got {int(stale.sum())} of {len(minima)} that differ, first "
            f"in row {row}: {float(minima.values[row]):.6g} instead of {float(found[row]):.6g}; find them again with this loss, by "
            "lb.find_minima(loss, minima.points)"
        )


def profiled_for_refit(loss: Loss, box: Bounds | None, refit: bool | None) -> ProfiledLoss | None:
    """The loss without its last layer, if it has one that can be solved for anywhere; None if that is not wanted.

    Raises:
        ValueError: if it is asked for, by True, but not possible; None takes it where it is possible.
    """
    if refit is False:
        return None
    try:
        if not isinstance(loss, NetworkLoss):
            raise ValueError(f"refit: expected the loss of a network, by lb.networks.network_loss, got {name_of(loss)}; leave refit out")
        if box is not None:
            raise ValueError("refit: expected no bounds, got a box, which the best last layer may leave; leave refit or bounds out")
        return loss.profiled()
    except ValueError:
        if refit:
            raise
        return None


def refit_last_layers(loss: Loss, profiled: ProfiledLoss, state: StringState, pairs: Tensor, height_tolerance: float) -> None:
    """The best last layer at every image between the ends, and the highest loss anew, where that makes a path no higher.

    Every image falls or stays, but the straight lines between images are new ones, so a whole path may rise: then it is left as it is.
    """
    moved = state.points.clone()
    moved[:, 1:-1] = profiled.refit(state.points[:, 1:-1].flatten(0, 1)).view_as(moved[:, 1:-1])
    found = path_maximum(loss, moved, height_tolerance, pairs)
    lower = found.heights <= state.heights
    state.points = torch.where(lower[:, None, None], moved, state.points)
    state.heights = torch.where(lower, found.heights, state.heights)
    state.peak_position = torch.where(lower, found.peak_position, state.peak_position)


def thousandth_of_straight_lines(loss: Loss, ends: Tensor, low: Tensor, pairs: Tensor) -> float:
    """A thousandth of the height of straight lines ``[p 2 d]`` above their lower ends ``[p]``, in the median over those without a wall."""
    heights = path_maximum(loss, ends, torch.inf, pairs).heights
    if (heights == torch.inf).all():
        values = losses_at(loss, ends, torch.linspace(0, 1, 33, dtype=ends.dtype, device=ends.device).expand(len(ends), -1), pairs)
        heights = torch.where(values < torch.inf, values, -torch.inf).amax(1)
    climbs = (heights - low)[heights < torch.inf]
    return max(1e-3 * float(climbs.median()), torch.finfo(heights.dtype).tiny)


def make_record(
    loss: Loss, minima: Minima, pairs: Tensor, state: StringState, height_tolerance: float, hessian_products: int, box: Bounds | None
) -> Paths:
    """The record: the highest point of each path becomes an image, and is looked at where the barcode uses it."""
    where = merged_positions(state.points, state.peak_position[:, None])
    points, values = interpolate(state.points, where), losses_at(loss, state.points, where, pairs)
    values[:, 0], values[:, -1] = minima.values[pairs].T
    heights, top = values.max(1)
    gradient_norm, lowest_eigenvalue = torch.full_like(heights, torch.nan), torch.full_like(heights, torch.nan)
    negative_eigenvalues = torch.full_like(top, -1)
    if hessian_products:
        used = heights <= minimax_heights(heights, pairs, len(minima))
        used = (used & (heights < torch.inf)).nonzero().squeeze(1)
        found = look_at(loss, points[used, top[used]], box, products=hessian_products)
        for column, evidence in zip((gradient_norm, lowest_eigenvalue, negative_eigenvalues), found, strict=True):
            column[used] = evidence
    evidence = (gradient_norm, lowest_eigenvalue, negative_eigenvalues)
    return Paths(minima, pairs, points, values, heights, state.last_decrease, *evidence, height_tolerance, name_of(loss), hessian_products)


def checked_pairs(pairs: AnyArray | None, minima: Minima) -> Tensor:
    """The pairs asked for, or all."""
    count, device = len(minima), minima.points.device
    if count < 2:
        raise ValueError(f"minima: expected at least two, got {count}; one minimum alone has the bar from its loss to infinity")
    if pairs is None:
        return torch.combinations(torch.arange(count, device=device))
    pairs = torch.as_tensor(pairs, device=device)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype != torch.int64 or not len(pairs):
        raise ValueError(f"pairs: expected whole numbers [p 2], got {pairs.dtype} of shape {list(pairs.shape)}")
    if int(pairs.min()) < 0 or int(pairs.max()) >= count:
        raise ValueError(f"pairs: expected numbers from 0 to {count - 1}, got {int(pairs.min())} to {int(pairs.max())}")
    if (pairs[:, 0] == pairs[:, 1]).any():
        raise ValueError(f"pairs: expected two different minima each, got {pairs[pairs[:, 0] == pairs[:, 1]][0].tolist()}")
    return pairs
