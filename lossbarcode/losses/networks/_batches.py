"""Data as batches of tensors: what a module gets, and what its outputs are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import DataLoader, Dataset, TensorDataset

from ..._support.types import AnyArray, Rows

Batch: TypeAlias = tuple[Any] | tuple[Any, Any] | dict[str, Any]
"""Inputs and, if there are any, targets; or keyword arguments: tensors, or nested collections of them. Rows are along the first axis."""

ROWS_READ = 1 << 10  # of a data set that gives one row after the other


def collect(data: Any) -> Batch:
    """All data as one batch: of inputs and targets, of keyword arguments, or of an iterable of such batches, gone through once."""
    if isinstance(data, TensorDataset):
        data = data.tensors
    elif isinstance(data, Dataset):
        data = DataLoader(data, batch_size=ROWS_READ)
    if isinstance(data, Iterable) and not isinstance(data, Tensor | np.ndarray | Mapping | tuple | list):
        batches = [as_batch(batch) for batch in data]
        if not batches:
            raise ValueError("data: expected an iterable of batches, got one without any")
        data = tree_map(joined, *batches)
    return as_batch(data)


def as_batch(data: Any) -> Batch:
    """Inputs alone, inputs and targets, or keyword arguments."""
    if isinstance(data, Mapping):
        return dict(data)
    if isinstance(data, Tensor | np.ndarray):
        return (data,)
    if isinstance(data, tuple | list) and len(data) in (1, 2):
        inputs, *targets = data
        return (dict(inputs) if isinstance(inputs, Mapping) else inputs, *targets)
    got = f"{len(data)} of them" if isinstance(data, tuple | list) else f"a {type(data).__name__}"
    advice = "; put several inputs together: ((x, y), targets)" if isinstance(data, tuple | list) else ""
    advice = "; pass its .train" if hasattr(data, "train") else advice
    raise ValueError(f"data: expected inputs, (inputs, targets), a mapping, or an iterable of such batches, got {got}{advice}")


def arguments(batch: Batch) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the module gets, by position and by name: a tuple of inputs is several, a mapping names them."""
    inputs = batch if isinstance(batch, dict) else batch[0]
    if isinstance(inputs, dict):
        return (), inputs
    return tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,), {}


def compared_with(batch: Batch) -> tuple[Any, ...]:
    """What the criterion gets beside the outputs: the targets if there are any, or the whole mapping."""
    return (batch,) if isinstance(batch, dict) else batch[1:]


def joined(*parts: AnyArray | None) -> Tensor | None:
    """The same part of several batches, one below the other."""
    given = [check_rows(torch.as_tensor(part)) for part in parts if part is not None]
    shapes = sorted({tuple(part.shape[1:]) for part in given})
    if len(shapes) > 1 or len(given) not in (0, len(parts)):
        raise ValueError(f"data: expected batches that differ in their rows only, got rows of shapes {shapes}; pad them to one length")
    return torch.cat(given) if given else None


def check_rows(tensor: Tensor) -> Tensor:
    """The tensor, if it has an axis of rows."""
    if tensor.ndim == 0:
        raise ValueError(
            "data: expected batches of tensors with rows along the first axis, got a single number; put single rows together with a "
            "DataLoader, and leave out what is no data"
        )
    return tensor


def count_rows(batch: Batch) -> int:
    """Number of rows of a batch.

    Raises:
        ValueError: if its tensors differ in it, or have none.
    """
    rows = {len(check_rows(tensor)) for tensor in tree_leaves(batch) if tensor is not None}
    if len(rows) != 1 or 0 in rows:
        raise ValueError(f"data: expected tensors with equally many rows, at least one, got {sorted(rows)}")
    return rows.pop()


def select_rows(batch: Batch, rows: Rows | slice) -> Batch:
    """Some rows of all tensors of a batch."""
    return tree_map(lambda tensor: None if tensor is None else tensor[rows], batch)


def repeat_rows(batch: Batch, times: int) -> Batch:
    """The rows of a batch several times, one copy below the other."""
    return tree_map(lambda tensor: None if tensor is None else torch.cat([tensor] * times), batch)


def slices(n_rows: int, batch_size: int) -> Iterator[slice]:
    """Consecutive ranges of at most ``batch_size`` rows."""
    for start in range(0, n_rows, batch_size):
        yield slice(start, min(start + batch_size, n_rows))
