"""Long runs that resume after an interruption.

In: an algorithm that yields its state after every step. Out: the same algorithm at its end, with its state in a file meanwhile, written
whole or not at all. Algorithms know nothing of files; :func:`drive` is the only place that writes.

A file is ``MAGIC``, the SHA-256 of all that follows, and what ``torch.save`` writes: its archive alone has checksums of some parts only, so
that a flipped bit could pass for a state. A run that is killed while it writes leaves a file ``*.part`` beside, which can be deleted.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

import torch
from torch import Tensor

from .._support.types import Points
from ..losses._derivatives import evaluate_in_chunks
from ..losses._protocols import Loss

SAVE_INTERVAL = 30  # seconds between two writes: an interruption costs at most these
MAGIC = b"lossbarcode checkpoint 1\n"  # the number is that of the format
DIGEST_SIZE = hashlib.sha256().digest_size


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
        options: what else the run depends on, tensors and anything with a repr; another run must not continue from this state. How long
            it runs is not among them, so that a finished run can go on.

    Raises:
        ValueError: if no file can be written there.
    """

    def __init__(self, path: str | os.PathLike[str] | None, loss: Loss, points: Points, **options: Any):
        self.path = None if path is None else Path(path).absolute()  # the program may change its folder while it runs
        self.last_save = time.monotonic()
        self.has_failed = False  # whether a write has
        if self.path is not None:
            check_writable(self.path)
        self.values = points.new_empty(0) if path is None else evaluate_in_chunks(loss, points)  # they cost a pass over the data
        self.options = {} if path is None else {name: exactly(option) for name, option in {"points": points, **options}.items()}

    def load(self, device: torch.device) -> tuple[str, dict[str, Any]] | None:
        """The name of the state's class and its ``state_dict``, or None if there is no file.

        Raises:
            ValueError: if it is the state of another run, damaged, or no checkpoint at all.
        """
        if self.path is None or not self.path.exists():
            return None
        none = f"checkpoint: expected a file of an earlier run, got {self.path}, which is none; name another"
        with self.path.open("rb") as file:
            magic, digest, payload = file.read(len(MAGIC)), file.read(DIGEST_SIZE), file.read()
        if magic != MAGIC:
            raise ValueError(none)
        if digest != hashlib.sha256(payload).digest():
            raise ValueError(f"checkpoint: expected a file of an earlier run, got {self.path}, which is damaged; delete it or name another")
        try:
            found = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
            options, values, kind, state = (found[name] for name in ("options", "values", "kind", "state"))
        except Exception as error:  # torch raises many kinds for files that are not its own
            raise ValueError(none) from error
        differs = [name for name in {**self.options, **options} if options.get(name) != self.options.get(name)]
        if not differs and not torch.allclose(values, self.values, rtol=1e-4, equal_nan=True):
            differs = ["loss"]
        if differs:
            raise ValueError(
                f"checkpoint: expected the state of the same loss, points and options, got that of another run in {self.path}, which "
                f"differs in {', '.join(differs)}; delete it or name another file"
            )
        return kind, state

    def check_limit(self, limit: int, name: str, done: int) -> None:
        """A longer run goes on from the state of a shorter one; but the result of a shorter one is no longer there.

        Raises:
            ValueError: if more steps or rounds are ``done`` than the limit.
        """
        if done > limit:
            raise ValueError(
                f"{name}: expected at least the {done} that the run in {self.path} has done, got {limit}; delete that file or name another"
            )

    def save(self, state: SolverState, *, force: bool = False) -> None:
        """Keep the state, if the last save was long enough ago. Where it cannot be written, the last one stays, and the run goes on.

        Warns:
            UserWarning: the first time that it cannot be written.
        """
        if self.path is None or (not force and time.monotonic() - self.last_save < SAVE_INTERVAL):
            return
        payload = io.BytesIO()
        torch.save({"options": self.options, "values": self.values, "kind": type(state).__name__, "state": state.state_dict()}, payload)
        try:
            write_whole(self.path, payload.getbuffer())
        except OSError as error:
            if not self.has_failed:
                warnings.warn(
                    f"checkpoint: expected to write {self.path}, got an error ({error.strerror}); the run goes on, and resumes from the "
                    "last state that could be written, if there is one; make space",
                    stacklevel=4,  # of the verb, which calls drive
                )
            self.has_failed = True
        self.last_save = time.monotonic()


def exactly(option: Any) -> str:
    """What tells an option from all others."""
    if not isinstance(option, Tensor):
        return repr(option)
    digest = hashlib.sha256(option.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
    return f"{option.dtype} {list(option.shape)} {digest}"


def check_writable(path: Path) -> None:
    """Refuse a path at once that a run of hours would fail to write to.

    Raises:
        ValueError: if no file can be made there.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        part = part_of(path)
        part.open("xb").close()
        part.unlink()
    except OSError as error:
        raise ValueError(
            f"checkpoint: expected a file in a folder that can be written to, got {path} ({error.strerror}); make the folder or name "
            "another file"
        ) from error


def write_whole(path: Path, payload: bytes | memoryview) -> None:
    """Write a checkpoint so that there is a whole file at every moment: the last one or this one.

    Raises:
        OSError: if it cannot be written; the last one stays.
    """
    part = part_of(path)
    try:
        with part.open("xb") as file:
            for piece in (MAGIC, hashlib.sha256(payload).digest(), payload):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())  # a network's disk says only now that it is full
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """A file beside, of a name that no other process takes."""
    return path.with_name(f"{path.name}.{uuid4().hex[:12]}.part")


def drive(steps: Iterable[SolverState], state: SolverState, checkpoint: Checkpoint) -> None:
    """Run an algorithm, which yields its ``state`` after every step, to its end; and keep the state on the way."""
    for reached in steps:
        checkpoint.save(reached)
    checkpoint.save(state, force=True)
