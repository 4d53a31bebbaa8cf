"""Many descents at once.

In: a loss and starts ``[k d]``. Out: :class:`Minima` with evidence of convergence. Training by stochastic gradient descent, as in
the papers, if there is data; then descent by a quasi-Newton method until the gradient vanishes. Every start is on its own, and all
are evaluated together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ._checkpoint import Checkpoint
from ._checks import FLOATS, check_count
from ._derivatives import held_back, hessian_product, inside, low_eigenvalues, value_and_gradient
from ._progress import shown
from ._sampling import Places, check_bounds, name_of
from ._types import AnyArray, Bounds, Loss, Points, Rows, Values

if TYPE_CHECKING:
    from pandas import DataFrame

EXACT = "donot_use_mm_for_euclid_dist"  # the faster way cancels catastrophically between near points
ROUNDING = 10  # last digits of a loss that mean nothing
MEMORY = 10  # steps that the quasi-Newton method remembers
TRIALS = 25  # of the length of a step; each halves or doubles it
PATIENCE = 30  # steps without a lower loss or a much shorter gradient before rounding, or a kink, is taken for the end


@dataclass(frozen=True, eq=False)
class Minima:
    """Where descents ended.

    Attributes:
        points: ends of the descents ``[k d]``, in the order of the starts.
        values: loss there ``[k]``.
        gradient_norm: length of the gradient there ``[k]``, in the unit of the loss by that of the points. On a side of the box
            only of what leads inside.
        curvature: lowest eigenvalue of the Hessian ``[k]``, of more than 20 parameters the lowest one found; or None. Not negative at a
            minimum.
        test_error: share of test data that is classified wrongly ``[k]``, or None.
        tolerance: length of the gradient below which a descent counts as converged; of minima that did not come from a descent
            infinite, because nothing is claimed of them.
        bounds: the box ``[d 2]``, or None.
        name: the loss.
    """

    points: Points
    values: Values
    gradient_norm: Values
    curvature: Values | None = None
    test_error: Values | None = None
    tolerance: float = torch.inf
    bounds: Bounds | None = None
    name: str = ""

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Rows | slice | list[int]) -> Minima:
        """Some of the minima."""
        columns = ("points", "values", "gradient_norm", "curvature", "test_error")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns if getattr(self, name) is not None})

    def __repr__(self) -> str:
        low, high, steepest = float(self.values.min()), float(self.values.max()), float(self.gradient_norm.max())
        return f"Minima({len(self)} of {self.name}, losses {low:.4g} to {high:.4g}, gradients up to {steepest:.1g})"

    def nearest(self, k: int) -> Tensor:
        """Pairs of minima of which one is among the k nearest of the other ``[p 2]``: for :func:`connect`, where all pairs are too many."""
        if check_count(k, "k") >= len(self):
            raise ValueError(f"k: expected fewer neighbors than minima, got k = {k} for {len(self)} minima")
        others = torch.cdist(self.points, self.points, compute_mode=EXACT).fill_diagonal_(torch.inf).topk(k, largest=False).indices
        own = torch.arange(len(self), device=others.device)[:, None].expand_as(others)
        pairs = torch.stack([own, others], 2).flatten(0, 1).sort(1).values
        return pairs.unique(dim=0)

    def distinct(self, apart: float, *, by: Tensor | None = None) -> Minima:
        """One of each of those that are within ``apart`` of each other, ascending in loss.

        Args:
            apart: distance, in the unit of the points.
            by: what to compare instead of points ``[k m]``, for example outputs of networks, which do not tell copies with other numbers
                for the same hidden units apart.

        Raises:
            ValueError: if the distance is not positive, or ``by`` has other rows.
        """
        from scipy.sparse.csgraph import connected_components

        if not apart > 0:
            raise ValueError(f"apart: expected a positive distance in the unit of the points, got {apart}")
        by = self.points if by is None else by
        if by.ndim != 2 or len(by) != len(self):
            raise ValueError(f"by: expected a row for each of the {len(self)} minima, got shape {list(by.shape)}")
        order = self.values.argsort(stable=True)
        near = torch.cdist(by[order], by[order], compute_mode=EXACT) < apart
        _, group = connected_components(near.cpu().numpy(), directed=False)
        _, first = np.unique(group, return_index=True)
        return self[order[torch.from_numpy(np.sort(first)).to(order.device)]]

    def table(self) -> DataFrame:
        """The minima as a ``pandas.DataFrame``, one row each."""
        import pandas as pd

        columns = {"loss": self.values, "gradient_norm": self.gradient_norm, "curvature": self.curvature, "test_error": self.test_error}
        return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items() if column is not None})


@dataclass(frozen=True)
class Recipe:
    """Training by stochastic gradient descent with momentum; all networks see the same batches in the same order.

    Args:
        epochs: times that all data are gone through.
        rate: learning rate, at first.
        last_rate: learning rate from epoch ``until`` on; between ``hold`` and there it falls linearly. Default: that of the beginning.
        hold: epochs at the first rate.
        until: first epoch at the last rate.
        batch_size: rows of data a step.
        momentum: part of the last step that goes into the next.

    Raises:
        ValueError: if epochs or batch size are no whole numbers of at least 1, a rate is not positive, or momentum not from 0 to 1.

    Source:
        The two of :cite:t:`barannikov2020loss` are ``Recipe.small()`` and ``Recipe.annealed()``.
    """

    epochs: int
    rate: float
    last_rate: float | None = None
    hold: int = 0
    until: int = 0
    batch_size: int = 256
    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_count(self.epochs, "Recipe.epochs")
        check_count(self.batch_size, "Recipe.batch_size")
        for name, rate in (("rate", self.rate), ("last_rate", self.last_rate)):
            if rate is not None and not rate > 0:
                raise ValueError(f"Recipe.{name}: expected a positive learning rate, got {rate}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"Recipe.momentum: expected at least 0 and less than 1, got {self.momentum}")

    @classmethod
    def small(cls) -> Recipe:
        """A small constant learning rate: 1e-4, 2001 epochs."""
        return cls(2001, 1e-4)

    @classmethod
    def annealed(cls) -> Recipe:
        """5e-2 for 10 epochs, down to 1e-4 at epoch 50, 101 epochs in all."""
        return cls(101, 5e-2, 1e-4, hold=10, until=50)

    def rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        if self.last_rate is None or epoch < self.hold:
            return self.rate
        if epoch >= self.until:
            return self.last_rate
        return self.rate + (self.last_rate - self.rate) * (epoch - self.hold) / (self.until - self.hold)


def find_minima(
    loss: Loss,
    starts: Points | Places,
    *,
    recipe: Recipe | None = None,
    tolerance: float | None = None,
    steps: int = 5000,
    bounds: AnyArray | None = None,
    curvature: bool = False,
    test_error: Callable[[Points], Values] | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Minima:
    """Descend from every start to a minimum, all at once.

    Args:
        loss: pure batched callable, points ``[n d]`` to losses ``[n]``, differentiable by autograd.
        starts: where to begin ``[k d]``.
        recipe: train by stochastic gradient descent first; the loss must be one of :func:`networks.loss_of`.
        tolerance: length of the gradient at which a descent ends; default 1e-6 in float64, 1e-4 in float32.
        steps: most quasi-Newton steps after training; 0: only train.
        bounds: stay in this box ``[d 2]``; default ``loss.bounds`` if there are any.
        curvature: find the lowest eigenvalue of the Hessian at each end.
        test_error: ``[k d] -> [k]``, for example ``lambda points: loss.error(points, test)``.
        seed: of the order of the data in training.
        checkpoint: file in which the state is kept; a run that was killed goes on from there, to the same result.
        progress: show a progress bar; default: when it takes over two seconds.

    Returns:
        Minima, one a start; look at ``gradient_norm`` for those that did not converge.

    Raises:
        ValueError: if the starts are not points of the loss, if a loss there is not finite, if options are out of range, if there is a
            recipe but no data, or if the checkpoint is that of another run.

    Source:
        Limited-memory quasi-Newton descent with the line search of Lewis and Overton, which copes with kinks as ReLU has them.

    Example:
        >>> import torch, lossbarcode as lb
        >>> starts = lb.sample(lb.functions.HumpCamel6(), 64, dtype=torch.float64).points
        >>> minima = lb.find_minima(lb.functions.HumpCamel6(), starts).distinct(1e-3)
        >>> print(minima.table()[["loss"]].round(3).T)
                  0      1      2      3      4      5
        loss -1.032 -1.032 -0.215 -0.215  2.104  2.104
    """
    starts = starts if isinstance(starts, Tensor) else starts[:]
    if starts.ndim != 2 or not len(starts) or starts.dtype not in FLOATS:
        raise ValueError(f"starts: expected float32 or float64 of shape [k d], got {starts.dtype} of shape {list(starts.shape)}")
    tolerance = (1e-6 if starts.dtype == torch.float64 else 1e-4) if tolerance is None else tolerance
    if not tolerance > 0:
        raise ValueError(f"tolerance: expected a positive length of the gradient, got {tolerance}")
    steps = check_count(steps, "steps", least=0)
    bounds = getattr(loss, "bounds", None) if bounds is None else bounds
    box = None if bounds is None else check_bounds(bounds).to(starts)
    kept = Checkpoint(checkpoint, loss, starts, recipe, tolerance, steps, seed, box)
    state = kept.load(starts.device) or {"points": inside(starts.detach().clone(), box)}
    if recipe is not None:
        train(loss, state, recipe, seed, kept, progress)
    descend(loss, state, tolerance, steps, box, kept, progress)
    kept.save(state, now=True)
    points, held = state["points"], held_back(state["points"], state["gradient"], box)
    norm = state["gradient"].masked_fill(held, 0).norm(dim=1)
    lowest = low_eigenvalues(loss, points, ~held)[:, 0] if curvature else None
    wrong = None if test_error is None else test_error(points)
    return Minima(points, state["values"], norm, lowest, wrong, tolerance, box, name_of(loss))


def train(loss: Loss, state: dict, recipe: Recipe, seed: int, kept: Checkpoint, progress: bool | None) -> None:
    """Stochastic gradient descent by the recipe; ``state`` holds the points and goes on where it stopped."""
    data = getattr(loss, "rows", None)
    if data is None:
        raise ValueError(f"recipe: expected a loss with data, made by lb.networks.loss_of, got {name_of(loss)}; leave the recipe out")
    state.setdefault("epoch", 0)
    state.setdefault("velocity", torch.zeros_like(state["points"]))
    epochs = range(state["epoch"], recipe.epochs)
    for epoch in tqdm(epochs, desc="training", unit="epoch", initial=state["epoch"], total=recipe.epochs, **shown(progress)):
        order = torch.randperm(data, generator=torch.Generator().manual_seed(1_000_003 * seed + epoch))
        for rows in order.to(state["points"].device).split(recipe.batch_size):
            _, gradient = value_and_gradient(loss, state["points"], rows)
            state["velocity"].mul_(recipe.momentum).add_(gradient)
            state["points"].sub_(recipe.rate_at(epoch) * state["velocity"])
        state["epoch"] = epoch + 1
        kept.save(state)
    if not state["points"].isfinite().all():
        raise ValueError(f"recipe: expected parameters to stay finite, got some that did not at a rate of {recipe.rate}; lower it")


def descend(loss: Loss, state: dict, tolerance: float, steps: int, box: Bounds | None, kept: Checkpoint, progress: bool | None) -> None:
    """Quasi-Newton descent until gradients are shorter than the tolerance; all starts at once, each with steps of its own.

    ``state`` holds points, values and gradients, and what the method remembers; it goes on where it stopped.
    """
    if "gradient" not in state:
        begin(loss, state)
    points, values, gradient = state["points"], state["values"], state["gradient"]
    with tqdm(desc="descent", unit="step", initial=state["done"], total=steps, **shown(progress)) as bar:
        while state["done"] < steps:
            held = held_back(points, gradient, box)
            slope = gradient.masked_fill(held, 0)
            norm = slope.norm(dim=1)
            rows = ((norm > tolerance) & ~state["stuck"]).nonzero().squeeze(1)
            bar.set_postfix_str(f"{len(rows)} of {len(points)} left", refresh=False)
            if not len(rows):
                return
            slope = slope[rows]
            along = -approximate_inverse(slope, state["steps"][:, rows], state["changes"][:, rows]).masked_fill_(held[rows], 0)
            blind = (state["changes"][-1, rows] == 0).all(1) | ((along * slope).sum(1) >= 0)  # nothing is known, or nothing right
            along[blind] = -slope[blind]
            length = torch.ones_like(norm[rows])
            if blind.any():
                length[blind] = careful_length(loss, points[rows[blind]], slope[blind])
            there, value, slope_there, moved = line_search(loss, points[rows], values[rows], slope, along, length, box)
            slope_there = torch.where(moved[:, None], slope_there, gradient[rows])
            remember(state, rows, there - points[rows], slope_there - gradient[rows], ~moved)
            lower = value < values[rows] - ROUNDING * torch.finfo(values.dtype).eps * values[rows].abs()
            shorter = norm[rows] < 0.9 * state["shortest"][rows]
            state["shortest"][rows] = torch.where(shorter, norm[rows], state["shortest"][rows])
            state["idle"][rows] = torch.where(lower | shorter, 0, state["idle"][rows] + 1)
            state["stuck"][rows] = (~moved & blind) | (state["idle"][rows] >= PATIENCE)
            points[rows], values[rows], gradient[rows] = there, value, slope_there
            state["done"] += 1
            bar.update()
            kept.save(state)


def begin(loss: Loss, state: dict) -> None:
    """What a descent needs besides points."""
    values, gradient = value_and_gradient(loss, state["points"])
    if not values.isfinite().all():
        raise ValueError(
            f"starts: expected a finite loss at every start, got {int((~values.isfinite()).sum())} of {len(values)} without; leave them out"
        )
    nothing = gradient.new_zeros(MEMORY, *gradient.shape)
    state.update(values=values, gradient=gradient, steps=nothing, changes=nothing.clone(), done=0)
    state.update(stuck=torch.zeros_like(values, dtype=torch.bool), idle=torch.zeros_like(values), shortest=gradient.norm(dim=1))


def remember(state: dict, rows: Rows, step: Points, change: Points, forget: Tensor) -> None:
    """The last steps and changes of the gradient, where the loss was convex along the step; none where they misled."""
    convex = (step * change).sum(1) > torch.finfo(step.dtype).eps * change.square().sum(1)
    for name, part in (("steps", step), ("changes", change)):
        newer = torch.cat([state[name][1:, rows], part[None]])
        state[name][:, rows] = torch.where(convex[:, None], newer, state[name][:, rows]).masked_fill(forget[:, None], 0)


def careful_length(loss: Loss, points: Points, slope: Points) -> Values:
    """How far to go along minus the gradient when nothing else is known: to the bottom of the parabola there, not into the next basin."""
    length = slope.norm(dim=1, keepdim=True)
    unit = slope / length
    curvature = (hessian_product(loss, points, unit) * unit).sum(1).abs()
    careful = 1 / length.squeeze(1).clamp_min(1)
    return torch.where(curvature * careful > 1, 1 / curvature, careful)


def approximate_inverse(gradient: Points, steps: Tensor, changes: Tensor) -> Points:
    """The inverse Hessian times the gradient, from the last steps and changes of the gradient ``[m n d]`` (the two-loop recursion)."""
    product = (steps * changes).sum(2)
    weight = torch.where(product > 0, 1 / product, 0)
    part, vector = torch.zeros_like(weight), gradient
    for i in reversed(range(len(steps))):
        part[i] = weight[i] * (steps[i] * vector).sum(1)
        vector = vector - part[i, :, None] * changes[i]
    size = changes[-1].square().sum(1)
    vector = vector * torch.where(size > 0, product[-1] / size, 1)[:, None]
    for i in range(len(steps)):
        vector = vector + (part[i] - weight[i] * (changes[i] * vector).sum(1))[:, None] * steps[i]
    return vector


def line_search(loss: Loss, points: Points, values: Values, slope: Points, along: Points, length: Values, box: Bounds | None):
    """Steps for which the loss falls enough and the slope has risen enough (the weak Wolfe conditions), from first lengths.

    Returns:
        Points, losses and gradients after the step, and whether there was one ``[n]``.
    """
    low, high = torch.zeros_like(length), torch.full_like(length, torch.inf)
    best = [points.clone(), values.clone(), slope.clone(), torch.zeros_like(length, dtype=torch.bool)]
    start = (along * slope).sum(1)
    rounding = ROUNDING * torch.finfo(values.dtype).eps * values.abs()
    rows = torch.arange(len(points), device=points.device)
    for _ in range(TRIALS):
        wanted = points[rows] + length[rows, None] * along[rows]
        there = inside(wanted, box)
        value, gradient = value_and_gradient(loss, there)
        fall = 1e-4 * length[rows] * start[rows]
        falls = (value <= values[rows] + fall + rounding[rows]) & gradient.isfinite().all(1)
        rises = ((gradient * along[rows]).sum(1) >= 0.9 * start[rows]) | (there != wanted).any(1)
        better = rows[falls]
        best[0][better], best[1][better], best[2][better], best[3][better] = there[falls], value[falls], gradient[falls], True
        high[rows[~falls]] = length[rows[~falls]]
        low[better] = length[better]
        rows = rows[~(falls & rises)]
        if not len(rows):
            break
        bounded = high[rows] < torch.inf
        length[rows] = torch.where(bounded, (low[rows] + high[rows]) / 2, 2 * low[rows])
    return best
