"""Where descents ended: the record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .._support.checks import check_count
from .._support.types import Rows
from ..losses._boxes import nearest_image
from ..losses.networks import NetworkLoss, align
from ._classes import Coverage, coverage_of

if TYPE_CHECKING:
    from pandas import DataFrame

GRADIENT_TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-4}  # rounding leaves gradients that are not much shorter
MAX_COORDINATES = 1 << 22  # of differences around periodic axes that are in memory at a time
CDIST_MODE = "donot_use_mm_for_euclid_dist"  # the faster way cancels catastrophically between near points


@dataclass(frozen=True, eq=False)
class Minima:
    """Where descents ended.

    Attributes:
        points: ends of the descents ``[k d]``, in the order of the starts.
        values: loss there ``[k]``.
        gradient_norm: length of the gradient there ``[k]``, in the unit of the loss divided by that of the points. On a face of the box
            only of what leads inside.
        lowest_eigenvalue: lowest eigenvalue of the Hessian ``[k]``, or None. Of more than 20 parameters it is a Ritz value, at least as
            high as the lowest eigenvalue: a negative one refutes a minimum, a positive one is consistent with it.
        test_error: share of test data that is classified wrongly ``[k]``, or None.
        gradient_tolerance: length of the gradient below which a descent counts as converged; default 1e-6 in float64, 1e-4 in float32, as
            in :func:`find_minima`.
        bounds: the box ``[d 2]``, or None.
        periodic: which axes of the box are periodic ``[d]``, with its width as the period; default none, or None where there is no box.
        name: the loss.
        count: how many converged descents ended in the class of each minimum ``[k]``, from :meth:`deduplicate`; None before it.
        coverage: how much of all classes that search has found (:class:`Coverage`), from :meth:`deduplicate`; None before it. A choice of
            some of the minima keeps it.
    """

    points: Float[Tensor, "k d"]
    values: Float[Tensor, " k"]
    gradient_norm: Float[Tensor, " k"]
    lowest_eigenvalue: Float[Tensor, " k"] | None = None
    test_error: Float[Tensor, " k"] | None = None
    gradient_tolerance: float = None  # pyright: ignore[reportAssignmentType]  # below, since it depends on the dtype
    bounds: Float[Tensor, "d 2"] | None = None
    periodic: Bool[Tensor, " d"] | None = None
    name: str = ""
    count: Int[Tensor, " k"] | None = None
    coverage: Coverage | None = None

    def __post_init__(self) -> None:
        if self.gradient_tolerance is None:
            object.__setattr__(self, "gradient_tolerance", GRADIENT_TOLERANCES[self.gradient_norm.dtype])
        if self.bounds is not None and self.periodic is None:
            object.__setattr__(self, "periodic", torch.zeros(len(self.bounds), dtype=torch.bool, device=self.bounds.device))

    @property
    def converged(self) -> Bool[Tensor, " k"]:
        """Which descents ended with a gradient within the tolerance ``[k]``."""
        return self.gradient_norm <= self.gradient_tolerance

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Rows | slice | list[int]) -> Minima:
        """Some of the minima, by row numbers, a slice, or a mask such as ``minima.converged``."""
        columns = ("points", "values", "gradient_norm", "lowest_eigenvalue", "test_error", "count")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns if getattr(self, name) is not None})

    def __repr__(self) -> str:
        low, high, steepest = float(self.values.min()), float(self.values.max()), float(self.gradient_norm.max())
        found = "" if self.coverage is None else f"; {self.coverage}"
        return f"Minima({len(self)} of {self.name}, losses {low:.4g} to {high:.4g}, gradients up to {steepest:.1g}{found})"

    def aligned(self, loss: NetworkLoss, *, to: int = 0) -> Minima:
        """The same networks with their hidden units permuted to lie close to those of network ``to``; see :func:`networks.align`."""
        return replace(self, points=align(loss, self.points, to=to))

    def nearest_pairs(self, k: int) -> Int[Tensor, "p 2"]:
        """Pairs of minima of which one is among the k nearest of the other ``[p 2]``: for :func:`connect`, where all pairs are too many.

        Along periodic axes distances are those to the nearest image.
        """
        if check_count(k, "k") >= len(self):
            raise ValueError(f"k: expected fewer neighbors than minima, got k = {k} for {len(self)} minima")
        others = self._distances().fill_diagonal_(torch.inf).topk(k, largest=False).indices
        own = torch.arange(len(self), device=others.device)[:, None].expand_as(others)
        pairs = torch.stack([own, others], 2).flatten(0, 1).sort(1).values
        return pairs.unique(dim=0)

    def deduplicate(self, min_distance: float, *, features: Float[Tensor, "k m"] | None = None) -> Minima:
        """One minimum of each class, which is a group whose members are within ``min_distance`` of each other, ascending in loss.

        ``count`` of the result says how many converged descents ended in each class, and ``coverage`` how much was found. Classes that no
        converged descent ended in stay, with a count of 0; leave them out by ``classes[classes.count > 0]``. So call it before anything
        is left out: what is gone cannot be counted.

        Args:
            min_distance: in the unit of the points, or of the features; along periodic axes of points to the nearest image.
            features: what to compare instead of points ``[k m]``, for example outputs of networks, which are the same for permuted copies.

        Raises:
            ValueError: if the distance is not positive, or there is not one row of features per minimum.

        Example:
            >>> import torch, lossbarcode as lb
            >>> camel = lb.functions.SixHumpCamel()
            >>> ends = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points)
            >>> classes = ends.deduplicate(1e-3)
            >>> print(classes.coverage)
            6 classes of 64 descents, coverage 1.00
            >>> round(classes.coverage.lower, 2)
            0.96
        """
        from scipy.sparse.csgraph import connected_components

        if not min_distance > 0:
            raise ValueError(f"min_distance: expected a positive distance in the unit of the points, got {min_distance}")
        if features is not None and (features.ndim != 2 or len(features) != len(self)):
            raise ValueError(f"features: expected one row for each of the {len(self)} minima, got shape {list(features.shape)}")
        order = self.values.argsort(stable=True)
        ascending = self[order]
        distances = ascending._distances() if features is None else torch.cdist(features[order], features[order], compute_mode=CDIST_MODE)
        near = distances < min_distance
        n_classes, group = connected_components(near.cpu().numpy(), directed=False)
        _, first = np.unique(group, return_index=True)
        rows = torch.from_numpy(np.sort(first)).to(order.device)
        group = torch.from_numpy(group).to(order.device, torch.int64)
        # of classes that are grouped once more, all descents count that they were found by
        found = ascending.converged.long() if ascending.count is None else ascending.count
        missed = int((~self.converged).sum()) if self.coverage is None else self.coverage.not_converged
        count = torch.zeros_like(found[:n_classes]).index_add_(0, group, found)[group[rows]]
        return replace(ascending[rows], count=count, coverage=coverage_of(count, missed))

    def _distances(self) -> Float[Tensor, "k k"]:
        """Distances between all points, around periodic axes."""
        if self.bounds is None or self.periodic is None or not self.periodic.any():
            return torch.cdist(self.points, self.points, compute_mode=CDIST_MODE)
        points, box, axes = self.points, self.bounds, self.periodic
        parts = points.split(max(1, MAX_COORDINATES // points.numel()))
        return torch.cat([(nearest_image(part[:, None], points, box, axes) - points).norm(dim=2) for part in parts])

    def table(self) -> DataFrame:
        """The minima as a ``pandas.DataFrame``, one row per minimum."""
        import pandas as pd

        columns = {
            "value": self.values,
            "gradient_norm": self.gradient_norm,
            "lowest_eigenvalue": self.lowest_eigenvalue,
            "test_error": self.test_error,
            "count": self.count,
        }
        return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items() if column is not None})
