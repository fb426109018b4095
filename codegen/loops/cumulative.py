"""Kernels of one cumulation: each line is walked once, what is folded so far is kept at hand.

before: %0 = cumulative %x {axis=0, kind=sum}        after: for j vector: s[j] = 0
        of f32[n, m]                                        for i: for j vector:
                                                              s[j] = s[j] + x[i, j]; y[i, j] = s[j]

Lanes run along the last axis; lines along the last axis itself are walked element by element, and
pieces of parallel work own whole lines, so results are the same in every run.
"""

from __future__ import annotations

from graphc.codegen.loops.elements import Builder, Place, converted, literal, work_type
from graphc.codegen.loops.index import ONE, ZERO, Var, flat, index, piece, product
from graphc.codegen.loops.language import Apply, Buffer, Expr, Literal, Load, Local, Store
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.node import Node
from graphc.ir.types import BOOL, DType
from graphc.ops.cumulative import CumulativeAttrs
from graphc.ops.reduction import extreme

FOLDS = {"sum": "add", "prod": "mul", "max": "max", "min": "min"}


def _start(kind: str, dtype: DType) -> Literal:
    """What leaves every element as it is, the sign of zeros included."""
    if kind == "sum":
        return literal(-0.0 if dtype.is_float else 0, dtype)
    if kind == "prod":
        return literal(1, dtype)
    return literal(extreme(dtype, kind == "min"), dtype)


def _folded(builder: Builder, kind: str, so_far: Expr, value: Expr) -> Expr:
    dtype = value.dtype
    if kind != "logsumexp":
        return builder.let(Apply(FOLDS[kind], (so_far, value), dtype))
    # The larger one plus log1p(exp(-distance)), where two equal infinities have no distance.
    same = builder.let(Apply("eq", (so_far, value), BOOL))
    apart = builder.let(Apply("abs", (Apply("sub", (so_far, value), dtype),), dtype))
    distance = builder.let(Apply("select", (same, literal(0, dtype), apart), dtype))
    small = builder.let(Apply("exp", (Apply("neg", (distance,), dtype),), dtype))
    larger = builder.let(Apply("max", (so_far, value), dtype))
    total = builder.let(Apply("add", (larger, Apply("log1p", (small,), dtype)), dtype))
    alone = Apply("eq", (small, literal(0, dtype)), BOOL)  # so that -0.0 stays what it is
    return builder.let(Apply("select", (alone, larger, total), dtype))


def lower_cumulative(builder: Builder, node: Node, result: Buffer, schedule: Schedule) -> None:
    """Write the parallel loop of a kernel that cumulates."""
    a, (operand,) = node.attrs, node.operands
    assert isinstance(a, CumulativeAttrs)
    shape, dtype = node.tensor.shape, node.tensor.dtype
    length, work = index(shape[a.axis]), work_type(dtype)
    last = len(shape) - 1
    others = [axis for axis in range(len(shape)) if axis not in (a.axis, last)]
    across = index(shape[last]) if last != a.axis else ONE
    block = schedule.lanes(dtype.bytes) * schedule.column_vectors
    blocks = (across + (block - 1)) // block
    chunk = Var(builder.fresh("c"), product([*(index(shape[axis]) for axis in others), blocks]))
    outer, at_block = index(chunk) // blocks, index(chunk) % blocks
    lane = Var(builder.fresh("j"), piece(block, at_block, across))
    column = index(lane) if last != a.axis else ZERO
    step = Var(builder.fresh("i"), length)

    def position() -> Place:
        found, rest = [ZERO] * len(shape), outer
        for number, axis in reversed(list(enumerate(others))):
            size = index(shape[axis])
            found[axis], rest = (rest % size, rest // size) if number else (rest, ZERO)
        found[last] = at_block * block + column
        found[a.axis] = length - 1 - index(step) if a.reverse else index(step)
        return tuple(found)

    kept = Buffer(builder.fresh("s"), work, index(block) if last != a.axis else ONE, "scratch")

    def begin() -> None:
        builder.block.append(Store(kept, column, _start(a.kind, work)))

    def walk() -> None:
        value = converted(builder.element(operand, position()), work)
        value = builder.let(value)
        found = _folded(builder, a.kind, builder.let(Load(kept, column)), value)
        builder.block.append(Store(kept, column, found))
        builder.block.append(Store(result, flat(position(), shape), converted(found, dtype)))

    lanes = [lane] if last != a.axis else []
    with builder.inside() as body:
        body.append(Local(kept))
        _nest(builder, lanes, schedule, begin)
        with builder.inside() as inner:
            _nest(builder, lanes, schedule, walk)
        builder.loop(step, "serial", inner)
    builder.loop(chunk, "parallel", body)


def _nest(builder: Builder, lanes: list[Var], schedule: Schedule, write: object) -> None:
    """What `write` writes, in lanes where there are any."""
    assert callable(write)
    if not lanes:
        write()
        return
    with builder.inside() as body:
        write()
    builder.loop(lanes[0], "vector", body, schedule.column_vectors)
