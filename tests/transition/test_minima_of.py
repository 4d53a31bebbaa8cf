"""Networks that were trained elsewhere: they come in as they are, or not at all."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lossbarcode as lb

CAMEL = lb.functions.SixHumpCamel()
RANDOM = torch.Generator().manual_seed(0)
INPUTS = torch.randn(40, 2, dtype=torch.float64, generator=RANDOM)
TARGETS = (INPUTS.prod(1) > 0).long()
L2 = 1e-2


def make(width=4):
    return nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2)).double()


def loss_of(module, **options):
    return lb.networks.network_loss(module, (INPUTS.to(next(module.parameters()).dtype), TARGETS), l2=L2, **options)


def trained(seed, steps=20, module=None):
    """The usual loop."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = make() if module is None else module
        optimizer = torch.optim.SGD(module.parameters(), lr=0.5, weight_decay=2 * L2)
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(module(INPUTS), TARGETS).backward()
            optimizer.step()
    return module


NETWORKS = [trained(seed) for seed in range(3)]
LOSS = loss_of(make())


def test_all_ways_to_bring_networks_are_one(tmp_path):
    files = [tmp_path / f"{i}.pt" for i in range(3)]
    for file, network in zip(files, NETWORKS, strict=True):
        torch.save(network.state_dict(), file)
    found = [
        lb.minima_of(LOSS, networks)
        for networks in (
            NETWORKS,
            [network.state_dict() for network in NETWORKS],
            [dict(network.named_parameters()) for network in NETWORKS],
            files,
            (str(file) for file in files),
            (NETWORKS[0], NETWORKS[1].state_dict(), files[2]),
            torch.stack([LOSS.to_vector(network) for network in NETWORKS]).requires_grad_(),
        )
    ]
    for minima in found:
        assert torch.equal(minima.points, found[0].points)
        assert torch.equal(minima.values, found[0].values)
        assert not minima.points.requires_grad


def test_values_and_gradients_are_those_of_the_training():
    minima = lb.minima_of(LOSS, NETWORKS, test_error=LOSS.error_rate, lowest_eigenvalue=True)
    for i, network in enumerate(NETWORKS):
        network.zero_grad()
        loss = F.cross_entropy(network(INPUTS), TARGETS) + L2 * sum(p.square().sum() for p in network.parameters())
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in network.parameters()])
        torch.testing.assert_close(minima.values[i], loss.detach())
        torch.testing.assert_close(minima.gradient_norm[i], gradient.norm())
        assert minima.test_error[i] == (network(INPUTS).argmax(1) != TARGETS).double().mean()
    assert minima.lowest_eigenvalue.isfinite().all()
    assert minima.name == "Sequential"


def test_converged_tells_the_truth():
    minima = lb.minima_of(LOSS, NETWORKS)
    assert not minima.converged.any()
    assert minima.gradient_tolerance == 1e-6
    assert lb.minima_of(LOSS, NETWORKS, gradient_tolerance=10.0).converged.all()
    ends = lb.find_minima(LOSS, minima.points)
    again = lb.minima_of(LOSS, [LOSS.to_module(point) for point in ends.points])
    assert ends.converged.all()
    assert again.converged.all()
    assert (again.values < minima.values).all()
    table = lb.connect(LOSS, minima, max_rounds=1).bars_table()
    assert not table["minimum_reached"].any()


def test_a_network_in_single_precision_and_a_loss_in_double():
    network = copy.deepcopy(NETWORKS[0]).float()
    minima = lb.minima_of(LOSS, [network, network.state_dict(), copy.deepcopy(network).double()])
    assert minima.points.dtype == torch.float64
    assert len(set(minima.values.tolist())) == 1


