"""Which additive channels the dose engine carries, and what each RBE model reads from them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from doseplan.beam.tables import Factor
from doseplan.biology.mkm import HSG
from doseplan.biology.models import rbe_model, z_star_factor
from doseplan.messages import InputError

RESPONSES: Mapping[str, Factor] = {
    "idd_z_star": z_star_factor,
    "idd_lem_linear": rbe_model("LEM1").linear_factor,
    "idd_lem_root": rbe_model("LEM1").root_factor,
}
"""Curves beside dose and dose times LET: dose times z* of the modified MKM, and the two channels of LEM I."""


def channels_of(scale: str, values: Mapping[str, Any]) -> tuple[Any, Any]:
    """Form a model's channels from sums of dose, dose times z* and those of LEM I.

    Parameters
    ----------
    scale : str
        "NIRS" or "LEM1".
    values
        Arrays of one shape by the names "idd", "idd_z_star", "idd_lem_linear", "idd_lem_root".

    Returns
    -------
    linear, root
        The effect per fraction of n equal ones is linear / n + (root / n)^2.
    """
    if scale == "NIRS":
        linear = HSG.alpha0 * values["idd"] + HSG.beta * values["idd_z_star"]
        return linear, np.sqrt(HSG.beta) * values["idd"]
    if scale == "LEM1":
        return values["idd_lem_linear"], values["idd_lem_root"]
    raise InputError(f"scale: expected NIRS or LEM1, got {scale!r}")
