"""Nested Python values as JSON, with their arrays beside it, and back: the same types and bits.

Numbers, text, True, False, None, lists, and dicts whose keys are text, are themselves in JSON.
Anything else is an object with one name that begins with "$":

    {"$tuple": [...]}                     a tuple
    {"$dict": [[key, value], ...]}        a dict with other keys: integers, tuples, text with a "$"
    {"$float": "7ff8000000000000"}        a float that JSON lacks, by its bits
    {"$int": "0x1f..."}                   an integer of more than 64 bits
    {"$complex": [real, imaginary]}
    {"$number": ["<f4", "0000803f"]}      a NumPy scalar, by its dtype and bytes
    {"$array": "name", "order": [1, 0], "dtype": "<c8"}
    {"$tensor": "name", "order": [1, 0], "requires_grad": true}

Arrays are named by their position: "optimizer.state.0.exp_avg".  `order` lists the axes from the
longest stride to the shortest, unless that is C order: the bits of a sum depend on it.  An array of
a dtype that safetensors lacks is stored as bytes, with the dtype in `dtype`.
"""

import math
import re
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments, files

from ... import _safetensors

Array: TypeAlias = NDArray[Any]

DEEPEST = 50  # levels of nesting, each of which is at most three in JSON
# Dtypes that can be written: no objects, which are addresses, and none that differ by machine.
KNOWN = re.compile(r"[<>|](b1|[iu][1248]|f[248]|c8|c16|[SU][1-9]\d*|[mM]8(\[\w+\])?)")
WHOLE = 1 << 63  # integers below it are numbers in JSON
KEYS = (str, int, float, bool, type(None))  # and tuples of them
ACCEPTED = "numbers, text, None, lists, tuples, dicts, arrays and Tensors"


