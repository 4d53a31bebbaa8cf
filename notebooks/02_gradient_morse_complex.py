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
# # The gradient Morse complex
#
# The gradient of a generic smooth loss vanishes at finitely many points only: its *critical points*. Some of them are minima;
# the others are saddles and maxima. Morse theory states that these points, and the gradient lines between them, determine the
# whole topology of the loss. This notebook computes them to the precision of floating point, reads the barcodes of every degree
# off them, and compares these with barcodes read off samples. The algebra behind it, the *canonical form* of a filtered complex,
# is from {cite:t}`barannikov1994framed`; its application to losses is from {cite:t}`barannikov2023barcodes` and
# {cite:t}`barannikov2020loss`.
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
import math

import altair as alt
import numpy as np
import pandas as pd
import torch

# %% [markdown]
# ## Downhill
#
# The example is a valley that surrounds a hill, like the moat of a castle, slightly deeper on two sides. It is small enough to
# follow every step by hand, and it has all kinds of critical points that occur in two dimensions.


# %%
def moat(points):
    x, y = points.T
    return (x**2 + y**2 - 1) ** 2 + 0.15 * x + 0.1 * y + 0.4 * y**2


BOX = [(-1.6, 1.6), (-1.6, 1.6)]
moat_morse = lb.morse_complex(moat, BOX)
moat_morse

# %% [markdown]
# This one call searched for all points where the gradient vanishes, by Newton iterations from thousands of starts at once. At
# each of them, the *Morse index* is the number of independent directions in which the loss curves downwards: 0 at a minimum, 1 at
# a saddle (down both ways along one direction, up along the other), 2 at a maximum of the plane.

# %%
moat_morse.table().round(4)

# %% [markdown]
# A marble that rolls down in the direction of the negative gradient (the arrows) ends in a minimum, unless it starts exactly on
# a ridge. From each saddle two such lines lead down, one to either side (white): its *separatrices*. Two more lead up (blue).
# The blue lines divide the plane into *cells*, one around each minimum: everything inside a cell rolls down to that minimum.

# %% mystnb={"figure": {"caption": "The moat: shading by rank of the loss (dark is low), arrows along the negative gradient, coloured by the minimum that they lead to; critical points; separatrices down (white) and up (blue). Click an entry of the legend to see only that kind.", "name": "fig-moat"}}
samples = lb.sample(moat, 301**2, bounds=BOX, method="grid", dtype=torch.float64)
basins = lb.basins(samples)

rows = torch.arange(301**2).reshape(301, 301)[13:300:25, 13:300:25].flatten()
places = samples.points[rows].requires_grad_()
gradient = torch.autograd.grad(moat(places).sum(), places)[0].numpy()
arrows = pd.DataFrame(places.detach().numpy(), columns=["x", "y"])
arrows["towards"] = np.degrees(np.arctan2(-gradient[:, 0], -gradient[:, 1])) % 360  # clockwise from up
arrows["cell"] = basins.label[rows].numpy()
angle = alt.Angle("towards:Q", scale=alt.Scale(domain=[0, 360], range=[0, 360]))
flow = [
    alt.Chart(cell).mark_point(shape="arrow", size=130, filled=True, opacity=0.9, color=colour).encode(x="x", y="y", angle=angle)
    for (_, cell), colour in zip(arrows.groupby("cell"), ["#D55E00", "#FFFFFF"], strict=True)
]
alt.layer(lb.charts.morse_map(moat_morse, samples), *flow)

# %% [markdown]
# ## Did we find all of them?
#
# A list of critical points can be checked. On a box, the number of minima minus the number of 1-saddles plus the number of
# maxima (and so on with alternating signs) is always 1, the *Euler characteristic* of the box. On the boundary, the points that
# count are those at which the loss, restricted to a face, is critical and increases inwards.

# %%
counts = torch.bincount(moat_morse.index).tolist()
print(" - ".join(map(str, counts[:2])), "+", counts[2], "=", counts[0] - counts[1] + counts[2])
print("completeness check:", moat_morse.completeness)

# %% [markdown]
# Without one of the saddles the completeness check fails. A barcode of an incomplete complex comes with a warning.

# %%
saddles = (moat_morse.index == 1).nonzero().flatten().tolist()
print("all but saddle", saddles[1], "->", moat_morse.drop(saddles[1]))

