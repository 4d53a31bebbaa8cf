"""Data sets: the public door to ``losses/data.py``."""

from .losses.data import *  # noqa: F403
from .losses.data import __all__ as __all__
