"""Descents: against linear algebra, known minima, torch's own optimiser, and after an interruption."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lossbarcode as lb
from lossbarcode.transition import _checkpoints

CAMEL = lb.functions.HumpCamel6()


def bowl(x):
    return x.square().sum(1)


def quadratic(d, condition, dtype, seed=0):
    """A loss with one minimum, and that."""
    generator = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=generator))
    matrix = (turn * torch.logspace(0, math.log10(condition), d, dtype=torch.float64)) @ turn.T
    center = torch.randn(d, dtype=torch.float64, generator=generator).to(dtype)
    matrix = matrix.to(dtype)
    return lambda x: 0.5 * ((x - center) @ matrix * (x - center)).sum(1), center, matrix


@pytest.mark.parametrize("condition", [1, 1e4])
def test_quadratics(condition, dtype, device):
    loss, center, matrix = quadratic(12, condition, dtype)
    moved = center.to(device), matrix.to(device)
    starts = torch.randn(7, 12, dtype=dtype, generator=torch.Generator().manual_seed(1)).to(device)
    found = lb.find_minima(lambda x: 0.5 * ((x - moved[0]) @ moved[1] * (x - moved[0])).sum(1), starts, lowest_eigenvalue=True)
    # float32 cannot resolve a gradient below its rounding, which grows with the condition
    assert (found.gradient_norm <= {torch.float64: 1e-6, torch.float32: 1e-4 * condition**0.5}[dtype]).all()
    assert (found.points.cpu() - center).abs().max() < (1e-5 if dtype == torch.float64 else 1e-2)
    torch.testing.assert_close(found.lowest_eigenvalue.cpu(), torch.ones(7, dtype=dtype), rtol=1e-2, atol=0)
    assert loss(found.points.cpu()).max() < 1e-6


def test_known_minima():
    starts = lb.sample(CAMEL, 200, dtype=torch.float64).points
    every = lb.find_minima(CAMEL, starts, lowest_eigenvalue=True)
    assert (every.gradient_norm <= 1e-6).all()
    found = every.deduplicate(1e-3)
    expected = [-1.03162845, -1.03162845, -0.21546382, -0.21546382, 2.10425031, 2.10425031]
    torch.testing.assert_close(found.values, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-8)
    assert (found.lowest_eigenvalue > 1).all()
    assert len(found.table()) == 6
    assert len(found[:2]) == 2


@pytest.mark.parametrize("d", [3, 30])
def test_the_lowest_eigenvalue_where_few_eigenvalues_differ(d):
    """Lanczos' method is at its end after as many steps as there are different ones; nothing may be made up then."""
    weight = torch.tensor([3.0] * (d - 1) + [2.0], dtype=torch.float64)
    found = lb.find_minima(lambda x: (weight * x.square()).sum(1), torch.ones(2, d, dtype=torch.float64), lowest_eigenvalue=True)
    torch.testing.assert_close(found.lowest_eigenvalue, torch.full((2,), 4.0, dtype=torch.float64))
    bowl = lb.find_minima(lambda x: x.square().sum(1), torch.zeros(1, d, dtype=torch.float64), lowest_eigenvalue=True)
    torch.testing.assert_close(bowl.lowest_eigenvalue, torch.full((1,), 2.0, dtype=torch.float64))


@pytest.mark.parametrize(
    ("starts", "dtype"),
    [
        ([[1.0, 2.0]], torch.float64),  # as in NumPy
        ([[1, 2]], torch.float32),
        (np.array([[1, 2]]), torch.float32),
        (np.array([[2.0, 1.0]])[:, ::-1], torch.float64),
        (np.array([[1, 2]], dtype="float32"), torch.float32),
        (torch.tensor([[1, 2]]), torch.float32),
        ([torch.tensor([1.0, 2.0])], torch.float32),
    ],
)
def test_starts_are_numbers_of_any_kind(starts, dtype):
    found = lb.find_minima(lambda x: (x - x.new_tensor([3, 4])).square().sum(1), starts)
    assert found.points.dtype == dtype
    torch.testing.assert_close(found.points, torch.tensor([[3.0, 4.0]], dtype=dtype))
    stays = lb.find_minima(bowl, starts, max_steps=0)
    assert stays.points.tolist() == [[1, 2]]


