"""What the teaching page embeds: single beams, spread-out peaks, the study of the spine; packed small."""

import base64
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from doseplan.anatomy.materials import materials
from doseplan.biology.lem import tissue_of
from doseplan.biology.mkm import HSG
from doseplan.biology.nirs import ALPHA_REFERENCE, CLINICAL_FACTOR
from doseplan.dose import depth_dose, spread_out_peak
from doseplan.messages import Progress, silent
from doseplan.present.beam_table import bragg_numbers, spread_out_numbers

Numbers = dict[str, Any]

ENERGIES: dict[str, NDArray[np.float64]] = {
    "12C": np.arange(80.0, 430.1, 2.0),
    "4He": np.arange(50.0, 250.1, 2.0),
    "1H": np.arange(50.0, 250.1, 2.0),
}
"""[MeV/u] stops of the slider; the page never interpolates between energies."""

SLABS = ("cortical_bone", "lung", "Ti6Al4V")

PEAK_DISTAL_MM = (100.0, 150.0, 200.0)
PEAK_WIDTH_MM = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0)
PEAK_LEVEL = 4.0
"""[Gy or Gy(RBE)] of one fraction."""

TAIL_MM = 50.0
"""[mm] behind the distal 80 % that are kept."""

MISSED = 0.0015
"""[1] part of its highest value that a curve may lie off the straight lines between the depths that are kept;
a line of the picture is wider."""

FAINT = 0.003
"""[1] part of the highest dose below which LET and RBE are not shown: next to nothing has them."""

LARGEST = 65535

SLICE_GYE = 0.4
"""[GyE] steps of the dose of a slice: lines of equal dose are drawn through it; no number is read from it."""


def packed(values: ArrayLike) -> Numbers:
    """Pack values of at least 0 as 16-bit parts of their maximum: true to 1e-5 of it."""
    array = np.asarray(values, dtype=np.float64)
    top = float(array.max()) or 1.0
    parts = np.rint(array / top * LARGEST).astype("<u2")
    return {"top": top, "u16": base64.b64encode(parts.tobytes()).decode("ascii")}


def packed_bytes(values: ArrayLike, step: float) -> Numbers:
    """Pack values from 0 to 255 steps as bytes."""
    parts = np.clip(np.rint(np.asarray(values, dtype=np.float64) / step), 0, 255).astype(np.uint8)
    return {"step": step, "u8": base64.b64encode(parts.tobytes()).decode("ascii")}


def unpacked(part: Numbers) -> NDArray[np.float64]:
    """Give the values of `packed` back."""
    parts = np.frombuffer(base64.b64decode(part["u16"]), dtype="<u2")
    return np.asarray(part.get("first", 0.0) + parts * (part["top"] / LARGEST))


def formulas() -> Numbers:
    """Gather the constants of both scales, which the page computes RBE with."""
    tissue = tissue_of("CNS")
    return {
        "nirs": {
            "alpha0": HSG.alpha0,
            "beta": HSG.beta,
            "alpha_r": ALPHA_REFERENCE,
            "factor": CLINICAL_FACTOR,
        },
        "lem1": {
            "alpha_x": tissue.alpha_x,
            "beta_x": tissue.beta_x,
            "transition_dose": tissue.transition_dose_gy,
            "transition_effect": tissue.transition_effect,
            "slope": tissue.slope,
        },
    }


def beam(ion: str, energy: float) -> Numbers:
    """Compute one Bragg curve as the page has it."""
    curve = depth_dose(energy, ion=ion)
    numbers = bragg_numbers(curve)
    index = _kept(curve, "idd", ("let_d", "z_star_mean"))
    kept = curve.isel(depth=index)
    idd = kept["idd"].values
    return {
        "energy": energy,
        "r80_mm": curve.attrs["r80_mm"],
        "peak_mm": curve.attrs["peak_depth_mm"],
        "peak_to_entrance": numbers["peak_to_entrance"],
        "entrance_idd": float(idd[0]),
        "depth": packed_depths(curve["depth"].values, index),
        "idd_by_charge": packed(kept["idd_by_charge"].values),
        "fluence_by_charge": packed(kept["fluence_by_charge"].values),
        "let_d": packed(_clear(kept["let_d"].values, idd)),
        "z_star": packed(_clear(kept["z_star_mean"].values, idd)),
        "lem_linear": packed(_clear(_ratio(kept["idd_lem_linear"].values, idd), idd)),
        "lem_root": packed(_clear(_ratio(kept["idd_lem_root"].values, idd), idd)),
    }


def peak(distal_mm: float, width_mm: float, flat: str) -> Numbers:
    """Compute one spread-out peak as the page has it."""
    found = spread_out_peak(distal_mm=distal_mm, width_mm=width_mm, flat=flat, level=PEAK_LEVEL)  # type: ignore[arg-type]
    index = _kept(found, "dose", ("dose_rbe", "let_d"))
    kept = found.isel(depth=index)
    return {
        "distal_mm": distal_mm,
        "width_mm": width_mm,
        "flat": flat,
        "flatness_percent": spread_out_numbers(found)["flatness_percent"],
        "proximal_mm": found.attrs["proximal_mm"],
        "r80_mm": found.attrs["r80_mm"],
        "depth": packed_depths(found["depth"].values, index),
        "dose": packed(kept["dose"].values),
        "dose_rbe": packed(kept["dose_rbe"].values),
        "let_d": packed(_clear(kept["let_d"].values, kept["dose"].values)),
        "energies": packed(found["energy"].values),
        "weight": packed(found["weight"].values),
    }


