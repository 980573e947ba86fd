"""Tensor's methods: a mixin for each theme, composed of the primitives in `tinygrad_lite.ops`.

This is their index.  Files with an underscore hold code shared by several themes.  No theme imports
Tensor: a result has the class of the tensor it came from.
"""

from types import FunctionType

from .activations import ActivationMethods
from .attention import AttentionMethods
from .casting import CastingMethods
from .comparison import ComparisonMethods
from .convolution import ConvolutionMethods
from .creation import CreationMethods
from .elementwise import ElementwiseMethods
from .gathering import GatheringMethods
from .indexing import IndexingMethods
from .joining import JoiningMethods
from .linalg import LinalgMethods
from .losses_classes import ClassLossMethods
from .losses_distances import DistanceLossMethods
from .losses_probabilities import ProbabilityLossMethods
from .losses_regression import RegressionLossMethods
from .movement import MovementMethods
from .operators import OperatorMethods
from .padding import PaddingMethods
from .pooling import PoolingMethods
from .random import RandomMethods
from .recurrent import RecurrentMethods
from .reduce import ReduceMethods
from .resampling import ResamplingMethods
from .scan import ScanMethods
from .sorting import SortingMethods
from .trigonometry import TrigonometryMethods
from .updates import UpdateMethods


class TensorMethods(
    # Elementwise
    OperatorMethods,  # + - * / ** @, comparisons, += ...; and these by name: add, eq, bitwise_and
    ElementwiseMethods,  # exp, log, sqrt, abs, round, maximum, clip, where ...
    TrigonometryMethods,  # sin, cos, tan, sinh ... and their inverses
    ComparisonMethods,  # isnan, isfinite, isclose, logical_and ...
    CastingMethods,  # cast, astype, clone, bitcast, half, float, int ...
    # Along axes
    ReduceMethods,  # sum, mean, max, var, norm, logsumexp ...
    ScanMethods,  # cumsum, cumprod, cummax ...
    SortingMethods,  # sort, argsort, topk, median, quantile
    # Shapes and positions
    MovementMethods,  # reshape, permute, transpose, expand, squeeze, flip, roll, repeat ...
    JoiningMethods,  # cat, stack, split, chunk, unbind, meshgrid
    PaddingMethods,  # pad, shrink, unfold
    IndexingMethods,  # x[i] and x[i] = v
    GatheringMethods,  # gather, scatter, index_select, masked_select, one_hot, diagonal, tril ...
    # Matrices and images
    LinalgMethods,  # matmul, linear, einsum, inv, solve, det, qr, svd, eigh ...
    ConvolutionMethods,  # conv1d to conv3d, conv_transpose2d, im2col, col2im
    PoolingMethods,  # max_pool2d, avg_pool2d, adaptive_avg_pool2d ...
    ResamplingMethods,  # interpolate
    # Networks
    ActivationMethods,  # relu, gelu, softmax, layernorm, dropout ...
    AttentionMethods,  # scaled_dot_product_attention
    RecurrentMethods,  # lstm_cell
    ClassLossMethods,  # cross_entropy, nll_loss, multi_margin_loss ...
    ProbabilityLossMethods,  # binary_crossentropy, kl_div, gaussian_nll_loss ...
    RegressionLossMethods,  # mse_loss, l1_loss, huber_loss, smooth_l1_loss
    DistanceLossMethods,  # cosine_similarity, triplet_margin_loss, margin_ranking_loss ...
    # New tensors, and writing in place
    CreationMethods,  # zeros, ones, full, arange, eye, zeros_like ...
    RandomMethods,  # manual_seed, rand, randn, randint, bernoulli, multinomial ...
    UpdateMethods,  # add_, mul_, copy_, fill_, zero_ ...
):
    """Every method of Tensor that is an operation, theme by theme."""

    __slots__ = ()


def _names_of_tensor(theme: type) -> None:
    """Give the methods of a theme the names by which users know them.

    Python's own errors show a qualified name, "Tensor.full() missing 1 required ...", and pickle
    looks a function up by it.
    """
    for name, attribute in vars(theme).items():
        function = getattr(attribute, "__func__", attribute)  # of a class method
        while isinstance(function, FunctionType):
            function.__module__ = "tinygrad_lite.tensor"
            function.__qualname__ = f"Tensor.{name}"
            function = vars(function).get("__wrapped__")


for _theme in TensorMethods.__bases__:
    _names_of_tensor(_theme)
