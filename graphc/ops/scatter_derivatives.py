"""Derivatives of scatters that multiply, or keep the smaller or larger element.

Several updates may meet one element, so a product's derivative by one of its factors is the
product of the others. It is found without sorting: the factors that are not 0 are multiplied
by a scatter and divided by again, and those that are 0 enter by their elementary symmetric
polynomials, which keeps the derivatives right at 0 up to the third order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphc.ir.node import Attrs, Cotangents, Node, Op, Tangents, make
from graphc.ir.types import I32
from graphc.ops import elementwise as e
from graphc.ops.build import like, splat, zeros_like


@dataclass(frozen=True)
class Places:
    """Where a scatter writes: tables are read there and updates collected there.

    `inside` says of each element of the updates whether it is written at all; None where all are.
    """

    node: Node
    gather: Op
    mode: str

    @property
    def inside(self) -> Node | None:
        """Whether each update is written, None where all are."""
        if self.mode != "fill":
            return None
        zeros = splat(0, I32, self.node.tensor.shape)
        found = self.gather(zeros, self.node.operands[1], axes=self._axes, mode="fill")
        return e.eq(found, zeros_like(found))

    @property
    def _axes(self) -> tuple[int, ...]:
        axes: tuple[int, ...] = getattr(self.node.attrs, "axes", ())
        return axes

    def read(self, table: Node) -> Node:
        """The elements of a table of the operand's shape that the updates meet."""
        mode = "clip" if self.mode == "fill" else self.mode
        return self.gather(table, self.node.operands[1], axes=self._axes, mode=mode)

    def within(self, updates: Node) -> Node:
        """Updates, 0 where nothing is written."""
        inside = self.inside
        return updates if inside is None else e.select(inside, updates, zeros_like(updates))

    def write(self, table: Node, updates: Node, combine: str) -> Node:
        """A table of the operand's shape with updates combined into it."""
        attrs: Attrs = replace(self.node.attrs, combine=combine, mode=self.mode)  # type: ignore[call-arg]
        return make(self.node.op, (table, self.node.operands[1], updates), attrs)


def _same(left: Node, right: Node) -> Node:
    """1 where two arrays are equal or both have a nan, 0 elsewhere."""
    hit = e.or_(e.eq(left, right), e.and_(e.ne(left, left), e.ne(right, right)))
    return e.convert(hit, dtype=left.tensor.dtype)


def _hits(node: Node, places: Places) -> tuple[Node, Node, Node]:
    """Which elements and which updates are the extreme, and how many are in each place."""
    operand, _, updates = node.operands
    kept, chosen = _same(operand, node), places.within(_same(updates, places.read(node)))
    return kept, chosen, places.write(kept, chosen, "add")


def _extreme_vjp(node: Node, g: Node, places: Places) -> tuple[Node, Node]:
    """All that are equal to the extreme share the cotangent evenly, as in JAX."""
    kept, chosen, count = _hits(node, places)
    share = e.div(g, count)
    return e.mul(share, kept), e.mul(places.read(share), chosen)


def _other_factors(node: Node, places: Places) -> Node:
    """Per update, the product of the element and all other updates that meet it."""
    operand, _, updates = node.operands
    none, one = zeros_like(updates), like(updates, 1)
    is_zero = e.eq(updates, none)
    plain, zero = e.select(is_zero, one, updates), e.select(is_zero, updates, none)
    whole = places.read(places.write(operand, plain, "mul"))
    start = zeros_like(operand)
    number = e.convert(is_zero, dtype=updates.tensor.dtype)

    def others(each: Node) -> Node:
        return e.sub(places.read(places.write(start, each, "add")), each)

    # The product of the other zeros, with its derivatives: 1, one of them, or e2 of them.
    count, linear, squares = others(number), others(zero), others(e.mul(zero, zero))
    pair = e.mul(e.sub(e.mul(linear, linear), squares), like(updates, 0.5))
    rest = e.select(e.eq(count, one), linear, e.select(e.eq(count, like(one, 2)), pair, none))
    zeros = e.select(e.eq(count, none), one, rest)
    return places.within(e.mul(e.div(whole, plain), zeros))


def combined_vjp(node: Node, g: Node, gather: Op) -> Cotangents:
    """The cotangents of a scatter that multiplies or takes extremes."""
    places = _places(node, gather)
    if getattr(node.attrs, "combine", "") != "mul":
        own, by_update = _extreme_vjp(node, g, places)
        return own, None, by_update
    operand, _, updates = node.operands
    factors = places.write(like(operand, 1), updates, "mul")
    return e.mul(g, factors), None, e.mul(places.read(g), _other_factors(node, places))


def combined_jvp(node: Node, tangents: Tangents, gather: Op) -> Node:
    """The tangent of a scatter that multiplies or takes extremes."""
    places = _places(node, gather)
    operand, _, updates = node.operands
    own, by_update = tangents[0] or zeros_like(operand), tangents[2] or zeros_like(updates)
    if getattr(node.attrs, "combine", "") != "mul":
        kept, chosen, count = _hits(node, places)
        return e.div(places.write(e.mul(own, kept), e.mul(by_update, chosen), "add"), count)
    scaled = places.write(own, updates, "mul")
    return places.write(scaled, e.mul(by_update, _other_factors(node, places)), "add")


def _places(node: Node, gather: Op) -> Places:
    mode: str = getattr(node.attrs, "mode", "error")
    # The scatter itself has reported what is outside.
    return Places(node, gather, "clip" if mode == "error" else mode)
