"""The Tensor: an array, its gradient, and the graph of the operations that computed it.

Its data and its part in autograd are here.  Its operations are mixins, listed in methods/__init__.
"""

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import numpy as np
from numpy.typing import DTypeLike

from .arrays.arguments import flag, function
from .arrays.dtypes import check_differentiable, check_dtype, new_array
from .arrays.given import elements, is_masked
from .arrays.ownership import deep_copied
from .arrays.recorded import carried, fresh, leaves, recorder
from .arrays.shapes import Shape, normalize_axis
from .displaying import Displayed
from .engine.backward import backpropagate
from .engine.function import Primitive
from .engine.graph import Array, Leaf, TensorBase
from .engine.hooks import HookHandle, add_hook
from .engine.memory import changes, link_views
from .engine.recording import is_grad_enabled
from .methods import TensorMethods
from .methods._keywords import also
from .methods._operands import plain_array
from .methods.joining import from_list
from .mistakes.data_writes import written_through_data
from .mistakes.gradient_watch import look_at_gradients, watching
from .mistakes.kept_graphs import passes, remember
from .mistakes.losses import look
from .mistakes.missing_gradients import gradient_missing
from .mistakes.updates_by_hand import updated
from .numpy_protocol import NumpyProtocol
from .numpy_protocol.leaving import leave_for_float, leave_for_leaf
from .other_names import OtherNames

Made = TypeVar("Made", bound="Tensor")


