"""Vector-Jacobian products by `backward`, with a diagnosis of gradients of another shape."""

from collections.abc import Sequence
from typing import Any

from ..arrays.shapes import Shape
from ..derivatives import grad
from ..engine.recording import Observer
from ..tensor import Tensor
from .diagnosis import misfit
from .differences import Subject


def pull_back(
    subject: Subject,
    outputs: Sequence[Tensor],
    cotangents: Sequence[Any],
    leaves: Sequence[Tensor],
    **options: Any,
) -> Sequence[Tensor | None]:
    """The gradients with respect to the leaves; None for leaves without one."""
    ends = [pair for pair in zip(outputs, cotangents, strict=True) if pair[0].requires_grad]
    if not ends:
        return [None] * len(leaves)
    tensors, starts = zip(*ends, strict=True)
    with _Shapes(subject):
        return grad(tensors, leaves, starts, allow_unused=True, **options)


class _Shapes(Observer):
    """Raises GradientError for a gradient of another shape than its input's."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def backward(self, node: Any, gradient: Any) -> Any:
        """The gradients that the rule gives, if they fit."""
        pulled: Sequence[Any] = super().backward(node, gradient)
        if node.broadcasts or not isinstance(pulled, tuple) or len(pulled) != len(node.parents):
            return pulled  # what is wrong with these the engine says
        expected = [None if parent is None else parent.out_shape for parent in node.parents]
        shapes = [getattr(found, "shape", None) for found in pulled]
        for position, (wanted, shape) in enumerate(zip(expected, shapes, strict=True)):
            if wanted is not None and shape is not None and shape != wanted:
                self.subject.fail(
                    f"{type(node).__name__}.backward gives input {position}, of shape {wanted}, a "
                    f"gradient of shape {shape}\n"
                    f"diagnosis: {_exchanged(position, expected, shapes) or misfit(shape, wanted)}"
                )
        return pulled


def _exchanged(
    position: int, expected: Sequence[Shape | None], shapes: Sequence[Shape | None]
) -> str:
    """The diagnosis, if another input got the shape of this one, and this one its shape."""
    for other, (wanted, shape) in enumerate(zip(expected, shapes, strict=True)):
        if wanted == shapes[position] and shape == expected[position]:
            first, second = sorted((position, other))
            return f"the gradients of inputs {first} and {second} are exchanged"
    return ""
