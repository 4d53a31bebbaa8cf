"""Weight matching: permutations (and signs) of hidden units that bring networks close to each other."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import add

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ._network_loss import NetworkLoss

# A hidden unit may change its sign, too, if its activation is odd and all other layers up to the next weights keep signs.
ODD_ACTIVATIONS = (nn.Tanh, nn.Softsign, nn.Tanhshrink)
SIGN_KEEPING_LAYERS = (nn.Flatten, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Dropout, nn.Identity)
MAX_SWEEPS = 100  # over the layers; they end when nothing changes, mostly after ten


def align(loss: NetworkLoss, points: Float[Tensor, "k d"], *, to: int = 0) -> Float[Tensor, "k d"]:
    """Permute the hidden units of networks so that their weights are as close as can be found to those of one of them.

    The networks compute what they did before; only straight lines between them change. Units whose activation is odd, as tanh is,
    change their signs, too. Layer by layer, the best assignment is found exactly (by SciPy), until none gets better. What is found is a
    local optimum: no layer alone can be improved, several layers together perhaps can.

    Args:
        loss: of a module that is a chain (``nn.Sequential``) of linear or convolution layers, BatchNorm, and layers without
            parameters that treat all units alike, such as :class:`FullyConnected` and :class:`CNN`.
        points: networks ``[k d]``.
        to: row of the network that stays as it is.

    Returns:
        Points ``[k d]``.

    Raises:
        ValueError: if the module is no such chain, or there is no such network, or the networks do not compute what they did.

    Source:
        Weight matching of :cite:t:`ainsworth2023git`.

    Example:
        >>> import torch, lossbarcode as lb
        >>> x = torch.linspace(-1, 1, 50)[:, None]
        >>> loss = lb.networks.network_loss(lb.networks.FullyConnected(1, (8, 8), 1), (x, x**2), torch.nn.functional.mse_loss)
        >>> points = loss.initial_parameters(3)
        >>> aligned = lb.networks.align(loss, points)
        >>> torch.allclose(loss(points), loss(aligned), atol=1e-6)
        True
        >>> bool((aligned - points[0]).norm() < (points - points[0]).norm())
        True
    """
    if not 0 <= to < len(points):
        raise ValueError(f"to: expected a number from 0 to {len(points) - 1}, got {to}")
    layers, odd = find_chain(loss)
    fixed = {name: value.double().cpu() for name, value in loss.parameters(points[to].detach()).items()}
    aligned = points.detach().clone()
    for point in aligned:  # SciPy solves one assignment at a time
        moving = {name: value.double().cpu() for name, value in loss.parameters(point).items()}
        orders, signs = match_units(layers, odd, fixed, moving)
        for name, value in permute_units(layers, loss.parameters(point), orders, signs).items():
            loss.parameters(point)[name].copy_(value.clone())
    before, after = loss(points), loss(aligned)
    if not torch.allclose(before, after, rtol=torch.finfo(before.dtype).eps ** 0.5):
        raise ValueError(
            f"align: expected hidden units of {loss.name} to have no order, got losses that change "
            f"by {float((after - before).abs().max()):.1g}; some layer tells units apart"
        )
    return aligned


def find_chain(loss: NetworkLoss) -> tuple[list[list[str]], list[bool]]:
    """What permutations act on.

    Returns:
        For every layer the names of its parameters: first its weight, then those that go with its outputs (biases, BatchNorm); and for
        every layer but the last whether its units may change their signs.
    """
    layers: list[list[str]] = []
    between: list[list[nn.Module]] = []  # what follows each layer
    for name, module in loss.vector.template.named_children():
        own = [f"{name}.{part}" for part, _ in module.named_parameters()]
        if not set(own) <= set(loss.vector.shapes):
            raise ValueError(f"align: expected all parameters of {loss.name} to be free, got some of {own} that require no gradients")
        if between:
            between[-1].append(module)
        if isinstance(module, nn.Linear | nn.Conv2d):
            layers.append(own)
            between.append([])
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and layers:
            layers[-1] += own
        elif own:
            kind = type(module).__name__
            raise ValueError(f"align: expected a chain of linear, convolution and BatchNorm layers, got {kind} in {loss.name}")
    if not isinstance(loss.vector.template, nn.Sequential) or not layers:
        raise ValueError(f"align: expected an nn.Sequential with linear or convolution layers, got {loss.name}")
    for layer, following in pairwise(layers):
        outputs, inputs = loss.vector.shapes[layer[0]][0], loss.vector.shapes[following[0]][1]
        if inputs % outputs:
            raise ValueError(
                f"align: expected every layer to take all outputs of the one before, got {outputs} of "
                f"{layer[0]} and {inputs} of {following[0]}"
            )
    odd = [
        all(isinstance(m, (*ODD_ACTIVATIONS, *SIGN_KEEPING_LAYERS)) for m in parts[:-1])
        and any(isinstance(m, ODD_ACTIVATIONS) for m in parts)
        for parts in between[:-1]
    ]
    return layers, odd


def match_units(
    layers: list[list[str]], odd: list[bool], fixed: dict[str, Tensor], moving: dict[str, Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The order of the outputs of every layer but the last, and their signs."""
    from scipy.optimize import linear_sum_assignment

    orders = [torch.arange(len(moving[layer[0]])) for layer in layers[:-1]]
    signs = [torch.ones(len(order), dtype=torch.float64) for order in orders]
    for _ in range(MAX_SWEEPS):
        changed = False
        for i in range(len(orders)):
            current = [order if j != i else torch.arange(len(order)) for j, order in enumerate(orders)]
            there = permute_units(layers, moving, current, [sign if j != i else torch.ones_like(sign) for j, sign in enumerate(signs)])
            similar = reduce(add, (flatten_rows(fixed[name]) @ flatten_rows(there[name]).T for name in layers[i]))
            following = layers[i + 1][0]
            similar = (
                similar
                + flatten_rows(group_by_unit(fixed[following], len(similar)))
                @ flatten_rows(group_by_unit(there[following], len(similar))).T
            )
            every = torch.arange(len(similar))
            now = (similar[every, orders[i]] * signs[i]).sum()
            best = torch.from_numpy(linear_sum_assignment((similar.abs() if odd[i] else similar).numpy(), maximize=True)[1])
            sign = torch.where((similar[every, best] < 0) & odd[i], -1.0, 1.0).double()
            if (similar[every, best] * sign).sum() > now * (1 + 1e-12) + 1e-12:
                orders[i], signs[i], changed = best, sign, True
        if not changed:
            break
    return orders, signs


