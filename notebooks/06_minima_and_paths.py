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
# # Networks: minima and paths
#
# A network's loss is a function of hundreds or of millions of parameters. Such a space cannot be sampled. But the bar of a minimum
# needs little of it: the minimum, and the lowest way to something lower. This notebook trains networks, joins them by paths as
# {cite:t}`barannikov2020loss` do, reads the barcode off them, and then searches upwards from a minimum itself. It compares what the ways
# of doing this cost and what they find. Every death is an upper bound unless more is said.
#
# **Time:** three minutes on two cores. The data, scikit-learn's handwritten digits, need no download.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lossbarcode") is None:  # on Colab, say
    source = "git+https://github.com/lossbarcode/lossbarcode"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import lossbarcode as lb

# %%
import functools
import os
import time
import warnings

import altair as alt
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lossbarcode import study

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full", which makes the table of work

# %% [markdown]
# ## Minima
#
# A small network with one hidden layer classifies digits of 8 x 8 pixels. Its loss is the mean cross-entropy over 300 images plus a
# penalty on the squares of all parameters. Without the penalty there would be no minima: a network that classifies every image
# correctly can always lower its loss by making its weights larger.

# %%
data = lb.data.digits().to(dtype=torch.float64)
train = tuple(part[:300] for part in data.train)
network = lb.networks.FullyConnected(64, (8,), 10, nn.Tanh).double()
loss = lb.networks.network_loss(network, train, l2=1e-3)
loss

# %% [markdown]
# `loss` is a function like every other in this book: it maps rows of parameters to losses. Six networks with random weights descend
# together until their gradients are below 1e-8. A descent that did not arrive is *not reached*, which `minima.converged` tells.
# `lowest_eigenvalue` is the lowest eigenvalue of the Hessian that twenty steps of Lanczos' method find, an upper bound on the true one: that
# it is positive is consistent with a minimum. For so small a network the next cell computes the whole Hessian.

# %% tags=["nbval-ignore-output"]
minima = lb.find_minima(
    loss,
    loss.initial_parameters(6),
    gradient_tolerance=1e-8,
    lowest_eigenvalue=True,
    test_error=lambda points: loss.error_rate(points, data.test),
)
minima.table().round({"value": 4, "gradient_norm": 9, "lowest_eigenvalue": 4, "test_error": 3})

# %% tags=["nbval-ignore-output"]
lowest = torch.linalg.eigvalsh(loss.hessian(minima.points))[:, 0]
print("lowest eigenvalues:", ", ".join(f"{value:.5f}" for value in lowest))

# %% [markdown]
# ## Paths
#
# On the straight line between two of these networks the loss is high. `connect` places points on the line, its *images*, and relaxes
# the path: each image moves down along the part of the gradient that is orthogonal to the path, the images are distributed again along
# it, and every round adds two images where the loss is highest. All pairs and all images are evaluated together. With `max_rounds=0` the
# lines stay straight.

# %% tags=["nbval-ignore-output"]
straight = lb.connect(loss, minima, max_rounds=0, initial_images=41)
paths = lb.connect(loss, minima)
lines, relaxed = straight.heights.median(), paths.heights.median()
print(f"highest loss on the path, median of {len(paths)} pairs: straight {lines:.3f}, relaxed {relaxed:.3f}")
print(f"the minima themselves: {minima.values.min():.3f} to {minima.values.max():.3f}")

# %% mystnb={"figure": {"caption": "Loss along the paths between all pairs of six trained networks. One path is highlighted; pick another from the list below. Dashed: on the straight line. Orange: on the relaxed path, with its highest point (diamond) and the two minima (dots). Grey: the other paths.", "name": "fig-profiles"}}
lb.charts.path_profiles(paths, before=straight)

# %% [markdown]
# ## From paths to bars
#
# Minima and paths form a graph, and the elder rule reads the barcode off it, as it does for basins. Often the lowest way from one
# minimum to another leads through a third; then the direct path does not matter, and `connect` stops optimising it.

