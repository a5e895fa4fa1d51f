"""Work in other processes: the same bits as one process, nothing lost with a worker, loopback only."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from doseplan.case import parse_case, parse_population
from doseplan.exchange import finished_points
from doseplan.messages import InputError, LimitError
from doseplan.study import Workers, sample_population, sweep, workers
from doseplan.study.workers import Job, share_out

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
psutil = pytest.importorskip("psutil", reason="comes with distributed")

TAKES_S = 0.15
"""[s] a made-up plan takes in a worker, so that one can be killed in the middle."""

RING_GYE = 0.05

PRELOAD = """
import importlib.util, sys

def dask_setup(worker):
    spec = importlib.util.spec_from_file_location("made_up_rooms", {rooms!r})
    module = importlib.util.module_from_spec(spec)
    sys.modules["made_up_rooms"] = module
    spec.loader.exec_module(module)
    module.Rooms(takes_s={takes}, ring_gye={ring}).install(setattr)
"""

RING = """
name = "rings"
[[number]]
name = "ring angle"
keys = ["tumour.wrap_deg"]
uniform = [180.0, 360.0]
source = "assumed"
"""

QUICK = """
def quicken(put):
    from doseplan.planning import plan
    from doseplan.study import pipeline

    place_samples = pipeline.place_samples
    fewer = lambda phantom, case: place_samples(phantom, case).isel(sample=slice(None, None, 5))
    put(pipeline, "place_samples", fewer)
    put(plan, "MOST_STEPS", 4)

def dask_setup(worker):
    quicken(setattr)
"""
"""Fewer samples, fewer steps: what the planner can do is the matter of other tests."""

WIDE = {"separation_mm": [0, 1, 2, 3, 4, 5, 6], "total_gy_rbe": [60.0, 64.0], "prove": True}


@pytest.fixture(scope="module")
def preloaded(made_up, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Workers that are started meanwhile have made-up rooms."""
    import dask

    script = tmp_path_factory.mktemp("preload") / "made_up_preload.py"
    script.write_text(PRELOAD.format(rooms=made_up.__file__, takes=TAKES_S, ring=RING_GYE), encoding="utf-8")
    with dask.config.set({"distributed.worker.preload": [str(script)]}):
        yield


@pytest.fixture
def scheduler(preloaded) -> Iterator[object]:
    """A scheduler with two workers, as somebody else would have started it."""
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        silence_logs=50,
    )
    with cluster:
        yield cluster


@pytest.fixture
def case(rooms, made_up):
    rooms.ring_gye = RING_GYE
    return made_up.made_up_case()


