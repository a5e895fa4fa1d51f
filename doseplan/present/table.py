"""The table for the terminal: the three arms of a case side by side."""

from typing import Any

from rich.table import Table

NOT_CLINICAL = "Not for clinical use: research and education only."

TISSUES = {"cord": "the cord", "target": "the target", "other": "other tissue"}

METRICS = (
    ("D min", "dmin", "GyE"),
    ("D98", "d98", "GyE"),
    ("D95", "d95", "GyE"),
    ("D50", "d50", "GyE"),
    ("D2", "d2", "GyE"),
)
VOLUMES = (("V95", "v95_percent"), ("V90", "v90_percent"))
CORD = (
    ("maximum", "max"),
    ("D0.03cc", "d0_03cc"),
    ("D0.1cc", "d0_1cc"),
    ("D1cc", "d1cc"),
)

HARDLY_PERCENT = 1.0
"""[% of the bound] finer spots that move it by less are not worth a plan with them."""

OF_COURSE = (
    ("target minimum", "target_dmin_gye", ""),
    ("target V95", "target_v95_percent", " %"),
    ("cord maximum", "cord_max_gye", ""),
)
"""What is told of simulated courses, where, and its unit if it is not GyE."""


def summary_table(summary: dict[str, Any]) -> Table:
    """Set the arms side by side: GyE, with LEM I, absorbed dose and LET beside each, and every verdict."""
    arms = summary["arms"]
    title = (
        f"{summary['case']}: {summary['prescription_gye']:g} GyE in {summary['fractions']} fractions "
        f"({summary['scale']} scale)"
    )
    table = Table(title=title, caption=caption(summary), title_justify="left", caption_justify="left")
    table.add_column("GyE (LEM I Gy(RBE), Gy, keV/um)")
    for name, arm in arms.items():
        table.add_column(heading(name, arm), justify="right")
    for label, cells, last in rows(arms):
        table.add_row(label, *cells, end_section=last)
    return table


def heading(name: str, arm: dict[str, Any]) -> str:
    """Name an arm with its separation."""
    separation = arm["separation_mm"]
    return name if separation is None else f"{name} ({separation:g} mm)"


def rows(arms: dict[str, dict[str, Any]], *, goals: bool = True) -> list[tuple[str, list[str], bool]]:
    """List label, one text for each arm, and whether a section ends, for terminal and report alike."""
    found = [(f"cord {label}", [_four(arm["cord"], key) for arm in arms.values()]) for label, key in CORD]
    sections = [found]
    for part, title in (("tumour", "target"), ("strip", "strip")):
        volume = (f"{title} volume", [_number(arm[part], "volume_cm3", "cm3", arm) for arm in arms.values()])
        doses = [
            (f"{title} {label}", [_four(arm[part], key) for arm in arms.values()])
            for label, key, _ in METRICS
        ]
        shares = [
            (f"{title} {label}", [_number(arm[part], key, "%", arm) for arm in arms.values()])
            for label, key in VOLUMES
        ]
        sections.append([volume, *doses, *shares])
    if goals:
        sections.append([*_goal_rows(arms), *_bound_rows(arms)])
        sections += [robust_rows(arms)] if any("robust" in arm for arm in arms.values()) else []
        sections.append(daily_rows(arms))
    return [
        (label, cells, row == len(section) - 1)
        for section in sections
        for row, (label, cells) in enumerate(section)
    ]


