"""Charts hold what they should and are drawn by Vega itself, for ordinary and for odd barcodes."""

import io
import json
import math
import re
import warnings
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
import vl_convert
from helpers import barcode_of_intervals as bars_of
from helpers import graph_of

import lossbarcode as lb

SVG = "{http://www.w3.org/2000/svg}"
BAR_CHARTS = [lb.charts.barcode, lb.charts.merge_tree, lb.charts.diagram]
NAMES = ["barcode", "merge_tree", "diagram"]


@pytest.fixture(scope="module")
def camel():
    basins = lb.basins(lb.sample(lb.functions.SixHumpCamel(), 20_000))
    return basins, lb.barcode(basins)


@pytest.fixture(scope="module")
def small():
    """Basins of few samples, which are drawn fast."""
    return lb.basins(lb.sample(lb.functions.SixHumpCamel(), (40, 40), method="grid"))


def many_bars(count):
    """One infinite bar and count - 1 that end in it, the i-th of length i + 1."""
    birth = torch.zeros(count, dtype=torch.float64)
    death = torch.arange(count, dtype=torch.float64) + 1
    death[0] = math.inf
    rows = torch.arange(count)
    parent = torch.where(rows > 0, 0, -1)
    return lb.Barcode(birth, death, rows, rows, parent, None, rows)


def drawn(chart):
    """The SVG by Vega, after Altair's own check against the schema; any warning fails."""
    return vl_convert.vegalite_to_svg(chart.to_json())


def rows_of(chart, *columns):
    """The rows of the largest inline data set that has these columns; the curve of the level chart is there twice."""
    matching = [rows for rows in json.loads(chart.to_json())["datasets"].values() if rows and set(columns) <= set(rows[0])]
    return max(matching, key=len, default=[])


@pytest.mark.parametrize("make", BAR_CHARTS, ids=NAMES)
@pytest.mark.parametrize(
    ("bars", "count"),
    [
        (bars_of([], []), "0 bars"),
        (bars_of([]), "1 bar"),
        (bars_of([(0.0, 1.0)] * 5), "6 bars"),
        (bars_of([(1.0, 2.0)], [0.0, 0.5]), "3 bars"),
        (many_bars(100_000), " longest of 100,000 bars"),
    ],
    ids=["none", "one", "tied", "two infinite", "many"],
)
def test_any_number_of_bars(make, bars, count):
    chart = make(bars)
    assert count in drawn(chart)
    assert count in chart.description
    assert len(rows_of(chart, "bar", "birth")) <= 1000


class Chain(lb.Source):
    """A route of somebody else: a graph and a name."""

    def __init__(self):
        self.graph, self.name = graph_of([0.0, 1.0], [(0, 1)], [3.0]), "a chain"


@pytest.mark.slow
def test_a_saved_chart_works_offline(small, tmp_path):
    """All scripts are in the file; what addresses it has are names of schemas and links for readers. (tests/site opens one.)"""
    file = tmp_path / "chart.html"
    outside = re.compile(r"""cdn\.|(src|href)\s*=\s*["'`]?https?:|import\s*\(|@import|importScripts""")
    lb.charts.dashboard(small).save(file)
    assert outside.search(file.read_text())
    lb.charts.dashboard(small).save(file, inline=True)
    page = file.read_text()
    assert not outside.search(page)
    assert "vegaEmbed(" in page
    assert "Minima and how hard they are to escape" in page


@pytest.mark.parametrize("make", BAR_CHARTS, ids=NAMES)
def test_records_are_drawn_as_their_barcodes(make, camel):
    basins, bars = camel
    array = lb.from_grid([2.0, 0.0, 3.0, 1.0, 4.0])
    for record, expected in ((basins, bars), (array, lb.barcode(array)), (basins.graph, bars), (Chain(), lb.barcode(Chain()))):
        columns = ("birth", "top", "position", "minimum_row")
        found, known = ([[row[name] for name in columns] for row in rows_of(make(one), "bar", "birth")] for one in (record, expected))
        assert found == known != []
    with pytest.warns(UserWarning, match="2 connected components"):
        make(graph_of([0.0, 1.0], [], []))


def test_bars_of_basins_need_not_be_given(camel):
    basins, bars = camel
    line = lb.basins(lb.sample(lb.functions.DoubleWell(), 64, method="grid"))
    for make, of in ((lb.charts.dashboard, basins), (lb.charts.basin_map, basins), (lb.charts.sublevel_explorer, line)):
        for given in (of, lb.barcode(of)):
            assert rows_of(make(of), "bar", "birth") == rows_of(make(of, given), "bar", "birth")
    few = bars.longer_than(0.5)
    assert [row["birth"] for row in rows_of(lb.charts.dashboard(basins, few), "bar", "birth")] == few.birth.tolist()
    strips = rows_of(lb.charts.dashboard(basins, few), "x2")  # the basins of bars left out are drawn as part of others
    assert sum((s["x2"] - s["x"]) * (s["y2"] - s["y"]) for s in strips) == pytest.approx(12)


