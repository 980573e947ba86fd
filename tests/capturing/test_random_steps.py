"""Random training steps: captured, they leave the bits of the eager ones (see random_steps/).

`make captured` runs 2,000 of them.
"""

import numpy as np
import pytest
from capturing.random_steps.comparing import compared, outcome, shortened

from tinygrad_lite import Tensor

PARTS, EACH = 6, 6
ONCE_WRONG = (2208,)  # an LSTM of one step: its bias got the gradient of the recorded call


@pytest.mark.parametrize("part", range(PARTS))
def test_captured_steps_leave_the_bits_of_the_eager_ones(part):
    for seed in range(part * EACH, (part + 1) * EACH):
        step, fault = compared(seed)
        assert fault is None, f"seed {seed}: {fault}\n\n{step.program()}"


@pytest.mark.parametrize("seed", ONCE_WRONG)
def test_what_was_wrong_once_is_right(seed):
    assert compared(seed)[1] is None


def untouched(fn, strict):
    return fn


@pytest.mark.parametrize("seed", range(2))
def test_a_step_leaves_the_same_bits_twice(seed):
    assert compared(seed, untouched)[1] is None


def one_bit_off_in_the_fourth_call(fn, strict):
    calls = []

    def changed(*args, **options):
        result = fn(*args, **options)
        calls.append(None)
        if len(calls) == 4:
            parameter = fn.__globals__["w0"]
            parameter.data = np.nextafter(parameter.data, 9)
        return result

    return changed


def test_a_difference_of_one_bit_is_found_and_shown_by_the_shortest_step():
    step, fault = compared(1, one_bit_off_in_the_fourth_call)
    assert fault == "call 3 differs: w0."
    short = shortened(step, fault, one_bit_off_in_the_fourth_call)
    assert short.body == []
    assert [line.split(" = ")[0] for line in short.setup] == ["w0"]
    exec(compile(short.program(), "printed", "exec"), {"__name__": "printed"})


def test_a_gradient_that_is_written_over_later_is_found():
    memory = {}

    def reused(fn, strict):
        def changed(*args, **options):
            result = fn(*args, **options)
            gradient = fn.__globals__["w0"].grad
            if gradient is not None:
                kept = memory.setdefault(gradient.shape, gradient)
                kept.data[...] = gradient.data
                fn.__globals__["w0"].grad = kept
            return result

        return changed

    found = {compared(seed, reused)[1] for seed in range(4)}
    assert "call 6 differs: a result or gradient of an earlier call" in found


def test_what_a_step_draws_is_compared():
    def draws_more(fn, strict):
        return lambda *args, **options: (fn(*args, **options), Tensor.rand(1))[0]

    assert compared(0, draws_more)[1] == "call 0 differs: the generator"
    assert isinstance(outcome(compared(0, untouched)[0], lambda fn: None)[-1], TypeError)
