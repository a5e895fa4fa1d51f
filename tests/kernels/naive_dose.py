"""Slow twins of the dose kernels, and a small synthetic beam library and spot set to run both on."""

import math
from itertools import pairwise

import numba
import numpy as np
import xarray as xr

from doseplan import schema

CHANNELS = ("idd", "idd_z_star", "idd_let", "idd_lem_linear", "idd_lem_root")
GRAY_MM2 = 1e6 * 1.602176634e-10 * 100.0


def library(energies=6, depths=221, deepest=110.0):
    """Smooth curves with a peak and a tail: two components, ranges from 30 to 80 mm; not physics."""
    r80 = np.linspace(30.0, 80.0, energies)
    depth = np.linspace(0.0, deepest, depths)
    left = r80[:, None] - depth
    primary = 150.0 * (1.0 + 4.0 * np.exp(-((left / 3.0) ** 2))) / (1.0 + np.exp(-left / 0.4))
    primary[left < -4.0] = 0.0
    fragments = 30.0 * depth / r80[:, None] * np.exp(-np.maximum(-left, 0.0) / 15.0)
    idd = np.stack([primary, fragments], axis=1)
    lateral = np.stack([0.02 * depth + 0 * left, 4.0 + 0.08 * depth + 0 * left], axis=1)
    data = {
        "idd": idd,
        "idd_z_star": idd * np.array([12.0, 5.0])[:, None] * (1.0 + 0.01 * depth),
        "idd_let": idd * np.array([40.0, 10.0])[:, None] * (1.0 + 0.02 * depth),
        "idd_lem_linear": idd * np.array([0.8, 0.3])[:, None] * (1.0 + 0.01 * depth),
        "idd_lem_root": idd * np.array([0.18, 0.21])[:, None],
        "lateral_sigma": lateral,
        "air_sigma": np.linspace(4.0, 2.5, energies),
        "r80": r80,
        "energy": np.linspace(100.0, 200.0, energies),
        "depth": depth,
    }
    variables = {name: schema.variable(name, values) for name, values in data.items()}
    return xr.Dataset(variables)


def spots(beams, seed=1, spacing=4.0, half=3, gantries=(0.0, 90.0)):
    """Spots on a square (u, v) grid in each layer and field, one in four left out, random weights."""
    rng = np.random.default_rng(seed)
    lines = np.arange(-half, half + 1) * spacing
    rows = [
        (field, energy, u, v)
        for field in range(len(gantries))
        for energy in range(1, beams.sizes["energy"])
        for v in lines
        for u in lines
        if rng.random() < 0.75
    ]
    field, energy, u, v = (np.array(column) for column in zip(*rows, strict=True))
    angle = np.radians(gantries)
    data = {
        "gantry": gantries,
        "couch": np.zeros(len(gantries)),
        "direction": np.stack([-np.sin(angle), np.cos(angle), 0 * angle], axis=1),
        "u_axis": np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1),
        "v_axis": np.stack([0 * angle, 0 * angle, 1 + 0 * angle], axis=1),
        "isocentre": [1.0, -2.0, 3.0],
        "field_index": field,
        "energy_index": energy,
        "spot_energy": beams["energy"].values[energy],
        "spot_u": u,
        "spot_v": v,
        "weight": rng.random(field.size),
    }
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


def points(count, seed=2, half=25.0):
    """Random points in a cube around the isocentre, and depths that also reach beyond the table."""
    rng = np.random.default_rng(seed)
    where = rng.uniform(-half, half, (count, 3)) + np.array([1.0, -2.0, 3.0])
    return where, rng.uniform(0.0, 120.0, (2, count))


def water_equivalent_depth(rsp, lower, spacing, point, direction):
    """Cut the ray from the point upstream at every voxel face, sort the cuts, look up each piece's middle.

    `lower` is the grid's corner, `spacing` the voxel's edges, both (x, y, z); `rsp` is (z, y, x).
    """
    upper = lower + spacing * np.array(rsp.shape[::-1])
    back = -np.asarray(direction)
    cuts = [0.0]
    for axis in range(3):
        if back[axis] != 0.0:
            faces = lower[axis] + spacing[axis] * np.arange(rsp.shape[2 - axis] + 1)
            cuts.extend((faces - point[axis]) / back[axis])
    cuts = sorted(cut for cut in cuts if cut >= 0.0)
    total = 0.0
    for near, far in pairwise(cuts):
        middle = point + 0.5 * (near + far) * back
        if np.all(middle > lower) and np.all(middle < upper):
            x, y, z = np.floor((middle - lower) / spacing).astype(int)
            total += (far - near) * float(rsp[z, y, x])
    return total


