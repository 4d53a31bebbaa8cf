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
# Functions that were designed to be hard to minimise show best what a barcode measures. This notebook redoes figures 2 to 5 of
# {cite:t}`barannikov2023barcodes` and adds a few: for each function its basins, its minima with the saddles that are their lowest
# exits, its barcode and its merge tree. All pictures are interactive: click a bar or a minimum to find it in the other panels.
#
# Where a function is smooth, its exact barcode is computed as well, from all its critical points
# ({doc}`02_gradient_morse_complex`), so that every table shows the error of the samples.
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


def sampled_barcode(loss, n=2**18, method="sobol"):
    """Basins and bars of a function, in double precision, so that equal losses stay equal."""
    basins = lb.basins(lb.sample(loss, n, method=method, dtype=torch.float64))
    return basins, lb.barcode(basins)


def both_routes(loss, sampled):
    """Births and deaths by both routes, and the distance between the two barcodes."""
    exact = lb.barcode(lb.morse_complex(loss))
    columns = [bars.table()[["birth", "death"]] for bars in (sampled, exact)]
    print(f"bottleneck distance: {lb.bottleneck_distance(sampled, exact):.1e}")
    return pd.concat(columns, axis=1, keys=["samples", "Morse complex"]) + 0.0  # 0.0 instead of -0.0


def long_bars(bars, share=1e-3):
    """How many bars are longer than this share of the height between the lowest birth and the highest death."""
    reach = bars.death[bars.is_finite].max() - bars.birth.min()
    return int((bars.length > share * reach).sum())


# %% [markdown]
# ## Three humps
#
# $f(x, y) = (2 - 1.05\,x^2 + x^4/6)\,x^2 + xy + y^2$ has three minima. The one in the middle is global; the outer two are
# mirror images and have the same bar. What the barcode adds to a list of minima is the third column of the table below: how
# far one must climb to leave an outer well.

# %% mystnb={"figure": {"caption": "ThreeHumpCamel on 262,144 Sobol' points.", "name": "fig-camel3"}}
camel3_basins, camel3 = sampled_barcode(lb.functions.ThreeHumpCamel())
lb.charts.dashboard(camel3_basins, camel3)

# %%
camel3.table()[["birth", "death", "length"]].round(3)

# %% [markdown]
# The same from the critical points of the function, to double precision:

# %%
both_routes(lb.functions.ThreeHumpCamel(), camel3).round(5)

# %% [markdown]
# The paper's algorithm takes independent *uniform* points and their nearest neighbors, in its reference code $k = 6$ of them. In
# such a cloud many samples have, by chance, no lower neighbor, and each of them creates a bar. Most of these bars end at the very
# next sample, so that their component never has a second sample; a few lie, by chance, on a steep slope and are longer.

# %%
clouds = [("uniform", 6), ("uniform", 8), ("uniform", 12), ("sobol", 6), ("sobol", 8)]
lines = []
for method, k in clouds:
    basins = lb.basins(lb.sample(lb.functions.ThreeHumpCamel(), 2**17, method=method, dtype=torch.float64), k=k)
    bars = lb.barcode(basins)
    lengths = bars.length.sort(descending=True).values
    lines.append(
        {
            "points": method,
            "neighbors k": k,
            "bars": len(bars),
            "of one sample": int(lb.is_singleton(bars, basins).sum()),
            "third longest bar": float(lengths[2]),
            "fourth longest": float(lengths[3]) if len(bars) > 3 else 0.0,
        }
    )
artefacts = pd.DataFrame(lines).round(3)
artefacts

# %% [markdown]
# The three real bars are found every time; the others are artefacts. The paper does not show them, because it omits clusters of
# few samples from its plots. More neighbors help, and with points that fill the box evenly (Sobol' points, the default of this
# package) and $k = 8$ there are no artefacts.
#
# ## Six humps
#
# $f(x, y) = (4 - 2.1\,x^2 + x^4/3)\,x^2 + xy + (4y^2 - 4)\,y^2$ has three pairs of minima; the two deepest face each other
# across the saddle at the origin. Note which saddle belongs to which minimum: it need not be the nearest one.

# %% mystnb={"figure": {"caption": "SixHumpCamel on 262,144 Sobol' points.", "name": "fig-camel6"}}
camel6_basins, camel6 = sampled_barcode(lb.functions.SixHumpCamel())
lb.charts.dashboard(camel6_basins, camel6)

# %%
both_routes(lb.functions.SixHumpCamel(), camel6).round(5)

# %% [markdown]
# ## Langermann
#
# Rings around five centres overlap: a landscape of curved valleys, with passes that are hard to see. The infinite bar starts in
# the deepest well, near (2, 1). Most rings are valleys whose bottom rises and falls slightly, so there are very many short bars;
# {numref}`fig-langermann` shows the 30 longest.

# %% mystnb={"figure": {"caption": "Langermann's function on 262,144 Sobol' points, the 30 longest bars. The basin of every other minimum is drawn as part of the bar into which it merges.", "name": "fig-langermann"}}
langermann_basins, langermann = sampled_barcode(lb.functions.Langermann())
lb.charts.dashboard(langermann_basins, langermann)

# %%
langermann.longest(6).table()[["birth", "death", "length"]].round(2)

# %% [markdown]
# How many of the short bars are real? The critical points give the answer. Along the rings the loss hardly changes, and the
# shortest of the exact bars are at the limit of double precision.

