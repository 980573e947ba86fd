"""Functions and rules that a printed program calls: their source, as plain Python beside NumPy.

Where a function of this library is replayed as one call, the program defines it: its source with
all that it uses, found name by name, without annotations and docstrings.  The pool of threads is
left out (chunks are worked through one after the other, which gives the same bits), and so is the
engine: an operation is an object with a `forward` and a `backward`.
"""

import ast
import inspect
import textwrap
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from ..entries import Entry, Var, variables
from ..rules import run_backward, run_hooks
from ..watching import Call, run_observers
from .expressions import ATOM, Expr, call, literal, numpy_name, reads_of
from .naming import identifier, snake
from .plain_source import OURS, NotPrintable, Plain, definition, source_module

PRIMITIVE = '''\
class Primitive:
    """An operation: forward(*arrays), and backward(gradient, result, *arrays)."""

    def __init__(self, **options):
        vars(self).update(options)

    @classmethod
    def apply(cls, *arrays, **options):
        op = cls(**options)
        op.needs = (False,) * len(arrays)
        return op.forward(*arrays)
'''

NORM_OF_ANY_SIZE = """\
def _norm_of_any_size(arrays, p):
    def of_one(x):
        axes = tuple(range(x.ndim))
        if p == 0:
            return float(np.count_nonzero(x))
        if p == np.inf:
            return float(np.abs(x).max())
        if p == -np.inf:
            return float(np.abs(x).min())
        return float(sum_along(np.abs(x), axes) if p == 1 else norm(x, axes, p).item())

    norms = [of_one(np.array(one, np.float64)) for one in arrays]
    return float(sum(norms) if p == 0 or not norms else of_one(np.array(norms)))
"""

# What stands for parts of the library, by module and name.
INSTEAD = {
    ("tinygrad_lite.engine.function", "Primitive"): PRIMITIVE,
    ("tinygrad_lite.engine.function", "Function"): PRIMITIVE.replace("Primitive", "Function"),
    ("tinygrad_lite.engine.graph", "TensorBase"): "class TensorBase:\n    pass\n",
    ("tinygrad_lite.engine.graph", "array_of"): "def array_of(value):\n    return value\n",
    ("tinygrad_lite.arrays.threads", "parallel"): (
        "def parallel(task, chunks, multiplies=False):\n"
        "    return [task(chunk) for chunk in chunks]\n"
    ),
    ("tinygrad_lite.arrays.products", "multiply"): "def multiply(a, b):\n    return a @ b\n",
    ("tinygrad_lite.arrays.locks", "imported"): (
        "def imported(name):\n    return __import__(name, fromlist=['*'])\n"
    ),
    ("tinygrad_lite.arrays.arguments", "wrong"): (
        "def wrong(name, expected, got):\n    return TypeError(f'{name}: expected {expected}')\n"
    ),
    ("tinygrad_lite.arrays.generator", "current"): "def current():\n    return rng\n",
    ("tinygrad_lite.arrays.threads", "blas_held"): (
        "from contextlib import nullcontext\n\n"
        "blas_held = nullcontext()  # BLAS has one thread all along\n"
    ),
}

# The same for code that uses definitions of a module, which is named first.
INSTEAD_IN = {
    ("nn.utils", "_norm_of_any_size"): ("tinygrad_lite.arrays.arithmetic", NORM_OF_ANY_SIZE),
}

GIVEN = '''\
def given(op, **attributes):
    """The operation with these attributes."""
    vars(op).update(attributes)
    return op
'''

MADE = '''\
def made(cls, **attributes):
    """An object with these attributes."""
    one = object.__new__(cls)
    vars(one).update(attributes)
    return one
'''


OBSERVED = '''\
def {name}(*gradients):
    """Where the step calls its observers; with what this returns, the step goes on."""
    return gradients
'''

# Slots of a node that say where it is in a graph.
GRAPHS = ("parents", "serial", "holder", "line", "saved_inputs", "saved_output", "out_shape")


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    listed = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple([name for name in listed if not name.startswith("__")])


