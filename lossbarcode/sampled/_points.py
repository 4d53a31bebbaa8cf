"""Where to evaluate a loss.

In: a box, a method and a number of points. Out: the points ``[n d]``, as a tensor or as a rule that computes the rows it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from .._support.checks import check_count
from .._support.machine import check_memory
from .._support.types import AnyArray, Bounds, Points, PointSource
from ._implicit_neighbors import Grid, ImplicitNeighbors
from ._lattice import lattice_neighbors

Method = Literal["sobol", "uniform", "grid", "lattice"]

SOBOL_LIMIT = 1 << 30  # torch's Sobol' numbers have 30 bits


@dataclass(frozen=True, eq=False)
class ImplicitPoints:
    """The points of a grid or a lattice over a box, computed when asked for: ``points[rows]`` is ``[m d]``.

    Attributes:
        neighbors: the arrangement.
        bounds: the box ``[d 2]``.
        dtype: of the points.
        ticks: coordinates along each axis of a grid, for axes whose samples are not evenly spaced; or None.
    """

    neighbors: ImplicitNeighbors
    bounds: Bounds
    dtype: torch.dtype
    ticks: tuple[Tensor, ...] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.neighbors), len(self.bounds)

    @property
    def device(self) -> torch.device:
        return self.bounds.device

    def __len__(self) -> int:
        return len(self.neighbors)

    def __getitem__(self, rows: AnyArray | slice) -> Points:
        if isinstance(rows, slice):
            rows = torch.arange(*rows.indices(len(self)), device=self.device)
        rows = torch.as_tensor(rows, device=self.device)
        if rows.dtype == torch.bool:
            rows = rows.nonzero().squeeze(1)
        rows = torch.where(rows < 0, rows + len(self), rows)
        if rows.numel() and (int(rows.min()) < 0 or int(rows.max()) >= len(self)):
            raise IndexError(f"rows: expected numbers below {len(self)}, got {int(rows.min())} to {int(rows.max())}")
        if self.ticks is not None:
            coordinates = self.neighbors.coordinates(rows)
            return torch.stack([ticks[coordinates[..., axis]] for axis, ticks in enumerate(self.ticks)], -1).to(self.dtype)
        # weights that add up to exactly 1 keep the ends of a grid exact
        weight = self.neighbors.position(rows)
        low, high = self.bounds.double().T
        return (low * (1 - weight) + high * weight).to(self.dtype)


def choose_points(n: Any, bounds: Bounds, method: Method, seed: int, dtype: torch.dtype, periodic: tuple[bool, ...]) -> PointSource:
    """Points of a box by one of the methods of :func:`sample`."""
    d = len(bounds)
    if method == "grid":
        if not isinstance(n, tuple | list):
            side = round(check_count(n, "n") ** (1 / d))
            n = (side - (side**d > n),) * d
        if len(n) != d:
            raise ValueError(f"n: expected a number of samples or one along each of {d} axes, got {n!r}")
        return ImplicitPoints(Grid(tuple(n), periodic), bounds, dtype)
    n = check_count(n, "n")
    if method == "lattice":
        return ImplicitPoints(lattice_neighbors(n, d, seed, periodic), bounds, dtype)
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
