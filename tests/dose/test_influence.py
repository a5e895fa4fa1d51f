"""What the dose of spots must obey: energy balance, symmetry, linearity, adjoint products; bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doseplan.biology.mkm import HSG
from doseplan.dose.channels import CURVES
from doseplan.dose.depth import water_equivalent_depth
from doseplan.dose.fields import place_fields
from doseplan.dose.influence import dose_influence, transpose
from doseplan.dose.point import point_dose
from doseplan.dose.spots import place_spots
from doseplan.kernels.products import adjoint, forward
from doseplan.messages import InputError

GRAY_MM2_PER_IDD = 0.01602176634  # 1e6 ions x 1.602e-10 Gy g/MeV x 100 mm2/cm2


@pytest.fixture(scope="module")
def one_spot(twin, beams):
    """A single spot of energy 15 (r80 60 mm) and weight 1 at the isocentre of a field along +y."""
    spots = twin.spots(beams, gantries=(0.0,)).isel(spot=[0])
    changed = {"energy_index": 15, "spot_u": 0.0, "spot_v": 0.0, "weight": 1.0}
    return spots.assign({name: spots[name].copy(data=[value]) for name, value in changed.items()})


def _lattice(spots, half=90.0, step=1.0):
    line = np.arange(-half, half + step / 2, step)
    u, v = (side.ravel() for side in np.meshgrid(line, line))
    plane = u[:, np.newaxis] * spots["u_axis"].values[0] + v[:, np.newaxis] * spots["v_axis"].values[0]
    return spots["isocentre"].values + plane


@pytest.mark.parametrize("depth", [0.0, 20.0, 59.5, 62.0, 90.0])
def test_lateral_integral_is_the_depth_dose(one_spot, beams, depth):
    points = _lattice(one_spot)
    channels = point_dose(points, np.full((1, len(points)), depth), one_spot, beams)
    place = int(np.searchsorted(beams["depth"].values, depth))
    assert beams["depth"].values[place] == depth
    for channel, name in zip(channels, CURVES, strict=True):
        expected = GRAY_MM2_PER_IDD * beams[name].values[15, :, place].sum()
        # a 1 mm lattice sums a Gaussian of sigma > 2.5 mm to 1e-50; the widest, 11.6 mm at 90 mm, has 1e-13
        # of itself beyond 90 mm
        assert channel.sum() == pytest.approx(expected, rel=1e-11)


def _kept(one_spot, beams, depth):
    """Return the part of the energy at this depth that the entries hold, and the amplitude."""
    points = _lattice(one_spot)
    wepl = np.full((1, len(points)), depth)
    dose = point_dose(points, wepl, one_spot, beams)[0]
    kept = dose_influence(points, wepl, one_spot, beams)["entry_root"].values.sum(dtype=np.float64)
    return kept / (np.sqrt(HSG.beta) * dose.sum()), dose.max()


def test_the_cutoff_loses_the_skirt_and_nothing_else(one_spot, beams, twin):
    # behind the primaries one Gaussian of amplitude a is left; cut where it falls to t it loses t / a
    kept, amplitude = _kept(one_spot, beams, 90.0)
    lost = 1e-4 * twin.spot_peak(beams, 15) / amplitude
    # a circle of radius 23 mm on a 1 mm lattice: some entries of the rim more or less
    assert 1.0 - kept == pytest.approx(lost, rel=0.05)
    assert lost > 0.1
    # where there are primaries, the fragments' skirt is a small part of the energy
    assert 0.0 < 1.0 - _kept(one_spot, beams, 20.0)[0] < 0.02


def test_a_pristine_spot_is_round(one_spot, beams):
    rng = np.random.default_rng(4)
    iso = one_spot["isocentre"].values
    u, v = rng.uniform(0.0, 20.0, (2, 30))
    wepl = rng.uniform(0.0, 100.0, (1, 30))

    def dose_at(across, along):
        points = iso + np.outer(across, one_spot["u_axis"].values[0]) + np.outer(along, [0.0, 0.0, 1.0])
        return point_dose(points, wepl, one_spot, beams)[0]

    radius = np.hypot(u, v)
    for other in (dose_at(-u, v), dose_at(u, -v), dose_at(v, u), dose_at(radius, 0.0 * u)):
        # positions are rounded to 1e-14 mm, exponents of up to 30 to 1e-14
        np.testing.assert_allclose(other, dose_at(u, v), rtol=1e-11)


def _plan(case, phantom, beams):
    spots = place_spots(case, phantom, place_fields(case, phantom), beams)
    return spots.assign(weight=spots["weight"].copy(data=np.ones(spots.sizes["spot"])))


def test_a_mirrored_patient_in_a_mirrored_beam_gets_the_mirrored_dose(phantom_of, case_of, beams):
    rsp = np.random.default_rng(6).uniform(0.6, 1.4, (40, 46, 50))
    left, right = (
        phantom_of(rsp, centre=(3.0, -6.0, 2.0)),
        phantom_of(rsp[:, :, ::-1], centre=(-3.0, -6.0, 2.0)),
    )
    points = np.random.default_rng(7).uniform(-25.0, 25.0, (300, 3))
    doses = []
    for phantom, gantry, sign in ((left, 40.0, 1.0), (right, 320.0, -1.0)):
        spots = _plan(case_of(gantry), phantom, beams)
        mirrored = points * [sign, 1.0, 1.0]
        wepl = water_equivalent_depth(phantom, spots, mirrored)
        doses.append(point_dose(mirrored, wepl, spots, beams))
    # sines of 40 and 320 degrees differ in the last bit; a steep curve turns 1e-13 mm into 1e-13 of its peak
    np.testing.assert_allclose(doses[0], doses[1], rtol=1e-10)
    assert np.max(doses[0][0]) > 0.0


@pytest.fixture(scope="module")
def plan(phantom_of, case_of, beams):
    phantom = phantom_of()
    spots = _plan(case_of(0.0, 110.0, spot_spacing_mm=5.0, layer_spacing_mm=4.0), phantom, beams)
    points = np.random.default_rng(8).uniform(-25.0, 25.0, (200, 3))
    wepl = water_equivalent_depth(phantom, spots, points)
    return spots, points, wepl, dose_influence(points, wepl, spots, beams)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.0, 50.0))
def test_dose_is_linear_in_the_weights(plan, beams, seed, scale):
    spots, points, wepl, _ = plan
    first, second = np.random.default_rng(seed).random((2, spots.sizes["spot"]))

    def dose(weight):
        weighted = spots.assign(weight=spots["weight"].copy(data=weight))
        return np.array(point_dose(points[:20], wepl[:, :20], weighted, beams))

    # float64 sums of positive terms
    np.testing.assert_allclose(dose(first + scale * second), dose(first) + scale * dose(second), rtol=1e-12)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_the_products_are_adjoint(plan, seed):
    spots, points, _, influence = plan
    by_sample = transpose(influence)
    rng = np.random.default_rng(seed)
    weight, gradient = rng.random(spots.sizes["spot"]), rng.normal(size=(2, len(points)))
    dose, back = np.empty((2, len(points))), np.empty(spots.sizes["spot"])
    rows = [by_sample[name].values for name in ("row_start", "spot_index", "entry_root", "entry_linear")]
    columns = [
        influence[name].values for name in ("entry_start", "sample_index", "entry_root", "entry_linear")
    ]
    forward(*rows, weight, dose[0], dose[1])
    for channel in range(2):
        chosen = np.zeros_like(gradient)
        chosen[channel] = gradient[channel]
        adjoint(*columns, chosen[0], chosen[1], back)
        # two orders of the same float64 sum; its terms are of both signs and add up to `size`
        size = np.abs(gradient[channel]) @ dose[channel]
        assert abs(gradient[channel] @ dose[channel] - weight @ back) < 1e-13 * size


def test_influence_that_does_not_fit_is_an_error(plan, beams):
    spots, points, wepl, _ = plan
    with pytest.raises(InputError, match=r"dose influence: expected at most 0.0001 GiB, got .* would fit"):
        dose_influence(points, wepl, spots, beams, memory_gib=1e-4)


def test_depths_of_another_shape_are_an_error(plan, beams):
    spots, points, wepl, _ = plan
    with pytest.raises(
        InputError, match=r"wepl: expected shape \(field, sample\) = \(2, 200\), got \(1, 200\)"
    ):
        dose_influence(points, wepl[:1], spots, beams)
    with pytest.raises(InputError, match="at least one sample"):
        dose_influence(points[:0], wepl[:, :0], spots, beams)
    with pytest.raises(InputError, match="expected finite numbers"):
        dose_influence(points, np.where(wepl == wepl.max(), np.nan, wepl), spots, beams)


def test_progress_ends_at_one(plan, beams):
    spots, points, wepl, _ = plan
    told = []
    dose_influence(points, wepl, spots, beams, progress=lambda message, done: told.append(done))
    assert told == sorted(told)
    assert told[-1] == 1.0
