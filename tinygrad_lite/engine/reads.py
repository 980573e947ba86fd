"""What an op saves for its backward: `reads`, checked when its class is made, and resolved once."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self


class Plan:
    """What to save for one pattern of wanted gradients.

    needs    for each input, whether its gradient is wanted; any_wanted: whether one is
    unread   the positions of the inputs that are not read, empty if that is all of them
    nothing  if that is all of them, what is saved in their place; otherwise empty
    results  whether the result is read, or which of several are
    """

    __slots__ = ("any_wanted", "needs", "nothing", "results", "unread")

    def __init__(
        self, needs: tuple[bool, ...], unread: list[int], results: bool | tuple[bool, ...]
    ) -> None:
        whole = len(unread) == len(needs)
        self.needs = needs
        self.any_wanted = any(needs)
        self.nothing = (None,) * len(needs) if whole else ()
        self.unread = () if whole else tuple(unread)
        self.results = results


class Signature(NamedTuple):
    """The names that an op's `backward` gives its inputs; `rest` is that of `*inputs`."""

    names: tuple[str, ...]
    rest: str | None
    results: tuple[str, ...]

    @classmethod
    def of(cls, op: Any) -> Self:
        """The signature of the op's backward; TypeError where `reads` does not fit it."""
        code = getattr(inspect.unwrap(op.backward), "__code__", None)
        if code is None:
            return cls((), "inputs", op.results)
        count = code.co_argcount
        rest = code.co_varnames[count + code.co_kwonlyargcount] if code.co_flags & 4 else None
        return cls(code.co_varnames[3:count], rest, op.results)

    def all_names(self) -> tuple[str, ...]:
        """Every name of an input."""
        return self.names if self.rest is None else (*self.names, self.rest)

    def check(self, name: str, reads: Mapping[str, tuple[str, ...]]) -> None:
        """TypeError unless `reads` has these names only."""
        inputs = self.all_names()
        for result in self.results:
            if result in (*inputs, "g", "y"):
                raise TypeError(f"{name}.results: {result!r} is an argument of backward already")
        for key, read in reads.items():
            if key not in inputs:
                raise TypeError(
                    f"{name}.reads: expected names of inputs, {_listed(inputs)}; got {key!r}"
                )
            if not isinstance(read, tuple):
                raise TypeError(f"{name}.reads: expected a tuple of names; got {read!r}")
            for one in read:
                if one not in (*inputs, "y", *self.results):
                    raise TypeError(
                        f"{name}.reads: expected {_listed((*inputs, 'y', *self.results))}; "
                        f"got {one!r}"
                    )

    def plan(self, reads: Mapping[str, tuple[str, ...]], needs: tuple[bool, ...]) -> Plan:
        """What to save where the gradients of `needs` are wanted."""
        missing = len(needs) - len(self.names)
        names = (*self.names, *[self.rest] * missing)[: len(needs)]
        read = {
            one
            for name, need in zip(names, needs, strict=True)
            if need
            for one in reads.get(str(name), ())
        }
        results: bool | tuple[bool, ...] = "y" in read
        if self.results and not results:
            results = tuple(name in read for name in self.results)
        return Plan(needs, [i for i, name in enumerate(names) if name not in read], results)


class Plans(dict[int, Plan]):
    """The plan for each pattern of wanted gradients, made when it is first asked for.

    The key is a number: in binary 1, and then for each input whether its gradient is wanted.
    """

    def __init__(self, signature: Signature, reads: Mapping[str, tuple[str, ...]]) -> None:
        self.signature = signature
        self.reads = reads

    def __missing__(self, wanted: int) -> Plan:
        needs = tuple(digit == "1" for digit in f"{wanted:b}"[1:])
        plan = self[wanted] = self.signature.plan(self.reads, needs)
        return plan


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def attributes_of(op: type, engine: Sequence[type]) -> tuple[str, ...]:
    """The attributes of its own in which an instance of the op may keep constants."""
    names = ["__dict__"] if op.__dictoffset__ else []
    for cls in op.__mro__:
        if cls not in engine:
            slots = vars(cls).get("__slots__", ())
            names += [slots] if isinstance(slots, str) else slots
    return tuple(names)
