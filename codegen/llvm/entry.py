"""The one native function of a program.

    i32 NAME(ptr inputs, ptr outputs, ptr arena, ptr pool, ptr sizes)

runs every step: kernels, loops, branches and copies, on memory that the caller
owns. It returns 0, or the smallest code of a failed check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.llvm.clocks import Clocks
from graphc.codegen.llvm.function import Function
from graphc.codegen.llvm.indices import IndexPrinter
from graphc.codegen.llvm.kernel import print_kernel
from graphc.codegen.llvm.step_table import GIVEN, RUNNER, runs, table
from graphc.codegen.llvm.values import Value
from graphc.codegen.loops.index import ZERO, Index, Named
from graphc.codegen.loops.language import Kernel, chunks
from graphc.codegen.loops.program import (
    Alternating,
    Call,
    Choose,
    Copy,
    Program,
    Ref,
    Repeat,
    Step,
    Tell,
    While,
)
from graphc.ir.types import I64

NO_FAILURE = 2**31 - 1
PARALLEL_WORK = 400_000  # elementary steps, about 10 microseconds, from which waking a thread pays
MODULE_LENGTH = 100_000  # characters of kernels that are worth a module of their own


def print_program(program: Program, vector_bytes: int, threads: bool = True) -> str:
    """The LLVM module of a program, ready for the engine."""
    module = _Module()
    for kernel in program.kernels:
        module.add(*print_kernel(kernel, vector_bytes))
    module.add_entry(program, threads)
    return module.text()


def print_modules(
    program: Program, vector_bytes: int, more: str, clocks: Clocks | None = None
) -> Iterator[str]:
    """A program as modules that can be compiled side by side; the last has the entry and `more`.

    With clocks, the entry measures what it calls.
    """
    module, earlier, names = _Module(), dict[str, str](), list[str]()
    for kernel in program.kernels:
        module.add(*print_kernel(kernel, vector_bytes, linkage=""))
        names.append(kernel.name)
        if sum(map(len, module.functions)) > MODULE_LENGTH:
            yield module.text()
            earlier |= {name: f"declare void @{name}(ptr, i64, i64)" for name in names}
            module, names = _Module(), []
    module.add_entry(program, True, clocks)
    module.add(more, earlier)
    yield module.text()


@dataclass
class _Module:
    """An LLVM module being written."""

    constants: list[str] = field(default_factory=list)
    declarations: dict[str, str] = field(default_factory=dict)
    functions: list[str] = field(default_factory=list)

    def add(self, function: str, needed: Mapping[str, str]) -> None:
        """Append a function, and the declarations that it needs."""
        self.functions.append(function)
        self.declarations.update(needed)

    def add_entry(self, program: Program, threads: bool, clocks: Clocks | None = None) -> None:
        """Append the entry function, and the program's constants."""
        if clocks is not None:
            self.add(clocks.text(), {})
        entry = _Entry(program, threads, clocks)
        self.add(entry.text(), entry.f.declarations)
        self.constants = [_constant(i, array) for i, array in enumerate(program.constants)]

    def text(self) -> str:
        """The whole module."""
        return "\n".join([*self.constants, *self.declarations.values(), "", *self.functions])


def _constant(number: int, array: np.ndarray) -> str:
    """An array as data of the module."""
    data = np.ascontiguousarray(array).tobytes()
    shown = "\\" + data.hex("\\").upper() if data else ""
    return (
        f'@constant{number} = private unnamed_addr constant [{len(data)} x i8] c"{shown}", align 64'
    )


