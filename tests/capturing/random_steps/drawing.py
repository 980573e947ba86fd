"""Random training steps as texts: what they use, what they do, and what happens between calls."""

import random
import warnings
from collections.abc import Sequence
from textwrap import indent
from typing import Any, NamedTuple

from capturing.random_steps.expressions import Values

from tinygrad_lite import Tensor

CALLS = 6  # of each step: the first runs eagerly, the second is recorded
LARGEST = 1500  # elements of a value
HEAD = """\
import numpy as np

import nn
import tinygrad_lite as tl
from tinygrad_lite import Tensor, no_grad

Tensor.manual_seed({seed})
rng = np.random.default_rng({seed})


class Doubled(tl.Function):
    saves = "nothing"

    def forward(self, x):
        return x + x

    def backward(self, g, y, x):
        return (2 * g,)


def normal(*shape):
    return (0.5 * rng.standard_normal(shape)).astype("{dtype}")


def leaf(*shape):
    return Tensor(normal(*shape), requires_grad=True)


def called(step, rows, seed):
    draw = np.random.default_rng(seed)
    x = {x}
    labels = draw.integers(0, {classes}, rows)
    return step({arguments})


"""
ARRAY = "draw.standard_normal((rows, {width})).astype('{dtype}')"
INPUTS = [
    *(f"Tensor({ARRAY})", f"Tensor({ARRAY})", f"Tensor({ARRAY})", ARRAY),
    *(f"Tensor.from_array(np.asfortranarray({ARRAY}))", f"Tensor({ARRAY}[:, ::-1])"),
    f"Tensor.from_array({ARRAY}[:, ::-1])",
]
ARGUMENTS = [
    *("x, labels, 0.5 + seed / 8", "x, Tensor(labels), 1.5", "x, labels, np.float32(seed / 8)"),
    *("x, labels, 3", "x, Tensor(labels), scale=0.5 + seed / 8", "labels=labels, x=x, scale=seed"),
]
LAYERS = [
    *("nn.Linear({n}, {m})", "nn.Linear({n}, {n})", "nn.Linear({n}, {m}, bias=False)"),
    *("nn.LayerNorm({n})", "nn.BatchNorm1d({n})", "nn.BatchNorm1d({n}, momentum=None)"),
    *("nn.Dropout(0.4)", "nn.RMSNorm({n})", "nn.PReLU()", "nn.GELU()", "nn.GroupNorm(1, {n})"),
    "nn.Sequential(nn.Linear({n}, {m}), nn.ReLU(), nn.Linear({m}, {n}))",
    "nn.Sequential(nn.Linear({n}, {m}), nn.BatchNorm1d({m}), nn.Tanh(), nn.Dropout(0.2))",
    *("nn.Bilinear({n}, {n}, {m})", "nn.LSTM({n}, {m})", "nn.GRU({n}, {m})", "nn.RNN({n}, {m})"),
    *("nn.Embedding(10, {n})", "nn.MultiheadAttention({n}, 1)", "nn.LSTMCell({n}, {m})"),
    *("nn.Conv1d(1, 2, 3, padding=1)", "nn.InstanceNorm1d(1)", "nn.MaxPool1d(2)", "nn.RReLU()"),
]
OPTIMISERS = [
    *("SGD({p}, lr=0.05)", "SGD({p}, lr=0.05, momentum=0.9)", "Adam({p}, lr=0.01)"),
    "SGD({p}, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)",
    *("AdamW({p}, lr=0.01)", "RMSprop({p}, lr=0.01)", "Adagrad({p}, lr=0.01)"),
    *("Adam({p}, lr=0.01, amsgrad=True)", "NAdam({p}, lr=0.01)", "RAdam({p}, lr=0.01)"),
    *("Adadelta({p}, lr=0.5)", "LAMB({p}, lr=0.01)", "Rprop({p}, lr=0.01)", "Muon({p}, lr=0.01)"),
    *("Adamax({p}, lr=0.01)", "ASGD({p}, lr=0.01)", "LARS({p}, lr=0.05)", "Lion({p}, lr=0.01)"),
]
LEAKS = ["n = loss.item()", "assert loss == loss", "print(end=str(loss)[:0])", "list(loss + w0)"]


