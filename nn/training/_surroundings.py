"""What a run depends on outside of its parts: random numbers, and what BLAS and NumPy are.

The bits of a matrix product depend on the library that computes it, on the processor that it is
written for, and on its number of threads; those of NumPy's functions on its version.
"""

import os
import random
import re
from typing import Any

import numpy as np

from tinygrad_lite import arguments, generator

# What sets the number of threads, and the kind of processor, by the name of the library.
SETTINGS = {
    "openblas": ("OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE"),
    "mkl": ("MKL_NUM_THREADS", ""),
    "blis": ("BLIS_NUM_THREADS", "BLIS_ARCH_TYPE"),
}
NUMPYS = re.compile(r"[/\\]numpy(\.libs)?[/\\]")  # the library that came with NumPy; SciPy has one


def random_state() -> dict[str, Any]:
    """Where Tensor's generator, Python's and NumPy's global ones stand."""
    version, numbers, gauss = random.getstate()
    whole: Any = np.random.get_state(legacy=False)  # noqa: NPY002  # users draw from it
    extra = {name: whole[name] for name in ("has_gauss", "gauss")}
    return {
        "tensor": generator.get_state(),
        "python": [version, list(numbers), gauss],
        "numpy": {**generator.get_state(_numpys()), **extra},
    }


def check_random_state(state: Any) -> None:
    """ValueError if it is none."""
    if not isinstance(state, dict) or state.keys() != {"tensor", "python", "numpy"}:
        raise ValueError(f"random: expected three generators; got {arguments.shown(state)}")
    kind = type(_numpys().bit_generator)
    generator.set_state(_without_gauss(state["numpy"]), np.random.Generator(kind()))
    gauss = [state["numpy"].get("has_gauss"), state["numpy"].get("gauss")]
    if [type(x) for x in gauss] != [int, float] or gauss[0] not in (0, 1):
        raise ValueError("random: the state of NumPy's generator is damaged")
    with generator.seeded(0):
        generator.set_state(state["tensor"])
    try:
        trial = random.Random(0)
        trial.setstate(_pythons(state["python"]))
        same = list(trial.getstate()[1]) == state["python"][1]
    except (ValueError, TypeError, OverflowError):
        same = False
    if not same:
        raise ValueError("random: the state of Python's generator is damaged")


def set_random_state(state: Any) -> None:
    """Let the three generators go on from there."""
    generator.set_state(state["tensor"])
    random.setstate(_pythons(state["python"]))
    np.random.set_state(_with_arrays(state["numpy"]))  # noqa: NPY002


def _numpys() -> np.random.Generator:
    """NumPy's global generator, which has a state as others have."""
    numpys: Any = np.random
    return np.random.Generator(numpys.get_bit_generator())


def _without_gauss(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    return {name: each for name, each in state.items() if name not in ("has_gauss", "gauss")}


def _with_arrays(state: Any) -> Any:
    """The state of NumPy's global generator, as NumPy itself wants it."""
    scratch: Any = np.random.Generator(type(_numpys().bit_generator)())
    generator.set_state(_without_gauss(state), scratch)
    return {**scratch.bit_generator.state, "has_gauss": state["has_gauss"], "gauss": state["gauss"]}


def _pythons(state: Any) -> Any:
    match state:
        case [int(version), [*numbers], None | float() as gauss]:
            if all(type(number) is int for number in numbers):
                return version, tuple(numbers), gauss
    raise ValueError("random: the state of Python's generator is damaged")


def environment() -> dict[str, Any]:
    """What bits depend on: the versions of NumPy and BLAS, the processor, the threads."""
    import threadpoolctl

    found = [one for one in threadpoolctl.threadpool_info() if one.get("user_api") == "blas"]
    numpys = [one for one in found if NUMPYS.search(one.get("filepath", ""))] or found
    names = ("internal_api", "version", "architecture", "num_threads")
    return {
        "numpy": np.__version__,
        "blas": [{name: one.get(name) for name in names} for one in numpys],
        "threads": os.environ.get("TINYGRAD_LITE_THREADS"),  # for the record: no bit depends on it
    }


def differences(before: Any) -> str:
    """What is different now, and how to have it as it was; "" if nothing that bits depend on.

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
        threads, processor = SETTINGS.get(str(own["internal_api"]), ("", ""))
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
    return (
        value[:40]
        if isinstance(value, str) and value[:40].isprintable()
        else arguments.shown(value)
    )
