"""From sympy's trees to rows, in forms that do not overflow on the way."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphc import numpy as gnp
from graphc.formula.patterns import (
    base_of,
    exponents_of,
    is_call,
    number_of,
    squares_of,
    whole,
)
from graphc.ir.dims import Expression, sympy_module
from graphc.ir.errors import UnsupportedError
from graphc.numpy.formulas import hypot, logaddexp
from graphc.numpy.promotion import ArrayLike
from graphc.numpy.promotion import elementwise as apply_row
from graphc.ops import BY_NAME
from graphc.ops.formulas import formula_of

if TYPE_CHECKING:
    from graphc.numpy.array import Array

CALL = re.compile(r"(\w+)\(x\)")
KNOWN = ("Abs", "Max", "Min", "Heaviside", "atan2", "sqrt")
# sympy's function of one argument -> the row that computes it.
ROW_OF = {
    found[1]: row
    for row in BY_NAME.values()
    if (found := CALL.fullmatch(formula_of(row))) is not None
}


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
            return number_of(e)
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
        return _multiply(0.5, _add(gnp.sign(at), 1.0))

    # sums: 1 - f(x) of what comes near 1

    def _sum(self, e: Expression) -> ArrayLike:
        constant, rest = e.as_independent(*e.free_symbols, as_Add=True)
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
                total = _subtract(total, self.value(rest))
            else:
                total = _add(total, self.value(term))
        return total

    def _beside_constant(self, c: Expression, k: Expression, f: Expression) -> ArrayLike | None:
        """c + k*f where c is k or -k and the sum is known without cancellation, else None."""
        if abs(c) != abs(k):
            return None
        scale, less, name = number_of(c), c == -k, type(f).__name__
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
        if is_call(e, "tanh"):
            both = (self._logistic(sign * 2 * e.args[0]) for sign in (1, -1))
            return _multiply(4.0, _multiply(*both))
        at = self.value(e)
        return _multiply(_subtract(1.0, at), _add(1.0, at))

    def _times(self, factor: float, value: ArrayLike) -> ArrayLike:
        return value if factor == 1 else _multiply(factor, value)

    def _logistic(self, e: Expression) -> ArrayLike:
        return gnp.sigmoid(self.value(e))

    # logarithms

    def _log(self, e: Expression) -> ArrayLike:
        exponents = exponents_of(e)
        if exponents:
            return self._log_of_sum(exponents)
        if e.is_Pow and e.args[0].is_positive and e.args[1].is_number:
            return self._times(number_of(e.args[1]), self._log(e.args[0]))
        if e.is_Mul:
            apart = [
                f for f in e.args if f.is_positive and (exponents_of(base_of(f)) or f.is_number)
            ]
            rest = [f for f in e.args if f not in apart]
            if any(not f.is_number for f in apart):
                parts = [self._log(f) for f in apart]
                parts += [self._log(sympy_module().Mul(*rest))] if rest else []
                total = parts[0]
                for part in parts[1:]:
                    total = _add(total, part)
                return total
        if e.is_number:
            return number_of(sympy_module().log(e))
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
        exponents = exponents_of(base)
        if len(exponents) > 1 and exponent.is_number and exponent < 0:
            return self._ratio(None, [(exponents, -exponent)])
        if exponent.is_Rational and exponent.q == 2:
            squares = squares_of(base)
            if len(squares) > 1:
                root = self.value(squares[0])
                for leg in squares[1:]:
                    root = hypot(root, self.value(leg))
                return root if exponent.p == 1 else gnp.pow(root, int(exponent.p))
        if exponent.is_number:
            return gnp.pow(self.value(base), whole(exponent))
        if base.is_number:
            log = sympy_module().log(base)
            return self._function("exp2", [exponent]) if base == 2 else gnp.exp(
                _multiply(number_of(log), self.value(exponent))
            )  # fmt: skip
        return gnp.pow(self.value(base), self.value(exponent))

    def _product(self, e: Expression) -> ArrayLike:
        """A quotient of products; exponentials over sums of exponentials as one factor."""
        factor, rest = e.as_independent(*e.free_symbols, as_Add=False)
        factors, one = rest.args if rest.is_Mul else (rest,), sympy_module().Integer(1)
        sums, grown, above, below = [], None, [], []
        for f in factors:
            base, power = f.as_base_exp() if f.is_Pow else (f, one)
            exponents = exponents_of(base) if power != 1 and power.is_number else []
            if len(exponents) > 1 and power < 0:
                sums.append((exponents, -power))
            elif is_call(f, "exp"):
                grown = f.args[0] if grown is None else grown + f.args[0]
            elif power != 1 and power.is_number and power < 0 and power.is_Integer:
                below.append(base ** (-power))
            else:
                above.append(f)
        for f in above if sums else ():
            if f.is_Add and f.has(sympy_module().exp):  # it may grow beyond all bounds: apart
                return self.value(f.func(*(term * (e / f) for term in f.args)))
        values = [self._ratio(grown, sums)] if sums else []
        above += [sympy_module().exp(grown)] if grown is not None and not sums else []
        values += [self.value(f) for f in above]
        if factor == -1 and values:
            values[0] = gnp.negative(values[0])
        elif factor != 1 or not values:
            values.insert(0, number_of(factor))
        return self._quotient(values, [self.value(f) for f in below])

    def _quotient(self, above: Sequence[ArrayLike], below: Sequence[ArrayLike]) -> ArrayLike:
        total = above[0]
        for value in above[1:]:
            total = _multiply(total, value)
        if not below:
            return total
        under = below[0]
        for value in below[1:]:
            under = _multiply(under, value)
        return _divide(total, under)

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
            total = _subtract(total, self._times(number_of(times), self._log_of_sum(terms)))
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
                total = _multiply(total, part)
            return self._times(number_of(sympy_module().exp(scale)), total)
        return None


def _of_numbers(
    of_arrays: Callable[[ArrayLike, ArrayLike], Array], of_floats: Callable[[float, float], float]
) -> Callable[[ArrayLike, ArrayLike], ArrayLike]:
    """Arithmetic in which two Python numbers stay one, with all their digits."""

    def function(left: ArrayLike, right: ArrayLike) -> ArrayLike:
        if isinstance(left, float) and isinstance(right, float):
            return of_floats(left, right)
        return of_arrays(left, right)

    return function


_add = _of_numbers(gnp.add, operator.add)
_subtract = _of_numbers(gnp.subtract, operator.sub)
_multiply = _of_numbers(gnp.multiply, operator.mul)
_divide = _of_numbers(gnp.divide, operator.truediv)
