"""Modules and data as users bring them: wrappers, checkpoints, buffers, derivatives inside, several inputs, no targets."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

import lossbarcode as lb

ROWS = 12


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain():
    return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()


def regression():
    inputs = numbers(ROWS, 2)
    return inputs, inputs.prod(1, keepdim=True)


def same_derivatives(loss, other, points):
    """Values, gradients and Hessian products are those of another loss."""
    torch.testing.assert_close(loss(points), other(points))
    torch.testing.assert_close(loss.value_and_gradient(points), other.value_and_gradient(points))
    vectors = numbers(*points.shape, seed=1)
    torch.testing.assert_close(loss.hessian_product(points, vectors), other.hessian_product(points, vectors))


# --- modules -------------------------------------------------------------------------------------------------------


class ByFunctions(nn.Module):
    """u'' at places ``[rows 1]``, by torch.func."""

    def __init__(self, second=None):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
        self.second = second or torch.func.grad

    def u(self, x):
        return self.net(x[None])[0]

    def forward(self, x):
        return torch.func.vmap(lambda place: self.second(torch.func.grad(lambda t: self.u(t[None])[0]))(place))(x[:, 0])[:, None]


class ByAutograd(ByFunctions):
    """The same by torch.autograd.grad."""

    def forward(self, x):
        x = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.net(x).sum(), x, create_graph=True)
        return torch.autograd.grad(slope.sum(), x, create_graph=True)[0]


class ByFormula(ByFunctions):
    """The same: tanh'' = -2 tanh (1 - tanh^2)."""

    def forward(self, x):
        inner, outer = self.net[0], self.net[2]
        t = inner(x).tanh()
        return (-2 * t * (1 - t**2) * inner.weight[:, 0] ** 2) @ outer.weight.mT


@pytest.mark.parametrize("second", [torch.func.grad, torch.func.jacrev], ids=["grad", "jacrev"])
def test_derivatives_inside_of_a_module_by_torch_func(second):
    """The residual of a differential equation, as physics-informed networks have it."""
    x = numbers(ROWS, 1)
    loss, exact = (lb.networks.network_loss(module.double(), (x, x.sin()), F.mse_loss) for module in (ByFunctions(second), ByFormula()))
    assert loss.uses_vmap
    points = loss.initial_parameters(3)
    same_derivatives(loss, exact, points)
    assert 1 < loss.networks_per_chunk < exact.networks_per_chunk  # it keeps more
    assert lb.find_minima(loss, points, max_steps=2, lowest_eigenvalue=True).lowest_eigenvalue.isfinite().all()


def test_derivatives_inside_of_a_module_by_autograd():
    x = numbers(ROWS, 1)
    with pytest.warns(UserWarning, match=r"ByAutograd does not allow torch.func.vmap \(.+\); networks are evaluated one after the other"):
        loss = lb.networks.network_loss(ByAutograd().double(), (x, x.sin()), F.mse_loss)
    exact = lb.networks.network_loss(ByFormula().double(), (x, x.sin()), F.mse_loss)
    points = loss.initial_parameters(3)
    same_derivatives(loss, exact, points)
    with torch.no_grad():
        torch.testing.assert_close(loss(points), exact(points))
        torch.testing.assert_close(loss.outputs(points), exact.outputs(points))


def test_memory_is_that_of_tensors_that_live_on():
    """What the backward pass keeps of a chain: inputs and targets, the outputs of tanh (not those before it), and the last outputs."""
    inputs, targets = numbers(ROWS, 2), numbers(ROWS, 1)
    loss = lb.networks.network_loss(nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double(), (inputs, targets), F.mse_loss)
    numbers_kept = ROWS * (2 + 1 + 4 + 1) + 5 * loss.n_parameters  # and the parameters themselves, with room for four vectors like them
    assert loss.networks_per_chunk == (1 << 25) // (8 * numbers_kept)


def tokens():
    return torch.randint(0, 7, (ROWS, 3), generator=torch.Generator().manual_seed(0)), numbers(ROWS, 1)


def test_sparse_gradients():
    modules = [nn.Sequential(nn.Embedding(7, 2, sparse=sparse), nn.Flatten(), nn.Linear(6, 1)).double() for sparse in (True, False)]
    loss, dense = (lb.networks.network_loss(module, tokens(), F.mse_loss) for module in modules)
    same_derivatives(loss, dense, loss.initial_parameters(3))
    assert modules[0][0].sparse


def bag(sparse=True):
    module = nn.Sequential(nn.EmbeddingBag(7, 2, sparse=sparse), nn.Linear(2, 1)).double()
    return lb.networks.network_loss(module, tokens(), F.mse_loss)


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch: vmap evaluates bags one after the other
def test_sparse_gradients_of_bags():
    loss, dense = bag(), bag(sparse=False)
    points = loss.initial_parameters(3)
    torch.testing.assert_close(loss.value_and_gradient(points), dense.value_and_gradient(points))
    with pytest.raises(
        ValueError, match=r"loss: expected operations that can be differentiated twice, got one that cannot \(.*embedding_bag.*\); replace"
    ):
        loss.hessian_product(points, points)


def test_wrappers_are_taken_off():
    module = plain()
    loss = lb.networks.network_loss(module, regression(), F.mse_loss)
    points = loss.initial_parameters(2)
    compiled = torch.compile(module, backend="eager")  # is never called
    for wrapped in (nn.DataParallel(module), compiled, nn.DataParallel(compiled)):
        other = lb.networks.network_loss(wrapped, regression(), F.mse_loss)
        assert other.name == "Sequential"
        assert torch.equal(loss(points), other(points))
        assert torch.equal(loss.to_vector(wrapped), loss.to_vector(module))


def test_state_dicts_are_points(tmp_path):
    module = plain()
    module[0].bias.requires_grad_(False)
    loss = lb.networks.network_loss(module, regression(), F.mse_loss)
    point = loss.to_vector(module)
    torch.save(module.state_dict(), tmp_path / "model.pt")
    assert torch.equal(loss.to_vector(torch.load(tmp_path / "model.pt")), point)
    assert torch.equal(loss.to_vector(loss.to_module(point).state_dict()), point)  # without running statistics
    assert torch.equal(loss.to_vector(dict(module.named_parameters())), point)
    assert torch.equal(loss.to_vector({name: value.float() for name, value in module.state_dict().items()}), point.float().double())


def test_state_dicts_of_tied_weights():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.inward, self.outward = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
            self.outward.weight = self.inward.weight

        def forward(self, ids):
            return self.outward(self.inward(ids))

    module = Tied().double()
    ids = torch.arange(5)
    loss = lb.networks.network_loss(module, (ids, ids))
    assert loss.n_parameters == 15
    assert torch.equal(loss.to_vector(module.state_dict()), loss.to_vector(module))
    torch.testing.assert_close(loss(loss.to_vector(module)[None])[0], F.cross_entropy(module(ids), ids).detach())


class Averaging(nn.Module):
    """Keeps an average of its hidden units and uses it, in evaluation, too."""

    def __init__(self, how):
        super().__init__()
        self.inward, self.outward = nn.Linear(2, 4), nn.Linear(4, 1)
        self.register_buffer("average", torch.full((4,), 0.5))
        self.register_buffer("calls", torch.tensor(0))
        self.how = how

    def forward(self, x):
        hidden = self.inward(x).tanh()
        if self.how == "not used":
            with torch.no_grad():
                self.average.lerp_(hidden.mean(0), 0.1)
            return self.outward(hidden)
        if self.how == "in place":
            self.average.mul_(0.9).add_(0.1 * hidden.mean(0))
        else:
            self.average = 0.9 * self.average + 0.1 * hidden.mean(0)
        self.calls += 1
        return self.outward(hidden - self.average)


@pytest.mark.parametrize("how", ["in place", "anew", "not used"])
@pytest.mark.filterwarnings("ignore:Averaging does not allow torch.func.vmap")
def test_buffers_that_change_are_no_randomness(how):
    """Every call starts from the buffers that the module came with, so the loss is a function of the parameters alone."""
    inputs, targets = regression()
    module = Averaging(how).double()
    before = copy.deepcopy(module.state_dict())
    loss = lb.networks.network_loss(module, (inputs, targets), F.mse_loss)
    points = loss.initial_parameters(3)
    values, gradients = loss.value_and_gradient(points)
    assert torch.equal(loss(points), values)
    for i, point in enumerate(points):
        fresh = loss.to_module(point)
        value = F.mse_loss(fresh(inputs), targets)
        torch.testing.assert_close(values[i], value.detach())
        expected = torch.autograd.grad(value, list(fresh.parameters()))
        torch.testing.assert_close(gradients[i], torch.cat([part.flatten() for part in expected]))
    for buffers in (module.state_dict(), loss.to_module(points[0]).state_dict()):
        assert all(torch.equal(buffers[name], before[name]) for name in ("average", "calls"))


# --- data ----------------------------------------------------------------------------------------------------------


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.x, self.y = nn.Linear(2, 1), nn.Linear(3, 1)

    def forward(self, x, y):
        return self.x(x) * self.y(y)


class Rows(Dataset):
    """A data set that gives one row after the other, as torchvision's do."""

    def __init__(self, *parts):
        self.parts = parts

    def __len__(self):
        return len(self.parts[0])

    def __getitem__(self, row):
        return tuple(part[row] for part in self.parts)


