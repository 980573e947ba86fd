"""Transformers: attention and small networks in turn, each with a shortcut around it.

Masks are those of `MultiheadAttention`: attention masks (L, S) or (N nhead, L, S), bool, True where
a query must not look at a key, or float, added to the scores; key padding masks (N, S).

Source: A. Vaswani et al., Attention Is All You Need, 2017; `norm_first`: R. Xiong et al., On Layer
Normalization in the Transformer Architecture, 2020.
"""

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_lite import Tensor, arguments

from .. import init
from ..module import Module
from ._inputs import Input, as_tensor, float_dtype
from .activations import GELU
from .attention import MultiheadAttention
from .containers import ModuleList
from .dropout import Dropout
from .linear import Linear
from .normalisation import LayerNorm

Activation: TypeAlias = Literal["relu", "gelu"] | Callable[[Tensor], Tensor]


class _TransformerLayer(Module):
    """What both layers share: attention, once or twice, and a network after it.

    Each has a norm and a dropout of its own, numbered from 1; `dropout` is inside the network.
    """

    attentions: ClassVar[tuple[str, ...]]  # the names of the attentions, in their order
    norm1: LayerNorm
    norm2: LayerNorm
    dropout1: Dropout
    dropout2: Dropout
    self_attn: MultiheadAttention

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        name = type(self).__name__
        dtype = float_dtype(dtype, name)
        for attention in self.attentions:
            heads = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
            )
            setattr(self, attention, heads)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype)
        self.norm_first = arguments.flag(norm_first, f"{name}: norm_first")
        numbers = range(1, len(self.attentions) + 2)
        for number in numbers:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            setattr(self, f"norm{number}", norm)
        for number in numbers:
            setattr(self, f"dropout{number}", Dropout(dropout))
        self.activation = _activation(activation, name)

    def _network(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def extra_repr(self) -> str:
        return "norm_first=True" if self.norm_first else ""


class TransformerEncoderLayer(_TransformerLayer):
    """x -> norm1(x + attention(x)) -> norm2(x + network(x)), network: linear2(act(linear1(x))).

    src: (L, N, d_model), (N, L, d_model) with `batch_first`, or (L, d_model) -> the same shape.

    dim_feedforward  the width inside the network
    dropout          of the weights of attention, after attention, and twice in the network
    activation       "relu", "gelu" or a function
    norm_first       whether the inputs of attention and network are normalised, not the sums:
                     x + attention(norm1(x)), x + network(norm2(x))
    """

    attentions = ("self_attn",)

    def forward(
        self,
        src: Input,
        src_mask: Input | None = None,
        src_key_padding_mask: Input | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attention(x: Tensor) -> Tensor:
            masks = (src_key_padding_mask, False, src_mask, True, is_causal)
            return self.dropout1(self.self_attn(x, x, x, *masks)[0])

        def network(x: Tensor) -> Tensor:
            return self.dropout2(self._network(x))

        x = as_tensor(src)
        if self.norm_first:
            x = x + attention(self.norm1(x))
            return x + network(self.norm2(x))
        x = self.norm1(x + attention(x))
        return self.norm2(x + network(x))


class TransformerDecoderLayer(_TransformerLayer):
    """As `TransformerEncoderLayer`, with attention to the encoder's result before the network.

    x -> norm1(x + attention(x)) -> norm2(x + attention(x, memory)) -> norm3(x + network(x)).
    tgt: (L, N, d_model), memory: (S, N, d_model) -> (L, N, d_model); or with N first, or without.
    """

    attentions = ("self_attn", "multihead_attn")
    multihead_attn: MultiheadAttention
    norm3: LayerNorm
    dropout3: Dropout

    def forward(
        self,
        tgt: Input,
        memory: Input,
        tgt_mask: Input | None = None,
        memory_mask: Input | None = None,
        tgt_key_padding_mask: Input | None = None,
        memory_key_padding_mask: Input | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attention(x: Tensor) -> Tensor:
            masks = (tgt_key_padding_mask, False, tgt_mask, True, tgt_is_causal)
            return self.dropout1(self.self_attn(x, x, x, *masks)[0])

        def look_up(x: Tensor) -> Tensor:
            masks = (memory_key_padding_mask, False, memory_mask, True, memory_is_causal)
            return self.dropout2(self.multihead_attn(x, memory, memory, *masks)[0])

        def network(x: Tensor) -> Tensor:
            return self.dropout3(self._network(x))

        x = as_tensor(tgt)
        if self.norm_first:
            x = x + attention(self.norm1(x))
            x = x + look_up(self.norm2(x))
            return x + network(self.norm3(x))
        x = self.norm1(x + attention(x))
        x = self.norm2(x + look_up(x))
        return self.norm3(x + network(x))


class TransformerEncoder(Module):
    """`num_layers` copies of an encoder layer, one after the other, then `norm` if there is one.

    The copies start with the same weights.  `enable_nested_tensor` and `mask_check` are there for
    PyTorch's signature: nothing depends on them.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        arguments.flag(enable_nested_tensor, "TransformerEncoder: enable_nested_tensor")
        arguments.flag(mask_check, "TransformerEncoder: mask_check")
        self.layers = _copies(encoder_layer, num_layers, "TransformerEncoder")
        self.num_layers = len(self.layers)
        self.norm = norm

    def forward(
        self,
        src: Input,
        mask: Input | None = None,
        src_key_padding_mask: Input | None = None,
        is_causal: bool | None = None,
    ) -> Any:
        """is_causal: as in `MultiheadAttention`; None is False."""
        x: Any = as_tensor(src)
        for layer in self.layers:
            x = layer(
                x,
                src_mask=mask,
                src_key_padding_mask=src_key_padding_mask,
                is_causal=bool(is_causal),
            )
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """`num_layers` copies of a decoder layer, one after the other, then `norm` if there is one.

    The copies start with the same weights.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = _copies(decoder_layer, num_layers, "TransformerDecoder")
        self.num_layers = len(self.layers)
        self.norm = norm

    def forward(
        self,
        tgt: Input,
        memory: Input,
        tgt_mask: Input | None = None,
        memory_mask: Input | None = None,
        tgt_key_padding_mask: Input | None = None,
        memory_key_padding_mask: Input | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """tgt_is_causal: as in `MultiheadAttention`; None is False."""
        x: Any = as_tensor(tgt)
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder of `src` and a decoder of `tgt` that looks at the encoder's result.

    src: (S, N, d_model), tgt: (L, N, d_model) -> (L, N, d_model); or with N first, or without.

    custom_encoder, custom_decoder  modules that are used instead of the two stacks

    Other options are those of `TransformerEncoderLayer`.  Matrices start as
    `init.glorot_uniform`.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        dtype = float_dtype(dtype, "Transformer")

        def stack(kind: type, layer: type, count: int) -> Any:
            one = layer(
                d_model,
                nhead,
                dim_feedforward,
                dropout,
                activation,
                layer_norm_eps,
                batch_first,
                norm_first,
                bias,
                dtype,
            )
            return kind(one, count, LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))

        self.encoder = custom_encoder
        if custom_encoder is None:
            self.encoder = stack(TransformerEncoder, TransformerEncoderLayer, num_encoder_layers)
        self.decoder = custom_decoder
        if custom_decoder is None:
            self.decoder = stack(TransformerDecoder, TransformerDecoderLayer, num_decoder_layers)
        self.d_model = arguments.integer(d_model, "Transformer: d_model", least=1)
        self.nhead = arguments.integer(nhead, "Transformer: nhead", least=1)
        self.batch_first = arguments.flag(batch_first, "Transformer: batch_first")
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Input,
        tgt: Input,
        src_mask: Input | None = None,
        tgt_mask: Input | None = None,
        memory_mask: Input | None = None,
        src_key_padding_mask: Input | None = None,
        tgt_key_padding_mask: Input | None = None,
        memory_key_padding_mask: Input | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        shapes = as_tensor(src, "src").shape, as_tensor(tgt, "tgt").shape
        axis = 0 if self.batch_first else 1
        fit = len(shapes[0]) == len(shapes[1]) in (2, 3)
        if fit and len(shapes[0]) == 3:
            fit = shapes[0][axis] == shapes[1][axis]
        if not fit or shapes[0][-1] != self.d_model or shapes[1][-1] != self.d_model:
            raise ValueError(
                f"expected src and tgt of width {self.d_model} and the same batch in axis {axis}; "
                f"got {shapes[0]} and {shapes[1]}"
            )
        memory = self.encoder(
            src,
            mask=src_mask,
            src_key_padding_mask=src_key_padding_mask,
            is_causal=src_is_causal,
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: DTypeLike | None = None) -> Tensor:
        """The causal mask (sz, sz): -inf where a position would look at a later one, else 0."""
        size = arguments.integer(sz, "generate_square_subsequent_mask: sz", least=0)
        return Tensor.full((size, size), -np.inf, dtype=dtype).triu(1)


def _activation(given: Any, name: str) -> Callable[[Tensor], Tensor]:
    """The function, which may be given by its name; "gelu" is the exact one."""
    if callable(given):
        return given  # type: ignore[no-any-return]
    words: dict[str, Callable[[Tensor], Tensor]] = {"relu": Tensor.relu, "gelu": GELU()}
    return words[arguments.choice(given, f"{name}: activation", *words)]


def _copies(layer: Module, count: int, name: str) -> ModuleList:
    if not isinstance(layer, Module):
        raise arguments.wrong(f"{name}: layer", "a Module", layer)
    count = arguments.integer(count, f"{name}: num_layers", least=0)
    return ModuleList(copy.deepcopy(layer) for _ in range(count))
