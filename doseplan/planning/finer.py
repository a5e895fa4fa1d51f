"""Spots between those of a case: how much more any plan could give with a finer grid."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.case import Case, finer_delivery
from doseplan.dose import place_spots

SPOT = ("field_index", "energy_index", "spot_energy", "spot_u", "spot_v", "weight")


def with_finer_spots(
    case: Case, phantom: xr.Dataset, others: Sequence[xr.Dataset], planned: xr.Dataset, library: xr.Dataset
) -> xr.Dataset:
    """Add the spots of half the spacing and half the step of energies to those of a plan, with weight 0.

    What is proven for all of them bounds what any choice among them could do.

    Parameters
    ----------
    phantom, others
        Of the arm without surgery and of the others, as for `place_spots`.
    planned
        Spots with weights; theirs stay.

    Returns
    -------
    Dataset
        As from `place_spots`, in its order.
    """
    fields = planned.drop_vars(SPOT)
    between = replace(case, delivery=finer_delivery(case.delivery))
    finer = place_spots(between, phantom, fields, library, others)
    columns = {
        name: np.concatenate([planned[name].values, np.asarray(finer[name].values, planned[name].dtype)])
        for name in SPOT
    }
    # the same place is the same but for rounding; the first of two alike is the plan's
    key = np.column_stack(
        [np.round(columns[name], 6) for name in ("field_index", "energy_index", "spot_v", "spot_u")]
    )
    _, first = np.unique(key, axis=0, return_index=True)
    data = {name: schema.variable(name, values[first]) for name, values in columns.items()}
    return schema.check(fields.assign(data).assign_attrs(finer.attrs), *SPOT)
