"""Charts of a barcode alone: the bars, the persistence diagram, the merge tree.

All three place a bar by the same table, :func:`frame`, and can share a selection, so that they also serve as the panels
of :func:`lossbarcode.charts.linked`.
"""

from __future__ import annotations

import itertools

import altair as alt
import numpy as np
import pandas as pd

from .._barcode import Barcode

MINIMUM, SADDLE, BAR = "#0072B2", "#D55E00", "#5A5A5A"
FADED = 0.2
SELECTIONS = itertools.count()
TOOLTIP = [
    alt.Tooltip("bar:Q", title="bar"),
    alt.Tooltip("birth:Q", title="birth (loss at minimum)", format=".5g"),
    alt.Tooltip("ends:N", title="death (loss at saddle)"),
    alt.Tooltip("climb:N", title="length"),
]


def selection() -> alt.Parameter:
    """A click picks a bar; a double click lets go. While nothing is picked, all count as picked."""
    # a name of its own: Altair would make one selection of equal ones when charts are put side by side, and warn
    return alt.selection_point(name=f"pick{next(SELECTIONS)}", fields=["bar"], clear="dblclick")


def frame(bars: Barcode, limit: int) -> tuple[pd.DataFrame, str]:
    """The longest ``limit`` bars as rows for charts, and a sentence that says how many of how many they are."""
    shown = bars.longest(limit)
    rows = shown.table()
    finite = np.isfinite(rows["death"])
    low, high = (rows["birth"].min(), np.fmax(rows["death"][finite].max(), rows["birth"].max())) if len(rows) else (0.0, 1.0)
    rows["top"] = rows["death"].where(finite, high + 0.1 * ((high - low) or 1.0))  # where an infinite bar leaves the picture
    rows["infinite"] = ~finite
    rows["ends"] = [f"{death:.5g}" if end else "never" for death, end in zip(rows["death"], finite, strict=True)]
    rows["climb"] = [f"{length:.5g}" if end else "infinite" for length, end in zip(rows["length"], finite, strict=True)]
    rows["bar"] = np.arange(len(rows))
    rows["place"] = tree_order(rows["parent"].to_numpy(), rows["death"].to_numpy())
    rows["parent_place"] = [rows["place"][p] if p >= 0 else np.nan for p in rows["parent"]]
    rows = rows.drop(columns=["death", "length"])  # infinities have no place in JSON
    total = f"{len(bars):,} bar{'s' * (len(bars) != 1)}"
    return rows, total if len(shown) == len(bars) else f"{len(shown):,} of {total} shown, the longest"


def tree_order(parent: np.ndarray, death: np.ndarray) -> np.ndarray:
    """Places from left to right in which no branch of the merge tree crosses another.

    Those that end in a bar stand left and right of it by turns, the first to end next to it.
    """
    order = []

    def put(bar: int) -> None:
        branches = sorted(np.flatnonzero(parent == bar).tolist(), key=lambda child: death[child])
        for branch in reversed(branches[1::2]):
            put(branch)
        order.append(bar)
        for branch in branches[::2]:
            put(branch)

    # A stack of at most as many calls as bars are shown; parents stand before their branches.
    for root in np.flatnonzero(parent < 0).tolist():
        put(root)
    return np.argsort(order).astype(int)


def loss_scale(rows: pd.DataFrame, **options) -> alt.Scale:
    """All bars with a little air around them."""
    low, high = (rows["birth"].min(), rows["top"].max()) if len(rows) else (0.0, 1.0)
    air = 0.06 * ((high - low) or 1.0)
    return alt.Scale(domain=[low - air, high + air], nice=False, **options)


def loss_axis(rows: pd.DataFrame, field: str, title: str = "loss", **options) -> alt.Y:
    return alt.Y(f"{field}:Q", title=title, scale=loss_scale(rows, **options))


def segments(rows: pd.DataFrame, place: alt.X, pick: alt.Parameter) -> list[alt.Chart]:
    """Bars with their minima, saddles and open ends, along a horizontal place."""
    base = alt.Chart(rows).encode(x=place, tooltip=TOOLTIP, opacity=alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(FADED)))
    y, top = loss_axis(rows, "birth"), loss_axis(rows, "top")
    return [
        base.mark_rule(strokeWidth=3, color=BAR).encode(y=y, y2="top:Q"),
        base.mark_point(shape="triangle-up", size=110, filled=True, color=BAR).encode(y=top).transform_filter("datum.infinite"),
        base.mark_point(shape="diamond", size=60, filled=True, color=SADDLE).encode(y=top).transform_filter("!datum.infinite"),
        base.mark_point(size=55, filled=True, color=MINIMUM).encode(y=y),
        # what the pointer meets: wider than the bar, and unseen
        alt.Chart(rows).mark_rule(strokeWidth=14, opacity=0).encode(x=place, y=y, y2="top:Q", tooltip=TOOLTIP).add_params(pick),
    ]


