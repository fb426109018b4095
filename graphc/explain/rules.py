"""Laws by which an explanation becomes shorter than the program: softmax and common factors.

Each is a function from an expression to an equal one, or to the same where it does not apply.
"""

from __future__ import annotations

from graphc.explain.arrays import Book, Operand, at, axes, is_call, total
from graphc.ir.dims import Expression, sympy_module


def simplified(e: Expression, book: Book) -> Expression:
    """An expression after all laws, from the inside out."""
    if not e.args:
        return e
    args = [simplified(part, book) for part in e.args]
    if is_call(e, "Total"):
        return total(args[0], *args[1:])
    e = e if list(e.args) == args else e.func(*args)
    if e.is_Mul:
        e = sigmoid(softmax(e, book))
    if is_call(e, "log"):
        e = log_sum_exp(e, book)
    return sympy_module().factor_terms(e) if e.is_Add else e


def _sum_of_exponentials(e: Expression) -> tuple[Expression, Expression] | None:
    """s and k of Total(exp(s - c), k) where c does not depend on k, which is left out; else None.

    What c is does not matter where the sum divides exponentials with the same c.
    """
    if not (is_call(e, "Total") and is_call(e.args[0], "exp")):
        return None
    index = e.args[1]
    return e.args[0].args[0].as_independent(index, as_Add=True)[1], index


def softmax(e: Expression, book: Book) -> Expression:
    """exp(s_j - c) / sum_k exp(s_k - c) -> softmax(s)_j"""
    for below in e.args:
        base, power = below.as_base_exp()
        found = _sum_of_exponentials(base) if power.is_Integer and power < 0 else None
        if found is None:
            continue
        for above in e.args:
            share = _share(above, base, found[0], found[1], book)
            if share is not None:
                rest = [factor for factor in e.args if factor not in (above, below)]
                return sympy_module().Mul(*rest, base ** (power + 1), share)
    return e


def _share(
    above: Expression, base: Expression, inner: Expression, index: Expression, book: Book
) -> Expression | None:
    """`above / base` where that has softmax(inner) as a factor, perhaps inside of a sum."""
    if is_call(above, "Total"):
        body, *of = above.args
        factors = sympy_module().Mul.make_args(body)
        for factor in factors:
            share = None if is_call(factor, "Total") else _share(factor, base, inner, index, book)
            if share is not None:
                rest = [other for other in factors if other is not factor]
                return total(sympy_module().Mul(*rest, share), *of)
    if is_call(above, "exp"):
        for own in sorted(above.free_symbols - base.free_symbols, key=str):
            if above.xreplace({own: index}) == base.args[0]:
                return _softmax_of(inner, index, own, book)
    return None


def sigmoid(e: Expression) -> Expression:
    """exp(x) / (1 + exp(x)) -> sigmoid(x)"""
    for below in e.args:
        base, power = below.as_base_exp()
        if power != -1 or not base.is_Add or len(base.args) != 2 or base.args[0] != 1:
            continue
        above = base.args[1]
        if is_call(above, "exp") and above in e.args:
            rest = [factor for factor in e.args if factor not in (above, below)]
            found = sympy_module().Function("sigmoid", real=True)(above.args[0])
            return sympy_module().Mul(*rest, found)
    return e


def _softmax_of(inner: Expression, index: Expression, own: Expression, book: Book) -> Expression:
    """softmax(s) along `index`, at `own`."""
    rows = sorted(_indices(inner) - {index}, key=str)
    places = dict(zip([*rows, index], axes(len(rows) + 1), strict=True))
    body = inner.xreplace(places)
    found = book.called("softmax", [Operand(body, len(rows) + 1)], len(rows) + 1)
    return at(found, [*rows, own])


def log_sum_exp(e: Expression, book: Book) -> Expression:
    """log(sum_k exp(s_k - c)) -> logsumexp(s) - c"""
    found = _sum_of_exponentials(e.args[0])
    if found is None:
        return e
    inner, index = found
    shift = e.args[0].args[0].args[0] - inner
    rows = sorted(_indices(inner) - {index}, key=str)
    body = inner.xreplace(dict(zip([*rows, index], axes(len(rows) + 1), strict=True)))
    sums = book.called("logsumexp", [Operand(body, len(rows) + 1)], len(rows))
    return at(sums, rows) + shift


def _indices(e: Expression) -> set[Expression]:
    """The free indices of an expression: those of its elements, not its sizes."""
    bound = {arg for call in e.atoms(sympy_module().Function) if is_call(call, "Total")
             for arg in call.args[1:2]}  # fmt: skip
    return {symbol for symbol in e.free_symbols if symbol.is_integer and symbol not in bound}
