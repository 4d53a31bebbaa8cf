"""Minima of networks that were trained elsewhere.

In: a loss of networks, and modules, state dicts or files of them. Out: :class:`Minima` at exactly their parameters. Nothing descends, so
``converged`` tells how far training got.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._support.checks import FLOATS
from .._support.types import Points
from ..losses._boxes import box_of_points, project_to_box
from ..losses._derivatives import evaluate_in_chunks
from ..losses._protocols import Loss, name_of
from ..losses.networks import NetworkLoss
from ._find_minima import find_minima
from ._minima import Minima

Network: TypeAlias = nn.Module | Mapping[str, Any] | str | os.PathLike[str]
"""A module, its state dict, or a file with that."""
RUNNING_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of BatchNorm; losses of networks do without


def minima_of(
    loss: Loss,
    networks: Float[Tensor, "k d"] | Iterable[Network],
    *,
    gradient_tolerance: float | None = None,
    lowest_eigenvalue: bool = False,
    test_error: Callable[[Tensor], Tensor] | None = None,
) -> Minima:
    """The minima that networks have been trained to elsewhere, as they are.

    Nothing is optimised: values and gradients are those of the networks, and ``converged`` tells whose gradient vanishes. Stochastic
    training rarely gets there; ``find_minima(loss, minima.points)`` descends from where it ended to minima of this loss. So that it is the
    loss of the training, ``loss`` must have the same data, criterion and penalty: weight decay w of ``torch.optim.SGD`` is ``l2=w / 2``.
    Networks may differ in running statistics of BatchNorm, which losses of networks do without.

    Args:
        loss: made by :func:`networks.network_loss` of a module of the same architecture.
        networks: any of modules, state dicts, and names of files written by ``torch.save(module.state_dict(), file)``, which are read
            without pickle's powers; or their parameter vectors ``[k d]``, then also of other losses.
        gradient_tolerance: length of the gradient at which a network counts as converged; default 1e-6 in float64, 1e-4 in float32.
        lowest_eigenvalue: find the lowest eigenvalue of the Hessian, as :func:`find_minima` does.
        test_error: ``[k d] -> [k]``, for example ``lambda points: loss.error_rate(points, test)``.

    Returns:
        Minima, one per network, in the order given.

    Raises:
        ValueError: if a network lacks a parameter or has one of another shape, one that is unknown to the loss, or a frozen one or a
            buffer that differs; if it is more precise than the loss; if a loss is not finite.

    Example:
        >>> import torch, lossbarcode as lb
        >>> x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
        >>> module = lb.networks.FullyConnected(1, (3,), 1, torch.nn.Tanh).double()
        >>> loss = lb.networks.network_loss(module, (x, x**2), torch.nn.functional.mse_loss, l2=1e-3)
        >>> first, second = (loss.to_module(point) for point in loss.initial_parameters(2))  # imagine that you have trained them
        >>> minima = lb.minima_of(loss, [first, second.state_dict()])
        >>> minima.converged
        tensor([False, False])
        >>> lb.find_minima(loss, minima.points).converged
        tensor([True, True])
    """
    points = points_of(loss, networks)
    values = evaluate_in_chunks(loss, points)
    bad = (~values.isfinite()).nonzero().flatten().tolist()
    if bad:
        raise ValueError(f"networks: expected a finite loss of each, got {float(values[bad[0]])} of networks[{bad[0]}]; leave it out")
    return find_minima(
        loss, points, gradient_tolerance=gradient_tolerance, max_steps=0, lowest_eigenvalue=lowest_eigenvalue, test_error=test_error
    )


def points_of(loss: Loss, networks: Any) -> Points:
    """Parameters of all networks ``[k d]``."""
    if isinstance(networks, Tensor):
        return checked_points(loss, networks.detach())
    if not isinstance(networks, Iterable) or isinstance(networks, nn.Module | Mapping | str):
        raise ValueError(f"networks: expected a list of networks, got one {type(networks).__name__}; put it into a list")
    if not isinstance(loss, NetworkLoss):
        raise ValueError(
            f"loss: expected one made by lb.networks.network_loss, whose module says how parameters are laid out, got {name_of(loss)}; "
            "pass networks as parameter vectors [k d]"
        )
    points = [point_of(loss, network, f"networks[{i}]") for i, network in enumerate(networks)]
    if not points:
        raise ValueError("networks: expected at least one, got none")
    return torch.stack(points)


def checked_points(loss: Loss, points: Tensor) -> Points:
    """Points ``[k d]`` in the box of the loss, if it has one: a descent would begin by moving the others into it."""
    if points.ndim != 2 or not len(points) or points.dtype not in FLOATS:
        raise ValueError(f"networks: expected float32 or float64 of shape [k d], got {points.dtype} of shape {list(points.shape)}")
    *_, faces = box_of_points(loss, getattr(loss, "bounds", None), None, points)
    outside = (project_to_box(points, faces) != points).any(1)
    if outside.any():
        raise ValueError(
            f"networks: expected points in the bounds of {name_of(loss)}, got {int(outside.sum())} outside, the first in row "
            f"{int(outside.nonzero()[0])}; leave them out"
        )
    return points


def point_of(loss: NetworkLoss, network: Any, name: str) -> Tensor:
    """The parameters of a network as a point ``[d]``, if it differs in nothing else from the module of the loss."""
    given, shapes = state_dict_of(network, name), loss.vector.shapes
    known = loss.vector.template.state_dict()
    missing = [key for key in shapes if key not in given]
    unknown = [key for key in given if key not in known and str(key).rpartition(".")[2] not in RUNNING_STATISTICS]
    if missing or unknown:
        raise ValueError(
            f"{name}: expected the keys of {loss.name}, got none called {missing[:3]}, and unknown ones {unknown[:3]}; "
            "pass a network of the same architecture, without wrappers"
        )
    for key, shape in shapes.items():
        tensor = given[key]
        if not isinstance(tensor, Tensor) or tensor.shape != shape:
            seen = list(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ValueError(f"{name}: expected {key!r} of shape {list(shape)}, got {seen}; pass a network of the same architecture")
        if torch.promote_types(tensor.dtype, loss.dtype) != loss.dtype:
            raise ValueError(
                f"{name}: expected {key!r} in {loss.dtype}, as the loss is, got {tensor.dtype}; make the loss of module.double()"
            )
        if not tensor.isfinite().all():
            raise ValueError(f"{name}: expected finite numbers in {key!r}, got some that are not; its training diverged, leave it out")
    point = torch.cat([given[key].detach().reshape(-1).to(loss.device, loss.dtype) for key in shapes])
    own = loss.to_module(point).state_dict()  # tied parameters follow the one that is in the point
    for key in own.keys() & given.keys():
        if not torch.equal(own[key], torch.as_tensor(given[key]).to(own[key])):
            raise ValueError(
                f"{name}: expected {key!r} as in the module of the loss, in which it is fixed, got other numbers; make the loss of this "
                "network, or, if they do not matter, pass dict(network.named_parameters())"
            )
    return point


def state_dict_of(network: Any, name: str) -> Mapping[str, Any]:
    """The state dict of a module or in a file."""
    if isinstance(network, nn.Module):
        return network.state_dict()
    content = network
    if isinstance(network, str | os.PathLike):
        try:
            content = torch.load(network, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds for files that are not its own
            raise ValueError(
                f"{name}: expected the file of a state dict, got {network} ({type(error).__name__}); write it with "
                "torch.save(module.state_dict(), file)"
            ) from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{name}: expected a module, its state dict, or the file of one, got {type(content).__name__}")
    return content
