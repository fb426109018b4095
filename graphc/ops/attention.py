"""Attention: sums of values weighted by softmax of scores, and its derivatives, as rows.

Scores are elementwise functions of the products of queries and keys (`AttentionAttrs.scores`: a
scale, a mask, a bias), so the rows hold no square of queries by keys but where their definitions
here are opened. A kernel keeps a tile of them and a running softmax (M. Milakov, N. Gimelshein,
"Online normalizer calculation for softmax", 2018; M. N. Rabe, C. Staats, "Self-attention does not
need O(n^2) memory", 2021), and the derivatives compute their tiles again from the logarithm of
each query's sum (T. Dao et al., "FlashAttention", 2022, appendix B). The tests hold the kernels
against the definitions. Derivatives of derivatives are those of the definitions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.graph import Graph, inline
from graphc.ir.interpret import interpret
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, Tangents, make
from graphc.ir.types import (
    BF16,
    F16,
    F32,
    F64,
    DType,
    Shape,
    Size,
    TensorType,
    tensor,
)
from graphc.ops import control, samples
from graphc.ops import elementwise as e
from graphc.ops.batching import batch_graph
from graphc.ops.build import expand_axes, like, splat
from graphc.ops.contraction import dot_general
from graphc.ops.duals import all_led, broadcast, reduce_sum, shifted
from graphc.ops.forward import push_forward
from graphc.ops.leaf import iota
from graphc.ops.movement import inverse, transpose
from graphc.ops.reduction import reduce_max
from graphc.ops.reverse import joint_graph


@dataclass(frozen=True, slots=True)
class AttentionAttrs(Attrs):
    """How products become scores, and what a query means that may look at no key.

    `scores` takes the products (batches, queries, keys) and then what else it reads, and computes
    element by element. `empty` queries give zeros and no derivative; without, they give nan. The
    result's axes (batches, query, feature) are permuted by `permutation`, if it is there.
    """

    scores: Graph
    empty: bool = False
    permutation: tuple[int, ...] = ()

    @property
    def regions(self) -> tuple[Graph, ...]:
        """The scores."""
        return (self.scores,)


def work_of_scores(dtype: DType) -> DType:
    """The type of scores: 32 bits or more."""
    return F32 if dtype in (F16, BF16) else dtype


# type rules


def _check(name: str, a: AttentionAttrs, given: Sequence[TensorType]) -> TensorType:
    """The type of the products; query, key and the rest must fit."""
    query, key, value, *rest = given
    product = a.scores.input_types[0]
    lead = query.shape[:-2]
    fits = (
        query.rank == key.rank == value.rank >= 2
        and key.shape[:-2] == value.shape[:-2] == lead
        and query.shape[-1] == key.shape[-1]
        and key.shape[-2] == value.shape[-2]
        and product.shape == (*lead, query.shape[-2], key.shape[-2])
    )
    if not fits:
        raise ShapeError(
            f"{name}: got query {query}, key {key}, value {value} and scores of {product}, "
            f"expected equal batches, keys as long as queries are wide, a value for each key"
        )
    known = (*product.shape[-2:], query.shape[-1], value.shape[-1])
    if not all(isinstance(size, int) for size in known):
        raise ShapeError(f"{name}: got sizes {known}, expected known numbers but for batches")
    if query.dtype is not key.dtype or product.dtype is not work_of_scores(query.dtype):
        raise DtypeError(f"{name}: got query {query}, key {key} and scores of {product}")
    if not query.dtype.is_float or not value.dtype.is_float:
        raise DtypeError(f"{name}: got query {query} and value {value}, expected floats")
    if a.scores.output_types != (product,) or a.scores.input_types[1:] != tuple(rest):
        got = ", ".join(map(str, rest))
        raise ShapeError(f"{name}: got operands ({got}) for scores that take others")
    return product


def _infer(a: AttentionAttrs, *given: TensorType) -> TensorType:
    product = _check("attention", a, given)
    value = given[2]
    shape = (*product.shape[:-1], value.shape[-1])
    order = a.permutation or tuple(range(len(shape)))
    if sorted(order) != list(range(len(shape))):
        raise ShapeError(f"attention: got permutation {order}, expected one of {len(shape)} axes")
    return tensor(value.dtype, tuple(shape[axis] for axis in order))


def _infer_totals(a: AttentionAttrs, *given: TensorType) -> TensorType:
    query, key, *rest = given
    product = _check("attention_totals", a, (query, key, key, *rest))
    return tensor(product.dtype, product.shape[:-1])


def _infer_gradient(which: int) -> Callable[..., TensorType]:
    def infer(a: AttentionAttrs, *given: TensorType) -> TensorType:
        name = "attention gradient"
        product = _check(name, a, (*given[:3], *given[6:]))
        totals, shares, cotangent = given[3:6]
        value = given[2]
        rows = tensor(product.dtype, product.shape[:-1])
        wanted = tensor(value.dtype, (*product.shape[:-1], value.shape[-1]))
        if totals != rows or shares != rows or cotangent != wanted:
            raise ShapeError(
                f"{name}: got {totals}, {shares} and {cotangent}, expected {rows} twice, {wanted}"
            )
        return given[which]

    return infer


# definitions


def _dot(left: Node, right: Node, contract: tuple[int, int], dtype: DType) -> Node:
    """A product of two stacks of matrices, summed along an axis of each."""
    lead = tuple(range(left.tensor.rank - 2))
    return dot_general(
        converted(left, dtype),
        converted(right, dtype),
        lhs_contract=(contract[0] + len(lead),),
        rhs_contract=(contract[1] + len(lead),),
        lhs_batch=lead,
        rhs_batch=lead,
    )


def converted(x: Node, dtype: DType) -> Node:
    """`x` in another type."""
    return x if x.tensor.dtype is dtype else e.convert(x, dtype=dtype)


def _products(a: AttentionAttrs, query: Node, key: Node) -> Node:
    return _dot(query, key, (1, 1), a.scores.input_types[0].dtype)


def _scores(a: AttentionAttrs, query: Node, key: Node, rest: Sequence[Node]) -> Node:
    (found,) = inline(a.scores, (_products(a, query, key), *rest))
    return found


def _rows(x: Node, shape: Shape) -> Node:
    """A number for each query, repeated for each key."""
    return expand_axes(x, shape, (len(shape) - 1,))


def _powers(a: AttentionAttrs, scores: Node) -> tuple[Node, Node, Node]:
    """The largest score of each query, powers relative to it, and their sums."""
    last = scores.tensor.rank - 1
    largest = reduce_max(control.stop_gradient(scores), axes=(last,))
    if a.empty:
        largest = e.select(e.is_finite(largest), largest, like(largest, 0.0))
    powers = e.exp(e.sub(scores, _rows(largest, scores.tensor.shape)))
    total = reduce_sum(powers, axes=(last,))
    if a.empty:
        total = e.select(e.eq(total, like(total, 0.0)), like(total, 1.0), total)
    return largest, powers, total


def _attend(a: AttentionAttrs, query: Node, key: Node, value: Node, *rest: Node) -> Node:
    scores = _scores(a, query, key, rest)
    _, powers, total = _powers(a, scores)
    weights = e.div(powers, _rows(total, scores.tensor.shape))
    work = work_of_scores(value.tensor.dtype)
    found = _dot(converted(weights, work), value, (1, 0), work)
    found = converted(found, value.tensor.dtype)
    return transpose(found, permutation=a.permutation) if a.permutation else found


def _totals(a: AttentionAttrs, query: Node, key: Node, *rest: Node) -> Node:
    largest, _, total = _powers(a, _scores(a, query, key, rest))
    found = e.add(largest, e.log(total))
    # Only an infinite score makes an infinite sum; its weights are nan, and so is what follows.
    return e.select(e.is_finite(total), found, like(found, math.nan)) if a.empty else found


def slopes(scores: Graph) -> Graph:
    """From products, the rest, and the scores' cotangents: scores and the products' cotangents."""
    return joint_graph(scores, [0])


def _cotangents(
    a: AttentionAttrs, query: Node, key: Node, value: Node, totals: Node, shares: Node,
    cotangent: Node, *rest: Node,
) -> tuple[Node, Node]:  # fmt: skip
    """The weights, and the cotangents of the scores."""
    scores = _scores(a, query, key, rest)
    shape = scores.tensor.shape
    weights = e.exp(e.sub(scores, _rows(totals, shape)))
    pulled = _dot(cotangent, value, (1, 1), scores.tensor.dtype)
    return weights, e.mul(weights, e.sub(pulled, _rows(shares, shape)))


def _of_products(a: AttentionAttrs, *given: Node) -> Node:
    """The cotangents of the products."""
    query, key, *_ = given
    _, back = _cotangents(a, *given)
    return inline(slopes(a.scores), (_products(a, query, key), *given[6:], back))[1]


def _query_gradient(a: AttentionAttrs, *given: Node) -> Node:
    back = _of_products(a, *given)
    return converted(_dot(back, given[1], (1, 0), back.tensor.dtype), given[0].tensor.dtype)


def _key_gradient(a: AttentionAttrs, *given: Node) -> Node:
    back = _of_products(a, *given)
    return converted(_dot(back, given[0], (0, 0), back.tensor.dtype), given[1].tensor.dtype)


def _value_gradient(a: AttentionAttrs, *given: Node) -> Node:
    weights, _ = _cotangents(a, *given)
    made = _dot(weights, given[5], (0, 0), weights.tensor.dtype)
    return converted(made, given[2].tensor.dtype)


# what follows from a definition

Definition = Callable[..., Node]


def _graph(definition: Definition, a: Attrs, types: Sequence[TensorType]) -> Graph:
    params = control.parameters(tuple(types))
    return Graph(params, (definition(a, *params),))


def _reference(definition: Definition) -> Callable[..., np.ndarray]:
    def reference(a: AttentionAttrs, *arrays: np.ndarray) -> np.ndarray:
        types = [tensor(array.dtype, array.shape) for array in arrays]
        found: np.ndarray = interpret(_graph(definition, a, types), *arrays)[0]
        return found

    return reference


def _opened(definition: Definition, node: Node) -> Graph:
    return _graph(definition, node.attrs, [operand.tensor for operand in node.operands])


def _pulled(definition: Definition) -> Callable[[Node, Node], Cotangents]:
    def vjp(node: Node, g: Node) -> Cotangents:
        wrt = [i for i, x in enumerate(node.operands) if x.tensor.dtype.is_float]
        joint = joint_graph(_opened(definition, node), wrt)
        found = iter(inline(joint, (*node.operands, g))[1:])
        return [next(found) if i in wrt else None for i in range(len(node.operands))]

    return vjp


def _pushed(definition: Definition) -> Callable[[Node, Tangents], Node]:
    def jvp(node: Node, tangents: Tangents) -> Node:
        wrt = [i for i, tangent in enumerate(tangents) if tangent is not None]
        moved = [tangent for tangent in tangents if tangent is not None]
        return inline(push_forward(_opened(definition, node), wrt), (*node.operands, *moved))[-1]

    return jvp


def _batch(count: int) -> Callable[..., Node]:
    """The batching rule of a row of `count` operands and what else the scores read."""

    def batch(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
        a = node.attrs
        assert isinstance(a, AttentionAttrs)
        scores, _ = batch_graph(a.scores, (True, *batched[count:]), size, (True,))
        order = (0, *shifted(a.permutation)) if a.permutation else ()
        led = all_led(operands[:count], batched[:count], size)
        attrs = replace(a, scores=scores, permutation=order)
        return make(node.op, (*led, *operands[count:]), attrs)

    return batch


def _vjp(node: Node, g: Node) -> Cotangents:
    """Cotangents by the rows below; those of what else the scores read, by the definition."""
    a = node.attrs
    assert isinstance(a, AttentionAttrs)
    query, key, value, *rest = node.operands
    plain = node
    if a.permutation:
        back = inverse(a.permutation)
        plain, g = transpose(node, permutation=back), transpose(g, permutation=back)
    own = replace(a, permutation=())
    totals = make(attention_totals, (query, key, *rest), own)
    wide = totals.tensor.dtype
    shares = e.mul(converted(g, wide), converted(plain, wide))
    shares = reduce_sum(shares, axes=(g.tensor.rank - 1,))
    given = (query, key, value, totals, shares, g, *rest)
    rows = (attention_query_gradient, attention_key_gradient, attention_value_gradient)
    return (*(make(row, given, own) for row in rows), *_of_rest(own, given, len(rest)))


def _of_rest(a: AttentionAttrs, given: Sequence[Node], count: int) -> Cotangents:
    rest = given[len(given) - count :]
    wrt = [i for i, x in enumerate(rest) if x.tensor.dtype.is_float]
    if not wrt:
        return [None] * count
    _, back = _cotangents(a, *given)
    joint = joint_graph(a.scores, [1 + i for i in wrt])
    found = inline(joint, (_products(a, given[0], given[1]), *rest, back))[1:]
    by_number = dict(zip(wrt, found, strict=True))
    return [by_number.get(i) for i in range(count)]


# samples


def scaled(product: TensorType, scale: float, causal: bool = False) -> Graph:
    """Scores that are products times `scale`, of keys up to a query's place if `causal`."""
    (x,) = control.parameters((product,))
    found = e.mul(x, like(x, scale))
    if causal:
        places = [iota(type=tensor("i32", product.shape), axis=product.rank - i) for i in (2, 1)]
        found = e.select(e.ge(*places), found, like(x, -math.inf))
    return Graph((x,), (found,))


