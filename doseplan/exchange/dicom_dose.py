"""Dose grids: RT Dose out of a run, and a dose Dataset out of any RT Dose file."""

import re
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import RTDoseStorage

from doseplan import schema
from doseplan.exchange.dicom_common import (
    Source,
    add_frame_of_reference,
    add_plane,
    grid_of,
    position,
    reference,
    start_object,
    text,
)
from doseplan.exchange.dicom_open import open_dicom, refuse_large_pixels
from doseplan.messages import InputError

DOSE_TYPES = {"dose": "PHYSICAL", "dose_rbe": "EFFECTIVE"}
"""Variables of the dose Dataset, and what DICOM calls them."""

NOT_STATED = "not stated"
_COMMENT = re.compile(r"(?P<scale>[^,]+), (?P<fractions>\d+) fx, (?P<rbe_model>.+)")
_HIGHEST = 65535


def dose_grid(doses: xr.Dataset, name: str, *, plan: Dataset, source: Source) -> Dataset:
    """Make the RT Dose of one variable, in total over the whole course.

    Parameters
    ----------
    doses
        `dose` [Gy] and `dose_rbe` [Gy(RBE)] over z, y, x.
    name
        One of the two; the RBE-weighted dose names its scale, fractions and model in DoseComment.

    Raises
    ------
    InputError
        The dose is not finite, negative, or zero everywhere.

    Notes
    -----
    16 bits without sign: the rounding is at most 1/131070 of the highest dose. The structure set is reached
    by way of the plan: the standard has no place for it in a dose without DVHs.
    """
    values = doses[name].values
    highest = float(values.max())
    if not (np.isfinite(values).all() and values.min() >= 0.0 and highest > 0.0):
        raise InputError(
            f"{source.arm}: {name}: expected 0 Gy or more and above 0 Gy somewhere, "
            f"got {float(values.min()):g} to {highest:g} Gy"
        )
    grid = grid_of(doses, f"{source.arm}: dose")
    kind = "physical dose" if name == "dose" else "RBE-weighted dose"
    found = start_object(source, RTDoseStorage, "RTDOSE", kind)
    add_frame_of_reference(found, source)
    add_plane(found, grid, grid.origin_mm[2])
    found.PixelRepresentation = 0
    if grid.size[2] > 1:
        _add_frames(found, grid.spacing_mm[2], grid.size[2])
    found.DoseUnits = "GY"
    found.DoseType = DOSE_TYPES[name]
    found.DoseSummationType = "PLAN"
    found.DoseComment = _comment(doses[name])
    found.TissueHeterogeneityCorrection = "IMAGE"
    found.ReferencedRTPlanSequence = [reference(plan)]
    found.DoseGridScaling = f"{highest / _HIGHEST:.9e}"
    stored = np.rint(values / float(found.DoseGridScaling))
    found.PixelData = np.clip(stored, 0, _HIGHEST).astype("<u2").tobytes()
    return found


def read_dose(path: str | Path) -> xr.Dataset:
    """Read the dose of an RT Dose file.

    Returns
    -------
    Dataset
        `dose` (PHYSICAL) or `dose_rbe` (EFFECTIVE) over z, y, x, float32 [Gy], axes [mm] rising.
        `rbe_model`, `scale` and `fractions` of an RBE-weighted dose are those that `write_dicom` wrote;
        "not stated" and 0 fractions with DoseComment as the model for files of other makers. Attrs
        `sop_instance_uid`, `frame_of_reference_uid`, `summation` and `comment` as the file states them.

    Raises
    ------
    InputError
        The file is not a grid of doses in Gy along the patient's axes.

    Notes
    -----
    GridFrameOffsetVector counts from the first frame if it starts with 0, and states patient z otherwise
    (DICOM PS3.3 C.8.8.3.2).
    """
    found = _read(Path(path))
    try:
        name = _variable_name(found, path)
        values, axes = _values_and_axes(found, path)
    except InputError:
        raise
    except Exception as error:  # decoders and value conversions raise what they like on damaged files
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path}: expected a readable dose grid, got {reason}") from error
    weighted = _stated(found) if name == "dose_rbe" else {}
    data = xr.Dataset(
        {name: schema.variable(name, values, **weighted)},
        coords={axis: schema.variable(axis, centres) for axis, centres in axes.items()},
        attrs={
            "sop_instance_uid": str(found.get("SOPInstanceUID", "")),
            "frame_of_reference_uid": str(found.get("FrameOfReferenceUID", "")),
            "summation": str(found.get("DoseSummationType", "")),
            "comment": str(found.get("DoseComment", "")),
        },
    )
    return schema.check(data, name)


def _add_frames(found: Dataset, spacing_mm: float, count: int) -> None:
    """Stack the frames from the first one upwards."""
    found.NumberOfFrames = count
    found.FrameIncrementPointer = (0x3004, 0x000C)
    found.GridFrameOffsetVector = [position(index * spacing_mm) for index in range(count)]


