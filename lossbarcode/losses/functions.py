"""Benchmark losses with their boxes: what the papers compute barcodes of.

In: nothing, or a dimension. Out: losses, each a batched callable ``[n d] -> [n]`` with ``bounds``, ``name`` and
``source``. A new function is a subclass that states its box and its formula in the coordinates.

Every formula is made of elementwise operations on contiguous columns. It uses neither a reduction over an axis nor
powers above 3: torch computes both in ways whose last bit depends on the place in the batch, and a loss must not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import reduce
from operator import add
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from .._support.checks import check_count

__all__ = [
    "BENCHMARKS", "Alpine01", "AnyDimension", "BenchmarkFunction", "DoubleWell", "EggCrate", "HolderTable", "HumpCamel3", "HumpCamel6",
    "Langermann", "PenHolder", "Qing", "Schwefel26", "SixHumpCamel", "ThreeHumpCamel", "Tripod", "UrsemWaves", "VenterSobieski", "Wavy",
    "XinSheYang04",
]  # fmt: skip
PAPERS = "barannikov2023barcodes"  # keys of book/references.bib
SURVEY = "jamil2013survey"
Interval: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[Interval, ...]


class BenchmarkFunction:
    """A loss on a box, ``[n d] -> [n]``, in float32 or float64 on any device.

    Attributes:
        name: the class's name, with the dimension where one can choose it.
        bounds: its box ``[d 2]``, float64 on the CPU.
        source: key of the publication in the book's bibliography.
    """

    source = PAPERS
    box: Box
    formula: Callable[..., Tensor]  # the loss from one tensor [n] per coordinate

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def bounds(self) -> Float[Tensor, "d 2"]:
        return torch.tensor(self.box, dtype=torch.float64)

    def __call__(self, points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        if points.ndim != 2 or points.shape[1] != len(self.box) or not points.is_floating_point():
            raise ValueError(
                f"{self.name}: expected floating-point points of shape [n {len(self.box)}], "
                f"got {points.dtype} of shape {list(points.shape)}; a single point needs [None]"
            )
        return self.formula(*points.T.contiguous().unbind(0))

    def __repr__(self) -> str:
        return self.name


class AnyDimension(BenchmarkFunction):
    """A function defined in every dimension: the same interval along every axis."""

    dimension: int
    interval: Interval

    def __init__(self, dimension: int = 2):
        self.dimension = check_count(dimension, f"{type(self).__name__}: dimension")
        self.box: Box = (self.interval,) * self.dimension

    @property
    def name(self) -> str:
        return f"{type(self).__name__}({self.dimension})"


def total(terms: Iterable[Tensor]) -> Tensor:
    """The sum of tensors of one shape, always in the order given."""
    return reduce(add, terms)


def root(x: Tensor) -> Tensor:
    """sqrt|x| with the derivative 0 at 0, where autograd would give NaN for the smooth x sin sqrt|x|."""
    return torch.sqrt(torch.abs(x).clamp_min(torch.finfo(x.dtype).tiny))


class DoubleWell(BenchmarkFunction):
    """``x⁴ - x² + x/10`` on [-1.5, 1.5]: two wells, the left one deeper."""

    box: Box = ((-1.5, 1.5),)

    def formula(self, x: Tensor) -> Tensor:
        return (x**2) ** 2 - x**2 + 0.1 * x


class ThreeHumpCamel(BenchmarkFunction):
    """``(2 - 1.05 x² + x⁴/6) x² + x y + y²`` on [-2, 2]²: three wells."""

    box: Box = ((-2.0, 2.0), (-2.0, 2.0))

    def formula(self, x: Tensor, y: Tensor) -> Tensor:
        return (2 - 1.05 * x**2 + (x**2) ** 2 / 6) * x**2 + x * y + y**2


class SixHumpCamel(BenchmarkFunction):
    """``(4 - 2.1 x² + x⁴/3) x² + x y + (4 y² - 4) y²`` on [-2, 2] x [-1.5, 1.5]: six wells in three equal pairs.

    Example:
        >>> import torch, lossbarcode as lb
        >>> camel = lb.functions.SixHumpCamel()
        >>> camel(torch.tensor([[0.0, 0.0], [0.0898420, -0.7126564]], dtype=torch.float64))
        tensor([ 0.0000, -1.0316], dtype=torch.float64)
    """

    box: Box = ((-2.0, 2.0), (-1.5, 1.5))

    def formula(self, x: Tensor, y: Tensor) -> Tensor:
        return (4 - 2.1 * x**2 + (x**2) ** 2 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2


# The papers' names.
HumpCamel3, HumpCamel6 = ThreeHumpCamel, SixHumpCamel


class Langermann(BenchmarkFunction):
    """``-sum_i c_i cos(pi r_i) exp(-r_i / pi)`` with ``r_i`` the squared distance to one of five centres, on [0, 10]²."""

    box: Box = ((0.0, 10.0), (0.0, 10.0))
    centres = ((3, 5, 1), (5, 2, 2), (2, 1, 5), (1, 4, 2), (7, 9, 3))  # a_i, b_i, c_i

    def formula(self, x: Tensor, y: Tensor) -> Tensor:
        squared = [((x - a) ** 2 + (y - b) ** 2, c) for a, b, c in self.centres]
        return -total(c * torch.cos(math.pi * r) * torch.exp(-r / math.pi) for r, c in squared)


class HolderTable(BenchmarkFunction):
    """``-|sin x cos y exp|1 - |(x, y)| / pi||`` on [-10, 10]²: four equal global minima at the corners. Not smooth."""

    box: Box = ((-10.0, 10.0), (-10.0, 10.0))

    def formula(self, x: Tensor, y: Tensor) -> Tensor:
        return -torch.abs(torch.sin(x) * torch.cos(y) * torch.exp(torch.abs(1 - torch.sqrt(x**2 + y**2) / math.pi)))


class PenHolder(BenchmarkFunction):
    """``-exp(-1 / |cos x cos y exp|1 - |(x, y)| / pi||)`` on [-11, 11]². Not smooth."""

    box: Box = ((-11.0, 11.0), (-11.0, 11.0))

    def formula(self, x: Tensor, y: Tensor) -> Tensor:
        inner = torch.abs(torch.cos(x) * torch.cos(y) * torch.exp(torch.abs(1 - torch.sqrt(x**2 + y**2) / math.pi)))
        return -torch.exp(-1 / inner)  # 1/0 = inf gives the limit, 0


class EggCrate(BenchmarkFunction):
    """``x² + y² + 25 (sin² x + sin² y)`` on [-5, 5]²: nine wells and, at the edges, sixteen halves of wells; a separable sum."""

    box: Box = ((-5.0, 5.0), (-5.0, 5.0))

    def formula(self, x: Tensor, y: Tensor) -> Tensor:
        return x**2 + y**2 + 25 * (torch.sin(x) ** 2 + torch.sin(y) ** 2)


class Tripod(BenchmarkFunction):
    """``p(y) (1 + p(x)) + |x + 50 p(y) (1 - 2 p(x))| + |y + 50 (1 - 2 p(y))|`` on [-100, 100]², p(t) = 1 for t >= 0, else 0.

    Three wells; jumps across both axes, so it is not even continuous.
    """

    source = SURVEY
    box: Box = ((-100.0, 100.0), (-100.0, 100.0))

    def formula(self, x: Tensor, y: Tensor) -> Tensor:
        px, py = (x >= 0).to(x.dtype), (y >= 0).to(y.dtype)
        return py * (1 + px) + torch.abs(x + 50 * py * (1 - 2 * px)) + torch.abs(y + 50 * (1 - 2 * py))


class UrsemWaves(BenchmarkFunction):
    """``-0.9 x² + (y² - 4.5 y²) x y + 4.7 cos(3 x - y² (2 + x)) sin(2.5 pi x)`` on [-0.9, 1.2] x [-1.2, 1.2]."""

    source = SURVEY
    box: Box = ((-0.9, 1.2), (-1.2, 1.2))

    def formula(self, x: Tensor, y: Tensor) -> Tensor:
        wave = torch.cos(3 * x - y**2 * (2 + x)) * torch.sin(2.5 * math.pi * x)
        return -0.9 * x**2 + (y**2 - 4.5 * y**2) * x * y + 4.7 * wave


class VenterSobieski(BenchmarkFunction):
    """``x² - 100 cos² x - 100 cos(x²/30)`` and the same in y, added, on [-50, 50]²: a separable sum."""

    source = SURVEY
    box: Box = ((-50.0, 50.0), (-50.0, 50.0))

    def formula(self, x: Tensor, y: Tensor) -> Tensor:
        return total(t**2 - 100 * torch.cos(t) ** 2 - 100 * torch.cos(t**2 / 30) for t in (x, y))


class Wavy(AnyDimension):
    """``1 - mean(cos(10 x) exp(-x²/2))`` on [-pi, pi]^D: in D = 2 its D4 symmetry puts minima into groups of 4 and 8."""

    interval: Interval = (-math.pi, math.pi)

    def formula(self, *coordinates: Tensor) -> Tensor:
        return 1 - total(torch.cos(10 * x) * torch.exp(-(x**2) / 2) for x in coordinates) / len(coordinates)


class Alpine01(AnyDimension):
    """``sum |x sin x + 0.1 x|`` on [-10, 10]^D: every minimum is 0. A separable sum, not smooth."""

    interval: Interval = (-10.0, 10.0)

    def formula(self, *coordinates: Tensor) -> Tensor:
        return total(torch.abs(x * torch.sin(x) + 0.1 * x) for x in coordinates)


class Schwefel26(AnyDimension):
    """``418.982887 D - sum x sin sqrt|x|`` on [-500, 500]^D: 8^D minima, the lowest far from the next. A separable sum."""

    interval: Interval = (-500.0, 500.0)

    def formula(self, *coordinates: Tensor) -> Tensor:
        return 418.982887 * len(coordinates) - total(x * torch.sin(root(x)) for x in coordinates)


class XinSheYang04(AnyDimension):
    """``(sum sin² x - exp(-sum x²)) exp(-sum sin² sqrt|x|)`` on [-10, 10]^D: one deep well among shallow ones."""

    interval: Interval = (-10.0, 10.0)

    def formula(self, *coordinates: Tensor) -> Tensor:
        waves = total(torch.sin(x) ** 2 for x in coordinates) - torch.exp(-total(x**2 for x in coordinates))
        return waves * torch.exp(-total(torch.sin(root(x)) ** 2 for x in coordinates))


class Qing(AnyDimension):
    """``sum (x_i² - i)²`` on [-D - 0.5, D + 0.5]^D: 2^D equal minima. A separable sum."""

    source = SURVEY

    def __init__(self, dimension: int = 2):
        half = check_count(dimension, "Qing: dimension") + 0.5
        self.interval: Interval = (-half, half)
        super().__init__(dimension)

    def formula(self, *coordinates: Tensor) -> Tensor:
        return total((x**2 - i) ** 2 for i, x in enumerate(coordinates, start=1))


BENCHMARKS: tuple[type[BenchmarkFunction], ...] = (
    Alpine01, DoubleWell, EggCrate, HolderTable, ThreeHumpCamel, SixHumpCamel, Langermann, PenHolder, Qing, Schwefel26, Tripod, UrsemWaves,
    VenterSobieski, Wavy, XinSheYang04,
)  # fmt: skip
"""Every function of this module; each can be made without arguments."""
