"""Keywords of PyTorch, tinygrad and NumPy: each means ours, and nothing is taken twice.

tests/parity/test_keywords.py compares them with PyTorch's own results.
"""

import inspect
from typing import Any

import numpy as np
import pytest
from every import each
from methods import listed

import tinygrad_lite
from tinygrad_lite import Tensor, gradcheck, gradgradcheck, hessian, hvp, jacobian, jvp, vjp
from tinygrad_lite.methods._keywords import KEYWORDS

X = np.random.default_rng(0).uniform(0.1, 0.9, (3, 4))
VECTOR, OTHER, LABELS, SIGNS = X[0], X[::-1], np.array([0, 3, 1]), np.array([1.0, -1.0, 1.0])
INDEX, SHAPE = [[0, 2, 1, 0]], {"shape": (2, 3)}
REDUCED: dict[str, Any] = {"axis": 1, "keepdim": True}
SPREAD = {**REDUCED, "correction": 0}

# For each method that takes their keywords: what stands before, and all arguments they mean.
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    **dict.fromkeys(
        (
            *("sum", "mean", "prod", "max", "min", "argmax", "argmin", "any", "all", "median"),
            *("count_nonzero", "logsumexp", "norm", "amax", "amin"),
        ),
        ((), REDUCED),
    ),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean"), ((), SPREAD)),
    **dict.fromkeys(
        (
            *("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"),
            *("size", "unbind", "unsqueeze", "squeeze"),
        ),
        ((), {"axis": 1}),
    ),
    **dict.fromkeys(
        (
            *("softmax", "log_softmax", "softmin", "sort", "argsort", "glu", "layernorm"),
            "normalize",
        ),
        ((), {"axis": 0}),
    ),
    **dict.fromkeys(("tril", "triu", "diag"), ((), {"diagonal": 1})),
    **dict.fromkeys(("clamp", "clip", "clamp_"), ((), {"min": 0.3, "max": 0.6})),
    **dict.fromkeys(("cat", "stack"), ((OTHER,), {"axis": 1})),
    **dict.fromkeys(("binary_crossentropy", "binary_crossentropy_logits"), ((), {"Y": OTHER})),
    **dict.fromkeys(("cross_entropy", "nll_loss"), ((), {"labels": LABELS})),
    **dict.fromkeys(("zeros", "ones", "rand", "randn", "uniform", "scaled_uniform"), ((), SHAPE)),
    **dict.fromkeys(("glorot_uniform", "kaiming_uniform", "kaiming_normal"), ((), SHAPE)),
    **dict.fromkeys(("randint", "empty"), ((), SHAPE)),
    **dict.fromkeys(("zeros_like", "ones_like", "empty_like", "rand_like", "randn_like"), ((), {})),
    **dict.fromkeys(("new_zeros", "new_ones", "new_empty"), ((), SHAPE)),
    **dict.fromkeys(("eye", "randperm"), ((3,), {})),
    "arange": ((1,), {"stop": 4}),
    "linspace": ((1,), {"stop": 4, "steps": 3}),
    "full": ((), {"shape": (2, 3), "fill_value": 1.5}),
    "full_like": ((1.5,), {}),
    "new_full": ((), {"shape": (2, 3), "fill_value": 1.5}),
    "new_tensor": (([1, 2],), {}),
    "to": ((np.float32,), {}),
    "narrow": ((), {"axis": 1, "start": 1, "length": 2}),
    "select": ((), {"axis": 1, "index": 2}),
    "take": ((), {"index": INDEX}),
    "tile": ((), {"repeats": (2, 1)}),
    "mm": ((), {"other": OTHER.T}),
    "bmm": ((), {"other": OTHER.T[None]}),
    "mv": ((), {"other": VECTOR}),
    "solve_triangular": ((), {"other": OTHER.T, "upper": True}),
    "normal": ((), {"shape": (2, 3), "mean": 3.0, "std": 0.5}),
    "quantile": ((0.3,), REDUCED),
    "topk": ((2,), {"axis": 0, "sorted_": True}),
    "split": ((), {"sizes": 2, "axis": 1}),
    "chunk": ((2,), {"axis": 1}),
    "tensor_split": ((), {"parts": [1, 3], "axis": 1}),
    "reshape": ((), {"shape": (2, 6)}),
    "view": ((), {"shape": (2, 6)}),
    "expand": ((), {"shape": (2, 3, 4)}),
    "repeat": ((), {"repeats": (2, 1)}),
    "repeat_interleave": ((2,), {"axis": 1}),
    "permute": ((), {"axes": (1, 0)}),
    "transpose": ((), {"axes": (1, 0)}),
    "flip": ((), {"axes": (0,)}),
    "flatten": ((), {"start_axis": 0, "end_axis": 1}),
    "unflatten": ((), {"axis": 1, "sizes": (2, 2)}),
    "unfold": ((), {"axis": 1, "size": 2, "step": 1}),
    "roll": ((), {"shifts": 2, "axis": 1}),
    "diagonal": ((), {"axis1": 1, "axis2": 0}),
    "pad": ((), {"padding": (1, 2)}),
    "gather": ((), {"axis": 0, "index": INDEX}),
    "take_along_axis": ((), {"index": INDEX, "axis": 0}),
    "scatter": ((), {"axis": 0, "index": INDEX, "src": 2.0}),
    "scatter_add": ((), {"axis": 0, "index": INDEX, "src": OTHER}),
    "scatter_reduce": ((), {"axis": 0, "index": INDEX, "src": OTHER, "reduce": "amax"}),
    "index_select": ((), {"axis": 1, "index": [3, 0]}),
    "index_add": ((), {"axis": 0, "index": [1], "src": OTHER[:1]}),
    "index_fill": ((), {"axis": 1, "index": [3, 0], "value": 2.0}),
    "where": ((), {"a": 1.0, "b": OTHER}),
    "pow": ((), {"other": 3}),
    "dot": ((), {"other": VECTOR}),
    "outer": ((), {"other": VECTOR}),
    "copy_": ((), {"other": OTHER}),
    "svd": ((), {"full_matrices": True}),
    "solve": ((), {"other": VECTOR}),
    "tensordot": ((OTHER.T,), {"axes": 1}),
    "cosine_similarity": ((), {"other": OTHER, "axis": 0}),
    "pairwise_distance": ((), {"other": OTHER, "keepdim": True}),
    "cosine_embedding_loss": ((), {"other": OTHER, "target": SIGNS}),
    "margin_ranking_loss": ((), {"other": VECTOR, "target": np.sign(VECTOR - 0.5)}),
    "sparse_categorical_crossentropy": ((), {"Y": LABELS}),
    "leaky_relu": ((), {"neg_slope": 0.2}),
}
# Where X will not do.
SELVES = {
    "where": X > 0.5,
    "outer": VECTOR,
    "solve_triangular": np.eye(4) + X.T @ X,
    "bmm": X[None],
    "solve": np.eye(4) + X.T @ X,
    "glu": X[:2],
    "squeeze": X[:, :1],
    "margin_ranking_loss": X[1],
    "leaky_relu": -X,
    "diag": X[:, :3],
}
UNBIASED = {0: False, 1: True}
APART = ("dim0", "dim1")


