"""What normalisations share: their inputs, and the numbers among their options."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_lite import Tensor, arguments

from ._inputs import Input, as_tensor, with_dtype


def in_float(x: Input, weight: Tensor | None) -> Tensor:
    """x in the dtype of the weight; if there is none, in its own, and integers as float32."""
    if weight is not None:
        return with_dtype(x, weight.dtype)
    x = as_tensor(x)
    return x if x.dtype.kind == "f" else x.cast(np.float32)


def wide(*tensors: Tensor | None) -> tuple[Any, ...]:
    """float16 tensors as float32, the others as they are."""
    return tuple(
        x.cast(np.float32) if isinstance(x, Tensor) and x.dtype == np.float16 else x
        for x in tensors
    )


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


def small_number(eps: Any, name: str) -> int | float:
    """`eps`, a number of 0 or more."""
    found = arguments.number(eps, f"{name}: eps")
    if not found >= 0:
        raise ValueError(f"{name}: eps: expected a number of 0 or more; got {eps}")
    return found
