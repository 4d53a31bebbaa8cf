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
# # Learning rate and generalization
#
# {cite:t}`barannikov2020loss` train ResNet9 in two ways, with a small constant learning rate and with a large one that
# is annealed. They report that annealed minima have lower bars and generalize better, and that "in certain situations" the length of a
# minimum's bar correlates with its test error. Both are tested here on handwritten digits: with eight networks for each recipe, small
# networks and ResNet9, in two or three repetitions with different seeds.
#
# At a minimum the gradient vanishes, but training ends before that. So two kinds of endpoints are compared here:
# where training stopped, as in the paper, and where a descent from there ended, with a short gradient. The penalty, without which there
# need not be any minimum, is varied.
#
# **Time:** under a minute on two cores (`PRESET = "quick"`, one small network, three minima). The full table is
# `results/08_bars.csv`, made with `LOSSBARCODE_PRESET=full` in about seven hours on one core, most of it for
# ResNet9. An interrupted run resumes where it stopped.
#
# With internet access and a GPU, `LOSSBARCODE_DATA=SVHN` (or CIFAR10, CIFAR100) and `LOSSBARCODE_PRESET=full` train ResNet9
# on the papers' data with the papers' two recipes; the table is written next to this one. None of this was run here.
# By the count in {doc}`11_claims` it takes, at ten trillion operations per second, two days per recipe and 10 GiB, nearly
# all of it for paths.

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

import altair as alt
import numpy as np
import pandas as pd
import torch
from torch import nn

from lossbarcode import study

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full"
DATA = os.environ.get("LOSSBARCODE_DATA", "digits")  # or SVHN, CIFAR10, CIFAR100
FULL = PRESET == "full"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TABLE = "08_bars.csv" if DATA == "digits" else f"08_bars_{DATA}.csv"
COMMAND = f"LOSSBARCODE_PRESET=full LOSSBARCODE_DATA={DATA} python 08_learning_rate_and_generalization.py"

# %% [markdown]
# ## Two recipes
#
# Both recipes start at the same networks, and end with the same small learning rate. The recipe with a small constant rate ("small") needs
# many more epochs to make progress. For ResNet9 there is a third recipe, annealed from the rate that the paper uses.

# %%
data = lb.data.digits() if DATA == "digits" else lb.data.load(DATA, download=True)
if DATA == "digits":
    RECIPES = {
        "small": lb.TrainingSchedule(epochs=600, lr=2e-3, batch_size=50),
        "annealed": lb.TrainingSchedule(epochs=100, lr=0.2, final_lr=2e-3, constant_epochs=20, decay_end=80, batch_size=50),
        "annealed from 0.05": lb.TrainingSchedule(epochs=100, lr=0.05, final_lr=2e-3, constant_epochs=20, decay_end=80, batch_size=50),
    }
else:  # as in the paper
    RECIPES = {"small": lb.TrainingSchedule.paper_constant(), "annealed": lb.TrainingSchedule.paper_annealed()}
for name, recipe in RECIPES.items():
    print(f"{name}: {recipe}")


# %%
def recipe_job(network, recipe, penalty, steps, rounds, networks, seed):
    """Rows of the table: the bars of one network and recipe, with evidence. A long run keeps its state in a file."""
    channels, samples = data.train[0].shape[1], 128 if DATA == "digits" else len(data.train[0])
    if network == "fully connected":
        module, samples = lb.networks.FullyConnected(data.train[0][0].numel(), (16,) * 3, data.classes, nn.Tanh).double(), 300
    elif network == "CNN":
        module = lb.networks.CNN(channels, data.classes, layers=2, width=8, batch_norm=True)
    else:
        module = lb.networks.ResNet9(channels, data.classes)
    name = f"checkpoints/{DATA}-{network}-{recipe}-{penalty}-{steps}-{rounds}-{networks}-{seed}"
    return study.network_bars(
        module.to(DEVICE),
        data,
        networks,
        samples=samples,
        l2=penalty,
        training=RECIPES[recipe],
        max_steps=steps,
        initial_images=19 if DATA != "digits" else 9 if network == "fully connected" else 7,
        max_rounds=rounds,
        align=network != "ResNet9",
        seed=seed,
        checkpoint=name if FULL else None,
    )


