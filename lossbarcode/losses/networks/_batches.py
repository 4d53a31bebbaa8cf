"""Data as batches of tensors: what a module gets, and what its outputs are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from ..._support.types import Rows

Batch: TypeAlias = tuple[Any, Any] | dict[str, Any]
"""Inputs and targets, or keyword arguments: tensors, or nested collections of them. Rows are along the first axis."""


def collect(data: Any) -> Batch:
    """All data as one batch: a pair, a mapping, or an iterable of such batches, gone through once."""
    if isinstance(data, Iterable) and not isinstance(data, Tensor | Mapping | tuple | list):
        batches = [as_batch(batch) for batch in data]
        if not batches:
            raise ValueError("data: expected an iterable of batches, got one without any")
        data = tree_map(lambda *parts: torch.cat(parts), *batches)
    return as_batch(data)


def as_batch(data: Any) -> Batch:
    """Inputs and targets, or keyword arguments."""
    if isinstance(data, Mapping):
        return dict(data)
    if isinstance(data, tuple | list) and len(data) == 2:
        return tuple(data)
    got = f"{len(data)} of them" if isinstance(data, tuple | list) else f"a {type(data).__name__}"
    advice = "; pass its .train" if hasattr(data, "train") else ""
    raise ValueError(f"data: expected (inputs, targets), a mapping, or an iterable of such batches, got {got}{advice}")


def count_rows(batch: Batch) -> int:
    """Number of rows of a batch.

    Raises:
        ValueError: if its tensors differ in it, or have none.
    """
    rows = {len(tensor) for tensor in tree_leaves(batch) if tensor is not None}
    if len(rows) != 1 or 0 in rows:
        raise ValueError(f"data: expected tensors with equally many rows, at least one, got {sorted(rows)}")
    return rows.pop()


def select_rows(batch: Batch, rows: Rows | slice) -> Batch:
    """Some rows of all tensors of a batch."""
    return tree_map(lambda tensor: None if tensor is None else tensor[rows], batch)


def slices(n_rows: int, batch_size: int) -> Iterator[slice]:
    """Consecutive ranges of at most ``batch_size`` rows."""
    for start in range(0, n_rows, batch_size):
        yield slice(start, min(start + batch_size, n_rows))
