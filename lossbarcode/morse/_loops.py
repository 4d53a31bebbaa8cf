"""Bars of degrees 1 and 2 of a complex of one or two parameters.

In: a complex. Out: rows at which its bars are born and end. A loop around a hill is a valley of minus the loss, so the loops that are
filled are found by the elder rule for minus the loss, on the maxima, joined by the ascending separatrices. What lies outside the box
counts as one more hill, higher than all others. With a periodic axis, a 1-saddle that neither joins two minima nor ends the valley of a
hill begins a loop that is never filled, once around that axis. (The pairs are the same as those of the canonical form, but lines from
saddle to saddle do no harm.)
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .._support.types import Rows, Values
from ..barcodes._elder_rule import elder_rule
from ..barcodes._graph import Graph
from ._separatrices import Separatrices


def higher_pairs(
    graph: Graph, values: Values, index: Rows, lines: Separatrices, periodic: Bool[Tensor, " d"]
) -> tuple[Int[Tensor, "b 2"], Int[Tensor, "e 2"]]:
    """Rows at which the bars of degree 1 are born and end (-1: never) ``[b 2]``, and the same of degree 2 ``[e 2]``.

    Args:
        graph: minima and 1-saddles of the complex.
        values, index: loss at each critical point, ascending, and its Morse index ``[c]``.
        lines: all separatrices.
        periodic: which axes are ``[d]``. A box has no bars that never end, even if points are missing; only a torus has bars of degree 2.
    """
    maximum, ended_by = hills(values, index, lines)
    filled = torch.stack([ended_by, maximum], 1)
    # Of equal values the earlier row is the lower one, here and among the hills: so every saddle has one role, as without ties.
    joining = elder_rule(graph.values, graph.edges, graph.heights, graph.saddle_row)[1]
    begins = (index == 1) & periodic.any()
    begins[joining[joining >= 0]] = False
    begins[ended_by[ended_by >= 0]] = False
    begins[lines.saddle_row[lines.end_row == -2]] = False  # nobody knows what it joins
    never = begins.nonzero()
    loops = torch.cat([filled[ended_by >= 0], torch.cat([never, torch.full_like(never, -1)], 1)])
    return loops, filled[(ended_by < 0) & periodic.all()].flip(1)


def hills(values: Values, index: Rows, lines: Separatrices) -> tuple[Rows, Rows]:
    """The rows of the maxima in the plane, from the highest, and of the saddles at which the valleys of minus the loss end there ``[h]``.

    It is -1 for a maximum with which nothing higher is joined, not even the outside.
    """
    maximum = (index == 2).nonzero().squeeze(1).flip(0)
    number = torch.zeros_like(index)  # the outside is the eldest, number 0
    number[maximum] = torch.arange(1, len(maximum) + 1, device=maximum.device)
    up = lines.is_ascending.nonzero().squeeze(1)
    ends = torch.where(lines.end_row[up] >= 0, number[lines.end_row[up]], 0)
    saddle, which = lines.saddle_row[up].unique(return_inverse=True)
    # a saddle on an edge of the box has one line up, and on its other side lies the outside
    edges = torch.zeros(len(saddle), 2, dtype=ends.dtype, device=up.device)
    second = torch.zeros_like(up)
    order = which.argsort(stable=True)
    second[order[1:]] = (which[order][1:] == which[order][:-1]).to(second.dtype)
    edges[which, second] = ends
    saddle, edges = saddle.flip(0), edges.flip(0)
    births = torch.cat([values.new_tensor([-torch.inf]), -values[maximum]])
    return maximum, elder_rule(births, edges, -values[saddle], saddle)[1][1:]
