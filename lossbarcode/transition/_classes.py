"""How much of a catalogue of minima was found: from how often descents ended in each class of them.

In: how many descents ended in each class. Out: the chance that one more descent, from a start drawn as these were, ends in a class that is
known (Good and Turing), with a lower bound, and how many classes are missing at least (Chao).

With p the chance of each class, a descent after n - 1 others ends in a new class with the chance sum of p (1 - p)^(n-1). Just this is the
expected number, divided by n, of classes that exactly one of n descents ended in.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxtyping import Int
from torch import Tensor

Z = 1.644854  # quantile of the normal distribution for a bound that holds in 95 % of searches


class Coverage(NamedTuple):
    """How much a search has found, as far as its own repetitions tell.

    It is about descents from starts that are drawn independently as these were: minima with small basins, or far from all starts, may be
    missing at any coverage. Descents that did not converge are left out of all numbers but their own.

    Attributes:
        estimate: chance that one more descent ends in a class that is known, 1 - (classes found once) / (descents); 0 without descents.
        lower: what it is at least, in about 95 % of searches (Wilson's bound with Esty's variance): n / (n + 2.7) after n descents that
            found each class three times or more.
        missing: how many classes are missing at least, as an estimate: Chao's, corrected for bias. Not a whole number.
        classes: how many classes converged descents ended in.
        descents: how many descents converged.
        not_converged: how many did not, and count for nothing else.
    """

    estimate: float
    lower: float
    missing: float
    classes: int
    descents: int
    not_converged: int = 0

    def __str__(self) -> str:
        others = f", {self.not_converged} more did not converge" if self.not_converged else ""
        return f"{self.classes} classes of {self.descents} descents, coverage {self.estimate:.2f}{others}"


def coverage_of(count: Int[Tensor, " k"], not_converged: int = 0) -> Coverage:
    """The coverage of a search that ended so often in each class ``[k]``, 0 for those that no converged descent ended in.

    Source:
        Good 1953, The population frequencies of species (estimate); Esty 1983, A normal limit law for a nonparametric estimator of the
        coverage of a random sample (variance); Chao 1984, Nonparametric estimation of the number of classes in a population (missing
        classes).
    """
    n, once, twice = (int(number) for number in (count.sum(), (count == 1).sum(), (count == 2).sum()))
    classes = int((count > 0).sum())
    if not n:
        return Coverage(0.0, 0.0, 0.0, classes, n, not_converged)
    new = (once + Z**2 / 2 + Z * math.sqrt(once * (1 - once / n) + 2 * twice + Z**2 / 4)) / (n + Z**2)
    missing = (n - 1) / n * once * (once - 1) / (2 * (twice + 1))
    return Coverage(1 - once / n, max(1 - new, 0.0), missing, classes, n, not_converged)
