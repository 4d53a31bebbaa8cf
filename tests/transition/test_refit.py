"""Paths whose last layers are refitted."""

import pytest
import torch
from torch import nn

import lossbarcode as lb


def wave(hidden=2):
    x = torch.linspace(-3, 3, 30, dtype=torch.float64)[:, None]
    module = lb.networks.FullyConnected(1, (hidden,), 1, nn.Tanh).double()
    return lb.networks.network_loss(module, (x, torch.sin(2 * x)), nn.functional.mse_loss, l2=1e-3)


@pytest.fixture(scope="module")
def both():
    loss = wave()
    minima = lb.find_minima(loss, 1.5 * loss.initial_parameters(12), max_steps=2000).deduplicate(1e-3)
    return loss, *(lb.connect(loss, minima, max_rounds=1, refit=refit) for refit in (False, True))


def test_no_end_moves_and_no_path_rises(both):
    _, before, after = both
    assert torch.equal(before.points[:, [0, -1]], after.points[:, [0, -1]])
    assert (after.heights <= before.heights).all()
    assert (after.heights < before.heights).double().mean() > 0.5  # after one round last layers are far from their best


def test_heights_are_losses_on_the_refitted_path(both):
    loss, _, after = both
    torch.testing.assert_close(loss(after.points.flatten(0, 1)), after.values.flatten())
    torch.testing.assert_close(after.values.amax(1), after.heights)


def test_it_is_the_default_where_it_is_possible(both):
    loss, before, after = both
    minima = before.minima
    assert torch.equal(lb.connect(loss, minima, max_rounds=1).heights, after.heights)

    def plain(points):
        return loss(points)

    assert torch.equal(lb.connect(plain, minima, max_rounds=1).heights, before.heights)


BAD = {
    "no network": (
        lambda: lb.connect(lambda x: x.square().sum(1), lb.Minima(torch.eye(2), torch.ones(2), torch.zeros(2)), refit=True),
        "refit: expected the loss of a network",
    ),
    "a box": (
        lambda: lb.connect(wave(1), lb.minima_of(wave(1), wave(1).initial_parameters(2)), refit=True, bounds=[(-9, 9)] * 4),
        "refit: expected no bounds, got a box, which the best last layer may leave",
    ),
}


def test_bad_input(bad_input):
    bad_input()
