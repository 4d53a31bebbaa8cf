"""The bars of networks by escapes, as rows of a table."""

from __future__ import annotations

from typing import Any

from ..losses.networks import NetworkLoss
from ..transition import Minima, TransitionNetwork, transition_network
from ._counted import Counted
from ._network_bars import copy_invariants


def escape_bars(loss: NetworkLoss, minima: Minima, **options: Any) -> list[dict[str, Any]]:
    """The lowest known passes from networks to anything lower, with what is known of them, and the work: a job for :func:`run_jobs`.

    Copies of a network, by permutations or signs of hidden units, count as one (:func:`copy_invariants`).

    Args:
        loss: of the networks, by :func:`networks.network_loss`.
        minima: the networks, in float64.
        options: of :func:`transition_network`.

    Returns:
        One row per given minimum, in their order: ``minimum`` (its row), ``gradient_norm``, ``lowest_eigenvalue``, ``birth``, ``death``
        (to anything lower; inf: nothing lower was reached), ``length`` (their difference, which is lost where a table rounds both),
        ``death_within`` (to a lower one of the given; inf: none was reached). Of the highest place on the way: ``pass_gradient_norm``,
        ``pass_lowest_eigenvalue``, ``pass_negative_eigenvalues``, ``pass_has_all_eigenvalues``, ``pass_kind`` (missing without a death).
        And ``lower_known`` (how many of the minima that are known now are lower than it), ``known`` (how many there are), ``passes``,
        ``gradients`` (work, as :class:`Counted` counts it), ``finished`` (whether the search for it ended by itself).

    Example:
        >>> import torch, lossbarcode as lb
        >>> from lossbarcode import study
        >>> x = torch.linspace(-2, 2, 40, dtype=torch.float64)[:, None]
        >>> module = lb.networks.FullyConnected(1, (2,), 1, torch.nn.Tanh).double()
        >>> loss = lb.networks.network_loss(module, (x, torch.sin(3 * x)), torch.nn.functional.mse_loss, l2=1e-3)
        >>> ends = lb.find_minima(loss, 2 * loss.initial_parameters(20))
        >>> minima = ends.deduplicate(1e-2, features=study.copy_invariants(loss, ends.points))
        >>> rows = study.escape_bars(loss, minima, sweeps=1)
        >>> rows[0]["death"], {row["pass_kind"] for row in rows[1:]}
        (inf, {'index-1 saddle'})
    """
    counted = Counted(loss)
    network = transition_network(counted, minima, features=lambda points: copy_invariants(loss, points), **options)
    births, deaths = network.minima.values[network.given_row], network.deaths()
    within = network.deaths(among_given=True)
    lower = (network.minima.values < births[:, None]).sum(1)
    return [
        {
            "minimum": row,
            "gradient_norm": float(network.minima.gradient_norm[known]),
            "lowest_eigenvalue": float(network.minima.lowest_eigenvalue[known]),  # pyright: ignore[reportOptionalSubscript]
            "birth": float(births[row]),
            "death": float(deaths[row]),
            "length": float(deaths[row] - births[row]),
            "death_within": float(within[row]),
            **pass_columns(network, float(deaths[row])),
            "lower_known": int(lower[row]),
            "known": len(network.minima),
            "passes": len(network),
            "gradients": round(counted.gradients),
            "finished": bool(network.is_finished[row]),
        }
        for row, known in enumerate(network.given_row.tolist())
    ]


def pass_columns(network: TransitionNetwork, death: float) -> dict[str, Any]:
    """What is known of the highest place on the way out, if there is a way."""
    found = (network.values == death).nonzero().squeeze(1)
    if not len(found):
        return dict.fromkeys(PASS_COLUMNS)
    at = int(found[0])
    values = (
        float(network.gradient_norm[at]),
        float(network.lowest_eigenvalue[at]),
        int(network.negative_eigenvalues[at]),
        bool(network.has_all_eigenvalues[at]),
        network.kinds[at].value,
    )
    return dict(zip(PASS_COLUMNS, values, strict=True))


PASS_COLUMNS = ("pass_gradient_norm", "pass_lowest_eigenvalue", "pass_negative_eigenvalues", "pass_has_all_eigenvalues", "pass_kind")
