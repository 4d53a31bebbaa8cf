"""The flood from minima over the lowest passes: in which order minima are searched, and when that ends.

In: a catalogue of minima. Out: the same with the passes between them, and more minima. From each minimum searches lead upwards along
its softest directions to saddles; from a saddle descents lead to a minimum on either side; and the flood goes on from what it reaches, the
lowest first, until each given minimum has a way to something lower and no search is left that could find a lower way.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from tqdm import tqdm

from .._support.progress import tqdm_options
from .._support.types import Rows, Values
from ._explore import explore
from ._flood_state import BUDGET, SAME_LOSS, Flood, FloodState, floats_per_search
from ._transition_network import joining_levels

QUIET_SWEEPS = 2  # sweeps in a row that change no death, after which the search ends
CLIMB_FACTOR = 8  # by which the first climb grows when nothing is found below it
MAX_CLIMB = CLIMB_FACTOR**6  # times the first climb; then searches lead as far as they come


def flood_on(flood: Flood, state: FloodState, progress: bool | None) -> Iterator[FloodState]:
    """Rounds of searches until nothing is left that could lower a death, in place; the state is yielded after every round."""
    options = flood.options
    with tqdm(desc="escapes", unit="round", initial=state.n_rounds, **tqdm_options(progress)) as bar:
        while state.sweep < options.sweeps:
            while state.n_rounds < options.max_rounds:
                rows, ceilings, _ = next_searches(state)
                bar.set_postfix_str(f"sweep {state.sweep + 1}, {len(rows)} of {len(state.values)} minima", refresh=False)
                if not len(rows):
                    break
                per_chunk = max(1, BUDGET // (2 * options.modes * floats_per_search(state.points.shape[1])))
                for some, below in zip(rows.split(per_chunk), ceilings.split(per_chunk), strict=True):
                    explore(flood, state, some, below)
                state.n_rounds += 1
                bar.update()
                yield state
            if state.n_rounds == options.max_rounds:
                return
            deaths = deaths_of(state)[0]
            changed = not torch.allclose(deaths, state.deaths, rtol=1e-9, atol=SAME_LOSS)
            state.deaths, state.quiet_sweeps = deaths, 0 if changed else state.quiet_sweeps + 1
            if state.quiet_sweeps == QUIET_SWEEPS:
                return
            state.sweep += 1
            if state.sweep < options.sweeps:
                state.searched[:] = -torch.inf


def deaths_of(state: FloodState) -> tuple[Values, Tensor]:
    """The lowest known way from each given minimum to something lower ``[g]``, and the levels that join it with all minima ``[g k]``."""
    given = state.given_row
    levels = joining_levels(state.heights, state.pairs, given, len(state.values))
    order = state.values.argsort(stable=True).argsort()
    deaths = torch.where(order < order[given, None], levels, torch.inf).amin(1)
    levels[torch.arange(len(given)), given] = state.values[given]
    return deaths, levels


def next_searches(state: FloodState) -> tuple[Rows, Values, Tensor]:
    """Which minima to search next, below which ceilings, and for which given minima nothing is left to do ``[g]``, bool.

    For each given minimum that one which it reaches over the lowest pass among those not yet searched, below its death as it is known; in
    sweeps after the first all of these at once, since deaths fall rarely then. The lowest minimum of all never dies: it is searched itself,
    but nothing that it reaches is searched for its sake.
    """
    given = state.given_row
    dies = given != state.values.argsort(stable=True)[:1]  # of equal minima the first counts as the lowest
    if not len(dies):
        return given[:0], state.climb[:0], dies
    deaths, levels = deaths_of(state)
    while True:
        wanted = torch.minimum(deaths, state.values[given] + state.climb)
        own = torch.arange(len(state.values), device=given.device) == given[:, None]
        open_rows = (levels < wanted[:, None]) & (state.searched < wanted[:, None]) & (dies[:, None] | own)
        raising = dies & (wanted < deaths) & ~open_rows.any(1)
        if not raising.any():
            break
        state.climb[raising] *= CLIMB_FACTOR
        state.climb[state.climb > MAX_CLIMB * state.first_climb] = torch.inf
    asks = open_rows.any(1)
    if not state.sweep:
        nearest = torch.where(open_rows, levels, torch.inf).argmin(1, keepdim=True)
        open_rows &= torch.zeros_like(open_rows).scatter(1, nearest, True)
    ceilings = torch.where(open_rows, wanted[:, None], -torch.inf).amax(0)
    rows = (ceilings > -torch.inf).nonzero().squeeze(1)
    return rows, ceilings[rows], ~asks
