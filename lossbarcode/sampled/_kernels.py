"""The inner loops of the sampled route for large inputs on the CPU, compiled by Numba.

In: NumPy arrays, views of the caller's tensors. Out: written in place. ``_scans_tensor`` has their twins of tensor operations; both give
the same answer to the last bit. What the loops gain is memory traffic: they finish a block of samples while it is in the cache, and store
nothing per edge.
"""

from __future__ import annotations

import numpy as np

from .._support.compiled import inlined, kernel

BLOCK = 512  # samples handled at a time, with all their coordinates, within the fastest cache


@kernel
def coordinates(coords, start, count, sizes, stride, generator, shift):
    """Coordinates ``[d count]`` of consecutive rows by the rule of :class:`AxisRule`."""
    for axis in range(len(sizes)):
        size, step, run = sizes[axis], generator[axis], stride[axis]
        line = coords[axis]
        x, within = (start // run % size * step + shift[axis]) % size, start % run
        if run == 1:
            for i in range(count):
                line[i] = x
                x += step
                if x >= size:
                    x -= size
        else:
            for i in range(count):
                line[i] = x
                within += 1
                if within == run:
                    within = 0
                    x += step
                    if x >= size:
                        x -= size


@kernel
def keep_inside(mask, coords, step, sizes, count):
    """Clear the mask where one step leads out of the box."""
    for axis in range(len(step)):
        t = step[axis]
        if t != 0:
            line = coords[axis]
            low, high = max(0, -t), min(sizes[axis], sizes[axis] - t)
            low, high = coords.dtype.type(low), coords.dtype.type(high)
            for i in range(count):
                mask[i] &= (line[i] >= low) & (line[i] < high)


@kernel
def lowest_at_offsets(values, pointer, first, last, coords, sizes, stride, generator, shift, offsets, steps):
    """The lowest of every sample's neighbors and itself. In ascending order of rows "strictly lower wins" breaks ties."""
    n = len(values)
    best, to = np.empty(BLOCK, values.dtype), np.empty(BLOCK, pointer.dtype)
    mask = np.empty(BLOCK, np.int32)
    below = np.searchsorted(offsets, 0)
    for start in range(first, last, BLOCK):
        stop = min(start + BLOCK, last)
        count = stop - start
        coordinates(coords, start, count, sizes, stride, generator, shift)
        best[:count] = np.inf
        to[:count] = 0
        for turn in range(len(offsets) + 1):
            if turn == below:  # the sample itself
                own = values[start:stop]
                for i in range(count):
                    lower = own[i] < best[i]
                    best[i] = own[i] if lower else best[i]
                    to[i] = 0 if lower else to[i]
                continue
            which = turn - (turn > below)
            offset = offsets[which]
            low, high = max(start, -offset), min(stop, n - offset)
            if low >= high:
                continue
            mask[:count] = 1
            keep_inside(mask, coords, steps[which], sizes, count)
            other = values[low + offset : high + offset]
            best_, to_, mask_ = best[low - start : high - start], to[low - start : high - start], mask[low - start : high - start]
            far = pointer.dtype.type(offset)
            for i in range(high - low):
                lower = (other[i] < best_[i]) & (mask_[i] != 0)
                best_[i] = other[i] if lower else best_[i]
                to_[i] = far if lower else to_[i]
        for i in range(count):
            pointer[start + i] = start + i + to[i]


@inlined
def keep_if_lower(c, h, high, low, height, top, bottom):
    """Keep an edge if it is the lowest of component c so far, in the order of (height, top, bottom)."""
    if h < height[c] or (h == height[c] and (high < top[c] or (high == top[c] and low < bottom[c]))):
        height[c], top[c], bottom[c] = h, high, low


@kernel
def mark_frontier(component, frontier, first, last, offsets):
    """Mark samples next to another component; at the sides of the box some more."""
    n = len(component)
    for start in range(first, last, BLOCK):
        stop = min(start + BLOCK, last)
        for offset in offsets:
            low, high = max(start, -offset), min(stop, n - offset)
            if low < high:
                own, other, marks = component[low:high], component[low + offset : high + offset], frontier[low:high]
                for i in range(high - low):
                    marks[i] |= (own[i] != other[i]) & (own[i] >= 0)


@kernel
def lowest_exits_at_offsets(
    values, component, skip, frontier, first, last, height, top, bottom, coords, sizes, stride, generator, shift, offsets, steps
):
    """The lowest edges that leave components, except the one to skip.

    A sample above the lowest exit that its component has so far cannot be on a lower one; and a sample that once saw only
    its own component around it will never see another, so it leaves the frontier. So few samples look around.
    """
    n = len(values)
    chosen = np.empty(BLOCK, np.int64)
    for start in range(first, last, BLOCK):
        stop = min(start + BLOCK, last)
        marked, found = 0, 0  # without branches, which noise makes unpredictable
        for i in range(start, stop):
            chosen[marked] = i
            marked += frontier[i]
        for i in chosen[:marked]:
            c = component[i]
            chosen[found] = i
            found += (c != skip) & (values[i] <= height[c])
            frontier[i] = c != skip
        located = False
        for i in chosen[:found]:
            c, own = component[i], values[i]
            if own > height[c]:
                continue
            frontier[i] = False
            for which in range(len(offsets)):
                j = i + offsets[which]
                if j < 0 or j >= n or component[j] == c or component[j] < 0:
                    continue
                frontier[i] = True
                other = values[j]
                swap = (own > other) | ((own == other) & (i > j))
                high = i if swap else j
                low = j if swap else i
                h = own if swap else other
                if h > height[c]:
                    continue
                if not located:
                    coordinates(coords, start, stop - start, sizes, stride, generator, shift)
                    located = True
                stays = True
                for axis in range(len(sizes)):
                    x = coords[axis, i - start] + steps[which, axis]
                    stays &= (x >= 0) & (x < sizes[axis])
                if stays:
                    keep_if_lower(c, h, high, low, height, top, bottom)


@kernel
def lowest_in_table(values, pointer, first, last, index):
    """The lowest of every point and those in its own list."""
    for i in range(first, last):
        best = i
        for j in index[i]:
            if values[j] < values[best] or (values[j] == values[best] and j < best):
                best = j
        pointer[i] = best


@kernel
def lowest_in_reverse(values, pointer, index):
    """The same for those in whose list a point stands."""
    for i in range(len(values)):
        for j in index[i]:
            best = pointer[j]
            if values[i] < values[best] or (values[i] == values[best] and i < best):
                pointer[j] = i


@kernel
def lowest_exits_in_table(values, component, skip, first, last, height, top, bottom, index):
    """The lowest edges that leave components, except the one to skip; every edge is in one list only."""
    for i in range(first, last):
        for j in index[i]:
            a, b = component[i], component[j]
            if a != b and a >= 0 and b >= 0:
                swap = (values[i] > values[j]) | ((values[i] == values[j]) & (i > j))
                high = i if swap else j
                low = j if swap else i
                if a != skip:
                    keep_if_lower(a, values[high], high, low, height, top, bottom)
                if b != skip:
                    keep_if_lower(b, values[high], high, low, height, top, bottom)


@kernel
def reduce_threads(height, top, bottom, first, last):
    """Of what several threads found ``[t k]`` the lowest, into row 0; -1 where there is none."""
    for c in range(first, last):
        for t in range(1, len(height)):
            keep_if_lower(c, height[t, c], top[t, c], bottom[t, c], height[0], top[0], bottom[0])
        if height[0, c] == np.inf:
            top[0, c] = bottom[0, c] = -1


@kernel
def number_ends(pointer, values):
    """Rows of the ends that are inside the domain; there -2 - number replaces the pointer."""
    count = 0
    for i in range(len(pointer)):
        count += (pointer[i] == i) & (values[i] < np.inf)
    ends = np.empty(count, np.int64)
    count = 0
    for i in range(len(pointer)):
        if pointer[i] == i and values[i] < np.inf:
            ends[count] = i
            pointer[i] = -2 - count
            count += 1
    return ends


@kernel
def label_by_end(pointer, values, first, last):
    """What :func:`number_ends` left at the end of each pointer; -1 outside the domain."""
    for i in range(first, last):
        if pointer[i] >= 0:
            pointer[i] = pointer[pointer[i]] if values[i] < np.inf else -1


@kernel
def unmark_labels(label, size):
    """Numbers from what :func:`label_by_end` wrote, counted."""
    for i in range(len(label)):
        label[i] = -2 - label[i]
        if label[i] >= 0:
            size[label[i]] += 1


@kernel
def contract(component, top, bottom, tree, joins):
    """Components numbered anew, in the same order, after all have left over their lowest edge; and those whose edge joined two.

    Returns:
        Numbers of components that are left and of useful ones among those before.
    """
    found = 0
    for c in range(len(tree)):
        tree[c] = c
    for c in range(len(tree)):
        if top[c] >= 0:
            x, y = component[top[c]], component[bottom[c]]
            while tree[x] != x:
                tree[x] = tree[tree[x]]
                x = tree[x]
            while tree[y] != y:
                tree[y] = tree[tree[y]]
                y = tree[y]
            if x != y:
                tree[max(x, y)] = min(x, y)
                joins[found] = c
                found += 1
    count = 0
    for c in range(len(tree)):  # trees point at smaller numbers
        if tree[c] == c:
            tree[c] = count
            count += 1
        else:
            tree[c] = tree[tree[c]]
    return count, found
