"""The values of channels: their mean and deviation, and images that have mean 0 and deviation 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import arguments

from ._arguments import Images, chunks, in_the_form_of, per_channel, pixels


def normalize(images: Images, mean: Any, std: Any) -> Images:
    """(images - mean) / std, channel by channel.

        mean, std = augment.mean_std(X_train)
        augment.normalize(x, mean, std)

    images: (N, C, H, W), an ndarray or a Tensor.  The result is a new one: float32 for bool and
        integers, otherwise of the same dtype.
    mean, std: one number for all channels, or one for each, in the units of the images: those of
        uint8 images are from 0 to 255.  std is above 0.

    Names are those of torchvision's Normalize, which takes floats only.
    """
    array = pixels(images, "normalize")
    center = per_channel(mean, array, "normalize: mean")
    deviation = per_channel(std, array, "normalize: std")
    if not (deviation > 0).all():
        raise ValueError(
            f"normalize: std: expected numbers above 0; got {deviation.ravel().tolist()}"
        )
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float32)
    work = np.result_type(array.dtype, np.float32)
    result = np.empty(array.shape, dtype)
    for chunk in chunks(array, *array.shape[2:]):
        centered = np.subtract(array[chunk], center.astype(work), dtype=work)
        centered /= deviation.astype(work)
        result[chunk] = centered
    return in_the_form_of(images, result)


def mean_std(images: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean and the standard deviation of each channel, for `normalize`: two arrays (C,).

    images: (N, C, H, W), an ndarray or a Tensor; usually all images to train on.

    The deviation is that of all pixels (divided by their number, not by one less), in float64.

    Errors: ValueError if there is no pixel.
    """
    array = pixels(images, "mean_std")
    count = array[:, :1].size
    if not count:
        raise ValueError(f"mean_std: images: expected a pixel; got {arguments.shown(images)}")
    axes = (0, 2, 3)
    parts = list(chunks(array, *array.shape[2:]))
    mean = sum(array[part].sum(axes, np.float64) for part in parts) / count
    squares = sum(np.square(array[part] - mean[:, None, None]).sum(axes) for part in parts)
    return mean, np.sqrt(squares / count)