def test_a_descent_that_meets_minus_infinity_ends_there():
    """From the left the parabola leads to its minimum 1, from the right first to a cliff at 4."""

    def cliff(x):
        return torch.where((x[:, 0] - 3).abs() < 1, -torch.inf, (x[:, 0] - 1).square())

    starts = torch.tensor([[0.0], [4.5], [-1.0], [4.9]], dtype=torch.float64)
    with pytest.warns(UserWarning, match="2 of 4 descents met a loss of NaN or -inf, the first from start 1; NaN was taken for"):
        found = lb.find_minima(cliff, starts)
    assert found.converged.tolist() == [True, False, True, False]
    torch.testing.assert_close(found.points[[0, 2]], torch.ones(2, 1, dtype=torch.float64))
    assert torch.equal(found.values, (found.points[:, 0] - 1).square())
    assert (found.points[[1, 3]] >= 4).all()


def test_a_descent_steps_back_from_nan():
    """x - log x is no number below 0; a first step that leads there is shortened."""
    with pytest.warns(UserWarning, match="met a loss of NaN"):
        found = lb.find_minima(lambda x: (x - x.log()).sum(1), torch.tensor([[30.0], [0.5], [2.0]], dtype=torch.float64))
    assert found.converged.all()
    torch.testing.assert_close(found.points, torch.ones(3, 1, dtype=torch.float64), atol=1e-6, rtol=0)


def test_a_descent_stays_where_the_loss_is_not_infinite():
    """+inf is outside the domain: the slope leads to its edge."""
    found = lb.find_minima(lambda x: torch.where(x[:, 0] < 1, torch.inf, x[:, 0]), torch.tensor([[3.0], [1.5]], dtype=torch.float64))
    assert ((found.points >= 1) & (found.points < 1 + 1e-6)).all()
    assert not found.converged.any()


def test_copies_are_found_by_their_features():
    places = torch.tensor([[0.0], [1.0], [-1.0], [3.0]])
    minima = lb.Minima(places, torch.tensor([2.0, 1.0, 1.0, 0.0]), torch.zeros(4))
    assert len(minima.deduplicate(0.5)) == 4
    assert minima.deduplicate(0.5, features=places.abs()).points.flatten().tolist() == [3.0, 1.0, 0.0]


def test_nearest_pairs():
    places = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    minima = lb.Minima(places, places[:, 0], places[:, 0])
    assert minima.nearest_pairs(1).tolist() == [[0, 1], [1, 2], [2, 3]]
    assert minima.nearest_pairs(3).tolist() == torch.combinations(torch.arange(4)).tolist()


def test_ends_on_a_side_of_the_box():
    def slope(x):
        return x[:, 0] + (x[:, 1] - 0.3).square()

    starts = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = lb.find_minima(slope, starts, bounds=[(-1, 1), (-1, 1)], lowest_eigenvalue=True)
    torch.testing.assert_close(found.points, torch.tensor([[-1.0, 0.3]], dtype=torch.float64).expand(20, 2))
    assert (found.gradient_norm < 1e-6).all()
    torch.testing.assert_close(found.lowest_eigenvalue, torch.full((20,), 2.0, dtype=torch.float64))  # along the side


@pytest.mark.slow
def test_minima_of_a_box_are_those_of_the_morse_complex():
    loss = lb.functions.Schwefel26(2)
    complex_ = lb.morse_complex(loss)
    expected = complex_.values[complex_.index == 0].sort().values
    found = lb.find_minima(loss, lb.sample(loss, 5000, dtype=torch.float64).points, gradient_tolerance=1e-7).deduplicate(1e-2)
    assert len(found) == len(expected)
    torch.testing.assert_close(found.values, expected, rtol=0, atol=1e-6)


def test_every_start_is_on_its_own():
    starts = lb.sample(CAMEL, 10, dtype=torch.float64).points
    together = lb.find_minima(CAMEL, starts)
    alone = torch.cat([lb.find_minima(CAMEL, start[None]).points for start in starts])
    torch.testing.assert_close(alone, together.points, rtol=0, atol=1e-9)


def test_kinks_are_no_trap():
    """At a kink the gradient does not vanish; the descent ends close to it all the same."""
    starts = torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = lb.find_minima(lambda x: x[:, 0].abs() + 2 * x[:, 1].abs() + (x[:, 2] - 1).square(), starts, max_steps=200)
    assert found.values.max() < 1e-4
    assert (found.gradient_norm > 0.5).all()