def _comment(variable: xr.DataArray) -> str:
    """Name scale, fractions and model of an RBE-weighted dose; cut off at what the field holds."""
    if variable.name == "dose":
        return "absorbed dose, whole course"
    stated = variable.attrs
    return text(f"{stated['scale']}, {stated['fractions']} fx, {stated['rbe_model']}")


def _stated(found: Dataset) -> dict[str, object]:
    comment = str(found.get("DoseComment", "") or "")
    match = _COMMENT.fullmatch(comment) if found.get("Manufacturer") == "doseplan" else None
    if match is None:
        return {"rbe_model": comment or NOT_STATED, "scale": NOT_STATED, "fractions": 0}
    return {**match.groupdict(), "fractions": int(match["fractions"])}


def _read(path: Path) -> Dataset:
    try:
        return open_dicom(path)
    except (OSError, InvalidDicomError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "a file that is not DICOM"
        raise InputError(f"{path}: expected an RT Dose file, got {reason}") from error


def _variable_name(found: Dataset, path: str | Path) -> str:
    """Tell absorbed from RBE-weighted dose; refuse what is neither, or not in Gy."""
    if found.get("SOPClassUID") != RTDoseStorage:
        raise InputError(f"{path}: expected an RT Dose, got {found.get('Modality') or 'no modality'}")
    names = {kind: name for name, kind in DOSE_TYPES.items()}
    if found.get("DoseType") not in names:
        raise InputError(
            f"{path}: DoseType: expected {' or '.join(names)}, got {found.get('DoseType') or 'none'}"
        )
    if found.get("DoseUnits") != "GY":
        raise InputError(f"{path}: DoseUnits: expected GY, got {found.get('DoseUnits') or 'none'}")
    return names[found.DoseType]


def _values_and_axes(
    found: Dataset, path: str | Path
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float64]]]:
    """Scale the stored numbers to Gy and place them; axes that fall are turned round."""
    needed = (
        "PixelData",
        "DoseGridScaling",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
    )
    missing = [keyword for keyword in needed if not found.get(keyword)]
    if missing:
        raise InputError(f"{path}: expected {', '.join(needed)}, got none of {', '.join(missing)}")
    refuse_large_pixels(str(path), found)
    stored = found.pixel_array.reshape(-1, found.Rows, found.Columns)
    values = (stored * float(found.DoseGridScaling)).astype(np.float32)
    axes = dict(zip("zyx", _axes(found, values.shape, path), strict=True))
    for place, (axis, centres) in enumerate(axes.items()):
        if centres.size > 1 and centres[1] < centres[0]:
            values, axes[axis] = np.flip(values, place), centres[::-1]
        if not (np.diff(axes[axis]) > 0.0).all():
            raise InputError(f"{path}: {axis}: expected positions in order, got {centres[:4].tolist()} ...")
    return values, axes


def _axes(
    found: Dataset, shape: tuple[int, ...], path: str | Path
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Find the voxel centres along z, y, x [mm], in stored order."""
    row, column = np.reshape([float(value) for value in found.ImageOrientationPatient], (2, 3))
    across, down = round(row[0]), round(column[1])
    straight = np.allclose(row, (across, 0, 0), atol=1e-4) and np.allclose(column, (0, down, 0), atol=1e-4)
    if not (straight and abs(across) == 1 and abs(down) == 1):
        raise InputError(
            f"{path}: ImageOrientationPatient: expected transverse planes along the patient's axes, "
            f"got {[float(value) for value in found.ImageOrientationPatient]}"
        )
    x, y, z = (float(value) for value in found.ImagePositionPatient)
    between_rows, between_columns = (float(value) for value in found.PixelSpacing)
    return (
        _frames(found, shape[0], z, across * down, path),
        y + down * between_rows * np.arange(shape[1]),
        x + across * between_columns * np.arange(shape[2]),
    )


def _frames(found: Dataset, count: int, first_z: float, normal: int, path: str | Path) -> NDArray[np.float64]:
    """Find z of every frame [mm] from offsets that are relative to the first, or z itself."""
    stated = found.get("GridFrameOffsetVector")
    values = stated if isinstance(stated, list) or hasattr(stated, "__iter__") else [stated or 0.0]
    offsets = np.array([float(value) for value in values])
    if offsets.size != count:
        raise InputError(f"{path}: GridFrameOffsetVector: expected {count} offsets, got {offsets.size}")
    if offsets[0] == 0.0:
        return first_z + normal * offsets
    if abs(offsets[0] - first_z) > 1e-2:
        raise InputError(
            f"{path}: GridFrameOffsetVector: expected to start with 0 or with z of the first frame "
            f"({first_z:g}), got {offsets[0]:g}"
        )
    return offsets
