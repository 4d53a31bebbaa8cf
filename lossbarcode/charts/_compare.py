"""Barcodes of several losses side by side, and trends from one loss to the next."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ..transition._evidence import EndEvidence
from ._bars import BAR, MINIMUM, NEVER, SADDLE, end_names, layered

MAX_BARS = 1600  # in one chart: more could not be told apart, and Altair refuses tables of more than 5,000 rows
HEIGHT_COLORS, SCORE_COLORS = {"birth": MINIMUM, "death": SADDLE}, {"to_score": "#009E73"}
FOUND, END = end_names(0)
NOT_REACHED = "minimum not reached"
LOOKS = {  # stroke, fill and shape of what is at the ends of bars; what is not known is hollow
    FOUND: (MINIMUM, MINIMUM, "circle"),
    NOT_REACHED: (MINIMUM, "white", "circle"),
    END: (SADDLE, SADDLE, "diamond"),
    EndEvidence.PROVEN.value: (SADDLE, SADDLE, "diamond"),
    EndEvidence.BOTH_SIDES.value: (SADDLE, "#F2BF99", "diamond"),
    EndEvidence.ABOVE.value: (SADDLE, "white", "diamond"),
    EndEvidence.UNKNOWN.value: (BAR, "white", "triangle-up"),
    NEVER: (BAR, BAR, "triangle-up"),
}


def barcodes(table: pd.DataFrame, by: str, *, limit: int = 40, width: int = 640, height: int = 320, log: bool = False) -> alt.LayerChart:
    """Barcodes of several losses side by side: the longest bars of each, from minimum (dot) to saddle (diamond).

    A bar without an end is a dot under a triangle. Where the table tells what is known of the ends, only those are full that are known:
    dots of minima whose gradient is within its tolerance, diamonds of proven saddles, and the triangle of the bar that never ends.
    A diamond is pale if the end is bounded on both sides, and hollow if it is bounded above only; a triangle is hollow if the end is
    unknown. Without these columns all are full, and nothing is said.

    Args:
        table: one row per bar, with columns ``birth`` and ``death`` (NaN or inf: no end), the column ``by``, and optionally
            ``minimum_reached`` and ``end_evidence`` (:class:`lossbarcode.EndEvidence`; missing: never ends), and for the text at the
            mouse ``quiet`` and ``saddle_evidence``, as :meth:`lossbarcode.Paths.bars_table` gives them.
        by: the column that tells the losses apart; they are put side by side in the order in which its values first appear.
        limit: the largest number of bars per loss; the longest are shown, and the subtitle says how many of how many.
        width, height: size of the drawing, in pixels.
        log: whether the axis of the loss is logarithmic.

    Raises:
        ValueError: if the table has no rows, or lacks a column.

    Example:
        >>> import pandas as pd, lossbarcode as lb
        >>> camels = [lb.functions.SixHumpCamel(), lb.functions.ThreeHumpCamel()]
        >>> table = pd.concat([lb.barcode(camel, n=10_000).table().assign(function=camel.name) for camel in camels])
        >>> lb.charts.barcodes(table, "function").save("barcodes.html", inline=True)  # doctest: +SKIP
    """
    missing = [name for name in ("birth", "death", by) if name not in table]
    if missing or not len(table):
        raise ValueError(f"table: expected rows with birth, death and {by}, got {len(table)} rows without {missing or 'any'}")
    names = list(dict.fromkeys(table[by]))
    limit = min(limit, max(1, MAX_BARS // len(names)))
    rows = table.assign(death=table["death"].replace(np.inf, np.nan))
    rows["length"] = rows["death"] - rows["birth"]
    rows["rank"] = rows.groupby(by)["length"].rank(ascending=False, method="first", na_option="top")
    left_out = rows["rank"] > limit
    rows = rows.loc[~left_out].sort_values("birth", kind="stable")
    group = rows[by].map({name: i for i, name in enumerate(names)})
    counts = rows.groupby(by)["birth"].transform("size")
    rows["position"] = group + (rows.groupby(by).cumcount() + 0.5) / counts.clip(lower=4) * 0.8
    never = rows["death"].isna()
    ends = pd.Series(np.where(never, NEVER, END), index=rows.index)
    rows["end"] = rows["end_evidence"].astype(object).fillna(ends) if "end_evidence" in rows else ends
    reached = rows["minimum_reached"].astype(bool) if "minimum_reached" in rows else True
    rows["found"] = np.where(reached, FOUND, NOT_REACHED)
    rows["name"] = rows[by].astype(str)
    details = [name for name in ("quiet", "saddle_evidence") if name in rows]
    known = "end_evidence" in rows
    rows = rows[["name", "position", "birth", "death", "length", "found", "end", *details]]

    labels = json.dumps([str(name) for name in names])
    axis = alt.Axis(values=[i + 0.4 for i in range(len(names))], labelExpr=f"{labels}[round(datum.value - 0.4)]", grid=False, ticks=False)
    axis.labelAngle = 0 if len(names) <= 8 else -40
    x = alt.X("position:Q", title=by.replace("_", " "), axis=axis, scale=alt.Scale(domain=[-0.1, len(names)], nice=False))
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    y = alt.Y("birth:Q", title="loss", scale=scale)
    tooltip = [
        alt.Tooltip("name:N", title=by.replace("_", " ")),
        *(alt.Tooltip(f"{field}:Q", format=".4g") for field in ("birth", "death", "length")),
        *(alt.Tooltip(f"{field}:N", title=field.replace("_", " ")) for field in ("found", "end", *details)),
    ]
    base = alt.Chart(rows).encode(x=x, tooltip=tooltip)
    finite, open_ = base.transform_filter("isValid(datum.death)"), base.transform_filter("!isValid(datum.death)")
    legend = alt.Legend(
        orient="bottom", title=None, symbolOpacity=1, values=[name for name in LOOKS if (rows[["found", "end"]] == name).any(axis=None)]
    )
    channels = [
        channel("kind:N", scale=alt.Scale(domain=list(LOOKS), range=list(looks)), legend=legend)
        for channel, looks in zip((alt.Stroke, alt.Fill, alt.Shape), zip(*LOOKS.values(), strict=True), strict=True)
    ]
    size = 30 if len(rows) < 200 else 14

    def marks(chart: alt.Chart, field: str, **look: Any) -> alt.Chart:
        point = chart.transform_calculate(kind=f"datum.{field}").mark_point(size=size, strokeWidth=1, opacity=1, **look)
        return point.encode(*channels)

    chart = layered(
        finite.mark_rule(color=BAR, strokeWidth=1.5).encode(y=y, y2="death:Q"),
        marks(finite, "end").encode(y=alt.Y("death:Q", scale=scale)),
        marks(base, "found").encode(y=y),
        marks(open_, "end", yOffset=-8).encode(y=y),
    )
    texts = [f"{len(rows):,} of {len(table):,} bars: the {limit:,} longest of each" if left_out.any() else counted(len(rows), "bar")]
    if known:
        texts.append(
            f"{int((rows['end'] == EndEvidence.PROVEN.value).sum()):,} of {counted(int((rows['end'] != NEVER).sum()), 'end')} proven"
        )
    if (rows["found"] == NOT_REACHED).any():
        texts.append(f"{counted(int((rows['found'] == NOT_REACHED).sum()), 'minimum', 'minima')} not reached")
    subtitle = "; ".join(texts)
    title = alt.TitleParams("Barcodes of minima", subtitle=subtitle, anchor="start")
    description = f"Barcodes by {by}: {', '.join(map(str, names))}; {subtitle}."
    return chart.properties(title=title, width=width, height=height, description=description)


def counted(count: int, one: str, more: str | None = None) -> str:
    """The number with its noun."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def trends(runs: pd.DataFrame, along: str, *, by: str | None = None, width: int = 270, height: int = 260) -> alt.HConcatChart:
    """How births, deaths and TO-scores change along a column: one point per run, and a line through the means of repeated runs.

    The axes of the loss are logarithmic; the subtitle says how many numbers are left out because they are not positive.

    Args:
        runs: one row per run, with columns ``birth``, ``death`` and ``to_score``, and the columns named below.
        along: a column of numbers, which becomes the horizontal axis.
        by: a column for whose values separate lines are drawn.
        width, height: size of each of the two drawings, in pixels.

    Raises:
        ValueError: if the table has no rows, or lacks a column.

    Example:
        >>> import pandas as pd, lossbarcode as lb
        >>> runs = pd.DataFrame({"layers": [1, 2, 4], "birth": [0.3, 0.2, 0.1], "death": [0.9, 0.7, 0.5], "to_score": [0.6, 0.5, 0.4]})
        >>> lb.charts.trends(runs, "layers").save("trends.html", inline=True)  # doctest: +SKIP
    """
    columns = [*HEIGHT_COLORS, *SCORE_COLORS, along, *([by] if by else [])]
    missing = [name for name in columns if name not in runs]
    if missing or not len(runs):
        raise ValueError(f"runs: expected rows with {', '.join(columns)}, got {len(runs)} rows without {missing or 'any'}")
    rows = runs[columns].melt(id_vars=columns[3:], var_name="quantity", value_name="loss").dropna()
    values = sorted(runs[along].unique().tolist())

    def panel(colors: dict[str, str], title: str, axis: str) -> alt.LayerChart:
        own = rows[rows["quantity"].isin(list(colors))]
        left_out = int((own["loss"] <= 0).sum())
        scale = alt.Scale(type="log", nice=False, padding=12)
        color_scale = alt.Scale(domain=list(colors), range=list(colors.values()))
        base = alt.Chart(own[own["loss"] > 0]).encode(
            x=alt.X(
                f"{along}:Q",
                title=along.replace("_", " "),
                scale=alt.Scale(zero=False, nice=False, padding=12),
                axis=alt.Axis(values=values, format="~g"),
            ),
            color=alt.Color("quantity:N", scale=color_scale, title=None, legend=alt.Legend(orient="bottom") if len(colors) > 1 else None),
        )
        legend = alt.Legend(title=by.replace("_", " "), orient="bottom", symbolType="stroke") if by else None
        dash = {"strokeDash": alt.StrokeDash(f"{by}:N", legend=legend)} if by else {}
        tooltip = [*columns[3:], "quantity", alt.Tooltip("loss:Q", format=".4g")]
        heading = alt.TitleParams(title, subtitle=f"{left_out} not positive, left out" if left_out else "")
        return layered(
            base.mark_line().encode(y=alt.Y("mean(loss):Q", scale=scale, title=axis), **dash),
            base.mark_point(size=25).encode(y=alt.Y("loss:Q", scale=scale, title=axis), tooltip=tooltip),
        ).properties(width=width, height=height, title=heading)

    heights = panel(HEIGHT_COLORS, "Births and deaths", "loss")
    chart = alt.hconcat(heights, panel(SCORE_COLORS, "TO-score", "TO-score, in the unit of the loss"))
    return chart.resolve_scale(color="independent").properties(description=f"Births, deaths and TO-scores of {len(runs)} runs by {along}.")