def network(dtype=torch.float64, l2=1e-2):
    data = lb.data.digits().to(dtype=dtype)
    few = tuple(t[:100] for t in data.train)
    return lb.networks.network_loss(lb.networks.FullyConnected(64, (4,), 10, nn.Tanh).to(dtype), few, l2=l2), data


def test_networks_converge():
    loss, data = network()
    found = lb.find_minima(loss, loss.initial_parameters(4), lowest_eigenvalue=True, test_error=lambda p: loss.error_rate(p, data.test))
    assert (found.gradient_norm <= 1e-6).all()
    assert (found.lowest_eigenvalue > 0).all()
    assert torch.equal(found.test_error, loss.error_rate(found.points, data.test))
    # the lowest eigenvalue by the whole Hessian of one of them; Lanczos' is never below it
    hessian = torch.stack(
        [loss.hessian_product(found.points[:1], axis[None])[0] for axis in torch.eye(loss.n_parameters, dtype=torch.float64)]
    )
    lowest = torch.linalg.eigvalsh(hessian)[0]
    assert lowest > 0
    assert lowest - 1e-9 <= found.lowest_eigenvalue[0] < lowest + 0.2


OPTIMIZERS = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=2e-3),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1, weight_decay=2e-3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_many_networks_is_training_each_by_torch(name):
    loss, _ = network(l2=1e-3)
    schedule = lb.TrainingSchedule(3, 0.1, 0.01, constant_epochs=1, decay_end=2, batch_size=32, optimizer=name)
    starts = loss.initial_parameters(2)
    found = lb.find_minima(loss, starts, training=schedule, max_steps=0, seed=5)
    module = loss.to_module(starts[1]).requires_grad_()
    inputs, targets = loss.data
    optimizer = OPTIMIZERS[name](module.parameters())
    for epoch, rate in enumerate((0.1, 0.1, 0.01)):
        optimizer.param_groups[0]["lr"] = rate
        order = torch.randperm(100, generator=torch.Generator().manual_seed(1_000_003 * 5 + epoch))
        for rows in order.split(32):
            optimizer.zero_grad()
            F.cross_entropy(module(inputs[rows]), targets[rows]).backward()
            optimizer.step()
    torch.testing.assert_close(found.points[1], loss.to_vector(module))


def test_schedules_of_the_papers():
    small, annealed = lb.TrainingSchedule.paper_constant(), lb.TrainingSchedule.paper_annealed()
    assert [small.lr_at(epoch) for epoch in (0, 2000)] == [1e-4, 1e-4]
    rates = [annealed.lr_at(epoch) for epoch in (0, 9, 10, 30, 50, 100)]
    assert rates == pytest.approx([5e-2, 5e-2, 5e-2, 5e-2 + (1e-4 - 5e-2) / 2, 1e-4, 1e-4])


class Killed(Exception):
    pass


class Mortal:
    """A loss that dies in the middle of the run."""

    def __init__(self, loss, calls):
        self.loss, self.calls, self.n_samples = loss, calls, loss.n_samples
        self.name = "mortal"

    def __call__(self, points):
        return self.loss(points)

    def live_on(self):
        self.calls -= 1
        if self.calls < 0:
            raise Killed

    def value_and_gradient(self, points):
        self.live_on()
        return self.loss.value_and_gradient(points)

    def batch_value_and_gradient(self, points, rows):
        self.live_on()
        return self.loss.batch_value_and_gradient(points, rows)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("calls", [7, 30])
