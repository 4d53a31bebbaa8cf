"""Experiments with many networks, and the tables that they write.

In: jobs and a function that does one. Out: a ``pandas.DataFrame``, and a CSV file that says where it came from, grows job by job and goes
on after a kill. The notebooks keep theirs in ``notebooks/results``.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.request import urlopen

import numpy as np
import torch

from ._evidence import evidence
from ._minima import Recipe, find_minima
from ._paths import connect
from ._types import Points
from .networks import NetworkLoss
from .networks import align as align_networks

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["bars_of_network", "committed", "falls", "provenance", "rank_correlation", "run", "summary"]

DIGITS = "%.7g"
RESULTS = Path("results")
PUBLIC = "https://raw.githubusercontent.com/lossbarcode/lossbarcode/main/notebooks/results/"


def provenance(command: str) -> dict[str, str]:
    """What a reader needs to know to repeat a table: command, device, versions, date."""
    cores = f"CPU, {os.cpu_count()} cores"
    device = f"{torch.cuda.get_device_name()}; {cores}" if torch.cuda.is_available() else cores
    versions = (
        f"python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, lossbarcode {version('lossbarcode')}"
    )
    return {"command": command, "device": device, "versions": versions, "date": str(date.today())}


def run(
    job: Callable[..., Iterable[Mapping[str, Any]]],
    jobs: Iterable[Mapping[str, Hashable]],
    *,
    file: str | os.PathLike[str] | None = None,
    command: str = "",
) -> DataFrame:
    """Do all jobs, and put what they return into one table.

    Args:
        job: called as ``job(**options)``; returns rows, mappings of columns.
        jobs: options of each job. They become columns, before those that the job returns.
        file: CSV that each job is appended to as soon as it is done; jobs that it has are not done again. The first lines say where
            it came from; where runs differ in that, all that was true, with ``|`` between.
        command: with which the file is made, for those lines.

    Returns:
        ``pandas.DataFrame``, one row for each row of each job, in the order in which they were done. Jobs may differ in the columns that
        they return (a file of an earlier version may have fewer); what a row lacks is NaN.

    Raises:
        ValueError: if there are no jobs or they differ in their options, if a job returns no rows (it would be done again each time), or if
            the file is one of other jobs.

    Example:
        >>> from lossbarcode import experiments
        >>> def squares(upto):
        ...     return [{"n": n, "square": n * n} for n in range(upto)]
        >>> print(experiments.run(squares, [{"upto": 1}, {"upto": 2}]))
           upto  n  square
        0     1  0       0
        1     2  0       0
        2     2  1       1
    """
    import pandas as pd

    jobs, file = list(jobs), None if file is None else Path(file)
    keys = list(jobs[0]) if jobs else []
    if not keys or any(set(options) != set(keys) for options in jobs):
        raise ValueError(f"jobs: expected at least one, all with the same options, got {len(jobs)}, the first with {keys}")
    words = {key: str for key in keys if isinstance(jobs[0][key], str)}  # "2" stays a word
    known = read(file, words) if file is not None and file.exists() else pd.DataFrame(columns=keys)
    if not set(keys) <= set(known.columns):
        raise ValueError(f"file: expected columns {keys}, got {list(known.columns)} in {file}; name another file")
    done = set(known[keys].itertuples(index=False, name=None))
    tables = []
    for options in jobs:
        if tuple(written(options[key]) for key in keys) in done:
            continue
        rows = list(job(**options))
        if not rows:
            raise ValueError(f"job: expected at least one row, got none for {dict(options)}")
        tables.append(pd.DataFrame([{**options, **row} for row in rows]))
        if file is not None:
            append(tables[-1], file, command)
    return pd.concat(tables, ignore_index=True) if file is None else read(file, words)


def append(table: DataFrame, file: Path, command: str) -> None:
    """Add rows to a CSV, and to its first lines what is new about where they came from; a kill leaves the file before or after."""
    import pandas as pd

    def as_written(text: str) -> DataFrame:
        return pd.read_csv(StringIO(text), comment="#", dtype=str, keep_default_na=False)

    known, rows = {}, as_written(table.to_csv(None, index=False, float_format=DIGITS))
    if file.exists():
        text = file.read_text()
        known, rows = head_of(text), pd.concat([as_written(text), rows])
    origin = provenance(command)
    for key, value in known.items():
        now = origin.get(key, value)
        origin[key] = value if now in value.split(" | ") else f"{value} | {now}"
    part = file.with_name(f"{file.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text("".join(f"# {key}: {value}\n" for key, value in origin.items()) + rows.to_csv(None, index=False))
    os.replace(part, file)


def written(value: Any) -> Any:
    """A value as it comes back from a file."""
    return float(DIGITS % value) if isinstance(value, float) else value


def bars_of_network(
    loss: NetworkLoss,
    starts: Points,
    *,
    test: Any = None,
    recipe: Recipe | None = None,
    steps: int = 5000,
    tolerance: float | None = None,
    images: int = 9,
    rounds: int = 16,
    align: bool = True,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
) -> list[dict[str, Any]]:
    """Train networks, renumber their hidden units, join them by paths, and tabulate their bars with evidence: a job for :func:`run`.

    Args:
        loss: of the networks, by :func:`networks.loss_of`.
        starts: where to begin ``[k d]``.
        test: inputs and targets; then there is a column ``test_error``, the error of each bar's minimum.
        recipe, steps, tolerance, seed: as of :func:`find_minima`.
        images, rounds: as of :func:`connect`.
        align: renumber hidden units to lie close to those of the first network (:func:`networks.align`).
        checkpoint: beginning of the names of two files in which the state is kept until it returns.

    Returns:
        A row a bar: ``parameters`` (their number), ``birth``, ``death``, ``gradient_norm``, ``change``, ``kind``, ``reached``,
        ``converged`` as of :func:`evidence`, and ``test_error``; in every row also ``mean_loss`` and ``mean_test_error`` of all
        networks, those that can be left without a climb, and so have no bar, among them.

    Example:
        >>> import torch, lossbarcode as lb
        >>> x = torch.linspace(-2, 2, 40, dtype=torch.float64)[:, None]
        >>> module = lb.networks.FullyConnected(1, (3,), 1, torch.nn.Tanh).double()
        >>> loss = lb.networks.loss_of(module, (x, x.cos()), torch.nn.functional.mse_loss, penalty=1e-3)
        >>> rows = lb.experiments.bars_of_network(loss, loss.starts(4))
        >>> all(row["reached"] for row in rows)
        True
    """
    files = [Path(f"{checkpoint}.{part}") for part in ("minima", "paths")] if checkpoint is not None else []
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    of_minima, of_paths = files or (None, None)
    wrong = None if test is None else lambda points: loss.error(points, test)
    minima = find_minima(loss, starts, recipe=recipe, steps=steps, tolerance=tolerance, test_error=wrong, seed=seed, checkpoint=of_minima)
    if align:
        minima = replace(minima, points=align_networks(loss, minima.points))
    table = evidence(connect(loss, minima, images=images, rounds=rounds, checkpoint=of_paths))
    columns = ["birth", "death", "gradient_norm", "change", "kind", "reached", "converged"]
    of_all = {"mean_loss": float(minima.values.mean())}
    if minima.test_error is not None:
        table["test_error"] = minima.test_error.cpu().numpy()[table["minimum"]]
        columns.append("test_error")
        of_all["mean_test_error"] = float(minima.test_error.mean())
    for file in files:
        file.unlink()
    return [{"parameters": loss.dimension, **row, **of_all} for row in table.loc[:, columns].to_dict("records")]


def committed(name: str) -> Any:
    """A result of the repository, from ``results/`` beside the notebook or, if it is not there (on Colab), from the public address.

    Returns:
        Of a CSV ``pandas.DataFrame``; what :func:`provenance` said is in its ``attrs``. Of a JSON what it holds.
    """
    source = RESULTS / name if (RESULTS / name).exists() else PUBLIC + name
    return json.loads(text_of(source)) if name.endswith(".json") else read(source)


def text_of(source: str | Path) -> str:
    """What a file or an address holds."""
    address = str(source)
    if address.startswith("http"):
        with urlopen(address) as answer:
            return answer.read().decode()
    return Path(source).read_text()


def read(source: str | Path, types: Mapping[str, type] | None = None) -> DataFrame:
    """A CSV with comments ``# key: value`` at its beginning; some columns of given types."""
    import pandas as pd

    text = text_of(source)
    table = pd.read_csv(StringIO(text), comment="#", keep_default_na=False, na_values=["nan", ""], dtype=types)
    table.attrs = {**head_of(text)}
    return table


