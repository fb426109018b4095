"""Elementwise functions from formulas: text or a sympy expression becomes rows, in safe forms.

A formula as it is written may overflow on the way to a harmless result: `log(1 + exp(x))` for
large x. Each rule here recognises such a form in sympy's tree and emits what computes it
safely; the rest is one row per step of the tree. sympy is imported when a formula is read.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from graphc import composites
from graphc import numpy as gnp
from graphc.ir.dims import Expression, sympy_module
from graphc.ir.errors import ArgumentError, ParseError, UnsupportedError
from graphc.numpy.formulas import hypot, logaddexp
from graphc.numpy.promotion import (
    ArrayLike,
    broadcast_shapes,
    common,
    converted,
    inexact,
    shape_of,
    stretched,
)
from graphc.numpy.promotion import elementwise as apply_row
from graphc.ops import BY_NAME
from graphc.ops.formulas import formula_of

if TYPE_CHECKING:
    import sympy

    from graphc.numpy.array import Array

Formula: TypeAlias = "str | sympy.Expr"
LONGEST = 10_000  # characters of a formula
WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
ALLOWED = re.compile(r"[\w\s+\-*/().,]*")
CALL = re.compile(r"(\w+)\(x\)")
CONSTANTS = ("pi", "E")
ALIASES = {"abs": "Abs", "max": "Max", "min": "Min", "ln": "log", "arctan2": "atan2"}
KNOWN = ("Abs", "Max", "Min", "Heaviside", "atan2", "sqrt")
# sympy's function of one argument -> the row that computes it.
ROW_OF = {
    found[1]: row
    for row in BY_NAME.values()
    if (found := CALL.fullmatch(formula_of(row))) is not None
}


@dataclass(frozen=True)
class Elementwise:
    """A formula as a function of arrays, which broadcast and promote as NumPy's do."""

    expression: sympy.Expr
    arguments: tuple[str, ...]

    def __call__(self, *arrays: ArrayLike) -> Array:
        """The formula of each element."""
        if len(arrays) != len(self.arguments):
            wanted = f"expected {len(self.arguments)} ({', '.join(self.arguments)})"
            raise ArgumentError(f"{self}: got {len(arrays)} arguments, {wanted}")
        return _computed(self, *arrays)

    def derivative(self, argument: str = "") -> Elementwise:
        """The derivative by an argument, the first by default, as a formula again.

        >>> str(elementwise("x**2 + sin(y)").derivative("y"))
        'cos(y)'
        """
        by = argument or self.arguments[0]
        if by not in self.arguments:
            raise ArgumentError(f"{self}: got {by}, expected one of {', '.join(self.arguments)}")
        symbol = sympy_module().Symbol(by, real=True)
        return Elementwise(self.expression.diff(symbol), self.arguments)

    def __str__(self) -> str:
        return str(self.expression)


def elementwise(formula: Formula, arguments: Sequence[str] | str | None = None) -> Elementwise:
    """A function of arrays from a formula; its arguments are the names in it, in their order.

    `arguments` gives them another order, or names that the formula does not have.

    >>> import numpy as np
    >>> mish = elementwise("x*tanh(log(1 + exp(x)))")
    >>> mish(np.array([-1e4, 0.0, 1e4])).tolist()
    [-0.0, 0.0, 10000.0]

    Raises:
        ParseError: the text is no formula, or has a function that is not known.
        ArgumentError: `arguments` misses a name of the formula.
    """
    expression = _parsed(formula) if isinstance(formula, str) else _real(formula)
    names = sorted(symbol.name for symbol in expression.free_symbols)
    if isinstance(arguments, str):
        arguments = arguments.replace(",", " ").split()
    given = tuple(names if arguments is None else arguments)
    missing = [name for name in names if name not in given]
    if missing or len(set(given)) != len(given):
        raise ArgumentError(f"{formula}: got arguments {given}, expected {', '.join(names)}")
    return Elementwise(expression, given)


