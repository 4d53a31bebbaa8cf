"""One row per run, and rank correlations with their uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..barcodes._scores import score_of_lengths
from ..transition import EndEvidence

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

RESAMPLES = 9999  # of the bootstrap: the ends of an interval then vary by a few thousandths between seeds


def summarise_runs(table: DataFrame, by: list[str]) -> DataFrame:
    """The bars of each run, summarised in one row.

    Args:
        table: rows of :func:`network_bars`, and columns that tell the runs apart.
        by: those columns.

    Returns:
        ``pandas.DataFrame``, one row per run: ``by``, ``parameters``, ``minima`` (their number), median ``birth``, and over the finite
        bars: median ``death`` and ``length``, ``longest``, ``to_score`` (the TO-score of their lengths, as in
        :func:`obstruction_score` for p = 1), ``minimum_reached``, ``quiet`` and ``proven`` (shares of these bars; ``quiet`` of those for
        which the table tells);
        ``max_gradient_norm`` (the largest at a minimum); where the table has them also mean ``test_error``, ``mean_loss``,
        ``mean_test_error``.

    Raises:
        ValueError: if the table lacks a column.

    Example:
        >>> import pandas as pd
        >>> from lossbarcode import study
        >>> bars = pd.DataFrame({"birth": [0.1, 0.2], "death": [float("inf"), 0.5], "gradient_norm": 1e-6})
        >>> bars = bars.assign(minimum_reached=True, quiet=[False, True], end_evidence=[None, "bounded above"], parameters=7, seed=0)
        >>> print(study.summarise_runs(bars, ["seed"])[["seed", "minima", "death", "to_score"]])
           seed  minima  death  to_score
        0     0       2    0.5      0.15
    """
    missing = {*by, "birth", "death", "gradient_norm", "minimum_reached", "quiet", "end_evidence", "parameters"} - set(table.columns)
    if missing:
        raise ValueError(f"table: expected the columns of network_bars and {by}, got one without {sorted(missing)}")
    deaths = table["death"].replace(np.inf, np.nan)
    proven = table["end_evidence"] == EndEvidence.PROVEN.value
    rows = table.assign(death=deaths, length=deaths - table["birth"], proven=proven)
    for name in ("minimum_reached", "quiet", "proven"):
        rows[name] = rows[name].where(deaths.notna()).astype(float)
    columns = {
        "parameters": ("parameters", "first"),
        "minima": ("birth", "size"),
        "birth": ("birth", "median"),
        "death": ("death", "median"),
        "length": ("length", "median"),
        "longest": ("length", "max"),
        "to_score": ("length", lambda lengths: score_of_lengths(torch.tensor(lengths.dropna().to_numpy()))),
        "minimum_reached": ("minimum_reached", "mean"),
        "quiet": ("quiet", "mean"),
        "proven": ("proven", "mean"),
        "max_gradient_norm": ("gradient_norm", "max"),
    }
    columns |= {name: (name, "mean") for name in ("test_error", "mean_loss", "mean_test_error") if name in table}
    return rows.groupby(by, sort=False).agg(**columns).reset_index()


def spearman(first: Series, second: Series) -> float:
    """Spearman's rank correlation; 0 if the second does not vary."""
    from scipy.stats import spearmanr

    if second.nunique() <= 1:
        return 0.0
    return float(spearmanr(first, second).statistic)  # pyright: ignore[reportAttributeAccessIssue]  # SciPy names its fields at run time


def rank_correlation(table: DataFrame, first: str, second: str, *, within: list[str]) -> dict[str, int | float]:
    """Spearman's rank correlation of two columns inside runs, pooled over all runs, with its uncertainty.

    Ranks are taken in each run, so that differences between runs do not count; rows without a finite value in both columns are left
    out, and so are runs with fewer than three rows. The 95 % interval comes from 9,999 bootstrap samples of runs, drawn with
    replacement and each with all its rows, because the rows of one run are not independent of each other. With a handful of runs the
    interval is rough.

    Args:
        table: one row per observation.
        first, second: columns.
        within: columns that tell runs apart.

    Returns:
        ``rows`` and ``runs`` (their numbers), ``correlation``, and the ends ``low`` and ``high`` of the interval; these are NaN if there is
        only one run.

    Raises:
        ValueError: if no run has three rows, or if a column is constant in every run.

    Example:
        >>> import pandas as pd
        >>> from lossbarcode import study
        >>> bars = pd.DataFrame({"length": [1, 2, 3, 30, 10, 20], "error": [4, 5, 6, 3, 2, 1], "seed": [0, 0, 0, 1, 1, 1]})
        >>> print(round(study.rank_correlation(bars, "length", "error", within=["seed"])["correlation"], 2))
        0.75
    """
    finite = table.loc[np.isfinite(table[[first, second]]).all(axis=1)]
    groups = finite.groupby(within)
    finite = finite[groups[first].transform("size") > 2]
    ranks = finite.groupby(within)[[first, second]].rank(pct=True)
    ranks = ranks - ranks.groupby([finite[name] for name in within]).transform("mean")
    if not len(ranks) or not ranks.any().all():
        raise ValueError(f"table: expected {first} and {second} to vary inside runs of at least three rows, got {len(finite)} rows of such")
    x, y = ranks[first], ranks[second]
    products = {"xx": x * x, "yy": y * y, "xy": x * y}
    sums = finite[within].assign(**products).groupby(within)[list(products)].sum().to_numpy().T  # one column per run
    low, high = run_interval(sums)
    return {
        "rows": len(finite),
        "runs": sums.shape[1],
        "correlation": float(pooled_correlation(sums)),
        "low": low,
        "high": high,
    }


def pooled_correlation(sums: NDArray[np.floating]) -> NDArray[np.floating]:
    """The correlation of centred ranks from the sums of xx, yy and xy in each run ``[3 ... runs]``; 0 where a column does not vary."""
    xx, yy, xy = sums.sum(-1)
    size = np.sqrt(xx * yy)
    return xy / np.where(size > 0, size, 1)


def run_interval(sums: NDArray[np.floating]) -> tuple[float, float]:
    """The 95 % interval of the pooled correlation when whole runs are drawn with replacement; NaN for one run."""
    from scipy.stats import bootstrap

    runs = sums.shape[1]
    if runs < 2:
        return np.nan, np.nan

    def statistic(drawn: NDArray[np.integer], axis: int = -1) -> NDArray[np.floating]:
        return pooled_correlation(sums[:, np.moveaxis(drawn, axis, -1)])

    found = bootstrap((np.arange(runs),), statistic, n_resamples=RESAMPLES, vectorized=True, method="percentile", rng=0)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
