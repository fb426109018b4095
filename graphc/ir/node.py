"""The node: one pure operation on values, interned.

Equal nodes are one object, so common subexpressions merge and unreachable nodes
vanish without any pass. A node's identity is its operation, its operands and
its attributes; floats sit in attributes only as bits (see `ConstantAttrs`), so
`0.0` is not `-0.0`. The type follows from these by the operation's type rule.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from weakref import ref

import numpy as np

from graphc.ir.places import in_force
from graphc.ir.types import Size, TensorType, TupleType, Type, single

if TYPE_CHECKING:
    from graphc.ir.graph import Graph

_Key: TypeAlias = "tuple[Node, ...] | tuple[tuple[Node, ...], Attrs]"
Value: TypeAlias = np.ndarray | tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class Attrs:
    """Base of the attributes of operations; each operation names its own fields."""


NO_ATTRS = Attrs()
Cotangents: TypeAlias = "Sequence[Node | None]"
BatchRule: TypeAlias = "Callable[[Node, Sequence[Node], Sequence[bool], Size], Node]"
Tangents: TypeAlias = "Sequence[Node | None]"


@dataclass(frozen=True, eq=False)
class Op:
    """A row: all that is known of one operation above code generation.

    `infer(attrs, *types)` is the type rule and raises on what the operation cannot mean;
    `reference(attrs, *arrays)` is its meaning; `vjp(node, cotangent)` gives, per operand,
    the cotangent or None for zero; `jvp(node, tangents)` gives the tangent of the result, with None
    for zero in both (where it is missing, `vjp` is transposed); `push(node, tangents)`, of a row
    with several results, gives the tangent of each and is transposed for cotangents;
    `expand(attrs, *operands)` is its definition by other operations, where it has one: a node, or
    one for each result; `batch(node, operands, batched, size)` is the operation on operands some
    of which, at least one, have a batch axis of `size` in front, and so have its results;
    `samples` are inputs for the generated tests.
    """

    name: str
    infer: Callable[..., Type]
    reference: Callable[..., Value] | None = None
    attrs: type[Attrs] = Attrs
    vjp: Callable[[Node, Node], Cotangents] | None = None
    jvp: Callable[[Node, Tangents], Node | None] | None = None
    push: Callable[[Node, Tangents], Tangents] | None = None
    expand: Callable[..., Node | Sequence[Node]] | None = None
    batch: BatchRule | None = None
    samples: Callable[[], Sequence[Sample]] | None = None
    elementwise: bool = False
    identity: float | None = None  # of a reduction: the value of an empty one
    holds_graphs: bool = field(init=False, repr=False)
    nodes: dict[_Key, _Kept] = field(default_factory=dict, init=False, repr=False)  # that are alive

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds_graphs", hasattr(self.attrs, "regions"))

    def __call__(self, *operands: Node, **fields: object) -> Node:
        """The node that applies the operation."""
        return make(self, operands, self.attributes(**fields))

    def attributes(self, **fields: object) -> Attrs:
        """The operation's attributes from their fields."""
        return NO_ATTRS if self.attrs is Attrs and not fields else self.attrs(**fields)

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Sample:
    """Operands and attributes on which the generated tests try an operation."""

    arrays: tuple[np.ndarray, ...]
    attrs: Attrs = NO_ATTRS
    smooth: bool = True  # whether the operation is differentiable there


class Node:
    """One application of an operation; compare by identity.

    >>> from graphc.ops import elementwise, leaf
    >>> from graphc.ir.types import tensor
    >>> x = leaf.parameter(index=0, type=tensor("f32", (3,)))
    >>> elementwise.exp(x) is elementwise.exp(x), str(elementwise.exp(x).type)
    (True, 'f32[3]')
    """

    __slots__ = ("__weakref__", "attrs", "op", "operands", "type")

    def __init__(self, op: Op, operands: tuple[Node, ...], attrs: Attrs, type_: Type) -> None:
        self.op = op
        self.operands = operands
        self.attrs = attrs
        self.type = type_

    @property
    def tensor(self) -> TensorType:
        """The type, known to be no tuple."""
        type_ = self.type
        return type_ if type(type_) is TensorType else single(type_)

    @property
    def results(self) -> tuple[TensorType, ...]:
        """The types of the results, one or several."""
        return self.type.elements if isinstance(self.type, TupleType) else (self.type,)

    def __repr__(self) -> str:
        return f"<{self.op.name} {self.type}>"


class _Kept(ref["Node"]):
    """A node in the table of its operation, which does not keep it alive, and its key there."""

    __slots__ = ("key", "table")
    key: _Key
    table: dict[_Key, _Kept]


# Like a `WeakValueDictionary`, whose methods are Python: nodes are most of what compiling makes.
_lock = threading.RLock()  # nodes may die, and leave their table, while one is added


def _leave(kept: _Kept) -> None:
    """Take a dead node's entry from its table, unless an equal node has come in its place."""
    with _lock:
        found = kept.table.pop(kept.key, kept)
        if found is not kept:
            kept.table[kept.key] = found


def make(op: Op, operands: tuple[Node, ...], attrs: Attrs) -> Node:
    """The one node of an operation, operands and attributes.

    Raises:
        ShapeError, DtypeError: the type rule rejects the operands.
    """
    key = operands if type(attrs) is Attrs else (operands, attrs)
    known = op.nodes.get(key)
    node = None if known is None else known()
    if node is None:
        type_ = op.infer(attrs, *[operand.type for operand in operands])
        node = _added(key, Node(op, operands, attrs, type_))
    noted = in_force.get()
    if noted is not None:
        noted.note(node)
    return node


def remake(node: Node, operands: tuple[Node, ...]) -> Node:
    """The same operation on other operands; where they have the types of the old ones, so has it.

    Example: `remake(exp_of_x, (y,))`.
    """
    op, attrs = node.op, node.attrs
    key = operands if type(attrs) is Attrs else (operands, attrs)
    known = op.nodes.get(key)
    made = None if known is None else known()
    if made is None:
        for old, new in zip(node.operands, operands, strict=True):
            if old.type is not new.type:
                return make(op, operands, attrs)
        made = _added(key, Node(op, operands, attrs, node.type))
    noted = in_force.get()
    if noted is not None:
        noted.note(made)
    return made


def _added(key: _Key, node: Node) -> Node:
    """The node of a key, which mostly is the one given; another thread may have been faster."""
    kept = _Kept(node, _leave)
    kept.key, kept.table = key, node.op.nodes
    with _lock:
        other = kept.table.setdefault(key, kept)()
        if other is None:
            kept.table[key] = kept
            return node
    return other


def regions(node: Node) -> tuple[Graph, ...]:
    """The closed graphs that a node holds (loop bodies, branches, kernels)."""
    return getattr(node.attrs, "regions", ()) if node.op.holds_graphs else ()
