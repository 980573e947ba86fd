"""What the user's code is doing at a position: how the instructions of a function read as source.

Imported where a mistake is suspected, since `dis` takes time to import.
"""

import dis
from collections.abc import Sequence
from functools import lru_cache
from types import CodeType

Position = tuple[int, int]  # line and column

_UNSEEN = ("CACHE", "PRECALL", "RESUME", "NOP", "NOT_TAKEN", "PUSH_NULL", "EXTENDED_ARG")
# The instructions that load a variable by its name.
_VARIABLES = ("LOAD_FAST", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF", "LOAD_CLASSDEREF")


@lru_cache(64)
def instructions(code: CodeType) -> tuple[dis.Instruction, ...]:
    """The instructions of a function, without those that only Python itself needs.

    One that loads two variables stands here as two.
    """
    found: list[dis.Instruction] = []
    for step in dis.get_instructions(code):
        if isinstance(step.argval, tuple) and step.opname.startswith("LOAD_FAST"):
            found += [step._replace(opname="LOAD_FAST", argval=name) for name in step.argval]
        elif step.opname not in _UNSEEN:
            found.append(step)
    return tuple(found)


def index_at(code: CodeType, position: int) -> int | None:
    """Which of `instructions` runs at this position of the bytecode."""
    steps = instructions(code)
    return next((i for i, step in enumerate(steps) if step.offset == position), None)


def source_range(step: dis.Instruction) -> tuple[Position, Position]:
    """Where the expression that an instruction computes begins and ends; (0, 0) if unknown."""
    line, end_line, column, end_column = step.positions or (None,) * 4
    return (line or 0, column or 0), (end_line or 0, end_column or 0)


def variable(step: dis.Instruction) -> str | None:
    """The name of the variable that an instruction loads; None for most of them."""
    return str(step.argval) if step.opname.startswith(_VARIABLES) else None


def is_item(step: dis.Instruction) -> bool:
    """Whether an instruction takes an item, `a[key]`."""
    subscript = step.opname == "BINARY_OP" and step.argrepr == "[]"
    return subscript or step.opname == "BINARY_SUBSCR"


def loaded_name(steps: Sequence[dis.Instruction]) -> str | None:
    """The variable, with attributes and items, that these end by loading: "self.w['first']"."""
    rest, end = "", len(steps)
    while end:
        step = steps[end - 1]
        if name := variable(step):
            return name + rest
        if step.opname == "LOAD_ATTR":
            rest, end = f".{step.argval}{rest}", end - 1
        elif is_item(step) and end > 1 and (key := _key(steps[end - 2])):
            rest, end = f"[{key}]{rest}", end - 2
        else:
            break
    return None


def _key(step: dis.Instruction) -> str | None:
    """A variable, a text or a number, as it is written."""
    plain = step.opname.startswith("LOAD_") and isinstance(step.argval, (int, str))
    return variable(step) or (repr(step.argval) if plain and step.opname != "LOAD_ATTR" else None)
