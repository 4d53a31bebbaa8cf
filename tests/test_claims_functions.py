"""Sentences of notebooks 01 to 04, 06 and 10, checked over the committed tables or, where that takes seconds, computed again.

Those of 05, 07 to 09 and 11, and of the home page, are in ``test_claims.py``.
"""

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from tables import table

import lossbarcode as lb

pytestmark = pytest.mark.slow


@cache
def benchmark_runs(name):
    """The committed runs of ``make bench``, one row per problem and tool."""
    rows = ({"problem": b["group"], "seconds": b["stats"]["median"], **b["extra_info"]} for b in table(name)["benchmarks"])
    return pd.DataFrame(rows)


def grid(loss, n, **options):
    return lb.sample(loss, n, method="grid", dtype=torch.float64, **options)


# 01


def hills(points):
    x = points[:, 0]
    return 1.5 + torch.sin(1.6 * x) + 0.55 * torch.cos(4.3 * x) - 0.12 * x


@pytest.fixture(scope="module")
def curve():
    """The samples of the curve of notebook 01, and its bars."""
    samples = grid(hills, 701, bounds=[(0.2, 7.4)])
    return samples.values.numpy(), lb.barcode(samples)


def test_on_a_curve_a_death_is_the_lower_of_the_two_ways_out(curve):
    values, bars = curve
    assert len(bars) == 5
    for bar in bars:
        heights = []
        for way in (values[bar.minimum_row :: -1], values[bar.minimum_row :]):
            lower = np.flatnonzero(way < values[bar.minimum_row])
            heights.append(way[: lower[0]].max() if len(lower) else math.inf)
        assert bar.death == min(heights)


@pytest.mark.parametrize("level", np.linspace(-0.5, 3, 8))
def test_as_many_lakes_as_bars_at_every_level(curve, level):
    values, bars = curve
    below = values <= level
    lakes = int(below[0]) + int((below[1:] & ~below[:-1]).sum())
    assert lakes == sum(bar.birth <= level < bar.death for bar in bars)


