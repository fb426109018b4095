"""The law: what a graph means, one NumPy call per node, slow and obvious.

Every lower level is tested against this function. Errors name the user's line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import fields, replace
from typing import TypeAlias

import numpy as np

from graphc.ir.dims import Dim, evaluate, names_of
from graphc.ir.errors import Error, ShapeError
from graphc.ir.graph import Graph, transform
from graphc.ir.node import Attrs, Node, Value, make
from graphc.ir.places import written_at
from graphc.ir.types import TensorType, tensor

Watch: TypeAlias = Callable[[Node, Sequence[Value], Value, Graph], None]
# Called with each node that was evaluated, its operands, its value and the graph it stands in.
watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


def interpret(graph: Graph, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The outputs of `graph` for `arrays`, one per parameter.

    Raises:
        ShapeError: an array does not have its parameter's type.
        OutOfRangeError: an index is outside its axis.
    """
    sizes = bind_sizes(graph, [array.shape for array in arrays])
    if sizes:
        graph = concretize(graph, sizes)
    # A row of a vector is a NumPy scalar, in which nothing can be written.
    values: dict[Node, Value] = dict(zip(graph.params, map(np.asarray, arrays), strict=True))
    for param, array, name in zip(graph.params, arrays, graph.names, strict=True):
        expected = param.tensor
        if array.dtype != expected.dtype.numpy or array.shape != expected.shape:
            raise ShapeError(f"{name}: got {array.dtype}{array.shape}, expected {expected}")
    for node in graph.nodes:
        if node not in values:
            values[node] = evaluate_node(node, [values[o] for o in node.operands], graph)
    return tuple(np.asarray(values[output]) for output in graph.outputs)


def evaluate_node(node: Node, operands: Sequence[Value], graph: Graph) -> Value:
    """The value of one node of static shape."""
    assert node.op.reference is not None, node.op.name
    try:
        value = node.op.reference(node.attrs, *operands)
        value = value if isinstance(value, tuple) else np.asarray(value)
        look = watch.get()
        if look is not None:
            look(node, operands, value, graph)
        return value
    except Error as error:
        if graph.place(node) and "written at" not in str(error):
            raise type(error)(f"{error}{written_at(graph.place(node))}") from None
        raise


def concretize(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """The graph with every symbolic size replaced by its value, inside regions too."""
    params = tuple(make(param.op, (), bound(param.attrs, sizes)) for param in graph.params)
    return transform(
        graph, lambda node, operands: make(node.op, operands, bound(node.attrs, sizes)), params
    )


def concrete(type_: TensorType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of a type for given named sizes."""
    return tuple(evaluate(size, sizes) for size in type_.shape)


def bound(attrs: Attrs, sizes: Mapping[str, int]) -> Attrs:
    """Attributes with every symbolic size replaced by its value."""
    changed: dict[str, object] = {}
    for field in fields(attrs):
        value = getattr(attrs, field.name)
        if isinstance(value, tuple) and any(isinstance(size, Dim) for size in value):
            changed[field.name] = tuple(evaluate(size, sizes) for size in value)
        elif isinstance(value, TensorType) and not value.is_static:
            changed[field.name] = tensor(value.dtype, concrete(value, sizes))
        elif isinstance(value, Graph):
            changed[field.name] = concretize(value, sizes)
        elif isinstance(value, tuple) and any(isinstance(item, Graph) for item in value):
            changed[field.name] = tuple(concretize(item, sizes) for item in value)
    return replace(attrs, **changed) if changed else attrs


def bind_sizes(graph: Graph, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """The named sizes that the shapes of the arguments give.

    Raises:
        ShapeError: the same name gets two sizes, or a name is nowhere a size of its own.
    """
    sizes: dict[str, int] = {}
    wanted: set[str] = set()
    for param, shape, name in zip(graph.params, shapes, graph.names, strict=True):
        wanted.update(names_of(param.tensor.shape))
        for size, got in zip(param.tensor.shape, shape, strict=False):
            if isinstance(size, Dim) and size.names == (str(size),):
                known = sizes.setdefault(str(size), got)
                if known != got:
                    raise ShapeError(f"{name}: got {size} = {got}, expected {known} as before")
    unbound = sorted(wanted - set(sizes))
    if unbound:
        raise ShapeError(f"size {unbound[0]} appears in no argument's shape by itself")
    return sizes
