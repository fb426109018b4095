"""Derivatives as functions of tangents and cotangents, with JAX's names and argument order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphc import tree
from graphc.api.arguments import require_callable
from graphc.api.backend import prepared
from graphc.api.jit import jit
from graphc.api.leaves import is_python_number, lifted
from graphc.api.regions import (
    lifted_all,
    operands_of,
    token_before,
    traced,
    with_zeros,
    without_token,
)
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.graph import Graph
from graphc.ir.places import user_place, written_at
from graphc.ir.types import TensorType, tensor
from graphc.ops.forward import push_forward
from graphc.ops.reverse import joint_graph
from graphc.ops.split import split
from graphc.trace import current_frame, splice
from graphc.tree import Structure, Tree

Function = Callable[..., Tree]


def jvp(
    fun: Function, primals: Sequence[Tree], tangents: Sequence[Tree], has_aux: bool = False
) -> tuple[Tree, ...]:
    """The value of `fun` at `primals`, and how it changes along `tangents` (forward mode).

    Works through loops of any length. Results that are no floats have zeros as tangents. With
    `has_aux`, `fun` gives `(value, auxiliary)`, and the auxiliary result comes third.

    >>> import graphc as gc
    >>> value, slope = gc.jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 0.0))
    >>> float(value), float(slope)
    (12.0, 4.0)

    Raises:
        ArgumentError, ShapeError, DtypeError: the tangents do not look like the primals.
        UnsupportedError: an operation on the way has no derivative.
    """
    require_callable("jvp", fun)
    primals, tangents = _listed("jvp", primals), _listed("jvp", tangents)
    if current_frame() is None:
        found: tuple[Tree, ...] = jit(lambda p, t: jvp(fun, p, t, has_aux))(primals, tangents)
        return found
    closed = _closed("jvp", fun, primals, has_aux)
    moved = _like("jvp: tangents", tangents, closed.in_tree, [p.type for p in closed.primals])
    results = splice(push_forward(closed.graph, closed.wrt, closed.of), [*closed.given, *moved])
    count = len(closed.graph.outputs)
    value, aux = closed.results(results[:count])
    slopes = tree.unflatten(closed.out_tree, closed.spread(results[count:]))
    return (value, slopes, aux) if has_aux else (value, slopes)


def linearize(fun: Function, *primals: Tree, has_aux: bool = False) -> tuple[Tree, ...]:
    """The value of `fun` at `primals`, and its derivative there as a function of tangents.

    What does not depend on the tangents is computed once, except in loops and branches.

    >>> import graphc as gc
    >>> value, along = gc.linearize(lambda x: x**2, 3.0)
    >>> float(value), float(along(1.0)), float(along(10.0))
    (9.0, 6.0, 60.0)
    """
    require_callable("linearize", fun)
    return _in_two_parts(lambda *p: _linearized(fun, p, has_aux), primals)


def vjp(fun: Function, *primals: Tree, has_aux: bool = False) -> tuple[Tree, ...]:
    """The value of `fun` at `primals`, and a function from cotangents of it to theirs.

    That function takes one tree like the value and gives a tuple, one tree per primal. With
    `has_aux`, `fun` gives `(value, auxiliary)`, and the auxiliary result comes third.

    >>> import graphc as gc
    >>> value, pull = gc.vjp(lambda x, y: x * y, 3.0, 4.0)
    >>> float(value), [float(slope) for slope in pull(1.0)]
    (12.0, [4.0, 3.0])

    Raises:
        DtypeError: a primal is not of floats.
        UnsupportedError: an operation on the way has no derivative.
    """
    require_callable("vjp", fun)
    return _in_two_parts(lambda *p: _pulled_back(fun, p, has_aux), primals)


@dataclass(frozen=True)
class _Closed:
    """A function of some arguments, traced: parameters are what it reads, then the primals."""

    graph: Graph
    outside: list[Tree]
    primals: list[Tree]
    in_tree: Structure
    out_tree: Structure
    aux_tree: Structure
    tells: bool

    @property
    def given(self) -> list[Tree]:
        return [*self.outside, *self.primals, *token_before(self.tells)]

    @property
    def wrt(self) -> range:
        return range(len(self.outside), len(self.outside) + len(self.primals))

    @property
    def types(self) -> tuple[TensorType, ...]:
        """Those of the value, without the auxiliary result."""
        return self.graph.output_types[: self.out_tree.count]

    @property
    def of(self) -> list[int]:
        """Which of the value's leaves are floats."""
        return [i for i, type_ in enumerate(self.types) if type_.dtype.is_inexact]

    def results(self, leaves: Sequence[Tree]) -> tuple[Tree, Tree]:
        """The value and the auxiliary result, from those of the graph."""
        without_token(leaves[: len(self.graph.outputs)], self.tells)
        count = self.out_tree.count
        value = tree.unflatten(self.out_tree, leaves[:count])
        return value, tree.unflatten(self.aux_tree, leaves[count : count + self.aux_tree.count])

    def spread(self, slopes: Sequence[Tree]) -> list[Tree]:
        """Tangents of all leaves of the value, from those of the floats."""
        return with_zeros(slopes, self.types)