# %% [markdown]
# The condition is necessary, not sufficient: if a minimum *and* a saddle were missing, the sum would still be 1. Therefore the
# search continues until no new point has been found for as many starts as were needed to find all points so far. A separatrix
# that does not end at a known critical point also reveals that one is missing.
#
# ## The boundary matrix
#
# Imagine that the level rises. At a minimum a new component appears. At a 1-saddle a bridge is added: its *boundary* consists of
# the two minima at the ends of its white lines. At a maximum a hole is closed by a disc: its boundary is the ring of saddles from
# which blue lines lead to it. This is written as a matrix over $\mathbb{Z}/2$ (1 + 1 = 0), with rows and columns in the order in
# which the level reaches them:

# %%
boundary = moat_morse.boundary()
letters = {0: "minimum", 1: "saddle", 2: "maximum"}
names = [f"{letters[int(i)]} {row}" for row, i in enumerate(moat_morse.index)]


def matrix(columns):
    """A square table of zeros and ones from the rows of the ones in each column."""
    dense = np.zeros((len(columns), len(columns)), dtype=int)
    for j, column in enumerate(columns):
        dense[list(column), j] = 1
    return pd.DataFrame(dense, index=names, columns=names)


D = matrix(boundary)
D

# %% [markdown]
# A boundary has no boundary: the product of the matrix with itself vanishes. The ring around the hill contains each minimum
# twice, which is zero over $\mathbb{Z}/2$.

# %%
print("entries of D · D modulo 2 that are not zero:", int(((D.to_numpy() @ D.to_numpy()) % 2).sum()))

# %% [markdown]
# ## The canonical form
#
# Now go through the columns from left to right. If the lowest 1 of a column is in the same row as the lowest 1 of an earlier
# column, add that earlier column to it, modulo 2, and look again. In the end every column is either empty or has its lowest
# 1 in a row that no other column shares. Only an *earlier* column may be added, because it is already present at that level;
# this is what it means to respect the filtration. Move the slider to see the reduction.

# %% mystnb={"figure": {"caption": "The boundary matrix of the moat while its columns are reduced from left to right. Orange: the lowest 1 of a reduced column, which pairs its row with its column; blue: all other ones.", "name": "fig-reduction"}}
size = len(boundary)
steps = []
for done in range(size + 1):
    now = [set(column) for column in boundary]
    for j in range(done):
        # the reduced columns up to j depend on these columns only: add up those that the basis names
        basis = lb.canonical_form(boundary[: j + 1]).basis[j]
        now[j] = set()
        for k in basis:
            now[j] ^= set(boundary[k])
    for j, column in enumerate(now):
        for i in range(size):
            look = "lowest" if j < done and column and i == max(column) else "one" if i in column else "zero"
            steps.append({"step": done, "row": names[i], "column": names[j], "entry": int(i in column), "look": look})

step = alt.param(name="columns_done", value=0, bind=alt.binding_range(min=0, max=size, step=1, name="reduced columns "))
cells = alt.Chart(pd.DataFrame(steps)).encode(
    x=alt.X("column:N", sort=names, title=None, axis=alt.Axis(orient="top", labelAngle=-30)),
    y=alt.Y("row:N", sort=names, title=None),
)
colour = alt.Color("look:N", scale=alt.Scale(domain=["zero", "one", "lowest"], range=["#F2F2F2", "#56B4E9", "#E69F00"]), legend=None)
grid = cells.mark_rect(stroke="white").encode(color=colour) + cells.mark_text(fontSize=15).encode(text="entry:Q")
grid.transform_filter("datum.step == columns_done").add_params(step).properties(width=330, height=250)

# %% [markdown]
# Here one addition is enough. Both saddles have the same two minima as their boundary; adding the first to the second leaves
# nothing: together they form a closed ring. The maximum then has this ring as its boundary.

# %%
form = lb.canonical_form(boundary)
for i, j in form.pairs:
    print(f"{names[i]} and {names[j]}: a bar from {moat_morse.values[i]:.4f} to {moat_morse.values[j]:.4f}")
for i in form.unpaired:
    print(f"{names[i]} is unpaired: a bar from {moat_morse.values[i]:.4f} that never ends")

# %% [markdown]
# The result is a change of basis. In the new basis each element is either paired with one other element, of which it is the
# boundary or which is its boundary, or it is unpaired; the matrix has become a sum of blocks of size two and one. This is the
# canonical form. It is unique, although the basis is not: the pairs are a property of the loss.

# %%
C = matrix([[i for i, k in form.pairs if k == j] for j in range(size)])
print("new basis:")
for name, column in zip(names, form.basis, strict=True):
    print(f"  {name:10} ->", " + ".join(names[i] for i in column))
