"""Random numbers: JAX's bits from JAX's keys, the same at once and traced."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import random
from graphc.ir.errors import DtypeError, ShapeError
from tests.numpy.both_ways import Value, check, graph_of, traced

KEY = np.array([7, 42], np.uint32)


def jax_random() -> Value:
    jax = pytest.importorskip("jax")

    class Legacy:
        """JAX's functions, on keys that are arrays of two words."""

        def __getattr__(self, name: str) -> Value:
            return lambda *arguments, **options: np.asarray(
                getattr(jax.random, name)(*arguments, **options)
            )

    return Legacy()


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31 - 1])
def test_keys(seed: int) -> None:
    np.testing.assert_array_equal(random.key(seed), jax_random().PRNGKey(seed))
    found = traced(random.key, np.asarray(seed, np.int32))
    np.testing.assert_array_equal(found, random.key(seed))


def test_seeds_of_64_bits() -> None:
    np.testing.assert_array_equal(random.key(2**40 + 5), [256, 5])
    found = traced(random.key, np.asarray(2**40 + 5))
    np.testing.assert_array_equal(found, [256, 5])


def test_same_as_jax() -> None:
    theirs = jax_random()
    check(random.split, theirs.split, KEY)
    check(lambda k: random.split(k, 5), lambda k: theirs.split(k, 5), KEY)
    check(lambda k: random.fold_in(k, 3), lambda k: theirs.fold_in(k, 3), KEY)
    for dtype in ("uint8", "uint16", "uint32"):
        check(lambda k, d=dtype: random.bits(k, (3, 5), d),
              lambda k, d=dtype: theirs.bits(k, (3, 5), d), KEY)  # fmt: skip
    for kind in ("float32", "float16", "bfloat16"):
        check(lambda k, d=kind: random.uniform(k, (3, 5), d, -1, 3),
              lambda k, d=kind: theirs.uniform(k, (3, 5), d, -1, 3), KEY)  # fmt: skip
    check(lambda k: random.bernoulli(k, 0.3, (40,)), lambda k: theirs.bernoulli(k, 0.3, (40,)), KEY)
    check(
        lambda k: random.randint(k, (40,), -3, 17), lambda k: theirs.randint(k, (40,), -3, 17), KEY
    )
    check(lambda k: random.normal(k, (99,)), lambda k: theirs.normal(k, (99,)), KEY, rtol=1e-4)


def test_bits_of_64() -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        expected = np.asarray(jax.random.bits(KEY, (7,), "uint64"))
        even = np.asarray(jax.random.uniform(KEY, (7,), "float64"))
    np.testing.assert_array_equal(random.bits(KEY, (7,), "uint64"), expected)
    np.testing.assert_array_equal(random.uniform(KEY, (7,), "float64"), even)


def test_narrow_integers_fill_their_range() -> None:
    drawn = np.asarray(random.randint(KEY, (9000,), 0, 200, "uint8"))
    assert drawn.dtype == np.uint8
    counts = np.bincount(drawn, minlength=200)
    assert len(counts) == 200
    assert counts.min() > 15
    wide = np.asarray(random.randint(KEY, (900,), -128, 127, "int8"))
    assert (wide.min(), wide.max()) == (-128, 126)


def test_normal_has_the_moments() -> None:
    drawn = np.asarray(random.normal(KEY, (20000,)))
    assert abs(drawn.mean()) < 0.03
    assert abs(drawn.std() - 1) < 0.02
    wide = np.asarray(random.normal(KEY, (2000,), "float64"))
    assert wide.dtype == np.float64
    assert abs(wide.std() - 1) < 0.06


def test_permutation() -> None:
    found = np.asarray(random.permutation(KEY, 50))
    np.testing.assert_array_equal(np.sort(found), np.arange(50))
    assert (found != np.arange(50)).any()
    x = np.arange(12.0).reshape(4, 3)
    for axis in (0, 1):
        moved = traced(lambda k, a, axis=axis: random.permutation(k, a, axis), KEY, x)
        np.testing.assert_array_equal(np.sort(moved, axis), np.sort(x, axis))


@pytest.mark.needs_jax
def test_permutations_and_choices_are_those_of_jax() -> None:
    jax = importlib.import_module("jax")
    theirs = jax.random.PRNGKey(3)
    mine = random.key(3)
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    p = np.array([0.1, 0.2, 0.3, 0.25, 0.15], np.float32)
    calls: list[Callable[[Any, Any], object]] = [
        lambda r, key: r.permutation(key, 300),
        lambda r, key: r.permutation(key, 5000),
        lambda r, key: r.permutation(key, x),
        lambda r, key: r.permutation(key, x, 1),
        lambda r, key: r.permutation(key, x, 1, True),
        lambda r, key: r.permutation(key, x[:, 0]),
        lambda r, key: r.choice(key, 10, (4,)),
        lambda r, key: r.choice(key, 10, (2, 3), replace=False),
        lambda r, key: r.choice(key, 5, (7,), p=p),
        lambda r, key: r.choice(key, 5, (4,), False, p),
        lambda r, key: r.choice(key, x, (4,), False),
        lambda r, key: r.choice(key, x, (2, 2), True, axis=1),
        lambda r, key: r.choice(key, x[:, 1], (5,), False),
    ]
    compiled = gc.jit(lambda key: [call(random, key) for call in calls])(mine)
    for call, found in zip(calls, compiled, strict=True):
        expected = call(jax.random, theirs)
        np.testing.assert_array_equal(call(random, mine), expected)
        np.testing.assert_array_equal(found, expected)


def test_what_cannot_be_drawn() -> None:
    refusals: list[tuple[Callable[[], object], str]] = [
        (lambda: random.choice(KEY, 3, (4,), replace=False), "got 4 draws, expected at most 3"),
        (lambda: random.choice(KEY, 0, (1,)), "expected at most 0"),
        (lambda: random.choice(KEY, 3, (1,), p=np.ones(2, np.float32)), "got probabilities"),
        (lambda: random.permutation(KEY, np.float32(2)), "without axes"),
        (lambda: random.permutation(KEY, np.ones(3), 1), "got axis 1"),
    ]
    for call, text in refusals:
        with pytest.raises(ShapeError, match=text):
            call()


def test_categorical_follows_its_logits() -> None:
    logits = np.log(np.array([0.1, 0.6, 0.3], np.float32))
    drawn = np.asarray(random.categorical(KEY, logits, shape=(4000,)))
    np.testing.assert_allclose(np.bincount(drawn) / 4000, [0.1, 0.6, 0.3], atol=0.03)


def test_cipher_is_one_node() -> None:
    graph = graph_of(random.split, KEY)
    assert sum(node.op.name == "composite" for node in graph.nodes) == 1


def test_errors() -> None:
    with pytest.raises(
        DtypeError, match=r"got a key of i32\[\], expected u32\[2\](.|\n)*written at"
    ):
        random.uniform(0)
    with pytest.raises(DtypeError, match="expected a float type"):
        random.normal(KEY, (3,), "int32")
    assert gnp.pi > 3
