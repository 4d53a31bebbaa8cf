"""Records as Altair charts; nothing numerical happens here.

In: barcodes, basins and paths. Out: ``altair`` charts, to be shown, combined or saved. A chart that shows fewer bars than there
are says so. Colours are those of Okabe and Ito, which colour-blind readers can tell apart; minima are blue dots, saddles
orange diamonds, and an infinite bar ends in an arrow.
"""

from ._bars import barcode, diagram, merge_tree
from ._compare import barcodes, trends
from ._level import level
from ._map import basin_map, linked
from ._morse import morse_map
from ._paths import profiles

__all__ = ["barcode", "barcodes", "basin_map", "diagram", "level", "linked", "merge_tree", "morse_map", "profiles", "trends"]
