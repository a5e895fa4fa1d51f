"""Surfaces of one arm from the contours of a CT, before and after the surgeon's work."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.anatomy.contours import Planes, contour_shape, inside_contours, planes_of
from doseplan.anatomy.grid import Box, Extents, grid_box, voxel_axes
from doseplan.anatomy.model import NEAR_MM, Model, operated, require_surface
from doseplan.anatomy.shapes import Array, Shape, common, union
from doseplan.anatomy.surface import Surface, distance_shape, find_surface
from doseplan.anatomy.surgery import Centre
from doseplan.anatomy.voxels import TUMOUR_NEAR_MM, voxelised
from doseplan.case.sense import memory_lines
from doseplan.case.spec import ScanCase
from doseplan.exchange import find_structure, kind_of_cord, read_scan, require_structure
from doseplan.messages import InputError

ALONG_MM = 60.0
"""The grid reaches this far above and below the target if every couch angle is 0, else as far as the CT."""

AIR_MARGIN_MM = 5.0
"""Air around the body that belongs to the grid."""

BODY_HU = -350.0
"""CT numbers above belong to the body if it has no contour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A CT with what its structures stand for; `dura` is None where the cord stands for it.

    `body` (z, y, x) tells which voxels of the CT are patient, by its contour or by the CT numbers.
    """

    scan: xr.Dataset
    roles: dict[str, str | None]
    slice_mm: float
    neural_structure: str
    body: NDArray[np.bool_]


def open_patient(case: ScanCase) -> Patient:
    """Read the CT of a case and choose its structures.

    Raises
    ------
    InputError
        The file is not there or damaged, or as `patient_of`.
    """
    return patient_of(case, read_scan(Path(case.folder) / case.ct.file))


def patient_of(case: ScanCase, scan: xr.Dataset) -> Patient:
    """Choose the structures of a CT by what the case states and by their names.

    Raises
    ------
    InputError
        A structure is not there, or several may be meant.
    """
    names = list(scan.attrs["structures"])
    cord = require_structure(names, "cord", case.ct.cord, where=case.name)
    roles: dict[str, str | None] = {
        "cord": cord,
        "tumour": require_structure(names, "tumour", case.ct.tumour, where=case.name),
        **{
            role: find_structure(names, role, getattr(case.ct, role), where=case.name)
            for role in ("dura", "target", "body")
        },
    }
    for index, override in enumerate(case.ct.override):
        if override.structure is not None and override.structure not in names:
            raise InputError(
                f"{case.name}: ct.override[{index}].structure: expected a structure of the CT "
                f"({', '.join(names)}), got '{override.structure}'"
            )
    z = scan["z"].values
    return Patient(
        scan=scan,
        roles=roles,
        slice_mm=float(z[1] - z[0]),
        neural_structure=f"{kind_of_cord(cord)} (structure '{cord}')",
        body=_body_mask(scan, roles["body"]),
    )


def _body_mask(scan: xr.Dataset, name: str | None) -> NDArray[np.bool_]:
    if name is not None:
        return inside_contours(planes_of(scan, name), *(scan[axis].values for axis in "zyx"))
    return np.asarray(scan["ct_number"].values > BODY_HU)


def scan_model(case: ScanCase, patient: Patient, *, separation_mm: float | None) -> Model:
    """Find the surfaces of one arm; sac and cord have the shape of the CT in every arm.

    Raises
    ------
    InputError
        A structure lies outside the grid, or surgery leaves no target.
    """
    extents = _extents(case, patient)
    too_large = memory_lines(extents, case.grid.voxel_mm, where=case.name)
    if too_large:
        raise InputError(*too_large)
    axes = voxel_axes(extents, case.grid.voxel_mm)
    limits = grid_box(axes, case.grid.voxel_mm)
    reach = max(NEAR_MM, 10.0 + (separation_mm or 0.0))
    has_dura = patient.roles["dura"] is not None
    cord = _surface(case, patient, "cord", limits, NEAR_MM if has_dura else reach)
    sac = _surface(case, patient, "dura", limits, reach) if has_dura else cord
    gross = _outside(case, _contours(patient, "tumour"), sac, limits, "tumour")
    drawn = patient.roles["target"] is not None
    spots = _target(case, patient, gross, sac, limits)
    residual: Surface | None = gross
    target = spots
    if separation_mm is not None:
        residual, target = operated(
            case, separation_mm, sac, gross, spots, limits, centre=canal_centre(patient), drawn=drawn
        )
    gross_voxels = voxelised(gross, axes, case.grid.voxel_mm)
    return Model(
        separation_mm=separation_mm,
        axes=axes,
        levels=(),
        mass=gross.shape,
        cord=cord,
        dura=sac,
        gross=gross,
        gross_voxels=gross_voxels,
        residual=residual,
        spot_target=spots,
        spot_voxels=gross_voxels if spots is gross else voxelised(spots, axes, case.grid.voxel_mm),
        target=target,
    )


def canal_centre(patient: Patient) -> Centre:
    """Give the middle of the sac (of the cord if there is no sac) at any height."""
    planes = _planes(patient, "dura" if patient.roles["dura"] else "cord")
    middle = np.array([_middle(plane) for plane in planes.contours])

    def centre(z: Array) -> tuple[Array, Array]:
        return np.interp(z, planes.z, middle[:, 1]), np.interp(z, planes.z, middle[:, 0])

    return centre


def canal_wall_mm(patient: Patient) -> float:
    """Give half the width of the canal with its wall: the widest sac, and 3 mm (assumed)."""
    planes = _planes(patient, "dura" if patient.roles["dura"] else "cord")
    widths = [float(np.ptp(np.concatenate(plane)[:, 1])) for plane in planes.contours]
    return max(widths) / 2 + 3.0


def _middle(plane: tuple[Array, ...]) -> Array:
    """Centre of the box around the contours of a plane (y, x)."""
    points = np.concatenate(plane)
    return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)


def _planes(patient: Patient, role: str) -> Planes:
    name = patient.roles[role]
    assert name is not None
    return planes_of(patient.scan, name)


def _contours(patient: Patient, role: str) -> tuple[Shape, Box]:
    return contour_shape(_planes(patient, role), patient.slice_mm)


def _extents(case: ScanCase, patient: Patient) -> Extents:
    """Give the ends of the grid: around the body and the target, within the CT, or as the case says."""
    scan = patient.scan
    ends = []
    for axis in "xyz":
        values = scan[axis].values
        half = float(values[1] - values[0]) / 2
        ends.append((float(values[0]) - half, float(values[-1]) + half))
    body = np.argwhere(patient.body.any(axis=0))
    if not len(body):
        raise InputError(f"{case.name}: ct.body: expected a patient in the CT, got none above {BODY_HU:g} HU")
    for place, column in ((0, 1), (1, 0)):
        values = scan["xy"[place]].values
        low, high = values[body[:, column].min()], values[body[:, column].max()]
        ends[place] = _cut((float(low) - AIR_MARGIN_MM, float(high) + AIR_MARGIN_MM), ends[place])
    if all(field.couch_deg == 0.0 for field in case.fields):
        role = "target" if patient.roles["target"] else "tumour"
        heights = _planes(patient, role).z
        ends[2] = _cut((float(heights[0]) - ALONG_MM, float(heights[-1]) + ALONG_MM), ends[2])
    stated = (case.grid.x_mm, case.grid.y_mm, case.grid.z_mm)
    x, y, z = (_cut(own, end) if own is not None else end for own, end in zip(stated, ends, strict=True))
    return x, y, z


def _cut(wanted: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    return max(wanted[0], limits[0]), min(wanted[1], limits[1])


def _surface(case: ScanCase, patient: Patient, role: str, limits: Box, reach_mm: float) -> Surface:
    shape, box = _contours(patient, role)
    found = find_surface(shape, _within(box, limits), limits, reach_mm=reach_mm, splits=3)
    return require_surface(found, case, role)


def _within(box: Box, limits: Box) -> Box:
    """Cut a box to the grid and a little around it."""
    z, y, x = (_cut(own, (low - 5.0, high + 5.0)) for own, (low, high) in zip(box, limits, strict=True))
    return z, y, x


def _outside(case: ScanCase, contours: tuple[Shape, Box], sac: Surface, limits: Box, name: str) -> Surface:
    """Surface of a structure outside the dura."""
    drawn, box = contours

    def shape(z: Array, y: Array, x: Array) -> Array:
        return common(drawn(z, y, x), -sac.shape(z, y, x))

    for axis, (low, high), (first, last) in zip("zyx", box, limits, strict=True):
        if low + 1.0 < first - 0.5 or high - 1.0 > last + 0.5:
            raise InputError(
                f"{case.name}: {name}: expected inside the grid ({axis} {first:.0f} to {last:.0f} mm), "
                f"got {axis} {low + 1.0:.0f} to {high - 1.0:.0f} mm"
            )
    return require_surface(find_surface(shape, box, limits, reach_mm=TUMOUR_NEAR_MM), case, name)


def _target(case: ScanCase, patient: Patient, gross: Surface, sac: Surface, limits: Box) -> Surface:
    """Target before surgery: as drawn, or the gross tumour with its margin; outside the dura."""
    if patient.roles["target"] is not None:
        return _outside(case, _contours(patient, "target"), sac, limits, "target")
    margin = case.surgery.ctv_margin_mm
    if margin == 0.0:
        return gross
    grown = distance_shape(gross, offset_mm=margin)

    def shape(z: Array, y: Array, x: Array) -> Array:
        return common(union(grown(z, y, x) - margin, gross.shape(z, y, x)), -sac.shape(z, y, x))

    ends = ((low - margin - 1.0, high + margin + 1.0) for low, high in gross.box)
    box = _within((*ends,), limits)  # type: ignore[arg-type]
    return require_surface(find_surface(shape, box, limits, reach_mm=TUMOUR_NEAR_MM), case, "target")
