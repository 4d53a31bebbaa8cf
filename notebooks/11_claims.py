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
# # The papers against this book
#
# Each claim of the two papers that an experiment can test, where the book tests it, the number that decides, and the
# verdict. Every number is computed in this notebook from the committed tables, or from scratch where that takes a
# second, and the verdict follows from it. The table of all is {ref}`at the end <claims-table>`.
#
# *Reproduced* means: in every repetition and setting that was tried; *not reproduced*: in none; *partly*: what lies
# between. "Here" is digits and generated text on two cores, not the papers' data on their GPUs. A claim that does not
# reproduce here may well hold there; the notebooks run on the papers' data where there is a network (each says how).
#
# **Time:** half a minute on two cores.

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
from IPython.display import HTML
from torch.utils.flop_counter import FlopCounterMode

CLAIMS = []


def claim(paper, text, page, number, verdict, why):
    """One row of the table at the end."""
    where = f'<a href="{page}.html">{page[:2]}</a>'
    CLAIMS.append({"paper": paper, "claim": text, "tested in": where, "number": number, "verdict": verdict, "why": why})
    print(f"{verdict}: {number}")


def judged(held):
    """The verdict of conditions, one a repetition or setting."""
    held = list(held)
    return "reproduced" if all(held) else "partly" if any(held) else "not reproduced"


# %% [markdown]
# ## The first paper: {cite:t}`barannikov2023barcodes`
#
# ### Functions
#
# The bars of the camels are known to eight digits ({doc}`03_benchmark_functions`). The algorithm finds them from
# samples, with some hundred artefacts beside them if points and neighbors are those of the paper.

