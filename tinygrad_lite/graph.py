"""The graph that operations record, and the walk through it that finds gradients.

Every differentiable operation is a subclass of `Function`, and an *instance* of it is one vertex
of the graph: it knows the vertices that its inputs came from, and keeps the arrays that its
`backward` asked for.  Vertices never hold tensors, so a graph has no reference cycles and is freed
as soon as the last tensor that needs it is gone.

`backpropagate` is reverse-mode differentiation: it visits the vertices newest first, gives each
the gradient of the output with respect to its result, and passes on what the vertex's rule makes
of it.  See Griewank and Walther, "Evaluating Derivatives" (2008), chapter 3.
"""

import inspect
import itertools
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import ContextDecorator
from contextvars import ContextVar
from operator import attrgetter
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np

from .shapes import Shape, broadcast_shape, unbroadcast

Array = np.ndarray[Any, Any]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

# On a forward whose special values are right results, such as log(0) = -inf: NumPy's warnings about
# them are silenced.  (It costs 0.4 us a call, so the ops that seldom meet one do without.)
quiet = np.errstate(all="ignore")

_serials = itertools.count(1)
_newest_first = attrgetter("serial")


class TensorBase:
    """What the engine needs of a tensor: its array, and the vertex that made it.

    `Tensor` is the subclass that people use.  `_node` is None where nothing requires a gradient.
    `_views` is shared by all tensors that look at the same memory (see `link_views`).
    """

    __slots__ = ("__weakref__", "_data", "_node", "_views", "grad")

    _data: Array
    _node: "Node | None"
    _views: "set[weakref.ref[TensorBase]] | None"
    grad: Self | None

    @classmethod
    def _wrap(cls, array: Any, node: "Node | None") -> Self:
        """A tensor around `array`, which is not copied."""
        tensor = cls.__new__(cls)
        tensor._data = array if type(array) is np.ndarray else np.asarray(array)
        tensor._node = node
        tensor._views = None
        tensor.grad = None
        return tensor


class Node:
    """One vertex of the graph.

    parents       the vertices of the inputs, None for an input that needs no gradient
    out_shape     shape of the result
    serial        a number that grows with every vertex and every in-place change
    holder        weak reference to the tensor that takes the gradient: leaves and retain_grad
    line          "file:line" of the user's code, while `record_source_lines` is on
    """

    __slots__ = ("holder", "line", "out_shape", "parents", "serial")

    parents: "tuple[Node | None, ...]"
    out_shape: Shape
    serial: int
    holder: "weakref.ref[TensorBase] | None"
    line: str | None
    fresh: ClassVar[bool] = False

    def pull_back(self, gradient: Any, wrap: "Wrap | None") -> tuple[Any, ...]:
        """The gradients of the parents, given the gradient of the result."""
        return ()

    def release(self) -> None:
        """Let go of what was kept for `pull_back`."""


Wrap = Callable[[Any, Node | None], Any]


class Leaf(Node):
    """The vertex of a tensor that the user made with requires_grad=True."""

    __slots__ = ()

    def __init__(self, tensor: TensorBase) -> None:
        self.parents = ()
        self.out_shape = tensor._data.shape
        self.serial = next(_serials)
        self.holder = weakref.ref(tensor)
        self.line = None


