"""Long runs that survive a kill: their state on the disk, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import torch
from torch import Tensor

from ._derivatives import values_of
from ._types import Loss, Points

SECONDS = 30  # between two writes: a kill costs at most these


class Checkpoint:
    """The state of one run, kept in a file if there is a path.

    Args:
        path: file, or None: nothing is kept.
        loss: of the run; it is known again by its values, because its name says neither which data it has nor which penalty.
        points: where the run begins ``[k d]``.
        made_of: what else the run depends on, tensors and anything with a repr; another run must not go on from this state.
    """

    def __init__(self, path: str | os.PathLike[str] | None, loss: Loss, points: Points, *made_of):
        self.path = None if path is None else Path(path)
        self.last = time.monotonic()
        self.values = points.new_empty(0) if path is None else values_of(loss, points)  # they cost a pass over the data
        digest = hashlib.sha256()
        for part in (points, *made_of) if self.path else ():
            digest.update(part.detach().cpu().contiguous().numpy().tobytes() if isinstance(part, Tensor) else repr(part).encode())
        self.key = digest.hexdigest()

    def load(self, device: torch.device) -> dict | None:
        """The state kept, or None if there is none.

        Raises:
            ValueError: if it is that of another run, or no checkpoint at all.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            kept = torch.load(self.path, map_location=device, weights_only=True)
            key, values, state = kept["key"], kept["values"], kept["state"]
        except Exception as error:  # torch raises many kinds for files that are not its own
            raise ValueError(
                f"checkpoint: expected a file of an earlier run, got {self.path}, which is none ({error}); name another"
            ) from error
        if key != self.key or not torch.allclose(values, self.values, rtol=1e-4, equal_nan=True):
            raise ValueError(
                f"checkpoint: expected the state of the same loss, points and options, got that of another run in {self.path}; "
                "delete it or name another file"
            )
        return state

    def save(self, state: dict, *, now: bool = False) -> None:
        """Keep the state, if the last time is long enough ago."""
        if self.path is None or (not now and time.monotonic() - self.last < SECONDS):
            return
        beside = self.path.with_name(self.path.name + ".part")
        torch.save({"key": self.key, "values": self.values, "state": state}, beside)
        os.replace(beside, self.path)
        self.last = time.monotonic()
