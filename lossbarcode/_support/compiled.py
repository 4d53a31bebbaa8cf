"""How loops are compiled by Numba."""

from __future__ import annotations

from numba import njit


def kernel(function):
    """The function, compiled at its first call. The machine code is stored for later processes where a folder can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(nogil=True)(function)


inlined = njit(inline="always")  # for functions whose work costs less than a call with so many arrays
