"""Dose of spots through their sub-spots: one composite depth curve for each ray.

A sample takes from every ray within reach one value of the ray's composite curve, times one Gaussian. How
many energies the ray carries then costs nothing, and nothing is stored for each spot.
"""

import numpy as np
from numba import njit, prange

CHUNKS = 16


@njit(parallel=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def weighted_sums(start, index, share, values, out):
    """Sum values times shares over the entries of every row.

    Parameters
    ----------
    start : (row + 1,) int64
    index : (entry,) int32
    share : (entry,) float64
    values : (column,) float64
    out : (row,) float64
        Overwritten.
    """
    for row in prange(out.size):
        chosen = index[start[row] : start[row + 1]]
        parts = share[start[row] : start[row + 1]]
        total = 0.0
        for entry in range(chosen.size):
            total += parts[entry] * values[np.uint32(chosen[entry])]
        out[row] = total


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _add_curve(weight, line, into):
    for item in range(into.size):
        into[item] += weight * line[item]


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _add_two(one, first, two, second, into):
    for item in range(into.size):
        into[item] += one * first[item] + two * second[item]


@njit(cache=True, error_model="numpy")
def _composite(low, high, behind, energies, ions, table, end, begin, curve):
    """Add up the depth curves of a ray's energies, two at a time: that halves what is loaded and stored."""
    curve[:] = 0.0
    held = -1
    for slot in range(low, high):
        row = energies[behind + slot]
        if ions[slot] == 0.0 or end[row] <= begin:
            continue
        if held < 0:
            held = slot
            continue
        other = energies[behind + held]
        one = np.float32(ions[held])
        two = np.float32(ions[slot])
        far = min(end[other] - begin, curve.size)
        near = min(end[row] - begin, curve.size)
        both = min(far, near)
        _add_two(one, table[other, begin : begin + both], two, table[row, begin : begin + both], curve[:both])
        _add_curve(one, table[other, begin + both : begin + far], curve[both:far])
        _add_curve(two, table[row, begin + both : begin + near], curve[both:near])
        held = -1
    if held >= 0:
        row = energies[behind + held]
        far = min(end[row] - begin, curve.size)
        _add_curve(np.float32(ions[held]), table[row, begin : begin + far], curve[:far])


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _look_up(position, gauss, begin, curve, root, linear):
    """Write what a ray gives to each sample of its pairs: curve between two depths, times Gaussian."""
    for pair in range(position.size):
        depth = np.int32(position[pair])
        part = position[pair] - np.float32(depth)
        at = np.uint32(2 * depth - begin)
        near = curve[at]
        other = curve[at + np.uint32(1)]
        root[pair] = gauss[pair] * (near + part * (curve[at + np.uint32(2)] - near))
        linear[pair] = gauss[pair] * (other + part * (curve[at + np.uint32(3)] - other))


@njit(cache=True, error_model="numpy")
def _scatter(sample, root, linear, out):
    for pair in range(sample.size):
        place = np.uint32(2 * sample[pair])
        out[place] += root[pair]
        out[place + np.uint32(1)] += linear[pair]


@njit(cache=True, error_model="numpy")
def _any(values):
    for value in values:  # noqa: SIM110
        if value != 0:
            return True
    return False


@njit(parallel=True, cache=True, error_model="numpy")
def forward(
    chunk_ray,
    ray_start,
    sample,
    position,
    gauss,
    ray_part,
    slot_start,
    energy_start,
    energies,
    ions,
    table,
    end,
    first,
    size,
    private,
    out,
):
    """Sum what all rays give to every sample, in two channels.

    Each ray adds up the curves of its energies once, and all samples near it look there. Rays are dealt out
    in a fixed number of chunks with sums of their own.

    Parameters
    ----------
    chunk_ray : (chunk + 1,) int64
        First ray of each chunk, and the end.
    ray_start : (ray + 1,) int64
        First pair of each ray, and the end.
    sample : (pair,) int32
    position : (pair,) float32
        Place in the depth grid.
    gauss : (pair,) float32 [1/mm2]
    ray_part : (ray,) int32
    slot_start : (ray + 1,) int64
        First energy slot of each ray, and the end.
    energy_start : (part,) int64
        First energy of each part in `energies`.
    energies : (part energy,) int64
        Rows of the table.
    ions : (slot,) float64 [1e6]
    table : (part energy, depth * 2) float32 [mm2 per 1e6 ions]
        Root and linear channel of each depth.
    end : (part energy,) int64
        Column of the table behind the last one that is not zero.
    first, size : (ray,) int64
        First column that the samples of a ray look at, and how many.
    private : (chunk, sample * 2) float64
        Work space, overwritten.
    out : (2, sample) float64
        Overwritten with the root and the linear channel.
    """
    chunks = chunk_ray.size - 1
    longest = size.max()
    most = 0
    for ray in range(size.size):
        most = max(most, ray_start[ray + 1] - ray_start[ray])
    for chunk in prange(chunks):
        mine = private[chunk]
        mine[:] = 0.0
        line = np.empty(longest, np.float32)
        root = np.empty(most, np.float32)
        linear = np.empty(most, np.float32)
        for ray in range(chunk_ray[chunk], chunk_ray[chunk + 1]):
            low = ray_start[ray]
            high = ray_start[ray + 1]
            if low == high or not _any(ions[slot_start[ray] : slot_start[ray + 1]]):
                continue
            curve = line[: size[ray]]
            behind = energy_start[ray_part[ray]] - slot_start[ray]
            _composite(
                slot_start[ray], slot_start[ray + 1], behind, energies, ions, table, end, first[ray], curve
            )
            _look_up(position[low:high], gauss[low:high], np.int32(first[ray]), curve, root, linear)
            _scatter(sample[low:high], root, linear, mine)
    for one in prange(out.shape[1]):
        root_total = 0.0
        linear_total = 0.0
        for chunk in range(chunks):
            root_total += private[chunk, 2 * one]
            linear_total += private[chunk, 2 * one + 1]
        out[0, one] = root_total
        out[1, one] = linear_total


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _collect(sample, position, gauss, gradient, begin, curve):
    """Carry the derivatives of a ray's samples back to its curve."""
    curve[:] = 0.0
    for pair in range(sample.size):
        place = np.uint32(2 * sample[pair])
        depth = np.int32(position[pair])
        part = position[pair] - np.float32(depth)
        at = np.uint32(2 * depth - begin)
        root = gauss[pair] * gradient[place]
        linear = gauss[pair] * gradient[place + np.uint32(1)]
        curve[at] += root - part * root
        curve[at + np.uint32(1)] += linear - part * linear
        curve[at + np.uint32(2)] += part * root
        curve[at + np.uint32(3)] += part * linear


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _dot(one, two):
    total = np.float32(0.0)
    for item in range(one.size):
        total += one[item] * two[item]
    return total


@njit(parallel=True, cache=True, error_model="numpy")
def adjoint(
    chunk_ray,
    ray_start,
    sample,
    position,
    gauss,
    ray_part,
    slot_start,
    energy_start,
    energies,
    used,
    table,
    end,
    first,
    size,
    gradient,
    out,
):
    """Carry derivatives by the samples' channels back to the ions of every ray and energy.

    Parameters
    ----------
    chunk_ray, ray_start, sample, position, gauss, ray_part, slot_start, energy_start, energies, table, end
        As in `forward`.
    used : (slot,) bool
        Whether any spot of interest gives ions to the slot; the others are left at 0.
    first, size
        As in `forward`.
    gradient : (sample * 2,) float32
        Derivatives by root and linear channel of each sample.
    out : (slot,) float64
        Overwritten.
    """
    longest = size.max()
    for chunk in prange(chunk_ray.size - 1):
        line = np.empty(longest, np.float32)
        for ray in range(chunk_ray[chunk], chunk_ray[chunk + 1]):
            low = ray_start[ray]
            high = ray_start[ray + 1]
            begin = first[ray]
            out[slot_start[ray] : slot_start[ray + 1]] = 0.0
            if not _any(used[slot_start[ray] : slot_start[ray + 1]]):
                continue
            curve = line[: size[ray]]
            _collect(sample[low:high], position[low:high], gauss[low:high], gradient, np.int32(begin), curve)
            behind = energy_start[ray_part[ray]] - slot_start[ray]
            for slot in range(slot_start[ray], slot_start[ray + 1]):
                row = energies[behind + slot]
                stop = min(end[row] - begin, curve.size)
                if used[slot] and stop > 0:
                    out[slot] = _dot(curve[:stop], table[row, begin : begin + stop])


@njit(parallel=True, cache=True, error_model="numpy")
def spot_rows(
    row_start,
    ray,
    position,
    gauss,
    ray_part,
    slot_start,
    energy_start,
    energies,
    table,
    end,
    spot_start,
    spot_index,
    share,
    out,
):
    """Write what every spot gives to some samples, in two channels, as full rows.

    Parameters
    ----------
    row_start : (row + 1,) int64
    ray, position, gauss
        Pairs of each row: ray, place in the depth grid and Gaussian.
    ray_part, slot_start, energy_start, energies, table, end
        As in `forward`.
    spot_start : (slot + 1,) int64
        First spot of each energy slot, and the end.
    spot_index : (entry,) int32
    share : (entry,) float64
        Part of the spot's ions that the slot gets.
    out : (row, spot, 2) float64
        Overwritten with root and linear channel.
    """
    rows = out.shape[0]
    for row in prange(rows):
        line = out[row]
        line[:] = 0.0
        for pair in range(row_start[row], row_start[row + 1]):
            one = ray[pair]
            depth = int(position[pair])
            part = np.float64(position[pair]) - depth
            behind = energy_start[ray_part[one]] - slot_start[one]
            for slot in range(slot_start[one], slot_start[one + 1]):
                if spot_start[slot + 1] == spot_start[slot]:
                    continue
                energy = energies[behind + slot]
                at = 2 * depth
                if at >= end[energy]:
                    continue
                curve = table[energy]
                root = gauss[pair] * (curve[at] + part * (curve[at + 2] - curve[at]))
                linear = gauss[pair] * (curve[at + 1] + part * (curve[at + 3] - curve[at + 1]))
                for entry in range(spot_start[slot], spot_start[slot + 1]):
                    spot = spot_index[entry]
                    line[spot, 0] += share[entry] * root
                    line[spot, 1] += share[entry] * linear
