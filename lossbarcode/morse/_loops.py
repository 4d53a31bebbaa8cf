"""Bars of degree 1 of a complex in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..barcodes._graph import Graph
from ..barcodes._read_off import read_off

if TYPE_CHECKING:
    from ._morse_complex import MorseComplex
import torch


def loops(source: MorseComplex) -> list[list[int]]:
    """Rows at which the bars of degree 1 of a complex in the plane are born and end.

    A loop around a hill is a hill of the loss, seen from above: the elder rule for minus the loss, on the maxima, joined by the
    ascending separatrices. What lies outside the box is one more hill, higher than all others. (The same pairs as those of
    the canonical form, but lines from saddle to saddle do no harm.)
    """
    maximum = (source.index == 2).nonzero().squeeze(1)
    number = torch.full_like(source.index, -1)
    number[maximum] = torch.arange(len(maximum), device=maximum.device)
    lines = source.separatrices
    up = lines.is_ascending.nonzero().squeeze(1)
    outside = len(maximum)
    ends = torch.where(lines.end_row[up] >= 0, number[lines.end_row[up]], outside)
    saddle, which = lines.saddle_row[up].unique(return_inverse=True)
    # a saddle on an edge of the box has one line up, and outside on its other side
    edges = torch.full((len(saddle), 2), outside, device=up.device)
    second = torch.zeros_like(up)
    order = which.argsort(stable=True)
    second[order[1:]] = (which[order][1:] == which[order][:-1]).to(second.dtype)
    edges[which, second] = ends
    above = -source.values.max().abs() * 2 - 1
    values = torch.cat([-source.values[maximum], above[None]])
    graph = Graph(values, edges, -source.values[saddle], torch.cat([maximum, maximum.new_tensor([-1])]), saddle)
    bars = read_off(graph)
    return torch.stack([bars.saddle_row, bars.minimum_row], 1)[bars.is_finite].tolist()
