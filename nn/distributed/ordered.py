r"""Sums in an order that the number of processes does not change.

A batch has K parts, numbered in the order of their rows, and each process computes a contiguous
range of them.  Whoever has them, their gradients are added along one binary tree over the numbers:

    0   1   2   3   4   5
     \ /     \ /     \ /
    0 1     2 3     4 5
       \   /         |
      0 1 2 3       4 5
            \       /
           0 1 2 3 4 5

A process adds what lies below one node as far as it has it, and sends the few `blocks` that are
left; so floating-point numbers are added in the same pairs, and rounded alike, for any number of
processes.
"""

from typing import NamedTuple

import numpy as np

from .buckets import Array


class Block(NamedTuple):
    """The sum of the parts first ... first + size - 1: one node of the tree."""

    first: int
    size: int
    content: Array

    def is_left_of(self, other: "Block") -> bool:
        """Whether both have one parent node, this one on its left."""
        alike = self.size == other.size and self.first + self.size == other.first
        return alike and self.first % (2 * self.size) == 0


class OrderedSum:
    """The parts that were added so far, as blocks from left to right.

    spare: arrays that are no longer needed.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.spare: list[Array] = []

    def add(self, first: int, size: int, array: Array) -> None:
        """Add a block right of all others; its array may be written to."""
        block = Block(first, size, array)
        while self.blocks and self.blocks[-1].is_left_of(block):
            left = self.blocks.pop()
            np.add(left.content, block.content, out=left.content)
            self.spare.append(block.content)
            block = Block(left.first, 2 * left.size, left.content)
        self.blocks.append(block)

    def total(self) -> Array:
        """The sum of all: a node without a right child is its left one."""
        total = self.blocks[-1].content
        for block in self.blocks[-2::-1]:
            self.spare.append(total)
            total = np.add(block.content, total, out=block.content)
        self.blocks.clear()
        return total


def blocks_of(start: int, stop: int) -> list[tuple[int, int]]:
    """The blocks (first, size) that are left when the parts start ... stop - 1 are added."""
    found = []
    while start < stop:
        size = 1
        while start % (2 * size) == 0 and start + 2 * size <= stop:
            size *= 2
        found.append((start, size))
        start += size
    return found
