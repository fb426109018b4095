"""What is done to a random program before it is compiled: derivatives and batches, in any order.

Each is one comment line of the program's text, applied from above to below:

// then reverse 0 2            cotangents of parameters 0 and 2, beside the outputs
// then forward 1              tangents of the outputs along parameter 1, beside the outputs
// then vmap 3 over 0 1        on a batch of 3, which parameters 0 and 1 have
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import UnsupportedError
from graphc.ir.graph import Graph, inline
from graphc.ir.interpret import concrete, interpret
from graphc.ir.node import Node, regions
from graphc.ir.types import C128, F32, F64, DType
from graphc.ops import custom, duals, special
from graphc.ops import elementwise as e
from graphc.ops.batching import batch_graph
from graphc.ops.build import add_all
from graphc.ops.complex import real
from graphc.ops.control import parameters, stop_gradient
from graphc.ops.forward import push_forward
from graphc.ops.leaf import constant
from graphc.ops.reverse import differentiable_outputs, joint_graph
from tests.fuzz.builder import drawn
from tests.judge import SAFETY, SAMPLES, disagreement, in_real_parts, noisy

KINDS = ("reverse", "forward", "vmap")
LINE = re.compile(
    r"// then (reverse|forward|vmap(?= \d+ over)) ?(\d+(?= over))?(?: over)?([ \d]*)\n"
)
# What says one derivative and has another.
UNTRUE = frozenset({stop_gradient, special.bitcast, custom.custom_jvp, custom.custom_vjp})
STEP = 1e-4  # of finite differences
AGREED = 1e-5  # how near they must come, beside by how much two of them differ
BY_DIFFERENCES = 8.0


@dataclass(frozen=True)
class Transformation:
    """A derivative by some parameters, or a batch of a size that some parameters have."""

    kind: str
    which: tuple[int, ...]
    size: int = 0

    def __str__(self) -> str:
        size = f" {self.size} over" if self.kind == "vmap" else ""
        return f"// then {self.kind}{size} {' '.join(map(str, self.which))}\n"

    def graph(self, graph: Graph) -> Graph:
        """What it makes of a graph.

        Raises:
            UnsupportedError: an operation has no such derivative.
        """
        if self.kind == "reverse":
            return joint_graph(graph, self.which)
        if self.kind == "forward":
            return push_forward(graph, self.which)
        batched = [i in self.which for i in range(len(graph.params))]
        return batch_graph(graph, batched, self.size)[0]

    def fault(self, before: Graph, after: Graph, arrays: Sequence[np.ndarray]) -> str:
        """What is wrong with `after` on `arrays`, by what `before` gives, or nothing."""
        if self.kind == "vmap":
            return self._fault_of_batch(before, after, arrays)
        count = len(before.params)
        plain, given = in_real_parts(after, arrays)
        found = interpret(plain, *given)[: len(before.outputs)]
        fault = disagreement(before, arrays[:count], found)
        if fault:
            return f"beside its derivative: {fault}"
        if self.kind == "reverse":
            return _fault_of_transpose(before, self.which, arrays)
        return _fault_of_slope(before, after, self.which)

    def _fault_of_batch(self, before: Graph, after: Graph, arrays: Sequence[np.ndarray]) -> str:
        batched = [i in self.which for i in range(len(before.params))]
        flags = batch_graph(before, batched, self.size)[1]
        before, arguments = in_real_parts(before, arrays)
        lanes = [
            interpret(
                before, *(a[i] if own else a for a, own in zip(arguments, batched, strict=True))
            )
            for i in range(self.size)
        ]
        if not lanes:
            return ""
        columns = zip(*lanes, strict=True)
        found = [
            np.stack(column) if own else column[0]
            for own, column in zip(flags, columns, strict=True)
        ]
        return disagreement(after, arrays, found)


def read(text: str) -> tuple[Transformation, ...]:
    """The transformations that a program's text names."""
    return tuple(
        Transformation(kind, tuple(map(int, which.split())), int(size or 0))
        for kind, size, which in LINE.findall(text)
    )


def applied(graph: Graph, transformations: Sequence[Transformation]) -> list[Graph]:
    """The graph, and what each transformation in turn makes of it."""
    found = [graph]
    for transformation in transformations:
        found.append(transformation.graph(found[-1]))
    return found


# derivatives against each other


def _total(nodes: Sequence[Node], weights: Sequence[Node]) -> Node:
    """The inner product of two lists of arrays, in f64; of complex ones its real part."""
    terms = [constant(0.0, F64)]
    for node, weight in zip(nodes, weights, strict=True):
        work = C128 if node.tensor.dtype.is_complex else F64
        product = e.mul(e.convert(node, dtype=work), e.convert(weight, dtype=work))
        if work is C128:
            product = real(product)
        terms.append(duals.reduce_sum(product, axes=tuple(range(product.tensor.rank))))
    return add_all(terms)


