"""Rays of sub-spots that a point sees: at what depth, through which Gaussian, and what they give to it."""

import math

import numpy as np
from numba import njit, prange

DEAL = 256
BLOCK = 256
LOG2_E = 1.4426950408889634
LN2 = 0.6931471805599453
INVERSE_2_PI = 0.15915494309189535


@njit(cache=True, error_model="numpy", inline="always")
def _pair(
    nodes, row, node, part, kind, across, along, ray_u, ray_v, base, spread, cut, deepest, first_depth,
    per_depth, depths, path_pitch, path_corner, path_shape, path_cell, path_of_cell,
):  # fmt: skip
    """Return place in the depth grid, exponent and amplitude of a ray's Gaussian; a place < 0 for none.

    Ions that arrive beside the ray went beside it: by the share of the width that they had in air. The depth
    there is interpolated between traced paths.
    """
    near = np.float64(nodes[row, node, 0])
    depth = near + part * (nodes[row, node + 1, 0] - near)
    place = min(max((depth - first_depth) * per_depth, 0.0), spread.size - 1.001)
    low = int(place)
    wide = spread[low] + (place - low) * (spread[low + 1] - spread[low])
    factor = np.float64(nodes[row, node, kind])
    factor += part * (nodes[row, node + 1, kind] - factor)
    inverse = 1.0 / (base + factor * wide)
    exponent = 0.5 * (across * across + along * along) * inverse
    if exponent > cut:
        return -1.0, 0.0, 0.0
    beside = base * inverse
    at_u = (ray_u + beside * across) / path_pitch - path_corner[0]
    at_v = (ray_v + beside * along) / path_pitch - path_corner[1]
    column = int(np.floor(at_u))
    line = int(np.floor(at_v))
    if 0 <= column < path_shape[0] - 1 and 0 <= line < path_shape[1] - 1:
        cell = path_cell + line * path_shape[0] + column
        one = path_of_cell[cell]
        two = path_of_cell[cell + 1]
        three = path_of_cell[cell + path_shape[0]]
        four = path_of_cell[cell + path_shape[0] + 1]
        if min(one, two, three, four) >= 0:
            at_u -= column
            at_v -= line
            before = (1.0 - at_v) * ((1.0 - at_u) * depths[one, node] + at_u * depths[two, node])
            before += at_v * ((1.0 - at_u) * depths[three, node] + at_u * depths[four, node])
            behind = (1.0 - at_v) * ((1.0 - at_u) * depths[one, node + 1] + at_u * depths[two, node + 1])
            behind += at_v * ((1.0 - at_u) * depths[three, node + 1] + at_u * depths[four, node + 1])
            place = (before + part * (behind - before) - first_depth) * per_depth
    if place > deepest:
        return -1.0, 0.0, 0.0
    share = np.float64(nodes[row, node, kind + 1])
    share += part * (nodes[row, node + 1, kind + 1] - share)
    return max(place, 0.0), exponent, share * inverse


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _multiply_exponentials(exponent, amplitude, bits, scale):
    """Multiply by exp(-exponent), 0 <= exponent < 100, relative error 1e-15; loops without branches.

    The whole part of the power of two goes into the exponent bits of `scale`, which shares memory with
    `bits`; the rest, at most a half, through the Taylor series of degree 12, whose next term is 2e-16.
    """
    for item in range(exponent.size):
        power = -LOG2_E * exponent[item]
        whole = np.int32(power - 0.5)
        part = (power - whole) * LN2
        series = 1.0 / 39916800.0 + part / 479001600.0
        series = 1.0 / 3628800.0 + part * series
        series = 1.0 / 362880.0 + part * series
        series = 1.0 / 40320.0 + part * series
        series = 1.0 / 5040.0 + part * series
        series = 1.0 / 720.0 + part * series
        series = 1.0 / 120.0 + part * series
        series = 1.0 / 24.0 + part * series
        series = 1.0 / 6.0 + part * series
        series = 0.5 + part * series
        series = 1.0 + part * series
        amplitude[item] *= 1.0 + part * series
        bits[item] = (np.int64(whole) + 1023) << 52
    for item in range(exponent.size):
        amplitude[item] *= scale[item]


@njit(cache=True, error_model="numpy", inline="always")
def _window(where, reach, pitch, corner, size):
    """Return the first lattice line within reach of a place, and the one after the last."""
    first = int(np.ceil((where - reach) / pitch)) - corner
    last = int(np.floor((where + reach) / pitch)) - corner
    return max(first, 0), min(last, size - 1) + 1


@njit(cache=True, error_model="numpy", inline="always")
def _base(variance, w, drift):
    """Return the variance of a sub-spot in air at a place along the beam; a quarter is always left."""
    return max(variance + w * (2.0 * drift[0] + w * drift[1]), 0.25 * variance)


