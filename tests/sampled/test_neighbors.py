"""Which samples are neighbors: against brute force."""

import inspect
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import lossbarcode as lb
from lossbarcode.sampled import _neighbor_table, _neighbors, _scans_compiled, _scans_tensor


def brute_force(points, k):
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    return np.sort(distance, 1)[:, :k]


@pytest.mark.parametrize("search", ["kd_tree", "brute_force", "all_pairs"])
@pytest.mark.parametrize("dimension", [1, 2, 6, 15])
def test_every_search_finds_the_nearest(search, dimension, dtype, monkeypatch):
    monkeypatch.setattr(_neighbors, "CHUNK", 1000)
    points = torch.rand(300, dimension, dtype=dtype, generator=torch.Generator().manual_seed(dimension)) + 100
    distance, index = getattr(_neighbor_table, f"search_{search}")(points, 9, *[None] * (search != "brute_force"))
    tolerance = dict(rtol=1e-4, atol=1e-4) if dtype == torch.float32 else dict(rtol=1e-9, atol=1e-6)
    assert torch.equal(index[:, 0], torch.arange(300))
    found = (points[:, None] - points[index[:, 1:]]).norm(dim=2)
    np.testing.assert_allclose(found, brute_force(points.double().numpy(), 8), rtol=1e-4 if dtype == torch.float32 else 1e-12)
    np.testing.assert_allclose(distance[:, 1:], found, **tolerance)


@pytest.mark.parametrize("search", [_neighbor_table.search_kd_tree, _neighbor_table.search_all_pairs])
@pytest.mark.parametrize("dimension", [1, 2, 6, 12])
def test_every_search_looks_around_periodic_axes(search, dimension, dtype):
    points = 7 * torch.rand(300, dimension, dtype=dtype, generator=torch.Generator().manual_seed(dimension)) - 3
    period = torch.tensor([7.0, math.inf] * 6, dtype=dtype)[:dimension]
    _, index = search(points, 9, period)
    apart = (points[:, None] - points).double().abs().numpy()
    apart[..., ::2] = np.minimum(apart[..., ::2], 7 - apart[..., ::2])
    distance = np.linalg.norm(apart, axis=2)
    found = np.take_along_axis(distance, index.numpy(), 1)
    np.testing.assert_allclose(np.sort(found, 1), np.sort(distance, 1)[:, :9], rtol=1e-4 if dtype == torch.float32 else 1e-12, atol=1e-5)
    assert lb.NeighborTable.from_points(points, 8, period=period).neighbors.shape == (300, 8)


@pytest.mark.parametrize("dimension", [2, 12])
@pytest.mark.parametrize("unit", [1e-300, 1e300, 1e-30, 1e30])
def test_units_change_no_neighbor(dimension, unit, dtype):
    points = torch.rand(100, dimension, dtype=dtype, generator=torch.Generator().manual_seed(0))
    unit = unit if dtype == torch.float64 else unit**0.1  # what float32 can hold
    exponent = round(math.log2(unit))
    table = lb.NeighborTable.from_points(points, 3, radius=0.3)
    scaled = lb.NeighborTable.from_points(torch.ldexp(points, torch.tensor(exponent)), 3, radius=math.ldexp(0.3, exponent))
    assert torch.equal(table.neighbors, scaled.neighbors)


@pytest.mark.parametrize("dimension", [1, 2, 3, 6, 15])
def test_default_number_of_neighbors(dimension, device):
    points = torch.rand(100, dimension, device=device)
    table = lb.NeighborTable.from_points(points)
    assert table.neighbors.shape == (100, max(2 * dimension, 8))
    assert table.neighbors.device == points.device
    assert (table.neighbors != torch.arange(100, device=device)[:, None]).all()
    assert lb.NeighborTable.from_points(points[:4]).neighbors.shape == (4, 3)
    assert lb.NeighborTable.from_points(points[:1]).neighbors.tolist() == [[0]]


def test_duplicates_do_not_become_their_own_neighbors(device):
    points = torch.zeros(20, 2, device=device)
    table = lb.NeighborTable.from_points(points, 3)
    assert table.neighbors.shape == (20, 3)
    assert (table.neighbors != torch.arange(20, device=device)[:, None]).all()


def test_radius_drops_long_edges():
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert lb.NeighborTable.from_points(points, 1, radius=2.0).neighbors.tolist() == [[1], [0], [1], [3]]


