"""The one call: from a loss, an array, samples or any record with a graph to its barcode."""

from __future__ import annotations

from collections.abc import Sequence

from ._support.types import AnyArray
from .barcodes import Barcode, Source, read_off
from .losses._protocols import Loss
from .sampled import Samples, basins, from_grid, sample

N_SAMPLES = 1 << 17  # of a loss that is given with its box; a second for simple losses


def barcode(
    source: Source | Loss | AnyArray,
    bounds: AnyArray | None = None,
    *,
    periodic: bool | Sequence[bool] | None = None,
    degree: int = 0,
    n: int = N_SAMPLES,
    seed: int = 0,
    progress: bool | None = None,
) -> Barcode:
    """The barcode of minima, by the elder rule; or the bars of a higher degree.

    Raise a level through all losses. When a pass joins two components, the one whose lowest minimum is higher ends
    there, in the bar [its minimum, the pass]. Of equal minima the earlier row is the elder; passes of equal height open
    in the order of their rows. A bar of length zero exists only where values tie; it is no bar, and its samples count
    for the bar it merges into.

    Args:
        source: one of

            - a record that has a graph: :class:`Basins`, :class:`MorseComplex`, :class:`Paths`, or a :class:`Graph` itself, which
              :func:`from_graph` makes of a graph of yours;
            - :class:`Samples`, of which the basins are taken;
            - an array of losses on a grid (:func:`from_grid`);
            - a loss, which is sampled (:func:`sample`, with ``method="sobol"``, or ``"grid"`` for a degree above 0).
        bounds: of a loss or an array, the box ``[d 2]``; default ``loss.bounds``, or indices of the array.
        periodic: of a loss or an array, which axes are periodic; one answer for all, or one per axis. Default ``loss.periodic``, or none.
        degree: degree of homology. Above 0 the source must know bars of this degree: a :class:`MorseComplex` of one or two
            parameters, or samples on a grid, whose cubical complex GUDHI reduces.
        n: number of samples of a loss.
        seed: of the samples of a loss.
        progress: show a progress bar; default: when it takes over two seconds.

    Returns:
        Barcode. Ties included, it does not depend on device, threads or chunk sizes.

    Raises:
        ValueError: if the source is none of these, or has no bars of this degree.
        MemoryError: if samples or the cubical complex would not fit into memory.

    Warns:
        UserWarning: if the graph is not connected, so that each of its components has an infinite bar; if the list of critical points
            of a Morse complex is incomplete, or has degenerate ones, so that bars may be missing.

    Source:
        :cite:t:`barannikov2023barcodes`; canonical forms: :cite:t:`barannikov1994framed`.

    Example:
        >>> import lossbarcode as lb
        >>> bars = lb.barcode(lambda x: (x**2 - 1).square().sum(1) + x[:, 0] / 10, bounds=[(-2, 2), (-2, 2)])
        >>> print(bars.table()[["birth", "death"]].round(2))
           birth  death
        0   -0.1    inf
        1   -0.1    0.9
        2    0.1    1.0
        3    0.1    1.0
    """
    if not isinstance(source, Source):
        if callable(source):
            source = sample(source, n, bounds=bounds, periodic=periodic, method="grid" if degree else "sobol", seed=seed, progress=progress)
        elif source is None:
            raise ValueError("barcode: expected a loss with its bounds, an array, samples, or a record with a graph, got None")
        else:
            source = from_grid(source, bounds, periodic=periodic)
    elif bounds is not None or periodic is not None:
        name = "bounds" if bounds is not None else "periodic"
        raise ValueError(f"{name}: expected only for a loss or an array, got it for {type(source).__name__}, which has its own")
    if isinstance(source, Samples) and not degree:
        source = basins(source, progress=progress)
    return read_off(source, degree=degree, stacklevel=2)
