"""Rays through matter: scattering, reactions, geometry of what they cross; scenarios; reuse bit for bit."""

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.beam.cross_sections import interaction_coefficient
from doseplan.beam.medium import WATER, media
from doseplan.beam.scattering import scattering_power
from doseplan.beam.species import species_of
from doseplan.beam.stopping import energy_at_range
from doseplan.case.tissues import TISSUES
from doseplan.dose import Scenario, place_fields, place_spots, point_dose, trace_spots, with_range_error
from doseplan.dose.air import drift_in_air
from doseplan.dose.rays import BEYOND_MM
from doseplan.messages import InputError

LENGTH = 90


def _slab(material, tissue, first=10, last=30):
    """Water with a slab of something across the beam, from the surface at y = -2, in voxels of 1 mm depth."""
    shape = (30, LENGTH, 30)
    medium = media()[material]
    rsp, density, code = np.ones(shape), np.ones(shape), np.full(shape, TISSUES.index("csf"), np.uint8)
    # electrons per volume stand in for the stopping power ratio: the test needs no better
    rsp[:, first:last] = medium.density * medium.z_over_a / 0.5551
    density[:, first:last] = medium.density
    code[:, first:last] = TISSUES.index(tissue)
    line = 4.0 * (np.arange(30) - 14.5)
    data = {"rsp": rsp, "density": density, "tissue": code}
    data |= {"z": line + 3.0, "y": np.arange(LENGTH) - 1.5, "x": line + 1.0}
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


@pytest.fixture(scope="module")
def one_spot(twin, beams):
    spots = twin.spots(beams, gantries=(0.0,)).isel(spot=[0])
    changed = {"energy_index": 20, "spot_u": 0.0, "spot_v": 0.0, "weight": 1.0}
    return spots.assign({name: spots[name].copy(data=[value]) for name, value in changed.items()})


def _middle(rays):
    """The profile of the ray through the isocentre: places from the surface, columns."""
    row = int(np.flatnonzero((rays.sub_spots.row_uv == 0.0).all(axis=1))[0])
    place = rays.first[0] + rays.step_mm * np.arange(rays.nodes.shape[1])
    return place, rays.nodes[row].astype(float)


def _scattered(depth_mm, path_mm, powers, range_mm):
    """Lateral variance at the end of the path, by summing scattering power step by step."""
    energy = energy_at_range("12C", np.maximum(range_mm - depth_mm, 0.3) * 0.0998)
    entrance = float(energy_at_range("12C", np.array([range_mm * 0.0998]))[0])
    ion = species_of("12C")
    per_mm = np.array(
        [
            float(scattering_power(ion, one[np.newaxis], entrance, medium)[0]) * medium.density / 10.0
            for one, medium in zip(energy, powers, strict=True)
        ]
    )
    step = np.gradient(path_mm)
    return float(np.sum(per_mm * (path_mm[-1] - path_mm) ** 2 * step))


@pytest.mark.parametrize(
    ("material", "tissue"), [("cortical_bone", "cortical_bone"), ("titanium", "implant"), ("lung", "lung")]
)
def test_scattering_goes_by_the_material(one_spot, beams, material, tissue):
    """Factor of the variance against the integral of Moliere scattering power in the slab and in water."""
    rays = trace_spots(_slab(material, tissue), one_spot, beams)
    place, nodes = _middle(rays)
    range_mm = float(beams["r80"][20]) + BEYOND_MM
    medium = media()[material]
    for here in (25.0, 29.0, 40.0):
        node = int(np.searchsorted(place, here))
        wepl = nodes[node, 0]
        if wepl > float(beams["r80"][20]):
            continue
        path = np.arange(0.05, place[node], 0.1)
        inside = (path > 10.0) & (path < 30.0)
        stopping = medium.density * medium.z_over_a / 0.5551
        depth = np.cumsum(np.where(inside, stopping, 1.0)) * 0.1
        slab = _scattered(depth, path, [medium if one else WATER for one in inside], range_mm)
        flat = np.arange(0.05, wepl, 0.1)
        water = _scattered(flat, flat, [WATER] * flat.size, range_mm)
        # 1 / residual range against Moliere's, with its correction for single scattering: 5 % of a ratio,
        # which is 2.5 % of a width that is itself a small part of the spot's
        assert nodes[node, 1] == pytest.approx(slab / water, rel=0.05)
    assert np.ptp(nodes[:, 1]) > 0.05


