"""Many descents at once.

In: a loss and starts ``[k d]``. Out: :class:`Minima`, with what is known of their convergence. Training by stochastic gradient descent, as
in the papers, if there is data; then quasi-Newton descent until the gradient vanishes. Every start is on its own, and all are evaluated
together.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from .._support.checks import FLOATS, check_count
from .._support.types import AnyArray, Points, PointSource
from ..losses._boxes import box_of_points, project_to_box, wrap_into_box
from ..losses._derivatives import lowest_eigenvalues
from ..losses._protocols import Loss, check_rows_independent, name_of
from ._checkpoints import Checkpoint, drive
from ._descent import DescentState, descend, projected_gradient
from ._minima import GRADIENT_TOLERANCES, Minima
from ._training import TrainingSchedule, TrainingState, check_trainable, train


def find_minima(
    loss: Loss,
    starts: AnyArray | PointSource,
    *,
    training: TrainingSchedule | None = None,
    gradient_tolerance: float | None = None,
    max_steps: int = 5000,
    bounds: AnyArray | None = None,
    periodic: bool | Sequence[bool] | None = None,
    lowest_eigenvalue: bool = False,
    test_error: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Minima:
    """Descend from every start to a minimum, all at once.

    Args:
        loss: pure batched callable, points ``[n d]`` to losses ``[n]``, differentiable by autograd.
        starts: where to begin ``[k d]``: float32 or float64, as a tensor, an array or lists; whole numbers get PyTorch's default dtype.
        training: train by this schedule first; the loss must be one on data, as those of :func:`networks.network_loss` are.
        gradient_tolerance: length of the gradient at which a descent ends; default 1e-6 in float64, 1e-4 in float32.
        max_steps: most quasi-Newton steps after training; 0: only train.
        bounds: stay in this box ``[d 2]``; default ``loss.bounds`` if there are any.
        periodic: which axes are periodic, with the width of the box as the period; one answer for all or one per axis; default
            ``loss.periodic``, or none. A descent goes on through the faces of such an axis, and its end is the image within the box.
        lowest_eigenvalue: find the lowest eigenvalue of the Hessian at each end. Of more than 20 parameters that is a Ritz value, which
            bounds the lowest eigenvalue from above.
        test_error: ``[k d] -> [k]``, for example ``lambda points: loss.error_rate(points, test)``.
        seed: of the order of the data in training.
        checkpoint: file in which the state is kept; an interrupted run resumes from it, to the same result, and a finished one goes on with
            more ``max_steps``.
        progress: show a progress bar; default: when it takes over two seconds.

    Returns:
        Minima, one per start; ``converged`` tells those whose gradient vanishes.

    Raises:
        ValueError: if the starts are not points of the loss, if a loss or gradient there is not finite, if the loss of a row depends on
            other rows, if options are out of range, if the box has another number of axes than the starts, if its width is not the
            period, if there is a training schedule but no data, or if the
            checkpoint is that of another run, is damaged, or cannot be written there.

    Warns:
        UserWarning: if descents met a loss of NaN or -inf: they end where they were before, and have not converged; or if the checkpoint
            can no longer be written.

    Source:
        Limited-memory quasi-Newton descent with the line search of Lewis and Overton, which copes with kinks as ReLU has them.

    Example:
        >>> import torch, lossbarcode as lb
        >>> camel = lb.functions.SixHumpCamel()
        >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).deduplicate(1e-3)
        >>> print(minima.table()[["value"]].round(3).T)
                   0      1      2      3      4      5
        value -1.032 -1.032 -0.215 -0.215  2.104  2.104
    """
    starts = checked_starts(starts)
    gradient_tolerance = GRADIENT_TOLERANCES[starts.dtype] if gradient_tolerance is None else gradient_tolerance
    if not gradient_tolerance > 0:
        raise ValueError(f"gradient_tolerance: expected a positive length of the gradient, got {gradient_tolerance}")
    max_steps = check_count(max_steps, "max_steps", least=0)
    bounds = getattr(loss, "bounds", None) if bounds is None else bounds
    box, axes, faces = box_of_points(loss, bounds, periodic, starts)
    check_rows_independent(loss, project_to_box(starts, faces))
    options = {"training": training, "gradient_tolerance": gradient_tolerance, "seed": seed, "bounds": box, "periodic": axes}
    file = Checkpoint(checkpoint, loss, starts, **options)
    kind, saved = file.load(starts.device) or ("", {})
    if kind == DescentState.__name__:
        state = DescentState(**saved)
    else:
        points = project_to_box(starts.clone(), faces)
        if training is not None:
            data_loss = check_trainable(loss)
            trained = TrainingState.from_state_dict(saved, training) if saved else TrainingState(points, training)
            drive(train(data_loss, trained, training, seed, progress), trained, file)
            points = trained.points
        state = DescentState.begin(loss, points)
    file.check_limit(max_steps, "max_steps", state.n_steps)
    drive(descend(loss, state, gradient_tolerance, max_steps, faces, progress), state, file)
    if state.undefined.any():
        rows = state.undefined.nonzero().squeeze(1)
        warnings.warn(
            f"{len(rows)} of {len(starts)} descents met a loss of NaN or -inf, the first from start {int(rows[0])}; NaN was taken for "
            "the outside of the domain, and -inf ended a descent; mend the loss, or let it return +inf outside its domain",
            stacklevel=2,
        )
    slope, active = projected_gradient(state, faces)
    lowest = lowest_eigenvalues(loss, state.points, ~active)[:, 0] if lowest_eigenvalue else None
    points = state.points if box is None or axes is None else wrap_into_box(state.points, box, axes)
    error = None if test_error is None else test_error(points)
    return Minima(points, state.values, slope.norm(dim=1), lowest, error, gradient_tolerance, box, axes, name_of(loss))


def checked_starts(starts: AnyArray | PointSource) -> Points:
    """The starts as a tensor ``[k d]``."""
    if isinstance(starts, PointSource):  # tensors and arrays are, too
        starts = starts[:]
    if not isinstance(starts, Tensor):
        try:
            starts = torch.from_numpy(np.array(starts))
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"starts: expected numbers of shape [k d], got {type(starts).__name__} ({error})") from error
    if not (starts.is_floating_point() or starts.is_complex()):
        starts = starts.to(torch.get_default_dtype())
    if starts.ndim != 2 or 0 in starts.shape or starts.dtype not in FLOATS:
        raise ValueError(f"starts: expected float32 or float64 of shape [k d], got {starts.dtype} of shape {list(starts.shape)}")
    return starts.detach()
