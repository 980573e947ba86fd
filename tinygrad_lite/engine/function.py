"""Operations: `Primitive`, the base class of the built-in ones, and `Function`, for users' own.

An *instance* of either is one node of the graph: `apply` runs it, and if a gradient is wanted,
records it together with the arrays that its `backward` will read.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy import ndarray

from ..arrays.dtypes import KIND_RANK
from ..arrays.float_errors import restore, silence
from ..arrays.given import refuse_masked
from ..arrays.shapes import broadcast_shape
from .graph import Array, Node, Output, OutputGradients, TensorBase
from .memory import Alert, changes, link_views
from .reads import Plan, Plans, attributes_of, check_form, declared, plan_by_names
from .recording import modes, serials

# The types of gradients in a pass on plain arrays; any other gradient is a Tensor, or the tuple of
# gradients of several results.
_PLAIN = frozenset({ndarray, np.float16, np.float32, np.float64})


class Primitive(Node):
    """A differentiable operation: a subclass writes `forward` and `backward`.

        class Mul(Primitive):
            reads = {"a": ("b",), "b": ("a",)}

            def forward(self, a, b):
                return a * b

            def backward(self, g, y, a, b):
                return g * b, g * a

    forward(*arrays) gets an ndarray for each tensor, and anything else as it was passed; it
    returns an array, or a tuple of them.  backward(g, y, *inputs) gets the gradient g of the
    result, the result y and the inputs, and returns a tuple with one gradient per input, None where
    `self.needs[i]` is False.  With several results, g and y are tuples; g has None for a result
    that no gradient reached.

    reads         for each input, by the name that backward gives it, the values that its gradient
                  reads: names of inputs, "y" for the result, or one of `results`.  A value that no
                  wanted gradient reads is not saved; backward gets None instead
    results       the names of several results
    broadcasts    True if forward broadcasts its inputs as NumPy does: the engine then sums each
                  gradient back to its input's shape
    views         True if forward may return a view of an input
    fresh         True if each gradient that backward returns is a new array which nothing else
                  holds: the backward pass may then add another one to it in place
    scalars       True to get 0-d arrays as NumPy scalars, with which arithmetic is faster; they are
                  saved as such, so a later write does not change them
    latex         its formulas, for `explain` and pictures: of "y" or each of `results`, and of the
                  gradient of each input; the notation is described in show/formulas/formulas.py
    needs         on an instance: for each input, whether its gradient is wanted

    Keyword arguments of `apply` go to `__init__`; keep options and constants (axes, masks, shapes)
    as attributes, never an array that a gradient depends on.  The rule runs on arrays, and on
    Tensors for second derivatives (create_graph=True), so use only what works on both: operators,
    comparisons, indexing, `.shape`, `.mT`, `.reshape`, `.astype`, NumPy's functions, other ops'
    `apply`; no `out=`, no writing in place, constants as Python floats.
    """

    __slots__ = ("needs", "saved_inputs", "saved_output")

    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    results: ClassVar[tuple[str, ...]] = ()
    broadcasts: ClassVar[bool] = False
    views: ClassVar[bool] = False
    scalars: ClassVar[bool] = False
    _plans: ClassVar[Plans]
    _attributes: ClassVar[tuple[str, ...]] = ()
    _checked: ClassVar[bool] = False

    needs: tuple[bool, ...]
    saved_inputs: tuple[Any, ...] | None
    saved_output: Any

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._plans = Plans(cls)
        cls._attributes = attributes_of(cls, Primitive.__mro__)

    def forward(self, *arrays: Any) -> Any:
        """The result, an array or a tuple of arrays; must not change its inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, g: Any, y: Any, *inputs: Any) -> tuple[Any, ...]:
        """One gradient per input, given the gradient g of the result."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    @classmethod
    def apply(cls, *inputs: Any, **options: Any) -> Any:
        """Run the operation on `inputs`, and record it if one is a tensor that requires grad.

        The result has the class of the first tensor among the inputs; if there is none, it is what
        `forward` returns.
        """
        # Every operation runs through here, so it is one long function on purpose: each unnecessary
        # call or check would cost a twentieth of a small operation.
        op = cls(**options) if options else cls()
        mode = modes.get()
        observer = mode.observer

        # Open the tensors: their arrays, and the nodes to which gradients will go.
        tensor_class: Any = None
        scalars = cls.scalars
        arrays: list[Any] = []
        parents: list[Node | None] = []
        wanted = 1  # then a binary digit for each input: whether its gradient is wanted
        for given in inputs:
            wanted += wanted
            if isinstance(given, TensorBase):
                if tensor_class is None:
                    tensor_class = type(given)
                array = given._data
                arrays.append(array[()] if scalars and not array.ndim else array)
                node = given._node
                parents.append(node)
                if node is not None:
                    wanted += 1
            else:
                arrays.append(given)
                parents.append(None)
        plan = cls._plans[wanted if mode.grad_enabled else 1 << len(parents)]
        op.needs = plan.needs

        # Run.
        token = silence()  # NumPy's floating-point warnings, see arrays/float_errors.py
        try:
            result = op.forward(*arrays) if observer is None else observer.forward(op, arrays)
        except ValueError:
            if cls.broadcasts:  # a clearer error, if the shapes are to blame
                broadcast_shape(*map(np.shape, arrays), name=cls.__name__.lower())
            raise
        finally:
            restore(token)
        if tensor_class is None:
            return result
        recorded = plan.any_wanted
        if cls._checked:
            recorded = op._check_result(result, recorded)
        if result.__class__ is not ndarray:
            if isinstance(result, tuple):
                results = tuple([y if y.__class__ is ndarray else np.asarray(y) for y in result])
                if recorded:
                    op._record(plan, parents, arrays)
                    op._save_results(results, plan.results)
                return _wrap_results(tensor_class, op, inputs, recorded, results)
            result = np.asarray(result)  # NumPy turns 0-d results into scalars

        # Record: the op becomes the node of its result.
        if recorded:
            op._record(plan, parents, arrays)
            op.saved_output = result if plan.results else None
            op.out_shape = result.shape

        # Wrap.
        tensor = object.__new__(tensor_class)
        tensor._data = result
        tensor._node = op if recorded else None
        tensor._views = tensor._grad = None
        if cls.views:
            _link_views(tensor, inputs)
        if recorded and observer is not None:
            observer.recorded(op, tensor)
        return tensor

    def _record(self, plan: Plan, parents: list[Node | None], arrays: list[Any]) -> None:
        """Fill in the node except for its result; save the inputs that a wanted gradient reads."""
        self.parents = tuple(parents)
        self.serial = next(serials)
        self.holder = self.line = None
        for position in plan.unread:
            arrays[position] = None
        self.saved_inputs = plan.nothing or tuple(arrays)

    def _save_results(self, results: tuple[Any, ...], keeps: bool | tuple[bool, ...]) -> None:
        """Of several results, save those that a gradient reads, and None for the others."""
        self.out_shape = ()
        self.saved_output = None
        if keeps:
            kept = keeps if isinstance(keeps, tuple) else (True,) * len(results)
            self.saved_output = tuple(
                [one if keep else None for one, keep in zip(results, kept, strict=True)]
            )

    @classmethod
    def _plan(cls, needs: tuple[bool, ...]) -> Plan:
        """What to save for this pattern of wanted gradients."""
        return plan_by_names(cls, needs)

    def _check_result(self, result: Any, recorded: bool) -> bool:
        """Whether to record the op; Function checks its author's work here (`_checked`)."""
        return recorded

    def pull_back(self, gradient: Any) -> tuple[Any, ...]:
        """The gradients that `backward` returns; recorded if the given gradient is a Tensor."""
        output, inputs = self.saved_output, self.saved_inputs  # in this order: see `release`
        if inputs is None:
            raise self.released()
        if changes.newest > self.serial:
            changes.check(self, self.serial)
        if gradient.__class__ not in _PLAIN:
            inputs, output = self._as_tensors(gradient, inputs, output)
        return self.backward(gradient, output, *inputs)

    def _as_tensors(
        self, gradient: Any, inputs: tuple[Any, ...], output: Any
    ) -> tuple[tuple[Any, ...], Any]:
        """The saved arrays, as tensors if the gradient is or holds one: the rule is then recorded.

        A saved input gets its parent's node again, and the result gets this node, so the new graph
        is connected to the old one.
        """
        tensor = _tensor_in(gradient)
        if tensor is None:
            return inputs, output
        wrap = tensor._wrap
        inputs = tuple(
            wrap(value, parent) if isinstance(value, (np.ndarray, np.generic)) else value
            for value, parent in zip(inputs, self.parents, strict=True)
        )
        if isinstance(output, tuple):
            count = len(output)
            return inputs, tuple(
                None if value is None else wrap(value, Output(self, index, count, value.shape))
                for index, value in enumerate(output)
            )
        return inputs, None if output is None else wrap(output, self)

    @property
    def freed(self) -> bool:
        """Whether a backward pass has released what this op saved."""
        return self.saved_inputs is None

    def released(self) -> RuntimeError:
        """The error for a backward pass that comes after the release."""
        return RuntimeError(
            f"backward: the saved arrays of {type(self).__name__} were released by an earlier "
            "backward, or by one that failed; compute its result in each step, or detach() it (for "
            "a weight: (...).detach().requires_grad_()), or pass retain_graph=True to the first one"
        )

    def release(self) -> None:
        """Free the saved arrays.

        The inputs first: where another thread's pass still finds them, it has found the output.
        """
        self.saved_inputs = None
        self.saved_output = None

    def kept_arrays(self) -> list[Array]:
        """Every array that backward will read: the saved ones, and constants set by forward."""
        stack = [self.saved_output, self.saved_inputs]
        stack += [getattr(self, name, None) for name in self._attributes]
        found: list[Array] = []
        seen: set[int] = set()  # a list may contain itself
        while stack:
            value = stack.pop()
            if isinstance(value, ndarray):
                found.append(value)
            elif isinstance(value, TensorBase):
                found.append(value._data)
            elif isinstance(value, (tuple, list, dict)) and id(value) not in seen:
                seen.add(id(value))
                stack += value.values() if isinstance(value, dict) else value
        return found


