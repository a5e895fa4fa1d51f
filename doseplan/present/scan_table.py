"""Tables of an imported CT and of a dose from DICOM for the terminal."""

from typing import Any

from rich.table import Table

from doseplan.present.table import NOT_CLINICAL

ROLE_SAID = {
    "cord": "cord: the limit applies to it",
    "dura": "dura: the separation starts at it",
    "canal": "spinal canal",
    "prv": "cord with a margin (PRV)",
    "tumour": "gross tumour",
    "target": "target",
    "body": "body",
}


CORD_SAID = {"max_gye": "maximum", "d0_03cc_gye": "D0.03cc", "d0_1cc_gye": "D0.1cc", "d1cc_gye": "D1cc"}
TARGET_SAID = {
    "dmin_gye": "minimum",
    "d98_gye": "D98",
    "d95_gye": "D95",
    "d50_gye": "D50",
    "d2_gye": "D2",
}


def scan_table(numbers: dict[str, Any]) -> Table:
    """List the structures of a CT with what their names suggest."""
    spacing = " x ".join(f"{value:g}" for value in numbers["spacing_mm"])
    table = Table(
        title=f"{numbers['source']}: {numbers['slices']} slices, voxels of {spacing} mm", caption=NOT_CLINICAL
    )
    for title, side in (
        ("structure", "left"),
        ("taken by its name as", "left"),
        ("planes", "right"),
        ("z, mm", "right"),
        ("volume, cm3", "right"),
    ):
        table.add_column(title, justify=side)  # type: ignore[arg-type]
    for name, about in numbers["structures"].items():
        low, high = about["z_mm"]
        table.add_row(
            name,
            ROLE_SAID.get(about["role"], "-"),
            str(about["planes"]),
            f"{low:.0f} to {high:.0f}",
            f"{about['volume_cm3']:.1f}",
        )
    return table


def grid_table(found: dict[str, Any]) -> Table:
    """Set the verdict on a dose of any maker as a table."""
    total = f"{found['prescription_gye']:g} GyE in {found['fractions']} fractions ({found['scale']} scale)"
    table = Table(title=f"{found['case']}: {total}", caption=NOT_CLINICAL)
    table.add_column("GyE")
    table.add_column(str(found["neural_structure"]), justify="right")
    table.add_column("target", justify="right")
    cord, target = found["cord"], found["tumour"]
    for name, said in CORD_SAID.items():
        table.add_row(said, f"{cord[name]:.2f}", "")
    for name, said in TARGET_SAID.items():
        table.add_row(said, "", f"{target[name]:.2f}")
    table.add_row("V95", "", f"{target['v95_percent']:.1f} %", end_section=True)
    for goal in found["goals"]:
        met = "met" if goal["met"] else "NOT met"
        value = f"{goal['value']:.2f} {met}"
        side = ("", value) if goal["structure"] == "target" else (value, "")
        table.add_row(f"{'limit' if goal['hard'] else 'goal'}: {goal['name']}", *side)
    return table
