"""Messages name the line of the user's that cannot be replayed, and things as he wrote them."""

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, capture

losses = []
counted = {"n": 0}
model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
rng = np.random.default_rng(0)
log = logging.getLogger("step")


def reads(x):
    y = x.sum()
    if y > 0:  # here
        return x
    return y


def keeps(x):
    y = x * 2
    losses.append(y)  # here
    return y


def keeps_twice(x):
    losses.append(x * 2)
    losses.append(x * 3)
    return x * 2


def counts(x):
    y = x * 2
    counted["n"] += 1  # here
    return y


def logs(x):
    y = x * 2
    log.warning("%s", y)  # here
    return y


def assigns(x):
    y = model(x)
    model[0].weight.data = x.data.sum() * model[0].weight.data  # here
    return y


def draws(x):
    noise = rng.normal(size=(1, 2))  # here
    return x + Tensor(noise.astype(np.float32))


WORDS = {
    reads: "bool() reads a value",
    keeps: "keeps a tensor of the step as losses[1]; return it",
    keeps_twice: "in keeps_twice: keeps a tensor of the step as losses[2]; return it",
    counts: 'changes counted["n"], which replays would not do',
    logs: "str() or print() reads a value",
    assigns: "assigns the data of model[0].weight anew",
    draws: "draws random numbers that are not Tensor's, from rng, which replays would",
}


@pytest.mark.parametrize("fn", WORDS, ids=lambda fn: fn.__name__)
def test_the_line_is_that_of_the_mistake(fn):
    losses.clear()
    step = capture(fn)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        message = ""
        try:
            for _ in range(2):
                step(Tensor([[1.0, 2.0]]))
        except RuntimeError as error:
            message = str(error)
    message = message or str(seen[0].message)
    assert WORDS[fn] in message
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    first = fn.__code__.co_firstlineno
    here = [n for n in range(first, first + 5) if lines[n - 1].endswith("# here")]
    assert message.count("test_blame.py:") == len(here)
    for number in here:
        assert f"{__file__}:{number}: " in message


def test_backward_of_what_a_captured_step_returned():
    step = capture(model)
    for _ in range(3):
        loss = step(Tensor([[1.0, 2.0]]))
    with pytest.raises(RuntimeError, match="a captured step returned it: then call backward insid"):
        loss.backward(Tensor([[1.0, 1.0]]))


@pytest.mark.parametrize(
    ("fn", "argument", "words"),
    [
        (lambda x, n: x * n, lambda n: n, "; n is 1, 2, 3, ...; pass a float"),
        (lambda x, n: x if n > 0.5 else -x, lambda n: n / 2, "; n is 0.5, 1.0, 1.5, ..."),
        (
            lambda x, n: x.sum() + n.sum(),
            lambda n: Tensor.ones(n),
            "; the shape of n is (1,), (2,), ",
        ),
    ],
)
def test_what_differs_in_many_kinds_of_calls(fn, argument, words):
    step = capture(fn)
    step(Tensor([1.0]), argument(1))
    with pytest.warns(UserWarning, match="more than 8 kinds of calls") as seen:
        list(map(step, [Tensor([1.0])] * 11, map(argument, range(1, 12))))
    assert words in str(seen[0].message)


def test_how_a_captured_step_is_shown():
    def step(x):
        return x * 2

    captured = capture(step)
    assert repr(captured) == "<captured step: 0 recordings>"
    for _ in range(2):
        captured(Tensor([1.0]))
    assert repr(captured) == "<captured step: 1 recording>"
    with pytest.raises(TypeError, match="got the class Linear; capture an instance"):
        capture(nn.Linear)
