"""Charts of a loss of two parameters: basins, minima and saddles in the plane, alone and beside barcode and tree."""

from __future__ import annotations

import base64
import io
import warnings

import altair as alt
import numpy as np
import pandas as pd
import torch

from .._barcode import Barcode, check_owner, follow
from .._basins import Basins
from .._neighbors import Grid, tree_of
from .._sampling import Samples
from ._bars import FADED, MINIMUM, SADDLE, TOOLTIP, bars_panel, describe, frame, layered, selection, tree_panel

PIXELS = 280  # of the shaded picture along each side
CELLS = 56  # of the overlay that marks the picked basin
CIVIDIS = ((0, 32, 76), (0, 66, 118), (87, 93, 109), (124, 123, 120), (166, 157, 117), (211, 193, 100), (255, 233, 69))


def basin_map(basins: Basins, bars: Barcode, *, limit: int = 30, width: int = 340, height: int = 340) -> alt.LayerChart:
    """The plane of a loss of two parameters: where its minima, saddles and basins are.

    Shading is by rank of the loss, dark is low, so that both deep wells and shallow ones show; light lines part the basins
    of the bars shown. Basins of other minima count for the bar they merge into. A line joins every minimum to its saddle.

    Args:
        basins: of samples of a loss of two parameters.
        bars: their barcode.
        limit: the most bars to show, the longest; the subtitle says of how many.
        width, height: of the drawing, in pixels.

    Returns:
        A chart in which a click on a minimum picks its bar.

    Raises:
        ValueError: if the samples do not have two coordinates, or the bars are not of these basins.

    Example:
        >>> import lossbarcode as lb
        >>> basins = lb.basins(lb.sample(lb.functions.HumpCamel6(), 10_000))
        >>> lb.charts.basin_map(basins, lb.barcode(basins)).save("map.html")  # doctest: +SKIP
    """
    rows, count = frame(bars, limit)
    panel = map_panel(basins, bars.longest(limit), rows, selection(), width, height)
    return describe(panel, bars, "Basins, minima and saddles", count, width, height)


def linked(basins: Basins, bars: Barcode, *, limit: int = 30, width: int = 340, height: int = 340) -> alt.HConcatChart:
    """Map, barcode and merge tree side by side; a click on a bar or a minimum picks it in all three.

    Args, returns and raises as :func:`basin_map`; ``width`` and ``height`` are of the map.
    """
    rows, count = frame(bars, limit)
    pick = selection()
    half = height // 2 - 34
    plane = map_panel(basins, bars.longest(limit), rows, pick, width, height).properties(width=width, height=height)
    panels = [
        panel(rows, pick).properties(width=width - 60, height=half, title=alt.TitleParams(title, fontSize=11))
        for panel, title in ((bars_panel, "Barcode"), (tree_panel, "Merge tree"))
    ]
    with warnings.catch_warnings():
        # One selection in three panels is meant: https://github.com/vega/altair/issues/3891
        warnings.filterwarnings("ignore", message="Automatically deduplicated selection parameter")
        chart = alt.hconcat(plane, alt.vconcat(*panels))
    subtitle = [bars.name, f"{count}; click one, double-click to let go"]
    title = alt.TitleParams("Minima and what it takes to leave them", subtitle=subtitle, anchor="start")
    return chart.properties(title=title, description=f"Map, barcode and merge tree of {bars.name}: {count}.")


def map_panel(basins: Basins, shown: Barcode, rows: pd.DataFrame, pick: alt.Parameter, width: int, height: int) -> alt.LayerChart:
    samples = basins.samples
    if samples.points.shape[1] != 2:
        raise ValueError(
            f"basin_map: expected samples of two parameters, got {samples.points.shape[1]}; charts.merge_tree shows any number"
        )
    box = samples.bounds.double().cpu().numpy()
    (x, y), (saddle_x, saddle_y) = plane_axes(box), plane_axes(box, "saddle_")
    glow = (
        alt.Chart(strips(basins, shown, box))
        .mark_rect(color="white", stroke=None)
        .encode(x=x, x2="x2:Q", y=y, y2="y2:Q", opacity=alt.when(pick, empty=False).then(alt.value(0.45)).otherwise(alt.value(0.0)))
    )
    places = rows.assign(**places_of(samples.points, rows))
    base = alt.Chart(places).encode(tooltip=TOOLTIP, opacity=alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(FADED)))
    ends = base.transform_filter("!datum.infinite")
    return layered(
        background(samples, owners(basins, shown), width, height, x, y),
        glow,
        ends.mark_rule(color="white", strokeWidth=1.2).encode(x=x, y=y, x2="saddle_x:Q", y2="saddle_y:Q"),
        ends.mark_point(shape="diamond", size=70, filled=True, color=SADDLE, stroke="white", strokeWidth=1).encode(x=saddle_x, y=saddle_y),
        base.mark_point(size=70, filled=True, color=MINIMUM, stroke="white", strokeWidth=1).encode(x=x, y=y),
        alt.Chart(places).mark_point(size=300, filled=True, opacity=0).encode(x=x, y=y, tooltip=TOOLTIP).add_params(pick),
    )


def plane_axes(box: np.ndarray, prefix: str = "") -> tuple[alt.X, alt.Y]:
    """Axes for the columns x and y that are just as long as the box."""
    across, up = (alt.Scale(domain=ends.tolist(), nice=False, zero=False) for ends in box)
    return alt.X(f"{prefix}x:Q", title="x", scale=across), alt.Y(f"{prefix}y:Q", title="y", scale=up)


def places_of(points, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Coordinates of the minima and saddles of the bars shown."""
    minimum = points[torch.tensor(rows["minimum"].to_numpy().copy())].double().cpu().numpy()
    saddle = points[torch.tensor(rows["saddle"].clip(lower=0).to_numpy().copy())].double().cpu().numpy()
    return {"x": minimum[:, 0], "y": minimum[:, 1], "saddle_x": saddle[:, 0], "saddle_y": saddle[:, 1]}


def nearest_samples(samples: Samples, box: np.ndarray, columns: int, lines: int) -> np.ndarray:
    """The sample nearest to the middle of each cell of a raster over the box ``[lines columns]``, the top line first."""
    middles = [(np.arange(count) + 0.5) / count for count in (columns, lines)]
    if isinstance(samples.neighbors, Grid):
        shape = samples.neighbors.shape
        at = [np.rint(u * (size - 1)).astype(int) for u, size in zip(middles, shape, strict=True)]  # the box ends at grid points
        return at[0][None, :] * shape[1] + at[1][::-1, None]
    across, up = (low + u * (high - low) for u, (low, high) in zip(middles, box, strict=True))
    raster = np.stack(np.meshgrid(across, up[::-1]), -1).reshape(-1, 2)
    return tree_of(samples.points[:].double().cpu().numpy()).query(raster, workers=-1)[1].reshape(lines, columns)


def background(samples: Samples, owner: torch.Tensor | None, width: int, height: int, x: alt.X, y: alt.Y) -> alt.Chart:
    """The loss, shaded by rank, as a picture in the plane; with lines where the samples' owner changes, if they have one."""
    box = samples.bounds.double().cpu().numpy()
    near = torch.from_numpy(nearest_samples(samples, box, PIXELS, PIXELS))
    url = picture(samples.values.cpu()[near].double().numpy(), None if owner is None else owner[near].numpy())
    middle = pd.DataFrame({"x": [box[0].mean()], "y": [box[1].mean()], "url": [url]})
    return alt.Chart(middle).mark_image(width=width, height=height, aspect=False).encode(x=x, y=y, url="url:N")


def picture(values: np.ndarray, owner: np.ndarray | None) -> str:
    """A raster of losses, shaded by rank, with lines where the owner changes, as the URL of a PNG; +inf is white."""
    from PIL import Image

    rank = np.searchsorted(np.sort(values, axis=None), values) / values.size
    shades = np.stack(
        [np.interp(np.linspace(0, 1, 254), np.linspace(0, 1, len(CIVIDIS)), channel) for channel in zip(*CIVIDIS, strict=True)], 1
    )
    index = (rank * 253).astype(np.uint8)
    if owner is not None:
        edge = np.zeros_like(owner, dtype=bool)
        edge[:-1] |= owner[:-1] != owner[1:]
        edge[:, :-1] |= owner[:, :-1] != owner[:, 1:]
        index[edge] = 254
    index[np.isinf(values)] = 255  # outside the domain
    image = Image.frombytes("P", index.shape[::-1], index.tobytes())
    image.putpalette(np.concatenate([shades.round(), [[225, 225, 225], [255, 255, 255]]]).astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def owners(basins: Basins, shown: Barcode) -> torch.Tensor:
    """The bar shown that each sample belongs to ``[n]``; -1: outside the domain."""
    return follow(check_owner(shown, basins), basins.label).cpu()


def strips(basins: Basins, shown: Barcode, box: np.ndarray) -> pd.DataFrame:
    """The basin of each bar shown as horizontal strips of cells that are next to each other."""
    cells = owners(basins, shown)[torch.from_numpy(nearest_samples(basins.samples, box, CELLS, CELLS))].numpy()
    start = np.ones_like(cells, dtype=bool)
    start[:, 1:] = cells[:, 1:] != cells[:, :-1]
    line, first = np.nonzero(start)
    last = np.append(first[1:], 0)
    last[last == 0] = CELLS  # a strip ends where the next begins, or at the edge
    (low_x, high_x), (low_y, high_y) = box
    step_x, step_y = (high_x - low_x) / CELLS, (high_y - low_y) / CELLS
    table = pd.DataFrame(
        {
            "bar": cells[line, first],
            "x": low_x + first * step_x,
            "x2": low_x + last * step_x,
            "y": high_y - (line + 1) * step_y,
            "y2": high_y - line * step_y,
        }
    )
    return table.loc[table["bar"] >= 0]
