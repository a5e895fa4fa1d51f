# ruff: noqa: E501 - one mistake a line reads best
"""The command line as people meet it: exit codes, one clear line for each mistake, nothing written."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

import doseplan as package
from doseplan.cli import main

CASES = Path(__file__).parent.parent / "phantoms" / "cases"


def doseplan(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "doseplan", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as `doseplan` does, in this process: no second is spent on imports."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["doseplan", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        written = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, stop.value.code, written.out, written.err)

    return call


def write_case(folder: Path, old: str = "", new: str = "") -> Path:
    """Put an edited copy of the bundled case into a folder."""
    text = (CASES / "t11_t12_mpnst.toml").read_text()
    anatomy = (CASES.parent / "anatomies" / "t11_t12.toml").as_posix()
    text = text.replace('"../anatomies/t11_t12.toml"', f'"{anatomy}"')
    assert old in text
    path = folder / "own.toml"
    path.write_text(text.replace(old, new) if old else text)
    return path


MISTAKES = {
    "unknown key": (
        "separation_mm = 3.0",
        "separation_mm = 3.0\ncavity = 'csf'",
        "expected a known key, got 'cavity'",
    ),
    "negative separation": ("separation_mm = 3.0", "separation_mm = -1.0", "separation_mm: expected"),
    "NaN separation": ("separation_mm = 3.0", "separation_mm = nan", "separation_mm: expected"),
    "not TOML": ("[surgery]", "[surgery", "own.toml: expected TOML"),
    "absurd voxels": ("voxel_mm = 1.0", "voxel_mm = 0.001", "voxel_mm: expected"),
    "angle": ("gantry_deg = 150.0", "gantry_deg = 400.0", "gantry_deg: expected"),
}


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_in_a_case_is_one_clear_line(
    tmp_path: Path, called, old: str, new: str, message: str
) -> None:
    path = write_case(tmp_path, old, new)
    done = called("run", str(path), "--outside", "--out", "result")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [found.name for found in tmp_path.iterdir()] == ["own.toml"]


def test_a_grid_that_cannot_be_finer_is_one_clear_line(tmp_path: Path, called) -> None:
    path = write_case(tmp_path, "[surgery]", "[delivery]\nspot_spacing_mm = 1.5\n[surgery]")
    done = called("run", str(path), "--outside", "--finer-spots", "--out", "result")
    assert done.returncode == 2
    assert "delivery.spot_spacing_mm: expected spot_spacing_mm >= 1, got 0.75" in done.stderr
    assert "Traceback" not in done.stderr
    assert [found.name for found in tmp_path.iterdir()] == ["own.toml"]


def test_missing_case_file(tmp_path: Path) -> None:
    done = doseplan("run", "nowhere.toml", folder=tmp_path)
    assert done.returncode == 2
    assert "nowhere.toml: expected a case file" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = write_case(tmp_path, "separation_mm = 3.0", "separation_mm = -1.0\nunheard_of = 1")
    done = doseplan("run", str(path), "--outside", folder=tmp_path)
    assert done.returncode == 2
    assert "separation_mm" in done.stderr
    assert "unheard_of" in done.stderr


def test_run_without_a_file_lists_bundled_cases(tmp_path: Path) -> None:
    done = doseplan("run", folder=tmp_path)
    assert done.returncode == 2
    assert "t11_t12_mpnst" in done.stderr


def test_bare_command_says_what_to_try(tmp_path: Path) -> None:
    done = doseplan(folder=tmp_path)
    assert done.returncode == 0
    assert "doseplan run t11_t12_mpnst" in done.stdout
    assert "Not for clinical use" in done.stdout


@pytest.mark.parametrize("command", ["run", "check", "prove", "bragg", "sobp", "explore", "report", "doctor"])
def test_help_has_an_example(called, command: str) -> None:
    done = called(command, "--help")
    assert done.returncode == 0
    assert f"Example: doseplan {command}" in done.stdout


def test_unknown_command(tmp_path: Path) -> None:
    done = doseplan("rum", folder=tmp_path)
    assert done.returncode == 2
    assert "rum" in done.stderr
    assert "Traceback" not in done.stderr


def test_case_is_refused_before_numba_is_imported(tmp_path: Path) -> None:
    path = write_case(tmp_path, "separation_mm = 3.0", "separation_mm = -1.0")
    code = (
        "import sys\nfrom doseplan.cli import main\n"
        f"sys.argv = ['doseplan', 'run', '--outside', {str(path)!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    print(stop.code, 'numba' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


def test_import_is_light() -> None:
    code = "import sys, doseplan; print('numba' in sys.modules, 'xarray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_check_of_no_run(tmp_path: Path) -> None:
    done = doseplan("check", str(tmp_path), folder=tmp_path)
    assert done.returncode == 2
    assert "expected a run folder" in done.stderr


def test_phantom_draws_and_gives_one_json_object(tmp_path: Path) -> None:
    arguments = ("phantom", "c5_dumbbell", "--voxel-mm", "2.5", "--out", "neck.png", "--json")
    done = doseplan(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer["arms"]) == ["none", "decompressed", "separated"]
    assert answer["arms"]["none"]["volumes_cm3"]["gtv"] == pytest.approx(13.05, rel=0.03)
    assert answer["arms"]["none"]["staging"]["cells"]["C6"]["A"] == [3, 4, 5]
    assert (tmp_path / "neck.png").stat().st_size > 50_000
    assert [path.name for path in tmp_path.iterdir()] == ["neck.png"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("phantom", "nothing.toml"), "nothing.toml: expected a case file (TOML), got no such file"),
        (("phantom", "t9_body", "--voxel-mm", "9"), "--voxel-mm: expected 0.5 <= voxel_mm <= 5, got 9"),
        (("phantom", "t9_body", "--out", "a.pdf"), "--out: expected a .png file in a folder that exists, got a.pdf"),
        (("phantom", "t9_body", "--out", "no/a.png"), "--out: expected a .png file in a folder that exists, got no/a.png"),
    ],
)  # fmt: skip
def test_phantom_of_nonsense_is_one_line(
    tmp_path: Path, called, arguments: tuple[str, ...], wanted: str
) -> None:
    done = called(*arguments)
    assert done.returncode == 2
    assert done.stderr.strip() == wanted
    assert not list(tmp_path.iterdir())


def test_a_case_with_its_anatomy_inside_is_one_short_file(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(
        'anatomy = { levels = "T10-L1" }\nprescription = { total_gy_rbe = 64.0 }\n'
        'surgery = { separation_mm = 3.0 }\ntumour = { side = "right" }\n'
    )
    done = doseplan("phantom", "short.toml", "--voxel-mm", "3", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ESCC grade" in done.stdout
    assert (tmp_path / "phantom_short.png").exists()


@pytest.mark.parametrize("energy", ["20", "1000", "nan"])
def test_bragg_energy_out_of_range(tmp_path: Path, called, energy: str) -> None:
    done = called("bragg", energy)
    assert done.returncode == 2
    assert "energy: expected" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_bragg_of_protons_in_bone_with_everything(tmp_path: Path) -> None:
    options = ["--ion", "1H", "--material", "cortical_bone", "--nozzle-mm", "2", "--air-gap-mm", "300"]
    wanted = ["--spectra-mm", "5,40", "--uncertainty", "--save", "curve.nc", "--json"]
    done = doseplan("bragg", "120", *options, *wanted, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout)
    assert numbers["material"] == "cortical_bone"
    assert len(numbers["uncertainty"]) == 6
    names = {"bragg_1H_120.png", "bragg_1H_120_spectra.png", "curve.nc", "curve_spectra.nc"}
    assert {path.name for path in tmp_path.iterdir()} == names
    with xr.open_dataset(tmp_path / "curve.nc", engine="h5netcdf") as curve:
        assert curve.attrs["r80_mm"] == numbers["r80_mm"]
        assert "nozzle of 2 mm" in curve.attrs["assumptions"]


def test_sobp_gives_one_json_object_and_a_picture(tmp_path: Path) -> None:
    done = doseplan("sobp", "--distal-mm", "80", "--width-mm", "20", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout)
    assert numbers["flatness_percent"] < 2.0
    assert numbers["distal_mm"] == pytest.approx(80.0, abs=0.1)
    assert numbers["places"]["middle"]["dose_gy_rbe"] == pytest.approx(4.0, rel=0.02)
    assert (tmp_path / "sobp_12C_80mm.png").read_bytes()[:4] == b"\x89PNG"


def test_bragg_gives_one_json_object_and_a_picture(tmp_path: Path) -> None:
    done = doseplan("bragg", "150", "--json", "--out", "curve.png", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout)
    # 5.304 g/cm2 is the range of 150 MeV/u in reference data (ATIMA); 0.3 mm as for the measured curve
    assert numbers["r80_mm"] == pytest.approx(10 * 5.304 / 0.998, abs=0.3)
    assert numbers["peak_depth_mm"] < numbers["r80_mm"]
    assert sum(numbers["peak_share_by_charge"].values()) == pytest.approx(1.0, abs=1e-9)
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_kernel_cache_that_cannot_be_written_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-m", "doseplan", "bragg", "20"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("warning: compiled kernels can't be kept") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "a", "b"), "unexpected extra argument"),
        (("bragg", "fast"), "'ENERGY'"),
        (("bragg",), "'ENERGY'"),
        (("run", "--foo"), "--foo"),
        (("bragg", "150", "--ripple-filter-mm", "-1"), "ripple_filter_mm: expected"),
        (("bragg", "150", "--ripple-filter-mm", "nan"), "ripple_filter_mm: expected"),
        (("bragg", "150", "--out", "no/such/folder.png"), "--out: expected a .png file"),
        (("bragg", "150", "--out", "curve.txt"), "--out: expected a .png file"),
        (("bragg", "150", "--ion", "carbon"), "ion: expected one of 12C"),
        (("bragg", "300", "--ion", "1H"), "energy: expected 50 <= energy <= 250 MeV/u"),
        (("bragg", "150", "--material", "butter"), "material: expected one of water"),
        (("bragg", "150", "--spectra-mm", "ten"), "--spectra-mm: expected numbers such as 10,80,150"),
        (("bragg", "150", "--spectra-mm", "900"), "spectra_mm: expected 0 <= depth"),
        (("bragg", "150", "--save", "curve.png"), "--save: expected a .nc file"),
        (("bragg", "150", "--i-value-ev", "-3"), "i_value_ev: expected 10 <= i_value_ev <= 900"),
        (("sobp",), "energy, distal_mm: expected one of both"),
        (("sobp", "200", "--width-mm", "500"), "width_mm: expected 5 <= width_mm <= 300"),
        (("sobp", "200", "--flat", "let"), "flat: expected dose or rbe"),
        (("sobp", "200", "--scale", "GyE"), "scale: expected one of NIRS, LEM1"),
        (("check", "nowhere"), "expected a run folder"),
        (("run", "t11_t12_mpnst", "--out", "taken"), "expected an empty folder or a run"),
        (("run", "t11_t12_mpnst", "--out", "taken/notes.txt/run"), "got a file at"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_command_is_one_line_and_exit_2(
    tmp_path: Path, called, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    done = called(*arguments)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("compiling kernels")]
    assert len(lines) == 1
    assert message in lines[0]
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notes.txt", "taken"]


def test_surgery_that_leaves_no_tumour_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = write_case(tmp_path, "separation_mm = 3.0", "separation_mm = 30.0")
    text = path.read_text().replace("voxel_mm = 1.0", "voxel_mm = 4.0")
    path.write_text(re.sub(r"(?m)^(\w+_(?:width|depth|length|diameter)_mm) = .*$", r"\1 = 12.0", text))
    done = doseplan("run", str(path), "--outside", "--out", "result", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "expected tumour to be left, got none after 30 mm" in done.stderr
    assert "Traceback" not in done.stderr
    assert [found.name for found in tmp_path.iterdir()] == ["own.toml"]


INTERNAL = """
import sys
import doseplan.case
from doseplan.cli import main
def fail(path, outside):
    raise RuntimeError("made up")
