"""From a kernel's graph to its loops.

before: kernel{ %2 = exp %0 ; %3 = mul %2 %1 }      after: for i: y[i] = exp(x[i]) * w[i]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphc.codegen.loops.attention import lower_attention
from graphc.codegen.loops.contraction import Contraction, contraction_of
from graphc.codegen.loops.cumulative import lower_cumulative
from graphc.codegen.loops.domain import domain_of, folds, row_space
from graphc.codegen.loops.elements import Builder
from graphc.codegen.loops.index import index
from graphc.codegen.loops.inner_products import (
    runs_along,
    runs_along_turned,
    write_inner_products,
    write_turned_products,
)
from graphc.codegen.loops.language import Buffer, Kernel
from graphc.codegen.loops.left_blocks import blocks_of, write_blocks
from graphc.codegen.loops.rows import lower_rows
from graphc.codegen.loops.scatter import lower_updates
from graphc.codegen.loops.schedule import Schedule
from graphc.codegen.loops.selection import lower_top_places
from graphc.codegen.loops.short_rows import lower_short_rows
from graphc.codegen.loops.sorting import (
    lower_digit_counts,
    lower_place_by_digit,
    lower_sort_words,
)
from graphc.codegen.loops.tiles import Tiles
from graphc.codegen.loops.turned_maps import lower_turned_map
from graphc.codegen.loops.window import lower_window
from graphc.ir.dims import names_of
from graphc.ir.graph import Graph, order
from graphc.ir.node import Node, Op
from graphc.ops import attention, ordering, selection
from graphc.ops.attention_tiles import shared_tiles
from graphc.ops.cumulative import cumulative
from graphc.ops.indexing import dynamic_update_slice, scatter
from graphc.ops.movement import AxisAttrs, concatenate, reshape

Output = tuple[Node, Buffer]
Lowering = Callable[[Builder, Sequence[Output], Schedule], None]


def _of_one(lower: Callable[[Builder, Node, Buffer, Schedule], None]) -> Lowering:
    return lambda builder, outputs, schedule: lower(builder, *outputs[0], schedule)


# Operations that are kernels of their own; attention's results may share one.
ALONE: dict[Op, Lowering] = {
    cumulative: _of_one(lower_cumulative),
    ordering.sort_words: _of_one(lower_sort_words),
    ordering.digit_counts: _of_one(lower_digit_counts),
    ordering.place_by_digit: _of_one(lower_place_by_digit),
    selection.top_places: _of_one(lower_top_places),
    **dict.fromkeys(attention.ROWS, lower_attention),
}

# Operations that leave the rest of an array as they find it.
WINDOWS: dict[Op, Lowering] = {
    scatter: _of_one(lower_updates),
    dynamic_update_slice: _of_one(lower_window),
}


def lower_kernel(
    name: str,
    body: Graph,
    schedule: Schedule,
    codes: Mapping[Node, int] | None = None,
    window: bool = False,
) -> Kernel:
    """The loops of one kernel; `codes` are the error codes of its checked nodes.

    A kernel that writes a `window` leaves the rest of its result as it finds it.

    Raises:
        CompileError: the graph is none of the shapes that a kernel may have.
    """
    inputs = [_buffer(f"x{i}", param) for i, param in enumerate(body.params)]
    results = [_buffer(f"y{i}", output) for i, output in enumerate(body.outputs)]
    builder = Builder(dict(zip(body.params, inputs, strict=True)), codes=dict(codes or {}))
    # A result without elements needs no loops; but a scatter into one has indices to check.
    pairs = [
        (output, buffer)
        for output, buffer in zip(body.outputs, results, strict=True)
        if output.tensor.size != 0 or output.op is scatter
    ]
    for group in _groups(_unwoven(builder, pairs, body.params), body.params):
        nodes = [node for node, _ in group]
        contraction = contraction_of(nodes, body.params)
        if window:
            WINDOWS[nodes[0].op](builder, group, schedule)
        elif contraction is not None:
            lower_contraction(Contraction(builder, contraction, group, schedule))
        elif nodes[0].op in ALONE:
            ALONE[nodes[0].op](builder, group, schedule)
        else:
            domain = domain_of(nodes, builder.buffers)
            if not any(
                lower(builder, domain, group, schedule)
                for lower in (lower_short_rows, lower_turned_map)
            ):
                lower_rows(builder, domain, group, schedule)
    sizes = sorted({n for node in body.nodes for t in node.results for n in names_of(t.shape)})
    return Kernel(name, (*inputs, *results), tuple(sizes), tuple(builder.block))


def lower_contraction(contraction: Contraction) -> None:
    """Write a contraction in the way that fits how its operands lie."""
    if runs_along(contraction):
        write_inner_products(contraction)
    elif runs_along_turned(contraction):
        write_turned_products(contraction)
    else:
        tiles = Tiles(contraction)
        blocks = blocks_of(tiles)
        if blocks is None:
            tiles.write()
        else:
            write_blocks(tiles, blocks)


def _unwoven(
    builder: Builder, pairs: Sequence[tuple[Node, Buffer]], params: Sequence[Node]
) -> list[tuple[Node, Buffer]]:
    """Results that weave others together element by element, as these others.

    So lanes run along what is woven (the parts of complex numbers), and each part is computed
    once; the builder knows where its elements lie.
    """
    found: list[tuple[Node, Buffer]] = []
    for node, buffer in pairs:
        parts = _woven_parts(node)
        alone = any(part.op in ALONE for part in parts)
        if not parts or alone or contraction_of([node], params) is not None:
            found.append((node, buffer))
            continue
        for part in dict.fromkeys(parts):
            offsets = tuple(i for i, other in enumerate(parts) if other is part)
            builder.woven[part, buffer.name] = (offsets, len(parts))
            found.append((part, buffer))
    return found


def _woven_parts(node: Node) -> list[Node]:
    """What a concatenation of arrays of size 1 along its last axis weaves, without that axis."""
    axis = node.tensor.rank - 1
    if node.op is not concatenate or node.attrs != AxisAttrs(axis) or len(node.operands) < 2:
        return []
    if any(part.tensor.shape[axis] != 1 for part in node.operands):
        return []
    shape = node.tensor.shape[:-1]
    return [
        part.operands[0]
        if part.op is reshape and part.operands[0].tensor.shape == shape
        else reshape(part, shape=shape)
        for part in node.operands
    ]


def _buffer(name: str, node: Node) -> Buffer:
    return Buffer(name, node.tensor.dtype, index(node.tensor.size))


def _groups(
    pairs: Sequence[tuple[Node, Buffer]], params: Sequence[Node]
) -> list[list[tuple[Node, Buffer]]]:
    """Outputs that share loops: those of one full shape and the same reduced axes.

    A map over a full shape that is also reduced goes along with the reduction, so that what
    both compute is computed once.
    """
    groups: dict[object, list[tuple[Node, Buffer]]] = {}
    for node, buffer in pairs:
        groups.setdefault(_space(node, params), []).append((node, buffer))
    reduced = {space[0]: space for space in groups if isinstance(space, tuple) and _is_pair(space)}
    for space in list(groups):
        if space in reduced:
            groups[reduced[space]] += groups.pop(space)
    return list(groups.values())


def _is_pair(space: tuple[object, ...]) -> bool:
    """Whether a space is a full shape with what is reduced, not a shape alone."""
    return len(space) == 2 and isinstance(space[0], tuple)


def _space(node: Node, params: Sequence[Node]) -> object:
    if node.op in ALONE:
        return shared_tiles(node) or node
    inside = [n for n in order([node], set(params)) if n not in params]
    folding = next((n for n in inside if folds(n)), None)
    return row_space(folding) if folding is not None else node.tensor.shape
