"""Layers of sequences: recurrent ones, and attention with several heads."""

from __future__ import annotations

import math
from collections.abc import Callable

import graphc.numpy as gnp
from graphc import random
from graphc.ir.errors import ArgumentError
from graphc.nn import attention, recurrent, regularization
from graphc.nn.initializers import glorot_uniform
from graphc.nn.layers import Dropout, LayerNorm, Linear, spread
from graphc.nn.module import Module, Value, next_key
from graphc.numpy.promotion import ArrayLike, fail, kind_of

__all__ = [
    "GRU",
    "GRUCell",
    "LSTM",
    "LSTMCell",
    "MultiheadAttention",
    "RNN",
    "RNNCell",
    "TransformerEncoderLayer",
]


class _Cell(Module):
    """Weights of one step: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`."""

    gates = 1
    weight_ih: Value
    weight_hh: Value
    bias_ih: Value
    bias_hh: Value

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, key: ArrayLike | None = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        keys, rows = random.split(next_key(key), 4), self.gates * hidden_size
        bound = 1 / math.sqrt(max(hidden_size, 1))
        self.weight_ih = spread(keys[0], (rows, input_size), bound)
        self.weight_hh = spread(keys[1], (rows, hidden_size), bound)
        self.bias_ih = spread(keys[2], (rows,), bound) if bias else None
        self.bias_hh = spread(keys[3], (rows,), bound) if bias else None

    def weights(self) -> tuple[Value, Value, Value, Value]:
        """The weights in the order that cells take them."""
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def start(self, x: Value) -> Value:
        """A state of zeros for an input."""
        return gnp.zeros((*x.shape[:-1], self.hidden_size), kind_of(x).dtype)


class RNNCell(_Cell):
    """One step of a simple recurrent network."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        key: ArrayLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, key=key)
        self.nonlinearity = nonlinearity

    def forward(self, x: Value, h: Value = None) -> Value:
        """The next state; without one it starts at zeros."""
        h = self.start(x) if h is None else h
        return recurrent.rnn_cell(x, h, *self.weights(), self.nonlinearity)


class LSTMCell(_Cell):
    """One step of long short-term memory.

    >>> import numpy as np
    >>> from graphc import nn
    >>> h, c = nn.LSTMCell(3, 4)(np.ones((2, 3), np.float32))
    >>> h.shape
    (2, 4)
    """

    gates = 4

    def forward(self, x: Value, state: Value = None) -> Value:
        """The next state (h, c); without one it starts at zeros."""
        state = (self.start(x), self.start(x)) if state is None else state
        return recurrent.lstm_cell(x, state, *self.weights())


class GRUCell(_Cell):
    """One step of a gated recurrent unit."""

    gates = 3

    def forward(self, x: Value, h: Value = None) -> Value:
        """The next state; without one it starts at zeros."""
        h = self.start(x) if h is None else h
        return recurrent.gru_cell(x, h, *self.weights())


class _Recurrent(Module):
    """Layers of cells over time, which is axis 0, or axis 1 with `batch_first`."""

    gates = 1
    run: Callable[..., tuple[Value, Value]] = staticmethod(recurrent.rnn)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        *,
        key: ArrayLike | None = None,
    ) -> None:
        super().__init__()
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.batch_first, self.has_bias = batch_first, bias
        keys, rows = random.split(next_key(key), 4 * num_layers), self.gates * hidden_size
        bound = 1 / math.sqrt(max(hidden_size, 1))
        for i in range(num_layers):
            features = hidden_size if i else input_size
            setattr(self, f"weight_ih_l{i}", spread(keys[4 * i], (rows, features), bound))
            setattr(self, f"weight_hh_l{i}", spread(keys[4 * i + 1], (rows, hidden_size), bound))
            if bias:
                setattr(self, f"bias_ih_l{i}", spread(keys[4 * i + 2], (rows,), bound))
                setattr(self, f"bias_hh_l{i}", spread(keys[4 * i + 3], (rows,), bound))

    def _weights(self, layer: int) -> list[Value]:
        names = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if self.has_bias else ()))
        return [getattr(self, f"{name}_l{layer}") for name in names]

    def _layer(self, layer: int, x: Value, state: Value) -> tuple[Value, Value]:
        return self.run(x, state, *self._weights(layer))

    def _state(self, state: Value, layer: int, x: Value) -> Value:
        if state is not None:
            return state[layer]
        return gnp.zeros((*x.shape[1:-1], self.hidden_size), kind_of(x).dtype)

    def forward(self, x: Value, state: Value = None) -> tuple[Value, Value]:
        """The outputs of the last layer over time, and each layer's last state, stacked."""
        x = gnp.swapaxes(x, 0, 1) if self.batch_first else x
        lasts = []
        for i in range(self.num_layers):
            x, last = self._layer(i, x, self._state(state, i, x))
            lasts.append(last)
        return (gnp.swapaxes(x, 0, 1) if self.batch_first else x), self._stacked(lasts)

    def _stacked(self, lasts: list[Value]) -> Value:
        return gnp.stack(lasts)


class RNN(_Recurrent):
    """Layers of a simple recurrent network."""


