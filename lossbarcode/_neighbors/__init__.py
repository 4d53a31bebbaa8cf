"""Who is next to whom among samples.

In: the shape of a grid, a lattice, or a cloud of points. Out: an object that answers the questions on which route 1
rests, for all samples at once: which of my neighbors is lowest, and over which edge is a component left lowest. The
order of samples is by value and, among equal values, by row, so that no answer depends on chunks, threads or the device.
"""

from ._base import Neighbors
from ._lattice import Lattice, even_places
from ._offsets import Grid, Offsets, Product
from ._table import NeighborTable, tree_of

__all__ = ["Grid", "Lattice", "NeighborTable", "Neighbors", "Offsets", "Product", "even_places", "tree_of"]
