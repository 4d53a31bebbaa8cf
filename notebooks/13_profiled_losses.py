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
# # A network without its last layer
#
# Most networks end in an affine layer, and given all other parameters, the best last layer is easy to find: for squares by ridge regression,
# for cross-entropy by a few Newton steps. Put in, it leaves a *profiled* loss of fewer parameters. **This changes no bar.**
#
# > **Theorem.** Let $f(x, y)$ be the loss of a network: $y$ the parameters of its last, affine layer, $x$ all others, a criterion that is
# > convex in the outputs, and a penalty $\lambda(|x|^2 + |y|^2)$ with $\lambda > 0$. For every $x$ let $y^*(x)$ be the best last layer, and
# > $\bar f(x) = f(x, y^*(x))$. Then $f$ and $\bar f$ have the same barcode, in every degree.
#
# *Proof.* For fixed $x$ the outputs are affine in $y$, so $f(x, \cdot)$ is strictly convex, and the penalty makes it grow without bound: it has one
# minimiser $y^*(x)$, which depends continuously on $x$. Move every point along $(x,\ (1-t)\,y + t\,y^*(x))$ as $t$ goes from 0 to 1. By convexity
# the loss on the way is at most $(1-t)\,f(x, y) + t\,\bar f(x) \le f(x, y)$. So no point leaves the sublevel set $\{f \le c\}$, for any $c$,
# points of the form $(x, y^*(x))$ stay where they are, and at the end all points have this form. That is a deformation retraction of $\{f \le c\}$ onto
# $\{(x, y^*(x)) : \bar f(x) \le c\}$, which is a copy of $\{\bar f \le c\}$, and it is the same motion for all $c$. So the inclusions
# of sublevel sets into each other are the same in homology, and with them the bars. $\square$
#
# Minima correspond to minima with equal losses, and saddles to saddles of equal index: the Hessian of $\bar f$ is the Schur complement
# $f_{xx} - f_{xy} f_{yy}^{-1} f_{yx}$. Its gradient is just $f_x$ at the best last layer, because $f_y$ vanishes there. This is the
# variable projection of {cite:t}`golub1973differentiation`.
#
# **Time:** half a minute on two cores (`PRESET = "quick"`). The full preset takes about a quarter of an hour on one core; its tables are committed.

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

import altair as alt
import numpy as np
import pandas as pd
import torch
from torch import nn

from lossbarcode import study

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full": a quarter of an hour; it resumes after an interruption

# %% [markdown]
# ## A sublevel set that retracts
#
# The smallest example has one tanh unit without biases: $y \tanh(x t)$, one parameter before the last layer and one in it. The set
# below a level, shaded, shrinks along the arrows onto the curve of best last layers; its pieces stay apart as long as those of the curve do.

# %% mystnb={"figure": {"caption": "The loss of a network of two parameters below a level (shaded), the best last layer (orange), and how the set retracts onto it. Move the level: pieces of the shaded set and of the orange curve inside it merge at the same moments.", "name": "fig-retraction"}}
line = torch.linspace(-3, 3, 31, dtype=torch.float64)[:, None]
unit = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Tanh(), nn.Linear(1, 1, bias=False)).double()
full = lb.networks.network_loss(unit, (line, (2 * line).sin() + line / 2), nn.functional.mse_loss, l2=5e-3)
profiled = full.profiled()

