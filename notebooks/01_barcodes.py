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
# Training a network means walking downhill on a loss. Where the walk ends depends on how hard it is to leave the places
# where one could get stuck. A *barcode* answers that for every local minimum at once: it gives each one a segment, from its
# own loss up to the loss of the lowest pass over which anything lower can be reached. The length of the segment is the
# height one has to climb to escape.
#
# This notebook builds that idea up from a curve, and asks for nothing but curiosity.
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
# ## A level that rises
#
# Here is a loss of a single parameter. A loss, everywhere in this book, is a function that takes a batch of parameter
# vectors (a tensor `[n, d]`) and returns one number each (a tensor `[n]`).


# %%
def hills(points):
    x = points[:, 0]
    return 1.5 + torch.sin(1.6 * x) + 0.55 * torch.cos(4.3 * x) - 0.12 * x


samples = lb.sample(hills, 701, bounds=[(0.2, 7.4)], method="grid", dtype=torch.float64)
basins = lb.basins(samples)
bars = lb.barcode(basins)

# %% [markdown]
# Think of the curve as a valley landscape and pour in water to a level $c$, everywhere at once. The part below the water,
# $\{x : f(x) \le c\}$, is called the {term}`sublevel set`. Raise the level with the slider under {numref}`fig-level` and
# watch three things:
#
# * A lake appears at each local minimum when the level reaches it. A bar starts: it is **born**.
# * Two lakes meet at a pass. One colour takes over: that of the lake with the *deeper* bottom. The other bar stops: it
#   **dies** there. This is the {term}`elder rule`: the older lake (the one that appeared at a lower level) lives on.
# * The lake of the global minimum swallows all others and never dies. Its bar goes on for ever.

# %% mystnb={"figure": {"caption": "Left: a curve and a level to move. What lies below the level is coloured by the bar that its component has there. Right: the bars as far as they have grown. Dots are minima; a diamond marks the saddle at which a bar ends.", "name": "fig-level"}}
lb.charts.level(basins, bars)

# %% [markdown]
# When the level has passed everything, the bars are complete. The table lists them, lowest birth first. `minimum` and
# `saddle` are rows of `samples`, so the place of each is one lookup away, and `parent` is the bar that each one dies in.

# %%
table = bars.table().round(4)
table.insert(0, "x of minimum", samples.points[bars.minimum][:, 0].numpy().round(2))
table

# %% [markdown]
# ## The height to climb
#
# The column `death` is the important one. Take the bar of the minimum near $x = 3.5$. To get from there to
# anything lower, one has to walk along the curve, left or right, and on the way go up to some height. The lowest such
# height over all ways is the bar's death. On a curve there are only two ways out, so this can be checked by hand:


# %%
def lowest_escape(row):
    """Walk left and right from a sample until something lower is met; the smaller of the two highest points met."""
    f = samples.values.numpy()
    heights = []
    for walk in (f[row::-1], f[row:]):
        lower = np.flatnonzero(walk < f[row])
        heights.append(walk[: lower[0]].max() if len(lower) else math.inf)
    return min(heights)


check = pd.DataFrame({"death": bars.death, "lowest escape": [lowest_escape(row) for row in bars.minimum.tolist()]}).round(4)
check

# %% [markdown]
# Both columns agree, and the global minimum has no escape to anything lower.
#
# Note what the rule does *not* say. The pass over which a bar dies need not be the one next to its minimum, and the lower
# place that it leads to need not be the next minimum: one may have to go down and up again through others. The end point
# is *anything* lower.

# %%
assert np.allclose(check["death"], check["lowest escape"])

# %% [markdown]
# ## Counting components
#
# How many lakes are there at a level $c$? As many as there are bars that have been born and have not died at $c$. This is
# what topologists call the zeroth Betti number of the sublevel set, and the barcode holds it for all levels.

# %%
levels = np.linspace(-0.5, 3, 8)
below = samples.values.numpy()[None] <= levels[:, None]
lakes = below[:, :1].sum(1) + (below[:, 1:] & ~below[:, :-1]).sum(1)  # a lake starts where "below" does
crossing = ((bars.birth.numpy() <= levels[:, None]) & (levels[:, None] < bars.death.numpy())).sum(1)
assert (lakes == crossing).all()
pd.DataFrame({"level": levels, "lakes on the curve": lakes, "bars that cross it": crossing}).set_index("level").T

# %% [markdown]
# ## From samples to basins to bars
#
# In two dimensions one can go round a hill, and in a million dimensions nobody can draw a map. But the same idea works
# on any set of samples for which it is known who is next to whom:
#
# 1. **Descend.** Every sample points at its lowest neighbor. Following the pointers leads from each sample down to a
#    minimum; all samples that lead to the same one are its {term}`basin`.
# 2. **Find the passes.** Among the neighbors that lie in different basins, keep the lowest ways across that join all basins: one
#    way less than there are basins.
# 3. **Apply the elder rule** to the small graph that is left: minima joined by passes.
#
# None of the three needs to go through samples one by one, which is why it is fast. Here they are for a function with six
# minima, the *six-hump camel*, from a hundred thousand samples.

