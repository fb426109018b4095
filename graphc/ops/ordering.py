"""Ordering: the permutation that sorts, and the two ways in which programs find it.

`argsort` is the one row that people and derivatives see. To sort is to take elements in its
order (`graphc.numpy.sort`), so derivatives of every order are those of a gather.

It is defined by sorting words: a key's bits, turned so that they compare as the keys do, above
the 32 bits of the position. Words are all different, so any way of sorting them is stable. Short
rows go through a network of comparisons (`sort_words`), whole vectors of rows side by side. Long
ones are dealt out by digits, the lowest first (`digit_counts`, `place_by_digit`): that is O(n),
needs code of a fixed size, and pieces of a row are dealt out at the same time.

K. E. Batcher, "Sorting networks and their applications", AFIPS 1968 (the bitonic sorter).
D. E. Knuth, "The Art of Computer Programming" 3, 1973, section 5.2.5 (sorting by distribution).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.graph import Graph
from graphc.ir.node import Attrs, Node, Op, Sample
from graphc.ir.types import BOOL, I32, U8, U16, U32, U64, Size, TensorType, tensor
from graphc.ops import control, samples
from graphc.ops import elementwise as e
from graphc.ops.build import like, splat
from graphc.ops.cumulative import cumulative
from graphc.ops.duals import all_led, broadcast, reduce_sum
from graphc.ops.indexing import gather
from graphc.ops.leaf import constant, iota
from graphc.ops.movement import concatenate, moved, reshape
from graphc.ops.special import bitcast

UNSIGNED = {8: U8, 16: U16, 32: U32, 64: U64}
PLACE_BITS = 32  # of a word, below the key's
DIGIT_BITS = 8
DIGITS = 1 << DIGIT_BITS
CHUNK = 4096  # elements of a row that are dealt out by one piece of work
SHORTEST_NETWORK = 32  # rows up to this length always go through a network
LONGEST_NETWORK = 256  # and up to this one where there are many of them
MANY_ROWS = 4


# the permutation


@dataclass(frozen=True, slots=True)
class OrderAttrs(Attrs):
    """The axis sorted along, and whether the largest element comes first."""

    axis: int
    descending: bool = False


def _infer_argsort(a: OrderAttrs, *keys: TensorType) -> TensorType:
    if not keys:
        raise ShapeError("argsort: got no keys, expected one or more")
    first = keys[0]
    if not 0 <= a.axis < first.rank:
        raise ShapeError(f"argsort: got axis {a.axis}, expected 0 to {first.rank - 1} for {first}")
    for key in keys[1:]:
        if key.shape != first.shape:
            raise ShapeError(f"argsort: got keys {first} and {key}, expected equal shapes")
    if any(key.dtype.is_complex for key in keys):
        got = ", ".join(map(str, keys))
        raise DtypeError(f"argsort: got {got}, expected elements that have an order")
    length = first.shape[a.axis]
    if isinstance(length, int) and length > I32.largest:
        raise ShapeError(f"argsort: got {length} elements along an axis, expected below 2**31")
    return tensor(I32, first.shape)


def _sortable(key: np.ndarray) -> np.ndarray:
    """Keys that NumPy sorts with nan last, whatever float they are."""
    return key.astype(np.float32) if tensor(key.dtype, ()).dtype.bits == 16 else key


def _argsort(a: OrderAttrs, *keys: np.ndarray) -> np.ndarray:
    """One stable sort per key, the least significant first."""
    length = keys[0].shape[a.axis]
    along = [1] * keys[0].ndim
    along[a.axis] = length
    order = np.broadcast_to(np.arange(length).reshape(along), keys[0].shape)
    if a.descending:  # equal elements keep their order when the row is read from its end
        order = np.flip(order, a.axis)
    for key in reversed(keys):
        wide = _sortable(key) if key.dtype.kind not in "iub" else key
        found = np.take_along_axis(wide, order, a.axis)
        again = np.argsort(found, axis=a.axis, kind="stable")
        order = np.take_along_axis(order, again, a.axis)
    return (np.flip(order, a.axis) if a.descending else order).astype(np.int32)


def ordered_bits(key: Node) -> Node:
    """Unsigned integers that compare as the keys do: nan above all, 0.0 equal to -0.0."""
    dtype = key.tensor.dtype
    if dtype is BOOL:
        return e.convert(key, dtype=U8)
    unsigned = UNSIGNED[dtype.bits]
    if dtype is unsigned:
        return key
    sign = 1 << (dtype.bits - 1)
    if not dtype.is_float:
        raw = bitcast(key, dtype=unsigned)
        return e.xor(raw, like(raw, sign))
    zero = like(key, 0.0)
    raw = bitcast(e.select(e.eq(key, zero), zero, key), dtype=unsigned)
    negative = e.ne(e.and_(raw, like(raw, sign)), like(raw, 0))
    turned = e.select(negative, e.not_(raw), e.or_(raw, like(raw, sign)))
    return e.select(e.ne(key, key), like(raw, unsigned.largest), turned)


def _words(a: OrderAttrs, keys: Sequence[Node]) -> list[tuple[Node, int]]:
    """The keys in parts of at most 32 bits as u32, the least significant first; and their bits."""
    found: list[tuple[Node, int]] = []
    for key in reversed(keys):
        whole = ordered_bits(key)
        whole = e.not_(whole) if a.descending else whole
        bits = 1 if key.tensor.dtype is BOOL else whole.tensor.dtype.bits
        if key.tensor.dtype is BOOL:
            whole = e.and_(whole, like(whole, 1))
        found.append((e.convert(whole, dtype=U32), min(bits, 32)))
        if bits == 64:
            upper = e.shr_logical(whole, like(whole, 32))
            found.append((e.convert(upper, dtype=U32), 32))
    return found


def _expand_argsort(a: OrderAttrs, *keys: Node) -> Node:
    shape, last = keys[0].tensor.shape, keys[0].tensor.rank - 1
    turned = [moved(key, a.axis, last) for key in keys]
    length = shape[a.axis]
    rows = math.prod(size for axis, size in enumerate(shape) if axis != a.axis)
    flat = tensor(U64, (rows, length))
    order: Node | None = None
    for word, bits in _words(a, [reshape(key, shape=flat.shape) for key in turned]):
        part = word if order is None else taken(word, order)
        upper = e.shl(e.convert(part, dtype=U64), splat(PLACE_BITS, U64, flat.shape))
        sorted_ = _sorted_words(e.or_(upper, iota(type=flat, axis=1)), bits)
        place = e.convert(sorted_, dtype=I32)
        order = place if order is None else taken(order, place)
    assert order is not None
    return moved(reshape(order, shape=turned[0].tensor.shape), last, a.axis)


def taken(x: Node, order: Node) -> Node:
    """Per row of two axes, the elements in an order that is inside."""
    rows = iota(type=tensor(I32, (*order.tensor.shape, 1)), axis=0)
    places = reshape(order, shape=(*order.tensor.shape, 1))
    at = concatenate(rows, places, axis=2)
    return gather(x, at, axes=(0, 1), mode="promise_in_bounds")


def _sorted_words(words: Node, bits: int) -> Node:
    """Words in order of the `bits` above their positions, which ascend."""
    rows, length = words.tensor.shape
    if isinstance(length, int):
        many = not isinstance(rows, int) or rows >= MANY_ROWS
        if length <= (LONGEST_NETWORK if many else SHORTEST_NETWORK):
            return sort_words(words)
    count = -(-bits // DIGIT_BITS)
    shifts = np.arange(count, dtype=np.uint64) * DIGIT_BITS + PLACE_BITS
    params = control.parameters((words.tensor, tensor(U64, ())))
    body = Graph(params, (_dealt(*params),))
    scan = control.scan(words, constant(shifts), body=body, length=count, carried=1)
    return control.results(scan)[0]


def _dealt(words: Node, shift: Node) -> Node:
    """Words in the order of one digit; those of equal digits stay in their order."""
    starts = starts_of(digit_counts(words, shift, chunk=CHUNK))
    return place_by_digit(words, starts, shift, chunk=CHUNK)


def starts_of(counts: Node) -> Node:
    """Where the words of each digit and chunk begin: behind smaller digits and earlier chunks."""
    through, totals = cumulative(counts, axis=2, kind="sum"), reduce_sum(counts, axes=(2,))
    before = e.sub(cumulative(totals, axis=1, kind="sum"), totals)
    spread = broadcast(before, shape=counts.tensor.shape, axes=(0, 1))
    return e.add(e.sub(through, counts), spread)


def _batch_argsort(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    a = node.attrs
    assert isinstance(a, OrderAttrs)
    keys = all_led(operands, batched, size)
    return argsort(*keys, axis=a.axis + 1, descending=a.descending)


def _argsort_samples() -> list[Sample]:
    ties = samples.generator(3).integers(0, 4, (7, 5)).astype(np.float32)
    odd = np.array([np.nan, 1, -0.0, -np.inf, 0.0, -np.nan, np.inf, 1, 0.0, -2], np.float32)
    long = samples.generator(4).integers(-90, 90, (2, 300)).astype(np.float32)
    longest = samples.generator(5).standard_normal(CHUNK + 100)
    found = [Sample(s.arrays, OrderAttrs(axis)) for axis in (0, 1) for s in samples.floats((6, 9))]
    found += [
        Sample((odd,), OrderAttrs(0, descending), smooth=False) for descending in (False, True)
    ]
    found += [Sample((ties,), OrderAttrs(axis, axis == 0)) for axis in (0, 1)]
    found += [Sample((ties, ties.T.reshape(7, 5)), OrderAttrs(0)), Sample((long,), OrderAttrs(1))]
    found += [Sample((long, -long.round(-1)), OrderAttrs(1, True)), Sample((ties,), OrderAttrs(0))]
    return [*found, Sample((longest,), OrderAttrs(0)), Sample((long[:, :0],), OrderAttrs(1))]


argsort: Op = Op(
    "argsort",
    infer=_infer_argsort,
    reference=_argsort,
    attrs=OrderAttrs,
    vjp=lambda node, g: (None,) * len(node.operands),
    jvp=lambda node, tangents: None,
    expand=_expand_argsort,
    samples=_argsort_samples,
    batch=_batch_argsort,
)


# how words are sorted


def _check_words(name: str, x: TensorType, rank: int) -> None:
    if x.dtype is not U64 or x.rank != rank:
        raise DtypeError(f"{name}: got {x}, expected u64 of {rank} axes")


def _infer_sort_words(a: Attrs, x: TensorType) -> TensorType:
    _check_words("sort_words", x, 2)
    if not isinstance(x.shape[1], int) or x.shape[1] > LONGEST_NETWORK:
        raise ShapeError(f"sort_words: got rows of {x.shape[1]}, expected up to {LONGEST_NETWORK}")
    return x


def _word_samples() -> list[np.ndarray]:
    random = samples.generator(6)
    shapes = ((3, 5), (11, 64), (1, 1), (40, 33), (2, 0), (9, LONGEST_NETWORK))
    return [random.integers(0, 2**64, shape, np.uint64) for shape in shapes]


sort_words: Op = Op(
    "sort_words",
    infer=_infer_sort_words,
    reference=lambda a, x: np.sort(x, axis=1),
    samples=lambda: [Sample((array,)) for array in _word_samples()],
)


@dataclass(frozen=True, slots=True)
class ChunkAttrs(Attrs):
    """How many elements of a row are counted, and dealt out, together."""

    chunk: int


def _digits(x: np.ndarray, shift: np.ndarray) -> np.ndarray:
    place = np.minimum(shift, np.uint64(63))
    digits = (x >> place) & np.uint64(DIGITS - 1)
    return np.where(shift > 63, 0, digits.astype(np.int64))


def _chunks(a: ChunkAttrs, x: TensorType) -> Size:
    return (x.shape[1] + (a.chunk - 1)) // a.chunk


def _infer_counts(a: ChunkAttrs, x: TensorType, shift: TensorType) -> TensorType:
    _check_words("digit_counts", x, 2)
    _check_words("digit_counts", shift, 0)
    if a.chunk < 1:
        raise ShapeError(f"digit_counts: got chunks of {a.chunk}, expected 1 or more")
    return tensor(I32, (x.shape[0], DIGITS, _chunks(a, x)))


def _counts(a: ChunkAttrs, x: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """How often each digit occurs in each chunk of each row."""
    digits, chunks = _digits(x, shift), -(-x.shape[1] // a.chunk)
    found = np.zeros((x.shape[0], DIGITS, chunks), np.int32)
    for row, chunk in np.ndindex(x.shape[0], chunks):
        part = digits[row, chunk * a.chunk : (chunk + 1) * a.chunk]
        found[row, :, chunk] = np.bincount(part, minlength=DIGITS)
    return found


def _infer_place(a: ChunkAttrs, x: TensorType, starts: TensorType, shift: TensorType) -> TensorType:
    expected = _infer_counts(a, x, shift)
    if starts != expected:
        raise ShapeError(f"place_by_digit: got starts {starts}, expected {expected}")
    return x


def _place(a: ChunkAttrs, x: np.ndarray, starts: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Each element at its chunk's next place for its digit; a place outside is the nearest.

    The starts are a promise that every place is used once; broken, some element is anywhere.
    """
    digits, placed = _digits(x, shift), np.zeros_like(x)
    length = x.shape[1]
    chunk = np.arange(length) // a.chunk
    for row in range(x.shape[0]):
        group = chunk * DIGITS + digits[row]
        order = np.argsort(group, kind="stable")
        first = np.searchsorted(group[order], group[order])
        at = starts[row].astype(np.int64)[digits[row][order], chunk[order]]
        at = np.clip(at + np.arange(length) - first, 0, max(length - 1, 0))
        places = np.empty(length, np.int64)
        places[order] = at
        placed[row, places] = x[row]
    return placed


digit_counts: Op = Op("digit_counts", infer=_infer_counts, reference=_counts, attrs=ChunkAttrs)
place_by_digit: Op = Op("place_by_digit", infer=_infer_place, reference=_place, attrs=ChunkAttrs)

ROWS = (argsort, sort_words, digit_counts, place_by_digit)