def print_array_entry(program: Program, name: str, offset: int) -> str:
    """A function of one table of words: arena, pool, input and output array objects, sizes.

    It reads each object's data pointer, `offset` bytes behind the object's address, in a loop:
    a model of many layers has more arrays than kernels.
    """
    f = Function()
    inputs, arrays, first = len(program.inputs), len(program.inputs) + len(program.outputs), 2

    def word(number: str) -> str:
        return f.effect(f"getelementptr inbounds i64, ptr %words, i64 {number}", I64, 1).text

    def loaded(place: str) -> str:
        return f.effect(f"load ptr, ptr {place}, align 8", I64, 1).text

    def entry(number: str) -> str:
        return f.effect(f"getelementptr inbounds ptr, ptr {table}, i64 {number}", I64, 1).text

    table = f.alloca(f"[{max(arrays, 1)} x ptr]", 8)
    with f.loop(f.number(0), f.number(arrays), 1) as number:
        item = loaded(word(f.integer("add", number, f.number(first)).text))
        field = f.effect(f"getelementptr inbounds i8, ptr {item}, i64 {offset}", I64, 1)
        data = loaded(field.text)
        f.line(f"store ptr {data}, ptr {entry(number.text)}, align 8")
    pointers = [table, entry(str(inputs)), loaded(word("0")), loaded(word("1"))]
    pointers.append(word(str(first + arrays)))
    f.line(f"%result = call i32 @{program.name}({', '.join(f'ptr {p}' for p in pointers)})")
    return f.text(f"define i32 @{name}(ptr %words) nounwind", "ret i32 %result")


def is_shared(kernel: Kernel, work: int) -> bool:
    """Whether a kernel of so many elementary steps is dealt to threads."""
    return work >= PARALLEL_WORK and chunks(kernel).as_int != 1


def uses_threads(program: Program) -> bool:
    """Whether any step of a program is dealt to threads."""
    return any(_is_parallel(program, step) for step in program.steps)


def _is_parallel(program: Program, step: Step) -> bool:
    match step:
        case Call():
            return is_shared(program.kernels[step.kernel], step.work)
        case Repeat(body=body):
            return any(_is_parallel(program, inner) for inner in body)
        case While(condition=condition, body=body):
            return any(_is_parallel(program, inner) for inner in (*condition, *body))
        case Choose(branches=branches):
            return any(_is_parallel(program, inner) for branch in branches for inner in branch)
    return False


