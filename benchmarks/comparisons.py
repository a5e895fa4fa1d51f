"""The benchmark table: work -> the ways to do it (naive, scipy, kernel, other layouts).

The same callables are compared by the tests (at the small size) and timed by `doseplan bench`, so what is
fast is also right. To add a row: write one function of sizes with defaults that gives a `Work`,

    def rays(*, layers: int = 26, half: int = 5, samples: int = 20_000) -> Work:
        ...  # set-up, which is not timed
        ways = {"kernel": blocks_product, "csr": csr_product, "naive": twin_product}
        return Work(ways=ways, pieces=pairs, moved_bytes=8.0 * pairs)

and name it in one of the tables below:

    "ray_blocks": Row(prepare=rays, unit=PAIR, tolerance=1e-6, small=SMALL, growth=SPOTS_AND_SAMPLES)

Ways return new arrays or write into arrays of their own, and give the same values. `kernel` stands for what
the program uses; everything else is timed against it. Then write the stored ratios anew (`baseline.py`).
"""

from .anatomy_rows import ANATOMY_ROWS
from .dose_rows import DOSE_ROWS
from .particle_rows import PARTICLE_ROWS
from .table import Row

COMPARISONS: dict[str, Row] = {**DOSE_ROWS, **PARTICLE_ROWS, **ANATOMY_ROWS}