# %%
camel = lb.basins(lb.sample(lb.functions.HumpCamel6(), 2**17, dtype=torch.float64))
graph = camel.graph
passes = pd.DataFrame(graph.edges.numpy(), columns=["basin", "and basin"])
passes["height of the pass"] = graph.heights.numpy()
passes.sort_values("height of the pass", ignore_index=True).round(3)

# %% [markdown]
# That is all the elder rule needs: the six minima and five passes. Going through the list from the top (lowest pass
# first), each pass joins two components and ends the younger one. {numref}`fig-camel` shows the result in the plane.
# Click a bar: its minimum, its saddle and its basin light up.

# %% mystnb={"figure": {"caption": "The six-hump camel function. Left: its basins, minima (dots) and, joined to each, the saddle (diamond) over which it is left most easily; dark is low. Right: the barcode, and the merge tree that shows which bar dies in which. The infinite bar ends in an arrow.", "name": "fig-camel"}}
lb.charts.linked(camel, lb.barcode(camel))

# %%
lb.barcode(camel).table().round(3)

# %% [markdown]
# The function is symmetric ($f(x, y) = f(-x, -y)$), so its minima come in pairs of equal depth. Of the two deepest, one
# must be called global; the other has to climb to the saddle at the origin, where $f = 0$.
#
# ## The same, in algebra
#
# Barcodes were first found as *canonical forms* {cite:p}`barannikov1994framed`. Take the double well
# $f(x) = x^4 - x^2 + x/10$. It has two minima, $p_0$ and $p_1$, and one saddle $q$ between them.

# %%
well = lb.barcode(lb.basins(lb.sample(lb.functions.DoubleWell(), 3001, method="grid", dtype=torch.float64)))
well.table().round(5)

# %% [markdown]
# From the saddle, steepest descent runs to $p_0$ on one side and to $p_1$ on the other. Write this as a linear map over
# the field of two elements, $\partial q = p_0 + p_1$, and order the generators by their loss. As a matrix:
#
# $$\partial = \begin{pmatrix} 1 \\ 1 \end{pmatrix} \begin{matrix} p_0 \\ p_1 \end{matrix}.$$
#
# Now change the basis, but only in ways that respect the order: to a generator one may add others of *lower* loss. Take
# $p_1' = p_1 + p_0$ instead of $p_1$. It still enters at level $f(p_1)$, the higher of the two, and
#
# $$\partial q = p_1', \qquad \partial = \begin{pmatrix} 0 \\ 1 \end{pmatrix}\begin{matrix} p_0 \\ p_1' \end{matrix}.$$
#
# The complex has fallen apart into two blocks that have nothing to do with each other: $\{p_1', q\}$, which is
# the bar $[f(p_1), f(q)]$, and $\{p_0\}$ alone, the bar $[f(p_0), \infty)$. The theorem is that this always
# works, for critical points of every index, and that the blocks do not depend on how it is done: the {term}`canonical form`
# is unique. The elder rule is what it says in degree zero: *add the older to the younger; the younger dies*.
#
# ## Three ways to look at it
#
# The {term}`merge tree` and the {term}`persistence diagram` show the same bars as the barcode. The tree adds who
# dies in whom; the diagram makes long bars stand out, far above the diagonal.

# %% mystnb={"figure": {"caption": "The bars of the curve above as a merge tree and as a persistence diagram.", "name": "fig-tree-diagram"}}
lb.charts.merge_tree(bars, width=300) | lb.charts.diagram(bars, width=300, height=300)

# %% [markdown]
# ## One number, and why it can be trusted
#
# How far is a loss from having no obstacles at all? The ideal barcode is a single infinite bar. The {term}`TO-score` is the
# distance to it: here half the sum of the lengths of the finite bars. And how much can errors in the loss change a barcode?
# Never more than the errors themselves: the {term}`bottleneck distance` of two barcodes is at most the largest
# difference of the two functions. Let us add noise to the curve and see.

# %%
noise = 0.05 * (2 * torch.rand(len(samples), generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1)
noisy = lb.barcode(lb.basins(lb.from_grid(samples.values + noise)))
print(f"bars: {len(bars)} without noise, {len(noisy)} with noise, {int((noisy.length > 0.1).sum())} of them longer than 0.1")
print(f"TO-score: {lb.to_score(bars):.3f} without noise, {lb.to_score(noisy):.3f} with noise")
print(f"largest noise {float(noise.abs().max()):.3f}, bottleneck distance {lb.bottleneck_distance(bars, noisy):.3f}")

# %% [markdown]
# Noise makes many new minima, but only short bars, no longer than twice the noise. The long bars have hardly moved. This
# is why one looks at long bars first, and why a TO-score, which adds up all of them, should be read together with their
# number.
#
# **Try it.** Change `hills` and run the notebook again. Can you make a curve on which a bar dies at a pass that is not
# next to its minimum?

# %%
assert lb.bottleneck_distance(bars, noisy) <= float(noise.abs().max())
assert int((noisy.length > 0.1).sum()) == len(bars)
