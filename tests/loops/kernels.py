"""Kernels written by hand, one per shape that lowering makes, with what NumPy says they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.loops.index import Index, Named, Var, index, minimum
from graphc.codegen.loops.language import (
    Accumulate,
    Accumulator,
    Apply,
    Buffer,
    Check,
    Expr,
    For,
    Kernel,
    Let,
    Literal,
    Load,
    Local,
    Position,
    Read,
    Stmt,
    Store,
    Update,
)
from graphc.ir.types import BOOL, F32, F64, I8, I32, I64, DType

Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Case:
    """A kernel, its arguments as they are before and after, and the status it ends with."""

    kernel: Kernel
    before: Arrays
    after: Arrays
    sizes: Mapping[str, int] = field(default_factory=dict)
    status: int = 0

    def __str__(self) -> str:
        return self.kernel.name


def loop(name: str, extent: Index | int, kind: str = "serial", unroll: int = 1) -> Loop:
    """A loop to be filled: `loop("i", 10)(body...)`, with `.at` as its variable's index."""
    return Loop(Var(name, index(extent)), kind, unroll)


@dataclass(frozen=True)
class Loop:
    """A loop without its body."""

    var: Var
    kind: str
    unroll: int

    @property
    def at(self) -> Index:
        """The variable as an index."""
        return index(self.var)

    def __call__(self, *body: Stmt) -> For:
        return For(self.var, self.kind, body, self.unroll)


def buffer(name: str, size: Index | int, dtype: DType = F32, space: str = "argument") -> Buffer:
    return Buffer(name, dtype, index(size), space)


def apply(op: str, *arguments: Expr, dtype: DType | None = None) -> Apply:
    return Apply(op, arguments, dtype or arguments[-1].dtype)


def number(value: float, dtype: DType = F32) -> Literal:
    return Literal(value, dtype)


def size(name: str) -> Index:
    return index(Named(name, is_size=True))


def let(name: str) -> Index:
    return index(Named(name))