@pytest.mark.loopback
def test_a_worker_that_is_killed_loses_nothing(scheduler, case, tmp_path) -> None:
    serial = sweep(case, **WIDE, out=tmp_path / "serial")
    folder = tmp_path / "shared"
    kept: dict[str, bytes] = {}

    def kill() -> None:
        deadline = time.monotonic() + 60.0
        while len(finished_points(folder)) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        for name in finished_points(folder):
            kept[name] = (folder / "points" / name / "record.json").stat().st_mtime_ns.to_bytes(8, "big")
        os.kill(next(iter(scheduler.workers.values())).pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = sweep(case, **WIDE, out=folder, workers=Workers(scheduler=scheduler.scheduler_address))
    killer.join()
    assert found.identical(serial)
    assert len(kept) >= 4
    assert len(finished_points(folder)) > len(kept)  # it was killed before the end
    for name, written in kept.items():
        record = folder / "points" / name / "record.json"
        assert record.stat().st_mtime_ns.to_bytes(8, "big") == written, name
    assert _content(folder) == _content(tmp_path / "serial")


@pytest.mark.loopback
def test_local_workers_give_the_same_and_listen_to_this_machine_only(
    preloaded, case, rooms, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening: list[str] = []
    real = workers._all_done

    def looked_at(*stages):
        for each in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            found = [link.laddr.ip for link in each.net_connections("tcp") if link.status == "LISTEN"]
            listening.extend(found)
        return real(*stages)

    monkeypatch.setattr(workers, "_all_done", looked_at)
    stated = {"anatomies": 3, "separation_mm": [0, 2, 4], "population": parse_population(RING)}
    said: list[str] = []
    shared = sample_population(
        case,
        **stated,
        out=tmp_path / "shared",
        workers=Workers(local=2, memory_gib=1.0),
        progress=lambda message, done: said.append(message),
    )
    assert rooms.planned == []  # all of it was planned by the workers
    assert shared.identical(sample_population(case, **stated, out=tmp_path / "serial"))
    assert _content(tmp_path / "shared") == _content(tmp_path / "serial")
    assert set(listening) == {"127.0.0.1"}
    assert len(listening) >= 5  # a scheduler, two nannies, two workers
    assert "2 local workers of at most 1.0 GiB each" in said
    (peak,) = [line for line in said if line.startswith("workers are done; the largest took")]
    assert 0.05 < float(peak.split()[-4]) < 1.0


@pytest.mark.loopback
@pytest.mark.slow
def test_real_plans_of_local_workers_have_the_same_bits(
    tmp_path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, small_text: str
) -> None:
    import dask

    script = tmp_path_factory.mktemp("quick") / "quick_preload.py"
    script.write_text(QUICK, encoding="utf-8")
    case = parse_case(f"fields = [{{ gantry_deg = 150.0 }}]\n{small_text}", None, where="small.toml")
    stated = {"separation_mm": [0, 2, 3]}
    with dask.config.set({"distributed.worker.preload": [str(script)]}):
        shared = sweep(case, **stated, out=tmp_path / "shared", workers=Workers(local=2))
    patched: dict[str, Callable] = {}
    exec(compile(QUICK, "quick", "exec"), patched)
    patched["quicken"](monkeypatch.setattr)
    assert sweep(case, **stated, out=tmp_path / "serial").identical(shared)
    assert _content(tmp_path / "serial") == _content(tmp_path / "shared")


ASKED = """
import importlib.util, signal, sys

if __name__ == "__main__":  # workers import this file again
    signal.signal(signal.SIGINT, signal.default_int_handler)
    spec = importlib.util.spec_from_file_location("made_up_rooms", {rooms!r})
    module = importlib.util.module_from_spec(spec)
    sys.modules["made_up_rooms"] = module
    spec.loader.exec_module(module)
    module.Rooms().install(setattr)
    open("made_up.toml", "w").write(module.CASE)
    sys.argv = ["doseplan", "population", "made_up.toml", "--anatomies", "200", "--out", "out"]
    sys.argv += ["--local-workers", "1"]
    from doseplan.cli import main

    main()
"""


@pytest.mark.loopback
@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_says_what_is_kept(made_up, tmp_path) -> None:
    preload, asked = tmp_path / "made_up_preload.py", tmp_path / "asked.py"
    preload.write_text(PRELOAD.format(rooms=made_up.__file__, takes=TAKES_S, ring=0.0), encoding="utf-8")
    asked.write_text(ASKED.format(rooms=made_up.__file__), encoding="utf-8")
    command = subprocess.Popen(
        [sys.executable, str(asked)],
        cwd=tmp_path,
        env={**os.environ, "DASK_DISTRIBUTED__WORKER__PRELOAD": str(preload)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches every process of a terminal, as here all of the session
    )
    deadline = time.monotonic() + 90.0
    while command.poll() is None and time.monotonic() < deadline:
        if len(list((tmp_path / "out" / "verdicts").glob("*.json"))) >= 2:
            break
        time.sleep(0.1)
    there = psutil.Process(command.pid).children(recursive=True)
    os.killpg(command.pid, signal.SIGINT)
    said = command.communicate(timeout=60)[1]
    assert command.returncode == 130, said
    assert "finished and points of the next; the same command goes on from there" in said
    assert "Traceback" not in said
    assert psutil.wait_procs(there, timeout=20)[1] == []


@pytest.mark.loopback
@pytest.mark.slow
def test_a_worker_keeps_its_memory(preloaded, made_up, tmp_path) -> None:
    (tmp_path / "study.json").write_text("{}", encoding="utf-8")
    job = Job(said="a large one", call=made_up.fills_memory, arguments=(2.0,))
    with pytest.raises(
        LimitError, match="workers died over 'a large one' time and again: it may need more mem"
    ):
        share_out(
            Workers(local=1, memory_gib=0.5), [job], folder=tmp_path, file="study.json", progress=_silent
        )


@pytest.fixture
def in_this_process() -> Iterator[object]:
    """A scheduler whose worker is a thread of this process, with its made-up rooms."""
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield cluster


@pytest.mark.loopback
def test_what_a_worker_says_of_a_case_is_said(
    in_this_process, case, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from doseplan.study import pipeline

    def refused(*stages, **options):
        raise InputError("made up: fields[0]: expected to hit the target, got none", "made up: a second line")

    monkeypatch.setattr(pipeline, "optimise", refused)
    stated = Workers(scheduler=in_this_process.scheduler_address)
    with pytest.raises(InputError) as error:
        sweep(case, separation_mm=[0, 2], out=tmp_path / "out", workers=stated)
    assert str(error.value) == (
        "made up: fields[0]: expected to hit the target, got none\nmade up: a second line"
    )
    assert finished_points(tmp_path / "out") == []


@pytest.mark.loopback
def test_points_of_several_variants_are_planned_once_each(in_this_process, case, rooms, tmp_path) -> None:
    stated = Workers(scheduler=in_this_process.scheduler_address)
    said: list[str] = []
    found = sweep(
        case,
        separation_mm=[4, 0, 2],
        vary={"tumour.wrap_deg": [200.0, 300.0]},
        out=tmp_path / "out",
        workers=stated,
        progress=lambda message, done: said.append(message),
    )
    assert len(rooms.planned) == 6
    again = sweep(case, separation_mm=[4, 0, 2], vary={"tumour.wrap_deg": [200.0, 300.0]})
    assert found.identical(again)
    assert sum(" of 6 done: " in line for line in said) == 6


@pytest.mark.loopback
def test_a_scheduler_without_workers_or_none_at_all_is_one_line(
    case, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "CONNECT_S", 1.0)
    with pytest.raises(
        InputError, match=r"scheduler: expected a dask scheduler at tcp://127\.0\.0\.1:9, got"
    ):
        sweep(case, separation_mm=[0], out=tmp_path / "a", workers=Workers(scheduler="tcp://127.0.0.1:9"))
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as empty:
        stated = Workers(scheduler=empty.scheduler_address)
        with pytest.raises(InputError, match=r"scheduler: expected a worker of tcp://.*, got none in 1 s"):
            sweep(case, separation_mm=[0], out=tmp_path / "b", workers=stated)
    assert list(tmp_path.iterdir()) == []


def test_workers_that_would_lose_work_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"expected workers that see .*gone, got one on .* that does not"):
        workers._work(print, (), tmp_path / "gone", "study.json", workers.version("doseplan"))
    with pytest.raises(InputError, match=r"expected workers with doseplan 9\.9, got 0"):
        workers._work(print, (), tmp_path, "study.json", "9.9")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({}, "expected exactly one of local workers, a scheduler, got both or none"),
        ({"local": 2, "scheduler": "tcp://x:1"}, "expected exactly one of local workers, a scheduler"),
        ({"scheduler": "x:8786"}, "scheduler: expected an address like tcp://host:8786, got 'x:8786'"),
        ({"local": 2, "memory_gib": 0.0}, "worker_gib: expected worker_gib > 0, got 0"),
        ({"scheduler": "tcp://x:1", "memory_gib": 1.0}, "worker_gib: expected with local workers only"),
    ],
)
def test_workers_that_make_no_sense_are_refused(stated: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Workers(**stated)


def test_more_memory_than_there_is_is_refused() -> None:
    with pytest.raises(InputError, match=r"worker_gib: expected at most .* for each of 2 local workers"):
        workers.local_memory_gib(Workers(local=2, memory_gib=1e6))
    whole = psutil.virtual_memory().total / 2**30
    assert 0.0 < 2.0 * workers.local_memory_gib(Workers(local=2)) <= whole


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"expected the package distributed, got none; pip install"):
        Workers(local=2)


def test_nothing_of_it_is_imported_without_workers() -> None:
    program = "import sys, doseplan.study; sys.exit('distributed' in sys.modules or 'dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def _content(folder: Path) -> dict[str, bytes]:
    """Read all files of a study but what a kill left unfinished; `study.json` names the versions, too."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _silent(message: str, done: float) -> None:
    """Say nothing."""