def test_reactions_go_by_the_material(one_spot, beams):
    place, nodes = _middle(trace_spots(_slab("cortical_bone", "cortical_bone"), one_spot, beams))
    node = int(np.searchsorted(place, 40.0))
    energy = np.array([200.0])
    bone = media()["cortical_bone"]
    per_mm = [float(interaction_coefficient("12C", energy, medium)[0]) / 10.0 for medium in (WATER, bone)]
    crossed = 20.0 * bone.density * per_mm[1] + 20.0 * per_mm[0]
    # water voxels weigh 1 g/cm3 here
    expected = np.exp(-crossed + per_mm[0] * nodes[node, 0])
    # what is around the slab is saline, whose reactions differ from water's by 0.3 % of 8 %
    assert nodes[node, 2] == pytest.approx(expected, rel=1e-3)
    assert nodes[node, 2] > 1.005, "bone of the same stopping power destroys fewer ions than water"
    assert nodes[node, 4] < 0.99


def test_a_plain_ray_in_water_has_factors_of_one(phantom_of, one_spot, beams):
    place, nodes = _middle(trace_spots(phantom_of(), one_spot, beams))
    # the surface is at y = -52, 50 mm upstream; ranges end at 70 mm
    inside = (place > -45.0) & (place < 19.0)
    # scattering power is taken in the middle of each voxel of 2 mm
    np.testing.assert_allclose(nodes[inside, 1:], 1.0, rtol=4e-3)


def test_fragments_spread_with_the_geometry(one_spot, beams):
    """Behind a lung fragments had a longer way to fly apart: mean squared distance from their birth."""
    place, nodes = _middle(trace_spots(_slab("lung", "lung"), one_spot, beams))
    node = int(np.searchsorted(place, 40.0))
    path = np.arange(0.05, place[node], 0.1)
    lung = media()["lung"]
    ratio = float(
        interaction_coefficient("12C", np.array([200.0]), lung)[0]
        / interaction_coefficient("12C", np.array([200.0]), WATER)[0]
    )
    rate = np.where((path > 10.0) & (path < 30.0), lung.density * ratio, 1.0)
    lever = np.average((place[node] - path) ** 2, weights=rate)
    # steps of 0.1 mm
    assert nodes[node, 3] == pytest.approx(lever / (nodes[node, 0] ** 2 / 3.0), rel=0.01)
    assert nodes[node, 3] > 1.5


@pytest.fixture(scope="module")
def rough(phantom_of):
    return phantom_of(np.random.default_rng(6).uniform(0.6, 1.4, (40, 46, 50)))


@pytest.fixture(scope="module")
def spots(twin, beams):
    return twin.spots(beams, half=1).isel(spot=slice(None, None, 9))


def test_rays_that_pass_no_changed_voxel_are_reused_bit_for_bit(rough, spots, beams):
    other = rough.copy(deep=True)
    other["rsp"].values[18:22, 20:24, 24:27] = 2.5
    before = trace_spots(rough, spots, beams)
    fresh = trace_spots(other, spots, beams)
    poisoned = before.met.copy()
    crossed = (fresh.met != before.met).any(axis=(1, 2))
    assert 0 < crossed.sum() < crossed.size
    reused = trace_spots(other, spots, beams, before=(rough, before))
    np.testing.assert_array_equal(reused.met, fresh.met)
    np.testing.assert_array_equal(reused.nodes, fresh.nodes)
    np.testing.assert_array_equal(before.met, poisoned)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.0, -40.0, 31.0)])
def test_rays_of_a_shift_take_over_sub_spots_bit_for_bit(rough, spots, beams, shift):
    """Also where another number of nodes reaches through the grid."""
    before = trace_spots(rough, spots, beams)
    scenario = Scenario(shift_mm=shift, range_percent=2.0)
    fresh = trace_spots(rough, spots, beams, scenario=scenario)
    reused = trace_spots(rough, spots, beams, scenario=scenario, before=(rough, before))
    assert reused.sub_spots is before.sub_spots
    for name in ("met", "paths", "depths", "nodes", "first", "isocentre"):
        np.testing.assert_array_equal(getattr(reused, name), getattr(fresh, name))


