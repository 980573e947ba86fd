"""Arguments given per axis, to pools and convolutions: a number, one in a sequence, too many."""

import numpy as np
import pytest

from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
functional = torch.nn.functional
pytestmark = pytest.mark.parity

RANKS = (1, 2, 3)
IMAGES = {r: np.random.default_rng(r).standard_normal((2, 2, 7, 8, 6)[: 2 + r]) for r in RANKS}
WEIGHTS = {r: np.random.default_rng(r).standard_normal((2, 2, *(2,) * r)) for r in RANKS}
# By the operation and the argument: other arguments, and whether the operation has weights.
ARGUMENTS = {
    ("max_pool", "kernel_size"): ({}, False),
    ("max_pool", "stride"): ({"kernel_size": 3}, False),
    ("max_pool", "padding"): ({"kernel_size": 4}, False),
    ("max_pool", "dilation"): ({"kernel_size": 2}, False),
    ("avg_pool", "kernel_size"): ({}, False),
    ("avg_pool", "stride"): ({"kernel_size": 3}, False),
    ("avg_pool", "padding"): ({"kernel_size": 4}, False),
    ("conv", "stride"): ({}, True),
    ("conv", "padding"): ({}, True),
    ("conv", "dilation"): ({}, True),
    ("conv_transpose", "stride"): ({}, True),
    ("conv_transpose", "padding"): ({}, True),
    ("conv_transpose", "dilation"): ({}, True),
    ("conv_transpose", "output_padding"): ({"stride": 3}, True),
}


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize(("op", "argument"), ARGUMENTS)
@pytest.mark.parametrize("kind", ["number", "one", "list of one", "each", "none", "too many"])
def test_beside_pytorch(op: str, argument: str, rank: int, kind: str) -> None:
    given = {
        "number": 2,
        "one": (2,),
        "list of one": [2],
        "each": (2, 1, 2)[:rank],
        "none": (),
        "too many": (1, 2, 1, 2)[: rank + 1],
    }[kind]
    if (argument, rank, kind) == ("padding", 1, "too many"):
        pytest.skip("(before, after), which tinygrad has, and PyTorch has not")
    others, weighted = ARGUMENTS[op, argument]
    options = others | {argument: given}
    name = f"{op}{rank}d"
    tensors = [torch.tensor(x) for x in (IMAGES[rank], *([WEIGHTS[rank]] if weighted else []))]
    x, *weights = (Tensor(t.numpy()) for t in tensors)
    try:
        expected = getattr(functional, name)(*tensors, **options)
    except (RuntimeError, TypeError):
        with pytest.raises(ValueError, match=rf"^{name}: {argument}: expected an integer from"):
            getattr(x, name)(*weights, **options)
        return
    found = getattr(x, name)(*weights, **options)
    np.testing.assert_allclose(found.data, expected.numpy(), rtol=1e-12, atol=1e-13, strict=True)
