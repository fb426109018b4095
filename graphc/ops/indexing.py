"""Indexing by values: gather, scatter and windows at a place that is data.

An index array has one trailing axis of K coordinates, which address the operand's
`axes`; the other operand axes are taken whole and stand last in the result.
What an index outside its axis means is the `mode`:

- `error`: an `OutOfRangeError` names the user's line when the call ends,
- `clip`: the nearest valid index,
- `fill`: reads nan (floats), the smallest (signed) or largest (unsigned) value, True (bool);
  writes nothing,
- `promise_in_bounds`: the caller's promise; broken, it reads or writes some valid element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, OutOfRangeError, ShapeError, UnsupportedError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, Tangents
from graphc.ir.types import BOOL, I32, I64, Shape, Size, TensorType, dtype_of, static_shape, tensor
from graphc.ops import elementwise as e
from graphc.ops import samples
from graphc.ops.build import splat, zeros_like
from graphc.ops.contraction import free_axes
from graphc.ops.duals import all_led, broadcast, check_axes, led, linear, shifted
from graphc.ops.elementwise import add, convert, eq, select
from graphc.ops.leaf import constant, iota
from graphc.ops.movement import SizesAttrs, concatenate, inverse, moved, reshape, transpose
from graphc.ops.scatter_derivatives import combined_jvp, combined_vjp

MODES = ("error", "clip", "fill", "promise_in_bounds")
COMBINE = {
    "set": None,
    "add": np.add,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


@dataclass(frozen=True, slots=True)
class GatherAttrs(Attrs):
    """The operand axes that the indices address, and the mode."""

    axes: tuple[int, ...]
    mode: str = "error"


@dataclass(frozen=True, slots=True)
class ScatterAttrs(Attrs):
    """As `GatherAttrs`, and how an update meets the element that is there."""

    axes: tuple[int, ...]
    combine: str = "add"
    mode: str = "error"


def fill_value(dtype_name: str) -> float | int | bool:
    """What mode `fill` reads outside."""
    dtype = dtype_of(dtype_name)
    if dtype.is_float:
        return float("nan")
    if dtype.kind == "bool":
        return True
    return dtype.smallest if dtype.kind == "int" else dtype.largest


def _check_indices(name: str, axes: tuple[int, ...], mode: str, *types: TensorType) -> None:
    operand, indices = types
    check_axes(name, axes, operand.rank)
    if not axes:
        raise ShapeError(f"{name}: got no axes of {operand}, expected one or more")
    if mode not in MODES:
        raise ShapeError(f"{name}: got mode {mode!r}, expected one of {' '.join(MODES)}")
    if not indices.dtype.is_integer:
        raise DtypeError(f"{name}: got indices of {indices}, expected integers")
    if indices.rank == 0 or indices.shape[-1] != len(axes):
        raise ShapeError(f"{name}: got indices {indices}, expected a last axis of {len(axes)}")


def window(operand: TensorType, axes: tuple[int, ...]) -> Shape:
    """Sizes of the operand axes taken whole."""
    return tuple(operand.shape[axis] for axis in free_axes(operand.rank, axes))


def _infer_gather(a: GatherAttrs, operand: TensorType, indices: TensorType) -> TensorType:
    _check_indices("gather", a.axes, a.mode, operand, indices)
    return tensor(operand.dtype, indices.shape[:-1] + window(operand, a.axes))


def _bounded(
    name: str, operand: np.ndarray, axes: tuple[int, ...], indices: np.ndarray, mode: str
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Coordinates per axis, made valid, and whether each was."""
    sizes = np.array([operand.shape[axis] for axis in axes], np.int64)
    wide = indices.astype(np.int64)
    valid = np.asarray(((wide >= 0) & (wide < sizes)).all(-1))
    if mode == "error" and not valid.all():
        bad = wide[~valid][0]
        shown = int(bad[0]) if len(bad) == 1 else tuple(map(int, bad))
        raise OutOfRangeError(f"{name}: index out of range, got {shown}, expected below {sizes}")
    safe = np.clip(wide, 0, np.maximum(sizes - 1, 0))
    return tuple(np.moveaxis(safe, -1, 0)), valid


