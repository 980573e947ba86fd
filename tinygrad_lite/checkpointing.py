"""Trading time for memory: backward recomputes intermediate results, which are not saved.

A chain of n layers saves n results for backward.  Run through `checkpoint` in about sqrt(n) parts,
it saves the results between the parts and, while the backward pass is inside a part, those of that
part: 2 sqrt(n) results instead of n, at the cost of one more forward pass (T. Chen et al., Training
Deep Nets with Sublinear Memory Cost, 2016; Griewank and Walther, Evaluating Derivatives, 2008,
chapter 12).
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from types import FunctionType, MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

from .arrays.arguments import function
from .arrays.generator import repeatable, repeated
from .arrays.ownership import memory_owner
from .engine.backward import gradients_at
from .engine.function import Function
from .engine.graph import Array, Leaf, Node, Output, TensorBase
from .engine.memory import Alert, changes, link_views
from .engine.recording import is_grad_enabled, modes, serials


def checkpoint(fn: Callable[..., Any], *xs: Any, **options: Any) -> Any:
    """fn(*xs, **options), without the intermediate results: backward runs `fn` again.

    This saves memory, and nothing to a file: that is `nn.training.Snapshot`.

    fn   a function or a Module.  It returns a tensor, or a tuple or list that contains tensors.
         Gradients reach the tensors among `xs` and `options`, and other tensors that `fn`
         uses, such as the parameters of a Module

    The second run draws the same random numbers from Tensor's generator as the first, so dropout
    drops the same elements; then the generator's state is restored.  Nothing else that `fn`
    depends on may change in between, and `fn` must not change its arguments.  Statistics that `fn`
    updates are updated twice.

    Errors: TypeError for a result of another type, and for an iterator as an argument, which the
    second run would find empty; in backward, RuntimeError if a tensor that `fn` read was changed in
    place, or if the second run differs from the first.  (Watched are the tensors that require grad,
    those in the arguments, in containers and dataclasses there too, and those that are variables
    around `fn`; not the attributes of a Module, such as running statistics.)
    """
    function(fn, "checkpoint: fn")
    for x in (*xs, *options.values()):
        if isinstance(x, Iterator):
            kind = type(x).__name__
            raise TypeError(
                f"checkpoint: expected what can be read twice; got a {kind}; use a list"
            )
    began = next(serials)
    alert = Alert()
    with repeatable() as state:
        returned = fn(*xs, **options)
    recorded = _recorded(returned)
    if not recorded or not is_grad_enabled():
        return returned
    node = Checkpoint(xs, options, recorded, began, state, alert, fn=fn)
    return _with_nodes(returned, node, node.positions(recorded))


class _Kept(NamedTuple):
    """The parts of a tensor: a node must not hold the tensor itself."""

    wrap: Callable[[Any, Node | None], TensorBase]
    array: Array
    node: Node | None


class Checkpoint(Function):
    """y = fn(*xs).  Backward computes y again, and passes the gradient through the recorded graph.

    Its parents are the nodes that existed before `fn` ran and that y depends on: those of the
    inputs, and of everything else that `fn` reads.
    """

    __slots__ = (
        "alert",
        "began",
        "description",
        "fn",
        "options",
        "random_state",
        "watched",
        "xs",
    )

    def __init__(
        self,
        xs: tuple[Any, ...],
        options: dict[str, Any],
        recorded: Sequence[TensorBase],
        began: int,
        state: Any,
        alert: Alert,
        /,  # what follows is shown in pictures
        fn: Callable[..., Any],
    ) -> None:
        self.fn: Any = fn
        self.xs = tuple(_kept(x) for x in xs)
        self.options = {name: _kept(x) for name, x in options.items()}
        self.began = began
        self.random_state = state
        self.description = _description(recorded)
        self.parents = _frontier(recorded, began)
        holders = (node.holder() for node in self.parents if isinstance(node, Leaf) and node.holder)
        leaves = [tensor._data for tensor in holders if tensor is not None]
        self.watched = [*leaves, *_arrays_in([xs, options]), *_arrays_around(fn, began)]
        if isinstance(fn, partial):
            self.watched += _arrays_in([fn.args, fn.keywords])
        self.needs = (True,) * len(self.parents)
        self.saved_inputs = ()
        self.saved_output = None
        self.alert: Alert | None = alert
        self.serial = next(serials)
        self.holder = None
        self.line = None

    def positions(self, recorded: Sequence[TensorBase]) -> Iterator[Node]:
        """A node for each result."""
        shapes = [tensor._data.shape for tensor in recorded]
        if len(shapes) == 1:
            self.out_shape = shapes[0]
            return iter([self])
        self.out_shape = ()
        return iter([Output(self, index, len(shapes), shape) for index, shape in enumerate(shapes)])

    def pull_back(self, gradient: Any) -> tuple[Any, ...]:
        """Run `fn` again, and pass the gradient back through it, as far as the parents."""
        fn, xs, options = self.fn, self.xs, self.options
        if self.freed:  # asked last: another thread's pass may release it meanwhile
            raise self.released()
        if changes.newest > self.began:
            changes.check(self, self.began)
        began = next(serials)
        with repeated(self.random_state):
            returned = fn(
                *(_restored(x) for x in xs),
                **{name: _restored(x) for name, x in options.items()},
            )
        recorded = _recorded(returned)
        reached = {node for node in _frontier(recorded, began) if node.serial < began}
        if _description(recorded) != self.description or not reached <= set(self.parents):
            raise RuntimeError(
                "checkpoint: fn did something else the second time; it must depend on nothing that "
                "changes before backward"
            )
        given = [gradient] if len(recorded) == 1 else gradient
        roots = [
            (tensor._node, one)
            for tensor, one in zip(recorded, given, strict=True)
            if tensor._node is not None and one is not None
        ]
        retain = any(isinstance(one, TensorBase) for _, one in roots)  # the rules are recorded
        return tuple(gradients_at(self.parents, roots, retain=retain))

    def release(self) -> None:
        """Free `fn` and its inputs."""
        super().release()
        self.alert = None
        self.fn, self.xs, self.options, self.watched = None, (), {}, []


def _recorded(returned: Any) -> list[TensorBase]:
    """The tensors in what `fn` returned that require grad."""
    if not isinstance(returned, (TensorBase, tuple, list)):
        raise TypeError(
            "checkpoint: expected fn to return a Tensor, or a tuple or list with some in it; "
            f"got {type(returned).__name__}"
        )
    values = [returned] if isinstance(returned, TensorBase) else returned
    return [value for value in values if isinstance(value, TensorBase) and value._node is not None]


def _with_nodes(returned: Any, checkpoint: Checkpoint, nodes: Iterator[Node]) -> Any:
    """What `fn` returned, each recorded tensor with another node."""
    if isinstance(returned, TensorBase):
        return _placed(returned, checkpoint, next(nodes))
    values = [
        _placed(value, checkpoint, next(nodes))
        if isinstance(value, TensorBase) and value._node is not None
        else value
        for value in returned
    ]
    make = getattr(type(returned), "_make", type(returned))  # a namedtuple is made by _make
    return make(values)


def _placed(tensor: TensorBase, checkpoint: Checkpoint, node: Node) -> TensorBase:
    """The same memory with another node."""
    placed = tensor._wrap(tensor._data, node)
    link_views(placed, tensor)
    observer = modes.get().observer
    if observer is not None:
        observer.recorded(checkpoint, placed)
    return placed


def _description(recorded: Sequence[TensorBase]) -> list[Any]:
    return [(tensor._data.shape, tensor._data.dtype) for tensor in recorded]


def _frontier(recorded: Sequence[TensorBase], began: int) -> tuple[Node, ...]:
    """The first nodes, going back from the tensors, that `fn` has not made; oldest first.

    These are older than the start of `fn`; leaves count too, though `fn` may make some.
    """
    stack = [tensor._node for tensor in recorded if tensor._node is not None]
    seen = set(stack)
    found = []
    while stack:
        node = stack.pop()
        if node.serial < began or isinstance(node, Leaf):
            found.append(node)
            continue
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return tuple(sorted(found, key=lambda node: node.serial))


def _arrays_in(values: Any) -> Iterator[Array]:
    """The arrays of the tensors among the values, in containers and in dataclasses there too."""
    stack, seen = [values], set()
    while stack:
        value = stack.pop()
        if isinstance(value, TensorBase):
            yield value._data
        elif id(value) in seen:
            continue
        elif isinstance(value, (list, tuple, deque, set, frozenset)):
            stack.extend(value)
        elif isinstance(value, (dict, MappingProxyType)):
            stack.extend(value.values())
        elif isinstance(value, SimpleNamespace):
            stack.extend(vars(value).values())
        else:
            fields = () if isinstance(value, type) else getattr(value, "__dataclass_fields__", ())
            stack.extend(getattr(value, name) for name in fields if hasattr(value, name))
        seen.add(id(value))


def _arrays_around(fn: Any, began: int) -> Iterator[Array]:
    """The arrays of the tensors that are variables around `fn`, and that it did not change itself.

    What it changed are statistics, such as a running mean.
    """
    if not isinstance(fn, FunctionType):
        return
    values = [fn.__globals__.get(name) for name in fn.__code__.co_names]
    for cell in fn.__closure__ or ():
        with suppress(ValueError):  # a variable that is not assigned yet
            values.append(cell.cell_contents)
    for value in values:
        if isinstance(value, TensorBase):
            noted = changes.found.get(id(memory_owner(value._data)))
            if noted is None or noted[0] < began:
                yield value._data


def _kept(value: Any) -> Any:
    if isinstance(value, TensorBase):
        return _Kept(value._wrap, value._data, value._node)
    return value


def _restored(value: Any) -> Any:
    return value.wrap(value.array, value.node) if isinstance(value, _Kept) else value