def test_most_rays_are_taken_over(rough, spots, beams, monkeypatch):
    from doseplan.dose import rays as module

    other = rough.copy(deep=True)
    other["rsp"].values[20, 22, 25] = 2.5
    before = trace_spots(rough, spots, beams)
    traced = []
    kernel = module.kernel

    def counting(matter, lower, spacing, start, *rest):
        traced.append(len(start))
        kernel(matter, lower, spacing, start, *rest)

    monkeypatch.setattr(module, "kernel", counting)
    trace_spots(other, spots, beams, before=(rough, before))
    assert 0 < sum(traced) < 0.2 * len(before.met)


def test_a_shift_is_the_shifted_patient(rough, spots, beams):
    shift = (2.0, -4.0, 2.0)
    points = np.random.default_rng(3).uniform(-12.0, 12.0, (60, 3))
    shifted = point_dose(
        points, trace_spots(rough, spots, beams, scenario=Scenario(shift_mm=shift)), spots, beams
    )
    moved = rough.assign_coords({name: rough[name] + step for name, step in zip("xyz", shift, strict=True)})
    expected = point_dose(points + shift, trace_spots(moved, spots, beams), spots, beams)
    # places of the nodes differ by rounding of the shift
    np.testing.assert_allclose(shifted.dose, expected.dose, rtol=1e-4, atol=1e-6 * expected.dose.max())
    plain = point_dose(points, trace_spots(rough, spots, beams), spots, beams)
    assert np.abs(shifted.dose - plain.dose).max() > 0.05 * plain.dose.max()


def test_a_range_error_scales_depths_and_traces_nothing(rough, spots, beams):
    nominal = trace_spots(rough, spots, beams)
    wrong = with_range_error(nominal, spots, beams, 3.5)
    np.testing.assert_allclose(wrong.nodes[..., 0], 1.035 * nominal.nodes[..., 0], rtol=1e-6)
    assert wrong.met is nominal.met
    traced = trace_spots(rough, spots, beams, scenario=Scenario(range_percent=3.5))
    np.testing.assert_array_equal(traced.nodes, wrong.nodes)


def test_a_pitch_that_is_too_coarse_is_an_error(rough, spots, beams):
    with pytest.raises(InputError, match=r"pitch_mm: expected at most .* mm for spots of .* mm, got 9"):
        trace_spots(rough, spots, beams, pitch_mm=9.0)


def test_a_beam_in_air_is_smaller_towards_the_nozzle(phantom_of, case_of, beams):
    """The width in front of the patient and behind the isocentre, from the points of a spot in thin air."""
    phantom = phantom_of(np.full((40, 46, 50), 1e-4))
    found = {}
    for nozzle_mm in (0.0, 650.0):
        case = case_of(0.0, nozzle_mm=nozzle_mm)
        spots = place_spots(case, phantom, place_fields(case, phantom), beams)
        one = spots.isel(spot=[0]).assign(weight=spots["weight"].isel(spot=[0]).copy(data=[1.0]))
        rays = trace_spots(phantom, one, beams)
        line = np.arange(-20.0, 20.5, 0.5)
        u, v = (side.ravel() for side in np.meshgrid(line, line))
        iso, field_u = one["isocentre"].values, one["spot_u"].values[0]
        found[nozzle_mm] = []
        for along in (-40.0, 0.0, 30.0):
            plane = np.column_stack([u + field_u, np.full(u.size, along), v + one["spot_v"].values[0]])
            dose = point_dose(plane + iso, rays, one, beams).dose
            found[nozzle_mm].append(np.average(u**2, weights=dose))
    still, wide = found[0.0], found[650.0]
    covariance, angle = drift_in_air(one, beams)[0]
    assert wide[0] < wide[1] < wide[2]
    assert wide[1] == pytest.approx(still[1], rel=1e-3)
    for along, width in zip((-40.0, 30.0), (wide[0], wide[2]), strict=True):
        # Gaussians that end at e^-6 lose 1.5 % of what is added
        assert width - wide[1] == pytest.approx(2.0 * along * covariance + along**2 * angle, rel=0.1)
    # 0.7 mrad behind half of 3 mm of water at 290 MeV/u by Highland's formula; Moliere's at 100 to 200 MeV/u
    assert 0.5e-3 < np.sqrt(angle) < 3e-3