def reals(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def blank(*shape: int, dtype: DType = F32) -> np.ndarray:
    return np.zeros(shape, dtype.numpy)


def scale() -> Case:
    """A map over an odd number of elements, in chunks."""
    x, y = buffer("x", 1000), buffer("y", 1000)
    c = loop("c", 4, "parallel")
    i = loop("i", minimum(index(256), index(1000) - 256 * c.at), "vector")
    at = 256 * c.at + i.at
    body = c(i(Let("v0", apply("mul", Load(x, at), number(2.0))), Store(y, at, Read("v0", F32))))
    before = reals(1000)
    return Case(Kernel("scale", (x, y), (), (body,)), (before, blank(1000)), (before, before * 2))


def softmax() -> Case:
    """Rows in three stages, exponentials kept in scratch, a symbolic number of rows."""
    rows, n = size("rows"), 70
    x, y = buffer("x", rows * n), buffer("y", rows * n)
    kept = buffer("kept", n, space="scratch")
    r = loop("r", rows, "parallel")
    i, j, k = (loop(name, n, "vector", 4) for name in "ijk")
    low = number(-np.inf)
    shifted = apply("sub", Load(x, n * r.at + j.at), Read("top", F32))
    body = r(
        Local(kept),
        Accumulate(
            (Accumulator("top", "max", low),), (i(Update("top", Load(x, n * r.at + i.at))),)
        ),
        Accumulate(
            (Accumulator("total", "add", number(0.0)),),
            (
                j(
                    Let("e", apply("exp", shifted)),
                    Store(kept, j.at, Read("e", F32)),
                    Update("total", Read("e", F32)),
                ),
            ),
        ),
        Let("scaled", apply("div", number(1.0), Read("total", F32))),
        k(Store(y, n * r.at + k.at, apply("mul", Load(kept, k.at), Read("scaled", F32)))),
    )
    before = reals(5, n)
    raised = np.exp(before - before.max(1, keepdims=True))
    after = raised / raised.sum(1, keepdims=True)
    kernel = Kernel("softmax", (x, y), ("rows",), (body,))
    return Case(kernel, (before, blank(5, n)), (before, after), {"rows": 5})


def shifted_rows() -> Case:
    """Scratch written by one lane and read by its neighbour, again in every round of a loop."""
    x, y = buffer("x", 3 * 40), buffer("y", 3 * 40)
    row = buffer("row", 40, space="scratch")
    p, r = loop("p", 1, "parallel"), loop("r", 3)
    i, j = loop("i", 40, "vector"), loop("j", 40, "vector")
    body = p(
        Local(row),
        r(
            i(Store(row, i.at, Load(x, 40 * r.at + i.at))),
            j(Store(y, 40 * r.at + j.at, Load(row, (j.at + 1) % 40))),
        ),
    )
    before = reals(3, 40)
    kernel = Kernel("shifted_rows", (x, y), (), (body,))
    return Case(kernel, (before, blank(3, 40)), (before, np.roll(before, -1, axis=1)))


def column_sum() -> Case:
    """A reduction over rows: lanes hold columns, the sum runs inside each lane."""
    x, y = buffer("x", 9 * 50), buffer("y", 50)
    c = loop("c", 2, "parallel")
    j = loop("j", minimum(index(32), index(50) - 32 * c.at), "vector")
    r = loop("r", 9)
    column = 32 * c.at + j.at
    total = Accumulator("s", "add", number(0.0))
    body = c(
        j(
            Accumulate((total,), (r(Update("s", Load(x, 50 * r.at + column))),)),
            Store(y, column, Read("s", F32)),
        )
    )
    before = reals(9, 50)
    kernel = Kernel("column_sum", (x, y), (), (body,))
    return Case(kernel, (before, blank(50)), (before, before.sum(0)))


def matmul() -> Case:
    """A tile of the product in registers: unrolled rows, lanes over columns, a serial sum."""
    m, n, k, rows, columns = 8, 48, 10, 4, 16
    a, b, c = buffer("a", m * k), buffer("b", k * n), buffer("c", m * n)
    tile = buffer("acc", rows * columns, space="registers")
    p = loop("p", (m // rows) * (n // columns), "parallel")
    top, left = (p.at // (n // columns)) * rows, (p.at % (n // columns)) * columns
    u, v, w = (loop(f"row{stage}", rows, "unrolled") for stage in range(3))
    i, j, o = (loop(f"lane{stage}", columns, "vector") for stage in range(3))
    t = loop("t", k)
    place = v.at * columns + j.at
    product = apply(
        "fma",
        Load(a, (top + v.at) * k + t.at),
        Load(b, t.at * n + left + j.at),
        Load(tile, place),
    )
    body = p(
        Local(tile),
        u(i(Store(tile, u.at * columns + i.at, number(0.0)))),
        t(v(j(Store(tile, place, product)))),
        w(o(Store(c, (top + w.at) * n + left + o.at, Load(tile, w.at * columns + o.at)))),
    )
    left_values, right_values = reals(m, k), reals(k, n, seed=1)
    before = (left_values, right_values, blank(m, n))
    kernel = Kernel("matmul", (a, b, c), (), (body,))
    return Case(kernel, before, (left_values, right_values, left_values @ right_values))


def packed() -> Case:
    """A strided block copied into scratch, guarded at the edge, then summed by rows."""
    x, y = buffer("x", 7 * 30), buffer("y", 30)
    block = buffer("block", 8 * 30, space="scratch")
    p = loop("p", 1, "parallel")
    k, i, j = loop("k", 8), loop("i", 30, "vector"), loop("j", 30, "vector")
    r = loop("r", 8)
    inside = apply("lt", Position(k.at), Position(index(7)), dtype=BOOL)
    total = Accumulator("s", "add", number(0.0))
    body = p(
        Local(block),
        k(i(Store(block, i.at * 8 + k.at, Load(x, k.at * 30 + i.at, inside)))),
        j(
            Accumulate((total,), (r(Update("s", Load(block, j.at * 8 + r.at))),)),
            Store(y, j.at, Read("s", F32)),
        ),
    )
    before = reals(7, 30)
    kernel = Kernel("packed", (x, y), (), (body,))
    return Case(kernel, (before, blank(30)), (before, before.sum(0)))


def gather() -> Case:
    """Rows picked by index; an index outside is reported and nothing is read."""
    x, picks, y = buffer("x", 5 * 6), buffer("picks", 4, I32), buffer("y", 4 * 6)
    r, i = loop("r", 4, "parallel"), loop("i", 6, "vector")
    pick = apply("convert", Load(picks, r.at), dtype=I64)
    negative = apply("lt", Read("pick", I64), number(0, I64), dtype=BOOL)
    beyond = apply("ge", Read("pick", I64), number(5, I64), dtype=BOOL)
    bad = Read("bad", BOOL)
    body = r(
        Let("pick", pick),
        Let("bad", apply("or", negative, beyond)),
        Check(bad, 3),
        i(Store(y, 6 * r.at + i.at, Load(x, let("pick") * 6 + i.at, apply("not", bad)))),
    )
    table, chosen = reals(5, 6), np.array([4, 0, 9, -1], np.int32)
    after = np.stack([table[4], table[0], np.zeros(6), np.zeros(6)]).astype(np.float32)
    kernel = Kernel("gather", (x, picks, y), (), (body,))
    return Case(kernel, (table, chosen, blank(4, 6)), (table, chosen, after), status=3)


def updates() -> Case:
    """Two tensors stepped in place: several parallel loops share one range."""
    p, q, g, h = buffer("p", 300), buffer("q", 20), buffer("g", 300), buffer("h", 20)
    c = loop("c", 3, "parallel")
    i = loop("i", minimum(index(128), index(300) - 128 * c.at), "vector")
    d, j = loop("d", 1, "parallel"), loop("j", 20, "vector")
    at = 128 * c.at + i.at

    def stepped(parameter: Buffer, slope: Buffer, place: Index) -> Store:
        change = apply("mul", Load(slope, place), number(-0.1))
        return Store(parameter, place, apply("add", Load(parameter, place), change))

    kernel = Kernel(
        "updates", (g, h, p, q), (), (c(i(stepped(p, g, at))), d(j(stepped(q, h, j.at))))
    )
    a, b, s, t = reals(300), reals(20, seed=1), reals(300, seed=2), reals(20, seed=3)
    tenth = np.float32(-0.1)
    return Case(kernel, (s, t, a, b), (s, t, a + s * tenth, b + t * tenth))


def moments() -> Case:
    """Two accumulators of different types share a loop nest; one scalar result per row."""
    x, total, count = buffer("x", 6 * 33), buffer("total", 6, F64), buffer("count", 6, I32)
    r, j, i = loop("r", 6, "parallel"), loop("j", 3), loop("i", 11, "vector")
    value = Load(x, 33 * r.at + 11 * j.at + i.at)
    positive = apply("convert", apply("gt", value, number(0.0), dtype=BOOL), dtype=I32)
    body = r(
        Accumulate(
            (Accumulator("s", "add", number(0.0, F64)), Accumulator("n", "add", number(0, I32))),
            (j(i(Update("s", apply("convert", value, dtype=F64)), Update("n", positive))),),
        ),
        Store(total, r.at, Read("s", F64)),
        Store(count, r.at, Read("n", I32)),
    )
    before = reals(6, 33)
    after = before, before.astype(np.float64).sum(1), (before > 0).sum(1).astype(np.int32)
    kernel = Kernel("moments", (x, total, count), (), (body,))
    return Case(kernel, (before, blank(6, dtype=F64), blank(6, dtype=I32)), after)


def folds(op: str, dtype: DType, start: float, function: Callable[..., np.ndarray]) -> Case:
    """One reduction of all elements by `op`, longer than a block and than a warp."""
    count = 333
    x, y = buffer("x", count, dtype), buffer("y", 1, dtype)
    p, i = loop("p", 1, "parallel"), loop("i", count, "vector")
    body = p(
        Accumulate(
            (Accumulator("all", op, number(start, dtype)),), (i(Update("all", Load(x, i.at))),)
        ),
        Store(y, index(0), Read("all", dtype)),
    )
    before = np.random.default_rng(5).integers(1, 3, count).astype(dtype.numpy)
    after = np.asarray(function(before, dtype=dtype.numpy)).reshape(1)
    kernel = Kernel(f"fold_{op}_{dtype}", (x, y), (), (body,))
    return Case(kernel, (before, blank(1, dtype=dtype)), (before, after))


def wide_tile() -> Case:
    """A tile of registers with more lanes than a block of threads."""
    n, rows = 600, 2
    x, y = buffer("x", n), buffer("y", rows * n)
    tile = buffer("tile", rows * n, space="registers")
    p = loop("p", 1, "parallel")
    u, v = (loop(f"row{stage}", rows, "unrolled") for stage in range(2))
    i, j = (loop(f"lane{stage}", n, "vector") for stage in range(2))
    row = apply("convert", Position(u.at), dtype=F32)
    body = p(
        Local(tile),
        i(u(Store(tile, u.at * n + i.at, apply("add", Load(x, i.at), row)))),
        v(j(Store(y, v.at * n + j.at, Load(tile, v.at * n + j.at)))),
    )
    before = reals(n)
    after = np.stack([before, before + np.float32(1)])
    kernel = Kernel("wide_tile", (x, y), (), (body,))
    return Case(kernel, (before, blank(rows, n)), (before, after))


def turned_tile() -> Case:
    """A tile of registers that is written along rows and read along columns."""
    n = 8
    x, y = buffer("x", n * n), buffer("y", n * n)
    tile = buffer("tile", n * n, space="registers")
    p, u, v = loop("p", 1, "parallel"), loop("u", n), loop("v", n)
    i, j = loop("i", n, "vector"), loop("j", n, "vector")
    body = p(
        Local(tile),
        u(i(Store(tile, u.at * n + i.at, Load(x, u.at * n + i.at)))),
        v(j(Store(y, v.at * n + j.at, Load(tile, j.at * n + v.at)))),
    )
    before = reals(n, n)
    kernel = Kernel("turned_tile", (x, y), (), (body,))
    return Case(kernel, (before, blank(n, n)), (before, before.T.copy()))


def reversed_rows(name: str, n: Index, sizes: dict[str, int], count: int) -> Case:
    """Rows turned around in scratch: of a symbolic size, or more than a kernel may declare."""
    x, y = buffer("x", n * 2), buffer("y", n * 2)
    row = buffer("row", n, space="scratch")
    r, i, j = loop("r", 2, "parallel"), loop("i", n, "vector"), loop("j", n, "vector")
    body = r(
        Local(row),
        i(Store(row, i.at, Load(x, n * r.at + i.at))),
        j(Store(y, n * r.at + j.at, Load(row, n - 1 - j.at))),
    )
    before = reals(2, count)
    kernel = Kernel(name, (x, y), tuple(sizes), (body,))
    return Case(kernel, (before, blank(2, count)), (before, before[:, ::-1].copy()), sizes)


def scattered() -> Case:
    """Scalar updates in order, beside lanes: each is read back by all threads."""
    x, picks, y = buffer("x", 40), buffer("picks", 40, I32), buffer("y", 4)
    p, k, i = loop("p", 1, "parallel"), loop("k", 40), loop("i", 4, "vector")
    place = let("pick")
    old = Load(y, place)
    body = p(
        i(Store(y, i.at, number(1.0))),
        k(
            Let("pick", apply("convert", Load(picks, k.at), dtype=I64)),
            Let("old", old),
            Store(y, place, apply("add", Read("old", F32), Load(x, k.at))),
        ),
    )
    before, chosen = reals(40), np.arange(40, dtype=np.int32) * 7 % 4
    after = np.ones(4, np.float32)
    np.add.at(after, chosen, before)
    kernel = Kernel("scattered", (x, picks, y), (), (body,))
    return Case(kernel, (before, chosen, blank(4)), (before, chosen, after))


def alone() -> Case:
    """No lanes at all: every parallel iteration is one thread's; two loops share a range."""
    x, y, z = buffer("x", 7 * 9), buffer("y", 9), buffer("z", 3)
    c, r, d = loop("c", 9, "parallel"), loop("r", 7), loop("d", 3, "parallel")
    start = Accumulator("s", "add", number(2.0))
    body = (
        c(
            Accumulate((start,), (r(Update("s", Load(x, 9 * r.at + c.at))),)),
            Store(y, c.at, Read("s", F32)),
        ),
        d(Store(z, d.at, number(5.0))),
    )
    before = reals(7, 9)
    after = before, before.sum(0) + 2, np.full(3, 5, np.float32)
    return Case(Kernel("alone", (x, y, z), (), body), (before, blank(9), blank(3)), after)


def started() -> Case:
    """A sum over lanes that starts from a number, with a part of it outside the lanes."""
    x, y = buffer("x", 50), buffer("y", 1)
    p, i = loop("p", 1, "parallel"), loop("i", 50, "vector")
    start = Accumulator("s", "add", number(2.0))
    body = p(
        Accumulate((start,), (Update("s", number(0.5)), i(Update("s", Load(x, i.at))))),
        Store(y, index(0), Read("s", F32)),
    )
    before = reals(50)
    after = (before.sum() + np.float32(2.5)).reshape(1)
    return Case(Kernel("started", (x, y), (), (body,)), (before, blank(1)), (before, after))


def woven(dtype: DType, count: int) -> Case:
    """Lanes two apart, read and written in turn, and lanes in reverse order."""
    x, y = buffer("x", 2 * count, dtype), buffer("y", 2 * count, dtype)
    z = buffer("z", count, dtype)
    c, i = loop("c", 1, "parallel"), loop("i", count, "vector", 2)
    body = c(
        i(
            Let("odd", Load(x, 2 * i.at + 1)),
            Let("even", Load(x, 2 * i.at)),
            Store(y, 2 * i.at, Read("odd", dtype)),
            Store(y, 2 * i.at + 1, Read("even", dtype)),
            Store(z, index(count - 1) - i.at, Read("even", dtype)),
        )
    )
    before = (reals(2 * count) * 9).astype(dtype.numpy)
    after = before.reshape(-1, 2)[:, ::-1].reshape(-1)
    name = f"woven_{dtype}_{count}"
    kernel = Kernel(name, (x, y, z), (), (body,))
    empty = (blank(2 * count, dtype=dtype), blank(count, dtype=dtype))
    return Case(kernel, (before, *empty), (before, after, before[::2][::-1]))


def cases() -> list[Case]:
    """Every kernel of this file."""
    return [
        wide_tile(),
        turned_tile(),
        reversed_rows("reversed_some", size("width"), {"width": 45}, 45),
        reversed_rows("reversed_many", index(15000), {}, 15000),
        scattered(),
        alone(),
        started(),
        scale(),
        softmax(),
        shifted_rows(),
        column_sum(),
        matmul(),
        packed(),
        gather(),
        updates(),
        moments(),
        folds("add", F32, 0.0, np.add.reduce),
        folds("mul", I64, 1, np.multiply.reduce),
        folds("max", F64, -np.inf, np.maximum.reduce),
        folds("min", I32, 2**31 - 1, np.minimum.reduce),
        folds("and", I32, -1, np.bitwise_and.reduce),
        folds("or", BOOL, 0, np.bitwise_or.reduce),
        folds("xor", I64, 0, np.bitwise_xor.reduce),
        *(woven(dtype, n) for dtype in (F32, F64, I8, BOOL) for n in (1, 7, 33, 70)),
    ]
