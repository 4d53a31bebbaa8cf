"""Escapes from minima: against Morse complexes, and theorems on sums, shifts, rotations and relabelling."""

import math

import pytest
import torch

import lossbarcode as lb

F = lb.functions
CAMEL = F.SixHumpCamel()


def mueller_brown(x):
    """The potential of three minima and two saddles that searches for saddles are tried on."""
    rows = [(-200, -1, 0, -10, 1, 0), (-100, -1, 0, -10, 0, 0.5), (-170, -6.5, 11, -6.5, -0.5, 1.5), (15, 0.7, 0.6, 0.7, -1, 1)]
    u, v = x.T
    return sum(h * torch.exp(a * (u - p) ** 2 + b * (u - p) * (v - q) + c * (v - q) ** 2) for h, a, b, c, p, q in rows)


mueller_brown.bounds = [(-1.5, 1.2), (-0.2, 2.0)]


def inner_minima(loss):
    """The minima of the Morse complex that no face holds, and its bars of these that end, as sorted pairs."""
    known = lb.morse_complex(loss, loss.bounds, progress=False)
    bars = lb.barcode(known)
    rows = (known.index == 0).nonzero().squeeze(1)
    inside = ((known.points > known.bounds[:, 0]) & (known.points < known.bounds[:, 1])).all(1)
    rows = rows[inside[rows]]
    points = known.points[rows]
    minima = lb.Minima(points, loss(points), torch.zeros(len(points), dtype=torch.float64), bounds=known.bounds)
    ends = bars.is_finite & torch.isin(bars.minimum_row, rows)
    return minima, torch.stack([bars.birth, bars.death], 1)[ends]


def distance_to_nearest(bars, found):
    """How far each of some bars ``[n 2]`` is from a bar of its own among those found: the best assignment, its largest difference."""
    from scipy.optimize import linear_sum_assignment

    gaps = (bars[:, None] - torch.stack([found.birth, found.death], 1)).abs().amax(2).nan_to_num(posinf=1e9)
    rows, columns = linear_sum_assignment(gaps.numpy())
    return float(gaps[rows, columns].max())


def network_of(loss, minima, **options):
    return lb.transition_network(loss, minima, progress=False, **options)


@pytest.mark.parametrize("loss", [CAMEL, F.EggCrate(), F.Schwefel26(2), mueller_brown], ids=["camel", "eggs", "schwefel", "mueller-brown"])
def test_bars_are_those_of_the_morse_complex(loss):
    minima, exact = inner_minima(loss)
    network = network_of(loss, minima)
    assert network.is_finished.all()
    assert distance_to_nearest(exact, lb.barcode(network)) < 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("loss", [F.Wavy(2), F.Schwefel26(3), F.Wavy(1), F.VenterSobieski()], ids=str)
def test_bars_are_those_of_the_morse_complex_for_many_minima(loss):
    minima, exact = inner_minima(loss)
    assert distance_to_nearest(exact, lb.barcode(network_of(loss, minima))) < 1e-8


def test_one_minimum_finds_all_others():
    """Only the highest minimum is given; what it dies at is no minimum that was given."""
    minima, _ = inner_minima(mueller_brown)
    network = network_of(mueller_brown, minima[2:])
    assert len(network.given_row) == 1
    assert len(network.minima) >= 2
    # the pass from the middle minimum to its neighbor, published as -72.2489
    assert float(network.deaths()[0]) == pytest.approx(-72.2489, abs=1e-4) or float(network.deaths()[0]) == pytest.approx(
        -40.6648, abs=1e-4
    )
    assert network.deaths(among_given=True).tolist() == [math.inf]
