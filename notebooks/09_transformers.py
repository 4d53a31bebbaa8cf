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
# {cite:t}`barannikov2020loss` find that the barcodes of transformers on multilingual text also get lower with depth and width.
# Here small decoders learn to continue numbers that are written out in six languages, character by character; the
# text is generated, so that every reader has it. Six networks of each size are trained and joined by relaxed paths,
# as in {doc}`07_depth_and_width`, in three repetitions with different seeds, at two penalties.
#
# **Time:** under a minute on two cores (`PRESET = "quick"`, two tiny networks). The full table is `results/09_bars.csv`, made with
# `LOSSBARCODE_PRESET=full` in one to two hours on one core. An interrupted run resumes where it stopped.
#
# With internet access, `LOSSBARCODE_DATA=OSCAR` and `LOSSBARCODE_PRESET=full` read the papers' texts (their repository requires a login);
# the table is written next to this one. This was not run here. By the count in {doc}`11_claims` it takes minutes on a GPU, and less than
# a GiB.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lossbarcode") is None:  # for example on Colab
    source = "git+https://github.com/lossbarcode/lossbarcode"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source, "num2words"], check=True)

import lossbarcode as lb

# %%
import os
import time

import pandas as pd
import torch

from lossbarcode import study

PRESET = os.environ.get("LOSSBARCODE_PRESET", "quick")  # or "full"
DATA = os.environ.get("LOSSBARCODE_DATA", "numerals")  # or OSCAR
FULL = PRESET == "full"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TABLE = "09_bars.csv" if DATA == "numerals" else f"09_bars_{DATA}.csv"
COMMAND = f"LOSSBARCODE_PRESET=full LOSSBARCODE_DATA={DATA} python 09_transformers.py"

# %% [markdown]
# ## Text, networks, paths
#
# The text is cut into rows of 16 characters. A network is trained on 64 of them and predicts at each position the next character.

# %%
CONTEXT = 16 if DATA == "numerals" else 64
data = lb.data.numerals(context=CONTEXT) if DATA == "numerals" else lb.data.load(DATA, download=True, context=CONTEXT)
SAMPLES = 64 if DATA == "numerals" else 4096
print(data)
print(repr("".join(data.tokens[token] for token in data.train[0][:3].flatten())))

# %% [markdown]
# The loss is the mean cross-entropy of the next character plus the penalty. Layer norms make it insensitive to the
# scale of their inputs: the penalty shrinks the weights before them, and the smaller these are, the steeper is the loss. So
# descents are slow, and gradients stay long.


# %%
def transformer_job(depth, width, penalty, rounds, seed):
    """Rows of the table: the bars of one network, with evidence. A long run keeps its state in a file."""
    module = lb.networks.Transformer(data.classes, CONTEXT, width=width, depth=depth, heads=2).to(DEVICE)
    epochs = 300 if FULL else 60
    return study.network_bars(
        module,
        data,
        6,
        samples=SAMPLES,
        criterion=lb.networks.next_token,
        l2=penalty,
        training=lb.TrainingSchedule(epochs, lr=0.2, final_lr=0.01, constant_epochs=100, decay_end=280, batch_size=SAMPLES // 4),
        max_steps=500 if FULL else 50,
        initial_images=7,
        max_rounds=rounds,
        align=False,  # align knows chains of layers only; attention heads and skip connections are not a chain
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
fresh = study.run_jobs(transformer_job, JOBS, file=f"results/{TABLE}" if FULL else None, command=COMMAND)
print(f"bars in {(time.perf_counter() - start) / 60:.1f} minutes")

# %% [markdown]
# ## The table
#
# From here on the figures show the committed table, of numerals. The networks that were just trained are an example; for OSCAR the table is
# printed here.

# %% tags=["nbval-ignore-output"]
if FULL and DATA != "numerals":
    print(fresh.groupby(["depth", "width", "penalty", "seed"])[["birth", "death", "test_error"]].median().to_string())
fresh.round(4)

# %%
table = study.load_result("09_bars.csv")
print(", ".join(f"{key}: {value}" for key, value in table.attrs.items()))
runs = study.summarise_runs(table, ["depth", "width", "penalty", "rounds", "seed"])
print(f"{len(runs)} runs, {len(table)} bars; minima whose gradient is shorter than 0.01: {table['minimum_reached'].sum()}")
main = runs[runs["rounds"] == 4]
sizes = main.groupby(["penalty", "depth", "width"])
pd.concat([sizes[["parameters", "birth", "death", "length", "to_score", "max_gradient_norm", "test_error"]].mean(),
           sizes["to_score"].std().rename("sd of TO-score")], axis=1).round(3)  # fmt: skip

# %% mystnb={"figure": {"caption": "Barcodes of transformers of width 8 with one, two and four blocks, penalty 0.001, first repetition. All ends are hollow: no descent reached a minimum, and all deaths are only bounded above, by paths that still decreased in the last round.", "name": "fig-transformer-bars"}}
lb.charts.barcodes(
    table.query("width == 8 and rounds == 4 and penalty == 0.001 and seed == 0").sort_values("depth", kind="stable"), "depth"
)

# %% [markdown]
# For comparison: a network that knows only how often each character occurs has the loss

# %%
counts = torch.bincount(lb.data.numerals(context=16).train[1][:64].flatten()).double()
often = counts[counts > 0] / counts.sum()
FREQUENCIES = float(-(often * often.log()).sum())
print(f"{FREQUENCIES:.2f}; median death at width 8: {main.loc[main['width'] == 8, 'death'].median():.2f}")

# %% [markdown]
# So along the path from one network to another most of what they have learned is lost. Their hidden units cannot be permuted so that they
# lie closer (`align` knows chains of layers only), and four rounds of descent are few.
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
# ## How much depends on effort?
#
# The table lists TO-scores at width 8, penalty 0.001, first repetition, after one, four and (except for four blocks) twelve rounds of
# descent of the paths.

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
        f"{name} fall with {along}": study.monotone_trend(rows, what, along, within="penalty")
        for rows, along in ((deep, "depth"), (wide, "width"))
        for what, name in WHATS.items()
    }
).T
verdicts

# %% [markdown]
# - **Births** decrease with depth, by their ranks, in every repetition and at both penalties: they decrease from one block to two, while
#   from two to four they hardly change. With width they decrease in every repetition.
# - **Deaths** decrease with width. With depth they decrease by little, at the smaller penalty in every repetition, at the larger
#   one in one of three: all are about two, several times as high as births.
# - **Lengths and TO-scores** increase with width, because births decrease and deaths hardly do; networks of width 4 have short
#   bars because they have learned little that could be lost. With depth TO-scores decrease at one penalty and increase at the
#   other.
#
# So the claim that heights decrease is reproduced for births; the claim that TO-scores decrease is not reproduced. But the
# evidence is weak: no descent reached a stationary point, and TO-scores fall to about half from one round of paths to four and
# decrease further after that. All deaths are upper bounds from paths, so these trends are those of the bounds. What remains of them with
# the paper's effort was not measured; it needs a GPU.
