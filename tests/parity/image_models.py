"""Models of images: convolutions, pooling, normalisation, resampling."""

from types import SimpleNamespace

import numpy as np
import pytest
from parity.model import Model, normal

from tinygrad_lite import Tensor, checkpoint

torch = pytest.importorskip("torch")
F = torch.nn.functional


class LeNet(Model):
    """Convolutions, pooling, linear layers (LeCun et al., 1998)."""

    weights = SimpleNamespace(
        conv1=(4, 1, 5, 5),
        bias1=(4,),
        conv2=(6, 4, 3, 3),
        bias2=(6,),
        fc1=(10, 24),
        fc1_bias=(10,),
        fc2=(5, 10),
    )
    data = SimpleNamespace(x=normal(3, 1, 16, 16), labels=np.array([4, 0, 2]))

    @staticmethod
    def ours(w, d):
        x = d.x.conv2d(w.conv1, w.bias1).relu().max_pool2d(2)
        x = x.conv2d(w.conv2, w.bias2).tanh().max_pool2d(2).flatten(1)
        x = x.linear(w.fc1.T, w.fc1_bias).sigmoid()
        return (x @ w.fc2.T).sparse_categorical_crossentropy(d.labels)

    @staticmethod
    def theirs(w, d):
        x = F.max_pool2d(F.conv2d(d.x, w.conv1, w.bias1).relu(), 2)
        x = F.max_pool2d(F.conv2d(x, w.conv2, w.bias2).tanh(), 2).flatten(1)
        x = F.linear(x, w.fc1, w.fc1_bias).sigmoid()
        return F.cross_entropy(x @ w.fc2.T, d.labels)


class ResidualBlock(Model):
    """Batch normalisation spelled out, a strided block and its shortcut (He et al., 2015)."""

    weights = SimpleNamespace(
        conv1=(6, 3, 3, 3),
        gamma1=(6,),
        beta1=(6,),
        conv2=(6, 6, 3, 3),
        gamma2=(6,),
        beta2=(6,),
        shortcut=(6, 3, 1, 1),
        fc=(4, 6),
    )
    data = SimpleNamespace(x=normal(4, 3, 8, 8), labels=np.array([3, 0, 1, 3]))

    @staticmethod
    def ours(w, d):
        def batch_norm(x, gamma, beta):
            mean = x.mean(axis=(0, 2, 3), keepdim=True)
            var = x.var(axis=(0, 2, 3), keepdim=True, correction=0)
            y = (x - mean) * (var + 1e-5).rsqrt()
            return y * gamma.reshape(1, -1, 1, 1) + beta.reshape(1, -1, 1, 1)

        x = batch_norm(d.x.conv2d(w.conv1, stride=2, padding=1), w.gamma1, w.beta1).relu()
        x = batch_norm(x.conv2d(w.conv2, padding=1), w.gamma2, w.beta2)
        x = (x + d.x.conv2d(w.shortcut, stride=2)).relu()
        return x.mean((2, 3)).linear(w.fc.T).cross_entropy(d.labels)

    @staticmethod
    def theirs(w, d):
        def batch_norm(x, gamma, beta):
            return F.batch_norm(x, None, None, gamma, beta, training=True)

        x = batch_norm(F.conv2d(d.x, w.conv1, stride=2, padding=1), w.gamma1, w.beta1).relu()
        x = batch_norm(F.conv2d(x, w.conv2, padding=1), w.gamma2, w.beta2)
        x = (x + F.conv2d(d.x, w.shortcut, stride=2)).relu()
        return F.cross_entropy(F.linear(x.mean((2, 3)), w.fc), d.labels)


class MobileNetBlock(Model):
    """Inverted residual with squeeze and excitation (Howard et al., 2019)."""

    weights = SimpleNamespace(
        wide=(8, 4, 1, 1),
        depthwise=(8, 1, 3, 3),
        squeeze=(3, 8),
        excite=(8, 3),
        narrow=(4, 8, 1, 1),
        fc=(3, 16),
    )
    data = SimpleNamespace(x=normal(2, 4, 7, 6), target=np.array([[1.0, 0, 1], [0, 0, 1]]))

    @staticmethod
    def ours(w, d):
        x = d.x.conv2d(w.wide).hardswish()
        x = x.conv2d(w.depthwise, groups=8, padding=1).relu6()
        gate = x.adaptive_avg_pool2d(1).flatten(1).linear(w.squeeze.T).relu()
        gate = gate.linear(w.excite.T).hardsigmoid()
        x = (x * gate[:, :, None, None]).conv2d(w.narrow) + d.x
        logits = x.adaptive_avg_pool2d((2, 2)).flatten(1).linear(w.fc.T)
        return logits.binary_crossentropy_logits(d.target)

    @staticmethod
    def theirs(w, d):
        x = F.hardswish(F.conv2d(d.x, w.wide))
        x = F.relu6(F.conv2d(x, w.depthwise, groups=8, padding=1))
        gate = F.linear(F.adaptive_avg_pool2d(x, 1).flatten(1), w.squeeze).relu()
        gate = F.relu6(F.linear(gate, w.excite) + 3) / 6  # hardsigmoid has no second order
        x = F.conv2d(x * gate[:, :, None, None], w.narrow) + d.x
        logits = F.linear(F.adaptive_avg_pool2d(x, (2, 2)).flatten(1), w.fc)
        return F.binary_cross_entropy_with_logits(logits, d.target)


