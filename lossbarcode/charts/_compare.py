"""Barcodes of several losses side by side, and trends from one loss to the next."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ._bars import BAR, MINIMUM, NEVER, SADDLE, end_names, ends, layered

MAX_BARS = 1600  # in one chart: more could not be told apart, and Altair refuses tables of more than 5,000 rows
HEIGHT_COLORS, SCORE_COLORS = {"birth": MINIMUM, "death": SADDLE}, {"to_score": "#009E73"}


def barcodes(table: pd.DataFrame, by: str, *, limit: int = 40, width: int = 640, height: int = 320, log: bool = False) -> alt.LayerChart:
    """Barcodes of several losses side by side: the longest bars of each, from minimum (dot) to saddle (diamond).

    Ends that have not converged are hollow: dots of minima whose gradient was not within its tolerance, and diamonds of paths that were
    still decreasing. A bar without an end is a dot under a triangle.

    Args:
        table: one row per bar, with columns ``birth`` and ``death`` (NaN or inf: no end), the column ``by``, and optionally
            ``minimum_converged``, ``both_ends_converged`` and ``saddle_evidence`` as :meth:`lossbarcode.Paths.bars_table` gives them.
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
    rows["both_ends_converged"] = rows["both_ends_converged"].astype(bool) if "both_ends_converged" in rows else True
    rows["minimum_converged"] = rows["minimum_converged"].astype(bool) if "minimum_converged" in rows else rows["both_ends_converged"]
    rows["saddle_evidence"] = rows.get("saddle_evidence", "")
    rows["name"] = rows[by].astype(str)
    rows = rows[["name", "position", "birth", "death", "length", "minimum_converged", "both_ends_converged", "saddle_evidence"]]

    labels = json.dumps([str(name) for name in names])
    axis = alt.Axis(values=[i + 0.4 for i in range(len(names))], labelExpr=f"{labels}[round(datum.value - 0.4)]", grid=False, ticks=False)
    axis.labelAngle = 0 if len(names) <= 8 else -40
    x = alt.X("position:Q", title=by.replace("_", " "), axis=axis, scale=alt.Scale(domain=[-0.1, len(names)], nice=False))
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    y = alt.Y("birth:Q", title="loss", scale=scale)
    tooltip = [
        alt.Tooltip("name:N", title=by.replace("_", " ")),
        *(alt.Tooltip(f"{field}:Q", format=".4g") for field in ("birth", "death", "length")),
        alt.Tooltip("minimum_converged:N", title="minimum converged"),
        alt.Tooltip("both_ends_converged:N", title="both ends converged"),
        alt.Tooltip("saddle_evidence:N", title="saddle evidence"),
    ]
    base = alt.Chart(rows).encode(x=x, tooltip=tooltip)
    finite = base.transform_filter("isValid(datum.death)")
    fill = {  # an end that has not converged is hollow
        column: alt.when(f"datum.{column}").then(alt.value(color)).otherwise(alt.value("white"))
        for column, color in (("minimum_converged", MINIMUM), ("both_ends_converged", SADDLE))
    }
    size = 30 if len(rows) < 200 else 14
    look: dict[str, Any] = {"strokeWidth": 1, "opacity": 1}
    low, high = end_names(0)
    chart = layered(
        finite.mark_rule(color=BAR, strokeWidth=1.5).encode(y=y, y2="death:Q"),
        ends(finite, high, size, filled=False, **look).encode(y=alt.Y("death:Q", scale=scale), fill=fill["both_ends_converged"]),
        ends(base, low, size, filled=False, **look).encode(y=y, fill=fill["minimum_converged"]),
        ends(base.transform_filter("!isValid(datum.death)"), NEVER, size, yOffset=-8, **look).encode(y=y),
    )
    count = f"{len(rows):,} of {len(table):,} bars: the {limit:,} longest of each" if left_out.any() else f"{len(rows):,} bars"
    unconverged = int((~rows["both_ends_converged"]).sum())
    subtitle = f"{count}; {unconverged:,} not converged (hollow)" if unconverged else count
    title = alt.TitleParams("Barcodes of minima", subtitle=subtitle, anchor="start")
    description = f"Barcodes by {by}: {', '.join(map(str, names))}; {subtitle}."
    return chart.properties(title=title, width=width, height=height, description=description)


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
