"""Follow ions and their fragments through voxels, one history after another, with counter-based chance.

An ion is known by its residual range [g/cm2 of water]: all that it does on the way is a difference of
integrals over that range. Chance enters at the end of a step that may cross many voxels (straggling of the
range, the angle of multiple scattering), and where a nucleus reacts.
"""

import math

import numpy as np
from numba import njit, prange

MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
FIRST_FACTOR, SECOND_FACTOR = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
FIRST_WEYL, SECOND_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
ONE, LOW, QUARTER = np.uint64(1), np.uint64(0xFFFF), np.uint64(16)
ROOT_SIX = math.sqrt(6.0)

STEP_OVER, STOPPED, REACTED, ESCAPED = 0, 1, 2, 3
ENTERING, ESCAPING, REMOVED, STRAGGLED, REACTIONS, OVERFLOW, CROSSINGS = 0, 1, 2, 3, 4, 5, 6
ENERGY, ATTENUATION, STRAGGLING, SPEED, SCATTERING, CORRECTION, BENDING = 0, 1, 2, 3, 4, 5, 6


@njit(cache=True, error_model="numpy")
def philox(counter, key, out):
    """Turn a counter into four random words of 32 bits: Philox 4x32 with ten rounds.

    Parameters
    ----------
    counter : (4,) uint64
        Words of 32 bits.
    key : (2,) uint64
        Words of 32 bits.
    out : (4,) uint64
        Overwritten.

    Notes
    -----
    Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC11 (2011), doi:10.1145/2063384.2063405.
    """
    a, b, c, d = counter[0], counter[1], counter[2], counter[3]
    first_key, second_key = key[0], key[1]
    for _ in range(10):
        first, second = FIRST_FACTOR * a, SECOND_FACTOR * c
        a, c = (second >> HALF) ^ b ^ first_key, (first >> HALF) ^ d ^ second_key
        b, d = second & MASK, first & MASK
        first_key = (first_key + FIRST_WEYL) & MASK
        second_key = (second_key + SECOND_WEYL) & MASK
    out[0], out[1], out[2], out[3] = a, b, c, d


@njit(cache=True, error_model="numpy")
def _draw(counter, key, words):
    """Count on, and give four numbers evenly spread between 0 and 1, both excluded."""
    counter[0] += ONE
    philox(counter, key, words)
    scale = 1.0 / 4294967296.0
    return (
        (float(words[0]) + 0.5) * scale,
        (float(words[1]) + 0.5) * scale,
        (float(words[2]) + 0.5) * scale,
        (float(words[3]) + 0.5) * scale,
    )


@njit(cache=True, error_model="numpy")
def _normal(first, second):
    """Turn two even numbers into two normal ones; Box and Muller."""
    radius = math.sqrt(-2.0 * math.log(first))
    angle = 2.0 * math.pi * second
    return radius * math.cos(angle), radius * math.sin(angle)


@njit(cache=True, error_model="numpy")
def _triangle(word):
    """Turn a word into a number of mean 0 and variance 1: the sum of two even ones, its halves.

    Steps add up to what is normal; a step alone needs the right variance only.
    """
    return (float((word & LOW) + (word >> QUARTER)) / 65536.0 - (1.0 - 1.0 / 65536.0)) * ROOT_SIX


@njit(cache=True, error_model="numpy")
def _look_up(row, column, place):
    """Interpolate a column of a table at a place counted in nodes."""
    node = min(int(place), row.shape[0] - 2)
    part = place - node
    return row[node, column] + part * (row[node + 1, column] - row[node, column])


@njit(cache=True, error_model="numpy")
def _turn(state, across, along):
    """Turn the direction by an angle with two components [rad]."""
    squared = across * across + along * along
    ux, uy, uz = state[3], state[4], state[5]
    sign = 1.0 if uz >= 0.0 else -1.0
    a = -1.0 / (sign + uz)
    b = ux * uy * a
    if squared < 1e-3:
        sine, cosine = 1.0 - squared / 6.0, 1.0 - 0.5 * squared
    else:
        angle = math.sqrt(squared)
        sine, cosine = math.sin(angle) / angle, math.cos(angle)
    across, along = across * sine, along * sine
    state[3] = ux * cosine + across * (1.0 + sign * ux * ux * a) + along * b
    state[4] = uy * cosine + across * sign * b + along * (sign + uy * uy * a)
    state[5] = uz * cosine - across * sign * ux - along * uy
    norm = 1.0 / math.sqrt(state[3] ** 2 + state[4] ** 2 + state[5] ** 2)
    state[3] *= norm
    state[4] *= norm
    state[5] *= norm


@njit(cache=True, error_model="numpy")
def _locate(state, corner, edge, shape, index):
    """Find the voxel (x, y, z) of a place; False outside."""
    inside = True
    for axis in range(3):
        index[axis] = math.floor((state[axis] - corner[axis]) / edge[axis])
        inside = inside and 0 <= index[axis] < shape[axis]
    return inside


