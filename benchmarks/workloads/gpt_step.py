"""GPT step: 2 layers, 4 heads, width 64, context 64, batch 16, vocabulary 65, plain SGD, float32.

Learned positions, norms before the attention and before the feed-forward part of 4 x 64, gelu in
its tanh form, cross entropy at every position.  SGD, not Adam: where a gradient is 0 but for
rounding, as for the bias of the keys, Adam's first steps follow its sign, and no two sides would
agree.
"""

from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from pairing import Case, Outcome, Settings, Side, Stepper, compare_all, moved

LAYERS, HEADS, WIDTH, CONTEXT, BATCH, WORDS = 2, 4, 64, 64, 16, 65
LR = 0.1
PER_LAYER = 12  # parameters


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Four batches of tokens (batch, context), and the next ones."""
    rng = np.random.default_rng(0)
    tokens = [rng.integers(WORDS, size=(BATCH, CONTEXT + 1)) for _ in range(4)]
    return [(np.ascontiguousarray(t[:, :-1]), np.ascontiguousarray(t[:, 1:])) for t in tokens]


def weights() -> list[np.ndarray]:
    """Words, positions; 12 a layer; last norm and scores.  Matrices have shape (in, out)."""
    rng = np.random.default_rng(1)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32) * np.float32(0.1)

    def norm() -> list[np.ndarray]:
        return [np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)]

    found = [normal(WORDS, WIDTH), normal(CONTEXT, WIDTH)]
    for _ in range(LAYERS):
        found += [*norm(), normal(WIDTH, 3 * WIDTH), normal(3 * WIDTH)]  # queries, keys, values
        found += [normal(WIDTH, WIDTH), normal(WIDTH)]
        found += [*norm(), normal(WIDTH, 4 * WIDTH), normal(4 * WIDTH)]
        found += [normal(4 * WIDTH, WIDTH), normal(WIDTH)]
    return [*found, *norm(), normal(WIDTH, WORDS)]


def ours(captured: bool = False) -> Stepper:
    import nn
    from tinygrad_lite import Tensor, capture

    parameters = [Tensor(w, requires_grad=True) for w in weights()]
    optimiser = nn.optim.SGD(parameters, LR)
    data = cycle(batches())

    def heads(x: Tensor) -> Tensor:
        return x.reshape(BATCH, CONTEXT, HEADS, WIDTH // HEADS).transpose(1, 2)

    def block(x: Tensor, gain1, shift1, Wa, ba, Wp, bp, gain2, shift2, W1, b1, W2, b2) -> Tensor:
        q, k, v = x.layernorm(weight=gain1, bias=shift1).linear(Wa, ba).chunk(3, axis=-1)
        mixed = heads(q).scaled_dot_product_attention(heads(k), heads(v), is_causal=True)
        x = x + mixed.transpose(1, 2).reshape(BATCH, CONTEXT, WIDTH).linear(Wp, bp)
        normal = x.layernorm(weight=gain2, bias=shift2)
        return x + normal.linear(W1, b1).gelu().linear(W2, b2)

    def train(tokens: np.ndarray, following: np.ndarray) -> Tensor:
        words, positions, *layers, gain, shift, out = parameters
        x = words[tokens] + positions
        for start in range(0, len(layers), PER_LAYER):
            x = block(x, *layers[start : start + PER_LAYER])
        scores = x.layernorm(weight=gain, bias=shift) @ out
        loss = scores.reshape(-1, WORDS).cross_entropy(following.reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss

    run_step = capture(train, strict=True) if captured else train

    def step() -> float:
        return run_step(*next(data)).item()

    return step, lambda: moved([p.numpy() for p in parameters], weights())


def pytorch_model() -> Any:
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.attend = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
            self.project, self.norm2 = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)
            self.first, self.second = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x):
            parts = self.attend(self.norm1(x)).split(WIDTH, dim=2)
            q, k, v = (p.view(BATCH, CONTEXT, HEADS, -1).transpose(1, 2) for p in parts)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.project(mixed.transpose(1, 2).reshape(BATCH, CONTEXT, WIDTH))
            return x + self.second(F.gelu(self.first(self.norm2(x)), approximate="tanh"))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.positions = nn.Embedding(WORDS, WIDTH), nn.Embedding(CONTEXT, WIDTH)
            self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
            self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)

        def forward(self, tokens, following):
            x = self.words(tokens) + self.positions(torch.arange(CONTEXT))
            scores = self.out(self.norm(self.blocks(x)))
            return F.cross_entropy(scores.view(-1, WORDS), following.view(-1))

    return GPT()


def pytorch(compiled: bool = False) -> Stepper:
    import torch

    model = pytorch_model()
    named = dict(model.named_parameters())
    with torch.no_grad():
        for (name, parameter), start in zip(named.items(), weights(), strict=True):
            parameter.copy_(torch.from_numpy(turned(name, start)))
    optimiser = torch.optim.SGD(model.parameters(), LR)
    if compiled:
        model = torch.compile(model)
    data = cycle([tuple(map(torch.from_numpy, pair)) for pair in batches()])

    def step() -> float:
        loss = model(*next(data))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    def result() -> list[np.ndarray]:
        return moved([turned(name, p.detach().numpy()) for name, p in named.items()], weights())

    return step, result


def turned(name: str, array: np.ndarray) -> np.ndarray:
    """The matrix of a Linear lies the other way round; the tables do not."""
    return array if name in ("words.weight", "positions.weight") else array.T


def jax_jit() -> Stepper:
    import jax
    import jax.numpy as jnp

    def norm(x, gain, shift):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / jnp.sqrt(variance + 1e-5) * gain + shift

    def block(x, gain1, shift1, Wa, ba, Wp, bp, gain2, shift2, W1, b1, W2, b2):
        parts = jnp.split(norm(x, gain1, shift1) @ Wa + ba, 3, axis=-1)
        q, k, v = (p.reshape(BATCH, CONTEXT, HEADS, -1) for p in parts)
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        x = x + mixed.reshape(BATCH, CONTEXT, WIDTH) @ Wp + bp
        return x + jax.nn.gelu(norm(x, gain2, shift2) @ W1 + b1) @ W2 + b2

    def loss_of(parameters, tokens, following):
        words, positions, *layers, gain, shift, out = parameters
        x = words[tokens] + positions
        for start in range(0, len(layers), PER_LAYER):
            x = block(x, *layers[start : start + PER_LAYER])
        logs = jax.nn.log_softmax(norm(x, gain, shift) @ out)
        return -jnp.take_along_axis(logs, following[..., None], axis=-1).mean()

    @jax.jit
    def train(parameters, tokens, following):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, tokens, following)
        return loss, [p - LR * g for p, g in zip(parameters, gradients, strict=True)]

    state = [[jnp.asarray(w) for w in weights()]]
    data = cycle([tuple(map(jnp.asarray, pair)) for pair in batches()])

    def step() -> float:
        loss, *state[:] = jax.block_until_ready(train(*state, *next(data)))
        return float(loss)

    return step, lambda: moved(state[0], weights())


def autograd_loss() -> Any:
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    hidden = np.triu(np.full((CONTEXT, CONTEXT), -np.inf, np.float32), 1)

    def norm(x, gain, shift):
        centred = x - anp.mean(x, axis=-1, keepdims=True)
        variance = anp.mean(centred**2, axis=-1, keepdims=True)
        return centred / anp.sqrt(variance + 1e-5) * gain + shift

    def heads(x):
        return anp.transpose(anp.reshape(x, (BATCH, CONTEXT, HEADS, -1)), (0, 2, 1, 3))

    def gelu(x):
        return 0.5 * x * (1.0 + anp.tanh((2 / anp.pi) ** 0.5 * (x + 0.044715 * x**3)))

    def block(x, gain1, shift1, Wa, ba, Wp, bp, gain2, shift2, W1, b1, W2, b2):
        q, k, v = anp.split(anp.matmul(norm(x, gain1, shift1), Wa) + ba, 3, axis=-1)
        scores = anp.matmul(heads(q), anp.swapaxes(heads(k), 2, 3)) * (WIDTH / HEADS) ** -0.5
        scores = scores + hidden
        shares = anp.exp(scores - logsumexp(scores, axis=-1, keepdims=True))
        mixed = anp.transpose(anp.matmul(shares, heads(v)), (0, 2, 1, 3))
        x = x + anp.matmul(anp.reshape(mixed, (BATCH, CONTEXT, WIDTH)), Wp) + bp
        return x + anp.matmul(gelu(anp.matmul(norm(x, gain2, shift2), W1) + b1), W2) + b2

    def loss_of(parameters, tokens, following):
        words, positions, *layers, gain, shift, out = parameters
        x = words[tokens] + positions
        for start in range(0, len(layers), PER_LAYER):
            x = block(x, *layers[start : start + PER_LAYER])
        scores = anp.reshape(anp.matmul(norm(x, gain, shift), out), (-1, WORDS))
        true = scores[anp.arange(BATCH * CONTEXT), following.reshape(-1)]
        return anp.mean(logsumexp(scores, axis=1) - true)

    return loss_of


def hips_autograd() -> Stepper:
    from autograd import value_and_grad

    both, parameters, data = value_and_grad(autograd_loss()), weights(), cycle(batches())

    def step() -> float:
        loss, gradients = both(parameters, *next(data))
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= LR * gradient
        return float(loss)

    return step, lambda: moved(parameters, weights())


def run(settings: Settings) -> Outcome:
    sides = [
        Side("ours", ours, captured=(0.87,)),
        Side("PyTorch", pytorch, "torch", (1.2, 0.9)),
        Side("torch.compile", partial(pytorch, compiled=True), "torch.compile"),
        Side("jax.jit", jax_jit, "jax"),
        Side("autograd", hips_autograd, "autograd"),
    ]
    return compare_all([Case("step", sides, 3, captured=partial(ours, True))], settings)
