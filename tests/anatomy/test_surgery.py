"""What the surgeon takes away, side by side with what was there."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from doseplan.anatomy import build_phantom, stage
from doseplan.anatomy.zones import zone_of
from doseplan.case import Case
from doseplan.case.disease_spec import RESECTIONS, EnBloc
from doseplan.case.tissues import TISSUES
from doseplan.messages import InputError


def of(phantom: xr.Dataset, tissue: str) -> np.ndarray:
    return phantom["tissue"].values == TISSUES.index(tissue)


def zones(phantom: xr.Dataset) -> np.ndarray:
    found = zone_of(phantom["x"].values[None, :], phantom["y"].values[:, None])
    return np.broadcast_to(found, phantom["tissue"].shape)


def test_separation_by_sector_leaves_the_other_zones(slim_changed: Callable[..., Case]) -> None:
    chosen = (4, 5, 6, 7, 8, 9)
    phantom = build_phantom(slim_changed("surgery", separation_zones=chosen), separation_mm=3.0)
    near = (phantom["distance_dura"].values < 2.5) & (phantom["distance_dura"].values > 0.0)
    front = np.isin(zones(phantom), chosen)
    gtv = phantom["gtv"].values
    assert float(gtv[near & front].sum()) < 0.02 * float(gtv[near & ~front].sum())
    assert phantom.attrs["gap_tumour_dura_mm"] == pytest.approx(0.0, abs=0.1)
    assert float(gtv[phantom["distance_dura"].values < -0.5].max()) < 0.2  # cut voxels of the rim only


@pytest.mark.parametrize(("side", "sign"), [("left", 1.0), ("right", -1.0)])
def test_laminectomy_and_facetectomy_of_one_side(
    slim_changed: Callable[..., Case], side: str, sign: float
) -> None:
    surgery = {"laminectomy": side, "facetectomy": side}
    phantom = build_phantom(slim_changed("surgery", **surgery), separation_mm=0.0)
    x = np.broadcast_to(phantom["x"].values, phantom["tissue"].shape)
    removed = of(phantom, "cavity") & (phantom["y"].values[None, :, None] > 8.0)
    assert removed.sum() > 500
    assert np.mean(sign * x[removed] > -3.0) > 0.99  # the spinous process is taken with the lamina
    kept = build_phantom(slim_changed("surgery", laminectomy="none"), separation_mm=0.0)
    assert not (of(kept, "cavity") & (kept["y"].values[None, :, None] > 14.0)).any()


@pytest.mark.parametrize("resection", RESECTIONS)
def test_a_piece_leaves_en_bloc_with_bone_and_tumour(
    slim_changed: Callable[..., Case], resection: str
) -> None:
    en_bloc = EnBloc(resection=resection, levels=("T12",), filled_with="PEEK_is_not_here")
    case = slim_changed(
        "surgery", en_bloc=replace(en_bloc, filled_with="bone_cement"), ctv_keeps_resected=True
    )
    phantom = build_phantom(case, separation_mm=0.0)
    taken = np.isin(zones(phantom), RESECTIONS[resection])
    own = np.broadcast_to((phantom["level_index"].values == 2)[:, None, None], taken.shape)
    bone = of(phantom, "cortical_bone") | of(phantom, "spongiosa")
    region = (phantom["region"].values == 1) & taken & own
    assert region.sum() > 500
    # the saw takes 0.5 mm more, and voxels at the rim count by half of them
    assert np.mean(bone[region]) < 0.03
    assert np.mean(of(phantom, "replacement")[region]) > 0.6
    assert float(phantom["gtv"].values[taken & own].sum()) < 0.02 * float(phantom["gtv"].sum())
    assert set(stage(phantom, phantom)["cells"].get("T12", {}).get("B", [])).isdisjoint(RESECTIONS[resection])


def test_nothing_left_names_what_to_do(slim_changed: Callable[..., Case]) -> None:
    case = slim_changed("surgery", en_bloc=EnBloc(resection="vertebrectomy_4_8", levels=("T12",)))
    tumour = replace(case.tumour, template="body", bone_diameter_mm=14.0, bone_reach_mm=-4.0)
    with pytest.raises(InputError, match=r"expected tumour to be left.*ctv_keeps_resected = true"):
        build_phantom(replace(case, tumour=tumour), separation_mm=1.0)
    kept = replace(case.surgery, ctv_keeps_resected=True)
    bed = build_phantom(replace(case, tumour=tumour, surgery=kept), separation_mm=1.0)
    assert bed.attrs["gtv_cm3"] == 0.0
    assert np.isnan(bed.attrs["gap_tumour_dura_mm"])
    assert bed.attrs["target_cm3"] == pytest.approx(bed.attrs["spot_target_cm3"], rel=0.01)
