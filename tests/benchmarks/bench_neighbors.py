"""Which library finds nearest neighbors fastest, and which of them finds all? One group a dimension.

BENCH_POINTS sets the number of uniform points (default 20,000; the table in ``NeighborTable.from_points`` has 1e5 and 1e6).
"""

import os

import hnswlib
import numpy as np
import pynndescent
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from lossbarcode.sampled import _neighbor_table

POINTS = int(float(os.environ.get("BENCH_POINTS", 20_000)))


def hnsw(points, k):
    index = hnswlib.Index("l2", points.shape[1])
    index.init_index(len(points), ef_construction=100, M=16)
    index.set_ef(max(50, 2 * k))
    index.add_items(points.numpy())
    return index.knn_query(points.numpy(), k)[0]


def scikit_learn_tree(points, k):
    return NearestNeighbors(n_neighbors=k, algorithm="kd_tree", n_jobs=-1).fit(points.numpy()).kneighbors(points.numpy())[1]


def descent(points, k):
    return pynndescent.NNDescent(points.numpy(), n_neighbors=k, n_jobs=-1, random_state=0).neighbor_graph[0]


SEARCHES = {
    "scipy k-d tree (ours up to 10 dimensions)": lambda points, k: _neighbor_table.search_kd_tree(points, k)[1].numpy(),
    "scikit-learn brute force (ours above)": lambda points, k: _neighbor_table.search_brute_force(points, k)[1].numpy(),
    "scikit-learn k-d tree": scikit_learn_tree,
    "hnswlib": hnsw,
    "pynndescent": descent,
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("dimension", [2, 6, 15])
def bench_search(benchmark, dimension, search):
    benchmark.group = f"{POINTS:,} uniform points, D = {dimension}"
    k = max(2 * dimension, 8) + 1
    points = torch.rand(POINTS, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = benchmark.pedantic(SEARCHES[search], args=(points, k), rounds=2)
    some = slice(0, 1000)
    true = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points.numpy()).kneighbors(points[some].numpy())[1]
    recall = np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(true, found[some], strict=True)])
    benchmark.extra_info["recall"] = float(recall)
    assert recall == 1 if "ours" in search else recall > 0.8
