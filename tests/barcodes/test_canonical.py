"""The canonical form against GUDHI on random complexes, and against what it promises."""

import gudhi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lossbarcode as lb


@st.composite
def filtered_complexes(draw):
    """Simplices in a random order in which faces come first: GUDHI's tree with distinct values, and the boundary."""
    n = draw(st.integers(2, 7))
    tree = gudhi.SimplexTree()
    for v in range(n):
        tree.insert([v])
    for simplex in draw(st.lists(st.lists(st.integers(0, n - 1), min_size=2, max_size=min(n, 4), unique=True), max_size=8)):
        tree.insert(simplex)
    weight = np.random.default_rng(draw(st.integers(0, 2**32))).random
    waiting = [tuple(simplex) for simplex, _ in tree.get_simplices()]
    order = []
    while waiting:
        ready = [s for s in waiting if all(face in order for face in faces(s))]
        order.append(ready[int(weight() * len(ready))])
        waiting.remove(order[-1])
    for value, simplex in enumerate(order):
        tree.assign_filtration(list(simplex), float(value))
    return tree, [[order.index(face) for face in faces(s)] for s in order]


def faces(simplex):
    return [simplex[:i] + simplex[i + 1 :] for i in range(len(simplex)) if len(simplex) > 1]


@given(filtered_complexes())
def test_pairs_are_those_of_gudhi(drawn):
    tree, boundary = drawn
    form = lb.canonical_form(boundary)
    tree.compute_persistence(homology_coeff_field=2, min_persistence=-1, persistence_dim_max=True)
    value = {tuple(simplex): int(at) for simplex, at in tree.get_filtration()}
    pairs = {(value[tuple(sorted(a))], value[tuple(sorted(b))] if b else None) for a, b in tree.persistence_pairs()}
    assert {*form.pairs, *((i, None) for i in form.unpaired)} == pairs


@given(filtered_complexes())
def test_basis_brings_the_boundary_to_the_canonical_form(drawn):
    _, boundary = drawn
    form = lb.canonical_form(boundary)
    size = len(boundary)

    def matrix(columns):
        dense = np.zeros((size, size), dtype=int)
        for j, column in enumerate(columns):
            dense[list(column), j] = 1
        return dense

    d, b, canonical = matrix(boundary), matrix(form.basis), np.zeros((size, size), dtype=int)
    for i, j in form.pairs:
        canonical[i, j] = 1
    # triangular with ones on the diagonal: it can be undone, and respects the filtration
    assert (np.diag(b) == 1).all()
    assert (np.tril(b, -1) == 0).all()
    assert ((d @ b - b @ canonical) % 2 == 0).all()


def test_nothing():
    assert lb.canonical_form([]) == lb.CanonicalForm([], [], [])


BAD = {
    "not whole numbers": ([[], [0.5]], "boundary: expected for cell 1 a list of row numbers, got \\[0.5\\]"),
    "numbers for lists": ([[], 0], "expected for cell 1 a list of row numbers, got 0"),
    "letters": (["", "a"], "expected for cell 1 a list of row numbers, got 'a'"),
    "a cell that comes later": ([[1], []], "expected for cell 0 distinct cells that come before it, got \\[1\\]"),
    "itself": ([[0]], "expected for cell 0"),
    "negative": ([[], [-1]], "expected for cell 1"),
    "twice": ([[], [0, 0]], "expected for cell 1"),
    "a boundary with a boundary": ([[], [], [0, 1], [2]], "got cell 3 whose boundary \\[2\\] has the boundary \\[0, 1\\]"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name, as_users_call):
    boundary, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        lb.canonical_form(boundary)