# %%
KNOWN = {  # births and deaths of the bars that end
    lb.functions.HumpCamel3(): [(0.29863844, 0.87736156)] * 2,
    lb.functions.HumpCamel6(): [(-1.03162845, 0.0)] + [(-0.21546382, 0.54371860)] * 2 + [(2.10425031, 2.22935720)] * 2,
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
    artefacts.append(int(lb.one_point_bars(lb.barcode(cloud), cloud).sum()))
claim(
    "1", "Barcodes and saddles of benchmark functions from samples", "03_benchmark_functions",
    f"camels: all bars, ends within {error:.4f}", judged([error < 0.02]),
    "Also by a second route, from all critical points, for every smooth function of the paper.",
)  # fmt: skip
claim(
    "1", "Uniform clouds give hundreds of bars that belong to one sample", "03_benchmark_functions",
    f"{min(artefacts)} to {max(artefacts)} at N = 100,000, k = 6; with points that fill the box evenly and k = 8: {max(even)}",
    judged(count > 100 for count in artefacts), "Even points are the default here.",
)  # fmt: skip

# %% [markdown]
# ### How many samples, how long
#
# Slopes of the distance between two barcodes against $N$, and running times beside GUDHI ({doc}`04_convergence`, {doc}`10_performance`).

# %%
convergence = lb.experiments.committed("04_convergence.csv").query("method == 'uniform' and log_n >= 4")
mean = convergence.groupby(["function", "dimension", "log_n"], as_index=False)["distance"].mean()
slopes = mean.groupby(["function", "dimension"])[["log_n", "distance"]].apply(
    lambda rows: np.polyfit(rows["log_n"], np.log10(rows["distance"]), 1)[0]
)
held = (slopes + 1 / slopes.index.get_level_values("dimension")).abs() < 0.1
claim(
    "1", "The distance of two samples' barcodes falls like N<sup>-1/D</sup>", "04_convergence",
    f"slope within 0.1 for {held.sum()} of {len(held)} functions and dimensions, up to N = 10<sup>{convergence['log_n'].max():.0f}</sup>",
    judged(held), "Where wells are not resolved, more samples see more of them and agree less; XinSheYang04 in D = 3 has the slope.",
)  # fmt: skip

# %%
report = lb.experiments.committed("10_performance.json")
speed = pd.DataFrame({"problem": b["group"], "seconds": b["stats"]["median"], **b["extra_info"]} for b in report["benchmarks"])
table_1 = speed[speed["problem"].str.startswith("table 1")].pivot(index="problem", columns="tool", values="seconds")
ratio = table_1["GUDHI"] / table_1["lossbarcode, as P1"]
grid = table_1["GUDHI"] / table_1["lossbarcode, grid"]
claim(
    "1", "Faster than GUDHI's cubical complex on a million points, D = 3 to 7", "10_performance",
    f"{ratio.min():.1f} to {ratio.max():.1f} times as fast; on GUDHI's own grid {grid.min():.0f} to {grid.max():.0f} times",
    judged(ratio > 1), "GUDHI computes the bars of all indices; it has no option for less.",
)  # fmt: skip
growth = speed[speed["problem"].str.startswith("growth")].sort_values("samples").iloc[-1]
wide = lb.sample(lb.functions.Alpine01(15), 10**6, method="lattice")
claim(
    "1", "It reaches 10<sup>9</sup> points and dimension 15", "10_performance",
    f"10<sup>{math.log10(growth['samples']):.0f}</sup> samples in {growth['seconds']:.0f} s, {growth['bytes_per_sample']:.0f} bytes each, D = 6; "
    f"in D = 15 {len(wide):,} samples, {len(lb.barcode(lb.basins(wide))):,} bars",
    judged([growth["samples"] >= 1e9, len(wide) >= 5e5]),
    "A tenth of the points was tried, on two cores; the rest waits for a GPU. In 15 dimensions even 10<sup>9</sup> points are four along an axis.",
)  # fmt: skip

# %% [markdown]
# ### Small networks
#
# Bars of seven networks, by a thousand descents each and paths ({doc}`05_small_networks`). Bars shorter than 0.0001 are no minima.

# %%
small = lb.experiments.committed("05_bars.csv")
sampled = lb.experiments.committed("05_samples.csv")
bars = small[np.isfinite(small["death"]) & (small["death"] - small["birth"] > 1e-4)]
main = bars[bars["penalty"] == 5e-4]
part = main.groupby(["activation", "network"])["death"].max() / sampled.groupby(["activation", "network"])["highest"].max()
claim(
    "1", "Observation 1: bars lie in a tiny low part of the range", "05_small_networks",
    f"highest end of a bar at most {part.max():.2%} of the highest sample, all below {main['death'].max():.2f}",
    judged([(part < 0.01).all(), (main["death"] < 1).all()]),
    "Holds for ReLU and tanh. Part of it is that sums of squares grow fast: a quadratic function has such a range, too.",
)  # fmt: skip

# %%
medians = main.groupby(["activation", "seed", "network"])["death"].median().unstack("network")
STEPS = {
    "depth": [("2", "2-2"), ("2-2", "2-2-2"), ("3-2", "3-2-2")],
    "width": [("2", "3"), ("2-2", "3-2"), ("3-2", "3-3")],
}
WHY = {
    "depth": "With tanh in every step; with ReLU (2, 2, 2) is no lower than (2, 2). The highest bar alone, which the paper shows, orders nothing: it "
    "depends on which bad minima were found.",
    "width": "With tanh in every step.",
}
for what, steps in STEPS.items():
    sinks = pd.DataFrame({f"{small} to {large}": medians[large] < medians[small] for small, large in steps})
    shares = sinks.T.groupby(level=0).sum().sum().groupby("activation").sum()
    claim(
        "1", f"Observation 2: the upper ends of bars descend with {what}", "05_small_networks",
        "median end sinks in " + ", ".join(f"{count} of {len(steps) * 2} steps with {name}" for name, count in shares.items()),
        judged(sinks.to_numpy().flat), WHY[what],
    )  # fmt: skip
STATED = {"2": (0.55, 0.65), "2-2": (0.35, 0.45), "2-2-2": (0.1, 0.3)}
by_penalty = bars[bars["network"].isin(STATED)].groupby(["activation", "penalty", "network"])["death"].median().unstack("network")
outside = sum((by_penalty[name] - by_penalty[name].clip(*interval)).abs() for name, interval in STATED.items())
best = outside.idxmin()
claim(
    "1", "Upper ends at 0.55-0.65, 0.35-0.45, 0.1-0.3 for (2), (2, 2), (2, 2, 2)", "05_small_networks",
    f"medians {', '.join(f'{by_penalty.loc[best, name]:.2f}' for name in STATED)} with {best[0]}, penalty {best[1]:g}",
    judged(abs(by_penalty.loc[best, name] - np.clip(by_penalty.loc[best, name], *interval)) < 0.005 for name, interval in STATED.items()),
    f"The paper does not state its penalty: the nearest of {len(by_penalty)} (two activations, three penalties) is shown.",
)  # fmt: skip

# %% [markdown]
# ## The second paper: {cite:t}`barannikov2020loss`
#
# ### Depth and width
#
# Fully connected networks on digits, in every repetition and penalty ({doc}`07_depth_and_width`): births, deaths and TO-scores apart.

# %%
networks = lb.experiments.committed("07_bars.csv")
runs = lb.experiments.summary(networks, ["family", "activation", "layers", "width", "penalty", "rounds", "seed"])
tanh = runs.query("family == 'fully connected' and activation == 'tanh' and rounds == 8")
deep = tanh.query("width == 16 and layers > 1")
wide = tanh.query("penalty == 0.001 and layers in (2, 4)")


def share(held):
    return f"{sum(held)} of {len(held)}"


def heights(text, rows, along, within, page, why):
    """A claim that barcodes fall, judged by births, deaths and TO-scores together."""
    found = {name: lb.experiments.falls(rows, name, along, within=within) for name in ("birth", "death", "to_score")}
    said = "; ".join(f"{name.replace('to_score', 'TO-score')}s fall in {of['agree']}" for name, of in found.items())
    verdicts = {of["verdict"] for of in found.values()}
    claim(
        "2",
        text,
        page,
        f"{said}; TO-score: {found['to_score']['rank correlation']}",
        verdicts.pop() if len(verdicts) == 1 else "partly",
        why,
    )


heights("Barcodes and TO-scores sink with depth", deep, "layers", "penalty", "07_depth_and_width",
        "Births fall. Lengths and TO-scores rise, with ReLU and tanh and whatever the effort: deep narrow networks are lower, but harder to escape.")  # fmt: skip
heights("Barcodes and TO-scores sink with width", wide, "width", "layers", "07_depth_and_width", "For two and for four layers.")

# %% [markdown]
# ### Convolutional and residual networks

# %%
cnn = runs[runs["family"].str.startswith("CNN")]
resnet9 = runs.query("family == 'ResNet9' and rounds == 4")
assert (resnet9[["birth", "death"]].max() < cnn[["birth", "death"]].min()).all()
heights("Barcodes of CNNs sink with the number of parameters", cnn, "parameters", "family", "07_depth_and_width",
        "Heights do, TO-scores do not. Most minima were not reached, so the evidence is weak. ResNet9, as many rounds of paths: births and deaths "
        f"lower than all, TO-scores lower than {share(resnet9['to_score'].max() < cnn['to_score'])}.")  # fmt: skip
shapes = cnn.pivot(index=["layers", "width", "seed"], columns="family", values=["birth", "death", "to_score"]).dropna()
lower = {what: shapes[what]["CNN, BatchNorm"] < shapes[what]["CNN"] for what in ("birth", "death", "to_score")}
claim(
    "2", "BatchNorm lowers the bars", "07_depth_and_width",
    ", ".join(f"{name.replace('to_score', 'TO-score')} lower in {of.sum()} of {len(of)}" for name, of in lower.items()),
    judged([*lower["birth"], *lower["death"]]), "Judged by heights, as the claim is. Pairs of the same shape and seed.",
)  # fmt: skip

# %% [markdown]
# ### Transformers
#
# Small decoders on generated text ({doc}`09_transformers`); no descent arrived, so this is weak evidence.

# %%
text = lb.experiments.summary(lb.experiments.committed("09_bars.csv"), ["depth", "width", "penalty", "rounds", "seed"]).query("rounds == 4")
heights("Barcodes of transformers sink with depth", text.query("width == 8"), "depth", "penalty", "09_transformers",
        "Births do. No descent arrived, and paths had few rounds: weak evidence.")  # fmt: skip
heights("Barcodes of transformers sink with width", text.query("depth == 2 and penalty == 0.001"), "width", "penalty", "09_transformers",
        "Heights do. TO-scores rise, because births fall faster than deaths.")  # fmt: skip

# %% [markdown]
# ### Learning rate and generalization
#
# Two recipes from the same beginnings ({doc}`08_learning_rate_and_generalization`), where training stopped and after the descent to the end.

# %%
recipes = lb.experiments.committed("08_bars.csv")
RUN = ["network", "penalty", "steps", "rounds", "networks", "seed"]
pairs = lb.experiments.summary(recipes, [*RUN, "recipe"]).pivot(index=RUN, columns="recipe", values=["death", "mean_test_error"])
is_small = pairs.index.get_level_values("network") != "ResNet9"
two_rounds = pairs.index.get_level_values("rounds") == 2
longer = recipes.query("network == 'ResNet9' and rounds == 4")
left = f"{np.isfinite(longer['death']).sum()} of {longer.groupby(['seed', 'recipe'])['networks'].first().sum()}"
stopped = pairs.index.get_level_values("steps") == 0


def lower(what, rows, recipe="annealed"):
    """In which pairs of runs the annealed one is lower, of those in which both have bars."""
    both = pairs[what][rows][["small", recipe]].dropna()
    return (both[recipe] < both["small"]).tolist()


WHY = {
    "death": "Where training stopped; but there small networks are at no minimum, all their bars have length 0, and the heights are those of training "
    "losses. After descent to the end both recipes have bars of the same height. ResNet9 (digits) has the published shape at the paper's rate, "
    f"not at a larger one, with two rounds of paths; with four, {left} minima have a bar that ends.",
    "mean_test_error": "Clearly where training stopped, by less than a tenth after descent.",
}
for what, text in (("death", "Annealed minima have lower bars"), ("mean_test_error", "Annealed minima generalize better")):
    before, after = lower(what, stopped & is_small), lower(what, ~stopped)
    papers, large = (lower(what, ~is_small & two_rounds, recipe) for recipe in ("annealed from 0.05", "annealed"))
    claim(
        "2", text, "08_learning_rate_and_generalization",
        f"{what.replace('_', ' ')} lower in {share(before)} pairs of runs where training stopped, in {share(after)} after descent; of ResNet9, "
        f"two rounds of paths, in {share(papers)} from the paper's rate, in {share(large)} from four times that",
        judged([*before, *after, *papers, *large]), WHY[what],
    )  # fmt: skip
recipes["length"] = (recipes["death"] - recipes["birth"]).replace(np.inf, np.nan)
cases = {
    key: lb.experiments.rank_correlation(rows, "length", "test_error", within=[*RUN, "recipe"])
    for key, rows in recipes.groupby(["network", "penalty", "steps"])
    if rows["length"].gt(0).any()
}
clear = [of["low"] > 0 for of in cases.values()]
values = [of["correlation"] for of in cases.values()]
claim(
    "2", "In certain situations the length of a bar goes with the test error", "08_learning_rate_and_generalization",
    f"rank correlation {min(values):+.2f} to {max(values):+.2f}; 95 % intervals above 0 in {sum(clear)} of {len(clear)} situations",
    judged(clear), "Nor in the networks of 07. Where training stopped only ResNet9 has lengths to compare, with two rounds of paths.",
)  # fmt: skip

# %% [markdown]
# ### Descent of a path
#
# The papers move every point of a path by the gradient less the mean of its projections on the two neighboring chords.
# Here that is done for the fifteen straight lines between six networks on digits, 19 points each as in the paper, and
# nothing else. Against just this {doc}`connect <06_minima_and_paths>` adds points and spreads them again. How much
# longer do the two chords in the middle get, where the walls are highest?

# %%
digits = tuple(part[:300] for part in lb.data.digits().to(dtype=torch.float64).train)
loss = lb.networks.loss_of(lb.networks.FullyConnected(64, (8,), 10, torch.nn.Tanh).double(), digits, penalty=1e-3)
minima = lb.find_minima(loss, loss.starts(6), tolerance=1e-4).points
ends = minima[torch.combinations(torch.arange(6))]
lines = torch.lerp(ends[:, :1], ends[:, 1:], torch.linspace(0, 1, 19, dtype=torch.float64)[:, None])


def descended(path, rate, steps=240):
    """Points of paths after plain descent, as the papers describe it."""
    path = path.clone()
    for _ in range(steps):
        points = path[:, 1:-1].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(points.flatten(0, 1)).sum(), points)
        chords = torch.nn.functional.normalize(path.diff(dim=1), dim=2)
        before, after = ((gradient * chord).sum(2, keepdim=True) * chord for chord in (chords[:, :-1], chords[:, 1:]))
        path[:, 1:-1] -= rate * (gradient - (before + after) / 2)
    return path


