"""The bars of one set of trained networks, as rows of a table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._support.types import Points, Rows
from ..losses.data import Data
from ..losses.networks import NetworkLoss, network_loss
from ..transition import Minima, Paths, TrainingSchedule, connect, find_minima

COLUMNS = ["birth", "death", "gradient_norm", "last_decrease", "saddle_evidence", "minimum_reached", "quiet", "end_evidence"]
# Coarser than the defaults of find_minima: networks of thousands of parameters rarely get closer in the steps that they are given.
GRADIENT_TOLERANCES = {torch.float64: 1e-4, torch.float32: 1e-2}


def network_bars(
    module: nn.Module,
    data: Data,
    networks: int,
    *,
    samples: int | None = None,
    criterion: Callable[..., Tensor] = F.cross_entropy,
    l2: float = 0.0,
    training: TrainingSchedule | None = None,
    max_steps: int = 5000,
    gradient_tolerance: float | None = None,
    initial_images: int = 9,
    max_rounds: int = 16,
    align: bool = True,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
) -> list[dict[str, Any]]:
    """Train networks, permute their hidden units, join them by paths, and tabulate their bars with evidence: a job for :func:`run_jobs`.

    Args:
        module: one network, on the device and in the dtype in which all of them are trained.
        data: what they learn, and what their test errors are measured on.
        networks: how many networks.
        samples: train on the first ``samples`` rows of the training data; default: on all.
        criterion, l2: as for :func:`networks.network_loss`.
        training, max_steps: as for :func:`find_minima`.
        gradient_tolerance: as for :func:`find_minima`; default 1e-4 in float64, 1e-2 in float32.
        initial_images, max_rounds: as for :func:`connect`.
        align: permute hidden units so that every network lies close to the first one (:func:`networks.align`).
        seed: of the initial parameters, and of the order of the data in training.
        checkpoint: beginning of the names of two files that hold the state until the function returns.

    Returns:
        One row per bar: ``parameters`` (their number), ``birth``, ``death``, ``gradient_norm``, ``last_decrease``, ``saddle_evidence``,
        ``minimum_reached``, ``quiet``, ``end_evidence`` as in :meth:`Paths.bars_table`, and ``test_error`` of its minimum; and in every row
        ``mean_loss`` and ``mean_test_error`` of all networks, including those without a bar, which can be left without a climb.

    Example:
        >>> import torch, lossbarcode as lb
        >>> from lossbarcode import study
        >>> module = lb.networks.FullyConnected(64, (3,), 10, torch.nn.Tanh).double()
        >>> rows = study.network_bars(module, lb.data.digits(), 3, samples=50, l2=1e-2, max_rounds=2)
        >>> all(row["minimum_reached"] for row in rows)
        True
    """
    files = [Path(f"{checkpoint}.{part}") for part in ("minima", "paths")] if checkpoint is not None else []
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    minima_file, paths_file = files or (None, None)
    loss = network_loss(module, (data.train[0][:samples], data.train[1][:samples]), criterion, l2=l2)
    minima = find_minima(
        loss,
        loss.initial_parameters(networks, seed=seed),
        training=training,
        max_steps=max_steps,
        gradient_tolerance=GRADIENT_TOLERANCES[loss.dtype] if gradient_tolerance is None else gradient_tolerance,
        test_error=lambda points: loss.error_rate(points, data.test),
        seed=seed,
        checkpoint=minima_file,
    )
    if align:
        minima = minima.aligned(loss)
    paths = connect(loss, minima, initial_images=initial_images, max_rounds=max_rounds, checkpoint=paths_file)
    for file in files:
        file.unlink(missing_ok=True)  # it is not there if the disk was full
    errors = cast("Tensor", minima.test_error)  # it was asked for
    means = {"mean_loss": float(minima.values.mean()), "mean_test_error": float(errors.mean())}
    return [{"parameters": loss.n_parameters, **row, **means} for row in bar_rows(paths)]


def class_bars(loss: NetworkLoss, minima: Minima, *, neighbors: int) -> list[dict[str, Any]]:
    """The bars of minima of one network, one of each class of copies: each is joined with the lowest and with its nearest neighbors.

    Hidden units are permuted first so that every network lies close to the first one (:func:`networks.align`). A path to a copy of
    something lower is a path to something lower, so every death is an upper bound.

    Args:
        loss: of the networks, by :func:`networks.network_loss`.
        minima: one per class, ascending in loss, as :meth:`Minima.deduplicate` returns them.
        neighbors: how many nearest neighbors each is joined with.

    Returns:
        One row per bar, with the columns of :meth:`Paths.bars_table` that tables keep.

    Raises:
        ValueError: if there are fewer than two minima.

    Example:
        >>> import torch, lossbarcode as lb
        >>> from lossbarcode import study
        >>> x = torch.linspace(-2, 2, 40, dtype=torch.float64)[:, None]
        >>> module = lb.networks.FullyConnected(1, (2,), 1, torch.nn.Tanh).double()
        >>> loss = lb.networks.network_loss(module, (x, torch.sin(3 * x)), torch.nn.functional.mse_loss, l2=1e-3)
        >>> ends = lb.find_minima(loss, 2 * loss.initial_parameters(20))
        >>> classes = ends.deduplicate(1e-2, features=study.copy_invariants(loss, ends.points))
        >>> rows = study.class_bars(loss, classes, neighbors=2)
        >>> rows[0]["death"], len(rows) <= len(classes)
        (inf, True)
    """
    if len(minima) < 2:
        raise ValueError(f"minima: expected at least two, got {len(minima)}")
    minima = minima.aligned(loss)
    pairs = minima.nearest_pairs(min(neighbors, len(minima) - 1))
    others = torch.arange(1, len(minima), device=pairs.device)
    with_lowest = torch.stack([torch.zeros_like(others), others], 1)
    return bar_rows(connect(loss, minima, pairs=torch.cat([pairs, with_lowest]).unique(dim=0)))


def bar_rows(paths: Paths) -> list[dict[str, Any]]:
    """The columns of :meth:`Paths.bars_table` that tables keep, and the test error of each minimum where it is known."""
    table, columns, error = paths.bars_table(), COLUMNS, paths.minima.test_error
    if error is not None:
        table["test_error"] = error.cpu().numpy()[table["minimum_row"]]
        columns = [*columns, "test_error"]
    return table.loc[:, columns].to_dict("records")


def copy_invariants(loss: NetworkLoss, points: Points) -> Tensor:
    """Numbers that are equal for all copies of a network: its outputs on the data, and the norms of its weights and biases ``[k m]``.

    Copies differ by a permutation of hidden units, or by their signs where the activation is odd.

    Args:
        loss: of the networks, by :func:`networks.network_loss`.
        points: networks ``[k d]``.

    Returns:
        Features for :meth:`Minima.deduplicate` ``[k m]``.

    Example:
        >>> import torch, lossbarcode as lb
        >>> from lossbarcode import study
        >>> x = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
        >>> module = lb.networks.FullyConnected(1, (2,), 1, torch.nn.Tanh).double()
        >>> loss = lb.networks.network_loss(module, (x, x), torch.nn.functional.mse_loss)
        >>> point = torch.tensor([[1, 2, 3, 4, 5, 6, 7]], dtype=torch.float64)
        >>> copy = torch.tensor([[2, -1, 4, -3, 6, -5, 7]], dtype=torch.float64)  # units exchanged, the second with its sign changed
        >>> torch.allclose(study.copy_invariants(loss, point), study.copy_invariants(loss, copy))
        True
    """
    norms = torch.stack([part.flatten(1).norm(dim=1) for part in torch.vmap(loss.parameters)(points).values()], 1)
    return torch.cat([loss.outputs(points).flatten(1), norms], 1)


def evenly_spaced(count: int, limit: int) -> Rows:
    """At most ``limit`` rows of ``count``, from the first to the last at even distances: all rows if there are no more than ``limit``.

    Example:
        >>> from lossbarcode import study
        >>> study.evenly_spaced(10, 4)
        tensor([0, 3, 6, 9])
    """
    return torch.linspace(0, count - 1, min(count, limit)).round().long()
