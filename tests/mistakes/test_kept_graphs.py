"""What keeps the graph of every step alive is told; what holds a few, or for a reason, is not."""

import gc
import threading
import weakref
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinygrad_lite import Tensor, TrainingWarning, no_grad

X, Y = np.ones((4, 3)), np.arange(4.0)


class Trainer:
    def __init__(self):
        self.losses = []
        self.history = {"train": [], "test": []}


def steps(count=40):
    """Losses of a training loop, each after its backward pass."""
    w = Tensor(np.zeros(3), requires_grad=True)
    for _ in range(count):
        w.grad = None
        loss = ((Tensor(X) @ w - Y) ** 2).mean()
        loss.backward()
        w.data -= 0.1 * w.grad.data
        yield loss


def in_a_list():
    losses = []
    for loss in steps():
        losses.append(loss)


def in_a_deque():
    recent = deque(maxlen=100)
    for loss in steps():
        recent.append(loss)


def in_a_dict_of_lists():
    history = {"train": []}
    for loss in steps():
        history["train"].append(loss)


def in_a_dict_that_makes_lists():
    history = defaultdict(list)
    for loss in steps():
        history["train"] += [loss]


def in_a_dict_by_step():
    log = {}
    for step, loss in enumerate(steps()):
        log[step] = loss


def in_rows():
    log = []
    for step, loss in enumerate(steps()):
        log.append((step, loss))


def in_an_attribute():
    trainer = Trainer()
    for loss in steps():
        trainer.losses.append(loss)


def in_a_dict_of_an_attribute():
    trainer = Trainer()
    for loss in steps():
        trainer.history["train"].append(loss)


def in_nested_dicts():
    log = {"train": {"loss": []}}
    for loss in steps():
        log["train"]["loss"].append(loss)


def in_a_sum():
    total = 0.0
    for loss in steps():
        total = total + loss


def in_a_moving_average():
    average = 0.0
    for loss in steps():
        average = 0.9 * average + 0.1 * loss


def in_two_lists():
    one, two = [], []
    for first, second in zip(steps(), steps(), strict=True):
        one.append(first)
        two.append(second)


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (in_a_list, r"losses holds .* store numbers, losses\.append\(loss\.item\(\)\), or"),
        (in_a_deque, r"recent holds .* store numbers, recent\.append\(loss\.item\(\)\), or"),
        (in_a_dict_of_lists, r"history\['train'\] holds"),
        (in_a_dict_that_makes_lists, r"history\['train'\] holds"),
        (
            in_a_dict_by_step,
            r"log holds losses of the last 20 .* store numbers, loss\.item\(\), or",
        ),
        (in_rows, r"log holds"),
        (in_an_attribute, r"trainer\.losses holds"),
        (in_a_dict_of_an_attribute, r"trainer\.history\['train'\] holds"),
        (in_nested_dicts, r"log\['train'\]\['loss'\] holds"),
        (in_a_sum, r"went on into Add, as in `total = total \+ loss`; write `total \+= loss\.item"),
        (in_a_moving_average, r"went on into Mul"),
        (in_two_lists, r"(one|two) holds"),
    ],
)
def test_what_holds_them_is_named_once(program, text):
    with pytest.warns(
        TrainingWarning, match=f"^the graph of every step is kept alive: .*{text}"
    ) as f:
        program()
    assert len(f) == 1
    assert f[0].filename == __file__
    with open(__file__) as source:
        assert source.read().splitlines()[f[0].lineno - 1].strip() == "loss.backward()"


def test_what_follows_in_other_lines_is_not_blamed():
    losses, total = [], 0.0
    with pytest.warns(TrainingWarning, match="losses holds") as found:
        losses.extend(steps())
    for loss in steps():
        total = total + loss.item()
    list(steps(8))
    w = Tensor(np.zeros(3), requires_grad=True)
    for _ in range(30):
        ((Tensor(X) @ w - Y) ** 2).mean().backward()
    assert len(found) == 1
    assert len(losses) == 40