class Tied(nn.Module):
    """Two layers of one weight, a buffer, and a frozen layer."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
        self.second.weight = self.first.weight
        self.last.requires_grad_(False)
        with torch.no_grad():
            self.last.weight.copy_(torch.eye(2))
            self.last.bias.zero_()
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, x):
        return self.last(self.scale * self.second(self.first(x).tanh()))


def test_tied_and_frozen_parameters_and_buffers():
    networks = [trained(seed, module=Tied().double()) for seed in (0, 1)]
    loss = loss_of(networks[0])
    minima = lb.minima_of(loss, [*networks, *(network.state_dict() for network in networks)])
    for point, network in zip(minima.points, networks * 2, strict=True):
        torch.testing.assert_close(loss.to_module(point)(INPUTS), network(INPUTS))
    other, frozen = Tied(2.0).double(), Tied().double()
    nn.init.ones_(frozen.last.bias)
    untied = {**networks[0].state_dict(), "second.weight": torch.zeros(2, 2)}
    for network, key in ((other, "scale"), (frozen, "last.bias"), (untied, "second.weight")):
        with pytest.raises(ValueError, match=rf"networks\[1\]: expected '{key}' as in the module of the loss, in which it is fixed"):
            lb.minima_of(loss, [networks[0], network])
    assert len(lb.minima_of(loss, [dict(other.named_parameters())])) == 1  # as the sentence says


def test_running_statistics_do_not_matter():
    """A loss takes the statistics of its own batches."""
    networks = [
        trained(seed, module=nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2)).double()) for seed in (0, 1)
    ]
    loss = loss_of(networks[0])
    minima = lb.minima_of(loss, networks)
    for point, network in zip(minima.points, networks, strict=True):
        torch.testing.assert_close(loss.to_module(point)(INPUTS), network.train()(INPUTS))


def test_points_of_any_loss_stay_where_they_are():
    points = torch.tensor([[0.5, 0.5], [-1.0, 0.3]], dtype=torch.float64)
    minima = lb.minima_of(CAMEL, points)
    assert torch.equal(minima.points, points)
    torch.testing.assert_close(minima.values, CAMEL(points))
    with pytest.raises(ValueError, match=r"networks: expected points in the bounds of SixHumpCamel, got 1 outside, the first in row 1"):
        lb.minima_of(CAMEL, torch.tensor([[0.0, 0.0], [100.0, 0.0]]))


def test_a_file_cannot_run_code(tmp_path):
    class Malicious:
        def __reduce__(self):
            return Path.touch, (tmp_path / "victim",)

    torch.save({"0.weight": Malicious()}, tmp_path / "network.pt")
    with pytest.raises(
        ValueError, match=r"networks\[0\]: expected the file of a state dict, got .*network.pt \(UnpicklingError\); write it"
    ):
        lb.minima_of(LOSS, [tmp_path / "network.pt"])
    assert not (tmp_path / "victim").exists()


def changed(**parts):
    return {**NETWORKS[0].state_dict(), **{key.replace("_", "."): part for key, part in parts.items()}}


BAD = {
    "one module": (lambda: lb.minima_of(LOSS, NETWORKS[0]), "networks: expected a list of networks, got one Sequential; put it into a list"),
    "one state dict": (lambda: lb.minima_of(LOSS, NETWORKS[0].state_dict()), "networks: expected a list of networks, got one OrderedDict"),
    "one file": (lambda: lb.minima_of(LOSS, "network.pt"), "networks: expected a list of networks, got one str"),
    "one path": (lambda: lb.minima_of(LOSS, Path("network.pt")), "networks: expected a list of networks, got one .*Path; put it into a list"),
    "a number": (lambda: lb.minima_of(LOSS, 3), "networks: expected a list of networks, got one int"),
    "none": (lambda: lb.minima_of(LOSS, []), "networks: expected at least one, got none"),
    "numbers": (lambda: lb.minima_of(LOSS, [[1.0, 2.0]]), r"networks\[0\]: expected a module, its state dict, or the file of one, got list"),
    "another loss": (lambda: lb.minima_of(CAMEL, NETWORKS), "loss: expected one made by lb.networks.network_loss, .* got SixHumpCamel; pass"),
    "missing": (lambda: lb.minima_of(LOSS, [NETWORKS[0], {}]), r"networks\[1\]: expected the keys of Sequential, got none called \['0.weight', '0.bias', '2.weight'\], and"),
    "unknown": (lambda: lb.minima_of(LOSS, [changed(head_weight=torch.zeros(1))]), r"networks\[0\]: expected the keys .* and unknown ones \['head.weight'\]; pass"),
    "wrapped": (lambda: lb.minima_of(LOSS, [nn.DataParallel(NETWORKS[0])]), r"and unknown ones \['module.0.weight', .*; pass a network .* without wrappers"),
    "of a training": (lambda: lb.minima_of(LOSS, [{"model": NETWORKS[0].state_dict(), "epoch": 3}]), r"unknown ones \['model', 'epoch'\]"),
    "a wider one": (lambda: lb.minima_of(LOSS, [NETWORKS[0], make(5)]), r"networks\[1\]: expected '0.weight' of shape \[4, 2\], got \[5, 2\]; pass"),
    "no tensor": (lambda: lb.minima_of(LOSS, [changed(**{"0_bias": "zero"})]), r"networks\[0\]: expected '0.bias' of shape \[4\], got str; pass"),
    "more precise": (lambda: lb.minima_of(loss_of(make().float()), NETWORKS), r"networks\[0\]: expected '0.weight' in torch.float32, as the loss is, got torch.float64; make"),
    "diverged": (lambda: lb.minima_of(LOSS, [NETWORKS[0], changed(**{"0_bias": torch.full((4,), torch.nan)})]), r"networks\[1\]: expected finite numbers in '0.bias', got some that are not; its training diverged, leave it out"),
    "infinite": (lambda: lb.minima_of(lambda x: 1 / x.sum(1), torch.tensor([[1.0], [0.0]])), r"networks: expected a finite loss of each, got inf of networks\[1\]; leave it out"),
    "no file": (lambda: lb.minima_of(LOSS, ["nowhere.pt"]), r"networks\[0\]: expected the file of a state dict, got nowhere.pt \(FileNotFoundError\)"),
    "one point": (lambda: lb.minima_of(CAMEL, torch.zeros(2)), r"networks: expected float32 or float64 of shape \[k d\], got torch.float32 of shape \[2\]"),
    "no point": (lambda: lb.minima_of(CAMEL, torch.zeros(0, 2)), r"networks: expected float32 or float64 of shape \[k d\], got torch.float32 of shape \[0, 2\]"),
}  # fmt: skip


def test_bad_input(bad_input):
    bad_input()