growth = {rate: (descended(lines, rate).diff(dim=1).norm(dim=2) / lines.diff(dim=1).norm(dim=2)).median(0).values for rate in (0.1, 0.3)}
middle, rim = ({rate: float(chords[part].mean()) for rate, chords in growth.items()} for part in ([8, 9], [0, -1]))
claim(
    "2", "Points of a path drift away from its saddle while it descends", "11_claims",
    "central chords " + ", ".join(f"{by:.1f} times (rate {rate})" for rate, by in middle.items()) + " as long after 240 steps, medians of 15 paths; "
    "the paper: four times", judged([*(by > 1.2 for by in middle.values()), *(by < 1 for by in rim.values())]),
    "On digits; how far they drift depends on the rate. Chords at the ends get shorter.",
)  # fmt: skip

# %% [markdown]
# ### Not tested
#
# ResNet9 on the papers' data waits for a GPU. Theorem 1 needs no experiment and is not proved here;
# {doc}`02_gradient_morse_complex` states it and shows a pair that cancels.

# %%
claim("2", "Theorem 1: if all TO-scores are 0, a small perturbation has one critical point", "02_gradient_morse_complex",
      "none", "not tested", "A theorem of the paper, stated with its hypotheses as we read them; in one dimension a pair is seen to cancel.")  # fmt: skip
