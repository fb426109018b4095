"""The steps of random programs: each adds an application of an operation to a builder's pool.

What an operation refuses (an element type, a shape) is refused by its own type rule, and the
step adds nothing.
"""

from __future__ import annotations

import contextlib
import math

from graphc.ir.errors import Error
from graphc.ir.node import NO_ATTRS, Attrs, Op
from graphc.ir.types import BOOL, DTYPES, F32, I32, I64, U32, DType, tensor
from graphc.ops import (
    ROWS,
    contraction,
    control,
    duals,
    indexing,
    leaf,
    movement,
    partial_sums,
    random,
    reduction,
    special,
)
from graphc.ops import elementwise as e
from tests.fuzz.builder import LARGEST, RANK, Builder, Sizes, Step, shape_of

PLAIN = tuple(r for r in ROWS if r.elementwise and r.attrs is Attrs and r is not e.select)


def _takes(row: Op, dtype: DType) -> int:
    """How many operands of an element type a row takes, 0 where it refuses the type."""
    for count in (1, 2):
        with contextlib.suppress(Error):
            row.infer(NO_ATTRS, *[tensor(dtype, ())] * count)
            return count
    return 0


# Per element type, the rows that take it and how many operands they have.
ARITY = {
    dtype: [(row, count) for row in PLAIN if (count := _takes(row, dtype))] for dtype in DTYPES
}
FUNCTIONS = tuple(
    row
    for row, count in ARITY[F32]
    if row in (*e.TRANSCENDENTAL, *special.TRANSCENDENTAL)
    if count == 1
)
REDUCTIONS = (
    duals.reduce_sum,
    reduction.reduce_max,
    reduction.reduce_min,
    reduction.reduce_prod,
    reduction.reduce_and,
    reduction.reduce_or,
    reduction.reduce_xor,
)


def apply_elementwise(b: Builder) -> None:
    x = b.pick()
    choices = ARITY[x.tensor.dtype]
    row, count = choices[b.number(0, len(choices) - 1)]
    b.add(row(x, *(b.wanted(x.tensor) for _ in range(count - 1))))


def apply_function(b: Builder) -> None:
    b.add(FUNCTIONS[b.number(0, len(FUNCTIONS) - 1)](b.wanted(b.floats(b.pick().tensor.shape))))


def apply_convert(b: Builder) -> None:
    b.add(e.convert(b.pick(), dtype=b.dtype()))


def apply_bitcast(b: Builder) -> None:
    b.add(special.bitcast(b.pick(), dtype=b.dtype()))


def apply_select(b: Builder) -> None:
    x = b.pick()
    mask = b.wanted(tensor(BOOL, x.tensor.shape))
    b.add(e.select(mask, x, b.wanted(x.tensor)))


def apply_broadcast(b: Builder) -> None:
    x = b.pick()
    shape: list[int] = []
    axes: list[int] = []
    left = list(shape_of(x))
    while left or (len(shape) < RANK and b.number(0, 1)):
        if left and (len(shape) + len(left) >= RANK or b.number(0, 1)):
            axes.append(len(shape))
            shape.append(left.pop(0))
        else:
            shape.append((2, 3, 1, 0, 9)[b.number(0, 4)])
    if math.prod(shape) <= LARGEST:
        b.add(duals.broadcast(x, shape=tuple(shape), axes=tuple(axes)))


