"""The exchange of gradients beyond a plain loop, and where processes do different things."""

from pathlib import Path

import pytest
from mpi.launching import launch

PROGRAM = Path(__file__).with_name("exchange_program.py")
START = """
    import numpy as np, nn
    from tinygrad_lite import Tensor
    processes = nn.distributed.start()
    w = Tensor(np.ones(3 if {other_shape} and processes.rank else 2), requires_grad=True)
    sgd = nn.optim.SGD([w], lr=0.1 * (1 + ({other_rate} and processes.rank)))
    sgd = nn.distributed.DistributedOptimizer(sgd)
    (w * 2.0).sum().backward()
"""
LOST = """
    import time
    u, x, v = (Tensor(np.ones(2), requires_grad=True) for _ in range(3))
    own = nn.optim.SGD([u, x, v], lr=0.1)
    own = nn.distributed.DistributedOptimizer(own, bucket_bytes={limit})

    def all_are_here(_):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            announced = own.exchange.announcement
            if announced is not None and announced.test():
                return
            time.sleep(1e-3)

    def backward(fails):
        y = u * 2.0
        if fails:
            y.register_hook(lambda g: 1 / 0)
        z = (y * 1.0) * x
        z.register_hook(all_are_here)  # before x is done
        ((z * 1.0) * v).sum().backward()

    processes.agree("both are here")
    if processes.rank == 1:
        try:
            backward(True)
        except ZeroDivisionError:
            own.zero_grad()
    backward(False)
    assert u.grad.data.tolist() == x.grad.data.tolist() == v.grad.data.tolist() == [2.0, 2.0]
    print("survived", own.lr)
"""
SKIPPED = (
    LOST.partition("    processes.agree")[0].replace("{limit}", "1000")
    + """
    for number in range(6):
        for x in nn.distributed.parts(np.ones(4)):
            try:
                backward(processes.rank == 1 and number == 4)
            except ZeroDivisionError:
                own.zero_grad()
    print("unexpected")
"""
)
OTHER = """
    a, b = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    kept = [nn.distributed.DistributedOptimizer(nn.optim.SGD([one], lr=0.1)) for one in (a, b)]
    ((b if processes.rank else a) * 2.0).sum().backward()
    print("unexpected")
"""
IN_A_LOOP = """
    from nn._processes import Part
    if processes.rank:
        processes.part = Part(1, 2, 3, 6, last=True)
    (w * 2.0).sum().backward()
    print("unexpected")
"""
MORE = """
    for _ in range(1 + processes.rank):
        (w * 3.0).sum().backward()
    print("unexpected" if processes.rank else "")
"""


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_every_gradient_is_the_mean_over_the_processes(ranks):
    run = launch(PROGRAM, ranks)
    assert (run.status, run.out.split(), run.err) == (0, ["done"] * ranks, "")


@pytest.mark.parametrize(
    ("case", "more", "said"),
    [
        ({"other_shape": True}, "", "rank 1 has parameter 0 (3,) float64, and rank 0 parameter 0"),
        ({"other_rate": True}, "", "rank 1 has lr=0.2 in group 0, and rank 0 lr=0.1 in group 0"),
        ({}, LOST.replace("{limit}", "8"), "SGD (optimiser 2 of 2): the last backward pass raised"),
        ({}, SKIPPED, "the gradients that others wait for are those of another batch"),
        ({}, OTHER, "the gradients of SGD (optimiser 3 of 3) in backward pass 1"),
        ({}, IN_A_LOOP, "the gradients of SGD in backward pass 2, of a batch of 6 rows"),
        ({}, MORE, "the gradients of SGD in backward pass 3"),
    ],
)  # fmt: skip
def test_processes_that_do_different_things_end_with_one_line(case, more, said):
    options = {"other_shape": False, "other_rate": False} | case
    run = launch(START.format(**options) + more, 2)
    assert run.status != 0
    assert "unexpected" not in run.out
    assert any(said in line for line in run.ours), run.err
    assert run.seconds < 30
    assert run.left == []


def test_a_pass_that_raised_before_anything_was_sent_costs_nothing():
    """The next pass takes its place."""
    options = {"other_shape": False, "other_rate": False}
    run = launch(START.format(**options) + LOST.replace("{limit}", "1000"), 2, check=True)
    assert run.out.split() == ["survived", "0.1"] * 2


@pytest.mark.parametrize("ranks", [2, 3])
def test_optimisers_that_are_gone_leave_their_communicators_to_others(ranks):
    """Also if the processes drop them at different moments."""
    run = launch(PROGRAM.with_name("many_optimizers.py"), ranks, check=True)
    assert run.out.split() == ["ended"] * ranks
