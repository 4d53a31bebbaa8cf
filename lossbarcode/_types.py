"""The words that every signature uses: what a loss is, and tensors named by their shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from numpy.typing import ArrayLike
from torch import Tensor

Points: TypeAlias = Tensor
"""Places in parameter space, float32 or float64 ``[n d]``."""

Values: TypeAlias = Tensor
"""Losses, one a place, float32 or float64 ``[n]``."""

Rows: TypeAlias = Tensor
"""Row numbers into another tensor, int64 ``[n]``."""

Bounds: TypeAlias = Tensor
"""A box: lower and upper end along every axis ``[d 2]``."""

AnyArray: TypeAlias = Tensor | ArrayLike
"""Numbers from outside: a tensor, an array, or lists of numbers."""

Loss: TypeAlias = Callable[[Points], Values]
"""A pure batched function from parameters ``[n d]`` to losses ``[n]``: differentiable by autograd, no hidden
state, each row on its own, same device and dtype out as in."""
