"""Slow answers that share nothing with the package: definitions written out, GUDHI, and arithmetic on separable sums."""

from __future__ import annotations

import itertools
import math

import gudhi
import gudhi.hera
import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar, root
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist, squareform

import lossbarcode as lb


def minimax(count, edges):
    """The least level over which each vertex reaches each other: Floyd and Warshall's loops with max for plus.

    ``edges`` are triples (u, v, level). Levels may be any ordered things; None means unreachable.
    """
    levels = sorted({level for _, _, level in edges})
    number = {level: i for i, level in enumerate(levels)}
    far = len(levels)
    reach = np.full((count, count), far)
    np.fill_diagonal(reach, -1)
    for u, v, level in edges:
        if u != v:
            reach[u, v] = reach[v, u] = min(reach[u, v], number[level])
    for via in range(count):
        reach = np.minimum(reach, np.maximum(reach[:, via, None], reach[None, via, :]))
    return reach, levels, far


def bars_of_graph(values, edges, heights, saddle):
    """The barcode of a graph on minima from the definition: (birth, death, node, saddle, parent node), no zero lengths.

    A minimum ends at the lowest level over which anything older (lower, or equal and earlier) can be reached, in the
    oldest that can be reached there.
    """
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    age = {node: i for i, node in enumerate(order)}
    triples = [(u, v, (h, s)) for (u, v), h, s in zip(edges, heights, saddle, strict=True) if h < math.inf]
    reach, levels, far = minimax(len(values), triples)
    bars = []
    for p in order:
        level = min((reach[p, q] for q in range(len(values)) if age[q] < age[p]), default=far)
        if level == far:
            bars.append((values[p], math.inf, p, -1, -1))
        elif (height := levels[level][0]) > values[p]:
            parent = min((q for q in range(len(values)) if reach[p, q] <= level), key=age.get)
            bars.append((values[p], height, p, levels[level][1], parent))
    return bars


def bars_of_samples(values, edges):
    """The same for a function on the vertices of a graph (lower-star filtration), +inf: not a vertex."""
    inside = [i for i in range(len(values)) if values[i] < math.inf]
    order = sorted(inside, key=lambda i: (values[i], i))
    age = {node: i for i, node in enumerate(order)}
    triples = [(u, v, max(age[u], age[v])) for u, v in edges if u in age and v in age]
    reach, levels, far = minimax(len(values), triples)
    bars = []
    for p in order:
        level = min((reach[p, q] for q in inside if age[q] < age[p]), default=far)
        if level == far:
            bars.append((values[p], math.inf, p, -1, -1))
        elif values[top := order[levels[level]]] > values[p]:
            parent = min((q for q in inside if reach[p, q] <= level), key=age.get)
            bars.append((values[p], values[top], p, top, parent))
    return bars


def grid_edges(shape, periodic=()):
    """Pairs of neighbors along the axes of an array, rows in C order."""
    rows = np.arange(math.prod(shape)).reshape(shape)
    for axis in range(len(shape)):
        yield from zip(np.delete(rows, -1, axis).ravel().tolist(), np.delete(rows, 0, axis).ravel().tolist(), strict=True)
        if periodic and periodic[axis]:
            yield from zip(rows.take(-1, axis).ravel().tolist(), rows.take(0, axis).ravel().tolist(), strict=True)


def lattice_edges(places, flat=None, periodic=None):
    """Pairs of samples whose integer coordinates differ by one of the steps, around periodic axes but for a whole period.

    The steps are those of ``flat``, the same arrangement without periods.
    """
    flat, periodic = flat or places, periodic or [False] * len(places.rule.sizes)
    at, sizes = places.coordinates(torch.arange(len(places))).tolist(), places.rule.sizes

    def around(step):
        return tuple(t % size if wraps else t for t, size, wraps in zip(step, sizes, periodic, strict=True))

    steps = {around(step) for step in flat.positive_steps.tolist()}
    rows = range(len(at))
    return [(i, j) for i in rows for j in rows if around(b - a for a, b in zip(at[i], at[j], strict=True)) in steps]


def gudhi_of_array(array, periodic=()):
    """Births and deaths by GUDHI's cubical complex with the array on its vertices, sorted."""
    array = np.asarray(array, dtype=np.float64)
    if any(periodic):
        complex_ = gudhi.PeriodicCubicalComplex(vertices=array, periodic_dimensions=list(periodic))
    else:
        complex_ = gudhi.CubicalComplex(vertices=array)
    complex_.compute_persistence(homology_coeff_field=2, min_persistence=0)
    bars = complex_.persistence_intervals_in_dimension(0)
    return sorted(map(tuple, bars[bars[:, 0] < np.inf].tolist()))


