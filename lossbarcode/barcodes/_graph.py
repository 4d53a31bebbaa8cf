"""The small filtered graph on minima in which all routes meet.

In: the loss at each minimum and at each pass between two of them. Out: a checked record that
:func:`lossbarcode.barcode` turns into bars. Whatever made the graph stays outside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .._support.checks import FLOATS, check_values
from ._source import Source


@dataclass(frozen=True, eq=False, init=False)
class Graph(Source):
    """Minima joined by passes: all that the elder rule needs to know about a loss.

    Args:
        values: loss at each minimum ``[k]``, finite.
        minimum_row: row of each minimum in the record that the graph came from ``[k]``; default ``0..k-1``.
        edges: pairs of minima that a pass joins ``[m 2]``, numbers below k. Several passes may join one pair.
        heights: loss of each pass ``[m]``, at least the loss at both its ends; +inf: never passable.
        saddle_row: row of each pass in the record that the graph came from ``[m]``; default ``0..m-1``.

    Raises:
        ValueError: if shapes, dtypes or devices do not fit each other, if an edge names a minimum that is not
            there, if a number is NaN, or if a pass lies below one of its ends.

    Example:
        >>> import torch, lossbarcode as lb
        >>> graph = lb.Graph(torch.tensor([0.0, 1.0]), edges=torch.tensor([[0, 1]]), heights=torch.tensor([3.0]))
        >>> lb.barcode(graph).to_gudhi()
        [(0, (0.0, inf)), (0, (1.0, 3.0))]
    """

    values: Float[Tensor, " k"]
    edges: Int[Tensor, "m 2"]
    heights: Float[Tensor, " m"]
    minimum_row: Int[Tensor, " k"]
    saddle_row: Int[Tensor, " m"]

    name: ClassVar[str] = ""  # pyright: ignore[reportIncompatibleVariableOverride]  # a graph alone is of nothing

    # written out, so that a graph always has the rows that may be left out here
    def __init__(
        self,
        values: Float[Tensor, " k"],
        edges: Int[Tensor, "m 2"],
        heights: Float[Tensor, " m"],
        minimum_row: Int[Tensor, " k"] | None = None,
        saddle_row: Int[Tensor, " m"] | None = None,
    ) -> None:
        k, m, device = len(values), len(heights), values.device
        minimum_row = torch.arange(k, device=device) if minimum_row is None else minimum_row
        saddle_row = torch.arange(m, device=device) if saddle_row is None else saddle_row
        for name, tensor in (
            ("values", values),
            ("edges", edges),
            ("heights", heights),
            ("minimum_row", minimum_row),
            ("saddle_row", saddle_row),
        ):
            object.__setattr__(self, name, tensor)
        expected = {"values": (k,), "minimum_row": (k,), "edges": (m, 2), "heights": (m,), "saddle_row": (m,)}
        for name, shape in expected.items():
            tensor = getattr(self, name)
            kind = (self.values.dtype if self.values.dtype in FLOATS else torch.float64) if name in ("values", "heights") else torch.int64
            if tuple(tensor.shape) != shape or tensor.dtype != kind or tensor.device != device:
                raise ValueError(
                    f"Graph.{name}: expected {kind} of shape {shape} on {device}, "
                    f"got {tensor.dtype} of shape {tuple(tensor.shape)} on {tensor.device}"
                )
        check_values(self.values, "Graph.values")
        if not self.values.isfinite().all():
            raise ValueError("Graph.values: expected a finite loss at every minimum, got +inf; leave such minima out")
        if m:
            check_edges(self)

    @property
    def graph(self) -> Graph:  # pyright: ignore[reportIncompatibleVariableOverride]  # a computed attribute is one, too
        """Itself."""
        return self

    def __repr__(self) -> str:
        return f"Graph({len(self.values)} minima, {len(self.heights)} passes)"


def check_edges(graph: Graph) -> None:
    """Ends exist and every pass is at least as high as both its ends."""
    k, edges, heights = len(graph.values), graph.edges, graph.heights
    a, b = edges.T
    if int(edges.min()) < 0 or int(edges.max()) >= k:
        raise ValueError(f"Graph.edges: expected minima numbered 0 to {k - 1}, got {int(edges.min())} to {int(edges.max())}")
    low = ~(heights >= torch.maximum(graph.values[a], graph.values[b]))  # also true for NaN
    if low.any():
        row = int(low.nonzero()[0, 0])
        a, b = edges[row].tolist()
        raise ValueError(
            f"Graph.heights: expected every pass at or above both its ends, got {int(low.sum())} that are not, the first at "
            f"{row}: height {float(heights[row])} between minima at {float(graph.values[a])} and {float(graph.values[b])}"
        )
