"""Shared fixtures: slow twins, and a kernel cache that belongs to these sources."""

import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numba
import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# the same examples each time, on a busy machine too
settings.register_profile(
    "doseplan", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("doseplan")


def _kernel_cache_folder() -> str:
    """Folder keyed by the kernel sources, shared by all processes, so that no stale kernel is ever run."""
    spec = importlib.util.find_spec("doseplan")
    assert spec is not None
    assert spec.origin is not None
    digest = hashlib.sha256()
    for source in sorted((Path(spec.origin).parent / "kernels").glob("*.py")):
        digest.update(source.read_bytes())
    return str(Path(tempfile.gettempdir()) / f"doseplan-kernels-{digest.hexdigest()[:16]}")


os.environ.setdefault("NUMBA_CACHE_DIR", _kernel_cache_folder())


@pytest.fixture(scope="session", autouse=True)
def one_thread_each() -> Iterator[None]:
    """Run on one thread in every process of several: threads of two processes wait for each other.

    Results have the same bits; tests of that set their own number.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


LONGEST_FIRST = (
    "study/test_full_chain.py",
    "anatomy/test_gallery.py",
    "test_docs.py",
    "study/test_gallery_runs.py",
    "study/test_ct_chain.py",
    "planning/test_plan.py",
    "dose/test_bragg.py",
    "physics/test_separation_and_shifts_in_clinical_series.py",
    "anatomy/test_phantom.py",
)
"""Files of half a minute and more: if one started last, the other process would end with nothing to do.

The first compiles the kernels of a whole run; the second needs only those of distances meanwhile.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files start first; the others keep their order."""
    place = {str(TESTS / name): number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(str(item.path), len(place)))


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def naive() -> Callable[[str], ModuleType]:
    """Load a file of slow twins: `naive("naive_dose")` is tests/kernels/naive_dose.py."""
    return lambda name: _load(TESTS / "kernels" / f"{name}.py")


@pytest.fixture(scope="session")
def dicom() -> ModuleType:
    """DICOM folders written by hand: `dicom.save(folder, dicom.axial_files())`."""
    return _load(TESTS / "dicom_files.py")


@pytest.fixture(scope="session")
def small_run() -> ModuleType:
    """A made-up finished run on a small grid: `small_run.make_run()`."""
    return _load(TESTS / "small_run.py")
