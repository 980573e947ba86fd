"""The small handwritten digits that come with this package, in `optdigits.npz`.

The archive holds `images` (1797, 8, 8) and `labels` (1797,), both uint8, in the order of the
original file, and `LICENSE.txt`, which names the source: the test part of the UCI data set
"Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998; CC BY 4.0).
"""

import hashlib
import io
from importlib import resources
from typing import overload

import numpy as np

from nn.datasets.readers import DataSet, Part, Split, check_split, part_of

_CHECKSUM = "caaa686a7c445fcdd1174bfcbec6c370948e438de1a6d3df04e83443a6362120"
_TRAIN = 1500  # the first 1500 are for training, the other 297 for testing


@overload
def digits(split: None = None) -> DataSet: ...


@overload
def digits(split: Split) -> Part: ...


def digits(split: Split | None = None) -> DataSet | Part:
    """1797 real handwritten digits of 8x8 pixels, without a download: a substitute for MNIST.

    Returns (X_train, Y_train, X_test, Y_test), in the same form as `mnist`:

        X_train (1500, 1, 8, 8) uint8, 0 is paper and 16 ink    Y_train (1500,) int64, 0..9
        X_test  (297, 1, 8, 8) uint8                            Y_test  (297,) int64

    split: "train" or "test" returns that part only, (X, Y).

    The split is fixed, and it is not an easy one: the digits are in the order of their 13 writers,
    so most of the last 297 are by writers who are not in the training part. A nearest neighbour
    classifies 94.6 % of them correctly, and 98.4 % of 297 drawn at random.

    Raises ValueError if the file is not as it was installed.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998 (CC BY 4.0), the test part of the 8x8 version.
    """
    check_split(split, "digits")
    content = resources.files("nn.datasets").joinpath("optdigits.npz").read_bytes()
    if hashlib.sha256(content).hexdigest() != _CHECKSUM:
        raise ValueError("nn/datasets/optdigits.npz: the file is damaged; install nn again")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        images = archive["images"][:, np.newaxis]
        labels = archive["labels"].astype(np.int64)
    # Copies, so that keeping the test part does not keep the training part alive.
    data = (
        images[:_TRAIN].copy(),
        labels[:_TRAIN].copy(),
        images[_TRAIN:].copy(),
        labels[_TRAIN:].copy(),
    )
    return part_of(data, split)
