"""Any bytes give a graph or a ParseError, soon, in at most five lines."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.ir.errors import Error, ParseError
from graphc.ir.text.printer import print_graph
from graphc.text import parse
from tests.text import graphs

IN_X = "graph @main(%x: f32[2]) {{ {} }}"
FAULTS = {
    "": "1:1: got the end, expected 'graph'",
    "$": "1:1: got '$', expected 'graph'",
    "graph @a() {": "1:12: got the end, expected %N = or 'return'",
    "graph @a() {\n  return %y\n}": "2:10: got %y, expected a value that stands above",
    "graph @a() {return} graph @a() {return}": "1:27: got @a twice, expected it once",
    "graph @a(%x: f32[], %x: f32[]) {return}": "1:21: got %x twice, expected each name once",
    "graph @a(%0: f32[]) {return}": "1:10: got %0, expected a parameter's name, as %x",
    r'graph @a(%"\q": f32[]) {return}': "1:10: not a string",
    "graph @a(%x: f33[]) {return}": "1:14: got element type f33, expected one of bool i8",
    "graph @a(%x: f32[-1]) {return}": "1:14: negative size",
    "graph @a(%x: f32[1.5]) {return}": "1:18: not a size: got 1.5, expected whole numbers",
    "graph @a(%x: f32[3/2]) {return}": "1:18: not a size: got 3/2, expected a whole number",
    "graph @a(%x: f32[n/2]) {return}": "1:18: not a size: got n/2, expected a whole number",
    "graph @a(%x: f32[n/0]) {return}": "1:18: not a size: got a division by 0",
    "graph @a(%x: f32[abs(n)]) {return}": "1:18: got abs of 1, expected floor(x)",
    "graph @a(%x: f32[9**99]) {return}": "not a size: got more than 63 bits",
    "graph @a(%x: f32[2**63]) {return}": "not a size: got more than 63 bits",
    "graph @a(%x: f32[99999999999999999999]) {return}": "not a size: got more than 63 bits",
    "graph @a(%x: f32[2**61]) {return}": "too many elements",
    IN_X.format("return %x.0"): "1:34: got %x.0, expected a value that stands above",
    IN_X.format("%0 = nope %x return"): "1:32: got operation nope, expected an operation of",
    IN_X.format("%0 = parameter return"): "1:32: got operation parameter, expected parameters",
    IN_X.format("%0 = add %x return"): "1:32: add: got 1 operands, expected 2",
    IN_X.format("%0 = gather %x {axes=[]} return"): "1:32: gather: got operands (f32[2])",
    IN_X.format("%0 = neg [1] return"): "1:36: neg: got elements, expected operands",
    IN_X.format("%0 = neg %x {a=1} return"): "1:40: neg: got attribute a, expected no attributes",
    IN_X.format("%0 = reduce_sum %x return"): "1:32: reduce_sum: attribute axes is missing",
    IN_X.format("%0 = reduce_sum %x {axes=[0], axes=[0]} return"): "got attribute axes twice",
    IN_X.format("%0 = reduce_sum %x {axes=0} return"): "1:52: got a number or name",
    IN_X.format("%0 = reduce_sum %x {axes=[x]} return"): "expected a whole number",
    IN_X.format("%0 = reduce_sum %x {axes=[@x]} return"): "expected a graph that stands above",
    IN_X.format("%0 = reduce_sum %x {axes=[5]} return"): "1:32: reduce_sum: got axes (5,)",
    IN_X.format("%0 = convert %x {dtype=f33} return"): "1:50: got element type f33",
    IN_X.format("%0 = iota {type=3, axis=0} return"): "expected a type",
    IN_X.format("%0 = scan %x {body=@main, length=2} return"): "expected a graph that stands above",
    IN_X.format("return 1.5:i32[]"): "1:34: got 1.5, expected a whole number for i32",
    IN_X.format("return 300:u8[]"): "1:34: got 300, expected a number from 0 to 255",
    IN_X.format("return 1e99:f32[]"): "1:34: got 1e99, expected a number that f32 holds",
    IN_X.format("return 0x1ff:u8[]"): "1:34: got 0x1ff, expected bits that u8 has",
    IN_X.format("return 0x2:bool[]"): "1:34: got 0x2, expected bits that bool has",
    IN_X.format("return maybe:bool[]"): "1:34: got maybe, expected true or false",
    IN_X.format("return infinity:f32[]"): "1:34: got infinity, expected a number",
    IN_X.format("return 1+2:f32[]"): "1:34: got an expression, expected one number",
    IN_X.format("%0 = constant return"): "1:32: constant: got no elements",
    IN_X.format("%0 = constant 1:f32[2] return"): "1:32: constant: got one element",
    IN_X.format("%0 = constant [1] return"): "1:32: constant: got no single type",
    IN_X.format("%0 = constant [1] : f32[2] return"): "1:41: constant: got 1 elements",
    IN_X.format("%0 = constant [[1]] : f32[1] return"): "1:42: got no number, expected a number",
    IN_X.format("%0 = constant [] : f32[n] return"): "constant: got f32[n], expected sizes that",
    IN_X.format('%0 = constant base64"A" : u8[1] return'): "1:41: got bytes that are not base64",
    IN_X.format('%0 = constant base64"Ag==" : bool[1] return'): "expected bools of 0 or 1",
    IN_X.format("%0 = constant <...> : f32[9] return"): "1:41: got an abbreviated constant",
    "graph @f(%y: f32[2]) { return %y, %y } " + IN_X.format(
        "%0 = composite %x {name=f, body=@f} return %0"): "%0, expected one of its 2 results",
}  # fmt: skip


def message_of(text: str | bytes) -> str:
    with pytest.raises(ParseError) as caught:
        parse(text)
    message = str(caught.value)
    assert len(message.splitlines()) <= 5
    assert len(message) < 800
    return message


@pytest.mark.parametrize("text", FAULTS, ids=range(len(FAULTS)))
def test_fault_is_named_and_placed(text: str) -> None:
    message = message_of(text)
    assert FAULTS[text] in message
    assert "expected" in message or "not a" in message or "too many" in message


def test_message_marks_the_place() -> None:
    message = message_of("graph @main(%x: f32[2]) {\n  %0 = neg %x : f32[2]\n}")
    assert message.splitlines() == ["3:1: got '}', expected %N = or 'return'", "  }", "  ^"]
    message = message_of("graph @main(%x: f32[2]) {\n  %0 = add %x, %z\n  return %0\n}")
    assert message.splitlines()[1:] == ["    %0 = add %x, %z", " " * 17 + "^"]


def test_bytes_that_are_no_text() -> None:
    assert message_of(b"graph @a() {\n// \xc3\xa9 \xff") == (
        "2:6: got byte 0xff, expected UTF-8 text"
    )


HOSTILE = {
    "open parentheses": "graph @a(%x: f32[" + "(" * 100_000,
    "parentheses": "graph @a(%x: f32[" + "(" * 50_000 + "1" + ")" * 50_000,
    "minus signs": "graph @a(%x: f32[" + "-" * 100_000 + "1]) {return}",
    "brackets": "graph @a() {%0 = reduce_sum {axes=" + "[" * 50_000 + "]" * 50_000 + "} return}",
    "sum": "graph @a(%x: f32[" + "+".join(f"a{i}" for i in range(30_000)) + "]) {return}",
    "product": "graph @a(%x: f32[" + "*".join(f"(a{i}+b)" for i in range(12)) + "]) {return}",
    "powers": "graph @a(%x: f32[" + "(" * 20 + "a+b" + ")**9" * 20 + "]) {return}",
    "digits": "graph @a() {return " + "9" * 300_000 + ":f32[]}",
    "axes": "graph @a(%x: f32[" + "1," * 30_000 + "1]) {return}",
    "symbolic axes": "graph @a(%x: f32[2]) {%0 = reshape %x {shape=["
    + ",".join(f"a{i}+1" for i in range(60))
    + "]} return}",
    "doubling ranks": "graph @a(%x: f32[1]) {"
    + "".join(
        f"%{i} = dot_general {of},{of} {{lhs_contract=[], rhs_contract=[]}}"
        for i, of in enumerate(["%x", *(f"%{i}" for i in range(50))])
    )
    + "return}",
    "symbolic operands": "graph @a("
    + ",".join(f"%x{i}: f32[a{i}]" for i in range(1000))
    + ") {%0 = concatenate "
    + ",".join(f"%x{i}" for i in range(1000))
    + " {axis=0} return}",
    "quotes": "graph @a(%" + '"\\' * 100_000,
    "blanks": "graph @a() { %1" + " " * 300_000 + "%1",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_fails_soon(name: str) -> None:
    started = time.perf_counter()
    message_of(HOSTILE[name])
    assert time.perf_counter() - started < 10


def test_time_is_linear() -> None:
    def seconds(count: int) -> float:
        lines = "".join(f"%{i} = add %{i - 1}, %x : f32[4]\n" for i in range(1, count))
        text = f"graph @a(%x: f32[4]) {{ %0 = exp %x\n{lines} return %{count - 1} }}"
        started = time.perf_counter()
        parse(text)
        return time.perf_counter() - started

    seconds(10)
    assert seconds(8000) < 20 * seconds(2000) + 0.5


def test_regions_are_never_multiplied_out() -> None:
    functions = ["graph @b0(%x: f32[]) { return %x }"] + [
        f"graph @b{i}(%x: f32[]) {{ %0 = composite %x {{name=a, body=@b{i - 1}}}"
        f" %1 = composite %0 {{name=b, body=@b{i - 1}}} return %1 }}"
        for i in range(1, 300)
    ]
    graph = parse("".join(functions))
    assert parse(str(graph)) == graph


# fuzz

BASE = print_graph(graphs.nested(), full_constants=True) + "\n\n"
BASE += print_graph(graphs.symbolic()).replace("@main", "@other")
PIECES = [
    *"(){}[],:=9*-+/%@\0é\n",
    *("->", "**", "//", "2**63", "0x1f", "1e9", "nan", "lambda", "true"),
    *("%0", "%1.0", "%x", '%"', "graph", "@main", "return", "add", "composite", "dot_general"),
    *("f32[batch]", "f32[2]", "floor(", "Mod(", "{axes=[0]}", "1:u8[]", 'base64"AA"', '"s"', "<a>"),
]


def graph_or_error(text: str | bytes) -> None:
    try:
        graph = parse(text)
    except Error as error:
        assert isinstance(error, ParseError)
        assert len(str(error).splitlines()) <= 5
    else:
        assert parse(print_graph(graph, full_constants=True)) == graph


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    graph_or_error(data)


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_random_pieces(pieces: list[str]) -> None:
    graph_or_error("graph @a(%x: f32[2]) {" + " ".join(pieces))


Edit = tuple[float, int, str]
EDITS = st.lists(
    st.tuples(
        st.floats(0, 0.999), st.integers(0, 8), st.sampled_from(PIECES) | st.text(max_size=3)
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150)
@given(EDITS)
def test_mutated_text(edits: list[Edit]) -> None:
    text = BASE
    for place, removed, added in edits:
        at = int(place * len(text))
        text = text[:at] + added + text[at + removed :]
    graph_or_error(text)


@given(st.floats(0, 0.999), st.binary(max_size=2))
def test_mutated_bytes(place: float, added: bytes) -> None:
    data = BASE.encode()
    at = int(place * len(data))
    graph_or_error(data[:at] + added + data[at + 1 :])
