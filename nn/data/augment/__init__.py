"""Augmentation: training images changed at random, so that each epoch sees others.

    from nn.data import augment

    def transform(x, y):
        x = augment.affine(x, degrees=10, translate=0.1, scale=(0.9, 1.1))
        return augment.cutout(x, 8), y

    for x, y in DataLoader(X_train, Y_train, batch_size=128, transform=transform): ...

Each function takes a batch (N, C, H, W), an ndarray or a Tensor, with other arguments, and gives a
new one of the same kind and dtype (`normalize` makes floats of integers); its input is unchanged.
Every image has random numbers of its own, which depend on the seed, on its position in the batch
and on its size; not on the dtype, the memory layout, or the images after it.

Without `seed`, numbers come from the generator that follows `Tensor.manual_seed`, and in a loader's
transform from the one that belongs to the batch.  An int there would give every batch the same.

`affine` is one resampling: `shift`, `rotate`, `scale` and `shear` one after the other blur an image
each time.  Change pixels first, and `normalize` last: then a fill of 0 is black.
"""

from typing import NoReturn

from ..._other_names import AUGMENT, missing
from .affine_maps import affine, rotate, scale, shear, shift  # one map or all in one resampling
from .channels import mean_std, normalize  # per channel, fitted from data
from .elastic_distortion import elastic  # smooth random displacements
from .whole_pixels import crop, cutout, flip  # pixels moved or hidden, not mixed

__all__ = [
    "affine",
    "crop",
    "cutout",
    "elastic",
    "flip",
    "mean_std",
    "normalize",
    "rotate",
    "scale",
    "shear",
    "shift",
]


def __getattr__(name: str) -> NoReturn:
    """A name that is not here."""
    raise missing(__name__, name, AUGMENT)
