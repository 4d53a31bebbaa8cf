"""Profiled losses: against the full loss with its last layer solved for, autograd, and its barcode."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import lossbarcode as lb
from lossbarcode.losses.networks._last_layer import CrossEntropy, Squares

LINE = torch.linspace(-3, 3, 31, dtype=torch.float64)[:, None]


def squares_loss(width=3, dtype=torch.float64, outputs=2, batch_size=1 << 14, module=None):
    targets = torch.cat([LINE.sin(), (2 * LINE).cos(), LINE.square() / 9], 1)[:, :outputs]
    module = lb.networks.FullyConnected(1, (width,), outputs, nn.Tanh) if module is None else module
    return lb.networks.network_loss(module.to(dtype), (LINE.to(dtype), targets.to(dtype)), F.mse_loss, l2=2e-3, batch_size=batch_size)


def classes_loss(width=3, dtype=torch.float64, **options):
    classes = (LINE[:, 0] > -1).long() + (LINE[:, 0] > 1).long()
    module = lb.networks.FullyConnected(1, (width,), 3, nn.Tanh).to(dtype)
    return lb.networks.network_loss(module, (LINE.to(dtype), classes), F.cross_entropy, l2=2e-3, **options)


LOSSES = {
    "squares": squares_loss,
    "cross-entropy": classes_loss,
    "batches": lambda: squares_loss(batch_size=10),
    "two layers": lambda: squares_loss(module=lb.networks.FullyConnected(1, (3, 2), 2, nn.Tanh)),
    "no bias": lambda: squares_loss(module=nn.Sequential(nn.Linear(1, 3), nn.Tanh(), nn.Linear(3, 2, bias=False))),
}


@pytest.fixture(params=LOSSES.values(), ids=LOSSES)
def full(request):
    return request.param()


@pytest.fixture
def points(full):
    torch.manual_seed(0)
    return 2 * full.profiled().initial_parameters(4, seed=1)


def test_the_lifted_point_has_the_same_loss_and_the_best_last_layer(full, points):
    profiled = full.profiled()
    values, gradient = profiled.value_and_gradient(points)
    lifted = profiled.lift(points)
    full_values, full_gradient = full.value_and_gradient(lifted)
    torch.testing.assert_close(values, full_values, rtol=1e-13, atol=0)
    torch.testing.assert_close(profiled(points), values, rtol=0, atol=0)
    torch.testing.assert_close(profiled.restrict(lifted), points, rtol=0, atol=0)
    torch.testing.assert_close(profiled.restrict(full_gradient), gradient, rtol=0, atol=1e-12)  # the envelope
    nudged = lifted + 1e-3 * torch.randn_like(lifted)
    others = profiled.lift(profiled.restrict(nudged))
    assert (full(others) <= full(nudged)).all()


def test_no_points_have_no_losses(full):
    for loss in (full, full.profiled()):
        none = torch.empty(0, loss.n_parameters, dtype=loss.dtype)
        assert loss(none).shape == (0,)
        values, gradient = loss.value_and_gradient(none)
        assert values.shape == (0,)
        assert gradient.shape == none.shape
        assert loss.hessian_product(none, none).shape == none.shape


def last_layer_gradient(full, lifted):
    rows = torch.arange(full.n_parameters, dtype=full.dtype)[None]
    kept = full.profiled().restrict(rows)[0].long()
    last = torch.tensor([i for i in range(full.n_parameters) if i not in set(kept.tolist())])
    return full.value_and_gradient(lifted)[1][:, last], kept, last


def test_the_inner_gradient_vanishes_to_1e_10(full, points):
    gradient, _, _ = last_layer_gradient(full, full.profiled().lift(100 * points))
    assert gradient.norm(dim=1).max() < 1e-10


def test_derivatives_are_those_through_the_solution(full, points):
    """The gradient is autograd's, the Hessian the Schur complement of the full one; products are with it."""
    profiled = full.profiled()
    _, gradient = profiled.value_and_gradient(points)
    x = points.clone().requires_grad_()
    torch.testing.assert_close(torch.autograd.grad(profiled(x).sum(), x)[0], gradient, rtol=1e-9, atol=1e-11)
    hessian = profiled.hessian(points)
    lifted = profiled.lift(points)
    _, kept, last = last_layer_gradient(full, lifted)
    whole = full.hessian(lifted)
    xx, xy, yy = (whole[:, rows][:, :, columns] for rows, columns in ((kept, kept), (kept, last), (last, last)))
    torch.testing.assert_close(hessian, xx - xy @ torch.linalg.solve(yy, xy.mT), rtol=1e-8, atol=1e-10)
    vectors = torch.randn_like(points)
    torch.testing.assert_close(profiled.hessian_product(points, vectors), (hessian @ vectors[..., None])[..., 0], rtol=1e-8, atol=1e-10)
    step = 1e-6 * vectors
    difference = (profiled.value_and_gradient(points + step)[1] - profiled.value_and_gradient(points - step)[1]) / 2e-6
    torch.testing.assert_close(difference, profiled.hessian_product(points, vectors), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["squares", "cross-entropy"])
