"""Compare the pencil beam with the Monte Carlo, and write docs/monte_carlo.md with its figures.

    python docs/update_montecarlo.py --only water,bone,lung,titanium
    python docs/update_montecarlo.py --only none,none_corrected,separated,corrected --folder runs/here
    python docs/update_montecarlo.py --only ct --ct CT.npz
    python docs/update_montecarlo.py --page

What was compared is kept in docs/monte_carlo.json, each part with the commit that it was computed by;
parts that are not named stay. `--page` only writes the page again. `--histories` sets the primary ions of
each Monte Carlo. Plans and doses stay in the folder, so a part that was stopped goes on where it was. All of
it takes about an hour on two cores with 10 million histories; CI only compares page and record.
"""

import argparse
import importlib.util
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from records import ROOT, commit
from scipy.ndimage import gaussian_filter

from doseplan.biology.models import rbe_model
from doseplan.case import bundled_cases, load_case
from doseplan.case.spec import Case
from doseplan.case.tissues import TISSUES
from doseplan.constants import WATER_DENSITY
from doseplan.dose import Scenario, beam_library, grid_dose, grid_effect, trace_spots
from doseplan.dose.voxel_sums import BODY_RSP
from doseplan.evaluation import agreement, gamma_percent
from doseplan.evaluation.agreement import WHOLE, full_doses
from doseplan.evaluation.gamma import GAMMA_FROM, GAMMA_MM, GAMMA_PERCENT, boxed
from doseplan.evaluation.volume import STRIP_MM
from doseplan.exchange import read_dataset, write_scan
from doseplan.exchange.masks import read_masks
from doseplan.montecarlo import recalculate
from doseplan.montecarlo.voxels import coarse_mean, score_factors
from doseplan.planning.correction import BLUR_MM, on_grid, smooth_pencil
from doseplan.study import build_phantoms, plan_case
from doseplan.study.correction import cord_verdicts, correct_run
from doseplan.study.pipeline import plan_arm
from doseplan.study.recalculation import FOLDER, stored_or_new

PAGE, RECORD = ROOT / "docs" / "monte_carlo.md", ROOT / "docs" / "monte_carlo.json"
CASE = "t11_t12_mpnst"
FIELDS = ("water", "bone", "lung", "titanium")
ARMS = ("none", "decompressed", "separated")
CORRECTED = {"none_corrected": "none", "corrected": "separated"}
"""Arms that are planned again with the correction; without surgery the cord limit binds."""
WATER_PERCENT = 100.0 * (1.0 / WATER_DENSITY - 1.0)
"""[%] by which depths in the library's water are longer than in water of 1 g/cm3, to which `rsp` refers."""

SHOWN_MM = 70.0
"""[mm] half the side of the part of a patient that is drawn."""

OUTLINES = {"cord": ("-", "#d55e00"), "target": (":", "#009e73")}
"""Line style and colour."""

WIDE_PERCENT = 2.0
"""[%] of the prescription: differences beyond it are counted, if they are three standard deviations too."""

LEVELS = ((WIDE_PERCENT, "-"), (-WIDE_PERCENT, "--"))
"""Lines of the maps of differences."""

CT_CASE = """
ct = { file = "ct.nc", cord = "cord", tumour = "gtv_vertebra_synthetic", body = "body" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
grid = { voxel_mm = 2.0 }
delivery = { spot_spacing_mm = 4.0 }
"""

HEAD = f"""# Pencil beam and Monte Carlo

Written by `python docs/update_montecarlo.py` from docs/monte_carlo.json; nothing here is typed by hand. The
Monte Carlo is the reference. Gamma: {GAMMA_PERCENT:g} % of the full dose and {GAMMA_MM:g} mm, voxels from
{100 * GAMMA_FROM:g} % of it on, by PyMedPhys and by our own code beside it; the full dose is the
prescription (for absorbed dose, the absorbed dose that goes with it in the target), in the boxes of water
the highest dose. Noise of the Monte Carlo is part of gamma: more histories, more voxels that pass.
"""

TABLE = """Uncertainty is one standard deviation of one scored voxel of 2 mm, the mean over voxels above half
the full dose. Metal has no pass rate asked of it. Processor time is that of all threads together. *1 % on two
cores* is computed from it: half of it, times the square of the absorbed dose's uncertainty in per cent.
"""

