"""What a module and a criterion allow, found by trying: a mean over rows, many networks at once, and how many of them fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ._batches import Batch, repeat_rows

# Bytes that the activations of networks evaluated together may take: on the CPU what stays in the cache, on a GPU as many as fill it.
CPU_ACTIVATION_BYTES, GPU_ACTIVATION_BYTES = 1 << 25, 1 << 30

LossOfOne = Callable[[Tensor, Batch], Tensor]
"""The loss of one network ``[d]`` on one batch."""


def check_mean(loss_of_one: LossOfOne, point: Tensor, batch: Batch) -> None:
    """Refuse a loss that is a sum over the rows, or has one in it: with every copy of the batch it grows by as much again.

    Raises:
        ValueError: if it is.
    """
    once, twice, thrice = (loss_of_one(point, repeat_rows(batch, times)) for times in (1, 2, 3))
    growth = twice - once
    if growth.abs() > 1e-2 * once.abs() and torch.allclose(thrice - twice, growth, rtol=1e-2):
        raise ValueError(
            f"criterion: expected the mean over the rows of a batch, got a sum: {float(once):.4g} for some rows, {float(twice):.4g} for "
            'twice as many; use reduction="mean", or divide by the number of rows'
        )


def allows_vmap(loss_of_one: LossOfOne, point: Tensor, batch: Batch, name: str, stacklevel: int) -> bool:
    """Whether networks can be evaluated together: a few rows of data are tried, alone and together.

    Raises:
        ValueError: if the loss is not one finite number, or differs when it is computed again.
    """
    other = 0.9 * point
    alone, again = loss_of_one(point, batch), loss_of_one(point, batch)
    if not all(isinstance(loss, Tensor) and loss.shape == () and loss.isfinite() for loss in (alone, again)):
        raise ValueError(f"criterion: expected one finite number for a batch, got {alone}; it must be the mean over the rows")
    if not torch.allclose(alone, again):
        raise ValueError(
            f"module: expected the same loss for the same parameters, got {alone} and {again}; remove dropout or noise that the module's "
            "forward applies by itself (layers such as nn.Dropout are off already)"
        )
    if alone.is_floating_point() and alone.dtype.itemsize < point.dtype.itemsize:
        warnings.warn(
            f"the loss of {name} is computed in {alone.dtype} though its parameters are in {point.dtype}: gradients are rounded, and "
            "searches for minima end early; pass a criterion of your own (those in models of Hugging Face round)",
            stacklevel=stacklevel,
        )
    try:
        both = vmap(loss_of_one, (0, None))(torch.stack([point, other]), batch)
        if not torch.allclose(both, torch.stack([alone, loss_of_one(other, batch)]), rtol=1e-2):
            raise ArithmeticError("it gives other losses")
    except Exception as error:  # whatever vmap meets in code that is not ours
        why = (str(error).splitlines() or [type(error).__name__])[0]
        warnings.warn(f"{name} does not allow torch.func.vmap ({why}); networks are evaluated one after the other", stacklevel=stacklevel)
        return False
    return True


class Survivors(TorchDispatchMode):
    """Watches which of the tensors that are made in it live on. Hooks on saved tensors would say it, too, but torch.func refuses them."""

    def __init__(self) -> None:
        super().__init__()
        self.storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.add(made)
        return made

    def add(self, tensors: Any) -> None:
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                self.storages[storage._cdata] = StorageWeakRef(storage), storage.nbytes()

    def size(self) -> int:
        """Their bytes, by now."""
        return sum(size for storage, size in self.storages.values() if not storage.expired())


def networks_that_fit(loss_of_one: LossOfOne, point: Tensor, batch: Batch) -> int:
    """How many networks may be evaluated together, by what one of them keeps for its backward pass on a batch."""
    point = point.clone().requires_grad_()
    with torch.enable_grad(), Survivors() as survivors:
        survivors.add(batch)
        loss = loss_of_one(point, batch)  # holds what the backward pass needs
    size = survivors.size() - loss.untyped_storage().nbytes() + 4 * point.numel() * point.element_size()
    return max(1, (CPU_ACTIVATION_BYTES if point.device.type == "cpu" else GPU_ACTIVATION_BYTES) // size)
