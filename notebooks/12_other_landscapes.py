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
# ---

# %% [markdown]
# # Landscapes that are not networks
#
# A barcode of minima needs a function or an array, and nothing else. Here are four that come from other fields: the energy of an atom
# among others, with walls; the energy of spins, whose parameters are angles; a sweep of hyper-parameters in a CSV file; and images. Each
# takes one or two calls, and each has something that a plain function on a box does not have: infinite values, axes that come around,
# names and uneven coordinates, whole numbers.
#
# **Time:** under a minute on two cores (`PRESET = "quick"`). The full preset trains the 882 networks of the sweep again, in another minute.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lossbarcode") is None:  # on Colab, say
    source = "git+https://github.com/lossbarcode/lossbarcode"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import lossbarcode as lb

# %%
import math
import os

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from torch import nn

from lossbarcode import study

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full": trains all networks of the sweep again

# %% [markdown]
# ## An atom among others: walls
#
# Seven atoms are fixed in a plane; an eighth one feels the Lennard-Jones energy $4\,(r^{-12} - r^{-6})$ of each. Close to an atom that
# energy is astronomically large, so everything above 5 is cut out: a loss of $+\infty$ means *outside the domain*. The wells are the places
# where the eighth atom can rest, and each bar is the energy that it needs in order to hop somewhere lower. Shallow dents that only the
# grid makes, where a valley runs obliquely to it, are left out by `longer_than`.

# %% mystnb={"figure": {"caption": "Where an eighth atom can rest among seven, on a grid of 401 x 401. White: outside the domain.", "name": "fig-atom"}}
atoms = torch.tensor([[-1.7, -1.0], [0.0, -1.3], [1.6, -1.1], [-2.2, 0.9], [2.3, 0.7], [0.2, 2.1], [-1.1, 2.6]], dtype=torch.float64)


def energy(x):
    squared_distance = (x[:, None] - atoms.to(x)).square().sum(2)
    value = 4 * (squared_distance**-6 - squared_distance**-3).sum(1)
    return torch.where(value < 5, value, torch.inf)


box = [(-4.0, 4.0), (-4.0, 4.0)]
hops = lb.basins(lb.sample(energy, (401, 401), bounds=box, method="grid", dtype=torch.float64))
hop_bars = lb.barcode(hops).longer_than(0.06)
lb.charts.dashboard(hops, hop_bars)

# %% [markdown]
# The route by minima and paths needs slopes, and a wall of $+\infty$ has none that would push a path aside. So it gets the energy without the
# cut, but with the logarithm of what is above 0, which moves neither the minima nor the passes below 0: descend from samples, keep one
# of each group of equal ends, and join all pairs by paths. The two routes share nothing but the energy. A death found by paths is
# an upper bound, and where the way out leads around several atoms, strings that begin as straight lines need not find it.


# %%
def soft_energy(x):
    squared_distance = (x[:, None] - atoms.to(x)).square().sum(2).clamp_min(0.01)
    value = 4 * (squared_distance**-6 - squared_distance**-3).sum(1)
    return torch.where(value < 0, value, value.clamp_min(0).log1p())


inside = lb.sample(energy, 256, bounds=box, dtype=torch.float64)
resting = lb.find_minima(soft_energy, inside.points[inside.values < 0], bounds=box).deduplicate(1e-3)
print(resting.coverage)
resting = resting[resting.count > 0]  # others are where descents ended that did not converge
ways = lb.connect(soft_energy, resting, height_tolerance=1e-5, max_rounds=30)
by_paths = lb.barcode(ways).longer_than(0.06)
finite = {"on the grid": hop_bars, "by paths": by_paths}
hops_table = pd.DataFrame({name: pd.Series(bars.length[bars.is_finite].sort(descending=True).values) for name, bars in finite.items()})
hops_table.round(2)

# %%
apart = (hops_table["by paths"] - hops_table["on the grid"]).abs()
print(f"{(apart < 0.02).sum()} of {len(hops_table)} lengths agree to 0.02; the others are upper bounds, up to {apart.max():.1f} too long")

# %% [markdown]
# ## Spins on a ring: angles
#
# Six spins on a ring, each an angle, prefer to point in the same direction as their neighbors: the energy is
# $\sum_i 1 - \cos(\theta_i - \theta_{i+1})$. Turning all of them together changes nothing, so the first one is fixed at 0; five angles are
# left, and `periodic=True` makes each of them come around. The lowest state has all spins parallel. Two more states cannot be
# unwound without climbing: those in which the spins make one full turn along the ring, clockwise or not, with the energy
# $6\,(1 - \cos 60°) = 3$. On the way out five of the differences are 45° and one is 135°, with the energy
# $5\,(1 - \cos 45°) + 1 - \cos 135°$.


# %%
def ring_energy(angles):
    spins = torch.cat([torch.zeros_like(angles[:, :1]), angles], 1)
    return (1 - (spins - spins.roll(1, 1)).cos()).sum(1)


