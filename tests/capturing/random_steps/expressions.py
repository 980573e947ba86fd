"""Random lines of a step: expressions and statements of the values that there are.

Many make no sense, since shapes and dtypes are not looked at: what raises is left out of the step.
"""

import random
from typing import Any

import nn
from tinygrad_lite import Tensor

ELEMENTWISE = [
    *("relu", "tanh", "sigmoid", "gelu", "silu", "softplus", "abs", "square", "neg", "sin", "cos"),
    *("expm1", "erf", "softsign", "mish", "selu", "elu", "celu", "hardtanh", "relu6", "hardswish"),
    *("hardsigmoid", "leaky_relu", "logsigmoid", "sign", "floor", "round", "trunc", "clone"),
    *("contiguous", "detach", "exp", "log_softmax", "softmax", "quick_gelu", "atan", "sinc"),
]
REDUCTIONS = [
    *("sum", "mean", "max", "min", "amax", "amin", "var", "std", "logsumexp", "prod", "norm"),
]

# In each: a, b values; n a number; o a value or a number; i an axis; k an index; s, r a shape and
# the same backwards; c one of a few small numbers.
BINARY = [
    *("{a} + {o}", "{a} - {o}", "{a} * {o}", "{o} - {a}", "{a} / ({b}.abs() + 1)", "{a} / 3"),
    *("{a}.maximum({b})", "{a}.minimum({o})", "{a} ** 2", "2 / ({a}.square() + 1)", "{a} * {a}"),
    *("np.maximum({a}, {o})", "{a}.lerp({b}, 0.3)", "{a}.hypot({b})", "{a} + {a}", "{a} % 2"),
    *("{a}.addcmul({b}, {b})", "{a}.logaddexp({b})", "({a}.abs() + 0.1) ** {n}"),
]
PRODUCTS = [
    *("{a} @ {b}", "{a} @ {b}.mT", "{a}.mT @ {b}", "{a}.linear({b})", "{a}.outer({b})"),
    *("Tensor.einsum('ij,kj->ik', {a}, {b})", "{a}.tensordot({b}, 1)", "{a}.linear({b}, {b})"),
]
VIEWS = [
    *("{a}.reshape(-1)", "{a}.T", "{a}.mT", "{a}.unsqueeze({i})", "{a}[{k}]", "{a}[{k}]"),
    *("{a}.flip({i})", "{a}.reshape({r})", "{a}.expand(2, {s})", "{a}.squeeze()"),
    *("{a}.view({c}, -1)", "{a}.swapaxes(0, {i})", "{a}.diagonal()", "{a}.reshape(-1, {c})"),
]
MOVES = [
    *("{a}.cat({b}, axis={i})", "{a}.stack({b}, axis={i})", "{a}.roll(1, {i})", "{a}.tril()"),
    *("{a}.chunk(2, {i})[0]", "{a}.pad((1, {c}))", "{a}.repeat(2, 1)", "{a}.cumsum({i})"),
    *("{a}.sort({i})[0]", "{a}.topk(1, {i})[0]", "{a}.repeat_interleave(2, {i})"),
    *("{a}.unbind({i})[-1]", "{a}.median({i})[0]", "{a}.split(1, {i})[0]", "{a}.cummax({i})[0]"),
    *("np.concatenate([{a}, {b}], {i})", "{a}.unfold({i}, 2, 1)", "{a}.triu(1)"),
]
CHOICES = [
    *("({a} > {n}).where({a}, {b})", "{a}.masked_fill({a} < 0, {n})", "{a}.clip(-1, {n})"),
    *("{a} * ({b} > 0)", "np.where({a}.detach() > 0, {a}, {n})", "{a}.clamp(min=-0.5)"),
    *("{a}[labels % {c}]", "{a}.gather(0, {a}.argsort(0))", "{a}.take([0, 0, 1])"),
    *("{a} * {a}.argmax({i}, keepdim=True)", "{a}[rows_of]", "{a} * labels.reshape(-1, 1)"),
    *("{a}.scatter_add(0, {a}.argsort(0), {b})", "{a}.index_add(0, [0, 0], {b}[:2])"),
    *("{a} - {a}.detach().max()", "{a}.index_select({i}, rows_of % {c})", "{a} == {a}.max()"),
]
DRAWS = [
    *("{a}.dropout(0.3)", "{a}.dropout(rate)", "{a} + {a}.randn_like()", "{a} + Tensor.randn({s})"),
    *("{a} * Tensor.rand({s})", "{a}[Tensor.randperm({c})]", "{a} + Tensor.uniform({s})"),
]
CALLS = [
    *("{l}({a})", "{l}({a})", "{l}({a})", "{l}({a})[0]", "{l}({a}, {b})", "{l}({a}, {a}, {a})[0]"),
    *("{l}(labels)", "{l}({a}.unsqueeze(1))", "tl.checkpoint({l}, {a})", "{l}({a}).relu()"),
]
OTHERS = [
    *("deeper({a})", "{a} * gain", "{a} + bias_of", "{a} if gain > 1 else {b}", "{a} * scale"),
    *("{a} + table", "{a} @ table", "{a}.layernorm()", "sum({a} * i for i in range(3))"),
    *("Tensor(plain_table) + {a}", "{a} * running", "{a}.relu() + {b}.detach()"),
    *("Doubled.apply({a})", "{a}.sum() * {b}", "{a} + plain_table", "{a} * np.float64(0.5)"),
    *("nn.functional.dropout({a}, 0.5)", "{a}.cast('float64')", "{a}.cast('float32')"),
]
KINDS: list[tuple[int, list[str]]] = [
    (5, [f"{{a}}.{name}()" for name in ELEMENTWISE]),
    (2, [f"{{a}}.{name}({how})" for name in REDUCTIONS for how in ("", "{i}", "{i}, True")]),
    *((6, BINARY), (4, PRODUCTS), (4, VIEWS), (2, MOVES), (3, CHOICES), (1, DRAWS), (5, CALLS)),
    (2, OTHERS),
]


