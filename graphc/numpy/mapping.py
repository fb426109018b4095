"""Functions of scalars or vectors applied along whole arrays: the function is traced once.

`apply_along_axis` and `vectorize` make the graph of one application and batch it
(`graphc.ops.batching`), as `vmap` does; nothing is called element by element.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from graphc import tree
from graphc.ir.errors import ArgumentError, ShapeError
from graphc.ir.interpret import interpret
from graphc.ir.types import Shape, Size, tensor
from graphc.numpy.array import Array
from graphc.numpy.movement import broadcast_to, expand_dims, moveaxis, reshape
from graphc.numpy.promotion import (
    ArrayLike,
    array_of,
    axis_in,
    broadcast_shapes,
    fail,
    kind_of,
    shape_of,
    text_of,
)
from graphc.ops.batching import batch_graph
from graphc.trace import as_array, current_frame, splice, trace, trace_region
from graphc.tree import Structure, Tree

__all__ = [
    "apply_along_axis",
    "apply_over_axes",
    "vectorize",
]

Function: TypeAlias = Callable[..., Any]
CORE = re.compile(r"\(([^()]*)\)")


def mapped(function: Function, rows: Sequence[Array]) -> Tree:
    """`function` of each element along the first axes of `rows`, which are of one size."""
    (size,) = {shape_of(row)[0] for row in rows}
    types = [tensor(kind_of(row).dtype, shape_of(row)[1:]) for row in rows]
    found: list[Structure] = []

    def flat(*values: Tree) -> Sequence[object]:
        leaves, structure = tree.flatten(function(*values))
        found.append(structure)
        return leaves

    frame = current_frame()
    if frame is None:
        graph = trace(flat, types, Array.wrap)
        batched, flags = batch_graph(graph, [True] * len(rows), size)
        results: Sequence[Any] = interpret(batched, *(as_array(row) for row in rows))
    else:
        region = trace_region(flat, types, Array.wrap)
        captured = region.captured
        given = [False] * len(captured) + [True] * len(rows)
        batched, flags = batch_graph(region.close(captured), given, size)
        outside = [frame.wrap(node, frame) for node in captured]
        results = splice(batched, [*outside, *rows])
    whole = [
        value if own else broadcast_to(value, (size, *shape_of(value)))
        for value, own in zip(results, flags, strict=True)
    ]
    return tree.unflatten(found[0], whole)


def apply_along_axis(
    func1d: Function, axis: int, arr: ArrayLike, *args: object, **kwargs: object
) -> Array:
    """A function of vectors applied to each vector along `axis`.

    The axes of its result stand where the axis stood.

    >>> import numpy as np
    >>> import graphc.numpy as gnp
    >>> apply_along_axis(gnp.sum, 0, np.ones((2, 3))).tolist()
    [2.0, 2.0, 2.0]
    """
    shape = shape_of(arr)
    along = axis_in(axis, len(shape), "apply_along_axis")
    others = (*shape[:along], *shape[along + 1 :])
    last = moveaxis(arr, along, -1)
    rows = reshape(last, (math.prod(others), shape[along]))
    found = array_of(mapped(lambda row: func1d(row, *args, **kwargs), [rows]))
    inner = shape_of(found)[1:]
    spread = reshape(found, (*others, *inner))
    ends = tuple(range(len(others), len(others) + len(inner)))
    return moveaxis(spread, ends, tuple(range(along, along + len(inner))))


def apply_over_axes(func: Function, a: ArrayLike, axes: int | Sequence[int]) -> Array:
    """A reduction `func(a, axis)` applied over several axes one after another, which stay as 1.

    Raises:
        ShapeError: a result that has lost more than the axis.
    """
    found, rank = array_of(a), len(shape_of(a))
    for axis in (axes,) if isinstance(axes, int) else axes:
        along = axis_in(axis, rank, "apply_over_axes")
        reduced = func(found, along)
        found = reduced if len(shape_of(reduced)) == rank else expand_dims(reduced, along)
        if len(shape_of(found)) != rank:
            got = text_of(shape_of(reduced))
            fail(ShapeError, f"apply_over_axes: got {got}, expected {rank} or {rank - 1} axes")
    return found


# vectorize


def vectorize(
    pyfunc: Function, *, excluded: Sequence[int] = (), signature: str | None = None
) -> Function:
    """A function of scalars, or of what its `signature` says, made one of arrays that broadcast.

    A signature such as "(m,n),(n)->(m)" names the axes that one call sees; those in front of
    them broadcast. Arguments in `excluded` are passed as they are.

    >>> import numpy as np
    >>> import graphc.numpy as gnp
    >>> product = vectorize(gnp.dot, signature="(n),(n)->()")
    >>> product(np.ones((2, 3)), np.ones(3)).tolist()
    [3.0, 3.0]

    Raises:
        ArgumentError: a signature that is none, or does not fit the call.
        ShapeError: arguments whose axes do not fit the signature.
    """
    inputs, outputs = (None, None) if signature is None else _signature(signature)

    @functools.wraps(pyfunc)
    def vectorized(*args: ArrayLike) -> Tree:
        places = [i for i in range(len(args)) if i not in excluded]
        arrays = [array_of(args[i]) for i in places]
        cores = [()] * len(arrays) if inputs is None else inputs
        if len(cores) != len(arrays) or not arrays:
            got = f"{len(arrays)} arguments"
            fail(
                ArgumentError, f"vectorize: got {got}, expected {len(cores)} as the signature says"
            )
        sizes: dict[str, Size] = {}
        lead = broadcast_shapes(
            *(_lead(x, core, sizes) for x, core in zip(arrays, cores, strict=True))
        )
        count = math.prod(lead)
        rows = []
        for x, core in zip(arrays, cores, strict=True):
            own = shape_of(x)[len(shape_of(x)) - len(core) :]
            rows.append(reshape(broadcast_to(x, (*lead, *own)), (count, *own)))

        def once(*values: Tree) -> Tree:
            given: list[Tree] = list(args)
            for place, value in zip(places, values, strict=True):
                given[place] = value
            found = pyfunc(*given)
            _check_results(found, outputs, sizes)
            return found

        found = mapped(once, rows)
        return tree.map(lambda x: reshape(x, (*lead, *shape_of(x)[1:])), found)

    return vectorized


def _signature(text: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    left, arrow, right = text.replace(" ", "").partition("->")
    sides = []
    for side in (left, right):
        cores = [tuple(name for name in core.split(",") if name) for core in CORE.findall(side)]
        if ",".join(f"({','.join(core)})" for core in cores) != side:
            fail(ArgumentError, f"vectorize: got signature {text!r}, expected '(m,n),(n)->(m)'")
        sides.append(cores)
    if not arrow:
        fail(ArgumentError, f"vectorize: got signature {text!r}, expected an arrow '->'")
    return sides[0], sides[1]


def _lead(x: Array, core: tuple[str, ...], sizes: dict[str, Size]) -> Shape:
    """The axes of an argument that broadcast; the sizes of the others are noted by name."""
    shape = shape_of(x)
    cut = len(shape) - len(core)
    if cut < 0:
        fail(ShapeError, f"vectorize: got {text_of(shape)}, expected axes {text_of(core)}")  # type: ignore[arg-type]
    for name, size in zip(core, shape[cut:], strict=True):
        known = int(name) if name.isdigit() else sizes.setdefault(name, size)
        if known != size:
            fail(ShapeError, f"vectorize: got size {size} for {name!r}, expected {known}")
    return shape[:cut]


def _check_results(
    found: Tree, outputs: list[tuple[str, ...]] | None, sizes: dict[str, Size]
) -> None:
    values = list(found) if isinstance(found, tuple) else [found]
    cores: Sequence[tuple[str, ...]] = [()] * len(values) if outputs is None else outputs
    if len(cores) != len(values):
        fail(ArgumentError, f"vectorize: got {len(values)} results, expected {len(cores)}")
    for value, core in zip(values, cores, strict=True):
        if _lead(value, core, sizes):
            shape = text_of(shape_of(value))
            fail(ShapeError, f"vectorize: got a result of shape {shape}, expected {len(core)} axes")
