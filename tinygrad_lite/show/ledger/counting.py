"""cost: what the graph of a tensor costs, counted from its shapes and from what its nodes keep."""

from math import prod
from typing import Any

import numpy as np

from ...arrays.arguments import wrong
from ...arrays.shapes import Shape
from ...engine.function import Function, Primitive
from ...engine.graph import Leaf, Node, Output, TensorBase
from ...ops import arithmetic, indexing, movement, reduce
from ..graph.history import NO_GRAPH, History
from ..graph.naming import Names
from ..graph.work import shape_of, work
from .costs import NodeCost
from .kept_memory import Memory
from .ledger import Ledger, measured

# Ops whose gradients are the arriving one, or views of it: nothing is moved.
PASSING = (
    *(arithmetic.Add, movement.Concatenate, movement.Expand, movement.Pad, movement.Permute),
    *(movement.Reshape, reduce.Mean, reduce.Sum),
)


def cost(loss: TensorBase, names: Any = None) -> Ledger:
    """What the graph of a tensor costs, counted from its shapes; nothing is run again.

        print(cost(loss))
        cost(loss).alive()      # the memory that it keeps, and who holds it

    Floating-point operations forward and backward (for the gradients that are wanted; a
    multiply-add is 2, exp is 1, see show/graph/work.py), the bytes that are kept for the backward
    pass, and those that are moved.  Times too, if the graph was made inside `profile()`; source
    lines and Modules inside `profile()` or `keep_values()`.  What the graph does not tell, such as
    a frozen bias, which no rule reads, is not counted; `profile()` sees all.

    names   a Module: then ops that use a parameter belong to the Module that has it

    Errors: TypeError if `loss` is not a Tensor; ValueError if it has no graph.
    """
    if not isinstance(loss, TensorBase):
        raise wrong("cost: loss", "a Tensor", loss)
    if loss._node is None:
        raise ValueError(f"cost: {NO_GRAPH}")
    history, modules = History(loss), _Modules(Names.of(names, "cost"))
    notes = []
    if any(isinstance(node, Primitive) and node.freed for node in history.order):
        notes.append("a backward pass has freed what this graph kept, but for constants of its ops")
    ledger, memory = Ledger(loss, notes), Memory()
    results: dict[Node, dict[int, Shape]] = {}
    for node in history.order:
        if isinstance(node, Output):
            (op,) = node.parents
            results.setdefault(op, {})[node.index] = node.out_shape  # type: ignore[arg-type]
    dtypes: dict[Node, Any] = {}
    for node in history.order:
        dtypes[node] = _dtype(node, history, dtypes)
        if isinstance(node, Primitive):
            ledger.enter(node, _counted(node, history, results.get(node), dtypes, memory, modules))
    return ledger


def _counted(
    op: Primitive,
    history: History,
    several: dict[int, Shape] | None,
    dtypes: dict[Node, Any],
    memory: Memory,
    modules: "_Modules",
) -> NodeCost:
    """What one op cost; `several` are the shapes of its results by number, if it has several."""
    given = history.inputs(op)
    shapes = [
        shape_of(value) if parent is None else parent.out_shape
        for value, parent in zip(given, op.parents, strict=True)
    ]
    results: list[Shape | None] = [op.out_shape]
    if several is not None:
        results = [several.get(index) for index in range(max(several) + 1)]
    earlier, call = measured.get(op), history.call(op)
    cost = NodeCost(type(op).__name__, line=history.line(op) or "", calls=1)
    cost.module = modules.of(op) if call is None else call.path
    if earlier is not None:
        cost.module, cost.line = earlier.module or cost.module, earlier.line
        cost.forward, cost.backward = earlier.forward, earlier.backward
    found = work(op, shapes, results)
    if found is None:
        cost.unknown = 1
    else:
        cost.forward_flops, cost.backward_flops = found
        cost.rule = found.backward
    cost.kept, cost.parameters = memory.of(op)
    inputs = [
        value.nbytes
        if isinstance(value, np.ndarray)
        else 0
        if parent is None
        else _bytes(parent.out_shape, dtypes[parent])
        for value, parent in zip(given, op.parents, strict=True)
    ]
    output = sum(_bytes(shape, dtypes[op]) for shape in results if shape is not None)
    if not _is_view(op):
        cost.moved += sum(inputs) + output
    if not isinstance(op, PASSING):
        saved = sum(array.nbytes for array in op.kept_arrays())
        wanted = sum(size for size, need in zip(inputs, op.needs, strict=True) if need)
        cost.moved += output + saved + wanted
    return cost


def _bytes(shape: Shape, dtype: Any) -> int:
    size: int = prod(shape) * dtype.itemsize
    return size


def _is_view(op: Primitive) -> bool:
    """Whether the result of an op is a view of its input."""
    if isinstance(op, indexing.Getitem):
        index = op.index if isinstance(op.index, tuple) else (op.index,)
        return not any(isinstance(one, np.ndarray) for one in index)
    return op.views and not isinstance(op, Function)


def _dtype(node: Node, history: History, known: dict[Node, Any]) -> Any:
    """The dtype of a node's result: of its value, or as it follows from its inputs."""
    value = history.value(node)
    if isinstance(value, np.ndarray):
        return value.dtype
    if isinstance(value, tuple):
        return next((one.dtype for one in value if one is not None), np.dtype(np.float32))
    if isinstance(getattr(node, "dtype", None), np.dtype):
        return node.dtype  # type: ignore[attr-defined]  # of a Cast
    parents = [known[parent] for parent in node.parents if parent is not None]
    return np.result_type(*parents) if parents else history.tensor._data.dtype


class _Modules:
    """The path of the Module that has a parameter which an op uses."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.root = names.modules.get("", "")

    def of(self, op: Primitive) -> str:
        """The path of an op; "" if it uses no parameter that has a name."""
        for parent in op.parents if self.root else ():
            name = self.names.of_node(parent) if isinstance(parent, Leaf) else None
            if name is not None:
                path = name.partition(" = ")[0].rpartition(".")[0]
                return f"{self.root}.{path}".rstrip(".")
        return ""