class Values:
    """The values of a step, by name, and random expressions of them."""

    def __init__(self, rng: random.Random, named: dict[str, Any]) -> None:
        self.rng, self.named = rng, named
        self.newest = "x"

    def floats(self) -> list[str]:
        """The names of tensors of floating-point numbers."""
        found = self.named.items()
        return [name for name, one in found if isinstance(one, Tensor) and one.dtype.kind == "f"]

    def layers(self) -> list[str]:
        return [name for name, one in self.named.items() if isinstance(one, nn.Module)]

    def value(self) -> str:
        """Often the newest, so that the loss depends on most lines."""
        return self.newest if self.rng.random() < 0.45 else self.rng.choice(self.floats())

    def number(self) -> str:
        return self.rng.choice(["2", "-1", "0.5", "1.5", "-0.25", "scale", "gain", "np.float32(3)"])

    def index(self, name: str) -> str:
        """A subscript: slices, integers, None, a list of integers."""
        shape = self.named[name].shape
        if not shape or 0 in shape:
            return "..."
        parts = [self.part(size) for size in shape[: self.rng.randrange(1, len(shape) + 1)]]
        if self.rng.random() < 0.15:
            parts.insert(0, "None")
        elif self.rng.random() < 0.2:
            parts[0] = str([self.rng.randrange(shape[0]) for _ in range(self.rng.randrange(1, 5))])
        return ", ".join(parts)

    def part(self, size: int) -> str:
        start, stop = sorted(self.rng.randrange(size + 1) for _ in range(2))
        one = str(self.rng.randrange(size))
        return self.rng.choice([":", f"{start}:{stop}", "::2", "::-1", one])

    def expression(self) -> str:
        rng, a, b, n = self.rng, self.value(), self.value(), self.number()
        (kind,) = rng.choices([forms for _, forms in KINDS], [weight for weight, _ in KINDS])
        shape = [str(size) for size in self.named[a].shape]
        return rng.choice(kind).format(
            **{"a": a, "b": b, "n": n, "o": rng.choice([b, b, b, n])},
            i=rng.randrange(-len(shape), len(shape)) if shape else 0,
            k=self.index(a),
            s=", ".join(shape),
            r=", ".join(shape[::-1]),
            c=rng.randrange(1, 5),
            l=rng.choice(self.layers() or ["no_layer"]),
        )

    def statements(self, name: str) -> list[str]:
        """Statements that assign to `name`, or that write into a buffer."""
        rng, newest = self.rng, self.newest
        number, value, index = self.number(), self.value(), self.index(newest)
        operator, right = rng.choice(["+=", "-=", "*="]), rng.choice(["0", number, value])
        ways = [
            (80, [f"{name} = {self.expression()}"]),
            (3, [f"{name} = {newest}.clone()", f"{name} {operator} {rng.choice([number, value])}"]),
            (3, [f"{name} = {newest} * 1", f"{name}[{index}] {operator} {number}"]),
            (3, [f"{name} = {newest} + 0", f"{name}[{index}] = {right}"]),
            (4, [f"with no_grad():\n    {name} = {self.expression()}"]),
            (1, [f"with no_grad():\n    running *= 0.9; running += 0.1 * {value}.mean()"]),
            (1, [f"with no_grad():\n    running[0] = {value}.max()"]),
            (1, [f"{name} = {value}.detach()", f"running.lerp_({name}, 0.1)"]),
            (2, [f"{name} = {self.expression()} if gain > 1 and {newest}.ndim else {newest}"]),
            (2, [f"{name} = {newest}", f"for _ in range(3):\n    {name} = {name} / 2 + {value}"]),
        ]
        (found,) = rng.choices([lines for _, lines in ways], [weight for weight, _ in ways])
        return found
