"""Folders of studies: a folder for each finished point, complete or not there at all."""

import json
from pathlib import Path
from typing import Any

import xarray as xr

from doseplan.exchange.files import read_dataset, write_dataset, write_text
from doseplan.exchange.sizes import read_limited
from doseplan.messages import InputError

STUDY_FILE = "study.json"
POPULATION_FILE = "population.json"
VERDICTS = "verdicts"
POINTS = "points"
RECORD_FILE = "record.json"
PROOF_FILE = "proof.json"
DEFINITIONS_FILE = "definitions.json"
_REMEDY = "delete its folder, and the point is planned again"

Record = dict[str, Any]


def write_point(folder: Path, name: str, *, case_toml: str, spots: xr.Dataset, record: Record) -> None:
    """Write a finished point; its record comes last, and a point with a record is finished.

    Parameters
    ----------
    case_toml
        Text of the point's own case.
    spots
        With the weights of the plan.
    """
    place = folder / POINTS / name
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place}: expected a folder that can be written, got {error.strerror}") from error
    write_text(place / "case.toml", case_toml)
    write_dataset(spots, place / "spots.nc")
    write_text(place / RECORD_FILE, json.dumps(record, indent=1, allow_nan=False) + "\n")


def read_point(folder: Path, name: str, *, digest: str) -> Record | None:
    """Read the record of a finished point; None if it is not finished."""
    return _read(folder / POINTS / name / RECORD_FILE, digest)


def read_point_spots(folder: Path, name: str) -> xr.Dataset:
    """Read the weighted spots of a finished point."""
    return read_dataset(folder / POINTS / name / "spots.nc", remedy=_REMEDY)


def write_point_proof(folder: Path, name: str, record: Record) -> None:
    """Write the proof that belongs to a finished point."""
    write_text(folder / POINTS / name / PROOF_FILE, json.dumps(record, allow_nan=False) + "\n")


def read_point_proof(folder: Path, name: str, *, digest: str) -> Record | None:
    """Read the proof of a point; None if it has none."""
    return _read(folder / POINTS / name / PROOF_FILE, digest)


def write_point_definitions(folder: Path, name: str, record: Record) -> None:
    """Write the cord's dose of a finished point by each definition."""
    text = json.dumps(record, indent=1, allow_nan=False)
    write_text(folder / POINTS / name / DEFINITIONS_FILE, text + "\n")


def read_point_definitions(folder: Path, name: str, *, digest: str) -> Record | None:
    """Read the cord's dose of a point by each definition; None if it was not computed."""
    remedy = "delete it, and it is made again"
    return _read(folder / POINTS / name / DEFINITIONS_FILE, digest, remedy)


def read_point_numbers(folder: Path, name: str) -> Record:
    """Read `separation_mm` and `values` of a finished point whose digest is not known yet."""
    path = folder / POINTS / name / RECORD_FILE
    try:
        record = json.loads(read_limited(path))
        return {key: record[key] for key in ("separation_mm", "values")}
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: expected a finished point, got another text ({error}); {_REMEDY}"
        ) from error


def write_verdict(folder: Path, name: str, record: Record) -> None:
    """Write what was found for one anatomy of a population, or one set of fields, complete or not at all."""
    place = folder / VERDICTS
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{place}: expected a folder that can be written, got {error.strerror}") from error
    write_text(place / f"{name}.json", json.dumps(record, indent=1, allow_nan=False) + "\n")


def read_verdict(folder: Path, name: str, *, digest: str) -> Record | None:
    """Read what was found for an anatomy or a set of fields; None if it is not finished."""
    return _read(folder / VERDICTS / f"{name}.json", digest, "delete it, and it is made again")


def finished_verdicts(folder: Path) -> list[str]:
    """List the anatomies, or sets of fields, that are finished, once for each search."""
    return sorted(path.stem for path in (folder / VERDICTS).glob("*.json"))


def finished_points(folder: Path) -> list[str]:
    """List the points that are finished."""
    return sorted(path.parent.name for path in (folder / POINTS).glob(f"*/{RECORD_FILE}"))


def _read(path: Path, digest: str, remedy: str = _REMEDY) -> Record | None:
    if not path.exists():
        return None
    try:
        record = json.loads(read_limited(path))
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected a finished point, got no JSON ({error}); {remedy}") from error
    if not isinstance(record, dict) or record.get("digest") != digest:
        raise InputError(f"{path}: expected what this study wrote, got another text; {remedy}")
    return record
