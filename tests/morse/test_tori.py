"""Morse complexes on circles, cylinders and tori against known answers, GUDHI's periodic cubical complex and the canonical form."""

import itertools
import math
from functools import cache

import gudhi
import numpy as np
import oracles
import pytest
import torch

import lossbarcode as lb

INF = math.inf
ANGLE = (-math.pi, math.pi)


def cosines(*heights):
    return lambda x: (x.cos() * torch.tensor(heights).to(x)).sum(1)


def double(x):
    """Two minima and two maxima around every axis, at different heights."""
    return (x.cos() + 0.6 * (2 * x + 0.4).cos()).sum(1)


def ring(x):
    """Five spins in a ring, of which the last one is fixed."""
    spins = torch.cat([x, torch.zeros_like(x[:, :1])], 1)
    return -(spins - spins.roll(1, 1)).cos().sum(1)


# loss, box, periodic, numbers of points of each index, numbers of bars of each degree that never end
KNOWN = {
    "a circle": (cosines(1.0), [ANGLE], True, [1, 1], [1, 1]),
    "a circle with two wells": (double, [ANGLE], True, [2, 2], [1, 1]),
    "a torus": (cosines(1.0, 1.5), [ANGLE] * 2, True, [1, 2, 1], [1, 2, 1]),
    "a torus whose saddles tie": (cosines(1.0, 1.0), [ANGLE] * 2, True, [1, 2, 1], [1, 2, 1]),
    "a torus with four wells": (double, [ANGLE] * 2, True, [4, 8, 4], [1, 2, 1]),
    "two spins and a fixed one": (lambda x: -(x[:, 0] - x[:, 1]).cos() - x[:, 1].cos(), [ANGLE] * 2, [True, True], [1, 2, 1], [1, 2, 1]),
    "a cylinder": (lambda x: x[:, 0].cos() + x[:, 1] ** 2, [ANGLE, (-1, 1)], [True, False], [1, 1], [1, 1, 0]),
    "a cylinder, upright": (lambda x: x[:, 0] ** 2 + x[:, 1].cos(), [(-1, 1), ANGLE], [False, True], [1, 1], [1, 1, 0]),
    # minima and saddles on both rims, and at half height a saddle and the top
    "a cylinder with a hill": (lambda x: x[:, 0].cos() - x[:, 1] ** 2, [ANGLE, (-1, 1)], [True, False], [2, 3, 1], [1, 1, 0]),
    "three angles": (cosines(1.0, 1.5, 2.5), [ANGLE] * 3, True, [1, 3, 3, 1], [1]),
    "two angles and an interval": (
        lambda x: x[:, 0].cos() - x[:, 1] ** 2 + 2 * x[:, 2].cos(),
        [ANGLE, (-1, 1), ANGLE],
        [True, False, True],
        # 1 + t for either circle times 2 + t for the interval: two ends and a maximum between them
        [2, 5, 4, 1],
        [1],
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_answers(name):
    loss, box, periodic, counts, infinite = KNOWN[name]
    found = lb.morse_complex(loss, box, periodic=periodic, progress=False)
    assert (found.completeness, found.euler_deficit) == ("complete", 0)
    assert torch.bincount(found.index).tolist() == counts
    assert [int((~lb.barcode(found, degree=degree).is_finite).sum()) for degree in range(len(infinite))] == infinite


@pytest.mark.slow
def test_a_ring_of_spins():
    """Wound once around, all five angles between neighbors are 2 pi / 5; the way out turns one of them to 2 pi / 3, the rest to pi / 3."""
    found = lb.morse_complex(ring, [ANGLE] * 4, periodic=True, progress=False)
    wound = (-5 * math.cos(2 * math.pi / 5), -4 * math.cos(math.pi / 3) - math.cos(2 * math.pi / 3))
    assert np.allclose([bar for _, bar in lb.barcode(found).to_gudhi()], [(-5, INF), wound, wound], rtol=1e-12)


class Ripples:
    """A random trigonometric polynomial on the unit square, by default on a torus."""

    bounds = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    periodic = True

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        waves = [(a, b) for a, b in itertools.product(range(-2, 3), range(3)) if (a, b) != (0, 0)]
        self.waves = 2 * math.pi * torch.tensor(waves, dtype=torch.float64)
        self.heights = torch.tensor([rng.normal() / (1 + a * a + b * b) for a, b in waves])
        self.shifts = torch.tensor(rng.uniform(0, 2 * math.pi, len(waves)))

    def __call__(self, x):
        return ((x @ self.waves.to(x).T + self.shifts.to(x)).cos() * self.heights.to(x)).sum(1)


@cache
def complex_of(seed, periodic=None):
    return lb.morse_complex(Ripples(seed), periodic=None if periodic is None else list(periodic), progress=False)


def bars_of(found, degree):
    return [bar for _, bar in lb.barcode(found, degree=degree).to_gudhi()]


DOMAINS = [(True, True), (True, False), (False, True)]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
@pytest.mark.parametrize("periodic", DOMAINS)
def test_bars_of_a_periodic_grid(seed, periodic):
    """Every degree, against GUDHI on a fine grid, of which periodic axes have no last point."""
    axes = [np.linspace(0, 1, 201, endpoint=not around) for around in periodic]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    values = Ripples(seed)(torch.tensor(grid)).reshape([len(axis) for axis in axes]).numpy()
    cells = gudhi.PeriodicCubicalComplex(vertices=values, periodic_dimensions=list(periodic))
    cells.compute_persistence(homology_coeff_field=2, min_persistence=0)
    for degree in range(3):
        ours, theirs = bars_of(complex_of(seed, periodic), degree), cells.persistence_intervals_in_dimension(degree)
        births = [sorted(birth for birth, death in bars if death == INF) for bars in (ours, theirs.tolist())]
        assert len(births[0]) == len(births[1])
        assert np.allclose(*births, atol=5e-3)
        finite = [[bar for bar in bars if bar[1] < INF] for bars in (ours, theirs.tolist())]
        assert oracles.bottleneck(*(np.array(bars).reshape(-1, 2) for bars in finite)) < 5e-3


@pytest.mark.parametrize("periodic", DOMAINS)
def test_canonical_form(periodic):
    """The pairs of all degrees are those of the bars, and what is alone never ends."""
    found = complex_of(0, periodic)
    form, value, index = lb.canonical_form(found.boundary()), found.values.tolist(), found.index.tolist()
    assert len(form.unpaired) == 2 ** sum(periodic)  # the homology of the domain
    for degree in range(3):
        pairs = [(value[i], value[j]) for i, j in form.pairs if index[i] == degree and value[i] < value[j]]
        assert sorted(bars_of(found, degree)) == sorted(pairs + [(value[i], INF) for i in form.unpaired if index[i] == degree])


@pytest.mark.parametrize("shift", [(0.0, 0.3), (0.5, 0.5), (-7.1, 123.4), (1e4, 0.0)])
def test_where_the_box_begins_does_not_matter(shift):
    box = Ripples.bounds + torch.tensor(shift)[:, None]
    moved = lb.morse_complex(Ripples(1), box, progress=False)
    for degree in range(3):
        assert np.allclose(bars_of(moved, degree), bars_of(complex_of(1), degree), rtol=0, atol=1e-9)
    assert ((moved.points >= box[:, 0]) & (moved.points < box[:, 1])).all()


def test_points_at_the_seam_are_found_once():
    """The minimum of both cosines lies at both ends of each axis, which are one place."""
    found = lb.morse_complex(cosines(1.0, 1.5), [ANGLE] * 2, periodic=True, progress=False)
    assert torch.allclose(found.points[0].abs(), torch.full((2,), math.pi, dtype=torch.float64))
    assert not found.table()["boundary"].any()


def test_lines_run_through_the_seam():
    found, loss = complex_of(0), Ripples(0)
    lines = found.separatrices
    assert ((lines.points >= 0) & (lines.points < 1)).all()
    same = lines.line_of_point.diff() == 0
    step = lines.points.diff(dim=0)[same]
    assert (step.abs() > 0.5).any()
    assert float((step - step.round()).norm(dim=1).max()) < 0.05
    rise = torch.where(lines.is_ascending[lines.line_of_point[1:]], 1, -1) * loss(lines.points).diff()
    assert (rise[same] >= -1e-12).all()
    last = lines.points[torch.cat([~same, torch.ones(1, dtype=torch.bool)])] - found.points[lines.end_row]
    assert float((last - last.round()).abs().max()) < 1e-6
    assert (lines.end_row >= 0).all()


@pytest.mark.parametrize("periodic", [*DOMAINS, (False, False)])
def test_map_draws_lines_on_both_sides_of_a_seam(periodic):
    """No line is drawn through the middle of the map; where one leaves it, another enters, and all steps are there."""
    found = complex_of(0, periodic)
    chart = lb.charts.morse_map(found, lb.sample(Ripples(0), 32**2, method="grid")).to_dict()
    (rows,) = (data for data in chart["datasets"].values() if data and "line" in data[0])
    places = np.array([(row["x"], row["y"]) for row in rows])
    line, step = (np.array([row[name] for row in rows]) for name in ("line", "step"))
    order = np.lexsort([step, line])
    within = line[order][1:] == line[order][:-1]
    moves = np.diff(places[order], axis=0)[within]
    assert np.abs(moves).max() < 0.1
    assert (np.diff(step[order])[within] == 1).all()
    outside = ((places < 0) | (places >= 1)) & periodic
    assert (outside.any(0) == periodic).all()
    # through a seam there is a step on either side of it, each with one end outside
    assert within.sum() == len(found.separatrices.saddle_row) * step.max() + outside.any(1).sum() / 2


def test_losses_are_asked_inside_the_box_only():
    """So that a table of an angle's losses, interpolated, need not know that it is periodic."""
    asked = []

    def loss(x):
        asked.append(x.detach())
        return double(x)

    lb.morse_complex(loss, [ANGLE] * 2, periodic=True, progress=False)
    places = torch.cat(asked)
    assert ((places >= -math.pi) & (places < math.pi)).all()
    assert min(map(len, asked)) > 0  # nor are they asked for nothing


def test_periodic_is_that_of_the_loss_unless_said_otherwise():
    assert complex_of(0).periodic.tolist() == [True, True]
    assert complex_of(0, (True, False)).periodic.tolist() == [True, False]
    box = lb.morse_complex(Ripples(0), periodic=False, progress=False)
    assert box.periodic.tolist() == [False, False]
    assert box.completeness == "complete"
    assert int((box.index == 0).sum()) > int((complex_of(0).index == 0).sum())  # faces have minima of their own


def test_a_missing_point_is_noticed():
    for row in range(len(complex_of(0).index)):
        less = complex_of(0).drop(row)
        assert (less.completeness, abs(less.euler_deficit)) == ("incomplete", 1)


WRONG_PERIOD = {
    "the value": (lambda x: x.sum(1), "value"),
    "the gradient": (lambda x: (x**2 - x).sum(1), "gradient"),
}


@pytest.mark.parametrize("name", WRONG_PERIOD)
def test_an_axis_that_is_not_periodic_is_refused(name):
    loss, what = WRONG_PERIOD[name]
    with pytest.raises(ValueError, match=f"whose {what} jumps near .* along a periodic axis a period as long as the box is wide"):
        lb.morse_complex(loss, [(0, 1)] * 2, periodic=[True, False])


def test_devices_and_dtypes(device, dtype):
    found = lb.morse_complex(double, [ANGLE, (0, 3)], periodic=[True, False], device=device, dtype=dtype, progress=False)
    assert found.completeness == "complete"
    assert (found.periodic.device.type, found.points.dtype) == (device.type, dtype)
    exact = lb.morse_complex(double, [ANGLE, (0, 3)], periodic=[True, False], progress=False)
    for degree in (0, 1):
        assert np.allclose(bars_of(found, degree), bars_of(exact, degree), atol=1e-4 if dtype == torch.float32 else 1e-9)
