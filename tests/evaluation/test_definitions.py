"""Points inside dura and PRV, and the doses that each definition of the cord's dose gives."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.biology.models import rbe_model
from doseplan.evaluation import definitions
from doseplan.evaluation.definitions import METRICS, doses_by_definition, points_within

RADIUS = 6.0
CENTRE = np.array([1.3, -0.4, 0.2])
"""x, y, z [mm] of a ball, which no symmetry of the voxels shares."""


def ball(voxel: float) -> xr.Dataset:
    """Signed distance from a ball, cut off 12 mm away as those of a phantom are."""
    axes = {name: np.arange(-15.0, 15.0 + 1e-9, voxel) for name in "zyx"}
    z, y, x = np.meshgrid(*axes.values(), indexing="ij")
    away = np.sqrt((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (z - CENTRE[2]) ** 2) - RADIUS
    data = {
        name: schema.variable(name, np.clip(away, -12.0, 12.0)) for name in ("distance_cord", "distance_dura")
    }
    coordinates = {name: schema.variable(name, values) for name, values in axes.items()}
    return xr.Dataset(data, coords=coordinates, attrs={"voxel_mm": voxel})


@pytest.mark.parametrize("voxel", [1.0, 1.5])
@pytest.mark.parametrize("reach", [0.0, 2.0])
def test_points_fill_a_ball_and_lie_on_its_surface(voxel: float, reach: float) -> None:
    position, volume = points_within(ball(voxel), "distance_cord", reach)
    away = np.linalg.norm(position - CENTRE, axis=1) - RADIUS - reach
    surface = volume == 0.0
    # straight lines between voxels make a ball smaller by up to voxel^2 / (6 radius), three times that in
    # volume; half a per cent for cubes of half a millimetre that are in or out, which nearly cancels
    allowed = 0.005 + 3.0 * voxel**2 / (6.0 * RADIUS**2)
    assert volume.sum() == pytest.approx(4.0 / 3.0 * np.pi * (RADIUS + reach) ** 3 / 1000.0, rel=allowed)
    # straight lines between voxels miss the distance from a ball by up to voxel^2 / (4 radius)
    assert away[~surface].max() < voxel**2 / (4.0 * RADIUS) + 0.01
    assert np.abs(away[surface]).max() < voxel**2 / (2.0 * RADIUS)
    # nowhere on the ball is the next point of the surface further than a step
    turns = np.random.default_rng(3).normal(size=(200, 3))
    there = CENTRE + (RADIUS + reach) * turns / np.linalg.norm(turns, axis=1, keepdims=True)
    nearest = np.linalg.norm(there[:, np.newaxis] - position[surface][np.newaxis], axis=2).min(axis=1)
    assert nearest.max() < 0.5


def test_doses_of_a_gradient_have_closed_forms(monkeypatch) -> None:
    """A dose that rises along x by 2 GyE a millimetre, half of it again on LEM I."""
    phantom = ball(1.0)
    structure = np.repeat([1, 2], [3, 1])
    position = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [30.0, 0.0, 0.0]])
    samples = xr.Dataset(
        {
            "sample_position": schema.variable("sample_position", position),
            "sample_structure": schema.variable("sample_structure", structure),
            "sample_volume": schema.variable("sample_volume", [0.02, 0.02, 0.0, 1.0]),
        }
    )

    asked = []

    def made_dose(case, phantom, points, spots, library, *, rays):
        asked.append((case, phantom, spots, library, *rays))
        dose = 20.0 + 2.0 * points["sample_position"].values[:, 0]
        return xr.Dataset(
            {
                "sample_dose_rbe": schema.variable(
                    "sample_dose_rbe", dose, **rbe_model("NIRS").attributes(16)
                ),
                "sample_dose_lem1": schema.variable(
                    "sample_dose_lem1", 1.5 * dose, **rbe_model("LEM1").attributes(16)
                ),
            }
        )

    monkeypatch.setattr(definitions, "trace_spots", lambda *words: words)
    monkeypatch.setattr(definitions, "sample_dose", made_dose)
    case = SimpleNamespace(prv_margin_mm=2.0, prescription=SimpleNamespace(scale="NIRS", fractions=16))
    spots, library = xr.Dataset(), xr.Dataset()
    found = doses_by_definition(case, phantom, samples, spots, library)
    # rays of these spots through this phantom, and the doses on them
    for words in asked:
        given = (case, phantom, spots, library, phantom, spots, library)
        assert all(one is other for one, other in zip(words, given, strict=True))
    assert found["cord"]["max"] == {"NIRS": 24.0, "LEM1": 36.0}
    # the middles of both volumes lie at 0.01 and 0.03 cm3
    assert found["cord"]["d0_03cc"]["NIRS"] == pytest.approx(20.0)
    # the balls end at x = 1.3 + 6 and + 2 more; straight lines and a surface at most half a step away
    for name, end in (("dura", 7.3), ("prv", 9.3)):
        assert found[name]["max"]["NIRS"] == pytest.approx(20.0 + 2.0 * end, abs=0.1)
        assert found[name]["max"]["LEM1"] == pytest.approx(1.5 * found[name]["max"]["NIRS"])
        values = [found[name][metric]["NIRS"] for metric in METRICS]
        assert values == sorted(values, reverse=True)
    # a cap of height h has pi h^2 (3 R - h) / 3: 0.03 cm3 of the ball of 8 mm at h = 1.11 mm
    assert found["prv"]["d0_03cc"]["NIRS"] == pytest.approx(20.0 + 2.0 * (9.3 - 1.11), abs=0.25)
