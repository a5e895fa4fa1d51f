"""Staging of a case for summary and report: read from the voxels, and the scores of what is stated.

Descriptors: no plan depends on them.
"""

import math
from typing import Any

import xarray as xr

from doseplan.anatomy import stage
from doseplan.case.clinical_spec import Dumbbell, Sins
from doseplan.case.spec import Case

SINS_POINTS = {
    "location": {"junctional": 3, "mobile": 2, "semirigid": 1, "rigid": 0},
    "pain": {"mechanical": 3, "occasional": 1, "none": 0},
    "lesion": {"lytic": 2, "mixed": 1, "blastic": 0},
    "alignment": {"subluxation": 4, "deformity": 2, "normal": 0},
    "collapse": {"over_half": 3, "under_half": 2, "body_involved": 1, "none": 0},
    "posterolateral": {"both_sides": 3, "one_side": 1, "none": 0},
}
"""Fisher 2010, Spine 35(22):E1221 (from memory)."""

SINS_CLASSES = ((6, "stable"), (12, "potentially unstable"), (18, "unstable"))

FRACTURE_FROM = 8
FRACTURES = "vertebral fracture within a year of carbon ions: 9 % below a SINS of 8, 80 % from 8 on (n = 30)"
"""Matsumoto 2017, Biomed Res Int 9467402."""

DUMBBELL_FROM_MM = 50.0
"""[mm] a tumour of this diameter counts as large."""

MALIGNANT_FROM = 3
"""Matsumoto 2016, Spine 41(20):E1230: best cut-off of the dumbbell score."""


def staging(case: Case, arms: dict[str, xr.Dataset]) -> dict[str, Any]:
    """Stage every arm, and score what the case states.

    Parameters
    ----------
    arms : Datasets of `build_phantom` by arm
        Without the arm `decompressed` a tumour's pressing can't be judged, and without `region` its zones
        can't; the arms are left out then.
    """
    reference = arms.get("decompressed")
    known = reference is not None and all("region" in data for data in arms.values())
    found: dict[str, Any] = {
        "arms": {name: stage(data, reference) for name, data in arms.items()}
        if known and reference is not None
        else {}
    }
    clinical = case.clinical
    if clinical is not None:
        found |= {
            "histology": clinical.histology,
            "frankel": clinical.frankel,
            "imaging_uncertainty_mm": clinical.imaging_uncertainty_mm,
            "sins": None if clinical.sins is None else sins(clinical.sins),
            "dumbbell": None if clinical.dumbbell is None else dumbbell_score(clinical.dumbbell),
        }
    return found


def sins(findings: Sins) -> dict[str, Any]:
    """Add up the Spinal Instability Neoplastic Score, 0 to 18, with its class and the flag for fractures."""
    points = {name: table[getattr(findings, name)] for name, table in SINS_POINTS.items()}
    score = sum(points.values())
    return {
        "score": score,
        "class": next(name for highest, name in SINS_CLASSES if score <= highest),
        "fracture_flag": score >= FRACTURE_FROM,
        "fractures": FRACTURES,
        "points": points,
    }


def dumbbell_score(features: Dumbbell) -> dict[str, Any]:
    """Add up the dumbbell score: malignancy is suspected from 3 points on; 5 cm counts as large."""
    held = {
        "diameter": features.diameter_mm >= DUMBBELL_FROM_MM,
        "lobulated": features.lobulated,
        "boundary_lost": features.boundary_lost,
        "osteolysis": features.osteolysis,
    }
    points = {name: getattr(features.points, name) if there else 0 for name, there in held.items()}
    score = sum(points.values())
    return {"score": score, "malignancy_suspected": score >= MALIGNANT_FROM, "points": points}


def phantom_numbers(case: Case, arms: dict[str, xr.Dataset]) -> dict[str, Any]:
    """Give volumes [cm3], gaps [mm] and staging of each arm, for `doseplan phantom`."""
    staged = staging(case, arms)
    found = {}
    for name, data in arms.items():
        attributes = {str(key): value for key, value in data.attrs.items()}
        found[name] = {
            "separation_mm": _number(attributes["separation_mm"]),
            "neural_structure": attributes["neural_structure"],
            "volumes_cm3": {
                key.removesuffix("_cm3"): float(value)
                for key, value in attributes.items()
                if key.endswith("_cm3")
            },
            "gaps_mm": {
                key.removeprefix("gap_").removesuffix("_mm"): _number(value)
                for key, value in attributes.items()
                if key.startswith("gap_")
            },
            "staging": staged["arms"][name],
        }
    clinical = {key: value for key, value in staged.items() if key != "arms"}
    return {"case": case.name, "arms": found, **clinical, "assumptions": list(case.assumptions)}


def _number(value: Any) -> float | None:
    return None if math.isnan(float(value)) else float(value)
