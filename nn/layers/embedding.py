"""Embeddings: a vector for each integer, looked up in a table that is trained.

padding_idx         the integer that stands for nothing, or None; a negative one counts from the
                    end.  Its row starts as zeros and gets no gradient
max_norm            rows that are looked up are first scaled to this norm if theirs is larger, in
                    place and outside the graph
norm_type           the p of that p-norm
scale_grad_by_freq  whether the gradient of a row is divided by how often the input names it
sparse              must be False: gradients are dense
"""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_lite import Tensor, arguments, recorded

from .. import init
from ..module import Module
from ..parameter import Parameter
from ._inputs import Input, as_tensor, float_dtype, with_dtype

Integers: TypeAlias = NDArray[np.int64]
Mode: TypeAlias = Literal["sum", "mean", "max"]


class _Table(Module):
    """What embeddings have in common: the weight, (num_embeddings, embedding_dim)."""

    weight: Tensor

    def _set(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
    ) -> None:
        name = type(self).__name__
        self.num_embeddings = arguments.integer(num_embeddings, f"{name}: num_embeddings", least=0)
        self.embedding_dim = arguments.integer(embedding_dim, f"{name}: embedding_dim", least=0)
        self.padding_idx = _padding(padding_idx, self.num_embeddings, name)
        self.max_norm = _norm(max_norm, name)
        self.norm_type = arguments.number(norm_type, f"{name}: norm_type")
        self.scale_grad_by_freq = arguments.flag(scale_grad_by_freq, f"{name}: scale_grad_by_freq")
        self.sparse = _dense(sparse, name)

    def _set_weight(self, given: Input | None, freeze: bool, dtype: DTypeLike | None) -> None:
        name, shape = type(self).__name__, (self.num_embeddings, self.embedding_dim)
        dtype = float_dtype(dtype, name)
        if given is None:
            self.weight = init.normal(*shape, std=1.0, dtype=dtype)
            if self.padding_idx is not None:
                self.weight.data[self.padding_idx] = 0
        else:
            table = as_tensor(given)
            if table.shape != shape:
                raise ValueError(f"{name}: expected a weight of shape {shape}; got {table.shape}")
            self.weight = Parameter(table if dtype is None else table.cast(dtype))
        self.weight.requires_grad_(not arguments.flag(freeze, f"{name}: freeze"))

    def extra_repr(self) -> str:
        shown = [f"{self.num_embeddings}, {self.embedding_dim}"]
        defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2}
        for name, default in {**defaults, "scale_grad_by_freq": False, "mode": None}.items():
            value = getattr(self, name, default)
            if value != default:
                shown.append(f"{name}={value!r}")
        return ", ".join(shown)


