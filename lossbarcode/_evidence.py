"""The barcode of networks, and what is known of its ends.

In: :class:`Paths`. Out: a table with a row a bar. A minimum that was not reached and a path that still sinks make a bar whose ends are
not known; it must not look like one whose ends are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._barcode import barcode
from ._paths import Paths

if TYPE_CHECKING:
    from pandas import DataFrame


def evidence(paths: Paths) -> DataFrame:
    """The bars of minima and paths as a ``pandas.DataFrame``, one row a bar, with the evidence for both ends.

    Besides the columns of :meth:`Barcode.table` there are ``gradient_norm`` at the minimum, ``change`` of the path that ends the bar in
    its last round, ``kind`` of that path's highest point (see :attr:`Paths.kind`; none for a bar without an end),
    ``reached``: whether the gradient is within the tolerance of :func:`find_minima`, and ``converged``: whether also the change is within
    that of :func:`connect`.

    Args:
        paths: what :func:`connect` makes.

    Example:
        >>> import torch, lossbarcode as lb
        >>> camel = lb.functions.HumpCamel6()
        >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).distinct(1e-3)
        >>> table = lb.evidence(lb.connect(camel, minima))
        >>> print(table[["length", "converged", "kind"]][1:].round(2))
           length  converged            kind
        1    1.03       True  index-1 saddle
        2    0.76       True  index-1 saddle
        3    0.76       True  index-1 saddle
        4    0.13       True  index-1 saddle
        5    0.13       True  index-1 saddle
    """
    bars = barcode(paths)
    row = bars.saddle.clamp_min(0) // paths.values.shape[1]
    ends = bars.finite
    norm = paths.minima.gradient_norm[bars.minimum]
    change = paths.change[row].masked_fill(~ends, 0)
    reached = norm <= paths.minima.tolerance
    converged = reached & (change <= paths.tolerance)
    kinds = paths.kind
    columns = {"gradient_norm": norm, "change": change, "reached": reached, "converged": converged}
    kind = [kinds[i] if end else "" for i, end in zip(row.tolist(), ends.tolist(), strict=True)]
    return bars.table().assign(**{name: column.cpu().numpy() for name, column in columns.items()}, kind=kind)