def no_axis(field: str, rows: pd.DataFrame, title: str) -> alt.X:
    """A horizontal order without numbers."""
    return alt.X(
        f"{field}:Q", title=title, axis=alt.Axis(labels=False, ticks=False, grid=False), scale=alt.Scale(domain=[-0.7, len(rows) - 0.3])
    )


def layered(*charts: alt.Chart | alt.LayerChart) -> alt.LayerChart:
    """Charts on top of each other. ``alt.layer`` would make facets of some, and so does not say what it returns."""
    return alt.LayerChart(layer=list(charts))


def bars_panel(rows: pd.DataFrame, pick: alt.Parameter, index: int = 0) -> alt.LayerChart:
    title = "bars, the first to be born first" if index else "minima, the lowest first"
    return layered(*segments(rows, no_axis("bar", rows, title), pick))


def tree_panel(rows: pd.DataFrame, pick: alt.Parameter) -> alt.LayerChart:
    place = no_axis("place", rows, "minima, each beside what it merges into")
    joints = (
        alt.Chart(rows)
        .mark_rule(strokeWidth=1.5, color=BAR)
        .encode(
            x=place,
            x2="parent_place:Q",
            y=loss_axis(rows, "top"),
            opacity=alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(FADED)),
        )
        .transform_filter("!datum.infinite")
    )
    return layered(joints, *segments(rows, place, pick))


def describe(chart: alt.LayerChart, bars: Barcode, kind: str, count: str, width: int, height: int) -> alt.LayerChart:
    """Title, size and a text for those who cannot see the chart."""
    title = alt.TitleParams(kind, subtitle=[text for text in (bars.name, count) if text], anchor="start")
    return chart.properties(title=title, width=width, height=height, description=f"{kind} of {bars.name or 'a loss'}: {count}.")


def barcode(bars: Barcode, *, limit: int = 50, width: int = 420, height: int = 300) -> alt.LayerChart:
    """The bars over the axis of the loss, each from its minimum (dot) up to its saddle (diamond).

    Args:
        bars: what to draw.
        limit: the most bars to show, the longest; the subtitle says of how many.
        width, height: of the drawing, in pixels.

    Returns:
        A chart in which a click on a bar picks it.

    Source:
        The papers draw barcodes like this: :cite:t:`barannikov2023barcodes`.

    Example:
        >>> import lossbarcode as lb
        >>> bars = lb.barcode(lb.basins(lb.sample(lb.functions.HumpCamel6(), 10_000)))
        >>> lb.charts.barcode(bars).save("barcode.html")  # doctest: +SKIP
    """
    rows, count = frame(bars, limit)
    kind = f"Barcode of index {bars.index}" if bars.index else "Barcode of minima"
    return describe(bars_panel(rows, selection(), bars.index), bars, kind, count, width, height)


def merge_tree(bars: Barcode, *, limit: int = 50, width: int = 420, height: int = 300) -> alt.LayerChart:
    """The merge tree (disconnectivity graph): every bar joined, where it ends, to the bar it ends in.

    Args and returns as :func:`barcode`.
    """
    rows, count = frame(bars, limit)
    return describe(tree_panel(rows, selection()), bars, "Merge tree", count, width, height)


def diagram(bars: Barcode, *, limit: int = 1000, width: int = 320, height: int = 320) -> alt.LayerChart:
    """The persistence diagram: a dot a bar at (birth, death), infinite ones on a line of their own.

    Args and returns as :func:`barcode`.
    """
    rows, count = frame(bars, limit)
    pick = selection()
    scale = loss_scale(rows)
    x = alt.X("birth:Q", title="birth (loss at minimum)", scale=scale)
    y = alt.Y("top:Q", title="death (loss at saddle)", scale=scale)
    ends = pd.DataFrame({"birth": scale.domain, "top": scale.domain})
    shade = alt.when(pick).then(alt.value(0.9)).otherwise(alt.value(FADED))
    dots = alt.Chart(rows).encode(x=x, y=y, tooltip=TOOLTIP, opacity=shade)
    layers = [
        alt.Chart(ends).mark_line(color=BAR, strokeDash=[4, 3]).encode(x=x, y=y),
        dots.mark_point(size=60, filled=True, color=SADDLE).transform_filter("!datum.infinite").add_params(pick),
        dots.mark_point(shape="triangle-up", size=110, filled=True, color=BAR).transform_filter("datum.infinite"),
    ]
    if rows["infinite"].any():
        never = alt.Chart(pd.DataFrame({"top": [rows["top"].max()], "says": ["never"]})).encode(y=y)
        says = never.mark_text(align="right", dx=-4, dy=9, color=BAR).encode(x=alt.value(width), text="says")
        layers[1:1] = [never.mark_rule(color=BAR, strokeWidth=0.7), says]

    return describe(layered(*layers), bars, "Persistence diagram", count, width, height)