class Function(Node):
    """A differentiable operation: subclass it, write `forward` and `backward`, call `apply`.

        class Cube(Function):
            saves = "inputs"

            def forward(self, x):
                return x * x * x

            def backward(self, g, y, x):
                return (g * 3.0 * x * x,)

        y = Cube.apply(x)

    forward(*arrays) gets an ndarray for each tensor, and anything else as it was passed; it
    returns an array, or a tuple of them.  backward(g, y, *inputs) gets the gradient g of the
    result, the result y and the inputs (None for what `saves` does not name), and returns a tuple
    with one gradient per input, None where `self.needs[i]` is False.

    saves         what backward needs: "inputs", "output", "both" or "nothing"
    broadcasts    True if forward broadcasts its inputs as NumPy does: the engine then sums each
                  gradient back to its input's shape
    views         True if forward may return a view of its first input
    reads         for an op of two inputs a and b with the result y: what the gradient of a reads,
                  and what that of b does, such as ("b", "a") for a product.  Of what `saves` names
                  only that is kept which a gradient that is asked for reads; the rest is None
    fresh         True if each gradient that backward returns is a new array which nothing else
                  holds: the walk may then add another one to it in place
    needs         on an instance: for each input, whether its gradient is asked for

    Keyword arguments of `apply` go to `__init__`; keep options and constants (axes, masks, shapes)
    as attributes, never an array that a gradient depends on.  The rule runs on arrays, and on
    Tensors for second derivatives (create_graph=True): so write it with what means the same on
    both: operators, comparisons, reading by index, `.shape`, `.mT`, `.reshape`, `.astype`, NumPy's
    functions, other ops' `apply`; no `out=`, no writing in place, constants as Python floats.
    """

    __slots__ = ("needs", "saved_inputs", "saved_output")

    saves: ClassVar[Literal["inputs", "output", "both", "nothing"]] = "nothing"
    broadcasts: ClassVar[bool] = False
    views: ClassVar[bool] = False
    reads: ClassVar[tuple[str, str] | None] = None
    _kept: ClassVar[dict[tuple[bool, ...], tuple[bool, bool, bool]]]
    _keeps_inputs: ClassVar[bool] = False
    _keeps_output: ClassVar[bool] = False
    _foreign: ClassVar[bool] = True

    needs: tuple[bool, ...]
    saved_inputs: tuple[Any, ...] | None
    saved_output: Any

    def __init_subclass__(cls) -> None:
        if cls.saves not in ("inputs", "output", "both", "nothing"):
            raise TypeError(
                f'{cls.__name__}.saves: expected "inputs", "output", "both" or "nothing"; '
                f"got {cls.saves!r}"
            )
        cls._keeps_inputs = cls.saves in ("inputs", "both")
        cls._keeps_output = cls.saves in ("output", "both")
        if cls.reads is not None:
            cls._kept = {
                needs: tuple(  # type: ignore[misc]  # three letters, three flags
                    any(letter in read for read, need in zip(cls.reads, needs, strict=True) if need)
                    for letter in "aby"
                )
                for needs in ((True, True), (True, False), (False, True))
            }
        cls._foreign = not cls.__module__.startswith("tinygrad_lite.ops.")

    def forward(self, *arrays: Any) -> Any:
        """The result, an array or a tuple of arrays; must not change its inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, g: Any, y: Any, *inputs: Any) -> tuple[Any, ...]:
        """One gradient per input, given the gradient g of the result."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    @classmethod
    def apply(cls, *inputs: Any, **options: Any) -> Any:
        """The operation on `inputs`: recorded if one is a tensor that requires grad.

        Tensors in, a tensor of the first one's class out; with no tensor among the inputs, just
        what `forward` returns.
        """
        op = cls(**options) if options else cls()
        tensor_class = None
        recorded = False
        arrays: list[Any] = []
        parents: list[Node | None] = []
        for given in inputs:
            if isinstance(given, TensorBase):
                if tensor_class is None:
                    tensor_class = type(given)
                node = given._node
                parents.append(node)
                arrays.append(given._data)
                if node is not None:
                    recorded = True
            else:
                parents.append(None)
                arrays.append(given)
        if recorded and not _no_grad_depth.get():
            op.needs = tuple([parent is not None for parent in parents])
        else:
            recorded = False
            op.needs = (False,) * len(parents)
        try:
            result = op.forward(*arrays)
        except ValueError:
            if cls.broadcasts:  # a clearer error, if the shapes are to blame
                broadcast_shape(*map(np.shape, arrays), name=cls.__name__.lower())
            raise
        if tensor_class is None:
            return result
        if not recorded:
            node = None
        else:
            op.parents = tuple(parents)
            keeps_output = cls._keeps_output
            if cls.reads is not None:
                keep_a, keep_b, keeps_output = cls._kept[op.needs]
                op.saved_inputs = (arrays[0] if keep_a else None, arrays[1] if keep_b else None)
            elif cls._keeps_inputs:
                op.saved_inputs = tuple(arrays)
            else:
                op.saved_inputs = (None,) * len(arrays)
            op.serial = next(_serials)
            op.holder = None
            op.line = user_line() if _lines_recorded else None
            node = op
        if type(result) is tuple:
            return _wrap_outputs(tensor_class, op, node, result)
        tensor = tensor_class._wrap(result, node)
        if node is not None:
            op.saved_output = tensor._data if keeps_output else None
            op.out_shape = tensor._data.shape
        if cls.views:
            link_views(tensor, inputs[0])
        return tensor

    def pull_back(self, gradient: Any, wrap: Wrap | None) -> tuple[Any, ...]:
        """What `backward` makes of the gradient, on arrays, or on tensors made by `wrap`."""
        inputs, output = self.saved_inputs, self.saved_output
        if inputs is None:
            raise RuntimeError(
                f"backward: the saved arrays of {type(self).__name__} were released by an earlier "
                "backward; pass retain_graph=True to the first one, or, if a value of the last "
                "training step is used again in this one, detach() it there"
            )
        if changes.newest > self.serial:
            changes.check(self)
        if wrap is not None:
            inputs, output = self._as_tensors(inputs, output, wrap)
        results = self.backward(gradient, output, *inputs)
        return _checked(self, results) if self._foreign else results

    def _as_tensors(self, inputs: tuple[Any, ...], output: Any, wrap: Wrap) -> tuple[Any, Any]:
        """The saved arrays as tensors in their places in the graph."""
        inputs = tuple(
            wrap(value, parent) if isinstance(value, np.ndarray) else value
            for value, parent in zip(inputs, self.parents, strict=True)
        )
        if isinstance(output, tuple):
            count = len(output)
            return inputs, tuple(
                wrap(value, Output(self, index, count, value.shape))
                for index, value in enumerate(output)
            )
        return inputs, None if output is None else wrap(output, self)

    @property
    def freed(self) -> bool:
        """Whether a backward pass has released what this op kept."""
        return self.saved_inputs is None

    def release(self) -> None:
        """Let go of the saved arrays."""
        self.saved_inputs = None
        self.saved_output = None

    def kept_arrays(self) -> list[Array]:
        """Every array that backward will read: the saved ones, and constants set by forward."""
        own_slots = (
            slot for cls in type(self).__mro__ if cls not in Function.__mro__
            for slot in cls.__dict__.get("__slots__", ())
        )  # fmt: skip
        constants = [getattr(self, slot, None) for slot in own_slots]
        constants += getattr(self, "__dict__", {}).values()
        found: list[Array] = []
        for value in (self.saved_output, *(self.saved_inputs or ()), *constants):
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, np.ndarray):
                    found.append(item)
        return found


