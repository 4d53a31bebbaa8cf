"""What the machine at hand allows: compiled loops, narrow row numbers, how much memory is left."""

from __future__ import annotations

import psutil
import torch
from torch import Tensor

NUMBA_MIN_SIZE = 1 << 18  # elements from which compiled loops on the CPU win even if they must be loaded first
INT32_LIMIT = 1 << 31  # samples whose rows fit into 32 bits
GIB = 1 << 30


def loops_are_faster(n: int, device: torch.device) -> bool:
    """Whether compiled loops are the better choice for n elements there. They load Numba, which small inputs do not need."""
    return device.type == "cpu" and n >= NUMBA_MIN_SIZE


def prefers_compiled(tensor: Tensor) -> bool:
    """Whether compiled loops are the better choice for this tensor."""
    return loops_are_faster(len(tensor), tensor.device)


def row_dtype(n: int) -> torch.dtype:
    """The narrowest integers that number n samples."""
    return torch.int32 if n < INT32_LIMIT else torch.int64


def check_memory(need: float, device: torch.device, what: str, advice: str) -> None:
    """Fail before a run that cannot fit rather than in the middle of it.

    Raises:
        MemoryError: if ``need`` bytes are more than the device has left.
    """
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + cached
    else:
        free = psutil.virtual_memory().available
    if need > free:
        raise MemoryError(f"{what}: expected to fit into the {free / GIB:.1f} GiB left on {device}, needs about {need / GIB:.1f}; {advice}")
