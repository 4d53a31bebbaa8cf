"""What several test modules need: records made by hand, and both implementations side by side."""

import math
import warnings
from unittest import mock

import torch

import lossbarcode as lb
from lossbarcode._support import machine
from lossbarcode.barcodes import _elder_rule


def graph_of(values, edges, heights, saddle=None, device=None):
    def rows(x):
        return None if x is None else torch.tensor(x, dtype=torch.int64, device=device)

    return lb.Graph(
        torch.tensor(values, dtype=torch.float64, device=device),
        edges=rows(edges).reshape(-1, 2),
        heights=torch.tensor(heights, dtype=torch.float64, device=device),
        saddle_row=rows(saddle),
    )


def columns_of(record):
    """All tensors of a record, those of its graph included."""
    parts = vars(record) if isinstance(record, lb.Barcode) else {**vars(record.graph), **vars(record)}
    return {name: part for name, part in parts.items() if isinstance(part, torch.Tensor)}


def both_ways(call):
    """The answer of tensor operations and plain Python, which is that of compiled loops to the last bit."""
    answers = []
    for large in (math.inf, 0):
        with mock.patch.object(machine, "NUMBA_MIN_SIZE", large), mock.patch.object(_elder_rule, "COMPILED_MIN_SIZE", large):
            answers.append(call())
    tensors, loops = map(columns_of, answers)
    assert tensors.keys() == loops.keys()
    for name, column in tensors.items():
        assert torch.equal(column, loops[name]), name
        assert column.dtype == loops[name].dtype, name
    return answers[0]


def quiet_barcode(source):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the graph has")
        return both_ways(lambda: lb.barcode(source))


def rows_of(bars):
    """(birth, death, minimum, saddle, row of the parent's minimum) of every bar."""
    home = [-1 if p < 0 else int(bars.minimum_row[p]) for p in bars.parent.tolist()]
    return list(zip(bars.birth.tolist(), bars.death.tolist(), bars.minimum_row.tolist(), bars.saddle_row.tolist(), home, strict=True))


def barcode_of_intervals(finite, infinite=(0.0,)):
    """A barcode record from its intervals."""
    birth = torch.tensor([*infinite, *(b for b, _ in finite)], dtype=torch.float64)
    death = torch.tensor([math.inf] * len(infinite) + [d for _, d in finite], dtype=torch.float64)
    rows = torch.arange(len(birth))
    return lb.Barcode(birth, death, rows, rows, torch.where(death.isfinite(), 0, -1))