class Library:
    """The definitions at the head of one program."""

    reserved = ("given", "made")

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], str] = {}  # as which a definition of a module appears
        self.code: list[str] = []
        self.imported: set[str] = set()
        self.given = {"given", "made"}  # names of objects, and what no function may be called
        self.objects: dict[int, tuple[str, Any]] = {}  # by identity; the object stays alive
        self.made: list[str] = []
        self.missing: list[str] = []
        self.states: dict[int, dict[str, Any]] = {}  # of operations, before their forward

    # What the writer asks for

    def function(self, function: Any) -> str:
        """The name of a function, which is defined at the head."""
        function = inspect.unwrap(function)
        if isinstance(function, np.ufunc) or getattr(function, "__module__", None) is None:
            raise NotPrintable(repr(function))
        return self._need_object(function)

    def called(self, writer: Any, function: Any, args: Any, options: dict[str, Expr]) -> Expr:
        """A call of a function or method of this library."""
        function = inspect.unwrap(function)
        if function is run_hooks:
            raise NotPrintable("the hooks of a parameter")
        if function is run_observers:
            return self._observed(writer, *args)
        if function.__module__ == "nn.optim.lines":  # a formula that looks at values, or a user's
            raise NotPrintable(f"the update of {type(args[0]).__name__}, which has no lines")
        if "." in function.__qualname__ and "<locals>" not in function.__qualname__:
            words = [writer.expr(one) for one in args]
            made = call(f"{words[0].within(ATOM)}.{function.__name__}", words[1:], options)
            return Expr(made.text, reads=made.reads | words[0].reads)
        return call(self.function(function), [writer.expr(one) for one in args], options)

    def _observed(self, writer: Any, told: Call, gradients: Any) -> Expr:
        """A call of observers, for which a function stands that does nothing."""
        for given, left in zip(gradients, told.forms, strict=True):
            if given is None and left is not None:
                raise NotPrintable("an observer that makes a gradient where there was none")
        key = "", told.method
        if key not in self.names:
            name = self.names[key] = self._unique(told.method)
            self.code.append(OBSERVED.format(name=name))
        return call(self.names[key], [writer.expr(one) for one in gradients])

    def value(self, value: Any) -> Expr:
        """Any other object, which is made at the head."""
        return Expr(self.text_of(value))

    def rule(self, writer: Any, entry: Entry) -> Expr:
        """The rule of an operation, as a call of its forward or backward."""
        op, held = entry.args[:2]
        if entry.function is run_backward:
            op, name = op.op, "backward"
            gradient, inputs, output = entry.args[2:5]
            given = [self._gradient(writer, gradient), writer.expr(output)]
            given += [writer.expr(one) for one in inputs]
        else:
            name, given = "forward", [writer.expr(one) for one in entry.args[2]]
        varying = {key: writer.expr(one) for key, one in held.items() if any(variables(one))}
        if entry.function is run_backward:
            first = self._object(op, writer)
        else:
            first = self._started(writer, entry, op, held, varying)
            varying = {}
        if varying:
            self.names.setdefault(("", "given"), "given")
            first = call("given", [Expr(first)], varying).text
        made = call(f"{first}.{name}", given)
        return Expr(made.text, reads=reads_of(*given, *varying.values()))

    def _started(
        self, writer: Any, entry: Entry, op: Any, held: dict[str, Any], varying: dict[str, Expr]
    ) -> str:
        """The name of an operation, which a line makes anew, since its forward may change it."""
        if id(op) not in self.objects:
            self.states[id(op)] = {key: one for key, one in held.items() if key not in varying}
            text = self._made(op, writer)
            words = ", ".join(f"{key}={one.text}" for key, one in varying.items())
            name = self._new_name(op)
            self.objects[id(op)] = name, op
            writer.write_line(f"{name} = {text[:-1]}{', ' * bool(words)}{words})", entry)
        return self.objects[id(op)][0]

    def _gradient(self, writer: Any, gradient: Any) -> Expr:
        if isinstance(gradient, tuple):
            return writer.expr(tuple(gradient))
        found: Expr = writer.expr(gradient)
        return found

    # What stands at the head

    def imports(self) -> list[str]:
        """Import statements besides NumPy's."""
        return sorted(self.imported)

    def text(self) -> str:
        """The definitions."""
        parts = list(self.code)
        if ("", "given") in self.names:
            parts.insert(0, GIVEN)
        if self.objects:
            parts.insert(0, MADE)
        return "\n".join(part if part.endswith("\n") else part + "\n" for part in parts)

    def defined(self) -> set[str]:
        """The names that are given at the head."""
        return {*self.names.values(), *(name for name, _ in self.objects.values())}

    def values(self) -> list[str]:
        """The objects that the step uses."""
        return self.made

    # Objects

    def _object(self, value: Any, writer: Any) -> str:
        found = self.objects.get(id(value))
        if found is None:
            name = self._new_name(value)
            text = self._made(value, writer)
            found = self.objects[id(value)] = name, value
            self.made.append(f"{name} = {text}")
        return found[0]

    def _new_name(self, value: Any) -> str:
        name, number = identifier(snake(type(value).__name__)), 1
        taken = {*self.names.values(), *self.given}
        while f"{name}_{number}" in taken:
            number += 1
        self.given.add(f"{name}_{number}")
        return f"{name}_{number}"

    def _made(self, value: Any, writer: Any) -> str:
        cls = type(value)
        if cls.__module__ == "builtins":
            raise NotPrintable(repr(value))
        words = [self._need_object(cls)]
        attributes: dict[str, Any] = dict(self.states.get(id(value), {}))
        if id(value) not in self.states:
            attributes.update(getattr(value, "__dict__", {}))
            names = [one for kind in cls.__mro__ for one in _slots(kind) if one not in GRAPHS]
            attributes |= {name: getattr(value, name) for name in names if hasattr(value, name)}
        for name in ("needs", "out_shape"):
            if hasattr(value, name):
                attributes.setdefault(name, getattr(value, name))
        for name, one in attributes.items():
            try:
                words.append(f"{name}={self.text_of(one)}")
            except NotPrintable:
                if (
                    id(value) not in self.states
                    and writer is not None
                    and isinstance(one, np.ndarray)
                ):
                    given = writer.known.names.fresh(f"{snake(cls.__name__)}_{name}")
                    writer.known.arrays[given] = one
                    words.append(f"{name}={given}")
        return f"made({', '.join(words)})"

    def text_of(self, value: Any) -> str:
        """The text of an attribute."""
        found = literal(value)
        if found is not None:
            return found.text
        public = numpy_name(value)
        if public is not None:
            return public
        if type(value) in (tuple, list):
            inner = ", ".join(self.text_of(one) for one in value)
            if type(value) is list:
                return f"[{inner}]"
            return f"({inner}{',' * (len(value) == 1)})"
        if type(value) is dict:
            return (
                "{" + ", ".join(f"{key!r}: {self.text_of(one)}" for key, one in value.items()) + "}"
            )
        if type(value) is slice:
            parts = (value.start, value.stop, value.step)
            return f"slice({', '.join(self.text_of(one) for one in parts)})"
        if isinstance(value, (FunctionType, type)):
            return self._need_object(inspect.unwrap(value))
        if isinstance(value, (np.ndarray, Var, ModuleType)) or type(value).__module__ == "builtins":
            raise NotPrintable(repr(value))
        if isinstance(value, tuple):
            words = [self.text_of(one) for one in value]
            return f"{self._need_object(type(value))}({', '.join(words)})"
        if hasattr(value, "_node"):
            raise NotPrintable("a Tensor")
        return self._object(value, None)

    # Definitions

    def _need_object(self, value: Any) -> str:
        """The name of a function or class, whose source is added with all that it uses."""
        module, name = value.__module__, value.__qualname__
        if "<locals>" in name or "<lambda>" in name:
            return self._local(value)
        found = self.need(module, name.partition(".")[0])
        return ".".join([found, *name.split(".")[1:]])

    def _local(self, value: Any) -> str:
        """A function or class that was defined inside a function."""
        key = value.__module__, f"{value.__qualname__} {id(value)}"
        if key not in self.names:
            try:
                node = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
            except (OSError, SyntaxError, TypeError):
                raise NotPrintable(repr(value)) from None
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                raise NotPrintable(repr(value))
            self.names[key] = name = self._unique(node.name)
            self._emit(value.__module__, node, name)
        return self.names[key]

    def _unique(self, name: str) -> str:
        taken, made, number = {*self.names.values(), *self.given}, name, 1
        while made in taken:
            number += 1
            made = f"{name}_{number}"
        return made

    def need(self, module: str, name: str) -> str:
        """The name as which a definition of a module stands at the head."""
        key = module, name
        if key in self.names:
            return self.names[key]
        if key in INSTEAD:
            made = self.names[key] = self._unique(name)
            self.code.append(INSTEAD[key])
            return made
        if key in INSTEAD_IN:
            made = self.names[key] = self._unique(name)
            module, text = INSTEAD_IN[key]
            self._emit(module, ast.parse(text).body[0], made)
            return made
        node = definition(module, name)
        if node is None:
            raise NotPrintable(f"{module}.{name}")
        if isinstance(node, ast.Import):
            return self._import(node, name)
        if isinstance(node, ast.ImportFrom):
            return self._import_from(module, node, name)
        self.names[key] = made = self._unique(name)
        self._emit(module, node, made)
        return made

    def _import(self, node: ast.Import, name: str) -> str:
        for alias in node.names:
            if (alias.asname or alias.name.partition(".")[0]) == name:
                if alias.name == "numpy":
                    if name != "np":
                        self.imported.add(f"import numpy as {name}")
                    return name
                self.imported.add(
                    f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
                )
        return name

    def _import_from(self, module: str, node: ast.ImportFrom, name: str) -> str:
        source = source_module(module, node)
        original = next((one.name for one in node.names if (one.asname or one.name) == name), name)
        if source.partition(".")[0] in OURS:
            return self.need(source, original)
        made = self.names[source, original] = self.names.get((source, original)) or self._unique(
            name
        )
        renamed = f" as {made}" if made != original else ""
        self.imported.add(f"from {source} import {original}{renamed}")
        return made

    def _emit(self, module: str, node: ast.stmt, name: str) -> None:
        node = ast.fix_missing_locations(Plain(self.need, module).made(node, name))
        self.code.append(ast.unparse(node) + "\n")
