"""The dose of the vertebral bodies: which voxels count, and what is told of them."""

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.biology import rbe_attributes
from doseplan.biology.models import rbe_model
from doseplan.case.tissues import TISSUES
from doseplan.evaluation import body_doses

SHAPE = (4, 6, 5)
"""z, y, x: two slices for each of two levels; canal in rows 3 and 4, bone in front of it and behind."""


def made_phantom() -> xr.Dataset:
    region = np.zeros(SHAPE, np.uint8)
    region[:, 0:3, 1:4] = 1
    region[:, 5, 2] = 1
    region[:, 3:5, 2] = 2
    target = np.zeros(SHAPE)
    target[2:, 2, 3] = 1.0
    values = {
        "region": region,
        "tissue": np.full(SHAPE, TISSUES.index("spongiosa")),
        "spot_target": target,
        "level_index": [0, 0, 1, 1],
    }
    axes = {
        name: schema.variable(name, 5.0 * np.arange(size)) for name, size in zip("zyx", SHAPE, strict=True)
    }
    data = {name: schema.variable(name, value) for name, value in values.items()}
    attributes = {"levels": "T11 T12", "voxel_mm": 5.0, "own_shape_known": True}
    return xr.Dataset(data, coords=axes, attrs=attributes)


def made_dose(phantom: xr.Dataset, weighted: np.ndarray) -> xr.Dataset:
    """Absorbed dose is half; LET is 20 where there is little dose and 80 where there is much."""
    values = {"dose": 0.5 * weighted, "let_d": np.where(weighted > 50.0, 80.0, 20.0)}
    data = {name: schema.variable(name, value) for name, value in values.items()}
    data["dose_rbe"] = schema.variable("dose_rbe", weighted, **rbe_attributes(16))
    lem1 = rbe_model("LEM1").attributes(16)
    data["bone_dose_lem1"] = schema.variable("bone_dose_lem1", 1.25 * weighted, **lem1)
    return xr.Dataset(data, coords=phantom.coords)


def test_bone_in_front_of_the_canal_counts_at_levels_with_target(case) -> None:
    phantom = made_phantom()
    weighted = np.zeros(SHAPE)
    weighted[2:, 0:3, 1:4] = 20.0
    weighted[2:, 0, 1:4] = 62.0  # a third of the body
    weighted[2:, 5] = 70.0  # the spinous process is no body
    found = body_doses(case, phantom, made_dose(phantom, weighted))
    assert found is not None
    assert list(found) == ["T12"]
    body = found["T12"]
    assert body["volume_cm3"] == pytest.approx(18 * 0.125)
    assert body["mean_gye"] == pytest.approx((62.0 + 2 * 20.0) / 3)
    assert body["mean_absorbed_gy"] == pytest.approx(0.5 * body["mean_gye"])
    assert body["v40_percent"] == body["v60_percent"] == pytest.approx(100.0 / 3)
    assert body["mean_let_d_kev_um"] == pytest.approx((62.0 * 80.0 + 40.0 * 20.0) / 102.0)
    assert body["mean_lem1_gy_rbe"] == pytest.approx(1.25 * body["mean_gye"])


def test_lem_is_counted_on_its_own_scale(case) -> None:
    phantom = made_phantom()
    dose = made_dose(phantom, np.full(SHAPE, 50.0))
    found = body_doses(case, phantom, dose)
    assert found is not None
    assert (found["T12"]["v60_percent"], found["T12"]["v60_lem1_percent"]) == (0.0, 100.0)
    older = body_doses(case, phantom, dose.drop_vars("bone_dose_lem1"))
    assert older is not None
    assert older["T12"]["mean_lem1_gy_rbe"] is older["T12"]["v40_lem1_percent"] is None
    dose["bone_dose_lem1"].attrs["scale"] = "NIRS"
    with pytest.raises(ValueError, match="scale"):
        body_doses(case, phantom, dose)


