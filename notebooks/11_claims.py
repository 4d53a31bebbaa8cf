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
# # What we could reproduce
#
# This notebook lists each claim of the two papers that an experiment can test, with the page that tests it, the number that decides, and
# the verdict. Every number is computed in this notebook from the committed tables, or from scratch where that takes
# seconds, and the verdict follows from it. {ref}`The table of all claims <claims-table>` is at the end.
#
# *Reproduced* means that the claim held in every repetition and setting that was tried, *not reproduced* that it held in none, and
# *partly* that it held in some. *Inconclusive* means that the numbers do not decide it: here these are claims about how high bars of networks
# are, where all that is known are upper bounds from paths, and some bars by paths are a thousand times too long. The experiments use digits and generated text on two cores, not the papers' data on their GPUs. A claim
# that is not reproduced here may still hold there; with internet access the notebooks run on the papers' data (each says how).
#
# Births of networks are losses at minima; deaths are upper bounds from paths. Where other verdicts below are about heights of bars of
# networks, they are verdicts on these.
#
# **Time:** half a minute on two cores.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lossbarcode") is None:  # for example on Colab
    source = "git+https://github.com/lossbarcode/lossbarcode"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import lossbarcode as lb

# %%
import math

import numpy as np
import pandas as pd
import torch
from IPython.display import HTML

from lossbarcode import study

CLAIMS = []


def claim(paper, text, page, number, verdict, why):
    """Add one row to the table at the end."""
    where = f'<a href="{page}.html">{page[:2]}</a>'
    CLAIMS.append({"paper": paper, "claim": text, "tested in": where, "number": number, "verdict": verdict, "why": why})
    print(f"{verdict}: {number}")


# %% [markdown]
# ## The first paper: {cite:t}`barannikov2023barcodes`
#
# ### Functions
#
# The bars of the camel functions are known to eight digits ({doc}`03_benchmark_functions`). The algorithm finds them from
# samples, together with some hundred artefacts if points and neighbors are chosen as in the paper.

# %%
KNOWN = {  # births and deaths of the finite bars
    lb.functions.ThreeHumpCamel(): [(0.29863844, 0.87736156)] * 2,
    lb.functions.SixHumpCamel(): [(-1.03162845, 0.0)] + [(-0.21546382, 0.54371860)] * 2 + [(2.10425031, 2.22935720)] * 2,
}
error, artefacts, even = 0.0, [], []
for function, known in KNOWN.items():
    samples = lb.sample(function, 2**17, dtype=torch.float64)
    sampled = lb.barcode(lb.basins(samples))
    even.append(len(sampled) - len(known) - 1)
    found = sampled.longest(len(known) + 1).table()[["birth", "death"]].to_numpy()
    bars = np.array([*known, (samples.values.min(), math.inf)])
    both = (ends[np.lexsort(ends.T)] for ends in (found, bars))
    error = max(error, max(0 if a == b else abs(a - b) for a, b in zip(*(ends.flat for ends in both), strict=True)))
    cloud = lb.basins(lb.sample(function, 10**5, method="uniform", dtype=torch.float64), k=6)
    artefacts.append(int(lb.is_singleton(lb.barcode(cloud), cloud).sum()))
claim(
    "1", "Barcodes and saddles of benchmark functions from samples", "03_benchmark_functions",
    f"camels: all bars, ends within {error:.4f}", study.verdict_of([error < 0.02]),
    "Confirmed by a second route, from all critical points, for every smooth function of the paper.",
)  # fmt: skip
claim(
    "1", "Uniform point clouds give hundreds of bars that belong to one sample", "03_benchmark_functions",
    f"{min(artefacts)} to {max(artefacts)} at N = 100,000, k = 6; with evenly spread points and k = 8: {max(even)}",
    study.verdict_of(count > 100 for count in artefacts), "Evenly spread points are the default here.",
)  # fmt: skip

# %% [markdown]
# ### Numbers of samples and run times
#
# The first claim is about the slope of the distance between two barcodes against $N$ ({doc}`04_convergence`), the next ones about run
# times compared with GUDHI ({doc}`10_performance`).

