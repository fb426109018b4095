"""Whether compiled results are right, for any program: by how far rounding may have moved them.

The interpreter is run again several times with noise: each operation that rounds has its result
moved by a few units in the last place, at random (Monte Carlo arithmetic: D. S. Parker, 1997).
What the noise does to an output is what a compiler's other order of sums, fused multiplications
and own functions may do. Integers that the noise leaves alone must be equal; where it flips a
comparison, nothing can be said of what follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.graph import Graph
from graphc.ir.interpret import bind_sizes, bound, interpret
from graphc.ir.node import Node, Value
from graphc.ir.types import BF16, F16, F32, DType, dtype_of
from graphc.ops import (
    contraction,
    convolution,
    cumulative,
    deviations,
    duals,
    elementwise,
    factors,
    indexing,
    linalg,
    partial_sums,
    reduction,
    special,
    window_choices,
    windows,
)
from graphc.ops.attention import AttentionAttrs, definition
from graphc.ops.control import (
    GroupAttrs,
    KernelAttrs,
    ScanAttrs,
    SwitchAttrs,
    WhileAttrs,
    nodes_of,
    parameters,
)
from graphc.ops.cumulative import CumulativeAttrs
from graphc.ops.reach import Reach, reach_of
from graphc.ops.tape import PullbackAttrs
from graphc.ops.tape_reverse import taped_graph
from graphc.passes.drop_stop_gradient import drop_stop_gradient
from graphc.passes.expand_composites import expand_composites
from graphc.passes.split_complex import as_memory, holds_complex, split_complex

SAMPLES = 8
MORE_SAMPLES = 32  # before a result is called wrong: signs of zeros fall either way by chance
SAFETY = 5.0  # how far beyond the largest move of all samples
UNSETTLED = 0.25  # of a value that noise moves by more not one digit is certain, as near a pole;
FAR = 200.0  # then how much farther, for such moves have no largest one
ROUNDINGS = 64  # that a sum of any length may lose, in its magnitude's last place, at most
DIGITS = {"f64": 53, "f32": 24, "f16": 11, "bf16": 8}
LOWEST = {"f64": -1074, "f32": -149, "f16": -24, "bf16": -133}

e = elementwise
ROUNDING = {
    **dict.fromkeys((e.add, e.sub, e.mul, e.div, e.sqrt), 1.0),
    **dict.fromkeys((*e.TRANSCENDENTAL, *special.TRANSCENDENTAL), 2.5),
    e.pow: 2.5,
    e.rem: 0.0,
    e.sqrt: 1.0,
}
SUMS = (
    duals.reduce_sum,
    contraction.dot_general,
    indexing.scatter,
    convolution.conv_general,
    partial_sums.partial_sums,
    windows.reduce_window_sum,
    window_choices.scatter_window,
)
# Where the sign of a zero is left open: sums of negative zeros, the greater of 0.0 and -0.0.
EXTREMES = (
    e.max, e.min, reduction.reduce_max, reduction.reduce_min, window_choices.reduce_window_max,
    window_choices.reduce_window_min,
)  # fmt: skip
EITHER_ZERO = (*SUMS, *EXTREMES, cumulative.cumulative)
# Factors of a matrix are those of one that differs from it by rounding (backward stability).
FEW = 16  # units that factors of the smallest matrices lose, LAPACK's included
BACKWARD = (*linalg.ROWS, *factors.SEVERAL)


def unit(values: np.ndarray, dtype: DType) -> np.ndarray:
    """One unit in the last place of each value, as f64."""
    wide = np.abs(values.astype(np.float64))
    exponent = np.frexp(np.where(np.isfinite(wide), wide, 0.0))[1] - DIGITS[dtype.name]
    return np.asarray(np.ldexp(1.0, np.maximum(exponent, LOWEST[dtype.name])))


def in_real_parts(graph: Graph, arrays: Sequence[np.ndarray]) -> tuple[Graph, Sequence[np.ndarray]]:
    """A program and its arguments with real numbers in place of complex ones, as it is compiled."""
    if not holds_complex(graph):
        return graph, arrays
    split = split_complex(expand_composites(drop_stop_gradient(graph)))
    return split, [as_memory(array) for array in arrays]


def disagreement(
    graph: Graph, arrays: Sequence[np.ndarray], got: Sequence[np.ndarray], seed: int = 0
) -> str:
    """How results of `graph` differ from the interpreter's beyond rounding, or nothing.

    Of complex programs the meaning is that of their real parts, which rounding moves one by one.
    """
    if holds_complex(graph):
        graph, arrays = in_real_parts(graph, arrays)
        got = [as_memory(x) for x in got]
    with np.errstate(all="ignore"):
        expected = interpret(graph, *arrays)
        if len(got) != len(expected):
            return f"got {len(got)} results, expected {len(expected)}"
        for k, (mine, true) in enumerate(zip(got, expected, strict=True)):
            if mine.shape != true.shape or mine.dtype != true.dtype:
                shown = f"{mine.dtype}{mine.shape}, expected {true.dtype}{true.shape}"
                return f"output {k}: got {shown}"
        wrong = [~_equal(mine, true) for mine, true in zip(got, expected, strict=True)]
        if not any(mask.any() for mask in wrong):
            return ""
        random = np.random.default_rng(seed)
        moved = [noisy(graph, arrays, random) for _ in range(SAMPLES)]
        if not _unexplained(got, expected, wrong, moved):
            return ""
        moved += [noisy(graph, arrays, random) for _ in range(MORE_SAMPLES)]
        return _unexplained(got, expected, wrong, moved)


def _unexplained(
    got: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    wrong: Sequence[np.ndarray],
    moved: Sequence[tuple[np.ndarray, ...]],
) -> str:
    """The first of the wrong elements that noise does not explain, or nothing."""
    for k, mine in enumerate(got):
        bad = wrong[k] & ~_within(mine, expected[k], [sample[k] for sample in moved])
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            seen = ", ".join(str(sample[k][at]) for sample in moved[:4])
            return (
                f"output {k}: got {mine[at]!s} at {list(at)}, expected "
                f"{expected[k][at]!s} (with noise: {seen})"
            )
    return ""


def _equal(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    if not dtype_of(got.dtype).is_float:
        return np.asarray(got == expected)
    return np.asarray((got == expected) | (np.isnan(got) & np.isnan(expected)))


def _within(got: np.ndarray, expected: np.ndarray, moved: list[np.ndarray]) -> np.ndarray:
    """Where the noise explains what was got."""
    unstable = np.zeros(got.shape, bool)
    for sample in moved:
        unstable |= ~_equal(sample, expected)
    dtype = dtype_of(got.dtype)
    if not dtype.is_float:
        return unstable
    wide = expected.astype(np.float64)
    samples = [sample.astype(np.float64) for sample in moved]
    lost = np.zeros(got.shape, bool)
    reach = 2.0 * unit(wide, dtype)
    for sample in samples:
        lost |= ~(np.isfinite(sample) & np.isfinite(wide)) & ~_equal(sample, wide)
        reach = np.maximum(reach, SAFETY * np.abs(sample - wide))
    reach = np.where(reach > SAFETY * UNSETTLED * np.abs(wide), FAR * reach, reach)
    near = np.abs(got.astype(np.float64) - wide) <= reach
    return np.asarray(lost | (np.isfinite(wide) & near))


# the interpreter with noise


def noisy(
    graph: Graph, arrays: Sequence[np.ndarray], random: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """The outputs of `graph` with every rounding moved at random."""
    sizes = bind_sizes(graph, [array.shape for array in arrays])
    values: dict[Node, Value] = dict(zip(graph.params, map(np.asarray, arrays), strict=True))
    for node in graph.nodes:
        if node in values:
            continue
        operands = [values[operand] for operand in node.operands]
        inner = _region(node, operands, random)  # type: ignore[arg-type]
        if inner is not None:
            values[node] = inner if len(node.results) > 1 or _is_tuple(node) else inner[0]
            continue
        if node.op is special.bitcast:
            operands = [_any_nan(np.asarray(operands[0]), random)]
        assert node.op.reference is not None
        attrs = bound(node.attrs, sizes) if sizes else node.attrs
        if node.op in BACKWARD:
            operands = [_nearby(np.asarray(operand), random) for operand in operands]
        value = node.op.reference(attrs, *operands)
        if node.op in BACKWARD:
            if isinstance(value, tuple):
                values[node] = tuple(_nearby(x, random) for x in value)
            else:
                values[node] = _nearby(value, random)
            continue
        value = value if isinstance(value, tuple) else np.asarray(value)
        if isinstance(value, np.ndarray) and dtype_of(value.dtype).is_float:
            value = _moved(node, attrs, operands, value, random)  # type: ignore[arg-type]
        values[node] = value
    return tuple(np.asarray(values[output]) for output in graph.outputs)


def _is_tuple(node: Node) -> bool:
    held = isinstance(node.attrs, GroupAttrs | KernelAttrs | AttentionAttrs)
    return not held and node.op not in deviations.ROWS


def _region(
    node: Node, operands: Sequence[np.ndarray], random: np.random.Generator
) -> tuple[np.ndarray, ...] | None:
    """The results of an operation that holds graphs or is one, None for any other."""
    if node.op in deviations.ROWS:
        assert node.op.expand is not None
        params = parameters(tuple(operand.tensor for operand in node.operands))
        opened = Graph(params, nodes_of(node.op.expand(node.attrs, *params)))
        return noisy(opened, operands, random)
    match node.attrs:
        case WhileAttrs() as a:
            fixed, carry = tuple(operands[: a.invariant]), tuple(operands[a.invariant :])
            while noisy(a.condition, [*fixed, *carry], random)[0]:
                carry = noisy(a.body, [*fixed, *carry], random)
            return carry
        case ScanAttrs() as a:
            return _scanned(a, operands, random)
        case SwitchAttrs(branches=branches):
            chosen = min(max(int(operands[0]), 0), len(branches) - 1)
            return noisy(branches[chosen], operands[1:], random)
        case PullbackAttrs() as a:
            return noisy(taped_graph(a), operands, random)
        case GroupAttrs(body=body) | KernelAttrs(body=body):
            return noisy(body, operands, random)
        case AttentionAttrs(scores=scores):
            found = noisy(definition(node), operands, random)
            if reach_of(scores) == Reach() or all(np.isfinite(x).all() for x in operands):
                return found
            return tuple(_left_out(value, random) for value in found)
    return None


def _left_out(value: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Attention beside infinite keys or values, which a mask of places may leave out or not."""
    any_number = random.choice([0.0, np.nan], value.shape).astype(value.dtype)
    return np.where(np.isnan(value), any_number, value)


