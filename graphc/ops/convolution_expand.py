"""A convolution's definition: a contraction of windows, or a sum of products of them.

Axes are told by letters here: N batch, C what is summed besides the taps, G groups, O output
features, `k0 k1 ...` places inside windows, `o0 o1 ...` windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.ir.node import Node
from graphc.ir.types import BF16, F16, F32, F64, Size
from graphc.ops import elementwise as e
from graphc.ops.build import splat
from graphc.ops.contraction import dot_general
from graphc.ops.convolution_layout import ConvAttrs, infer, spans_of
from graphc.ops.custom import optimization_barrier
from graphc.ops.duals import broadcast, reduce_sum
from graphc.ops.movement import PadAttrs, pad, reshape, slice, transpose
from graphc.ops.phases import Phase, covered, interleaved, part_of, phases_of
from graphc.ops.windows import windows

Letters = tuple[str, ...]
LEAST_PART = 2048  # terms that a part of a long sum should have
FEW_FEATURES = 4  # fewer fill no vector worth the name
LEAST_ALONG = 64  # input features that must be there for lanes to run along them
FILLS_A_VECTOR = 8  # input features along which lanes may run one way or another
LEAST_LINE = 256  # the same, where each is but one product


def expand(a: ConvAttrs, lhs: Node, rhs: Node) -> Node:
    """The convolution by other operations; where the input is spread, one for each phase."""
    shape = infer(a, lhs.tensor, rhs.tensor).shape
    dtype = lhs.tensor.dtype
    if 0 in (*shape, *lhs.tensor.shape, *rhs.tensor.shape):
        return splat(0, dtype, shape)
    spans = spans_of(a, lhs.tensor, rhs.tensor)
    axes, phases = a.lhs_layout[2:], [phases_of(span) for span in spans]
    whole = covered(lhs, axes, phases)

    def one(chosen: tuple[Phase, ...]) -> Node:
        own = list(shape)
        for axis, phase in zip(a.out_layout[2:], chosen, strict=True):
            own[axis] = phase.count
        if any(phase.span.size == 0 for phase in chosen):
            return splat(0, dtype, tuple(own))
        part = part_of(whole, axes, phases, chosen)
        return _Plain(a, chosen).product(part, _taps(a, rhs, chosen), tuple(own))

    return interleaved(phases, a.out_layout[2:], [span.count for span in spans], one)


def _taps(a: ConvAttrs, rhs: Node, chosen: Sequence[Phase]) -> Node:
    """The weights that the chosen phases meet."""
    start, stride = [0] * rhs.tensor.rank, [1] * rhs.tensor.rank
    limit: list[Size] = list(rhs.tensor.shape)
    for axis, phase in zip(a.rhs_layout[2:], chosen, strict=True):
        start[axis], stride[axis] = phase.first, phase.step
        limit[axis] = phase.first + (phase.span.size - 1) * phase.step + 1
    if tuple(limit) == rhs.tensor.shape and not any(start) and max(stride) == 1:
        return rhs
    return slice(rhs, start=tuple(start), limit=tuple(limit), stride=tuple(stride))


class _Plain:
    """A convolution over an input that is padded already and not spread."""

    def __init__(self, a: ConvAttrs, chosen: Sequence[Phase]) -> None:
        self.a, self.spans = a, [phase.span for phase in chosen]
        self.groups = a.feature_groups * a.batch_groups

    def product(self, lhs: Node, rhs: Node, shape: tuple[Size, ...]) -> Node:
        """The result of `shape`."""
        a = self.a
        grouped = a.lhs_layout[1] if a.feature_groups > 1 else a.lhs_layout[0]
        alone = self.groups > 1 and lhs.tensor.shape[grouped] == self.groups
        single = rhs.tensor.shape[a.rhs_layout[0]] == self.groups
        if alone and single:
            result, letters = self._products(lhs, rhs, math.prod(shape))
        else:
            result, letters = self._contraction(lhs, rhs, math.prod(shape))
        wanted = [letter for letter in self._wanted() if letter in letters]
        order = tuple(letters.index(letter) for letter in wanted)
        if order != tuple(range(len(order))):
            result = transpose(result, permutation=order)
        return result if result.tensor.shape == shape else reshape(result, shape=shape)

    def _wanted(self) -> list[str]:
        """The letters of the result in order."""
        found = [""] * len(self.a.out_layout)
        for letter, axis in zip("NF", self.a.out_layout, strict=False):
            found[axis] = letter
        for i, axis in enumerate(self.a.out_layout[2:]):
            found[axis] = f"o{i}"
        return [part for letter in found for part in (("G", "O") if letter == "F" else (letter,))]

    def _letters(self, layout: Sequence[int], first: str, second: str, space: str) -> list[str]:
        found = [""] * len(layout)
        found[layout[0]], found[layout[1]] = first, second
        for i, axis in enumerate(layout[2:]):
            found[axis] = f"{space}{i}"
        return found

    def _seen(self, lhs: Node, letters: list[str]) -> tuple[Node, Letters]:
        """What windows see of the input, whose axes have these letters."""
        order = sorted(range(len(self.spans)), key=lambda i: letters.index(f"o{i}"))
        spans = [self.spans[i] for i in order]
        seen = windows(
            lhs,
            axes=tuple(letters.index(f"o{i}") for i in order),
            size=tuple(span.size for span in spans),
            stride=tuple(span.stride for span in spans),
            dilation=tuple(span.dilation for span in spans),
        )
        return seen, (*(f"k{i}" for i in order), *letters)

    def _contraction(self, lhs: Node, rhs: Node, size: Size) -> tuple[Node, Letters]:
        a = self.a
        left = self._letters(a.lhs_layout, "N", "C", "o")
        right = self._letters(a.rhs_layout, "O", "C", "k")
        if self.groups > 1:
            lhs, left = _grouped(lhs, left, "C" if a.feature_groups > 1 else "N", self.groups)
            rhs, right = _grouped(rhs, right, "O", self.groups)
        lhs, left = self._stored(lhs, left, rhs.tensor.shape[right.index("O")])
        # Farther strides outside: the innermost loop runs along what lies together.
        summed = [letter.replace("o", "k") for letter in left if letter[0] in "oC"]
        paired = ["G"] if self.groups > 1 else []
        parts = self._parts(lhs, rhs, lhs.tensor.shape[left.index("C")], size)
        if parts > 1:
            lhs, left = _grouped(lhs, left, "C", parts, "P")
            rhs, right = _grouped(rhs, right, "C", parts, "P")
            paired.insert(0, "P")
        if summed[-1] == "C" == left[-1] and paired == []:
            rhs, right = self._along(rhs, right)
        seen, first = self._seen(lhs, left)
        second = tuple(right)
        sides = [(seen, first), (rhs, second)]
        if self._is_sorted(paired, second, first, summed):
            sides.reverse()
        (one, own), (two, other) = sides
        result = dot_general(
            one, two,
            lhs_contract=tuple(own.index(letter) for letter in summed),
            rhs_contract=tuple(other.index(letter) for letter in summed),
            lhs_batch=tuple(own.index(letter) for letter in paired),
            rhs_batch=tuple(other.index(letter) for letter in paired),
        )  # fmt: skip
        letters = self._free(paired, own, other, summed)
        return (reduce_sum(result, axes=(0,)), letters[1:]) if parts > 1 else (result, letters)

    def _stored(self, lhs: Node, letters: list[str], out: Size) -> tuple[Node, list[str]]:
        """An image whose features lie next to each other, as its windows had better see it.

        A group's features alone are short runs far apart, which fall into few sets of a cache.
        Where few features give fewer, lanes run along the lines, whose elements lie apart.
        """
        own, taps = lhs.tensor.shape[-1], math.prod(span.size for span in self.spans)
        if letters[-1] != "C" or taps == 1 or not isinstance(own, int):
            return lhs, letters
        if letters[-2] == "G" and own >= FEW_FEATURES:
            order = [letters.index("G"), *(i for i, own in enumerate(letters) if own != "G")]
        elif letters[-2][0] == "o" and out in range(FEW_FEATURES) and 1 < own < FILLS_A_VECTOR:
            order = [*range(lhs.tensor.rank - 2), lhs.tensor.rank - 1, lhs.tensor.rank - 2]
        else:
            return lhs, letters
        return optimization_barrier(_turned(lhs, order)), [letters[i] for i in order]

    def _along(self, rhs: Node, letters: list[str]) -> tuple[Node, list[str]]:
        """Weights of few output features are laid out along the input features.

        They do not fill a vector, so lanes run along what is summed.
        """
        out, own = (rhs.tensor.shape[axis] for axis in self.a.rhs_layout[:2])
        if not (isinstance(out, int) and isinstance(own, int)):
            return rhs, letters
        if out >= FEW_FEATURES or own < LEAST_ALONG or letters[-1] == "C":
            return rhs, letters
        order = [i for i, letter in enumerate(letters) if letter != "C"] + [letters.index("C")]
        turned = transpose(rhs, permutation=tuple(order))
        return optimization_barrier(turned), [letters[i] for i in order]

    def _parts(
        self, lhs: Node, rhs: Node, summed: Size, size: Size, least: int = LEAST_PART
    ) -> int:
        """Into how many parts a long sum is cut, so that each part of the operands is read once.

        That is the gradient of weights: a small result of sums over a whole batch.
        """
        taps = math.prod(span.size for span in self.spans)
        read = lhs.tensor.size + rhs.tensor.size
        if not (isinstance(summed, int) and isinstance(size, int) and isinstance(read, int)):
            return 1
        if lhs.tensor.dtype not in (F32, F64):
            return 1
        most = min(summed * taps // least, read // max(size, 1))
        return max(part for part in range(1, max(most, 1) + 1) if summed % part == 0)

    def _free(
        self, paired: Sequence[str], own: Letters, other: Letters, summed: Sequence[str]
    ) -> Letters:
        """The letters of a contraction's result."""
        rest = [letter for letter in (*own, *other) if letter not in (*summed, *paired)]
        return (*paired, *rest)

    def _is_sorted(
        self, paired: Sequence[str], own: Letters, other: Letters, summed: Sequence[str]
    ) -> bool:
        """Whether a contraction of these sides gives the result as it is wanted."""
        found = self._free(paired, own, other, summed)
        return list(found) == [letter for letter in self._wanted() if letter in found]

    def _products(self, lhs: Node, rhs: Node, size: Size) -> tuple[Node, Letters]:
        """One feature to one: products of windows and weights, summed, lanes along the groups."""
        a, rhs_shape = self.a, rhs.tensor.shape
        # The axis of groups has one element in each, so it needs no splitting.
        names = ("N", "G") if a.feature_groups > 1 else ("G", "C")
        left = self._letters(a.lhs_layout, *names, "o")
        right = self._letters(a.rhs_layout, "G", "C", "k")
        parts = 1
        if a.feature_groups > 1:
            at = right.index("C")
            rhs = reshape(rhs, shape=rhs_shape[:at] + rhs_shape[at + 1 :])
            right.remove("C")
        else:
            parts = self._parts(lhs, rhs, lhs.tensor.shape[left.index("C")], size, LEAST_LINE)
        if parts > 1:
            lhs, left = _grouped(lhs, left, "C", parts, "P")
            rhs, right = _grouped(rhs, right, "C", parts, "P")
        seen, letters = self._seen(lhs, left)
        # Of what is summed, the batch, in which neighbours lie farthest apart, stands outside.
        rank = {"P": 0, "C": 1}
        apart = sorted(range(len(letters)), key=lambda i: rank.get(letters[i], 2))
        seen = transpose(seen, permutation=tuple(apart))
        letters = tuple(letters[i] for i in apart)
        order = sorted(range(len(right)), key=lambda i: letters.index(right[i]))
        taps = transpose(rhs, permutation=tuple(order))
        places = tuple(letters.index(right[i]) for i in order)
        dtype = lhs.tensor.dtype
        if dtype in (F16, BF16):
            seen, taps = e.convert(seen, dtype=F32), e.convert(taps, dtype=F32)
        factors = broadcast(taps, shape=seen.tensor.shape, axes=places)
        summed = tuple(i for i, letter in enumerate(letters) if letter[0] in "kC")
        total = reduce_sum(e.mul(seen, factors), axes=summed)
        if parts > 1:
            total = reduce_sum(total, axes=(0,))
        rest = tuple(letter for letter in letters if letter[0] not in "kCP")
        return (e.convert(total, dtype=dtype) if dtype in (F16, BF16) else total), rest


