"""Operations: `Primitive`, on which the catalogue is built, and `Function`, which users write."""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import numpy as np

from ..arrays.dtypes import KIND_RANK
from ..arrays.float_errors import restore, silence
from ..arrays.shapes import broadcast_shape
from .graph import Array, Node, Output, TensorBase, Wrap
from .memory import changes, link_views
from .recording import lines, no_grad_depth, serials, user_line

# `needs`; the positions of the inputs that no gradient reads; if that is all of them, what is saved
# in their place; whether a gradient reads the result.
Plan = tuple[tuple[bool, ...], tuple[int, ...], tuple[None, ...], bool]


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
    reads         for each input the letters of what its gradient reads, a and b for the first and
                  second input and so on, y for the result, or all of several, z for the last of
                  several only; such as ("b", "a") for a product.  Of what `saves` names only that
                  is kept which a gradient that is asked for reads; the rest is None
    fresh         True if each gradient that backward returns is a new array which nothing else
                  holds: the walk may then add another one to it in place
    scalars       True if 0-d arrays are to come as NumPy's scalars, with which + and * take a
                  seventh of the time; they are kept as such, so a later change does not reach them
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
    reads: ClassVar[tuple[str, ...] | None] = None
    scalars: ClassVar[bool] = False
    _plans: ClassVar[dict[int, Plan]]
    _keeps_inputs: ClassVar[bool] = False
    _foreign: ClassVar[bool] = True
    _may_share: ClassVar[bool] = True

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
        cls._plans = {}
        cls._foreign = not cls.__module__.startswith("tinygrad_lite.ops.")
        cls._may_share = cls.views or cls._foreign  # a user's forward may return what it was given

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
        # Every operation runs through here, so it is written flat: calls, comprehensions and
        # checks that are not needed each cost a twentieth of a small operation.
        op = cls(**options) if options else cls()
        tensor_class: Any = None
        scalars = cls.scalars
        arrays: list[Any] = []
        parents: list[Node | None] = []
        needs = 1  # then a binary digit for each input
        for given in inputs:
            needs += needs
            if isinstance(given, TensorBase):
                if tensor_class is None:
                    tensor_class = type(given)
                array = given._data
                arrays.append(array[()] if scalars and not array.ndim else array)
                node = given._node
                parents.append(node)
                if node is not None:
                    needs += 1
            else:
                arrays.append(given)
                parents.append(None)
        recorded = needs & needs - 1 != 0  # more than the first digit
        if recorded and no_grad_depth.get():
            recorded = False
            needs = 1 << len(parents)
        op.needs, unread, nothing, keeps_output = cls._plans.get(needs) or cls._plan(needs)
        token = silence()
        try:
            result = op.forward(*arrays)
        except ValueError:
            if cls.broadcasts:  # a clearer error, if the shapes are to blame
                broadcast_shape(*map(np.shape, arrays), name=cls.__name__.lower())
            raise
        finally:
            restore(token)
        if tensor_class is None:
            return result
        if cls._foreign:
            recorded = _check_use(op, result, recorded)
        if recorded:
            op.parents = tuple(parents)
            for position in unread:
                arrays[position] = None
            op.saved_inputs = nothing or tuple(arrays)
            op.serial = next(serials)
            op.holder = None
            op.line = user_line() if lines.depth else None
        if type(result) is not np.ndarray:
            if isinstance(result, tuple):
                return _wrap_outputs(tensor_class, op, inputs, recorded, result)
            result = np.asarray(result)
        tensor = tensor_class.__new__(tensor_class)
        tensor._data = result
        tensor._views = tensor.grad = None
        if recorded:
            tensor._node = op
            op.saved_output = result if keeps_output else None
            op.out_shape = result.shape
        else:
            tensor._node = None
        if cls._may_share:
            _link_views(tensor, inputs)
        return tensor

    @classmethod
    def _plan(cls, needs: int) -> Plan:
        """What `needs`, its digits behind the first, mean for this op; remembered."""
        wanted = tuple(digit == "1" for digit in f"{needs:b}"[1:])
        places = range(len(wanted))
        if cls.reads is None:
            unread = () if cls._keeps_inputs else tuple(places)
            keeps_output = cls.saves in ("output", "both")
        else:
            read = "".join(letters for letters, need in zip(cls.reads, wanted, strict=True) if need)
            unread = tuple(place for place in places if chr(ord("a") + place) not in read)
            keeps_output = "y" in read
        nothing = (None,) * len(unread) if len(unread) == len(wanted) else ()
        plan = cls._plans[needs] = wanted, () if nothing else unread, nothing, keeps_output
        return plan

    def pull_back(self, gradient: Any, wrap: Wrap | None) -> tuple[Any, ...]:
        """What `backward` makes of the gradient, on arrays, or on tensors made by `wrap`."""
        inputs, output = self.saved_inputs, self.saved_output
        if inputs is None:
            raise self.released()
        if changes.newest > self.serial:
            changes.check(self, self.serial)
        if wrap is not None:
            inputs, output = self._as_tensors(inputs, output, wrap)
        if self._foreign:
            return _run_backward(self, gradient, output, inputs)
        return self.backward(gradient, output, *inputs)

    def _as_tensors(self, inputs: tuple[Any, ...], output: Any, wrap: Wrap) -> tuple[Any, Any]:
        """The saved arrays as tensors in their places in the graph."""
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
        """Whether a backward pass has released what this op kept."""
        return self.saved_inputs is None

    def released(self) -> RuntimeError:
        """The error for a walk that comes after the release."""
        return RuntimeError(
            f"backward: the saved arrays of {type(self).__name__} were released by an earlier "
            "backward, or by one that failed; pass retain_graph=True to the first one, or, if "
            "a value of the last training step is used again in this one, detach() it there"
        )

    def release(self) -> None:
        """Let go of the saved arrays."""
        self.saved_inputs = None
        self.saved_output = None

    def kept_arrays(self) -> list[Array]:
        """Every array that backward will read: the saved ones, and constants set by forward."""
        stack = [self.saved_output, self.saved_inputs, getattr(self, "__dict__", None)]
        for cls in type(self).__mro__:
            if cls not in Function.__mro__:
                slots = cls.__dict__.get("__slots__", ())
                names = (slots,) if isinstance(slots, str) else slots
                stack += [getattr(self, name, None) for name in names]
        found: list[Array] = []
        while stack:
            value = stack.pop()
            if isinstance(value, np.ndarray):
                found.append(value)
            elif isinstance(value, TensorBase):
                found.append(value._data)
            elif isinstance(value, (tuple, list)):
                stack += value
            elif isinstance(value, dict):
                stack += value.values()
        return found


