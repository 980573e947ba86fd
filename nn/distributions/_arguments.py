"""What distributions take: tensors, arrays and numbers, which broadcast."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments, recorded

Value: TypeAlias = Tensor | NDArray[Any] | float


def as_tensor(name: str, value: Value, dtype: Any = np.float32) -> Tensor:
    """`value` as a Tensor of floats; integers and numbers get `dtype`.  An array is not copied."""
    try:
        if isinstance(value, np.ndarray) and value.ndim:
            value = Tensor.from_array(value)
        elif not isinstance(value, Tensor):
            return Tensor(arguments.number(value, name), dtype=dtype)
    except TypeError:
        raise arguments.wrong(name, "a Tensor, an ndarray or a number", value) from None
    return value if value.dtype.kind == "f" else value.cast(dtype)


def broadcast(name: str, **values: Value) -> list[Tensor]:
    """The values as tensors of one shape; a number gets the dtype of the first tensor."""
    floats = [
        value.dtype
        for value in values.values()
        if isinstance(value, Tensor | np.ndarray) and value.ndim + isinstance(value, Tensor) > 0
    ]
    # A wider float is refused below, by the name of the argument that has it.
    known = [dtype for dtype in floats if dtype.kind == "f" and dtype.itemsize <= 8]
    dtype = known[0] if known else np.dtype(np.float32)
    tensors = [as_tensor(f"{name}: {key}", value, dtype) for key, value in values.items()]
    shape = common_shape(name, **{key: t.shape for key, t in zip(values, tensors, strict=True)})
    return [tensor if tensor.shape == shape else tensor.expand(shape) for tensor in tensors]


def common_shape(name: str, **shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which all broadcast."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = " and ".join(f"{key} {shape}" for key, shape in shapes.items())
        raise ValueError(f"{name}: the shapes do not broadcast: {listed}") from None


@recorded.check
def check(name: str, values: Any, valid: Any, expected: str) -> None:
    """Raise unless all elements are valid; the message shows the first that is not."""
    if not np.all(valid):
        first = np.asarray(values)[~np.asarray(valid)].flat[0]
        raise ValueError(f"{name}: expected {expected}; got {first}")


def one_of(name: str, **values: Tensor | NDArray[Any] | float | None) -> tuple[str, Value]:
    """The one of several arguments that is given, with its name."""
    given = [(key, value) for key, value in values.items() if value is not None]
    if len(given) != 1:
        got = " and ".join(key for key, _ in given) or "none"
        raise ValueError(f"{name}: expected one of {', '.join(values)}; got {got}")
    return given[0]
