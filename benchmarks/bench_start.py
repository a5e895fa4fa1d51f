"""How long it takes until something is there: `import doseplan`, `doseplan --help`, `doseplan` alone.

Each in a new process, as people meet it; the aims are 1 s for the import and 0.5 s for the help.
"""

import subprocess
import sys

import pytest

STARTS = {
    "import doseplan": ("-c", "import doseplan"),
    "doseplan --help": ("-m", "doseplan", "--help"),
    "doseplan": ("-m", "doseplan"),
    "nothing but Python": ("-c", ""),
}


@pytest.mark.benchmark(group="until something is there")
@pytest.mark.parametrize("what", STARTS)
def test_start(benchmark, what: str) -> None:
    def start() -> int:
        return subprocess.run([sys.executable, *STARTS[what]], capture_output=True, check=True).returncode

    assert benchmark.pedantic(start, rounds=5, warmup_rounds=1) == 0