side = 65
x, y = torch.linspace(-3, 3, side, dtype=torch.float64), torch.linspace(-4, 4, side, dtype=torch.float64)
places = torch.cartesian_prod(x, y)
cells = pd.DataFrame({"x": places[:, 0], "y": places[:, 1], "loss": full(places)})
curve = pd.DataFrame({"x": x, "y": profiled.lift(x[:, None])[:, 1], "loss": profiled(x[:, None])})
arrows = cells[cells["x"].isin(x[::4].tolist()) & cells["y"].isin(y[::4].tolist())].merge(curve, on="x", suffixes=("", "_best"))
arrows["toward"] = arrows["y"] + 0.5 * (arrows["y_best"] - arrows["y"]).clip(-0.3, 0.3)
level = alt.param(name="level", value=0.55, bind=alt.binding_range(min=0.25, max=1.0, step=0.01, name="level "))
below = alt.datum.loss <= level
across = alt.X("x:Q", title="weight before the last layer", scale=alt.Scale(domain=[-3, 3], nice=False))
up = alt.Y("y:Q", title="last layer", scale=alt.Scale(domain=[-4, 4], nice=False))
shaded = alt.Chart(cells).mark_square(size=50, color="#9DB8D2", opacity=1, clip=True).encode(x=across, y=up).transform_filter(below)
best = (
    alt.Chart(curve)
    .mark_point(size=14, filled=True, opacity=1, clip=True)
    .encode(
        x=across,
        y=up,
        color=alt.condition(below, alt.value("#D55E00"), alt.value("#DDDDDD")),
        tooltip=[alt.Tooltip("loss:Q", format=".3f")],
    )
)
moves = alt.Chart(arrows).mark_rule(color="#333333", clip=True).encode(x=across, y=up, y2="toward:Q").transform_filter(below)
(shaded + moves + best).add_params(level).properties(width=420, height=300, title="A sublevel set and its retraction")

# %%
box = [(-8.0, 8.0)]
exact_full = lb.morse_complex(full, box * 2, progress=False)
exact_profiled = lb.morse_complex(profiled, box, progress=False)
pair = {"full loss, two parameters": exact_full, "profiled loss, one parameter": exact_profiled}
both = pd.concat({name: lb.barcode(found).table()[["birth", "death"]].round(8) for name, found in pair.items()}, axis=1)
both

# %% [markdown]
# ## The first network whose barcode is known
#
# The network (2) of {doc}`05_small_networks` (one input, two hidden units, one output) has seven parameters, and its profiled loss four: few enough
# for all critical points and for lattices of samples. The table below has the bars of the tanh network by its Morse complex; copies by symmetry
# (swapped units, changed signs) are put together. It is complete in the sense of {doc}`02_gradient_morse_complex`: the Euler characteristic is
# right, and all gradient lines arrive at known critical points. That is a necessary condition, no proof; and it is about a box, which is one and
# a half times as wide as the ends of 1,000 descents.


# %%
def small_network(activation, penalty, units=2):
    """The profiled loss of a network with one hidden layer; with two units the network (2)."""
    t = torch.linspace(-torch.pi, torch.pi, 101, dtype=torch.float64)[:, None]
    target = 0.31 * torch.sin(-t) - 0.72 * torch.sin(-2 * t) - 0.21 * torch.cos(t) + 0.89 * torch.cos(2 * t)
    module = lb.networks.FullyConnected(1, (units,), 1, getattr(nn, activation)).double()
    return lb.networks.network_loss(module, (t, target), nn.functional.mse_loss, l2=penalty).profiled()


