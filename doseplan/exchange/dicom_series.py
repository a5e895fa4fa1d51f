"""CT series from DICOM files: sorted by tags, checked, turned into one volume in patient LPS."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import CTImageStorage

from doseplan.exchange.dicom_open import refuse_large_pixels
from doseplan.messages import InputError

EVEN_MM = 0.05
"""[mm] slices may lie this far from even spacing; scanners write positions with two or three decimals."""

TILT_DEG = 0.5
"""[deg] a larger angle between stack and normal is a gantry tilt; 0.5 degrees shift 100 mm by 0.9 mm."""

STRAIGHT = 0.999
"""Smallest cosine between an axis of the image and one of the patient; 2.6 degrees."""

_NEEDED = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelData",
)

Axis = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A CT: `ct_number` (z, y, x) [HU], voxel centres along z, y, x [mm], and what it belongs to."""

    ct_number: NDArray[np.int16]
    axes: tuple[Axis, Axis, Axis]
    frame_of_reference: str
    instances: frozenset[str]
    series: str


def ct_series(files: dict[Path, FileDataset]) -> dict[str, list[tuple[Path, FileDataset]]]:
    """Group CT images by series, in the order of their descriptions."""
    found: dict[str, list[tuple[Path, FileDataset]]] = {}
    for path, data in files.items():
        if data.get("SOPClassUID") == CTImageStorage:
            found.setdefault(str(data.get("SeriesInstanceUID", "")), []).append((path, data))
    return dict(sorted(found.items(), key=lambda item: (_description(item[1]), item[0])))


def choose_series(
    found: dict[str, list[tuple[Path, FileDataset]]], stated: str | None, *, where: str
) -> list[tuple[Path, FileDataset]]:
    """Take the only series, or the stated one: its number in the list, its UID or its description.

    Raises
    ------
    InputError
        There is no CT, several and none is stated, or the stated one is not there.
    """
    if not found:
        raise InputError(f"{where}: expected CT images, got none")
    listed = [
        f"{number}: '{_description(images)}', {len(images)} slices, {uid}"
        for number, (uid, images) in enumerate(found.items(), start=1)
    ]
    if stated is None:
        if len(found) > 1:
            raise InputError(
                f"{where}: expected one CT series, got {len(found)}; choose by --series NUMBER or UID",
                *(f"{where}: series {line}" for line in listed),
            )
        return next(iter(found.values()))
    for number, (uid, images) in enumerate(found.items(), start=1):
        if stated in (str(number), uid, _description(images)):
            return images
    raise InputError(
        f"--series: expected one of the {len(found)} series, got '{stated}'",
        *(f"{where}: series {line}" for line in listed),
    )


def read_volume(images: Sequence[tuple[Path, FileDataset]]) -> Volume:
    """Turn the images of a series into a volume.

    Raises
    ------
    InputError
        An attribute is missing, images differ in size, spacing or direction, slices are missing or there
        twice, the stack is tilted or oblique, or pixels can't be decoded.
    """
    _complete(images)
    first_path, first = images[0]
    orientation = _numbers(first, "ImageOrientationPatient", 6, first_path)
    _alike(images, orientation)
    row, column = orientation[:3], orientation[3:]
    normal = np.cross(row, column)
    positions = np.array([_numbers(data, "ImagePositionPatient", 3, path) for path, data in images])
    order = np.argsort(positions @ normal, kind="stable")
    step = _check_stack(positions[order], normal, images, order)
    spacing = _numbers(first, "PixelSpacing", 2, first_path)
    if not (spacing > 0.0).all():
        raise InputError(f"{first_path.name}: PixelSpacing: expected > 0 mm, got {spacing.tolist()}")
    stack = np.stack([_pixels(*images[index]) for index in order])
    ct_number, axes = _to_patient(
        stack, positions[order][0], (normal * step, column * spacing[0], row * spacing[1]), first_path
    )
    return Volume(
        ct_number=ct_number,
        axes=axes,
        frame_of_reference=str(first.get("FrameOfReferenceUID", "")),
        instances=frozenset(str(data.get("SOPInstanceUID", "")) for _, data in images),
        series=f"{_description(images)} ({first.get('SeriesInstanceUID', '')})",
    )


def _description(images: Sequence[tuple[Path, Dataset]]) -> str:
    return str(images[0][1].get("SeriesDescription", "") or "no description").strip()


def _complete(images: Sequence[tuple[Path, FileDataset]]) -> None:
    lines = [
        f"{path.name}: {name}: expected in a CT image, got nothing"
        for path, data in images
        for name in _NEEDED
        if name not in data or data[name].value is None
    ]
    if lines:
        raise InputError(*lines[:10])


def _numbers(data: Dataset, name: str, count: int, path: Path) -> NDArray[np.float64]:
    try:
        values = np.array([float(value) for value in data[name].value], dtype=np.float64)
    except (TypeError, ValueError, KeyError):
        values = np.empty(0)
    if len(values) != count or not np.isfinite(values).all():
        raise InputError(f"{path.name}: {name}: expected {count} finite numbers, got {data.get(name)}")
    return values


