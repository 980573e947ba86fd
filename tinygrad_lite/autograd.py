"""Gradients as values: `grad` returns what `backward` would add to `.grad`."""

from collections.abc import Sequence
from typing import Any

from .backpropagation import backpropagate
from .tensor import Tensor


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the outputs' sum with respect to the inputs; `.grad` stays as it is.

    outputs        one tensor or several
    inputs         one tensor or several, leaves or not
    grad_outputs   the gradient of each output, of its shape; None for 1 where it has one element
    retain_graph   keep what the ops saved; by default as create_graph
    create_graph   record the walk, so that the gradients can be differentiated again
    allow_unused   None for an input that no output depends on, instead of a RuntimeError

    Returns a tuple with a tensor of each input's shape.
    """
    ends = _listed(outputs)
    targets = _listed(inputs)
    given = [None] * len(ends) if grad_outputs is None else _listed(grad_outputs)
    if len(given) != len(ends):
        raise ValueError(
            f"grad: expected {len(ends)} grad_outputs, one an output; got {len(given)}"
        )
    for target in (*ends, *targets):
        if not isinstance(target, Tensor):
            raise TypeError(
                f"grad: expected Tensors as outputs and inputs; got {type(target).__name__}"
            )
    for position, target in enumerate(targets):
        if not target.requires_grad:
            raise RuntimeError(
                f"grad: input {position}, of shape {target.shape}, does not require grad; make it "
                "with requires_grad=True"
            )
    starts = [end._starting_gradient("grad", start) for end, start in zip(ends, given, strict=True)]
    found = backpropagate(
        [
            (end._root("grad"), start if create_graph else start._data)
            for end, start in zip(ends, starts, strict=True)
        ],
        retain=create_graph if retain_graph is None else retain_graph,
        wanted=targets,
        allow_unused=allow_unused,
        wrap=ends[0]._wrap if create_graph else None,
    )
    return tuple(found)  # type: ignore[arg-type]  # of the inputs' class


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]
