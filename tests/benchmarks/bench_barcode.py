"""The barcode of an array beside GUDHI's cubical complex and cripser; all must find the same bars."""

import cripser
import gudhi
import numpy as np
import pytest

import lossbarcode as lb

SHAPES = [(1000, 1000), (100, 100, 100)]


def smooth(shape):
    axes = np.meshgrid(*(np.linspace(-10, 10, size) for size in shape), indexing="ij", sparse=True)
    return sum(np.abs(x * np.sin(x) + 0.1 * x) for x in axes)


def noise(shape):
    return np.random.default_rng(0).random(shape)


def ours(array):
    return len(lb.barcode(lb.basins(lb.from_grid(array))))


def by_cripser(array):
    bars = cripser.compute_ph(array, filtration="V", maxdim=0, n_threads=0)
    return int((bars[:, 0] == 0).sum())


def by_gudhi(array):
    complex_ = gudhi.CubicalComplex(vertices=array)
    complex_.compute_persistence(homology_coeff_field=2)
    return len(complex_.persistence_intervals_in_dimension(0))


@pytest.mark.parametrize("tool", [ours, by_cripser, by_gudhi], ids=["lossbarcode", "cripser", "GUDHI"])
@pytest.mark.parametrize("kind", [smooth, noise], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def bench_array(benchmark, shape, kind, tool):
    benchmark.group = f"{kind.__name__} {'x'.join(map(str, shape))}"
    array = kind(shape)
    count = benchmark.pedantic(tool, args=(array,), rounds=1 if tool is by_gudhi else 3)
    assert count == ours(array)
