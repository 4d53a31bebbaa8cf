"""Long runs that resume after an interruption.

In: an algorithm that yields its state after every step. Out: the same algorithm at its end, with its state in a file meanwhile, written
whole or not at all. Algorithms know nothing of files; :func:`drive` is the only place that writes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from .._support.types import Points
from ..losses._derivatives import evaluate_in_chunks
from ..losses._protocols import Loss

SAVE_INTERVAL = 30  # seconds between two writes: an interruption costs at most these


@runtime_checkable
class SolverState(Protocol):
    """Where an algorithm is: all that it needs to continue."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, and dictionaries of them."""
        ...


class Checkpoint:
    """The state of one run in a file, if there is a path.

    Args:
        path: file, or None: nothing is kept.
        loss: of the run. It is identified by its values at ``points``, since its name encodes neither data nor penalty.
        points: where the run begins ``[k d]``.
        fingerprint: what else the run depends on, tensors and anything with a repr; another run must not continue from this state.
    """

    def __init__(self, path: str | os.PathLike[str] | None, loss: Loss, points: Points, *fingerprint: Any):
        self.path = None if path is None else Path(path)
        self.last_save = time.monotonic()
        self.values = points.new_empty(0) if path is None else evaluate_in_chunks(loss, points)  # they cost a pass over the data
        digest = hashlib.sha256()
        for part in (points, *fingerprint) if self.path else ():
            digest.update(part.detach().cpu().contiguous().numpy().tobytes() if isinstance(part, Tensor) else repr(part).encode())
        self.key = digest.hexdigest()

    def load(self, device: torch.device) -> tuple[str, dict[str, Any]] | None:
        """The name of the state's class and its ``state_dict``, or None if there is no file.

        Raises:
            ValueError: if it is the state of another run, or no checkpoint at all.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            checkpoint = torch.load(self.path, map_location=device, weights_only=True)
            key, values, kind, state = (checkpoint[name] for name in ("key", "values", "kind", "state"))
        except Exception as error:  # torch raises many kinds for files that are not its own
            raise ValueError(
                f"checkpoint: expected a file of an earlier run, got {self.path}, which is none ({error}); name another"
            ) from error
        if key != self.key or not torch.allclose(values, self.values, rtol=1e-4, equal_nan=True):
            raise ValueError(
                f"checkpoint: expected the state of the same loss, points and options, got that of another run in {self.path}; "
                "delete it or name another file"
            )
        return kind, state

    def save(self, state: SolverState, *, force: bool = False) -> None:
        """Keep the state, if the last save was long enough ago."""
        if self.path is None or (not force and time.monotonic() - self.last_save < SAVE_INTERVAL):
            return
        part = self.path.with_name(self.path.name + ".part")
        torch.save({"key": self.key, "values": self.values, "kind": type(state).__name__, "state": state.state_dict()}, part)
        os.replace(part, self.path)
        self.last_save = time.monotonic()


def drive(steps: Iterable[SolverState], state: SolverState, checkpoint: Checkpoint) -> None:
    """Run an algorithm, which yields its ``state`` after every step, to its end; and keep the state on the way."""
    for reached in steps:
        checkpoint.save(reached)
    checkpoint.save(state, force=True)
