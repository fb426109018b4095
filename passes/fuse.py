"""Group the nodes of a graph into kernels."""

from __future__ import annotations

from dataclasses import replace

from graphc.ir.errors import RewriteError
from graphc.ir.graph import Graph, order, rebuild
from graphc.ir.node import Attrs, Node, make
from graphc.ir.places import MOST_PLACES, Places, Recorder, recording
from graphc.ops import leaf
from graphc.ops.control import ScanAttrs, SwitchAttrs, WhileAttrs, kernel, parameters, results
from graphc.passes.fusion_groups import Grouping
from graphc.passes.group import Group

MOST_WORDS = 3  # operations that a kernel's name tells
MOST_MERGED = 600  # nodes of maps in one kernel


def fuse(graph: Graph) -> Graph:
    """Group nodes into kernels, which are graphs inside the graph.

    before: %0 = exp %x : f32[9]                  after: %0 = kernel %x, %y {body=@exp_mul} : f32[9]
            %1 = mul %0, %y : f32[9]
    """
    grouping, items = _scheduled(graph)
    table: dict[Node, Places] = {}
    with recording(table) as record:
        env: dict[Node, Node] = {param: param for param in graph.params}
        for item in items:
            if isinstance(item, Group):
                _emit(item, grouping, env, record)
            elif item not in env:
                record.here = graph.place(item)
                operands = tuple(_value(operand, env) for operand in item.operands)
                env[item] = make(item.op, operands, _fused_regions(item.attrs))
        outputs = tuple(_value(output, env) for output in graph.outputs)
    return replace(graph, outputs=outputs, places=table)


def scheduled(graph: Graph) -> list[Node | Group]:
    """The groups that `fuse` would make and what stands between them, in the order of running."""
    return _scheduled(graph)[1]


def _scheduled(graph: Graph) -> tuple[Grouping, list[Node | Group]]:
    grouping = Grouping(graph)
    return grouping, _in_order(grouping, _merge_maps(grouping, grouping.run()))


def _fused_regions(attrs: Attrs) -> Attrs:
    match attrs:
        case WhileAttrs():
            return replace(attrs, condition=fuse(attrs.condition), body=fuse(attrs.body))
        case ScanAttrs():
            return replace(attrs, body=fuse(attrs.body))
        case SwitchAttrs():
            return replace(attrs, branches=tuple(fuse(branch) for branch in attrs.branches))
    return attrs


def _value(node: Node, env: dict[Node, Node]) -> Node:
    """The new node for one that has a buffer."""
    found = env.get(node)
    if found is None:
        found = env[node] = make(
            node.op, tuple(_value(operand, env) for operand in node.operands), node.attrs
        )
    return found


def _places(graph: Graph, group: Group) -> Places:
    every = [place for node in group.members for place in graph.place(node)]
    return tuple(dict.fromkeys(every))[:MOST_PLACES]


def _emit(group: Group, grouping: Grouping, env: dict[Node, Node], record: Recorder) -> None:
    """The kernel node of a group, and its results."""
    outputs = sorted(group.outputs, key=grouping.number.__getitem__)
    walk = order(outputs, _outside(grouping, group))
    inputs = [node for node in walk if node not in group.members]
    params = parameters(tuple(node.tensor for node in inputs))
    inner = dict(zip(inputs, params, strict=True))
    places = grouping.graph.places
    for node in walk:
        if node not in inner:
            record.here = places.get(node, ())  # the line of an index out of range
            made = inner[node] = rebuild(node, tuple([inner[operand] for operand in node.operands]))
            record.note(made)
    body = Graph(params, tuple(inner[output] for output in outputs))
    body = grouping.bodies.setdefault(body, body)  # what is found of one is known of its equals
    record.here = _places(grouping.graph, group)
    operands = [_value(node, env) for node in inputs]
    made = kernel(*operands, name=_name(grouping, group), body=body, window=group.window)
    env.update(zip(outputs, results(made), strict=True))


def _outside(grouping: Grouping, group: Group) -> set[Node]:
    """Nodes that members of a finished group read and that are no members."""
    found = grouping.reads.get(group)
    if found is None:
        found = grouping.reads[group] = set()
        stack: list[Node] = list(group.outputs)
        seen = set(stack)
        while stack:
            node = stack.pop()
            if node not in group.members:
                found.add(node)
                continue
            for operand in node.operands:
                if operand not in seen:
                    seen.add(operand)
                    stack.append(operand)
    return found


def _name(grouping: Grouping, group: Group) -> str:
    """A name from the operations that matter most: contraction, reductions, then the last ones."""
    words: dict[str, None] = {}
    if group.contraction is not None:
        words["dot"] = None
    for node in (*group.outputs, *group.members):
        if node not in grouping.free and node.op.name != "dot_general":
            words[node.op.name] = None
    return "_".join(list(words)[:MOST_WORDS]) or next(iter(group.members)).op.name


def _in_order(grouping: Grouping, groups: list[Group]) -> list[Node | Group]:
    """Groups and other nodes, what is read before what reads it; ties by place in the graph."""
    graph = grouping.graph
    home = {node: group for group in groups for node in group.outputs}
    done: dict[Node | Group, None] = {}
    open_: set[Node | Group] = set()
    wanted = [node for node in graph.nodes if node in home or node in grouping.leaves]
    stack: list[tuple[Node | Group, bool]] = [(home.get(n, n), False) for n in reversed(wanted)]
    while stack:
        item, ready = stack.pop()
        if item in done:
            continue
        if ready:
            done[item] = None
            continue
        if item in open_:
            raise RewriteError(f"kernels wait for each other: got a ring through {item}")
        open_.add(item)
        stack.append((item, True))
        for operand in _reads(grouping, item):
            source = home.get(operand, operand)
            if source not in done and source is not item:
                stack.append((source, False))
    return [item for item in done if isinstance(item, Group) or item.op is not leaf.parameter]


def _reads(grouping: Grouping, item: Node | Group) -> list[Node]:
    if isinstance(item, Node):
        return list(reversed(item.operands))
    return sorted(_outside(grouping, item), key=lambda node: node.op.name)


def _merge_maps(grouping: Grouping, groups: list[Group]) -> list[Group]:
    """Put maps that do not wait for each other into one kernel."""
    home = {node: group for group in groups for node in group.outputs}
    level: dict[Group, int] = {}
    for item in _in_order(grouping, groups):
        if isinstance(item, Group):
            before = [_level_of(node, home, level) for node in _reads(grouping, item)]
            level[item] = 1 + max(before, default=0)
    merged: list[Group] = []
    first: dict[int, Group] = {}
    for group in groups:
        known = first.get(level[group])
        small = known is not None and len(known.members) + len(group.members) <= MOST_MERGED
        if group.is_map and known is not None and small:
            known.members.update(group.members)
            known.outputs.update(group.outputs)
            grouping.reads.pop(known, None)
            continue
        if group.is_map:
            first[level[group]] = group
        merged.append(group)
    return merged


def _level_of(node: Node, home: dict[Node, Group], level: dict[Group, int]) -> int:
    """How many kernels stand before a node on the longest way."""
    highest, stack, seen = 0, [node], {node}
    while stack:
        at = stack.pop()
        if at in home and home[at] in level:
            highest = max(highest, level[home[at]])
            continue
        for operand in at.operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return highest
