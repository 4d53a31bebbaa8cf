"""The descent of a path as the papers describe it: no images are inserted and none are spread again."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from ..losses._derivatives import value_and_gradient
from ..losses._protocols import Loss


def descend_as_published(loss: Loss, paths: Tensor, *, lr: float, steps: int) -> Tensor:
    """Move the images of paths by plain gradient descent, without the part of the gradient along the path.

    From the gradient at each image the mean of its projections on the two neighboring chords is subtracted. :func:`connect` inserts images
    and spaces them evenly again in addition; this function shows what happens without that.

    Args:
        loss: points ``[n d]`` to losses ``[n]``.
        paths: images of each path ``[p m d]``; the first and the last stay.
        lr: step size.
        steps: number of steps.

    Returns:
        The moved images ``[p m d]``.

    Source:
        The algorithm of :cite:t:`barannikov2020loss`.

    Example:
        >>> import torch
        >>> from lossbarcode import study
        >>> line = torch.tensor([[[-1.0, 0.5], [0.0, 0.5], [1.0, 0.5]]])
        >>> study.descend_as_published(lambda x: x[:, 1] ** 2, line, lr=0.5, steps=1)[0, 1]
        tensor([0., 0.])
    """
    paths = paths.clone()
    for _ in range(steps):
        points = paths[:, 1:-1]
        gradient = value_and_gradient(loss, points.flatten(0, 1))[1].view_as(points)
        chords = normalize(paths.diff(dim=1), dim=2)
        before, after = ((gradient * chord).sum(2, keepdim=True) * chord for chord in (chords[:, :-1], chords[:, 1:]))
        paths[:, 1:-1] -= lr * (gradient - (before + after) / 2)
    return paths
