"""The steps that order and cumulate, and those by which programs sort words."""

from __future__ import annotations

from graphc.ir.types import I32, U64, tensor
from graphc.ops import cumulative, ordering, selection
from graphc.ops.indexing import gather
from graphc.ops.movement import reshape
from tests.fuzz.builder import Builder, Step, shape_of


def apply_argsort(b: Builder) -> None:
    x = b.pick()
    if not x.tensor.rank:
        return
    axis, descending = b.number(0, x.tensor.rank - 1), bool(b.number(0, 1))
    keys = [x]
    for _ in range(b.number(0, 1)):
        keys.insert(b.number(0, 1), b.wanted(tensor(b.dtype(), shape_of(x))))
    b.add(ordering.argsort(*keys, axis=axis, descending=descending))


def apply_sort(b: Builder) -> None:
    x = b.pick()
    if x.tensor.rank != 1:
        return
    order = ordering.argsort(x, axis=0, descending=bool(b.number(0, 1)))
    at = reshape(order, shape=(*shape_of(order), 1))
    b.add(gather(x, at, axes=(0,), mode="promise_in_bounds"))


def apply_argtop(b: Builder) -> None:
    x = b.pick()
    if not x.tensor.rank:
        return
    axis = b.number(0, x.tensor.rank - 1)
    length = shape_of(x)[axis]
    b.add(selection.argtop(x, axis=axis, count=min(b.number(0, 6), length)))


def apply_top_places(b: Builder) -> None:
    rows, length = (3, 1, 0, 20)[b.number(0, 3)], (5, 1, 64, 200)[b.number(0, 3)]
    parts = (1, 1, 3)[b.number(0, 2)] if length > 1 else 1
    count = min((1, 2, 11)[b.number(0, 2)], length // parts)
    x = b.wanted(tensor(b.dtype(), (rows, length)))
    b.add(selection.top_places(x, count=count, parts=parts))


def apply_cumulative(b: Builder) -> None:
    x = b.pick()
    if x.tensor.rank:
        kind = cumulative.KINDS[b.number(0, len(cumulative.KINDS) - 1)]
        axis, reverse = b.number(0, x.tensor.rank - 1), bool(b.number(0, 1))
        b.add(cumulative.cumulative(x, axis=axis, kind=kind, reverse=reverse))


def apply_sort_words(b: Builder) -> None:
    rows, length = (3, 1, 0, 20)[b.number(0, 3)], (5, 1, 0, 64, 33)[b.number(0, 4)]
    b.add(ordering.sort_words(b.wanted(tensor(U64, (rows, length)))))


def apply_deal(b: Builder) -> None:
    rows, length = (3, 1, 0)[b.number(0, 2)], (9, 1, 0, 300)[b.number(0, 3)]
    words = b.wanted(tensor(U64, (rows, length)))
    shift, chunk = b.wanted(tensor(U64, ())), (4, 1, 1000)[b.number(0, 2)]
    counts = ordering.digit_counts(words, shift, chunk=chunk)
    b.add(counts)
    b.add(ordering.place_by_digit(words, ordering.starts_of(counts), shift, chunk=chunk))


def apply_place(b: Builder) -> None:
    """Rows of one word, which has only one place."""
    words = b.wanted(tensor(U64, (3, 1)))
    starts = b.wanted(tensor(I32, (3, ordering.DIGITS, 1)))
    b.add(ordering.place_by_digit(words, starts, b.wanted(tensor(U64, ())), chunk=1))


STEPS: tuple[Step, ...] = (
    *(apply_argsort,) * 2,
    apply_sort,
    apply_argtop,
    apply_top_places,
    *(apply_cumulative,) * 2,
    apply_sort_words,
    apply_deal,
    apply_place,
)