def permute_units(layers: list[list[str]], parameters: dict[str, Tensor], orders: list[Tensor], signs: list[Tensor]) -> dict[str, Tensor]:
    """Parameters with the outputs of all layers but the last in another order, and with other signs."""
    result = dict(parameters)
    for i, (order, sign) in enumerate(zip(orders, signs, strict=True)):
        weight = parameters[layers[i][0]]
        order, sign = order.to(weight.device), sign.to(weight)
        for name in layers[i]:
            result[name] = multiply_units(result[name][order], sign)
        following = layers[i + 1][0]
        result[following] = multiply_units(group_by_unit(result[following], len(order))[order], sign).transpose(0, 1).flatten(1, 2)
    return result


def multiply_units(tensor: Tensor, sign: Tensor) -> Tensor:
    """A tensor ``[units ...]`` times one sign per unit."""
    return tensor * sign.view(-1, *[1] * (tensor.ndim - 1))


def group_by_unit(weight: Tensor, units: int) -> Tensor:
    """A weight ``[outputs inputs ...]`` as ``[units outputs places ...]``: inputs by the unit that they come from."""
    return weight.unflatten(1, (units, -1)).transpose(0, 1)


def flatten_rows(tensor: Tensor) -> Tensor:
    return tensor.reshape(len(tensor), -1)