@njit(cache=True, error_model="numpy")
def _cross(
    state, index, media, grid, place, response, node_step, left, attenuation, depth, cut, before, score
):
    """Fly straight on through voxels until a step [g/cm2 of water] is over or something happens.

    Returns
    -------
    status, length [mm], scattering [g/cm2 of water that scatter alike], depth left to the reaction, crossings
    """
    corner, edge, shape = grid
    next_face, turn = np.inf, 0
    ux, uy, uz = state[3], state[4], state[5]
    sx, sy, sz = (1 if ux > 0.0 else -1), (1 if uy > 0.0 else -1), (1 if uz > 0.0 else -1)
    ix, iy, iz = index[0], index[1], index[2]
    ax = edge[0] / abs(ux) if abs(ux) > 1e-12 else np.inf
    ay = edge[1] / abs(uy) if abs(uy) > 1e-12 else np.inf
    az = edge[2] / abs(uz) if abs(uz) > 1e-12 else np.inf
    px, py, pz = state[0] - corner[0], state[1] - corner[1], state[2] - corner[2]
    tx = ((ix + (sx > 0)) * edge[0] - px) / ux if abs(ux) > 1e-12 else np.inf
    ty = ((iy + (sy > 0)) * edge[1] - py) / uy if abs(uy) > 1e-12 else np.inf
    tz = ((iz + (sz > 0)) * edge[2] - pz) / uz if abs(uz) > 1e-12 else np.inf
    weight, residual = state[7], state[6]
    gone, scattering, crossings, status = 0.0, 0.0, 0, STEP_OVER
    while True:
        crossings += 1
        rsp = media[iz, iy, ix, 0]
        thick = media[iz, iy, ix, 2] * attenuation
        turn = 0 if tx < ty else 1
        next_face = min(tx, ty)
        if tz < next_face:
            turn, next_face = 2, tz
        length, ends = max(next_face - gone, 0.0), False
        if 0.1 * rsp * length >= left:
            length, ends = 10.0 * left / rsp, True
        if 0.1 * thick * length >= depth:
            length, ends, status = 10.0 * depth / thick, True, REACTED
        used = 0.1 * rsp * length
        depth -= 0.1 * thick * length
        scattering += 0.1 * media[iz, iy, ix, 1] * length
        left -= used
        gone += length
        residual -= used
        if residual <= cut:
            residual, ends, status = 0.0, True, STOPPED
        spot = math.sqrt(residual) / node_step
        node = min(int(spot), response.shape[0] - 2)
        part = spot - node
        share = weight / rsp
        voxel = place[0][ix] + place[1][iy] + place[2][iz]
        for channel in range(before.size):
            after = response[node, channel]
            after += part * (response[node + 1, channel] - after)
            score[voxel, channel] += share * (before[channel] - after)
            before[channel] = after
        if ends:
            break
        if turn == 0:
            ix, tx = ix + sx, tx + ax
        elif turn == 1:
            iy, ty = iy + sy, ty + ay
        else:
            iz, tz = iz + sz, tz + az
        if not (0 <= ix < shape[0] and 0 <= iy < shape[1] and 0 <= iz < shape[2]):
            status = ESCAPED
            break
    state[0] += gone * ux
    state[1] += gone * uy
    state[2] += gone * uz
    state[6] = residual
    index[0], index[1], index[2] = ix, iy, iz
    return status, gone, scattering, depth, crossings


