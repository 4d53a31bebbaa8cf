"""Networks as losses: the public door to ``losses/networks``."""

from .losses.networks import *  # noqa: F403
from .losses.networks import __all__ as __all__