def beams(*, progress: Progress = silent) -> Numbers:
    """Compute all single beams."""
    found: dict[str, list[Numbers]] = {}
    for ion, energies in ENERGIES.items():
        found[ion] = []
        for number, energy in enumerate(energies):
            progress(f"beams of {ion}", number / energies.size)
            found[ion].append(beam(ion, float(energy)))
    return found


def peaks(*, progress: Progress = silent) -> list[Numbers]:
    """Compute all spread-out peaks."""
    wanted = [
        (distal, width, flat)
        for distal in PEAK_DISTAL_MM
        for width in PEAK_WIDTH_MM
        for flat in ("dose", "rbe")
    ]
    found = []
    for number, (distal, width, flat) in enumerate(wanted):
        progress("spread-out peaks", number / len(wanted))
        found.append(peak(distal, width, flat))
    return found


def slabs() -> Numbers:
    """Give the stopping power ratio of what can stand in the way."""
    table = materials()
    return {name: table[name].rsp for name in SLABS}


def _kept(curve: xr.Dataset, dose: str, others: tuple[str, ...]) -> NDArray[np.intp]:
    """Choose depths for straight lines: what is missed most joins, until nothing is missed by much."""
    depth = curve["depth"].values
    end = int(np.searchsorted(depth, curve.attrs["r80_mm"] + TAIL_MM))
    shown = np.asarray(curve[dose].values[:end])
    faint = shown < FAINT * shown.max()
    table = [shown / shown.max()]
    for name in others:
        values = np.where(faint, 0.0, curve[name].values[:end])
        table.append(values / values.max())
    rows = np.array(table)
    chosen = {0, int(np.argmax(shown)), rows.shape[1] - 1}
    while True:
        index = np.array(sorted(chosen))
        lines = np.array([np.interp(depth[: rows.shape[1]], depth[index], row[index]) for row in rows])
        missed = np.abs(lines - rows).max(axis=0)
        worst = [
            first + int(np.argmax(missed[first:last])) for first, last in pairwise(index) if last - first > 1
        ]
        more = {place for place in worst if missed[place] > MISSED}
        if not more:
            return index
        chosen |= more


def _clear(values: NDArray[np.float64], dose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Set to 0 what next to no dose has."""
    return np.where(dose < FAINT * dose.max(), 0.0, values)


def packed_depths(depth: NDArray[np.float64], index: NDArray[np.intp]) -> Numbers:
    """Pack even depths by their numbers, which is exact."""
    step = float(depth[1] - depth[0])
    text = base64.b64encode(index.astype("<u2").tobytes()).decode("ascii")
    return {"first": float(depth[0]), "top": step * LARGEST, "u16": text}


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0.0)


def spine(study: xr.Dataset) -> Numbers:
    """Pack the study of the spine.

    Parameters
    ----------
    study : Dataset of `doseplan.study.teaching.spine_study`
    """
    states = study.transpose("separation", "prescription", "range_error", ...)
    one = states.isel(prescription=0, range_error=0)
    level = study["level"].values
    attrs = study.attrs
    return {
        "separation": [None if np.isnan(each) else float(each) for each in study["separation"].values],
        "prescription": [float(each) for each in study["prescription"].values],
        "range_error": [float(each) for each in study["range_error"].values],
        "metrics": {
            str(name): [round(float(value), 4) for value in states["metrics"].sel(metric=name).values.ravel()]
            for name in study["metric"].values
        },
        "met": states["met"].values.reshape(-1, study.sizes["verdict"]).astype(bool).tolist(),
        "levels": int(level.size),
        "level_step": float(level[1] - level[0]),
        "dvh_cord": packed(states["dvh_cord"].values),
        "dvh_target": packed(states["dvh_target"].values),
        "dose": packed_bytes(states["slice_dose"].values, SLICE_GYE),
        "dose_side": study.sizes["x"],
        "hu": {"first": -250.0, **packed_bytes(one["slice_hu"].values + 250.0, 850.0 / 255.0)},
        **{
            name: {"first": -12.8, **packed_bytes(one[f"slice_{name}"].values + 12.8, 0.1)}
            for name in ("cord", "dura", "target")
        },
        "ct_side": study.sizes["ct_x"],
        "ct_step_mm": float(study["ct_x"][1] - study["ct_x"][0]),
        "ct_first_mm": [float(study[f"ct_{axis}"][0] - study[axis][0]) for axis in "xy"],
        "field_mm": float(np.ptp(study["x"].values)),
        "z_mm": attrs["z_mm"],
        "limit_gye": attrs["limit_gye"],
        "shown_from_gye": 5.0,
        "spots": int(attrs["spots"]),
    }
