"""Run folders: a tree in memory, a netCDF file for each stage of each arm on disk, the same tree back."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import xarray as xr

from doseplan import schema
from doseplan.exchange.files import claim_text, read_dataset, write_dataset, write_text
from doseplan.exchange.sizes import read_limited
from doseplan.messages import InputError, Progress, silent

RUN_FILE = "run.json"
STAGES = ("anatomy", "samples", "spots", "dose")
_REMEDY = "delete it, and `doseplan run` computes that arm again"
TEXTS = {"case_toml": "case.toml", "anatomy_toml": "anatomy.toml"}
"""Attributes of the tree that are files of their own, as the person wrote them."""


def run_digest(attributes: dict[str, Any]) -> str:
    """Compute what tells runs apart: name and texts of the case, version of the package and of the layout.

    Parameters
    ----------
    attributes
        `case`, `case_toml`, `anatomy_toml`, `schema_version`, and `versions` with `doseplan`; `correction` of
        a run that was planned again, `population` of a study of many anatomies.
    """
    names = ("case", "case_toml", "anatomy_toml")
    said = [*(attributes[name] for name in names), attributes["versions"]["doseplan"]]
    said.append(attributes["schema_version"])
    said += [attributes[name] for name in ("correction", "population") if name in attributes]
    return hashlib.sha256("\0".join(map(str, said)).encode()).hexdigest()


def write_run(tree: xr.DataTree, folder: str | Path) -> None:
    """Write a whole run; what is already there for the same digest stays.

    Parameters
    ----------
    tree
        Attributes `digest`, `case_toml`, `anatomy_toml`, ...; a child per arm with a child per stage.

    Raises
    ------
    InputError
        The folder holds something else.
    """
    attributes = {str(name): value for name, value in tree.attrs.items()}
    open_run(folder, attributes)
    for arm in tree.children:
        write_arm(Path(folder), arm, {name: node.to_dataset() for name, node in tree[arm].children.items()})
    write_attributes(Path(folder), attributes)


def read_run(folder: str | Path, *, progress: Progress = silent) -> xr.DataTree:
    """Read a run folder back to the tree that was written; arms that are not finished are left out.

    Raises
    ------
    InputError
        The folder is not a run, is of another version of the layout, or a file is damaged or edited.
    """
    folder = Path(folder)
    attributes = _attributes(folder)
    if attributes is None:
        raise InputError(f"{folder}: expected a run folder with {RUN_FILE}, got none")
    arms = {}
    names = schema.in_order(path.name for path in folder.iterdir() if path.is_dir())
    for number, arm in enumerate(names):
        progress(f"reading {arm}", number / len(names))
        arms[arm] = read_arm(folder, arm)
    found = {arm: stages for arm, stages in arms.items() if stages is not None}
    if not found:
        raise InputError(f"{folder}: expected at least one finished arm, got none")
    nodes = {f"/{arm}/{stage}": data for arm, stages in found.items() for stage, data in stages.items()}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **nodes})


def check_folder(folder: str | Path, attributes: dict[str, Any], *, file: str = RUN_FILE) -> bool:
    """Tell whether a folder holds this run already; False if the run can be started there.

    Nothing is written, so that a folder can be refused before any work.

    Parameters
    ----------
    file
        What describes the folder: that of a run, or of a study.

    Raises
    ------
    InputError
        The folder holds files, but not this run, or can't be made.
    """
    folder = Path(folder)
    try:
        parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except PermissionError as error:
        raise InputError(
            f"{folder}: expected a folder that can be written, got no permission at {error.filename}"
        ) from None
    if not parent.is_dir():
        raise InputError(f"{folder}: expected a folder to write the run to, got a file at {parent}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: expected a folder that can be written, got no permission at {parent}")
    if not folder.exists():
        return False
    # listed before the description is read: another process may be beginning this very run just now
    held = [path for path in folder.iterdir() if path.suffix != ".part"]
    there, kind = _attributes(folder, file), Path(file).stem
    if there is None:
        _refuse_others(folder, held, attributes, kind)
        return False
    if there.get("digest") != attributes.get("digest"):
        raise InputError(
            f"{folder}: expected this {kind} (digest {str(attributes.get('digest'))[:8]}), got another one "
            f"(digest {str(there.get('digest'))[:8]}); choose another --out"
        )
    return True


def _refuse_others(folder: Path, held: list[Path], attributes: dict[str, Any], kind: str) -> None:
    """Refuse a folder that holds more than the texts of this case, as a stop at the very start leaves."""
    texts = {file: str(attributes.get(name, "")).encode() for name, file in TEXTS.items()}
    if not all(path.name in texts and path.is_file() for path in held):
        raise InputError(f"{folder}: expected an empty folder or a {kind}, got a folder with other files")
    for path in held:
        if path.read_bytes() != texts[path.name]:
            raise InputError(
                f"{folder}: expected an empty folder or this {kind}, got one with another {path.name}; "
                "choose another --out"
            )


def open_run(folder: str | Path, attributes: dict[str, Any], *, file: str = RUN_FILE) -> None:
    """Make the folder of a run (or study), or find that it is there already.

    Raises
    ------
    InputError
        As `check_folder`; nothing is written then.
    """
    if check_folder(folder, attributes, file=file):
        return
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: expected a folder that can be written, got {error.strerror}") from error
    for name, text in TEXTS.items():
        if not claim_text(folder / text, str(attributes.get(name, ""))):
            raise InputError(
                f"{folder}: expected no other {Path(file).stem} to be written there at the same time, "
                f"got one with another {text}; choose another --out"
            )
    if not claim_text(folder / file, _description(attributes)):
        check_folder(folder, attributes, file=file)


def write_attributes(folder: Path, attributes: dict[str, Any], *, file: str = RUN_FILE) -> None:
    """Write run.json: all attributes of the tree but the texts, which are files of their own."""
    write_text(folder / file, _description(attributes))


def _description(attributes: dict[str, Any]) -> str:
    rest = {key: value for key, value in attributes.items() if key not in TEXTS}
    return json.dumps(rest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_arm(folder: Path, arm: str, stages: dict[str, xr.Dataset]) -> None:
    """Write the stages of one arm, each file complete or not at all; an arm with all files is finished."""
    (folder / arm).mkdir(exist_ok=True)
    for stage in STAGES:
        path = folder / arm / f"{stage}.nc"
        if stage in stages and not path.exists():
            write_dataset(stages[stage], path)


def read_arm(folder: Path, arm: str) -> dict[str, xr.Dataset] | None:
    """Read the stages of a finished arm; None if the arm is not finished."""
    paths = {stage: folder / arm / f"{stage}.nc" for stage in STAGES}
    if not all(path.exists() for path in paths.values()):
        return None
    return {stage: read_dataset(path, remedy=_REMEDY) for stage, path in paths.items()}


def set_damaged_aside(folder: Path, arm: str) -> list[str]:
    """Rename the files of an arm that can't be read, so that the arm is not finished and nothing is lost.

    Returns
    -------
    list
        A line for each: what was damaged, and under which name it is kept.
    """
    lines: list[str] = []
    for stage in STAGES:
        path = folder / arm / f"{stage}.nc"
        try:
            if path.exists():
                read_dataset(path, remedy=f"kept as {path.name}.damaged, and the arm is planned again")
        except InputError as error:
            path.replace(path.with_name(f"{path.name}.damaged"))
            lines += error.lines
    return lines


def _attributes(folder: Path, file: str = RUN_FILE) -> dict[str, Any] | None:
    """Read what run.json and the case texts say; None if the folder is not a run."""
    if not (folder / file).is_file():
        return None
    try:
        stated = json.loads(read_limited(folder / file))
        texts = {name: (folder / text).read_bytes().decode("utf-8") for name, text in TEXTS.items()}
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{folder}: expected a readable run, got a damaged one: {error}") from error
    version = stated.get("schema_version") if isinstance(stated, dict) else None
    if version != schema.VERSION:
        raise InputError(
            f"{folder / file}: expected schema_version {schema.VERSION}, got {version}; "
            "run the case again with this version"
        )
    attributes = {**stated, **texts}
    try:
        unchanged = run_digest(attributes) == attributes["digest"]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{folder / file}: expected the run's description, got one without {error}"
        ) from error
    if not unchanged:
        raise InputError(
            f"{folder}: expected {' and '.join(TEXTS.values())} as they were when the run was made, "
            "got edited ones; a changed case needs a new run"
        )
    return attributes