# reading


def _parsed(text: str) -> Expression:
    """The expression of a text: names, numbers, and functions that rows compute."""
    if len(text) > LONGEST or not ALLOWED.fullmatch(text) or "__" in text:
        raise ParseError(
            f"not a formula: got {text[:80]!r}, expected names and + - * / **"
        )
    sympy = sympy_module()
    words = set(WORD.findall(text))
    scope = {word: _meaning(text, word) for word in sorted(words - set(CONSTANTS))}
    scope.update({name: getattr(sympy, name) for name in CONSTANTS})
    numbers = {name: getattr(sympy, name) for name in ("Integer", "Float", "Rational", "Symbol")}
    try:
        found = sympy.parse_expr(text, local_dict=scope, global_dict=numbers)
    except (SyntaxError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"not a formula: got {text!r} ({error})") from error
    if not isinstance(found, sympy.Expr):
        raise ParseError(f"not a formula: got {text!r}, expected one value")
    return found


def _meaning(text: str, word: str) -> Expression:
    """What a word of a formula stands for: a function where `(` follows, else a variable."""
    sympy = sympy_module()
    if not re.search(rf"\b{word}\s*\(", text):
        if keyword.iskeyword(word):
            raise ParseError(f"not a formula: got {text!r}, {word} is no name")
        return sympy.Symbol(word, real=True)
    name = ALIASES.get(word, word)
    if name in ROW_OF or name in KNOWN:
        return getattr(sympy, name)
    row = BY_NAME.get(name)
    spelled = "" if row is None else formula_of(row)
    if not spelled or "x" not in WORD.findall(spelled):
        known = ", ".join(sorted({*ROW_OF, *KNOWN, *ALIASES}))
        raise ParseError(f"not a formula: got {text!r} with {word}, expected one of {known}")
    return sympy.Lambda(sympy.Symbol("x", real=True), _parsed(spelled))


def _real(expression: Expression) -> Expression:
    """The expression with all its variables real: elements are."""
    sympy = sympy_module()
    plain = {symbol: sympy.Symbol(symbol.name, real=True) for symbol in expression.free_symbols}
    return expression.subs(plain, simultaneous=True)


# computing


@composites.composite("elementwise")
def _computed(function: Elementwise, *arrays: ArrayLike) -> Array:
    dtype = inexact(common(*arrays)).dtype if arrays else "float32"
    shape = broadcast_shapes(*(shape_of(array) for array in arrays))
    values = [converted(array, dtype) for array in arrays]  # type: ignore[arg-type]
    emitter = Emitter(dict(zip(function.arguments, values, strict=True)), {})
    result = emitter.value(_hyperbolic(function.expression))
    return stretched(converted(result, dtype), shape)  # type: ignore[arg-type]


def _hyperbolic(expression: Expression) -> Expression:
    """The expression with exp(a) + exp(-a) and its kin as what they are."""
    sympy = sympy_module()

    def is_pair(e: Expression) -> bool:
        return e.is_Add and len(e.args) == 2 and _opposite(e) is not None

    def named(e: Expression) -> Expression:
        scale, inner, sign = _opposite(e)
        return 2 * scale * (sympy.cosh(inner) if sign > 0 else sympy.sinh(inner))

    return expression.replace(is_pair, named)


def _opposite(e: Expression) -> Expression:
    """k, a and s of k*exp(a) + s*k*exp(-a), None for anything else."""
    (one, first), (two, second) = (term.as_coeff_Mul() for term in e.args)
    if not (_is(first, "exp") and _is(second, "exp") and abs(one) == abs(two)):
        return None
    inner = first.args[0]
    if second.args[0] != -inner:
        return None
    return one, inner, 1 if one == two else -1


def _is(e: Expression, name: str) -> bool:
    return type(e).__name__ == name


