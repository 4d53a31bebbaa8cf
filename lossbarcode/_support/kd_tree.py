"""Nearest neighbors by SciPy's k-d tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.spatial import KDTree


def build_kd_tree(points: np.ndarray, *, balanced_tree: bool = True, boxsize: np.ndarray | None = None) -> KDTree:
    """SciPy's k-d tree. Of places at equal distance it names one that depends on the size of its leaves, so that is said here."""
    from scipy.spatial import KDTree

    return KDTree(points, leafsize=16, balanced_tree=balanced_tree, boxsize=boxsize)
