"""What no validator of DICOM sees: references that lead nowhere, counts that disagree with their lists."""

from collections.abc import Iterable, Iterator, Sequence, Sized
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from doseplan.exchange.dicom_structures import STUDY_CLASS

TOLERANCE = 1e-6
"""Relative; metersets are decimal strings of ten digits, their parts float32."""


def reference_problems(datasets: Sequence[Dataset]) -> list[str]:
    """Find what does not fit together in a set of CT images, structure sets, plans and doses.

    Parameters
    ----------
    datasets
        All objects of the set; pixel data is not looked at.

    Returns
    -------
    list of str
        A line for each problem, `where: expected rule, got value`; empty if there is none.

    Notes
    -----
    Identifiers that name an object twice or none that is there; frames of reference that differ; numbers of
    control points, spots, beams, frames, contour points; sums of metersets; structures that are not defined.
    """
    problems = [*_identifiers(datasets), *_frames_of_reference(datasets)]
    for dataset in datasets:
        try:
            problems += _object_problems(dataset)
        except (TypeError, ValueError):  # of float or int; the value is not repeated, it may be anything
            problems.append(_line(_where(dataset), "numbers that can be read", "damaged ones"))
    return problems


def _object_problems(dataset: Dataset) -> list[str]:
    """Judge an object by itself."""
    where = _where(dataset)
    modality = dataset.get("Modality")
    if modality == "RTSTRUCT":
        return list(_structure_problems(dataset, where))
    if modality == "RTDOSE":
        return list(_dose_problems(dataset, where))
    return list(_plan_problems(dataset, where)) if "IonBeamSequence" in dataset else []


def _where(dataset: Dataset) -> str:
    """Name an object by its file, or by modality and the end of its identifier."""
    file = getattr(dataset, "filename", None)
    if isinstance(file, str | Path) and str(file):
        return Path(file).name
    return f"{dataset.get('Modality', 'object')} ...{str(dataset.get('SOPInstanceUID', ''))[-8:]}"


def _identifiers(datasets: Sequence[Dataset]) -> Iterator[str]:
    """Look for objects that are named but not there, of another class, or there twice."""
    classes: dict[str, str] = {}
    for dataset in datasets:
        name = str(dataset.get("SOPInstanceUID", ""))
        if name in classes:
            yield f"{_where(dataset)}: expected a SOPInstanceUID of its own, got {name} a second time"
        classes[name] = str(dataset.get("SOPClassUID", ""))
    for dataset in datasets:
        named = dict.fromkeys(_references(dataset))
        missing = [name for _, name in named if name not in classes]
        if missing:
            yield (
                f"{_where(dataset)}: expected all {len(named)} referenced objects in the set, "
                f"got {len(missing)} that are not, first {missing[0]}"
            )
        for sop_class, name in named:
            if classes.get(name, sop_class) != sop_class:
                yield _line(f"{_where(dataset)}: {name}", f"a reference by class {classes[name]}", sop_class)


