from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree

from doseplan.anatomy import place_samples
from doseplan.case import Case
from doseplan.messages import InputError
from doseplan.schema import STRUCTURES

ARMS = ("none", "decompressed", "separated")


@pytest.fixture(scope="module")
def samples(arms: dict[str, xr.Dataset], case: Case) -> dict[str, xr.Dataset]:
    return {arm: place_samples(arms[arm], case) for arm in ARMS}


def of(samples: xr.Dataset, structure: str, *, surface: bool) -> np.ndarray:
    """Positions (sample, axis) of the samples on or in a structure."""
    chosen = samples["sample_structure"].values == STRUCTURES[structure]
    chosen &= (samples["sample_volume"].values == 0.0) == surface
    return samples["sample_position"].values[chosen]


def at_voxels(phantom: xr.Dataset, name: str, positions: np.ndarray) -> np.ndarray:
    points = {axis: ("sample", positions[:, i]) for i, axis in enumerate("xyz")}
    return phantom[name].interp(points).values


@pytest.mark.parametrize("arm", ARMS)
def test_volumes_of_the_samples_are_those_of_the_structures(arm: str, samples, arms) -> None:
    found, phantom = samples[arm], arms[arm]
    for structure in ("cord", "target"):
        chosen = found["sample_structure"].values == STRUCTURES[structure]
        volume = float(found["sample_volume"].values[chosen].sum())
        # lattice counting of a smooth body; the cord loses a half cell at each end of the grid
        assert volume == pytest.approx(phantom.attrs[f"{structure}_cm3"], rel=0.01)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("reach", [5.0, 8.0])
def test_the_part_of_the_target_near_the_dura_is_that_of_the_voxels(arm: str, reach, samples, arms) -> None:
    found, phantom = samples[arm], arms[arm]
    near = (found["sample_structure"].values == STRUCTURES["target"]) & (
        found["sample_dura_distance"].values <= reach
    )
    voxels = phantom["target"].values[phantom["distance_dura"].values <= reach].sum() / 1000.0
    # voxels of 1 mm count by their centres on 2 mm of tissue or more: both edges blur by 0.05 mm
    assert found["sample_volume"].values[near].sum() == pytest.approx(float(voxels), rel=0.05)


@pytest.mark.parametrize("arm", ARMS)
def test_every_piece_of_cord_surface_has_a_sample_within_half_a_millimetre(arm: str, samples, arms) -> None:
    surface = of(samples[arm], "cord", surface=True)
    # not at the ends of the grid, nor at the conus, which is thinner than voxels resolve
    middle = surface[(surface[:, 2] > -46.0) & (surface[:, 2] < 54.0)]
    # linear between voxels of 1 mm, the rim of the pressed cord (radius 1 mm) lies h^2 / 8 R = 0.12 mm off
    assert np.abs(at_voxels(arms[arm], "distance_cord", middle)).max() < 0.13
    gaps, _ = cKDTree(surface).query(surface, k=2)
    assert gaps[surface[:, 2] > -46.0, 1].max() <= 0.5
    assert gaps[:, 1].max() <= 0.6
    voxels = arms[arm]["distance_cord"]
    shell = np.argwhere(np.abs(voxels.values) < 0.2)
    points = np.column_stack([voxels["xyz"[i]].values[shell[:, 2 - i]] for i in range(3)])
    # a voxel centre within 0.2 mm of the surface has a sample within half the diagonal of 0.5 mm, and 0.2
    assert cKDTree(surface).query(points)[0].max() < 0.6


@pytest.mark.parametrize("arm", ARMS)
def test_dura_facing_samples_are_dense_and_near_the_dura(arm: str, samples) -> None:
    found = samples[arm]
    facing = found["dura_facing"].values
    assert (found["sample_structure"].values[facing] == STRUCTURES["target"]).all()
    separation = 0.0 if arm == "none" else float(found.attrs["separation_mm"])
    distance = found["sample_dura_distance"].values[facing]
    assert distance.min() > separation - 0.1
    assert distance.max() <= separation + 1.0 + 1e-6
    positions = found["sample_position"].values[facing]
    gaps = cKDTree(positions).query(positions, k=2)[0][:, 1]
    # pieces cut off at the rim of the facing region may be smaller than the spacing
    assert np.mean(gaps <= 0.5) > 0.997


@pytest.mark.parametrize("arm", ARMS)
def test_no_target_sample_lies_inside_the_dura_and_no_cord_sample_outside(arm: str, samples) -> None:
    found = samples[arm]
    structure, distance = found["sample_structure"].values, found["sample_dura_distance"].values
    assert (
        distance[structure == STRUCTURES["target"]].min() > -0.1
    )  # on the dura itself in the arm without gap
    assert distance[structure == STRUCTURES["cord"]].max() < 0.0


def test_other_tissue_surrounds_the_target_and_is_not_part_of_it(samples, arms) -> None:
    other = of(samples["separated"], "other", surface=False)
    assert len(other) > 4000
    assert at_voxels(arms["separated"], "target", other).max() < 0.5
    assert at_voxels(arms["separated"], "cord", other).max() < 0.5
    assert at_voxels(arms["separated"], "density", other).min() > 0.1


@pytest.mark.parametrize("arm", ARMS)
def test_first_working_set_is_small_and_covers_what_counts(arm: str, samples) -> None:
    found = samples[arm]
    planned = found["planned"].values
    assert planned.sum() <= 18_500
    for structure, least in (("cord", 5000), ("target", 3000), ("other", 1000)):
        assert (planned & (found["sample_structure"].values == STRUCTURES[structure])).sum() > least
    facing = found["dura_facing"].values
    chosen = found["sample_position"].values[facing & planned]
    # every dura-facing point has a planned one within the diagonal of a cell of 1 mm
    assert cKDTree(chosen).query(found["sample_position"].values[facing])[0].max() < 1.75


def test_order_is_the_same_every_time(samples, arms, case: Case) -> None:
    again = place_samples(arms["separated"], case)
    xr.testing.assert_identical(again, samples["separated"])


def test_a_phantom_without_a_target_is_refused(arms, case: Case) -> None:
    empty = arms["separated"].assign(target=arms["separated"]["target"] * np.float32(0.0))
    with pytest.raises(InputError, match="target: expected in the voxels"):
        place_samples(empty, replace(case))
