"""The Fourier transform in array operations, in O(n log n): what `fft` stands for.

A transform of n = n1 n2 ... is a sequence of short ones, each a contraction with a small matrix,
with factors of modulus one between them (J. W. Cooley, J. W. Tukey, "An algorithm for the machine
calculation of complex Fourier series", Math. Comp. 19, 1965), laid out so that the result comes
in order without a pass to sort it (the idea of T. G. Stockham, "High-speed convolution and
correlation", 1966). Lengths with a large prime factor become a convolution (L. I. Bluestein, "A
linear filtering approach to the computation of the discrete Fourier transform", 1970). A
transform of n real numbers is one of n/2 complex ones (W. H. Press and others, "Numerical
Recipes", section 12.3).

Inside, complex numbers are real arrays [rows, 2, n], real parts and then imaginary parts, so that
a complex matrix is a real one of twice the size and a contraction is one. All tables are
made in double precision from angles that are reduced exactly.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from graphc.ir.node import Node
from graphc.ir.types import Size
from graphc.ops import complex as c
from graphc.ops.contraction import dot_general
from graphc.ops.duals import broadcast
from graphc.ops.elementwise import add, mul
from graphc.ops.leaf import constant
from graphc.ops.movement import concatenate, pad, reshape, reverse, slice, transpose

LONGEST = 64  # of a transform that is one multiplication by a matrix
STAGE = 24  # what a further stage costs, in multiplications per element (measured)


def expanded(kind: str, lengths: tuple[int, ...], x: Node) -> Node:
    """The transform of `x` along its last axes."""
    rank, count = x.tensor.rank, len(lengths)
    others = list(zip(range(rank - count, rank - 1), lengths[:-1], strict=True))
    if kind == "rfft":
        x = _along_last(x, lengths[-1], _real)
    elif kind in ("fft", "ifft"):
        x = _along_last(x, lengths[-1], functools.partial(_complex, back=kind == "ifft"))
    for axis, length in others:
        x = _swapped(x, axis)
        x = _along_last(x, length, functools.partial(_complex, back=kind in ("ifft", "irfft")))
        x = _swapped(x, axis)
    return _along_last(x, lengths[-1], _real_back) if kind == "irfft" else x


def _swapped(x: Node, axis: int) -> Node:
    """Two axes exchanged: one and the last."""
    order = list(range(x.tensor.rank))
    order[axis], order[-1] = order[-1], order[axis]
    return transpose(x, permutation=tuple(order))


def _along_last(x: Node, length: int, transform: object) -> Node:
    """A transform of rows applied to all rows of an array."""
    *lead, last = x.tensor.shape
    rows = math.prod(lead)
    found = transform(reshape(x, shape=(rows, last)), length)  # type: ignore[operator]
    return reshape(found, shape=(*lead, found.tensor.shape[-1]))


# between complex arrays and their parts


def _opened(x: Node) -> Node:
    """Complex rows [rows, n] as [rows, 2, n]."""
    rows, count = x.tensor.shape
    shape = (rows, 1, count)
    parts = (reshape(part(x), shape=shape) for part in (c.real, c.imag))
    return concatenate(*parts, axis=1)


def _closed(z: Node) -> Node:
    """[rows, 2, n] as complex rows [rows, n]."""
    return c.complex_(_part(z, 0), _part(z, 1))


def _part(z: Node, number: int) -> Node:
    rows, _, count = z.tensor.shape
    return reshape(_cut(z, 1, number, number + 1), shape=(rows, count))


def _cut(z: Node, axis: int, start: Size, limit: Size) -> Node:
    """The elements from `start` to below `limit` along an axis."""
    starts: list[Size] = [0] * z.tensor.rank
    limits = list(z.tensor.shape)
    starts[axis], limits[axis] = start, limit
    ones = (1,) * z.tensor.rank
    return slice(z, start=tuple(starts), limit=tuple(limits), stride=ones)


def _spread(z: Node, table: np.ndarray, axes: tuple[int, ...]) -> Node:
    """A table of real numbers along some axes of `z`, repeated along the others."""
    return broadcast(constant(table, z.tensor.dtype), shape=z.tensor.shape, axes=axes)


def _scaled(z: Node, factors: np.ndarray, axes: tuple[int, ...], parts: int = 1) -> Node:
    """Complex numbers times complex factors, which lie along `axes`; axis `parts` holds parts."""
    both = (parts, *axes)
    straight = _spread(z, factors.real, axes)
    crossed = _spread(z, np.stack([-factors.imag, factors.imag]), both)
    return add(mul(z, straight), mul(reverse(z, axes=(parts,)), crossed))


# tables


def roots(numerators: np.ndarray, count: int, back: bool = False) -> np.ndarray:
    """exp(-2 pi i k / count) for each k, conjugated for the way back; right in the last place.

    The angle is reduced to an eighth of the circle while it is a fraction of whole numbers.

    >>> roots(np.array([0, 1, 2, 5]), 4).tolist()
    [(1+0j), -1j, (-1+0j), -1j]
    """
    turn = 8 * (np.asarray(numerators, np.int64) % count)
    octant, rest = turn // count, turn % count
    odd = octant % 2 == 1
    angle = np.where(odd, count - rest, rest) * (math.pi / (4 * count))
    small, large = np.sin(angle), np.cos(angle)
    # In octants 1, 2, 5 and 6 sine and cosine change places.
    swap = np.isin(octant, (1, 2, 5, 6))
    cosine = np.where(swap, small, large) * np.where(np.isin(octant, (2, 3, 4, 5)), -1, 1)
    sine = np.where(swap, large, small) * np.where(octant >= 4, -1, 1)
    return (cosine + 1j * (sine if back else -sine)) + 0.0


def _matrix(count: int, back: bool) -> np.ndarray:
    """The matrix of a short transform."""
    line = np.arange(count)
    return roots(np.outer(line, line), count, back)


def _real_matrix(matrix: np.ndarray) -> np.ndarray:
    """A complex matrix [j, k] as a real one [2, j, 2, k] on parts."""
    re, im = matrix.real, matrix.imag
    return np.stack([np.stack([re, im], 1), np.stack([-im, re], 1)])


# plans


@functools.lru_cache(maxsize=1024)
def factors(count: int) -> tuple[int, ...]:
    """The prime factors of a number, in ascending order.

    >>> factors(360)
    (2, 2, 2, 3, 3, 5)
    """
    found = []
    prime = 2
    while prime * prime <= count:
        while count % prime == 0:
            found.append(prime)
            count //= prime
        prime += 1
    return (*found, count) if count > 1 else tuple(found)


@functools.lru_cache(maxsize=1024)
def plan(count: int) -> tuple[int, ...]:
    """The lengths of the short transforms that make one of `count`, the longest first.

    A stage costs as many multiplications per element as it is long, and something beside. Empty
    where a prime factor is too long.

    >>> plan(1024), plan(1000), plan(1021)
    ((16, 8, 8), (10, 10, 10), ())
    """
    if count == 1:
        return (1,)
    primes = factors(count)
    if primes[-1] > LONGEST:
        return ()
    return tuple(sorted(_cheapest(primes), reverse=True))


@functools.lru_cache(maxsize=4096)
def _cheapest(primes: tuple[int, ...]) -> tuple[int, ...]:
    """Prime factors grouped into stages: the stage with the last factor is each that may be."""
    if not primes:
        return ()
    *rest, last = primes
    best: tuple[int, ...] | None = None
    for size in range(len(rest) + 1):
        for chosen in set(combinations(rest, size)):
            stage = math.prod(chosen) * last
            if stage > LONGEST:
                continue
            left = list(rest)
            for prime in chosen:
                left.remove(prime)
            found = (stage, *_cheapest(tuple(left)))
            if best is None or _cost(found) < _cost(best):
                best = found
    assert best is not None
    return best


def _cost(stages: Sequence[int]) -> float:
    return sum(stages) + STAGE * len(stages)


@functools.lru_cache(maxsize=1024)
def smooth_length(least: int) -> int:
    """The length from `least` on, with prime factors 2, 3 and 5, whose transform is cheapest."""
    candidates = [
        int(2**a * 3**b * 5**c_)
        for c_ in range(4)
        for b in range(5)
        for a in [max(0, math.ceil(math.log2(least / (3**b * 5**c_))))]
    ]
    long_enough = [count for count in candidates if count >= least]
    return min(long_enough, key=lambda count: (count * _cost(plan(count)), count))


# transforms of rows


def _complex(x: Node, count: int, back: bool) -> Node:
    """Complex rows transformed."""
    return _closed(_transformed(_opened(x), count, back))


def _transformed(z: Node, count: int, back: bool) -> Node:
    """Rows [rows, 2, n] transformed, with a factor 1/n on the way back."""
    stages = plan(count)
    if not stages:
        return _by_convolution(z, count, back)
    if len(stages) == 1:
        return _short(z, count, back)
    return _composite(z, count, stages, back)


def _short(z: Node, count: int, back: bool) -> Node:
    """One multiplication by the whole matrix."""
    rows = z.tensor.shape[0]
    scale = 1 / count if back else 1.0
    matrix = _real_matrix(_matrix(count, back) * scale).reshape(2, count, 2 * count)
    table = constant(matrix, z.tensor.dtype)
    found = dot_general(z, table, lhs_contract=(1, 2), rhs_contract=(0, 1))
    return reshape(found, shape=(rows, 2, count))


def _composite(z: Node, count: int, stages: Sequence[int], back: bool) -> Node:
    """One stage after another; `state` is [rows, 2, k_t, ..., k_2, j, rest, k_1]."""
    rows, dtype = z.tensor.shape[0], z.tensor.dtype
    first, *others = stages
    rest = count // first
    lines = reshape(z, shape=(rows, 2, first, rest))
    scale = 1 / count if back else 1.0
    matrix = _real_matrix(_matrix(first, back) * scale).reshape(2, first, 2 * first)
    table = constant(matrix, dtype)
    # [rows, rest, 2 * k_1]: what follows runs along k_1.
    found = dot_general(lines, table, lhs_contract=(1, 2), rhs_contract=(0, 1))
    state = found
    done: list[int] = []  # the lengths k_t, ..., k_2
    for length in others:
        rest //= length
        if done:
            state = reshape(state, shape=(rows, 2, *done, length, rest, first))
        else:
            parted = reshape(state, shape=(rows, length, rest, 2, first))
            state = transpose(parted, permutation=(0, 3, 1, 2, 4))
        state = _twiddled(state, first, done, length, back)
        at = 2 + len(done)
        small = _real_matrix(_matrix(length, back)).reshape(2, length, 2 * length)
        left = constant(small.transpose(2, 0, 1), dtype)
        repeated = broadcast(left, shape=(rows, *left.tensor.shape), axes=(1, 2, 3))
        found = dot_general(
            repeated, state, lhs_contract=(2, 3), rhs_contract=(1, at), lhs_batch=(0,),
            rhs_batch=(0,),
        )  # fmt: skip
        state = reshape(found, shape=(rows, 2, length, *done, rest, first))
        done.insert(0, length)
    return reshape(state, shape=(rows, 2, count))


def _twiddled(state: Node, first: int, done: Sequence[int], length: int, back: bool) -> Node:
    """Times exp(-2 pi i j k / N) with the digits so far, k, and the next one, j."""
    whole = first * math.prod(done)
    digits = np.arange(whole).reshape(*done, 1, first)
    turns = digits * np.arange(length).reshape(length, 1)
    axes = (*range(2, 3 + len(done)), state.tensor.rank - 1)
    return _scaled(state, roots(turns, whole * length, back), axes)


def _by_convolution(z: Node, count: int, back: bool) -> Node:
    """Bluestein: jk = (j^2 + k^2 - (k - j)^2) / 2, so the transform is a convolution."""
    dtype = z.tensor.dtype
    line = np.arange(count, dtype=np.int64)
    chirp = roots(line * line, 2 * count, back)
    padded = smooth_length(2 * count - 1)
    kernel = np.zeros(padded, np.complex128)
    kernel[:count] = chirp.conj()
    kernel[padded - count + 1 :] = chirp[:0:-1].conj()
    start = _scaled(z, chirp, (2,))
    zero = constant(0, dtype)
    longer = pad(start, zero, low=(0, 0, 0), high=(0, 0, padded - count), interior=(0, 0, 0))
    spectrum = _scaled(_transformed(longer, padded, False), np.fft.fft(kernel), (2,))
    convolved = _cut(_transformed(spectrum, padded, True), 2, 0, count)
    return _scaled(convolved, chirp * (1 / count if back else 1.0), (2,))


# real transforms


def _real(x: Node, count: int) -> Node:
    """Real rows [rows, n] to complex ones [rows, n//2 + 1]."""
    rows, half = x.tensor.shape[0], count // 2
    if count <= LONGEST:
        matrix = _matrix(count, False)[:, : half + 1]
        table = np.stack([matrix.real, matrix.imag], 1).reshape(count, 2 * (half + 1))
        found = dot_general(
            x, constant(table, x.tensor.dtype), lhs_contract=(1,), rhs_contract=(0,)
        )
        return _closed(reshape(found, shape=(rows, 2, half + 1)))
    if count % 2:
        line = reshape(x, shape=(rows, 1, count))
        none = broadcast(constant(0, x.tensor.dtype), shape=line.tensor.shape, axes=())
        whole = _transformed(concatenate(line, none, axis=1), count, False)
        return _closed(_cut(whole, 2, 0, half + 1))
    pairs = transpose(reshape(x, shape=(rows, half, 2)), permutation=(0, 2, 1))
    found = _transformed(pairs, half, False)
    around = concatenate(found, _cut(found, 2, 0, 1), axis=2)
    factor = roots(np.arange(half + 1), count)
    own, other = (1 - 1j * factor) / 2, (1 + 1j * factor) / 2
    return _closed(add(_scaled(around, own, (2,)), _conjugated(reverse(around, axes=(2,)), other)))


def _conjugated(z: Node, factors_: np.ndarray) -> Node:
    """Conjugates of complex numbers times complex factors along the last axis."""
    straight = _spread(z, np.stack([factors_.real, -factors_.real]), (1, 2))
    crossed = _spread(z, factors_.imag, (2,))
    return add(mul(z, straight), mul(reverse(z, axes=(1,)), crossed))


def _real_back(x: Node, count: int) -> Node:
    """Complex rows [rows, n//2 + 1] to real ones [rows, n]."""
    rows, half = x.tensor.shape[0], count // 2
    z = _opened(x)
    if count <= LONGEST:
        return _short_back(z, count)
    if count % 2:
        signs = np.array([1.0, -1.0])
        behind = reverse(_cut(z, 2, 1, half + 1), axes=(2,))
        whole = concatenate(z, mul(behind, _spread(behind, signs, (1,))), axis=2)
        return _part(_transformed(whole, count, True), 0)
    own, other = _cut(z, 2, 0, half), reverse(_cut(z, 2, 1, half + 1), axes=(2,))
    factor = 1j * roots(np.arange(half), count, True)
    one, two = (1 + factor) / 2, (1 - factor) / 2
    tables = [
        np.stack([one.real, one.real]),
        np.stack([-one.imag, one.imag]),
        np.stack([two.real, -two.real]),
        np.stack([two.imag, two.imag]),
    ]
    # Elements 0 and n/2 are their own conjugates: their imaginary parts are not read.
    for table, first in zip(tables, ((0.5, 0), (0, 0.5), (0.5, 0), (0, -0.5)), strict=True):
        table[:, 0] = first
    terms = (own, reverse(own, axes=(1,)), other, reverse(other, axes=(1,)))
    products = [mul(t, _spread(t, table, (1, 2))) for t, table in zip(terms, tables, strict=True)]
    pairs = _transformed(functools.reduce(add, products), half, True)
    return reshape(transpose(pairs, permutation=(0, 2, 1)), shape=(rows, count))


def _short_back(z: Node, count: int) -> Node:
    """One multiplication by the whole matrix, in which conjugates count double."""
    half = count // 2
    shares = np.full(half + 1, 2 / count)
    shares[0] = 1 / count
    if count % 2 == 0:
        shares[-1] = 1 / count
    matrix = _matrix(count, True)[: half + 1] * shares[:, None]
    table = np.stack([matrix.real, -matrix.imag])
    table[1, 0] = 0
    return dot_general(z, constant(table, z.tensor.dtype), lhs_contract=(1, 2), rhs_contract=(0, 1))
