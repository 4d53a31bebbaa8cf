"""When progress bars are shown: one rule for everything that can run for long."""

from __future__ import annotations


def tqdm_options(progress: bool | None) -> dict:
    """Options of tqdm: always, never, or (default) after two seconds; never if TQDM_DISABLE is set."""
    return {"delay": 2} if progress is None else {"disable": not progress}
