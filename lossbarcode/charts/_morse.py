"""The gradient Morse complex of a loss of two parameters: critical points by index and the gradient lines between them."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import torch

from .._morse import MorseComplex
from .._sampling import Samples
from ._bars import MINIMUM, SADDLE, layered
from ._map import background, plane_axes

MAXIMUM, DEGENERATE = "#CC79A7", "#000000"  # Okabe and Ito
DOWN, UP = "#FFFFFF", "#56B4E9"
MOST_PLACES = 4500  # Altair takes 5,000 rows


def morse_map(complex_: MorseComplex, samples: Samples, *, width: int = 380, height: int = 380) -> alt.LayerChart:
    """The plane of a loss of two parameters: its critical points and the separatrices that join them.

    White lines lead down from the saddles to the minima, blue ones up to the maxima or out of the box; between the blue lines
    lie the basins of the minima. A click in the legend picks the points of one index.

    Args:
        complex_: of a loss of two parameters.
        samples: of the same loss on the same box, for the shading (by rank, dark is low).
        width, height: of the drawing, in pixels.

    Raises:
        ValueError: if complex or samples do not have two parameters.

    Example:
        >>> import lossbarcode as lb
        >>> camel = lb.functions.HumpCamel6()
        >>> chart = lb.charts.morse_map(lb.morse_complex(camel), lb.sample(camel, 200**2, method="grid"))
        >>> chart.save("morse.html")  # doctest: +SKIP
    """
    d = complex_.points.shape[1], samples.points.shape[1]
    if d != (2, 2):
        raise ValueError(f"morse_map: expected a complex and samples of two parameters, got {d[0]} and {d[1]}")
    x, y = plane_axes(samples.bounds.double().cpu().numpy())
    lines, count = places_along(complex_)
    drawn = [
        alt.Chart(lines)
        .mark_line(strokeWidth=1.6, clip=True, color=colour)
        .encode(x=x, y=y, detail="line:N", order="step:Q")
        .transform_filter(rising)
        for colour, rising in ((DOWN, "!datum.rising"), (UP, "datum.rising"))
    ]
    points = complex_.table().rename(columns={"x1": "x", "x2": "y"}).reset_index(names="row")
    kinds = [kind for kind in ("minimum", "1-saddle", "maximum", "degenerate") if kind in set(points["kind"])]
    look = {"minimum": (MINIMUM, "circle"), "1-saddle": (SADDLE, "diamond"), "maximum": (MAXIMUM, "triangle-up")}
    look["degenerate"] = (DEGENERATE, "cross")
    colours, shapes = [look[kind][0] for kind in kinds], [look[kind][1] for kind in kinds]
    pick = alt.selection_point(fields=["kind"], bind="legend")
    dots = (
        alt.Chart(points)
        .mark_point(size=max(20, min(75, 4000 // max(len(points), 1))), filled=True, stroke="white", strokeWidth=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=colours), title=None),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=shapes), title=None),
            opacity=alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(0.1)),
            tooltip=[
                "row",
                "kind",
                "index",
                alt.Tooltip("value", format=".5g"),
                alt.Tooltip("x", format=".4g"),
                alt.Tooltip("y", format=".4g"),
            ],
        )
        .add_params(pick)
    )
    layers = layered(background(samples, None, width, height, x, y), *drawn, dots)
    title = alt.TitleParams("Critical points and separatrices", subtitle=[complex_.name, count], anchor="start")
    return layers.properties(title=title, width=width, height=height, description=f"Gradient Morse complex, {complex_.name}: {count}.")


def places_along(complex_: MorseComplex) -> tuple[pd.DataFrame, str]:
    """Places at even distances along every line, and a sentence that says how many of how many lines they are."""
    lines = complex_.separatrices
    total = len(lines.start)
    shown = min(total, MOST_PLACES // 3)
    first = torch.searchsorted(lines.line, torch.arange(shown + 1, device=lines.line.device)).tolist()
    places = lines.points.double().cpu().numpy()
    each = max(3, min(60, MOST_PLACES // max(shown, 1)))
    parts = []
    for line in range(shown):
        along = places[first[line] : first[line + 1]]
        length = np.append(0.0, np.hypot(*np.diff(along, axis=0).T).cumsum())
        at = np.linspace(0, length[-1], each)
        rising = bool(lines.rising[line])
        parts.append(
            pd.DataFrame(
                {"line": line, "step": range(each), "rising": rising, **{c: np.interp(at, length, along[:, i]) for i, c in enumerate("xy")}}
            )
        )
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"line": [], "step": [], "rising": [], "x": [], "y": []})
    points = f"{len(complex_.index):,} critical points"
    return table, f"{points}, {total:,} lines" if shown == total else f"{points}, {shown:,} of {total:,} lines shown"
