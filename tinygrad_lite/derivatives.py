"""Derivatives of functions: products with Jacobians and Hessians, and the full matrices.

`fn` is a function of one tensor or several.  `inputs`, a tensor or a tuple of tensors, is the point
where the derivative is taken.  A result is a tensor if `inputs` (or what `fn` returns) is one, and
a tuple if it is a tuple.  Inputs may require grad or not, and their `.grad` does not change.  If an
output does not depend on an input, the derivative is zeros.  With create_graph=True the results can
be differentiated again, with respect to inputs that require grad and to anything else that `fn`
uses; otherwise they have no graph.

J is the Jacobian, the matrix of d output / d input.  A backward pass from a cotangent v of the
outputs gives v J at a small multiple of the cost of `fn` (Griewank and Walther, Evaluating
Derivatives, 2008, chapter 3); with v a row of the identity, that is a row of J.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, overload

import numpy as np

from .arrays.arguments import flag, function
from .engine.backward import backpropagate
from .engine.recording import grad_on
from .methods._keywords import also
from .methods._operands import as_float, tensor_or_array
from .tensor import Tensor

Tensors: TypeAlias = Tensor | tuple[Tensor, ...]


@overload
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: Literal[False] = False,
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]: ...
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of the outputs with respect to the inputs; `.grad` does not change.

    outputs        one tensor or several
    inputs         one tensor or several, leaves or not; `model.parameters()` too
    grad_outputs   the gradient with respect to each output, of its shape; None: 1, for an output of
                   one element
    retain_graph   keep the saved arrays; default: the same as create_graph
    create_graph   run the backward pass on Tensors, so that it is itself recorded and the gradients
                   can be differentiated again
    allow_unused   return None for an input that no output depends on, instead of a RuntimeError

    Returns a tuple of tensors in the shapes of the inputs.
    """
    ends = _listed(outputs)[0]
    targets = _listed(inputs)[0]
    given = [None] * len(ends) if grad_outputs is None else _listed(grad_outputs)[0]
    if len(given) != len(ends):
        raise ValueError(
            f"grad: expected {len(ends)} grad_outputs, one per output; got {len(given)}"
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
    create_graph = flag(create_graph, "grad: create_graph")
    allow_unused = flag(allow_unused, "grad: allow_unused")
    if retain_graph is not None:
        retain_graph = flag(retain_graph, "grad: retain_graph")
    starts = [end._starting_gradient("grad", start) for end, start in zip(ends, given, strict=True)]
    found = backpropagate(
        [
            (end._root("grad"), start if create_graph else start._data)
            for end, start in zip(ends, starts, strict=True)
        ],
        retain=create_graph if retain_graph is None else retain_graph,
        wanted=targets,
        allow_unused=allow_unused,
    )
    return tuple(found)  # type: ignore[arg-type]  # they have the class of the inputs


@also("func", "v")
def vjp(
    fn: Callable[..., Any], inputs: Any, cotangents: Any = None, *, create_graph: bool = False
) -> tuple[Tensors, Tensors]:
    """Vector-Jacobian product: fn(*inputs), and v J for the cotangents v.

    cotangents  one for each output, of its shape; None: 1, for a single output of one element

    Returns (outputs, products), the products in the shapes of the inputs.
    """
    create_graph = flag(create_graph, "vjp: create_graph")
    with grad_on():
        leaves, single_input = _leaves("vjp", inputs, create_graph)
        outputs, single = _outputs("vjp", fn, leaves)
        v = _directions("vjp: cotangents", cotangents, outputs, "output")
        found = _gradients(outputs, leaves, v, create_graph)
    return _packed(outputs, single, create_graph), _packed(found, single_input, create_graph)


@also("func", "v")
def jvp(
    fn: Callable[..., Any], inputs: Any, tangents: Any = None, *, create_graph: bool = False
) -> tuple[Tensors, Tensors]:
    """Jacobian-vector product: fn(*inputs), and J u for the tangents u, the derivative along u.

    tangents  one for each input, of its shape; None: 1, for a single input of one element

    Returns (outputs, products), the products in the shapes of the outputs.

    It takes two backward passes: v J is linear in v, so the gradient of (v J) . u with respect to v
    is J u, for any v.  So there is no need for a second, forward set of derivatives (J. Townsend, A
    new trick for calculating Jacobian vector products, 2017).
    """
    create_graph = flag(create_graph, "jvp: create_graph")
    with grad_on():
        leaves, _ = _leaves("jvp", inputs, create_graph)
        u = _directions("jvp: tangents", tangents, leaves, "input")
        outputs, single = _outputs("jvp", fn, leaves)
        v = [_in_own_node(as_float(output).zeros_like(), False) for output in outputs]
        rows = _gradients(outputs, leaves, v, create_graph=True)
        found = _gradients(rows, v, u, create_graph)
    return _packed(outputs, single, create_graph), _packed(found, single, create_graph)


@also("func", "v")
def hvp(
    fn: Callable[..., Any], inputs: Any, vectors: Any = None, *, create_graph: bool = False
) -> tuple[Tensor, Tensors]:
    """Hessian-vector product: fn(*inputs), a tensor of one element, and H v for its Hessian H.

    vectors  one for each input, of its shape; None: 1, for a single input of one element

    Returns (output, products), the products in the shapes of the inputs, at the cost of two
    gradients.  H v is the gradient of (gradient of fn) . v, so H itself is not needed (B.
    Pearlmutter, Fast Exact Multiplication by the Hessian, Neural Computation 6, 1994).
    """
    create_graph = flag(create_graph, "hvp: create_graph")
    with grad_on():
        leaves, single = _leaves("hvp", inputs, create_graph)
        v = _directions("hvp: vectors", vectors, leaves, "input")
        output = _scalar("hvp", fn, leaves)
        slopes = _gradients([output], leaves, [None], create_graph=True)
        found = _gradients(slopes, leaves, v, create_graph)
    return _packed([output], True, create_graph), _packed(found, single, create_graph)


@also("func")
def jacobian(fn: Callable[..., Any], inputs: Any, *, create_graph: bool = False) -> Any:
    """The Jacobian: every d output / d input, of shape output.shape + input.shape.

    A tensor for one output and one input, a tuple if one of the two is a tuple, and a tuple of
    tuples if both are: jacobian(...)[i][j] is of output i with respect to input j.  It takes one
    backward pass for each element of the outputs.
    """
    return _jacobian("jacobian", fn, inputs, create_graph)


@also("func")
def hessian(fn: Callable[..., Any], inputs: Any, *, create_graph: bool = False) -> Any:
    """The Hessian: every second derivative of fn(*inputs), a tensor of one element.

    A tensor of shape input.shape + input.shape, or for a tuple of inputs a tuple of tuples:
    hessian(...)[i][j] is with respect to input i and input j.  It is the Jacobian of the gradient,
    and takes one backward pass for each element of the inputs.
    """
    function(fn, "hessian: fn")

    def gradient(*leaves: Tensor) -> Any:
        output = _scalar("hessian", fn, leaves)
        slopes = _gradients([output], leaves, [None], create_graph=True)
        return slopes[0] if isinstance(inputs, Tensor) else tuple(slopes)

    return _jacobian("hessian", gradient, inputs, create_graph)


def _jacobian(name: str, fn: Callable[..., Any], inputs: Any, create_graph: bool) -> Any:
    function(fn, f"{name}: fn")
    create_graph = flag(create_graph, f"{name}: create_graph")
    with grad_on():
        leaves, single_input = _leaves(name, inputs, create_graph)
        outputs, single = _outputs(name, fn, leaves)
        found = [
            _packed(_rows(output, leaves, create_graph), single_input, create_graph)
            for output in outputs
        ]
    return found[0] if single else tuple(found)


def _rows(output: Tensor, leaves: Sequence[Tensor], create_graph: bool) -> list[Tensor]:
    """d output / d leaf for each leaf, row by row: v is each row of the identity in turn."""
    shapes = [output.shape + leaf.shape for leaf in leaves]
    if not output.requires_grad or output.numel() == 0:
        return [
            leaf.zeros(shape, dtype=leaf.dtype) for leaf, shape in zip(leaves, shapes, strict=True)
        ]
    rows = []
    for position in range(output.numel()):
        v = np.zeros(output.shape, output.dtype)
        v.flat[position] = 1.0
        rows.append(_gradients([output], leaves, [v], create_graph, retain_graph=True))
    found = []
    for column, shape in zip(zip(*rows, strict=True), shapes, strict=True):
        first, *others = (row.reshape((1, *row.shape)) for row in column)
        found.append(first.cat(*others, axis=0).reshape(shape))
    return found


def _gradients(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    v: Sequence[Any],
    create_graph: bool,
    retain_graph: bool | None = None,
) -> list[Tensor]:
    """v J, with zeros for inputs that no output depends on."""
    ends = [end for end in zip(outputs, v, strict=True) if end[0].requires_grad]
    found: Sequence[Tensor | None] = [None] * len(inputs)
    if ends:
        recorded, starts = zip(*ends, strict=True)
        found = grad(recorded, inputs, starts, retain_graph, create_graph, allow_unused=True)
    return [x.zeros_like() if g is None else g for x, g in zip(inputs, found, strict=True)]


def _leaves(name: str, inputs: Any, create_graph: bool) -> tuple[list[Tensor], bool]:
    """The inputs in new nodes, so that other uses of them in `fn` do not count.

    Also whether `inputs` was one tensor rather than a tuple.
    """
    given, single = _listed(inputs)
    if not given:
        raise ValueError(f"{name}: expected a Tensor or a tuple of them as inputs; got none")
    for position, x in enumerate(given):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name}: expected a Tensor or a tuple of them as inputs; got {type(x).__name__}"
            )
        if x.dtype.kind != "f":
            raise TypeError(
                f"{name}: input {position} is {x.dtype}, and only floats have derivatives; "
                "cast it, or let fn use it as a constant"
            )
    return [_in_own_node(x, create_graph) for x in given], single


