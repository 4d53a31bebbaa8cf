"""Benchmark functions: the public door to ``losses/functions.py``."""

from .losses.functions import *  # noqa: F403
from .losses.functions import __all__ as __all__