class Encoder:
    """Converts values to JSON, and collects their arrays in `arrays`, by name.

    Arrays are not copied.  One that occurs twice is stored once.
    """

    def __init__(self, caller: str) -> None:
        self.caller = caller  # the function that an error names
        self.arrays: dict[str, Array] = {}
        self._names: dict[tuple[Any, ...], str] = {}  # of each array, by its address and layout
        self._alive: list[Array] = []  # so that no address is used twice

    def __call__(self, value: Any, name: str, depth: int = 0) -> Any:
        """The value as JSON.  TypeError, with its name, for one of another type."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -WHOLE <= value < WHOLE else {"$int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"$float": struct.pack(">d", value).hex()}
        if kind is complex:
            return {"$complex": [self(value.real, name), self(value.imag, name)]}
        if isinstance(value, np.generic) and KNOWN.fullmatch(_code(value.dtype)):
            return {"$number": [_code(value.dtype), value.tobytes().hex()]}
        if isinstance(value, Tensor):
            entry = self._array(value.data, name)
            flag = {"requires_grad": True} if value.requires_grad and value.is_leaf else {}
            return {"$tensor": entry.pop("$array"), **entry, **flag}
        if kind is np.ndarray and KNOWN.fullmatch(_code(value.dtype)):
            return self._array(value, name)
        if kind not in (list, tuple, dict, OrderedDict):
            raise arguments.wrong(f"{self.caller}: {_shown(name)}", ACCEPTED, value, _fix(value))
        if depth == DEEPEST:
            raise ValueError(
                f"{self.caller}: {_shown(name)}: expected at most {DEEPEST} levels of nesting"
            )
        if kind in (list, tuple):
            found = [self(x, f"{name}.{i}", depth + 1) for i, x in enumerate(value)]
            return found if kind is list else {"$tuple": found}
        pairs = [
            (self._key(key, name), self(x, f"{name}.{_label(key)}", depth + 1))
            for key, x in value.items()
        ]
        plain = all(type(key) is str and not key.startswith("$") for key, _ in pairs)
        return dict(pairs) if plain else {"$dict": [[key, x] for key, x in pairs]}

    def _key(self, key: Any, name: str) -> Any:
        parts = [key]
        for part in parts:
            if type(part) is tuple:
                parts += part
            elif not isinstance(part, np.generic) and type(part) not in KEYS:
                expected = "text, numbers, None and tuples as keys"
                raise arguments.wrong(f"{self.caller}: {_shown(name)}", expected, key)
        return self(key, name)

    def _array(self, array: Array, name: str) -> dict[str, Any]:
        entry: dict[str, Any] = {}
        if not array.flags.c_contiguous:
            order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
            if order != sorted(order):
                entry["order"] = order
        layout = array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str
        stored = self._names.get(layout)
        code = _code(array.dtype)
        plain = code[1:] in _safetensors.NAMES and array.dtype.isnative
        if not plain:
            entry["dtype"] = code
        if stored is None:
            stored = self._names[layout] = self._free(name)
            self._alive.append(array)
            self.arrays[stored] = array if plain else _as_bytes(array)
        return {"$array": stored, **entry}

    def _free(self, name: str) -> str:
        """The name as a printable one, with a number if another array has it."""
        name = files.printable(name, 200)
        found, number = name, 1
        while found in self.arrays:
            number += 1
            found = f"{name} ({number})"
        return found


class Decoder:
    """Converts JSON, and arrays by name, to values.

    Errors: ValueError if the JSON is not an Encoder's, or does not match the arrays.
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        self.arrays = arrays
        self.used: set[str] = set()
        self.depth = 0
        self._tagged: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
            "$tuple": lambda value, _: tuple(self._list(value, "$tuple")),
            "$dict": lambda value, _: self._dict(self._list(value, "$dict")),
            "$float": lambda value, _: _float(value),
            "$int": lambda value, _: _integer(value),
            "$complex": lambda value, _: _complex(self._list(value, "$complex")),
            "$number": lambda value, _: _number(value),
            "$array": self._array,
            "$tensor": self._tensor,
        }

    def __call__(self, node: Any) -> Any:
        """The value; no two of its arrays share memory."""
        if not isinstance(node, list | dict):
            return node
        self.depth += 1
        if self.depth > 3 * DEEPEST + 10:
            raise ValueError("it is nested too deeply")
        value = self._several(node)
        self.depth -= 1
        return value

    def _several(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self(each) for each in node]
        tag = next((name for name in node if name.startswith("$")), None)
        if tag is None:
            return {name: self(each) for name, each in node.items()}
        rest = {name: value for name, value in node.items() if name != tag}
        allowed = {"$array": {"order", "dtype"}, "$tensor": {"order", "requires_grad"}}
        if tag not in self._tagged or not rest.keys() <= allowed.get(tag, set()):
            raise ValueError(f"nothing is called {_shown(tag)} with {_shown(sorted(rest))}")
        return self._tagged[tag](node[tag], rest)

    def check_all_used(self) -> None:
        """ValueError if there are arrays that no value refers to."""
        left = [name for name in self.arrays if name not in self.used]
        if left:
            raise ValueError(f"nothing refers to its array {_shown(left[0])}")

    def _list(self, value: Any, tag: str) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"expected a list in {tag}; got {arguments.shown(value)}")
        return [self(each) for each in value]

    def _dict(self, pairs: list[Any]) -> dict[Any, Any]:
        found = {}
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2:
                raise ValueError(f"expected a key and a value; got {arguments.shown(pair)}")
            try:
                known = pair[0] in found
            except TypeError:
                raise ValueError(f"{arguments.shown(pair[0])} cannot be a key") from None
            if known or isinstance(pair[0], Tensor):
                raise ValueError(f"{arguments.shown(pair[0])} cannot be a key, or is one twice")
            found[pair[0]] = pair[1]
        return found

    def _array(self, name: Any, options: dict[str, Any]) -> Array:
        if not isinstance(name, str) or name not in self.arrays:
            raise ValueError(f"it has no array {_shown(name)}")
        array = self.arrays[name]
        if name in self.used:
            array = array.copy()
        self.used.add(name)
        if "dtype" in options:
            array = _of_bytes(array, options["dtype"], name)
        if "order" in options:
            order = options["order"]
            axes = list(range(array.ndim))
            if not isinstance(order, list) or [type(x) for x in order] != [int] * array.ndim:
                order = []
            if sorted(order) != axes or not axes:
                raise ValueError(f"{_shown(name)} has {array.ndim} axes; got another order")
            inverse = sorted(axes, key=lambda axis: order[axis])
            array = np.ascontiguousarray(array.transpose(order)).transpose(inverse)
        return array

    def _tensor(self, name: Any, options: dict[str, Any]) -> Tensor:
        wanted = options.pop("requires_grad", False)
        tensor = Tensor.from_array(self._array(name, options))
        if not isinstance(wanted, bool) or (wanted and tensor.dtype.kind != "f"):
            raise ValueError(f"{_shown(name)} cannot require grad")
        return tensor.requires_grad_() if wanted else tensor


