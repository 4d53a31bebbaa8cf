"""The softest directions of a loss: Ritz pairs of its Hessian, from products alone.

In: a loss, points ``[n d]``, and directions that are near to what is looked for. Out: for every point the curvatures and directions of the
lowest Ritz pairs in the space that block Krylov iterations span from these directions. With as many products as parameters they are all
eigenpairs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .._support.types import Points
from ..losses._derivatives import hessian_product, normalized
from ..losses._protocols import Loss

EXHAUSTED = 1e-8  # share of a product that is left outside the space so far, below which it is taken for rounding


class RitzPairs(NamedTuple):
    """What is known of the Hessian in a space of p directions at each point.

    Attributes:
        curvature: Ritz values, ascending ``[n p]``; inf where the free coordinates have no more directions.
        basis: orthonormal directions of the space, the first along the first start ``[n p d]``.
        coefficients: of the Ritz vectors in the basis, as columns ``[n p p]``.
    """

    curvature: Tensor
    basis: Tensor
    coefficients: Tensor

    def negligible(self) -> Tensor:
        """Size of a curvature that rounding cannot be told from ``[n]``."""
        size = torch.where(self.curvature.isfinite(), self.curvature.abs(), 0).amax(1)
        return torch.finfo(size.dtype).eps ** 0.5 * size

    def mode(self, number: Tensor) -> Points:
        """One Ritz vector of each point ``[n d]``, by its number ``[n]``."""
        rows = torch.arange(len(number), device=number.device)
        return (self.coefficients[rows, :, number][:, :, None] * self.basis).sum(1)


def ritz_pairs(loss: Loss, points: Points, free: Tensor, starts: list[Points], products: int) -> RitzPairs:
    """Ritz pairs of the Hessian at each point.

    Args:
        loss: twice differentiable by autograd, or with products of its own.
        points: ``[n d]``.
        free: coordinates that may move ``[n d]``, bool.
        starts: directions ``[n d]`` each; where one is zero or known, a fixed random one takes its place.
        products: number of products with the Hessian.
    """
    products = min(products, points.shape[1])
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(products, 1, points.shape[1], dtype=points.dtype, generator=generator).to(points.device)
    starts = starts or [draws[0].expand_as(points)]
    basis, images = [], []
    for i in range(products):
        wanted = starts[i] if i < len(starts) else images[i - len(starts)]
        vector = outside(wanted * free, basis)
        vector = torch.where(vector.any(1, keepdim=True), vector, outside(draws[i] * free, basis))
        basis.append(vector)
        images.append(hessian_product(loss, points, vector) * free)
    space = torch.stack(basis, 1)
    matrix = space @ torch.stack(images, 2)
    matrix = (matrix + matrix.mT) / 2
    above = 2 * matrix.abs().sum((1, 2))[:, None] + 1  # stands for directions that are not there, above all Ritz values
    matrix = torch.where(space.any(2)[:, :, None], matrix, torch.diag_embed(above.expand(-1, products)))
    curvature, coefficients = torch.linalg.eigh(matrix)
    return RitzPairs(torch.where(curvature < 0.75 * above, curvature, torch.inf), space, coefficients)


def outside(vectors: Points, basis: list[Points]) -> Points:
    """Directions of the parts of vectors that lie outside a space ``[n d]``; zero where nothing but rounding does."""
    size = vectors.norm(dim=1, keepdim=True)
    for _ in range(2):  # once more, against rounding
        for known in basis:
            vectors = vectors - (vectors * known).sum(1, keepdim=True) * known
    return normalized(torch.where(vectors.norm(dim=1, keepdim=True) > EXHAUSTED * size, vectors, 0))
