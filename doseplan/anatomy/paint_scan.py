"""A CT into voxels: its numbers read off the curve, overrides, and what the surgeon changed."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, binary_fill_holes, label

from doseplan.anatomy.contours import contour_shape, planes_of
from doseplan.anatomy.ct_curve import HIGHEST_HU, density_and_rsp
from doseplan.anatomy.grid import fraction, inside, mesh
from doseplan.anatomy.materials import Material, materials
from doseplan.anatomy.model import Model
from doseplan.anatomy.paint import BONE, CANAL, OTHER, Canvas
from doseplan.anatomy.scan import Patient, canal_centre, canal_wall_mm
from doseplan.anatomy.surgery import BEYOND_MM, behind_canal, separated
from doseplan.case.spec import ScanCase
from doseplan.case.tissues import TISSUES

BONE_HU = 150.0
"""CT numbers from here count as bone (assumed)."""

COLUMN_MM = 70.0
"""Bone within this of the cord or dura is that of the spine (assumed)."""

CANAL_MM = 3.0
"""What is no bone within this of the dura is the canal (assumed)."""

SEEN = (
    (-np.inf, "air"),
    (-950.0, "lung"),
    (-300.0, "fat"),
    (-20.0, "muscle"),
    (150.0, "spongiosa"),
    (600.0, "cortical_bone"),
)
"""CT numbers from which a voxel is shown as a tissue; pictures only."""

Fractions = dict[str, NDArray[np.float32]]


def paint_scan(
    case: ScanCase, patient: Patient, model: Model, fractions: Fractions, distance_dura: NDArray[np.float32]
) -> tuple[Canvas, list[str]]:
    """Paint the CT of an arm on the grid of its model.

    Parameters
    ----------
    fractions : volume fractions `cord`, `sac`, and `gross`, the tumour before surgery
    distance_dura : (z, y, x) [mm]

    Returns
    -------
    canvas, notes : the voxels, and what a reader must know of the CT numbers
    """
    hu = _resampled(patient.scan["ct_number"].values, patient, model)
    body = _body(patient, model)
    hu[~body] = np.minimum(hu[~body], -1000.0)
    density, rsp = density_and_rsp(hu, case.ct.curve)
    tissue = np.zeros(hu.shape, np.uint8)
    for number, name in SEEN:
        tissue[hu >= number] = TISSUES.index(name)
    bone = (hu >= BONE_HU) & (distance_dura < COLUMN_MM)
    region = np.where(bone, BONE, OTHER).astype(np.uint8)
    region[(distance_dura < CANAL_MM) & ~bone] = CANAL
    region[distance_dura < 0.0] = CANAL
    canvas = Canvas(rsp=rsp, density=density, hu=hu, tissue=tissue, region=region, palette={})
    notes = [note for note in patient.scan.attrs["notes"] if note.startswith(("contrast", "patient lay"))]
    notes += [*_assumed(patient), *_override(canvas, case, patient, model), *_remarks(canvas, body, case)]
    known = materials()
    tissue[fractions["gross"] >= 0.5] = TISSUES.index("tumour")
    if model.separation_mm is not None:
        _operate(canvas, case, patient, model, fractions["gross"], distance_dura, known)
    tissue[fractions["sac"] >= 0.5] = TISSUES.index("csf")
    tissue[fractions["cord"] >= 0.5] = TISSUES.index("cord")
    return canvas, notes


def _assumed(patient: Patient) -> list[str]:
    """Say what was made of this CT."""
    dura = patient.roles["dura"]
    start = f"structure '{dura}'" if dura else f"structure '{patient.roles['cord']}', as there is no dura"
    return [
        f"separation measured from {start}",
        f"bone of the CT: from {BONE_HU:g} HU on, within {COLUMN_MM:g} mm of the dura; the canal: what is no "
        f"bone within {CANAL_MM:g} mm of it (for staging and laminectomy only)",
    ]


def _resampled(values: NDArray[np.generic], patient: Patient, model: Model) -> NDArray[np.float32]:
    """Interpolate an array of the CT's grid on the grid of the model."""
    steps, starts = [], []
    for axis, wanted in zip("zyx", model.axes, strict=True):
        own = patient.scan[axis].values
        pitch = float(own[1] - own[0])
        step = float(wanted[1] - wanted[0]) if len(wanted) > 1 else pitch
        steps.append(step / pitch)
        starts.append((float(wanted[0]) - float(own[0])) / pitch)
    shape = tuple(len(axis) for axis in model.axes)
    found = affine_transform(
        values.astype(np.float32), np.array(steps), np.array(starts), shape, order=1, mode="nearest"
    )
    return np.asarray(found, dtype=np.float32)


