"""Rows of the methods in tinygrad_lite/methods/linalg.py."""

from typing import Any

import numpy as np
from cases.case import Shapes, graded

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

SQUARE: list[Shapes] = [((3, 3),), ((2, 2, 2),), ((1, 1),), ((0, 0),)]
PRODUCTS: list[Shapes] = [
    ((3, 4), (4, 2)),
    ((4,), (4,)),
    ((4,), (4, 3)),
    ((2, 3), (3,)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((3, 4), (2, 4, 1)),
    ((0, 2), (2, 3)),
    ((2, 0), (0, 3)),
]


def einsum(subscripts: str, *shapes: tuple[int, ...], note: str = "", kinds: str = "f") -> Row:
    """A row of einsum, whose reference is NumPy's own."""
    return Row(
        "einsum",
        lambda *xs: Tensor.einsum(subscripts, *xs),
        lambda *xs: np.einsum(subscripts, *xs),
        [shapes],
        torch=lambda torch, *xs: torch.einsum(subscripts, *xs),
        kinds=kinds,
        note=f"{subscripts} {note}".strip(),
    )


def symmetric(a: Any) -> Any:
    return a + a.mT


def svd_without_signs(u: Any, s: Any, vh: Any) -> tuple[Any, ...]:
    """What does not change with the signs of singular vectors, with a weight on each."""
    weight = s * s + 1.0
    return u * u, s, vh * vh, (u * weight[..., None, :]) @ vh


def eigh_without_signs(w: Any, v: Any) -> tuple[Any, ...]:
    return w, v * v, (v * (w * w)[..., None, :]) @ v.mT


def full_without_choice(u: Any, s: Any, vh: Any) -> tuple[Any, ...]:
    """What does not depend on the vectors that fill up u and vh; all have length 1."""
    k = s.shape[-1]
    product = (u[..., :k] * s[..., None, :]) @ vh[..., :k, :]
    return product, (u * u).sum(-2), (vh * vh).sum(-1)


def triangular(a, b, upper, left, unitriangular):
    """b divided by one triangle of a, from the left or the right."""
    t = np.triu(a) if upper else np.tril(a)
    if unitriangular:
        n = a.shape[-1]
        t = t * (1 - np.eye(n)) + np.eye(n)
    return np.linalg.solve(t, b) if left else np.linalg.solve(t.mT, b).mT


ROWS: list[Row] = [
    function("matmul", np.matmul, PRODUCTS, kinds="fi"),
    Row(
        "matmul",
        lambda a, b: b.matmul(a, reverse=True),
        np.matmul,
        PRODUCTS[:2],
        torch=lambda torch, a, b: a @ b,
        note="reverse",
    ),
    function(
        "dot", np.matmul, PRODUCTS, torch=None, kinds="fi", note="PyTorch's dot is for vectors only"
    ),
    function(
        "linear",
        lambda x, weight, bias: x @ weight + bias,
        [((2, 3), (3, 4), (4,)), ((3,), (3, 2), (2,)), ((2, 1, 3), (3, 2), (2,))],
    ),
    function("linear", np.matmul, [((2, 3), (3, 4))], note="no bias"),
    Row(
        "linear",
        lambda x, weight, bias: x.linear(weight, bias, transposed=True),
        lambda x, weight, bias: x @ weight.T + bias,
        [((2, 3), (4, 3), (4,)), ((4, 3), (2, 3), (2,)), ((3,), (2, 3), (2,))],
        note="the weight as PyTorch's layers keep it",
    ),
    Row(
        "linear",
        lambda x, weight, bias: x.linear(weight, bias, transposed=True),
        lambda x, weight, bias: x @ weight.T + bias,
        [((2, 3), (4, 3), (2, 1)), ((2, 3), (4, 3), (1,))],
        note="a bias that broadcasts otherwise: composed",
    ),
    function(
        "linear",
        lambda x, weight, bias: x * weight + bias,
        [((2, 3), (3,), (3,))],
        torch=lambda torch, x, weight, bias: x * weight + bias,
        note="vector as weight",
    ),
    function("outer", np.outer, [((3,), (2,)), ((1,), (1,)), ((0,), (2,))], kinds="fib"),
    function(
        "tensordot",
        np.tensordot,
        [((2, 3, 4), (3, 4, 2)), ((2, 3), (2, 3)), ((2, 0, 3), (0, 3, 2))],
        kinds="fi",
    ),
    *(
        Row(
            "tensordot",
            lambda a, b, axes=axes: a.tensordot(b, axes=axes),
            lambda a, b, axes=axes: np.tensordot(a, b, axes=axes),
            [shapes],
            torch=lambda torch, a, b, axes=axes: torch.tensordot(a, b, axes),
            note=f"axes {axes}",
        )
        for axes, shapes in (
            (0, ((2,), (3, 2))),
            (1, ((2, 3), (3, 4))),
            (([0, 2], [1, 0]), ((2, 3, 4), (4, 2, 3))),
            (([-1], [-1]), ((2, 3), (4, 3))),
        )
    ),
    einsum("ij,jk->ik", (2, 3), (3, 4), kinds="fi"),
    einsum("ij,jk", (2, 3), (3, 4), note="implicit"),
    einsum("ba", (2, 3), note="implicit, alphabetical"),
    einsum("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    einsum("...ij,...jk->...ik", (2, 1, 3, 2), (4, 2, 2)),
    einsum("...i,...i", (2, 3), (3,), note="implicit with ellipsis"),
    einsum("...i->...", (2, 3, 4)),
    einsum("i...,i->...", (2, 3), (2,)),
    einsum("ij->ji", (2, 3), kinds="fib"),
    einsum("ij->i", (2, 3)),
    einsum("ij->", (2, 3), note="to 0-d"),
    einsum("ii->i", (3, 3), note="diagonal"),
    einsum("ii->", (3, 3), note="trace"),
    einsum("ii", (3, 3), note="trace, implicit"),
    einsum("iij->j", (2, 2, 3)),
    einsum("iii->i", (2, 2, 2)),
    einsum("iijj->ij", (2, 2, 3, 3)),
    einsum("ii,ij->j", (3, 3), (3, 2)),
    einsum("ij,ij->ij", (2, 3), (2, 3), kinds="fib"),
    einsum("ij,ij->", (2, 3), (2, 3)),
    einsum("bi,bi->b", (2, 3), (2, 3)),
    einsum("i,j->ij", (2,), (3,)),
    einsum("i,j->ji", (2,), (3,)),
    einsum("i,i->", (3,), (3,)),
    einsum("ij,kl->jl", (2, 3), (2, 2), note="both summed alone"),
    einsum("ijk,jil->kl", (2, 3, 4), (3, 2, 2), note="two axes summed"),
    einsum("ij,->ij", (2, 3), (), note="0-d"),
    einsum("ij,jk->ik", (2, 1), (3, 4), note="size 1 stretched and summed"),
    einsum("ij,ij->ij", (2, 1), (1, 3), note="size 1 stretched"),
    einsum("ii,ij->j", (1, 1), (3, 2), note="diagonal of size 1 stretched"),
    einsum("ii,ii->i", (2, 2), (1, 1), note="diagonal of size 1 stretched, of a known label"),
    einsum("i->", (1,), note="size 1"),
    einsum("ij,jk->ik", (2, 0), (0, 3), note="a sum of nothing"),
    einsum("ij,j->i", (0, 3), (3,), note="no rows"),
    einsum("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    einsum("ij,jk,kl,lm->im", (2, 1), (1, 3), (3, 2), (2, 2)),
    einsum("i,i,i->", (3,), (3,), (3,)),
    einsum("ij,ik,jk->", (2, 3), (2, 2), (3, 2)),
    einsum("bi,ij,bj->b", (2, 3), (3, 2), (2, 2), note="bilinear"),
    einsum("i,i->i", (2,), (1,), note="size 1 stretched"),
    einsum("iij,j->i", (2, 2, 3), (3,)),
    einsum("iii->", (2, 2, 2)),
    einsum("ii,jj->", (2, 2), (3, 3)),
    einsum("ii,ii->i", (2, 2), (2, 2)),
    einsum("i,i,i", (2,), (2,), (2,), note="implicit"),
    einsum("ij,i,j", (2, 3), (2,), (3,), note="implicit"),
    einsum("...i,...i,...i->...", (2, 3), (3,), (1, 3)),
    einsum("...,...->...", (2, 1), (3,)),
    einsum("...ii->...i", (2, 3, 3)),
    einsum("i...j->j...", (2, 3, 4)),
    einsum(",ij->j", (), (2, 3)),
    Row(
        "einsum",
        lambda x: Tensor.einsum("...->", x),
        np.sum,
        [((2, 3),)],
        torch=lambda torch, x: torch.einsum("...->", x),
        note="...->, which NumPy refuses",
    ),
    Row(
        "einsum",
        lambda x: Tensor.einsum("ij,kj->ik", [x, x]),
        lambda x: x @ x.T,
        [((2, 3),)],
        torch=lambda torch, x: torch.einsum("ij,kj->ik", [x, x]),
        note="a list, one tensor twice",
    ),
    function(
        "trace",
        lambda x: np.trace(x, axis1=-2, axis2=-1),
        [((3, 3),), ((2, 3),), ((3, 2),), ((2, 2, 2),), ((0, 0),), ((2, 0, 3),)],
        torch=lambda torch, x: torch.einsum("...ii->...", x[..., : x.shape[-1], : x.shape[-2]]),
        kinds="fib",
        note="of stacks too, which PyTorch's trace refuses",
    ),
    *(
        Row(
            "matrix_power",
            lambda x, n=n: x.matrix_power(n),
            lambda x, n=n: np.linalg.matrix_power(x, n),
            SQUARE[:2],
            graded,
            kinds="f" if n < 0 else "fi",
            rtol=1e-12,
            note=f"{n}",
        )
        for n in (1, 2, 5, 6, -2)
    ),
    Row(
        "matrix_power",
        lambda x: x.matrix_power(0) * x,
        lambda x: np.eye(x.shape[-1]) * x,
        SQUARE,
        graded,
        note="0",
    ),
    function("inv", np.linalg.inv, SQUARE, graded),
    function("mm", np.matmul, [((3, 4), (4, 2)), ((0, 2), (2, 3)), ((2, 0), (0, 3))], kinds="fi"),
    function("bmm", np.matmul, [((2, 3, 4), (2, 4, 1)), ((0, 2, 2), (0, 2, 3))], kinds="fi"),
    function("mv", np.matmul, [((3, 4), (4,)), ((0, 2), (2,))], kinds="fi"),
    Row(
        "addmm",
        lambda x, a, b: x.addmm(a, b, beta=0.5, alpha=-2),
        lambda x, a, b: 0.5 * x - 2 * (a @ b),
        [((3, 2), (3, 4), (4, 2)), ((2,), (3, 4), (4, 2)), ((), (3, 4), (4, 2))],
    ),
    *(
        Row(
            "solve_triangular",
            lambda a, b, given=given: a.solve_triangular(b if given["left"] else b.mT, **given),
            lambda a, b, given=given: triangular(a, b, **given),
            [((3, 3), (3, 2)), ((2, 3, 3), (3, 1)), ((2, 2), (3, 2, 2)), ((0, 0), (0, 2))],
            graded,
            torch=lambda torch, a, b, given=given: torch.linalg.solve_triangular(
                a, b if given["left"] else b.mT, **given
            ),
            note=", ".join(name for name in given if given[name]),
        )
        for given in (
            {"upper": upper, "left": left, "unitriangular": unit}
            for upper in (True, False)
            for left in (True, False)
            for unit in (True, False)
        )
    ),
    function(
        "solve",
        np.linalg.solve,
        [
            ((3, 3), (3,)),
            ((3, 3), (3, 2)),
            ((2, 2, 2), (2,)),
            ((2, 2), (3, 2, 1)),
            ((2, 1, 2, 2), (3, 2, 2)),
            ((0, 0), (0, 2)),
        ],
        graded,
    ),
    function(
        "solve",
        lambda a, b: np.linalg.solve(a, b[..., None])[..., 0],
        [((2, 3, 3), (2, 3))],
        graded,
        note="stack of vectors",
    ),
    function("det", np.linalg.det, SQUARE, graded),
    function(
        "slogdet",
        np.linalg.slogdet,
        SQUARE,
        lambda rng, shape: graded(rng, shape)[..., ::-1].copy(),  # some with sign -1
        torch=lambda torch, x: (torch.linalg.slogdet(x)[0].detach(), torch.linalg.slogdet(x)[1]),
    ),
    Row(
        "cholesky",
        lambda x: symmetric(x).cholesky(),
        lambda x: np.linalg.cholesky(symmetric(x)),
        SQUARE,
        graded,
        torch=lambda torch, x: torch.linalg.cholesky(symmetric(x)),
    ),
    Row(
        "cholesky",
        lambda x: symmetric(x).cholesky(upper=True),
        lambda x: np.linalg.cholesky(symmetric(x)).swapaxes(-1, -2),
        SQUARE,
        graded,
        torch=lambda torch, x: torch.linalg.cholesky(symmetric(x), upper=True),
        note="upper",
    ),
    function(
        "qr",
        np.linalg.qr,
        [*SQUARE, ((4, 2),), ((2, 3),), ((2, 2, 3),)],
        graded,
        torch=lambda torch, x: torch.linalg.qr(x),
    ),
    function(
        "svd",
        lambda x: np.linalg.svd(x, full_matrices=False),
        [*SQUARE, ((4, 2),), ((2, 3),), ((2, 2, 3),)],
        graded,
        torch=None,
        note="signs are the library's choice",
    ),
    Row(
        "svd",
        lambda x: svd_without_signs(*x.svd()),
        lambda x: svd_without_signs(*np.linalg.svd(x, full_matrices=False)),
        [*SQUARE, ((4, 2),), ((2, 3),), ((2, 2, 3),)],
        graded,
        torch=lambda torch, x: svd_without_signs(*torch.linalg.svd(x, full_matrices=False)),
        note="without signs",
    ),
    Row(
        "svd",
        lambda x: full_without_choice(*x.svd(full_matrices=True)),
        lambda x: full_without_choice(*np.linalg.svd(x)),
        [((4, 2),), ((2, 3),), ((2, 2, 3),), ((2, 2),)],
        graded,
        torch=None,
        note="full_matrices; what is added carries no gradient",
    ),
    Row(
        "eigh",
        lambda x: symmetric(x).eigh(),
        lambda x: np.linalg.eigh(symmetric(x)),
        SQUARE,
        graded,
        torch=None,
        note="signs are the library's choice",
    ),
    Row(
        "eigh",
        lambda x: eigh_without_signs(*symmetric(x).eigh()),
        lambda x: eigh_without_signs(*np.linalg.eigh(symmetric(x))),
        SQUARE,
        graded,
        torch=lambda torch, x: eigh_without_signs(*torch.linalg.eigh(symmetric(x))),
        note="without signs",
    ),
]

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
TWO_BY_THREE = Tensor(np.ones((2, 3)))

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor.eye(2).matrix_power(1.5),
        TypeError,
        "matrix_power: n: expected an integer; got 1.5",
    ),
    Mistake(
        lambda: TWO_BY_THREE.matmul(TWO_BY_THREE),
        ValueError,
        "matmul: inner sizes differ: (2, 3) @ (2, 3); did you mean x @ w.T?",
    ),
    Mistake(
        lambda: Tensor.zeros(2, 3).linear(Tensor.zeros(4, 3)),
        ValueError,
        "linear: inner sizes differ: (2, 3) @ (4, 3); did you mean x.linear(w.T)?",
    ),
    Mistake(
        lambda: TWO_BY_THREE.dot(2.0),
        ValueError,
        "dot: expected at least one dimension on each side; got (2, 3) @ (); use * for numbers",
    ),
    Mistake(
        lambda: TWO_BY_THREE.outer(TWO_BY_THREE),
        ValueError,
        "outer: expected two vectors; got shapes (2, 3) and (2, 3); flatten() them first",
    ),
    Mistake(
        lambda: TWO_BY_THREE.tensordot(TWO_BY_THREE, axes=1),
        ValueError,
        "tensordot: axes: expected a number of axes, or two lists of axes of the same sizes; got "
        "1 for shapes (2, 3) and (2, 3)",
    ),
    Mistake(
        lambda: Tensor.einsum(TWO_BY_THREE, "ij->i"),
        TypeError,
        "einsum: subscripts: expected text such as 'ij,jk->ik'; got Tensor of shape (2, 3), "
        "float64",
    ),
    Mistake(
        lambda: Tensor.einsum("i1->i", TWO_BY_THREE),
        ValueError,
        "einsum: expected subscripts such as 'ij,jk->ik'; got 'i1->i'",
    ),
    Mistake(
        lambda: Tensor.einsum("ii", TWO_BY_THREE),
        ValueError,
        "einsum: i names a diagonal of operand 0, whose sizes must be equal; got shape (2, 3)",
    ),
    Mistake(
        lambda: Tensor.einsum("......->", TWO_BY_THREE),
        ValueError,
        "einsum: expected ... once in each term; got '......->'",
    ),
    Mistake(
        lambda: Tensor.einsum("ij,jk->ik", TWO_BY_THREE),
        ValueError,
        "einsum: 'ij,jk' is for 2 operands; got 1",
    ),
    Mistake(
        lambda: Tensor.einsum("ij,jk->ik"),
        TypeError,
        "einsum: expected operands after the subscripts; got none",
    ),
    Mistake(
        lambda: Tensor.einsum("i->i", TWO_BY_THREE),
        ValueError,
        "einsum: 'i' is for 1 axes; operand 0 has shape (2, 3); write ... for the others",
    ),
    Mistake(
        lambda: Tensor.einsum("ij,jk->ik", TWO_BY_THREE, TWO_BY_THREE),
        ValueError,
        "einsum: j has size 3, and size 2 in operand 1, of shape (2, 3); sizes of one label must "
        "be equal or 1",
    ),
    Mistake(
        lambda: Tensor.einsum("ij->ik", TWO_BY_THREE),
        ValueError,
        "einsum: the result of 'ij->ik' has k, which no operand has",
    ),
    Mistake(
        lambda: Tensor.einsum("ij->jj", TWO_BY_THREE),
        ValueError,
        "einsum: the result of 'ij->jj' has j, twice",
    ),
    Mistake(
        lambda: TWO_BY_THREE.det(),
        ValueError,
        "det: expected square matrices, (..., n, n); got shape (2, 3)",
    ),
    Mistake(
        lambda: Tensor([1.0]).qr(), ValueError, "qr: expected matrices, (..., n, m); got shape (1,)"
    ),
    Mistake(
        lambda: Tensor(np.eye(3)).solve(TWO_BY_THREE),
        ValueError,
        "solve: expected 3 rows on the right, as (3, 3) has; got (2, 3)",
    ),
    Mistake(
        lambda: Tensor(np.eye(3)).solve(2.0),
        ValueError,
        "solve: expected a vector or a matrix on the right; got a number",
    ),
    Mistake(
        lambda: Tensor(SINGULAR).solve(np.ones((2, 1))),
        np.linalg.LinAlgError,
        "solve: a matrix is singular: its columns depend on each other; if that is only by "
        "rounding, add a little to its diagonal: x + 1e-6 * np.eye(n)",
    ),
    Mistake(
        lambda: Tensor(SINGULAR).inv(),
        np.linalg.LinAlgError,
        "inv: a matrix is singular: its columns depend on each other; if that is only by "
        "rounding, add a little to its diagonal: x + 1e-6 * np.eye(n)",
    ),
    Mistake(
        lambda: Tensor(SINGULAR, requires_grad=True).slogdet()[1].backward(1.0),
        np.linalg.LinAlgError,
        "slogdet, backward: a matrix is singular: its columns depend on each other; if that is "
        "only by rounding, add a little to its diagonal: x + 1e-6 * np.eye(n)",
    ),
    Mistake(
        lambda: Tensor(-np.eye(2)).cholesky(),
        np.linalg.LinAlgError,
        "cholesky: a matrix is not positive definite; if it is x @ x.mT and fails only by "
        "rounding, add a little to its diagonal: + 1e-6 * np.eye(n)",
    ),
]
