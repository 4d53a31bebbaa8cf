"""Charts hold what they should and are drawn by Vega itself, for ordinary and for odd barcodes."""

import io
import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
import vl_convert
from helpers import barcode_of_intervals as bars_of

import lossbarcode as lb

BAR_CHARTS = [lb.charts.barcode, lb.charts.merge_tree, lb.charts.diagram]
NAMES = ["barcode", "merge_tree", "diagram"]


@pytest.fixture(scope="module")
def camel():
    basins = lb.basins(lb.sample(lb.functions.SixHumpCamel(), 20_000))
    return basins, lb.barcode(basins)


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
    from lossbarcode.charts import _map

    grid = lb.basins(lb.sample(lb.functions.SixHumpCamel(), (6, 9), method="grid", dtype=torch.float64))
    cloud = lb.basins(lb.from_points(grid.samples.points[:], grid.samples.values))
    box = grid.samples.bounds.numpy()
    assert (_map.nearest_samples(grid.samples, box, 31, 33) == _map.nearest_samples(cloud.samples, box, 31, 33)).all()


@pytest.mark.parametrize("shape", [(280, 280), (1, 7), (7, 1)])
def test_png_holds_the_pixels(shape):
    from lossbarcode.charts import _map

    image = pytest.importorskip("PIL.Image")
    generator = np.random.default_rng(0)
    index = generator.integers(256, size=shape, dtype=np.uint8)
    palette = generator.integers(256, size=(256, 3), dtype=np.uint8)
    with image.open(io.BytesIO(_map.png(index, palette))) as opened:
        opened.load()  # also checks the sums of all chunks
        assert (opened.format, opened.mode) == ("PNG", "P")
        np.testing.assert_array_equal(opened.convert("RGB"), palette[index])


def test_color_blind_readers_can_tell_colors_apart():
    from lossbarcode.charts import _bars, _sublevel

    assert {_bars.MINIMUM, _bars.SADDLE, *_sublevel.PALETTE[:-1]} <= {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"}


def test_wrong_dimensions_and_wrong_bars(camel):
    basins, bars = camel
    line = lb.basins(lb.sample(lb.functions.DoubleWell(), 100))
    with pytest.raises(ValueError, match=r"basin_map: expected samples of two parameters, got 1"):
        lb.charts.basin_map(line, lb.barcode(line))
    with pytest.raises(ValueError, match=r"sublevel_explorer: expected samples of one parameter, got 2; charts.dashboard shows two"):
        lb.charts.sublevel_explorer(basins, bars)
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
    assert sum(row["is_ascending"] for row in lines if row["step"] == 0) == 14
    # lines begin at their saddles and are drawn where they run
    starts = np.array([[row["x"], row["y"]] for row in lines if row["step"] == 0])
    np.testing.assert_allclose(starts, morse.points[morse.separatrices.saddle_row].numpy(), atol=1e-4)
    # degenerate points have a mark, and a complex may have no line at all
    bowl = lb.morse_complex(lambda x: x[:, 0] ** 4 + x[:, 1] ** 2, camel.bounds)
    assert "degenerate" in drawn(lb.charts.morse_map(bowl, samples))
    # ... nor any point, as the cone, whose tip is no smooth minimum
    cone = lb.morse_complex(lambda x: x.norm(dim=1), camel.bounds)
    assert "0 critical points, 0 lines" in drawn(lb.charts.morse_map(cone, samples))
    with pytest.raises(ValueError, match="expected a complex and samples of two parameters, got 1 and 2"):
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
    table["both_ends_converged"] = [True, True, False, True, True, True]
    table["minimum_converged"] = [True, True, True, True, True, True]
    assert "Sobol's" in drawn(lb.charts.barcodes(table.assign(depth="Sobol's"), "depth")).replace("&#39;", "'")
    chart = lb.charts.barcodes(table, "depth")
    svg = drawn(chart)
    assert "6 bars; 1 not converged (hollow)" in svg
    assert "depth" in svg
    rows = rows_of(chart, "position", "birth")
    assert [(row["name"], row["birth"]) for row in rows if not row["both_ends_converged"]] == [("2", 0.5)]
    assert all(row["minimum_converged"] for row in rows)
    alone = table.drop(columns="minimum_converged")
    assert drawn(lb.charts.barcodes(alone, "depth")).count('"white"') == svg.count('"white"') + 1  # its dot is hollow too
    for name, group in (("2", 0), ("4", 1)):
        own = [row for row in rows if row["name"] == name]
        assert all(group < row["position"] < group + 0.8 for row in own)
        assert sorted((row["birth"], row["death"]) for row in own if row["death"]) == [(0.0, 1.0), (0.5, 3.0)]
    lowest = min(row["birth"] for row in rows)
    assert [row["birth"] for row in rows if row["death"] is None] == [lowest] * 2


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
    for when, record in (("now", paths), ("before", straight)):
        for (a, b), points, values in zip(record.pairs.tolist(), record.points, record.values, strict=True):
            own = [row for row in rows if row["when"] == when and row["path"] == f"{a} to {b}"]
            np.testing.assert_allclose([row["loss"] for row in own], values)
            assert [row["loss"] for row in own if row["top"]] == [float(values.max())]
            length = (points[1:] - points[:-1]).norm(dim=1).cumsum(0)
            np.testing.assert_allclose([row["fraction"] for row in own], [0, *(length / length[-1]).tolist()])
    assert "the 3 lowest of 15 paths" in drawn(lb.charts.path_profiles(paths, limit=3))
    lowest = {f"{a} to {b}" for a, b in paths.pairs[paths.heights.argsort()[:3]].tolist()}
    assert {row["path"] for row in rows_of(lb.charts.path_profiles(paths, limit=3), "path")} == lowest
    with pytest.raises(ValueError, match="path_profiles: expected at most 4,500 images per path, got 5,001; connect with fewer"):
        lb.charts.path_profiles(lb.connect(loss, minima, pairs=paths.pairs[:1], max_rounds=0, initial_images=5000))
    with pytest.raises(ValueError, match="before: expected the 15 pairs of the paths, got 5 pairs, not all of them the same"):
        lb.charts.path_profiles(paths, before=lb.connect(loss, minima, pairs=paths.pairs[:5], max_rounds=0))