class _Entry:
    """Prints the entry function."""

    def __init__(self, program: Program, threads: bool, clocks: Clocks | None) -> None:
        self.program, self.threads, self.clocks = program, threads, clocks
        self.f = Function()
        self.pointers: dict[str, Value] = {}
        self.indices = IndexPrinter(self.f)
        self.context = ""

    def text(self) -> str:
        f, program = self.f, self.program
        self.pointers["arena"] = Value("%arena", I64)
        for number in range(len(program.constants)):
            self.pointers[f"constant {number}"] = Value(f"@constant{number}", I64)
        for number, name in enumerate(program.sizes):
            f.line(f"%size{number}.at = getelementptr inbounds i64, ptr %sizes, i64 {number}")
            f.line(f"%size{number} = load i64, ptr %size{number}.at, align 8")
            self.indices.variables[Named(name, is_size=True)] = Value(f"%size{number}", I64)
        longest = max([len(k.arguments) for k in program.kernels], default=0)
        self.context = f.alloca(f"[{longest + len(program.sizes) + 2} x i64]")
        f.allocas.append("  %status = alloca i32, align 4")
        f.line(f"store i32 {NO_FAILURE}, ptr %status, align 4")
        with self.clocks.whole(f) if self.clocks else nullcontext():
            self.steps(program.steps)
        f.scopes[0].lines[:0] = self._pointers()
        f.line("%code = load i32, ptr %status, align 4")
        f.line(f"%good = icmp eq i32 %code, {NO_FAILURE}")
        f.line("%result = select i1 %good, i32 0, i32 %code")
        header = (
            f"define i32 @{program.name}(ptr %inputs, ptr %outputs, ptr %arena, ptr %pool, "
            "ptr %sizes) nounwind"
        )
        return f.text(header, "ret i32 %result")

    def _pointers(self) -> list[str]:
        """Loads of the inputs' and outputs' addresses; tables of calls read theirs themselves."""
        lines = []
        for kind, count in (
            ("input", len(self.program.inputs)),
            ("output", len(self.program.outputs)),
        ):
            for number in range(count):
                if f"{kind} {number}" in self.pointers:
                    name = f"%{kind}{number}"
                    lines.append(
                        f"  {name}.at = getelementptr inbounds ptr, ptr %{kind}s, i64 {number}"
                    )
                    lines.append(f"  {name} = load ptr, ptr {name}.at, align 8")
        return lines

    def address(self, ref: Ref) -> Value:
        """The pointer that a reference means."""
        f = self.f
        if ref.base.startswith("pointer "):
            base = f.effect(f"load ptr, ptr {self.pointers[ref.base].text}, align 8", I64, 1)
        else:
            base = self._base(ref.base)
        if ref.offset == ZERO:
            return base
        offset = self.indices.index(ref.offset)
        text = f"getelementptr inbounds i8, ptr {base.text}, i64 {offset.text}"
        return f.pure(text, I64, 1, [base, offset], "p")

    def _base(self, name: str) -> Value:
        """Where the memory of that name begins."""
        kind, _, number = name.partition(" ")
        if kind in GIVEN:
            self.pointers.setdefault(name, Value(f"%{kind}{number}", I64))
        return self.pointers[name]

    # steps

    def steps(self, steps: Sequence[Step]) -> None:
        """Print steps in order, long runs of calls as tables."""
        for is_long, run in runs(self.program, steps):
            if is_long and self.clocks is None:  # clocks stand between calls
                self._run_table(run)
            else:
                self._each(run)

    def _run_table(self, calls: Sequence[Step]) -> None:
        f = self.f
        name = f"table{f.fresh()}"
        text, names = table(self.program, calls, name, self._is_shared)
        others = self._table_of([self.address(Ref(base)).text for base in names])
        bases = self._table_of([*(f"%{kind}s" for kind in GIVEN), others])
        f.declarations[name] = text
        f.declarations["gc_run_table"] = RUNNER
        shared = any(map(self._is_shared, calls))
        if shared:
            f.declare("void @gc_pool_run(ptr, ptr, ptr, i64)")
        given = [f"@{name}.kernels", f"@{name}.numbers"]
        rest = [bases, self.context, "%status", "%pool", "@gc_pool_run" if shared else "null"]
        f.line(
            f"call void @gc_run_table(ptr {given[0]}, ptr {given[1]}, i64 {len(calls)}, "
            f"{', '.join(f'ptr {value}' for value in rest)})"
        )

    def _table_of(self, pointers: Sequence[str]) -> str:
        """A table of pointers in memory."""
        f = self.f
        table = f.alloca(f"[{max(len(pointers), 1)} x ptr]", 8)
        for number, pointer in enumerate(pointers):
            at = f.effect(f"getelementptr inbounds ptr, ptr {table}, i64 {number}", I64, 1)
            f.line(f"store ptr {pointer}, ptr {at.text}, align 8")
        return table

    def _is_shared(self, step: Step) -> bool:
        return self.threads and _is_parallel(self.program, step)

    def _each(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case Call():
                    with self.clocks.kernel(self.f) if self.clocks else nullcontext():
                        self._call(step)
                case Copy(source, target, size):
                    with self.clocks.copy(self.f) if self.clocks else nullcontext():
                        self._copy(self.address(source), self.address(target), size)
                case Repeat():
                    self._repeat(step)
                case While():
                    self._while(step)
                case Choose():
                    self._choose(step)
                case Tell():
                    self._tell(step)

    def _call(self, call: Call) -> None:
        f, kernel = self.f, self.program.kernels[call.kernel]
        values = [f"ptr {self.address(ref).text}" for ref in call.arguments]
        for name in kernel.sizes:
            values.append(f"i64 {self.indices.variables[Named(name, is_size=True)].text}")
        values += ["ptr %status", f"i64 {call.code}"]
        for number, value in enumerate(values):
            place = f"getelementptr inbounds i64, ptr {self.context}, i64 {number}"
            at = f.pure(place, I64, 1, [])
            f.line(f"store {value}, ptr {at.text}, align 8")
        count = self.indices.index(chunks(kernel))
        if self._is_shared(call):
            f.declare("void @gc_pool_run(ptr, ptr, ptr, i64)")
            f.line(
                f"call void @gc_pool_run(ptr %pool, ptr @{kernel.name}, ptr {self.context}, "
                f"i64 {count.text})"
            )
        else:
            f.line(f"call void @{kernel.name}(ptr {self.context}, i64 0, i64 {count.text})")

    def _copy(self, source: Value, target: Value, size: Index) -> None:
        f = self.f
        f.declare("void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)")
        length = self.indices.index(size)
        f.line(
            f"call void @llvm.memmove.p0.p0.i64(ptr {target.text}, ptr {source.text}, "
            f"i64 {length.text}, i1 false)"
        )

    def _begin(self, carries: Sequence[Alternating], odd: bool) -> None:
        """Pointers of carries that alternate; after an odd number of exchanges they end swapped."""
        f = self.f
        for carry in carries:
            now, then = self.address(carry.first), self.address(carry.second)
            if odd:
                self._copy(now, then, carry.bytes)
                now, then = then, now
            for suffix, value in (("", now), ("'", then)):
                base = f"pointer {carry.name}{suffix}"
                if base not in self.pointers:
                    self.pointers[base] = Value(f.alloca("ptr", 8), I64)
                f.line(f"store ptr {value.text}, ptr {self.pointers[base].text}, align 8")

    def _exchange(self, carries: Sequence[Alternating]) -> None:
        f = self.f
        for carry in carries:
            both = [self.pointers[f"pointer {carry.name}{suffix}"].text for suffix in ("", "'")]
            values = [f.effect(f"load ptr, ptr {place}, align 8", I64, 1).text for place in both]
            for value, place in zip(reversed(values), both, strict=True):
                f.line(f"store ptr {value}, ptr {place}, align 8")

    def _repeat(self, loop: Repeat) -> None:
        f = self.f
        self._begin(loop.carries, loop.count % 2 == 1)
        with f.loop(f.number(0), f.number(loop.count), 1) as counter:
            at = f.integer("sub", f.number(loop.count - 1), counter) if loop.reverse else counter
            self.indices.variables[Named(loop.counter)] = at
            self.steps(loop.body)
            self._exchange(loop.carries)

    def _while(self, loop: While) -> None:
        f = self.f
        self._begin(loop.carries, False)
        with f.endless() as leave:
            self.steps(loop.condition)
            flag = self.address(loop.flag)
            byte = f.effect(f"load i8, ptr {flag.text}, align 1", I64, 1)
            done = f.effect(f"icmp eq i8 {byte.text}, 0", I64, 1)
            leave(done)
            self.steps(loop.body)
            self._exchange(loop.carries)
        for carry in loop.carries:
            self._copy(
                self.address(Ref(f"pointer {carry.name}")), self.address(carry.first), carry.bytes
            )

    def _tell(self, step: Tell) -> None:
        """Call `gc_tell(number, code, values, sizes)` in a branch of its own."""
        f = self.f
        flag = f.effect(f"load i8, ptr {self.address(step.enabled).text}, align 1", I64, 1)
        places = [self.address(ref) for ref in step.arguments]
        name = f.fresh()
        told = f.effect(f"icmp ne i8 {flag.text}, 0", I64, 1)
        f.line(f"br i1 {told.text}, label %tell{name}, label %told{name}")
        with f.branch(f"tell{name}", f"told{name}"):
            table = self._table_of([place.text for place in places])
            f.declare("void @gc_tell(i64, i64, ptr, ptr)")
            handed = f"i64 {step.number}, i64 {step.code}, ptr {table}, ptr %sizes"
            f.line(f"call void @gc_tell({handed})")
            if step.code:
                old = f.effect("load i32, ptr %status, align 4", I64, 1)
                less = f.effect(f"icmp slt i32 {old.text}, {step.code}", I64, 1)
                new = f.effect(f"select i1 {less.text}, i32 {old.text}, i32 {step.code}", I64, 1)
                f.line(f"store i32 {new.text}, ptr %status, align 4")
        f.label(f"told{name}")

    def _choose(self, step: Choose) -> None:
        f = self.f
        address = self.address(step.index)
        chosen = f.effect(f"load i32, ptr {address.text}, align 4", I64, 1)
        last = len(step.branches) - 1
        name = f.fresh()
        default = [f"    i32 {i}, label %case{name}.{i}" for i in range(1, last)]
        below = f.effect(f"icmp sle i32 {chosen.text}, 0", I64, 1)
        f.line(f"br i1 {below.text}, label %case{name}.0, label %rest{name}")
        f.label(f"rest{name}")
        f.line(f"switch i32 {chosen.text}, label %case{name}.{last} [")
        f.scopes[-1].lines += default
        f.line("]")
        for number, branch in enumerate(step.branches):
            with f.branch(f"case{name}.{number}", f"end{name}"):
                self.steps(branch)
        f.label(f"end{name}")
