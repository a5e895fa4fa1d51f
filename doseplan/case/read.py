"""Read a case: TOML in, frozen dataclasses out, all mistakes of the files at once."""

import hashlib
import io
import json
import re
import tomllib
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from doseplan.case.assume import assumptions
from doseplan.case.complaints import complaints, nearest, shown
from doseplan.case.field_sets import expand_fields
from doseplan.case.levels import expand_anatomy
from doseplan.case.limits import with_tissue_limit
from doseplan.case.sense import sense, sense_scan
from doseplan.case.spec import Case, PhantomCase, ScanCase
from doseplan.messages import InputError

_LEVEL = re.compile(r"level\[(\d+)\]")

MOST_BYTES = 1_000_000
"""Of a case or an anatomy; the bundled ones have some thousands."""

_NOT_KEYS = ("assumptions", "case_toml", "anatomy_toml", "folder")


def load_case(path: str | Path, *, outside: bool = False) -> Case:
    """Read a case file and the anatomy or CT that it names (relative to the case file), or states as a table.

    Parameters
    ----------
    outside
        Whether files that the case names may lie outside its folder and the one above it.

    Raises
    ------
    InputError
        With one line for each mistake in the two files.
    """
    path = Path(path)
    case_text = read_text(path, "a case file (TOML)")
    whole = parse_toml(case_text, path.name)
    if "ct" in whole:
        return _load_scan_case(path, case_text, outside)
    stated = whole.get("anatomy")
    if not isinstance(stated, str):
        return parse_case(case_text, None, where=path.name)
    anatomy = _named(path, "anatomy", stated, outside)
    try:
        anatomy_text = read_text(anatomy, "an anatomy file (TOML)")
    except InputError as error:
        raise InputError(*(f"{path.name}: anatomy: {line}" for line in error.lines)) from error
    return parse_case(case_text, anatomy_text, where=path.name, anatomy_where=anatomy.name)


def _named(path: Path, key: str, stated: str, outside: bool) -> Path:
    """Find a file that a case names; a case from somebody else reads nothing but what came with it."""
    found = path.parent / stated
    around = path.resolve().parent.parent
    if not outside and not found.resolve().is_relative_to(around):
        raise InputError(
            f"{path.name}: {key}: expected a file in the folder of the case or the one above it, "
            f"got {stated}; --outside allows it"
        )
    return found


def _load_scan_case(path: Path, case_text: str, outside: bool) -> ScanCase:
    """Read a case on a CT; the digest of the CT stands for the anatomy in what tells runs apart."""
    case = parse_case(case_text, None, where=path.name)
    assert isinstance(case, ScanCase)
    scan = _named(path, "ct.file", case.ct.file, outside)
    try:
        with scan.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"{path.name}: ct.file: expected a CT that `doseplan import` wrote, got "
            f"'{error.strerror}' at {scan}"
        ) from None
    return replace(case, anatomy_toml=f'sha256 = "{digest}"\n', folder=str(path.parent))


def parse_case(
    case_text: str,
    anatomy_text: str | None,
    *,
    where: str = "case.toml",
    anatomy_where: str = "anatomy.toml",
) -> Case:
    """Make a case from the texts of its two files; `where` and `anatomy_where` name them in messages.

    A case without a name takes that of its file.
    """
    stated = parse_toml(case_text, where)
    unknown = [
        f"{where}: {key}: expected a known key, got '{key}'; {nearest(key, _keys())}"
        for key in _NOT_KEYS
        if key in stated
    ]
    stated = {key: value for key, value in stated.items() if key not in _NOT_KEYS}
    stated.setdefault("name", Path(where).stem)
    stated, wrong = expand_fields(stated, where=where)
    unknown += wrong
    if "ct" in stated:
        return _parse_scan_case(stated, unknown, case_text, anatomy_text, where)
    lines, files = [], {}
    anatomy = stated.get("anatomy")
    if anatomy_text is not None and isinstance(anatomy, str):
        files["anatomy"] = anatomy_where
        anatomy = parse_toml(anatomy_text, anatomy_where)
    if isinstance(anatomy, dict):
        stated["anatomy"], wrong = expand_anatomy(anatomy)
        prefix = f"{anatomy_where}: " if "anatomy" in files else f"{where}: anatomy."
        lines += [prefix + line for line in wrong]
        if wrong:
            raise InputError(*unknown, *lines)
    else:
        got = "nothing" if "anatomy" not in stated else shown(stated.pop("anatomy"))
        lines.append(f"{where}: anatomy: expected the path of an anatomy file or a table, got {got}")
    try:
        case: PhantomCase = _phantom_reader().validate_json(json.dumps(stated, default=str))
    except ValidationError as error:
        found = complaints(error, PhantomCase, files, where=where)
        found = [_level_named(line, stated.get("anatomy")) for line in found]
        if lines:
            found = [line for line in found if ": anatomy: " not in line]
        raise InputError(*unknown, *lines, *found) from None
    anatomy_place = anatomy_where if files else f"{where}: anatomy"
    wrong = [*unknown, *lines, *sense(case, where=where, anatomy_where=anatomy_place)]
    if wrong:
        raise InputError(*wrong)
    case = replace(case, constraint=with_tissue_limit(case.constraint))
    return replace(case, assumptions=assumptions(case), case_toml=case_text, anatomy_toml=anatomy_text or "")


