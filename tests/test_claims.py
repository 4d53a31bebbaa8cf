"""Sentences of the notebooks and of the home page, checked over the committed tables or, where that takes seconds, computed again."""

import re
from collections import Counter

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from tables import RESULTS, ROOT, table
from torch import nn

import lossbarcode as lb
from lossbarcode import study

pytestmark = pytest.mark.slow


def lengths_of(rows):
    """The table with the column ``length``, NaN for infinite bars."""
    return rows.assign(length=(rows["death"] - rows["birth"]).replace(np.inf, np.nan))


# 05

SMALL = {"2": (2,), "3": (3,), "2-2": (2, 2), "3-2": (3, 2), "3-3": (3, 3), "2-2-2": (2, 2, 2), "3-2-2": (3, 2, 2)}
DEPTH_STEPS = [("2", "2-2"), ("2-2", "2-2-2"), ("3-2", "3-2-2")]
WIDTH_STEPS = [("2", "3"), ("2-2", "3-2"), ("3-2", "3-3")]
SMALL_PENALTY = 5e-4


def curve_loss(network, activation=nn.Tanh, fixed_biases=False):
    x = torch.linspace(-torch.pi, torch.pi, 101, dtype=torch.float64)[:, None]
    curve = 0.31 * torch.sin(-x) - 0.72 * torch.sin(-2 * x) - 0.21 * torch.cos(x) + 0.89 * torch.cos(2 * x)
    module = lb.networks.FullyConnected(1, SMALL[network], 1, activation).double()
    if fixed_biases:
        module[1].bias.requires_grad_(False).copy_(torch.tensor([-1.0, 1.0]))
    return lb.networks.network_loss(module, (x, curve), nn.functional.mse_loss, l2=SMALL_PENALTY), curve


