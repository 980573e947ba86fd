"""Every row of catalogue/cases in several threads at once: no rule keeps anything between calls."""

from collections.abc import Iterator

import numpy as np
import pytest
from cases import CASES, Case
from every import every
from many_threads import at_once, many_switches

from tinygrad_lite import Tensor, grad


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    with many_switches():
        yield


@every(CASES, lambda case: case.op.__name__)
def test_a_graph_that_threads_share_and_graphs_of_their_own(case: Case) -> None:
    arrays = case.inputs(next(iter(case.shapes)))
    leaves = [Tensor(array, requires_grad=True) for array in arrays]
    shared = case.call(*leaves)
    g = np.random.default_rng(0).standard_normal(shared.shape).astype(shared.dtype)

    def backward(y: Tensor, xs: list[Tensor]) -> list[bytes]:
        found = grad(y, xs, g, retain_graph=True, allow_unused=True)
        return [b"" if one is None else one.data.tobytes() for one in found]

    def whole(_: int) -> list[bytes]:
        xs = [Tensor(array, requires_grad=True) for array in arrays]
        y = case.call(*xs)
        return [y.data.tobytes(), *backward(y, xs)]

    alone = backward(shared, leaves)
    assert at_once(lambda _: backward(shared, leaves), 3) == [alone] * 3
    assert at_once(whole, 3) == [[shared.data.tobytes(), *alone]] * 3
