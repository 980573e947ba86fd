"""What the last bits of a run depend on besides its parts: the versions of NumPy and BLAS, threads.

The bits of a matrix product depend on the library that computes it, on the processor that it is
written for, and on its number of threads; those of NumPy's functions on its version.
"""

import os
import re
from typing import Any

import numpy as np

from tinygrad_lite import arguments

# The variables that set the number of threads and the kind of processor, by threadpoolctl's name of
# the library.
THREADS = {
    "openblas": "OPENBLAS_NUM_THREADS",
    "mkl": "MKL_NUM_THREADS",
    "blis": "BLIS_NUM_THREADS",
}
PROCESSORS = {"openblas": "OPENBLAS_CORETYPE", "blis": "BLIS_ARCH_TYPE"}
NUMPYS = re.compile(r"[/\\]numpy(\.libs)?[/\\]")  # the library that came with NumPy; SciPy has one


def blas_libraries() -> list[dict[str, Any]]:
    """The BLAS libraries of this process, as threadpoolctl describes them."""
    from threadpoolctl import threadpool_info

    return [library for library in threadpool_info() if library.get("user_api") == "blas"]


def threads_variable(library: dict[str, Any]) -> str:
    """The environment variable that sets the number of threads of a BLAS library."""
    if library.get("threading_layer") == "openmp":
        return "OMP_NUM_THREADS"
    return THREADS.get(str(library.get("internal_api")), "OMP_NUM_THREADS")


def environment() -> dict[str, Any]:
    """What bits depend on: the versions of NumPy and BLAS, the processor, the threads."""
    found = blas_libraries()
    numpys = [one for one in found if NUMPYS.search(one.get("filepath", ""))] or found
    names = ("internal_api", "version", "architecture", "num_threads", "threading_layer")
    return {
        "numpy": np.__version__,
        "blas": [{name: one.get(name) for name in names} for one in numpys],
        "threads": os.environ.get("TINYGRAD_LITE_THREADS"),  # for the record: no bit depends on it
    }


def differences(before: Any) -> str:
    """What is different now, and which settings undo it; "" if results have the same bits.

    ValueError if `before` is no environment.
    """
    now = environment()
    libraries = before.get("blas") if isinstance(before, dict) else None
    if not isinstance(libraries, list) or not all(isinstance(one, dict) for one in libraries):
        raise ValueError(f"environment: expected a dict; got {arguments.shown(before)}")
    values = [before.get("numpy"), *(each for one in libraries for each in one.values())]
    if not all(isinstance(each, str | int | None) for each in values):
        raise ValueError("environment: expected text and numbers")
    compared = [("NumPy", now["numpy"], before.get("numpy"), "")]
    for own, other in zip(now["blas"], libraries, strict=False):
        threads, processor = threads_variable(own), PROCESSORS.get(str(own["internal_api"]), "")
        compared += [
            ("BLAS", own["internal_api"], other.get("internal_api"), ""),
            ("BLAS version", own["version"], other.get("version"), ""),
            ("BLAS for", own["architecture"], other.get("architecture"), processor),
            ("BLAS threads", own["num_threads"], other.get("num_threads"), threads),
        ]
    changed = [(what, _plain(a), _plain(b), fix) for what, a, b, fix in compared if a != b]
    if not changed:
        return ""
    fixes = [f"{setting}={was}" for _, _, was, setting in changed if setting]
    return (
        ", ".join(f"{what} {own} (was {was})" for what, own, was, _ in changed)
        + ": results will differ in their last bits"
        + (f"; start with {' '.join(fixes)}" if fixes else "")
    )


def _plain(value: Any) -> str:
    """A value from a file, for a message."""
    return (
        value[:40]
        if isinstance(value, str) and value[:40].isprintable()
        else arguments.shown(value)
    )