# %%
convergence = study.load_result("04_convergence.csv").query("method == 'uniform' and log_n >= 4")
mean = convergence.groupby(["function", "dimension", "log_n"], as_index=False)["distance"].mean()
slopes = mean.groupby(["function", "dimension"])[["log_n", "distance"]].apply(
    lambda rows: np.polyfit(rows["log_n"], np.log10(rows["distance"]), 1)[0]
)
held = (slopes + 1 / slopes.index.get_level_values("dimension")).abs() < 0.1
claim(
    "1", "The distance of two samples' barcodes falls like N<sup>-1/D</sup>", "04_convergence",
    f"slope within 0.1 for {held.sum()} of {len(held)} functions and dimensions, up to N = 10<sup>{convergence['log_n'].max():.0f}</sup>",
    study.verdict_of(held), "Where wells are not resolved, more samples find more of them and agree less; XinSheYang04 in D = 3 has the slope.",
)  # fmt: skip

# %%
report = study.load_result("10_performance.json")
speed = pd.DataFrame({"problem": b["group"], "seconds": b["stats"]["median"], **b["extra_info"]} for b in report["benchmarks"])
table_1 = speed[speed["problem"].str.startswith("table 1")].pivot(index="problem", columns="tool", values="seconds")
ratio = table_1["GUDHI"] / table_1["lossbarcode, as P1"]
grid = table_1["GUDHI"] / table_1["lossbarcode, grid"]
claim(
    "1", "Faster than GUDHI's cubical complex on a million points, D = 3 to 7", "10_performance",
    f"{ratio.min():.1f} to {ratio.max():.1f} times as fast; on GUDHI's own grid {grid.min():.0f} to {grid.max():.0f} times",
    study.verdict_of(ratio > 1), "GUDHI computes the bars of all degrees; it has no option for less.",
)  # fmt: skip
growth = speed[speed["problem"].str.startswith("growth")].sort_values("samples").iloc[-1]
wide = lb.sample(lb.functions.Alpine01(15), 10**6, method="lattice")
claim(
    "1", "It handles 10<sup>9</sup> points and dimension 15", "10_performance",
    f"10<sup>{math.log10(growth['samples']):.0f}</sup> samples in {growth['seconds']:.0f} s, {growth['bytes_per_sample']:.0f} bytes each, D = 6; "
    f"in D = 15 {len(wide):,} samples, {len(lb.barcode(lb.basins(wide))):,} bars",
    study.verdict_of([growth["samples"] >= 1e9, len(wide) >= 5e5]),
    "Here a tenth of the points was tried, on two cores; all of them need a GPU. In 15 dimensions even 10<sup>9</sup> points are four per axis.",
)  # fmt: skip

# %% [markdown]
# ### Small networks
#
# The bars of seven networks come from a thousand descents each and from paths ({doc}`05_small_networks`). Bars shorter than 0.0001 are left
# out, because they are not minima.

# %%
small = study.load_result("05_bars.csv")
sampled = study.load_result("05_samples.csv")
bars = small[np.isfinite(small["death"]) & (small["death"] - small["birth"] > 1e-4)]
main = bars[bars["penalty"] == 5e-4]
part = main.groupby(["activation", "network"])["death"].max() / sampled.groupby(["activation", "network"])["highest"].max()
claim(
    "1", "Observation 1: bars lie in a tiny low part of the range", "05_small_networks",
    f"highest death at most {part.max():.2%} of the highest sample, all at most {main['death'].max():.2f}",
    study.verdict_of([(part < 0.01).all(), (main["death"] < 1).all()]),
    "It holds for ReLU and tanh. In part the reason is that sums of squares grow fast: a quadratic function has such a range, too.",
)  # fmt: skip

# %%
medians = main.groupby(["activation", "seed", "network"])["death"].median().unstack("network")
STEPS = {
    "depth": [("2", "2-2"), ("2-2", "2-2-2"), ("3-2", "3-2-2")],
    "width": [("2", "3"), ("2-2", "3-2"), ("3-2", "3-3")],
}
WHY = {
    "depth": "It holds with tanh in every step; with ReLU (2, 2, 2) is no lower than (2, 2). The highest bar alone, which the paper shows, has no "
    "trend: it depends on which minima with high births were found.",
    "width": "It holds with tanh in every step.",
}
for what, steps in STEPS.items():
    lower = pd.DataFrame({f"{small} to {large}": medians[large] < medians[small] for small, large in steps})
    counts = lower.sum(axis=1).groupby("activation").sum()
    claim(
        "1", f"Observation 2: the upper ends of bars get lower with {what}", "05_small_networks",
        "median death decreases in " + ", ".join(f"{count} of {len(steps) * 2} steps with {name}" for name, count in counts.items()),
        study.verdict_of(lower.to_numpy().flat), WHY[what],
    )  # fmt: skip
