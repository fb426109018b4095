"""The grammar of the text form, on one page; docs/grammar.md explains it.

Nothing here nests but expressions and lists: regions are functions before the graph
that holds them. What a file means beyond its grammar is in `parser`.
"""

from __future__ import annotations

GRAMMAR = r"""
start: graph+

graph: "graph" GLOBAL "(" [params] ")" [results] "{" line* "return" [operands] "}"
params: param ("," param)* ","?
param: value_name ":" array
results: "->" "(" [types] ")"
line: TARGET NAME [operands] [elements] [attrs] [":" result]

operands: operand ("," operand)*
operand: value_name    -> reference
       | sum ":" array -> literal
value_name: NUMBERED | NAMED | QUOTED
elements: sequence | BYTES | ABBREVIATED

attrs: "{" [attr ("," attr)*] "}"
attr: NAME "=" value
value: sum | array | sequence | STRING | GLOBAL | BYTES
sequence: OPENING [value ("," value)*] "]"

result: array           -> one_result
      | "(" [types] ")" -> many_results
types: array ("," array)*
array: NAME OPENING [sum ("," sum)*] "]"

?sum: product
    | sum "+" product   -> add
    | sum "-" product   -> subtract
?product: unary
    | product "*" unary -> multiply
    | product "/" unary -> divide
?unary: raised
    | "-" unary         -> negate
?raised: atomic
    | atomic "**" INT     -> power
?atomic: "(" sum ")"
    | "(" sum "," sum ")"            -> pair
    | (INT | FLOAT | BITS | NAME)    -> atom
    | NAME "(" sum ("," sum)* ")"    -> call

TARGET.2: /%[0-9]+[ \t]*=/
NUMBERED.1: /%[0-9]+(\.[0-9]+)?/
NAMED: /%[^\W\d]\w*(\.\w+|\[\w+\])*(#[0-9]+)?/
QUOTED: /%"[^"\\\n]*(\\.[^"\\\n]*)*"(#[0-9]+)?/
OPENING: "["
GLOBAL: /@[A-Za-z0-9_.]+/
STRING: /"[^"\\\n]*(\\.[^"\\\n]*)*"/
BYTES.2: /base64"[A-Za-z0-9+\/=]*"/
ABBREVIATED: /<[^>\n]*>/
BITS.3: /0x[0-9a-f]+/
FLOAT.2: /[0-9]+(\.[0-9]*([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)/
INT.1: /[0-9]+/
NAME: /[^\W\d]\w*/
COMMENT: /\/\/[^\n]*/
BLANK: /[ \t\r\n\f]+/
%ignore COMMENT
%ignore BLANK
"""

# What a message calls a kind of token; the others are called what they are.
SPOKEN = {
    "TARGET": "%N =",
    "NUMBERED": "%N",
    "NAMED": "%name",
    "QUOTED": '%"name"',
    "GLOBAL": "@name",
    "STRING": "a string",
    "BYTES": 'base64"..."',
    "ABBREVIATED": "elements",
    "BITS": "a number",
    "FLOAT": "a number",
    "INT": "a number",
    "NAME": "a name",
    "$END": "the end of the text",
}
