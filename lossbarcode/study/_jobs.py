"""Jobs that fill a table and resume after an interruption."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._tables import append_rows, csv_roundtrip, read_table

if TYPE_CHECKING:
    from pandas import DataFrame


def run_jobs(
    job: Callable[..., Iterable[Mapping[str, Any]]],
    jobs: Iterable[Mapping[str, Hashable]],
    *,
    file: str | os.PathLike[str] | None = None,
    command: str = "",
) -> DataFrame:
    """Do all jobs, and put what they return into one table.

    Args:
        job: called as ``job(**options)``; returns rows, which are mappings of columns.
        jobs: options of each job. They become columns, before those that the job returns.
        file: CSV to which the rows of each job are appended as soon as it is done; jobs whose rows it has are not done again. Its first
            lines record its provenance (see :func:`provenance`); where runs differ, the differing values are joined by ``|``.
        command: the command that makes the file, for those lines.

    Returns:
        ``pandas.DataFrame``, one row for each row of each job, in the order in which they were done. Jobs may differ in the columns that
        they return (a file of an earlier version may have fewer); a column that a row lacks is NaN there.

    Raises:
        ValueError: if there are no jobs or they differ in their options, if a job returns no rows (it would be done again each time), or if
            the file holds the rows of other jobs.

    Example:
        >>> from lossbarcode import study
        >>> def squares(limit):
        ...     return [{"n": n, "square": n * n} for n in range(limit)]
        >>> print(study.run_jobs(squares, [{"limit": 1}, {"limit": 2}]))
           limit  n  square
        0      1  0       0
        1      2  0       0
        2      2  1       1
    """
    import pandas as pd

    jobs, file = list(jobs), None if file is None else Path(file)
    keys = list(jobs[0]) if jobs else []
    if not keys or any(set(options) != set(keys) for options in jobs):
        raise ValueError(f"jobs: expected at least one, all with the same options, got {len(jobs)}, the first with {keys}")
    text_columns = {key: str for key in keys if isinstance(jobs[0][key], str)}  # the text "2" must not come back as a number
    known = read_table(file, text_columns) if file is not None and file.exists() else pd.DataFrame(columns=keys)
    if not set(keys) <= set(known.columns):
        raise ValueError(f"file: expected columns {keys}, got {list(known.columns)} in {file}; name another file")
    done = set(known[keys].itertuples(index=False, name=None))
    tables = []
    for options in jobs:
        if tuple(csv_roundtrip(options[key]) for key in keys) in done:
            continue
        rows = list(job(**options))
        if not rows:
            raise ValueError(f"job: expected at least one row, got none for {dict(options)}")
        tables.append(pd.DataFrame([{**options, **row} for row in rows]))
        if file is not None:
            append_rows(tables[-1], file, command)
    return pd.concat(tables, ignore_index=True) if file is None else read_table(file, text_columns)
