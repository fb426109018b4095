"""From a graph to mathematics: one element of every value as an expression.

before: %2 = dot_general %x, %w ; %3 = add %2, %b      after: Total(x(i, k) w(k, j), k) + b(j)

Movement only changes indices, so transposes and broadcasts vanish. A value that several others read
gets a name (what is only used once after simplification loses it again), and what is no formula
(`sort`, a loop, a composite that mixes elements) stays a call by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphc.explain.arrays import (
    RELATIONS,
    Book,
    Operand,
    at,
    axes,
    opposite,
    relation,
    total,
)
from graphc.ir.dims import Expression, sympy_module
from graphc.ir.graph import Graph
from graphc.ir.node import Node, Op
from graphc.ir.types import BOOL, Size, TupleType
from graphc.ops import contraction, control, custom, duals, leaf, movement, reduction
from graphc.ops import elementwise as e
from graphc.ops.formulas import formula_of

INLINED = frozenset({custom.custom_jvp, custom.custom_vjp, custom.checkpoint})
SAME = frozenset({control.stop_gradient, custom.optimization_barrier, e.convert})
MOVES = frozenset({
    duals.broadcast, movement.reshape, movement.transpose, movement.slice, movement.reverse,
})  # fmt: skip
# Never named by themselves: steps of softmax and its kin, which are recognised as a whole.
STEPS = frozenset({
    e.exp, e.log, e.neg, e.sub, reduction.reduce_max, duals.reduce_sum, leaf.iota, *SAME, *MOVES,
})  # fmt: skip
BY_NAME = {"logistic": "sigmoid", "max": "max", "min": "min", "abs": "abs"}
STATED = re.compile(r"(\w+(?:, \w+)*): (.+)")
FRACTIONS = (1, 2, 3, 4, 8)  # below which a number is a fraction
LONGEST = 24  # steps on from the last named value


def size_of(size: Size) -> Expression:
    """A size as a number or a symbol."""
    sympy = sympy_module()
    return sympy.Integer(size) if isinstance(size, int) else sympy.sympify(str(size))


def number(value: np.generic | float) -> Expression:
    """A number as it would be written, not with the digits of its last bits."""
    sympy = sympy_module()
    text = str(value)
    if text in ("nan", "inf", "-inf"):
        return {"nan": sympy.Symbol("nan"), "inf": sympy.oo, "-inf": -sympy.oo}[text]
    fraction = sympy.Rational(text)
    return fraction if fraction.q in FRACTIONS and abs(fraction.p) < 1e6 else sympy.Float(text)


@dataclass
class Elements:
    """The elements of the values of one graph, each at `axes` of its rank."""

    book: Book
    known: dict[Node, Expression] = field(default_factory=dict)
    depth: dict[Node, int] = field(default_factory=dict)

    def read(self, graph: Graph, keep: frozenset[Node] = frozenset()) -> list[Expression]:
        """The elements of the outputs; the parameters must be known."""
        readers = _readers(graph)
        for node in graph.nodes:
            if node in self.known or node.op is leaf.parameter:
                continue
            found = self._element(node)
            inner = max((self.depth.get(o, 0) for o in node.operands), default=0) + 1
            often = len(readers.get(node, ())) > 1 and node.op not in STEPS
            if found is not None and _is_named(node) and (often or inner > LONGEST or node in keep):
                found = self.book.define(node.tensor.rank, found)
                inner = 0
            if found is not None:
                self.known[node] = found
            self.depth[node] = inner
        return [self.known[output] for output in graph.outputs]

    def _element(self, node: Node) -> Expression | None:
        rule = RULES.get(node.op)
        if rule is not None:
            found = rule(self, node)
            if found is not None:
                return found
        value = leaf.constant_value(node)
        if value is not None and value.size and np.all(value == value.flat[0]):
            return number(value.flat[0])
        if node.op in SAME:
            return self.known[node.operands[0]]
        if isinstance(node.attrs, custom.CustomJvpAttrs):
            stated = self._stated(node.attrs.name, node.operands)
            if stated is not None:
                return stated
        if node.op in INLINED or (node.op is control.composite and _by_element(node)):
            return self._inlined(node)
        if node.op.elementwise:
            return self._formula(node)
        if isinstance(node.type, TupleType):
            return None  # its results are calls of their own
        if leaf.constant_value(node) is not None:
            return self.book.called(f"constant {node.type}", (), node.tensor.rank)
        return self._call(node, getattr(node.attrs, "name", node.op.name))

    def _formula(self, node: Node) -> Expression:
        sympy = sympy_module()
        operands = [self.known[operand] for operand in node.operands]
        name = node.op.name
        if name in RELATIONS:
            return relation(name, *operands)
        text = formula_of(node.op)
        if not text or name in BY_NAME:
            return sympy.Function(BY_NAME.get(name, name), real=True)(*operands)
        names = ("x",) if len(operands) == 1 else ("a", "b")
        return sympy.sympify(text, locals=dict(zip(names, operands, strict=True)))

    def _stated(self, name: str, operands: Sequence[Node]) -> Expression | None:
        """The formula that a group is named by, as those of `gc.elementwise` are."""
        found = STATED.fullmatch(name)
        words = found[1].split(", ") if found else []
        if found is None or len(words) != len(operands):
            return None
        values = (self.known[operand] for operand in operands)
        return sympy_module().sympify(found[2], locals=dict(zip(words, values, strict=True)))

    def _inlined(self, node: Node) -> Expression | None:
        """What a group gives: the elements of its body, or its name applied to elements."""
        a = node.attrs
        assert isinstance(a, control.GroupAttrs)
        operands = [self.known[operand] for operand in node.operands]
        if node.op is control.composite:
            return sympy_module().Function(a.name, real=True)(*operands)
        inner = Elements(self.book, dict(zip(a.body.params, operands, strict=True)))
        found = inner.read(a.body)
        if len(found) == 1:
            return found[0]
        for result, value in zip(control.results(node), found, strict=True):
            self.known[result] = value
        return None

    def _call(self, node: Node, name: str) -> Expression:
        operands = [Operand(self.known[o], o.tensor.rank) for o in node.operands]
        return self.book.called(name, operands, node.tensor.rank)

    def operand(self, node: Node, indices: Sequence[Expression]) -> Expression:
        """An element of the only operand."""
        return at(self.known[node.operands[0]], indices)


def _readers(graph: Graph) -> dict[Node, set[Node]]:
    """Per node, who reads it, past movement."""
    found: dict[Node, set[Node]] = {}
    for node in reversed(graph.nodes):
        own = found.get(node, set()) if node.op in MOVES | SAME else {node}
        for operand in node.operands:
            found.setdefault(operand, set()).update(own)
    return found


def _is_named(node: Node) -> bool:
    if node.op in MOVES or node.op is leaf.iota or isinstance(node.type, TupleType):
        return False
    return node.tensor.dtype.is_float and leaf.constant_value(node) is None


def _by_element(node: Node) -> bool:
    """Whether a composite works on each element alone."""
    a = node.attrs
    assert isinstance(a, control.GroupAttrs)
    shapes = {o.tensor.shape for o in node.operands if o.tensor.shape}
    if len(a.body.outputs) != 1 or shapes - {node.tensor.shape}:
        return False
    plain = (duals.broadcast, leaf.parameter, leaf.constant, control.stop_gradient)
    return all(
        n.op.elementwise or n.op in plain or (n.op is control.composite and _by_element(n))
        for n in a.body.nodes
    )


# one element of each operation that is no formula


def _broadcast(env: Elements, node: Node) -> Expression | None:
    assert isinstance(node.attrs, duals.BroadcastAttrs)
    own = axes(node.tensor.rank)
    return env.operand(node, [own[axis] for axis in node.attrs.axes])


def _transpose(env: Elements, node: Node) -> Expression | None:
    permutation = node.attrs.permutation  # type: ignore[attr-defined]
    own = axes(node.tensor.rank)
    return env.operand(node, [own[permutation.index(i)] for i in range(len(permutation))])


def _reshape(env: Elements, node: Node) -> Expression | None:
    """Only axes of size 1 come and go; any other reshape is a call."""
    before, after = node.operands[0].tensor.shape, node.tensor.shape
    kept = [i for i, size in enumerate(after) if size != 1]
    if [size for size in before if size != 1] != [after[i] for i in kept]:
        return None
    rest, own = iter(kept), axes(len(after))
    zero = sympy_module().Integer(0)
    return env.operand(node, [zero if size == 1 else own[next(rest)] for size in before])


def _slice(env: Elements, node: Node) -> Expression | None:
    start, stride = node.attrs.start, node.attrs.stride  # type: ignore[attr-defined]
    places = zip(axes(node.tensor.rank), start, stride, strict=True)
    return env.operand(node, [axis * step + size_of(first) for axis, first, step in places])


def _reverse(env: Elements, node: Node) -> Expression | None:
    turned = node.attrs.axes  # type: ignore[attr-defined]
    places = zip(axes(node.tensor.rank), node.tensor.shape, strict=True)
    return env.operand(
        node, [size_of(n) - 1 - x if i in turned else x for i, (x, n) in enumerate(places)]
    )


def _iota(env: Elements, node: Node) -> Expression | None:
    return axes(node.tensor.rank)[node.attrs.axis]  # type: ignore[attr-defined]


def _select(env: Elements, node: Node) -> Expression | None:
    mask, yes, no = (env.known[operand] for operand in node.operands)
    if mask == 1 or yes == no:
        return yes
    if no == 0:
        return mask * yes
    if yes == 0:
        if type(mask).__name__ in ("le", "lt") and mask.args == (no, 0):
            return sympy_module().Function("max", real=True)(no, 0)
        return opposite(mask) * no
    return sympy_module().Function("where", real=True)(mask, yes, no)


def _equal(env: Elements, node: Node) -> Expression | None:
    """Labels against the numbers of an axis are an array of zeros and ones."""
    sides = [env.known[operand] for operand in node.operands]
    own = axes(node.tensor.rank)
    for label, place in (sides, sides[::-1]):
        inner = [axis for axis in own if axis in label.free_symbols]
        if place in own and place not in inner and label.is_Function and label.args == (*inner,):
            body = at_front(label, inner)
            hot = env.book.called("onehot", [Operand(body, len(inner))], len(inner) + 1)
            return at(hot, [*inner, place])
    return None


def at_front(body: Expression, indices: Sequence[Expression]) -> Expression:
    """What is written in some axes, in the first ones."""
    return body.xreplace(dict(zip(indices, axes(len(indices)), strict=True)))


def _reduced(node: Node) -> tuple[list[Expression], list[Expression], list[Expression]]:
    """The operand's indices, those that are reduced among them, and their sizes."""
    reduced = node.attrs.axes  # type: ignore[attr-defined]
    own, shape = iter(axes(node.tensor.rank)), node.operands[0].tensor.shape
    fresh = {axis: sympy_module().Dummy(integer=True) for axis in reduced}
    indices = [fresh[i] if i in fresh else next(own) for i in range(len(shape))]
    return indices, list(fresh.values()), [size_of(shape[i]) for i in fresh]


