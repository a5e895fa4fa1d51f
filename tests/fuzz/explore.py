"""Let a fuzzer that watches coverage feed one reader: `python explore.py TARGET SECONDS`.

It needs an environment with this package and atheris (Python up to 3.13); inputs that fail are kept in
`corpus/TARGET`, where the tests find them. Kernels are left alone, as numba reads their bytecode.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["doseplan.case", "doseplan.exchange"]):
    import targets


def main() -> None:
    target, seconds = sys.argv[1:]
    begun = Path(tempfile.mkdtemp(prefix="doseplan-explore-"))
    for number, data in enumerate(targets.seeds(target)):
        (begun / str(number)).write_bytes(data)
    failed: set[str] = set()

    def feed(data: bytes) -> None:
        ended = targets.outcome(target, data)
        if ended in (targets.RESULT, targets.LINE) or ended in failed:
            return
        failed.add(ended)
        (targets.CORPUS / target).mkdir(parents=True, exist_ok=True)
        (targets.CORPUS / target / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
        sys.stderr.write(f"failed: {ended}\n")

    options = [
        f"-max_total_time={seconds}",
        "-seed=1",
        "-print_final_stats=1",
        "-timeout=60",  # longer than a file may take to be read apart
        "-rss_limit_mb=0",
    ]
    atheris.Setup([sys.argv[0], *options, "-max_len=60000", f"-artifact_prefix={begun}/", str(begun)], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