def normal_starts(loss, n):
    return torch.randn(n, loss.n_parameters, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def small_finite():
    rows = lengths_of(table("05_bars.csv"))
    return rows[np.isfinite(rows["death"])]


@pytest.fixture(scope="module")
def small_bars(small_finite):
    """Bars of minima: shorter ones are not minima."""
    return small_finite[small_finite["length"] > 1e-4]


@pytest.fixture(scope="module")
def small_deaths(small_bars):
    """Maximum, median and median over deep minima of the deaths of each activation, network and seed, at the main penalty."""

    def summarise(rows):
        deep = rows[rows["birth"] <= rows["birth"].median()]
        return pd.Series({"maximum": rows["death"].max(), "median": rows["death"].median(), "deep": deep["death"].median()})

    rows = small_bars[small_bars["penalty"] == SMALL_PENALTY]
    return rows.groupby(["activation", "network", "seed"])[["birth", "death"]].apply(summarise)


@pytest.fixture(scope="module")
def small_medians(small_bars):
    """Median deaths of each activation and penalty (rows) and network (columns)."""
    return small_bars.groupby(["activation", "penalty", "network"])["death"].median().unstack("network")


@pytest.fixture(scope="module")
def small_samples():
    deepest = table("05_bars.csv").query("penalty == @SMALL_PENALTY").groupby(["activation", "network"])["birth"].min().rename("deepest")
    rows = table("05_samples.csv").merge(deepest.reset_index(), on=["activation", "network"])
    return rows.assign(above=rows["lowest"] - rows["deepest"])


def test_a_thousand_descents_for_each_network():
    assert (table("05_bars.csv")["starts"] == 1000).all()
    main = table("05_bars.csv").query("penalty == @SMALL_PENALTY")
    assert set(map(tuple, main[["network", "activation", "seed"]].to_numpy())) == {
        (n, a, s) for n in SMALL for a in ("tanh", "ReLU") for s in (0, 1)
    }


def test_descents_with_tanh_2_converge_to_minima_of_the_table():
    loss, _ = curve_loss("2")
    ends = lb.find_minima(loss, normal_starts(loss, 20), max_steps=3000)
    assert ends.converged.all()
    known = table("05_bars.csv").query("activation == 'tanh' and network == '2' and penalty == @SMALL_PENALTY")["birth"].to_numpy()
    assert np.abs(ends.values.numpy()[:, None] - known).min(1).max() < 1e-6


def test_many_relu_descents_stop_on_a_kink_where_the_shortest_subgradient_vanishes():
    loss, _ = curve_loss("2", nn.ReLU)
    ends = lb.find_minima(loss, normal_starts(loss, 20), max_steps=400)
    assert (ends.gradient_norm > 1e-4).double().mean() > 0.3
    assert (lb.subgradient_norm(loss, ends.points) < 1e-4).double().mean() > 0.9


@pytest.mark.parametrize(("network", "is_minimum"), [("2", False), ("2-2", True), ("2-2-2", True)])
def test_the_network_with_zero_weights_is_a_saddle_with_one_hidden_layer_and_a_minimum_with_more(network, is_minimum):
    loss, curve = curve_loss(network)
    constant = torch.zeros(1, loss.n_parameters, dtype=torch.float64)
    constant[0, -1] = curve.mean() / (1 + SMALL_PENALTY)
    assert loss.value_and_gradient(constant)[1].norm() < 1e-12
    axes = torch.eye(loss.n_parameters, dtype=torch.float64)
    lowest = torch.linalg.eigvalsh(loss.hessian_product(constant.expand_as(axes), axes))[0]
    assert (lowest > 0) == is_minimum


def test_observation_1_holds_for_all_seven_networks_and_both_activations(small_finite):
    highest = small_finite[small_finite["penalty"] == SMALL_PENALTY].groupby(["activation", "network"])["death"].max()
    sample = table("05_samples.csv").groupby(["activation", "network"])["highest"].max()
    assert len(highest) == len(sample) == 2 * len(SMALL)
    assert (highest < 1).all()
    assert (highest / sample < 0.01).all()


@pytest.mark.parametrize(("larger", "smaller"), [("2", "2-2"), ("2-2", "2-2-2")])
def test_with_tanh_median_deaths_decrease_with_depth_at_every_penalty(small_medians, larger, smaller):
    tanh = small_medians.loc["tanh"]
    assert len(tanh) == 3
    assert (tanh[larger] > tanh[smaller]).all()


@pytest.mark.parametrize("measure", ["median", "deep"])
@pytest.mark.parametrize(("small", "large"), DEPTH_STEPS + WIDTH_STEPS)
def test_with_tanh_deaths_decrease_to_the_next_wider_or_deeper_network_for_both_seeds(small_deaths, small, large, measure):
    deaths = small_deaths.loc["tanh"][measure].unstack("seed")
    assert (deaths.loc[large] < deaths.loc[small] - 0.005).tolist() == [True, True]


@pytest.mark.parametrize(("network", "low", "high"), [("2", 0.55, 0.65), ("2-2", 0.35, 0.45), ("2-2-2", 0.1, 0.3)])
def test_at_the_smallest_penalty_median_deaths_with_tanh_lie_within_a_hundredth_of_the_papers_intervals(small_medians, network, low, high):
    assert small_medians.index.get_level_values("penalty").min() == 1e-4
    assert low - 0.01 < small_medians.loc[("tanh", 1e-4), network] < high + 0.01


def test_with_relu_deaths_decrease_from_2_to_2_2_but_2_2_2_is_no_lower(small_medians):
    relu = small_medians.loc["ReLU"]
    assert (relu["2"] > relu["2-2"] + 0.05).all()
    assert (relu["2-2"] < relu["2-2-2"] + 0.02).all()


def test_the_maximum_shows_no_trend(small_deaths):
    maximum = small_deaths["maximum"].unstack("seed")
    decreases = [
        maximum.loc[(activation, large)] < maximum.loc[(activation, small)] - 0.005
        for activation in ("tanh", "ReLU")
        for small, large in DEPTH_STEPS + WIDTH_STEPS
    ]
    assert 0.4 < np.mean(decreases) < 0.6
    assert (maximum[0] - maximum[1]).abs().max() > 0.3


def test_births_decrease_with_depth_and_lengths_with_tanh_do_not(small_bars):
    births = table("05_bars.csv").groupby(["activation", "penalty", "network"])["birth"].min().unstack("network").loc["tanh"]
    assert (births["2"] > births["2-2"]).all()
    assert (births["2-2"] > births["2-2-2"]).all()
    lengths = small_bars.groupby(["activation", "penalty", "network"])["length"].median().unstack("network").loc["tanh"]
    assert (lengths["2-2-2"] > lengths["2"]).all()


def test_the_lowest_of_a_hundred_million_samples_lies_above_the_deepest_minimum(small_samples):
    largest = small_samples[small_samples["log_n"] == 8]
    assert len(largest) == 2 * len(SMALL)
    assert (largest["above"] > 0.01).all()


def test_for_most_networks_the_gap_is_more_than_half_of_that_of_a_million(small_samples):
    above = small_samples.pivot(index=["activation", "network"], columns="log_n", values="above")
    assert (above[8] / above[6] > 0.5).mean() > 0.5


def test_sampled_births_lie_above_the_minima_by_more_than_most_bars_are_long(small_samples, small_finite):
    gaps = small_samples.loc[small_samples["log_n"] == 8, "above_minimum"]
    assert gaps.min() > 0.3
    assert gaps.min() > small_finite.groupby(["activation", "network"])["length"].median().max()


def test_more_samples_make_more_bars(small_samples):
    counts = small_samples.pivot(index=["activation", "network"], columns="log_n", values="bars")
    assert counts.shape == (2 * len(SMALL), 5)
    assert (counts.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)


def test_deaths_in_enriched_clouds_scatter_about_those_by_paths(small_samples, small_bars):
    last = small_samples[small_samples["log_n"] == 8].set_index(["activation", "network"])["enriched_death"]
    by_paths = small_bars[small_bars["penalty"] == SMALL_PENALTY].groupby(["activation", "network"])["death"].median()
    difference = (last - by_paths).dropna()
    assert (difference > 0).sum() > 1
    assert (difference < 0).sum() > 1


def test_with_fixed_biases_the_space_is_smaller_and_the_deepest_minimum_higher():
    loss, _ = curve_loss("2", fixed_biases=True)
    found = lb.find_minima(loss, normal_starts(loss, 60))
    deepest = table("05_bars.csv").query("activation == 'tanh' and network == '2' and penalty == @SMALL_PENALTY")["birth"].min()
    assert loss.n_parameters == 5
    assert found.values.min() > deepest + 0.05


# 07

NETWORK_KEYS = ["family", "activation", "layers", "width", "penalty", "rounds", "seed"]


@pytest.fixture(scope="module")
def network_runs():
    return study.summarise_runs(table("07_bars.csv"), NETWORK_KEYS)


@pytest.fixture(scope="module")
def deep(network_runs):
    return network_runs.query("family == 'fully connected' and activation == 'tanh' and width == 16 and rounds == 8 and layers > 1")


@pytest.fixture(scope="module")
def wide(network_runs):
    return network_runs.query(
        "family == 'fully connected' and activation == 'tanh' and penalty == 0.001 and rounds == 8 and layers in (2, 4)"
    )


@pytest.fixture(scope="module")
def cnn(network_runs):
    return network_runs[network_runs["family"].str.startswith("CNN")]


@pytest.fixture(scope="module")
def resnets(network_runs):
    return network_runs[network_runs["family"] == "ResNet9"]


@pytest.fixture(scope="module")
def by_effort(network_runs):
    rows = network_runs.query(
        "family == 'fully connected' and activation == 'tanh' and width == 16 and penalty == 0.001 and seed == 0 and layers > 1"
    )
    return rows.pivot(index="layers", columns="rounds", values="to_score")


def test_one_layer_has_one_minimum_and_two_have_more_which_are_lower(network_runs):
    rows = network_runs.query("family == 'fully connected' and activation == 'tanh' and width == 16 and penalty == 0.001 and rounds == 8")
    one, two = (rows[rows["layers"] == layers] for layers in (1, 2))
    assert (one["minima"] == 1).all()
    assert (two["minima"] > 1).all()
    assert two["birth"].max() < one["birth"].min()


def test_nearly_all_deaths_of_networks_are_upper_bounds():
    rows = table("07_bars.csv")
    finite = rows[np.isfinite(rows["death"])]
    assert set(finite["saddle_evidence"]) == {"upper bound", "index-1 saddle (numerical)"}
    assert (finite["saddle_evidence"] == "upper bound").mean() > 0.99
    assert (finite["last_decrease"] > 0).mean() > 0.5


@pytest.mark.parametrize("name", ["05_bars.csv", "07_bars.csv", "08_bars.csv", "09_bars.csv"])
def test_ends_of_bars_of_paths_are_bounded_above_and_none_is_proven(name):
    rows = table(name)
    finite = np.isfinite(rows["death"])
    assert (rows.loc[finite, "end_evidence"] == "bounded above").all()
    assert rows.loc[~finite, "end_evidence"].isna().all()
    # these runs only kept whether a path was quiet and its minimum reached, so where it was not, nothing is known
    assert (rows.loc[finite, "quiet"].isna() == ~rows.loc[finite, "minimum_reached"]).all()


@pytest.mark.parametrize("measure", ["birth", "death", "length", "to_score"])
def test_everything_decreases_with_width(wide, measure):
    found = study.monotone_trend(wide, measure, "width", within="layers")
    assert (found["verdict"], found["agree"]) == ("reproduced", "6 of 6")


@pytest.mark.parametrize(
    ("measure", "verdict", "agree"),
    [
        ("birth", "reproduced", "6 of 6"),
        ("death", "partly", "4 of 6"),
        ("length", "not reproduced", "0 of 6"),
        ("to_score", "not reproduced", "0 of 6"),
    ],
)
def test_births_decrease_with_depth_and_lengths_and_scores_do_not(deep, measure, verdict, agree):
    found = study.monotone_trend(deep, measure, "layers", within="penalty")
    assert (found["verdict"], found["agree"]) == (verdict, agree)


def test_deaths_decrease_up_to_four_layers_and_increase_after_that(deep):
    deaths = deep.groupby(["penalty", "layers"])["death"].mean().unstack("layers")
    assert deaths.columns.tolist() == [2, 3, 4, 6, 8]
    assert (deaths.loc[:, :4].diff(axis=1).iloc[:, 1:] < 0).all(axis=None)
    assert (deaths.loc[:, 4:].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)


def test_relu_shows_the_same_trends(network_runs):
    relu = network_runs.query("activation == 'ReLU' and family == 'fully connected'").sort_values("layers")
    assert relu["layers"].tolist() == [2, 3, 4, 6]
    assert relu["birth"].is_monotonic_decreasing
    assert relu["to_score"].is_monotonic_increasing


@pytest.mark.parametrize("rounds", [2, 8, 16])
def test_scores_increase_with_depth_at_every_number_of_rounds(by_effort, rounds):
    assert len(by_effort[rounds].dropna()) == 5
    assert by_effort[rounds].is_monotonic_increasing


def test_from_eight_rounds_to_sixteen_scores_decrease_to_about_a_half_at_every_depth(by_effort):
    assert (by_effort[16] / by_effort[8]).between(0.4, 0.7).all()


@pytest.fixture
def escapes():
    rows = table("07_escapes.csv").query("search == 'basic'")
    return rows[np.isfinite(rows["length"])]


def test_at_least_four_of_five_escapes_end_at_a_saddle_by_all_eigenvalues(escapes):
    saddles = (
        (escapes["pass_gradient_norm"] <= 1e-8) & (escapes["pass_negative_eigenvalues"] == 1) & escapes["pass_has_all_eigenvalues"].eq(True)
    )
    assert saddles.mean() >= 0.8
    assert (escapes["pass_lowest_eigenvalue"] < 0).all()


def test_escapes_leave_tens_to_a_thousand_times_less_of_scores_by_paths(escapes, deep):
    by_paths = deep.set_index(["penalty", "layers", "seed"])["to_score"]
    ratio = (by_paths / (escapes.groupby(["penalty", "layers", "seed"])["length"].sum() / 2)).dropna()
    assert len(ratio) == 5  # the pages say so
    assert set(ratio.index.get_level_values("layers")) == {2, 3, 4}
    assert ratio.min() > 10
    assert ratio.max() > 1000


def test_the_test_error_increases_with_depth(deep):
    assert deep.groupby("layers")["test_error"].mean().is_monotonic_increasing


@pytest.mark.parametrize(
    ("measure", "verdict"), [("birth", "reproduced"), ("death", "reproduced"), ("length", "partly"), ("to_score", "partly")]
)
def test_births_and_deaths_of_cnns_decrease_with_parameters_and_lengths_show_no_simple_trend(cnn, measure, verdict):
    assert study.monotone_trend(cnn, measure, "parameters", within="family")["verdict"] == verdict


def test_most_descents_of_cnns_reached_no_minimum():
    rows = table("07_bars.csv")
    assert rows.loc[rows["family"].str.startswith("CNN"), "minimum_reached"].mean() < 0.5


@pytest.mark.parametrize("measure", ["birth", "death"])
def test_with_batchnorm_births_and_deaths_are_lower_for_every_shape(cnn, measure):
    means = cnn.groupby(["layers", "width", "family"])[measure].mean().unstack("family")
    assert len(means) == 5
    assert (means["CNN, BatchNorm"] < means["CNN"]).all()


@pytest.mark.parametrize("measure", ["birth", "death", "test_error"])
def test_resnet9_is_lower_than_all_cnns(resnets, cnn, measure):
    assert resnets.loc[resnets["rounds"] == 4, measure].max() < cnn[measure].min()


def test_resnet9_has_shorter_bars_than_all_cnns_except_the_smallest_whose_losses_are_the_highest(resnets, cnn):
    smallest = cnn["parameters"] == cnn["parameters"].min()
    resnet = resnets[resnets["rounds"] == 4]
    assert (cnn.loc[smallest, "family"] == "CNN").all()
    for measure in ("length", "to_score"):
        assert resnet[measure].max() < cnn.loc[~smallest, measure].min()
    assert cnn.loc[smallest, "birth"].min() > cnn.loc[~smallest, "birth"].max()


def test_resnet9_has_seventy_times_the_parameters_of_the_largest_cnn(resnets, cnn):
    assert round(resnets["parameters"].min() / cnn["parameters"].max(), -1) == 70


def test_scores_of_resnet9_after_two_four_and_eight_rounds(resnets):
    """More than ten times as high after two rounds as after four, and less than a quarter after eight."""
    scores = resnets.pivot(index="seed", columns="rounds", values="to_score")
    assert (scores[2] > 10 * scores[4]).all()
    assert len(scores[8].dropna()) == 1
    assert (scores[8] < scores[4] / 4)[scores[8].notna()].all()


def test_only_after_eight_rounds_paths_of_resnet9_decrease_by_less_than_the_bar_that_is_left():
    rows = lengths_of(table("07_bars.csv")).query("family == 'ResNet9' and length == length")
    left = (rows["last_decrease"] / rows["length"]).groupby(rows["rounds"]).median()
    assert left[8] < 1 < left[[2, 4]].min()


def test_after_eight_rounds_bars_of_resnet9_are_two_to_five_thousandths():
    lengths = lengths_of(table("07_bars.csv")).query("family == 'ResNet9' and rounds == 8")["length"].dropna()
    assert round(1000 * lengths.min()) == 2
    assert round(1000 * lengths.max()) == 5


# 08

RECIPES = ["small", "annealed", "annealed from 0.05"]
RECIPE_KEYS = ["network", "penalty", "steps", "rounds", "networks", "seed", "recipe"]


@pytest.fixture(scope="module")
def small_recipes():
    """Bars of the small networks."""
    return lengths_of(table("08_bars.csv")).query("network != 'ResNet9'")


@pytest.fixture(scope="module")
def recipe_pairs(small_recipes):
    """Runs of both recipes from the same initial parameters, where training stopped (0 steps) and after descent (3000)."""
    runs = study.summarise_runs(small_recipes, RECIPE_KEYS)
    return runs.pivot(index=RECIPE_KEYS[:-1], columns="recipe", values=["mean_loss", "death", "mean_test_error"])


def pairs_at(recipe_pairs, measure, steps):
    return recipe_pairs[measure].xs(steps, level="steps").dropna()


@pytest.fixture(scope="module")
def resnet_rows():
    return lengths_of(table("08_bars.csv")).query("network == 'ResNet9'")


def by_recipe(rows, column, how):
    """One value per repetition for each recipe."""
    return [rows[rows["recipe"] == recipe].groupby("seed")[column].agg(how) for recipe in RECIPES]


def test_where_training_stopped_small_networks_have_no_bars_or_bars_of_length_zero(small_recipes):
    stopped = small_recipes[small_recipes["steps"] == 0]
    assert len(stopped["length"].dropna()) > 10
    assert stopped["length"].max() == 0
    most = stopped.groupby(RECIPE_KEYS).size()
    assert (most < 8).all()


def test_gradients_are_within_the_tolerance_after_descent_and_not_where_training_stopped(small_recipes):
    share = small_recipes.groupby("steps")["minimum_reached"].mean()
    assert share.to_dict() == {0: 0, 3000: 1}


@pytest.mark.parametrize(("measure", "pairs"), [("mean_loss", 6), ("death", 3), ("mean_test_error", 6)])
def test_where_training_stopped_annealed_networks_are_lower_in_every_pair(recipe_pairs, measure, pairs):
    both = pairs_at(recipe_pairs, measure, 0)
    assert len(both) == pairs
    assert (both["annealed"] < both["small"]).all()


def test_after_descent_deaths_agree_within_a_few_percent_and_neither_recipe_is_lower_in_all_pairs(recipe_pairs):
    both = pairs_at(recipe_pairs, "death", 3000)
    assert len(both) == 7
    assert (both["annealed"] / both["small"] - 1).abs().max() < 0.05
    assert 0 < (both["annealed"] < both["small"]).mean() < 1


def test_after_descent_annealed_test_errors_are_smaller_in_most_pairs_by_less_than_a_tenth(recipe_pairs):
    both = pairs_at(recipe_pairs, "mean_test_error", 3000)
    assert (both["annealed"] < both["small"]).mean() > 0.5
    assert 0.9 < (both["annealed"] / both["small"]).mean() < 1


@pytest.mark.parametrize("column", ["birth", "death"])
def test_from_the_papers_rate_all_ends_of_resnet9_are_lower_and_the_groups_do_not_overlap(resnet_rows, column):
    rows = resnet_rows[(resnet_rows["rounds"] == 2) & np.isfinite(resnet_rows[column])]
    (small, _, _), (_, _, papers) = by_recipe(rows, column, "min"), by_recipe(rows, column, "max")
    assert len(small) == 3
    assert (papers < small).all()


def test_from_the_papers_rate_test_errors_of_resnet9_are_smaller_in_two_of_three_repetitions(resnet_rows):
    small, _, papers = by_recipe(resnet_rows[resnet_rows["rounds"] == 2], "mean_test_error", "first")
    assert (papers < small).sum() == 2


def test_from_four_times_the_rate_births_are_lowest_but_most_deaths_and_test_errors_are_higher(resnet_rows):
    rows = resnet_rows[resnet_rows["rounds"] == 2]
    small, annealed, papers = by_recipe(rows, "birth", "min")
    assert annealed.max() < min(small.min(), papers.min())
    finite = rows[np.isfinite(rows["death"])]
    small, annealed, _ = by_recipe(finite, "death", "median")
    assert (annealed > small).all()
    small, annealed, _ = by_recipe(rows, "mean_test_error", "first")
    assert (annealed > small).all()


def test_lengths_of_resnet9_are_not_shorter_with_annealing(resnet_rows):
    small, annealed, papers = by_recipe(resnet_rows[resnet_rows["rounds"] == 2], "length", "median")
    assert (annealed > small).all()
    assert (papers.round(4) >= small.round(4)).all()


def test_the_last_round_lowered_most_paths_of_resnet9_by_more_than_the_height_that_is_left(resnet_rows):
    rows = resnet_rows[(resnet_rows["rounds"] == 2) & np.isfinite(resnet_rows["death"])]
    medians = rows.groupby(["recipe", "seed"])[["last_decrease", "death"]].median()
    assert len(medians) == 9
    assert (medians["last_decrease"] > medians["death"]).all()


def test_after_two_rounds_seven_or_eight_networks_of_resnet9_have_bars_and_after_four_hardly_any(resnet_rows):
    bars = resnet_rows.groupby(["rounds", "recipe", "seed"]).size()
    assert set(bars[2]) == {7, 8}
    assert set(bars[4]) == {1, 2}
    assert resnet_rows.loc[resnet_rows["rounds"] == 4, "length"].max() < 1e-4


def test_most_annealed_networks_of_resnet9_meet_the_tolerance_and_none_with_the_small_rate(resnet_rows):
    share = resnet_rows[resnet_rows["rounds"] == 2].groupby("recipe")["minimum_reached"].mean()
    assert share["small"] == 0
    assert share[RECIPES[1:]].min() > 0.5


def correlations():
    """Rank correlations of lengths and test errors, for each situation of notebooks 07 and 08 that has lengths to compare."""
    rows = lengths_of(table("08_bars.csv"))
    for key, group in rows.groupby(["network", "penalty", "steps"]):
        if group["length"].gt(0).sum() > 2:
            yield key, study.rank_correlation(group, "length", "test_error", within=RECIPE_KEYS)
    rows = lengths_of(table("07_bars.csv")).query("layers > 1 and (rounds == 4 or rounds == 8 and family == 'fully connected')")
    for family, group in rows.groupby("family"):
        yield family, study.rank_correlation(group, "length", "test_error", within=NETWORK_KEYS[1:])


def test_no_rank_correlation_of_length_and_test_error_is_distinguishable_from_zero():
    found = dict(correlations())
    assert len(found) == 3 + 4
    assert all(of["low"] < 0 < of["high"] for of in found.values())
    assert min(of["runs"] for key, of in found.items() if isinstance(key, tuple)) == 6


# 09


@pytest.fixture(scope="module")
def transformers():
    return study.summarise_runs(table("09_bars.csv"), ["depth", "width", "penalty", "rounds", "seed"])


@pytest.fixture(scope="module")
def transformers_by_depth(transformers):
    return transformers.query("rounds == 4 and width == 8")


@pytest.fixture(scope="module")
def transformers_by_width(transformers):
    return transformers.query("rounds == 4 and depth == 2 and penalty == 0.001")


@pytest.fixture(scope="module")
def frequencies():
    """The loss of a network that knows only how often each character occurs."""
    counts = torch.bincount(lb.data.numerals(context=16).train[1][:64].flatten()).double()
    often = counts[counts > 0] / counts.sum()
    return float(-(often * often.log()).sum())


def test_no_descent_of_transformers_reached_a_minimum_and_all_paths_still_decreased():
    rows = table("09_bars.csv")
    assert not rows["minimum_reached"].any()
    assert (rows.loc[np.isfinite(rows["death"]), "last_decrease"] > 0).all()


@pytest.mark.parametrize(
    ("measure", "verdict", "agree"),
    [("birth", "reproduced", "6 of 6"), ("death", "partly", "4 of 6"), ("to_score", "partly", "3 of 6")],
)
def test_births_of_transformers_decrease_with_depth_and_the_rest_in_a_part(transformers_by_depth, measure, verdict, agree):
    found = study.monotone_trend(transformers_by_depth, measure, "depth", within="penalty")
    assert (found["verdict"], found["agree"]) == (verdict, agree)


@pytest.mark.parametrize("measure", ["death", "to_score"])
def test_at_the_smaller_penalty_deaths_and_scores_of_transformers_decrease_with_depth(transformers_by_depth, measure):
    rows = transformers_by_depth.query("penalty == 0.0001")
    assert study.monotone_trend(rows, measure, "depth", within="penalty")["agree"] == "3 of 3"


@pytest.mark.parametrize(("measure", "agree"), [("death", "1 of 3"), ("to_score", "0 of 3")])
def test_at_the_larger_penalty_they_do_not(transformers_by_depth, measure, agree):
    rows = transformers_by_depth.query("penalty == 0.001")
    assert study.monotone_trend(rows, measure, "depth", within="penalty")["agree"] == agree


def test_births_of_transformers_decrease_from_one_block_to_two_and_hardly_change_after_that(transformers_by_depth):
    births = transformers_by_depth.pivot(index=["penalty", "seed"], columns="depth", values="birth")
    assert len(births) == 6
    assert (births[2] < 0.85 * births[1]).all()
    assert (births[4] / births[2]).between(0.85, 1.15).all()


@pytest.mark.parametrize(
    ("measure", "verdict"),
    [("birth", "reproduced"), ("death", "reproduced"), ("length", "not reproduced"), ("to_score", "not reproduced")],
)
def test_births_and_deaths_of_transformers_decrease_with_width_and_lengths_do_not(transformers_by_width, measure, verdict):
    assert study.monotone_trend(transformers_by_width, measure, "width", within="penalty")["verdict"] == verdict


def test_networks_of_width_4_have_learned_little(transformers_by_width, frequencies):
    assert transformers_by_width.query("width == 4")["birth"].min() > 0.7 * frequencies


def test_deaths_of_transformers_are_about_two_and_several_times_as_high_as_births(transformers):
    trained = transformers.query("rounds == 4 and width > 4")
    assert trained["death"].between(1.8, 2.4).all()
    assert (trained["death"] > 3 * trained["birth"]).all()


def test_along_a_path_most_of_what_transformers_have_learned_is_lost(transformers, frequencies):
    trained = transformers.query("rounds == 4 and width > 4")
    assert (frequencies - trained["death"]).max() < 0.5 * (frequencies - trained["birth"]).min()


def test_scores_of_transformers_halve_from_one_round_to_four_and_decrease_further(transformers):
    rows = transformers.query("width == 8 and penalty == 0.001 and seed == 0")
    scores = rows.pivot(index="depth", columns="rounds", values="to_score")
    assert (scores[4] / scores[1]).between(0.4, 0.6).all()
    assert (scores[12] < scores[4] / 1.1).loc[[1, 2]].all()


# 11 and the home page


@pytest.fixture(scope="module")
def claims():
    """What notebook 11 shows: for each claim its verdict and number."""
    cells = nbformat.read(ROOT / "notebooks" / "11_claims.ipynb", as_version=4).cells
    outputs = [
        output.data.get("text/html", "") for cell in cells if cell.cell_type == "code" for output in cell.outputs if "data" in output
    ]
    (html,) = [output for output in outputs if "<th>claim</th>" in output]
    rows = [re.findall(r"<td>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", html, re.S)]
    return {claim: (verdict.removeprefix("<b>").removesuffix("</b>"), number) for _, claim, verdict, number, *_ in filter(None, rows)}


def claim_about(claims, *words):
    (number,) = [number for claim, (_, number) in claims.items() if all(word in claim for word in words)]
    return number


@pytest.fixture(scope="module")
def home():
    return " ".join((ROOT / "book" / "intro.md").read_text().split())


def bullet(home, word):
    """The one bullet of the home page's main results that has a word."""
    results = re.search(r"## Main results (.*?) ## ", home).group(1)
    (found,) = [part for part in results.split(" - ") if word in part]
    return found


SHARES, DECIMALS = r"\d+ of \d+", r"\d+\.\d+"


def test_the_home_page_counts_the_verdicts(claims, home):
    sentence = re.search(r"(\d+ claims .*?)\(\{doc\}", home).group(1)
    counts = Counter(verdict for verdict, _ in claims.values())
    expected = [len(claims), *(counts[verdict] for verdict in ("reproduced", "partly", "not reproduced", "inconclusive", "not tested"))]
    assert [int(number) for number in re.findall(r"\d+", sentence)] == expected


def test_the_home_page_has_the_numbers_of_functions(claims, home):
    error = re.findall(DECIMALS, claim_about(claims, "benchmark functions"))
    speed = re.findall(DECIMALS, claim_about(claims, "GUDHI"))
    assert len(error) == 1
    assert len(speed) == 2
    assert re.findall(DECIMALS, bullet(home, "Functions")) == error + speed


def test_the_home_page_has_the_share_of_comparisons_that_fall_with_width(claims, home):
    births, deaths, scores = re.findall(SHARES, claim_about(claims, "TO-scores", "width"))
    assert births == deaths == scores
    assert re.findall(SHARES, bullet(home, "wider")) == [births]


def test_the_home_page_has_the_shares_of_comparisons_that_fall_with_depth(claims, home):
    births, _, scores = re.findall(SHARES, claim_about(claims, "TO-scores", "depth"))
    assert re.findall(SHARES, bullet(home, "deeper")) == [births, scores]


def test_every_committed_table_records_its_provenance():
    names = [path.name for path in RESULTS.glob("*.csv")]
    assert len(names) >= 9
    for name in names:
        assert {"command", "device", "versions", "date"} <= set(table(name).attrs), name


def test_the_published_settings_of_07_take_eleven_days_and_10_gib_on_cifar10():
    picture = torch.zeros(1, 3, 32, 32)
    costs = [study.published_cost(lb.networks.CNN(3, 10, layers=n), picture, 50_000, 6, 101) for n in (1, 2, 3)]
    costs += [study.published_cost(lb.networks.ResNet9(), picture, 50_000, 3, 101)]
    assert round(sum(one["hours"] for one in costs) / 24) == 11
    assert round(max(one["GiB"] for one in costs)) == 10


def test_the_published_settings_of_07_take_half_an_hour_and_2_gib_on_mnist():
    costs = [
        study.published_cost(lb.networks.FullyConnected(784, (32,) * (n - 1), 10), torch.zeros(1, 784), 60_000, 3, 101)
        for n in (2, 3, 4, 6, 8)
    ]
    assert 0.3 < sum(one["hours"] for one in costs) < 0.7
    assert round(max(one["GiB"] for one in costs)) == 2


@pytest.mark.parametrize("epochs", [2001, 101])
def test_the_published_settings_of_08_take_two_days_per_recipe_and_10_gib(epochs):
    found = study.published_cost(lb.networks.ResNet9(), torch.zeros(1, 3, 32, 32), 73_257, 1, epochs)
    assert round(found["hours"] / 24) == 2
    assert round(found["GiB"]) == 10


# 12


def test_the_sweep_of_hyper_parameters_has_one_region_beyond_the_noise_of_the_seed():
    sweep = table("12_sweep.csv")
    assert sweep.groupby("seed").size().to_dict() == {0: 441, 1: 441}
    tables = [np.log10(rows.pivot(index="rate", columns="momentum", values="loss")) for _, rows in sweep.groupby("seed")]
    bars = [lb.barcode(each) for each in tables]
    distance = lb.bottleneck_distance(*bars)
    assert 0.1 < distance < 0.15
    assert [len(each.longer_than(2 * distance)) for each in bars] == [1, 1]
    assert [len(each) > 10 for each in bars] == [True, True]


def test_holes_of_digits_are_bars_of_their_ink():
    digits = load_digits()
    holes = np.array([len(lb.barcode(np.pad(image, 1)).longer_than(5)) - 1 for image in digits.images[:500]])
    share = {digit: np.mean(holes[digits.target[:500] == digit] == expected) for digit, expected in ((0, 1), (1, 0), (6, 1), (7, 0))}
    assert min(share.values()) > 0.8


# 13


def test_the_tanh_network_of_two_units_has_a_complete_list_of_critical_points():
    rows = table("13_morse.csv").query("penalty == 0.0005")
    assert set(rows["completeness"]) == {"complete"}
    assert (rows["index_0"] - rows["index_1"] + rows["index_2"] - rows["index_3"] + rows["index_4"] == 1).all()
    assert rows["copies"].sum() == rows["index_0"].iloc[0]


def test_a_bar_of_paths_was_more_than_three_times_too_long():
    exact = table("13_morse.csv").query("penalty == 0.0005 and 0.3998 < birth < 0.3999")["death"].max()
    path = table("05_bars.csv").query(
        "network == '2' and activation == 'tanh' and penalty == 0.0005 and 0.3998 < birth < 0.3999 and seed == 0"
    )
    assert exact < 0.444
    assert ((path["death"] - path["birth"]) / (exact - path["birth"]) > 3).all()
    assert path["quiet"].all()
    assert (path["end_evidence"] == "bounded above").all()


def test_at_equal_work_connect_bounds_the_bars_lower_than_the_other_rules_for_paths():
    """Its median length is less than half of that of any other rule for paths that had about as much work, or more."""
    work = table("06_work.csv")
    paths = work[work["deaths"] == "within the sample"]
    strings, others = (paths[same] for same in (paths["method"] == "strings", paths["method"].isin(["as published", "AutoNEB"])))
    assert (strings["bars"] == 5).all()
    assert (others["bars"] == 5).all()
    for row in others.itertuples():
        assert strings[strings["gradients"] <= 1.05 * row.gradients]["median_length"].min() < row.median_length / 2


def test_escapes_take_more_work_and_their_bars_are_more_than_ten_times_shorter():
    work = table("06_work.csv")
    paths, escapes = work[work["method"] != "escapes"], work[work["deaths"] == "anything lower"]
    best = escapes.loc[escapes["effort"].idxmax()]
    assert best["bars"] == 5
    assert best["gradients"] > paths["gradients"].max()
    assert best["median_length"] < paths["median_length"].min() / 10
