"""Index arithmetic as LLVM instructions, shallow terms first so that they are shared."""

from __future__ import annotations

from graphc.codegen.llvm import scalar
from graphc.codegen.llvm.function import Function
from graphc.codegen.llvm.memory import Lanes
from graphc.codegen.llvm.values import Value
from graphc.codegen.loops.index import Atom, Combined, Index
from graphc.ir.errors import CompileError
from graphc.ir.types import I64


def steps(count: int) -> Value:
    """The literal 0, 1, 2, ... in lanes."""
    inner = ", ".join(f"i64 {i}" for i in range(count))
    return Value(f"<{inner}>", I64, count)


def call(f: Function, name: str, a: Value, b: Value) -> Value:
    """An intrinsic of two i64."""
    lanes = max(a.lanes, b.lanes)
    return scalar.intrinsic(name, f, [f.splat(a, lanes), f.splat(b, lanes)])


class IndexPrinter:
    """Prints indices into a function; knows what its variables are."""

    def __init__(self, f: Function) -> None:
        self.f = f
        self.variables: dict[Atom, Value] = {}
        self.constants: dict[Atom, Index] = {}  # variables of unrolled loops
        self.lanes: Lanes | None = None

    def scalar_index(self, at: Index) -> Value:
        """An index that is the same in all lanes."""
        value = self.index(at)
        if value.lanes != 1:
            raise CompileError(f"an index that differs between lanes: got {at}")
        return value

    def index(self, at: Index) -> Value:
        """An index as i64, in lanes where it differs between them; shallow terms come first."""
        f = self.f
        at = at.replace(self.constants)
        terms: list[Value] = []
        for monomial, factor in at.terms:
            if not monomial:
                continue
            product = self._atom(monomial[0])
            for atom in monomial[1:]:
                product = f.integer("mul", product, self._atom(atom))
            if factor != 1:
                product = f.integer("mul", product, f.number(factor))
            terms.append(product)
        terms.sort(key=lambda term: (term.lanes, term.depth))
        total: Value | None = None
        for term in terms:
            total = term if total is None else f.integer("add", total, term)
        if total is None:
            return f.number(at.constant)
        return f.integer("add", total, f.number(at.constant)) if at.constant else total

    def _atom(self, atom: Atom) -> Value:
        if isinstance(atom, Combined):
            left, right = self.index(atom.left), self.index(atom.right)
            if atom.sign == "min":
                return call(self.f, "smin", left, right)
            return self.f.integer("sdiv" if atom.sign == "//" else "srem", left, right)
        if self.lanes is not None and atom == self.lanes.var:
            count = steps(self.lanes.count)
            return self.f.integer("add", self.lanes.base, count)
        return self.variables[atom]
