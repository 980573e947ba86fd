"""Models of sequences: attention, recurrence, structured prediction."""

from types import SimpleNamespace

import numpy as np
import pytest
from parity.model import Model, normal

from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
F = torch.nn.functional
TOKENS = np.array([[3, 1, 4, 1, 5], [2, 6, 5, 3, 5]])


class GPT(Model):
    """One block, tied weights, padding ignored, smoothed labels (Radford et al., 2019)."""

    weights = SimpleNamespace(
        tokens=(7, 8),
        places=(5, 8),
        gain1=(8,),
        shift1=(8,),
        qkv=(24, 8),
        qkv_bias=(24,),
        project=(8, 8),
        gain2=(8,),
        shift2=(8,),
        wide=(32, 8),
        wide_bias=(32,),
        narrow=(8, 32),
    )
    data = SimpleNamespace(tokens=TOKENS, next=np.array([[1, 4, 1, 5, -100], [6, 5, 3, 5, 0]]))

    @staticmethod
    def ours(w, d):
        def layer_norm(x, gain, shift):
            mean = x.mean(-1, keepdim=True)
            var = ((x - mean) ** 2).mean(-1, keepdim=True)
            return (x - mean) / (var + 1e-5).sqrt() * gain + shift

        B, T = d.tokens.shape
        x = w.tokens[d.tokens] + w.places[Tensor.arange(T)]
        qkv = layer_norm(x, w.gain1, w.shift1).linear(w.qkv.T, w.qkv_bias)
        q, k, v = (t.reshape(B, T, 2, 4).transpose(1, 2) for t in qkv.chunk(3, axis=-1))
        y = q.scaled_dot_product_attention(k, v, is_causal=True)
        x = x + y.transpose(1, 2).reshape(B, T, 8) @ w.project.T
        h = layer_norm(x, w.gain2, w.shift2).linear(w.wide.T, w.wide_bias).gelu()
        logits = (x + h @ w.narrow.T) @ w.tokens.T
        return logits.flatten(0, 1).cross_entropy(d.next.flatten(), label_smoothing=0.1)

    @staticmethod
    def theirs(w, d):
        B, T = d.tokens.shape
        x = w.tokens[d.tokens] + w.places[torch.arange(T)]
        qkv = F.linear(F.layer_norm(x, (8,), w.gain1, w.shift1), w.qkv, w.qkv_bias)
        q, k, v = (t.reshape(B, T, 2, 4).transpose(1, 2) for t in qkv.chunk(3, dim=-1))
        weights = (q @ k.mT / 2).masked_fill(~torch.ones(T, T).tril().bool(), -torch.inf)
        y = weights.softmax(-1) @ v
        x = x + y.transpose(1, 2).reshape(B, T, 8) @ w.project.T
        h = F.linear(F.layer_norm(x, (8,), w.gain2, w.shift2), w.wide, w.wide_bias)
        logits = (x + F.gelu(h, approximate="tanh") @ w.narrow.T) @ w.tokens.T
        return F.cross_entropy(logits.flatten(0, 1), d.next.flatten(), label_smoothing=0.1)


