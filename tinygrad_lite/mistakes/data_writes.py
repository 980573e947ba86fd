"""`w.data += 1` between forward and backward: the gradient is not that of the loss.

Python turns that line into a write into the array and an assignment of the same array to `.data`,
which is where it is noticed.  `w.data[0] += 1` and `np.add(w.data, 1, out=w.data)` assign nothing,
and are not.  A new array, `w.data = w.data + 1`, leaves the old one as it was saved.
"""

from typing import Any

import numpy as np

from ..engine.memory import changes, references
from .telling import tell


def written_through_data(tensor: Any, value: Any) -> None:
    """`.data` was assigned the array that it is already, after a write into it.

    Where nothing else holds the array, no graph saved it: so it is after a backward pass, when most
    programs write, and they pay nothing.
    """
    if references(tensor) > _ALONE or changes.alerts:
        changes.remember(tensor, _tell)


def _tell(saved: str, line: str) -> None:
    tell(
        f"backward: {saved}, and {line} wrote into its .data in place afterwards, so this gradient "
        "is not that of the loss which was computed; write after backward(), or "
        "`w.data = w.data + ...`, which is a new array"
    )


class _Probe:
    """Measures how many references there are in such a line if nothing else holds the array."""

    def __init__(self) -> None:
        self._data = np.empty(1)
        self.found = 0

    @property
    def data(self) -> Any:
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if value is self._data:
            self._count(value)

    def _count(self, value: Any) -> None:
        self.found = references(self)


_probe = _Probe()
_probe.data += 1
_ALONE = _probe.found
