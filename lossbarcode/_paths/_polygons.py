"""Polygons through images, many at once.

In: images ``[p m d]``, m on each of p polygons, and fractional numbers of images as places on them. Out: places, losses there, and the
highest loss on each polygon.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._derivatives import values_of
from .._types import Loss, Values

PROBES = 3  # places at which a chord is looked at first, besides its ends
MOST_PROBES = 64  # and at most
PLACES = 1 << 24  # coordinates of places on polygons that are in memory at a time


def at(points: Tensor, where: Tensor) -> Tensor:
    """Places on polygons ``[p q d]`` at fractional numbers of images ``[p q]``."""
    first = where.floor().clamp(0, points.shape[1] - 2).long()
    index = first[..., None].expand(-1, -1, points.shape[2])
    return torch.lerp(points.gather(1, index), points.gather(1, index + 1), (where - first)[..., None].to(points.dtype))


def evened(place: Tensor, power: float) -> Tensor:
    """Places in parts of the path's length ``[p m]`` whose distances differ less: powers of what they were."""
    reached = (place[:, 1:] - place[:, :-1]).pow(power).cumsum(1)
    return torch.cat([torch.zeros_like(place[:, :1]), reached / reached[:, -1:]], 1)


def spread(points: Tensor, place: Tensor) -> Tensor:
    """Images moved along their polygon to where they belong."""
    length = (points[:, 1:] - points[:, :-1]).norm(dim=2)
    reached = torch.cat([torch.zeros_like(length[:, :1]), length.cumsum(1)], 1)
    wanted = place * reached[:, -1:]
    chord = (torch.searchsorted(reached, wanted.contiguous(), right=True) - 1).clamp(0, points.shape[1] - 2)
    part = (wanted - reached.gather(1, chord)) / length.gather(1, chord).clamp_min(torch.finfo(length.dtype).tiny)
    moved = at(points, chord + part.clamp(0, 1))
    moved[:, 0], moved[:, -1] = points[:, 0], points[:, -1]
    return moved


def joined(points: Tensor, more: Tensor) -> Tensor:
    """The numbers of all images together with more places ``[p q]``, ascending ``[p m+q]``."""
    numbers = torch.arange(points.shape[1], dtype=more.dtype, device=more.device).expand(len(points), -1)
    return torch.cat([numbers, more], 1).sort(1).values


def renumbered(where: Tensor, old: Tensor) -> Tensor:
    """Numbers of places on polygons after images were added: ``where`` the new ones were, in the old numbering ``[p m]``."""
    first = (torch.searchsorted(where, old.contiguous(), right=True) - 1).clamp(0, where.shape[1] - 2)
    start = where.gather(1, first)
    return first + (old - start) / (where.gather(1, first + 1) - start)


def highest(loss: Loss, points: Tensor, tolerance: float) -> tuple[Values, Tensor, Tensor]:
    """The highest loss on each polygon, ends included; where; the middles of the two highest chords.

    All chords are looked at in more and more places until that changes nothing by more than the tolerance, and then the highest place
    more closely, to a tenth of it.

    Returns:
        Losses ``[p]``, numbers of images, fractional ``[p]`` and ``[p 2]``.
    """
    count = points.shape[1]
    where = torch.linspace(0, count - 1, (count - 1) * (PROBES + 1) + 1, dtype=points.dtype, device=points.device)
    where = where.expand(len(points), -1)
    value = losses_at(loss, points, where)
    while value.shape[1] < MOST_PROBES * count:
        between = (where[:, 1:] + where[:, :-1]) / 2
        more = losses_at(loss, points, between)
        rise = (more.amax(1) - value.amax(1)).max()
        where, value = interleaved(where, between), interleaved(value, more)
        if rise <= tolerance:
            break
    probes = (value.shape[1] - 1) // (count - 1)
    chords = value[:, :-1].unflatten(1, (count - 1, probes)).amax(2)
    middles = chords.topk(min(2, count - 1), dim=1).indices + 0.5
    height, best = value.max(1)
    peak, width = where.gather(1, best[:, None]), 1 / probes
    while width > 1e-6:
        around = (peak + width * torch.linspace(-0.75, 0.75, 7, dtype=points.dtype, device=points.device)).clamp(0, count - 1)
        more = losses_at(loss, points, around)
        found, best = more.max(1)
        peak = torch.where((found > height)[:, None], around.gather(1, best[:, None]), peak)
        height = torch.maximum(height, found)
        width /= 4
        if (height - more.amin(1)).max() <= tolerance / 10:  # flat around; that nothing higher was found would not do
            break
    return height, peak.squeeze(1), middles.to(points.dtype)


def losses_at(loss: Loss, points: Tensor, where: Tensor) -> Values:
    """Losses at places on polygons ``[p q]``, in chunks that bound the memory."""
    paths = max(1, PLACES // (where.shape[1] * points.shape[2]))
    columns = max(1, PLACES // (paths * points.shape[2]))
    parts = [
        torch.cat([values_of(loss, at(path, place).flatten(0, 1)).view(place.shape) for place in places.split(columns, 1)], 1)
        for path, places in zip(points.split(paths), where.split(paths), strict=True)
    ]
    return torch.cat(parts)


def interleaved(first: Tensor, between: Tensor) -> Tensor:
    """Columns of the one with those of the other between them."""
    return torch.cat([torch.stack([first[:, :-1], between], 2).flatten(1), first[:, -1:]], 1)
