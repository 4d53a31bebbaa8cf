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
# is annealed. The annealed minima have lower bars and generalize better, and "in certain situations" the length of a
# minimum's bar goes with its test error. Both are checked here on handwritten digits: eight minima of each recipe, of
# small networks and of ResNet9, in two or three repetitions with other seeds.
#
# A minimum is a place where the gradient vanishes. Training ends before that. So there are two kinds of ends here:
# where training stopped, as in the paper, and where a descent from there arrives; and the penalty, without which there
# need not be any minimum at all, is varied.
#
# **Time:** under a minute on two cores (`PRESET = "quick"`, one small network, three minima). The table of all is
# `results/08_bars.csv`, made with `LOSSBARCODE_PRESET=full` in some seven hours on one core, most of it for
# ResNet9; a run that is stopped goes on where it was.
#
# With a network and a GPU, `LOSSBARCODE_DATA=SVHN` (or CIFAR10, CIFAR100) and `LOSSBARCODE_PRESET=full` train ResNet9
# on the papers' data with the papers' two recipes, and the table lands beside this one. Nothing of that was run here.
# By the count in {doc}`11_claims` it takes, at ten trillion operations a second, two days a recipe and 10 GiB, nearly
# all of it for paths.

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
DATA = os.environ.get("LOSSBARCODE_DATA", "digits")  # or SVHN, CIFAR10, CIFAR100
FULL = PRESET == "full"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TABLE = "08_bars.csv" if DATA == "digits" else f"08_bars_{DATA}.csv"
COMMAND = f"LOSSBARCODE_PRESET=full LOSSBARCODE_DATA={DATA} python 08_learning_rate_and_generalization.py"

# %% [markdown]
# ## Two recipes
#
# Both start at the same networks, and end with the same small rate. The small one needs many more epochs to get
# anywhere. For ResNet9 there is a third, annealed from the rate that the paper uses.

# %%
data = lb.data.digits() if DATA == "digits" else lb.data.load(DATA, download=True)
if DATA == "digits":
    RECIPES = {
        "small": lb.Recipe(epochs=600, rate=2e-3, batch_size=50),
        "annealed": lb.Recipe(epochs=100, rate=0.2, last_rate=2e-3, hold=20, until=80, batch_size=50),
        "annealed from 0.05": lb.Recipe(epochs=100, rate=0.05, last_rate=2e-3, hold=20, until=80, batch_size=50),
    }
else:  # as in the paper
    RECIPES = {"small": lb.Recipe.small(), "annealed": lb.Recipe.annealed()}
for name, recipe in RECIPES.items():
    print(f"{name}: {recipe}")


