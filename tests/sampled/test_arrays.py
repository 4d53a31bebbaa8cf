"""Arrays and clouds as they come: masked, whole numbers, tables with names and coordinates, lists, angles, extreme numbers."""

import math
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from helpers import quiet_barcode
from hypothesis import given
from hypothesis import strategies as st

import lossbarcode as lb
from lossbarcode._support import machine


def test_masked_means_outside(dtype):
    array = np.ma.masked_equal(np.array([3, 0, 9, 1, 2], dtype=str(dtype).removeprefix("torch.")), 9)
    assert lb.from_grid(array).values.tolist() == [3, 0, math.inf, 1, 2]
    with pytest.warns(UserWarning, match="has 2 connected components"):
        assert len(lb.barcode(array)) == 2
    assert lb.from_grid(np.ma.masked_equal([3, 9], 9)).values.tolist() == [3, math.inf]
    assert lb.from_points([[0.0], [1.0]], np.ma.masked_equal([3.0, 9.0], 9)).values.tolist() == [3, math.inf]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.uint8, torch.float32), (np.int16, torch.float32), (np.float16, torch.float32), (bool, torch.float32), (np.int64, torch.float64),
        (np.uint32, torch.float64), (torch.uint8, torch.float32), (torch.bfloat16, torch.float32), (torch.int64, torch.float64),
        (torch.bool, torch.float32),
    ],
)  # fmt: skip
def test_whole_numbers_and_half_precision_are_widened(given, kept):
    image = np.array([[1, 0], [1, 1]])
    samples = lb.from_grid(torch.tensor(image).to(given) if isinstance(given, torch.dtype) else image.astype(given))
    assert samples.values.dtype == kept
    assert samples.values.tolist() == [1, 0, 1, 1]


def test_an_image_of_bytes_is_drawn_as_an_image():
    image = np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)
    samples = lb.from_grid(image)
    assert samples.is_image
    assert not lb.from_grid(image, bounds=[(0, 1), (0, 1)]).is_image
    assert lb.barcode(image).birth[0] == image.min()


LOSSES = [[3.0, 1.0, 2.0], [4.0, 0.0, 5.0]]


def test_data_frames_bring_names_and_coordinates():
    sweep = pd.DataFrame(LOSSES, index=pd.Index([0.0, 0.5], name="momentum"), columns=pd.Index([0.1, 0.2, 0.3], name="rate"))
    samples = lb.from_grid(sweep)
    assert samples.axis_names == ("momentum", "rate")
    assert samples.points[4].tolist() == [0.5, 0.2]
    np.testing.assert_allclose(samples.bounds, [[0, 0.5], [0.1, 0.3]])
    assert samples.points.ticks is None
    assert samples.table(torch.tensor([4])).to_dict("records") == [{"momentum": 0.5, "rate": 0.2, "value": 0.0}]


def test_coordinates_that_are_not_even_are_kept():
    sweep = pd.DataFrame(LOSSES, index=["sgd", "adam"], columns=pd.Index([1.0, 0.1, 0.001], name="rate"))
    samples = lb.from_grid(sweep)
    assert samples.axis_names == ("axis 0", "rate")
    assert samples.points[:].tolist() == [[0, 1], [0, 0.1], [0, 0.001], [1, 1], [1, 0.1], [1, 0.001]]
    assert samples.bounds.tolist() == [[0, 1], [0.001, 1]]
    assert lb.barcode(samples).to_gudhi() == [(0, (0.0, math.inf))]


def test_series_and_xarray():
    curve = pd.Series([2.0, 0.0, 3.0], index=pd.Index([10.0, 20.0, 30.0], name="degrees"))
    assert lb.from_grid(curve).points[:].tolist() == [[10], [20], [30]]
    assert lb.from_grid(curve).axis_names == ("degrees",)
    field = xr.DataArray(
        np.arange(24.0).reshape(2, 3, 4), dims=("time", "lat", "lon"), coords={"lat": [60.0, 50.0, 40.0], "lon": [0, 90, 180, 270]}
    )
    samples = lb.from_grid(field, periodic=[False, False, True])
    assert samples.axis_names == ("time", "lat", "lon")
    assert samples.points[-1].tolist() == [1, 40, 270]
    assert samples.bounds.tolist() == [[0, 1], [40, 60], [0, 360]]
    assert samples.neighbors == lb.Grid((2, 3, 4), (False, False, True))
    assert lb.from_grid(xr.DataArray([1.0, 0.0]), axis_names=["step"]).axis_names == ("step",)


