"""The random generator that every random number is drawn from.

`Tensor.manual_seed` seeds it; NumPy's global state is neither read nor changed.

np.random is slow to import, so nothing here imports it until a number is drawn; this is why its
types are in quotes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .locks import in_forked_child

_shared: "np.random.Generator | None" = None  # until a number is drawn, or a seed is set

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


def _unseeded() -> "np.random.Generator":
    """The generator of a program that sets no seed, until it does."""
    global _shared
    _shared = np.random.default_rng()
    return _shared


@in_forked_child
def _with_locks_of_its_own() -> None:
    """The same generators again: each has a lock, and it may be held for ever by a parent's thread.

    It is held while numbers are drawn, but not to read the state.
    """
    global _shared
    if _shared is not None:
        _shared = _generator_at(_shared.bit_generator.state)
    own = _own.get()
    if own is not None:
        _own.set(_generator_at(own.bit_generator.state))


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
