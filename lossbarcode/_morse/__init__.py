"""Route 2: from a smooth loss to all its critical points and the gradient lines between them.

In: a loss that autograd can differentiate twice, and a box. Out: :class:`MorseComplex`. Read in the order ``_field`` (the loss
with its derivatives), ``_search`` (critical points), ``_flow`` (gradient lines), ``_complex`` (the record and its certificate).
"""

from ._complex import MorseComplex, Separatrices, morse_complex

__all__ = ["MorseComplex", "Separatrices", "morse_complex"]
