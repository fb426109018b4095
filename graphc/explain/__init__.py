"""A function and its gradient as mathematics, from their graphs, with the user's names.

`elements.py` says what one element of each value is; `rules.py` makes that shorter; this module
decides which values keep a name; `notation.py` writes them. sympy is imported when something is
explained.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphc.explain import names
from graphc.explain.arrays import Array, Book, Operand, at, axes, element, is_call, names_in
from graphc.explain.elements import Elements
from graphc.explain.notation import EntangledError, Writer
from graphc.explain.rules import simplified
from graphc.ir.dims import Expression, names_of, sympy_module
from graphc.ir.graph import Graph, rebuild, transform
from graphc.ir.node import Node
from graphc.ops import control
from graphc.ops import elementwise as e
from graphc.ops.reverse import differentiable_outputs, joint_graph
from graphc.passes.drop_stop_gradient import drop_stop_gradient
from graphc.passes.simplify import simplify

ALWAYS_NAMED = ("softmax", "onehot")
SMALL_NAMES, SMALL_STEPS = 2, 4  # what is not worth a name
ROUNDS = 50


@dataclass(frozen=True)
class Equation:
    """What a name is: elements at `axes` of its rank."""

    name: str
    operand: Operand
    of: str = ""  # a derivative: of what, by `name`


def explain(graph: Graph, name: str = "f", *, gradient: bool = True, latex: bool = False) -> str:
    """The function of a graph, and its gradient by every float parameter, as equations.

    The gradient is that of the sum of all results. In matrix notation `A B` is a matrix product,
    `A * B`, powers and functions work element by element. LaTeX is an `aligned` environment.

    >>> import numpy as np
    >>> import graphc as gc
    >>> import graphc.numpy as gnp
    >>> graph = gc.make_graph(lambda x: x * gnp.tanh(x))(np.ones(3, np.float32))
    >>> print(explain(graph))
    f = x * tanh(x)
    d f / d x = x * (1 - tanh(x)^2) + tanh(x)
    where
      x : f32[3]

    Raises:
        UnsupportedError: an operation on the way has no derivative.
    """
    book, known = Book(), {}
    sizes = {name for type_ in graph.input_types for name in names_of(type_.shape)}
    shown = {f"size {size}": size for size in sorted(sizes)}
    ranks = [param.tensor.rank for param in graph.params]
    short = names.of_parameters(graph.names, ranks, sizes)
    for number, (param, rank) in enumerate(zip(graph.params, ranks, strict=True)):
        own = f"p{number}"
        book.arrays[own], shown[own] = Array(own, rank), short[number]
        known[param] = element(own, axes(rank))
    elements = Elements(book, known)
    equations = _values(graph, name, elements)
    if gradient:
        equations += _slopes(graph, name, elements, shown)
    equations = _settled(equations, book)
    _name_operands(book)
    return _written(graph, equations, book, shown, latex)


def _values(graph: Graph, name: str, elements: Elements) -> list[Equation]:
    found = _read(graph, elements)
    several = len(found) > 1
    return [
        Equation(f"{name}.{i}" if several else name, Operand(body, output.tensor.rank))
        for i, (body, output) in enumerate(zip(found, graph.outputs, strict=True))
    ]


def _slopes(graph: Graph, name: str, elements: Elements, shown: dict[str, str]) -> list[Equation]:
    """The gradient of the sum of all results, by each float parameter."""
    wrt = differentiable_outputs(Graph(graph.params, graph.params))
    seeds = differentiable_outputs(graph)
    if not wrt or not seeds:
        return []
    both = joint_graph(transform(graph, plainer), wrt)
    slopes = replace(both, outputs=both.outputs[len(graph.outputs) :])
    slopes = simplify(drop_stop_gradient(slopes))
    for seed in slopes.params[len(graph.params) :]:
        elements.known[seed] = sympy_module().Integer(1)
    return [
        Equation(shown[f"p{i}"], Operand(body, graph.params[i].tensor.rank), of=name)
        for i, body in zip(wrt, _read(slopes, elements), strict=True)
    ]


def plainer(node: Node, operands: tuple[Node, ...]) -> Node:
    """softplus as log(1 + exp(x)): its safe form has a derivative that is hard to read."""
    if node.op is control.composite and getattr(node.attrs, "name", "") == "softplus":
        return e.log1p(e.exp(operands[0]))
    return rebuild(node, operands)


def _read(graph: Graph, elements: Elements) -> list[Expression]:
    variables = names.of_variables(graph)
    kept = frozenset(variables) - set(graph.outputs)
    found = elements.read(graph, kept)
    for node in kept:
        own = type(elements.known.get(node)).__name__
        if own in elements.book.arrays:
            elements.book.hints.setdefault(own, variables[node])
    return found


# which values keep a name


def _settled(equations: list[Equation], book: Book) -> list[Equation]:
    """Equations and arrays simplified, with all arrays inlined that are not worth a name."""
    for _ in range(ROUNDS):
        before = (list(equations), dict(book.arrays))
        for own, array in list(book.arrays.items()):
            operands = tuple(
                Operand(simplified(operand.body, book), operand.rank) for operand in array.operands
            )
            body = None if array.body is None else simplified(array.body, book)
            book.arrays[own] = replace(array, body=body, operands=operands)
        equations = [_with(one, simplified(one.operand.body, book)) for one in equations]
        small = _not_worth_a_name(equations, book)
        if small is not None:
            equations = [_with(one, _inlined(one.operand.body, small)) for one in equations]
            del book.arrays[small.name]
            for own, array in list(book.arrays.items()):
                operands = tuple(Operand(_inlined(o.body, small), o.rank) for o in array.operands)
                body = None if array.body is None else _inlined(array.body, small)
                book.arrays[own] = replace(array, body=body, operands=operands)
        elif (equations, book.arrays) == before:
            break
    return equations


def _with(equation: Equation, body: Expression) -> Equation:
    return replace(equation, operand=replace(equation.operand, body=body))


def _inlined(whole: Expression, array: Array) -> Expression:
    return whole.replace(
        lambda part: is_call(part, array.name), lambda part: at(array.body, part.args)
    )


def _uses(equations: list[Equation], book: Book) -> dict[str, int]:
    """How often each array stands in what is reached from the equations."""
    found: dict[str, int] = {}
    parts = [equation.operand.body for equation in equations]
    while parts:
        for name in names_in(parts.pop(), book.arrays):
            if name not in found:
                parts.extend(book.arrays[name].parts)
            found[name] = found.get(name, 0) + 1
    return found


def _not_worth_a_name(equations: list[Equation], book: Book) -> Array | None:
    """An array that is read once, or as short as a name."""
    for name, count in _uses(equations, book).items():
        array = book.arrays[name]
        if array.body is None:
            continue
        inner = names_in(array.body, book.arrays)
        short = len(inner) <= SMALL_NAMES and array.body.count_ops() <= SMALL_STEPS
        plain = short and not any(is_call(f, "Total") for f in array.body.atoms())
        copied = len(inner) == 1 and is_call(array.body, inner[0])
        if copied or (name not in book.hints and (count == 1 or plain)):
            return array
    return None


def _name_operands(book: Book) -> None:
    """Names for operands of calls that cannot be written without indices."""
    probe = Writer(book, {name: name for name in book.arrays})
    known: dict[Operand, Operand] = {}
    for name, array in list(book.arrays.items()):
        operands = []
        for operand in array.operands:
            try:
                probe.whole(operand)
            except EntangledError:
                if operand not in known:
                    body = book.define(operand.rank, operand.body)
                    known[operand] = Operand(body, operand.rank)
                operand = known[operand]
            operands.append(operand)
        book.arrays[name] = replace(array, operands=tuple(operands))


# writing


def _written(
    graph: Graph, equations: list[Equation], book: Book, shown: dict[str, str], latex: bool
) -> str:
    uses = _uses(equations, book)
    inline: set[str] = set()
    for name in _in_order(equations, book):
        array = book.arrays[name]
        if name in shown:
            continue
        once = array.operands and uses[name] == 1
        if once and array.call not in ALWAYS_NAMED:
            inline.add(name)
        else:
            hint = book.hints.get(name, "")
            shown[name] = names.of_array(hint, array.call, array.rank, shown.values())
    writer = Writer(book, shown, frozenset(inline), latex)
    lines = [_equation(writer, equation) for equation in equations]
    below = [
        line
        for name in _in_order(equations, book)
        if name not in inline
        for line in _meaning(writer, name)
    ]
    types = []
    for number, (path, param) in enumerate(zip(graph.names, graph.params, strict=True)):
        own = shown[f"p{number}"]
        types.append(f"{own} : {param.type}" if own == path else f"{own} = {path} : {param.type}")
    if latex:
        body = " \\\\\n".join(f"  {left} &= {right}" for left, right in [*lines, *below])
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
    text = [f"{left} = {right}" for left, right in lines]
    return "\n".join([*text, "where", *(f"  {left} = {right}" for left, right in below),
                      *(f"  {one}" for one in types)])  # fmt: skip


def _in_order(equations: list[Equation], book: Book) -> list[str]:
    """The arrays that are reached, each before what it is made of."""
    found: dict[str, None] = {}
    parts = [equation.operand.body for equation in equations]
    while parts:
        for name in names_in(parts.pop(0), book.arrays):
            if name not in found:
                found[name] = None
                parts.extend(book.arrays[name].parts)
    return list(found)


def _equation(writer: Writer, equation: Equation) -> tuple[str, str]:
    left, right = writer.definition(equation.name, equation.operand)
    if not equation.of:
        return left, right
    of = writer.name(equation.of)
    if writer.latex:
        return rf"\frac{{\partial {of}}}{{\partial {left}}}", right
    return f"d {of} / d {left}", right


def _meaning(writer: Writer, name: str) -> list[tuple[str, str]]:
    """What an array is, where it is not given."""
    array, shown = writer.book.arrays[name], writer.shown[name]
    if array.body is not None:
        return [writer.definition(shown, Operand(array.body, array.rank))]
    if array.call == "onehot":
        return [writer.one_hot(name, array.operands[0])]
    if not array.call:
        return []
    meaning = writer.called(name).text if array.operands else writer.plain(array.call)
    return [(writer.name(shown), meaning)]


__all__ = ["explain"]