# %% tags=["nbval-ignore-output"]
bars = lb.barcode(paths)
print(f"paths that the barcode uses: {int(bars.is_finite.sum())} of {len(paths)}")
bars.table()[["birth", "death", "length"]].round(3)

# %% mystnb={"figure": {"caption": "The barcode of the six minima: each bar from the loss of the minimum (dot) to the highest loss on the lowest path found to a lower one (diamond). Click a bar to select it.", "name": "fig-network-bars"}}
lb.charts.barcode(bars)

# %% [markdown]
# ## What is wrong with these deaths
#
# A path that was found shows that the minimum can be left at the highest loss on it; it does not show that there is no lower one. So every
# death here is *bounded above*. That a last round changed little makes a path *quiet*, which proves nothing: valleys of networks are flat,
# and a path may rest on the wrong pass ({doc}`13_profiled_losses` has an example). And these paths must end at one of six minima, while a
# bar asks for the lowest way to *anything* lower. More rounds lower the bars further, so their lengths describe the effort as much as the loss.
#
# ## Escapes
#
# `transition_network` searches upwards from a minimum itself, along its softest modes, until it meets a saddle; descends from there to both
# sides; and goes on from what it reaches, the lowest first, until it reaches something lower. Its passes are stationary points, and
# `kinds` tells what is known of each. To keep this short, four of the six minima are left, and only along two modes of each, both
# signs; more of them may find lower passes.

# %% tags=["nbval-ignore-output"]
chosen = [0, 1, 4, 5]
network = lb.transition_network(loss, minima[chosen], modes=2, sweeps=1, features=lambda points: study.copy_invariants(loss, points))
network.table().round({"height": 6, "gradient_norm": 10, "lowest_eigenvalue": 6}).head(8)

# %% tags=["nbval-ignore-output"]
by_paths = bars.table().set_index("minimum_row")["length"]
lengths = pd.DataFrame(
    {
        "by paths to the other five": by_paths.reindex(chosen),
        "by escapes to anything lower": network.deaths() - network.minima.values[network.given_row],
    },
    index=chosen,
)
left = lengths.replace(torch.inf, float("nan"))
print(f"minima known now: {len(network.minima)}; left by an escape: {int(left.iloc[:, 1].notna().sum())} of {len(left)}")
lengths.rename_axis("minimum").style.format("{:.1e}")

# %% [markdown]
# The *disconnectivity graph*, or merge tree, shows which minima are joined at which loss. Four of these minima were given; the others were met
# on the way, and the heights at which they are joined to lower ones were not looked for.

# %% mystnb={"figure": {"caption": "Disconnectivity graph of the transition network: every vertical line ends below at a minimum of the loss, and above where it is joined to a lower one. Arrows end nowhere yet: no way from there to something lower is known. Click a line to select it.", "name": "fig-disconnectivity"}}
with warnings.catch_warnings(action="ignore"):  # it is in several parts
    tree = lb.charts.merge_tree(network)
tree

# %% [markdown]
# The two columns answer different questions: what is needed to reach one of five trained networks, and what is needed to reach
# anything lower. The second is the bar. Its end is a proven saddle where all eigenvalues of the Hessian were computed and exactly one is
# negative (`network.bars_table()`); that there is no lower pass is not shown.
#
# ## What coverage says
#
# A bar is judged by the minima that are known. `deduplicate` puts copies of a network together and estimates the chance that one more
# descent ends in a class that is known. After six descents to six different classes it is estimated as 0: there are many more
# minima than these.

# %% tags=["nbval-ignore-output"]
classes = minima.deduplicate(1e-3, features=study.copy_invariants(loss, minima.points))
print(classes.coverage)

