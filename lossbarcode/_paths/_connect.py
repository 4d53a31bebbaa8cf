"""Minimum-energy paths between minima, all at once.

In: a loss and :class:`Minima`. Out: :class:`Paths`, whose graph has a pass for every pair: the highest loss on the path. A path is a
polygon through images; they go down by the part of the gradient that is orthogonal to the path, are spread again along it, and get
company where the loss peaks. What remains is an upper bound on the lowest pass, and evidence on how good it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .._checkpoint import Checkpoint
from .._checks import check_count
from .._derivatives import held_back, inside, low_eigenvalues, normalized, value_and_gradient, values_of
from .._graph import Graph
from .._machine import check_memory
from .._minima import Minima
from .._progress import shown
from .._sampling import check_bounds, name_of
from .._types import AnyArray, Bounds, Loss, Rows, Values
from ._polygons import PLACES, at, evened, highest, joined, renumbered, spread

if TYPE_CHECKING:
    from pandas import DataFrame

SPREAD = 5  # steps after which images are spread along their path again
REACH = 0.2  # the farthest that an image goes in a step, in chords
CAREFUL = 0.1  # the first step of an image, in parts of the farthest
LONGER = 1.05  # by how much steps may grow each time
MOMENTUM = 0.97  # at first; a path that gets higher loses it, by doubling what is lacking to 1
EVENING = 0.8  # power of the chords by which images that were added where a path once peaked are spread again every round


@dataclass(frozen=True, eq=False)
class Paths:
    """Paths between minima, and what is known of their highest points.

    Attributes:
        minima: what the paths join.
        pairs: numbers of the two minima of each path ``[p 2]``.
        points: images of each path, from the first minimum to the second ``[p m d]``.
        values: loss at each image ``[p m]``.
        saddle: highest loss on each path, between images too ``[p]``: an upper bound on the lowest pass between the two, as far as
            looking at up to 64 places a chord can tell.
        change: by how much the last round lowered it ``[p]``.
        gradient_norm: length of the gradient at the highest point ``[p]``; NaN: not looked at.
        curvature: lowest eigenvalue of the Hessian there ``[p]``; NaN: not looked at.
        negative: negative eigenvalues of the Hessian there ``[p]``, at least; -1: not looked at.
        tolerance: change below which a path counts as converged, in the unit of the loss.
        name: the loss.
    """

    minima: Minima
    pairs: Tensor
    points: Tensor
    values: Tensor
    saddle: Values
    change: Values
    gradient_norm: Values
    curvature: Values
    negative: Rows
    tolerance: float
    name: str = ""

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"Paths({len(self)} between {len(self.minima)} minima, {self.values.shape[1]} images each; {self.name})"

    @property
    def top(self) -> Rows:
        """Row of each path's highest image in ``points.flatten(0, 1)`` ``[p]``."""
        return torch.arange(len(self), device=self.values.device) * self.values.shape[1] + self.values.argmax(1)

    @property
    def graph(self) -> Graph:
        """All minima, joined by all paths."""
        return Graph(self.minima.values, self.pairs, self.saddle, saddle=self.top)

    @property
    def kind(self) -> list[str]:
        """What is known of each highest point: ``"index-1 saddle"`` or ``"path bound"``.

        It is called a saddle if the path converged, exactly one negative eigenvalue was found, and a Newton step along it would
        change the loss by no more than the tolerance.
        """
        near = self.gradient_norm.square() <= 2 * self.tolerance * -self.curvature
        saddles = (self.negative == 1) & near & (self.change <= self.tolerance)
        return ["index-1 saddle" if saddle else "path bound" for saddle in saddles.tolist()]

    def table(self) -> DataFrame:
        """The paths as a ``pandas.DataFrame``, one row each."""
        import pandas as pd

        columns = {"saddle": self.saddle, "change": self.change, "gradient_norm": self.gradient_norm, "negative": self.negative}
        ends = {"from": self.pairs[:, 0], "to": self.pairs[:, 1]}
        return pd.DataFrame({name: column.cpu().numpy() for name, column in {**ends, **columns}.items()}).assign(kind=self.kind)