class OfRows(Rows):
    """Rows of two inputs and a target."""

    def __getitem__(self, row):
        x, y, targets = (part[row] for part in self.parts)
        return (x, y), targets


def test_data_of_every_kind_are_the_same():
    inputs, targets = regression()
    expected = lb.networks.network_loss(plain(), (inputs, targets), F.mse_loss)
    points = expected.initial_parameters(2)
    kinds = {
        "arrays": (inputs.numpy(), targets.numpy()),
        "TensorDataset": TensorDataset(inputs, targets),
        "Dataset": Rows(inputs, targets),
        "loader": DataLoader(TensorDataset(inputs, targets), batch_size=5),
        "inputs by name": ({"input": inputs}, targets),
        "one input in a tuple": ((inputs,), targets),
        "arrays in batches": iter([(inputs[:5].numpy(), targets[:5].numpy()), (inputs[5:].numpy(), targets[5:].numpy())]),
    }
    for name, data in kinds.items():
        loss = lb.networks.network_loss(plain(), data, F.mse_loss)
        assert loss.n_samples == ROWS, name
        torch.testing.assert_close(loss(points), expected(points), msg=name)
        torch.testing.assert_close(loss.outputs(points), expected.outputs(points), msg=name)


@pytest.mark.parametrize("batch_size", [100, 5])
def test_several_inputs(batch_size):
    x, y, targets = numbers(ROWS, 2), numbers(ROWS, 3, seed=1), numbers(ROWS, 1, seed=2)
    module = TwoInputs().double()
    expected = F.mse_loss(module(x, y), targets).detach()
    kinds = {
        "tuple": ((x, y), targets),
        "lists": [[x, y], targets],
        "mapping": ({"y": y, "x": x}, targets),
        "Dataset": OfRows(x, y, targets),
        "loader": DataLoader(OfRows(x, y, targets), batch_size=5),
        "arrays": ((x.numpy(), y.numpy()), targets.numpy()),
    }
    for name, data in kinds.items():
        loss = lb.networks.network_loss(module, data, F.mse_loss, batch_size=batch_size)
        points = torch.stack([loss.to_vector(module)] * 2)
        torch.testing.assert_close(loss(points), expected.expand(2), msg=name)
        assert loss.outputs(points, data[0] if isinstance(data, tuple) else None).shape == (2, ROWS, 1), name
        assert loss.outputs(points, (x[:4], y[:4])).shape == (2, 4, 1)
        assert loss.batch_value_and_gradient(points, torch.tensor([3, 1]))[0].shape == (2,)