class UNet(Model):
    """Down and up again with skip connections; a label at each pixel (Ronneberger et al., 2015)."""

    weights = SimpleNamespace(
        down=(4, 2, 3, 3),
        bottom=(6, 4, 3, 3),
        up=(6, 4, 2, 2),
        join=(4, 10, 3, 3),
        head=(3, 4, 1, 1),
        bias=(3,),
    )
    data = SimpleNamespace(
        x=normal(2, 2, 8, 8),
        labels=np.random.default_rng(0).integers(-1, 3, (2, 8, 8)),
    )

    @staticmethod
    def ours(w, d):
        skip = d.x.conv2d(w.down, padding=1).leaky_relu(0.1)
        x = skip.avg_pool2d(2).conv2d(w.bottom, padding="same").silu()
        up = x.conv_transpose2d(w.up, stride=2)
        wide = x.interpolate(size=(8, 8), mode="linear")
        x = Tensor.cat(up, wide, axis=1).conv2d(w.join, padding=1) + skip
        return x.elu().conv2d(w.head, w.bias).cross_entropy(d.labels, ignore_index=-1)

    @staticmethod
    def theirs(w, d):
        skip = F.leaky_relu(F.conv2d(d.x, w.down, padding=1), 0.1)
        x = F.silu(F.conv2d(F.avg_pool2d(skip, 2), w.bottom, padding="same"))
        up = F.conv_transpose2d(x, w.up, stride=2)
        wide = F.interpolate(x, size=(8, 8), mode="bilinear")
        x = F.conv2d(torch.cat([up, wide], dim=1), w.join, padding=1) + skip
        return F.cross_entropy(F.conv2d(F.elu(x), w.head, w.bias), d.labels, ignore_index=-1)


class VisionTransformerPatches(Model):
    """Patches by unfolding, group and layer normalisation, mean pooling, MSE of the next patch."""

    weights = SimpleNamespace(embed=(8, 18), place=(4, 8), wide=(12, 8), back=(18, 12))
    data = SimpleNamespace(x=normal(2, 2, 6, 6))

    @staticmethod
    def ours(w, d):
        patches = d.x.unfold(2, 3, 3).unfold(3, 3, 3)  # (2, 2, 2, 2, 3, 3)
        patches = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        x = (patches @ w.embed.T + w.place).layernorm()
        x = x.linear(w.wide.T).gelu(approximate="none")
        x = x.unflatten(-1, (3, 4)).normalize(axis=-1).flatten(2)
        return (x @ w.back.T)[:, :-1].mse_loss(patches[:, 1:].detach())

    @staticmethod
    def theirs(w, d):
        patches = F.unfold(d.x, 3, stride=3).mT
        x = F.layer_norm(patches @ w.embed.T + w.place, (8,))
        x = F.gelu(F.linear(x, w.wide))
        x = F.normalize(x.unflatten(-1, (3, 4)), dim=-1).flatten(2)
        return F.mse_loss((x @ w.back.T)[:, :-1], patches[:, 1:])


class SpectralNorm(Model):
    """Discriminator whose weights are divided by their largest singular value (Miyato, 2018)."""

    weights = SimpleNamespace(w1=(6, 4), w2=(5, 6), out=(5, 1))
    data = SimpleNamespace(x=normal(7, 4), u=normal(5), target=np.array([0.0, 1, 1, 0, 1, 0, 1]))

    @staticmethod
    def ours(w, d):
        u = d.u / d.u.norm()
        for _ in range(3):
            v = (w.w2.detach().T @ u).normalize(axis=0)
            u = (w.w2.detach() @ v).normalize(axis=0)
        by_power = w.w2 / (u @ w.w2 @ v)
        by_svd = w.w1 / w.w1.svd()[1].max()
        x = ((d.x @ by_svd.T).softplus() @ by_power.T).tanh()
        return (x @ w.out).squeeze(-1).binary_crossentropy_logits(d.target)

    @staticmethod
    def theirs(w, d):
        u = d.u / d.u.norm()
        for _ in range(3):
            v = F.normalize(w.w2.detach().T @ u, dim=0)
            u = F.normalize(w.w2.detach() @ v, dim=0)
        by_power = w.w2 / (u @ w.w2 @ v)
        by_svd = w.w1 / torch.linalg.svdvals(w.w1).max()
        x = (F.softplus(d.x @ by_svd.T) @ by_power.T).tanh()
        return F.binary_cross_entropy_with_logits((x @ w.out).squeeze(-1), d.target)


class CheckpointedBlocks(Model):
    """Residual MLP blocks that are computed again in backward (Chen et al., 2016)."""

    weights = SimpleNamespace(a=(6, 6), b=(6, 6), c=(6, 6), out=(2, 6))
    data = SimpleNamespace(x=normal(5, 6), y=normal(5, 2))

    @staticmethod
    def ours(w, d):
        x = d.x
        for weight in (w.a, w.b, w.c):
            x = checkpoint(lambda x, weight: x + (x @ weight.T).mish(), x, weight)
        return (x @ w.out.T).huber_loss(d.y)

    @staticmethod
    def theirs(w, d):
        x = d.x
        for weight in (w.a, w.b, w.c):
            x = x + F.mish(x @ weight.T)
        return F.huber_loss(x @ w.out.T, d.y)
