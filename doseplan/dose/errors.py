"""Dose of a finished plan when the patient lies elsewhere, or ranges are wrong."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.biology.courses import course_dose
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.dose.days import course_channels, spot_courses
from doseplan.dose.rays import Rays, trace_spots, with_range_error
from doseplan.dose.scenario import Scenario
from doseplan.messages import Progress, silent

Shift = tuple[float, float, float]


def error_rays(
    phantom: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    rays: Rays,
    scenarios: Sequence[Scenario],
    *,
    progress: Progress = silent,
) -> list[Rays]:
    """Trace the rays of error scenarios; those of one shift are traced once.

    Parameters
    ----------
    rays
        Of the spots as planned.
    """
    traced: dict[Shift, Rays] = {(0.0, 0.0, 0.0): rays}
    found = []
    for number, scenario in enumerate(scenarios):
        progress("rays of error scenarios", number / len(scenarios))
        if scenario.shift_mm not in traced:
            moved = Scenario(shift_mm=scenario.shift_mm)
            known = (phantom, rays)
            traced[scenario.shift_mm] = trace_spots(phantom, spots, library, scenario=moved, before=known)
        found.append(with_range_error(traced[scenario.shift_mm], spots, library, scenario.range_percent))
    return found


def scenario_dose(
    case: Case,
    samples: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    scenarios: Sequence[Scenario],
    rays: Sequence[Rays],
    *,
    progress: Progress = silent,
) -> xr.Dataset:
    """Compute the final dose at the sample points in each error scenario, in float64.

    Parameters
    ----------
    samples
        They stay with the patient.
    spots
        With weights.
    rays
        Of each scenario, from `error_rays`.

    Returns
    -------
    Dataset
        `scenario_dose_rbe` [Gy(RBE)], total over the course on the prescription's scale, with
        `scenario_shift` [mm] and `scenario_range_percent` [%].
    """
    model = rbe_model(case.prescription.scale)
    fractions = spot_courses(case, spots)[1]
    points = samples["sample_position"].values
    dose = np.empty((len(scenarios), points.shape[0]))
    for number, each in enumerate(rays):
        progress("dose in error scenarios", number / len(scenarios))
        dose[number] = course_dose(model, *course_channels(case, points, each, spots, library), fractions)
    attributes = model.attributes(case.prescription.fractions)
    data = {
        "scenario_shift": schema.variable("scenario_shift", [each.shift_mm for each in scenarios]),
        "scenario_range_percent": schema.variable(
            "scenario_range_percent", [each.range_percent for each in scenarios]
        ),
        "scenario_dose_rbe": schema.variable("scenario_dose_rbe", dose, **attributes),
    }
    return schema.check(xr.Dataset(data), *data)