def test_networks_do_not_depend_on_their_company(name):
    profiled = LOSSES[name]().profiled()
    points = profiled.initial_parameters(5)
    together = profiled(points)
    profiled.networks_per_chunk = 1
    torch.testing.assert_close(profiled(points), together, rtol=1e-13, atol=0)


@pytest.mark.parametrize("make", [squares_loss, classes_loss])
def test_single_precision(make):
    single, double = make(dtype=torch.float32).profiled(), make().profiled()
    points = single.initial_parameters(3)
    assert single(points).dtype == single.lift(points).dtype == single.value_and_gradient(points)[1].dtype == torch.float32
    torch.testing.assert_close(single(points).double(), double(points.double()), rtol=1e-5, atol=0)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([1e-6, 1e-3, 1.0]), st.sampled_from([0.01, 1.0, 1e3]))
def test_solvers_find_the_minimum_whatever_the_features(seed, l2, scale):
    generator = torch.Generator().manual_seed(seed)
    features = scale * torch.randn(3, 12, 4, dtype=torch.float64, generator=generator)
    features[1, :, 1] = features[1, :, 0]  # columns that depend on each other
    features[2] = features[2] > 0  # classes that can be separated
    for loss in (
        Squares(torch.randn(12, 2, dtype=torch.float64, generator=generator), l2, 4),
        CrossEntropy(torch.randint(0, 3, (12,), generator=generator), 3, l2, 4),
    ):
        layer = loss.solve(features)
        y = layer.clone().requires_grad_()
        slope = torch.autograd.grad(loss.values(features, y).sum(), y)[0]
        torch.testing.assert_close(slope, loss.gradient(features, layer), rtol=1e-6, atol=1e-12 * max(scale, 1))
        assert slope.abs().max() < 1e-10 * max(scale, 1)
        around = layer + 1e-3 * torch.randn(layer.shape, dtype=torch.float64, generator=generator)
        assert (loss.values(features, layer) <= loss.values(features, around)).all()


# --- what it is for ------------------------------------------------------------------------------------------------


def one_unit(fixed=False):
    """A network of one tanh unit without biases: two parameters, one of them in the last layer."""
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Tanh(), nn.Linear(1, 1, bias=False)).double()
    targets = (2 * LINE).sin() + LINE / 2
    return lb.networks.network_loss(module, (LINE, targets), F.mse_loss, l2=5e-3)


def intervals(bars, least=1e-3):
    return np.array([interval for _, interval in bars.longer_than(least).to_gudhi()])


def test_the_barcode_is_that_of_the_full_loss_on_a_grid():
    full = one_unit()
    whole = lb.barcode(lb.sample(full, (801, 801), bounds=[(-8, 8)] * 2, method="grid", dtype=torch.float64))
    profiled = lb.barcode(lb.sample(full.profiled(), 4001, bounds=[(-8, 8)], method="grid", dtype=torch.float64))
    assert len(intervals(whole)) > 1
    np.testing.assert_allclose(intervals(profiled), intervals(whole), atol=2e-4)


def test_the_barcode_is_that_of_the_full_loss_by_critical_points():
    full = one_unit()
    whole = lb.morse_complex(full, [(-8, 8)] * 2, progress=False)
    profiled = lb.morse_complex(full.profiled(), [(-8, 8)], progress=False)
    assert whole.is_complete
    assert profiled.is_complete
    np.testing.assert_allclose(intervals(lb.barcode(profiled), 0.0), intervals(lb.barcode(whole), 0.0), atol=1e-9)
    assert len(lb.barcode(whole, degree=1)) == 0  # sublevel sets on a line have no loops, so the full loss has none


