"""The table of an imported CT for the terminal."""

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
