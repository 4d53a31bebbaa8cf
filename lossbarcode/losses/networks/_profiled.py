"""Losses of networks whose last layer is solved away.

In: the loss of a network that ends in an affine layer. Out: :class:`ProfiledLoss`, a loss of the other parameters: that with the best last
layer. If the criterion is convex in the outputs and there is a penalty, the barcodes of the two losses are equal, in every degree.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..._support.types import Points, Values
from .._derivatives import double_backward, hessian_by_columns, twice_differentiable
from .._protocols import gradient_by_autograd, name_of
from ._batches import select_rows, slices
from ._last_layer import MAX_HESSIAN_SIZE, ConvexLoss, CrossEntropy, Squares
from ._network_loss import NetworkLoss
from ._parameters import ParameterVector


class ProfiledLoss:
    """What :meth:`NetworkLoss.profiled` makes: a pure function from the parameters before the last layer ``[n d]`` to losses ``[n]``.

    Its value is that of the full loss with the best last layer; :meth:`lift` says which that is. Let f(x, y) be the full loss, y the last
    layer, and y*(x) the best one. Moving from (x, y) straight to (x, y*(x)) never raises f, so every sublevel set of f retracts onto
    the graph of y* over that of f(x, y*(x)): the two have the same bars in every degree. Critical points correspond to each other, with
    equal losses and Morse indices. The gradient is that of f by x alone, and the Hessian the Schur complement.

    Attributes:
        full: the loss of all parameters.
        vector: how the parameters before the last layer are laid out in a point.
        name: the module's class.
        n_parameters: number of parameters before the last layer.
        dtype, device: of points and losses. The last layer is always found in float64.
    """

    def __init__(self, full: NetworkLoss) -> None:
        self.full = full
        self.layer_name = last_layer_of(full)
        self.vector = ParameterVector(without_layer(full, self.layer_name))
        self.has_bias = f"{self.layer_name}.bias" in full.vector.shapes
        self.name, self.n_parameters = full.name, self.vector.n_parameters
        self.dtype, self.device = full.dtype, full.device
        self.criterion = convex_loss(full)
        check_affine(self)
        batches = -(-full.n_samples // full.batch_size)
        self.networks_per_chunk = max(1, min(full.networks_per_chunk // batches, self.criterion.layers_that_fit()))

    def __repr__(self) -> str:
        layer = self.full.n_parameters - self.n_parameters
        return f"ProfiledLoss({self.name}, {self.n_parameters:,} parameters, {layer:,} more in the last layer)"

    # --- points ---

    def restrict(self, points: Float[Tensor, "n full"]) -> Float[Tensor, "n d"]:
        """The parameters before the last layer ``[n d]`` of points of the full loss."""
        points = self.full.vector.checked(points)
        return torch.cat([part.flatten(1) for name, part in self._parts(points).items() if name in self.vector.shapes], 1)

    def lift(self, points: Float[Tensor, "n d"]) -> Float[Tensor, "n full"]:
        """Points of the full loss, with the best last layer."""
        points = self.vector.checked(points).detach()
        pieces = [self._lifted(chunk) for chunk in points.split(self.networks_per_chunk)]
        return torch.cat(pieces) if pieces else points.new_empty(0, self.full.n_parameters)

    def refit(self, points: Float[Tensor, "n full"]) -> Float[Tensor, "n full"]:
        """Points of the full loss with their last layers replaced by the best ones; no loss rises."""
        return self.lift(self.restrict(points))

    def initial_parameters(self, n: int, *, seed: int = 0) -> Float[Tensor, "n d"]:
        """Parameters before the last layer of n networks as their layers initialise themselves ``[n d]``."""
        return self.restrict(self.full.initial_parameters(n, seed=seed))

    # --- values and derivatives ---

    def __call__(self, points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Losses of points, differentiable twice by autograd."""
        points = self.vector.checked(points)
        if torch.is_grad_enabled() and points.requires_grad:
            return self._losses(points, differentiable=True)
        parts = [self._losses(chunk, differentiable=False).detach() for chunk in points.detach().split(self.networks_per_chunk)]
        return torch.cat(parts) if parts else points.new_empty(0)

    def value_and_gradient(self, points: Float[Tensor, "n d"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n d"]]:
        """Losses ``[n]`` and gradients ``[n d]``."""
        values, gradients = [], []
        for chunk in self.vector.checked(points).detach().split(self.networks_per_chunk):
            x = chunk.clone().requires_grad_()
            with torch.enable_grad():
                losses = self._losses(x, differentiable=False)  # the last layer moves, too, but at its best that changes nothing
            values.append(losses.detach())
            gradients.append(gradient_by_autograd(losses, x))
        if not values:
            return points.new_empty(0), points.new_empty(points.shape)
        return torch.cat(values), torch.cat(gradients)

    def hessian_product(self, points: Float[Tensor, "n d"], vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The Hessian at each point times one vector each ``[n d]``."""
        points, vectors = self.vector.checked(points).detach(), self.vector.checked(vectors)
        pairs = zip(points.split(self.networks_per_chunk), vectors.split(self.networks_per_chunk), strict=True)
        products = [double_backward(self, *pair) for pair in pairs]
        return torch.cat(products) if products else torch.zeros_like(points)

    def hessian(self, points: Float[Tensor, "n d"]) -> Float[Tensor, "n d d"]:
        """The Hessian at each point ``[n d d]``, of at most 3,000 parameters."""
        return hessian_by_columns(self, self.vector.checked(points))

    # --- inside ---

    def _parts(self, points: Points) -> dict[str, Tensor]:
        """Views of points of the full loss as named parameters ``[n ...]``."""
        sizes = [shape.numel() for shape in self.full.vector.shapes.values()]
        return dict(zip(self.full.vector.shapes, points.split(sizes, 1), strict=True))

    def _losses(self, points: Points, *, differentiable: bool) -> Values:
        if not len(points):
            return points.sum(1)
        features = self._features(points)
        with torch.no_grad():
            layer = self.criterion.solve(features)
        if differentiable:
            # A step of Newton from the solution, of length zero, but with the derivative that the solution has. (What it would need to have
            # the right second derivative is multiplied by the gradient, which is zero.)
            layer = layer - self.criterion.newton_step(features, layer, self.criterion.gradient(features, layer))
        return (self.criterion.values(features, layer) + self.full.l2 * points.double().square().sum(1)).to(self.dtype)

    @twice_differentiable()
    def _features(self, points: Points) -> Float[Tensor, "n rows p"]:
        """What the last layer gets, for all rows of data, in float64, with a column of ones for the bias."""
        pieces = [select_rows(self.full.data, rows) for rows in slices(self.full.n_samples, self.full.batch_size)]
        with torch.enable_grad():  # a forward may take derivatives of its own
            found = [self.full.each(self.vector.call, points, piece) for piece in pieces]
        features = torch.cat(found, 1).double()
        features = features if points.requires_grad else features.detach()
        return F.pad(features, (0, 1), value=1.0) if self.has_bias else features

    def _lifted(self, points: Points) -> Points:
        layer = self.criterion.solve(self._features(points)).to(self.dtype)
        weight = layer[:, :-1] if self.has_bias else layer
        last = {f"{self.layer_name}.weight": weight.mT.flatten(1), f"{self.layer_name}.bias": layer[:, -1]}
        sizes = [shape.numel() for shape in self.vector.shapes.values()]
        parts = dict(zip(self.vector.shapes, points.split(sizes, 1), strict=True)) | last
        return torch.cat([parts[name] for name in self.full.vector.shapes], 1)


def last_layer_of(full: NetworkLoss) -> str:
    """The name of the last linear layer.

    Raises:
        ValueError: if there is none, or if it is frozen or tied to another one.
    """
    layers = [name for name, part in full.vector.template.named_modules() if isinstance(part, nn.Linear)]
    if not layers or not layers[-1]:
        raise ValueError(f"profiled: expected a module that ends in a nn.Linear after other layers, got {full.name} without one")
    name = layers[-1]
    own = [f"{name}.{key}" for key, _ in full.vector.template.get_submodule(name).named_parameters()]
    missing = [key for key in own if key not in full.vector.shapes]
    if missing:
        raise ValueError(f"profiled: expected a last layer whose parameters are free and its own, got {missing} frozen or tied to others")
    return name


def without_layer(full: NetworkLoss, name: str) -> nn.Module:
    """The module without its last layer, so that its outputs are what that layer gets."""
    module = copy.deepcopy(full.vector.template)
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, nn.Identity())
    free = [key for key in full.vector.shapes if key.rpartition(".")[0] != name]
    if not free:
        raise ValueError(f"profiled: expected free parameters before the last layer, got none in {full.name}; its loss is convex")
    for key in free:
        module.get_parameter(key).requires_grad_()
    return module


def convex_loss(full: NetworkLoss) -> ConvexLoss:
    """The criterion with its targets, if the best last layer is unique and can be found.

    Raises:
        ValueError: if the criterion is not known to be convex, or there is no penalty on the squares alone.
    """
    if not full.l2 > 0 or full.penalty is not None:
        raise ValueError(
            f"profiled: expected l2 above 0 and no other penalty, so that there is one best last layer, got l2={full.l2} and "
            f"penalty={full.penalty}; make the loss with l2="
        )
    targets = full.data[1] if isinstance(full.data, tuple) and len(full.data) == 2 else None
    name = last_layer_of(full)
    n_outputs, n_inputs = full.vector.shapes[f"{name}.weight"]
    n_inputs += f"{name}.bias" in full.vector.shapes
    if isinstance(targets, Tensor) and is_plain(full.criterion, F.mse_loss, nn.MSELoss) and targets.ndim == 2:
        return Squares(targets.double(), full.l2, n_inputs)
    if isinstance(targets, Tensor) and is_plain(full.criterion, F.cross_entropy, nn.CrossEntropyLoss) and targets.ndim == 1:
        if n_inputs * n_outputs > MAX_HESSIAN_SIZE:
            raise ValueError(
                f"profiled: expected at most {MAX_HESSIAN_SIZE} numbers in the last layer for cross-entropy, got {n_inputs * n_outputs}"
            )
        return CrossEntropy(targets, n_outputs, full.l2, n_inputs)
    shape = f"of shape {list(targets.shape)}" if isinstance(targets, Tensor) else type(targets).__name__
    raise ValueError(
        "profiled: expected torch.nn.functional.mse_loss with targets [rows outputs], or cross_entropy with classes [rows], both with "
        f"their default options, got {name_of(full.criterion)} with targets {shape}"
    )


def is_plain(criterion: Any, function: Any, module: type[nn.Module]) -> bool:
    """Whether a criterion is a function of torch, or its module, with the default options."""
    if criterion is function:
        return True
    options = ("reduction", "weight", "ignore_index", "label_smoothing")
    return type(criterion) is module and all(getattr(criterion, key, None) == getattr(module(), key, None) for key in options)


def check_affine(loss: ProfiledLoss) -> None:
    """Refuse a module that does something else than its last layer at its end.

    Raises:
        ValueError: if its loss is another one than that of the features and the layer.
    """
    point = loss.full.to_vector(loss.full.vector.template)[None]
    try:
        features = loss._features(loss.restrict(point))
        parts = loss._parts(point)
        layer = parts[f"{loss.layer_name}.weight"].view(1, -1, features.shape[2] - loss.has_bias).mT
        if loss.has_bias:
            layer = torch.cat([layer, parts[f"{loss.layer_name}.bias"][:, None]], 1)
        found = loss.criterion.values(features, layer.double()) + loss.full.l2 * loss.restrict(point).double().square().sum(1)
        ends = torch.allclose(found.to(loss.dtype), loss.full(point), rtol=1e-4)
    except (RuntimeError, ValueError):  # shapes that do not fit
        ends = False
    if not ends:
        raise ValueError(
            f"profiled: expected a module whose outputs [rows outputs] are those of its last layer, {loss.layer_name}, got "
            f"{loss.full.name}, which does more behind it, or does not call it"
        )