# %%
langermann_morse = lb.morse_complex(lb.functions.Langermann(), progress=False)
exact = lb.barcode(langermann_morse)
_, finer = sampled_barcode(lb.functions.Langermann(), 2**20)
routes = {"262,144 samples": langermann, "1,048,576 samples": finer, "Morse complex": exact}
thresholds = (1.0, 0.5, 0.1, 0.01, 0.0)
counts = pd.DataFrame({name: [int((bars.length > least).sum()) for least in thresholds] for name, bars in routes.items()})
counts.insert(0, "bars longer than", thresholds)
counts = counts.set_index("bars longer than").T
counts

# %%
print("the complex:", langermann_morse)
print("bottleneck distances to the exact barcode:", *(f"{lb.bottleneck_distance(bars, exact):.3f}" for bars in (langermann, finer)))

# %% [markdown]
# The number of bars longer than 0.5 is the same in all three rows. Below that length, samples miss some of the real bars and add
# others: edges between neighboring samples cut across the bends of the valleys.
#
# ## Wavy: multiplets
#
# $f = 1 - \frac12 \sum_i \cos(10 x_i)\, e^{-x_i^2/2}$ does not change when the axes are swapped or mirrored: it has the symmetry
# $D_4$ of a square. So minima come in groups of one, four or eight with equal bars. A grid has the same symmetry,
# and its bars agree up to rounding.

# %% mystnb={"figure": {"caption": "Wavy on a grid of 1001 x 1001, the 30 longest of its bars.", "name": "fig-wavy"}}
wavy_basins, wavy = sampled_barcode(lb.functions.Wavy(), 1001**2, "grid")
lb.charts.dashboard(wavy_basins, wavy)

# %%
multiplets = wavy.table()[["birth", "death"]].round(6).value_counts().rename("minima").reset_index()
multiplets = multiplets.sort_values("birth", ignore_index=True).round(4)
multiplets

# %%
print(f"{len(wavy)} minima in {len(multiplets)} groups")

# %% [markdown]
# The function is a sum of a function of $x$ and the same function of $y$, each with eleven minima, which makes
# $11^2 = 121$. For such sums the barcode follows from those of the summands: births add up, and the *shortest* of the
# lengths decides, because it is enough to leave a minimum along one axis. That is why the deep minima near the
# axes have bars as short as those of minima far from the centre.
#
# ## HolderTable: four equal winners
#
# $f = -|\sin x \cos y \exp|1 - |(x,y)|/\pi||$ has its four global minima near the corners, all equally deep, with many
# shallower ones between them. One of the four has the infinite bar: of equal minima, the one whose sample comes first is the elder.
# The other three have the longest finite bars. The function has kinks (creases along which it is 0), but the sampled route needs
# no derivative.

# %% mystnb={"figure": {"caption": "HolderTable on a grid of 1001 x 1001, the 40 longest of its bars.", "name": "fig-holder"}}
holder_basins, holder = sampled_barcode(lb.functions.HolderTable(), 1001**2, "grid")
lb.charts.dashboard(holder_basins, holder, limit=40)

# %%
holder.longest(8).table()[["birth", "death", "length"]].round(2)

# %% [markdown]
# To get from one corner to another one must climb almost to zero, over the creases, which is nearly the whole depth of the
# function. This is what a landscape with strong obstacles looks like.
#
# ## All functions of the package, by both routes
#
# The same for every benchmark function (in two dimensions, where there is a choice), one row each. *Long* bars are longer than a
# thousandth of the height between the lowest birth and the highest death. The Morse complex requires smooth functions; it refuses
# the others.

# %%
lines = []
for benchmark in lb.functions.BENCHMARKS:
    name, loss = benchmark.__name__, benchmark()
    _, bars = sampled_barcode(loss, 2**18, "grid")
    line = {
        "function": loss.name,
        "lowest loss": float(bars.birth[0]),
        "bars": len(bars),
        "long": long_bars(bars),
        "longest finite": float(bars.length[bars.is_finite].max()),
        "TO-score, p = 1": lb.obstruction_score(bars),
    }
    try:
        morse = langermann_morse if name == "Langermann" else lb.morse_complex(loss, progress=False)
    except ValueError as refusal:
        line["Morse complex"] = "not smooth" if "continuous gradient" in str(refusal) else "failed"
    else:
        exact = lb.barcode(morse)
        line |= {
            "Morse complex": morse.completeness,
            "critical points": str(len(morse.index)),
            "exact bars": str(len(exact)),
            "long, exact": str(long_bars(exact)),
            "distance / range": f"{lb.bottleneck_distance(bars, exact) / float(exact.death[exact.is_finite].max() - exact.birth.min()):.0e}",
        }
    lines.append(line)
functions = pd.DataFrame(lines).set_index("function").round(3).fillna("")
functions[["lowest loss", "bars", "long", "longest finite", "TO-score, p = 1"]]

# %% [markdown]
# Both routes side by side; the last column is the bottleneck distance between the two barcodes, as a fraction of the range of the
# loss from the lowest birth to the highest death.

# %%
functions[["Morse complex", "critical points", "bars", "exact bars", "long", "long, exact", "distance / range"]]

# %% [markdown]
# Wherever there is an exact answer, samples and critical points agree on the number of long bars, with one exception: Langermann's
# curved valleys, which a grid cuts into pieces that have one bar each. The distance is at most a few thousandths of the range.
#
# **Try it.** Insert your own function: anything that maps a tensor `[n, 2]` to a tensor `[n]`, with
# `lb.sample(loss, 2**18, bounds=[(low, high), (low, high)])`.
