"""The checker is checked: each fault is planted, and the diagnosis is read."""

import re

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Function, GradientError, Tensor, gradcheck, gradgradcheck


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def complaint(fn, inputs, check=gradcheck, **options):
    """The text of the error that the check raises."""
    with pytest.raises(GradientError) as caught:
        check(fn, inputs, **options)
    return str(caught.value)


def diagnosis(*arguments, **options):
    """What follows "diagnosis: " on the second of two lines."""
    first, second = complaint(*arguments, **options).split("\n")
    assert "is wrong in" in first
    return second.removeprefix("diagnosis: ")


class Square(Function):
    """y = k x^2 / 2 with a rule that says so; subclasses get it wrong."""

    saves = "inputs"

    def forward(self, x):
        return x * x

    def backward(self, g, y, x):
        return (g * 2.0 * x,)


class Product(Function):
    saves = "inputs"

    def forward(self, a, b):
        return a @ b

    def backward(self, g, y, a, b):
        return g @ b.mT, a.mT @ g


class PlusRow(Function):
    """x + b with x of shape (4, 3) and b of shape (3,), which `term` makes of the gradient."""

    def __init__(self, term):
        self.term = term

    def forward(self, x, b):
        return x + b

    def backward(self, g, y, x, b):
        return g, self.term(g)


# Faults, and what is said of them