def connect(
    loss: Loss,
    minima: Minima,
    *,
    pairs: AnyArray | None = None,
    images: int = 9,
    steps: int = 20,
    rounds: int = 16,
    tolerance: float | None = None,
    adaptive: bool = True,
    climb: bool = False,
    evidence: int = 20,
    bounds: AnyArray | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Paths:
    """Join minima by paths as low as can be found.

    Args:
        loss: the loss of the minima.
        minima: two or more.
        pairs: numbers of the minima to join ``[p 2]``; default: all pairs.
        images: points of a path at first, both ends included; every round adds two where its loss is highest.
        steps: steps of descent a round.
        rounds: the most rounds; 0: straight lines.
        tolerance: a path has converged when two rounds in a row change its highest loss by less; unit: the loss. Default: a
            thousandth of the height of the straight way above the lower of its ends, in the median over pairs.
        adaptive: leave paths alone as soon as a chain through other minima is lower than they seem able to become: than what they are
            now less twice what the last round gained. That is a guess: the barcode is the same up to the tolerance where paths converge;
            where rounds end before that, it can be higher than with all paths at full effort.
        climb: let the highest image climb along its path, so that it ends at a saddle.
        evidence: products with the Hessian spent on each highest point that the barcode uses; 0: none.
        bounds: stay in this box ``[d 2]``; default: that of the minima.
        checkpoint: file in which the state is kept; a run that was killed goes on from there, to the same result.
        progress: show a progress bar; default: when it takes over two seconds.

    Returns:
        Paths. Each has its highest loss, also between images, as an upper bound on the lowest pass.

    Raises:
        ValueError: if there are fewer than two minima, if a pair names one that is not there, if options are out of range, or if the
            checkpoint is that of another run.
        MemoryError: if the images would not fit into memory.

    Source:
        Paths and the part of the gradient that moves them are those of :cite:t:`barannikov2020loss`.

    Example:
        >>> import torch, lossbarcode as lb
        >>> camel = lb.functions.HumpCamel6()
        >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).distinct(1e-3)
        >>> bars = lb.barcode(lb.connect(camel, minima, tolerance=1e-6))
        >>> print(bars.table()[["birth", "death"]].round(3) + 0)
           birth  death
        0 -1.032    inf
        1 -1.032  0.000
        2 -0.215  0.544
        3 -0.215  0.544
        4  2.104  2.229
        5  2.104  2.229
    """
    pairs = checked_pairs(pairs, minima)
    images, steps, rounds = check_count(images, "images", least=3), check_count(steps, "steps"), check_count(rounds, "rounds", least=0)
    evidence = check_count(evidence, "evidence", least=0)
    box = minima.bounds if bounds is None else check_bounds(bounds).to(minima.points)
    held = 14 * len(pairs) * (images + 2 * rounds) * minima.points.shape[1] + 6 * PLACES  # images several times over, places by chunks
    advice = "join fewer pairs, or take fewer images or rounds"
    check_memory(held * minima.points.element_size(), minima.points.device, f"{len(pairs):,} paths", advice)
    kept = Checkpoint(checkpoint, loss, minima.points, pairs, images, steps, rounds, tolerance, adaptive, climb, box)
    state = kept.load(minima.points.device)
    if tolerance is None:
        straight, _, _ = highest(loss, minima.points[pairs], torch.inf)
        tolerance = max(1e-3 * float((straight - minima.values[pairs].amin(1)).median()), torch.finfo(straight.dtype).tiny)
    if not tolerance > 0:
        raise ValueError(f"tolerance: expected a positive difference of losses, got {tolerance}")
    state = straight_lines(loss, minima, pairs, images, tolerance) if state is None else state
    with tqdm(desc="paths", unit="round", initial=state["round"], total=rounds, **shown(progress)) as bar:
        while state["round"] < rounds:
            active = state["calm"] < 2
            if adaptive and state["round"] > 1:
                promise = torch.where(state["change"].isfinite(), state["height"] - 2 * state["change"], -torch.inf)
                active &= promise <= chain_heights(state["height"], pairs, len(minima)) + tolerance
            rows = active.nonzero().squeeze(1)
            bar.set_postfix_str(f"{len(rows):,} of {len(pairs):,} paths", refresh=False)
            if not len(rows):
                break
            advance(loss, state, rows, steps, climb and state["round"] > 2, tolerance, box)
            state["round"] += 1
            bar.update()
            kept.save(state)
    kept.save(state, now=True)
    return finished(loss, minima, pairs, state, tolerance, evidence, box)


def straight_lines(loss: Loss, minima: Minima, pairs: Tensor, images: int, tolerance: float) -> dict:
    """The state at the beginning: images evenly on straight lines, at rest, and where these are highest."""
    place = torch.linspace(0, 1, images, dtype=minima.points.dtype, device=minima.points.device).repeat(len(pairs), 1)
    points = torch.lerp(minima.points[pairs[:, :1]], minima.points[pairs[:, 1:]], place[..., None])
    height, peak, following = highest(loss, points, tolerance)
    return {
        **{"round": 0, "points": points, "place": place, "pace": torch.zeros_like(place), "speed": torch.zeros_like(points)},
        **{"height": height, "peak": peak, "next": following, "change": torch.full_like(height, torch.inf)},
        **{"momentum": torch.full_like(height, MOMENTUM), "calm": torch.zeros_like(pairs[:, 0])},
    }


def advance(loss: Loss, state: dict, rows: Rows, steps: int, climb: bool, tolerance: float, box: Bounds | None) -> None:
    """One round: images are added to all paths where they are highest, and some paths descend, unless they would get higher."""
    where = joined(state["points"], state["next"])
    state["place"], state["pace"] = (at(state[name][..., None], where).squeeze(-1) for name in ("place", "pace"))
    state["points"], state["speed"] = at(state["points"], where), at(state["speed"], where)
    state["place"] = evened(state["place"], EVENING)
    state["peak"] = renumbered(where, state["peak"][:, None]).squeeze(1)
    state["next"] = renumbered(where, state["next"]) + 0.5  # where there are images now; chords of paths that rest are halved on
    moved = {name: state[name][rows] for name in ("points", "place", "pace", "speed", "momentum")}
    descend(loss, moved, steps, climb, box)
    height, peak, following = highest(loss, moved["points"], tolerance)
    change = state["height"][rows] - height
    lower, quiet = change > 0, change.abs() < tolerance
    state["calm"][rows] = torch.where(quiet, state["calm"][rows] + 1, torch.where(lower, 0, state["calm"][rows]))
    state["change"][rows] = torch.where(lower | quiet, change.clamp_min(0), state["change"][rows])
    for name, found in {**moved, "height": height, "peak": peak, "next": following}.items():
        state[name][rows[lower]] = found[lower]
    worse = rows[~lower]  # once more, from rest
    state["speed"][worse] = 0
    state["momentum"][worse] = (2 * state["momentum"][worse] - 1).clamp_min(0)


def descend(loss: Loss, paths: dict, steps: int, climb: bool, box: Bounds | None) -> None:
    """Images go down, orthogonally to their path, by gradient descent with Nesterov's momentum.

    Each has a step size of its own: the inverse of how fast the gradient changes between the places at which it was taken. Momentum
    makes long valleys short. It is not restarted when a force points back, as is usual: images that are put back on their path look as if
    they turned around all the time.

    ``paths`` holds images ``[p m d]``, where they belong in parts of the path's length ``[p m]``, step sizes ``[p m]`` (0: to be
    found), speeds ``[p m d]`` and momenta ``[p]``.
    """
    points = paths["points"]
    inner, speed, pace = (paths[name][:, 1:-1] for name in ("points", "speed", "pace"))
    momentum = paths["momentum"][:, None, None]
    last: tuple[Tensor, Tensor] | None = None  # where the gradient was taken last, and what it was
    for step in range(steps):
        values, gradient = value_and_gradient(loss, inner.flatten(0, 1))
        held = held_back(inner.flatten(0, 1), gradient, box).view_as(inner)
        values, gradient = values.view(inner.shape[:2]), gradient.view_as(inner).masked_fill(held, 0)
        chords = points[:, 1:] - points[:, :-1]
        length = chords.norm(dim=2)
        reach = REACH * torch.minimum(length[:, 1:], length[:, :-1])
        tangents = normalized(chords)
        along = [(gradient * t).sum(2, keepdim=True) * t for t in (tangents[:, 1:], tangents[:, :-1])]
        force = -gradient + (along[0] + along[1]) / 2
        if climb:
            top = values.argmax(1, keepdim=True)[..., None].expand(-1, -1, inner.shape[2])
            force.scatter_add_(1, top, ((along[0] + along[1]) / 2).gather(1, top))
        if last is not None:
            there, slope = last
            apart, change = (inner - there).norm(dim=2), (gradient - slope).norm(dim=2)
            pace.copy_(torch.where(apart > 0, torch.minimum(LONGER * pace, apart / change), pace))
        last = inner.clone(), gradient
        strength = force.norm(dim=2)
        pace.copy_(torch.where((pace == 0) & (strength > 0), CAREFUL * reach / strength, pace))
        push = pace[..., None] * force
        speed.mul_(momentum).add_(push)
        move = momentum * speed + push
        far = move.norm(dim=2)
        shrink = torch.where(far > reach, reach / far, 1)[..., None]
        inner += move * shrink
        speed *= shrink
        if box is not None:
            inner.copy_(inside(inner, box))
        if (step + 1) % SPREAD == 0 and not climb:
            points.copy_(spread(points, paths["place"]))


def chain_heights(height: Values, pairs: Tensor, count: int) -> Values:
    """The lowest level at which the two ends of each pair are joined by a chain of paths (single linkage)."""
    from scipy.cluster.hierarchy import cophenet, linkage
    from scipy.spatial.distance import squareform

    lowest = float(height.min())
    level = height.double().cpu().numpy() - lowest  # SciPy takes these for distances
    a, b = pairs.cpu().numpy().T
    matrix = np.full((count, count), level.max() + 1)
    np.minimum.at(matrix, (a, b), level)
    matrix = np.minimum(matrix, matrix.T)
    np.fill_diagonal(matrix, 0)
    joined = squareform(cophenet(linkage(squareform(matrix, checks=False), "single")))
    return torch.from_numpy(joined[a, b]).to(height) + lowest


def finished(loss: Loss, minima: Minima, pairs: Tensor, state: dict, tolerance: float, evidence: int, box: Bounds | None) -> Paths:
    """The record: the highest point of each path becomes an image, and is looked at where the barcode uses it."""
    points = at(state["points"], joined(state["points"], state["peak"][:, None]))
    values = values_of(loss, points.flatten(0, 1)).view(points.shape[:2])
    values[:, 0], values[:, -1] = minima.values[pairs].T
    saddle, top = values.max(1)
    none = torch.full_like(saddle, torch.nan)
    norm, curvature, negative = none, none.clone(), torch.full_like(top, -1)
    used = (saddle <= chain_heights(saddle, pairs, len(minima))).nonzero().squeeze(1)
    if evidence:
        places = points[used, top[used]]
        _, gradient = value_and_gradient(loss, places)
        held = held_back(places, gradient, box)
        low = low_eigenvalues(loss, places, ~held, steps=evidence)
        norm[used], curvature[used] = gradient.masked_fill(held, 0).norm(dim=1), low[:, 0]
        size = torch.where(low.isfinite(), low.abs(), 0).amax(1, keepdim=True)
        negative[used] = (low < -(torch.finfo(low.dtype).eps ** 0.5) * size).sum(1)
    return Paths(minima, pairs, points, values, saddle, state["change"], norm, curvature, negative, tolerance, name_of(loss))


def checked_pairs(pairs, minima: Minima) -> Tensor:
    """The pairs asked for, or all."""
    count, device = len(minima), minima.points.device
    if count < 2:
        raise ValueError(f"minima: expected at least two, got {count}; one minimum alone has the bar from its loss to infinity")
    if pairs is None:
        return torch.combinations(torch.arange(count, device=device))
    pairs = torch.as_tensor(pairs, device=device)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype != torch.int64 or not len(pairs):
        raise ValueError(f"pairs: expected whole numbers [p 2], got {pairs.dtype} of shape {list(pairs.shape)}")
    if int(pairs.min()) < 0 or int(pairs.max()) >= count:
        raise ValueError(f"pairs: expected numbers from 0 to {count - 1}, got {int(pairs.min())} to {int(pairs.max())}")
    if (pairs[:, 0] == pairs[:, 1]).any():
        raise ValueError(f"pairs: expected two different minima each, got {pairs[pairs[:, 0] == pairs[:, 1]][0].tolist()}")
    return pairs
