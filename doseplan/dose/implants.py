"""Which fields cross implants, and what range error a plan on the CT would make."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.case.tissues import TISSUES
from doseplan.dose.depth import water_equivalent_depth

MOST_POINTS = 4000
"""Points of the target that are traced, evenly chosen."""

CROSSED_MM = 0.5
"""[mm] a point with less metal upstream counts as free."""


def implant_crossings(
    phantom: xr.Dataset, fields: xr.Dataset, points: NDArray[np.floating]
) -> list[dict[str, float]]:
    """Trace points of the target upstream through implants.

    Parameters
    ----------
    phantom : Dataset
        `rsp`, `rsp_ct`, `tissue`.
    fields : Dataset
        `direction`, `gantry`, `couch` of every field.
    points : (point, 3) [mm]
        Patient LPS (x, y, z).

    Returns
    -------
    per field : gantry_deg, couch_deg, crossed_percent of the points behind metal, longest_path_mm in it;
        mean_error_mm and worst_error_mm: water-equivalent depth of the points by the CT minus the true one
    """
    chosen = points[:: max(1, len(points) // MOST_POINTS)]
    metal = (phantom["tissue"] == TISSUES.index("implant")).astype(np.float32)
    path = water_equivalent_depth(phantom.assign(rsp=metal), fields, chosen)
    error = water_equivalent_depth(phantom.assign(rsp=phantom["rsp_ct"]), fields, chosen)
    error -= water_equivalent_depth(phantom, fields, chosen)
    worst = np.abs(error).argmax(axis=1)
    return [
        {
            "gantry_deg": float(fields["gantry"].values[number]),
            "couch_deg": float(fields["couch"].values[number]),
            "crossed_percent": float(100.0 * np.mean(path[number] > CROSSED_MM)),
            "longest_path_mm": float(path[number].max()),
            "mean_error_mm": float(error[number].mean()),
            "worst_error_mm": float(error[number, worst[number]]),
        }
        for number in range(path.shape[0])
    ]
