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
# # Transformers
#
# {cite:t}`barannikov2020loss` find that the barcodes of transformers on multilingual text sink with depth and width,
# too. Here small decoders learn to continue numbers that are written out in six languages, character by character: the
# text is generated, so that every reader has it. Six networks of each size are trained and joined by paths that sink,
# as in {doc}`07_depth_and_width`, in three repetitions with other seeds, at two penalties.
#
# **Time:** under a minute on two cores (`PRESET = "quick"`, two tiny networks). The table of all is `results/09_bars.csv`, made with
# `LOSSBARCODE_PRESET=full` in an hour or two on one core; a run that is stopped goes on where it was.
#
# With a network, `LOSSBARCODE_DATA=OSCAR` and `LOSSBARCODE_PRESET=full` read the papers' texts (their repository asks to be logged in), and
# the table lands beside this one. It was not run here. By the count in {doc}`11_claims` it takes minutes on a GPU, and less than a GiB.

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

import pandas as pd
import torch

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full"
DATA = os.environ.get("LOSSBARCODE_DATA", "numerals")  # or OSCAR
FULL = PRESET == "full"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TABLE = "09_bars.csv" if DATA == "numerals" else f"09_bars_{DATA}.csv"
COMMAND = f"LOSSBARCODE_PRESET=full LOSSBARCODE_DATA={DATA} python 09_transformers.py"

# %% [markdown]
# ## Text, networks, paths
#
# The text is cut into rows of 16 characters. A network sees 64 of them and predicts at each place the next character.

# %%
CONTEXT = 16 if DATA == "numerals" else 64
data = lb.data.numerals(context=CONTEXT) if DATA == "numerals" else lb.data.load(DATA, download=True, context=CONTEXT)
ROWS = 64 if DATA == "numerals" else 4096
print(data)
print(repr("".join(data.tokens[token] for token in data.train[0][:3].flatten())))

# %% [markdown]
# The loss is the mean cross-entropy of the next character, and the penalty. Layer norms make it insensitive to the
# scale of what they are given: the penalty shrinks those weights, and the smaller they are, the steeper is the loss. So
# descents to the end are slow, and gradients stay long.