def _goal_rows(arms: dict[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    first = next(iter(arms.values()))["goals"]
    return [
        (goal_name(goal), [_verdict(arm["goals"][number]) for arm in arms.values()])
        for number, goal in enumerate(first)
    ]


def _bound_rows(arms: dict[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Say what no plan can beat, where it is proven."""
    bounds = [arm.get("bound") for arm in arms.values()]
    if not any(bounds):
        return []
    texts = [
        "not proven" if each is None else f"{each['dmin_upper_gye']:.2f} (gap {each['gap_percent']:.1f} %)"
        for each in bounds
    ]
    worst = max(each["scenarios"] for each in bounds if each is not None)
    return [(f"{proven_minimum(worst)}, proven maximum", texts)]


def proven_minimum(scenarios: int) -> str:
    """Name the target minimum that a proof speaks of."""
    return "target minimum" if scenarios == 1 else f"target minimum, worst of {scenarios - 1} errors"


def robust_rows(arms: dict[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Say what is left in the worst of the error scenarios."""
    found = [arm["robust"] for arm in arms.values()]
    count = found[0]["systematic"]
    worst = [
        (f"{label}, worst of {count} errors", [_gye(each[key]) for each in found])
        for label, key in (
            ("cord maximum", "cord_max_gye"),
            ("target minimum", "target_dmin_gye"),
            ("target D98 voxel by voxel", "target_d98_gye"),
            ("strip D98 voxel by voxel", "strip_d98_gye"),
        )
    ]
    held = [f"{'held' if each['limits_met'] else 'NOT held'}" for each in found]
    passed = [f"{each['pass_percent']:.0f} %" for each in found]
    return [*worst, ("cord limit in all errors", held), ("errors in which all is met", passed)]


def daily_rows(arms: dict[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Say how many courses keep all, and how they spread; empty without shifts from day to day."""
    if not all("daily" in arm for arm in arms.values()):
        return []
    found = [arm["daily"] for arm in arms.values()]
    rows = [
        (
            f"daily shifts: {label}, median (5 to 95 %)",
            [
                f"{each[key]['median']:.2f}{unit} ({each[key]['p5']:.2f} to {each[key]['p95']:.2f})"
                for each in found
            ],
        )
        for label, key, unit in OF_COURSE
    ]
    kept = [f"{each['pass_percent']:.0f} %" for each in found]
    return [*rows, ("daily shifts: courses in which all is met", kept)]


def bound_lines(arms: dict[str, dict[str, Any]]) -> list[str]:
    """Tell for each arm with a proof what was achieved, what is proven, and which goals no plan can meet."""
    lines = []
    for name, arm in arms.items():
        bound = arm.get("bound")
        if bound is None:
            continue
        upper = bound["dmin_upper_gye"]
        lines.append(achieved_and_proven(name, bound))
        limits = " and ".join(
            f"{TISSUES[goal['structure']]} is {'below' if goal['comparator'] == '<' else 'at most'} "
            f"{goal['limit_gye']:g} GyE"
            for goal in arm["goals"]
            if goal["hard"] and goal["name"] not in bound["left_out"]
        )
        when = "" if bound["scenarios"] == 1 else " in every error"
        lines += [
            f"{name}: goal {goal['limit_gye']:.1f} GyE infeasible{when}: with these fields and this spot "
            f"grid no plan gives the coldest part more than {upper:.2f} GyE while {limits}; {_cause(bound)}"
            for goal in arm["goals"]
            if goal["name"] == "target minimum" and goal["limit_gye"] > upper
        ]
        lines += more_lines(name, bound)
    return lines


def achieved_and_proven(name: str, bound: dict[str, Any], *, digits: int = 1) -> str:
    """Set what the plan of an arm has beside what is proven of it."""
    return (
        f"{name}: {proven_minimum(bound['scenarios'])}: achieved {bound['dmin_gye']:.2f} GyE, proven maximum "
        f"{bound['dmin_upper_gye']:.2f} GyE, gap {bound['gap_percent']:.{digits}f} % of the prescription"
    )


def more_lines(name: str, bound: dict[str, Any]) -> list[str]:
    """Tell what a finer grid of spots could give, and which limits the proof of an arm does not speak of."""
    lines = []
    if "finer_upper_gye" in bound:
        lines.append(_finer_line(name, bound))
    names = " and ".join(bound["left_out"])
    if names:
        lines.append(f"{name}: the proof leaves out the limit of {names}: it holds, but may be loose")
    return lines


def _finer_line(name: str, bound: dict[str, Any]) -> str:
    """Tell what spots between those of the plan could give, and how to plan with them where they matter."""
    finer_gye, upper_gye = bound["finer_upper_gye"], bound["dmin_upper_gye"]
    line = (
        f"{name}: with spots of half the spacing and half the step of energies: proven maximum "
        f"{finer_gye:.2f} GyE"
    )
    if finer_gye > (1.0 + 0.01 * HARDLY_PERCENT) * upper_gye:
        return f"{line}; `doseplan run CASE.toml --finer-spots` plans with them"
    return f"{line}: spots that are left out hardly matter"


def _cause(bound: dict[str, Any]) -> str:
    """Name the two samples that carry most of the proof."""
    said = []
    for kind, text in (("level", "coldest at"), ("limit", "held back by")):
        first = next((each for each in bound["held_by"] if each["kind"] == kind), None)
        if first is not None:
            x, y, z = first["position_mm"]
            structure = "" if kind == "level" else f"{TISSUES[first['structure']]} at "
            said.append(f"{text} {structure}({x:.1f}, {y:.1f}, {z:.1f}) mm")
    return ", ".join(said)


def goal_name(goal: dict[str, Any]) -> str:
    """Name a limit or goal with its bound."""
    kind = "limit" if goal["hard"] else "goal"
    return f"{kind}: {goal['name']} {goal['comparator']} {goal['limit']:g} {goal['unit']}"


def improvements(summary: dict[str, Any]) -> list[str]:
    """Say what separation brings against both other arms, and name a fall as one."""
    arms = summary["arms"]
    lines = []
    for other in ("none", "decompressed"):
        if other not in arms or "separated" not in arms:
            continue
        changes = [
            f"{label} {arms['separated'][part][key] - arms[other][part][key]:+.1f} {unit}"
            for label, part, key, unit in (
                ("target minimum", "tumour", "dmin_gye", "GyE"),
                ("target D98", "tumour", "d98_gye", "GyE"),
                ("target V95", "tumour", "v95_percent", "%"),
            )
        ]
        strips = [arms["separated"]["strip"], arms[other]["strip"]]
        if all(strips):
            changes.append(f"strip D98 {strips[0]['d98_gye'] - strips[1]['d98_gye']:+.1f} GyE")
        lines.append(f"separated against {other}: " + ", ".join(changes))
    return lines


def caption(summary: dict[str, Any]) -> str:
    """Say under the table what separation brings, and what this is not."""
    strip = (
        "in brackets: the same plan on the scale of LEM I (alpha/beta 2 Gy), absorbed dose, LETd\n"
        "strip: target within the separation + 5 mm of the dura\n"
        f"cord: {next(iter(summary['arms'].values()))['structure']}"
    )
    return "\n".join([*improvements(summary), *bound_lines(summary["arms"]), strip, NOT_CLINICAL])


def _four(part: dict[str, Any] | None, key: str) -> str:
    if part is None:
        return "-"
    lem1, absorbed, let_d = (part[f"{key}_{end}"] for end in ("lem1_gy_rbe", "absorbed_gy", "let_d_kev_um"))
    return f"{part[f'{key}_gye']:.2f} ({lem1:.1f}, {absorbed:.1f}, {let_d:.0f})"


def _gye(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _number(part: dict[str, Any] | None, key: str, unit: str, arm: dict[str, Any]) -> str:
    if part is None:
        return f"none: {arm['strip_reason']}" if key == "volume_cm3" else "-"
    return f"{part[key]:.1f} {unit}"


def _verdict(goal: dict[str, Any]) -> str:
    return f"{goal['value']:.2f} {'met' if goal['met'] else 'NOT met'}"
