"""The state of the three global random generators: Tensor's, Python's `random` and np.random."""

import random
from typing import Any

import numpy as np

from tinygrad_lite import arguments, generator


def random_state() -> dict[str, Any]:
    """The states of all three, as plain values.

    In the body of a loop over a sharded DataLoader, Tensor draws from a generator of the part of a
    batch; saved is the one outside, which is the same in all processes.
    """
    version, numbers, gauss = random.getstate()
    whole: Any = np.random.get_state(legacy=False)  # noqa: NPY002  # users draw from it
    extra = {name: whole[name] for name in ("has_gauss", "gauss")}
    with generator.outside():
        tensors = generator.get_state()
    return {
        "tensor": tensors,
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
    """Restore all three."""
    with generator.outside():
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
