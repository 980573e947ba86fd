"""A recorded step as a readable program of NumPy, with the names of the model.

The program runs alone, and its bits are those of the step.  writing.py makes its lines, wishes.py
its names, library.py the functions that it calls.
"""

import operator
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from ...arrays import generator
from ...arrays.threads import blas_held
from ..entries import Entry, Var
from ..plan import needed
from .counts import simplified
from .naming import argument_path
from .plain_source import NotPrintable
from .writing import Line, Writer

WIDTH = 100  # columns
CODE = 62  # up to this column of the code, comments stand under each other


class Source(str):
    """A program as text.

    head    what comes once: imports, functions, numbers, the random generator
    body    the step itself; `exec(head, names)`, then `exec(body, names)` once for each batch
    lines   the lines of the body, each with the user's line that it comes from
    inputs  the names of the arguments, which are other arrays in each call
    arrays  by name, the other arrays: parameters, buffers, the state of the optimiser
    returns the names of what the step returns
    grads   by name, the tensor whose gradient has that name in the program
    """

    head: str
    body: str
    lines: list[Line]
    inputs: tuple[str, ...]
    arrays: dict[str, Any]
    returns: tuple[str, ...]
    grads: dict[str, Any]


class Step:
    """What a program is written from.

    fn       the function that was captured
    entries  those that are replayed
    inputs   the variables that are other arrays in each call
    returned those of the tensors that the call returns
    objects  the arguments that are objects, with their names
    keys     of what is returned in a dict, the keys
    grads    each gradient that the step leaves, with the tensor whose gradient it is
    notes    see notes.py
    """

    def __init__(self, recording: Any, plan: Any) -> None:
        self.fn, self.notes = recording.fn, recording.trace.notes
        self.entries: list[Entry] = []
        for entry in plan.entries:
            self.entries += needed(entry.lines, ()) or [entry]
        self.entries = simplified([one for one in self.entries if not _sets_an_option(one)])
        read = plan.reads
        self.inputs = [var for var, one in zip(recording.inputs, read, strict=True) if one]
        self.returned: Sequence[Var] = recording.returns.results
        self.arguments = {
            key: argument_path(self.fn, *origin) for key, origin in recording.arguments.items()
        }
        self.keys = recording.returns.keys
        self.objects = [
            (argument_path(self.fn, "args", (key,))[0] if isinstance(key, int) else key, one())
            for key, one in recording.objects
        ]
        self.grads = [(var, leaf) for leaf, var in recording.returns.left]


def _sets_an_option(entry: Entry) -> bool:
    """Whether it assigns an option of an optimiser, which the program knows by its own name."""
    return entry.function is operator.setitem and hasattr(entry.args[0], "while_recorded")


def written(step: Step) -> Source:
    """The program of a step."""
    taken: set[str] = set()
    while True:
        try:
            writer = Writer(step, taken)
            writer.write()
        except NotPrintable as reason:
            raise RuntimeError(f"source: NumPy alone cannot run {reason}") from None
        defined = writer.library.defined()
        if not defined & set(writer.known.named.values()):
            return _program(writer)
        taken |= defined  # an array has the name of a function: once more, with others


def _program(writer: Writer) -> Source:
    head = _heading(writer)
    if blas_held.used:
        comment = "  # before NumPy: products with the bits of one thread"
        head += ["import os", f'os.environ["OPENBLAS_NUM_THREADS"] = "1"{comment}', ""]
    head.append("import numpy as np")
    head += writer.library.imports()
    functions = writer.library.text()
    if functions:
        head += ["", *functions.splitlines(), ""]
    head += writer.library.values() + writer.head + _numbers(writer)
    body: list[str] = []
    before = ""
    width = min(max([len(one.code) for one in writer.lines], default=0), 62)
    for line in writer.lines:
        if before and line.kind != before:
            body.append("")
        before = line.kind
        body += _laid_out(line, width)
    head_text = "\n".join(head) + "\n"
    body_text = "\n".join(body) + "\n"
    source = Source(f"{head_text}\n{body_text}")
    source.head, source.body, source.lines = head_text, body_text, writer.lines
    source.inputs, source.arrays = tuple(writer.known.inputs), writer.known.arrays
    source.returns = tuple([writer.known.named[writer.key(var)] for var in writer.step.returned])
    source.grads = {
        writer.known.named[writer.key(var)]: tensor for var, tensor in writer.step.grads
    }
    return source


def _laid_out(line: Line, width: int) -> list[str]:
    """A line with its comment beside it, shortened or above it if there is no room."""
    for comment in (line.comment, line.comment.partition(": ")[0]):
        for room in (width, 0):
            text = f"{line.code:{room}}  # {comment}"
            if len(text) <= WIDTH:
                return [text]
    return [f"# {line.comment}", line.code]


def _numbers(writer: Writer) -> list[str]:
    """lr, momentum = 0.1, 0.9, and the random generator as it is now."""
    lines = []
    if writer.draws:
        state = generator.get_state()
        lines.append(f"rng = np.random.Generator(np.random.{state['bit_generator']}())")
        lines.append(f"rng.bit_generator.state = {state}")
    body = "\n".join(line.code for line in writer.lines)
    read = {name: one for name, one in writer.numbers.items() if re.search(rf"\b{name}\b", body)}
    if read:
        lines.append(f"{', '.join(read)} = {', '.join(map(repr, read.values()))}")
    return lines


def _heading(writer: Writer) -> list[str]:
    """The arrays that the program is given, with dtypes and shapes."""
    forms: dict[tuple[str, str], list[str]] = {}
    named = {name: key[0] for key, name in writer.known.named.items() if key[1] == 0}
    for name in (*writer.known.inputs, *writer.known.arrays):
        value = writer.known.arrays.get(name)
        value = named[name].value if value is None else value
        if hasattr(value, "shape"):
            shape = str(value.shape).replace(" ", "")
            forms.setdefault((str(value.dtype), shape), []).append(name)
        else:
            forms.setdefault((type(value).__name__, ""), []).append(name)
    words = ["One training step on these arrays, which it updates in place."]
    before = ""
    for (dtype, shape), names in sorted(forms.items(), key=lambda pair: pair[0][0]):
        words[-1] += ";" if before == dtype else "." if before else ""
        text = f"{', '.join(names)} {shape}".rstrip()
        words += (text if before == dtype else f"{dtype}: {text}").split(" ")
        before = dtype
    return textwrap.wrap(" ".join(words), WIDTH, initial_indent="# ", subsequent_indent="# ")
