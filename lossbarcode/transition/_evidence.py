"""What is known of both ends of each bar.

In: bars, the minima at which they are born, and which of their passes are proven saddles. Out: the table of the bars with columns that say
so, the same for paths and for transition networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool
from torch import Tensor

from ..barcodes._barcode import Barcode
from ._minima import Minima

if TYPE_CHECKING:
    from pandas import Categorical, DataFrame


class EndEvidence(str, Enum):
    """What is known of the end of a bar, the strongest that holds. The bar of the lowest minimum never ends, and has none.

    ``PROVEN``: a stationary point within the tolerance of the gradient, at which all eigenvalues of the Hessian were computed, by as many
    products as parameters, and exactly one of them is negative, with explicit ways down to both sides. So it is a saddle of Morse index 1,
    to rounding; that no lower pass exists is not said. ``BOTH_SIDES``: an explicit way bounds the pass from above, and the graph has a
    lower bound (``Barcode.death_lower`` above -inf). ``ABOVE``: no more than an explicit way to something lower; the end may lie anywhere
    between it and the minimum. ``UNKNOWN``: no way to anything lower was found, though there is a lower minimum.

    That a path is quiet, which means that its last round hardly lowered it, is evidence for none of them: valleys are flat, and a path can
    rest on the wrong pass.
    """

    PROVEN = "proven"
    BOTH_SIDES = "bounded on both sides"
    ABOVE = "bounded above"
    UNKNOWN = "unknown"

    __str__ = str.__str__


def table_with_evidence(bars: Barcode, minima: Minima, proven: Bool[Tensor, " k"]) -> DataFrame:
    """The table of bars with the columns that tell what is known of their minima and ends.

    Args:
        bars: of degree 0, at least one.
        minima: in whose rows ``minimum_row`` counts.
        proven: whether the pass at which each bar ends is a proven saddle ``[k]``; what it says of bars without an end does not matter.
    """
    rows = bars.minimum_row
    lowest = torch.full_like(minima.values, torch.nan) if minima.lowest_eigenvalue is None else minima.lowest_eigenvalue
    columns = {
        "gradient_norm": minima.gradient_norm[rows],
        "lowest_eigenvalue": lowest[rows],
        "minimum_reached": minima.converged[rows],
    }
    table = bars.table().assign(**{name: column.cpu().numpy() for name, column in columns.items()})
    return table.assign(end_evidence=categories(end_evidence(bars, proven), EndEvidence))


def end_evidence(bars: Barcode, proven: Bool[Tensor, " k"]) -> list[EndEvidence | None]:
    """What is known of the end of each bar; None for the first one, which is that of the lowest minimum."""
    upper = bars.death if bars.death_upper is None else bars.death_upper
    lower = torch.full_like(upper, -torch.inf) if bars.death_lower is None else bars.death_lower
    above = upper < torch.inf
    both = above & (lower > -torch.inf)
    strength = above.long() + both.long()
    strength[above & proven] = 3
    names = [EndEvidence.UNKNOWN, EndEvidence.ABOVE, EndEvidence.BOTH_SIDES, EndEvidence.PROVEN]
    return [None, *(names[i] for i in strength[1:].tolist())]


def categories(evidence: Sequence[Enum | None], kind: type[Enum]) -> Categorical:
    """A column of evidence; None is a missing value."""
    import pandas as pd

    return pd.Categorical([None if one is None else one.value for one in evidence], categories=[one.value for one in kind])
