"""All critical points of a smooth loss in a box.

In: a :class:`Field`. Out: :class:`Critical`. Many starts at once run Newton iterations on the gradient. A start is
a place and the coordinates that are free: the others stay at their end of the box, so one batch holds the interior and
all faces, edges and vertices. Later rounds also start between the points that are known and at recombinations of their
coordinates. The search ends when as many starts again as it took to find everything have found nothing new.
"""

from __future__ import annotations

import torch
from torch import Tensor
from tqdm import tqdm

from .._support.kd_tree import build_kd_tree
from .._support.progress import tqdm_options
from .._support.types import Points
from ._classification import classify
from ._critical_points import CriticalPoints, cap_degenerate, euler_sum, new_points
from ._newton import newton
from ._unit_cube_loss import UnitCubeLoss


def search(
    field: UnitCubeLoss,
    found: CriticalPoints,
    starts: int,
    rounds: int,
    generator: torch.Generator,
    progress: bool | None,
) -> CriticalPoints:
    """Rounds of starts until as many again as it took to find everything have found nothing new."""
    done, last_news = 0, 0
    with tqdm(total=rounds, desc="critical points", unit="round", **tqdm_options(progress)) as bar:
        for _ in range(rounds):
            isolated = found[found.index >= 0]
            unit, free = sample_starts(isolated, max(starts, 4 * len(isolated)), field, generator)
            news = new_points(classify(field, *newton(field, unit, free)), found, field)
            found = cap_degenerate(found.join(news))
            done += len(unit)
            # A degenerate point may be one of a whole valley of them; more of those are no news.
            if (news.index >= 0).any():
                last_news = done
            bar.update()
            bar.set_postfix_str(f"{len(found)} found", refresh=False)
            # A sum that is wrong says that something is missing, and is worth more patience; degenerate points spoil it.
            patience = 2 if euler_sum(found.index) == 1 or (found.index < 0).any() else 8
            if done >= patience * last_news and done > len(unit):
                break
    return found


def corners(field: UnitCubeLoss) -> tuple[Points, Tensor]:
    """The corners of the box, where no coordinate is free."""
    d = field.dimension
    corners = torch.tensor([0.0, 1.0], dtype=field.bounds.dtype, device=field.bounds.device)
    unit = torch.cartesian_prod(*[corners] * d).reshape(-1, d)
    return unit, torch.zeros_like(unit, dtype=torch.bool)


def sample_starts(found: CriticalPoints, count: int, field: UnitCubeLoss, generator: torch.Generator) -> tuple[Points, Tensor]:
    """Starts: at random in the interior and in the faces, and as many again made from the points that are known."""
    d, (dtype, device) = field.dimension, (field.bounds.dtype, field.bounds.device)

    def rows(most: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randint(most, shape, generator=generator).to(device)

    unit = torch.rand(count, d, dtype=dtype, generator=generator).to(device)
    held = rows(d, (count,))  # how many coordinates are held: none in one of d starts ...
    held[: count // 2] = 0  # ... and in every other one
    rank = torch.rand(count, d, generator=generator).argsort(1).to(device)
    free = rank >= held[:, None]
    unit = torch.where(free, unit, unit.round())
    if not len(found):
        return unit, free
    # between a known point and one of those next to it: between two minima there is a saddle
    first = rows(len(found), (count // 2,))
    places = found.unit.double().cpu().numpy()
    _, near = build_kd_tree(places).query(places, k=min(9, len(found)))
    near = torch.from_numpy(near.reshape(len(found), -1)).to(device)
    second = near[first, rows(near.shape[1], (count // 2,))]
    part = torch.rand(count // 2, 1, dtype=dtype, generator=generator).to(device)
    between = part * found.unit[first] + (1 - part) * found.unit[second]
    between = torch.where(found.free[first], between, found.unit[first])
    # each coordinate from another known point: the critical points of a sum of functions of one variable are just these
    columns = torch.arange(d, device=device)
    parents = rows(len(found), (count // 2, d))
    return (
        torch.cat([unit, between, found.unit[parents, columns]]),
        torch.cat([free, found.free[first], found.free[parents, columns]]),
    )
