"""Losses of modules: against torch's own way, one network at a time."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lossbarcode as lb
from lossbarcode.losses.networks import _alignment, _probing

NETWORKS = {
    "fully connected": lambda: lb.networks.FullyConnected(16, (5, 4), 3),
    "tanh": lambda: lb.networks.FullyConnected(16, (5,), 3, nn.Tanh),
    "CNN": lambda: lb.networks.CNN(1, 3, layers=2, width=4),
    "CNN with BatchNorm": lambda: lb.networks.CNN(1, 3, layers=2, width=4, batch_norm=True),
    "ResNet9": lambda: lb.networks.ResNet9(1, 3),
}


def images(n=20, side=4, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 1, side, side, generator=generator, dtype=dtype), torch.randint(0, 3, (n,), generator=generator)


def plain_loss(loss, point, module, inputs, targets, penalty, batch_size):
    """Mean over batches and penalty, by a module that holds the parameters and is differentiated in the usual way."""
    module = copy.deepcopy(module)
    nn.utils.vector_to_parameters(point, module.parameters())
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.train()  # statistics of the batch
    total = sum(
        F.cross_entropy(module(x), y, reduction="sum") for x, y in zip(inputs.split(batch_size), targets.split(batch_size), strict=True)
    )
    return total / len(inputs) + penalty * sum(p.square().sum() for p in module.parameters()), list(module.parameters())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch_size", [7, 100])
def test_values_and_gradients_are_those_of_the_module(name, batch_size, device):
    module = NETWORKS[name]().to(device, torch.float64)
    inputs, targets = (t.to(device) for t in images())
    loss = lb.networks.network_loss(module, (inputs, targets), l2=0.01, batch_size=batch_size)
    points = loss.initial_parameters(3, seed=1)
    assert loss.uses_vmap
    values, gradients = loss.value_and_gradient(points)
    x = points.clone().requires_grad_()
    by_autograd = torch.autograd.grad(loss(x).sum(), x)[0]
    for i, point in enumerate(points):
        value, parameters = plain_loss(loss, point, module, inputs, targets, 0.01, batch_size)
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(value, parameters)])
        for found in (values[i], loss(points)[i]):
            torch.testing.assert_close(found, value)
        for found in (gradients[i], by_autograd[i]):
            torch.testing.assert_close(found, gradient)


@pytest.mark.parametrize("name", ["tanh", "CNN with BatchNorm"])
def test_hessian_products_are_differences_of_gradients(name):
    loss = lb.networks.network_loss(NETWORKS[name]().double(), images(), l2=0.01, batch_size=7)
    points = loss.initial_parameters(2)
    vectors = torch.randn(points.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    step = 1e-6 * vectors
    expected = (loss.value_and_gradient(points + step)[1] - loss.value_and_gradient(points - step)[1]) / 2e-6
    torch.testing.assert_close(loss.hessian_product(points, vectors), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["tanh", "CNN with BatchNorm"])
def test_hessians_are_made_of_products(name):
    loss = lb.networks.network_loss(NETWORKS[name]().double(), images(), l2=0.01, batch_size=7)
    points = loss.initial_parameters(2)
    found = loss.hessian(points)
    assert torch.equal(found, found.mT)
    vectors = torch.randn(points.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close((found @ vectors[..., None]).squeeze(-1), loss.hessian_product(points, vectors))


def test_no_hessians_of_large_networks():
    loss = lb.networks.network_loss(lb.networks.FullyConnected(16, (200,), 3), images(dtype=torch.float32))
    with pytest.raises(ValueError, match="hessian: expected at most 3000 parameters, got 4003; use hessian_product"):
        loss.hessian(loss.initial_parameters(1))


@pytest.mark.parametrize(("l2", "weight"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.7), (0.3, 0.7)])
def test_penalties_add_up(l2, weight):
    """The sum of squares, not half of it, and a function of the named parameters."""

    def penalty(parameters):
        return weight * parameters["1.bias"].abs().sum()

    module = NETWORKS["tanh"]().double()
    loss = lb.networks.network_loss(module, images(), l2=l2, penalty=penalty if weight else None)
    bare = lb.networks.network_loss(module, images())
    points = loss.initial_parameters(2)
    biases = torch.stack([loss.parameters(point)["1.bias"] for point in points])
    added, slope = l2 * points.square().sum(1) + weight * biases.abs().sum(1), 2 * l2 * points
    start = 16 * 5  # biases follow the first layer's weights, 5 rows of 16
    slope[:, start : start + 5] += weight * biases.sign()
    torch.testing.assert_close(loss(points), bare(points) + added)
    rows = torch.tensor([3, 1, 4])
    calls = (lambda one: one.value_and_gradient(points), lambda one: one.batch_value_and_gradient(points, rows))
    for call in calls:
        for found, expected, more in zip(call(loss), call(bare), (added, slope), strict=True):
            torch.testing.assert_close(found, expected + more)


def test_chunks_of_networks_change_nothing(monkeypatch):
    whole = lb.networks.network_loss(NETWORKS["CNN"]().double(), images())
    monkeypatch.setattr(_probing, "CPU_ACTIVATION_BYTES", 1)
    one = lb.networks.network_loss(NETWORKS["CNN"]().double(), images())
    assert one.networks_per_chunk == 1 < whole.networks_per_chunk
    points = whole.initial_parameters(5)
    for way in ("__call__", "value_and_gradient", "outputs", "error_rate"):
        torch.testing.assert_close(getattr(one, way)(points), getattr(whole, way)(points))


def test_some_rows_are_a_minibatch():
    inputs, targets = images()
    loss = lb.networks.network_loss(NETWORKS["tanh"]().double(), (inputs, targets), l2=0.1)
    rows = torch.tensor([3, 1, 4])
    few = lb.networks.network_loss(NETWORKS["tanh"]().double(), (inputs[rows], targets[rows]), l2=0.1)
    points = loss.initial_parameters(2)
    for found, expected in zip(loss.batch_value_and_gradient(points, rows), few.value_and_gradient(points), strict=True):
        torch.testing.assert_close(found, expected)


def test_points_and_modules():
    module = NETWORKS["CNN with BatchNorm"]().double()
    inputs, targets = images()
    loss = lb.networks.network_loss(module, (inputs, targets))
    point = loss.to_vector(module)
    assert torch.equal(point, nn.utils.parameters_to_vector(module.parameters()))
    again = loss.to_module(point)
    assert torch.equal(loss.to_vector(again), point)
    torch.testing.assert_close(F.cross_entropy(again(inputs), targets), loss(point[None])[0])
    assert loss.outputs(point[None]).shape == (1, 20, 3)
    for few in (slice(0, 20), slice(0, 5)):
        expected = (again(inputs[few]).argmax(1) != targets[few]).double().mean()
        assert loss.error_rate(point[None], (inputs[few], targets[few])).tolist() == [float(expected)]
    assert torch.equal(loss.error_rate(point[None]), loss.error_rate(point[None], (inputs, targets)))


def test_starts_are_those_of_the_layers(device):
    of_device = lb.networks.network_loss(
        lb.networks.FullyConnected(16, (500,), 3).to(device), tuple(part.to(device) for part in images(dtype=torch.float32))
    )
    loss = lb.networks.network_loss(lb.networks.FullyConnected(16, (500,), 3), images(dtype=torch.float32))
    states = [torch.random.get_rng_state(), *torch.cuda.get_rng_state_all()]
    first, again, other = (loss.initial_parameters(2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(of_device.initial_parameters(2).cpu(), first)
    assert all(map(torch.equal, [torch.random.get_rng_state(), *torch.cuda.get_rng_state_all()], states))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
    weight = loss.parameters(first[0])["1.weight"]  # torch's default: uniform up to 1 / sqrt(fan in)
    assert 0.24 < weight.max() <= 0.25
    resnet = lb.networks.network_loss(lb.networks.ResNet9(1, 3), images(dtype=torch.float32))
    parameters = resnet.parameters(resnet.initial_parameters(1)[0])
    assert (parameters["0.bias"] == 0.01).all()
    torch.testing.assert_close(parameters["0.weight"].std(), torch.tensor((2 / 9) ** 0.5), rtol=0.2, atol=0)  # of fan in 9


def test_parameters_of_the_reference():
    assert sum(p.numel() for p in lb.networks.ResNet9().parameters()) == 195_210


def test_a_transformer_predicts_only_from_what_came_before():
    torch.manual_seed(0)
    module = lb.networks.Transformer(7, 5, width=8, depth=2, heads=2).double()
    rows = torch.randint(0, 7, (3, 5))
    changed = rows.clone()
    changed[:, 3] = (rows[:, 3] + 1) % 7
    before, after = module(rows), module(changed)
    assert before.shape == (3, 5, 7)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3])
    loss = lb.networks.network_loss(module, (rows, changed), lb.networks.next_token)
    assert loss.uses_vmap
    points = loss.initial_parameters(2)
    torch.testing.assert_close(loss(points)[0], lb.networks.next_token(loss.to_module(points[0])(rows), changed))
    assert loss.hessian_product(points, points).isfinite().all()
    assert loss.error_rate(points).shape == (2,)


class LikeHuggingFace(nn.Module):
    """The calling form of transformers' models: keywords in, an output object with .loss and .logits out."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(11, 6), nn.Linear(6, 11)

    def forward(self, input_ids, attention_mask=None, labels=None):
        hidden = self.embedding(input_ids)
        if attention_mask is not None:
            hidden = hidden * attention_mask[..., None]
        logits = self.head(hidden)
        return SimpleNamespace(logits=logits, loss=None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten()))


