"""Losses at the points of a box.

In: a loss and a box, an array, or a cloud that someone brings. Out: :class:`Samples`, the losses at n points together
with what is known of their neighbors. Losses are evaluated in chunks, so n is bounded by what is stored, not
by what an evaluation needs in between.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tqdm import tqdm

from .._support.checks import FLOATS, check_count
from .._support.machine import check_memory
from .._support.progress import tqdm_options
from .._support.types import AnyArray, Values
from ..losses._boxes import box_for, box_in, check_periodic
from ..losses._protocols import Loss, check_loss_output, check_rows_independent, name_of
from ._basins import memory_of_basins
from ._points import Method, PointSource, choose_points
from ._samples import Samples

CHUNK_SIZE = 1 << 18  # points per call of the loss; small enough to stay in the cache for simple losses


def sample(
    loss: Loss,
    n: int | tuple[int, ...],
    *,
    bounds: AnyArray | None = None,
    periodic: bool | Sequence[bool] | None = None,
    method: Method = "sobol",
    seed: int = 0,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    chunk_size: int = CHUNK_SIZE,
    progress: bool | None = None,
) -> Samples:
    """Evaluate a loss at n places of a box.

    Args:
        loss: pure batched callable, points ``[c d]`` to losses ``[c]``. +inf means: outside the domain.
        n: number of places. For ``method="grid"`` the number of places along each axis may be given instead, and a
            single number gives the finest grid with equally many along each axis and at most n in all.
        bounds: the box ``[d 2]``; default ``loss.bounds``.
        periodic: which axes are periodic, with the width of the box as their period; one answer for all axes, or one per axis. Samples
            at one end are then neighbors of those at the other. Default ``loss.periodic``, or none.
        method: ``"sobol"``: scrambled Sobol' points, even and hence with few spurious minima; ``"uniform"``:
            independent points, as in the papers; ``"grid"``: a regular grid, ends included, with implicit neighbors;
            ``"lattice"``: a rank-1 lattice (:class:`Lattice`), even in every dimension, with implicit neighbors: for
            large n, because neither points nor neighbors are stored or searched for. Above six dimensions a product of two
            or three lattices, at most n points in all.
        seed: of the points, or of the lattice's shift. A grid has no randomness and does not use it.
        device: where to evaluate and store; default the CPU. The points do not depend on it.
        dtype: float32 or float64; default torch's default.
        chunk_size: points per call of the loss. The result does not depend on it if the loss treats rows separately.
        progress: show a progress bar; default: when it takes over two seconds.

    Returns:
        Samples, on ``device`` and in ``dtype``.

    Raises:
        ValueError: if the box is missing or empty, if n is not positive or the method unknown, if the loss returns
            another shape, dtype or device than asked for, or lets rows depend on each other, or if a loss is NaN or -inf.
        MemoryError: if the losses (and the points, where they are stored) would not fit into memory.

    Source:
        Uniform points are those of Algorithm 1 of :cite:t:`barannikov2023barcodes`.

    Example:
        >>> import lossbarcode as lb
        >>> lb.sample(lb.functions.SixHumpCamel(), 4096)
        Samples(SixHumpCamel, 4,096 sobol points, seed 0, losses -1.03 to 16.42)
    """
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if dtype not in FLOATS:
        raise ValueError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
    bounds = box_for(loss, bounds).to(device=device)
    box, axes = box_in(dtype, bounds), check_periodic(loss, periodic, bounds)
    chunk_size = check_count(chunk_size, "chunk_size")
    points = choose_points(n, bounds, method, seed, dtype, tuple(axes.tolist()))
    values = evaluate(loss, points, chunk_size, dtype, bounds.device, progress)
    drawn = f"{len(points):,} {method} points" + (f", seed {seed}" if method != "grid" else "")
    return Samples(points, values, box, getattr(points, "neighbors", None), f"{name_of(loss)}, {drawn}", axes)


def evaluate(loss: Loss, points: PointSource, chunk_size: int, dtype: torch.dtype, device: torch.device, progress: bool | None) -> Values:
    """Losses of all points, ``chunk_size`` at a time, each answer checked against its promise."""
    n = len(points)
    # Whoever samples wants basins next, and should not hear only then that these do not fit.
    need = n * dtype.itemsize + max(8 * chunk_size * points.shape[1] * dtype.itemsize, memory_of_basins(n, device))
    check_memory(need, device, f"losses of {n:,} samples and their basins", "use fewer samples or float32")
    check_rows_independent(loss, points[torch.tensor([0, n - 1])])
    values = torch.empty(n, dtype=dtype, device=device)
    with torch.no_grad(), tqdm(total=n, desc="loss", unit="point", unit_scale=True, **tqdm_options(progress)) as bar:
        for start in range(0, n, chunk_size):
            stop = min(start + chunk_size, n)
            chunk = points[start:stop]
            values[start:stop] = check_loss_output(loss(chunk), chunk)
            bar.update(stop - start)
    return values
