"""Escapes from minima: against Morse complexes, and theorems on sums, shifts, rotations and relabelling."""

import math

import pytest
import torch

import lossbarcode as lb
from lossbarcode import study
from lossbarcode.transition import _flood
from lossbarcode.transition._descent import DescentState
from lossbarcode.transition._saddle_search import Outcome, SearchState, search_upwards
from lossbarcode.transition._short_steps import descend_below
from lossbarcode.transition._soft_modes import ritz_pairs

F = lb.functions
CAMEL = F.SixHumpCamel()
TURN = 2 * math.pi


def mueller_brown(x):
    """The potential of three minima and two saddles that searches for saddles are tried on."""
    rows = [(-200, -1, 0, -10, 1, 0), (-100, -1, 0, -10, 0, 0.5), (-170, -6.5, 11, -6.5, -0.5, 1.5), (15, 0.7, 0.6, 0.7, -1, 1)]
    u, v = x.T
    return sum(h * torch.exp(a * (u - p) ** 2 + b * (u - p) * (v - q) + c * (v - q) ** 2) for h, a, b, c, p, q in rows)


mueller_brown.bounds = [(-1.5, 1.2), (-0.2, 2.0)]


def kinks(x):
    """Two wells at -1 and 1, at 0 and 0.1, with a kink at 0.05 between them, where the loss is 1."""
    u, v = x.T
    left, right = (u + 1).square() / 1.05**2, 0.1 + 0.9 * (u - 1).square() / 0.95**2
    return torch.where(u < 0.05, left, right) + v.square()


def wells(x):
    """Four wells without symmetry; the loss grows in all directions."""
    return (x.square() - 1).square().sum(1) + 0.1 * x[:, 0] + 0.05 * x[:, 1] + 0.2 * x[:, 0] * x[:, 1] + 0.03 * x[:, 0].pow(3)


def record(loss, points, bounds=None, periodic=None):
    points = torch.as_tensor(points, dtype=torch.float64)
    return lb.Minima(points, loss(points), torch.zeros(len(points), dtype=torch.float64), bounds=bounds, periodic=periodic)


def found_minima(loss, n=64, bounds=((-2, 2), (-2, 2))):
    """Minima without a box."""
    starts = lb.sample(loss, n, bounds=bounds, dtype=torch.float64).points
    return lb.find_minima(loss, starts, gradient_tolerance=1e-8).deduplicate(1e-3)


def inner_minima(loss):
    """The minima of the Morse complex that no face holds, and those of its bars that are theirs and end ``[n 2]``."""
    known = lb.morse_complex(loss, loss.bounds, progress=False)
    bars = lb.barcode(known)
    rows = (known.index == 0).nonzero().squeeze(1)
    inside = ((known.points > known.bounds[:, 0]) & (known.points < known.bounds[:, 1])).all(1)
    rows = rows[inside[rows]]
    ends = bars.is_finite & torch.isin(bars.minimum_row, rows)
    return record(loss, known.points[rows], known.bounds), torch.stack([bars.birth, bars.death], 1)[ends]


def farthest(bars, found):
    """Some bars ``[n 2]`` are matched with bars of a barcode: the largest difference of ends in the best assignment."""
    from scipy.optimize import linear_sum_assignment

    gaps = (bars[:, None] - torch.stack([found.birth, found.death], 1)).abs().amax(2).nan_to_num(posinf=1e9)
    return float(gaps[linear_sum_assignment(gaps.numpy())].max())


def network_of(loss, minima, sweeps=2, **options):
    return lb.transition_network(loss, minima, sweeps=sweeps, progress=False, **options)


def bars_of(loss, minima, **options):
    return lb.barcode(network_of(loss, minima, **options))


# the parts


def test_ritz_pairs_are_eigenpairs_of_few_parameters():
    points = torch.tensor([[0.3, -0.2], [1.0, 2.0]], dtype=torch.float64)
    everywhere = torch.ones_like(points, dtype=torch.bool)
    pairs = ritz_pairs(CAMEL, points, everywhere, [], 80)
    for row, point in enumerate(points):
        hessian = torch.autograd.functional.hessian(lambda x: CAMEL(x[None])[0], point)
        torch.testing.assert_close(pairs.curvature[row], torch.linalg.eigvalsh(hessian))
        mode = pairs.mode(torch.zeros(2, dtype=torch.int64))[row]
        torch.testing.assert_close(hessian @ mode, pairs.curvature[row, 0] * mode)
    held = ritz_pairs(CAMEL, points, torch.tensor([[True, False]] * 2), [], 80)
    torch.testing.assert_close(held.curvature[:, 1], torch.full((2,), math.inf, dtype=torch.float64))