def _alike(images: Sequence[tuple[Path, FileDataset]], orientation: NDArray[np.float64]) -> None:
    """Refuse a series whose images differ."""
    first_path, first = images[0]
    for path, data in images[1:]:
        for name in ("Rows", "Columns"):
            if data[name].value != first[name].value:
                raise InputError(
                    f"{path.name}: {name}: expected {first[name].value} as in {first_path.name}, "
                    f"got {data[name].value}"
                )
        spacing, wanted = (_numbers(d, "PixelSpacing", 2, p) for p, d in ((path, data), images[0]))
        if not np.allclose(spacing, wanted, atol=1e-4):
            raise InputError(
                f"{path.name}: PixelSpacing: expected {wanted.tolist()} as in {first_path.name}, "
                f"got {spacing.tolist()}"
            )
        if not np.allclose(_numbers(data, "ImageOrientationPatient", 6, path), orientation, atol=1e-3):
            raise InputError(
                f"{path.name}: ImageOrientationPatient: expected {orientation.tolist()} as in "
                f"{first_path.name}, got {data.ImageOrientationPatient}"
            )


def _check_stack(
    positions: NDArray[np.float64],
    normal: NDArray[np.float64],
    images: Sequence[tuple[Path, FileDataset]],
    order: NDArray[np.intp],
) -> float:
    """Give the slice spacing [mm] of sorted positions; refuse doubles, gaps, uneven spacing and tilt."""
    where = images[0][0].parent
    if len(positions) < 2:
        raise InputError(f"{where}: expected a CT of two slices or more, got {len(positions)}")
    along = positions @ normal
    steps = np.diff(along)
    step = float(np.median(steps))
    if (steps < EVEN_MM).any():
        index = int(np.flatnonzero(steps < EVEN_MM)[0])
        names = " and ".join(images[order[i]][0].name for i in (index, index + 1))
        raise InputError(f"{where}: expected each slice once, got two at {along[index]:.2f} mm: {names}")
    wrong = np.flatnonzero(np.abs(steps - step) > EVEN_MM)
    if len(wrong):
        index = int(wrong[0])
        missing = steps[index] / step - 1.0
        got = (
            f"{round(missing)} missing"
            if missing > 0.5 and abs(missing - round(missing)) < 0.05
            else f"{steps[index]:.2f} mm"
        )
        raise InputError(
            f"{where}: expected slices {step:.2f} mm apart, got {got} between {along[index]:.2f} and "
            f"{along[index + 1]:.2f} mm"
        )
    stack = positions[-1] - positions[0]
    cosine = abs(float(stack @ normal)) / float(np.linalg.norm(stack))
    tilt = float(np.degrees(np.arccos(min(cosine, 1.0))))
    if tilt > TILT_DEG:
        raise InputError(
            f"{where}: expected slices stacked along their normal, got a gantry tilt of {tilt:.1f} degrees"
        )
    return step


def _pixels(path: Path, data: FileDataset) -> NDArray[np.int16]:
    """Decode one image to CT numbers."""
    refuse_large_pixels(path.name, data)
    try:
        stored = data.pixel_array
    except Exception as error:  # decoders raise anything on damaged data
        syntax = getattr(data.file_meta.get("TransferSyntaxUID"), "name", "unknown transfer syntax")
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path.name}: expected pixels that can be decoded, got {syntax}: {reason}"
        ) from None
    if stored.ndim != 2:
        raise InputError(f"{path.name}: expected one grey image, got an array of shape {stored.shape}")
    try:
        slope, intercept = float(data.get("RescaleSlope", 1.0)), float(data.get("RescaleIntercept", 0.0))
    except (TypeError, ValueError):
        raise InputError(
            f"{path.name}: RescaleSlope: expected a number, got {data.get('RescaleSlope')}"
        ) from None
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise InputError(f"{path.name}: RescaleSlope: expected finite numbers, got {slope}, {intercept}")
    numbers = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    return np.asarray(np.clip(np.rint(numbers), -32768, 32767), dtype=np.int16)


def _to_patient(
    stack: NDArray[np.int16],
    origin: NDArray[np.float64],
    steps: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    path: Path,
) -> tuple[NDArray[np.int16], tuple[Axis, Axis, Axis]]:
    """Turn a stack of any straight orientation to axes z, y, x that rise towards head, back and left."""
    towards = [int(np.argmax(np.abs(step))) for step in steps]
    straight = [abs(step[axis]) / np.linalg.norm(step) for step, axis in zip(steps, towards, strict=True)]
    if sorted(towards) != [0, 1, 2] or min(straight) < STRAIGHT:
        raise InputError(
            f"{path.name}: ImageOrientationPatient: expected images along the patient's axes, got oblique "
            "ones"
        )
    axes: list[Axis] = [np.empty(0)] * 3
    for place, (step, axis) in enumerate(zip(steps, towards, strict=True)):
        axes[axis] = origin[axis] + step[axis] * np.arange(stack.shape[place])
    turned = np.transpose(stack, [towards.index(axis) for axis in (2, 1, 0)])
    for place, axis in enumerate((2, 1, 0)):
        if axes[axis][0] > axes[axis][-1]:
            turned = np.flip(turned, place)
            axes[axis] = axes[axis][::-1]
    return np.ascontiguousarray(turned), (axes[2].copy(), axes[1].copy(), axes[0].copy())
