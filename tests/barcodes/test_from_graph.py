"""Graphs that users bring, in all forms: against the definition, and against each other."""

import math

import networkx
import numpy as np
import oracles
import pytest
import scipy.sparse
import torch
from helpers import quiet_barcode, rows_of
from hypothesis import given
from hypothesis import strategies as st
from strategies import LOSSES

import lossbarcode as lb


@st.composite
def networks(draw):
    n = draw(st.integers(1, 12))
    values = draw(st.lists(st.one_of(LOSSES, st.just(math.inf)), min_size=n, max_size=n).filter(lambda v: min(v) < math.inf))
    edges = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20))
    return values, edges


def minima_of(bars):
    """(birth, death, vertex, vertex of the parent) of every bar: what does not depend on the order of the edges."""
    return [(birth, death, vertex, parent) for birth, death, vertex, _, parent in rows_of(bars)]


@given(networks())
def test_pairs_matrices_and_networkx_agree_with_the_definition(drawn):
    values, edges = drawn
    n = len(values)
    expected = [(birth, death, vertex, parent) for birth, death, vertex, _, parent in oracles.bars_of_samples(values, edges)]
    matrix = scipy.sparse.csr_array((np.ones(len(edges)), np.array(edges, dtype=int).reshape(-1, 2).T), shape=(n, n))
    network = networkx.Graph()
    network.add_nodes_from((f"state {i}", {"loss": value}) for i, value in enumerate(values))
    network.add_edges_from((f"state {u}", f"state {v}") for u, v in edges)
    forms = [
        lb.from_graph(values, edges),
        lb.from_graph(torch.tensor(values, dtype=torch.float64), torch.tensor(edges, dtype=torch.int64).reshape(-1, 2)),
        lb.from_graph(np.array(values), matrix),
        lb.from_graph(values, (matrix + matrix.T).tocsc()),
        lb.from_graph(values, network),
        lb.from_graph("loss", network),
        lb.from_graph({f"state {i}": value for i, value in enumerate(values)}, network),
    ]
    for graph in forms:
        assert minima_of(quiet_barcode(graph)) == expected


def test_heights_of_edges_and_the_vertices_of_a_saddle():
    pairs, heights = [(0, 1), (1, 2), (0, 2)], [5.0, 4.0, 6.0]
    network = networkx.Graph()
    network.add_weighted_edges_from((*pair, height) for pair, height in zip(pairs, heights, strict=True))
    for graph in (lb.from_graph([0.0, 2.0, 1.0], pairs, heights), lb.from_graph([0.0, 2.0, 1.0], network, "weight")):
        bars = lb.barcode(graph)
        assert bars.to_gudhi() == [(0, (0.0, math.inf)), (0, (1.0, 5.0)), (0, (2.0, 4.0))]
        assert [sorted(pair) for pair in graph.minimum_row[graph.edges[bars.saddle_row[1:]]].tolist()] == [[0, 1], [1, 2]]


def test_a_million_vertices():
    array = np.random.default_rng(0).normal(size=(1000, 1000))
    rows = np.arange(array.size).reshape(array.shape)
    pairs = np.concatenate([np.stack([rows[1:].ravel(), rows[:-1].ravel()], 1), np.stack([rows[:, 1:].ravel(), rows[:, :-1].ravel()], 1)])
    bars, grid = lb.barcode(lb.from_graph(array.ravel(), pairs)), lb.barcode(lb.from_grid(array))
    assert torch.equal(bars.birth, grid.birth)
    assert torch.equal(bars.death, grid.death)
    assert torch.equal(bars.minimum_row, grid.minimum_row)


TWO = networkx.path_graph(2)
BAD = {
    "vertices of others": (lambda: lb.from_graph([0.0, 1.0], [(0, 2)]), "edges: expected vertices numbered 0 to 1, got 0 to 2"),
    "triples": (lambda: lb.from_graph([0.0, 1.0], [(0, 1, 1)]), r"edges: expected pairs of whole numbers \[m 2\], got torch.int64 of shape \[1, 3\]"),
    "floats": (lambda: lb.from_graph([0.0, 1.0], [(0.0, 1.0)]), "edges: expected pairs of whole numbers"),
    "ragged": (lambda: lb.from_graph([0.0, 1.0], [(0, 1), (1,)]), r"edges: expected pairs of vertices \[m 2\], a SciPy sparse matrix or a networkx"),
    "values of two axes": (lambda: lb.from_graph([[0.0, 1.0]], [(0, 1)]), r"values: expected one loss per vertex, shape \[n\], got shape \[1, 2\]"),
    "NaN": (lambda: lb.from_graph([0.0, math.nan], [(0, 1)]), "values: expected finite .*got 1 NaN"),
    "heights of others": (lambda: lb.from_graph([0.0, 1.0], [(0, 1)], [1.0, 2.0]), r"heights: expected one per edge, shape \[1\], got shape \[2\]"),
    "low heights": (lambda: lb.from_graph([0.0, 1.0], [(0, 1)], [0.5]), "expected every pass at or above both its ends"),
    "not square": (lambda: lb.from_graph([0.0, 1.0], scipy.sparse.csr_array((2, 3))), r"edges: expected a square matrix, .* got shape \(2, 3\)"),
    "heights of a matrix": (lambda: lb.from_graph([0.0, 1.0], scipy.sparse.eye_array(2), [1.0]), "heights: expected None for a sparse matrix"),
    "names without a network": (lambda: lb.from_graph("loss", [(0, 1)]), "which only go with a networkx graph"),
    "a node without a loss": (lambda: lb.from_graph({0: 1.0}, TWO), "values: expected a loss for every node, got none for 1, the first is 1"),
    "an edge without a height": (lambda: lb.from_graph([0.0, 1.0], TWO, "weight"), "expected the attribute 'weight' of every edge, got none for 1"),
    "too few losses": (lambda: lb.from_graph([0.0], TWO), "values: expected a loss for each of 2 nodes, got 1"),
}  # fmt: skip


def test_bad_input(bad_input):
    bad_input()


@pytest.mark.parametrize("edges", [[], np.zeros((0, 2), dtype=int), scipy.sparse.csr_array((2, 2))])
def test_no_edges_leave_every_vertex_alone(edges):
    assert len(quiet_barcode(lb.from_graph([0.0, 1.0], edges))) == 2