C

# %% [markdown]
# ## A barcode of every degree
#
# A pair of a minimum and a saddle is a bar of degree 0: it belongs to the barcode of minima, and at the saddle the component of
# the minimum merges into another one. A pair of a saddle and a maximum is a bar of degree 1: at the saddle a loop closes around
# the hill, and at the top of the hill it is filled in. `barcode` computes both. It also computes bars of degree 1 from samples on a
# grid, by GUDHI's cubical complex.

# %%
lines = []
for degree in (0, 1):
    for route, source in (("Morse complex", moat_morse), (f"{len(samples):,} samples", samples)):
        for bar in lb.barcode(source, degree=degree):
            lines.append({"degree": degree, "route": route, "birth": bar.birth, "death": bar.death})
pd.DataFrame(lines).sort_values(["degree", "birth", "route"], ignore_index=True).round(4)

# %% [markdown]
# The same for a function of the papers, the six-hump camel, which has six minima and two hills:

# %%
camel = lb.functions.SixHumpCamel()
camel_morse = lb.morse_complex(camel)
camel_morse

# %% mystnb={"figure": {"caption": "SixHumpCamel: the gradient Morse complex. White lines lead down; blue lines lead up or out of the box.", "name": "fig-camel-complex"}}
lb.charts.morse_map(camel_morse, lb.sample(camel, 301**2, method="grid"))

# %% mystnb={"figure": {"caption": "SixHumpCamel: its barcodes of degree 0 (left) and 1 (right).", "name": "fig-camel-bars"}}
panels = [lb.charts.barcode(lb.barcode(camel_morse, degree=degree), width=220, height=260) for degree in (0, 1)]
alt.hconcat(*panels)

# %% [markdown]
# Symmetric losses have gradient lines that a generic loss would not have. On the axis of UrsemWaves a line leads from one saddle
# down to another. A small perturbation to one side decides where it continues; the barcode does not depend on the side.

# %% mystnb={"figure": {"caption": "UrsemWaves: its gradient Morse complex, with critical points also on the boundary of the box.", "name": "fig-ursem-complex"}}
ursem = lb.functions.UrsemWaves()
ursem_morse = lb.morse_complex(ursem)
lb.charts.morse_map(ursem_morse, lb.sample(ursem, 301**2, method="grid"))

# %% [markdown]
# ## TO-scores, and what zero means
#
# The *topological obstruction score* of degree $r$ (TO-score) measures how far a barcode is from that of a loss without obstacles.
# For degree 0 this ideal is a single infinite bar; for all other degrees it is empty. `obstruction_score` is the Wasserstein
# distance to the ideal, $(\sum (\text{length}/2)^p)^{1/p}$, in the unit of the loss. The papers' own normalisation was not available
# to us.

# %%
scored = {"moat": moat_morse, "SixHumpCamel": camel_morse, "bowl": lb.morse_complex(lambda x: (x**2).sum(1), BOX)}
table = {
    (name, f"degree {degree}"): {f"p = {p:g}": lb.obstruction_score(source, p=p, degree=degree) for p in (1, 2, math.inf)}
    for name, source in scored.items()
    for degree in (0, 1)
}
pd.DataFrame(table).T.round(4)

# %% [markdown]
# A score of 0 in degree 0 means that from every minimum but the global one something lower can be reached without climbing. If the
# scores of *all* degrees are 0, the critical points form pairs whose bars have length zero, and one can hope to remove them pair
# by pair. {cite:t}`barannikov2020loss` state when this is possible (their Theorem 1, quoted here as their statement and not proved):
#
# > Let $L$ be a piecewise smooth continuous function on a domain in $\mathbb{R}^n$, $n \ge 5$, whose gradient on the boundary
# > points outwards. If the TO-scores of all indices $r$ vanish, then an arbitrarily small smooth perturbation of $L$ has a single
# > critical point, a minimum.
#
# Note the sign on the boundary. The paper, in the version that we have, asks that $-\nabla L$ points outwards. Then, on a ball,
# the sum of $(-1)^\text{index}$ would be $(-1)^n$, and a maximum would have to remain, not a minimum. With $\nabla L$ outwards the
# sum is 1, as on all boxes in this book, so this is how we read the theorem; check its hypotheses before you rely on it. Five
# dimensions are needed to have enough room to move surfaces off each other (Whitney's trick); a network has many more.
#
# One dimension is enough to see how a pair is removed. Tilt the double well $x^4 - x^2 + s\,x$: the right minimum and
# the adjacent pass (a 1-saddle, which in one dimension is a maximum) approach each other, the bar gets shorter, and in the end
# both disappear.

