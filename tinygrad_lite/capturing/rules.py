"""Rules that are replayed whole: `forward` or `backward` of an operation, called with arrays.

Every rule of a user's operation is, and one of ours that cannot be recorded step by step.
"""

from copy import copy
from typing import Any, TypeAlias

import numpy as np

from ..arrays.given import refuse_masked
from ..arrays.ownership import memory_owner
from ..engine.hooks import Hooks
from .entries import mapped

Attributes: TypeAlias = dict[str, Any]


def state_of(op: Any) -> Attributes:
    """The attributes of an operation."""
    found: Attributes = {}
    for name in type(op)._attributes:
        if name == "__dict__":
            found.update(vars(op))
        elif hasattr(op, name):
            found[name] = getattr(op, name)
    return {name: _copied(value) for name, value in found.items()}


def restore(op: Any, state: Attributes) -> None:
    """Give an operation these attributes, and no others."""
    for name in state_of(op).keys() - state.keys():
        delattr(op, name)
    for name, value in state.items():
        setattr(op, name, _copied(value))


def _copied(value: Any) -> Any:
    return copy(value) if type(value) in (list, dict, set) else value


class StandIn:
    """An operation that is replayed whole: the object, without the graph around it."""

    def __init__(self, op: Any) -> None:
        self.op = op


class SameForm:
    """What a user's rule returned while the step was captured: each replay must return the same.

    That is the shapes, dtypes and strides, and of which argument a result is a view.
    """

    def __init__(self, op: Any) -> None:
        self.name = type(op).__name__
        self.noted: Any = None

    def check(self, results: Any, given: Any) -> None:
        """RuntimeError if the form depends on values."""
        owners = [id(memory_owner(one)) for one in arrays_in(given)]
        found: list[Any] = []
        for one in results if isinstance(results, tuple) else (results,):
            if one is None:
                found.append(None)
                continue
            owner = id(memory_owner(one))
            of = owners.index(owner) if owner in owners else None
            found.append((one.shape, one.dtype, one.strides, of))
        if self.noted is None:
            self.noted = found
        elif self.noted != found:
            raise RuntimeError(
                f"capture: {self.name} returned arrays of another form than while the step was "
                "captured; if it depends on values, call the function without capture"
            )


def arrays_in(value: Any) -> list[Any]:
    """Every array in nested containers."""
    found: list[Any] = []
    mapped(value, lambda one: found.append(one) if isinstance(one, np.ndarray) else None)
    return found


def run_nested(
    op: Any, held: dict[str, Any], arrays: tuple[Any, ...], form: SameForm | None
) -> Any:
    """The forward rule of an operation, whose attributes hold these arrays."""
    restore(op, held)
    return op.forward(*arrays)


def run_forward(
    op: Any, held: dict[str, Any], arrays: tuple[Any, ...], form: SameForm | None
) -> Any:
    """The same as arrays; `form` if the rule is a user's."""
    result = run_nested(op, held, arrays, form)
    if form is not None:
        refuse_masked(f"{form.name}.forward", result)
    if isinstance(result, tuple):
        result = tuple([np.asarray(one) for one in result])
    else:
        result = np.asarray(result)
    if form is not None:
        form.check(result, arrays)
    return result


def run_backward(
    op: StandIn,
    held: dict[str, Any],
    gradient: Any,
    inputs: Any,
    output: Any,
    form: SameForm | None,
) -> Any:
    """The backward rule of an operation, some of whose attributes are held apart."""
    node = op.op
    for name, value in held.items():
        setattr(node, name, value)
    before = node.saved_inputs, node.saved_output
    node.saved_inputs, node.saved_output = inputs, output
    try:
        result = node.pull_back(gradient)
    finally:
        node.saved_inputs, node.saved_output = before
    if form is not None:
        given = arrays_in((gradient, inputs, output))
        result = tuple([_apart(one, given) for one in result])
        form.check(result, given)
    return result


def _apart(result: Any, given: list[Any]) -> Any:
    """A copy of a gradient that is one of the arguments: it may be in one call, and not in another.

    If a copy would lie in memory in another way, the argument itself.
    """
    if not any(result is one for one in given):
        return result
    copied = result.copy("K")
    return copied if copied.strides == result.strides else result


def run_hooks(hooks: Hooks, gradient: Any) -> Any:
    """What the hooks of a leaf make of its gradient, in memory of its own."""
    result = hooks.pass_through(gradient)
    return result.copy(order="K") if result is gradient else result
