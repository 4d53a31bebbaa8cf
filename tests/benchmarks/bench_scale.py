"""How time and memory grow with the number of samples: on the CPU to 10^8, on a GPU 10^9."""

import time

import pytest
import torch

import lossbarcode as lb


def stages(loss, n, device="cpu"):
    """Seconds of every stage from a loss to its barcode on a lattice, and the barcode."""
    seconds, last = {}, time.perf_counter()

    def lap(stage):
        nonlocal last
        if device != "cpu":
            torch.cuda.synchronize()
        now = time.perf_counter()
        seconds[stage], last = round(now - last, 3), now

    samples = lb.sample(loss, n, method="lattice", device=device)
    lap("losses")
    found = lb.basins(samples)
    lap("basins")
    bars = lb.barcode(found)
    lap("barcode")
    return seconds, bars


@pytest.mark.parametrize("n", [10**6, 10**7, 10**8], ids=lambda n: f"{n:.0e}")
def bench_growth(benchmark, race, n):
    loss = lb.functions.Alpine01(6)
    stages(loss, 10**6)  # loads and compiles
    seconds, bars = race("growth: Alpine01, D = 6", f"{n:.0e} samples", n, lambda: stages(loss, n), 3 if n < 10**8 else 1)
    benchmark.extra_info.update(seconds, bars=len(bars))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dimension", [2, 6, 15])
def bench_billion(benchmark, dimension):
    """Seconds a stage beside the time in which the card copies as many bytes as losses and labels take."""
    loss, n = lb.functions.Alpine01(dimension), 10**9
    stages(loss, 10**6, "cuda")
    torch.cuda.reset_peak_memory_stats()
    benchmark.group = "a billion samples on a GPU"
    seconds, bars = benchmark.pedantic(stages, args=(loss, n, "cuda"), rounds=1)
    peak = torch.cuda.max_memory_allocated() / n
    piece = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    piece.clone()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(8):
        piece.clone()
    torch.cuda.synchronize()
    bandwidth = 8 * 2 * 2**30 / (time.perf_counter() - start)  # read and written
    limit = round(8 * n / bandwidth, 3)
    benchmark.extra_info.update(seconds, bars=len(bars), bytes_per_sample=peak, copy_bytes_per_second=bandwidth, copy_limit=limit)
    benchmark.extra_info["device"] = torch.cuda.get_device_name()
