"""Keys, and the distributions that come from uniform bits in a step or two."""

from __future__ import annotations

import math
from typing import TypeAlias

import ml_dtypes
import numpy as np

import graphc.numpy as gnp
from graphc import lax
from graphc.composites import composite
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.types import F32, I32, U32, DType, Shape, Size
from graphc.numpy.array import Array
from graphc.numpy.creation import counting
from graphc.numpy.indexing import get
from graphc.numpy.movement import ShapeLike, shape_from
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    array_of,
    axis_in,
    broadcast_shapes,
    element_type,
    fail,
    kind_of,
    shape_of,
    type_of_value,
)
from graphc.numpy.sequences import sort_key_val, top_k
from graphc.ops import random as rows
from graphc.trace import bind

SHUFFLE_EXPONENT = 3  # how unlikely two elements never have different words
Words: TypeAlias = tuple[Array, Array]


def key(seed: ArrayLike) -> Array:
    """The key of a seed, an integer.

    >>> key(42)
    array([ 0, 42], dtype=uint32)
    """
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        words = [(int(seed) >> 32) & 0xFFFFFFFF, int(seed) & 0xFFFFFFFF]
        return gnp.asarray(words, U32)
    type_ = type_of_value(seed)
    if type_.shape or not type_.dtype.is_integer:
        fail(DtypeError, f"key: got a seed of {type_}, expected one integer")
    low = gnp.astype(gnp.bitwise_and(seed, -1 if type_.dtype.is_signed else 2**32 - 1), U32)
    high = gnp.astype(lax.shift_right_logical(seed, 32), U32) if type_.dtype.bits == 64 else 0
    return gnp.stack([gnp.asarray(high, U32), low])


PRNGKey = key


def key_data(keys: ArrayLike) -> Array:
    """The words of keys, which here are the keys themselves."""
    return gnp.asarray(keys)


def wrap_key_data(words: ArrayLike, *, impl: str | None = None) -> Array:
    """Keys of words: `u32[..., 2]`, which is what keys are; `impl` must be threefry.

    Raises:
        DtypeError: other element types or sizes.
        ArgumentError: another generator.
    """
    type_ = type_of_value(words)
    if impl not in (None, "threefry2x32"):
        fail(ArgumentError, f"wrap_key_data: got impl {impl!r}, expected 'threefry2x32'")
    if type_.dtype is not U32 or not type_.shape or type_.shape[-1] != 2:
        fail(DtypeError, f"wrap_key_data: got {type_}, expected u32 with a last axis of size 2")
    return gnp.asarray(words)


def _words(key: ArrayLike) -> Words:
    type_ = type_of_value(key)
    if type_.dtype is not U32 or type_.shape != (2,):
        fail(DtypeError, f"got a key of {type_}, expected u32[2] as graphc.random.key gives it")
    return get(key, 0), get(key, 1)


