"""Charts of a loss of two parameters: basins, minima and saddles in the plane, alone or next to the barcode and the merge tree."""

from __future__ import annotations

import warnings
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from .._support.pointers import gather_or_minus_one
from ..barcodes._barcode import Barcode
from ..barcodes._source import Source
from ..losses._boxes import nearest_image
from ..sampled._basins import Basins
from ..sampled._samples import Samples
from ..sampled._singletons import checked_bar_of_minimum
from ._bars import (
    FADED,
    TOOLTIP,
    as_barcode,
    bars_frame,
    bars_panel,
    check_record,
    describe,
    end_names,
    ends,
    layered,
    selection,
    tree_panel,
)
from ._plane import Plane, nearest_samples, plane_of, shaded_loss

CELLS = 56  # along each side of the overlay that marks the selected basin


def basin_map(
    basins: Basins, bars: Barcode | Source | None = None, *, limit: int = 30, width: int = 340, height: int = 340
) -> alt.LayerChart:
    """The plane of a loss of two parameters: where its minima, saddles and basins are.

    Shading is by rank of the loss, from dark (low) to light, so that deep and shallow wells are both visible. Light lines separate the
    basins of the bars shown; the basin of any other minimum counts as part of the bar that it merges into. A white line joins every minimum
    to its saddle. The axes have the names of the samples' axes; images are drawn as images are, with the first axis down.

    Args:
        basins: basins of samples of a loss of two parameters.
        bars: their barcode, or some of its bars, such as ``bars.longer_than(0.1)``; default: all of it.
        limit: the largest number of bars to show; the longest are shown, and the subtitle says how many of how many.
        width, height: size of the drawing, in pixels.

    Returns:
        A chart in which a click on a minimum selects its bar.

    Raises:
        ValueError: if the samples do not have two parameters, or the bars are not those of these basins.

    Example:
        >>> import lossbarcode as lb
        >>> basins = lb.basins(lb.sample(lb.functions.SixHumpCamel(), 10_000))
        >>> lb.charts.basin_map(basins).save("map.html", inline=True)  # doctest: +SKIP
    """
    check_record(basins, Basins, "basins", "lb.basins(samples)")
    plane = plane_of(basins.samples, "basin_map")
    bars = as_barcode(basins if bars is None else bars)
    rows, count = bars_frame(bars, limit)
    panel = map_panel(basins, bars.longest(limit), plane, rows, selection(), width, height, listed=list(end_names(0)))
    return describe(panel, bars, "Basins, minima and saddles", count, width, height)


def dashboard(
    basins: Basins, bars: Barcode | Source | None = None, *, limit: int = 30, width: int = 340, height: int = 340
) -> alt.HConcatChart:
    """Map, barcode and merge tree side by side; a click on a bar or a minimum selects it in all three.

    Arguments, result and errors are those of :func:`basin_map`; ``width`` and ``height`` are those of the map.
    """
    check_record(basins, Basins, "basins", "lb.basins(samples)")
    plane = plane_of(basins.samples, "dashboard")
    bars = as_barcode(basins if bars is None else bars)
    rows, count = bars_frame(bars, limit)
    pick = selection()
    half = height // 2 - 34
    left = map_panel(basins, bars.longest(limit), plane, rows, pick, width, height).properties(width=width, height=height)
    panels = [
        panel(rows, pick).properties(width=width - 120, height=half, title=alt.TitleParams(title, fontSize=11))
        for panel, title in ((bars_panel, "Barcode"), (tree_panel, "Merge tree"))
    ]
    with warnings.catch_warnings():
        # The three panels share one selection on purpose: https://github.com/vega/altair/issues/3891
        warnings.filterwarnings("ignore", message="Automatically deduplicated selection parameter")
        chart = alt.hconcat(left, alt.vconcat(*panels)).resolve_scale(fill="independent")
    subtitle = [text for text in (bars.name, f"{count}; click to select one, double-click to clear") if text]
    title = alt.TitleParams("Minima and how hard they are to escape", subtitle=subtitle, anchor="start")
    return chart.properties(title=title, description=f"Map, barcode and merge tree of {bars.name or 'a loss'}: {count}.")