claim("2", "Barcodes of ResNets on CIFAR10, CIFAR100, SVHN", "08_learning_rate_and_generalization",
      "none", "not tested", "ResNet9, its recipes and the papers' data are in the full preset; below is what they cost. On digits it is in 07 and 08.")  # fmt: skip

# %% [markdown]
# (claims-table)=
# ## All claims

# %%
claims = pd.DataFrame(CLAIMS)[["paper", "claim", "verdict", "number", "why", "tested in"]]
HTML(claims.assign(verdict="<b>" + claims["verdict"] + "</b>").to_html(index=False, escape=False, border=0, classes="sentences"))

# %%
print(claims["verdict"].value_counts().to_string())

# %% [markdown]
# ## Pictures of the papers, and where they are here
#
# | paper | picture | here |
# |---|---|---|
# | 1 | a polynomial and its barcode | {numref}`fig-level` |
# | 1 | barcodes, minima and saddles of HumpCamel3, HumpCamel6, Langermann, Wavy, HolderTable | {numref}`fig-camel3`, {numref}`fig-camel6`, {numref}`fig-langermann`, {numref}`fig-wavy`, {numref}`fig-holder` |
# | 1 | distance of two samples' barcodes against their number | {numref}`fig-convergence` |
# | 1 | running time beside GUDHI's | {numref}`fig-table-1` |
# | 1 | barcodes of small networks | {numref}`fig-small-relu`, with tanh {numref}`fig-small-tanh` |
# | 2 | barcodes of fully connected networks by depth | {numref}`fig-depth-bars`, {numref}`fig-depth` |
# | 2 | CNNs by parameters, with and without BatchNorm | {numref}`fig-cnn` |
# | 2 | minima of ResNet9 by learning rate | {numref}`fig-deaths`, with the published range; {numref}`fig-recipes` for small networks |
# | 2 | barcodes of transformers | {numref}`fig-transformer-bars`, {numref}`fig-transformer-depth`, {numref}`fig-transformer-width` |
# | 2 | length of a bar and generalization | {numref}`fig-generalization` |
# | 2 | barcodes of ResNets on CIFAR10, CIFAR100, SVHN | not made here |
#
# ## Where the numbers come from
#
# The tables, each made by its command in `notebooks/`, with what it was made on. Seeds are columns of the tables.
# Running times beside other tools are in `10_performance.json` and `06_gradients.json`, made by `make bench`, with the
# machine inside.

