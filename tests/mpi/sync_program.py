"""SyncBatchNorm on the rows that each process has, beside BatchNorm on all rows in one process."""

import sys

import numpy as np

import nn
from nn import distributed
from tinygrad_lite import Tensor, capture, no_grad

CAPTURED = "captured" in sys.argv
processes = distributed.start()
rng = np.random.default_rng(3)


def made(momentum):
    Tensor.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.BatchNorm2d(3, momentum=momentum),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(27, 4, bias=False),
        nn.BatchNorm1d(4, affine=False),
        nn.Linear(4, 2),
    )
    return model.to(np.float64)


def step_of(model, optimizer):
    def step(x, y):
        loss = model(x).mse_loss(y)
        loss.backward()
        gradients = [p.grad.data.copy() for p in model.parameters()] if not CAPTURED else []
        optimizer.step()
        optimizer.zero_grad()
        return loss, *map(Tensor, gradients)

    return capture(step, strict=True) if CAPTURED else step


for momentum in (0.3, None):
    alone, together = made(momentum), made(momentum)
    distributed.SyncBatchNorm.convert_sync_batchnorm(together)
    assert [type(each).__name__ for each in together].count("SyncBatchNorm") == 2
    own = [nn.optim.SGD(each.parameters(), lr=0.05, momentum=0.9) for each in (alone, together)]
    expected = step_of(alone, own[0])
    distributed.DistributedOptimizer(own[1], model=together)
    found = step_of(together, own[1])
    sizes = [8, 5, 7, 2, 5, 8, 8, 5, 5, 5, 8, 8]  # 2 rows: with three processes one has none
    for number, rows in enumerate(sizes):
        X = rng.standard_normal((rows, 2, 3, 3)) * 3 + 100
        Y = rng.standard_normal((rows, 2))
        (loss, *gradients) = expected(Tensor(X), Tensor(Y))
        for x, y in distributed.parts(Tensor(X), Tensor(Y)):
            weight = processes.part.rows / rows if processes.size > 1 else 1.0
            (own_loss, *own_gradients) = found(x, y)
            total = processes.sum("the loss", np.array([own_loss.item() * weight]))
            np.testing.assert_allclose(total[0], loss.item(), rtol=1e-10)
        for one, other in zip(own_gradients, gradients, strict=True):
            np.testing.assert_allclose(one.data, other.data, rtol=1e-7, atol=1e-11)
        for path, tensor in nn.state.get_state_dict(alone).items():
            other = nn.state.get_state_dict(together)[path]
            np.testing.assert_allclose(
                other.data, tensor.data, rtol=1e-8, atol=1e-11, err_msg=f"{path} {number}"
            )
    alone.eval(), together.eval()
    with no_grad():
        if processes.leads:  # alone: nothing is exchanged
            x = Tensor(rng.standard_normal((3, 2, 3, 3)))
            np.testing.assert_allclose(together(x).data, alone(x).data, rtol=1e-8)
    if CAPTURED:
        assert sum(plan.used for plan in found.plans) > 3
    rng = np.random.default_rng(4)
print("done", flush=True)
