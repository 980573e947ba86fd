"""PyTorch's own keywords on both sides: one call, the same numbers.

The calls are those of catalogue/test_keywords.py, in PyTorch's words.
"""

from typing import Any

import numpy as np
import pytest
from methods import listed

from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

X = np.random.default_rng(0).uniform(0.1, 0.9, (3, 4))
Y = X[::-1].copy()
POSITIONS = [[0, 2, 1, 0]]
DIM = {"dim": 1}
CALLS: list[tuple[str, dict[str, Any]]] = [
    *((name, {"dim": 1, "keepdim": True}) for name in ("sum", "mean", "prod", "any", "all")),
    *((name, {"dim": 1, "keepdim": True}) for name in ("argmax", "argmin", "logsumexp")),
    *((name, {"dim": (0, 1), "keepdim": True}) for name in ("sum", "mean", "amax", "amin")),
    *((name, {"axis": 1, "keepdims": True}) for name in ("sum", "mean", "amax", "argmin")),
    *((name, DIM) for name in ("count_nonzero", "cumsum", "cumprod", "cummax", "cummin")),
    *((name, DIM) for name in ("logcumsumexp", "softmax", "log_softmax", "unbind", "unsqueeze")),
    *((name, {"dim": 0}) for name in ("sort", "argsort", "softmax", "log_softmax", "size")),
    *((name, {"dim": 0, "unbiased": False}) for name in ("var", "std")),
    *((name, {"dim": 0, "unbiased": True, "keepdim": True}) for name in ("var", "std")),
    *((name, {"dim": 0, "correction": 2}) for name in ("var", "std")),
    ("norm", {"p": 1, "dim": 1}),
    ("quantile", {"q": 0.3, "dim": 0}),
    ("clamp", {"min": 0.3, "max": 0.6}),
    ("clip", {"min": 0.3, "max": 0.6}),
    ("sort", {"stable": True, "dim": 0, "descending": True}),
    ("topk", {"k": 2, "dim": 0, "largest": False, "sorted": True}),
    ("split", {"split_size": 2, "dim": 1}),
    ("chunk", {"chunks": 2, "dim": 1}),
    ("tensor_split", {"sections": 3, "dim": 1}),
    ("tensor_split", {"indices": (1, 3), "dim": 1}),
    ("reshape", {"shape": (2, 6)}),
    ("view", {"size": (2, 6)}),
    ("expand", {"size": (2, 3, 4)}),
    ("repeat", {"repeats": (2, 1)}),
    ("tile", {"dims": (2, 1)}),
    ("repeat_interleave", {"repeats": 2, "dim": 1}),
    ("permute", {"dims": (1, 0)}),
    ("transpose", {"dim0": 0, "dim1": 1}),
    ("flip", {"dims": (0,)}),
    ("flatten", {"start_dim": 0, "end_dim": 1}),
    ("unflatten", {"dim": 1, "sizes": (2, 2)}),
    ("unfold", {"dimension": 1, "size": 2, "step": 1}),
    ("roll", {"shifts": 2, "dims": 1}),
    ("roll", {"shifts": (2, 1), "dims": (1, 0)}),
    ("diagonal", {"offset": 1, "dim1": 1, "dim2": 0}),
    ("tril", {"diagonal": -1}),
    ("narrow", {"dim": 1, "start": 1, "length": 2}),
    ("select", {"dim": 1, "index": 2}),
    ("gather", {"dim": 0, "index": POSITIONS}),
    ("scatter", {"dim": 0, "index": POSITIONS, "value": 2.0}),
    ("scatter_add", {"dim": 0, "index": POSITIONS, "src": Y}),
    ("scatter_reduce", {"dim": 0, "index": POSITIONS, "src": Y, "reduce": "amax"}),
    ("index_select", {"dim": 1, "index": [3, 0]}),
    ("index_add", {"dim": 0, "index": [1, 2], "source": Y[:2]}),
    ("index_fill", {"dim": 1, "index": [3, 0], "value": 2.0}),
    ("take", {"index": POSITIONS}),
    ("masked_fill", {"mask": X > 0.5, "value": 2.0}),
    ("masked_select", {"mask": X > 0.5}),
    ("pow", {"exponent": 3}),
    ("mm", {"mat2": Y.T}),
    ("mv", {"vec": X[0]}),
    ("addmm", {"mat1": Y, "mat2": Y.T @ X, "beta": 2, "alpha": 0.5}),
    ("add", {"other": Y, "alpha": 2}),
    ("sub", {"other": Y, "alpha": 2}),
    ("lerp", {"end": Y, "weight": 0.3}),
    ("copy_", {"other": Y, "non_blocking": True}),
    ("new_full", {"size": (2, 3), "fill_value": 1.5, "device": "cpu"}),
    ("new_zeros", {"size": (2, 3), "device": "cpu"}),
    ("to", {"device": "cpu", "copy": True}),
    ("nan_to_num", {"nan": 0.0, "posinf": 1.0, "neginf": 2.0}),
]
CREATED: list[tuple[str, dict[str, Any]]] = [
    *((name, {"size": (2, 3), "device": "cpu"}) for name in ("zeros", "ones")),
    ("full", {"size": (2, 3), "fill_value": 1.5, "device": "cpu"}),
    ("arange", {"start": 1, "end": 7, "step": 2, "device": "cpu"}),
    ("linspace", {"start": 0.0, "end": 1.0, "steps": 5, "device": "cpu"}),
    ("eye", {"n": 2, "m": 3, "device": "cpu"}),
]


