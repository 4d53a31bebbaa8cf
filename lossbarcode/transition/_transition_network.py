"""Minima and the passes by which searches left them: the record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..barcodes._graph import Graph
from ..barcodes._read_off import read_off
from ..barcodes._source import Source
from ._evidence import categories, table_with_evidence
from ._minima import Minima
from ._minimax import minimax_heights

if TYPE_CHECKING:
    from pandas import DataFrame


class PassKind(str, Enum):
    """What is known of a pass.

    ``INDEX_1``: a stationary point at which exactly one negative eigenvalue was found, and descents to both sides of it that stay below
    it. That it has no more of them is evidence only, except where all eigenvalues were computed.
    ``OVER_A_TOP``: an explicit way over a place that is not stationary, which bounds the pass from above. ``PATH_BOUND``: a stationary
    point with another number of negative eigenvalues; the way over it is explicit, and bounds the pass from above.
    """

    INDEX_1 = "index-1 saddle"
    OVER_A_TOP = "descent over a top"
    PATH_BOUND = "path bound"

    __str__ = str.__str__


@dataclass(frozen=True, eq=False)
class TransitionNetwork(Source):
    """Minima, those given and those reached from them, and the passes between them.

    Attributes:
        minima: the catalogue: first the given minima, polished, then what was reached from them, in the order of discovery.
        given_row: row in ``minima`` of each minimum that was given ``[g]``; two that are the same have one row.
        points: places of the passes ``[s d]``.
        values: loss there ``[s]``.
        gradient_norm: length of the gradient there ``[s]``.
        lowest_eigenvalue: lowest eigenvalue of the Hessian that was found there ``[s]``.
        negative_eigenvalues: number of negative eigenvalues that were found there ``[s]``, a lower bound on the Morse index.
        has_all_eigenvalues: where all eigenvalues were computed, so that this number is the Morse index ``[s]``.
        pairs: rows of the two minima that each joins ``[s 2]``; twice the same row: both descents from it end in one minimum.
        over_a_top: which are the highest places of searches that came down on the other side without a saddle ``[s]``.
        is_finished: for each given minimum, whether all searches of the last sweep that could lower its death were done before a budget
            was spent ``[g]``.
        gradient_tolerance: length of the gradient below which a place counts as stationary.
        name: the loss.
    """

    minima: Minima
    given_row: Int[Tensor, " g"]
    points: Float[Tensor, "s d"]
    values: Float[Tensor, " s"]
    gradient_norm: Float[Tensor, " s"]
    lowest_eigenvalue: Float[Tensor, " s"]
    negative_eigenvalues: Int[Tensor, " s"]
    has_all_eigenvalues: Bool[Tensor, " s"]
    pairs: Int[Tensor, "s 2"]
    over_a_top: Bool[Tensor, " s"]
    is_finished: Bool[Tensor, " g"]
    gradient_tolerance: float
    name: str = ""

    if_unconnected: ClassVar[str] = "allow more sweeps, rounds, modes or cycles"

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"TransitionNetwork({len(self.minima)} minima, {len(self)} passes; {self.name})"

    @property
    def graph(self) -> Graph:  # pyright: ignore[reportIncompatibleVariableOverride]  # a computed attribute is one, too
        """All minima of the catalogue, joined by all passes; rows are those of ``minima`` and of ``points``.

        Only ways out of the given minima were looked for; bars of others, which were met on the way, may end far too high.
        """
        rows = (self.pairs[:, 0] != self.pairs[:, 1]).nonzero().squeeze(1)
        pairs = self.pairs[rows]
        # a saddle between two minima that are equal up to rounding may lie an ulp below one of them
        heights = torch.maximum(self.values[rows], self.minima.values[pairs].amax(1))
        return Graph(self.minima.values, pairs, heights, saddle_row=rows)

    @property
    def kinds(self) -> list[PassKind]:
        """What is known of each pass ``[s]``."""
        found = zip(self.over_a_top.tolist(), self.negative_eigenvalues.tolist(), strict=True)
        return [PassKind.OVER_A_TOP if top else PassKind.INDEX_1 if count == 1 else PassKind.PATH_BOUND for top, count in found]

    def deaths(self, *, among_given: bool = False) -> Float[Tensor, " g"]:
        """Lowest known pass from each given minimum to something lower ``[g]``; +inf where nothing lower was reached.

        Of two equal minima the earlier row counts as the lower one.

        Args:
            among_given: only to something lower that was given: deaths within the sample, at least as high as those to anything lower.
        """
        count, given = len(self.minima), self.given_row
        levels = joining_levels(self.values, self.pairs, given, count)
        order = self.minima.values.argsort(stable=True).argsort()
        lower = order < order[given, None]
        if among_given:
            member = torch.zeros(count, dtype=torch.bool, device=given.device)
            member[given] = True
            lower &= member
        return torch.where(lower, levels, torch.inf).amin(1)

    def table(self) -> DataFrame:
        """The passes as a ``pandas.DataFrame``, one row per pass."""
        import pandas as pd

        columns = {
            "from": self.pairs[:, 0],
            "to": self.pairs[:, 1],
            "height": self.values,
            "gradient_norm": self.gradient_norm,
            "lowest_eigenvalue": self.lowest_eigenvalue,
            "negative_eigenvalues": self.negative_eigenvalues,
        }
        table = pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})
        return table.assign(kind=categories(self.kinds, PassKind))

    def bars_table(self) -> DataFrame:
        """The bars as a ``pandas.DataFrame``, one row per bar, with what is known of both ends.

        The columns are those of :meth:`Paths.bars_table` without ``last_decrease`` and ``quiet``, since there are no rounds;
        ``saddle_evidence`` is the kind of the pass that ends the bar (:class:`PassKind`), and ``is_given`` tells which minima were given:
        only for these something lower was looked for. An end is proven if it is a stationary saddle of index 1 by all eigenvalues.

        Example:
            >>> import torch, lossbarcode as lb
            >>> camel = lb.functions.SixHumpCamel()
            >>> minima = lb.find_minima(camel, lb.sample(camel, 64, dtype=torch.float64).points).deduplicate(1e-3)
            >>> table = lb.transition_network(camel, minima).bars_table()
            >>> print(table[["length", "minimum_reached", "saddle_evidence", "end_evidence"]][1:].round(2))
               length  minimum_reached saddle_evidence end_evidence
            1    1.03             True  index-1 saddle       proven
            2    0.76             True  index-1 saddle       proven
            3    0.76             True  index-1 saddle       proven
            4    0.13             True  index-1 saddle       proven
            5    0.13             True  index-1 saddle       proven
        """
        bars, kinds = read_off(self, stacklevel=2), self.kinds
        index_1 = torch.tensor([kind is PassKind.INDEX_1 for kind in kinds], dtype=torch.bool, device=self.values.device)
        proven = index_1 & (self.gradient_norm <= self.gradient_tolerance) & self.has_all_eigenvalues
        evidence = [kinds[row] if row >= 0 else None for row in bars.saddle_row.tolist()]
        of_bars = torch.cat([proven, proven.new_zeros(1)])[bars.saddle_row]  # the last is for the row -1 of bars without an end
        table = table_with_evidence(bars, self.minima, of_bars)
        given = torch.isin(bars.minimum_row, self.given_row).cpu().numpy()
        return table.assign(saddle_evidence=categories(evidence, PassKind), is_given=given)


def joining_levels(heights: Tensor, pairs: Tensor, rows: Tensor, count: int) -> Tensor:
    """The lowest level at which some minima ``[g]`` are joined with each of all minima ``[g count]``; +inf: they are not."""
    if count < 2:
        return torch.full((len(rows), count), torch.inf, dtype=heights.dtype, device=heights.device)
    apart = pairs[:, 0] != pairs[:, 1]
    every = torch.stack([rows.repeat_interleave(count), torch.arange(count, device=rows.device).repeat(len(rows))], 1)
    none = torch.full_like(every[:, 0], torch.inf, dtype=heights.dtype)
    levels = minimax_heights(torch.cat([heights[apart], none]), torch.cat([pairs[apart], every]), count)
    return levels[-len(every) :].view(len(rows), count)
