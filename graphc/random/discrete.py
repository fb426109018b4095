"""Distributions of whole numbers, and choices from arrays.

W. Hörmann, "The transformed rejection method for generating Poisson random variables", 1993
(PTRS), and "The generation of binomial random variates", 1993 (BTRS). The probabilities in them are
computed by the saddle-point expansion of C. Loader, "Fast and accurate computation of binomial
probabilities", 2000, so that large means lose no digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import graphc.numpy as gnp
from graphc import lax
from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.types import F32, I32, Shape
from graphc.numpy.array import Array
from graphc.numpy.indexing import get
from graphc.numpy.loops import repeat_while
from graphc.numpy.movement import ShapeLike, shape_from
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    element_type,
    fail,
    shape_of,
    stretched,
    text_of,
)
from graphc.random.basic import bernoulli, permutation, split, uniform
from graphc.random.continuous import common_shape

SMALL = 10.0  # means below are counted up, larger ones drawn by rejection


def rademacher(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = I32) -> Array:
    """1 or -1, evenly.

    >>> from graphc import random
    >>> bool((abs(rademacher(random.key(0), (4,))) == 1).all())
    True
    """
    sign = bernoulli(key, 0.5, shape)
    one = gnp.asarray(1, dtype)
    return gnp.where(sign, one, gnp.negative(one))


def geometric(
    key: ArrayLike, p: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike = I32
) -> Array:
    """How many trials of probability `p` it takes until one succeeds."""
    share = gnp.asarray(p, F32)
    drawn = uniform(key, common_shape(shape, "geometric", share), F32)
    needed = gnp.divide(gnp.log1p(gnp.negative(drawn)), gnp.log1p(gnp.negative(share)))
    return gnp.add(gnp.maximum(gnp.astype(gnp.floor(needed), dtype), 0), 1)


# the two families by rejection


def _log1p_less(t: Array) -> Array:
    """log(1 + t) - t, by its series near 0, where the difference would lose all digits."""
    near = gnp.less(gnp.abs(t), 0.05)
    small, far = gnp.where(near, t, 0), gnp.where(near, 1, t)
    series: ArrayLike = 0.0
    for k in range(9, 1, -1):
        series = gnp.add(gnp.multiply(series, small), (-1) ** (k + 1) / k)
    found = gnp.multiply(gnp.square(small), series)
    return gnp.where(near, found, gnp.subtract(gnp.log1p(far), far))


def _deviance(x: Array, mean: ArrayLike) -> Array:
    """x log(x / mean) + mean - x."""
    safe = gnp.maximum(x, 0.5)
    found = gnp.multiply(
        gnp.negative(safe), _log1p_less(gnp.divide(gnp.subtract(mean, safe), safe))
    )
    return gnp.where(gnp.less(x, 0.5), mean, found)


def _stirling_error(x: Array) -> Array:
    """log(x!) less Stirling's formula; 0 at 0."""
    safe = gnp.maximum(x, 1)
    square = gnp.square(safe)
    tail = gnp.subtract(
        1 / 12, gnp.divide(gnp.subtract(1 / 360, gnp.divide(1 / 1260, square)), square)
    )
    return gnp.where(gnp.less(x, 0.5), 0, gnp.divide(tail, safe))


def _log_poisson(k: Array, rate: Array) -> Array:
    """The logarithm of the probability of `k`."""
    spread = gnp.multiply(gnp.log(gnp.multiply(gnp.maximum(k, 1), 2 * math.pi)), -0.5)
    inner = gnp.subtract(spread, gnp.add(_stirling_error(k), _deviance(k, rate)))
    return gnp.where(gnp.less(k, 0.5), gnp.negative(rate), inner)


def _log_binomial(k: Array, n: Array, p: Array) -> Array:
    """The logarithm of the probability of `k` successes among `n`."""
    left, q = gnp.subtract(n, k), gnp.subtract(1, p)
    inside = gnp.logical_and(gnp.greater(k, 0.5), gnp.greater(left, 0.5))
    product = gnp.divide(gnp.multiply(gnp.multiply(k, left), 2 * math.pi), n)
    spread = gnp.multiply(gnp.log(gnp.where(inside, product, 1)), -0.5)
    errors = gnp.add(_stirling_error(k), _stirling_error(left))
    deviances = gnp.add(_deviance(k, gnp.multiply(n, p)), _deviance(left, gnp.multiply(n, q)))
    inner = gnp.subtract(gnp.add(spread, gnp.subtract(_stirling_error(n), errors)), deviances)
    ends = gnp.where(gnp.less(k, 0.5), gnp.log1p(gnp.negative(p)), gnp.log(p))
    return gnp.where(inside, inner, gnp.multiply(n, ends))


