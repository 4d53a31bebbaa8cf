"""Records as Altair charts; nothing numerical happens here.

In: barcodes, basins, complexes and paths. Out: ``altair`` charts, to be shown, combined or saved. Where a barcode is drawn, a record that
has a graph will do. A chart that shows only some of the bars says how many of how many. Colors are those of Okabe and Ito, which
color-blind readers can tell apart: minima are blue dots, saddles are orange diamonds, and an infinite bar ends in an arrow.

``chart.save("chart.html", inline=True)`` writes a page that needs no network, ``chart.save("chart.png")`` a picture; both need the extra
``charts`` (vl-convert-python). Without ``inline=True`` the page loads Vega from the net when it is opened.
"""

from ._bars import barcode, diagram, merge_tree
from ._compare import barcodes, trends
from ._map import basin_map, dashboard
from ._morse import morse_map
from ._paths import path_profiles
from ._sublevel import sublevel_explorer

__all__ = [
    "barcode", "barcodes", "basin_map", "dashboard", "diagram", "merge_tree", "morse_map", "path_profiles", "sublevel_explorer", "trends",
]  # fmt: skip
