"""One element of a node: from an index in a result back to loads from buffers.

A `Builder` holds the block of statements that is being written. `element(node,
position)` writes what computes one element of a node and gives the expression for
it: movement operations only change the position, elementwise operations become
scalar operations, and nodes that already have a value (a buffer, an accumulator)
are read. Each element is written once per block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.loops.index import (
    ZERO,
    Index,
    Named,
    Var,
    flat,
    index,
    index_of,
    piece,
    product,
    unfolded,
)
from graphc.codegen.loops.language import (
    Apply,
    Buffer,
    Check,
    Expr,
    For,
    Let,
    Literal,
    Load,
    Position,
    Read,
    Stmt,
    Store,
)
from graphc.ir.errors import CompileError
from graphc.ir.node import Node, Op
from graphc.ir.types import BF16, BOOL, F16, F32, I64, DType, Shape, Size, static_shape
from graphc.ops import custom, duals, elementwise, indexing, leaf, movement, special
from graphc.ops.contraction import free_axes
from graphc.ops.windows import WindowsAttrs, windows

Place = tuple[Index, ...]
NARROW = (F16, BF16)


def work_type(dtype: DType) -> DType:
    """The type in which values of `dtype` are computed: 16-bit floats in 32 bits."""
    return F32 if dtype in NARROW else dtype


def literal(value: float | int | bool | np.generic | np.ndarray, dtype: DType) -> Literal:
    """A literal of a type."""
    if dtype is BOOL:
        return Literal(bool(value), dtype)
    return Literal(float(value) if dtype.is_float else int(value), dtype)


def converted(value: Expr, dtype: DType) -> Expr:
    """`value` in another type."""
    if value.dtype is dtype:
        return value
    if isinstance(value, Literal) and not (value.dtype.is_float and dtype.is_integer):
        rounded = np.asarray(value.value).astype(dtype.numpy)
        return literal(rounded[()], dtype)
    return Apply("convert", (value,), dtype)


def both(left: Expr | None, right: Expr | None) -> Expr | None:
    """The conjunction of two guards."""
    if left is None or right is None:
        return right if left is None else left
    return Apply("and", (left, right), BOOL)


def compare(op: str, left: Index, right: Index) -> Expr:
    """A comparison of indices; one that is always true or false is a literal."""
    difference = (left - right).as_int
    if difference is not None:
        known = {"ge": difference >= 0, "lt": difference < 0, "eq": difference == 0}
        return Literal(known[op], BOOL)
    return Apply(op, (Position(left), Position(right)), BOOL)


@dataclass
class Builder:
    """The statements being written, and what is known of the nodes of one kernel."""

    buffers: dict[Node, Buffer]
    values: dict[Node, Expr] = field(default_factory=dict)  # of nodes with one value per row
    cached: dict[Node, tuple[Place, Load]] = field(default_factory=dict)  # in row scratch
    codes: Mapping[Node, int] = field(default_factory=dict)  # error codes of checked nodes
    # Results that lie between others: where in each step of how many elements, by buffer.
    woven: dict[tuple[Node, str], tuple[tuple[int, ...], int]] = field(default_factory=dict)
    block: list[Stmt] = field(default_factory=list)
    known: list[dict[object, Expr]] = field(default_factory=lambda: [{}])
    count: int = 0

    def fresh(self, prefix: str = "v") -> str:
        """A name that no other value of the kernel has."""
        self.count += 1
        return f"{prefix}{self.count - 1}"

    def let(self, value: Expr, prefix: str = "v") -> Expr:
        """A name for a value that is more than a name."""
        if isinstance(value, Literal | Read | Position):
            return value
        name = self.fresh(prefix)
        self.block.append(Let(name, value))
        return Read(name, value.dtype)

    def named_index(self, value: Expr) -> Index:
        """An integer value as an index."""
        if isinstance(value, Literal):
            return index(int(value.value))
        if isinstance(value, Position):
            return value.index
        name = self.fresh("at")
        self.block.append(Let(name, converted(value, I64)))
        return index_of(Named(name))

    @contextmanager
    def inside(self) -> Iterator[list[Stmt]]:
        """Write into a new block; what is known in it is forgotten behind it."""
        outer, self.block = self.block, []
        self.known.append({})
        try:
            yield self.block
        finally:
            self.block = outer
            self.known.pop()

    def store(self, node: Node, buffer: Buffer, position: Place, value: Expr) -> None:
        """Write one element of a result, at each place that it has."""
        at = flat(position, node.tensor.shape)
        offsets, step = self.woven.get((node, buffer.name), ((0,), 1))
        for offset in offsets:
            self.block.append(Store(buffer, at * step + offset, value))

    def loop(self, var: Var, kind: str, body: list[Stmt], unroll: int = 1) -> None:
        """Write a loop around a finished block."""
        self.block.append(For(var, kind, tuple(body), unroll))

    def nest(
        self, variables: Sequence[Var], kinds: Sequence[str], write: Callable[[], None]
    ) -> None:
        """Write nested loops, outermost first, around what `write` writes."""
        if not variables:
            write()
            return
        with self.inside() as body:
            self.nest(variables[1:], kinds[1:], write)
        self.loop(variables[0], kinds[0], body)

    def element(self, node: Node, position: Place, guard: Expr | None = None) -> Expr:
        """The value of one element of `node`; where `guard` is false, any value."""
        if node in self.values:
            return self.values[node]
        place, load = self.cached.get(node, (None, None))
        if load is not None and place == position:
            return self.let(load)
        key = (node, position, guard)
        for scope in self.known:
            if key in scope:
                return scope[key]
        value = self._element(node, position, guard)
        self.known[-1][key] = value
        return value

    def _element(self, node: Node, position: Place, guard: Expr | None) -> Expr:
        if node.tensor.size == 0:
            return literal(0, node.tensor.dtype)  # of a loop that never runs
        buffer = self.buffers.get(node)
        if buffer is not None:
            return self.let(Load(buffer, flat(position, node.tensor.shape), guard))
        constant = leaf.constant_value(node)
        if constant is not None and constant.size == 1:
            return literal(constant.reshape(())[()], node.tensor.dtype)
        if node.op.elementwise:
            return self.let(self._scalar(node, position, guard))
        rule = RULES.get(node.op)
        if rule is None:
            raise CompileError(f"{node.op.name} cannot be computed element by element in a kernel")
        return rule(self, node, position, guard)

    def _scalar(self, node: Node, position: Place, guard: Expr | None) -> Expr:
        arguments = [self.element(operand, position, guard) for operand in node.operands]
        dtype = node.tensor.dtype
        if node.op is custom.optimization_barrier:
            return arguments[0]
        if node.op is elementwise.convert:
            return converted(arguments[0], dtype)
        if node.op is elementwise.select:
            return Apply("select", tuple(arguments), dtype)
        if node.op is special.bitcast:
            return Apply("bitcast", tuple(arguments), dtype)
        wide = tuple(converted(argument, work_type(argument.dtype)) for argument in arguments)
        narrow = arguments[0].dtype in NARROW
        work = F32 if narrow and dtype in NARROW else dtype
        result: Expr = Apply(node.op.name, wide, work)
        return converted(self.let(result), dtype) if work is not dtype else result


def in_lanes(builder: Builder, sizes: Shape, block: int) -> tuple[Var, Var, Place]:
    """Parallel pieces of an array's elements, `block` along its last axis each.

    The piece, the lane in it, and the element's position.
    """
    *outer, last = [index(size) for size in sizes] or [index(1)]
    blocks = (last + block - 1) // block
    chunk = Var(builder.fresh("c"), product([*outer, blocks]))
    *before, at_block = unfolded(index(chunk), [*outer, blocks])
    lane = Var(builder.fresh("j"), piece(block, at_block, last))
    return chunk, lane, (*before, at_block * block + index(lane))[: len(sizes)]


Rule = Callable[[Builder, Node, Place, "Expr | None"], Expr]


def _iota(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    assert isinstance(node.attrs, leaf.IotaAttrs)
    at = Position(position[node.attrs.axis])
    number = at.index.as_int
    dtype = node.tensor.dtype
    if number is not None:
        return literal(number, dtype)
    return builder.let(converted(at, dtype))


def _broadcast(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    assert isinstance(node.attrs, duals.BroadcastAttrs)
    return builder.element(
        node.operands[0], tuple(position[axis] for axis in node.attrs.axes), guard
    )


def reshaped(position: Place, result: Shape, operand: Shape) -> Place:
    """The operand's position for a position in the result of a reshape."""
    long = [size for size in result if size != 1]
    if long == [size for size in operand if size != 1]:
        kept = iter([at for at, size in zip(position, result, strict=True) if size != 1])
        return tuple(ZERO if size == 1 else next(kept) for size in operand)
    return tuple(unfolded(flat(position, result), [index(size) for size in operand]))