@pytest.mark.parametrize(
    ("factor", "line"),
    [
        (2.0, "exactly 2 times too large"),
        (7.0, "exactly 7 times too large"),
        (0.5, "exactly 2 times too small"),
        (-1.0, "wrong sign"),
        (-2.0, "wrong sign, and exactly 2 times too large"),
        (np.log(2.0), "exactly 1.4427 times too small"),
        (0.0, "missing: the analytic gradient is zero everywhere but the function changes"),
        (np.nan, "the analytic gradient is nan; 0 times inf in the rule, or a division by 0"),
        (1.0 + 3e-5, "right but for 3e-05 of its size: a small constant left out of the rule, "
                     "such as an eps, or rtol is too strict for this function"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(3,), (2, 3), (70, 90)])
def test_constant_factor(factor, line, shape):
    class Wrong(Square):
        def backward(self, g, y, x):
            return (g * (2.0 * float(factor)) * x,)

    assert diagnosis(Wrong, normal(*shape)) == line


def test_the_first_line_names_the_op_the_input_and_the_worst_element():
    class Twice(Square):
        def backward(self, g, y, x):
            return (g * 4.0 * x,)

    assert complaint(Twice, Tensor([[1.0, -0.5, 3.0]])) == (
        "gradcheck: Twice: the derivative with respect to x, of shape (1, 3), is wrong in "
        "3 of 3 elements; worst: d out[0, 2] / d x[0, 2] is 6, and backward gives 12 (error 6)\n"
        "diagnosis: exactly 2 times too large"
    )
    text = complaint(lambda a, b: (a * 1.0, Twice.apply(b)), [Tensor(2.0), np.float32(3.0)])
    assert text.startswith(
        "gradcheck: the derivative with respect to x1, of shape (), is wrong in 1 of 1"
    )
    assert "d out1 / d x1 is 6, and backward gives 12 (error 6)" in text


def test_transposed_gradient():
    class Wrong(Product):
        def backward(self, g, y, a, b):
            return g @ b.mT, (a.mT @ g).mT

    line = "transposed: axes 0 and 1 of the gradient are exchanged"
    assert diagnosis(Wrong, [normal(3, 3), normal(3, 3, seed=1)]) == line
    assert diagnosis(Wrong, [normal(20, 20), normal(20, 20, seed=1)]) == line


def test_matrix_without_its_transpose():
    class Wrong(Product):
        def backward(self, g, y, a, b):
            return g @ b, a.mT @ g

    line = diagnosis(Wrong, [normal(2, 3), normal(3, 3, seed=1)])
    assert line == (
        "transposed: axis 1 of the output and axis 1 of the input are exchanged; a matrix in the "
        "rule lacks its .mT"
    )


@pytest.mark.parametrize(
    ("term", "start"),
    [
        (lambda g: g[-1], "not summed over axis 0 of the output: only the last term arrived"),
        (lambda g: g[0], "not summed over axis 0 of the output: only the first term arrived"),
        (lambda g: np.add.reduce(g, axis=0) * 0.25, "exactly 4 times too small"),
    ],
)
def test_missing_sum(term, start):
    line = diagnosis(lambda x, b: PlusRow.apply(x, b, term=term), [normal(4, 3), normal(3)])
    assert line.startswith(start)


def test_missing_sum_in_a_large_output():
    line = diagnosis(
        lambda b: PlusRow.apply(Tensor(normal(500, 30)), b, term=lambda g: g[-1]), normal(30)
    )
    assert line.startswith("not summed over axis 0 of the output: only the last term arrived")


# f, its rule, the inputs, and the diagnosis
PLANTED = {
    "exchanged": (
        lambda a, b: a * b * b,
        lambda g, y, a, b: (g * 2.0 * a * b, g * b * b),
        [normal(3), normal(3, seed=1)],
        "the gradients of inputs 0 and 1 are exchanged",
    ),
    "exchanged, of matrices": (
        lambda a, b: a @ b,
        lambda g, y, a, b: (a.mT @ g, g @ b.mT),
        [normal(3, 3), normal(3, 3, seed=1)],
        "the gradients of inputs 0 and 1 are exchanged",
    ),
    "exchanged, of a large input": (
        lambda a, b: a * b * b,
        lambda g, y, a, b: (g * 2.0 * a * b, g * b * b),
        [normal(70, 90), normal(70, 90, seed=1)],
        "the gradients of inputs 0 and 1 are exchanged",
    ),
    "the last two of three": (
        lambda a, b, c: a * b * b * c,
        lambda g, y, a, b, c: (g * b * b * c, g * a * b * b, g * 2.0 * a * b * c),
        [normal(3), normal(3, seed=1), normal(3, seed=2)],
        "the gradients of inputs 1 and 2 are exchanged",
    ),
    "one for two": (
        lambda a, b: a * b * b,
        lambda g, y, a, b: (g * b * b, g * b * b),
        [normal(3), normal(3, seed=1)],
        "the gradient of input 1 is that of input 0",
    ),
    "wrong sign of one": (
        lambda a, b: a - b,
        lambda g, y, a, b: (g, g * 1.0),
        [normal(3), normal(3, seed=1)],
        "wrong sign in input 1 only",
    ),
    "transposed, in the shape of its input": (
        lambda a, b: a @ b,
        lambda g, y, a, b: (g @ b.mT, (a.mT @ g).mT.reshape(b.shape)),
        [normal(2, 3), normal(3, 4, seed=1)],
        "transposed: axes 0 and 1 of the gradient are exchanged",
    ),
    "a mean for a sum of copies": (
        lambda x, b: x + b,
        lambda g, y, x, b: (g, np.add.reduce(g, axis=0) / 4.0),
        [normal(4, 3), normal(3)],
        "exactly 4 times too small: a mean where a sum over what forward broadcast is due",
    ),
    "a sum for a mean": (
        lambda x: x.mean(),
        lambda g, y, x: (g * np.ones_like(x),),
        normal(4, 3),
        "exactly 12 times too large: the rule of a sum where forward takes a mean of 12 elements",
    ),
    "a sum for a mean along an axis": (
        lambda x: x.mean(0),
        lambda g, y, x: (g * np.ones_like(x),),
        normal(4, 3),
        "exactly 4 times too large: the rule of a sum where forward takes a mean of 4 elements",
    ),
    "a mean for a sum": (
        lambda x: x.sum(0),
        lambda g, y, x: (g * np.ones_like(x) / 4.0,),
        normal(4, 3),
        "exactly 4 times too small: the rule of a mean where forward takes a sum of 4 elements",
    ),
    "without g": (
        lambda x: x * x,
        lambda g, y, x: (2.0 * x,),
        normal(5),
        "the rule ignores the cotangent g: it gives the gradient for g = 1; multiply by g",
    ),
    "without g, of a large input": (
        lambda x: x * x,
        lambda g, y, x: (2.0 * x,),
        normal(70, 90),
        "the rule ignores the cotangent g: it gives the gradient for g = 1; multiply by g",
    ),
    "shifted": (
        np.sin,
        lambda g, y, x: (np.roll(g * np.cos(x), 1),),
        normal(6),
        "shifted: along axis 0 the gradient is one element too near the end",
    ),
    "shifted, and 0 at the end": (
        lambda x: x[1:] * 3.0,
        lambda g, y, x: (np.concatenate([g * 3.0, np.zeros(1)]),),
        normal(6),
        "shifted: along axis 0 the gradient is one element too near the start",
    ),
    "shifted along axis 1": (
        np.sin,
        lambda g, y, x: (np.roll(g * np.cos(x), -1, axis=1),),
        normal(70, 90),
        "shifted: along axis 1 the gradient is one element too near the start",
    ),
    "the last of several terms": (
        lambda x, b: x + b,
        lambda g, y, x, b: (g, np.add.reduce(g[:-1], axis=0)),
        [normal(4, 3), normal(3)],
        "the last term of a sum over axis 0 of the output is missing",
    ),
    "one of several terms": (
        lambda x, b: x + b,
        lambda g, y, x, b: (g, g[0] + g[1] + g[3]),
        [normal(4, 3), normal(3)],
        "the 3rd term of a sum over axis 0 of the output is missing",
    ),
    "the way around": (
        lambda x: x + np.sin(x),
        lambda g, y, x: (g * np.cos(x),),
        normal(6),
        "the term g is missing: one of several addends, such as x in x + f(x)",
    ),
    "a row": (
        np.sin,
        lambda g, y, x: (g * np.cos(x) * np.array([[1.0], [1.0], [3.0]]),),
        normal(3, 4),
        "wrong at index 2 of axis 0 only; all other elements are right",
    ),
    "no gradient of a row": (
        lambda x: x.sum(0),
        lambda g, y, x: (g * np.array([[1.0], [0.0], [1.0], [1.0]]),),
        normal(4, 3),
        "missing at index 1 of axis 0 only; all other elements are right",
    ),
    "where the function is 0": (
        lambda x: x * 2.0,
        lambda g, y, x: (g * 3.0,),
        np.zeros(3),
        "exactly 1.5 times too large",
    ),
    "where the function is 0, and flat": (
        lambda x: x * x,
        lambda g, y, x: (g * (2.0 * x + 1.0),),
        np.zeros(3),
        "the function does not change with this input, but the analytic gradient is not zero",
    ),
    "nan where the function is 0": (
        lambda x: x * 1.0,
        lambda g, y, x: (g * np.nan,),
        np.zeros(3),
        "the analytic gradient is nan; 0 times inf in the rule, or a division by 0",
    ),
}


def planted(forward, backward):
    """An op of these two functions."""
    methods = {
        "forward": lambda self, *arrays: forward(*arrays),
        "backward": lambda self, g, y, *inputs: backward(g, y, *inputs),
        "saves": "inputs",
    }
    return type("Planted", (Function,), methods)


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault(name):
    forward, backward, inputs, line = PLANTED[name]
    assert diagnosis(planted(forward, backward), inputs) == line


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
@pytest.mark.parametrize(
    ("backward", "position", "line"),
    [
        (lambda g, y, a, b: (g @ b.mT, (a.mT @ g).mT), 1, "transposed; return its .mT"),
        (lambda g, y, a, b: (b @ g.mT, a.mT @ g), 0, "transposed; return its .mT"),
        (
            lambda g, y, a, b: (a.mT @ g, g @ b.mT),
            0,
            "the gradients of inputs 0 and 1 are exchanged",
        ),
        (
            lambda g, y, a, b: (g @ b.mT, (a.mT @ g).reshape(6, 2)),
            1,
            "of the right size; did you mean .reshape((3, 4))?",
        ),
        (
            lambda g, y, a, b: (g @ b.mT, np.broadcast_to(a.mT @ g, (2, 3, 4))),
            1,
            "not summed over what forward broadcast; sum over it, or declare broadcasts = True",
        ),
        (
            lambda g, y, a, b: (g @ b.mT, np.add.reduce(a.mT @ g, axis=0)),
            1,
            "of a wrong size; the gradient of an input has the shape of that input",
        ),
    ],
)
def test_gradient_of_another_shape(check, backward, position, line):
    op = planted(lambda a, b: a @ b, backward)
    text = complaint(op, [normal(2, 3), normal(3, 4, seed=1)], check)
    shape = [(2, 3), (3, 4)][position]
    start = f"Planted.backward gives input {position}, of shape {shape}, a gradient of shape"
    assert f"{check.__name__}: Planted: {start}" in text
    assert text.endswith(f"\ndiagnosis: {line}")


def test_no_gradient_from_one_of_two_outputs():
    fn = lambda x: (x * 2.0, x.detach() * 3.0 + x * 0.0)  # noqa: E731
    assert diagnosis(fn, normal(4)) == "missing: no gradient arrives from output 1"


def test_detached_input():
    assert diagnosis(lambda a, b: a * b.detach(), [normal(3), normal(3)]) == (
        "missing: no gradient reaches this input, though the function changes with it: it is "
        "detached, by detach(), .data, numpy() or no_grad()"
    )
    assert diagnosis(lambda a: a * a.detach(), normal(3)) == "exactly 2 times too small"


def test_a_function_that_is_zero_at_the_point():
    for fn in (Tensor.abs, Tensor.relu, lambda x: x.norm(), lambda x: x.abs().sum()):
        for x in (np.zeros(3), 0.0, np.zeros((70, 90))):
            assert "0.0 is at a kink; the derivative jumps" in complaint(fn, x)
    for fn in (lambda x: x * 0.0, lambda x: x * x, Tensor.sin, lambda x: x.sum() * 2.0):
        for x in (np.zeros(3), 0.0, np.zeros((70, 90))):
            assert gradcheck(fn, x)
            assert gradgradcheck(fn, x)


def test_numbers_too_large_for_differences():
    assert complaint(lambda x: x * 1e300, normal(3)).endswith(
        "e+299 is too large for differences, whose squares overflow; scale the function down"
    )
    assert "a slope of 1e+300 is too large for differences" in complaint(
        lambda x: x * 1e300, np.zeros(3)
    )
    assert gradcheck(lambda x: x * 1e100, np.zeros(3))


def test_reversed():
    class Wrong(Function):
        def forward(self, x):
            return x[::-1].copy()

        def backward(self, g, y, x):
            return (g,)

    line = "reversed: the gradient runs backwards along axis 0"
    assert diagnosis(Wrong, normal(5)) == line
    assert diagnosis(Wrong, normal(5000)) == line


def test_rule_that_is_right_for_ones_only():
    class Softmax(Function):
        saves = "output"

        def forward(self, x):
            powers = np.exp(x)
            return powers / powers.sum(-1, keepdims=True)

        def backward(self, g, y, x):
            return (7.0 * y * (g - np.add.reduce(g, axis=-1, keepdims=True) / 3.0),)

    x = Tensor(normal(2, 3), requires_grad=True)
    Softmax.apply(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 0.0, atol=1e-15)  # what a sum-reduced check sees
    assert diagnosis(Softmax, x).startswith("right for a cotangent of ones only, as after .sum()")


def test_rule_that_is_not_linear():
    class Wrong(Square):
        def backward(self, g, y, x):
            return (abs(g) * 2.0 * x,)

    assert diagnosis(Wrong, normal(3)).startswith("the rule is not linear in the cotangent g")


@pytest.mark.parametrize(("shape", "index"), [((4, 5), (2, 3)), ((70, 90), (12, 34))])
def test_one_wrong_element(shape, index):
    class Wrong(Function):
        saves = "inputs"

        def forward(self, x):
            return np.sin(x)

        def backward(self, g, y, x):
            weight = np.ones(shape)
            weight[index] = 1.01
            return (g * np.cos(x) * weight,)

    text = complaint(lambda x: (Wrong.apply(x) * 2.0).sum(), normal(*shape))
    assert "is wrong in 1 of " in text
    assert f"worst: d out / d x[{index[0]}, {index[1]}] is " in text
    assert text.endswith("a fault in a single position; all other elements compared are right")
    assert f"d x[{index[0]}, {index[1]}] is " in complaint(Wrong, normal(*shape))


def test_no_known_pattern():
    class Wrong(Square):
        def backward(self, g, y, x):
            return (g * x * x * x,)

    assert diagnosis(Wrong, normal(5)).startswith("no known pattern")


def test_missing_path_and_spurious_path():
    assert diagnosis(lambda x: x.detach() * 2.0, normal(3)).startswith("missing: ")
    assert diagnosis(lambda x: (x.detach() * 2.0, x)[0], normal(3)).startswith("missing: ")
    spurious = diagnosis(lambda x: x - x.detach(), normal(3))
    assert spurious.startswith("the function does not change with this input")


# Points and functions that cannot be checked


@pytest.mark.parametrize("fn", [lambda x: x.relu(), lambda x: x.relu().sum() * 3.0])
def test_kink_of_relu(fn):
    text = complaint(fn, Tensor([1.0, -2.0, 5.0, 0.0]))
    assert re.fullmatch(
        r"gradcheck: x\[3\] = 0.0 is at a kink; the derivative jumps from 0 to [13] there; "
        "move the point",
        text,
    )


def test_kink_where_the_central_difference_agrees():
    assert complaint(Tensor.abs, Tensor([[1.0, 0.0]])) == (
        "gradcheck: abs: x[0, 1] = 0.0 is at a kink; the derivative jumps from -1 to 1 there; "
        "move the point"
    )
    assert "x1[1] = 2.0 is at a kink; the derivative jumps from 0 to 1" in complaint(
        lambda a, b: a.maximum(b), [Tensor([1.0, 2.0], requires_grad=True),
                                    Tensor([3.0, 2.0], requires_grad=True)]
    ).replace("x0[1]", "x1[1]")  # fmt: skip


def test_kink_in_a_large_input():
    x = normal(70, 90)
    x[12, 34] = 0.0
    assert "x[12, 34] = 0.0 is at a kink" in complaint(lambda x: x.relu(), x)


def test_near_a_kink_or_in_a_sharp_bend_there_is_no_alarm():
    for distance in (1e-3, 1e-5, 3e-6, 1e-6, 2e-7):
        assert gradcheck(lambda x: x.relu(), Tensor([1.0, distance, -distance], dtype=np.float64))
    assert gradcheck(lambda x: x * x, np.zeros(3))
    assert gradcheck(lambda x: (x * 1e3).tanh(), np.zeros(3))
    assert gradcheck(lambda x: (x * 100.0).exp(), normal(3))
    assert gradcheck(lambda x: (x * x + 1e-6).sqrt(), np.zeros(3))


def test_jump_and_pole():
    assert complaint(lambda x: x.sign() + x, Tensor([1.0, 0.0])) == (
        "gradcheck: the function jumps or is infinitely steep at x[1] = 0.0; move the point"
    )
    assert "not finite near x[1] = 0.0; move the point" in complaint(Tensor.sqrt, Tensor([1.0, 0]))
    assert "not finite near x = 1e-08; move the point, or pass a step" in complaint(
        Tensor.log, np.float64(1e-8)
    )
    assert gradcheck(Tensor.log, np.float64(1e-8), step=1e-13)
    assert "the function bends too sharply near x = 6.9e-06: its slope changes by" in complaint(
        lambda x: x.abs().sqrt(), np.float64(6.9e-6)
    )
    assert "the function is -inf here" in complaint(Tensor.log, 0.0)


def test_float32_inside():
    result = complaint(lambda x: x.cast(np.float32).exp(), normal(3))
    assert result.startswith("gradcheck: float32: the result is float32, too coarse")
    for shape in ((), (3,), (2, 3), (70, 90)):
        for seed in range(3):
            x = np.asarray(normal(*shape, seed=seed))
            text = complaint(lambda x: x.cast(np.float32).tanh().cast(np.float64) * x, x)
            assert text.startswith("gradcheck: float32: the values carry a relative error of ")


def test_float32_inputs_are_checked_in_float64():
    seen = []

    def fn(x, w):
        seen.append((x.dtype, w.dtype))
        return x * w

    assert gradcheck(fn, [Tensor([1.0, 2.0]), np.float16([3.0, 4.0])])
    assert set(seen) == {(np.dtype(np.float64), np.dtype(np.float64))}


def test_not_deterministic():
    text = complaint(lambda x: x * Tensor.rand(3), normal(3))
    assert re.fullmatch(
        r"gradcheck: fn is not deterministic: two calls differ by \S+; if it draws random numbers, "
        "as dropout does, seed it inside the function",
        text,
    )

    def seeded(x):
        Tensor.manual_seed(0)
        return x * Tensor.rand(3)

    assert gradcheck(seeded, normal(3))


def test_another_shape_each_time():
    count = iter(range(1, 10))
    text = complaint(lambda x: x.expand(next(count), 3), normal(3))
    assert text == "gradcheck: fn gives 3 values, and 6 the second time"


def test_mutation():
    def fn(x):
        x.data[0] += 1.0
        return x * x

    def deep(x, order):
        order += 1
        return x * 2.0

    class Wrong(Square):
        def backward(self, g, y, x):
            return_ = g * 2.0 * x
            x[0] = 5.0
            return (return_,)

    class Drawing(Square):
        def backward(self, g, y, x):
            self.calls = getattr(self, "calls", 0) + 1
            return (g * float(self.calls),)

    assert complaint(fn, normal(3)) == (
        "gradcheck: fn: fn changed argument 0, of shape (3,), in place; compute on a clone() of it"
    )
    assert "fn changed argument 1, of shape (2,)" in complaint(deep, [normal(3), np.array([1, 2])])
    assert "backward changed argument 0, of shape (3,)" in complaint(Wrong, normal(3))
    assert "backward gives another gradient of x the second time" in complaint(Drawing, normal(3))


def test_the_arguments_stay_as_they_are():
    x, order = Tensor([1.0, 2.0], requires_grad=True), np.array([1, 0])
    with pytest.raises(GradientError):
        gradcheck(lambda x, order: x.data.__setitem__(0, 9.0) or x * 1.0, [x, order])
    assert gradcheck(lambda x, order: x[order] * x, [x, order])
    assert x.tolist() == [1.0, 2.0]
    assert x.dtype == np.float32
    assert x.grad is None
    assert order.tolist() == [1, 0]


# Second order


class ExpKeeping(Function):
    """exp, with a rule that is right, but reads a value that only the first order may read."""

    def forward(self, x):
        self.powers = np.exp(x)
        return self.powers.copy()

    def backward(self, g, y, x):
        return (g * self.powers,)


def test_second_order_lost():
    assert gradcheck(ExpKeeping, normal(4))
    text = complaint(ExpKeeping, normal(4), check=gradgradcheck)
    assert text.startswith(
        "gradgradcheck: ExpKeeping: the derivative with respect to x, of shape (4,), is wrong"
    )
    assert "d gradient[" in text
    assert text.endswith(
        "missing: the analytic gradient is zero everywhere but the function changes; does the rule "
        "read a value that forward kept on self?"
    )
    mixed = complaint(lambda x: (ExpKeeping.apply(x) * x).sum(), normal(4), check=gradgradcheck)
    assert "is wrong in 4 of 4 elements" in mixed


def test_second_order_of_a_wrong_rule_is_consistent():
    class Twice(Square):
        def backward(self, g, y, x):
            return (g * 4.0 * x,)

    assert gradgradcheck(Twice, normal(3))  # as documented: the first derivative as it is


def test_second_order_by_the_cotangent():
    class Lost(Square):
        def backward(self, g, y, x):
            return (np.asarray(g.numpy() if isinstance(g, Tensor) else g) * 2.0 * x,)

    text = complaint(Lost, normal(3), check=gradgradcheck)
    assert text.startswith(
        "gradgradcheck: Lost: the derivative with respect to g, of shape (3,), is wrong in 3"
    )


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x.exp() * x,
        lambda x: x @ x.T,
        lambda x: x.softmax(),
        lambda x: x.log_softmax(axis=0),
        lambda x: x.logsumexp(0),
        lambda x: x.var(1),
        lambda x: x.prod(0),
        lambda x: (x * x + 1.0) ** -0.5,
        lambda x: x[[0, 0, 2]].sigmoid(),
        lambda x: x.tanh().max(1),
        lambda x: -x,
        lambda x: x,
        lambda x: (x > 0.0).cast(np.float64),
        lambda x: x.cross_entropy(np.array([1, 0, 2, 2])),
        lambda x: (x.sum(), x * 2.0, x.argmax(1)),
        lambda x: x.relu() / (x.abs() + 0.1),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_right_gradients_pass(fn, seed):
    assert gradcheck(fn, normal(4, 3, seed=seed), seed=seed) is True
    assert gradgradcheck(fn, normal(4, 3, seed=seed), seed=seed) is True


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_large_inputs_pass(check):
    fns = (lambda x: x.tanh() @ x.T, lambda x: (x * x).sum(), lambda x: x.log_softmax().relu())
    assert all(check(fn, normal(60, 80)) for fn in fns)


# Every kind of argument


@pytest.mark.parametrize(
    "inputs",
    [
        2.0,
        np.float32(2.0),
        np.array(2.0),
        Tensor(2.0),
        Tensor([1.0, 2.0], requires_grad=True),
        [1.0, -2.0],
        np.zeros((0, 3)),
        Tensor.zeros(2, 0),
        normal(3, 4).T,
        normal(4, 6)[::2, ::-2],
        np.broadcast_to(normal(3), (2, 3)),
        np.asfortranarray(normal(2, 3)),
        (normal(2, 3), 2, normal(3), Tensor([1, 2, 3]), np.array([True, False, True])),
    ],
)
def test_inputs(inputs):
    def fn(*values):
        total = values[0]
        for value in values[1:]:
            total = total * value
        return total.exp()

    assert gradcheck(fn, inputs)
    assert gradgradcheck(fn, inputs)


def test_only_what_requires_grad_is_checked():
    def fn(a, b):
        return a * b.detach()

    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0])
    assert gradcheck(fn, [a, b])
    assert complaint(fn, [a.detach(), b]).startswith(
        "gradcheck: fn: the derivative with respect to x1,"
    )


