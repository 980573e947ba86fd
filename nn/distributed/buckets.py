"""Buckets: which arrays travel together, and how they are packed into one.

Many small messages would each cost the time that one takes to arrive, and one large message could
only be sent when everything is there.  So gradients are gathered in buckets of some megabytes, in
the reverse order of the parameters: it is about the order in which a backward pass finishes them.
"""

from collections.abc import Container, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Form: TypeAlias = tuple[tuple[int, ...], np.dtype[Any]]  # the shape and the dtype of an array


class Member(NamedTuple):
    """An array in a bucket: its position among all arrays, its elements there, and its shape."""

    position: int
    elements: slice
    shape: tuple[int, ...]


class Bucket(NamedTuple):
    """Arrays that travel together.

    Behind their elements stands one number for each: 1 if this process has the array, 0 if not, or
    if it is as it was in all processes before; so their sum tells whether there is anything new.

    dtype: that of the message: float32 for float16, in which sums would overflow.
    length: the number of elements of the message.
    """

    dtype: np.dtype[Any]
    members: tuple[Member, ...]
    length: int

    def new(self) -> Array:
        """Memory for one message."""
        return np.empty(self.length, self.dtype)

    def pack(
        self,
        arrays: Sequence[Array | None],
        weight: float,
        message: Array,
        unchanged: Container[int] = (),
    ) -> None:
        """Write weight times the arrays into a message; weight 0 is as if none were there.

        arrays: one for each member, or None.
        unchanged: positions of arrays that count in a mean, but are no reason for one.
        """
        first = self.length - len(self.members)
        for number, (member, array) in enumerate(zip(self.members, arrays, strict=True)):
            space = message[member.elements].reshape(member.shape)
            there = array is not None and weight > 0
            message[first + number] = there and member.position not in unchanged
            if array is None or weight == 0:
                space[...] = 0
            elif weight == 1:
                space[...] = array
            else:
                np.multiply(array, weight, out=space, dtype=self.dtype)

    def unpack(self, message: Array) -> Iterator[tuple[int, Array]]:
        """The position and the array of each member that a process had, and did change."""
        first = self.length - len(self.members)
        for number, member in enumerate(self.members):
            if message[first + number] > 0:
                yield member.position, message[member.elements].reshape(member.shape)


def buckets_of(forms: Sequence[Form], limit: int) -> list[Bucket]:
    """The buckets of arrays with these shapes and dtypes, in this order.

    limit: the number of bytes from which on a bucket takes no more arrays.

    Arrays that travel in another dtype than the one before wait for the next bucket of their own.
    """
    done: list[Bucket] = []
    filling: dict[np.dtype[Any], list[Member]] = {}
    for position, (shape, dtype) in enumerate(forms):
        sent = np.result_type(dtype, np.float32)
        members = filling.setdefault(sent, [])
        start = members[-1].elements.stop if members else 0
        stop = start + prod(shape)
        members.append(Member(position, slice(start, stop), shape))
        if stop * sent.itemsize >= limit:
            done.append(_bucket(sent, filling.pop(sent)))
    return done + [_bucket(dtype, members) for dtype, members in filling.items()]


def _bucket(dtype: np.dtype[Any], members: Sequence[Member]) -> Bucket:
    return Bucket(dtype, tuple(members), members[-1].elements.stop + len(members))
