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
        lower, upper: bounds between which the true height of each pass lies ``[m]``, around ``heights``; default ``heights`` on a side
            that is left out, and None where both are: heights are exact. -inf: nothing is known from below. +inf: the pass may not exist.
            A pass is at least as high as its ends, so both are raised to the bounds of the values there.
        values_lower, values_upper: the same for the loss at each minimum ``[k]``, around ``values``; the upper one is finite.

    Raises:
        ValueError: if shapes, dtypes or devices do not fit each other, if an edge names a minimum that is not
            there, if a number is NaN, if a pass lies below one of its ends, or if bounds do not enclose what they bound.

    Example:
        >>> import torch, lossbarcode as lb
        >>> graph = lb.Graph(torch.tensor([0.0, 1.0]), edges=torch.tensor([[0, 1]]), heights=torch.tensor([3.0]))
        >>> lb.barcode(graph).to_gudhi()
        [(0, (0.0, inf)), (0, (1.0, 3.0))]
        >>> bounded = lb.Graph(graph.values, graph.edges, graph.heights, lower=torch.tensor([2.5]))
        >>> print(lb.barcode(bounded).table()[["birth", "death", "lower", "upper"]])
           birth  death  lower  upper
        0    0.0    inf    inf    inf
        1    1.0    3.0    2.5    3.0
    """

    values: Float[Tensor, " k"]
    edges: Int[Tensor, "m 2"]
    heights: Float[Tensor, " m"]
    minimum_row: Int[Tensor, " k"]
    saddle_row: Int[Tensor, " m"]
    lower: Float[Tensor, " m"] | None
    upper: Float[Tensor, " m"] | None
    values_lower: Float[Tensor, " k"] | None
    values_upper: Float[Tensor, " k"] | None

    name: ClassVar[str] = ""  # pyright: ignore[reportIncompatibleVariableOverride]  # a graph alone is of nothing

    # written out, so that a graph always has the rows that may be left out here
    def __init__(
        self,
        values: Float[Tensor, " k"],
        edges: Int[Tensor, "m 2"],
        heights: Float[Tensor, " m"],
        minimum_row: Int[Tensor, " k"] | None = None,
        saddle_row: Int[Tensor, " m"] | None = None,
        *,
        lower: Float[Tensor, " m"] | None = None,
        upper: Float[Tensor, " m"] | None = None,
        values_lower: Float[Tensor, " k"] | None = None,
        values_upper: Float[Tensor, " k"] | None = None,
    ) -> None:
        k, m, device = len(values), len(heights), values.device
        minimum_row = torch.arange(k, device=device) if minimum_row is None else minimum_row
        saddle_row = torch.arange(m, device=device) if saddle_row is None else saddle_row
        if lower is not None or upper is not None:
            lower, upper = (heights if bound is None else bound for bound in (lower, upper))
        if values_lower is not None or values_upper is not None:
            values_lower, values_upper = (values if bound is None else bound for bound in (values_lower, values_upper))
        for name, tensor in (
            ("values", values),
            ("edges", edges),
            ("heights", heights),
            ("minimum_row", minimum_row),
            ("saddle_row", saddle_row),
            ("lower", lower),
            ("upper", upper),
            ("values_lower", values_lower),
            ("values_upper", values_upper),
        ):
            object.__setattr__(self, name, tensor)
        expected = {"values": (k,), "minimum_row": (k,), "edges": (m, 2), "heights": (m,), "saddle_row": (m,)}
        expected |= {name: (m,) for name in ("lower", "upper") if lower is not None}
        expected |= {name: (k,) for name in ("values_lower", "values_upper") if values_lower is not None}
        for name, shape in expected.items():
            tensor = getattr(self, name)
            float_kind = self.values.dtype if self.values.dtype in FLOATS else torch.float64
            kind = torch.int64 if name in ("edges", "minimum_row", "saddle_row") else float_kind
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
        check_bounds_around(self, "values", values_lower, values_upper)
        if values_upper is not None and not values_upper.isfinite().all():
            raise ValueError("Graph.values_upper: expected finite losses, got +inf; evaluate the loss at these minima, or leave them out")
        check_bounds_around(self, "heights", lower, upper)
        for name, values_bound in (("lower", values_lower), ("upper", values_upper)):
            if lower is not None or values_bound is not None:  # values that are not exact leave no pass exact
                bound, ends = getattr(self, name), values if values_bound is None else values_bound
                bound = heights if bound is None else bound
                object.__setattr__(self, name, bound.maximum(ends[edges].amax(1)) if m else bound)

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


def check_bounds_around(graph: Graph, name: str, lower: Tensor | None, upper: Tensor | None) -> None:
    """Bounds, if there are any, enclose the numbers that they bound."""
    if lower is None or upper is None:
        return
    numbers = getattr(graph, name)
    bad = ~((lower <= numbers) & (numbers <= upper))  # also true for NaN
    if bad.any():
        row = int(bad.nonzero()[0, 0])
        raise ValueError(
            f"Graph.{name}: expected each of them between its bounds, got {int(bad.sum())} that are not, the first at {row}: "
            f"{float(numbers[row])} with bounds {float(lower[row])} and {float(upper[row])}; pass -inf or +inf where nothing is known"
        )
