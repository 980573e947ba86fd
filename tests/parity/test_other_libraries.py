"""Every line of docs/from-pytorch.md that names PyTorch, on PyTorch: the same numbers."""

import numpy as np
import pytest
from methods import listed
from other_libraries import ARRAYS, LINES, Line, model, run, squares

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity
PYTORCHS = [line for line in LINES if line.section != "NumPy"]


@pytest.mark.parametrize("line", PYTORCHS, ids=lambda line: line.theirs)
def test_pytorchs_line_and_ours_give_the_same(line: Line) -> None:
    tensors = {name: torch.tensor(array) for name, array in ARRAYS.items()}
    tensors["v"].requires_grad_()
    names = {"torch": torch, "F": torch.nn.functional, "f": squares, "array": ARRAYS["x"]}
    names["model"] = model(torch.nn, torch.tensor)
    expected = eval(line.theirs, names | tensors)
    for a, b in zip(run(line), listed(expected), strict=True):
        b = b.numpy(force=True) if isinstance(b, torch.Tensor) else np.asarray(b)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6 if a.dtype == np.float32 else 1e-12)
