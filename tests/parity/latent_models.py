"""Models of densities, distances and graphs; linear algebra, derivatives inside the loss."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from parity.model import Model, normal

from tinygrad_lite import Tensor, grad, hvp, jacobian

torch = pytest.importorskip("torch")
F = torch.nn.functional


class VAE(Model):
    """Evidence bound with fixed noise (Kingma and Welling, 2013)."""

    weights = SimpleNamespace(encode=(8, 6), mu=(2, 8), logvar=(2, 8), decode=(6, 2), bias=(6,))
    data = SimpleNamespace(x=np.random.default_rng(1).uniform(0, 1, (5, 6)), noise=normal(5, 2))

    @staticmethod
    def ours(w, d):
        h = (d.x @ w.encode.T).elu()
        mu, logvar = h @ w.mu.T, h @ w.logvar.T
        z = mu + d.noise * (0.5 * logvar).exp()
        logits = z @ w.decode.T + w.bias
        nll = logits.binary_crossentropy_logits(d.x, reduction="sum")
        kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
        return (nll + kl) / len(d.x)

    @staticmethod
    def theirs(w, d):
        normals = torch.distributions.Normal
        h = F.elu(d.x @ w.encode.T)
        mu, std = h @ w.mu.T, (0.5 * (h @ w.logvar.T)).exp()
        logits = F.linear(mu + d.noise * std, w.decode, w.bias)
        nll = -torch.distributions.Bernoulli(logits=logits, validate_args=False).log_prob(d.x)
        kl = torch.distributions.kl_divergence(
            normals(mu, std), normals(torch.zeros_like(mu), torch.ones_like(mu))
        )
        return (nll.sum() + kl.sum()) / len(d.x)


class GaussianProcess(Model):
    """Negative log marginal likelihood of an RBF kernel (Rasmussen and Williams, 2006)."""

    weights = SimpleNamespace(lengths=(2,), height=(), noise=())
    data = SimpleNamespace(x=normal(6, 2), y=normal(6))
    exact = 1e-9

    @staticmethod
    def ours(w, d):
        x = d.x / w.lengths.exp()
        squares = ((x[:, None] - x[None]) ** 2).sum(-1)
        K = w.height.exp() * (-0.5 * squares).exp() + (w.noise.exp() + 0.1) * Tensor.eye(
            6, dtype=d.x.dtype
        )
        L = K.cholesky()
        fit = 0.5 * d.y @ K.solve(d.y)
        half = L.diagonal().log().sum()
        return fit + 0.5 * half + 0.25 * K.slogdet()[1] + 3 * math.log(2 * math.pi)

    @staticmethod
    def theirs(w, d):
        x = d.x / w.lengths.exp()
        K = w.height.exp() * (-0.5 * ((x[:, None] - x[None]) ** 2).sum(-1)).exp()
        K = K + (w.noise.exp() + 0.1) * torch.eye(6, dtype=x.dtype)
        L = torch.linalg.cholesky(K)
        z = torch.linalg.solve_triangular(L, d.y[:, None], upper=False)
        return 0.5 * (z * z).sum() + L.diagonal().log().sum() + 3 * math.log(2 * math.pi)


class PhysicsInformed(Model):
    """u'' + u = x on a network: two derivatives inside the loss (Raissi et al., 2019)."""

    weights = SimpleNamespace(w1=(1, 8), b1=(8,), w2=(8, 8), b2=(8,), w3=(8, 1))
    data = SimpleNamespace(x=np.linspace(-1, 1, 9)[:, None])
    exact = 1e-9

    @staticmethod
    def ours(w, d):
        def u(x):
            return ((x @ w.w1 + w.b1).tanh() @ w.w2 + w.b2).sin() @ w.w3

        x = d.x.clone().requires_grad_()
        y = u(x)
        (slope,) = grad(y.sum(), x, create_graph=True)
        (bend,) = grad(slope.sum(), x, create_graph=True)
        start = jacobian(u, Tensor([[0.0]], dtype=d.x.dtype), create_graph=True).reshape(())
        _, push = hvp(lambda x: u(x).sum(), d.x, d.x, create_graph=True)
        return (bend + y - x).square().mean() + (start - 1) ** 2 + 0.1 * push.square().mean()

    @staticmethod
    def theirs(w, d):
        def u(x):
            return ((x @ w.w1 + w.b1).tanh() @ w.w2 + w.b2).sin() @ w.w3

        def one(x):
            return u(x.reshape(1, 1)).squeeze()

        second = torch.func.grad(torch.func.grad(one))
        bend = torch.func.vmap(second)(d.x[:, 0])[:, None]
        start = torch.func.grad(one)(torch.zeros((), dtype=d.x.dtype))
        push = bend * d.x
        return (bend + u(d.x) - d.x).square().mean() + (start - 1) ** 2 + 0.1 * push.square().mean()


class GradientPenalty(Model):
    """Wasserstein critic with the norm of its gradient held near 1 (Gulrajani et al., 2017)."""

    weights = SimpleNamespace(w1=(6, 4), b1=(6,), w2=(1, 6))
    data = SimpleNamespace(
        real=normal(5, 4), fake=normal(5, 4), mix=np.linspace(0.1, 0.9, 5)[:, None]
    )

    @staticmethod
    def ours(w, d):
        def critic(x):
            return x.linear(w.w1.T, w.b1).softplus().linear(w.w2.T)

        between = d.real.lerp(d.fake, d.mix).requires_grad_()
        (slopes,) = grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slopes.norm(2, axis=1) - 1) ** 2).mean()
        return critic(d.fake).mean() - critic(d.real).mean() + 10 * penalty

    @staticmethod
    def theirs(w, d):
        def critic(x):
            return F.linear(F.softplus(F.linear(x, w.w1, w.b1)), w.w2)

        between = torch.lerp(d.real, d.fake, d.mix).requires_grad_()
        (slopes,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slopes.norm(2, dim=1) - 1) ** 2).mean()
        return critic(d.fake).mean() - critic(d.real).mean() + 10 * penalty


class Contrastive(Model):
    """NT-Xent (Chen et al., 2020), and a triplet loss on distances written out."""

    weights = SimpleNamespace(w1=(8, 5), w2=(3, 8))
    data = SimpleNamespace(a=normal(4, 5), b=normal(4, 5))

    @staticmethod
    def ours(w, d):
        def embed(x):
            return (x @ w.w1.T).relu() @ w.w2.T

        z = Tensor.cat(embed(d.a), embed(d.b)).normalize(axis=1)
        alike = (z @ z.T / 0.5).masked_fill(Tensor.eye(8).bool(), -math.inf)
        pairs = Tensor.arange(8).roll(4)
        a, b = z.chunk(2)
        apart = ((a[:, None] - b.roll(1, 0)[None]).square().sum(-1) + 1e-12).sqrt()  # cdist
        near = (a - b + 1e-6).norm(axis=1)
        triplet = (near - apart.diagonal() + 1).relu().mean()
        return alike.cross_entropy(pairs) + triplet

    @staticmethod
    def theirs(w, d):
        def embed(x):
            return F.linear(F.linear(x, w.w1).relu(), w.w2)

        z = F.normalize(torch.cat([embed(d.a), embed(d.b)]))
        alike = F.cosine_similarity(z[:, None], z[None], dim=-1) / 0.5
        alike = alike.masked_fill(torch.eye(8, dtype=torch.bool), -torch.inf)
        a, b = z.chunk(2)
        apart = ((a - b.roll(1, 0)).square().sum(-1) + 1e-12).sqrt()
        near = F.pairwise_distance(a, b)
        loss = F.cross_entropy(alike, torch.arange(8).roll(4))
        return loss + (near - apart + 1).relu().mean()


class MixtureDensity(Model):
    """Mixture of Gaussians whose parameters a network gives (Bishop, 1994)."""

    weights = SimpleNamespace(w=(8, 3), b=(8,), logits=(4, 8), means=(4, 8), scales=(4, 8))
    data = SimpleNamespace(x=normal(7, 3), y=normal(7, 1))

    @staticmethod
    def ours(w, d):
        h = d.x.linear(w.w.T, w.b).softsign()
        share, mean = (h @ w.logits.T).log_softmax(axis=1), h @ w.means.T
        scale = (h @ w.scales.T).softplus() + 1e-3
        log_normal = -0.5 * ((d.y - mean) / scale) ** 2 - scale.log() - 0.5 * np.log(2 * np.pi)
        return -(share + log_normal).logsumexp(axis=1).mean()

    @staticmethod
    def theirs(w, d):
        D = torch.distributions
        h = F.softsign(F.linear(d.x, w.w, w.b))
        parts = D.Normal(h @ w.means.T, F.softplus(h @ w.scales.T) + 1e-3)
        mixture = D.MixtureSameFamily(D.Categorical(logits=h @ w.logits.T), parts)
        return -mixture.log_prob(d.y[:, 0]).mean()


class MatrixFactorisation(Model):
    """Ratings as products of looked-up rows, some twice, with a penalty (Koren et al., 2009)."""

    weights = SimpleNamespace(users=(4, 3), films=(5, 3), user_bias=(4,), film_bias=(5,), mean=())
    data = SimpleNamespace(
        user=np.array([0, 1, 1, 3, 0, 0]),
        film=np.array([4, 2, 2, 0, 4, 1]),
        stars=normal(6),
    )

    @staticmethod
    def ours(w, d):
        u, f = w.users[d.user], w.films.index_select(0, d.film)
        stars = (u * f).sum(1) + w.user_bias[d.user] + w.film_bias[d.film] + w.mean
        return stars.mse_loss(d.stars) + 0.1 * (u.pow(2).mean() + w.films.norm() ** 2)

    @staticmethod
    def theirs(w, d):
        u, f = F.embedding(d.user, w.users), F.embedding(d.film, w.films)
        stars = torch.einsum("nk,nk->n", u, f) + w.user_bias[d.user] + w.film_bias[d.film] + w.mean
        return F.mse_loss(stars, d.stars) + 0.1 * (u.pow(2).mean() + w.films.norm() ** 2)


class MixtureOfExperts(Model):
    """The two best experts a sample, their weights from a softmax over them (Shazeer, 2017)."""

    weights = SimpleNamespace(gate=(4, 5), experts=(4, 3, 5), soft=(6,))
    data = SimpleNamespace(x=normal(6, 5), y=normal(6, 3), spread=np.arange(6.0))

    @staticmethod
    def ours(w, d):
        best, which = d.x.linear(w.gate.T).topk(2)
        outputs = Tensor.einsum("ni,eoi->neo", d.x, w.experts).selu()
        chosen = outputs.take_along_axis(which[:, :, None], 1)
        y = (best.softmax(-1)[:, :, None] * chosen).sum(1)
        load = d.x.linear(w.gate.T).softmax().mean(0)
        ranks = (w.soft[:, None] - w.soft[None]).sigmoid().sum(0)  # a differentiable rank
        ordered, _ = w.soft.sort(descending=True)
        return y.l1_loss(d.y) + 4 * (load * load).sum() + ((ranks - ordered) * d.spread).mean()

    @staticmethod
    def theirs(w, d):
        logits = d.x @ w.gate.T
        best, _ = logits.sort(descending=True)
        shares = logits.masked_fill(logits < best[:, 1:2], -torch.inf).softmax(-1)
        outputs = F.selu(torch.stack([d.x @ expert.T for expert in w.experts], 1))
        y = torch.einsum("ne,neo->no", shares, outputs)
        load = logits.softmax(-1).mean(0)
        ranks = (w.soft[:, None] - w.soft[None]).sigmoid().sum(0)
        ordered = w.soft[w.soft.argsort(descending=True)]
        loss = F.l1_loss(y, d.y) + 4 * load.square().sum()
        return loss + ((ranks - ordered) * d.spread).mean()


class Sinkhorn(Model):
    """Entropic optimal transport by scaling in logarithms (Cuturi, 2013)."""

    weights = SimpleNamespace(map=(2, 2), masses=(4,))
    data = SimpleNamespace(x=normal(4, 2), y=normal(5, 2))

    @staticmethod
    def ours(w, d):
        cost = ((d.x @ w.map.T).unsqueeze(1) - d.y.unsqueeze(0)).square().sum(-1)
        log_a, log_b = w.masses.log_softmax(), -math.log(5)
        f, g = Tensor.zeros(4, dtype=cost.dtype), Tensor.zeros(5, dtype=cost.dtype)
        for _ in range(6):
            f = log_a - (g - cost).logsumexp(1)
            g = log_b - (f[:, None] - cost).logsumexp(0)
        plan = (f[:, None] + g - cost).exp()
        return (plan * cost).sum() - plan.prod(1).sum().sqrt()

    @staticmethod
    def theirs(w, d):
        cost = (d.x @ w.map.T)[:, None].sub(d.y).square().sum(-1)
        kernel, a = (-cost).exp(), w.masses.softmax(0)
        v = torch.ones(5, dtype=cost.dtype)
        for _ in range(6):
            u = a / (kernel @ v)
            v = 0.2 / (u @ kernel)
        plan = u[:, None] * kernel * v
        return (plan * cost).sum() - plan.prod(1).sum().sqrt()


class GraphNetwork(Model):
    """Mean of neighbours by scatter, then attention on edges (Kipf, 2016; Velickovic, 2017)."""

    weights = SimpleNamespace(w1=(6, 3), w2=(4, 6), score=(8,), pool=(2, 4))
    data = SimpleNamespace(
        x=normal(5, 3),
        source=np.array([0, 1, 2, 2, 3, 4, 4, 0]),
        target=np.array([1, 0, 1, 3, 2, 3, 0, 4]),
        graph=np.array([0, 0, 0, 1, 1]),
        labels=np.array([1, 0]),
    )

    @staticmethod
    def ours(w, d):
        n, dtype = 5, d.x.dtype
        degree = Tensor.zeros(n, dtype=dtype).index_add(0, d.target, Tensor.ones(8, dtype=dtype))
        h = d.x @ w.w1.T
        h = Tensor.zeros(n, 6, dtype=dtype).index_add(0, d.target, h[d.source]) / degree[:, None]
        h = h.relu() @ w.w2.T
        ends = h[d.source].cat(h[d.target], axis=1)
        score = (ends @ w.score).leaky_relu(0.2).exp()
        total = Tensor.zeros(n, dtype=dtype).scatter_add(0, d.target, score)
        share = score / total[d.target]
        messages = share[:, None] * h[d.source]
        h = h + Tensor.zeros(n, 4, dtype=dtype).scatter_add(
            0, d.target[:, None].expand(8, 4), messages
        )
        members = d.graph.one_hot(2).cast(dtype)
        return ((members.T @ h.celu()) @ w.pool.T).log_softmax().nll_loss(d.labels)

    @staticmethod
    def theirs(w, d):
        adjacent = torch.zeros(5, 5, dtype=d.x.dtype)
        adjacent[d.target, d.source] = 1
        h = adjacent / adjacent.sum(1, keepdim=True) @ d.x @ w.w1.T
        h = h.relu() @ w.w2.T
        score = F.leaky_relu((h @ w.score[4:])[:, None] + h @ w.score[:4], 0.2)
        share = score.masked_fill(adjacent == 0, -torch.inf).softmax(1)
        h = F.celu(h + share @ h)
        pooled = torch.stack([h[d.graph == number].sum(0) for number in range(2)])
        return F.cross_entropy(pooled @ w.pool.T, d.labels)