def head_of(text: str) -> dict[str, str]:
    """What the first lines of a CSV say, ``# key: value`` each."""
    parts = [line[1:].partition(":") for line in text.splitlines() if line.startswith("#")]
    return {key.strip(): value.strip() for key, _, value in parts}


def summary(table: DataFrame, by: list[str]) -> DataFrame:
    """What the bars of each run say, in one row.

    Args:
        table: rows of :func:`bars_of_network`, and columns that tell the runs apart.
        by: those columns.

    Returns:
        ``pandas.DataFrame``, a row a run: ``by``, ``minima`` (their number), median ``birth``, and over bars that end: median ``death``
        and ``length``, ``longest``, ``to_score`` (the sum of half lengths, as :func:`to_score`, of p = 1); ``reached`` and ``converged``
        (shares of those bars), ``steepest`` (the longest gradient at a minimum), ``parameters``; if they are there mean ``test_error``,
        ``mean_loss``, ``mean_test_error``.

    Raises:
        ValueError: if the table lacks a column.

    Example:
        >>> import pandas as pd
        >>> from lossbarcode import experiments
        >>> bars = pd.DataFrame({"birth": [0.1, 0.2], "death": [float("inf"), 0.5], "gradient_norm": 1e-6})
        >>> bars = bars.assign(reached=True, converged=[True, False], parameters=7, seed=0)
        >>> print(experiments.summary(bars, ["seed"])[["seed", "minima", "death", "to_score"]])
           seed  minima  death  to_score
        0     0       2    0.5      0.15
    """
    missing = {*by, "birth", "death", "gradient_norm", "reached", "converged", "parameters"} - set(table.columns)
    if missing:
        raise ValueError(f"table: expected the columns of bars_of_network and {by}, got one without {sorted(missing)}")
    ends = table["death"].replace(np.inf, np.nan)
    rows = table.assign(death=ends, length=ends - table["birth"])
    for name in ("reached", "converged"):
        rows[name] = rows[name].where(ends.notna()).astype(float)
    columns = {
        "parameters": ("parameters", "first"),
        "minima": ("birth", "size"),
        "birth": ("birth", "median"),
        "death": ("death", "median"),
        "length": ("length", "median"),
        "longest": ("length", "max"),
        "to_score": ("length", lambda lengths: lengths.sum() / 2),
        "reached": ("reached", "mean"),
        "converged": ("converged", "mean"),
        "steepest": ("gradient_norm", "max"),
    }
    columns |= {name: (name, "mean") for name in ("test_error", "mean_loss", "mean_test_error") if name in table}
    return rows.groupby(by, sort=False).agg(**columns).reset_index()


