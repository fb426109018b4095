"""Each row on each of its samples, in each element type that it takes; many in one program."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import Error
from graphc.ir.graph import Graph
from graphc.ir.node import Attrs, Node, Op, Sample, make
from graphc.ir.types import (
    DTYPES,
    F32,
    F64,
    DType,
    TensorType,
    TupleType,
    dtype_of,
    tensor,
    type_of,
)
from graphc.ops import ROWS
from graphc.ops.control import results
from graphc.ops.leaf import parameter

# Rows of values, and rows that hold graphs or tuples, which have graphs made by hand.
# Those with several results are programs of `tests.rows.loops`.
SAMPLED: tuple[Op, ...] = tuple(row for row in ROWS if row.samples is not None and row.push is None)
BY_HAND = ("parameter", "constant", "project", "while", "scan", "switch", "composite", "kernel")
OTHERS = tuple(dtype for dtype in DTYPES if dtype not in (F32, F64))
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -2.5, 1e30, -6e4, 3e-41, -1e-7, np.inf, -np.inf, np.nan)
FEWEST = 2  # other element types tried on each sample


@dataclass(frozen=True, eq=False)
class Case:
    """One row on one sample."""

    row: Op
    arrays: tuple[np.ndarray, ...]
    attrs: Attrs
    smooth: bool

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of the operands."""
        return tuple(type_of(array) for array in self.arrays)

    def node(self, first: int = 0) -> Node:
        """The row applied to parameters, numbered from `first`."""
        params = [parameter(index=first + i, type=type_) for i, type_ in enumerate(self.types)]
        return make(self.row, tuple(params), self.attrs)

    def expected(self) -> np.ndarray:
        """What the interpreter gives."""
        assert self.row.reference is not None
        return np.asarray(self.row.reference(self.attrs, *self.arrays))

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.types))
        return f"{self.row.name}({inner}) {self.attrs}"


def recast(array: np.ndarray, dtype: DType) -> np.ndarray:
    """Floats as elements of another type, spread over small whole numbers where it has no other."""
    if dtype.is_float:
        return array.astype(dtype.numpy)
    if dtype.kind == "bool":
        return np.asarray(array > 0)
    whole = np.rint(array.astype(np.float64) * 9)
    if dtype.is_complex:
        return np.asarray(array + 1j * array[..., ::-1] if array.ndim else 1j * array).astype(
            dtype.numpy
        )
    return np.asarray(np.abs(whole) if dtype.kind == "uint" else whole).astype(dtype.numpy)


def _recast_attrs(attrs: Attrs, dtype: DType) -> Attrs:
    """Attributes that name the type of the result, with another element type."""
    type_ = getattr(attrs, "type", None)
    if not isinstance(type_, TensorType):
        return attrs
    return dataclasses.replace(attrs, type=tensor(dtype, type_.shape))  # type: ignore[call-arg]


def _in_type(row: Op, sample: Sample, dtype: DType) -> Case | None:
    """The sample with its f32 arrays in another element type, None where the row refuses."""
    arrays = tuple(recast(a, dtype) if a.dtype == F32.numpy else a for a in sample.arrays)
    attrs = _recast_attrs(sample.attrs, dtype)
    if attrs == sample.attrs and all(a is b for a, b in zip(arrays, sample.arrays, strict=True)):
        return None
    try:
        row.infer(attrs, *(type_of(array) for array in arrays))
    except Error:
        return None
    return Case(row, arrays, attrs, sample.smooth)


def cases(row: Op, *, special: bool = True) -> list[Case]:
    """The row's samples as they are and, where they are of f32, in other types in turn.

    Elementwise rows also get `special` floats, and lengths that leave one lane of a vector.
    """
    assert row.samples is not None
    given = list(row.samples())
    found = [Case(row, sample.arrays, sample.attrs, sample.smooth) for sample in given]
    if row.elementwise:
        odd = [one_lane_left(case) for case in found if case.arrays[0].size]
        return [*found, *special_cases(row, found), *odd] if special else found
    singles = [sample for sample in given if _in_type(row, sample, F64) is not None]
    taken = [d for d in OTHERS if any(_in_type(row, sample, d) is not None for sample in singles)]
    count = max(FEWEST, -(-len(taken) // max(1, len(singles))))
    turn = 0
    for sample in singles:
        for _ in range(min(count, len(taken))):
            case = _in_type(row, sample, taken[turn % len(taken)])
            turn += 1
            if case is not None:
                found.append(case)
    return found


def one_lane_left(case: Case) -> Case:
    """The case with one element more than a vector of 64 bytes holds of the widest type."""
    sizes = [type_.dtype.bytes for type_ in (*case.types, case.node().tensor)]
    length = 64 // max(sizes) + 1
    arrays = tuple(np.resize(array, length) for array in case.arrays)
    return Case(case.row, arrays, case.attrs, False)


def special_cases(row: Op, found: Sequence[Case]) -> Iterator[Case]:
    """Every combination of floats that are not ordinary, in each type of the row's samples."""
    done: set[object] = set()
    for case in found:
        floats = [array.dtype for array in case.arrays if dtype_of(array.dtype).is_float]
        key = (*(array.dtype.name for array in case.arrays), case.attrs)
        if not floats or key in done:
            continue
        done.add(key)
        with np.errstate(all="ignore"):
            line = np.array(SPECIAL).astype(floats[0])
        grid = [side.reshape(-1) for side in np.meshgrid(*[line] * len(floats))]
        mask = np.arange(grid[0].size) % 2 == 0
        drawn = iter(grid)
        arrays = [next(drawn) if dtype_of(a.dtype).is_float else mask for a in case.arrays]
        yield Case(row, tuple(arrays), case.attrs, False)


def merged(found: Sequence[Case]) -> tuple[Graph, tuple[np.ndarray, ...]]:
    """One program of many cases, and its arguments; one output per case."""
    params: list[Node] = []
    outputs: list[Node] = []
    for case in found:
        node = case.node(len(params))
        assert not isinstance(node.type, TupleType)
        params += node.operands
        outputs += results(node)
    arrays = tuple(np.array(array, order="C") for case in found for array in case.arrays)
    return Graph(tuple(params), tuple(outputs)), arrays


def smooth_cases(row: Op) -> Iterator[Case]:
    """The cases in f64 at which the row says it is differentiable."""
    if row.samples is None or row.vjp is None:
        return
    for sample in row.samples():
        case = Case(row, sample.arrays, sample.attrs, sample.smooth)
        floats = [array for array in sample.arrays if array.dtype == F64.numpy]
        if sample.smooth and floats and case.node().tensor.dtype.is_float:
            yield case
