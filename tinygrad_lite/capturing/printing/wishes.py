"""Which name each array of a step gets, and of what it is the gradient."""

from typing import Any

from ..entries import Var, variables
from ..watching import run_observers
from . import readable
from .counts import counts_of
from .naming import Names, argument_path, assigned_at, identifier, paths_of, short_names, snake


class Wishes:
    """The names of what is given, and those that other arrays should have if they get a line.

    named        the names that are given, by variable and version
    inputs       the names of the arrays that are other ones in each call
    arrays       by name, the arrays that outlive the step
    wishes       for a variable, the name that it should have
    strong       the variables that get a line of their own
    derivatives  for a gradient, of what it is
    """

    def __init__(self, step: Any, reserved: set[str]) -> None:
        self.step = step
        self.names = Names(reserved)
        self.named: dict[Any, str] = {}
        self.inputs: list[str] = []
        self.arrays: dict[str, Any] = {}
        self.wishes: dict[Var, str] = {}
        self.strong: set[Var] = set()
        self.derivatives: dict[Var, str] = {}
        self._given()
        self._made()

    def give(self, var: Var, path: tuple[str, ...]) -> str:
        """A name for an array that the program is given."""
        name = self.names.fresh(identifier("_".join(path)))
        self.named[var, 0] = name
        return name

    def _given(self) -> None:
        """Names for arguments, parameters, buffers and the state of the optimiser."""
        step = self.step
        reached = {**step.arguments, **paths_of(step.fn, step.objects)}
        used = set(variables([(one.args, one.options) for one in step.entries]))
        used |= {var.root for var in used}
        counts = counts_of(step.entries)
        paths: dict[Any, tuple[str, ...]] = {}
        for var in used:
            if var.kind == "outside":
                path = reached.get(id(var.value))
                if path is not None or var.root is var:
                    paths[var] = path or ("state",)
        leaves = [tensor for _, tensor in self._gradients()]
        leaves += [var.origin[1] for var in step.inputs if var.origin[0] == "grad"]
        paths |= {id(tensor): reached.get(id(tensor), ("parameter",)) for tensor in leaves}
        short = short_names(paths)
        self.paths = {var: path for var, path in short.items() if isinstance(var, Var)}
        self.leaves = {one: path for one, path in short.items() if not isinstance(one, Var)}
        for var in step.inputs:
            kind, where = var.origin
            now: Any = None
            if kind == "grad":
                path, now = (*self.leaves[id(where)], "grad"), where._grad
            elif kind == "place":
                path, now = where.path[-1:] if len(where.path) < 2 else where.path[1:], where.read()
            else:
                path = argument_path(step.fn, kind, where)
            name = self.give(var, tuple(map(str, path)))
            if now is None:
                self.inputs.append(name)
            else:
                self.arrays[name] = getattr(now, "_data", now)
        for var, path in sorted(self.paths.items(), key=lambda pair: pair[1]):
            if var in counts:
                continue
            self.arrays[self.give(var, path)] = var.value

    def _made(self) -> None:
        """The name that each array should have if it gets a line."""
        notes, step = self.step.notes, self.step
        self._from_assignments()
        assigned, named = set(self.wishes), set(self.wishes.values())
        for var, (op, name, given) in notes.made.items():
            if var not in self.wishes:
                self.wishes[var], own_line = self._after_op(op, name, given)
                if own_line:
                    self.strong.add(var)
        for var, key in step.keys.items():
            if var not in assigned:
                self.wishes[var] = identifier(key)
                assigned.add(var)
        for var in step.returned:
            loss = step.grads and getattr(var.value, "shape", None) == ()
            if var not in assigned and (loss or var not in self.wishes):
                self.wishes[var] = "loss" if loss and "loss" not in named else "result"
                named.add(self.wishes[var])
        for var, result in notes.gradients.items():
            if result in self.wishes or (result, 0) in self.named:
                of = self.named.get((result, 0)) or self.wishes[result]
                self.derivatives[var] = of
                self.wishes[var] = f"{of}_grad"
                self.strong.add(var)
        for var, tensor in self._gradients():
            path = self.leaves[id(tensor)]
            self.derivatives[var] = ".".join(path)
            self.wishes[var] = identifier("_".join(path)) + "_grad"
            self.strong.add(var)

    def _gradients(self) -> list[tuple[Var, Any]]:
        """The gradients that the step leaves, and those that it drops, each with its tensor."""
        kept = list(self.step.grads)
        known = {id(tensor) for _, tensor in kept}
        read = {var for entry in self.step.entries for var in entry.reads()}
        for var, tensor in self.step.notes.gradients_of_leaves():
            alike = [one for one in read if one.root is var.root and _looks_like(one, var)]
            if id(tensor) not in known and alike:
                kept.append((var if var in alike else alike[0], tensor))
        for entry in self.step.entries:
            if entry.function is run_observers:  # args: the call, and the gradients before it
                after = zip(entry.result, entry.args[0].told, strict=True)
                kept += [(var, tensor) for var, tensor in after if var is not None]
        return kept

    def _from_assignments(self) -> None:
        """Results that the user's own lines assign to a name."""
        last: dict[tuple[str, int], tuple[int, Var, str]] = {}
        made = self.step.notes.made
        for entry in self.step.entries:
            if entry.label[1] != "forward":
                continue
            for var in entry.results():
                if var not in made and entry.label[0]:
                    continue
                for depth, (file, line) in enumerate(entry.callers):
                    found = assigned_at(file, line)
                    if found is not None:
                        last[file, found[0]] = (depth, var, found[1])
        for _, var, name in sorted(last.values(), key=lambda one: one[0], reverse=True):
            self.wishes[var] = identifier(name)
            self.strong.add(var)

    def _after_op(self, op: type, name: str, given: tuple[Any, ...]) -> tuple[str, bool]:
        """hidden for the layer of that name, hidden_relu for what is computed from it alone."""
        special = readable.RESULTS.get((op.__name__, name))
        if special is not None:
            return special, True
        for var in given:
            path = self.paths.get(var, ()) if isinstance(var, Var) else ()
            if path and len(given) == 1 and op.views:  # type: ignore[attr-defined]
                return f"{identifier('_'.join(path))}_{snake(op.__name__)}", False
            if len(path) > 1:
                layer = identifier("_".join(path[:-1]))
                return (layer if name == "y" else f"{layer}_{name}"), True
        read = [var for var in given if isinstance(var, Var) and var.kind != "constant"]
        what = snake(op.__name__)
        if name != "y":
            what = f"{what}_{name}"
        if len(read) == 1:
            before = self.wishes.get(read[0]) or self.named.get((read[0], 0))
            if before is not None and before.count("_") < 2:
                return f"{before}_{what}", False
        return what, False


def _looks_like(one: Var, other: Var) -> bool:
    """Whether two views of the same memory show the same, as x and the transpose of x.T do."""
    return bool(one.value.shape == other.value.shape and one.value.strides == other.value.strides)
