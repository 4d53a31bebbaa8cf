"""All critical points of a smooth loss in a box.

In: a :class:`Field`. Out: :class:`Critical`. Many starts at once run Newton iterations on the gradient. A start is
a place and the coordinates that are free: the others stay at their end of the box, so one batch holds the interior and
all faces, edges and vertices. Later rounds also start between the points that are known and at recombinations of their
coordinates. The search ends when as many starts again as it took to find everything have found nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .._neighbors import tree_of
from .._progress import shown
from .._types import Points, Rows, Values
from ._field import Field

LONGEST_STEP = 0.05  # of the box, a Newton step
ITERATIONS = 60  # most converge in ten; a degenerate point takes about forty, a half to two thirds of the way each
FLAT = 0.75  # eigenvalues below eps ** FLAT of the largest ones at a place count as zero
MOST_DEGENERATE = 1000  # kept, and looked at in one round
AROUND = 1e-3  # how far from a place we look for a direction along which the loss rises all around


@dataclass(frozen=True)
class Critical:
    """Critical points in the unit cube.

    Attributes:
        unit: places ``[c d]``.
        free: coordinates that are not at an end of the box ``[c d]``, bool; elsewhere the loss grows inwards.
        values: losses ``[c]``.
        hessian: Hessians ``[c d d]``, with a multiple of the identity in the rows and columns of coordinates that are not free.
        index: Morse index ``[c]``; -1: degenerate.
    """

    unit: Points
    free: Tensor
    values: Values
    hessian: Tensor
    index: Tensor

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows) -> Critical:
        return Critical(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def join(self, other: Critical) -> Critical:
        return Critical(*(torch.cat([getattr(self, name), getattr(other, name)]) for name in self.__dataclass_fields__))


def euler(index: Rows) -> int:
    """The sum of (-1)^index over the points that are not degenerate: the Euler characteristic, if all points are there."""
    index = index[index >= 0]
    return int((1 - 2 * (index % 2)).sum())


def search(
    field: Field,
    found: Critical,
    starts: int,
    rounds: int,
    generator: torch.Generator,
    progress: bool | None,
) -> Critical:
    """Rounds of starts until as many again as it took to find everything have found nothing new."""
    done, last_news = 0, 0
    with tqdm(total=rounds, desc="critical points", unit="round", **shown(progress)) as bar:
        for _ in range(rounds):
            isolated = found[found.index >= 0]
            unit, free = draw(isolated, max(starts, 4 * len(isolated)), field, generator)
            news = newcomers(classify(field, *newton(field, unit, free)), found, field)
            found = thinned(found.join(news))
            done += len(unit)
            # A degenerate point may be one of a whole valley of them; more of those are no news.
            if (news.index >= 0).any():
                last_news = done
            bar.update()
            bar.set_postfix_str(f"{len(found)} found", refresh=False)
            # A sum that is wrong says that something is missing, and is worth more patience; degenerate points spoil it.
            patience = 2 if euler(found.index) == 1 or (found.index < 0).any() else 8
            if done >= patience * last_news and done > len(unit):
                break
    return found


def thinned(found: Critical) -> Critical:
    """Without degenerate points beyond a number that says enough: valleys of equal loss are made of them."""
    degenerate = found.index < 0
    return found[~degenerate | (degenerate.cumsum(0) <= MOST_DEGENERATE)]


def vertices(field: Field) -> tuple[Points, Tensor]:
    """The corners of the box, where no coordinate is free."""
    d = field.dimension
    corners = torch.tensor([0.0, 1.0], dtype=field.bounds.dtype, device=field.bounds.device)
    unit = torch.cartesian_prod(*[corners] * d).reshape(-1, d)
    return unit, torch.zeros_like(unit, dtype=torch.bool)


def draw(found: Critical, count: int, field: Field, generator: torch.Generator) -> tuple[Points, Tensor]:
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
    _, near = tree_of(places).query(places, k=min(9, len(found)))
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


def restricted(hessian: Tensor, free: Tensor) -> Tensor:
    """Hessians with the rows and columns of the other coordinates replaced by those of a multiple of the identity.

    The multiple is of the size of what is left, so that it neither hides an eigenvalue nor looks like a zero.
    """
    left = torch.where(free[:, :, None] & free[:, None, :], hessian, 0)
    size = left.norm(dim=(1, 2))
    size = torch.where(size > 0, size, 1)
    return left + torch.diag_embed(size[:, None] * ~free)


def newton_step(gradient: Tensor, eigenvalues: Tensor, vectors: Tensor) -> Tensor:
    """Where the quadratic model has its critical point, at most a box's side away along every eigenvector."""
    along = -apply(vectors.mT, gradient) / eigenvalues
    return apply(vectors, along.nan_to_num(0.0).clamp(-1, 1))  # 0/0: no gradient and no curvature, nowhere to go


