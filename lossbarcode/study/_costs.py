"""What an experiment would cost: operations of all gradients, hours, and memory of paths."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..transition._strings import memory_of_strings

STEPS_PER_ROUND = 20  # the default of connect
OPERATIONS_PER_SECOND = 1e13  # modest for a GPU of a data centre


def published_cost(
    module: nn.Module, row: Tensor, samples: int, runs: int, epochs: int, *, networks: int = 8, images: int = 19, rounds: int = 8
) -> dict[str, int | float | str]:
    """Operations and memory of training networks and of joining all of them by paths, in the papers' settings.

    A gradient is counted as three times the operations of the outputs. Nearly all gradients are those of images of paths, each on all
    samples.

    Args:
        module: one network.
        row: its input for one sample ``[1 ...]``.
        samples: size of the training data.
        runs: number of runs.
        epochs: of training.
        networks: networks in each run; all pairs of them are joined.
        images: images of each path at first; each round inserts two.
        rounds: rounds of descent of the paths.

    Returns:
        ``runs``, ``parameters``, ``operations`` (as text), ``hours`` at ten trillion operations per second, and ``GiB``, the memory that
        :func:`connect` estimates for paths in float32.

    Example:
        >>> import torch, lossbarcode as lb
        >>> from lossbarcode import study
        >>> module = lb.networks.FullyConnected(784, (32,), 10)
        >>> study.published_cost(module, torch.zeros(1, 784), 60_000, runs=3, epochs=101)["operations"]
        '3e+15'
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(row)
    gradient = 3 * counter.get_total_flops() * samples
    pairs = networks * (networks - 1) // 2
    on_paths = sum(STEPS_PER_ROUND * pairs * (images - 2 + 2 * i) for i in range(1, rounds + 1))
    operations = runs * gradient * (epochs * networks + on_paths)
    size = sum(p.numel() for p in module.parameters())
    memory = memory_of_strings(pairs, images, rounds, size, torch.float32.itemsize)
    return {
        "runs": runs,
        "parameters": size,
        "operations": f"{operations:.0e}",
        "hours": operations / OPERATIONS_PER_SECOND / 3600,
        "GiB": memory / 2**30,
    }
