"""Barcodes of minima of loss functions: how hard each local minimum is to escape.

A loss is a batched callable ``[n d] -> [n]``. Three routes lead from it to a barcode, and each has a folder of its own. ``sampled``: the
loss is sampled on a box, samples fall into basins, and the lowest passes between basins form a graph, off which the elder rule reads the
bars:

    >>> import lossbarcode as lb
    >>> camel = lb.functions.SixHumpCamel()
    >>> lb.barcode(lb.basins(lb.sample(camel, 100_000)))
    Barcode(6 bars, 1 infinite; SixHumpCamel, 100,000 sobol points, seed 0)

``morse``: all critical points of a smooth loss of few parameters, to solver precision:

    >>> lb.barcode(lb.morse_complex(camel))
    Barcode(6 bars, 1 infinite; SixHumpCamel)

``transition``: minima of a network (``lb.networks.network_loss``), or of any loss with gradients, joined by paths that bound the passes
from above:

    >>> minima = lb.find_minima(camel, lb.sample(camel, 64).points).deduplicate(0.01)
    >>> lb.barcode(lb.connect(camel, minima))
    Barcode(6 bars, 1 infinite; SixHumpCamel)
"""

from typing import TYPE_CHECKING

from . import data, functions, networks
from ._barcode import barcode
from .barcodes import (
    Bar,
    Barcode,
    CanonicalForm,
    Graph,
    Source,
    bottleneck_distance,
    canonical_form,
    from_graph,
    obstruction_score,
    wasserstein_distance,
)
from .morse import MorseComplex, Separatrices, morse_complex
from .sampled import Basins, Grid, Lattice, NeighborTable, Samples, basins, from_grid, from_points, is_singleton, sample
from .transition import (
    Coverage,
    EndEvidence,
    Minima,
    PassKind,
    Paths,
    SaddleEvidence,
    TrainingSchedule,
    TransitionNetwork,
    connect,
    find_minima,
    minima_of,
    subgradient_norm,
    transition_network,
)

__version__ = "0.1.0"


if TYPE_CHECKING:
    from . import charts
else:  # type checkers do not see it, because they would take any name for one that exists

    def __getattr__(name):
        """Import ``charts`` when it is first asked for, so that the rest runs where Altair is not installed."""
        if name != "charts":
            raise AttributeError(f"module 'lossbarcode' has no attribute {name!r}")
        from importlib import import_module

        return import_module(".charts", __name__)


__all__ = [
    "Bar", "Barcode", "Basins", "CanonicalForm", "Coverage", "EndEvidence", "Graph", "Grid", "Lattice", "Minima", "MorseComplex",
    "NeighborTable", "PassKind", "Paths", "SaddleEvidence", "Samples", "Separatrices", "Source", "TrainingSchedule", "TransitionNetwork",
    "barcode", "basins", "bottleneck_distance", "canonical_form", "charts", "connect", "data", "find_minima", "from_graph", "from_grid",
    "from_points", "functions", "is_singleton", "minima_of", "morse_complex", "networks", "obstruction_score", "sample",
    "subgradient_norm", "transition_network", "wasserstein_distance",
]  # fmt: skip
