"""How loops are compiled by Numba."""

from __future__ import annotations

from numba import njit


def kernel(function):
    """Compiled at the first call, and kept on the disk for the next process where there is a place for it."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(nogil=True)(function)


inlined = njit(inline="always")  # a call with this many arrays costs more than the work
