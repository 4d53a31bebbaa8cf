"""The elder rule by union-find, compiled."""

from __future__ import annotations

import numpy as np

from .._support.compiled import kernel


@kernel
def merge_by_elder_rule(edges, nodes):
    """The elder rule by union and find: edges in the order in which they open, components named by their elders.

    Of every node ``[k 3]``, together because they are used together: itself or one above it; the edge at which it
    ends; in whom, who is always older (-1: it does not).
    """
    for x in range(len(nodes)):
        nodes[x, 0], nodes[x, 1], nodes[x, 2] = x, -1, -1
    for edge in range(len(edges)):
        x, y = edges[edge]
        while nodes[x, 0] != x:
            nodes[x, 0] = nodes[nodes[x, 0], 0]
            x = nodes[x, 0]
        while nodes[y, 0] != y:
            nodes[y, 0] = nodes[nodes[y, 0], 0]
            y = nodes[y, 0]
        if x != y:
            dies, lives = max(x, y), min(x, y)
            nodes[dies, 0], nodes[dies, 1], nodes[dies, 2] = lives, edge, lives


@kernel
def write_bars(nodes, birth, heights, tops, death, saddle, parent, bar):
    """What :func:`merge` found, as bars: where each ends, whose bar it ends in and, of every node, the number of its own.

    Ends in one saddle are in the one that survives it; a node without a bar of its own has that of the node it ends in.
    """
    count = 0
    for x in range(len(nodes)):  # who it ends in is older and hence finished
        edge, up = nodes[x, 1], nodes[x, 2]
        if edge < 0:
            death[x], saddle[x], parent[x] = np.inf, -1, -1
        else:
            death[x], saddle[x] = heights[edge], tops[edge]
            if saddle[up] == saddle[x] and death[up] == death[x]:
                up = nodes[up, 2]
            nodes[x, 2], parent[x] = up, bar[up]
        if death[x] > birth[x]:
            bar[x] = count
            count += 1
        else:
            bar[x] = parent[x]