# %% [markdown]
# The last layer can be solved for, which changes no bar and leaves fewer parameters; `connect` does so at every place of a finished path.
# {doc}`13_profiled_losses` proves it, and shows what it buys.
#
# ## Hidden units have no order
#
# Renumber the hidden units of a network, and it computes the same outputs as before; in the space of parameters it is a different
# point. Eight units can be numbered in 40,320 ways. `aligned` chooses for each network the numbering (and, for an odd activation such
# as tanh, the signs) that brings it closest to the first one ({cite:t}`ainsworth2023git`).
#
# How does this affect a bar? A path from a minimum to a renumbered lower one *is* a path to something lower, and if all of it is
# renumbered back, it starts at the original minimum. So the aligned path bounds the same bar, and of two upper bounds the lower one
# counts.

# %% tags=["nbval-ignore-output"]
shorter = lb.barcode(lb.connect(loss, minima.aligned(loss)))
both = pd.concat({"as trained": bars.table(), "aligned": shorter.table()}, names=["networks"]).reset_index(level=0)
both = both[both["death"] < torch.inf][["networks", "minimum_row", "birth", "death", "length"]]
medians = both.groupby("networks")["length"].median()
print(f"median length of a bar: {medians['as trained']:.3f} as trained, {medians['aligned']:.3f} aligned")

# %% mystnb={"figure": {"caption": "Bars of the same minima, all but the lowest: from paths between the networks as they were trained, and after their hidden units were renumbered. Both deaths are upper bounds on the loss at which the minimum can be left.", "name": "fig-align"}}
rule = alt.Chart(both).encode(
    x=alt.X("minimum_row:O", title="minimum"),
    xOffset=alt.XOffset("networks:N", sort=["as trained", "aligned"]),
    color=alt.Color("networks:N", sort=["as trained", "aligned"], scale=alt.Scale(range=["#D55E00", "#0072B2"]), title=None),
    y=alt.Y("birth:Q", title="loss", scale=alt.Scale(zero=False)),
    tooltip=[
        "networks",
        alt.Tooltip("minimum_row", title="minimum"),
        alt.Tooltip("birth:Q", format=".4f"),
        alt.Tooltip("death:Q", format=".4f"),
    ],
)
rule.mark_rule(strokeWidth=7).encode(y2="death:Q").properties(width=alt.Step(20), height=240)

# %% [markdown]
# ## Height against work
#
# Four ways to bound the bars of the same six minima of a fully connected tanh network (64-16-10), trained until the gradient is below 1e-8,
# hidden units aligned: `connect`; the whole algorithm of {cite:t}`barannikov2020loss` (`study.heights_as_published`); the rules of AutoNEB
# by {cite:t}`draxler2018essentially` (`study.heights_by_auto_neb`); and `transition_network`. The rules of other
# authors are run with far fewer steps than published (of AutoNEB 16 to 160 instead of 16,000), with gradients on all images, and those of
# the papers with a step size of 0.1, which is not tuned: a larger one is lower here, and diverged with four layers. Work is counted in gradients of one network on all 300 images: a product with the Hessian counts two, a loss
# alone a third. Paths end at one of the six minima. Escapes may end at anything lower.


# %%
@functools.cache
def six_minima(layers):
    """A loss of networks of width 16, and six aligned minima."""
    module = lb.networks.FullyConnected(64, (16,) * (layers - 1), 10, nn.Tanh).double()
    loss = lb.networks.network_loss(module, train, l2=1e-3)
    schedule = lb.TrainingSchedule(epochs=200, lr=0.1, final_lr=0.01, constant_epochs=60, decay_end=180, batch_size=50)
    starts = loss.initial_parameters(6, seed=0)
    ends = lb.find_minima(loss, starts, training=schedule, max_steps=3000, gradient_tolerance=1e-8, progress=False)
    return loss, ends.aligned(loss)


def bounds_by_paths(heights, minima):
    """Lengths of the finite bars of minima that paths between all pairs join."""
    pairs = torch.combinations(torch.arange(len(minima)))
    graph = lb.Graph(minima.values, pairs, torch.maximum(heights, minima.values[pairs].amax(1)))
    bars = lb.barcode(graph)
    return bars.length[bars.is_finite]


