"""Rows of the methods in tinygrad_lite/methods/convolution.py."""

import numpy as np
from cases.convolution import DENSE, convolved, convolved_back
from cases.pooling import added, slid

from tinygrad_lite import Tensor
from tinygrad_lite.arrays.windows import Windows

from .row import Mistake, Row, function

# size, kernel, stride, dilation, before, count
COLUMNS = Windows((4, 2), (2, 1), (1, 1), (1, 1), (0, 0), (3, 2))
PADDED_COLUMNS = Windows((4, 2), (2, 1), (2, 1), (1, 2), (0, 1), (2, 4))


def biased(y: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """y plus one number for each channel."""
    return y + bias.reshape(-1, *[1] * (y.ndim - 2))


ROWS: list[Row] = [
    Row(
        "conv1d",
        lambda x, w, b: x.conv1d(w, b, stride=2, padding=1),
        lambda x, w, b: biased(convolved(x, w, (3,), stride=2, before=1), b),
        [((2, 2, 5), (3, 2, 3), (3,))],
        kinds="fi",
    ),
    Row(
        "conv1d",
        lambda x, w: x.conv1d(w, padding=(2, 0), dilation=2),
        lambda x, w: convolved(x, w, (4,), before=2, dilation=2),
        [((1, 1, 4), (2, 1, 2))],
        torch=lambda torch, x, w: torch.conv1d(torch.nn.functional.pad(x, (2, 0)), w, dilation=2),
        note="causal: padding in front only",
    ),
    function(
        "conv2d",
        lambda x, w, b: biased(convolved(x, w, (1, 2)), b),
        [((2, 2, 2, 3), (2, 2, 2, 2), (2,)), ((0, 1, 2, 3), (1, 1, 2, 2), (1,))],
        kinds="fi",
    ),
    Row(
        "conv2d",
        lambda x, w: x.conv2d(w, None, 2, (2, 1), (1, 2), (1, 2)),
        lambda x, w: convolved(
            x, w, (2, 4), groups=2, stride=(2, 1), dilation=(1, 2), before=(1, 2)
        ),
        [((1, 4, 3, 2), (2, 2, 3, 2))],
        note="groups, stride, dilation and padding, by position",
    ),
    Row(
        "conv2d",
        lambda x, w: x.conv2d(w, groups=2, padding=1),
        lambda x, w: convolved(x, w, (3, x.shape[3]), groups=2, before=1),
        [((1, 2, 2, 3), (2, 1, 2, 3)), ((1, 2, 2, 2), (4, 1, 2, 3))],
        note="depthwise",
    ),
    Row(
        "conv2d",
        lambda x, w: x.conv2d(w, padding="same", dilation=(1, 2)),
        lambda x, w: convolved(x, w, (2, 3), before=(0, 2), dilation=(1, 2)),
        [((1, 1, 2, 3), (1, 1, 2, 3))],
        # PyTorch's own "same" warns of an even kernel
        torch=lambda torch, x, w: torch.conv2d(
            torch.nn.functional.pad(x, (2, 2, 0, 1)), w, dilation=(1, 2)
        ),
        note="as large as the input",
    ),
    Row(
        "conv2d",
        lambda x, w: x.conv2d(w, padding="valid"),
        lambda x, w: np.einsum("nchw,ocij->nohw", x, w),
        [((2, 3, 1, 2), (2, 3, 1, 1))],
        note="1x1",
    ),
    Row(
        "conv2d",
        lambda x, w: x.conv2d(w, padding=(1, 0, 0, 2)),
        lambda x, w: convolved(x, w, (3, 3), before=(0, 1)),
        [((1, 1, 2, 3), (1, 1, 2, 2))],
        torch=lambda torch, x, w: torch.conv2d(torch.nn.functional.pad(x, (1, 0, 0, 2)), w),
        note="left, right, top, bottom",
    ),
    Row(
        "conv2d",
        lambda x, w: x.conv2d(w, padding=((0, 2), (1, 0))),
        lambda x, w: convolved(x[None], w, (3, 3), before=(0, 1))[0],
        [((1, 2, 3), (1, 1, 2, 2))],
        torch=lambda torch, x, w: torch.conv2d(torch.nn.functional.pad(x, (1, 0, 0, 2)), w),
        note="pairs, and one image without a batch",
    ),
    Row(
        "conv3d",
        lambda x, w, b: x.conv3d(w, b, stride=(1, 2, 1), padding=(0, 1, 0)),
        lambda x, w, b: biased(convolved(x, w, (1, 2, 2), stride=(1, 2, 1), before=(0, 1, 0)), b),
        [((1, 2, 2, 2, 2), (1, 2, 2, 2, 1), (1,))],
        kinds="fi",
    ),
    Row(
        "im2col",
        lambda x: x.im2col((2, 1)),
        lambda x: slid(x, COLUMNS).reshape(len(x), 4, 6),
        [((2, 2, 4, 2),), ((0, 2, 4, 2),)],
        torch=lambda torch, x: torch.nn.functional.unfold(x, (2, 1)),
    ),
    Row(
        "im2col",
        lambda x: x.im2col((2, 1), (1, 2), (0, 1), (2, 1)),
        lambda x: slid(x, PADDED_COLUMNS).reshape(len(x), 2, 8),
        [((1, 1, 4, 2),)],
        torch=lambda torch, x: torch.nn.functional.unfold(x, (2, 1), (1, 2), (0, 1), (2, 1)),
        note="dilation, padding and stride, by position",
    ),
    Row(
        "im2col",
        lambda x: x.im2col(2),
        lambda x: slid(x, DENSE).reshape(len(x), 2, 3),
        [((2, 1, 4),)],
        torch=None,
        kinds="fib",
        note="of sequences: PyTorch takes images only",
    ),
    Row(
        "col2im",
        lambda x: x.col2im((4, 2), (2, 1), (1, 2), (0, 1), (2, 1)),
        lambda x: added(x.reshape(len(x), x.shape[1] // 2, 2, 1, 2, 4), PADDED_COLUMNS),
        [((1, 4, 8),), ((0, 2, 8),)],
        torch=lambda torch, x: torch.nn.functional.fold(x, (4, 2), (2, 1), (1, 2), (0, 1), (2, 1)),
    ),
    Row(
        "conv_transpose1d",
        lambda x, w, b: x.conv_transpose1d(w, b, stride=2, padding=1),
        lambda x, w, b: biased(convolved_back(x, w, (5,), stride=2, before=1), b),
        [((2, 2, 3), (2, 1, 3), (1,))],
    ),
    function(
        "conv_transpose2d",
        lambda x, w, b: biased(convolved_back(x, w, (2, 3)), b),
        [((2, 2, 1, 2), (2, 1, 2, 2), (1,)), ((0, 1, 1, 2), (1, 1, 2, 2), (1,))],
    ),
    Row(
        "conv_transpose2d",
        lambda x, w: x.conv_transpose2d(w, None, 2, (2, 1), (1, 3), (1, 0), (1, 2)),
        lambda x, w: convolved_back(
            x, w, (4, 7), groups=2, stride=(2, 1), dilation=(1, 3), before=(1, 0)
        ),
        [((1, 2, 2, 2), (2, 2, 3, 2))],
        note="groups, stride, dilation, padding and output_padding, by position",
    ),
    Row(
        "conv_transpose2d",
        lambda x, w: x.conv_transpose2d(w, groups=2, stride=2, padding=((1, 0), (0, 1))),
        lambda x, w: convolved_back(x[None], w, (4, 4), groups=2, stride=2, before=(1, 0))[0],
        [((2, 2, 2), (2, 1, 3, 3))],
        torch=lambda torch, x, w: torch.conv_transpose2d(x, w, groups=2, stride=2)[:, 1:, :-1],
        note="depthwise, asymmetric padding, no batch",
    ),
    Row(
        "conv_transpose3d",
        lambda x, w, b: x.conv_transpose3d(w, b, stride=(1, 2, 1), output_padding=(0, 1, 0)),
        lambda x, w, b: biased(convolved_back(x, w, (2, 5, 2), stride=(1, 2, 1)), b),
        [((1, 1, 1, 2, 2), (1, 2, 2, 2, 1), (2,))],
    ),
]

X = Tensor.zeros(1, 4, 5, 6)

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor.zeros(1, 2, 5, 5).conv2d(Tensor.zeros(1, 2, 0, 3)),
        ValueError,
        "conv2d: the kernel has no elements; got a weight of (1, 2, 0, 3)",
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(2, 3, 3, 3)),
        ValueError,
        "conv2d: the weight (2, 3, 3, 3) takes 3 channels; got 4 in (1, 4, 5, 6)",
    ),
    Mistake(
        lambda: Tensor.zeros(1, 5, 6, 3).conv2d(np.zeros((2, 3, 3, 3))),
        ValueError,
        "conv2d: the weight (2, 3, 3, 3) takes 3 channels; got 5 in (1, 5, 6, 3); "
        "did you mean x.moveaxis(-1, -3)?",
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(2, 4, 3, 3), groups=2),
        ValueError,
        "conv2d: the weight (2, 4, 3, 3) takes 4 channels in each of 2 groups; got 4 in "
        "(1, 4, 5, 6)",
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(3, 2, 3, 3), groups=2),
        ValueError,
        "conv2d: 2 groups do not divide the 3 output channels",
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(2, 4, 3, 3), dilation=(2, 3), padding=(1, 0)),
        ValueError,
        "conv2d: a kernel over (5, 7) elements does not fit into a padded input of (7, 6)",
    ),
    Mistake(
        lambda: X.conv1d(Tensor.zeros(2, 4, 3)),
        ValueError,
        "conv1d: expected the input as (N, C, length); got (1, 4, 5, 6)",
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(2, 4)),
        ValueError,
        "conv2d: expected the weight as (out, in / groups, height, width); got (2, 4)",
    ),
    Mistake(
        lambda: (X > 0).conv2d(Tensor.zeros(2, 4, 3, 3) > 0),
        TypeError,
        "conv2d: expected numbers to add up; got bools; cast one side to np.int64",
    ),
    Mistake(
        lambda: X.conv2d([[1.0]]),
        TypeError,
        "conv2d: weight: expected a Tensor, an ndarray or a number; got list; make it a Tensor "
        "first",
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(2, 4, 3, 3), Tensor.zeros(4)),
        ValueError,
        "conv2d: expected a bias of shape (2,); got (4,)",
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(2, 4, 3, 3), stride=0),
        ValueError,
        "conv2d: stride: expected an integer from 1 or 2 of them; got 0",
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(2, 4, 3, 3), padding=-1),
        ValueError,
        "conv2d: padding: expected an integer from 0, 2 of them, 2 pairs (before, after), or 4 "
        "numbers, the last axis first; got -1",
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(2, 4, 3, 3), padding="full"),
        ValueError,
        'conv2d: padding: expected "same", "valid" or numbers; got \'full\'',
    ),
    Mistake(
        lambda: X.conv2d(Tensor.zeros(2, 4, 3, 3), stride=2, padding="same"),
        ValueError,
        'conv2d: padding "same" needs stride 1; got (2, 2)',
    ),
    Mistake(
        lambda: X.conv_transpose2d(Tensor.zeros(2, 4, 3, 3)),
        ValueError,
        "conv_transpose2d: the weight (2, 4, 3, 3) takes 2 channels; got 4 in (1, 4, 5, 6)",
    ),
    Mistake(
        lambda: X.conv_transpose2d(Tensor.zeros(4, 1, 3, 3), groups=3),
        ValueError,
        "conv_transpose2d: 3 groups do not divide the 4 channels",
    ),
    Mistake(
        lambda: X.conv_transpose2d(Tensor.zeros(4, 1, 3, 3), stride=2, output_padding=2),
        ValueError,
        "conv_transpose2d: output_padding (2, 2) is not less than stride (2, 2) or dilation (1, 1)",
    ),
    Mistake(
        lambda: X.conv_transpose2d(Tensor.zeros(4, 1, 3, 3), padding=5),
        ValueError,
        "conv_transpose2d: padding 5 leaves an output of size (-3, -2)",
    ),
    Mistake(
        lambda: X.im2col(7, padding=((1, 0), (1, 0))),
        ValueError,
        "im2col: a kernel over (7, 7) elements does not fit into a padded input of (6, 7)",
    ),
    Mistake(
        lambda: X[0, 0].im2col(2),
        ValueError,
        "im2col: expected images (N, C, *size) with at least one spatial axis",
    ),
    Mistake(
        lambda: X[0].col2im((5, 3), 2),
        ValueError,
        "col2im: expected columns (N, C * 4 taps, 8 windows); got (4, 5, 6)",
    ),
]
