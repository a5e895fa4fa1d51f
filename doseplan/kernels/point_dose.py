"""Dose of many spots in many points of one field, nothing stored, no lateral cut-off."""

import math

import numpy as np
from numba import njit, prange

BLOCK = 64
DEAL = 512
LOG2_E = 1.4426950408889634
LN2 = 0.6931471805599453
FLOOR = -500.0
"""Powers of two below this are rounded up to it: 3e-151, far from underflow even as a product of two."""
NEGLIGIBLE = -100.0
"""A column or row of spots whose Gaussian is below two to this, 8e-31, in a whole block is left out there."""


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _gauss(distance, rate, bits, scale, out):
    """Write 2^(rate d^2), rate <= 0, with a relative error of a few 1e-16; loops without branches.

    The whole part of the exponent goes into the exponent bits of `scale`, which shares memory with
    `bits`; the rest, at most a half, through the Taylor series of degree 12, whose next term is 2e-16.
    """
    for point in range(out.size):
        power = max(rate[point] * distance[point] * distance[point], FLOOR)
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
        out[point] = 1.0 + part * series
        bits[point] = (np.int64(whole) + 1023) << 52
    for point in range(out.size):
        out[point] *= scale[point]


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _row_sum(weight, column, across, out):
    """Sum weight times the column's Gaussian over the spots of one row, four spots at a time."""
    out[:] = 0.0
    spots = weight.size
    for four in range(spots // 4):
        spot = 4 * four
        first, second = across[column[spot]], across[column[spot + 1]]
        third, fourth = across[column[spot + 2]], across[column[spot + 3]]
        w0, w1, w2, w3 = weight[spot], weight[spot + 1], weight[spot + 2], weight[spot + 3]
        for point in range(out.size):
            out[point] += w0 * first[point] + w1 * second[point] + w2 * third[point] + w3 * fourth[point]
    for spot in range(spots - spots % 4, spots):
        single = across[column[spot]]
        w0 = weight[spot]
        for point in range(out.size):
            out[point] += w0 * single[point]


@njit(cache=True, error_model="numpy")
def _interpolate(table, component, depth, fraction, amplitude, rate):
    """Write the lateral integrals over 2 pi variance, and the Gaussian's rate; tell if all are 0."""
    nothing = True
    channels = amplitude.shape[0]
    for point in range(depth.size):
        if depth[point] < 0:
            amplitude[:, point] = 0.0
            rate[point] = -1.0
            continue
        near = table[depth[point], component]
        far = table[depth[point] + 1, component]
        part = fraction[point]
        variance = near[channels] + part * (far[channels] - near[channels])
        rate[point] = -0.5 * LOG2_E / variance
        for channel in range(channels):
            value = near[channel] + part * (far[channel] - near[channel])
            nothing = nothing and value == 0.0
            amplitude[channel, point] = value / (2.0 * math.pi * variance)
    return nothing


@njit(cache=True, error_model="numpy", inline="always")
def _beside(line, low, high, reach):
    """Tell whether a line lies further than the reach from an interval."""
    return line < low - reach or line > high + reach


@njit(parallel=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def point_dose(
    point_u,
    point_v,
    depth,
    fraction,
    curves,
    column_u,
    layer_energy,
    layer_columns,
    layer_start,
    row_v,
    row_start,
    spot_column,
    weight,
    out,
):
    """Sum the channels of all spots of one field in every point.

    A round Gaussian is a product of one along u and one along v, so in each layer a point needs one
    exponential per column and row of spots, not one per spot. Points are taken in blocks as they stand, so
    neighbours should stand together.

    Parameters
    ----------
    point_u, point_v : (point,) float64 [mm]
    depth : (point,) int32
        Interval of the depth table; negative beyond its end.
    fraction : (point,) float64
        Part of the interval.
    curves : (energy, depth, component, channel + 1) float64
        Lateral integrals of the channels [mm2 per 1e6 ions]; variance [mm2].
    column_u : (column,) float64 [mm]
    layer_energy : (layer,) int64
    layer_columns : (layer, 2) int64
        First column of each layer, and the one after its last.
    layer_start : (layer + 1,) int64
        First row of each layer, and the end.
    row_v : (row,) float64 [mm]
    row_start : (row + 1,) int64
        First spot of each row, and the end.
    spot_column : (spot,) int64
    weight : (spot,) float64 [1e6 ions]
    out : (channel, point) float64
        Added to.
    """
    points = point_u.size
    blocks = (points + BLOCK - 1) // BLOCK
    for deal in prange(DEAL):
        across = np.empty((column_u.size, BLOCK))
        amplitude = np.empty((out.shape[0], BLOCK))
        rate = np.empty(BLOCK)
        distance = np.empty(BLOCK)
        along = np.empty(BLOCK)
        row_total = np.empty(BLOCK)
        total = np.empty(BLOCK)
        bits = np.empty(BLOCK, np.int64)
        scale = bits.view(np.float64)
        for block in range(np.int64(deal), blocks, DEAL):
            first = block * BLOCK
            size = min(BLOCK, points - first)
            u = point_u[first : first + size]
            v = point_v[first : first + size]
            block_depth = depth[first : first + size]
            block_fraction = fraction[first : first + size]
            u_low, u_high, v_low, v_high = u.min(), u.max(), v.min(), v.max()
            for layer in range(layer_energy.size):
                table = curves[layer_energy[layer]]
                for component in range(curves.shape[2]):
                    if _interpolate(table, component, block_depth, block_fraction, amplitude, rate):
                        continue
                    reach = math.sqrt(NEGLIGIBLE / rate[:size].max())
                    for column in range(layer_columns[layer, 0], layer_columns[layer, 1]):
                        if _beside(column_u[column], u_low, u_high, reach):
                            across[column, :size] = 0.0
                            continue
                        for point in range(size):
                            distance[point] = u[point] - column_u[column]
                        _gauss(distance, rate, bits, scale, across[column, :size])
                    total[:] = 0.0
                    for row in range(layer_start[layer], layer_start[layer + 1]):
                        if _beside(row_v[row], v_low, v_high, reach):
                            continue
                        for point in range(size):
                            distance[point] = v[point] - row_v[row]
                        _gauss(distance, rate, bits, scale, along[:size])
                        spots = slice(row_start[row], row_start[row + 1])
                        _row_sum(weight[spots], spot_column[spots], across, row_total)
                        for point in range(size):
                            total[point] += row_total[point] * along[point]
                    for channel in range(out.shape[0]):
                        channel_out = out[channel, first : first + size]
                        for point in range(size):
                            channel_out[point] += total[point] * amplitude[channel, point]
