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
    """Random points in a cube around the isocentre."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-half, half, (count, 3)) + np.array([1.0, -2.0, 3.0])


def phantom(seed=5, voxel=3.0, half=33.0):
    """A cube around the isocentre of random stopping power."""
    centre = np.arange(-half + 0.5 * voxel, half, voxel)
    rsp = np.random.default_rng(seed).uniform(0.3, 1.7, (centre.size,) * 3)
    data = {"rsp": rsp, "z": centre + 3.0, "y": centre - 2.0, "x": centre + 1.0}
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


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


def trace_ray(matter, lower, spacing, start, direction, place, reference):
    """What a ray has met at one place along it: integrals over the pieces between voxel faces upstream.

    Depth, variance by scattering, mean squared distance of the reactions, reactions.
    """
    upper = lower + spacing * np.array(matter.shape[2::-1])
    cuts = [place]
    for axis in range(3):
        if direction[axis] != 0.0:
            faces = lower[axis] + spacing[axis] * np.arange(matter.shape[2 - axis] + 1)
            cuts.extend((faces - start[axis]) / direction[axis])
    cuts = sorted(cut for cut in cuts if cut <= place)
    depth = variance = lever = reactions = 0.0
    for near, far in pairwise(cuts):
        middle = start + 0.5 * (near + far) * direction
        if not (np.all(middle > lower) and np.all(middle < upper)):
            continue
        x, y, z = np.floor((middle - lower) / spacing).astype(int)
        stopping, scattering, rate = (float(value) for value in matter[z, y, x])
        # the kernel takes the residual range in the middle of the whole voxel, even at a place inside it
        whole = far - near
        if far == place:
            faces = lower + spacing * (np.array((x, y, z)) + (direction > 0.0))
            exits = [
                (faces[axis] - start[axis]) / direction[axis] for axis in range(3) if direction[axis] != 0.0
            ]
            whole = min(exits) - near
        power = scattering / max(reference - depth - 0.5 * stopping * whole, 1.0)
        # integral of (place - s)^2 from near to far
        moment = ((place - near) ** 3 - (place - far) ** 3) / 3.0
        variance += power * moment
        lever += rate * moment
        reactions += rate * (far - near)
        depth += stopping * (far - near)
    return depth, variance, lever / reactions if reactions > 0.0 else 0.0, reactions


def spot_doses(where, rays, spot_set, beams, cuts=(6.0, 5.0, 4.0)):
    """Channels of 1e6 ions of every spot at every point, (spot, channel, point): sub-spot after sub-spot."""
    depth = beams["depth"].values
    sub, components = rays.sub_spots, beams.sizes["component"]
    air = beams["air_sigma"].values ** 2
    field_of, energy_of = spot_set["field_index"].values, spot_set["energy_index"].values
    row_of = {
        (int(f), *np.round(uv, 6)): row
        for row, (f, uv) in enumerate(zip(sub.row_field, sub.row_uv, strict=True))
    }
    out = np.zeros((spot_set.sizes["spot"], len(CHANNELS), len(where)))
    for spot in range(out.shape[0]):
        field, energy = int(field_of[spot]), int(energy_of[spot])
        u, v, w = ((where - rays.isocentre) @ rays.axes[field].T).T
        place = (w - rays.first[field]) / rays.step_mm
        node = np.floor(place).astype(int)
        for component in range(components):
            part = field * components + component
            pitch, narrow = sub.pitch[part], sub.variance[part]
            spread = mean_spread(beams, np.unique(energy_of[field_of == field]), component)
            for line_u, line_v, share in lattice(
                float(spot_set["spot_u"][spot]), float(spot_set["spot_v"][spot]), air[energy] - narrow, pitch
            ):
                nodes = rays.nodes[row_of[(field, *np.round((line_u, line_v), 6))]].astype(float)
                one = nodes[node] + (place - node)[:, None] * (nodes[node + 1] - nodes[node])
                own = one[:, 0]
                kind = 1 if component == 0 else 3
                drift = w * (2.0 * rays.drift[field, 0] + w * rays.drift[field, 1])
                variance = narrow + drift + one[:, kind] * np.interp(own, depth, spread)
                squared = (u - line_u) ** 2 + (v - line_v) ** 2
                beside = (narrow + drift) / variance
                wepl = path_depth(
                    rays, field, line_u + beside * (u - line_u), line_v + beside * (v - line_v), place, own
                )
                gauss = np.exp(-squared / (2.0 * variance)) / (2.0 * math.pi * variance)
                gauss *= one[:, kind + 1] / (1.0 - math.exp(-cuts[component]))
                gauss[(squared / (2.0 * variance) > cuts[component]) | (wepl > depth[-1])] = 0.0
                for channel, name in enumerate(CHANNELS):
                    curve = GRAY_MM2 * beams[name].values[energy, component]
                    out[spot, channel] += share * gauss * np.interp(wepl, depth, curve)
    return out


PATHS = {}


def paths_of(rays, field):
    """Traced paths of a field by the numbers of their lattice lines."""
    key = (id(rays), field)
    if key not in PATHS:
        sub = rays.sub_spots
        mine = np.flatnonzero(sub.path_field == field)
        lines = np.rint(sub.path_uv[mine] / sub.path_pitch).astype(int)
        # the rays are kept too, so that no other ones get their number
        PATHS[key] = rays, {tuple(line): row for row, line in zip(mine, lines, strict=True)}
    return PATHS[key][1]


def path_depth(rays, field, u, v, place, own):
    """Depth between the four traced paths around every point, the ray's own where one is missing."""
    sub, path_of = rays.sub_spots, paths_of(rays, field)
    found = own.copy()
    for point in range(len(u)):
        at = np.array([u[point], v[point]]) / sub.path_pitch
        corner = np.floor(at).astype(int)
        node = int(place[point])
        depth = 0.0
        for across, along in ((0, 0), (1, 0), (0, 1), (1, 1)):
            path = path_of.get((corner[0] + across, corner[1] + along))
            if path is None:
                break
            near, far = (float(rays.paths[path, one]) for one in (node, node + 1))
            share = np.prod(np.where([across, along], at - corner, 1.0 - (at - corner)))
            depth += share * (near + (place[point] - node) * (far - near))
        else:
            found[point] = depth
    return found


