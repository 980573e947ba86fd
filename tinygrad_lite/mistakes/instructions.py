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


def loaded_name(steps: Sequence[dis.Instruction]) -> str | None:
    """The variable, with its attributes, that these instructions end by loading: "self.w"."""
    attributes: list[str] = []
    for step in reversed(steps):
        if name := variable(step):
            return ".".join([name, *attributes])
        if step.opname != "LOAD_ATTR":
            break
        attributes.insert(0, str(step.argval))
    return None