BAD = {
    "an array": (lambda: lb.charts.barcode(np.zeros(3)), r"bars: expected a barcode, or samples, .* got ndarray; pass lb.barcode\(...\)"),
    "nothing": (lambda: lb.charts.diagram(None), "bars: expected a barcode, .* got NoneType"),
    "a table": (lambda: lb.charts.merge_tree(pd.DataFrame()), "bars: expected a barcode, .* got DataFrame"),
    "samples for basins": (
        lambda: lb.charts.dashboard(lb.from_grid(np.eye(3))),
        r"basins: expected Basins, got Samples; pass lb.basins\(samples\)",
    ),
    "a barcode for basins": (lambda: lb.charts.basin_map(lb.barcode(np.eye(3))), "basins: expected Basins, got Barcode"),
    "a loss for basins": (lambda: lb.charts.sublevel_explorer(lb.functions.DoubleWell()), "basins: .* got DoubleWell"),
    "samples for paths": (
        lambda: lb.charts.path_profiles(lb.from_grid([0.0, 1.0])),
        r"paths: expected Paths, got Samples; pass lb.connect\(loss, minima\)",
    ),
    "a loss for its complex": (
        lambda: lb.charts.morse_map(lb.functions.SixHumpCamel(), lb.from_grid(np.eye(3))),
        r"morse: expected MorseComplex, got SixHumpCamel; pass lb.morse_complex\(loss\)",
    ),
    "a map of a line": (
        lambda: lb.charts.basin_map(lb.basins(lb.from_grid([0.0, 1.0]))),
        r"basin_map: expected samples of two parameters, got 1; use charts.sublevel_explorer\(basins\)",
    ),
    "a curve of a plane": (
        lambda: lb.charts.sublevel_explorer(lb.basins(lb.from_grid(np.eye(3)))),
        r"sublevel_explorer: expected samples of one parameter, got 2; use charts.dashboard\(basins\)",
    ),
    "a dashboard of a room": (
        lambda: lb.charts.dashboard(lb.basins(lb.from_grid(np.zeros((2, 2, 2))))),
        r"dashboard: expected samples of two parameters, got 3; use charts.merge_tree\(basins\), which shows any number",
    ),
}


def test_bad_input(bad_input):
    bad_input()


def words(chart, *roles):
    """(text, place down the page) of all words of a role (of legends, of axes) in the order in which Vega draws them."""
    groups = [group for group in ElementTree.fromstring(drawn(chart)).iter(f"{SVG}g") if set(roles) & set(group.get("class", "").split())]
    texts = [text for group in groups for text in group.iter(f"{SVG}text")]
    return [(text.text, float(re.search(r",([-\d.]+)\)", text.get("transform")).group(1))) for text in texts]


def legend_of(chart):
    return {word for word, _ in words(chart, "role-legend-label", "role-legend-title")}


def titles_of(chart):
    return [word for word, _ in words(chart, "role-axis-title")]


def test_legends(small):
    basins, bars = small, lb.barcode(small)
    kinds = {"minimum", "saddle", "never ends"}
    assert legend_of(lb.charts.barcode(bars)) == legend_of(lb.charts.merge_tree(bars)) == kinds
    ring = lb.barcode(lambda x: (x.square().sum(1) - 1).square(), [(-2, 2), (-2, 2)], n=400, degree=1)
    assert legend_of(lb.charts.barcode(ring)) == {"birth", "death", "never ends"}
    assert {f"{float(basins.samples.values.min()):.3g}".replace("-", "−"), "loss", *kinds} < legend_of(lb.charts.dashboard(basins))
    plane = legend_of(lb.charts.basin_map(basins))
    assert {"minimum", "saddle", "loss"} < plane
    assert "never ends" not in plane  # nothing on the map has this mark
    line = lb.basins(lb.sample(lb.functions.DoubleWell(), 64, method="grid"))
    assert legend_of(lb.charts.sublevel_explorer(line)) == {"bar 0", "bar 1"}
    table = bars_of([(0.0, 1.0)]).table().assign(depth=1)
    assert legend_of(lb.charts.barcodes(table, "depth")) == kinds
    runs = pd.DataFrame({"layers": [1, 4], "birth": [0.3, 0.1], "death": [0.9, 0.8], "to_score": [0.5, 0.4], "l2_penalty": [0.1, 0.2]})
    assert legend_of(lb.charts.trends(runs, "layers", by="l2_penalty")) == {"birth", "death", "l2 penalty", "0.1", "0.2"}


