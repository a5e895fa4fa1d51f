"""Primary ions, heavy and light fragments: each with its own width and its own biology channels."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import erf

from doseplan.beam.species import species_of

Floats = NDArray[np.float64]

COMPONENTS = ("primary", "heavy", "light")
"""Of a beam: the primary ion (with lighter isotopes of its element from lithium on, which fly with it),
lighter ions from lithium on, and hydrogen and helium. Inaniwa et al., Phys. Med. Biol. 59 (2014) 5361, split
the beam in the same way [from memory]."""


def component_of(species: str, ion: str) -> str:
    """Tell to which component of a beam of an ion a species belongs."""
    if species == ion:
        return "primary"
    charge = species_of(species.split()[0]).charge
    if charge > 2:
        return "primary" if charge == species_of(ion).charge else "heavy"
    return "light"


def component_curves(curves: xr.Dataset, ion: str, names: tuple[str, ...]) -> xr.Dataset:
    """Add up the species of each component, and compute the lateral spread of each.

    Parameters
    ----------
    curves : Dataset
        From `transport`, over energy, species, depth.
    ion : str
        The primary ion.
    names
        Curves that are summed: "idd" and any other.

    Returns
    -------
    Dataset
        The named curves and `lateral_sigma` [mm] over energy, component, depth. The variance is the
        dose-weighted mean of the species; where a component has no dose its last spread holds.
    """
    parts = []
    for component in COMPONENTS:
        species = [name for name in curves["species"].values if component_of(str(name), ion) == component]
        chosen = curves.sel(species=species)
        summed = chosen[list(names)].sum("species")
        weighted = (chosen["idd"] * chosen["lateral_variance"]).sum("species").values
        sigma = np.sqrt(_held_ratio(weighted, summed["idd"].values))
        parts.append(summed.assign(lateral_sigma=(("energy", "depth"), sigma)))
    joined = xr.concat(parts, dim=xr.Variable("component", list(COMPONENTS)))
    return joined.transpose("energy", "component", "depth")


def central_axis_share(idd: Floats, sigma: Floats, *, field_mm: float, air_sigma_mm: float) -> Floats:
    """Compute the dose on the axis of a square field as a part of that of a field without end.

    Parameters
    ----------
    idd, sigma : (component, depth) [MeV cm2/g], [mm]
        Of the components of one beam.
    field_mm : [mm]
        Side of the square that the spots cover evenly.
    air_sigma_mm : [mm]
        Size of each spot in front of the water.

    Returns
    -------
    (depth,)
        1 where all components stay inside the field; less by what goes beyond its edges and is not
        made up for by neighbours that a wide field has.
    """
    wide = np.sqrt(sigma**2 + air_sigma_mm**2)
    inside = erf(0.5 * field_mm / (np.sqrt(2.0) * np.maximum(wide, 1e-9))) ** 2
    total = idd.sum(axis=0)
    share = np.divide((idd * inside).sum(axis=0), total, out=np.zeros_like(total), where=total > 0.0)
    return np.asarray(share, dtype=np.float64)


def _held_ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide along the last axis; where there is next to nothing to divide by, hold the last value."""
    enough = bottom > 1e-12 * bottom.max(axis=-1, keepdims=True)
    ratio = np.divide(top, bottom, out=np.zeros_like(top), where=enough)
    index = np.where(enough, np.arange(top.shape[-1]), 0)
    return np.take_along_axis(ratio, np.maximum.accumulate(index, axis=-1), axis=-1)