def map_panel(
    basins: Basins,
    shown: Barcode,
    plane: Plane,
    rows: pd.DataFrame,
    pick: alt.Parameter,
    width: int,
    height: int,
    listed: list[str] | None = None,
) -> alt.LayerChart:
    """The map alone; a white veil marks the basin of the selected bar. The legend lists all kinds of ends, or those named."""
    samples = basins.samples
    (x, y), (saddle_x, saddle_y) = plane.axes(), plane.axes("saddle_")
    veil = (
        alt.Chart(basin_strips(basins, shown, plane))
        .mark_rect(color="white", stroke=None)
        .encode(x=x, x2="x2:Q", y=y, y2="y2:Q", opacity=alt.when(pick, empty=False).then(alt.value(0.45)).otherwise(alt.value(0.0)))
    )
    table, ways = with_places(rows, samples, plane)
    base = alt.Chart(table).encode(tooltip=TOOLTIP, opacity=alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(FADED)))
    finite = base.transform_filter("!datum.infinite")
    low, high = end_names(0)
    look: dict[str, Any] = {"listed": listed, "stroke": "white", "strokeWidth": 1}
    return layered(
        shaded_loss(samples, bar_of_sample(basins, shown), plane, width, height),
        veil,
        *(way_out(finite, plane, *way) for way in ways),
        ends(finite, high, 70, **look).encode(x=saddle_x, y=saddle_y),
        ends(base, low, 70, **look).encode(x=x, y=y),
        alt.Chart(table).mark_point(size=300, filled=True, opacity=0).encode(x=x, y=y, tooltip=TOOLTIP).add_params(pick),
    )


def with_places(rows: pd.DataFrame, samples: Samples, plane: Plane) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The bars with the places of their ends, and the lines that join these, as pairs of prefixes of columns.

    Over a periodic axis the shorter way may leave the box on one side and come back on the other: then each end is joined to the nearest
    image of the other end, and what lies outside the box is cut off.
    """
    minimum, saddle = (samples.points[torch.tensor(rows[name].clip(lower=0).to_numpy().copy())] for name in ("minimum_row", "saddle_row"))
    columns = plane.columns(minimum) | plane.columns(saddle, "saddle_")
    periodic = samples.periodic
    if periodic is None or not periodic.any():
        return rows.assign(**columns), [("", "saddle_")]
    columns |= plane.columns(nearest_image(saddle, minimum, samples.bounds, periodic), "leave_")
    columns |= plane.columns(nearest_image(minimum, saddle, samples.bounds, periodic), "enter_")
    return rows.assign(**columns), [("", "leave_"), ("enter_", "saddle_")]


def way_out(chart: alt.Chart, plane: Plane, start: str, end: str) -> alt.Chart:
    """White lines from one pair of columns to another."""
    x, y = plane.axes(start)
    return chart.mark_rule(color="white", strokeWidth=1.2, clip=True).encode(x=x, y=y, x2=f"{end}x:Q", y2=f"{end}y:Q")


def bar_of_sample(basins: Basins, shown: Barcode) -> Int[Tensor, " n"]:
    """The bar, among those shown, that each sample belongs to; -1: outside the domain."""
    return gather_or_minus_one(checked_bar_of_minimum(shown, basins), basins.label).cpu()


def basin_strips(basins: Basins, shown: Barcode, plane: Plane) -> pd.DataFrame:
    """The basin of each bar shown, as horizontal strips of adjacent cells."""
    cells = bar_of_sample(basins, shown)[torch.from_numpy(nearest_samples(basins.samples, plane, CELLS, CELLS))].numpy()
    start = np.ones_like(cells, dtype=bool)
    start[:, 1:] = cells[:, 1:] != cells[:, :-1]
    line, first = np.nonzero(start)
    last = np.append(first[1:], 0)
    last[last == 0] = CELLS  # a strip ends where the next begins, or at the edge
    left, right = plane.box[0]
    across, lines = np.linspace(left, right, CELLS + 1), plane.lines(CELLS)
    places = {"x": across[first], "x2": across[last], "y": lines[line + 1], "y2": lines[line]}
    table = pd.DataFrame({"bar": cells[line, first], **places})
    return table.loc[table["bar"] >= 0]
