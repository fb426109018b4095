"""The one driver of rewrite rules: each node once, in order, and never for ever.

A rule is a function from a node to its replacement or None. Rules are looked up by the
operation on which they work, so a node that no rule knows costs one look into a table.
What a rule makes is offered to the rules again, at most `limit` times per node of the graph;
past that the rules undo each other, and the error names them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from graphc.ir.errors import RewriteError
from graphc.ir.graph import Graph, order, rebuild
from graphc.ir.node import Node, Op, regions
from graphc.ir.places import written_at
from graphc.passes.notes import notes
from graphc.passes.revise import in_regions, revise

Rule: TypeAlias = Callable[[Node], Node | None]
RuleTable: TypeAlias = Mapping[Op, tuple[Rule, ...]]

LIMIT = 100


def merged(tables: Sequence[RuleTable]) -> RuleTable:
    """One table of several; per operation the rules stand in the order of the tables."""
    found: dict[Op, tuple[Rule, ...]] = {}
    for table in tables:
        for op, rules in table.items():
            found[op] = found.get(op, ()) + rules
    return found


@dataclass
class _Rewriter:
    """What one run knows: nodes on which no rule fires, regions done, and what fired."""

    table: RuleTable
    limit: int
    settled: set[Node] = field(default_factory=set)
    regions: dict[Graph, Graph] = field(default_factory=dict)
    total: Counter[str] = field(default_factory=Counter)
    recent: list[str] = field(default_factory=list)  # fired for the node at hand
    at_hand: Node | None = None


def rewrite(graph: Graph, table: RuleTable, *, limit: int = LIMIT) -> Graph:
    """`graph`, and the graphs in it, with the rules applied until none fires.

    Raises:
        RewriteError: for one node, rules fired more than `limit` times, or as often for each
            node of the bodies that it holds or reads from; they are named.
    """
    state = _Rewriter(table, limit)
    result = _rewrite_graph(state, graph)
    said = notes()
    if state.total and said is not None:
        fired = ", ".join(f"{name} {count}" for name, count in sorted(state.total.items()))
        said.append(f"rules fired: {fired}")
    return result


def _rewrite_graph(state: _Rewriter, graph: Graph) -> Graph:
    known = state.regions.get(graph)
    if known is not None:
        return known
    table, settled = state.table, state.settled

    def change(node: Node, current: Node) -> Node:
        if current in settled:
            return current
        if current.op in table:
            outside = state.recent, state.at_hand
            state.recent, state.at_hand = [], current
            try:
                return _settle(state, current)
            except RewriteError as error:
                raise RewriteError(f"{error}{written_at(graph.place(node))}") from None
            finally:
                state.recent, state.at_hand = outside
        if regions(current):
            current = in_regions(current, lambda region: _rewrite_graph(state, region))
        settled.add(current)
        return current

    result = revise(graph, change)
    state.regions[graph] = state.regions[result] = result
    return result


def _held(node: Node) -> int:
    """Nodes of the bodies that a node holds or reads from: a rule may open these in its place."""
    return sum(body.count for holder in (node, *node.operands) for body in regions(holder))


def _settle(state: _Rewriter, node: Node) -> Node:
    """`node`, whose operands are settled, with rules applied until none fires."""
    while node not in state.settled:
        if regions(node):
            node = in_regions(node, lambda region: _rewrite_graph(state, region))
        fired = _fire(state, node)
        if fired is None:
            state.settled.add(node)
            break
        if fired in state.settled:
            return fired
        new: dict[Node, Node] = {}
        *inner, last = order((fired,), state.settled)
        for part in inner:
            made = rebuild(part, tuple(new.get(operand, operand) for operand in part.operands))
            new[part] = _settle(state, made)
        node = rebuild(last, tuple(new.get(operand, operand) for operand in last.operands))
    return node


def _fire(state: _Rewriter, node: Node) -> Node | None:
    """What the first rule that applies makes of `node`."""
    for rule in state.table.get(node.op, ()):
        made = rule(node)
        if made is None or made is node:
            continue
        state.total[rule.__name__] += 1
        state.recent.append(rule.__name__)
        if len(state.recent) > state.limit:
            _require_end(state)
        return made
    return None


def _require_end(state: _Rewriter) -> None:
    """Raise when rules fired for one node more often than they may, and say which."""
    assert state.at_hand is not None
    allowed = state.limit * (1 + _held(state.at_hand))
    if len(state.recent) <= allowed:
        return
    last = Counter(state.recent[-state.limit // 2 :])
    laws = {
        rule.__name__: (rule.__doc__ or "").strip().split("\n")[0]
        for rules in state.table.values()
        for rule in rules
    }
    names = [f"{name} ({laws[name]})" for name in sorted(last)]
    raise RewriteError(
        f"rules undo one another: got more than {allowed} firings for one node, by "
        f"{' and '.join(names)}, expected an end"
    )