def _biased(product: TensorType, bias: TensorType, mask: TensorType) -> Graph:
    """Scores with something added, where a mask lets them pass."""
    x, plus, allowed = control.parameters((product, bias, mask))
    rank = product.rank
    shape = product.shape
    plus = broadcast(plus, shape=shape, axes=tuple(range(rank - bias.rank, rank)))
    allowed = broadcast(allowed, shape=shape, axes=tuple(range(rank - mask.rank, rank)))
    found = e.select(allowed, e.add(x, plus), splat(-math.inf, product.dtype, shape))
    return Graph((x, plus.operands[0], allowed.operands[0]), (found,))


# Element type, kind of scores, batches; queries, keys, features, features of a value.
DRAWN = (
    (F32, "plain", (), (5, 7, 4, 3)), (F32, "causal", (2,), (37, 37, 3, 5)),
    (F32, "biased", (1, 5), (35, 70, 4, 33)), (F32, "empty", (2,), (1, 1, 3, 5)),
    (F64, "causal", (), (7, 5, 3, 2)), (F64, "biased", (2,), (3, 4, 2, 3)),
    (F16, "causal", (2,), (4, 5, 3, 2)), (BF16, "plain", (4,), (3, 4, 2, 3)),
)  # fmt: skip


def _drawn(
    lead: Shape, sizes: Sequence[int], dtype: DType, kind: str, backward: bool, seed: int
) -> tuple[list[np.ndarray], AttentionAttrs]:
    random = samples.generator(seed)
    queries, keys, width, features = sizes
    product = tensor(work_of_scores(dtype), (*lead, queries, keys))

    def draw(*shape: int, own: DType = dtype) -> np.ndarray:
        return random.uniform(-1, 1, (*lead, *shape)).astype(own.numpy)

    arrays = [draw(queries, width), draw(keys, width), draw(keys, features)]
    if backward:
        rows = [draw(queries, own=product.dtype) + i for i in (3, 0)]
        arrays += [*(row.astype(product.dtype.numpy) for row in rows), draw(queries, features)]
    if kind != "biased":
        return arrays, AttentionAttrs(scaled(product, 0.5, kind == "causal"), kind == "empty")
    bias = random.uniform(-1, 1, (queries, keys)).astype(product.dtype.numpy)
    mask = random.random(keys) < 0.7
    mask[0] = True
    types = [tensor(array.dtype, array.shape) for array in (bias, mask)]
    return [*arrays, bias, mask], AttentionAttrs(_biased(product, *types))


