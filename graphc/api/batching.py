"""`vmap`: a function of one example made a function of many."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from graphc import tree
from graphc.api.arguments import Signature
from graphc.api.jit import jit
from graphc.api.regions import token_before, without_token
from graphc.api.staged import wrap
from graphc.ir.errors import ArgumentError, ShapeError
from graphc.ir.places import user_place, written_at
from graphc.ir.types import Size, TensorType, tensor
from graphc.ops.batching import batch_graph
from graphc.ops.duals import broadcast
from graphc.ops.movement import transpose
from graphc.ops.reduction import reduce_max
from graphc.trace import bind, current_frame, lift_constant, splice, trace_region
from graphc.tree import LEAF, Structure, Tree

Function = Callable[..., Tree]
NONE = tree.structure(None)


def vmap(
    fun: Function, in_axes: Tree = 0, out_axes: Tree = 0, *, axis_size: int | None = None
) -> Function:
    """A function that applies `fun` to each element along an axis of its arguments.

    `in_axes` says along which: an int for all, or a tuple with an int, None (the same for all
    elements) or a tree of these for each argument; keyword arguments are taken along axis 0.
    `out_axes` says, likewise, where that axis stands in the results. `axis_size` is needed only
    where no argument has the axis.

    >>> import numpy as np
    >>> import graphc as gc
    >>> import graphc.numpy as gnp
    >>> a, b = np.ones((3, 4), np.float32), np.arange(4, dtype=np.float32)
    >>> gc.vmap(gnp.dot, in_axes=(0, None))(a, b).tolist()
    [6.0, 6.0, 6.0]

    Raises:
        ArgumentError: `in_axes` or `out_axes` do not fit the arguments or results.
        ShapeError: axes that are not there, or of different sizes.
        UnsupportedError: an operation that has no batching rule.
    """
    if not callable(fun):
        raise ArgumentError(f"vmap: got {type(fun).__name__}, expected a function")
    if not isinstance(in_axes, int | tuple | list | None):
        raise ArgumentError(
            f"vmap: got in_axes of type {type(in_axes).__name__}, expected an int, None or a "
            f"tuple with an entry for each argument{written_at(user_place())}"
        )

    @functools.wraps(fun)
    def batched(*args: Tree, **kwargs: Tree) -> Tree:
        if current_frame() is None:
            return compiled(*args, **kwargs)
        return _batched(fun, in_axes, out_axes, axis_size, args, kwargs)

    compiled = jit(batched)
    return batched


@dataclass(frozen=True)
class _Rows:
    """The leaves of a call that have the batch axis: which they are, and they, axis in front."""

    where: tuple[int, ...]
    values: tuple[Tree, ...]
    size: Size

    @property
    def types(self) -> list[TensorType]:
        """The types of one element."""
        return [tensor(row.type.dtype, row.type.shape[1:]) for row in self.values]


def _rows(
    leaves: Sequence[Tree],
    axes: Sequence[int | None],
    names: Sequence[str],
    axis_size: int | None,
) -> _Rows:
    where, values, sizes = [], [], []
    for i, (leaf, axis, name) in enumerate(zip(leaves, axes, names, strict=True)):
        if axis is None:
            continue
        row = leaf if hasattr(leaf, "node") else lift_constant(leaf)
        front = _checked(axis, row.type, f"in_axes for {name}")
        where.append(i)
        sizes.append(row.type.shape[front])
        values.append(_moved(row, front, 0))
    size = _size(sizes, [names[i] for i in where], axis_size)
    return _Rows(tuple(where), tuple(values), size)


def _batched(
    fun: Function,
    in_axes: Tree,
    out_axes: Tree,
    axis_size: int | None,
    args: tuple[Tree, ...],
    kwargs: dict[str, Tree],
) -> Tree:
    """The call of a batched function, inside a trace."""
    leaves, structure = tree.flatten((args, kwargs))
    axes = _in_axes(in_axes, args) + [0] * len(tree.leaves(kwargs))
    rows = _rows(leaves, axes, _names(fun, args, kwargs), axis_size)
    found: list[Structure] = []
    weak: list[bool] = []

    def run(*tracers: Tree) -> Sequence[object]:
        inner = list(leaves)
        for i, tracer, row in zip(rows.where, tracers, rows.values, strict=True):
            tracer.weak = row.weak
            inner[i] = tracer
        own, named = tree.unflatten(structure, inner)
        values, shape = tree.flatten(fun(*own, **named))
        found.append(shape)
        weak.extend(bool(getattr(value, "weak", False)) for value in values)
        return values

    region = trace_region(run, rows.types, wrap)
    captured, tells = region.captured, region.tells
    flags = [False] * len(captured) + [True] * len(rows.values) + [False] * tells
    graph, differs = batch_graph(region.close(captured, tells=tells), flags, rows.size)
    frame = current_frame()
    assert frame is not None
    outside = [frame.wrap(node, frame) for node in captured]
    results = list(splice(graph, [*outside, *rows.values, *token_before(tells)]))
    if tells and differs[-1]:  # any lane's token is the token of all
        results[-1] = bind(reduce_max, results[-1], axes=(0,))
    results = list(without_token(results, tells))
    targets = _spread("out_axes", out_axes, found[0])
    names = tree.names("the result", found[0])
    placed = []
    for each in zip(results, differs[: len(results)], targets, names, weak, strict=True):
        value, own, axis, name, is_weak = each
        placed.append(_placed(value, own, axis, name, rows.size))
        placed[-1].weak = is_weak
    return tree.unflatten(found[0], placed)


def _names(fun: Function, args: Sequence[Tree], kwargs: dict[str, Tree]) -> list[str]:
    """Per leaf, what messages call it."""
    known = Signature(fun).positional_names()
    owners = [known[i] if i < len(known) else f"argument {i}" for i in range(len(args))]
    named = [*zip(owners, args, strict=True), *((key, kwargs[key]) for key in sorted(kwargs))]
    return [name for owner, value in named for name in tree.names(owner, tree.structure(value))]


def _in_axes(in_axes: Tree, args: tuple[Tree, ...]) -> list[int | None]:
    if isinstance(in_axes, tuple | list):
        if len(in_axes) != len(args):
            raise ArgumentError(
                f"vmap: got in_axes for {len(in_axes)} arguments in a call with {len(args)}, "
                f"expected an entry for each{written_at(user_place())}"
            )
        in_axes = tuple(in_axes)
    return _spread("in_axes", in_axes, tree.structure(args))


def _spread(name: str, prefix: Tree, structure: Structure) -> list[int | None]:
    """One axis per leaf of `structure`, from a tree of axes that may end earlier."""
    axes, shape = tree.flatten(prefix)
    return _spread_over(name, iter(axes), shape, structure)


def _spread_over(
    name: str, axes: Iterator[Tree], prefix: Structure, structure: Structure
) -> list[int | None]:
    if prefix == NONE:
        return [None] * structure.count
    if prefix == LEAF:
        return [_index(name, next(axes))] * structure.count
    if (prefix.kind, prefix.keys) != (structure.kind, structure.keys):
        raise ArgumentError(
            f"vmap: got {name} of structure {prefix} for {structure}, expected the same or one "
            f"that ends earlier{written_at(user_place())}"
        )
    pairs = zip(prefix.children, structure.children, strict=True)
    return [axis for own, other in pairs for axis in _spread_over(name, axes, own, other)]


def _index(name: str, axis: Tree) -> int:
    try:
        return operator.index(axis)
    except TypeError:
        raise ArgumentError(
            f"vmap: got {axis!r} in {name}, expected an int or None{written_at(user_place())}"
        ) from None


def _checked(axis: int | None, type_: TensorType, name: str) -> int:
    """An axis of `type_`, counted from the front."""
    assert axis is not None
    if not -type_.rank <= axis < type_.rank:
        expected = f"{-type_.rank} to {type_.rank - 1}" if type_.rank else "None for a scalar"
        raise ShapeError(
            f"vmap: got {name} = {axis} with {type_}, expected {expected}{written_at(user_place())}"
        )
    return axis % type_.rank


def _size(sizes: Sequence[Size], names: Sequence[str], given: int | None) -> Size:
    """The one size of all the axes."""
    if given is not None:
        sizes, names = [given, *sizes], ["axis_size", *names]
    if not sizes:
        raise ArgumentError(
            "vmap: got no argument with a batch axis, expected one in in_axes that is not None, "
            f"or axis_size{written_at(user_place())}"
        )
    for size, name in zip(sizes, names, strict=True):
        if size != sizes[0]:
            raise ShapeError(
                f"vmap: got axes of different sizes, {sizes[0]} in {names[0]} and {size} in "
                f"{name}, expected one size{written_at(user_place())}"
            )
    return sizes[0]


def _moved(value: Tree, source: int, target: int) -> Tree:
    if source == target:
        return value
    order = [axis for axis in range(value.ndim) if axis != source]
    order.insert(target, source)
    moved = bind(transpose, value, permutation=tuple(order))
    moved.weak = value.weak
    return moved


def _placed(value: Tree, batched: bool, axis: int | None, name: str, size: Size) -> Tree:
    """A result with its batch axis where `out_axes` wants it."""
    if axis is None:
        if batched:
            raise ArgumentError(
                f"vmap: got out_axes None for {name}, which differs from element to element, "
                f"expected an axis{written_at(user_place())}"
            )
        return value
    shape = value.type.shape[1:] if batched else value.type.shape
    whole = tensor(value.type.dtype, (size, *shape))
    target = _checked(axis, whole, f"out_axes for {name}")
    if batched:
        return _moved(value, 0, target)
    kept = tuple(i for i in range(whole.rank) if i != target)
    shape = (*shape[:target], size, *shape[target:])
    return bind(broadcast, value, shape=shape, axes=kept)