angles = [(-math.pi, math.pi)] * 5
lattice = lb.barcode(lb.sample(ring_energy, 4_000_000, bounds=angles, periodic=True, method="lattice"))
starts = 2 * math.pi * torch.rand(64, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
states = lb.find_minima(ring_energy, starts, bounds=angles, periodic=True).deduplicate(1e-3)
ring_paths = lb.barcode(lb.connect(ring_energy, states, height_tolerance=1e-6))
exact_death = 5 * (1 - math.cos(math.pi / 4)) + 1 - math.cos(3 * math.pi / 4)
rings = pd.DataFrame({"exact": [(3.0, exact_death)] * 2, "4 million samples": [b[1] for b in lattice.longest(3).to_gudhi()[1:]]})
rings["minima and paths"] = [b[1] for b in ring_paths.longest(3).to_gudhi()[1:]]
rings.map(lambda bar: f"{bar[0]:.4f} to {bar[1]:.4f}")

# %% [markdown]
# Without `periodic` the same call finds minima at the ends of the axes that are none: the box would have a wall where the
# angle only comes around.

# %%
walled = lb.barcode(lb.sample(ring_energy, 4_000_000, bounds=angles, method="lattice")).longer_than(0.03)
print(f"{len(lattice.longer_than(0.03))} bars longer than 0.03 with periodic axes, {len(walled)} without")

# %% [markdown]
# ## A sweep of hyper-parameters: names and coordinates from a table
#
# The file `results/12_sweep.csv` has the test loss of small networks on the handwritten digits of scikit-learn, trained with 21 learning
# rates and 21 momenta, twice: from two initialisations, and with two orders of the data. A data frame brings the names of its axes and its uneven
# coordinates; a training without a loss, because it diverged, would be outside the domain. The barcode counts the regions of the
# sweep that a local search could get stuck in. It is that of the logarithm of the loss: a bar of length 1 is a factor of ten.


# %%
def train_sweep(seed, rates, momenta, steps=400):
    """Test losses ``[rates, momenta]`` of networks that are all trained at once, each with its own learning rate and momentum."""
    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    images, labels = torch.tensor(digits.data / 16, dtype=torch.float32)[order], torch.tensor(digits.target)[order]
    module = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))
    training = lb.networks.network_loss(module, (images[:1200], labels[:1200]))
    test = lb.networks.network_loss(module, (images[1200:], labels[1200:]))
    rate, momentum = (torch.tensor(x, dtype=torch.float32).reshape(-1, 1) for x in np.meshgrid(rates, momenta, indexing="ij"))
    points = training.initial_parameters(1, seed=seed).repeat(len(rate), 1)
    velocity, generator = torch.zeros_like(points), torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(0, 1200, (64,), generator=generator)
        velocity = momentum * velocity + training.batch_value_and_gradient(points, rows)[1]
        points = points - rate * velocity
    return test(points).reshape(len(rates), len(momenta)).numpy()


RATES, MOMENTA = np.logspace(-2, 1, 21).round(4), np.linspace(0, 0.99, 21).round(4)


def sweep_rows(seed):
    losses = train_sweep(seed, RATES, MOMENTA)
    return [{"rate": r, "momentum": m, "loss": losses[i, j]} for i, r in enumerate(RATES) for j, m in enumerate(MOMENTA)]


if PRESET == "full":
    command = "LOSSBARCODE_PRESET=full python 12_other_landscapes.py"
    study.run_jobs(sweep_rows, [{"seed": 0}, {"seed": 1}], file="results/12_sweep.csv", command=command)
sweep = study.load_result("12_sweep.csv")
again = train_sweep(0, RATES[:11:5], MOMENTA[:11:5])  # trainings at high rates are chaotic, and differ between machines
stored = sweep.query("seed == 0").pivot(index="rate", columns="momentum", values="loss").iloc[:11:5, :11:5]
print(f"nine of the networks trained again: the losses differ by at most {np.abs(again / stored - 1).max().max():.1%}")

# %% mystnb={"figure": {"caption": "The test loss of 441 networks over learning rate and momentum, logarithm to base 10, and its bars.", "name": "fig-sweep"}}
tables = [np.log10(sweep[sweep["seed"] == seed].pivot(index="rate", columns="momentum", values="loss")) for seed in (0, 1)]
first, second = (lb.basins(lb.from_grid(table.fillna(np.inf))) for table in tables)
lb.charts.dashboard(first)

# %%
first.samples.table(lb.barcode(first).longest(4).minimum_row).assign(length=lb.barcode(first).longest(4).length).round(3)

# %% [markdown]
# Are these bars properties of the task or of the seed? The second sweep gives a scale: if two barcodes are $\delta$ apart (in the bottleneck
# distance), bars shorter than $2\delta$ may be noise. If nothing longer is left but the infinite bar, two seeds give no evidence of a second
# region; more seeds would give a finer scale, and could.

# %%
distance = lb.bottleneck_distance(lb.barcode(first), lb.barcode(second))
counts = {f"seed {seed}": len(lb.barcode(basins).longer_than(2 * distance)) for seed, basins in enumerate((first, second))}
print(f"distance of the two barcodes {distance:.3f}; bars longer than twice that: {counts}")

# %% [markdown]
# ## Images: whole numbers
#
# In an image of a digit let the loss be the ink, a whole number from 0 to 16. Then the paper around the digit is one minimum, and every
# hole that the stroke encloses is another one: to get out of a hole, one must climb over the stroke. So the bars
# count holes, and their lengths say how well each is closed.

# %% mystnb={"figure": {"caption": "A handwritten 8 and its bars. The two minima inside the stroke are its holes.", "name": "fig-digit"}}
digits = load_digits()
eight = np.pad(digits.images[np.flatnonzero(digits.target == 8)[0]], 1).astype(np.uint8)
lb.charts.dashboard(lb.basins(lb.from_grid(eight)))

# %% [markdown]
# The same for the first 500 images, with bars of at least five units of ink. A 0, 6 or 9 should have one hole, an 8 two, and the others none,
# but for 4, which some people write closed.

# %%
holes = [len(lb.barcode(np.pad(image, 1)).longer_than(5)) - 1 for image in digits.images[:500]]
pd.crosstab(pd.Series(digits.target[:500], name="digit"), pd.Series(holes, name="holes"))
