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
# # Small networks
#
# {cite:t}`barannikov2023barcodes` compute barcodes of seven networks with 7 to 23 parameters, which fit a curve, from samples of the
# parameters. They make two observations: the bars lie in a tiny low part of the range of the loss, and they get lower as networks get
# deeper and wider. This notebook repeats the experiment with all tools of this book: with a thousand descents and paths for each network,
# and with samples for comparison, to see what samples can and cannot tell in seven and more dimensions.
#
# **Time:** under a minute on two cores (`PRESET = "quick"`, two of the networks). The tables of all seven were made with
# `LOSSBARCODE_PRESET=full` in four hours on one core; they are `results/05_bars.csv` and `results/05_samples.csv`. On a GPU the full
# preset draws $10^9$ samples per network. An interrupted run resumes where it stopped.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lossbarcode") is None:  # for example on Colab
    source = "git+https://github.com/lossbarcode/lossbarcode"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import lossbarcode as lb

# %%
import os
import time
from dataclasses import replace
from math import factorial, prod

import altair as alt
import numpy as np
import pandas as pd
import torch
from torch import nn

from lossbarcode import study

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full": four hours on one core
FULL = PRESET == "full"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
COMMAND = "LOSSBARCODE_PRESET=full python 05_small_networks.py"

# %% [markdown]
# ## The loss
#
# The curve is $g(x) = 0.31 \sin(-x) - 0.72 \sin(-2x) - 0.21 \cos x + 0.89 \cos 2x$ at 101 points; the loss is the mean
# squared error plus a penalty $\lambda \lVert\theta\rVert^2$. The paper uses ReLU networks and does not state $\lambda$;
# one of its notebooks uses tanh and 0.0005. Here both activations are compared. With ReLU most minima lie on
# kinks, where no gradient vanishes; with tanh the loss is smooth, so the gradient shows whether a descent reached a minimum. The best
# constant has a loss of 0.73.

# %%
x = torch.linspace(-torch.pi, torch.pi, 101, dtype=torch.float64)[:, None]
curve = 0.31 * torch.sin(-x) - 0.72 * torch.sin(-2 * x) - 0.21 * torch.cos(x) + 0.89 * torch.cos(2 * x)
CONSTANT = float((curve - curve.mean()).square().mean())
NETWORKS = {"2": (2,), "3": (3,), "2-2": (2, 2), "3-2": (3, 2), "3-3": (3, 3), "2-2-2": (2, 2, 2), "3-2-2": (3, 2, 2)}
ACTIVATIONS = {"tanh": nn.Tanh, "ReLU": nn.ReLU}


def make_loss(network, activation, penalty, dtype=torch.float64):
    module = lb.networks.FullyConnected(1, NETWORKS[network], 1, ACTIVATIONS[activation]).to(DEVICE, dtype)
    return lb.networks.network_loss(module, (x, curve), nn.functional.mse_loss, l2=penalty)


sizes = pd.DataFrame(
    {
        "parameters": [make_loss(name, "tanh", 0.0).n_parameters for name in NETWORKS],
        "copies (ReLU)": [prod(map(factorial, hidden)) for hidden in NETWORKS.values()],
        "copies (tanh)": [prod(2**width * factorial(width) for width in hidden) for hidden in NETWORKS.values()],
    },
    index=NETWORKS,
)
print(f"best constant: {CONSTANT:.4f}")
sizes.T

# %% [markdown]
# Hidden units have no order, and with tanh no sign: changing the sign of all weights into a unit and out of it changes nothing. So every
# minimum has as many copies as the table lists. The weights into a ReLU unit could also be scaled up and those out of it scaled down by
# the same factor; the penalty forbids that, because only one such scale has the least sum of squares. Copies have the same outputs and
# the same norms of every weight matrix; they are recognized by these numbers (`study.copy_invariants`).
#
# ## Are the ends of descents minima?
#
# A thousand networks start at normal random parameters and descend together. Where a ReLU network stops at a kink, the
# gradients on both sides are long and point against each other. The right measure there is the shortest convex combination of
# gradients in a tiny ball around the point (`subgradient_norm`, radius $10^{-6}$): it is zero at a minimum, with a kink or without.