WHERE = f"""Differences are Monte Carlo less pencil beam, RBE-weighted, in % of the full dose, of doses
spread by a Gaussian of {BLUR_MM:g} mm, which takes most of the noise away. *Beyond* is the share of voxels
that differ by more than {WIDE_PERCENT:g} % of it and by more than three standard deviations. *Same water*:
the pencil beam once more with depths longer by {WATER_PERCENT:.2f} %, as stopping power ratios refer to water
of 1 g/cm3 and the library's depths to one of {WATER_DENSITY:g} (decision 3); what is left has other causes.
"""

WHY = {
    "water": "Water alone. The Monte Carlo takes stopping power ratios for what they are, relative to water "
    "of 1 g/cm3 (decision 22), so its ions stop a little earlier: a line at the distal edge, which *same "
    "water* takes away.",
    "bone": "Cortical bone in the half at x < 0. Ions that are scattered across its edge have the range of "
    "the other half: the Monte Carlo has more in front of the step between both ends, and less behind it.",
    "lung": "Lung in the half at x < 0. Ions that are scattered from the water half into the lung fly on "
    "for most of its thickness, sub-spots keep to their ray: the Monte Carlo has more beside the edge behind "
    "the end of the water half.",
    "titanium": "A rod of titanium, compared without a pass rate: straggling and fragments are those of "
    "water in both, scattering is each model's own. Most differs at the sides of the shadow behind the rod, "
    "where ions cross over between ranges.",
    "none": "The bundled case without surgery: target and cord nearly touch, and dose falls between them as "
    "steeply as it can.",
    "decompressed": "The bundled case after decompression.",
    "separated": "The bundled case after separation. The largest differences lie in discs, thin layers "
    "along all three beams between denser bone: ions are scattered into them and out again, while sub-spots "
    "keep to their ray.",
    "none_corrected": "The arm without surgery, where the cord limit binds, planned again in the same way.",
    "corrected": "The separated arm planned again with the correction (`doseplan correct`): the pencil beam "
    "here is the corrected one, and the Monte Carlo has another seed than that of the correction.",
    "ct": "A CT (the sample of TotalSegmentator at 3 mm, with a made-up tumour), separated arm: `--ct` "
    "with the npz file. Most differs at the distal edge in front of the vertebra, which *same water* "
    "explains in part.",
}

Record = dict[str, Any]
Array = np.ndarray[Any, np.dtype[np.float64]]