@njit(cache=True, error_model="numpy")
def _fly(state, index, media, grid, place, tables, limits, counter, key, words, before, score, tally):
    """Follow one ion until it stops, reacts or leaves; returns how it ended."""
    response, motion, node_step = tables
    longest, shortest, share, widest, cut = limits
    species, weight = int(state[8]), state[7]
    step, row, columns = node_step[species], motion[species], response[species]
    entrance = _look_up(row, SPEED, math.sqrt(state[6]) / step)
    chance, _, _, _ = _draw(counter, key, words)
    depth = -math.log(chance)
    status = STEP_OVER
    while status == STEP_OVER:
        if not _locate(state, grid[0], grid[1], grid[2], index):
            status = ESCAPED
            break
        left = min(longest, max(shortest, share * state[6]))
        # a step in air is long: it ends where scattering still acts near its middle
        left = min(left, 0.1 * widest * max(media[index[2], index[1], index[0], 0], 1e-4))
        here = math.sqrt(state[6]) / step
        node = min(int(here), columns.shape[0] - 2)
        for channel in range(before.size):
            first = columns[node, channel]
            before[channel] = first + (here - node) * (columns[node + 1, channel] - first)
        middle = math.sqrt(max(state[6] - 0.5 * left, 0.5 * state[6])) / step
        start = state[6]
        status, length, scattering, depth, crossings = _cross(
            state, index, media, grid, place, columns, step, left, _look_up(row, ATTENUATION, middle), depth,
            cut, before, score,
        )  # fmt: skip
        tally[CROSSINGS] += crossings
        if status in (STOPPED, ESCAPED):
            break
        counter[0] += ONE
        philox(counter, key, words)
        across, along, stray = _triangle(words[0]), _triangle(words[1]), _triangle(words[2])
        ratio = _look_up(row, SPEED, middle) / entrance
        lost = math.log10(min(max(1.0 - ratio * ratio, 1e-4), 1.0))
        bent = _look_up(row, CORRECTION, middle) + lost * _look_up(row, BENDING, middle)
        bent = min(max(bent, 0.1), 1.2) * _look_up(row, SCATTERING, middle) * scattering
        sigma = math.sqrt(bent)
        ux, uy, uz = state[3], state[4], state[5]
        # scattered on the way, the ion has come as far aside as half the step in its new direction
        _turn(state, sigma * across, sigma * along)
        state[0] += 0.5 * length * (state[3] - ux)
        state[1] += 0.5 * length * (state[4] - uy)
        state[2] += 0.5 * length * (state[5] - uz)
        earlier = _look_up(row, ENERGY, math.sqrt(state[6]) / step)
        state[6] += stray * math.sqrt(_look_up(row, STRAGGLING, middle) * (start - state[6]))
        state[6] = min(max(state[6], 0.0), (step * (columns.shape[0] - 1)) ** 2)
        tally[STRAGGLED] += weight * (earlier - _look_up(row, ENERGY, math.sqrt(state[6]) / step))
        if status == STEP_OVER and state[6] <= cut:
            # what straggling has brought to its end stops in the voxel where it is
            inside = _locate(state, grid[0], grid[1], grid[2], index)
            if inside:
                rsp = media[index[2], index[1], index[0], 0]
                voxel = place[0][index[0]] + place[1][index[1]] + place[2][index[2]]
                here = math.sqrt(state[6]) / step
                for channel in range(before.size):
                    score[voxel, channel] += weight / rsp * _look_up(columns, channel, here)
            status = STOPPED if inside else ESCAPED
    if status == ESCAPED:
        tally[ESCAPING] += weight * _look_up(row, ENERGY, math.sqrt(state[6]) / step)
    return status


@njit(cache=True, error_model="numpy")
def _break_up(state, stack, size, tables, branches, counter, key, words, tally):
    """Put the fragments of a reaction on the stack; returns its new size."""
    _, motion, node_step = tables
    start, child, number, keep, energy, spread, angle, range_root, energy_step = branches
    parent = int(state[8])
    here = math.sqrt(state[6]) / node_step[parent]
    node = min(int(here), motion.shape[1] - 2)
    part = here - node
    tally[REMOVED] += state[7] * _look_up(motion[parent], ENERGY, here)
    for branch in range(start[parent], start[parent + 1]):
        chance, _, _, _ = _draw(counter, key, words)
        made = child[branch]
        # all of a species have one weight, so that chains of reactions don't pile up weight
        weight = 1.0 / keep[made]
        for _ in range(int(number[branch] * state[7] / weight + chance)):
            u1, u2, u3, u4 = _draw(counter, key, words)
            across, along = _normal(u1, u2)
            faster, _ = _normal(u3, u4)
            mean = energy[branch, node] + part * (energy[branch, node + 1] - energy[branch, node])
            wide = spread[branch, node] + part * (spread[branch, node + 1] - spread[branch, node])
            slant = angle[branch, node] + part * (angle[branch, node + 1] - angle[branch, node])
            own = max(mean + wide * faster, 0.05 * mean)
            at = min(math.sqrt(own) / energy_step, range_root.shape[1] - 1.001)
            low = int(at)
            root = range_root[made, low] + (at - low) * (range_root[made, low + 1] - range_root[made, low])
            root = min(root, node_step[made] * (motion.shape[1] - 1))
            tally[REMOVED] -= weight * _look_up(motion[made], ENERGY, root / node_step[made])
            if size == stack.shape[0]:
                tally[OVERFLOW] += 1.0
                continue
            stack[size] = state
            stack[size, 6], stack[size, 7], stack[size, 8] = root * root, weight, made
            _turn(stack[size], slant * across, slant * along)
            size += 1
    return size


