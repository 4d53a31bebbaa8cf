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
# is below $C\varepsilon$. Uniform samples come within $\varepsilon \sim N^{-1/D}$, so on a log-log chart the error should
# fall with slope $-1/D$. This notebook redoes figure 6 of {cite:t}`barannikov2023barcodes`: it draws *pairs* of
# independent samples, measures the distance between their two barcodes, and compares the slopes with $-1/D$.
#
# It then asks what the paper does not: do evenly spread samples (Sobol' points, grids) do better than independent ones,
# and how many bars of each are artefacts, minima of a single sample?
#
# **Time:** about two minutes on two cores (`PRESET = "quick"`). The full table took
# the time stated below and is committed; quick reruns a part of it and checks that part against the table.

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
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import torch

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full": hours; rows already in the table are not run again

# %% [markdown]
# ## The experiment
#
# One pair costs two clouds, two searches for nearest neighbors, and then, for each function, two barcodes and a distance.
# All functions of a dimension live on cubes, so they share the clouds and the neighbors. Two grids are made "independent"
# by moving each by a random part of its own spacing.

# %%
FUNCTIONS = {2: [lb.functions.EggCrate()]} | {
    d: [lb.functions.Alpine01(d), lb.functions.Schwefel26(d), lb.functions.XinSheYang04(d)] for d in (3, 4, 5, 6)
}
METHODS = ["uniform", "sobol", "grid"]
# Pairs for D = 2, 3, 4, 5, 6 and each log10 N, as far as finding neighbors and matching all bars takes minutes, not hours.
# At most six of them for the two methods that the paper did not use.
ALL = [20] * 5
PAIRS = {
    "quick": {3.0: [2] * 5, 3.5: [2] * 5, 4.0: [2] * 5, 4.5: [1] * 5},
    "full": {3.0: ALL, 3.5: ALL, 4.0: ALL, 4.5: ALL, 5.0: [20, 20, 20, 6, 6], 5.5: [20, 6, 3], 6.0: [6, 3], 6.5: [3, 1], 7.0: [1]},
}[PRESET]


def first_coordinate(points):
    """A loss that costs nothing: only the places are wanted."""
    return points[:, 0]


def unit_cube(dimension, n, method, seed):
    """Places in the unit cube and who is next to whom."""
    box = torch.tensor([[0.0, 1.0]] * dimension, dtype=torch.float64)
    if method == "grid":
        side = int(n ** (1 / dimension) + 1e-9)
        low = torch.rand(dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) / side
        box = torch.stack([low, low + (side - 1) / side], 1)
    samples = lb.sample(first_coordinate, n, bounds=box, method=method, seed=seed, dtype=torch.float64)
    points = samples.points[:]
    return points, samples.neighbors or lb.NeighborTable.nearest(points)


def barcodes(dimension, n, method, seed):
    """Of every function of a dimension, on the same places: the barcode and how many bars are of one sample."""
    unit, neighbors = unit_cube(dimension, n, method, seed)
    for loss in FUNCTIONS[dimension]:
        low, high = loss.bounds.T
        points = low + (high - low) * unit
        basins = lb.basins(lb.Samples(points, loss(points), loss.bounds, neighbors, loss.name))
        bars = lb.barcode(basins)
        yield loss, bars, int(lb.one_point_bars(bars, basins).sum())


def pair_of_barcodes(dimension, log_n, method, pair):
    """One row a function: how far apart are the barcodes of two independent samples?"""
    n = round(10**log_n)
    for (loss, a, alone_a), (_, b, alone_b) in zip(*(barcodes(dimension, n, method, 2 * pair + i) for i in (0, 1)), strict=True):
        yield {
            "function": type(loss).__name__,
            "dimension": dimension,
            "method": method,
            "log_n": log_n,
            "pair": pair,
            "distance": lb.bottleneck_distance(a, b),
            "bars": (len(a) + len(b)) / 2,
            "one_point": (alone_a + alone_b) / 2,
        }


# %%
KEYS = ["function", "dimension", "method", "log_n", "pair"]
TABLE = Path("results/04_convergence.csv")
PUBLIC = "https://raw.githubusercontent.com/lossbarcode/lossbarcode/main/notebooks/"


def committed():
    """The committed table, from this folder or, on Colab, from the repository."""
    return pd.read_csv(TABLE if TABLE.exists() else PUBLIC + TABLE.as_posix(), comment="#")


def provenance():
    """What a reader needs to know to repeat a table, as comment lines."""
    return (
        f"# command: LOSSBARCODE_PRESET={PRESET} python 04_convergence.py\n"
        f"# device: CPU, {os.cpu_count()} cores; python {platform.python_version()}, torch {torch.__version__}, "
        f"numpy {np.__version__}, lossbarcode {lb.__version__}\n# date: {date.today()}\n"
    )


def rows_to_run():
    """Small N first, so that a run that is cut short leaves a table of all functions."""
    for log_n, most in PAIRS.items():
        for dimension, pairs in zip(FUNCTIONS, most, strict=False):
            for method in METHODS:
                for pair in range(pairs if method == "uniform" else min(pairs, 6)):
                    yield dimension, log_n, method, pair


start = time.perf_counter()
if PRESET == "full":
    if not TABLE.exists():
        TABLE.write_text(provenance() + ",".join([*KEYS, "distance", "bars", "one_point"]) + "\n")
    done = set(committed()[["dimension", "log_n", "method", "pair"]].itertuples(index=False, name=None))
    for row in rows_to_run():
        if row not in done:
            pd.DataFrame(pair_of_barcodes(*row)).to_csv(TABLE, mode="a", header=False, index=False, float_format="%.7g")
    fresh = committed()
else:
    fresh = pd.DataFrame([result for row in rows_to_run() for result in pair_of_barcodes(*row)])
minutes = (time.perf_counter() - start) / 60
