"""The tensors of a model: list them, name them, load them, save them to a file.

Files are in the safetensors format, which holds arrays and text and cannot run code.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments, files, shares_memory

from . import _safetensors
from ._untrained import tell_of_untrained
from .reflection import Found, complete, under_each_name, walk

Values: TypeAlias = Tensor | NDArray[Any]
Content = TypeVar("Content")


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found on one side only.

    missing_keys     names of the model that have no value
    unexpected_keys  names of values that the model does not have
    """

    missing_keys: list[str]
    unexpected_keys: list[str]


def get_parameters(obj: object) -> list[Tensor]:
    """The tensors to train in any object, each once, in the order of the attributes.

    These are the leaves that require grad.  Running statistics and frozen weights are left out.  A
    module's own tensors come before those of the modules inside it, as in PyTorch.

    Errors: TypeError if one is where it would not be found: in a set, in a function's variables;
    ValueError if one was computed from a parameter that nothing holds.
    """
    return [tensor for _, tensor in get_named_parameters(obj)]


def get_named_parameters(obj: object) -> list[tuple[str, Tensor]]:
    """The tensors to train in any object, each once, with its first name."""
    parts = complete("get_parameters", obj)
    tell_of_untrained(parts)
    return [(name, each) for name, each in parameters_among(parts) if each.requires_grad]


def parameters_among(
    found: Iterable[Found], remove_duplicate: bool = True
) -> list[tuple[str, Tensor]]:
    """The parameters among the things found in an object, frozen ones too, with their names."""
    parts = (part for part in found if isinstance(part.value, Tensor) and not _is_buffer(part))
    named = [(part.path, part.value) for part in parts if part.value.is_parameter]
    return _each_once(named) if remove_duplicate else named


def buffers_among(
    found: Iterable[Found], remove_duplicate: bool = True
) -> list[tuple[str, Tensor]]:
    """The registered buffers among the things found in an object, with their names."""
    parts = (part for part in found if _is_buffer(part) and part.value is not None)
    named = [(part.path, _buffer(part)) for part in parts]
    return _each_once(named) if remove_duplicate else named


