"""The first case file on an imported CT."""

import json
from typing import Any

import numpy as np
import xarray as xr

from doseplan.anatomy import inside_contours, planes_of
from doseplan.exchange import role_of

ROLES = ("cord", "dura", "tumour", "target", "body")
"""Roles of a case, in the order of the file."""


def scan_numbers(scan: xr.Dataset) -> dict[str, Any]:
    """Describe an imported CT: grid, structures with role and volume [cm3], notes."""
    axes = [scan[axis].values for axis in "zyx"]
    spacing = [float(axis[1] - axis[0]) for axis in axes]
    cell = float(np.prod(spacing)) / 1000.0
    structures = {}
    for name in scan.attrs["structures"]:
        planes = planes_of(scan, name)
        structures[name] = {
            "role": role_of(name),
            "planes": len(planes.z),
            "z_mm": [float(planes.z[0]), float(planes.z[-1])],
            "volume_cm3": float(inside_contours(planes, *axes).sum()) * cell,
        }
    return {
        "source": scan.attrs["source"],
        "slices": len(axes[0]),
        "spacing_mm": spacing[::-1],
        "structures": structures,
        "notes": list(scan.attrs["notes"]),
    }


def starter_case(numbers: dict[str, Any], file: str) -> str:
    """Write a case file for a CT: structures by their names, what is not clear as a comment.

    Parameters
    ----------
    numbers : of `scan_numbers`
    file : path of the CT from the case file
    """
    lines = [
        f"# A case on the CT of {numbers['source']}. Every key is explained in phantoms/README.md.",
        "# Not for clinical use: research and education only.",
        "",
        "[ct]",
        f"file = {json.dumps(file)}",
    ]
    for role in ROLES:
        found = [name for name, about in numbers["structures"].items() if about["role"] == role]
        if len(found) == 1:
            lines.append(f"{role} = {json.dumps(found[0], ensure_ascii=False)}")
        else:
            said = "several" if found else "no name suggests it"
            lines.append(f'# {role} = "..."  # {said}; {_listed(found or list(numbers["structures"]))}')
    lines += [
        'curve = "schneider"',
        "",
        "[prescription]",
        "total_gy_rbe = 64.0",
        "",
        "[surgery]",
        "separation_mm = 3.0",
        "ctv_margin_mm = 0.0",
        "",
    ]
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    shown = ", ".join(" ".join(name.split()) for name in names[:12])
    return f"structures: {shown or 'none'}"
