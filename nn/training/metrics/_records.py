"""Records: the numbers of a training in memory, by kind and as columns."""

from typing import Any, TypeAlias

import numpy as np

from tinygrad_lite import arguments, files

Record: TypeAlias = dict[str, Any]  # its "kind" comes first


class Records:
    """The records of a training: what `Metrics.read` returns, and the base class of `Metrics`."""

    def __init__(self, records: list[Record]) -> None:
        self._replace(records)

    def records(self, kind: str | None = None) -> list[Record]:
        """Copies of all records, or of those of one kind, in the order in which they were added."""
        return [
            {name: value[:] if type(value) is list else value for name, value in record.items()}
            for record in tuple(self._records)
            if kind is None or kind == record["kind"]
        ]

    def kinds(self) -> tuple[str, ...]:
        """The kinds of records, in the order in which each was first added."""
        return tuple(self._names)

    def columns(self, kind: str) -> dict[str, np.ndarray]:
        """The values of one kind of record, by name: arrays with an element for each record.

        Numbers are float64 with nan for None, or int64 if all are integers; True and False are
        bool; lists of numbers, all of one length, are the rows of an array; anything else is an
        array of objects.

        Errors: ValueError if there is no record of this kind.
        """
        if kind not in self._names:
            known = files.printable(", ".join(self._names)) or "none yet"
            came = arguments.shown(kind)
            raise ValueError(f"Metrics.columns: no record is of kind {came}; there are {known}")
        found = [record for record in tuple(self._records) if record["kind"] == kind]
        names = self._names[kind][1:]
        return {name: _column([record.get(name) for record in found]) for name in names}

    def _replace(self, records: list[Record]) -> None:
        """Replace all records by these."""
        names: dict[str, dict[str, None]] = {}
        for record in records:
            names.setdefault(record["kind"], {}).update(dict.fromkeys(record))
        self._names = {kind: tuple(each) for kind, each in names.items()}
        self._records = records


def _column(values: list[Any]) -> np.ndarray:
    """The values as an array."""
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return np.array(values)
    if kinds == {int} and all(abs(value) < 1 << 63 for value in values):
        return np.array(values, np.int64)
    if kinds <= {int, float, type(None)}:
        return np.array(values, np.float64)
    if kinds == {list} and len({len(value) for value in values}) == 1:
        whole = _column([each for value in values for each in value])
        if whole.dtype != object:
            return whole.reshape(len(values), -1)
    found = np.empty(len(values), object)
    for index, value in enumerate(values):  # found[:] would spread lists over an axis
        found[index] = value
    return found
