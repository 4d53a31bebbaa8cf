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
# A network's loss is a function of hundreds or of millions of parameters. Nobody can sample that space. But the bar of a minimum needs
# little of it: the minimum, and the lowest way over to something lower. This notebook trains networks, joins them by paths, lets the
# paths sink as {cite:t}`barannikov2020loss` do, and reads the barcode off them. It also shows what such a barcode is not: every upper
# end is a bound, and the more one works, the lower it gets.
#
# **Time:** two minutes on two cores. Data: scikit-learn's handwritten digits, which need no network.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lossbarcode") is None:  # on Colab, say
    source = "git+https://github.com/lossbarcode/lossbarcode"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import lossbarcode as lb

# %%
from dataclasses import replace

import altair as alt
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

# %% [markdown]
# ## Minima
#
# A small network with one hidden layer reads digits of 8 x 8 pixels. Its loss is the mean cross-entropy of 300 images and a penalty on the
# squares of all weights. Without the penalty there would be no minima at all: a network that gets every image right gains by
# making its weights larger, forever.

# %%
data = lb.data.digits().to(dtype=torch.float64)
train = tuple(part[:300] for part in data.train)
network = lb.networks.FullyConnected(64, (8,), 10, nn.Tanh).double()
loss = lb.networks.loss_of(network, train, penalty=1e-3)
loss

# %% [markdown]
# `loss` is a function like every other in this book: rows of parameters in, losses out. Six networks with random
# weights descend together until their gradients vanish. The evidence is in the table: the length of the gradient, and
# `curvature`, the lowest eigenvalue of the Hessian that Lanczos' method finds in twenty steps. That it is positive is
# evidence of a minimum; the proof is the whole Hessian, which so small a network allows.

# %% tags=["nbval-ignore-output"]
minima = lb.find_minima(loss, loss.starts(6), tolerance=1e-5, curvature=True, test_error=lambda points: loss.error(points, data.test))
assert (minima.gradient_norm <= 1e-5).all()
assert (minima.curvature > 0).all()
minima.table().round({"loss": 4, "gradient_norm": 5, "curvature": 4, "test_error": 3})

# %% tags=["nbval-ignore-output"]
axes = torch.eye(loss.dimension, dtype=torch.float64)
hessians = (loss.hessian_product(point.expand_as(axes), axes) for point in minima.points)
lowest = torch.stack([torch.linalg.eigvalsh(hessian)[0] for hessian in hessians])
print("lowest eigenvalues:", ", ".join(f"{value:.5f}" for value in lowest))
assert (lowest > 0).all()
assert (minima.curvature > lowest - 1e-9).all()

# %% [markdown]
# ## Paths
#
# A straight line between two of these networks runs over a mountain. `connect` takes points on the line, its *images*, and lets them
# sink: each goes down by the part of the gradient that is orthogonal to the path, the images are spread again along it, and every
# round adds two where the loss is highest. All pairs and all images are evaluated together. With `rounds=0` the lines stay straight.

# %% tags=["nbval-ignore-output"]
straight = lb.connect(loss, minima, rounds=0, images=41)
paths = lb.connect(loss, minima)
print(f"highest loss on the way, median of {len(paths)} pairs: straight {straight.saddle.median():.3f}, sunk {paths.saddle.median():.3f}")
print(f"the minima themselves: {minima.values.min():.3f} to {minima.values.max():.3f}")
assert (paths.saddle < straight.saddle).all()

# %% mystnb={"figure": {"caption": "Loss along the paths between all pairs of six trained networks. One stands out; pick another from the list below. Dashed: on the straight line. Orange: after the path has sunk, with its highest point (diamond) and the two minima (dots). Grey: the other paths.", "name": "fig-profiles"}}
lb.charts.profiles(paths, before=straight)

# %% [markdown]
# ## From paths to bars
#
# Minima and paths are a graph, and the elder rule reads the barcode off it, as it does off basins. Often the lowest way from one
# minimum to another leads through a third: then the direct path has no say, and `connect` does not work on it to the end.