def _turned(x: Node, order: Sequence[int]) -> Node:
    """`x` with its axes in another order; padding comes last, by the kernel that turns.

    The last axis of what was padded may have been split since.
    """
    padded = x.operands[0] if x.op is reshape else x
    split = padded.tensor.shape[:-1] == x.tensor.shape[:-2]
    if not isinstance(padded.attrs, PadAttrs) or not (padded is x or split):
        return transpose(x, permutation=tuple(order))
    source, zero = padded.operands
    low, high, between = padded.attrs.low, padded.attrs.high, padded.attrs.interior
    if padded is not x:
        if low[-1] or high[-1] or between[-1]:
            return transpose(x, permutation=tuple(order))
        source = reshape(source, shape=(*source.tensor.shape[:-1], *x.tensor.shape[-2:]))
        low, high, between = (*low, 0), (*high, 0), (*between, 0)
    return pad(
        transpose(source, permutation=tuple(order)),
        zero,
        low=tuple(low[axis] for axis in order),
        high=tuple(high[axis] for axis in order),
        interior=tuple(between[axis] for axis in order),
    )


def _grouped(
    x: Node, letters: list[str], letter: str, groups: int, name: str = "G"
) -> tuple[Node, list[str]]:
    """An axis split into groups and what each holds."""
    at, shape = letters.index(letter), x.tensor.shape
    split = (*shape[:at], groups, shape[at] // groups, *shape[at + 1 :])
    return reshape(x, shape=split), [*letters[:at], name, *letters[at:]]
