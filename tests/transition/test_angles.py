"""Minima and paths on a torus: against the elder rule on a fine grid whose opposite ends are neighbors."""

import math

import pytest
import torch

import lossbarcode as lb

TURN = 2 * math.pi


def torsion(x):
    """Two coupled angles, each with three wells a third of a turn apart."""
    a, b = x.T
    return (3 * a).cos() + (3 * b).cos() + 0.3 * a.cos() + 0.2 * b.sin() + 0.25 * (a - b).cos()


def mixed(x):
    """An angle, and a length with a well at 0.3."""
    return (3 * x[:, 0]).cos() + 0.3 * x[:, 0].cos() + (x[:, 1] - 0.3).square() * (2 + x[:, 0].sin())


def torus_barcode(loss, n=150):
    """By the elder rule alone, on n x n samples; passes are too high by at most the square of the spacing times the curvature, over 8."""
    axis = torch.arange(n, dtype=torch.float64) * TURN / n
    values = loss(torch.cartesian_prod(axis, axis))
    rows = torch.arange(n * n).view(n, n)
    edges = torch.cat([torch.stack([rows, rows.roll(1, axis)], 2).flatten(0, 1) for axis in (0, 1)])
    return lb.barcode(lb.Graph(values, edges, values[edges].amax(1)))


def minima_of(loss, box, n=150, seed=0, **options):
    starts = lb.sample(loss, n, bounds=box, method="uniform", seed=seed, dtype=torch.float64).points
    return lb.find_minima(loss, starts, bounds=box, gradient_tolerance=1e-8, **options).deduplicate(1e-2)


def shifted(by):
    return torch.tensor([[by, by + TURN], [by / 2, by / 2 + TURN]], dtype=torch.float64)


def test_bars_on_a_torus_are_those_of_a_fine_grid():
    minima = minima_of(torsion, shifted(0.0), periodic=True)
    assert len(minima) == 9
    assert minima.periodic.tolist() == [True, True]
    paths = lb.connect(torsion, minima, pairs=minima.nearest_pairs(4), height_tolerance=1e-6)
    bars, exact = lb.barcode(paths), torus_barcode(torsion)
    assert len(bars) == len(exact) == 9
    assert lb.bottleneck_distance(bars, exact) < 20 * (TURN / 150) ** 2 / 8  # the second derivatives are at most 9 + 9 + 1
    assert (paths.points < minima.bounds[:, 0]).any() or (paths.points > minima.bounds[:, 1]).any()
    # the ends are images of the minima, no farther than half a turn away along each axis
    away = (paths.points[:, -1] - minima.points[paths.pairs[:, 1]]) / TURN
    torch.testing.assert_close(away, away.round(), rtol=0, atol=1e-12)
    assert ((paths.points[:, -1] - paths.points[:, 0]).abs() <= TURN / 2 + 1e-9).all()


def ring_of_spins(x):
    """Six spins in a ring with bonds -cos; the first spin is held."""
    spins = torch.cat([torch.zeros_like(x[:, :1]), x], 1)
    return -(spins.roll(1, 1) - spins).cos().sum(1)


def test_a_ring_of_spins():
    """Besides all parallel, -6, there is one turn along the ring in either direction: six bonds of 60 degrees, -6 cos 60 = -3.

    To unwind it one bond must pass through 180 degrees. At the saddle five bonds have an angle t and one 180 - t, a turn in all, so
    4 t = 180 and the loss is -5 cos 45 - cos 135 = -4 cos 45.
    """
    box = [(-math.pi, math.pi)] * 5
    starts = lb.sample(ring_of_spins, 200, bounds=box, dtype=torch.float64).points
    found = lb.find_minima(ring_of_spins, starts, bounds=box, periodic=True, lowest_eigenvalue=True)
    minima = found[found.lowest_eigenvalue > 1e-6].deduplicate(1e-2)
    bars = lb.barcode(lb.connect(ring_of_spins, minima, height_tolerance=1e-8))
    torch.testing.assert_close(bars.birth, torch.tensor([-6.0, -3, -3], dtype=torch.float64))
    torch.testing.assert_close(bars.death, torch.tensor([math.inf, -(8**0.5), -(8**0.5)], dtype=torch.float64))


@pytest.mark.parametrize("by", [-math.pi, 1.234, 100.0])
def test_a_shift_of_the_box_changes_no_bar(by):
    minima = [minima_of(torsion, shifted(start), periodic=True) for start in (0.0, by)]
    bars = [lb.barcode(lb.connect(torsion, some, pairs=some.nearest_pairs(4), height_tolerance=1e-6)) for some in minima]
    assert len(bars[0]) == len(bars[1]) == 9
    assert lb.bottleneck_distance(*bars) < 1e-5