def test_modules_that_take_keywords_and_bring_their_loss():
    torch.manual_seed(0)
    module = LikeHuggingFace()
    ids = torch.randint(0, 11, (6, 4))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.flip(1)}
    loss = lb.networks.network_loss(module, batch, None)
    torch.testing.assert_close(loss(loss.to_vector(module)[None])[0], module(**batch).loss.detach())
    own = lb.networks.network_loss(module, batch, lambda out, given: F.cross_entropy(out.logits.flatten(0, 1), given["labels"].flatten()))
    points = loss.initial_parameters(3)
    torch.testing.assert_close(own(points), loss(points))
    logits = loss.outputs(points)
    torch.testing.assert_close(logits[1], loss.to_module(points[1])(**batch).logits)
    torch.testing.assert_close(
        loss.error_rate(points, (batch, batch["labels"])), (logits.argmax(-1) != batch["labels"]).flatten(1).float().mean(1)
    )
    with pytest.raises(
        ValueError, match=r"data: expected \(inputs, targets\), got a mapping of \['attention_mask', 'input_ids', 'labels'\]"
    ):
        loss.error_rate(points)


class Branching(nn.Module):
    """Decides by a number, which vmap does not allow."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 3)

    def forward(self, x):
        out = self.layer(x.flatten(1))
        return out if out.sum().item() > 0 else 2 * out


def test_what_vmap_does_not_take_is_looped_over_aloud():
    with pytest.warns(UserWarning, match=r"Branching does not allow torch.func.vmap \(.+\); networks are evaluated one after the other"):
        loss = lb.networks.network_loss(Branching().double(), images(), l2=0.1)
    assert not loss.uses_vmap
    points = loss.initial_parameters(4)
    values, gradients = loss.value_and_gradient(points)
    for i, point in enumerate(points):
        value, parameters = plain_loss(loss, point, Branching().double(), *images(), 0.1, 100)
        torch.testing.assert_close(values[i], value)
        torch.testing.assert_close(gradients[i], torch.cat([g.flatten() for g in torch.autograd.grad(value, parameters)]))


class Noticing(nn.Module):
    """Computes something else under vmap, without an error."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 3)

    def forward(self, x):
        return self.layer(x.flatten(1)) * (2 if "BatchedTensor" in repr(self.layer.weight) else 1)


