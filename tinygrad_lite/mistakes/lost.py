"""A tensor that was computed from weights which nobody holds any more, so that nobody trains them.

    self.w = Tensor.randn(4, 2, requires_grad=True) * 0.1

The leaf of that graph is gone with the line; what is left is no parameter.
"""

from ..engine.graph import Leaf, Node, TensorBase


def is_lost(tensor: TensorBase) -> bool:
    """Whether all tensors that this one was computed from, and that require grad, are gone.

    False for a leaf, and once a backward pass has gone through the graph: then it was of use, as
    the result of a forward pass whose input is gone by now.
    """
    if tensor._node is None or isinstance(tensor._node, Leaf):
        return False
    stack: list[Node] = [tensor._node]
    seen, leaves = set(stack), 0
    while stack:
        node = stack.pop()
        if isinstance(node, Leaf):
            if node.holder is not None and node.holder() is not None:
                return False
            leaves += 1
        elif getattr(node, "freed", False):
            return False
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return leaves > 0
