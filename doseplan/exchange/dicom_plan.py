"""RT Ion Plan out of the fields and spots of an arm: scanned carbon beams, two control points for a layer."""

import tomllib
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import RTIonPlanStorage

from doseplan.exchange.dicom_common import (
    LABEL,
    Source,
    add_frame_of_reference,
    decimal,
    position,
    reference,
    start_object,
    text,
)
from doseplan.exchange.dicom_structures import structure_number
from doseplan.messages import InputError

CARBON = (12, 6, 6)
"""Mass number, atomic number, charge state."""

SOURCE_DISTANCE_MM = 1e7
"""Beams are parallel; the standard wants a distance of the source, and 10 km moves no spot visibly."""

IONS = 1e6
"""Ions in one unit of spot weight."""

ABSENT = (
    "NumberOfWedges",
    "NumberOfCompensators",
    "NumberOfBoli",
    "NumberOfBlocks",
    "NumberOfRangeShifters",
    "NumberOfLateralSpreadingDevices",
    "NumberOfRangeModulators",
)
"""What the beams do not have. The ripple filter is part of the beam model (see the run's assumptions)."""

BEAM_LINES = ("Beam: spot size", "Beam: ripple filter", "Beam: momentum spread", "Beam: energies")
"""How the assumptions start that tell others the beam. Runs hold the spot size as such a line only, so that
ScanningSpotSize (optional) is not written."""

TURNS = ("Gantry", "BeamLimitingDevice", "PatientSupport")
TILTS = ("TableTopPitch", "TableTopRoll", "GantryPitch")
UNKNOWN = (
    "TableTopVerticalPosition",
    "TableTopLongitudinalPosition",
    "TableTopLateralPosition",
    "SnoutPosition",
)


def ion_plan(
    spots: xr.Dataset,
    *,
    structures: Dataset,
    case_toml: str,
    assumptions: Sequence[str] = (),
    source: Source,
) -> Dataset:
    """Make the RT Ion Plan of an arm.

    Parameters
    ----------
    spots
        Fields, their courses, and spots; `weight` is in 1e6 ions over the whole course, the plan states ions
        per fraction.
    structures
        Structure set of the arm.
    case_toml
        Text of the case; its prescription becomes the dose reference of the target.
    assumptions
        Of the run; the description of the plan repeats those on the beam that a recomputation needs.

    Raises
    ------
    InputError
        No spot has a weight.

    Notes
    -----
    Metersets are numbers of particles (PrimaryDosimeterUnit NP). Spots of zero weight are left out, and so
    are fields without any spot left and courses without any such field. A course is a fraction group. Layers
    go from the highest energy to the lowest. Positions of spots are x, y of the IEC gantry frame in the
    isocentric plane, which are u, v of the fields. The mode of modulation (the beam stays at each spot) is
    stated although only MODULATED_SPEC asks for it: dciodvfy wants it too.
    """
    found = start_object(source, RTIonPlanStorage, "RTPLAN", "ion plan")
    add_frame_of_reference(found, source)
    found.RTPlanLabel = text(LABEL, 16)
    found.RTPlanName = text(f"{source.case}, {source.arm}")
    found.RTPlanDescription = _description(spots["course_fractions"].values, assumptions)
    found.RTPlanDate, found.RTPlanTime = "", ""
    found.RTPlanGeometry = "PATIENT"
    found.ReferencedStructureSetSequence = [reference(structures)]
    found.PatientSetupSequence = [_setup()]
    _add_prescription(found, case_toml, structures)
    found.IonBeamSequence = _beams(spots, source)
    found.FractionGroupSequence = _fraction_groups(spots, found.IonBeamSequence)
    found.ApprovalStatus = "UNAPPROVED"
    return found


def _beams(spots: xr.Dataset, source: Source) -> list[Dataset]:
    """Make a beam of every field that has a spot; beam n is field n, counted from 1."""
    weight = spots["weight"].values
    if not (np.isfinite(weight).all() and (weight >= 0.0).all() and (weight > 0.0).any()):
        raise InputError(
            f"{source.arm}: spots.weight: expected 0 or more and above 0 somewhere, "
            f"got {weight.min(initial=0.0):g} to {weight.max(initial=0.0):g}"
        )
    beams = []
    for field in range(spots.sizes["field"]):
        used = np.flatnonzero((spots["field_index"].values == field) & (weight > 0.0))
        if used.size:
            beams.append(_beam(spots, field, used))
    return beams


def _beam(spots: xr.Dataset, field: int, used: NDArray[np.int64]) -> Dataset:
    """Describe one field and its layers."""
    fractions = int(spots["course_fractions"].values[spots["course_index"].values[field]])
    found = Dataset()
    found.BeamNumber = field + 1
    found.BeamName = text(_name(spots, field))
    found.BeamDescription = text(
        f"{LABEL}: gantry {float(spots['gantry'][field]):g} deg, parallel beam", 1024
    )
    found.BeamType = "STATIC"
    found.RadiationType = "ION"
    found.RadiationMassNumber, found.RadiationAtomicNumber, found.RadiationChargeState = CARBON
    found.ScanMode = "MODULATED"
    found.ModulatedScanModeType = "STATIONARY"
    found.TreatmentMachineName = ""
    found.PrimaryDosimeterUnit = "NP"
    found.VirtualSourceAxisDistances = [SOURCE_DISTANCE_MM, SOURCE_DISTANCE_MM]
    found.TreatmentDeliveryType = "TREATMENT"
    for keyword in ABSENT:
        setattr(found, keyword, 0)
    found.PatientSupportType = "TABLE"
    found.ReferencedPatientSetupNumber = 1
    points = _control_points(spots, used, fractions)
    _add_geometry(points[0], spots, field)
    found.NumberOfControlPoints = len(points)
    found.IonControlPointSequence = points
    found.FinalCumulativeMetersetWeight = points[-1].CumulativeMetersetWeight
    return found


