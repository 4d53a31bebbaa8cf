"""Samples from arrays and clouds of points that users bring."""

from __future__ import annotations

import torch

from .._support.checks import as_float_tensor, check_values
from .._support.types import AnyArray
from ..losses._boxes import check_bounds
from ._implicit_neighbors import Grid
from ._points import ImplicitPoints
from ._samples import Samples


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
        >>> lb.barcode(lb.basins(lb.from_grid(curve))).to_gudhi()
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
    points = ImplicitPoints(grid, box, values.dtype)
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