def test_memory_order_is_kept():
    given = normal(3, 4, 2).transpose(2, 0, 1)[:, ::-1]
    strides = []
    gradcheck(lambda x: strides.append(x.data.strides) or x * x, given)
    order = [[np.sign(s) for s in found] for found in strides]
    assert order == [[1, -1, 1]] * len(order)
    assert all(abs(s[0]) < abs(s[2]) < abs(s[1]) for s in strides)


def test_outputs_that_alias():
    class Same(Function):
        views = True

        def forward(self, x):
            return x

        def backward(self, g, y, x):
            return (g,)

    for fn in (Same, lambda x: (x, x.reshape(3, 1), x), lambda x: x[::-1], lambda x: x.T):
        assert gradcheck(fn, normal(3))
        assert gradgradcheck(fn, normal(3))


def test_op_with_several_results_and_one_of_them_wrong():
    class SumAndDifference(Function):
        def forward(self, a, b):
            return a + b, a - b

        def backward(self, g, y, a, b):
            total, difference = (0.0 if part is None else part for part in g)
            return total + difference, total + difference

    text = complaint(SumAndDifference, [normal(3), normal(3, seed=1)])
    assert "SumAndDifference: the derivative with respect to x1" in text
    assert "d out1[" in text
    assert "is -1, and backward gives 1" in text