def cases(network, penalty, steps, rounds, networks=8, seed=0, recipes=("small", "annealed")):
    options = dict(network=network, penalty=penalty, steps=steps, rounds=rounds, networks=networks, seed=seed)
    return [{**options, "recipe": recipe} for recipe in recipes]


JOBS = []
if FULL and DATA == "digits":
    for seed in (0, 1, 2):
        for penalty in (1e-3, 1e-4):
            JOBS += cases("fully connected", penalty, 3000, 8, seed=seed)
    for seed in (0, 1):
        for penalty in (1e-3, 0.0):
            JOBS += cases("fully connected", penalty, 0, 8, seed=seed)
        JOBS += cases("CNN", 1e-3, 0, 4, seed=seed)
    JOBS += cases("fully connected", 1e-3, 3000, 4, networks=24)
    for seed in (0, 1, 2):
        JOBS += cases("ResNet9", 0.0, 0, 2, seed=seed, recipes=RECIPES)
    for seed in (0, 1):
        JOBS += cases("ResNet9", 0.0, 0, 4, seed=seed, recipes=("small", "annealed from 0.05"))
elif FULL:
    JOBS = cases("ResNet9", 0.0, 0, 8)  # no weight decay
else:
    JOBS = cases("fully connected", 1e-3, 200, 2, networks=3)
start = time.perf_counter()
fresh = study.run_jobs(recipe_job, JOBS, file=f"results/{TABLE}" if FULL else None, command=COMMAND)
print(f"bars in {(time.perf_counter() - start) / 60:.1f} minutes")

# %% [markdown]
# From here on the figures show the committed table, of digits. The networks that were just trained are an example; for other data
# the table is printed here.

# %% tags=["nbval-ignore-output"]
if FULL and DATA != "digits":
    print(fresh.groupby("recipe")[["birth", "death", "test_error"]].describe().T.to_string())
fresh[["recipe", "birth", "death", "gradient_norm", "test_error"]].round(4)

# %%
table = study.load_result("08_bars.csv")
print(", ".join(f"{key}: {value}" for key, value in table.attrs.items()))
ENDS = {0: "where training stopped", 3000: "after descent"}
table["ends"] = table["steps"].map(ENDS)
resnet9 = table["network"] == "ResNet9"
table.loc[resnet9, "ends"] += ", " + table["rounds"].astype(str) + " rounds"
table["length"] = (table["death"] - table["birth"]).replace(np.inf, np.nan)
KEYS = ["network", "ends", "penalty", "networks", "seed", "recipe"]
runs = study.summarise_runs(table, KEYS)
print(f"{len(runs)} runs, {len(table)} bars")
by_case = runs[runs["networks"] == 8].groupby(["network", "penalty", "ends", "recipe"], sort=False)
by_case[
    ["minima", "mean_loss", "mean_test_error", "birth", "death", "length", "to_score", "minimum_reached", "max_gradient_norm"]
].mean().round(4)

# %% [markdown]
# The table shows means over the repetitions with eight networks (one run of each recipe had 24); penalty 0 means no penalty. `minima`
# is how many of the eight have a bar; from the others a path leads to something lower without any climb. `mean_loss` and
# `mean_test_error` are means over all eight, the columns after them over those with bars. `minimum_reached` is the share of finite bars
# whose minimum has a gradient within the tolerance: all after descent, and none of the small networks where training stopped. ResNet9,
# in single precision, has a coarser tolerance, 0.01, which most annealed networks meet and none with the small rate.
#
# ## Barcodes

