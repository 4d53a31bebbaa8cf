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
# # Small networks
#
# {cite:t}`barannikov2023barcodes` compute barcodes of seven networks with 7 to 23 parameters, which fit a curve, from samples of the
# parameters. They make two observations: the bars lie in a tiny low part of the loss's range, and they get lower as networks get deeper and
# wider. This notebook does it again with every tool of this book: a thousand descents and paths for each network, and samples beside them,
# so that one sees what samples can tell about seven dimensions and what not.
#
# **Time:** under a minute on two cores (`PRESET = "quick"`, two of the networks). The tables of all seven were made with
# `LOSSBARCODE_PRESET=full`; they are in `results/05_bars.csv` and `results/05_samples.csv`. On a GPU the full preset takes $10^9$ samples a
# network. A run that is stopped goes on where it was.

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
from math import factorial, prod

import pandas as pd
import torch
from torch import nn

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full": two hours; it goes on where it was stopped
FULL = PRESET == "full"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
COMMAND = "LOSSBARCODE_PRESET=full python 05_small_networks.py"

# %% [markdown]
# ## The loss
#
# The curve is $g(x) = 0.31 \sin(-x) - 0.72 \sin(-2x) - 0.21 \cos x + 0.89 \cos 2x$ at 101 points; the loss is the mean squared error and
# a penalty $\lambda \lVert\theta\rVert^2$. The paper has ReLU networks and does not state $\lambda$; one of its notebooks has tanh and 0.0005.
# Here both activations stand side by side. With ReLU most minima lie on kinks, where no gradient vanishes; with tanh all evidence is clean.
# The best constant has a loss of 0.73.

# %%
x = torch.linspace(-torch.pi, torch.pi, 101, dtype=torch.float64)[:, None]
curve = 0.31 * torch.sin(-x) - 0.72 * torch.sin(-2 * x) - 0.21 * torch.cos(x) + 0.89 * torch.cos(2 * x)
CONSTANT = float((curve - curve.mean()).square().mean())
NETWORKS = {"2": (2,), "3": (3,), "2-2": (2, 2), "3-2": (3, 2), "3-3": (3, 3), "2-2-2": (2, 2, 2), "3-2-2": (3, 2, 2)}
ACTIVATIONS = {"tanh": nn.Tanh, "ReLU": nn.ReLU}


def loss_of(network, activation, penalty, dtype=torch.float64):
    module = lb.networks.FullyConnected(1, NETWORKS[network], 1, ACTIVATIONS[activation]).to(DEVICE, dtype)
    return lb.networks.loss_of(module, (x, curve), nn.functional.mse_loss, penalty=penalty)


sizes = pd.DataFrame(
    {
        "parameters": [loss_of(name, "tanh", 0.0).dimension for name in NETWORKS],
        "copies (ReLU)": [prod(map(factorial, hidden)) for hidden in NETWORKS.values()],
        "copies (tanh)": [prod(2**width * factorial(width) for width in hidden) for hidden in NETWORKS.values()],
    },
    index=NETWORKS,
)
print(f"best constant: {CONSTANT:.4f}")
sizes.T

# %% [markdown]
# Hidden units have no order, and with tanh no sign: change the sign of all weights into a unit and out of it, and nothing changes. So every
# minimum has as many copies as the table says. A ReLU unit could also be scaled up before and down after by the same factor; the
# penalty forbids that, because only one such scale has the least squares. Copies have the same outputs and the same
# norms of every weight matrix, and that is how they are recognized.
#
# ## Minima, and whether they are minima
#
# A thousand networks start at normal random parameters and descend together. Where a ReLU network stops at a kink, gradients on both sides are long
# and point against each other. The fair measure is the shortest convex combination of gradients in a tiny ball around
# the point (`subgradient_norm`, radius $10^{-6}$): zero at a minimum, kink or not.


# %%
TOLERANCE = {"tanh": 1e-6, "ReLU": 1e-4}  # of the gradient, of the shortest subgradient
STARTS = 1000 if FULL else 60
MOST = 48  # classes joined by paths
NEAREST = 6


def copies_alike(loss, points):
    """Numbers that are the same for all copies of a network: its outputs, and the norms of its weights and biases."""
    norms = torch.stack([part.flatten(1).norm(dim=1) for part in torch.vmap(loss.parameters)(points).values()], 1)
    return torch.cat([loss.outputs(points).squeeze(2), norms], 1)


