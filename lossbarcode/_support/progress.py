"""When a progress bar is shown: one rule for everything that can run long."""

from __future__ import annotations


def tqdm_options(progress: bool | None) -> dict:
    """tqdm's options: asked for, not wanted, or by default what takes over two seconds (never, if TQDM_DISABLE is set)."""
    return {"delay": 2} if progress is None else {"disable": not progress}
