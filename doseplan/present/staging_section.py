"""Staging and implants as sections of the report."""

from collections.abc import Callable
from typing import Any

from doseplan.present.phantom_views import SEEN_FROM_FEET
from doseplan.present.table import heading
from doseplan.schema import ARMS


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


def involved(found: dict[str, Any]) -> str:
    """Name levels, layers and zones that the tumour of an arm fills."""
    cells = "; ".join(
        f"{level} " + ", ".join(f"{layer} {_zones(zones)}" for layer, zones in layers.items())
        for level, layers in found["cells"].items()
    )
    return f"WBB layers and zones by level: {cells or 'none'}"


def _arm(found: dict[str, Any]) -> str:
    cells = involved(found).partition(": ")[2].replace("none", "no cell")
    grade = found["escc"] or "not known (the sac's own shape is not)"
    said = f"ESCC {grade}; tumour in {cells}"
    if not found["en_bloc"]:
        return f"{said}; no en bloc resection holds all of it"
    taken = ", ".join(f"{name} ({margin})" for name, margin in found["en_bloc"].items())
    return f"{said}; held by en bloc {taken}"


def compression(staging: dict[str, Any]) -> str:
    """Say the grade of compression before surgery and after it; empty where it is not known."""
    grades = {name: staging["arms"][name]["escc"] for name in ARMS if name in staging["arms"]}
    before = grades.get("none")
    after = [f"{grade} {name}" for name, grade in grades.items() if name != "none" and grade]
    return f"ESCC {before} before surgery, then {', '.join(after)}" if before and after else ""


def body_section(arms: dict[str, Any]) -> list[str]:
    """Write what the vertebral bodies get, a row for each level and measure; empty where it is not known."""
    rows = body_rows(arms)
    if not rows:
        return []
    names = [heading(name, arm) for name, arm in arms.items()]
    lines = [["", *names], ["---"] * (len(names) + 1), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    said = (
        "Bone in front of the canal at the levels that the target reaches, as far as surgery left it. GyE; "
        "in brackets the same plan on the scale of LEM I [Gy(RBE)], which is another scale (V40 and V60 are "
        "of 40 and 60 of each), absorbed dose [Gy] and dose-averaged LET [keV/um]. Which of these numbers "
        "tells of a fracture to come is not known."
    )
    return [f"## Vertebral bodies\n\n{said}\n\n{table}"]


def body_rows(arms: dict[str, Any]) -> list[list[str]]:
    """List a row for each level and measure: its label, and a text for each arm."""
    found = [arm.get("bodies") or {} for arm in arms.values()]
    levels = dict.fromkeys(level for bodies in found for level in bodies)
    return [
        [f"body {level} {label}", *(say(bodies[level]) if level in bodies else "-" for bodies in found)]
        for level in levels
        for label, say in BODY_MEASURES
    ]


def _mean(body: dict[str, Any]) -> str:
    lem1 = body.get("mean_lem1_gy_rbe")
    others = ("-" if lem1 is None else f"{lem1:.1f}", f"{body['mean_absorbed_gy']:.1f}")
    return f"{body['mean_gye']:.1f} ({', '.join(others)}, {body['mean_let_d_kev_um']:.0f})"


def _shares(body: dict[str, Any]) -> str:
    said = []
    for level in (40, 60):
        lem1 = body.get(f"v{level}_lem1_percent")
        said.append(f"{body[f'v{level}_percent']:.0f} % ({'-' if lem1 is None else f'{lem1:.0f} %'})")
    return ", ".join(said)


BODY_MEASURES: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("mean", _mean),
    ("V40, V60", _shares),
)


def _zones(zones: list[int]) -> str:
    """Write zones with runs joined: 1-3, 7."""
    runs: list[list[int]] = []
    for zone in zones:
        if runs and zone == runs[-1][-1] + 1:
            runs[-1].append(zone)
        else:
            runs.append([zone])
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def implant_lines(arms: dict[str, Any]) -> list[str]:
    """Say for each field whether it crosses implants, and what a CT makes of the range."""
    return [
        f"{name}, gantry {field['gantry_deg']:g} deg: {field['crossed_percent']:.0f} % of the target behind "
        f"up to {field['longest_path_mm']:.1f} mm of metal; range error of a CT without override "
        f"{field['mean_error_mm']:+.1f} mm on average, {field['worst_error_mm']:+.1f} mm at worst"
        for name, arm in arms.items()
        for field in arm["implants"] or ()
    ]


def implant_section(arms: dict[str, Any]) -> list[str]:
    """Write what the fields have in their way; empty without implants."""
    lines = [f"- {line}" for line in implant_lines(arms)]
    if not lines:
        return []
    said = (
        "The plan uses the true stopping power of the implants. A CT cuts their CT numbers, so that a plan "
        "that takes stopping power from the CT is wrong by the range error below (negative: the beam stops "
        "short of where such a plan puts it)."
    )
    return [f"## Implants in the path\n\n{said}\n\n" + "\n".join(lines)]
