"""The canonical form of a filtered complex over Z/2.

In: the boundary of every cell, cells in the order in which they enter. Out: the one basis change, respecting that order, after
which every cell is either paired with one other or alone. The pairs are the finite bars of all degrees, the rest the
infinite ones. Any filtered complex will do; here they are gradient Morse complexes.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CanonicalForm:
    """What is left of a filtered complex after a change of basis that respects its filtration.

    Attributes:
        pairs: two-dimensional blocks (i, j) in ascending j: the boundary of basis element j is basis element i.
        unpaired: one-dimensional blocks, ascending: cycles that bound nothing.
        basis: the basis element that stands for each cell, as ascending rows of cells ending in the cell itself.
    """

    pairs: list[tuple[int, int]]
    unpaired: list[int]
    basis: list[list[int]]


def canonical_form(boundary: Sequence[Iterable[int]]) -> CanonicalForm:
    """Bring a filtered complex over Z/2 to its canonical form.

    Every column takes on earlier ones (adding over Z/2) until its lowest entry is that of no earlier column. The pairs do not
    depend on choices made on the way; the basis does.

    Args:
        boundary: for every cell the rows of the cells in its boundary, each of which comes before it.

    Returns:
        CanonicalForm.

    Raises:
        ValueError: if a cell's boundary has a cell twice or one that does not come before it, or if a boundary has a boundary.

    Source:
        :cite:t:`barannikov1994framed`.

    Example:
        >>> import lossbarcode as lb
        >>> # two minima 0 and 1, the pass 2 between them, a second pass 3, and the maximum 4 around which both lead
        >>> form = lb.canonical_form([[], [], [0, 1], [0, 1], [2, 3]])
        >>> form.pairs, form.unpaired
        ([(1, 2), (3, 4)], [0])
        >>> form.basis[3]  # both passes together: a cycle
        [2, 3]
    """
    columns = check_boundary(boundary)
    reduced = [set(column) for column in columns]
    combined = [{j} for j in range(len(columns))]  # which cells were added up to each column
    with_lowest: dict[int, int] = {}
    for j, column in enumerate(reduced):
        while column and (lowest := max(column)) in with_lowest:
            earlier = with_lowest[lowest]
            column ^= reduced[earlier]
            combined[j] ^= combined[earlier]
        if column:
            with_lowest[max(column)] = j
    basis = [sorted(combination) for combination in combined]
    for i, j in with_lowest.items():
        basis[i] = sorted(reduced[j])  # so that the boundary of element j is element i
    pairs = sorted(with_lowest.items(), key=lambda pair: pair[1])
    paired = {cell for pair in pairs for cell in pair}
    return CanonicalForm(pairs, [cell for cell in range(len(columns)) if cell not in paired], basis)


def check_boundary(boundary: Sequence[Iterable[int]]) -> list[set[int]]:
    """The columns as sets, if they are those of a filtered complex."""
    columns = []
    for j, column in enumerate(boundary):
        try:
            rows = [operator.index(i) for i in column]
        except TypeError as error:
            raise ValueError(f"boundary: expected for cell {j} a list of row numbers, got {column!r}") from error
        if len(set(rows)) < len(rows) or any(not 0 <= i < j for i in rows):
            raise ValueError(f"boundary: expected for cell {j} distinct cells that come before it, got {rows}; sort cells by filtration")
        columns.append(set(rows))
    if found := boundary_of_boundary(columns):
        j, twice = found
        raise ValueError(
            f"boundary: expected a complex, in which a boundary has no boundary, got cell {j} whose boundary {sorted(columns[j])} has the "
            f"boundary {sorted(twice)}"
        )
    return columns


def boundary_of_boundary(columns: list[set[int]]) -> tuple[int, set[int]] | None:
    """The first cell whose boundary has a boundary, and that; None: there is no such cell."""
    for j, column in enumerate(columns):
        twice: set[int] = set()
        for i in column:
            twice ^= columns[i]
        if twice:
            return j, twice
    return None
