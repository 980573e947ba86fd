"""Gradients that are clipped inside a captured step, beside the same in an eager one."""

import numpy as np
import pytest
from capturing.optimiser_twins import Run, batches, of

import nn


@pytest.mark.parametrize(
    "clip",
    [
        lambda params: nn.utils.clip_grad_norm_(params, 0.05),
        lambda params: nn.utils.clip_grad_norm_(params, 1e6),
        lambda params: nn.utils.clip_grad_norm_(params, 0.05, "inf"),
        lambda params: nn.utils.clip_grad_norm_(params, 0.05, 1),
        lambda params: nn.utils.clip_grad_value_(params, 0.01),
        lambda params: nn.utils.clip_grads_with_norm_(
            params, 0.05, nn.utils.get_total_norm([p.grad for p in params])
        ),
    ],
)
def test_clipping(clip):
    class Clipped(Run):
        def step(self, x):
            self.optimiser.zero_grad()
            loss = self.model(x).square().mean()
            loss.backward()
            norm = clip(self.optimiser.params)
            self.optimiser.step()
            return loss if norm is None else loss + norm

    runs = [Clipped(of("SGD", {"lr": 0.5}), captured) for captured in (False, True)]
    for number, x in enumerate(batches(8)):
        x = x * 10.0 ** (3 - number)  # the norm is above the limit, and then below
        eager, captured = (run.record(run.call(x)) for run in runs)
        assert eager == captured, number


@pytest.mark.filterwarnings("ignore:the loss is nan")
def test_a_norm_that_is_not_finite_is_an_error_as_in_eager():
    class Clipped(Run):
        def step(self, x):
            self.optimiser.zero_grad()
            loss = self.model(x).square().mean()
            loss.backward()
            nn.utils.clip_grad_norm_(self.optimiser.params, 1.0, error_if_nonfinite=True)
            self.optimiser.step()
            return loss

    runs = [Clipped(of("SGD", {"lr": 0.5}), captured) for captured in (False, True)]
    for number, x in enumerate(batches(6)):
        x = x * np.inf if number == 4 else x
        found = []
        for run in runs:
            if number == 4:
                with pytest.raises(RuntimeError, match=r"the norm of order .* is nan"):
                    run.call(x)
            else:
                run.call(x)
            parameters = [parameter.data.tobytes() for parameter in run.optimiser.params]
            found.append(parameters)
        assert found[0] == found[1], number