@njit(parallel=True, cache=True, error_model="numpy")
def ray_pairs(
    points,
    part_field,
    part_kind,
    part_cut,
    part_variance,
    part_pitch,
    part_corner,
    part_shape,
    part_cell,
    ray_of_cell,
    ray_row,
    ray_deepest,
    drift,
    first_node,
    node_step,
    nodes,
    reach,
    spread,
    first_depth,
    depth_step,
    depths,
    path_pitch,
    path_corner,
    path_shape,
    path_cell,
    path_of_cell,
    fill,
    row_start,
    out_count,
    out_ray,
    out_position,
    out_gauss,
):
    """Count the rays that may be within reach of every point, or write those that are.

    Parameters
    ----------
    points : (field, point, 3) float64 [mm]
        u, v and w, along the beam, from the isocentre.
    part_field, part_kind : (part,) int64
        A part is one component of one field; kind 0 are primary ions, 1 their fragments.
    part_cut : (part,) float64 [1]
        Gaussians end at this exponent.
    part_variance : (part,) float64 [mm2]
        Of a sub-spot in air at the isocentre.
    part_pitch : (part,) float64 [mm]
    part_corner, part_shape : (part, 2) int64
        First line along u and v of each lattice, and the number of lines.
    part_cell : (part,) int64
        Where the lattice begins in `ray_of_cell`, which is row after row.
    ray_of_cell : (cell,) int32
        Negative where there is no ray.
    ray_row : (ray,) int32
        Where its profile is.
    ray_deepest : (ray,) float64
        Place in the depth grid behind which the ray gives nothing.
    drift : (field, 2) float64 [mm], [1]
        Covariance and variance of the angle of a beam in air at the isocentre.
    first_node : (field,) float64 [mm]
    node_step : float64 [mm]
    nodes : (row, node, 5) float32
        Water-equivalent depth [mm]; then for each kind: factor of the variance, and share of the ions.
    reach : (part, node) float64 [mm]
        No ray further away is looked at between this node and the next.
    spread : (part, depth) float64 [mm2]
        Variance that water adds.
    first_depth, depth_step : float64 [mm]
        Of the depth curves.
    depths : (path, node) float32 [mm]
        Water-equivalent depth on the lattice of paths.
    path_pitch : float64 [mm]
    path_corner, path_shape : (field, 2) int64
    path_cell : (field,) int64
    path_of_cell : (path cell,) int32
        As those of the parts.
    fill : bool
        False: write how many pairs point i may have to `row_start[i]`, which is quick; True: write its pairs
        from there on, and how many they are to `out_count[i]`.
    row_start : (point,) int64
    out_count : (point,) int64
    out_ray : (pair,) int32
    out_position : (pair,) float32
        Place in the depth grid.
    out_gauss : (pair,) float32 [1/mm2]
    """
    total = points.shape[1]
    last = nodes.shape[1] - 1
    # what lies beyond the cut is given to the rest: no dose is lost
    factor = INVERSE_2_PI / (1.0 - np.exp(-part_cut))
    for deal in prange(DEAL):
        for point in range(np.int64(deal), total, DEAL):
            pair = row_start[point] if fill else 0
            for part in range(part_field.size):
                field = part_field[part]
                u = points[field, point, 0]
                v = points[field, point, 1]
                w = points[field, point, 2]
                place = (w - first_node[field]) / node_step
                if place < 0.0 or place >= last:
                    continue
                far = reach[part, int(place)]
                base = _base(part_variance[part], w, drift[field])
                kind = 1 + 2 * part_kind[part]
                node = int(place)
                pitch = part_pitch[part]
                one, end = _window(u, far, pitch, part_corner[part, 0], part_shape[part, 0])
                low, high = _window(v, far, pitch, part_corner[part, 1], part_shape[part, 1])
                for line in range(low, high):
                    ray_v = (part_corner[part, 1] + line) * pitch
                    along = v - ray_v
                    cell = part_cell[part] + line * part_shape[part, 0]
                    for column in range(one, end):
                        ray = ray_of_cell[cell + column]
                        if ray < 0:
                            continue
                        ray_u = (part_corner[part, 0] + column) * pitch
                        across = u - ray_u
                        squared = across * across + along * along
                        if squared > far * far:
                            continue
                        if not fill:
                            pair += 1
                            continue
                        position, exponent, amplitude = _pair(
                            nodes,
                            ray_row[ray],
                            node,
                            place - node,
                            kind,
                            across,
                            along,
                            ray_u,
                            ray_v,
                            base,
                            spread[part],
                            part_cut[part],
                            ray_deepest[ray],
                            first_depth,
                            1.0 / depth_step,
                            depths,
                            path_pitch,
                            path_corner[field],
                            path_shape[field],
                            path_cell[field],
                            path_of_cell,
                        )
                        if position < 0.0:
                            continue
                        out_ray[pair] = ray
                        out_position[pair] = position
                        out_gauss[pair] = amplitude * math.exp(-exponent) * factor[part]
                        pair += 1
            if fill:
                out_count[point] = pair - row_start[point]
            else:
                row_start[point] = pair


