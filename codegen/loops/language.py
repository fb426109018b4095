"""Loops: one kernel as buffers, loops and scalar expressions.

    kernel scale(x: f32[1000], y: f32[1000]):
      for c in 0..4 parallel:
        for i in 0..min(256, 1000 - 256*c) vector:
          v0: f32 = mul(x[256*c + i], 2.0)
          y[256*c + i] = v0

How fast a kernel runs is in the kinds of its loops and in its local buffers; what
it means is the same when every loop is serial, which is how `run.py` runs it.
Loop kinds: `serial`; `parallel` (outermost only: iterations are independent and are
dealt out to threads; several one after another share one range); `vector` (lanes;
accumulators gather lane by lane and are combined in a fixed tree); `unrolled`; `turned` (serial
around a vector loop that copies what lies side by side along this one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from graphc.codegen.loops.index import Index, Var
from graphc.ir.types import BOOL, I64, DType


@dataclass(frozen=True, slots=True)
class Buffer:
    """Elements in a row: an argument of the kernel, or `scratch` (per thread) or `registers`."""

    name: str
    dtype: DType
    size: Index
    space: str = "argument"


@dataclass(frozen=True, slots=True)
class Literal:
    """A number; floats are held as Python floats, exact for every narrower type."""

    value: float | int | bool
    dtype: DType


@dataclass(frozen=True, slots=True)
class Position:
    """An index as a value of type i64."""

    index: Index

    @property
    def dtype(self) -> DType:
        """Always i64."""
        return I64


@dataclass(frozen=True, slots=True)
class Read:
    """The value of a `Let` or of an accumulator."""

    name: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class Load:
    """An element of a buffer; with a guard that is false, nothing is read and the value is 0."""

    buffer: Buffer
    index: Index
    guard: Expr | None = None

    @property
    def dtype(self) -> DType:
        """That of the buffer."""
        return self.buffer.dtype


@dataclass(frozen=True, slots=True)
class Apply:
    """A scalar operation, named as its row is; `fma` is a*b + c rounded once."""

    op: str
    arguments: tuple[Expr, ...]
    dtype: DType


Expr: TypeAlias = Literal | Position | Read | Load | Apply


@dataclass(frozen=True, slots=True)
class Let:
    """A name for a value, in force to the end of the block."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Store:
    """Write an element."""

    buffer: Buffer
    index: Index
    value: Expr


@dataclass(frozen=True, slots=True)
class Accumulator:
    """A value that a loop nest folds: `op` is a row's name, `start` what it begins with."""

    name: str
    op: str
    start: Literal


@dataclass(frozen=True, slots=True)
class Accumulate:
    """Run a loop nest whose `Update`s fold values; afterwards each accumulator can be read."""

    accumulators: tuple[Accumulator, ...]
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """A contribution to the accumulator `name`."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class For:
    """Run `body` for each value of `var`, from 0 up to its extent."""

    var: Var
    kind: str
    body: tuple[Stmt, ...]
    unroll: int = 1

    @property
    def extent(self) -> Index:
        """The number of iterations."""
        assert self.var.extent is not None
        return self.var.extent


@dataclass(frozen=True, slots=True)
class Local:
    """A local buffer, in force to the end of the block."""

    buffer: Buffer


@dataclass(frozen=True, slots=True)
class Check:
    """Report `code` to the caller when `bad` holds."""

    bad: Expr
    code: int


@dataclass(frozen=True, slots=True)
class Prefetch:
    """Tell that an element will be read soon, and into which cache it should come by then.

    Behind the end of its buffer it means nothing.
    """

    buffer: Buffer
    index: Index
    cache: int


Stmt: TypeAlias = Let | Store | Accumulate | Update | For | Local | Check | Prefetch


@dataclass(frozen=True)
class Kernel:
    """A loop nest over buffers: the arguments in order, inputs before results."""

    name: str
    arguments: tuple[Buffer, ...]
    sizes: tuple[str, ...]
    body: tuple[Stmt, ...]

    def __str__(self) -> str:
        return show(self)


def chunks(kernel: Kernel) -> Index:
    """Number of independent pieces: the iterations of all parallel loops together."""
    total = Index(())
    for statement in kernel.body:
        assert isinstance(statement, For) and statement.kind == "parallel"
        total = total + statement.extent
    return total


def show(kernel: Kernel) -> str:
    """The kernel as text."""
    arguments = [f"{b.name}: {b.dtype}[{b.size}]" for b in kernel.arguments]
    arguments += [f"{name}: size" for name in kernel.sizes]
    lines = [f"kernel {kernel.name}({', '.join(arguments)}):"]
    for statement in kernel.body:
        lines += _lines(statement, "  ")
    return "\n".join(lines) + "\n"


def _lines(statement: Stmt, pad: str) -> list[str]:
    match statement:
        case Let(name, value):
            return [f"{pad}{name}: {value.dtype} = {expression(value)}"]
        case Store(buffer, at, value):
            return [f"{pad}{buffer.name}[{at}] = {expression(value)}"]
        case Update(name, value):
            return [f"{pad}{name} <- {expression(value)}"]
        case Local(buffer):
            return [f"{pad}local {buffer.name}: {buffer.dtype}[{buffer.size}] in {buffer.space}"]
        case Check(bad, code):
            return [f"{pad}fail {code} if {expression(bad)}"]
        case Prefetch(buffer, at, cache):
            return [f"{pad}prefetch {buffer.name}[{at}] into cache {cache}"]
        case Accumulate(accumulators, body):
            heads = [
                f"{a.name}: {a.start.dtype} = {a.op} from {a.start.value}" for a in accumulators
            ]
            return [f"{pad}accumulate {', '.join(heads)}:", *_block(body, pad)]
        case For(var, kind, body, unroll):
            by = f" by {unroll}" if unroll > 1 else ""
            mark = "" if kind == "serial" else f" {kind}{by}"
            return [f"{pad}for {var} in 0..{var.extent}{mark}:", *_block(body, pad)]


def _block(body: tuple[Stmt, ...], pad: str) -> list[str]:
    return [line for statement in body for line in _lines(statement, pad + "  ")]


def expression(value: Expr) -> str:
    """An expression as text."""
    match value:
        case Literal(number, dtype):
            return f"{number!r}" if dtype is not BOOL else str(bool(number)).lower()
        case Position(at):
            return f"index({at})"
        case Read(name, _):
            return name
        case Load(buffer, at, guard):
            condition = f" if {expression(guard)}" if guard is not None else ""
            return f"{buffer.name}[{at}{condition}]"
        case Apply(op, arguments, dtype):
            inner = ", ".join(expression(argument) for argument in arguments)
            return f"{op}({inner})" if op != "convert" else f"{dtype}({inner})"