def test_noise_makes_only_short_bars_and_hardly_changes_the_long_ones(curve):
    values, bars = curve
    noise = 0.05 * (2 * torch.rand(len(values), generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1).numpy()
    largest = np.abs(noise).max()
    noisy = lb.barcode(values + noise)
    assert len(noisy) > 100
    assert int((noisy.length > 2 * largest).sum()) == len(bars)
    assert lb.bottleneck_distance(bars, noisy) <= largest


def test_the_six_hump_camel_is_left_over_the_origin():
    bars = lb.barcode(lb.morse_complex(lb.functions.SixHumpCamel()))
    births = bars.birth.tolist()
    assert births[::2] == pytest.approx(births[1::2], abs=1e-9)  # pairs of equal depth
    assert bars[1].death == pytest.approx(0, abs=1e-9)


# 02

BOX = [(-1.6, 1.6), (-1.6, 1.6)]


def moat(points):
    x, y = points.T
    return (x**2 + y**2 - 1) ** 2 + 0.15 * x + 0.1 * y + 0.4 * y**2


@pytest.fixture(scope="module")
def moat_morse():
    return lb.morse_complex(moat, BOX)


def test_the_completeness_check_fails_without_one_of_the_critical_points(moat_morse):
    assert moat_morse.is_complete
    for row in range(len(moat_morse.index)):
        assert moat_morse.drop(row).completeness == "incomplete"


def test_the_canonical_form_is_a_change_of_basis(moat_morse):
    columns = moat_morse.boundary()
    form = lb.canonical_form(columns)

    def dense(columns):
        matrix = np.zeros((len(columns), len(columns)), dtype=int)
        for j, column in enumerate(columns):
            matrix[list(column), j] = 1
        return matrix

    boundary, basis = dense(columns), dense(form.basis)
    canonical = dense([[i for i, k in form.pairs if k == j] for j in range(len(columns))])
    assert boundary.any()
    assert not (boundary @ boundary % 2).any()
    assert not ((boundary @ basis - basis @ canonical) % 2).any()
    assert max(canonical.sum(0).max(), canonical.sum(1).max()) == 1  # blocks of size two and one


@pytest.mark.parametrize(("degree", "count"), [(0, 2), (1, 1)])
def test_the_moat_has_the_same_bars_from_critical_points_and_from_samples(moat_morse, degree, count):
    exact, sampled = lb.barcode(moat_morse, degree=degree), lb.barcode(grid(moat, 301**2, bounds=BOX), degree=degree)
    assert len(exact) == len(sampled) == count
    assert lb.bottleneck_distance(exact, sampled) < 2e-3


@pytest.mark.parametrize("tilt", [0.0, 0.2, 0.4, 0.54, 0.56, 0.6])
def test_the_minimum_and_the_pass_cancel_where_the_zeros_of_the_derivative_meet(tilt):
    def tilted(points, tilt=tilt):
        return points[:, 0] ** 4 - points[:, 0] ** 2 + tilt * points[:, 0]

    bars = lb.barcode(lb.morse_complex(tilted, [(-1.3, 1.1)], starts=256))
    roots = np.roots([4, 0, -2, tilt])  # 4 x^3 - 2 x + s = 0
    roots = np.sort(roots[abs(roots.imag) < 1e-9].real)
    assert (len(roots) == 3) == (tilt < 4 / 3 / math.sqrt(6))
    assert len(bars) == (len(roots) + 1) // 2
    if len(roots) == 3:
        birth, death = (x**4 - x**2 + tilt * x for x in (roots[2], roots[1]))
        assert float(bars.length[bars.is_finite].sum()) == pytest.approx(death - birth, abs=1e-7)


# 03

CLOUDS = {  # method, k, fewest and most bars
    "uniform, k = 6": ("uniform", 6, 501, 10_000),
    "uniform, k = 8": ("uniform", 8, 4, 10_000),
    "uniform, k = 12": ("uniform", 12, 4, 10_000),
    "sobol, k = 6": ("sobol", 6, 3, 10_000),
    "sobol, k = 8": ("sobol", 8, 3, 3),
}


@pytest.mark.parametrize("name", CLOUDS)
def test_the_three_real_bars_are_found_in_every_cloud_and_the_others_are_short(name):
    method, k, least, most = CLOUDS[name]
    samples = lb.sample(lb.functions.ThreeHumpCamel(), 2**17, method=method, dtype=torch.float64)
    bars = lb.barcode(lb.basins(samples, k=k))
    lengths = bars.length.sort(descending=True).values
    assert least <= len(bars) <= most
    assert abs(float(lengths[2]) - 0.5785) < 1e-3
    assert all(length < 0.2 for length in lengths[3:4])


def test_wavy_has_121_minima_in_groups_of_one_four_or_eight():
    bars = lb.barcode(grid(lb.functions.Wavy(), 1001**2))
    groups = bars.table()[["birth", "death"]].round(6).value_counts()
    assert len(bars) == 11**2
    assert set(groups) == {1, 4, 8}


def test_the_four_corners_of_holder_table_are_equally_deep_and_far_apart():
    corners = lb.barcode(grid(lb.functions.HolderTable(), 1001**2)).longest(4)
    assert corners.birth.numpy() == pytest.approx(-19.208, abs=5e-4)
    assert float(corners.death[1:].min()) > -0.1


def long_bars(bars):
    reach = bars.death[bars.is_finite].max() - bars.birth.min()
    return int((bars.length > 1e-3 * reach).sum()), float(reach)


# Langermann is the exception, and takes half a minute.
SMOOTH = ["DoubleWell", "EggCrate", "ThreeHumpCamel", "SixHumpCamel", "Qing", "Schwefel26", "UrsemWaves", "VenterSobieski", "Wavy"]
KINKED = ["Alpine01", "HolderTable", "PenHolder", "Tripod", "XinSheYang04"]


@pytest.mark.parametrize("name", SMOOTH)
def test_samples_and_critical_points_agree_on_the_long_bars(name):
    loss = getattr(lb.functions, name)()
    sampled, morse = lb.barcode(grid(loss, 2**18)), lb.morse_complex(loss, progress=False)
    exact = lb.barcode(morse)
    assert morse.is_complete
    (count, _), (expected, reach) = long_bars(sampled), long_bars(exact)
    assert count == expected
    assert lb.bottleneck_distance(sampled, exact) < 5e-3 * reach


@pytest.mark.parametrize("name", KINKED)
def test_losses_with_kinks_are_refused(name):
    with pytest.raises(ValueError, match="continuous gradient"):
        lb.morse_complex(getattr(lb.functions, name)(), progress=False)


def test_every_benchmark_is_smooth_or_refused():
    assert {benchmark.__name__ for benchmark in lb.functions.BENCHMARKS} == {*SMOOTH, *KINKED, "Langermann"}


# 04


@pytest.mark.parametrize("name", ["Alpine01", "Schwefel26"])
def test_eight_wells_along_every_axis(name):
    """So 262,144 in six dimensions."""
    assert len(lb.barcode(grid(getattr(lb.functions, name)(1), 100_001))) == 8


def slopes_of(rows, column):
    """Slope of log10 of the mean of a column over log10 N from 10^4 samples on."""
    mean = rows[rows["log_n"] >= 4].groupby(["function", "dimension", "method", "log_n"], as_index=False)[column].mean()
    return mean.groupby(["function", "dimension", "method"]).apply(
        lambda group: np.polyfit(group["log_n"], np.log10(group[column]), 1)[0], include_groups=False
    )


@pytest.fixture(scope="module")
def pair_slopes():
    return slopes_of(table("04_convergence.csv"), "distance")


def test_the_distance_of_xinsheyang04_in_three_dimensions_has_the_slope_of_the_theory(pair_slopes):
    assert pair_slopes["XinSheYang04", 3, "uniform"] == pytest.approx(-1 / 3, abs=0.05)


def test_eggcrate_decreases_more_slowly_than_the_theory_and_the_largest_gap_explains_a_part(pair_slopes):
    levels = np.unique(table("04_convergence.csv").query("function == 'EggCrate' and method == 'uniform' and log_n >= 4")["log_n"])
    gap = np.polyfit(levels, np.log10(levels * np.log(10) / 10**levels) / 2, 1)[0]
    assert -0.5 < gap < pair_slopes["EggCrate", 2, "uniform"] < -0.3


def test_no_decrease_in_four_and_more_dimensions(pair_slopes):
    high = pair_slopes[pair_slopes.index.get_level_values("dimension") >= 4].xs("uniform", level="method")
    assert len(high) == 9
    assert (high > -0.15).all()


@pytest.mark.parametrize("method", ["sobol", "grid"])
def test_in_two_dimensions_evenness_helps(method):
    rows = table("04_convergence.csv").query("function == 'EggCrate' and log_n >= 4")
    mean = rows.pivot_table(index="log_n", columns="method", values="distance")
    assert len(mean) >= 5
    assert (mean["uniform"] > 8 * mean[method]).all()


def test_the_error_stays_at_half_the_length_of_the_shortest_bar():
    lengths = lb.barcode(lb.morse_complex(lb.functions.EggCrate(), progress=False)).length
    grids = table("04_errors.csv").query("function == 'EggCrate' and method == 'grid' and log_n == 5")
    assert int((lengths < 1.01 * lengths.min()).sum()) == 16
    assert len(grids) == 6
    assert grids["error"].to_numpy() == pytest.approx(float(lengths.min()) / 2, abs=1e-5)


def test_no_method_has_the_slope_of_the_theory_in_its_error():
    slopes = slopes_of(table("04_errors.csv"), "error")
    assert len(slopes) == 6
    assert (slopes > -1 / slopes.index.get_level_values("dimension") + 0.2).all()


def test_the_distance_of_a_pair_decreases_faster_than_the_error(pair_slopes):
    error_slopes = slopes_of(table("04_errors.csv"), "error")
    assert pair_slopes["EggCrate", 2, "grid"] < error_slopes["EggCrate", 2, "grid"] - 0.3


def test_the_distance_of_a_pair_is_at_most_the_sum_of_its_errors():
    keys = ["function", "dimension", "method", "log_n", "pair"]
    errors = table("04_errors.csv")
    sums = errors.assign(pair=errors["seed"] // 2).groupby(keys, as_index=False)["error"].sum()
    both = table("04_convergence.csv").query("pair < 3").merge(sums, on=keys)
    fraction = both["distance"] / both["error"]
    assert len(both) == 126
    assert (fraction < 1 + 1e-5).all()
    assert fraction.mean() < 0.5  # "can be much smaller than the error"


@pytest.fixture(scope="module")
def race():
    return table("04_time_to_be_right.csv").pivot(index="function", columns="log_n", values=["seconds", "error"])


def test_the_exact_barcode_takes_no_longer_than_a_million_samples(race):
    assert len(race) == 5
    assert (race["seconds"][0] < race["seconds"][6]).all()
    assert (race["error"][0] < 1e-9 * race["error"][5].max()).all()


def test_more_samples_improve_little_and_take_more_than_their_number(race):
    assert (race["seconds"][7] > 10 * race["seconds"][6]).all()
    assert (race["error"][7] < race["error"][5]).all()
    assert (race["error"][7] > race["error"][6]).any()  # not in every step


# 06


@pytest.fixture(scope="module")
def networks():
    """Three of the six networks of notebook 06, and their loss."""
    data = lb.data.digits().to(dtype=torch.float64)
    train = tuple(part[:300] for part in data.train)
    loss = lb.networks.network_loss(lb.networks.FullyConnected(64, (8,), 10, torch.nn.Tanh).double(), train, l2=1e-3)
    return loss, lb.find_minima(loss, loss.initial_parameters(3), gradient_tolerance=1e-5, lowest_eigenvalue=True)


@pytest.fixture(scope="module")
def paths(networks):
    """Straight lines, and paths after two and four rounds."""
    options = ({"max_rounds": 0, "initial_images": 41}, {"max_rounds": 2}, {"max_rounds": 4})
    return [lb.connect(*networks, hessian_products=0, **option) for option in options]


def median_length(paths):
    bars = lb.barcode(paths)
    return float(bars.length[bars.is_finite].median())


def test_networks_descend_until_their_gradients_vanish_and_the_hessian_is_positive(networks):
    loss, minima = networks
    lowest = torch.linalg.eigvalsh(loss.hessian(minima.points))[:, 0]
    assert minima.converged.all()
    assert (lowest > 0).all()
    assert (minima.lowest_eigenvalue > lowest - 1e-9).all()  # what Lanczos finds bounds it from above


def test_relaxed_paths_are_lower_than_straight_lines(paths):
    straight, _, relaxed = paths
    assert len(relaxed) == 3
    assert (relaxed.heights < straight.heights).all()


def test_bars_become_shorter_with_more_computation(paths):
    _, two, four = paths
    assert median_length(two) > 1.5 * median_length(four)


def test_in_the_plane_through_its_ends_and_its_highest_point_the_loss_is_twice_that_of_the_path(networks):
    loss, minima = networks
    path = lb.connect(loss, minima, pairs=[[0, 1]], hessian_products=0)
    images, values = path.points[0], path.values[0]
    plane, _ = torch.linalg.qr((images[[-1, int(values.argmax())]] - images[0]).T)
    projection = images[0] + (images - images[0]) @ plane @ plane.T
    assert loss(projection).max() > 2 * values.max()


def test_renumbering_hidden_units_keeps_the_loss_and_shortens_the_bars(networks, paths):
    loss, minima = networks
    aligned = minima.aligned(loss)
    assert loss(aligned.points).numpy() == pytest.approx(minima.values.numpy(), rel=1e-9)
    assert median_length(lb.connect(loss, aligned, max_rounds=4, hessian_products=0)) < median_length(paths[-1])


@pytest.fixture(scope="module")
def gradients():
    """Gradients per second, one row per problem."""
    return benchmark_runs("06_gradients.json").pivot(index="problem", columns="tool", values="gradients_per_second")


@pytest.mark.parametrize(("problem", "least", "most"), [("CNN", 1, 10), ("ResNet9", 1, 2), ("fully connected", 10, 20)])
def test_speed_against_a_loop_over_networks(gradients, problem, least, most):
    """The fully connected network reaches ten times a loop; the CNN misses it; ResNet9 is as fast as a loop."""
    (row,) = (row for name, row in gradients.iterrows() if problem in name)
    assert least <= row["lossbarcode"] / row["loop over networks"] < most


def test_all_reach_half_the_speed_of_plain_arithmetic(gradients):
    assert len(gradients) == 3
    assert (gradients["lossbarcode"] > 0.5 * gradients["one network, all rows"]).all()


def test_a_loop_over_cnns_has_no_overhead_to_save(gradients):
    (row,) = (row for name, row in gradients.iterrows() if "CNN" in name)
    assert row["loop over networks"] > 0.8 * row["one network, all rows"]


# 10


@pytest.fixture(scope="module")
def peers():
    """Time and memory of each other tool, divided by those of this package."""
    runs = benchmark_runs("10_performance.json")
    runs = runs[runs["problem"].str.contains("array|cloud")]
    ours = runs[runs["tool"] == "lossbarcode"].set_index("problem")
    others = runs[runs["tool"] != "lossbarcode"].set_index("problem")
    assert len(others) == len(ours) == 6
    return others[["tool"]].assign(**{name: others[name] / ours[name] for name in ("seconds", "bytes_per_sample")})


@pytest.mark.parametrize(
    ("kind", "tool", "time", "memory"),
    [("smooth", "cripser", 10, 10), ("smooth", "GUDHI", 1000, 10), ("noise", "cripser", 2.5, 3), ("cloud", "ToMATo", 3, 2)],
)
def test_ratio_to_other_tools(peers, kind, tool, time, memory):
    rows = peers[peers.index.str.contains(kind) & (peers["tool"] == tool)]
    assert len(rows)
    assert (rows["seconds"] > time).all()
    assert (rows["bytes_per_sample"] > memory).all()


def test_on_noise_the_memory_is_a_fifth_to_a_third(peers):
    noise = peers["bytes_per_sample"][peers.index.str.contains("noise")]
    assert ((noise > 3) & (noise < 5)).all()


@pytest.fixture(scope="module")
def growth():
    runs = benchmark_runs("10_performance.json")
    return runs[runs["problem"].str.startswith("growth")].set_index("samples")


def test_time_per_sample_hardly_changes(growth):
    per_sample = growth[["losses", "basins", "barcode"]].sum(axis=1) / growth.index
    assert len(per_sample) == 3
    assert per_sample.max() < 1.2 * per_sample.min()


def test_memory_per_sample_decreases_to_about_14_bytes(growth):
    memory = growth["bytes_per_sample"].sort_index()
    assert memory.is_monotonic_decreasing
    assert round(memory[10**8]) == 14


def test_more_minima_than_the_samples_resolve(growth):
    assert growth["bars"].max() < 8**6


@pytest.fixture(scope="module")
def table_1():
    """Seconds of each tool, one row per function and dimension."""
    runs = benchmark_runs("10_performance.json")
    return runs[runs["problem"].str.startswith("table 1")].pivot(index="problem", columns="tool", values="seconds")


def test_the_papers_algorithm_is_faster_than_gudhi_up_to_six_dimensions_increasingly(table_1):
    ratio = table_1["GUDHI"] / table_1["lossbarcode, as P1"]
    assert len(ratio) == 10
    assert (ratio.min().round(1), ratio.max().round(1)) == (1.7, 4.9)
    for name in ("Alpine01", "Schwefel26"):
        assert ratio[ratio.index.str.contains(name)].sort_index().iloc[:4].is_monotonic_increasing


def test_the_same_grid_is_far_faster_here(table_1):
    assert (table_1["GUDHI"] > 25 * table_1["lossbarcode, grid"]).all()


@pytest.fixture(scope="module")
def lattices():
    """Mean errors and numbers of bars at 10^5 samples, one row per function and dimension."""
    rows = table("10_lattices.csv")
    rows = rows[np.isfinite(rows["error"]) & (rows["log_n"] == 5)]
    return rows.pivot_table(index=["function", "dimension"], columns="method", values=["error", "bars"])


def test_lattices_have_at_most_a_third_more_bars_than_are_real(lattices):
    truth = 2.0 ** lattices.index.get_level_values("dimension")
    assert (lattices["bars"]["lattice"] < 4 / 3 * truth).all()


@pytest.mark.parametrize("method", ["uniform", "sobol"])
def test_clouds_have_twice_to_twenty_times_as_many_bars_from_four_dimensions_on(lattices, method):
    high = lattices[lattices.index.get_level_values("dimension") >= 4]
    ratio = high["bars"][method] / 2.0 ** high.index.get_level_values("dimension")
    assert len(ratio) == 6
    assert ((ratio > 2) & (ratio < 23)).all()


def test_in_two_and_three_dimensions_lattices_are_more_accurate_than_sobol_points(lattices):
    error = lattices["error"][lattices.index.get_level_values("dimension") <= 3]
    assert len(error) == 4
    assert (error["lattice"] < error["sobol"]).all()


def test_from_four_dimensions_on_lattices_see_qings_wells_first(lattices):
    error = lattices["error"].loc["Qing"].loc[4:]
    assert len(error) == 3
    assert (error["lattice"] < error["grid"]).all()


def test_in_six_dimensions_independent_points_come_slightly_closer_than_lattices(lattices):
    error = lattices["error"].loc["Turned", 6]
    assert 0.8 * error["lattice"] < error["uniform"] < error["lattice"]
