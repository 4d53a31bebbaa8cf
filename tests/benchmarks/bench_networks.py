"""Gradients of many networks at once, compared with a loop over them and with one network on as many rows (equal arithmetic)."""

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

import lossbarcode as lb

CASES = {  # module, networks, rows of data, side of the images
    "fully connected, digits": (lambda: lb.networks.FullyConnected(64, (32, 32), 10), 256, 128, (1, 8, 8)),
    "CNN, digits": (lambda: lb.networks.CNN(1, 10, layers=2), 64, 64, (1, 8, 8)),
    "ResNet9, 32 x 32": (lambda: lb.networks.ResNet9(3, 10), 8, 32, (3, 32, 32)),
}


@pytest.mark.parametrize("tool", ["lossbarcode", "loop over networks", "one network, all rows"])
@pytest.mark.parametrize("case", CASES)
def bench_gradients(benchmark, race, case, tool):
    make, count, rows, shape = CASES[case]
    torch.manual_seed(0)
    module = make()
    inputs, targets = torch.randn(rows, *shape), torch.randint(0, 10, (rows,))
    loss = lb.networks.network_loss(module, (inputs, targets))
    points = loss.initial_parameters(count)

    def together():
        return loss.value_and_gradient(points)[1]

    def loop():
        gradients = []
        for point in points:
            x = point.clone().requires_grad_()
            value = F.cross_entropy(functional_call(loss.vector.template, loss.parameters(x), (inputs,)), targets)
            gradients.append(torch.autograd.grad(value, x)[0])
        return torch.stack(gradients)

    many = inputs.repeat(count, *[1] * len(shape)), targets.repeat(count)

    def plain():
        x = points[0].clone().requires_grad_()
        value = F.cross_entropy(functional_call(loss.vector.template, loss.parameters(x), (many[0],)), many[1])
        return torch.autograd.grad(value, x)[0]

    call = {"lossbarcode": together, "loop over networks": loop, "one network, all rows": plain}[tool]
    found = race(f"gradients: {case}, {count} networks, {rows} rows", tool, count, call, 5)
    if tool != "one network, all rows":
        assert (found - together()).norm() < 1e-3 * found.norm()
    benchmark.extra_info["gradients_per_second"] = round(count / benchmark.stats.stats.median, 1)