def test_what_vmap_changes_is_looped_over_aloud():
    with pytest.warns(UserWarning, match=r"Noticing does not allow torch.func.vmap \(it gives other losses\)"):
        loss = lb.networks.network_loss(Noticing().double(), images())
    assert not loss.uses_vmap


def test_a_loader_is_gone_through_once():
    inputs, targets = images()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_size=6)
    module = NETWORKS["tanh"]().double()
    points = lb.networks.network_loss(module, loader).initial_parameters(2)
    torch.testing.assert_close(
        lb.networks.network_loss(module, loader)(points), lb.networks.network_loss(module, (inputs, targets))(points)
    )


def test_the_module_is_not_touched():
    module = NETWORKS["CNN with BatchNorm"]().double().train()
    before = copy.deepcopy(module.state_dict())
    loss = lb.networks.network_loss(module, images())
    loss.value_and_gradient(loss.initial_parameters(2))
    assert module.training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert all(p.requires_grad for p in module.parameters())


# --- alignment -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fully connected", "CNN", "CNN with BatchNorm"])
def test_alignment_undoes_a_permutation(name):
    loss = lb.networks.network_loss(NETWORKS[name]().double(), images())
    point = loss.initial_parameters(1, seed=2)[0]
    layers, odd = _alignment.find_chain(loss)
    random = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(loss.parameters(point)[layer[0]]), generator=random) for layer in layers[:-1]]
    signs = [1.0 - 2 * flips * torch.randint(2, order.shape, generator=random) for order, flips in zip(orders, odd, strict=True)]
    assert any((sign < 0).any() for sign in signs) == (name == "tanh")
    shuffled = torch.cat([v.flatten() for v in _alignment.permute_units(layers, loss.parameters(point), orders, signs).values()])
    assert not torch.equal(shuffled, point)
    both = torch.stack([point, shuffled])
    torch.testing.assert_close(*loss(both))
    aligned = lb.networks.align(loss, both)
    assert torch.equal(aligned[0], point)
    assert torch.equal(aligned[1], point)