def falls(runs: DataFrame, what: str, along: str, *, within: str) -> dict[str, str]:
    """The claim that something falls, judged by Spearman's rank correlation in every repetition on its own.

    Args:
        runs: a row a run, as :func:`summary` makes them, with the number of its repetition in the column ``seed``.
        what: column that is claimed to fall.
        along: column with which it is claimed to fall.
        within: column whose values are judged apart.

    Returns:
        ``verdict``: "reproduced" if all correlations are negative, "not reproduced" if none is, else "partly"; ``agree``: how many are
        negative; ``rank correlation``: their means for each value of ``within``.

    Raises:
        ValueError: if no repetition has three values to be compared.

    Example:
        >>> import pandas as pd
        >>> from lossbarcode import experiments
        >>> runs = pd.DataFrame({"layers": [1, 2, 3], "birth": [0.3, 0.2, 0.1], "penalty": 0.001, "seed": 0})
        >>> experiments.falls(runs, "birth", "layers", within="penalty")
        {'verdict': 'reproduced', 'agree': '1 of 1', 'rank correlation': 'penalty 0.001: -1.00'}
    """
    # pandas says of keys no more than that they can be hashed
    groups = {cast("tuple", key): rows for key, rows in runs.groupby([within, "seed"]) if rows[along].nunique() > 2}
    if not groups:
        raise ValueError(f"runs: expected a repetition with at least three values of {along}, got none in {len(runs)} rows")
    signs = {key: spearman(rows[along], rows[what]) for key, rows in groups.items()}
    agree = sum(sign < 0 for sign in signs.values())
    means = {group: np.mean([sign for key, sign in signs.items() if key[0] == group]) for group, _ in signs}
    said = ", ".join(f"{group:g}: {mean:+.2f}" if isinstance(group, float) else f"{group}: {mean:+.2f}" for group, mean in means.items())
    verdict = {len(signs): "reproduced", 0: "not reproduced"}.get(agree, "partly")
    return {"verdict": verdict, "agree": f"{agree} of {len(signs)}", "rank correlation": f"{within.replace('_', ' ')} {said}"}


