"""Samples from arrays and clouds of points that users bring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .._support.checks import as_float_tensor, check_values
from .._support.types import AnyArray
from ..losses._boxes import check_bounds, check_periodic
from ._implicit_neighbors import Grid
from ._labels import Axes, axes_of, is_even
from ._points import ImplicitPoints
from ._samples import Samples


def from_grid(
    values: AnyArray,
    bounds: AnyArray | None = None,
    *,
    periodic: bool | Sequence[bool] | None = None,
    axis_names: Sequence[str] = (),
) -> Samples:
    """Samples from an array of losses, one axis a parameter; neighbors are those along the axes.

    Args:
        values: losses, a tensor or an array of one or more axes, in any memory order; +inf: outside the domain, as is what a masked array
            masks. Whole numbers and half precision are widened. A ``pandas.Series`` or ``DataFrame`` or an ``xarray.DataArray`` brings
            names and, where they are numbers that ascend or descend, coordinates of its axes.
        bounds: first and last coordinate along each axis ``[d 2]``; default: those of a labelled array, else coordinates are indices.
            Along a periodic axis the second number is first plus period, where the first sample comes again.
        periodic: along which axes the last element is next to the first one; one answer for all axes, or one per axis. Default: none.
        axis_names: name of each axis; default: those of a labelled array.

    Returns:
        Samples whose rows are the elements in C order: ``numpy.unravel_index(row, values.shape)`` leads back. Arrays without bounds, and
        tables, are drawn as images are: axis 0 downwards.

    Raises:
        ValueError: if the array has no axis, is empty, is not of real numbers, or holds NaN or -inf; if bounds, periods or names are not
            one per axis; or if coordinates are not evenly spaced along a periodic axis.

    Example:
        >>> import numpy as np, lossbarcode as lb
        >>> curve = np.array([2.0, 0.0, 3.0, 1.0, 2.5])
        >>> lb.barcode(lb.from_grid(curve)).to_gudhi()
        [(0, (0.0, inf)), (0, (1.0, 3.0))]
        >>> lb.barcode(lb.from_grid(curve, periodic=True)).to_gudhi()
        [(0, (0.0, inf)), (0, (1.0, 2.5))]
    """
    axes = axes_of(values)
    values = as_float_tensor(values, "values")
    check_values(values)  # here, too, because it can name the place in the array
    shape = tuple(values.shape)
    if bounds is not None:
        box, ticks = check_bounds(bounds), None
        if len(box) != len(shape):
            raise ValueError(f"bounds: expected one row for each of {len(shape)} axes, got {len(box)}")
        around = check_periodic(None, periodic, box)
    else:
        around = check_periodic(None, periodic, torch.zeros(len(shape), 2))
        box, ticks = box_of_elements(shape, axes, around.tolist())
    grid = Grid(shape, tuple(around.tolist()))
    ticks = None if ticks is None else tuple(own.to(values.device) for own in ticks)
    points = ImplicitPoints(grid, box.to(values.device), values.dtype, ticks)
    names = tuple(axis_names) or (axes.names if axes else ())
    name = "x".join(map(str, shape)) + " grid"
    box = box.to(values)
    return Samples(points, values.reshape(-1), box, grid, name, around.to(values.device), names, is_image=bounds is None)


def box_of_elements(shape: tuple[int, ...], axes: Axes | None, periodic: list[bool]) -> tuple[Tensor, tuple[Tensor, ...] | None]:
    """The box of an array without bounds, and the coordinates of its elements where they are not evenly spaced.

    An axis of one element has no extent here.
    """
    known = axes.coordinates if axes else (None,) * len(shape)
    ticks = [torch.arange(size, dtype=torch.float64) if own is None else own for size, own in zip(shape, known, strict=True)]
    box = torch.stack([torch.stack([own.min(), own.max()]) for own in ticks]) if ticks else torch.zeros(0, 2)
    even = [is_even(own) for own in ticks]
    for axis, (own, around) in enumerate(zip(ticks, periodic, strict=False)):
        if around and not even[axis]:
            raise ValueError(f"periodic: expected coordinates in equal steps upwards along a periodic axis, got others along axis {axis}")
        if around:
            box[axis, 1] += own[1] - own[0] if len(own) > 1 else 1.0
    return box, None if all(even) else tuple(ticks)


def from_points(
    points: AnyArray,
    values: AnyArray,
    bounds: AnyArray | None = None,
    *,
    periodic: bool | Sequence[bool] | None = None,
    axis_names: Sequence[str] = (),
) -> Samples:
    """Samples from a cloud that someone brings; :func:`basins` finds the neighbors.

    Args:
        points: places ``[n d]``, finite: a tensor, an array, lists, or a ``pandas.DataFrame``, whose columns name the axes.
        values: losses ``[n]``; +inf: outside the domain. If one of the two is float64 the other is widened.
        bounds: the box ``[d 2]``; default: the smallest one that holds all points. Periodic axes need it, because its width is the period.
        periodic: which axes are periodic; one answer for all, or one per axis. Default: none.
        axis_names: name of each axis; default: the names of the columns.

    Raises:
        ValueError: if shapes or devices differ, if a point is not finite, if a loss is NaN or -inf, if bounds, periods or names are not one
            per axis, or if an axis is periodic without bounds.

    Example:
        >>> import torch, lossbarcode as lb
        >>> points = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0))
        >>> lb.from_points(points, points.square().sum(1))
        Samples(1,000 given points, losses 0.0005753 to 1.975)
    """
    names = tuple(axis_names) or names_of_columns(points)
    points, values = as_float_tensor(points, "points"), as_float_tensor(values, "values")
    if points.ndim != 2 or values.shape != points.shape[:1] or points.shape[1] == 0:
        raise ValueError(
            f"points and values: expected shapes [n d] and [n], got {list(points.shape)} and {list(values.shape)}; "
            "points on a line need [:, None]"
        )
    if points.device != values.device:
        raise ValueError(f"points and values: expected one device, got {points.device} and {values.device}")
    dtype = torch.promote_types(points.dtype, values.dtype)
    points, values = points.to(dtype), values.to(dtype)
    bad = (~points.isfinite()).any(1)
    if bad.any():
        raise ValueError(
            f"points: expected finite coordinates, got {int(bad.sum())} rows that are not, the first at {int(bad.nonzero()[0])}"
        )
    check_values(values)
    box = torch.stack([points.amin(0), points.amax(0)], 1) if bounds is None else check_bounds(bounds).to(points)
    if len(box) != points.shape[1]:
        raise ValueError(f"bounds: expected one row for each of {points.shape[1]} axes, got {len(box)}")
    around = check_periodic(None, periodic, box)
    if bounds is None and around.any():
        raise ValueError("bounds: expected a box [d 2] for periodic axes, because its width is the period, got None")
    return Samples(points, values, box, None, f"{len(points):,} given points", around, names)


def names_of_columns(points: Any) -> tuple[str, ...]:
    """The names of the columns of a ``pandas.DataFrame``."""
    return tuple(map(str, points.columns)) if hasattr(points, "columns") else ()