# %% tags=["nbval-ignore-output"]
bars = lb.barcode(paths)
assert len(bars) == len(minima)
print(f"paths that the barcode uses: {int(bars.finite.sum())} of {len(paths)}")
bars.table()[["birth", "death", "length"]].round(3)

# %% mystnb={"figure": {"caption": "The barcode of the six minima: each from its loss (dot) to the highest loss on the lowest way found to a lower one (diamond). Click a bar to pick it.", "name": "fig-network-bars"}}
lb.charts.barcode(bars)

# %% [markdown]
# ## What the upper ends are worth
#
# A path that was found is a proof that the minimum can be left at that height; it is no proof that there is no lower
# way. So every upper end is an *upper bound*. `table()` says what is known of each path that the barcode uses: by how
# much the last round still lowered it, how long the gradient at its highest point is, and how many negative eigenvalues
# of the Hessian were found there. A pass has exactly one and no gradient; if that is what was found to the tolerance,
# the path is called `index-1 saddle`, and otherwise `path bound`.

# %% tags=["nbval-ignore-output"]
looked_at = paths.table()[lambda table: table["negative"] >= 0]
looked_at.drop(columns=["from", "to"]).round({"saddle": 4, "change": 5, "gradient_norm": 4}).reset_index(drop=True)

# %% [markdown]
# Nor does a small change in the last round prove that a path is at its end: valleys of networks are flat. The honest test is to spend more.

# %% tags=["nbval-ignore-output"]
efforts = {"2 rounds": dict(rounds=2), "4 rounds": dict(rounds=4), "16 rounds (above)": None, "16 rounds of 40 steps": dict(steps=40)}
heights = pd.DataFrame(
    {
        effort: (bars if options is None else lb.barcode(lb.connect(loss, minima, **options))).table().set_index("minimum")["length"]
        for effort, options in efforts.items()
    }
).replace(torch.inf, float("nan"))
medians = heights.median()
print(medians.round(3).to_string())
assert medians.iloc[0] > medians.iloc[1] > 1.5 * medians.iloc[2:].max()

# %% [markdown]
# The bars get many times shorter with effort, until more hardly helps. **A barcode of networks by paths is as much a statement about the
# work as about the loss.** Compare two networks only at equal effort, and look at how the comparison changes when the effort does.
#
# ## A slice through a path
#
# Two minima and the top of the path between them span a plane. Here is the loss on it, with the path as it looks
# from straight above; only at its ends and its top does it lie in the plane. Walk along the path and compare its loss
# with that of the plane right below it, which climbs to more than twice the height of the path: the path has stepped
# aside into some of the other directions.


# %% tags=["nbval-ignore-output"]
def slice_through(paths, row, side=61):
    """The loss on the plane through the ends and the top of a path, the path's shadow there, and the loss at the shadow."""
    images = paths.points[row]
    start, end, top = images[0], images[-1], images[paths.values[row].argmax()]
    across = (end - start) / (end - start).norm()
    up = (top - start) - (top - start) @ across * across
    plane = torch.stack([across, up / up.norm()])
    shadow = (images - start) @ plane.T
    middle, size = shadow.mean(0), 1.3 * (shadow.amax(0) - shadow.amin(0)).max()
    box = torch.stack([middle - size / 2, middle + size / 2], 1)
    samples = lb.sample(lambda flat: loss(start + flat @ plane), side**2, bounds=box, method="grid", dtype=torch.float64)
    return samples, shadow, loss(start + shadow @ plane)


row = int(bars.saddle[1]) // paths.values.shape[1]
samples, shadow, below = slice_through(paths, row)
basins = lb.basins(samples)
flat_bars = lb.barcode(basins)
a, b = paths.pairs[row].tolist()
on_slice = float(flat_bars.death[flat_bars.finite].max()) if flat_bars.finite.any() else float("nan")
print(f"minima of the slice: {len(flat_bars)}; its highest pass: {on_slice:.3f}; top of the path from {a} to {b}: {paths.saddle[row]:.3f}")
assert paths.saddle[row] < on_slice
assert below.max() > 2 * paths.values[row].max()

