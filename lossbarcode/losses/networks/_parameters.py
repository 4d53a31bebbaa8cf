"""From parameters of a module to a vector, and back.

In: a module. Out: :class:`ParameterVector`, which maps a point ``[d]``, all free parameters of one network, to named views, to a module of
its own, and the other way round.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_

from ..._support.checks import FLOATS, check_count
from ..._support.types import Points
from ._batches import Batch, arguments

State: TypeAlias = Mapping[str, Any]
"""What ``state_dict()`` returns: parameters and buffers by name."""


class ParameterVector:
    """The free parameters of a module as one vector.

    Attributes:
        name: the module's class.
        template: a copy of the module in evaluation mode, without running statistics of BatchNorm and with dense gradients.
        state_shapes: of all that a state dict of the module holds, by name.
        shapes: of the parameters that require gradients, by name, in the order of the vector.
        n_parameters: length of the vector d.
        dtype, device: of all of them.

    Raises:
        ValueError: if no parameter requires gradients, if they are not in float32 or float64 on one device, or if a part of the module
            cannot be called with other parameters.
    """

    def __init__(self, module: nn.Module):
        module = unwrapped(module)
        self.name = type(module).__name__
        check_parts(module)
        self.state_shapes = shapes_of(module.state_dict())
        self.template = replace_all_batch_norm_modules_(copy.deepcopy(module)).eval().requires_grad_(False)
        for part in self.template.modules():
            if isinstance(part, nn.Embedding | nn.EmbeddingBag):
                part.sparse = False  # a point is one dense vector, and so is its gradient
        free = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        if not free:
            raise ValueError(f"module: expected parameters that require gradients, got none in {self.name}; call .requires_grad_() first")
        parameters = {name: self.template.get_parameter(name) for name in free}
        first = parameters[free[0]]
        kinds = sorted({(str(p.dtype), str(p.device)) for p in parameters.values()})
        if len(kinds) != 1 or first.dtype not in FLOATS:
            raise ValueError(
                f"module: expected parameters in float32 or in float64 on one device, got {kinds} in {self.name}; convert it first, "
                "for example with .double()"
            )
        self.dtype, self.device = first.dtype, first.device
        self.shapes = {name: p.shape for name, p in parameters.items()}
        self.n_parameters = sum(p.numel() for p in parameters.values())

    def to_vector(self, module: nn.Module | State) -> Tensor:
        """The parameters of a module of the same architecture, or of its state dict ``[d]``."""
        if isinstance(module, Mapping):  # buffers and parameters that stay as they are may be in it, and may be left out
            given, owner, found = module, "a state dict", shapes_of(module)
            expected = {name: shape for name, shape in self.state_shapes.items() if name in self.shapes or name in found}
        else:
            given, owner = dict(unwrapped(module).named_parameters()), type(module).__name__
            found, expected = {name: given[name].shape for name in self.shapes if name in given}, self.shapes
        if found != expected:
            raise ValueError(
                f"module: expected the parameters of {self.name}, by name and shape, got those of {owner} {differences(found, expected)}"
            )
        return torch.cat([given[name].detach().reshape(-1) for name in self.shapes]).to(self.device, self.dtype)

    def to_module(self, point: Tensor) -> nn.Module:
        """A module of its own with the parameters of a point ``[d]``, in evaluation mode."""
        module = copy.deepcopy(self.template)
        for name, value in self.named(self.checked(point[None])[0]).items():
            module.get_parameter(name).copy_(value).requires_grad_()
        return module

    def named(self, point: Tensor) -> dict[str, Tensor]:
        """Views of a point ``[d]`` as the module's named parameters."""
        parts = point.split([shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def initial(self, n: int, seed: int) -> Points:
        """Parameters of n networks as their layers initialise themselves, by ``reset_parameters()`` ``[n d]``.

        They are drawn on the CPU, so that a seed means the same networks on every device; the state of torch's generators stays.
        """
        n = check_count(n, "n")
        module = copy.deepcopy(self.template).cpu()
        owners = [module.get_submodule(name) for name in sorted({name.rpartition(".")[0] for name in self.shapes})]
        attention = [owner for owner in owners if isinstance(owner, nn.MultiheadAttention)]  # calls it _reset_parameters
        fixed = [type(owner).__name__ for owner in owners if not hasattr(owner, "reset_parameters") and owner not in attention]
        if fixed:
            raise ValueError(
                f"module: expected every module with parameters to have reset_parameters(), got none in {fixed}; add one, or pass "
                "starts of your own: torch.stack([loss.to_vector(make_module()) for _ in range(n)])"
            )
        # attention comes after its parts, some of which it initialises in a way of its own
        resets: list[Any] = [owner.reset_parameters for owner in owners if owner not in attention]
        resets += [owner._reset_parameters for owner in attention]
        points = torch.empty(n, self.n_parameters, dtype=self.dtype, device=self.device)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for point in points:
                for reset in resets:
                    reset()
                point.copy_(self.to_vector(module))
        return points

    def call(self, point: Tensor, batch: Batch) -> Any:
        """What the module returns for a batch, with the parameters of a point ``[d]``. Buffers that its forward changes start afresh."""
        args, kwargs = arguments(batch)
        buffers = {name: buffer.clone() for name, buffer in self.template.named_buffers()}
        return functional_call(self.template, {**buffers, **self.named(point)}, args, kwargs)

    def checked(self, points: Points) -> Points:
        """The points, if they are those of this module."""
        if points.ndim != 2 or points.shape[1] != self.n_parameters or points.dtype != self.dtype or points.device != self.device:
            raise ValueError(
                f"{self.name}: expected points of shape [n {self.n_parameters}], {self.dtype} on {self.device}, "
                f"got shape {list(points.shape)}, {points.dtype} on {points.device}"
            )
        return points


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside of those that spread it over devices or compile it."""
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif isinstance(inside := getattr(module, "_orig_mod", None), nn.Module):  # of torch.compile
            module = inside
        else:
            return module


def check_parts(module: nn.Module) -> None:
    """Refuse modules that cannot be called with parameters from outside, or that write into them.

    Raises:
        ValueError: if there is TorchScript, a lazy layer that was never called, or an embedding with ``max_norm``.
    """
    for part in module.modules():
        kind = type(part).__name__
        if isinstance(part, torch.jit.ScriptModule):
            raise ValueError(
                f"module: expected a module written in Python, got a {kind}, whose parameters cannot be exchanged; "
                "pass the module that it was made of"
            )
        if any(map(nn.parameter.is_lazy, part.parameters(recurse=False))):
            raise ValueError(f"module: expected parameters with shapes, got a {kind} that was never called; call the module on some data")
        if isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.max_norm is not None:
            raise ValueError(
                f"module: expected a forward that leaves parameters as they are, got {kind} with max_norm={part.max_norm}, which "
                "shortens them; set max_norm=None, and bound them by l2= or penalty="
            )


def shapes_of(state: State) -> dict[str, torch.Size | None]:
    """Shapes of the tensors of a state dict, None for what is no tensor."""
    return {name: value.shape if isinstance(value, Tensor) else None for name, value in state.items()}


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """In a few words, which names are missing, which are too many, and whose shapes differ."""
    kinds = {
        "without": sorted(expected.keys() - found.keys()),
        "with": sorted(found.keys() - expected.keys()),
        "other shapes of": sorted(name for name in found.keys() & expected.keys() if found[name] != expected[name]),
    }
    return "; ".join(f"{kind} {', '.join(names[:3])}{', ...' * (len(names) > 3)}" for kind, names in kinds.items() if names)
