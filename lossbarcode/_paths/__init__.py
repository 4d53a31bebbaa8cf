"""Minimum-energy paths between minima."""

from ._connect import Paths, connect

__all__ = ["Paths", "connect"]