def test_a_legend_of_the_shading_tells_the_loss():
    """Shading is by rank: the legend has the losses at quarters of the raster, here those of x over a box from 0 to 1."""
    plane = lb.basins(lb.sample(lambda x: x[:, 0], (281, 281), bounds=[(0, 1), (0, 1)], method="grid", dtype=torch.float64))
    shades = [float(word) for word in legend_of(lb.charts.basin_map(plane)) if re.match(r"[\d.]+$", word)]
    np.testing.assert_allclose(sorted(shades), [0, 0.25, 0.5, 0.75, 1], atol=0.005)


def test_axes_have_names(small):
    samples = replace(small.samples, axis_names=("learning rate", "weight decay / epoch"))
    for chart in (lb.charts.basin_map(lb.basins(samples)), lb.charts.dashboard(lb.basins(samples))):
        assert titles_of(chart)[:2] == ["learning rate", "weight decay / epoch"]
    assert titles_of(lb.charts.basin_map(small)) == ["x", "y"]
    line = lb.sample(lb.functions.DoubleWell(), 64, method="grid")
    named = replace(line, axis_names=("temperature (K)",))
    for samples, name in ((line, "parameter"), (named, "temperature (K)")):
        assert titles_of(lb.charts.sublevel_explorer(lb.basins(samples)))[:2] == [name, "loss"]


@pytest.mark.parametrize("place", [(0, 0), (3, 8), (5, 2)])
def test_images_are_drawn_as_images_are(place):
    """The first axis of the array goes down, the second to the right: in the shading, the strips and the marks."""
    from lossbarcode.charts import _plane

    array = np.add.outer(np.arange(6.0) / 7, np.arange(9.0) / 13)
    array[place] = -1
    image = lb.basins(replace(lb.from_grid(array), is_image=True))
    plane = _plane.plane_of(image.samples, "chart")
    assert (_plane.nearest_samples(image.samples, plane, 9, 6) == np.arange(54).reshape(6, 9)).all()
    chart = lb.charts.basin_map(image)
    (minimum,) = [row for row in rows_of(chart, "saddle_x") if row["birth"] == -1]
    assert (minimum["y"], minimum["x"]) == place
    assert titles_of(chart) == ["column", "row"]
    labels = [(float(word), down) for word, down in words(chart, "role-axis-label")]
    rows = [label for label in labels if label[1] != labels[0][1]]  # those of the horizontal axis are all at one height
    assert sorted(rows) == sorted(rows, key=lambda row: row[1])  # rows further down in the array are further down on the page
    assert {0, 1, 2, 3, 4, 5} <= {row for row, _ in rows}


def test_ways_out_over_a_periodic_axis():
    """The shorter way from a minimum to its saddle leaves the box at one end of the angle and comes back at the other."""
    box = torch.tensor([[-math.pi, math.pi], [0.0, 1.0]], dtype=torch.float64)

    def loss(x):  # minima at angles 3 and 0; the pass between them at about 3.9, which is -2.4
        return -(2 * (x[:, 0] - 3)).cos() - 0.2 * (x[:, 0] - 3).cos() + (x[:, 1] - 0.5) ** 2

    found = lb.basins(lb.sample(loss, (200, 11), bounds=box, method="grid", dtype=torch.float64))
    bars = lb.barcode(found)
    turned = replace(found, samples=replace(found.samples, periodic=torch.tensor([True, False])))
    rows = rows_of(lb.charts.basin_map(turned, bars), "leave_x")
    for row in rows[1:]:
        assert abs(row["leave_x"] - row["x"]) <= math.pi
        assert (row["leave_x"] - row["saddle_x"]) / (2 * math.pi) == pytest.approx(
            round((row["leave_x"] - row["saddle_x"]) / (2 * math.pi))
        )
        assert row["leave_x"] - row["x"] == pytest.approx(row["saddle_x"] - row["enter_x"])  # one and the same way
        assert (row["leave_y"], row["enter_y"]) == (row["saddle_y"], row["y"])
    assert rows_of(lb.charts.basin_map(found, bars), "leave_x") == []
    drawn(lb.charts.basin_map(turned, bars))


@pytest.mark.parametrize("make", BAR_CHARTS, ids=NAMES)
def test_the_longest_are_shown(make):
    rows = rows_of(make(many_bars(200), limit=3), "bar", "birth")
    assert [row["death_text"] for row in rows] == ["never", "199", "200"]


