"""A program in the making: a pool of values, and ways to find or make one of a wanted type."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st

from graphc.ir.errors import Error
from graphc.ir.graph import Graph
from graphc.ir.interpret import concrete
from graphc.ir.node import Node
from graphc.ir.types import (
    BF16,
    BOOL,
    C64,
    C128,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    DType,
    Shape,
    TensorType,
    TupleType,
    tensor,
)
from graphc.ops.build import splat
from graphc.ops.control import parameters, results
from graphc.ops.leaf import constant, parameter

Sizes: TypeAlias = tuple[int, ...]
Step: TypeAlias = "Callable[[Builder], None]"
# The likeliest and simplest first: examples shrink towards the front.
DTYPES = (
    F32,
    F32,
    F32,
    F32,
    I32,
    F64,
    F64,
    BOOL,
    F16,
    BF16,
    I8,
    U8,
    I64,
    U32,
    I16,
    U16,
    U64,
    C64,
    C128,
)
SIZES = (2, 3, 1, 5, 0, 4, 7, 17, 33, 70)
LARGEST = 4000
MOST_PARAMETERS = 8
RANK = 5
DEEPEST = 2  # loops inside of loops; in the innermost ones no further begin


def shape_of(node: Node) -> Sizes:
    """The sizes of a value, all of them numbers here."""
    return concrete(node.tensor, {})


@dataclass
class Builder:
    """The values of one graph so far; `draw` is Hypothesis's.

    `steps` add an operation each, `region_steps` one that holds graphs. All floats of a `smooth`
    program have 64 bits, so that its derivatives can be compared with finite differences.
    """

    draw: st.DrawFn
    steps: Sequence[Step]
    region_steps: Sequence[Step]
    params: list[Node] = field(default_factory=list)
    depth: int = 0
    smooth: bool = False
    pool: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool += self.params

    # choices

    def number(self, low: int, high: int) -> int:
        """A whole number of a range, ends included."""
        return self.draw(st.integers(low, high))

    def chance(self, one_in: int) -> bool:
        """True once in a while."""
        return self.number(0, one_in - 1) == one_in - 1

    def one_of(self, choices: Sequence[Node]) -> Node:
        """One of several values, the newest first."""
        return choices[len(choices) - 1 - self.number(0, len(choices) - 1)]

    def some(self, count: int) -> tuple[int, ...]:
        """Some of `count` numbers, in ascending order."""
        return tuple(i for i in range(count) if self.number(0, 1))

    def shuffled(self, count: int) -> tuple[int, ...]:
        """`count` numbers in any order."""
        return tuple(self.draw(st.permutations(range(count))))

    def shape(self, rank: int = RANK, largest: int = LARGEST) -> Sizes:
        """Sizes of at most `rank` axes."""
        found: list[int] = []
        for _ in range(self.number(0, rank)):
            size = SIZES[self.number(0, len(SIZES) - 1)]
            if math.prod(found) * size > largest:
                break
            found.append(size)
        return tuple(found)

    def dtype(self) -> DType:
        """An element type."""
        dtype = DTYPES[self.number(0, len(DTYPES) - 1)]
        if self.smooth and dtype.is_complex:
            return C128
        return F64 if self.smooth and dtype.is_float else dtype

    def floats(self, shape: Shape) -> TensorType:
        """A type of floats."""
        return tensor(F64 if self.smooth or self.chance(4) else F32, shape)

    # values

    def pick(self) -> Node:
        """Any value."""
        if not self.pool:
            return self.wanted(tensor(self.dtype(), self.shape()))
        return self.one_of(self.pool) if self.number(0, 1) else self.pool[-1]

    def wanted(self, type_: TensorType) -> Node:
        """A value of a type: one that there is, a new parameter or a constant."""
        known = [node for node in self.pool if node.type == type_]
        if known and not self.chance(4):
            return self.one_of(known)
        if self.depth == 0 and len(self.params) < MOST_PARAMETERS:
            node = parameter(index=len(self.params), type=type_)
            self.params.append(node)
        elif self.chance(2):
            node = self.literal(type_)
        else:
            node = splat(self.scalar(type_.dtype), type_.dtype, type_.shape)
        return self.add(node)

    def scalar(self, dtype: DType) -> float | int | bool:
        """A number that has every type."""
        value = (1, 0, 2, 3, -1)[self.number(0, 4)]
        if dtype is BOOL:
            return bool(value)
        return abs(value) if dtype.kind == "uint" else value

    def literal(self, type_: TensorType) -> Node:
        """An array written in the program."""
        random = np.random.default_rng(self.number(0, 9))
        return constant(drawn(type_, random))

    def indices(self, lead: Sizes, bounds: Sizes, inside: bool) -> Node:
        """An array of coordinates; those that must be inside are a constant."""
        type_ = tensor((I32, I64, U8)[self.number(0, 2)], (*lead, len(bounds)))
        if not inside:
            return self.wanted(type_)
        random = np.random.default_rng(self.number(0, 9))
        columns = [random.integers(0, max(1, bound), lead) for bound in bounds]
        array = np.stack(columns, -1) if columns else np.zeros((*lead, 0))
        return constant(array.astype(type_.dtype.numpy))

    def add(self, node: Node) -> Node:
        """Keep a value, or all results of an operation that has several."""
        if isinstance(node.type, TupleType):
            self.pool += results(node)
        elif node not in self.pool:
            self.pool.append(node)
        return node

    def take(self, count: int) -> None:
        """Take `count` steps; what an operation refuses adds nothing."""
        choices = (*self.steps, *(self.region_steps if self.depth < DEEPEST else ()))
        for _ in range(count):
            with contextlib.suppress(Error):
                choices[self.number(0, len(choices) - 1)](self)

    def region(self, types: tuple[TensorType, ...], most: int) -> Builder:
        """A builder of a region over parameters of these types, with some steps in it."""
        params = list(parameters(types))
        inner = replace(self, params=params, depth=self.depth + 1, pool=[])
        inner.take(self.number(0, most))
        return inner

    def outputs(self, most: int) -> tuple[Node, ...]:
        """What the graph gives: the newest value and some others."""
        others = (self.one_of(self.pool) for _ in range(self.number(0, most - 1)))
        return (self.pool[-1], *others)

    def graph(self, outputs: Sequence[Node]) -> Graph:
        """The finished graph."""
        return Graph(tuple(self.params), tuple(outputs))


def drawn(type_: TensorType, random: np.random.Generator, *, wild: bool = False) -> np.ndarray:
    """Elements of a type: small numbers, many of them whole; `wild` ones also far out."""
    shape, dtype = concrete(type_, {}), type_.dtype
    if dtype is BOOL:
        return np.asarray(random.random(shape) < 0.5)
    if dtype.is_complex:
        floats = tensor(dtype.part, shape)
        real, imaginary = (drawn(floats, random, wild=wild) for _ in range(2))
        return np.asarray(real + 1j * imaginary).astype(dtype.numpy)
    if dtype.is_float:
        values = random.uniform(-2, 2, shape)
        values = np.where(random.random(shape) < 0.3, np.rint(values), values)
        if wild:
            odd = random.choice([np.nan, np.inf, -np.inf, -0.0, 1e30, -1e-40, 6e4], shape)
            values = np.where(random.random(shape) < 0.2, odd, values)
        with np.errstate(all="ignore"):
            return np.asarray(values).astype(dtype.numpy)
    limits = np.iinfo(str(dtype.numpy))
    whole = np.asarray(random.integers(0 if dtype.kind == "uint" else -4, 10, shape))
    array = whole.astype(dtype.numpy)
    if wild:
        ends = np.array([limits.min, limits.max], dtype.numpy)
        array = np.where(random.random(shape) < 0.2, random.choice(ends, shape), array)
    return np.asarray(array, dtype.numpy)
