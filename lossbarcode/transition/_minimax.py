"""The lowest level at which minima are joined by chains of paths."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .._support.types import Values


def minimax_heights(heights: Values, pairs: Tensor, n_minima: int) -> Values:
    """The lowest level at which the two ends of each pair are joined by a chain of paths (single linkage) ``[p]``.

    Args:
        heights: highest loss on each path ``[p]``; +inf: the path joins nothing.
        pairs: minima that each path joins ``[p 2]``.
        n_minima: number of minima.
    """
    from scipy.cluster.hierarchy import cophenet, linkage
    from scipy.spatial.distance import squareform

    passable = heights < torch.inf
    if not passable.any():
        return heights.clone()
    lowest = float(heights.min())
    level = heights.double().cpu().numpy() - lowest  # SciPy takes these for distances
    a, b = pairs.cpu().numpy().T
    apart = np.nextafter(level[passable.cpu().numpy()].max(), np.inf)  # above all passes
    matrix = np.full((n_minima, n_minima), apart)
    np.minimum.at(matrix, (a, b), level)
    matrix = np.minimum(matrix, matrix.T)
    np.fill_diagonal(matrix, 0)
    chained = squareform(cophenet(linkage(squareform(matrix, checks=False), "single")))
    chained[chained == apart] = np.inf
    return torch.from_numpy(chained[a, b]).to(heights) + lowest
