"""Gradients and Hessians of batched losses, in bounded memory.

In: a loss and points ``[n d]``. Out: values, gradients, products with the Hessian, its lowest eigenvalues; rows on their own. A
loss that knows a thriftier way (:class:`lossbarcode.networks.NetworkLoss`) is asked for it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._types import Loss, Points, Rows, Values

CHUNK = 1 << 18  # points differentiated at a time; small enough to stay in the cache for simple losses


def value_and_gradient(loss: Loss, points: Points, rows: Rows | None = None) -> tuple[Values, Points]:
    """Losses ``[n]`` and gradients ``[n d]``; of losses that have data on some rows of them, if asked to."""
    if own := getattr(loss, "value_and_gradient", None):
        return own(points, rows)
    parts = []
    for chunk in points.detach().split(CHUNK):
        x = chunk.clone().requires_grad_()
        with torch.enable_grad():
            values = loss(x)
        parts.append((values.detach(), torch.autograd.grad(values.sum(), x)[0]))
    values, gradients = zip(*parts, strict=True)
    return torch.cat(values), torch.cat(gradients)


def values_of(loss: Loss, points: Points) -> Values:
    """Losses ``[n]``, in chunks."""
    with torch.no_grad():
        return torch.cat([loss(chunk) for chunk in points.split(CHUNK)])


def hessian_product(loss: Loss, points: Points, vectors: Points) -> Points:
    """The Hessian at each point times one vector each ``[n d]``."""
    if own := getattr(loss, "hessian_product", None):
        return own(points, vectors)
    pairs = zip(points.split(CHUNK), vectors.split(CHUNK), strict=True)
    return torch.cat([double_backward(loss, *pair) for pair in pairs])


def double_backward(loss: Loss, points: Points, vectors: Points) -> Points:
    """:func:`hessian_product` by autograd, in one piece."""
    x = points.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(loss(x).sum(), x, create_graph=True)
        if not slope.requires_grad:  # the loss is linear
            return torch.zeros_like(points)
        return torch.autograd.grad((slope * vectors).sum(), x)[0]


def low_eigenvalues(loss: Loss, points: Points, free: Tensor, *, steps: int = 20) -> Tensor:
    """The lowest eigenvalues of the Hessian at each point, ascending ``[n min(steps, d)]``.

    Of few parameters all eigenvalues. Of more than ``steps`` the Ritz values of Lanczos' method: the lowest one is at least the lowest
    eigenvalue, the second lowest at least the second, and so on. So negative ones prove as many directions of descent; that
    there are no more is evidence only.

    Args:
        loss: twice differentiable by autograd.
        points: ``[n d]``.
        free: coordinates that may move ``[n d]``, bool; there are no eigenvalues of the others (inf).
        steps: products with the Hessian.
    """
    n, d = points.shape
    if d <= steps:
        axes = torch.eye(d, dtype=points.dtype, device=points.device)
        hessian = torch.stack([hessian_product(loss, points, axis.expand(n, d)) for axis in axes], 1)
        return eigenvalues_within((hessian + hessian.mT) / 2, free)
    draw = torch.randn(1, d, dtype=points.dtype, generator=torch.Generator().manual_seed(0)).to(points.device)
    basis, diagonal, beside = [], [], []
    vector = normalized(draw * free)  # zero once the space that the products span is exhausted
    for _ in range(steps):
        basis.append(vector)
        product = hessian_product(loss, points, vector) * free
        diagonal.append((product * vector).sum(1))
        for _ in range(2):  # once more, against rounding
            for known in basis:
                product = product - (product * known).sum(1, keepdim=True) * known
        beside.append(product.norm(dim=1))
        vector = normalized(product)
    alpha, beta = torch.stack(diagonal, 1), torch.stack(beside[:-1], 1)
    matrix = torch.diag_embed(alpha) + torch.diag_embed(beta, 1) + torch.diag_embed(beta, -1)
    return eigenvalues_within(matrix, torch.stack(basis, 1).any(2))


def eigenvalues_within(matrix: Tensor, free: Tensor) -> Tensor:
    """Eigenvalues of symmetric matrices ``[n m m]`` on the free coordinates ``[n m]``, ascending; inf for each of the others."""
    above = 2 * matrix.abs().sum((1, 2))[:, None] + 1  # a place of their own for those, above all eigenvalues
    matrix = torch.where(free[:, :, None] & free[:, None], matrix, torch.diag_embed(above.expand_as(free)))
    values = torch.linalg.eigvalsh(matrix)
    return torch.where(values < 0.75 * above, values, torch.inf)


def normalized(vectors: Tensor) -> Tensor:
    """Vectors ``[... d]`` of length one; zero stays zero."""
    length = vectors.norm(dim=-1, keepdim=True)
    return vectors / torch.where(length > 0, length, 1)


def held_back(points: Points, gradient: Points, box: Tensor | None) -> Tensor:
    """Coordinates at an end of the box through which descent would leave it ``[n d]``, bool."""
    if box is None:
        return torch.zeros_like(points, dtype=torch.bool)
    low, high = box.T
    return ((points <= low) & (gradient > 0)) | ((points >= high) & (gradient < 0))


def inside(points: Points, box: Tensor | None) -> Points:
    """Points moved into the box."""
    return points if box is None else points.clamp(*box.T)
