"""DICOM export of a run: CT, structure set, both doses and the ion plan of every arm."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import xarray as xr
from pydicom.dataset import Dataset

from doseplan import schema
from doseplan.exchange.dicom_check import reference_problems
from doseplan.exchange.dicom_common import Source, save
from doseplan.exchange.dicom_dose import dose_grid
from doseplan.exchange.dicom_image import ct_slices
from doseplan.exchange.dicom_plan import ion_plan
from doseplan.exchange.dicom_structures import structure_set
from doseplan.messages import InputError, Progress, silent


def write_dicom(
    tree: xr.DataTree,
    folder: str | Path,
    *,
    arms: Sequence[str] | None = None,
    progress: Progress = silent,
) -> list[Path]:
    """Write the arms of a run as DICOM, to look at and to compute again elsewhere; not for treatment.

    Parameters
    ----------
    tree
        A finished run, from `read_run` or `plan_case`.
    folder
        New or empty; gets a sub-folder for each arm with `CT/*.dcm`, `RTSTRUCT.dcm`, `RTPLAN.dcm`,
        `RTDOSE_physical.dcm` and `RTDOSE_effective.dcm`.
    arms
        Names of arms; all by default.
    progress
        Told what is done.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        An arm is not there, the folder is not empty or can't be written, or a dose or weight is no number.
        Nothing is left behind then.

    Notes
    -----
    Bytes depend on the run only: identifiers derive from its digest, dates are empty. The patient's name is
    empty and the ID is the name of the case, which must not hold a person's name. All arms are in one study
    and one frame of reference.
    """
    folder = Path(folder)
    names = _chosen(tree, arms)
    check_empty(folder)
    with _in_place(folder, names) as part:
        for number, arm in enumerate(names):
            progress(f"{arm}: making images and contours", number / len(names))
            files = arm_objects(tree, arm)
            progress(f"{arm}: writing files", (number + 0.5) / len(names))
            _write_files(files, part / arm, str(tree.attrs["versions"]["doseplan"]))
    return [path for arm in names for path in sorted((folder / arm).rglob("*.dcm"))]


def check_empty(folder: Path) -> None:
    """Refuse a folder that holds something, so that nothing is overwritten.

    Raises
    ------
    InputError
        It is a file, or not empty.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out: expected a folder, got the file {folder}")
    try:
        there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise InputError(f"--out: expected a readable folder, got '{error.strerror}' at {folder}") from error
    if there:
        raise InputError(f"--out: expected a new or an empty folder, got {folder} with {there[0]} in it")


def arm_objects(tree: xr.DataTree, arm: str) -> dict[str, Dataset]:
    """Make all DICOM objects of an arm, by path in its folder.

    Raises
    ------
    InputError
        A dose, weight or CT number is no number, or the arm lacks a variable.
    RuntimeError
        The objects do not fit together: a mistake in doseplan.
    """
    stages = {name: node.to_dataset() for name, node in tree[arm].children.items()}
    anatomy, spots, doses = (_stage(stages, arm, name) for name in ("anatomy", "spots", "dose"))
    source = Source(
        digest=str(tree.attrs["digest"]),
        case=str(tree.attrs["case"]),
        arm=arm,
        version=str(tree.attrs["versions"]["doseplan"]),
    )
    images = ct_slices(anatomy, source)
    structures = structure_set(anatomy, images, source)
    plan = ion_plan(
        spots,
        structures=structures,
        case_toml=str(tree.attrs["case_toml"]),
        assumptions=tree.attrs.get("assumptions", ()),
        source=source,
    )
    physical, effective = (dose_grid(doses, name, plan=plan, source=source) for name in ("dose", "dose_rbe"))
    problems = reference_problems([*images, structures, plan, physical, effective])
    if problems:
        raise RuntimeError("DICOM objects that do not fit together: " + "; ".join(problems))
    return {f"CT/CT_{index:04d}.dcm": image for index, image in enumerate(images, start=1)} | {
        "RTSTRUCT.dcm": structures,
        "RTPLAN.dcm": plan,
        "RTDOSE_physical.dcm": physical,
        "RTDOSE_effective.dcm": effective,
    }


NEEDED = {
    "anatomy": ("hu", "density", "x", "y", "z"),
    "spots": (
        "gantry",
        "couch",
        "roll",
        "course_index",
        "course_fractions",
        "isocentre",
        "field_index",
        "spot_energy",
        "spot_u",
        "spot_v",
        "weight",
    ),
    "dose": ("dose", "dose_rbe", "x", "y", "z"),
}
"""Variables of each stage that the export can't do without."""


def _stage(stages: dict[str, xr.Dataset], arm: str, name: str) -> xr.Dataset:
    there = stages.get(name, xr.Dataset())
    missing = [variable for variable in NEEDED[name] if variable not in there.variables]
    if missing:
        raise InputError(
            f"{arm}: {name}: expected {', '.join(NEEDED[name])}, got none of {', '.join(missing)}"
        )
    return schema.check(there)


def _chosen(tree: xr.DataTree, arms: Sequence[str] | None) -> list[str]:
    """Put the wanted arms in order."""
    there = schema.in_order(str(name) for name in tree.children)
    unknown = [arm for arm in arms or () if arm not in there]
    if unknown:
        raise InputError(f"--arm: expected one of {', '.join(there)}, got {', '.join(unknown)}")
    names = [arm for arm in there if arms is None or arm in arms]
    if not names:
        raise InputError(f"--arm: expected at least one of {', '.join(there) or 'no arms'}, got none")
    return names


def _write_files(files: dict[str, Dataset], folder: Path, version: str) -> None:
    (folder / "CT").mkdir(parents=True)
    for name, dataset in files.items():
        save(dataset, folder / name, version)


@contextmanager
def _in_place(folder: Path, arms: list[str]) -> Iterator[Path]:
    """Give a folder to write arms to, and rename them into place once all are whole; clean up otherwise."""
    made = next(
        (path for path in (*reversed(folder.absolute().parents), folder.absolute()) if not path.exists()),
        None,
    )
    part = folder / f".{os.getpid()}.part"
    moved: list[Path] = []
    try:
        part.mkdir(parents=True)
        yield part
        for arm in arms:
            (part / arm).rename(folder / arm)
            moved.append(folder / arm)
    except BaseException as error:
        for path in moved:
            shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(made or part, ignore_errors=True)
        if isinstance(error, OSError):
            raise InputError(
                f"--out: expected a folder that can be written, got '{error.strerror}' at {folder}"
            ) from error
        raise
    part.rmdir()