def test_rows_of_the_barcode_chart(camel):
    _, bars = camel
    rows = rows_of(lb.charts.barcode(bars), "bar", "birth")
    table = bars.table()
    np.testing.assert_allclose([row["birth"] for row in rows], table["birth"])
    np.testing.assert_allclose([row["top"] for row in rows[1:]], table["death"][1:])
    assert rows[0]["infinite"]
    assert rows[0]["top"] > table["death"][1:].max()  # visibly open: above every saddle
    assert rows[0]["death_text"] == "never"


@pytest.mark.parametrize("make", BAR_CHARTS, ids=NAMES)
def test_deaths_within_bounds_have_brackets(make):
    graph = graph_of([0.0, 1.0, 2.0, 2.5], [(0, 1), (1, 2), (0, 3)], [6.0, 4.0, 5.0])
    lower, upper = (torch.tensor(bounds, dtype=torch.float64) for bounds in ([4.0, -math.inf, 5.0], [8.0, math.inf, 5.0]))
    bars = lb.barcode(lb.Graph(graph.values, graph.edges, graph.heights, lower=lower, upper=upper))
    chart = make(bars)
    drawn(chart)
    rows = rows_of(chart, "lower", "upper")
    assert [row["bracket_text"] for row in rows[1:]] == ["4 to 8", "2 to inf", "5 to 5"]
    assert [row["lower"] for row in rows[1:]] == [4.0, 2.0, 5.0]
    assert [row["upper"] for row in rows[1:]] == [8.0, rows[0]["top"], 5.0]  # nothing bounds the second: up to where open bars end
    assert rows[0]["top"] > 6.0


def test_brackets_are_drawn_where_ends_are_not_exact():
    exact = lb.barcode(graph_of([0.0, 1.0], [(0, 1)], [6.0]))
    within = replace(exact, death_lower=exact.death - 1, death_upper=exact.death)
    brackets = [sum(group.get("class") is not None and "role-mark" in group.get("class") for group in ElementTree.fromstring(
        drawn(lb.charts.barcode(bars))).iter(f"{SVG}g")) for bars in (exact, within)]  # fmt: skip
    assert brackets[1] == brackets[0] + 3  # a line and a stroke across at both its ends


def test_branches_of_the_merge_tree_do_not_cross(camel):
    """A joint runs at the height of a saddle; no bar between its ends may be alive there."""
    for bars in (camel[1], many_bars(40), lb.barcode(lb.basins(lb.sample(lb.functions.Langermann(), 20_000)))):
        rows = rows_of(lb.charts.merge_tree(bars), "position")
        assert sorted(row["position"] for row in rows) == list(range(len(rows)))
        for row in rows:
            if row["parent_position"] is not None:
                low, high = sorted((row["position"], row["parent_position"]))
                between = [other for other in rows if low < other["position"] < high]
                assert all(other["top"] <= row["top"] or other["birth"] >= row["top"] for other in between)


def test_map_shows_minima_and_saddles_where_they_are(camel):
    basins, bars = camel
    chart = lb.charts.basin_map(basins, bars)
    rows = rows_of(chart, "saddle_x")
    points = basins.samples.points
    np.testing.assert_allclose([[row["x"], row["y"]] for row in rows], points[bars.minimum_row], rtol=1e-6)
    np.testing.assert_allclose([[row["saddle_x"], row["saddle_y"]] for row in rows[1:]], points[bars.saddle_row[1:]], rtol=1e-6)
    assert "<image" in drawn(chart)


@pytest.mark.parametrize("method", ["sobol", "grid"])
def test_the_overlay_covers_each_basin(method):
    """The strips of each basin cover the area of the basin, up to one cell along its edge."""
    basins = lb.basins(lb.sample(lb.functions.SixHumpCamel(), 20_000, method=method))
    bars = lb.barcode(basins)
    strips = rows_of(lb.charts.dashboard(basins, bars), "x2")
    area = np.zeros(len(bars))
    for strip in strips:
        area[strip["bar"]] += (strip["x2"] - strip["x"]) * (strip["y2"] - strip["y"])
    np.testing.assert_allclose(area.sum(), 4 * 3, rtol=1e-6)
    np.testing.assert_allclose(area / 12, bars.size / len(basins.samples), atol=0.01)


def test_panels_of_the_dashboard_share_one_selection(camel):
    chart = lb.charts.dashboard(*camel)
    assert drawn(chart).count("<image") == 1
    spec = json.loads(chart.to_json())
    (pick,) = spec["params"]
    plane, right = spec["hconcat"]
    for panel in (plane, *right["vconcat"]):  # each has exactly one mark that takes clicks
        assert len([layer for layer in panel["layer"] if layer.get("name") in pick["views"]]) == 1


