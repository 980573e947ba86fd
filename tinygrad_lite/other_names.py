"""Names of PyTorch, NumPy and tinygrad for what is called otherwise here: the error says how.

Each is a descriptor that raises.  A `__getattr__` would read nicer, but Python looks up all other
attributes of a class that has one more slowly, also those that are found.
"""

from abc import ABCMeta
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from .engine.graph import TensorBase

# What to write for x.name, in which x is the tensor.
WRITE = {
    # The same under our name
    **{name: f"x.{ours}()" for name, ours in {
        "absolute": "abs", "negative": "neg", "sgn": "sign", "fix": "trunc", "inverse": "inv",
        "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
        "arctan": "atan", "arctanh": "atanh", "argwhere": "nonzero", "nelement": "numel",
        "itemsize": "element_size", "copy": "clone", "detach_": "detach",
    }.items()},
    **{name: f"x.{ours}(y)" for name, ours in {
        "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div",
        "remainder": "mod", "greater": "gt", "greater_equal": "ge", "less": "lt",
        "less_equal": "le", "not_equal": "ne", "arctan2": "atan2", "ger": "outer", "vdot": "dot",
        "bitwise_left_shift": "lshift", "bitwise_right_shift": "rshift", "assign": "copy_",
        "binary_cross_entropy": "binary_crossentropy",
        "binary_cross_entropy_with_logits": "binary_crossentropy_logits",
    }.items()},
    "adjoint": "x.mT",
    "H": "x.mT",
    "mH": "x.mT",
    "ndimension": "x.ndim",
    "grad_fn": "x.op",
    "is_cuda": "x.device",
    "broadcast_to": "x.expand(shape)",
    "swapdims": "x.swapaxes(axis1, axis2)",
    "split_with_sizes": "x.split(sizes)",
    "take_along_dim": "x.take_along_axis(index, axis)",
    "layer_norm": "x.layernorm(axis, eps, weight, bias)",
    "upsample": "x.interpolate(size)",
    "fold": "x.col2im(output_size, kernel_size)",
    "triangular_solve": "a.solve_triangular(b, upper=True)",
    "gradient": "tinygrad_lite.grad(x, inputs)",
    "type": "x.to(dtype)",
    "byte": "x.to(np.uint8)",
    "char": "x.to(np.int8)",
    "float_power": "x.double().pow(y)",
    "cuda": "x: everything is computed on the CPU",
    "bfloat16": "x.float(): NumPy has no bfloat16",
    "realize": "x: everything is computed at once",
    "stride": "x.numpy().strides, in bytes",
    "strides": "x.numpy().strides, in bytes",
    # A line of ours
    "values": "the result of max, min or median itself; argmax(axis) gives the positions",
    "indices": "x.argmax(axis); sort, topk, cummax and cummin return values and positions",
    "aminmax": "x.amin(), x.amax()",
    "clamp_min": "x.clamp(min=m)",
    "clamp_max": "x.clamp(max=m)",
    "addmv": "x + a.mv(v)",
    "addr": "x + u.outer(v)",
    "baddbmm": "x + a.bmm(b)",
    "inner": "x.tensordot(y, ([-1], [-1]))",
    "dist": "(x - y).norm()",
    "diff": "x[1:] - x[:-1]",
    "erfc": "1 - x.erf()",
    "frac": "x - x.trunc()",
    "logit": "(x / (1 - x)).log()",
    "logdet": "x.slogdet()[1]",
    "tanhshrink": "x - x.tanh()",
    "fliplr": "x.flip(1)",
    "flipud": "x.flip(0)",
    "rot90": "x.flip(1).transpose(0, 1)",
    "vsplit": "x.tensor_split(parts, 0)",
    "hsplit": "x.tensor_split(parts, 1)",
    "dsplit": "x.tensor_split(parts, 2)",
    "isposinf": "x.isinf(detect_negative=False)",
    "isneginf": "x.isinf(detect_positive=False)",
    "is_same_size": "x.shape == y.shape",
    "nansum": "x.masked_fill(x.isnan(), 0).sum()",
    "nanmean": "x[~x.isnan()].mean()",
    "kthvalue": "x.sort()[0][k - 1]",
    "embedding": "weight[x]",
    "index_put": "x[index] = value",
    "index_put_": "x[index] = value",
    "index_copy": "x[index] = source",
    "index_copy_": "x[index] = source",
    "fill": "x.fill_(value)",
    "uniform_": "nn.init.uniform_(x, low, high)",
    "normal_": "nn.init.normal_(x, mean, std)",
    "trunc_normal_": "nn.init.trunc_normal_(x)",
    "sgn_": "x = x.sign()",
    "train": "model.train() and model.eval()",
    "is_sparse": "False: all tensors are dense",
    "random_": "x.copy_(Tensor.randint(*x.shape, low=low, high=high))",
    "bernoulli_": "x.copy_(Tensor.rand(*x.shape) < p)",
    "exponential_": "x.copy_(-Tensor.rand(*x.shape).log1p())",
    "ptp": "x.amax() - x.amin()",
    "tobytes": "x.numpy().tobytes()",
    "unique": "np.unique(x.numpy())",
    "bincount": "np.bincount(x.numpy())",
    "histc": "np.histogram(x.numpy(), bins)",
}  # fmt: skip
# PyTorch also has these in place, under the same name and an underscore.
IN_PLACE = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and"),
    *("bitwise_not", "bitwise_or", "bitwise_xor", "ceil", "copysign", "cos", "cosh"),
    *("cumprod", "cumsum", "eq", "erf", "exp", "exp2", "expm1", "floor", "floor_divide"),
    *("fmod", "ge", "gt", "hypot", "index_add", "index_fill", "le", "log", "log10", "log1p"),
    *("log2", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "nan_to_num"),
    *("ne", "neg", "pow", "reciprocal", "relu", "round", "rsqrt", "scatter", "scatter_add"),
    *("scatter_reduce", "sigmoid", "sign", "sin", "sinc", "sinh", "sqrt", "square"),
    *("squeeze", "swapaxes", "t", "tan", "tanh", "transpose", "tril", "triu", "trunc"),
    *("unsqueeze", "xlogy", "celu", "elu", "leaky_relu", "selu", "hardtanh", "dropout"),
    "softmax",
)
WRITE |= {f"{name}_": f"x = x.{name}(...)" for name in IN_PLACE}


