"""A formula that keeps its symbolic derivatives in the graph.

The value is a group of rows whose rule for tangents is written from the derivative of the formula,
not of the rows: sympy cancels what would cancel in floats, and the derivative is emitted in safe
forms of its own. The derivative holds its derivative in turn, `ORDERS` deep; beyond that,
differentiation goes through the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from graphc.formula.emitter import Emitter
from graphc.formula.patterns import by_name
from graphc.ir.dims import Expression
from graphc.ir.types import F32
from graphc.numpy.promotion import (
    ArrayLike,
    broadcast_shapes,
    converted,
    shape_of,
    stretched,
    type_of_value,
)
from graphc.ops import custom
from graphc.trace import bind, current_frame, trace_region

if TYPE_CHECKING:
    from graphc.numpy.array import Array

ORDERS = 2
LONGEST_NAME = 200
Slope = Callable[[Expression, str], Expression]


def computed(e: Expression, names: Sequence[str], arrays: Sequence[Array]) -> Array:
    """The rows of a formula."""
    emitter = Emitter(dict(zip(names, arrays, strict=True)), {})
    result = emitter.value(by_name(e))
    return _spread(result, arrays)


def _spread(value: ArrayLike, arrays: Sequence[Array]) -> Array:
    """A value in the element type of the arguments and the shape that they have together."""
    dtype = type_of_value(arrays[0]).dtype if arrays else F32
    return stretched(converted(value, dtype), broadcast_shapes(*map(shape_of, arrays)))


def with_derivatives(
    e: Expression, names: Sequence[str], arrays: Sequence[Array], slope: Slope, orders: int = ORDERS
) -> Array:
    """The value of a formula of `arrays`, all of one type; `slope` differentiates formulas."""
    frame = current_frame()
    if frame is None or orders == 0 or not arrays:
        return computed(e, names, arrays)

    def body(*primals: Array) -> tuple[Array, ...]:
        return (computed(e, names, primals),)

    def rule(*both: Array) -> tuple[Array, ...]:
        primals, tangents = both[: len(names)], both[len(names) :]
        value = with_derivatives(e, names, primals, slope, orders - 1)
        total: Array | None = None
        for name, tangent in zip(names, tangents, strict=True):
            by = slope(e, name)
            if by == 0:
                continue
            part = with_derivatives(by, names, primals, slope, orders - 1) * tangent
            total = part if total is None else total + part
        return value, value * 0 if total is None else total

    types = [type_of_value(array) for array in arrays]
    graphs = [
        trace_region(function, given, frame.wrap).close()
        for function, given in ((body, types), (rule, [*types, *types]))
    ]
    text = f"{', '.join(names)}: {e}"  # which `graphc explain` reads again
    name = text if len(text) <= LONGEST_NAME else "elementwise"
    found: Array = bind(
        custom.custom_jvp,
        *arrays,
        name=name,
        body=graphs[0],
        rule=graphs[1],
    )
    return found
