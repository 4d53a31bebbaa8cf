"""When the search for critical points ends although there are more of them: valleys, limits of points and of seconds."""

import math
from time import monotonic

import pytest
import torch

import lossbarcode as lb

ANGLES = [(-math.pi, math.pi)] * 2
EGGS = lb.functions.EggCrate()


def spins(x):
    """Two angles and a fixed one. Along two edges of the box the loss is level but for rounding."""
    return -(x[:, 0] - x[:, 1]).cos() - x[:, 1].cos()


def square_of_spins(x):
    """Three angles and a fixed one in a square with two bonds along each side: even so, critical points come in curves."""
    angles = torch.cat([x, torch.zeros_like(x[:, :1])], 1)
    sides = torch.tensor([[0, 1], [1, 3], [3, 2], [2, 0]])
    return -2 * (angles[:, sides[:, 0]] - angles[:, sides[:, 1]]).cos().sum(1)


NOT_ISOLATED = {
    "level along edges": (spins, ANGLES, False),
    "curves of critical points": (square_of_spins, [(-math.pi, math.pi)] * 3, True),
    "a circle of minima": (lambda x: ((x**2).sum(1) - 1) ** 2 + x[:, 0] * 0, [(-2, 2)] * 2, False),
    "only a difference": (lambda x: -(x[:, 0] - x[:, 1]).cos(), ANGLES, True),
    "a constant": (lambda x: 0 * x.sum(1), ANGLES, True),
}


@pytest.mark.parametrize("name", NOT_ISOLATED)
def test_critical_points_that_are_not_isolated(name):
    """The search ends, the complex does not call itself complete, and the warning names a place where the gradient vanishes."""
    loss, box, periodic = NOT_ISOLATED[name]
    found = lb.morse_complex(loss, box, periodic=periodic, progress=False)
    assert found.completeness == "unknown"
    assert len(found.index) < 2000
    message = found.caution(1)
    assert "critical points are not isolated, or too flat to be told apart, for example at [" in message
    place = torch.tensor([[float(t) for t in message.split("at [")[1].split("]")[0].split(", ")]], dtype=torch.float64)
    at_end = ~torch.tensor(periodic) & (place.abs() >= box[0][1] - 1e-5)
    (gradient,) = torch.autograd.grad(loss(place.requires_grad_()).sum(), place)
    assert gradient[~at_end].abs().sum() < 1e-4


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_rounding_is_no_curvature(scale):
    """Along an edge the loss is level, and the rounding of its Hessian does not say what the points there are."""
    found = lb.morse_complex(lambda x: scale * spins(x), ANGLES, progress=False)
    on_edge = (found.points[:, 0].abs() == math.pi) & (found.points[:, 1].abs() < math.pi)
    assert on_edge.any()
    assert (found.index[on_edge] == -1).all()


def test_too_many_points(as_users_call):
    with pytest.raises(
        ValueError, match=r"loss: expected at most max_points=20 critical points, got \d+ and ever more; if .* at \[.*add a"
    ):
        lb.morse_complex(EGGS, max_points=20, progress=False)


def test_a_limit_of_points_that_is_not_met_changes_nothing():
    found = lb.morse_complex(EGGS, progress=False)
    again = lb.morse_complex(EGGS, max_points=len(found.index), max_seconds=1e6, progress=False)
    assert torch.equal(found.points, again.points)
    assert not again.is_stopped


def test_a_limit_of_seconds():
    """One round is always done; lines that were not followed to their ends, and what was not looked for, make the complex incomplete."""
    start = monotonic()
    found = lb.morse_complex(lb.functions.Langermann(), max_seconds=1e-3, progress=False)
    assert monotonic() - start < 60  # without a limit it takes some twenty
    assert found.is_stopped
    assert found.completeness == "incomplete"
    assert "stopped by max_seconds, incomplete" in repr(found)
    with pytest.warns(UserWarning, match="bars may be missing: .*stopped by max_seconds.* use more starts, rounds or seconds"):
        lb.barcode(found)


def test_stopped_although_nothing_seems_to_be_missing():
    found = lb.morse_complex(lambda x: (x**2).sum(1), [(-1, 1)] * 2, max_seconds=1e-9, progress=False)
    assert (found.euler_deficit, found.completeness, found.is_stopped) == (0, "incomplete", True)
    assert found.drop([]).is_stopped
