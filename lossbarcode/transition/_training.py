"""Training by stochastic gradient descent, as in the papers: many networks at once, by PyTorch's optimizers.

In: a loss on data and points ``[k d]``. Out: the points after the last epoch. The optimizers of ``torch.optim`` act on every number alone,
so one tensor of k networks is trained exactly as k networks are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from .._support.checks import check_count
from .._support.progress import tqdm_options
from ..losses._derivatives import batch_value_and_gradient
from ..losses._protocols import Loss, LossOnData, name_of

Optimizer = Literal["SGD", "Adam"]


@dataclass(frozen=True)
class TrainingSchedule:
    """Training by SGD with momentum, or by Adam; all networks see the same batches in the same order.

    Args:
        epochs: number of passes over the data.
        lr: learning rate, at first.
        final_lr: learning rate from epoch ``decay_end`` on; between ``constant_epochs`` and there it falls linearly. Default: ``lr``.
        constant_epochs: epochs at the first rate.
        decay_end: first epoch at the final rate.
        batch_size: rows of data per step.
        momentum: of SGD, the part of the last step that goes into the next. Adam does not use it.
        optimizer: ``"SGD"`` or ``"Adam"`` of ``torch.optim``.

    Raises:
        ValueError: if epochs or batch size are no whole numbers of at least 1, a rate is not positive, momentum is not from 0 to 1, or
            the optimizer is unknown.

    Source:
        The two of :cite:t:`barannikov2020loss` are ``TrainingSchedule.paper_constant()`` and ``TrainingSchedule.paper_annealed()``.

    Example:
        >>> import lossbarcode as lb
        >>> schedule = lb.TrainingSchedule.paper_annealed()
        >>> [round(schedule.lr_at(epoch), 4) for epoch in (0, 10, 30, 50, 100)]
        [0.05, 0.05, 0.0251, 0.0001, 0.0001]
    """

    epochs: int
    lr: float
    final_lr: float | None = None
    constant_epochs: int = 0
    decay_end: int = 0
    batch_size: int = 256
    momentum: float = 0.9
    optimizer: Optimizer = "SGD"

    def __post_init__(self) -> None:
        check_count(self.epochs, "TrainingSchedule.epochs")
        check_count(self.batch_size, "TrainingSchedule.batch_size")
        for name, rate in (("lr", self.lr), ("final_lr", self.final_lr)):
            if rate is not None and not rate > 0:
                raise ValueError(f"TrainingSchedule.{name}: expected a positive learning rate, got {rate}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"TrainingSchedule.momentum: expected at least 0 and less than 1, got {self.momentum}")
        if self.optimizer not in get_args(Optimizer):
            raise ValueError(f"TrainingSchedule.optimizer: expected 'SGD' or 'Adam', got {self.optimizer!r}")

    @classmethod
    def paper_constant(cls) -> TrainingSchedule:
        """A small constant learning rate: 1e-4, 2001 epochs."""
        return cls(2001, 1e-4)

    @classmethod
    def paper_annealed(cls) -> TrainingSchedule:
        """A learning rate of 5e-2 for 10 epochs, which then falls to 1e-4 at epoch 50; 101 epochs in all."""
        return cls(101, 5e-2, 1e-4, constant_epochs=10, decay_end=50)

    def lr_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        if self.final_lr is None or epoch < self.constant_epochs:
            return self.lr
        if epoch >= self.decay_end:
            return self.final_lr
        return self.lr + (self.final_lr - self.lr) * (epoch - self.constant_epochs) / (self.decay_end - self.constant_epochs)


class TrainingState:
    """Points that are being trained ``[k d]``, the optimizer's memory, and how many epochs are done."""

    def __init__(self, points: Float[Tensor, "k d"], schedule: TrainingSchedule):
        self.points = points
        self.epoch = 0
        if schedule.optimizer == "Adam":
            self.optimizer: torch.optim.Optimizer = torch.optim.Adam([points], lr=schedule.lr)
        else:
            self.optimizer = torch.optim.SGD([points], lr=schedule.lr, momentum=schedule.momentum)

    def state_dict(self) -> dict[str, Any]:
        return {"points": self.points, "epoch": self.epoch, "optimizer": self.optimizer.state_dict()}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any], schedule: TrainingSchedule) -> TrainingState:
        resumed = cls(state["points"], schedule)
        resumed.epoch = state["epoch"]
        resumed.optimizer.load_state_dict(state["optimizer"])
        return resumed


def check_trainable(loss: Loss) -> LossOnData:
    """The loss, if it has batches to be trained on."""
    if not isinstance(loss, LossOnData):
        raise ValueError(
            f"training: expected a loss on data, made by lb.networks.network_loss, got {name_of(loss)}; leave training out, or give the "
            "loss n_samples and batch_value_and_gradient(points, rows)"
        )
    return loss


def train(loss: LossOnData, state: TrainingState, schedule: TrainingSchedule, seed: int, progress: bool | None) -> Iterator[TrainingState]:
    """Train to the end of the schedule, in place; the state is yielded after every epoch."""
    device = state.points.device
    epochs = range(state.epoch, schedule.epochs)
    for epoch in tqdm(epochs, desc="training", unit="epoch", initial=state.epoch, total=schedule.epochs, **tqdm_options(progress)):
        order = torch.randperm(loss.n_samples, generator=torch.Generator().manual_seed(1_000_003 * seed + epoch))
        state.optimizer.param_groups[0]["lr"] = schedule.lr_at(epoch)
        for rows in order.to(device).split(schedule.batch_size):
            _, state.points.grad = batch_value_and_gradient(loss, state.points, rows)
            state.optimizer.step()
        state.points.grad = None
        state.epoch = epoch + 1
        yield state
    if not state.points.isfinite().all():
        raise ValueError(
            f"training: expected parameters to stay finite, got some that did not at a learning rate of {schedule.lr}; lower it"
        )
