"""Graph to text: what a reader sees of a program at every stage.

One node stands on one line. Three kinds of node need none: a scalar constant and one
repeated to a shape are written where they are used (`2.5:f32[]`, `2.5:f32[4,3]`), and
result 1 of `%5` is `%5.1`. Regions are printed before what holds them, equal ones once.
The form is stated in docs/grammar.md; attributes print by the fields of their dataclass,
so a new operation needs nothing here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.node import Attrs, Node, regions
from graphc.ir.places import Places
from graphc.ir.text.literals import PLAIN_NAME, element_text, elements, quoted, word_or_quoted
from graphc.ir.types import DType, TensorType

if TYPE_CHECKING:
    from graphc.ir.graph import Graph

MAIN = "main"
WIDEST = 100  # columns of a header; a longer one has one parameter per line
MOST_LISTED = 16  # elements of a constant that are written one by one
PREVIEW = 3  # elements shown of an abbreviated constant
MOST_PREVIEWED_PLACES = 2


class _Constant(Protocol):
    """What the printer asks of a constant's attributes."""

    type: TensorType
    data: bytes


class _Broadcast(Protocol):
    """What it asks of a broadcast's."""

    axes: tuple[int, ...]


class _Project(Protocol):
    """What it asks of a projection's."""

    index: int


@dataclass(frozen=True)
class _Style:
    """How to print, and the names of the regions."""

    full_constants: bool
    places: bool
    regions: Mapping[Graph, str]


def print_graph(graph: Graph, *, full_constants: bool = False, places: bool = False) -> str:
    """The graph as text.

    Constants of more than 16 elements are abbreviated unless `full_constants`; `places`
    ends each line with where its node was written.

    >>> from graphc.ops import elementwise, leaf
    >>> from graphc.ir.graph import Graph
    >>> from graphc.ir.types import tensor
    >>> x = leaf.parameter(index=0, type=tensor("f32", (3,)))
    >>> print(print_graph(Graph((x,), (elementwise.exp(x),), ("x",))))
    graph @main(%x: f32[3]) -> (f32[3]) {
      %0 = exp %x : f32[3]
      return %0
    }
    """
    style = _Style(full_constants, places, _region_names(graph))
    parts = [_function(region, name, style) for region, name in style.regions.items()]
    return "\n\n".join([*parts, _function(graph, MAIN, style)])


def node_line(graph: Graph, nodes: Iterable[Node], node: Node) -> str:
    """One line of a graph whose nodes are known to be `nodes`, broken or not."""
    names = _value_names(graph, nodes)
    line = _line(node, names, _Style(False, False, _region_names(node)))
    return f"{names[node]} = {line}" if _is_line(node) and node in names else line


# regions


def _region_names(root: Graph | Node) -> dict[Graph, str]:
    """Every region reached, inner ones first, with a name of its own; iterative."""
    names: dict[Graph, str] = {}
    taken = {MAIN: 1}
    stack: list[tuple[Graph, str, bool]] = []

    def held(nodes: Iterable[Node]) -> None:
        found = [pair for node in nodes for pair in _named_regions(node)]
        stack.extend((region, base, False) for region, base in reversed(found))

    held((root,) if isinstance(root, Node) else root.nodes)
    while stack:
        region, base, ready = stack.pop()
        if region in names:
            continue
        if ready:
            taken[base] = taken.get(base, 0) + 1
            names[region] = base if taken[base] == 1 else f"{base}.{taken[base]}"
            continue
        stack.append((region, base, True))
        held(region.nodes)
    return names


