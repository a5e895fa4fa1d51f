"""The study behind the spine of the teaching page: a plan for every position of its sliders."""

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.anatomy import build_phantom, place_samples
from doseplan.case import Case, parse_case
from doseplan.dose import beam_library, place_fields, place_spots, sample_dose
from doseplan.evaluation import evaluate_arm
from doseplan.evaluation.volume import Mask, cumulative_percent, structure_masks
from doseplan.exchange.files import read_dataset, write_dataset
from doseplan.messages import Progress, silent
from doseplan.planning import optimise

Array = NDArray[np.float64]

CASE_FILE = "explore_case.toml"

SEPARATIONS_MM = (None, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0)
"""None is without surgery."""

PRESCRIPTIONS_GYE = (64.0, 60.0, 70.4)
"""The first is planned from nothing, and says which slice is shown."""

RANGE_ERRORS_PERCENT = (-4.0, -2.0, 0.0, 2.0, 4.0)
"""Tissue stops the ions by so much more than the plan took it to; 0 is the plan."""

HALF_WIDTH_MM, DOSE_STEP_MM = 48.0, 1.5
"""[mm] of the slice: half its side, and the spacing of its dose."""

CHECKED_MM, CHECKED_GYE = 3.0, 64.0
"""The plan that the study keeps spot by spot, so that its dose can be computed again."""

DVH_LEVELS_GYE: Array = 0.5 * np.arange(165, dtype=np.float64)

SPOTS = ("field_index", "energy_index", "spot_energy", "spot_u", "spot_v")

METRICS = {
    "cord_max": ("cord", "max_gye"),
    "cord_d0_03cc": ("cord", "d0_03cc_gye"),
    "target_min": ("tumour", "dmin_gye"),
    "target_d98": ("tumour", "d98_gye"),
    "target_d95": ("tumour", "d95_gye"),
    "target_v95_percent": ("tumour", "v95_percent"),
    "target_max": ("tumour", "dmax_gye"),
}
"""What the page shows, and where the summary of an arm has it."""

VERDICTS = ("cord maximum", "target maximum", "target minimum", "target V95")
"""Limits and goals of the case, in their order."""


def teaching_case() -> Case:
    """Read the case of the spine."""
    text = (resources.files("doseplan.data") / CASE_FILE).read_text(encoding="utf-8")
    return parse_case(text, None, where=CASE_FILE)


def prescribed(case: Case, total_gye: float) -> Case:
    """Give the case with another prescription; its limit on the cord stays."""
    return replace(case, prescription=replace(case.prescription, total_gy_rbe=total_gye))


def with_range_error(phantom: xr.Dataset, percent: float) -> xr.Dataset:
    """Give the phantom whose tissue stops the ions by so many per cent more."""
    rsp = phantom["rsp"].values * np.float32(1.0 + 0.01 * percent)
    return phantom.assign(rsp=schema.variable("rsp", rsp))


def spine_study(folder: Path, *, progress: Progress = silent) -> xr.Dataset:
    """Plan and judge all positions of the sliders.

    Parameters
    ----------
    folder
        Finished plans and doses are kept there, and taken when the study goes on.

    Returns
    -------
    Dataset over separation, prescription, range_error
        `metrics` (metric), `met` (verdict), `dvh_cord`, `dvh_target` (level) [%], `slice_dose` (y, x)
        [Gy(RBE)]; over separation `slice_hu` (ct_y, ct_x) and distances `slice_cord`, `slice_dura`,
        `slice_target`; the checked plan over spot. Attrs: `z_mm`, `limit_gye`, `spots`, the case's text, and
        what was assumed.
    """
    case = teaching_case()
    library = beam_library(progress=progress)
    phantoms = [build_phantom(case, separation_mm=each) for each in SEPARATIONS_MM]
    samples = [place_samples(phantom, case) for phantom in phantoms]
    spots = place_spots(case, phantoms[0], place_fields(case, phantoms[0]), library, phantoms[1:])
    folder.mkdir(parents=True, exist_ok=True)
    plans = _plans(case, phantoms, samples, spots, library, folder, progress)
    frame = _slice_frame(plans[0, 0], phantoms[0], samples[0], case, library)
    rows = []
    for row, total in enumerate(PRESCRIPTIONS_GYE):
        columns = []
        for column, (phantom, points) in enumerate(zip(phantoms, samples, strict=True)):
            progress(f"dose at {total:g} GyE: {column + 1} of {len(phantoms)}", row / len(PRESCRIPTIONS_GYE))
            kept = folder / f"doses_{_name(total, SEPARATIONS_MM[column])}.nc"
            if not kept.is_file():
                seen = (prescribed(case, total), phantom, points, plans[row, column], library, frame)
                states = [state(*seen, percent) for percent in RANGE_ERRORS_PERCENT]
                write_dataset(xr.concat(states, dim="range_error"), kept)
            columns.append(read_dataset(kept, remedy="delete it, and it is computed again"))
        rows.append(xr.concat(columns, dim="separation"))
    views = xr.concat([_view(phantom, frame) for phantom in phantoms], dim="separation")
    checked = plans[PRESCRIPTIONS_GYE.index(CHECKED_GYE), SEPARATIONS_MM.index(CHECKED_MM)]
    used = checked[[*SPOTS, "weight"]].isel(spot=np.flatnonzero(checked["weight"].values > 0.0))
    study = xr.concat(rows, dim="prescription").merge(views).merge(used.drop_attrs())
    coordinates = {
        "separation": [np.nan if each is None else each for each in SEPARATIONS_MM],
        "prescription": list(PRESCRIPTIONS_GYE),
        "range_error": list(RANGE_ERRORS_PERCENT),
        "level": DVH_LEVELS_GYE,
        "metric": list(METRICS),
    }
    lines = [*case.assumptions, *library.attrs["assumptions"], *spots.attrs["assumptions"]]
    return (
        study.assign_coords(coordinates)
        .sortby("prescription")
        .assign_attrs(
            case_toml=case.case_toml,
            z_mm=float(frame["sample_position"].values[0, 2]),
            limit_gye=case.constraint[0].max_gy_rbe,
            spots=int(spots.sizes["spot"]),
            assumptions=json.dumps(list(dict.fromkeys(map(str, lines)))),
        )
    )


