"""What is known of a record before its first line is written: how often each value is read.

A variable may be written over several times, so a value is a variable and a version of it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..entries import Entry, Var, variables
from .expressions import in_c_order

Key = tuple[Var, int]


class LookAhead:
    """How the values of a record are used.

    rebinds  by position, the variable that an entry writes over so that a new value does as well
    uses     how often each value is read
    firm     the values that must have a name: what is written into, and what the step returns
    final    the last version of each variable
    written  the variables whose memory is written into
    """

    def __init__(self, entries: Sequence[Entry], outputs: Sequence[Var]) -> None:
        family: dict[Var, set[Var]] = {}
        first: dict[Var, int] = {}
        last: dict[Var, int] = {}
        for position, entry in enumerate(entries):
            for var in (*entry.reads(), *entry.results()):
                family.setdefault(var.root, set()).add(var)
                first.setdefault(var, position if var.kind == "made" else -1)
                last[var] = position
        for var in outputs:
            last[var] = len(entries) + 1
        self.rebinds: dict[int, Var] = {}
        self.uses: dict[Any, int] = {}
        self.firm: set[Any] = set()  # must have a name, since it is written into
        version: dict[Var, int] = {}
        for position, entry in enumerate(entries):
            out = self._rebound(position, entry, family, first, last)
            for var in variables((entry.args, {} if out else entry.options)):
                key = var, version.get(var, 0)
                self.uses[key] = self.uses.get(key, 0) + 1
            if out is not None:
                self.rebinds[position] = out
                version[out] = version.get(out, 0) + 1
            else:
                for var in entry.writes:
                    self.firm |= {(var, version.get(var, 0)), (var.root, version.get(var.root, 0))}
        self.final = version
        self.written = {var.root for entry in entries for var in entry.writes}
        for var in outputs:
            key = var, version.get(var, 0)
            self.uses[key] = self.uses.get(key, 0) + 2
            self.firm.add(key)

    def is_needless_copy(self, entry: Entry) -> bool:
        """Whether a copy is as good as the original: neither is written, and they lie alike."""
        given, made = entry.args[0], entry.result
        if not isinstance(given, Var) or not isinstance(made, Var):
            return False
        alike: bool = given.value.strides == made.value.strides
        return alike and made.root not in self.written and given.root not in self.written

    def _rebound(
        self,
        position: int,
        entry: Entry,
        family: dict[Var, set[Var]],
        first: dict[Var, int],
        last: dict[Var, int],
    ) -> Var | None:
        """The variable that `out=` writes over completely, if a new value does as well."""
        function = entry.function
        if not isinstance(function, np.ufunc) or set(entry.options) != {"out"}:
            return None
        if function.nout != 1 or len(entry.writes) != 1:
            return None
        (out,) = entry.writes
        if out.kind not in ("made", "scratch", "constant"):
            return None
        others = family[out.root] - {out}
        if any(first[var] < position < last[var] for var in others):
            return None
        if any(var is not out and var.root is out.root and var.root is not var
               for var in variables(entry.args)):  # fmt: skip
            return None
        return out if self.comes_out_alike(function, entry.args, out) else None

    def comes_out_alike(self, function: Any, args: Any, out: Var) -> bool:
        """Whether a call without `out` gives an array of the same dtype and memory order."""
        value = out.value
        given = [one.value if isinstance(one, Var) else one for one in args]
        kinds = [getattr(one, "dtype", type(one)) for one in given]
        try:
            dtype = function.resolve_dtypes((*kinds, None))[-1]
        except TypeError:
            return False
        if dtype != value.dtype:
            return False
        arrays = [one for one in given if hasattr(one, "strides")]
        if function.signature is not None:
            made = (*arrays[0].shape[:-1], arrays[1].shape[-1]) if len(arrays) == 2 else ()
            return made == value.shape and in_c_order(value)
        if np.broadcast_shapes(*(one.shape for one in arrays)) != value.shape:
            return False
        full = [one for one in arrays if one.shape == value.shape]
        if not full:
            return in_c_order(value)
        return (in_c_order(value) or in_c_order(value, backwards=True)) and all(
            one.strides == value.strides for one in full
        )
