"""What a step gives back and which gradients it leaves: in the recorded call, and in each replay.

A result is a tree of tuples, lists, dicts and dataclasses of tensors, arrays, numbers and None.  It
carries no graph: the tensors of a replay have none, so those of an eager call of the step must not
have one.
"""

from typing import Any

import numpy as np

from ..engine.graph import Leaf, TensorBase
from .entries import Var
from .numbers import Number
from .records import is_record
from .traced import Traced, value_of

_PLAIN = (int, float, complex, str, bytes, type(None), type, np.generic, np.dtype, slice, range)


def detached(result: Any, began: int) -> Any:
    """The result of an eager call, whose tensors lose the graphs that are younger than `began`."""
    if isinstance(result, TensorBase):
        node = result._node
        if node is not None and node.serial >= began and not isinstance(node, Leaf):
            result._node = None
    elif isinstance(result, (tuple, list, dict)):
        for one in result.values() if isinstance(result, dict) else result:
            detached(one, began)
    elif is_record(result):
        detached(vars(result), began)
    return result


def _filled(kind: Any, attributes: dict[str, Any]) -> Any:
    made = kind.__new__(kind)
    vars(made).update(attributes)
    return made


class Returns:
    """What is made of the outputs of a plan, as Python text.

    gradients  leaves whose gradients the step drops first of all, and the variables of the new ones
    """

    def __init__(self, recording: Any) -> None:
        self.recording, self.trace = recording, recording.trace
        self.conditions = recording.conditions
        self.lines: list[str] = []
        self.result = "None"
        self.made: dict[int, str] = {}  # names of the tensors that a replay makes
        self.kept: list[Any] = []  # those tensors
        self.told: dict[int, Any] = {}  # gradients that observers saw: how to read one, its array
        self.places: dict[int, int] = {}  # of their arrays among the outputs
        self.positions: dict[Var, int] = {}
        self.gradients: list[tuple[Any, Var]] = []
        self.left: list[tuple[Any, Var]] = []  # every gradient that the step leaves, for `source`
        self.results: list[Var] = []
        self.keys: dict[Var, str] = {}  # under which results are in a dict, for `source`

    def close(self, result: Any) -> Any:
        """The result of the recorded call, with arrays; its tensors are closed in place."""
        for tensor, node, before in self.recording.before:
            if type(tensor._node) is not type(node) and isinstance(tensor._node, Leaf | None):
                self.lines.append(f"{self._given(tensor)}.requires_grad = {tensor.requires_grad}")
            self._gradient(tensor, before)
        first = len(self.recording.outputs)
        text, closed = self._part(result)
        self.result, self.results = text, self.recording.outputs[first:]
        return closed

    def _gradient(self, leaf: Any, before: Any) -> None:
        after, leaves = leaf._grad, self.recording.leaves
        told = leaves is not None and id(leaf) in leaves.newest  # then it had another one meanwhile
        if after is before and not told:
            return
        holder, seen = self._given(leaf), leaves.variable(leaf, after) if told else None
        if seen is not None:
            self.told[id(after)] = f"{holder}._grad", seen
        elif after is before and after is not None:
            self.trace.fail("puts back a gradient, after an observer has seen another one")
        self.lines.append(f"{holder}._grad = {'None' if after is None else self._tensor(after)}")
        if after is None:
            return
        self.left.append((leaf, self.recording.outputs[self.places[id(after)]]))
        if any(leaf is one for one in self.recording.cleared):
            self.gradients.append(self.left[-1])

    def _given(self, value: Any) -> str | None:
        """The text for a tensor, an array or an object that comes from outside; else None."""
        if id(value) in self.recording.reached.fixed or id(value) in self.recording.reached.seen:
            return self.conditions.word(value)
        text = self.conditions.known.get(id(value), self.conditions.texts.get(id(value)))
        if text is None:
            return None
        if text not in self.conditions.objects:
            self.conditions.objects.append(text)
        return f"objects[{self.conditions.objects.index(text)}]"

    def _of_key(self, key: Any, value: Any) -> tuple[str, Any]:
        """The same for the value of a dict."""
        first = len(self.recording.outputs)
        part = self._part(value)
        if type(key) is str and len(self.recording.outputs) == first + 1:
            self.keys[self.recording.outputs[first]] = key
        return part

    def _part(self, value: Any) -> tuple[str, Any]:
        """Text for a part of the result, and that part of the recorded call's."""
        if type(value) is Traced:
            array, position = value.value, self._output(value.variable)
            if isinstance(array, np.generic) or value.number is not None:
                return f"o[{position}][()]", array[()]
            return f"o[{position}]", array
        if type(value) is Number:
            return f"o[{self._output(value.variable)}]", value.value
        if isinstance(value, TensorBase):
            return self._given(value) or self._tensor(value), value
        if isinstance(value, _PLAIN):
            return self.conditions.word(value), value
        given = self._given(value)
        if given is not None:
            return given, value
        if type(value) is np.ndarray:
            return f"o[{self._output(self._variable(value))}]", value
        if type(value) in (tuple, list) or hasattr(value, "_make"):
            return self._sequence(value)
        if type(value) is dict:
            pairs = {key: self._of_key(key, one) for key, one in value.items()}
            for key, (_, closed) in pairs.items():
                value[key] = closed
            texts = (f"{self.conditions.word(key)}: {text}" for key, (text, _) in pairs.items())
            return f"{{{', '.join(texts)}}}", value
        if is_record(value):  # without its __init__, which has done its work
            text, _ = self._part(vars(value))
            self.conditions.namespace |= {"filled": _filled}
            return f"filled({self.conditions.word(type(value))}, {text})", value
        self.trace.fail(
            f"the step returns a {type(value).__name__}; return tensors, arrays, numbers, or "
            "tuples, lists, dicts and dataclasses of them"
        )
        return "None", value

    def _sequence(self, value: Any) -> tuple[str, Any]:
        parts = [self._part(one) for one in value]
        texts = ", ".join(text for text, _ in parts)
        closed = [one for _, one in parts]
        if type(value) is list:
            value[:] = closed
            return f"[{texts}]", value
        if type(value) is tuple:
            return f"({texts}{',' * bool(parts)})", tuple(closed)
        make = type(value)._make
        return f"{self.conditions.word(make)}([{texts}])", make(closed)

    def _tensor(self, tensor: Any) -> str:
        """The name of a tensor that a replay makes."""
        name = self.made.get(id(tensor))
        if name is not None:
            return name
        name = self.made[id(tensor)] = f"m{len(self.made)}"
        self.kept.append(tensor)
        if getattr(tensor, "__dict__", None):
            self.trace.fail("the step returns a tensor with attributes of its own; return them")
        carried = tensor._data
        generic = type(carried) is Traced and isinstance(carried.value, np.generic)
        seen, var = self.told.get(id(tensor)) or (None, self._variable(carried))
        position = self.places[id(tensor)] = self._output(var)
        made = f"asarray(o[{position}])" if generic else f"o[{position}]"
        kind = self.conditions.word(type(tensor))
        if seen is not None:
            self.lines.append(f"{name} = {seen}")
        else:
            self.lines.append(f"{name} = new({kind}); {name}._data = {made}")
            self.lines.append(f"{name}._node = {name}._views = {name}._grad = None")
        tensor._data = np.asarray(value_of(carried))
        if isinstance(tensor._node, Leaf):
            self.lines.append(f"{name}._node = Leaf({name})")
        else:
            tensor._node = None
        return name

    def _variable(self, array: Any) -> Var:
        """The variable of an array; of one that NumPy alone made, that of a new copy."""
        if type(array) is Traced:
            var: Var = array.variable
            if var.kind not in ("constant", "scratch"):
                return var
            array = array.value
        else:
            known: Var | None = self.trace.known.get(id(array))
            if known is not None and known.kind not in ("constant", "scratch"):
                return known
        copied: Var = self.trace.fresh(
            array.copy(order="K")
        ).variable  # the caller may write into it
        return copied

    def _output(self, var: Var) -> int:
        """The position of a variable among the outputs."""
        outputs = self.recording.outputs
        if var not in self.positions:
            self.positions[var] = len(outputs)
            outputs.append(var)
        return self.positions[var]

    def text(self) -> str:
        """A function of the objects and the outputs of a replay."""
        self.conditions.namespace |= {"new": object.__new__, "asarray": np.asarray}
        body = "\n  ".join([*self.lines, f"return {self.result}"])
        return f"def finish(objects, o):\n  {body}\n"
