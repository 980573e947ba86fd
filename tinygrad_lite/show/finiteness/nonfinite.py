"""trace_nan: which op made the first inf or nan of a loss or of its gradients, and what to do."""

from itertools import groupby
from typing import Any, Literal

import numpy as np

from ...arrays.arguments import wrong
from ...arrays.recorded import recorder
from ...engine.graph import Leaf, TensorBase
from ...files import printable
from ..graph.history import ASK, History
from ..graph.naming import Names
from ..outline.terminal import for_terminal
from .known_values import UNKNOWN
from .origins import Origin, in_backward, in_forward
from .repairs import Case, digits, input_name, is_overflow, repair
from .replaying import Index, first_bad, not_finite, undisturbed

MOST_SHOWN = 9  # elements of an input whose values are shown
LONGEST_PATH = 6  # ops


class NonFinite:
    """What `trace_nan` found; it prints itself.

    found       whether there is an inf or nan, in the tensor or in a gradient; also bool(this)
    op          the name of the op that made it, such as "Log"; None if it was there before any op
    direction   "forward" or "backward"
    index       of the first element of the op's result that reaches the loss; in the backward pass,
                of the gradient of the input `of`; of a parameter or an input, in its own data
    of          the name of that parameter or input
    number      inf, -inf or nan
    inputs      what the op was given there: for each of its inputs a number or, if more elements
                have a part in it, the array
    line        "file:line" of the user's code; None if lines were not recorded
    module      path and class of the module that called it; None for none, or if not recorded
    repair      the likely cause, and what to change
    overflow    whether numbers that were far too large made it, as after updates that blow up; None
                if that is not known
    known_from  None if all is known; else a sentence about what is not, and how to know it
    """

    def __init__(self) -> None:
        self.found = False
        self.op: str | None = None
        self.direction: Literal["forward", "backward"] | None = None
        self.index: Index | None = None
        self.of: str | None = None
        self.number: float | None = None
        self.inputs: dict[str, Any] = {}
        self.line: str | None = None
        self.module: str | None = None
        self.repair: str | None = None
        self.overflow: bool | None = None
        self.known_from: str | None = None
        self.headline = ""
        self.path = ""

    def __bool__(self) -> bool:
        return self.found

    def summary(self) -> str:
        """The same in one line, without the path: for a warning or a log."""
        given = ", ".join(f"{name} = {_value(value)}" for name, value in self.inputs.items())
        where = f" at {self.line}" if self.line else ""
        where += f" in {self.module}" if self.module else ""
        if where and self.op is None and self.of is not None:
            where = f"; it is read{where}"
        note = None if "keep_values" in (self.repair or "") else self.known_from
        parts = [self.headline.rstrip(".") + where, given, self.repair or "", note or ""]
        return "; ".join(part for part in parts if part)

    def __repr__(self) -> str:
        rows = {
            "inputs": ", ".join(f"{name} = {_value(v)}" for name, v in self.inputs.items()),
            "line": self.line,
            "module": self.module,
            "then": self.path,
            "repair": self.repair,
            "note": self.known_from,
        }
        lines = [f"  {name:<8}{text}" for name, text in rows.items() if text]
        return for_terminal("\n".join([f"trace_nan: {self.headline}", *lines]))


def trace_nan(loss: TensorBase, names: Any = None) -> NonFinite:
    """Find the op that made the first inf or nan of a loss, or of its gradients.

        with keep_values():
            loss = model(x).cross_entropy(y)
            loss.backward()
        print(trace_nan(loss, names=model))

    If the loss is not finite, that is the op from whose inf or nan it came; if the loss is finite
    and the gradient of a leaf is not, the op whose rule made the first one in the backward pass.
    (A finite forward pass may cause that: sqrt(0) is 0 with the slope inf.)  What never reaches
    the loss or a leaf is not blamed: a mask of -inf before softmax, a branch that where() drops.

    loss    the tensor; it may have any shape
    names   a Module, or a mapping of names to tensors: the names of parameters and inputs

    Inside keep_values() all is known, also after backward.  Without it, call this before backward:
    values are those that ops saved, or that can be computed again from them, and the result says
    what is unknown.  After backward the graph is released: only the leaves are known.

    Returns a NonFinite, which is True if there is an inf or nan, and prints itself.

    Errors: TypeError if `loss` is not a Tensor; RuntimeError in a step that is being captured.
    """
    if not isinstance(loss, TensorBase):
        raise wrong("trace_nan: loss", "a Tensor", loss)
    if recorder.get() is not None:
        raise RuntimeError("trace_nan: a captured step has no values yet; call it outside")
    known = Names.of(names, "trace_nan")
    with undisturbed():
        return _without_graph(loss) if loss._node is None else _with_graph(loss, known)


def _with_graph(loss: TensorBase, names: Names) -> NonFinite:
    damaged = not_finite(loss._data)
    history = History(loss, grads=not damaged)
    if history.state == "released":  # even leaves may have been updated since
        return _of_leaves(history, names)
    origin = in_forward(history) if damaged else in_backward(history)
    if origin is not None:
        return _found(history, origin, names)
    return _of_leaves(history, names) if damaged else _clean(history, names)