def _until_done(
    key: ArrayLike,
    shape: Shape,
    finished: Array,
    draw: object,
    parameters: Sequence[Array],
) -> Array:
    """Rounds of `draw(u, v, *parameters) -> (accepted, value)` until every place has a value."""

    def some_left(key: Array, done: Array, value: Array, *rest: Array) -> Array:
        return gnp.logical_not(gnp.all(done))

    def again(key: Array, done: Array, value: Array, *rest: Array) -> Sequence[Array]:
        keys = split(key, 3)
        u, v = uniform(get(keys, 1), shape, F32), uniform(get(keys, 2), shape, F32)
        accepted, fresh = draw(u, v, *rest)  # type: ignore[operator]
        new = gnp.logical_and(accepted, gnp.logical_not(done))
        return [get(keys, 0), gnp.logical_or(done, accepted), gnp.where(new, fresh, value), *rest]

    start = [gnp.asarray(key), finished, stretched(gnp.asarray(0, F32), shape), *parameters]
    return repeat_while(some_left, again, start, Array.wrap)[2]


def _hat(u: Array, a: Array, b: Array, centre: Array) -> tuple[Array, Array, Array]:
    """The number that a uniform one is transformed to, how near it is to the end, and the slope."""
    turned = gnp.subtract(u, 0.5)
    room = gnp.maximum(gnp.subtract(0.5, gnp.abs(turned)), 1e-7)
    wide = gnp.add(gnp.divide(gnp.multiply(a, 2), room), b)
    k = gnp.floor(gnp.add(gnp.multiply(wide, turned), centre))
    return k, room, gnp.add(gnp.divide(a, gnp.square(room)), b)


def _large_poisson(u: Array, v: Array, rate: Array) -> tuple[Array, Array]:
    b = gnp.add(0.931, gnp.multiply(2.53, gnp.sqrt(rate)))
    a = gnp.subtract(gnp.multiply(0.02483, b), 0.059)
    inverse = gnp.add(1.1239, gnp.divide(1.1328, gnp.subtract(b, 3.4)))
    quick = gnp.subtract(0.9277, gnp.divide(3.6224, gnp.subtract(b, 2)))
    k, room, slope = _hat(u, a, b, gnp.add(rate, 0.43))
    at_once = gnp.logical_and(gnp.greater_equal(room, 0.07), gnp.less_equal(v, quick))
    outside = gnp.logical_or(
        gnp.less(k, 0), gnp.logical_and(gnp.less(room, 0.013), gnp.greater(v, room))
    )
    height = gnp.log(gnp.divide(gnp.multiply(v, inverse), slope))
    below = gnp.less_equal(height, _log_poisson(gnp.maximum(k, 0), rate))
    accepted = gnp.logical_or(at_once, gnp.logical_and(below, gnp.logical_not(outside)))
    return gnp.logical_and(accepted, gnp.greater_equal(k, 0)), k


def _counted(key: ArrayLike, shape: Shape, limit: Array, step: object, rate: Array) -> Array:
    """How many steps `step(u, rate)` fit below a limit, each of a uniform number."""

    def some_left(key: Array, total: Array, count: Array, limit: Array, rate: Array) -> Array:
        return gnp.any(gnp.less_equal(total, limit))

    def again(key: Array, total: Array, count: Array, limit: Array, rate: Array) -> list[Array]:
        keys = split(key)
        moved = gnp.add(total, step(uniform(get(keys, 1), shape, F32), rate))  # type: ignore[operator]
        inside = gnp.less_equal(total, limit)
        more = gnp.where(gnp.logical_and(inside, gnp.less_equal(moved, limit)), 1, 0)
        return [get(keys, 0), gnp.where(inside, moved, total), gnp.add(count, more), limit, rate]

    zero = stretched(gnp.asarray(0, F32), shape)
    start = [gnp.asarray(key), zero, zero, limit, rate]
    return repeat_while(some_left, again, start, Array.wrap)[2]


def _waiting(u: Array, rate: Array) -> Array:
    return gnp.negative(gnp.log1p(gnp.negative(u)))


def _trials(u: Array, p: Array) -> Array:
    jump = gnp.divide(gnp.log1p(gnp.negative(u)), gnp.log1p(gnp.negative(p)))
    return gnp.add(gnp.floor(jump), 1)


def poisson(
    key: ArrayLike, lam: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike = I32
) -> Array:
    """How many events there are where `lam` are expected: numbers of the Poisson distribution.

    Where `lam` is NaN or below 0, -1.

    >>> from graphc import random
    >>> int(poisson(random.key(0), 0.0))
    0
    """
    wanted = element_type(dtype)
    if not wanted.is_integer:
        fail(DtypeError, f"poisson: got {wanted}, expected an integer type")
    sizes = common_shape(shape, "poisson", lam)
    rate = stretched(lax.stop_gradient(gnp.asarray(lam, F32)), sizes)
    known = gnp.greater_equal(rate, 0)
    large, keys = gnp.greater_equal(rate, SMALL), split(key)
    few = gnp.where(gnp.logical_and(known, gnp.logical_not(large)), rate, -1)
    counted = _counted(get(keys, 0), sizes, few, _waiting, rate)
    many = gnp.where(large, rate, SMALL)
    drawn = _until_done(get(keys, 1), sizes, gnp.logical_not(large), _large_poisson, [many])
    return gnp.astype(gnp.where(large, drawn, gnp.where(known, counted, -1)), wanted)