def test_alignment_through_flattened_channels():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3)).double()
    loss = lb.networks.network_loss(network, images())
    point = loss.initial_parameters(1)[0]
    layers, odd = _alignment.find_chain(loss)
    assert odd == [True]
    orders, signs = [torch.tensor([2, 0, 3, 1])], [torch.tensor([1.0, -1.0, -1.0, 1.0])]
    shuffled = _alignment.permute_units(layers, loss.parameters(point), orders, signs)
    both = torch.stack([point, torch.cat([v.flatten() for v in shuffled.values()])])
    torch.testing.assert_close(*loss(both))
    assert torch.equal(lb.networks.align(loss, both)[1], point)


class TellsApart(nn.Module):
    def forward(self, x):
        return x * torch.arange(x.shape[1], dtype=x.dtype)


def test_columns_or_rows_are_the_same_network():
    """FullyConnected has data as columns inside; a plain chain of the same layers has rows."""
    module = lb.networks.FullyConnected(16, (5, 4), 3, nn.Tanh).double()
    inputs = images()[0]
    torch.testing.assert_close(module(inputs), nn.Sequential(*module)(inputs))


def test_fixed_parameters_are_no_part_of_points():
    module = NETWORKS["tanh"]().double()
    module[1].bias.requires_grad_(False).fill_(0.25)
    loss = lb.networks.network_loss(module, images(), l2=0.1)
    whole = lb.networks.network_loss(NETWORKS["tanh"]().double(), images(), l2=0.1)
    assert loss.n_parameters == whole.n_parameters - module[1].bias.numel()
    point = loss.initial_parameters(2, seed=1)[1]
    back = loss.to_module(point)
    assert torch.equal(back[1].bias, module[1].bias)
    assert [p.requires_grad for p in back.parameters()] == [p.requires_grad for p in module.parameters()]
    assert torch.equal(loss.to_vector(back), point)
    fixed = module[1].bias.square().sum() * 0.1  # the penalty counts what can move
    torch.testing.assert_close(loss(point[None]) + fixed, whole(whole.to_vector(back)[None]))
    assert lb.networks.network_loss(back, images()).n_parameters == loss.n_parameters
    with pytest.raises(
        ValueError, match=r"align: expected all parameters of FullyConnected to be free, got some of \['1.weight', '1.bias'\]"
    ):
        lb.networks.align(loss, loss.initial_parameters(2))