def test_clouds_from_tables_and_lists():
    table = pd.DataFrame({"rate": [0.1, 0.2, 0.4], "decay": [1, 2, 3], "loss": [3.0, 1.0, 2.0]})
    samples = lb.from_points(table[["rate", "decay"]], table["loss"])
    assert samples.axis_names == ("rate", "decay")
    assert samples.table(lb.barcode(samples).minimum_row).to_dict("records") == [{"rate": 0.2, "decay": 2.0, "value": 1.0}]
    assert len(lb.from_points([[0], [1]], [2, 1])) == 2
    assert lb.from_points(np.zeros((2, 1), np.float32), np.zeros(2)).values.dtype == torch.float64


# --- angles --------------------------------------------------------------------------------------------------------


def rotor(x):
    """Two coupled angles; three minima on the torus."""
    return (1 - x.cos()).sum(1) + 0.8 * (1 - (3 * x[:, 0] - x[:, 1]).cos())


METHODS = {"grid": (300, 300), "lattice": 60_000, "sobol": 60_000}


@pytest.mark.parametrize("method", METHODS)
def test_the_seam_of_a_torus_is_nowhere(method):
    """Bars of a function of angles, whose box may begin anywhere, against those of an array three times as wide on both axes."""
    n = METHODS[method]
    found = []
    for low in (0.0, -2.0, 1.3):
        box = [(low, low + 2 * math.pi)] * 2
        samples = lb.sample(rotor, n, bounds=box, periodic=True, method=method, dtype=torch.float64)
        bars = lb.barcode(samples)
        bars = [(birth, death) for _, (birth, death) in bars.to_gudhi() if death - birth > 0.05]
        found.append(bars)
        assert samples.periodic.tolist() == [True, True]
    without = lb.barcode(lb.sample(rotor, n, bounds=[(-2.0, -2.0 + 2 * math.pi)] * 2, method=method, dtype=torch.float64))
    assert [len(bars) for bars in found] == [len(found[0])] * 3
    np.testing.assert_allclose(found[1], found[0], atol=0.01)
    np.testing.assert_allclose(found[2], found[0], atol=0.01)
    assert sum(death - birth > 0.05 for _, (birth, death) in without.to_gudhi()) > len(found[0])


def test_a_loss_may_say_that_it_is_periodic():
    class Rotor:
        name, bounds, periodic = "rotor", [(0, 2 * math.pi)] * 2, True

        def __call__(self, x):
            return rotor(x)

    assert lb.sample(Rotor(), 100).periodic.tolist() == [True, True]
    assert lb.sample(Rotor(), 100, periodic=[False, True]).periodic.tolist() == [False, True]
    assert lb.sample(lambda x: x.sum(1), 100, bounds=[(0, 1)]).periodic.tolist() == [False]


@given(st.integers(0, 11), st.integers(0, 8))
def test_rolling_a_periodic_array_changes_no_interval(down, right):
    array = np.random.default_rng(1).integers(0, 30, (12, 9)).astype(float)
    rolled = lb.from_grid(np.roll(array, (down, right), (0, 1)), periodic=True)
    flat = lb.from_grid(array, periodic=True)
    for degree in (0, 1, 2):
        one, other = lb.barcode(rolled, degree=degree), lb.barcode(flat, degree=degree)
        assert sorted(interval for _, interval in one.to_gudhi()) == sorted(interval for _, interval in other.to_gudhi())
    assert [int((~lb.barcode(flat, degree=degree).is_finite).sum()) for degree in (0, 1, 2)] == [1, 2, 1]


def test_a_periodic_grid_has_no_sample_twice():
    points = lb.sample(rotor, (4, 4), bounds=[(0, 1), (0, 1)], periodic=[True, False], method="grid").points[:]
    assert points[:, 0].unique().tolist() == [0, 0.25, 0.5, 0.75]
    assert points[-1, 1] == 1
    assert lb.from_grid(np.zeros(4), periodic=True).bounds.tolist() == [[0, 4]]


def test_a_periodic_cloud_needs_its_period():
    points = torch.tensor([[0.05], [0.5], [0.95]], dtype=torch.float64)
    values = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64)
    assert len(quiet_barcode(lb.basins(lb.from_points(points, values), k=1))) == 2
    assert len(quiet_barcode(lb.basins(lb.from_points(points, values, [(0, 1)], periodic=True), k=1))) == 1


