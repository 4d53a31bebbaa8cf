"""From parameters of a module to a vector, and back.

In: a module. Out: :class:`ParameterVector`, which maps a point ``[d]``, all free parameters of one network, to named views, to a module of
its own, and the other way round.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.func import replace_all_batch_norm_modules_

from ..._support.checks import FLOATS, check_count
from ..._support.types import Points


class ParameterVector:
    """The free parameters of a module as one vector.

    Attributes:
        name: the module's class.
        template: a copy of the module in evaluation mode, without running statistics of BatchNorm.
        shapes: of the parameters that require gradients, by name, in the order of the vector.
        n_parameters: length of the vector d.
        dtype, device: of all of them.

    Raises:
        ValueError: if no parameter requires gradients, or if they are not in float32 or float64 on one device.
    """

    def __init__(self, module: nn.Module):
        self.name = type(module).__name__
        self.template = replace_all_batch_norm_modules_(copy.deepcopy(module)).eval().requires_grad_(False)
        free = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        if not free:
            raise ValueError(f"module: expected parameters that require gradients, got none in {self.name}; call .requires_grad_() first")
        parameters = {name: self.template.get_parameter(name) for name in free}
        first = parameters[free[0]]
        kinds = sorted({(str(p.dtype), str(p.device)) for p in parameters.values()})
        if len(kinds) != 1 or first.dtype not in FLOATS:
            raise ValueError(
                f"module: expected parameters in float32 or in float64 on one device, got {kinds} in {self.name}; convert it first, "
                "for example with .double(); lazy layers must be called once"
            )
        self.dtype, self.device = first.dtype, first.device
        self.shapes = {name: p.shape for name, p in parameters.items()}
        self.n_parameters = sum(p.numel() for p in parameters.values())

    def to_vector(self, module: nn.Module) -> Tensor:
        """The parameters of a module of the same architecture ``[d]``."""
        given = dict(module.named_parameters())
        if {name: given[name].shape for name in self.shapes if name in given} != self.shapes:
            raise ValueError(f"module: expected the parameters of {self.name}, by name and shape, got those of {type(module).__name__}")
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
        fixed = [type(owner).__name__ for owner in owners if not hasattr(owner, "reset_parameters")]
        if fixed:
            raise ValueError(
                f"module: expected every module with parameters to have reset_parameters(), got none in {fixed}; add one, or pass "
                "starts of your own: torch.stack([loss.to_vector(make_module()) for _ in range(n)])"
            )
        points = torch.empty(n, self.n_parameters, dtype=self.dtype, device=self.device)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for point in points:
                for owner in owners:
                    owner.reset_parameters()  # pyright: ignore[reportCallIssue]  # torch: attributes of modules are tensors or modules
                point.copy_(self.to_vector(module))
        return points

    def checked(self, points: Points) -> Points:
        """The points, if they are those of this module."""
        if points.ndim != 2 or points.shape[1] != self.n_parameters or points.dtype != self.dtype or points.device != self.device:
            raise ValueError(
                f"{self.name}: expected points of shape [n {self.n_parameters}], {self.dtype} on {self.device}, "
                f"got shape {list(points.shape)}, {points.dtype} on {points.device}"
            )
        return points
