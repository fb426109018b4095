"""The LALR parser behind the grammar: text to flat syntax, or the place where it goes wrong.

The one owner of lark, which is imported when the first text is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, cast

from graphc.ir.text.grammar import GRAMMAR, SPOKEN
from graphc.ir.text.syntax import Function, MalformedError, Reader, Word

if TYPE_CHECKING:
    import lark

MOST_EXPECTED = 6  # kinds of token that a message lists


@cache
def _engine() -> lark.Lark:
    import lark  # only who parses pays for it

    reader = cast("lark.Transformer[lark.Token, list[Function]]", Reader())
    return lark.Lark(GRAMMAR, parser="lalr", transformer=reader, maybe_placeholders=True)


def functions(source: str) -> list[Function]:
    """The graphs of a text, read but not yet understood.

    Raises:
        MalformedError: the text does not follow the grammar.
    """
    engine = _engine()
    import lark

    try:
        return cast(list[Function], engine.parse(source))
    except lark.UnexpectedCharacters as error:
        wanted = _spoken(engine, error.allowed or ())
        got = ascii(error.char)
        raise MalformedError(
            _at(error.line, error.column), f"got {got}, expected {wanted}"
        ) from None
    except lark.UnexpectedToken as error:
        got = "the end" if error.token.type == "$END" else ascii(str(error.token)[:40])
        wanted = _spoken(engine, error.expected)
        raise MalformedError(
            _at(error.line, error.column), f"got {got}, expected {wanted}"
        ) from None


def _at(line: int, column: int) -> Word:
    return Word("", "", max(line, 1), max(column, 1))


def _spoken(engine: lark.Lark, kinds: Iterable[str]) -> str:
    """The kinds of token that could have stood there, for a reader."""
    patterns = {terminal.name: terminal.pattern.value for terminal in engine.terminals}
    found = {SPOKEN.get(kind) or repr(patterns.get(kind, kind)) for kind in kinds}
    shown = sorted(found - {"'//'"})
    more = [] if len(shown) <= MOST_EXPECTED else ["..."]
    return " or ".join(shown[:MOST_EXPECTED] + more)
