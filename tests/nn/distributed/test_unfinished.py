"""What an error has ended is told from what still runs."""

import pytest

from nn.distributed.unfinished import Unfinished
from tinygrad_lite import Observer, Tensor, capture, checkpoint


class Exchange(Observer):
    """Begins with the first leaf of a pass, and looks again at each."""

    def __init__(self):
        self.unfinished, self.looks, self.fails = Unfinished(), [], False

    def leaf_done(self, node):
        super().leaf_done(node)
        self.unfinished.begin_in_pass(self, "the sums")
        self.looks.append(self.unfinished.lost())
        if self.fails:
            raise ValueError("no")

    def backward_done(self):
        super().backward_done()
        self.looks.append(self.unfinished.lost())
        self.unfinished.end(self)


def test_a_pass_that_raised_is_lost_and_one_that_runs_is_not():
    w, found = Tensor([1.0, 2.0], requires_grad=True), []
    with Exchange() as exchange:
        (w * w).sum().backward()
        assert exchange.looks == [None, None]
        assert not exchange.unfinished.begun

        def inner(x):  # runs again within the pass
            found.append(exchange.unfinished.lost())
            return x.tanh()

        v = Tensor([1.0, 2.0], requires_grad=True)
        (checkpoint(inner, w * 2.0) * v).sum().backward()
        assert found == [None, None]
        exchange.fails = True
        with pytest.raises(ValueError, match="no"):
            (w * w).sum().backward()
        assert exchange.unfinished.lost() == "the sums"
        exchange.fails, exchange.looks = False, []

        def seen(gradient):
            found.append(exchange.unfinished.lost())

        loss = w * w
        loss.register_hook(seen)  # in another pass than that which raised
        loss.sum().backward()
        assert found[2:] == ["the sums"]
    assert exchange.unfinished.lost() is None


def test_the_pass_of_a_replay_runs_until_the_step_ends():
    w = Tensor([1.0, 2.0], requires_grad=True)

    @capture(strict=True)
    def step():
        w.grad = None
        loss = (w * w).sum()
        loss.backward()
        return loss

    with Exchange() as exchange:
        for _ in range(4):
            step()
        assert step.plans[0].used
        assert exchange.looks == [None] * len(exchange.looks)
        exchange.fails = True
        with pytest.raises(ValueError, match="no"):
            step()
        assert exchange.unfinished.lost() == "the sums"


def test_an_exchange_outside_of_a_pass_is_lost_until_it_ends():
    unfinished = Unfinished()
    unfinished.begin("one", "the order")
    unfinished.begin_in_pass("two", "no pass runs here")
    assert unfinished.lost() == "the order"
    unfinished.end("one")
    assert unfinished.lost() is None
