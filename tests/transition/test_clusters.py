"""Escapes of clusters of atoms, against an exhaustive search of its own.

The energies were found by the method of ``oracles.cluster_network``: 4 minima and 12 passes of 7 atoms in 45 rounds, 8 minima and 42 passes
of 8 atoms in 146 rounds, of which the last 139 found nothing new and each pass was found at least 33 times.
"""

import math

import pytest
import torch
from oracles import cluster_network

import lossbarcode as lb

MINIMA = {  # and what each dies at: the lowest pass, or the highest of a way over several passes, to something lower
    7: {-16.505384168: math.inf, -15.935043060: -15.444733800, -15.593210938: -15.319864441, -15.533060055: -15.283421275},
    8: {
        -19.821489192: math.inf,
        -19.765297851: -19.281244191,
        -19.189311411: -18.710547553,
        -19.169279771: -18.694705814,
        -18.976056340: -18.707532300,
        -18.856826168: -18.645830333,
        -18.828671550: -18.596637998,
        -18.778208174: -18.597348435,
    },
}


class Cluster:
    """Pairs of energy 4 (r^-12 - r^-6)."""

    def __init__(self, count):
        self.count, self.first, self.second = count, *torch.triu_indices(count, count, 1)

    def squared_distances(self, x):
        atoms = x.view(len(x), self.count, 3)
        return (atoms[:, self.first] - atoms[:, self.second]).square().sum(2)

    def __call__(self, x):
        attraction = self.squared_distances(x).pow(-3)
        return 4 * (attraction.square() - attraction).sum(1)

    def shapes(self, x):
        """The same for clusters that differ by a shift, a turn, a reflection or the numbers of their atoms."""
        return self.squared_distances(x).sqrt().sort(1).values


def found_minima(energy, n_starts):
    """The classes of minima in which descents from random places end."""
    starts = 0.9 * torch.randn(n_starts, 3 * energy.count, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = lb.find_minima(energy, starts, gradient_tolerance=1e-8, progress=False)
    found = found[found.converged & (found.values < max(MINIMA[energy.count]) + 0.1)]
    return found.deduplicate(1e-3, features=energy.shapes(found.points))


def network_of(energy, minima):
    return lb.transition_network(energy, minima, features=energy.shapes, max_step=0.1, sweeps=2, progress=False)


@pytest.mark.slow
def test_all_minima_of_seven_atoms_are_reached_from_the_highest():
    """Shifts and turns have no curvature and are not followed.

    A run seeks what ends the given minima, and may leave others out; so its catalogue is given again until nothing new is reached.
    """
    energy = Cluster(7)
    network = network_of(energy, found_minima(energy, 60)[-2:])
    assert len(network.minima) > len(network.given_row) == 2
    while len(network.minima) > len(network.given_row):
        network = network_of(energy, network.minima)
    values, order = network.minima.values.sort()
    expected = torch.tensor(list(MINIMA[7].items()), dtype=torch.float64)
    torch.testing.assert_close(values, expected[:, 0], rtol=0, atol=1e-8)
    torch.testing.assert_close(network.deaths()[order], expected[:, 1], rtol=0, atol=1e-8)
    assert set(network.kinds) == {lb.PassKind.INDEX_1}


@pytest.mark.slow
def test_deaths_of_eight_atoms():
    """Seven of the eight minima are given, in which 240 descents end. The basin of the eighth is narrow, and nothing given dies over it."""
    energy = Cluster(8)
    minima = found_minima(energy, 240)
    network = network_of(energy, minima)
    expected = torch.tensor([pair for pair in MINIMA[8].items() if pair[0] != -18.976056340], dtype=torch.float64)
    torch.testing.assert_close(minima.values, expected[:, 0], rtol=0, atol=1e-8)
    torch.testing.assert_close(network.deaths(), expected[:, 1], rtol=0, atol=1e-8)
    assert set(network.kinds) == {lb.PassKind.INDEX_1}


@pytest.mark.slow
def test_a_short_exhaustive_search_finds_the_same_ends():
    """Few rounds miss high passes, which end nothing."""
    energies, heights, pairs, _ = cluster_network(7, rounds=4, seed=1)
    torch.testing.assert_close(torch.from_numpy(energies), torch.tensor(list(MINIMA[7])).double(), rtol=0, atol=1e-6)
    for row, death in enumerate(MINIMA[7].values()):
        if row:  # each minimum of seven atoms dies at the lowest pass out of it, into something lower
            ways = heights[(pairs.max(1) == row) & (pairs.min(1) < row)]
            assert ways.min() == pytest.approx(death, abs=1e-8)
