"""Traced objects that are still held when a call is over: in tensors that were kept outside."""

import gc
from collections import Counter
from sys import getrefcount
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ..engine.graph import TensorBase
from .entries import Var
from .trace import Trace
from .traced import Traced


def kept_outside(trace: Trace) -> bool:
    """Whether something outside of the record holds a value of it; tensors get their arrays."""
    found = _held(trace)
    if not found:
        return False
    gc.collect()  # what hangs in a cycle, an exception with its frames for example, is not kept
    found = _held(trace)
    for holder in gc.get_referrers(*found) if found else ():
        if isinstance(holder, TensorBase):
            holder._data = np.asarray(holder._data.value)  # type: ignore[attr-defined]
        elif isinstance(holder, list) and holder is not found:
            holder[:] = [_opened(one) for one in holder]
        elif isinstance(holder, dict):
            holder.update({key: _opened(one) for key, one in holder.items()})
    return bool(found)


def _held(trace: Trace) -> list[Traced]:
    """Those that have more references than the record itself."""
    made = {id(var): var for entry in trace.entries for var in entry.results()}
    found = [
        var.traced
        for var in made.values()
        if var.traced is not None and getrefcount(var.traced) > _ALONE
    ]
    if not found:
        return []
    own = _in_the_record(trace)
    counts = _counts(found)
    return [
        one for one, n in zip(found, counts, strict=True) if n > _ALONE_IN_A_LIST + own[id(one)]
    ]


def _counts(found: list[Any]) -> list[int]:
    return [getrefcount(one) for one in found]


def _in_the_record(trace: Trace) -> Counter[int]:
    """How many references there are from the operations of the record, and from their graph."""
    own: Counter[int] = Counter()
    stack: list[Any] = [trace.opaque, *(each.args for each in trace.entries)]
    stack += [each.options for each in trace.entries]
    seen = set(map(id, stack))
    while stack:
        for one in gc.get_referents(stack.pop()):
            if type(one) is Traced:
                own[id(one)] += 1
            elif id(one) not in seen and not _is_closed(one):
                seen.add(id(one))
                stack.append(one)
    return own


def _is_closed(value: Any) -> bool:
    """Whether nothing of a record is looked for in there."""
    if isinstance(value, (Var, TensorBase, np.ndarray, type, ModuleType, CodeType, Trace)):
        return True
    return isinstance(value, dict) and "__builtins__" in value  # the globals of a function


def _opened(value: Any) -> Any:
    return value.value if type(value) is Traced else value


# How many references are counted where there is only that of the variable.  Measured here, since
# the number of references that a running function holds depends on Python.
_holder = SimpleNamespace(traced=object())
_ALONE = getrefcount(_holder.traced)
(_ALONE_IN_A_LIST,) = _counts([_holder.traced])
