"""Contours from a DICOM structure set, with everything odd about them as notes."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset

from doseplan.exchange.dicom_series import Volume
from doseplan.messages import InputError

AXIAL_MM = 0.05
"""[mm] points of an axial contour lie within this of one height."""


def read_structures(
    data: FileDataset, volume: Volume, *, where: str
) -> tuple[dict[str, list[NDArray[np.float64]]], list[str]]:
    """Read the closed axial contours of every structure.

    Parameters
    ----------
    volume : the CT that they should lie on

    Returns
    -------
    structures : contours by name, each (point, axis) with x, y, z in patient LPS [mm]
    notes : what is odd: no frame of reference, empty contours, contours off the CT, ...

    Raises
    ------
    InputError
        The structures lie in another frame of reference than the CT.
    """
    notes = _frame_notes(data, volume, where)
    names = _names(data, where, notes)
    found: dict[str, list[NDArray[np.float64]]] = {}
    for roi in data.get("ROIContourSequence") or []:
        number = roi.get("ReferencedROINumber")
        name = names.get(int(number)) if number is not None else None
        if name is None:
            notes.append(f"{where}: contours of ROI {number} ignored: no structure of that number")
            continue
        found.setdefault(name, []).extend(_contours(roi, name, volume, where, notes))
    for name in names.values():
        if not found.get(name):
            notes.append(f"{where}: '{name}' ignored: no contours")
    return {name: contours for name, contours in found.items() if contours}, notes


def _frame_notes(data: Dataset, volume: Volume, where: str) -> list[str]:
    frames = {
        str(item.FrameOfReferenceUID)
        for item in data.get("ReferencedFrameOfReferenceSequence") or []
        if item.get("FrameOfReferenceUID")
    }
    frames |= {
        str(item.ReferencedFrameOfReferenceUID)
        for item in data.get("StructureSetROISequence") or []
        if item.get("ReferencedFrameOfReferenceUID")
    }
    if not frames:
        return [f"{where}: no frame of reference: taken to be that of the CT"]
    if volume.frame_of_reference and volume.frame_of_reference not in frames:
        raise InputError(
            f"{where}: FrameOfReferenceUID: expected that of the CT ({volume.frame_of_reference}), "
            f"got {', '.join(sorted(frames))}"
        )
    return []


def _names(data: Dataset, where: str, notes: list[str]) -> dict[int, str]:
    """Names by number; a name that comes twice gets its number."""
    names: dict[int, str] = {}
    for item in data.get("StructureSetROISequence") or []:
        number = item.get("ROINumber")
        if number is None:
            notes.append(f"{where}: a structure without number ignored")
            continue
        name = str(item.get("ROIName") or f"ROI {number}").strip()
        if name in names.values():
            notes.append(
                f"{where}: two structures are called '{name}'; the second becomes '{name} ({number})'"
            )
            name = f"{name} ({number})"
        names[int(number)] = name
    return names


def _contours(
    roi: Dataset, name: str, volume: Volume, where: str, notes: list[str]
) -> list[NDArray[np.float64]]:
    found, skipped = [], dict.fromkeys(("empty", "not closed", "damaged", "not axial", "off the CT"), 0)
    z = volume.axes[0]
    half = (z[1] - z[0]) / 2 + AXIAL_MM
    for item in roi.get("ContourSequence") or []:
        values = item.get("ContourData")
        kind = str(item.get("ContourGeometricType", "CLOSED_PLANAR"))
        if not values or len(values) < 9:
            skipped["empty"] += 1
            continue
        if not kind.startswith("CLOSED"):
            skipped["not closed"] += 1
            continue
        try:
            points = np.array([float(value) for value in values]).reshape(-1, 3)
        except ValueError:
            skipped["damaged"] += 1
            continue
        stated = item.get("NumberOfContourPoints")
        if not np.isfinite(points).all() or (stated is not None and int(stated) != len(points)):
            skipped["damaged"] += 1
        elif np.ptp(points[:, 2]) > AXIAL_MM:
            skipped["not axial"] += 1
        elif not z[0] - half <= points[0, 2] <= z[-1] + half or not _over(points, volume):
            skipped["off the CT"] += 1
        else:
            found.append(points)
    notes += [
        f"{where}: '{name}': {count} contour{'s' if count > 1 else ''} ignored: {reason}"
        for reason, count in skipped.items()
        if count
    ]
    return found


def _over(points: NDArray[np.float64], volume: Volume) -> bool:
    """Tell whether a contour and the CT overlap in the plane."""
    ends = [(axis[0], axis[-1]) for axis in (volume.axes[2], volume.axes[1])]
    return all(
        points[:, place].max() >= low and points[:, place].min() <= high
        for place, (low, high) in enumerate(ends)
    )
