"""Wrong uses of the Tensor itself: making it, converting it, its gradients, its operators."""

import operator
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import Tensor

from .row import Mistake


def leaf() -> Tensor:
    return Tensor([1.0, 2.0], requires_grad=True)


def backward_twice() -> None:
    x = leaf()
    y = (x * x).sum()
    y.backward()
    y.backward()


def grad_of_another_shape() -> None:
    x = leaf()
    x.grad = Tensor([1.0, 2.0, 3.0])
    x.sum().backward()


def assign(name: str, value: Any) -> None:
    setattr(leaf() * 2.0, name, value)


MISTAKES: list[Mistake] = [
    # Making one
    Mistake(
        lambda: Tensor([[1.0], [1.0, 2.0]]),
        ValueError,
        "Tensor: expected numbers in a regular shape; got nested lists of different lengths; "
        "pad them to one length",
    ),
    Mistake(
        lambda: Tensor(None),
        TypeError,
        "Tensor: expected bools, integers or real numbers; got NoneType; "
        "make numbers of them first",
    ),
    Mistake(
        lambda: Tensor([1.0, None]),
        TypeError,
        "Tensor: expected bools, integers or real numbers; got NoneType; "
        "make numbers of them first",
    ),
    Mistake(
        lambda: Tensor(["1.5", "2"], dtype=np.float32),
        TypeError,
        "Tensor: expected bools, integers or real numbers; got text (<U3); "
        "convert it with astype(np.float32) first",
    ),
    Mistake(
        lambda: Tensor(1j),
        TypeError,
        "Tensor: expected bools, integers or real numbers; got complex128; "
        "make two tensors, of its real and of its imaginary part",
    ),
    Mistake(
        lambda: Tensor([1.0], dtype=complex),
        TypeError,
        "Tensor: dtype complex128 is not supported; use bool, an integer type, or float16 to 64",
    ),
    Mistake(
        lambda: Tensor([1.0], dtype="flaot"),
        TypeError,
        "Tensor: dtype: expected a NumPy dtype such as np.float32; got 'flaot'",
    ),
    Mistake(
        lambda: Tensor(2, 3),  # type: ignore[arg-type]
        TypeError,
        "Tensor: dtype: expected a NumPy dtype such as np.float32 "
        "(of a shape, Tensor.empty(2, 3) makes one); got 3",
    ),
    Mistake(
        lambda: Tensor([1, 2], requires_grad=True),
        TypeError,
        "requires_grad: only float tensors have gradients; got int64; "
        "write Tensor(data, dtype=np.float32, requires_grad=True)",
    ),
    # As a number, a truth value, a sequence
    Mistake(
        lambda: float(leaf()),
        ValueError,
        "float: expected a tensor of one element; got shape (2,); "
        "reduce it with sum() or mean(), or use tolist()",
    ),
    Mistake(
        lambda: bool(leaf() > 1.0),
        ValueError,
        "bool: expected a tensor of one element; got shape (2,); reduce it with any() or all()",
    ),
    Mistake(
        lambda: leaf().item(),
        ValueError,
        "item: expected a tensor of one element; got shape (2,); "
        "reduce it with sum() or mean(), or use tolist()",
    ),
    Mistake(
        lambda: [10, 20, 30][Tensor(1.0)],
        TypeError,
        "index: expected one integer; got shape () of float32",
    ),
    Mistake(
        lambda: len(Tensor(1.0)),
        TypeError,
        "len: a 0-d tensor has no length; item() gives its number",
    ),
    Mistake(
        lambda: list(Tensor(1.0)),
        TypeError,
        "iteration: a 0-d tensor has no axis; item() gives its number",
    ),
    # Operands
    Mistake(
        lambda: operator.add(leaf(), [1.0, 2.0]),
        TypeError,
        "+: expected a Tensor, an ndarray or a number; got list; make it a Tensor first",
    ),
    Mistake(
        lambda: leaf() * None,
        TypeError,
        "*: expected a Tensor, an ndarray or a number; got NoneType",
    ),
    Mistake(
        lambda: leaf() + np.ones(3),
        ValueError,
        "add: shapes (2,) and (3,) do not broadcast; from the right, sizes must be equal or 1",
    ),
    Mistake(
        lambda: leaf()[1.5],
        TypeError,
        "index: expected integers, slices, None, ..., integer arrays or masks; got float",
    ),
    Mistake(
        lambda: np.fft.fft(leaf()),
        TypeError,
        "np.fft.fft is not supported on a Tensor; use a method of Tensor, or "
        "np.fft.fft(t.numpy(), ...), which records no gradient",
    ),
    Mistake(
        lambda: operator.iadd(np.ones(2), leaf()),
        TypeError,
        "np.add: a Tensor that requires grad cannot be written into an ndarray (out= or +=), which "
        "has no graph; write y = x + t, or do it in no_grad(), or with t.detach()",
    ),
    # Gradients
    Mistake(
        lambda: (leaf() * 2.0).backward(),
        RuntimeError,
        "backward: the tensor has shape (2,), and only one number has a default gradient; "
        "take .sum() or .mean() first, or pass one of that shape",
    ),
    Mistake(
        lambda: (leaf() * 2.0).backward(np.ones(3)),
        ValueError,
        "backward: expected a gradient of shape (2,); got (3,)",
    ),
    Mistake(
        lambda: Tensor([1.0]).sum().backward(),
        RuntimeError,
        "backward: no gradient flows to this tensor: nothing it was computed from has "
        "requires_grad=True, or it was computed inside no_grad(), or a captured step returned it: "
        "then call backward inside the step",
    ),
    Mistake(
        backward_twice,
        RuntimeError,
        "backward: the saved arrays of Sum were released by an earlier backward, or by one that "
        "failed; compute its result in each step, or detach() it (for a weight: "
        "(...).detach().requires_grad_()), or pass retain_graph=True to the first one",
    ),
    Mistake(
        grad_of_another_shape,
        ValueError,
        "backward: a tensor of shape (2,) has a .grad of shape (3,); set it to None",
    ),
    Mistake(
        lambda: tl.grad(leaf().sum(), leaf()),
        RuntimeError,
        "grad: no output depends on input 0, of shape (2,); pass allow_unused=True to get None "
        "for it",
    ),
    Mistake(
        lambda: tl.grad(leaf().sum(), np.ones(2)),
        TypeError,
        "grad: expected Tensors as outputs and inputs; got ndarray",
    ),
    Mistake(
        lambda: Tensor([1.0]).retain_grad(),
        RuntimeError,
        "retain_grad: no gradient flows to this tensor; make what it is computed from with "
        "requires_grad=True",
    ),
    Mistake(
        lambda: assign("requires_grad", False),
        RuntimeError,
        "requires_grad: only a leaf can stop requiring grad, and this tensor was computed; "
        "use detach()",
    ),
    Mistake(
        lambda: assign("data", np.zeros(3)),
        ValueError,
        "data: expected shape (2,), that of the graph; got (3,)",
    ),
    # In place
    Mistake(
        lambda: operator.iadd(leaf(), 1.0),
        RuntimeError,
        "+=: a leaf that requires grad cannot be written in place; do it inside "
        "`with no_grad():`, as an optimiser of nn.optim does",
    ),
    Mistake(
        lambda: operator.itruediv(Tensor([1, 2]), 2),
        TypeError,
        "/=: the result is float32, which does not fit in place into int64; cast the tensor first",
    ),
    Mistake(
        lambda: Tensor([1, 2], dtype=np.uint8).fill_(-1),
        ValueError,
        "fill_: -1 does not fit into uint8, which holds 0 to 255; cast the tensor first",
    ),
    Mistake(
        lambda: operator.setitem(Tensor([1, 2], dtype=np.int8), 0, 300),
        ValueError,
        "x[i] = v: 300 does not fit into int8, which holds -128 to 127; cast the tensor first",
    ),
]
