"""Inputs on which the generated tests try the rows, drawn with fixed seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from graphc.ir.node import Sample
from graphc.ir.types import (
    BF16,
    BOOL,
    C64,
    C128,
    DTYPES,
    F16,
    F32,
    F64,
    I8,
    I32,
    I64,
    U8,
    U32,
    DType,
)

Drawn: TypeAlias = Callable[[frozenset[str], int], Sequence[Sample]]
SHAPE = (3, 7)
TARGETS = (BOOL, I8, I32, I64, U8, U32, F16, BF16, F32, F64, C64, C128)


def generator(seed: int = 0) -> np.random.Generator:
    """A random generator, the same in every run."""
    return np.random.default_rng(seed)


def _types(kinds: frozenset[str]) -> list[DType]:
    return [dtype for dtype in DTYPES if dtype.kind in kinds]


def _draw(dtype: DType, low: float, high: float, seed: int) -> np.ndarray:
    random = generator(seed)
    if dtype is BOOL:
        return random.random(SHAPE) < 0.5
    if dtype.is_float:
        return random.uniform(low, high, SHAPE).astype(dtype.numpy)
    if dtype.is_complex:
        imaginary = random.uniform(-2, 2, SHAPE)
        return (random.uniform(low, high, SHAPE) + 1j * imaginary).astype(dtype.numpy)
    whole = random.integers(-40 if dtype.kind == "int" else 0, 40, SHAPE)
    return whole.astype(dtype.numpy)


def _between(low: float, high: float) -> Drawn:
    def drawn(kinds: frozenset[str], count: int) -> Sequence[Sample]:
        return [
            Sample(tuple(_draw(dtype, low, high, seed) for seed in range(count)))
            for dtype in _types(kinds)
        ]

    return drawn


reals = _between(-3.0, 3.0)
positive = _between(0.1, 4.0)
inside_one = _between(-0.95, 0.95)
above_one = _between(1.1, 4.0)


def _moved(move: Callable[[np.ndarray], np.ndarray]) -> Drawn:
    def drawn(kinds: frozenset[str], count: int) -> Sequence[Sample]:
        return [
            Sample(tuple(move(a).astype(a.dtype) for a in sample.arrays))
            for sample in reals(kinds, count)
        ]

    return drawn


def _from_zero(array: np.ndarray) -> np.ndarray:
    return np.where(array == 0, 1, array + np.sign(array) * np.asarray(0.25, array.dtype))


away_from_zero = _moved(lambda a: a if a.dtype.kind in "bui" else _from_zero(a))
away_from_integers = _moved(lambda a: np.floor(a) + np.asarray(0.25, a.dtype))


def away_from_root(kinds: frozenset[str], count: int) -> Sequence[Sample]:
    """On both sides of the positive zero of digamma, where only absolute errors are small."""
    return [*_between(0.1, 1.1)(kinds, count), *_between(2.2, 6.0)(kinds, count)]


def divisors(kinds: frozenset[str], count: int) -> Sequence[Sample]:
    """Dividends with divisors away from 0, and integers with the awkward divisors."""
    tame = [Sample((s.arrays[0], *t.arrays[1:])) for s, t in zip(
        reals(kinds, count), away_from_zero(kinds, count), strict=True)]  # fmt: skip
    awkward = []
    for dtype in (I8, I32, I64, U8, U32):
        low, high = dtype.smallest, dtype.largest
        edge = np.array([low, high, 0, 7, low, high], dtype.numpy)
        by = np.array([high if low == 0 else -1, 0, 0, 0, 1, 3])
        awkward.append(Sample((edge, by.astype(dtype.numpy)), smooth=False))
    return tame + awkward


def bases(kinds: frozenset[str], count: int) -> Sequence[Sample]:
    """Positive bases with any exponent, and of integers those that are not like others."""
    awkward = []
    for dtype in (I8, I32, I64):
        by = np.array([-3, -1, -2, -1, 31, 2, 0, -4, 3], dtype.numpy)
        base = np.array([-1, 0, 1, 2, -2, -1, 0, -1, dtype.smallest], dtype.numpy)
        awkward.append(Sample((base, by), smooth=False))
    return [
        Sample((p.arrays[0], *r.arrays[1:]))
        for p, r in zip(positive(kinds, count), reals(kinds, count), strict=True)
    ] + awkward


def bits(kinds: frozenset[str], count: int) -> Sequence[Sample]:
    """Every bit pattern's kin, from the whole range of each type."""
    found = []
    for dtype in _types(kinds):
        random = generator(dtype.bits)
        if dtype is BOOL:
            found.append(Sample(tuple(random.random(SHAPE) < 0.5 for _ in range(count))))
            continue
        low, high = dtype.smallest, dtype.largest
        draw = [random.integers(low, high, SHAPE, dtype.numpy, endpoint=True) for _ in range(count)]
        for array in draw:
            array.flat[:2] = (0, low)
        found.append(Sample(tuple(draw)))
    return found


