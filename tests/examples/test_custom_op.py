"""An operation of one's own: its formula, the verdicts on all four, and the exit status."""

import re

import numpy as np
import pytest
from running import example, status_of

from tinygrad_lite import Tensor

custom = example("custom_op")
LAST_LINE = re.compile(
    r"made points: (\d) of 4 verdicts right, beta off by (\d+\.\d{4}) in \d+\.\d s\n"
)


def test_swish_and_its_gradients_are_those_of_numpy():
    rng = np.random.default_rng(0)
    x, beta, g = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(4, 3))
    given = Tensor(x, requires_grad=True), Tensor(beta, requires_grad=True)
    y = custom.Swish.apply(*given)

    def at(x, beta):
        return x / (1 + np.exp(-beta * x))

    np.testing.assert_allclose(y.numpy(), at(x, beta), rtol=1e-12)
    y.backward(Tensor(g))
    slope_x = (at(x + 1e-6, beta) - at(x - 1e-6, beta)) / 2e-6
    slope_beta = (at(x, beta + 1e-6) - at(x, beta - 1e-6)) / 2e-6
    np.testing.assert_allclose(given[0].grad.numpy(), g * slope_x, rtol=1e-6)
    np.testing.assert_allclose(given[1].grad.numpy(), (g * slope_beta).sum(axis=0), rtol=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_each_verdict_is_right(capsys, seed):
    assert status_of(custom, "--seed", seed) == 0
    out, err = capsys.readouterr()
    *lines, last = out.splitlines(True)
    assert [line.split()[-1] for line in lines if "diagnosis: " in line] == [
        "sign",
        "True",
        "self?",
    ]
    checks = [line.split(":")[:2] for line in lines if line.startswith("grad")]
    assert checks == [
        ["gradcheck", " WrongSign"], ["gradcheck", " NotSummed"], ["gradgradcheck", " KeptOnSelf"]
    ]  # fmt: skip
    assert lines[-1] == "Swish passes gradcheck and gradgradcheck\n"
    right, off = LAST_LINE.fullmatch(last).groups()
    assert (right, err) == ("4", "")
    assert float(off) < 0.01


def test_the_status_is_1_if_the_right_one_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(custom.Swish, "backward", custom.WrongSign.backward)
    assert status_of(custom, "--quiet") == 1
    out, err = capsys.readouterr()
    right, off = LAST_LINE.fullmatch(out).groups()
    assert right != "4"
    assert float(off) > 0.1
    assert err.splitlines() == [
        "that is below the target of 4 verdicts, so the status is 1",
        "that is above the target of 0.01, so the status is 1",
    ]


def test_the_status_is_1_if_a_diagnosis_names_another_fault(monkeypatch, capsys):
    monkeypatch.setitem(custom.VERDICTS, custom.WrongSign, "exactly 2 times too large")
    assert status_of(custom, "--quiet") == 1
    assert LAST_LINE.fullmatch(capsys.readouterr().out)[1] == "3"


def test_it_has_no_training_that_is_worth_keeping(capsys):
    for option in ("--out", "--resume", "--epochs"):
        with pytest.raises(SystemExit) as caught:
            status_of(custom, option)
        assert caught.value.code == 2
        assert f"{option}: no such option" in capsys.readouterr().err
