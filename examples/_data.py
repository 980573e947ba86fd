"""The images that examples learn from: those of MNIST, or where they are out of reach, digits."""

import zlib

import numpy as np

import nn
from nn.training import about
from tinygrad_lite import warn

FEWEST = 100  # images to train on; with fewer, none could be held out


def mnist_or_digits(folder: str | None) -> tuple[str, tuple[np.ndarray, ...]]:
    """The name "MNIST" and its four arrays; or "UCI digits" and theirs, which a warning says.

    folder: what --data names.  If MNIST is not there, that is an error: one line, and status 2.
    """
    with about("--data" if folder else "data", strict=folder is not None):
        try:
            name, data = "MNIST", nn.datasets.mnist(folder)
        except UserWarning as error:  # an error, as all warnings about a folder that was named
            said = str(error).replace(": using ", "; without --data: using ")
            raise ValueError(said.removeprefix("root ")) from None
        except (nn.datasets.DataUnavailable, ImportError) as error:
            if folder is not None:
                said = (
                    str(error).replace(": root ", ": ", 1).replace("pass root=", "pass --data", 1)
                )
                raise ValueError(said) from None
            warn(f"no MNIST, so this trains on the 8x8 digits of UCI instead: {error}")
            name, data = "UCI digits", nn.datasets.digits()
        if len(data[0]) < FEWEST or len(data[2]) < 1:
            raise ValueError(f"too few images: {len(data[0])} to train on, {len(data[2])} to test")
    return name, data


def sized(images: np.ndarray) -> np.ndarray:
    """Images of 28x28; those of 8x8 with each pixel as 3x3, in a margin of 2."""
    if images.shape[2:] == (28, 28):
        return images
    return np.pad(images.repeat(3, axis=2).repeat(3, axis=3), 2 * [(0, 0)] + 2 * [(2, 2)])


def checksum(*arrays: np.ndarray) -> int:
    """CRC-32 of the data, by which a resume notices that they are others than before."""
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
    return crc
