"""`einsum`: sums of products in index notation, as a chain of contractions.

Operands are joined from the left, two at a time, which is optimal for two and
predictable for more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphc.ir.errors import ShapeError
from graphc.numpy.creation import counting
from graphc.numpy.elementwise import equal, multiply, where
from graphc.numpy.linear import contract
from graphc.numpy.movement import permute_dims
from graphc.numpy.promotion import ArrayLike, array_of, fail, shape_of, text_of
from graphc.numpy.reductions import sum as total

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "einsum",
]


def einsum(subscripts: str, *operands: ArrayLike) -> Array:
    """Sums of products in index notation: letters name axes, those not in the result are summed.

    >>> import numpy as np
    >>> einsum("ij,jk->ik", np.ones((2, 3)), np.ones((3, 4))).shape
    (2, 4)

    Raises:
        ShapeError: the notation does not fit the operands.
    """
    inputs, output = _parse(subscripts, operands)
    term, value = _once(inputs[0], array_of(operands[0]))
    for i in range(1, len(operands)):
        other, right = _once(inputs[i], array_of(operands[i]))
        later = set(output).union(*inputs[i + 1 :])
        term, value = _joined(term, value, other, right, later)
    value = _summed(term, value, output)
    term = "".join(letter for letter in term if letter in output)
    return permute_dims(value, [term.index(letter) for letter in output])


def _parse(subscripts: str, operands: tuple[ArrayLike, ...]) -> tuple[list[str], str]:
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    ranks = [len(shape_of(operand)) for operand in operands]
    if len(inputs) != len(operands):
        fail(ShapeError, f"einsum: got {len(operands)} operands, expected {len(inputs)}")
    inputs, output = _without_ellipsis(inputs, ranks, output)
    if not arrow:
        letters = "".join(inputs)
        spelled = [letter for letter in sorted(set(letters)) if letters.count(letter) == 1]
        output = "".join(letter for letter in output if letter not in spelled) + "".join(
            letter for letter in spelled if letter not in output
        )
    sizes: dict[str, object] = {}
    for term, operand in zip(inputs, operands, strict=True):
        shape = shape_of(operand)
        if (not term.isalpha() and term) or len(term) != len(shape):
            fail(ShapeError, f"einsum: got {text_of(shape)} for {term!r}, expected one letter each")
        for letter, size in zip(term, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                fail(ShapeError, f"einsum: got sizes {sizes[letter]} and {size} for {letter!r}")
    if len(set(output)) != len(output) or set(output) - set(sizes):
        fail(ShapeError, f"einsum: got result {output!r}, expected letters of {left!r}, each once")
    return inputs, output


def _without_ellipsis(inputs: list[str], ranks: list[int], output: str) -> tuple[list[str], str]:
    """`...` spelled with letters that nobody else uses; it stands first in an implied result."""
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(inputs, ranks, strict=True)]
    most = max((h for h, term in zip(hidden, inputs, strict=True) if "..." in term), default=0)
    free = [chr(code) for code in range(0x3B1, 0x3B1 + 24)]
    letters = "".join(free[: max(most, 0)])
    spelled = [
        term.replace("...", letters[len(letters) - max(count, 0) :] if count > 0 else "")
        for term, count in zip(inputs, hidden, strict=True)
    ]
    return spelled, output.replace("...", letters) if output else letters


def _once(term: str, value: Array) -> tuple[str, Array]:
    """Repeated letters of one operand reduced to the diagonal."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            shape = shape_of(value)
            diagonal = equal(counting(shape, first), counting(shape, second))
            value = total(where(diagonal, value, 0), second, dtype=value.dtype)
            term = term[:second] + term[second + 1 :]
    return term, value


def _summed(term: str, value: Array, kept: Iterable[str]) -> Array:
    axes = tuple(axis for axis, letter in enumerate(term) if letter not in set(kept))
    return total(value, axes, dtype=value.dtype) if axes else value


def _joined(left: str, x: Array, right: str, y: Array, later: set[str]) -> tuple[str, Array]:
    """Two operands as one: shared letters that nobody needs later are contracted."""
    x, y = _summed(left, x, later | set(right)), _summed(right, y, later | set(left))
    left = "".join(letter for letter in left if letter in later or letter in right)
    right = "".join(letter for letter in right if letter in later or letter in left)
    shared = [letter for letter in left if letter in right]
    batch = [letter for letter in shared if letter in later]
    over = [letter for letter in shared if letter not in later]
    if not shared and not (left and right):
        return left + right, multiply(x, y)
    product = contract(
        x,
        y,
        [left.index(letter) for letter in over],
        [right.index(letter) for letter in over],
        [left.index(letter) for letter in batch],
        [right.index(letter) for letter in batch],
    )
    rest = [letter for letter in left + right if letter not in shared]
    return "".join(batch + rest), product