class Output(Node):
    """One of several results of an op; it hands its gradient on as part of a tuple."""

    __slots__ = ("count", "index")

    def __init__(self, op: Node, index: int, count: int, shape: Shape) -> None:
        self.parents = (op,)
        self.out_shape = shape
        self.serial = next(_serials)
        self.holder = None
        self.line = op.line
        self.index = index
        self.count = count

    def pull_back(self, gradient: Any, wrap: Wrap | None) -> tuple[Any, ...]:
        """The gradient at our place among those of the op's results."""
        placed = (gradient if index == self.index else None for index in range(self.count))
        return (OutputGradients(placed),)


class OutputGradients(tuple[Any, ...]):
    """The gradients of an op's several results, None where none has arrived yet."""

    __slots__ = ()
    shape = ()  # as the op's out_shape

    def __add__(self, other: Any) -> "OutputGradients":
        pairs = zip(self, other, strict=True)
        return OutputGradients(b if a is None else a if b is None else a + b for a, b in pairs)


def _wrap_outputs(tensor_class: Any, op: Function, node: Node | None, results: tuple[Any, ...]):  # type: ignore[no-untyped-def]
    """The tensors of an op with several results."""
    if node is None:
        return tuple(tensor_class._wrap(result, None) for result in results)
    arrays = tuple(np.asarray(result) for result in results)
    op.saved_output = arrays if op._keeps_output else None
    op.out_shape = ()
    return tuple(
        tensor_class._wrap(array, Output(op, index, len(arrays), array.shape))
        for index, array in enumerate(arrays)
    )


# ---------------------------------------------------------------------------------------------
# Recording on and off

_no_grad_depth: ContextVar[int] = ContextVar("no_grad_depth", default=0)
_lines_recorded = 0