def bell():
    """Three parameters, two of them before the last layer."""
    module = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 1, bias=False)).double()
    return lb.networks.network_loss(module, (LINE, (-4 * (LINE - 1).square()).exp() - 0.3 * LINE), F.mse_loss, l2=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("degree", [0, 1])
def test_bars_are_those_of_the_full_loss_in_degrees_0_and_1(degree):
    """The profiled loss needs the finer grid: where the best last layer changes its sign it has a narrow ridge."""
    full, box = bell(), [(-3, 3)] * 2
    fine = lb.sample(full.profiled(), (801, 801), bounds=box, method="grid", dtype=torch.float64)
    assert full.profiled().lift(fine.points[:])[:, -1].abs().max() < 2
    whole = lb.sample(full, (81, 81, 121), bounds=[*box, (-2, 2)], method="grid", dtype=torch.float64)
    assert lb.bottleneck_distance(lb.barcode(whole, degree=degree), lb.barcode(fine, degree=degree)) < 1e-3
    assert degree or lb.barcode(fine).longest(2).length[1] > 0.2


def test_minima_and_paths_take_it():
    full = squares_loss()
    profiled = full.profiled()
    minima = lb.find_minima(profiled, profiled.initial_parameters(8), lowest_eigenvalue=True)
    assert minima.converged.all()
    values, gradient = full.value_and_gradient(profiled.lift(minima.points))
    torch.testing.assert_close(values, minima.values, rtol=1e-12, atol=0)
    assert gradient.norm(dim=1).max() < 1e-5
    distinct = minima.deduplicate(1e-3)
    assert len(distinct) > 1
    bars = lb.barcode(lb.connect(profiled, distinct, max_rounds=4))
    assert (bars.death >= bars.birth).all()


BAD = {
    "no penalty": (lambda: lb.networks.network_loss(nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1)).double(), (LINE, LINE), F.mse_loss).profiled(), "profiled: expected l2 above 0 and no other penalty"),
    "another criterion": (lambda: lb.networks.network_loss(nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1)).double(), (LINE, LINE), F.l1_loss, l2=1e-3).profiled(), "profiled: expected torch.nn.functional.mse_loss with targets"),
    "weights of classes": (lambda: lb.networks.network_loss(nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 2)).double(), (LINE, (LINE[:, 0] > 0).long()), nn.CrossEntropyLoss(label_smoothing=0.1), l2=1e-3).profiled(), "with their default options"),
    "something behind": (lambda: lb.networks.network_loss(nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1), nn.Tanh()).double(), (LINE, LINE), F.mse_loss, l2=1e-3).profiled(), "expected a module whose outputs .* are those of its last layer, 1, got Sequential"),
    "no linear layer": (lambda: lb.networks.network_loss(nn.Conv1d(1, 1, 1).double(), (LINE[:, :, None], LINE[:, :, None]), F.mse_loss, l2=1e-3).profiled(), "ends in a nn.Linear after other layers"),
    "nothing before": (lambda: lb.networks.network_loss(nn.Sequential(nn.Linear(1, 1)).double(), (LINE, LINE), F.mse_loss, l2=1e-3).profiled(), "none in Sequential; its loss is convex"),
    "a frozen layer": (lambda: lb.networks.network_loss(frozen(), (LINE, LINE), F.mse_loss, l2=1e-3).profiled(), r"\['1.weight', '1.bias'\] frozen or tied"),
    "a tied layer": (lambda: lb.networks.network_loss(Tied().double(), (LINE, LINE), F.mse_loss, l2=1e-3).profiled(), r"\['second.weight'\] frozen or tied"),
    "a wide last layer": (lambda: lb.networks.network_loss(nn.Sequential(nn.Linear(1, 500), nn.Tanh(), nn.Linear(500, 4)).double(), (LINE, (LINE[:, 0] > 0).long()), F.cross_entropy, l2=1e-3).profiled(), "at most 2000 numbers in the last layer for cross-entropy, got 2004"),
}  # fmt: skip


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 1)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x).tanh())


def frozen():
    module = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1)).double()
    module[1].requires_grad_(False)
    return module


def test_bad_input(bad_input):
    bad_input()