def _sum(env: Elements, node: Node) -> Expression | None:
    indices, fresh, sizes = _reduced(node)
    body = env.operand(node, indices)
    for index, size in reversed(list(zip(fresh, sizes, strict=True))):
        body = total(body, index, size)
    return body


def _fold(name: str) -> Rule:
    def rule(env: Elements, node: Node) -> Expression | None:
        indices, fresh, _ = _reduced(node)
        body = env.operand(node, indices)
        return sympy_module().Function(name, real=True)(body, *fresh) if fresh else body

    return rule


def _any(env: Elements, node: Node) -> Expression | None:
    """Whether a label names one of the classes: assumed, and said."""
    body = env.known[node.operands[0]]
    array = env.book.arrays.get(type(body).__name__)
    if array is None or array.call != "onehot":
        return _fold("Any")(env, node)
    env.book.assumptions[type(body).__name__] = None
    return sympy_module().Integer(1)


def _dot(env: Elements, node: Node) -> Expression | None:
    a = node.attrs
    assert isinstance(a, contraction.DotAttrs)
    left, right = node.operands
    own = iter(axes(node.tensor.rank))
    places: list[dict[int, Expression]] = [{}, {}]
    for mine, other in zip(a.lhs_batch, a.rhs_batch, strict=True):
        places[0][mine] = places[1][other] = next(own)
    summed = []
    for mine, other in zip(a.lhs_contract, a.rhs_contract, strict=True):
        places[0][mine] = places[1][other] = sympy_module().Dummy(integer=True)
        summed.append((places[0][mine], size_of(left.tensor.shape[mine])))
    for operand, place in zip(node.operands, places, strict=True):
        for axis in range(operand.tensor.rank):
            if axis not in place:
                place[axis] = next(own)
    sides = [
        at(env.known[operand], [place[i] for i in range(operand.tensor.rank)])
        for operand, place in zip((left, right), places, strict=True)
    ]
    body = sides[0] * sides[1]
    for index, size in summed:
        body = total(body, index, size)
    return body


