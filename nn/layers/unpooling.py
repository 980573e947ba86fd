"""Unpooling: the elements that max pooling found, back at their positions among zeros."""

from collections.abc import Sequence
from math import prod

from tinygrad_lite import Tensor, arguments

from ._inputs import Input, Sizes, as_tensor, per_axis
from .pooling import Pool


def _max_unpool(
    rank: int,
    x: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    output_size: Sequence[int] | None,
) -> Tensor:
    """max_unpool1d, 2d or 3d: `rank` is the number of spatial axes."""
    name = f"max_unpool{rank}d"
    if x.ndim not in (rank + 1, rank + 2) or x.shape != indices.shape:
        raise ValueError(
            f"{name}: expected {rank + 1} or {rank + 2} axes, and indices of the same shape; "
            f"got {x.shape} and {indices.shape}"
        )
    before, count = x.shape[:-rank], x.shape[-rank:]
    kernel = per_axis(kernel_size, rank, f"{name}: kernel_size")
    strides = kernel if stride is None else per_axis(stride, rank, f"{name}: stride")
    edges = per_axis(padding, rank, f"{name}: padding", least=0)
    usual = [
        (n - 1) * s + k - 2 * p for n, s, k, p in zip(count, strides, kernel, edges, strict=True)
    ]
    size = usual
    if output_size is not None:
        given = arguments.sizes(output_size, f"{name}: output_size")
        size = list(given[-rank:] if len(given) == x.ndim else given)
        if len(size) != rank or not all(
            u - s < n < u + s for u, s, n in zip(usual, strides, size, strict=True)
        ):
            raise ValueError(
                f"{name}: output_size: expected {tuple(usual)}, give or take less than the stride "
                f"{strides}; got {given}"
            )
    if min(size) < 1:
        raise ValueError(f"{name}: padding {edges} leaves an output of size {tuple(size)}")
    # An index into the flat image is the same with fewer axes, or with one more of size 1.
    flat = (*before, 1, prod(count))
    y = x.reshape(flat).max_unpool2d(indices.reshape(flat), output_size=(1, prod(size)))
    return y.reshape(*before, *size)


def max_unpool1d(
    x: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The elements of (N, C, L') where max_pool1d found them; see MaxUnpool2d."""
    return _max_unpool(1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The elements of (N, C, H', W') where max_pool2d found them; see MaxUnpool2d."""
    return _max_unpool(2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The elements of (N, C, D', H', W') where max_pool3d found them; see MaxUnpool2d."""
    return _max_unpool(3, x, indices, kernel_size, stride, padding, output_size)


class _MaxUnpool(Pool):
    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__(kernel_size, stride, padding)

    def forward(self, x: Input, indices: Input, output_size: Sequence[int] | None = None) -> Tensor:
        windows = (self.kernel_size, self.stride, self.padding)
        y: Tensor = self.pool(as_tensor(x), as_tensor(indices, "indices"), *windows, output_size)
        return y


class MaxUnpool1d(_MaxUnpool):
    """The elements of (N, C, L) where MaxPool1d found them, zeros elsewhere; see MaxUnpool2d."""

    rank, pool = 1, staticmethod(max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """The elements of x at the indices that MaxPool2d returned, zeros elsewhere.

        y, indices = MaxPool2d(2, return_indices=True)(x)
        back = MaxUnpool2d(2)(y, indices, output_size=x.shape)

    (N, C, H', W') -> (N, C, H, W), with H = (H' - 1) stride - 2 padding + kernel.  output_size
    selects another size that gives the same H' and W'.
    """

    rank, pool = 2, staticmethod(max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """The elements of (N, C, D, H, W) where MaxPool3d found them; see MaxUnpool2d."""

    rank, pool = 3, staticmethod(max_unpool3d)
