"""A folder of DICOM files to a CT with contours."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import RTDoseStorage, RTIonPlanStorage, RTStructureSetStorage

from doseplan.exchange.dicom_check import reference_problems
from doseplan.exchange.dicom_dose import read_dose
from doseplan.exchange.dicom_open import open_dicom
from doseplan.exchange.dicom_series import Volume, choose_series, ct_series, read_volume
from doseplan.exchange.dicom_structure_set import read_structures
from doseplan.exchange.scan import make_scan
from doseplan.exchange.sizes import refuse_larger
from doseplan.messages import InputError, Progress, silent

CONTRAST = "contrast agent was given: vessels and what takes it up look denser to the curve than they are"

ANGLES = "angles of fields count as if the patient lay head first and supine (HFS)"

_VR_SAID = {
    "DA": "dates",
    "TM": "times",
    "UI": "identifiers",
    "DS": "numbers",
    "IS": "numbers",
    "PN": "names",
}


def read_dicom(
    folder: str | Path,
    *,
    series: str | None = None,
    structure_set: str | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """Read a CT series and a structure set from a folder and its subfolders, whatever the files are called.

    Parameters
    ----------
    series : number in the list, UID or description of the CT series, if there are several
    structure_set : label or file name of the structure set, if there are several

    Returns
    -------
    scan : Dataset of `make_scan`; the attribute `notes` says what was used and ignored, and why

    Raises
    ------
    InputError
        No CT, several series and none chosen, or a series that is no straight, even, complete stack.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of DICOM files, got none")
    with _listening() as odd:
        files, notes = _open_files(folder, progress)
        images = choose_series(ct_series(files), series, where=str(folder))
        progress("pixels", 0.5)
        try:
            volume = read_volume(images)
        except InputError as error:
            raise InputError(*error.lines, *(note for note in notes if "damaged" in note)) from None
        chosen = {path for path, _ in images}
        notes.append(f"CT: series {volume.series}, {len(images)} slices")
        lying = sorted({str(data.get("PatientPosition") or "HFS") for _, data in images} - {"HFS"})
        if lying:
            notes.append(f"patient lay {', '.join(lying)}: {ANGLES}")
        if any(data.get("ContrastBolusAgent") for _, data in images):
            notes.append(CONTRAST)
        sets = _of_class(files, RTStructureSetStorage)
        progress("contours", 0.8)
        structures, more = _structures(sets, structure_set, volume, str(folder))
        notes += reference_problems(list(files.values()))
        others = [data for path, data in files.items() if path not in chosen and path not in sets]
        notes += more + _ignored(others)
        notes += _odd(odd)
    return make_scan(volume.ct_number, volume.axes, structures, source=folder.name, notes=notes)


def read_dose_and_structures(folder: str | Path) -> tuple[xr.Dataset, xr.Dataset, dict[str, float]]:
    """Read the RBE-weighted dose of a folder, and the structures on its grid.

    Returns
    -------
    dose : Dataset of `read_dose` with `dose_rbe`
    scan : Dataset of `make_scan` on the grid of the dose, CT numbers all 0
    stated : `total_gy_rbe` and `fractions`, as far as a plan in the folder states them

    Raises
    ------
    InputError
        There is not exactly one such dose, no structure set or several, or one that can't be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of DICOM files, got none")
    with _listening() as odd:
        files, notes = _open_files(folder, silent)
        doses = [
            path
            for path, data in _of_class(files, RTDoseStorage).items()
            if data.get("DoseType") == "EFFECTIVE"
        ]
        if len(doses) != 1:
            names = ", ".join(path.name for path in doses)
            raise InputError(
                f"{folder}: expected one RBE-weighted dose (DoseType EFFECTIVE), got {names or 'none'}"
            )
        dose = read_dose(doses[0])
        z, y, x = (dose[axis].values for axis in "zyx")
        grid = Volume(
            ct_number=np.zeros((len(z), len(y), len(x)), np.int16),
            axes=(z, y, x),
            frame_of_reference=str(dose.attrs["frame_of_reference_uid"]),
            instances=frozenset(str(data.get("SOPInstanceUID", "")) for data in files.values()),
            series="dose",
        )
        sets = _of_class(files, RTStructureSetStorage)
        if not sets:
            raise InputError(f"{folder}: expected a structure set beside the dose, got none")
        structures, more = _structures(sets, None, grid, str(folder))
        problems = reference_problems(list(files.values()))
        notes = [*notes, *more, *problems, *_odd(odd)]
    scan = make_scan(grid.ct_number, grid.axes, structures, source=folder.name, notes=notes)
    return dose, scan, _stated(files)


def _of_class(files: dict[Path, FileDataset], kind: str) -> dict[Path, FileDataset]:
    return {path: data for path, data in files.items() if data.get("SOPClassUID") == kind}


def _stated(files: dict[Path, FileDataset]) -> dict[str, float]:
    """Prescription of the only plan in a folder."""
    plans = list(_of_class(files, RTIonPlanStorage).values())
    found: dict[str, float] = {}
    if len(plans) != 1:
        return found
    for item in plans[0].get("DoseReferenceSequence") or []:
        if item.get("TargetPrescriptionDose"):
            found["total_gy_rbe"] = float(item.TargetPrescriptionDose)
    for item in plans[0].get("FractionGroupSequence") or []:
        if item.get("NumberOfFractionsPlanned"):
            # a group for each course; its days add up
            found["fractions"] = found.get("fractions", 0.0) + float(item.NumberOfFractionsPlanned)
    return found


@contextmanager
def _listening() -> Iterator[list[warnings.WarningMessage]]:
    """Collect what pydicom warns of, and keep its log quiet: both may hold values, as a patient's name."""
    log = logging.getLogger("pydicom")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(record=True) as odd:
            warnings.simplefilter("always")
            yield odd
    finally:
        log.setLevel(level)