def test_ritz_pairs_of_a_repeated_eigenvalue_are_orthonormal():
    """Products alone never leave the start of a multiple of the identity; fixed random directions fill the space."""
    points = torch.zeros(3, 5, dtype=torch.float64)
    pairs = ritz_pairs(lambda x: x.square().sum(1), points, torch.ones_like(points, dtype=torch.bool), [points + torch.eye(5)[0]], 5)
    torch.testing.assert_close(pairs.curvature, torch.full((3, 5), 2.0, dtype=torch.float64))
    torch.testing.assert_close(pairs.basis @ pairs.basis.mT, torch.eye(5, dtype=torch.float64).expand(3, 5, 5))


def search_from(loss, points, directions, ceiling=math.inf, longest=0.1, **options):
    values = loss(points)
    fixed = torch.zeros(len(points), dtype=torch.bool)
    ceilings, origin = torch.full_like(values, ceiling), torch.arange(len(values))
    state = SearchState.begin(loss, points, directions, values, ceilings, longest, leaving=True, fixed=fixed, origin=origin)
    for _ in search_upwards(loss, state, longest, 1e-8, 100, None):
        pass
    return state


def test_searches_end_at_saddles_or_at_their_ceiling():
    points = found_minima(wells).points
    along = torch.eye(2, dtype=torch.float64)
    starts, directions = points.repeat(4, 1), torch.cat([along, -along]).repeat_interleave(len(points), 0)
    search = search_from(wells, starts, directions)
    assert (search.outcome == Outcome.SADDLE).sum() >= 8
    done = search.select((search.outcome == Outcome.SADDLE).nonzero().squeeze(1))
    assert (done.place.gradient.norm(dim=1) <= 1e-8).all()
    exact = lb.morse_complex(wells, [(-2, 2)] * 2, progress=False)
    assert torch.cdist(done.place.points, exact.points[exact.index == 1]).amin(1).max() < 1e-7
    low = search_from(wells, starts, directions, ceiling=float(wells(points).max()) + 0.1)
    assert set(low.outcome.tolist()) <= {Outcome.CEILING, Outcome.NOWHERE}


def test_searches_do_not_depend_on_their_company():
    points = found_minima(wells).points
    directions = torch.tensor([[1.0, 0.2]], dtype=torch.float64).expand_as(points)
    together = search_from(wells, points, directions)
    alone = torch.cat([search_from(wells, points[[i]], directions[[i]]).place.points for i in range(len(points))])
    torch.testing.assert_close(together.place.points, alone, rtol=0, atol=1e-9)


def test_a_descent_stays_on_its_side():
    """A long step would end in the well behind the ridge at 0.05; what starts at 0 rolls to -1."""
    start = torch.tensor([[0.0, 0.01]], dtype=torch.float64)
    state = DescentState.begin(kinks, start)
    descend_below(kinks, state, state.values.clone(), 5.0, 1e-8, 1000, None)
    torch.testing.assert_close(state.points, torch.tensor([[-1.0, 0.0]], dtype=torch.float64), rtol=0, atol=1e-7)


# bars


@pytest.mark.parametrize("loss", [CAMEL, F.EggCrate(), mueller_brown], ids=["camel", "eggs", "mueller-brown"])
def test_bars_are_those_of_the_morse_complex(loss):
    minima, exact = inner_minima(loss)
    network = network_of(loss, minima)
    assert network.is_finished.all()
    assert farthest(exact, lb.barcode(network)) < 1e-8
    assert (network.gradient_norm <= 1e-8).all()
    assert set(network.kinds) == {lb.PassKind.INDEX_1}


@pytest.mark.slow
@pytest.mark.parametrize("loss", [F.Wavy(1), F.Wavy(2), F.Wavy(3), F.Schwefel26(2), F.Schwefel26(3), F.VenterSobieski()], ids=str)
def test_bars_of_many_minima_are_those_of_the_morse_complex(loss):
    minima, exact = inner_minima(loss)
    assert farthest(exact, bars_of(loss, minima)) < 1e-8


def test_a_minimum_dies_at_what_was_not_given():
    """Only the highest minimum of the three is given; it dies at the published saddle of -72.2489, in a minimum that was found."""
    minima, _ = inner_minima(mueller_brown)
    network = network_of(mueller_brown, minima[[int(minima.values.argmax())]])
    assert len(network.given_row) == 1
    assert float(network.deaths()[0]) == pytest.approx(-72.2489, abs=1e-4)
    assert network.deaths(among_given=True).tolist() == [math.inf]
    assert len(network.minima) > 1