def _name(total_gye: float, separation_mm: float | None) -> str:
    """Name a plan in the folder of what is finished."""
    return f"{total_gye:g}_gye_" + ("none" if separation_mm is None else f"{separation_mm:g}_mm")


def _plans(
    case: Case,
    phantoms: list[xr.Dataset],
    samples: list[xr.Dataset],
    spots: xr.Dataset,
    library: xr.Dataset,
    folder: Path,
    progress: Progress,
) -> dict[tuple[int, int], xr.Dataset]:
    """Plan every prescription at every separation; keep each at once."""
    found: dict[tuple[int, int], xr.Dataset] = {}
    count = len(PRESCRIPTIONS_GYE) * len(phantoms)
    for row, total in enumerate(PRESCRIPTIONS_GYE):
        for column, (phantom, points) in enumerate(zip(phantoms, samples, strict=True)):
            progress(f"plan {len(found) + 1} of {count}", len(found) / count)
            kept = folder / f"plan_{_name(total, SEPARATIONS_MM[column])}.npy"
            if not kept.is_file():
                planned = optimise(prescribed(case, total), phantom, points, spots, library)
                np.save(kept, planned["weight"].values)
            found[row, column] = spots.assign(weight=schema.variable("weight", np.load(kept)))
    return found


def state(
    case: Case,
    phantom: xr.Dataset,
    samples: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    frame: xr.Dataset,
    percent: float,
) -> xr.Dataset:
    """Judge one plan under one range error: metrics, verdicts, histograms, dose of the slice."""
    wrong = with_range_error(phantom, percent)
    dose = sample_dose(case, wrong, samples, spots, library)
    arm = evaluate_arm(case, phantom, samples, dose)
    masks = structure_masks(samples, None)
    volume, gye = samples["sample_volume"].values, dose["sample_dose_rbe"].values
    side = round(float(np.sqrt(frame.sizes["sample"])))
    shown = sample_dose(case, wrong, frame, spots, library)["sample_dose_rbe"].values.reshape(side, side)
    # the page shows cord and target
    goals = [goal for goal in arm["goals"] if goal["structure"] != "other"]
    assert tuple(goal["name"] for goal in goals) == VERDICTS, goals
    return xr.Dataset(
        {
            "metrics": ("metric", [float(arm[part][key]) for part, key in METRICS.values()]),
            "met": ("verdict", [bool(goal["met"]) for goal in goals]),
            **{f"dvh_{name}": ("level", _dvh(gye, volume, masks[name])) for name in ("cord", "target")},
            "slice_dose": (("y", "x"), shown),
        }
    )


def _dvh(gye: Array, volume: Array, mask: Mask) -> Array:
    return cumulative_percent(gye[mask], volume[mask], DVH_LEVELS_GYE)


def _slice_frame(
    planned: xr.Dataset, phantom: xr.Dataset, samples: xr.Dataset, case: Case, library: xr.Dataset
) -> xr.Dataset:
    """Lay points over the axial slice through the coldest target point without surgery."""
    gye = sample_dose(case, phantom, samples, planned, library)["sample_dose_rbe"].values
    target = np.flatnonzero(samples["sample_structure"].values == schema.STRUCTURES["target"])
    coldest = samples["sample_position"].values[target[np.argmin(gye[target])]]
    middle = 0.5 * (coldest + planned["isocentre"].values)
    z = float(phantom["z"].sel(z=coldest[2], method="nearest"))
    steps = np.arange(-HALF_WIDTH_MM, HALF_WIDTH_MM + 1e-6, DOSE_STEP_MM)
    y, x = np.meshgrid(np.round(middle[1]) + steps, np.round(middle[0]) + steps, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, z)])
    return xr.Dataset({"sample_position": schema.variable("sample_position", points)})


def _view(phantom: xr.Dataset, frame: xr.Dataset) -> xr.Dataset:
    """Cut CT numbers and distances of the slice."""
    points = frame["sample_position"].values
    low, high = points.min(axis=0), points.max(axis=0)
    cut = phantom[["hu", "distance_cord", "distance_dura", "distance_target"]].sel(
        z=low[2], y=slice(low[1], high[1]), x=slice(low[0], high[0])
    )
    x, y = np.unique(points[:, 0]), np.unique(points[:, 1])
    return xr.Dataset(
        {
            f"slice_{name}": (("ct_y", "ct_x"), cut[source].values)
            for name, source in (
                ("hu", "hu"),
                ("cord", "distance_cord"),
                ("dura", "distance_dura"),
                ("target", "distance_target"),
            )
        },
        coords={"ct_y": cut["y"].values, "ct_x": cut["x"].values, "x": x, "y": y},
    )
