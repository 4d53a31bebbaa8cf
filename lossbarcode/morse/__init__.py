"""Route 2: from a smooth loss to all its critical points and the gradient lines between them.

In: a loss that autograd can differentiate twice, and a box. Out: :class:`MorseComplex`. Read in the order ``_unit_cube_loss`` (the loss
with its derivatives), ``_search``, ``_newton`` and ``_classification`` (critical points), ``_flow`` (gradient lines), ``_morse_complex``
with ``_separatrices`` and ``_loops`` (the record and its completeness check), ``_find`` (all of it together).
"""

from ._find import morse_complex
from ._morse_complex import MorseComplex
from ._separatrices import Separatrices

__all__ = ["MorseComplex", "Separatrices", "morse_complex"]