# %% mystnb={"figure": {"caption": "Barcodes of fully connected networks that were trained by the two recipes from the same initial parameters, penalty 0.001, first repetition: eight networks each, where training stopped (hollow dots: not stationary) and after descent from there. All diamonds are hollow: these ends are bounded above by paths. A network from which a path descends without any climb, because training stopped on a slope, has no bar; where training stopped, most have none.", "name": "fig-recipes"}}
first = table.query("network == 'fully connected' and penalty == 0.001 and seed == 0 and networks == 8").sort_values("steps", kind="stable")
lb.charts.barcodes(first.assign(recipe=first["recipe"] + ", " + first["ends"]), "recipe")

# %% [markdown]
# ## Deaths compared with the published ones
#
# The paper's figure for ResNet9 on SVHN has deaths from 0.189 to 0.245 (mean 0.205) for the small rate and from 0.127
# to 0.166 (mean 0.149) for annealing; the lowest minima are at 0.0060 and 0.0021. The losses of other data are not
# comparable, but ratios are: is the annealed group lower, and by what factor?

# %% mystnb={"figure": {"caption": "Deaths by recipe: the range and mean that the paper states for SVHN (line and tick), and bars of this notebook (dots, all repetitions, with their mean as a tick), each case on its own logarithmic axis. ResNet9 has a third recipe, annealed from 0.05, the rate of the paper. Its paths had two rounds; after four rounds hardly any bar is left to show.", "name": "fig-deaths"}}
PUBLISHED = {"small": (0.189, 0.205, 0.245), "annealed": (0.127, 0.149, 0.166)}
COLOR = alt.Color("recipe:N", scale=alt.Scale(domain=list(RECIPES), range=["#D55E00", "#0072B2", "#56B4E9"]), legend=None)
X = alt.X("recipe:N", sort=list(RECIPES), title=None, axis=alt.Axis(labelAngle=0, labelExpr="split(datum.label, ' from ')"))


def deaths_panel(title, rows):
    base = alt.Chart(rows).encode(x=X, color=COLOR)
    y = alt.Y("death:Q", title="death (loss)", scale=alt.Scale(type="log", nice=False, padding=15), axis=alt.Axis(tickCount=4, format="~g"))
    dots = base.mark_point(filled=True, size=25, opacity=0.6).encode(
        y=y, tooltip=["recipe", "seed:N", alt.Tooltip("death:Q", format=".4g")]
    )
    return (dots + base.mark_tick(thickness=2, width=40).encode(y=alt.Y("mean(death):Q", scale=y["scale"]))).properties(
        title=alt.TitleParams(title, fontSize=11), width=150, height=180
    )


published = pd.DataFrame([{"recipe": name, "low": low, "death": mean, "high": high} for name, (low, mean, high) in PUBLISHED.items()])
base = alt.Chart(published).encode(x=X, color=COLOR)
y = alt.Scale(type="log", nice=False, padding=15)
stated = (
    base.mark_rule(strokeWidth=3, opacity=0.5).encode(y=alt.Y("low:Q", title="death (loss)", scale=y), y2="high:Q")
    + base.mark_tick(thickness=2, width=40).encode(y=alt.Y("death:Q", scale=y))
).properties(title=alt.TitleParams(["paper: ResNet9, SVHN", "where training stopped"], fontSize=11), width=150, height=180)
ended = table[np.isfinite(table["death"]) & (table["networks"] == 8) & ~(resnet9 & (table["rounds"] == 4))]
panels = [stated] + [
    deaths_panel([f"{network}, penalty {penalty:g}", ends], rows[["recipe", "seed", "death"]])
    for (network, penalty, ends), rows in ended.sort_values("steps", kind="stable").groupby(["network", "penalty", "ends"], sort=False)
]
alt.concat(*panels, columns=3)


# %% [markdown]
# Runs of both recipes from the same initial parameters form pairs. For each case the table shows the ratio of the means, annealed to small,
# and in how many pairs the annealed run is lower.

