"""Recurrent cells and loops against torch; dropout and embeddings by what they promise."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn, random
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from tests.nn.comparing import Value, beside_torch
from tests.numpy.both_ways import real

TIME, BATCH, INPUT, STATE = 6, 3, 4, 5
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def weights(count: int) -> list[np.ndarray]:
    rows = count * STATE
    return [real(rows, INPUT, seed=1), real(rows, STATE, seed=2), real(rows, seed=3),
            real(rows, seed=4)]  # fmt: skip


@pytest.mark.needs_torch
@pytest.mark.parametrize("name", list(GATES))
def test_cells(name: str) -> None:
    import torch

    x, h, c = real(BATCH, INPUT), real(BATCH, STATE, seed=5), real(BATCH, STATE, seed=6)
    arrays = [x, h, *weights(GATES[name])]
    if name == "lstm":
        beside_torch(lambda x, h, *w: nn.lstm_cell(x, (h, h), *w),
                     lambda x, h, *w: torch.lstm_cell(x, (h, h), *w), arrays)  # fmt: skip
        found = nn.lstm_cell(x, (h, c), *arrays[2:])
        wanted = torch.lstm_cell(*(torch.tensor(a) for a in (x,)), [torch.tensor(h),
                                 torch.tensor(c)], *map(torch.tensor, arrays[2:]))  # fmt: skip
        np.testing.assert_allclose(found[1], wanted[1].numpy(), rtol=1e-5, atol=1e-6)
        return
    theirs = torch.gru_cell if name == "gru" else torch.rnn_tanh_cell
    beside_torch(getattr(nn, f"{name}_cell"), theirs, arrays)


@pytest.mark.needs_torch
@pytest.mark.parametrize("name", list(GATES))
def test_over_time(name: str) -> None:
    import torch

    module = getattr(torch.nn, name.upper())(INPUT, STATE)
    parameters = [p.detach().numpy().copy() for p in module.parameters()]
    xs, h = real(TIME, BATCH, INPUT), real(BATCH, STATE, seed=5)
    state: Value = (h, h) if name == "lstm" else h
    tensors = torch.tensor(xs), torch.tensor(h)[None]
    given = (tensors[1], tensors[1]) if name == "lstm" else tensors[1]
    wanted, last = module(tensors[0], given)
    run: Value = getattr(nn, name)
    found, end = gc.jit(run)(xs, state, *parameters)
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-4, atol=1e-5)
    for one, two in zip(gc.tree.leaves(end), last if name == "lstm" else [last], strict=True):
        np.testing.assert_allclose(one, two[0].detach().numpy(), rtol=1e-4, atol=1e-5)
    (wanted**2).sum().backward()
    grads = gc.grad(lambda p: (run(xs, state, *p)[0] ** 2).sum())(parameters)
    for one, two in zip(grads, module.parameters(), strict=True):
        np.testing.assert_allclose(one, two.grad.numpy(), rtol=1e-3, atol=1e-4)


def test_dropout() -> None:
    key, x = random.key(3), np.ones((200, 50), np.float32)
    found = gc.jit(lambda key: nn.dropout(key, x, 0.25))(key)
    assert set(np.unique(found)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(found.mean() - 1) < 0.02
    np.testing.assert_array_equal(nn.dropout(key, x, 0.25, deterministic=True), x)
    np.testing.assert_array_equal(nn.dropout(key, x, 1.0), 0 * x)
    shared = np.asarray(nn.dropout(key, x, 0.5, broadcast_dims=(1,)))
    assert (shared == shared[:, :1]).all() and 0 < shared.mean() < 2
    slope = gc.grad(lambda x: nn.dropout(key, x, 0.25).sum())(x)
    np.testing.assert_allclose(slope, found)
    with pytest.raises(ArgumentError, match=r"got a rate of 1.5, expected 0 to 1"):
        nn.dropout(key, x, 1.5)


@pytest.mark.needs_torch
def test_embedding() -> None:
    import torch

    table, at = real(7, 4), np.array([[1, 0, 6], [1, 1, 2]])
    beside_torch(lambda t: nn.embedding(at, t),
                 lambda t: torch.nn.functional.embedding(torch.tensor(at), t), [table])  # fmt: skip
    beside_torch(
        lambda t: nn.embedding(at, t, padding_idx=1),
        lambda t: torch.nn.functional.embedding(torch.tensor(at), t, padding_idx=1),
        [table],
    )
    with pytest.raises(IndexError, match="out of range"):
        nn.embedding(np.array([7]), table)
    with pytest.raises(DtypeError, match="expected integer indices"):
        nn.embedding(real(2), table)


def test_refusals() -> None:
    w = weights(4)
    h = real(BATCH, STATE)
    with pytest.raises(ShapeError, match="expected 3 rows for each"):
        nn.gru_cell(real(BATCH, INPUT), h, *w)
    with pytest.raises(ShapeError, match=r"lstm_cell: got \(3, 5\) and a weight \(20, 4\)"):
        nn.lstm_cell(real(BATCH, INPUT + 1), (h, h), *w)
    with pytest.raises(ArgumentError, match="got 'sine', expected 'tanh' or 'relu'"):
        nn.rnn_cell(real(BATCH, INPUT), h, w[0][:5], w[1][:5], nonlinearity="sine")
