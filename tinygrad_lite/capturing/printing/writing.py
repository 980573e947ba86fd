"""From the entries of a record to the lines of a program.

Each entry becomes an expression.  It is put into the one that reads it if that is the only one,
belongs to the same operation, and the line stays short; else it gets a line and a name.  What was
written in place to save memory is written as a new value where no other array sees the difference.
"""

import builtins
import linecache
import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...arrays.ownership import memory_owner
from ..entries import Entry, Var, variables
from ..rules import run_backward, run_forward, run_nested
from ..traced import getitem, setitem
from ..watching import run_observers
from . import readable
from .counts import counts_of
from .expressions import (
    ATOM,
    COMMUTES,
    IN_PLACE,
    OPERATORS,
    Expr,
    call,
    dtype_text,
    in_c_order,
    literal,
    reads_of,
    view_text,
)
from .library import Library
from .lookahead import LookAhead
from .naming import function_at, identifier, name_in_rule, snake
from .wishes import Wishes

UNTOLD = {"", "call", "forward"}  # names of functions that say nothing
COMPARISONS = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"}
CODE = 70  # columns of a line's code up to which expressions are put together


class Line:
    """One line of a program: its code, what it is, and where in the user's program it is from.

    code     Python
    comment  the operation and its formula, or the derivative
    name     the array that the line makes; "" if it writes into one
    effect   whether it does more than that
    op, kind the operation, and "forward", "backward" or "update"
    where    "file:line" of the user's code
    text     that line
    module   the path of the module whose forward was running
    """

    def __init__(self, code: str, comment: str, name: str, entry: Entry) -> None:
        self.code, self.comment, self.name = code, comment, name
        self.op, self.kind = entry.label
        rule = ".forward(" in code or ".backward(" in code  # which may leave what another reads
        self.effect = entry.always or rule
        outside = entry.callers and (self.kind == "update" or not entry.line)
        self.where = "{}:{}".format(*entry.callers[0]) if outside else entry.line
        self.module, self.text = entry.module, user_text(self.where)

    def __repr__(self) -> str:
        place = ", ".join(part for part in (self.module, f"{self.where}: {self.text}") if part)
        return f"{self.code}\n    {self.op} {self.kind}: {place}"


def _method(entry: Entry) -> str:
    """The method or function of this library that made a call outside of rules."""
    names = [function_at(*place) for place in entry.within[::-1]]
    if names and names[0] in COMPARISONS:
        return "a comparison"
    return next((name for name in names if name not in UNTOLD and name[:1] != "_"), "")


def _short(callers: tuple[tuple[str, int], ...]) -> tuple[str, int]:
    file, line = callers[0] if callers else ("", 0)
    return Path(file).name, line


def user_text(where: str) -> str:
    """The text of a line "file:line"."""
    file, _, number = where.rpartition(":")
    return linecache.getline(file, int(number)).strip() if number.isdigit() else ""


class Store(NamedTuple):
    """What memory from outside is set to: a new value, or the text of a change in place."""

    expr: Expr
    text: str
    entry: Entry


