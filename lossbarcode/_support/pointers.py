"""Pointers from rows to rows: followed to their ends, or looked up where some lead nowhere."""

from __future__ import annotations

import torch
from torch import Tensor

from .machine import prefers_compiled
from .threads import parallel
from .types import Rows


def pointer_jump(pointer: Rows) -> Rows:
    """Follow pointers to their ends, doubling the stride until nothing changes."""
    while not torch.equal(further := pointer.index_select(0, pointer), pointer):
        pointer = further
    return pointer


def gather_or_minus_one(number: Tensor, rows: Rows, out: Tensor | None = None) -> Tensor:
    """``number[rows]``, where -1 stays -1. Compiled loops write into ``out``, if given, which may be the rows."""
    if prefers_compiled(rows):
        from . import pointer_kernels as kernels

        out = torch.empty_like(rows, dtype=number.dtype) if out is None else out
        parallel(len(rows), lambda first, last: kernels.gather(number.numpy(), rows.numpy(), out.numpy(), first, last))
        return out
    return torch.where(rows >= 0, number[rows], -1)