class _OtherName:
    """An attribute that is not there; reading it says what to write."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, tensor: Any, tensor_class: type) -> NoReturn:
        raise AttributeError(
            f"{tensor_class.__name__!r} object has no attribute {self.name!r}; "
            f"here it is {WRITE[self.name]}"
        )


class _Unlisted(ABCMeta):
    """The class of a class that lists none of these names in `dir` and `help`.

    An ABCMeta, so that a subclass of Tensor can be one of an abstract class too; isinstance is the
    plain and quick one.
    """

    __instancecheck__ = type.__instancecheck__
    __subclasscheck__ = type.__subclasscheck__

    def __dir__(cls) -> Iterable[str]:
        return [name for name in super().__dir__() if name not in WRITE]


class OtherNames(TensorBase, metaclass=_Unlisted):
    """Names that are not here, each of which says what to write instead."""

    __slots__ = ()

    def __dir__(self) -> Iterable[str]:
        return [name for name in super().__dir__() if name not in WRITE]


for _name in WRITE:
    setattr(OtherNames, _name, _OtherName(_name))


# What to write for torch.name(...), where it is no method of Tensor.
FUNCTIONS = {
    "as_tensor": "Tensor.from_array(array)",
    "asarray": "Tensor.from_array(array)",
    "array": "Tensor(data)",
    "inference_mode": "no_grad()",
    "autograd": "grad, vjp, jvp, hvp, jacobian and hessian",
    "save": "nn.state.safe_save(nn.state.get_state_dict(model), path)",
    "load": "nn.state.safe_load(path)",
    "device": "a text: 'cpu'",
    "cuda": "never available: everything is computed on the CPU",
    "backends": "the CPU, with nothing to set",
    "set_default_dtype": "dtype=, for one tensor or layer, and model.double()",
    "get_default_dtype": "np.float32, always",
    "Size": "tuple",
    "FloatTensor": "Tensor(data, dtype=np.float32), or Tensor.empty(shape)",
    "DoubleTensor": "Tensor(data, dtype=np.float64)",
    "LongTensor": "Tensor(data, dtype=np.int64)",
    "is_tensor": "isinstance(x, Tensor)",
    "nn": "the package nn, beside this one: import nn",
    "optim": "nn.optim",
    "jit": "not needed: leave it out",
    "compile": "not needed: leave it out",
    "preserve_format": "not needed: leave memory_format out",
    "is_available": "False: everything is computed on the CPU",
    "distributions": "nn.distributions",
    "utils": "nn.utils, and nn.data for utils.data",
    "float": "np.float32",
    "double": "np.float64",
    "half": "np.float16",
    "long": "np.int64",
    "int": "np.int32",
    "short": "np.int16",
    "bool": "np.bool_",
    "dtypes": "those of NumPy, np.float32",
    "functional": "nn.functional",
}


def hint(name: str, tensor_class: type) -> str:
    """What follows "module tinygrad_lite has no attribute ...", if there is something to say."""
    if name in FUNCTIONS:
        return f"; here it is {FUNCTIONS[name]}"
    if name in WRITE:
        return f"; here it is {WRITE[name]}"
    if not name.startswith("_") and callable(getattr(tensor_class, name, None)):
        return f"; here it is Tensor.{name}"
    if isinstance(found := getattr(np, name, None), type) and issubclass(found, np.generic):
        return f"; here it is np.{name}"
    return ""