# %%
def bars_of(network, recipe, penalty, steps, rounds, networks, seed):
    """Rows of the table: the bars of one network and recipe, with evidence. While a long run lasts, its state is in a file."""
    channels, rows = data.train[0].shape[1], 128 if DATA == "digits" else len(data.train[0])
    if network == "fully connected":
        module, rows = lb.networks.FullyConnected(data.train[0][0].numel(), (16,) * 3, data.classes, nn.Tanh).double(), 300
    elif network == "CNN":
        module = lb.networks.CNN(channels, data.classes, layers=2, width=8, batch_norm=True)
    else:
        module = lb.networks.ResNet9(channels, data.classes)
    loss = lb.networks.loss_of(module.to(DEVICE), tuple(part[:rows] for part in data.train), penalty=penalty)
    name = f"checkpoints/{DATA}-{network}-{recipe}-{penalty}-{steps}-{rounds}-{networks}-{seed}"
    return lb.experiments.bars_of_network(
        loss,
        loss.starts(networks, seed=seed),
        test=data.test,
        recipe=RECIPES[recipe],
        steps=steps,
        tolerance=1e-4 if loss.dtype == torch.float64 else 1e-2,
        images=19 if DATA != "digits" else 9 if network == "fully connected" else 7,
        rounds=rounds,
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
fresh = lb.experiments.run(bars_of, JOBS, file=f"results/{TABLE}" if FULL else None, command=COMMAND)
print(f"bars in {(time.perf_counter() - start) / 60:.1f} minutes")

# %% [markdown]
# From here on the figures show the committed table, of digits. What was trained just now is an example; of other data
# the table is printed here.

# %% tags=["nbval-ignore-output"]
if not FULL:
    assert (fresh.groupby("recipe").size() >= 2).all()
elif DATA != "digits":
    print(fresh.groupby("recipe")[["birth", "death", "test_error"]].describe().T.to_string())
fresh[["recipe", "birth", "death", "gradient_norm", "test_error"]].round(4)

# %%
table = lb.experiments.committed("08_bars.csv")
print(", ".join(f"{key}: {value}" for key, value in table.attrs.items()))
ENDS = {0: "where training stopped", 3000: "after descent"}
table["ends"] = table["steps"].map(ENDS)
resnet9 = table["network"] == "ResNet9"
table.loc[resnet9, "ends"] += ", " + table["rounds"].astype(str) + " rounds"
table["length"] = (table["death"] - table["birth"]).replace(np.inf, np.nan)
KEYS = ["network", "ends", "penalty", "networks", "seed", "recipe"]
runs = lb.experiments.summary(table, KEYS)
print(f"{len(runs)} runs, {len(table)} bars")
by_case = runs[runs["networks"] == 8].groupby(["network", "penalty", "ends", "recipe"], sort=False)
by_case[["minima", "mean_loss", "mean_test_error", "birth", "death", "length", "to_score", "reached", "steepest"]].mean().round(4)

# %% [markdown]
# Means over the repetitions with eight networks (one run of each recipe had 24); penalty 0 means none. `minima` are
# those of eight that have a bar; from the others a path leads to something lower without any climb. `mean_loss` and
# `mean_test_error` are of all eight, the columns after them of those with bars. `reached` is the share of minima whose
# gradient is within the tolerance: all after descent, and none of the small networks where training stopped. ResNet9,
# in single precision, has a coarser tolerance, 0.01, which most reached with annealing and none with the small rate.
#
# ## Barcodes

# %% mystnb={"figure": {"caption": "Barcodes of fully connected networks that were trained by the two recipes from the same beginnings, penalty 0.001, first repetition: eight networks each, where training stopped (hollow dots: not stationary) and after descent from there. A network that can be left without any climb, because training stopped on a slope, has no bar: most have none.", "name": "fig-recipes"}}
first = table.query("network == 'fully connected' and penalty == 0.001 and seed == 0 and networks == 8").sort_values("steps", kind="stable")
lb.charts.barcodes(first.assign(recipe=first["recipe"] + ", " + first["ends"]), "recipe")

# %% [markdown]
# ## Deaths beside the published ones
#
# The paper's figure for ResNet9 on SVHN has deaths from 0.189 to 0.245 (mean 0.205) for the small rate and from 0.127
# to 0.166 (mean 0.149) for annealing; the lowest minima are at 0.0060 and 0.0021. The losses of other data are not
# comparable, but the shape is: is the annealed group lower, and by how much of itself?

# %% mystnb={"figure": {"caption": "Deaths by recipe: the range and mean that the paper states for SVHN (line and tick), and bars of this notebook (dots, all repetitions, with their mean as a tick), each case on its own logarithmic axis. ResNet9 has a third recipe, annealed from 0.05, the rate of the paper; its paths had two rounds: of those that had four, next to no bar is left to be shown.", "name": "fig-deaths"}}
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
# In each pair of runs, from the same beginnings: how many times as high is the annealed one in the mean, and in how many pairs is it lower?

# %%
CASE, WHATS = ["network", "penalty", "ends"], ["mean_loss", "death", "mean_test_error"]
pairs = runs[runs["network"] != "ResNet9"].pivot(index=[*CASE, "networks", "seed"], columns="recipe", values=WHATS)


def compared(what):
    both = pairs[what].dropna()  # some runs have no bar that ends
    lower = (both["annealed"] < both["small"]).groupby(CASE, sort=False)
    means = both.groupby(CASE, sort=False).mean()
    said = lower.sum().astype(str) + " of " + lower.size().astype(str)
    return pd.DataFrame({"times": (means["annealed"] / means["small"]).round(2), "lower in": said})


pd.concat({what: compared(what) for what in WHATS}, axis=1)

# %% [markdown]
# ## ResNet9
#
# The network of the paper, on 128 digits, without a penalty and where training stopped, as there; eight minima of each
# recipe. Joined by paths in two rounds, seven or all eight have bars, unlike the small networks. In each repetition, in
# thousandths:

# %%
EACH = {
    "lowest birth": ("birth", "min"),
    "highest birth": ("birth", "max"),
    "lowest death": ("death", "min"),
    "median death": ("death", "median"),
    "highest death": ("death", "max"),
    "median length": ("length", "median"),
    "median change": ("change", "median"),
    "mean test error": ("mean_test_error", "first"),
    "bars": ("birth", "size"),
}
rows = table[resnet9 & (table["rounds"] == 2)].replace(np.inf, np.nan)
resnet = rows.groupby(["recipe", "seed"]).agg(**EACH).loc[list(RECIPES)]
(1000 * resnet.drop(columns="bars")).T.round(1)

# %% [markdown]
# Annealed from the paper's rate, 0.05, all births and all deaths are lower than with the small rate; in no repetition
# do the groups overlap. That is the published figure, at the losses of other data. Test errors (of all eight networks)
# are smaller in two of the three. From four times that rate training ends anywhere: it has the lowest births of all,
# but most deaths are higher, and so are the test errors. *Lengths* are no shorter with annealing, from either rate: the
# minima are deeper, and the passes are not lower by as much, or higher. But all these ends are far from final, as
# `median change` says: the last round lowered most paths by more than what is left of them. So, but for the
# largest rate, two repetitions were given two rounds more:

# %%
more = table[resnet9 & (table["rounds"] == 4)]
longer = (
    more.groupby(["recipe", "seed"])
    .agg(bars=("birth", "size"), longest=("length", "max"), lowest=("birth", "min"))
    .loc[["small", "annealed from 0.05"]]
)
(longer * [1, 1000, 1000]).rename(columns={"longest": "longest length", "lowest": "lowest birth"}).T.round(3)

# %% [markdown]
# Next to no bar is left: the lowest minimum's, which never ends, and at most one more. From all others a path leads to
# something lower without any climb. So where training stopped ResNet9 is like the small networks: the deaths above are
# tops of unfinished paths, and what differs between the recipes is how low training came.
#
# ## Does the length of a bar tell the test error?
#
# If it did, minima with long bars, hard to escape, would generalize worse. Both numbers are known for every minimum
# with a bar that ends. Ranks are taken inside each run, so that differences between networks, penalties and recipes do
# not count; the interval is from 9,999 bootstrap samples.

# %% mystnb={"figure": {"caption": "Length of a bar, logarithmic, against the test error of its minimum, one dot a minimum, for fully connected networks after descent. Colours are the recipes; bars of length zero are left out.", "name": "fig-generalization"}}
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
        case: lb.experiments.rank_correlation(rows, "length", "test_error", within=RUN)
        for case, rows in table.groupby(CASE)
        if rows["length"].gt(0).sum() > 2  # where training stopped there are next to no lengths to compare
    }
).T
correlations.round(2)

