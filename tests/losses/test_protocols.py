"""What a loss may be, in every route; and what a loss that breaks its promise is told."""

import pytest
import torch

import lossbarcode as lb
from lossbarcode.losses import _derivatives
from lossbarcode.losses._protocols import (
    DifferentiableLoss,
    HasHessian,
    HasHessianProduct,
    HasValueAndGradient,
    LossOnData,
    check_loss_output,
    check_rows_independent,
)

BOX = torch.tensor([[-1.0, 1.5], [-1.2, 1.0]], dtype=torch.float64)


def bowl(points):
    """x² + 3 y², whose only minimum is 0."""
    return points[:, 0] ** 2 + 3 * points[:, 1] ** 2


def corners():
    return torch.cartesian_prod(*BOX)


class OwnGradient:
    """The bowl, with a gradient of its own; calls are counted."""

    bounds = BOX

    def __init__(self):
        self.calls = 0

    def __call__(self, points):
        return bowl(points)

    def value_and_gradient(self, points):
        self.calls += 1
        return bowl(points), points * points.new_tensor([2, 6])


class OwnHessian(OwnGradient):
    """The bowl, with all derivatives."""

    def hessian_product(self, points, vectors):
        self.calls += 1
        return vectors * vectors.new_tensor([2, 6])

    def hessian(self, points):
        self.calls += 1
        return torch.diag(points.new_tensor([2, 6])).expand(len(points), 2, 2)


class OnData:
    """The mean over rows of data of the squared distance from them: the minimum is their mean."""

    def __init__(self, data):
        self.data, self.n_samples = data, len(data)

    def __call__(self, points):
        return (points[:, None] - self.data).square().sum(2).mean(1)

    def batch_value_and_gradient(self, points, rows):
        away = points[:, None] - self.data[rows]
        return away.square().sum(2).mean(1), 2 * away.mean(1)


def network():
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    return lb.networks.network_loss(lb.networks.FullyConnected(1, (2,), 1, torch.nn.Tanh).double(), (x, x), torch.nn.functional.mse_loss)


KINDS = {  # loss: which protocols it follows
    "a function": (lambda: bowl, set()),
    "a benchmark": (lb.functions.SixHumpCamel, set()),
    "gradient": (OwnGradient, {HasValueAndGradient}),
    "all derivatives": (OwnHessian, {HasValueAndGradient, HasHessianProduct, HasHessian, DifferentiableLoss}),
    "data": (lambda: OnData(corners()), {LossOnData}),
    "a network": (network, {HasValueAndGradient, HasHessianProduct, HasHessian, DifferentiableLoss, LossOnData}),
}


@pytest.mark.parametrize("name", KINDS)
def test_protocols(name):
    make, expected = KINDS[name]
    loss = make()
    kinds = (HasValueAndGradient, HasHessianProduct, HasHessian, DifferentiableLoss, LossOnData)
    assert {kind for kind in kinds if isinstance(loss, kind)} == expected


@pytest.mark.parametrize("make", [OwnGradient, OwnHessian])
def test_own_derivatives_are_used(make):
    """They take no argument that only losses on data have; what a loss lacks is computed by autograd."""
    loss = make()
    minima = lb.find_minima(loss, corners(), lowest_eigenvalue=True)
    assert loss.calls > 0
    assert minima.converged.all()
    torch.testing.assert_close(minima.points, torch.zeros_like(minima.points), rtol=0, atol=1e-6)
    torch.testing.assert_close(minima.lowest_eigenvalue, torch.full_like(minima.values, 2.0))


@pytest.mark.parametrize("loss", [bowl, OwnGradient(), OwnHessian()])
def test_all_derivatives_agree(loss):
    points, vectors = corners(), torch.arange(8.0, dtype=torch.float64).view(4, 2)
    values, gradients = _derivatives.value_and_gradient(loss, points)
    scale = torch.tensor([2.0, 6.0], dtype=torch.float64)
    assert torch.equal(values, bowl(points))
    assert torch.equal(gradients, points * scale)
    assert torch.equal(_derivatives.hessian_product(loss, points, vectors), vectors * scale)
    assert torch.equal(_derivatives.hessian(loss, points), torch.diag(scale).expand(4, 2, 2))


