"""Polylines through images, many at once.

In: images ``[p m d]``, m on each of p polylines, and fractional numbers of images as positions on them. Out: points there, losses there,
and the highest loss on each polyline.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .._support.types import Values
from ..losses._derivatives import evaluate_in_chunks
from ..losses._protocols import Loss

PROBES = 3  # points at which a chord is looked at first, besides its ends
MAX_PROBES = 64  # and at most
MAX_SHOWN = 6  # coordinates of a point in a message
MAX_COORDINATES = 1 << 24  # coordinates of points on polylines that are in memory at a time


def interpolate(points: Tensor, where: Tensor) -> Tensor:
    """Points on polylines ``[p q d]`` at fractional numbers of images ``[p q]``."""
    first = where.floor().clamp(0, points.shape[1] - 2).long()
    index = first[..., None].expand(-1, -1, points.shape[2])
    return torch.lerp(points.gather(1, index), points.gather(1, index + 1), (where - first)[..., None].to(points.dtype))


def equalise_spacing(arc_length: Tensor, power: float) -> Tensor:
    """Positions, as parts of the path's length ``[p m]``, whose distances differ less: powers of what they were."""
    length = (arc_length[:, 1:] - arc_length[:, :-1]).pow(power).cumsum(1)
    return torch.cat([torch.zeros_like(arc_length[:, :1]), length / length[:, -1:]], 1)


def reparametrise(points: Tensor, arc_length: Tensor) -> Tensor:
    """Images moved along their polyline to where they belong, given as parts of its length ``[p m]``."""
    length = (points[:, 1:] - points[:, :-1]).norm(dim=2)
    covered = torch.cat([torch.zeros_like(length[:, :1]), length.cumsum(1)], 1)
    wanted = arc_length * covered[:, -1:]
    chord = (torch.searchsorted(covered, wanted.contiguous(), right=True) - 1).clamp(0, points.shape[1] - 2)
    part = (wanted - covered.gather(1, chord)) / length.gather(1, chord).clamp_min(torch.finfo(length.dtype).tiny)
    moved = interpolate(points, chord + part.clamp(0, 1))
    moved[:, 0], moved[:, -1] = points[:, 0], points[:, -1]
    return moved


def merged_positions(points: Tensor, more: Tensor) -> Tensor:
    """The positions of all images together with more positions ``[p q]``, ascending ``[p m+q]``."""
    numbers = torch.arange(points.shape[1], dtype=more.dtype, device=more.device).expand(len(points), -1)
    return torch.cat([numbers, more], 1).sort(1).values


def reindex(where: Tensor, old: Tensor) -> Tensor:
    """Positions on polylines after images were inserted: ``where`` all images are now, in the old numbering ``[p m]``."""
    first = (torch.searchsorted(where, old.contiguous(), right=True) - 1).clamp(0, where.shape[1] - 2)
    start = where.gather(1, first)
    return first + (old - start) / (where.gather(1, first + 1) - start)


class PathMaximum(NamedTuple):
    """The highest loss on each polyline ``[p]``, its position ``[p]``, and the middles of the two highest chords ``[p 2]``."""

    heights: Values
    peak_position: Values
    insert_positions: Tensor


def path_maximum(loss: Loss, points: Tensor, tolerance: float, pairs: Tensor) -> PathMaximum:
    """The highest loss on each polyline, ends included; +inf where it meets a wall.

    All chords are probed at more and more points until that changes nothing by more than the tolerance, and then the surroundings of the
    highest point more closely, to a tenth of it.

    Args:
        loss: to be probed.
        points: images ``[p m d]``.
        tolerance: in the unit of the loss.
        pairs: minima that each polyline joins ``[p 2]``, by which messages name it.

    Raises:
        ValueError: if a loss is NaN or -inf.
    """
    count = points.shape[1]
    where = torch.linspace(0, count - 1, (count - 1) * (PROBES + 1) + 1, dtype=points.dtype, device=points.device)
    where = where.expand(len(points), -1)
    value = losses_at(loss, points, where, pairs)
    while value.shape[1] < MAX_PROBES * count:
        between = (where[:, 1:] + where[:, :-1]) / 2
        more = losses_at(loss, points, between, pairs)
        before, after = value.amax(1), more.amax(1)
        rise = torch.where(after > before, after - before, 0).max()  # nothing rises above a wall
        where, value = interleave(where, between), interleave(value, more)
        if rise <= tolerance:
            break
    probes = (value.shape[1] - 1) // (count - 1)
    chords = value[:, :-1].unflatten(1, (count - 1, probes)).amax(2)
    middles = chords.topk(min(2, count - 1), dim=1).indices + 0.5
    heights, best = value.max(1)
    peak, width = where.gather(1, best[:, None]), 1 / probes
    while width > 1e-6:
        around = (peak + width * torch.linspace(-0.75, 0.75, 7, dtype=points.dtype, device=points.device)).clamp(0, count - 1)
        more = losses_at(loss, points, around, pairs)
        found, best = more.max(1)
        peak = torch.where((found > heights)[:, None], around.gather(1, best[:, None]), peak)
        heights = torch.maximum(heights, found)
        width /= 4
        drop = torch.where(heights < torch.inf, heights - more.amin(1), 0)
        if drop.max() <= tolerance / 10:  # flat neighborhood; merely finding nothing higher is not enough
            break
    return PathMaximum(heights, peak.squeeze(1), middles.to(points.dtype))


def losses_at(loss: Loss, points: Tensor, where: Tensor, pairs: Tensor) -> Values:
    """Losses at positions on polylines ``[p q]``, in chunks that bound the memory; +inf is a wall, NaN and -inf are refused."""
    paths = max(1, MAX_COORDINATES // (where.shape[1] * points.shape[2]))
    columns = max(1, MAX_COORDINATES // (paths * points.shape[2]))
    parts = []
    for polylines, positions in zip(points.split(paths), where.split(paths), strict=True):
        pieces = positions.split(columns, 1)
        values = [evaluate_in_chunks(loss, interpolate(polylines, piece).flatten(0, 1)).view(piece.shape) for piece in pieces]
        parts.append(torch.cat(values, 1))
    values = torch.cat(parts)
    bad = ~(values > -torch.inf)
    if bad.any():
        path, place = bad.nonzero()[0].tolist()
        (a, b), position = pairs[path].tolist(), where[path, place]
        point = interpolate(points[path][None], position[None, None])[0, 0]
        shown = ", ".join(f"{x:.6g}" for x in point[:MAX_SHOWN].tolist()) + ", ..." * (len(point) > MAX_SHOWN)
        raise ValueError(
            f"loss: expected numbers on paths, or +inf for walls, got {float(values[path, place])} at {int(bad.sum())} of {values.numel()} "
            f"places, the first on the path from minimum {a} to {b}, {float(position) / (points.shape[1] - 1):.3g} of its images from {a}, "
            f"at [{shown}]; mend the loss, or let it return +inf outside its domain"
        )
    return values


def interleave(first: Tensor, between: Tensor) -> Tensor:
    """Columns of the one with those of the other between them."""
    return torch.cat([torch.stack([first[:, :-1], between], 2).flatten(1), first[:, -1:]], 1)
