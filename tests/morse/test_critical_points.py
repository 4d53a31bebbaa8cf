"""Records of critical points: rows that stay in step, and which points are one and the same."""

import pytest
import torch

import lossbarcode as lb
from lossbarcode.morse._critical_points import MAX_DEGENERATE, CriticalPoints, cap_degenerate, new_points, same_place
from lossbarcode.morse._unit_cube_loss import UnitCubeLoss

CAMEL = lb.functions.SixHumpCamel()
LOSS = UnitCubeLoss(CAMEL, CAMEL.bounds, torch.tensor([False, False]))
AROUND = UnitCubeLoss(CAMEL, CAMEL.bounds, torch.tensor([True, False]))


def points_at(places, index):
    """Points that are told apart by their values, which number them."""
    unit = torch.tensor(places, dtype=torch.float64)
    numbers = torch.arange(len(unit), dtype=torch.float64)
    hessian = numbers[:, None, None] * torch.eye(2, dtype=torch.float64)
    return CriticalPoints(unit, torch.ones_like(unit, dtype=torch.bool), numbers, hessian, torch.tensor(index))


SEVERAL = points_at([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], [0, 1, -1])


@pytest.mark.parametrize("rows", [torch.tensor([2, 0]), torch.tensor([True, False, True]), slice(0, 0)])
def test_select_takes_the_same_rows_of_every_column(rows):
    some = SEVERAL.select(rows)
    for name, column in vars(SEVERAL).items():
        assert torch.equal(getattr(some, name), column[rows]), name


def test_join_undoes_select():
    both = SEVERAL.select(slice(0, 1)).join(SEVERAL.select(slice(1, 3)))
    assert all(torch.equal(column, getattr(SEVERAL, name)) for name, column in vars(both).items())


def test_degenerate_points_are_capped():
    count = MAX_DEGENERATE + 5
    many = points_at([[0.5, 0.5]] * (count + 2), [0] + [-1] * count + [1])
    found = cap_degenerate(many)
    assert len(found) == MAX_DEGENERATE + 2
    assert found.index[[0, -1]].tolist() == [0, 1]


APART = 3 * same_place(LOSS)
NEAR = same_place(LOSS) / 4
PLACES = {
    # places, their indices; values (numbers) and indices of those that are new to what is known at (0.1, 0.2), (0.3, 0.4), (0.5, 0.6)
    "far": ([[0.7, 0.7], [0.7, 0.7 + APART]], [0, 1], [0, 1], [0, 1]),
    "known": ([[0.1 + NEAR, 0.2], [0.7, 0.7]], [0, 1], [1], [1]),
    "twice": ([[0.7, 0.7], [0.7, 0.7 + NEAR]], [1, 1], [0], [1]),
    "twice, of different index": ([[0.7, 0.7], [0.7, 0.7 + NEAR]], [0, 1], [0], [-1]),
    "a chain": ([[0.7, 0.7 + i * 6 * NEAR] for i in range(4)], [0] * 4, [0], [-1]),
    "none": ([[0.1, 0.2]], [0], [], []),
}


@pytest.mark.parametrize("name", PLACES)
def test_new_points(name):
    places, index, values, indices = PLACES[name]
    new = new_points(points_at(places, index), SEVERAL, LOSS)
    assert (new.values.tolist(), new.index.tolist()) == (values, indices)


SEAM = {
    # places, values (numbers) of those that are new to what is known at (0, 0.2) and (0.5, 0); the first axis is periodic
    "known across the seam": ([[1 - NEAR, 0.2], [0.5, 1 - NEAR]], [1]),
    "twice across the seam": ([[NEAR, 0.6], [1 - NEAR, 0.6], [0.7, NEAR], [0.7, 1 - NEAR]], [0, 2, 3]),
    "far across the seam": ([[APART, 0.6], [1 - APART, 0.6]], [0, 1]),
}


@pytest.mark.parametrize("name", SEAM)
def test_new_points_across_the_seam_of_a_periodic_axis(name):
    places, values = SEAM[name]
    known = points_at([[0.0, 0.2], [0.5, 0.0]], [0, 0])
    assert new_points(points_at(places, [1] * len(places)), known, AROUND).values.tolist() == values
