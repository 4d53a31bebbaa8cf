"""The plane of two parameters in a drawing: which way its axes run, and the loss in it as a shaded raster."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from .._support.kd_tree import build_kd_tree
from .._support.types import Points
from ..sampled._implicit_neighbors import Grid
from ..sampled._samples import Samples
from ._bars import layered

PIXELS = 280  # along each side of the shaded raster
# A color map that runs evenly from dark to light, also for color-blind readers
CIVIDIS = ((0, 32, 76), (0, 66, 118), (87, 93, 109), (124, 123, 120), (166, 157, 117), (211, 193, 100), (255, 233, 69))
EDGE, OUTSIDE = (225, 225, 225), (255, 255, 255)  # between basins, and outside the domain
INSTEAD = {1: "charts.sublevel_explorer(basins)", 2: "charts.dashboard(basins)"}  # other charts of samples, by number of parameters


@dataclass(frozen=True)
class Plane:
    """How two parameters lie in a drawing: the first to the right and the second up; of an image, the first down, the second to the right.

    Attributes:
        order: which parameter runs to the right, and which is vertical.
        is_image: whether the vertical one runs down.
        box: from where to where each of the two runs ``[2 2]``, in this order.
        titles: their names, in this order.
        ticks: coordinates of the samples along each of the two, in this order, for samples that are not evenly spaced: the drawing
            has them at equal distances, as their numbers, and writes the coordinates there. None: the drawing has coordinates.
    """

    order: tuple[int, int]
    is_image: bool
    box: Float[np.ndarray, "2 2"]
    titles: tuple[str, str]
    ticks: tuple[Float[np.ndarray, " m"], Float[np.ndarray, " n"]] | None = None

    def axes(self, prefix: str = "") -> tuple[alt.X, alt.Y]:
        """Axes for the columns x and y that span exactly the box."""
        right, vertical = (alt.Scale(domain=ends.tolist(), nice=False, zero=False) for ends in self.box)
        vertical.reverse = self.is_image
        labels = [alt.Axis()] * 2 if self.ticks is None else [axis_of_ticks(own) for own in self.ticks]
        return (
            alt.X(f"{prefix}x:Q", title=self.titles[0], scale=right, axis=labels[0]),
            alt.Y(f"{prefix}y:Q", title=self.titles[1], scale=vertical, axis=labels[1]),
        )

    def columns(self, points: Points, prefix: str = "") -> dict[str, Float[np.ndarray, " n"]]:
        """Places ``[n 2]`` as the columns x and y."""
        x, y = points.double().cpu().numpy()[:, self.order].T
        if self.ticks is not None:
            x, y = (numbers_of(places, own) for places, own in zip((x, y), self.ticks, strict=True))
        return {f"{prefix}x": x, f"{prefix}y": y}

    def lines(self, count: int) -> Float[np.ndarray, " count_and_one"]:
        """Where each of so many lines of a raster begins, from the top, and where the last one ends."""
        top, bottom = self.box[1] if self.is_image else self.box[1, ::-1]
        return np.linspace(top, bottom, count + 1)


def plane_of(samples: Samples, chart: str) -> Plane:
    """The plane of samples of two parameters.

    Raises:
        ValueError: in the name of the chart, if they have not two.
    """
    check_parameters(samples, 2, chart)
    right, vertical = order = (1, 0) if samples.is_image else (0, 1)
    titles = samples.axis_names[right], samples.axis_names[vertical]
    ticks = getattr(samples.points, "ticks", None)  # only grids have any
    if ticks is None:
        return Plane(order, samples.is_image, samples.bounds.double().cpu().numpy()[[right, vertical]], titles)
    x, y = (ticks[axis].double().cpu().numpy() for axis in order)
    return Plane(order, samples.is_image, np.array([[0.0, len(x) - 1], [0.0, len(y) - 1]]), titles, (x, y))


def numbers_of(places: Float[np.ndarray, " n"], ticks: Float[np.ndarray, " m"]) -> Float[np.ndarray, " n"]:
    """Coordinates as fractional numbers of ticks, which ascend or descend."""
    sign = 1 if ticks[0] < ticks[-1] else -1
    return np.interp(sign * places, sign * ticks, np.arange(len(ticks)))


def axis_of_ticks(ticks: Float[np.ndarray, " m"]) -> alt.Axis:
    """An axis of numbers of ticks, a few of which have their coordinates written there."""
    few = np.unique(np.linspace(0, len(ticks) - 1, min(len(ticks), 5)).round()).astype(int)
    written = json.dumps({int(one): f"{ticks[one]:.3g}".replace("-", "−") for one in few}, ensure_ascii=False)
    return alt.Axis(values=few.tolist(), labelExpr=f"{written}[datum.value]")


def check_parameters(samples: Samples, expected: int, chart: str) -> None:
    """Samples have as many parameters as a chart can show; else a ValueError names the chart to use."""
    d = samples.points.shape[1]
    if d != expected:
        instead = INSTEAD.get(d, "charts.merge_tree(basins), which shows any number")
        raise ValueError(f"{chart}: expected samples of {('one parameter', 'two parameters')[expected - 1]}, got {d}; use {instead}")


def nearest_samples(samples: Samples, plane: Plane, columns: int, lines: int) -> Int[np.ndarray, "lines columns"]:
    """The row of the sample nearest to the center of each cell of a raster over the plane, the top line first."""
    right, vertical = plane.order
    if isinstance(samples.neighbors, Grid):
        shape = samples.neighbors.shape
        across, down = (
            # the box ends at grid points, but around a periodic axis the last one is a step before the end
            np.rint((np.arange(count) + 0.5) / count * (shape[axis] - 1 + samples.neighbors.periodic[axis])).astype(int) % shape[axis]
            for axis, count in ((right, columns), (vertical, lines))
        )
        place = {right: across[None, :], vertical: (down if plane.is_image else down[::-1])[:, None]}
        return place[0] * shape[1] + place[1]
    low, high = plane.box[0]
    across, edges = low + (np.arange(columns) + 0.5) / columns * (high - low), plane.lines(lines)
    raster = np.stack(np.meshgrid(across, (edges[:-1] + edges[1:]) / 2), -1).reshape(-1, 2)
    tree = build_kd_tree(samples.points[:].double().cpu().numpy()[:, plane.order])
    return tree.query(raster, workers=-1)[1].reshape(lines, columns)


def shaded_loss(samples: Samples, bar: Int[Tensor, " n"] | None, plane: Plane, width: int, height: int) -> alt.LayerChart:
    """The loss in the plane, shaded by rank, with a legend; if the bar of each sample is given, with lines where it changes."""
    near = torch.from_numpy(nearest_samples(samples, plane, PIXELS, PIXELS))
    values = samples.values.cpu()[near].double().numpy()
    inside = np.sort(values[np.isfinite(values)])
    url = raster_url(values, inside, None if bar is None else bar[near].numpy())
    x, y = plane.axes()
    center = pd.DataFrame({**dict(zip("xy", plane.box.mean(1)[:, None], strict=True)), "url": [url]})
    image = alt.Chart(center).mark_image(width=width, height=height, aspect=False).encode(x=x, y=y, url="url:N")
    # A mark that nobody sees carries the legend, which a picture cannot have.
    quarters = json.dumps([f"{loss:.3g}".replace("-", "−") for loss in inside[np.linspace(0, len(inside) - 1, 5).astype(int)]])
    scale = alt.Scale(domain=np.linspace(0, 1, len(CIVIDIS)).tolist(), range=["#" + bytes(color).hex() for color in CIVIDIS])
    legend = alt.Legend(title="loss", values=[0, 0.25, 0.5, 0.75, 1], labelExpr=f"{quarters}[round(4 * datum.value)]", gradientOpacity=1)
    shades = (
        alt.Chart(pd.DataFrame({"rank": [0, 1]})).mark_point(size=0, opacity=0).encode(fill=alt.Fill("rank:Q", scale=scale, legend=legend))
    )
    return layered(image, shades)


def raster_url(
    values: Float[np.ndarray, "lines columns"], inside: Float[np.ndarray, " n"], bar: Int[np.ndarray, "lines columns"] | None
) -> str:
    """A raster of losses, shaded by rank among those inside the domain, with lines where the bar changes, as the URL of a PNG."""
    rank = np.searchsorted(inside, values) / len(inside)
    shades = np.stack(
        [np.interp(np.linspace(0, 1, 254), np.linspace(0, 1, len(CIVIDIS)), channel) for channel in zip(*CIVIDIS, strict=True)], 1
    )
    palette = np.concatenate([shades.round(), [EDGE, OUTSIDE]]).astype(np.uint8)
    index = (rank * 253).astype(np.uint8)
    if bar is not None:
        edge = np.zeros_like(bar, dtype=bool)
        edge[:-1] |= bar[:-1] != bar[1:]
        edge[:, :-1] |= bar[:, :-1] != bar[:, 1:]
        index[edge] = 254
    index[np.isinf(values)] = 255
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
