"""Type aliases for signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

Points: TypeAlias = Tensor
"""Points in parameter space, float32 or float64 ``[n d]``."""
Values: TypeAlias = Tensor
"""Losses, one per point, float32 or float64 ``[n]``."""
Rows: TypeAlias = Tensor
"""Row numbers into another tensor, int64 ``[n]``."""
Bounds: TypeAlias = Tensor
"""A box: lower and upper end along every axis ``[d 2]``."""
if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    AnyArray: TypeAlias = Tensor | ArrayLike
else:  # what users pass is checked in words they understand
    AnyArray = Any
"""Numbers from outside: a tensor, an array, or lists of numbers."""


@runtime_checkable
class PointSource(Protocol):
    """Points ``[n d]``: a tensor, or something that computes the rows it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Rows | slice, /) -> Points: ...

    def __len__(self) -> int: ...
