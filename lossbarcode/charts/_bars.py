"""Charts of one barcode: the bars, the persistence diagram, the merge tree.

All three draw the same table, :func:`bars_frame`, and can share a selection, so that they also serve as the panels of
:func:`lossbarcode.charts.dashboard`.
"""

from __future__ import annotations

import itertools
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from ..barcodes._barcode import Barcode
from ..barcodes._read_off import read_off
from ..barcodes._source import Source

MINIMUM, SADDLE, BAR = "#0072B2", "#D55E00", "#5A5A5A"
COLORS, SHAPES = [MINIMUM, SADDLE, BAR], ["circle", "diamond", "triangle-up"]  # of births, deaths and open ends
NEVER = "never ends"
FADED = 0.2  # opacity of the bars that are not selected
MAX_ROWS = 4500  # of one table of places on lines; Altair refuses more than 5,000
SELECTIONS = itertools.count()
TOOLTIP = [
    alt.Tooltip("bar:Q", title="bar"),
    alt.Tooltip("birth:Q", title="birth (loss at minimum)", format=".5g"),
    alt.Tooltip("death_text:N", title="death (loss at saddle)"),
    alt.Tooltip("length_text:N", title="length (height to climb)"),
]


def selection() -> alt.Parameter:
    """A click selects a bar, a double click clears the selection. While nothing is selected, every bar counts as selected."""
    # Each selection has its own name: Altair would merge equal ones of charts that are put side by side, and warn.
    return alt.selection_point(name=f"pick{next(SELECTIONS)}", fields=["bar"], clear="dblclick")


def check_record(record: object, kind: type, name: str, call: str) -> None:
    """A chart got the record that it draws; else a ValueError says which call makes one."""
    if not isinstance(record, kind):
        raise ValueError(f"{name}: expected {kind.__name__}, got {type(record).__name__}; pass {call}")


