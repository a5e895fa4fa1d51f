"""The structures of an arm in voxels."""

from dataclasses import dataclass

import numpy as np

from doseplan.anatomy.model import Model
from doseplan.anatomy.voxels import Voxels, voxelised


@dataclass(frozen=True, slots=True, kw_only=True)
class Structures:
    """The structures of an arm in voxels.

    `distances` [mm] `distance_gtv`, `distance_target`, `distance_cord`, `distance_dura`; volume `fractions`
    `cord`, `sac`, `gtv`, `target`, `spot_target`; `gross`, that of the tumour before surgery.
    """

    distances: dict[str, Voxels]
    fractions: dict[str, Voxels]
    gross: Voxels


def structure_voxels(model: Model, voxel_mm: float) -> Structures:
    """Voxelise the structures of an arm; those before surgery are known."""
    surfaces = {"gtv": model.residual, "target": model.target, "cord": model.cord, "dura": model.dura}
    known = {id(model.gross): model.gross_voxels, id(model.spot_target): model.spot_voxels}
    found = {
        name: known.get(id(surface)) or voxelised(surface, model.axes, voxel_mm)
        for name, surface in surfaces.items()
    }
    sac = found["dura"].fraction
    fractions = {
        "cord": np.minimum(found["cord"].fraction, sac),
        "sac": sac,
        "gtv": np.minimum(found["gtv"].fraction, 1.0 - sac),
        "target": np.minimum(found["target"].fraction, 1.0 - sac),
        "spot_target": model.spot_voxels.fraction,
    }
    return Structures(
        distances={f"distance_{name}": each.distance for name, each in found.items()},
        fractions=fractions,
        gross=model.gross_voxels.fraction,
    )
