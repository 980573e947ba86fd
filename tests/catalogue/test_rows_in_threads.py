"""Every row of catalogue/cases in several threads at once: no rule keeps anything between calls."""

import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from cases import CASES, Case

from tinygrad_lite import Tensor, grad


@pytest.fixture(autouse=True)
def many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[], list[bytes]], number: int = 3) -> list[list[bytes]]:
    """What `work` returns in each of several threads."""
    results: list[list[bytes]] = []
    start = threading.Barrier(number)

    def run() -> None:
        start.wait(120)
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == number
    return results


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op.__name__}-{case.note}")
def test_a_graph_that_threads_share_and_graphs_of_their_own(case: Case) -> None:
    arrays = case.inputs(next(iter(case.shapes)))
    leaves = [Tensor(array, requires_grad=True) for array in arrays]
    shared = case.call(*leaves)
    g = np.random.default_rng(0).standard_normal(shared.shape).astype(shared.dtype)

    def backward(y: Tensor, xs: list[Tensor]) -> list[bytes]:
        found = grad(y, xs, g, retain_graph=True, allow_unused=True)
        return [b"" if one is None else one.data.tobytes() for one in found]

    def whole() -> list[bytes]:
        xs = [Tensor(array, requires_grad=True) for array in arrays]
        y = case.call(*xs)
        return [y.data.tobytes(), *backward(y, xs)]

    alone = backward(shared, leaves)
    assert at_once(lambda: backward(shared, leaves)) == [alone] * 3
    assert at_once(whole) == [[shared.data.tobytes(), *alone]] * 3
