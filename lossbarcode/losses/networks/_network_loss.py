"""From a module and data to a loss on parameter vectors.

In: any ``nn.Module``, data and a criterion. Out: :class:`NetworkLoss`, which maps points ``[n d]``, all parameters of one network per row,
to losses ``[n]``: many networks at once by ``torch.func.vmap``, in chunks of networks and of data that bound the memory.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional as F
from torch.utils._pytree import tree_map
from torch.utils.data import Dataset

from ..._support.checks import check_count
from ..._support.types import AnyArray, Points, Values
from .._derivatives import double_backward, hessian_by_columns, twice_differentiable
from .._protocols import gradient_by_autograd, name_of
from ._batches import Batch, as_batch, collect, compared_with, count_rows, select_rows, slices
from ._parameters import ParameterVector, State
from ._probing import allows_vmap, check_mean, networks_that_fit

if TYPE_CHECKING:
    from ._profiled import ProfiledLoss

BATCH_SIZE = 1 << 14  # rows of data per batch unless told otherwise
PROBE_ROWS = 4  # rows of data on which it is tried what the module allows

Criterion = Callable[..., Tensor]
Penalty = Callable[[dict[str, Tensor]], Tensor]


def network_loss(
    module: nn.Module,
    data: tuple[Any, ...] | Mapping[str, Any] | Iterable[Any] | Dataset[Any],
    criterion: Criterion | None = F.cross_entropy,
    *,
    l2: float = 0.0,
    penalty: Penalty | None = None,
    batch_size: int = BATCH_SIZE,
) -> NetworkLoss:
    """The loss of a module on data as a function of its parameters.

    Args:
        module: any module; it is copied and not changed. Its device and dtype are those of the loss. Parameters that do not require
            gradients stay as they are: they are no part of the points. Buffers that its forward changes start afresh at every call.
            Attention is computed without fused kernels, which have no second derivatives.
        data: ``(inputs, targets)``, or inputs alone, a tensor or ``(inputs,)``. Inputs are a tensor, or ``(x, y)``, which the module gets
            as several arguments, or a mapping, which it gets as keyword arguments. Or a mapping of tensors alone, keyword arguments, too,
            as models of Hugging Face take them. Or a ``TensorDataset`` or another ``Dataset``, or an iterable of such batches (a
            ``DataLoader``), gone through once. Rows are along the first axis.
        criterion: ``criterion(outputs, targets)``, without targets ``criterion(outputs)``, of mappings alone ``criterion(outputs, batch)``:
            the mean loss over the rows of a batch. None: the module returns it, or its outputs have it as ``.loss``.
        l2: weight of the sum of squares of all parameters (the sum itself, not half of it), which is added to the loss. Without any
            penalty most networks have no minima: cross-entropy keeps falling as the weights grow.
        penalty: a function of the named parameters, which is added to the loss, too.
        batch_size: rows of data evaluated at a time. It bounds the memory; the loss depends on it only if there is BatchNorm, whose
            statistics are those of each batch, recomputed at each point. Running averages are not used.

    Raises:
        ValueError: if no parameter requires gradients, if they are not in float32 or float64 on one device, if the module holds
            TorchScript, a lazy layer that was never called, or an embedding with ``max_norm``, if the data have no rows or not equally
            many, if l2 is negative, if the criterion takes something else, if the loss of a batch is not one finite number, is a sum over
            the rows, or differs when it is computed again.

    Warns:
        UserWarning: if the module does not allow ``vmap``, so that networks are evaluated one after the other; or if the loss of a module
            in float64 is in float32.

    Example:
        >>> import torch, lossbarcode as lb
        >>> x = torch.linspace(-1, 1, 50)[:, None]
        >>> module = lb.networks.FullyConnected(1, (3,), 1)
        >>> loss = lb.networks.network_loss(module, (x, x**2), torch.nn.functional.mse_loss, l2=1e-4)
        >>> loss
        NetworkLoss(FullyConnected, 10 parameters, 50 rows of data)
        >>> loss(loss.initial_parameters(4)).shape
        torch.Size([4])
    """
    if not l2 >= 0:
        raise ValueError(f"l2: expected the weight of the sum of squares, at least 0, got {l2}; pass a function as penalty=")
    return NetworkLoss(module, collect(data), criterion, l2, penalty, check_count(batch_size, "batch_size"))


class NetworkLoss:
    """What :func:`network_loss` makes: a pure function from points ``[n d]`` to losses ``[n]``.

    The module is in evaluation mode (no dropout). The loss is the mean over all rows of data, plus the penalties.

    Attributes:
        name: the module's class.
        vector: how parameters are laid out in a point, with a copy of the module.
        n_parameters: number of free parameters d.
        n_samples: number of rows of data.
        data: all of them, as one batch.
        uses_vmap: whether networks are evaluated together rather than one after the other.
        networks_per_chunk: number of networks that are evaluated together, such that what they keep for the backward pass fits into the
            cache, or into a GiB of a GPU.
        dtype, device: of points and losses.
    """

    def __init__(
        self, module: nn.Module, data: Batch, criterion: Criterion | None, l2: float, penalty: Penalty | None, batch_size: int
    ) -> None:
        self.vector = ParameterVector(module)
        self.name, self.n_parameters = self.vector.name, self.vector.n_parameters
        self.dtype, self.device = self.vector.dtype, self.vector.device
        self.criterion, self.l2, self.penalty, self.batch_size = criterion, l2, penalty, batch_size
        check_arguments(criterion, data)
        self.data: Batch = tree_map(self._placed, data)
        self.n_samples = count_rows(self.data)
        point = self.to_vector(self.vector.template)
        few = select_rows(self.data, slice(0, min(self.n_samples, batch_size, PROBE_ROWS)))
        self.uses_vmap = allows_vmap(self._loss, point, few, self.name, stacklevel=4)
        check_mean(self._loss, point, few)
        self.networks_per_chunk = networks_that_fit(self._loss, point, select_rows(self.data, slice(0, batch_size)))

    def __repr__(self) -> str:
        return f"NetworkLoss({self.name}, {self.n_parameters:,} parameters, {self.n_samples:,} rows of data)"

    # --- points and modules ---

    def to_vector(self, module: nn.Module | State) -> Float[Tensor, " d"]:
        """The parameters of a module of the same architecture, or of its state dict, as a point ``[d]``.

        Raises:
            ValueError: if some are missing, have another shape, or if a state dict has other names, too.
        """
        return self.vector.to_vector(module)

    def to_module(self, point: Float[Tensor, " d"]) -> nn.Module:
        """A module with the parameters of a point ``[d]``, in evaluation mode."""
        return self.vector.to_module(point)

    def parameters(self, point: Float[Tensor, " d"]) -> dict[str, Tensor]:
        """Views of a point ``[d]`` as the module's named parameters."""
        return self.vector.named(point)

    def initial_parameters(self, n: int, *, seed: int = 0) -> Float[Tensor, "n d"]:
        """Parameters of n networks as their layers initialise themselves, by ``reset_parameters()`` ``[n d]``.

        They are drawn on the CPU, so that a seed means the same networks on every device; the state of torch's generators stays.

        Raises:
            ValueError: if a module with parameters of its own has no ``reset_parameters``.
        """
        return self.vector.initial(n, seed)

    # --- values and derivatives ---

    def __call__(self, points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Losses of points, differentiable by autograd; :meth:`value_and_gradient` gives derivatives in bounded memory."""
        points = self.vector.checked(points)
        if torch.is_grad_enabled() and points.requires_grad:
            return self._total(points)
        with torch.enable_grad():  # nothing here requires gradients, but a forward may take derivatives of its own
            parts = [self._total(chunk).detach() for chunk in points.detach().split(self.networks_per_chunk)]
        return torch.cat(parts) if parts else points.new_empty(0)

    def value_and_gradient(self, points: Float[Tensor, "n d"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n d"]]:
        """Losses ``[n]`` and gradients ``[n d]``."""
        return self._accumulate(points, list(self._parts()))

    def batch_value_and_gradient(
        self, points: Float[Tensor, "n d"], rows: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n d"]]:
        """Losses ``[n]`` and gradients ``[n d]`` on some rows of the data, with the penalties."""
        return self._accumulate(points, [(select_rows(self.data, rows), 1.0), *self._penalties()])

    def hessian_product(self, points: Float[Tensor, "n d"], vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The Hessian at each point times one vector each ``[n d]``."""
        points, vectors = self.vector.checked(points).detach(), self.vector.checked(vectors)
        result = torch.zeros_like(points)
        for chunk, vector, product in zip(*(t.split(self.networks_per_chunk) for t in (points, vectors, result)), strict=True):
            for batch, weight in self._parts():
                product += weight * double_backward(lambda x, batch=batch: self._losses(x, batch), chunk, vector)
        return result

    def hessian(self, points: Float[Tensor, "n d"]) -> Float[Tensor, "n d d"]:
        """The Hessian at each point ``[n d d]``, of at most 3,000 parameters.

        Raises:
            ValueError: if there are more parameters; :meth:`hessian_product` has no such limit.
            MemoryError: if the matrices would not fit into memory.
        """
        return hessian_by_columns(self, self.vector.checked(points))

    def profiled(self) -> ProfiledLoss:
        """The loss of the parameters before the last layer, with the best last layer: its barcode is that of this loss, in every degree.

        Returns:
            ProfiledLoss, to be used like any loss; its ``lift(points)`` are points of this one.

        Raises:
            ValueError: if that is not so, or cannot be computed: if the module does not end in a linear layer of its own, if there is no
                ``l2``, or if the criterion is neither ``mse_loss`` nor ``cross_entropy`` with default options.

        Source:
            Variable projection :cite:p:`golub1973differentiation`; that no bar changes: the notebook "A network without its last layer".

        Example:
            >>> import torch, lossbarcode as lb
            >>> x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
            >>> module = lb.networks.FullyConnected(1, (3,), 1, torch.nn.Tanh).double()
            >>> loss = lb.networks.network_loss(module, (x, x**2), torch.nn.functional.mse_loss, l2=1e-3)
            >>> profiled = loss.profiled()
            >>> profiled
            ProfiledLoss(FullyConnected, 6 parameters, 4 more in the last layer)
            >>> minima = lb.find_minima(profiled, profiled.initial_parameters(3))
            >>> loss.value_and_gradient(profiled.lift(minima.points))[1].norm(dim=1) < 1e-5
            tensor([True, True, True])
        """
        from ._profiled import ProfiledLoss  # which is made of losses of networks

        return ProfiledLoss(self)

    def outputs(self, points: Float[Tensor, "n d"], inputs: Any = None) -> Shaped[Tensor, "n rows ..."]:
        """The networks' outputs ``[n rows ...]`` for inputs, by default for the data, batch by batch; of objects their ``.logits``."""
        points = self.vector.checked(points)
        given = self.data if inputs is None else tree_map(self._placed, as_batch(inputs if isinstance(inputs, Mapping) else (inputs,)))
        found = []
        with torch.enable_grad():  # as in a call
            for chunk in points.detach().split(self.networks_per_chunk):
                pieces = [select_rows(given, rows) for rows in slices(count_rows(given), self.batch_size)]
                found.append(torch.cat([self.each(self._scores, chunk, piece).detach() for piece in pieces], 1))
        return torch.cat(found)

    def error_rate(self, points: Float[Tensor, "n d"], data: Any = None) -> Float[Tensor, " n"]:
        """Share of targets that are not the most likely class ``[n]``, of ``(inputs, targets)``, by default the loss's own.

        Raises:
            ValueError: if there are no inputs and targets apart; then compare ``outputs`` with what you want.
        """
        data = as_batch(self.data if data is None else data)
        if isinstance(data, dict):
            raise ValueError(f"data: expected (inputs, targets), got a mapping of {sorted(data)}; give both, the inputs as a mapping")
        if len(data) == 1:
            raise ValueError("data: expected (inputs, targets), got inputs alone; give both")
        inputs, targets = data
        wrong = self.outputs(points, inputs).argmax(-1) != targets.to(self.device)
        return wrong.flatten(1).to(self.dtype).mean(1)

    # --- inside ---

    def _total(self, points: Points) -> Values:
        """Losses on all data, with the penalties."""
        return reduce(add, (weight * self._losses(points, batch) for batch, weight in self._parts()))

    def _accumulate(self, points: Points, parts: list[tuple[Batch | None, float]]) -> tuple[Values, Points]:
        """Weighted sums of losses ``[n]`` and of gradients ``[n d]``, one part at a time."""
        points = self.vector.checked(points).detach()
        values, gradient = points.new_zeros(len(points)), torch.zeros_like(points)
        for chunk, value, slope in zip(*(t.split(self.networks_per_chunk) for t in (points, values, gradient)), strict=True):
            for batch, weight in parts:
                x = chunk.clone().requires_grad_()
                with torch.enable_grad():
                    losses = self._losses(x, batch)
                value += weight * losses.detach()
                if batch is not None or losses.requires_grad:  # a penalty may be a constant
                    slope += weight * gradient_by_autograd(losses, x)
        return values, gradient

    def _parts(self) -> Iterator[tuple[Batch | None, float]]:
        """Batches with their weights in the mean, and None for the penalties."""
        for rows in slices(self.n_samples, self.batch_size):
            yield select_rows(self.data, rows), (rows.stop - rows.start) / self.n_samples
        yield from self._penalties()

    def _penalties(self) -> list[tuple[None, float]]:
        return [(None, 1.0)] if self.penalty is not None or self.l2 else []

    def _losses(self, points: Points, batch: Batch | None) -> Values:
        """Losses on one batch, or the penalties if there is none."""
        if not len(points):
            return points.sum(1)
        return self.each(self._penalty if batch is None else self._loss, points, batch).to(self.dtype)

    def each(self, function: Callable[[Tensor, Any], Tensor], points: Points, batch: Batch | None) -> Tensor:
        """A function of one network and a batch, for all networks ``[n ...]``: together, if the module allows it."""
        if self.uses_vmap and len(points) > 1:  # vmap does not pay for one network
            return vmap(function, (0, None))(points, batch)
        return torch.stack([function(point, batch) for point in points])

    @twice_differentiable()  # all derivatives by the same operations, so that they agree
    def _loss(self, point: Tensor, batch: Batch) -> Tensor:
        outputs = self.vector.call(point, batch)
        if self.criterion is not None:
            return self.criterion(outputs, *compared_with(batch))
        loss = outputs if isinstance(outputs, Tensor) else getattr(outputs, "loss", None)
        if not isinstance(loss, Tensor):
            raise ValueError(
                f"criterion: expected None only if the module returns its loss, or outputs with .loss, got {type(outputs).__name__} from "
                f"{self.name} without; pass a criterion, or what the module needs for its loss (often labels) with the data"
            )
        return loss

    @twice_differentiable()
    def _scores(self, point: Tensor, batch: Batch) -> Tensor:
        outputs = self.vector.call(point, batch)
        return outputs if isinstance(outputs, Tensor) else outputs.logits

    def _penalty(self, point: Tensor, _: None) -> Tensor:
        squares = self.l2 * point.square().sum() if self.l2 or self.penalty is None else None
        if self.penalty is None:
            assert squares is not None  # there is one of the two
            return squares
        own = self.penalty(self.parameters(point))
        return own if squares is None else own + squares

    def _placed(self, tensor: AnyArray | None) -> Tensor | None:
        if tensor is None:
            return None
        tensor = torch.as_tensor(tensor, device=self.device).contiguous()  # vmap is slow on strided convolutions
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor


def check_arguments(criterion: Criterion | None, batch: Batch) -> None:
    """Refuse a criterion that cannot be called with the outputs and what they are compared with.

    Raises:
        ValueError: if its signature does not allow it.
    """
    if criterion is None:
        return
    given = ("outputs", "the whole batch" if isinstance(batch, dict) else "targets")[: 1 + len(compared_with(batch))]
    try:
        signature = inspect.signature(getattr(criterion, "forward", criterion))
    except ValueError:  # of what is not written in Python
        return
    try:
        signature.bind(*given)
    except TypeError as error:
        without = "" if len(given) == 2 else ", since the data have no targets"
        raise ValueError(
            f"criterion: expected a function of {' and '.join(given)}{without}, got {name_of(criterion)} ({error}); pass another one, "
            "data as (inputs, targets), or None if the module returns its loss"
        ) from error
