"""Barcodes of several losses side by side, and what changes from one to the next."""

from __future__ import annotations

import json

import altair as alt
import numpy as np
import pandas as pd

from ._bars import BAR, MINIMUM, SADDLE, layered

MOST = 1600  # bars in a chart; Altair takes 5,000 rows
HEIGHTS, SCORE = {"birth": MINIMUM, "death": SADDLE}, {"to_score": "#009E73"}


def barcodes(table: pd.DataFrame, by: str, *, limit: int = 40, width: int = 640, height: int = 320, log: bool = False) -> alt.LayerChart:
    """Barcodes of several losses side by side: for each the longest bars, from minimum (dot) to saddle (diamond).

    Ends that are not converged are hollow: minima that were not reached, and paths that still sank. Bars without an end are dots with
    an arrow.

    Args:
        table: a row a bar, with columns ``birth`` and ``death`` (NaN or inf: no end), the column ``by``, and perhaps ``reached``,
            ``kind`` as :func:`lossbarcode.evidence` gives them.
        by: column whose values are put side by side, in the order in which they come.
        limit: the most bars of each, the longest; the subtitle says where some were left out.
        width, height: of the drawing, in pixels.
        log: a logarithmic axis of the loss.

    Raises:
        ValueError: if the table has no rows, or lacks a column.

    Example:
        >>> import pandas as pd, lossbarcode as lb
        >>> def bars_of(f):
        ...     return lb.barcode(lb.basins(lb.sample(f, 10_000))).table().assign(function=f.name)
        >>> table = pd.concat([bars_of(lb.functions.HumpCamel6()), bars_of(lb.functions.HumpCamel3())])
        >>> lb.charts.barcodes(table, "function").save("barcodes.html")  # doctest: +SKIP
    """
    missing = [name for name in ("birth", "death", by) if name not in table]
    if missing or not len(table):
        raise ValueError(f"table: expected rows with birth, death and {by}, got {len(table)} rows without {missing or 'any'}")
    names = list(dict.fromkeys(table[by]))
    limit = min(limit, max(1, MOST // len(names)))
    rows = table.assign(death=table["death"].replace(np.inf, np.nan))
    rows["length"] = rows["death"] - rows["birth"]
    rows["rank"] = rows.groupby(by)["length"].rank(ascending=False, method="first", na_option="top")
    cut = rows["rank"] > limit
    rows = rows.loc[~cut].sort_values("birth", kind="stable")
    group = rows[by].map({name: i for i, name in enumerate(names)})
    counts = rows.groupby(by)["birth"].transform("size")
    rows["place"] = group + (rows.groupby(by).cumcount() + 0.5) / counts.clip(lower=4) * 0.8
    rows["converged"] = rows["converged"].astype(bool) if "converged" in rows else True
    rows["reached"] = rows["reached"].astype(bool) if "reached" in rows else rows["converged"]
    rows["kind"] = rows.get("kind", "")
    rows["name"] = rows[by].astype(str)
    rows = rows[["name", "place", "birth", "death", "length", "reached", "converged", "kind"]]

    labels = json.dumps([str(name) for name in names])
    axis = alt.Axis(values=[i + 0.4 for i in range(len(names))], labelExpr=f"{labels}[round(datum.value - 0.4)]", grid=False, ticks=False)
    axis.labelAngle = 0 if len(names) <= 8 else -40
    x = alt.X("place:Q", title=by.replace("_", " "), axis=axis, scale=alt.Scale(domain=[-0.1, len(names)], nice=False))
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    y = alt.Y("birth:Q", title="loss", scale=scale)
    tooltip = [
        alt.Tooltip("name:N", title=by.replace("_", " ")),
        *(alt.Tooltip(f"{field}:Q", format=".4g") for field in ("birth", "death", "length")),
        alt.Tooltip("converged:N"),
        alt.Tooltip("kind:N", title="upper end"),
    ]
    base = alt.Chart(rows).encode(x=x, tooltip=tooltip)
    ends = base.transform_filter("isValid(datum.death)")

    def filled(known, color):
        return alt.when(f"datum.{known}").then(alt.value(color)).otherwise(alt.value("white"))

    size = 30 if len(rows) < 200 else 14
    chart = layered(
        ends.mark_rule(color=BAR, strokeWidth=1.5).encode(y=y, y2="death:Q"),
        ends.mark_point(shape="diamond", size=size, stroke=SADDLE, strokeWidth=1, opacity=1).encode(
            y=alt.Y("death:Q", scale=scale), fill=filled("converged", SADDLE)
        ),
        base.mark_point(shape="circle", size=size, stroke=MINIMUM, strokeWidth=1, opacity=1).encode(y=y, fill=filled("reached", MINIMUM)),
        base.mark_text(text="↑", dy=-10, color=BAR).encode(y=y).transform_filter("!isValid(datum.death)"),
    )
    count = f"{len(rows):,} bars" if not cut.any() else f"{len(rows):,} of {len(table):,} bars shown, the longest of each"
    open_ends = int((~rows["converged"]).sum())
    said = f"{count}; {open_ends:,} not converged (hollow)" if open_ends else count
    title = alt.TitleParams("Barcodes of minima", subtitle=said, anchor="start")
    return chart.properties(title=title, width=width, height=height, description=f"Barcodes by {by}: {', '.join(map(str, names))}; {said}.")


def trends(runs: pd.DataFrame, along: str, *, by: str | None = None, width: int = 270, height: int = 260) -> alt.HConcatChart:
    """How births, deaths and TO-scores change along a column: a point a run, a line through the means of repetitions.

    The axes of losses are logarithmic; the subtitle says how many numbers are left out because they are not positive.

    Args:
        runs: a row a run, as :func:`lossbarcode.experiments.summary` makes them, with columns ``birth``, ``death`` and ``to_score``.
        along: column of numbers, on the axis.
        by: column whose values get lines of their own.
        width, height: of each of the two drawings, in pixels.

    Raises:
        ValueError: if the table has no rows, or lacks a column.

    Example:
        >>> import pandas as pd, lossbarcode as lb
        >>> runs = pd.DataFrame({"layers": [1, 2, 4], "birth": [0.3, 0.2, 0.1], "death": [0.9, 0.7, 0.5], "to_score": [0.6, 0.5, 0.4]})
        >>> lb.charts.trends(runs, "layers").save("trends.html")  # doctest: +SKIP
    """
    columns = [*HEIGHTS, *SCORE, along, *([by] if by else [])]
    missing = [name for name in columns if name not in runs]
    if missing or not len(runs):
        raise ValueError(f"runs: expected rows with {', '.join(columns)}, got {len(runs)} rows without {missing or 'any'}")
    rows = runs[columns].melt(id_vars=columns[3:], var_name="what", value_name="loss").dropna()
    values = sorted(runs[along].unique().tolist())

    def panel(colors: dict[str, str], title: str) -> alt.LayerChart:
        own = rows[rows["what"].isin(list(colors))]
        left_out = int((own["loss"] <= 0).sum())
        y = alt.Scale(type="log", nice=False, padding=12)
        base = alt.Chart(own[own["loss"] > 0]).encode(
            x=alt.X(f"{along}:Q", scale=alt.Scale(zero=False, nice=False, padding=12), axis=alt.Axis(values=values, format="~g")),
            color=alt.Color(
                "what:N", scale=alt.Scale(domain=list(colors), range=list(colors.values())), title=None, legend=alt.Legend(orient="bottom")
            ),
        )
        dash = {"strokeDash": alt.StrokeDash(f"{by}:N", legend=alt.Legend(orient="bottom", symbolType="stroke"))} if by else {}
        tooltip = [*columns[3:], "what", alt.Tooltip("loss:Q", format=".4g")]
        head = alt.TitleParams(title, subtitle=f"{left_out} not positive, left out" if left_out else "")
        return layered(
            base.mark_line().encode(y=alt.Y("mean(loss):Q", scale=y, title="loss"), **dash),
            base.mark_point(size=25).encode(y=alt.Y("loss:Q", scale=y), tooltip=tooltip),
        ).properties(width=width, height=height, title=head)

    chart = alt.hconcat(panel(HEIGHTS, "Heights of both ends"), panel(SCORE, "TO-score"))
    return chart.resolve_scale(color="independent").properties(description=f"Births, deaths and TO-scores of {len(runs)} runs by {along}.")
