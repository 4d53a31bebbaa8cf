"""Names and coordinates of axes, as arrays of pandas and xarray have them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Axes(NamedTuple):
    """What an array says of its axes.

    Attributes:
        names: one per axis; empty: the array has none.
        coordinates: of the elements along each axis, float64, ascending or descending; None: they are only numbered.
    """

    names: tuple[str, ...]
    coordinates: tuple[Tensor | None, ...]


def axes_of(array: Any) -> Axes | None:
    """Names and coordinates of the axes of a pandas or xarray object; None for arrays without any. Neither library is imported for this."""
    if hasattr(array, "dims") and hasattr(array, "coords"):  # xarray.DataArray
        labels = [(name, array.coords[name].values if name in array.coords else None) for name in array.dims]
    elif hasattr(array, "index") and hasattr(array, "columns"):  # pandas.DataFrame
        labels = [(array.index.name, array.index.values), (array.columns.name, array.columns.values)]
    elif hasattr(array, "index") and hasattr(array, "to_frame"):  # pandas.Series
        labels = [(array.index.name, array.index.values)]
    else:
        return None
    known = any(name is not None for name, _ in labels)
    names = tuple(f"axis {axis}" if name is None else str(name) for axis, (name, _) in enumerate(labels)) if known else ()
    return Axes(names, tuple(as_coordinates(values) for _, values in labels))


def as_coordinates(values: Any) -> Tensor | None:
    """Finite numbers that ascend or descend, as float64; None for other labels, as words, dates, and groups of several levels."""
    values = np.asarray(values) if values is not None else np.array("")
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        return None
    numbers = torch.from_numpy(values.astype(np.float64))
    steps = numbers.diff()
    return numbers if numbers.isfinite().all() and ((steps > 0).all() or (steps < 0).all()) else None


def is_even(coordinates: Tensor) -> bool:
    """Whether coordinates ascend in equal steps, but for rounding."""
    steps = coordinates.diff()
    return bool((steps > 0).all() and (steps - steps.mean()).abs().max() <= 1e-6 * steps.mean()) if len(steps) else True
