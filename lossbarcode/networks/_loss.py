"""From a module and data to a loss on flat parameter vectors; the architectures of the experiments.

In: any ``nn.Module``, data and a criterion. Out: :class:`NetworkLoss`, which maps points ``[n d]``, all parameters of one network
a row, to losses ``[n]``: many networks at once by ``torch.func.vmap``, in chunks of networks and of data that bound the memory.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from operator import add
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_, vmap
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves, tree_map

from .._checks import FLOATS, check_count
from .._derivatives import double_backward
from .._types import AnyArray, Points, Rows, Values

# Bytes that the activations of networks evaluated together may take: on a GPU as many as fill it, on the CPU what stays in the cache.
BUDGET, CACHE = 1 << 30, 1 << 25
BATCH = 1 << 14  # rows of data a batch unless told otherwise

Batch: TypeAlias = tuple[Any, Any] | dict[str, Any]
"""Inputs and targets, or keyword arguments: tensors, or nested collections of them."""


def loss_of(
    module: nn.Module,
    data: tuple[Any, Any] | Mapping[str, Any] | Iterable[Any],
    criterion: Callable[..., Tensor] | None = F.cross_entropy,
    *,
    penalty: float | Callable[[dict[str, Tensor]], Tensor] = 0.0,
    batch_size: int = BATCH,
    autocast: torch.dtype | None = None,
) -> NetworkLoss:
    """The loss of a module on data as a function of its parameters.

    Args:
        module: any module; it is copied and not changed. Its device and dtype are those of the loss. Parameters that do not require
            gradients stay as they are: they are no part of the points.
        data: ``(inputs, targets)``; or a mapping of tensors, which the module gets as keyword arguments (as models of Hugging
            Face do); or an iterable of such batches (a ``DataLoader``), gone through once. Rows are along the first axis.
        criterion: ``criterion(outputs, targets)`` (of mappings ``criterion(outputs, batch)``), the mean loss over the rows of a
            batch. None: the module's outputs have it as ``.loss``.
        penalty: weight of the sum of squares of all parameters; or a function of the named parameters, added to the loss. Without one
            most networks have no minima: cross-entropy falls forever as weights grow.
        batch_size: rows of data evaluated at a time. It bounds the memory; the loss depends on it only if there is BatchNorm, whose
            statistics are those of each batch, recomputed at each point. Running averages are not used.
        autocast: compute outputs in this lower precision, for example ``torch.bfloat16`` on a GPU.

    Raises:
        ValueError: if no parameter requires gradients, if they are not in float32 or float64 on one device, if the data have no rows or
            not equally many, if the loss of a batch is not one finite number, or differs when it is computed again.

    Warns:
        UserWarning: if the module does not allow ``vmap``, so that networks are evaluated one after the other.

    Example:
        >>> import torch, lossbarcode as lb
        >>> x = torch.linspace(-1, 1, 50)[:, None]
        >>> loss = lb.networks.loss_of(lb.networks.FullyConnected(1, (3,), 1), (x, x**2), torch.nn.functional.mse_loss, penalty=1e-4)
        >>> loss
        NetworkLoss(FullyConnected, 10 parameters, 50 rows of data)
        >>> loss(loss.starts(4)).shape
        torch.Size([4])
    """
    if isinstance(data, Iterable) and not isinstance(data, Tensor | Mapping | tuple | list):
        batches = [as_batch(batch) for batch in data]
        if not batches:
            raise ValueError("data: expected an iterable of batches, got one without any")
        data = tree_map(lambda *parts: torch.cat(parts), *batches)
    return NetworkLoss(module, as_batch(data), criterion, penalty, check_count(batch_size, "batch_size"), autocast)


class NetworkLoss:
    """What :func:`loss_of` makes: a pure function from points ``[n d]`` to losses ``[n]``.

    The module is in evaluation mode (no dropout). The loss is the mean over all rows of data, and the penalty.

    Attributes:
        dimension: number of parameters d.
        name: the module's class.
        batched: whether networks are evaluated together rather than one after the other.
        together: networks in a chunk, so that what they keep for the backward pass fits into the cache, or into a GiB of a GPU.
    """

    dimension: int
    name: str
    batched: bool
    together: int
    rows: int
    dtype: torch.dtype
    device: torch.device
    shapes: dict[str, torch.Size]
    template: nn.Module
    data: Batch
    criterion: Callable[..., Tensor] | None
    penalty: float | Callable[[dict[str, Tensor]], Tensor]
    batch_size: int
    autocast: torch.dtype | None

    def __init__(
        self,
        module: nn.Module,
        data: Batch,
        criterion: Callable[..., Tensor] | None,
        penalty: float | Callable[[dict[str, Tensor]], Tensor],
        batch_size: int,
        autocast: torch.dtype | None,
    ) -> None:
        self.name = type(module).__name__
        self.criterion, self.penalty, self.batch_size, self.autocast = criterion, penalty, batch_size, autocast
        self.template = replace_all_batch_norm_modules_(copy.deepcopy(module)).eval().requires_grad_(False)
        free = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        parameters = {name: self.template.get_parameter(name) for name in free}
        if not free:
            raise ValueError(f"module: expected parameters that require gradients, got none in {self.name}; call .requires_grad_() first")
        kinds = sorted({(str(p.dtype), str(p.device)) for p in parameters.values()})
        if len(kinds) != 1 or next(iter(parameters.values())).dtype not in FLOATS:
            raise ValueError(
                f"module: expected parameters in float32 or in float64 on one device, got {kinds} in {self.name}; convert it first, "
                "for example with .double(); lazy layers must be called once"
            )
        first = next(iter(parameters.values()))
        self.dtype, self.device = first.dtype, first.device
        self.shapes = {name: p.shape for name, p in parameters.items()}
        self.dimension = sum(p.numel() for p in parameters.values())
        self.data = tree_map(self._placed, data)
        rows = {len(t) for t in tree_leaves(self.data)}
        if len(rows) != 1 or 0 in rows:
            raise ValueError(f"data: expected tensors with equally many rows, at least one, got {sorted(rows)}")
        (self.rows,) = rows
        self.batched, self.together = self._allows_vmap(), 1
        self.together = max(1, (CACHE if self.device.type == "cpu" else BUDGET) // self._kept_bytes())

    def __repr__(self) -> str:
        return f"NetworkLoss({self.name}, {self.dimension:,} parameters, {self.rows:,} rows of data)"

    # --- points and modules ---

    def point_of(self, module: nn.Module) -> Tensor:
        """The parameters of a module of the same architecture as a point ``[d]``."""
        given = dict(module.named_parameters())
        if {name: given[name].shape for name in self.shapes if name in given} != self.shapes:
            raise ValueError(f"module: expected the parameters of {self.name}, by name and shape, got those of {type(module).__name__}")
        return torch.cat([given[name].detach().reshape(-1) for name in self.shapes]).to(self.device, self.dtype)

    def module_of(self, point: Tensor) -> nn.Module:
        """A module with the parameters of a point ``[d]``, in evaluation mode."""
        module = copy.deepcopy(self.template)
        for name, value in self.parameters(self._checked(point[None])[0]).items():
            module.get_parameter(name).copy_(value).requires_grad_()
        return module

    def parameters(self, point: Tensor) -> dict[str, Tensor]:
        """Views of a point ``[d]`` as the module's named parameters."""
        parts = point.split([shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def starts(self, n: int, *, seed: int = 0) -> Points:
        """Parameters of n networks as their layers initialise themselves, by ``reset_parameters()`` ``[n d]``.

        They are drawn on the CPU, so that a seed means the same networks on every device; the state of torch's generators stays.

        Raises:
            ValueError: if a module with parameters of its own has no ``reset_parameters``.
        """
        n = check_count(n, "n")
        module = copy.deepcopy(self.template).cpu()
        owners = [module.get_submodule(name) for name in sorted({name.rpartition(".")[0] for name in self.shapes})]
        fixed = [type(owner).__name__ for owner in owners if not hasattr(owner, "reset_parameters")]
        if fixed:
            raise ValueError(
                f"module: expected every module with parameters to have reset_parameters(), got none in {fixed}; add one, or pass "
                "starts of your own: torch.stack([loss.point_of(make_module()) for _ in range(n)])"
            )
        points = torch.empty(n, self.dimension, dtype=self.dtype, device=self.device)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for point in points:
                for owner in owners:
                    owner.reset_parameters()  # pyright: ignore[reportCallIssue]  # torch: attributes of modules are tensors or modules
                point.copy_(self.point_of(module))
        return points

    # --- values and derivatives ---

    def __call__(self, points: Points) -> Values:
        """Losses of points, differentiable by autograd; :meth:`value_and_gradient` gives derivatives in bounded memory."""
        points = self._checked(points)
        if torch.is_grad_enabled() and points.requires_grad:
            return self._total(points)
        with torch.no_grad():
            parts = [self._total(chunk) for chunk in points.split(self.together)]
        return torch.cat(parts) if parts else points.new_empty(0)

    def value_and_gradient(self, points: Points, rows: Rows | None = None) -> tuple[Values, Points]:
        """Losses ``[n]`` and gradients ``[n d]``, on all data or on some of its rows."""
        points = self._checked(points).detach()
        values, gradient = points.new_zeros(len(points)), torch.zeros_like(points)
        for chunk, value, slope in zip(*(t.split(self.together) for t in (points, values, gradient)), strict=True):
            for batch, weight in self._parts(rows):
                x = chunk.clone().requires_grad_()
                with torch.enable_grad():
                    losses = self._losses(x, batch)
                value += weight * losses.detach()
                if losses.requires_grad:
                    slope += weight * torch.autograd.grad(losses.sum(), x)[0]
        return values, gradient

    def hessian_product(self, points: Points, vectors: Points) -> Points:
        """The Hessian at each point times one vector each ``[n d]``."""
        points, vectors = self._checked(points).detach(), self._checked(vectors)
        result = torch.zeros_like(points)
        for chunk, vector, product in zip(*(t.split(self.together) for t in (points, vectors, result)), strict=True):
            for batch, weight in self._parts():
                product += weight * double_backward(lambda x, batch=batch: self._losses(x, batch), chunk, vector)
        return result

    def outputs(self, points: Points, inputs: Any = None) -> Tensor:
        """What the networks say ``[n rows ...]`` to inputs, by default to the data, batch by batch; of objects their ``.logits``."""
        points = self._checked(points)
        given = self.data if inputs is None else tree_map(self._placed, inputs if isinstance(inputs, Mapping) else (inputs, None))
        rows = len(tree_leaves(given)[0])
        found = []
        with torch.no_grad():
            for chunk in points.split(self.together):
                pieces = [rows_of(given, slice(i, i + self.batch_size)) for i in range(0, rows, self.batch_size)]
                found.append(torch.cat([self._each(self._scores, chunk, piece) for piece in pieces], 1))
        return torch.cat(found)

    def error(self, points: Points, data: Any = None) -> Values:
        """Share of targets that are not the most likely class ``[n]``, of ``(inputs, targets)``, by default the loss's own.

        Raises:
            ValueError: if there are no inputs and targets apart; compare ``outputs`` with what you want then.
        """
        data = as_batch(self.data if data is None else data)
        if isinstance(data, dict):
            raise ValueError(f"data: expected (inputs, targets), got a mapping of {sorted(data)}; give both, the inputs as a mapping")
        inputs, targets = data
        wrong = self.outputs(points, inputs).argmax(-1) != targets.to(self.device)
        return wrong.flatten(1).to(self.dtype).mean(1)

    # --- inside ---

    def _total(self, points: Points) -> Values:
        """Losses on all data, with the penalties."""
        return reduce(add, (weight * self._losses(points, batch) for batch, weight in self._parts()))

    def _losses(self, points: Points, batch: Batch | None) -> Values:
        """Losses on one batch, or the penalties if there is none."""
        return self._each(self._penalty if batch is None else self._loss, points, batch)

    def _each(self, function: Callable[[Tensor, Any], Tensor], points: Points, batch: Batch | None) -> Tensor:
        if self.batched and len(points) > 1:  # one alone is faster without
            return vmap(function, (0, None))(points, batch)
        return torch.stack([function(point, batch) for point in points])

    def _loss(self, point: Tensor, batch: Batch) -> Tensor:
        outputs = self._outputs(point, batch)
        if self.criterion is None:
            return outputs.loss.to(self.dtype)
        return self.criterion(outputs, batch if isinstance(batch, dict) else batch[1]).to(self.dtype)

    def _outputs(self, point: Tensor, batch: Batch) -> Any:
        positional, named = ((), batch) if isinstance(batch, dict) else ((batch[0],), {})
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            return functional_call(self.template, self.parameters(point), positional, named)

    def _scores(self, point: Tensor, batch: Batch) -> Tensor:
        outputs = self._outputs(point, batch)
        return outputs if isinstance(outputs, Tensor) else outputs.logits

    def _penalty(self, point: Tensor, _: None) -> Tensor:
        return self.penalty(self.parameters(point)) if callable(self.penalty) else self.penalty * point.square().sum()

    def _parts(self, rows: Rows | None = None) -> Iterator[tuple[Batch | None, float]]:
        """Batches with their weights in the mean, and None for the penalty."""
        if rows is not None:
            yield rows_of(self.data, rows), 1.0
        else:
            for start in range(0, self.rows, self.batch_size):
                stop = min(start + self.batch_size, self.rows)
                yield rows_of(self.data, slice(start, stop)), (stop - start) / self.rows
        if callable(self.penalty) or self.penalty:
            yield None, 1.0

    def _placed(self, tensor: AnyArray | None) -> Tensor | None:
        if tensor is None:
            return None
        tensor = torch.as_tensor(tensor, device=self.device).contiguous()  # vmap is slow on strided convolutions
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def _checked(self, points: Points) -> Points:
        if points.ndim != 2 or points.shape[1] != self.dimension or points.dtype != self.dtype or points.device != self.device:
            raise ValueError(
                f"{self.name}: expected points of shape [n {self.dimension}], {self.dtype} on {self.device}, "
                f"got shape {list(points.shape)}, {points.dtype} on {points.device}"
            )
        return points

    def _allows_vmap(self) -> bool:
        """Try a few rows of data, alone and together."""
        point = self.point_of(self.template)
        other = 0.9 * point
        few = rows_of(self.data, slice(0, min(self.rows, self.batch_size, 4)))
        alone, again = self._loss(point, few), self._loss(point, few)
        if any(loss.shape != () or not loss.isfinite() for loss in (alone, again)):
            raise ValueError(f"criterion: expected one finite number for a batch, got {alone}; it must be the mean over the rows")
        if not torch.allclose(alone, again):
            raise ValueError(f"module: expected the same loss for the same parameters, got {alone} and {again}; remove randomness")
        try:
            both = vmap(self._loss, (0, None))(torch.stack([point, other]), few)
            if not torch.allclose(both, torch.stack([alone, self._loss(other, few)]), rtol=1e-2):
                raise ArithmeticError("it gives other losses")
        except Exception as error:  # whatever vmap meets in code that is not ours
            why = (str(error).splitlines() or [type(error).__name__])[0]
            warnings.warn(f"{self.name} does not allow torch.func.vmap ({why}); networks are evaluated one after the other", stacklevel=4)
            return False
        return True

    def _kept_bytes(self) -> int:
        """What one network keeps for its backward pass on a batch."""
        kept = {}

        def keep(tensor):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        point = self.point_of(self.template).requires_grad_()
        batch = rows_of(self.data, slice(0, self.batch_size))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            self._loss(point, batch)
        return sum(kept.values()) + 4 * point.numel() * point.element_size()


def as_batch(data: Any) -> Batch:
    """Inputs and targets, or keyword arguments."""
    if isinstance(data, Mapping):
        return dict(data)
    if isinstance(data, tuple | list) and len(data) == 2:
        return tuple(data)
    got = f"{len(data)} of them" if isinstance(data, tuple | list) else f"a {type(data).__name__}"
    advice = "; pass its .train" if hasattr(data, "train") else ""
    raise ValueError(f"data: expected (inputs, targets), a mapping, or an iterable of such batches, got {got}{advice}")


def rows_of(data: Batch, rows: Rows | slice) -> Batch:
    """Some rows of all tensors of a batch."""
    return tree_map(lambda tensor: None if tensor is None else tensor[rows], data)
