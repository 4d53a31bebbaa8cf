"""Where to evaluate a loss.

In: a loss and a box, an array, or a cloud that someone brings. Out: :class:`Samples`, the losses at n places together
with what is known about who is next to whom. Losses are evaluated in chunks, so n is bounded by what is stored, not
by what an evaluation needs in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from ._checks import FLOATS, as_float_tensor, check_count, check_values
from ._machine import check_memory
from ._neighbors import Grid, Neighbors, Offsets, even_places
from ._progress import shown
from ._types import AnyArray, Bounds, Loss, Points, Rows, Values

CHUNK = 1 << 18  # places a call of the loss; small enough to stay in the cache for simple losses
SOBOL_LIMIT = 1 << 30  # torch's Sobol' numbers have 30 bits


class Places(Protocol):
    """Points ``[n d]``: a tensor, or something that computes the rows it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Rows | slice, /) -> Points: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class RegularPoints:
    """The points of a grid or a lattice over a box, computed when asked for: ``points[rows]`` is ``[m d]``."""

    places: Offsets
    bounds: Bounds
    dtype: torch.dtype

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.places), len(self.bounds)

    @property
    def device(self) -> torch.device:
        return self.bounds.device

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: Rows | slice | Sequence[int]) -> Points:
        if isinstance(rows, slice):
            rows = torch.arange(*rows.indices(len(self)), device=self.device)
        rows = torch.as_tensor(rows, device=self.device)
        if rows.dtype == torch.bool:
            rows = rows.nonzero().squeeze(1)
        rows = torch.where(rows < 0, rows + len(self), rows)
        if rows.numel() and (int(rows.min()) < 0 or int(rows.max()) >= len(self)):
            raise IndexError(f"rows: expected numbers below {len(self)}, got {int(rows.min())} to {int(rows.max())}")
        # weights that add up to exactly 1 keep the ends of a grid exact
        weight = self.places.position(rows)
        low, high = self.bounds.double().T
        return (low * (1 - weight) + high * weight).to(self.dtype)


