"""Where a loss is evaluated, and what is said when that is impossible."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import qmc

import lossbarcode as lb

CAMEL = lb.functions.HumpCamel6()


@pytest.mark.parametrize("method", ["sobol", "uniform", "grid", "lattice"])
def test_points_are_in_the_box_and_values_are_the_losses(method, dtype, device):
    samples = lb.sample(CAMEL, 10_000, method=method, dtype=dtype, device=device)
    points = samples.points[:]
    assert len(samples) == 10_000
    assert points.dtype == samples.values.dtype == samples.bounds.dtype == dtype
    assert points.device.type == samples.values.device.type == device.type
    low, high = samples.bounds.T
    assert ((points >= low) & (points <= high)).all()
    assert torch.equal(CAMEL(points), samples.values)


@pytest.mark.parametrize("method", ["sobol", "uniform", "lattice"])
def test_seeds(method):
    first, again, other = (lb.sample(CAMEL, 100, method=method, seed=seed).points[:] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_sobol_points_are_more_even_than_uniform_ones():
    def discrepancy(method):
        return qmc.discrepancy(lb.sample(CAMEL, 512, bounds=[(0, 1), (0, 1)], method=method, dtype=torch.float64).points.numpy())

    assert discrepancy("sobol") < discrepancy("uniform") / 10


def test_the_number_of_points_along_each_axis_of_a_grid():
    assert lb.sample(CAMEL, (5, 7), method="grid").neighbors == lb.Grid((5, 7))
    assert len(lb.sample(lb.functions.Alpine01(3), 1000, method="grid")) == 1000
    assert len(lb.sample(lb.functions.Alpine01(3), 999, method="grid")) == 729
    assert len(lb.sample(lb.functions.Alpine01(6), 1, method="grid")) == 1


def test_grid_points_count_in_c_order_and_include_the_ends():
    points = lb.sample(CAMEL, (3, 2), method="grid", dtype=torch.float64).points
    assert points.shape == (6, 2)
    assert points[:].tolist() == [[-2, -1.5], [-2, 1.5], [0, -1.5], [0, 1.5], [2, -1.5], [2, 1.5]]
    assert points[3].tolist() == points[-3].tolist() == [0, 1.5]
    assert points[[0, 5]].tolist() == points[torch.tensor([0, 5])].tolist() == [[-2, -1.5], [2, 1.5]]
    assert points[torch.arange(6) == 4].tolist() == [[2, -1.5]]
    assert points[np.array([1])].tolist() == [[-2, 1.5]]
    with pytest.raises(IndexError, match="numbers below 6, got 6 to 6"):
        points[[6]]


def test_array_rows_lead_back_to_the_array():
    array = np.random.default_rng(0).normal(size=(4, 5, 6))
    samples = lb.from_grid(array, bounds=[(0, 3), (10, 14), (-5, 0)])
    at = np.unravel_index(77, array.shape)
    assert samples.values[77] == array[at]
    assert samples.points[77].tolist() == [at[0], 10 + at[1], -5 + at[2]]
    assert lb.from_grid(array).points[77].tolist() == list(at)


@pytest.mark.parametrize(
    "change",
    [lambda a: a[::-1], lambda a: a.T, lambda a: a.astype(">f8"), np.asfortranarray, lambda a: a[:1, ::-1]],
    ids=["reversed", "transposed", "big-endian", "Fortran", "one row"],
)
def test_any_memory_order(change):
    array = change(np.arange(12.0).reshape(3, 4))
    assert lb.from_grid(array).values.tolist() == array.ravel().tolist()


def test_read_only_arrays_and_tensors_with_a_gradient():
    array = np.arange(3.0)
    array.setflags(write=False)
    assert lb.from_grid(array).values.tolist() == [0, 1, 2]
    assert not lb.from_grid(torch.ones(3, requires_grad=True)).values.requires_grad


def test_values_outside_the_domain_are_kept_as_such():
    samples = lb.sample(lambda x: torch.where(x[:, 0] > 0, torch.inf, x[:, 0]), 100, bounds=[(-1, 1)])
    assert (samples.values == torch.inf).sum() == (samples.points[:, 0] > 0).sum()


def test_progress_bar_on_request(capsys):
    lb.sample(CAMEL, 100, progress=True)
    assert "100/100" in capsys.readouterr().err
    lb.sample(CAMEL, 100)
    assert capsys.readouterr().err == ""


def test_samples_say_where_they_come_from():
    assert lb.sample(CAMEL, 1024, seed=3).name == "SixHumpCamel, 1,024 sobol points, seed 3"

    def bowl(x):
        return x.square().sum(1)

    assert lb.sample(bowl, (3, 3), bounds=[(-1, 1)] * 2, method="grid").name == "bowl, 9 grid points"


def square(x):
    return x.square().sum(1)


POINTS, BOX = torch.zeros(4, 2), [(-1, 1), (-1, 1)]
BAD = {
    "no bounds": (lambda: lb.sample(square, 10), r"bounds: expected a box \[d 2\], got None.*pass bounds="),
    "bounds of one axis": (lambda: lb.sample(square, 10, bounds=(0, 1)), r"bounds: expected shape \[d 2\].*got \[2\]"),
    "class": (lambda: lb.sample(lb.functions.Wavy, 10), r"bounds: expected numbers, .* got <property .*; a class of losses must be called first"),
    "empty box": (lambda: lb.sample(square, 10, bounds=[(0, 1), (2, 2)]), r"low < high along every axis, got \[2.0, 2.0\] along axis 1"),
    "infinite box": (lambda: lb.sample(square, 10, bounds=[(0, math.inf)]), r"finite low < high .* got \[0.0, inf\] along axis 0"),
    "NaN box": (lambda: lb.sample(square, 10, bounds=[(0, math.nan)]), r"finite low < high"),
    "no points": (lambda: lb.sample(CAMEL, 0), "n: expected a whole number of at least 1, got 0"),
    "half a point": (lambda: lb.sample(CAMEL, 1.5), "n: expected a whole number"),
    "a shape for a cloud": (lambda: lb.sample(CAMEL, (3, 3)), r"n: expected a whole number of at least 1, got \(3, 3\)"),
    "a shape of another dimension": (lambda: lb.sample(CAMEL, (3, 3, 3), method="grid"), "one along each of 2 axes, got"),
    "no chunk": (lambda: lb.sample(CAMEL, 10, chunk_size=0), "chunk_size: expected a whole number of at least 1, got 0"),
    "unknown method": (lambda: lb.sample(CAMEL, 10, method="halton"), "method: expected 'sobol', 'uniform', 'grid' or 'lattice', got 'halton'"),
    "beyond Sobol'": (lambda: lb.sample(CAMEL, 2**30 + 1), "at most 1073741824 for method='sobol', got 1073741825; use 'lattice'"),
    "half precision": (lambda: lb.sample(CAMEL, 10, dtype=torch.float16), "dtype: expected torch.float32 or torch.float64, got torch.float16"),
    "loss of another shape": (lambda: lb.sample(lambda x: x, 10, bounds=BOX), r"loss: expected torch.float32 of shape \[1\].*got torch.float32 of shape \[1, 2\]"),
    "loss of another dtype": (lambda: lb.sample(lambda x: x.sum(1).double(), 10, bounds=BOX), "loss: expected torch.float32 .*got torch.float64"),
    "loss in NumPy": (lambda: lb.sample(lambda x: x.sum(1).numpy(), 10, bounds=BOX), "loss: .*got ndarray"),
    "a mean over the batch": (lambda: lb.sample(lambda x: x[:, 0] - x.mean(), 10, bounds=BOX), "loss: expected every row to have a loss of its own"),
    "a loss of noise": (lambda: lb.sample(lambda x: x[:, 0] + torch.rand(len(x), dtype=x.dtype), 10, bounds=BOX, dtype=torch.float64), "without random numbers"),
    "loss NaN": (lambda: lb.sample(lambda x: (x[:, 0] * 0).log().log(), 10, bounds=BOX), "values: .* got 10 NaN in 10, the first at 0"),
    "loss -inf": (lambda: lb.sample(lambda x: (x[:, 0] * 0).log(), 10, bounds=BOX), "got 10 -inf in 10, the first at 0"),
    "all outside": (lambda: lb.sample(lambda x: x[:, 0] * 0 + math.inf, 10, bounds=BOX), r"got 10 times \+inf; nothing is inside"),
    "grid NaN": (lambda: lb.from_grid([[0.0, 1.0], [math.nan, -math.inf]]), r"got 1 NaN and 1 -inf in 4, the first at \(1, 0\)"),
    "grid of no axis": (lambda: lb.from_grid(np.float64(3.0)), r"Grid.shape: expected at least one axis, got \(\)"),
    "empty grid": (lambda: lb.from_grid(np.zeros((3, 0))), r"at least one number, got shape \(3, 0\)"),
    "text": (lambda: lb.from_grid(["a"]), "values: expected an array of real numbers .* got dtype <U1"),
    "complex": (lambda: lb.from_grid(np.zeros(3, dtype=complex)), "expected an array of real numbers .* got dtype complex128"),
    "bounds of other axes": (lambda: lb.from_grid([0.0, 1.0], bounds=BOX), "bounds: expected one row for each of 1 axes, got 2"),
    "more values than points": (lambda: lb.from_points(POINTS, torch.zeros(5)), r"expected shapes \[n d\] and \[n\], got \[4, 2\] and \[5\]"),
    "points on a line": (lambda: lb.from_points(torch.zeros(4), torch.zeros(4)), r"points on a line need \[:, None\]"),
    "points not finite": (lambda: lb.from_points(POINTS / 0, torch.zeros(4)), "points: expected finite coordinates, got 4 rows that are not, the first at 0"),
    "a record with NaN": (lambda: lb.Samples(POINTS, torch.full((4,), math.nan), torch.tensor(BOX)), "values: .*got 4 NaN in 4, the first at 0"),
    "a record of other lengths": (lambda: lb.Samples(POINTS, torch.zeros(5), torch.tensor(BOX)), r"Samples.values: expected .* of shape \(4,\), one per point, got .*\(5,\)"),
    "values not finite": (lambda: lb.from_points(POINTS, torch.tensor([0.0, 0, math.nan, 0])), "values: .*got 1 NaN in 4, the first at 2"),
}  # fmt: skip


def test_bad_input(bad_input):
    bad_input()