# %% mystnb={"figure": {"caption": "Left: the loss on the plane through two trained networks and the highest point of the path between them, shaded by rank, dark is low. White: the path, seen from straight above; it leaves the plane. The slice has minima (dots) and passes (diamonds) of its own, which are none of the loss. Right: the loss along the path (orange) and in the plane below it (grey). The slider moves the ring, left, and the line, right, along the path.", "name": "fig-slice"}}
images = range(len(shadow))
walk = pd.DataFrame({"x": shadow[:, 0], "y": shadow[:, 1], "image": images, "on the path": paths.values[row], "in the plane below": below})
place = alt.param(
    name="place", value=int(paths.values[row].argmax()), bind=alt.binding_range(min=0, max=len(walk) - 1, step=1, name="image of the path ")
)
track = alt.Chart(walk).mark_line(color="white", strokeWidth=2.5, strokeDash=[2, 2]).encode(x="x:Q", y="y:Q", order="image:Q")
ring = track.mark_point(size=160, color="#D55E00", strokeWidth=3, opacity=1).transform_filter("datum.image == place")
along = (
    alt.Chart(walk)
    .transform_fold(["on the path", "in the plane below"], as_=["where", "loss"])
    .encode(x=alt.X("image:Q", title="image of the path", scale=alt.Scale(nice=False)))
)
heights = along.mark_line().encode(
    y=alt.Y("loss:Q", title="loss"),
    color=alt.Color(
        "where:N",
        scale=alt.Scale(range=["#D55E00", "#888888"], domain=["on the path", "in the plane below"]),
        title=None,
        legend=alt.Legend(orient="top"),
    ),
)
here = along.mark_rule(strokeDash=[4, 3]).transform_filter("datum.image == place")
dots = (
    heights.mark_point(size=60, filled=True, opacity=1)
    .encode(tooltip=["where:N", alt.Tooltip("loss:Q", format=".4f")])
    .transform_filter("datum.image == place")
)
flat_map = lb.charts.basin_map(basins, flat_bars, limit=8) + track + ring
(flat_map | (heights + here + dots).properties(width=260, height=300)).resolve_scale(color="independent").add_params(place)

# %% [markdown]
# ## Hidden units have no order
#
# Renumber the hidden units of a network, and it computes what it did before; in the space of parameters it is somewhere
# else. Eight units can be numbered in 40,320 ways. `align` chooses for each network the numbering closest to the first
# one's ({cite:t}`ainsworth2023git`).
#
# What does that do to a bar? A path from a minimum to a renumbered lower one *is* a path to something lower, and renumbering all of it
# back starts it at the original minimum. So the aligned path bounds the same bar, and of two upper bounds the lower one counts.

# %% tags=["nbval-ignore-output"]
aligned = replace(minima, points=lb.networks.align(loss, minima.points))
assert torch.allclose(loss(aligned.points), minima.values)
shorter = lb.barcode(lb.connect(loss, aligned))
both = pd.concat({"as trained": bars.table(), "aligned": shorter.table()}, names=["networks"]).reset_index(level=0)
both = both[both["death"] < torch.inf][["networks", "minimum", "birth", "death", "length"]]
medians = both.groupby("networks")["length"].median()
print(f"median length of a bar: {medians['as trained']:.3f} as trained, {medians['aligned']:.3f} aligned")
assert medians["aligned"] < medians["as trained"]

