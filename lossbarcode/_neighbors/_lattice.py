"""Rank-1 lattices: even samples of a box of any dimension, in any number, whose neighbors need no search."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .._checks import check_count
from .._types import Rows
from ._offsets import Offsets

LIMIT = 3_000_000_000  # samples; beyond, row times generator does not fit into 64 bits
TRIES = 32  # generators tried; sixteen times as many lengthen the shortest vector by 5 % and change no barcode much


@dataclass(frozen=True)
class Lattice(Offsets):
    """The points ``((i * generator + shift) % size + 1/2) / size`` of the unit cube, i = 0 .. size - 1.

    Neighbors of a point are its translates by the shortest vectors of the lattice, as many as ``min(2 D², 2^(D+1) - 2)``,
    that stay in the cube: in the row numbering they are the same few offsets everywhere. (2^(D+1) - 2 is the
    number of faces of a general lattice's Voronoi cell, so in up to four dimensions a sample is surrounded.)

    Args:
        size: number of points n.
        generator: integers ``[D]``, the first one 1.
        shift: integers ``[D]`` below n, the first one 0.

    Raises:
        ValueError: if there are more than three billion points, or generator and shift are not as said.
    """

    size: int
    generator: tuple[int, ...]
    shift: tuple[int, ...]
    periodic = True

    def __post_init__(self):
        if check_count(self.size, "Lattice.size") > LIMIT:
            raise ValueError(f"Lattice.size: expected at most {LIMIT:,}, got {self.size:,}; use a grid")
        for name, first in (("generator", 1), ("shift", 0)):
            given = tuple(int(x) for x in getattr(self, name))
            if not given or given[0] != first or len(given) != len(self.generator) or not all(0 <= x < max(self.size, 2) for x in given):
                raise ValueError(
                    f"Lattice.{name}: expected one whole number below {self.size} for each axis, the first one {first}, got {given}; "
                    "Lattice.good finds them"
                )
            object.__setattr__(self, name, given)

    @classmethod
    def good(cls, n: int, dimension: int, *, seed: int = 0) -> Lattice:
        """A lattice of n points with a long shortest vector, shifted at random.

        The generator depends on n and the dimension only: of 32 random ones, always the same, that whose lattice has the
        longest shortest vector. It is found in milliseconds (D = 2) to two seconds (D = 15) and remembered.

        Args:
            n: number of points.
            dimension: of the cube, D.
            seed: of the shift; lattices of different seeds are independent replicas.
        """
        n, dimension = check_count(n, "n"), check_count(dimension, "dimension")
        random = np.random.default_rng(seed)
        shift = (0, *random.integers(0, n, dimension - 1).tolist())  # along the first axis it only renumbers the points
        return cls(n, good_generator(n, dimension), shift)

    def __len__(self) -> int:
        return self.size

    @property
    def rule(self):
        return (self.size,) * len(self.generator), self.generator, self.shift

    @property
    def half_steps(self) -> np.ndarray:
        dimension = len(self.generator)
        return short_vectors(self.size, self.generator)[: min(dimension**2, 2**dimension - 1)]

    def offset_of(self, steps: np.ndarray) -> np.ndarray:
        return steps[:, 0]  # the first coordinate of a point is its row

    def position(self, rows: Rows) -> Tensor:
        return (self.coordinates(rows) + 0.5) / self.size


@lru_cache(maxsize=256)
def good_generator(n: int, dimension: int) -> tuple[int, ...]:
    """Of several random generators the one with the longest shortest vector."""
    random = np.random.default_rng(0)
    tries = [(1, *random.integers(1, max(n, 2), dimension - 1).tolist()) for _ in range(TRIES)]

    def shortest(generator):
        vectors = short_vectors(n, generator)
        return float(np.linalg.norm(vectors[0])) if len(vectors) else 0.0

    return max(tries, key=shortest)


@lru_cache(maxsize=256)
def short_vectors(n: int, generator: tuple[int, ...]) -> np.ndarray:
    """Short vectors of the lattice, n times enlarged, one of each opposite pair, ascending in length ``[m d]``.

    Sums of few vectors, signs free, of a basis that is reduced in the sense of Lenstra, Lenstra and Lovász.
    """
    from sympy.polys.domains import ZZ
    from sympy.polys.matrices import DomainMatrix

    dimension = len(generator)
    rows = [list(generator)] + [[n * (axis == other) for other in range(dimension)] for axis in range(1, dimension)]
    basis = DomainMatrix([[ZZ(x) for x in row] for row in rows], (dimension, dimension), ZZ).lll()
    vectors = few_of(dimension) @ np.array(basis.to_Matrix().tolist(), dtype=np.int64)
    vectors = vectors[(vectors[:, 0] > 0) & (np.abs(vectors) < n).all(1)]  # the rest leaves the cube or is the opposite
    length = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return vectors[np.lexsort([*vectors.T, length])]


@lru_cache(maxsize=16)
def few_of(dimension: int) -> np.ndarray:
    """Combinations ``[c d]`` of -1, 0 and 1: all of them up to six dimensions, those of at most three vectors above."""
    if dimension <= 6:
        return np.array(list(itertools.product((-1, 0, 1), repeat=dimension)))
    found = []
    for count in (1, 2, 3):
        places = np.array(list(itertools.combinations(range(dimension), count)))
        for signs in itertools.product((-1, 1), repeat=count):
            rows = np.zeros((len(places), dimension), dtype=np.int64)
            np.put_along_axis(rows, places, np.array(signs)[None], 1)
            found.append(rows)
    return np.concatenate(found)
