"""A curve, a level that the reader moves, and the barcode that grows with it."""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import pandas as pd

from .._barcode import Barcode, check_owner, follow
from .._basins import Basins
from ._bars import BAR, TOOLTIP, frame, layered, loss_axis, no_axis

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito, yellow left out
MOST_POINTS = 700  # of the curve that are drawn


def level(basins: Basins, bars: Barcode, *, limit: int = 7, width: int = 440, height: int = 320) -> alt.HConcatChart:
    """The curve of a loss of one parameter, a level to move, and the barcode below that level.

    What lies below the level is coloured by the bar that its component has at that level: where two components meet, the
    elder's colour takes over and the other's bar stops.

    Args:
        basins: of samples of a loss of one parameter.
        bars: their barcode.
        limit: the most bars to show, the longest; the subtitle says of how many.
        width, height: of the curve, in pixels.

    Raises:
        ValueError: if the samples do not have one coordinate.

    Example:
        >>> import lossbarcode as lb
        >>> basins = lb.basins(lb.sample(lb.functions.DoubleWell(), 512, method="grid"))
        >>> lb.charts.level(basins, lb.barcode(basins)).save("level.html")  # doctest: +SKIP
    """
    samples = basins.samples
    if samples.points.shape[1] != 1:
        raise ValueError(f"level: expected samples of one parameter, got {samples.points.shape[1]}; charts.linked shows two")
    rows, count = frame(bars, limit)
    top = float(rows["top"].max())
    curve = pieces(basins, bars.longest(limit))
    low = float(curve["loss"].min())
    digits = -math.floor(math.log10((top - low) / 100))  # as few as tell a hundred levels apart, whatever the unit
    first, last, start = (round(at, digits) for at in (low, top, low + 0.35 * (top - low)))
    handle = alt.binding_range(min=first, max=last, step=10.0**-digits, name="level of the loss ")
    slider = alt.param(name="level", value=start, bind=handle)
    y = loss_axis(rows, "loss")
    x = alt.X("x:Q", title="parameter", scale=alt.Scale(domain=samples.bounds[0].tolist(), nice=False, zero=False))
    colour = alt.Color("bar:N", scale=alt.Scale(domain=list(range(len(rows))), range=list(PALETTE)), legend=None)
    drawn = alt.Chart(curve.drop_duplicates("x")).mark_line(color="#B0B0B0", strokeWidth=1.5, clip=True).encode(x=x, y=y)
    below = (
        alt.Chart(curve)
        .mark_circle(size=28, opacity=1, clip=True)
        .encode(x=x, y=y, color=colour)
        .transform_filter("datum.since <= level && level < datum.until && datum.loss <= level")
    )
    water = alt.Chart(pd.DataFrame({"at": [0]})).transform_calculate(level="level").mark_rule(color=BAR, strokeDash=[5, 3])
    water = water.encode(y=loss_axis(rows, "level"))
    grown = (
        alt.Chart(rows)
        .transform_calculate(reached="min(datum.top, level)")
        .encode(x=no_axis("bar", rows, "minima, the lowest first"), color=colour, tooltip=TOOLTIP)
    )
    living = grown.transform_filter("datum.birth <= level")
    panel = layered(
        living.mark_rule(strokeWidth=4).encode(y=loss_axis(rows, "birth"), y2="reached:Q"),
        living.mark_point(size=60, filled=True, opacity=1).encode(y=loss_axis(rows, "birth")),
        living.transform_filter("!datum.infinite && datum.top <= level")
        .mark_point(shape="diamond", size=70, filled=True, opacity=1)
        .encode(y=loss_axis(rows, "top")),
        water,
    ).properties(width=width // 3, height=height)
    chart = alt.hconcat(layered(drawn, below, water).properties(width=width, height=height), panel).add_params(slider)
    title = alt.TitleParams("Below a level, and the barcode so far", subtitle=[bars.name, count], anchor="start")
    return chart.properties(title=title, description=f"Curve with a movable level beside its barcode, {bars.name}: {count}.")


def pieces(basins: Basins, shown: Barcode) -> pd.DataFrame:
    """Points of the curve, once for every bar that their component has as the level rises: from ``since`` to ``until``."""
    samples = basins.samples
    x = samples.points[:][:, 0].double().cpu().numpy()
    order = np.argsort(x, kind="stable")
    order = order[:: -(-len(order) // MOST_POINTS)]
    values = samples.values.cpu().double().numpy()[order]
    parent, death = shown.parent.cpu().numpy(), shown.death.double().cpu().numpy()
    at = follow(check_owner(shown, basins), basins.label).cpu().numpy()[order]
    inside = at >= 0
    since = values.copy()
    parts = []
    while inside.any():  # once a generation of bars
        lives = inside & (death[at] > since)
        until = np.minimum(death[at], 1e300)
        parts.append(pd.DataFrame({"x": x[order], "loss": values, "bar": at, "since": since, "until": until})[lives])
        since = np.where(lives, death[at], since)
        at = np.where(inside, parent[at], -1)
        inside = at >= 0
    return pd.concat(parts, ignore_index=True)
