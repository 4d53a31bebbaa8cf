"""What is said of the ends of bars: nothing is proven because it is quiet."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

import lossbarcode as lb
from lossbarcode.transition._evidence import table_with_evidence

CAMEL = lb.functions.SixHumpCamel()
INF = torch.inf


def wells(x):
    """Minima of height 0 at (-1, 0, ...) and (1, 0, ...), and a saddle of height 1 between them, at 0."""
    return (x[:, 0].square() - 1).square() + x[:, 1:].square().sum(1)


def two_wells(d):
    places = torch.zeros(2, d, dtype=torch.float64)
    places[:, 0] = torch.tensor([-1.0, 1.0])
    return lb.Minima(places, *torch.zeros(2, 2, dtype=torch.float64))


@pytest.fixture(scope="module")
def camels():
    return lb.find_minima(CAMEL, lb.sample(CAMEL, 64, dtype=torch.float64).points, lowest_eigenvalue=True).deduplicate(1e-3)


@pytest.fixture(scope="module")
def network(camels):
    return lb.transition_network(CAMEL, camels, sweeps=2, hessian_products=2, progress=False)


def ends(record):
    """The evidence of each bar's end, None where there is none."""
    return [None if pd.isna(end) else end for end in record.bars_table()["end_evidence"]]


@pytest.mark.parametrize(("d", "products", "end"), [(3, 3, "proven"), (3, 2, "bounded above"), (3, 0, "bounded above")])
def test_a_path_over_a_saddle_is_proven_by_as_many_products_as_parameters(d, products, end):
    paths = lb.connect(wells, two_wells(d), hessian_products=products)
    assert paths.hessian_products == products
    assert ends(paths) == [None, end]
    assert paths.evidence_table()["evidence"].tolist() == ["never ends", end]


def test_being_quiet_proves_nothing():
    paths = lb.connect(wells, two_wells(2))
    quiet = replace(paths, last_decrease=torch.zeros_like(paths.heights), gradient_norm=torch.full_like(paths.heights, 1e-3))
    assert quiet.bars_table()["quiet"].tolist() == [False, True]  # there is no path that could be quiet where a bar never ends
    assert quiet.saddle_evidence == ["index-1 saddle (numerical)"]
    assert ends(quiet) == [None, "bounded above"]
    restless = replace(paths, last_decrease=torch.ones_like(paths.heights))
    assert not restless.bars_table()["quiet"].any()
    assert restless.saddle_evidence == ["index-1 saddle (numerical)"]  # where it stands, whatever the last round was
    assert ends(restless) == [None, "proven"]
    for count in (0, 2):
        assert ends(replace(paths, negative_eigenvalues=torch.full_like(paths.negative_eigenvalues, count))) == [None, "bounded above"]


def test_a_bar_without_a_way_down_has_an_unknown_end():
    def wall(x):
        return torch.where(x[:, 0].abs() < 0.5, INF, wells(x))

    with pytest.warns(UserWarning, match="2 connected components"):
        table = lb.connect(wall, two_wells(2)).bars_table()
    assert table["end_evidence"].isna().tolist() == [True, False]
    assert table["end_evidence"][1] == lb.EndEvidence.UNKNOWN == "unknown"
    assert table["last_decrease"].isna().all()
    assert not table["quiet"].any()


def test_brackets_bound_ends_on_both_sides():
    values = torch.zeros(5, dtype=torch.float64)
    edges = torch.tensor([[0, i] for i in range(1, 5)])
    heights = torch.ones(4, dtype=torch.float64)
    lower, upper = torch.tensor([[0.5, 1], [-INF, 1], [0.5, 2], [0.5, INF]], dtype=torch.float64).T
    # a pass is at least as high as its ends, so minima without a lower bound are needed for one without
    graph = lb.Graph(values, edges, heights, lower=lower, upper=upper, values_lower=torch.full_like(values, -INF))
    minima = lb.Minima(torch.zeros(5, 1, dtype=torch.float64), values, values)
    bars = lb.barcode(graph)
    known = replace(bars, death_lower=torch.cat([values[:1] + INF, lower]), death_upper=torch.cat([values[:1] + INF, upper]))
    none, all_ = torch.zeros(5, dtype=torch.bool), torch.ones(5, dtype=torch.bool)
    found = table_with_evidence(known, minima, none)["end_evidence"]
    assert found[1:].tolist() == ["bounded on both sides", "bounded above", "bounded on both sides", "unknown"]
    assert (
        table_with_evidence(replace(bars, death_lower=None, death_upper=None), minima, none)["end_evidence"][1:].eq("bounded above").all()
    )
    assert table_with_evidence(known, minima, all_)["end_evidence"][1:].tolist() == [*["proven"] * 3, "unknown"]
    assert pd.isna(found[0])


def test_the_bars_of_a_transition_network_end_at_proven_saddles(network):
    table, bars = network.bars_table(), lb.barcode(network)
    pd.testing.assert_frame_equal(table[bars.table().columns.tolist()], bars.table())
    assert ends(network) == [None, *["proven"] * 5]
    assert table["minimum_reached"].all()
    assert (table["gradient_norm"] <= 1e-8).all()
    assert (table["lowest_eigenvalue"] > 0).all()
    assert table["saddle_evidence"].isna().tolist() == [True, *[False] * 5]
    assert set(table["saddle_evidence"][1:]) == {"index-1 saddle"}
    assert table["is_given"].all()
    one = lb.transition_network(CAMEL, network.minima[[4]], progress=False)
    assert one.bars_table()["is_given"].sum() == 1 < len(one.minima)


def test_passes_of_a_transition_network_are_bounds_where_something_is_missing(network):
    assert ends(replace(network, has_all_eigenvalues=torch.zeros_like(network.has_all_eigenvalues))) == [None, *["bounded above"] * 5]
    assert ends(replace(network, gradient_norm=network.gradient_norm + 1)) == [None, *["bounded above"] * 5]
    row = int(lb.barcode(network).saddle_row[2])
    top = torch.arange(len(network)) == row
    for changed in (replace(network, over_a_top=top), replace(network, negative_eigenvalues=1 + top.long())):
        assert ends(changed)[2] == "bounded above"
        assert ends(changed).count("proven") in (3, 4)  # symmetric saddles have one height, and may end several bars


def test_a_transition_network_without_passes_has_bars_with_unknown_ends(camels):
    none = lb.transition_network(CAMEL, camels, max_rounds=0, progress=False)
    with pytest.warns(UserWarning, match="6 connected components"):
        assert ends(none) == [None, *["unknown"] * 5]


def test_tables_of_both_routes_have_the_same_columns(camels, network):
    own = network.bars_table().columns
    of_paths = lb.connect(CAMEL, camels).bars_table().columns
    assert [name for name in of_paths if name not in own] == ["last_decrease", "quiet"]
    assert [name for name in own if name not in of_paths] == ["is_given"]


def test_minima_that_were_not_reached_are_named(camels):
    steep = camels.gradient_norm.clone()
    steep[2] = 1.0
    table = lb.connect(CAMEL, replace(camels, gradient_norm=steep, lowest_eigenvalue=None)).bars_table()
    assert table["minimum_reached"].tolist() == [True, True, False, True, True, True]
    assert table["gradient_norm"].tolist() == steep.tolist()
    assert table["lowest_eigenvalue"].isna().all()
    assert lb.connect(CAMEL, camels).bars_table()["lowest_eigenvalue"].tolist() == camels.lowest_eigenvalue.tolist()
