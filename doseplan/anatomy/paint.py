"""Tissues into voxels, from the back to the front: each covers what lies behind it by its volume fraction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doseplan.anatomy.grid import Axes, Box, Slices, fraction, inside, mesh
from doseplan.anatomy.hardware import cement, implants
from doseplan.anatomy.materials import Material, materials
from doseplan.anatomy.model import Model
from doseplan.anatomy.neural import tip_mm
from doseplan.anatomy.shapes import common
from doseplan.anatomy.spine import (
    arch_box,
    body_box,
    bone,
    canal,
    disc,
    disc_box,
    foramen,
    joined,
    rib,
    rib_boxes,
)
from doseplan.anatomy.surgery import opened, resected, separated
from doseplan.anatomy.trunk import lungs, organs, outline
from doseplan.case.disease_spec import IMPLANT_MATERIAL
from doseplan.case.levels import region_of
from doseplan.case.spec import PhantomCase
from doseplan.case.tissues import TISSUES

_MATERIAL_OF = {
    "disc": "cartilage",
    "epidural_fat": "fat",
    "aorta": "blood",
    "kidney": "muscle",
    "airway": "air",
    "sclerotic_tumour": "sclerotic_bone",
    "cauda_equina": "csf",
    "cement": "bone_cement",
}
"""Tissues that are made of another row of data/materials.csv than that of their name."""

_SPONGIOSA = {"neck": "spongiosa_cervical", "thorax": "spongiosa", "abdomen": "spongiosa_lumbar"}

OTHER, BONE, CANAL = 0, 1, 2
"""Codes of `region`: bone is that before surgery, whether the tumour destroyed it or not."""


Fraction = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Voxel arrays (z, y, x) that are being painted."""

    rsp: NDArray[np.float32]
    density: NDArray[np.float32]
    hu: NDArray[np.float32]
    tissue: NDArray[np.uint8]
    region: NDArray[np.uint8]
    palette: dict[str, Material]