class Step(NamedTuple):
    """The statements of a step.

    setup   what it uses
    body    those of the function
    before  what happens before each call
    rows    of the batch in each call
    leaves  whether a value leaves the record, so that the step runs eagerly
    """

    head: str
    setup: list[str]
    body: list[str]
    before: list[list[str]]
    rows: list[int]
    leaves: bool

    def text(self) -> str:
        """The part that defines `step`."""
        body = indent("\n".join(self.body or ["pass"]), "    ")
        return self.head + "\n".join(self.setup) + f"\n\n\ndef step(x, labels, scale):\n{body}\n"

    def program(self) -> str:
        """The whole as a program, which prints what the calls return."""
        lines = ["", "", "if True:", "    step = tl.capture(step, strict=True)"]
        for number, (events, rows) in enumerate(zip(self.before, self.rows, strict=True)):
            lines += [*events, f"print({number}, called(step, {rows}, {number}))"]
        return self.text() + "\n".join(lines) + "\n"


def drawn(seed: int, attempt: int = 0) -> Step | None:
    """The step of a seed; None if this attempt came to nothing."""
    rng = random.Random(f"{seed} {attempt}")
    width, classes = rng.choice([1, 2, 3, 4, 4, 6, 8]), rng.choice([2, 3, 5])
    rows, dtype = rng.choice([2, 2, 3, 5, 8]), rng.choice(["float32"] * 3 + ["float64"])
    x = rng.choice(INPUTS).format(width=width, dtype=dtype)
    head = HEAD.format(
        **{"seed": seed, "dtype": dtype, "classes": classes, "x": x},
        arguments=rng.choice(ARGUMENTS),
    )
    setup, weights, layers = _setup(rng, width, classes, rows)
    scope: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(head + "\n".join(setup), scope)
        scope["called"](
            lambda x, labels, scale: scope.update(x=x, labels=labels, scale=scale), rows, 0
        )
        body = ["x = Tensor(x)"] if not isinstance(scope["x"], Tensor) else []
        scope["x"] = x = scope["x"] if not body else Tensor(scope["x"])
        named = {name: scope[name] for name in ("x", "table", "running", *weights, *layers)}
        values = Values(rng, named)
        body += _body(rng, values, scope)
    made = [name for name in values.floats() if name[0] == "v" and named[name].requires_grad]
    if not made:
        return None
    optimisers = _optimisers(rng, weights, layers)
    names = [f"optim{number}" for number in range(len(optimisers))]
    setup += [f"{name} = {made}" for name, made in zip(names, optimisers, strict=True)]
    body += _ending(rng, made[-1], named, weights, names)
    leaves = rng.random() < 0.04
    body += [rng.choice(LEAKS)] if leaves else []
    body.append(f"return {_result(rng, values, made[-1], weights)}")
    before = [[]] * 2 + [_event(rng, names, weights, layers, width) for _ in range(CALLS - 2)]
    sizes = [rows + (number > 1 and rng.random() < 0.05) for number in range(CALLS)]
    return Step(head, setup, body, before, sizes, leaves)


def _named(x: Any, labels: Any, scale: Any) -> dict[str, Any]:
    """The arguments by name."""
    return {"x": x, "labels": labels, "scale": scale}


def _setup(
    rng: random.Random, width: int, classes: int, rows: int
) -> tuple[list[str], list[str], list[str]]:
    """What the step uses, and the names of the parameters and of the layers."""
    lines = [
        f"gain = {rng.choice(['0.7', '2', '1.3'])}",
        "rate = 0.25",
        "bias_of = np.float32(0.1)",
        f"plain_table = normal({width})",
        "table = Tensor(plain_table)",
        f"running = Tensor(normal({rng.choice([width, 1])}))",
        f"rows_of = np.array({[rng.randrange(rows) for _ in range(3)]})",
    ]
    shapes = [(width,), (width, width), (width, classes), (rows, width), (classes,), (3, width)]
    weights = [f"w{number}" for number in range(rng.randrange(1, 4))]
    for name in weights:
        lines.append(f"{name} = leaf({', '.join(map(str, rng.choice(shapes)))})")
    layers = [f"layer{number}" for number in range(rng.choice([0, 1, 1, 2, 2, 3]))]
    for name in layers:
        lines.append(
            f"{name} = " + rng.choice(LAYERS).format(n=width, m=rng.choice([classes, width]))
        )
    if rng.random() < 0.04:
        lines.append(f"{rng.choice(weights)}.register_hook(lambda gradient: gradient * 0.5)")
    return [*lines, "deeper = lambda value: value.tanh() * w0"], weights, layers


def _body(rng: random.Random, values: Values, scope: dict[str, Any]) -> list[str]:
    """Lines that run."""
    body = []
    for number in range(rng.randrange(2, 13)):
        name = f"v{number}"
        for _ in range(12):
            lines = values.statements(name)
            value = _tried(lines, name, scope)
            if value is not None:
                body += lines
                break
        if isinstance(value, Tensor):
            values.named[name] = scope[name] = value
            if name in values.floats() and value.numel():
                values.newest = name
    return body