def spot_dose(beams, energy, wepl, squared):
    """Channels of 1e6 ions at one point: dose, dose z*, dose LET, two of LEM I, as sums over components."""
    depth = beams["depth"].values
    if wepl > depth[-1]:
        return (0.0,) * len(CHANNELS)
    totals = [0.0] * len(CHANNELS)
    for component in range(beams.sizes["component"]):
        air = float(beams["air_sigma"][energy])
        spread = beams["lateral_sigma"].values[energy, component]
        variance = np.interp(wepl, depth, air**2 + spread**2)
        gauss = math.exp(-squared / (2.0 * variance)) / (2.0 * math.pi * variance)
        for channel, name in enumerate(CHANNELS):
            totals[channel] += (
                GRAY_MM2 * np.interp(wepl, depth, beams[name].values[energy, component]) * gauss
            )
    return tuple(totals)


def spot_peak(beams, energy):
    """Largest dose of 1e6 ions anywhere on the axis of a spot, at the table's depths."""
    return max(spot_dose(beams, energy, depth, 0.0)[0] for depth in beams["depth"].values)


def dense_influence(where, wepl, spot_set, beams, relative_cutoff):
    """Root and linear channel of every spot in every sample, (spot, sample), zero below the cut-off."""
    root = np.zeros((spot_set.sizes["spot"], len(where)))
    linear = np.zeros_like(root)
    peaks = [spot_peak(beams, energy) for energy in range(beams.sizes["energy"])]
    relative = where - spot_set["isocentre"].values
    for spot in range(root.shape[0]):
        field = int(spot_set["field_index"][spot])
        energy = int(spot_set["energy_index"][spot])
        across = relative @ spot_set["u_axis"].values[field] - float(spot_set["spot_u"][spot])
        along = relative @ spot_set["v_axis"].values[field] - float(spot_set["spot_v"][spot])
        for sample in range(len(where)):
            squared = across[sample] ** 2 + along[sample] ** 2
            value = spot_dose(beams, energy, wepl[field, sample], squared)
            if value[0] >= relative_cutoff * peaks[energy]:
                # the modified MKM of the NIRS scale: alpha0 0.172, beta 0.0615
                root[spot, sample] = math.sqrt(0.0615) * value[0]
                linear[spot, sample] = 0.172 * value[0] + 0.0615 * value[1]
    return root, linear


def point_dose(where, wepl, spot_set, beams):
    """Explicit sum over all spots at every point, of every channel."""
    out = np.zeros((len(CHANNELS), len(where)))
    relative = where - spot_set["isocentre"].values
    for spot in range(spot_set.sizes["spot"]):
        field = int(spot_set["field_index"][spot])
        energy = int(spot_set["energy_index"][spot])
        across = relative @ spot_set["u_axis"].values[field] - float(spot_set["spot_u"][spot])
        along = relative @ spot_set["v_axis"].values[field] - float(spot_set["spot_v"][spot])
        for point in range(len(where)):
            squared = across[point] ** 2 + along[point] ** 2
            value = spot_dose(beams, energy, wepl[field, point], squared)
            out[:, point] += float(spot_set["weight"][spot]) * np.array(value)
    return tuple(out)


def forward(row_start, spot_index, root, linear, weight):
    """Row sums of both channels."""
    out = np.zeros((2, len(row_start) - 1))
    for row in range(len(row_start) - 1):
        for entry in range(row_start[row], row_start[row + 1]):
            out[0, row] += float(root[entry]) * weight[spot_index[entry]]
            out[1, row] += float(linear[entry]) * weight[spot_index[entry]]
    return out


def adjoint(entry_start, sample_index, root, linear, gradient_root, gradient_linear):
    """Gather both gradients in every spot."""
    out = np.zeros(len(entry_start) - 1)
    for spot in range(len(out)):
        for entry in range(entry_start[spot], entry_start[spot + 1]):
            sample = sample_index[entry]
            out[spot] += float(root[entry]) * gradient_root[sample]
            out[spot] += float(linear[entry]) * gradient_linear[sample]
    return out


def with_threads(count, function):
    """Run a function on so many threads."""
    before = numba.get_num_threads()
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    try:
        return function()
    finally:
        numba.set_num_threads(before)


def dense(influence, first_index, second_index, shape):
    """Spread a sparse influence, of either order, over a full array of each channel."""
    start, index = influence[first_index].values, influence[second_index].values
    out = np.zeros((2, *shape))
    row = np.repeat(np.arange(len(start) - 1), np.diff(start))
    out[0, row, index] = influence["entry_root"].values
    out[1, row, index] = influence["entry_linear"].values
    return out