# %% [markdown]
# The networks of {doc}`07_depth_and_width`, all trained by one annealed recipe, have test errors, too:

# %%
# Minima that were joined with other numbers of rounds, too, count once.
others = lb.experiments.committed("07_bars.csv").query("layers > 1 and (rounds == 4 or rounds == 8 and family == 'fully connected')")
others["length"] = (others["death"] - others["birth"]).replace(np.inf, np.nan)
inside = ["activation", "layers", "width", "penalty", "rounds", "seed"]
by_family = {name: lb.experiments.rank_correlation(rows, "length", "test_error", within=inside) for name, rows in others.groupby("family")}
pd.DataFrame(by_family).T.round(2)

# %% [markdown]
# ## Verdicts

# %%
after = pairs.index.get_level_values("ends") == "after descent"
lower = {what: pairs[what].dropna().eval("annealed < small") for what in WHATS}
ratio = {what: pairs[what].eval("annealed / small")[after] for what in lower}
for what, held in lower.items():
    now = held.groupby("ends").agg(["sum", "size"])
    print(f"{what}:", ", ".join(f"lower in {row['sum']} of {row['size']} {ends}" for ends, row in now.iterrows()))
print(f"deaths after descent, annealed to small: {ratio['death'].min():.2f} to {ratio['death'].max():.2f}")

