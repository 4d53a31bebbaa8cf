"""Verdicts on claims, from tables of runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import numpy as np

from ._statistics import spearman

if TYPE_CHECKING:
    from pandas import DataFrame


def verdict_of(held: Iterable[bool]) -> str:
    """The verdict on a claim that was tested several times.

    Args:
        held: whether the claim held, one condition per repetition or setting.

    Returns:
        ``"reproduced"`` if it held each time, ``"not reproduced"`` if it never held, else ``"partly"``.

    Raises:
        ValueError: if there is no condition.

    Example:
        >>> from lossbarcode import study
        >>> study.verdict_of([True, False, True])
        'partly'
    """
    held = [bool(condition) for condition in held]
    if not held:
        raise ValueError("held: expected at least one condition, got none")
    return "reproduced" if all(held) else "partly" if any(held) else "not reproduced"


def monotone_trend(runs: DataFrame, what: str, along: str, *, within: str) -> dict[str, str]:
    """The claim that a column decreases along another, judged by Spearman's rank correlation in each repetition.

    Args:
        runs: one row per run, as :func:`summarise_runs` makes them, with the number of its repetition in the column ``seed``.
        what: column that is claimed to decrease.
        along: column along which it is claimed to decrease.
        within: column whose values are judged separately.

    Returns:
        ``verdict``: that of :func:`verdict_of`, where the claim holds in a repetition if the correlation is negative; ``agree``: how many
        correlations are negative; ``rank correlation``: their means for each value of ``within``.

    Raises:
        ValueError: if no repetition has three values of ``along``.

    Example:
        >>> import pandas as pd
        >>> from lossbarcode import study
        >>> runs = pd.DataFrame({"layers": [1, 2, 3], "birth": [0.3, 0.2, 0.1], "penalty": 0.001, "seed": 0})
        >>> study.monotone_trend(runs, "birth", "layers", within="penalty")
        {'verdict': 'reproduced', 'agree': '1 of 1', 'rank correlation': 'penalty 0.001: -1.00'}
    """
    # pandas types the keys of groups only as hashable
    groups = {cast("tuple", key): rows for key, rows in runs.groupby([within, "seed"]) if rows[along].nunique() > 2}
    if not groups:
        raise ValueError(f"runs: expected a repetition with at least three values of {along}, got none in {len(runs)} rows")
    correlations = {key: spearman(rows[along], rows[what]) for key, rows in groups.items()}
    negative = [correlation < 0 for correlation in correlations.values()]
    means = {group: np.mean([correlation for key, correlation in correlations.items() if key[0] == group]) for group, _ in correlations}
    text = ", ".join(f"{group:g}: {mean:+.2f}" if isinstance(group, float) else f"{group}: {mean:+.2f}" for group, mean in means.items())
    return {
        "verdict": verdict_of(negative),
        "agree": f"{sum(negative)} of {len(negative)}",
        "rank correlation": f"{within.replace('_', ' ')} {text}",
    }
