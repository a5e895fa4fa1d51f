"""Tissues into voxels, from the back to the front: each covers what lies behind it by its volume fraction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doseplan.anatomy.grid import Axes, Slices, fraction, inside, mesh
from doseplan.anatomy.materials import Material, materials
from doseplan.anatomy.model import Model
from doseplan.anatomy.shapes import Array, common
from doseplan.anatomy.spine import bone, canal, discs, foramina, posterior_elements, ribs
from doseplan.anatomy.surface import Box
from doseplan.anatomy.trunk import lungs, outline
from doseplan.case.spec import Case

TISSUES = (
    "air",
    "skin",
    "fat",
    "muscle",
    "lung",
    "disc",
    "cortical_bone",
    "spongiosa",
    "epidural_fat",
    "tumour",
    "cavity",
    "csf",
    "cord",
)
"""Names of the codes of `tissue`, in the order of painting."""

_MATERIAL_OF = {"disc": "cartilage", "epidural_fat": "fat"}

Fraction = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Voxel arrays (z, y, x) that are being painted."""

    rsp: NDArray[np.float32]
    density: NDArray[np.float32]
    hu: NDArray[np.float32]
    tissue: NDArray[np.uint8]
    palette: dict[str, Material]


def paint_tissues(
    case: Case,
    model: Model,
    distance_dura: NDArray[np.float32],
    cord: Fraction,
    sac: Fraction,
    gross: Fraction,
) -> Canvas:
    """Paint all tissues of an arm.

    Parameters
    ----------
    distance_dura : (z, y, x) [mm]
    cord, sac, gross : (z, y, x)
        Volume fractions of cord, sac and of the tumour before surgery.
    """
    canvas = _blank(case, model.axes)
    _paint_trunk(canvas, case, model.axes)
    _paint_spine(canvas, case, model)
    voxel = case.grid.voxel_mm
    whole = (slice(None), slice(None), slice(None))
    if model.separation_mm is None:
        part = inside(model.axes, model.gross.box)
        _paint(canvas, part, fraction(model.mass(*mesh(model.axes, part)), voxel), "tumour")
    else:
        _paint(canvas, whole, gross, "tumour")
        near = fraction(distance_dura - model.separation_mm, voxel)
        _replace(canvas, gross * near, "tumour", "cavity")
    column = inside(model.axes, model.dura.box)
    _paint(canvas, column, sac[column], "csf")
    _cover(canvas, column, cord[column], sac[column], "cord")
    return canvas


def _blank(case: Case, axes: Axes) -> Canvas:
    shape = (len(axes[0]), len(axes[1]), len(axes[2]))
    palette = {name: materials()[_MATERIAL_OF.get(name, name)] for name in TISSUES if name != "cavity"}
    palette["cavity"] = materials()[case.surgery.cavity_material]
    air = palette["air"]
    return Canvas(
        rsp=np.full(shape, air.rsp, np.float32),
        density=np.full(shape, air.density, np.float32),
        hu=np.full(shape, air.hu, np.float32),
        tissue=np.zeros(shape, np.uint8),
        palette=palette,
    )


def _paint(canvas: Canvas, part: Slices, amount: NDArray[np.floating], name: str) -> None:
    """Cover what is there by `amount` of a tissue; the tissue names the voxel from half of it on."""
    material = canvas.palette[name]
    amount = amount.astype(np.float32, copy=False)
    for array, value in (
        (canvas.rsp, material.rsp),
        (canvas.density, material.density),
        (canvas.hu, material.hu),
    ):
        view = array[part]
        view += amount * (np.float32(value) - view)
    np.copyto(canvas.tissue[part], np.uint8(TISSUES.index(name)), where=amount >= 0.5)


def _cover(canvas: Canvas, part: Slices, amount: Fraction, outer: Fraction, name: str) -> None:
    """Cover by `amount` of a tissue that lies inside a painted one of fraction `outer`."""
    share = np.divide(amount, outer, out=np.zeros_like(amount), where=outer > 0)
    material, around = canvas.palette[name], canvas.palette["csf"]
    for array, key in ((canvas.rsp, "rsp"), (canvas.density, "density"), (canvas.hu, "hu")):
        array[part] += share * outer * np.float32(getattr(material, key) - getattr(around, key))
    np.copyto(canvas.tissue[part], np.uint8(TISSUES.index(name)), where=amount >= 0.5)


