"""The random generator that every random number is drawn from.

`Tensor.manual_seed` seeds it; NumPy's global state is neither read nor changed.

np.random is slow to import, so nothing here imports it until a number is drawn; this is why its
types are in quotes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any

import numpy as np

from .locks import ProcessLock, imported, in_forked_child

_shared: "np.random.Generator | None" = None  # until a number is drawn, or a seed is set

# The generator of a computation that is or can be repeated (see below); None anywhere else.
_own: "ContextVar[np.random.Generator | None]" = ContextVar("_own", default=None)

# The state of the shared generator, while such a computation continues from it in one thread. The
# numbers that follow are that thread's, so the others draw from streams that are far away.
_lent: Any = None
_streams = count(1)
_lending = ProcessLock()


def current() -> "np.random.Generator":
    """The generator to draw from."""
    return _own.get() or _shared or _another()


def new_generator(seed: Any = None) -> "np.random.Generator":
    """NumPy's default_rng: a generator that nothing else draws from."""
    generator: np.random.Generator = imported("numpy.random").default_rng(seed)
    return generator


def seed(number: int) -> None:
    """Restart the random numbers: the same seed gives the same numbers."""
    global _shared, _lent
    generator = new_generator(number)
    if _own.get() is not None:
        _own.set(generator)
        return
    with _lending.lock:
        _shared, _lent = generator, None  # what was lent is not taken back


@contextmanager
def repeatable() -> Iterator[Any]:
    """Inside, this thread draws from a copy; the generator then continues where the copy ended.

    So no other thread draws numbers in between.  Yields the state, for `repeated`.
    """
    global _shared, _lent
    nested = _own.get() is not None
    with _lending.lock:
        lends = not nested and _lent is None
        state = (current() if nested or lends else _stream()).bit_generator.state
        if lends:
            _shared, _lent = None, state
    token = _own.set(_generator_at(state))
    try:
        yield state
    finally:
        moved = current()
        _own.reset(token)
        with _lending.lock:
            if nested:
                _own.set(moved)
            elif _lent is state:
                _shared, _lent = moved, None


@contextmanager
def repeated(state: Any) -> Iterator[None]:
    """Inside, this thread draws the numbers that followed `state`; the generator is unchanged."""
    token = _own.set(_generator_at(state))
    try:
        yield
    finally:
        _own.reset(token)


def _another() -> "np.random.Generator":
    """The shared generator where there is none: no number was drawn yet, or it is lent."""
    global _shared
    with _lending.lock:
        if _shared is None:
            _shared = new_generator() if _lent is None else _stream()
        return _shared


def _stream() -> "np.random.Generator":
    """A generator of numbers that neither the lent one nor another stream gives."""
    lent: Any = _generator_at(_lent).bit_generator
    return new_generator(lent.jumped(next(_streams)))


@in_forked_child
def _free_the_locks() -> None:
    """Each generator has a lock, which a thread of the parent may hold for ever.

    NumPy takes it to draw numbers and, since 2.5, to read the state.
    """
    global _shared, _lent
    own = _own.get()
    if own is None and _lent is not None:  # to a thread that is not here
        _shared, _lent = _generator_at(_lent), None
    for generator in (own, _shared):
        if generator is not None:
            lock: Any = generator.bit_generator.lock
            if lock.acquire(blocking=False):
                lock.release()
            else:  # what Python does with its own locks in a child
                lock._at_fork_reinit()


def _generator_at(state: Any) -> "np.random.Generator":
    generator = new_generator(getattr(imported("numpy.random"), state["bit_generator"])(0))
    generator.bit_generator.state = state
    return generator
