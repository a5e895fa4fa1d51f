"""A CT with masks instead of contours: NIfTI files in a folder, or one npz file."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from contourpy import contour_generator
from numpy.typing import NDArray

from doseplan.exchange.scan import make_scan
from doseplan.exchange.sizes import refuse_large_archive, refuse_larger
from doseplan.messages import InputError

CT_NAMES = ("ct", "image", "hu")
"""Names of the NIfTI file that is the CT; every other file is a mask."""

STRAIGHT = 0.999

Axes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def read_masks(path: str | Path) -> xr.Dataset:
    """Read a CT and its masks.

    A folder: `ct.nii.gz` (or `image`, `hu`) and a mask in each other NIfTI file, on the same grid. An npz
    file: `hu` and `mask_<name>` (z, y, x), `spacing_mm` and `origin_mm` (z, y, x), axes towards head, back
    and left.

    Returns
    -------
    scan : Dataset of `make_scan`; contours run between voxels that are in and out of a mask

    Raises
    ------
    InputError
        No CT, grids that differ, oblique or damaged files.
    """
    path = Path(path)
    hu, axes, masks = _read_npz(path) if path.is_file() else _read_nifti(path)
    structures = {name: mask_contours(mask, axes) for name, mask in masks.items()}
    empty = [name for name, contours in structures.items() if not contours]
    return make_scan(
        np.clip(np.rint(hu), -32768, 32767).astype(np.int16),
        axes,
        {name: contours for name, contours in structures.items() if contours},
        source=path.name,
        notes=[
            f"CT with {len(masks)} masks; contours run halfway between voxels in and out of a mask",
            *(f"'{name}' ignored: empty" for name in empty),
        ],
    )


def mask_contours(mask: NDArray[np.bool_], axes: Axes) -> list[NDArray[np.float64]]:
    """Draw closed axial contours around a mask (z, y, x), each (point, axis) with x, y, z [mm]."""
    z, y, x = axes
    found = []
    wide_x, wide_y = (np.concatenate([[2 * a[0] - a[1]], a, [2 * a[-1] - a[-2]]]) for a in (x, y))
    for height, plane in zip(z, mask, strict=True):
        if not plane.any():
            continue
        padded = np.pad(plane.astype(np.float64), 1)
        for line in contour_generator(x=wide_x, y=wide_y, z=padded).lines(0.5):
            points = np.asarray(line)[:-1]
            found.append(np.column_stack([points, np.full(len(points), height)]))
    return found


def _read_npz(path: Path) -> tuple[NDArray[Any], Axes, dict[str, NDArray[np.bool_]]]:
    refuse_large_archive(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as opened:
            data = {name: opened[name] for name in opened.files}
    except Exception as error:  # numpy raises anything on damaged archives
        raise InputError(f"{path}: expected an npz file, got a damaged one ({error})") from None
    missing = [name for name in ("hu", "spacing_mm", "origin_mm") if name not in data]
    if missing:
        raise InputError(f"{path}: expected hu, spacing_mm and origin_mm, got no {', '.join(missing)}")
    hu = data["hu"]
    masks = {name[5:]: data[name].astype(bool) for name in data if name.startswith("mask_")}
    if hu.ndim != 3 or min(hu.shape) < 2:
        raise InputError(f"{path}: hu: expected (z, y, x) with two voxels or more each, got {hu.shape}")
    for name, mask in masks.items():
        if mask.shape != hu.shape:
            raise InputError(f"{path}: mask_{name}: expected the shape of hu {hu.shape}, got {mask.shape}")
    spacing, origin = (
        np.asarray(data[name], dtype=np.float64).ravel() for name in ("spacing_mm", "origin_mm")
    )
    if len(spacing) != 3 or len(origin) != 3 or not (spacing > 0.0).all() or not np.isfinite(origin).all():
        raise InputError(
            f"{path}: spacing_mm, origin_mm: expected three finite numbers each, got {spacing}, {origin}"
        )
    z, y, x = (o + s * np.arange(n) for o, s, n in zip(origin, spacing, hu.shape, strict=True))
    return hu, (z, y, x), masks


def _read_nifti(folder: Path) -> tuple[NDArray[Any], Axes, dict[str, NDArray[np.bool_]]]:
    paths = {
        path.name.removesuffix(".gz").removesuffix(".nii"): path
        for path in sorted(folder.glob("*.nii*"))
        if path.name.endswith((".nii", ".nii.gz"))
    }
    chosen = [name for name in paths if name.lower() in CT_NAMES]
    if len(chosen) != 1:
        raise InputError(
            f"{folder}: expected one CT among the NIfTI files ({', '.join(CT_NAMES)}), got "
            f"{', '.join(paths) or 'no NIfTI files'}"
        )
    hu, axes = _nifti(paths.pop(chosen[0]))
    masks = {}
    for name, path in paths.items():
        mask, grid = _nifti(path)
        alike = mask.shape == hu.shape and all(
            np.allclose(a, b, atol=0.01) for a, b in zip(grid, axes, strict=True)
        )
        if not alike:
            raise InputError(f"{path.name}: expected the grid of the CT {hu.shape}, got {mask.shape}")
        masks[name] = mask > 0.5
    return hu, axes, masks


def _nifti(path: Path) -> tuple[NDArray[Any], Axes]:
    """Read a straight NIfTI image to (z, y, x) in patient LPS; the file's frame is RAS."""
    import nibabel

    try:
        loaded: Any = nibabel.load(path)
        refuse_larger(path.name, 8 * prod(loaded.shape))
        image = nibabel.as_closest_canonical(loaded)  # type: ignore[no-untyped-call]
        values = np.asarray(image.dataobj)
        affine = np.asarray(image.affine)
    except InputError:
        raise
    except Exception as error:  # nibabel raises anything on damaged files
        raise InputError(f"{path.name}: expected a NIfTI image, got a damaged one ({error})") from None
    if values.ndim != 3 or min(values.shape) < 2:
        raise InputError(f"{path.name}: expected three dimensions, got {values.shape}")
    steps = np.diag(affine)[:3]
    if not (steps / np.linalg.norm(affine[:3, :3], axis=0) >= STRAIGHT).all():
        raise InputError(f"{path.name}: expected axes along the patient's, got an oblique image")
    right, front, head = (affine[i, 3] + steps[i] * np.arange(values.shape[i]) for i in range(3))
    turned = np.ascontiguousarray(values[::-1, ::-1, :].transpose(2, 1, 0))
    return turned, (head, -front[::-1], -right[::-1])
