"""Whole training programs, each written twice into memory of its own: eager, and captured.

After each call everything that the program returned or changed is the same, bit for bit.
"""

import copy

import numpy as np
import pytest
from capturing.layer_twins import described

import nn
import nn.functional as F
from nn.distributions import Bernoulli, Categorical, Normal, kl_divergence
from tinygrad_lite import Tensor, capture, generator, no_grad

PROGRAMS = {}


def program(function):
    """A function that makes one: its step, its modules and optimisers, and batches by number."""
    PROGRAMS[function.__name__] = function
    return function


class Run:
    """One of the two: a program with numbers of its own."""

    def __init__(self, make, compile=lambda step: step):
        self.draws = np.random.default_rng(5)
        with generator.seeded(self.draws):
            step, self.holders, self.batch = make()
        self.step, self.results = compile(step), ()

    def call(self, number):
        """One step; everything that there is to see afterwards."""
        rng = np.random.default_rng(number)
        with generator.seeded(self.draws):
            given = self.batch(rng, self.results)
            self.results = self.step(*given)
        found = {f"result {k}": described(x) for k, x in enumerate(self.results)}
        for place, holder in enumerate(self.holders):
            state = nn.state.get_state_dict(holder)
            found |= {f"{place} {name}": described(x) for name, x in state.items()}
            found |= {f"{place} {name} grad": described(x.grad) for name, x in state.items()}
        return found | {"generator": generator.get_state(self.draws)}


def normal(rng, *shape):
    return Tensor(rng.standard_normal(shape).astype(np.float32))


@program
def images():
    """A convolutional classifier with batch normalisation and dropout."""
    model = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6, momentum=None), nn.GELU()),
        *(nn.Dropout2d(0.2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(6, 3)),
    )
    optimizer = nn.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)

    def step(x, labels):
        optimizer.zero_grad()
        scores = model(x)
        loss = scores.cross_entropy(labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        return loss, scores.argmax(1)

    return step, [model, optimizer], lambda rng, _: (normal(rng, 5, 2, 8, 8), rng.integers(0, 3, 5))


@program
def language():
    """A language model of LSTMs, whose state is carried from one step to the next."""
    model = nn.ModuleDict(
        {
            "embed": nn.Embedding(11, 6, padding_idx=0),
            "lstm": nn.LSTM(6, 5, num_layers=2, dropout=0.3),
            "head": nn.Linear(5, 11),
        }
    )
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)

    def step(x, y, h, c):
        optimizer.zero_grad()
        states, (h, c) = model["lstm"](model["embed"](x), (h, c))
        loss = model["head"](states).reshape(-1, 11).cross_entropy(y.reshape(-1), ignore_index=0)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        return loss, h.detach(), c.detach()

    def batch(rng, results):
        tokens = rng.integers(0, 11, (8, 3))
        state = results[1:] or (Tensor.zeros(2, 3, 5), Tensor.zeros(2, 3, 5))
        return tokens[:-1], tokens[1:], *state

    return step, [model, optimizer], batch


class Block(nn.Module):
    """A block of a GPT, and around it embeddings that are the weights of the last layer too."""

    def __init__(self, width=8, heads=2, words=10, length=6):
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.before, self.between, self.after = (nn.LayerNorm(width) for _ in range(3))
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(0.1)
        )
        self.heads, self.length = heads, length

    def forward(self, tokens):
        x = self.words(tokens) + self.places(np.arange(self.length))
        n, length, width = x.shape
        q, k, v = (
            part.reshape(n, length, self.heads, -1).transpose(1, 2)
            for part in self.mix(self.before(x)).chunk(3, axis=-1)
        )
        y = q.scaled_dot_product_attention(k, v, is_causal=True, dropout_p=0.1)
        x = x + self.out(y.transpose(1, 2).reshape(n, length, width))
        x = x + self.network(self.between(x))
        return self.after(x) @ self.words.weight.T


@program
def gpt():
    """A block with causal attention and tied weights, trained by AdamW."""
    model = Block()
    optimizer = nn.optim.AdamW(model.parameters(), lr=0.01)

    def step(tokens):
        optimizer.zero_grad()
        scores = model(tokens[:, :-1])
        loss = scores.reshape(-1, 10).cross_entropy(tokens[:, 1:].reshape(-1))
        loss.backward()
        optimizer.step()
        return (loss,)

    return step, [model, optimizer], lambda rng, _: (rng.integers(0, 10, (3, 7)),)


@program
def adversaries():
    """A generator against a discriminator, each with an optimiser."""
    maker = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    judge = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(8, 1))
    optimizers = [nn.optim.Adam(m.parameters(), lr=2e-3, betas=(0.5, 0.9)) for m in (maker, judge)]
    loss = nn.BCEWithLogitsLoss()

    def step(real):
        fake = maker(Tensor.randn(len(real), 3))
        optimizers[1].zero_grad()
        wrong = loss(judge(real), Tensor.ones(len(real), 1))
        wrong = wrong + loss(judge(fake.detach()), Tensor.zeros(len(real), 1))
        wrong.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        seen = loss(judge(fake), Tensor.ones(len(real), 1))
        seen.backward()
        optimizers[0].step()
        return wrong, seen

    return step, [maker, judge, *optimizers], lambda rng, _: (normal(rng, 6, 4),)


