"""Data sets: the handwritten digits that the examples learn from.

`mnist()` finds or downloads the 70,000 digits of MNIST; `digits()` reads the 1797 small digits
that come with this package and need no network. Both return (X_train, Y_train, X_test, Y_test):
images (N, 1, H, W) as uint8 and labels (N,) as int64, so one can replace the other. `read_idx`
reads any IDX file. `mnist()` raises `DataUnavailable` if the files are not on this machine and
cannot be downloaded.
"""

from nn.datasets.idx import read_idx
from nn.datasets.mirrors import DataUnavailable
from nn.datasets.mnist_files import mnist
from nn.datasets.optdigits import digits

__all__ = ["DataUnavailable", "digits", "mnist", "read_idx"]
