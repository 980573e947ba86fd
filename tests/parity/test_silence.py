"""Values that overflow or are nan are PyTorch's, and come without NumPy's warnings."""

import operator

import numpy as np
import pytest
from parity.beside_torch import same

from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

INF = np.inf
BIG = np.array([3e38, 3e38], np.float32)
TINY, BOTH = np.array([1e-30, 1e-30], np.float32), np.array([INF, -INF], np.float32)
SILENT = {
    "div": lambda big, tiny, both: big / tiny,
    "pow": lambda big, tiny, both: big**2,
    "logsumexp inf": lambda big, tiny, both: both.logsumexp(0),
    "exp": lambda big, tiny, both: big.exp(),
    "log": lambda big, tiny, both: (-big).log(),
    "sqrt": lambda big, tiny, both: (-big).sqrt(),
    "tanh": lambda big, tiny, both: both.tanh(),
    "sigmoid": lambda big, tiny, both: both.sigmoid(),
    "maximum nan": lambda big, tiny, both: (both * 1.0).maximum(tiny),
    "add": lambda big, tiny, both: big + big,
    "sub": lambda big, tiny, both: -big - big,
    "sub nan": lambda big, tiny, both: both - both,
    "mul": lambda big, tiny, both: big * big,
    "mul by a number": lambda big, tiny, both: big * 10.0,
    "mul nan": lambda big, tiny, both: both * (tiny - tiny),
    "square": lambda big, tiny, both: big * big,
    "sum": lambda big, tiny, both: big.sum(),
    "sum nan": lambda big, tiny, both: both.sum(),
    "mean": lambda big, tiny, both: big.mean(),
    "prod": lambda big, tiny, both: big.prod(),
    "var": lambda big, tiny, both: (big * tiny * big * tiny).var(),
    "softmax nan": lambda big, tiny, both: both.softmax(0),
    "log_softmax nan": lambda big, tiny, both: both.log_softmax(0),
    "matmul": lambda big, tiny, both: big.reshape(2, 1) @ big.reshape(1, 2),
    "matmul nan": lambda big, tiny, both: both @ (tiny - tiny),
}


@pytest.mark.parametrize("name", SILENT)
def test_without_a_warning(name):
    mine = SILENT[name](*map(Tensor, (BIG, TINY, BOTH)))
    same(mine, SILENT[name](*map(torch.tensor, (BIG, TINY, BOTH))), name)


@pytest.mark.parametrize(("op", "other"), [(operator.iadd, 3e38), (operator.imul, 10.0)])
def test_overflow_in_place(op, other):
    mine = op(Tensor(BIG), other)
    same(mine, op(torch.tensor(BIG), other), op.__name__)
