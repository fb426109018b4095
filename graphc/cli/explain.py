"""`graphc explain`: a function and its gradient as mathematics."""

from __future__ import annotations

import click

from graphc.cli import options
from graphc.cli.model import traced
from graphc.explain import explain


@click.command("explain", short_help="Show a function and its gradient as mathematics.")
@click.argument("function", metavar="FILE.py:FUNCTION")
@click.option(
    "--grad/--no-grad", default=True, show_default=True, help="Show the gradient, too, or not."
)
@click.option("--latex", is_flag=True, help="Write LaTeX.")
@options.output("Write to a file instead of standard output.")
@options.debug
def command(function: str, grad: bool, latex: bool, output: str) -> None:
    """Show a function and its gradient as mathematics.

    FUNCTION is marked with @gc.entry(*example_arguments) in FILE.py. `A B` is the product of
    matrices, `A * B` that of their elements. The gradient is that of the sum of all results.

    \b
    Example:
      graphc explain model.py:loss
      graphc explain model.py:loss --latex -o loss.tex
    """
    with traced(function, options.settings(None, None)) as model:
        name = function.rpartition(":")[2]
        text = explain(model.graph, name, gradient=grad, latex=latex)
    options.write_text(output, text + "\n")