# %%
MAX_STEPS = {"tanh": 3000, "ReLU": 400}  # of each descent
SUBGRADIENT_TOLERANCE = 1e-4  # a ReLU network whose shortest subgradient is at most this long counts as a minimum
STARTS = 1000 if FULL else 60
MAX_CLASSES = 48  # joined by paths
NEIGHBORS = 6


def descend(network, activation, penalty, seed):
    """The ends of descents from normal random starts, and one minimum of each class of copies."""
    loss = make_loss(network, activation, penalty)
    starts = torch.randn(STARTS, loss.n_parameters, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
    ends = lb.find_minima(loss, starts, max_steps=MAX_STEPS[activation])
    if activation == "ReLU":
        ends = replace(ends, gradient_norm=lb.subgradient_norm(loss, ends.points), gradient_tolerance=SUBGRADIENT_TOLERANCE)
    minima = ends[ends.converged]
    return loss, ends, minima.deduplicate(1e-2, features=study.copy_invariants(loss, minima.points))


loss, ends, classes = descend("2", "tanh", 5e-4, 0)
print(
    f"{len(ends)} descents, {int(ends.converged.sum())} stationary, tanh (2): {len(classes)} classes of minima at losses "
    f"{[round(value, 4) for value in classes.values.tolist()]}"
)

# %% [markdown]
# ## Bars
#
# One network of each class is chosen. Its hidden units are permuted so that it lies close to the deepest one (`align`), and it is joined
# to its nearest neighbors and to the deepest one by paths that are then relaxed. A path to a copy of something lower is a path to
# something lower, so every height is an upper bound on the true death. Where there are more than 48 classes, 48 are chosen at even
# distances in the order of their losses, including the lowest and the highest.


# %%
def class_job(network, activation, penalty, seed):
    """Rows of the table: one bar for each class, with evidence, and columns that describe the descents."""
    loss, ends, classes = descend(network, activation, penalty, seed)
    minima = classes[study.evenly_spaced(len(classes), MAX_CLASSES).to(DEVICE)]
    known = {
        "starts": len(ends),
        "stationary": float(ends.converged.double().mean()),
        "gradient_norm_q90": float(ends.gradient_norm.quantile(0.9)),
        "classes": len(classes),
        "reach": float(minima.points.abs().amax(1).quantile(0.95)),
    }
    return [{**known, **row} for row in study.class_bars(loss, minima, neighbors=NEIGHBORS)]


PENALTY = 5e-4
if FULL:
    JOBS = [dict(network=n, activation=a, penalty=PENALTY, seed=s) for s in (0, 1) for a in ACTIVATIONS for n in NETWORKS]
    JOBS += [
        dict(network=n, activation=a, penalty=p, seed=0) for p in (1e-4, 2e-3) for a in ACTIVATIONS for n in ("2", "3", "2-2", "2-2-2")
    ]
else:
    JOBS = [dict(network=n, activation="tanh", penalty=PENALTY, seed=0) for n in ("2", "2-2")]
start = time.perf_counter()
fresh = study.run_jobs(class_job, JOBS, file="results/05_bars.csv" if FULL else None, command=COMMAND)
print(f"bars in {(time.perf_counter() - start) / 60:.1f} minutes")

# %% [markdown]
# ## Samples
#
# The paper samples a box, and its size matters. Minima lie inside a ball whose size the penalty sets; the box here is $[-R, R]^D$, where
# $R$ is the 95 % quantile, over the minima of the network, of their largest parameter (column `reach` of the table). The samples form
# a lattice, in single precision.
#
# The table lists for each network the lowest and the highest sample and the number of bars. Then it makes the test that samples alone
# cannot make: networks descend from the minima of the twenty longest bars of the sampled barcode, and `above_minimum` is how far the
# births of these bars lie above the ends of the descents. Last it enriches the samples, as the reference does: samples below a loss of 1
# and the minima form one point cloud, in which each point is joined to its nearest neighbors.


# %%
def sample_job(network, activation, log_n):
    """One row: a sampled barcode, and how far it lies above the minima."""
    reach = float(reaches[network, activation])
    loss, exact = (make_loss(network, activation, PENALTY, dtype) for dtype in (torch.float32, torch.float64))
    begun = time.perf_counter()
    samples = lb.sample(loss, round(10**log_n), bounds=[(-reach, reach)] * loss.n_parameters, method="lattice", device=DEVICE)
    basins = lb.basins(samples)
    bars = lb.barcode(basins)
    seconds = time.perf_counter() - begun
    deep = bars.longest(20)
    starts = samples.points[deep.minimum_row].double()
    ends = lb.find_minima(exact, starts, max_steps=MAX_STEPS[activation])
    minima = ends.deduplicate(1e-3)
    low = (samples.values < 1).nonzero().squeeze(1)
    low = low[:: max(1, len(low) // 5000)]
    points = torch.cat([minima.points, samples.points[low].double()])
    cloud = lb.from_points(points, torch.cat([minima.values, samples.values[low].double()]))
    enriched = lb.barcode(lb.basins(cloud, k=min(2 * loss.n_parameters, len(points) - 1)))
    own = enriched.death[(enriched.minimum_row < len(minima)) & enriched.is_finite]
    return [
        {
            "samples": len(samples.values),
            "seconds": seconds,
            "bars": len(bars),
            "lowest": float(samples.values.min()),
            "highest": float(samples.values.max()),
            "median_death": float(bars.death[bars.is_finite].median()),
            "above_minimum": float((deep.birth.double() - ends.values).median()),
            "deepest_reached": float(minima.values.min()),
            "enriched_death": float(own.median()) if len(own) else float("nan"),
        }
    ]


full_bars = study.load_result("05_bars.csv")
reaches = full_bars[full_bars["penalty"] == PENALTY].groupby(["network", "activation"])["reach"].max()
levels = ((4, 5, 6, 9) if DEVICE == "cuda" else (4, 5, 6, 7, 8)) if FULL else (4,)
JOBS = [dict(network=n, activation=a, log_n=level) for level in levels for a in ACTIVATIONS for n in (NETWORKS if FULL else ("2",))]
start = time.perf_counter()
fresh_samples = study.run_jobs(sample_job, JOBS, file="results/05_samples.csv" if FULL else None, command=COMMAND)
print(f"{len(fresh_samples)} rows in {(time.perf_counter() - start) / 60:.1f} minutes")

# %% [markdown]
# ## The tables
#
# From here on the figures show the committed tables. The minima with tanh that were just found must be among them, because their losses
# do not depend on the number of descents.

# %%
keys = ["network", "activation", "penalty"]
print(", ".join(f"{key}: {value}" for key, value in full_bars.attrs.items()))
known = full_bars.groupby(keys)["birth"].apply(np.array)
births = fresh[(fresh["activation"] == "tanh") & fresh["minimum_reached"]]
gap = [np.abs(known[tuple(row[key] for key in keys)] - row["birth"]).min() for _, row in births.iterrows()]
print(f"all minima with tanh are in the table, to four digits: {max(gap) < 1e-4}")

# %% [markdown]
# ### Are they minima?
#
# `stationary` is the share of descents that reached a stationary point within the steps that were granted: with tanh the gradient is below $10^{-6}$,
# with ReLU the shortest subgradient is below $10^{-4}$. Only those count as minima. The second table shows a few ReLU descents, many of
# which stop on a kink: `gradient` is what one would see without subgradients.

# %%
summary = (
    full_bars[full_bars["penalty"] == PENALTY]
    .groupby(["activation", "network", "seed"])
    .agg(
        stationary=("stationary", "first"),
        classes=("classes", "first"),
        joined=("birth", "size"),
        lowest=("birth", "min"),
        reach=("reach", "first"),
    )
    .unstack("seed")
)
summary.round(3)

# %% tags=["nbval-ignore-output"]
loss = make_loss("2", "ReLU", PENALTY)
starts = torch.randn(40, loss.n_parameters, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(DEVICE)
ends = lb.find_minima(loss, starts, max_steps=MAX_STEPS["ReLU"])
subgradient = lb.subgradient_norm(loss, ends.points)
measures = pd.DataFrame({"gradient": ends.gradient_norm.cpu(), "shortest subgradient": subgradient.cpu()})
measures.quantile([0.25, 0.5, 0.75, 0.9]).map("{:.1e}".format)

# %% [markdown]
# A vanishing gradient alone does not make a minimum: the network whose weights are all zero is stationary, and with one hidden
# layer it is a saddle. The barcode shows such a point: a path leaves it without climbing, and its bar has no
# length. With two and more hidden layers the zero network *is* a minimum, because the error changes only in the third
# order of the weights and the penalty in the second; its loss is that of the best constant. The next cell computes the lowest
# eigenvalue of the Hessian in both cases.

# %%
lowest = {}
for network in ("2", "2-2", "2-2-2"):
    loss = make_loss(network, "tanh", PENALTY)
    constant = torch.zeros(1, loss.n_parameters, dtype=torch.float64, device=DEVICE)
    constant[0, -1] = curve.mean() / (1 + PENALTY)  # the last bias, optimal with the penalty
    lowest[network] = float(torch.linalg.eigvalsh(loss.hessian(constant))[0, 0])
print("lowest eigenvalue where all weights are zero:", {network: round(value, 4) for network, value in lowest.items()})
at_the_constant = full_bars[(full_bars["birth"] - CONSTANT).abs() < 1e-3].groupby(["activation", "network"]).size()
print("rows of the table that are born there:", at_the_constant.to_dict())

# %% [markdown]
# ### The barcodes

# %% mystnb={"figure": {"caption": "Barcodes of the seven networks with tanh, penalty 0.0005: each class of minima from its loss (dot) to the highest loss on the lowest path found to something lower (diamond). All diamonds are hollow: these ends are bounded above by a path, and none is a proven saddle. All minima were reached.", "name": "fig-small-tanh"}}
lb.charts.barcodes(full_bars.query("activation == 'tanh' and penalty == @PENALTY and seed == 0"), "network")

# %% mystnb={"figure": {"caption": "The same with ReLU. There are many more minima, on kinks, most of them with short bars; those at 0.73 are networks with dead units or with all weights zero.", "name": "fig-small-relu"}}
lb.charts.barcodes(full_bars.query("activation == 'ReLU' and penalty == @PENALTY and seed == 0"), "network")

# %% [markdown]
# ### Observation 1: a tiny low part of the range
#
# The paper states that the loss rises to 200 and more in the box, and that all saddles lie well below 1.

# %%
table = study.load_result("05_samples.csv")
finite = full_bars[np.isfinite(full_bars["death"])].assign(length=lambda rows: rows["death"] - rows["birth"])
top = finite[finite["penalty"] == PENALTY].groupby(["activation", "network"])["death"].max()
first = pd.DataFrame({"highest death": top, "highest sample": table.groupby(["activation", "network"])["highest"].max()})
first["part of the range"] = first["highest death"] / first["highest sample"]
first.round(4)

# %% [markdown]
# This holds for all seven networks and both activations. In part it is not a property of networks: the loss grows with the square of
# the outputs, and the box is large enough for large outputs. Any quadratic function has such a range and a single minimum.
#
# ### Observation 2: bars get lower with depth and width
#
# The highest death depends on which minima with high births the descents happened to find. So the table lists three
# numbers for each network and seed: the maximum of the deaths, the median of all deaths, and the median death of the deep minima,
# which are those in the lower half of the births. The first column has the intervals that the paper states.

# %%
PAPER = {"2": "0.55 to 0.65", "2-2": "0.35 to 0.45", "2-2-2": "0.1 to 0.3"}


def ends_of(rows):
    deep = rows[rows["birth"] <= rows["birth"].median()]
    return pd.Series({"maximum": rows["death"].max(), "median": rows["death"].median(), "deep": deep["death"].median()})


bars = finite[finite["length"] > 1e-4]  # shorter ones are not minima
ends_table = bars[bars["penalty"] == PENALTY].groupby(["activation", "network", "seed"])[["birth", "death"]].apply(ends_of).unstack("seed")
ends_table.columns = [f"{kind}, seed {seed}" for kind, seed in ends_table]
view = ends_table.round(2)
view.insert(0, "paper", [PAPER.get(network, "") for _, network in view.index])
view

# %%
LARGER = {"depth: 2 to 2-2": ("2", "2-2"), "depth: 2-2 to 2-2-2": ("2-2", "2-2-2"), "depth: 3-2 to 3-2-2": ("3-2", "3-2-2")}
LARGER |= {"width: 2 to 3": ("2", "3"), "width: 2-2 to 3-2": ("2-2", "3-2"), "width: 3-2 to 3-3": ("3-2", "3-3")}
rows = []
for name, (small, large) in LARGER.items():
    for activation in ACTIVATIONS:
        change = ends_table.loc[(activation, large)] - ends_table.loc[(activation, small)]
        rows.append({"step": name, "activation": activation, **change})
changes = pd.DataFrame(rows).set_index(["activation", "step"]).sort_index(key=lambda level: level, kind="stable")
lower = changes < -0.005
shares = lower.T.groupby(lambda name: name.partition(",")[0]).mean().T.groupby("activation").mean()
print("share of the steps in which deaths decrease:")
print(shares.round(2).to_string())
changes.round(2)

# %%
medians = (
    bars[bars["network"].isin(["2", "3", "2-2", "2-2-2"])]
    .groupby(["activation", "penalty", "network"])["death"]
    .median()
    .unstack("network")
)
births = full_bars.groupby(["activation", "penalty", "network"])["birth"].min().unstack("network")[medians.columns]
lengths = bars.groupby(["activation", "penalty", "network"])["length"].median().unstack("network")[medians.columns]
pd.concat({"median death": medians, "lowest birth": births, "median length": lengths}, axis=1).round(3)

# %% [markdown]
# The verdict on observation 2:
#
# - With **tanh** it is reproduced. Median deaths decrease from (2) to (2, 2) to (2, 2, 2) at every penalty, and from each
#   network to the next wider or deeper one for both seeds; at the smallest penalty they lie within 0.01 of the
#   intervals that the paper states (next cell).
# - With **ReLU** it is partly reproduced: deaths decrease from (2) to (2, 2), but (2, 2, 2) is no lower than (2, 2). Many
#   of its minima have high births, and their short bars decide the median.
# - The **maximum** shows no trend: it increases in about half of the steps, and for one network it differs by more than 0.3
#   between the two seeds.
# - Deaths decrease partly because births do (`lowest birth`): the deep networks fit the curve better. *Lengths* do not
#   decrease from (2) to (2, 2, 2) with tanh; they increase at all three penalties. Here deep networks have lower bars, but not shorter
#   ones. Deaths are upper bounds from paths, so this trend is that of the bounds: how far each one lies above the true pass is not known.

# %%
tanh = medians.loc["tanh"]
stated = {network: tuple(map(float, interval.split(" to "))) for network, interval in PAPER.items()}
nearest = {network: float(np.clip(tanh.loc[1e-4, network], low, high)) for network, (low, high) in stated.items()}
outside = {network: abs(tanh.loc[1e-4, network] - value) for network, value in nearest.items()}
print({network: f"{distance:.3f} outside" if distance else "inside" for network, distance in outside.items()})

# %% [markdown]
# ### What samples can tell
#
# The table and the figure show the same networks by samples of the box. `above_minimum` is the median, over the twenty longest bars of
# the sampled barcode, of how far the birth lies above the minimum to which a descent from there converges.

# %% mystnb={"figure": {"caption": "Lowest of N samples of the box for each network with tanh (dots), and the loss of its deepest minimum (dashed), all at penalty 0.0005. Ten times as many samples improve it a little; no lowest sample comes down to its minimum.", "name": "fig-small-samples"}}
deepest = full_bars[full_bars["penalty"] == PENALTY].groupby(["activation", "network"])["birth"].min().rename("deepest").reset_index()
tanh = table[table["activation"] == "tanh"].merge(deepest, on=["activation", "network"])
tanh["parameters"] = tanh["network"].map(sizes["parameters"])
base = alt.Chart(tanh).encode(
    x=alt.X(
        "samples:Q",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(values=[10.0**n for n in range(4, 10)], format="~e"),
        title="samples",
    ),
    color=alt.Color("network:N", sort=list(NETWORKS)),
)
alt.layer(
    base.mark_line(point=True).encode(y=alt.Y("lowest:Q", title="loss"), tooltip=["network", "parameters", "samples", "lowest", "deepest"]),
    base.mark_line(strokeDash=[4, 3]).encode(y="deepest:Q"),
).properties(width=520, height=300, title="Lowest sample and deepest minimum")

# %%
view = table.assign(parameters=table["network"].map(sizes["parameters"])).sort_values(["activation", "parameters", "log_n"])
last = view.groupby(["activation", "parameters", "network"], sort=False).last()
last = last[["samples", "bars", "lowest", "above_minimum", "median_death", "enriched_death"]]
by_paths = bars[bars["penalty"] == PENALTY].groupby(["activation", "network"])["death"].median()
last["median by paths"] = [by_paths[activation, network] for activation, _, network in last.index]
last.round(3)

# %% [markdown]
# Samples show the range of the loss, but little of its minima. Even the lowest of a hundred million samples lies above the deepest
# minimum (the first table below lists the gap); for most networks this gap is more than half of that of the lowest of a million. The
# births of the sampled barcode lie above the minima below them by more than most bars are long. More samples make
# more bars.
#
# `enriched_death` is the median death of the minima in the enriched cloud. It scatters about
# `median by paths`, above it for some networks and below it for others, and changes with the number of samples (second
# table). An edge between two samples does not bound the loss between them, so deaths of enriched bars are estimates,
# neither upper nor lower bounds.

# %%
large = view[view["log_n"].isin([6, 8])].merge(deepest, on=["activation", "network"])
above = large.assign(above=large["lowest"] - large["deepest"]).pivot(index="network", columns=["activation", "log_n"], values="above")
above.reindex(NETWORKS).sort_index(axis=1).rename(columns={6: "a million", 8: "a hundred million"}).round(3)

# %%
enriched = view.pivot(index=["activation", "network"], columns="log_n", values="enriched_death")
enriched.round(2)

# %% [markdown]
# ## Fixed biases
#
# The reference can hold the hidden biases fixed, which makes the space smaller. A parameter that requires no gradient is not part of a point:

# %% tags=["nbval-ignore-output"]
module = lb.networks.FullyConnected(1, (2,), 1, nn.Tanh).double()
module[1].bias.requires_grad_(False).copy_(torch.tensor([-1.0, 1.0]))
smaller = lb.networks.network_loss(module, (x, curve), nn.functional.mse_loss, l2=PENALTY)
found = lb.find_minima(smaller, torch.randn(60, smaller.n_parameters, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
found = found.deduplicate(1e-2, features=study.copy_invariants(smaller, found.points))
print(f"{smaller.n_parameters} parameters, minima at", ", ".join(f"{value:.4f}" for value in found.values.tolist()))

# %% [markdown]
# ## Speed
#
# A network of this size takes a few dozen multiplications and additions for each of its 101 points. A batch of them runs at one
# to three hundredths of the speed of the machine, measured by the product of two large matrices (`of the peak`): products of two-by-two
# matrices, then an addition, then an activation, each over a batch, wait for memory and not for arithmetic. The size of a batch bounds
# the memory.


# %% tags=["nbval-ignore-output"]
def rate(function, *arguments, repeats=3):
    """Calls per second, after one call to warm up."""
    function(*arguments)
    begun = time.perf_counter()
    for _ in range(repeats):
        function(*arguments)
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return repeats / (time.perf_counter() - begun)


square = torch.randn(1500, 1500, device=DEVICE)
peak = 2 * len(square) ** 3 * rate(torch.matmul, square, square)
rows = []
for network in ("2", "2-2", "3-2-2"):
    loss = make_loss(network, "ReLU", PENALTY, torch.float32)
    points = torch.randn(50_000, loss.n_parameters, device=DEVICE)
    losses, gradients = (len(points) * rate(call, points, repeats=1) for call in (loss, loss.value_and_gradient))
    flop = 2 * len(x) * loss.n_parameters
    rows.append({"network": network, "losses per second": losses, "gradients per second": gradients, "of the peak": flop * losses / peak})
speed = pd.DataFrame(rows).set_index("network")
print(f"large matrices: {peak / 1e9:.0f} GFlop/s")
speed.round(4)
