"""Surfaces of one arm: sac, cord, tumour and target, before and after the surgeon's work."""

import math
from dataclasses import dataclass
from functools import lru_cache

from doseplan.anatomy.grid import Axes, Box, grid_box, voxel_axes
from doseplan.anatomy.neural import DURA_THICKNESS_MM, cord, dura
from doseplan.anatomy.shapes import Array, Shape, common, union
from doseplan.anatomy.spine import Placed, place_levels
from doseplan.anatomy.surface import Surface, distance, distance_shape, find_surface, where
from doseplan.anatomy.surgery import Centre, resected, separated
from doseplan.anatomy.trunk import lungs, outline
from doseplan.anatomy.tumour import tumour_box, tumour_mass
from doseplan.anatomy.voxels import TUMOUR_NEAR_MM, Voxelised, voxelised
from doseplan.case.anatomy_spec import Anatomy
from doseplan.case.disease_spec import Surgery, Tumour
from doseplan.case.sense import extents_mm
from doseplan.case.spec import Case, Grid, PhantomCase, Prescription
from doseplan.messages import InputError

NEAR_MM = 12.0
"""Distances to cord and dura are cut at this."""

_OUTSIDE_MM = 2.0
"""What is cut out of a shape is not computed further outside it than this."""

_BEYOND_MM = 5.0
"""Sac and cord go on beyond the ends of the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What the voxels of one arm are made from; `separation_mm` is None without surgery.

    `residual` is None if surgery leaves no gross tumour.
    """

    separation_mm: float | None
    axes: Axes
    levels: tuple[Placed, ...]
    mass: Shape
    cord: Surface
    dura: Surface
    gross: Surface
    gross_voxels: Voxelised
    residual: Surface | None
    spot_target: Surface
    spot_voxels: Voxelised
    target: Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unoperated:
    """What all arms of a case share: tumour and target before surgery."""

    mass: Shape
    gross: Surface
    gross_voxels: Voxelised
    spot_target: Surface
    spot_voxels: Voxelised


def model_arm(case: PhantomCase, *, separation_mm: float | None) -> Model:
    """Find the surfaces of one arm.

    Raises
    ------
    InputError
        The cord lies outside the grid, there is no tumour, or surgery leaves no target.
    """
    axes = voxel_axes(extents_mm(case), case.grid.voxel_mm)
    limits = grid_box(axes, case.grid.voxel_mm)
    levels = place_levels(case.anatomy)
    pressed = separation_mm is None
    column = _column_box(levels, limits)
    _check_column(case, column, limits)
    inner = require_surface(
        find_surface(cord(case, levels, pressed=pressed), column, limits, reach_mm=NEAR_MM, splits=3),
        case,
        "cord",
    )
    sac = require_surface(
        find_surface(
            dura(case, levels, pressed=pressed),
            column,
            limits,
            reach_mm=max(NEAR_MM, 10.0 + (separation_mm or 0.0)),
            splits=3,
        ),
        case,
        "thecal sac",
    )
    before = _unoperated(case.name, case.anatomy, case.tumour, case.surgery, case.grid, case.prescription)
    residual: Surface | None = before.gross
    target = before.spot_target
    if separation_mm is not None:
        taken = resected(case, levels)
        residual, target = operated(
            case, separation_mm, sac, before.gross, before.spot_target, limits, taken=taken
        )
    return Model(
        separation_mm=separation_mm,
        axes=axes,
        levels=levels,
        mass=before.mass,
        cord=inner,
        dura=sac,
        gross=before.gross,
        gross_voxels=before.gross_voxels,
        residual=residual,
        spot_target=before.spot_target,
        spot_voxels=before.spot_voxels,
        target=target,
    )


