"""The recalculate command as people meet it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.biology.models import rbe_model
from doseplan.case import bundled_cases, load_case
from doseplan.case.spec import Robustness
from doseplan.case.tissues import TISSUES
from doseplan.cli.montecarlo import add_monte_carlo
from doseplan.exchange import read_run, run_digest, write_run
from doseplan.messages import InputError, silent
from doseplan.study import run_attributes
from doseplan.study.correction import cord_verdicts, correct_run
from doseplan.study.proof import prove_run
from doseplan.study.recalculation import stored_or_new

SIZE = {"z": 12, "y": 20, "x": 24}


def doseplan(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "doseplan", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


def _stages() -> dict[str, xr.Dataset]:
    axes = {n: schema.variable(n, 2.0 * np.arange(size) - size + 1.0) for n, size in SIZE.items()}
    shape = tuple(SIZE.values())
    anatomy = {"rsp": np.ones(shape), "density": np.ones(shape)}
    anatomy |= {"tissue": np.full(shape, TISSUES.index("muscle"))}
    stated = {
        "dose_rbe": rbe_model("NIRS").attributes(16),
        "sample_dose_rbe": rbe_model("NIRS").attributes(16),
    }
    dose = {"dose": np.full(shape, 20.0), "dose_rbe": np.full(shape, 50.0), "let_d": np.full(shape, 40.0)}
    samples = {
        "sample_position": [[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]],
        "sample_structure": [1, 2],
        "sample_volume": [1.0, 1.0],
        "sample_dura_distance": [-1.0, 4.0],
        "sample_dose": [20.0, 25.0],
        "sample_dose_rbe": [49.0, 60.0],
    }
    spots = {
        "direction": [[0.0, 1.0, 0.0]],
        "u_axis": [[1.0, 0.0, 0.0]],
        "v_axis": [[0.0, 0.0, 1.0]],
        "isocentre": [0.0, 0.0, 0.0],
        "field_index": [0],
        "energy_index": [0],
        "spot_energy": [90.0],
        "spot_u": [0.0],
        "spot_v": [0.0],
        "weight": [8000.0],
    }

    def dataset(values: dict[str, object], coordinates: dict[str, xr.Variable]) -> xr.Dataset:
        data = {n: schema.variable(n, v, **stated.get(n, {})) for n, v in values.items()}  # type: ignore[arg-type]
        return xr.Dataset(data, coords=coordinates)

    return {
        "anatomy": dataset(anatomy, axes).assign_attrs(separation_mm=3.0),
        "samples": dataset(samples, {}),
        "spots": dataset(spots, {}),
        "dose": dataset(dose, axes),
    }


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = load_case(bundled_cases()["t11_t12_mpnst"])
    root = xr.Dataset(attrs=run_attributes(case))
    stages = {f"/{arm}/{name}": data for arm in ("none", "separated") for name, data in _stages().items()}
    folder = tmp_path_factory.mktemp("runs") / "run"
    write_run(xr.DataTree.from_dict({"/": root, **stages}), folder)
    return folder


def test_recalculate_writes_doses_and_the_comparison(run_folder: Path) -> None:
    done = doseplan(
        "recalculate", str(run_folder), "--arm", "separated", "--histories", "1600", "--json",
        folder=run_folder.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert list(content["arms"]) == ["separated"]
    assert content["arms"]["separated"]["rows"][0]["structure"] == "cord"
    out = run_folder / "montecarlo"
    assert sorted(path.name for path in out.iterdir()) == ["agreement.json", "agreement.md", "separated.nc"]
    assert json.loads((out / "agreement.json").read_text()) == content
    assert "pencil beam and Monte Carlo (1,600 histories" in (out / "agreement.md").read_text()
    assert sorted(read_run(run_folder).children) == ["none", "separated"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arm", "nowhere"], "arm: expected one of none, separated, got nowhere"),
        (["--histories", "3"], "histories: expected 16 <= histories < 2^32 a batch, got 3"),
    ],
)
def test_mistakes_are_one_line(run_folder: Path, arguments: list[str], message: str) -> None:
    done = doseplan("recalculate", str(run_folder), *arguments, folder=run_folder.parent)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_mistakes_in_a_correction_are_one_line(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    done = doseplan("correct", str(run_folder), "--arm", "nowhere", "--out", str(out), folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == "arm: expected one of none, separated, got nowhere"
    assert not out.exists()


def test_a_run_is_corrected_once_and_in_a_folder_of_its_own(run_folder: Path, tmp_path: Path) -> None:
    tree, case = read_run(run_folder), load_case(bundled_cases()["t11_t12_mpnst"])
    with pytest.raises(InputError, match="expected this run"):
        correct_run(tree, case, out=run_folder, histories=160)
    robust = replace(case, robustness=Robustness())
    with pytest.raises(InputError, match="robustness: expected a case without it"):
        correct_run(tree, robust, out=tmp_path / "new", histories=160)
    tree.attrs["correction"] = "another"
    with pytest.raises(InputError, match="expected a run as planned, got one corrected by another"):
        correct_run(tree, case, out=tmp_path / "new", histories=160)
    assert not list(tmp_path.iterdir())


def test_a_corrected_run_has_no_proof(run_folder: Path, tmp_path: Path) -> None:
    tree = read_run(run_folder)
    tree.attrs["correction"] = "Monte Carlo"
    tree.attrs["digest"] = run_digest(tree.attrs)
    write_run(tree, tmp_path / "corrected")
    with pytest.raises(InputError, match="expected a run as planned, got a corrected one"):
        prove_run(tmp_path / "corrected")


@pytest.mark.parametrize(
    ("voxel", "spread", "holds"),
    [(49.9, 49.8, True), (50.3, 50.0, True), (50.5, 49.9, False), (49.5, 50.2, False)],
)
def test_a_limit_holds_within_one_standard_deviation(voxel: float, spread: float, holds: bool) -> None:
    place = "maximum, at its place"
    rows = [
        {"quantity": place, "monte_carlo_gye": voxel, "uncertainty_gye": 0.4, "limit_gye": 50.0},
        {
            "quantity": "minimum, at its place",
            "monte_carlo_gye": 60.0,
            "uncertainty_gye": 0.4,
            "limit_gye": None,
        },
        {
            "quantity": f"{place}, spread",
            "monte_carlo_gye": spread,
            "uncertainty_gye": 0.1,
            "limit_gye": 50.0,
        },
    ]
    verdicts = cord_verdicts({"arms": {"none": {"rows": rows}}})
    assert verdicts["none"]["holds"] is holds
    assert (verdicts["none"]["monte_carlo_gye"], verdicts["none"]["spread_gye"]) == (voxel, spread)
    free = [{**row, "limit_gye": None} for row in rows]
    assert cord_verdicts({"arms": {"none": {"rows": free}}}) == {}


def test_a_planned_run_gets_the_comparison_into_report_and_summary(run_folder: Path, tmp_path: Path) -> None:
    tree, case = read_run(run_folder), load_case(bundled_cases()["t11_t12_mpnst"])
    summary: dict[str, Any] = {"case": case.name}
    add_monte_carlo(tree, case, tmp_path, summary, "# Report\n", histories=320, report=silent)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# Report\n\n## t11_t12_mpnst: pencil beam and Monte Carlo (320 histories")
    written = json.loads((tmp_path / "summary.json").read_text())
    assert sorted(written["monte_carlo"]["arms"]) == ["none", "separated"]
    assert (tmp_path / "montecarlo" / "separated.nc").is_file()


def test_a_stored_monte_carlo_of_the_same_plan_is_taken(run_folder: Path, tmp_path: Path) -> None:
    tree, case = read_run(run_folder), load_case(bundled_cases()["t11_t12_mpnst"])
    stages = {name: node.to_dataset() for name, node in tree["none"].children.items()}
    first = stored_or_new(case, stages, tmp_path, "none", histories=160, seed=1)
    written = (tmp_path / "none.nc").stat().st_mtime_ns
    again = stored_or_new(case, stages, tmp_path, "none", histories=160, seed=1)
    xr.testing.assert_equal(first, again)
    assert (tmp_path / "none.nc").stat().st_mtime_ns == written
    other = stored_or_new(case, stages, tmp_path, "none", histories=160, seed=2, keep=False)
    assert float(abs(other["dose"] - first["dose"]).max()) > 0.0
    assert (tmp_path / "none.nc").stat().st_mtime_ns == written
    heavier = stages | {"spots": stages["spots"].assign(weight=2.0 * stages["spots"]["weight"])}
    double = stored_or_new(case, heavier, tmp_path, "none", histories=160, seed=1)
    np.testing.assert_allclose(double["dose"], 2.0 * first["dose"], rtol=1e-5)


def test_run_knows_one_way_to_recalculate(tmp_path: Path) -> None:
    done = doseplan("run", "t11_t12_mpnst", "--recalculate", "geant", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == "--recalculate: expected monte-carlo, got 'geant'"
    assert not list(tmp_path.iterdir())
