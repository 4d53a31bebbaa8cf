"""Bars that come from the unevenness of samples."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .._support.pointers import gather_or_minus_one
from ..barcodes._barcode import Barcode
from ._basins import Basins


def is_singleton(bars: Barcode, basins: Basins) -> Bool[Tensor, " k"]:
    """Which bars belong to components that never held a second sample.

    Where samples lie unevenly, one of them can have no lower neighbor by chance. Such an artefact usually ends at the next
    sample, so its component is itself alone. (A bar of the loss ends like this too if its basin is barely resolved.)

    Args:
        bars: barcode of the basins ``[k]``.
        basins: what the bars are of.

    Returns:
        bool ``[k]``.

    Raises:
        ValueError: if the bars are not those of these basins.

    Source:
        :cite:t:`barannikov2023barcodes` leave small clusters out of their plots.

    Example:
        >>> import lossbarcode as lb
        >>> basins = lb.basins(lb.sample(lb.functions.ThreeHumpCamel(), 10_000, method="uniform"))
        >>> bars = lb.barcode(basins)
        >>> print(len(bars), "bars,", int(lb.is_singleton(bars, basins).sum()), "of one sample")
        20 bars, 13 of one sample
    """
    owner = gather_or_minus_one(checked_bar_of_minimum(bars, basins), basins.label)
    inside = owner >= 0
    owner, values = owner[inside], basins.samples.values[inside]
    members = torch.bincount(owner[values < bars.death[owner]], minlength=len(bars))
    swallowed = torch.bincount(bars.parent[bars.parent >= 0], minlength=len(bars))
    return (members == 1) & (swallowed == 0) & bars.is_finite


def checked_bar_of_minimum(bars: Barcode, basins: Basins) -> Int[Tensor, " minima"]:
    """The bar of each minimum, if the bars, or the longest of them, are those of the basins."""
    if bars.bar_of_minimum is None or len(bars.bar_of_minimum) != len(basins.minimum_row):
        raise ValueError("bars: expected the barcode of these basins, got another; pass bars=lb.barcode(basins)")
    return bars.bar_of_minimum