def main(arguments: list[str]) -> int:
    """Compute the parts that are named, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="parts, separated by commas")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "monte_carlo")
    parser.add_argument("--ct", type=Path, help="npz with hu and masks")
    parser.add_argument("--histories", type=int, default=4_000_000)
    stated = parser.parse_args(arguments)
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    known = (*FIELDS, *ARMS, *CORRECTED, "ct")
    wanted = [] if stated.page else (stated.only.split(",") if stated.only else list(known))
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"--only: expected some of {', '.join(known)}, got {', '.join(unknown)}")
    source = commit("monte_carlo")
    for name in wanted:
        if name == "ct" and stated.ct is None:
            sys.stderr.write("ct: left as it is, no --ct\n")
            continue
        record[name] = {**compute(name, stated), "commit": source}
        text = json.dumps({key: record[key] for key in known if key in record}, indent=1)
        RECORD.write_text(text + "\n", encoding="utf-8")
    PAGE.write_text(page(record), encoding="utf-8")
    return 0


def compute(name: str, stated: argparse.Namespace) -> Record:
    """Compare one part, draw it, and say by which versions."""
    if name in FIELDS:
        found = field_part(name, stated.histories)
    elif name == "ct":
        found = ct_part(stated.folder, stated.ct, stated.histories)
    else:
        found = arm_part(name, stated.folder, stated.histories)
    versions = {name: version(name) for name in ("doseplan", "numpy", "numba", "pymedphys")}
    return {**found, "threads": numba.get_num_threads(), "versions": versions}


# --- what is compared


def field_part(name: str, histories: int) -> Record:
    """Compare a field in a box of water, with something in its way."""
    slabs = _slabs()
    case, library = load_case(bundled_cases()[CASE]), beam_library()
    phantom = slabs.water(1.0) if name == "water" else slabs.with_slab(slabs.water(1.0), name)
    spots = slabs.field(library)
    dose = grid_dose(case, phantom, spots, library)
    clock = _Clock()
    found = recalculate(
        case, phantom, spots, histories=histories, seed=1, score_mm=2.0, blur_mm=BLUR_MM, progress=told
    )
    spent = clock.read()
    full = {key: float(dose[key].max()) for key in ("dose", "dose_rbe")}
    smooth, sigma = difference(case, phantom, found, pencil_effect(case, phantom, spots))
    depth = found["y"].values + 0.5 * slabs.DEEP_MM
    at_x = np.broadcast_to(found["x"].values, smooth.shape)
    at_depth = np.broadcast_to(depth[:, np.newaxis], smooth.shape)
    first, last = (60.0, 60.0) if name == "water" else slabs.SLABS[name][2:4]
    regions = {
        f"down to {first:g} mm": at_depth < first,
        f"{first:g} to {last:g} mm": (at_depth >= first) & (at_depth <= last),
        "deeper": at_depth > last,
    }
    if name != "water":
        edge = np.abs(np.abs(at_x - 5.0) - 3.1) < 4.0 if name == "titanium" else np.abs(at_x) < 6.0
        regions |= {
            "deeper, near an edge": (at_depth > last) & edge,
            "deeper, elsewhere": (at_depth > last) & ~edge,
        }
        del regions["deeper"]
    everywhere = np.ones(found["dose"].shape, dtype=bool)
    middle = float(found["z"].values[found.sizes["z"] // 2])
    draw(name, [(found.sel(z=middle), smooth[_at(found, "z", middle)], {}, "")], full)
    return {
        "histories": histories,
        **spent,
        **measures(dose, found, factors(phantom, found), full, everywhere),
        "regions": by_region(found, smooth, sigma, regions, full["dose_rbe"]),
        "same_water": same_water(case, phantom, spots, found, full["dose_rbe"], everywhere, regions),
    }


def arm_part(name: str, folder: Path, histories: int) -> Record:
    """Compare an arm of the bundled case, as planned or planned again with the correction."""
    case = load_case(bundled_cases()[CASE])
    plain = folder / "bundled"
    tree = plan_case(case, out=plain, progress=told)
    if name not in CORRECTED:
        return patient_part(name, case, tree, name, plain / FOLDER, histories=histories, seed=1)
    arm, out = CORRECTED[name], folder / name
    tree = correct_run(
        tree, case, out=out, source=plain / FOLDER, arms=[arm], histories=histories, progress=told
    )
    return patient_part(name, case, tree, arm, out / FOLDER, histories=histories, seed=2)


def ct_part(folder: Path, ct: Path, histories: int) -> Record:
    """Compare the separated arm of a CT."""
    folder.mkdir(parents=True, exist_ok=True)
    write_scan(read_masks(ct), folder / "ct.nc")
    (folder / "ct.toml").write_text(CT_CASE, encoding="utf-8")
    case = load_case(folder / "ct.toml")
    phantom = build_phantoms(case, ["separated"])["separated"]
    stages, _ = plan_arm(case, phantom, beam_library(), progress=told)
    tree = xr.DataTree.from_dict({f"/separated/{stage}": data for stage, data in stages.items()})
    return patient_part("ct", case, tree, "separated", folder / "ct" / FOLDER, histories=histories, seed=1)


def patient_part(
    name: str, case: Case, tree: xr.DataTree, arm: str, folder: Path, *, histories: int, seed: int
) -> Record:
    """Compare one arm of a run: verdicts, gamma, and where cord, strip and the rest differ."""
    stages = {stage: data.to_dataset() for stage, data in tree[arm].children.items()}
    phantom, samples, dose = stages["anatomy"], stages["samples"], stages["dose"]
    stored, spent, clock = folder / f"{arm}.nc", folder / f"{arm}.json", _Clock()
    before = stored.stat().st_mtime_ns if stored.exists() else 0
    found = stored_or_new(case, stages, folder, arm, histories=histories, seed=seed, progress=told)
    if stored.stat().st_mtime_ns != before:
        spent.write_text(json.dumps(clock.read()), encoding="utf-8")
    judged, full = agreement(case, phantom, samples, dose, found), full_doses(case, samples)
    factor = factors(phantom, found)
    whole = coarse_mean((phantom["rsp"].values >= BODY_RSP).astype(float), factor) > WHOLE
    field = folder / f"correction_{arm}.nc"
    correction = read_dataset(field, remedy="")["correction"] if field.exists() else None
    spots = stages["spots"]
    pencil = pencil_effect(case, phantom, spots, correction=correction)
    smooth, sigma = difference(case, phantom, found, pencil)
    regions = patient_regions(phantom, factor)
    near, high = regions["cord"] | regions["strip"], found["dose_rbe"].values >= GAMMA_FROM * full["dose_rbe"]
    planes = [
        plane_at(phantom, found, smooth, worst(found, smooth, mask)[2], said)
        for mask, said in ((near & high, "most in cord and strip"), (high, "most anywhere"))
    ]
    draw(name, planes, full)
    keep = ("structure", "quantity", "pencil_beam_gye", "monte_carlo_gye", "uncertainty_gye", "limit_gye")
    other = {}
    if correction is None:
        other["same_water"] = same_water(case, phantom, spots, found, full["dose_rbe"], whole, regions)
    return {
        "histories": histories,
        **(json.loads(spent.read_text(encoding="utf-8")) if spent.exists() else {}),
        **measures(dose, found, factor, full, whole),
        "rows": [{key: row[key] for key in keep} for row in judged["rows"]],
        "verdict": cord_verdicts({"arms": {arm: judged}}).get(arm),
        "regions": by_region(found, smooth, sigma, regions, full["dose_rbe"]),
        **other,
    }


class _Clock:
    """Seconds on the clock and of the processor since it was made."""

    def __init__(self) -> None:
        self.start = (time.perf_counter(), time.process_time())

    def read(self) -> Record:
        """Give both."""
        return {
            "seconds": time.perf_counter() - self.start[0],
            "cpu_seconds": time.process_time() - self.start[1],
        }


def told(message: str, done: float) -> None:
    """Say on standard error what is being done."""
    sys.stderr.write(f"\r{message[:60]:<60} {100 * done:3.0f} %")


# --- numbers


def factors(phantom: xr.Dataset, found: xr.Dataset) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Count the phantom's voxels along the edges x, y, z of a scored one."""
    edge = np.array([float(np.diff(phantom[name].values[:2])[0]) for name in "xyz"])
    return score_factors(edge, float(np.diff(found["x"].values[:2])[0]))