def _each_once(named: Iterable[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
    """Each tensor with the first of its names."""
    firsts: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in named:
        firsts.setdefault(id(tensor), (name, tensor))
    return list(firsts.values())


def get_state_dict(obj: object, prefix: str = "") -> dict[str, Tensor]:
    """The state of any object by name ("layers.0.weight"), in the order of `get_parameters`.

    That is, of a `Module`, its parameters (`Tensor.is_parameter`), frozen ones too, and the buffers
    that it registered to be saved; of an optimiser, what it keeps for every parameter, such as
    "state.0.exp_avg", but not its options and the parameters.  Of an object outside of modules it
    is every tensor that was not computed with a graph.

    prefix: put in front of every name, followed by a dot.

    A shared tensor is listed under each of its names, and so are those of a shared module.  The
    tensors are the object's own, or share its memory: writing into them changes the model.

    Errors: ValueError if two tensors have the same name (a key of a dict that holds a dot);
    TypeError if one is where it would not be found: in a set, in a function's variables.
    """
    if not isinstance(prefix, str):
        raise arguments.wrong("get_state_dict: prefix", "text", prefix)
    found: dict[str, Tensor] = {}
    for part in under_each_name(complete("get_state_dict", obj)):
        tensor = _state(part)
        if tensor is not None:
            name = f"{prefix.strip('.')}.{part.path}".strip(".")
            if name in found:
                raise ValueError(
                    f"get_state_dict: two tensors are called {_listed([name])}; rename a dict key"
                )
            found[name] = tensor
    return found


def _state(part: Found) -> Tensor | None:
    """The tensor, if it belongs to the state of the object in which it was found."""
    if _is_buffer(part):
        return _buffer(part) if part.buffer and part.value is not None else None
    if not isinstance(part.value, Tensor):
        return None
    kept = part.value.is_leaf if part.module is None else part.value.is_parameter
    return part.value if kept else None


def _is_buffer(part: Found) -> bool:
    """Whether a module registered it as a buffer; what is trained is a parameter in any case."""
    value = part.value
    trained = isinstance(value, Tensor) and value.requires_grad and value.is_leaf
    return part.buffer is not None and not trained


def _buffer(part: Found) -> Tensor:
    """The tensor of a buffer: itself; without its graph; around an array."""
    value = part.value
    if isinstance(value, Tensor):
        return value if value.is_leaf else value.detach()
    if not isinstance(value, np.ndarray):
        raise arguments.wrong(f"the buffer {part.path}", "a Tensor, an ndarray or None", value)
    return Tensor.from_array(value)


def load_state_dict(
    obj: object, state_dict: Mapping[str, Values], strict: bool = True
) -> IncompatibleKeys:
    """Copy values into the tensors of any object, by name.  Their memory and dtype stay the same.

    strict: with False, names may be missing on either side; shapes still have to match.

    A shared tensor needs a value under only one of its names; several have to be equal.

    Returns the names that are missing and those that are unexpected; with strict there are none.

    Errors, before anything is written: TypeError if `state_dict` is no dict; ValueError that names
    everything that is missing, unexpected or does not fit, such as 300 for int8, or 1e300 for
    float32.
    """
    if not isinstance(state_dict, Mapping):
        kind = type(state_dict).__name__
        raise TypeError(
            f"load_state_dict: expected tensors by name, as safe_load gives; got a {kind}"
        )
    strict = arguments.flag(strict, "load_state_dict: strict")
    own = get_state_dict(obj)
    given = {id(own[name]) for name in own if name in state_dict}
    missing = [name for name, tensor in own.items() if id(tensor) not in given]
    unexpected = [name for name in state_dict if name not in own]
    arrays = {
        name: _array("load_state_dict", name, state_dict[name])
        for name in own
        if name in state_dict
    }
    problems = []
    if strict and missing:
        problems.append(f"missing {_listed(missing)}")
    if strict and unexpected:
        problems.append(f"unexpected {_listed(unexpected)}{_unsaved(obj, unexpected)}")
    firsts: dict[int, str] = {}  # of each tensor, the first of its names that is given
    for name, array in arrays.items():
        first = firsts.setdefault(id(own[name]), name)
        reason = _misfit(own[name], array)
        if not reason:  # cast everything before the first write, since values may be out of range
            arrays[name], reason = _cast(array, own[name].dtype)
        same = first == name or np.array_equal(arrays[first], arrays[name], equal_nan=True)
        if not reason and not same:
            reason = f"differs from {_listed([first])}, which is the same tensor"
        if reason:
            problems.append(f"{_listed([name])} {reason}")
    if problems:
        more = f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise ValueError(f"load_state_dict: {'; '.join(problems[:20])}{more}")
    if shares_memory(arrays.values(), own.values()):  # a model's own tensors, perhaps swapped
        arrays = {name: array.copy() for name, array in arrays.items()}
    for name, array in arrays.items():
        np.copyto(own[name].data, array)
        own[name].mark_changed()
    return IncompatibleKeys(missing, unexpected)


def safe_save(
    tensors: Mapping[str, Values], path: files.FilePath, metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors, such as `get_state_dict(model)`, to a safetensors file.

    metadata: text by name, saved with the tensors (`safe_load_metadata` reads it).

    The file gets its name when it is complete; until then an older file of that name is untouched
    (`tinygrad_lite.files.replacing` says more).

    Errors: OSError if it cannot be written, TypeError for a value that is not a tensor or metadata
    that is not text, ValueError for a name that is not Unicode.
    """
    if not isinstance(tensors, Mapping):
        raise TypeError(
            f"safe_save: expected tensors by name; got {type(tensors).__name__}; "
            "write get_state_dict(model)"
        )
    arrays = {name: _dense(name, tensors[name]) for name in tensors}
    text = {} if metadata is None else metadata
    if not isinstance(text, Mapping):
        raise TypeError(f"safe_save: expected text by name as metadata; got {type(text).__name__}")
    for name, value in text.items():
        if not isinstance(name, str) or not isinstance(value, str):
            pair = files.printable(f"{name!r}: {value!r}", 80)
            raise TypeError(f"safe_save: expected text as metadata; got {pair}")
    with files.replacing(path, "safe_save") as file:
        _safetensors.write(file, arrays, text, "safe_save")


def safe_load(path: files.FilePath) -> dict[str, Tensor]:
    """The tensors in a safetensors file, by name; none of them requires grad.

    Errors: OSError if it cannot be read, ValueError if it is not a complete safetensors file,
    MemoryError if it does not fit into memory; each names the file.
    """
    arrays = _read(path, "safe_load", _safetensors.read)
    return {name: Tensor.from_array(array) for name, array in arrays.items()}


def safe_load_metadata(path: files.FilePath) -> dict[str, str]:
    """The text that `safe_save` saved with the tensors; errors as for `safe_load`."""
    return _read(path, "safe_load_metadata", _safetensors.read_metadata)


def _read(path: files.FilePath, caller: str, read: Callable[[BinaryIO], Content]) -> Content:
    """What `read` finds in the file; its ValueErrors name the file."""
    with files.reading(path, caller) as file:
        try:
            return read(file)
        except ValueError as error:
            raise ValueError(f"{files.printable(path)}: {error}") from None


def _unsaved(obj: object, unexpected: list[str]) -> str:
    """A hint for names under which the object has a tensor that is not saved."""
    held = {path for path, value in walk(obj) if isinstance(value, Tensor | np.ndarray)}
    names = [name for name in unexpected if name in held]
    hint = "; a module saves its parameters and what it registers: register_buffer(name, tensor)"
    return f" ({_listed(names)} is there, but not saved{hint})" if names else ""


def _array(caller: str, name: str, value: Values) -> NDArray[Any]:
    """The value's array; what is no tensor is refused with its name."""
    if type(value) is np.ndarray:
        return value
    if isinstance(value, Tensor):
        return value.data
    other = hasattr(value, "detach")  # a tensor of PyTorch, whose errors are RuntimeErrors
    try:
        return Tensor(np.asarray(value) if other else value).data  # it refuses a mask
    except (TypeError, ValueError, RuntimeError) as error:
        fix = "; pass an array: tensor.detach().float().numpy()" if other else ""
        raise type(error)(f"{caller}: {_listed([name])}: {error}{fix}") from None


def _misfit(tensor: Tensor, array: NDArray[Any]) -> str:
    """Why `array` cannot be copied into `tensor`; "" if it can."""
    if array.shape != tensor.shape:
        return f"has shape {array.shape}, expected {tensor.shape}"
    if not np.can_cast(array.dtype, tensor.dtype, "same_kind"):
        return f"has dtype {array.dtype}, expected {tensor.dtype}"
    return "" if tensor.data.flags.writeable else "is read-only in the model"


def _cast(array: NDArray[Any], dtype: np.dtype[Any]) -> tuple[NDArray[Any], str]:
    """The array with this dtype, and why one of its values cannot have it; "" if all can.

    A float is rounded, but none becomes inf; an integer stays the same.
    """
    if array.dtype == dtype:
        return array, ""
    with np.errstate(all="ignore"):
        values = array.astype(dtype)
        lost = values != array if dtype.kind in "iu" else np.isinf(values) & ~np.isinf(array)
    return values, f"holds {array[lost][0]}, beyond the range of {dtype}" if np.any(lost) else ""


def _dense(name: str, value: Values) -> NDArray[Any]:
    """A C-contiguous array: files hold memory from front to back, and know no strides."""
    if not isinstance(name, str) or name == _safetensors.METADATA:
        raise TypeError(f"safe_save: expected a name as key; got {files.printable(repr(name), 80)}")
    if not isinstance(value, Tensor | np.ndarray) or (
        value.dtype.str[1:] not in _safetensors.NAMES
    ):
        kind = getattr(value, "dtype", type(value).__name__)
        raise TypeError(f"safe_save: expected numbers under {_listed([name])}; got {kind}")
    return np.asarray(_array("safe_save", name, value), order="C")


def _listed(names: Iterable[str]) -> str:
    """Names, perhaps from a file, as they can be put into a message: the first twenty."""
    shown = [files.printable(name, 100) for name in names]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")
