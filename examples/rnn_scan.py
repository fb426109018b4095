"""A recurrent network that learns to add: `scan` over time, gradients through it, in one program.

    python examples/rnn_scan.py

Each example is a sequence of pairs: a number, and a mark that is 1 at two places. The answer is
the sum of the two marked numbers (S. Hochreiter and J. Schmidhuber, "Long short-term memory",
1997). Examples are drawn inside the compiled program, so all training is one call.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc import nn, optim

Array: TypeAlias = Any  # of NumPy, or traced
Params: TypeAlias = dict[str, Array]

LENGTH, BATCH, UNITS, STEPS = 12, 64, 32, 1000
optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.adam(5e-3))


def init(key: Array) -> Params:
    """Small weights, for a gated recurrent unit and its reader."""
    gates, state, reader = gc.random.split(key, 3)
    return {
        "gates": gc.random.normal(gates, (2 + UNITS, 2 * UNITS)) * UNITS**-0.5,
        "state": gc.random.normal(state, (2 + UNITS, UNITS)) * UNITS**-0.5,
        "reader": gc.random.normal(reader, (UNITS,)) * UNITS**-0.5,
    }


def answer(params: Params, sequence: Array) -> Array:
    """What the network says after it has read sequences of shape (time, batch, 2)."""

    def read(state: Array, x: Array) -> tuple[Array, None]:
        gates = nn.sigmoid(gnp.concatenate([x, state], -1) @ params["gates"])
        keep, use = gates[:, :UNITS], gates[:, UNITS:]
        new = gnp.tanh(gnp.concatenate([x, use * state], -1) @ params["state"])
        return keep * state + (1 - keep) * new, None

    state, _ = gc.scan(read, gnp.zeros((sequence.shape[1], UNITS)), sequence)
    return state @ params["reader"]


def draw(key: Array) -> tuple[Array, Array]:
    """A batch of sequences, and their answers."""
    numbers, first, second = gc.random.split(key, 3)
    values = gc.random.uniform(numbers, (LENGTH, BATCH))
    half = LENGTH // 2
    places = gnp.arange(LENGTH)[:, None]
    early = places == gc.random.randint(first, (BATCH,), 0, half)
    late = places == gc.random.randint(second, (BATCH,), half, LENGTH)
    marks = gnp.astype(early | late, "float32")
    return gnp.stack([values, marks], -1), gnp.sum(values * marks, 0)


def loss(params: Params, sequence: Array, wanted: Array) -> Array:
    """The mean squared error."""
    return gnp.mean((answer(params, sequence) - wanted) ** 2)


@gc.entry(gc.random.key(0))
def train(key: Array) -> Array:
    """The loss of every training step."""

    def step(state: tuple[Params, Any], key: Array) -> tuple[tuple[Params, Any], Array]:
        params, memory = state
        value, slopes = gc.value_and_grad(loss)(params, *draw(key))
        updates, memory = optimizer.update(slopes, memory, params)
        return (optim.apply_updates(params, updates), memory), value

    first, rest = gc.random.split(key)
    params = init(first)
    return gc.scan(step, (params, optimizer.init(params)), gc.random.split(rest, STEPS))[1]


def main() -> None:
    """Train, and show how the error falls."""
    losses = gc.jit(train)(gc.random.key(0))
    for number, value in enumerate(np.mean(losses.reshape(10, -1), 1), start=1):
        print(f"steps to {number * STEPS // 10:5}  mean squared error {value:.4f}")
    print("answering the mean always would give 0.1667")


if __name__ == "__main__":
    main()
