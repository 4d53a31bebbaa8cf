"""What hypothesis draws: losses with many ties, graphs and arrays."""

import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import torch
from hypothesis import strategies as st

import lossbarcode as lb
from lossbarcode.sampled._implicit_neighbors import ProductLattice as Product

FEW = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.0, 1.0, 1.5, 3.0])  # collide often
ANY = st.floats(-1e6, 1e6, width=32)
LOSSES = st.one_of(FEW, ANY)


@st.composite
def graphs(draw):
    """A graph on minima with any heights allowed, several passes a pair, equal saddle rows, +inf passes."""
    k = draw(st.integers(1, 9))
    values = draw(st.lists(LOSSES, min_size=k, max_size=k))
    edges = draw(st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), max_size=20))
    climbs = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 100.0, np.inf]), min_size=len(edges), max_size=len(edges)))
    heights = [max(values[u], values[v]) + climb for (u, v), climb in zip(edges, climbs, strict=True)]
    saddle = draw(st.one_of(st.just(list(range(len(edges)))), st.permutations(range(len(edges)))))
    return values, edges, heights, list(saddle)


@st.composite
def clouds(draw):
    """Losses on the vertices of a random graph, as samples with a directed neighbor table, and its edges."""
    n, k = draw(st.integers(1, 14)), draw(st.integers(1, 4))
    losses = st.one_of(LOSSES, st.just(np.inf)) if draw(st.booleans()) else LOSSES
    values = draw(st.lists(losses, min_size=n, max_size=n).filter(lambda v: min(v) < np.inf))
    index = draw(hnp.arrays(np.int64, (n, k), elements=st.integers(0, n - 1)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    table = lb.NeighborTable(torch.from_numpy(index))
    samples = lb.Samples(torch.zeros(n, 1, dtype=dtype), torch.tensor(values, dtype=dtype), torch.tensor([[0.0, 1.0]]), table)
    return samples, [(i, j) for i in range(n) for j in index[i].tolist()]


@st.composite
def grids(draw, most=64):
    """Arrays of one to eight axes in any memory order."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=8, max_side=9).filter(lambda s: np.prod(s) <= most))
    losses = st.one_of(LOSSES, st.just(np.inf)) if draw(st.booleans()) else LOSSES
    array = draw(hnp.arrays(draw(st.sampled_from([np.float32, np.float64])), shape, elements=losses).filter(lambda a: a.min() < np.inf))
    order = draw(st.sampled_from(["as is", "transposed", "reversed", "every other"]))
    if order == "transposed":
        return array.T
    if order == "reversed":
        return array[::-1]
    if order == "every other":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return array


@st.composite
def lattices(draw):
    """Losses on a lattice, or on a product of lattices and a grid, and its edges from the places alone."""
    dimension = draw(st.integers(1, 4))
    periodic = draw(st.one_of(st.just((False,) * dimension), st.tuples(*[st.booleans()] * dimension)))
    n, seed = draw(st.integers(1, 40)), draw(st.integers(0, 9))
    places, flat = (lb.Lattice.search(n, dimension, seed=seed, periodic=axes) for axes in (periodic, ()))
    if draw(st.booleans()):
        shape = draw(st.sampled_from([(2,), (1, 3), (3,)]))
        axes = draw(st.tuples(*[st.booleans()] * len(shape)))
        other, other_flat = draw(
            st.sampled_from(
                [
                    (lb.Grid(shape, axes), lb.Grid(shape)),
                    (lb.Lattice.search(5, len(axes), seed=1, periodic=axes), lb.Lattice.search(5, len(axes), seed=1)),
                ]
            )
        )
        places, flat, periodic = Product((places, other)), Product((flat, other_flat)), periodic + axes
    losses = st.one_of(LOSSES, st.just(np.inf)) if draw(st.booleans()) else LOSSES
    values = draw(st.lists(losses, min_size=len(places), max_size=len(places)).filter(lambda v: min(v) < np.inf))
    values = torch.tensor(values, dtype=draw(st.sampled_from([torch.float32, torch.float64])))
    samples = lb.Samples(torch.zeros(len(places), 1), values, torch.tensor([[0.0, 1.0]]), places)
    return samples, oracles.lattice_edges(places, flat, periodic)
