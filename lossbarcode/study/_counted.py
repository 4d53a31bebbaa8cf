"""What an algorithm asks of a loss, counted: its work, whatever the machine."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from ..losses._derivatives import hessian_product, value_and_gradient
from ..losses._protocols import Loss, name_of


class Counted:
    """A loss that counts the work that is done with it, in gradients.

    The loss with its gradient at one point counts 1, the loss alone a third (a forward pass without the backward one), a product with the
    Hessian 2. Those are the usual shares of arithmetic; what is measured on a machine differs from them.

    Args:
        loss: what is counted; its box and its periodic axes are kept.

    Attributes:
        gradients: the work so far.

    Example:
        >>> import torch, lossbarcode as lb
        >>> from lossbarcode import study
        >>> camel = study.Counted(lb.functions.SixHumpCamel())
        >>> minima = lb.find_minima(camel, torch.zeros(1, 2, dtype=torch.float64))
        >>> camel.gradients > 1
        True
    """

    def __init__(self, loss: Loss) -> None:
        self.loss, self.name, self.gradients = loss, name_of(loss), 0.0
        self.bounds, self.periodic = getattr(loss, "bounds", None), getattr(loss, "periodic", False)

    def __call__(self, points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        self.gradients += len(points) / 3
        return self.loss(points)

    def value_and_gradient(self, points: Float[Tensor, "n d"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n d"]]:
        """Losses and gradients."""
        self.gradients += len(points)
        return value_and_gradient(self.loss, points)

    def hessian_product(self, points: Float[Tensor, "n d"], vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The Hessian at each point times one vector each."""
        self.gradients += 2 * len(points)
        return hessian_product(self.loss, points, vectors)