def _label(key: Any) -> str:
    """The name of a key of a dict in the name of an array."""
    return key if type(key) is str else arguments.shown(key)


def _code(dtype: np.dtype[Any]) -> str:
    return "" if dtype.names or dtype.subdtype else dtype.str


def _as_bytes(array: Array) -> Array:
    """The bytes of an array, in an axis of their own."""
    dense = np.array(array, order="C", copy=None)
    return dense.reshape(*array.shape, 1).view(np.uint8)


def _of_bytes(array: Array, code: Any, name: str) -> Array:
    """The inverse of `_as_bytes`."""
    dtype = _dtype(code)
    if array.dtype != np.uint8 or array.shape[-1:] != (dtype.itemsize,):
        raise ValueError(f"{_shown(name)} does not hold bytes of {dtype}")
    found = array.view(dtype).reshape(array.shape[:-1])
    _check_values(found)
    return found


def _dtype(code: Any) -> np.dtype[Any]:
    """A dtype that can be written, from its name."""
    try:
        if not isinstance(code, str) or not KNOWN.fullmatch(code):
            raise TypeError
        return np.dtype(code)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{_shown(code)} is no dtype that can be read") from None


def _check_values(array: Array) -> None:
    """ValueError for bools that are neither 0 nor 1, and text that is not Unicode."""
    if array.dtype.kind == "b" and np.any(array.view(np.uint8) > 1):
        raise ValueError("a bool is neither False nor True")
    if array.dtype.kind == "U":
        letters = np.ascontiguousarray(array.reshape(-1)).view(
            np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
        )
        if np.any(letters > 0x10FFFF):
            raise ValueError("a text is not Unicode")


def _number(value: Any) -> np.generic:
    match value:
        case [str(code), str(digits)]:
            dtype = _dtype(code)
            try:
                content = bytes.fromhex(digits)
            except ValueError:
                content = b""
            if len(content) == dtype.itemsize:
                array = np.frombuffer(content, dtype)
                _check_values(array)
                scalar: np.generic = array[0]
                return scalar
    raise ValueError(f"expected a dtype and bytes; got {arguments.shown(value)}")


def _float(value: Any) -> float:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{16}", value):
        raise ValueError(f"expected the bits of a float; got {arguments.shown(value)}")
    number: float = struct.unpack(">d", bytes.fromhex(value))[0]
    return number


def _integer(value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch("-?0x[0-9a-f]+", value):
        raise ValueError(f"expected an integer in hexadecimal; got {arguments.shown(value)}")
    return int(value, 16)


def _complex(parts: list[Any]) -> complex:
    if [type(part) for part in parts] != [float, float]:
        raise ValueError(f"expected two floats; got {arguments.shown(parts)}")
    return complex(*parts)


def _shown(name: Any) -> str:
    return files.printable(name, 60) if isinstance(name, str) else arguments.shown(name)


def _fix(value: Any) -> str:
    """What to write instead of a value that cannot be saved."""
    if isinstance(value, np.ndarray):
        return "; it holds objects" if value.dtype.hasobject else "; pass np.asarray(array)"
    if isinstance(value, tuple | list | dict | set | frozenset):
        plain = next(x for x in (tuple, list, dict, object) if isinstance(value, x))
        return f"; pass {'sorted' if plain is object else plain.__name__}(...)"
    if isinstance(value, int | float | str):
        plain = next(x for x in (int, float, str) if isinstance(value, x))
        return f"; pass {plain.__name__}(...)"
    return ""
