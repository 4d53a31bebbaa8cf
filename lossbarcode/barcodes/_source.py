"""What the elder rule asks of a route.

Every route ends in a record that is a :class:`Source`. The barcode is read off its graph; what only the route knows (sizes of basins,
whether bars may be missing, bars of a higher degree) it offers by itself, so that nothing here knows any route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .._support.types import Rows

if TYPE_CHECKING:
    from ._barcode import Barcode
    from ._graph import Graph


class Source:
    """A record that a barcode can be read off. Subclass it to add a route of your own: a ``graph`` and a ``name`` are enough.

    Attributes:
        graph: the minima and the passes between them.
        name: of what, for titles.
        if_unconnected: what users can do if the graph is in pieces though the domain is not.
    """

    graph: Graph
    name: str
    if_unconnected: ClassVar[str] = "use more neighbors (k), a larger radius, more samples or, for a lattice, another seed"

    @property
    def sizes(self) -> Rows | None:
        """How many samples belong to each minimum of the graph ``[k]``, or None where there are no samples."""
        return None

    def caution(self, n_infinite: int) -> str | None:
        """A warning to those who read the bars, of which ``n_infinite`` never end; None: there is nothing to warn of."""
        if n_infinite <= 1:
            return None
        return (
            f"the graph has {n_infinite} connected components, so there are {n_infinite} infinite bars; if the domain is connected, "
            f"{self.if_unconnected}"
        )

    def bars_of_degree(self, degree: int) -> Barcode:
        """The bars of a degree above 0, from routes that know them.

        Raises:
            ValueError: from all others.
        """
        raise ValueError(
            f"barcode: expected, for degree {degree}, a MorseComplex or Samples on a grid, got {type(self).__name__}; "
            "use lb.morse_complex, or lb.sample(..., method='grid') without lb.basins"
        )