def test_hand_derived_numbers():
    class Given(Function):
        """a^2 b with the derivatives at a = 3, b = 5 put in by hand: 2 a b = 30 and a^2 = 9."""

        def forward(self, a, b):
            return a * a * b

        def backward(self, g, y, a, b):
            return g * 30.0, g * 9.0

    assert gradcheck(Given, [3.0, 5.0])
    assert "d out / d x0 is 30.006, and backward gives 30" in complaint(Given, [3.0, 5.001])


def test_seed_and_tolerances_are_options():
    class Nearly(Square):
        def backward(self, g, y, x):
            return (g * 2.00002 * x,)

    assert "right but for" in diagnosis(Nearly, normal(3), seed=5)
    assert gradcheck(Nearly, normal(3), rtol=1e-3)
    assert gradcheck(Nearly, normal(3), atol=1e-3)


@pytest.mark.parametrize(
    ("fn", "inputs", "options", "error", "line"),
    [
        (3, 1.0, {}, TypeError, "fn: expected a function of tensors or a Function subclass; got int"
                                "; write gradcheck(lambda x: ..., inputs)"),
        (abs, 1, {}, TypeError, "inputs: expected a float tensor, array or number among them; got "
                                "int; cast those to check to float64"),
        (abs, [], {}, TypeError, "inputs: expected a float tensor, array or number among them; got "
                                 "nothing; cast those to check to float64"),
        (lambda x: 1., 1.0, {}, TypeError, "fn: expected a Tensor or a tuple of them as result; got"
                                          " float; compute it with Tensor's operations"),
        (lambda x: x > 0, 1.0, {}, TypeError, "fn: expected a float tensor as result; got bool"),
        (abs, 1.0, {"step": 0}, ValueError, "step: expected a positive number, as 1e-6; got 0"),
        (abs, 1.0, {"rtol": "x"}, TypeError, "rtol: expected a number; got 'x'"),
    ],
)  # fmt: skip
def test_arguments_of_the_wrong_kind(fn, inputs, options, error, line):
    with pytest.raises(error) as caught:
        gradcheck(fn, inputs, **options)
    assert str(caught.value) == f"gradcheck: {line}"


def test_inside_no_grad():
    with tl.no_grad(), pytest.raises(RuntimeError, match=r"no gradients inside no_grad\(\)"):
        gradgradcheck(abs, 1.0)
