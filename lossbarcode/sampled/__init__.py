"""Route 1: from samples of a loss to basins and the lowest passes between them.

In: a loss and a box, an array, or a cloud of points. Out: :class:`Basins`, whose graph has exactly the barcode of the samples. Read in
the order ``_points`` (where to evaluate), ``_sample`` (evaluation), ``_neighbors`` and its kinds (which samples are adjacent), ``_basins``
(steepest descent along pointers), ``_passes`` (the lowest passes). ``_scans_tensor`` and ``_scans_compiled`` do the work on all samples.
"""

from ._basins import Basins, basins
from ._from_data import from_grid, from_points
from ._implicit_neighbors import Grid
from ._lattice import Lattice
from ._neighbor_table import NeighborTable
from ._sample import sample
from ._samples import Samples
from ._singletons import is_singleton

__all__ = ["Basins", "Grid", "Lattice", "NeighborTable", "Samples", "basins", "from_grid", "from_points", "is_singleton", "sample"]
