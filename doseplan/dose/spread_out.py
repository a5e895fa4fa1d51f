"""Spread-out Bragg peaks: weights of energies that make dose, or GyE, flat over a depth."""

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import nnls

from doseplan import schema
from doseplan.beam.line import DEFAULT_MOMENTUM_SPREAD, MM, BeamLine
from doseplan.beam.medium import WATER
from doseplan.beam.stopping import energy_at_range, range_at
from doseplan.beam.transport import transport, transport_tables
from doseplan.biology.models import RbeModel, rbe_model
from doseplan.dose.bragg import PHYSICS_ASSUMPTIONS, distal_depth, line_assumptions, medium_line, peak_depth
from doseplan.dose.channels import CURVES, RESPONSES, Channels, linear_and_root
from doseplan.dose.curves import GRAY_MM2_PER_IDD
from doseplan.messages import InputError, Progress, silent

Floats = NDArray[np.float64]

RIPPLE_FILTER_MM = 3.0
SPACING_MM = 0.5
"""Of energies without a ripple filter; with one, half its thickness, so that its edges meet."""

BATCH = 6
ROUNDS = 30
FLAT_ENOUGH = 2.0
"""[%] largest deviation from the mean in the flat part; more is told as a warning in the assumptions."""


def spread_out_peak(
    energy: float | None = None,
    *,
    distal_mm: float | None = None,
    width_mm: float = 60.0,
    flat: Literal["dose", "rbe"] = "rbe",
    level: float = 4.0,
    scale: str = "NIRS",
    ion: str = "12C",
    spacing_mm: float | None = None,
    momentum_spread: float = DEFAULT_MOMENTUM_SPREAD,
    ripple_filter_mm: float = RIPPLE_FILTER_MM,
    nozzle_mm: float = 0.0,
    air_gap_mm: float = 0.0,
    progress: Progress = silent,
) -> xr.Dataset:
    """Find the weights of energies that make a wide field's dose in water flat over a depth.

    Parameters
    ----------
    energy : float, optional [MeV/u]
        Highest energy; or `distal_mm` [mm], the depth of the peak of the highest energy. One of both.
    width_mm : float [mm]
        The flat part ends at the peak of the highest energy and begins this much in front of it.
    flat
        "dose": absorbed dose; "rbe": RBE-weighted dose of the stated scale.
    level : float [Gy or Gy(RBE)]
        Dose of the flat part in one fraction; RBE-weighted dose is flat at this level only.
    scale : str
        "NIRS" or "LEM1".
    ion : str
        Primary ion.
    spacing_mm : float, optional [mm]
        Ranges of neighbouring energies differ by this; by default half the ripple filter, or 0.5 mm.
    momentum_spread, ripple_filter_mm, nozzle_mm, air_gap_mm
        As for `depth_dose`; the ripple filter makes the peaks wide enough for the spacing.

    Returns
    -------
    Dataset
        Over depth [mm]: `dose` [Gy], `dose_rbe` [Gy(RBE)], `let_d` [keV/um], `z_star_mean` [Gy], of one
        fraction in the middle of a wide field; over energy: `weight` [1e6 ions/mm2]. Attrs
        `flatness_percent`, half the distance from highest to lowest dose in the flat part as a part of their
        mean; `proximal_mm`, `distal_mm`, `r80_mm` (of the dose that is flat), `assumptions`.

    Raises
    ------
    InputError
        Neither or both of energy and depth, a width that begins in front of the water, or a number outside
        its range.

    Notes
    -----
    Least squares with weights of at least zero (Lawson and Hanson). For RBE-weighted dose the effect per
    fraction, linear + root^2, is linearised around the last weights, again and again.
    """
    model = rbe_model(scale)
    line = BeamLine(
        momentum_spread=momentum_spread,
        ripple_filter_mm=ripple_filter_mm,
        nozzle_mm=nozzle_mm,
        air_gap_mm=air_gap_mm,
    )
    if spacing_mm is None:
        spacing_mm = 0.5 * ripple_filter_mm or SPACING_MM
    _check(energy, distal_mm, width_mm, level, spacing_mm, flat)
    highest, distal = _ends(energy, distal_mm, ion, line)
    if width_mm > distal - spacing_mm:
        raise InputError(f"width_mm: expected less than the depth of {distal:.1f} mm, got {width_mm:g}")
    energies = _energies(highest, distal, width_mm, spacing_mm, ion, line)
    curves = _curves(energies, ion, line, progress)
    depth = curves["depth"].values
    # the flat part ends where the last beam is at its highest
    proximal, inside = distal - width_mm, (depth >= distal - width_mm) & (depth <= distal)
    channels = Channels(*(GRAY_MM2_PER_IDD * curves[name].values.T for name in CURVES))  # (depth, energy)
    weight = _fit(Channels(*(table[inside] for table in channels)), model, flat, level)
    return _named(curves, channels, weight, inside, model, flat).assign_attrs(
        ion=ion,
        energy_mev_u=highest,
        width_mm=width_mm,
        proximal_mm=proximal,
        distal_mm=distal,
        level=level,
        assumptions=[
            medium_line(WATER),
            *PHYSICS_ASSUMPTIONS,
            *line_assumptions(line),
            *model.assumptions,
        ],
    )


