"""What an op saves for its backward: `reads`, checked when its class is made, and resolved once."""

import inspect
from collections.abc import Sequence
from typing import Any


class Plan:
    """What to save for one pattern of wanted gradients.

    needs    for each input, whether its gradient is wanted; any_wanted: whether one is
    unread   the positions of the inputs that are not read; empty if no input is read
    nothing  if no input is read, what is saved instead of them; otherwise empty
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
    """The plan for each pattern of wanted gradients, made when it is first needed.

    The key is a number: in binary, a 1 and then one digit per input, 1 if its gradient is wanted.
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
    """What to save, according to `reads`, for this pattern of wanted gradients."""
    fixed, rest = op._plans.names
    names = (*fixed, *[rest] * (len(needs) - len(fixed)))[: len(needs)]
    pairs = zip(names, needs, strict=True)
    read = {one for name, need in pairs if need for one in op.reads.get(name, ())}
    results: bool | tuple[bool, ...] = "y" in read
    if op.results and not results:
        results = tuple(name in read for name in op.results)
    return Plan(needs, [i for i, name in enumerate(names) if name not in read], results)


def check_names(op: Any, fixed: tuple[str, ...], rest: str | None) -> None:
    """Raise TypeError if `reads` or `results` of an op's class has a name that is not allowed."""
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
            raise TypeError(f"{name}.reads: expected an input, one of {inputs}; got {key!r}")
        if not isinstance(read, tuple):
            raise TypeError(f"{name}.reads: expected a tuple of names; got {read!r}")
        known = (*inputs, "y", *results)
        for one in read:
            if one not in known:
                raise TypeError(f"{name}.reads: expected one of {known}; got {one!r}")


def check_form(op: Any) -> None:
    """Raise TypeError for an op that was written for PyTorch, with a `ctx` for what it saves."""
    for name in ("forward", "backward", "setup_context"):
        code = getattr(inspect.unwrap(getattr(op, name, op)), "__code__", None)
        if code and (code.co_varnames[:1] == ("ctx",) or "save_for_backward" in code.co_names):
            raise TypeError(
                f"{op.__name__}.{name}: this is PyTorch's form; write forward(self, x) and "
                'backward(self, g, y, x), and saves = "inputs" instead of ctx.save_for_backward(x)'
            )


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
    """Whether `reads` or `saves` applies to an op's class: the one that is declared last."""
    found = (name for cls in op.__mro__ for name in ("reads", "saves") if name in vars(cls))
    return next(found)


def attributes_of(op: type, engine: Sequence[type]) -> tuple[str, ...]:
    """The attributes, besides the engine's, in which an instance of the op may keep constants."""
    names = ["__dict__"] if op.__dictoffset__ else []
    for cls in op.__mro__:
        if cls not in engine:
            slots = vars(cls).get("__slots__", ())
            names += [slots] if isinstance(slots, str) else slots
    return tuple(names)
