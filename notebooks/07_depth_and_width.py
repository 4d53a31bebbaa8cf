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
# # Depth and width
#
# The claim of {cite:t}`barannikov2020loss` that gave their paper its name: barcodes and TO-scores sink as networks get deeper and wider. Here
# fully connected networks of one to eight layers, of several widths, and convolutional networks with and without BatchNorm
# learn handwritten digits; six minima of each are joined by paths that sink, in three repetitions with other seeds.
#
# What is compared? A bar has two ends. The claim speaks of heights, and a network can have lower bars because its *losses* are lower, without
# being any easier to escape. So births, deaths and lengths are reported apart. The penalty that makes minima exist moves all of
# them, so it is varied; so is the work spent on paths, because every upper end is a bound that sinks with effort.
#
# **Time:** under a minute on two cores (`PRESET = "quick"`, two networks). The table of all is made with `LOSSBARCODE_PRESET=full`, in
# hours; it is `results/07_bars.csv`. A run that is stopped goes on where it was.
#
# With a network and a GPU, `LOSSBARCODE_DATA=MNIST` (or FMNIST, CIFAR10, CIFAR100, SVHN) and `LOSSBARCODE_PRESET=full`
# fetch the data of the papers and train as they do; the table lands beside this one. Nothing of that was run here. By
# the count in {doc}`11_claims` it takes, at ten trillion operations a second, half an hour and 2 GiB for MNIST, eleven
# days and 10 GiB for all networks on CIFAR10.

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

import altair as alt
import numpy as np
import pandas as pd
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
# Every network learns 300 digits (convolutional ones 128). It is trained by stochastic gradient descent, then by a
# quasi-Newton method on all rows until its gradient is short. Fully connected networks have tanh, which is smooth, and
# double precision, so that the evidence means something. Hidden units are renumbered to lie close to the first
# network's (`align`), which bounds the same bars from lower paths, as {doc}`06_minima_and_paths` explains.

# %%
data = lb.data.digits() if DATA == "digits" else lb.data.load(DATA, download=True)
ACTIVATIONS = {"tanh": nn.Tanh, "ReLU": nn.ReLU}
if DATA == "digits":
    MINIMA, IMAGES = 6, 9
    RECIPE = lb.Recipe(epochs=200, rate=0.1, last_rate=0.01, hold=60, until=180, batch_size=50)
else:  # as in the paper
    MINIMA, IMAGES = 8, 19
    RECIPE = lb.Recipe.annealed()


def network_of(family, activation, layers, width):
    """A module in the dtype that it is trained in, how many rows of data it sees, and the most quasi-Newton steps."""
    shape = data.train[0].shape[1:]
    if family == "fully connected":
        module = lb.networks.FullyConnected(shape.numel(), (width,) * (layers - 1), data.classes, ACTIVATIONS[activation])
    elif family == "ResNet9":
        module = lb.networks.ResNet9(shape[0], data.classes)
    else:
        module = lb.networks.CNN(shape[0], data.classes, layers=layers, width=width, batch_norm=family == "CNN, BatchNorm")
    if DATA != "digits":
        return module, len(data.train[0]), 0
    return (module.double(), 300, 3000) if family == "fully connected" else (module, 128, 300)


def bars_of(family, activation, layers, width, penalty, rounds, seed):
    """Rows of the table: the bars of one network, with evidence. While a long run lasts, its state is in a file."""
    module, rows, steps = network_of(family, activation, layers, width)
    loss = lb.networks.loss_of(module.to(DEVICE), tuple(part[:rows] for part in data.train), penalty=penalty)
    name = f"checkpoints/{DATA}-{family}-{activation}-{layers}-{width}-{penalty}-{rounds}-{seed}"
    return lb.experiments.bars_of_network(
        loss,
        loss.starts(MINIMA, seed=seed),
        test=data.test,
        recipe=RECIPE,
        steps=steps,
        tolerance=1e-4 if loss.dtype == torch.float64 else 1e-2,
        images=IMAGES,
        rounds=rounds,
        align=family != "ResNet9",
        seed=seed,
        checkpoint=name if FULL else None,
    )


def case(family, layers, width, penalty=1e-3, rounds=8, seed=0, activation=None):
    activation = activation or ("tanh" if family == "fully connected" else "ReLU")
    return dict(family=family, activation=activation, layers=layers, width=width, penalty=penalty, rounds=rounds, seed=seed)


