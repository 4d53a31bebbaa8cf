"""Charts of a loss of two parameters: basins, minima and saddles in the plane, alone or next to the barcode and the merge tree."""

from __future__ import annotations

import base64
import struct
import warnings
import zlib

import altair as alt
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from .._support.kd_tree import build_kd_tree
from .._support.pointers import gather_or_minus_one
from .._support.types import PointSource
from ..barcodes._barcode import Barcode
from ..sampled._basins import Basins
from ..sampled._implicit_neighbors import Grid
from ..sampled._samples import Samples
from ..sampled._singletons import checked_bar_of_minimum
from ._bars import FADED, MINIMUM, SADDLE, TOOLTIP, bars_frame, bars_panel, describe, layered, selection, tree_panel

PIXELS = 280  # along each side of the shaded raster
CELLS = 56  # along each side of the overlay that marks the selected basin
# A color map that runs evenly from dark to light, also for color-blind readers
CIVIDIS = ((0, 32, 76), (0, 66, 118), (87, 93, 109), (124, 123, 120), (166, 157, 117), (211, 193, 100), (255, 233, 69))


def basin_map(basins: Basins, bars: Barcode, *, limit: int = 30, width: int = 340, height: int = 340) -> alt.LayerChart:
    """The plane of a loss of two parameters: where its minima, saddles and basins are.

    Shading is by rank of the loss, from dark (low) to light, so that deep and shallow wells are both visible. Light lines separate the
    basins of the bars shown; the basin of any other minimum counts as part of the bar that it merges into. A white line joins every minimum
    to its saddle.

    Args:
        basins: basins of samples of a loss of two parameters.
        bars: their barcode.
        limit: the largest number of bars to show; the longest are shown, and the subtitle says how many of how many.
        width, height: size of the drawing, in pixels.

    Returns:
        A chart in which a click on a minimum selects its bar.

    Raises:
        ValueError: if the samples do not have two parameters, or the bars are not those of these basins.

    Example:
        >>> import lossbarcode as lb
        >>> basins = lb.basins(lb.sample(lb.functions.SixHumpCamel(), 10_000))
        >>> lb.charts.basin_map(basins, lb.barcode(basins)).save("map.html")  # doctest: +SKIP
    """
    rows, count = bars_frame(bars, limit)
    panel = map_panel(basins, bars.longest(limit), rows, selection(), width, height)
    return describe(panel, bars, "Basins, minima and saddles", count, width, height)


def dashboard(basins: Basins, bars: Barcode, *, limit: int = 30, width: int = 340, height: int = 340) -> alt.HConcatChart:
    """Map, barcode and merge tree side by side; a click on a bar or a minimum selects it in all three.

    Arguments, result and errors are those of :func:`basin_map`; ``width`` and ``height`` are those of the map.
    """
    rows, count = bars_frame(bars, limit)
    pick = selection()
    half = height // 2 - 34
    plane = map_panel(basins, bars.longest(limit), rows, pick, width, height).properties(width=width, height=height)
    panels = [
        panel(rows, pick).properties(width=width - 60, height=half, title=alt.TitleParams(title, fontSize=11))
        for panel, title in ((bars_panel, "Barcode"), (tree_panel, "Merge tree"))
    ]
    with warnings.catch_warnings():
        # The three panels share one selection on purpose: https://github.com/vega/altair/issues/3891
        warnings.filterwarnings("ignore", message="Automatically deduplicated selection parameter")
        chart = alt.hconcat(plane, alt.vconcat(*panels))
    subtitle = [text for text in (bars.name, f"{count}; click to select one, double-click to clear") if text]
    title = alt.TitleParams("Minima and how hard they are to escape", subtitle=subtitle, anchor="start")
    return chart.properties(title=title, description=f"Map, barcode and merge tree of {bars.name or 'a loss'}: {count}.")


def map_panel(basins: Basins, shown: Barcode, rows: pd.DataFrame, pick: alt.Parameter, width: int, height: int) -> alt.LayerChart:
    """The map alone; a white veil marks the basin of the selected bar."""
    samples = basins.samples
    if samples.points.shape[1] != 2:
        raise ValueError(
            f"basin_map: expected samples of two parameters, got {samples.points.shape[1]}; charts.merge_tree shows any number"
        )
    box = samples.bounds.double().cpu().numpy()
    (x, y), (saddle_x, saddle_y) = plane_axes(box), plane_axes(box, "saddle_")
    veil = (
        alt.Chart(basin_strips(basins, shown, box))
        .mark_rect(color="white", stroke=None)
        .encode(x=x, x2="x2:Q", y=y, y2="y2:Q", opacity=alt.when(pick, empty=False).then(alt.value(0.45)).otherwise(alt.value(0.0)))
    )
    ends = rows.assign(**end_coordinates(samples.points, rows))
    base = alt.Chart(ends).encode(tooltip=TOOLTIP, opacity=alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(FADED)))
    finite = base.transform_filter("!datum.infinite")
    return layered(
        shaded_loss(samples, bar_of_sample(basins, shown), width, height, x, y),
        veil,
        finite.mark_rule(color="white", strokeWidth=1.2).encode(x=x, y=y, x2="saddle_x:Q", y2="saddle_y:Q"),
        finite.mark_point(shape="diamond", size=70, filled=True, color=SADDLE, stroke="white", strokeWidth=1).encode(
            x=saddle_x, y=saddle_y
        ),
        base.mark_point(size=70, filled=True, color=MINIMUM, stroke="white", strokeWidth=1).encode(x=x, y=y),
        alt.Chart(ends).mark_point(size=300, filled=True, opacity=0).encode(x=x, y=y, tooltip=TOOLTIP).add_params(pick),
    )