def _name(spots: xr.Dataset, field: int) -> str:
    """Name a field as the case does, by its number where it does not."""
    names = spots.attrs.get("field_names")
    return f"field {field + 1}" if names is None else str(names[field])


def _control_points(spots: xr.Dataset, used: NDArray[np.int64], fractions: int) -> list[Dataset]:
    """Make two control points of every layer: with the ions of its spots, and with none.

    The cumulative meterset sums the weights as they are stored, in float32.
    """
    energies = spots["spot_energy"].values[used]
    points: list[Dataset] = []
    meterset = 0.0
    for energy in np.unique(energies)[::-1]:
        layer = used[energies == energy]
        ions = (spots["weight"].values[layer] * (IONS / fractions)).astype(np.float32)
        for weights in (ions, np.zeros_like(ions)):
            points.append(_control_point(spots, layer, float(energy), weights))
            points[-1].ControlPointIndex = len(points) - 1
            points[-1].CumulativeMetersetWeight = decimal(meterset)
            meterset += float(weights.sum(dtype=np.float64))
    return points


def _control_point(
    spots: xr.Dataset, layer: NDArray[np.int64], energy: float, weights: NDArray[np.float32]
) -> Dataset:
    """State energy [MeV/u], positions [mm] and ions of the spots of a layer."""
    found = Dataset()
    found.NominalBeamEnergy = decimal(energy)
    found.ScanSpotTuneID = "unknown"
    found.NumberOfScanSpotPositions = layer.size
    places = np.stack([spots["spot_u"].values[layer], spots["spot_v"].values[layer]], axis=1)
    found.ScanSpotPositionMap = places.astype(np.float32).ravel().tolist()
    found.ScanSpotMetersetWeights = weights.tolist()
    found.NumberOfPaintings = 1
    return found


def _add_geometry(found: Dataset, spots: xr.Dataset, field: int) -> None:
    """State in the first control point what stays the same: angles and isocentre."""
    angles = {"Gantry": float(spots["gantry"][field]), "PatientSupport": float(spots["couch"][field])}
    for name in TURNS:
        setattr(found, f"{name}Angle", decimal(angles.get(name, 0.0) % 360.0))
        setattr(found, f"{name}RotationDirection", "NONE")
    tilts = {"TableTopRoll": float(spots["roll"][field])}
    for name in TILTS:
        setattr(found, f"{name}Angle", tilts.get(name, 0.0))
        setattr(found, f"{name}RotationDirection", "NONE")
    for name in UNKNOWN:
        setattr(found, name, None)
    found.IsocenterPosition = [position(value) for value in spots["isocentre"].values]


def _description(course_fractions: NDArray[np.int32], assumptions: Sequence[str]) -> str:
    """Say what the numbers are, and which beam they are for."""
    fractions = " + ".join(map(str, course_fractions))
    said = (
        f"{LABEL}, not for treatment. Weights are ions per fraction, {fractions} fractions; parallel beams."
    )
    return text(" ".join([said, *(line for line in assumptions if line.startswith(BEAM_LINES))]), 1024)


def _setup() -> Dataset:
    found = Dataset()
    found.PatientSetupNumber = 1
    found.PatientPosition = "HFS"
    return found


def _fraction_groups(spots: xr.Dataset, beams: list[Dataset]) -> list[Dataset]:
    """Make a fraction group of every course that has a beam, numbered from 1."""
    course = spots["course_index"].values
    groups: list[Dataset] = []
    for index, fractions in enumerate(spots["course_fractions"].values):
        own = [beam for beam in beams if course[beam.BeamNumber - 1] == index]
        if own:
            groups.append(_fraction_group(own, int(fractions)))
            groups[-1].FractionGroupNumber = len(groups)
    return groups


def _fraction_group(beams: list[Dataset], fractions: int) -> Dataset:
    """Let every fraction deliver the beams; the meterset of a beam is its ions in one fraction."""
    found = Dataset()
    found.NumberOfFractionsPlanned = fractions
    found.NumberOfBeams = len(beams)
    found.NumberOfBrachyApplicationSetups = 0
    found.ReferencedBeamSequence = []
    for beam in beams:
        item = Dataset()
        item.ReferencedBeamNumber = beam.BeamNumber
        item.BeamMeterset = beam.FinalCumulativeMetersetWeight
        found.ReferencedBeamSequence.append(item)
    return found


def _add_prescription(found: Dataset, case_toml: str, structures: Dataset) -> None:
    """State the dose that the case prescribes to the target, if there are a target and a prescription."""
    number = structure_number(structures, "target")
    try:
        stated: dict[str, Any] = tomllib.loads(case_toml).get("prescription", {})
    except tomllib.TOMLDecodeError:
        return
    total = stated.get("total_gy_rbe")
    if number is None or total is None:
        return
    item = Dataset()
    item.DoseReferenceNumber = 1
    item.DoseReferenceStructureType = "VOLUME"
    item.ReferencedROINumber = number
    item.DoseReferenceDescription = text(f"RBE-weighted dose, scale {stated.get('scale', 'not stated')}")
    item.DoseReferenceType = "TARGET"
    item.TargetPrescriptionDose = decimal(float(total))
    found.DoseReferenceSequence = [item]
