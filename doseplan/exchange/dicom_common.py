"""What all DICOM objects of a run share: identifiers, patient, study, frame of reference, voxels, files."""

import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from doseplan.messages import InputError

LABEL = "research only"
"""Every series, structure set and plan says so."""

MANUFACTURER = "doseplan"
SERIES = ("CT", "structures", "ion plan", "physical dose", "RBE-weighted dose")
"""Kinds of objects; the place in this list numbers their series."""

POSITION_DECIMALS = 6
"""Positions and spacings in mm keep these, so that 0.1 + 0.2 is written as 0.3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the objects of one arm come from.

    Attributes
    ----------
    digest
        Digest of the run; all identifiers derive from it.
    case
        Name of the case. It becomes the patient's ID, so it must not hold a person's name; the patient's
        name stays empty.
    arm, version
        Arm of the run, and version of the package that planned it.
    """

    digest: str
    case: str
    arm: str
    version: str

    def uid(self, kind: str, index: int = 0) -> str:
        """Derive the identifier of an object of this arm; the same run always gives the same."""
        return derived_uid(self.digest, self.arm, kind, str(index))

    def run_uid(self, kind: str) -> str:
        """Derive an identifier that all arms share: one study, one frame of reference."""
        return derived_uid(self.digest, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Evenly spaced voxels along the patient's axes: centre of the first, spacing and number along x, y, z.

    Attributes
    ----------
    origin_mm, spacing_mm : (3,) [mm]
        Patient LPS.
    size : (3,)
    """

    origin_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    size: tuple[int, int, int]

    def centres(self, axis: int) -> NDArray[np.float64]:
        """List the voxel centres along axis 0 (x), 1 (y) or 2 (z) [mm]."""
        return self.origin_mm[axis] + self.spacing_mm[axis] * np.arange(self.size[axis], dtype=np.float64)

    def edges(self, axis: int) -> NDArray[np.float64]:
        """List the faces of the voxels along an axis, one more than centres [mm]."""
        steps = np.arange(self.size[axis] + 1, dtype=np.float64) - 0.5
        return self.origin_mm[axis] + self.spacing_mm[axis] * steps


def derived_uid(*parts: str) -> str:
    """Derive an identifier below 2.25, the root of UUIDs (ISO/IEC 9834-8), from texts.

    Notes
    -----
    A UUID of version 8 (RFC 9562, 5.8): the first 128 bits of SHA-256, then the bits of version and variant.
    """
    number = int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:16], "big")
    number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62
    return f"2.25.{uuid.UUID(int=number).int}"


def text(value: object, length: int = 64) -> str:
    """Fit a text into a DICOM string: one line, no backslash, at most `length` characters."""
    return "".join(c for c in " ".join(str(value).split()) if c.isprintable()).replace("\\", "/")[:length]


def decimal(value: float, digits: int = 10) -> str:
    """Write a number as a decimal string of at most 16 characters."""
    plain = f"{value:.{digits}g}"
    return "0" if plain in ("-0", "0") else plain


def position(value: float) -> str:
    """Write a position or spacing [mm] as a decimal string."""
    return decimal(round(float(value), POSITION_DECIMALS))


def grid_of(dataset: xr.Dataset, name: str) -> Grid:
    """Find the voxel grid of a Dataset.

    Raises
    ------
    InputError
        The voxels are not evenly spaced, or fewer than two along x or y.
    """
    axes = [dataset[axis].values.astype(np.float64) for axis in "xyz"]
    flat = float(dataset.attrs.get("voxel_mm", _step(axes[0])))  # height of a single slice
    spacing = [_step(axis) if axis.size > 1 else flat for axis in axes]
    for label, axis, step in zip("xyz", axes, spacing, strict=True):
        uneven = np.abs(np.diff(axis) - step).max(initial=0.0)
        if not step > 0.0 or not uneven < 1e-3 * step:
            raise InputError(
                f"{name}.{label}: expected rising and evenly spaced voxel centres, got steps that differ by "
                f"{uneven:.3g} mm"
            )
    origin = [float(axis[0]) for axis in axes]
    return Grid(
        origin_mm=(origin[0], origin[1], origin[2]),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        size=(axes[0].size, axes[1].size, axes[2].size),
    )


def start_object(source: Source, sop_class: str, modality: str, kind: str, index: int = 0) -> Dataset:
    """Start a DICOM object: patient, study, series and equipment, with empty dates and an empty name.

    Parameters
    ----------
    kind
        One of `SERIES`: names the series in the identifiers and, with the arm, in its description.
    index
        Number of the instance in its series, from 0.
    """
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 192"
    found.SOPClassUID = sop_class
    found.SOPInstanceUID = source.uid(kind, index)
    found.Modality = modality
    found.SeriesInstanceUID = source.uid(f"{kind} series")
    found.SeriesNumber = 1 + SERIES.index(kind)
    found.SeriesDescription = text(f"{LABEL}: {kind}, {source.arm}")
    found.InstanceNumber = index + 1
    _add_patient_and_study(found, source)
    found.Manufacturer = MANUFACTURER
    found.ManufacturerModelName = MANUFACTURER
    found.SoftwareVersions = text(source.version)
    return found


def add_frame_of_reference(found: Dataset, source: Source) -> None:
    """Put an object into the frame of reference of the run; all arms have the same axes."""
    found.FrameOfReferenceUID = source.run_uid("frame of reference")
    found.PositionReferenceIndicator = ""


def add_plane(found: Dataset, grid: Grid, slice_z: float) -> None:
    """Describe the plane of a slice, or of the first frame, and how its pixels are stored."""
    found.ImagePositionPatient = [position(value) for value in (*grid.origin_mm[:2], slice_z)]
    found.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    found.PixelSpacing = [position(grid.spacing_mm[1]), position(grid.spacing_mm[0])]
    found.SliceThickness = position(grid.spacing_mm[2])
    found.SamplesPerPixel = 1
    found.PhotometricInterpretation = "MONOCHROME2"
    found.Rows, found.Columns = grid.size[1], grid.size[0]
    found.BitsAllocated, found.BitsStored, found.HighBit = 16, 16, 15


def reference(found: Dataset) -> Dataset:
    """Point to an object."""
    item = Dataset()
    item.ReferencedSOPClassUID = found.SOPClassUID
    item.ReferencedSOPInstanceUID = found.SOPInstanceUID
    return item


def save(found: Dataset, path: Path, version: str) -> None:
    """Write an object as a DICOM file, explicit VR little endian, and see it through to the disk."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = found.SOPClassUID
    meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(derived_uid(MANUFACTURER))
    meta.ImplementationVersionName = text(f"{MANUFACTURER} {version}", 16)
    found.file_meta = meta
    with path.open("wb") as opened:
        found.save_as(opened, enforce_file_format=True)
        opened.flush()
        os.fsync(opened.fileno())


def _step(axis: NDArray[np.float64]) -> float:
    return float(axis[-1] - axis[0]) / (axis.size - 1) if axis.size > 1 else 0.0


def _add_patient_and_study(found: Dataset, source: Source) -> None:
    """Type 2 attributes are there and empty: nothing is invented, and the clock is not read."""
    empty = ("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber")
    for keyword in (*empty, "ReferringPhysicianName", "OperatorsName"):
        setattr(found, keyword, "")
    found.PatientID = text(source.case)
    found.StudyInstanceUID = source.run_uid("study")
    found.StudyID = source.digest[:16]
    found.StudyDescription = text(f"{LABEL}: {source.case}")