def test_hessians_by_autograd():
    loss = lb.functions.SixHumpCamel()
    points = lb.sample(loss, 16, dtype=torch.float64).points
    expected = torch.stack([torch.autograd.functional.hessian(lambda x: loss(x[None])[0], point) for point in points])
    torch.testing.assert_close(_derivatives.hessian(loss, points), expected)


def test_hessians_of_many_parameters_are_refused():
    with pytest.raises(ValueError, match="hessian: expected at most 3000 parameters, got 3001; use hessian_product"):
        _derivatives.hessian(lambda x: x.square().sum(1), torch.zeros(1, 3001))
    with pytest.raises(MemoryError, match="Hessians of 1,000,000 points: expected to fit into"):
        _derivatives.hessian(lambda x: x.square().sum(1), torch.zeros(1, 2000).expand(1_000_000, 2000))


def test_a_loss_on_data_is_trained():
    """One batch per epoch: plain gradient descent, x <- x - 2 lr (x - mean), so the distance shrinks by 0.8 per epoch."""
    loss = OnData(corners())
    training = lb.TrainingSchedule(10, 0.1, batch_size=4, momentum=0.0)
    minima = lb.find_minima(loss, corners(), training=training, max_steps=0)
    mean = corners().mean(0)
    torch.testing.assert_close(minima.points, mean + 0.8**10 * (corners() - mean))


class Namesake:
    """A plain loss whose attributes happen to have the names of data."""

    rows, n_samples, data = 4, 4, corners()

    def __call__(self, points):
        return bowl(points)


def test_attributes_alone_are_no_data():
    loss = Namesake()
    assert lb.find_minima(loss, corners()).converged.all()
    with pytest.raises(
        ValueError, match=r"training: expected a loss on data, .* got Namesake; leave training out, or give the loss n_samp"
    ):
        lb.find_minima(loss, corners(), training=lb.TrainingSchedule(1, 0.1))


ROUTES = {
    "sampled": lambda loss: lb.sample(loss, 64, bounds=BOX, dtype=torch.float64),
    "morse": lambda loss: lb.morse_complex(loss, BOX),
    "transition": lambda loss: lb.find_minima(loss, corners()),
    "paths": lambda loss: lb.connect(loss, lb.find_minima(bowl, corners())),
}
BROKEN = {
    "a column": (lambda x: bowl(x)[:, None], r"got torch.float64 of shape \[\d+, 1\] on cpu"),
    "one number": (lambda x: bowl(x).sum(), r"got torch.float64 of shape \[\] on cpu"),
    "another dtype": (lambda x: bowl(x).float(), r"got torch.float32 of shape \[\d+\] on cpu"),
    "no tensor": (lambda x: bowl(x).detach().numpy(), "got ndarray"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", BROKEN)
def test_every_route_refuses_wrong_values_alike(route, name):
    loss, got = BROKEN[name]
    expected = (
        rf"^loss: expected torch.float64 of shape \[\d+\] on cpu for points of shape \[\d+, 2\], {got}; a loss maps \[n d\] to \[n\]$"
    )
    with pytest.raises(ValueError, match=expected):
        ROUTES[route](loss)


OWN = torch.zeros(2, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("route", ["morse", "transition", "paths"])
@pytest.mark.parametrize(
    "loss",
    [
        lambda x: bowl(x).detach(),
        lambda x: bowl(x.detach() - OWN),  # has a gradient, but none with respect to the points
    ],
)
def test_no_gradient(route, loss):
    expected = r"^loss: expected a function that autograd can differentiate, got values without a gradient; .* sampled route \(lb.sample\)"
    with pytest.raises(ValueError, match=expected):
        ROUTES[route](loss)
    assert len(ROUTES["sampled"](loss).values) == 64


COUPLED = {
    "mean over the batch": lambda x: bowl(x) - bowl(x).mean(),
    "a little of the sum": lambda x: bowl(x) + 1e-2 * bowl(x).sum(),
    "normalised over the batch": lambda x: bowl(x - x.mean(0)),
    "running sum": lambda x: bowl(x).cumsum(0),
    "sum of all that follow": lambda x: bowl(x).flip(0).cumsum(0).flip(0),
    "number of the row": lambda x: bowl(x) + torch.arange(len(x)),
    "reversed": lambda x: bowl(x).flip(0),
    "random": lambda x: bowl(x) + torch.rand(len(x)),
}


@pytest.mark.parametrize("name", COUPLED)
@pytest.mark.parametrize("rows", [1, 2, 4])
def test_rows_that_know_of_each_other(name, rows, dtype):
    points = corners()[:rows].to(dtype)
    with pytest.raises(
        ValueError, match=r"^loss: expected every row to have a loss of its own, got .* for the first point alone and .* for it"
    ):
        check_rows_independent(COUPLED[name], points)


DATA = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0))
TABLE = torch.arange(101.0)
INDEPENDENT = {
    "nothing outside the box": lambda x: TABLE[(100 * (x[:, 0] + 1) / 2.5).long()].to(x.dtype),
    "sums over many data": lambda x: (x @ DATA.T.to(x.dtype)).square().mean(1),
    "rounding of an exact fit": lambda x: (x - x.new_tensor([-1.0, -1.2])).square().sum(1) ** 2,
    "large constant": lambda x: bowl(x) + 1e6,
    "wall": lambda x: torch.where(x[:, 0] < 0, torch.inf, bowl(x)),
    "no number": lambda x: torch.where(x[:, 0] < 0, torch.nan, bowl(x)),
}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_rows_that_differ_by_rounding_only(name, dtype):
    check_rows_independent(INDEPENDENT[name], corners().to(dtype))


def test_values_pass_through():
    points = corners()
    values = bowl(points)
    assert check_loss_output(values, points) is values


def answering(method, answer):
    """A loss whose method returns something else."""
    loss = OnData(corners()) if method.startswith("batch") else OwnHessian()
    setattr(loss, method, lambda *_: answer)
    return loss


FOUR = torch.zeros(4, dtype=torch.float64)
TRAINED = lb.TrainingSchedule(1, 0.1)
BAD = {
    "values": (
        lambda: lb.find_minima(answering("value_and_gradient", (FOUR[:, None], corners())), corners()),
        r"loss: expected torch.float64 of shape \[4\] on cpu for points of shape \[4, 2\], got torch.float64 of shape \[4, 1\]",
    ),
    "gradient": (
        lambda: lb.find_minima(answering("value_and_gradient", (FOUR, corners().float())), corners()),
        r"loss.value_and_gradient: expected torch.float64 of shape \[4, 2\] on cpu for points of .*, got torch.float32 of shape \[4, 2\]",
    ),
    "Hessian product": (
        lambda: lb.find_minima(answering("hessian_product", FOUR), corners()),
        r"loss.hessian_product: expected torch.float64 of shape \[4, 2\] on cpu .*, got torch.float64 of shape \[4\]",
    ),
    "Hessian": (
        lambda: _derivatives.hessian(answering("hessian", corners()), corners()),
        r"loss.hessian: expected torch.float64 of shape \[4, 2, 2\] on cpu .*, got torch.float64 of shape \[4, 2\]",
    ),
    "values on data": (
        lambda: lb.find_minima(answering("batch_value_and_gradient", (FOUR[0], corners())), corners(), training=TRAINED),
        r"loss: expected torch.float64 of shape \[4\] .*, got torch.float64 of shape \[\]",
    ),
    "gradient on data": (
        lambda: lb.find_minima(answering("batch_value_and_gradient", (FOUR, None)), corners(), training=TRAINED),
        r"loss.batch_value_and_gradient: expected torch.float64 of shape \[4, 2\] .*, got NoneType",
    ),
}


def test_wrong_answers_of_own_methods(bad_input):
    bad_input()
