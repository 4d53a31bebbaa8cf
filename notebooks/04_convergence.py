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
# # How many samples does a barcode need?
#
# A barcode read off samples is an approximation. If every point of the box is within $\varepsilon$ of a sample, and the
# loss changes by at most $C$ per unit of length, then the bottleneck distance between the sampled and the true barcode
# is below $C\varepsilon$. For uniform samples $\varepsilon \sim N^{-1/D}$, so on a log-log chart the error should
# decrease with slope $-1/D$. This notebook redoes figure 6 of {cite:t}`barannikov2023barcodes`: it draws *pairs* of
# independent samples, measures the distance between their two barcodes, and compares the slopes with $-1/D$.
#
# It then asks what the paper does not ask: are evenly spread samples (Sobol' points, grids) better than independent ones,
# how many bars of each are artefacts (minima of a single sample), and how far is each sample from the *true* barcode, which
# follows from all critical points of the function ({doc}`02_gradient_morse_complex`)?
#
# **Time:** about a minute and a half on two cores (`PRESET = "quick"`). The full tables take about an hour; they are committed
# with their provenance. The quick preset computes a part of them again and compares that part with the tables.

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

from lossbarcode import study

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full": an hour; it resumes after an interruption

# %% [markdown]
# ## The experiment
#
# One pair costs two clouds, two searches for nearest neighbors, and then, for each function, two barcodes and a distance.
# All functions of one dimension have cubes as domains, so they share the clouds and the neighbors. Two grids are made
# "independent" by shifting each of them by a random part of its own spacing.

# %%
FUNCTIONS = {2: [lb.functions.EggCrate()]} | {
    d: [lb.functions.Alpine01(d), lb.functions.Schwefel26(d), lb.functions.XinSheYang04(d)] for d in (3, 4, 5, 6)
}
METHODS = ["uniform", "sobol", "grid"]
# Pairs for D = 2, 3, 4, 5, 6 and each log10 N, as far as the search for neighbors and the matching of all bars take minutes, not
# hours; at most six of them for the two methods that the paper did not use.
ALL = [20] * 5
PAIRS = {
    "quick": {3.0: [2] * 5, 3.5: [2] * 5, 4.0: [2] * 5, 4.5: [1] * 5},
    "full": {3.0: ALL, 3.5: ALL, 4.0: ALL, 4.5: ALL, 5.0: [20, 20, 20, 6, 6], 5.5: [20, 6], 6.0: [6, 3], 6.5: [3, 1], 7.0: [1]},
}[PRESET]


def first_coordinate(points):
    """A loss that costs nothing: only the points are needed."""
    return points[:, 0]


def unit_cube(dimension, n, method, seed):
    """Points in the unit cube and their neighbors."""
    box = torch.tensor([[0.0, 1.0]] * dimension, dtype=torch.float64)
    if method == "grid":
        side = int(n ** (1 / dimension) + 1e-9)
        low = torch.rand(dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) / side
        box = torch.stack([low, low + (side - 1) / side], 1)
    samples = lb.sample(first_coordinate, n, bounds=box, method=method, seed=seed, dtype=torch.float64)
    points = samples.points[:]
    return points, samples.neighbors or lb.NeighborTable.from_points(points)


def barcodes(dimension, n, method, seed):
    """For every function of one dimension, on the same points: the barcode and the number of bars of a single sample."""
    unit, neighbors = unit_cube(dimension, n, method, seed)
    for loss in FUNCTIONS[dimension]:
        low, high = loss.bounds.T
        points = low + (high - low) * unit
        basins = lb.basins(lb.Samples(points, loss(points), loss.bounds, neighbors, loss.name))
        bars = lb.barcode(basins)
        yield loss, bars, int(lb.is_singleton(bars, basins).sum())


def pair_of_barcodes(dimension, log_n, method, pair):
    """One row per function: how far apart are the barcodes of two independent samples?"""
    n = round(10**log_n)
    for (loss, a, alone_a), (_, b, alone_b) in zip(*(barcodes(dimension, n, method, 2 * pair + i) for i in (0, 1)), strict=True):
        yield {
            "function": type(loss).__name__,
            "distance": lb.bottleneck_distance(a, b),
            "bars": (len(a) + len(b)) / 2,
            "one_point": (alone_a + alone_b) / 2,
        }