def test_inputs_alone():
    """The criterion gets what the module returns, as that of a differential equation does."""
    x = numbers(ROWS, 2)
    module = plain()
    module[1] = nn.Identity()
    expected = module(x).square().mean().detach()
    kinds = {
        "tensor": x,
        "array": x.numpy(),
        "tuple": (x,),
        "TensorDataset": TensorDataset(x),
        "loader": DataLoader(TensorDataset(x), batch_size=5),
        "loader of a tensor": DataLoader(x, batch_size=5),
    }
    for name, data in kinds.items():
        loss = lb.networks.network_loss(module, data, lambda outputs: outputs.square().mean(), batch_size=5)
        assert loss.n_samples == ROWS, name
        torch.testing.assert_close(loss(loss.to_vector(module)[None])[0], expected, msg=name)
    several = lb.networks.network_loss(TwoInputs().double(), ((x, numbers(ROWS, 3)),), lambda outputs: outputs.square().mean())
    assert several.value_and_gradient(several.initial_parameters(2))[1].isfinite().all()


class Autoencoder(nn.Module):
    """Returns its loss."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 3))

    def forward(self, x):
        return F.mse_loss(self.layers(x), x)


def test_modules_that_return_their_loss():
    x = numbers(ROWS, 3)
    module = Autoencoder().double()
    expected = module(x).detach()
    for data in (x, {"x": x}, TensorDataset(x)):
        loss = lb.networks.network_loss(module, data, None, batch_size=5)
        torch.testing.assert_close(loss(loss.to_vector(module)[None])[0], expected)


@pytest.mark.parametrize(
    "criterion",
    [
        lambda out, y: F.mse_loss(out, y, reduction="sum"),
        nn.MSELoss(reduction="sum"),
        lambda out, y: F.mse_loss(out, y, reduction="sum") + 1,
    ],
    ids=["function", "module", "and a number"],
)
def test_sums_over_rows_are_refused(criterion):
    with pytest.raises(
        ValueError, match=r"criterion: expected the mean over the rows of a batch, got a sum: .* for twice as many; use red"
    ):
        lb.networks.network_loss(plain(), regression(), criterion)


@pytest.mark.parametrize(
    "criterion",
    [
        lambda out, y: F.mse_loss(out, y, reduction="none").sum(1).mean(),
        lambda out, y: F.mse_loss(out, y) + out.std(0).sum(),  # of the rows minus one
        lambda out, y: F.cross_entropy(out @ y.mT, torch.arange(len(out))),  # every row against all others
        lambda out, y: 0 * F.mse_loss(out, y),
    ],
    ids=["sum over outputs", "spread", "contrast", "zero"],
)
def test_what_is_no_sum_over_rows_is_taken(criterion):
    loss = lb.networks.network_loss(plain(), regression(), criterion)
    assert loss(loss.initial_parameters(2)).isfinite().all()


class NoLoss(Autoencoder):
    def forward(self, x):
        return {"x": self.layers(x)}


def scripted():
    with pytest.warns(DeprecationWarning, match="torch.jit.script"):
        return torch.jit.script(plain())


def with_data(data, criterion=F.mse_loss):
    return lb.networks.network_loss(plain(), data, criterion)


def detached(method):
    loss = with_data(regression(), lambda out, y: F.mse_loss(out, y).detach())
    points = loss.initial_parameters(2)
    return getattr(loss, method)(*[points] * (2 if method == "hessian_product" else 1))


x, y = regression()
BAD = {
    "TorchScript": (
        lambda: lb.networks.network_loss(scripted(), (x, y), F.mse_loss),
        "module: expected a module written in Python, got a RecursiveScriptModule, .* pass the module that it was made of",
    ),
    "TorchScript inside": (
        lambda: lb.networks.network_loss(nn.Sequential(nn.Linear(2, 2).double(), scripted()), (x, y), F.mse_loss),
        "module: expected a module written in Python, got a RecursiveScriptModule",
    ),
    "lazy layer": (
        lambda: lb.networks.network_loss(nn.Sequential(nn.LazyLinear(1)), (x, y), F.mse_loss),
        "module: expected parameters with shapes, got a LazyLinear that was never called; call the module on some data",
    ),
    "embedding that shortens": (
        lambda: lb.networks.network_loss(nn.Embedding(7, 2, max_norm=1.0), tokens(), F.mse_loss),
        r"module: expected a forward that leaves parameters as they are, got Embedding with max_norm=1.0, which shortens them; set max_norm",
    ),
    "state dict of another network": (
        lambda: with_data((x, y)).to_vector(nn.Linear(2, 1).state_dict()),
        r"module: expected the parameters of Sequential, by name and shape, got those of a state dict without 0.bias, 0.weight, 1.bias, \.\.\.; "
        "with bias, weight",
    ),
    "state dict of other shapes": (
        lambda: with_data((x, y)).to_vector({**plain().state_dict(), "3.weight": torch.zeros(1, 5)}),
        "got those of a state dict other shapes of 3.weight",
    ),
    "state dict in a checkpoint": (
        lambda: with_data((x, y)).to_vector({"state_dict": plain().state_dict(), "epoch": 3}),
        "got those of a state dict without .*; with epoch, state_dict",
    ),
    "state dict of a wrapper": (
        lambda: with_data((x, y)).to_vector(nn.DataParallel(plain()).state_dict()),
        "got those of a state dict without .*; with module.0.bias",
    ),
    "module of other names": (lambda: with_data((x, y)).to_vector(nn.Linear(2, 1)), "got those of Linear without 0.bias"),
    "single numbers": (
        lambda: with_data({"input": x, "flag": 1}),
        "data: expected batches of tensors with rows along the first axis, got a single number",
    ),
    "single rows": (
        lambda: with_data(iter([{"input": row, "label": 1} for row in x])),
        "data: expected batches of tensors with rows .* put single rows together with a DataLoader",
    ),
    "three parts": (lambda: with_data((x, x, y)), r"data: .* got 3 of them; put several inputs together: \(\(x, y\), targets\)"),
    "TensorDataset of three": (lambda: with_data(TensorDataset(x, x, y)), "data: .* got 3 of them; put several inputs together"),
    "nothing": (lambda: with_data(()), "data: .* got 0 of them"),
    "batches of other rows": (
        lambda: with_data(iter([(x, y), (x[:, :1], y)])),
        r"data: expected batches that differ in their rows only, got rows of shapes \[\(1,\), \(2,\)\]; pad them to one length",
    ),
    "no targets": (
        lambda: with_data(x, F.cross_entropy),
        "criterion: expected a function of outputs, since the data have no targets, got cross_",
    ),
    "no targets for a module": (lambda: with_data(x, nn.MSELoss()), "criterion: expected a function of outputs, .* got MSELoss"),
    "targets that nobody takes": (
        lambda: with_data((x, y), lambda out: out.mean()),
        r"criterion: expected a function of outputs and targets, got a loss \(too many positional arguments\); pass another one",
    ),
    "no loss": (
        lambda: lb.networks.network_loss(NoLoss().double(), numbers(ROWS, 3), None),
        "criterion: expected None only if the module returns its loss, or outputs with .loss, got dict from NoLoss without; pass a criterion",
    ),
    "no number": (
        lambda: with_data((x, y), lambda out, y: float(F.mse_loss(out, y))),
        "criterion: expected one finite number for a batch, got",
    ),
    "no classes to compare": (
        lambda: with_data(x, torch.mean).error_rate(numbers(1, 25)),
        r"data: expected \(inputs, targets\), got inputs alone; give both",
    ),
    "detached": (
        lambda: detached("value_and_gradient"),
        "loss: expected a function that autograd can differentiate, .* use the sampled route",
    ),
    "detached, twice": (lambda: detached("hessian_product"), "loss: expected a function that autograd can differentiate"),
}


def test_bad_modules_and_data(bad_input):
    bad_input()


def test_detached_losses_can_be_sampled():
    """Only derivatives are refused: an error rate is a loss that can be looked at."""
    loss = with_data(regression(), lambda out, y: ((out > 0) != (y > 0)).double().mean())
    assert ((loss(loss.initial_parameters(4)) * ROWS) % 1 == 0).all()
    assert np.isfinite(loss.networks_per_chunk)
