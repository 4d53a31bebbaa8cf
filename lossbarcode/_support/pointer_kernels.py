"""Compiled twins of the pointer and ordering operations, for large tensors on the CPU."""

from __future__ import annotations

import numpy as np

from .compiled import kernel


@kernel
def pointer_jump(pointer, first, last):
    """Follow pointers to their ends and shorten every chain on the way. Threads may meet: all write the same ends."""
    for i in range(first, last):
        end = pointer[i]
        while pointer[end] != end:
            end = pointer[end]
        here = i
        while pointer[here] != end:
            further = pointer[here]
            pointer[here] = end
            here = further


@kernel
def gather(number, rows, out, first, last):
    """``number[rows]``, where -1 stays -1."""
    for i in range(first, last):
        out[i] = number[rows[i]] if rows[i] >= 0 else -1


@kernel
def is_sorted(values, rows):
    """Whether values ascend and, among equal values, rows."""
    rise = True
    for i in range(1, len(values)):
        rise &= values[i - 1] < values[i] or (values[i - 1] == values[i] and rows[i - 1] <= rows[i])
    return rise


@kernel
def break_ties(order, values, rows):
    """Put runs of equal values, consecutive in ``values[order]``, in the order of their rows, and then of their places."""
    before = values[order[0]]
    start = 0
    for stop in range(1, len(order) + 1):
        value = values[order[stop]] if stop < len(order) else np.nan
        if value == before:
            continue
        if 1 < stop - start < 16:
            for i in range(start + 1, stop):
                moving, j = order[i], i
                row = rows[moving]
                while j > start and (rows[order[j - 1]] > row or (rows[order[j - 1]] == row and order[j - 1] > moving)):
                    order[j] = order[j - 1]
                    j -= 1
                order[j] = moving
        elif stop - start >= 16:
            run = np.sort(order[start:stop])
            order[start:stop] = run[np.argsort(rows[run], kind="mergesort")]
        start, before = stop, value
