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
# # What is a barcode of minima?
#
# Training a network means descending on its loss. Where the descent ends depends on how hard it is to leave the places in
# which it can get stuck. A *barcode* describes this for every local minimum at once: each minimum gets a segment, from its
# own loss up to the loss of the lowest pass over which something lower can be reached. The length of the segment is the
# height that one has to climb to escape.
#
# This notebook builds the idea up from a curve. It assumes no topology.
#
# **Time:** a few seconds on two cores.

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

import numpy as np
import pandas as pd
import torch

# %% [markdown]
# ## A rising level
#
# Here is a loss of a single parameter. Everywhere in this book, a loss is a function that takes a batch of parameter
# vectors (a tensor `[n, d]`) and returns one number for each of them (a tensor `[n]`).


# %%
def hills(points):
    x = points[:, 0]
    return 1.5 + torch.sin(1.6 * x) + 0.55 * torch.cos(4.3 * x) - 0.12 * x


samples = lb.sample(hills, 701, bounds=[(0.2, 7.4)], method="grid", dtype=torch.float64)
basins = lb.basins(samples)
bars = lb.barcode(basins)

# %% [markdown]
# Think of the curve as a landscape of valleys, and fill it with water to a level $c$, everywhere at once. The part under
# water, $\{x : f(x) \le c\}$, is called the {term}`sublevel set`. Raise the level with the slider under {numref}`fig-level`
# and observe three things:
#
# * A lake appears at each local minimum when the level reaches it. A bar starts: it is **born**.
# * Two lakes meet at a pass. One colour takes over: that of the lake with the *deeper* bottom. The other bar ends: it
#   **dies** there. This is the {term}`elder rule`: the older lake (the one that appeared at a lower level) lives on.
# * The lake of the global minimum takes over all others and never dies. Its bar is infinite.

# %% mystnb={"figure": {"caption": "Left: a curve and a movable level. The part of the curve below the level is coloured by the bar that its component has at this level. Right: the bars, drawn up to the level. Dots are minima; a diamond marks the saddle at which a bar ends.", "name": "fig-level"}}
lb.charts.sublevel_explorer(basins, bars)

# %% [markdown]
# When the level has passed the highest pass, the bars are complete. The table lists them in ascending order of birth.
# `minimum_row` and `saddle_row` are rows of `samples`, so the location of each is one lookup away, and `parent` is the bar
# into which each one merges.

# %%
table = bars.table().round(4)
table.insert(0, "x of minimum", samples.points[bars.minimum_row][:, 0].numpy().round(2))
table

# %% [markdown]
# ## The height to climb
#
# The column `death` is the important one. Take the bar of the minimum near $x = 3.5$. To get from there to
# anything lower, one has to walk along the curve, to the left or to the right, and to climb to some height on the way. The
# lowest such height over all ways is the bar's death. On a curve there are only two ways out, so this can be checked
# directly:


# %%
def lowest_escape(row):
    """Walk left and right from a sample until something lower is reached; return the lower of the two highest losses on the way."""
    f = samples.values.numpy()
    heights = []
    for walk in (f[row::-1], f[row:]):
        lower = np.flatnonzero(walk < f[row])
        heights.append(walk[: lower[0]].max() if len(lower) else math.inf)
    return min(heights)


check = pd.DataFrame({"death": bars.death, "lowest escape": [lowest_escape(row) for row in bars.minimum_row.tolist()]}).round(4)
check

# %% [markdown]
# Both columns agree, and the global minimum has no escape to anything lower.
#
# Note what the rule does *not* state. The pass over which a bar dies need not be adjacent to its minimum, and the lower
# place to which it leads need not be the next minimum: the way may go down and up again through other minima. The end of
# the way is *anything* lower.
#
# ## Counting components
#
# How many lakes are there at a level $c$? As many as there are bars that have been born and have not yet died at $c$.
# Topologists call this number the zeroth Betti number of the sublevel set, and the barcode contains it for all levels.

# %%
levels = np.linspace(-0.5, 3, 8)
below = samples.values.numpy()[None] <= levels[:, None]
lakes = below[:, :1].sum(1) + (below[:, 1:] & ~below[:, :-1]).sum(1)  # a lake starts where "below" does
crossing = ((bars.birth.numpy() <= levels[:, None]) & (levels[:, None] < bars.death.numpy())).sum(1)
pd.DataFrame({"level": levels, "lakes on the curve": lakes, "bars that cross it": crossing}).set_index("level").T

# %% [markdown]
# ## From samples to basins to bars
#
# In two dimensions one can walk around a hill, and in a million dimensions nobody can draw a map. But the same idea works
# on any set of samples for which the neighbors of each sample are known:
#
# 1. **Descend.** Every sample points to its lowest neighbor. Following the pointers leads from each sample down to a
#    minimum; all samples that lead to the same minimum form its {term}`basin`.
# 2. **Find the passes.** Among the pairs of neighbors that lie in different basins, keep the lowest connections that join
#    all basins: one fewer than there are basins.
# 3. **Apply the elder rule** to the small graph that remains: minima joined by passes.
#
# None of the three steps needs to process the samples one after another, which is why they are fast. Here they are for a
# function with six minima, the *six-hump camel*, from 131,072 samples.

