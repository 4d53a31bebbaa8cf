"""How often each class of minima was found, and what that says about those that were not, against distributions that are known."""

import math

import pytest
import torch

import lossbarcode as lb
from lossbarcode.transition._classes import coverage_of

DISTRIBUTIONS = {
    "few classes": torch.tensor([5.0, 5, 2, 2, 1, 1]),
    "equally likely": torch.ones(20),
    "ever rarer": 0.7 ** torch.arange(30.0),
    "one common, many rare": torch.tensor([50.0] + [1] * 50),
}
SEARCHES = 1000


def searches(name, descents):
    """Counts of each class in many independent searches, and the chances of the classes."""
    chance = DISTRIBUTIONS[name].double() / DISTRIBUTIONS[name].double().sum()
    generator = torch.Generator().manual_seed(0)
    ends = torch.multinomial(chance.expand(SEARCHES, -1), descents, replacement=True, generator=generator)
    return torch.nn.functional.one_hot(ends, len(chance)).sum(1), chance


@pytest.mark.parametrize("descents", [5, 20, 64])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_estimate_is_unbiased(name, descents):
    """One descent after n - 1 others ends in a known class with the chance 1 - sum of p (1 - p)^(n-1), and this is what is estimated."""
    counts, chance = searches(name, descents)
    estimates = torch.tensor([coverage_of(count).estimate for count in counts], dtype=torch.float64)
    expected = 1 - (chance * (1 - chance) ** (descents - 1)).sum()
    assert abs(estimates.mean() - expected) < 4 * estimates.std() / math.sqrt(SEARCHES)


@pytest.mark.parametrize("descents", [5, 20, 64])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_lower_bound_holds_in_most_searches(name, descents):
    counts, chance = searches(name, descents)
    true = (counts > 0).double() @ chance
    bounds = torch.tensor([coverage_of(count).lower for count in counts], dtype=torch.float64)
    assert (bounds <= true).double().mean() > 0.93


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_no_more_classes_are_missing_than_are(name):
    """It is a lower bound on average; of classes that are equally likely it is about their number."""
    counts, _ = searches(name, 30)
    estimates = torch.tensor([coverage_of(count).missing for count in counts])
    missing = (counts == 0).sum(1).double().mean()
    assert 0 < estimates.mean() < missing + 4 * estimates.std() / math.sqrt(SEARCHES)
    if name == "equally likely":
        assert estimates.mean() > 0.8 * missing


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        # (estimate, lower bound, missing classes, classes, descents)
        ([1, 1, 1, 1], (0.0, 0.0, 3 / 4 * 4 * 3 / 2, 4, 4)),  # all found once
        ([1], (0.0, 0.0, 0.0, 1, 1)),
        ([0], (0.0, 0.0, 0.0, 0, 0)),
        ([], (0.0, 0.0, 0.0, 0, 0)),
        ([3, 1, 1, 2, 0], (1 - 2 / 7, None, 6 / 7 * 2 / 4, 4, 7)),
        ([10, 20], (1.0, 30 / (30 + 1.644854**2), 0.0, 2, 30)),
    ],
)
def test_coverage_by_hand(count, expected):
    found = coverage_of(torch.tensor(count, dtype=torch.int64))
    for number, wanted in zip(found[:5], expected, strict=True):
        if wanted is not None:
            assert number == pytest.approx(wanted)
    assert 0 <= found.lower <= found.estimate


def ends(places, slopes=None):
    """Ends of descents of x^2 with these gradients, all zero by default."""
    places = torch.tensor(places, dtype=torch.float64)
    slopes = torch.zeros_like(places) if slopes is None else torch.tensor(slopes, dtype=torch.float64)
    return lb.Minima(places[:, None], places.square(), slopes, name="squares")


def test_classes_say_how_often_they_were_found():
    found = ends([3.0, 1.0, 1.1, 3.0, 2.0, 1.2, 4.0])
    assert found.count is None
    assert found.coverage is None
    classes = found.deduplicate(0.5)
    assert classes.values.tolist() == [1.0, 4.0, 9.0, 16.0]
    assert classes.count.tolist() == [3, 1, 2, 1]
    assert classes.coverage.estimate == pytest.approx(1 - 2 / 7)
    assert repr(classes) == "Minima(4 of squares, losses 1 to 16, gradients up to 0; 4 classes of 7 descents, coverage 0.71)"
    assert classes.table()["count"].tolist() == [3, 1, 2, 1]
    assert "count" not in found.table()
    some = classes[classes.count > 1]
    assert some.count.tolist() == [3, 2]
    assert some.coverage == classes.coverage  # of the search, not of the choice


def test_only_converged_descents_count():
    found = ends([1.0, 1.0, 2.0, 3.0, 3.0], [0.0, 0.0, 0.0, 1.0, 1.0])
    classes = found.deduplicate(0.5)
    assert classes.count.tolist() == [2, 1, 0]
    assert str(classes.coverage) == "2 classes of 3 descents, coverage 0.67, 2 more did not converge"
    assert len(classes[classes.count > 0]) == 2
    nothing = ends([1.0, 2.0], [1.0, 1.0]).deduplicate(0.5)
    assert str(nothing.coverage) == "0 classes of 0 descents, coverage 0.00, 2 more did not converge"


def test_classes_can_be_grouped_once_more():
    found = ends([1.0, 1.0, 2.0, 2.1, 3.0, 9.0], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    classes = found.deduplicate(0.05).deduplicate(0.5)
    at_once = found.deduplicate(0.5)
    assert classes.count.tolist() == at_once.count.tolist() == [2, 2, 1, 0]
    assert classes.coverage == at_once.coverage


def test_copies_of_networks_are_one_class():
    from lossbarcode import study

    x = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    module = lb.networks.FullyConnected(1, (2,), 1, torch.nn.Tanh).double()
    loss = lb.networks.network_loss(module, (x, x), torch.nn.functional.mse_loss)
    points = torch.tensor([[1, 2, 3, 4, 5, 6, 7], [2, -1, 4, -3, 6, -5, 7], [1, 2, 3, 4, 5, 5, 7]], dtype=torch.float64)
    networks = lb.Minima(points, loss(points), torch.zeros(3, dtype=torch.float64))
    assert networks.deduplicate(1e-3).count.tolist() == [1, 1, 1]
    assert sorted(networks.deduplicate(1e-3, features=study.copy_invariants(loss, points)).count.tolist()) == [1, 2]
