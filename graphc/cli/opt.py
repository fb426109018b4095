"""`graphc opt`: run passes on a graph's text."""

from __future__ import annotations

import click

from graphc.cli import options
from graphc.ir.errors import ArgumentError
from graphc.ir.graph import Graph
from graphc.ir.text.printer import print_graph
from graphc.ir.verify import verify
from graphc.passes import PASSES
from graphc.passes.manager import OPTIONS, parse_pipeline, run
from graphc.passes.observers import standard_observers
from graphc.text import parse


def _listed() -> str:
    """The passes with their options, for the help."""
    shown = []
    for name in PASSES:
        known = ",".join(f"{key}=..." for key in OPTIONS.get(name, {}))
        shown.append(f"{name}{{{known}}}" if known else name)
    return "\n".join(f"  {line}" for line in shown)


EPILOG = f"\b\nPasses:\n{_listed()}"


def _print(index: int, name: str, before: Graph, after: Graph, seconds: float) -> None:
    """An observer: what a pass made, on standard error, so that the result can be piped on."""
    click.echo(f"// after pass {index}, {name}\n{after}\n", err=True)


@click.command("opt", epilog=EPILOG, short_help="Run passes on a graph's text.")
@click.argument("file", metavar="FILE.gir")
@click.option("--passes", metavar="LIST", default="", help="Passes in order, joined by commas.")
@click.option("--verify-each", is_flag=True, help="Verify and execute before and after each pass.")
@click.option("--print-after-all", is_flag=True, help="Show the graph after each pass.")
@options.output("Write to a file instead of standard output.")
@options.debug
def command(file: str, passes: str, verify_each: bool, print_after_all: bool, output: str) -> None:
    """Run passes on the text of a graph; `-` is standard input.

    \b
    Example:
      graphc opt loss.gir --passes='simplify,differentiate{wrt=0},fuse' -o out.gir
      graphc dump model.py:loss --full | graphc opt - --passes=simplify --print-after-all
    """
    try:
        pipeline = parse_pipeline(passes)
    except ArgumentError as error:
        raise options.usage(error) from None
    graph = parse(options.read_bytes(file))
    observers = list(standard_observers(verify_each=verify_each))
    if verify_each:
        verify(graph)
    if print_after_all:
        observers.insert(0, _print)
    graph = run(graph, pipeline, observers)
    options.write_text(output, print_graph(graph, full_constants=True))