class Embedding(_Table):
    """y = weight[input]: integers (...) from 0 to num_embeddings - 1 -> (..., embedding_dim).

    The weight is drawn from a normal distribution with mean 0 and standard deviation 1, as in
    PyTorch, unless it is given: `_weight`, or `from_pretrained`.  The options are explained at the
    top of this file.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Input | None = None,
        _freeze: bool = False,
        dtype: DTypeLike | None = None,
    ) -> None:
        options = padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        self._set(num_embeddings, embedding_dim, *options)
        self._set_weight(_weight, _freeze, dtype)

    def forward(self, input: Input) -> Tensor:
        options = self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        return embedding(input, self.weight, self.padding_idx, *options)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Input,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> "Embedding":
        """A layer whose weight is a copy of `embeddings`, which is not trained if `freeze`.

        The row `padding_idx` stays as it is.
        """
        return cls(
            *_shape(embeddings, cls),
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
            _weight=embeddings,
            _freeze=freeze,
        )


class EmbeddingBag(_Table):
    """The sums, means or maxima of weight[i] over the integers i of each bag: (bags, dim).

        bag(rows)                         rows: (bags, N)
        bag(integers, offsets)            integers: (N,), offsets: (bags,), where each bag starts

    An empty bag gives zeros.  Integers that are `padding_idx` do not count.

    mode                 "sum", "mean" or "max"
    include_last_offset  whether one more offset follows, the number of integers

    With the mode "sum", per_sample_weights of the integers' shape are factors of the rows.  Weight
    and other options are those of `Embedding`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: Mode = "mean",
        sparse: bool = False,
        _weight: Input | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        options = padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        self._set(num_embeddings, embedding_dim, *options)
        self._set_weight(_weight, False, dtype)
        self.mode = arguments.choice(mode, "EmbeddingBag: mode", "sum", "mean", "max")
        self.include_last_offset = arguments.flag(
            include_last_offset, "EmbeddingBag: include_last_offset"
        )

    def forward(
        self,
        input: Input,
        offsets: Input | None = None,
        per_sample_weights: Input | None = None,
    ) -> Tensor:
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Input,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: Mode = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> "EmbeddingBag":
        """A layer whose weight is a copy of `embeddings`, which is not trained if `freeze`."""
        layer = cls(
            *_shape(embeddings, cls),
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            _weight=embeddings,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        layer.weight.requires_grad_(not arguments.flag(freeze, "EmbeddingBag: freeze"))
        return layer


# The formulas, as functions


def embedding(
    input: Input,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input], (...) integers and (num, dim) -> (..., dim); the options stand above."""
    _dense(sparse, "embedding")
    weight = _checked_table(weight, "embedding")
    indices = _indices("embedding: input", input, len(weight))
    if not indices.ndim:
        options = padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        return embedding(indices.reshape(1), weight, *options)[0]
    if _norm(max_norm, "embedding") is not None:
        norm_type = arguments.number(norm_type, "embedding: norm_type")
        _renormalise(weight, weight.data, indices, max_norm, norm_type)
    y = weight[indices]
    if arguments.flag(scale_grad_by_freq, "embedding: scale_grad_by_freq"):
        counts = _frequencies(indices.reshape(-1), len(weight))[indices]
        constant = y.detach()
        y = constant + (y - constant) * (1.0 / counts[..., None]).astype(y.dtype)
    padding = _padding(padding_idx, len(weight), "embedding")
    if padding is None:
        return y
    kept = Tensor.from_array((indices != padding)[..., None])
    return kept.where(y, weight.detach()[padding])


def embedding_bag(
    input: Input,
    weight: Tensor,
    offsets: Input | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: Mode = "mean",
    sparse: bool = False,
    per_sample_weights: Input | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of weight[i] over the integers of each bag: see `EmbeddingBag`."""
    arguments.choice(mode, "embedding_bag: mode", "sum", "mean", "max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError('embedding_bag: scale_grad_by_freq is not defined for the mode "max"')
    weight = _checked_table(weight, "embedding_bag")
    indices = _indices("embedding_bag: input", input, len(weight))
    bags, count = _bags(indices, offsets, include_last_offset)
    rows = embedding(
        indices.reshape(-1), weight, None, max_norm, norm_type, scale_grad_by_freq, sparse
    )
    padding = _padding(padding_idx, len(weight), "embedding_bag")
    if padding is not None:  # into one more bag, which is left out of the result
        padded = indices.reshape(-1) == padding
        bags = np.where(padded, count, bags)
    if per_sample_weights is not None:
        factors = with_dtype(per_sample_weights, weight.dtype)
        if mode != "sum":
            raise ValueError(f'embedding_bag: per_sample_weights need the mode "sum"; got {mode!r}')
        if factors.shape != indices.shape:
            raise ValueError(
                f"embedding_bag: expected per_sample_weights of the input's shape {indices.shape}; "
                f"got {factors.shape}"
            )
        if padding is not None:
            rows = rows.masked_fill(padded[:, None], 0)  # so that inf and nan do not reach factors
        rows = rows * factors.reshape(-1, 1)
    zeros = Tensor.zeros(count + (padding is not None), weight.shape[1], dtype=weight.dtype)
    if mode == "max":
        where = np.broadcast_to(bags[:, None], rows.shape)
        return zeros.scatter_reduce(0, where, rows, "amax", include_self=False)[:count]
    sums = zeros.index_add(0, bags, rows)[:count]
    if mode == "sum":
        return sums
    sizes = _frequencies(bags, len(zeros))[:count]
    return sums / np.maximum(sizes, 1)[:, None].astype(sums.dtype)


def _bags(indices: Integers, offsets: Input | None, closed: bool) -> tuple[Integers, int]:
    """The number of the bag of each integer, and how many bags there are."""
    closed = arguments.flag(closed, "embedding_bag: include_last_offset")
    if indices.ndim == 2:
        if offsets is not None:
            raise ValueError("embedding_bag: rows of integers are the bags; offsets must be None")
        return np.repeat(np.arange(len(indices)), indices.shape[1]), len(indices)
    if indices.ndim != 1 or offsets is None:
        raise ValueError(
            "embedding_bag: expected integers of shape (bags, N), or (N,) with offsets; "
            f"got shape {indices.shape}" + " without offsets" * (indices.ndim == 1)
        )
    starts = _whole("embedding_bag: offsets", offsets)
    if starts.ndim != 1 or (closed and not starts.size):
        raise ValueError(f"embedding_bag: expected offsets of 1 axis; got shape {starts.shape}")
    edges = starts if closed else np.append(starts, indices.size)
    return _bag_of_each(edges, starts, indices.size), edges.size - 1


@recorded.check
def _bag_of_each(edges: Integers, starts: Integers, size: int) -> Integers:
    """The number of the bag of each of `size` integers; the bags lie between the edges."""
    if edges[0] or edges[-1] != size or (np.diff(edges) < 0).any():
        raise ValueError(
            f"embedding_bag: expected offsets that rise from 0 to {size}; "
            f"got {arguments.shown(starts.tolist())}"
        )
    return np.repeat(np.arange(edges.size - 1), np.diff(edges))


@recorded.whole
def _frequencies(indices: Integers, count: int) -> Integers:
    """How often each of the integers below `count` is among these."""
    return np.bincount(indices, minlength=count)


@recorded.each_time
def _renormalise(
    weight: Tensor, table: NDArray[Any], indices: Integers, max_norm: Any, norm_type: float
) -> None:
    """Scale the rows of these indices to the norm `max_norm`, if theirs is larger.

    table: the weight's memory.
    """
    named = np.unique(indices)
    rows = table[named].astype(np.float64)
    norms = np.linalg.norm(rows, norm_type, axis=1, keepdims=True)
    large = (norms > max_norm)[:, 0]
    if large.any():
        table[named[large]] = (rows * (max_norm / (norms + 1e-7)))[large]
        weight.mark_changed()


def _whole(name: str, given: Input) -> Integers:
    """The integers as an array."""
    array = as_tensor(given).numpy()
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers; got {array.dtype}")
    return array.astype(np.int64, copy=False)


def _indices(name: str, given: Input, count: int) -> Integers:
    """The integers as an array, each from 0 to count - 1; IndexError for others."""
    array = _whole(name, given)
    if array.size:
        _check_indices(name, array, count)
    return array


@recorded.check
def _check_indices(name: str, array: Integers, count: int) -> None:
    if array.min() < 0 or array.max() >= count:
        position = tuple(np.argwhere((array < 0) | (array >= count))[0].tolist())
        at = f" at {position[0] if len(position) == 1 else position}" if position else ""
        raise IndexError(
            f"{name}: expected integers from 0 to {count - 1}; got {array[position]}{at}"
        )


def _checked_table(weight: Any, name: str) -> Tensor:
    table = as_tensor(weight)
    if table.ndim != 2 or table.dtype.kind != "f":
        got = f"{table.shape}, {table.dtype}"
        raise ValueError(f"{name}: expected a weight of floats, (num, dim); got {got}")
    return table


def _padding(index: int | None, count: int, name: str) -> int | None:
    """padding_idx, counted from the start."""
    if index is None:
        return None
    position = arguments.integer(index, f"{name}: padding_idx")
    if not -count <= position < count:
        raise ValueError(
            f"{name}: padding_idx: expected an integer below {count}, the number of embeddings; "
            f"got {position}"
        )
    return position % count


def _norm(value: float | None, name: str) -> float | None:
    return None if value is None else arguments.number(value, f"{name}: max_norm")


def _dense(sparse: bool, name: str) -> bool:
    if arguments.flag(sparse, f"{name}: sparse"):
        raise ValueError(f"{name}: gradients are dense here; leave sparse=False")
    return False


def _shape(embeddings: Input, layer: type) -> tuple[int, int]:
    """The shape of a table that is given."""
    shape = as_tensor(embeddings).shape
    if len(shape) != 2:
        raise ValueError(
            f"{layer.__name__}: expected embeddings of shape (num_embeddings, embedding_dim); "
            f"got {shape}"
        )
    return shape[0], shape[1]