# %%
def run(name, jobs, job):
    """All jobs as one table; the full preset keeps it in a file and omits the jobs that are already in it."""
    file = f"results/{name}" if PRESET == "full" else None
    return study.run_jobs(job, jobs, file=file, command=f"LOSSBARCODE_PRESET={PRESET} python 04_convergence.py")


def rows_to_run():
    """Small N first, so that an interrupted run leaves a table of all functions."""
    for log_n, pairs_of_dimension in PAIRS.items():
        for dimension, pairs in zip(FUNCTIONS, pairs_of_dimension, strict=False):
            for method in METHODS:
                for pair in range(pairs if method == "uniform" else min(pairs, 6)):
                    yield dict(dimension=dimension, log_n=log_n, method=method, pair=pair)


start = time.perf_counter()
KEYS = ["dimension", "log_n", "method", "pair"]
fresh = run("04_convergence.csv", rows_to_run(), pair_of_barcodes)
print(f"{len(fresh)} rows in {(time.perf_counter() - start) / 60:.1f} minutes")

# %% [markdown]
# The seeds are fixed, so the rows that were just computed must agree with the committed ones.


# %%
def check(fresh, table, keys, column):
    """Compare the rows of a run with those of the committed table, to five digits."""
    both = fresh.merge(table, on=keys, suffixes=("", " before"))
    gap = (both[column] - both[f"{column} before"]).abs() / both[f"{column} before"].clip(lower=1e-300)
    print(f"{len(both)} of {len(fresh)} rows are in the committed table; all agree to five digits: {bool((gap < 1e-5).all())}")


table = study.load_result("04_convergence.csv")
check(fresh, table, ["function", *KEYS], "distance")

# %% [markdown]
# ## Distance against the number of samples
#
# The chart of the paper: for independent uniform samples, the mean bottleneck distance of a pair as a function of $N$.

# %% mystnb={"figure": {"caption": "Mean bottleneck distance between the barcodes of two independent uniform samples as a function of their number N, both axes logarithmic, with the standard error of the mean. One colour per dimension.", "name": "fig-convergence"}}
mean = table.groupby(["function", "dimension", "method", "log_n"], as_index=False).agg(
    distance=("distance", "mean"),
    error=("distance", "sem"),
    pairs=("distance", "size"),
    bars=("bars", "mean"),
    one_point=("one_point", "mean"),
)
mean["N"] = (10 ** mean["log_n"]).round()
mean["low"], mean["high"] = mean["distance"] - mean["error"], mean["distance"] + mean["error"]
SAMPLES = alt.X("N:Q", title="samples N", scale=alt.Scale(type="log"), axis=alt.Axis(format="~e", values=[1e3, 1e4, 1e5, 1e6, 1e7]))
TIP = ["function", "dimension", "method", alt.Tooltip("N", format=",.0f"), alt.Tooltip("distance", format=".4g"), "pairs"]
DIMENSIONS = alt.Scale(domain=[2, 3, 4, 5, 6], range=["#000000", "#0072B2", "#009E73", "#E69F00", "#D55E00"])


def distances(rows, colour):
    base = alt.Chart(rows).encode(
        x=SAMPLES,
        y=alt.Y("distance:Q", title="bottleneck distance", scale=alt.Scale(type="log", nice=False, padding=12)),
        color=colour,
        tooltip=TIP,
    )
    spread = base.mark_rule(opacity=0.5).encode(y="low:Q", y2="high:Q")
    return base.mark_line() + base.mark_point(filled=True, size=40) + spread


panels = [
    distances(rows, alt.Color("dimension:O", scale=DIMENSIONS)).properties(title=name, width=250, height=200)
    for name, rows in mean[mean["method"] == "uniform"].groupby("function")
]
alt.vconcat(alt.hconcat(*panels[:2]), alt.hconcat(*panels[2:]))

# %% [markdown]
# EggCrate in two dimensions decreases steadily, and XinSheYang04 in three dimensions does so from $10^4$ samples on. In higher
# dimensions most curves do not decrease at all, and that of XinSheYang04 even rises. The reason is not the theory but its
# constant: there are too many wells.

# %%
for function in (lb.functions.Alpine01(1), lb.functions.Schwefel26(1)):
    wells = len(lb.barcode(lb.sample(function, 100_001, method="grid", dtype=torch.float64)))
    print(f"{type(function).__name__} has {wells} wells along every axis, so {wells**6:,} in D = 6")

