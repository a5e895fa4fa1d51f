"""Structure set of an arm: cord, sac, tumour, target and body as contours on the CT."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import RTStructureSetStorage
from scipy import ndimage

from doseplan.exchange.dicom_common import (
    LABEL,
    Source,
    add_frame_of_reference,
    decimal,
    grid_of,
    reference,
    start_object,
    text,
)
from doseplan.exchange.dicom_contours import mask_contours
from doseplan.messages import InputError

STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management: the class by which a structure set names the study of its images."""

INSIDE = 0.5
"""A voxel belongs to a structure when at least this part of it does."""

BODY_DENSITY = 0.2
"""[g/cm3] The body is denser, lungs and airways inside it are filled."""

CONTOUR_DECIMALS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How a structure is shown and understood."""

    interpreted: str
    colour: tuple[int, int, int]
    meaning: str


STRUCTURES = {
    "cord": Drawn(interpreted="ORGAN", colour=(230, 159, 0), meaning="spinal cord"),
    "sac": Drawn(interpreted="ORGAN", colour=(86, 180, 233), meaning="thecal sac: all inside the dura"),
    "gtv": Drawn(interpreted="GTV", colour=(213, 94, 0), meaning="gross tumour present in this arm"),
    "target": Drawn(interpreted="CTV", colour=(204, 121, 167), meaning="target to be treated in this arm"),
    "body": Drawn(interpreted="EXTERNAL", colour=(0, 158, 115), meaning="outline of the body"),
}


def structure_set(anatomy: xr.Dataset, images: list[Dataset], source: Source) -> Dataset:
    """Make the structure set of an arm.

    Parameters
    ----------
    anatomy
        `density`, and those of `cord`, `sac`, `gtv`, `target` that there are.
    images
        CT images in the order of the slices, from `ct_slices`.

    Returns
    -------
    Dataset
        RT Structure Set; structures without a voxel are left out. Numbers of structures from 1, the same in
        all arms.
    """
    found = start_object(source, RTStructureSetStorage, "RTSTRUCT", "structures")
    add_frame_of_reference(found, source)
    found.StructureSetLabel = text(LABEL, 16)
    found.StructureSetName = text(f"{source.case}, {source.arm}")
    found.StructureSetDate, found.StructureSetTime = "", ""
    found.ReferencedFrameOfReferenceSequence = [_image_reference(images)]
    found.StructureSetROISequence = []
    found.ROIContourSequence = []
    found.RTROIObservationsSequence = []
    for number, name in enumerate(STRUCTURES, start=1):
        if name == "body" or name in anatomy:
            mask = structure_mask(anatomy, name)
            if mask.any():
                _add_structure(found, number, name, mask, anatomy, images)
    if not found.StructureSetROISequence:
        raise InputError(f"{source.arm}: anatomy: expected at least one structure with a voxel, got none")
    found.ApprovalStatus = "UNAPPROVED"
    return found


def structure_mask(anatomy: xr.Dataset, name: str) -> NDArray[np.bool_]:
    """Tell which voxels (z, y, x) belong to a structure by name, as contours show it."""
    if name != "body":
        inside: NDArray[np.bool_] = anatomy[name].values >= INSIDE
        return inside
    parts, count = ndimage.label(anatomy["density"].values > BODY_DENSITY)
    if not count:
        return np.zeros(parts.shape, dtype=bool)
    largest = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    return np.stack([ndimage.binary_fill_holes(plane) for plane in largest])


def structure_number(found: Dataset, name: str) -> int | None:
    """Find a structure's number in a structure set; None if it has none of that name."""
    numbers = (int(roi.ROINumber) for roi in found.StructureSetROISequence if roi.ROIName == name)
    return next(numbers, None)


def _add_structure(
    found: Dataset,
    number: int,
    name: str,
    mask: NDArray[np.bool_],
    anatomy: xr.Dataset,
    images: list[Dataset],
) -> None:
    """Add name, contours and meaning of a structure."""
    drawn = STRUCTURES[name]
    meaning = str(anatomy.attrs.get("neural_structure", drawn.meaning)) if name == "cord" else drawn.meaning
    roi = Dataset()
    roi.ROINumber = number
    roi.ReferencedFrameOfReferenceUID = found.FrameOfReferenceUID
    roi.ROIName = name
    roi.ROIDescription = text(f"{LABEL}: {meaning}", 1024)
    roi.ROIGenerationAlgorithm = "AUTOMATIC"
    shown = Dataset()
    shown.ReferencedROINumber = number
    shown.ROIDisplayColor = list(drawn.colour)
    shown.ContourSequence = list(_contours(mask, anatomy, images))
    observed = Dataset()
    observed.ObservationNumber = number
    observed.ReferencedROINumber = number
    observed.RTROIInterpretedType = drawn.interpreted
    observed.ROIInterpreter = ""
    found.StructureSetROISequence.append(roi)
    found.ROIContourSequence.append(shown)
    found.RTROIObservationsSequence.append(observed)


def _contours(mask: NDArray[np.bool_], anatomy: xr.Dataset, images: list[Dataset]) -> Iterator[Dataset]:
    """Draw the outlines of every slice in patient LPS, each with the image that it lies on."""
    grid = grid_of(anatomy, "anatomy")
    edges_x, edges_y, planes = (
        [decimal(round(float(edge), CONTOUR_DECIMALS)) for edge in edges]
        for edges in (grid.edges(0), grid.edges(1), grid.centres(2))
    )
    for index in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        for corners in mask_contours(mask[index]):
            contour = Dataset()
            contour.ContourImageSequence = [reference(images[index])]
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(corners)
            contour.ContourData = [
                place for x, y in corners.tolist() for place in (edges_x[x], edges_y[y], planes[index])
            ]
            yield contour


def _image_reference(images: list[Dataset]) -> Dataset:
    """Name frame of reference, study, series and images that the contours lie on."""
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = [reference(image) for image in images]
    study = Dataset()
    study.ReferencedSOPClassUID = STUDY_CLASS
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame
