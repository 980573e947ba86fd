"""Selection of elements, by masks and as extremes, where NumPy's own functions are slow."""

from typing import Any

import numpy as np

from .recorded import holds, opaque, whole
from .shapes import Shape
from .threads import parallel, slices

LARGE = 1 << 22  # bytes from which on the pool pays off
SMALL = 1 << 12  # elements up to which a product with the sign is faster than one with the bits

INTEGERS = {2: np.int16, 4: np.int32, 8: np.int64}  # for each size of float, in bytes


@whole
def masked(x: Any, mask: Any) -> Any:
    """x where the mask is True or positive, else 0, also where x is inf or nan.

    Where a mask of floats is nan, so is the result.

    np.where is far slower on a mask in random order, and a product with the mask gives nan for inf
    times 0.  So the bits of x, as an integer, are multiplied by 1 or 0.  A small array is first
    multiplied by the sign of the mask, and again by its bits if that gave a nan.
    """
    return _kept(x, mask) if mask.dtype == bool else _where_positive(x, mask)


@whole
def _where_positive(x: Any, mask: Any) -> Any:
    """`masked` for a mask of floats."""
    if x.size <= SMALL and mask.dtype == x.dtype:
        y = x * np.sign(mask)
        largest = largest_of_all(y)
        if largest == largest:  # no nan
            return y
    y = _kept(x, mask)
    return np.where(mask != mask, mask, y) if has_nan(mask) else y


def _kept(x: Any, mask: Any) -> Any:
    """x where the mask is True or not 0, else 0."""
    integer = INTEGERS[x.dtype.itemsize]
    if x.nbytes < LARGE or mask.shape != x.shape:
        bits = _truth(mask).astype(integer)
        fits = bits.ndim and bits.shape == x.shape
        return np.multiply(bits, x.view(integer), out=bits if fits else None).view(x.dtype)
    y = np.empty_like(x)

    def keep(part: slice) -> None:
        bits = _truth(mask[part]).astype(integer)
        np.multiply(bits, x[part].view(integer), out=y[part].view(integer))

    parallel(keep, slices(x))
    return y


def largest_of_all(x: Any) -> Any:
    """The largest element of an array, nan if there is one; -inf if there is no element."""
    if 0 < x.size <= SMALL:  # argmax is far faster than a reduction then
        return x.item(x.argmax())
    return np.maximum.reduce(x, axis=None, initial=-np.inf)


def smallest_of_all(x: Any) -> Any:
    """The smallest element of an array, nan if there is one; inf if there is no element."""
    if 0 < x.size <= SMALL:
        return x.item(x.argmin())
    return np.minimum.reduce(x, axis=None, initial=np.inf)


def has_nan(x: Any) -> bool:
    """Whether an element is nan, which is the largest of all for NumPy.  Array or Tensor."""
    if not isinstance(x, (np.ndarray, np.generic)):
        return bool((x != x).any())
    found = largest_of_all(x)
    return bool(found != found)


@opaque
def where_nan(x: Any) -> Any:
    """The mask of the elements that are nan, or None if there is none."""
    return x != x if x.dtype.kind == "f" and has_nan(x) else None


@whole
def nan_under(g: Any, nans: Any) -> Any:
    """g, but nan under a mask of `where_nan`; linear in g.  Array or Tensor.

    A new array is laid out as g, with nan and without.
    """
    y = g * 1.0
    if nans is None:
        return y
    factor = np.where(nans, np.nan, 1.0).astype(g.dtype)
    return np.multiply(y, factor, out=y) if y.__class__ is np.ndarray else y * factor


@whole
def zero_or_nan(g: Any, nans: Any) -> Any:
    """0 like g, but nan under a mask of `where_nan`."""
    y = np.zeros_like(g)
    if nans is not None:
        np.copyto(y, np.nan, where=nans)
    return y


def _truth(mask: Any) -> Any:
    """A mask as 0 and 1."""
    return (mask if mask.dtype == bool else mask != 0).view(np.int8)


def relu(x: Any) -> Any:
    """max(x, 0); nan stays nan.  For large arrays `clip` is faster than np.maximum."""
    if x.size <= 4096 or x.dtype.kind != "f":
        return np.maximum(x, 0)
    if x.nbytes < LARGE:
        return x.clip(0, np.inf)
    y = np.empty_like(x)
    parallel(lambda part: x[part].clip(0, np.inf, out=y[part]), slices(x))
    return y


def largest_along(x: Any, axes: Shape, keepdims: bool = False, **initial: float) -> Any:
    """np.maximum.reduce(x, axis=axes, keepdims=keepdims, **initial).

    In rows of float32 or float64, np.argmax finds the positions, since it uses vector instructions.
    """
    if x.dtype.char in "fd" and axes == (x.ndim - 1,) and x.ndim > 1 and x.flags.c_contiguous:
        length = x.shape[-1]
        if x.size and length <= 2048:
            rows = x.reshape(-1, length)
            found = rows[np.arange(len(rows)), rows.argmax(1)]
            return found.reshape((*x.shape[:-1], 1) if keepdims else x.shape[:-1])
    maximum: Any = np.maximum.reduce
    return maximum(x, axis=axes, keepdims=keepdims, **initial)


def attains(x: Any, extreme: Any) -> Any:
    """Where x attains its extreme; if that is nan, where x is nan.  Array or Tensor."""
    found = x == extreme
    if holds(_some_nan, extreme):
        found = found | (x != x)  # the latter holds for nan only
    return found


def some_infinite(x: Any) -> Any:
    """Whether an element is inf.  Array or Tensor."""
    return (x == np.inf).any()


def _some_nan(x: Any) -> Any:
    return (x != x).any()