def _parse_scan_case(
    stated: dict[str, Any], unknown: list[str], case_text: str, scan_text: str | None, where: str
) -> ScanCase:
    """Make a case on a CT; the CT itself is not opened."""
    lines = [
        f"{where}: {key}: expected no {key} beside ct, whose contours say it, got one"
        for key in ("anatomy", "tumour", "hardware", "material", "check")
        if key in stated
    ]
    keys = {key: value for key, value in stated.items() if not any(f": {key}: " in line for line in lines)}
    try:
        case: ScanCase = _scan_reader().validate_json(json.dumps(keys, default=str))
    except ValidationError as error:
        raise InputError(*unknown, *lines, *complaints(error, ScanCase, {}, where=where)) from None
    wrong = [*unknown, *lines, *sense_scan(case, where=where)]
    if wrong:
        raise InputError(*wrong)
    case = replace(case, constraint=with_tissue_limit(case.constraint))
    return replace(case, assumptions=assumptions(case), case_toml=case_text, anatomy_toml=scan_text or "")


@cache
def _phantom_reader() -> TypeAdapter[PhantomCase]:
    # made once: it takes longer than reading a case
    return TypeAdapter(PhantomCase)


@cache
def _scan_reader() -> TypeAdapter[ScanCase]:
    return TypeAdapter(ScanCase)


def _level_named(line: str, anatomy: object) -> str:
    """Write the name of a level instead of its number, which counts levels that the person did not write."""
    levels = anatomy.get("level") if isinstance(anatomy, dict) else None
    match = _LEVEL.search(line)
    if match is None or not isinstance(levels, list):
        return line
    level = levels[int(match[1])]
    name = level.get("name") if isinstance(level, dict) else None
    return line if name is None else line.replace(match[0], f"level {name}", 1)


def bundled_cases() -> dict[str, Path]:
    """Find the case files that come with the program: `{name: path}`."""
    installed = Path(str(resources.files("doseplan"))) / "phantoms"
    checkout = installed.parent.parent / "phantoms"
    folder = next((folder for folder in (installed, checkout) if folder.is_dir()), installed)
    return {path.stem: path for path in sorted((folder / "cases").glob("*.toml"))}


def _keys() -> list[str]:
    return [name for name in PhantomCase.__dataclass_fields__ if name not in _NOT_KEYS]


def read_text(path: Path, wanted: str) -> str:
    """Read a text that a person wrote; an error says what was `wanted`."""
    if path.is_dir():
        raise InputError(f"{path}: expected {wanted}, got a folder")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: expected {wanted}, got a device or a pipe")
    try:
        with path.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(f"{path}: expected {wanted} of at most {MOST_BYTES} bytes, got more")
        return io.StringIO(content.decode("utf-8"), newline=None).read()
    except FileNotFoundError:
        raise InputError(f"{path}: expected {wanted}, got no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected {wanted}, got bytes that are not UTF-8 at {error.start}"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: expected {wanted}, got '{error.strerror}'") from None


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Read TOML, or say in a line why it is none."""
    try:
        found = tomllib.loads(text)
        json.dumps(found, default=str)  # whole numbers of thousands of digits can't be written down again
        return found
    except ValueError as error:
        raise InputError(f"{where}: expected TOML, got '{error}'") from None
    except RecursionError:
        raise InputError(f"{where}: expected TOML, got tables within tables without end") from None