# What a user's op may not define, for it would take the place of the engine's.
_ENGINES_OWN = {"kept_arrays", *(name for name in vars(Primitive) if name[:1] == "_" != name[1:2])}
_ENGINES_OWN -= {"_plans", "_attributes"}  # of every class

# Attributes of an op that hold no array.
_PLAIN_OPTIONS = (int, float, str, bytes, type(None), np.dtype, type)

# For each value of `saves` of a Function: whether the inputs and "y" are saved.
_SAVES = {
    "nothing": (False, False),
    "inputs": (True, False),
    "output": (False, True),
    "both": (True, True),
}


class Function(Primitive):
    r"""A differentiable operation of your own: write `forward` and `backward`, call `apply`.

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

    saves         what backward reads: "inputs", "output", "both" or "nothing"
    reads         instead of `saves`, for each input the names of what its gradient reads, as
                  `Primitive` describes it: {"a": ("b",), "b": ("a",)} for a product.  Then only
                  what a wanted gradient reads is saved
    broadcasts    True if forward broadcasts its inputs as NumPy does: the engine then sums each
                  gradient back to its input's shape
    fresh         True if each gradient that backward returns is a new array which nothing else
                  holds; otherwise the engine copies it
    latex         if wanted, its formulas in LaTeX, for `explain` and pictures: that of "y", and for
                  each input that of its gradient, written with the one that arrives, \bar{y}
    needs         on an instance: for each input, whether its gradient is wanted

    Keyword arguments of `apply` go to `__init__`; keep options and constants (axes, masks, shapes)
    as attributes, never an array that a gradient depends on.  The rule runs on arrays, and on
    Tensors for second derivatives (create_graph=True), so use only what works on both: operators,
    comparisons, indexing, `.shape`, `.mT`, `.reshape`, `.astype`, NumPy's functions, other ops'
    `apply`; no `out=`, no writing in place, constants as Python floats.

    Errors: TypeError, when the class is made, for other values of `saves` or names in `reads`;
    when it is used, for a forward or backward that cannot be what its author meant.
    """

    __slots__ = ("__alert",)

    saves: ClassVar[Literal["inputs", "output", "both", "nothing"]] = "nothing"
    _checked = True

    def __new__(cls, *given: Any, **__: Any) -> Self:
        """An instance; its class may have a base whose __init_subclass__ did not call super()."""
        no_options = cls.__init__ is object.__init__
        if given and (no_options or any(isinstance(one, (TensorBase, ndarray)) for one in given)):
            raise TypeError(f"{cls.__name__}(x) makes no tensor; write {cls.__name__}.apply(x)")
        if "_plans" not in vars(cls):
            Function.__init_subclass__.__func__(cls)  # type: ignore[attr-defined]
        return super().__new__(cls)

    def __init_subclass__(cls, **options: Any) -> None:
        check_form(cls)
        if cls.saves not in tuple(_SAVES):
            raise TypeError(
                f'{cls.__name__}.saves: expected "inputs", "output", "both" or "nothing"; '
                f"got {cls.saves!r}"
            )
        if {"saves", "reads"} <= vars(cls).keys():
            raise TypeError(f"{cls.__name__}: expected `saves` or `reads`; got both")
        for name in _ENGINES_OWN & vars(cls).keys():
            raise TypeError(f"{cls.__name__}: the engine uses the name {name}; choose another")
        cls.views = True  # forward may return its input, whatever its author declares
        super().__init_subclass__(**options)

    @classmethod
    def _plan(cls, needs: tuple[bool, ...]) -> Plan:
        """What to save for this pattern of wanted gradients."""
        if declared(cls) == "reads":
            return plan_by_names(cls, needs)
        inputs, output = _SAVES[cls.saves]
        return Plan(needs, () if inputs else range(len(needs)), output)

    def _check_result(self, result: Any, recorded: bool) -> bool:
        """Whether to record the op; TypeError if it cannot be what its author meant."""
        name = type(self).__name__
        for slot in (*Node.__slots__[1:], "saved_inputs", "saved_output"):
            if hasattr(self, slot):
                raise TypeError(f"{name}: the engine uses the name self.{slot}; choose another")
        for value in getattr(self, "__dict__", {}).values():
            if isinstance(value, TensorBase) and value._node is not None:
                raise TypeError(
                    f"{name}: an option is a Tensor that requires grad; make it an input"
                )
        refuse_masked(f"{name}.forward", result)
        for array in result if isinstance(result, tuple) else (result,):
            kind = getattr(getattr(array, "dtype", None), "kind", None)
            if kind not in KIND_RANK:
                got = type(array).__name__ if kind is None else array.dtype
                raise TypeError(f"{name}.forward: expected an array of real numbers; got {got}")
            recorded = recorded and kind == "f"  # integers carry no gradient
        return recorded

    def _record(self, plan: Plan, parents: list[Node | None], arrays: list[Any]) -> None:
        """Fill the node; if attributes may hold arrays, let every write be noted from now on."""
        super()._record(plan, parents, arrays)
        options = list(getattr(self, "__dict__", {}).values())
        options += [getattr(self, name, None) for name in self._attributes if name != "__dict__"]
        flat = [one for each in options for one in (each if type(each) is tuple else (each,))]
        plain = all(isinstance(one, _PLAIN_OPTIONS) for one in flat)
        self.__alert = None if plain else Alert()

    def release(self) -> None:
        """Free the saved arrays."""
        super().release()
        self.__alert = None

    def pull_back(self, gradient: Any) -> tuple[Any, ...]:
        """What `backward` returns, checked, and in memory that nothing else holds."""
        name, count = type(self).__name__, len(self.parents)
        try:
            results = super().pull_back(gradient)
        except (TypeError, AttributeError) as error:
            if self.saves == "both":
                raise
            by_name = declared(type(self)) == "reads"
            told = f"reads = {dict(self.reads)!r}" if by_name else f"saves = {self.saves!r}"
            raise type(error)(
                f"{error}; {name}.backward gets None for what is not saved, and says {told}"
            ) from error
        if not isinstance(results, tuple) or len(results) != count:
            got = f"{len(results)}" if isinstance(results, tuple) else type(results).__name__
            raise TypeError(f"{name}.backward: expected a tuple of {count} gradients; got {got}")
        refuse_masked(f"{name}.backward", results)
        tensor = _tensor_in(gradient)
        # What such a Tensor was made from would get no gradient.
        if tensor is None and any(isinstance(one, TensorBase) and one._node for one in results):
            raise TypeError(f"{name}.backward: got a Tensor that requires grad; detach() it")
        if tensor is not None:  # constants too, so that the next rules run on Tensors
            results = tuple([_as_tensor(one, tensor) for one in results])
        return results if self.fresh else tuple([_own_memory(one, gradient) for one in results])