def _references(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """List class and identifier of all objects that are referred to, at any depth; not studies."""
    if "ReferencedSOPInstanceUID" in dataset and dataset.get("ReferencedSOPClassUID") != STUDY_CLASS:
        yield str(dataset.get("ReferencedSOPClassUID", "")), str(dataset.ReferencedSOPInstanceUID)
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _references(item)


def _frames_of_reference(datasets: Sequence[Dataset]) -> Iterator[str]:
    """Compare all frames of reference with that of the first image, or of the first object that has one."""
    ordered = sorted(datasets, key=lambda dataset: dataset.get("Modality") != "CT")
    used = [(dataset, name) for dataset in ordered for name in dict.fromkeys(_frame_names(dataset))]
    for dataset, name in used:
        if name != used[0][1]:
            yield f"{_where(dataset)}: expected the frame of reference {used[0][1]}, got {name}"


def _frame_names(dataset: Dataset) -> Iterator[str]:
    items = [
        *(dataset.get("ReferencedFrameOfReferenceSequence") or []),
        *(dataset.get("StructureSetROISequence") or []),
    ]
    for item in (dataset, *items):
        for keyword in ("FrameOfReferenceUID", "ReferencedFrameOfReferenceUID"):
            if item.get(keyword):
                yield str(item.get(keyword))


def _structure_problems(dataset: Dataset, where: str) -> Iterator[str]:
    """Check numbers of structures, and the points of every contour."""
    defined = [_number(roi, "ROINumber") for roi in dataset.get("StructureSetROISequence") or []]
    for keyword in ("ROIContourSequence", "RTROIObservationsSequence"):
        for item in dataset.get(keyword) or []:
            if _number(item, "ReferencedROINumber") not in defined:
                yield _line(
                    f"{where}: {keyword}", f"a structure of {defined}", item.get("ReferencedROINumber")
                )
    for roi in dataset.get("ROIContourSequence") or []:
        for index, contour in enumerate(roi.get("ContourSequence") or []):
            place = f"{where}: structure {roi.get('ReferencedROINumber')} contour {index}"
            values, points = _count(contour.get("ContourData")), contour.get("NumberOfContourPoints")
            if points is None or 3 * int(points) != values:
                yield _line(f"{place}: NumberOfContourPoints", f"a third of {values} coordinates", points)


def _dose_problems(dataset: Dataset, where: str) -> Iterator[str]:
    """Check that every frame has its place."""
    frames, offsets = int(dataset.get("NumberOfFrames") or 1), _count(dataset.get("GridFrameOffsetVector"))
    if offsets != frames and not (frames == 1 and offsets == 0):
        yield _line(f"{where}: GridFrameOffsetVector", f"{frames} offsets as NumberOfFrames", offsets)


def _plan_problems(dataset: Dataset, where: str) -> Iterator[str]:
    """Check fractions against beams, and every beam by itself."""
    beams = [_number(beam, "BeamNumber") for beam in dataset.IonBeamSequence]
    if len(set(beams)) != len(beams):
        yield _line(f"{where}: BeamNumber", "a number of its own for every beam", beams)
    for group in dataset.get("FractionGroupSequence") or []:
        place = f"{where}: fraction group {group.get('FractionGroupNumber')}"
        named = [_number(beam, "ReferencedBeamNumber") for beam in group.get("ReferencedBeamSequence") or []]
        if not set(named) <= set(beams):
            yield _line(f"{place}: ReferencedBeamNumber", f"numbers of {beams}", named)
        if group.get("NumberOfBeams") != len(named):
            yield _line(f"{place}: NumberOfBeams", f"{len(named)} as beams named", group.get("NumberOfBeams"))
    for beam in dataset.IonBeamSequence:
        yield from _beam_problems(beam, f"{where}: beam {beam.get('BeamNumber')}")


def _beam_problems(beam: Dataset, where: str) -> Iterator[str]:
    """Check control points, spots and metersets of a beam."""
    points = list(beam.get("IonControlPointSequence") or [])
    if beam.get("NumberOfControlPoints") != len(points):
        yield _line(
            f"{where}: NumberOfControlPoints",
            f"{len(points)} as there are",
            beam.get("NumberOfControlPoints"),
        )
    if [point.get("ControlPointIndex") for point in points] != list(range(len(points))):
        yield _line(f"{where}: ControlPointIndex", "0, 1, 2, ...", "others")
    for index, point in enumerate(points):
        yield from _spot_problems(point, f"{where} control point {index}")
    if points:
        yield from _meterset_problems(beam, points, where)


def _spot_problems(point: Dataset, where: str) -> Iterator[str]:
    """Compare the number of spots with the lengths of both lists."""
    if "ScanSpotPositionMap" not in point and "ScanSpotMetersetWeights" not in point:
        return
    spots = int(point.get("NumberOfScanSpotPositions") or 0)
    places, weights = (
        _count(point.get(keyword)) for keyword in ("ScanSpotPositionMap", "ScanSpotMetersetWeights")
    )
    if places != 2 * spots:
        yield _line(f"{where}: ScanSpotPositionMap", f"{2 * spots} coordinates of {spots} spots", places)
    if weights != spots:
        yield _line(f"{where}: ScanSpotMetersetWeights", f"{spots} weights of {spots} spots", weights)


def _meterset_problems(beam: Dataset, points: list[Dataset], where: str) -> Iterator[str]:
    """Compare the cumulative meterset with the weights of the spots before, and with its end."""
    stated = np.array([float(point.get("CumulativeMetersetWeight") or 0.0) for point in points])
    sums = np.array([np.sum(_numbers(point.get("ScanSpotMetersetWeights"))) for point in points])
    summed = np.concatenate([[0.0], np.cumsum(sums)[:-1]])
    final = float(beam.get("FinalCumulativeMetersetWeight") or 0.0)
    allowed = TOLERANCE * max(final, float(stated.max()), 1e-30)
    wrong = np.flatnonzero(np.abs(stated - summed) > allowed)
    if sums.any() and wrong.size:
        place = int(wrong[0])
        yield _line(
            f"{where} control point {place}: CumulativeMetersetWeight",
            f"{summed[place]:.10g} as the spots before sum to",
            f"{stated[place]:.10g}",
        )
    if abs(final - stated[-1]) > allowed:
        yield _line(
            f"{where}: FinalCumulativeMetersetWeight", f"{stated[-1]:.10g} as the last point", f"{final:.10g}"
        )


def _line(where: str, rule: str, value: object) -> str:
    return f"{where}: expected {rule}, got {value}"


def _numbers(value: object) -> list[float]:
    if value is None:
        return []
    return [float(each) for each in value] if isinstance(value, Iterable) else [float(str(value))]


def _count(value: object) -> int:
    if value is None:
        return 0
    return len(value) if isinstance(value, Sized) else 1


def _number(item: Dataset, keyword: str) -> int | None:
    value = item.get(keyword)
    return None if value is None else int(value)
