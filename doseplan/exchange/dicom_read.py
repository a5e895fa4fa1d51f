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
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import RTStructureSetStorage

from doseplan.exchange.dicom_series import Volume, choose_series, ct_series, read_volume
from doseplan.exchange.dicom_structure_set import read_structures
from doseplan.exchange.scan import make_scan
from doseplan.messages import InputError, Progress, silent

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
        sets = {
            path: data for path, data in files.items() if data.get("SOPClassUID") == RTStructureSetStorage
        }
        progress("contours", 0.8)
        structures, more = _structures(sets, structure_set, volume, str(folder))
        others = [data for path, data in files.items() if path not in chosen and path not in sets]
        notes += more + _ignored(others)
        notes += _odd(odd)
    return make_scan(volume.ct_number, volume.axes, structures, source=folder.name, notes=notes)


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
    other, damaged = 0, []
    for number, path in enumerate(paths):
        if number % 20 == 0:
            progress(f"files, {number} of {len(paths)}", 0.5 * number / len(paths))
        try:
            data = dcmread(path)
            _decode(data)
            found[path] = data
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
        path for path, data in sets.items() if stated in (path.name, _label(data), str(data.SOPInstanceUID))
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
    structures, notes = read_structures(sets[path], volume, where=path.name)
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