def apply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None]).squeeze(-1)


def newton(field: Field, unit: Points, free: Tensor) -> tuple[Points, Tensor]:
    """Newton iterations of limited length on the gradient along free coordinates; those that converge, and what is free there.

    No step is refused. A test that asked for descent of some kind would stop starts in curved valleys, where every long
    step first leads up a wall; and what a start does before it converges does not matter.
    """
    tolerance = field.eps**0.5  # of the box; the step taken from there squares it
    arrived = []
    for _ in range(ITERATIONS):
        _, gradient, hessian = field(unit)
        step = newton_step(torch.where(free, gradient, 0), *torch.linalg.eigh(restricted(hessian, free)))
        size = step.norm(dim=1)
        there = size <= tolerance
        arrived.append((unit[there] + step[there], free[there]))
        unit, free, step, size = (t[~there] for t in (unit, free, step, size))
        if not len(unit):
            break
        unit = (unit + (LONGEST_STEP / size).clamp_max(1)[:, None] * step).clamp(0, 1)
    places, free = (torch.cat(parts) for parts in zip(*arrived, strict=True))
    inside = ((places >= 0) & (places <= 1)).all(1)
    return distinct_places(places[inside], free[inside], same_place(field))


def same_place(field: Field) -> float:
    """How far apart, in sides of the box, two critical points must be to be two.

    The flattest that count as such are found to about this precision; most to much more.
    """
    return field.eps**0.4


def distinct_places(unit: Points, free: Tensor, apart: float) -> tuple[Points, Tensor]:
    """One of the starts that came to the same place, up to a cell's border, which :func:`newcomers` takes care of."""
    if not len(unit):
        return unit, free
    cells = (unit / apart).round().cpu().numpy()
    first = torch.from_numpy(np.sort(np.unique(cells, axis=0, return_index=True)[1])).to(unit.device)
    return unit[first], free[first]


def nearest(places: Points, known: Points, near: float) -> tuple[Rows, Tensor]:
    """The nearest known place to each, and whether it is near ``[n]``."""
    if not len(known) or not len(places):
        return torch.zeros(len(places), dtype=torch.int64, device=places.device), torch.zeros_like(places[:, 0], dtype=torch.bool)
    distance, row = tree_of(known.double().cpu().numpy()).query(places.double().cpu().numpy())
    return torch.from_numpy(row).to(places.device), torch.from_numpy(distance < near).to(places.device)


