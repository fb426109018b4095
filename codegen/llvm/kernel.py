"""A kernel's loops as a function of LLVM IR, vectorised as it is printed.

    define internal void @NAME(ptr %context, i64 %begin, i64 %end)

runs pieces `begin` to `end` of the kernel's parallel loops. The context holds a
pointer per argument, then each symbolic size, then a pointer to the status word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.codegen.llvm import scalar
from graphc.codegen.llvm.folding import any_or_all, folded
from graphc.codegen.llvm.function import Function
from graphc.codegen.llvm.indices import IndexPrinter, call
from graphc.codegen.llvm.masks import CONDITIONS, TURNED, lanes_that, opaque
from graphc.codegen.llvm.memory import BASE, Lanes, first_lane, load, prefetch, store, stride_of
from graphc.codegen.llvm.turned import copy_of, print_turned
from graphc.codegen.llvm.values import Value, element_type, literal, llvm_type, memory_type
from graphc.codegen.loops.index import ZERO, Index, Named, index, upper_bound
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
    Prefetch,
    Read,
    Stmt,
    Store,
    Update,
)
from graphc.ir.errors import CompileError
from graphc.ir.types import BOOL, I64, DType

LONG_BODY = 24  # statements from which a vector loop is printed once, masked, not twice


@dataclass
class _Accumulation:
    """Where an accumulator lives while its loops run."""

    accumulator: Accumulator
    address: str
    lanes: int


class KernelPrinter(IndexPrinter):
    """Prints one kernel."""

    def __init__(self, kernel: Kernel, vector_bytes: int) -> None:
        super().__init__(Function())
        self.kernel, self.vector_bytes = kernel, vector_bytes
        self.pointers: dict[str, Value] = {}
        self.values: dict[str, Value] = {}
        self.registers: dict[tuple[str, int], str] = {}
        self.accumulations: dict[str, _Accumulation] = {}
        self.written = _stored(kernel.body)

    def text(self, linkage: str) -> str:
        """The function, and what it declares is left in `f.declarations`."""
        self._unpack()
        begin, end = Value("%begin", I64), Value("%end", I64)
        first = self.f.number(0)
        for statement in self.kernel.body:
            assert isinstance(statement, For)
            self._pieces(statement, first, begin, end)
            first = self.f.integer("add", first, self.scalar_index(statement.extent))
        parameters = "ptr %context, i64 %begin, i64 %end"
        return self.f.text(f"define {linkage}void @{self.kernel.name}({parameters}) nounwind")

    def _unpack(self) -> None:
        # Numbered, since a size's name is the user's and a buffer's may be a counter's.
        for number, buffer in enumerate(self.kernel.arguments):
            self.pointers[buffer.name] = self._argument(number, f"%arg{number}", "ptr")
        number = len(self.kernel.arguments)
        for name in self.kernel.sizes:
            size = self._argument(number, f"%arg{number}", "i64")
            self.variables[Named(name, is_size=True)] = size
            number += 1
        self._argument(number, "%status", "ptr")
        self._argument(number + 1, "%code", "i64")

    def _argument(self, number: int, name: str, kind: str) -> Value:
        """One word of the context."""
        self.f.line(f"{name}.at = getelementptr inbounds i64, ptr %context, i64 {number}")
        self.f.line(f"{name} = load {kind}, ptr {name}.at, align 8")
        return Value(name, I64)

    def _pieces(self, loop: For, first: Value, begin: Value, end: Value) -> None:
        """The pieces of one parallel loop that lie between `begin` and `end`."""
        f = self.f
        extent = self.scalar_index(loop.extent)
        start = call(f, "smax", f.integer("sub", begin, first), f.number(0))
        stop = call(f, "smin", f.integer("sub", end, first), extent)
        with f.loop(start, stop, 1) as counter:
            self.variables[loop.var] = counter
            self.block(loop.body)

    # statements

    def block(self, body: Sequence[Stmt]) -> None:
        """Print statements in order."""
        for statement in body:
            self._statement(statement)

    def _statement(self, statement: Stmt) -> None:
        match statement:
            case Let(name, value):
                self._let(name, value)
            case Store(buffer, at, value):
                self._store(buffer, at, self.expression(value))
            case Update(name, value):
                self._update(self.accumulations[name], value)
            case Local(buffer):
                self._local(buffer)
            case Prefetch(buffer, at, cache):
                prefetch(self, buffer, at.replace(self.constants), cache)
            case Check(bad, code):
                self._check(self.expression(bad), code)
            case Accumulate(accumulators, body):
                self._accumulate(accumulators, body)
            case For():
                self._for(statement)

    def _let(self, name: str, value: Expr) -> None:
        self.values[name] = self.expression(value)
        if value.dtype is I64:
            self.variables[Named(name)] = self.values[name]

    def _local(self, buffer: Buffer) -> None:
        if buffer.space == "registers":
            return
        count = buffer.size.as_int
        if count is None:
            raise CompileError(f"scratch of unknown size: got {buffer.size}")
        memory = f"[{max(count, 1)} x {memory_type(buffer.dtype)}]"
        if buffer.name not in self.pointers:
            self.pointers[buffer.name] = Value(self.f.alloca(memory), I64)

    def _check(self, bad: Value, code: int) -> None:
        """Keep the smallest code of all checks that failed."""
        f = self.f
        if self.lanes is not None and bad.lanes == self.lanes.count and self.lanes.mask:
            bad = f.pure(
                f"and {bad}, {self.lanes.mask.text}", BOOL, bad.lanes, [bad, self.lanes.mask]
            )
        if bad.lanes > 1:
            bad = any_or_all(f, "or", bad)
        name = f.fresh()
        f.line(f"br i1 {bad.text}, label %bad{name}, label %good{name}")
        f.label(f"bad{name}")
        own = f.integer("add", Value("%code", I64), f.number(code))
        short = f.pure(f"trunc i64 {own.text} to i32", I64, 1, [own])
        f.line(f"%old{name} = atomicrmw umin ptr %status, i32 {short.text} monotonic")
        f.line(f"br label %good{name}")
        f.label(f"good{name}")

    # loops

    def _for(self, loop: For) -> None:
        if loop.kind == "unrolled":
            count = loop.extent.as_int
            if count is None:
                raise CompileError(f"cannot unroll a loop of {loop.extent} iterations")
            for number in range(count):
                self.constants[loop.var] = index(number)
                self.block(loop.body)
            del self.constants[loop.var]
        elif loop.kind == "vector" and self.lanes is None:
            self._vector(loop)
        else:
            extent, first = self.scalar_index(loop.extent), self.f.number(0)
            copy = copy_of(loop) if loop.kind == "turned" and self.lanes is None else None
            if copy is not None:
                first = print_turned(self, copy, copy.lanes(self.vector_bytes), extent)
            with self.f.loop(first, extent, 1) as counter:
                self.variables[loop.var] = counter
                self.block(loop.body)

    def _vector(self, loop: For) -> None:
        """Whole vectors, then a masked one; a long body is printed once, always masked."""
        f, count = self.f, self.lane_count(loop)
        bound = upper_bound(loop.extent)
        extent = self.scalar_index(loop.extent)
        if bound is not None and bound <= count:
            whole = loop.extent.as_int == count
            self._lanes(loop, f.number(0), None if whole else self._mask(loop, f.number(0), extent))
            return
        known = loop.extent.as_int
        if (known is None or known % count) and _length(loop.body) > LONG_BODY:
            with f.loop(f.number(0), extent, count) as counter:
                self._lanes(loop, counter, self._mask(loop, counter, extent))
            return
        whole_end = f.integer("sub", extent, f.integer("and", extent, f.number(count - 1)))
        if known is not None:
            whole_end = f.number(known - known % count)
        with f.loop(f.number(0), whole_end, count) as counter:
            self._lanes(loop, counter, None)
        if known is None or known % count:
            with f.loop(whole_end, extent, count) as counter:
                self._lanes(loop, counter, self._mask(loop, counter, extent))

    def _lanes(self, loop: For, base: Value, mask: Value | None) -> None:
        self.lanes = Lanes(loop.var, self.lane_count(loop), base, mask)
        self.variables[Named(BASE)] = base
        self.block(loop.body)
        self.lanes = None

    def _mask(self, loop: For, base: Value, extent: Value) -> Value:
        """Lanes that are still inside the loop."""
        f, count = self.f, self.lane_count(loop)
        inside = f.integer("sub", extent, base)
        if _stores_integers(loop.body) or _is_guarded(loop.body):
            inside = opaque(f, inside)
        return lanes_that(f, "lt", inside, count)

    def lane_count(self, loop: For) -> int:
        """Lanes of a vector loop: registers' worth of its widest element, times its unroll.

        Loops over a tile in registers must agree on its lanes, whatever else they touch.
        """
        tiles = _element_sizes(loop.body, "registers")
        width = max([1, *(tiles or _element_sizes(loop.body))])
        lanes = max(1, self.vector_bytes // width)
        bound, count = upper_bound(loop.extent), lanes * loop.unroll
        while bound is not None and count > lanes and count // 2 >= bound:
            count //= 2
        return max(count, 2)

    # accumulators

    def _accumulate(self, accumulators: Sequence[Accumulator], body: Sequence[Stmt]) -> None:
        f = self.f
        inner = _vector_loop(body) if self.lanes is None else None
        lanes = self.lane_count(inner) if inner else self.lanes.count if self.lanes else 1
        for accumulator in accumulators:
            dtype = accumulator.start.dtype
            address = f.alloca(llvm_type(dtype, lanes))
            start = f.splat(Value(literal(accumulator.start.value, dtype), dtype), lanes)
            f.line(f"store {start}, ptr {address}, align 64")
            self.accumulations[accumulator.name] = _Accumulation(accumulator, address, lanes)
        self.block(body)
        alike: dict[tuple[str, DType], list[str]] = {}
        for accumulator in accumulators:
            name, dtype = accumulator.name, accumulator.start.dtype
            address = self.accumulations[name].address
            text = f"load {llvm_type(dtype, lanes)}, ptr {address}, align 64"
            self.values[name] = f.effect(text, dtype, lanes)
            alike.setdefault((accumulator.op, dtype), []).append(name)
        for (op, dtype), names in alike.items() if inner else ():
            register = self.vector_bytes // dtype.bytes
            totals = folded(f, op, [self.values[name] for name in names], register)
            self.values.update(zip(names, totals, strict=True))

    def _update(self, where: _Accumulation, value: Expr) -> None:
        """Fold a value in; a product that is added is added with one rounding."""
        f, dtype = self.f, where.accumulator.start.dtype
        type_ = llvm_type(dtype, where.lanes)
        old = f.effect(f"load {type_}, ptr {where.address}, align 64", dtype, where.lanes)
        product = isinstance(value, Apply) and value.op == "mul" and dtype.is_float
        if isinstance(value, Apply) and product and where.accumulator.op == "add":
            terms = [self.expression(argument) for argument in value.arguments]
            new = scalar.apply(f, "fma", [*terms, old], dtype)
        else:
            new = scalar.apply(f, where.accumulator.op, [old, self.expression(value)], dtype)
        if self.lanes is not None and self.lanes.mask is not None:
            new = scalar.select(f, self.lanes.mask, new, old)
        f.line(f"store {new}, ptr {where.address}, align 64")

    # expressions

    def expression(self, value: Expr) -> Value:
        """The value of an expression."""
        match value:
            case Literal(number, dtype):
                return Value(literal(number, dtype), dtype)
            case Read(name, _):
                return self.values[name]
            case Position(at):
                return self.index(at)
            case Load(buffer, at, guard):
                return self._load(buffer, at, None if guard is None else self.expression(guard))
            case Apply(op, (Position(left), Position(right))) if op in CONDITIONS:
                return self._compared(op, left, right)
            case Apply(op, arguments, dtype):
                inner = [self.expression(argument) for argument in arguments]
                return scalar.apply(self.f, op, inner, dtype)

    def _compared(self, op: str, left: Index, right: Index) -> Value:
        """A comparison of indices; where it differs between lanes, these compare their numbers."""
        difference = (left - right).replace(self.constants)
        stride = stride_of(self, difference)
        if self.lanes is None or stride not in (1, -1):
            inner = [self.index(left), self.index(right)]
            return scalar.apply(self.f, op, inner, BOOL)
        begin = difference.replace({self.lanes.var: first_lane(self)}) * -stride
        # Of a mask that is known in part LLVM 22 makes loads that are not masked at all.
        limit = opaque(self.f, self.index(begin))
        return lanes_that(self.f, op if stride == 1 else TURNED[op], limit, self.lanes.count)

    def _register(self, buffer: Buffer, at: Index) -> tuple[str, int]:
        """The local memory of one register of a tile; it is promoted by the optimiser."""
        at = at.replace(self.constants)
        lanes = 1
        if self.lanes is not None and at.stride(self.lanes.var) == 1:
            at, lanes = at.replace({self.lanes.var: ZERO}), self.lanes.count
        place = at.as_int
        if place is None:
            raise CompileError(f"registers need a constant place: got {buffer.name}[{at}]")
        key = (buffer.name, place)
        if key not in self.registers:
            self.registers[key] = self.f.alloca(llvm_type(buffer.dtype, lanes))
        return self.registers[key], lanes

    def _load(self, buffer: Buffer, at: Index, guard: Value | None) -> Value:
        if buffer.space == "registers":
            address, lanes = self._register(buffer, at)
            type_ = llvm_type(buffer.dtype, lanes)
            return self.f.effect(f"load {type_}, ptr {address}, align 64", buffer.dtype, lanes)
        at = at.replace(self.constants)
        fixed = buffer.space == "argument" and buffer.name not in self.written
        return load(self, buffer, at, guard, fixed)

    def _store(self, buffer: Buffer, at: Index, value: Value) -> None:
        if buffer.space == "registers":
            address, lanes = self._register(buffer, at)
            self.f.line(f"store {self.f.splat(value, lanes)}, ptr {address}, align 64")
            return
        store(self, buffer, at.replace(self.constants), value)


def _stored(body: Sequence[Stmt]) -> set[str]:
    """Names of buffers that statements write."""
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, Store):
            found.add(statement.buffer.name)
        elif isinstance(statement, For | Accumulate):
            found |= _stored(statement.body)
    return found


def _vector_loop(body: Sequence[Stmt]) -> For | None:
    """The vector loop in a loop nest, if any."""
    for statement in body:
        if isinstance(statement, For):
            if statement.kind == "vector":
                return statement
            found = _vector_loop(statement.body)
            if found is not None:
                return found
    return None


def _length(body: Sequence[Stmt]) -> int:
    """Statements in a body, unrolled loops counted out."""
    total = 0
    for statement in body:
        inner = _length(statement.body) if isinstance(statement, For | Accumulate) else 1
        times = statement.extent.as_int or 1 if _is_unrolled(statement) else 1  # type: ignore[union-attr]
        total += inner * times
    return total


def _is_unrolled(statement: Stmt) -> bool:
    return isinstance(statement, For) and statement.kind == "unrolled"


def _stores_integers(body: Sequence[Stmt]) -> bool:
    """Whether statements store elements that LLVM holds as integers."""
    for statement in body:
        match statement:
            case Store(buffer) if element_type(buffer.dtype).startswith("i"):
                return True
            case For() | Accumulate() if _stores_integers(statement.body):
                return True
    return False


def _is_guarded(body: Sequence[Stmt]) -> bool:
    """Whether statements load under a guard, which is met with the mask of a loop's last lanes."""
    for statement in body:
        match statement:
            case Let(_, Load(_, _, guard)) if guard is not None:
                return True
            case For() | Accumulate() if _is_guarded(statement.body):
                return True
    return False


def _element_sizes(body: Sequence[Stmt], space: str = "") -> set[int]:
    """Bytes of the elements that statements load, store or fold, in one space or anywhere."""
    found: set[int] = set()
    for statement in body:
        match statement:
            case Let(_, Load(buffer)) | Store(buffer):
                if space in ("", buffer.space):
                    found.add(buffer.dtype.bytes)
            case Update(_, value) if not space:
                found.add(value.dtype.bytes)
            case For() | Accumulate():
                found |= _element_sizes(statement.body, space)
    return found


def print_kernel(
    kernel: Kernel, vector_bytes: int, linkage: str = "internal "
) -> tuple[str, Mapping[str, str]]:
    """The function of a kernel, and the declarations and functions that it needs."""
    printer = KernelPrinter(kernel, vector_bytes)
    return printer.text(linkage), printer.f.declarations
