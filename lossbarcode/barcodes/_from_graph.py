"""Graphs that users bring: losses on vertices, joined by edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._support.checks import as_float_tensor, check_values
from .._support.types import AnyArray
from ._graph import Graph


def from_graph(values: AnyArray | str | Mapping[Any, float], edges: Any, heights: AnyArray | str | None = None) -> Graph:
    """A graph of losses on any vertices, minima or not: a network of states, a mesh, a neighborhood graph of your own.

    A vertex that is no minimum has no bar. Vertices of loss +inf are outside the domain, and left out with their edges.

    Args:
        values: loss of each vertex ``[n]``. For a networkx graph in the order of its nodes, or a mapping from nodes to losses, or the name
            of a node's attribute.
        edges: pairs of vertices ``[m 2]``, in any direction; or a SciPy sparse matrix ``[n n]``, whose stored elements are the edges,
            whatever their value; or a networkx graph.
        heights: loss at the top of each edge ``[m]``, for pairs; or the name of an edge's attribute, for a networkx graph. Default: the
            loss of the higher end.

    Returns:
        Graph whose ``minimum_row`` are numbers of vertices, and whose ``saddle_row`` are numbers of its edges: the saddle of a bar is
        between the vertices ``graph.minimum_row[graph.edges[bars.saddle_row]]``.

    Raises:
        ValueError: if an edge names a vertex that is not there, if shapes do not fit, if a loss is NaN or -inf, or if an edge is below one
            of its ends.

    Example:
        >>> import lossbarcode as lb
        >>> graph = lb.from_graph([0.0, 2.0, 1.0, 3.0], [(0, 1), (1, 2), (2, 3)])
        >>> lb.barcode(graph).to_gudhi()
        [(0, (0.0, inf)), (0, (1.0, 2.0))]
    """
    losses: Any = values
    if hasattr(edges, "nodes") and hasattr(edges, "edges"):
        losses, pairs, heights = of_networkx(values, edges, heights)
    elif isinstance(values, str | Mapping) or isinstance(heights, str):
        raise ValueError("values, heights: expected numbers, got names or a mapping, which only go with a networkx graph as edges")
    elif hasattr(edges, "tocoo"):
        if heights is not None:
            raise ValueError(
                "heights: expected None for a sparse matrix of edges, whose order is its own; pass pairs, as of matrix.nonzero()"
            )
        pairs = of_sparse_matrix(edges)
    else:
        pairs = as_pairs(edges)
    values = as_float_tensor(losses, "values")
    if values.ndim != 1:
        raise ValueError(f"values: expected one loss per vertex, shape [n], got shape {list(values.shape)}")
    check_values(values)
    pairs = pairs.to(values.device)
    if len(pairs) and (int(pairs.min()) < 0 or int(pairs.max()) >= len(values)):
        raise ValueError(f"edges: expected vertices numbered 0 to {len(values) - 1}, got {int(pairs.min())} to {int(pairs.max())}")
    ends = values[pairs].amax(1)
    tops = ends if heights is None else as_float_tensor(heights, "heights").to(values)
    if tops.shape != ends.shape:
        raise ValueError(f"heights: expected one per edge, shape {list(ends.shape)}, got shape {list(tops.shape)}")
    inside = values < torch.inf
    kept = ends < torch.inf
    number = inside.cumsum(0) - 1
    return Graph(values[inside], number[pairs[kept]], tops[kept], minimum_row=inside.nonzero().squeeze(1))


def as_pairs(edges: AnyArray) -> Tensor:
    """Pairs of whole numbers ``[m 2]``, int64."""
    try:
        pairs = edges if isinstance(edges, Tensor) else torch.from_numpy(np.array(edges))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"edges: expected pairs of vertices [m 2], a SciPy sparse matrix or a networkx graph, got {type(edges).__name__}"
        ) from error
    if not pairs.numel():
        return torch.zeros(0, 2, dtype=torch.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.is_floating_point() or pairs.is_complex() or pairs.dtype == torch.bool:
        raise ValueError(f"edges: expected pairs of whole numbers [m 2], got {pairs.dtype} of shape {list(pairs.shape)}")
    return pairs.long()


def of_sparse_matrix(matrix: Any) -> Tensor:
    """Rows and columns of the stored elements, each pair once ``[m 2]``."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"edges: expected a square matrix, one row per vertex, got shape {matrix.shape}")
    stored = matrix.tocoo()
    low, high = np.minimum(stored.row, stored.col).astype(np.int64), np.maximum(stored.row, stored.col).astype(np.int64)
    one = np.unique((low * matrix.shape[0] + high)[low < high])  # a symmetric matrix stores every edge twice
    return torch.from_numpy(np.stack(np.divmod(one, matrix.shape[0]), 1))


def of_networkx(values: Any, graph: Any, heights: Any) -> tuple[Any, Tensor, Any]:
    """Losses, pairs and heights in the order of the graph's nodes and edges."""
    nodes = list(graph.nodes)
    number = {node: row for row, node in enumerate(nodes)}
    if isinstance(values, str):
        values = dict(graph.nodes(data=values))
    if isinstance(values, Mapping):
        missing = [node for node in nodes if values.get(node) is None]
        if missing:
            raise ValueError(f"values: expected a loss for every node, got none for {len(missing)}, the first is {missing[0]!r}")
        values = [float(values[node]) for node in nodes]
    elif len(values) != len(nodes):
        raise ValueError(f"values: expected a loss for each of {len(nodes)} nodes, got {len(values)}")
    if isinstance(heights, str):
        tops = list(graph.edges(data=heights))
        missing = [(a, b) for a, b, top in tops if top is None]
        if missing:
            raise ValueError(
                f"heights: expected the attribute {heights!r} of every edge, got none for {len(missing)}, the first is {missing[0]}"
            )
        heights = [float(top) for *_, top in tops]
    pairs = [(number[edge[0]], number[edge[1]]) for edge in graph.edges]
    return values, as_pairs(pairs), heights