doseplan.case.load_case = fail
sys.argv = ["doseplan", "run", "any.toml"]
main()
"""


def test_internal_error_shows_where_and_says_what_to_report(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERNAL]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "RuntimeError: made up" in done.stderr
    assert "please report" in done.stderr.splitlines()[-1]
    assert done.stdout == ""


STOPPED = """
import sys
import doseplan.study
from doseplan.cli import main
def stop(case, *, out, progress):
    progress("none: voxels", 0.0)
    for stage in ("anatomy", "samples", "spots", "dose"):
        (out / "none").mkdir(parents=True, exist_ok=True)
        (out / "none" / f"{stage}.nc").touch()
    raise KeyboardInterrupt
doseplan.study.plan_case = stop
sys.argv = ["doseplan", "run", "t11_t12_mpnst", "--out", "kept"]
main()
"""


def test_ctrl_c_says_what_was_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPPED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "kept in kept: none; the same command goes on from there" in done.stderr
    assert done.stderr.splitlines()[-1] == "stopped"
    assert "Traceback" not in done.stderr


def test_warnings_are_lines_for_people(tmp_path: Path) -> None:
    code = INTERNAL.replace("raise RuntimeError(", "__import__('warnings').warn(").replace(
        "def fail(path, outside):", "def fail(path, outside, end=SystemExit):"
    )
    code = code.replace('("made up")', '("made up"); raise end(0)')
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "warning: made up\n"


def test_public_names_are_listed_and_found() -> None:
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert callable(getattr(package, name))
    with pytest.raises(AttributeError, match="no attribute 'unheard_of'"):
        package.unheard_of  # noqa: B018
