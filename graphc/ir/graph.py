"""The graph: parameters in, outputs out, closed over nothing.

A graph is a value: two graphs with the same parameters and outputs are equal,
and every pass is a function from one to the next. Its parameters are nodes
numbered from 0, so identical loop bodies or kernels are identical graphs
wherever they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

from graphc.ir.errors import ArgumentError
from graphc.ir.node import Attrs, Node, Op, make, regions, remake
from graphc.ir.places import Places, PlaceTable, recording
from graphc.ir.text.printer import print_graph
from graphc.ir.types import TensorType

NOWHERE: PlaceTable = MappingProxyType({})
Meaning: TypeAlias = Callable[[Node, tuple[Node, ...]], Node]


@dataclass(frozen=True, eq=False)
class Graph:
    """A function from arrays to arrays.

    `names` are those of the user's parameters. `places` tells where each node was written
    and is no part of the graph's identity.
    """

    params: tuple[Node, ...]
    outputs: tuple[Node, ...]
    names: tuple[str, ...] = ()
    places: PlaceTable = field(default_factory=lambda: NOWHERE, repr=False)

    def __post_init__(self) -> None:
        if len(self.names) != len(self.params):
            named = tuple(f"p{i}" for i in range(len(self.params)))
            if self.names:
                raise ArgumentError(
                    f"names of parameters: got {len(self.names)}, expected {len(self.params)}"
                )
            object.__setattr__(self, "names", named)

    @cached_property
    def _key(self) -> tuple[object, ...]:
        return (self.params, self.outputs, self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and (self is other or self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node reached from the outputs, operands before users, parameters included."""
        return order(self.outputs)

    @cached_property
    def count(self) -> int:
        """Number of nodes, those of the graphs that nodes hold included."""
        return sum(1 + sum(held.count for held in regions(node)) for node in self.nodes)

    @cached_property
    def operations(self) -> frozenset[Op]:
        """Every operation in it, and in the graphs that nodes hold: what no pass need look for."""
        found = {node.op for node in self.nodes}
        return frozenset(found.union(*(g.operations for n in self.nodes for g in regions(n))))

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        """The types of the parameters."""
        return tuple(param.tensor for param in self.params)

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        """The types of the outputs."""
        return tuple(output.tensor for output in self.outputs)

    def place(self, node: Node) -> Places:
        """Where `node` was written, as far as known."""
        return self.places.get(node, ())

    @cached_property
    def users(self) -> Mapping[Node, tuple[Node, ...]]:
        """Per node, the nodes that read it, each once, in order."""
        found: dict[Node, dict[Node, None]] = {node: {} for node in self.nodes}
        for node in self.nodes:
            for operand in node.operands:
                found[operand][node] = None
        return {node: tuple(users) for node, users in found.items()}

    def __str__(self) -> str:
        return self.text

    @cached_property
    def text(self) -> str:
        """The graph as text; `graphc.parse` reads it back to the identical graph."""
        return print_graph(self)


def order(outputs: Iterable[Node], stop: Container[Node] = ()) -> tuple[Node, ...]:
    """Nodes reached from `outputs` without passing `stop`, operands first.

    Iterative, since graphs are deep.
    """
    done: dict[Node, None] = {}
    stack: list[Node | None] = [*outputs]
    stack.reverse()
    while stack:
        node = stack.pop()
        if node is None:  # all operands of the one below are done
            ready = stack.pop()
            assert ready is not None
            done[ready] = None
        elif node not in done:
            if node.operands and node not in stop:
                stack += (node, None)
                stack += node.operands[::-1]
            else:
                done[node] = None
    return tuple(done)


def rebuild(node: Node, operands: tuple[Node, ...], attrs: Attrs | None = None) -> Node:
    """`node` with other operands (and attributes), or itself when nothing differs."""
    if attrs is not None and attrs != node.attrs:
        return make(node.op, operands, attrs)
    return node if operands == node.operands else remake(node, operands)


def transform(graph: Graph, meaning: Meaning, params: Sequence[Node] | None = None) -> Graph:
    """Walk `graph` in order and give each node but the parameters a new meaning.

    `meaning(node, operands)` gets the node and its operands' new meanings; what it makes
    stands on the places of `node`.
    """
    new_params = graph.params if params is None else tuple(params)
    table: dict[Node, Places] = {}
    with recording(table) as record:
        env = dict(zip(graph.params, new_params, strict=True))
        for node in graph.nodes:
            if node in env:
                continue
            record.here = graph.place(node)
            env[node] = meaning(node, tuple(env[operand] for operand in node.operands))
            record.note(env[node])
    outputs = tuple(env[output] for output in graph.outputs)
    return replace(graph, params=new_params, outputs=outputs, places=table)


def substitute(outputs: Sequence[Node], values: Mapping[Node, Node]) -> tuple[Node, ...]:
    """`outputs` with some nodes replaced by others, everything between rebuilt."""
    env = dict(values)
    for node in order(outputs, values):
        if node not in env:
            env[node] = rebuild(node, tuple([env[operand] for operand in node.operands]))
    return tuple(env[output] for output in outputs)


def inline(graph: Graph, arguments: Sequence[Node]) -> tuple[Node, ...]:
    """The outputs of `graph` applied to `arguments`."""
    return substitute(graph.outputs, dict(zip(graph.params, arguments, strict=True)))
