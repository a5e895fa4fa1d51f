"""The beam in air: how its direction spreads between nozzle and patient."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.beam.medium import WATER, media
from doseplan.beam.scattering import scattering_power
from doseplan.beam.species import species_of
from doseplan.case.spec import Delivery
from doseplan.constants import WATER_DENSITY

NOZZLE_MM = Delivery().nozzle_mm
"""[mm] of a case that states nothing."""

RIPPLE_FILTER_MM = 3.0
"""[mm] every thickness from 0 to this is equally likely: half of it scatters, on average."""


def air_assumption(nozzle_mm: float) -> str:
    """Say where the beams' sizes hold, and how far away the nozzle is."""
    known = " (from memory)" if nozzle_mm == NOZZLE_MM else ""
    return (
        f"spot sizes are those at the isocentre in air; towards the nozzle, {nozzle_mm:g} mm away{known}, "
        "spots are smaller by what filter and air scatter"
    )


def drift_in_air(
    fields: xr.Dataset, library: xr.Dataset, *, nozzle_mm: float = NOZZLE_MM
) -> NDArray[np.float64]:
    """Compute how a beam in air widens along its way.

    Parameters
    ----------
    fields : Dataset
        Spots with their fields: the mean energy of each field counts.
    library : Dataset
        `energy`.
    nozzle_mm : [mm]
        From the end of the nozzle to the isocentre.

    Returns
    -------
    (field, 2) float64 [mm], [1]
        Covariance c of place and angle, and variance a of the angle, at the isocentre: w mm downstream of it
        the variance of a spot is larger by 2 w c + w2 a.

    Notes
    -----
    A thin scatterer of angle variance f, then air of scattering power t per mm over a way d, give
    a = f + t d and c = f d + t d2 / 2 (Fermi and Eyges).
    """
    ion, air = species_of("12C"), media()["air"]
    out = np.zeros((fields.sizes["field"], 2))
    for field in range(out.shape[0]):
        own = fields["energy_index"].values[fields["field_index"].values == field]
        if own.size == 0:
            continue
        energy = float(library["energy"].values[own].mean())
        # so little is lost in filter and air that both scatter as at the entrance
        leaving = np.array([energy * (1.0 - 1e-3)])
        filtered = float(scattering_power(ion, leaving, energy, WATER)[0]) * WATER_DENSITY / 10.0
        filtered *= 0.5 * RIPPLE_FILTER_MM
        per_mm = float(scattering_power(ion, leaving, energy, air)[0]) * air.density / 10.0
        out[field, 1] = filtered + per_mm * nozzle_mm
        out[field, 0] = filtered * nozzle_mm + 0.5 * per_mm * nozzle_mm**2
    return out
