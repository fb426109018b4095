"""Recurrent cells, one step each, and their loops over time; weights are laid out as PyTorch's.

S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; K. Cho et al., "Learning phrase
representations using RNN encoder-decoder", 2014.
"""

from __future__ import annotations

from collections.abc import Callable

import graphc.numpy as gnp
from graphc.api.control import scan
from graphc.composites import composite
from graphc.ir.errors import ArgumentError, ShapeError
from graphc.nn.functions import floats
from graphc.numpy.array import Array
from graphc.numpy.promotion import ArrayLike, fail, shape_of, text_of

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn", "rnn_cell"]

ACTIVATIONS: dict[str, Callable[[ArrayLike], Array]] = {
    "tanh": gnp.tanh,
    "relu": lambda x: gnp.where(gnp.less_equal(x, 0), 0, x),
}


def _affine(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None, name: str) -> Array:
    """x times a transposed weight, plus bias."""
    shape, own = shape_of(x), shape_of(weight)
    if len(own) != 2 or not shape or shape[-1] != own[1]:
        got = f"{text_of(shape)} and a weight {text_of(own)}"
        fail(ShapeError, f"{name}: got {got}, expected (..., features) and (outputs, features)")
    found = gnp.matmul(x, gnp.matrix_transpose(weight))
    return found if bias is None else gnp.add(found, bias)


def _gates(
    x: ArrayLike, h: ArrayLike, w_ih: ArrayLike, w_hh: ArrayLike, b_ih: ArrayLike | None,
    b_hh: ArrayLike | None, count: int, name: str,
) -> tuple[list[Array], list[Array]]:  # fmt: skip
    """What the input and the state say to each gate."""
    rows, state = shape_of(w_hh)[0], shape_of(h)[-1]
    if rows != count * state:
        got = f"a weight {text_of(shape_of(w_hh))} for a state of {state}"
        fail(ShapeError, f"{name}: got {got}, expected {count} rows for each")
    own = _affine(floats(x), w_ih, b_ih, name)
    other = _affine(h, w_hh, b_hh, name)
    return gnp.split(own, count, -1), gnp.split(other, count, -1)


@composite("rnn_cell")
def rnn_cell(
    x: ArrayLike,
    h: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
    nonlinearity: str = "tanh",
) -> Array:
    """The state after one step of a simple recurrent network; the nonlinearity is tanh or relu.

    Raises:
        ShapeError: weights that do not fit, as in all cells.
        ArgumentError: another nonlinearity.
    """
    if nonlinearity not in ACTIVATIONS:
        fail(ArgumentError, f"rnn_cell: got {nonlinearity!r}, expected 'tanh' or 'relu'")
    (own,), (other,) = _gates(x, h, w_ih, w_hh, b_ih, b_hh, 1, "rnn_cell")
    return ACTIVATIONS[nonlinearity](gnp.add(own, other))


@composite("lstm_cell")
def lstm_cell(
    x: ArrayLike,
    state: tuple[ArrayLike, ArrayLike],
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """The state (h, c) after one step of long short-term memory.

    The gates stand in the weights' rows as input, forget, cell, output.

    >>> import numpy as np
    >>> x, zero = np.ones((2, 3), np.float32), np.zeros((2, 4), np.float32)
    >>> w_ih, w_hh = np.ones((16, 3), np.float32), np.ones((16, 4), np.float32)
    >>> h, c = lstm_cell(x, (zero, zero), w_ih, w_hh)
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """
    h, c = state
    own, other = _gates(x, h, w_ih, w_hh, b_ih, b_hh, 4, "lstm_cell")
    enter, forget, cell, leave = (gnp.add(a, b) for a, b in zip(own, other, strict=True))
    fresh = gnp.multiply(gnp.sigmoid(enter), gnp.tanh(cell))
    new = gnp.add(gnp.multiply(gnp.sigmoid(forget), c), fresh)
    return gnp.multiply(gnp.sigmoid(leave), gnp.tanh(new)), new


@composite("gru_cell")
def gru_cell(
    x: ArrayLike,
    h: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
) -> Array:
    """The state after one step of a gated recurrent unit; gates stand as reset, update, new."""
    own, other = _gates(x, h, w_ih, w_hh, b_ih, b_hh, 3, "gru_cell")
    reset = gnp.sigmoid(gnp.add(own[0], other[0]))
    update = gnp.sigmoid(gnp.add(own[1], other[1]))
    new = gnp.tanh(gnp.add(own[2], gnp.multiply(reset, other[2])))
    return gnp.add(gnp.multiply(gnp.subtract(1, update), new), gnp.multiply(update, h))


# loops over time, which is axis 0


def rnn(
    xs: ArrayLike,
    h: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
    nonlinearity: str = "tanh",
) -> tuple[Array, Array]:
    """The states after each step along axis 0 of `xs`, and the last one."""

    def step(h: Array, x: Array) -> tuple[Array, Array]:
        new = rnn_cell(x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity)
        return new, new

    last, states = scan(step, h, xs)
    return states, last


def lstm(
    xs: ArrayLike,
    state: tuple[ArrayLike, ArrayLike],
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
) -> tuple[Array, tuple[Array, Array]]:
    """The outputs h of each step along axis 0 of `xs`, and the last state (h, c)."""

    def step(state: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], Array]:
        new = lstm_cell(x, state, w_ih, w_hh, b_ih, b_hh)
        return new, new[0]

    last, outputs = scan(step, state, xs)
    return outputs, last


def gru(
    xs: ArrayLike,
    h: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """The states after each step along axis 0 of `xs`, and the last one."""

    def step(h: Array, x: Array) -> tuple[Array, Array]:
        new = gru_cell(x, h, w_ih, w_hh, b_ih, b_hh)
        return new, new

    last, states = scan(step, h, xs)
    return states, last
