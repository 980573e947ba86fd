"""The numbers of an optimiser's formula, as a person would write them.

The formula runs once for each parameter, so what it computes with numbers alone stands in the
record several times, and so does the count of steps.  A program needs each once.
"""

import operator
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from ..entries import Entry, Var, mapped
from ..traced import setitem


def simplified(entries: Sequence[Entry]) -> list[Entry]:
    """The entries in which equal calculations with numbers, and equal counts, are one.

    A count that only counts, since no formula reads it, is left out, and so are options that say
    what NumPy does anyway.
    """
    entries = [_without_defaults(entry) for entry in entries]
    same = _equal_counts(entries)
    seen: dict[Any, Var] = {}
    kept: list[Entry] = []
    for entry in entries:
        if not any(var in same for var in entry.reads()) and not is_number(entry.result):
            kept.append(entry)
            continue
        entry = copy(entry)
        entry.args = mapped(entry.args, lambda one: same.get(one, one) if _is_var(one) else one)
        entry.options = mapped(
            entry.options, lambda one: same.get(one, one) if _is_var(one) else one
        )
        if entry.function is setitem:
            key: Any = (setitem, *map(id, entry.args[::2]))
        elif is_number(entry.result):
            key = (entry.function, *map(_key, entry.args))
        else:
            kept.append(entry)
            continue
        if key in seen:
            if entry.function is not setitem:
                same[entry.result] = seen[key]
        else:
            seen[key] = entry.result
            kept.append(entry)
    return _without_idle_counts(kept)


def _without_defaults(entry: Entry) -> Entry:
    if isinstance(entry.function, np.ufunc) and entry.options.get("casting") == "same_kind":
        entry = copy(entry)
        entry.options = {key: one for key, one in entry.options.items() if key != "casting"}
    return entry


def counts_of(entries: Sequence[Entry]) -> dict[Var, Var]:
    """For each array of one number that is read and set as a number: what it is set to."""
    other: set[Var] = set()
    found: dict[Var, Var] = {}
    for entry in entries:
        if entry.function is setitem and entry.args[1] == () and is_number(entry.args[2]):
            array = entry.args[0]
            if array in found or array.kind != "outside" or array.value.ndim:
                other.add(array)
            found[array] = entry.args[2]
        elif entry.function is not np.ndarray.item:
            other.update(entry.reads())
    return {array: value for array, value in found.items() if array not in other}


def is_number(value: Any) -> bool:
    """Whether a variable is a number of Python, or a tuple of them."""
    return isinstance(value, Var) and isinstance(value.value, (bool, int, float, tuple))


def _is_var(value: Any) -> bool:
    return isinstance(value, Var)


def _key(value: Any) -> Any:
    plain = isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic)
    return (type(value), repr(value)) if plain else id(value)


def _equal_counts(entries: Sequence[Entry]) -> dict[Var, Var]:
    """For each count, the first that has the same value in the same optimiser."""
    counts = counts_of(entries)
    first: dict[Any, Var] = {}
    same: dict[Var, Var] = {}
    for entry in entries:
        if entry.function is setitem and entry.args[0] in counts:
            array = entry.args[0]
            key = entry.label[0], array.value.item(), array.value.dtype, entry.args[2].value
            same[array] = first.setdefault(key, array)
    return same


def _without_idle_counts(entries: list[Entry]) -> list[Entry]:
    counts = counts_of(entries)
    readers: dict[Var, list[Entry]] = {}
    for entry in entries:
        for var in entry.reads():
            readers.setdefault(var, []).append(entry)
    dropped: set[int] = set()
    for array, value in counts.items():
        (setting,) = (one for one in readers[array] if one.function is setitem)
        makers = [one for one in entries if one.result is value and one.function is operator.add]
        if len(readers[value]) == 1 and makers and is_number(makers[0].args[0]):
            item = makers[0].args[0]
            if len(readers[item]) == 1 and len(readers[array]) == 2:
                reading = next(one for one in readers[array] if one is not setting)
                dropped |= {id(setting), id(makers[0]), id(reading)}
    return [one for one in entries if id(one) not in dropped]
