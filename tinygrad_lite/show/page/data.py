"""What the page tells, as a structure for JSON: boxes, groups, ops, arrays, steps.

The page folds and draws in the browser; here everything is looked up that it can be asked about.
"""

from typing import Any

import numpy as np

from ...arrays.float_errors import restore, silence
from ...engine.graph import Node, Output
from ..formulas.formulas import latex_of
from ..graph.history import ASK, History
from ..graph.keeping import ModuleCall
from ..outline.outline import Box, Outline, constant_of
from ..outline.wording import options_of
from .arrays import ArrayTable, size_text
from .rules import cut, line_shown, rule_of
from .spot_check import argument_names, checked, hidden_from_rule
from .steps import result_name, steps_of

MOST_BOXES = 20_000  # the newest ones; a browser shows more of them slowly
MOST_CHECKED = 200  # ops; the newest ones

Found = dict[str, Any]


def data_of(outline: Outline, costs: str) -> Found:
    """Everything about an outline; the same graph gives the same data.

    costs  what the colours of the boxes mean, for the legend
    """
    errors = silence()  # where inf meets inf, NumPy would warn
    try:
        return _Contents(outline, costs).data()
    finally:
        restore(errors)


class _Contents:
    def __init__(self, outline: Outline, costs: str) -> None:
        self.outline, self.costs = outline, costs
        self.history: History | None = outline.history
        self.boxes = outline.boxes[-MOST_BOXES:]
        self.numbers = {box: number for number, box in enumerate(self.boxes)}
        self.failed = any(box.kind == "failed" for box in self.boxes)
        self.arrays = ArrayTable()
        self.groups: dict[ModuleCall, int] = {}
        self.ops: dict[Any, int] = {}
        self.rules: list[Found] = []
        self.wrong: list[str] = []  # ops whose rule differs from finite differences
        ops = [box for box in self.boxes if box.kind == "op"]
        self.to_check = set(ops[-MOST_CHECKED:])

    def data(self) -> Found:
        """All of it."""
        boxes = [self._box(box) for box in self.boxes]
        output = next((box for box in self.boxes if box.is_output), None)
        numbers = {box.nodes[0]: number for box, number in self.numbers.items() if box.nodes}
        titles = [box["title"] for box in boxes]
        history = self.history
        return {
            "title": "Graph" if output is None else boxes[self.numbers[output]]["title"],
            "state": "none" if history is None else history.state,
            "notes": [*self.outline.notes, *self._notes()],  # after the boxes
            "heat": self._heat(),
            "boxes": boxes,
            "groups": self._groups(),
            "ops": self.rules,
            "steps": [] if history is None or self.failed else steps_of(history, numbers, titles),
            "arrays": self.arrays.finish(),
        }

    def _notes(self) -> list[str]:
        if self.history is None:
            return []
        notes = []
        older = len(self.outline.boxes) - len(self.boxes)
        if older:
            newest = f"The page shows the newest {len(self.boxes):,} boxes"
            notes.append(f"{newest}; {older:,} older ones are left out.")
        if self.failed:
            return notes
        for op in dict.fromkeys(self.wrong):
            notes.append(f"The backward of {op} disagrees with finite differences.")
        if self.history.state == "live":
            notes.append(f"Only the values that backward reads are known; for all of them, {ASK}.")
        if self.history.failure is not None:
            notes.append(f"The backward pass fails: {cut(str(self.history.failure))}")
        elif self.history.root.out_shape != ():
            start = self.history.gradient(self.history.root)
            if isinstance(start, np.ndarray) and not (start == 1).all():
                notes.append("The backward pass began with the gradient that it was given.")
            elif start is not None:
                notes.append("The output is not one number: gradients are those of the sum of it.")
        return notes

    def _heat(self) -> Found | None:
        heats = [box.heat for box in self.boxes if box.heat is not None]
        if not heats:
            return None
        return {"what": self.costs, "low": min(heats)[1], "high": max(heats)[1]}

    # Groups

    def _group(self, calls: tuple[ModuleCall, ...]) -> int:
        """The number of the innermost of these calls; -1 if there is none."""
        for call in calls:
            self.groups.setdefault(call, len(self.groups))
        return self.groups[calls[-1]] if calls else -1

    def _groups(self) -> list[Found]:
        outer: dict[ModuleCall, ModuleCall | None] = {}
        sizes: dict[ModuleCall, dict[Box, int]] = {}
        for box in self.boxes:
            for before, call in zip((None, *box.group), box.group, strict=False):
                outer[call] = before
                sizes.setdefault(call, {}).update(
                    (source, int(np.prod(source.nodes[0].out_shape)))
                    for source, _ in box.inputs
                    if source.kind == "parameter"
                )
        calls: dict[str, int] = {}
        found = []
        for call in self.groups:
            around = outer[call]
            calls[call.path] = calls.get(call.path, 0) + 1
            again = f" (call {calls[call.path]})" if calls[call.path] > 1 else ""
            count = sum(sizes[call].values())
            found.append(
                {
                    "name": cut(_relative(call.path, around) + again),
                    "kind": cut(call.kind),
                    "parent": -1 if around is None else self.groups[around],
                    "parameters": f"{count:,} parameter{'s' * (count != 1)}" if count else "",
                }
            )
        return found

    # Boxes

    def _box(self, box: Box) -> Found:
        found: Found = {
            "kind": box.kind,
            "title": cut(box.title),
            "details": [cut(line) for line in box.details],
            "group": self._group(box.group),
            "inputs": [],
        }
        if box.is_output:
            found["output"] = True
        if box.heat is not None:
            found["heat"] = [round(min(max(box.heat[0], 0.0), 1.0), 4), box.heat[1]]
        labels = [""] * len(box.inputs)
        if box.kind == "op" and box.nodes:
            op: Any = box.nodes[-1]
            labels = _labels(op, len(box.inputs))
            found |= self._about_op(box, op)
        elif box.kind == "parameter" and self.history is not None:
            found |= self._about_leaf(box.nodes[0])
        elif box.kind == "constant" and isinstance(box.value, (np.ndarray, np.generic)):
            array = np.asarray(box.value)
            found["shape"], found["dtype"] = _shape(array.shape), str(array.dtype)
            found["value"] = self._shown([("", array)])
        found["inputs"] = [
            [self.numbers[source], cut(text), label]
            for (source, text), label in zip(box.inputs, labels, strict=True)
            if source in self.numbers
        ]
        return found

    def _about_leaf(self, node: Node) -> Found:
        history: Any = self.history
        value = history.value(node)
        found: Found = {"shape": _shape(node.out_shape), "value": self._value(node)}
        if value is not None:
            found["dtype"] = str(value.dtype)
        found["gradient"] = self._gradient(node)
        holder = None if node.holder is None else node.holder()
        if "missing" in found["gradient"] and holder is not None and holder._grad is not None:
            found["accumulated"] = self._shown([("", holder._grad._data)])
        return found

    def _about_op(self, box: Box, op: Any) -> Found:
        history: Any = self.history
        found: Found = {"op": cut(type(op).__name__), "rule": self._rule(op)}
        value, call, line = history.value(op), history.call(op), history.line(op)
        results = [child for child, _ in history.children(op) if isinstance(child, Output)]
        shapes = {_shape(result.out_shape) for result in results or [op]}
        if len(shapes) == 1:  # of all results that are used
            found["shape"] = shapes.pop()
        if value is not None and not isinstance(value, tuple):
            found["dtype"] = str(value.dtype)
        options = [cut(option) for option in options_of(op)]
        if options:
            found["options"] = options
        if call is not None:
            kind = "" if call.kind == call.path else f" ({call.kind})"
            found["module"] = cut(call.path + kind)
        if line:
            found["line"] = list(line_shown(line))
        found["value"], found["gradient"] = self._value(op), self._gradient(op)
        found["memory"] = self._memory(op)
        found["check"] = list(self._check(box, op))
        if found["check"][0] == "differs":
            self.wrong.append(found["op"])
        if _holds_nan(value) or _holds_nan(history.gradient(op)):
            found["nan"] = True
        return found

    def _check(self, box: Box, op: Any) -> tuple[str, str]:
        if box not in self.to_check:
            return "none", f"only the newest {MOST_CHECKED} ops of a graph are checked"
        history: Any = self.history
        return checked(op, history.inputs(op), argument_names(op))

    # Values and gradients

    def _value(self, node: Node) -> Found:
        history: Any = self.history
        value = history.value(node)
        if value is None:
            return {"missing": f"not known; {ASK}"}
        return self._shown(_named(node, value))

    def _gradient(self, node: Node) -> Found:
        history: Any = self.history
        gradient = history.gradient(node)
        if gradient is not None:
            return self._shown(_named(node, gradient))
        if self.failed:
            return {"missing": "not computed: the forward pass failed"}
        if history.failure is not None:
            return {"missing": "not computed: the backward pass fails before it"}
        if history.gradient(history.root) is not None:
            return {"missing": "not computed: the backward pass does not reach it"}
        return {"missing": f"not computed; {ASK}"}

    def _shown(self, arrays: list[tuple[str, Any]]) -> Found:
        return {
            "arrays": [
                [name, -1 if array is None else self.arrays.numbered(np.asarray(array))]
                for name, array in arrays
            ]
        }

    # Memory

    def _memory(self, op: Any) -> Found:
        """What an op keeps for its backward: names, shapes, dtypes and bytes."""
        history: Any = self.history
        freed = bool(getattr(op, "freed", False))
        hidden, keeps = hidden_from_rule(op)
        inputs = history.inputs(op) if freed else (op.saved_inputs or ())
        results = history.value(op) if freed else op.saved_output
        read = [name for i, name in enumerate(argument_names(op)) if i not in hidden]
        held = [
            (name, value)
            for i, (name, value) in enumerate(zip(argument_names(op), inputs, strict=False))
            if i not in hidden
        ]
        if any(keeps):
            read += ["y"] if len(keeps) == 1 else []
            held += [
                (name, value)
                for (name, value), keep in zip(_named(op, results, "y"), keeps, strict=False)
                if keep
            ]
        held += _constants(op)
        arrays = [
            (name, np.asarray(v)) for name, v in held if isinstance(v, (np.ndarray, np.generic))
        ]
        items = [
            [name, _shape(array.shape), str(array.dtype), size_text(array.nbytes)]
            for name, array in arrays
        ]
        total = size_text(sum(array.nbytes for _, array in arrays)) if arrays else "nothing"
        if not freed:
            return {"total": total, "items": items}
        if history.state == "kept":
            return {"total": f"{total}, until a backward pass freed it", "items": items}
        reads = f"Its rule reads {', '.join(read)}. " if read else ""
        return {"total": "freed", "items": [], "note": f"{reads}A backward pass has freed it."}

    # Ops

    def _rule(self, op: Any) -> int:
        """The number of an op's formulas and source in `rules`."""
        latex = latex_of(op)
        key = (type(op), None if latex is None else tuple(latex.items()))
        if key not in self.ops:
            self.ops[key] = len(self.rules)
            self.rules.append(rule_of(op, latex))
        return self.ops[key]