# %%
TABLES = ["04_convergence.csv", "04_errors.csv", "04_time_to_be_right.csv", "05_bars.csv", "05_samples.csv", "07_bars.csv", "08_bars.csv",
          "09_bars.csv", "10_lattices.csv"]  # fmt: skip
tables = {name: lb.experiments.committed(name) for name in TABLES}
origin = pd.DataFrame({name: {"rows": len(table), **table.attrs} for name, table in tables.items()}).T
assert origin.notna().all(axis=None)
HTML(origin.to_html(border=0, classes="sentences"))

# %% [markdown]
# ## What the papers' settings would cost
#
# Where there is a network and a GPU, `LOSSBARCODE_DATA` switches notebooks 07 to 09 to the papers' data at their
# settings. None of that was run here. Counted are the arithmetic operations of all gradients, nearly all of them of
# images of paths on all training data (three times those of the outputs, as a rule); hours at ten trillion operations a
# second, which is modest for a GPU of a data centre; and the memory that paths take.


# %%
def cost(module, row, rows, runs, epochs, networks=8, images=19, rounds=8):
    """Operations and memory of training networks and of joining all of them by paths, as `connect` estimates its memory."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(row)
    gradient = 3 * counter.get_total_flops() * rows
    pairs = networks * (networks - 1) // 2
    on_paths = sum(20 * pairs * (images - 2 + 2 * i) for i in range(1, rounds + 1))
    operations = runs * gradient * (epochs * networks + on_paths)
    size = sum(p.numel() for p in module.parameters())
    memory = 14 * pairs * (images + 2 * rounds) * size * 4
    return {"runs": runs, "parameters": size, "operations": f"{operations:.0e}", "hours": operations / 1e13 / 3600, "GiB": memory / 2**30}


picture = torch.zeros(1, 3, 32, 32)
costs = {f"07: fully connected, {n} layers, MNIST": cost(lb.networks.FullyConnected(784, (32,) * (n - 1), 10), torch.zeros(1, 784), 60_000, 3, 101)
         for n in (2, 8)}  # fmt: skip
costs |= {f"07: CNN, {n} convolutions, CIFAR10": cost(lb.networks.CNN(3, 10, layers=n), picture, 50_000, 6, 101) for n in (1, 2, 3)}
costs |= {"07: ResNet9, CIFAR10": cost(lb.networks.ResNet9(), picture, 50_000, 3, 101)}
costs |= {f"08: ResNet9, SVHN, {name}": cost(lb.networks.ResNet9(), picture, 73_257, 1, epochs)
          for name, epochs in (("small", 2001), ("annealed", 101))}  # fmt: skip
letters = torch.zeros(1, 64, dtype=torch.long)
costs |= {f"09: transformer, {n} blocks, OSCAR": cost(lb.networks.Transformer(256, 64, width=8, depth=n, heads=2), letters, 4096, 6, 300, 6, 7, 4)
          for n in (1, 4)}  # fmt: skip
costs = pd.DataFrame(costs).T.astype({"hours": float, "GiB": float})
days = costs.loc[costs.index.str.contains("CIFAR10"), "hours"].sum() / 24
print(f"all networks of 07 on CIFAR10: {days:.0f} days")
assert round(days) == 11
assert costs.loc[costs.index.str.startswith("08"), "hours"].between(36, 60).all()
assert costs["GiB"].max() < 10.5
costs.round(1)