def _fault_of_transpose(before: Graph, wrt: Sequence[int], arrays: Sequence[np.ndarray]) -> str:
    """Whether reverse mode is the transpose of forward mode: w . (J v) = (w J) . v, in noise."""
    if _floats(before) not in ({F32}, {F64}):
        return ""  # conversions and 16-bit floats round, and the noise leaves that out
    try:
        pushed = push_forward(before, wrt)
    except UnsupportedError:
        return ""  # a custom_vjp
    count, own = len(before.params), len(before.outputs)
    seeds = differentiable_outputs(before)
    pulled = joint_graph(before, wrt)
    tangents = tuple(before.params[i].tensor for i in wrt)
    params = parameters((*pulled.input_types, *tangents))
    values, weights, moves = (
        params[:count], params[count : count + len(seeds)], params[count + len(seeds) :]
    )  # fmt: skip
    forward = _total(inline(pushed, [*values, *moves])[own:], weights)
    backward = _total(inline(pulled, [*values, *weights])[own:], moves)
    random = np.random.default_rng(0)
    directions = [
        np.asarray(random.uniform(0.5, 1.5, concrete(t, {}))).astype(t.dtype.numpy)
        for t in tangents
    ]
    return _differ(Graph(params, (forward, backward)), [*arrays, *directions])


def _differ(graph: Graph, arrays: Sequence[np.ndarray]) -> str:
    """Whether two numbers differ by more than noise makes them."""
    graph, arrays = in_real_parts(graph, arrays)
    random = np.random.default_rng(0)
    exact = [float(x) for x in interpret(graph, *arrays)]
    moved = [[float(x) for x in noisy(graph, arrays, random)] for _ in range(SAMPLES)]
    if not np.isfinite([exact, *moved]).all():
        return ""
    reach = SAFETY * max(abs(a - b) for sample in moved for a, b in zip(sample, exact, strict=True))
    reach += 1e-6 * max(map(abs, exact))
    if abs(exact[0] - exact[1]) <= reach:
        return ""
    return f"forward mode gives {exact[0]}, reverse mode {exact[1]}, expected within {reach}"


def _fault_of_slope(before: Graph, after: Graph, wrt: Sequence[int]) -> str:
    """Whether the tangents are what finite differences give, where these are smooth."""
    if _floats(before) != {F64} or not _is_true(before):
        return ""
    own = len(before.outputs)
    random = np.random.default_rng(0)
    point = [drawn(type_, random) for type_ in before.input_types]
    for i in wrt:  # away from whole numbers, where kinks are
        point[i] = np.asarray(point[i] + random.uniform(0.01, 0.1, point[i].shape))
    directions = [
        np.asarray(random.uniform(0.5, 1.5, point[i].shape)).astype(point[i].dtype) for i in wrt
    ]
    for direction in directions:
        if direction.dtype.kind == "c":
            direction.imag[...] = random.uniform(-1, 1, direction.shape)
    slopes = interpret(after, *point, *directions)[own:]

    def difference(step: float) -> list[np.ndarray]:
        ends = []
        for sign in (step, -step):
            shifted = list(point)
            for i, direction in zip(wrt, directions, strict=True):
                shifted[i] = point[i] + sign * direction
            ends.append(interpret(before, *shifted))
        outputs = [(np.asarray(a), np.asarray(b)) for a, b in zip(*ends, strict=True)]
        return [
            (outputs[i][0] - outputs[i][1]) / (2 * step) for i in differentiable_outputs(before)
        ]

    of_values = _blurs(before, point, differentiable_outputs(before))
    of_slopes = _blurs(after, [*point, *directions], range(own, own + len(slopes)))
    blurs = [a / (STEP / 3) + b for a, b in zip(of_values, of_slopes, strict=True)]
    pairs = zip(difference(STEP), difference(STEP / 3), strict=True)
    for slope, (coarse, fine), blur in zip(slopes, pairs, blurs, strict=True):
        doubt = np.abs(coarse - fine)
        smooth = np.isfinite(slope) & np.isfinite(doubt) & (doubt < 1e-3 * (1 + np.abs(fine)))
        reach = BY_DIFFERENCES * doubt + AGREED * (1 + np.abs(fine)) + SAFETY * blur
        bad = smooth & (np.abs(slope - fine) > reach)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            return (
                f"forward mode gives {slope[at]} at {list(at)}, finite differences {fine[at]} "
                f"and {coarse[at]}"
            )
    return ""


def _blurs(graph: Graph, arrays: Sequence[np.ndarray], outputs: Sequence[int]) -> list[np.ndarray]:
    """By how much rounding moves outputs."""
    random = np.random.default_rng(0)
    exact = interpret(graph, *arrays)
    moved = [noisy(graph, arrays, random) for _ in range(SAMPLES)]
    return [
        np.max([np.abs(np.asarray(sample[i]) - exact[i]) for sample in moved], axis=0)
        for i in outputs
    ]


def _floats(graph: Graph) -> set[DType]:
    """The types of floats in a graph, those of the parts of complex numbers among them."""
    found = {t.dtype.part for t in graph.input_types if t.dtype.is_inexact}
    for node in graph.nodes:
        found |= {t.dtype.part for t in node.results if t.dtype.is_inexact}
        for region in regions(node):
            found |= _floats(region)
    return found


def _is_true(graph: Graph) -> bool:
    """Whether the derivatives of all operations are those of what they compute."""
    return all(node.op not in UNTRUE and all(map(_is_true, regions(node))) for node in graph.nodes)
