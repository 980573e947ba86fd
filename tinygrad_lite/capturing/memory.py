"""Memory of a captured step: one arena, in which arrays whose lives do not overlap share space.

The positions of the arrays are decided while the program is made, entry by entry; then the arena is
allocated, once.
"""

from bisect import insort
from typing import Any

import numpy as np

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
