"""Healthy programs of many kinds, with all warnings as errors: none of them is told anything.

Each is written as people write it, and its loss must go down or be finite.
"""

import copy
from collections import deque
from itertools import pairwise

import numpy as np
import pytest

import nn
from nn import optim
from nn.state import get_parameters
from tinygrad_lite import Tensor, capture, checkpoint, grad, hessian, no_grad

rng = np.random.default_rng(7)
X = rng.standard_normal((16, 4)).astype(np.float32)
Y = (X @ np.array([1.0, -2.0, 0.5, 3.0], np.float32) + 0.1).astype(np.float32)
LABELS = rng.integers(0, 3, 16)
IMAGES = rng.standard_normal((8, 1, 8, 8)).astype(np.float32)
TOKENS = rng.integers(0, 10, (4, 6))


def perceptron(*sizes):
    layers = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), Tensor.tanh]
    return nn.Sequential(*layers[:-1])


def by_hand_with_raw_tensors():
    w1 = Tensor(rng.standard_normal((4, 8)) * 0.5, requires_grad=True)
    b1 = Tensor.zeros(8, requires_grad=True, dtype=np.float64)
    w2 = Tensor(rng.standard_normal((8, 1)) * 0.5, requires_grad=True)
    losses = []
    for _ in range(40):
        prediction = (Tensor(X) @ w1 + b1).tanh() @ w2
        loss = ((prediction - Y[:, None]) ** 2).mean()
        loss.backward()
        with no_grad():
            for w in (w1, b1, w2):
                w -= 0.05 * w.grad
                w.grad = None
        losses.append(loss.item())
    return losses


def by_hand_through_data():
    w = Tensor(np.zeros(4, np.float32), requires_grad=True)
    velocity, average = np.zeros(4, np.float32), w.data.copy()
    losses, kept = [], []
    for _ in range(40):
        if w.grad is not None:
            w.grad.zero_()
        loss = ((Tensor(X) @ w - Y) ** 2).mean()
        kept = [*kept[-2:], loss]
        loss.backward()
        velocity = 0.5 * velocity + w.grad.data
        w.data -= 0.05 * velocity
        w.data = w.data.clip(-4, 4)
        w.data *= 0.999
        average += 0.1 * (w.data - average)
        losses.append(float(loss.data))
    return losses


def by_hand_with_a_new_leaf_each_step():
    w, losses = Tensor(np.zeros(4, np.float32), requires_grad=True), []
    for _ in range(40):
        loss = ((Tensor(X) @ w - Y) ** 2).mean()
        loss.backward()
        w = (w - 0.05 * w.grad).detach().requires_grad_()
        losses.append(loss.item())
    return losses


def module_and_adam():
    model = perceptron(4, 16, 3)
    optimiser = optim.Adam(get_parameters(model), lr=0.05)
    history, running = [], 0.0
    for _ in range(40):
        optimiser.zero_grad()
        loss = model(Tensor(X)).cross_entropy(LABELS)
        loss.backward()
        optimiser.step()
        running += loss.item()
        history.append(loss.detach())
    model.eval()
    with no_grad():
        scores = model(Tensor(X))
        total = scores.cross_entropy(LABELS)
        total += scores.cross_entropy(LABELS)
        assert (scores.argmax(1) == LABELS).mean().item() >= 0
    return [one.item() for one in history]