def _body(patient: Patient, model: Model) -> NDArray[np.bool_]:
    """Tell which voxels of the grid are patient: the largest piece, without holes in its slices."""
    mask = _resampled(patient.body, patient, model) >= 0.5
    if patient.roles["body"] is None:
        pieces, count = label(mask)
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            sizes[0] = 0
            mask = pieces == int(sizes.argmax())
        mask = np.stack([binary_fill_holes(plane) for plane in mask])
    return np.asarray(mask)


def _override(canvas: Canvas, case: ScanCase, patient: Patient, model: Model) -> list[str]:
    """Put stated materials in place of what the CT shows."""
    known, notes = materials(), []
    cell = case.grid.voxel_mm**3 / 1000.0
    shown = canvas.hu.copy()
    # structures last, as their materials have CT numbers of their own
    for override in sorted(case.ct.override, key=lambda stated: stated.structure is not None):
        if override.structure is None:
            amount = (shown >= np.float32(override.above_hu)).astype(np.float32)
            place = f"CT numbers from {override.above_hu:g} HU"
        else:
            shape, box = contour_shape(planes_of(patient.scan, override.structure), patient.slice_mm)
            amount = np.zeros(canvas.hu.shape, np.float32)
            part = inside(model.axes, box, 1.0)
            amount[part] = fraction(shape(*mesh(model.axes, part)), case.grid.voxel_mm)
            place = f"structure '{override.structure}'"
        _mix(canvas, amount, known[override.material])
        notes.append(f"{place}: {float(amount.sum()) * cell:.2f} cm3 taken as {override.material}")
    return notes


def _remarks(canvas: Canvas, body: NDArray[np.bool_], case: ScanCase) -> list[str]:
    """Say what in the CT numbers may mislead."""
    cell = case.grid.voxel_mm**3 / 1000.0
    beyond = float(((canvas.hu > 3000.0) & body).sum()) * cell
    if beyond <= 0.0 or any(override.above_hu is not None for override in case.ct.override):
        return []
    return [
        f"{beyond:.2f} cm3 above 3000 HU, near the end of the scale ({HIGHEST_HU:g}): metal is not read "
        "rightly off a curve; state a material by ct.override"
    ]


def _operate(
    canvas: Canvas,
    case: ScanCase,
    patient: Patient,
    model: Model,
    gross: NDArray[np.float32],
    distance_dura: NDArray[np.float32],
    known: dict[str, Material],
) -> None:
    """Empty the tumour next to the dura and the bone behind the canal."""
    assert model.separation_mm is not None
    cavity, voxel, centre = known[case.surgery.cavity_material], case.grid.voxel_mm, canal_centre(patient)
    part = inside(model.axes, model.gross.box)
    emptied = separated(case, lambda *_: distance_dura[part], model.separation_mm, centre)
    amount = np.zeros(canvas.hu.shape, np.float32)
    amount[part] = gross[part] * fraction(emptied(*mesh(model.axes, part)), voxel)
    z = model.gross.box[0]
    opened = behind_canal(
        case.surgery, (z[0] - BEYOND_MM, z[1] + BEYOND_MM), canal_wall_mm(patient), 1.0, centre
    )
    reach = inside(model.axes, (model.dura.box[0], *model.dura.box[1:]), COLUMN_MM)
    gone = fraction(opened(*mesh(model.axes, reach)), voxel)
    removed = gone * (canvas.region[reach] == BONE)
    amount[reach] = np.maximum(amount[reach], removed)
    _mix(canvas, amount, cavity)
    canvas.tissue[amount >= 0.5] = TISSUES.index("cavity")


def _mix(canvas: Canvas, amount: NDArray[np.float32], material: Material) -> None:
    """Cover the voxels by `amount` of a material."""
    for array, value in (
        (canvas.rsp, material.rsp),
        (canvas.density, material.density),
        (canvas.hu, material.hu),
    ):
        array += amount * (np.float32(value) - array)