class RotaryAttention(Model):
    """Llama's block: RMS norm, RoPE (Su et al., 2021), shared heads, SwiGLU; einsum throughout."""

    weights = SimpleNamespace(
        gain=(8,),
        q=(4, 4, 8),
        k=(2, 4, 8),
        v=(2, 4, 8),
        out=(8, 4, 4),
        gate=(12, 8),
        up=(12, 8),
        down=(8, 12),
    )
    data = SimpleNamespace(x=normal(2, 5, 8), angles=np.outer(np.arange(5.0), [1.0, 0.1]))

    @staticmethod
    def ours(w, d):
        cos, sin = d.angles.cos(), d.angles.sin()

        def rms_norm(x):
            return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * w.gain

        def rotate(x):
            even, odd = x[..., ::2], x[..., 1::2]
            pairs = (even * cos - odd * sin).stack(even * sin + odd * cos, axis=-1)
            return pairs.flatten(-2)

        h = rms_norm(d.x)
        q, k, v = (Tensor.einsum("bte,hde->bhtd", h, weight) for weight in (w.q, w.k, w.v))
        y = rotate(q).scaled_dot_product_attention(rotate(k), v, is_causal=True, enable_gqa=True)
        x = d.x + Tensor.einsum("bhtd,ehd->bte", y, w.out)
        h = rms_norm(x)
        x = x + ((h @ w.gate.T).silu() * (h @ w.up.T)) @ w.down.T
        return (x - x.roll(1, 1)).pow(2).mean()

    @staticmethod
    def theirs(w, d):
        turn = torch.polar(torch.ones_like(d.angles), d.angles)

        def rotate(x):
            return torch.view_as_real(
                torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * turn
            ).flatten(-2)

        h = F.rms_norm(d.x, (8,), w.gain, 1e-6)
        q, k, v = (torch.einsum("bte,hde->bhtd", h, weight) for weight in (w.q, w.k, w.v))
        k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        scores = rotate(q) @ rotate(k).mT / 2 + torch.full((5, 5), -torch.inf).triu(1)
        x = d.x + torch.einsum("bhtd,ehd->bte", scores.softmax(-1).to(v.dtype) @ v, w.out)
        h = F.rms_norm(x, (8,), w.gain, 1e-6)
        x = x + F.linear(F.silu(h @ w.gate.T) * (h @ w.up.T), w.down)
        return F.mse_loss(x, x.roll(1, 1))


class LSTM(Model):
    """Four gates a step, the last state classified (Hochreiter and Schmidhuber, 1997)."""

    weights = SimpleNamespace(ih=(20, 3), hh=(20, 5), bias=(20,), head=(4, 5))
    data = SimpleNamespace(x=normal(2, 6, 3), labels=np.array([3, 1]))

    @staticmethod
    def ours(w, d):
        h, c, states = Tensor.zeros(2, 5, dtype=d.x.dtype), d.x.zeros(2, 5, dtype=d.x.dtype), []
        for x in d.x.unbind(1):
            i, f, g, o = (x @ w.ih.T + h @ w.hh.T + w.bias).split(5, axis=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            states.append(h)
        y = Tensor.stack(states, axis=1)
        return (y[:, -1] @ w.head.T).cross_entropy(d.labels) + 0.01 * y.abs().max(1).sum()

    @staticmethod
    def theirs(w, d):
        zeros = torch.zeros(1, 2, 5, dtype=d.x.dtype)
        given = (w.ih, w.hh, w.bias, torch.zeros_like(w.bias))
        y, _, _ = torch._VF.lstm(d.x, (zeros, zeros), given, True, 1, 0.0, False, False, True)
        return F.cross_entropy(y[:, -1] @ w.head.T, d.labels) + 0.01 * y.abs().amax(1).sum()


class GRU(Model):
    """Encoder whose steps beyond a sequence's length are masked (Cho et al., 2014)."""

    weights = SimpleNamespace(embed=(7, 4), ih=(15, 4), hh=(15, 5), bias=(15,), head=(1, 5))
    data = SimpleNamespace(tokens=TOKENS, lengths=np.array([3, 5]), y=normal(2))

    @staticmethod
    def ours(w, d):
        h = Tensor.zeros(2, 5, dtype=w.hh.dtype)
        for step in range(d.tokens.shape[1]):
            a = w.embed[d.tokens[:, step]] @ w.ih.T
            b = h @ w.hh.T + w.bias
            (ra, za, na), (rb, zb, nb) = a.chunk(3, axis=1), b.chunk(3, axis=1)
            r, z = (ra + rb).sigmoid(), (za + zb).sigmoid()
            new = (1 - z) * (na + r * nb).tanh() + z * h
            h = (d.lengths > step).unsqueeze(1).where(new, h)
        return (h @ w.head.T).reshape(-1).smooth_l1_loss(d.y)

    @staticmethod
    def theirs(w, d):
        zeros = torch.zeros(1, 2, 5, dtype=w.hh.dtype)
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            w.embed[d.tokens], d.lengths, batch_first=True, enforce_sorted=False
        )
        given = (w.ih, w.hh, torch.zeros_like(w.bias), w.bias)
        _, h = torch._VF.gru(
            packed.data, packed.batch_sizes, zeros, given, True, 1, 0.0, False, False
        )
        return F.smooth_l1_loss((h[0][packed.unsorted_indices] @ w.head.T).squeeze(-1), d.y)


