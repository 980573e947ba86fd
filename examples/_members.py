"""The networks of mnist_record.py, which are unlike in their kernels: 3x3, 5x5 and 7x7."""

from mnist_convnet import block, convnet

import nn


def medium_kernels() -> nn.Module:
    """Two convolutions of 5x5, three of 3x3, and more dropout: (N, 1, 28, 28) -> (N, 10)."""
    return nn.Sequential(
        *block(1, 32, 5, 0), *block(32, 32, 5, 0), nn.MaxPool2d(2),
        *block(32, 64), *block(64, 64), nn.MaxPool2d(2),
        *block(64, 128), nn.Dropout(0.5), nn.Flatten(), nn.Linear(128 * 5 * 5, 10),
    )  # fmt: skip


def large_kernels() -> nn.Module:
    """Four convolutions of 7x7 without pooling, half as wide as those of An et al. 2020."""
    return nn.Sequential(
        *block(1, 24, 7, 0), *block(24, 48, 7, 0), *block(48, 72, 7, 0), *block(72, 96, 7, 0),
        nn.Flatten(), nn.Linear(96 * 4 * 4, 10),
    )  # fmt: skip


# The members by name: network and epochs.  Their seeds are --seed, --seed + 1, --seed + 2.
MEMBERS = {"a": (convnet, 30), "b": (medium_kernels, 30), "c": (large_kernels, 20)}
