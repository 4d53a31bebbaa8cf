"""Numbers that compare barcodes: with the ideal one (TO-score) and with each other (bottleneck, Wasserstein).

In: barcodes. Out: floats. The ground metric is the sup norm throughout: a bar [b, d] left alone costs (d - b)/2.
Finite bars are matched by well-kept solvers: GUDHI's ``hera`` (permissive licence) for the bottleneck distance, SciPy's
assignment for the Wasserstein distances. Infinite bars are matched among themselves, in the order of their births,
which is the best matching on a line.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from ._barcode import Barcode
from ._read_off import read_off
from ._source import Source

MAX_PAIRS = 10**8  # pairs of bars in an assignment: 800 MB


def obstruction_score(bars: Barcode | Source, *, p: float = 1, degree: int | None = None) -> float:
    """The TO-score: the p-Wasserstein distance of a barcode to the ideal one of its degree.

    The ideal barcode of degree 0 is a single infinite bar, every other is empty. The score is (sum of (length / 2)^p)^(1/p) over the
    finite bars, and half the longest for p = inf. For degree 0 it is 0 if every minimum but the global one can be escaped for
    free. The papers' own normalisation was not available to us.

    Args:
        bars: a barcode, or a record that has a graph, of which the barcode of this degree is taken.
        p: 1 or more, or ``math.inf``.
        degree: which one; default that of the barcode, or 0.

    Returns:
        The score in the unit of the loss; inf if there are more or fewer infinite bars than in the ideal barcode, which no
        matching can mend.

    Raises:
        ValueError: if p is below 1, or if the barcode is of another degree.

    Source:
        The score is from :cite:t:`barannikov2020loss`.

    Example:
        >>> import lossbarcode as lb
        >>> bars = lb.barcode(lb.basins(lb.from_grid([2.0, 0.0, 3.0, 1.0, 4.0])))
        >>> lb.obstruction_score(bars)
        1.0
    """
    check_order(p)
    if not isinstance(bars, Barcode):
        bars = read_off(bars, degree=degree or 0, stacklevel=2)
    elif degree not in (None, bars.degree):
        raise ValueError(
            f"degree: expected {bars.degree}, that of the barcode, got {degree}; compute lb.barcode(..., degree={degree}) first"
        )
    lengths = bars.length[bars.is_finite].double()
    if len(bars) - len(lengths) != (bars.degree == 0):
        return math.inf
    return score_of_lengths(lengths, p)


def score_of_lengths(lengths: Tensor, p: float = 1) -> float:
    """The TO-score of the lengths of finite bars ``[k]``: (sum of (length / 2)^p)^(1/p), half the longest for p = inf, 0 for none."""
    return float(lengths.div(2).norm(p)) if len(lengths) else 0.0


def bottleneck_distance(a: Barcode, b: Barcode) -> float:
    """The least e for which the bars of a and b can be matched with both ends at most e apart.

    Bars may be left alone at half their length. It is at most the sup distance of the two functions.

    Returns:
        The exact distance in the unit of the loss; inf if the barcodes differ in the number of infinite bars.

    Example:
        >>> import lossbarcode as lb
        >>> a, b = (lb.barcode(lb.basins(lb.from_grid([2.0, 0.0, 3.0, low, 4.0]))) for low in (1.0, 1.5))
        >>> lb.bottleneck_distance(a, b)
        0.5
    """
    from gudhi.hera import bottleneck_distance as match

    infinite = infinite_gaps(a, b)
    if infinite is None:
        return math.inf
    bars = finite_bars(a), finite_bars(b)
    # hera takes anything below 1e-10 for 0, whatever the unit, so it gets numbers of the order of 1
    unit = max(np.abs(side).max(initial=0.0) for side in bars) or 1.0
    finite = unit * match(bars[0] / unit, bars[1] / unit, delta=0.0)
    return float(max(infinite.max(initial=0.0), finite))


def wasserstein_distance(a: Barcode, b: Barcode, *, p: float = 1) -> float:
    """The p-Wasserstein distance: as :func:`bottleneck_distance`, with the sum of p-th powers for the maximum.

    Args:
        a, b: barcodes.
        p: 1 or more, or ``math.inf``, which is the bottleneck distance.

    GUDHI's ``hera`` is not used here: it stops at a relative error, and where bars nearly coincide (to 1e-6 for p = 2)
    it does not stop. SciPy's assignment is exact, and needs the memory of all pairs of bars.

    Returns:
        The exact distance in the unit of the loss; inf if the barcodes differ in the number of infinite bars.

    Raises:
        ValueError: if p is below 1, or if there are more than 1e8 pairs of bars.

    Example:
        >>> import lossbarcode as lb
        >>> a, b = (lb.barcode(lb.basins(lb.from_grid([2.0, 0.0, 3.0, low, 4.0]))) for low in (1.0, 1.5))
        >>> round(lb.wasserstein_distance(a, b), 4)
        0.5
    """
    from scipy.optimize import linear_sum_assignment

    check_order(p)
    if p == math.inf:
        return bottleneck_distance(a, b)
    infinite = infinite_gaps(a, b)
    if infinite is None:
        return math.inf
    x, y = finite_bars(a), finite_bars(b)
    if len(x) * len(y) > MAX_PAIRS:
        raise ValueError(
            f"wasserstein_distance: expected at most {MAX_PAIRS:,} pairs of bars, got {len(x):,} x {len(y):,}; "
            "compare the longest ones, a.longest(10_000), or use bottleneck_distance"
        )
    # Leave all bars alone, then gain by matching pairs. A pair that costs more than its bars alone gains nothing.
    alone = [((side[:, 1] - side[:, 0]) / 2) ** p for side in (x, y)]
    pair = np.maximum(np.abs(x[:, None, 0] - y[None, :, 0]), np.abs(x[:, None, 1] - y[None, :, 1])) ** p
    pair = np.minimum(pair, alone[0][:, None] + alone[1][None])
    rows, columns = linear_sum_assignment(pair - alone[0][:, None] - alone[1][None])
    left = [np.delete(costs, matched) for costs, matched in zip(alone, (rows, columns), strict=True)]
    cost = np.sum(infinite**p) + pair[rows, columns].sum() + left[0].sum() + left[1].sum()
    return float(cost ** (1 / p))


def check_order(p: float) -> None:
    if not p >= 1:
        raise ValueError(f"p: expected 1 or more (math.inf for the bottleneck distance), got {p}")


def finite_bars(bars: Barcode) -> np.ndarray:
    """Births and deaths of the bars that end, float64 ``[k 2]``."""
    return np.stack([t[bars.is_finite].double().cpu().numpy() for t in (bars.birth, bars.death)], 1)


def infinite_gaps(a: Barcode, b: Barcode) -> np.ndarray | None:
    """How far apart the infinite bars are in the best matching, or None if one stays alone."""
    births = [np.sort(bars.birth[~bars.is_finite].double().cpu().numpy()) for bars in (a, b)]
    return None if len(births[0]) != len(births[1]) else np.abs(births[0] - births[1])