def measures(
    dose: xr.Dataset, found: xr.Dataset, factor: Any, full: dict[str, float], counted: Any
) -> Record:
    """Compute gamma twice, and what the Monte Carlo is uncertain by where more than half the full dose is."""
    out: Record = {"full_gy": full["dose"], "full_gye": full["dose_rbe"]}
    for name in ("dose", "dose_rbe"):
        high = found[name].values >= 0.5 * full[name]
        out[name] = {
            "gamma_percent": library_gamma(dose[name], found[name], factor, full[name], counted),
            "gamma_own_percent": gamma_percent(
                dose[name], found[name], factor, full_dose=full[name], counted=counted
            ),
            "voxels_above_half": int(high.sum()),
            "uncertainty_percent": float(100.0 * found[f"{name}_uncertainty"].values[high].mean()),
        }
    return out


def library_gamma(fine: xr.DataArray, coarse: xr.DataArray, factor: Any, full: float, counted: Any) -> float:
    """Compute the share [%] of voxels that pass by PyMedPhys, from the same boxes as ours."""
    import pymedphys

    means, axes = boxed(fine, factor)
    reference = np.where(counted, coarse.values.astype(np.float64), 0.0)
    gamma = pymedphys.gamma(
        tuple(coarse[name].values for name in "zyx"), reference, tuple(axes), means, GAMMA_PERCENT, GAMMA_MM,
        lower_percent_dose_cutoff=100.0 * GAMMA_FROM, interp_fraction=4, max_gamma=1.01,
        global_normalisation=full, skip_once_passed=True,
    )  # fmt: skip
    return float(100.0 * np.mean(gamma[~np.isnan(gamma)] <= 1.0))


