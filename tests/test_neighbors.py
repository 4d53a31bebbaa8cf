"""Who is next to whom: against brute force."""

import math

import numpy as np
import pytest
import torch

import lossbarcode as lb
from lossbarcode._neighbors import _base, _table


def brute_force(points, k):
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    return np.sort(distance, 1)[:, :k]


@pytest.mark.parametrize("search", [_table.kd_tree, _table.brute_force, _table.all_pairs])
@pytest.mark.parametrize("dimension", [1, 2, 6, 15])
def test_every_search_finds_the_nearest(search, dimension, dtype, monkeypatch):
    monkeypatch.setattr(_base, "CHUNK", 1000)
    points = torch.rand(300, dimension, dtype=dtype, generator=torch.Generator().manual_seed(dimension)) + 100
    distance, index = search(points, 9)
    tolerance = dict(rtol=1e-4, atol=1e-4) if dtype == torch.float32 else dict(rtol=1e-9, atol=1e-6)
    assert torch.equal(index[:, 0], torch.arange(300))
    found = (points[:, None] - points[index[:, 1:]]).norm(dim=2)
    np.testing.assert_allclose(found, brute_force(points.double().numpy(), 8), rtol=1e-4 if dtype == torch.float32 else 1e-12)
    np.testing.assert_allclose(distance[:, 1:], found, **tolerance)


@pytest.mark.parametrize("dimension", [1, 2, 3, 6, 15])
def test_default_number_of_neighbors(dimension, device):
    points = torch.rand(100, dimension, device=device)
    table = lb.NeighborTable.nearest(points)
    assert table.index.shape == (100, max(2 * dimension, 8))
    assert table.index.device == points.device
    assert (table.index != torch.arange(100, device=device)[:, None]).all()
    assert lb.NeighborTable.nearest(points[:4]).index.shape == (4, 3)
    assert lb.NeighborTable.nearest(points[:1]).index.tolist() == [[0]]


def test_duplicates_do_not_become_their_own_neighbors(device):
    points = torch.zeros(20, 2, device=device)
    table = lb.NeighborTable.nearest(points, 3)
    assert table.index.shape == (20, 3)
    assert (table.index != torch.arange(20, device=device)[:, None]).all()


def test_radius_drops_long_edges():
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert lb.NeighborTable.nearest(points, 1, radius=2.0).index.tolist() == [[1], [0], [1], [3]]


@pytest.mark.parametrize("shape", [(6,), (4, 5), (2, 3, 4), (1, 3, 1, 2)])
def test_grid_neighbors_and_boundaries(shape):
    n = math.prod(shape)
    values = torch.rand(n, generator=torch.Generator().manual_seed(1))
    label = torch.randint(0, 3, (n,), generator=torch.Generator().manual_seed(2))
    places = np.stack(np.unravel_index(np.arange(n), shape), 1)
    near = np.abs(places[:, None] - places[None]).sum(-1) <= 1
    lowest = np.where(near, values.numpy()[None], np.inf).argmin(1)
    grid = lb.Grid(shape)
    assert grid.lowest(values).tolist() == lowest.tolist()
    edges = {(int(u), int(v)) for us, vs in grid.boundary(label) for u, v in zip(us, vs, strict=True)}
    assert edges == {(u, v) for u in range(n) for v in range(u + 1, n) if near[u, v] and label[u] != label[v]}


BAD = {
    "no axis": (lambda: lb.Grid(()), "at least one axis"),
    "empty axis": (lambda: lb.Grid((3, 0)), "Grid.shape: expected a whole number of at least 1, got 0"),
    "not rows": (lambda: lb.NeighborTable(torch.zeros(3, 2)), r"expected int64 of shape \[n k\], got torch.float32 of shape \[3, 2\]"),
    "one column": (lambda: lb.NeighborTable(torch.zeros(3, dtype=torch.int64)), r"of shape \[3\]"),
    "rows of others": (
        lambda: lb.NeighborTable(torch.tensor([[0, 2], [1, -1]])),
        "expected rows 0 to 1, got -1 to 2; use a point's own row",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
