"""What carries a value through a step while it is captured: `Traced`.

It is no ndarray, so NumPy cannot read its value behind our back: each way to it either adds an
entry to the record, or ends in `Trace.leak`.
"""

import operator
from collections.abc import Callable, Iterator
from sys import getrefcount
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .entries import Var, mapped
from .numbers import Number
from .numpy_functions import ANY, ARRAYS, METADATA, OPTIONS, WRITERS
from .temporaries import LARGE, OPERATORS, written_over

MANY = 100  # numbers up to which an iteration over them is recorded


class Traced(NDArrayOperatorsMixin):
    """A value on its way through a step that is captured.  To `isinstance` it is an ndarray.

    Or it is a NumPy scalar, if its value is one.

    number  the variable of a scalar, where outside of rules a 0-d array stands for it
    """

    __slots__ = ("__weakref__", "_trace", "number", "value", "variable")

    __array_priority__ = 1000.0

    def __init__(self, trace: Any, var: Var) -> None:
        self._trace, self.variable, self.value = trace, var, var.value
        self.number: Var | None = None
        var.traced = self

    __class__ = property(  # what the value is
        lambda self: np.ndarray if isinstance(self.value, np.ndarray) else type(self.value)
    )

    # Metadata, which is the same in every replay.  Setting it is seen by nobody else.

    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    nbytes = property(lambda self: self.value.nbytes)
    itemsize = property(lambda self: self.value.itemsize)
    flags = property(lambda self: self.value.flags)
    shape = property(lambda self: self.value.shape, lambda self, new: self._set("shape", new))
    dtype = property(lambda self: self.value.dtype, lambda self, new: self._set("dtype", new))
    strides = property(lambda self: self.value.strides, lambda self, new: self._set("strides", new))

    def _set(self, name: str, new: Any) -> None:
        value = self._trace.leak(f"x.{name} = ..., which changes an array in place", self)
        setattr(value, name, new)

    @property
    def base(self) -> Any:
        """The Traced that owns the memory; None if this one does."""
        root = self.variable.root
        return None if root is self.variable else self._trace.traced(root)

    @property
    def T(self) -> Any:  # NumPy's name
        """The transpose."""
        return self._trace.call(np.ndarray.transpose, (self,), {})

    @property
    def mT(self) -> Any:  # NumPy's name
        """The transpose of each matrix."""
        return self._trace.call(np.swapaxes, (self, -1, -2), {})

    def __len__(self) -> int:
        return len(self.value)

    # Operations

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
        arrays = {"__call__": ANY, "outer": 2, "at": 3, "reduceat": 2}.get(method, 1)
        self._only_arrays(args[arrays:], options)
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        writes = args[:1] if method == "at" else options.get("out", ())
        if any(isinstance(value_of(one), np.generic) for one in writes):  # of 0-d: a new one
            del options["out"]
            writes = ()
        return self._trace.call(function, args, options, writes)

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        if function in METADATA:
            return function(*mapped(args, value_of), **mapped(options, value_of))
        arrays = ARRAYS.get(function)
        if arrays is None:
            name = getattr(function, "__name__", "a function")
            self._trace.leak(f"np.{name}()", self)
            return function(*mapped(args, value_of), **mapped(options, value_of))
        if function is np.where and len(args) + len(options) < 3:
            self._trace.leak("np.where(x), whose shape depends on values", self)
        if function is np.nan_to_num and (len(args) > 1 or "copy" in options):
            self._trace.leak("np.nan_to_num(x, copy), which may write into x", self)
        self._only_arrays(args[arrays:], options)
        writes = options.get("out")
        writes = () if writes is None else writes if isinstance(writes, tuple) else (writes,)
        if function in WRITERS:
            writes = args[:1] if args else (options[WRITERS[function]],)
        return self._trace.call(function, args, options, writes)

    # For some exponents ** is another function than np.power, and for a number it is Python's.

    def __pow__(self, other: Any) -> Any:
        return self._trace.call(operator.pow, (number_of(self), number_of(other)), {})

    def __rpow__(self, other: Any) -> Any:
        return self._trace.call(operator.pow, (number_of(other), number_of(self)), {})

    def __ipow__(self, other: Any) -> Any:
        if isinstance(number_of(self).value, np.ndarray):
            self[...] = self**other
            return self
        return NotImplemented

    def _scalar(self) -> "Traced":
        return self if self.number is None else self._trace.traced(self.number)

    def _only_arrays(self, others: Any, options: Any) -> None:
        """A leak if what decides about shapes (axes, sizes, repetitions) is a Traced."""
        if others or not options.keys() <= OPTIONS:
            given = [value for name, value in options.items() if name not in OPTIONS]
            found = traced_in((others, given))
            if found:
                self._trace.leak("a value as an axis, a size or a number of repetitions", found[0])

    def __getitem__(self, index: Any) -> Any:
        for one in traced_in(index):
            if one.value.dtype == bool and self._trace.varies(one):
                return self._trace.leak("x[mask], whose shape depends on values", self, index)
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, slice) and traced_in(part) for part in parts):
            return self._trace.leak("x[:n], whose shape depends on a value", self, index)
        return self._trace.call(getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(self.value, np.generic):  # the result of an operation is an array
            array = self._trace.call(np.asarray, (self,), {})
            self.variable.traced = None
            self.variable, self.value, array.variable.traced = array.variable, array.value, self
        self._trace.call(setitem, (self, index, value), {}, (self,))

    def __copy__(self) -> Any:
        order = ("K",) if isinstance(self.value, np.ndarray) else ()
        return self._trace.call(np.ndarray.copy, (self, *order), {})

    def __deepcopy__(self, _: Any) -> Any:
        return self.__copy__()

    def __iter__(self) -> Iterator[Any]:
        if self.value.ndim == 0 or (self.value.ndim == 1 and len(self) > MANY):
            return iter(self._trace.leak("a loop over the numbers of an array", self))
        return (self[position] for position in range(len(self)))

    # What would read the values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._trace.leak("np.array", self), dtype)

    def __bool__(self) -> bool:
        return bool(self._trace.leak("bool", self))

    def __int__(self) -> int:
        return int(self._trace.leak("int", self))

    def __index__(self) -> int:
        return self._trace.leak("index", self).__index__()

    def __float__(self) -> float:
        return float(self._trace.leak("float", self))

    def __complex__(self) -> complex:
        return complex(self._trace.leak("complex", self))

    def __round__(self, *digits: Any) -> Any:
        return round(self._trace.leak("round", self), *digits)

    def __hash__(self) -> int:
        if isinstance(number_of(self).value, np.ndarray):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        return hash(self._trace.leak("hash", self)[()])

    def __contains__(self, value: Any) -> bool:
        return value_of(value) in self._trace.leak("in", self)

    def __repr__(self) -> str:
        return repr(self._trace.leak("str() or print()", self))

    def __str__(self) -> str:
        return str(self._trace.leak("str() or print()", self))

    def __format__(self, form: str) -> str:
        return format(self._trace.leak("format", self), form)

    def __bytes__(self) -> bytes:
        return bytes(self._trace.leak("bytes", self))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._trace.leak("pickle", self).__reduce_ex__(protocol)

    def __getattr__(self, name: str) -> Any:
        """Any other attribute of an array: what it tells leaves the record."""
        value = object.__getattribute__(self, "value")
        if not hasattr(value, name):
            raise AttributeError(f"'{type(value).__name__}' object has no attribute '{name}'")
        what = "np.array" if name.startswith("__array_") else name
        return getattr(self._trace.leak(what, self), name)

    def __setattr__(self, name: str, new: Any) -> None:
        if name in _WRITABLE:
            self._set(name, new)
        else:
            object.__setattr__(self, name, new)


_WRITABLE = {"flat", "real", "imag", "data"}


def _operator(name: str) -> Callable[..., Any]:
    """A binary operator, whose result may have the memory order of a temporary."""
    ufunc, commutes = OPERATORS[name]
    usual = getattr(NDArrayOperatorsMixin, name)

    def call(self: Traced, other: Any) -> Any:
        if self.value.nbytes >= LARGE or getattr(other, "nbytes", 0) >= LARGE:
            counts = getrefcount(self), getrefcount(other)
            over = written_over(self.value, value_of(other), counts, commutes)
            if over is not None and (over == 0 or type(other) is Traced):
                like = other if over else self
                return ufunc(self, other, out=self._trace.call(np.empty_like, (like,), {}))
        return usual(self, other)

    call.__name__, call.__doc__ = name, usual.__doc__
    return call


for _name in OPERATORS:
    setattr(Traced, _name, _operator(_name))


def _method(name: str, arrays: int = 0, writes: bool = False) -> Callable[..., Any]:
    """A method of ndarrays; arrays: how many of its first arguments may be arrays."""

    def call(self: Traced, *args: Any, **options: Any) -> Any:
        self._only_arrays(args[arrays:], options)
        out = options.get("out")
        written = (self,) if writes else () if out is None else (out,)
        return self._trace.call(function, (self, *args), options, written)

    function = getattr(np.ndarray, name)
    call.__name__, call.__doc__ = name, function.__doc__
    return call


for _name in (
    *("all", "any", "argmax", "argmin", "argsort", "astype", "conj", "copy", "cumprod", "cumsum"),
    *("diagonal", "flatten", "max", "mean", "min", "prod", "ravel", "repeat", "reshape", "round"),
    *("squeeze", "std", "sum", "swapaxes", "trace", "transpose", "var", "view"),
):
    setattr(Traced, _name, _method(_name))
for _name, _count in (("clip", 2), ("dot", 1), ("take", 1), ("searchsorted", 1)):
    setattr(Traced, _name, _method(_name, _count))
for _name, _count in (("fill", 1), ("partition", 0), ("put", 2), ("sort", 0)):
    setattr(Traced, _name, _method(_name, _count, writes=True))


def _in_place(name: str) -> Callable[..., Any]:
    inherited = getattr(NDArrayOperatorsMixin, name)

    def call(self: Traced, other: Any) -> Any:
        if isinstance(number_of(self).value, np.ndarray):
            return inherited(self, other)
        return NotImplemented  # then a number is replaced, as Python's are

    call.__name__ = name
    return call


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul"):
    setattr(Traced, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in ("and", "or", "xor", "lshift", "rshift"):
    setattr(Traced, f"__i{_name}__", _in_place(f"__i{_name}__"))


def _reading(name: str) -> Callable[..., Any]:
    def call(self: Traced, *args: Any) -> Any:
        return getattr(self._trace.leak(name, self), name)(*mapped(args, value_of))

    call.__name__, call.__doc__ = name, getattr(np.ndarray, name).__doc__
    return call


for _name in ("item", "tolist", "tobytes"):
    setattr(Traced, _name, _reading(_name))


def of_kind(function: Any, first: Any = None) -> Any:
    """The function itself, or, for a method of arrays, that of a number if the first one is."""
    if isinstance(first, np.generic) and getattr(function, "__objclass__", None) is np.ndarray:
        return getattr(np.generic, function.__name__)
    return function


def getitem(array: Any, index: Any) -> Any:
    """array[index]."""
    return array[index]


def setitem(array: Any, index: Any, value: Any) -> None:
    """array[index] = value."""
    array[index] = value


def value_of(value: Any) -> Any:
    """The value that a Traced or a Number carries; any other object itself."""
    return value.value if type(value) is Traced or type(value) is Number else value


def number_of(value: Any) -> Any:
    """The Traced of a scalar for which this one stands; any other object itself."""
    return value._scalar() if type(value) is Traced else value


def traced_in(value: Any) -> list[Traced]:
    """Every Traced in nested containers and slices."""
    found: list[Traced] = []
    mapped(value, lambda one: found.append(one) if type(one) is Traced else None)
    return found