@dataclass(frozen=True)
class Emitter:
    """Writes rows for expressions; each expression once."""

    arguments: dict[str, Array]
    known: dict[Expression, ArrayLike]

    def value(self, e: Expression) -> ArrayLike:
        """The value of an expression of every element."""
        found = self.known.get(e)
        if found is None:
            found = self.known[e] = self._value(e)
        return found

    def _value(self, e: Expression) -> ArrayLike:
        if e.is_Symbol:
            return self.arguments[e.name]
        if e.is_number:
            return _number(e)
        if e.is_Add:
            return self._sum(e)
        if e.is_Mul:
            return self._product(e)
        if e.is_Pow:
            return self._power(*e.args)
        return self._function(type(e).__name__, e.args)

    def _function(self, name: str, operands: Sequence[Expression]) -> ArrayLike:
        if name == "log":
            return self._log(operands[0])
        if name in ("Max", "Min"):
            first, *others = map(self.value, operands)
            for other in others:
                first = (gnp.maximum if name == "Max" else gnp.minimum)(first, other)
            return first
        if name == "atan2":
            return gnp.atan2(*map(self.value, operands))
        if name == "Heaviside":
            return self._step(operands[0])
        if name == "DiracDelta":  # of a step's derivative, nearly everywhere
            return 0.0
        if name == "polygamma" and operands[0] == 0:
            return self._function("digamma", operands[1:])
        row = ROW_OF.get(name)
        if row is None or len(operands) != 1:
            known = ", ".join(sorted({*ROW_OF, *KNOWN}))
            raise UnsupportedError(f"elementwise: got {name}, expected one of {known}")
        return apply_row(row, self.value(operands[0]), floats=True)

    def _step(self, e: Expression) -> ArrayLike:
        at = self.value(e)
        return gnp.multiply(0.5, gnp.add(gnp.sign(at), 1.0))

    # sums: 1 - f(x) of what comes near 1

    def _sum(self, e: Expression) -> ArrayLike:
        constant, rest = e.as_coeff_Add()
        terms = list(rest.args if rest.is_Add else (rest,))
        for term in terms if constant != 0 else ():
            near = self._beside_constant(constant, *term.as_coeff_Mul())
            if near is not None:
                terms.remove(term)
                return self._added(near, terms)
        first = terms.pop(0) if constant == 0 else constant
        return self._added(self.value(first), terms)

    def _added(self, total: ArrayLike, terms: Sequence[Expression]) -> ArrayLike:
        for term in terms:
            factor, rest = term.as_coeff_Mul()
            if factor == -1:
                total = gnp.subtract(total, self.value(rest))
            else:
                total = gnp.add(total, self.value(term))
        return total

    def _beside_constant(self, c: Expression, k: Expression, f: Expression) -> ArrayLike | None:
        """c + k*f where c is k or -k and the sum is known without cancellation, else None."""
        if abs(c) != abs(k):
            return None
        scale, less, name = _number(c), c == -k, type(f).__name__
        if name == "tanh":
            return self._times(2.0 * scale, self._logistic((-2 if less else 2) * f.args[0]))
        if name == "erf":
            return self._times(scale, self._function("erfc", [f.args[0] if less else -f.args[0]]))
        if not less:
            return None
        if name == "exp":
            return self._times(-scale, gnp.expm1(self.value(f.args[0])))
        if name in ("cos", "cosh"):
            half = self._function("sin" if name == "cos" else "sinh", [f.args[0] / 2])
            return self._times(2.0 * scale if name == "cos" else -2.0 * scale, gnp.square(half))
        if f.is_Pow and f.args[1] == 2:
            return self._times(scale, self._other_leg(f.args[0]))
        return None

    def _other_leg(self, e: Expression) -> ArrayLike:
        """1 - e^2 as a product."""
        if _is(e, "tanh"):
            both = (self._logistic(sign * 2 * e.args[0]) for sign in (1, -1))
            return gnp.multiply(4.0, gnp.multiply(*both))
        at = self.value(e)
        return gnp.multiply(gnp.subtract(1.0, at), gnp.add(1.0, at))

    def _times(self, factor: float, value: ArrayLike) -> ArrayLike:
        return value if factor == 1 else gnp.multiply(factor, value)

    def _logistic(self, e: Expression) -> ArrayLike:
        return gnp.sigmoid(self.value(e))

    # logarithms

    def _log(self, e: Expression) -> ArrayLike:
        exponents = _exponents(e)
        if exponents:
            return self._log_of_sum(exponents)
        if e.is_Pow and e.args[0].is_positive and e.args[1].is_number:
            return self._times(_number(e.args[1]), self._log(e.args[0]))
        if e.is_Mul:
            apart = [f for f in e.args if f.is_positive and (_exponents(_base(f)) or f.is_number)]
            rest = [f for f in e.args if f not in apart]
            if any(not f.is_number for f in apart):
                parts = [self._log(f) for f in apart]
                parts += [self._log(sympy_module().Mul(*rest))] if rest else []
                total = parts[0]
                for part in parts[1:]:
                    total = gnp.add(total, part)
                return total
        if e.is_number:
            return _number(sympy_module().log(e))
        constant, rest = e.as_coeff_Add()
        return gnp.log1p(self.value(rest)) if constant == 1 else gnp.log(self.value(e))

    def _log_of_sum(self, exponents: Sequence[Expression]) -> ArrayLike:
        """log(exp(e1) + exp(e2) + ...) without overflow on the way."""
        total = self.value(exponents[0])
        for exponent in exponents[1:]:
            total = logaddexp(total, self.value(exponent))
        return total

    # powers and products

    def _power(self, base: Expression, exponent: Expression) -> ArrayLike:
        exponents = _exponents(base)
        if len(exponents) > 1 and exponent.is_number and exponent < 0 and not _is(base, "cosh"):
            return self._ratio(None, [(exponents, -exponent)])
        if exponent.is_Rational and exponent.q == 2:
            squares = _squares(base)
            if len(squares) > 1:
                root = self.value(squares[0])
                for leg in squares[1:]:
                    root = hypot(root, self.value(leg))
                return root if exponent.p == 1 else gnp.pow(root, int(exponent.p))
        if exponent.is_number:
            return gnp.pow(self.value(base), _whole(exponent))
        if base.is_number:
            log = sympy_module().log(base)
            return self._function("exp2", [exponent]) if base == 2 else gnp.exp(
                gnp.multiply(_number(log), self.value(exponent))
            )  # fmt: skip
        return gnp.pow(self.value(base), self.value(exponent))

    def _product(self, e: Expression) -> ArrayLike:
        """A quotient of products; exponentials over sums of exponentials as one factor."""
        factor, rest = e.as_coeff_Mul()
        factors = list(_with_tanh(rest))
        sums, grown, above, below = [], None, [], []
        for f in factors:
            base, power = f.as_base_exp() if f.is_Pow else (f, 1)
            exponents = _exponents(base) if power != 1 and power.is_number else []
            if len(exponents) > 1 and power < 0 and not _is(base, "cosh"):
                sums.append((exponents, -power))
            elif _is(f, "exp"):
                grown = f.args[0]
            elif power != 1 and power.is_number and power < 0 and power.is_Integer:
                below.append(base ** (-power))
            else:
                above.append(f)
        values = [self._ratio(grown, sums)] if sums else []
        above += [sympy_module().exp(grown)] if grown is not None and not sums else []
        values += [self.value(f) for f in above]
        if factor == -1 and values:
            values[0] = gnp.negative(values[0])
        elif factor != 1 or not values:
            values.insert(0, _number(factor))
        return self._quotient(values, [self.value(f) for f in below])

    def _quotient(self, above: Sequence[ArrayLike], below: Sequence[ArrayLike]) -> ArrayLike:
        total = above[0]
        for value in above[1:]:
            total = gnp.multiply(total, value)
        if not below:
            return total
        under = below[0]
        for value in below[1:]:
            under = gnp.multiply(under, value)
        return gnp.divide(total, under)

    def _ratio(
        self, grown: Expression | None, sums: Sequence[tuple[list[Expression], Expression]]
    ) -> ArrayLike:
        """exp(grown) over powers of sums of exponentials.

        Of one sum of two it is a product of logistic functions, else an exponential of a
        difference of logarithms.
        """
        exponents, power = sums[0]
        if len(sums) == 1 and len(exponents) == 2 and power.is_Integer:
            found = self._of_two(grown, exponents, int(power))
            if found is not None:
                return found
        total: ArrayLike = 0.0 if grown is None else self.value(grown)
        for terms, times in sums:
            total = gnp.subtract(total, self._times(_number(times), self._log_of_sum(terms)))
        return gnp.exp(total)

    def _of_two(
        self, grown: Expression | None, exponents: Sequence[Expression], power: int
    ) -> ArrayLike | None:
        """exp(grown) / (exp(a) + exp(b))^power where grown is m a + (power - m) b, else None."""
        a, b = exponents
        zero = sympy_module().Integer(0) if grown is None else grown
        for m in range(power + 1):
            scale = (zero - m * a - (power - m) * b).expand()
            if not scale.is_number:
                continue
            left, right = self._logistic(a - b), self._logistic(b - a)
            parts = [left] * m + [right] * (power - m)
            total = parts[0]
            for part in parts[1:]:
                total = gnp.multiply(total, part)
            return self._times(_number(sympy_module().exp(scale)), total)
        return None


