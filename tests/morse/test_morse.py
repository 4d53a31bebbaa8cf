"""The gradient Morse complex against known answers, separable sums, SciPy's solvers and the sampled route."""

import itertools
import math
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import oracles
import pytest
import torch
from scipy.integrate import solve_ivp

import lossbarcode as lb

F = lb.functions
INF = math.inf


@cache
def complex_of(loss):
    return lb.morse_complex(loss, progress=False)


@cache
def function(kind, *dimension):
    """One object for each function, so that its complex is computed once."""
    return getattr(F, kind)(*dimension)


def close(bars, expected, rel=1e-8):
    """Births and deaths agree, to a part of the larger of the number itself and the longest bar's length."""
    found = sorted(zip(bars.birth.tolist(), bars.death.tolist(), strict=True))
    expected = sorted(expected)
    assert len(found) == len(expected)
    reach = max((death - birth for birth, death in expected if death < INF), default=1.0)
    # symmetric minima tie, and then rounding decides which of them has which death, so ends are compared each on its own
    for ours, theirs in zip(zip(*found, strict=True), zip(*expected, strict=True), strict=True):
        assert sorted(ours) == pytest.approx(sorted(theirs), rel=rel, abs=rel * reach)


KNOWN = {
    "DoubleWell": [(-0.32191935, INF), (-0.18058697, 0.00250631)],
    "ThreeHumpCamel": [(0, INF), (0.29863844, 0.87736156), (0.29863844, 0.87736156)],
    "SixHumpCamel": [(-1.03162845, INF), (-1.03162845, 0)] + [(-0.21546382, 0.54371860)] * 2 + [(2.10425031, 2.22935720)] * 2,
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_answers(name):
    """Births and deaths to the digits that are published."""
    bars = lb.barcode(complex_of(function(name)))
    for ends, known in ((bars.birth, [b for b, _ in KNOWN[name]]), (bars.death, [d for _, d in KNOWN[name]])):
        assert sorted(ends.tolist()) == pytest.approx(sorted(known), abs=6e-9)


def wavy(dimension):
    return lambda x: (1 - np.cos(10 * x) * np.exp(-(x**2) / 2)) / dimension


# Sums of functions of one variable, written out once more, with numbers of minima and maxima along each axis.
SEPARABLE = {
    ("EggCrate",): [lambda x: x**2 + 25 * np.sin(x) ** 2] * 2,
    ("Wavy", 1): [wavy(1)],
    ("Wavy", 2): [wavy(2)] * 2,
    ("VenterSobieski",): [lambda x: x**2 - 100 * np.cos(x) ** 2 - 100 * np.cos(x**2 / 30)] * 2,
    **{("Qing", d): [lambda x, i=i: (x**2 - i) ** 2 for i in range(1, d + 1)] for d in (2, 3, 4)},
    **{("Schwefel26", d): [lambda x: 418.982887 - x * np.sin(np.sqrt(np.abs(x)))] * d for d in (1, 2, 3)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEPARABLE, ids=str)
@pytest.mark.slow
def test_separable_sums(name):
    loss = function(*name)
    found = complex_of(loss)
    curves = [oracles.bars_of_curve(f, low, high) for f, (low, high) in zip(SEPARABLE[name], loss.bounds.tolist(), strict=True)]
    assert found.completeness == "complete"
    close(lb.barcode(found), oracles.separable(*curves))
    # along an axis there is one maximum less than there are minima; a sum's index counts the maxima among its parts
    expected = np.array([1])
    for bars in curves:
        expected = np.convolve(expected, [len(bars), len(bars) - 1])
    assert torch.bincount(found.index).tolist() == expected.tolist()
    assert len(found.index) == math.prod(2 * len(bars) - 1 for bars in curves)


@pytest.mark.slow
def test_schwefel_has_512_minima():
    assert int((complex_of(function("Schwefel26", 3)).index == 0).sum()) == 512


class Trigonometric(F.BenchmarkFunction):
    """A random trigonometric polynomial on the unit square."""

    box = ((0.0, 1.0), (0.0, 1.0))

    def __init__(self, seed, degree=4):
        rng = np.random.default_rng(seed)
        waves = itertools.product(range(-degree, degree + 1), range(degree + 1))
        self.terms = [(a, b, *rng.normal(size=1) / (1 + a * a + b * b), *rng.uniform(0, 2 * np.pi, 1)) for a, b in waves]

    def formula(self, x, y):
        return sum(c * torch.cos(2 * math.pi * (a * x + b * y) + shift) for a, b, c, shift in self.terms)


@cache
def trigonometric(seed):
    return Trigonometric(seed)


# loss, points along each side of the grid, shortest bar that is compared: well above the grid's error
REFINED = {
    "UrsemWaves": (lambda: function("UrsemWaves"), 801, 1e-2),
    "Langermann": (lambda: function("Langermann"), 1601, 5e-2),
    **{f"trigonometric {seed}": (lambda seed=seed: trigonometric(seed), 801, 1e-2) for seed in range(4)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFINED)
@pytest.mark.slow
def test_refined_bars_of_a_grid(name):
    """Every long bar of a fine grid, its ends refined by SciPy, is a bar of the complex to 1e-8, and there are no others."""
    make, side, shortest = REFINED[name]
    loss = make()
    found = complex_of(loss)
    bars = lb.barcode(found)
    assert found.completeness == "complete"
    ours = torch.stack([bars.birth, bars.death], 1).numpy()
    refined = oracles.refined_bars(loss, side, shortest)
    assert len(refined) >= 2
    for birth, death, rough_birth, rough_death in refined:
        near = np.isclose(ours, [birth, death], rtol=1e-8, atol=1e-8).all(1)
        assert near.any(), (birth, death, rough_birth, rough_death)
    sampled = lb.barcode(lb.basins(lb.sample(loss, side**2, method="grid", dtype=torch.float64)))
    assert lb.bottleneck_distance(bars, sampled) < shortest / 2


@pytest.mark.slow
@pytest.mark.parametrize("name", [("SixHumpCamel",), ("EggCrate",), ("UrsemWaves",), "trigonometric"], ids=str)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_both_routes_agree_in_every_index(name, index):
    loss = trigonometric(0) if name == "trigonometric" else function(*name)
    exact = lb.barcode(complex_of(loss), degree=index)
    samples = lb.sample(loss, 801**2, method="grid", dtype=torch.float64)
    sampled = lb.barcode(lb.basins(samples) if index == 0 else samples, degree=index)
    reach = float(samples.values.max() - samples.values.min())
    assert lb.bottleneck_distance(exact, sampled) < 1e-4 * reach
    assert (len(exact) > 0) == (index < 2)
    assert lb.obstruction_score(complex_of(loss), degree=index, p=INF) == pytest.approx(
        lb.obstruction_score(sampled, p=INF), abs=1e-4 * reach
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", [("DoubleWell",), ("SixHumpCamel",), ("EggCrate",), ("VenterSobieski",), ("Langermann",)], ids=str)
def test_canonical_form_of_the_complex(name):
    """Only the global minimum is alone, and the pairs are those of the bars, which need no matrix."""
    found = complex_of(function(*name))
    form = lb.canonical_form(found.boundary())
    assert form.unpaired == [0]
    degree = found.index.tolist()
    assert all(degree[j] == degree[i] + 1 for i, j in form.pairs)
    for index in range(found.points.shape[1]):
        pairs = [pair for pair in form.pairs if degree[pair[0]] == index]
        bars = lb.barcode(found, degree=index)
        # values, not rows: points that tie may be paired either way
        assert sorted(found.values[torch.tensor(pairs).reshape(-1, 2)].tolist()) == sorted(
            [birth, death] for _, (birth, death) in bars.to_gudhi() if death < INF
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", [("SixHumpCamel",), ("UrsemWaves",), ("Qing", 3), ("Schwefel26", 2), ("Langermann",)], ids=str)
@pytest.mark.slow
def test_points_are_critical(name):
    """No gradient along the coordinates that are free, growth inwards along the others, and the index that NumPy finds."""
    loss = function(*name)
    found = complex_of(loss)
    places = found.points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(places).sum(), places)
    low, high = loss.bounds.T
    at_low, at_high = found.points == low, found.points == high
    free = ~(at_low | at_high)
    assert gradient[free].abs().max() < 1e-10 * float(found.values.max() - found.values.min())
    assert (gradient[at_low] > 0).all()
    assert (gradient[at_high] < 0).all()
    for point, place, index in zip(found.points, free.numpy(), found.index.tolist(), strict=True):
        matrix = torch.autograd.functional.hessian(lambda x: loss(x[None])[0], point).numpy()
        assert (np.linalg.eigvalsh(matrix[np.ix_(place, place)]) < 0).sum() == index
    assert (found.values.diff() >= 0).all()
    assert torch.equal(found.values, loss(found.points))
    assert found.table()["boundary"].tolist() == (~free).any(1).tolist()


@pytest.mark.parametrize("name", [("SixHumpCamel",), ("Schwefel26", 2), ("Langermann",)], ids=str)
def test_separatrices_are_monotone_and_whole(name):
    loss = function(*name)
    found = complex_of(loss)
    lines = found.separatrices
    rounding = 1e-12 * found.values.abs().max()
    height = loss(lines.points)
    same = lines.line_of_point[1:] == lines.line_of_point[:-1]
    step = torch.where(lines.is_ascending[lines.line_of_point[1:]], -1, 1) * height.diff()
    assert (step[same] <= rounding).all()
    first = torch.cat([torch.ones(1, dtype=torch.bool), ~same])
    assert torch.allclose(lines.points[first], found.points[lines.saddle_row], rtol=1e-12, atol=1e-9)
    last = torch.cat([~same, torch.ones(1, dtype=torch.bool)])
    ends = lines.end_row >= 0
    assert torch.allclose(lines.points[last][ends], found.points[lines.end_row[ends]], rtol=1e-9, atol=1e-6)
    assert (found.index[lines.saddle_row] == 1).all()
    assert (found.index[lines.end_row[ends & lines.is_ascending]] == 2).all()
    assert (found.index[lines.end_row[~lines.is_ascending]] == 0).all()
    # what leaves the box goes up; every saddle has two lines down
    assert lines.is_ascending[~ends].all()
    assert (torch.bincount(lines.saddle_row[~lines.is_ascending], minlength=len(found.index)) == 2 * (found.index == 1)).all()
    box = loss.bounds
    assert ((lines.points >= box[:, 0]) & (lines.points <= box[:, 1])).all()


@pytest.mark.slow
def test_separatrices_against_an_integrator():
    """Where SciPy's integrator takes the gradient flow, in the box scaled to a square, from the same places."""
    loss = function("SixHumpCamel")
    found = complex_of(loss)
    lines = found.separatrices
    width = (loss.bounds[:, 1] - loss.bounds[:, 0]).numpy()

    def flow(sign):
        def field(_, x):
            place = torch.tensor(x[None] * width, requires_grad=True)
            return -sign * torch.autograd.grad(loss(place).sum(), place)[0][0].numpy() * width

        return field

    for line in range(len(lines.saddle_row)):
        if lines.end_row[line] < 0:
            continue
        places = lines.points[lines.line_of_point == line].numpy() / width
        sign = -1 if lines.is_ascending[line] else 1
        path = solve_ivp(flow(sign), (0, 20), places[2], method="LSODA", rtol=1e-8, atol=1e-10).y.T
        assert np.abs(path[-1] * width - found.points[lines.end_row[line]].numpy()).max() < 1e-5
        apart = np.abs(places[2:, None] - path[None]).sum(-1).min(1)  # the integrator's points are not dense
        assert apart.max() < 0.05


# box, loss, number of points of each index, completeness
BOXES = {
    "a slope": ((0, 1), lambda x: x[:, 0] + 2 * x[:, 1], [1], "complete"),
    "a bowl": ((-1, 1), lambda x: (x**2).sum(1), [1], "complete"),
    "a hill: minima in the corners, saddles on the edges": ((-1, 1), lambda x: -(x**2).sum(1), [4, 4, 1], "complete"),
    "a saddle: minima on two edges": ((-1, 1), lambda x: x[:, 0] ** 2 - x[:, 1] ** 2, [2, 1], "complete"),
    "an inflection is no critical point": ((-1, 1), lambda x: x[:, 0] ** 3 + x[:, 1] ** 2, [1], "complete"),
    "x^4": ((-1, 1), lambda x: x[:, 0] ** 4 + x[:, 1] ** 2, None, "unknown"),
    "a monkey saddle": ((-1, 1), lambda x: x[:, 0] ** 3 - 3 * x[:, 0] * x[:, 1] ** 2, None, "unknown"),
    "a valley round a circle": ((-2, 2), lambda x: ((x**2).sum(1) - 1) ** 2, None, "unknown"),
    "a valley along an edge": ((0, 1), lambda x: x[:, 0] + 0 * x[:, 1], None, "unknown"),
    "a minimum on the edge, level across it": ((0, 1), lambda x: x[:, 0] ** 2 + (x[:, 1] - 0.5) ** 2, None, "unknown"),
    "a saddle that runs down into a saddle": ((-2, 2), lambda x: (x[:, 0] ** 2 - 1) ** 2 + (x[:, 1] ** 2 - 1) ** 2, [4, 4, 1], "complete"),
}


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.filterwarnings("ignore:bars may be missing")
def test_small_cases(name):
    (low, high), loss, counts, completeness = BOXES[name]
    found = lb.morse_complex(loss, [(low, high)] * 2, progress=False)
    assert found.completeness == completeness
    if counts:
        assert torch.bincount(found.index).tolist() == counts
        assert len(lb.barcode(found)) == counts[0]
        assert lb.canonical_form(found.boundary()).unpaired == [0]
    else:
        assert (found.index == -1).any()
        assert "degenerate" in set(found.table()["kind"])


def test_every_index_in_three_dimensions():
    found = lb.morse_complex(lambda x: -(x**2).sum(1), [(-1, 1)] * 3, progress=False)
    assert torch.bincount(found.index).tolist() == [8, 12, 6, 1]
    with pytest.raises(ValueError, match="expected, for degree 1, a MorseComplex of one or two parameters, got 3"):
        lb.barcode(found, degree=1)
    with pytest.raises(ValueError, match="boundary: expected one or two parameters, got 3"):
        found.boundary()


def test_a_minimum_without_curvature_is_right_or_unknown():
    """x⁴ + y⁴: at the bottom the Hessian vanishes, next to it the gradient says what it is."""
    found = lb.morse_complex(lambda x: (x**4).sum(1), [(-1, 1)] * 2, progress=False)
    assert found.completeness == "unknown" or torch.bincount(found.index).tolist() == [1]


def test_completeness_check_fires_when_a_saddle_is_missing():
    whole = complex_of(function("SixHumpCamel"))
    for row in (whole.index == 1).nonzero().squeeze(1).tolist():
        less = whole.drop(row)
        assert (less.completeness, less.euler_deficit) == ("incomplete", -1)
        assert len(less.index) == len(whole.index) - 1
        assert "incomplete, deficit -1" in repr(less)
        with pytest.warns(UserWarning, match="bars may be missing: MorseComplex.*incomplete, deficit -1; SixHumpCamel"):
            lb.barcode(less)
        with pytest.raises(ValueError, match="boundary: expected a complete list of critical points, got MorseComplex"):
            less.boundary()


def test_completeness_check_when_points_cancel():
    """A saddle and a maximum less leave the sum at 1, but lines that led to the maximum tell; a minimum's lines do, too."""
    whole = complex_of(function("UrsemWaves"))
    for other in (0, 2):
        row = (whole.index == other).nonzero().squeeze(1)
        for saddle, point in itertools.product((whole.index == 1).nonzero().squeeze(1).tolist(), row.tolist()):
            less = whole.drop([saddle, point])
            assert less.euler_deficit == 0
            ends = whole.separatrices.end_row[whole.separatrices.saddle_row != saddle]
            assert (less.completeness == "incomplete") or point not in ends


def test_drop_keeps_rows_in_step():
    whole = complex_of(function("UrsemWaves"))
    less = whole.drop([0, 7, 20])
    lines = less.separatrices
    assert torch.equal(less.values, whole.values[[i for i in range(len(whole.index)) if i not in (0, 7, 20)]])
    first = torch.cat([torch.ones(1, dtype=torch.bool), lines.line_of_point.diff() > 0])
    assert torch.allclose(lines.points[first], less.points[lines.saddle_row])
    assert int(lines.line_of_point.max()) == len(lines.saddle_row) - 1
    gone = [
        e for s, e in zip(whole.separatrices.saddle_row.tolist(), whole.separatrices.end_row.tolist(), strict=True) if s not in (0, 7, 20)
    ]
    assert int((lines.end_row == -2).sum()) == sum(e in (0, 7, 20) for e in gone) > 0
    assert whole.drop([]).completeness == whole.drop(torch.tensor([], dtype=torch.int64)).completeness == "complete"


@pytest.mark.parametrize("rows", [99, -1, [0, 99], 1.5])
def test_dropping_rows_that_are_not_there(rows, as_users_call):
    with pytest.raises(ValueError, match="rows: expected row numbers from 0 to 2, got"):
        complex_of(function("DoubleWell")).drop(rows)


@pytest.mark.slow
def test_too_few_starts_are_noticed():
    found = lb.morse_complex(F.VenterSobieski(), starts=64, rounds=1, progress=False)
    assert found.completeness == "incomplete"
    with pytest.warns(UserWarning, match="bars may be missing"):
        lb.barcode(found)


NOT_SMOOTH = {
    "Alpine01": F.Alpine01(),
    "Tripod": F.Tripod(),
    "HolderTable": F.HolderTable(),
    "PenHolder": F.PenHolder(),
    "XinSheYang04": F.XinSheYang04(),
    "a step": lambda x: (x[:, 0] > 0.3).to(x) + (x**2).sum(1),
    "a small step": lambda x: (x**2).sum(1) - 4e-4 * torch.sign(x[:, 0] - 0.5),
    "relu": lambda x: torch.relu(x[:, 0] - 0.2) + (x**2).sum(1),
}


@pytest.mark.parametrize("name", NOT_SMOOTH)
def test_not_smooth(name):
    with pytest.raises(
        ValueError, match=r"loss: expected a function with a continuous gradient, got one whose (gradient|value) jumps near"
    ):
        lb.morse_complex(NOT_SMOOTH[name], getattr(NOT_SMOOTH[name], "bounds", [(-1, 1)] * 2))


class BackwardOfItsOwn(torch.autograd.Function):
    """x², with a gradient that cannot be differentiated again."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x**2).sum(1)

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * slope.detach()[:, None]


BAD = {
    "once differentiable": (BackwardOfItsOwn.apply, [(-1, 2)] * 2, {}, "expected a function that autograd can differentiate twice"),
    "no box": (lambda x: x.sum(1), None, {}, "bounds: expected a box"),
    "no gradient": (lambda x: x.sum(1).detach(), [(0, 1)], {}, "autograd can differentiate, got values without a gradient"),
    "numpy": (lambda x: x.detach().numpy().sum(1), [(0, 1)], {}, "got ndarray; a loss maps"),
    "shape": (lambda x: x, [(0, 1)], {}, r"got torch.float64 of shape \[\d+, 1\]"),
    "another dtype": (lambda x: x.sum(1).float(), [(0, 1)], {}, "got torch.float32"),
    "infinite": (lambda x: torch.log(x[:, 0]), [(0, 1)], {}, "expected finite numbers everywhere in the box, got a loss that is not"),
    "no gradient at the end": (lambda x: torch.sqrt(x[:, 0]), [(0, 1)], {}, "everywhere in the box, got a gradient that is not"),
    "NaN": (lambda x: torch.sqrt(x[:, 0] - 0.5), [(0, 1)], {}, "expected finite numbers everywhere in the box"),
    "half precision": (lambda x: x.sum(1), [(0, 1)], {"dtype": torch.float16}, "dtype: expected torch.float32 or torch.float64"),
    "no starts": (lambda x: x.sum(1), [(0, 1)], {"starts": 0}, "starts: expected a whole number of at least 1"),
    "no rounds": (lambda x: x.sum(1), [(0, 1)], {"rounds": 0}, "rounds: expected a whole number of at least 1"),
    "no points": (lambda x: x.sum(1), [(0, 1)], {"max_points": 0}, "max_points: expected a whole number of at least 1"),
    "no time": (lambda x: x.sum(1), [(0, 1)], {"max_seconds": 0}, "max_seconds: expected a positive number of seconds, or None"),
    "time in words": (lambda x: x.sum(1), [(0, 1)], {"max_seconds": "1h"}, "max_seconds: expected a positive number of seconds, or None"),
    "periodic for three": (
        lambda x: x.sum(1),
        [(0, 1)] * 2,
        {"periodic": [True] * 3},
        "periodic: expected True, False, or one of them for",
    ),
    "too small a box": (
        lambda x: x[:, 0] * x[:, 2],
        [(0, 1)] * 2,
        {},
        r"for each parameter .* got 2 of them, and a loss that fails on points",
    ),
    "too large a box": (
        lambda x: (x * torch.ones(2, dtype=x.dtype)).sum(1),
        [(0, 1)] * 3,
        {},
        r"for each parameter of the loss, got 3 of them, and a loss that fails on points \[1 3\]: The size of tensor",
    ),
    "many parameters": (lambda x: x.sum(1), [(0, 1)] * 20, {}, "expected at most 12 parameters, got 20"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name, as_users_call):
    loss, bounds, options, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        lb.morse_complex(loss, bounds, **options)


@pytest.mark.filterwarnings("ignore:bars may be missing")
def test_no_minimum_that_is_not_degenerate():
    valley = lb.morse_complex(lambda x: ((x**2).sum(1) - 1) ** 2, [(-2, 2)] * 2, progress=False)
    with pytest.raises(ValueError, match="graph: expected at least one minimum that is not degenerate, got MorseComplex"):
        lb.barcode(valley)


def waves(seed, count, degree, d):
    """A sum of random plane waves."""
    g = torch.Generator().manual_seed(seed)
    directions = torch.randint(-degree, degree + 1, (count, d), generator=g).double()
    heights = torch.randn(count, generator=g).double()
    shifts = 2 * math.pi * torch.rand(count, generator=g).double()
    return lambda x: (heights.to(x) * torch.cos(math.pi * x @ directions.T.to(x) + shifts.to(x))).sum(1)


@pytest.mark.parametrize(("seed", "count", "degree"), [(5, 6, 1), (7, 6, 2), (2, 4, 2)])
@pytest.mark.slow
def test_three_dimensions_against_a_grid(seed, count, degree):
    loss, box = waves(seed, count, degree, 3), [(-1.03, 0.97), (-0.98, 1.01), (-0.9, 0.95)]
    found = lb.morse_complex(loss, box, progress=False)
    samples = lb.sample(loss, 101**3, bounds=box, method="grid", dtype=torch.float64)
    assert found.completeness == "complete"
    reach = float(samples.values.max() - samples.values.min())
    assert lb.bottleneck_distance(lb.barcode(found), lb.barcode(lb.basins(samples))) < 2e-3 * reach


SYMMETRIC = {
    "mirrors": lambda x, y: x - 0.6 * (2 * x**2 - 1) * y + 0.4 * y + 0.5 * (2 * y**2 - 1),
    "a square": lambda x, y: x + y - 1.3 * x * y + 0.4 * (2 * x**2 - 1) * (2 * y**2 - 1),
    "a product": lambda x, y: x * y,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.slow
def test_lines_from_saddle_to_saddle_do_no_harm(name, index):
    """Symmetric losses in cosines: gradient lines along the axes of symmetry join saddles."""
    box = [(-1.3, 1.3)] * 2

    def loss(x):
        return SYMMETRIC[name](*torch.cos(math.pi * x).unbind(1))

    exact = lb.barcode(lb.morse_complex(loss, box, progress=False), degree=index)
    samples = lb.sample(loss, 1001**2, bounds=box, method="grid", dtype=torch.float64)
    sampled = lb.barcode(lb.basins(samples) if index == 0 else samples, degree=index)
    assert lb.bottleneck_distance(exact, sampled) < 1e-3


def test_boundary_of_a_loss_that_is_not_morse_smale():
    found = lb.morse_complex(lambda x: SYMMETRIC["mirrors"](*torch.cos(math.pi * x).unbind(1)), [(-1.3, 1.3)] * 2, progress=False)
    with pytest.raises(ValueError, match="boundary: expected gradient lines that run from no saddle to another"):
        found.boundary()


ODD_CASES = {
    # loss, box, dtype, points of each index
    "no Hessian in a corner": (lambda x: torch.sin(x[:, 0]), [(0, 3)], torch.float64, [2, 1]),
    "no Hessian in a corner, a cubic": (lambda x: x[:, 0] - x[:, 0] ** 3, [(0, 0.9)], torch.float64, [2, 1]),
    "large numbers": (lambda x: 1e10 * (-(x[:, 0] ** 2) - 3 * x[:, 1] ** 2 + 0.1 * x[:, 0]), [(-1, 1)] * 2, torch.float64, [4, 4, 1]),
    "large numbers in float32": (
        lambda x: 1e5 * (-(x[:, 0] ** 2) - 3 * x[:, 1] ** 2 + 0.1 * x[:, 0]),
        [(-1, 1)] * 2,
        torch.float32,
        [4, 4, 1],
    ),
    "many wells in float32": (
        lambda x: 0.01 * torch.sin(110 * math.pi * x[:, 0] + 0.3) + 0.001 * x[:, 0],
        [(0, 1)],
        torch.float32,
        [56, 55],
    ),
    "linear up to rounding": (lambda x: torch.log(torch.exp(x[:, 0])) + 2 * x[:, 1], [(-1, 1)] * 2, torch.float64, [1]),
    "flat far away": (
        lambda x: -torch.exp(-3 * ((x - 1) ** 2).sum(1)) - torch.exp(-4 * ((x + 1) ** 2).sum(1)),
        [(-6, 6.5)] * 2,
        torch.float64,
        [2, 1],
    ),
}


@pytest.mark.parametrize("name", ODD_CASES)
@pytest.mark.slow
def test_odd_cases(name):
    loss, box, dtype, counts = ODD_CASES[name]
    found = lb.morse_complex(loss, box, dtype=dtype, progress=False)
    assert (found.completeness, torch.bincount(found.index + 1)[1:].tolist()) == ("complete", counts), found


def test_devices_and_dtypes(device, dtype):
    found = lb.morse_complex(F.SixHumpCamel(), device=device, dtype=dtype, progress=False)
    assert all(t.dtype == dtype and t.device.type == device.type for t in (found.points, found.values, found.separatrices.points))
    assert found.completeness == "complete"
    close(lb.barcode(found), KNOWN["SixHumpCamel"], rel=1e-8 if dtype == torch.float64 else 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_seeds_agree(seed):
    found, before = lb.morse_complex(F.UrsemWaves(), seed=seed, progress=False), complex_of(function("UrsemWaves"))
    apart = (found.points[:, None] - before.points).abs().amax(2).min(1)  # rows of points that tie in value may be swapped
    assert float(apart.values.max()) < 1e-12
    assert apart.indices.unique().tolist() == list(range(len(before.index)))
    assert torch.equal(found.index, before.index[apart.indices])
    again = lb.morse_complex(F.UrsemWaves(), seed=seed, progress=False)
    assert torch.equal(found.points, again.points)


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "shift", "unit"), [(1e-9, 0.0, 1.0), (-1.0, 3.0, 1.0), (1e12, -5.0, 1e-6), (1.0, 0.0, 1e6)])
@pytest.mark.slow
def test_units_do_not_matter(scale, shift, unit):
    """Scaling the loss scales the bars; scaling the parameters changes none. Minus the loss turns index r into 2 - r inside."""
    loss = trigonometric(1)
    found = lb.morse_complex(lambda x: scale * loss(x / unit) + shift, [(0.0, unit)] * 2, progress=False)
    before = complex_of(loss)
    assert found.completeness == "complete"
    if scale > 0:
        expected = [(scale * b + shift, scale * d + shift) for _, (b, d) in lb.barcode(before).to_gudhi()]
        close(lb.barcode(found), expected)
    else:
        inner = [c.index[((c.points > 0) & (c.points < 1)).all(1)].bincount(minlength=3).tolist() for c in (found, before)]
        assert inner[0] == inner[1][::-1]


def test_progress_is_shown_when_asked_for(capsys):
    lb.morse_complex(F.DoubleWell(), progress=True)
    assert "critical points" in capsys.readouterr().err
    lb.morse_complex(F.DoubleWell())
    assert capsys.readouterr().err == ""


def test_plot_is_the_map_of_the_complex():
    found = complex_of(function("SixHumpCamel"))
    samples = lb.sample(F.SixHumpCamel(), 32**2, method="grid")
    chart = found.plot(samples, width=200)
    assert chart.to_dict()["width"] == 200
    with pytest.raises(ValueError, match="morse_map: expected a complex and samples of two parameters, got 1 and 2"):
        complex_of(function("DoubleWell")).plot(samples)


INCOMPLETE = """
import warnings
import lossbarcode as lb

less = lb.morse_complex(lb.functions.DoubleWell(), progress=False).drop(0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    lb.barcode(less)
    lb.barcode(less, degree=1)
    lb.obstruction_score(less)
    lb.obstruction_score(less, degree=1)
for warning in caught:
    print(warning.filename, warning.lineno, warning.message)
"""


@pytest.mark.slow
def test_warnings_name_the_line_of_the_caller():
    """In a process of its own, because the checks of signatures add calls in between here."""
    run = subprocess.run([sys.executable, "-c", INCOMPLETE], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    expected = "bars may be missing: MorseComplex(1 of index 0, 1 of index 1; incomplete, deficit 1; DoubleWell); "
    lines = run.stdout.splitlines()
    assert [line.split(" bars")[0] for line in lines] == [f"<string> {line}" for line in (8, 9, 10, 11)]
    assert all(expected in line for line in lines)
