"""Values, gradients and Hessians of batched losses, in bounded memory.

In: a loss and points ``[n d]``. Out: values, gradients, products with the Hessian, its lowest eigenvalues, for every row independently. A
loss that brings derivatives of its own (:mod:`._protocols`) is asked for them; the rest is autograd's. Everything that a loss returns is
checked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from .._support.machine import check_memory
from .._support.types import Points, Rows, Values
from ._protocols import (
    HasHessian,
    HasHessianProduct,
    HasValueAndGradient,
    Loss,
    LossOnData,
    check_derivative_output,
    check_loss_output,
    gradient_by_autograd,
)

CHUNK_SIZE = 1 << 18  # points differentiated at a time; small enough to stay in the cache for simple losses
MAX_HESSIAN_PARAMETERS = 3000  # of a full Hessian: 72 MB each in float64


def evaluate_in_chunks(loss: Loss, points: Points) -> Values:
    """Losses ``[n]``."""
    with torch.no_grad():
        return torch.cat([check_loss_output(loss(chunk), chunk) for chunk in points.split(CHUNK_SIZE)])


def value_and_gradient(loss: Loss, points: Points) -> tuple[Values, Points]:
    """Losses ``[n]`` and gradients ``[n d]``."""
    if isinstance(loss, HasValueAndGradient):
        values, gradients = loss.value_and_gradient(points)
        return check_loss_output(values, points), check_derivative_output(gradients, points, "value_and_gradient")
    parts = []
    for chunk in points.detach().split(CHUNK_SIZE):
        x = chunk.clone().requires_grad_()
        with torch.enable_grad():
            values = check_loss_output(loss(x), x)
        parts.append((values.detach(), gradient_by_autograd(values, x)))
    values, gradients = zip(*parts, strict=True)
    return torch.cat(values), torch.cat(gradients)


def batch_value_and_gradient(loss: LossOnData, points: Points, rows: Rows) -> tuple[Values, Points]:
    """Losses ``[n]`` and gradients ``[n d]`` on some rows of the data."""
    values, gradients = loss.batch_value_and_gradient(points, rows)
    return check_loss_output(values, points), check_derivative_output(gradients, points, "batch_value_and_gradient")


def hessian_product(loss: Loss, points: Points, vectors: Points) -> Points:
    """The Hessian at each point times one vector each ``[n d]``."""
    if isinstance(loss, HasHessianProduct):
        return check_derivative_output(loss.hessian_product(points, vectors), points, "hessian_product")
    pairs = zip(points.split(CHUNK_SIZE), vectors.split(CHUNK_SIZE), strict=True)
    return torch.cat([double_backward(loss, *pair) for pair in pairs])


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Attention in here is computed by operations that have second derivatives and rules for ``vmap``, which the fused kernels lack."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


@twice_differentiable()
def double_backward(loss: Loss, points: Points, vectors: Points) -> Points:
    """:func:`hessian_product` by autograd, in one piece.

    Raises:
        ValueError: if the loss has an operation without a second derivative.
    """
    x = points.detach().requires_grad_()
    with torch.enable_grad():
        slope = gradient_by_autograd(check_loss_output(loss(x), x), x, create_graph=True)
        if not slope.requires_grad:  # the loss is linear
            return torch.zeros_like(points)
        try:
            return torch.autograd.grad((slope * vectors).sum(), x)[0]
        except RuntimeError as error:
            if "is not implemented" not in str(error):
                raise
            raise ValueError(
                f"loss: expected operations that can be differentiated twice, got one that cannot ({error}); replace it by others"
            ) from error


def hessian(loss: Loss, points: Points) -> Tensor:
    """The Hessian at each point ``[n d d]``.

    Raises:
        ValueError: if there are too many parameters for a matrix; :func:`hessian_product` needs none.
        MemoryError: if the matrices would not fit into memory.
    """
    if isinstance(loss, HasHessian):
        return check_derivative_output(loss.hessian(points), points, "hessian", order=2)
    return hessian_by_columns(loss, points)


def hessian_by_columns(loss: Loss, points: Points) -> Tensor:
    """:func:`hessian` as d products with the axes, made symmetric."""
    n, d = points.shape
    if d > MAX_HESSIAN_PARAMETERS:
        raise ValueError(f"hessian: expected at most {MAX_HESSIAN_PARAMETERS} parameters, got {d}; use hessian_product")
    check_memory(3 * n * d * d * points.element_size(), points.device, f"Hessians of {n:,} points", "take fewer points at a time")
    axes = torch.eye(d, dtype=points.dtype, device=points.device)
    columns = torch.stack([hessian_product(loss, points, axis.expand(n, d)) for axis in axes], 1)
    return (columns + columns.mT) / 2


def lowest_eigenvalues(loss: Loss, points: Points, free: Tensor, *, products: int = 20) -> Tensor:
    """The lowest eigenvalues of the Hessian at each point, ascending ``[n min(products, d)]``.

    Of few parameters all eigenvalues. Of more than ``products`` the Ritz values of Lanczos' method: the lowest one is at least the lowest
    eigenvalue, the second lowest at least the second, and so on. So negative ones prove as many directions of descent; that
    there are no more is evidence only.

    Args:
        loss: twice differentiable by autograd.
        points: ``[n d]``.
        free: coordinates that may move ``[n d]``, bool; there are no eigenvalues of the others (inf).
        products: number of products with the Hessian.
    """
    d = points.shape[1]
    if d <= products:
        return free_eigenvalues(hessian_by_columns(loss, points), free)
    draw = torch.randn(1, d, dtype=points.dtype, generator=torch.Generator().manual_seed(0)).to(points.device)
    basis, diagonal, off_diagonal = [], [], []
    vector = normalized(draw * free)  # zero once the space that the products span is exhausted
    for _ in range(products):
        basis.append(vector)
        product = hessian_product(loss, points, vector) * free
        diagonal.append((product * vector).sum(1))
        for _ in range(2):  # once more, against rounding
            for known in basis:
                product = product - (product * known).sum(1, keepdim=True) * known
        off_diagonal.append(product.norm(dim=1))
        vector = normalized(product)
    alpha, beta = torch.stack(diagonal, 1), torch.stack(off_diagonal[:-1], 1)
    matrix = torch.diag_embed(alpha) + torch.diag_embed(beta, 1) + torch.diag_embed(beta, -1)
    return free_eigenvalues(matrix, torch.stack(basis, 1).any(2))


def free_eigenvalues(matrix: Tensor, free: Tensor) -> Tensor:
    """Eigenvalues of symmetric matrices ``[n m m]`` on the free coordinates ``[n m]``, ascending; inf for each of the others."""
    above = 2 * matrix.abs().sum((1, 2))[:, None] + 1  # stands for the others, above all eigenvalues
    matrix = torch.where(free[:, :, None] & free[:, None], matrix, torch.diag_embed(above.expand_as(free)))
    values = torch.linalg.eigvalsh(matrix)
    return torch.where(values < 0.75 * above, values, torch.inf)


def normalized(vectors: Tensor) -> Tensor:
    """Vectors ``[... d]`` of length one; zero stays zero."""
    length = vectors.norm(dim=-1, keepdim=True)
    return vectors / torch.where(length > 0, length, 1)
