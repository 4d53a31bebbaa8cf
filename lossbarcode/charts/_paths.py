"""Paths between minima: the loss along them."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from .._paths import Paths
from ._bars import BAR, MINIMUM, SADDLE, layered

MOST_PLACES = 4500  # Altair takes 5,000 rows


def profiles(paths: Paths, *, before: Paths | None = None, limit: int = 30, width: int = 480, height: int = 300) -> alt.LayerChart:
    """The loss along paths, from minimum to minimum; one of them, to be picked from a list, stands out.

    Args:
        paths: what to draw, at their images.
        before: the same pairs earlier, dashed; straight lines are ``connect(..., rounds=0, images=51)``.
        limit: the most paths to show, the lowest; the subtitle says of how many. At most 4,500 images are drawn, of both together.
        width, height: of the drawing, in pixels.

    Raises:
        ValueError: if ``before`` joins other pairs, or a path has more images than can be drawn.

    Example:
        >>> import torch, lossbarcode as lb
        >>> camel = lb.functions.HumpCamel6()
        >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).distinct(1e-3)
        >>> straight, paths = (lb.connect(camel, minima, rounds=rounds) for rounds in (0, 16))
        >>> lb.charts.profiles(paths, before=straight).save("profiles.html")  # doctest: +SKIP
    """
    if before is not None and before.pairs.tolist() != paths.pairs.tolist():
        raise ValueError(f"before: expected the {len(paths)} pairs of the paths, got {len(before)} pairs of which some are others")
    together = [paths] if before is None else [paths, before]
    images = sum(each.values.shape[1] for each in together)
    if images > MOST_PLACES:
        raise ValueError(f"profiles: expected at most {MOST_PLACES:,} images a path, got {images:,}; connect with fewer")
    limit = min(limit, MOST_PLACES // images)
    lowest = paths.saddle.argsort(stable=True)[:limit].tolist()
    names = [f"{a} to {b}" for a, b in paths.pairs[lowest].tolist()]
    rows = pd.concat(along(each, lowest, names).assign(when=when) for each, when in zip(together, ("now", "before"), strict=False))
    choice = alt.binding_select(options=names, name="path ")
    pick = alt.selection_point(name="path", fields=["path"], bind=choice, value=[{"path": names[-1]}])
    x = alt.X("part:Q", title="part of the path's length", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False))
    line = alt.Chart(rows).encode(x=x, y=y, detail="path:N", order="part:Q")
    tooltip = [alt.Tooltip("path:N"), alt.Tooltip("loss:Q", title="highest loss", format=".5g"), alt.Tooltip("kind:N")]
    chart = layered(
        line.mark_line(color=BAR, opacity=0.25, strokeWidth=1).transform_filter("datum.when == 'now'"),
        line.mark_line(color=BAR, strokeDash=[5, 3], strokeWidth=1.5).transform_filter("datum.when == 'before'").transform_filter(pick),
        line.mark_line(color=SADDLE, strokeWidth=2.5).transform_filter("datum.when == 'now'").transform_filter(pick),
        line.mark_point(color=MINIMUM, filled=True, opacity=1, size=60)
        .transform_filter("datum.part == 0 || datum.part == 1")
        .transform_filter(pick),
        line.mark_point(shape="diamond", color=SADDLE, filled=True, opacity=1, size=80)
        .encode(tooltip=tooltip)
        .transform_filter("datum.top")
        .transform_filter(pick),
    ).add_params(pick)
    total = f"{len(paths):,} path{'s' * (len(paths) != 1)}"
    count = total if len(names) == len(paths) else f"{len(names):,} of {total} shown, the lowest"
    title = alt.TitleParams("Loss along paths", subtitle=[text for text in (paths.name, count) if text], anchor="start")
    return chart.properties(title=title, width=width, height=height, description=f"Loss along paths of {paths.name or 'a loss'}: {count}.")


def along(paths: Paths, shown: list[int], names: list[str]) -> pd.DataFrame:
    """Images of some paths as rows: where on the path's length, how high, and whether it is the highest."""
    points, values = paths.points[shown].double().cpu(), paths.values[shown].double().cpu()
    reached = (points[:, 1:] - points[:, :-1]).norm(dim=2).cumsum(1).numpy()
    part = np.concatenate([np.zeros_like(reached[:, :1]), reached / reached[:, -1:].clip(min=1e-300)], 1)
    part[:, -1] = 1
    top = values.argmax(1, keepdim=True).numpy() == np.arange(values.shape[1])
    count = values.shape[1]
    kinds = [paths.kind[row] for row in shown]
    columns = {"path": np.repeat(names, count), "kind": np.repeat(kinds, count)}
    return pd.DataFrame({**columns, "part": part.ravel(), "loss": values.numpy().ravel(), "top": top.ravel()})