def test_an_interrupted_run_resumes(calls, optimizer, tmp_path, monkeypatch):
    """Interrupted in training (12 calls), and in the descent after it."""
    monkeypatch.setattr(_checkpoints, "SAVE_INTERVAL", 0)
    loss, _ = network()
    options = dict(training=lb.TrainingSchedule(3, 0.01, batch_size=32, optimizer=optimizer), max_steps=40)
    whole = lb.find_minima(Mortal(loss, 10**9), loss.initial_parameters(3), **options)
    path = tmp_path / "run.pt"
    with pytest.raises(Killed):
        lb.find_minima(Mortal(loss, calls), loss.initial_parameters(3), checkpoint=path, **options)
    resumed = lb.find_minima(Mortal(loss, 10**9), loss.initial_parameters(3), checkpoint=path, **options)
    assert torch.equal(resumed.points, whole.points)
    assert torch.equal(resumed.values, whole.values)
    again = lb.find_minima(Mortal(loss, 2), loss.initial_parameters(3), checkpoint=path, **options)  # nothing is left to do
    assert torch.equal(again.points, whole.points)
    with pytest.raises(ValueError, match="checkpoint: expected the state of the same loss, points and options, got that of another run"):
        lb.find_minima(Mortal(loss, 10**9), loss.initial_parameters(3, seed=1), checkpoint=path, **options)
    inputs, targets = loss.data
    for other in (
        lb.networks.network_loss(loss.to_module(loss.initial_parameters(1)[0]), (inputs, targets.flip(0)), l2=1e-2),
        lb.networks.network_loss(loss.to_module(loss.initial_parameters(1)[0]), loss.data, l2=2e-2),
    ):
        with pytest.raises(ValueError, match="got that of another run"):
            lb.find_minima(Mortal(other, 10**9), loss.initial_parameters(3), checkpoint=path, **options)
    path.write_text("no checkpoint")
    with pytest.raises(ValueError, match=r"checkpoint: expected a file of an earlier run, got .*, which is none"):
        lb.find_minima(Mortal(loss, 10**9), loss.initial_parameters(3), checkpoint=path, **options)


BAD = {
    "one point": (lambda: lb.find_minima(CAMEL, torch.zeros(2)), r"starts: expected float32 or float64 of shape \[k d\], got torch.float32 of shape \[2\]"),
    "no point": (lambda: lb.find_minima(CAMEL, torch.zeros(0, 2)), r"starts: .* got torch.float32 of shape \[0, 2\]"),
    "complex numbers": (lambda: lb.find_minima(CAMEL, torch.zeros(1, 2, dtype=torch.complex64)), "starts: .* got torch.complex64"),
    "no numbers": (lambda: lb.find_minima(CAMEL, [["a", "b"]]), r"starts: expected numbers of shape \[k d\], got list \(can't convert"),
    "rows of unequal length": (lambda: lb.find_minima(CAMEL, [[0.0, 1.0], [0.0]]), r"starts: expected numbers of shape \[k d\], got list"),
    "no parameters": (lambda: lb.find_minima(CAMEL, torch.zeros(2, 0)), r"starts: .* got torch.float32 of shape \[2, 0\]"),
    "tolerance": (lambda: lb.find_minima(CAMEL, torch.zeros(1, 2), gradient_tolerance=0), "tolerance: expected a positive length of the gradient, got 0"),
    "steps": (lambda: lb.find_minima(CAMEL, torch.zeros(1, 2), max_steps=-1), "steps: expected a whole number of at least 0, got -1"),
    "no data": (lambda: lb.find_minima(CAMEL, torch.zeros(1, 2), training=lb.TrainingSchedule.paper_constant()), "training: expected a loss on data, .* got SixHumpCamel"),
    "NaN": (lambda: lb.find_minima(lambda x: x.sum(1) * float("nan"), torch.zeros(1, 2)), "starts: expected a finite loss at every start, got 1 of 1 without, the first in row 0; leave them out"),
    "minus infinity": (lambda: lb.find_minima(lambda x: x.sum(1).log(), torch.tensor([[1.0], [0.0]])), "starts: expected a finite loss at every start, got 1 of 2 without, the first in row 1"),
    "gradient": (lambda: lb.find_minima(lambda x: x.square().sum(1).sqrt(), torch.tensor([[1.0], [0.0]])), "starts: expected a finite gradient at every start, got 1 of 2 without, the first in row 1"),
    "one row in all": (lambda: lb.find_minima(lambda x: bowl(x) - bowl(x).mean(), torch.ones(1, 2)), "loss: expected every row to have a loss of its own, got 0 for the first point alone and .* for it among 4"),
    "mean over rows": (lambda: lb.find_minima(lambda x: bowl(x) - bowl(x).mean(), torch.ones(5, 2)), "loss: expected every row to have a loss of its own, got 0 for .*no mean over the batch"),
    "random numbers": (lambda: lb.find_minima(lambda x: bowl(x) + torch.rand(len(x), dtype=x.dtype), torch.ones(1, 2).double()), "loss: expected every row to have a loss of its own, .* without random numbers"),
    "box of others": (lambda: lb.find_minima(bowl, torch.zeros(1, 3), bounds=[(0, 1)] * 2), r"bounds: expected one \(low, high\) for each of the 3 parameters of the points, got 2 of them"),
    "box of the loss": (lambda: lb.find_minima(CAMEL, torch.zeros(1, 3)), "bounds: expected .* each of the 3 parameters of the points, got 2"),
    "periods of nothing": (lambda: lb.find_minima(bowl, torch.zeros(1, 2), periodic=True), "periodic: expected bounds, whose width is the period, got periodic=True alone; pass bounds"),
    "no period": (lambda: lb.find_minima(bowl, torch.ones(1, 2), bounds=[(0, 1)] * 2, periodic=[True, False]), "periodic: expected the same loss one width of the box further on .*, got 2 and 5; the width of the box must be the period"),
    "infinity": (lambda: lb.find_minima(lambda x: 1 / x.sum(1), torch.tensor([[0.0], [1.0]])), "starts: expected a finite loss .* got 1 of 2 without"),
    "neighbors": (lambda: lb.find_minima(CAMEL, torch.zeros(2, 2)).nearest_pairs(2), "k: expected fewer neighbors than minima, got k = 2 for 2 minima"),
    "features": (lambda: lb.find_minima(CAMEL, torch.zeros(2, 2)).deduplicate(1.0, features=torch.zeros(3, 1)), r"features: expected one row for each of the 2 minima, got shape \[3, 1\]"),
    "epochs": (lambda: lb.TrainingSchedule(0, 1.0), r"TrainingSchedule.epochs: expected a whole number of at least 1, got 0"),
    "batch size": (lambda: lb.TrainingSchedule(1, 1.0, batch_size=0), r"TrainingSchedule.batch_size: expected a whole number of at least 1, got 0"),
    "rate": (lambda: lb.TrainingSchedule(1, -1.0), r"TrainingSchedule.lr: expected a positive learning rate, got -1.0"),
    "momentum": (lambda: lb.TrainingSchedule(1, 1.0, momentum=1.0), r"TrainingSchedule.momentum: expected at least 0 and less than 1, got 1.0"),
    "final rate": (lambda: lb.TrainingSchedule(1, 1.0, 0.0), r"TrainingSchedule.final_lr: expected a positive learning rate, got 0.0"),
    "optimizer": (lambda: lb.TrainingSchedule(1, 1.0, optimizer="LBFGS"), "TrainingSchedule.optimizer: expected 'SGD' or 'Adam', got 'LBFGS'"),
    "bounds": (lambda: lb.find_minima(CAMEL, torch.zeros(1, 2), bounds=[(1, 0), (0, 1)]), "bounds: expected finite low < high"),
    "min_distance": (lambda: lb.find_minima(CAMEL, torch.zeros(1, 2)).deduplicate(0), "min_distance: expected a positive distance"),
}  # fmt: skip


