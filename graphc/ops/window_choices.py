"""The largest or smallest element of each window, and what is chosen along with it.

Where several elements are equal the first in the window is chosen, as in JAX, so the cotangent
of a window goes to one element. The choice is an index into the window; gathering by it
and scattering by it are each other's transpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from graphc.ir.errors import ShapeError
from graphc.ir.node import Cotangents, Node, Op, Sample, Tangents, make
from graphc.ir.types import I32, Size, TensorType, dtype_of, static_shape, tensor
from graphc.ops import elementwise as e
from graphc.ops import samples
from graphc.ops.build import splat
from graphc.ops.duals import broadcast, reduce_sum, wide
from graphc.ops.leaf import constant, iota
from graphc.ops.movement import pad, reshape
from graphc.ops.reduction import extreme, reduce_max, reduce_min
from graphc.ops.windows import (
    CASES,
    Ints,
    ScatterWindowAttrs,
    WindowAttrs,
    back_padding,
    batch_window,
    fields_of,
    is_plain,
    numbers,
    seen,
    spans_of,
    stacked,
    window_shape,
)


def _flat_taps(shape: tuple[Size, ...], size: Ints) -> Node:
    """Per element of what windows see, its place in the window, as one number."""
    type_ = tensor(I32, shape)
    place = splat(0, I32, shape)
    for axis, _ in enumerate(size):
        step = math.prod(size[axis + 1 :])
        place = e.add(place, e.mul(iota(type=type_, axis=axis), splat(step, I32, shape)))
    return place


def _over(node: Node, shape: tuple[Size, ...]) -> Node:
    """A value per window, repeated for every place in the window."""
    first = len(shape) - node.tensor.rank
    return broadcast(node, shape=shape, axes=tuple(range(first, len(shape))))


def _taps_of(a: WindowAttrs, axes: Ints) -> Ints:
    return tuple(a.size[axis] for axis in axes)


def _check_choice(name: str, index: TensorType, shape: tuple[Size, ...]) -> None:
    if index.dtype is not I32 or index.shape != shape:
        raise ShapeError(f"{name}: got an index {index}, expected {tensor(I32, shape)}")


# the extreme of each window


def _extreme(name: str, function: np.ufunc, largest: bool, fold: Op) -> Op:
    def infer(a: WindowAttrs, x: TensorType) -> TensorType:
        numbers(name, x, ordered=True)
        return tensor(x.dtype, window_shape(name, a, x))

    def reference(a: WindowAttrs, x: np.ndarray) -> np.ndarray:
        fill = extreme(dtype_of(x.dtype), not largest)
        return np.asarray(function.reduce(stacked(a, x, fill), axis=0)).astype(x.dtype)

    def expand(a: WindowAttrs, x: Node) -> Node:
        views, axes = seen(a, x, extreme(x.tensor.dtype, not largest))
        return fold(views, axes=tuple(range(len(axes))))

    def vjp(node: Node, g: Node) -> Cotangents:
        a, (x,) = node.attrs, node.operands
        assert isinstance(a, WindowAttrs)
        chosen = make(CHOOSERS[node.op], (x,), a)
        return (scatter_window(g, chosen, **fields_of(a), shape=x.tensor.shape),)

    def jvp(node: Node, tangents: Tangents) -> Node:
        a, (x,), (tangent,) = node.attrs, node.operands, tangents
        assert isinstance(a, WindowAttrs) and tangent is not None
        return gather_window(tangent, make(CHOOSERS[node.op], (x,), a), **fields_of(a))

    def drawn() -> list[Sample]:
        found = [
            Sample(s.arrays, a, smooth=bool(np.isfinite(reference(a, *s.arrays)).all()))
            for shape, a in CASES
            for s in samples.floats(shape)
        ]
        ties = np.arange(21, dtype=np.int32).reshape(7, 3) % 5
        pairs = WindowAttrs((2, 2), (1, 1), (1, 0), (0, 1), (1, 1), (1, 1))
        odd = np.array([[0.0, np.nan, 2.0], [np.inf, -np.inf, 2.0]])
        return [*found, Sample((ties,), pairs), Sample((odd,), pairs, smooth=False)]

    return Op(
        name,
        infer=infer,
        reference=reference,
        attrs=WindowAttrs,
        vjp=vjp,
        jvp=jvp,
        expand=expand,
        samples=drawn,
        batch=batch_window,
    )


reduce_window_max = _extreme("reduce_window_max", np.maximum, True, reduce_max)
reduce_window_min = _extreme("reduce_window_min", np.minimum, False, reduce_min)


def _chooser(name: str, function: Callable[..., object], largest: bool, fold: Op) -> Op:
    def infer(a: WindowAttrs, x: TensorType) -> TensorType:
        numbers(name, x, ordered=True)
        return tensor(I32, window_shape(name, a, x))

    def reference(a: WindowAttrs, x: np.ndarray) -> np.ndarray:
        fill = extreme(dtype_of(x.dtype), not largest)
        return np.asarray(function(stacked(a, wide(x), fill), axis=0)).astype(np.int32)

    def expand(a: WindowAttrs, x: Node) -> Node:
        """The first place at which a window has its extreme; a nan is one, as it is to `fold`."""
        views, axes = seen(a, x, extreme(x.tensor.dtype, not largest))
        shape, every = views.tensor.shape, tuple(range(len(axes)))
        hit = e.eq(views, _over(fold(views, axes=every), shape))
        if x.tensor.dtype.is_float:
            hit = e.or_(hit, e.ne(views, views))
        place = _flat_taps(shape, _taps_of(a, axes))
        beyond = splat(I32.largest, I32, shape)
        return reduce_min(e.select(hit, place, beyond), axes=every)

    def drawn() -> list[Sample]:
        found = [Sample(s.arrays, a) for shape, a in CASES for s in samples.floats(shape)]
        ties = np.arange(21, dtype=np.float32).reshape(7, 3) % 2
        pairs = WindowAttrs((2, 2), (1, 1), (1, 0), (0, 1), (1, 1), (1, 1))
        odd = np.array([[0.0, np.nan, 2.0], [np.inf, -np.inf, np.nan]])
        return [*found, Sample((ties,), pairs), Sample((odd,), pairs)]

    return Op(
        name,
        infer=infer,
        reference=reference,
        attrs=WindowAttrs,
        vjp=lambda node, g: (None,),
        jvp=lambda node, tangents: None,
        expand=expand,
        samples=drawn,
        batch=batch_window,
    )


argmax_window = _chooser("argmax_window", np.argmax, True, reduce_max)
argmin_window = _chooser("argmin_window", np.argmin, False, reduce_min)
CHOOSERS = {reduce_window_max: argmax_window, reduce_window_min: argmin_window}


# by an index into each window


def _infer_gather(a: WindowAttrs, x: TensorType, index: TensorType) -> TensorType:
    numbers("gather_window", x)
    shape = window_shape("gather_window", a, x)
    _check_choice("gather_window", index, shape)
    return tensor(x.dtype, shape)


def _gather(a: WindowAttrs, x: np.ndarray, index: np.ndarray) -> np.ndarray:
    views = stacked(a, x, 0)
    found = np.zeros(index.shape, x.dtype)
    for place, view in enumerate(views):
        found = np.where(index == place, view, found)
    return found


def _expand_gather(a: WindowAttrs, x: Node, index: Node) -> Node:
    views, axes = seen(a, x, 0)
    shape = views.tensor.shape
    place = _flat_taps(shape, _taps_of(a, axes))
    taken = e.select(e.eq(place, _over(index, shape)), views, splat(0, x.tensor.dtype, shape))
    return reduce_sum(taken, axes=tuple(range(len(axes))))


def _gather_vjp(node: Node, g: Node) -> Cotangents:
    a, (x, index) = node.attrs, node.operands
    assert isinstance(a, WindowAttrs)
    return scatter_window(g, index, **fields_of(a), shape=x.tensor.shape), None


def _indices(shape: tuple[int, ...], a: WindowAttrs) -> np.ndarray:
    """Places in windows, some outside."""
    counts = window_shape("gather_window", a, tensor("f32", shape))
    random = samples.generator(5)
    sizes = tuple(int(str(count)) for count in counts)
    return random.integers(-1, math.prod(a.size) + 1, sizes).astype(np.int32)


gather_window: Op = Op(
    "gather_window",
    infer=_infer_gather,
    reference=_gather,
    attrs=WindowAttrs,
    vjp=_gather_vjp,
    jvp=lambda node, tangents: (
        tangents[0]
        and node.op(
            tangents[0],
            node.operands[1],
            **fields_of(node.attrs),  # type: ignore[arg-type]
        )
    ),
    expand=_expand_gather,
    samples=lambda: [
        Sample((*s.arrays, _indices(shape, a)), a)
        for shape, a in CASES
        for s in samples.floats(shape)
    ],
    batch=batch_window,
)


def _infer_scatter(a: ScatterWindowAttrs, g: TensorType, index: TensorType) -> TensorType:
    numbers("scatter_window", g)
    result = tensor(g.dtype, a.shape)
    shape = window_shape("scatter_window", a, result)
    _check_choice("scatter_window", index, shape)
    if g.shape != shape:
        raise ShapeError(f"scatter_window: got {g}, expected {tensor(g.dtype, shape)}")
    return result


def _scatter(a: ScatterWindowAttrs, g: np.ndarray, index: np.ndarray) -> np.ndarray:
    work = wide(g)
    shape = static_shape(a.shape)
    numbered = np.arange(math.prod(shape)).reshape(shape)
    where = _gather(a, numbered + 1, index)  # 0 where a window's choice is padding
    found = np.zeros(numbered.size + 1, work.dtype)
    np.add.at(found, where.reshape(-1), work.reshape(-1))
    return found[1:].reshape(shape).astype(g.dtype)


def _expand_scatter(a: ScatterWindowAttrs, g: Node, index: Node) -> Node:
    if 0 in (*a.shape, *g.tensor.shape):
        return splat(0, g.tensor.dtype, a.shape)
    spans = spans_of(a, a.shape)
    known = [span for span in spans if span is not None]
    if all(s.base == s.dilation == 1 and s.size <= s.stride for s in known):
        return _scatter_apart(a, g, index)
    low, high = back_padding(spans)
    back = WindowAttrs(a.size, a.base_dilation, low, high, a.stride, a.window_dilation)
    # From an element back to windows, so the windows' places come in reverse.
    values, axes = seen(back, g, 0)
    choices, _ = seen(back, index, -1)
    shape, taps = values.tensor.shape, _taps_of(a, axes)
    place = e.sub(splat(math.prod(taps) - 1, I32, shape), _flat_taps(shape, taps))
    taken = e.select(e.eq(place, choices), values, splat(0, g.tensor.dtype, shape))
    return reduce_sum(taken, axes=tuple(range(len(axes))))


def _scatter_apart(a: ScatterWindowAttrs, g: Node, index: Node) -> Node:
    """Where no two windows overlap, each element looks at one window only."""
    shape: list[Size] = []
    kept: list[int] = []
    places: list[tuple[int, int, int]] = []  # where places inside windows stand, size, step
    for axis, count in enumerate(g.tensor.shape):
        kept.append(len(shape))
        shape.append(count)
        if not is_plain(a, axis):
            places.append((len(shape), a.size[axis], math.prod(a.size[axis + 1 :])))
            shape.append(a.stride[axis])
    wide_shape = tuple(shape)
    type_ = tensor(I32, wide_shape)
    place = splat(0, I32, wide_shape)
    inside: Node | None = None
    for axis, size, step in places:
        along = iota(type=type_, axis=axis)
        place = e.add(place, e.mul(along, splat(step, I32, wide_shape)))
        if wide_shape[axis] != size:
            own = e.lt(along, splat(size, I32, wide_shape))
            inside = own if inside is None else e.and_(inside, own)
    hit = e.eq(place, broadcast(index, shape=wide_shape, axes=tuple(kept)))
    hit = hit if inside is None else e.and_(hit, inside)
    values = broadcast(g, shape=wide_shape, axes=tuple(kept))
    taken = e.select(hit, values, splat(0, g.tensor.dtype, wide_shape))
    merged = tuple(
        size if is_plain(a, axis) else size * a.stride[axis]
        for axis, size in enumerate(g.tensor.shape)
    )
    high = [
        0 if is_plain(a, axis) else whole - size + a.low[axis]
        for axis, (whole, size) in enumerate(zip(a.shape, merged, strict=True))
    ]
    zero, none = constant(0, g.tensor.dtype), (0,) * len(merged)
    low = tuple(-amount for amount in a.low)
    return pad(reshape(taken, shape=merged), zero, low=low, high=tuple(high), interior=none)


def _scatter_vjp(node: Node, g: Node) -> Cotangents:
    a = node.attrs
    assert isinstance(a, ScatterWindowAttrs)
    return gather_window(g, node.operands[1], **fields_of(a)), None


def _scatter_samples() -> list[Sample]:
    found = []
    for shape, a in CASES:
        index = _indices(shape, a)
        attrs = ScatterWindowAttrs(
            a.size, a.stride, a.low, a.high, a.base_dilation, a.window_dilation, shape
        )
        found += [Sample((*s.arrays, index), attrs) for s in samples.floats(index.shape)]
    return found


scatter_window: Op = Op(
    "scatter_window",
    infer=_infer_scatter,
    reference=_scatter,
    attrs=ScatterWindowAttrs,
    vjp=_scatter_vjp,
    jvp=lambda node, tangents: (
        tangents[0] and make(node.op, (tangents[0], node.operands[1]), node.attrs)
    ),
    expand=_expand_scatter,
    samples=_scatter_samples,
    batch=batch_window,
)

ROWS = (
    reduce_window_max, reduce_window_min, argmax_window, argmin_window, gather_window,
    scatter_window,
)  # fmt: skip