# %% [markdown]
# This is more than one well per sample, for $10^5$ samples. As long as wells are not seen, the bars of two samples are two
# different random selections, and with more samples there are more bars that can differ. The slope $-1/D$ is a statement about
# what happens *after* all wells are resolved.
#
# ## Slopes
#
# Fitted slopes of $\log_{10}$ distance over $\log_{10} N$ for $N \ge 10^4$:

# %%
slopes = (
    mean[mean["log_n"] >= 4]
    .groupby(["function", "dimension", "method"])
    .apply(lambda rows: np.polyfit(rows["log_n"], np.log10(rows["distance"]), 1)[0], include_groups=False)
    .unstack("method")
)
slopes.insert(0, "-1/D", -1 / slopes.index.get_level_values("dimension"))
slopes = slopes.round(2)
slopes.insert(1, "to log10 N", table.groupby(["function", "dimension"])["log_n"].max())
slopes

# %% [markdown]
# **Verdict: partly reproduced.** The claim that the distance decreases like $N^{-1/D}$ holds for XinSheYang04 in $D = 3$, to
# within a few hundredths. EggCrate decreases more slowly than $N^{-1/2}$ on uniform points. There the *worst* artefact
# decides, and the largest gap between $N$ uniform points shrinks only like $(\log N / N)^{1/D}$; the next cell shows
# that this explains a part of the difference, not all of it. Alpine01 and Schwefel26 in $D = 3$ have only begun to decrease. For
# $D \ge 4$ the claim cannot be seen up to the $N$ of this table; the paper's figure continues to $10^7$.

# %%
egg = mean[(mean["function"] == "EggCrate") & (mean["method"] == "uniform") & (mean["log_n"] >= 4)]
gaps = np.polyfit(egg["log_n"], np.log10(np.log(egg["N"]) / egg["N"]) / 2, 1)[0]
print(f"EggCrate on uniform points: slope {slopes.loc[('EggCrate', 2), 'uniform']:.2f}; of the largest gap: {gaps:.2f}; -1/D: -0.50")

# %% [markdown]
# ## Even samples against independent ones
#
# Choose a function and a dimension. The left chart shows the distance; the right chart shows the number of bars that belong to a
# single sample: they are artefacts, unless the wells themselves are no larger than one sample.

# %% mystnb={"figure": {"caption": "Left: mean bottleneck distance of a pair. Right: mean number of bars of a single sample. Independent uniform points (blue), Sobol' points (green) and grids with a random shift (orange).", "name": "fig-methods"}}
names = sorted(mean["function"].unique())
function = alt.param("chosen_function", value="EggCrate", bind=alt.binding_select(options=names, name="function "))
dimension = alt.param(
    "chosen_dimension", value=2, bind=alt.binding_select(options=[2, 3, 4, 5, 6], name="dimension (EggCrate: 2, others: 3 to 6) ")
)
METHOD = alt.Color("method:N", scale=alt.Scale(domain=METHODS, range=["#0072B2", "#009E73", "#E69F00"]))
left = distances(mean, METHOD).properties(width=250, height=220)
right = (
    alt.Chart(mean)
    .mark_line(point=True)
    .encode(x=SAMPLES, y=alt.Y("one_point:Q", title="bars of one sample", scale=alt.Scale(type="symlog")), color=METHOD, tooltip=TIP)
    .properties(width=250, height=220)
)
shown = "datum.function == chosen_function && datum.dimension == chosen_dimension"
alt.hconcat(left.transform_filter(shown), right.transform_filter(shown)).add_params(function, dimension)

# %%
at = mean[mean["log_n"].isin([4.0, 5.0, 6.0]) & mean["dimension"].isin([2, 3])]
at.pivot_table(index=["function", "dimension", "log_n"], columns="method", values=["distance", "one_point"]).round(2)

# %% [markdown]
# In two dimensions evenness helps: on EggCrate, the distance is about ten times smaller, or more, for Sobol' points and grids than
# for as many uniform points, with few artefacts or none. In three dimensions Sobol' points with nearest neighbors have many
# artefacts, too: about as many as uniform points on Alpine01, fewer on the two other functions. A grid has few or none once it
# resolves the wells, because its neighbors surround every sample, and it needs no search for them; but all its directions are
# equally coarse when $D$ is large: $10^5$ samples are six along each of six axes.

# %%
SMOOTH = {2: lb.functions.EggCrate(), 3: lb.functions.Schwefel26(3)}
TRUE = {dimension: lb.barcode(lb.morse_complex(loss, progress=False)) for dimension, loss in SMOOTH.items()}
LEVELS = {"quick": (3.0, 3.5, 4.0, 4.5), "full": (3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0)}[PRESET]
print(*(f"{SMOOTH[dimension].name}: {len(bars)} bars;" for dimension, bars in TRUE.items()))