BOX, WIDE = [(0.0, 1.0)] * 2, torch.zeros(3, 2)
BAD = {
    "a period without a box": (lambda: lb.from_points(WIDE, WIDE[:, 0], periodic=True), "bounds: expected a box .* for periodic axes"),
    "periods of other axes": (lambda: lb.from_grid(np.zeros((2, 2)), periodic=[True]), "periodic: expected True, False, or one .* 2 axes, got"),
    "bounds of other points": (lambda: lb.from_points(WIDE, WIDE[:, 0], [(0, 1)]), "bounds: expected one row for each of 2 axes, got 1"),
    "names of other axes": (lambda: lb.from_grid(np.zeros((2, 2)), axis_names=["rate"]), r"axis_names: expected one name for each of 2 axes, got \('rate',\)"),
    "uneven around": (
        lambda: lb.from_grid(pd.Series([1.0, 2.0, 3.0], index=[1.0, 2.0, 4.0]), periodic=True),
        "periodic: expected coordinates in equal steps upwards along a periodic axis, got others along axis 0",
    ),
    "masked points": (lambda: lb.from_points(np.ma.masked_equal([[1.0], [2.0]], 2), [0, 1]), "points: expected finite coordinates, got 1 rows"),
    "dates": (lambda: lb.from_grid(np.array(["2020-01-01"], dtype="datetime64[D]")), "values: expected an array of real numbers .* got dtype datetime64"),
    "long double": (lambda: lb.from_grid(np.zeros(3, np.longdouble)), "at most 64 bits, got dtype float128"),
    "a complex tensor": (lambda: lb.from_grid(torch.zeros(3, dtype=torch.complex64)), "values: expected real numbers, got torch.complex64"),
    "a gap in a table": (lambda: lb.from_grid(pd.DataFrame({"a": [1.0, None]})), r"values: .*got 1 NaN in 2, the first at \(1, 0\)"),
    "a box beyond float32": (lambda: lb.sample(rotor, 10, bounds=[(0, 1e39)] * 2), r"bounds: expected ends and widths that torch.float32 can hold, got \[0.0, 1e\+39\]"),
    "a box below float32": (lambda: lb.sample(rotor, 10, bounds=[(0, 1e-50)] * 2), "rescale the axis"),
    "a width beyond float64": (lambda: lb.sample(rotor, 10, bounds=[(-1e308, 1e308)] * 2, dtype=torch.float64), "ends and widths that torch.float64 can hold"),
    "a box of another loss": (lambda: lb.sample(lb.functions.Alpine01(3), 10, bounds=BOX), "bounds: expected one row for each of the 3 parameters of Alpine01"),
}  # fmt: skip


def test_bad_input(bad_input):
    bad_input()


@pytest.mark.parametrize("unit", [1e-300, 1e-100, 1e100, 1e300])
def test_units_change_no_bar(unit):
    """Coordinates whose squares are no numbers any more."""
    points = torch.rand(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = rotor(6 * points)
    unit = 2.0 ** round(math.log2(unit))
    assert lb.barcode(lb.from_points(points * unit, values)).to_gudhi() == lb.barcode(lb.from_points(points, values)).to_gudhi()


def test_a_run_whose_basins_cannot_fit_is_refused_before_it_samples():
    calls = []

    def loss(x):
        calls.append(len(x))
        raise MemoryError("stop here")

    n = 2**31 + 5  # rows of 64 bits: 17 bytes per sample, besides 4 of the loss
    for available, message in ((20 * n, "samples and their basins"), (22 * n, "stop here")):
        memory = mock.Mock(available=available)
        with mock.patch.object(machine.psutil, "virtual_memory", return_value=memory), pytest.raises(MemoryError, match=message):
            lb.sample(loss, n, bounds=[(0, 1)], method="lattice", dtype=torch.float32)
    assert calls == [1]


def test_one_call_for_angles():
    wave = torch.linspace(0, 2 * math.pi, 101)[:-1].cos()
    assert len(lb.barcode(wave.roll(50), periodic=True)) == 1
    assert len(lb.barcode(wave, periodic=True)) == 1
    assert len(lb.barcode(wave.roll(50))) == 2
    with pytest.raises(ValueError, match="periodic: expected only for a loss or an array, got it for Samples"):
        lb.barcode(lb.from_grid(wave), periodic=True)