# %%
camel = lb.basins(lb.sample(lb.functions.SixHumpCamel(), 2**17, dtype=torch.float64))
graph = camel.graph
passes = pd.DataFrame(graph.edges.numpy(), columns=["basin", "and basin"])
passes["height of the pass"] = graph.heights.numpy()
passes.sort_values("height of the pass", ignore_index=True).round(3)

# %% [markdown]
# The elder rule needs nothing more than these six minima and five passes. Going through the list from the top (lowest pass
# first), each pass joins two components and ends the younger one. {numref}`fig-camel` shows the result in the plane.
# Click a bar: its minimum, its saddle and its basin are highlighted.

# %% mystnb={"figure": {"caption": "The six-hump camel function. Left: its basins, its minima (dots) and, joined to each minimum, the saddle (diamond) that is its lowest exit; dark is low. Right: the barcode, and the merge tree, which shows into which bar each bar merges. The infinite bar ends in an arrow.", "name": "fig-camel"}}
lb.charts.dashboard(camel, lb.barcode(camel))

# %%
lb.barcode(camel).table().round(3)

# %% [markdown]
# The function is symmetric ($f(x, y) = f(-x, -y)$), so its minima come in pairs of equal depth. Of the two deepest, one
# counts as the global minimum; to leave the other, one has to climb to the saddle at the origin, where $f = 0$.
#
# ## The same, in algebra
#
# Barcodes were first introduced as *canonical forms* {cite:p}`barannikov1994framed`. Take the double well
# $f(x) = x^4 - x^2 + x/10$. It has two minima, $p_0$ and $p_1$, and one saddle $q$ between them.

# %%
well = lb.barcode(lb.sample(lb.functions.DoubleWell(), 3001, method="grid", dtype=torch.float64))
well.table().round(5)

# %% [markdown]
# From the saddle, steepest descent leads to $p_0$ on one side and to $p_1$ on the other. Write this as a linear map over
# the field of two elements, $\partial q = p_0 + p_1$, and order the generators by their loss. As a matrix:
#
# $$\partial = \begin{pmatrix} 1 \\ 1 \end{pmatrix} \begin{matrix} p_0 \\ p_1 \end{matrix}.$$
#
# Now change the basis, but only in ways that respect the order: to a generator one may add others of *lower* loss. Take
# $p_1' = p_1 + p_0$ instead of $p_1$. It still enters at the level $f(p_1)$, the higher of the two, and
#
# $$\partial q = p_1', \qquad \partial = \begin{pmatrix} 0 \\ 1 \end{pmatrix}\begin{matrix} p_0 \\ p_1' \end{matrix}.$$
#
# The complex has split into two independent blocks: $\{p_1', q\}$, which is the bar $[f(p_1), f(q)]$, and $\{p_0\}$
# alone, which is the bar $[f(p_0), \infty)$. The theorem states that this is always possible, for critical points of every
# index, and that the blocks do not depend on how it is done: the {term}`canonical form` is unique. In degree zero it
# states the elder rule: *add the older to the younger; the younger dies*.
#
# ## Three ways to look at it
#
# The {term}`merge tree` and the {term}`persistence diagram` show the same bars as the barcode. The tree adds which bar
# merges into which; the diagram makes long bars stand out, far above the diagonal.

# %% mystnb={"figure": {"caption": "The bars of the curve above as a merge tree and as a persistence diagram.", "name": "fig-tree-diagram"}}
lb.charts.merge_tree(bars, width=300) | lb.charts.diagram(bars, width=300, height=300)

# %% [markdown]
# ## One number, and why it can be trusted
#
# How far is a loss from having no obstacles at all? The ideal barcode is a single infinite bar. The {term}`TO-score` is the
# distance to it: here half the sum of the lengths of the finite bars. And how much can errors in the loss change a barcode?
# Never more than the errors themselves: the {term}`bottleneck distance` of two barcodes is at most the largest
# difference of the two functions. To see this, add noise to the curve.

# %%
noise = 0.05 * (2 * torch.rand(len(samples), generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1)
noisy = lb.barcode(samples.values + noise)  # an array on a grid
print(f"bars: {len(bars)} without noise, {len(noisy)} with noise, {int((noisy.length > 0.1).sum())} of them longer than 0.1")
print(f"TO-score: {lb.obstruction_score(bars):.3f} without noise, {lb.obstruction_score(noisy):.3f} with noise")
print(f"largest noise {float(noise.abs().max()):.3f}, bottleneck distance {lb.bottleneck_distance(bars, noisy):.3f}")

# %% [markdown]
# Noise creates many new minima, but only short bars: none of them is longer than twice the largest noise. The long bars
# have hardly changed. This is why one looks at the long bars first, and why a TO-score, which is a sum over all bars,
# should be read together with their number.
#
# **Try it.** Change `hills` and run the notebook again. Can you construct a curve on which a bar dies at a pass that is not
# adjacent to its minimum?