DEPTHS, PENALTIES, SEEDS = (1, 2, 3, 4, 6, 8), (1e-3, 1e-4), (0, 1, 2)
SHAPES = [(1, 8), (2, 4), (2, 8), (3, 8), (2, 16)]  # of convolutions: layers and width
JOBS = []
if FULL and DATA == "digits":
    for seed in SEEDS:
        JOBS += [case("fully connected", layers, 16, penalty, seed=seed) for penalty in PENALTIES for layers in DEPTHS]
        JOBS += [case("fully connected", layers, width, seed=seed) for layers in (2, 4) for width in (8, 32)]
    JOBS += [case("fully connected", layers, 16, rounds=rounds) for rounds in (2, 16) for layers in DEPTHS]
    JOBS += [case("fully connected", layers, 16, activation="ReLU") for layers in (2, 3, 4, 6)]
    for seed in SEEDS:
        JOBS += [case(family, *shape, rounds=4, seed=seed) for shape in SHAPES for family in ("CNN", "CNN, BatchNorm")]
    JOBS += [case("ResNet9", 9, 64, rounds=rounds, seed=seed) for rounds in (2, 4) for seed in SEEDS]
    JOBS += [case("ResNet9", 9, 64, rounds=8, seed=1)]  # half an hour on one core
elif FULL:
    for seed in SEEDS:
        if DATA in ("MNIST", "FMNIST"):
            JOBS += [case("fully connected", layers, 32, 1e-5, seed=seed, activation="ReLU") for layers in (2, 3, 4, 6, 8)]
        else:
            JOBS += [case(family, layers, 32, 5e-5, seed=seed) for layers in (1, 2, 3) for family in ("CNN", "CNN, BatchNorm")]
            JOBS += [case("ResNet9", 9, 64, 1e-5, seed=seed)]
else:
    JOBS = [case("fully connected", layers, 8, rounds=4) for layers in (1, 2)]
start = time.perf_counter()
fresh = lb.experiments.run(bars_of, JOBS, file=f"results/{TABLE}" if FULL else None, command=COMMAND)
print(f"bars in {(time.perf_counter() - start) / 60:.1f} minutes")

# %% [markdown]
# ## The table
#
# From here on the figures show the committed table, of digits. What was trained just now is an example: one layer has
# one minimum, two layers have more, which lie lower. A table of other data is printed here.

# %%
just_now = fresh.groupby(["family", "layers", "width", "penalty", "rounds", "seed"])["birth"].agg(["size", "min"]).reset_index()
if not FULL:
    one, two = just_now["layers"].eq(1), just_now["layers"].eq(2)
    assert (just_now["size"][one] == 1).all()
    assert (just_now["size"][two] > 1).all()
    assert just_now["min"][two].max() < just_now["min"][one].min()
elif DATA != "digits":
    print(just_now.to_string())

# %%
table = lb.experiments.committed("07_bars.csv")
print(", ".join(f"{key}: {value}" for key, value in table.attrs.items()))
keys = ["family", "activation", "layers", "width", "penalty", "rounds", "seed"]
runs = lb.experiments.summary(table, keys)
ends = table[np.isfinite(table["death"])]
print(f"{len(runs)} runs, {len(table)} bars; upper ends by what is known of them:")
ends.groupby("family").agg(bars=("birth", "size"), reached=("reached", "mean"), converged=("converged", "mean")).join(
    ends.groupby("family")["kind"].value_counts().unstack(fill_value=0)
).round(2)

# %% [markdown]
# Nearly all upper ends are bounds, not proven saddles; and most paths still sank a little in their last round (hollow
# below). They are comparable because all had the same effort, and because the last section varies it.
#
# ## Depth

# %% mystnb={"figure": {"caption": "Barcodes of fully connected networks of width 16 by the number of layers, tanh, penalty 0.001, first repetition. Hollow: ends that are not converged. One layer is a convex problem with a single minimum.", "name": "fig-depth-bars"}}
main = table.query("family == 'fully connected' and activation == 'tanh' and width == 16 and rounds == 8")
lb.charts.barcodes(main.query("penalty == 0.001 and seed == 0").sort_values("layers", kind="stable"), "layers")

# %% mystnb={"figure": {"caption": "What falls with depth and what does not: median births, median deaths and TO-scores of all repetitions (dots) with their means (lines), by the number of layers and the penalty. Births and deaths lie so close together that one line nearly hides the other. Note the logarithmic axes.", "name": "fig-depth"}}
deep = runs.query("family == 'fully connected' and activation == 'tanh' and width == 16 and rounds == 8 and layers > 1")
lb.charts.trends(deep, "layers", by="penalty")

