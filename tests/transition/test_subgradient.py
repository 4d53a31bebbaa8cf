"""Shortest subgradients: against quadratic programming, kinks with known answers, and trained ReLU networks."""

import pytest
import torch
from scipy.optimize import nnls
from torch import nn

import lossbarcode as lb
from lossbarcode.transition._subgradient import project_to_simplex, shortest_in_hull


def tent(x):
    return x.abs().sum(1)


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_the_shortest_vector_of_a_hull(count):
    """Least squares with nonnegative weights, whose sum is held at one by a heavy row, find the same."""
    vectors = torch.randn(20, count, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
    vectors += torch.linspace(0, 2, 20, dtype=torch.float64)[:, None, None]
    found = shortest_in_hull(vectors)
    for own, length in zip(vectors, found, strict=True):
        heavy = 1e4
        weight, _ = nnls(torch.cat([own.T, torch.full((1, count), heavy)]).numpy(), [0.0] * 5 + [heavy])
        expected = (torch.from_numpy(weight / weight.sum()) @ own).norm()
        torch.testing.assert_close(length, expected, rtol=1e-3, atol=1e-3)
    assert (found <= vectors.norm(dim=2).amin(1) + 1e-12).all()


def test_weights_are_those_of_a_simplex():
    weights = project_to_simplex(torch.tensor([[0.2, 0.3, 0.5], [2.0, 0.0, 0.0], [-1.0, 0.4, 0.8], [5.0, 5.0, 5.0]]))
    expected = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.0, 0.3, 0.7], [1 / 3, 1 / 3, 1 / 3]])
    torch.testing.assert_close(weights, expected)


def test_kinks_and_slopes(dtype, device):
    points = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, -1.0]], dtype=dtype, device=device)
    found = lb.subgradient_norm(tent, points, count=50)
    torch.testing.assert_close(found.cpu(), torch.tensor([0.0, 1.0, 2**0.5], dtype=dtype), rtol=0, atol=1e-3)


def test_where_the_loss_is_smooth_it_is_the_gradient():
    points = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = lb.subgradient_norm(lambda x: x.square().sum(1), points, radius=1e-9)
    torch.testing.assert_close(found, 2 * points.norm(dim=1), rtol=1e-6, atol=0)


@pytest.mark.slow
def test_trained_networks_rest_on_kinks():
    """Of ReLU networks most gradients do not vanish where the descent ends, but subgradients do, and nothing around is lower."""
    x = torch.linspace(-3, 3, 40, dtype=torch.float64)[:, None]
    loss = lb.networks.network_loss(lb.networks.FullyConnected(1, (2,), 1).double(), (x, x.sin()), nn.functional.mse_loss, l2=1e-3)
    ends = lb.find_minima(loss, loss.initial_parameters(30), max_steps=400)
    found = lb.subgradient_norm(loss, ends.points)
    kinks = ends.gradient_norm > 1e-3
    assert kinks.sum() >= 5
    assert found[kinks].quantile(0.75) < 1e-4
    around = ends.points[:, None] + 1e-4 * torch.randn(
        30, 200, loss.n_parameters, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    lower = loss(around.flatten(0, 1)).view(30, 200).amin(1) < ends.values - 1e-9
    zero = ends.points.norm(dim=1) < 1e-6  # the network of zeros: stationary, but a saddle
    assert lower[zero].all()
    assert not lower[(found < 1e-5) & ~zero].any()


BAD = {
    "radius": (lambda: lb.subgradient_norm(tent, torch.zeros(1, 2), radius=0), "radius: expected a positive distance .* got 0"),
    "count": (lambda: lb.subgradient_norm(tent, torch.zeros(1, 2), count=0), "count: expected a whole number of at least 1, got 0"),
}


def test_bad_input(bad_input):
    bad_input()