def test_a_first_climb_that_is_too_low_grows():
    minima, exact = inner_minima(CAMEL)
    assert farthest(exact, bars_of(CAMEL, minima, first_climb=1e-3)) < 1e-8


def test_searches_that_met_a_low_ceiling_go_on_from_there():
    """Ceilings rise eight times as far whenever nothing lower is found; what was climbed before is not climbed again."""
    minima = found_minima(wells)
    far, near = ({"gradients": 0, "network": None} for _ in range(2))
    for found, first_climb in ((far, math.inf), (near, 1e-3)):
        counted = study.Counted(wells)
        found["network"] = network_of(counted, minima, first_climb=first_climb)
        found["gradients"] = counted.gradients
    torch.testing.assert_close(near["network"].deaths(), far["network"].deaths(), rtol=0, atol=1e-9)
    assert near["gradients"] < 1.3 * far["gradients"]


def test_all_eigenvalues_are_computed_where_bars_end():
    """With one product per saddle little is known of it; where a bar ends the whole Hessian is taken in the end."""
    minima = found_minima(wells)
    network = network_of(wells, minima, hessian_products=1)
    deaths = network.deaths()
    ends = torch.isin(network.values, deaths[deaths.isfinite()])
    assert network.has_all_eigenvalues[ends].all()
    exact = torch.stack([torch.autograd.functional.hessian(lambda x: wells(x[None])[0], point) for point in network.points[ends]])
    eigenvalues = torch.linalg.eigvalsh(exact)
    torch.testing.assert_close(network.lowest_eigenvalue[ends], eigenvalues[:, 0])
    assert torch.equal(network.negative_eigenvalues[ends], (eigenvalues < 0).sum(1))


def test_bars_of_a_sum_have_the_passes_of_its_parts():
    """A pass of lowest height between two minima of a sum of functions of one coordinate each changes one coordinate."""

    def part(t):
        return (t.square() - 1).square() + 0.2 * t

    one = lb.barcode(lb.morse_complex(lambda x: part(x[:, 0]), [(-2, 2)], progress=False))
    low, high, top = float(one.birth[0]), float(one.birth[1]), float(one.death[1])
    bars = bars_of(lambda x: part(x).sum(1), found_minima(lambda x: part(x).sum(1)))
    expected = [(2 * low, math.inf), (low + high, low + top), (low + high, low + top), (2 * high, high + top)]
    for (birth, death), (b, d) in zip(expected, zip(bars.birth.tolist(), bars.death.tolist(), strict=True), strict=True):
        assert b == pytest.approx(birth, abs=1e-9)
        assert d == pytest.approx(death, abs=1e-9)


@pytest.mark.slow
def test_shifts_rotations_and_permutations_change_no_bar():
    minima = found_minima(wells)
    bars = bars_of(wells, minima)
    assert len(bars) == 4
    higher = bars_of(lambda x: wells(x) + 100, record(lambda x: wells(x) + 100, minima.points))
    torch.testing.assert_close(higher.death - 100, bars.death, rtol=0, atol=1e-9)
    turn = torch.linalg.qr(torch.randn(2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))).Q
    moved = bars_of(lambda x: wells((x - 3) @ turn), record(lambda x: wells((x - 3) @ turn), minima.points @ turn.T + 3))
    permuted = bars_of(wells, minima[[2, 0, 3, 1]])
    other = bars_of(wells, minima, seed=5)
    for some in (moved, permuted, other):
        assert lb.bottleneck_distance(some, bars) < 1e-9


def angles(x):
    """Two coupled angles, each with three wells a third of a turn apart."""
    a, b = x.T
    return (3 * a).cos() + (3 * b).cos() + 0.3 * a.cos() + 0.2 * b.sin() + 0.25 * (a - b).cos()


def test_bars_on_a_torus():
    box = torch.tensor([[0.0, TURN]] * 2, dtype=torch.float64)
    known = lb.morse_complex(angles, box, periodic=True, progress=False)
    minima = record(angles, known.points[known.index == 0], box, torch.tensor([True, True]))
    network = network_of(angles, minima)
    assert len(network.minima) == 9
    assert ((network.points >= 0) & (network.points < TURN)).all()
    assert lb.bottleneck_distance(lb.barcode(network), lb.barcode(known)) < 1e-8


def test_a_kink_bounds_from_above():
    """No gradient vanishes at the ridge, whose lowest place is (0.05, 0), of height 1; the bar of the higher well ends above it."""
    network = network_of(kinks, record(kinks, [[-1.0, 0.0], [1.0, 0.0]]), max_step=0.2)
    assert lb.PassKind.OVER_A_TOP in network.kinds
    death = float(network.deaths()[1])
    assert 1 - 1e-6 <= death < 1.05