def newcomers(more: Critical, found: Critical, field: Field) -> Critical:
    """One of each of those that are not at a place that is known."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    apart = 2 * same_place(field)
    more = more[~nearest(more.unit, found.unit, apart)[1]]
    if not len(more):
        return more
    pairs = tree_of(more.unit.double().cpu().numpy()).query_pairs(apart, output_type="ndarray")
    same = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(more), len(more)))
    _, first, group = np.unique(connected_components(same, directed=False)[1], return_index=True, return_inverse=True)
    first, group = torch.from_numpy(first).to(more.unit.device), torch.from_numpy(group).to(more.unit.device)
    # A chain of places, or places that differ in index, are more than one point, which this precision does not tell apart.
    far = (more.unit - more.unit[first][group]).abs().amax(1) > apart
    muddled = torch.zeros_like(first, dtype=torch.bool)
    muddled[group[far | (more.index != more.index[first][group])]] = True
    one_each = more[first]
    return replace(one_each, index=torch.where(muddled, -1, one_each.index))


def classify(field: Field, unit: Points, free: Tensor) -> Critical:
    """Morse index of the points that are critical for the box: those on a face only where the loss grows inwards."""
    values, gradient, hessian = field(unit)
    hessian = restricted(hessian, free)
    eigenvalues, vectors = torch.linalg.eigh(hessian)
    near = same_place(field)
    # Across a face the loss must grow, at the place and a rounding error inside; if the two differ it is level there.
    inward = torch.where(unit < 0.5, 1.0, -1.0) * ~free
    _, inside = field(unit + 8 * field.eps * inward, order=1)
    grows = (torch.minimum(gradient * inward, inside * inward) > 0) | free
    falls = (torch.maximum(gradient * inward, inside * inward) < 0) & ~free
    # A critical point of the interior that happens to lie on a face is not one of Morse theory on a box.
    at_end = free & ((unit < near) | (unit > 1 - near))
    flat = (eigenvalues.abs() <= field.eps**FLAT * eigenvalues.abs().amax(1, keepdim=True)).any(1)
    degenerate = (~grows | at_end).any(1) | flat | ~turns(field, unit, free, eigenvalues, vectors)
    index = torch.where(degenerate, -1, (eigenvalues < 0).sum(1))
    found = thinned(Critical(unit, free, values, hessian, index)[~falls.any(1)])
    return found[~rises(field, found)]


def slopes_around(gradient_at, unit: Points, free: Tensor, vectors: Tensor, far: float) -> tuple[Tensor, Points]:
    """How steeply the loss rises away from places, a little off them along both ends of every eigenvector.

    Returns:
        Slopes outwards ``[n 2d]``, zero along eigenvectors that only stand for coordinates that are not free; directions
        ``[n 2d d]``.
    """
    n, d = unit.shape
    directions = torch.cat([vectors.mT, -vectors.mT], 1) * free[:, None]
    gradient = gradient_at((unit[:, None] + far * directions).clamp(0, 1).reshape(-1, d)).reshape(n, 2 * d, d)
    slopes = (gradient * directions).sum(-1)
    return torch.where(directions.norm(dim=-1) < 0.5, 0, slopes), directions  # what rounding leaves of e_i is no direction


def turns(field: Field, unit: Points, free: Tensor, eigenvalues: Tensor, vectors: Tensor) -> Tensor:
    """Whether the gradient changes its sign along every free eigenvector as the eigenvalue says ``[n]``.

    It does not where a Hessian exists only at the point (|x|^1.5, say), or where another critical point is too near.
    """
    slopes, _ = slopes_around(lambda place: field(place, 1)[1], unit, free, vectors, same_place(field))
    return ((slopes.sign() == eigenvalues.sign().repeat(1, 2)) | (slopes == 0)).all(1)


def rises(field: Field, found: Critical) -> Tensor:
    """Degenerate points around which the loss rises along one direction, as x³ does ``[n]``: no sublevel set changes there.

    The direction is that of the mean gradient on small spheres.
    """
    degenerate = found.index < 0
    unit, free = found.unit[degenerate], found.free[degenerate]
    if not len(unit):
        return degenerate
    n, d = unit.shape
    around = torch.randn(32, d, dtype=unit.dtype, generator=torch.Generator().manual_seed(0)).to(unit.device)
    around = AROUND * around / around.norm(dim=1, keepdim=True)
    around = torch.cat([around, -around, around / 8, -around / 8]) * free[:, None]
    places = unit[:, None] + around
    inside = ((places >= 0) & (places <= 1)).all(-1).all(-1)
    gradient = field(places.clamp(0, 1).reshape(-1, d), order=1)[1].reshape(n, -1, d) * free[:, None]
    along = gradient.mean(1, keepdim=True)
    return torch.zeros_like(degenerate).masked_scatter_(degenerate, ((gradient * along).sum(-1) > 0).all(1) & inside)
