"""Function, the public way to write an operation of one's own."""

import functools
import weakref
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Function, Tensor, gradcheck, gradgradcheck
from tinygrad_lite.engine.memory import changes


class Cube(Function):
    """y = x^3."""

    saves = "inputs"

    def forward(self, x):
        return x * x * x

    def backward(self, g, y, x):
        return (g * 3.0 * x * x,)


class Scale(Function):
    """y = factor x, with an option."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return x * self.factor

    def backward(self, g, y, x):
        assert y is None
        assert x is None
        return (g * self.factor,)


class SinCos(Function):
    """Two results, kept for the rule."""

    saves = "output"

    def forward(self, x):
        return np.sin(x), np.cos(x)

    def backward(self, g, y, x):
        sine, cosine = y
        g_sine, g_cosine = g
        total = 0.0
        if g_sine is not None:
            total = g_sine * cosine
        if g_cosine is not None:
            total = total - g_cosine * sine
        return (total,)


def test_a_users_op_is_checked_as_it_is() -> None:
    x = Tensor(np.linspace(-1, 1, 5), requires_grad=True)
    assert gradcheck(Cube, x)
    assert gradgradcheck(Cube, x)
    assert Cube.apply(x).op == "Cube"


def test_options_go_to_init() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    Scale.apply(x, factor=5.0).sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_without_tensors_apply_is_forward() -> None:
    result = Cube.apply(np.array([2.0]))
    assert type(result) is np.ndarray
    assert result.tolist() == [8.0]


@pytest.mark.parametrize("used", [(0,), (1,), (0, 1)])
def test_several_results(used: tuple[int, ...]) -> None:
    values = np.linspace(-1, 1, 5)
    x = Tensor(values, requires_grad=True)
    results = SinCos.apply(x)
    expected = sum((np.cos(values), -np.sin(values))[place] * (place + 2.0) for place in used)
    total = sum((results[place] * (place + 2.0)).sum() for place in used)
    total.backward()
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-14)
    assert gradcheck(SinCos.apply, x)
    assert gradgradcheck(SinCos.apply, x)
    assert results[0].op == "SinCos"


def test_needs_says_what_is_asked_for() -> None:
    seen = []

    class Product(Function):
        saves = "inputs"
        broadcasts = True

        def forward(self, a, b):
            seen.append(self.needs)
            return a * b

        def backward(self, g, y, a, b):
            return (g * b if self.needs[0] else None, g * a if self.needs[1] else None)

    x = Tensor([1.0, 2.0], requires_grad=True)
    Product.apply(x, 3.0).sum().backward()
    Product.apply(Tensor([1.0, 2.0]), x).sum().backward()
    Product.apply(Tensor(1.0), Tensor(2.0))
    assert seen == [(True, False), (False, True), (False, False)]
    assert x.grad.tolist() == [4.0, 5.0]


def test_a_gradient_of_the_wrong_shape_names_the_op() -> None:
    class Row(Function):
        def forward(self, a, b):
            return a + b

        def backward(self, g, y, a, b):
            return g, g

    b = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Row.backward: a gradient has shape \(3, 2\), and its"):
        Row.apply(Tensor(np.ones((3, 2))), b).sum().backward()


def test_a_forgotten_saves_is_named() -> None:
    class Square(Function):
        def forward(self, x):
            return x * x

        def backward(self, g, y, x):
            return (g * 2.0 * x,)

    hint = r"Square.backward gets None for what is not saved, and says saves = 'nothing'"
    with pytest.raises(TypeError, match=hint):
        Square.apply(Tensor([1.0, 2.0], requires_grad=True)).sum().backward()


def test_a_gradient_that_is_too_small_is_not_told_to_sum() -> None:
    class Total(Function):
        def forward(self, x):
            return x.sum()

        def backward(self, g, y, x):
            return (g,)

    with pytest.raises(RuntimeError, match=r"shape \(\), and its input has shape \(2,\)$"):
        Total.apply(Tensor([1.0, 2.0], requires_grad=True)).backward()


def test_a_wrong_number_of_gradients_names_the_op() -> None:
    class One(Function):
        def forward(self, a):
            return a * 1.0

        def backward(self, g, y, a):
            return g

    with pytest.raises(
        TypeError, match=r"One.backward: expected a tuple of 1 gradients; got ndarr"
    ):
        One.apply(Tensor([1.0], requires_grad=True)).sum().backward()


def test_saves_is_checked_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Bad.saves: expected .*; got 'input'"):

        class Bad(Function):
            saves = "input"


def test_a_rule_in_double_precision_leaves_a_float32_gradient() -> None:
    class Sloppy(Function):
        def forward(self, x):
            return x * 2

        def backward(self, g, y, x):
            return (g * np.array([2.0, 2.0]),)

    x = Tensor([1.0, 2.0], requires_grad=True)
    Sloppy.apply(x).sum().backward()
    assert x.grad.dtype == np.float32


def test_a_forward_that_returns_its_input_is_a_view() -> None:
    class Same(Function):
        def forward(self, x):
            return x

        def backward(self, g, y, x):
            return (g,)

    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 1.0
    z = Same.apply(y)
    with pytest.raises(RuntimeError, match="another tensor of shape"):
        z += 1.0
    (z * z).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


class Halves(Function):
    """Two views of one tensor."""

    def forward(self, x):
        self.size = len(x)
        return x[:1], x[1:]

    def backward(self, g, y, x):
        first = np.zeros(1) if g[0] is None else g[0]
        rest = np.zeros(self.size - 1) if g[1] is None else g[1]
        return (np.concatenate((first, rest)),)


def test_several_results_that_are_views() -> None:
    x = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    y = x * 1.0
    first, rest = Halves.apply(y)
    with pytest.raises(RuntimeError, match="another tensor of shape"):
        y *= 5.0
    (first * first).sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]
    del first, rest
    sine, _ = SinCos.apply(x)
    sine += 1.0  # no leaf; but the rule reads what it was
    with pytest.raises(RuntimeError, match="SinCos saved an array of shape"):
        sine.sum().backward()


def test_a_namedtuple_is_several_results() -> None:
    class Slogdet(Function):
        saves = "inputs"

        def forward(self, x):
            return np.linalg.slogdet(x)

        def backward(self, g, y, x):
            return (g[1] * np.linalg.inv(x).mT,)

    x = Tensor(np.array([[2.0, 1.0], [0.5, 3.0]]), requires_grad=True)
    sign, logarithm = Slogdet.apply(x)
    assert sign.item() == 1.0
    assert logarithm.item() == pytest.approx(np.log(5.5))
    assert gradcheck(lambda x: Slogdet.apply(x)[1], x)


class Forgets(Function):
    def forward(self, x):
        x * 2.0


class Imaginary(Function):
    def forward(self, x):
        return x * 1j


class Named(Function):
    def __init__(self, line):
        self.line = line

    def forward(self, x):
        return x * 1.0


class Scaled(Function):
    def __init__(self, by):
        self.by = by

    def forward(self, x):
        return x * self.by.data


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda x: Forgets.apply(x),
            r"^Forgets.forward: expected an array of real numbers; got None",
        ),
        (lambda x: Imaginary.apply(x), "^Imaginary.forward: .*; got complex64"),
        (
            lambda x: Named.apply(x, line=3),
            "^Named: the engine uses the name self.line; choose anoth",
        ),
        (
            lambda x: Scaled.apply(x, by=x),
            "^Scaled: an option is a Tensor that requires grad; make",
        ),
    ],
)
def test_what_the_author_of_an_op_may_get_wrong(use, message) -> None:
    with pytest.raises(TypeError, match=message):
        use(Tensor([1.0, 2.0], requires_grad=True))


def test_an_integer_result_carries_no_gradient() -> None:
    class Floor(Function):
        def forward(self, x):
            return np.floor(x).astype(np.int64)

    assert not Floor.apply(Tensor([1.5], requires_grad=True)).requires_grad


@pytest.mark.parametrize("hold", [lambda mask: [mask.data], lambda mask: {"m": mask}, lambda m: m])
def test_constants_are_guarded_wherever_they_are_kept(hold) -> None:
    class Weighted(Function):
        __slots__ = "masks"  # what a user may write

        def __init__(self, masks, mask):
            self.masks = masks

        def forward(self, x):
            return x * 2.0

        def backward(self, g, y, x):
            return (g * 2.0,)

    mask, x = Tensor([1.0, 2.0]), Tensor([1.0, 1.0], requires_grad=True)
    y = Weighted.apply(x, masks=hold(mask), mask=None)
    mask += 10.0
    with pytest.raises(RuntimeError, match="Weighted saved an array of shape"):
        y.sum().backward()


def test_a_subclass_of_tensor_stays_one() -> None:
    class Named(Tensor):
        """With a dict of its own."""

    x = Named([1.0, 2.0], requires_grad=True)
    y = (x * 2.0).sum()
    assert type(y) is Named
    y.backward()
    assert type(x.grad) is Named
    assert type(tl.grad((x * x).sum(), x, create_graph=True)[0]) is Named


class Total(Function):
    """A sum whose backward makes a new array, whatever it is given."""

    def forward(self, x):
        self.shape = x.shape
        return np.asarray(x.sum())

    def backward(self, g, y, x):
        return (np.full(self.shape, float(g)),)


def test_a_backward_that_returns_arrays_is_a_constant_in_second_order() -> None:
    x = Tensor(np.array([2.0, 3.0]))
    np.testing.assert_allclose(
        tl.hessian(lambda t: Total.apply(t * t * t), x).data, np.diag([12, 18])
    )
    both = tl.hessian(lambda t: (t * t * t).sum() + Total.apply(t * t), x)
    np.testing.assert_allclose(both.data, np.diag([14.0, 20.0]))
    w = Tensor(np.array([2.0, 3.0]), requires_grad=True)
    (w * w * w).sum().backward(create_graph=True)
    Total.apply(w * w).backward(create_graph=True)
    (second,) = tl.grad(w.grad.sum(), w)
    np.testing.assert_allclose(second.data, 6.0 * w.data + 2.0)


def test_second_order_of_subclasses_that_say_nothing_to_their_bases() -> None:
    class Registry:
        def __init_subclass__(cls, **options):
            pass

    class Mine(Registry, Tensor):
        __slots__ = ()

    found = tl.hessian(lambda t: (t * t * t).sum(), Mine(np.array([2.0, 3.0])))
    np.testing.assert_allclose(found.data, np.diag([12.0, 18.0]))


def test_a_users_op_frees_what_it_saved() -> None:
    class Tanh(Function):
        saves = "output"

        plan = results = None  # names that an author may well take

        def __init__(self, constants=None):
            self.constants = constants

        def forward(self, x):
            return np.tanh(x)

        def backward(self, g, y, x):
            return (g * (1.0 - y * y) * self.constants["one"],)

    x = Tensor([0.5, 1.0], requires_grad=True)
    y = Tanh.apply(x * 1.0, constants={"one": 1.0})
    saved = weakref.ref(y.data)
    loss = y.sum()
    del y
    assert saved() is not None
    loss.backward()
    assert saved() is None
    np.testing.assert_allclose(x.grad.data, 1.0 - np.tanh([0.5, 1.0]) ** 2, rtol=1e-6)


def as_mixin():
    class Common:
        saves = "inputs"

        def backward(self, g, y, x, z):
            return g * z, g * x

    class Op(Common, Function):
        def forward(self, x, z):
            return x * z

    return Op


def as_mixin_beside_a_base():
    class Rule:
        def backward(self, g, y, x, z):
            return g * z, g * x

    class Base(Function):
        saves = "inputs"

        def forward(self, x, z):
            return x * z

    class Op(Rule, Base):
        pass

    return Op


def as_reads_of_a_base():
    class Base(Function):
        reads = {"x": ("z",), "z": ("x",)}  # noqa: RUF012

        def forward(self, x, z):
            return x * z

        def backward(self, g, y, x, z):
            return g * z, g * x

    class Op(Base):
        def backward(self, g, y, x, z):
            return super().backward(g, y, x, z)

    return Op


def as_static_rule():
    class Op(Function):
        reads = {"x": ("z",), "z": ("x",)}  # noqa: RUF012

        def forward(self, x, z):
            return x * z

        @staticmethod
        def backward(g, y, x, z):
            return g * z, g * x

    return Op


def as_decorated_rule():
    def traced(rule):
        @functools.wraps(rule)
        def wrapper(self, g, y, *inputs):
            return rule(self, g, y, inputs)

        return wrapper

    class Op(Function):
        saves = "inputs"

        def forward(self, x, z):
            return x * z

        @traced
        def backward(self, g, y, inputs):
            return g * inputs[1], g * inputs[0]

    return Op


def as_dataclass():
    @dataclass(slots=True, eq=False)
    class Op(Function):
        saves = "inputs"
        factor: float = 1.0

        def forward(self, x, z):
            return x * z * self.factor

        def backward(self, g, y, x, z):
            return g * z, g * x

    return Op


def as_inputs_with_any_name():
    class Op(Function):
        saves = "inputs"

        def forward(self, x, y):
            return x * y

        def backward(self, grad, out, x, y):
            assert out is None
            return grad * y, grad * x

    return Op


@pytest.mark.parametrize(
    "make",
    [
        as_mixin,
        as_mixin_beside_a_base,
        as_reads_of_a_base,
        as_static_rule,
        as_decorated_rule,
        as_dataclass,
        as_inputs_with_any_name,
    ],
)
def test_ways_to_write_an_op(make) -> None:
    op = make()
    x, z = (Tensor(np.array(v), requires_grad=True) for v in ([1.0, 2.0], [3.0, 4.0]))
    result = op.apply(x, z)
    result += 1.0  # which no rule reads
    result.sum().backward()
    np.testing.assert_array_equal(x.grad.data, z.data)
    np.testing.assert_array_equal(z.grad.data, x.data)


def test_a_view_is_one_whatever_the_author_says() -> None:
    class Same(Function):
        views = False

        def forward(self, x):
            return x.astype(x.dtype, copy=False)

        def backward(self, g, y, x):
            return (g,)

    w = Tensor([1.0, 2.0], requires_grad=True)
    h = w * 1.0
    y = Same.apply(h)
    with pytest.raises(RuntimeError, match="is a view of this memory"):
        y *= 3.0


class Held(Function):
    """x times what it holds; `held` may be any kind of option."""

    saves = "inputs"

    def __init__(self, held, read):
        self.held = held
        self.read = read

    def forward(self, x):
        return x * self.read(self.held)

    def backward(self, g, y, x):
        return (g * self.read(self.held),)


def test_an_option_may_contain_itself_or_much() -> None:
    circle: list = [2.0]
    circle.append(circle)
    nested: object = (1, 2)
    for _ in range(60):
        nested = [nested, nested]
    for held in (circle, list(range(10_000)), nested):
        x = Tensor([1.0, 2.0], requires_grad=True)
        y = Held.apply(x, held=held, read=lambda _: 3.0)
        noted = Tensor([1.0])
        noted += 1.0
        y.sum().backward()
        assert x.grad.tolist() == [3.0, 3.0]


def test_a_tensor_that_comes_to_an_option_later_is_guarded() -> None:
    x, late, held = Tensor([1.0, 2.0], requires_grad=True), Tensor([5.0, 5.0]), [2.0]
    y = Held.apply(x, held=held, read=lambda held: held[0])
    held.append(late)
    late += 1.0
    with pytest.raises(RuntimeError, match="Held saved an array of shape"):
        y.sum().backward()


def test_writes_are_noted_no_longer_than_an_op_needs_it() -> None:
    before = changes.alerts
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = Held.apply(x, held=[Tensor([1.0, 1.0])], read=lambda held: held[0].data)
    assert changes.alerts == before + 1
    y.sum().backward()
    assert changes.alerts == before
    y = Held.apply(x, held=[2.0], read=lambda held: held[0])
    del y
    assert changes.alerts == before
    Scale.apply(x, factor=2.0).sum()  # numbers cannot change
    assert changes.alerts == before


def test_a_base_that_says_nothing_to_its_bases() -> None:
    class Registry:
        def __init_subclass__(cls, **options):
            pass

    class Exponential(Registry, Cube):
        saves = "both"

        def forward(self, x):
            return np.exp(x)

        def backward(self, g, y, x):
            return (g * y,)

    class Squared(Registry, Function):
        saves = "inputs"

        def forward(self, x):
            return x * x

        def backward(self, g, y, x):
            return (g * 2.0 * x,)

    for op in (Exponential, Squared):
        assert gradcheck(op, Tensor(np.array([0.5, 1.5]), requires_grad=True))


def test_a_generic_op() -> None:
    kind = TypeVar("kind")

    class Twice(Function, Generic[kind]):
        def forward(self, x):
            return x * 2.0

        def backward(self, g, y, x):
            return (g * 2.0,)

    assert gradcheck(Twice[float].apply, Tensor(np.array([0.5, 1.5]), requires_grad=True))


@pytest.mark.parametrize("name", ["_record", "kept_arrays", "_plan"])
def test_the_engines_own_names_are_refused(name) -> None:
    with pytest.raises(TypeError, match=f"^Op: the engine uses the name {name}; choose another$"):
        type("Op", (Function,), {name: None})


# Ops that are called, or written, as in PyTorch


@dataclass(eq=False)
class Power(Function):
    """With an option that may be given by position, but not to the class."""

    exponent: float = 2.0

    def forward(self, x):
        return x**self.exponent


@pytest.mark.parametrize("op", [Cube, Power, Scale])
@pytest.mark.parametrize(
    "given", [(Tensor([1.0]),), (np.ones(2),), (3.0, Tensor([1.0])), (Tensor([1.0]), Tensor([2.0]))]
)
def test_an_op_that_is_called_without_apply(op, given) -> None:
    name = op.__name__
    expected = rf"^{name}\(x\) makes no tensor; write {name}.apply\(x\)$"
    with pytest.raises(TypeError, match=expected):
        op(*given)


def test_an_op_without_options_takes_nothing() -> None:
    with pytest.raises(TypeError, match=r"^Cube\(x\) makes no tensor; write Cube.apply\(x\)$"):
        Cube(2.0)
    assert Power(3.0).exponent == 3.0  # an option
    np.testing.assert_array_equal(Power.apply(Tensor([2.0]), exponent=3.0).data, [8.0])


def with_a_context():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2.0 * x * g


def with_a_context_of_another_name():
    class Square(Function):
        @staticmethod
        def forward(context, x, *others):
            context.save_for_backward(x, *others)
            return x * x


def with_a_context_that_is_self():
    class Square(Function):
        def forward(self, x):
            self.save_for_backward(x)
            return x * x


def with_a_context_that_is_set_up():
    class Square(Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)


def with_a_context_in_backward():
    class Square(Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g


def with_a_context_in_a_base():
    class Rule:
        @staticmethod
        def forward(ctx, x):
            return x * x

    class Square(Rule, Function):
        pass


@pytest.mark.parametrize(
    ("write", "method"),
    [
        (with_a_context, "forward"),
        (with_a_context_of_another_name, "forward"),
        (with_a_context_that_is_self, "forward"),
        (with_a_context_that_is_set_up, "setup_context"),
        (with_a_context_in_backward, "backward"),
        (with_a_context_in_a_base, "forward"),
    ],
)
def test_an_op_that_was_written_for_pytorch(write, method) -> None:
    expected = (
        rf"^Square\.{method}: this is PyTorch's form; write forward\(self, x\) and "
        r'backward\(self, g, y, x\), and saves = "inputs" instead of ctx\.save_for_backward\(x\)$'
    )
    with pytest.raises(TypeError, match=expected):
        write()


class Doubled(Function):
    def forward(self, x):
        return x * 2.0

    def backward(self, g, y, x):
        return (g * 2.0,)


class Masking(Doubled):
    def forward(self, x):
        return np.ma.array(x, mask=False)


class MaskingBackward(Doubled):
    def backward(self, g, y, x):
        return (np.ma.array(g, mask=False),)


def test_a_masked_array_of_a_users_op_is_refused() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"^Masking.forward: a MaskedArray has a mask"):
        Masking.apply(x)
    with pytest.raises(TypeError, match=r"^MaskingBackward.backward: a MaskedArray has a mask"):
        MaskingBackward.apply(x).sum().backward()


def test_a_backward_that_captures_a_tensor_is_refused_unless_it_is_recorded() -> None:
    """On arrays the captured tensor would get no gradient; with create_graph it gets one."""
    x, factor = (Tensor(value, requires_grad=True) for value in (3.0, 5.0))

    class Captures(Doubled):
        def backward(self, g, y, x):
            return (factor * g,)

    with pytest.raises(TypeError, match=r"^Captures.backward: got a Tensor that requires grad"):
        Captures.apply(x).backward()
    (first,) = tl.grad(Captures.apply(x), [x], create_graph=True)
    first.backward()
    assert factor.grad.item() == 1.0

    class Detaches(Doubled):
        def backward(self, g, y, x):
            return (factor.detach() * g,)

    Detaches.apply(x).backward()
    assert x.grad.item() == 5.0
    assert not x.grad.requires_grad


def test_the_error_of_a_gradient_of_another_shape_is_the_same_when_recorded() -> None:
    class Narrow(Doubled):
        def backward(self, g, y, x):
            return (g[:1],)

    for create_graph in (False, True):
        x = Tensor([1.0, 2.0], requires_grad=True)
        with pytest.raises(RuntimeError, match=r"Narrow.backward: a gradient has shape \(1,\)"):
            tl.grad(Narrow.apply(x).sum(), [x], create_graph=create_graph)


def test_results_of_a_subclass_need_no_arguments_of_its_constructor() -> None:
    class Named(Tensor):
        def __new__(cls, name, data, **options):
            return super().__new__(cls)

        def __init__(self, name, data, **options):
            super().__init__(data, **options)

    x = Named("x", [1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    assert type(y) is Named
    assert x.grad.tolist() == [2.0, 4.0]