@composite("threefry2x32")
def _threefry(key: ArrayLike, high: ArrayLike, low: ArrayLike) -> Words:
    """The cipher on 64-bit counters: both words."""
    one, two = _words(key)
    keys = [one, two, gnp.bitwise_xor(gnp.bitwise_xor(one, two), rows.PARITY)]
    x, y = gnp.add(high, one), gnp.add(low, two)
    for group in range(rows.ROUNDS // 4):
        for by in rows.ROTATIONS[group % 2]:
            x = gnp.add(x, y)
            turned = gnp.bitwise_or(gnp.left_shift(y, by), gnp.right_shift(y, 32 - by))
            y = gnp.bitwise_xor(x, turned)
        x = gnp.add(x, keys[(group + 1) % 3])
        y = gnp.add(gnp.add(y, keys[(group + 2) % 3]), group + 1)
    return x, y


def _both_words(key: ArrayLike, shape: Shape) -> Words:
    """Both words of the cipher at the positions of `shape`, counted in row order."""
    count = math.prod(shape)
    low = counting((count,), 0, U32)
    high, low = _threefry(key, gnp.zeros_like(low), low)
    return gnp.reshape(high, shape), gnp.reshape(low, shape)


def split(key: ArrayLike, num: int | tuple[int, ...] = 2) -> Array:
    """New keys, independent of one another and of the old one, along a first axis (or several)."""
    return gnp.stack(_both_words(key, shape_from(num, "split")), -1)


def fold_in(key: ArrayLike, data: ArrayLike) -> Array:
    """The key of a key and an integer, such as the number of a step."""
    if kind_of(data).dtype.kind == "float":
        fail(DtypeError, f"fold_in: got {kind_of(data).dtype}, expected an integer")
    low = gnp.asarray(data % 2**32, U32) if isinstance(data, int) else gnp.astype(data, U32)
    return gnp.stack(_threefry(key, gnp.zeros_like(low), low))


def bits(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = U32) -> Array:
    """Random bits as unsigned integers."""
    sizes, wanted = shape_from(shape, "bits"), element_type(dtype)
    if wanted.kind != "uint":
        fail(DtypeError, f"bits: got {wanted}, expected an unsigned integer type")
    _words(key)
    if wanted.bits == 64:
        high, low = (gnp.astype(word, wanted) for word in _both_words(key, sizes))
        return gnp.bitwise_or(gnp.left_shift(high, 32), low)
    words: Array = bind(rows.random_bits, key, shape=sizes)
    return gnp.astype(words, wanted)


def float_type(dtype: DTypeLike, name: str) -> DType:
    """An element type that must be a float type."""
    found = element_type(dtype)
    if not found.is_float:
        fail(DtypeError, f"{name}: got {found}, expected a float type")
    return found


def uniform(
    key: ArrayLike,
    shape: ShapeLike = (),
    dtype: DTypeLike = F32,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Array:
    """Numbers spread evenly from `minval` to below `maxval`."""
    wanted = float_type(dtype, "uniform")
    mantissa = int(ml_dtypes.finfo(wanted.numpy).nmant)  # type: ignore[no-untyped-call]
    width = 8 if mantissa < 8 else wanted.bits
    drawn = bits(key, shape, f"u{width}")
    kept = gnp.astype(lax.shift_right_logical(drawn, width - mantissa), wanted)
    unit = gnp.multiply(kept, 2.0**-mantissa)
    low, high = gnp.asarray(minval, wanted), gnp.asarray(maxval, wanted)
    return gnp.maximum(low, gnp.add(gnp.multiply(unit, gnp.subtract(high, low)), low))


def normal(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = F32) -> Array:
    """Numbers of the standard normal distribution, by inverting its distribution function."""
    wanted = float_type(dtype, "normal")
    least = -1.0 + float(ml_dtypes.finfo(wanted.numpy).epsneg)  # type: ignore[no-untyped-call]
    drawn = uniform(key, shape, wanted, least, 1.0)
    return gnp.multiply(lax.erf_inv(drawn), math.sqrt(2))


def bernoulli(key: ArrayLike, p: ArrayLike = 0.5, shape: ShapeLike | None = None) -> Array:
    """True with probability `p`, whose shape is the default shape."""
    dtype = kind_of(p).dtype if kind_of(p).dtype.is_float else F32
    sizes = shape_of(p) if shape is None else shape_from(shape, "bernoulli")
    return gnp.less(uniform(key, sizes, dtype), p)


def randint(
    key: ArrayLike,
    shape: ShapeLike,
    minval: ArrayLike,
    maxval: ArrayLike,
    dtype: DTypeLike = I32,
) -> Array:
    """Integers from `minval` to below `maxval`; `minval` where there are none between.

    In 8 and 16 bits they are not JAX's.
    """
    wanted, sizes = element_type(dtype), shape_from(shape, "randint")
    if not wanted.is_integer:
        fail(DtypeError, f"randint: got {wanted}, expected an integer type")
    width = 64 if wanted.bits == 64 else 32  # of narrower words the remainders would be uneven
    unsigned = f"u{width}"
    low, high = gnp.asarray(minval, wanted), gnp.asarray(maxval, wanted)
    keys = split(key)
    above, below = (bits(get(keys, i), sizes, unsigned) for i in range(2))
    between = gnp.where(gnp.less_equal(high, low), 1, gnp.subtract(high, low))
    span = gnp.astype(gnp.astype(between, f"u{wanted.bits}"), unsigned)
    # 2**width modulo the span, in words of that width.
    half = gnp.remainder(gnp.asarray(2 ** (width // 2), unsigned), span)
    factor = gnp.remainder(gnp.multiply(half, half), span)
    offset = gnp.add(gnp.multiply(gnp.remainder(above, span), factor), gnp.remainder(below, span))
    return gnp.add(low, gnp.astype(gnp.remainder(offset, span), wanted))


def permutation(key: ArrayLike, x: ArrayLike, axis: int = 0, independent: bool = False) -> Array:
    """The slices of `x` along `axis` in random order, or the numbers below an int `x`.

    Where `independent`, each line along the axis has an order of its own. Elements are sorted
    by random words; as many rounds as make equal words in all of them unlikely.

    Raises:
        ShapeError: an array without axes, or no such axis.
    """
    if isinstance(x, int | np.integer):
        return _shuffled(key, int(x), 0)
    shape = shape_of(x)
    if not shape:
        fail(ShapeError, "permutation: got an array without axes, expected an int or an array")
    along = axis_in(axis, len(shape), "permutation")
    if len(shape) == 1 or independent:
        return _shuffled(key, array_of(x), along)
    order = _shuffled(key, _known(shape[along], "permutation"), 0)
    return gnp.take(x, order, along, "promise_in_bounds")


@composite("permutation")
def _shuffled(key: ArrayLike, x: Array | int, axis: int) -> Array:
    """Sorted by random words, again and again: ties of one round are no ties of the next."""
    x = counting((x,), 0) if isinstance(x, int) else x
    sizes = tuple(_known(size, "permutation") for size in shape_of(x))
    count = max(1, math.prod(sizes))
    for _ in range(math.ceil(SHUFFLE_EXPONENT * math.log(count) / math.log(2**32 - 1))):
        keys = split(key)
        key = get(keys, 0)
        x = sort_key_val(bits(get(keys, 1), sizes), x, axis)[1]
    return x


def _known(size: Size, name: str) -> int:
    if not isinstance(size, int):
        fail(ShapeError, f"{name}: got the symbolic size {size}, expected a number")
    return size


def choice(
    key: ArrayLike,
    a: ArrayLike,
    shape: ShapeLike = (),
    replace: bool = True,
    p: ArrayLike | None = None,
    axis: int = 0,
) -> Array:
    """Random slices of `a` along `axis`, or numbers below an int `a`; with probabilities `p`.

    Where not `replace`, each is drawn once at most. The results are JAX's.

    >>> choice(key(0), 10, (3,), replace=False).shape
    (3,)

    Raises:
        ShapeError: more draws than there are without `replace`, nothing to draw from, or
            probabilities of another number.
    """
    sizes = shape_from(shape, "choice")
    draws = math.prod(_known(size, "choice") for size in sizes)
    own: Shape = (int(a),) if isinstance(a, int | np.integer) else shape_of(a)
    if not own:
        fail(ShapeError, "choice: got an array without axes, expected an int or an array")
    along = axis_in(axis, len(own), "choice")
    count = _known(own[along], "choice")
    if draws and (count <= 0 or (draws > count and not replace)):
        fail(ShapeError, f"choice: got {draws} draws, expected at most {max(count, 0)}")
    if p is not None and shape_of(p) != (count,):
        fail(ShapeError, f"choice: got probabilities {shape_of(p)}, expected ({count},)")
    index = gnp.reshape(_drawn(key, count, draws, replace, p, sizes), sizes)
    if isinstance(a, int | np.integer):
        return index
    return gnp.take(a, index, along, "promise_in_bounds")


def _drawn(
    key: ArrayLike, count: int, draws: int, replace: bool, p: ArrayLike | None, sizes: Shape
) -> Array:
    """The numbers of what is drawn."""
    if not draws:
        return gnp.zeros(sizes, I32)
    if p is None:
        if replace:
            return randint(key, sizes, 0, count)
        return get(permutation(key, count), slice(0, draws))
    dtype = kind_of(p).dtype if kind_of(p).dtype.is_float else F32
    weights = gnp.astype(p, dtype)
    if replace:
        upto = gnp.cumsum(weights)
        drawn = gnp.multiply(get(upto, -1), gnp.subtract(1, uniform(key, sizes, dtype)))
        return gnp.searchsorted(upto, drawn)
    noisy = gnp.add(gumbel(key, (count,), dtype), gnp.log(weights))
    return top_k(noisy, draws)[1]


def gumbel(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = F32) -> Array:
    """Numbers of the standard Gumbel distribution."""
    wanted = float_type(dtype, "gumbel")
    least = float(ml_dtypes.finfo(wanted.numpy).tiny)  # type: ignore[no-untyped-call]
    return gnp.negative(gnp.log(gnp.negative(gnp.log(uniform(key, shape, wanted, least, 1.0)))))


def categorical(
    key: ArrayLike, logits: ArrayLike, axis: int = -1, shape: ShapeLike | None = None
) -> Array:
    """Indices drawn with the probabilities that softmax gives along `axis` of `logits`."""
    own = shape_of(logits)
    along = axis % len(own)
    rest = own[:along] + own[along + 1 :]
    sizes = rest if shape is None else shape_from(shape, "categorical")
    if broadcast_shapes(sizes, rest) != sizes:
        fail(ShapeError, f"categorical: got shape {sizes}, expected to fit {rest}")
    extra = sizes[: len(sizes) - len(rest)]
    noise = gumbel(key, (*extra, *own), kind_of(logits).dtype)
    return gnp.argmax(gnp.add(noise, logits), len(extra) + along)
