"""Barcodes of arrays and clouds beside cripser and GUDHI; all must find the same bars."""

import functools
import warnings

import cripser
import gudhi
import numpy as np
import pytest
from gudhi.clustering.tomato import Tomato

import lossbarcode as lb

PLANE, SPACE, SIX = (2000, 2000), (160,) * 3, (12,) * 6


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


TOOLS = {"lossbarcode": ours, "cripser": by_cripser, "GUDHI": by_gudhi}
ARRAYS = [(kind, shape, tool) for kind in (smooth, noise) for shape in (PLANE, SPACE) for tool in ("lossbarcode", "cripser")]
ARRAYS += [(smooth, SIX, tool) for tool in ("lossbarcode", "GUDHI")]


@pytest.mark.parametrize(("kind", "shape", "tool"), ARRAYS, ids=lambda case: getattr(case, "__name__", str(case)))
def bench_array(race, kind, shape, tool):
    array = kind(shape)
    expected = ours(array)
    group = f"{kind.__name__} array, {'x'.join(map(str, shape))}"
    assert race(group, tool, array.size, lambda: TOOLS[tool](array), 1 if tool == "GUDHI" else 5) == expected


@functools.cache
def cloud():
    """A million uniform points in five dimensions, their ten nearest neighbors, and those as symmetric lists."""
    samples = lb.sample(lb.functions.Alpine01(5), 1_000_000, method="uniform")
    table = lb.NeighborTable.from_points(samples.points, 10)
    n, k = table.neighbors.shape
    own, other = np.repeat(np.arange(n), k), table.neighbors.numpy().ravel().astype(np.int64)
    rows, columns = np.divmod(np.unique(np.concatenate([own * n + other, other * n + own])), n)
    lists = np.split(columns, np.cumsum(np.bincount(rows, minlength=n))[:-1])
    return lb.Samples(samples.points, samples.values, samples.bounds, table), lists


def by_tomato(samples, lists):
    found = Tomato(graph_type="manual", density_type="manual").fit(lists, weights=-samples.values.numpy())
    return len(found.diagram_) + len(found.max_weight_per_cc_)


def ours_of_cloud(samples, lists):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cloud may be in pieces
        return len(lb.barcode(lb.basins(samples)))


@pytest.mark.parametrize("tool", ["lossbarcode", "ToMATo"])
def bench_cloud(race, tool):
    samples, lists = cloud()
    expected = ours_of_cloud(samples, lists)
    call = {"lossbarcode": ours_of_cloud, "ToMATo": by_tomato}[tool]
    assert race("cloud, 10^6 points, D = 5, k = 10", tool, len(samples), lambda: call(samples, lists)) == expected


ROUTES = {
    "lossbarcode": lambda loss: lb.basins(lb.sample(loss, 1_000_000, method="lattice")),
    "lossbarcode, grid": lambda loss: lb.basins(lb.sample(loss, 1_000_000, method="grid")),
    "lossbarcode, as P1": lambda loss: lb.basins(lb.sample(loss, 1_000_000, method="uniform"), k=max(2 * len(loss.bounds), 8)),
}


@pytest.mark.parametrize("tool", [*ROUTES, "GUDHI"])
@pytest.mark.parametrize("dimension", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("function", [lb.functions.Alpine01, lb.functions.Schwefel26], ids=lambda f: f.__name__)
def bench_table_1(race, function, dimension, tool):
    """P1's table 1 from the loss to the bars: about a million samples, the paper's algorithm, ours, and GUDHI on the grid."""
    loss = function(dimension)
    group = f"table 1: {function.__name__}, D = {dimension}"

    def on_grid():
        samples = lb.sample(loss, 1_000_000, method="grid")
        return by_gudhi(samples.values.numpy().reshape(samples.neighbors.shape).astype(np.float64))

    def by_route():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return len(lb.barcode(ROUTES[tool](loss)))

    if tool != "GUDHI":
        by_route()  # loads and compiles
    found = race(group, tool, 1_000_000, on_grid if tool == "GUDHI" else by_route, 1 if tool in ("GUDHI", "lossbarcode, as P1") else 3)
    if tool == "GUDHI":
        assert found == len(lb.barcode(ROUTES["lossbarcode, grid"](loss)))
