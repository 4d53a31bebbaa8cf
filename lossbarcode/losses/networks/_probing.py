"""What a module allows, found by trying: evaluation of many networks at once, and how many of them fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import vmap

from ._batches import Batch

# Bytes that the activations of networks evaluated together may take: on the CPU what stays in the cache, on a GPU as many as fill it.
CPU_ACTIVATION_BYTES, GPU_ACTIVATION_BYTES = 1 << 25, 1 << 30

LossOfOne = Callable[[Tensor, Batch], Tensor]
"""The loss of one network ``[d]`` on one batch."""


def allows_vmap(loss_of_one: LossOfOne, point: Tensor, batch: Batch, name: str, stacklevel: int) -> bool:
    """Whether networks can be evaluated together: a few rows of data are tried, alone and together.

    Raises:
        ValueError: if the loss is not one finite number, or differs when it is computed again.
    """
    other = 0.9 * point
    alone, again = loss_of_one(point, batch), loss_of_one(point, batch)
    if any(loss.shape != () or not loss.isfinite() for loss in (alone, again)):
        raise ValueError(f"criterion: expected one finite number for a batch, got {alone}; it must be the mean over the rows")
    if not torch.allclose(alone, again):
        raise ValueError(
            f"module: expected the same loss for the same parameters, got {alone} and {again}; remove dropout or noise that the module's "
            "forward applies by itself (layers such as nn.Dropout are off already)"
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


def networks_that_fit(loss_of_one: LossOfOne, point: Tensor, batch: Batch) -> int:
    """How many networks may be evaluated together, by what one of them keeps for its backward pass on a batch."""
    kept = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    point = point.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss_of_one(point, batch)
    size = sum(kept.values()) + 4 * point.numel() * point.element_size()
    return max(1, (CPU_ACTIVATION_BYTES if point.device.type == "cpu" else GPU_ACTIVATION_BYTES) // size)
