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
# needs little of it: the minimum, and the lowest path to something lower. This notebook trains networks, joins them by paths, relaxes
# the paths as {cite:t}`barannikov2020loss` do, and reads the barcode off them. It also shows the limits of such a barcode: every death
# is an upper bound, and it decreases with further computation.
#
# **Time:** two minutes on two cores. The data, scikit-learn's handwritten digits, need no download.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lossbarcode") is None:  # on Colab, say
    source = "git+https://github.com/lossbarcode/lossbarcode"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import lossbarcode as lb

# %%
import altair as alt
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lossbarcode import study

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
# `loss` is a function like every other in this book: it maps rows of parameters to losses. Six networks with random
# weights descend together until their gradients vanish. The table shows the evidence: the norm of the gradient, and
# `lowest_eigenvalue`, the lowest eigenvalue of the Hessian that twenty steps of Lanczos' method find. The latter is an upper
# bound on the true one: that it is positive is consistent with a minimum. For so small a network the whole Hessian can be computed,
# and the next cell shows its lowest eigenvalues.

# %% tags=["nbval-ignore-output"]
minima = lb.find_minima(
    loss,
    loss.initial_parameters(6),
    gradient_tolerance=1e-5,
    lowest_eigenvalue=True,
    test_error=lambda points: loss.error_rate(points, data.test),
)
minima.table().round({"value": 4, "gradient_norm": 5, "lowest_eigenvalue": 4, "test_error": 3})

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
# ## How reliable the deaths are
#
# A path that was found shows that the minimum can be left at the highest loss on that path; it does not show that there is no lower
# path. So every death is an *upper bound*. `table()` records what is known about each path that the barcode uses: by how
# much the last round lowered it, the norm of the gradient at its highest point, and how many negative eigenvalues
# of the Hessian were found there. At the lowest pass there is exactly one, and the gradient vanishes. If this was found within the
# tolerance, the saddle evidence of the path is `index-1 saddle (numerical)`; otherwise it is `upper bound`.

# %% tags=["nbval-ignore-output"]
examined = paths.table()[lambda table: table["negative_eigenvalues"] >= 0]
examined.drop(columns=["from", "to"]).round({"height": 4, "last_decrease": 5, "gradient_norm": 4}).reset_index(drop=True)

# %% [markdown]
# A small decrease in the last round does not prove that a path has converged either: the valleys of networks are flat. A more reliable
# test is to compute longer.

# %% tags=["nbval-ignore-output"]
efforts = {
    "2 rounds": dict(max_rounds=2),
    "4 rounds": dict(max_rounds=4),
    "16 rounds (above)": None,
    "16 rounds of 40 steps": dict(steps_per_round=40),
}
heights = pd.DataFrame(
    {
        effort: (bars if options is None else lb.barcode(lb.connect(loss, minima, **options))).table().set_index("minimum_row")["length"]
        for effort, options in efforts.items()
    }
).replace(torch.inf, float("nan"))
medians = heights.median()
print(medians.round(3).to_string())

# %% [markdown]
# The bars become many times shorter with more computation, until more of it hardly helps. **A barcode from paths between networks
# describes the computational effort as much as the loss.** Compare two networks only at equal effort, and check how the comparison
# changes with the effort.
#
# ## A slice through a path
#
# Two minima and the highest point of the path between them span a plane. The figure shows the loss on it, together with the path
# as seen from straight above; only its ends and its highest point lie in the plane. Move along the path and compare its loss
# with that in the plane directly below it, which rises to more than twice the highest loss on the path: the path avoids these losses
# by using the other directions.


# %% tags=["nbval-ignore-output"]
def slice_through(paths, row, side=61):
    """The loss on the plane through the ends and the highest point of a path, the path's projection to it, and the loss there."""
    images = paths.points[row]
    start, end, top = images[0], images[-1], images[paths.values[row].argmax()]
    across = (end - start) / (end - start).norm()
    up = (top - start) - (top - start) @ across * across
    plane = torch.stack([across, up / up.norm()])
    projection = (images - start) @ plane.T
    middle, size = projection.mean(0), 1.3 * (projection.amax(0) - projection.amin(0)).max()
    box = torch.stack([middle - size / 2, middle + size / 2], 1)
    samples = lb.sample(lambda flat: loss(start + flat @ plane), side**2, bounds=box, method="grid", dtype=torch.float64)
    return samples, projection, loss(start + projection @ plane)


row = int(bars.saddle_row[1]) // paths.values.shape[1]
samples, projection, below = slice_through(paths, row)
basins = lb.basins(samples)
flat_bars = lb.barcode(basins)
a, b = paths.pairs[row].tolist()
on_slice = float(flat_bars.death[flat_bars.is_finite].max()) if flat_bars.is_finite.any() else float("nan")
print(f"minima of the slice: {len(flat_bars)}; its highest pass: {on_slice:.3f}")
print(f"highest loss on the path from {a} to {b}: {paths.heights[row]:.3f}; in the plane below it: {below.max():.3f}")

# %% mystnb={"figure": {"caption": "Left: the loss on the plane through two trained networks and the highest point of the path between them, shaded by rank, dark is low. White: the path, seen from straight above; it leaves the plane. The slice has minima (dots) and passes (diamonds) of its own, which are not minima and passes of the loss. Right: the loss along the path (orange) and in the plane below it (grey). The slider moves the ring (left) and the line (right) along the path.", "name": "fig-slice"}}
images = range(len(projection))
walk = pd.DataFrame(
    {"x": projection[:, 0], "y": projection[:, 1], "image": images, "on the path": paths.values[row], "in the plane below": below}
)
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
both = flat_map | (heights + here + dots).properties(width=260, height=300)
both.resolve_scale(color="independent", shape="independent", fill="independent").add_params(place)

# %% [markdown]
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
# `own_minima.gradient_norm` shows how far they converged.
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
# - Minima come with evidence (gradient, lowest eigenvalue), and so do paths (last decrease, gradient, negative eigenvalues).
# - Deaths are upper bounds. They decrease with effort and with alignment; a comparison needs at least equal effort.
# - Slices and straight lines show barriers that paths go around.
#
# The overview of the package is in {doc}`../book/intro`; exact bars, for losses of few parameters, are in
# {doc}`02_gradient_morse_complex`.