@dataclass(frozen=True, eq=False)
class Samples:
    """Losses at n places.

    Attributes:
        points: the places ``[n d]``. A tensor, or on a grid an object that computes the rows it is asked for:
            ``points[rows]`` works for both.
        values: loss at each place ``[n]``; +inf: outside the domain.
        bounds: the box that was sampled ``[d 2]``.
        neighbors: who is next to whom, or None: to be found by a search for nearest neighbors.
        name: what was sampled and how, for titles.

    Raises:
        ValueError: if there is not one loss a point, or if a loss is NaN or -inf.
    """

    points: Places
    values: Values
    bounds: Bounds
    neighbors: Neighbors | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.values.dtype not in FLOATS or tuple(self.values.shape) != (len(self.points),):
            raise ValueError(
                f"Samples.values: expected float32 or float64 of shape ({len(self.points)},), one a point, "
                f"got {self.values.dtype} of shape {tuple(self.values.shape)}"
            )
        check_values(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Samples({self.name or len(self)}, losses {float(self.values.min()):.4g} to {float(self.values.max()):.4g})"


def sample(
    loss: Loss,
    n: int | tuple[int, ...],
    *,
    bounds: AnyArray | None = None,
    method: str = "sobol",
    seed: int = 0,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    chunk_size: int = CHUNK,
    progress: bool | None = None,
) -> Samples:
    """Evaluate a loss at n places of a box.

    Args:
        loss: pure batched callable, points ``[c d]`` to losses ``[c]``. +inf means: outside the domain.
        n: number of places. For ``method="grid"`` the number of places along each axis may be given instead, and a
            single number gives the finest grid with equally many along each axis and at most n in all.
        bounds: the box ``[d 2]``; default ``loss.bounds``.
        method: ``"sobol"``: scrambled Sobol' points, even and hence with few spurious minima; ``"uniform"``:
            independent points, as in the papers; ``"grid"``: a regular grid, ends included, with implicit neighbors;
            ``"lattice"``: a rank-1 lattice (:class:`Lattice`), even in every dimension, with implicit neighbors: for
            large n, because neither points nor neighbors are stored or searched for. Above six dimensions a product of two
            or three lattices, at most n points in all.
        seed: of the points, or of the lattice's shift. A grid has no randomness and does not use it.
        device: where to evaluate and store; default the CPU. The points do not depend on it.
        dtype: float32 or float64; default torch's default.
        chunk_size: places a call of the loss. The result does not depend on it if the loss treats rows separately.
        progress: show a progress bar; default: when it takes over two seconds.

    Returns:
        Samples, on ``device`` and in ``dtype``.

    Raises:
        ValueError: if the box is missing or empty, if n is not positive or the method unknown, if the loss returns
            another shape, dtype or device than asked for, or if a loss is NaN or -inf.
        MemoryError: if the losses (and the points, where they are stored) would not fit into memory.

    Source:
        Uniform points are those of Algorithm 1 of :cite:t:`barannikov2023barcodes`.

    Example:
        >>> import lossbarcode as lb
        >>> lb.sample(lb.functions.HumpCamel6(), 4096)
        Samples(HumpCamel6, 4,096 sobol points, seed 0, losses -1.03 to 16.42)
    """
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if dtype not in FLOATS:
        raise ValueError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
    bounds = box_of(loss, bounds).to(device=device)
    chunk_size = check_count(chunk_size, "chunk_size")
    points = place(n, bounds, method, seed, dtype)
    values = evaluate(loss, points, chunk_size, dtype, bounds.device, progress)
    drawn = f"{len(points):,} {method} points" + (f", seed {seed}" if method != "grid" else "")
    return Samples(points, values, bounds.to(dtype), getattr(points, "places", None), f"{name_of(loss)}, {drawn}")


def place(n, bounds: Bounds, method: str, seed: int, dtype: torch.dtype) -> Places:
    """Points of a box by one of the methods of :func:`sample`."""
    d = len(bounds)
    if method == "grid":
        if not isinstance(n, tuple | list):
            side = round(check_count(n, "n") ** (1 / d))
            n = (side - (side**d > n),) * d
        if len(n) != d:
            raise ValueError(f"n: expected a number of samples or one along each of {d} axes, got {n!r}")
        return RegularPoints(Grid(tuple(n)), bounds, dtype)
    n = check_count(n, "n")
    if method == "lattice":
        return RegularPoints(even_places(n, d, seed), bounds, dtype)
    if method not in ("uniform", "sobol"):
        raise ValueError(f"method: expected 'sobol', 'uniform', 'grid' or 'lattice', got {method!r}")
    if method == "sobol" and n > SOBOL_LIMIT:
        raise ValueError(f"n: expected at most {SOBOL_LIMIT} for method='sobol', got {n}; use 'lattice'")
    check_memory(3 * n * d * dtype.itemsize, bounds.device, f"{n:,} {method} points", "method='lattice' and 'grid' store no points")
    if method == "uniform":
        unit = torch.rand(n, d, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    else:
        unit = torch.quasirandom.SobolEngine(d, scramble=True, seed=seed).draw(n, dtype=dtype)
    low, high = bounds.to(dtype).T
    return torch.addcmul(low, unit.to(bounds.device), high - low)


def evaluate(loss: Loss, points: Places, chunk_size: int, dtype: torch.dtype, device: torch.device, progress: bool | None) -> Values:
    """Losses of all points, ``chunk_size`` at a time, each answer checked against its promise."""
    n = len(points)
    need = n * dtype.itemsize + 8 * chunk_size * points.shape[1] * dtype.itemsize
    check_memory(need, device, f"losses of {n:,} samples", "use fewer samples or float32")
    values = torch.empty(n, dtype=dtype, device=device)
    with torch.no_grad(), tqdm(total=n, desc="loss", unit="point", unit_scale=True, **shown(progress)) as bar:
        for start in range(0, n, chunk_size):
            stop = min(start + chunk_size, n)
            chunk = loss(points[start:stop])
            if not isinstance(chunk, Tensor) or chunk.shape != (stop - start,) or chunk.dtype != dtype or chunk.device != values.device:
                got = f"{chunk.dtype} of shape {list(chunk.shape)} on {chunk.device}" if isinstance(chunk, Tensor) else type(chunk).__name__
                raise ValueError(
                    f"loss: expected {dtype} of shape [{stop - start}] on {values.device} for points of shape "
                    f"{[stop - start, points.shape[1]]}, got {got}; a loss maps [n d] to [n]"
                )
            values[start:stop] = chunk
            bar.update(stop - start)
    return values


def from_grid(values: AnyArray, bounds: AnyArray | None = None) -> Samples:
    """Samples from an array of losses, one axis a parameter; neighbors are those along the axes.

    Args:
        values: losses, a tensor or an array of one or more axes, float32 or float64, in any memory order;
            +inf: outside the domain.
        bounds: first and last coordinate along each axis ``[d 2]``; default: coordinates are indices.

    Returns:
        Samples whose rows are the elements in C order: ``numpy.unravel_index(row, values.shape)`` leads back.

    Raises:
        ValueError: if the array has no axis, is empty, is not floating-point, or holds NaN or -inf.

    Example:
        >>> import numpy as np, lossbarcode as lb
        >>> curve = np.array([2.0, 0.0, 3.0, 1.0, 4.0])
        >>> lb.barcode(lb.basins(lb.from_grid(curve))).persistence()
        [(0, (0.0, inf)), (0, (1.0, 3.0))]
    """
    values = as_float_tensor(values, "values")
    check_values(values)  # here, too, because it can name the place in the array
    grid = Grid(tuple(values.shape))
    if bounds is None:
        bounds = [(0.0, float(max(size - 1, 0))) for size in grid.shape]
        box = torch.tensor(bounds, dtype=torch.float64)  # an axis of one element has no extent here
    else:
        box = check_bounds(bounds)
        if len(box) != len(grid.shape):
            raise ValueError(f"bounds: expected one row for each of {len(grid.shape)} axes, got {len(box)}")
    box = box.to(values.device)
    points = RegularPoints(grid, box, values.dtype)
    return Samples(points, values.reshape(-1), box.to(values.dtype), grid, "x".join(map(str, grid.shape)) + " grid")


def from_points(points: AnyArray, values: AnyArray) -> Samples:
    """Samples from a cloud that someone brings; :func:`basins` finds the neighbors.

    Args:
        points: places ``[n d]``, float32 or float64, finite.
        values: losses ``[n]`` of the same dtype; +inf: outside the domain.

    Raises:
        ValueError: if shapes, dtypes or devices differ, if a point is not finite, or if a loss is NaN or -inf.

    Example:
        >>> import torch, lossbarcode as lb
        >>> points = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0))
        >>> lb.from_points(points, points.square().sum(1))
        Samples(1,000 given points, losses 0.0005753 to 1.975)
    """
    points, values = as_float_tensor(points, "points"), as_float_tensor(values, "values")
    if points.ndim != 2 or values.shape != points.shape[:1] or points.shape[1] == 0:
        raise ValueError(
            f"points and values: expected shapes [n d] and [n], got {list(points.shape)} and {list(values.shape)}; "
            "points on a line need [:, None]"
        )
    if points.dtype != values.dtype or points.device != values.device:
        raise ValueError(
            f"points and values: expected one dtype and device, got {points.dtype} on {points.device} and {values.dtype} on {values.device}"
        )
    bad = (~points.isfinite()).any(1)
    if bad.any():
        raise ValueError(
            f"points: expected finite coordinates, got {int(bad.sum())} rows that are not, the first at {int(bad.nonzero()[0])}"
        )
    bounds = torch.stack([points.amin(0), points.amax(0)], 1)
    return Samples(points, values, bounds, None, f"{len(points):,} given points")


def name_of(loss: Loss) -> str:
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None) or type(loss).__name__
    return "a loss" if name == "<lambda>" else name


def box_of(loss: Loss, bounds: AnyArray | None) -> Bounds:
    """The box that is asked for, or else the loss's own, checked."""
    if bounds is None:
        bounds = getattr(loss, "bounds", None)
        if bounds is None:
            raise ValueError("bounds: expected a box [d 2], got None, and the loss has no .bounds; pass bounds=[[low, high], ...]")
    return check_bounds(bounds)


def check_bounds(bounds: AnyArray) -> Bounds:
    """A box as float64 ``[d 2]`` with finite, ascending ends."""
    try:
        box = torch.as_tensor(bounds, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:  # a class of losses has a property there: make a loss of it, Wavy()
        raise ValueError(
            f"bounds: expected numbers, one (low, high) an axis, got {bounds!r}; losses that are classes must be called"
        ) from error
    if box.ndim != 2 or box.shape[1] != 2 or len(box) == 0:
        raise ValueError(f"bounds: expected shape [d 2], one (low, high) an axis, got {list(box.shape)}")
    bad = ~(box[:, 0] < box[:, 1]) | ~box.isfinite().all(1)
    if bad.any():
        axis = int(bad.nonzero()[0])
        raise ValueError(f"bounds: expected finite low < high along every axis, got {box[axis].tolist()} along axis {axis}")
    return box