def _without_graph(loss: TensorBase) -> NonFinite:
    result = NonFinite()
    why = (
        "it has no graph: nothing it was computed from has requires_grad=True, or it was computed "
        "inside no_grad()"
    )
    if not not_finite(loss._data):
        result.headline = "the tensor is finite; its gradients cannot be looked at: " + why + "."
        return result
    index, _ = first_bad(loss._data)
    result.found, result.index, result.number = True, index, float(loss._data[index])
    result.headline = f"the tensor has {_number(result.number)}{_at(index)}; {why}."
    return result


def _clean(history: History, names: Names) -> NonFinite:
    """Nothing was found, as far as gradients are known."""
    result = NonFinite()
    leaves = [node for node in history.order if isinstance(node, Leaf)]
    if history.failure is not None:
        result.headline = "the tensor is finite; its gradients could not be computed."
        result.known_from = str(history.failure)
    elif all(history.gradient(leaf) is None for leaf in leaves):
        result.headline = "the tensor is finite; its gradients are not known."
        result.known_from = (
            "backward began at another tensor and released the graph: call trace_nan of that one"
        )
    else:
        result.headline = "finite everywhere: the tensor, and the gradient of each leaf."
        result.known_from = _since(history, leaves, names)
        start = np.asarray(history.gradient(history.root))
        if not_finite(start):
            result.index, _ = first_bad(start)
            result.found, result.direction = True, "backward"
            result.number = float(start[result.index])
            what = f"{_number(result.number)}{_at(result.index)}"
            result.headline = (
                f"the tensor is finite; the gradient that backward was given has {what}."
            )
            result.known_from = None
    return result


def _since(history: History, leaves: list[Any], names: Names) -> str | None:
    """What is not finite now, though this tensor and its gradients are."""
    for leaf in leaves:
        holder = leaf.holder() if leaf.holder is not None else None
        name = _leaf_name(history, leaf, names)
        if holder is not None and not_finite(holder._data):
            return f"{name} is not finite now: an update after this tensor was computed wrote it"
        gradient = _grad_of(leaf)
        if gradient is not None and not_finite(gradient):
            return f"the .grad of {name} is not finite: another backward pass, or clipping, made it"
    return None


def _of_leaves(history: History, names: Names) -> NonFinite:
    """What the tensor and the leaves of a released graph show."""
    result = NonFinite()
    result.known_from = (
        "the graph was released by backward, so where it was made is unknown: call trace_nan(loss) "
        f"before backward, or {ASK}"
    )
    data = history.tensor._data
    if not_finite(data):
        index, _ = first_bad(data)
        result.found, result.direction = True, "forward"
        result.index, result.number = index, float(data[index])
        leaf = isinstance(history.root, Leaf)
        result.of = _leaf_name(history, history.root, names) if leaf else None
        result.headline = f"{result.of or 'the tensor'} has {_number(result.number)}{_at(index)}."
        result.known_from = None if leaf else result.known_from
        return result
    for node in history.order:
        gradient = _grad_of(node)
        if gradient is not None and not_finite(gradient):
            index, _ = first_bad(gradient)
            result.found, result.direction, result.index = True, "backward", index
            result.of, result.number = _leaf_name(history, node, names), float(gradient[index])
            result.headline = (
                f"the tensor is finite, and the .grad of {result.of} has "
                f"{_number(result.number)}{_at(index)}."
            )
            return result
    result.headline = "the tensor is finite, and so is the .grad of each leaf."
    result.known_from = f"the graph was released by backward; to know the rest, {ASK}"
    return result


def _grad_of(node: Any) -> Any:
    holder = node.holder() if isinstance(node, Leaf) and node.holder is not None else None
    grad = None if holder is None else holder._grad
    return None if grad is None else grad._data


def _found(history: History, origin: Origin, names: Names) -> NonFinite:
    result = NonFinite()
    case = Case(history, origin)
    backward = origin.arrived is not None or origin.kind in ("sum", "hook")
    result.found = True
    result.direction = "backward" if backward else "forward"
    result.index, result.number = origin.index, origin.number
    result.repair, result.overflow = repair(history, origin), is_overflow(case)
    what, at = _number(origin.number), _at(origin.index)
    one = history.tensor._data.size == 1
    seen = "the loss is finite; " if one else "the tensor is finite; for the gradient of its sum, "
    if origin.kind in ("parameter", "input"):
        result.of = _given_name(history, origin, names)
        result.headline = f"{result.of} has {what}{at}, before any op that was recorded."
    else:
        result.op = case.kind
        result.inputs = _inputs_at(case)
        if origin.kind == "hook":
            result.headline = f"{seen}a hook on the result of {case.kind} gave {what}{at}."
        elif origin.kind == "sum":
            result.op = None if isinstance(origin.node, Leaf) else case.kind
            result.headline = f"{seen}gradients that add up{at} become {what} in the backward pass."
        elif backward:
            result.of = case.name(origin.position or 0)
            result.headline = (
                f"{seen}the backward of {case.kind} made the first {what} of the backward pass, in "
                f"the gradient of {result.of}{at}."
            )
        else:
            made = "is the first op known to have" if origin.kind == "seen" else "made the first"
            result.headline = f"{case.kind} {made} {what} in the forward pass{at}."
    line = history.line(origin.node)
    result.line = None if line is None else printable(line)
    call = history.call(origin.node)
    if call is not None:
        kind = "" if call.kind == call.path else f" ({call.kind})"
        result.module = printable(call.path + kind)
    result.path = _path_text(origin)
    result.known_from = _known_from(origin)
    if origin.given is not None:
        result.repair = f"{result.repair}; {_source_text(history, origin.given, names)}"
    return result