def test_samples_outside_the_domain_are_left_white():
    samples = lb.sample(lb.functions.EggCrate(), 10_000, method="grid")
    hole = samples.points[:].norm(dim=1) < 2
    values = samples.values.masked_fill(hole, math.inf).reshape(100, 100)
    basins = lb.basins(lb.from_grid(values, bounds=samples.bounds))
    strips = rows_of(lb.charts.dashboard(basins, lb.barcode(basins)), "x2")
    covered = sum((s["x2"] - s["x"]) * (s["y2"] - s["y"]) for s in strips)
    assert covered == pytest.approx(100 - math.pi * 4, rel=0.02)


def test_sublevel_explorer_gives_components_to_their_elder():
    """The points of the younger well change to the elder bar exactly at the younger one's death."""
    basins = lb.basins(lb.sample(lb.functions.DoubleWell(), 401, method="grid", dtype=torch.float64))
    bars = lb.barcode(basins)
    chart = lb.charts.sublevel_explorer(basins, bars)
    drawn(chart)
    rows = [row for row in rows_of(chart, "since") if 0.5 < row["x"] < 0.9]
    pass_height = float(bars.death[1])
    assert {(row["bar"], row["until"]) for row in rows} == {(1, pass_height), (0, 1e300)}
    assert all(row["since"] == (row["loss"] if row["bar"] == 1 else pass_height) for row in rows)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_unit_of_the_loss_and_of_the_box_does_not_matter(unit):
    line = lb.sample(lb.functions.DoubleWell(), 101, method="grid", dtype=torch.float64)
    scaled = lb.basins(lb.from_grid(line.values * unit, bounds=[(0, unit)]))
    chart = lb.charts.sublevel_explorer(scaled, lb.barcode(scaled))
    assert len({row["loss"] for row in rows_of(chart, "since")}) == 101
    (slider,) = json.loads(chart.to_json())["params"]
    assert 90 <= (slider["bind"]["max"] - slider["bind"]["min"]) / slider["bind"]["step"] <= 1100
    plane = lb.basins(lb.sample(lambda x: (x / unit).square().sum(1), 400, bounds=[(0, unit)] * 2, method="grid"))
    area = sum((s["x2"] - s["x"]) * (s["y2"] - s["y"]) for s in rows_of(lb.charts.dashboard(plane, lb.barcode(plane)), "x2"))
    assert area == pytest.approx(unit**2)


def test_a_raster_over_a_grid_shows_the_nearest_samples():
    """The shortcut for grids against the search that serves clouds."""
    from lossbarcode.charts import _plane

    grid = lb.sample(lb.functions.SixHumpCamel(), (6, 9), method="grid", dtype=torch.float64)
    cloud = lb.from_points(grid.points[:], grid.values)
    for is_image in (False, True):
        near = [
            _plane.nearest_samples(samples, _plane.plane_of(samples, "chart"), 31, 33)
            for samples in (replace(grid, is_image=is_image), replace(cloud, is_image=is_image))
        ]
        assert (near[0] == near[1]).all()


@pytest.mark.parametrize("shape", [(280, 280), (1, 7), (7, 1)])
def test_png_holds_the_pixels(shape):
    from lossbarcode.charts import _plane

    image = pytest.importorskip("PIL.Image")
    generator = np.random.default_rng(0)
    index = generator.integers(256, size=shape, dtype=np.uint8)
    palette = generator.integers(256, size=(256, 3), dtype=np.uint8)
    with image.open(io.BytesIO(_plane.png(index, palette))) as opened:
        opened.load()  # also checks the sums of all chunks
        assert (opened.format, opened.mode) == ("PNG", "P")
        np.testing.assert_array_equal(opened.convert("RGB"), palette[index])


