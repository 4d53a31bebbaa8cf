"""Paths between minima: the loss along them."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from ..transition._paths import Paths
from ._bars import BAR, MAX_ROWS, MINIMUM, SADDLE, layered


def path_profiles(paths: Paths, *, before: Paths | None = None, limit: int = 30, width: int = 480, height: int = 300) -> alt.LayerChart:
    """The loss along paths, from minimum to minimum; one of them, chosen from a list, is highlighted.

    Args:
        paths: what to draw; the loss is drawn at the images of each path.
        before: earlier paths of the same pairs, drawn dashed; ``connect(..., max_rounds=0, initial_images=51)`` gives the straight lines.
        limit: the largest number of paths to show; the lowest are shown, and the subtitle says how many of how many. At most 4,500
            images are drawn, those of ``before`` included.
        width, height: size of the drawing, in pixels.

    Raises:
        ValueError: if ``before`` joins other pairs, or a path has more images than can be drawn.

    Example:
        >>> import torch, lossbarcode as lb
        >>> camel = lb.functions.SixHumpCamel()
        >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).deduplicate(1e-3)
        >>> straight, paths = (lb.connect(camel, minima, max_rounds=rounds) for rounds in (0, 16))
        >>> lb.charts.path_profiles(paths, before=straight).save("profiles.html")  # doctest: +SKIP
    """
    if before is not None and before.pairs.tolist() != paths.pairs.tolist():
        raise ValueError(f"before: expected the {len(paths)} pairs of the paths, got {len(before)} pairs, not all of them the same")
    together = [paths] if before is None else [paths, before]
    images = sum(each.values.shape[1] for each in together)
    if images > MAX_ROWS:
        raise ValueError(f"path_profiles: expected at most {MAX_ROWS:,} images per path, got {images:,}; connect with fewer")
    limit = min(limit, MAX_ROWS // images)
    lowest = paths.heights.argsort(stable=True)[:limit].tolist()
    names = [f"{a} to {b}" for a, b in paths.pairs[lowest].tolist()]
    rows = pd.concat(images_frame(each, lowest, names).assign(when=when) for each, when in zip(together, ("now", "before"), strict=False))
    choice = alt.binding_select(options=names, name="path ")
    pick = alt.selection_point(name="path", fields=["path"], bind=choice, value=[{"path": names[-1]}])
    x = alt.X("fraction:Q", title="fraction of the path's length", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False))
    line = alt.Chart(rows).encode(x=x, y=y, detail="path:N", order="fraction:Q")
    tooltip = [
        alt.Tooltip("path:N"),
        alt.Tooltip("loss:Q", title="highest loss", format=".5g"),
        alt.Tooltip("saddle_evidence:N", title="saddle evidence"),
    ]
    chart = layered(
        line.mark_line(color=BAR, opacity=0.25, strokeWidth=1).transform_filter("datum.when == 'now'"),
        line.mark_line(color=BAR, strokeDash=[5, 3], strokeWidth=1.5).transform_filter("datum.when == 'before'").transform_filter(pick),
        line.mark_line(color=SADDLE, strokeWidth=2.5).transform_filter("datum.when == 'now'").transform_filter(pick),
        line.mark_point(color=MINIMUM, filled=True, opacity=1, size=60)
        .transform_filter("datum.fraction == 0 || datum.fraction == 1")
        .transform_filter(pick),
        line.mark_point(shape="diamond", color=SADDLE, filled=True, opacity=1, size=80)
        .encode(tooltip=tooltip)
        .transform_filter("datum.top")
        .transform_filter(pick),
    ).add_params(pick)
    total = f"{len(paths):,} path{'s' * (len(paths) != 1)}"
    count = total if len(names) == len(paths) else f"the {len(names):,} lowest of {total}"
    title = alt.TitleParams("Loss along paths", subtitle=[text for text in (paths.name, count) if text], anchor="start")
    return chart.properties(title=title, width=width, height=height, description=f"Loss along paths of {paths.name or 'a loss'}: {count}.")


def images_frame(paths: Paths, shown: list[int], names: list[str]) -> pd.DataFrame:
    """The images of some paths as rows for charts: fraction of the path's length, loss, and whether the image is the highest."""
    points, values = paths.points[shown].double().cpu(), paths.values[shown].double().cpu()
    travelled = (points[:, 1:] - points[:, :-1]).norm(dim=2).cumsum(1).numpy()
    fraction = np.concatenate([np.zeros_like(travelled[:, :1]), travelled / travelled[:, -1:].clip(min=1e-300)], 1)
    fraction[:, -1] = 1
    top = values.argmax(1, keepdim=True).numpy() == np.arange(values.shape[1])
    count = values.shape[1]
    known = paths.saddle_evidence
    evidence = [known[row].value for row in shown]
    columns = {"path": np.repeat(names, count), "saddle_evidence": np.repeat(evidence, count)}
    return pd.DataFrame({**columns, "fraction": fraction.ravel(), "loss": values.numpy().ravel(), "top": top.ravel()})