def gudhi_of_samples(values, edges):
    """Births and deaths by GUDHI's simplex tree, sorted."""
    tree = gudhi.SimplexTree()
    for i, value in enumerate(values):
        if value < math.inf:
            tree.insert([i], value)
    for u, v in edges:
        if u != v and max(values[u], values[v]) < math.inf:
            tree.insert([u, v], max(values[u], values[v]))
    tree.compute_persistence(homology_coeff_field=2, min_persistence=0, persistence_dim_max=True)
    return sorted(map(tuple, tree.persistence_intervals_in_dimension(0).tolist()))


def separable(*barcodes):
    """The barcode of f_1(x_1) + ... + f_D(x_D) from those of the f_i: births add up, the shortest length decides."""
    bars = []
    for combination in itertools.product(*barcodes):
        birth = sum(b for b, _ in combination)
        bars.append((birth, birth + min(d - b for b, d in combination)))
    return sorted(bars)


def bottleneck(bars, expected):
    """The bottleneck distance of two lists of (birth, death), by GUDHI."""
    return gudhi.hera.bottleneck_distance(np.array(bars), np.array(expected), delta=0.0)


def bars_of_curve(f, low, high, n=100_001):
    """Births and deaths of a function of one variable: extrema on a fine grid, each refined by SciPy's bounded search."""
    x = np.linspace(low, high, n)
    y = np.pad(f(x), 1, constant_values=np.inf)
    minima = np.flatnonzero((y[1:-1] < y[:-2]) & (y[1:-1] < y[2:]))
    y = np.pad(f(x), 1, constant_values=np.nan)  # a maximum at an end of the interval leads nowhere
    maxima = np.flatnonzero((y[1:-1] > y[:-2]) & (y[1:-1] > y[2:]))

    def refined(rows, sign):
        ends = [(x[max(i - 1, 0)], x[min(i + 1, n - 1)]) for i in rows]
        found = [minimize_scalar(lambda t: sign * float(f(t)), bounds=e, method="bounded", options={"xatol": 1e-12}).fun for e in ends]
        return [min(sign * value, float(f(x[i])), key=lambda v: sign * v) for value, i in zip(found, rows, strict=True)]

    births, tops = refined(minima, 1), refined(maxima, -1)
    edges = list(itertools.pairwise(range(len(births))))
    return [(birth, death) for birth, death, *_ in bars_of_graph(births, edges, tops, range(len(tops)))]


def refined_bars(loss, side, far):
    """Bars of a grid on a box in the plane, each end refined by SciPy's root finder on the gradient.

    Returns (birth, death, grid birth, grid death) of the bars whose ends are inside the box; the others are left out.
    """
    samples = lb.sample(loss, side**2, method="grid", dtype=torch.float64)
    bars = lb.barcode(lb.basins(samples))
    bars = bars.longest(int((bars.length > far).sum()))
    step = (loss.bounds[:, 1] - loss.bounds[:, 0]) / (side - 1)

    def gradient(x):
        place = torch.tensor(x[None], requires_grad=True)
        return torch.autograd.grad(loss(place).sum(), place)[0][0].numpy()

    def refined(row):
        place = samples.points[[row]]
        if ((place - loss.bounds[:, 0] < 2 * step) | (loss.bounds[:, 1] - place < 2 * step)).any():
            return None
        found = root(gradient, place[0].numpy(), tol=1e-13)
        assert np.abs(found.x - place[0].numpy()).max() < 20 * float(step.max())
        return float(loss(torch.tensor(found.x[None]))[0])

    ends = [
        (refined(m), refined(s) if s >= 0 else np.inf) for m, s in zip(bars.minimum_row.tolist(), bars.saddle_row.tolist(), strict=True)
    ]
    rough = zip(bars.birth.tolist(), bars.death.tolist(), strict=True)
    return [(*fine, *coarse) for fine, coarse in zip(ends, rough, strict=True) if None not in fine]


def cluster_derivatives(points):
    """Energies 4 (r^-12 - r^-6), summed over pairs, of clusters of atoms ``[n 3N]``, their gradients and Hessians.

    Shifts and turns change no energy. Here they get the curvature 1e4, and the rest of the Hessian is projected to right angles to them.
    """
    n, d = points.shape
    atoms = points.reshape(n, -1, 3)
    count = d // 3
    apart = atoms[:, :, None] - atoms[:, None]
    inverse = (1 - np.eye(count)) / (np.square(apart).sum(3) + np.eye(count))
    energy = 2 * (inverse**6 - inverse**3).sum((1, 2))
    first, second = 4 * (3 * inverse**4 - 6 * inverse**7), 4 * (42 * inverse**8 - 12 * inverse**5)  # by the squared distance
    gradient = 2 * np.einsum("nij,nijk->nik", first, apart).reshape(n, d)
    block = 4 * second[..., None, None] * apart[..., :, None] * apart[..., None, :] + 2 * first[..., None, None] * np.eye(3)
    hessian = -block
    hessian[:, range(count), range(count)] = block.sum(2)
    hessian = hessian.transpose(0, 1, 3, 2, 4).reshape(n, d, d)
    shifts = np.broadcast_to(np.tile(np.eye(3), count), (n, 3, d))
    turns = np.stack([np.cross(axis, atoms - atoms.mean(1, keepdims=True)).reshape(n, d) for axis in np.eye(3)], 1)
    null = np.linalg.qr(np.concatenate([shifts, turns], 1).transpose(0, 2, 1))[0]
    null = null @ null.transpose(0, 2, 1)
    return energy, gradient, (np.eye(d) - null) @ hessian @ (np.eye(d) - null) + 1e4 * null