@pytest.mark.parametrize("shape", [(6,), (4, 5), (2, 3, 4), (1, 3, 1, 2)])
def test_grid_neighbors_and_boundaries(shape):
    n = math.prod(shape)
    values = torch.rand(n, generator=torch.Generator().manual_seed(1))
    label = torch.randint(0, 3, (n,), generator=torch.Generator().manual_seed(2))
    places = np.stack(np.unravel_index(np.arange(n), shape), 1)
    near = np.abs(places[:, None] - places[None]).sum(-1) <= 1
    lowest = np.where(near, values.numpy()[None], np.inf).argmin(1)
    grid = lb.Grid(shape)
    assert grid.lowest_by_tensors(values).tolist() == lowest.tolist()
    edges = {(int(u), int(v)) for us, vs in grid.boundary(label) for u, v in zip(us, vs, strict=True)}
    assert edges == {(u, v) for u in range(n) for v in range(u + 1, n) if near[u, v] and label[u] != label[v]}


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("n", [2, 17, 60, 1009])
def test_steps_of_a_lattice_are_its_shortest_vectors(dimension, n):
    lattice = lb.Lattice.search(n, dimension, seed=3)
    at = lattice.coordinates(torch.arange(n)).numpy()
    assert len(np.unique(at, axis=0)) == n
    assert ((at >= 0) & (at < n)).all()
    assert at[:, 0].tolist() == list(range(n))
    # every vector of the lattice that is shorter than n along each axis
    down = np.arange(1, n)[:, None] * np.array(lattice.generator) % n
    around = np.array(list(itertools.product((0, n), repeat=dimension)))
    vectors = (down[:, None] - around[None]).reshape(-1, dimension)
    vectors = vectors[(vectors[:, 0] > 0) & (np.abs(vectors) < n).all(1)]
    expected = np.sort((vectors**2).sum(1))[: 2**dimension - 1]
    found = (lattice.positive_steps**2).sum(1)
    assert (found >= expected[: len(found)]).all()
    if n >= 2**dimension:  # fewer points than corners have no neighborhood to speak of
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("dimension", range(1, 16))
@pytest.mark.slow
def test_lattices_are_even_in_one_piece_and_of_any_size(dimension):
    for n in (1, 2, 3, 5, 100, 3001, 20_000):
        samples = lb.sample(lambda x: x.sum(1), n, bounds=[[0, 1]] * dimension, method="lattice", seed=n)
        samples = replace(samples, values=torch.rand(len(samples), generator=torch.Generator().manual_seed(n)))
        assert len(samples) == n if dimension <= 6 else 0.9 * n - 1 <= len(samples) <= n
        assert int((~lb.barcode(lb.basins(samples)).is_finite).sum()) == 1
    unit = samples.points[:]
    assert ((unit > 0) & (unit < 1)).all()
    assert (unit.mean(0) - 0.5).abs().max() < 0.15  # three places an axis in fifteen dimensions
    if dimension == 6:
        # the density of packed balls: at best (E6) 1.29, of independent points about 0
        shortest = np.linalg.norm(samples.neighbors.positive_steps[0]) / n * n ** (1 / 6)
        assert shortest > 0.9


def test_seeds_shift_a_lattice():
    first, again, other = (lb.Lattice.search(1000, 3, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.generator == other.generator
    assert first.shift != other.shift


BAD = {
    "lattice in seven dimensions": (lambda: lb.Lattice.search(100, 7), "dimension: expected at most 6, got 7; lb.sample"),
    "lattice of too many": (lambda: lb.Lattice(4 * 10**9, (1,), (0,)), "Lattice.size: expected at most 3,000,000,000, got 4,000,000,000"),
    "generator": (
        lambda: lb.Lattice(5, (2, 1), (0, 0)),
        r"Lattice.generator: expected one .* the first one 1, got \(2, 1\); Lattice.search",
    ),
    "shift": (lambda: lb.Lattice(5, (1, 2), (0, 5)), r"Lattice.shift: expected one whole number below 5 .* got \(0, 5\)"),
    "shift of another dimension": (lambda: lb.Lattice(5, (1, 2), (0,)), "Lattice.shift"),
    "no axis": (lambda: lb.Grid(()), "at least one axis"),
    "empty axis": (lambda: lb.Grid((3, 0)), "Grid.shape: expected a whole number of at least 1, got 0"),
    "periods of no grid": (lambda: lb.Grid((3, 3), (True,)), r"Grid.periodic: expected True or False for each of 2 axes, got \(True,\)"),
    "periods of no lattice": (lambda: lb.Lattice(5, (1, 2), (0, 3), (1, 0)), r"Lattice.periodic: expected True or False for each of 2"),
    "a period of no length": (
        lambda: lb.NeighborTable.from_points(torch.rand(9, 2), 1, period=[1.0, 0.0]),
        r"period: expected a positive length for each of 2 axes, inf for 'never', got \[1.0, 0.0\]",
    ),
    "distances that vanish": (
        lambda: lb.NeighborTable.from_points(torch.tensor([[0.0], [1e-200], [2e-200], [1.0]], dtype=torch.float64), 1),
        r"points: expected distances that torch.float64 can hold, got \d between different places that round to 0.*rescale",
    ),
    "not rows": (
        lambda: lb.NeighborTable(torch.zeros(3, 2)),
        r"expected int32 or int64 of shape \[n k\], got torch.float32 of shape \[3, 2\]",
    ),
    "one column": (lambda: lb.NeighborTable(torch.zeros(3, dtype=torch.int64)), r"of shape \[3\]"),
    "rows of others": (
        lambda: lb.NeighborTable(torch.tensor([[0, 2], [1, -1]])),
        "expected rows 0 to 1, got -1 to 2; use a point's own row",
    ),
}


def test_bad_input(bad_input):
    bad_input()


def test_both_kinds_of_scans_have_equal_signatures():
    for name in ("lowest", "minima_and_labels", "frontier", "lowest_exits", "contract"):
        both = [inspect.signature(getattr(module, name)) for module in (_scans_tensor, _scans_compiled)]
        assert both[0] == both[1], name