def lengths_of_escapes(network, among_given):
    """Lengths of the bars of the given minima, those without a known way to something lower left out; and how many those are."""
    births, deaths = network.minima.values[network.given_row], network.deaths(among_given=among_given)
    return (deaths - births)[deaths < torch.inf], int((deaths == torch.inf).sum())


PATHS = {
    "strings": lambda loss, minima, effort: lb.connect(loss, minima, max_rounds=effort, hessian_products=0, progress=False).heights,
    "as published": lambda loss, minima, effort: study.heights_as_published(loss, minima, lr=0.1, steps_per_round=effort),
    "AutoNEB": lambda loss, minima, effort: study.heights_by_auto_neb(loss, minima, steps_per_round=effort),
}
# rounds, steps per round, the same, modes
EFFORTS = {"strings": (2, 4, 16), "as published": (1, 3, 10), "AutoNEB": (1, 3, 10), "escapes": (2,)}


def work_job(layers, method, effort):
    """Rows of the table: gradients spent, and the lengths that they bought."""
    loss, minima = six_minima(layers)
    counted, start = study.Counted(loss), time.perf_counter()
    if method == "escapes":
        options = dict(modes=effort, sweeps=1, features=lambda points: study.copy_invariants(loss, points))
        network = lb.transition_network(counted, minima, progress=False, **options)
        found = {"anything lower": lengths_of_escapes(network, False), "within the sample": lengths_of_escapes(network, True)}
    else:
        found = {"within the sample": (bounds_by_paths(PATHS[method](counted, minima, effort), minima), 1)}
    work = {"gradients": round(counted.gradients), "seconds": round(time.perf_counter() - start, 1)}
    return [
        {
            "deaths": deaths,
            **work,
            "bars": len(lengths),
            "without_end": without_end,
            "median_length": float(lengths.median()) if len(lengths) else float("nan"),
            "to_score": float(lengths.sum()) / 2,
        }
        for deaths, (lengths, without_end) in found.items()
    ]


JOBS = [dict(layers=2, method=method, effort=effort) for method, efforts in EFFORTS.items() for effort in efforts]
if PRESET == "full":
    study.run_jobs(work_job, JOBS, file="results/06_work.csv", command="LOSSBARCODE_PRESET=full python 06_minima_and_paths.py")
work = study.load_result("06_work.csv")
work.drop(columns=["layers", "seconds"])

# %% mystnb={"figure": {"caption": "Median length of the bars of the same six minima, against the work spent on them, both on logarithmic scales. Paths bound the five bars that lead to one of the six; escapes lead to anything lower, and ended five bars of six.", "name": "fig-work"}}
drawn = work[work["bars"] > 0].assign(
    series=lambda table: table["method"] + ", to " + table["deaths"].replace("within the sample", "one of the six")
)
axes = {name: alt.Scale(type="log", nice=False, padding=15) for name in ("gradients", "median_length")}
base = alt.Chart(drawn).encode(
    x=alt.X(
        "gradients:Q", title="work in gradients", scale=axes["gradients"], axis=alt.Axis(format="~s", values=[1e4, 2e4, 5e4, 1e5, 2e5])
    ),
    y=alt.Y("median_length:Q", title="median length of a bar", scale=axes["median_length"], axis=alt.Axis(format=".0e")),
    color=alt.Color(
        "series:N", title=None, scale=alt.Scale(range=["#D55E00", "#009E73", "#0072B2", "#CC79A7"]), legend=alt.Legend(labelLimit=250)
    ),
    tooltip=["series", "effort", "gradients", "bars", "without_end", alt.Tooltip("median_length:Q", format=".3g")],
)
(base.mark_line() + base.mark_point(size=70, filled=True, opacity=1)).properties(width=380, height=280)

# %% [markdown]
# At equal work `connect` bounds the bars lower than the other two rules for paths; what those reach with their published effort is not
# shown. Escapes take more work, and their bars are more than ten times shorter than the best by paths. They answer the question that a bar asks; paths between six
# trained networks answer another.

