"""With bounds checks kernels are compiled for one thread."""

from typing import Any

import numba

if numba.config.BOUNDSCHECK:
    # the loops and indices are the same; compiling for threads takes twice as long, and turns an IndexError
    # into an error of the interpreter
    threaded = numba.njit

    def njit(*function: Any, **options: Any) -> Any:
        return threaded(*function, **{**options, "parallel": False})

    numba.njit = njit