def _gather(a: GatherAttrs, operand: np.ndarray, indices: np.ndarray) -> np.ndarray:
    at, valid = _bounded("gather", operand, a.axes, indices, a.mode)
    moved = operand.transpose(a.axes + free_axes(operand.ndim, a.axes))
    dtype = dtype_of(operand.dtype)
    part = fill_value(dtype.part.name)
    missing = complex(part, part) if dtype.is_complex else part
    if not valid.size or 0 in moved.shape[: len(a.axes)]:
        shape = indices.shape[:-1] + moved.shape[len(a.axes) :]
        return np.full(shape, missing).astype(operand.dtype)
    found = np.asarray(moved[at])
    if a.mode != "fill":
        return found
    mask = valid.reshape(valid.shape + (1,) * (found.ndim - valid.ndim))
    return np.where(mask, found, np.asarray(missing).astype(found.dtype))


def _gather_vjp(node: Node, g: Node) -> Cotangents:
    assert isinstance(node.attrs, GatherAttrs)
    operand, indices = node.operands
    axes, mode = node.attrs.axes, node.attrs.mode
    return scatter(zeros_like(operand), indices, g, axes=axes, combine="add", mode=mode), None


def _gather_jvp(node: Node, tangents: Tangents) -> Node | None:
    assert isinstance(node.attrs, GatherAttrs)
    moved, indices, axes = tangents[0], node.operands[1], node.attrs.axes
    if moved is None or node.attrs.mode != "fill":
        return None if moved is None else linear(node, tangents)
    # What is read outside is constant: no nan may stand for its tangent.
    zeros = splat(0, I32, moved.tensor.shape)
    found = gather(zeros, indices, axes=axes, mode="fill")
    inside = eq(found, splat(0, I32, found.tensor.shape))
    return select(inside, gather(moved, indices, axes=axes, mode="clip"), zeros_like(node))


def _gather_samples() -> list[Sample]:
    one = np.array([[3], [0], [3], [4]], np.int32)
    two = np.array([[[1, 2], [0, 0]], [[4, 1], [2, 2]], [[1, 2], [3, 0]]], np.int64)
    wild = np.array([[-1], [7], [2]], np.int32)
    cases: list[tuple[np.ndarray, tuple[int, ...], str]] = [
        (one, (0,), "error"),
        (two, (0, 1), "error"),
        (two, (0, 1), "promise_in_bounds"),
    ]
    cases += [(wild, (0,), "clip"), (wild, (0,), "fill"), (one[:2], (2,), "clip")]
    return [
        Sample((s.arrays[0], indices), GatherAttrs(axes, mode), smooth=mode != "fill")
        for indices, axes, mode in cases
        for s in samples.floats((5, 3, 6))
    ]


def _with_lane(indices: Node) -> Node:
    """Batched indices with the number of their lane as first coordinate."""
    if indices.tensor.dtype.bits < 32:
        indices = convert(indices, dtype=I32)
    shape = (*indices.tensor.shape[:-1], 1)
    lane = iota(type=tensor(indices.tensor.dtype, shape), axis=0)
    return concatenate(lane, indices, axis=len(shape) - 1)