# %%
mean = deep.groupby(["penalty", "layers"])[["birth", "death", "length", "to_score", "test_error"]]
spread = deep.groupby(["penalty", "layers"])["to_score"].std().rename("sd of TO-score")
pd.concat([mean.mean(), spread], axis=1).round(4)

# %% [markdown]
# ## Width

# %%
wide = runs.query("family == 'fully connected' and activation == 'tanh' and penalty == 0.001 and rounds == 8 and layers in (2, 4)")
mean = wide.groupby(["layers", "width"])[["birth", "death", "length", "to_score", "test_error"]].mean()
pd.concat([mean, wide.groupby(["layers", "width"])["to_score"].std().rename("sd of TO-score")], axis=1).round(4)

# %% [markdown]
# ## How much of it is effort?
#
# Deeper networks have longer and more crooked paths, which sink more slowly. So the same networks with fewer and with more rounds of descent:

# %%
# The paper's exact normalisation of the score was not available; this one is `lb.to_score(..., p=1)`.
effort = runs.query(
    "family == 'fully connected' and activation == 'tanh' and width == 16 and penalty == 0.001 and seed == 0 and layers > 1"
)
by_effort = effort.pivot(index="layers", columns="rounds", values="to_score")
by_effort.columns = [f"{rounds} rounds" for rounds in by_effort]
by_effort.round(4)

# %% [markdown]
# ## ReLU

# %%
relu = runs.query("activation == 'ReLU' and family == 'fully connected'").set_index("layers")
relu[["birth", "death", "length", "to_score", "steepest", "test_error"]].round(4)

# %% [markdown]
# The same picture, in one repetition: births fall with depth, TO-scores rise. Gradients at kinks do not vanish
# (`steepest`; {doc}`05_small_networks` says what takes their place), so the evidence is weaker.
#
# ## Convolutional networks, with and without BatchNorm
#
# One to three convolutions on 128 digits, ReLU, single precision, fewer rounds: what fits into the time. BatchNorm
# takes the statistics of the batch at every point of a path.

# %% mystnb={"figure": {"caption": "TO-scores of convolutional networks by their number of parameters, with BatchNorm (orange) and without (blue), both axes logarithmic; one dot a repetition.", "name": "fig-cnn"}}
cnn = runs[runs["family"].str.startswith("CNN")]
alt.Chart(cnn).mark_point(size=60, filled=True, opacity=0.8).encode(
    x=alt.X("parameters:Q", scale=alt.Scale(type="log", nice=False, padding=20), axis=alt.Axis(values=[200, 500, 1000, 2000])),
    y=alt.Y("to_score:Q", scale=alt.Scale(type="log"), title="TO-score (loss)"),
    color=alt.Color("family:N", scale=alt.Scale(range=["#0072B2", "#D55E00"]), title=None),
    tooltip=[
        "family",
        "layers",
        "width",
        "parameters",
        "seed",
        alt.Tooltip("to_score:Q", format=".3g"),
        alt.Tooltip("birth:Q", format=".3g"),
    ],
).properties(width=520, height=300)

# %%
view = cnn.groupby(["family", "parameters", "layers", "width"])[["birth", "death", "length", "to_score", "steepest", "test_error"]].mean()
view.round(4)

# %% [markdown]
# ResNet9 has many more parameters than these. With the same number of rounds it has the lowest births and deaths of all
# these networks, and the smallest test errors, in every repetition; and shorter bars than all but the smallest network
# without BatchNorm, whose losses are the highest of all.

# %%
resnets = runs[runs["family"] == "ResNet9"]
resnet = resnets[resnets["rounds"] == 4].set_index("seed")
resnet[["parameters", "minima", "birth", "death", "length", "to_score", "steepest", "test_error"]].round(4)

# %% [markdown]
# But four rounds are few. With half as many its TO-scores are more than ten times as high, with twice as many (one
# repetition, half an hour on one core) less than a quarter. Only then most paths sink by less than what is left of them
# in the last round. (In the first repetition the minima themselves differ a little between two rounds and four: in
# single precision, another processor trains other networks from the same beginnings.)

# %%
by_rounds = resnets.pivot(index="seed", columns="rounds", values="to_score")
by_rounds.columns = [f"{rounds} rounds" for rounds in by_rounds]
by_rounds.round(4)