def _check(
    energy: float | None, distal_mm: float | None, width_mm: float, level: float, spacing_mm: float, flat: str
) -> None:
    lines = []
    if (energy is None) == (distal_mm is None):
        lines.append(f"energy, distal_mm: expected one of both, got {energy} and {distal_mm}")
    if flat not in ("dose", "rbe"):
        lines.append(f"flat: expected dose or rbe, got {flat!r}")
    limits = {
        "width_mm": (width_mm, 5.0, 300.0),
        "level": (level, 0.01, 50.0),
        "spacing_mm": (spacing_mm, 0.5, 10.0),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            lines.append(f"{name}: expected {low:g} <= {name} <= {high:g}, got {value}")
    if lines:
        raise InputError(*lines)


def _ends(energy: float | None, distal_mm: float | None, ion: str, line: BeamLine) -> tuple[float, float]:
    """Find highest energy [MeV/u] and depth [mm] of its peak, each from the other."""
    if energy is None:
        assert distal_mm is not None, "one of both is stated"
        reach = (distal_mm + line.in_front_mm + 0.5 * line.ripple_filter_mm) * MM
        guess = float(energy_at_range(ion, np.array([max(reach, 1e-3)]))[0])
        # the peak is not at the range: once more with what is missing
        reach += (distal_mm - _peak(guess, ion, line)) * MM
        energy = float(energy_at_range(ion, np.array([reach]))[0])
    return energy, _peak(energy, ion, line)


def _peak(energy: float, ion: str, line: BeamLine) -> float:
    curves = transport(energy, ion=ion, line=line, step_mm=0.2, fragment_step_mm=1.0)
    return peak_depth(curves["depth"].values, curves["idd"].isel(energy=0).sum("species").values)


def _energies(
    highest: float, distal: float, width_mm: float, spacing_mm: float, ion: str, line: BeamLine
) -> Floats:
    """Step down in range from the highest energy to the front of the flat part, and one step further."""
    reach = float(range_at(ion, np.array([highest]))[0])
    count = int(np.ceil(width_mm / spacing_mm)) + 1
    shortest = float(range_at(ion, np.array([50.0]))[0])
    ranges = np.asarray(reach - spacing_mm * MM * np.arange(count + 1), dtype=np.float64)
    return energy_at_range(ion, ranges[ranges >= shortest])[::-1]


def _curves(energies: Floats, ion: str, line: BeamLine, progress: Progress) -> xr.Dataset:
    """Transport all energies, some at a time, on common depths; only sums over species are kept."""
    highest = float(energies[-1])
    tables = transport_tables(
        highest_energy=highest, ion=ion, line=line, responses=RESPONSES, step_mm=0.2, fragment_step_mm=1.0
    )
    last = float(range_at(ion, np.array([highest]))[0]) / MM + 40.0
    parts = []
    for first in range(0, energies.size, BATCH):
        progress("spread-out peak: transport", first / energies.size)
        part = transport(
            energies[first : first + BATCH],
            ion=ion,
            line=line,
            responses=RESPONSES,
            step_mm=0.2,
            fragment_step_mm=1.0,
            depth_mm=last,
            tables=tables,
        )
        parts.append(part[list(CURVES)].sum("species"))
    progress("spread-out peak: done", 1.0)
    return xr.concat(parts, dim="energy")


def _fit(channels: Channels, model: RbeModel, flat: str, level: float) -> Floats:
    """Solve for weights of at least zero."""
    dose = channels.dose
    scaling = 1.0 / dose.max()
    ones = np.full(dose.shape[0], 1.0)
    weight: Floats = np.asarray(nnls(dose * scaling, ones)[0]) * scaling * level
    if flat == "dose":
        return weight
    linear, root = linear_and_root(model.scale, channels)
    wanted = float(model.effect_limit(level, fractions=1))
    # start at about the right dose
    weight *= level / float(np.mean(model.dose(linear @ weight, root @ weight, fractions=1)))
    for _ in range(ROUNDS):
        there = root @ weight
        slope = linear + 2.0 * there[:, np.newaxis] * root
        new = np.asarray(nnls(slope * scaling / wanted, (wanted + there**2) / wanted)[0]) * scaling
        change = float(np.abs(new - weight).max() / new.max())
        weight = new
        if change < 1e-9:
            break
    return weight


def _named(
    curves: xr.Dataset,
    channels: Channels,
    weight: Floats,
    inside: NDArray[np.bool_],
    model: RbeModel,
    flat: str,
) -> xr.Dataset:
    total = Channels(*(table @ weight for table in channels))
    linear, root = linear_and_root(model.scale, total)
    dose, depth = total.dose, curves["depth"].values
    dose_rbe: Floats = model.dose(linear, root, fractions=1)
    chosen = (dose if flat == "dose" else dose_rbe)[inside]
    spread = (chosen.max() - chosen.min()) / (chosen.max() + chosen.min())
    data = {
        "dose": _curve(dose, "Gy", "absorbed dose, one fraction"),
        "dose_rbe": xr.Variable(
            "depth", dose_rbe, {"units": "Gy(RBE)", "long_name": "RBE-weighted dose", **model.attributes(1)}
        ),
        "let_d": xr.Variable(
            "depth", _mean(total.dose_let, dose), {"units": "keV/um", "long_name": "LETd in water"}
        ),
        "z_star_mean": xr.Variable(
            "depth", _mean(total.dose_z_star, dose), {"units": "Gy", "long_name": "mean z*"}
        ),
        "weight": xr.Variable("energy", weight, {"units": "1e6 ions/mm2", "long_name": "weight"}),
    }
    coordinates = {
        "depth": schema.variable("depth", depth),
        "energy": schema.variable("energy", curves["energy"].values),
    }
    return xr.Dataset(
        data,
        coords=coordinates,
        attrs={
            "flat": flat,
            "flatness_percent": 100.0 * float(spread),
            "r80_mm": distal_depth(depth, dose if flat == "dose" else dose_rbe, 0.8),
        },
    )


def _mean(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0.0)


def _curve(values: Floats, units: str, meaning: str) -> xr.Variable:
    return xr.Variable("depth", values, {"units": units, "long_name": meaning})