def _odd(odd: list[warnings.WarningMessage]) -> list[str]:
    """Count warnings by the kind of value (VR) that they are about; the values are not repeated."""
    kinds: dict[str, int] = {}
    for line in odd:
        found = re.search(r"VR (?:of )?'?([A-Z]{2})\b", str(line.message))
        kind = _VR_SAID.get(found[1], f"values of kind {found[1]}") if found else "other things"
        kinds[kind] = kinds.get(kind, 0) + 1
    return [
        f"against the rules of DICOM, read nevertheless: {kind} ({count})" for kind, count in kinds.items()
    ]


def _open_files(folder: Path, progress: Progress) -> tuple[dict[Path, FileDataset], list[str]]:
    """Open every file that is DICOM; notes for those that are not."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found: dict[Path, FileDataset] = {}
    other, size, damaged = 0, 0, []
    for number, path in enumerate(paths):
        if number % 20 == 0:
            progress(f"files, {number} of {len(paths)}", 0.5 * number / len(paths))
        try:
            data = open_dicom(path)
            size += path.stat().st_size
            refuse_larger(folder, size, what="of DICOM files")
            _decode(data)
            found[path] = data
        except InputError:
            raise
        except InvalidDicomError:
            other += 1
        except Exception as error:  # pydicom raises anything on damaged files
            damaged.append(f"{path.name} ignored: damaged ({type(error).__name__})")
    notes = [f"{len(paths)} files, {len(found)} of them DICOM", *damaged]
    return found, notes + ([f"{other} files ignored: not DICOM"] if other else [])


def _decode(data: Dataset) -> None:
    """Read every value now, as values are decoded when they are first asked for and damage shows then."""
    for element in data:
        if element.VR == "SQ":
            for item in element.value:
                _decode(item)


def _structures(
    sets: dict[Path, FileDataset], stated: str | None, volume: Volume, where: str
) -> tuple[dict[str, list[NDArray[np.float64]]], list[str]]:
    """Read the only structure set, the stated one, or the only one that refers to the CT."""
    if not sets:
        if stated is not None:
            raise InputError(f"--structure-set: expected one of the structure sets, got '{stated}' of none")
        return {}, ["no structure set: the CT has no contours"]
    chosen = [
        path
        for path, data in sets.items()
        if stated in (path.name, _label(data), str(data.get("SOPInstanceUID")))
    ]
    if stated is None:
        on_ct = [path for path, data in sets.items() if _referred(data) & volume.instances]
        chosen = on_ct if len(sets) > 1 else list(sets)
    if len(chosen) != 1:
        listed = ", ".join(f"'{_label(data)}' ({path.name})" for path, data in sets.items())
        raise InputError(
            f"{where}: expected one structure set, got {len(sets)}: {listed}; choose by --structure-set LABEL"
        )
    path = chosen[0]
    try:
        structures, notes = read_structures(sets[path], volume, where=path.name)
    except InputError:
        raise
    except Exception as error:  # a damaged value raises anything; it may be a name, so it is not repeated
        raise InputError(
            f"{path.name}: expected a structure set that can be read, got damaged values "
            f"({type(error).__name__})"
        ) from None
    notes.insert(0, f"structure set: '{_label(sets[path])}' ({path.name}), {len(structures)} structures")
    referred = _referred(sets[path])
    if not referred:
        notes.append(f"{path.name}: refers to no image: taken to belong to the CT by its frame of reference")
    elif not referred & volume.instances:
        notes.append(f"{path.name}: refers to other images than those of the CT")
    return structures, notes + [f"{p.name} ignored: another structure set" for p in sets if p != path]


def _label(data: FileDataset) -> str:
    return str(data.get("StructureSetLabel") or "no label")


def _referred(data: FileDataset) -> set[str]:
    """Instances that a structure set says it was drawn on."""
    return {
        str(image.get("ReferencedSOPInstanceUID"))
        for frame in data.get("ReferencedFrameOfReferenceSequence") or []
        for study in frame.get("RTReferencedStudySequence") or []
        for series in study.get("RTReferencedSeriesSequence") or []
        for image in series.get("ContourImageSequence") or []
    }


def _ignored(others: list[FileDataset]) -> list[str]:
    """Count what was not used, by kind."""
    counts: dict[str, int] = {}
    for data in others:
        kind = getattr(data.get("SOPClassUID"), "name", None) or "no SOP class"
        counts[kind] = counts.get(kind, 0) + 1
    return [f"{count} ignored: {kind}" for kind, count in sorted(counts.items())]