def _large_binomial(u: Array, v: Array, n: Array, p: Array) -> tuple[Array, Array]:
    q = gnp.subtract(1, p)
    deviation = gnp.sqrt(gnp.multiply(gnp.multiply(n, p), q))
    b = gnp.add(1.15, gnp.multiply(2.53, deviation))
    a = gnp.add(gnp.subtract(gnp.multiply(0.0248, b), 0.0873), gnp.multiply(0.01, p))
    quick = gnp.subtract(0.92, gnp.divide(4.2, b))
    alpha = gnp.multiply(gnp.add(2.83, gnp.divide(5.1, b)), deviation)
    k, room, slope = _hat(u, a, b, gnp.add(gnp.multiply(n, p), 0.5))
    inside = gnp.logical_and(gnp.greater_equal(k, 0), gnp.less_equal(k, n))
    at_once = gnp.logical_and(gnp.greater_equal(room, 0.07), gnp.less_equal(v, quick))
    top = gnp.floor(gnp.multiply(gnp.add(n, 1), p))
    bounded = gnp.clip(k, 0, n)
    bound = gnp.subtract(_log_binomial(bounded, n, p), _log_binomial(top, n, p))
    below = gnp.less_equal(gnp.log(gnp.divide(gnp.multiply(v, alpha), slope)), bound)
    return gnp.logical_and(inside, gnp.logical_or(at_once, below)), k


def binomial(
    key: ArrayLike,
    n: ArrayLike,
    p: ArrayLike,
    shape: ShapeLike | None = None,
    dtype: DTypeLike = F32,
) -> Array:
    """How many of `n` trials of probability `p` succeed; NaN where there are no such trials.

    Computed in `float32`: exact up to `n` of 2**24.
    """
    sizes = common_shape(shape, "binomial", n, p)
    count, share = (stretched(lax.stop_gradient(gnp.asarray(each, F32)), sizes) for each in (n, p))
    known = gnp.logical_and(
        gnp.greater_equal(count, 0),
        gnp.logical_and(gnp.greater_equal(share, 0), gnp.less_equal(share, 1)),
    )
    turned = gnp.greater(share, 0.5)
    rare = gnp.where(known, gnp.where(turned, gnp.subtract(1, share), share), 0)
    large, keys = gnp.greater_equal(gnp.multiply(count, rare), SMALL), split(key)
    few = gnp.logical_and(gnp.greater(rare, 0), gnp.logical_not(large))
    limit, odds = gnp.where(few, count, -1), gnp.where(few, rare, 0.5)
    counted = _counted(get(keys, 0), sizes, limit, _trials, odds)
    parameters = [gnp.where(large, count, 100), gnp.where(large, rare, 0.5)]
    drawn = _until_done(get(keys, 1), sizes, gnp.logical_not(large), _large_binomial, parameters)
    found = gnp.where(large, drawn, counted)
    found = gnp.where(turned, gnp.subtract(count, found), found)
    return gnp.astype(gnp.where(known, found, math.nan), dtype)


def multinomial(
    key: ArrayLike,
    n: ArrayLike,
    p: ArrayLike,
    *,
    shape: ShapeLike | None = None,
    dtype: DTypeLike = F32,
) -> Array:
    """How often each of several outcomes with probabilities `p` comes in `n` trials.

    The outcomes are drawn in turn, each as binomial among the trials that are left.
    """
    own = shape_of(p)
    if not own or not isinstance(own[-1], int):
        fail(ShapeError, f"multinomial: got p of shape {text_of(own)}, expected outcomes")
    lead = common_shape(None, "multinomial", n, get(p, (..., 0)))
    sizes = (*lead, own[-1]) if shape is None else shape_from(shape, "multinomial")
    share = stretched(gnp.asarray(p, F32), sizes)
    left = stretched(gnp.asarray(n, F32), sizes[:-1])
    rest = gnp.sum(share, -1)
    keys, found = split(key, own[-1]), []
    for i in range(own[-1]):
        own_share = get(share, (..., i))
        part = gnp.clip(gnp.divide(own_share, gnp.where(gnp.less_equal(rest, 0), 1, rest)), 0, 1)
        last = i == own[-1] - 1
        drawn = left if last else binomial(get(keys, i), left, part, sizes[:-1])
        found.append(drawn)
        left, rest = gnp.subtract(left, drawn), gnp.subtract(rest, own_share)
    return gnp.astype(gnp.stack(found, -1), dtype)


def shuffle(key: ArrayLike, x: ArrayLike, axis: int = 0) -> Array:
    """The slices of `x` along `axis` in random order: `permutation`'s older name."""
    return permutation(key, x, axis)