def _closed(name: str, fun: Function, primals: Sequence[Tree], has_aux: bool) -> _Closed:
    leaves, in_tree = tree.flatten(tuple(primals))
    arrays = lifted_all(f"a primal of {name}", leaves)
    for array in arrays:
        if not array.type.dtype.is_inexact:
            raise DtypeError(
                f"{name}: got a primal of {array.type}, expected floats; let the function read "
                f"integers from outside{written_at(user_place())}"
            )
    body = traced(name, lambda args: fun(*args), arrays, in_tree)
    out_tree, aux_tree = body.structure, tree.structure(None)
    if has_aux:
        if out_tree.kind is not tuple or len(out_tree.children) != 2:
            raise ArgumentError(
                f"{name}: got a function that gives {out_tree}, expected a tuple of the value and "
                f"the auxiliary result, for has_aux is set{written_at(user_place())}"
            )
        out_tree, aux_tree = out_tree.children
    outside, tells = body.region.captured, body.region.tells
    graph = body.region.close(outside, tells=tells)
    return _Closed(graph, operands_of(outside), arrays, in_tree, out_tree, aux_tree, tells)


def _listed(name: str, given: Tree) -> tuple[Tree, ...]:
    if not isinstance(given, tuple | list):
        raise ArgumentError(
            f"{name}: got {type(given).__name__}, expected a tuple with one entry per argument"
            f"{written_at(user_place())}"
        )
    return tuple(given)


def _like(name: str, given: Tree, structure: Structure, types: Sequence[TensorType]) -> list[Tree]:
    """The leaves of a tree that must have a structure and types; Python numbers yield."""
    leaves, got = tree.flatten(given)
    if got != structure:
        raise ArgumentError(f"{name}: got {got}, expected {structure}{written_at(user_place())}")
    found = []
    for leaf, type_ in zip(leaves, types, strict=True):
        if is_python_number(leaf) and not type_.shape:
            leaf = np.asarray(leaf, type_.dtype.numpy)
        array = leaf if current_frame() is None else lifted(leaf, name)
        own = tensor(array.dtype, array.shape)
        if own != type_:
            error = ShapeError if own.dtype is type_.dtype else DtypeError
            raise error(f"{name}: got {own}, expected {type_}{written_at(user_place())}")
        found.append(array)
    return found


# functions in two parts


class Linear:
    """The part of a derivative that waits for tangents or cotangents; call it with them."""

    def __init__(
        self,
        name: str,
        late: Graph,
        kept: Sequence[Tree],
        into: tuple[Structure, Sequence[TensorType]],
        out: tuple[Structure, Sequence[TensorType]],
        several: bool,
    ) -> None:
        self.name, self.late, self.kept = name, late, kept
        self.in_tree, self.in_types = into
        self.out_tree, self.out_types = out
        self.several = several  # whether it is called with one argument per entry of its tree
        self.compiled = jit(lambda kept, leaves: splice(self.late, [*kept, *leaves]))

    def __call__(self, *args: Tree) -> Tree:
        if not self.several and len(args) != 1:
            raise ArgumentError(
                f"{self.name}: got {len(args)} arguments, expected one tree of cotangents"
                f"{written_at(user_place())}"
            )
        given = args if self.several else args[0]
        leaves = _like(self.name, given, self.in_tree, self.in_types)
        floats = [
            leaf
            for leaf, type_ in zip(leaves, self.in_types, strict=True)
            if type_.dtype.is_inexact
        ]
        if current_frame() is None:
            found = self.compiled(list(self.kept), floats)
        else:
            found = splice(self.late, [*self.kept, *floats])
        return tree.unflatten(self.out_tree, with_zeros(found, self.out_types))


def _in_two_parts(run: Function, primals: Sequence[Tree]) -> tuple[Tree, ...]:
    """What `run` gives, value, linear part and perhaps more; compiled where nothing is traced."""
    if current_frame() is not None:
        result: tuple[Tree, ...] = run(*primals)
        return result
    found: list[Linear] = []

    def first(*arguments: Tree) -> Tree:
        value, linear, *more = run(*arguments)
        found.append(linear)
        return value, linear.kept, more

    value, kept, more = jit(first)(*primals)
    linear = found[-1]
    linear.kept = kept
    return (value, linear, *more)


def _linearized(fun: Function, primals: Sequence[Tree], has_aux: bool) -> tuple[Tree, ...]:
    closed = _closed("linearize", fun, primals, has_aux)
    pushed = push_forward(closed.graph, closed.wrt, closed.of)
    count = len(closed.graph.outputs)
    # The value comes from the function itself: loops with tangents compute it beside them, late.
    outputs = (*closed.graph.outputs, *pushed.outputs[count:])
    early, late = split(replace(pushed, outputs=outputs), len(closed.graph.params), count)
    results = splice(early, closed.given)
    value, aux = closed.results(results)
    into = (closed.in_tree, [array.type for array in closed.primals])
    out = (closed.out_tree, closed.types)
    linear = Linear("the tangents of linearize", late, results[count:], into, out, True)
    return (value, linear, aux) if has_aux else (value, linear)


def _pulled_back(fun: Function, primals: Sequence[Tree], has_aux: bool) -> tuple[Tree, ...]:
    closed = _closed("vjp", fun, primals, has_aux)
    joint = joint_graph(prepared(closed.graph), closed.wrt, closed.of)
    count = len(closed.graph.outputs)
    early, late = split(joint, len(closed.graph.params), count)
    results = splice(early, closed.given)
    value, aux = closed.results(results)
    into = (closed.out_tree, closed.types)
    out = (closed.in_tree, [array.type for array in closed.primals])
    linear = Linear("the cotangents of vjp", late, results[count:], into, out, False)
    return (value, linear, aux) if has_aux else (value, linear)
