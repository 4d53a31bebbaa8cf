"""Bars of a degree above 0 of samples on a grid, by GUDHI's cubical complex."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .._support.machine import check_memory
from ._implicit_neighbors import Grid


def cubical_pairs(values: Float[Tensor, " n"], grid: Grid, degree: int) -> list[list[int]]:
    """Rows of the samples of a grid at which bars of the cubical complex are born and end (-1: never), by GUDHI."""
    import gudhi

    shape = grid.shape
    need = (200 + 36 * 2 ** len(shape)) * len(values)  # measured; GUDHI keeps the cells of every dimension
    check_memory(need, torch.device("cpu"), f"cubical complex of {len(values):,} samples", "use fewer samples")
    array = values.double().cpu().numpy().reshape(shape)
    if any(grid.periodic):
        complex_ = gudhi.PeriodicCubicalComplex(vertices=array, periodic_dimensions=list(grid.periodic))
    else:
        complex_ = gudhi.CubicalComplex(vertices=array)
    complex_.compute_persistence(homology_coeff_field=2, min_persistence=0)
    finite, infinite = complex_.vertices_of_persistence_pairs()
    none = np.empty((0, 2), dtype=np.int64)
    finite = finite[degree] if degree < len(finite) else none
    infinite = infinite[degree] if degree < len(infinite) else none[:, 0]
    # GUDHI numbers vertices in Fortran order; samples are in C order
    rows = np.ravel_multi_index(np.unravel_index(np.append(finite.ravel(), infinite), shape, order="F"), shape)
    finite, infinite = rows[: finite.size].reshape(-1, 2), rows[finite.size :]
    return np.concatenate([finite, np.stack([infinite, np.full_like(infinite, -1)], 1)]).tolist()
