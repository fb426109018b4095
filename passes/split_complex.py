"""Complex values give way to pairs of real ones; targets never see a complex number.

Only the program's own arguments and results stay complex in memory, where real and imaginary
part alternate: they are seen as real arrays with a last axis of 2. The arithmetic on pairs is in
`graphc.passes.complex_parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from graphc.ir.errors import UnsupportedError
from graphc.ir.graph import Graph, rebuild
from graphc.ir.node import Attrs, Node, Op, make, regions
from graphc.ir.places import Places, Recorder, recording, written_at
from graphc.ir.types import BOOL, TensorType, TupleType, tensor
from graphc.ops import complex as c
from graphc.ops import (
    cumulative,
    custom,
    duals,
    indexing,
    leaf,
    movement,
    partial_sums,
    reduction,
    special,
    windows,
)
from graphc.ops import elementwise as e
from graphc.ops.build import splat
from graphc.ops.contraction import dot_general
from graphc.ops.control import (
    ProjectAttrs,
    ScanAttrs,
    SwitchAttrs,
    WhileAttrs,
    parameters,
    project,
    results,
)
from graphc.passes import complex_folds as folds
from graphc.passes import complex_parts as parts
from graphc.passes.complex_parts import Parts, Split
from graphc.passes.revise import with_places

Rule: TypeAlias = "Callable[[Node, Sequence[Split]], Split]"


def split_complex(graph: Graph) -> Graph:
    """Replace complex values by pairs of real ones, in loops and branches too.

    before:                                  after:
      (%z: c64[3])                             (%z: f32[3,2])
      %0 = real %z : f32[3]                    %0 = slice %z {limit=[3,1], ...} : f32[3,1]
      return %0                                %1 = reshape %0 {shape=[3]} : f32[3]
                                               return %1

    Complex parameters and outputs become real ones with a last axis of 2, in the same memory.

    Raises:
        UnsupportedError: an operation on complex values has no form on pairs; its place is named.
    """
    known: dict[Graph, bool] = {}
    if not _is_complex(graph, known):
        return graph
    return _Splitting(known).program(graph)


def holds_complex(graph: Graph) -> bool:
    """Whether a complex value occurs in a graph or its regions."""
    return _is_complex(graph, {})


def in_memory(type_: TensorType) -> TensorType:
    """The real type of the memory of a complex one; others as they are.

    >>> str(in_memory(tensor("c64", (3,))))
    'f32[3,2]'
    """
    return tensor(type_.dtype.part, (*type_.shape, 2)) if type_.dtype.is_complex else type_


def as_memory(array: np.ndarray) -> np.ndarray:
    """The memory of a complex array as a real one; other arrays as they are.

    >>> as_memory(np.array([1 + 2j], np.complex64))
    array([[1., 2.]], dtype=float32)
    """
    if array.dtype.kind != "c":
        return array
    whole = np.ascontiguousarray(array).reshape(array.shape)
    return whole[..., None].view(np.dtype(f"f{array.dtype.itemsize // 2}"))


def _is_complex(graph: Graph, known: dict[Graph, bool]) -> bool:
    """Whether a complex value occurs in a graph or its regions, read or not."""
    found = known.get(graph)
    if found is None:
        known[graph] = found = any(
            any(type_.dtype.is_complex for type_ in node.results)
            or any(_is_complex(region, known) for region in regions(node))
            for node in (*graph.params, *graph.nodes)
        )
    return found


class _Splitting:
    """One run of the pass: regions that several nodes hold are split once."""

    def __init__(self, known: dict[Graph, bool]) -> None:
        self.known = known
        self.done: dict[Graph, Graph] = {}

    def program(self, graph: Graph) -> Graph:
        """The outermost graph, whose complex parameters are views of memory."""
        params = parameters(tuple(in_memory(type_) for type_ in graph.input_types))
        table: dict[Node, Places] = {}
        with recording(table) as record:
            given: list[Split] = [
                opened(new) if old.tensor.dtype.is_complex else new
                for old, new in zip(graph.params, params, strict=True)
            ]
            found = self.walk(graph, given, record)
            outputs = tuple(x if isinstance(x, Node) else closed(x) for x in found)
        return with_places(Graph(params, outputs, graph.names), table)

    def region(self, graph: Graph) -> Graph:
        """A graph that a node holds; its complex parameters become two each."""
        if not _is_complex(graph, self.known):
            return graph
        known = self.done.get(graph)
        if known is not None:
            return known
        types: list[TensorType] = []
        names: list[str] = []
        for type_, name in zip(graph.input_types, graph.names, strict=True):
            both = type_.dtype.is_complex
            types += [tensor(type_.dtype.part, type_.shape)] * (1 + both)
            names += [f"{name}.re", f"{name}.im"] if both else [name]
        params = parameters(tuple(types))
        rest = iter(params)
        table: dict[Node, Places] = {}
        with recording(table) as record:
            given: list[Split] = [
                (next(rest), next(rest)) if type_.dtype.is_complex else next(rest)
                for type_ in graph.input_types
            ]
            outputs = tuple(_flat(self.walk(graph, given, record)))
        made = with_places(Graph(params, outputs, tuple(names)), table)
        self.done[graph] = made
        return made

    def walk(self, graph: Graph, given: Sequence[Split], record: Recorder) -> list[Split]:
        """The outputs of a graph for what stands for its parameters."""
        env: dict[Node, Split] = dict(zip(graph.params, given, strict=True))
        several: dict[Node, list[Split]] = {}
        for node in graph.nodes:
            if node in env:
                continue
            record.here = graph.place(node)
            if node.op is project and isinstance(node.attrs, ProjectAttrs):
                env[node] = several[node.operands[0]][node.attrs.index]
                continue
            operands = [env[operand] for operand in node.operands]
            if isinstance(node.type, TupleType) or regions(node):
                several[node] = self.held(graph, node, operands)
                env[node] = several[node][0]
            else:
                env[node] = _split(graph, node, operands)
            for made in _flat([env[node]]):
                record.note(made)
        record.here = ()
        return [env[output] for output in graph.outputs]

    def held(self, graph: Graph, node: Node, operands: Sequence[Split]) -> list[Split]:
        """The results of a node that holds graphs."""
        plain = not any(_is_complex(region, self.known) for region in regions(node))
        if plain and all(isinstance(operand, Node) for operand in operands):
            return list(results(rebuild(node, tuple(_flat(operands)))))
        new: Attrs
        a, made = node.attrs, {id(region): self.region(region) for region in regions(node)}
        match a:
            case WhileAttrs():
                new = replace(
                    a,
                    condition=made[id(a.condition)],
                    body=made[id(a.body)],
                    invariant=len(_flat(operands[: a.invariant])),
                )
            case ScanAttrs():
                first = a.invariant + a.carried
                new = replace(
                    a,
                    body=made[id(a.body)],
                    invariant=len(_flat(operands[: a.invariant])),
                    carried=len(_flat(operands[a.invariant : first])),
                )
            case SwitchAttrs():
                new = replace(a, branches=tuple(made[id(branch)] for branch in a.branches))
            case _:
                raise _unsupported(graph, node)
        rest = iter(results(make(node.op, tuple(_flat(operands)), new)))
        return [
            (next(rest), next(rest)) if type_.dtype.is_complex else next(rest)
            for type_ in node.results
        ]


# one node


def opened(array: Node) -> Parts:
    """The parts of an array whose last axis holds them side by side."""
    return _half(array, 0), _half(array, 1)


def _half(array: Node, number: int) -> Node:
    shape = array.tensor.shape[:-1]
    zeros, ones = (0,) * len(shape), (1,) * array.tensor.rank
    start, limit = (*zeros, number), (*shape, number + 1)
    return movement.reshape(
        movement.slice(array, start=start, limit=limit, stride=ones), shape=shape
    )


def closed(pair: Parts) -> Node:
    """Both parts side by side along a new last axis."""
    shape = (*pair[0].tensor.shape, 1)
    return movement.concatenate(
        *(movement.reshape(part, shape=shape) for part in pair), axis=len(shape) - 1
    )


def _flat(values: Sequence[Split]) -> list[Node]:
    return [part for x in values for part in ((x,) if isinstance(x, Node) else x)]


def _split(graph: Graph, node: Node, operands: Sequence[Split]) -> Split:
    """What stands for a node of one result, given what stands for its operands."""
    if all(isinstance(x, Node) for x in operands) and not node.tensor.dtype.is_complex:
        return rebuild(node, tuple(_flat(operands)))
    if node.op in COMPONENTWISE:
        return _each_part(node, operands)
    rule = RULES.get(node.op)
    if rule is None:
        raise _unsupported(graph, node)
    return rule(node, operands)


def _unsupported(graph: Graph, node: Node) -> UnsupportedError:
    return UnsupportedError(
        f"{node.op.name} takes no complex numbers: got {node.type}, expected its real and "
        f"imaginary parts to be computed apart{written_at(graph.place(node))}"
    )


def _each_part(node: Node, operands: Sequence[Split]) -> Parts:
    """The operation on all real parts, and on all imaginary parts; indices serve both."""
    re, im = (
        make(node.op, tuple(x if isinstance(x, Node) else x[k] for x in operands), node.attrs)
        for k in (0, 1)
    )
    return re, im


def _function(function: Callable[..., Split]) -> Rule:
    return lambda node, operands: function(*operands)


def _constant(node: Node, operands: Sequence[Split]) -> Parts:
    value, part = leaf.constant_value(node), node.tensor.dtype.part
    assert value is not None
    return leaf.constant(value.real, part), leaf.constant(value.imag, part)


def _iota(node: Node, operands: Sequence[Split]) -> Parts:
    assert isinstance(node.attrs, leaf.IotaAttrs)
    type_ = tensor(node.tensor.dtype.part, node.tensor.shape)
    return leaf.iota(type=type_, axis=node.attrs.axis), splat(0, type_.dtype, type_.shape)


def _convert(node: Node, operands: Sequence[Split]) -> Split:
    (x,), dtype = operands, node.tensor.dtype
    if isinstance(x, Node):
        re = e.convert(x, dtype=dtype.part)
        return re, splat(0, dtype.part, re.tensor.shape)
    if dtype is BOOL:
        return e.or_(*(e.convert(part, dtype=BOOL) for part in x))
    if dtype.is_complex:
        return e.convert(x[0], dtype=dtype.part), e.convert(x[1], dtype=dtype.part)
    return e.convert(x[0], dtype=dtype)


def _equal(a: Parts, b: Parts) -> Node:
    return e.and_(e.eq(a[0], b[0]), e.eq(a[1], b[1]))


def _different(a: Parts, b: Parts) -> Node:
    return e.or_(e.ne(a[0], b[0]), e.ne(a[1], b[1]))


def _dot(node: Node, operands: Sequence[Split]) -> Parts:
    (a, b), (c_, d) = operands  # type: ignore[misc]  # both sides have one type
    one, two = make(dot_general, (a, c_), node.attrs), make(dot_general, (b, d), node.attrs)
    three, four = make(dot_general, (a, d), node.attrs), make(dot_general, (b, c_), node.attrs)
    return e.sub(one, two), e.add(three, four)


COMPONENTWISE: frozenset[Op] = frozenset({
    duals.broadcast, duals.reduce_sum, windows.windows, movement.reshape, movement.transpose,
    movement.slice, movement.pad, movement.concatenate, movement.reverse, indexing.gather,
    indexing.scatter, indexing.dynamic_slice, indexing.dynamic_update_slice, e.select,
    custom.optimization_barrier, partial_sums.partial_sums,
})  # fmt: skip

RULES: Mapping[Op, Rule] = {
    leaf.literal: _constant,
    leaf.iota: _iota,
    c.complex_: _function(lambda re, im: (re, im)),
    c.real: _function(lambda a: a[0]),
    c.imag: _function(lambda a: a[1]),
    c.conj: _function(lambda a: (a[0], e.neg(a[1]))),
    e.convert: _convert,
    e.eq: _function(_equal),
    e.ne: _function(_different),
    e.abs: _function(parts.length),
    dot_general: _dot,
    reduction.reduce_prod: folds.product,
    cumulative.cumulative: folds.running,
    **{
        row: _function(getattr(parts, row.name))
        for row in (
            e.neg, e.add, e.sub, e.mul, e.div, e.pow, e.sign, e.exp, e.expm1, e.log, e.log1p,
            e.sqrt, e.rsqrt, e.sin, e.cos, e.tan, e.tanh, special.asin, special.acos,
            special.atan, special.sinh, special.cosh, special.asinh, special.acosh, special.atanh,
        )
    },
}  # fmt: skip
