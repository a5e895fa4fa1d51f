"""Every Dataset variable once: name, dims, dtype, units, meaning.

A stage builds its output with `dataset(...)` or ends with `check(...)`, so that a variable means the same
in every room. RBE-weighted variables must also carry `rbe_model`, `scale` and `fractions`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

ARMS = ("none", "decompressed", "separated")
"""Arms that every run has, in this order."""

VERSION = 5
"""Version of these declarations and of the layout of run folders; a run of another version is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Declaration of one Dataset variable."""

    dims: tuple[str, ...]
    dtype: str
    units: str
    meaning: str
    rbe_weighted: bool = False


VOXEL = ("z", "y", "x")
CURVE = ("energy", "component", "depth")
HISTOGRAM = ("structure", "dose_bin")
SWEEP = ("variant", "prescription", "separation")
TRIED = ("anatomy", "separation")
MARGINS = ("errors", "anatomy")
PERCENTILE = ("errors", "percentile")
DRIVER = ("outcome", "driver")


def _declare(dims: tuple[str, ...], dtype: str, units: str, meaning: str, rbe: bool = False) -> Variable:
    return Variable(dims=dims, dtype=dtype, units=units, meaning=meaning, rbe_weighted=rbe)


COORDINATES = {
    "z": _declare(("z",), "float64", "mm", "voxel centre, patient LPS, towards the head"),
    "y": _declare(("y",), "float64", "mm", "voxel centre, patient LPS, towards posterior"),
    "x": _declare(("x",), "float64", "mm", "voxel centre, patient LPS, towards the left"),
    "energy": _declare(("energy",), "float64", "MeV/u", "kinetic energy at the entrance, per nucleon"),
    "depth": _declare(("depth",), "float64", "mm", "depth in water of 0.998 g/cm3"),
    "separation": _declare(
        ("separation",), "float64", "mm", "free distance between tumour and decompressed dura"
    ),
    "prescription": _declare(("prescription",), "float64", "Gy(RBE)", "prescribed dose, whole course"),
    "percentile": _declare(("percentile",), "float64", "%", "part of the anatomies that need no more"),
}
"""Coordinates that are checked wherever they occur."""

VARIABLES = {
    # anatomy: voxels
    "rsp": _declare(VOXEL, "float32", "1", "stopping power relative to water"),
    "density": _declare(VOXEL, "float32", "g/cm3", "mass density"),
    "hu": _declare(VOXEL, "float32", "HU", "CT number"),
    "tissue": _declare(VOXEL, "uint8", "1", "dominant tissue; names in attrs flag_values, flag_meanings"),
    "cord": _declare(VOXEL, "float32", "1", "volume fraction of spinal cord"),
    "sac": _declare(VOXEL, "float32", "1", "volume fraction inside the dura"),
    "gtv": _declare(VOXEL, "float32", "1", "volume fraction of gross tumour present in this arm"),
    "target": _declare(VOXEL, "float32", "1", "volume fraction of the target to be treated in this arm"),
    "spot_target": _declare(
        VOXEL, "float32", "1", "volume fraction of the unoperated target: spots cover it"
    ),
    "distance_cord": _declare(VOXEL, "float32", "mm", "signed distance to the cord surface, negative inside"),
    "region": _declare(VOXEL, "uint8", "1", "0 other, 1 bone before surgery, 2 spinal canal"),
    "rsp_ct": _declare(
        VOXEL, "float32", "1", "stopping power ratio that a CT with implants suggests without override"
    ),
    "level_index": _declare(("z",), "uint8", "1", "vertebral level of the slice, number in attribute levels"),
    "distance_dura": _declare(VOXEL, "float32", "mm", "signed distance to the outer dura, negative inside"),
    "distance_gtv": _declare(VOXEL, "float32", "mm", "signed distance to the gross tumour, negative inside"),
    "distance_target": _declare(VOXEL, "float32", "mm", "signed distance to the target, negative inside"),
    # a CT with contours
    "ct_number": _declare(VOXEL, "int16", "HU", "CT number as imported"),
    "contour_position": _declare(
        ("contour_point", "axis"), "float64", "mm", "vertex (x, y, z) of a closed contour in patient LPS"
    ),
    "contour_start": _declare(("contour_edge",), "int64", "1", "first vertex of each contour, and the end"),
    "contour_structure": _declare(
        ("contour",), "int32", "1", "structure of the contour, number in attribute structures"
    ),
    # anatomy: sample points
    "sample_position": _declare(("sample", "axis"), "float64", "mm", "position (x, y, z) in patient LPS"),
    "sample_structure": _declare(("sample",), "uint8", "1", "0 other tissue, 1 cord, 2 target"),
    "sample_volume": _declare(
        ("sample",), "float64", "cm3", "volume it stands for; 0 for points on a surface"
    ),
    "sample_dura_distance": _declare(("sample",), "float64", "mm", "signed distance to the outer dura"),
    "dura_facing": _declare(("sample",), "bool", "1", "lies on the target surface that faces the dura"),
    "planned": _declare(("sample",), "bool", "1", "belongs to the optimiser's first working set"),
    # beam library
    "idd": _declare(
        CURVE, "float64", "MeV cm2/g", "depth dose integrated over the lateral plane, per primary"
    ),
    "idd_z_star": _declare(CURVE, "float64", "Gy MeV cm2/g", "the same, times saturation-corrected z*"),
    "idd_lem_linear": _declare(CURVE, "float64", "MeV cm2/g/Gy", "the same, times alpha of LEM I"),
    "idd_lem_root": _declare(CURVE, "float64", "MeV cm2/g/Gy", "the same, times the root of beta of LEM I"),
    "idd_let": _declare(CURVE, "float64", "keV/um MeV cm2/g", "the same, times LET in water"),
    "lateral_sigma": _declare(CURVE, "float64", "mm", "lateral spread gained in water, projected sigma"),
    "air_sigma": _declare(("energy",), "float64", "mm", "spot size in air at the isocentre, projected sigma"),
    "r80": _declare(("energy",), "float64", "mm", "distal depth of 80 % of the peak"),
    # fields and spots
    "gantry": _declare(("field",), "float64", "deg", "gantry angle, IEC 61217"),
    "couch": _declare(("field",), "float64", "deg", "couch angle, IEC 61217"),
    "roll": _declare(("field",), "float64", "deg", "roll of the table top about its long axis, DICOM's sign"),
    "part": _declare(("field",), "uint8", "1", "what it covers of the target: 0 all, then as PARTS"),
    "course_index": _declare(("field",), "int32", "1", "course in which the field is given"),
    "course_fractions": _declare(("course",), "int32", "1", "fractions of the course"),
    "direction": _declare(("field", "axis"), "float64", "1", "unit vector along the beam, patient LPS"),
    "u_axis": _declare(("field", "axis"), "float64", "1", "first lateral unit vector, patient LPS"),
    "v_axis": _declare(("field", "axis"), "float64", "1", "second lateral unit vector, patient LPS"),
    "isocentre": _declare(("axis",), "float64", "mm", "common isocentre, patient LPS"),
    "field_index": _declare(("spot",), "int32", "1", "field of the spot"),
    "energy_index": _declare(("spot",), "int32", "1", "energy of the spot in the beam library"),
    "spot_energy": _declare(("spot",), "float64", "MeV/u", "energy of the spot"),
    "spot_u": _declare(("spot",), "float64", "mm", "lateral position along u, from the isocentre"),
    "spot_v": _declare(("spot",), "float64", "mm", "lateral position along v, from the isocentre"),
    "weight": _declare(("spot",), "float64", "1e6 ions", "ions of the spot over the whole course"),
    # dose
    "wepl": _declare(
        ("field", "sample"), "float32", "mm", "water-equivalent depth of the sample along the field"
    ),
    "entry_start": _declare(("spot_edge",), "int64", "1", "first influence entry of each spot, and the end"),
    "sample_index": _declare(("entry",), "int32", "1", "sample of the influence entry"),
    "entry_root": _declare(("entry",), "float32", "1 per 1e6 ions", "root channel of the spot in the sample"),
    "entry_linear": _declare(("entry",), "float32", "1 per 1e6 ions", "linear channel, the same"),
    "row_start": _declare(
        ("sample_edge",), "int64", "1", "first influence entry of each sample, and the end"
    ),
    "spot_index": _declare(("entry",), "int32", "1", "spot of the influence entry, sorted by sample"),
    "sample_dose": _declare(("sample",), "float64", "Gy", "absorbed dose, whole course"),
    "sample_dose_z_star": _declare(
        ("sample",), "float64", "Gy2", "absorbed dose times mean z*, whole course"
    ),
    "sample_let_d": _declare(("sample",), "float64", "keV/um", "dose-averaged LET in water"),
    "sample_dose_rbe": _declare(
        ("sample",), "float64", "Gy(RBE)", "RBE-weighted dose, whole course", rbe=True
    ),
    "sample_dose_lem1": _declare(
        ("sample",), "float64", "Gy(RBE)", "RBE-weighted dose of LEM I, whole course", rbe=True
    ),
    "scenario_shift": _declare(
        ("scenario", "axis"), "float64", "mm", "how far the patient (x, y, z) lies from the plan"
    ),
    "scenario_range_percent": _declare(
        ("scenario",), "float64", "%", "how much longer all water-equivalent depths are"
    ),
    "scenario_dose_rbe": _declare(
        ("scenario", "sample"),
        "float64",
        "Gy(RBE)",
        "RBE-weighted dose in an error scenario, whole course",
        True,
    ),
    "daily_shift": _declare(
        ("shift", "axis"), "float64", "mm", "how far the patient (x, y, z) lies from the plan on one day"
    ),
    "daily_count": _declare(
        ("drawn", "course", "shift"), "int32", "1", "fractions of a simulated course that take the shift"
    ),
    "daily_dose_rbe": _declare(
        ("course", "shift", "sample"),
        "float32",
        "Gy(RBE)",
        "RBE-weighted dose of one fraction with the shift; 0 in other tissue, where it is not judged",
        True,
    ),
    "dose": _declare(VOXEL, "float32", "Gy", "absorbed dose, whole course"),
    "dose_rbe": _declare(VOXEL, "float32", "Gy(RBE)", "RBE-weighted dose, whole course", rbe=True),
    "bone_dose_lem1": _declare(
        VOXEL, "float32", "Gy(RBE)", "RBE-weighted dose of LEM I, whole course, in bone; 0 elsewhere", True
    ),
    "let_d": _declare(VOXEL, "float32", "keV/um", "dose-averaged LET in water"),
    # Monte Carlo
    "dose_uncertainty": _declare(VOXEL, "float32", "1", "standard deviation of the dose over the dose"),
    "dose_rbe_uncertainty": _declare(VOXEL, "float32", "1", "standard deviation of the dose_rbe over it"),
    "let_d_uncertainty": _declare(VOXEL, "float32", "1", "standard deviation of the let_d over it"),
    "effect_linear": _declare(VOXEL, "float32", "1", "linear channel of the scale's RBE model, whole course"),
    "effect_root": _declare(VOXEL, "float32", "1", "root channel of the scale's RBE model, whole course"),
    "effect_linear_uncertainty": _declare(VOXEL, "float32", "1", "standard deviation of the channel over it"),
    "effect_root_uncertainty": _declare(VOXEL, "float32", "1", "standard deviation of the channel over it"),
    "smooth_dose_rbe": _declare(VOXEL, "float32", "Gy(RBE)", "dose_rbe of spread channels", rbe=True),
    "smooth_dose_rbe_uncertainty": _declare(VOXEL, "float32", "1", "its standard deviation over it"),
    "correction": _declare(VOXEL, "float32", "1", "Monte Carlo over pencil beam, on both channels"),
    "correction_uncertainty": _declare(VOXEL, "float32", "1", "standard deviation of the correction"),
    "sample_correction": _declare(("sample",), "float64", "1", "what both channels were multiplied by"),
    # evaluation
    "dvh": _declare(HISTOGRAM, "float64", "%", "volume that gets at least the dose", rbe=True),
    "dvh_dose": _declare(("dose_bin",), "float64", "Gy(RBE)", "dose level, whole course", rbe=True),
    "dvh_volume": _declare(("structure",), "float64", "cm3", "volume of the structure's samples"),
    # sweeps: one plan for each point
    "target_minimum": _declare(SWEEP, "float64", "Gy(RBE)", "least dose of the target", rbe=True),
    "target_minimum_bound": _declare(
        SWEEP, "float64", "Gy(RBE)", "target minimum that no plan exceeds, NaN where not proven", rbe=True
    ),
    "target_minimum_goal": _declare(
        SWEEP, "float64", "Gy(RBE)", "goal for the target minimum, NaN if the case states none", rbe=True
    ),
    "target_maximum": _declare(SWEEP, "float64", "Gy(RBE)", "highest dose of the target", rbe=True),
    "cord_maximum": _declare(SWEEP, "float64", "Gy(RBE)", "highest dose of the cord", rbe=True),
    "cord_limit": _declare(
        SWEEP, "float64", "Gy(RBE)", "what the cord must stay below, NaN if the case states none", rbe=True
    ),
    **{
        f"cord_d{name}": _declare(
            SWEEP, "float64", "Gy(RBE)", f"least dose of the cord's hottest {said}", rbe=True
        )
        for name, said in (("0_03cc", "0.03 cm3"), ("0_1cc", "0.1 cm3"), ("1cc", "1 cm3"))
    },
    **{
        f"{part}_d{percent}": _declare(
            SWEEP, "float64", "Gy(RBE)", f"dose that {percent} % of the {said} get at least", rbe=True
        )
        for part, said in (("target", "target"), ("strip", "target near the dura"))
        for percent in (98, 95, 50, 2)
    },
    "strip_minimum": _declare(
        SWEEP, "float64", "Gy(RBE)", "least dose of the target near the dura", rbe=True
    ),
    **{
        f"{part}_v{percent}": _declare(
            SWEEP, "float64", "%", f"part of the {said} that gets {percent} % of the prescription"
        )
        for part, said in (("target", "target"), ("strip", "target near the dura"))
        for percent in (95, 90)
    },
    **{
        f"{part}_volume": _declare(SWEEP, "float64", "cm3", f"volume of the {said}")
        for part, said in (("target", "target"), ("strip", "target near the dura"))
    },
    "worst_target_minimum": _declare(
        SWEEP, "float64", "Gy(RBE)", "least dose of the target in any error scenario", rbe=True
    ),
    "worst_cord_maximum": _declare(
        SWEEP, "float64", "Gy(RBE)", "highest dose of the cord in any error scenario", rbe=True
    ),
    "robust_pass": _declare(SWEEP, "float64", "%", "part of the error scenarios that keep limits and goals"),
    "robust_limits_met": _declare(SWEEP, "bool", "1", "limits of organs hold in every error scenario"),
    "robust_goals_met": _declare(SWEEP, "bool", "1", "all goals are met in every error scenario"),
    "daily_target_minimum": _declare(
        SWEEP, "float64", "Gy(RBE)", "target minimum of daily-shift courses, 5th percentile", rbe=True
    ),
    "daily_cord_maximum": _declare(
        SWEEP, "float64", "Gy(RBE)", "cord maximum of daily-shift courses, 95th percentile", rbe=True
    ),
    "daily_pass": _declare(SWEEP, "float64", "%", "part of daily-shift courses that keep limits and goals"),
    "limits_met": _declare(SWEEP, "bool", "1", "all hard limits hold"),
    "goals_met": _declare(SWEEP, "bool", "1", "all goals are met"),
    "worst_target_minimum_bound": _declare(
        SWEEP, "float64", "Gy(RBE)", "proven maximum of the target minimum, worst of all errors", rbe=True
    ),
    "robust_goal_impossible": _declare(
        SWEEP, "bool", "1", "proven: no plan meets the goal for the target minimum in every error"
    ),
    "goal_impossible": _declare(SWEEP, "bool", "1", "proven: no plan meets the goal for the target minimum"),
    "goal_met": _declare((*SWEEP, "verdict"), "bool", "1", "limit or goal is met"),
    # a population of anatomies
    "margin": _declare(
        MARGINS,
        "float64",
        "mm",
        "smallest separation that meets all goals, infinity if none in range, NaN if refused",
    ),
    "margin_impossible": _declare(
        ("anatomy",), "float64", "mm", "largest separation proven impossible as planned, NaN if none is"
    ),
    "tried_target_minimum": _declare(
        TRIED, "float64", "Gy(RBE)", "least dose of the target, NaN where not planned", rbe=True
    ),
    "tried_cord_maximum": _declare(
        TRIED, "float64", "Gy(RBE)", "highest dose of the cord, NaN where not planned", rbe=True
    ),
    "refused": _declare(("anatomy",), "bool", "1", "no case, or none that can be planned; why in `reason`"),
    **{
        f"margin_percentile{ending}": _declare(
            PERCENTILE, "float64", "mm", f"{said}separation that so many anatomies need no more than"
        )
        for ending, said in (("", ""), ("_low", "low 95 % end of the "), ("_high", "high 95 % end of the "))
    },
    **{
        f"margin_share{ending}": _declare(
            ("errors", "separation"), "float64", "1", f"{said}share of anatomies that need no more than this"
        )
        for ending, said in (("", ""), ("_low", "low 95 % end of the "), ("_high", "high 95 % end of the "))
    },
    **{
        f"none_in_range{ending}": _declare(
            ("errors",),
            "float64",
            "1",
            f"{said}share of anatomies for which no separation in range is enough",
        )
        for ending, said in (("", ""), ("_low", "low 95 % end of the "), ("_high", "high 95 % end of the "))
    },
    **{
        f"rank_correlation{ending}": _declare(
            DRIVER, "float64", "1", f"{said}rank correlation (Spearman) of a drawn number with an outcome"
        )
        for ending, said in (("", ""), ("_low", "low 95 % end of the "), ("_high", "high 95 % end of the "))
    },
    "rank_share": _declare(
        DRIVER,
        "float64",
        "1",
        "part of the variance of an outcome's ranks that a drawn number alone explains",
    ),
    "rank_chance": _declare(
        DRIVER, "float64", "1", "probability of as much by chance, corrected for all drawn numbers"
    ),
}

STRUCTURES = {"other": 0, "cord": 1, "target": 2}
"""Codes of `sample_structure`."""

PARTS = {"left": 1, "right": 2, "anterior": 3, "posterior": 4}
"""Codes of `part`, seen from the middle of the cord."""

RBE_ATTRIBUTES = ("rbe_model", "scale", "fractions")


def in_order(names: Iterable[str]) -> list[str]:
    """Sort the names of arms: the three that every run has, then others of the separation by name.

    Names that are no arm are left out.
    """
    known = set(names)
    more = sorted(name for name in known if name.startswith(f"{ARMS[-1]}_"))
    return [name for name in (*ARMS, *more) if name in known]


def variable(name: str, data: ArrayLike, **attributes: object) -> xr.Variable:
    """Make the declared variable from an array: dims, dtype, units and meaning are set from the schema."""
    declared = VARIABLES.get(name) or COORDINATES[name]
    array = np.ascontiguousarray(data, dtype=declared.dtype)
    return xr.Variable(
        declared.dims, array, {"units": declared.units, "long_name": declared.meaning, **attributes}
    )


def check(dataset: xr.Dataset, *names: str) -> xr.Dataset:
    """Return the Dataset unchanged if the named variables are there and every variable is as declared.

    Raises
    ------
    KeyError
        A named variable is missing.
    ValueError
        Dims, dtype or units differ from the declaration, or an RBE-weighted variable lacks its scale.
    """
    for name in names:
        if name not in dataset.variables:
            raise KeyError(f"{name}: expected in the Dataset, got {sorted(map(str, dataset.variables))}")
    for key, value in dataset.variables.items():
        name = str(key)
        declared = VARIABLES.get(name) or (COORDINATES.get(name) if value.dims == (name,) else None)
        if declared is None:
            continue
        found = (value.dims, str(value.dtype), value.attrs.get("units"))
        wanted = (declared.dims, declared.dtype, declared.units)
        if found != wanted:
            raise ValueError(f"{name}: expected {wanted}, got {found}")
        if declared.rbe_weighted and not all(key in value.attrs for key in RBE_ATTRIBUTES):
            raise ValueError(f"{name}: expected attributes {RBE_ATTRIBUTES}, got {sorted(value.attrs)}")
    return dataset
