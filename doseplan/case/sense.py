"""Checks that need more than one key: sizes, materials, scales."""

import csv
import math
from collections.abc import Sequence
from importlib import resources

from doseplan.case.complaints import nearest
from doseplan.case.courses import field_lines
from doseplan.case.spec import Case, PhantomCase, ScanCase
from doseplan.case.tissues import TISSUES

BYTES_PER_VOXEL = 272
"""Three arms of 12 float32 variables and a byte, four dose variables each, and working arrays of one arm."""

MEMORY_LIMIT_GIB = 6.0
"""Largest voxel model that is tried."""


def sense(case: PhantomCase, *, where: str, anatomy_where: str) -> list[str]:
    """List what is wrong in a case whose keys are all valid by themselves."""
    return [
        *_absurd(case, anatomy_where),
        *_memory(case, where),
        *_materials(case, where),
        *_scales(case, where),
        *field_lines(case, where),
        *_tumour(case, where, anatomy_where),
        *_levels(case, where),
        *_organs(case, anatomy_where),
    ]


def sense_scan(case: ScanCase, *, where: str) -> list[str]:
    """List what is wrong in a case on a CT, before the CT is opened."""
    stated = {"surgery.cavity_material": case.surgery.cavity_material}
    stated |= {
        f"ct.override[{index}].material": override.material for index, override in enumerate(case.ct.override)
    }
    lines = _unknown_materials(stated, where)
    if case.surgery.en_bloc is not None:
        lines.append(
            f"{where}: surgery.en_bloc: expected on a phantom only, as a CT has no zones of bone, got one"
        )
    return [*lines, *_scales(case, where), *field_lines(case, where)]


def extents_mm(case: PhantomCase) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """Give the ends of the voxel grid along x, y, z [mm].

    The trunk with 5 mm of air around it, its height centred on z = 0, unless the case states a part of it.
    """
    trunk = case.anatomy.trunk
    half = trunk.width.mm / 2 + 5.0
    skin = posterior_skin_mm(case)
    x = case.grid.x_mm or (-half, half)
    y = case.grid.y_mm or (skin - trunk.depth.mm - 5.0, skin + 5.0)
    z = case.grid.z_mm or (-trunk.height.mm / 2, trunk.height.mm / 2)
    return x, y, z


def posterior_skin_mm(case: PhantomCase) -> float:
    """Give y of the skin in the midline of the back [mm]; y = 0 is the middle of the canal."""
    levels = case.anatomy.level
    origin = next(level for level in levels if level.name == case.anatomy.origin_below)
    return origin.canal_depth.mm / 2 + case.anatomy.trunk.skin_to_epidural.mm


def material_names() -> tuple[str, ...]:
    """Give the names of the tissues in data/materials.csv."""
    text = (resources.files("doseplan.data") / "materials.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(row["name"] for row in rows if row["hu"])


def _memory(case: PhantomCase, where: str) -> list[str]:
    return memory_lines(extents_mm(case), case.grid.voxel_mm, where=where)


def memory_lines(extents_mm: Sequence[tuple[float, float]], voxel_mm: float, *, where: str) -> list[str]:
    """Refuse a grid that would take more than `MEMORY_LIMIT_GIB`, with what would fit; empty if it fits."""
    sizes = [max(1, math.ceil((high - low) / voxel_mm - 1e-9)) for low, high in extents_mm]
    gib = math.prod(sizes) * BYTES_PER_VOXEL / 2**30
    if gib <= MEMORY_LIMIT_GIB:
        return []
    fits = math.ceil(10 * voxel_mm * (gib / MEMORY_LIMIT_GIB) ** (1 / 3)) / 10
    remedy = f"voxel_mm >= {fits:g} fits" if fits <= 5.0 else "no voxel size up to 5 mm fits this trunk"
    got = " x ".join(map(str, sizes))
    return [
        f"{where}: grid: expected at most {MEMORY_LIMIT_GIB:g} GiB of voxels, got {gib:.3g} GiB ({got} "
        f"voxels of {voxel_mm:g} mm); {remedy}, or state a part of it by x_mm, y_mm, z_mm"
    ]


def _absurd(case: PhantomCase, anatomy_where: str) -> list[str]:
    trunk = case.anatomy.trunk
    return [
        f"{anatomy_where}: trunk.{name}: expected at most 1000 mm, got {length.mm:g}"
        for name, length in (("width", trunk.width), ("depth", trunk.depth), ("height", trunk.height))
        if length.mm > 1000.0
    ]


def _materials(case: PhantomCase, where: str) -> list[str]:
    stated = {"surgery.cavity_material": case.surgery.cavity_material}
    if case.surgery.en_bloc is not None and case.surgery.en_bloc.filled_with is not None:
        stated["surgery.en_bloc.filled_with"] = case.surgery.en_bloc.filled_with
    stated |= {f"material.{tissue}": name for tissue, name in case.material.items()}
    lines = _unknown_materials(stated, where)
    lines += [
        f"{where}: material.{tissue}: expected a tissue, got '{tissue}'; {nearest(tissue, TISSUES)}"
        for tissue in case.material
        if tissue not in TISSUES
    ]
    return lines


def _unknown_materials(stated: dict[str, str], where: str) -> list[str]:
    known = material_names()
    return [
        f"{where}: {key}: expected a known material, got '{name}'; {nearest(name, known)}"
        for key, name in stated.items()
        if name not in known
    ]


def _levels(case: PhantomCase, where: str) -> list[str]:
    """List levels that are named but not in the anatomy."""
    names = [level.name for level in case.anatomy.level]
    named: list[tuple[str, str]] = [
        (f"tumour.cells[{index}].level", cells.level) for index, cells in enumerate(case.tumour.cells)
    ]
    if case.surgery.en_bloc is not None:
        named += [
            (f"surgery.en_bloc.levels[{index}]", name)
            for index, name in enumerate(case.surgery.en_bloc.levels)
        ]
    if case.hardware is not None:
        named += [
            (f"hardware.screw_levels[{index}]", name) for index, name in enumerate(case.hardware.screw_levels)
        ]
        if case.hardware.cement_level is not None:
            named.append(("hardware.cement_level", case.hardware.cement_level))
    return [
        f"{where}: {key}: expected a level of the anatomy ({', '.join(names)}), got '{name}'"
        for key, name in named
        if name not in names
    ]


def _organs(case: PhantomCase, anatomy_where: str) -> list[str]:
    """Refuse lungs of which only a part is stated."""
    trunk = case.anatomy.trunk
    if trunk.lung_reach is None:
        return []
    return [
        f"{anatomy_where}: trunk.{name}: expected a length, as lung_reach is stated, got nothing"
        for name in ("chest_wall", "lung_from_midline", "dome_height")
        if getattr(trunk, name) is None
    ]


def _scales(case: Case, where: str) -> list[str]:
    lines = []
    for index, limit in enumerate(case.constraint):
        for key in ("scale", "fractions"):
            stated, wanted = getattr(limit, key), getattr(case.prescription, key)
            if stated not in (None, wanted):
                lines.append(
                    f"{where}: constraint[{index}].{key}: expected that of the prescription ({wanted}), as "
                    f"doses of different {key} can't be compared, got {stated}"
                )
    return lines


def _tumour(case: PhantomCase, where: str, anatomy_where: str) -> list[str]:
    low, high = extents_mm(case)[2]
    z = case.tumour.centre_z_mm
    if low < z < high:
        return []
    return [
        f"{where}: tumour.centre_z_mm: expected {low:g} < centre_z_mm < {high:g}, "
        f"the extent of {anatomy_where}, got {z:g}"
    ]