@program
def siamese():
    """One network for two inputs, and the distance of its results."""
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    optimizer = nn.optim.RMSprop(model.parameters(), lr=0.01)
    loss = nn.CosineEmbeddingLoss(margin=0.1)

    def step(one, two, alike):
        optimizer.zero_grad()
        wrong = (
            loss(model(one), model(two), alike) + model(one).pairwise_distance(model(two)).mean()
        )
        wrong.backward()
        optimizer.step()
        return (wrong,)

    def batch(rng, _):
        return normal(rng, 5, 4), normal(rng, 5, 4), rng.choice([-1.0, 1.0], 5)

    return step, [model, optimizer], batch


@program
def autoencoder():
    """Noise is added in the step, and taken away again by way of a narrow layer."""
    encoder = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ELU())
    decoder = nn.Sequential(nn.ConvTranspose2d(3, 1, 4, stride=2, padding=1), nn.Sigmoid())
    both = nn.ModuleList([encoder, decoder])
    optimizer = nn.optim.Adagrad(both.parameters(), lr=0.05)

    def step(x):
        optimizer.zero_grad()
        again = decoder(encoder(x + 0.1 * Tensor.randn(*x.shape)))
        loss = ((again - x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss, again

    return step, [both, optimizer], lambda rng, _: (normal(rng, 3, 1, 8, 8),)


@program
def accumulation():
    """The gradients of several small batches are added before the update."""
    model = nn.Sequential(nn.Linear(4, 5), nn.SiLU(), nn.Linear(5, 2))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, nesterov=True, momentum=0.5)

    def step(xs, ys):
        optimizer.zero_grad()
        total = 0.0
        for x, y in zip(xs, ys, strict=True):
            loss = (model(x) - y).abs().mean() / len(xs)
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        return (total,)

    def batch(rng, _):
        return [normal(rng, 3, 4) for _ in range(3)], [normal(rng, 3, 2) for _ in range(3)]

    return step, [model, optimizer], batch


@program
def frozen():
    """The first layers of a model stay as they are, in evaluation; the last ones are trained."""
    body = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU()).requires_grad_(False).eval()
    head = nn.Sequential(nn.Linear(6, 4), nn.PReLU(), nn.Linear(4, 2))
    optimizer = nn.optim.SGD(head.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        with no_grad():
            features = body(x)
        loss = F.mse_loss(head(features), y)
        loss.backward()
        optimizer.step()
        return (loss,)

    return step, [body, head, optimizer], lambda rng, _: (normal(rng, 5, 4), normal(rng, 5, 2))


@program
def averaged():
    """A second model is the moving average of the weights of the first, and is its teacher."""
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    teacher = copy.deepcopy(model).requires_grad_(False)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = (model(x) - teacher(x)).square().mean() + model(x).exp().mean()
        loss.backward()
        optimizer.step()
        with no_grad():
            for mean, new in zip(teacher.parameters(), model.parameters(), strict=True):
                mean *= 0.9
                mean += 0.1 * new
        return (loss,)

    return step, [model, teacher, optimizer], lambda rng, _: (normal(rng, 4, 3),)


@program
def variational():
    """A variational autoencoder: draws with gradients, and a divergence in closed form."""
    encoder, decoder = nn.Linear(6, 4), nn.Sequential(nn.Linear(2, 8), nn.ELU(), nn.Linear(8, 6))
    optimizer = nn.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.02)
    prior = Normal(Tensor.zeros(2), Tensor.ones(2))

    def step(x):
        optimizer.zero_grad()
        loc, scale = encoder(x).chunk(2, 1)
        posterior = Normal(loc, scale.softplus() + 1e-3)
        code = posterior.rsample()
        seen = Bernoulli(logits=decoder(code)).log_prob((x > 0).float())
        loss = kl_divergence(posterior, prior).sum(1).mean() - seen.sum(1).mean()
        loss.backward()
        optimizer.step()
        return loss, code

    return step, [encoder, decoder, optimizer], lambda rng, _: (normal(rng, 5, 6),)


