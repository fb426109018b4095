"""Expressions as text or LaTeX: matrices where indices chain up, sums with indices elsewhere.

Total(x(k, i) (z(k, j) - y(k, j)), k) / m, at i and j      X^T (Z - Y) / m

In matrix notation `A B` is the matrix product, and `A * B`, powers and functions work on elements.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphc.explain.arrays import RELATIONS, Book, Operand, axes, is_call
from graphc.ir.dims import Expression, sympy_module

SUM, PRODUCT, CHAIN, POWER, ATOM = range(5)  # how tightly a text holds together
LETTERS = "ijklnpqrstuvabcdefgh"
LATEX_RELATIONS = {"eq": "=", "ne": r"\neq", "lt": "<", "le": r"\leq", "gt": ">", "ge": r"\geq"}
LATEX_FUNCTIONS = ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min")
FOLDS = {"Largest": "max", "Smallest": "min", "Product": "prod", "Any": "any"}
Indices = tuple[Expression, ...]


class EntangledError(Exception):
    """Indices that matrix notation has no sign for."""


@dataclass(frozen=True)
class Text:
    """A piece of text and how tightly it holds together."""

    text: str
    tight: int = ATOM


@dataclass
class Writer:
    """Writes the expressions of a book; `shown` names its arrays, calls in `inline` have none."""

    book: Book
    shown: dict[str, str]
    inline: frozenset[str] = frozenset()
    latex: bool = False
    letters: dict[Expression, str] = field(default_factory=dict)

    def definition(self, name: str, operand: Operand) -> tuple[str, str]:
        """Both sides of an equation that says what `name` is: of matrices, or of elements."""
        own = axes(operand.rank)
        try:
            return self.name(name), self.write(operand.body, own).text
        except EntangledError:
            self.letters = dict(zip(own, self._unused(len(own)), strict=True))
            left = self._subscripted(self.name(name), own)
            right = self.write(operand.body, None).text
            self.letters = {}
            return left, right

    def one_hot(self, name: str, labels: Operand) -> tuple[str, str]:
        """1 where a label is the number of the column, else 0."""
        own = axes(labels.rank + 1)
        self.letters = dict(zip(own, self._unused(len(own)), strict=True))
        left = self._subscripted(self.name(self.shown[name]), own)
        label, column = self.write(labels.body, None).text, self.letters[own[-1]]
        self.letters = {}
        said = ", of labels that all name a class" if name in self.book.assumptions else ""
        if not self.latex:
            return left, f"1 where {label} = {column}, else 0{said}"
        return left, rf"1 \text{{ where }} {label} = {column} \text{{, else }} 0 \text{{{said}}}"

    def plain(self, text: str) -> str:
        """Words."""
        return rf"\text{{{text}}}" if self.latex else text

    def whole(self, operand: Operand) -> str:
        """An array in matrix notation.

        Raises:
            EntangledError: there is none.
        """
        return self.write(operand.body, axes(operand.rank)).text

    def name(self, name: str) -> str:
        """A name, in LaTeX with its digits and Greek letters set as such."""
        if not self.latex:
            return name
        sympy = sympy_module()
        if re.fullmatch(r"[A-Za-z]_?\d*", name):
            return str(sympy.latex(sympy.Symbol(name)))
        greek = str(sympy.latex(sympy.Symbol(name)))
        plain = name.replace("_", r"\_")
        return greek if greek.startswith("\\") else rf"\mathrm{{{plain}}}"

    # one expression; `places` are its indices in matrix notation, None with indices written

    def write(self, e: Expression, places: Indices | None) -> Text:
        """An expression, as text that says how tightly it holds together."""
        if e.is_Number or e in self.letters or e.is_Symbol or e.is_NumberSymbol:
            return self._leaf(e, places)
        if e.is_Add:
            return self._sum(e, places)
        if e.is_Mul:
            return self._product(e, places)
        if e.is_Pow:
            return self._power(e, places)
        name = type(e).__name__
        if name in self.shown or name in self.inline:
            return self._element(name, e.args, places)
        if name == "Total":
            return self._total(e, places)
        if name in FOLDS:
            return self._folded(FOLDS[name], e.args[0], e.args[1:], places)
        if name in RELATIONS:
            sign = (LATEX_RELATIONS if self.latex else RELATIONS)[name]
            sides = [self._at_least(part, places, SUM) for part in e.args]
            inner = f"{sides[0]} {sign} {sides[1]}"
            return Text(rf"\left[{inner}\right]" if self.latex else f"({inner})")
        return self._function(name.lower(), [self.write(part, places).text for part in e.args])

    def _leaf(self, e: Expression, places: Indices | None) -> Text:
        if e in self.letters:
            return Text(self.letters[e])
        if e.is_Number:
            text = str(e) if e.is_Rational else f"{float(e):.9g}"
            return Text(text, SUM if e < 0 else ATOM if "/" not in text else PRODUCT)
        if e.is_integer and (e in (places or ()) or e.is_Dummy):
            raise EntangledError
        return Text(self.name(str(e)) if self.latex else str(e))

    def _at_least(self, e: Expression, places: Indices | None, tight: int) -> str:
        found = self.write(e, places)
        return found.text if found.tight >= tight else self._bracketed(found.text)

    def _bracketed(self, text: str) -> str:
        return rf"\left({text}\right)" if self.latex else f"({text})"

    def _sum(self, e: Expression, places: Indices | None) -> Text:
        """Terms: numbers first, and what is added before what is taken away."""

        def order(term: Expression) -> tuple[bool, bool, bool]:
            minus = bool(term.could_extract_minus_sign())
            return minus, not term.is_number, not term.has(sympy_module().Function)

        terms = sorted(e.as_ordered_terms(), key=order)
        text = self._at_least(terms[0], places, SUM)
        for term in terms[1:]:
            minus = bool(term.could_extract_minus_sign())
            part = self._at_least(-term if minus else term, places, PRODUCT)
            text += f" {'-' if minus else '+'} {part}"
        return Text(text, SUM)

    def _product(self, e: Expression, places: Indices | None) -> Text:
        if e.could_extract_minus_sign():
            return Text(f"-{self._at_least(-e, places, PRODUCT)}", SUM)
        above, below = [], []
        for factor in e.as_ordered_factors():
            base, power = factor.as_base_exp()
            if factor.is_Rational and not factor.is_Integer:
                above += [] if factor.p == 1 else [sympy_module().Integer(factor.p)]
                below.append(sympy_module().Integer(factor.q))
            elif power.is_number and power.is_negative:
                below.append(base ** (-power))
            else:
                above.append(factor)
        top = self._factors(above, places) if above else Text("1")
        if not below:
            return top
        bottom = self._factors(below, places)
        if self.latex:
            return Text(rf"\frac{{{top.text}}}{{{bottom.text}}}", PRODUCT)
        loose = above[0].is_Add if len(above) == 1 else top.tight < PRODUCT
        left = self._bracketed(top.text) if loose else top.text
        right = bottom.text if bottom.tight >= POWER else self._bracketed(bottom.text)
        return Text(f"{left} / {right}", PRODUCT)

    def _factors(self, factors: Sequence[Expression], places: Indices | None) -> Text:
        """Factors: numbers in front, sums at the end; a column by a row is u v^T."""
        factors = [factor for factor in factors if factor != 1] or list(factors[:1])
        column = [f for f in factors if _only(f, places, 0)]
        row = [f for f in factors if column and _only(f, places, 1)]
        others = [f for f in factors if f not in column and f not in row]
        parts = sorted(others, key=lambda f: (not f.is_number, is_call(f, "Total"), f.is_Add))
        found = [(self._at_least(f, places, PRODUCT), _is_array(f)) for f in parts]
        if places is None and is_call(parts[-1], "Total"):
            found[-1] = self.write(parts[-1], places).text, True
        if column:
            found.append((self._outer(column, row, places), True))
        if len(factors) == 1 and not column:
            return self.write(factors[0], places)
        if len(found) == 1:
            return Text(found[0][0], CHAIN)
        if not self.latex:
            return Text(" * ".join(text for text, _ in found), PRODUCT)
        joined, before = found[0]
        for text, array in found[1:]:
            joined += rf" \odot {text}" if before and array and places else f" {text}"
            before = array
        return Text(joined, PRODUCT)

    def _outer(
        self, column: Sequence[Expression], row: Sequence[Expression], places: Indices | None
    ) -> str:
        if not row or not places:
            raise EntangledError
        left = self._at_least(sympy_module().Mul(*column), places[:1], CHAIN)
        right = self._at_least(sympy_module().Mul(*row), places[1:], ATOM)
        return rf"{left} {right}^{{\top}}" if self.latex else f"{left} {right}^T"

    def _power(self, e: Expression, places: Indices | None) -> Text:
        base, power = e.as_base_exp()
        if power.is_number and power.is_negative:
            return self._product(sympy_module().Mul(1, e, evaluate=False), places)
        if power == sympy_module().Rational(1, 2):
            inner = self.write(base, places).text
            return Text(rf"\sqrt{{{inner}}}" if self.latex else f"sqrt({inner})")
        below, above = self._at_least(base, places, ATOM), self.write(power, places)
        if self.latex:
            return Text(f"{below}^{{{above.text}}}", POWER)
        raised = above.text if above.tight == ATOM else self._bracketed(above.text)
        return Text(f"{below}^{raised}", POWER)

    def _function(self, name: str, arguments: Sequence[str]) -> Text:
        inner = ", ".join(arguments)
        if not self.latex:
            return Text(f"{name}({inner})")
        plain = name.replace("_", r"\_")
        shown = f"\\{name}" if name in LATEX_FUNCTIONS else rf"\operatorname{{{plain}}}"
        return Text(rf"{shown}\left({inner}\right)")

    # elements and sums

    def _element(self, name: str, args: Indices, places: Indices | None) -> Text:
        shown = self.called(name) if name in self.inline else Text(self.name(self.shown[name]))
        if places is None:
            return Text(self._subscripted(shown.text, args))
        if args in ((), places) or (len(places) == 2 and args == places[1:]):
            return shown
        if len(places) == 2 and args == places[::-1]:
            whole = shown.text if shown.tight == ATOM else self._bracketed(shown.text)
            return Text(rf"{whole}^{{\top}}" if self.latex else f"{whole}^T", POWER)
        raise EntangledError

    def called(self, name: str) -> Text:
        """The call that an array comes from."""
        array = self.book.arrays[name]
        return self._function(array.call, [self.whole(operand) for operand in array.operands])

    def _subscripted(self, text: str, args: Indices) -> str:
        if not args:
            return text
        inner = [self.write(argument, None).text for argument in args]
        if self.latex:
            text = f"{{{text}}}" if "_" in text else text
            between = "" if all(len(index) == 1 for index in inner) else ","
            return f"{text}_{{{between.join(inner)}}}"
        return f"{text}[{','.join(inner)}]"

    def _total(self, e: Expression, places: Indices | None) -> Text:
        body, index, _ = e.args
        if places is None:
            return self._folded("sum", body, [index], places)
        factors = sympy_module().Mul.make_args(body)
        if not places:
            return self._inner_product(factors, index)
        first, last = places[0], places[-1]
        right = [f for f in factors if last in f.free_symbols and first not in f.free_symbols]
        if len(places) == 1:  # of a matrix and a vector
            right = [f for f in factors if last not in f.free_symbols]
        left = [f for f in factors if f not in right]
        if len(places) > 2 or not left or not right:
            raise EntangledError
        product = sympy_module().Mul
        sides = (product(*left), (first, index)), (product(*right), (index, *places[1:]))
        return Text(" ".join(self._at_least(side, own, CHAIN) for side, own in sides), CHAIN)

    def _inner_product(self, factors: Sequence[Expression], index: Expression) -> Text:
        if len(factors) != 2:
            raise EntangledError
        left, right = (self._at_least(factor, (index,), ATOM) for factor in factors)
        return Text(f"{left}^{{\\top}} {right}" if self.latex else f"{left}^T {right}", CHAIN)

    def _folded(
        self, name: str, body: Expression, over: Sequence[Expression], places: Indices | None
    ) -> Text:
        """sum_k ..., max_k ...: with indices written."""
        if places is not None:
            raise EntangledError
        while name == "sum" and type(body).__name__ == "Total":
            over, body = [*over, body.args[1]], body.args[0]
        fresh = dict(zip(over, self._unused(len(over)), strict=True))
        self.letters |= fresh
        tight = PRODUCT if name == "sum" else ATOM
        inner = self._at_least(body, None, tight)
        for index in over:
            del self.letters[index]
        letters = "".join(fresh.values())
        if not self.latex:
            return Text(f"{name}_{letters} {inner}", SUM)
        sign = {"sum": r"\sum", "prod": r"\prod"}.get(name, rf"\{name}")
        return Text(rf"{sign}_{{{letters}}} {inner}", SUM)

    def _unused(self, count: int) -> list[str]:
        taken = {*self.letters.values(), *self.shown.values()}
        return [letter for letter in LETTERS if letter not in taken][:count]


def _is_array(e: Expression) -> bool:
    return bool(e.has(sympy_module().Function))


def _only(e: Expression, places: Indices | None, axis: int) -> bool:
    """Whether an expression varies along one of two axes."""
    if places is None or len(places) != 2:
        return False
    return places[axis] in e.free_symbols and places[1 - axis] not in e.free_symbols


__all__ = ["EntangledError", "Writer"]
