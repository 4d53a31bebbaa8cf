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
# # Benchmark functions
#
# Functions made to be hard to minimise are the place to see what a barcode says. This notebook redoes figures 2 to 5 of
# {cite:t}`barannikov2023barcodes` and adds a few: for each function its basins, its minima with the saddles over which
# they are left most easily, its barcode and its merge tree. All pictures are interactive: click a bar or a minimum to find
# it again in the other panels.
#
# **Time:** under a minute on two cores.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lossbarcode") is None:  # on Colab, say
    source = "git+https://github.com/lossbarcode/lossbarcode"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import lossbarcode as lb

# %%
import pandas as pd
import torch


def study(loss, n=2**18, method="sobol"):
    """Basins and bars of a function, in double precision, so that ties are ties."""
    basins = lb.basins(lb.sample(loss, n, method=method, dtype=torch.float64))
    return basins, lb.barcode(basins)


def long_bars(bars, share=1e-3):
    """How many bars are longer than a share of the height between the lowest birth and the highest death."""
    reach = bars.death[bars.finite].max() - bars.birth.min()
    return int((bars.length > share * reach).sum())


# %% [markdown]
# ## Three humps
#
# $f(x, y) = (2 - 1.05\,x^2 + x^4/6)\,x^2 + xy + y^2$ has three minima. The one in the middle is global, the outer two are
# mirror images and have the same bar. What the barcode adds to a list of minima is the third column below: to
# leave an outer well one must climb by 0.58.

# %% mystnb={"figure": {"caption": "HumpCamel3 on 262,144 Sobol' points.", "name": "fig-camel3"}}
camel3_basins, camel3 = study(lb.functions.HumpCamel3())
lb.charts.linked(camel3_basins, camel3)

# %%
camel3.table()[["birth", "death", "length"]].round(3)

# %% [markdown]
# The exact values, to be had by solving for the critical points, are birth 0.29864 and death 0.87736. The paper's
# algorithm takes *uniform* points and their nearest neighbors, in its reference code $k = 6$ of them. On such a cloud many
# samples have, by chance, no lower neighbor, and each makes a bar. Most of these end at the very next sample, so their
# component never has a second one; a few happen to lie on a steep slope and get longer.

# %%
clouds = [("uniform", 6), ("uniform", 8), ("uniform", 12), ("sobol", 6), ("sobol", 8)]
lines = []
for method, k in clouds:
    basins = lb.basins(lb.sample(lb.functions.HumpCamel3(), 2**17, method=method, dtype=torch.float64), k=k)
    bars = lb.barcode(basins)
    lengths = bars.length.sort(descending=True).values
    lines.append(
        {
            "points": method,
            "neighbors k": k,
            "bars": len(bars),
            "of one sample": int(lb.one_point_bars(bars, basins).sum()),
            "third longest bar": float(lengths[2]),
            "fourth longest": float(lengths[3]) if len(bars) > 3 else 0.0,
        }
    )
artefacts = pd.DataFrame(lines).round(3)
artefacts

# %% [markdown]
# The three real bars are found every time; the rest are artefacts. The paper hides them by leaving clusters of few
# samples out of its plots. More neighbors help, and with points that fill the box evenly (Sobol' points, the default here)
# and $k = 8$ there is nothing to hide.

# %%
assert (artefacts["third longest bar"] == 0.578).sum() + (artefacts["third longest bar"] == 0.579).sum() == len(clouds)
assert artefacts["fourth longest"].max() < 0.2
assert artefacts["bars"].iloc[-1] == 3
assert artefacts["bars"].iloc[0] > 500

# %% [markdown]
# ## Six humps
#
# $f(x, y) = (4 - 2.1\,x^2 + x^4/3)\,x^2 + xy + (4y^2 - 4)\,y^2$. Three pairs of minima; the two deepest face each other
# over the saddle at the origin. Look at which saddle belongs to which minimum: it need not be the nearest.

# %% mystnb={"figure": {"caption": "HumpCamel6 on 262,144 Sobol' points.", "name": "fig-camel6"}}
camel6_basins, camel6 = study(lb.functions.HumpCamel6())
lb.charts.linked(camel6_basins, camel6)

# %%
camel6.table()[["birth", "death", "length"]].round(3)

# %% [markdown]
# ## Langermann
#
# Rings around five centres that run into each other: a landscape of valleys that curve and passes that are hard to
# see. The infinite bar starts in the deepest well, near (2, 1). Most rings are valleys whose
# bottom goes up and down slightly, so there are very many short bars; {numref}`fig-langermann` shows the 30 longest.