def _wrap_outputs(
    tensor_class: Any,
    op: Function,
    inputs: tuple[Any, ...],
    recorded: bool,
    results: tuple[Any, ...],
) -> Any:
    """The tensors of an op with several results."""
    arrays = tuple(
        [result if type(result) is np.ndarray else np.asarray(result) for result in results]
    )
    if recorded:
        op.saved_output = arrays if op.saves in ("output", "both") else None
        if op.reads and "z" in "".join(op.reads) and "y" not in "".join(op.reads):
            op.saved_output = (*(None,) * (len(arrays) - 1), arrays[-1])
        op.out_shape = ()
    tensors: list[Any] = []
    for index, array in enumerate(arrays):
        place = Output(op, index, len(arrays), array.shape) if recorded else None
        tensor = tensor_class._wrap(array, place)
        if op._may_share or array.base is not None:
            _link_views(tensor, inputs)
            if tensor._views is None:
                _link_views(tensor, tensors)
        tensors.append(tensor)
    return tuple(tensors)


def _link_views(tensor: TensorBase, others: Iterable[Any]) -> None:
    for other in others:
        if isinstance(other, TensorBase):
            link_views(tensor, other)
            if tensor._views is not None:  # which holds all that share this memory
                return


def _check_use(op: Function, result: Any, recorded: bool) -> bool:
    """Whether to record a user's op; TypeError if it cannot be what its author meant."""
    name = type(op).__name__
    for slot in Node.__slots__:
        if hasattr(op, slot):
            raise TypeError(f"{name}: self.{slot} is a name the engine uses; take another")
    for value in getattr(op, "__dict__", {}).values():
        if isinstance(value, TensorBase) and value._node is not None:
            raise TypeError(f"{name}: an option is a Tensor that requires grad; make it an input")
    for array in result if isinstance(result, tuple) else (result,):
        kind = getattr(getattr(array, "dtype", None), "kind", None)
        if kind not in KIND_RANK:
            got = type(array).__name__ if kind is None else array.dtype
            raise TypeError(f"{name}.forward: expected an array of real numbers; got {got}")
        recorded = recorded and kind == "f"  # integers carry no gradient
    return recorded


def _run_backward(
    op: Function, gradient: Any, output: Any, inputs: tuple[Any, ...]
) -> tuple[Any, ...]:
    """What a user's backward returns, checked, and in memory that nobody else holds."""
    try:
        results = op.backward(gradient, output, *inputs)
    except (TypeError, AttributeError) as error:
        if op.saves == "both":
            raise
        raise type(error)(
            f"{error}; {type(op).__name__}.backward gets None for what is not saved, and says "
            f"saves = {op.saves!r}"
        ) from error
    name, count = type(op).__name__, len(op.parents)
    if not isinstance(results, tuple) or len(results) != count:
        got = f"{len(results)}" if isinstance(results, tuple) else type(results).__name__
        raise TypeError(f"{name}.backward: expected a tuple of {count} gradients; got {got}")
    if op.fresh:
        return results
    checked = []
    for result in results:
        if result is not None and not isinstance(result, (np.ndarray, TensorBase)):
            result = np.asarray(result)
        if result is not None and result is not gradient:
            result = result.astype(result.dtype)  # a copy, recorded if it is a tensor
        checked.append(result)
    return tuple(checked)