# %%
CASE, MEASURES = ["network", "penalty", "ends"], ["mean_loss", "death", "mean_test_error"]
pairs = runs[runs["network"] != "ResNet9"].pivot(index=[*CASE, "networks", "seed"], columns="recipe", values=MEASURES)


def compared(what):
    both = pairs[what].dropna()  # some runs have no bar that ends
    lower = (both["annealed"] < both["small"]).groupby(CASE, sort=False)
    means = both.groupby(CASE, sort=False).mean()
    counts = lower.sum().astype(str) + " of " + lower.size().astype(str)
    return pd.DataFrame({"ratio": (means["annealed"] / means["small"]).round(2), "lower in": counts})


pd.concat({what: compared(what) for what in MEASURES}, axis=1)

# %% [markdown]
# ## ResNet9
#
# This is the network of the paper, on 128 digits, without a penalty and where training stopped, as in the paper, with eight networks for
# each recipe. Joined by paths of two rounds, seven or all eight have bars, unlike the small networks. The table lists each repetition, in
# thousandths (of the loss, and of the test error).

# %%
EACH = {
    "lowest birth": ("birth", "min"),
    "highest birth": ("birth", "max"),
    "lowest death": ("death", "min"),
    "median death": ("death", "median"),
    "highest death": ("death", "max"),
    "median length": ("length", "median"),
    "median last decrease": ("last_decrease", "median"),
    "mean test error": ("mean_test_error", "first"),
    "bars": ("birth", "size"),
}
rows = table[resnet9 & (table["rounds"] == 2)].replace(np.inf, np.nan)
resnet = rows.groupby(["recipe", "seed"]).agg(**EACH).loc[list(RECIPES)]
(1000 * resnet.drop(columns="bars")).T.round(1)

# %% [markdown]
# Annealed from the paper's rate, 0.05, all births and all deaths are lower than with the small rate; in no repetition
# do the groups overlap. That is the shape of the published figure, at the losses of other data. Test errors (of all eight networks)
# are smaller in two of the three repetitions. Annealed from four times that rate, training ends at widely different losses: it has the
# lowest births of all, but most deaths are higher, and so are the test errors. *Lengths* are not shorter with annealing, from either
# rate: the minima are deeper, but the deaths are lower by less, or they are higher. However, all these deaths are only bounded above, and far from settled, as
# `median last decrease` shows: the last round lowered most paths by more than the height that is left. So two repetitions of the two
# other recipes were given two more rounds:

# %%
more = table[resnet9 & (table["rounds"] == 4)]
longer = (
    more.groupby(["recipe", "seed"])
    .agg(bars=("birth", "size"), longest=("length", "max"), lowest=("birth", "min"))
    .loc[["small", "annealed from 0.05"]]
)
(longer * [1, 1000, 1000]).rename(columns={"longest": "longest length", "lowest": "lowest birth"}).T.round(3)

# %% [markdown]
# Hardly any bar is left: the infinite bar of the lowest minimum, and at most one more. From all others a path leads to
# something lower without any climb. So where training stopped ResNet9 is like the small networks: the deaths above are
# the highest points of paths that were not fully relaxed, and the recipes differ in how low the loss is where training stopped.
#
# ## Does the length of a bar predict the test error?
#
# If it did, minima with long bars, which are hard to escape, would generalize worse. Both numbers are known for every minimum
# with a finite bar. Ranks are taken inside each run, so that differences between networks, penalties and recipes do
# not count. The 95 % interval comes from 9,999 bootstrap samples of whole runs: bars of one run are not independent of each other, because
# they share networks and paths. With three to nine runs such an interval is rough.