class Tensor(TensorMethods, NumpyProtocol, Displayed, OtherNames):
    """An n-dimensional array that remembers how it was computed.

        w = Tensor([1.0, 2.0], requires_grad=True)
        (w * w).sum().backward()
        w.grad                      # Tensor([2. 4.], dtype=float32)

    data            a number, a nested list, an array or a Tensor; copied.  A list of Tensors that
                    require grad keeps their graph, as Tensor.stack does
    dtype           bool, an integer type or float16 to float64; default: float32 for Python
                    floats, int64 for ints; arrays keep theirs
    requires_grad   whether `backward` adds a gradient to `.grad`; float dtypes only

    An ndarray used as the other operand is a constant and is not copied.  Write into it only after
    the backward pass: NumPy's own writes go unnoticed.

    Errors: TypeError for other dtypes and for masked arrays; ValueError for ragged lists, and for a
    value that an integer dtype lacks: 300 or nan as uint8, 2^63 as int64.
    """

    __slots__ = ("_frozen",)  # set where a leaf stopped requiring grad: it stays a parameter

    @also("device")
    def __init__(
        self, data: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> None:
        self._node = None
        self._views = None
        self._grad = None
        if isinstance(data, TensorBase):
            if data._node is not None:
                leave_for_leaf()
            data = data._data
        others = None
        if isinstance(data, (list, tuple)):
            others = elements(data)
            if others and _holds_graph(others):
                self._join(data, dtype, requires_grad)
                return
            if recorder.get() is not None and others and _are_all_tensors(data):
                data = from_list("Tensor", data)._data
                others = None
        self._data = fresh(new_array(carried(data), dtype, "Tensor", others))
        if requires_grad is not False and flag(requires_grad, "Tensor: requires_grad"):
            self.requires_grad = True

    def _join(self, data: Any, dtype: DTypeLike | None, requires_grad: bool) -> None:
        """Become the tensor of nested lists in which a tensor requires grad."""
        if requires_grad:
            raise ValueError(
                "Tensor: requires_grad=True makes a leaf, and a Tensor in the list requires grad "
                "already; leave it out to keep that graph, or detach() that Tensor"
            )
        joined = from_list("Tensor", data)
        joined = joined if dtype is None else joined.cast(dtype)
        self._data, self._node = joined._data, joined._node

    @classmethod
    def from_array(cls, array: Array) -> Self:
        """A tensor around an ndarray, which is not copied: they share memory from then on.

        Whatever is later written into the array changes the tensor, and vice versa; call
        `mark_changed()` if a backward pass may still need the old values.  `Tensor(array)` copies.

        Errors: TypeError for anything but an ndarray of bools, integers or float16 to 64.
        """
        if not isinstance(array, np.ndarray) or is_masked(array) or isinstance(array, np.matrix):
            raise TypeError(
                f"from_array: expected an ndarray; got {type(array).__name__}; "
                + ("it is a Tensor already" if isinstance(array, Tensor) else "use Tensor(data)")
            )
        check_dtype(array.dtype, "from_array")
        return cls._wrap(carried(array), None)

    @classmethod
    def from_numpy(cls, array: Array) -> Self:
        """PyTorch's name for `from_array`: the memory is shared."""
        return cls.from_array(array)

    # Data and metadata

    @property
    def data(self) -> Array:
        """The ndarray itself; assignable and writable.

        The graph does not notice writes into it, except `t.data += ...` and the like, of which
        backward tells.  Call `mark_changed()` if a backward pass may still need the old values.
        """
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if value is self._data and value.__class__ is np.ndarray:
            written_through_data(self, value)
        if isinstance(value, TensorBase):
            value = value._data
        array = value if value.__class__ is np.ndarray else new_array(value, None, "data")
        check_dtype(array.dtype, "data")
        if self._node is not None and not self.is_leaf and array.shape != self._data.shape:
            raise ValueError(
                f"data: expected shape {self._data.shape}, that of the graph; got {array.shape}"
            )
        if self._node is not None:
            check_differentiable(array.dtype)
        self._data = array
        if isinstance(self._node, Leaf):
            self._node.out_shape = array.shape
            if self._grad is not None:
                updated(self)

    @property
    def shape(self) -> Shape:
        """The size along each axis."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type, a NumPy dtype."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    def dim(self) -> int:
        """The number of axes: PyTorch's and tinygrad's name for `ndim`."""
        return self._data.ndim

    @overload
    def size(self, axis: None = None) -> Shape: ...
    @overload
    def size(self, axis: int) -> int: ...
    @also("dim")
    def size(self, axis: int | None = None) -> Shape | int:
        """The size along `axis`, or the whole shape.  `numel()` is the number of elements."""
        shape = self._data.shape
        return shape if axis is None else shape[normalize_axis(axis, len(shape), "size")]

    def numel(self) -> int:
        """The number of elements."""
        return self._data.size

    def numpy(self) -> Array:
        """The ndarray, not copied.  It has no graph; np.asarray(t) warns of that, this does not."""
        return self._data

    def item(self) -> bool | int | float:
        """The single element as a Python number; ValueError if there are more."""
        return self._only("item")

    def tolist(self) -> Any:
        """The elements as Python numbers in nested lists."""
        leaves("tolist()", self._data)
        return self._data.tolist()

    def _only(self, what: str) -> Any:
        """The single element as a Python number, asked for by a function of this name."""
        if self._data.size != 1:
            hint = "sum() or mean(), or use tolist()"
            if what == "bool":
                hint = "any() or all()"
            raise ValueError(
                f"{what}: expected a tensor of one element; got shape {self._data.shape}; "
                f"reduce it with {hint}"
            )
        leaves(f"{what}()", self._data)
        return self._data.item()

    def __float__(self) -> float:
        number = self._only("float")
        if self._node is not None:
            leave_for_float()
        return float(number)

    def __int__(self) -> int:
        return int(self._only("int"))

    def __bool__(self) -> bool:
        return bool(self._only("bool"))

    def __format__(self, form: str) -> str:
        """Its single element in this format; its repr if the format is empty."""
        if not form:
            return repr(self)
        return format(self._only("format"), form)

    def __index__(self) -> int:
        if self._data.size != 1 or self._data.dtype.kind not in "iu":
            raise TypeError(
                f"index: expected one integer; got shape {self._data.shape} of {self._data.dtype}"
            )
        return int(self._only("index"))

    def __repr__(self) -> str:
        prefix = "Tensor("
        leaves("str() or print()", self._data)
        values = np.array2string(self._data, prefix=prefix, separator=" ", threshold=100)
        if isinstance(self._node, Leaf):
            origin = ", requires_grad=True"
        else:
            origin = "" if self._node is None else f", op={self.op}"
        return f"{prefix}{values}, dtype={self._data.dtype}{origin})"

    # Autograd

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows to this tensor.

        True for a leaf created with requires_grad=True, and for what is computed from one.
        """
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        value = flag(value, "requires_grad")
        if value and self._node is None:
            check_differentiable(self._data.dtype)
            self._node = Leaf(self)
        elif not value and not self.is_leaf:
            raise RuntimeError(
                "requires_grad: only a leaf can stop requiring grad, and this tensor was computed; "
                "use detach()"
            )
        elif not value and self._node is not None:
            self._node = None
            self._frozen = True

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` and return this tensor, for use in an expression."""
        self.requires_grad = flag(requires_grad, "requires_grad_: requires_grad")
        return self

    @property
    def is_parameter(self) -> bool:
        """Whether a module that holds this tensor counts it among its parameters.

        True for a leaf that requires grad, and for one that did before it was frozen
        (`requires_grad = False`).  Assign it to say otherwise of a leaf that does not require grad.
        """
        if self._node is None:
            return getattr(self, "_frozen", False)
        return isinstance(self._node, Leaf)

    @is_parameter.setter
    def is_parameter(self, value: bool) -> None:
        value = flag(value, "is_parameter")
        if self._node is None:
            self._frozen = value
        elif value is not self.is_parameter:
            fix = "was computed; detach() it" if value else "requires grad; freeze it"
            raise RuntimeError(f"is_parameter: cannot be {value}: this tensor {fix} first")

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was created by the user, not computed from one that requires grad."""
        return self._node is None or isinstance(self._node, Leaf)

    @property
    def op(self) -> str | None:
        """The name of the operation that made this tensor; None for a leaf."""
        node = self._node
        while node is not None and not isinstance(node, (Primitive, Leaf)):
            (node,) = node.parents  # one of several results
        return type(node).__name__ if isinstance(node, Primitive) else None

    def detach(self) -> Self:
        """A tensor with the same memory and no graph: no gradient flows through it."""
        return self._wrap(self._data, None)

    def retain_grad(self) -> Self:
        """Make `backward` keep the gradient of this tensor in `.grad`, though it is not a leaf."""
        if self._node is None:
            raise RuntimeError(
                "retain_grad: no gradient flows to this tensor; make what it is computed from with "
                "requires_grad=True"
            )
        if self._node.holder is None:
            self._node.holder = weakref.ref(self)
        return self

    def register_hook(self, fn: Callable[[Any], Any]) -> HookHandle:
        """Call `fn` with the gradient of this tensor in every backward pass; it may replace it.

        fn      takes the whole gradient, a read-only tensor of this tensor's shape, before it is
                passed on or added to `.grad`.  It returns None, or a tensor of the same shape that
                replaces the gradient.  Several hooks run in the order of registration, each on the
                result of the one before; with create_graph their operations are recorded

        Returns a handle whose `remove()` removes the hook.  A hook belongs to the value: it also
        runs after this tensor is deleted, and neither a copy nor the new value after `+=` has it.

        Errors: RuntimeError if this tensor does not require grad; in the backward pass, TypeError
        or ValueError for any other result of `fn`.
        """
        if self._node is None:
            raise RuntimeError("register_hook: this tensor does not require grad")
        return add_hook(self._node, function(fn, "register_hook: fn"), self._wrap)

    def zero_grad(self) -> None:
        """Set `.grad` to None, so that the next backward pass does not add to it."""
        self._grad = None

    def _gradient(self) -> Self | None:
        """The gradient that backward passes left here, to which the next one adds; or None.

        Leaves have one, and tensors that were told to by `retain_grad()`.  Assignable.
        """
        gradient = self._grad
        if gradient is None:
            gradient_missing(self)
        return gradient

    if TYPE_CHECKING:
        grad: Self | None
    else:  # set by the slot's own functions, which are quicker than Python's
        grad = property(_gradient, TensorBase._grad.__set__, zero_grad)

    def mark_changed(self) -> None:
        """Tell the graph that `data` was changed through NumPy.

        A later backward pass that needs the old values then raises, as it does after `+=`.
        """
        changes.note(self)

    def backward(
        self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False
    ) -> Self:
        """Add the gradient of this tensor with respect to each leaf to the `.grad` of that leaf.

        gradient      the gradient with respect to this tensor, of its shape; default: 1, for a
                      tensor of one element
        retain_graph  keep the saved arrays, so that the graph can be used again
        create_graph  run the backward pass on Tensors, so that it is itself recorded and the
                      gradients can be differentiated; implies retain_graph

        Returns this tensor.

        Errors: RuntimeError if there is no graph, if the tensor has several elements and no
        gradient is given, if the saved arrays were freed, or if one was changed in place.
        TrainingWarning: if a tensor of one element is inf or nan, once for each line.
        """
        root = self._root("backward")
        start = self._starting_gradient("backward", gradient)
        if gradient is None and type(self._data) is np.ndarray:  # not in a captured step
            look(self)
        if retain_graph is not False or create_graph is not False:
            retain_graph = flag(retain_graph, "backward: retain_graph")
            create_graph = flag(create_graph, "backward: create_graph")
        roots = [(root, start if create_graph else start._data)]
        retain = retain_graph or create_graph
        if watching:  # an optimiser asks for the cause of gradients that are inf or nan
            backpropagate(roots, retain=True)
            look_at_gradients(self, release=not retain)
        else:
            backpropagate(roots, retain=retain)
        if next(passes.turns):
            remember(root, retain)
        return self

    def _root(self, name: str) -> Any:
        if self._node is None:
            raise RuntimeError(
                f"{name}: no gradient flows to this tensor: nothing it was computed from has "
                "requires_grad=True, or it was computed inside no_grad(), or a captured step "
                "returned it: then call backward inside the step"
            )
        return self._node

    def _starting_gradient(self, name: str, gradient: Any) -> Self:
        """The gradient that the backward pass starts from: the given one, checked, or 1."""
        if gradient is None:
            if self._data.size != 1:
                raise RuntimeError(
                    f"{name}: the tensor has shape {self._data.shape}, and only one number has "
                    "a default gradient; take .sum() or .mean() first, or pass one of that shape"
                )
            one = np.empty(self._data.shape, self._data.dtype)  # quicker than np.ones
            one.fill(1)
            return self._wrap(one, None)
        if not isinstance(gradient, TensorBase):
            array = plain_array(gradient, f"{name}: gradient")
            with np.errstate(all="ignore"):
                gradient = self._wrap(array.astype(self._data.dtype, copy=False), None)
        if gradient._data.shape != self._data.shape:
            raise ValueError(
                f"{name}: expected a gradient of shape {self._data.shape}; "
                f"got {gradient._data.shape}"
            )
        return gradient.cast(self._data.dtype)

    # Copies are leaves without a graph or hooks, and have the attributes that a subclass added.
    # They are made without its constructor, which may take other arguments.

    def __getstate__(self) -> Any:
        """The attributes that a subclass added, in its `__dict__` and in its `__slots__`."""
        state: Any = object.__getstate__(self)
        attributes, slots = state if isinstance(state, tuple) else (state, {})
        ours = (*TensorBase.__slots__, *Tensor.__slots__)
        added = {name: slots[name] for name in slots if name not in ours}
        return (attributes, added) if added else attributes

    def __reduce__(self) -> Any:
        """For copy.copy, which copies the memory, and pickle; neither keeps the gradient.

        Of tensors that are views of each other, pickle makes separate ones.
        """
        roles = self.requires_grad, self.is_parameter
        return _rebuilt, (type(self), self._data, *roles), self.__getstate__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """For copy.deepcopy, which keeps the gradient, and what is a view of what.

        The copy of a view is a view of a copy of all the memory that it belongs to; clone() the
        view first where that is too much.
        """
        from copy import deepcopy  # here, since few programs need it

        array = deep_copied(self._data, memo)
        copied = _around(type(self), array, self.requires_grad, self.is_parameter)
        memo[id(self)] = copied
        copied._grad = deepcopy(self._grad, memo)
        if self._views is not None:
            link_views(copied, memo.setdefault(id(self._views), copied))
        state = deepcopy(self.__getstate__(), memo)
        if hasattr(copied, "__setstate__"):
            copied.__setstate__(state)
            return copied
        attributes, added = state if isinstance(state, tuple) else (state, {})
        for name, value in {**(attributes or {}), **added}.items():
            setattr(copied, name, value)
        return copied


def _rebuilt(cls: type[Tensor], data: Array, requires_grad: bool, is_parameter: bool) -> Tensor:
    """A copy of a tensor, without the attributes that a subclass added."""
    return _around(cls, data.copy(order="K"), requires_grad, is_parameter)


def _around(cls: type[Made], array: Array, requires_grad: bool, is_parameter: bool) -> Made:
    tensor = object.__new__(cls)
    tensor._data = array
    tensor._views = tensor._grad = None
    tensor._node = Leaf(tensor) if requires_grad else None
    if is_parameter:
        tensor._frozen = True
    return tensor


def _are_all_tensors(values: Sequence[Any]) -> bool:
    """Whether these are tensors of one dtype."""
    dtypes = {value._data.dtype if isinstance(value, TensorBase) else None for value in values}
    return len(dtypes) == 1 and None not in dtypes


def _holds_graph(values: Sequence[Any]) -> bool:
    """Whether one of these is a tensor that requires grad."""
    tensors = [value for value in values if isinstance(value, TensorBase)]
    return any(tensor._node is not None for tensor in tensors) and is_grad_enabled()
