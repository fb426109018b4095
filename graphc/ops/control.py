"""Control flow and grouping: operations that hold closed graphs.

`while`, `scan` and `switch` compute; `composite` names a group of operations so
that readers and back ends see it; `kernel` is a group that will run as one loop
nest. Loop-invariant operands stand first, then what the loop carries. The results
are a tuple, read by `project`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Attrs, Cotangents, Node, Op, Value
from graphc.ir.types import BOOL, I32, TensorType, TupleType, Type, single, static_shape, tensor
from graphc.ops.leaf import parameter


@dataclass(frozen=True, slots=True)
class ProjectAttrs(Attrs):
    """Which result of a tuple."""

    index: int


def _infer_project(a: ProjectAttrs, x: Type) -> Type:
    if not isinstance(x, TupleType) or not 0 <= a.index < len(x.elements):
        raise ShapeError(f"project: got result {a.index} of {x}")
    return x.elements[a.index]


project: Op = Op(
    "project",
    infer=_infer_project,
    reference=lambda a, x: x[a.index],
    attrs=ProjectAttrs,
)


def results(node: Node) -> tuple[Node, ...]:
    """The results of a node one by one, be they one or several."""
    if not isinstance(node.type, TupleType):
        return (node,)
    return tuple(project(node, index=i) for i in range(len(node.type.elements)))


def nodes_of(made: Node | Sequence[Node]) -> tuple[Node, ...]:
    """What a definition gives, one node or several, as a tuple."""
    return (made,) if isinstance(made, Node) else tuple(made)


def parameters(types: tuple[TensorType, ...]) -> tuple[Node, ...]:
    """The parameters of a graph that takes `types`."""
    return tuple(parameter(index=i, type=type_) for i, type_ in enumerate(types))


def _check_arguments(name: str, graph: Graph, types: tuple[TensorType, ...]) -> None:
    if graph.input_types != types:
        got, expected = ", ".join(map(str, types)), ", ".join(map(str, graph.input_types))
        raise ShapeError(f"{name}: got operands ({got}), expected ({expected})")


def _check_carry(name: str, got: tuple[TensorType, ...], expected: tuple[TensorType, ...]) -> None:
    if got != expected:
        shown = ", ".join(map(str, got)), ", ".join(map(str, expected))
        raise ShapeError(f"{name}: the body gives ({shown[0]}), expected the carry ({shown[1]})")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAttrs(Attrs):
    """What the plan adds: where each result lies, when the node runs, where its frame begins.

    Slots are `arena+OFFSET`, `input I` (in place) or `output K`; see `passes/plan_buffers.py`.
    """

    slots: tuple[str, ...] = ()
    step: int = 0
    frame: str = ""


@dataclass(frozen=True, slots=True)
class WhileAttrs(PlannedAttrs):
    """Condition and body, both of the invariant operands and the carry.

    `tape_bytes` bounds what reverse mode keeps of the steps; 0 leaves it to `graphc.ops.tape`.
    """

    condition: Graph
    body: Graph
    invariant: int = 0
    tape_bytes: int = 0

    @property
    def regions(self) -> tuple[Graph, ...]:
        """Condition and body."""
        return self.condition, self.body


def _infer_while(a: WhileAttrs, *types: TensorType) -> TupleType:
    _check_arguments("while condition", a.condition, types)
    _check_arguments("while body", a.body, types)
    if a.condition.output_types != (tensor(BOOL, ()),):
        raise DtypeError(f"while: got a condition of {a.condition.output_types}, expected bool[]")
    _check_carry("while", a.body.output_types, types[a.invariant :])
    return TupleType(types[a.invariant :])


def _while(a: WhileAttrs, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    fixed, carry = arrays[: a.invariant], arrays[a.invariant :]
    while interpret(a.condition, *fixed, *carry)[0]:
        carry = interpret(a.body, *fixed, *carry)
    return carry


while_: Op = Op("while", infer=_infer_while, reference=_while, attrs=WhileAttrs)


@dataclass(frozen=True, slots=True)
class ScanAttrs(PlannedAttrs):
    """A body run `length` times over invariant operands, a carry and slices along axis 0.

    The body gives the new carry and this step's slices of the stacked results.
    """

    body: Graph
    length: int
    invariant: int = 0
    carried: int = 0
    reverse: bool = False

    @property
    def regions(self) -> tuple[Graph, ...]:
        """The body."""
        return (self.body,)


def _infer_scan(a: ScanAttrs, *types: TensorType) -> TupleType:
    first = a.invariant + a.carried
    for type_ in types[first:]:
        if not type_.rank or type_.shape[0] != a.length:
            raise ShapeError(f"scan: got {type_}, expected a first axis of length {a.length}")
    slices = tuple(tensor(type_.dtype, type_.shape[1:]) for type_ in types[first:])
    _check_arguments("scan body", a.body, types[:first] + slices)
    outputs = a.body.output_types
    _check_carry("scan", outputs[: a.carried], types[a.invariant : first])
    stacked = tuple(tensor(out.dtype, (a.length, *out.shape)) for out in outputs[a.carried :])
    return TupleType(outputs[: a.carried] + stacked)


def _scan(a: ScanAttrs, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    first = a.invariant + a.carried
    fixed, carry, rows = arrays[: a.invariant], arrays[a.invariant : first], arrays[first:]
    kept: list[tuple[np.ndarray, ...]] = []
    steps = range(a.length)
    for step in reversed(steps) if a.reverse else steps:
        outputs = interpret(a.body, *fixed, *carry, *(row[step] for row in rows))
        carry = outputs[: a.carried]
        kept.append(outputs[a.carried :])
    if a.reverse:
        kept.reverse()
    types = a.body.output_types[a.carried :]
    if not kept:
        empty = [np.zeros((0, *static_shape(t.shape)), t.dtype.numpy) for t in types]
        return (*carry, *empty)
    return (*carry, *(np.stack(column) for column in zip(*kept, strict=True)))


scan: Op = Op("scan", infer=_infer_scan, reference=_scan, attrs=ScanAttrs)


@dataclass(frozen=True, slots=True)
class SwitchAttrs(PlannedAttrs):
    """Branches of equal types; an index outside is moved to the nearest."""

    branches: tuple[Graph, ...]

    @property
    def regions(self) -> tuple[Graph, ...]:
        """The branches."""
        return self.branches


def _infer_switch(a: SwitchAttrs, index: TensorType, *types: TensorType) -> TupleType:
    if index != tensor(I32, ()):
        raise DtypeError(f"switch: got an index of {index}, expected i32[]")
    if not a.branches:
        raise ShapeError("switch: got no branches, expected one or more")
    for branch in a.branches:
        _check_arguments("switch branch", branch, types)
        _check_carry("switch", branch.output_types, a.branches[0].output_types)
    return TupleType(a.branches[0].output_types)


def _switch(a: SwitchAttrs, index: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    chosen = min(max(int(index), 0), len(a.branches) - 1)
    return interpret(a.branches[chosen], *arrays)


switch: Op = Op("switch", infer=_infer_switch, reference=_switch, attrs=SwitchAttrs)


# groups


@dataclass(frozen=True, slots=True)
class GroupAttrs(Attrs):
    """A name and the graph that it stands for."""

    name: str
    body: Graph

    @property
    def regions(self) -> tuple[Graph, ...]:
        """The body."""
        return (self.body,)


def _infer_group(a: GroupAttrs | KernelAttrs, *types: TensorType) -> Type:
    _check_arguments(a.name, a.body, types)
    outputs = a.body.output_types
    return outputs[0] if len(outputs) == 1 else TupleType(outputs)


def _group(a: GroupAttrs | KernelAttrs, *arrays: np.ndarray) -> Value:
    outputs = interpret(a.body, *arrays)
    return outputs[0] if len(outputs) == 1 else outputs


composite: Op = Op("composite", infer=_infer_group, reference=_group, attrs=GroupAttrs)


@dataclass(frozen=True, slots=True)
class KernelAttrs(PlannedAttrs):
    """A group that runs as one loop nest.

    One that writes a `window` finds the rest of its only result in place.
    """

    name: str
    body: Graph
    window: bool = False

    @property
    def regions(self) -> tuple[Graph, ...]:
        """The body."""
        return (self.body,)


kernel: Op = Op("kernel", infer=_infer_group, reference=_group, attrs=KernelAttrs)


def _same(a: Attrs, x: TensorType) -> TensorType:
    return single(x)


def _no_cotangent(node: Node, g: Node) -> Cotangents:
    return (None,)


stop_gradient: Op = Op(
    "stop_gradient",
    infer=_same,
    reference=lambda a, x: x,
    vjp=_no_cotangent,
    batch=lambda node, operands, batched, size: stop_gradient(*operands),
    jvp=lambda node, tangents: None,
)

ROWS = (project, while_, scan, switch, composite, kernel, stop_gradient)
