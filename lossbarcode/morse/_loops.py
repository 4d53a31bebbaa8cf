"""Bars of degree 1 of a complex in the plane."""

from __future__ import annotations

import torch

from .._support.types import Rows, Values
from ..barcodes._graph import Graph
from ..barcodes._read_off import read_off
from ._separatrices import Separatrices


def loops(values: Values, index: Rows, lines: Separatrices) -> list[list[int]]:
    """Rows at which the bars of degree 1 of a complex in the plane are born and end.

    A loop around a hill is a valley of minus the loss: the elder rule for minus the loss, on the maxima, joined by the ascending
    separatrices. What lies outside the box counts as one more hill, higher than all others. (The pairs are the same as those of
    the canonical form, but lines from saddle to saddle do no harm.)

    Args:
        values, index: loss at each critical point and its Morse index ``[c]``.
        lines: all separatrices.
    """
    maximum = (index == 2).nonzero().squeeze(1)
    number = torch.full_like(index, -1)
    number[maximum] = torch.arange(len(maximum), device=maximum.device)
    up = lines.is_ascending.nonzero().squeeze(1)
    outside = len(maximum)
    ends = torch.where(lines.end_row[up] >= 0, number[lines.end_row[up]], outside)
    saddle, which = lines.saddle_row[up].unique(return_inverse=True)
    # a saddle on an edge of the box has one line up, and on its other side lies the outside
    edges = torch.full((len(saddle), 2), outside, device=up.device)
    second = torch.zeros_like(up)
    order = which.argsort(stable=True)
    second[order[1:]] = (which[order][1:] == which[order][:-1]).to(second.dtype)
    edges[which, second] = ends
    lowest = -values.max().abs() * 2 - 1
    graph = Graph(
        torch.cat([-values[maximum], lowest[None]]), edges, -values[saddle], torch.cat([maximum, maximum.new_tensor([-1])]), saddle
    )
    bars = read_off(graph)
    return torch.stack([bars.saddle_row, bars.minimum_row], 1)[bars.is_finite].tolist()