def _batch_gather(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    a, (operand, indices) = node.attrs, operands
    assert isinstance(a, GatherAttrs)
    if not batched[1]:
        found = gather(operand, indices, axes=shifted(a.axes), mode=a.mode)
        return moved(found, indices.tensor.rank - 1, 0)
    if not batched[0]:
        return gather(operand, indices, axes=a.axes, mode=a.mode)
    return gather(operand, _with_lane(indices), axes=(0, *shifted(a.axes)), mode=a.mode)


gather: Op = Op(
    "gather",
    infer=_infer_gather,
    reference=_gather,
    attrs=GatherAttrs,
    vjp=_gather_vjp,
    jvp=_gather_jvp,
    samples=_gather_samples,
    batch=_batch_gather,
)


def _infer_scatter(
    a: ScatterAttrs, operand: TensorType, indices: TensorType, updates: TensorType
) -> TensorType:
    _check_indices("scatter", a.axes, a.mode, operand, indices)
    if a.combine not in COMBINE:
        raise ShapeError(f"scatter: got {a.combine!r}, expected one of {' '.join(COMBINE)}")
    if operand.dtype is BOOL and a.combine in ("add", "mul"):
        raise DtypeError(f"scatter: got {operand} for combine={a.combine!r}, expected numbers")
    if operand.dtype.is_complex and a.combine not in ("set", "add"):
        raise DtypeError(f"scatter: got {operand} for combine={a.combine!r}, expected real numbers")
    expected = tensor(operand.dtype, indices.shape[:-1] + window(operand, a.axes))
    if updates != expected:
        raise ShapeError(f"scatter: got updates {updates}, expected {expected}")
    return operand


def _scatter(
    a: ScatterAttrs, operand: np.ndarray, indices: np.ndarray, updates: np.ndarray
) -> np.ndarray:
    """Updates are applied in the order of their indices, which makes sums deterministic."""
    at, valid = _bounded("scatter", operand, a.axes, indices, a.mode)
    result = operand.copy()
    moved = result.transpose(a.axes + free_axes(operand.ndim, a.axes))
    if a.mode == "fill":
        at, updates = tuple(axis[valid] for axis in at), updates[valid]
    combine = COMBINE[a.combine]
    if not at[0].size or not result.size:
        return result
    if combine is None:
        for place in np.ndindex(at[0].shape):
            moved[tuple(axis[place] for axis in at)] = updates[place]
    else:
        combine.at(moved, at, updates)
    return result


def _scatter_vjp(node: Node, g: Node) -> Cotangents:
    a = node.attrs
    assert isinstance(a, ScatterAttrs)
    if a.combine not in ("add", "set"):
        return combined_vjp(node, g, gather)
    operand, indices, updates = node.operands
    mode = "clip" if a.mode == "error" else a.mode
    own = gather(g, indices, axes=a.axes, mode=mode)
    if a.combine == "add" and mode != "fill":
        return g, None, own
    # An update counts where it is found again: neither outside nor overwritten by a later one.
    nothing = zeros_like(updates)
    found = splat(-1, I32, operand.tensor.shape)
    if a.combine == "set":
        number = _numbered(indices.tensor, updates.tensor)
        found = scatter(found, indices, number, axes=a.axes, combine="set", mode=a.mode)
        g = scatter(g, indices, nothing, axes=a.axes, combine="set", mode=a.mode)
    else:
        number = splat(-1, I32, updates.tensor.shape)
    counts = eq(gather(found, indices, axes=a.axes, mode=mode), number)
    return g, None, select(counts, own, nothing)


def _scatter_jvp(node: Node, tangents: Tangents) -> Node:
    assert isinstance(node.attrs, ScatterAttrs)
    if node.attrs.combine not in ("add", "set"):
        return combined_jvp(node, tangents, gather)
    return linear(node, tangents)


def _numbered(indices: TensorType, updates: TensorType) -> Node:
    """The number of its index at each element of the updates."""
    leading = indices.shape[:-1]
    count = iota(type=tensor(I32, (math.prod(leading),)), axis=0)
    axes = tuple(range(len(leading)))
    return broadcast(reshape(count, shape=leading), shape=updates.shape, axes=axes)


def _scatter_samples() -> list[Sample]:
    found = []
    for sample in _gather_samples():
        assert isinstance(sample.attrs, GatherAttrs)
        operand, indices = sample.arrays
        axes, mode = sample.attrs.axes, sample.attrs.mode
        shape = indices.shape[:-1] + tuple(
            operand.shape[axis] for axis in free_axes(operand.ndim, axes)
        )
        updates = samples.generator(5).uniform(-1, 1, shape).astype(operand.dtype)
        for combine in COMBINE:
            attrs = ScatterAttrs(axes, combine, mode)
            found.append(Sample((operand, indices, updates), attrs))
    return found


def _batch_scatter(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    a, (_, indices, _) = node.attrs, operands
    assert isinstance(a, ScatterAttrs)
    operand, lanes, updates = all_led(operands, (batched[0], True, batched[2]), size)
    axes = shifted(a.axes)
    if batched[1]:
        axes, lanes = (0, *axes), _with_lane(lanes)
    else:
        updates = moved(updates, 0, indices.tensor.rank - 1)
    return scatter(operand, lanes, updates, axes=axes, combine=a.combine, mode=a.mode)


scatter: Op = Op(
    "scatter",
    infer=_infer_scatter,
    reference=_scatter,
    attrs=ScatterAttrs,
    vjp=_scatter_vjp,
    jvp=_scatter_jvp,
    samples=_scatter_samples,
    batch=_batch_scatter,
)


# windows whose start is data; starts are moved so that the window fits, as in JAX


def _check_starts(
    name: str, operand: TensorType, sizes: Shape, starts: tuple[TensorType, ...]
) -> None:
    if len(starts) != operand.rank or len(sizes) != operand.rank:
        raise ShapeError(f"{name}: got {len(starts)} starts for {operand}, expected {operand.rank}")
    for start in starts:
        if start.shape or not start.dtype.is_integer:
            raise DtypeError(f"{name}: got a start of {start}, expected an integer scalar")
    for size, whole in zip(sizes, operand.shape, strict=True):
        if size > whole:
            raise ShapeError(f"{name}: got a window of {sizes}, expected one inside {operand}")


def _infer_dynamic_slice(a: SizesAttrs, operand: TensorType, *starts: TensorType) -> TensorType:
    _check_starts("dynamic_slice", operand, a.sizes, starts)
    return tensor(operand.dtype, a.sizes)


def _place(
    shape: tuple[int, ...], sizes: tuple[int, ...], starts: tuple[np.ndarray, ...]
) -> tuple[slice, ...]:
    fitted = [
        min(max(int(start), 0), whole - size)
        for start, size, whole in zip(starts, sizes, shape, strict=True)
    ]
    return tuple(slice(at, at + size) for at, size in zip(fitted, sizes, strict=True))


def _dynamic_slice(a: SizesAttrs, operand: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    return operand[_place(operand.shape, static_shape(a.sizes), starts)]


def _dynamic_slice_vjp(node: Node, g: Node) -> Cotangents:
    operand, *starts = node.operands
    return dynamic_update_slice(zeros_like(operand), g, *starts), *(None for _ in starts)


@dataclass(frozen=True)
class _Lanes:
    """Where each lane's window lies: coordinates, the axes they address, the axes' order."""

    indices: Node
    axes: tuple[int, ...]
    order: tuple[int, ...]  # a window's axes as gather and scatter have them


def _lanes(node: Node, sizes: Shape, starts: Sequence[Node], batched: bool) -> _Lanes | None:
    """The windows of a batch of starts; None where they can only be the whole."""
    whole = node.operands[0].tensor.shape
    axes = tuple(axis for axis, size in enumerate(sizes) if size != whole[axis])
    if not axes:
        return None
    shape = (starts[0].tensor.shape[0], *(sizes[axis] for axis in axes), 1)
    columns = [iota(type=tensor(I64, shape), axis=0)] if batched else []
    for position, axis in enumerate(axes):
        room = whole[axis] - sizes[axis]
        if not isinstance(room, int):
            raise UnsupportedError(
                f"{node.op.name}: got a batch of starts along an axis of size {whole[axis]}, "
                "expected a size that is known when the program is compiled"
            )
        start = broadcast(_fitted(starts[axis], room), shape=shape, axes=(0,))
        columns.append(add(start, iota(type=tensor(I64, shape), axis=position + 1)))
    indices = concatenate(*columns, axis=len(shape) - 1)
    order = (0, *shifted(axes + free_axes(len(sizes), axes)))
    return _Lanes(indices, (0, *shifted(axes)) if batched else axes, order)


def _fitted(start: Node, room: int) -> Node:
    """The start moved so that the window fits, as i64."""
    own = start.tensor.dtype
    if not own.is_signed and room < own.largest:
        start = e.min(start, splat(room, own, start.tensor.shape))  # while it is unsigned
    wide = convert(start, dtype=I64)
    last, zero = (splat(value, I64, start.tensor.shape) for value in (room, 0))
    return e.max(e.min(wide, last), zero)


def _batch_dynamic_slice(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    (operand, *starts), sizes = operands, node.tensor.shape
    if not any(batched[1:]):
        return dynamic_slice(operand, constant(0, I32), *starts, sizes=(size, *sizes))
    lanes = _lanes(node, sizes, all_led(starts, batched[1:], size), batched[0])
    if lanes is None:
        return operand if batched[0] else led(operand, size)
    found = gather(operand, lanes.indices, axes=lanes.axes, mode="promise_in_bounds")
    return transpose(found, permutation=inverse(lanes.order))


def _starts(*values: int) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(value, np.int32) for value in values)


dynamic_slice: Op = Op(
    "dynamic_slice",
    infer=_infer_dynamic_slice,
    reference=_dynamic_slice,
    attrs=SizesAttrs,
    vjp=_dynamic_slice_vjp,
    jvp=linear,
    samples=lambda: [
        Sample((s.arrays[0], *_starts(*at)), SizesAttrs((2, 4)))
        for at in ((1, 2), (-3, 0), (9, 99))
        for s in samples.floats((5, 20))
    ],
    batch=_batch_dynamic_slice,
)


def _infer_update(
    a: Attrs, operand: TensorType, update: TensorType, *starts: TensorType
) -> TensorType:
    if update.dtype is not operand.dtype:
        raise DtypeError(f"dynamic_update_slice: got update {update} for {operand}")
    _check_starts("dynamic_update_slice", operand, update.shape, starts)
    return operand


def _update(a: Attrs, operand: np.ndarray, update: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    result = operand.copy()
    result[_place(operand.shape, update.shape, starts)] = update
    return result


def _update_vjp(node: Node, g: Node) -> Cotangents:
    _, update, *starts = node.operands
    rest = dynamic_update_slice(g, zeros_like(update), *starts)
    own = dynamic_slice(g, *starts, sizes=update.tensor.shape)
    return rest, own, *(None for _ in starts)


def _batch_update(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    operand, update, *_ = all_led(operands, batched, size)
    if not any(batched[2:]):
        return dynamic_update_slice(operand, update, constant(0, I32), *operands[2:])
    starts = all_led(operands[2:], batched[2:], size)
    lanes = _lanes(node, node.operands[1].tensor.shape, starts, True)
    if lanes is None:
        return update
    update = transpose(update, permutation=lanes.order)
    mode = "promise_in_bounds"
    return scatter(operand, lanes.indices, update, axes=lanes.axes, combine="set", mode=mode)


dynamic_update_slice: Op = Op(
    "dynamic_update_slice",
    infer=_infer_update,
    reference=_update,
    vjp=_update_vjp,
    jvp=linear,
    samples=lambda: [
        Sample((*s.arrays, *_starts(*at)))
        for at in ((1, 2), (-3, 0), (9, 99))
        for s in samples.floats((5, 20), (2, 4))
    ],
    batch=_batch_update,
)

ROWS = (gather, scatter, dynamic_slice, dynamic_update_slice)