STATED = {"2": (0.55, 0.65), "2-2": (0.35, 0.45), "2-2-2": (0.1, 0.3)}
by_penalty = bars[bars["network"].isin(STATED)].groupby(["activation", "penalty", "network"])["death"].median().unstack("network")
outside = sum((by_penalty[name] - by_penalty[name].clip(*interval)).abs() for name, interval in STATED.items())
best = outside.idxmin()
claim(
    "1", "Upper ends at 0.55-0.65, 0.35-0.45, 0.1-0.3 for (2), (2, 2), (2, 2, 2)", "05_small_networks",
    f"medians {', '.join(f'{by_penalty.loc[best, name]:.2f}' for name in STATED)} with {best[0]}, penalty {best[1]:g}",
    study.verdict_of(abs(by_penalty.loc[best, name] - np.clip(by_penalty.loc[best, name], *interval)) < 0.005 for name, interval in STATED.items()),
    f"The paper does not state its penalty: the nearest of {len(by_penalty)} (two activations, three penalties) is shown.",
)  # fmt: skip

# %% [markdown]
# ## The second paper: {cite:t}`barannikov2020loss`
#
# ### Depth and width
#
# Births, deaths and TO-scores of fully connected networks on digits are counted separately, in every repetition and at every penalty
# ({doc}`07_depth_and_width`). Births are losses at minima. Deaths by paths are upper bounds, and for fully connected networks of width 16
# escapes found bars that are shorter by orders of magnitude. So a trend of deaths or TO-scores by paths decides nothing: such claims are
# *inconclusive*, whatever the trend.

# %%
networks = study.load_result("07_bars.csv")
runs = study.summarise_runs(networks, ["family", "activation", "layers", "width", "penalty", "rounds", "seed"])
tanh = runs.query("family == 'fully connected' and activation == 'tanh' and rounds == 8")
deep = tanh.query("width == 16 and layers > 1")
wide = tanh.query("penalty == 0.001 and layers in (2, 4)")


def share(held):
    return f"{sum(held)} of {len(held)}"


def heights(text, rows, along, within, page, why, more=""):
    """Add a claim that barcodes get lower: births count, deaths and TO-scores are upper bounds from paths, which decide nothing."""
    found = {name: study.monotone_trend(rows, name, along, within=within) for name in ("birth", "death", "to_score")}
    counts = "; ".join(f"{name.replace('to_score', 'TO-score')}s fall in {of['agree']}" for name, of in found.items())
    claim("2", text, page, f"by paths: {counts}; TO-score: {found['to_score']['rank correlation']}{more}", "inconclusive", why)


escapes = study.load_result("07_escapes.csv").query("search == 'basic'")
escapes = escapes[np.isfinite(escapes["length"])].groupby(["penalty", "layers", "seed"])["length"].sum() / 2
pathwise = deep.set_index(["penalty", "layers", "seed"])["to_score"]
ratio = (pathwise / escapes).dropna()
heights("Barcodes and TO-scores get lower with depth", deep, "layers", "penalty", "07_depth_and_width",
        "Births decrease. The increase of TO-scores by paths is withdrawn: with two to four layers nothing of it is left by escapes (six and eight are not "
        "searched yet). That TO-scores fall instead is not shown by so few runs of one width.",
        more=f"; by escapes TO-scores are {ratio.min():.0f} to {ratio.max():,.0f} times smaller ({len(ratio)} runs)")  # fmt: skip
heights(
    "Barcodes and TO-scores get lower with width", wide, "width", "layers", "07_depth_and_width",
    "Births decrease, for two and for four layers. So do deaths and TO-scores, but those are upper bounds.",
)  # fmt: skip

# %% [markdown]
# ### Convolutional and residual networks

