"""Sums along the tree: the same pairs are added for any number of processes."""

import numpy as np
import pytest

from nn.data.parts import cut
from nn.distributed.ordered import OrderedSum, blocks_of

WIDTH = 5


def numbers(count: int) -> list[np.ndarray]:
    """Arrays whose sum depends on the order: of many magnitudes, and of both signs."""
    rng = np.random.default_rng(count)
    scale = 10.0 ** rng.integers(-3, 6, (count, WIDTH))
    return [*(rng.standard_normal((count, WIDTH)) * scale).astype(np.float32)]


def by_hand(parts: dict[int, np.ndarray], first: int, size: int) -> np.ndarray | None:
    """The node of the tree over `size` parts, by its definition: left child plus right child."""
    if size == 1:
        return parts.get(first)
    left, right = (by_hand(parts, first + move, size // 2) for move in (0, size // 2))
    return left if right is None else left + right


def in_processes(arrays: list[np.ndarray], parts: int, processes: int) -> np.ndarray:
    """The sum as so many processes make it: blocks of each, then the blocks together."""
    total = OrderedSum()
    for rank in range(processes):
        own, local = cut(parts, processes, rank), OrderedSum()
        numbers = range(min(own.start, len(arrays)), min(own.stop, len(arrays)))
        for number in numbers:
            local.add(number, 1, arrays[number].copy())
        found = [(block.first, block.size) for block in local.blocks]
        assert found == blocks_of(numbers.start, numbers.stop)
        for block in local.blocks:
            total.add(*block)
    return total.total()


@pytest.mark.parametrize("parts", range(1, 10))
def test_any_number_of_processes_adds_the_parts_in_the_same_order(parts):
    for present in range(1, parts + 1):
        arrays = numbers(present)
        expected = by_hand(dict(enumerate(arrays)), 0, 16)
        for processes in range(1, 10):
            found = in_processes(arrays, parts, processes)
            assert found.tobytes() == expected.tobytes(), (present, processes)


def test_the_order_matters_for_these_numbers():
    """Else the test above could not fail."""
    arrays = numbers(8)
    in_turn = arrays[0]
    for array in arrays[1:]:
        in_turn = in_turn + array
    assert in_turn.tobytes() != in_processes(arrays, 8, 2).tobytes()


def test_the_blocks_of_a_range_are_nodes_of_the_tree():
    assert blocks_of(0, 8) == [(0, 8)]
    assert blocks_of(1, 8) == [(1, 1), (2, 2), (4, 4)]
    assert blocks_of(3, 9) == [(3, 1), (4, 4), (8, 1)]
    assert blocks_of(5, 5) == []


def test_few_arrays_are_kept_for_many_parts():
    total = OrderedSum()
    for number in range(64):
        total.add(number, 1, np.ones(1))
        assert len(total.blocks) <= 6
    assert total.total() == 64