def test_a_sum_in_place_is_told_at_its_own_line():
    def program():
        running = 0.0
        for loss in steps():
            running += loss

    text = (
        r"^`running \+= loss` keeps the graph of loss alive, .*; write `running \+= loss\.item\(\)`"
    )
    with pytest.warns(TrainingWarning, match=text) as found:
        program()
    assert len(found) == 1
    with open(__file__) as source:
        assert source.read().splitlines()[found[0].lineno - 1].strip() == "running += loss"


def test_a_multiple_of_the_loss_is_told_too():
    def program():
        total = 0.0
        for loss in steps(3):
            total += loss * 4 / 8

    with pytest.warns(TrainingWarning, match=r"^`total \+= loss` keeps the graph of loss"):
        program()


def test_a_factor_of_the_loss_is_not_taken_for_the_total():
    def program():
        total, n = 0.0, 16
        for loss in steps(3):
            total += loss * n

    with pytest.warns(TrainingWarning, match=r"^`total \+= loss` keeps the graph of loss"):
        program()


def test_it_is_true_that_they_hold_graphs():
    losses = list(steps(2))
    nodes = [weakref.ref(loss._node.parents[0]) for loss in losses]
    assert all(node() is not None for node in nodes)
    numbers = [loss.detach() for loss in losses]
    del losses
    assert all(node() is None for node in nodes)
    assert len(numbers) == 2


def test_a_few_losses_are_no_mistake():
    losses, recent = [], deque(maxlen=4)
    for loss in steps(8):
        losses.append(loss)
    for loss in steps():
        recent.append(loss)
        best = min(recent, key=Tensor.item)
    assert best.item() >= 0


def test_a_list_that_nobody_keeps_is_no_mistake():
    w = Tensor(np.zeros(3), requires_grad=True)
    assert len([((Tensor(X) @ w - Y) ** 2).mean().backward() for _ in range(60)]) == 60


def test_numbers_and_detached_tensors_are_no_mistake():
    losses, total = [], 0.0
    for loss in steps():
        losses.append(loss.detach())
        total += loss.item()
        with no_grad():
            total += 2 * loss
    assert len(losses) == 40


def test_losses_made_before_the_first_of_many_passes_are_no_mistake():
    w = Tensor(np.zeros(3), requires_grad=True)
    for _ in range(3):
        losses = [((Tensor(row) @ w - 1.0) ** 2).mean() for row in np.ones((40, 3))]
        for loss in losses:
            loss.backward()


def test_one_graph_with_several_passes_is_no_mistake():
    w = Tensor(np.ones(3), requires_grad=True)
    losses = (Tensor(X) @ w).tanh().sum(), (Tensor(X) @ w).exp().sum()
    for _ in range(40):
        for loss in losses:
            loss.backward(retain_graph=True)


def test_losses_that_are_added_up_before_one_pass_are_no_mistake():
    w = Tensor(np.zeros(3), requires_grad=True)
    for _ in range(40):
        total, several = Tensor(0.0), []
        for row in X:
            loss = ((Tensor(row) @ w - 1.0) ** 2).mean()
            total += loss
            several.append(loss)
        total.backward()


def test_garbage_in_cycles_is_no_mistake():
    class Step:
        pass

    enabled = gc.isenabled()
    gc.disable()
    try:
        for loss in steps():
            step = Step()
            step.loss, step.me = loss, step
    finally:
        if enabled:
            gc.enable()
        del step
        gc.collect()


def test_in_threads():
    def work():
        for loss in steps(30):
            assert loss.item() >= 0

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def test_the_last_losses_of_many_threads_are_no_mistake():
    """Each of 24 trainings side by side keeps one loss, in one list; all of them make 24 passes."""
    latest = [None] * 24
    trainings = [steps(3) for _ in latest]

    def step(index):
        latest[index] = next(trainings[index])

    pools = [ThreadPoolExecutor(1) for _ in latest]
    for _ in range(3):
        for index, pool in enumerate(pools):
            pool.submit(step, index).result()
    for pool in pools:
        pool.shutdown()


def test_a_list_in_a_thread_is_told_there():
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.warns(TrainingWarning, match=r"^the graph of every step .*: losses holds") as found,
    ):
        pool.submit(in_a_list).result()
    assert len(found) == 1
