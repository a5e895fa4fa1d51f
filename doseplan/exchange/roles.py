"""Which structure of a CT stands for what: by name, by alias, with suggestions."""

import difflib
import re
from collections.abc import Sequence

from doseplan.messages import InputError

ALIASES = {
    "cord": (
        "cord",
        "spinalcord",
        "truecord",
        "cordtrue",
        "spinal",
        "myelon",
        "medulla",
        "medullaspinalis",
        "rueckenmark",
        "ruckenmark",
        "moelle",
        "moelleepiniere",
        "thecalsacandcord",
    ),
    "dura": ("dura", "thecalsac", "sac", "duralsac", "dural", "thecal", "theca", "csf"),
    "canal": ("canal", "spinalcanal", "canalspinal", "canalmedullaire", "spinalkanal"),
    "tumour": ("gtv", "tumor", "tumour", "grosstumor", "grosstumour", "lesion"),
    "target": ("ctv", "target", "clinicaltarget"),
    "body": ("body", "external", "skin", "outline", "patient", "bodycontour", "aussenkontur"),
}
"""Names of structures in small letters without signs and numbers."""

_MARGIN = re.compile(r"(prv|planning|exp(anded|ansion)?\b|\+\s*\d|\d+([.,]\d+)?\s*(mm|cm))", re.IGNORECASE)


def role_of(name: str) -> str | None:
    """Name the role that a structure's name suggests; None if it suggests none.

    A cord with a margin ("Cord +0.3cm", "SpinalCord_PRV") is a `prv`, not the cord.
    """
    plain = re.sub(r"[^a-z]", "", name.lower())
    if _MARGIN.search(name):
        stem = re.sub(r"[^a-z]", "", _MARGIN.sub("", name.lower()))
        stem = re.sub(r"(mm|cm|prv)$", "", stem)
        return "prv" if stem in (*ALIASES["cord"], *ALIASES["canal"], "") else None
    for role, aliases in ALIASES.items():
        if plain in aliases:
            return role
    start = {"gtv": "tumour", "ctv": "target"}
    return next((role for prefix, role in start.items() if plain.startswith(prefix)), None)


def find_structure(names: Sequence[str], role: str, stated: str | None, *, where: str) -> str | None:
    """Choose the structure of a role: the stated one, or the only one whose name suggests it.

    Returns
    -------
    name : None if none is stated and no name suggests one

    Raises
    ------
    InputError
        The stated one is not there, or several names suggest the role.
    """
    if stated is not None:
        if stated in names:
            return stated
        near = difflib.get_close_matches(stated, names, n=1, cutoff=0.5)
        meant = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names) or 'none'}"
        raise InputError(f"{where}: ct.{role}: expected a structure of the CT, got '{stated}'; {meant}")
    found = [name for name in names if role_of(name) == role]
    if len(found) > 1:
        raise InputError(
            f"{where}: ct.{role}: expected one structure, got {', '.join(found)} by their names; state "
            f'which: {role} = "{found[0]}"'
        )
    return found[0] if found else None


def require_structure(names: Sequence[str], role: str, stated: str | None, *, where: str) -> str:
    """Choose a structure as `find_structure`, and suggest others where none is found."""
    found = find_structure(names, role, stated, where=where)
    if found is not None:
        return found
    others = {"cord": ("canal", "dura", "prv"), "tumour": ("target",)}.get(role, ())
    near = [name for name in names if role_of(name) in others]
    hint = f'; {" or ".join(near)} can stand for it if stated: {role} = "{near[0]}"' if near else ""
    raise InputError(
        f"{where}: ct.{role}: expected a structure of the CT ({', '.join(names) or 'none'}), got no name "
        f"that suggests it{hint}"
    )


def kind_of_cord(name: str) -> str:
    """Say what a structure that the cord's limit applies to is by its name."""
    kinds = {
        "cord": "spinal cord",
        "dura": "thecal sac",
        "canal": "spinal canal",
        "prv": "cord with a margin (PRV)",
    }
    return kinds.get(role_of(name) or "", "structure stated as cord")
