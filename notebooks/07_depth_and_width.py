# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3

# %% [markdown]
# # Depth and width
#
# The claim of {cite:t}`barannikov2020loss` that gave their paper its name: barcodes and TO-scores sink as networks get deeper and wider. Here
# fully connected networks of one to eight layers, of several widths, and convolutional networks with and without BatchNorm
# learn handwritten digits; at least six minima of each are joined by paths that sink, in three repetitions with other seeds.
#
# What is compared? A bar has two ends. The claim speaks of heights, and a network can have lower bars because its *losses* are lower, without
# being any easier to escape. So births, deaths and lengths are reported apart. The penalty that makes minima exist moves all of
# them, so it is varied; so is the work spent on paths, because every upper end is a bound that sinks with effort.
#
# **Time:** under a minute on two cores (`PRESET = "quick"`, two networks). The table of all was made with `LOSSBARCODE_PRESET=full` in
# about two hours on one core; it is `results/07_bars.csv`. A run that is stopped goes on where it was. With `LOSSBARCODE_DATA=MNIST` (or FMNIST,
# CIFAR10, CIFAR100, SVHN) and a network the data of the paper are fetched; their table lands beside it.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lossbarcode") is None:  # on Colab, say
    source = "git+https://github.com/lossbarcode/lossbarcode"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import lossbarcode as lb

# %%
import os
import time
from dataclasses import replace

import torch
from torch import nn

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full"
DATA = os.environ.get("LOSSBARCODE_DATA", "digits")  # or MNIST, FMNIST, CIFAR10, CIFAR100, SVHN
FULL = PRESET == "full"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TABLE = "07_bars.csv" if DATA == "digits" else f"07_bars_{DATA}.csv"
COMMAND = f"LOSSBARCODE_PRESET=full LOSSBARCODE_DATA={DATA} python 07_depth_and_width.py"

# %% [markdown]
# ## Networks, minima, paths
#
# Every network is trained by stochastic gradient descent, then by a quasi-Newton method on all rows until its gradient is short. Fully connected
# networks have tanh, which is smooth, and double precision, so that the evidence means something. Hidden units are renumbered to lie
# close to the first network's (`align`), which bounds the same bars from lower paths, as {doc}`06_minima_and_paths` explains.

# %%
data = lb.data.digits() if DATA == "digits" else lb.data.load(DATA, download=True)
MINIMA = 6
ACTIVATIONS = {"tanh": nn.Tanh, "ReLU": nn.ReLU}


def network_of(family, activation, layers, width):
    """A module, the dtype it is trained in, and how many rows of the digits it sees."""
    shape = data.train[0].shape[1:]
    if family == "fully connected":
        hidden = (width,) * (layers - 1)
        return lb.networks.FullyConnected(shape.numel(), hidden, data.classes, ACTIVATIONS[activation]), torch.float64, 300
    if family == "ResNet9":
        return lb.networks.ResNet9(shape[0], data.classes), torch.float32, 128
    norm = family == "CNN, BatchNorm"
    return lb.networks.CNN(shape[0], data.classes, layers=layers, width=width, batch_norm=norm), torch.float32, 128


def bars_of(family, activation, layers, width, penalty, rounds, seed):
    """Rows of the table: the bars of one network, with evidence."""
    module, dtype, rows = network_of(family, activation, layers, width)
    module = module.to(DEVICE, dtype)
    train = tuple(part[:rows] for part in data.train) if DATA == "digits" else data.train
    loss = lb.networks.loss_of(module, train, penalty=penalty)
    exact = dtype == torch.float64
    recipe = lb.Recipe(epochs=200, rate=0.1, last_rate=0.01, hold=60, until=180, batch_size=50)
    if DATA != "digits":  # as the paper trains
        recipe = lb.Recipe.annealed()
    minima = lb.find_minima(
        loss,
        loss.starts(MINIMA, seed=seed),
        recipe=recipe,
        steps=3000 if exact else 300,
        tolerance=1e-4 if exact else 1e-2,
        seed=seed,
        test_error=lambda points: loss.error(points, data.test),
    )
    if family != "ResNet9":
        minima = replace(minima, points=lb.networks.align(loss, minima.points))
    table = lb.evidence(lb.connect(loss, minima, rounds=rounds))
    table["test_error"] = minima.test_error.cpu().numpy()[table["minimum"]]
    columns = ["birth", "death", "gradient_norm", "change", "kind", "converged", "test_error"]
    return [{"parameters": loss.dimension, **row} for row in table[columns].to_dict("records")]


def case(family, layers, width, penalty=1e-3, rounds=8, seed=0, activation=None):
    activation = activation or ("tanh" if family == "fully connected" else "ReLU")
    return dict(family=family, activation=activation, layers=layers, width=width, penalty=penalty, rounds=rounds, seed=seed)


DEPTHS, PENALTIES, SEEDS = (1, 2, 3, 4, 6, 8), (1e-3, 1e-4), (0, 1, 2)
if FULL:
    JOBS = []
    for seed in SEEDS:
        JOBS += [case("fully connected", layers, 16, penalty, seed=seed) for penalty in PENALTIES for layers in DEPTHS]
        JOBS += [case("fully connected", layers, width, seed=seed) for layers in (2, 4) for width in (8, 32)]
    JOBS += [case("fully connected", layers, 16, rounds=rounds) for rounds in (2, 16) for layers in DEPTHS]
    JOBS += [case("fully connected", layers, 16, activation="ReLU") for layers in (2, 3, 4, 6)]
    SHAPES = [(1, 8), (2, 4), (2, 8), (3, 8), (2, 16)]
    for seed in SEEDS:
        JOBS += [case(family, *shape, rounds=4, seed=seed) for shape in SHAPES for family in ("CNN", "CNN, BatchNorm")]
    JOBS += [case("ResNet9", 9, 64, rounds=2)]
else:
    JOBS = [case("fully connected", layers, 8, rounds=4) for layers in (1, 2)]
start = time.perf_counter()
fresh = lb.experiments.run(bars_of, JOBS, file=f"results/{TABLE}" if FULL else None, command=COMMAND)
print(f"{len(fresh)} bars in {(time.perf_counter() - start) / 60:.1f} minutes")