@program
def policy():
    """A policy gradient: actions are drawn in the step, and rewarded."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    def step(states, rewards):
        optimizer.zero_grad()
        actions = Categorical(logits=model(states))
        chosen = actions.sample()
        reward = rewards.gather(1, chosen.unsqueeze(1)).squeeze(1)
        loss = -(actions.log_prob(chosen) * reward).mean() - 0.01 * actions.entropy().mean()
        loss.backward()
        optimizer.step()
        return loss, chosen

    return step, [model, optimizer], lambda rng, _: (normal(rng, 6, 4), normal(rng, 6, 3))


@program
def sequences():
    """Sequences of different lengths, read in both directions; their words are drawn softly."""
    model = nn.ModuleDict(
        {
            "read": nn.GRU(4, 3, batch_first=True, bidirectional=True),
            "turn": nn.RoPE(6),
            "look": nn.MultiheadAttention(6, 2, dropout=0.2, batch_first=True),
            "head": nn.Linear(6, 4),
        }
    )
    optimizer = nn.optim.NAdam(model.parameters(), lr=0.01)

    def step(x, lengths, hidden):
        optimizer.zero_grad()
        x = F.gumbel_softmax(x, tau=0.7, hard=True)
        states, last = model["read"](x, lengths=lengths)
        y, weights = model["look"](model["turn"](states), states, states, key_padding_mask=hidden)
        loss = model["head"](y + states).logsumexp(-1).mean() + last.square().mean()
        loss.backward()
        optimizer.step()
        return loss, weights

    def batch(rng, _):
        return normal(rng, 3, 5, 4), [5, 2, 4], np.arange(5) >= np.array([[5], [2], [4]])

    return step, [model, optimizer], batch


@program
def functions():
    """A network of functions alone, whose weights and running averages are variables."""
    w = {key: nn.Parameter(Tensor.randn(*shape) * 0.3) for key, shape in SHAPES.items()}
    mean, var = Tensor.zeros(4), Tensor.ones(4)
    optimizer = nn.optim.AdamW(w.values(), lr=0.01)

    def step(x, labels):
        optimizer.zero_grad()
        y = F.conv2d(F.pad(x, (1, 1, 0, 1), value=0.5), w["conv"], w["shift"], stride=2)
        y = F.relu_(F.batch_norm(y, mean, var, training=True, momentum=0.3))
        y = F.interpolate(F.dropout(y, 0.2), scale_factor=1.5, mode="bilinear")
        y = F.group_norm(F.max_pool2d(y, 2), 2).flatten(1)
        y = F.hardswish(F.layer_norm(y, (8,))) @ w["mix"]
        y = F.normalize(F.leaky_relu_(y, 0.1)) * 3
        soft = F.one_hot(labels, 3).float() * 0.8 + 0.1
        loss = F.kl_div(F.log_softmax(y, 1), soft, reduction="batchmean") + F.huber_loss(y, soft)
        loss.backward()
        optimizer.step()
        return loss, y, mean * 1, var * 1

    return step, [w, optimizer], lambda rng, _: (normal(rng, 4, 2, 5, 6), rng.integers(0, 3, 4))


SHAPES = {"conv": (4, 2, 3, 3), "shift": (4,), "mix": (8, 3)}


@program
def renewed():
    """Weights that are drawn anew in each step, from another distribution in each layer."""
    model = nn.Sequential(*[nn.Linear(3, 3) for _ in range(6)])

    def step(x):
        nn.init.xavier_uniform_(model[0].weight)
        nn.init.kaiming_normal_(model[1].weight)
        nn.init.trunc_normal_(model[2].weight, std=0.3)
        nn.init.orthogonal_(model[3].weight)
        nn.init.sparse_(model[4].weight, 0.3)
        nn.init.eye_(model[5].weight)
        nn.init.constant_(model[5].bias, 0.5)
        model.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        return (loss,)

    return step, [model], lambda rng, _: (normal(rng, 4, 3),)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_captured_program_does_what_the_eager_one_does(name):
    eager, captured = Run(PROGRAMS[name]), Run(PROGRAMS[name], lambda f: capture(f, strict=True))
    for number in range(6):
        expected, found = eager.call(number), captured.call(number)
        assert found == expected, (number, [k for k in expected if found[k] != expected[k]])
    assert len(captured.step.plans) == 1


def test_gradients_add_up_over_captured_calls():
    def make():
        model = nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 2))
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

        def backward(x):
            loss = model(x).square().mean()
            loss.backward()
            return (loss,)

        def update():
            optimizer.step()
            optimizer.zero_grad()

        return (backward, update), [model, optimizer], None

    runs = [Run(make), Run(make, lambda steps: [capture(step, strict=True) for step in steps])]
    for number in range(12):
        found = []
        for run in runs:
            backward, update = run.step
            (loss,) = backward(normal(np.random.default_rng(number), 3, 4))
            (model, _) = run.holders
            parameters = list(model.parameters())
            found.append([described(x) for x in (loss, *(p.grad for p in parameters))])
            if number % 3 == 2:
                update()
            found[-1] += [described(p) for p in parameters]
        assert found[0] == found[1], number


def test_a_state_dict_that_is_loaded_in_the_step():
    """As the target network of a DQN follows."""

    def run(wrap):
        Tensor.manual_seed(0)
        net, target = nn.Linear(4, 3), nn.Linear(4, 3)

        def step(x):
            net.zero_grad()
            loss = (net(x) - target(x).detach()).square().mean()
            loss.backward()
            slow, fast = target.state_dict(), net.state_dict()
            target.load_state_dict({name: 0.1 * fast[name] + 0.9 * slow[name] for name in fast})
            return loss

        step, rng = wrap(step), np.random.default_rng(0)
        losses = [step(Tensor(rng.random((5, 4), np.float32))).item() for _ in range(5)]
        return losses, target.weight.data.tobytes(), getattr(step, "eager", None)

    assert run(capture) == run(lambda step: step)
