"""From minima to the lowest passes out of them.

In: a loss and minima. Out: a :class:`TransitionNetwork`. What is asked for is checked here; the searches are those of :mod:`._flood`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .._support.checks import check_count
from .._support.machine import check_memory
from .._support.types import AnyArray, Rows
from ..losses._boxes import box_of_points
from ..losses._derivatives import MAX_HESSIAN_PARAMETERS
from ..losses._protocols import Loss, check_rows_independent, name_of
from ._checkpoints import Checkpoint, drive
from ._connect import check_up_to_date
from ._flood import deaths_of, flood_on, next_searches
from ._flood_state import BUDGET, Flood, FloodState, Options, begin, floats_per_search
from ._minima import Minima
from ._saddles import look_at
from ._transition_network import TransitionNetwork, joining_levels


def transition_network(
    loss: Loss,
    minima: Minima,
    *,
    modes: int = 6,
    sweeps: int = 5,
    max_rounds: int = 1000,
    max_cycles: int = 100,
    first_climb: float | None = None,
    max_step: float | None = None,
    gradient_tolerance: float = 1e-8,
    max_steps: int = 5000,
    min_distance: float = 1e-3,
    features: Callable[[Tensor], Tensor] | None = None,
    hessian_products: int = 80,
    bounds: AnyArray | None = None,
    periodic: bool | Sequence[bool] | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> TransitionNetwork:
    """The lowest passes out of minima, by searches from each minimum upwards, and from what they reach.

    Unlike paths between given minima (:func:`connect`), the passes lead to anything lower, and where nothing fails they are stationary
    points; ``kinds`` tells which are. The minima are polished first. Searches leave a minimum along both signs of its softest modes and
    follow the mode to a saddle; then descents lead from it to both sides. Those minima are searched next that are reached over the lowest
    passes, as long as these are below the lowest known way to something lower; searches that rise above what is of use wait, and go on
    when nothing lower is left to do. Then come the next modes, and random soft directions, until two sweeps in a row change no death.

    Only the given minima are searched until something lower is reached. Those found on the way are in ``minima``, too, with passes that may
    be far from the lowest ones out of them. Directions without curvature, such as translations and rotations of a cluster of atoms, are
    symmetries: no search begins along them, and ``features`` should not depend on them.

    Args:
        loss: the loss of the minima, twice differentiable; only products with its Hessian are taken.
        minima: one or more, in float64.
        modes: directions in which a minimum is left in one sweep, both signs of each.
        sweeps: the most sets of directions.
        max_rounds: the most rounds; in one round each given minimum has at most one minimum searched.
        max_cycles: the most steps up of a search.
        first_climb: how far above a given minimum searches lead at first, in the unit of the loss; eight times as far whenever nothing
            lower is found; default: as high as ``max_step`` leads along the stiffest of the modes.
        max_step: longest step, in the unit of the points; default: a twentieth of the mean width of the box, or a hundredth of one plus
            the mean length of the minima. Steps get shorter where curvatures change.
        gradient_tolerance: length of the gradient below which minima and saddles are finished.
        max_steps: the most quasi-Newton steps of a descent.
        min_distance: places closer than this whose losses are equal (up to 1e-10 and rounding) are one minimum, or one saddle.
        features: what to compare instead of points, ``[n d] -> [n m]``, the same for symmetric copies, which then are one minimum.
        hessian_products: products with the Hessian spent on the index of each saddle, and on the lowest eigenvalue of each minimum; with
            as many as parameters, they are exact. Of at most 3,000 parameters all eigenvalues are computed in the end for the passes over
            which given minima are left, and for these minima.
        bounds: stay in this box ``[d 2]``; default: that of the minima.
        periodic: which axes are periodic, with the width of the box as the period; one answer for all or one per axis; default: those of
            the minima, or ``loss.periodic``.
        seed: of the random directions.
        checkpoint: file in which the state is kept after rounds; an interrupted run resumes from it.
        progress: show a progress bar; default: when it takes over two seconds.

    Returns:
        TransitionNetwork. Every pass is an upper bound on the lowest one, by an explicit way; that there is no lower one is not proven.

    Raises:
        ValueError: if the minima are not of this loss or not in float64, if the loss of a row depends on other rows, if options are out of
            range, if the box does not fit, or if the checkpoint is that of another run, is damaged, or cannot be written there.
        MemoryError: if the searches from one minimum would not fit into memory.

    Warns:
        UserWarning: if the checkpoint can no longer be written.

    Source:
        Hybrid eigenvector following and discrete path sampling, as reviewed in Wales, *Energy Landscapes* (2003).

    Example:
        >>> import torch, lossbarcode as lb
        >>> camel = lb.functions.SixHumpCamel()
        >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).deduplicate(1e-3)
        >>> network = lb.transition_network(camel, minima[:3])  # two more are found on the way
        >>> network
        TransitionNetwork(5 minima, 4 passes; SixHumpCamel)
        >>> network.deaths().sort().values.round(decimals=6) + 0
        tensor([0.0000, 0.5437,    inf], dtype=torch.float64)
        >>> {kind.value for kind in network.kinds}
        {'index-1 saddle'}
    """
    if not len(minima):
        raise ValueError("minima: expected at least one, got none; find some by lb.find_minima")
    if minima.points.dtype != torch.float64:
        raise ValueError(
            f"minima: expected float64, got {minima.points.dtype}, which cannot tell a flat place; use loss and starts in float64"
        )
    counts = {"modes": modes, "sweeps": sweeps, "max_cycles": max_cycles, "max_steps": max_steps, "hessian_products": hessian_products}
    modes, sweeps, max_cycles, max_steps, hessian_products = (check_count(count, name) for name, count in counts.items())
    max_rounds = check_count(max_rounds, "max_rounds", least=0)
    lengths = {"first_climb": first_climb, "max_step": max_step, "gradient_tolerance": gradient_tolerance, "min_distance": min_distance}
    for name, length in lengths.items():
        if length is not None and not length > 0:
            raise ValueError(f"{name}: expected a positive number, got {length}; leave it out for the default")
    bounds, around = (minima.bounds if bounds is None else bounds), (minima.periodic if periodic is None else periodic)
    box, axes, faces = box_of_points(loss, bounds, around, minima.points)
    check_rows_independent(loss, minima.points)
    check_up_to_date(loss, minima)
    seen = None if features is None else features(minima.points)
    if features is not None and (not isinstance(seen, Tensor) or seen.ndim != 2 or len(seen) != len(minima)):
        shape = list(seen.shape) if isinstance(seen, Tensor) else type(seen).__name__
        raise ValueError(f"features: expected one row for each of the {len(minima)} minima, got {shape}; map [n d] to [n m]")
    if max_step is None:
        norm = minima.points.norm(dim=1).mean()
        max_step = 0.01 * (1 + float(norm)) if box is None else 0.05 * float((box[:, 1] - box[:, 0]).mean())
    options = Options(
        modes, sweeps, max_rounds, max_cycles, first_climb, max_step, gradient_tolerance, max_steps, min_distance, hessian_products, seed
    )
    one = 2 * modes * floats_per_search(minima.points.shape[1])
    need = max(one, min(one * len(minima), BUDGET)) * minima.points.element_size()
    check_memory(need, minima.points.device, f"{2 * modes} searches from each minimum side by side", "take fewer modes")
    flood = Flood(loss, options, box, axes, faces, features)
    known = {name: value for name, value in vars(options).items() if name not in ("max_rounds", "sweeps")}
    file = Checkpoint(checkpoint, loss, minima.points, **known, features=seen, bounds=box, periodic=axes)
    _, saved = file.load(minima.points.device) or ("", {})
    state = FloodState(**saved) if saved else begin(flood, minima.points)
    file.check_limit(max_rounds, "max_rounds", state.n_rounds)
    drive(flood_on(flood, state, progress), state, file)
    return make_record(flood, state)


def make_record(flood: Flood, state: FloodState) -> TransitionNetwork:
    """The record, with all eigenvalues of the passes that end bars, and of the minima that these are of, if they are not too many."""
    options = flood.options
    n_parameters = state.points.shape[1]
    exact = options.hessian_products >= n_parameters
    has_all_eigenvalues = torch.full_like(state.over_a_top, exact, dtype=torch.bool)
    if not exact and n_parameters <= MAX_HESSIAN_PARAMETERS:
        deaths, _ = deaths_of(state)
        ends = torch.isin(state.heights, deaths).nonzero().squeeze(1)
        _, lowest, negative = look_at(flood.loss, state.saddles[ends], flood.faces, products=n_parameters)
        state.saddle_lowest[ends], state.negative[ends], has_all_eigenvalues[ends] = lowest, negative, True
        given = state.given_row.unique()
        state.lowest_eigenvalue[given] = look_at(flood.loss, state.points[given], flood.faces, products=n_parameters).lowest_eigenvalue
    catalogue = Minima(
        state.points,
        state.values,
        state.gradient_norm,
        state.lowest_eigenvalue,
        gradient_tolerance=options.gradient_tolerance,
        bounds=flood.box,
        periodic=flood.axes,
        name=name_of(flood.loss),
    )
    *_, finished = next_searches(state)
    rows = passes_that_count(state)
    return TransitionNetwork(
        catalogue,
        state.given_row,
        state.saddles[rows],
        state.heights[rows],
        state.saddle_gradient[rows],
        state.saddle_lowest[rows],
        state.negative[rows],
        has_all_eigenvalues[rows],
        state.pairs[rows],
        state.over_a_top[rows].bool(),
        finished,
        options.gradient_tolerance,
        name_of(flood.loss),
    )


def passes_that_count(state: FloodState) -> Rows:
    """All saddles, and those ways over a top that nothing lower has replaced since."""
    tops, saddles = state.over_a_top.nonzero().squeeze(1), (state.over_a_top == 0).nonzero().squeeze(1)
    if not len(tops):
        return saddles
    levels = joining_levels(state.heights, state.pairs, state.pairs[tops, 0], len(state.values))
    lowest = levels.gather(1, state.pairs[tops, 1:]).squeeze(1)
    return torch.cat([saddles, tops[state.heights[tops] <= lowest]]).sort().values