def convolutions_with_batch_norm_and_dropout():
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2)
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 36, 3))
    optimiser = optim.SGD(get_parameters(model), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(8):
        loss = model.train()(Tensor(IMAGES)).cross_entropy(LABELS[:8])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        model.eval()
        with no_grad():
            model(Tensor(IMAGES[:1]))
    return losses


class Remembers(nn.Module):
    def __init__(self):
        self.rnn, self.head = nn.LSTM(3, 6), nn.Linear(6, 1)

    def forward(self, x, state=None):
        y, state = self.rnn(x, state)
        return self.head(y), state


def lstm_with_truncated_backpropagation():
    model = Remembers()
    optimiser = optim.Adam(get_parameters(model), lr=0.02)
    series = np.sin(np.arange(200, dtype=np.float32) / 5)
    state, losses = None, []
    for start in range(0, 180, 5):
        x = np.stack([series[start + k : start + k + 5] for k in range(3)], -1)[:, None]
        target = series[start + 3 : start + 8].reshape(5, 1, 1)
        prediction, state = model(Tensor(x), state)
        state = tuple(each.detach() for each in state)
        loss = ((prediction - target) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


class Block(nn.Module):
    def __init__(self, width):
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        scores = q @ k.mT / x.shape[-1] ** 0.5
        return self.norm(x + scores.softmax(-1) @ v)


class Language(nn.Module):
    def __init__(self):
        self.embedding = nn.Embedding(10, 6)
        self.position = nn.Parameter(Tensor.randn(6, 6) * 0.1)
        self.blocks = [Block(6), Block(6)]

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position
        for block in self.blocks:
            x = block(x)
        return x @ self.embedding.weight.mT  # tied


def transformer():
    model = Language()
    optimiser = optim.AdamW(get_parameters(model), lr=0.02)
    losses = []
    for _ in range(10):
        scores = model(TOKENS)
        loss = scores.reshape(-1, 10).cross_entropy(np.roll(TOKENS, 1).reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(get_parameters(model), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


def adversarial_pair():
    generator, critic = perceptron(2, 8, 4), perceptron(4, 8, 1)
    one = optim.Adam(get_parameters(generator), lr=1e-2)
    two = optim.Adam(get_parameters(critic), lr=1e-2)
    losses = []
    for _ in range(20):
        noise = Tensor(rng.standard_normal((16, 2)).astype(np.float32))
        fake = generator(noise)
        two.zero_grad()
        real_loss = critic(Tensor(X)).binary_crossentropy_logits(np.ones((16, 1), np.float32))
        fake_loss = critic(fake.detach()).binary_crossentropy_logits(np.zeros((16, 1), np.float32))
        critic_loss = real_loss + fake_loss
        critic_loss.backward()
        two.step()
        one.zero_grad()
        loss = critic(fake).binary_crossentropy_logits(np.ones((16, 1), np.float32))
        loss.backward()
        one.step()
        losses += [critic_loss.item(), loss.item()]
    return losses


def variational():
    encoder, decoder = perceptron(4, 8, 4), perceptron(2, 8, 4)
    optimiser = optim.Adam([*get_parameters(encoder), *get_parameters(decoder)], lr=1e-2)
    losses = []
    for _ in range(20):
        mean, spread = encoder(Tensor(X)).split(2, 1)
        z = mean + (0.5 * spread).exp() * Tensor.randn(16, 2)
        reconstruction = ((decoder(z) - X) ** 2).sum(1).mean()
        divergence = -0.5 * (1 + spread - mean**2 - spread.exp()).sum(1).mean()
        loss = reconstruction + 0.1 * divergence
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def meta_learning():
    w = Tensor(np.zeros(4, np.float32), requires_grad=True)
    optimiser, losses = optim.SGD([w], lr=0.02), []
    for _ in range(20):
        total = 0.0
        for half in (slice(0, 8), slice(8, 16)):
            fast = w
            for _ in range(2):
                inner = ((Tensor(X[half]) @ fast - Y[half]) ** 2).mean()
                (slope,) = grad(inner, [fast], create_graph=True)
                fast = fast - 0.01 * slope
            total = total + ((Tensor(X[half]) @ fast - Y[half]) ** 2).mean()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(total.item())
    return losses


def meta_learning_through_backward():
    w, outer, losses = Tensor(np.zeros(4), requires_grad=True), 0.0, []
    for _ in range(20):
        w.grad = None
        inner = ((Tensor(X) @ w - Y) ** 2).mean()
        inner.backward(create_graph=True)
        slope, w.grad = w.grad, None
        outer = ((Tensor(X) @ (w - 0.01 * slope) - Y) ** 2).mean()
        outer.backward()
        w.data -= 0.05 * w.grad.data
        losses.append(outer.item())
    return losses


def accumulation():
    model = perceptron(4, 8, 1)
    optimiser, losses = optim.SGD(get_parameters(model), lr=0.05), []
    for step in range(40):
        part = slice(4 * (step % 4), 4 * (step % 4) + 4)
        loss = model(Tensor(X[part])).mse_loss(Y[part, None]) / 4
        loss.backward()
        if step % 4 == 3:
            optimiser.step()
            optimiser.zero_grad()
        losses.append(loss.item())
    return losses


def a_sum_of_losses_and_one_backward():
    model = perceptron(4, 8, 1)
    optimiser, losses = optim.SGD(get_parameters(model), lr=0.02), []
    for _ in range(20):
        total, several = 0.0, []
        for part in np.split(np.arange(16), 4):
            loss = model(Tensor(X[part])).mse_loss(Y[part, None])
            total += loss
            several.append(loss)
        total = total + sum(several) + Tensor.stack(several).mean()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(total.item())
    return losses


def one_graph_and_several_passes():
    w, losses = Tensor(np.ones(4), requires_grad=True), []
    h = (Tensor(X) @ w).tanh()
    for row in range(16):
        w.grad = None
        h[row].backward(retain_graph=True)
        losses.append(w.grad.sum().item())
    total = (h * h).mean()
    for _ in range(40):
        total.backward(retain_graph=True)
    return losses


def frozen_backbone_and_a_new_head():
    backbone, head = perceptron(4, 8, 8), nn.Linear(8, 3)
    for weight in get_parameters(backbone):
        weight.requires_grad = False
    model = nn.Sequential(backbone, head)
    trained = [each for each in get_parameters(model) if each.requires_grad]
    optimiser, losses = optim.Adam(trained, lr=0.05), []
    for _ in range(10):
        loss = model(Tensor(X)).cross_entropy(LABELS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


class Heads(nn.Module):
    def __init__(self):
        self.body, self.used, self.unused = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(8, 2)

    def forward(self, x):
        h = self.body(x).relu()
        return self.used(h), self.unused(h)


def a_head_without_gradient():
    model = Heads()
    optimiser, losses = optim.Adam(get_parameters(model), lr=0.05), []
    for _ in range(10):
        scores, _ = model(Tensor(X))
        loss = scores.cross_entropy(LABELS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert model.unused.weight.grad is None
    return losses


def monte_carlo_dropout():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    model.train()
    with no_grad():
        draws = [model(Tensor(X)) for _ in range(20)]
    return Tensor.stack(draws).std(0).reshape(-1).tolist()


def with_lbfgs():
    model, losses = perceptron(4, 4, 1), []
    optimiser = optim.LBFGS(get_parameters(model), lr=0.5)

    def closure():
        optimiser.zero_grad()
        loss = model(Tensor(X)).mse_loss(Y[:, None])
        loss.backward()
        return loss

    for _ in range(3):
        losses.append(optimiser.step(closure).item())
    return losses


def with_checkpoints():
    first, second, head = (perceptron(*sizes) for sizes in ((4, 8, 8), (8, 8, 8), (8, 1)))
    parameters = [p for part in (first, second, head) for p in get_parameters(part)]
    optimiser, losses = optim.SGD(parameters, lr=0.05), []
    for _ in range(10):
        loss = head(checkpoint(second, checkpoint(first, Tensor(X)))).mse_loss(Y[:, None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def average_of_the_weights():
    model = perceptron(4, 8, 1)
    shadow = copy.deepcopy(model)
    optimiser, losses = optim.Adam(get_parameters(model), lr=0.02), []
    for _ in range(10):
        loss = model(Tensor(X)).mse_loss(Y[:, None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        for slow, quick in zip(get_parameters(shadow), get_parameters(model), strict=True):
            slow.data *= 0.9
            slow.data += 0.1 * quick.data
        losses.append(loss.item())
    return losses


def reinforcement():
    policy, value = perceptron(4, 8, 3), perceptron(4, 8, 1)
    optimiser = optim.Adam([*get_parameters(policy), *get_parameters(value)], lr=0.01)
    losses, recent = [], deque(maxlen=8)
    for _ in range(20):
        logs, values = policy(Tensor(X)).log_softmax(-1), value(Tensor(X))[:, 0]
        actions = rng.integers(0, 3, 16)
        returns = Tensor(rng.standard_normal(16).astype(np.float32))
        advantage = (returns - values).detach()
        chosen = logs[np.arange(16), actions]
        entropy = -(logs.exp() * logs).sum(-1).mean()
        loss = -(chosen * advantage).mean() + ((returns - values) ** 2).mean() - 0.01 * entropy
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        recent.append(loss)
        losses.append(loss.item())
    return losses


def q_learning():
    network = perceptron(4, 8, 3)
    target, losses = copy.deepcopy(network), []
    optimiser = optim.Adam(get_parameters(network), lr=0.01)
    for step in range(12):
        actions = Tensor(rng.integers(0, 3, (16, 1)))
        q = network(Tensor(X)).gather(1, actions).squeeze(1)
        with no_grad():
            wanted = Y + 0.9 * target(Tensor(X)).max(1)
        loss = (q - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 4 == 3:
            target.load_state_dict(network.state_dict())
        losses.append(loss.item())
    return losses


def physics_informed():
    model, losses = perceptron(1, 8, 1), []
    optimiser = optim.Adam(get_parameters(model), lr=0.02)
    for _ in range(10):
        t = Tensor(np.linspace(0, 1, 16, dtype=np.float32)[:, None], requires_grad=True)
        u = model(t)
        (first,) = grad(u.sum(), [t], create_graph=True)
        (second,) = grad(first.sum(), [t], create_graph=True)
        residual = ((second + u) ** 2).mean()
        loss = residual + ((u[0] - 1.0) ** 2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def contrastive():
    model, losses = perceptron(4, 8, 2), []
    optimiser = optim.Adam(get_parameters(model), lr=0.02)
    for _ in range(10):
        z = model(Tensor(X))
        z = z / (z * z).sum(1, keepdim=True).sqrt()
        similarity = z @ z.T / 0.5
        pairs = (LABELS[:, None] == LABELS[None, :]).astype(np.float32)
        loss = -(pairs * similarity.log_softmax(1)).mean()
        loss = loss + ((similarity.sigmoid() - pairs) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def pairwise_on_purpose():
    x = Tensor(Y.copy(), requires_grad=True)
    centres = Tensor(rng.standard_normal((16, 1)).astype(np.float32), requires_grad=True)
    y, column = Y, Tensor(Y[:, None])
    losses = [
        ((x[:, None] - x[None, :]) ** 2).mean(),
        ((x[:, None] - x) ** 2).mean(),
        ((x.unsqueeze(1) - y) ** 2).mean(),
        ((x.reshape(-1, 1) - y[None, :]).abs()).mean(),
        ((centres - y[None, :]) ** 2).mean(),
        ((centres - column.T) ** 2).sum(),
        (-((centres - y.reshape(1, -1)) ** 2)).exp().mean(),
        (x[:, None] * x).sum(),
        x.outer(x).mean(),
        (x[:, None] == x).float().mean() + x.sum(),
        (centres @ x[None, :] - column @ x[None, :]).square().mean(),
        (Tensor(np.eye(16, dtype=np.float32)) - x[:, None] * x[None, :]).square().mean(),
        (centres * Tensor(rng.standard_normal((16, 16)).astype(np.float32))).mean(),
    ]
    for loss in losses:
        loss.backward()
    return [loss.item() for loss in losses]


def square_shapes_that_are_no_mistake():
    square = nn.Linear(16, 16)
    scale, shift = (Tensor(np.ones(s, np.float32), requires_grad=True) for s in ((16,), (16, 1)))
    x, y = Tensor(rng.standard_normal((16, 16)).astype(np.float32)), Tensor(Y)
    total = (square(x) - x).square().mean() + (x * scale - shift).square().mean()
    total = total + (square(x) + y).mean() + (x * shift).sum() / (x - y).square().mean()
    total.backward()
    return [total.item()]


def of_one_sample():
    w = Tensor(np.ones((1, 1)), requires_grad=True)
    loss = ((w - Tensor([2.0])) ** 2).mean()
    loss.backward()
    return [loss.item()]


def captured():
    model = perceptron(4, 8, 1)
    optimiser, losses = optim.Adam(get_parameters(model), lr=0.02), []

    @capture
    def step(x, y):
        optimiser.zero_grad()
        loss = model(x).mse_loss(y)
        loss.backward()
        optimiser.step()
        return loss

    for _ in range(40):
        losses.append(step(Tensor(X), Tensor(Y[:, None])).item())
    return losses


def captured_by_hand():
    w = Tensor(np.zeros(4, np.float32), requires_grad=True)

    @capture
    def step(x, y):
        w.grad = None
        loss = ((x @ w - y) ** 2).mean()
        loss.backward()
        w.data -= 0.05 * w.grad.data
        return loss

    return [step(Tensor(X), Tensor(Y)).item() for _ in range(40)]


def curvature():
    w = Tensor(np.zeros(4), requires_grad=True)
    found = hessian(lambda v: ((Tensor(X) @ v - Y) ** 2).mean(), w)
    for _ in range(3):
        loss = ((Tensor(X) @ w - Y) ** 2).mean()
        w.grad = None
        loss.backward()
        w.data -= np.linalg.solve(found.data, w.grad.data)
    return [loss.item()]


def sharpness_aware():
    w, losses = Tensor(np.zeros(4), requires_grad=True), []
    for _ in range(20):
        w.grad = None
        loss = ((Tensor(X) @ w - Y) ** 2).mean()
        loss.backward()
        step = 0.01 * w.grad.data / np.linalg.norm(w.grad.data)
        w.data += step
        w.grad = None
        ((Tensor(X) @ w - Y) ** 2).mean().backward()
        w.data -= step
        w.data -= 0.05 * w.grad.data
        losses.append(loss.item())
    return losses


HEALTHY = [
    *(by_hand_with_raw_tensors, by_hand_through_data, by_hand_with_a_new_leaf_each_step),
    *(module_and_adam, convolutions_with_batch_norm_and_dropout),
    *(lstm_with_truncated_backpropagation, transformer, adversarial_pair, variational),
    *(meta_learning, meta_learning_through_backward, accumulation),
    *(a_sum_of_losses_and_one_backward, one_graph_and_several_passes),
    *(frozen_backbone_and_a_new_head, a_head_without_gradient, monte_carlo_dropout, with_lbfgs),
    *(with_checkpoints, average_of_the_weights, reinforcement, q_learning, physics_informed),
    *(contrastive, pairwise_on_purpose, square_shapes_that_are_no_mistake, of_one_sample),
    *(captured, captured_by_hand, curvature, sharpness_aware),
]


@pytest.mark.parametrize("program", HEALTHY, ids=lambda program: program.__name__)
def test_nothing_is_told(program):
    numbers = program()
    assert numbers
    assert np.isfinite(numbers).all()
