"""A function of LLVM IR being written, with loop-invariant code placed as it comes.

Each open loop is a scope, and every value knows the innermost scope that it
depends on. A pure instruction goes to the scope of its deepest operand and is
written once there: what other compilers call invariant motion and common
subexpressions needs no pass here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from graphc.codegen.llvm.values import Value, llvm_type, vector_of
from graphc.codegen.llvm.values import splat as splat_literal
from graphc.ir.types import BOOL, I64, DType


@dataclass
class Scope:
    """The code of one loop's body so far, and the instructions that can be used again."""

    lines: list[str] = field(default_factory=list)
    known: dict[str, Value] = field(default_factory=dict)
    label: str = "entry"


@dataclass
class Function:
    """Lines of a function, scope by scope."""

    scopes: list[Scope] = field(default_factory=lambda: [Scope()])
    allocas: list[str] = field(default_factory=list)
    declarations: dict[str, str] = field(default_factory=dict)
    count: int = 0

    @property
    def depth(self) -> int:
        """The index of the innermost scope."""
        return len(self.scopes) - 1

    def fresh(self) -> str:
        """A name no other register or label has."""
        self.count += 1
        return f"{self.count}"

    def line(self, text: str) -> None:
        """An instruction with an effect, here and now."""
        self.scopes[-1].lines.append("  " + text)

    def pure(
        self, text: str, dtype: DType, lanes: int, operands: Sequence[Value], prefix: str = "v"
    ) -> Value:
        """The value of an instruction without effects, placed as far out as its operands allow."""
        depth = 0
        for operand in operands:
            if operand.depth > depth:
                depth = operand.depth
        scope = self.scopes[depth]
        found = scope.known.get(text)
        if found is None:
            found = Value(f"%{prefix}{self.fresh()}", dtype, lanes, depth)
            scope.lines.append(f"  {found.text} = {text}")
            scope.known[text] = found
        return found

    def effect(self, text: str, dtype: DType, lanes: int) -> Value:
        """The value of an instruction that must stay where it is, such as a load."""
        value = Value(f"%v{self.fresh()}", dtype, lanes, self.depth)
        self.line(f"{value.text} = {text}")
        return value

    def alloca(self, type_: str, align: int = 64) -> str:
        """Local memory for the whole call."""
        name = f"%local{self.fresh()}"
        self.allocas.append(f"  {name} = alloca {type_}, align {align}")
        return name

    def declare(self, signature: str) -> None:
        """Note an intrinsic or a function that the text calls."""
        symbol = signature[signature.index("@") : signature.index("(")]
        self.declarations[symbol] = f"declare {signature}"

    def label(self, name: str) -> None:
        """Begin a basic block."""
        self.scopes[-1].lines.append(f"{name}:")
        self.scopes[-1].label = name

    @contextmanager
    def loop(self, start: Value, end: Value, step: int) -> Iterator[Value]:
        """The code of a loop `for x = start; x < end; x += step`, entered only if it runs."""
        name = self.fresh()
        outer = self.scopes[-1]
        first = self.pure(f"icmp slt i64 {start.text}, {end.text}", BOOL, 1, [start, end])
        body = Scope(label=f"loop{name}")
        self.scopes.append(body)
        counter = Value(f"%count{name}", I64, 1, self.depth)
        yield counter
        following = f"%next{name}"
        self.line(f"{following} = add nsw i64 {counter.text}, {step}")
        self.line(f"%again{name} = icmp slt i64 {following}, {end.text}")
        self.line(f"br i1 %again{name}, label %loop{name}, label %end{name}")
        phi = (
            f"  {counter.text} = phi i64 [ {start.text}, %{outer.label} ], "
            f"[ {following}, %{body.label} ]"
        )
        self.scopes.pop()
        self.line(f"br i1 {first.text}, label %loop{name}, label %end{name}")
        outer.lines += [f"loop{name}:", phi, *body.lines]
        self.label(f"end{name}")

    @contextmanager
    def endless(self) -> Iterator[Callable[[Value], None]]:
        """The code of a loop that ends where the function it hands out is called."""
        name = self.fresh()
        outer = self.scopes[-1]
        body = Scope(label=f"loop{name}")
        self.scopes.append(body)

        def leave(done: Value) -> None:
            self.line(f"br i1 {done.text}, label %end{name}, label %go{name}")
            self.label(f"go{name}")

        yield leave
        self.line(f"br label %loop{name}")
        self.scopes.pop()
        self.line(f"br label %loop{name}")
        outer.lines += [f"loop{name}:", *body.lines]
        self.label(f"end{name}")

    @contextmanager
    def branch(self, label: str, end: str) -> Iterator[None]:
        """The code of one branch; what it computes is not known behind it."""
        outer = self.scopes[-1]
        known = dict(outer.known)
        self.label(label)
        yield
        self.line(f"br label %{end}")
        outer.known = known

    def splat(self, value: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        if value.lanes == lanes or lanes == 1:
            return value
        if value.text[0] != "%":
            element = llvm_type(value.dtype, 1)
            return Value(splat_literal(value.text, element, lanes), value.dtype, lanes, value.depth)
        vector = vector_of(llvm_type(value.dtype, 1), lanes)
        one = self.pure(
            f"insertelement {vector} poison, {value}, i64 0", value.dtype, lanes, [value]
        )
        return self.pure(
            f"shufflevector {vector} {one.text}, {vector} poison, <{lanes} x i32> zeroinitializer",
            value.dtype,
            lanes,
            [one],
        )

    def number(self, value: int) -> Value:
        """A literal of type i64."""
        return Value(str(value), I64)

    def integer(self, op: str, left: Value, right: Value) -> Value:
        """i64 arithmetic on scalars or lanes."""
        lanes = max(left.lanes, right.lanes)
        a, b = self.splat(left, lanes), self.splat(right, lanes)
        return self.pure(f"{op} {a.type} {a.text}, {b.text}", I64, lanes, [a, b])

    def text(self, header: str, end: str = "ret void") -> str:
        """The whole function."""
        lines = [header + " {", "entry:", *self.allocas, *self.scopes[0].lines, "  " + end, "}"]
        return "\n".join(lines) + "\n"