def compared(mine: Any, expected: Any) -> None:
    for a, b in zip(listed(mine), listed(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-13)


def theirs(value: Any) -> Any:
    """Arrays and positions as PyTorch takes them."""
    if isinstance(value, (list, np.ndarray)):
        return torch.tensor(np.ascontiguousarray(value))
    return value


@pytest.mark.parametrize(("name", "options"), CALLS, ids=[f"{n}-{'-'.join(o)}" for n, o in CALLS])
def test_a_call_in_pytorchs_words(name: str, options: dict[str, Any]) -> None:
    x = torch.tensor(X)
    if name == "expand":
        expected = x.expand(size=options["size"])
    else:
        expected = getattr(x, name)(**{key: theirs(value) for key, value in options.items()})
    compared(getattr(Tensor(X), name)(**options), expected)


@pytest.mark.parametrize(("name", "options"), CREATED, ids=[name for name, _ in CREATED])
def test_a_constructor_in_pytorchs_words(name: str, options: dict[str, Any]) -> None:
    compared(getattr(Tensor, name)(**options), getattr(torch, name)(**options))


def test_functions_in_pytorchs_words() -> None:
    functional, x, y, labels = torch.nn.functional, torch.tensor(X), torch.tensor(Y), [0, 3, 1]
    t, target = Tensor(X), torch.tensor(labels)
    for mine, expected in (
        (t.cross_entropy(target=labels), functional.cross_entropy(x, target=target)),
        (t.nll_loss(target=labels), functional.nll_loss(x, target=target)),
        (t.binary_crossentropy(target=Y), functional.binary_cross_entropy(x, target=y)),
        (t.leaky_relu(negative_slope=0.2), functional.leaky_relu(x, negative_slope=0.2)),
        (t.pad(pad=(1, 2)), functional.pad(x, pad=(1, 2))),
        (t.normalize(dim=0), functional.normalize(x, dim=0)),
        (t.glu(dim=1), functional.glu(x, dim=1)),
        (t.cosine_similarity(x2=Y, dim=0), functional.cosine_similarity(x, x2=y, dim=0)),
        (t.tensordot(Y.T, dims=1), torch.tensordot(x, y.T, dims=1)),
        (Tensor(X[0]).outer(vec2=Y[0]), torch.outer(x[0], vec2=y[0])),
        (Tensor(X[0]).dot(tensor=Y[0]), torch.dot(x[0], tensor=y[0])),
        (Tensor.cat([t, t], dim=1), torch.cat([x, x], dim=1)),
        (Tensor.stack([t, t], dim=1), torch.stack([x, x], dim=1)),
    ):
        compared(mine, expected)
