"""The random generator that every random number is drawn from: `tinygrad_lite.generator`.

`Tensor.manual_seed` seeds it; NumPy's global state is neither read nor changed.

    rng = generator.current()              a np.random.Generator, to draw from it with NumPy
    with generator.seeded(7): ...          inside, random numbers of their own
    state = generator.get_state()          its state, as a dict that can be written as JSON
    generator.set_state(state)             the same numbers follow again

An iterator whose loop draws random numbers of its own has a `Branch`; `outside()` of it, the
generator is the one that the loop began with.

np.random is slow to import, so nothing here imports it until a number is drawn; this is why its
types are in quotes.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from . import arguments
from .locks import ProcessLock, imported, in_forked_child
from .recorded import each_time, leaves, recorder

_shared: "np.random.Generator | None" = None  # until a number is drawn, or a seed is set

# The generator of a computation that is or can be repeated (see below); None anywhere else.
_own: "ContextVar[np.random.Generator | None]" = ContextVar("_own", default=None)

# The branches that are open here, each with what `_own` was before it.
_branches: "ContextVar[tuple[tuple[Branch, np.random.Generator | None], ...]]" = ContextVar(
    "_branches", default=()
)

# The state of the shared generator, while such a computation continues from it in one thread. The
# numbers that follow are that thread's, so the others draw from streams that are far away.
_lent: Any = None
_streams = count(1)
_lending = ProcessLock()

# NumPy's bit generators, with the last position in the buffer of those that have one.
_LAST_POSITION = {"PCG64": 0, "PCG64DXSM": 0, "MT19937": 624, "Philox": 4, "SFC64": 0}


class Source:
    """A generator, and the state to start it from.

    While a step is captured, it stands for one that the step makes: each replay makes it anew.
    """

    __slots__ = ("generator", "state")

    def __init__(self, state: Any = None) -> None:
        self.generator: Any = None
        self.state = state


# What a step that is being captured draws from; None for the generator that is current.
source: ContextVar[Source | None] = ContextVar("source", default=None)


def current() -> "np.random.Generator":
    """The generator to draw from.  Ask for it each time: `manual_seed` makes another one."""
    leaves("generator.current(), whose numbers are not recorded")
    return drawn_from(source.get())


def drawn_from(given: Source | None) -> "np.random.Generator":
    """The generator of a source; None for the one that is current."""
    return _own.get() or _shared or _another() if given is None else given.generator


def new_generator(seed: Any = None) -> "np.random.Generator":
    """NumPy's default_rng: a generator that nothing else draws from.

    A Generator as `seed` is returned as it is; None takes fresh entropy.
    """
    generator: np.random.Generator = imported("numpy.random").default_rng(seed)
    return generator


def from_seed(seed: Any, name: str) -> "np.random.Generator":
    """The generator that a function's argument `seed` stands for.

    seed: an int of 0 or more, a np.random.SeedSequence, BitGenerator or Generator (which is
        returned as it is), or None for fresh entropy.
    name: the function and its argument, for an error: "dropout: seed".

    Errors: TypeError for anything else.
    """
    random = imported("numpy.random")
    kinds = (random.Generator, random.BitGenerator, random.SeedSequence, type(None))
    return new_generator(seed if isinstance(seed, kinds) else arguments.seed(seed, name))


def seed(number: int) -> None:
    """Restart the random numbers: the same seed gives the same numbers."""
    _seed(source.get(), number)


@each_time
def _seed(given: Source | None, number: int) -> None:
    if given is None:
        _continue_with(new_generator(number))
    else:
        given.generator = new_generator(number)


def seeded(seed: Any) -> "AbstractContextManager[np.random.Generator]":
    """Inside, this thread draws from a generator of its own, which is what the block gets.

    seed: an int, a np.random.SeedSequence, a np.random.Generator (which is drawn from), or None
        for fresh entropy.

    Outside, and for other threads, nothing changes.
    """
    if hasattr(seed, "random_raw") or hasattr(seed, "bit_generator"):
        leaves("generator.seeded() with a Generator, which others may draw from too")
    return _seeded(seed)


@contextmanager
def _seeded(seed: Any) -> "Iterator[np.random.Generator]":
    if recorder.get() is not None:
        with _recorded(partial(from_seed, seed, "seeded: seed")) as generator:
            yield generator
        return
    token = _own.set(from_seed(seed, "seeded: seed"))
    try:
        yield current()
    finally:
        _own.reset(token)


@contextmanager
def _recorded(make: Any) -> "Iterator[np.random.Generator]":
    """Inside, a step that is being captured draws from the generator that `make` makes."""
    given = Source()
    _start(given, make)
    token = source.set(given)
    try:
        yield given.generator
    finally:
        source.reset(token)


@each_time
def _start(given: Source, make: Any) -> None:
    given.generator = make()


class Branch:
    """Random numbers of its own for the body of a loop, given by the iterator.

        branch = generator.Branch(seed)
        branch.open()
        try:
            yield batch
        finally:
            branch.close()

    seed: as for `seeded`.

    Between `open` and `close`, this thread draws from a generator of its own.  Unlike the blocks of
    `with seeded(...)`, branches may be closed in any order, as of two iterators in one `zip`.  One
    that another thread closes stays open here until the next is opened, or `outside` is asked.
    """

    def __init__(self, seed: Any) -> None:
        self.seed, self.closed = seed, False

    def open(self) -> None:
        """From now on, this thread draws from a new generator with this seed."""
        leaves("an iterator that gives its loop random numbers of its own")
        _leave_closed_branches()
        _branches.set((*_branches.get(), (self, _own.get())))
        _own.set(from_seed(self.seed, "Branch: seed"))

    def close(self) -> None:
        """Draw again from what was drawn from before, or from a branch that was opened later."""
        self.closed = True
        _leave_closed_branches()


def _leave_closed_branches() -> None:
    """Continue with what was current before those that are closed."""
    left: list[tuple[Branch, np.random.Generator | None]] = []
    found = _branches.get()
    before = found[0][1] if found else None
    closed = False  # the branch before this one, which therefore takes over what was before that
    for branch, own in found:
        before = before if closed else own
        closed = branch.closed
        if not closed:
            left.append((branch, before))
    if len(left) < len(found):
        _branches.set((*left,))
        if closed:
            _own.set(before)


@contextmanager
def outside() -> Iterator[None]:
    """Inside, this thread draws from the generator that was current before any `Branch`."""
    _leave_closed_branches()
    found, own = _branches.get(), _own.get()
    if not found:
        yield
        return
    _branches.set(())
    _own.set(found[0][1])
    try:
        yield
    finally:
        # Another state, or another seed, may have been set.
        _branches.set(((found[0][0], _own.get()), *found[1:]))
        _own.set(own)


def get_state(source: "np.random.Generator | None" = None) -> dict[str, Any]:
    """The state of a generator: a dict of numbers, text, and lists of numbers.

    source: the generator; None for the one that Tensor draws from.
    """
    state: dict[str, Any] = _plain((source or current()).bit_generator.state)
    return state


def set_state(state: Any, target: "np.random.Generator | None" = None) -> None:
    """Restore the state that `get_state` gave, of this generator or of one of the same kind.

    target: the generator; None for the one that Tensor draws from.

    Errors: ValueError if `state` is not what `get_state` gives, or that of another kind of
    generator; then nothing has changed.
    """
    leaves("generator.set_state()")
    generator = _generator_at(_checked(state))
    if target is None:
        _continue_with(generator)
        return
    kind, given = (type(each.bit_generator).__name__ for each in (target, generator))
    if kind != given:
        raise ValueError(f"set_state: expected the state of a {kind}; got that of a {given}")
    target.bit_generator.state = generator.bit_generator.state


@contextmanager
def repeatable() -> Iterator[Source]:
    """Inside, this thread draws from a copy; the generator then continues where the copy ended.

    So no other thread draws numbers in between.  Yields the state, for `repeated`.
    """
    global _shared, _lent
    if recorder.get() is not None:
        start = Source()
        _note(start, source.get())
        yield start
        return
    nested = _own.get() is not None
    with _lending.lock:
        lends = not nested and _lent is None
        state = (current() if nested or lends else _stream()).bit_generator.state
        if lends:
            _shared, _lent = None, state
    token = _own.set(_generator_at(state))
    try:
        yield Source(state)
    finally:
        moved = current()
        _own.reset(token)
        with _lending.lock:
            if nested:
                _move(current(), moved)
            elif _lent is state:
                _shared, _lent = moved, None


def _move(own: "np.random.Generator", moved: "np.random.Generator") -> None:
    """Continue in `own`, which its owner may draw from too, where `moved` is."""
    if type(own.bit_generator) is type(moved.bit_generator):
        own.bit_generator.state = moved.bit_generator.state
    else:  # another seed was set
        _own.set(moved)


@each_time
def _note(start: Source, given: Source | None) -> None:
    start.state = drawn_from(given).bit_generator.state


@contextmanager
def repeated(start: Source) -> Iterator[None]:
    """Inside, this thread draws the numbers that followed `start`; the generator is unchanged."""
    if recorder.get() is not None:
        with _recorded(lambda: _generator_at(start.state)):
            yield
        return
    token = _own.set(_generator_at(start.state))
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


def _continue_with(generator: "np.random.Generator") -> None:
    """Draw from this generator from now on."""
    global _shared, _lent
    if _own.get() is not None:
        _own.set(generator)
        return
    with _lending.lock:
        _shared, _lent = generator, None  # what was lent is not taken back


def _plain(state: Any) -> Any:
    """The state of a bit generator without arrays."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _checked(state: Any) -> dict[str, Any]:
    """A state that some bit generator can have.

    NumPy itself takes positions outside of its buffers, and then reads memory that is not its own.
    """
    kind = state.get("bit_generator") if isinstance(state, dict) else None
    if not isinstance(kind, str) or kind not in _LAST_POSITION:
        kinds = ", ".join(_LAST_POSITION)
        got = arguments.shown(state if kind is None else kind)
        raise ValueError(f"set_state: expected the state of a generator ({kinds}); got {got}")
    try:
        # A generator in a valid state has that same state, number by number.
        same: bool = get_state(_generator_at(state)) == state
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
        same = False
    if same:  # and so every part is there
        position = state["state"]["pos"] if kind == "MT19937" else state.get("buffer_pos", 0)
        same = 0 <= position <= _LAST_POSITION[kind]
    if not same:
        raise ValueError(f"set_state: the state of the {kind} is damaged; take it from get_state()")
    checked: dict[str, Any] = state
    return checked


def _generator_at(state: Any) -> "np.random.Generator":
    generator = new_generator(getattr(imported("numpy.random"), state["bit_generator"])(0))
    generator.bit_generator.state = state
    return generator
