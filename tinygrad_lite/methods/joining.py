"""Putting tensors together, and taking one apart."""

from typing import Any, Self

from ..graph import TensorBase
from ..ops.movement import Concatenate
from ..shapes import normalize_axis
from .operands import matched


class JoiningMethods(TensorBase):
    """Several tensors into one, one into several."""

    __slots__ = ()

    def cat(self, *others: Any, axis: int = 0) -> Self:
        """This tensor and the others one after the other along `axis`."""
        return concatenate((self, *others), axis)


def concatenate(tensors: Any, axis: int = 0) -> Any:
    """The tensors one after the other along `axis`; the other sizes must agree."""
    parts = matched("cat", *tensors)
    if not all(hasattr(part, "shape") for part in parts):
        raise TypeError("cat: expected tensors or arrays; got a number; make it a Tensor first")
    first = parts[0].shape
    place = normalize_axis(axis, len(first), "cat")
    for part in parts[1:]:
        if part.ndim != len(first) or any(
            a != b for k, (a, b) in enumerate(zip(part.shape, first, strict=True)) if k != place
        ):
            raise ValueError(f"cat: shapes {first} and {part.shape} differ outside axis {place}")
    return Concatenate.apply(*parts, axis=place)
