"""The random generator that every random number is drawn from.

`Tensor.manual_seed` seeds it; NumPy's global state is neither read nor changed.

np.random is slow to import, so nothing here imports it until a number is drawn; this is why its
types are in quotes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np

_shared: "np.random.Generator | None" = None  # until a seed is set

# The generator of a computation that is or can be repeated (see below); None anywhere else.
_own: "ContextVar[np.random.Generator | None]" = ContextVar("_own", default=None)


def current() -> "np.random.Generator":
    """The generator to draw from."""
    return _own.get() or _shared or _unseeded()


def seed(number: int) -> None:
    """Restart the random numbers: the same seed gives the same numbers."""
    _replace(np.random.default_rng(number))


@contextmanager
def repeatable() -> Iterator[Any]:
    """Inside, this thread draws from a copy; the generator then continues where the copy ended.

    So no other thread draws numbers in between.  Yields the state, for `repeated`.
    """
    state = current().bit_generator.state
    token = _own.set(_generator_at(state))
    try:
        yield state
    finally:
        moved = current()
        _own.reset(token)
        _replace(moved)


@contextmanager
def repeated(state: Any) -> Iterator[None]:
    """Inside, this thread draws the numbers that followed `state`; the generator is unchanged."""
    token = _own.set(_generator_at(state))
    try:
        yield
    finally:
        _own.reset(token)


@cache
def _unseeded() -> "np.random.Generator":
    """The one generator of a program that sets no seed."""
    return np.random.default_rng()


def _generator_at(state: Any) -> "np.random.Generator":
    generator = np.random.Generator(getattr(np.random, state["bit_generator"])(0))
    generator.bit_generator.state = state
    return generator


def _replace(generator: "np.random.Generator") -> None:
    global _shared
    if _own.get() is None:
        _shared = generator
    else:
        _own.set(generator)
