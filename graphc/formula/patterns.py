"""What sympy's trees are recognised as: sums of exponentials, of squares, and their kin."""

from __future__ import annotations

from graphc.ir.dims import Expression, sympy_module
from graphc.ir.errors import UnsupportedError


def by_name(expression: Expression) -> Expression:
    """The expression with exp(a) + exp(-a) and its kin as what they are, quotients as tanh."""
    sympy = sympy_module()

    def is_pair(e: Expression) -> bool:
        return e.is_Add and len(e.args) == 2 and _opposite(e) is not None

    def named(e: Expression) -> Expression:
        scale, inner, sign = _opposite(e)
        return 2 * scale * (sympy.cosh(inner) if sign > 0 else sympy.sinh(inner))

    found = expression.replace(is_pair, named)
    return found.replace(lambda e: e.is_Mul and e.has(sympy.sinh), _with_tanh)


def _opposite(e: Expression) -> Expression:
    """k, a and s of k*exp(a) + s*k*exp(-a), None for anything else."""
    (one, first), (two, second) = (term.as_coeff_Mul() for term in e.args)
    if not (is_call(first, "exp") and is_call(second, "exp") and abs(one) == abs(two)):
        return None
    inner = first.args[0]
    if second.args[0] != -inner:
        return None
    return one, inner, 1 if one == two else -1


def may_overflow(e: Expression) -> bool:
    """Whether a product has a sum with exponentials as a factor, beside which others vanish."""
    sympy = sympy_module()
    return any(
        factor.is_Add and factor.has(sympy.exp, sympy.sinh, sympy.cosh)
        for factor in sympy.Mul.make_args(e)
    )


def is_call(e: Expression, name: str) -> bool:
    """Whether an expression is a call of a function, by its name in sympy."""
    return type(e).__name__ == name


def number_of(e: Expression) -> float:
    """The value of a constant expression.

    Raises:
        UnsupportedError: it is not a real number.
    """
    if not e.is_extended_real:
        raise UnsupportedError(f"elementwise: got the constant {e}, expected a real number")
    return float(e)


def whole(e: Expression) -> float | int:
    """A constant as an int where it is one."""
    return int(e) if e.is_Integer else number_of(e)


def base_of(e: Expression) -> Expression:
    """What a power is of; of anything else, itself."""
    return e.args[0] if e.is_Pow else e


def exponents_of(e: Expression) -> list[Expression]:
    """e1, e2, ... where an expression is exp(e1) + exp(e2) + ..., else nothing."""
    log = sympy_module().log
    found: list[Expression] = []
    number = sympy_module().Integer(0)
    for term in e.args if e.is_Add else (e,):
        factor, rest = term.as_independent(*e.free_symbols, as_Add=False)
        if not factor.is_positive:
            return []
        if is_call(rest, "exp"):
            found.append(rest.args[0] + log(factor))
        elif is_call(rest, "cosh"):
            found += [sign * rest.args[0] + log(factor / 2) for sign in (1, -1)]
        elif rest == 1:
            number += factor
        else:
            return []
    return [*found, log(number)] if found and number != 0 else found


def squares_of(e: Expression) -> list[Expression]:
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


def _with_tanh(e: Expression) -> Expression:
    """A product in which sinh(a)^n over a power of cosh(a) is tanh(a)^n, n a whole number."""
    sympy = sympy_module()
    powers = e.as_powers_dict()
    for base, power in list(powers.items()):
        if is_call(base, "sinh") and power.is_Integer and power > 0:
            below = -powers.get(sympy.cosh(base.args[0]), sympy.Integer(0))
            both = sympy.Min(power, below) if below.is_Integer and below > 0 else 0
            e = e * (sympy.cosh(base.args[0]) / base * sympy.tanh(base.args[0])) ** both
    return e
