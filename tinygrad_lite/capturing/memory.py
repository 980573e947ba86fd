"""Memory of a captured step: one arena, in which arrays whose lives do not overlap share space.

The positions of the arrays are decided while the program is made, entry by entry; then the arena is
allocated, once.
"""

from bisect import insort
from sys import getrefcount
from typing import Any

import numpy as np

from ..engine.graph import TensorBase

ALIGNMENT = 64  # bytes, the length of a cache line and of the widest vectors


class Form:
    """What every replay has in common of an array: all but its values."""

    __slots__ = ("dtype", "nbytes", "ndim", "shape", "size", "strides", "writeable")

    def __init__(self, array: Any) -> None:
        self.shape, self.dtype, self.strides = array.shape, array.dtype, array.strides
        self.size, self.ndim, self.nbytes = array.size, array.ndim, array.nbytes
        self.writeable = bool(array.flags.writeable)

    @property
    def below(self) -> int:
        """How many bytes lie before the first element: more than 0 for negative strides."""
        return -sum(min(0, (n - 1) * s) for n, s in zip(self.shape, self.strides, strict=True))

    @property
    def extent(self) -> int:
        """How many bytes lie between the first and the last one, both included."""
        if not self.size:
            return 0
        steps = zip(self.shape, self.strides, strict=True)
        return self.dtype.itemsize + sum((n - 1) * abs(s) for n, s in steps)


class Arena:
    """Space for the arrays of a program.  An address is a number of bytes from its start.

    nbytes  how much there is
    """

    def __init__(self) -> None:
        self.nbytes = 0
        self.gaps: list[tuple[int, int]] = []  # free space: address and size, by address
        self.room: Any = None

    def reserve(self, nbytes: int) -> int:
        """The address of the smallest gap that is large enough, or of new space."""
        nbytes = _rounded(nbytes)
        fitting = [(size, address) for address, size in self.gaps if size >= nbytes]
        if fitting:
            size, address = min(fitting)
            self.gaps.remove((address, size))
            if size > nbytes:
                insort(self.gaps, (address + nbytes, size - nbytes))
            return address
        address = self.nbytes
        if self.gaps and sum(self.gaps[-1]) == self.nbytes:  # a gap at the end grows
            address, _ = self.gaps.pop()
        self.nbytes = address + nbytes
        return address

    def release(self, address: int, nbytes: int) -> None:
        """The space is free again."""
        nbytes = _rounded(nbytes)
        for gap in list(self.gaps):
            if sum(gap) == address:
                self.gaps.remove(gap)
                address, nbytes = gap[0], gap[1] + nbytes
            elif gap[0] == address + nbytes:
                self.gaps.remove(gap)
                nbytes += gap[1]
        insort(self.gaps, (address, nbytes))

    def array(self, address: int, form: Form) -> Any:
        """An array whose first element lies at this address."""
        if self.room is None:
            room = np.empty(self.nbytes + ALIGNMENT, np.uint8)
            start = -room.ctypes.data % ALIGNMENT
            self.room = room[start : start + self.nbytes]
        array: Any = np.ndarray(form.shape, form.dtype, self.room, address, form.strides)
        array.flags.writeable = form.writeable
        return array


def _rounded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class Spare:
    """The memory of a leaf's gradient, for its next one, while nobody but the leaf holds it."""

    def __init__(self, leaf: Any, form: Form) -> None:
        self.leaf, self.form = leaf, form

    def array(self) -> Any:
        """The array that owns the memory; None if it is another one, or somebody holds it."""
        if self.leaf._grad is None or _holders(self.leaf) not in _ALONE:
            return None
        array = self.leaf._grad._data
        owner = array if array.base is None else array.base
        form = self.form
        fits = (
            type(owner) is np.ndarray
            and owner.base is None
            and owner.flags.writeable
            and owner.shape == form.shape
            and owner.dtype == form.dtype
            and owner.strides == form.strides
        )
        return owner if fits else None


def _holders(leaf: Any) -> tuple[int, int, int]:
    """How many references there are to the gradient, to its array, and to the owner of that."""
    grad = leaf._grad
    array = grad._data
    owner = array if array.base is None else array.base
    return getrefcount(grad), getrefcount(array), getrefcount(owner)


def _holders_if_alone(view: bool) -> tuple[int, int, int]:
    leaf = TensorBase._wrap(np.empty(2), None)
    leaf._grad = TensorBase._wrap(np.empty(2)[:1] if view else np.empty(2), None)
    return _holders(leaf)


# As Python counts, which differs from version to version.
_ALONE = {_holders_if_alone(view=True), _holders_if_alone(view=False)}
