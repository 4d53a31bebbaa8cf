"""Paths by other authors' rules, against passes that are known, and the count of what algorithms ask of a loss."""

import pytest
import torch

import lossbarcode as lb
from lossbarcode import study
from lossbarcode.study import _auto_neb, _published_descent

CAMEL = lb.functions.SixHumpCamel()
RULES = {
    "published": lambda loss, minima: study.heights_as_published(loss, minima, lr=0.01, steps_per_round=40),
    "AutoNEB": lambda loss, minima: study.heights_by_auto_neb(loss, minima, steps_per_round=40),
}


def camel_minima(*starts):
    return lb.find_minima(CAMEL, torch.tensor(starts, dtype=torch.float64))


def valley(points):
    """A bent valley of unit curvature across; its pass at (0, 1) has the loss 0.1, and the straight line rises to 1.1."""
    along, across = points[:, 0], points[:, 1] - 1 + points[:, 0] ** 2
    return 0.1 * (along**2 - 1) ** 2 + across**2


VALLEY = lb.find_minima(valley, torch.tensor([[-1.0, 0.1], [1.0, 0.1]], dtype=torch.float64))


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_the_pass_of_a_bent_valley(rules):
    assert rules(valley, VALLEY).tolist() == pytest.approx([0.1], abs=1e-3)


def test_passes_of_the_camel_as_published():
    """The lowest two are joined over 0; from the third one the way to its neighbor leads over .5437."""
    minima = camel_minima([0.1, -0.7], [-0.1, 0.7], [-1.7, 0.8])
    heights = RULES["published"](CAMEL, minima)
    assert heights[0] == pytest.approx(0, abs=1e-4)
    assert heights[2] == pytest.approx(0.54371860, abs=1e-3)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_heights_are_bounds_and_effort_lowers_them(rules):
    """No path lies below the lowest pass, and every path ends below the straight line."""
    straight = lb.connect(valley, VALLEY, max_rounds=0, hessian_products=0).heights
    assert (rules(valley, VALLEY) >= 0.1 - 1e-9).all()
    assert (rules(valley, VALLEY) < straight).all()


def test_midpoints_go_where_the_loss_is_highest():
    line = torch.tensor([[[0.0], [1.0], [2.0], [3.0]]], dtype=torch.float64)
    found = _published_descent.insert_midpoints(lambda x: -((x[:, 0] - 1.4) ** 2), line, torch.tensor([[0, 1]]))
    assert found.flatten().tolist() == [0, 0.5, 1, 1.5, 2, 3]  # the second highest chord is the left one, whose end at 1 is nearer to 1.4


def test_pivots_are_inserted_where_interpolation_fails():
    """Two paths: the loss of one peaks between pivots, that of the other is linear; it gets copies of its end."""
    lines = torch.tensor([[[0.0, 0], [1, 0], [2, 0]], [[0, 1], [1, 1], [2, 1]]], dtype=torch.float64)

    def peak(x):
        return x[:, 0] + (1 - x[:, 1]) * torch.relu(1 - 10 * (x[:, 0] - 1.5).abs())

    where = _auto_neb.wanted_pivots(peak, lines, torch.tensor([[0, 1], [0, 2]]))
    assert where[0].sort().values.tolist() == pytest.approx([1.5, 2])
    assert where[1].tolist() == [2, 2]


def test_copies_of_an_end_move_nothing():
    """A path with two copies of its end relaxes like the path without them."""
    line, values = _published_descent.straight_lines(VALLEY.points[None], 5), VALLEY.values[None]
    arc_length = torch.linspace(0, 1, 5, dtype=torch.float64)[None]
    padded, more = (torch.cat([part, part[:, -1:], part[:, -1:]], 1) for part in (line, arc_length))
    plain = _auto_neb.relax_band(valley, line, arc_length, values, 0.1, 30)
    assert torch.allclose(_auto_neb.relax_band(valley, padded, more, values, 0.1, 30)[:, :5], plain, atol=1e-6)


def test_tangents_point_to_the_higher_neighbor():
    path = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]])
    cases = {(0.0, 1.0, 2.0): [0, 1], (2.0, 1.0, 0.0): [1, 0], (0.0, 3.0, 2.0): [1, 3], (2.0, 3.0, 0.0): [3, 1]}
    for values, direction in cases.items():
        wanted = torch.tensor(direction, dtype=torch.float32)
        found = _auto_neb.tangents_towards_higher(path, torch.tensor([values]))[0, 0]
        assert torch.allclose(found, wanted / wanted.norm()), values


def test_work_is_counted():
    loss = study.Counted(CAMEL)
    points = torch.zeros(6, 2, dtype=torch.float64)
    assert torch.equal(loss(points), CAMEL(points))
    assert loss.gradients == 2
    loss.value_and_gradient(points)
    assert loss.gradients == 8
    product = loss.hessian_product(points, torch.ones_like(points))
    assert product[0].tolist() == pytest.approx([9, -7])  # the Hessian at 0 is [[8, 1], [1, -8]]
    assert loss.gradients == 20
    assert (loss.name, torch.as_tensor(loss.bounds).tolist()) == ("SixHumpCamel", torch.as_tensor(CAMEL.bounds).tolist())


def test_counting_changes_nothing():
    minima = camel_minima([0.1, -0.7], [-1.7, 0.8])
    counted = study.Counted(CAMEL)
    assert torch.equal(lb.connect(counted, minima).heights, lb.connect(CAMEL, minima).heights)
    network = lb.transition_network(counted, minima)
    assert torch.equal(network.values, lb.transition_network(CAMEL, minima).values)


BAD = {
    "one minimum": (lambda: study.heights_by_auto_neb(valley, VALLEY[:1], steps_per_round=1), "minima: expected at least two"),
    "no steps": (lambda: study.heights_by_auto_neb(valley, VALLEY, steps_per_round=0), "steps_per_round: expected"),
    "no rate": (lambda: study.heights_as_published(valley, VALLEY, lr=0.0, steps_per_round=1), "lr: expected a positive step size"),
    "few images": (
        lambda: study.heights_as_published(valley, VALLEY, lr=0.1, steps_per_round=1, images=2),
        "images: expected",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