def mean_spread(beams, energies, component):
    """Variance that water adds, weighted by the dose of the energies."""
    weight = beams["idd"].values[energies, component]
    variance = beams["lateral_sigma"].values[energies, component] ** 2
    even = variance.mean(axis=0)
    total = weight.sum(axis=0)
    enough = total > 1e-12 * total.max()
    return np.where(enough, (weight * variance).sum(axis=0) / np.where(enough, total, 1.0), even)


def lattice(u, v, variance, pitch, cut=7.0):
    """Places and shares of the sub-spots of a spot: a Gaussian, cut and made to add up to one."""
    half = int(math.sqrt(2.0 * cut * variance) / pitch) + 2
    found = []
    for i in range(math.floor(u / pitch) - half, math.floor(u / pitch) + half + 1):
        for j in range(math.floor(v / pitch) - half, math.floor(v / pitch) + half + 1):
            exponent = ((i * pitch - u) ** 2 + (j * pitch - v) ** 2) / (2.0 * variance)
            if exponent <= cut + 1e-9:
                found.append((i * pitch, j * pitch, math.exp(-exponent)))
    total = sum(share for *_, share in found)
    return [(line_u, line_v, share / total) for line_u, line_v, share in found]


def spot_peak(beams, energy):
    """Largest dose of 1e6 ions anywhere on the axis of a spot in water, at the table's depths."""
    variance = float(beams["air_sigma"][energy]) ** 2 + beams["lateral_sigma"].values[energy] ** 2
    return (GRAY_MM2 * beams["idd"].values[energy] / (2.0 * math.pi * variance)).sum(axis=0).max()


def dense_influence(where, rays, spot_set, beams, relative_cutoff):
    """Root and linear channel of every spot in every sample, (spot, sample), zero below the cut-off."""
    return cut_influence(spot_doses(where, rays, spot_set, beams), spot_set, beams, relative_cutoff)


def cut_influence(dose, spot_set, beams, relative_cutoff):
    """Root and linear channel from those of `spot_doses`, zero below the cut-off."""
    peaks = np.array([spot_peak(beams, energy) for energy in spot_set["energy_index"].values])
    kept = dose[:, 0] >= relative_cutoff * peaks[:, None]
    # the modified MKM of the NIRS scale: alpha0 0.172, beta 0.0615
    root = np.where(kept, math.sqrt(0.0615) * dose[:, 0], 0.0)
    linear = np.where(kept, 0.172 * dose[:, 0] + 0.0615 * dose[:, 1], 0.0)
    return root, linear


def point_dose(where, rays, spot_set, beams):
    """Explicit sum over all spots at every point, of every channel."""
    return np.einsum("s,scp->cp", spot_set["weight"].values, spot_doses(where, rays, spot_set, beams))


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