def _reshape(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    (x,) = node.operands
    return builder.element(x, reshaped(position, node.tensor.shape, x.tensor.shape), guard)


def _transpose(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    assert isinstance(node.attrs, movement.PermutationAttrs)
    inverse = movement.inverse(node.attrs.permutation)
    return builder.element(node.operands[0], tuple(position[axis] for axis in inverse), guard)


def _slice(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    a = node.attrs
    assert isinstance(a, movement.SliceAttrs)
    moved = tuple(
        at * step + index(start)
        for at, step, start in zip(position, a.stride, a.start, strict=True)
    )
    return builder.element(node.operands[0], moved, guard)


def _windows(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    a = node.attrs
    assert isinstance(a, WindowsAttrs)
    taps, moved = position[: len(a.axes)], list(position[len(a.axes) :])
    for axis, tap, step, dilation in zip(a.axes, taps, a.stride, a.dilation, strict=True):
        moved[axis] = moved[axis] * step + tap * dilation
    return builder.element(node.operands[0], tuple(moved), guard)


def _reverse(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    assert isinstance(node.attrs, movement.AxesAttrs)
    moved = list(position)
    for axis in node.attrs.axes:
        moved[axis] = index(node.tensor.shape[axis]) - 1 - position[axis]
    return builder.element(node.operands[0], tuple(moved), guard)


def _inside(at: Index, size: Index) -> Expr | None:
    """The guard that `0 <= at < size`, None when it always holds."""
    guard: Expr | None = None
    for test in (compare("ge", at, ZERO), compare("lt", at, size)):
        if not (isinstance(test, Literal) and test.value):
            guard = both(guard, test)
    return guard


def _pad(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    a = node.attrs
    assert isinstance(a, movement.PadAttrs)
    x, value = node.operands
    moved, inside = [], None
    for axis, at in enumerate(position):
        low, step, size = index(a.low[axis]), a.interior[axis] + 1, index(x.tensor.shape[axis])
        own = at - low
        untouched = a.low[axis] == 0 and a.high[axis] == 0 and step == 1
        if step > 1:
            # Shifted by a multiple of the step, so that no quotient is of a negative number.
            shift = max(0, -(-static_shape(a.low)[axis] // step))
            inside = both(inside, compare("eq", (own + shift * step) % step, ZERO))
            own = (own + shift * step) // step - shift
        if not untouched:
            inside = both(inside, _inside(own, size))
        moved.append(own)
    if inside is None:
        return builder.element(x, tuple(moved), guard)
    inside = builder.let(inside)
    own_value = builder.element(x, tuple(moved), both(guard, inside))
    outside = builder.element(value, (), guard)
    return builder.let(Apply("select", (inside, own_value, outside), node.tensor.dtype))


def _concatenate(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    assert isinstance(node.attrs, movement.AxisAttrs)
    axis, begin = node.attrs.axis, ZERO
    result: Expr | None = None
    for operand in node.operands:
        size = index(operand.tensor.shape[axis])
        if operand.tensor.size == 0:
            continue
        own = position[axis] - begin
        begin = begin + size
        moved = (*position[:axis], own, *position[axis + 1 :])
        inside = _inside(own, size)
        mine = None if inside is None else builder.let(inside)
        value = builder.element(operand, moved, both(guard, mine))
        if result is None or mine is None:
            result = value
        else:
            result = builder.let(Apply("select", (mine, value, result), node.tensor.dtype))
    assert result is not None
    return result


def clamped(builder: Builder, value: Expr, largest: Index) -> Expr:
    """`value` moved into 0..largest, as i64."""
    wide = builder.let(converted(value, I64))
    high = Apply("min", (wide, Position(largest)), I64)
    return builder.let(Apply("max", (high, Literal(0, I64)), I64))


@dataclass(frozen=True)
class Addressed:
    """Coordinates read from an index array: made valid, and whether they were."""

    coordinates: Place
    valid: Expr


def addressed(
    builder: Builder,
    node: Node,
    indices: Node,
    row: Place,
    axes: Sequence[int],
    guard: Expr | None,
) -> Addressed:
    """The coordinates that `indices[row]` gives along `axes` of the first operand of `node`."""
    sizes = [index(node.operands[0].tensor.shape[axis]) for axis in axes]
    coordinates, valid = [], None
    for k, size in enumerate(sizes):
        raw = builder.let(converted(builder.element(indices, (*row, index(k)), guard), I64))
        own = Apply("and", (
            Apply("ge", (raw, Literal(0, I64)), BOOL),
            Apply("lt", (raw, Position(size)), BOOL),
        ), BOOL)  # fmt: skip
        valid = own if valid is None else Apply("and", (valid, own), BOOL)
        coordinates.append(builder.named_index(clamped(builder, raw, size - 1)))
    return Addressed(tuple(coordinates), builder.let(valid or Literal(True, BOOL)))


def has_elements(sizes: Iterable[Size]) -> Expr | None:
    """The guard that no size is 0, None where that is known."""
    guard: Expr | None = None
    for size in sizes:
        test = compare("lt", ZERO, index(size))
        if test == Literal(False, BOOL):
            return test
        if not isinstance(test, Literal):
            guard = both(guard, test)
    return guard


def report(builder: Builder, node: Node, valid: Expr, guard: Expr | None) -> None:
    """Tell the caller when an index is outside and the mode is `error`."""
    bad: Expr = Apply("not", (valid,), BOOL)
    bad = bad if guard is None else Apply("and", (bad, guard), BOOL)
    builder.block.append(Check(bad, builder.codes.get(node, 1)))


def _gather(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    a = node.attrs
    assert isinstance(a, indexing.GatherAttrs)
    operand, indices = node.operands
    rank = indices.tensor.rank - 1
    found = addressed(builder, node, indices, position[:rank], a.axes, guard)
    if a.mode == "error":
        report(builder, node, found.valid, guard)
    moved: list[Index] = [ZERO] * operand.tensor.rank
    for axis, at in zip(a.axes, found.coordinates, strict=True):
        moved[axis] = at
    rest = free_axes(operand.tensor.rank, a.axes)
    for axis, at in zip(rest, position[rank:], strict=True):
        moved[axis] = at
    missing = literal(indexing.fill_value(node.tensor.dtype.name), node.tensor.dtype)
    some = has_elements(operand.tensor.shape[axis] for axis in a.axes)
    if some == Literal(False, BOOL):
        return missing
    value = builder.element(operand, tuple(moved), both(guard, some))
    there = found.valid if a.mode == "fill" else some
    if there is None:
        return value
    return builder.let(Apply("select", (there, value, missing), node.tensor.dtype))


def fitted(builder: Builder, starts: Sequence[Node], whole: Shape, sizes: Shape) -> Place:
    """Window starts moved so that the window fits."""
    found = []
    for start, size, extent in zip(starts, sizes, whole, strict=True):
        value = builder.element(start, ())
        found.append(builder.named_index(clamped(builder, value, index(extent) - index(size))))
    return tuple(found)


def _dynamic_slice(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    operand, *starts = node.operands
    first = fitted(builder, starts, operand.tensor.shape, node.tensor.shape)
    moved = tuple(at + start for at, start in zip(position, first, strict=True))
    return builder.element(operand, moved, guard)


def _dynamic_update(builder: Builder, node: Node, position: Place, guard: Expr | None) -> Expr:
    operand, update, *starts = node.operands
    first = fitted(builder, starts, operand.tensor.shape, update.tensor.shape)
    inside: Expr | None = None
    moved = []
    for axis, (at, start) in enumerate(zip(position, first, strict=True)):
        own = at - start
        if operand.tensor.shape[axis] != update.tensor.shape[axis]:
            inside = both(inside, _inside(own, index(update.tensor.shape[axis])))
        moved.append(own)
    if inside is None:
        return builder.element(update, tuple(moved), guard)
    inside = builder.let(inside)
    new = builder.element(update, tuple(moved), both(guard, inside))
    old = builder.element(operand, position, guard)
    return builder.let(Apply("select", (inside, new, old), node.tensor.dtype))


RULES: dict[Op, Rule] = {
    leaf.iota: _iota,
    duals.broadcast: _broadcast,
    movement.reshape: _reshape,
    movement.transpose: _transpose,
    movement.slice: _slice,
    windows: _windows,
    movement.reverse: _reverse,
    movement.pad: _pad,
    movement.concatenate: _concatenate,
    indexing.gather: _gather,
    indexing.dynamic_slice: _dynamic_slice,
    indexing.dynamic_update_slice: _dynamic_update,
}