# %% mystnb={"figure": {"caption": "Length of a bar, logarithmic, against the test error of its minimum, one dot per minimum, for fully connected networks after descent. Colours are the recipes; bars of length zero are left out.", "name": "fig-generalization"}}
dots = table[(table["network"] == "fully connected") & (table["length"] > 0)]
alt.Chart(dots[["penalty", "recipe", "length", "test_error", "seed"]]).mark_point(size=25).encode(
    x=alt.X(
        "length:Q",
        scale=alt.Scale(type="log"),
        title="length of the bar (loss)",
        axis=alt.Axis(values=[1e-5, 1e-4, 1e-3, 1e-2, 1e-1], format="~e"),
    ),
    y=alt.Y("test_error:Q", scale=alt.Scale(zero=False), title="test error", axis=alt.Axis(format="%")),
    color=alt.Color("recipe:N", scale=alt.Scale(domain=["small", "annealed"], range=["#D55E00", "#0072B2"])),
    column=alt.Column("penalty:N"),
    tooltip=["recipe", "penalty", "seed", alt.Tooltip("length:Q", format=".3g"), alt.Tooltip("test_error:Q", format=".1%")],
).properties(width=170, height=150)

# %%
RUN = ["network", "penalty", "steps", "rounds", "networks", "seed", "recipe"]
correlations = pd.DataFrame(
    {
        case: study.rank_correlation(rows, "length", "test_error", within=RUN)
        for case, rows in table.groupby(CASE)
        if rows["length"].gt(0).sum() > 2  # where training stopped there are hardly any lengths to compare
    }
).T
correlations.round(2)

# %% [markdown]
# The networks of {doc}`07_depth_and_width`, all trained by one annealed recipe, have test errors as well:

# %%
# Minima that were joined with several numbers of rounds count once.
others = study.load_result("07_bars.csv").query("layers > 1 and (rounds == 4 or rounds == 8 and family == 'fully connected')")
others["length"] = (others["death"] - others["birth"]).replace(np.inf, np.nan)
inside = ["activation", "layers", "width", "penalty", "rounds", "seed"]
by_family = {name: study.rank_correlation(rows, "length", "test_error", within=inside) for name, rows in others.groupby("family")}
pd.DataFrame(by_family).T.round(2)

# %% [markdown]
# ## Verdicts

# %%
after = pairs.index.get_level_values("ends") == "after descent"
lower = {what: pairs[what].dropna().eval("annealed < small") for what in MEASURES}
ratio = {what: pairs[what].eval("annealed / small")[after] for what in lower}
for what, held in lower.items():
    now = held.groupby("ends").agg(["sum", "size"])
    print(f"{what}:", ", ".join(f"lower in {row['sum']} of {row['size']} {ends}" for ends, row in now.iterrows()))
print(f"deaths after descent, annealed to small: {ratio['death'].min():.2f} to {ratio['death'].max():.2f}")

# %% [markdown]
# - **Where training stopped**, annealed small networks have lower losses, lower deaths where there are bars, and
#   smaller test errors, in every pair of runs. That is the shape of the published figure. But here it is not a statement
#   about minima: *these networks have no bars, or bars of length zero*. From every such point a path leads to a lower one
#   without any climb, with a penalty and without. The heights are training losses, and training with the small rate has not ended at a stationary point.
# - **ResNet9**, annealed from the paper's rate, has lower bars than with the small rate, all of them: reproduced in
#   every repetition, if paths have only two rounds. Test errors are smaller in two of three. Annealed from four
#   times that rate most bars are higher, and so are the test errors. With four rounds of paths, which the other two recipes had
#   in two repetitions, there are no bars to compare.
# - **After descent** of the small networks from the same points there are bars, and they do not differ:
#   deaths agree within a few percent, and which recipe has the lower ones changes from pair to pair. Test errors are
#   still smaller with annealing in most pairs, by less than a tenth.
# - **Length and test error**: in no case is the rank correlation distinguishable from zero: every interval contains zero, for
#   fully connected networks, for ResNet9, and for the networks of {doc}`07_depth_and_width`.
#
# So the paper's difference between recipes is reproduced where training stops, if the rate is not too large; and it comes
# from how far training went. Wherever paths had at least four rounds, hardly any barrier is left between those points.
# That bars predict the generalization error of a minimum is not reproduced.