# %% [markdown]
# ## Your own module
#
# Any `nn.Module` can be used: here one with BatchNorm, and data from a `DataLoader`. The module does not depend on this package.


# %%
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.norm, self.out = nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.Linear(6, 10)

    def forward(self, image):
        return self.out(self.norm(self.convolution(image)).relu().amax((2, 3)))


loader = DataLoader(TensorDataset(*(part[:200] for part in lb.data.digits().train)), batch_size=50)

# %%
own_loss = lb.networks.network_loss(Own(), loader, nn.functional.cross_entropy, l2=1e-3)
training = lb.TrainingSchedule(epochs=30, lr=0.1, final_lr=0.001, constant_epochs=10, decay_end=25, batch_size=50)
own_minima = lb.find_minima(own_loss, own_loss.initial_parameters(4), training=training, max_steps=300)
own_paths = lb.connect(own_loss, own_minima)
own_bars = lb.barcode(own_paths)
best = own_loss.to_module(own_minima.points[own_bars.minimum_row[0]])  # a module with these parameters
print(type(best).__name__, len(own_bars), "bars")

# %% [markdown]
# BatchNorm uses the mean and the variance of the batch here, computed again for every network on a path, as in training: the running
# averages at the ends of a path are meaningless for a network between them. Modules that `torch.func.vmap` does not support are
# evaluated one after the other, with a warning. The networks above are in single precision and have a kink at every ReLU:
# `own_minima.gradient_norm` shows how close to minima they are.
#
# For long runs pass `checkpoint="file"` to `find_minima` and `connect`: a run resumes after an interruption, and ends with the
# same numbers.
#
# ## How fast it is
#
# Nearly all the time is spent on gradients of many networks at once. `make bench` compares their speed with two others: a loop over
# networks with `torch.func.functional_call`, and one single network on as many rows of data, which is the same arithmetic in one plain
# forward and backward pass. In gradients per second:

# %%
report = study.load_result("06_gradients.json")
rows = pd.DataFrame({"problem": b["group"], "seconds": b["stats"]["median"], **b["extra_info"]} for b in report["benchmarks"])
speed = rows.pivot(index="problem", columns="tool", values="gradients_per_second")
speed.index = speed.index.str.removeprefix("gradients: ")
ratio = speed.rdiv(speed["lossbarcode"], axis=0).drop(columns="lossbarcode")
print(", ".join(f"{key}: {value}" for key, value in report["machine_info"].items()), "| date:", report["datetime"][:10])
speed.round(0).astype(int)

# %%
WANTED = (10, 1, 10)  # CNN, ResNet9, fully connected
loop, plain = ratio["loop over networks"], ratio["one network, all rows"]
goals = [(f"{case}: {goal} times a loop", loop[case], goal) for case, goal in zip(speed.index, WANTED, strict=True)]
goals += [(f"{case}: half of plain arithmetic", plain[case], 0.5) for case in speed.index]
verdicts = pd.DataFrame(goals, columns=["goal", "measured", "wanted"]).set_index("goal")
verdicts["met"] = verdicts["measured"] >= verdicts["wanted"]
verdicts.round(2)

# %% [markdown]
# For small networks the goal was ten times the speed of a loop. The fully connected one reaches it, by taking the rows of data as
# columns: products of many small matrices are then almost as fast as one large product. The CNN misses it. A loop over CNNs has no
# overhead that could be saved: it is as fast as one network on as many rows, and the only gain comes from data that stay in the cache.
# ResNet9 alone fills the cache, so it is evaluated one network at a time, which is what a loop does.
#
# ## What to remember
#
# - Minima come with evidence (gradient, lowest eigenvalue), and so do passes (gradient, negative eigenvalues).
# - Deaths are upper bounds, and quiet is not converged. Paths between trained networks must end at one of them; escapes need not.
# - A comparison needs at least equal effort, aligned networks, and the coverage of the minima.
#
# The overview of the package is in {doc}`../book/intro`; exact bars, for losses of few parameters, are in
# {doc}`02_gradient_morse_complex`.
