"""What layers take: inputs, in the dtype of the parameters, and options that many layers share."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_lite import Tensor, arguments, warn

Input: TypeAlias = Tensor | NDArray[Any]
Sizes: TypeAlias = int | Sequence[int]  # one for all axes, or one for each
Maybe = TypeVar("Maybe", Tensor, Tensor | None)

# Inputs


def as_tensor(x: Input, name: str = "") -> Tensor:
    """`x` as a Tensor.  The memory of an array is not copied.

    name: the function or argument that takes it, for the error; a layer's call names itself.

    Errors: TypeError for anything but a Tensor or an array of numbers.
    """
    if isinstance(x, Tensor):
        return x
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "biuf":
        got = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        where = f"{name}: " if name else ""
        raise TypeError(f"{where}expected a Tensor or an ndarray of numbers; got {got}")
    return Tensor.from_array(x)


def with_dtype(x: Input, dtype: np.dtype[Any], name: str = "") -> Tensor:
    """`x` as a Tensor of `dtype`, the dtype of the layer's parameters.

    Integers and bools are cast silently, other floats with a warning, since that cast is repeated
    at every step.  name: the argument, for the error.
    """
    tensor = as_tensor(x, name)
    if tensor.dtype == dtype:
        return tensor
    if tensor.dtype.kind == "f":
        warn(
            f"a layer casts its {tensor.dtype} input to the {dtype} of its parameters at every "
            f"call; cast the data once, with x.astype(np.{dtype})"
        )
    return tensor.cast(dtype)


def in_float(x: Input, weight: Tensor | None) -> Tensor:
    """`x` in the dtype of the weight; if there is none, in its own, and integers as float32."""
    if weight is not None:
        return with_dtype(x, weight.dtype)
    x = as_tensor(x)
    return x if x.dtype.kind == "f" else x.cast(np.float32)


def in_single(tensor: Maybe) -> Maybe:
    """A float16 tensor as float32, for layers that sum or multiply many times; None stays None."""
    if tensor is None or tensor.dtype != np.float16:
        return tensor
    return tensor.cast(np.float32)


def with_channels(name: str, x: Input, given: Mapping[str, Tensor | None]) -> Tensor:
    """x, (N, C, ...), for a function of this name; what is given with it must be (C,)."""
    x = in_float(x, given["weight"])
    if x.ndim < 2:
        raise ValueError(f"{name}: expected (N, C, ...); got {x.shape}")
    for key, tensor in given.items():
        if tensor is not None and tensor.shape != x.shape[1:2]:
            raise ValueError(
                f"{name}: {key}: expected {x.shape[1:2]}, a number for each channel of "
                f"{x.shape}; got {tensor.shape}"
            )
    return x


# Options


def float_dtype(dtype: DTypeLike | None, layer: str) -> np.dtype[Any] | None:
    """The `dtype` that a layer is given for its parameters; None, for float32, stays None.

    Errors: TypeError unless it is float16, float32 or float64.
    """
    try:
        found = None if dtype is None else Tensor.zeros(0, dtype=dtype).dtype
    except TypeError:  # none that a tensor can have
        found = np.dtype(bool)
    if found is not None and found.kind != "f":
        raise arguments.wrong(f"{layer}: dtype", "a float dtype, such as np.float32", dtype)
    return found


def per_axis(value: Any, rank: int, name: str, least: int | None = 1) -> tuple[int, ...]:
    """One integer for each of `rank` spatial axes; a single one is for all.  name: for the error.

    Errors: ValueError for another number of them, or one below `least`.
    """
    found = arguments.sizes(value, name, least)
    if len(found) == 1:
        return found * rank
    if len(found) != rank:
        raise ValueError(f"{name}: expected an integer or {rank} of them; got {found}")
    return found


def optional(x: Any, name: str) -> Tensor | None:
    """`x` as a Tensor, or None; it is a constant."""
    if x is None:
        return None
    if not isinstance(x, Tensor):
        plain = isinstance(x, np.ndarray) and not hasattr(x, "mask")
        if not plain or x.dtype.kind not in "biuf" or x.dtype.itemsize > 8:
            raise arguments.wrong(name, "a Tensor, an ndarray or None", x)
        return Tensor(x)
    if x.requires_grad:
        raise ValueError(f"{name}: it is a constant; detach() it, no gradient flows there")
    return x


def reduction_of(
    name: str, reduction: Any, size_average: object = None, reduce: object = None, *others: str
) -> Any:
    """The reduction of the loss called `name`, which may be one of `others` too."""
    for key, value in (("size_average", size_average), ("reduce", reduce)):
        if value is not None:
            fix = '; write reduction="mean", "sum" or "none"'
            raise arguments.wrong(f"{name}: {key}", "None", value, fix)
    return arguments.choice(reduction, f"{name}: reduction", *others, "mean", "sum", "none")
