"""The benchmark losses against other ways of computing them, and the promise of a loss."""

import inspect
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import lossbarcode as lb

ALL = lb.functions.BENCHMARKS
ANY_DIMENSION = [f for f in ALL if "dimension" in inspect.signature(f).parameters]
INSTANCES = [f() for f in ALL] + [f(dimension) for f in ANY_DIMENSION for dimension in (1, 3, 15)]

# Known values of the standard definitions: (function, point, value). Each follows by hand or from the survey's optimum.
KNOWN = [
    (lb.functions.DoubleWell(), [1.0], 0.1),
    (lb.functions.ThreeHumpCamel(), [0.0, 0.0], 0.0),
    (lb.functions.ThreeHumpCamel(), [1.0, 1.0], 2 - 1.05 + 1 / 6 + 2),
    (lb.functions.SixHumpCamel(), [0.08984201, -0.71265640], -1.03162845),
    (lb.functions.Langermann(), [2.00299219, 1.00609594], -5.1621259),
    (lb.functions.HolderTable(), [8.05502, 9.66459], -19.2085),
    (lb.functions.PenHolder(), [9.64616772, 9.64616772], -0.96353483),
    (lb.functions.PenHolder(), [math.pi / 2, 0.0], 0.0),
    (lb.functions.EggCrate(), [math.pi / 2, 0.0], math.pi**2 / 4 + 25),
    (lb.functions.Tripod(), [0.0, -50.0], 0.0),
    (lb.functions.Tripod(), [-50.0, 50.0], 1.0),
    (lb.functions.Tripod(), [50.0, 50.0], 2.0),
    (lb.functions.UrsemWaves(), [1.2, 1.2], -8.5536),
    (lb.functions.VenterSobieski(), [0.0, 0.0], -400.0),
    (lb.functions.Wavy(), [0.0, 0.0], 0.0),
    (lb.functions.Wavy(3), [0.0, 0.0, math.pi / 10], 1 - (2 - math.exp(-(math.pi**2) / 200)) / 3),
    (lb.functions.Alpine01(3), [0.0, 0.0, math.pi], 0.1 * math.pi),
    (lb.functions.Schwefel26(4), [420.968746] * 4, 0.0),
    (lb.functions.XinSheYang04(3), [0.0, 0.0, 0.0], -1.0),
    (lb.functions.Qing(3), [1.0, -math.sqrt(2), math.sqrt(3)], 0.0),
    (lb.functions.Qing(3), [0.0, 0.0, 0.0], 1.0 + 4 + 9),
]


@pytest.mark.parametrize(("loss", "point", "value"), KNOWN, ids=lambda x: getattr(x, "name", None))
def test_known_values(loss, point, value):
    assert loss(torch.tensor([point], dtype=torch.float64)).item() == pytest.approx(value, abs=2e-5)


def test_every_function_has_a_known_value():
    assert {type(loss) for loss, _, _ in KNOWN} == set(ALL)


def test_names_of_the_papers():
    assert (lb.functions.HumpCamel3, lb.functions.HumpCamel6) == (lb.functions.ThreeHumpCamel, lb.functions.SixHumpCamel)


@pytest.mark.parametrize("loss", INSTANCES, ids=lambda f: f.name)
def test_keeps_dtype_device_and_shape(loss, dtype, device):
    points = lb.sample(loss, 64, dtype=dtype, device=device).points
    values = loss(points)
    assert (values.shape, values.dtype, values.device) == ((64,), dtype, points.device)
    assert values.isfinite().all()


@pytest.mark.parametrize("loss", INSTANCES, ids=lambda f: f.name)
@pytest.mark.parametrize("chunk_size", [1, 3, 1000])
def test_a_row_does_not_depend_on_its_batch(loss, chunk_size, dtype):
    whole = lb.sample(loss, 2003, dtype=dtype)
    assert torch.equal(lb.sample(loss, 2003, dtype=dtype, chunk_size=chunk_size).values, whole.values)


@pytest.mark.parametrize("loss", INSTANCES, ids=lambda f: f.name)
def test_gradient_agrees_with_differences(loss):
    points = lb.sample(loss, 16, dtype=torch.float64, seed=3).points.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(points).sum(), points)
    step = 1e-6 * (loss.bounds[:, 1] - loss.bounds[:, 0])
    for axis in range(points.shape[1]):
        move = torch.zeros_like(points)
        move[:, axis] = step[axis]
        slope = (loss(points + move) - loss(points - move)) / (2 * step[axis])
        np.testing.assert_allclose(gradient[:, axis].detach(), slope.detach(), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("function", [lb.functions.Schwefel26, lb.functions.XinSheYang04])
def test_gradient_at_the_origin_is_a_number(function):
    origin = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(function(2)(origin).sum(), origin)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("loss", INSTANCES, ids=lambda f: f.name)
def test_bounds_and_source(loss):
    bibliography = (Path(__file__).parents[2] / "book" / "references.bib").read_text()
    assert loss.bounds.shape[1] == 2
    assert (loss.bounds[:, 0] < loss.bounds[:, 1]).all()
    assert re.search(rf"^@\w+\{{{loss.source},", bibliography, re.M)


@pytest.mark.parametrize("shape", [(2,), (5, 3), (0,), (2, 5, 2)])
def test_wrong_shapes(shape, as_users_call):
    with pytest.raises(ValueError, match=r"SixHumpCamel: expected floating-point points of shape \[n 2\], got torch.float32 of shape"):
        lb.functions.SixHumpCamel()(torch.zeros(shape))


def test_integer_points(as_users_call):
    with pytest.raises(ValueError, match=r"got torch.int64 of shape \[4, 2\]"):
        lb.functions.SixHumpCamel()(torch.zeros(4, 2, dtype=torch.int64))


@pytest.mark.parametrize("dimension", [0, -1, 1.5, True])
def test_wrong_dimensions(dimension, as_users_call):
    with pytest.raises(ValueError, match="dimension: expected a whole number of at least 1, got"):
        lb.functions.Alpine01(dimension)