def shifts(kinds: frozenset[str], count: int) -> Sequence[Sample]:
    """Integers with amounts inside and outside the width."""
    found = []
    for sample in bits(kinds, count):
        amount = generator(1).integers(0, sample.arrays[0].dtype.itemsize * 10, SHAPE)
        found.append(Sample((sample.arrays[0], amount.astype(sample.arrays[0].dtype))))
    return found


def close(kinds: frozenset[str], count: int) -> Sequence[Sample]:
    """Small whole numbers, so that equal pairs occur; floats also with nan and inf."""
    found = []
    for dtype in _types(kinds):
        arrays = [generator(s).integers(0, 3, SHAPE).astype(dtype.numpy) for s in range(count)]
        if dtype.is_complex:
            arrays = [array + 1j * array[::-1] for array in arrays]
        if dtype.is_inexact:
            arrays[0].flat[:3] = (np.nan, np.inf, -0.0)
        found.append(Sample(tuple(arrays), smooth=False))
    return found


def specials(kinds: frozenset[str], count: int) -> Sequence[Sample]:
    """Floats that are not ordinary."""
    values = [0.0, -0.0, 1.5, np.inf, -np.inf, np.nan, 3e38, 1e-40]
    with np.errstate(over="ignore"):  # 3e38 is infinite in 16 bits
        return [
            Sample((np.array(values).astype(dtype.numpy),) * count, smooth=False)
            for dtype in _types(kinds)
        ]


def selections() -> Sequence[Sample]:
    """A mask with two values, of each element type."""
    return [
        Sample((_draw(BOOL, 0, 1, 7), _draw(dtype, -3, 3, 1), _draw(dtype, -3, 3, 2)))
        for dtype in DTYPES
    ]


def conversions() -> Sequence[Sample]:
    """One array of each element type, floats with values that no integer holds."""
    found = []
    for dtype in DTYPES:
        array = _draw(dtype, -300, 300, 3)
        if dtype.is_float:
            array.flat[:6] = np.array([np.nan, np.inf, -np.inf, 6e4, -6e4, -0.9]).astype(
                dtype.numpy
            )
        found.append(Sample((array,), smooth=False))
    return found


def as_wide_as(element: np.dtype) -> list[DType]:
    """The element types of numbers that take as many bits as a given one."""
    wide = element.itemsize * 8
    if element.kind in "bc":
        return []
    return [dtype for dtype in DTYPES if dtype.bits == wide and not dtype.is_complex]


def floats(*shapes: tuple[int, ...], dtypes: Sequence[DType] = (F32, F64)) -> list[Sample]:
    """Real arrays of the given shapes, one sample per element type."""
    return [
        Sample(tuple(generator(i).uniform(-2, 2, s).astype(d.numpy) for i, s in enumerate(shapes)))
        for d in dtypes
    ]