def _tried(lines: list[str], name: str, scope: dict[str, Any]) -> Any:
    """The value that the lines assign to a name; True if they assign none, None if they fail."""
    own = dict(scope)
    try:
        exec("\n".join(lines), own)
    except Exception:
        return None
    value = own.get(name, True)
    if not isinstance(value, Tensor):
        return True if value is True else None
    array = value.data
    small = array.size <= LARGEST and (array.dtype.kind != "f" or bool((abs(array) < 1e4).all()))
    return value if small else None


def _optimisers(rng: random.Random, weights: list[str], layers: list[str]) -> list[str]:
    """One for all, or one for the first parameter and the layers, and one for the others."""
    groups = [weights] if rng.random() < 0.7 or len(weights) < 2 else [weights[:1], weights[1:]]
    found = []
    for number, group in enumerate(groups):
        parameters = f"[{', '.join(group)}]"
        if number == 0:
            parameters += "".join(f" + list({name}.parameters())" for name in layers)
        found.append("nn.optim." + rng.choice(OPTIMISERS).format(p=parameters))
    return found


def _ending(
    rng: random.Random, last: str, named: dict[str, Any], weights: list[str], names: list[str]
) -> list[str]:
    """The loss, the backward pass and the update."""
    losses = [f"{last}.mean()", f"{last}.square().sum()", f"({last} * 0.5).sum()"]
    shape = named[last].shape
    if len(shape) == 2 and shape[0] == named["x"].shape[0]:
        losses += [f"{last}.cross_entropy(labels % {shape[1]})"] * 4
    loss = rng.choice(losses)
    if rng.random() < 0.3:
        loss += f" + 0.1 * {rng.choice(weights)}.square().sum()"
    zero = [f"{name}.zero_grad()" for name in names]
    update = [f"{name}.step()" for name in names]
    if rng.random() < 0.1:
        update.insert(0, f"nn.utils.clip_grad_norm_([{', '.join(weights)}], 1.0)")
    backward, one = "loss.backward()", weights[0]
    by_hand = [f"    if {name}.grad is not None: {name} -= 0.1 * {name}.grad" for name in weights]
    twice = f"for _ in range(2):\n    ({one} * x.mean()).square().sum().backward()"
    other = f"({last} * 2).sum().backward()"
    ways: Sequence[tuple[int, list[str]]] = [
        (30, [*zero, backward, *update]),
        (25, [backward, *update, *zero]),
        (10, [backward, *update]),  # gradients accumulate from call to call
        (8, [*zero, "loss.backward(retain_graph=True)", other, *update]),
        (6, [*zero, backward]),
        (6, [f"{one}.grad = None", backward, *update]),
        (6, [backward, "\n".join(["with no_grad():", *by_hand]), *zero]),
        (4, [*zero, backward, f"if {one}.grad is not None: {one}.data -= 0.1 * {one}.grad.data"]),
        (4, [f"(found,) = tl.grad(loss, [{one}], allow_unused=True)"]),
        (4, [*zero, twice, *update]),
    ]
    (lines,) = rng.choices([lines for _, lines in ways], [weight for weight, _ in ways])
    return [f"loss = {loss}", *lines]


def _result(rng: random.Random, values: Values, last: str, weights: list[str]) -> str:
    """What the step returns."""
    one, other = rng.choice(values.floats()), rng.choice(values.floats())
    results = [
        *("loss", "loss", "None", f"loss, {one}", f"{{'loss': loss, 'other': {one}.detach()}}"),
        *(f"[loss, loss, {one}, 3]", f"loss, ({one}, {other}, {weights[0]}.grad)", "loss, x"),
        *("loss.detach() * 2, scale", f"loss, {last}.argmax(), {last}.reshape(-1)[:2]"),
    ]
    return rng.choice(results)


def _event(
    rng: random.Random, names: list[str], weights: list[str], layers: list[str], width: int
) -> list[str]:
    """What happens before a call."""
    if rng.random() < 0.6:
        return []
    one = weights[0]
    events = [
        *(f"{rng.choice(names)}.lr *= 0.5", f"running.data[...] = {rng.random():.2f}"),
        *(f"{one}.grad = None", f"{one}.data *= 0.5", f"kept = {one}.grad"),
        *("plain_table[...] = 0.25", f"table = Tensor(normal({width}))", "rows_of[0] = 0"),
        *(f"{name}.{mode}()" for name in layers for mode in ("eval", "train")),
    ]
    return [rng.choice(events)]
