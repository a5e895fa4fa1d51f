"""DICOM folders written by hand, with nothing of ours."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

SERIES = generate_uid(entropy_srcs=["series"])
FRAME = generate_uid(entropy_srcs=["frame"])


def slice_file(
    pixels: np.ndarray,
    position: Sequence[float],
    *,
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    spacing: Sequence[float] = (1.0, 1.0),
    series: str = SERIES,
    description: str = "spine",
    number: int = 1,
) -> FileDataset:
    """One CT image; stored numbers are CT numbers + 1024."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(list(position))])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = CTImageStorage
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID, data.FrameOfReferenceUID = series, FRAME
    data.SeriesDescription, data.Modality, data.InstanceNumber = description, "CT", number
    data.PatientName = "Doe^Jane"
    data.Rows, data.Columns = pixels.shape
    data.PixelSpacing = [float(value) for value in spacing]
    data.ImagePositionPatient = [float(value) for value in position]
    data.ImageOrientationPatient = [float(value) for value in orientation]
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.RescaleSlope, data.RescaleIntercept = 1.0, -1024.0
    data.PixelData = (pixels + 1024).astype("<u2").tobytes()
    return data


def structure_file(
    contours: dict[str, list[np.ndarray]], instances: Sequence[str], *, frame: str | None = FRAME
) -> FileDataset:
    """A structure set that refers to CT instances."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["structures"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = RTStructureSetStorage
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.StructureSetLabel, data.Modality = "plan", "RTSTRUCT"
    if frame is not None:
        reference = Dataset()
        reference.FrameOfReferenceUID = frame
        study, series = Dataset(), Dataset()
        series.SeriesInstanceUID = SERIES
        series.ContourImageSequence = [_image(instance) for instance in instances]
        study.RTReferencedSeriesSequence = [series]
        reference.RTReferencedStudySequence = [study]
        data.ReferencedFrameOfReferenceSequence = [reference]
    data.StructureSetROISequence, data.ROIContourSequence = [], []
    for number, (name, parts) in enumerate(contours.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        if frame is not None:
            roi.ReferencedFrameOfReferenceUID = frame
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = [_contour(part) for part in parts]
        data.StructureSetROISequence.append(roi)
        data.ROIContourSequence.append(drawn)
    return data


def _image(instance: str) -> Dataset:
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = CTImageStorage, instance
    return image


def _contour(points: np.ndarray) -> Dataset:
    item = Dataset()
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(points)
    item.ContourData = [f"{value:.3f}" for value in np.asarray(points).ravel()]
    return item


def circle(radius: float, centre: tuple[float, float], z: float, points: int = 180) -> np.ndarray:
    """A round contour (point, axis)."""
    angle = np.linspace(0.0, 2 * np.pi, points, endpoint=False)
    return np.column_stack(
        [centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle), np.full(points, z)]
    )


def volume() -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A CT (z, y, x) with a different number in every voxel, and its axes [mm]."""
    z, y, x = -30.0 + 2.0 * np.arange(9), -20.0 + 1.0 * np.arange(14), -40.0 + 1.0 * np.arange(11)
    numbers = np.arange(9 * 14 * 11).reshape(9, 14, 11) - 700
    return numbers, (z, y, x)


def axial_files() -> list[FileDataset]:
    """The volume as axial images from the head to the feet: against the order of the names."""
    numbers, (z, y, x) = volume()
    return [
        slice_file(numbers[index], (x[0], y[0], z[index]), number=place)
        for place, index in enumerate(reversed(range(len(z))))
    ]


def save(folder: Path, files: Sequence[FileDataset], name: Callable[[int], str] = "f{:03d}".format) -> Path:
    """Write files into a folder that may be new."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(files):
        data.save_as(folder / name(number), enforce_file_format=True)
    return folder