def plane_axes(box: Float[np.ndarray, "2 2"], prefix: str = "") -> tuple[alt.X, alt.Y]:
    """Axes for the columns x and y that span exactly the box."""
    across, up = (alt.Scale(domain=ends.tolist(), nice=False, zero=False) for ends in box)
    return alt.X(f"{prefix}x:Q", title="x", scale=across), alt.Y(f"{prefix}y:Q", title="y", scale=up)


def end_coordinates(points: PointSource, rows: pd.DataFrame) -> dict[str, Float[np.ndarray, " k"]]:
    """Coordinates of the minima and saddles of the bars shown."""
    minimum = points[torch.tensor(rows["minimum_row"].to_numpy().copy())].double().cpu().numpy()
    saddle = points[torch.tensor(rows["saddle_row"].clip(lower=0).to_numpy().copy())].double().cpu().numpy()
    return {"x": minimum[:, 0], "y": minimum[:, 1], "saddle_x": saddle[:, 0], "saddle_y": saddle[:, 1]}


def nearest_samples(samples: Samples, box: Float[np.ndarray, "2 2"], columns: int, lines: int) -> Int[np.ndarray, "lines columns"]:
    """The row of the sample nearest to the center of each cell of a raster over the box, the top line first."""
    centers = [(np.arange(count) + 0.5) / count for count in (columns, lines)]
    if isinstance(samples.neighbors, Grid):
        shape = samples.neighbors.shape
        at = [np.rint(u * (size - 1)).astype(int) for u, size in zip(centers, shape, strict=True)]  # the box ends at grid points
        return at[0][None, :] * shape[1] + at[1][::-1, None]
    across, up = (low + u * (high - low) for u, (low, high) in zip(centers, box, strict=True))
    raster = np.stack(np.meshgrid(across, up[::-1]), -1).reshape(-1, 2)
    return build_kd_tree(samples.points[:].double().cpu().numpy()).query(raster, workers=-1)[1].reshape(lines, columns)


def shaded_loss(samples: Samples, bar: Int[Tensor, " n"] | None, width: int, height: int, x: alt.X, y: alt.Y) -> alt.Chart:
    """The loss in the plane, shaded by rank; if the bar of each sample is given, with lines where it changes."""
    box = samples.bounds.double().cpu().numpy()
    near = torch.from_numpy(nearest_samples(samples, box, PIXELS, PIXELS))
    url = raster_url(samples.values.cpu()[near].double().numpy(), None if bar is None else bar[near].numpy())
    center = pd.DataFrame({"x": [box[0].mean()], "y": [box[1].mean()], "url": [url]})
    return alt.Chart(center).mark_image(width=width, height=height, aspect=False).encode(x=x, y=y, url="url:N")


def raster_url(values: Float[np.ndarray, "lines columns"], bar: Int[np.ndarray, "lines columns"] | None) -> str:
    """A raster of losses, shaded by rank, with lines where the bar changes, as the URL of a PNG; +inf is white."""
    rank = np.searchsorted(np.sort(values, axis=None), values) / values.size
    shades = np.stack(
        [np.interp(np.linspace(0, 1, 254), np.linspace(0, 1, len(CIVIDIS)), channel) for channel in zip(*CIVIDIS, strict=True)], 1
    )
    palette = np.concatenate([shades.round(), [[225, 225, 225], [255, 255, 255]]]).astype(np.uint8)
    index = (rank * 253).astype(np.uint8)
    if bar is not None:
        edge = np.zeros_like(bar, dtype=bool)
        edge[:-1] |= bar[:-1] != bar[1:]
        edge[:, :-1] |= bar[:, :-1] != bar[:, 1:]
        index[edge] = 254
    index[np.isinf(values)] = 255  # outside the domain
    return "data:image/png;base64," + base64.b64encode(png(index, palette)).decode()


# Written here because a raster of at most 256 colors is all that is needed, which does not justify a dependency on an imaging library.
def png(index: UInt8[np.ndarray, "lines columns"], palette: UInt8[np.ndarray, "colors 3"]) -> bytes:
    """The bytes of a PNG whose pixels are rows of a palette (red, green, blue)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines, columns = index.shape
    header = struct.pack(">2I5B", columns, lines, 8, 3, 0, 0, 0)  # 8 bits per pixel, color type 3: palette
    pixels = np.pad(index, ((0, 0), (1, 0))).tobytes()  # a zero before each line says that it is stored without a filter
    chunks = ((b"IHDR", header), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def bar_of_sample(basins: Basins, shown: Barcode) -> Int[Tensor, " n"]:
    """The bar, among those shown, that each sample belongs to; -1: outside the domain."""
    return gather_or_minus_one(checked_bar_of_minimum(shown, basins), basins.label).cpu()


def basin_strips(basins: Basins, shown: Barcode, box: Float[np.ndarray, "2 2"]) -> pd.DataFrame:
    """The basin of each bar shown, as horizontal strips of adjacent cells."""
    cells = bar_of_sample(basins, shown)[torch.from_numpy(nearest_samples(basins.samples, box, CELLS, CELLS))].numpy()
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
