"""The text form, with every operation of graphc known: what `.gir` files are read with."""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.text import parser
from graphc.ops import BY_NAME


def parse(text: str | bytes) -> Graph:
    """The graph that a text means; comments, and the places in them, are passed over.

    >>> graph = parse("graph @main(%x: f32[3]) { %0 = exp %x  return %0 }")
    >>> print(graph)
    graph @main(%x: f32[3]) -> (f32[3]) {
      %0 = exp %x : f32[3]
      return %0
    }

    Raises:
        ParseError: the text is no graph; the message names line and column.
    """
    return parser.parse(text, BY_NAME)
