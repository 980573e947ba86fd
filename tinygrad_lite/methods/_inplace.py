"""Writing in place: which writes are refused, before anything is written, and how it is recorded.

The backward pass needs the values that the ops saved.  A write that would make gradients wrong
beyond repair is refused (`check_writable`); every other write is noted (in `memory.changes`),
and the backward pass compares the notes with the saved arrays.
"""

from typing import Any

import numpy as np

from ..engine.function import Primitive
from ..engine.graph import Array, Leaf, TensorBase
from ..engine.memory import changes
from ..engine.recording import is_grad_enabled
from ..mistakes.kept_graphs import added_in_place
from ..mistakes.updates_by_hand import updated
from ..ops.arithmetic import Add, Sub
from ._operands import cast, pair


def check_writable(name: str, tensor: TensorBase, region: Array, other: Any) -> None:
    """Raise unless `region`, a part of the tensor's memory, may be written.  Write nothing."""
    if not region.flags.writeable:
        raise RuntimeError(
            f"{name}: this tensor is an expanded or read-only view, whose elements share memory; "
            "clone() it first"
        )
    if not is_grad_enabled():
        return
    if isinstance(tensor._node, Leaf):
        raise RuntimeError(
            f"{name}: a leaf that requires grad cannot be written in place; do it inside "
            "`with no_grad():`, as an optimiser of nn.optim does"
        )
    if tensor._views is None:
        return
    recorded = tensor._node is not None or getattr(other, "_node", None) is not None
    for reference in tensor._views.copy().values():  # a copy: other threads may drop theirs
        view = reference()
        if (
            view is not None
            and view is not tensor
            and (recorded or view._node is not None)
            and np.shares_memory(view._data, region)
        ):
            raise RuntimeError(
                f"{name}: another tensor of shape {view._data.shape} is a view of this memory, and "
                "its gradient would be wrong; clone() one of the two first, or write "
                "x = x + ... instead of x += ..."
            )


def overwrite(name: str, tensor: TensorBase, result: TensorBase) -> None:
    """Write `result` into the memory of `tensor`, which takes over its node in the graph."""
    result = _fitting(name, tensor, result)
    changes.note(tensor)
    tensor._data[...] = result._data
    if result._node is None:
        return
    old, tensor._node = tensor._node, result._node
    if old is not None and old.holder is not None and old.holder() is tensor:  # retain_grad
        result._node.holder, old.holder = old.holder, None


def _fitting(name: str, tensor: TensorBase, result: TensorBase) -> TensorBase:
    """The result in the tensor's dtype; an error if it does not fit into the tensor's memory."""
    data = tensor._data
    if result._data.shape != data.shape:
        raise ValueError(
            f"{name}: the result has shape {result._data.shape}, which does not fit in place into "
            f"{data.shape}; write x = x + ... instead of x += ..."
        )
    if result._data.dtype is data.dtype:
        return result
    if not np.can_cast(result._data.dtype, data.dtype, "same_kind"):
        raise TypeError(
            f"{name}: the result is {result._data.dtype}, which does not fit in place into "
            f"{data.dtype}; cast the tensor first"
        )
    return cast(result, data.dtype, name)


def update(
    name: str, op: type[Primitive], tensor: TensorBase, other: Any, floating: bool = False
) -> Any:
    """Replace the tensor's value with op(tensor, other), in the same memory; return the tensor."""
    check_writable(name, tensor, tensor._data, other)
    if op is Add:
        added_in_place(other)
    old = tensor._wrap(tensor._data.copy(), tensor._node) if op.reads else tensor
    result = op.apply(*pair(name, old, old if other is tensor else other, floating))
    overwrite(name, tensor, result)
    if tensor._grad is not None and op in (Add, Sub):
        updated(tensor)
    return tensor


def replace(name: str, method: str, tensor: TensorBase, *others: Any, **options: Any) -> Any:
    """Replace the tensor's value with that of a method, in the same memory; return the tensor."""
    recorded = next((other for other in others if getattr(other, "_node", None)), None)
    check_writable(name, tensor, tensor._data, recorded)
    old = tensor._wrap(tensor._data.copy(), tensor._node)
    given = [old if other is tensor else other for other in others]
    overwrite(name, tensor, getattr(old, method)(*given, **options))
    return tensor
