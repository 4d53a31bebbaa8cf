"""Time to a barcode: exact by the Morse complex, and from 10^5, 10^6 and 10^7 samples, with their error."""

import pytest
import torch

import lossbarcode as lb

LOSSES = [lb.functions.SixHumpCamel(), lb.functions.EggCrate(), lb.functions.Schwefel26(2)]


def by_morse(loss):
    return lb.barcode(lb.morse_complex(loss, progress=False))


def by_samples(n):
    def bars(loss):
        return lb.barcode(lb.basins(lb.sample(loss, n, dtype=torch.float64, progress=False)))

    return bars


ROUTES = {
    "Morse complex": by_morse,
    "1e5 samples": by_samples(10**5),
    "1e6 samples": by_samples(10**6),
    "1e7 samples": by_samples(10**7),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def bench_route(benchmark, loss, route):
    benchmark.group = loss.name
    bars = benchmark.pedantic(ROUTES[route], args=(loss,), rounds=1)
    benchmark.extra_info["error"] = lb.bottleneck_distance(bars, by_morse(loss))
    benchmark.extra_info["bars"] = len(bars)
    assert benchmark.extra_info["error"] < (1e-9 if route == "Morse complex" else 0.1) * float(bars.length[bars.is_finite].max())