class Writer:
    """Writes one program.

    lines    those of the step
    head     what else stands before them, besides the library's
    library  the functions that the program calls
    """

    def __init__(self, step: Any, taken: set[str]) -> None:
        self.step = step
        self.library = Library()
        self.known = Wishes(step, {"np", "rng", *dir(builtins), *self.library.reserved, *taken})
        outputs = [*step.returned, *(var for var, _ in step.grads)]
        self.ahead = LookAhead(step.entries, outputs)
        self.lines: list[Line] = []
        self.head: list[str] = []
        self.versions: dict[Var, int] = {}
        self.pending: dict[Any, tuple[Expr, Entry]] = {}  # not yet written, by variable and version
        self.bound: dict[Any, Expr] = {}  # expressions that may be written any number of times
        self.formulas: set[int] = set()
        self.absorbed: dict[int, list[str]] = {}  # the other operations in an entry's expression
        self.defined: dict[Any, Entry] = {}
        self.counts = counts_of(step.entries)
        self.counted: set[Var] = set()  # those that have been advanced
        self.numbers: dict[str, Any] = {}  # of the head, by name
        self.draws = False
        self.options: dict[Any, str] = {}  # names of options and counts
        self.stores: dict[Var, Store] = {}
        self.owners: dict[int, tuple[str, Any]] = {}  # of memory, with their names
        for name, value in self.known.arrays.items():
            self.owners.setdefault(id(memory_owner(value)), (name, value))
        self.waiting: Var | None = None  # whose store is part of the expression being built

    # The lines

    def write(self) -> None:
        """The program."""
        for position, entry in enumerate(self.step.entries):
            self._entry(position, entry)
        self._flush_stores()
        for var in [*self.step.returned, *(var for var, _ in self.step.grads)]:
            key = self.key(var)
            if key in self.pending:
                self._flush(key)
            elif key not in self.known.named:  # a view, or the same in each replay
                text = self._variable(var).text
                self.known.named[key] = name = self.known.names.fresh(
                    self.known.wishes.get(var, "result")
                )
                entry = Entry(
                    None, (), {}, ("", "backward" if var in self.known.derivatives else "")
                )
                self.write_line(f"{name} = {text}", entry, name, var)
        self._drop_dead_lines()

    def _drop_dead_lines(self) -> None:
        """Leave out the lines that only make what no other line reads."""
        outputs = [*self.step.returned, *(var for var, _ in self.step.grads)]
        read = {self.known.named[self.key(var)] for var in outputs}
        kept: list[Line] = []
        for line in reversed(self.lines):
            targets = set(re.findall(r"\w+", line.name)) - {"_"}
            if line.effect or not targets or targets & read:
                kept.append(line)
                read.update(re.findall(r"[^\W\d]\w*", line.code))
        self.lines = kept[::-1]

    def _entry(self, position: int, entry: Entry) -> None:
        if any(store.entry.label is not entry.label for store in self.stores.values()):
            self._flush_stores()
        out = self.ahead.rebinds.get(position)
        result = entry.result
        if out is None and (entry.writes or entry.always or entry.function is setitem):
            self._effect(entry)
            return
        self._flush_stores({var.root for var in entry.reads()})
        if out is not None:
            expr = self._consume(entry, lambda: self._expression(entry, plain=True))
            before = self.known.named.get(self.key(out))
            self.versions[out] = self.versions.get(out, 0) + 1
            if before is not None and out in self.known.derivatives:
                self._barrier(entry, {out.root})
                self._name(self.key(out), before, expr, entry)  # the gradient, clipped or summed
            else:
                self._define(out, expr, entry, new=True)
        elif not isinstance(result, Var) or result.kind != "made":
            self._several(entry)
        elif entry.function is operator.add and self._advances(entry):
            self._advance(entry)
        elif self.key(result) not in self.known.named and self.key(result) not in self.pending:
            expr = self._consume(entry, lambda: self._expression(entry))
            self._define(result, expr, entry)

    def _effect(self, entry: Entry) -> None:
        """An entry that is replayed for what it writes, draws or checks."""
        if self._can_wait(entry):
            self._store(entry)
            return
        self._flush_stores()
        if entry.function is setitem:
            if entry.args[0] in self.counts:
                self._set_count(entry)
            else:
                self._write_item(entry)
        elif entry.writes:
            self._write_out(entry)
        elif not readable.is_check(entry):
            self._several(entry)

    def key(self, var: Var) -> tuple[Var, int]:
        """A variable and its version."""
        return var, self.versions.get(var, 0)

    def _define(self, var: Var, expr: Expr, entry: Entry, new: bool = False) -> None:
        """A value: kept until it is read, or written at once."""
        key = self.key(var)
        self.defined[key] = entry
        self.pending[key] = expr, entry
        uses = self.ahead.uses.get(key, 0)
        if key in self.ahead.firm:
            self._flush(key)
        elif self._is_cheap(var, expr, new):
            self.bound[key] = expr
            del self.pending[key]
        elif uses > 1 or (self._is_strong(key) and uses) or readable.own_name(entry):
            self._flush(key)

    def _is_cheap(self, var: Var, expr: Expr, new: bool) -> bool:
        """Whether an expression may be written several times: a view of what has a name."""
        if expr.number is not None or expr.text.isidentifier():
            return True
        view = var.root is not var and not new and not self._is_strong(self.key(var))
        return view and expr.level == ATOM and len(expr.text) <= 30 and "(" not in expr.text

    def _is_strong(self, key: Any) -> bool:
        """Whether a value gets a line of its own."""
        return key[0] in self.known.strong and self.ahead.final.get(key[0], 0) == key[1]

    def _consume(self, entry: Entry, build: Callable[[], Expr]) -> Expr:
        """The expression of an entry; what would make it too long gets a line before it."""
        taken = [self.key(var) for var in variables((entry.args, entry.options))]
        taken = [key for key in dict.fromkeys(taken) if key in self.pending]
        for key in taken:
            if not self._together(self.pending[key][1], entry, key):
                self._flush(key)
        expr = build()
        while len(expr.text) > CODE:
            left = [key for key in taken if key in self.pending]
            if not left:
                break
            self._flush(max(left, key=lambda key: len(self.pending[key][0].text)))
            expr = build()
        ops: list[str] = []
        for key in taken:
            if key in self.pending:
                first = self.pending.pop(key)[1]
                ops += [*self.absorbed.get(id(first), ()), first.label[0]]
        self.absorbed[id(entry)] = [
            op for op in dict.fromkeys(ops) if op not in ("", entry.label[0])
        ]
        return expr

    def _together(self, first: Entry, second: Entry, key: Any) -> bool:
        """Whether a value may stand inside the expression that reads it."""
        var = key[0]
        if self._is_strong(key):
            return False
        if first.label is second.label:
            return bool(first.label[0]) or first.callers[:1] == second.callers[:1]
        if var.root is not var and self.step.notes.made.get(var) is None:
            return True
        kinds = first.label[1], second.label[1]
        return kinds == ("forward", "forward") and first.line == second.line and bool(first.line)

    def _flush(self, key: Any) -> None:
        """Write the line of a value."""
        expr, entry = self.pending.pop(key)
        if expr.text.isidentifier() and expr.text == self.known.wishes.get(key[0]):
            self.known.named[key] = expr.text  # another carrier of the same memory
            return
        self._name(key, self._new_name(key, entry, expr), expr, entry)

    def _name(self, key: Any, name: str, expr: Expr, entry: Entry) -> None:
        """Write the line that gives a value its name."""
        self.known.named[key] = name
        self.write_line(f"{name} = {expr.text}", entry, name, key[0])

    def _new_name(self, key: Any, entry: Entry, expr: Expr) -> str:
        var, version = key
        wishes = self.known.wishes
        wish = wishes.get(var) or next((wishes[one] for one in wishes if one.root is var), None)
        final = version == self.ahead.final.get(var, 0) or var in self.known.derivatives
        if wish is None or not final:  # not yet what the name says
            wish = self._wish_of(entry, expr)
        return self.known.names.fresh(wish)

    def _wish_of(self, entry: Entry, expr: Expr) -> str:
        found = readable.own_name(entry) or name_in_rule(entry.within)
        if found is not None:
            return identifier(found)
        name = getattr(entry.function, "__name__", "value").strip("_")
        owner = getattr(entry.function, "__self__", None)
        if isinstance(owner, np.ufunc):
            name = {"add": "total", "maximum": "largest"}.get(owner.__name__, owner.__name__)
        minus = re.fullmatch(r"1 - (\w+)", expr.text)
        return f"one_minus_{minus[1]}" if minus else snake(identifier(name))

    def write_line(self, code: str, entry: Entry, name: str = "", var: Var | None = None) -> None:
        """A line of the program."""
        self.lines.append(Line(code, self._comment(entry, var), name, entry))

    def _barrier(self, entry: Entry, roots: set[Var]) -> None:
        """What reads memory that is written next gets its line before that."""
        for key, (expr, _) in list(self.pending.items()):
            if expr.reads & roots and self.ahead.uses.get(key, 0):
                self._flush(key)
        for key, expr in list(self.bound.items()):
            if expr.reads & roots and key[0].root not in roots:
                self.pending[key] = self.bound.pop(key), self.defined[key]
                self._flush(key)

    # Entries that write

    def _write_item(self, entry: Entry) -> None:
        array = entry.args[0]
        given = self._consume(entry, lambda: self._item(entry))
        self._barrier(entry, {array.root})
        self.write_line(given.text, entry, "", array)

    def _item(self, entry: Entry) -> Expr:
        array, index, value = entry.args
        target = readable.indexed(self, array, index)
        return Expr(f"{target.text} = {self.expr(value).text}", reads=reads_of(target))

    def _write_out(self, entry: Entry) -> None:
        text = self._consume(entry, lambda: self._in_place(entry))
        self._barrier(entry, {var.root for var in entry.writes})
        self.write_line(text.text, entry, "", entry.writes[0])

    def _can_wait(self, entry: Entry) -> bool:
        """Whether an entry is elementwise, and writes over memory from outside."""
        function = entry.function
        if not isinstance(function, np.ufunc) or set(entry.options) != {"out"}:
            return False
        out = entry.writes[0]
        if out.kind != "outside" or out.root is not out or function.signature is not None:
            return False
        return self.ahead.comes_out_alike(function, entry.args, out)

    def _store(self, entry: Entry) -> None:
        """A value for memory from outside: kept, since the next entry may go on with it."""
        out = entry.writes[0]
        before = self.stores.pop(out, None)
        self._flush_stores()
        if before is not None and before.entry.label is entry.label:
            self.stores[out] = before
            self.waiting = out
            expr = self._consume(entry, lambda: self._expression(entry, plain=True))
            self.waiting = None
            if len(expr.text) <= CODE:
                self.stores[out] = Store(expr, "", entry)
                return
        if before is not None:
            self.stores[out] = before
            self._flush_stores()
        texts: list[str] = []

        def build() -> Expr:
            texts[:] = [self._in_place(entry).text]
            return self._expression(entry, plain=True)

        expr = self._consume(entry, build)
        self._barrier(entry, {out})
        self.stores[out] = Store(expr, texts[0], entry)

    def _flush_stores(self, roots: set[Var] | None = None) -> None:
        """Write what memory from outside is set to: all, or what these roots would read."""
        for out, store in list(self.stores.items()):
            if roots is None or out in roots:
                del self.stores[out]
                text = store.text or f"{self._variable(out).text}[...] = {store.expr.text}"
                self.write_line(text, store.entry, "", out)

    def _in_place(self, entry: Entry) -> Expr:
        function, args, out = entry.function, entry.args, entry.writes[0]
        target = self.expr(out)
        direct = target.text.isidentifier() or target.text.endswith("]")
        if function in IN_PLACE and len(args) == 2 and set(entry.options) == {"out"} and direct:
            for one, other in ((args[0], args[1]), (args[1], args[0])):
                if one is out and (one is args[0] or function in COMMUTES):
                    sign = OPERATORS[function][0]
                    return Expr(f"{target.text} {sign}= {self.expr(other).text}")
        return self._expression(entry)

    def _several(self, entry: Entry) -> None:
        """A call whose result is no single new array, or that is made for its effect."""
        form = readable.whole_form(entry.function)
        if form is not None and form.parts is not None:
            parts = self._consume_parts(entry, form.parts)
            if parts is not None:
                for var, expr in parts:
                    if self.key(var) not in self.known.named:
                        self._define(var, expr, entry)
                return
        expr = self._consume(entry, lambda: self._expression(entry))
        read = {key[0] for key in self.ahead.uses}
        targets = self._targets(entry.result, entry, read)
        code = expr.text if not targets.strip("_, ") else f"{targets} = {expr.text}"
        self.write_line(code, entry, targets, next(iter(entry.results()), None))

    def _consume_parts(self, entry: Entry, parts: Any) -> Any:
        found: list[Any] = []

        def build() -> Expr:
            found[:] = [parts(self, entry)]
            return Expr("")

        self._consume(entry, build)
        return found[0]

    def _targets(self, result: Any, entry: Entry, read: set[Var]) -> str:
        if isinstance(result, tuple):
            words = [self._targets(one, entry, read) for one in result]
            return f"{', '.join(words)}{',' * (len(words) == 1)}"
        if (
            not isinstance(result, Var)
            or result not in read
            or self.key(result) in self.known.named
        ):
            return "_"
        key = self.key(result)
        self.known.named[key] = name = self._new_name(key, entry, Expr(""))
        return name

    # Expressions

    def expr(self, value: Any) -> Expr:
        """An argument as an expression."""
        if isinstance(value, Var):
            return self._variable(value)
        if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
            inner = [self.expr(one) for one in value]
            text = ", ".join(one.text for one in inner)
            if isinstance(value, list):
                return Expr(f"[{text}]", reads=reads_of(*inner))
            return Expr(f"({text}{',' * (len(inner) == 1)})", reads=reads_of(*inner))
        if isinstance(value, slice):
            parts = [self.expr(one) for one in (value.start, value.stop, value.step)]
            return call("slice", parts)
        if isinstance(value, dict):
            pairs = [(key, self.expr(one)) for key, one in value.items()]
            text = ", ".join(f"{key!r}: {one.text}" for key, one in pairs)
            return Expr(f"{{{text}}}", reads=reads_of(*(one for _, one in pairs)))
        found = literal(value)
        return self.library.value(value) if found is None else found

    def _variable(self, var: Var) -> Expr:
        if var is self.waiting:
            return self.stores[var].expr
        key = self.key(var)
        name = self.known.named.get(key)
        if name is not None:
            return Expr(name, reads=frozenset({var.root}))
        if key in self.pending:
            expr = self.pending[key][0]
            return Expr(expr.text, expr.level, expr.reads | {var.root}, expr.inner, expr.number)
        if key in self.bound:
            return self.bound[key]
        return self._memory(var)

    def _memory(self, var: Var) -> Expr:
        """Memory that no entry made: scratch, a constant, or a view of what is outside."""
        reads = frozenset({var.root})
        if var.kind == "outside":
            return Expr(self._view(var, self._outside), reads=reads)
        if var.kind == "scratch" or var.root in self.ahead.written:
            return Expr(self._view(var, self._scratch), reads=reads)
        found = literal(var.value)
        if found is None:
            name = self.known.give(var, ("constant",))
            self.known.arrays[name] = var.value
            return Expr(name)
        return found

    def _view(self, var: Var, named: Callable[[Any], str]) -> str:
        """The text for an array as a view of the array that owns its memory."""
        owner = memory_owner(var.value)
        if id(owner) not in self.owners:
            self.owners[id(owner)] = named(owner), owner
        return view_text(*self.owners[id(owner)], var.value)

    def _outside(self, owner: Any) -> str:
        name = self.known.names.fresh("array")
        self.known.arrays[name] = owner
        return name

    def _scratch(self, owner: Any) -> str:
        name = self.known.names.fresh("scratch")
        order = "" if in_c_order(owner) else ', order="F"'
        shape = self.expr(owner.shape).text
        self.head.append(f"{name} = np.empty({shape}, {dtype_text(owner.dtype)}{order})")
        return name

    def _expression(self, entry: Entry, plain: bool = False) -> Expr:
        """The call of an entry; `plain` leaves `out` away."""
        function, args = entry.function, entry.args
        options = {} if plain else entry.options
        if function is getitem:
            return readable.item(self, entry)
        if function in (run_forward, run_nested, run_backward):
            return self.library.rule(self, entry)
        return readable.call_text(self, entry, function, args, options)

    # Numbers

    def option(self, options: Any, name: str, part: int | None = None) -> Expr:
        """An option of an optimiser, by its name at the head; betas[0] is beta1."""
        key = id(options), name, part
        if key not in self.options:
            wish = name if part is None else f"{name.removesuffix('s')}{part + 1}"
            self.options[key] = given = self.known.names.fresh(identifier(wish))
            self.numbers[given] = options[name] if part is None else options[name][part]
        return Expr(self.options[key])

    def count(self, array: Var) -> Expr:
        """A number that the step counts, by its name at the head."""
        if array not in self.options:
            path = self.known.paths.get(array, ("step",))
            single = len({array.root for array in self.counts}) == 1
            self.options[array] = name = self.known.names.fresh(
                identifier("_".join(path[-1:] if single else path))
            )
            self.numbers[name] = array.value.item()
        return Expr(self.options[array])

    def _advances(self, entry: Entry) -> bool:
        """Whether an entry makes the next number of a count, from one that nothing else reads."""
        item = self.defined.get((entry.args[0], 0)) if isinstance(entry.args[0], Var) else None
        if item is None or item.function is not np.ndarray.item:
            return False
        array = item.args[0]
        once = self.ahead.uses.get((item.result, 0)) == 1
        return once and self.counts.get(array) is entry.result and array not in self.counted

    def _advance(self, entry: Entry) -> None:
        array = self.defined[entry.args[0], 0].args[0]
        name = self.count(array).text
        self.pending.pop((entry.args[0], 0), None)
        self.write_line(f"{name} += {self.expr(entry.args[1]).text}", entry, name)
        self.bound[self.key(entry.result)] = Expr(name)
        self.counted.add(array)

    def _set_count(self, entry: Entry) -> None:
        array, _, value = entry.args
        if array not in self.counted:
            expr = self._consume(entry, lambda: self.expr(value))
            self.write_line(f"{self.count(array).text} = {expr.text}", entry)

    # Comments

    def _comment(self, entry: Entry, var: Var | None) -> str:
        op, kind = entry.label
        if entry.function is run_observers:
            return f"{op} of the observers"
        if kind == "backward":
            of = self.known.derivatives.get(var) if var is not None else None
            if of is None and var is not None:
                of = next((name for one, name in self.known.derivatives.items()
                           if one.root is var.root), None)  # fmt: skip
            if of is not None:
                return f"dL/d {of}"
            return f"{op}, backward" if op else _method(entry) or "a sum of gradients"
        if kind == "forward":
            others = self.absorbed.get(id(entry))
            op = op or _method(entry) or "{}:{}".format(*_short(entry.callers))
            if others:
                return ", ".join([*others, op])
            first = id(entry.label) not in self.formulas and bool(entry.label[0])
            self.formulas.add(id(entry.label))
            formula = readable.formula(op) if first else ""
            return f"{op}: {formula}" if formula else op
        path = self.known.paths.get(var, ()) if var is not None else ()
        return f"{op}: {'.'.join(path)}" if path else op