def box_around_minima(loss):
    """A box that holds the ends of 1,000 descents with room to spare: one and a half times as wide."""
    starts = 2 * torch.randn(1000, loss.n_parameters, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ends = lb.find_minima(loss, starts, max_steps=1000, progress=False).points.abs()
    reach = 1.5 * ends.quantile(0.99, 0).unflatten(0, (2, 2)).amax(1)  # the same for both units, which can be swapped
    return [(-float(r), float(r)) for r in reach.repeat_interleave(2)]


def rows_of(bars, **more):
    """Bars with their copies put together, the infinite ones of other copies of the lowest minimum left out."""
    table = bars.table()[["birth", "death"]].round(6).value_counts(sort=False).rename("copies").reset_index()
    return [{**row, **more} for row in table.sort_values(["birth", "death"]).to_dict("records")]


def morse_job(penalty):
    loss = small_network("Tanh", penalty)
    found = lb.morse_complex(loss, box_around_minima(loss), progress=False)
    counts = {f"index_{index}": int((found.index == index).sum()) for index in range(5)}
    return rows_of(lb.barcode(found), completeness=found.completeness, **counts)


def lattice_job(activation, penalty, samples):
    loss = small_network(activation, penalty)
    bars = lb.barcode(lb.sample(loss, samples, bounds=box_around_minima(loss), method="lattice", dtype=torch.float64))
    return [{"birth": round(birth, 6), "death": round(death, 6)} for _, (birth, death) in bars.longer_than(0.005).to_gudhi()]


COMMAND = "LOSSBARCODE_PRESET=full python 13_profiled_losses.py"
if PRESET == "full":
    study.run_jobs(morse_job, [{"penalty": penalty} for penalty in (5e-4, 2e-3)], file="results/13_morse.csv", command=COMMAND)
    lattices = [{"activation": activation, "penalty": 5e-4, "samples": 20_000_000} for activation in ("Tanh", "ReLU")]
    study.run_jobs(lattice_job, lattices, file="results/13_lattices.csv", command=COMMAND)

morse = study.load_result("13_morse.csv")
known = morse.query("penalty == 0.0005").drop(columns=["penalty", "index_4"]).reset_index(drop=True)
known.round(4)

# %% [markdown]
# The committed table of {doc}`05_small_networks` has bars of the same network from paths between its minima. Beside those by critical points:

# %%
paths = study.load_result("05_bars.csv").query("network == '2' and activation == 'tanh' and penalty == 0.0005 and seed == 0")
paths = paths[["birth", "death", "last_decrease", "saddle_evidence"]].rename(columns={"death": "death by paths"})
finite = (
    known[np.isfinite(known["death"])].groupby("birth", as_index=False)["death"].max().rename(columns={"death": "death by critical points"})
)
beside = pd.merge_asof(paths.sort_values("birth"), finite.sort_values("birth"), on="birth", direction="nearest", tolerance=1e-4)
beside = beside[np.isfinite(beside["death by paths"])].rename(columns={"death by critical points": "by critical points"})
beside["times too long"] = (beside["death by paths"] - beside["birth"]) / (beside["by critical points"] - beside["birth"])
beside.round(4)

# %%
worst = beside.loc[(beside["death by paths"] - beside["by critical points"]).idxmax()]
print(
    f"the bar from {worst['birth']:.4f}: death {worst['death by paths']:.4f} by paths, {worst['by critical points']:.4f} by critical points, "
    f"{worst['times too long']:.1f} times as long; its last round changed it by {worst['last_decrease']:.5f}"
)

# %% [markdown]
# A path that no longer moves has not necessarily found the lowest pass: it can rest on another one.
#
# One number of the table can be checked by other means. A unit changes its sign, together with its weight in the last layer, without changing
# what the network computes. Between a network and such a copy the unit's last weight is zero somewhere, and there the network has only one
# unit: so the pass between the two is at least the least loss of a network with one unit. It is that loss if the way there, to the
# place where all parameters of the unit are zero, climbs no higher. The deepest minimum has eight copies, by swaps and signs;
# their deaths:

# %%
one_unit = small_network("Tanh", 5e-4, units=1)
starts = 2 * torch.randn(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
switched_off = float(lb.find_minima(one_unit, starts).values.min())
print(f"least loss of a network with one unit: {switched_off:.6f}")
print("deaths of the deepest minimum's copies:", *sorted(set(known[known["birth"] == known["birth"].min()]["death"])))

# %% [markdown]
# Samples of the profiled loss must be dense where a unit is switched off: the best last weight of a unit that is almost zero changes
# its sign within a short distance, so that the loss has a narrow ridge there. On a lattice of twenty million points edges lead
# across that ridge, so that deaths are too low. The next cell shows by how much, for bars of the lattice that are longer than 0.02.

# %%
lattices = study.load_result("13_lattices.csv")
lattice = lattices.query("activation == 'Tanh'")
lines = []
for birth, rows in known.groupby("birth"):
    found = lattice[(lattice["birth"] - birth).between(-1e-4, 6e-3) & (lattice["death"] - lattice["birth"] > 0.02)]
    exact = rows.loc[np.isfinite(rows["death"]), "death"]
    if len(found) and exact.max() - birth > 0.02:
        deaths = found["death"].replace(np.inf, np.nan)
        lines.append({"birth": birth, "death by critical points": exact.max(), "on the lattice, from": deaths.min(), "to": deaths.max()})
pd.DataFrame(lines).round(4)

# %% [markdown]
# The ReLU network has kinks, which the Morse route does not take; for it the lattice is all that there is, with the same caution.

# %%
longer = lattices.assign(length=lattices["death"] - lattices["birth"]).query("0.02 < length < inf")
summary = lattices.groupby("activation")["birth"].agg(["min"]).rename(columns={"min": "lowest loss"})
summary.assign(**{"finite bars longer than 0.02": longer.groupby("activation").size()}).round(4)
