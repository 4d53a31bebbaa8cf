"""All critical points of a smooth loss in a box.

In: a :class:`UnitCubeLoss`. Out: :class:`CriticalPoints`. Many starts at once run Newton iterations on the gradient. A start is
a place and the coordinates that are free; the others stay at their end of the box, so that one batch holds the interior and all
faces, edges and corners. Later rounds also start between known points and at recombinations of their coordinates. The search ends
when the number of starts is twice what it was at the last new point.
"""

from __future__ import annotations

from time import monotonic

import torch
from torch import Tensor
from tqdm import tqdm

from .._support.progress import tqdm_options
from .._support.types import Points
from ._classification import classify
from ._critical_points import CriticalPoints, cap_degenerate, euler_number, euler_sum, new_points, tree_of
from ._newton import newton
from ._unit_cube_loss import UnitCubeLoss


def search(
    loss: UnitCubeLoss,
    found: CriticalPoints,
    starts: int,
    rounds: int,
    max_points: int,
    deadline: float,
    generator: torch.Generator,
    progress: bool | None,
) -> CriticalPoints:
    """Rounds of starts, until the number of starts is twice what it was at the last new point.

    Raises:
        ValueError: if there are more than ``max_points`` points that are not degenerate.
    """
    done, last_news = 0, 0
    with tqdm(total=rounds, desc="critical points", unit="round", **tqdm_options(progress)) as bar:
        for _ in range(rounds):
            isolated = found.select(found.index >= 0)
            unit, free = sample_starts(isolated, max(starts, 4 * len(isolated)), loss, generator)
            news = new_points(classify(loss, *newton(loss, unit, free)), found, loss)
            found = cap_degenerate(found.join(news))
            check_isolated(loss, found, max_points)
            done += len(unit)
            # A degenerate point may be one of a whole valley, in which there are always more.
            if (news.index >= 0).any():
                last_news = done
            bar.update()
            bar.set_postfix_str(f"{len(found)} found", refresh=False)
            # A wrong sum means that a point is missing, so the search goes on for longer. With degenerate points it means nothing.
            patience = 2 if euler_sum(found.index) == euler_number(loss.periodic) or (found.index < 0).any() else 8
            if (done >= patience * last_news and done > len(unit)) or monotonic() >= deadline:
                break
    return found


def check_isolated(loss: UnitCubeLoss, found: CriticalPoints, max_points: int) -> None:
    """Refuse more points than ``max_points``, and name the flattest: a valley that rounding makes uneven has ever more of them."""
    points = found.select(found.index >= 0)
    if len(points) <= max_points:
        return
    size = torch.linalg.eigvalsh(points.hessian).abs()
    flatness = size.amin(1) / size.amax(1)
    flattest = int(flatness.argmin())
    where = [round(t, 6) for t in loss.place(points.unit[flattest]).tolist()]
    raise ValueError(
        f"loss: expected at most max_points={max_points:,} critical points, got {len(points):,} and ever more; if critical points are not "
        f"isolated (a symmetry, a valley), which is most likely at {where}, where the smallest eigenvalue of the Hessian is "
        f"{float(flatness[flattest]):.0e} of the largest, add a small term that breaks the symmetry, or fix a parameter; otherwise raise "
        "max_points, take a smaller box, or use the sampled route (lb.sample)"
    )


def corners(loss: UnitCubeLoss) -> tuple[Points, Tensor]:
    """The corners of the box, where no coordinate is free: places and what is free there. With a periodic axis there are none."""
    unit = torch.cartesian_prod(*loss.cube).reshape(-1, loss.dimension)[: 0 if loss.periodic.any() else None]
    return unit, torch.zeros_like(unit, dtype=torch.bool)


def sample_starts(found: CriticalPoints, count: int, loss: UnitCubeLoss, generator: torch.Generator) -> tuple[Points, Tensor]:
    """Starts: half of them at random in the interior and in the faces, half made from known points, once there are any."""
    d, (dtype, device) = loss.dimension, (loss.bounds.dtype, loss.bounds.device)

    def rows(most: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randint(most, shape, generator=generator).to(device)

    unit = torch.rand(count, d, dtype=dtype, generator=generator).to(device)
    ending = (~loss.periodic).nonzero().squeeze(1)  # axes that have ends
    held = rows(min(len(ending) + 1, d), (count,))  # number of coordinates that are held at an end; corners are searched already
    held[: count // 2] = 0  # half of the starts are in the interior
    rank = torch.rand(count, len(ending), generator=generator).argsort(1).to(device)
    free = torch.ones_like(unit, dtype=torch.bool)
    free[:, ending] = rank >= held[:, None]
    unit = torch.where(free, unit, unit.round())
    if not len(found):
        return unit, free
    # Between a known point and one near it: between two minima there is a saddle.
    first = rows(len(found), (count // 2,))
    _, near = tree_of(found.unit, loss).query(found.unit.double().cpu().numpy(), k=min(9, len(found)))
    near = torch.from_numpy(near.reshape(len(found), -1)).to(device)
    second = near[first, rows(near.shape[1], (count // 2,))]
    part = torch.rand(count // 2, 1, dtype=dtype, generator=generator).to(device)
    between = part * found.unit[first] + (1 - part) * loss.nearest(found.unit[second], found.unit[first])
    between = torch.where(found.free[first], between, found.unit[first])
    # Each coordinate from another known point: these are all critical points of a sum of functions of one variable.
    columns = torch.arange(d, device=device)
    parents = rows(len(found), (count // 2, d))
    return (
        torch.cat([unit, between, found.unit[parents, columns]]),
        torch.cat([free, found.free[first], found.free[parents, columns]]),
    )
