"""Where all routes meet: a graph on minima, the elder rule, the barcode, its canonical form and its scores. It imports no route."""

from ._barcode import Bar, Barcode
from ._canonical_form import CanonicalForm, canonical_form
from ._from_graph import from_graph
from ._graph import Graph
from ._read_off import read_off
from ._scores import bottleneck_distance, obstruction_score, wasserstein_distance
from ._source import Source

__all__ = [
    "Bar", "Barcode", "CanonicalForm", "Graph", "Source", "bottleneck_distance", "canonical_form", "from_graph", "obstruction_score",
    "read_off", "wasserstein_distance",
]  # fmt: skip
