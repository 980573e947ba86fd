"""What a recorded call changed: refused, noted for the replays, or undone.

A replay does what arrays are asked to do, and nothing else.  So whatever else a call changed, of
the objects that it reaches, is found by comparing them with copies that were made before.  Of the
arrays that it writes into, copies are made before the first write, so that a call whose replays
would be wrong can be undone: nothing has been written then.
"""

import builtins
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from ..arrays import generator
from ..arrays.recorded import recorder
from ..engine.graph import TensorBase
from .entries import Var
from .looking import items
from .reach import Key, Reached, path_text
from .trace import Trace
from .traced import Traced

_SWITCHES = (bool, str, type(None))  # what an attribute may be set to in each replay
_PLAIN = (int, float, complex, str, bytes, type(None), np.generic)


class Undo:
    """What the call has written, as it was before."""

    def __init__(self, reached: Reached) -> None:
        self.reached = reached
        self.copies: list[tuple[Any, Any]] = []
        self.saved: set[Any] = set()
        self.grads: list[tuple[Any, Any]] = []
        self.data: list[tuple[Any, Any]] = []
        self.each_time = self.tensors_saved = False
        self.state: Any = None

    def before_write(self, var: Var) -> None:
        """An entry is about to write into a variable."""
        if var.root.kind in ("outside", "input", "constant") and var not in self.saved:
            self.saved.add(var)
            self._copy(var.value)

    def before_each_time(self, read: Iterator[Var]) -> None:
        """A function that may write into anything is about to be called: an optimiser, a draw."""
        if not self.each_time:
            self.each_time = True
            if "numpy.random" in sys.modules:  # a number may have been drawn
                self.state = generator.get_state()
            for array in self.reached.states():
                self._copy(array)
        for var in read:
            self.before_write(var)

    def _copy(self, array: Any) -> None:
        if isinstance(array, np.ndarray):
            self.copies.append((array, array.copy()))

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """What changes inside is no change of the step's."""
        contents = self.reached.contents
        same = [number for number, pair in enumerate(contents) if _same_content(*pair)]
        try:
            yield
        finally:
            for number in same:
                container, _ = contents[number]
                contents[number] = container, _copied(container)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The same around code of the user's that knows nothing of the record.

        The tensors hold their arrays inside: replays read those too.
        """
        if not self.tensors_saved:
            self.tensors_saved = True
            for _, array in self.data:
                self._copy(array)
        carried = [(tensor, tensor._data) for tensor, _ in self.data]
        carried = [pair for pair in carried if type(pair[1]) is Traced]
        for tensor, one in carried:
            tensor._data = one.value
        try:
            with self.unwatched():
                yield
        finally:
            for tensor, one in carried:
                if tensor._data is one.value:
                    tensor._data = one

    def run(self) -> None:
        """Restore everything."""
        for change in list(changes_of(self.reached)):
            if change.place is not None:
                change.place.write(change.before)
        for array, before in reversed(self.copies):
            np.copyto(array, before)
        for tensor, array in reversed(self.data):  # the first that is noted was there before
            tensor._data = array
        for leaf, grad in self.grads:
            leaf._grad = grad
        for container, before in (*self.reached.contents, *self.reached.kept):
            if not _same_content(container, before):
                container.clear()
                getattr(container, "update" if isinstance(container, (dict, set)) else "extend")(
                    before
                )
        if self.state is not None:
            generator.set_state(self.state)


class Streams:
    """The random numbers that do not come from our generator: where they stand."""

    def __init__(self, reached: Reached) -> None:
        self.generators = [
            (getattr(one, "bit_generator", one), reached.named[id(one)])
            for one in reached.generators
        ]
        self.before = self._now()

    def _now(self) -> dict[Any, Any]:
        states: dict[Any, Any] = {"random": random.getstate()}
        numpy = sys.modules.get("numpy.random")
        if numpy is not None:
            _, keys, position, *more = numpy.get_state()
            states["np.random"] = keys.tobytes(), position, more
        for number, (one, _) in enumerate(self.generators):
            with suppress(AttributeError):
                states[number] = repr(getattr(one, "state", None) or one.get_state())
        return states

    def drawn(self) -> str | None:
        """The name of what numbers were drawn from; None if none were."""
        for key, state in self._now().items():
            if state != self.before.get(key):
                return self.generators[key][1] if isinstance(key, int) else key
        return None


@contextmanager
def printing(trace: Trace) -> Iterator[None]:
    """Inside, the step's `print` and `input` are noticed, which replays would not do.

    Those of hooks, observers and rules of the user's are not: replays call them.
    """
    before = builtins.print, builtins.input

    def noticed(function: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if recorder.get() is not None and not trace.is_over():
                trace.fail(
                    f"calls {function.__name__}(), which replays would not do; do it after the call"
                )
            return function(*args, **options)

        return call

    builtins.print, builtins.input = map(noticed, before)
    try:
        yield
    finally:
        builtins.print, builtins.input = before


class Changed:
    """One change of an object: where, and what stands there now."""

    def __init__(
        self, path: str, before: Any, now: Any, container: Any, key: Any, place: Any = None
    ) -> None:
        self.path, self.before, self.now = path, before, now
        self.container, self.key, self.place = container, key, place

    @property
    def is_switch(self) -> bool:
        """Whether a replay can do it too: `self.training = True`."""
        known = type(self.now) in _SWITCHES and type(self.before) in (*_SWITCHES, Missing)
        return known and isinstance(self.container, dict) and isinstance(self.key, str)

    @property
    def rebinds(self) -> bool:
        """Whether an array that was there before is another one now."""
        return all(isinstance(one, (TensorBase, np.ndarray)) for one in (self.before, self.now))

    @property
    def keeps(self) -> bool:
        """Whether a tensor of the step is kept."""
        return isinstance(self.now, (TensorBase, np.ndarray)) or type(self.now) is Traced


class Missing:
    """In place of a value that is not there."""


def changes_of(reached: Reached) -> Iterator[Changed]:
    """What is no longer what it was before the call, among all that was found."""
    for container, before in reached.contents:
        if not _same_content(container, before):
            name = reached.named.get(id(container), "")
            keyed = id(container) in reached.keyed
            yield from _changes_in(name, container, before, keyed)
    for place, value in (*reached.links, *reached.inputs):
        if isinstance(place.owner, (dict, list)) and id(place.owner) in reached.watched:
            continue
        now: Any = Missing
        with suppress(AttributeError, KeyError, IndexError, ValueError):
            now = place.read()
        if now is not value:
            yield Changed(str(place), value, now, place.owner, place.key, place)


def _same_content(container: Any, before: Any) -> bool:
    if len(container) != len(before):
        return False
    if isinstance(container, (set, frozenset)):
        return bool(container == before)
    pairs = zip(items(container), items(before), strict=True)
    return all(_opened(a) is b and (k is j or k == j) for (k, a), (j, b) in pairs)


def _opened(value: Any) -> Any:
    """An array in whose place a Traced stands while the step is recorded."""
    return value.value if type(value) is Traced else value


def _copied(container: Any) -> Any:
    copied = container.copy()
    for key, one in list(items(container)) if isinstance(container, (list, dict)) else ():
        copied[key] = _opened(one)
    return copied


def _changes_in(name: str, container: Any, before: Any, keyed: bool) -> Iterator[Changed]:
    if isinstance(container, dict):
        for key in {**before, **container}:
            old, new = before.get(key, Missing), container.get(key, Missing)
            if old is not new:
                part = Key(key) if keyed and isinstance(key, str) else key
                path = path_text(tuple(one for one in (name, part) if one != ""))
                yield Changed(path, old, new, container, key)
        return
    old_items, new_items = list(before), list(container)
    for position in range(max(len(old_items), len(new_items))):
        old, new = (
            each[position] if position < len(each) else Missing for each in (old_items, new_items)
        )
        if old is not new:
            yield Changed(f"{name}[{position}]", old, new, container, position)
            return