class CRF(Model):
    """Negative log likelihood of tags, by the forward algorithm (Lafferty et al., 2001)."""

    weights = SimpleNamespace(emit=(4, 6), moves=(4, 4), first=(4,))
    data = SimpleNamespace(
        x=normal(3, 5, 6), tags=np.array([[0, 1, 1, 3, 2], [2, 2, 0, 1, 3], [1] * 5])
    )

    @staticmethod
    def ours(w, d):
        scores = (d.x @ w.emit.T).log_softmax(-1)
        alpha = w.first + scores[:, 0]
        for t in range(1, 5):
            alpha = (alpha[:, :, None] + w.moves + scores[:, t, None, :]).logsumexp(axis=1)
        path = scores.gather(-1, d.tags[:, :, None]).sum((1, 2)) + w.first[d.tags[:, 0]]
        path = path + w.moves[d.tags[:, :-1], d.tags[:, 1:]].sum(1)
        return (alpha.logsumexp(1) - path).mean()

    @staticmethod
    def theirs(w, d):
        """All 4^5 paths, one by one."""
        scores = (d.x @ w.emit.T).log_softmax(-1)
        paths = torch.cartesian_prod(*[torch.arange(4)] * 5)

        def total(tags, rows):
            emitted = rows[torch.arange(5), tags].sum(-1)
            return emitted + w.first[tags[..., 0]] + w.moves[tags[..., :-1], tags[..., 1:]].sum(-1)

        every = torch.stack([total(paths, rows).logsumexp(0) for rows in scores])
        taken = torch.stack([total(tags, rows) for tags, rows in zip(d.tags, scores, strict=True)])
        return (every - taken).mean()


class PolicyGradient(Model):
    """Advantage actor-critic: gathered log probabilities, an entropy bonus, clipped ratios."""

    weights = SimpleNamespace(body=(8, 4), body_bias=(8,), actor=(3, 8), critic=(1, 8))
    data = SimpleNamespace(
        seen=normal(6, 4),
        actions=np.array([0, 2, 1, 1, 0, 2]),
        rewards=normal(6),
        alive=np.array([True, True, False, True, True, False]),
        old=-np.abs(normal(6)) - 0.7,
    )

    @staticmethod
    def ours(w, d):
        h = d.seen.linear(w.body.T, w.body_bias).relu()
        logs, value = h.linear(w.actor.T).log_softmax(), h.linear(w.critic.T).squeeze(1)
        returns, total = [], 0.0
        for step in reversed(range(6)):
            total = d.rewards[step] + 0.9 * total * d.alive[step]
            returns.append(total)
        returns = Tensor.stack(*returns).flip(0)
        advantage = (returns - value).detach()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        chosen = logs.gather(1, d.actions.unsqueeze(1)).squeeze(1)
        ratio = (chosen - d.old).exp()
        gain = (ratio * advantage).minimum(ratio.clip(0.8, 1.2) * advantage)
        entropy = -(logs.exp() * logs).sum(1)
        return -gain.mean() + 0.5 * value.mse_loss(returns) - 0.01 * entropy.mean()

    @staticmethod
    def theirs(w, d):
        h = F.linear(d.seen, w.body, w.body_bias).relu()
        policy = torch.distributions.Categorical(logits=F.linear(h, w.actor))
        value = F.linear(h, w.critic).squeeze(1)
        returns, total = [], torch.zeros((), dtype=h.dtype)
        for step in reversed(range(6)):
            total = d.rewards[step] + 0.9 * total * d.alive[step]
            returns.insert(0, total)
        returns = torch.stack(returns)
        advantage = (returns - value).detach()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        ratio = (policy.log_prob(d.actions) - d.old).exp()
        gain = torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        return -gain + 0.5 * F.mse_loss(value, returns) - 0.01 * policy.entropy().mean()