def error_of_sample(dimension, log_n, method, seed):
    """One row: the distance from the barcode of a sample to the true one."""
    for loss, bars, _ in barcodes(dimension, round(10**log_n), method, seed):
        if loss.name == SMOOTH[dimension].name:
            error = lb.bottleneck_distance(bars, TRUE[dimension])
            yield {"function": type(loss).__name__, "error": error}


SEEDS = {"quick": 1, "full": 6}[PRESET]  # the first three pairs
jobs = [
    dict(dimension=d, log_n=log_n, method=method, seed=seed)
    for log_n in LEVELS
    for d in SMOOTH
    for method in METHODS
    for seed in range(SEEDS)
]
keys = ["dimension", "log_n", "method", "seed"]
fresh = run("04_errors.csv", jobs, error_of_sample)
errors = study.load_result("04_errors.csv")
check(fresh, errors, ["function", *keys], "error")

# %% mystnb={"figure": {"caption": "Mean bottleneck distance of a sample's barcode to the true one, as a function of the number of samples N. Grey, dashed: the slope -1/D of the theory. Independent uniform points (blue), Sobol' points (green), grids with a random shift (orange).", "name": "fig-errors"}}
mean_error = errors.groupby(["function", "dimension", "method", "log_n"], as_index=False)["error"].mean()
mean_error["N"] = (10 ** mean_error["log_n"]).round()


def error_panel(rows, dimension):
    y = alt.Y("error:Q", title="error", scale=alt.Scale(type="log", nice=False, padding=12))
    tip = ["method", alt.Tooltip("N", format=",.0f"), alt.Tooltip("error", format=".4g")]
    measured = alt.Chart(rows).mark_line(point=True).encode(x=SAMPLES, y=y, color=METHOD, tooltip=tip)
    ends = np.array([1e4, 1e6])
    start = rows.loc[(rows["method"] == "uniform") & (rows["log_n"] == 4), "error"].item()
    theory = pd.DataFrame({"N": ends, "error": start * (ends / ends[0]) ** (-1 / dimension)})
    slope = alt.Chart(theory).mark_line(color="#888888", strokeDash=[5, 4]).encode(x=SAMPLES, y=y)
    return (slope + measured).properties(title=f"{rows['function'].iloc[0]}, D = {dimension}", width=250, height=220)


alt.hconcat(*(error_panel(rows, dimension) for dimension, rows in mean_error.groupby("dimension")))

# %%
from_four = mean_error[mean_error["log_n"] >= 4]
error_slopes = from_four.groupby(["function", "dimension", "method"]).apply(
    lambda rows: np.polyfit(rows["log_n"], np.log10(rows["error"]), 1)[0], include_groups=False
)
error_slopes = error_slopes.unstack("method").round(2)
error_slopes.insert(0, "-1/D", [round(-1 / d, 2) for d in error_slopes.index.get_level_values("dimension")])
error_slopes

# %% [markdown]
# The slopes are not near $-1/D$ for any method, and the chart shows the reason: over decades of $N$ the error stays at one
# value, and this value is half the length of a bar. EggCrate has wells that are cut off by the sides of the box. Their bars are
# the shortest, and until a sample comes close enough to the side, the best matching leaves them unmatched, at a cost of half
# their length.

# %%
egg_bars, egg_grid = TRUE[2], errors[(errors["function"] == "EggCrate") & (errors["method"] == "grid") & (errors["log_n"] == 5)]
shortest = float(egg_bars.length.min())
print(f"EggCrate's {int((egg_bars.length < 1.01 * shortest).sum())} shortest bars: {shortest:.5f}, half of that {shortest / 2:.5f}")
print(f"error of {len(egg_grid)} grids of 10^5 samples: {egg_grid['error'].min():.5f} to {egg_grid['error'].max():.5f}")

# %% [markdown]
# A bound $C\varepsilon$, with the steepest slope of the function as $C$, is true, but not informative here. The distance of a
# *pair*, in the figures above, decreases faster than the error, because two grids miss the same wells and therefore agree.
#
# The distance between two samples is at most the sum of their two errors. Which fraction of the sum is it, on average?

