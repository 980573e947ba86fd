"""`capture(check=n)`: a replay and the eager step from the same state, compared bit for bit."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays import generator
from ..engine.graph import Leaf, TensorBase
from .looking import items
from .reach import path_text, reached_by


class Differs(Exception):
    """A replay did something else than the eager step."""


class State:
    """All that a step may change: arrays, gradients, and the generator."""

    def __init__(self, fn: Callable[..., Any], args: Any, options: Any) -> None:
        reached = reached_by(fn, args, options)
        tensors = [(path_text(reached.paths[key]), one) for key, one in reached.fixed.items()]
        values = [(str(place), value) for place, value in reached.inputs]
        values += [(path_text(path), value) for path, value in _arrays_in((args, options), ())]
        tensors += [(name, value) for name, value in values if isinstance(value, TensorBase)]
        self.leaves = [(name, one) for name, one in tensors if isinstance(one._node, Leaf)]
        self.arrays = [(name, one._data) for name, one in tensors]
        self.arrays += [(name, value) for name, value in values if isinstance(value, np.ndarray)]
        self.arrays += [("an optimiser's state", array) for array in reached.states()]
        self.arrays += [
            (f"{name}.grad", leaf._grad._data)
            for name, leaf in self.leaves
            if leaf._grad is not None
        ]
        self.before = [array.copy(order="K") for _, array in self.arrays]
        self.grads = [leaf._grad for _, leaf in self.leaves]
        self.random = generator.get_state()

    def restore(self) -> None:
        """Put everything back."""
        for (_, array), before in zip(self.arrays, self.before, strict=True):
            if array.flags.writeable:
                np.copyto(array, before)
        for (_, leaf), grad in zip(self.leaves, self.grads, strict=True):
            leaf._grad = grad
        generator.set_state(self.random)

    def now(self, result: Any) -> dict[str, Any]:
        """What there is after a call with this result, by name."""
        found = {f"{name} (array {n})": _bits(one) for n, (name, one) in enumerate(self.arrays)}
        for name, leaf in self.leaves:
            found[f"{name}.grad"] = _bits(leaf._grad)
        return {**found, "the result": _bits(result), "the generator": generator.get_state()}


def compared(replay: Callable[[], Any], eager: Callable[[], Any], state: State) -> Any:
    """The result of the eager call; Differs, and nothing is changed, if the two differ."""
    replayed = state.now(replay())
    state.restore()
    result = eager()
    expected = state.now(result)
    wrong = [name for name, bits in expected.items() if replayed[name] != bits]
    if wrong:
        state.restore()
        raise Differs(
            f"differs from the eager call in {', '.join(wrong[:3])}; something that it "
            "depends on has changed where a captured step cannot see it"
        )
    return result


def _arrays_in(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, (TensorBase, np.ndarray)):
        yield path, value
    elif isinstance(value, (tuple, list, dict)):
        for key, one in items(value):
            yield from _arrays_in(one, (*path, key))


def _bits(value: Any) -> Any:
    if isinstance(value, TensorBase):
        return type(value).__name__, _bits(value._data)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, (tuple, list)):
        return [_bits(one) for one in value]
    if isinstance(value, dict):
        return {key: _bits(one) for key, one in value.items()}
    return repr(value) if isinstance(value, (float, complex)) else value