def _replace(canvas: Canvas, amount: Fraction, old: str, new: str) -> None:
    """Exchange `amount` of one tissue for another."""
    before, after = canvas.palette[old], canvas.palette[new]
    for array, key in ((canvas.rsp, "rsp"), (canvas.density, "density"), (canvas.hu, "hu")):
        array += amount * np.float32(getattr(after, key) - getattr(before, key))
    np.copyto(canvas.tissue, np.uint8(TISSUES.index(new)), where=amount >= 0.5)


def _paint_trunk(canvas: Canvas, case: Case, axes: Axes) -> None:
    trunk, voxel = case.anatomy.trunk, case.grid.voxel_mm
    whole = (slice(None), slice(None), slice(None))
    _, y, x = mesh(axes, whole)
    skin = outline(case, y, x)
    for depth, name in ((0.0, "skin"), (trunk.skin.mm, "fat"), (trunk.skin.mm + trunk.fat.mm, "muscle")):
        _paint(canvas, whole, np.broadcast_to(fraction(skin + depth, voxel), canvas.rsp.shape), name)
    top = trunk.height.mm / 2
    upper = inside(axes, ((top - trunk.lung_reach.mm - 3.0, np.inf), (-np.inf, np.inf), (-np.inf, np.inf)))
    _paint(canvas, upper, fraction(lungs(case, *mesh(axes, upper)), voxel), "lung")


def _paint_spine(canvas: Canvas, case: Case, model: Model) -> None:
    """Ribs, discs, bones, the bed of the removed laminae, and the fat of canal and foramina."""
    levels, voxel = model.levels, case.grid.voxel_mm
    part = inside(model.axes, _rib_box(model))
    z, y, x = mesh(model.axes, part)
    rib = ribs(levels, z, y, x)
    _paint(canvas, part, fraction(rib, voxel), "cortical_bone")
    _paint(canvas, part, fraction(rib + case.anatomy.bone.arch_shell.mm, voxel), "spongiosa")
    part = inside(model.axes, _spine_box(model))
    z, y, x = mesh(model.axes, part)
    _paint(canvas, part, fraction(discs(levels, z, y, x), voxel), "disc")
    shells = (case.anatomy.bone.body_shell.mm, case.anatomy.bone.arch_shell.mm)
    whole, inner = bone(levels, shells, z, y, x)
    if model.separation_mm is not None:
        opened = laminectomy(case, model, z, y, x)
        removed = common(posterior_elements(levels, z, y, x), opened)
        _paint(canvas, part, fraction(removed, voxel), "cavity")
        whole, inner = common(whole, -opened), common(inner, -opened)
    _paint(canvas, part, fraction(whole, voxel), "cortical_bone")
    _paint(canvas, part, fraction(inner, voxel), "spongiosa")
    _paint(canvas, part, fraction(foramina(levels, z, y, x), voxel), "epidural_fat")
    _paint(canvas, part, fraction(canal(levels, z, y, x), voxel), "epidural_fat")


def laminectomy(case: Case, model: Model, z: Array, y: Array, x: Array) -> Array:
    """Region of the laminae and spinous processes that are removed on the way to the epidural tumour."""
    reach = case.tumour.epidural_length_mm / 2 + 2.0
    width = max(placed.level.canal_width.mm for placed in model.levels) / 2 + 1.0
    low, high = case.tumour.centre_z_mm - reach, case.tumour.centre_z_mm + reach
    return np.asarray(np.maximum(np.maximum(low - z, z - high), np.maximum(np.abs(x) - width, 0.5 - y)))


def _spine_box(model: Model) -> Box:
    levels = [placed.level for placed in model.levels]
    side = max(max(level.transverse_span.mm, level.endplate_width_lower.mm) for level in levels) / 2 + 3.0
    back = max(level.canal_depth.mm / 2 + level.spinous_length.mm for level in levels) + 4.0
    front = max(level.canal_depth.mm / 2 + level.endplate_depth_lower.mm for level in levels) + 3.0
    return (-np.inf, np.inf), (-front, back), (-side, side)


def _rib_box(model: Model) -> Box:
    return (-np.inf, np.inf), (-40.0, 30.0), (-130.0, 130.0)