def test_one_axis_may_be_periodic():
    """The slope of the well along the length is 0 at 0.3, so bars are those of the angle alone."""
    box = [(0, TURN), (0, 1)]
    minima = minima_of(mixed, box, periodic=[True, False])
    bars = lb.barcode(lb.connect(mixed, minima, height_tolerance=1e-6))
    angle = torch.linspace(0, TURN, 100_001, dtype=torch.float64)[:-1]
    turned = angle.roll(-int(((3 * angle).cos() + 0.3 * angle.cos()).argmax()))
    exact = lb.barcode((3 * turned).cos() + 0.3 * turned.cos())  # cut at the highest point, the circle is a line
    assert lb.bottleneck_distance(bars, exact) < 1e-5
    outside = minima_of(lambda x: mixed(x) - 9 * x[:, 1], box, periodic=[True, False])
    assert torch.equal(outside.points[:, 1], torch.ones(len(outside), dtype=torch.float64))  # that axis still has its faces


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("low", [0.0, -0.4157, -math.pi])
def test_a_minimum_at_the_seam_is_one(low, dtype):
    """The only minimum is at asin((1 - sqrt(3.88)) / 2.4) = -0.4157 along each axis, found from both sides of the seam."""

    def loss(x):
        return 2 - x.cos().sum(1) + 0.3 * (2 * x).sin().sum(1)

    box = [(low, low + TURN)] * 2
    starts = lb.sample(loss, 50, bounds=box, dtype=dtype).points
    found = lb.find_minima(loss, starts, bounds=box, periodic=True)
    inside = (found.points >= found.bounds[:, 0]) & (found.points < found.bounds[:, 1])
    assert inside.all()
    one = found.deduplicate(1e-2)
    assert len(one) == 1
    place = math.asin((1 - math.sqrt(3.88)) / 2.4)
    torch.testing.assert_close((one.points - place).sin(), torch.zeros(1, 2, dtype=dtype), rtol=0, atol=1e-4)


def test_the_attribute_of_a_loss_is_heard():
    class Angles:
        bounds = shifted(0.0)
        periodic = True

        def __call__(self, points):
            return torsion(points)

    loss = Angles()
    minima = minima_of(loss, loss.bounds)
    assert minima.periodic.all()
    cut = minima_of(loss, loss.bounds, periodic=False)
    assert not cut.periodic.any()
    assert len(cut) > len(minima)  # ends of descents on faces
    by_hand = lb.Minima(minima.points, minima.values, minima.gradient_norm)
    asked = lb.connect(loss, by_hand, bounds=loss.bounds, max_rounds=0)
    assert torch.equal(asked.points, lb.connect(loss, minima, max_rounds=0).points)
    with pytest.raises(ValueError, match="periodic: expected bounds, whose width is the period, got periodic=True alone"):
        lb.connect(loss, by_hand)


def test_distances_lead_around():
    places = torch.tensor([[0.05, 0.0], [TURN - 0.05, 5.0], [3.0, 0.0], [3.0, TURN - 0.01]])
    values = torch.arange(4.0)
    box = torch.tensor([[0.0, TURN], [0.0, 10.0]])
    around = lb.Minima(places, values, values, bounds=box, periodic=torch.tensor([True, True]))
    assert around.deduplicate(0.5).values.tolist() == [0, 1, 2, 3]  # the second axis has the period 10
    turned = lb.Minima(places, values, values, bounds=box[[0, 0]], periodic=torch.tensor([True, True]))
    assert turned.deduplicate(0.5).values.tolist() == [0, 1, 2]
    assert turned.nearest_pairs(1).tolist() == [[0, 1], [2, 3]]
    flat = lb.Minima(places, values, values, bounds=box)
    assert flat.periodic.tolist() == [False, False]
    assert len(flat.deduplicate(0.5)) == 4


def test_a_checkpoint_knows_its_axes(tmp_path):
    file = tmp_path / "minima.pt"
    starts = lb.sample(torsion, 4, bounds=shifted(0.0), dtype=torch.float64).points
    lb.find_minima(torsion, starts, bounds=shifted(0.0), periodic=True, checkpoint=file)
    with pytest.raises(ValueError, match="got that of another run"):
        lb.find_minima(torsion, starts, bounds=shifted(0.0), periodic=[True, False], checkpoint=file)