def stationary_clusters(points, index, steps=200):
    """Where Newton steps along all eigenvectors end, up along the lowest (``index`` 1) or along none (0), if the Morse index is that."""
    points, rows = points.copy(), np.arange(len(points))
    for _ in range(steps):
        _, gradient, hessian = cluster_derivatives(points[rows])
        far = np.linalg.norm(gradient, axis=1) > 1e-11
        rows, gradient, hessian = rows[far], gradient[far], hessian[far]
        if not len(rows):
            break
        curvature, modes = np.linalg.eigh(hessian)
        along = -np.einsum("nij,ni->nj", modes, gradient) / np.abs(curvature)
        along[:, :index] *= -1
        step = np.einsum("nij,nj->ni", modes, along)
        points[rows] += step * np.minimum(1, 0.15 / np.linalg.norm(step, axis=1))[:, None]
    _, gradient, hessian = cluster_derivatives(points)
    return points[(np.linalg.norm(gradient, axis=1) < 1e-9) & ((np.linalg.eigvalsh(hessian) < 0).sum(1) == index)]


def row_of_cluster(point, known):
    """Which known cluster has the same sorted distances; one that is new is added to the list."""
    shapes = np.array([np.sort(pdist(other.reshape(-1, 3))) for other in [*known, point]])
    row = int((np.abs(shapes - shapes[-1]).max(1) < 1e-5).argmax())
    if row == len(known):
        known.append(point)
    return row


def cluster_network(count, rounds, seed):
    """Minima of clusters of atoms and the passes of index 1 between them, by an exhaustive search.

    Newton steps lead to saddles from minima whose atoms are shaken, a little and much, and from random clusters. From both sides of each
    saddle the gradient flow, by a solver of stiff differential equations, leads to a minimum. Copies that differ by a shift, a turn, a
    reflection or the numbers of the atoms are one. Clusters of which an atom has left are not kept.

    Returns:
        energies of minima, ascending ``[k]``, those of passes, ascending ``[s]``, the rows of minima that they join ``[s 2]``, and how
        often each was found ``[s]``.
    """
    rng = np.random.default_rng(seed)

    def downhill(_, point):
        return -cluster_derivatives(point[None])[1][0]

    def flow(points):
        ways = [solve_ivp(downhill, (0, 100), point, method="LSODA", rtol=1e-8, atol=1e-10) for point in points]
        return np.array([way.y[:, -1] for way in ways])

    def whole(points):
        """Those in which no atom is farther than 2 from the rest: the graph of short distances is connected."""
        near = [squareform(pdist(point.reshape(-1, 3))) < 2 for point in points]
        return [point for point, graph in zip(points, near, strict=True) if connected_components(graph)[0] == 1]

    def draw(number):
        points = 0.9 * rng.normal(size=(number, 3 * count))
        for _ in range(200):
            gradient = cluster_derivatives(points)[1]
            points -= gradient * np.minimum(0.002, 0.1 / np.linalg.norm(gradient, axis=1, keepdims=True))
        return points

    minima, saddles, found, pairs = [], [], [], []
    for point in whole(stationary_clusters(draw(100), 0)):
        row_of_cluster(point, minima)
    for _ in range(rounds):
        shaken = np.array(minima)[rng.integers(len(minima), size=100)]
        shaken += rng.choice([0.05, 0.1, 0.2, 0.3, 0.4], size=(100, 1)) * rng.normal(size=shaken.shape)
        for point in whole(stationary_clusters(np.concatenate([shaken, draw(20)]), 1)):
            row = row_of_cluster(point, saddles)
            if row == len(found):
                mode = np.linalg.eigh(cluster_derivatives(point[None])[2][0])[1][:, 0]
                ends = stationary_clusters(flow([point + 0.01 * mode, point - 0.01 * mode]), 0)
                pairs.append([row_of_cluster(end, minima) for end in ends])
                found.append(0)
            found[row] += 1
    energies, heights = (cluster_derivatives(np.array(points))[0] for points in (minima, saddles))
    order = heights.argsort()
    return np.sort(energies), heights[order], energies.argsort().argsort()[np.array(pairs)[order]], np.array(found)[order]