def _relative(path: str, around: ModuleCall | None) -> str:
    """A path without that of the module around it."""
    prefix = "" if around is None else f"{around.path}."
    return path.removeprefix(prefix) if prefix != "." else path


def _labels(op: Any, count: int) -> list[str]:
    """The names of those inputs of an op that have a box."""
    names = [
        name
        for index, (name, parent) in enumerate(zip(argument_names(op), op.parents, strict=True))
        if parent is not None or constant_of(op, index)[0] is not None
    ]
    return names if len(names) == count else [""] * count


def _named(node: Node, value: Any, one: str = "") -> list[tuple[str, Any]]:
    """A value, or several results with their names."""
    if not isinstance(value, tuple):
        return [(one, value)]
    op: Any = node.parents[0] if isinstance(node, Output) else node
    return [(result_name(type(op), i, len(value)), each) for i, each in enumerate(value)]


def _constants(op: Any) -> list[tuple[str, Any]]:
    """The arrays that an op holds as attributes, such as masks and indices."""
    found: list[tuple[str, Any]] = []
    for name in type(op)._attributes:
        value = getattr(op, name, None)
        held = value.items() if name == "__dict__" and isinstance(value, dict) else [(name, value)]
        for each, one in held:
            values = one if isinstance(one, (tuple, list)) else (one,)
            found += [(str(each), array) for array in values if isinstance(array, np.ndarray)]
    return found


def _holds_nan(value: Any) -> bool:
    """Whether an element of an array, or of one of several, is nan."""
    several = value if isinstance(value, tuple) else (value,)
    floats = [one for one in several if isinstance(one, np.ndarray) and one.dtype.kind == "f"]
    return any(bool(np.isnan(one).any()) for one in floats)


def _shape(shape: Any) -> str:
    return str(tuple(int(size) for size in shape))
