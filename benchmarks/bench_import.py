"""Import of a CT: 100 slices of 512 x 512 with contours, from a folder to one file."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from doseplan.exchange import write_scan
from doseplan.exchange.dicom_read import read_dicom

SLICES = 100


@pytest.fixture(scope="module")
def folder(dicom: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise in a cylinder, which packs about as badly as a patient does."""
    noise = np.random.default_rng(4).integers(-50, 80, (512, 512))
    y, x = np.mgrid[:512, :512]
    noise[np.hypot(x - 256, y - 256) > 200] = -1000
    files = [
        dicom.slice_file(np.roll(noise, number, 1), (-250.0, -250.0, float(number)), spacing=(0.977, 0.977))
        for number in range(SLICES)
    ]
    rings = {
        name: [dicom.circle(radius, (0.0, 0.0), float(z), points=300) for z in range(SLICES)]
        for name, radius in (("Cord", 5.0), ("Body", 195.0))
    }
    files.append(dicom.structure_file(rings, [data.SOPInstanceUID for data in files]))
    return dicom.save(tmp_path_factory.mktemp("ct") / "patient", files)


@pytest.mark.benchmark(group="import, 100 slices of 512 x 512")
@pytest.mark.parametrize("way", ["read", "read_and_write"])
def test_import(benchmark, folder: Path, tmp_path: Path, way: str) -> None:
    def work() -> None:
        scan = read_dicom(folder)
        if way == "read_and_write":
            write_scan(scan, tmp_path / "ct.nc")

    benchmark.pedantic(work, rounds=3, warmup_rounds=1)
