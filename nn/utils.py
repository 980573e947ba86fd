"""Gradients clipped, and parameters as one vector: the functions of torch.nn.utils.

loss.backward()
nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
optimizer.step()
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments, recorded, warn

from ._other_names import UTILS, missing
from .module import Module

CHUNK = 1024  # squares that are added in the gradient's own dtype; the sums are added in float64
SMALL = 1e-20  # a sum of squares above it has lost nothing to squares too small for float32


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float | str = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients, in place, so that their norm is at most max_norm; returns the norm.

        gradient = gradient * min(1, max_norm / (norm + 1e-6))

    The norm, that of before, is computed as if all gradients were one vector, in float64: no square
    overflows.  It is returned in the dtype of the gradients, float32 for float16, without gradient.

    norm_type           p of the p-norm; inf is the largest |x|
    error_if_nonfinite  whether a norm of inf or nan is an error, before anything is written

    A parameter without a gradient is left out.

    Source: R. Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013.
    """
    gradients = _gradients("clip_grad_norm_", parameters)
    limit = float(arguments.not_negative(max_norm, "clip_grad_norm_: max_norm"))
    norm = _norm("clip_grad_norm_", gradients, norm_type, error_if_nonfinite)
    _scale("clip_grad_norm_", gradients, limit / (norm + 1e-6))
    return _result(gradients, norm)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor | float
) -> None:
    """Scale all gradients, in place, by min(1, max_norm / (total_norm + 1e-6)).

    The second half of `clip_grad_norm_`; `get_total_norm` is the first.
    """
    gradients = _gradients("clip_grads_with_norm_", parameters)
    limit = float(arguments.not_negative(max_norm, "clip_grads_with_norm_: max_norm"))
    if isinstance(total_norm, Tensor) and total_norm.numel() == 1:
        total_norm = recorded.number_of(total_norm.data)
    norm = arguments.number(total_norm, "clip_grads_with_norm_: total_norm")
    _scale("clip_grads_with_norm_", gradients, limit / (norm + 1e-6))


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float | str = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """The norm of the tensors as if they were one vector, as in `clip_grad_norm_`."""
    found = _tensors("get_total_norm: tensors", tensors)
    return _result(found, _norm("get_total_norm", found, norm_type, error_if_nonfinite))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every element of the gradients, in place, to +-clip_value; nan stays nan."""
    limit = float(arguments.not_negative(clip_value, "clip_grad_value_: clip_value"))
    gradients = _gradients("clip_grad_value_", parameters)
    for gradient in _writable("clip_grad_value_", gradients):
        gradient.data.clip(-limit, limit, out=gradient.data)
        gradient.mark_changed()


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters as one vector, one after the other; its gradient reaches each of them."""
    found = _tensors("parameters_to_vector: parameters", parameters)
    if not found:
        raise ValueError("parameters_to_vector: expected one tensor or more; got none")
    return Tensor.cat(*[parameter.reshape(-1) for parameter in found])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy a vector, such as `parameters_to_vector` gives, into the parameters, in place.

    Errors, before anything is written: ValueError if the vector's length is not the number of all
    elements, or a parameter cannot be written.
    """
    found = _writable(
        "vector_to_parameters", _tensors("vector_to_parameters: parameters", parameters)
    )
    if not isinstance(vec, Tensor):
        raise arguments.wrong("vector_to_parameters: vec", "a Tensor", vec)
    count = sum(parameter.numel() for parameter in found)
    if vec.shape != (count,):
        raise ValueError(
            f"vector_to_parameters: vec: expected shape ({count},), the number of elements of all "
            f"parameters; got {vec.shape}"
        )
    for parameter in found:
        if not np.can_cast(vec.dtype, parameter.dtype, "same_kind"):
            raise ValueError(
                f"vector_to_parameters: parameters: {vec.dtype} does not fit into {parameter.dtype}"
            )
    start, values = 0, vec.data.copy()  # the vector may be a view of a parameter
    for parameter in found:
        part = values[start : start + parameter.numel()]
        np.copyto(parameter.data, part.reshape(parameter.shape), casting="same_kind")
        parameter.mark_changed()
        start += parameter.numel()


def _tensors(name: str, given: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """One tensor or several as a list, each once."""
    if isinstance(given, Tensor):
        return [given]
    if isinstance(given, Module | np.ndarray) or not isinstance(given, Iterable):
        fix = "; write model.parameters()" if isinstance(given, Module) else ""
        raise arguments.wrong(name, "a Tensor or several", given, fix)
    found = list(given)
    for each in found:
        if not isinstance(each, Tensor):
            raise arguments.wrong(name, "Tensors", each)
    if not found and isinstance(given, Iterator):
        warn(f"{name}: got none, from an iterator that was perhaps used before; nothing is done")
    return list({id(tensor): tensor for tensor in found}.values())


def _gradients(name: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """The gradients of the parameters that have one, each once."""
    found = [p.grad for p in _tensors(f"{name}: parameters", parameters) if p.grad is not None]
    return list({id(gradient): gradient for gradient in found}.values())


def _writable(name: str, tensors: list[Tensor]) -> list[Tensor]:
    """The same tensors, if all can be written."""
    for tensor in tensors:
        if not tensor.data.flags.writeable:
            raise ValueError(f"{name}: a tensor of shape {tensor.shape} is read-only")
    return tensors


def _scale(name: str, gradients: list[Tensor], factor: float) -> None:
    """Multiply all gradients by the factor, unless it is 1 or more; nan is neither."""
    if type(factor) is float and factor >= 1:  # in a captured step, it is another one each time
        return
    factor = _at_most_one(factor)
    with np.errstate(all="ignore"):
        for gradient in _writable(name, gradients):
            data = gradient.data
            # float16 would lose the digits of a small factor: the product is computed in float32.
            wide = factor if data.dtype.itemsize > 2 else _single(factor)
            np.multiply(data, wide, out=data, casting="same_kind")
            gradient.mark_changed()


def _norm(
    name: str, tensors: list[Tensor], norm_type: float | str, error_if_nonfinite: bool
) -> float:
    """The p-norm of all elements of the tensors, in float64."""
    given = math.inf if isinstance(norm_type, str) and norm_type == "inf" else norm_type
    p = arguments.number(given, f"{name}: norm_type")
    if isinstance(p, bool):
        raise arguments.wrong(f"{name}: norm_type", "a number or inf", p)
    if math.isnan(p):
        raise ValueError(f"{name}: norm_type: expected a number or inf; got nan")
    strict = arguments.flag(error_if_nonfinite, f"{name}: error_if_nonfinite")
    norm: float = _norm_of([tensor.data for tensor in tensors if tensor.numel()], p)
    if strict:
        _check_finite(name, norm, p)
    return norm


@recorded.each_time
def _check_finite(name: str, norm: float, p: float) -> None:
    if not math.isfinite(norm):
        raise RuntimeError(
            f"{name}: the norm of order {p} is {norm}, so no scale makes it smaller; look for the "
            "element that is not finite, or pass error_if_nonfinite=False"
        )


@recorded.whole
def _norm_of(arrays: list[NDArray[Any]], p: float) -> float:
    """The p-norm of all elements."""
    with np.errstate(all="ignore"):
        squares = sum(map(_squares, arrays)) if p == 2 else 0.0
    return math.sqrt(squares) if SMALL < squares < math.inf else _norm_of_any_size(arrays, p)


# Of numbers that a captured step computes anew in each replay


@recorded.whole
def _at_most_one(factor: float) -> float:
    return 1.0 if factor >= 1 else factor


@recorded.whole
def _single(factor: float) -> np.float32:
    return np.float32(factor)


@recorded.whole
def _as_array(number: float, dtype: Any) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.array(number, dtype)


def _squares(array: NDArray[Any]) -> float:
    """The sum of squares; inf if one overflows."""
    flat = array.ravel(order="K")  # no copy, if there are no gaps in memory
    if flat.dtype.itemsize < 4:
        flat = flat.astype(np.float32)
    if flat.size <= CHUNK:
        return float(np.dot(flat, flat))
    whole = flat.size - flat.size % CHUNK
    rows, rest = flat[:whole].reshape(-1, CHUNK), flat[whole:]
    return float(np.vecdot(rows, rows).sum(dtype=np.float64)) + float(np.dot(rest, rest))


def _norm_of_any_size(arrays: list[NDArray[Any]], p: float) -> float:
    """The p-norm of all elements, where no power overflows or vanishes."""
    if not arrays:
        return 0.0
    norms = [Tensor.from_array(np.array(array, np.float64)).norm(p).item() for array in arrays]
    return float(sum(norms) if p == 0 else Tensor(norms, dtype=np.float64).norm(p).item())


def _result(tensors: list[Tensor], norm: float) -> Tensor:
    """The norm as a tensor, of the dtype of the tensors, at least float32."""
    dtype = np.result_type(np.float32, *[tensor.dtype for tensor in tensors])
    return Tensor.from_array(_as_array(norm, dtype))


def __getattr__(name: str) -> NoReturn:
    """PyTorch's names for what is called otherwise here."""
    raise missing(__name__, name, UTILS)