def as_barcode(bars: Barcode | Source) -> Barcode:
    """The bars themselves, or those of a record that has a graph.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(bars, Barcode):
        return bars
    if not isinstance(bars, Source):
        raise ValueError(
            f"bars: expected a barcode, or samples, basins or another record with a graph, got {type(bars).__name__}; pass lb.barcode(...)"
        )
    return read_off(bars, stacklevel=3)


def bars_frame(bars: Barcode, limit: int) -> tuple[pd.DataFrame, str]:
    """The ``limit`` longest bars as rows for charts, and a text that says how many of how many bars they are."""
    shown = bars.longest(limit)
    rows = shown.table()
    finite = np.isfinite(rows["death"])
    low, high = (rows["birth"].min(), np.fmax(rows["death"][finite].max(), rows["birth"].max())) if len(rows) else (0.0, 1.0)
    known = "lower" in rows and len(rows) > 0
    if known:
        bounds = rows[["lower", "upper"]].where(np.isfinite)
        low, high = np.fmin(low, bounds.min(axis=None)), np.fmax(high, bounds.max(axis=None))
    rows["top"] = rows["death"].where(finite, high + 0.1 * ((high - low) or 1.0))  # an infinite bar is drawn to above every saddle
    rows["infinite"] = ~finite
    if known:
        rows["bracket_text"] = [f"{a:.5g} to {b:.5g}" for a, b in zip(rows["lower"], rows["upper"], strict=True)]
        rows[["lower", "upper"]] = rows[["lower", "upper"]].clip(low, rows["top"].max())
    rows["death_text"] = [f"{death:.5g}" if end else "never" for death, end in zip(rows["death"], finite, strict=True)]
    rows["length_text"] = [f"{length:.5g}" if end else "infinite" for length, end in zip(rows["length"], finite, strict=True)]
    rows["bar"] = np.arange(len(rows))
    rows["position"] = tree_order(rows["parent"].to_numpy(), rows["death"].to_numpy())
    rows["parent_position"] = [rows["position"][p] if p >= 0 else np.nan for p in rows["parent"]]
    # JSON has no infinity
    rows = rows.drop(columns=["death", "length", "birth_lower", "birth_upper"], errors="ignore")
    total = f"{len(bars):,} bar{'s' * (len(bars) != 1)}"
    return rows, total if len(shown) == len(bars) else f"the {len(shown):,} longest of {total}"


def tree_order(parent: Int[np.ndarray, " k"], death: Float[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """Positions from left to right in which no branch of the merge tree crosses another.

    The bars that merge into one bar stand alternately to the right and to the left of it, those that merge first nearest to it.
    """
    order = []

    def put(bar: int) -> None:
        branches = sorted(np.flatnonzero(parent == bar).tolist(), key=lambda child: death[child])
        for branch in reversed(branches[1::2]):
            put(branch)
        order.append(bar)
        for branch in branches[::2]:
            put(branch)

    # The recursion is at most as deep as the number of bars shown.
    for root in np.flatnonzero(parent < 0).tolist():
        put(root)
    return np.argsort(order).astype(int)


def loss_scale(rows: pd.DataFrame, **options: Any) -> alt.Scale:
    """A scale that holds all bars, with a small margin."""
    low, high = (rows["birth"].min(), rows["top"].max()) if len(rows) else (0.0, 1.0)
    if "lower" in rows and len(rows):
        low, high = min(low, rows["lower"].min()), max(high, rows["upper"].max())
    margin = 0.06 * ((high - low) or 1.0)
    return alt.Scale(domain=[low - margin, high + margin], nice=False, **options)


def loss_axis(rows: pd.DataFrame, field: str, title: str = "loss", **options: Any) -> alt.Y:
    """A vertical axis of the loss that holds all bars."""
    return alt.Y(f"{field}:Q", title=title, scale=loss_scale(rows, **options))


def end_names(degree: int) -> tuple[str, str]:
    """What the legend calls the lower and the upper end of a bar."""
    return ("birth", "death") if degree else ("minimum", "saddle")


def ends(chart: alt.Chart, kind: str, size: int, degree: int = 0, *, listed: list[str] | None = None, **look: Any) -> alt.Chart:
    """Points at ends of bars, all of one kind, in the color and shape of this kind; the legend lists all kinds, or those named."""
    # One scale for all charts: those that stand side by side share their legend.
    domain = [*end_names(degree), NEVER]
    legend = alt.Legend(orient="bottom", title=None, symbolOpacity=1, values=listed or alt.Undefined)
    color, shape = (
        channel("kind:N", scale=alt.Scale(domain=domain, range=looks), legend=legend)
        for channel, looks in ((alt.Color, COLORS), (alt.Shape, SHAPES))
    )
    return chart.transform_calculate(kind=f"'{kind}'").mark_point(filled=True, size=size, **look).encode(color=color, shape=shape)


def segments(rows: pd.DataFrame, x: alt.X, pick: alt.Parameter, degree: int = 0) -> list[alt.Chart]:
    """Bars with their minima, saddles and open ends, as layers."""
    low, high = end_names(degree)
    known = "lower" in rows
    tooltip = [*TOOLTIP, alt.Tooltip("bracket_text:N", title="death lies between")] if known else TOOLTIP
    base = alt.Chart(rows).encode(x=x, tooltip=tooltip, opacity=alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(FADED)))
    y, top = loss_axis(rows, "birth"), loss_axis(rows, "top")
    return [
        base.mark_rule(strokeWidth=3, color=BAR).encode(y=y, y2="top:Q"),
        *(brackets(base, loss_axis(rows, "lower"), loss_axis(rows, "upper")) if known else []),
        ends(base.transform_filter("datum.infinite"), NEVER, 110, degree).encode(y=top),
        ends(base.transform_filter("!datum.infinite"), high, 60, degree).encode(y=top),
        ends(base, low, 55, degree).encode(y=y),
        # An invisible bar takes the clicks: it is wider than the visible one and so easier to hit.
        alt.Chart(rows).mark_rule(strokeWidth=14, opacity=0).encode(x=x, y=y, y2="top:Q", tooltip=tooltip).add_params(pick),
    ]


def brackets(base: alt.Chart, lower: alt.Y, upper: alt.Y) -> list[alt.Chart]:
    """A thin line from the lowest to the highest possible death of each bar, with a stroke across at both; none where it is exact."""
    inexact = base.transform_filter("datum.lower < datum.upper")
    line = inexact.mark_rule(strokeWidth=1.2, color=SADDLE).encode(y=lower, y2="upper:Q")
    return [line, *(inexact.mark_tick(orient="horizontal", size=12, thickness=1.2, color=SADDLE).encode(y=y) for y in (lower, upper))]


def order_axis(field: str, rows: pd.DataFrame, title: str) -> alt.X:
    """A horizontal order without numbers."""
    return alt.X(
        f"{field}:Q", title=title, axis=alt.Axis(labels=False, ticks=False, grid=False), scale=alt.Scale(domain=[-0.7, len(rows) - 0.3])
    )


def layered(*charts: alt.Chart | alt.LayerChart) -> alt.LayerChart:
    """Charts on top of each other. ``alt.layer`` turns some into facets, and its annotation therefore does not name one type."""
    return alt.LayerChart(layer=list(charts))


def bars_panel(rows: pd.DataFrame, pick: alt.Parameter, degree: int = 0) -> alt.LayerChart:
    """The bars side by side, ascending in birth."""
    x = order_axis("bar", rows, "bars, lowest birth first" if degree else "minima, lowest first")
    return layered(*segments(rows, x, pick, degree))


def tree_panel(rows: pd.DataFrame, pick: alt.Parameter, degree: int = 0) -> alt.LayerChart:
    """The bars in the order of the tree, each joined to the bar that it merges into."""
    x = order_axis("position", rows, "minima, in the order of the tree")
    joints = (
        alt.Chart(rows)
        .mark_rule(strokeWidth=1.5, color=BAR)
        .encode(
            x=x,
            x2="parent_position:Q",
            y=loss_axis(rows, "top"),
            opacity=alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(FADED)),
        )
        .transform_filter("!datum.infinite")
    )
    return layered(joints, *segments(rows, x, pick, degree))


def describe(chart: alt.LayerChart, bars: Barcode, kind: str, count: str, width: int, height: int) -> alt.LayerChart:
    """The chart with a title, a size, and a description for readers who cannot see it."""
    title = alt.TitleParams(kind, subtitle=[text for text in (bars.name, count) if text], anchor="start")
    return chart.properties(title=title, width=width, height=height, description=f"{kind} of {bars.name or 'a loss'}: {count}.")


def barcode(bars: Barcode | Source, *, limit: int = 50, width: int = 420, height: int = 300) -> alt.LayerChart:
    """The bars over the axis of the loss, each from its minimum (dot) up to its saddle (diamond).

    Where deaths are known only within bounds, a thin line joins the lowest and the highest possible one. It ends at the edge of the
    drawing where nothing is known on that side.

    Args:
        bars: what to draw: a barcode, or a record that has a graph (samples, basins, a Morse complex, paths), of which it is taken.
        limit: the largest number of bars to show; the longest are shown, and the subtitle says how many of how many.
        width, height: size of the drawing, in pixels.

    Returns:
        A chart in which a click on a bar selects it.

    Raises:
        ValueError: if that is neither a barcode nor a record with a graph.

    Warns:
        UserWarning: of what :func:`lossbarcode.barcode` warns of, if the barcode is taken here.

    Source:
        The papers draw barcodes in this way: :cite:t:`barannikov2023barcodes`.

    Example:
        >>> import lossbarcode as lb
        >>> bars = lb.barcode(lb.functions.SixHumpCamel(), n=10_000)
        >>> lb.charts.barcode(bars).save("barcode.html", inline=True)  # doctest: +SKIP
    """
    bars = as_barcode(bars)
    rows, count = bars_frame(bars, limit)
    kind = f"Barcode of degree {bars.degree}" if bars.degree else "Barcode of minima"
    return describe(bars_panel(rows, selection(), bars.degree), bars, kind, count, width, height)


def merge_tree(bars: Barcode | Source, *, limit: int = 50, width: int = 420, height: int = 300) -> alt.LayerChart:
    """The merge tree (disconnectivity graph): at its death, every bar is joined to the bar that it merges into.

    Arguments and result are those of :func:`barcode`.
    """
    bars = as_barcode(bars)
    rows, count = bars_frame(bars, limit)
    return describe(tree_panel(rows, selection(), bars.degree), bars, "Merge tree", count, width, height)


def diagram(bars: Barcode | Source, *, limit: int = 1000, width: int = 320, height: int = 320) -> alt.LayerChart:
    """The persistence diagram: one dot per bar at (birth, death); infinite bars are arrows on a line above all others.

    The height of a dot above the dashed line is the length of the bar.

    Arguments and result are those of :func:`barcode`.
    """
    bars = as_barcode(bars)
    rows, count = bars_frame(bars, limit)
    pick = selection()
    scale = loss_scale(rows)
    x = alt.X("birth:Q", title="birth (loss at minimum)", scale=scale)
    y = alt.Y("top:Q", title="death (loss at saddle)", scale=scale)
    low, high = scale.domain
    diagonal = alt.Chart(pd.DataFrame({"birth": [low, high], "top": [low, high], "label": ["length 0", ""]})).encode(x=x, y=y)
    opacity = alt.when(pick).then(alt.value(0.9)).otherwise(alt.value(FADED))
    dots = alt.Chart(rows).encode(x=x, y=y, tooltip=TOOLTIP, opacity=opacity)
    layers = [
        diagonal.mark_line(color=BAR, strokeDash=[4, 3]),
        diagonal.mark_text(align="left", dx=18, dy=-6, color=BAR).encode(text="label"),
        dots.mark_point(size=60, filled=True, color=SADDLE).transform_filter("!datum.infinite").add_params(pick),
        dots.mark_point(shape="triangle-up", size=110, filled=True, color=BAR).transform_filter("datum.infinite"),
    ]
    if rows["infinite"].any():
        never = alt.Chart(pd.DataFrame({"top": [rows["top"].max()], "label": [NEVER]})).encode(y=y)
        label = never.mark_text(dy=9, color=BAR).encode(x=alt.value(width / 2), text="label")
        layers[1:1] = [never.mark_rule(color=BAR, strokeWidth=0.7), label]

    return describe(layered(*layers), bars, "Persistence diagram", count, width, height)
