"""The iteration space of a kernel: which axes are rows, which are reduced, what merges.

The full shape of a kernel with reductions is that of their operands; the axes
that they keep number the rows, the others lie inside a row. Neighbouring axes
that every operation treats alike are walked as one, so that vectors are long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphc.codegen.loops.index import ONE, Index, Var, index, product
from graphc.ir.errors import CompileError
from graphc.ir.graph import order
from graphc.ir.node import Node
from graphc.ir.types import Shape
from graphc.ops import duals, elementwise, leaf, reduction, special
from graphc.ops.partial_sums import PartialAttrs

REDUCTIONS = {
    duals.reduce_sum: "add",
    reduction.reduce_prod: "mul",
    reduction.reduce_max: "max",
    reduction.reduce_min: "min",
    reduction.reduce_and: "and",
    reduction.reduce_or: "or",
    reduction.reduce_xor: "xor",
}
NONE: tuple[int, ...] = ()
EXPENSIVE = frozenset(
    {*elementwise.TRANSCENDENTAL, *special.TRANSCENDENTAL, elementwise.pow, elementwise.rem}
    - {elementwise.sqrt}
)


@dataclass(frozen=True)
class Axis:
    """One loop of a kernel: neighbouring axes of the full shape walked as one."""

    var: Var
    axes: tuple[int, ...]
    reduced: bool


@dataclass(frozen=True)
class Domain:
    """Full shape, reduced axes and loops of a kernel, and its nodes in order."""

    full: Shape
    reduced: tuple[int, ...]
    loops: tuple[Axis, ...]
    nodes: tuple[Node, ...]

    @property
    def rows(self) -> tuple[Axis, ...]:
        """Loops over rows."""
        return tuple(loop for loop in self.loops if not loop.reduced)

    @property
    def inner(self) -> tuple[Axis, ...]:
        """Loops inside a row."""
        return tuple(loop for loop in self.loops if loop.reduced)

    @property
    def row_shape(self) -> Shape:
        """Shape of what has one value per row."""
        return tuple(size for axis, size in enumerate(self.full) if axis not in self.reduced)

    def position(self, values: dict[Var, Index]) -> tuple[Index, ...]:
        """The position in the full shape, given what each loop variable stands for."""
        found: list[Index] = [index(0)] * len(self.full)
        for loop in self.loops:
            rest = values.get(loop.var, index(loop.var))
            for axis in reversed(loop.axes[1:]):
                size = index(self.full[axis])
                found[axis], rest = rest % size, rest // size
            if loop.axes:
                found[loop.axes[0]] = rest
        return tuple(found)

    def row_position(self, values: dict[Var, Index]) -> tuple[Index, ...]:
        """The position of a row's value."""
        position = self.position(values)
        return tuple(at for axis, at in enumerate(position) if axis not in self.reduced)


def domain_of(outputs: Sequence[Node], stop: Iterable[Node]) -> Domain:
    """The iteration space of nodes that share a full shape.

    Raises:
        CompileError: their reductions or shapes differ, so they are not one kernel.
    """
    known = set(stop)
    nodes = tuple(node for node in order(outputs, known) if node not in known)
    found = [row_space(node) for node in nodes if folds(node)]
    full, reduced = found[0] if found else (outputs[0].tensor.shape, NONE)
    for other in found:
        if other != (full, reduced):
            raise CompileError(
                f"one kernel reduces {full} along {reduced} and {other[0]} along {other[1]}"
            )
    return Domain(full, reduced, _loops(full, reduced, nodes), nodes)


def folds(node: Node) -> bool:
    """Whether a node folds elements, along rows or, in part, across them."""
    return node.op in REDUCTIONS or isinstance(node.attrs, PartialAttrs)


def row_space(node: Node) -> tuple[Shape, tuple[int, ...]]:
    """The full shape of a folding node's operand, and its axes that lie inside a row."""
    shape = node.operands[0].tensor.shape
    if isinstance(node.attrs, PartialAttrs):
        return shape, tuple(range(node.attrs.leading, len(shape)))
    assert isinstance(node.attrs, duals.ReduceAttrs)
    return shape, node.attrs.axes


def _loops(full: Shape, reduced: tuple[int, ...], nodes: Sequence[Node]) -> tuple[Axis, ...]:
    groups: list[list[int]] = []
    for axis, size in enumerate(full):
        if size == 1 and axis not in reduced:
            continue
        alike = bool(groups) and groups[-1][-1] == axis - 1
        if alike and _merges(axis - 1, full, reduced, nodes):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    loops = []
    for number, group in enumerate(groups):
        extent = product(index(full[axis]) for axis in group)
        loops.append(Axis(Var(f"i{number}", extent), tuple(group), group[0] in reduced))
    return tuple(loops)


def _merges(axis: int, full: Shape, reduced: tuple[int, ...], nodes: Sequence[Node]) -> bool:
    """Whether every node treats `axis` of the full shape and the next one alike."""
    if (axis in reduced) != (axis + 1 in reduced):
        return False
    kept = [at for at in range(len(full)) if at not in reduced]
    row_shape = tuple(full[at] for at in kept)
    for node in nodes:
        if node.op.elementwise or folds(node) or _is_scalar(node):
            continue
        attrs = node.attrs
        if not isinstance(attrs, duals.BroadcastAttrs):
            return False
        if attrs.shape == full:
            pair = (axis, axis + 1)
        elif attrs.shape == row_shape and axis not in reduced:
            pair = (kept.index(axis), kept.index(axis + 1))
        elif attrs.shape == row_shape:
            continue
        else:
            return False
        if (pair[0] in attrs.axes) != (pair[1] in attrs.axes):
            return False
    return True


def _is_scalar(node: Node) -> bool:
    return leaf.constant_value(node) is not None and node.tensor.size == 1


def size_of(loops: Iterable[Axis]) -> Index:
    """Iterations of a loop nest."""
    total = ONE
    for loop in loops:
        total = total * (loop.var.extent or ONE)
    return total