@njit(parallel=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def ray_curves(first_ray, slot_start, behind, energies, ions, table, end, out):
    """Add up the depth curves of the energies of every ray of one part, in all channels.

    Parameters
    ----------
    first_ray : int
        First ray of the part.
    slot_start : (ray + 1,) int64
        First energy slot of each ray, and the end.
    energies : (part energy,) int64
        Rows of the table.
    ions : (slot,) float64 [1e6]
    table : (part energy, depth * channel) float64 [mm2 per 1e6 ions]
    end : (part energy,) int64
        Column of the table behind the last one that is not zero.
    behind : int
        First energy of the part in `energies`.
    out : (ray of the part, column) float64 [mm2]
        Overwritten.
    """
    for ray in prange(out.shape[0]):
        curve = out[ray]
        curve[:] = 0.0
        low = slot_start[first_ray + ray]
        for slot in range(low, slot_start[first_ray + ray + 1]):
            weight = ions[slot]
            if weight == 0.0:
                continue
            row = energies[behind + slot - low]
            line = table[row, : min(end[row], curve.size)]
            for item in range(line.size):
                curve[item] += weight * line[item]


@njit(parallel=True, cache=True, error_model="numpy")
def point_sums(
    points,
    part,
    first_ray,
    part_field,
    part_kind,
    part_cut,
    part_variance,
    part_pitch,
    part_corner,
    part_shape,
    part_cell,
    ray_of_cell,
    ray_row,
    ray_deepest,
    drift,
    first_node,
    node_step,
    nodes,
    reach,
    spread,
    first_depth,
    depth_step,
    depths,
    path_pitch,
    path_corner,
    path_shape,
    path_cell,
    path_of_cell,
    curves,
    out,
):
    """Sum what the rays of one part give to every point, in all channels; nothing is stored for pairs.

    Parameters
    ----------
    points : (point, 3) float64 [mm]
        u, v and w of the part's field.
    part : int
    first_ray : int
        First ray of the part. What follows up to `path_of_cell` is as in `ray_pairs`.
    curves : (ray of the part, depth * channel) float64 [mm2]
        From the first depth on; nothing behind the last.
    out : (point, channel) float64
        Added to.
    """
    channels = out.shape[1]
    field = part_field[part]
    total = points.shape[0]
    last = nodes.shape[1] - 1
    pitch = part_pitch[part]
    kind = 1 + 2 * part_kind[part]
    factor = INVERSE_2_PI / (1.0 - math.exp(-part_cut[part]))
    most = int((2.0 * reach[part].max() / pitch + 2.0) ** 2)
    for block in prange((total + BLOCK - 1) // BLOCK):
        sums = np.empty(channels)
        rays = np.empty(most, np.int64)
        position = np.empty(most)
        exponent = np.empty(most)
        amplitude = np.empty(most)
        bits = np.empty(most, np.int64)
        scale = bits.view(np.float64)
        for point in range(np.int64(block) * BLOCK, min(np.int64(block + 1) * BLOCK, total)):
            u = points[point, 0]
            v = points[point, 1]
            w = points[point, 2]
            place = (w - first_node[field]) / node_step
            if place < 0.0 or place >= last:
                continue
            node = int(place)
            far = reach[part, node]
            base = _base(part_variance[part], w, drift[field])
            one, stop = _window(u, far, pitch, part_corner[part, 0], part_shape[part, 0])
            low, high = _window(v, far, pitch, part_corner[part, 1], part_shape[part, 1])
            found = 0
            for line in range(low, high):
                ray_v = (part_corner[part, 1] + line) * pitch
                along = v - ray_v
                cell = part_cell[part] + line * part_shape[part, 0]
                for column in range(one, stop):
                    ray = ray_of_cell[cell + column]
                    if ray < 0:
                        continue
                    ray_u = (part_corner[part, 0] + column) * pitch
                    across = u - ray_u
                    squared = across * across + along * along
                    if squared > far * far:
                        continue
                    position[found], exponent[found], amplitude[found] = _pair(
                        nodes,
                        ray_row[ray],
                        node,
                        place - node,
                        kind,
                        across,
                        along,
                        ray_u,
                        ray_v,
                        base,
                        spread[part],
                        part_cut[part],
                        ray_deepest[ray],
                        first_depth,
                        1.0 / depth_step,
                        depths,
                        path_pitch,
                        path_corner[field],
                        path_shape[field],
                        path_cell[field],
                        path_of_cell,
                    )
                    rays[found] = ray - first_ray
                    if position[found] >= 0.0:
                        found += 1
            _multiply_exponentials(exponent[:found], amplitude[:found], bits, scale)
            sums[:] = 0.0
            for pair in range(found):
                depth = int(position[pair])
                share = position[pair] - depth
                curve = curves[rays[pair], channels * depth : channels * (depth + 2)]
                for channel in range(channels):
                    near = curve[channel]
                    sums[channel] += amplitude[pair] * (near + share * (curve[channels + channel] - near))
            for channel in range(channels):
                out[point, channel] += factor * sums[channel]