def _samples(kept: Sequence[int], backward: bool = False) -> Callable[[], list[Sample]]:
    """Samples of a row that takes the operands `kept` and what else the scores read."""

    def made() -> list[Sample]:
        found = []
        for seed, (dtype, kind, lead, sizes) in enumerate(DRAWN):
            arrays, a = _drawn(lead, sizes, dtype, kind, backward, seed)
            own, rest = [arrays[i] for i in kept], arrays[6 if backward else 3 :]
            if len(kept) == 3 and kind == "causal" and len(lead) == 1:
                a = replace(a, permutation=(1, 0, 2))
            found.append(Sample((*own, *rest), a))
        return found

    return made


# the rows


def _row(
    name: str, definition: Definition, infer: Callable[..., TensorType], kept: Sequence[int]
) -> Op:
    return Op(
        name,
        infer=infer,
        reference=_reference(definition),
        attrs=AttentionAttrs,
        vjp=_vjp if definition is _attend else _pulled(definition),
        jvp=_pushed(definition),
        batch=_batch(len(kept)),
        samples=_samples(kept, len(kept) == 6),
    )


attention: Op = _row("attention", _attend, _infer, (0, 1, 2))
# Per query, the logarithm of the sum of its scores' powers.
attention_totals: Op = _row("attention_totals", _totals, _infer_totals, (0, 1))
# Of query, key, value, totals, each query's sum of cotangents times results, and cotangents.
attention_query_gradient: Op = _row(
    "attention_query_gradient", _query_gradient, _infer_gradient(0), range(6)
)
attention_key_gradient: Op = _row(
    "attention_key_gradient", _key_gradient, _infer_gradient(1), range(6)
)
attention_value_gradient: Op = _row(
    "attention_value_gradient", _value_gradient, _infer_gradient(2), range(6)
)

GRADIENTS = (attention_query_gradient, attention_key_gradient, attention_value_gradient)
ROWS = (attention, attention_totals, *GRADIENTS)
DEFINITIONS: dict[Op, Definition] = {
    attention: _attend,
    attention_totals: _totals,
    attention_query_gradient: _query_gradient,
    attention_key_gradient: _key_gradient,
    attention_value_gradient: _value_gradient,
}


def definition(node: Node) -> Graph:
    """What a row is in terms of other operations."""
    return _opened(DEFINITIONS[node.op], node)


__all__ = [
    "GRADIENTS",
    "ROWS",
    "AttentionAttrs",
    "attention",
    "attention_key_gradient",
    "attention_query_gradient",
    "attention_totals",
    "attention_value_gradient",
    "converted",
    "definition",
    "scaled",
    "slopes",
    "work_of_scores",
]