@pytest.mark.slow
def test_copies_are_one_minimum_where_features_say_so():
    """The camel is the same at -x: three classes, and a saddle between two copies joins a class with itself."""
    minima, _ = inner_minima(CAMEL)
    copies = {"features": lambda x: torch.stack([x[:, 0].square(), x[:, 0] * x[:, 1], x[:, 1].square()], 1), "first_climb": torch.inf}
    network = network_of(CAMEL, minima, **copies)
    bars = lb.barcode(network)
    assert len(network.minima) == len(bars) == 3
    torch.testing.assert_close(bars.birth, bars_of(CAMEL, minima).birth[::2])
    assert network.given_row.tolist() == [0, 0, 1, 1, 2, 2]
    assert (network.pairs[:, 0] == network.pairs[:, 1]).any()


def test_given_minima_are_polished():
    """A saddle is no minimum, however short its gradient: it is pushed off; two that are the same get one row."""
    start = record(wells, found_minima(wells).points + 1e-3)
    network = network_of(wells, record(wells, torch.cat([start.points, start.points[:1] - 1e-3, torch.zeros(1, 2)])))
    assert (network.minima.gradient_norm <= 1e-8).all()
    assert (network.minima.lowest_eigenvalue > 0).all()
    assert len(network.minima) == 4
    assert network.given_row[4] == network.given_row[0]


@pytest.mark.slow
def test_an_interrupted_run_resumes(tmp_path):
    minima, _ = inner_minima(CAMEL)
    whole = network_of(CAMEL, minima)
    network_of(CAMEL, minima, checkpoint=tmp_path / "file", max_rounds=1)
    resumed = network_of(CAMEL, minima, checkpoint=tmp_path / "file")
    assert torch.equal(resumed.values, whole.values)
    assert torch.equal(resumed.pairs, whole.pairs)
    with pytest.raises(ValueError, match="differs in modes"):
        network_of(CAMEL, minima, checkpoint=tmp_path / "file", modes=1)


def test_a_spent_budget_is_said():
    minima, _ = inner_minima(CAMEL)
    network = network_of(CAMEL, minima, max_rounds=0)
    assert len(network) == 0
    assert network.is_finished.tolist() == [False] * 6
    with pytest.warns(UserWarning, match="the graph has 6 connected components.*allow more sweeps"):
        assert len(lb.barcode(network)) == 6


def test_the_table_has_a_row_per_pass():
    network = network_of(wells, found_minima(wells))
    table = network.table()
    assert list(table.columns) == ["from", "to", "height", "gradient_norm", "lowest_eigenvalue", "negative_eigenvalues", "kind"]
    assert len(table) == len(network) == len(network.kinds)
    assert (table["lowest_eigenvalue"] < 0).all()
    assert "4 minima" in repr(network)


def test_memory_is_asked_for_first(monkeypatch):
    minima = found_minima(wells)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 1000}))
    with pytest.raises(MemoryError, match="side by side"):
        network_of(wells, minima)


@pytest.mark.slow
def test_chunks_change_no_bar(monkeypatch):
    minima, exact = inner_minima(CAMEL)
    monkeypatch.setattr(_flood, "BUDGET", 1)
    assert farthest(exact, bars_of(CAMEL, minima)) < 1e-8


GIVEN = record(wells, [[1.0, 1.0]])
BAD = {
    "none": (lambda: network_of(wells, GIVEN[:0]), "minima: expected at least one, got none"),
    "float32": (lambda: network_of(wells, lb.find_minima(wells, torch.ones(1, 2))), "minima: expected float64, got torch.float32"),
    "modes": (lambda: network_of(wells, GIVEN, modes=0), "modes: expected"),
    "rounds": (lambda: network_of(wells, GIVEN, max_rounds=-1), "max_rounds: expected"),
    "step": (lambda: network_of(wells, GIVEN, max_step=-1.0), "max_step: expected a positive number, got -1.0"),
    "climb": (lambda: network_of(wells, GIVEN, first_climb=0), "first_climb: expected a positive number, got 0"),
    "distance": (lambda: network_of(wells, GIVEN, min_distance=math.nan), "min_distance: expected a positive number, got nan"),
    "other loss": (lambda: network_of(lambda x: wells(x) + 1, GIVEN), "minima: expected minima.values to be the loss"),
    "features": (lambda: network_of(wells, GIVEN, features=lambda x: x.sum()), "features: expected one row for each"),
    "periodic": (lambda: network_of(wells, GIVEN, periodic=True), "periodic: expected bounds"),
}


def test_bad_input(bad_input):
    bad_input()