# %%
def bars_of(depth, width, penalty, rounds, seed):
    """Rows of the table: the bars of one network, with evidence. While a long run lasts, its state is in a file."""
    module = lb.networks.Transformer(data.classes, CONTEXT, width=width, depth=depth, heads=2).to(DEVICE)
    loss = lb.networks.loss_of(module, tuple(part[:ROWS] for part in data.train), lb.networks.next_token, penalty=penalty)
    return lb.experiments.bars_of_network(
        loss,
        loss.starts(6, seed=seed),
        test=data.test,
        recipe=lb.Recipe(epochs=300 if FULL else 60, rate=0.2, last_rate=0.01, hold=100, until=280, batch_size=ROWS // 4),
        steps=500 if FULL else 50,
        tolerance=1e-2,
        images=7,
        rounds=rounds,
        align=False,  # heads and the stream between blocks are no chain of layers
        seed=seed,
        checkpoint=f"checkpoints/{DATA}-{depth}-{width}-{penalty}-{rounds}-{seed}" if FULL else None,
    )


DEPTHS, WIDTHS, PENALTIES, SEEDS = (1, 2, 4), (4, 8, 16), (1e-3, 1e-4), (0, 1, 2)
SHAPES = [(depth, 8, penalty) for depth in DEPTHS for penalty in PENALTIES]
SHAPES += [(2, width, 1e-3) for width in WIDTHS if width != 8]
if FULL:
    JOBS = [dict(depth=d, width=w, penalty=p, rounds=4, seed=seed) for seed in SEEDS for d, w, p in SHAPES]
    JOBS += [dict(depth=d, width=8, penalty=1e-3, rounds=rounds, seed=0) for rounds, depths in ((1, DEPTHS), (12, (1, 2))) for d in depths]
else:
    JOBS = [dict(depth=1, width=width, penalty=1e-3, rounds=1, seed=0) for width in (4, 8)]
start = time.perf_counter()
fresh = lb.experiments.run(bars_of, JOBS, file=f"results/{TABLE}" if FULL else None, command=COMMAND)
print(f"bars in {(time.perf_counter() - start) / 60:.1f} minutes")

# %% [markdown]
# ## The table
#
# From here on the figures show the committed table, of numerals. What was trained just now is an example; of OSCAR the table is printed here.

# %% tags=["nbval-ignore-output"]
if not FULL:
    assert (fresh.groupby("width").size() > 1).all()
elif DATA != "numerals":
    print(fresh.groupby(["depth", "width", "penalty", "seed"])[["birth", "death", "test_error"]].median().to_string())
fresh.round(4)

# %%
table = lb.experiments.committed("09_bars.csv")
print(", ".join(f"{key}: {value}" for key, value in table.attrs.items()))
runs = lb.experiments.summary(table, ["depth", "width", "penalty", "rounds", "seed"])
print(f"{len(runs)} runs, {len(table)} bars; minima whose gradient is shorter than 0.01: {table['reached'].sum()}")
main = runs[runs["rounds"] == 4]
sizes = main.groupby(["penalty", "depth", "width"])
pd.concat([sizes[["parameters", "birth", "death", "length", "to_score", "steepest", "test_error"]].mean(),
           sizes["to_score"].std().rename("sd of TO-score")], axis=1).round(3)  # fmt: skip

# %% mystnb={"figure": {"caption": "Barcodes of transformers of width 8 with one, two and four blocks, penalty 0.001, first repetition. All ends are hollow: no descent arrived, and all paths still sank.", "name": "fig-transformer-bars"}}
lb.charts.barcodes(
    table.query("width == 8 and rounds == 4 and penalty == 0.001 and seed == 0").sort_values("depth", kind="stable"), "depth"
)

# %% [markdown]
# How high is that? A network that knows only how often each character occurs has the loss

# %%
counts = torch.bincount(lb.data.numerals(context=16).train[1][:64].flatten()).double()
often = counts[counts > 0] / counts.sum()
FREQUENCIES = float(-(often * often.log()).sum())
print(f"{FREQUENCIES:.2f}; median death at width 8: {main.loc[main['width'] == 8, 'death'].median():.2f}")

# %% [markdown]
# So on the way from one network to another most of what they have learned is lost. They cannot be renumbered to lie closer
# (`align` knows chains of layers only), and four rounds of descent are few.
#
# ## Depth

# %% mystnb={"figure": {"caption": "Median births and deaths and TO-scores of transformers of width 8 by depth, all repetitions (points) and their means (lines), logarithmic.", "name": "fig-transformer-depth"}}
deep = main[main["width"] == 8]
lb.charts.trends(deep, "depth", by="penalty")

# %% [markdown]
# ## Width

# %% mystnb={"figure": {"caption": "The same for transformers of two blocks by width, penalty 0.001.", "name": "fig-transformer-width"}}
wide = main.query("depth == 2 and penalty == 0.001")
lb.charts.trends(wide, "width")

# %% [markdown]
# ## How much of it is effort?
#
# TO-scores of width 8, penalty 0.001, first repetition, after one, four and (but for four blocks) twelve rounds of descent of the paths:

# %%
effort = runs.query("width == 8 and penalty == 0.001 and seed == 0").pivot(index="depth", columns="rounds", values="to_score")
effort.columns = [f"{rounds} rounds" for rounds in effort]
effort.round(3)

# %% [markdown]
# ## Verdicts

# %%
WHATS = {"birth": "births", "death": "deaths", "length": "lengths", "to_score": "TO-scores"}
verdicts = pd.DataFrame(
    {
        f"{name} fall with {along}": lb.experiments.falls(rows, what, along, within="penalty")
        for rows, along in ((deep, "depth"), (wide, "width"))
        for what, name in WHATS.items()
    }
).T
verdicts

# %%
fall = verdicts["verdict"]
assert fall["births fall with depth"] == fall["births fall with width"] == fall["deaths fall with width"] == "reproduced"
assert fall["deaths fall with depth"] == fall["TO-scores fall with depth"] == "partly"
assert fall["TO-scores fall with width"] == fall["lengths fall with width"] == "not reproduced"
trained = main[main["width"] > 4]
assert (trained["death"] > 3 * trained["birth"]).all()
births = deep.pivot(index=["penalty", "seed"], columns="depth", values="birth")
assert (births[2] < 0.85 * births[1]).all()
assert (births[4] / births[2]).between(0.85, 1.15).all()
assert [verdicts.loc["deaths fall with depth", "agree"], verdicts.loc["TO-scores fall with depth", "agree"]] == ["4 of 6", "3 of 6"]
assert lb.experiments.falls(deep[deep["penalty"] == 1e-4], "death", "depth", within="penalty")["verdict"] == "reproduced"
assert lb.experiments.falls(deep[deep["penalty"] == 1e-4], "to_score", "depth", within="penalty")["verdict"] == "reproduced"
assert wide.loc[wide["width"] == 4, "birth"].min() > 0.7 * FREQUENCIES
assert (effort["1 rounds"] > 1.5 * effort["4 rounds"]).all()
assert (effort["4 rounds"] > 1.1 * effort["12 rounds"]).loc[[1, 2]].all()
assert (FREQUENCIES - trained["death"]).max() < 0.5 * (FREQUENCIES - trained["birth"]).min()
assert not table["reached"].any()
assert (table["change"][table["death"] < float("inf")] > 0).all()

# %% [markdown]
# - **Births** fall with depth, by their ranks, in every repetition and at both penalties: from one block to two, while
#   from two to four they hardly change. With width they fall in every repetition.
# - **Deaths** fall with width. With depth they fall by little, at the smaller penalty in every repetition, at the larger
#   one in one of three: all lie at about two, several times as high as births.
# - **Lengths and TO-scores** rise with width, because births fall and deaths hardly do; networks of width 4 have short
#   bars since they have learned little that could be lost. With depth TO-scores fall at one penalty and rise at the
#   other.
#
# So the claim that heights sink is reproduced for the lower ends, the claim that TO-scores sink is not. But the
# evidence is weak: no descent arrived at a stationary point, and TO-scores halve from one round of paths to four and go
# on falling after that. What remains of them with the paper's effort, a GPU has to show.
