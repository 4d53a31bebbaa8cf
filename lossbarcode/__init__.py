"""Barcodes of minima of loss functions: how hard each local minimum is to escape.

A loss, a batched callable ``[n d] -> [n]``, is sampled; the samples fall into basins; the basins' lowest passes form a
graph, and the elder rule reads the barcode off it:

    >>> import lossbarcode as lb
    >>> bars = lb.barcode(lb.basins(lb.sample(lb.functions.HumpCamel6(), 100_000)))
    >>> bars
    Barcode(6 bars, 1 infinite; HumpCamel6, 100,000 sobol points, seed 0)

Of a smooth loss of a few parameters all critical points are found instead, and the same rule gives exact bars:

    >>> lb.barcode(lb.morse_complex(lb.functions.HumpCamel6()))
    Barcode(6 bars, 1 infinite; HumpCamel6)

Of a network (``lb.networks.loss_of``), or of any loss with gradients, minima are found and joined by paths that bound the passes:

    >>> starts = lb.sample(lb.functions.HumpCamel6(), 64).points
    >>> minima = lb.find_minima(lb.functions.HumpCamel6(), starts).distinct(0.01)
    >>> lb.barcode(lb.connect(lb.functions.HumpCamel6(), minima))
    Barcode(6 bars, 1 infinite; HumpCamel6)
"""

from typing import TYPE_CHECKING

from . import data, experiments, functions, networks
from ._barcode import Barcode, barcode, one_point_bars
from ._basins import Basins, basins
from ._canonical import CanonicalForm, canonical_form
from ._evidence import evidence
from ._graph import Graph
from ._minima import Minima, Recipe, find_minima
from ._morse import MorseComplex, Separatrices, morse_complex
from ._neighbors import Grid, Lattice, NeighborTable
from ._paths import Paths, connect
from ._sampling import Samples, from_grid, from_points, sample
from ._score import bottleneck_distance, to_score, wasserstein_distance
from ._subgradient import subgradient_norm

__version__ = "0.1.0"


if TYPE_CHECKING:
    from . import charts
else:  # unseen by type checkers, which would take any name for one that is there

    def __getattr__(name):
        """Import ``charts`` when it is first asked for, so that the rest runs where Altair is not installed."""
        if name != "charts":
            raise AttributeError(f"module 'lossbarcode' has no attribute {name!r}")
        from importlib import import_module

        return import_module(".charts", __name__)


__all__ = [
    "Barcode", "Basins", "CanonicalForm", "Graph", "Grid", "Lattice", "Minima", "MorseComplex", "NeighborTable", "Paths", "Recipe",
    "Samples", "Separatrices", "barcode", "basins", "bottleneck_distance", "canonical_form", "charts", "connect", "data", "evidence",
    "experiments", "find_minima", "from_grid", "from_points", "functions", "morse_complex", "networks", "one_point_bars", "sample",
    "subgradient_norm", "to_score", "wasserstein_distance",
]  # fmt: skip