def test_what_surgery_took_is_no_body(case) -> None:
    phantom = made_phantom()
    phantom["tissue"].values[2:, 0] = TISSUES.index("replacement")
    weighted = np.full(SHAPE, 45.0)
    weighted[:, 0] = 65.0
    found = body_doses(case, phantom, made_dose(phantom, weighted))
    assert found is not None
    assert (found["T12"]["v40_percent"], found["T12"]["v60_percent"]) == (100.0, 0.0)
    assert found["T12"]["volume_cm3"] == pytest.approx(12 * 0.125)


def test_a_ct_does_not_name_its_vertebrae(case) -> None:
    phantom = made_phantom().assign_attrs(own_shape_known=False)
    assert body_doses(case, phantom, made_dose(phantom, np.full(SHAPE, 45.0))) is None


def test_no_dose_has_no_let(case) -> None:
    phantom = made_phantom()
    found = body_doses(case, phantom, made_dose(phantom, np.zeros(SHAPE)))
    assert found is not None
    assert found["T12"]["mean_let_d_kev_um"] == 0.0


def test_another_scale_is_refused(case) -> None:
    phantom = made_phantom()
    dose = made_dose(phantom, np.full(SHAPE, 45.0))
    dose["dose_rbe"].attrs["fractions"] = 4
    with pytest.raises(ValueError, match="fractions"):
        body_doses(case, phantom, dose)


def test_a_phantom_that_says_nothing_of_its_shape_is_known(case) -> None:
    phantom = made_phantom()
    del phantom.attrs["own_shape_known"]
    assert body_doses(case, phantom, made_dose(phantom, np.full(SHAPE, 45.0))) is not None


@pytest.mark.parametrize(("share", "there"), [(0.2, False), (0.25, True)])
def test_a_level_with_hardly_any_target_is_left_out(case, share: float, there: bool) -> None:
    """Of a voxel of 0.125 cm3: 0.025 and 0.031 cm3 of target."""
    phantom = made_phantom()
    phantom["spot_target"].values[2:] = 0.0
    phantom["spot_target"].values[2, 2, 3] = share
    assert (body_doses(case, phantom, made_dose(phantom, np.full(SHAPE, 45.0))) is not None) is there


def test_every_slice_has_its_own_canal(case) -> None:
    phantom = made_phantom()
    region = phantom["region"].values
    region[2, 3, 1] = 1  # beside the canal, not in front of it
    region[3, 3:5] = 0
    region[3, 2, 2] = 2  # the canal of the last slice begins a row farther in front
    weighted = np.full(SHAPE, 45.0)
    weighted[3, 2] = 99.0
    found = body_doses(case, phantom, made_dose(phantom, weighted))
    assert found is not None
    assert found["T12"]["volume_cm3"] == pytest.approx((9 + 6) * 0.125)
    assert found["T12"]["mean_gye"] == pytest.approx(45.0)


def test_a_slice_without_canal_has_no_body(case) -> None:
    phantom = made_phantom()
    phantom["region"].values[3, 3:5] = 0
    found = body_doses(case, phantom, made_dose(phantom, np.full(SHAPE, 45.0)))
    assert found is not None
    assert found["T12"]["volume_cm3"] == pytest.approx(9 * 0.125)


def test_a_level_of_dose_counts_what_just_reaches_it(case) -> None:
    phantom = made_phantom()
    found = body_doses(case, phantom, made_dose(phantom, np.full(SHAPE, 40.0)))
    assert found is not None
    assert (found["T12"]["v40_percent"], found["T12"]["v60_percent"]) == (100.0, 0.0)


def test_little_dose_has_an_let(case) -> None:
    phantom = made_phantom()
    found = body_doses(case, phantom, made_dose(phantom, np.full(SHAPE, 1e-3)))
    assert found is not None
    assert found["T12"]["mean_let_d_kev_um"] == pytest.approx(20.0)
