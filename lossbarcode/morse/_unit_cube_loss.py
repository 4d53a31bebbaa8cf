"""A loss on the unit cube with gradient and Hessian, and the test that it has them.

In: a loss and its box. Out: :class:`UnitCubeLoss`, which everything in this folder asks for values and derivatives. Places are
measured in sides of the box (0 to 1 along every axis), so that nothing depends on the units of the parameters. A periodic coordinate may
run on beyond 0 and 1; the loss is only ever asked inside the box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .._support.types import Bounds, Points
from ..losses._boxes import nearest_image, project_to_box, without_periodic_faces, wrap_into_box
from ..losses._derivatives import twice_differentiable
from ..losses._protocols import Loss, check_loss_output, gradient_by_autograd

CHUNK_SIZE = 1 << 14  # places per call: the graph of a Hessian keeps tens of numbers alive per coordinate and operation
N_SEGMENTS, SEGMENT_LENGTH = 1 << 14, 1 / 16  # segments that the search for kinks halves, and their length
MIN_JUMP = 1e-5  # of the range over the box: smaller jumps are not detected


@dataclass(frozen=True)
class UnitCubeLoss:
    """A loss in the coordinates of the unit cube.

    Attributes:
        loss: in the coordinates of the box.
        bounds: the box ``[d 2]``.
        periodic: which axes are periodic ``[d]``.
    """

    loss: Loss
    bounds: Float[Tensor, "d 2"]
    periodic: Bool[Tensor, " d"]

    @property
    def dimension(self) -> int:
        return len(self.bounds)

    @property
    def eps(self) -> float:
        return torch.finfo(self.bounds.dtype).eps

    @cached_property
    def cube(self) -> Bounds:
        """The unit cube as a box ``[d 2]``."""
        return torch.tensor([0, 1], dtype=self.bounds.dtype, device=self.bounds.device).expand_as(self.bounds)

    @cached_property
    def faces(self) -> Bounds:
        """The ends of the cube that stop what moves ``[d 2]``: those of periodic axes are at infinity."""
        return without_periodic_faces(self.cube, self.periodic)

    def confine(self, unit: Points) -> Points:
        """Places moved to the nearest face if they lie beyond it."""
        return project_to_box(unit, self.faces)

    def wrap(self, unit: Points) -> Points:
        """The same places within the cube."""
        return wrap_into_box(unit, self.cube, self.periodic)

    def nearest(self, unit: Points, to: Points) -> Points:
        """The same places, whole sides of the cube further on along periodic axes, where they are nearest to the places ``to``."""
        return nearest_image(unit, to, self.cube, self.periodic)

    def place(self, unit: Points) -> Points:
        """Parameters at places of the cube; its faces are exactly those of the box."""
        low, high = self.bounds.T
        return wrap_into_box(low * (1 - unit) + high * unit, self.bounds, self.periodic)

    def __call__(self, unit: Points, order: int = 2) -> tuple[Tensor, ...]:
        """Losses ``[n]``, gradients ``[n d]`` and, for order 2, Hessians ``[n d d]``.

        Raises:
            ValueError: if the loss returns another shape, dtype or device, or something that is not finite, or if autograd cannot
                differentiate it.
        """
        if not len(unit):  # losses need not be able to take no points
            return tuple(unit.new_zeros(0, *[self.dimension] * i) for i in range(order + 1))
        parts = [self.chunk(chunk, order) for chunk in unit.split(CHUNK_SIZE)]
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def chunk(self, unit: Points, order: int) -> tuple[Tensor, ...]:
        places = self.place(unit).requires_grad_()
        width = self.bounds[:, 1] - self.bounds[:, 0]
        with torch.enable_grad(), twice_differentiable():
            values = self.loss(places)
            check_loss_output(values, places)
            gradient = gradient_by_autograd(values, places, create_graph=order == 2)
            found = [values.detach(), gradient.detach() * width]
            if order == 2:
                # places do not depend on each other, so one backward pass gives one row of every Hessian
                rows = [hessian_row(gradient[:, i], places, last=i == len(width) - 1) for i in range(len(width))]
                hessian = torch.stack(rows, 1) * width[:, None] * width
                found.append((hessian + hessian.mT) / 2)
        for what, tensor in zip(("loss", "gradient", "Hessian"), found, strict=False):
            bad = ~tensor.isfinite()[..., None].flatten(1).all(1)
            if bad.any():
                where = [round(t, 6) for t in places[int(bad.nonzero()[0])].tolist()]
                raise ValueError(
                    f"loss: expected finite numbers everywhere in the box, got a {what} that is not finite at {int(bad.sum())} of "
                    f"{len(places)} places, the first at {where}; use a smaller box, or lb.sample, where +inf means outside the domain"
                )
        return tuple(found)


def hessian_row(slope: Tensor, places: Points, last: bool) -> Tensor:
    """The derivatives of one entry of the gradient ``[n d]``; zero where it does not depend on the place."""
    if not slope.requires_grad:
        return torch.zeros_like(places)
    return torch.autograd.grad(slope.sum(), places, retain_graph=not last, materialize_grads=True)[0]


def check_dimension(loss: UnitCubeLoss) -> None:
    """Refuse a box whose points the loss cannot take.

    Raises:
        ValueError: if the loss fails in the middle of the box as it does when tensors do not fit each other.
    """
    try:
        with torch.no_grad():
            loss.loss(loss.place(loss.cube.mean(1)[None]))
    except (RuntimeError, IndexError) as error:
        raise ValueError(
            f"bounds: expected one (low, high) for each parameter of the loss, got {loss.dimension} of them, and a loss that fails on "
            f"points [1 {loss.dimension}]: {error}; pass as many as the loss has parameters"
        ) from error


def check_smooth(loss: UnitCubeLoss, generator: torch.Generator) -> None:
    """Refuse a loss with kinks or jumps.

    Short random segments all over the box are halved, always keeping the half over which loss and gradient change most,
    until their ends are nearly neighbors in floating point. A smooth function hardly changes between them, one with a kink or
    a jump there does. A kink in a set too thin for segments to meet, such as the tip of a cone, is not found here; the
    completeness check may still show it.
    """
    d, (dtype, device) = loss.dimension, (loss.bounds.dtype, loss.bounds.device)
    middle = torch.rand(N_SEGMENTS, d, dtype=dtype, generator=generator).to(device)
    along = torch.randn(N_SEGMENTS, d, dtype=dtype, generator=generator).to(device)
    along *= SEGMENT_LENGTH / along.norm(dim=1, keepdim=True)
    low, high = loss.confine(middle - along / 2), loss.confine(middle + along / 2)

    def state(unit: Points) -> Tensor:
        values, gradient = loss(unit, order=1)
        return torch.cat([values[:, None], gradient], 1)

    def change(a: Tensor, b: Tensor) -> Tensor:
        return ((b - a).abs() / scale).amax(1)

    at_low, at_high = state(low), state(high)
    scale = torch.maximum(at_low, at_high).amax(0) - torch.minimum(at_low, at_high).amin(0)
    # What changes only by rounding has no range of its own.
    size = torch.maximum(at_low.abs(), at_high.abs()).amax(0)
    size[1:] = size[1:].amax()
    scale = scale.maximum(256 * loss.eps / MIN_JUMP * size).clamp_min(torch.finfo(dtype).tiny)
    for _ in range(int(math.log2(SEGMENT_LENGTH / (64 * loss.eps)))):
        middle = (low + high) / 2
        at_middle = state(middle)
        left = (change(at_low, at_middle) >= change(at_middle, at_high))[:, None]
        low, high = torch.where(left, low, middle), torch.where(left, middle, high)
        at_low, at_high = torch.where(left, at_low, at_middle), torch.where(left, at_middle, at_high)
    jump = change(at_low, at_high)
    if float(jump.max()) > max(MIN_JUMP, 4e5 * loss.eps):  # in float32 only large kinks stand out from rounding
        worst = int(jump.argmax())
        where = [round(t, 6) for t in loss.place(low[worst]).tolist()]
        what = "gradient" if ((at_high - at_low).abs() / scale)[worst].argmax() > 0 else "value"
        seam = ", and along a periodic axis a period as long as the box is wide" if loss.periodic.any() else ""
        raise ValueError(
            f"loss: expected a function with a continuous gradient, got one whose {what} jumps near {where}; Morse theory needs "
            f"smooth functions{seam}, so use the sampled route: lb.barcode(lb.basins(lb.sample(...)))"
        )


def check_hessian(loss: UnitCubeLoss, generator: torch.Generator) -> None:
    """Refuse a loss whose Hessian by autograd does not match its gradients, as with a backward pass of its own."""
    d, dtype = loss.dimension, loss.bounds.dtype
    unit = 0.01 + 0.98 * torch.rand(64, d, dtype=dtype, generator=generator).to(loss.bounds.device)
    along = torch.randn(64, d, dtype=dtype, generator=generator).to(loss.bounds.device)
    along *= loss.eps ** (1 / 3) / along.norm(dim=1, keepdim=True)
    _, gradient, hessian = loss(unit)
    change = loss(unit + along, order=1)[1] - loss(unit - along, order=1)[1]
    expected = 2 * (hessian @ along[..., None]).squeeze(-1)
    wrong = (change - expected).norm(dim=1) > 0.5 * torch.maximum(change.norm(dim=1), expected.norm(dim=1))
    rounding = 1e3 * loss.eps * gradient.norm(dim=1)
    if (wrong & (change.norm(dim=1) > rounding)).sum() > 32:
        raise ValueError(
            "loss: expected a function that autograd can differentiate twice, got one whose Hessian, by autograd, does not match "
            "the changes of its gradient; write it in torch operations, without a backward pass that is detached or written by hand"
        )