# %%
cnn = runs[runs["family"].str.startswith("CNN")]
resnet9 = runs.query("family == 'ResNet9' and rounds == 4")
heights("Barcodes of CNNs get lower with the number of parameters", cnn, "parameters", "family", "07_depth_and_width",
        "Births decrease. Most descents reached no minimum, so the evidence is weak. ResNet9, with equally many rounds of "
        f"paths, has lower births and deaths than all CNNs, and lower TO-scores than {share(resnet9['to_score'].max() < cnn['to_score'])}.")  # fmt: skip
shapes = cnn.pivot(index=["layers", "width", "seed"], columns="family", values=["birth", "death", "to_score"]).dropna()
lower = {what: shapes[what]["CNN, BatchNorm"] < shapes[what]["CNN"] for what in ("birth", "death", "to_score")}
claim(
    "2", "BatchNorm lowers the bars", "07_depth_and_width",
    ", ".join(f"{name.replace('to_score', 'TO-score')} lower in {of.sum()} of {len(of)}" for name, of in lower.items()),
    study.verdict_of([*lower["birth"], *lower["death"]]), "Judged by heights, because the claim is about heights. Pairs have the same shape and seed.",
)  # fmt: skip

# %% [markdown]
# ### Transformers
#
# These are small decoders on generated text ({doc}`09_transformers`); no descent reached a minimum, so this is weak evidence.

# %%
text = study.summarise_runs(study.load_result("09_bars.csv"), ["depth", "width", "penalty", "rounds", "seed"]).query("rounds == 4")
heights("Barcodes of transformers get lower with depth", text.query("width == 8"), "depth", "penalty", "09_transformers",
        "Births decrease. No descent reached a minimum, and paths had few rounds, so the evidence is weak.")  # fmt: skip
heights("Barcodes of transformers get lower with width", text.query("depth == 2 and penalty == 0.001"), "width", "penalty", "09_transformers",
        "Births decrease. TO-scores by paths increase, because births decrease faster than these deaths.")  # fmt: skip

# %% [markdown]
# ### Learning rate and generalization
#
# Two recipes from the same initial parameters are compared ({doc}`08_learning_rate_and_generalization`), where training stopped and after
# descent.

# %%
recipes = study.load_result("08_bars.csv")
RUN = ["network", "penalty", "steps", "rounds", "networks", "seed"]
pairs = study.summarise_runs(recipes, [*RUN, "recipe"]).pivot(index=RUN, columns="recipe", values=["death", "mean_test_error"])
is_small = pairs.index.get_level_values("network") != "ResNet9"
two_rounds = pairs.index.get_level_values("rounds") == 2
longer = recipes.query("network == 'ResNet9' and rounds == 4")
left = f"{np.isfinite(longer['death']).sum()} of {longer.groupby(['seed', 'recipe'])['networks'].first().sum()}"
stopped = pairs.index.get_level_values("steps") == 0


def annealed_is_lower(what, rows, recipe="annealed"):
    """Whether the annealed run is lower, for each pair of runs that both have bars."""
    both = pairs[what][rows][["small", recipe]].dropna()
    return (both[recipe] < both["small"]).tolist()


WHY = {
    "death": "It holds where training stopped; but there small networks are not at a minimum, all their bars have length 0, and the heights are those of "
    "training losses. After descent both recipes have bars of the same height. ResNet9 (digits) has the published shape at the paper's rate, "
    f"not at a larger one, with two rounds of paths; with four rounds, {left} minima have a finite bar.",
    "mean_test_error": "Clearly where training stopped, by less than a tenth after descent.",
}
for what, text in (("death", "Annealed minima have lower bars"), ("mean_test_error", "Annealed minima generalize better")):
    before, after = annealed_is_lower(what, stopped & is_small), annealed_is_lower(what, ~stopped)
    papers, large = (annealed_is_lower(what, ~is_small & two_rounds, recipe) for recipe in ("annealed from 0.05", "annealed"))
    claim(
        "2", text, "08_learning_rate_and_generalization",
        f"{what.replace('_', ' ')} lower in {share(before)} pairs of runs where training stopped, in {share(after)} after descent; of ResNet9, "
        f"two rounds of paths, in {share(papers)} from the paper's rate, in {share(large)} from four times that",
        study.verdict_of([*before, *after, *papers, *large]), WHY[what],
    )  # fmt: skip