def _scanned(
    a: ScanAttrs, operands: Sequence[np.ndarray], random: np.random.Generator
) -> tuple[np.ndarray, ...]:
    first = a.invariant + a.carried
    fixed, carry, rows = operands[: a.invariant], operands[a.invariant : first], operands[first:]
    stacked = [
        np.zeros((a.length, *map(int, map(str, t.shape))), t.dtype.numpy)
        for t in a.body.output_types[a.carried :]
    ]
    for step in reversed(range(a.length)) if a.reverse else range(a.length):
        outputs = noisy(a.body, [*fixed, *carry, *(row[step] for row in rows)], random)
        carry = outputs[: a.carried]
        for column, row in zip(stacked, outputs[a.carried :], strict=True):
            column[step] = row
    return (*carry, *stacked)


def _nearby(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Matrices whose factors may as well be those of `x`, as far as rounding goes."""
    dtype = dtype_of(x.dtype)
    if not dtype.is_float or not x.size or not x.ndim:
        return x
    axes = tuple(range(-min(x.ndim, 2), 0))
    size = np.abs(np.where(np.isfinite(x), x, 0)).max(axes, keepdims=True)
    reach = size * (x.shape[-1] + FEW) * 2.0 ** -DIGITS[dtype.name]
    return np.asarray(x + random.uniform(-1.0, 1.0, x.shape) * reach).astype(x.dtype)


def _any_nan(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The same numbers, but nans of any sign: which one an operation gives is left open."""
    if not dtype_of(x.dtype).is_float:
        return x
    sign = np.where(random.random(x.shape) < 0.5, -1.0, 1.0).astype(x.dtype)
    return np.where(np.isnan(x), np.copysign(x, sign), x)


def _reflected(x: np.ndarray) -> np.ndarray:
    """The magnitude of the terms of digamma's formulas, which may cancel."""
    wide = np.where(x < 0, x.astype(np.float64), np.nan)
    terms = 1 / np.abs(wide) + np.abs(np.pi / np.tan(np.pi * wide)) + np.log1p(np.abs(wide))
    return np.where(np.isfinite(terms), terms, 1.0)


def _magnitude(
    node: Node, attrs: object, operands: Sequence[np.ndarray], *, finite: bool = False
) -> np.ndarray:
    """The sum of the magnitudes of a sum's terms, or of those that are finite, in f64."""
    assert node.op.reference is not None
    terms = []
    for x in operands:
        if dtype_of(x.dtype).is_float:
            x = np.abs(np.where(np.isfinite(x), x, 0).astype(np.float64) if finite else x)
        terms.append(x)
    return np.asarray(node.op.reference(attrs, *terms)).astype(np.float64)


def _any_end(value: np.ndarray, terms: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A sum, but any end of the line where its finite terms may overflow, as their order has it."""
    largest = float(np.finfo(np.float64 if value.dtype == np.float64 else np.float32).max)
    ends = random.choice([np.inf, -np.inf, np.nan], value.shape).astype(value.dtype)
    return np.where(terms > largest / 2, ends, value)


def _moved(
    node: Node,
    attrs: object,
    operands: Sequence[np.ndarray],
    value: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """A rounded result, moved; exact zeros stay, for most of them are exact."""
    dtype = dtype_of(value.dtype)
    units = ROUNDING.get(node.op, 0.0)
    if node.op in EITHER_ZERO:
        sign = np.where(random.random(value.shape) < 0.5, -1.0, 1.0).astype(value.dtype)
        value = np.where(value == 0, value * sign, value)
    if node.op is convolution.conv_general:
        value = np.where(np.isnan(value), np.zeros_like(value), value)  # of a zero that pads
    reach = units * unit(value, dtype)
    if node.op is special.digamma:
        reach = units * unit(np.maximum(np.abs(value), _reflected(operands[0])), dtype)
    kind = attrs.kind if isinstance(attrs, CumulativeAttrs) else ""
    sums = node.op in SUMS or kind in ("sum", "logsumexp")
    if sums or node.op is reduction.reduce_prod or kind == "prod":
        magnitude = _magnitude(node, attrs, operands)
        magnitude += kind == "logsumexp"  # whose logarithms round near 0, too
        longest = min(max((x.size for x in operands), default=1), ROUNDINGS)
        work = F32 if dtype in (F16, BF16) else dtype
        reach = longest * 2.0 ** -DIGITS[work.name] * magnitude + unit(value, dtype) / 2
        reach = np.where(magnitude == 0, 0.0, reach)
        value = _any_end(value, _magnitude(node, attrs, operands, finite=True), random)
    shift = np.where(value == 0, reach * sums, reach)
    if not shift.any():
        return value
    moved = value.astype(np.float64) + random.uniform(-1.0, 1.0, value.shape) * shift
    return np.where(np.isfinite(value) & (shift > 0), moved.astype(value.dtype), value)