class GRU(_Recurrent):
    """Layers of gated recurrent units."""

    gates = 3
    run = staticmethod(recurrent.gru)


class LSTM(_Recurrent):
    """Layers of long short-term memory; states are pairs (h, c).

    >>> import numpy as np
    >>> from graphc import nn
    >>> outputs, (h, c) = nn.LSTM(3, 4, num_layers=2)(np.ones((5, 2, 3), np.float32))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    """

    gates = 4
    run = staticmethod(recurrent.lstm)

    def _state(self, state: Value, layer: int, x: Value) -> Value:
        parts = (None, None) if state is None else state
        h, c = (super(LSTM, self)._state(part, layer, x) for part in parts)
        return h, c

    def _stacked(self, lasts: list[Value]) -> Value:
        return gnp.stack([h for h, _ in lasts]), gnp.stack([c for _, c in lasts])


class MultiheadAttention(Module):
    """Attention of several heads, each with its own share of the features.

    A. Vaswani et al., "Attention is all you need", 2017, 3.2.2.
    """

    in_proj_weight: Value
    in_proj_bias: Value
    out_proj: Linear

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        *,
        key: ArrayLike | None = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dim % num_heads:
            got = f"{num_heads} heads for {embed_dim} features"
            fail(ArgumentError, f"MultiheadAttention: got {got}, expected a divisor")
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.dropout, self.batch_first = dropout, batch_first
        keys = random.split(next_key(key))
        self.in_proj_weight = glorot_uniform()(keys[0], (3 * embed_dim, embed_dim))
        self.in_proj_bias = gnp.zeros((3 * embed_dim,)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, key=keys[1])
        if bias:
            self.out_proj.bias = gnp.zeros((embed_dim,))

    def _heads(self, x: Value, part: int) -> Value:
        """One of query, key and value as (batch, head, time, feature)."""
        rows = slice(part * self.embed_dim, (part + 1) * self.embed_dim)
        found = gnp.matmul(x, gnp.matrix_transpose(self.in_proj_weight[rows]))
        if self.in_proj_bias is not None:
            found = gnp.add(found, self.in_proj_bias[rows])
        batch, time = found.shape[:2]
        split = gnp.reshape(found, (batch, time, self.num_heads, -1))
        return gnp.permute_dims(split, (0, 2, 1, 3))

    def forward(
        self,
        query: Value,
        key: Value,
        value: Value,
        attn_mask: Value = None,
        is_causal: bool = False,
        *,
        dropout_key: ArrayLike | None = None,
    ) -> Value:
        """What each query gathers; axes are (time, batch, features), or batch first.

        `attn_mask` is True where a query may look (the opposite of PyTorch's for this layer), or
        floats that are added to the scores.

        Raises:
            ArgumentError: dropout in training mode without a key.
        """
        inputs = [x if self.batch_first else gnp.swapaxes(x, 0, 1) for x in (query, key, value)]
        q, k, v = (self._heads(x, part) for part, x in enumerate(inputs))
        found = attention.scaled_dot_product_attention(q, k, v, attn_mask, is_causal)
        found = gnp.permute_dims(found, (0, 2, 1, 3))
        found = gnp.reshape(found, (*found.shape[:2], self.embed_dim))
        if self.training and self.dropout:
            if dropout_key is None:
                fail(ArgumentError, "MultiheadAttention: got no dropout_key in training mode")
            found = regularization.dropout(dropout_key, found, self.dropout)
        found = self.out_proj(found)
        return found if self.batch_first else gnp.swapaxes(found, 0, 1)


class TransformerEncoderLayer(Module):
    """Attention and a network of two layers, each added to its input and normalized."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        batch_first: bool = False,
        norm_first: bool = False,
        *,
        key: ArrayLike | None = None,
    ) -> None:
        super().__init__()
        keys = random.split(next_key(key), 3)
        self.norm_first = norm_first
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, batch_first=batch_first, key=keys[0]
        )
        self.linear1 = Linear(d_model, dim_feedforward, key=keys[1])
        self.linear2 = Linear(dim_feedforward, d_model, key=keys[2])
        self.norm1, self.norm2 = LayerNorm(d_model), LayerNorm(d_model)
        self.drop = Dropout(dropout)

    def forward(
        self,
        x: Value,
        mask: Value = None,
        is_causal: bool = False,
        key: ArrayLike | None = None,
    ) -> Value:
        """x after attention and network; `key` is for dropout."""
        keys = [None] * 4 if key is None else [random.fold_in(key, i) for i in range(4)]

        def attend(x: Value) -> Value:
            found = self.self_attn(x, x, x, mask, is_causal, dropout_key=keys[0])
            return self.drop(found, key=keys[1])

        def network(x: Value) -> Value:
            hidden = gnp.maximum(self.linear1(x), 0)
            return self.drop(self.linear2(self.drop(hidden, key=keys[2])), key=keys[3])

        if self.norm_first:
            x = gnp.add(x, attend(self.norm1(x)))
            return gnp.add(x, network(self.norm2(x)))
        x = self.norm1(gnp.add(x, attend(x)))
        return self.norm2(gnp.add(x, network(x)))
