"""`graphc run`: call a graph's text with arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from graphc.cli import arrays, options
from graphc.ir.errors import ArgumentError, Error
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.text.engine import functions
from graphc.passes.observers import difference
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from graphc.text import parse


class MismatchError(Error, ValueError):
    """An output that is not the expected one."""


def selected(data: bytes, function: str | None) -> Graph:
    """The graph of a text that is called `function`, or its last.

    Raises:
        ParseError, ArgumentError: no graph, or none of that name.
    """
    whole = parse(data)  # every graph of the text has to be right
    if function is None:
        return whole
    text = data.decode("utf-8")
    names = [found.name for found in functions(text)]
    known = [name.text.removeprefix("@") for name in names]
    wanted = function.removeprefix("@")
    if wanted not in known:
        raise ArgumentError(f"got function {function!r}, expected one of {', '.join(known)}")
    position = known.index(wanted)
    if position + 1 == len(names):
        return whole
    after = names[position + 1]
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: after.line - 1]) + after.column - 1
    return parse(text[: text.rindex("graph", 0, start)])


def call(graph: Graph, given: Sequence[np.ndarray], settings: Settings | None) -> list[np.ndarray]:
    """The outputs of a graph: compiled, or by the interpreter where there are no settings.

    Raises:
        ArgumentError: too few or too many arrays.
    """
    if len(given) != len(graph.params):
        types = zip(graph.names, graph.input_types, strict=True)
        expected = ", ".join(f"{name}: {type_}" for name, type_ in types) or "none"
        raise ArgumentError(f"got {len(given)} inputs, expected {len(graph.params)} ({expected})")
    if settings is None:
        return [np.asarray(output) for output in interpret(graph, *given)]
    return compile_graph(graph, settings.resolve())(given)


def check(graph: Graph, got: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    """Compare outputs with what they should be; floats may differ by rounding.

    Raises:
        MismatchError: one differs; the first element that does is named.
    """
    if len(expected) != len(got):
        raise ArgumentError(f"got {len(expected)} expected outputs, expected {len(got)}")
    for k, (left, right) in enumerate(zip(expected, got, strict=True)):
        fault = difference(left, right, graph.outputs[k].tensor)
        if fault:
            raise MismatchError(f"output {k}: {fault}")


@click.command("run", short_help="Run a graph's text on arrays.")
@click.argument("file", metavar="FILE.gir")
@click.option("--input", "inputs", multiple=True, metavar="ARRAY", help="In the parameters' order.")
@click.option(
    "--expected-output",
    "expected",
    multiple=True,
    metavar="ARRAY",
    help="Compare each output; the command fails where one differs.",
)
@click.option("--function", metavar="NAME", help="Which graph of the text; the last by default.")
@click.option("--interpret", "interpreted", is_flag=True, help="Do not compile: interpret.")
@click.option(
    "--out", metavar="PATH", help="Write the outputs: a .npy file for one, a folder for several."
)
@options.threads("Threads of the call; all processors by default.")
@options.target
@options.debug
def command(
    file: str,
    inputs: tuple[str, ...],
    expected: tuple[str, ...],
    function: str | None,
    interpreted: bool,
    out: str | None,
    threads: int | None,
    target: str | None,
) -> None:
    """Run a graph on arrays, compiled for this CPU; `-` is standard input.

    An ARRAY is SHAPExTYPE=VALUES, where one value is repeated, or @FILE.npy.

    \b
    Example:
      graphc run loss.gir --input 2x3xf32=1,2,3,4,5,6 --input @w.npy
      graphc run loss.gir --input f32=0.5 --expected-output f32=0.25 --interpret
    """
    given = [arrays.read(text) for text in inputs]
    wanted = [arrays.read(text) for text in expected]
    graph = selected(options.read_bytes(file), function)
    settings = None if interpreted else options.settings(target, threads)
    got = call(graph, given, settings)
    for name, array in zip(arrays.output_names(len(got)), got, strict=True):
        click.echo(arrays.shown(name, array))
    if out is not None:
        arrays.save(Path(out), got)
    if wanted:
        check(graph, got, wanted)