class no_grad(ContextDecorator):  # the field's own name, used as a function
    """Operations inside record no graph.  `with no_grad():` or `@no_grad()` on a function.

    It may be nested, used recursively, left by an exception, and used in several threads at once:
    it counts its depth in a context variable, which every thread and every task has of its own.
    """

    def __call__(self, function: Decorated) -> Decorated:
        """The function, run inside no_grad; TypeError where its body would run later."""
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"no_grad cannot decorate {function.__name__}, whose body runs later; "
                "write `with no_grad():` inside it"
            )
        return super().__call__(function)

    def __enter__(self) -> Self:
        _no_grad_depth.set(_no_grad_depth.get() + 1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _no_grad_depth.set(_no_grad_depth.get() - 1)


def is_grad_enabled() -> bool:
    """Whether operations record a graph here (False inside `no_grad`)."""
    return _no_grad_depth.get() == 0


class record_source_lines(ContextDecorator):  # used as a function, like no_grad
    """Inside, every op remembers the line of user code that called it, for error messages.

    It costs about a microsecond per op, so it is off unless asked for.  It counts for the whole
    process, not only for this thread.
    """

    def __enter__(self) -> Self:
        global _lines_recorded
        _lines_recorded += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _lines_recorded
        _lines_recorded -= 1


def user_line() -> str:
    """The "file:line" of the innermost caller outside this project's two packages."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in ("tinygrad_lite", "nn"):
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


# ---------------------------------------------------------------------------------------------
# Writing in place


class _Changes:
    """Where arrays were last written in place, so that backward notices what it can no longer use.

    Keyed by the identity of the array that owns the memory; an entry goes when that array does.
    """

    def __init__(self) -> None:
        self.newest = 0
        self.found: dict[int, tuple[int, str, weakref.ref[Array]]] = {}

    def note(self, array: Array) -> None:
        owner = memory_owner(array)
        key = id(owner)
        self.newest = next(_serials)
        reference = weakref.ref(owner, lambda _: self.found.pop(key, None))
        self.found[key] = (self.newest, user_line(), reference)

    def check(self, op: Function) -> None:
        """Raise if an array that `op` saved was written after `op` ran."""
        for array in op.kept_arrays():
            serial, line, _ = self.found.get(id(memory_owner(array)), (0, "", None))
            if serial > op.serial:
                saved_at = f" at {op.line}" if op.line else ""
                raise RuntimeError(
                    f"backward: {type(op).__name__} saved an array of shape {array.shape}"
                    f"{saved_at}, and {line} changed it in place afterwards; change a clone(), or "
                    "write x = x + ... instead of x += ..."
                )


changes = _Changes()


def memory_owner(array: Array) -> Array:
    """The array that owns the memory which `array` looks at."""
    base = array.base
    while isinstance(base, np.ndarray):
        array, base = base, base.base
    return array


def link_views(view: TensorBase, source: TensorBase) -> None:
    """Note that two tensors share memory, if they do, so that in-place writes can look for it."""
    if memory_owner(view._data) is not memory_owner(source._data):
        return
    family = source._views
    if family is None:
        family = source._views = set()
        family.add(weakref.ref(source, family.discard))
    family.add(weakref.ref(view, family.discard))
    view._views = family


# ---------------------------------------------------------------------------------------------
# The walk


def topological_order(roots: Iterable[Node]) -> list[Node]:
    """Every vertex that `roots` depend on, oldest first: inputs before what was made of them.

    A vertex is made after its parents and numbered then, so sorting by number is a topological
    order.  (Counting children and releasing them, Kahn's algorithm, took 1.3 times as long on the
    graphs of benchmarks/graph_order.py.)
    """
    found = set(roots)
    stack = list(found)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in found:
                found.add(parent)
                stack.append(parent)
    return sorted(found, key=_newest_first)


def backpropagate(
    roots: Sequence[tuple[Node, Any]],
    *,
    retain: bool,
    wanted: Sequence[TensorBase] | None = None,
    wrap: Wrap | None = None,
) -> list[TensorBase | None]:
    """Reverse-mode differentiation from `roots`, pairs of a vertex and the gradient of its result.

    retain      keep what the ops saved, for another walk
    wanted      the tensors whose gradients to return, None where none arrives; without it the
                gradients go to the `.grad` of the leaves, and of tensors that retain theirs
    wrap        makes a tensor of an array and a vertex: the walk then runs on tensors, and so
                records a graph of its own (create_graph)
    """
    targets = None if wanted is None else [tensor._node for tensor in wanted]
    recording = _no_grad_depth.set(0)  # the rules record if, and only if, they run on tensors
    try:
        with np.errstate(all="ignore"):
            arrived = _walk(roots, retain, targets, wrap)
    finally:
        _no_grad_depth.reset(recording)
    # Only now that the whole walk has succeeded does any tensor see a gradient.
    taken = {
        id(memory_owner(gradient._data if isinstance(gradient, TensorBase) else gradient))
        for _, gradient in roots
    }
    if wanted is not None:
        return [
            _own(tensor, arrived[tensor._node], taken) if tensor._node in arrived else None
            for tensor in wanted
        ]
    for node, gradient in arrived.items():
        tensor = node.holder() if node is not None and node.holder else None
        if tensor is not None:
            gradient = _own(tensor, gradient, taken)
            tensor.grad = gradient if tensor.grad is None else _sum(tensor.grad, gradient, wrap)
    return []


def _walk(
    roots: Sequence[tuple[Node, Any]],
    retain: bool,
    wanted: Sequence[Node | None] | None,
    wrap: Wrap | None,
) -> dict[Node | None, Any]:
    """The gradients of the wanted vertices, or of all that a tensor holds."""
    gradients: dict[Node, Any] = {}
    results: dict[Node | None, Any] = {}
    for root, gradient in roots:
        gradients[root] = gradients[root] + gradient if root in gradients else gradient
    order = topological_order(gradients)
    if wanted is not None:
        order = _leading_to(wanted, order)
    targets = None if wanted is None else set(wanted)
    while order:
        node = order.pop()
        gradient = gradients.pop(node, None)
        if gradient is None:
            continue
        if node.holder is not None if targets is None else node in targets:
            results[node] = gradient
        parents = node.parents
        for parent, given in zip(parents, node.pull_back(gradient, wrap), strict=True):
            if parent is None or given is None:
                continue
            if given.shape != parent.out_shape:
                given = _fit(given, node, parent.out_shape)
            held = gradients.get(parent)
            if held is None:
                gradients[parent] = given
            elif node.fresh and type(given) is np.ndarray and given.dtype == held.dtype:
                gradients[parent] = np.add(held, given, out=given)
            else:
                gradients[parent] = held + given
        if not retain:
            node.release()
    return results


def _leading_to(wanted: Sequence[Node | None], order: list[Node]) -> list[Node]:
    """The part of `order` on a way from `wanted` to the roots."""
    leading = set(wanted)
    for node in order:
        if any(parent in leading for parent in node.parents):
            leading.add(node)
    return [node for node in order if node in leading]


def _fit(gradient: Any, node: Node, shape: Shape) -> Any:
    """`gradient` in the shape of the input it belongs to: a broadcast is undone, or it is a bug."""
    if isinstance(node, Function) and node.broadcasts:
        return unbroadcast(gradient, shape)
    raise RuntimeError(
        f"{type(node).__name__}.backward: a gradient has shape {gradient.shape}, and its input has "
        f"shape {shape}; sum over what forward broadcast, or declare broadcasts = True"
    )


def _checked(op: Function, results: Any) -> tuple[Any, ...]:
    """What a user's backward returned, checked, and free of memory that the op still holds."""
    name, count = type(op).__name__, len(op.parents)
    if not isinstance(results, tuple) or len(results) != count:
        got = f"{len(results)}" if isinstance(results, tuple) else type(results).__name__
        raise TypeError(f"{name}.backward: expected a tuple of {count} gradients; got {got}")
    owners = {id(memory_owner(array)) for array in op.kept_arrays()}
    checked = []
    for result in results:
        if result is not None and not isinstance(result, (np.ndarray, TensorBase)):
            result = np.asarray(result)
        if isinstance(result, np.ndarray) and id(memory_owner(result)) in owners:
            result = result.copy()
        checked.append(result)
    return tuple(checked)


def _own(tensor: TensorBase, gradient: Any, taken: set[int]) -> TensorBase:
    """The gradient as a tensor of `tensor`'s dtype, whose memory nobody else holds.

    taken: identities of the memory that other gradients, or the caller, hold; this one is added.
    An array that is free is taken over as it is, so the usual gradient is never copied.
    """
    dtype = tensor._data.dtype
    if gradient.dtype != dtype:
        gradient = gradient.astype(dtype)
    array = gradient._data if isinstance(gradient, TensorBase) else np.asarray(gradient)
    if id(memory_owner(array)) in taken or not array.flags.writeable:
        gradient = gradient.astype(dtype)  # always a copy, and recorded if it is a tensor
        array = gradient._data if isinstance(gradient, TensorBase) else np.asarray(gradient)
    taken.add(id(memory_owner(array)))
    return gradient if isinstance(gradient, TensorBase) else tensor._wrap(gradient, None)


def _sum(held: Any, gradient: TensorBase, wrap: Wrap | None) -> Any:
    """The gradient of several backward passes, in new memory."""
    return held._wrap(held._data + gradient._data, None) if wrap is None else held + gradient