# %%
stopped = table[table["ends"] == "where training stopped"]
assert stopped["length"].max() == 0
assert not stopped["reached"].any()
assert table.loc[table["ends"] == "after descent", "reached"].all()
shares = {what: held.groupby("ends").mean() for what, held in lower.items()}
assert all(share["where training stopped"] == 1 for share in shares.values())
assert 0 < shares["death"]["after descent"] < 1
assert shares["mean_test_error"]["after descent"] > 0.5
assert (ratio["death"] - 1).abs().max() < 0.05
assert 0.9 < ratio["mean_test_error"].mean() < 1
assert not (correlations["low"] > 0).any()
assert correlations.loc[("fully connected", 1e-3, "after descent"), "high"] < 0.05
assert all(of["low"] < 0 < of["high"] for of in by_family.values())
small, annealed, papers = (resnet.loc[recipe] for recipe in RECIPES)  # the last from the paper's rate
assert (papers["highest birth"] < small["lowest birth"]).all()
assert (papers["highest death"] < small["lowest death"]).all()
assert (papers["mean test error"] < small["mean test error"]).sum() == 2
assert (small["mean test error"] < annealed["mean test error"]).all()
assert (annealed["median death"] > small["median death"]).all()
assert (annealed["median length"] > small["median length"]).all()
assert (papers["median length"].round(4) >= small["median length"].round(4)).all()
assert annealed["lowest birth"].max() < min(small["lowest birth"].min(), papers["lowest birth"].min())
assert (resnet["median change"] > resnet["median death"]).all()
assert (resnet["bars"] >= 7).all()
assert (longer["bars"] <= 2).all()
assert not (longer["longest"] > 1e-4).any()
reached = rows.groupby("recipe")["reached"].mean()
assert reached["small"] == 0 < 0.5 < reached.drop("small").min()

# %% [markdown]
# - **Where training stopped**, annealed small networks have lower losses, lower deaths where there are bars, and
#   smaller test errors, in every pair of runs. That is the shape of the published figure. But here it is no statement
#   on minima: *these networks have no bars, or bars of length zero*. From every such place a path leads to a lower one
#   without any climb, with a penalty and without. The heights are training losses, and the small rate has not finished.
# - **ResNet9**, annealed from the paper's rate, has lower bars than with the small rate, all of them: reproduced in
#   every repetition, as long as paths have only two rounds. Test errors are smaller in two of three. Annealed from four
#   times that rate most bars are higher, and so are the test errors. With four rounds of paths, of the other two recipes
#   in two repetitions, there are no bars to compare.
# - **After descent to the end** of the small networks, from the same places, there are bars, and they do not differ:
#   deaths agree within a few percent, and which recipe has the lower ones changes from pair to pair. Test errors are
#   still smaller with annealing in most pairs, by less than a tenth.
# - **Length and test error**: no positive rank correlation that could be told from none, neither here, ResNet9
#   included, nor in the networks of {doc}`07_depth_and_width`. In fully connected networks at the larger penalty it is,
#   barely, negative.
#
# So what the paper sees between recipes is reproduced where training stops, if the rate is not too large; and it comes
# from how far training went. Wherever paths had at least four rounds, next to no barrier is left between those places.
# That bars tell the generalization error of a minimum is not reproduced.
