"""Attention in tiles: whatever way it is written, for any mask, without an array of all scores."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import nn
from tests.nn.comparing import Value, pattern

LARGE = 2048
TILES = importlib.import_module("graphc.passes.tile_attention")


def reals(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(dtype)


def plain(q: Value, k: Value, v: Value, change: Callable[[Value], Value]) -> Value:
    """Attention of (batch, time, head, feature) as textbooks write it."""
    scores = change(gnp.einsum("bthd,bshd->bhts", q, k) / math.sqrt(q.shape[-1]))
    powers = gnp.exp(scores - gnp.max(scores, -1, keepdims=True))
    return gnp.einsum("bhts,bshd->bthd", powers / gnp.sum(powers, -1, keepdims=True), v)


def causal(scores: Value) -> Value:
    places = [gnp.arange(scores.shape[axis]) for axis in (-2, -1)]
    return gnp.where(places[0][:, None] >= places[1][None, :], scores, -math.inf)


def near(scores: Value) -> Value:
    gap = gnp.arange(scores.shape[-2])[:, None] - gnp.arange(scores.shape[-1])[None, :]
    return gnp.where((gap < 45) & (gap >= -20), scores, -math.inf)


def capped(scores: Value) -> Value:
    return 5 * gnp.tanh(scores / 5)


MASK = reals(70, 96, seed=1) > -1
BIAS = reals(3, 1, 96, seed=2)
CHANGES: dict[str, Callable[[Value], Value]] = {
    "plain": lambda scores: scores,
    "causal": causal,
    "near": near,
    "capped": lambda scores: causal(capped(scores)),
    "mask": lambda scores: gnp.where(MASK[: scores.shape[-2], : scores.shape[-1]], scores, -1e9),
    "bias": lambda scores: scores + BIAS[..., : scores.shape[-1]],
}


@dataclass(frozen=True)
class Sizes:
    """Batches, queries, keys, features of keys, of values."""

    batches: int
    queries: int
    keys: int
    width: int
    features: int

    def arrays(self, dtype: str = "float64") -> list[np.ndarray]:
        """Queries, keys and values."""
        shapes = ((self.queries, self.width), (self.keys, self.width), (self.keys, self.features))
        return [
            reals(self.batches, long, 3, wide, seed=i, dtype=dtype)
            for i, (long, wide) in enumerate(shapes)
        ]


SIZES = (Sizes(2, 65, 65, 7, 5), Sizes(1, 40, 96, 8, 33), Sizes(2, 70, 33, 16, 16))


def weighted(function: Callable[..., Value], *arrays: Value) -> Value:
    found = function(*arrays)
    return gnp.sum(found * pattern(found.shape))


def is_tiled(function: Callable[..., Value], *arrays: Value) -> bool:
    return " attention %" in gc.jit(function).lower(*arrays).as_text("optimized")


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles even where contractions of whole batches are faster."""
    monkeypatch.setattr(TILES, "MOST_BYTES", 0)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("change", CHANGES)
def test_values_and_gradients_are_those_of_the_plain_program(change: str, sizes: Sizes) -> None:
    def attend(q: Value, k: Value, v: Value) -> Value:
        return plain(q, k, v, CHANGES[change])

    def both(*arrays: Value) -> Value:
        return gc.value_and_grad(lambda *x: weighted(attend, *x), (0, 1, 2))(*arrays)

    for dtype, rtol in (("float64", 1e-11), ("float32", 2e-4)):
        arrays = sizes.arrays(dtype)
        assert is_tiled(attend, *arrays)
        assert is_tiled(both, *arrays)
        value, slopes = gc.jit(both)(*arrays)
        wide = [array.astype(np.float64) for array in arrays]
        truth = weighted(attend, *wide)
        assert abs(value - truth) <= rtol * abs(attend(*wide)).sum()
        # Central differences along a direction, of the interpreted plain program.
        moves = [reals(*array.shape, seed=9, dtype="float64") for array in wide]
        ends = [
            weighted(attend, *(x + sign * 1e-5 * move for x, move in zip(wide, moves, strict=True)))
            for sign in (1, -1)
        ]
        along = sum(float(np.sum(g * move)) for g, move in zip(slopes, moves, strict=True))
        size = sum(float(np.sum(abs(g * move))) for g, move in zip(slopes, moves, strict=True))
        assert abs(along - (ends[0] - ends[1]) / 2e-5) <= max(rtol, 1e-7) * size


