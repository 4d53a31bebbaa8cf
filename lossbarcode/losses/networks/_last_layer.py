"""The best last layer for given features: ridge regression for squares, damped Newton steps for cross-entropy.

In: features ``[n rows p]`` of n networks, with a column of ones if the layer has a bias, and targets. Out: the layer ``[n p o]`` that
minimises the mean loss over the rows plus the penalty, for every network on its own, to rounding. Both problems are strictly convex,
because the penalty is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

GRADIENT_TOLERANCE = 1e-12  # of the largest component, relative to that of no layer at all; float64 reaches it
MAX_NEWTON_STEPS = 100  # ten are usual
MAX_HALVINGS = 40
MAX_HESSIAN_SIZE = 2000  # numbers in a layer, whose Hessian is a matrix: 32 MB per network
HESSIAN_BYTES = 1 << 27  # that the Hessians of layers solved for together may take


class ConvexLoss(ABC):
    """A mean over rows that is convex in the outputs, with a penalty on the layer.

    Args:
        l2: weight of the sum of squares of the layer, above 0.
        size: side of the matrix that is the Hessian with respect to the layer.
    """

    def __init__(self, l2: float, size: int) -> None:
        self.l2, self.size = l2, size

    def layers_that_fit(self) -> int:
        """How many may be solved for together, by what the Hessians take."""
        return HESSIAN_BYTES // (8 * self.size**2)

    @abstractmethod
    def values(self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"]) -> Float[Tensor, " n"]:
        """Losses of n networks, with the penalty on the layer."""

    @abstractmethod
    def gradient(self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"]) -> Float[Tensor, "n p o"]:
        """Their gradients with respect to the layer."""

    @abstractmethod
    def solve(self, features: Float[Tensor, "n rows p"]) -> Float[Tensor, "n p o"]:
        """The best layers."""

    @abstractmethod
    def newton_step(
        self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"], gradient: Float[Tensor, "n p o"]
    ) -> Float[Tensor, "n p o"]:
        """The inverse of the Hessian with respect to the layer, times a gradient. The Hessian counts as a constant for autograd."""


class Squares(ConvexLoss):
    """The mean of squares over rows and outputs: ``torch.nn.functional.mse_loss``."""

    def __init__(self, targets: Float[Tensor, "rows o"], l2: float, n_inputs: int) -> None:
        super().__init__(l2, n_inputs)
        self.targets = targets

    def values(self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"]) -> Float[Tensor, " n"]:
        return (features @ layer - self.targets).square().mean((1, 2)) + self.l2 * layer.square().sum((1, 2))

    def gradient(self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"]) -> Float[Tensor, "n p o"]:
        return 2 / self.targets.numel() * (features.mT @ (features @ layer - self.targets)) + 2 * self.l2 * layer

    def solve(self, features: Float[Tensor, "n rows p"]) -> Float[Tensor, "n p o"]:
        layer = torch.zeros(len(features), features.shape[2], self.targets.shape[1], dtype=features.dtype, device=features.device)
        for _ in range(2):  # the second step is rounding's
            layer = layer - self.newton_step(features, layer, self.gradient(features, layer))
        return layer

    def newton_step(
        self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"], gradient: Float[Tensor, "n p o"]
    ) -> Float[Tensor, "n p o"]:
        fixed = features.detach()
        hessian = 2 / self.targets.numel() * (fixed.mT @ fixed)
        hessian.diagonal(dim1=1, dim2=2).add_(2 * self.l2)
        return torch.cholesky_solve(gradient, torch.linalg.cholesky(hessian))


class CrossEntropy(ConvexLoss):
    """The mean of the cross-entropy with classes: ``torch.nn.functional.cross_entropy``."""

    def __init__(self, classes: Int[Tensor, " rows"], n_classes: int, l2: float, n_inputs: int) -> None:
        super().__init__(l2, n_inputs * n_classes)
        self.targets = torch.nn.functional.one_hot(classes, n_classes).double()

    def values(self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"]) -> Float[Tensor, " n"]:
        outputs = features @ layer
        entropy = outputs.logsumexp(2) - (outputs * self.targets).sum(2)
        return entropy.mean(1) + self.l2 * layer.square().sum((1, 2))

    def gradient(self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"]) -> Float[Tensor, "n p o"]:
        surplus = (features @ layer).softmax(2) - self.targets
        return features.mT @ surplus / len(self.targets) + 2 * self.l2 * layer

    def solve(self, features: Float[Tensor, "n rows p"]) -> Float[Tensor, "n p o"]:
        layer = torch.zeros(len(features), features.shape[2], self.targets.shape[1], dtype=features.dtype, device=features.device)
        slope = self.gradient(features, layer)
        tolerance = GRADIENT_TOLERANCE * slope.abs().amax((1, 2)).clamp_min(1e-2)
        rows = torch.arange(len(layer), device=layer.device)
        for _ in range(MAX_NEWTON_STEPS):
            rows = rows[slope[rows].abs().amax((1, 2)) > tolerance[rows]]
            if not len(rows):
                break
            moved = self.damped_step(features[rows], layer[rows], slope[rows])
            slope[rows] = self.gradient(features[rows], moved)
            stays = (moved == layer[rows]).flatten(1).all(1)
            layer[rows] = moved
            rows = rows[~stays]  # at the limit of rounding
        return layer

    def damped_step(
        self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"], gradient: Float[Tensor, "n p o"]
    ) -> Float[Tensor, "n p o"]:
        """Newton's step, halved until the loss falls or, near the minimum, the gradient does."""
        step = self.newton_step(features, layer, gradient)
        values, size = self.values(features, layer), gradient.abs().amax((1, 2))
        slope = (step * gradient).sum((1, 2))
        length, falls = torch.ones_like(values), torch.zeros_like(values, dtype=torch.bool)
        moved = layer - step
        for _ in range(MAX_HALVINGS):
            falls = self.values(features, moved) <= values - 1e-4 * length * slope
            falls |= self.gradient(features, moved).abs().amax((1, 2)) <= 0.5 * size
            if falls.all():
                return moved
            length = torch.where(falls, length, length / 2)
            moved = torch.where(falls[:, None, None], moved, layer - length[:, None, None] * step)
        return torch.where(falls[:, None, None], moved, layer)

    def newton_step(
        self, features: Float[Tensor, "n rows p"], layer: Float[Tensor, "n p o"], gradient: Float[Tensor, "n p o"]
    ) -> Float[Tensor, "n p o"]:
        fixed = features.detach()
        n, p, o = layer.shape
        share = (fixed @ layer.detach()).softmax(2)
        hessian = fixed.new_zeros(n, p, o, p, o)
        for i in range(o):  # a block per pair of classes: rows weighted by how the two compete
            for j in range(i + 1):
                weight = share[:, :, i] * (float(i == j) - share[:, :, j]) / len(self.targets)
                block = fixed.mT @ (weight[:, :, None] * fixed)
                hessian[:, :, i, :, j] = block
                hessian[:, :, j, :, i] = block
        hessian = hessian.view(n, p * o, p * o)
        hessian.diagonal(dim1=1, dim2=2).add_(2 * self.l2)
        return torch.cholesky_solve(gradient.reshape(n, p * o, 1), torch.linalg.cholesky(hessian)).view(n, p, o)