def _number(e: Expression) -> float:
    """The value of a constant expression.

    Raises:
        UnsupportedError: it is not a real number.
    """
    if not e.is_extended_real:
        raise UnsupportedError(f"elementwise: got the constant {e}, expected a real number")
    return float(e)


def _whole(e: Expression) -> float | int:
    return int(e) if e.is_Integer else _number(e)


def _base(e: Expression) -> Expression:
    return e.args[0] if e.is_Pow else e


def _exponents(e: Expression) -> list[Expression]:
    """e1, e2, ... where an expression is exp(e1) + exp(e2) + ..., else nothing."""
    log = sympy_module().log
    found: list[Expression] = []
    for term in e.args if e.is_Add else (e,):
        factor, rest = term.as_coeff_Mul()
        if not factor.is_positive:
            return []
        if _is(rest, "exp"):
            found.append(rest.args[0] + log(factor))
        elif _is(rest, "cosh"):
            found += [sign * rest.args[0] + log(factor / 2) for sign in (1, -1)]
        elif rest == 1 and e.is_Add:
            found.append(log(factor))
        else:
            return []
    return found if any(not exponent.is_number for exponent in found) else []


def _squares(e: Expression) -> list[Expression]:
    """What is squared in a sum of squares and positive numbers; nothing for any other sum."""
    sympy = sympy_module()
    found = []
    for term in e.args if e.is_Add else ():
        factor, rest = term.as_coeff_Mul()
        if not factor.is_positive:
            return []
        if rest.is_Pow and rest.args[1].is_even:
            found.append(sympy.sqrt(factor) * rest.args[0] ** (rest.args[1] / 2))
        elif rest == 1:
            found.append(sympy.sqrt(factor))
        else:
            return []
    return found


def _with_tanh(e: Expression) -> Sequence[Expression]:
    """The factors of a product, sinh(a)/cosh(a) among them as tanh(a)."""
    sympy = sympy_module()
    factors = list(e.args if e.is_Mul else (e,))
    for factor in list(factors):
        over = 1 / sympy.cosh(factor.args[0]) if _is(factor, "sinh") else None
        if over in factors:
            factors.remove(factor)
            factors.remove(over)
            factors.append(sympy.tanh(factor.args[0]))
    return factors
