"""Is a point with a kink stationary?

In: a loss that is smooth almost everywhere and points ``[k d]``. Out: the length of the shortest vector in the convex hull of gradients
around each point ``[k]``. At a kink the gradient jumps and need not vanish on either side; it is stationary if some mean of the gradients
around it vanishes.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from .._support.checks import check_count
from .._support.types import Values
from ..losses._derivatives import normalized, value_and_gradient
from ..losses._protocols import Loss

MAX_STEPS = 2000  # of the search for the shortest vector


def subgradient_norm(
    loss: Loss, points: Float[Tensor, "k d"], *, radius: float = 1e-6, count: int | None = None, seed: int = 0
) -> Float[Tensor, " k"]:
    """Length of the shortest convex combination of gradients within a radius of each point ``[k]``.

    Zero at a minimum, with a kink or without. It is an upper bound on the distance of Goldstein's subdifferential from zero, because
    it is computed from finitely many gradients, and by a search that ends. Where the loss is smooth it is about the length of the gradient.

    Args:
        loss: differentiable by autograd almost everywhere.
        points: ``[k d]``.
        radius: how far around, in the unit of the points.
        count: gradients per point, taken at random points of the ball and at the point itself; default: 2 d + 1.
        seed: of the random points.

    Returns:
        Lengths ``[k]``, in the unit of the loss divided by that of the points.

    Raises:
        ValueError: if the radius is not positive, or count not at least 1.

    Source:
        Gradient sampling, as Burke, Lewis and Overton (2005) use it to descend.

    Example:
        >>> import torch, lossbarcode as lb
        >>> def tent(x):
        ...     return x.abs().sum(1)
        >>> points = torch.tensor([[0.0, 1e-9], [0.0, 1.0]], dtype=torch.float64)
        >>> lb.subgradient_norm(tent, points).round(decimals=3)
        tensor([0., 1.], dtype=torch.float64)
    """
    if not radius > 0:
        raise ValueError(f"radius: expected a positive distance in the unit of the points, got {radius}")
    k, d = points.shape
    count = 2 * d + 1 if count is None else check_count(count, "count")
    random = torch.Generator().manual_seed(seed)
    offsets = normalized(torch.randn(count, d, generator=random, dtype=points.dtype))
    offsets *= torch.rand(count, 1, generator=random, dtype=points.dtype) ** (1 / d) * radius
    offsets[0] = 0
    around = points.detach()[:, None] + offsets.to(points.device)
    _, gradients = value_and_gradient(loss, around.flatten(0, 1))
    return shortest_in_hull(gradients.view(k, count, d))


def shortest_in_hull(vectors: Tensor) -> Values:
    """Length of the shortest vector in the convex hull of some ``[k m d]``, from above: projected gradients with momentum."""
    products = vectors @ vectors.mT
    weight = torch.full_like(products[..., 0], 1 / vectors.shape[1])
    ahead, best = weight, torch.full_like(weight[:, 0], torch.inf)
    size = products.diagonal(dim1=1, dim2=2).sum(1).clamp_min(torch.finfo(products.dtype).tiny)[:, None]  # at least the largest eigenvalue
    for step in range(MAX_STEPS):
        new = project_to_simplex(ahead - (products @ ahead[..., None]).squeeze(-1) / size)
        back = ((ahead - new) * (new - weight)).sum(1, keepdim=True) > 0  # momentum that points back is dropped
        ahead = torch.where(back, new, new + step / (step + 3) * (new - weight))
        weight = new
        best = torch.minimum(best, (weight[:, None] @ vectors).squeeze(1).norm(dim=1))
    return best


def project_to_simplex(weights: Tensor) -> Tensor:
    """The nearest weights ``[k m]`` that are not negative and sum to one."""
    falling = weights.sort(1, descending=True).values
    above = (falling.cumsum(1) - 1) / torch.arange(1, weights.shape[1] + 1, device=weights.device)
    last = (falling > above).sum(1, keepdim=True) - 1
    return (weights - above.gather(1, last)).clamp_min(0)
