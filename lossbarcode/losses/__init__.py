"""What a loss is, the boxes it is studied on, its derivatives; benchmark functions, networks on data, and data sets."""

from . import data, functions, networks

__all__ = ["data", "functions", "networks"]