# %% [markdown]
# ## Verdicts
#
# Each claim by Spearman's rank correlation, in every repetition on its own and for each penalty or depth. A claim that something falls is
# reproduced if all these are negative, not reproduced if none is, and else partly.

# %%
WHATS = {"birth": "births", "death": "deaths", "length": "lengths", "to_score": "TO-scores"}
verdicts = pd.DataFrame(
    {
        f"{name} {claim}": lb.experiments.falls(rows, what, along, within=within)
        for claim, rows, along, within in (
            ("fall with depth", deep, "layers", "penalty"),
            ("fall with width", wide, "width", "layers"),
            ("of CNNs fall with parameters", cnn, "parameters", "family"),
        )
        for what, name in WHATS.items()
    }
).T
verdicts

# %%
assert (verdicts.loc[[f"{name} fall with width" for name in WHATS.values()], "verdict"] == "reproduced").all()
assert verdicts.loc["births fall with depth", "verdict"] == "reproduced"
assert verdicts.loc["lengths fall with depth", "verdict"] == "not reproduced"
assert verdicts.loc["TO-scores fall with depth", "verdict"] == "not reproduced"
assert relu["birth"].is_monotonic_decreasing
assert relu["to_score"].is_monotonic_increasing
assert list(verdicts["verdict"].filter(like="CNNs")) == ["reproduced", "reproduced", "partly", "partly"]
assert (deep.groupby(["penalty", "layers"])["death"].mean().unstack("layers").idxmin(axis=1) == 4).all()
assert deep.groupby("layers")["test_error"].mean().is_monotonic_increasing
assert (by_effort["16 rounds"] / by_effort["8 rounds"]).between(0.4, 0.7).all()
assert table.loc[table["family"].str.startswith("CNN"), "reached"].mean() < 0.5
assert (resnet[["birth", "death", "test_error"]].max() < cnn[["birth", "death", "test_error"]].min()).all()
smallest = cnn["parameters"] == cnn["parameters"].min()
assert (resnet[["length", "to_score"]].max() < cnn.loc[~smallest, ["length", "to_score"]].min()).all()
assert cnn.loc[smallest, "birth"].min() > cnn.loc[~smallest, "birth"].max()
assert (by_rounds["2 rounds"] > 10 * by_rounds["4 rounds"]).all()
assert (by_rounds["8 rounds"].dropna() < by_rounds["4 rounds"][[1]] / 4).all()
left = ends[ends["family"] == "ResNet9"].eval("change / (death - birth)").groupby(ends["rounds"]).median()
assert left[8] < 1 < left[4]
assert resnets.loc[resnets["rounds"] == 8, "longest"].max() < 0.0055
assert 70 < resnet["parameters"].min() / cnn["parameters"].max() < 75
heights = view[["birth", "death"]].groupby(["family", "layers", "width"]).mean()
assert (heights.loc["CNN, BatchNorm"] < heights.loc["CNN"]).all(axis=None)
assert all(by_effort[column].dropna().is_monotonic_increasing for column in by_effort)

# %% [markdown]
# - **Width**: all falls, births, deaths, lengths and TO-scores, for two and for four layers, in every repetition.
#   Reproduced.
# - **Depth**: births fall. Deaths fall with them up to four layers, and rise again after that. *Lengths and TO-scores
#   rise*, at both penalties, in every repetition, with tanh and (one repetition) with ReLU, and whatever the effort.
#   Here deeper networks are lower, but they are harder to escape, not easier. Not reproduced.
# - **CNNs**: births and deaths fall with the number of parameters. Lengths and TO-scores follow no simple order, and
#   most of these minima were not reached in the steps that they had (`steepest`), so this part is weak evidence. With
#   BatchNorm, births and deaths are lower for every shape.
# - **ResNet9** on the same images, with seventy times as many parameters as the largest of these networks, has the
#   lowest births and deaths and, in the one repetition whose paths had eight rounds, bars of two to five thousandths.
#   That agrees with the paper. How much shorter the bars of the other convolutional networks get with more rounds was
#   not measured.
#
# Why might depth come out otherwise than in the paper? These networks are narrow, see 300 images instead of 60,000, and
# are trained to the end of their descent. The test error rises with depth: deep narrow networks are harder to train, as
# much as they are to leave. Effort does not explain it: from eight rounds to sixteen TO-scores fall to about a half,
# whatever the depth. But all of them are upper bounds, and would fall further.
