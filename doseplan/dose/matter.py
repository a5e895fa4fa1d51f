"""What the voxels of a phantom do to a beam, relative to water: stop, scatter, react."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.beam.cross_sections import interaction_coefficient
from doseplan.beam.medium import WATER, Medium, media
from doseplan.case.tissues import TISSUES

MADE_OF = {
    "disc": ("cartilage",),
    "epidural_fat": ("fat",),
    "aorta": ("blood",),
    "kidney": ("muscle",),
    "airway": ("air",),
    "sclerotic_tumour": ("sclerotic_bone",),
    "cauda_equina": ("csf",),
    "cement": ("bone_cement",),
    "cavity": ("csf", "fat", "muscle", "air"),
    "replacement": ("csf", "PEEK", "bone_cement", "cortical_bone", "titanium"),
    "implant": ("PEEK", "carbon_fibre_PEEK", "titanium", "CoCrMo"),
}
"""Rows of data/materials.csv that a tissue may be made of, where its own name is none: the one whose density
is nearest to the median of the tissue's voxels."""

REFERENCE_ENERGY = 200.0
"""[MeV/u] energy at which reactions per mass are compared with those of water."""


def matter(phantom: xr.Dataset) -> NDArray[np.float32]:
    """Give stopping power, scattering power and reactions per length of every voxel.

    Scattering goes by density times the ratio of scattering lengths, reactions by density times the ratio of
    reactions per mass, both of the composition of the voxel's tissue.

    Parameters
    ----------
    phantom : Dataset
        `rsp`; `density` and `tissue`, without which every voxel is water of its stopping power.

    Returns
    -------
    (z, y, x, 3) float32 [1]
        Relative to water of 1 g/cm3.
    """
    rsp = phantom["rsp"].values
    found = np.empty((*rsp.shape, 3), np.float32)
    found[...] = rsp[..., np.newaxis]
    if "tissue" in phantom and "density" in phantom:
        scattering, reactions = _ratios(phantom)
        tissue, density = phantom["tissue"].values, phantom["density"].values
        found[..., 1] = density * scattering.astype(np.float32)[tissue]
        found[..., 2] = density * reactions.astype(np.float32)[tissue]
    return found


def water_attenuation() -> float:
    """Compute the reactions of the primary ions per length of water [1/mm], at the reference energy."""
    per_mass = interaction_coefficient("12C", np.array([REFERENCE_ENERGY]), WATER)
    return float(per_mass[0]) / 10.0


def _ratios(phantom: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare scattering and reactions per mass of every tissue code with those of water."""
    scattering, reactions = np.ones(len(TISSUES)), np.ones(len(TISSUES))
    energy = np.array([REFERENCE_ENERGY])
    of_water = float(interaction_coefficient("12C", energy, WATER)[0])
    tissue, density = phantom["tissue"].values, phantom["density"].values
    for code in np.unique(tissue):
        medium = _medium(TISSUES[code], density[tissue == code])
        scattering[code] = WATER.scattering_length / medium.scattering_length
        reactions[code] = float(interaction_coefficient("12C", energy, medium)[0]) / of_water
    return scattering, reactions


def _medium(tissue: str, density: NDArray[np.floating]) -> Medium:
    """Choose what a tissue is made of."""
    choices = [media()[name] for name in MADE_OF.get(tissue, (tissue,))]
    typical = float(np.median(density))
    return min(choices, key=lambda medium: abs(medium.density - typical))
