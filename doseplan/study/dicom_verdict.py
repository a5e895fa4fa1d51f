"""The verdict on a dose that came as DICOM: RT Dose and structure set, of any maker."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from doseplan.anatomy import patient_of, phantom_of_patient, place_samples
from doseplan.case import ScanCase, parse_case
from doseplan.evaluation import judge_grid
from doseplan.exchange.dicom_read import read_dose_and_structures
from doseplan.messages import InputError, Progress, silent

ASSUMPTIONS = (
    "the dose is linear between the centres of its voxels",
    "GyE of the file are taken to be on the scale of the case where the file does not say",
)


def judge_dicom(folder: Path, case: ScanCase | None = None, *, progress: Progress = silent) -> dict[str, Any]:
    """Judge the RBE-weighted dose in a folder of DICOM files.

    Parameters
    ----------
    case : limits, goals, prescription and names of structures; the default limits and goals if not given

    Returns
    -------
    dict
        As `judge_grid`, with `structures`, `scale`, `fractions`, `prescription_gye`, `notes`, `assumptions`.

    Raises
    ------
    InputError
        There is no RBE-weighted dose or no structure set, several, or cord or target can't be told.
    """
    progress("dose and structures", 0.0)
    dose, scan, stated = read_dose_and_structures(folder)
    case = case or _default_case(stated, folder)
    scale = str(dose["dose_rbe"].attrs["scale"])
    if scale not in (case.prescription.scale, "not stated"):
        raise InputError(
            f"{folder}: expected a dose on the scale of the limits ({case.prescription.scale}), got {scale}"
        )
    progress("samples", 0.3)
    spacing = min(float(np.diff(dose[axis].values[:2])[0]) for axis in "zyx")
    case = replace(case, grid=replace(case.grid, voxel_mm=float(np.clip(spacing, 0.5, 2.0))))
    patient = patient_of(case, scan)
    if patient.roles["target"] is not None:
        # the target as drawn is what was treated; the tumour may have been taken out of it
        patient = replace(patient, roles={**patient.roles, "tumour": patient.roles["target"]})
    phantom = phantom_of_patient(case, patient, separation_mm=None)
    samples = place_samples(phantom, case)
    progress("verdict", 0.8)
    found = judge_grid(case, samples, dose)
    return {
        "case": case.name,
        "scale": case.prescription.scale,
        "fractions": case.prescription.fractions,
        "prescription_gye": case.prescription.total_gy_rbe,
        "structures": patient.roles,
        "neural_structure": patient.neural_structure,
        **found,
        "notes": list(scan.attrs["notes"]),
        "assumptions": list(ASSUMPTIONS),
    }


def _default_case(stated: dict[str, float], folder: Path) -> ScanCase:
    """Default limits and goals on the prescription that the plan states."""
    if "total_gy_rbe" not in stated:
        raise InputError(
            f"{folder}: expected a plan that states the prescribed dose, got none; give it by "
            "--case CASE.toml"
        )
    text = (
        f'name = "{folder.name}"\nct = {{ file = "none" }}\nsurgery = {{ separation_mm = 0.0 }}\n'
        f"prescription = {{ total_gy_rbe = {stated['total_gy_rbe']:.6g}, "
        f"fractions = {int(stated.get('fractions', 16))} }}\n"
    )
    case = parse_case(text, None)
    assert isinstance(case, ScanCase)
    return case