def pencil_effect(
    case: Case, phantom: xr.Dataset, spots: xr.Dataset, *, range_percent: float = 0.0, correction: Any = None
) -> tuple[Array, Array]:
    """Compute both channels of the pencil beam on the grid, with depths that are longer by a part."""
    library = beam_library()
    rays = trace_spots(phantom, spots, library, scenario=Scenario(range_percent=range_percent))
    linear, root = grid_effect(case, phantom, spots, library, rays=rays, progress=told)
    times = 1.0 if correction is None else on_grid(correction, phantom)
    return times * linear, times * root


def difference(
    case: Case, phantom: xr.Dataset, found: xr.Dataset, pencil: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Subtract the pencil beam from the Monte Carlo, both spread: (z, y, x) [GyE], and its deviation."""
    # every case of the record has one course
    (linear,), (root,) = smooth_pencil(phantom, pencil, found)
    model, fractions = rbe_model(case.prescription.scale), case.prescription.fractions
    expected = model.dose(linear, root, fractions=fractions)
    total = found["smooth_dose_rbe"].values.astype(np.float64)
    factor, edge = factors(phantom, found), float(np.diff(found["x"].values[:2])[0])
    share = coarse_mean((phantom["rsp"].values >= BODY_RSP).astype(float), factor)
    # at the skin the pencil beam gives none to air, and a Gaussian carries that inwards
    inside = gaussian_filter(share, BLUR_MM / edge) > WHOLE
    return np.where(inside, total - expected, 0.0), total * found["smooth_dose_rbe_uncertainty"].values


def same_water(
    case: Case,
    phantom: xr.Dataset,
    spots: xr.Dataset,
    found: xr.Dataset,
    full: float,
    counted: Any,
    regions: dict[str, Any],
) -> Record:
    """Compare once more with depths in the Monte Carlo's water, to tell that cause from others."""
    pencil = pencil_effect(case, phantom, spots, range_percent=WATER_PERCENT)
    model, fractions = rbe_model(case.prescription.scale), case.prescription.fractions
    (linear,), (root,) = pencil
    dose = xr.DataArray(model.dose(linear, root, fractions=fractions), coords=[phantom[n] for n in "zyx"])
    return {
        "gamma_percent": library_gamma(dose, found["dose_rbe"], factors(phantom, found), full, counted),
        "regions": by_region(found, *difference(case, phantom, found, pencil), regions, full),
    }


def patient_regions(phantom: xr.Dataset, factor: Any) -> dict[str, Any]:
    """Tell which scored voxels are mostly cord, strip, target, bone, lung, metal, or other tissue."""
    separation = float(phantom.attrs["separation_mm"])
    reach = STRIP_MM + (0.0 if np.isnan(separation) else separation)
    target = phantom["target"].values
    tissue = phantom["tissue"].values

    def mostly(values: Any) -> Any:
        return coarse_mean(values.astype(np.float64), factor) >= 0.5

    def made_of(*names: str) -> Any:
        return mostly(np.isin(tissue, [TISSUES.index(name) for name in names]))

    found = {
        "cord": mostly(phantom["cord"].values),
        "strip": mostly(target * (phantom["distance_dura"].values <= reach)),
        "rest of the target": mostly(target),
        "bone": made_of("cortical_bone", "spongiosa"),
        "lung and airway": made_of("lung", "airway"),
    }
    taken = np.zeros_like(found["cord"])
    for name, mask in found.items():
        found[name] = mask & ~taken
        taken |= mask
    return {**found, "other tissue": ~taken}


def by_region(found: xr.Dataset, smooth: Array, sigma: Array, regions: dict[str, Any], full: float) -> Record:
    """Say by how much the doses differ in each region, and where most, in % of the full dose."""
    out = {}
    high = found["dose_rbe"].values >= GAMMA_FROM * full
    for name, mask in regions.items():
        inside = mask & high
        if inside.any():
            values, doubt = 100.0 * smooth[inside] / full, 100.0 * sigma[inside] / full
            beyond = (np.abs(values) > WIDE_PERCENT) & (np.abs(values) > 3.0 * doubt)
            most = int(np.abs(values).argmax())
            out[name] = {
                "voxels": int(inside.sum()),
                "mean_percent": float(values.mean()),
                "beyond_percent": float(100.0 * beyond.mean()),
                "largest_percent": float(values[most]),
                "largest_uncertainty_percent": float(doubt[most]),
                "mean_uncertainty_percent": float(doubt.mean()),
                "at_mm": worst(found, smooth, inside),
            }
    return out


def worst(found: xr.Dataset, smooth: Array, mask: Any) -> list[float]:
    """Find the place x, y, z [mm] of the largest difference."""
    z, y, x = np.unravel_index(np.where(mask, np.abs(smooth), -1.0).argmax(), smooth.shape)
    return [float(found[name].values[at]) for name, at in (("x", x), ("y", y), ("z", z))]


def plane_at(phantom: xr.Dataset, found: xr.Dataset, smooth: Array, z: float, said: str) -> "Plane":
    """Cut a patient at a height."""
    outlines = {key: phantom[key].sel(z=z, method="nearest") for key in OUTLINES}
    return found.sel(z=z, method="nearest"), smooth[_at(found, "z", z)], outlines, said


def _at(found: xr.Dataset, name: str, place: float) -> int:
    return int(np.abs(found[name].values - place).argmin())


def _slabs() -> ModuleType:
    """Open the fields of tests/montecarlo."""
    spec = importlib.util.spec_from_file_location("slabs", ROOT / "tests" / "montecarlo" / "slabs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- what it looks like


Plane = tuple[xr.Dataset, Array, dict[str, xr.DataArray], str]
"""A slice of the Monte Carlo, the difference [GyE] in it, outlines, and what is to be seen."""


def draw(name: str, planes: list[Plane], full: dict[str, float]) -> None:
    """Draw dose and difference in planes: patients with y down, boxes of water along the beam."""
    patient = bool(planes[0][2])
    figure = Figure(figsize=(10.4, (4.2 if patient else 2.9) * len(planes) + 0.6), layout="constrained")
    handles = [
        Line2D([], [], color="black", lw=0.8, ls=style, label=f"difference {level:+g} %")
        for level, style in LEVELS
    ]
    handles += [
        Line2D([], [], color=colour, ls=style, label=key)
        for key, (style, colour) in OUTLINES.items()
        if patient
    ]
    for (left, right), plane in zip(figure.subplots(len(planes), 2, squeeze=False), planes, strict=True):
        draw_plane(figure, left, right, plane, full["dose_rbe"])
    figure.suptitle(
        f"{name}: RBE-weighted dose by Monte Carlo, and its difference, both spread by {BLUR_MM:g} mm"
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(ROOT / "docs" / f"monte_carlo_{name}.png", dpi=90, metadata={"Software": None})


def draw_plane(figure: Figure, left: Axes, right: Axes, plane: Plane, full: float) -> None:
    """Draw one plane into two panels."""
    cut, smooth, outlines, said = plane
    across, down = ("x", "y") if outlines else ("y", "x")
    flat = (lambda values: values) if outlines else np.transpose
    grid = (cut[across].values, cut[down].values)
    percent, part = flat(100.0 * cut["dose_rbe"].values / full), flat(100.0 * smooth / full)
    shown = left.pcolormesh(*grid, percent, cmap="viridis", vmin=0.0, vmax=110.0, rasterized=True)
    figure.colorbar(shown, ax=left, label="dose [% of the full dose]")
    shown = right.pcolormesh(*grid, part, cmap="RdBu_r", vmin=-6.0, vmax=6.0, rasterized=True)
    figure.colorbar(shown, ax=right, label="Monte Carlo - pencil\nbeam [% of the full dose]", extend="both")
    for level, style in LEVELS:
        if part.min() < level < part.max():
            right.contour(*grid, part, levels=[level], colors="black", linestyles=style, linewidths=0.8)
    for axes in (left, right):
        for key, line in outlines.items():
            if float(line.max()) > 0.5:
                style, colour = OUTLINES[key]
                axes.contour(line["x"], line["y"], line.values, levels=[0.5], colors=colour, linestyles=style)
        axes.set(xlabel=f"{across} [mm]", ylabel=f"{down} [mm]", aspect="equal")
        axes.set_title(f"{said}, z = {float(cut['z']):.0f} mm" if said else f"z = {float(cut['z']):.0f} mm")
        if outlines:
            middle = [
                float((outlines["cord"] * outlines["cord"][key]).sum() / outlines["cord"].sum())
                for key in "xy"
            ]
            axes.set_xlim(middle[0] - SHOWN_MM, middle[0] + SHOWN_MM)
            axes.set_ylim(middle[1] + SHOWN_MM, middle[1] - SHOWN_MM)


def page(record: Record) -> str:
    """Write the page from the record."""
    lines = [HEAD, *summary_lines(record), *verdict_lines(record), "## Where they differ, and why", "", WHERE]
    for name, part in record.items():
        lines += [f"### {name}", "", WHY[name], "", *region_lines(part), ""]
        lines += [f"![Dose and difference, {name}](monte_carlo_{name}.png)", ""]
    return "\n".join(lines)


def summary_lines(record: Record) -> list[str]:
    """Lay out gamma, uncertainty and time of all parts."""
    heads = ["Part", "Gamma, absorbed dose", "Gamma, GyE", "Histories", "Uncertainty (dose / GyE)"]
    heads += ["Processor time", "Histories a second and core", "1 % on two cores", "Commit"]
    lines = ["## Gamma, uncertainty and time", "", _row(*heads), "|" + "---|" * len(heads)]
    for name, part in record.items():
        rates = [
            f"{part[key]['gamma_percent']:.1f} % (ours {part[key]['gamma_own_percent']:.1f} %)"
            for key in ("dose", "dose_rbe")
        ]
        doubt = " / ".join(f"{part[key]['uncertainty_percent']:.2f} %" for key in ("dose", "dose_rbe"))
        row, times = [name, *rates, f"{part['histories']:,}", doubt], ["not timed", "", ""]
        if "cpu_seconds" in part:
            spent, pace = part["cpu_seconds"] / 60.0, part["histories"] / part["cpu_seconds"]
            until = 0.5 * spent * part["dose"]["uncertainty_percent"] ** 2
            times = [f"{spent:.1f} min", f"{pace:,.0f}", f"{until:.1f} min"]
        lines.append(_row(*row, *times, part["commit"]))
    return [*lines, "", *TABLE.splitlines(), ""]


def verdict_lines(record: Record) -> list[str]:
    """Lay out cord and target doses of the parts that have them."""
    lines = [
        "## Cord and target",
        "",
        _row("Part", "Structure", "Quantity", "Pencil beam", "Monte Carlo", "Limit"),
    ]
    lines.append("|---|---|---|---|---|---|")
    for name, part in record.items():
        for row in part.get("rows", []):
            doubt = "" if row["uncertainty_gye"] is None else f" +- {row['uncertainty_gye']:.2f}"
            limit = "" if row["limit_gye"] is None else f"{row['limit_gye']:g}"
            pair = (f"{row['pencil_beam_gye']:.2f}", f"{row['monte_carlo_gye']:.2f}{doubt}")
            lines.append(_row(name, row["structure"], row["quantity"], *pair, limit))
    lines += [
        "",
        "All in GyE. 'At its place' is where the pencil beam is highest or lowest; 'anywhere' takes the",
    ]
    lines += ["extreme of noisy doses, which lies beyond the true one.", ""]
    for name, part in record.items():
        if part.get("verdict"):
            one = part["verdict"]
            holds = "holds" if one["holds"] else "does **not** hold"
            lines.append(
                f"- {name}: the cord limit {holds} under Monte Carlo within one standard deviation "
                f"({one['monte_carlo_gye']:.2f} +- {one['uncertainty_gye']:.2f} GyE in the voxel there, "
                f"{one['spread_gye']:.2f} +- {one['spread_uncertainty_gye']:.2f} GyE, difference spread)"
            )
    return [*lines, ""]


def region_lines(part: Record) -> list[str]:
    """Lay out the differences by region."""
    heads = ("Region", "Voxels", "Mean", "Beyond", "Largest", "at x, y, z [mm]", "Beyond, same water")
    lines = [_row(*heads), "|" + "---|" * len(heads)]
    other = part.get("same_water", {})
    for name, one in part["regions"].items():
        largest = f"{one['largest_percent']:+.1f} +- {one['largest_uncertainty_percent']:.1f} %"
        place = ", ".join(f"{value:.0f}" for value in one["at_mm"])
        row = [name, f"{one['voxels']:,}", f"{one['mean_percent']:+.2f} %", f"{one['beyond_percent']:.1f} %"]
        again = f"{other['regions'][name]['beyond_percent']:.1f} %" if other else ""
        lines.append(_row(*row, largest, place, again))
    if other:
        lines += ["", f"Gamma of GyE in the same water: {other['gamma_percent']:.1f} %."]
    return lines


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
