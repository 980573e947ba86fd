"""A Tensor that requires grad, in the place of a number: its gradient arrives, or the call raises.

Every call of the table in catalogue/methods is repeated with such a Tensor in turn for each of its
numbers, given or by default, and for each of its arrays of floats.
"""

from collections.abc import Iterator
from functools import partial
from inspect import Signature, signature
from typing import Any

import numpy as np
import pytest
from every import every
from methods import ROWS
from methods.row import Row

from tinygrad_lite import Tensor, grad

# Options of which no gradient is expected: what they give is a shape, a dtype, or a sign alone.
CONSTANT = {
    *("copysign other", "expand_as other", "reshape_as other", "type_as other", "view_as other"),
}
NOT_NUMBERS = {"dtype", "requires_grad", "keepdim", "transposed", "self"}


class Spy(Tensor):
    """Notes the public methods that are called on it directly, with their arguments."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]]

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("_") or not callable(value):
            return value
        return partial(note, name, np.array(self._data), value)


def note(name: str, data: np.ndarray, method: Any, *args: Any, **options: Any) -> Any:
    Spy.calls.append((name, (Tensor(data), *args), options))
    return method.__func__(Tensor(data), *args, **options)


def replaced(name: str, args: Any, options: Any) -> Iterator[tuple[str, list[Any], Tensor]]:
    """The arguments with a Tensor for one of them: its name, the arguments, and the Tensor."""
    form = signature(getattr(Tensor, name))
    given = form.bind(*args, **options).arguments
    for key, parameter in form.parameters.items():
        value = given.get(key, parameter.default)
        if key in NOT_NUMBERS or value is Signature.empty:
            continue
        if isinstance(value, Tensor):
            value = value.data
        if value is None or isinstance(value, (int, float)):
            numbers: Any = 1.0 if value is None else float(value)
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            numbers = value
        else:
            continue
        tensor = Tensor(np.asarray(numbers, np.float64), requires_grad=True)
        yield key, *called(form, {**given, key: tensor}), tensor


def called(form: Signature, given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The positional arguments and those by keyword."""
    bound = form.bind_partial()
    bound.arguments.update(given)
    return bound.args, bound.kwargs


def is_lost(name: str, args: Any, options: Any, tensor: Tensor) -> bool:
    """Whether a call gives a float result without a graph to this Tensor."""
    try:
        result = getattr(Tensor, name)(*args, **options)
    except (TypeError, ValueError, IndexError, RuntimeError):
        return False
    results = result if isinstance(result, tuple) else (result,)
    floats = [y for y in results if isinstance(y, Tensor) and y.dtype.kind == "f"]
    ends = [y for y in floats if y.requires_grad]
    if not floats:
        return False
    found = grad(ends, [tensor], [y.ones_like() for y in ends], allow_unused=True) if ends else []
    return all(each is None for each in found)


@pytest.mark.filterwarnings("ignore:(std|var):RuntimeWarning")  # a correction above the count
@every([row for row in ROWS if "f" in row.kinds], lambda row: row.method)
def test_no_gradient_is_lost_without_a_word(row: Row) -> None:
    Spy.calls = []
    inputs = [Spy(array) for array in row.inputs(row.shapes[0])]
    row.call(*inputs)
    lost = {
        f"{name} {key}"
        for name, args, options in Spy.calls
        for key, positional, keywords, tensor in replaced(name, args, options)
        if is_lost(name, positional, keywords, tensor)
    }
    assert lost - CONSTANT == set()
