"""Steps of random programs that factor matrices.

What is factored is made well-conditioned of whatever there is: bounded, square, with a diagonal
that outweighs the rest and ascends, so that pivots are certain and eigenvalues apart. Of
eigenvectors and singular vectors only what is sure beyond rounding is kept.
"""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ops import elementwise as e
from graphc.ops import factors, linalg, matrices
from graphc.ops.build import like, splat, zeros_like
from graphc.ops.control import project
from tests.fuzz.builder import Builder, shape_of

LARGEST_SIDE = 9


def bounded(x: Node) -> Node | None:
    """A window of `x` with elements of at most 1, None where `x` is no matrix of floats."""
    shape = shape_of(x)
    if len(shape) < 2 or x.tensor.dtype not in linalg.ELEMENTS:
        return None
    height, width = (min(size, LARGEST_SIDE) for size in shape[-2:])
    x = matrices.part(x, (0, height), (0, width))
    return e.select(e.is_finite(x), e.tanh(x), zeros_like(x))


def heavy(x: Node, side: int) -> Node:
    """A matrix with an ascending diagonal added that outweighs its rows."""
    shape = x.tensor.shape
    row = e.convert(matrices.counted(shape, len(shape) - 2), dtype=x.tensor.dtype)
    weight = e.add(e.mul(row, like(row, 1.5)), splat(2 * side + 1, x.tensor.dtype, shape))
    return e.add(x, e.select(matrices.on_diagonal(shape), weight, zeros_like(x)))


def square(b: Builder) -> Node | None:
    """A well-conditioned square matrix."""
    x = bounded(b.pick())
    if x is None:
        return None
    side = min(shape_of(x)[-2:])
    return heavy(matrices.part(x, (0, side), (0, side)), side)


def apply_factor(b: Builder) -> None:
    """Factors of a square matrix, or its eigenvalues."""
    x = square(b)
    if x is None:
        return
    choice = b.number(0, 4)
    if choice == 0:
        b.add(linalg.cholesky(x))
    elif choice == 1:
        b.add(factors.lu(x))
    elif choice == 2:
        b.add(factors.qr(x, full=b.chance(2)))
    elif choice == 3:
        b.add(project(factors.eigh(x), index=0))
    else:
        b.add(project(factors.svd(x), index=1))


def apply_tall(b: Builder) -> None:
    """QR factors, singular values or pseudoinverse of a matrix that need not be square."""
    x = bounded(b.pick())
    if x is None:
        return
    x = heavy(x, max(shape_of(x)[-2:]))
    choice = b.number(0, 2)
    if choice == 0:
        b.add(factors.qr(x))
    elif choice == 1:
        b.add(project(factors.svd(x), index=1))
    else:
        b.add(linalg.pinv(x, splat(1e-3, x.tensor.dtype, x.tensor.shape[:-2])))


def apply_system(b: Builder) -> None:
    """The solution of a system, all kinds of it."""
    x = square(b)
    if x is None:
        return
    right = b.wanted(x.tensor)
    if b.chance(2):
        b.add(linalg.solve(x, right, transpose_a=b.chance(2)))
        return
    left, low, turn = b.chance(2), b.chance(2), b.chance(2)
    b.add(linalg.triangular_solve(x, right, left_side=left, lower=low, transpose_a=turn))


def apply_matrices(b: Builder) -> None:
    """One of the above: a single step of all, for loops within loops take long to compile."""
    (apply_system, apply_factor, apply_tall)[b.number(0, 2)](b)


ROWS = (*linalg.ROWS, *factors.SEVERAL)  # all of which the steps draw
STEPS = (apply_matrices,)