def test_bad_input(bad_input):
    bad_input()


def test_a_rate_that_is_too_high():
    loss, _ = network()
    with pytest.raises(
        ValueError, match=r"training: expected parameters to stay finite, got some that did not at a learning rate of 1e[+]?30; lower it"
    ):
        lb.find_minima(loss, loss.initial_parameters(2), training=lb.TrainingSchedule(20, 1e30), max_steps=0)


def test_converged_is_a_mask():
    minima = lb.Minima(torch.zeros(3, 2), torch.zeros(3), torch.tensor([1e-9, 1.0, 1e-3]), gradient_tolerance=1e-3)
    assert minima.converged.tolist() == [True, False, True]
    assert len(minima[minima.converged]) == 2


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_minima_made_by_hand_converged_as_those_of_descents(kind, tolerance):
    minima = lb.Minima(torch.zeros(3, 2), torch.zeros(3), torch.tensor([9, 2 * tolerance, tolerance / 2], dtype=kind))
    assert minima.converged.tolist() == [False, False, True]
    assert lb.find_minima(bowl, torch.ones(1, 2, dtype=kind)).gradient_tolerance == minima.gradient_tolerance


def test_aligned_minima_are_the_same_networks():
    loss, _ = network()
    minima = lb.find_minima(loss, loss.initial_parameters(3), max_steps=5)
    aligned = minima.aligned(loss)
    assert torch.equal(aligned.points, lb.networks.align(loss, minima.points))
    assert torch.equal(aligned.values, minima.values)
    torch.testing.assert_close(loss(aligned.points), minima.values)