@lru_cache(maxsize=1)
def _unoperated(
    name: str, anatomy: Anatomy, tumour: Tumour, surgery: Surgery, grid: Grid, prescription: Prescription
) -> _Unoperated:
    """Find tumour and target before surgery; kept for the next arm, so it is told only what may matter."""
    case = PhantomCase(
        name=name, anatomy=anatomy, tumour=tumour, surgery=surgery, grid=grid, prescription=prescription
    )
    axes = voxel_axes(extents_mm(case), grid.voxel_mm)
    limits = grid_box(axes, grid.voxel_mm)
    levels = place_levels(anatomy)
    mass = tumour_mass(case, levels)
    box = tumour_box(case, levels)
    _check_tumour_box(case, box, limits)
    gross = _gross(case, levels, mass, box, limits)
    spots = _unoperated_target(case, levels, gross, limits)
    gross_voxels = voxelised(gross, axes, grid.voxel_mm)
    return _Unoperated(
        mass=mass,
        gross=gross,
        gross_voxels=gross_voxels,
        spot_target=spots,
        spot_voxels=gross_voxels if spots is gross else voxelised(spots, axes, grid.voxel_mm),
    )


def _gross(case: PhantomCase, levels: tuple[Placed, ...], mass: Shape, box: Box, limits: Box) -> Surface:
    """Mass outside the pressed dura and below the skin."""
    sac = dura(case, levels, pressed=True)
    skin = case.anatomy.trunk.skin.mm

    def shape(z: Array, y: Array, x: Array) -> Array:
        return common(common(mass(z, y, x), -sac(z, y, x)), outline(case, y, x) + skin)

    return require_surface(find_surface(shape, box, limits, reach_mm=TUMOUR_NEAR_MM), case, "tumour")


def _unoperated_target(case: PhantomCase, levels: tuple[Placed, ...], gross: Surface, limits: Box) -> Surface:
    """Gross tumour and its margin into bone and soft tissue, cut back at the pressed dura."""
    margin = case.surgery.ctv_margin_mm
    if margin == 0.0:
        return gross
    sac = dura(case, levels, pressed=True)
    grown = distance_shape(gross, offset_mm=margin)
    skin = case.anatomy.trunk.skin.mm

    def shape(z: Array, y: Array, x: Array) -> Array:
        extra = grown(z, y, x) - margin
        extra = common(extra, where(extra < _OUTSIDE_MM, extra, lambda *at: -lungs(case, *at), z, y, x))
        extra = common(extra, outline(case, y, x) + skin)
        return common(union(extra, gross.shape(z, y, x)), -sac(z, y, x))

    return require_surface(
        find_surface(shape, _grown(gross.box, margin), limits, reach_mm=TUMOUR_NEAR_MM), case, "target"
    )


def operated(
    case: Case,
    separation_mm: float,
    sac: Surface,
    gross: Surface,
    spots: Surface,
    limits: Box,
    *,
    taken: Shape | None = None,
    centre: Centre | None = None,
    drawn: bool = False,
) -> tuple[Surface | None, Surface]:
    """Find residual tumour and target after surgery: nothing of either in what the surgeon emptied.

    With `ctv_keeps_resected` the target keeps all of the unoperated target outside the decompressed dura.

    Parameters
    ----------
    sac, gross, spots : decompressed dura, tumour and target before surgery
    taken : region that leaves en bloc
    centre : middle of the canal, if it is not x = y = 0
    drawn : the target before surgery was drawn by a person: all of it stays but what was emptied
    """
    free = distance_shape(sac, offset_mm=separation_mm)
    emptied = separated(case, free, separation_mm, centre)

    def remove(shape: Array, z: Array, y: Array, x: Array) -> Array:
        """Cut the emptied region, and what lies inside the dura, out of a shape."""
        left = where(shape < _OUTSIDE_MM, shape, lambda *at: -emptied(*at), z, y, x)
        left = common(left, shape)
        if case.surgery.separation_zones:
            left = common(left, -free(z, y, x))
        return left if taken is None else common(left, -taken(z, y, x))

    def left(z: Array, y: Array, x: Array) -> Array:
        return remove(gross.shape(z, y, x), z, y, x)

    residual = find_surface(left, gross.box, limits, reach_mm=TUMOUR_NEAR_MM)

    def kept(z: Array, y: Array, x: Array) -> Array:
        return common(spots.shape(z, y, x), -free(z, y, x))

    if case.surgery.ctv_keeps_resected:
        bed = find_surface(kept, spots.box, limits, reach_mm=TUMOUR_NEAR_MM)
        return residual, _left(bed, case, separation_mm)
    whole = _left(residual, case, separation_mm)
    margin = case.surgery.ctv_margin_mm
    if margin == 0.0 and not drawn:
        return whole, whole
    grown = distance_shape(whole, offset_mm=margin)

    def treated(z: Array, y: Array, x: Array) -> Array:
        near = spots.shape(z, y, x)
        if drawn:
            return remove(near, z, y, x)
        near = common(near, where(near < _OUTSIDE_MM, near, lambda *at: grown(*at) - margin, z, y, x))
        return remove(near, z, y, x)

    target = find_surface(treated, spots.box, limits, reach_mm=TUMOUR_NEAR_MM)
    return whole, _left(target, case, separation_mm)


