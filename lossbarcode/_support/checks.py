"""Input checks that several modules need, so that one mistake has one wording."""

from __future__ import annotations

from numbers import Real

import numpy as np
import torch
from torch import Tensor

from .types import AnyArray

FLOATS = (torch.float32, torch.float64)


def as_float_tensor(array: AnyArray, name: str) -> Tensor:
    """The array as a detached float32 or float64 tensor, without a copy where that is possible.

    Whole numbers, bools and half precision are widened to the smaller of the two that holds all of them exactly. Where a masked array
    is masked there is +inf: outside the domain.
    """
    if not isinstance(array, Tensor):
        if np.ma.isMaskedArray(array):
            array = np.ma.filled(array.astype(float_that_holds(array.dtype, name)), np.inf)
        array = np.asarray(array)
        array = array.astype(float_that_holds(array.dtype, name), order="C", copy=False)  # in the machine's byte order
        # torch takes no negative strides, which even a C-ordered array of one element can have, and no read-only memory
        if min(array.strides, default=0) < 0 or not array.flags.writeable:
            array = array.copy()
        array = torch.from_numpy(array)
    if array.dtype not in FLOATS:
        if array.dtype.is_complex:
            raise ValueError(f"{name}: expected real numbers, got {array.dtype}; pass their absolute values, or real and imaginary parts")
        narrow = (torch.float16, torch.bfloat16, torch.bool, torch.uint8, torch.int8, torch.int16)
        array = array.to(torch.float32 if array.dtype in narrow else torch.float64)
    return array.detach()


def float_that_holds(dtype: np.dtype, name: str) -> np.dtype:
    """float32 or float64."""
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise ValueError(
            f"{name}: expected an array of real numbers of at most 64 bits, got dtype {dtype}; convert first, for example with "
            ".astype('float64')"
        )
    return np.result_type(dtype, np.float32)


def check_values(values: Tensor, name: str = "values") -> None:
    """Losses may be +inf (outside the domain) but neither NaN nor -inf, and some must be finite."""
    if values.numel() == 0:
        raise ValueError(f"{name}: expected at least one number, got shape {tuple(values.shape)}")
    lowest = float(values.min())  # NaN if there is one
    if not lowest > -torch.inf:
        bad = ~(values > -torch.inf)
        nan = int(values.isnan().sum())
        what = [f"{nan} NaN"] * (nan > 0) + [f"{int(bad.sum()) - nan} -inf"] * (int(bad.sum()) > nan)
        first = tuple(int(i) for i in bad.nonzero()[0])
        raise ValueError(
            f"{name}: expected finite numbers, or +inf for 'outside the domain', got {' and '.join(what)} "
            f"in {values.numel()}, the first at {first[0] if len(first) == 1 else first}; mask them with +inf or mend the loss"
        )
    if lowest == torch.inf:
        raise ValueError(f"{name}: expected at least one finite number, got {values.numel()} times +inf; nothing is inside the domain")


def check_count(n: int, name: str, least: int = 1) -> int:
    """A whole number of at least ``least``."""
    if isinstance(n, bool) or not isinstance(n, Real) or int(n) != n or n < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {n!r}")
    return int(n)