recipes["length"] = (recipes["death"] - recipes["birth"]).replace(np.inf, np.nan)
cases = {
    key: study.rank_correlation(rows, "length", "test_error", within=[*RUN, "recipe"])
    for key, rows in recipes.groupby(["network", "penalty", "steps"])
    if rows["length"].gt(0).any()
}
clear = [of["low"] > 0 for of in cases.values()]
values = [of["correlation"] for of in cases.values()]
claim(
    "2", "In certain situations the length of a bar correlates with the test error", "08_learning_rate_and_generalization",
    f"rank correlation {min(values):+.2f} to {max(values):+.2f}; 95 % intervals above 0 in {sum(clear)} of {len(clear)} situations",
    "inconclusive", "Lengths are those of upper bounds from paths. Intervals are from resampled runs. The networks of 07 give none above 0 either. Where training stopped only ResNet9 has lengths to "
    "compare, with two rounds of paths.",
)  # fmt: skip

# %% [markdown]
# ### Descent of a path
#
# The papers move every point of a path by the gradient minus the mean of its projections on the two neighboring chords
# (`study.descend_as_published`). Here this alone is done for the fifteen straight lines between six networks on digits, 19 points each as in
# the paper. To prevent the drift that follows, {doc}`connect <06_minima_and_paths>` inserts points and spaces them evenly again. The
# number is how much longer the two chords in the middle get, where the loss on the line is highest.

# %%
digits = tuple(part[:300] for part in lb.data.digits().to(dtype=torch.float64).train)
loss = lb.networks.network_loss(lb.networks.FullyConnected(64, (8,), 10, torch.nn.Tanh).double(), digits, l2=1e-3)
minima = lb.find_minima(loss, loss.initial_parameters(6), gradient_tolerance=1e-4).points
ends = minima[torch.combinations(torch.arange(6))]
lines = torch.lerp(ends[:, :1], ends[:, 1:], torch.linspace(0, 1, 19, dtype=torch.float64)[:, None])
descended = {rate: study.descend_as_published(loss, lines, lr=rate, steps=240) for rate in (0.1, 0.3)}
growth = {rate: (paths.diff(dim=1).norm(dim=2) / lines.diff(dim=1).norm(dim=2)).median(0).values for rate, paths in descended.items()}
middle, rim = ({rate: float(chords[part].mean()) for rate, chords in growth.items()} for part in ([8, 9], [0, -1]))
claim(
    "2", "Points of a path drift away from its saddle during the descent", "11_claims",
    "central chords " + ", ".join(f"{by:.1f} times (rate {rate})" for rate, by in middle.items()) + " as long after 240 steps, medians of 15 paths; "
    "the paper: four times", study.verdict_of([*(by > 1.2 for by in middle.values()), *(by < 1 for by in rim.values())]),
    "Tested on digits; how far the points drift depends on the rate. Chords at both ends of the path get shorter.",
)  # fmt: skip

# %% [markdown]
# ### Not tested
#
# ResNet9 on the papers' data needs a GPU. Theorem 1 needs no experiment and is not proved here;
# {doc}`02_gradient_morse_complex` states it and shows a pair of critical points that cancels.

# %%
claim("2", "Theorem 1: if all TO-scores are 0, a small perturbation has one critical point", "02_gradient_morse_complex",
      "none", "not tested", "It is a theorem of the paper; page 02 states its hypotheses as we read them and shows a pair that cancels in one dimension.")  # fmt: skip
claim("2", "Barcodes of ResNets on CIFAR10, CIFAR100, SVHN", "08_learning_rate_and_generalization",
      "none", "not tested", "The full preset has ResNet9, its recipes and the papers' data; the last table has their cost. ResNet9 on digits is in 07 and 08.")  # fmt: skip

# %% [markdown]
# (claims-table)=
# ## All claims

# %%
claims = pd.DataFrame(CLAIMS)[["paper", "claim", "verdict", "number", "why", "tested in"]]
HTML(claims.assign(verdict="<b>" + claims["verdict"] + "</b>").to_html(index=False, escape=False, border=0, classes="sentences"))

# %%
print(claims["verdict"].value_counts().to_string())