# %%
pairs = table[(table["pair"] < 3) & table["function"].isin(["EggCrate", "Schwefel26"]) & (table["dimension"] <= 3)]
sums = errors.assign(pair=errors["seed"] // 2).groupby(["function", "dimension", "method", "log_n", "pair"], as_index=False)["error"].sum()
joint = pairs.merge(sums, on=["function", "dimension", "method", "log_n", "pair"])
joint["fraction"] = joint["distance"] / joint["error"]
print(f"{len(joint)} pairs; distance / sum of errors: at most {joint['fraction'].max():.3f}, on average {joint['fraction'].mean():.2f}")

# %% [markdown]
# So the distance of a pair, which the paper measures because it does not need the truth, can be much smaller than the error: it
# does not contain what both samples miss.
#
# ## Time to be right
#
# How long does each route take, and how accurate is its result? Sampled route: Sobol' points and their nearest neighbors, $10^5$ to
# $10^7$. Morse route: all critical points and separatrices. Both run on the same two cores, one after the other
# (`tests/benchmarks/bench_morse.py` repeats this with pytest-benchmark). The errors are distances to one Morse complex, so the error
# of the Morse route is the distance between two searches from different starts; separate tests compare it with independent results to
# $10^{-8}$ (`tests/morse/test_morse.py`).

# %%
RACE = {"HumpCamel6": lb.functions.SixHumpCamel()}  # the table has the paper's name
RACE |= {loss.name: loss for loss in (lb.functions.EggCrate(), lb.functions.UrsemWaves(), lb.functions.Schwefel26(2), lb.functions.Wavy())}


def race(function, log_n):
    """One row: seconds and error of a route (log_n = 0: the Morse complex)."""
    loss = RACE[function]
    exact = lb.barcode(lb.morse_complex(loss, progress=False))
    start = time.perf_counter()
    if log_n:
        bars = lb.barcode(lb.sample(loss, round(10**log_n), dtype=torch.float64, progress=False))
    else:
        bars = lb.barcode(lb.morse_complex(loss, seed=1, progress=False))
    seconds = time.perf_counter() - start
    yield {"seconds": seconds, "error": lb.bottleneck_distance(bars, exact)}


levels = {"quick": (5.0,), "full": (0.0, 5.0, 6.0, 7.0)}[PRESET]
todo = [dict(function=function, log_n=log_n) for log_n in levels for function in RACE]
raced = run("04_time_to_be_right.csv", todo, race)
times = study.load_result("04_time_to_be_right.csv")
check(raced, times, ["function", "log_n"], "error")

# %% mystnb={"figure": {"caption": "Error of the sampled barcode as a function of its run time, for 10^5, 10^6 and 10^7 Sobol' points (joined), and the run time of the exact barcode by the Morse complex (vertical ticks at the bottom). One colour per function.", "name": "fig-race"}}
FUNCTION = alt.Color("function:N", scale=alt.Scale(range=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]))
seconds = alt.X("seconds:Q", title="seconds", scale=alt.Scale(type="log", nice=False, padding=15))
sampled = times[times["log_n"] > 0].assign(N=lambda rows: (10 ** rows["log_n"]).round())
tip = ["function", alt.Tooltip("N", format=",.0f"), alt.Tooltip("seconds", format=".2f"), alt.Tooltip("error", format=".2g")]
y = alt.Y("error:Q", title="bottleneck distance to the exact barcode", scale=alt.Scale(type="log", nice=False, padding=15))
by_samples = alt.Chart(sampled).mark_line(point=True).encode(x=seconds, y=y, color=FUNCTION, tooltip=tip)
by_morse = alt.Chart(times[times["log_n"] == 0]).mark_tick(orient="vertical", thickness=3, size=26)
by_morse = by_morse.encode(x=seconds, y=alt.value(287), color=FUNCTION, tooltip=["function", alt.Tooltip("seconds", format=".2f")])
(by_samples + by_morse).properties(width=460, height=300)

# %%
wide = times.assign(route=times["log_n"].map(lambda log_n: f"10^{log_n:.0f}" if log_n else "Morse")).pivot(
    index="function", columns="route", values=["seconds", "error"]
)
wide.map(lambda number: f"{number:.2g}")

# %% [markdown]
# For smooth functions of two parameters the exact result takes no longer than $10^6$ samples. More samples improve little: the run
# time grows faster than $N$, and the error, which the worst artefact decides, decreases slowly and not in every step. The sampled
# route is for all other losses: those with kinks or noise, arrays and clouds.