def _named_regions(node: Node) -> list[tuple[Graph, str]]:
    """The regions of a node with a name for each: that of the group, or of the field."""
    found = regions(node)
    if not found:
        return []
    group = getattr(node.attrs, "name", None)
    if isinstance(group, str):
        base = re.sub(r"[^A-Za-z0-9_]", "_", group) or "group"
        return [(region, base) for region in found]
    bases = {}
    for field in fields(node.attrs):
        value = getattr(node.attrs, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            bases[id(item)] = field.name
    return [(region, bases.get(id(region), "region")) for region in found]


# one graph


def _function(graph: Graph, name: str, style: _Style) -> str:
    names = _value_names(graph, graph.nodes)
    lines = [_header(graph, name, names)]
    params = set(graph.params)
    for node in graph.nodes:
        if node in params or not _is_line(node):
            continue
        comment = _comment(graph.place(node)) if style.places else ""
        lines.append(f"  {names[node]} = {_line(node, names, style)}{comment}")
    returned = ", ".join(names[output] for output in graph.outputs)
    return "\n".join([*lines, f"  return {returned}".rstrip(), "}"])


def _header(graph: Graph, name: str, names: Mapping[Node, str]) -> str:
    params = [f"{names[param]}: {param.type}" for param in graph.params]
    results = ", ".join(str(output.type) for output in graph.outputs)
    line = f"graph @{name}({', '.join(params)}) -> ({results}) {{"
    if len(line) <= WIDEST or not params:
        return line
    return "\n".join([f"graph @{name}(", *(f"  {p}," for p in params), f") -> ({results}) {{"])


def _value_names(graph: Graph, nodes: Iterable[Node]) -> dict[Node, str]:
    """What each node is called: a parameter by its name, a literal by itself."""
    names: dict[Node, str] = {}
    seen: set[str] = set()
    for index, (param, name) in enumerate(zip(graph.params, graph.names, strict=True)):
        shown = name if PLAIN_NAME.fullmatch(name) else quoted(name)
        names[param] = f"%{shown}#{index}" if name in seen else f"%{shown}"
        seen.add(name)
    count = 0
    for node in nodes:
        if node in names:
            continue
        if _is_line(node):
            names[node] = f"%{count}"
            count += 1
        elif node.op.name == "project":
            of = names.get(node.operands[0], "%?")
            names[node] = f"{of}.{cast(_Project, node.attrs).index}"
        else:
            names[node] = _literal(node)
    return names


def _is_line(node: Node) -> bool:
    """Whether a node has a line of its own."""
    if node.op.name == "project":
        return False
    if node.op.name == "constant":
        return bool(cast(_Constant, node.attrs).type.shape)
    return not _is_splat(node)


def _is_splat(node: Node) -> bool:
    """Whether a node repeats a scalar constant to a shape of one axis or more."""
    if node.op.name != "broadcast" or not isinstance(node.type, TensorType):
        return False
    (x,) = node.operands
    is_scalar = x.op.name == "constant" and x.type == TensorType(node.type.dtype, ())
    return is_scalar and bool(node.type.shape)


def _literal(node: Node) -> str:
    scalar = node.operands[0] if node.operands else node
    attrs = cast(_Constant, scalar.attrs)
    return f"{element_text(attrs.type.dtype, attrs.data)}:{node.type}"


# one line


def _line(node: Node, names: Mapping[Node, str], style: _Style) -> str:
    if node.op.name == "constant":
        return f"constant {_elements(cast(_Constant, node.attrs), style)} : {node.type}"
    operands = ", ".join(names.get(operand, "%?") for operand in node.operands)
    attrs = _attrs(node.attrs, style)
    words = [word for word in (node.op.name, operands, attrs) if word]
    return f"{' '.join(words)} : {node.type}"


def _elements(attrs: _Constant, style: _Style) -> str:
    """The elements of a constant: a list, or base64 of the bytes, or an abbreviation."""
    dtype, data = attrs.type.dtype, attrs.data
    count = len(data) // dtype.bytes
    if count <= MOST_LISTED:
        return f"[{', '.join(element_text(dtype, bits) for bits in elements(dtype, data))}]"
    if style.full_constants:
        return f'base64"{base64.b64encode(data).decode()}"'
    first = elements(dtype, data[: PREVIEW * dtype.bytes])
    shown = ", ".join(element_text(dtype, bits) for bits in first)
    digest = hashlib.sha256(data).hexdigest()[:16]
    return f"<{shown}, ... {count} elements, sha256 {digest}>"


def _attrs(attrs: Attrs, style: _Style) -> str:
    """The fields that are not at their default."""
    if type(attrs) is Attrs:
        return ""
    shown = []
    for field in fields(attrs):
        value = getattr(attrs, field.name)
        if not _is_default(field, value):
            shown.append(f"{field.name}={_value(value, style)}")
    return f"{{{', '.join(shown)}}}" if shown else ""


def _is_default(field: Field[object], value: object) -> bool:
    default = field.default
    return default is not MISSING and type(value) is type(default) and value == default


def _value(value: object, style: _Style) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int() | np.integer():
            return str(int(value))
        case float():
            return repr(value)
        case Dim() | DType() | TensorType():
            return str(value)
        case str():
            return word_or_quoted(value)
        case bytes():
            return f'base64"{base64.b64encode(value).decode()}"'
        case tuple():
            return f"[{', '.join(_value(item, style) for item in value)}]"
    name = style.regions.get(cast("Graph", value))
    if name is None:
        raise TypeError(f"no text form for an attribute of type {type(value).__name__}")
    return f"@{name}"


def _comment(places: Places) -> str:
    """The first places of a node, without what would end the line."""
    if not places:
        return ""
    shown = [str(place) for place in places[:MOST_PREVIEWED_PLACES]]
    more = f" (+{len(places) - len(shown)})" if len(places) > len(shown) else ""
    text = "; ".join(shown) + more
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f"  // {text}"