# %% [markdown]
# ## Figures of the papers and of this book
#
# | paper | figure | here |
# |---|---|---|
# | 1 | a polynomial and its barcode | {numref}`fig-level` |
# | 1 | barcodes, minima and saddles of HumpCamel3, HumpCamel6, Langermann, Wavy, HolderTable | {numref}`fig-camel3`, {numref}`fig-camel6`, {numref}`fig-langermann`, {numref}`fig-wavy`, {numref}`fig-holder` |
# | 1 | distance of the barcodes of two samples against the number of points | {numref}`fig-convergence` |
# | 1 | run time compared with GUDHI's | {numref}`fig-table-1` |
# | 1 | barcodes of small networks | {numref}`fig-small-relu`, with tanh {numref}`fig-small-tanh` |
# | 2 | barcodes of fully connected networks by depth | {numref}`fig-depth-bars`, {numref}`fig-depth` |
# | 2 | CNNs by parameters, with and without BatchNorm | {numref}`fig-cnn` |
# | 2 | minima of ResNet9 by learning rate | {numref}`fig-deaths`, with the published range; {numref}`fig-recipes` for small networks |
# | 2 | barcodes of transformers | {numref}`fig-transformer-bars`, {numref}`fig-transformer-depth`, {numref}`fig-transformer-width` |
# | 2 | length of a bar and generalization | {numref}`fig-generalization` |
# | 2 | barcodes of ResNets on CIFAR10, CIFAR100, SVHN | not made here |
#
# ## Provenance of the numbers
#
# Each table was made by its command, run in `notebooks/`, on the device and with the versions that are listed. Seeds are columns of the
# tables. Run times compared with other tools are in `10_performance.json` and `06_gradients.json`, made by `make bench`; these files
# record the machine.

# %%
TABLES = ["04_convergence.csv", "04_errors.csv", "04_time_to_be_right.csv", "05_bars.csv", "05_samples.csv", "07_bars.csv", "07_escapes.csv", "08_bars.csv",
          "09_bars.csv", "10_lattices.csv"]  # fmt: skip
tables = {name: study.load_result(name) for name in TABLES}
origin = pd.DataFrame({name: {"rows": len(table), **table.attrs} for name, table in tables.items()}).T
HTML(origin.to_html(border=0, classes="sentences"))

# %% [markdown]
# ## The cost of the papers' settings
#
# With internet access and a GPU, `LOSSBARCODE_DATA` switches notebooks 07 to 09 to the papers' data at their
# settings. None of this was run here. The table counts the arithmetic operations of all gradients (three times those of the outputs, as a
# rule), nearly all of them for images of paths on all training data; the hours at ten trillion operations per
# second, which is modest for a GPU of a data centre; and the memory of the paths (`study.published_cost`).


# %%
picture, letters, cost = torch.zeros(1, 3, 32, 32), torch.zeros(1, 64, dtype=torch.long), study.published_cost
FullyConnected, CNN, ResNet9, Transformer = lb.networks.FullyConnected, lb.networks.CNN, lb.networks.ResNet9, lb.networks.Transformer
costs = {f"07: fully connected, {n} layers, MNIST": cost(FullyConnected(784, (32,) * (n - 1), 10), torch.zeros(1, 784), 60_000, 3, 101)
         for n in (2, 8)}  # fmt: skip
costs |= {f"07: CNN, {n} convolutions, CIFAR10": cost(CNN(3, 10, layers=n), picture, 50_000, 6, 101) for n in (1, 2, 3)}
costs |= {"07: ResNet9, CIFAR10": cost(ResNet9(), picture, 50_000, 3, 101)}
costs |= {
    f"08: ResNet9, SVHN, {name}": cost(ResNet9(), picture, 73_257, 1, epochs) for name, epochs in (("small", 2001), ("annealed", 101))
}
costs |= {f"09: transformer, {n} blocks, OSCAR": cost(Transformer(256, 64, width=8, depth=n, heads=2), letters, 4096, 6, 300, networks=6, images=7, rounds=4)
          for n in (1, 4)}  # fmt: skip
costs = pd.DataFrame(costs).T.astype({"hours": float, "GiB": float})
days = costs.loc[costs.index.str.contains("CIFAR10"), "hours"].sum() / 24
print(f"all networks of 07 on CIFAR10: {days:.0f} days")
costs.round(1)
