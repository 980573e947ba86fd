"""A mask is never dropped: whatever takes an array refuses a masked one."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck

FLOATS = np.ma.array(np.array([1, 2, 3], np.float32), mask=[0, 1, 0])
WHOLE = np.ma.array([0, 1, 2], mask=[0, 1, 0])
BOOLS = np.ma.array([True, False, True], mask=[0, 1, 0])
MATRIX = np.ma.array(np.ones((3, 3), np.float32), mask=np.eye(3))


def x() -> Tensor:
    return Tensor([1.0, 2.0, 3.0])


def scores() -> Tensor:
    return Tensor(np.eye(3, dtype=np.float32))


def data(value: Any) -> None:
    x().data = value


def put(index: Any, value: Any) -> None:
    x()[index] = value


TAKERS = {
    "Tensor": lambda: Tensor(FLOATS),
    "nothing masked": lambda: Tensor(np.ma.array([1.0, 2.0])),
    "masked": lambda: Tensor(np.ma.masked),
    "list": lambda: Tensor([FLOATS, FLOATS]),
    "element": lambda: Tensor([1.0, np.ma.masked]),
    "nested list": lambda: Tensor([([1.0, 2.0, 3.0], FLOATS)]),
    "data": lambda: data(FLOATS),
    "data, list": lambda: data([FLOATS]),
    "+": lambda: x() + FLOATS,
    "*": lambda: x() * np.ma.masked,
    "@": lambda: x() @ MATRIX,
    "<": lambda: x() < FLOATS,
    "==": lambda: x() == FLOATS,
    "in": lambda: FLOATS in x(),
    "&": lambda: Tensor([1, 2, 3]) & WHOLE,
    "+=": lambda: x().add_(FLOATS),
    "copy_": lambda: x().copy_(FLOATS),
    "x[integers]": lambda: x()[WHOLE],
    "x[mask]": lambda: x()[BOOLS],
    "x[list]": lambda: x()[[WHOLE]],
    "x[tuple]": lambda: scores()[0, WHOLE],
    "x[i] = v": lambda: put(slice(None), FLOATS),
    "x[i] = masked": lambda: put(0, FLOATS[1]),
    "x[mask] = v": lambda: put(BOOLS, 0.0),
    "labels": lambda: scores().cross_entropy(WHOLE),
    "labels, list": lambda: scores().cross_entropy([WHOLE[0], WHOLE[1], WHOLE[2]]),
    "labels, nll_loss": lambda: scores().nll_loss(WHOLE),
    "labels, tinygrad": lambda: scores().sparse_categorical_crossentropy(WHOLE),
    "probabilities": lambda: scores().cross_entropy(MATRIX),
    "class weights": lambda: scores().cross_entropy([0, 1, 2], weight=FLOATS),
    "target": lambda: scores().mse_loss(MATRIX),
    "where": lambda: Tensor.where(BOOLS, x(), 0.0),
    "masked_fill": lambda: x().masked_fill(BOOLS, 0.0),
    "masked_select": lambda: x().masked_select(BOOLS),
    "gather": lambda: x().gather(0, WHOLE),
    "index_select": lambda: x().index_select(0, WHOLE),
    "scatter_add": lambda: x().scatter_add(0, WHOLE, x()),
    "repeats": lambda: x().repeat_interleave(WHOLE),
    "quantile": lambda: x().quantile(FLOATS / 4),
    "clip": lambda: x().clip(FLOATS),
    "fill": lambda: Tensor.full((2,), FLOATS[1]),
    "range": lambda: Tensor.arange(FLOATS[1]),
    "stack": lambda: Tensor.stack([x(), FLOATS]),
    "cat": lambda: Tensor.cat([x(), FLOATS]),
    "einsum": lambda: Tensor.einsum("i,i", FLOATS, FLOATS),
    "meshgrid": lambda: x().meshgrid(FLOATS),
    "gradient": lambda: x().requires_grad_().backward(gradient=FLOATS),
    "gradcheck": lambda: gradcheck(lambda t: t * t, FLOATS.astype(np.float64)),
    "layer, its input made a Tensor": lambda: nn.Linear(3, 2)(Tensor(MATRIX)),
    "linear": lambda: scores().linear(MATRIX),
    "load": lambda: nn.state.load_state_dict([x()], {"0": FLOATS}),
    "save": lambda: nn.state.safe_save({"weights": FLOATS}, "never written"),
    "np.add": lambda: np.add(FLOATS, x()),
    "np.where": lambda: np.where(BOOLS, 0.0, x()),
    "np.concatenate": lambda: np.concatenate([FLOATS, x()]),
    "np.dot": lambda: np.dot(FLOATS, x()),
    "np.kron": lambda: np.kron(FLOATS, x()),
    "np.clip": lambda: np.clip(FLOATS, x(), None),
    "np.average": lambda: np.average(FLOATS, weights=x()),
    "np.atleast_1d": lambda: np.atleast_1d(FLOATS, x()),
    "np.float_power": lambda: np.float_power(FLOATS, x()),
    "np.take": lambda: np.take(x(), WHOLE),
    "np.repeat": lambda: np.repeat(x(), WHOLE),
}


@pytest.mark.parametrize("name", TAKERS)
def test_a_masked_array_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(TypeError) as caught:
        TAKERS[name]()
    assert str(caught.value).partition(": a Masked")[2] in (
        "Array has a mask, which a Tensor has not; make an ndarray of it first, with "
        "filled(value) or compressed()",
        "Constant has a mask, which a Tensor has not; make an ndarray of it first, with "
        "filled(value) or compressed()",
    )


@pytest.mark.parametrize("call", [Tensor.from_array, nn.Linear(3, 2)])
def test_memory_of_a_masked_array_is_not_shared(call: Any) -> None:
    with pytest.raises(TypeError, match="expected an ndarray; got MaskedArray; use Tensor"):
        call(MATRIX)


def test_the_fix_works_and_nothing_was_written() -> None:
    np.testing.assert_array_equal(Tensor(FLOATS.filled(9.0)).data, [1, 9, 3])
    np.testing.assert_array_equal(Tensor(FLOATS.compressed()).data, [1, 3])
    t = x()
    with pytest.raises(TypeError):
        t += FLOATS
    np.testing.assert_array_equal(t.data, [1, 2, 3])


def test_a_masked_array_on_the_left_keeps_its_mask() -> None:
    product = FLOATS * x()
    assert isinstance(product, np.ma.MaskedArray)
    assert product.mask.tolist() == [False, True, False]
    assert product.compressed().tolist() == [1.0, 9.0]


def test_looking_for_masks_does_not_import_numpy_ma() -> None:
    """It takes longer to import than a small step takes to run."""
    program = (
        "import sys, numpy as np, nn\n"
        "from tinygrad_lite import Tensor\n"
        "before = 'numpy.ma' in sys.modules\n"  # by NumPy itself, in some versions
        "Tensor.from_array(np.ones(3)), Tensor([1.0, 2.0]), nn.Linear(3, 2)(np.ones((1, 3), 'f'))\n"
        "print(before == ('numpy.ma' in sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "True\n"
