"""Staging and implants as sections of the report."""

from typing import Any

from doseplan.present.phantom_views import SEEN_FROM_FEET


def staging_lines(staging: dict[str, Any]) -> str:
    """Write the staging of every arm, and the scores of what the case states."""
    lines = [f"WBB zones {SEEN_FROM_FEET}. These are descriptors: no plan depends on them."]
    lines += [f"- {name}: {_arm(found)}" for name, found in staging["arms"].items()]
    for key, label in (("histology", "histology"), ("frankel", "Frankel grade")):
        if staging.get(key) is not None:
            lines.append(f"- {label}: {staging[key]}")
    if staging.get("imaging_uncertainty_mm") is not None:
        lines.append(f"- uncertainty of the imaging: {staging['imaging_uncertainty_mm']:g} mm")
    if staging.get("sins") is not None:
        sins = staging["sins"]
        flag = "at risk" if sins["fracture_flag"] else "not at high risk"
        lines.append(f"- SINS {sins['score']} ({sins['class']}), {flag} of fracture: {sins['fractures']}")
    if staging.get("dumbbell") is not None:
        score = staging["dumbbell"]
        said = "suspected" if score["malignancy_suspected"] else "not suspected"
        lines.append(f"- dumbbell score {score['score']}: malignancy {said} (cut-off 3)")
    return lines[0] + "\n\n" + "\n".join(lines[1:])


def _arm(found: dict[str, Any]) -> str:
    cells = "; ".join(
        f"{level} " + ", ".join(f"{layer} {_zones(zones)}" for layer, zones in layers.items())
        for level, layers in found["cells"].items()
    )
    grade = found["escc"] or "not known (the sac's own shape is not)"
    said = f"ESCC {grade}; tumour in {cells or 'no cell'}"
    if not found["en_bloc"]:
        return f"{said}; no en bloc resection holds all of it"
    taken = ", ".join(f"{name} ({margin})" for name, margin in found["en_bloc"].items())
    return f"{said}; held by en bloc {taken}"


def _zones(zones: list[int]) -> str:
    """Write zones with runs joined: 1-3, 7."""
    runs: list[list[int]] = []
    for zone in zones:
        if runs and zone == runs[-1][-1] + 1:
            runs[-1].append(zone)
        else:
            runs.append([zone])
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def implant_section(arms: dict[str, Any]) -> list[str]:
    """Write per field whether it crosses implants, and what a CT makes of the range; empty without any."""
    lines = []
    for name, arm in arms.items():
        for field in arm["implants"] or ():
            lines.append(
                f"- {name}, gantry {field['gantry_deg']:g} deg: {field['crossed_percent']:.0f} % of the "
                f"target lies behind metal (up to {field['longest_path_mm']:.1f} mm of it); range error of a "
                f"CT without override {field['mean_error_mm']:+.1f} mm on average, "
                f"{field['worst_error_mm']:+.1f} mm at worst"
            )
    if not lines:
        return []
    said = (
        "The plan uses the true stopping power of the implants. A CT cuts their CT numbers, so that a plan "
        "that takes stopping power from the CT is wrong by the range error below (negative: the beam stops "
        "short of where such a plan puts it)."
    )
    return [f"## Implants in the path\n\n{said}\n\n" + "\n".join(lines)]
