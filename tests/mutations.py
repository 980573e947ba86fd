"""Damaged files: what a disk, a network or an attacker may make of one."""

from collections.abc import Sequence

import numpy as np


def mutated(
    rng: np.random.Generator, content: bytes, most: int, reaches: Sequence[int], kinds: int = 6
) -> bytes:
    """The file with 1 to `most` faults: bytes changed, removed, inserted, cut off, or repeated.

    reaches  one is drawn for each fault, which is before that position: a header is damaged more
             often than by chance
    kinds    5 for no bytes that are repeated
    """
    changed = bytearray(content)
    for _ in range(rng.integers(1, most + 1)):
        at = int(rng.integers(0, max(min(int(rng.choice(reaches)), len(changed)), 1)))
        count = int(rng.integers(1, 9))
        match rng.integers(0, kinds):
            case 0:
                changed[at : at + 1] = rng.bytes(1)
            case 1:
                changed[at : at + 1] = bytes(byte ^ 1 << count - 1 for byte in changed[at : at + 1])
            case 2:
                del changed[at : at + count]
            case 3:
                changed[at:at] = rng.bytes(count)
            case 4:
                del changed[at:]
            case _:
                changed[at:at] = changed[at : at + 10 * count]
    return bytes(changed)


def check_messages(messages: Sequence[str], path: object) -> None:
    """Each is one line that begins with the file's name."""
    for message in messages:
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        assert len(message) < 500
