"""Models and loops that look like mistakes of nn and are none: they are told nothing.

Weights that are computed, cached, shared, frozen for a while or moved by something else than a
gradient; calls in training mode under no_grad that are meant; gradients that are detached on
purpose.
"""

import copy

import numpy as np
import pytest

import nn
from nn import functional as F
from nn.optim.swa_utils import AveragedModel, update_bn
from tinygrad_lite import Tensor, grad, no_grad

rng = np.random.default_rng(11)
X = Tensor(rng.standard_normal((16, 4)).astype(np.float32))
LABELS = rng.integers(0, 3, 16)


def train(model, steps=6, loss_of=lambda model: model(X).cross_entropy(LABELS)):
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
    return loss


class WeightNorm(nn.Module):
    def __init__(self):
        self.weight_v, self.weight_g = nn.Parameter(Tensor.randn(3, 4)), nn.Parameter(np.ones(3))
        self.weight_g.data = self.weight_g.data.astype(np.float32)
        self.bias = nn.Parameter(Tensor.zeros(3))

    def forward(self, x):
        length = self.weight_v.square().sum(1, keepdim=True).sqrt()
        self.weight = self.weight_v / length * self.weight_g.unsqueeze(1)
        return x.linear(self.weight, self.bias, transposed=True)


def weight_norm():
    model = WeightNorm()
    train(model, loss_of=lambda model: model(X).cross_entropy(LABELS))
    with no_grad():
        model(X)  # the cached weight has no graph now
    model.zero_grad()
    model.state_dict()


class SpectralNorm(nn.Module):
    def __init__(self):
        self.weight, self.weight_u = nn.Parameter(Tensor.randn(3, 4)), Tensor.randn(3)

    def forward(self, x):
        with no_grad():
            v = self.weight.T @ self.weight_u
            v = v / v.square().sum().sqrt()
            self.weight_u = self.weight @ v
            self.weight_u = self.weight_u / self.weight_u.square().sum().sqrt()
        return x @ (self.weight / (self.weight_u * (self.weight @ v)).sum()).T


class Tied(nn.Module):
    def __init__(self):
        self.encoder, self.bias = nn.Linear(4, 3), nn.Parameter(Tensor.zeros(4))

    def forward(self, x):
        return F.linear(self.encoder(x), self.encoder.weight.T, self.bias)


class Stateful(nn.Module):
    def __init__(self):
        self.cell, self.out = nn.GRUCell(4, 4), nn.Linear(4, 3)
        self.h0, self.h = nn.Parameter(Tensor.zeros(1, 4)), None

    def forward(self, x):
        self.h = self.cell(x, self.h0.expand(16, 4) if self.h is None else self.h.detach())
        return self.out(self.h)


class Scaled(nn.Module):
    def forward(self, x):
        self.last = (x - 0.5) * 2.0
        return self.last


def input_gradients_through_a_cache():
    model = nn.Sequential(Scaled(), nn.Linear(4, 3))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(4):
        x = Tensor(X.data, requires_grad=True)
        model(x).cross_entropy(LABELS).backward()
        attacked = Tensor(X.data + 0.1 * np.sign(x.grad.data))
        del x
        model.zero_grad()
        model(attacked).cross_entropy(LABELS).backward()
        optimizer.step()
        model.state_dict()


def gradient_penalty():
    def loss_of(model):
        x = Tensor(X.data, requires_grad=True)
        y = model(x)
        (g,) = grad(y.sum(), [x], create_graph=True)
        return y.mean() + ((g.square().sum(1) + 1e-8).sqrt() - 1).square().mean()

    train(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)), loss_of=loss_of)


def generator_and_critic():
    generator = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    critic = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(), nn.Dropout(0.2), nn.Linear(8, 1))
    first, second = (nn.optim.Adam(m.parameters(), lr=0.001) for m in (generator, critic))
    loss = F.binary_cross_entropy_with_logits
    for _ in range(12):
        for _ in range(3):
            second.zero_grad()
            with no_grad():
                made = generator(Tensor.randn(16, 2))
            real, fake = Tensor.ones(16, 1), Tensor.zeros(16, 1)
            (loss(critic(X), real) + loss(critic(made), fake)).backward()
            second.step()
        first.zero_grad()
        loss(critic(generator(Tensor.randn(16, 2))), Tensor.ones(16, 1)).backward()
        first.step()
    generator.eval()
    with no_grad():
        generator(Tensor.randn(16, 2))