def paint_tissues(
    case: PhantomCase,
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
    canvas = _trunk(case, model)
    _paint_organs(canvas, case, model)
    whole_bone = _paint_spine(canvas, case, model)
    voxel = case.grid.voxel_mm
    part = inside(model.axes, model.gross.box)
    mass = gross[part]
    if model.separation_mm is None:
        # the mass fills up what the dura cuts out of the gross tumour, and has no edge there
        mass = np.maximum(mass, fraction(model.mass(*thin_mesh(model.axes, part)), voxel))
    _paint(canvas, part, mass, "tumour")
    if case.tumour.bone == "sclerotic":
        _replace(canvas, part, mass * _at(whole_bone, part, model), "tumour", "sclerotic_tumour")
    if model.separation_mm is not None:
        _paint_surgery(canvas, case, model, distance_dura, gross, whole_bone)
    column = inside(model.axes, model.dura.box)
    _paint(canvas, column, sac[column], "csf")
    tip = column[0].start + int(np.searchsorted(model.axes[0][column[0]], tip_mm(case, model.levels)))
    upper = (slice(max(tip, column[0].start), column[0].stop), *column[1:])
    _cover(canvas, upper, cord[upper], sac[upper], "cord")
    lower = (slice(column[0].start, max(tip, column[0].start)), *column[1:])
    np.copyto(canvas.tissue[lower], np.uint8(TISSUES.index("cauda_equina")), where=cord[lower] >= 0.5)
    return canvas


def thin_mesh(axes: Axes, part: Slices) -> Axes:
    """Axes of a part of the grid in single precision, which is enough to paint (1e-5 mm)."""
    z, y, x = (axis.astype(np.float32) for axis in mesh(axes, part))
    return z, y, x


def _trunk(case: PhantomCase, model: Model) -> Canvas:
    """Air, skin, fat and muscle, which are the same at every height, and lungs."""
    axes, voxel = model.axes, case.grid.voxel_mm
    palette = _palette(case)
    flat = Canvas(
        **{
            key: np.full((1, len(axes[1]), len(axes[2])), getattr(palette["air"], key), np.float32)
            for key in ("rsp", "density", "hu")
        },
        tissue=np.zeros((1, len(axes[1]), len(axes[2])), np.uint8),
        region=np.zeros((1, 1, 1), np.uint8),
        palette=palette,
    )
    trunk = case.anatomy.trunk
    whole = (slice(None), slice(None), slice(None))
    skin = outline(case, axes[1][None, :, None], axes[2][None, None, :])
    for depth, name in ((0.0, "skin"), (trunk.skin.mm, "fat"), (trunk.skin.mm + trunk.fat.mm, "muscle")):
        _paint(flat, whole, fraction(skin + depth, voxel), name)
    height = len(axes[0])
    arrays = {
        key: np.repeat(getattr(flat, key), height, axis=0) for key in ("rsp", "density", "hu", "tissue")
    }
    canvas = Canvas(**arrays, region=np.zeros(arrays["tissue"].shape, np.uint8), palette=palette)
    if trunk.lung_reach is not None:
        low = trunk.height.mm / 2 - trunk.lung_reach.mm - 3.0
        assert trunk.lung_from_midline is not None
        aside = trunk.lung_from_midline.mm - 6.0
        for side in ((-np.inf, -aside), (aside, np.inf)):
            part = inside(axes, ((low, np.inf), (-np.inf, np.inf), side))
            _paint(canvas, part, fraction(lungs(case, *thin_mesh(axes, part)), voxel), "lung")
    return canvas


def _palette(case: PhantomCase) -> dict[str, Material]:
    """Materials of the tissues: by name, by region, by what the surgeon put in, and as the case says."""
    known = materials()
    en_bloc = case.surgery.en_bloc
    names = {name: _MATERIAL_OF.get(name, name) for name in TISSUES}
    names |= {
        "spongiosa": _SPONGIOSA[region_of(case.anatomy.origin_below)],
        "cavity": case.surgery.cavity_material,
        "replacement": (en_bloc and en_bloc.filled_with) or case.surgery.cavity_material,
        "implant": IMPLANT_MATERIAL[case.hardware.material if case.hardware else "titanium"],
        **case.material,
    }
    return {name: known[material] for name, material in names.items()}


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


def _replace(canvas: Canvas, part: Slices, amount: Fraction, old: str, new: str) -> None:
    """Exchange `amount` of one tissue for another."""
    before, after = canvas.palette[old], canvas.palette[new]
    for array, key in ((canvas.rsp, "rsp"), (canvas.density, "density"), (canvas.hu, "hu")):
        array[part] += amount * np.float32(getattr(after, key) - getattr(before, key))
    np.copyto(canvas.tissue[part], np.uint8(TISSUES.index(new)), where=amount >= 0.5)


def _paint_organs(canvas: Canvas, case: PhantomCase, model: Model) -> None:
    """Aorta, kidneys, airway, and ribs in front of them."""
    voxel = case.grid.voxel_mm
    for name, shape, box in organs(case, model.levels):
        part = inside(model.axes, box)
        _paint(canvas, part, fraction(shape(*thin_mesh(model.axes, part)), voxel), name)
    for box, placed in rib_boxes(model.levels):
        part = inside(model.axes, box)
        bone_of_rib = rib(placed, *thin_mesh(model.axes, part))
        _paint(canvas, part, fraction(bone_of_rib, voxel), "cortical_bone")
        _paint(canvas, part, fraction(bone_of_rib + case.anatomy.bone.arch_shell.mm, voxel), "spongiosa")


def _paint_spine(canvas: Canvas, case: PhantomCase, model: Model) -> tuple[Slices, Fraction]:
    """Discs, bones, the bed of the removed laminae, and the fat of canal and foramina.

    Returns
    -------
    part, whole : the part of the grid that holds the bones, and their volume fractions before surgery
    """
    levels, voxel, axes = model.levels, case.grid.voxel_mm, model.axes
    for placed in levels:
        part = inside(axes, disc_box(placed))
        _paint(canvas, part, fraction(disc(placed, *thin_mesh(axes, part)), voxel), "disc")
    part = inside(axes, joined(*(box(placed) for placed in levels for box in (body_box, arch_box))))
    z, y, x = thin_mesh(axes, part)
    shells = (case.anatomy.bone.body_shell.mm, case.anatomy.bone.arch_shell.mm)
    whole, inner = bone(levels, shells, z, y, x)
    hollow = canal(levels, z, y, x)
    region = canvas.region[part]
    region[whole < 0.0] = BONE
    region[hollow < 0.0] = CANAL
    before = fraction(whole, voxel)
    removed = opened(case, levels) if model.separation_mm is not None else None
    if removed is not None:
        gone = removed(z, y, x)
        _paint(canvas, part, fraction(common(common(whole, gone), 0.5 - y), voxel), "cavity")
        whole, inner = common(whole, -gone), common(inner, -gone)
    _paint(canvas, part, fraction(whole, voxel), "cortical_bone")
    _paint(canvas, part, fraction(inner, voxel), "spongiosa")
    for placed in levels:
        centre, reach = placed.lower + 1.0, placed.level.canal_width.mm / 2 + 20.0
        near = inside(axes, ((centre - 12.0, centre + 12.0), (-10.0, 10.0), (-reach, reach)))
        _paint(canvas, near, fraction(foramen(placed, *thin_mesh(axes, near)), voxel), "epidural_fat")
    _paint(canvas, part, fraction(hollow, voxel), "epidural_fat")
    return part, before


def _paint_surgery(
    canvas: Canvas,
    case: PhantomCase,
    model: Model,
    distance_dura: NDArray[np.float32],
    gross: Fraction,
    whole_bone: tuple[Slices, Fraction],
) -> None:
    """Paint the cavity of the separation, what fills a piece taken en bloc, cement and implants."""
    axes, voxel, separation = model.axes, case.grid.voxel_mm, model.separation_mm
    assert separation is not None
    part = inside(axes, model.gross.box)
    emptied = separated(case, lambda *_: distance_dura[part], separation)(*thin_mesh(axes, part))
    _replace(canvas, part, gross[part] * fraction(emptied, voxel), "tumour", "cavity")
    taken = resected(case, model.levels)
    if taken is not None:
        near = inside(axes, joined(model.gross.box, _ends(axes, whole_bone[0])))
        amount = fraction(taken(*thin_mesh(axes, near)), voxel)
        solid = np.maximum(gross[near], _at(whole_bone, near, model))
        _paint(canvas, near, amount * solid, "replacement")
    filled = cement(case, model.levels)
    if filled is not None:
        near = inside(axes, filled[1])
        _paint(canvas, near, fraction(filled[0](*thin_mesh(axes, near)), voxel), "cement")
    metal = implants(case, model.levels)
    if metal is not None:
        near = inside(axes, metal[1])
        _paint(canvas, near, fraction(metal[0](*thin_mesh(axes, near)), voxel), "implant")


def _at(known: tuple[Slices, Fraction], part: Slices, model: Model) -> Fraction:
    """Cut an array that is known in one part of the grid to another part; 0 elsewhere."""
    out = np.zeros([len(axis) for axis in model.axes], np.float32)
    out[known[0]] = known[1]
    return out[part]


def _ends(axes: Axes, part: Slices) -> Box:
    """Box of the voxel centres of a part of the grid."""
    z, y, x = ((float(axis[cut][0]), float(axis[cut][-1])) for axis, cut in zip(axes, part, strict=True))
    return z, y, x