# %% mystnb={"figure": {"caption": "Langermann's function on 262,144 Sobol' points, the 30 longest bars. Basins of all other minima are drawn with the bar that they merge into.", "name": "fig-langermann"}}
langermann_basins, langermann = study(lb.functions.Langermann())
lb.charts.linked(langermann_basins, langermann)

# %%
langermann.longest(6).table()[["birth", "death", "length"]].round(2)

# %% [markdown]
# How many of the short bars are real? More samples tell: what is an artefact of sampling changes, what belongs to the
# function stays.

# %%
_, finer = study(lb.functions.Langermann(), 2**20)
counts = {f"longer than {length}": [int((bars.length > length).sum()) for bars in (langermann, finer)] for length in (1.0, 0.5, 0.1, 0.0)}
pd.DataFrame(counts, index=["262,144 samples", "1,048,576 samples"])

# %% [markdown]
# The bars longer than 0.5 are the same in both, and their number can be trusted. Below 0.1 sampling decides.

# %%
assert all(counts[f"longer than {length}"][0] == counts[f"longer than {length}"][1] for length in (1.0, 0.5))

# %% [markdown]
# ## Wavy: multiplets
#
# $f = 1 - \frac12 \sum_i \cos(10 x_i)\, e^{-x_i^2/2}$ does not change when the axes are swapped or mirrored, the symmetry
# $D_4$ of a square. So minima come in groups of one, four or eight with equal bars. A grid has the same symmetry,
# and its bars agree to rounding.

# %% mystnb={"figure": {"caption": "Wavy on a grid of 1001 x 1001, the 30 longest of its bars.", "name": "fig-wavy"}}
wavy_basins, wavy = study(lb.functions.Wavy(), 1001**2, "grid")
lb.charts.linked(wavy_basins, wavy)

# %%
multiplets = wavy.table()[["birth", "death"]].round(6).value_counts().rename("minima").reset_index()
multiplets = multiplets.sort_values("birth", ignore_index=True).round(4)
multiplets

# %%
print(f"{len(wavy)} minima in {len(multiplets)} groups")
assert len(wavy) == 121
assert multiplets["minima"].isin([1, 4, 8]).all()
assert multiplets["minima"].sum() == len(wavy)

# %% [markdown]
# The function is a sum of one function of $x$ and the same of $y$, each with eleven minima, which makes
# $11^2 = 121$. For such sums the barcode follows from those of the summands: births add, and the *shortest* of the
# lengths decides, because to leave a minimum it is enough to leave it along one axis. That is why the deep minima near the
# axes have bars as short as those of minima far out.
#
# ## HolderTable: four equal winners
#
# $f = -|\sin x \cos y \exp|1 - |(x,y)|/\pi||$ has its four global minima near the corners, all equally deep, with many
# shallower ones between them. One of the four gets the infinite bar, by a tie that is broken by the order of samples;
# the other three have the longest finite bars. The function has kinks (creases along which it is 0), but no
# derivative is needed here.

# %% mystnb={"figure": {"caption": "HolderTable on a grid of 1001 x 1001, the 40 longest of its bars.", "name": "fig-holder"}}
holder_basins, holder = study(lb.functions.HolderTable(), 1001**2, "grid")
lb.charts.linked(holder_basins, holder, limit=40)

# %%
holder.longest(8).table()[["birth", "death", "length"]].round(2)

# %% [markdown]
# To get from one corner to another one must climb almost to zero, over the creases: all but the whole depth of the
# function. This is what a landscape with strong obstacles looks like.

# %%
assert (holder.longest(4).birth.round(decimals=3) == -19.208).all()
assert holder.longest(4).death[1:].min() > -0.1

# %% [markdown]
# ## All functions of the package
#
# The same for every function in two dimensions, one line each. *Long* bars are longer than a thousandth of the height
# between the lowest birth and the highest death.

# %%
lines = []
for name in lb.functions.__all__:
    loss = getattr(lb.functions, name)()
    _, bars = study(loss, 2**16, "grid")
    lines.append(
        {
            "function": loss.name,
            "lowest loss": float(bars.birth[0]),
            "bars": len(bars),
            "long bars": long_bars(bars),
            "longest finite bar": float(bars.length[bars.finite].max()),
            "TO-score, p = 1": lb.to_score(bars),
        }
    )
pd.DataFrame(lines).set_index("function").round(3)

# %% [markdown]
# **Try it.** Put your own function in: anything that maps a tensor `[n, 2]` to a tensor `[n]`, with
# `lb.sample(loss, 2**18, bounds=[(low, high), (low, high)])`.