@njit(cache=True, error_model="numpy")
def _enter(state, spot, source, grid, counter, key, words):
    """Start a primary ion of a spot where it enters the grid; False if it misses it."""
    field, lateral, size, range_mean, range_sigma, ripple, direction, u_axis, v_axis = source
    corner, edge, shape = grid
    u1, u2, u3, u4 = _draw(counter, key, words)
    u5, _, _, _ = _draw(counter, key, words)
    across, along = _normal(u1, u2)
    stray, _ = _normal(u3, u4)
    one = field[spot]
    near, far = -np.inf, np.inf
    for axis in range(3):
        state[3 + axis] = direction[one, axis]
        state[axis] = lateral[spot, axis]
        state[axis] += size[spot] * (across * u_axis[one, axis] + along * v_axis[one, axis])
    for axis in range(3):
        low, high = corner[axis], corner[axis] + edge[axis] * shape[axis]
        if abs(state[3 + axis]) < 1e-12:
            if not low < state[axis] < high:
                return False
            continue
        first, last = (low - state[axis]) / state[3 + axis], (high - state[axis]) / state[3 + axis]
        near, far = max(near, min(first, last)), min(far, max(first, last))
    if not near < far:
        return False
    for axis in range(3):
        low, high = corner[axis], corner[axis] + edge[axis] * shape[axis]
        # a hair inside, so that the first voxel is one of the grid
        hair = 1e-9 * (high - low)
        state[axis] = min(max(state[axis] + near * state[3 + axis], low + hair), high - hair)
    state[6] = max(range_mean[spot] + stray * range_sigma[spot] - u5 * ripple, 0.0)
    state[7], state[8] = 1.0, 0.0
    return state[6] > 0.0


@njit(parallel=True, cache=True, error_model="numpy")
def histories(
    seed, first_batch, count, cumulative, source, media, grid, place, tables, limits, branches, score, tally
):
    """Follow the histories of some batches: each batch owns its scores and its chance.

    Parameters
    ----------
    seed : (2,) uint64
        Words of 32 bits.
    first_batch, count : int
        Number of the first batch, and histories in each.
    cumulative : (spot,) float64
        Running sum of the shares of the spots; the last is 1. Histories are spread evenly over it.
    source : tuple
        field (spot,) int64, place at the isocentre's plane (spot, 3) [mm], size (spot,) [mm], mean and spread
        of the range (spot,) [g/cm2], ripple filter [g/cm2], direction, u_axis, v_axis (field, 3).
    media : (z, y, x, 3) float32
        Stopping power ratio [water of 1 g/cm3], scattering and reactions as density [g/cm3] of water.
    grid : tuple
        Corner (3,) [mm], edge (3,) [mm], shape (3,) int64, of x, y, z.
    place : tuple of (x,), (y,), (z,) int64
        Their sum is the row of the score.
    tables : tuple
        response (species, node, channel), motion (species, node, 7), node_step (species,) [(g/cm2)^(1/2)]:
        nodes are even in the root of the residual range. Motion holds energy [MeV], reactions [cm2/g],
        straggling [g/cm2], momentum times speed [MeV], scattering power without its correction [rad2 cm2/g],
        and the correction's constant and its slope.
    limits : tuple of float
        Longest and shortest step [g/cm2 of water], step over residual range, widest step [mm over rsp], and
        residual range [g/cm2] at which an ion stops.
    branches : tuple
        start (species + 1,), child (branch,), number (branch,), keep (species,): part of the fragments that
        is followed, one over it being their weight; energy, spread [MeV/u] and angle [rad] (branch, node);
        range_root (species, energy node), energy_step [(MeV/u)^(1/2)].
    score : (batch, row, channel) float64
        Response over rsp, added to.
    tally : (batch, 7) float64
        Energy [MeV] entering, escaping, removed by reactions, exchanged by straggling; reactions of primary
        ions, fragments lost, voxels crossed. Added to.
    """
    for batch in prange(score.shape[0]):
        counter, words = np.zeros(4, np.uint64), np.empty(4, np.uint64)
        stack, state, index = np.empty((96, 9)), np.empty(9), np.empty(3, np.int64)
        before, mine, sums = np.empty(score.shape[2]), score[batch], tally[batch]
        counter[2] = np.uint64(first_batch + batch)
        for history in range(count):
            counter[0], counter[1] = np.uint64(0), np.uint64(history)
            chance, _, _, _ = _draw(counter, seed, words)
            spot = np.searchsorted(cumulative, (history + chance) / count * cumulative[-1])
            if not _enter(state, min(spot, cumulative.size - 1), source, grid, counter, seed, words):
                continue
            sums[ENTERING] += _look_up(tables[1][0], ENERGY, math.sqrt(state[6]) / tables[2][0])
            size, primary = 0, True
            while True:
                ended = _fly(
                    state, index, media, grid, place, tables, limits, counter, seed, words, before, mine, sums
                )
                if ended == REACTED:
                    sums[REACTIONS] += 1.0 if primary else 0.0
                    size = _break_up(state, stack, size, tables, branches, counter, seed, words, sums)
                if size == 0:
                    break
                size -= 1
                state[:] = stack[size]
                primary = False