def _project(env: Elements, node: Node) -> Expression | None:
    """A result of a group that was read, or of a loop by its number."""
    (source,) = node.operands
    assert isinstance(node.attrs, control.ProjectAttrs)
    name = str(getattr(source.attrs, "name", source.op.name))
    operands = [Operand(env.known[o], o.tensor.rank) for o in source.operands]
    name += f".{node.attrs.index}" if len(source.results) > 1 else ""
    return env.book.called(name, operands, node.tensor.rank)


def _truth(env: Elements, node: Node) -> Expression | None:
    """Masks are 0 and 1: `and` multiplies them, `not` takes them from 1."""
    masks = [env.known[operand] for operand in node.operands]
    if node.tensor.dtype is not BOOL:
        return None
    if node.op is e.not_:
        return opposite(masks[0])
    product = masks[0] * masks[1]
    return product if node.op is e.and_ else masks[0] + masks[1] - product


Rule = Callable[[Elements, Node], "Expression | None"]
RULES: dict[Op, Rule] = {
    duals.broadcast: _broadcast,
    movement.transpose: _transpose,
    movement.reshape: _reshape,
    movement.slice: _slice,
    movement.reverse: _reverse,
    leaf.iota: _iota,
    e.select: _select,
    e.eq: _equal,
    e.and_: _truth,
    e.or_: _truth,
    e.not_: _truth,
    duals.reduce_sum: _sum,
    reduction.reduce_max: _fold("Largest"),
    reduction.reduce_min: _fold("Smallest"),
    reduction.reduce_prod: _fold("Product"),
    reduction.reduce_or: _any,
    contraction.dot_general: _dot,
    control.project: _project,
}

__all__ = ["Elements"]