@pytest.mark.usefixtures("always")
def test_second_derivatives_and_batches() -> None:
    q, k, v = (x[0] for x in Sizes(1, 40, 33, 3, 2).arrays())

    def attend(q: Value, k: Value, v: Value) -> Value:
        return plain(q[None], k[None], v[None], causal)[0]

    def slope(q: Value) -> Value:
        return gnp.sum(gc.grad(lambda q: weighted(attend, q, k, v))(q) * pattern(q.shape))

    move = reals(*q.shape, seed=4, dtype="float64")
    ends = [slope(q + sign * 1e-5 * move) for sign in (1, -1)]
    found = np.sum(gc.jit(gc.grad(slope))(q) * move)
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / 2e-5, rtol=1e-6)
    several = np.stack([q, 2 * q, q - 1])
    batched = gc.jit(gc.vmap(attend, (0, None, None)))(several, k, v)
    for one, found in zip(several, batched, strict=True):
        np.testing.assert_allclose(found, attend(one, k, v), rtol=1e-12, atol=1e-13)
    _, tangent = gc.jit(lambda q: gc.jvp(lambda q: attend(q, k, v), (q,), (move,)))(q)
    ends = [attend(q + sign * 1e-5 * move, k, v) for sign in (1, -1)]
    np.testing.assert_allclose(tangent, (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-8)


def test_long_sequences_need_no_square() -> None:
    q, k, v = (reals(1, LARGE, 2, 16, seed=i) for i in range(3))
    square = LARGE * LARGE * 4

    def ours(q: Value, k: Value, v: Value) -> Value:
        return nn.dot_product_attention(q, k, v, is_causal=True)

    for attend in (ours, lambda q, k, v: plain(q, k, v, CHANGES["plain"])):
        both = gc.jit(gc.value_and_grad(lambda *x, f=attend: weighted(f, *x), (0, 1, 2)))
        for one in (gc.jit(attend), both):
            compiled = one.lower(q, k, v).compile()
            assert compiled.memory_analysis().arena < square / 4
            assert compiled.cost_analysis()["bytes accessed"] < square


def test_a_query_of_no_key_is_what_the_interpreter_says() -> None:
    q, k, v = Sizes(1, 40, 96, 4, 4).arrays("float32")
    mask = np.ones((40, 96), bool)
    mask[7] = False

    def written(q: Value, k: Value, v: Value) -> Value:
        return plain(q, k, v, lambda scores: gnp.where(mask, scores, -math.inf))

    def named(q: Value, k: Value, v: Value) -> Value:
        return nn.dot_product_attention(q, k, v, mask=mask[None, None])

    with np.errstate(invalid="ignore"):
        for attend, nothing in ((written, math.nan), (named, 0.0)):
            assert is_tiled(attend, q, k, v)
            found, expected = gc.jit(attend)(q, k, v), attend(q, k, v)
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)
            np.testing.assert_array_equal(found[:, 7], nothing)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_types(dtype: str) -> None:
    arrays = [gnp.astype(x, dtype) for x in Sizes(2, 40, 96, 8, 8).arrays("float32")]

    def attend(q: Value, k: Value, v: Value) -> Value:
        return nn.dot_product_attention(q, k, v, bias=BIAS)

    assert is_tiled(attend, *arrays)
    wide = attend(*(np.asarray(x, np.float64) for x in arrays))
    reach = 2.0**-10 if dtype == "float16" else 2.0**-7
    np.testing.assert_allclose(np.asarray(gc.jit(attend)(*arrays), np.float64), wide, atol=reach)


def test_weights_that_are_asked_for_are_kept() -> None:
    q, k, v = Sizes(1, 64, 64, 4, 4).arrays("float32")

    def both(q: Value, k: Value, v: Value) -> Value:
        weights = nn.softmax(gnp.einsum("bthd,bshd->bhts", q, k))
        return weights, gnp.einsum("bhts,bshd->bthd", weights, v)

    assert not is_tiled(both, q, k, v)
