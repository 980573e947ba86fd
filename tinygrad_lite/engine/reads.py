"""What an op saves for its backward: `reads`, checked when its class is made, and resolved once."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any


class Plan:
    """What to save for one pattern of wanted gradients.

    needs    for each input, whether its gradient is wanted; any_wanted: whether one is
    unread   the positions of the inputs that are not read, empty if that is all of them
    nothing  if that is all of them, what is saved in their place; otherwise empty
    results  whether the result is read, or which of several are
    """

    __slots__ = ("any_wanted", "needs", "nothing", "results", "unread")

    def __init__(
        self, needs: tuple[bool, ...], unread: Sequence[int], results: bool | tuple[bool, ...]
    ) -> None:
        whole = len(unread) == len(needs)
        self.needs = needs
        self.any_wanted = any(needs)
        self.nothing = (None,) * len(needs) if whole else ()
        self.unread = () if whole else tuple(unread)
        self.results = results


class Plans(dict[int, Plan]):
    """The plan for each pattern of wanted gradients, made when it is first asked for.

    The key is a number: in binary 1, and then for each input whether its gradient is wanted.
    """

    def __init__(self, op: Any) -> None:
        self.op, self.names = op, input_names(op)
        if declared(op) == "reads":
            check_names(op, *self.names)

    def __missing__(self, wanted: int) -> Plan:
        needs = tuple(digit == "1" for digit in f"{wanted:b}"[1:])
        plan = self[wanted] = self.op._plan(needs)
        return plan


def plan_by_names(op: Any, needs: tuple[bool, ...]) -> Plan:
    """What `reads` says is to be saved where the gradients of `needs` are wanted."""
    fixed, rest = op._plans.names
    names = (*fixed, *[rest] * (len(needs) - len(fixed)))[: len(needs)]
    pairs = zip(names, needs, strict=True)
    read = {one for name, need in pairs if need for one in op.reads.get(name, ())}
    results: bool | tuple[bool, ...] = "y" in read
    if op.results and not results:
        results = tuple(name in read for name in op.results)
    return Plan(needs, [i for i, name in enumerate(names) if name not in read], results)


def check_names(op: Any, fixed: tuple[str, ...], rest: str | None) -> None:
    """TypeError unless `reads` and `results` of an op's class name what they may."""
    name = op.__name__
    inputs = (*fixed, rest) if rest else fixed
    results = op.results
    if not isinstance(results, tuple) or not all(isinstance(one, str) for one in results):
        raise TypeError(f"{name}.results: expected a tuple of names; got {results!r}")
    for one in results:
        if one in (*inputs, "g", "y"):
            raise TypeError(f"{name}.results: {one!r} is an argument of backward already")
    if op.reads and "y" in inputs:
        raise TypeError(f"{name}.reads: 'y' is the result; give that input another name")
    for key, read in op.reads.items():
        if key not in inputs:
            raise TypeError(
                f"{name}.reads: expected names of inputs, {_listed(inputs)}; got {key!r}"
            )
        if not isinstance(read, tuple):
            raise TypeError(f"{name}.reads: expected a tuple of names; got {read!r}")
        known = (*inputs, "y", *results)
        for one in read:
            if one not in known:
                raise TypeError(f"{name}.reads: expected {_listed(known)}; got {one!r}")


def input_names(op: Any) -> tuple[tuple[str, ...], str | None]:
    """The names that an op's `backward` gives its inputs, and that of `*inputs` if it has them."""
    static = isinstance(inspect.getattr_static(op, "backward"), staticmethod)
    code = getattr(inspect.unwrap(op.backward), "__code__", None)
    if code is None:
        return (), "inputs"
    count, names = code.co_argcount, code.co_varnames
    rest = names[count + code.co_kwonlyargcount] if code.co_flags & inspect.CO_VARARGS else None
    return names[2 if static else 3 : count], rest


def declared(op: type) -> str:
    """Which of `reads` and `saves` an op's class goes by: the one that is declared last."""
    found = (name for cls in op.__mro__ for name in ("reads", "saves") if name in vars(cls))
    return next(found)


def attributes_of(op: type, engine: Sequence[type]) -> tuple[str, ...]:
    """The attributes of its own in which an instance of the op may keep constants."""
    names = ["__dict__"] if op.__dictoffset__ else []
    for cls in op.__mro__:
        if cls not in engine:
            slots = vars(cls).get("__slots__", ())
            names += [slots] if isinstance(slots, str) else slots
    return tuple([name for name in names if name != "_constants"])  # the engine's copy of these


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