def _in_own_node(x: Tensor, create_graph: bool) -> Tensor:
    """The same values in a new node, whose parent is the node of x if create_graph needs it."""
    if create_graph and x.requires_grad:
        return x.clone()
    leaf = x.detach()
    leaf.requires_grad = True
    return leaf


def _outputs(
    name: str, fn: Callable[..., Any], leaves: Sequence[Tensor]
) -> tuple[list[Tensor], bool]:
    """What `fn` returns, as a list, and whether it is one tensor rather than a tuple."""
    returned, single = _listed(function(fn, f"{name}: fn")(*leaves))
    for value in returned:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name}: expected fn to return a Tensor or a tuple of them; "
                f"got {type(value).__name__}"
            )
    return returned, single


def _scalar(name: str, fn: Callable[..., Any], leaves: Sequence[Tensor]) -> Tensor:
    """What `fn` returns, which must be one tensor of one element."""
    outputs, _ = _outputs(name, fn, leaves)
    if len(outputs) != 1 or outputs[0].numel() != 1:
        shapes = " and ".join(str(output.shape) for output in outputs)
        raise ValueError(f"{name}: expected fn to return one element; got shape {shapes}")
    return outputs[0]


def _directions(name: str, given: Any, tensors: Sequence[Tensor], what: str) -> list[Any]:
    """The vectors, one of each tensor's shape and dtype."""
    if given is None:
        if len(tensors) > 1 or tensors[0].numel() != 1:
            raise ValueError(
                f"{name}: expected one for each {what}, of its shape; None is 1, for a single "
                f"{what} of one element"
            )
        return [tensors[0].ones_like()]
    found = [tensor_or_array(one, name) for one in _listed(given)[0]]
    if len(found) != len(tensors):
        raise ValueError(f"{name}: expected {len(tensors)}, one for each {what}; got {len(found)}")
    for position, (vector, tensor) in enumerate(zip(found, tensors, strict=True)):
        if np.shape(vector) != tensor.shape:
            raise ValueError(
                f"{name}: expected shape {tensor.shape}, that of {what} {position}; "
                f"got {np.shape(vector)}"
            )
    return found


def _listed(value: Any) -> tuple[list[Any], bool]:
    """The tensors of any iterable, `model.parameters()` too, or the one; and whether it is one."""
    if isinstance(value, Iterable) and not isinstance(value, (Tensor, np.ndarray, str, dict)):
        return list(value), False
    return [value], True


def _packed(found: Sequence[Tensor], single: bool, create_graph: bool) -> Any:
    """The tensors as they are returned: one or a tuple, without a graph unless create_graph."""
    kept = found if create_graph else [tensor.detach() for tensor in found]
    return kept[0] if single else tuple(kept)
