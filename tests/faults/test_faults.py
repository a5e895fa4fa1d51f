"""Full disks, folders that can't be written, processes that are killed or meet: a line, or the result."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from doseplan.exchange import files, read_run, write_run, write_text
from doseplan.messages import InputError

WORKER = Path(__file__).parent / "worker.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of files and rights of POSIX")


def begin(*words: object, **environment: object) -> subprocess.Popen[str]:
    variables = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    command = [sys.executable, str(WORKER), *map(str, words)]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, said = process.communicate(timeout=300)
    return process.returncode, out, said


def contents(folder: Path) -> dict[str, bytes]:
    """All that a folder holds, but what was left by a kill."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def whole(small_run, tmp_path_factory) -> dict[str, bytes]:
    """What the made-up run of the worker looks like on disk."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert end(begin("write", folder))[0] == 0
    return contents(folder)


@pytest.mark.parametrize("most", [10, 3000, 20_000])
def test_a_full_disk_is_a_line_and_the_run_goes_on_later(tmp_path: Path, whole, most: int) -> None:
    """No file may grow beyond `most` bytes, so that a write fails in the middle of one."""
    code, _, said = end(begin("write_little", tmp_path / "run", most))
    assert code == 2, said
    assert said.count("\n") == 1
    assert "expected a place that can be written, got" in said
    left = contents(tmp_path / "run")
    assert all(whole[name] == content for name, content in left.items())  # each whole, or not there
    assert [path for path in tmp_path.rglob("*.part")] == []
    assert end(begin("write", tmp_path / "run"))[0] == 0
    assert contents(tmp_path / "run") == whole


def test_what_was_there_stays_when_the_disk_is_full(tmp_path: Path, monkeypatch) -> None:
    write_text(tmp_path / "summary.json", "before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match=r"summary\.json: expected a place .* got 'No space left on device'"):
        write_text(tmp_path / "summary.json", "after")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


@pytest.mark.parametrize(("around", "mode"), [(0o755, 0o555), (0o600, 0o777)], ids=["read-only", "closed"])
def test_a_folder_that_cannot_be_written_is_a_line(around: int, mode: int) -> None:
    with tempfile.TemporaryDirectory() as outer:  # tmp_path lies where only one user looks
        (run := Path(outer) / "run").mkdir()
        run.chmod(mode)
        Path(outer).chmod(around)
        code, _, said = end(begin("write_as_nobody", run))
        Path(outer).chmod(0o755)
        run.chmod(0o755)
        assert code == 2, said
        assert said.count("\n") == 1
        assert "expected a folder that can be written, got no permission" in said
        assert list(run.iterdir()) == []


def test_killed_writers_lose_nothing_that_was_finished(tmp_path: Path, whole) -> None:
    """Each process is killed at another moment; what is there is whole each time, and the last one ends."""
    random = np.random.default_rng(3)
    found = []
    for _ in range(6):
        process = begin("write", tmp_path / "run")
        while process.poll() is None and not (tmp_path / "run" / "run.json").exists():
            time.sleep(0.001)
        time.sleep(float(random.random()) * 0.12)
        process.send_signal(signal.SIGKILL)
        end(process)
        there = contents(tmp_path / "run")
        assert all(whole[name] == content for name, content in there.items())
        found.append(len(there))
    assert found == sorted(found)
    assert found[0] < len(whole)  # the first one was stopped before its end
    assert end(begin("write", tmp_path / "run"))[0] == 0
    assert contents(tmp_path / "run") == whole


def test_two_runs_of_one_case_share_a_folder(tmp_path: Path, whole) -> None:
    start = time.time() + 2.0
    both = [begin("write", tmp_path / "run", 0, start) for _ in range(2)]
    assert [end(process)[0] for process in both] == [0, 0]
    assert contents(tmp_path / "run") == whole


def test_of_two_cases_in_one_folder_one_is_told_to_go(tmp_path: Path) -> None:
    start = time.time() + 2.0
    both = [begin("write", tmp_path / "run", number, start) for number in range(2)]
    ended = [end(process) for process in both]
    assert sorted(code for code, _, _ in ended) == [0, 2], ended
    winner = [code for code, _, _ in ended].index(0)
    said = ended[1 - winner][2]
    assert said.count("\n") == 1
    assert "choose another --out" in said
    assert read_run(tmp_path / "run").attrs["case_toml"].endswith(f"# {winner}\n")


def test_a_folder_opened_by_two_at_any_moment_is_one_case_or_told(tmp_path: Path) -> None:
    """The second comes up to 10 ms later: before, between and after the files that the first one writes."""
    start, turns = time.time() + 3.0, 100
    both = [begin("open_many", tmp_path, number, start, turns) for number in range(2)]
    ended = [end(process) for process in both]
    assert [code for code, _, _ in ended] == [0, 0], ended
    first, second = (out.split("\n")[:-1] for _, out, _ in ended)
    assert len(first) == len(second) == turns
    for said in zip(first, second, strict=True):
        assert sum(line == "" for line in said) == 1, said
        assert max(said).endswith("; choose another --out"), said


def test_a_folder_is_shared_by_two_of_one_case_at_any_moment(tmp_path: Path) -> None:
    start, turns = time.time() + 3.0, 100
    both = [begin("open_many", tmp_path, 0, start + late, turns) for late in (0.0, 0.002)]
    assert [end(process) for process in both] == [(0, "\n" * turns, "")] * 2


def test_a_lost_race_for_the_folder_is_told(tmp_path: Path, small_run, monkeypatch) -> None:
    """The other case's text appears between the look at the folder and the writing."""
    tree = small_run.make_run()
    claim = files.claim_text

    def late(path: Path, text: str) -> bool:
        if path.name == "case.toml":
            path.write_text("name = 'another'\n")
        return claim(path, text)

    from doseplan.exchange import runs

    monkeypatch.setattr(runs, "claim_text", late)
    with pytest.raises(InputError, match=r"expected no other run .* got one with another case\.toml"):
        write_run(tree, tmp_path / "run")
    assert contents(tmp_path / "run") == {"case.toml": b"name = 'another'\n"}


def test_a_library_that_two_processes_keep_at_once_is_whole(tmp_path: Path) -> None:
    start = time.time() + 2.0
    both = [begin("store_library", tmp_path, start, XDG_CACHE_HOME=tmp_path) for _ in range(2)]
    ended = [end(process) for process in both]
    assert [code for code, _, _ in ended] == [0, 0], ended
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "known-files"]
    assert [path.suffix for path in kept] == [".nc"]


def test_a_kernel_cache_that_two_processes_fill_at_once_or_that_is_damaged(tmp_path: Path) -> None:
    start = time.time() + 2.0
    both = [begin("kernel", tmp_path, start, NUMBA_CACHE_DIR=tmp_path) for _ in range(2)]
    (code, first, said), (other, second, _) = [end(process) for process in both]
    assert (code, other) == (0, 0), said
    assert first == second
    for index in tmp_path.rglob("*.nbi"):
        index.write_bytes(index.read_bytes()[:-20])
    program = f"""
import sys
from doseplan.cli import main
from doseplan.cli.tell import app
sys.path.insert(0, {str(WORKER.parent)!r})
import worker, pathlib
app.command(name="kernel")(lambda: worker.kernel(pathlib.Path(".")))
sys.argv = ["doseplan", "kernel"]
main()
"""
    again = [sys.executable, "-P", "-c", program]  # the package as the workers see it, not the checkout
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(again, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"{tmp_path}: expected compiled kernels, got damaged ones" in done.stderr
    assert "delete the folder" in done.stderr