def test_color_blind_readers_can_tell_colors_apart():
    from lossbarcode.charts import _bars, _sublevel

    assert {_bars.MINIMUM, _bars.SADDLE, *_sublevel.PALETTE[:-1]} <= {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"}


def test_bars_of_other_basins(camel):
    basins, _ = camel
    line = lb.basins(lb.sample(lb.functions.DoubleWell(), 100))
    with pytest.raises(ValueError, match=r"bars: expected the barcode of these basins, got another; pass bars=lb.barcode\(basins\)"):
        lb.charts.dashboard(basins, lb.barcode(line))


def test_importing_the_package_loads_no_chart_library():
    import subprocess
    import sys

    code = "import sys, lossbarcode; print([m for m in ('altair', 'pandas', 'gudhi', 'scipy', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_charts_stand_side_by_side_without_a_warning(camel):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(lb.charts.dashboard(*camel))
        drawn(lb.charts.barcode(camel[1]) | lb.charts.barcode(camel[1]) | lb.charts.diagram(camel[1]))


@pytest.mark.slow
def test_morse_map_shows_every_point_and_line():
    camel = lb.functions.SixHumpCamel()
    morse = lb.morse_complex(camel)
    samples = lb.sample(camel, 200**2, method="grid", dtype=torch.float64)
    chart = lb.charts.morse_map(morse, samples)
    assert "15 critical points, 28 lines" in drawn(chart)
    points = rows_of(chart, "kind", "value")
    assert sorted(row["kind"] for row in points) == ["1-saddle"] * 7 + ["maximum"] * 2 + ["minimum"] * 6
    lines = rows_of(chart, "line", "step")
    assert {row["line"] for row in lines} == set(range(28))
    assert sum(row["direction"].startswith("up") for row in lines if row["step"] == 0) == 14
    assert legend_of(chart) > {"minimum", "1-saddle", "maximum", "down to a minimum", "up to a maximum, or out", "loss"}
    image = replace(samples, is_image=True, axis_names=("a", "b"))
    assert titles_of(lb.charts.morse_map(morse, image)) == ["b", "a"]
    # lines begin at their saddles and are drawn where they run
    starts = np.array([[row["x"], row["y"]] for row in lines if row["step"] == 0])
    np.testing.assert_allclose(starts, morse.points[morse.separatrices.saddle_row].numpy(), atol=1e-4)
    # degenerate points have a mark, and a complex may have no line at all
    bowl = lb.morse_complex(lambda x: x[:, 0] ** 4 + x[:, 1] ** 2, camel.bounds)
    assert "degenerate" in drawn(lb.charts.morse_map(bowl, samples))
    # ... nor any point, as the cone, whose tip is no smooth minimum
    cone = lb.morse_complex(lambda x: x.norm(dim=1), camel.bounds)
    assert "0 critical points, 0 lines" in drawn(lb.charts.morse_map(cone, samples))
    with pytest.raises(ValueError, match=r"expected a complex and samples of two parameters, got 1 and 2; charts.merge_tree\(morse\)"):
        lb.charts.morse_map(lb.morse_complex(lb.functions.DoubleWell()), samples)


@pytest.mark.slow
def test_morse_map_says_how_many_lines_it_shows():
    morse = lb.morse_complex(lb.functions.VenterSobieski(), progress=False)
    chart = lb.charts.morse_map(morse, lb.sample(lb.functions.VenterSobieski(), 200**2, method="grid"))
    total = len(morse.separatrices.saddle_row)
    assert total > 8000
    assert f"4,225 critical points, 1,500 of {total:,} lines" in drawn(chart)


def test_barcodes_side_by_side():
    table = pd.concat([bars_of([(0.0, 1.0), (0.5, 3.0)]).table().assign(depth=depth) for depth in (2, 4)], ignore_index=True)
    assert "Sobol's" in drawn(lb.charts.barcodes(table.assign(depth="Sobol's"), "depth")).replace("&#39;", "'")
    chart = lb.charts.barcodes(table, "depth")
    svg = drawn(chart)
    assert "6 bars<" in svg
    assert "depth" in svg
    rows = rows_of(chart, "position", "birth")
    for name, group in (("2", 0), ("4", 1)):
        own = [row for row in rows if row["name"] == name]
        assert all(group < row["position"] < group + 0.8 for row in own)
        assert sorted((row["birth"], row["death"]) for row in own if row["death"]) == [(0.0, 1.0), (0.5, 3.0)]
    lowest = min(row["birth"] for row in rows)
    assert [row["birth"] for row in rows if row["death"] is None] == [lowest] * 2


MARKS = {"minimum": "#0072B2", "proven": "#D55E00", "bounded on both sides": "#F2BF99", "never ends": "#5A5A5A"}  # all others are hollow
HOLLOW = ["minimum not reached", "bounded above", "unknown"]


def fills_of(svg):
    """How often each colour fills a mark of the drawing; the strokes of the legend are thicker."""
    marks = [mark for mark in ElementTree.fromstring(svg).iter(f"{SVG}path") if mark.get("stroke-width") == "1" and mark.get("fill")]
    return pd.Series([mark.get("fill") for mark in marks]).value_counts().to_dict()


def test_only_proven_ends_are_drawn_full():
    bars = bars_of([(0.25, 1.0), (0.5, 3.0), (0.75, 2.0)], [0.0, 0.9])
    table = bars.table().assign(loss="one", minimum_reached=[True, True, False, True, True])
    table["end_evidence"] = [None, "proven", "bounded above", "bounded on both sides", "unknown"]
    chart = lb.charts.barcodes(table, "loss")
    svg = drawn(chart)
    assert "5 bars; 1 of 4 ends proven; 1 minimum not reached" in svg
    for name in [*MARKS, *HOLLOW]:
        assert f">{name}<" in svg  # in the legend
    found = fills_of(svg)
    expected = {MARKS["minimum"]: 4, MARKS["proven"]: 1, MARKS["bounded on both sides"]: 1, MARKS["never ends"]: 1, "white": 3}
    assert found == expected
    quiet = table.assign(quiet=True, saddle_evidence="index-1 saddle (numerical)")  # neither changes a mark
    assert fills_of(drawn(lb.charts.barcodes(quiet, "loss"))) == found
    bounds = drawn(lb.charts.barcodes(table[table["end_evidence"] == "bounded above"], "loss"))
    assert "1 bar; 0 of 1 end proven; 1 minimum not reached" in bounds
    assert ">proven<" not in bounds  # the legend lists what is drawn


def test_ends_of_which_nothing_is_said_are_full():
    """As of samples: how exact such bars are is no property of single ends."""
    svg = drawn(lb.charts.barcodes(bars_of([(0.5, 3.0)]).table().assign(loss="one"), "loss"))
    assert fills_of(svg) == {MARKS["minimum"]: 2, MARKS["proven"]: 1, MARKS["never ends"]: 1}
    assert [f">{name}<" in svg for name in ("minimum", "saddle", "never ends", "proven")] == [True, True, True, False]


def test_barcodes_say_what_they_leave_out():
    table = many_bars(3000).table().assign(loss="one")
    chart = lb.charts.barcodes(table, "loss", log=True)
    assert "40 of 3,000 bars: the 40 longest of each" in drawn(lb.charts.barcodes(table, "loss"))
    rows = rows_of(chart, "position")
    assert sorted(row["death"] for row in rows if row["death"]) == list(range(2962, 3001))
    for bad, message in (
        (table[:0], "table: expected rows with birth, death and loss, got 0 rows without any"),
        (table.drop(columns="birth"), r"got 3000 rows without \['birth'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            lb.charts.barcodes(bad, "loss")


def test_trends_of_runs():
    runs = pd.DataFrame(
        {"layers": [1, 1, 4, 4], "birth": [0.3, 0.1, 0.2, 0.1], "death": [0.9, 0.8, np.nan, 0.7], "to_score": [0.5, 0.4, 0.3, 0]}
    )
    runs["penalty"] = [0.1, 0.01, 0.1, 0.01]
    svg = drawn(lb.charts.trends(runs, "layers", by="penalty"))
    assert "1 not positive, left out" in svg
    assert "Births, deaths and TO-scores of 4 runs by layers." in lb.charts.trends(runs, "layers")["description"]
    assert "penalty" in svg
    assert "penalty" not in drawn(lb.charts.trends(runs, "layers"))
    assert "left out" not in drawn(lb.charts.trends(runs[:3], "layers"))
    rows = rows_of(lb.charts.trends(runs[:3], "layers"), "quantity", "loss")
    assert sorted(row["loss"] for row in rows if row["quantity"] == "death") == [0.8, 0.9]
    with pytest.raises(ValueError, match=r"runs: expected rows with birth, death, to_score, width, got 4 rows without \['width'\]"):
        lb.charts.trends(runs, "width")


def test_path_profiles_show_the_loss_along_every_path():
    loss = lb.functions.SixHumpCamel()
    minima = lb.find_minima(loss, lb.sample(loss, 200, dtype=torch.float64).points).deduplicate(1e-3)
    straight, paths = (lb.connect(loss, minima, max_rounds=rounds) for rounds in (0, 8))
    chart = lb.charts.path_profiles(paths, before=straight)
    assert "15 paths" in drawn(chart)
    rows = rows_of(chart, "path", "fraction")
    assert {row["path"] for row in rows} == {f"{a} to {b}" for a, b in paths.pairs.tolist()}
    for when, record in (("as it is", paths), ("before", straight)):
        for (a, b), points, values in zip(record.pairs.tolist(), record.points, record.values, strict=True):
            own = [row for row in rows if row["when"] == when and row["path"] == f"{a} to {b}"]
            np.testing.assert_allclose([row["loss"] for row in own], values)
            assert [row["loss"] for row in own if row["top"]] == [float(values.max())]
            length = (points[1:] - points[:-1]).norm(dim=1).cumsum(0)
            np.testing.assert_allclose([row["fraction"] for row in own], [0, *(length / length[-1]).tolist()])
    assert "1 path" in drawn(lb.charts.path_profiles(lb.connect(loss, minima, pairs=paths.pairs[:1], max_rounds=0)))  # without a warning
    with pytest.raises(ValueError, match="path_profiles: expected at most 4,500 images per path, got 5,001; connect with fewer"):
        lb.charts.path_profiles(lb.connect(loss, minima, pairs=paths.pairs[:1], max_rounds=0, initial_images=5000))
    with pytest.raises(ValueError, match="before: expected the 15 pairs of the paths, got 5 pairs, not all of them the same"):
        lb.charts.path_profiles(paths, before=lb.connect(loss, minima, pairs=paths.pairs[:5], max_rounds=0))


def test_paths_that_end_a_bar_are_marked_and_named():
    """Five minima in a row: the path between neighbors is as high as the top between them, a longer one a little higher than its tops.

    Over 3 minimum 1 (at 2) reaches minimum 2; over 3.5 minimum 3 (at 3) does; over 4 minimum 2 (at 1) reaches minimum 0; over 6 minimum 4
    (at 0.5) does.
    """
    values, tops = torch.tensor([0.0, 2.0, 1.0, 3.0, 0.5], dtype=torch.float64), [4.0, 3.0, 3.5, 6.0]
    pairs = torch.tensor([(a, b) for b in range(5) for a in range(b)])
    heights = torch.tensor([max(tops[a:b]) + 0.01 * (b - a - 1) for a, b in pairs.tolist()], dtype=torch.float64)
    minima = lb.Minima(torch.arange(5.0, dtype=torch.float64)[:, None], values, torch.zeros_like(values))
    first, last = minima.points[pairs].unbind(1)
    images = torch.stack([first, (first + last) / 2, last], 1)
    profile = torch.stack([values[pairs[:, 0]], heights, values[pairs[:, 1]]], 1)
    unknown = torch.full_like(heights, torch.nan)
    paths = lb.Paths(minima, pairs, images, profile, heights, unknown, unknown, unknown, torch.full_like(pairs[:, 0], -1), 1e-3)
    ending = {"3 to 4": "bar 1", "0 to 1": "bar 2", "1 to 2": "bar 3", "2 to 3": "bar 4"}
    assert [(bar.birth, bar.death) for bar in lb.barcode(paths)][1:] == [(0.5, 6.0), (1.0, 4.0), (2.0, 3.0), (3.0, 3.5)]

    chart = lb.charts.path_profiles(paths)
    table = {row["path"]: row for row in rows_of(chart, "path", "bar")}
    assert {name: row["bar"] for name, row in table.items() if row["kind"] == "ends a bar"} == ending
    assert {row["bar"] for row in table.values() if row["kind"] == "ends none"} == {"no bar"}
    assert (table["3 to 4"]["losses"], table["3 to 4"]["height"]) == ("3 and 0.5", 6.0)
    assert "3 to 4 ends bar 1" in drawn(chart)  # at first the path of the longest bar is the chosen one
    assert legend_of(chart) == {"path", "ends a bar", "ends none"}
    assert legend_of(lb.charts.path_profiles(paths, before=paths)) == legend_of(chart) | {"the chosen path", "as it is", "before"}
    # few paths: those of the longest bars, then the lowest
    for limit, shown in ((2, {"3 to 4", "0 to 1"}), (6, {*ending, "1 to 3", "0 to 2"})):
        few = lb.charts.path_profiles(paths, limit=limit)
        assert {row["path"] for row in rows_of(few, "path", "fraction")} == shown
        assert f"{limit} of 10 paths: those that end the longest bars, then the lowest" in drawn(few)


def test_uneven_coordinates_are_drawn_at_equal_distances_and_written_there():
    rates = pd.Index([1.0, 0.1, 0.01, 0.001], name="rate")
    table = pd.DataFrame([[3.0, 1.0, 2.0, 4.0], [4.0, 0.0, 5.0, 4.0], [4.0, 4.0, 4.0, 1.5]], columns=rates)
    chart = lb.charts.basin_map(lb.basins(lb.from_grid(table))).to_dict()
    text = json.dumps(chart)
    assert '\\"0\\": \\"1\\", \\"1\\": \\"0.1\\"' in text
    rows = [row for rows in chart["datasets"].values() for row in rows if "minimum_row" in row]
    assert {(row["x"], row["y"]) for row in rows} == {(1.0, 1.0), (3.0, 2.0)}
    assert '"title": "rate"' in text
    assert '"title": "axis 0"' in text
