"""The small handwritten digits that come with this package, in `optdigits.npz`.

The archive holds `images` (1797, 8, 8) and `labels` (1797,), both uint8, in the order of the
original file, and `LICENSE.txt`, which names the source: the test part of the UCI data set
"Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998; CC BY 4.0).
"""

import io
from importlib import resources

import numpy as np
from numpy.typing import NDArray

_TRAIN = 1500  # the first so many are for training, the other 297 for testing


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """1797 real handwritten digits of 8x8 pixels, with no download: a stand-in for MNIST.

    Returns (X_train, Y_train, X_test, Y_test), in the form in which `mnist` returns its arrays:

        X_train (1500, 1, 8, 8) uint8, 0 is paper and 16 ink    Y_train (1500,) int64, 0..9
        X_test  (297, 1, 8, 8) uint8                            Y_test  (297,) int64

    The split is fixed, and it is not an easy one: the digits stand in the order of their 13
    writers, so the last 297 are mostly by hands that are not in the training part. A nearest
    neighbour gets 94.6 % of them right, where it gets 98.4 % of 297 drawn at random.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998 (CC BY 4.0), the test part of the 8x8 version.
    """
    content = resources.files("nn.datasets").joinpath("optdigits.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        images = archive["images"][:, np.newaxis]
        labels = archive["labels"].astype(np.int64)
    # Copies, so that the parts share no memory, and a kept test part frees the training part.
    return (
        images[:_TRAIN].copy(),
        labels[:_TRAIN].copy(),
        images[_TRAIN:].copy(),
        labels[_TRAIN:].copy(),
    )
