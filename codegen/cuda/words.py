"""Names and indices as C writes them."""

from __future__ import annotations

import re
from functools import cache

from graphc.codegen.cuda.prelude import FUNCTIONS
from graphc.codegen.loops.index import Atom, Combined, Index
from graphc.ir.types import DTYPES

KEYWORDS = (
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl "
    "const const_cast constexpr continue decltype default delete do double dynamic_cast else "
    "enum explicit export extern false float for friend goto if inline int long mutable "
    "namespace new noexcept not not_eq nullptr operator or or_eq private protected public "
    "register reinterpret_cast return short signed sizeof static static_assert static_cast "
    "struct switch template this thread_local throw true try typedef typeid typename union "
    "unsigned using virtual void volatile wchar_t while xor xor_eq main blockIdx threadIdx "
    "blockDim gridDim warpSize status code branch copy exchange dynamic slot block piece a b "
    "min max abs exp log sin cos tan pow floor ceil INFINITY NAN NULL stdin stdout stderr "
    "inputs outputs arena sizes "
)
TAKEN = frozenset([*KEYWORDS.split(), *FUNCTIONS, *(dtype.name for dtype in DTYPES)])


@cache
def safe(name: str) -> str:
    """A name that C takes: letters, digits and `_`, none of the words it knows.

    >>> safe("v0"), safe("double"), safe("dot_general.3")
    ('v0', 'double_', 'dot_general_3')
    """
    word = re.sub(r"\W", "_", name, flags=re.ASCII)
    word = word if word[:1].isalpha() else f"v{word}"
    return f"{word}_" if word in TAKEN or word.endswith("_") else word


def index_text(value: Index) -> str:
    """An index as C.

    >>> from graphc.codegen.loops.index import Var, index
    >>> i, c = index(Var("i", index(4))), index(Var("c", index(9)))
    >>> index_text(256 * c + i), index_text((c + 1) // 2)
    ('256 * c + i', '(c + 1) / 2')
    """
    text = ""
    for monomial, factor in value.terms:
        parts = [_atom(atom, len(monomial) > 1 or factor != 1) for atom in monomial]
        size = abs(factor)
        if size != 1 or not parts:
            parts.insert(0, f"{size}LL" if size >= 2**31 else str(size))
        product = " * ".join(parts)
        if text:
            text += f" - {product}" if factor < 0 else f" + {product}"
        else:
            text = f"-{product}" if factor < 0 else product
    return text or "0"


def _atom(atom: Atom, inside: bool) -> str:
    if not isinstance(atom, Combined):
        return safe(atom.name)
    left, right = index_text(atom.left), index_text(atom.right)
    if atom.sign == "min":
        return f"least({left}, {right})"
    left = left if left.isidentifier() or left.isdigit() else f"({left})"
    right = right if right.isidentifier() or right.isdigit() else f"({right})"
    text = f"{left} {'/' if atom.sign == '//' else '%'} {right}"
    return f"({text})" if inside else text
