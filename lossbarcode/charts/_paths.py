"""Paths between minima: the loss along them, and which of them end a bar."""

from __future__ import annotations

import warnings

import altair as alt
import numpy as np
import pandas as pd

from ..barcodes._read_off import read_off
from ..transition._paths import Paths
from ._bars import BAR, MAX_ROWS, MINIMUM, SADDLE, check_record, layered

KINDS = {"ends a bar": SADDLE, "ends none": BAR}
DASHES = {"as it is": [1, 0], "before": [5, 3]}
TOOLTIP = [
    alt.Tooltip("path:N", title="minima"),
    alt.Tooltip("losses:N", title="losses there"),
    alt.Tooltip("height:Q", title="highest loss", format=".5g"),
    alt.Tooltip("bar:N", title="ends"),
    alt.Tooltip("saddle_evidence:N", title="saddle evidence"),
]


def path_profiles(paths: Paths, *, before: Paths | None = None, limit: int = 30, width: int = 480, height: int = 300) -> alt.LayerChart:
    """The loss along paths, from minimum to minimum, with those marked at whose highest point a bar ends.

    One path, chosen from a list or by a click, is drawn thick and named. At first it is the one that ends the longest bar.

    Args:
        paths: what to draw; the loss is drawn at the images of each path.
        before: earlier paths of the same pairs, drawn dashed; ``connect(..., max_rounds=0, initial_images=51)`` gives the straight lines.
        limit: the largest number of paths to show: first those that end the longest bars, then the lowest; the subtitle says how many of
            how many. At most 4,500 images are drawn, those of ``before`` included.
        width, height: size of the drawing, in pixels.

    Raises:
        ValueError: if ``before`` joins other pairs, or a path has more images than can be drawn.

    Example:
        >>> import torch, lossbarcode as lb
        >>> camel = lb.functions.SixHumpCamel()
        >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).deduplicate(1e-3)
        >>> straight, paths = (lb.connect(camel, minima, max_rounds=rounds) for rounds in (0, 16))
        >>> lb.charts.path_profiles(paths, before=straight).save("profiles.html", inline=True)  # doctest: +SKIP
    """
    check_record(paths, Paths, "paths", "lb.connect(loss, minima)")
    if before is not None and before.pairs.tolist() != paths.pairs.tolist():
        raise ValueError(f"before: expected the {len(paths)} pairs of the paths, got {len(before)} pairs, not all of them the same")
    together = [paths] if before is None else [paths, before]
    images = sum(each.values.shape[1] for each in together)
    if images > MAX_ROWS:
        raise ValueError(f"path_profiles: expected at most {MAX_ROWS:,} images per path, got {images:,}; connect with fewer")
    table = paths_frame(paths).head(min(limit, MAX_ROWS // images))
    shown, names = table["row"].tolist(), table["path"].tolist()
    rows = pd.concat(images_frame(each, shown, names).assign(when=when) for each, when in zip(together, DASHES, strict=False))
    labels = [name if bar == "no bar" else f"{name}, ends {bar}" for name, bar in zip(names, table["bar"], strict=True)]
    choice = alt.binding_select(options=names, labels=labels, name="path ")
    pick = alt.selection_point(name="path", fields=["path"], bind=choice, value=[{"path": names[0]}], on="line:click", clear=False)

    x = alt.X("fraction:Q", title="fraction of the path's length", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False))
    color = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=list(KINDS), range=list(KINDS.values())),
        legend=alt.Legend(title="path", orient="bottom", symbolType="stroke", symbolOpacity=1),
    )
    dash = alt.StrokeDash(
        "when:N",
        scale=alt.Scale(domain=list(DASHES), range=list(DASHES.values())),
        legend=None if before is None else alt.Legend(title="the chosen path", orient="bottom", symbolType="stroke"),
    )
    about = alt.LookupData(table, "path", ["losses", "height", "bar", "kind", "label", "saddle_evidence"])
    line = alt.Chart(rows).transform_lookup("path", from_=about).encode(x=x, y=y, detail="path:N", order="fraction:Q")
    now = line.transform_filter("datum.when == 'as it is'")
    chosen, top = line.transform_filter(pick), now.transform_filter("datum.top")
    chart = layered(
        now.mark_line(strokeWidth=1).encode(
            color=color, opacity=alt.when("datum.kind == 'ends a bar'").then(alt.value(0.8)).otherwise(alt.value(0.35))
        ),
        chosen.mark_line(strokeWidth=2.5).encode(color=color, strokeDash=dash),
        top.transform_filter("datum.kind == 'ends a bar'").mark_point(shape="diamond", color=SADDLE, filled=True, opacity=1, size=40),
        top.transform_filter(pick).mark_point(shape="diamond", filled=True, opacity=1, size=90).encode(color=color),
        top.transform_filter(pick).mark_text(dy=-12, fontWeight="bold").encode(text="label:N"),
        chosen.transform_filter("datum.fraction == 0 || datum.fraction == 1").mark_point(color=MINIMUM, filled=True, opacity=1, size=60),
        # An invisible wider line takes the clicks and shows the tooltip.
        now.mark_line(opacity=0, strokeWidth=10).encode(tooltip=TOOLTIP).add_params(pick),
    )
    total = f"{len(paths):,} path{'s' * (len(paths) != 1)}"
    count = total if len(names) == len(paths) else f"{len(names):,} of {total}: those that end the longest bars, then the lowest"
    title = alt.TitleParams("Loss along paths", subtitle=[text for text in (paths.name, count) if text], anchor="start")
    return chart.properties(title=title, width=width, height=height, description=f"Loss along paths of {paths.name or 'a loss'}: {count}.")


