"""Rank-1 lattices: even samples of a box of any dimension, in any number, whose neighbors need no search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from .._support.checks import check_count
from ._implicit_neighbors import AxisRule, ImplicitNeighbors, ProductLattice, one_bool_per_axis

MAX_LATTICE_SIZE = 3_000_000_000  # samples; beyond, row times generator does not fit into 64 bits
N_GENERATORS = 32  # generators tried, in up to half a second; sixteen times as many make the shortest vector 6 % longer on average
# Dimensions up to which one lattice serves. Above, samples in the corners of the cube have no short vector that leads
# inside, and get lost; a product of lattices of few dimensions each has no such corners.
MAX_LATTICE_DIM, PRODUCT_PART_DIM = 6, 5


@dataclass(frozen=True)
class Lattice(ImplicitNeighbors):
    """The points ``((i * generator + shift) % size + 1/2) / size`` of the unit cube, i = 0 .. size - 1.

    Neighbors of a point are its translates by the 2^(D+1) - 2 shortest vectors of the lattice, as far as they stay in the
    cube: in the row numbering they are the same few offsets everywhere. That many faces has the Voronoi cell of a lattice
    without symmetries, so every sample is surrounded.

    Args:
        size: number of points n.
        generator: integers ``[D]``, the first one 1.
        shift: integers ``[D]`` below n, the first one 0.
        periodic: along which axes the cube's two faces are one, bool ``[D]``; default: along none. Neighbors are those across such a
            face, too, for which a lattice is made.

    Raises:
        ValueError: if there are more than three billion points, or generator, shift and periodic are not as said.
    """

    size: int
    generator: tuple[int, ...]
    shift: tuple[int, ...]
    periodic: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if check_count(self.size, "Lattice.size") > MAX_LATTICE_SIZE:
            raise ValueError(f"Lattice.size: expected at most {MAX_LATTICE_SIZE:,}, got {self.size:,}; use a grid")
        for name, first in (("generator", 1), ("shift", 0)):
            given = tuple(int(x) for x in getattr(self, name))
            if not given or given[0] != first or len(given) != len(self.generator) or not all(0 <= x < max(self.size, 2) for x in given):
                raise ValueError(
                    f"Lattice.{name}: expected one whole number below {self.size} for each axis, the first one {first}, got {given}; "
                    "Lattice.search finds them"
                )
            object.__setattr__(self, name, given)
        object.__setattr__(self, "periodic", one_bool_per_axis(self.periodic, len(self.generator), "Lattice.periodic"))

    @classmethod
    def search(cls, n: int, dimension: int, *, seed: int = 0, periodic: tuple[bool, ...] = ()) -> Lattice:
        """A lattice of n points in up to six dimensions with a long shortest vector, shifted at random.

        The generator depends on n and the dimension only: of 32 random ones, always the same, that whose lattice has the
        longest shortest vector. It is found within half a second and remembered.

        Args:
            n: number of points.
            dimension: of the cube, D.
            seed: of the shift; lattices of different seeds are independent replicas.
            periodic: along which axes the cube's two faces are one.

        Raises:
            ValueError: above six dimensions, where :func:`sample` takes products of lattices.

        Example:
            >>> import lossbarcode as lb
            >>> lb.Lattice.search(1000, 3)
            Lattice(size=1000, generator=(1, 765, 729), shift=(0, 850, 636), periodic=(False, False, False))
        """
        n, dimension = check_count(n, "n"), check_count(dimension, "dimension")
        if dimension > MAX_LATTICE_DIM:
            raise ValueError(
                f"dimension: expected at most {MAX_LATTICE_DIM}, got {dimension}; lb.sample(..., method='lattice') takes products then"
            )
        random = np.random.default_rng(seed)
        shift = (0, *random.integers(0, n, dimension - 1).tolist())  # along the first axis it only renumbers the points
        return cls(n, good_generator(n, dimension), shift, periodic)

    def __len__(self) -> int:
        return self.size

    @property
    def rule(self) -> AxisRule:
        ones = (1,) * len(self.generator)
        return AxisRule((self.size,) * len(ones), ones, self.generator, self.shift)

    @property
    def positive_steps(self) -> np.ndarray:
        steps = short_vectors(self.size, self.generator)[: 2 ** len(self.generator) - 1]
        if self.periodic[0]:  # the row is the first coordinate: around its axis a step leads to a row further on, or backwards
            around = -steps
            around[:, 0] += self.size
            steps = np.concatenate([steps, around])
        return steps

    @property
    def wraps(self) -> np.ndarray:
        # all coordinates but the first follow from the row by a remainder, so that they come around by themselves
        return np.array((False, *self.periodic[1:]))

    def offset_of(self, steps: np.ndarray) -> np.ndarray:
        return steps[:, 0]  # the first coordinate of a point is its row

    def position(self, rows: Int[Tensor, "*m"]) -> Float[Tensor, "*m d"]:
        return (self.coordinates(rows) + 0.5) / self.size


def lattice_neighbors(n: int, dimension: int, seed: int, periodic: tuple[bool, ...]) -> ImplicitNeighbors:
    """A lattice of n points, or above six dimensions a product of lattices of at most n points in all."""
    if dimension <= MAX_LATTICE_DIM:
        return Lattice.search(n, dimension, seed=seed, periodic=periodic)
    count = -(-dimension // PRODUCT_PART_DIM)
    seeds = np.random.SeedSequence(seed).generate_state(count).tolist()
    parts = []
    for left in range(count, 0, -1):
        part = -(-dimension // left)
        size = max(1, int(n ** (part / dimension) * (1 + 1e-12)))  # the last part is all that is left
        own, periodic = periodic[:part], periodic[part:]
        parts.append(Lattice.search(size, part, seed=seeds.pop(), periodic=own))
        n, dimension = n // size, dimension - part
    return ProductLattice(tuple(parts))


@lru_cache(maxsize=256)
def good_generator(n: int, dimension: int) -> tuple[int, ...]:
    """Of several random generators the one with the longest shortest vector."""
    random = np.random.default_rng(0)
    tries = [(1, *random.integers(1, max(n, 2), dimension - 1).tolist()) for _ in range(N_GENERATORS)]

    def shortest(generator):
        vectors = short_vectors(n, generator)
        return float(np.linalg.norm(vectors[0])) if len(vectors) else 0.0

    return max(tries, key=shortest)


@lru_cache(maxsize=256)
def short_vectors(n: int, generator: tuple[int, ...]) -> np.ndarray:
    """Short vectors of the lattice, n times enlarged, one of each opposite pair, ascending in length ``[m d]``.

    Small combinations of a basis that is reduced in the sense of Lenstra, Lenstra and Lovász.
    """
    from sympy.polys.domains import ZZ
    from sympy.polys.matrices import DomainMatrix

    dimension = len(generator)
    rows = [list(generator)] + [[n * (axis == other) for other in range(dimension)] for axis in range(1, dimension)]
    basis = DomainMatrix([[ZZ(x) for x in row] for row in rows], (dimension, dimension), ZZ).lll()
    few = np.stack(np.meshgrid(*[np.arange(-2, 3)] * dimension), -1).reshape(-1, dimension)
    vectors = few @ np.array(basis.to_Matrix().tolist(), dtype=np.int64)
    vectors = vectors[(vectors[:, 0] > 0) & (np.abs(vectors) < n).all(1)]  # the rest leaves the cube or is the opposite
    length = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return vectors[np.lexsort([*vectors.T, length])]
