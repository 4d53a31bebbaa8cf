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
# Where a function is smooth, its exact barcode is computed beside, from all its critical points
# ({doc}`02_gradient_morse_complex`), so that every table can say how far off the samples are.
#
# **Time:** about two minutes on two cores, half of it for Langermann's critical points.

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


def both_routes(loss, sampled):
    """Births and deaths by both routes, and the distance between the two barcodes."""
    exact = lb.barcode(lb.morse_complex(loss))
    parts = [bars.table()[["birth", "death"]] for bars in (sampled, exact)]
    print(f"bottleneck distance: {lb.bottleneck_distance(sampled, exact):.1e}")
    return pd.concat(parts, axis=1, keys=["samples", "Morse complex"]) + 0.0  # -0.0 is no number to show


def long_bars(bars, share=1e-3):
    """How many bars are longer than a share of the height between the lowest birth and the highest death."""
    reach = bars.death[bars.finite].max() - bars.birth.min()
    return int((bars.length > share * reach).sum())


# %% [markdown]
# ## Three humps
#
# $f(x, y) = (2 - 1.05\,x^2 + x^4/6)\,x^2 + xy + y^2$ has three minima. The one in the middle is global, the outer two are
# mirror images and have the same bar. What the barcode adds to a list of minima is the third column below: how far one must
# climb to leave an outer well.

# %% mystnb={"figure": {"caption": "HumpCamel3 on 262,144 Sobol' points.", "name": "fig-camel3"}}
camel3_basins, camel3 = study(lb.functions.HumpCamel3())
lb.charts.linked(camel3_basins, camel3)

# %%
camel3.table()[["birth", "death", "length"]].round(3)

# %% [markdown]
# The same from the critical points of the function, to the digits of double precision:

# %%
both_routes(lb.functions.HumpCamel3(), camel3).round(5)

# %% [markdown]
# The paper's algorithm takes *uniform* points and their nearest neighbors, in its reference code $k = 6$ of them. On such a
# cloud many samples have, by chance, no lower neighbor, and each makes a bar. Most of these end at the very next sample, so
# their component never has a second one; a few happen to lie on a steep slope and get longer.

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
both_routes(lb.functions.HumpCamel6(), camel6).round(5)

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
# How many of the short bars are real? The critical points tell. Along the rings the loss hardly changes, and the shortest of the
# exact bars are as short as the rounding of double precision allows to see.

# %%
langermann_complex = lb.morse_complex(lb.functions.Langermann(), progress=False)
exact = lb.barcode(langermann_complex)
_, finer = study(lb.functions.Langermann(), 2**20)
routes = {"262,144 samples": langermann, "1,048,576 samples": finer, "Morse complex": exact}
thresholds = (1.0, 0.5, 0.1, 0.01, 0.0)
counts = pd.DataFrame({name: [int((bars.length > least).sum()) for least in thresholds] for name, bars in routes.items()})
counts.insert(0, "bars longer than", thresholds)
counts = counts.set_index("bars longer than").T
counts

# %%
print("the complex:", langermann_complex)
print("bottleneck distances to the exact barcode:", *(f"{lb.bottleneck_distance(bars, exact):.3f}" for bars in (langermann, finer)))

# %% [markdown]
# Bars longer than 0.5 are the same in all three rows. Below that, samples miss some of the real bars and add others: their
# neighbors cut corners in the curved valleys.

# %%
assert langermann_complex.certificate == "complete"
assert all(counts[least].nunique() == 1 for least in (1.0, 0.5))
assert lb.bottleneck_distance(finer, exact) < lb.bottleneck_distance(langermann, exact)

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
# ## All functions of the package, by both routes
#
# The same for every function in two dimensions, one line each. *Long* bars are longer than a thousandth of the height
# between the lowest birth and the highest death. The Morse complex needs smooth functions; the others it refuses.

# %%
lines = []
for name in lb.functions.__all__:
    loss = getattr(lb.functions, name)()
    _, bars = study(loss, 2**18, "grid")
    line = {
        "function": loss.name,
        "lowest loss": float(bars.birth[0]),
        "bars": len(bars),
        "long": long_bars(bars),
        "longest finite": float(bars.length[bars.finite].max()),
        "TO-score, p = 1": lb.to_score(bars),
    }
    try:
        complex_ = langermann_complex if name == "Langermann" else lb.morse_complex(loss, progress=False)
    except ValueError as refusal:
        line["Morse complex"] = "not smooth" if "continuous gradient" in str(refusal) else "failed"
    else:
        exact = lb.barcode(complex_)
        line |= {
            "Morse complex": complex_.certificate,
            "critical points": str(len(complex_.index)),
            "exact bars": str(len(exact)),
            "long, exact": str(long_bars(exact)),
            "distance / range": f"{lb.bottleneck_distance(bars, exact) / float(exact.death[exact.finite].max() - exact.birth.min()):.0e}",
        }
    lines.append(line)
functions = pd.DataFrame(lines).set_index("function").round(3).fillna("")
functions[["lowest loss", "bars", "long", "longest finite", "TO-score, p = 1"]]

# %% [markdown]
# Both routes side by side; the last column is the bottleneck distance between the two barcodes, as a part of the range of the loss
# from lowest birth to highest death.

# %%
functions[["Morse complex", "critical points", "bars", "exact bars", "long", "long, exact", "distance / range"]]

# %% [markdown]
# Wherever there is an exact answer, samples and critical points agree on the number of long bars, with one exception: Langermann's
# curved valleys, which a grid cuts into pieces with a bar each. The distance is a few thousandths of the range at most.

# %%
smooth = functions[functions["Morse complex"] != "not smooth"]
assert (smooth["Morse complex"] == "complete").all()
assert (smooth["long"] == smooth["long, exact"].astype(int)).drop("Langermann").all()
assert (smooth["distance / range"].astype(float) < 5e-3).all()
assert sorted(functions.index[functions["Morse complex"] == "not smooth"]) == [
    "Alpine01(2)",
    "HolderTable",
    "PenHolder",
    "Tripod",
    "XinSheYang04(2)",
]

# %% [markdown]
# **Try it.** Put your own function in: anything that maps a tensor `[n, 2]` to a tensor `[n]`, with
# `lb.sample(loss, 2**18, bounds=[(low, high), (low, high)])`.