class Siamese(nn.Module):
    """A network beside its moving average, in one optimiser."""

    def __init__(self):
        self.online, self.predict = nn.Linear(4, 8), nn.Linear(8, 8)
        self.target = copy.deepcopy(self.online)

    def forward(self, x):
        with no_grad():
            pairs = zip(self.target.parameters(), self.online.parameters(), strict=True)
            for own, other in pairs:
                own.copy_(own * 0.9 + other * 0.1)
        return (self.predict(self.online(x)) - self.target(x).detach()).square().mean()


class Quantised(nn.Module):
    """A code book with straight-through gradients."""

    def __init__(self):
        self.encoder, self.decoder, self.book = nn.Linear(4, 2), nn.Linear(2, 4), nn.Embedding(5, 2)

    def forward(self, x):
        z = self.encoder(x)
        nearest = (z.unsqueeze(1) - self.book.weight.unsqueeze(0)).square().sum(2).argmin(1)
        q = self.book(nearest)
        y = self.decoder(z + (q - z).detach())
        return y.mse_loss(x) + q.mse_loss(z.detach()) + z.mse_loss(q.detach())


class ActorCritic(nn.Module):
    def __init__(self):
        self.body, self.policy, self.value = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(self, x):
        h = self.body(x).tanh()
        value, returns = self.value(h).squeeze(1), x.sum(1)
        advantage = (returns - value).detach().unsqueeze(1)
        return F.nll_loss(self.policy(h).log_softmax(1) * advantage, LABELS) + value.mse_loss(
            returns
        )


def heads_in_turn_and_probes():
    body, heads = nn.Linear(4, 4), [nn.Linear(4, 3), nn.Linear(4, 3)]
    probe = nn.Linear(4, 3)
    parts = [body, *heads, probe]
    optimizer = nn.optim.Adam([p for part in parts for p in part.parameters()])
    for number in range(8):
        h = body(X)
        optimizer.zero_grad()
        heads[number % 2](h).cross_entropy(LABELS).backward()
        probe(h.detach()).cross_entropy(LABELS).backward()
        optimizer.step()


def layers_thawed_one_by_one():
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    model[0].requires_grad_(False)
    optimizer = nn.optim.Adam(model.parameters())
    for number in range(8):
        if number == 4:
            model[0].requires_grad_(True)
        optimizer.zero_grad()
        model(X).cross_entropy(LABELS).backward()
        optimizer.step()


def averaged_and_tested_each_epoch():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 3))
    average = AveragedModel(model)
    for _ in range(3):
        model.train()
        train(model, steps=8)
        average.update_parameters(model)
        model.eval()
        with no_grad():
            model(X)
    update_bn([X], average)
    average.eval()
    with no_grad():
        average(X)


def accumulation_with_a_rest():
    model = nn.Linear(4, 3)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    for number in range(10):
        (model(X).cross_entropy(LABELS) / 4).backward()
        if number % 4 == 3:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    optimizer.step()


PROGRAMS = [
    *(weight_norm, input_gradients_through_a_cache, gradient_penalty, generator_and_critic),
    *(heads_in_turn_and_probes, layers_thawed_one_by_one, averaged_and_tested_each_epoch),
    accumulation_with_a_rest,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(program):
    program()


@pytest.mark.parametrize("make", [SpectralNorm, Stateful])
def test_classifiers(make):
    assert np.isfinite(train(make()).item())


@pytest.mark.parametrize("make", [Siamese, Quantised, ActorCritic])
def test_models_that_return_a_loss(make):
    assert np.isfinite(train(make(), loss_of=lambda model: model(X)).item())


def test_tied_weights():
    assert np.isfinite(train(Tied(), loss_of=lambda model: model(X).mse_loss(X)).item())
