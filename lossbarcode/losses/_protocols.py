"""What a loss is: one callable, and what it may offer beyond that.

Three kinds, each of which contains the one before. A plain loss maps points ``[n d]`` to values ``[n]``; a differentiable one also has
derivatives that are cheaper than those of autograd; a loss on data has rows that it can be evaluated on in batches. Everything that takes
a loss asks by ``isinstance`` for one of these protocols, and checks what the loss returns by :func:`check_loss_output`. An attribute of
another name means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from .._support.types import Points, Rows, Values

Loss: TypeAlias = Callable[[Points], Values]
"""A plain loss: a pure batched function from parameters ``[n d]`` to losses ``[n]``, without hidden state, that treats every row
independently and returns the dtype and the device that it got. If it is differentiable by autograd, every route takes it. It may have a
``name`` for titles, ``bounds`` ``[d 2]``, its box, and ``periodic``, which of the axes of the box are (a bool, or one per axis)."""


@runtime_checkable
class HasValueAndGradient(Protocol):
    """A loss with a gradient of its own."""

    def value_and_gradient(self, points: Points, /) -> tuple[Values, Points]:
        """Losses ``[n]`` and gradients ``[n d]``."""
        ...


@runtime_checkable
class HasHessianProduct(Protocol):
    """A loss with a product of its own of the Hessian and a vector."""

    def hessian_product(self, points: Points, vectors: Points, /) -> Points:
        """The Hessian at each point times one vector each ``[n d]``."""
        ...


@runtime_checkable
class HasHessian(Protocol):
    """A loss of few parameters with a Hessian of its own."""

    def hessian(self, points: Points, /) -> Tensor:
        """The Hessian at each point ``[n d d]``."""
        ...


@runtime_checkable
class DifferentiableLoss(HasValueAndGradient, HasHessianProduct, HasHessian, Protocol):
    """A loss that brings all its derivatives. What a loss lacks is computed by autograd."""

    def __call__(self, points: Points, /) -> Values: ...


@runtime_checkable
class LossOnData(Protocol):
    """A loss that is a mean over rows of data, and can be evaluated on some of them: what training needs.

    Attributes:
        n_samples: number of rows.
    """

    n_samples: int

    def __call__(self, points: Points, /) -> Values: ...

    def batch_value_and_gradient(self, points: Points, rows: Rows, /) -> tuple[Values, Points]:
        """Losses ``[n]`` on some rows of the data, and their gradients ``[n d]``."""
        ...


def name_of(loss: Any) -> str:
    """What to call a loss in titles and messages."""
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None) or type(loss).__name__
    return "a loss" if name == "<lambda>" else name


def check_loss_output(values: Any, points: Points) -> Values:
    """The values, if they are what a loss promises: one per point, in the dtype and on the device of the points.

    Raises:
        ValueError: if they are not.
    """
    if not isinstance(values, Tensor) or not is_like(values, list(points.shape[:1]), points):
        raise ValueError(
            f"loss: expected {described(points.shape[:1], points)} for points of shape {list(points.shape)}, got {seen(values)}; "
            "a loss maps [n d] to [n]"
        )
    return values


def check_derivative_output(derivative: Any, points: Points, name: str, *, order: int = 1) -> Tensor:
    """What a loss's own method returned, if it is a gradient or a Hessian product ``[n d]`` or, for order 2, a Hessian ``[n d d]``.

    Raises:
        ValueError: if it is not.
    """
    shape = [*points.shape, *points.shape[1:]] if order == 2 else list(points.shape)
    if not isinstance(derivative, Tensor) or not is_like(derivative, shape, points):
        raise ValueError(
            f"loss.{name}: expected {described(shape, points)} for points of shape {list(points.shape)}, got {seen(derivative)}"
        )
    return derivative


def gradient_by_autograd(values: Values, points: Points, *, create_graph: bool = False) -> Points:
    """The gradient of each loss ``[n]`` at its own point ``[n d]``.

    Raises:
        ValueError: if autograd knows no way from the losses back to the points.
    """
    gradient = None
    if values.requires_grad:  # perhaps only because of tensors that the loss brings along
        (gradient,) = torch.autograd.grad(values.sum(), points, create_graph=create_graph, allow_unused=True)
    if gradient is None:
        raise ValueError(
            "loss: expected a function that autograd can differentiate, got values without a gradient; compute in torch, without "
            ".detach(), .item() or numpy, or use the sampled route (lb.sample), which needs no gradient"
        )
    return gradient


def check_rows_independent(loss: Loss, points: Points) -> None:
    """Refuse a loss whose rows know of each other, as with a mean over the batch, and one that contains random numbers.

    Without this every point of such a loss can look like a minimum. The first point alone is compared with the same point in a batch.

    Args:
        loss: to be asked twice, for five rows in all.
        points: where it is going to be evaluated ``[n d]``; their losses need not be finite. The first, the last and one between them are
            taken; of copies one that is moved.

    Raises:
        ValueError: if the loss of the first point depends on the company.
    """
    first, last = points[:1], points[-1:]
    size = 1 + first.abs()
    copies = (last - first).abs() <= torch.finfo(points.dtype).eps ** 0.5 * size  # which would not show a mean over the batch
    between = first + torch.where(copies, 0.1 * size, (last - first) / 2)
    batch = torch.cat([last, first, between, last])  # one before and two behind show running sums and other orders, too
    with torch.no_grad():
        alone, among = check_loss_output(loss(first), first), check_loss_output(loss(batch), batch)
    if not same_losses(alone, among[1:2], among).all():
        raise ValueError(
            f"loss: expected every row to have a loss of its own, got {float(alone[0]):.6g} for the first point alone and "
            f"{float(among[1]):.6g} for it among {len(batch)} points; reduce over parameters and data only (no mean over the batch), "
            "without random numbers"
        )


def same_losses(values: Values, others: Values, around: Values) -> Tensor:
    """Which losses are equal up to the rounding of sums in another order ``[n]``, bool.

    Rounding is relative to the terms of a loss. Near the value 0 they are larger than it, so ``around`` gives losses nearby.
    """
    size = torch.where(around.isfinite(), around, 0).abs().max()
    return torch.isclose(values, others, rtol=0, atol=torch.finfo(values.dtype).eps ** 0.5 * float(size), equal_nan=True)


def is_like(tensor: Tensor, shape: list[int], like: Tensor) -> bool:
    return list(tensor.shape) == shape and tensor.dtype == like.dtype and tensor.device == like.device


def described(shape: Iterable[int], like: Tensor) -> str:
    return f"{like.dtype} of shape {list(shape)} on {like.device}"


def seen(values: Any) -> str:
    return described(values.shape, values) if isinstance(values, Tensor) else type(values).__name__