def words(method: str) -> dict[str, str | None]:
    """Their keywords, and which of ours each means; None for one that needs nothing."""
    return getattr(getattr(Tensor, method), "also", {})


DECORATED = [name for name in dir(Tensor) if not name.startswith("_") and words(name)]
EACH = [(method, word) for method in DECORATED for word in words(method)]


def receiver(method: str) -> Any:
    own = inspect.getattr_static(Tensor, method)
    return Tensor if isinstance(own, classmethod) else Tensor(SELVES.get(method, X))


def value_of(word: str, ours: str | None, options: dict[str, Any]) -> Any:
    """What they pass under this keyword."""
    if ours is None:
        return {"device": "cpu", "stable": True, "non_blocking": True}[word]
    value = options[ours]
    if word in APART and ours == "axes":
        return value[APART.index(word)]
    if word == "some":
        return not value
    return UNBIASED[value] if word == "unbiased" else value


def call(method: str, *more: Any, **options: Any) -> list[Any]:
    """The results as arrays; `*axes` and `*shape` have no keyword of ours, but come by position."""
    Tensor.manual_seed(0)
    results = getattr(receiver(method), method)(*more, **options)
    return [y.numpy() if isinstance(y, Tensor) else y for y in listed(results)]


def by_position(method: str, options: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Our call: *axes or *shape first."""
    signature = inspect.signature(getattr(Tensor, method))
    star = [p.name for p in signature.parameters.values() if p.kind is p.VAR_POSITIONAL]
    return (
        [options[name] for name in star if name in options],
        {name: value for name, value in options.items() if name not in star},
    )


def test_every_method_that_takes_their_words_stands_here() -> None:
    assert set(CALLS) == set(DECORATED)
    assert len(EACH) > 150


def test_every_method_with_such_an_argument_takes_their_words() -> None:
    needed = {"axis": "dim", "keepdim": "keepdims", "correction": "ddof", "requires_grad": "device"}
    needed |= {"start_axis": "start_dim", "neg_slope": "negative_slope", "diagonal": "k"}
    for name in dir(Tensor):
        if name.startswith("_") or not callable(getattr(Tensor, name)):
            continue
        for parameter in inspect.signature(getattr(Tensor, name)).parameters:
            if parameter in needed and name != "requires_grad_":
                assert needed[parameter] in words(name), name


def test_every_word_of_the_table_is_taken_somewhere() -> None:
    used = {word for name in DECORATED for word in words(name)}
    for fn in (gradcheck, hvp):
        used |= set(vars(fn)["also"])
    assert set(KEYWORDS) <= used


@each(called=EACH)
def test_their_keyword_means_ours(called: tuple[str, str]) -> None:
    method, word = called
    more, options = CALLS[method]
    ours, given = words(method)[word], dict(options)
    positional, rest = by_position(method, options)
    expected = call(method, *positional, *more, **rest)
    given[word] = value_of(word, ours, options)
    if word in APART and ours == "axes":
        given |= {name: value_of(name, ours, options) for name in APART}
    if ours is not None and ours != word:
        del given[ours]
    for a, b in zip(call(method, *more, **given), expected, strict=True):
        assert np.shape(a) == np.shape(b)
        if "empty" not in method:
            np.testing.assert_array_equal(a, b)


@each(
    called=[
        (method, word)
        for method in DECORATED
        for word, ours in words(method).items()
        if ours not in (None, word)
    ]
)
def test_two_spellings_at_once_are_refused(called: tuple[str, str]) -> None:
    method, word = called
    more, options = CALLS[method]
    ours = words(method)[word]
    positional, rest = by_position(method, options)
    if word in APART and ours == "axes":
        positional = [0, 1]
    with pytest.raises(TypeError, match=f"^{method}: {ours} is given twice, once as {word}$"):
        call(method, *positional, *more, **{**rest, word: value_of(word, ours, options)})


@pytest.mark.parametrize(
    ("wrong", "error", "line"),
    [
        (lambda x: x.sum(0, dim=1), TypeError, "sum: axis is given twice, once as dim"),
        (lambda x: x.std(ddof=0, unbiased=True), TypeError,
         "std: correction is given twice, once as unbiased"),
        (lambda x: x.permute(dims=(1, 0), axes=(0, 1)), TypeError,
         "permute: axes is given twice, once as axes"),
        (lambda x: x.flip(0, dims=1), TypeError, "flip: axes is given twice, once as dims"),
        (lambda x: x.transpose(0, 1, dim0=1), TypeError,
         "transpose: axes is given twice, once as dim0"),
        (lambda x: x.sum(over=1), TypeError,
         "sum: unknown keyword 'over'; expected axis, keepdim, dtype"),
        (lambda x: x.mean(dim=0, out=x), TypeError,
         "mean: unknown keyword 'out'; expected axis, keepdim, dtype"),
        (lambda x: x.cat(x, along=1), TypeError, "cat: unknown keyword 'along'; expected axis"),
        (lambda x: x.flip(along=1), TypeError, "flip: unknown keyword 'along'; expected axes"),
        (lambda x: x.var(unbiased=2), TypeError, "var: unbiased: expected True or False; got 2"),
        (lambda x: Tensor.zeros(2, device="cuda:0"), ValueError,
         "zeros: device: everything is computed on the CPU, with NumPy; got 'cuda:0'; use 'cpu', "
         "or leave it out"),
        (lambda x: Tensor.ones(2, device=0), TypeError, "ones: device: expected 'cpu'; got 0"),
    ],
)  # fmt: skip
def test_what_wrong_keywords_print(wrong: Any, error: type[Exception], line: str) -> None:
    with pytest.raises(error) as caught:
        wrong(Tensor(X))
    assert str(caught.value) == line


def test_the_two_axes_of_transpose_may_come_apart() -> None:
    x = Tensor(np.arange(24.0).reshape(2, 3, 4))
    for y in (x.transpose(dim0=0, dim1=2), x.transpose(dim1=2, dim0=0), x.transpose(0, dim1=2)):
        np.testing.assert_array_equal(y.numpy(), x.numpy().swapaxes(0, 2))


def test_signatures_and_help_show_ours() -> None:
    assert list(inspect.signature(Tensor.sum).parameters) == ["self", "axis", "keepdim", "dtype"]
    assert list(inspect.signature(Tensor.zeros).parameters) == ["shape", "dtype", "requires_grad"]
    assert Tensor.sum.__qualname__ == "Tensor.sum"
    assert "added as int64" in (Tensor.sum.__doc__ or "")


def test_functions_of_functions_take_pytorchs_words() -> None:
    x, v = Tensor([1.0, 2.0], np.float64), Tensor([0.5, -1.0], np.float64)

    def cubes(x: Tensor) -> Tensor:
        return (x**3).sum()

    assert jacobian(func=cubes, inputs=x).tolist() == [3.0, 12.0]
    assert hessian(func=cubes, inputs=x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    assert hvp(cubes, x, v=v)[1].tolist() == [3.0, -12.0]
    assert jvp(cubes, x, v=v)[1].tolist() == -10.5
    assert vjp(cubes, x, v=2.0)[1].tolist() == [6.0, 24.0]
    for check in (gradcheck, gradgradcheck):
        assert check(func=cubes, inputs=x, eps=1e-4)
    with pytest.raises(TypeError, match=r"^jacobian: fn is given twice, once as func$"):
        tinygrad_lite.jacobian(cubes, x, func=cubes)


def test_the_constructor_takes_a_device() -> None:
    assert Tensor([1, 2], device="cpu").dtype == np.int64
    assert Tensor([1.0], requires_grad=True, device=None).requires_grad
    with pytest.raises(
        ValueError, match=r"^Tensor: device: everything is computed on the CPU, wit"
    ):
        Tensor([1.0], device="cuda")
    with pytest.raises(
        TypeError, match=r"^Tensor: unknown keyword 'grad'; expected data, dtype, req"
    ):
        Tensor([1.0], grad=True)