def _tensor_in(gradient: Any) -> TensorBase | None:
    """The gradient if it is a Tensor, or the first Tensor among those of several results."""
    given = gradient if isinstance(gradient, OutputGradients) else (gradient,)
    return next((one for one in given if isinstance(one, TensorBase)), None)


def _as_tensor(result: Any, beside: TensorBase) -> Any:
    """A gradient that a user's backward computed from arrays only, as a constant Tensor."""
    if result is None or isinstance(result, TensorBase):
        return result
    return beside._wrap(np.array(result), None)


def _wrap_results(
    tensor_class: Any,
    op: Primitive,
    inputs: tuple[Any, ...],
    recorded: bool,
    results: tuple[Array, ...],
) -> tuple[Any, ...]:
    """The tensors of an op with several results."""
    observer = modes.get().observer if recorded else None
    tensors: list[Any] = []
    for index, array in enumerate(results):
        node = Output(op, index, len(results), array.shape) if recorded else None
        tensor = tensor_class._wrap(array, node)
        if op.views or array.base is not None:
            _link_views(tensor, inputs)
            if tensor._views is None:
                _link_views(tensor, tensors)
        if observer is not None:
            observer.recorded(op, tensor)
        tensors.append(tensor)
    return tuple(tensors)


def _link_views(tensor: TensorBase, others: Iterable[Any]) -> None:
    for other in others:
        if isinstance(other, TensorBase):
            link_views(tensor, other)
            if tensor._views is not None:  # all tensors that share this memory
                return


def _own_memory(result: Any, gradient: Any) -> Any:
    """A copy of a gradient that a user's backward made, recorded if it is a tensor."""
    if result is None or result is gradient:
        return result
    if not isinstance(result, (np.ndarray, TensorBase)):
        result = np.asarray(result)
    return result.astype(result.dtype)
