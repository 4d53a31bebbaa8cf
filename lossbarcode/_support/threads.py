"""Loops over ranges of rows on several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

MIN_SAMPLES_PER_THREAD = 1 << 14  # samples for which a thread more pays


def parallel(n: int, task: Callable[[int, int], object]) -> None:
    """``task(first, last)`` for consecutive ranges that make up 0 to n, one per thread (as many as torch uses)."""
    threads = max(1, min(torch.get_num_threads(), n // MIN_SAMPLES_PER_THREAD))
    ends = [n * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:  # idle threads cost nothing, and none survives to be lost in a fork
        waiting = [pool.submit(task, *ends[i : i + 2]) for i in range(1, threads)]
        task(*ends[:2])
        for other in waiting:
            other.result()