def _column_box(levels: tuple[Placed, ...], limits: Box) -> Box:
    width = max(placed.level.canal_width.mm for placed in levels) / 2 + 3.0
    depth = max(placed.level.canal_depth.mm for placed in levels) / 2 + 3.0
    return (limits[0][0] - _BEYOND_MM, limits[0][1] + _BEYOND_MM), (-depth, depth), (-width, width)


def _grown(box: Box, margin: float) -> Box:
    z, y, x = ((low - margin - 1.0, high + margin + 1.0) for low, high in box)
    return z, y, x


def require_surface(surface: Surface | None, case: Case, name: str) -> Surface:
    """Return a surface that was found; raise `InputError` if there is none."""
    if surface is None:
        raise InputError(f"{case.name}: {name}: expected inside the grid, got none of it")
    return surface


def _left(surface: Surface | None, case: Case, separation_mm: float) -> Surface:
    if surface is None:
        raise InputError(
            f"{case.name}: surgery.separation_mm: expected tumour to be left, got none after "
            f"{separation_mm:g} mm; with ctv_keeps_resected = true the bed of the tumour is the target"
        )
    return surface


def _check_column(case: PhantomCase, column: Box, limits: Box) -> None:
    for name, wanted, (low, high) in zip("yx", column[1:], limits[1:], strict=True):
        if wanted[0] < low or wanted[1] > high:
            raise InputError(
                f"{case.name}: grid.{name}_mm: expected the spinal canal with the cord inside the grid "
                f"({wanted[0]:.0f} to {wanted[1]:.0f} mm), got {low:g} to {high:g}"
            )


def _check_tumour_box(case: PhantomCase, box: Box, limits: Box) -> None:
    for name, wanted, (low, high) in zip("zyx", box, limits, strict=True):
        if wanted[0] < low or wanted[1] > high:
            raise InputError(
                f"{case.name}: tumour: expected inside the grid ({name} {low:g} to {high:g} mm), "
                f"got {name} {wanted[0]:.0f} to {wanted[1]:.0f}; try smaller sizes, another centre_z_mm "
                "or a larger grid"
            )


def gaps_mm(model: Model, prv_margin_mm: float) -> dict[str, float]:
    """Measure the gaps [mm] between surfaces; the sac lies inside the dura by its thickness.

    The PRV is the cord with a margin: the gap of the target to it is negative where they overlap. NaN if no
    gross tumour is left.
    """
    tumour = tumour_cord = math.nan
    if model.residual is not None:
        tumour = float(distance(model.dura, model.residual.points).min())
        tumour_cord = float(distance(model.cord, model.residual.points).min())
    target_cord = float(distance(model.cord, model.target.points).min())
    return {
        "tumour_dura": tumour,
        "tumour_sac": tumour + DURA_THICKNESS_MM,
        "tumour_cord": tumour_cord,
        "target_dura": float(distance(model.dura, model.target.points).min()),
        "target_cord": target_cord,
        "target_prv": target_cord - prv_margin_mm,
    }
