"""The workshop of the notebooks: jobs, tables with provenance, statistics and verdicts.

In: jobs that return rows. Out: tables that resume after an interruption, one row per run, rank correlations with their intervals, and
verdicts on claims. ``import lossbarcode`` does not load this room: the package does not need it, the notebooks do.
"""

from ._auto_neb import heights_by_auto_neb
from ._costs import published_cost
from ._counted import Counted
from ._escape_bars import escape_bars
from ._jobs import run_jobs
from ._network_bars import class_bars, copy_invariants, evenly_spaced, network_bars
from ._published_descent import descend_as_published, heights_as_published
from ._statistics import rank_correlation, summarise_runs
from ._tables import load_result, provenance
from ._verdicts import monotone_trend, verdict_of

__all__ = [
    "Counted",
    "class_bars",
    "copy_invariants",
    "descend_as_published",
    "escape_bars",
    "evenly_spaced",
    "heights_as_published",
    "heights_by_auto_neb",
    "load_result",
    "monotone_trend",
    "network_bars",
    "provenance",
    "published_cost",
    "rank_correlation",
    "run_jobs",
    "summarise_runs",
    "verdict_of",
]
