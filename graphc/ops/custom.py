"""Groups that say how they are differentiated: by rules of their own, or by computing again.

Like a composite, each is a named graph that gives way to its body once differentiation is over.
`custom_jvp` and `custom_vjp` also hold the graphs that their author wrote for derivatives;
`checkpoint` keeps nothing for the backward pass but its operands.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.errors import ShapeError
from graphc.ir.graph import Graph
from graphc.ir.node import Attrs, Cotangents, Node, Op, Tangents
from graphc.ir.types import TensorType, Type
from graphc.ops import samples
from graphc.ops.control import GroupAttrs, composite
from graphc.ops.elementwise import EVERY


@dataclass(frozen=True, slots=True)
class CustomJvpAttrs(GroupAttrs):
    """The body, and the `rule`: operands and tangents in, results and their tangents out.

    Tangents are those of the floats. The first `invariant` operands have none: they are
    what body and rule read from outside.
    """

    rule: Graph
    invariant: int = 0

    @property
    def regions(self) -> tuple[Graph, ...]:
        """Body and rule."""
        return self.body, self.rule


@dataclass(frozen=True, slots=True)
class CustomVjpAttrs(GroupAttrs):
    """The body, and a pair of graphs for reverse mode.

    `forward` gives the results and residuals; `backward` takes the invariant operands, the
    residuals and the cotangents of the float results, and gives those of the float operands.
    """

    forward: Graph
    backward: Graph
    invariant: int = 0

    @property
    def regions(self) -> tuple[Graph, ...]:
        """Body, forward and backward."""
        return self.body, self.forward, self.backward


@dataclass(frozen=True, slots=True)
class CheckpointAttrs(GroupAttrs):
    """The body, and by which policy its values are kept (`graphc.ops.policies`)."""

    policy: str = "nothing_saveable"


def floats(types: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """Those of `types` that have derivatives."""
    return tuple(type_ for type_ in types if type_.dtype.is_inexact)


def _check(what: str, got: tuple[TensorType, ...], expected: tuple[TensorType, ...]) -> None:
    if got != expected:
        shown = ", ".join(map(str, got)), ", ".join(map(str, expected))
        raise ShapeError(f"{what}: got ({shown[0]}), expected ({shown[1]})")


def _infer_jvp(a: CustomJvpAttrs, *types: TensorType) -> Type:
    found = composite.infer(a, *types)
    outputs = a.body.output_types
    _check(f"{a.name}: operands of the rule", a.rule.input_types,
           types + floats(types[a.invariant :]))  # fmt: skip
    _check(f"{a.name}: results of the rule", a.rule.output_types, outputs + floats(outputs))
    return found


def _infer_vjp(a: CustomVjpAttrs, *types: TensorType) -> Type:
    found = composite.infer(a, *types)
    outputs = a.body.output_types
    _check(f"{a.name}: operands of fwd", a.forward.input_types, types)
    _check(f"{a.name}: results of fwd", a.forward.output_types[: len(outputs)], outputs)
    residuals = a.forward.output_types[len(outputs) :]
    _check(f"{a.name}: operands of bwd", a.backward.input_types,
           types[: a.invariant] + residuals + floats(outputs))  # fmt: skip
    _check(f"{a.name}: results of bwd", a.backward.output_types, floats(types[a.invariant :]))
    return found


custom_jvp: Op = Op(
    "custom_jvp", infer=_infer_jvp, reference=composite.reference, attrs=CustomJvpAttrs
)
custom_vjp: Op = Op(
    "custom_vjp", infer=_infer_vjp, reference=composite.reference, attrs=CustomVjpAttrs
)
checkpoint: Op = Op(
    "checkpoint", infer=composite.infer, reference=composite.reference, attrs=CheckpointAttrs
)


def _infer_barrier(a: Attrs, *types: TensorType) -> TensorType:
    if len(types) != 1:
        raise ShapeError(f"optimization_barrier: got {len(types)} operands, expected 1")
    return types[0]


def _through(node: Node, g: Node) -> Cotangents:
    return (g,)


def _along(node: Node, tangents: Tangents) -> Node | None:
    return tangents[0]


# The operand itself; but what is computed from it is another node than what is computed from the
# operand, so a computation that is to be made again does not merge with the first.
optimization_barrier: Op = Op(
    "optimization_barrier",
    infer=_infer_barrier,
    reference=lambda a, x: x,
    vjp=_through,
    jvp=_along,
    samples=lambda: samples.reals(EVERY, 1),
    elementwise=True,
)

GROUPS = frozenset({composite, checkpoint, custom_jvp, custom_vjp})
ROWS = (checkpoint, custom_jvp, custom_vjp, optimization_barrier)
