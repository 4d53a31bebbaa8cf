"""Tables with provenance: written atomically, and read together with the lines that record how they were made."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import numpy as np
import torch

if TYPE_CHECKING:
    from pandas import DataFrame

FLOAT_FORMAT = "%.7g"  # seven digits, those of single precision: more would make files differ between machines by round-off only
RESULTS = Path("results")  # relative, because notebooks run in their own folder
PUBLIC = "https://raw.githubusercontent.com/lossbarcode/lossbarcode/main/notebooks/results/"


def provenance(command: str) -> dict[str, str]:
    """What a reader needs in order to repeat a table: command, device, versions and date."""
    cores = f"CPU, {os.cpu_count()} cores"
    device = f"{torch.cuda.get_device_name()}; {cores}" if torch.cuda.is_available() else cores
    versions = (
        f"python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, lossbarcode {version('lossbarcode')}"
    )
    return {"command": command, "device": device, "versions": versions, "date": str(date.today())}


def append_rows(table: DataFrame, file: Path, command: str) -> None:
    """Append rows to a CSV, and add to its first lines what is new in the provenance.

    The new file replaces the old one in one step, so an interruption leaves one of the two, and never a part.
    """
    import pandas as pd

    def as_written(text: str) -> DataFrame:
        return pd.read_csv(StringIO(text), comment="#", dtype=str, keep_default_na=False)

    known, rows = {}, as_written(table.to_csv(None, index=False, float_format=FLOAT_FORMAT))
    if file.exists():
        text = file.read_text()
        known, rows = read_header(text), pd.concat([as_written(text), rows])
    origin = provenance(command)
    for key, value in known.items():
        now = origin.get(key, value)
        origin[key] = value if now in value.split(" | ") else f"{value} | {now}"
    part = file.with_name(f"{file.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text("".join(f"# {key}: {value}\n" for key, value in origin.items()) + rows.to_csv(None, index=False))
    os.replace(part, file)


def csv_roundtrip(value: Any) -> Any:
    """A value as it comes back from a file."""
    return float(FLOAT_FORMAT % value) if isinstance(value, float) else value


def load_result(name: str) -> Any:
    """A result of the repository, from ``results/`` next to the notebook or, where that does not exist (on Colab), from the public address.

    Returns:
        For a CSV a ``pandas.DataFrame``, with its provenance (see :func:`provenance`) in ``attrs``; for a JSON its content.
    """
    source = RESULTS / name if (RESULTS / name).exists() else PUBLIC + name
    return json.loads(read_text(source)) if name.endswith(".json") else read_table(source)


def read_text(source: str | Path) -> str:
    """The text of a file or of an address."""
    address = str(source)
    if address.startswith("http"):
        with urlopen(address) as answer:
            return answer.read().decode()
    return Path(source).read_text()


def read_table(source: str | Path, types: Mapping[str, type] | None = None) -> DataFrame:
    """A CSV with comments ``# key: value`` at its beginning; the columns named in ``types`` are read with these types."""
    import pandas as pd

    text = read_text(source)
    table = pd.read_csv(StringIO(text), comment="#", keep_default_na=False, na_values=["nan", ""], dtype=types)
    table.attrs = {**read_header(text)}
    return table


def read_header(text: str) -> dict[str, str]:
    """Keys and values of the first lines of a CSV, ``# key: value`` each."""
    parts = [line[1:].partition(":") for line in text.splitlines() if line.startswith("#")]
    return {key.strip(): value.strip() for key, _, value in parts}