def apply_reshape(b: Builder) -> None:
    x = b.pick()
    shape = list(shape_of(x))
    choice = b.number(0, 3)
    if choice == 0:
        shape = [math.prod(shape)]
    elif choice == 1 and len(shape) < RANK:
        shape.insert(b.number(0, len(shape)), 1)
    elif choice == 2 and len(shape) > 1:
        at = b.number(0, len(shape) - 2)
        shape[at : at + 2] = [shape[at] * shape[at + 1]]
    elif shape and len(shape) < RANK:
        at = b.number(0, len(shape) - 1)
        divisors = [d for d in range(1, shape[at] + 1) if shape[at] % d == 0] or [1]
        by = divisors[b.number(0, len(divisors) - 1)]
        shape[at : at + 1] = [by, shape[at] // by]
    b.add(movement.reshape(x, shape=tuple(shape)))


def apply_transpose(b: Builder) -> None:
    x = b.pick()
    b.add(movement.transpose(x, permutation=b.shuffled(x.tensor.rank)))


def apply_slice(b: Builder) -> None:
    x = b.pick()
    start = tuple(b.number(0, size) for size in shape_of(x))
    limit = tuple(b.number(low, size) for low, size in zip(start, shape_of(x), strict=True))
    stride = tuple(b.number(1, 3) for _ in start)
    b.add(movement.slice(x, start=start, limit=limit, stride=stride))


def apply_pad(b: Builder) -> None:
    x = b.pick()
    axes = range(x.tensor.rank)
    low, high = (tuple(b.number(-1, 2) for _ in axes) for _ in range(2))
    interior = tuple(b.number(0, 2) for _ in axes)
    node = movement.pad(
        x, b.wanted(tensor(x.tensor.dtype, ())), low=low, high=high, interior=interior
    )
    if math.prod(shape_of(node)) <= LARGEST:
        b.add(node)


def apply_concatenate(b: Builder) -> None:
    x = b.pick()
    if not x.tensor.rank:
        return
    axis = b.number(0, x.tensor.rank - 1)
    parts = [x]
    for _ in range(b.number(0, 2)):
        shape = list(shape_of(x))
        shape[axis] = (shape[axis], 1, 0, 3)[b.number(0, 3)]
        parts.insert(b.number(0, len(parts)), b.wanted(tensor(x.tensor.dtype, tuple(shape))))
    node = movement.concatenate(*parts, axis=axis)
    if math.prod(shape_of(node)) <= LARGEST:
        b.add(node)


def apply_reverse(b: Builder) -> None:
    x = b.pick()
    b.add(movement.reverse(x, axes=b.some(x.tensor.rank)))


def apply_reduce(b: Builder) -> None:
    x = b.pick()
    row = REDUCTIONS[b.number(0, len(REDUCTIONS) - 1)]
    b.add(row(x, axes=b.some(x.tensor.rank)))


def apply_partial_sums(b: Builder) -> None:
    x = b.pick()
    leading = b.number(1, max(1, x.tensor.rank - 1))
    b.add(partial_sums.partial_sums(x, leading=leading, pieces=b.number(1, 4)))


def apply_arg(b: Builder) -> None:
    x = b.pick()
    if x.tensor.rank:
        row = (reduction.argmax, reduction.argmin)[b.number(0, 1)]
        axis = b.number(0, x.tensor.rank - 1)
        b.add(row(x, axis=axis, dtype=(I32, I64)[b.number(0, 1)]))


def apply_dot(b: Builder) -> None:
    x = b.pick()
    kinds = [b.number(0, 2) for _ in shape_of(x)]  # free, contracted, paired
    contract = tuple(i for i, kind in enumerate(kinds) if kind == 1)
    batch = tuple(i for i, kind in enumerate(kinds) if kind == 2)
    sizes = shape_of(x)
    room = max(1, RANK - len(contract) - len(batch) - kinds.count(0))
    free = b.shape(rank=min(2, room), largest=200)
    axes = [*(sizes[i] for i in batch), *(sizes[i] for i in contract), *free]
    order = b.shuffled(len(axes))
    other = b.wanted(tensor(x.tensor.dtype, tuple(axes[i] for i in order)))
    at = {axis: place for place, axis in enumerate(order)}
    paired = tuple(at[i] for i in range(len(batch)))
    summed = tuple(at[i] for i in range(len(batch), len(batch) + len(contract)))
    sides = [(x, contract, batch), (other, summed, paired)]
    if b.number(0, 1):
        sides.reverse()
    (lhs, l_contract, l_batch), (rhs, r_contract, r_batch) = sides
    node = contraction.dot_general(
        lhs,
        rhs,
        lhs_contract=l_contract,
        rhs_contract=r_contract,
        lhs_batch=l_batch,
        rhs_batch=r_batch,
    )
    if math.prod(shape_of(node)) <= LARGEST:
        b.add(node)


def _places(b: Builder, sizes: Sizes) -> tuple[Sizes, Sizes, str]:
    """Axes to address, the leading shape of the indices, and a mode."""
    axes = b.some(len(sizes))
    mode = indexing.MODES[b.number(0, 3)]
    lead = b.shape(rank=2, largest=12)
    if mode in ("error", "promise_in_bounds") and 0 in (sizes[axis] for axis in axes):
        lead = (0, *lead[1:])
    return axes, lead, mode


def apply_gather(b: Builder) -> None:
    x = b.pick()
    sizes = shape_of(x)
    axes, lead, mode = _places(b, sizes)
    inside = mode in ("error", "promise_in_bounds")
    indices = b.indices(lead, tuple(sizes[axis] for axis in axes), inside)
    node = indexing.gather(x, indices, axes=axes, mode=mode)
    if math.prod(shape_of(node)) <= LARGEST:
        b.add(node)


def apply_scatter(b: Builder) -> None:
    x = b.pick()
    sizes = shape_of(x)
    axes, lead, mode = _places(b, sizes)
    inside = mode in ("error", "promise_in_bounds")
    indices = b.indices(lead, tuple(sizes[axis] for axis in axes), inside)
    shape = (*lead, *(size for axis, size in enumerate(sizes) if axis not in axes))
    combine = tuple(indexing.COMBINE)[b.number(0, len(indexing.COMBINE) - 1)]
    if math.prod(shape) <= LARGEST:
        updates = b.wanted(tensor(x.tensor.dtype, shape))
        b.add(indexing.scatter(x, indices, updates, axes=axes, combine=combine, mode=mode))


def apply_window(b: Builder) -> None:
    x = b.pick()
    sizes = tuple(b.number(0, size) for size in shape_of(x))
    start = tensor((I32, I64)[b.number(0, 1)], ())
    starts = [b.wanted(start) for _ in sizes]
    if b.number(0, 1):
        b.add(indexing.dynamic_slice(x, *starts, sizes=sizes))
    else:
        update = b.wanted(tensor(x.tensor.dtype, sizes))
        b.add(indexing.dynamic_update_slice(x, update, *starts))


def apply_count(b: Builder) -> None:
    shape = (*b.shape(rank=RANK - 1, largest=500), (3, 1, 0, 20)[b.number(0, 3)])
    dtype = b.dtype()
    if dtype is not BOOL:
        b.add(leaf.iota(type=tensor(dtype, shape), axis=b.number(0, len(shape) - 1)))


def apply_random(b: Builder) -> None:
    key = b.wanted(tensor(U32, (2,)))
    b.add(random.random_bits(key, shape=b.shape(largest=200)))


def apply_stop(b: Builder) -> None:
    b.add(control.stop_gradient(b.pick()))


STEPS: tuple[Step, ...] = (
    *(apply_elementwise,) * 6,
    *(apply_function,) * 3,
    *(apply_reduce,) * 3,
    *(apply_broadcast,) * 3,
    *(apply_dot,) * 2,
    apply_reshape,
    apply_transpose,
    apply_slice,
    apply_pad,
    apply_concatenate,
    apply_reverse,
    apply_convert,
    apply_bitcast,
    apply_select,
    apply_gather,
    apply_scatter,
    apply_window,
    apply_arg,
    apply_partial_sums,
    apply_count,
    apply_random,
    apply_stop,
)