def paths_frame(paths: Paths) -> pd.DataFrame:
    """One row per path: first those at whose highest point a bar ends, the longest bar first, then the others, the lowest first."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the graph has")  # a few paths may be drawn, too
        bars = read_off(paths)
    number = np.arange(len(bars))[bars.is_finite.cpu().numpy()]
    ends = dict(zip((bars.saddle_row.cpu().numpy()[number] // paths.values.shape[1]).tolist(), number.tolist(), strict=True))
    heights, length = paths.heights.double().cpu().numpy(), bars.length.double().cpu().numpy()
    bar = np.array([ends.get(row, -1) for row in range(len(paths))])
    table = pd.DataFrame({"row": np.arange(len(paths)), "height": heights, "length": np.where(bar >= 0, length[bar], -1.0)})
    table["path"] = [f"{a} to {b}" for a, b in paths.pairs.tolist()]
    table["losses"] = [f"{a:.5g} and {b:.5g}" for a, b in paths.minima.values[paths.pairs].tolist()]
    table["bar"] = np.where(bar >= 0, [f"bar {number}" for number in bar], "no bar")
    table["kind"] = np.where(bar >= 0, *KINDS)
    table["label"] = np.where(bar >= 0, table["path"] + " ends " + table["bar"], table["path"])
    table["saddle_evidence"] = [evidence.value for evidence in paths.saddle_evidence]
    return table.sort_values(["length", "height"], ascending=[False, True], kind="stable").drop(columns="length")


def images_frame(paths: Paths, shown: list[int], names: list[str]) -> pd.DataFrame:
    """The images of some paths as rows for charts: fraction of the path's length, loss, and whether the image is the highest."""
    points, values = paths.points[shown].double().cpu(), paths.values[shown].double().cpu()
    travelled = (points[:, 1:] - points[:, :-1]).norm(dim=2).cumsum(1).numpy()
    fraction = np.concatenate([np.zeros_like(travelled[:, :1]), travelled / travelled[:, -1:].clip(min=1e-300)], 1)
    fraction[:, -1] = 1
    top = values.argmax(1, keepdim=True).numpy() == np.arange(values.shape[1])
    columns = {"path": np.repeat(names, values.shape[1]), "fraction": fraction.ravel()}
    return pd.DataFrame({**columns, "loss": values.numpy().ravel(), "top": top.ravel()})
