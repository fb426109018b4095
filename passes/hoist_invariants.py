"""What every step of a loop computes alike is computed once, before the loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphc.ir.graph import Graph, order
from graphc.ir.node import Node, make, regions
from graphc.ir.types import Size, TupleType
from graphc.ops import elementwise, special
from graphc.ops.contraction import DotAttrs
from graphc.ops.control import ProjectAttrs, ScanAttrs, WhileAttrs, parameters, scan, while_
from graphc.ops.guards import is_hazard
from graphc.ops.inlining import applied
from graphc.ops.leaf import constant_value, parameter
from graphc.passes.fusion_groups import MOVES, is_free, is_view
from graphc.passes.notes import notes
from graphc.passes.revise import in_regions, revise, with_places

WORTH = 6  # elementary steps per element of the result from which keeping it pays
TRANSCENDENTAL = frozenset(
    {*elementwise.TRANSCENDENTAL, *special.TRANSCENDENTAL, elementwise.pow, elementwise.rem}
)
OTHER_STEPS = 8  # per element, of what is neither elementwise nor a contraction
SMALL = 1 << 16  # bytes that may always be kept
GROWTH = 2  # larger results may be so many times as large as what they are computed from
UNKNOWN = 1 << 20  # assumed for symbolic sizes


def hoist_invariants(graph: Graph) -> Graph:
    """Move what depends on neither carry nor slices out of loops, where that saves work.

    Stays: what may raise or not end (the loop may run no step), what costs no more than
    reading it would, and what is large and made of little.

    before:                                     after:
      %0 = scan %w, %c {body=@b, ...}             %0 = exp %w : f32[3]
                                                  %1 = scan %0, %c {body=@c, ...}
      graph @b(%w: f32[3], %c: f32[3])            graph @c(%w: f32[3], %c: f32[3])
        %0 = exp %w  %1 = mul %c, %0                %0 = mul %c, %w
    """
    return _hoist(graph, {}) if {scan, while_} & graph.operations else graph


def _hoist(graph: Graph, done: dict[Graph, Graph]) -> Graph:
    known = done.get(graph)
    if known is not None:
        return known

    def change(node: Node, current: Node) -> Node:
        current = in_regions(current, lambda region: _hoist(region, done))
        if isinstance(current.attrs, ScanAttrs | WhileAttrs):
            return _hoisted(current, current.attrs)
        return current

    result = revise(graph, change)
    done[graph] = done[result] = result
    return result


def _hoisted(node: Node, a: ScanAttrs | WhileAttrs) -> Node:
    """A loop with its invariant parts as operands."""
    held = regions(node)
    chosen = [_worthwhile(region, a.invariant) for region in held]
    if not any(chosen):
        return node
    made: dict[Node, list[tuple[int, Node]]] = {}  # the value outside -> where it was inside
    for number, (region, inside) in enumerate(zip(held, chosen, strict=True)):
        part = Graph(region.params, tuple(inside), region.names, region.places)
        for old, new in zip(inside, applied(part, node.operands), strict=True):
            made.setdefault(new, []).append((number, old))
    said = notes()
    if said is not None:
        names = ", ".join(old.op.name for places in made.values() for _, old in places[:1])
        said.append(f"out of a {node.op.name}: {names}")
    gone = [{old for number, old in _all(made) if number == k} for k in range(len(held))]
    kept = [
        i
        for i in range(a.invariant)
        if any(_reads(g, i, s) for g, s in zip(held, gone, strict=True))
    ]
    operands = (*(node.operands[i] for i in kept), *made, *node.operands[a.invariant :])
    closed = [_closed(region, k, kept, made, a.invariant) for k, region in enumerate(held)]
    count = len(kept) + len(made)
    if isinstance(a, ScanAttrs):
        return make(node.op, operands, replace(a, body=closed[0], invariant=count))
    condition, body = closed
    return make(node.op, operands, replace(a, condition=condition, body=body, invariant=count))


def _all(made: dict[Node, list[tuple[int, Node]]]) -> list[tuple[int, Node]]:
    return [place for places in made.values() for place in places]


def _reads(graph: Graph, index: int, gone: set[Node]) -> bool:
    """Whether a parameter is still read when the nodes `gone` come from outside."""
    return graph.params[index] in order(graph.outputs, gone)


def _closed(
    region: Graph,
    number: int,
    kept: Sequence[int],
    made: dict[Node, list[tuple[int, Node]]],
    invariant: int,
) -> Graph:
    """A region whose parameters are the invariants that stay, those that are new, the others."""
    rest = region.params[invariant:]
    types = [region.params[i].tensor for i in kept]
    types += [new.tensor for new in made]
    params = parameters((*types, *(param.tensor for param in rest)))
    values = dict(zip((region.params[i] for i in kept), params, strict=False))
    for own, places in zip(params[len(kept) :], made.values(), strict=False):
        values.update({old: own for k, old in places if k == number})
    values.update(zip(rest, params[len(types) :], strict=True))
    moved = revise(region, values.get)
    names = [region.names[i] for i in kept]
    names += [f"before{i}" for i in range(len(made))]
    names += region.names[invariant:]
    return with_places(Graph(params, moved.outputs, tuple(names)), dict(moved.places))


# what is worth it


def _worthwhile(region: Graph, invariant: int) -> list[Node]:
    """Nodes to be computed outside, in order."""
    fixed = set(region.params[:invariant])
    inside: dict[Node, None] = {}
    for node in region.nodes:
        if node.op is parameter or is_hazard(node):
            continue
        if all(operand in inside or operand in fixed for operand in node.operands):
            inside[node] = None
    edge: dict[Node, None] = {}
    for node in region.nodes:
        if node not in inside:
            edge.update(dict.fromkeys(o for o in node.operands if o in inside))
    edge.update(dict.fromkeys(o for o in region.outputs if o in inside))
    found: dict[Node, None] = {}
    for node in _solid(edge, inside):
        if not isinstance(node.type, TupleType) and _pays(node, inside):
            found[node] = None
    return list(found)


def _solid(edge: Iterable[Node], inside: dict[Node, None]) -> Iterable[Node]:
    """Nodes at the edge; instead of those that cost nothing where they are read, their operands."""
    waiting, seen = list(edge), set()
    while waiting:
        node = waiting.pop(0)
        if node in seen or node not in inside:
            continue
        seen.add(node)
        if constant_value(node) is not None:
            continue
        if is_free(node) or is_view(node):
            waiting += node.operands
        else:
            yield node


def _pays(node: Node, inside: dict[Node, None]) -> bool:
    """Whether computing a node once is worth the memory and the reading."""
    under = [n for n in order([node]) if n in inside]
    sources = {o for n in order([node]) for o in n.operands if o not in inside}
    size = _number(node.tensor.size)
    if _bytes(node) > max(SMALL, GROWTH * sum(map(_bytes, sources))):
        return False
    return sum(map(_steps, under)) >= WORTH * max(size, 1)


def _steps(node: Node) -> int:
    """About how many elementary steps a node takes."""
    if is_free(node) or is_view(node) or isinstance(node.attrs, ProjectAttrs):
        return 0
    reads = max((_number(o.tensor.size) for o in node.operands), default=0)
    size = sum(_number(type_.size) for type_ in node.results)
    if isinstance(node.attrs, DotAttrs):
        left = node.operands[0].tensor.shape
        inner = 1
        for axis in node.attrs.lhs_contract:
            inner *= _number(left[axis])
        return 2 * inner * size
    if isinstance(node.attrs, ScanAttrs):
        return node.attrs.length * sum(map(_steps, node.attrs.body.nodes))
    if node.op in TRANSCENDENTAL:
        return 10 * size
    if node.op.elementwise or node.op in MOVES:
        return size
    return OTHER_STEPS * max(size, reads)


def _number(size: Size) -> int:
    return size if isinstance(size, int) else UNKNOWN


def _bytes(node: Node) -> int:
    return sum(_number(type_.size) * type_.dtype.bytes for type_ in node.results)
