"""Which additive channels the dose engine carries, and what each RBE model reads from them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from doseplan.beam.tables import Factor
from doseplan.biology.mkm import HSG
from doseplan.biology.models import rbe_model, z_star_factor
from doseplan.messages import InputError

Array = NDArray[np.float64]

RESPONSES: Mapping[str, Factor] = {
    "idd_z_star": z_star_factor,
    "idd_lem_linear": rbe_model("LEM1").linear_factor,
    "idd_lem_root": rbe_model("LEM1").root_factor,
}
"""Curves beside dose and dose times LET: dose times z* of the modified MKM, and the two channels of LEM I."""


class Channels(NamedTuple):
    """Additive channels, arrays of one shape: depth curves, influence, or totals over a course."""

    dose: Array
    """[Gy]"""
    dose_z_star: Array
    """[Gy2]"""
    dose_let: Array
    """[Gy keV/um]"""
    dose_lem_linear: Array
    """[1] dose times alpha of LEM I."""
    dose_lem_root: Array
    """[1] dose times the square root of beta of LEM I."""


CURVES = ("idd", "idd_z_star", "idd_let", "idd_lem_linear", "idd_lem_root")
"""Depth curves of the channels, in their order."""


def linear_and_root(scale: str, channels: Channels) -> tuple[Array, Array]:
    """Form what a model reads from the channels.

    Parameters
    ----------
    scale : str
        "NIRS" or "LEM1".

    Returns
    -------
    linear, root
        The effect per fraction of n equal ones is linear / n + (root / n)^2.
    """
    if scale == "NIRS":
        linear = HSG.alpha0 * channels.dose + HSG.beta * channels.dose_z_star
        return linear, np.sqrt(HSG.beta) * channels.dose
    if scale == "LEM1":
        return channels.dose_lem_linear, channels.dose_lem_root
    raise InputError(f"scale: expected NIRS or LEM1, got {scale!r}")