def test_alignment_changes_no_loss_and_brings_networks_closer():
    loss = lb.networks.network_loss(lb.networks.FullyConnected(16, (20, 10), 3).double(), images())
    points = loss.initial_parameters(4)
    aligned = lb.networks.align(loss, points, to=2)
    torch.testing.assert_close(loss(aligned), loss(points))
    assert torch.equal(aligned[2], points[2])
    others = [0, 1, 3]
    assert ((aligned - points[2]).norm(dim=1)[others] < (points - points[2]).norm(dim=1)[others]).all()


# --- bad input -----------------------------------------------------------------------------------------------------


class OneLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 3)

    def forward(self, x):
        return self.layer(x.flatten(1))


def test_bad_modules_and_data(as_users_call):
    data = images(dtype=torch.float32)
    make = NETWORKS["tanh"]

    def align(module):
        loss = lb.networks.network_loss(module, data)
        return lb.networks.align(loss, loss.initial_parameters(2))

    cases = [
        (lambda: lb.networks.network_loss(make().half(), data), "module: expected parameters in float32 or in float64 on one device, got"),
        (lambda: lb.networks.network_loss(nn.Flatten(), data), r"module: expected parameters that require gradients, got none in Flatten"),
        (
            lambda: lb.networks.network_loss(make(), (data[0], data[1][:5])),
            r"data: expected tensors with equally many rows, .* got \[5, 20\]",
        ),
        (lambda: lb.networks.network_loss(make(), (data[0][:0], data[1][:0])), r"data: .* at least one, got \[0\]"),
        (lambda: lb.networks.network_loss(make(), lb.data.digits()), "data: .* got a Data; pass its .train"),
        (lambda: lb.networks.network_loss(make(), (*data, data[1])), "data: .* got 3 of them"),
        (lambda: lb.networks.network_loss(make(), iter([])), "data: expected an iterable of batches, got one without any"),
        (lambda: lb.networks.network_loss(make(), data, batch_size=0), "batch_size: expected a whole number of at least 1, got 0"),
        (lambda: lb.networks.network_loss(make(), data, l2=-1e-3), "l2: expected the weight of the sum of squares, at least 0, got -0.001"),
        (lambda: lb.networks.network_loss(make(), data, l2=float("nan")), "l2: expected the weight .* got nan"),
        (lambda: lb.networks.network_loss(make(), data, lambda out, y: out.sum(1)), "criterion: expected one finite number for a batch"),
        (lambda: lb.networks.network_loss(make(), data, lambda out, y: out.sum() * float("nan")), "criterion: expected one finite number"),
        (
            lambda: lb.networks.network_loss(make(), data, lambda out, y: out.sum() * torch.rand(())),
            "module: expected the same loss for the same parameters, .* remove dropout or noise that the module's forward applies by itself",
        ),
        (lambda: lb.networks.network_loss(make(), data)(torch.zeros(2, 3)), r"FullyConnected: expected points of shape \[n 103\]"),
        (
            lambda: lb.networks.network_loss(make(), data).to_vector(nn.Linear(2, 2)),
            "expected the parameters of FullyConnected, .* got those of Linear",
        ),
        (
            lambda: lb.networks.align(lb.networks.network_loss(lb.networks.ResNet9(1, 3), data), torch.zeros(2, 5)),
            "align: expected a chain",
        ),
        (
            lambda: lb.networks.align(lb.networks.network_loss(make(), data), torch.zeros(2, 103), to=2),
            "to: expected a number from 0 to 1, got 2",
        ),
        (lambda: align(OneLayer()), "align: expected an nn.Sequential with linear or convolution layers, got OneLayer"),
        (
            lambda: align(nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.GLU(), nn.Linear(2, 3))),
            "align: expected every layer to take all outputs of the one before, got 4 of 1.weight and 2 of 3.weight",
        ),
        (
            lambda: align(nn.Sequential(nn.Flatten(), nn.Linear(16, 4), TellsApart(), nn.Linear(4, 3))),
            "align: expected hidden units of Sequential to have no order, got losses that change by .* some layer tells units apart",
        ),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x.flatten(1)[:, :3] * self.weight


def test_parameters_that_nobody_initialises():
    loss = lb.networks.network_loss(Own(), images(dtype=torch.float32))
    with pytest.raises(ValueError, match=r"every module with parameters to have reset_parameters\(\), got none in \['Own'\]"):
        loss.initial_parameters(2)
