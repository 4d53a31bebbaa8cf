"""The committed results of the notebooks."""

import json
from functools import cache
from pathlib import Path

from lossbarcode.study._tables import read_table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "notebooks" / "results"


@cache
def table(name):
    """A committed result, which no test may change: a table of a CSV, or what a JSON holds."""
    return json.loads((RESULTS / name).read_text()) if name.endswith(".json") else read_table(RESULTS / name)