def _source_text(history: History, source: Origin, names: Names) -> str:
    """Where an inf or nan came from that the op was given."""
    what, at = _number(source.number), _at(source.index)
    if source.kind in ("parameter", "input"):
        return f"{_given_name(history, source, names)} has {what}{at}"
    line = history.line(source.node)
    return f"{type(source.node).__name__} made {what}{at}" + (f" at {line}" if line else "")


def _given_name(history: History, origin: Origin, names: Names) -> str:
    op, position = origin.node, origin.position or 0
    parent = op.parents[position]
    if parent is not None:
        return _leaf_name(history, parent, names)
    given = origin.inputs[position]
    saved = getattr(op, "saved_inputs", None)
    held = saved[position] if saved else given
    name = names.of_array(held) or names.of_array(given)
    if name is not None:
        return f"the input {printable(name)}"
    if not np.ndim(given):
        return f"the constant {input_name(op, position)} of {type(op).__name__}"
    return f"the input {input_name(op, position)} of {type(op).__name__}, of shape {given.shape},"


def _leaf_name(history: History, leaf: Any, names: Names) -> str:
    name = names.of_node(leaf)
    if name is not None:
        return f"the parameter {printable(name)}"
    leaves = [node for node in history.order if isinstance(node, Leaf)]
    return f"parameter {leaves.index(leaf) + 1} of the graph, of shape {leaf.out_shape},"


def _inputs_at(case: Case) -> dict[str, Any]:
    """What the op was given at the index, by name; in the backward pass also the gradient."""
    found: dict[str, Any] = {}
    for position, value in enumerate(case.origin.inputs):
        if value is None or value is UNKNOWN or np.asarray(value).dtype.kind not in "fiub":
            continue
        number = case.at(position)
        found[case.name(position)] = np.array(value) if number is None else number
    if case.backward:
        y, g = case.result(), case.gradient()
        if y is not None and not found:
            found["y"] = y
        if g is not None:
            found["g"] = g
    return found


def _path_text(origin: Origin) -> str:
    """The ops through which it came to the loss, or in the backward pass to a leaf."""
    every = [type(node).__name__ for node in origin.path]
    runs = groupby(kind for kind in every if kind not in ("Output", "Leaf"))
    counted = [(kind, sum(1 for _ in run)) for kind, run in runs]
    kinds = [kind if count == 1 else f"{count} x {kind}" for kind, count in counted]
    if len(kinds) > LONGEST_PATH:
        more = len(kinds) - LONGEST_PATH + 1
        kinds = [*kinds[: LONGEST_PATH - 2], f"{more} more", kinds[-1]]
    backward = origin.arrived is not None or origin.kind in ("sum", "hook")
    end = "a leaf" if backward else "the result"
    then = f"{type(origin.then).__name__} makes nan of it; " if origin.then is not None else ""
    return then + (f"it reaches {end} through {', '.join(kinds)}" if kinds else "")


def _known_from(origin: Origin) -> str | None:
    """What is not known about the ops before this one, or between it and the loss."""
    if not origin.unknown:
        return None
    kinds = sorted({type(node).__name__ for node in origin.unknown} - {"Leaf", "Output"})
    what = f"the values of {', '.join(kinds)}" if kinds else "some parameters"
    which = "earlier ones are unknown" if origin.kind == "seen" else "not all is known"
    return f"{which}: {what} were not saved; {ASK} to know all"


def _number(number: float) -> str:
    return "nan" if np.isnan(number) else "inf" if number > 0 else "-inf"


def _at(index: Index) -> str:
    return f" at {index}" if index else ""


def _value(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return digits(float(value))
    if value.size <= MOST_SHOWN:
        return np.array2string(value, separator=", ", precision=6).replace("\n", "")
    finite = value[np.isfinite(value)] if value.dtype.kind == "f" else value
    bad = value.size - finite.size
    text = f"{value.shape}"
    if finite.size:
        text += f" from {float(finite.min()):.6g} to {float(finite.max()):.6g}"
    return text + (f", {bad} not finite" if bad else "")
