"""The loops of the elder rule. They read and write lists as plain Python, and arrays when Numba has compiled them.

No other form of them exists. Milliseconds for k minima and 1.5 k random passes on a loaded two-core machine, compared with a contraction
of all components at once by tensor operations (Borůvka), which was the alternative; a first call loads Numba in one to two seconds:

========== ============ ======== ===========
k          plain Python compiled contraction
========== ============ ======== ===========
100        0.15         0.02     1.2
1,000      1.5          0.03     2.0
10,000     70           0.13     60
100,000    1,300        3.7      400
1,000,000               140      7,800
10,000,000              3,200    106,000
========== ============ ======== ===========
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache


def merge_components(edges, nodes):
    """Join components edge by edge, in the order in which edges open. The elder of a component, its smallest node, names it.

    ``nodes`` has three numbers per node, side by side because they are used together: a node of the same component on the way to
    its elder; the edge at which the node dies; the node into which it dies, which is always older (both -1: it does not die).
    """
    for x in range(len(nodes) // 3):
        nodes[3 * x], nodes[3 * x + 1], nodes[3 * x + 2] = x, -1, -1
    for edge in range(len(edges)):
        x, y = edges[edge]
        while nodes[3 * x] != x:
            nodes[3 * x] = nodes[3 * nodes[3 * x]]
            x = nodes[3 * x]
        while nodes[3 * y] != y:
            nodes[3 * y] = nodes[3 * nodes[3 * y]]
            y = nodes[3 * y]
        if x != y:
            younger, elder = max(x, y), min(x, y)
            nodes[3 * younger], nodes[3 * younger + 1], nodes[3 * younger + 2] = elder, edge, elder


def write_bars(nodes, birth, heights, saddle_row, death, saddle, parent, bar):
    """Of every node its death, the row of its saddle, its parent and the number of its own bar, from :func:`merge_components`.

    All that die at one saddle die into the one that survives it. A node with a bar of length zero has the bar of its parent.
    """
    count = 0
    for x in range(len(birth)):  # the parent is older, hence finished
        edge, up = nodes[3 * x + 1], nodes[3 * x + 2]
        if edge < 0:
            death[x], saddle[x], parent[x] = math.inf, -1, -1
        else:
            death[x], saddle[x] = heights[edge], saddle_row[edge]
            if saddle[up] == saddle[x] and death[up] == death[x]:
                up = nodes[3 * up + 2]
            nodes[3 * x + 2], parent[x] = up, bar[up]
        if death[x] > birth[x]:
            bar[x] = count
            count += 1
        else:
            bar[x] = parent[x]


@lru_cache(maxsize=1)
def compiled() -> tuple[Callable, Callable]:
    """Both loops, compiled. The first call loads Numba."""
    from .._support.compiled import kernel

    return kernel(merge_components), kernel(write_bars)