def spearman(first: Series, second: Series) -> float:
    """Spearman's rank correlation; 0 if the second does not vary."""
    from scipy.stats import spearmanr

    if second.nunique() <= 1:
        return 0.0
    return float(spearmanr(first, second).statistic)  # pyright: ignore[reportAttributeAccessIssue]  # SciPy names its fields at run time


def rank_correlation(table: DataFrame, first: str, second: str, *, within: list[str]) -> dict[str, float]:
    """Spearman's rank correlation of two columns inside runs, all runs together, with its uncertainty.

    Ranks are taken in each run, so that what differs between runs does not count; rows without a finite value in both columns are left
    out. The interval of 95 % is that of 9,999 bootstrap samples of the rows, which takes rows as independent.

    Args:
        table: a row an observation.
        first, second: columns.
        within: columns that tell runs apart.

    Returns:
        ``rows`` (their number), ``correlation``, ``low``, ``high``.

    Raises:
        ValueError: if no run has three rows, or a column is constant in every run.

    Example:
        >>> import pandas as pd
        >>> from lossbarcode import experiments
        >>> bars = pd.DataFrame({"length": [1, 2, 3, 30, 10, 20], "error": [4, 5, 6, 3, 2, 1], "seed": [0, 0, 0, 1, 1, 1]})
        >>> print(round(experiments.rank_correlation(bars, "length", "error", within=["seed"])["correlation"], 2))
        0.75
    """
    from scipy.stats import bootstrap

    finite = table.loc[np.isfinite(table[[first, second]]).all(axis=1)]
    groups = finite.groupby(within)
    finite = finite[groups[first].transform("size") > 2]
    ranks = finite.groupby(within)[[first, second]].rank(pct=True)
    ranks = (ranks - ranks.groupby([finite[name] for name in within]).transform("mean")).to_numpy().T
    if not ranks.size or not ranks.any(axis=1).all():
        raise ValueError(f"table: expected {first} and {second} to vary inside runs of at least three rows, got {len(finite)} rows of such")

    def pearson(x, y, axis=-1):
        size = np.sqrt((x * x).sum(axis) * (y * y).sum(axis))
        return (x * y).sum(axis) / np.where(size > 0, size, 1)  # a sample of one row only has no correlation

    interval = bootstrap(tuple(ranks), pearson, paired=True, method="percentile", rng=0).confidence_interval
    return {"rows": len(finite), "correlation": float(pearson(*ranks)), "low": float(interval.low), "high": float(interval.high)}