# %% mystnb={"figure": {"caption": "The double well is tilted until its right minimum and the pass meet and cancel. Left: the curve with its critical points; right: length of the finite bar as a function of the tilt s.", "name": "fig-cancel"}}
TILTS = [round(0.02 * i, 2) for i in range(31)]


def tilted(s):
    return lambda points: points[:, 0] ** 4 - points[:, 0] ** 2 + s * points[:, 0]


x = torch.linspace(-1.3, 1.1, 121, dtype=torch.float64)
curves, critical_points, lengths = [], [], []
for s in TILTS:
    found = lb.morse_complex(tilted(s), [(-1.3, 1.1)], starts=256)
    bars = lb.barcode(found)
    curves.append(pd.DataFrame({"s": s, "x": x, "loss": tilted(s)(x[:, None])}))
    critical_points.append(found.table().assign(s=s))
    lengths.append({"s": s, "length": float(bars.length[bars.is_finite].sum()), "critical points": len(found.index)})
lengths = pd.DataFrame(lengths)

s = alt.param(name="tilt", value=0.2, bind=alt.binding_range(min=0, max=0.6, step=0.02, name="tilt s "))
here = "abs(datum.s - tilt) < 0.001"
scale = alt.Scale(domain=[-1.1, 1.0])
curve = (
    alt.Chart(pd.concat(curves))
    .mark_line(color="#5A5A5A")
    .encode(x=alt.X("x:Q", title="x"), y=alt.Y("loss:Q", title="loss", scale=scale))
    .transform_filter(here)
)
kinds = alt.Scale(domain=["minimum", "maximum"], range=["#0072B2", "#D55E00"])
dots = (
    alt.Chart(pd.concat(critical_points))
    .mark_point(size=110, filled=True, opacity=1)
    .encode(
        x="x1:Q",
        y=alt.Y("value:Q", title="loss", scale=scale),
        color=alt.Color("kind:N", scale=kinds, title=None),
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=["minimum", "maximum"], range=["circle", "diamond"]), title=None),
    )
    .transform_filter(here)
)
base = alt.Chart(lengths).encode(x=alt.X("s:Q", title="tilt s"), y=alt.Y("length:Q", title="length of the finite bar"))
now = base.mark_point(size=110, filled=True, color="#D55E00", opacity=1).transform_filter(here)
alt.hconcat(
    (curve + dots).properties(width=300, height=240), (base.mark_line(color="#5A5A5A") + now).properties(width=220, height=240)
).add_params(s)

# %% [markdown]
# The pair cancels where the two zeros of the derivative $4x^3 - 2x + s$ meet, at $x = 1/\sqrt 6$ and $s = \frac43/\sqrt 6$:

# %%
print(f"expected at s = {4 / 3 / math.sqrt(6):.4f}")
print(lengths[lengths["length"] > 0].tail(1).to_string(index=False), "\n", lengths[lengths["length"] == 0].head(1).to_string(index=False))

# %% [markdown]
# ## What it cannot do
#
# The theory needs a smooth loss whose critical points can be classified by the Hessian. Where this fails, no result would be
# reliable, so none is returned: a loss with kinks is refused, and a point that the Hessian does not classify (here a monkey saddle,
# with three ways down and three up) is listed as *degenerate*, and the completeness check returns `unknown`. The sampled route works
# for both.

# %%
for loss in (lb.functions.Alpine01(), lb.functions.Tripod(), lb.functions.HolderTable()):
    try:
        lb.morse_complex(loss)
    except ValueError as refusal:
        print(f"{loss.name}: {str(refusal).split(' near ')[0]}")

monkey = lb.morse_complex(lambda x: x[:, 0] ** 3 - 3 * x[:, 0] * x[:, 1] ** 2, BOX)
print("x³ - 3xy²:", monkey)

# %% [markdown]
# It also needs few parameters: the number of critical points grows exponentially with the dimension for functions like these. For
# three and more parameters `morse_complex` finds critical points and the barcode of minima; bars of a higher degree need the
# gradient lines between saddles of higher index, which come in families. Samples on a grid have bars of every degree.
#
# **Try it.** Change the moat: give it a second ring, add a hill, and see how the completeness check, the matrix and the bars
# change. Any function that autograd can differentiate twice can be used.