# %% mystnb={"figure": {"caption": "Bars of the same minima, all but the lowest: from paths between the networks as they were trained, and after their hidden units were renumbered. Both upper ends bound the height that it takes to leave the minimum.", "name": "fig-align"}}
rule = alt.Chart(both).encode(
    x=alt.X("minimum:O", title="minimum"),
    xOffset=alt.XOffset("networks:N", sort=["as trained", "aligned"]),
    color=alt.Color("networks:N", sort=["as trained", "aligned"], scale=alt.Scale(range=["#D55E00", "#0072B2"]), title=None),
    y=alt.Y("birth:Q", title="loss", scale=alt.Scale(zero=False)),
    tooltip=["networks", "minimum", alt.Tooltip("birth:Q", format=".4f"), alt.Tooltip("death:Q", format=".4f")],
)
rule.mark_rule(strokeWidth=7).encode(y2="death:Q").properties(width=alt.Step(20), height=240)

# %% [markdown]
# ## Your own module
#
# Any `nn.Module` will do: here one with BatchNorm, and data from a `DataLoader`. Nothing in it knows of this package.


# %%
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.norm, self.out = nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.Linear(6, 10)

    def forward(self, image):
        return self.out(self.norm(self.convolution(image)).relu().amax((2, 3)))


loader = DataLoader(TensorDataset(*(part[:200] for part in lb.data.digits().train)), batch_size=50)

# %%
own_loss = lb.networks.loss_of(Own(), loader, nn.functional.cross_entropy, penalty=1e-3)
recipe = lb.Recipe(epochs=30, rate=0.1, last_rate=0.001, hold=10, until=25, batch_size=50)
own_minima = lb.find_minima(own_loss, own_loss.starts(4), recipe=recipe, steps=300)
own_paths = lb.connect(own_loss, own_minima)
own_bars = lb.barcode(own_paths)
best = own_loss.module_of(own_minima.points[own_bars.minimum[0]])  # a module again
print(type(best).__name__, len(own_bars), "bars")
assert own_minima.values.max() < own_loss(own_loss.starts(4)).min()
assert (own_paths.saddle >= own_minima.values[own_paths.pairs].amax(1)).all()

# %% [markdown]
# BatchNorm takes the mean and the variance of the batch here, anew for every network on a path, as in training: running averages
# of the ends say nothing about a network between them. Modules that `torch.func.vmap` cannot take are evaluated in a loop, with a warning.
# The networks above are in single precision and have a kink at every ReLU: how far they converged is in `own_minima.gradient_norm`.
#
# For long runs give `find_minima` and `connect` a `checkpoint="file"`: a run that was killed goes on where it stopped, and ends with the
# same numbers.
#
# ## How fast it is
#
# Nearly all the time goes into gradients of many networks at once. `make bench` measures it beside two others: a loop over
# networks with `torch.func.functional_call`, and one single network on as many rows of data, which is the same arithmetic in one plain
# forward and backward pass. In gradients a second:

# %%
report = lb.experiments.committed("06_gradients.json")
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
verdicts = pd.DataFrame(goals, columns=["goal", "reached", "wanted"]).set_index("goal")
verdicts["met"] = verdicts["reached"] >= verdicts["wanted"]
(cnn,) = [case for case in speed.index if case.startswith("CNN")]
assert speed.loc[cnn, "loop over networks"] > 0.8 * speed.loc[cnn, "one network, all rows"]
assert verdicts.index[~verdicts["met"]].str.startswith("CNN").all()
verdicts.round(2)

# %% [markdown]
# Ten times a loop was the goal for small networks. The fully connected one reaches it, with rows of data as columns: products of many small
# matrices then come close to one large product. The CNN misses it. A loop over CNNs has no overhead to save here: it is as
# fast as one network on as many rows, and what there is to gain comes from data that stay in the cache. ResNet9 fills the cache alone;
# so it is evaluated one network at a time, which is what a loop does.
#
# ## What to take home
#
# - Minima come with evidence (gradient, curvature), paths too (change, gradient, negative eigenvalues).
# - Upper ends of bars are upper bounds. They sink with effort and with alignment; equal effort is the least that a comparison needs.
# - Slices and straight lines show walls that paths walk around.
#
# The rules of the package are in {doc}`../book/intro`; bars that are exact, because the loss has few parameters, in
# {doc}`02_gradient_morse_complex`.
