"""The gradient Morse complex of a loss of two parameters: critical points by index, and the gradient lines between them."""

from __future__ import annotations

from dataclasses import replace

import altair as alt
import numpy as np
import pandas as pd
import torch

from ..morse._morse_complex import MorseComplex
from ..morse._separatrices import Separatrices
from ..sampled._samples import Samples
from ._bars import MAX_ROWS, MINIMUM, SADDLE, check_record, layered
from ._plane import Plane, plane_of, shaded_loss

MAXIMUM, DEGENERATE = "#CC79A7", "#000000"  # Okabe and Ito
DESCENDING, ASCENDING = "#FFFFFF", "#56B4E9"
LINES = ["down to a minimum", "up to a maximum, or out"]  # the legend's names of the two kinds
PAPER = "#7C7B78"  # behind the legend of lines, of which some are white


def morse_map(morse: MorseComplex, samples: Samples, *, width: int = 380, height: int = 380) -> alt.LayerChart:
    """The plane of a loss of two parameters: its critical points and the separatrices that join them.

    White lines descend from the saddles to the minima; blue lines ascend to the maxima or leave the box, and separate the basins of the
    minima. A line through the seam of a periodic axis goes on at its other end. A click in the legend highlights the points of one kind.

    Args:
        morse: the complex of a loss of two parameters.
        samples: samples of the same loss on the same box, for the shading (by rank, from dark to light).
        width, height: size of the drawing, in pixels.

    Raises:
        ValueError: if the complex or the samples do not have two parameters.

    Example:
        >>> import lossbarcode as lb
        >>> camel = lb.functions.SixHumpCamel()
        >>> chart = lb.charts.morse_map(lb.morse_complex(camel), lb.sample(camel, 200**2, method="grid"))
        >>> chart.save("morse.html", inline=True)  # doctest: +SKIP
    """
    check_record(morse, MorseComplex, "morse", "lb.morse_complex(loss)")
    check_record(samples, Samples, "samples", "lb.sample(loss, n)")
    d = morse.points.shape[1], samples.points.shape[1]
    if d != (2, 2):
        raise ValueError(
            f"morse_map: expected a complex and samples of two parameters, got {d[0]} and {d[1]}; charts.merge_tree(morse) shows any number"
        )
    plane = plane_of(samples, "morse_map")
    x, y = plane.axes()
    lines, count = lines_frame(morse, plane)
    stroke = alt.Stroke(
        "direction:N",
        scale=alt.Scale(domain=LINES, range=[DESCENDING, ASCENDING]),
        legend=alt.Legend(title=None, orient="bottom", symbolType="stroke", fillColor=PAPER, labelColor="white", padding=5, labelLimit=0),
    )
    drawn = [
        alt.Chart(lines)
        .mark_line(strokeWidth=1.6, clip=True)
        .encode(x=x, y=y, detail="line:N", order="step:Q", stroke=stroke)
        .transform_filter(f"datum.direction == '{direction}'")
        for direction in LINES
    ]
    points = morse.table()[["kind", "index", "value"]].assign(**plane.columns(morse.points)).reset_index(names="row")
    kinds = [kind for kind in ("minimum", "1-saddle", "maximum", "degenerate") if kind in set(points["kind"])]
    marks = {"minimum": (MINIMUM, "circle"), "1-saddle": (SADDLE, "diamond"), "maximum": (MAXIMUM, "triangle-up")}
    marks["degenerate"] = (DEGENERATE, "cross")
    colors, shapes = [marks[kind][0] for kind in kinds], [marks[kind][1] for kind in kinds]
    pick = alt.selection_point(fields=["kind"], bind="legend")
    dots = (
        alt.Chart(points)
        .mark_point(size=max(20, min(75, 4000 // max(len(points), 1))), filled=True, stroke="white", strokeWidth=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=colors), title=None),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=shapes), title=None),
            opacity=alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(0.1)),
            tooltip=[
                "row",
                "kind",
                "index",
                alt.Tooltip("value", format=".5g"),
                *(alt.Tooltip(place, title=name, format=".4g") for place, name in zip("xy", plane.titles, strict=True)),
            ],
        )
        .add_params(pick)
    )
    layers = layered(shaded_loss(samples, None, plane, width, height), *drawn, dots)
    title = alt.TitleParams("Critical points and separatrices", subtitle=[text for text in (morse.name, count) if text], anchor="start")
    return layers.properties(
        title=title, width=width, height=height, description=f"Gradient Morse complex of {morse.name or 'a loss'}: {count}."
    )


def lines_frame(morse: MorseComplex, plane: Plane) -> tuple[pd.DataFrame, str]:
    """Places at equal distances along the lines, as rows for charts, and a text that says how many of how many lines they are."""
    lines = unwound(morse)
    total = len(lines.saddle_row)
    most = MAX_ROWS // (3 if morse.periodic.any() else 1)  # a step through a seam is drawn three times
    shown = min(total, most // 3)
    first = torch.searchsorted(lines.line_of_point, torch.arange(shown + 1, device=lines.line_of_point.device)).tolist()
    places = pd.DataFrame(plane.columns(lines.points)).to_numpy()
    each = max(3, min(60, most // max(shown, 1)))
    parts = []
    for line in range(shown):
        along = places[first[line] : first[line + 1]]
        length = np.append(0.0, np.hypot(*np.diff(along, axis=0).T).cumsum())
        at = np.linspace(0, length[-1], each)
        coordinates = {name: np.interp(at, length, along[:, i]) for i, name in enumerate("xy")}
        parts.append(pd.DataFrame({"line": line, "step": range(each), "direction": LINES[int(lines.is_ascending[line])], **coordinates}))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"line": [], "step": [], "direction": [], "x": [], "y": []})
    points = f"{len(morse.index):,} critical points"
    return cut_at_seams(table, morse), f"{points}, {total:,} lines" if shown == total else f"{points}, {shown:,} of {total:,} lines"


def unwound(morse: MorseComplex) -> Separatrices:
    """The separatrices as lines without jumps, which run on beyond the box where they cross the seam of a periodic axis."""
    lines, (low, high) = morse.separatrices, morse.bounds.T
    turns = torch.zeros_like(lines.points)
    turns[1:] = -(lines.points.diff(dim=0) / (high - low)).round() * morse.periodic
    turns[1:][lines.line_of_point.diff() > 0] = 0
    turns = turns.cumsum(0)
    first = torch.searchsorted(lines.line_of_point, lines.line_of_point)
    return replace(lines, points=lines.points + (turns - turns[first]) * (high - low))


def cut_at_seams(table: pd.DataFrame, morse: MorseComplex) -> pd.DataFrame:
    """Lines in the plane, each a line of its own wherever it enters the box anew. The step through a seam is drawn on both sides of it."""
    low, high = morse.bounds.double().cpu().numpy().T
    places = table[["x", "y"]].to_numpy(dtype=float)
    box = np.floor((places - low) / (high - low)) * morse.periodic.cpu().numpy()
    line = table["line"].to_numpy()
    same = line[1:] == line[:-1]
    entered = same & (box[1:] != box[:-1]).any(1)
    piece = np.append(0, (entered | ~same).cumsum())[: len(line)]
    after = entered.nonzero()[0] + 1
    rows = np.concatenate([np.arange(len(line)), after, after - 1])
    drawn_with = np.concatenate([np.arange(len(line)), after - 1, after])
    x, y = (places[rows] - box[drawn_with] * (high - low)).T
    return table.iloc[rows].assign(line=piece[drawn_with], x=x, y=y)
