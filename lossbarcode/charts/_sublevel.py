"""A curve, a level that the reader moves, and the barcode of the part of the curve below it."""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import pandas as pd

from .._support.pointers import gather_or_minus_one
from ..barcodes._barcode import Barcode
from ..barcodes._source import Source
from ..sampled._basins import Basins
from ..sampled._singletons import checked_bar_of_minimum
from ._bars import BAR, TOOLTIP, as_barcode, bars_frame, check_record, layered, loss_axis, order_axis
from ._plane import check_parameters

PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)  # Okabe and Ito, without yellow, which is too light for lines
MAX_POINTS = 700  # drawn along the curve; each appears once per bar, and Altair refuses more than 5,000 rows


def sublevel_explorer(
    basins: Basins, bars: Barcode | Source | None = None, *, limit: int = 7, width: int = 440, height: int = 320
) -> alt.HConcatChart:
    """The curve of a loss of one parameter, a slider for the level, and the bars up to that level.

    The part of the curve below the level is colored by the bar of its component at that level. Where two components merge, both take the
    color of the elder one, and the bar of the younger one ends.

    Args:
        basins: basins of samples of a loss of one parameter.
        bars: their barcode, or some of its bars, such as ``bars.longer_than(0.1)``; default: all of it.
        limit: the largest number of bars to show; the longest are shown, and the subtitle says how many of how many.
        width, height: size of the drawing of the curve, in pixels.

    Raises:
        ValueError: if the samples do not have one parameter, or the bars are not those of these basins.

    Example:
        >>> import lossbarcode as lb
        >>> basins = lb.basins(lb.sample(lb.functions.DoubleWell(), 512, method="grid"))
        >>> lb.charts.sublevel_explorer(basins).save("sublevel_explorer.html", inline=True)  # doctest: +SKIP
    """
    check_record(basins, Basins, "basins", "lb.basins(samples)")
    samples = basins.samples
    check_parameters(samples, 1, "sublevel_explorer")
    bars = as_barcode(basins if bars is None else bars)
    rows, count = bars_frame(bars, limit)
    top = float(rows["top"].max())
    curve = curve_by_bar(basins, bars.longest(limit))
    low = float(curve["loss"].min())
    digits = -math.floor(math.log10((top - low) / 100))  # the fewest that distinguish a hundred levels, whatever the unit
    first, last, start = (round(at, digits) for at in (low, top, low + 0.35 * (top - low)))
    handle = alt.binding_range(min=first, max=last, step=10.0**-digits, name="level of the loss ")
    slider = alt.param(name="level", value=start, bind=handle)
    y = loss_axis(rows, "loss")
    (name,) = samples.axis_names
    x = alt.X("x:Q", title=name, scale=alt.Scale(domain=samples.bounds[0].tolist(), nice=False, zero=False))
    scale = alt.Scale(domain=list(range(len(rows))), range=list(PALETTE))
    color = alt.Color("bar:N", scale=scale, legend=alt.Legend(orient="bottom", title=None, labelExpr="'bar ' + datum.label"))
    drawn = alt.Chart(curve.drop_duplicates("x")).mark_line(color="#B0B0B0", strokeWidth=1.5, clip=True).encode(x=x, y=y)
    below = (
        alt.Chart(curve)
        .mark_circle(size=28, opacity=1, clip=True)
        .encode(x=x, y=y, color=color)
        .transform_filter("datum.since <= level && level < datum.until && datum.loss <= level")
    )
    level = alt.Chart(pd.DataFrame({"label": ["level"]})).transform_calculate(level="level").encode(y=loss_axis(rows, "level"))
    level_line = level.mark_rule(color=BAR, strokeDash=[5, 3])
    level_label = level.mark_text(color=BAR, align="right", dx=-4, dy=-6).encode(text="label", x=alt.value(width))
    bars_so_far = (
        alt.Chart(rows)
        .transform_filter("datum.birth <= level")
        .transform_calculate(end="min(datum.top, level)")
        .encode(x=order_axis("bar", rows, "minima, lowest first"), color=color, tooltip=TOOLTIP)
    )
    panel = layered(
        bars_so_far.mark_rule(strokeWidth=4).encode(y=loss_axis(rows, "birth"), y2="end:Q"),
        bars_so_far.mark_point(size=60, filled=True, opacity=1).encode(y=loss_axis(rows, "birth")),
        bars_so_far.transform_filter("!datum.infinite && datum.top <= level")
        .mark_point(shape="diamond", size=70, filled=True, opacity=1)
        .encode(y=loss_axis(rows, "top")),
        level_line,
    ).properties(width=width // 3, height=height)
    chart = alt.hconcat(layered(drawn, below, level_line, level_label).properties(width=width, height=height), panel).add_params(slider)
    title = alt.TitleParams("Sublevel set and its barcode", subtitle=[text for text in (bars.name, count) if text], anchor="start")
    return chart.properties(
        title=title, description=f"Curve with a movable level, next to the barcode of {bars.name or 'a loss'}: {count}."
    )


def curve_by_bar(basins: Basins, shown: Barcode) -> pd.DataFrame:
    """Points of the curve, one row for each bar that their component has as the level rises from ``since`` to ``until``."""
    samples = basins.samples
    x = samples.points[:][:, 0].double().cpu().numpy()
    order = np.argsort(x, kind="stable")
    order = order[:: -(-len(order) // MAX_POINTS)]
    values = samples.values.cpu().double().numpy()[order]
    parent, death = shown.parent.cpu().numpy(), shown.death.double().cpu().numpy()
    bar = gather_or_minus_one(checked_bar_of_minimum(shown, basins), basins.label).cpu().numpy()[order]
    inside = bar >= 0
    since = values.copy()
    parts = []
    while inside.any():  # one pass per generation of bars
        alive = inside & (death[bar] > since)
        until = np.minimum(death[bar], 1e300)
        parts.append(pd.DataFrame({"x": x[order], "loss": values, "bar": bar, "since": since, "until": until})[alive])
        since = np.where(alive, death[bar], since)
        bar = np.where(inside, parent[bar], -1)
        inside = bar >= 0
    return pd.concat(parts, ignore_index=True)