def descend(network, activation, penalty, seed):
    """The ends of descents from normal random starts, and one minimum of each class of copies."""
    loss = loss_of(network, activation, penalty)
    starts = torch.randn(STARTS, loss.dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
    ends = lb.find_minima(loss, starts, steps=3000 if activation == "tanh" else 400)
    if activation == "ReLU":
        ends = replace(ends, gradient_norm=lb.subgradient_norm(loss, ends.points), tolerance=TOLERANCE["ReLU"])
    reached = ends[ends.gradient_norm <= ends.tolerance]
    return loss, ends, reached.distinct(1e-2, by=copies_alike(loss, reached.points))


loss, ends, classes = descend("2", "tanh", 5e-4, 0)
print(
    f"{len(ends)} descents, tanh (2): {len(classes)} classes of minima at losses {[round(value, 4) for value in classes.values.tolist()]}"
)
assert (ends.gradient_norm <= ends.tolerance).all()

# %% [markdown]
# ## Bars
#
# One network of each class is chosen, renumbered to lie close to the deepest one (`align`), and joined to its nearest neighbors by
# paths that sink. A path to a copy of something lower is a path to something lower, so every height is an upper bound on the
# true end of the bar. Where there are more than 48 classes, 48 are taken evenly from the lowest to the highest.


# %%
def bars_of(network, activation, penalty, seed):
    """Rows of the table: a bar for each class, with evidence, and what is known of the descents."""
    loss, ends, classes = descend(network, activation, penalty, seed)
    chosen = torch.linspace(0, len(classes) - 1, min(len(classes), MOST)).round().long().to(DEVICE)
    minima = classes[chosen]
    minima = replace(minima, points=lb.networks.align(loss, minima.points))
    pairs = minima.nearest(min(NEAREST, len(minima) - 1))
    every = torch.arange(1, len(minima), device=DEVICE)
    pairs = torch.cat([pairs, torch.stack([torch.zeros_like(every), every], 1)]).unique(dim=0)
    table = lb.evidence(lb.connect(loss, minima, pairs=pairs))
    known = {
        "starts": len(ends),
        "stationary": float((ends.gradient_norm <= ends.tolerance).double().mean()),
        "steepest": float(ends.gradient_norm.quantile(0.9)),
        "classes": len(classes),
        "reach": float(minima.points.abs().amax(1).quantile(0.95)),
    }
    columns = ["birth", "death", "gradient_norm", "change", "kind", "converged"]
    return [{**known, **row} for row in table[columns].to_dict("records")]


PENALTY = 5e-4
if FULL:
    JOBS = [dict(network=n, activation=a, penalty=PENALTY, seed=s) for s in (0, 1) for a in ACTIVATIONS for n in NETWORKS]
    JOBS += [
        dict(network=n, activation=a, penalty=p, seed=0) for p in (1e-4, 2e-3) for a in ACTIVATIONS for n in ("2", "3", "2-2", "2-2-2")
    ]
else:
    JOBS = [dict(network=n, activation="tanh", penalty=PENALTY, seed=0) for n in ("2", "2-2")]
start = time.perf_counter()
fresh = lb.experiments.run(bars_of, JOBS, file="results/05_bars.csv" if FULL else None, command=COMMAND)
print(f"{len(fresh)} bars in {(time.perf_counter() - start) / 60:.1f} minutes")

# %% [markdown]
# ## Samples
#
# The paper samples a box. Which one? Minima lie inside a ball whose size the penalty sets; the box here is $[-R, R]^D$ with
# $R$ the 95 % quantile, over the minima of the network, of their largest parameter (column `reach` of the table). Samples are those of
# a lattice, in single precision.
#
# For each network: the lowest and the highest sample, the bars, and then the test that samples alone cannot make. From the twenty longest
# bars of the sampled barcode networks descend. How far above the minimum that they reach was the bar born? And enriched samples, as the
# reference does: samples below a loss of 1 together with the minima, joined to their nearest neighbors.


# %%
def samples_of(network, activation, log_n):
    """One row: what a sampled barcode says, and how far above the truth."""
    reach = float(reaches[network, activation])
    loss, exact = (loss_of(network, activation, PENALTY, dtype) for dtype in (torch.float32, torch.float64))
    begun = time.perf_counter()
    samples = lb.sample(loss, round(10**log_n), bounds=[(-reach, reach)] * loss.dimension, method="lattice", device=DEVICE)
    basins = lb.basins(samples)
    bars = lb.barcode(basins)
    seconds = time.perf_counter() - begun
    deep = bars.longest(20)
    starts = samples.points[deep.minimum].double()
    minima = lb.find_minima(exact, starts, steps=3000 if activation == "tanh" else 400)
    low = (samples.values < 1).nonzero().squeeze(1)
    low = low[:: max(1, len(low) // 5000)]
    points = torch.cat([minima.points, samples.points[low].double()])
    cloud = lb.from_points(points, torch.cat([minima.values, samples.values[low].double()]))
    enriched = lb.barcode(lb.basins(cloud, k=2 * loss.dimension))
    own = enriched.death[(enriched.minimum < len(minima)) & enriched.finite]
    return [
        {
            "samples": len(samples.values),
            "seconds": seconds,
            "bars": len(bars),
            "lowest": float(samples.values.min()),
            "highest": float(samples.values.max()),
            "median_death": float(bars.death[bars.finite].median()),
            "above_minimum": float((deep.birth.double() - minima.values).median()),
            "deepest_reached": float(minima.values.min()),
            "enriched_death": float(own.median()) if len(own) else float("nan"),
        }
    ]


full_bars = lb.experiments.committed("05_bars.csv")
reaches = full_bars[full_bars["penalty"] == PENALTY].groupby(["network", "activation"])["reach"].max()
levels = ((4, 5, 6, 9) if DEVICE == "cuda" else (4, 5, 6, 7)) if FULL else (4, 5)
JOBS = [dict(network=n, activation=a, log_n=level) for level in levels for a in ACTIVATIONS for n in (NETWORKS if FULL else ("2", "2-2"))]
start = time.perf_counter()
fresh_samples = lb.experiments.run(samples_of, JOBS, file="results/05_samples.csv" if FULL else None, command=COMMAND)
print(f"{len(fresh_samples)} rows in {(time.perf_counter() - start) / 60:.1f} minutes")
