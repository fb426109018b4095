"""`graphc dump`: one stage of a compilation as text."""

from __future__ import annotations

import click

from graphc.api.staged import STAGES
from graphc.cli import options
from graphc.cli.model import traced
from graphc.codegen.llvm.engine import emit_assembly
from graphc.ir.text.printer import print_graph


@click.command("dump")
@click.argument("function", metavar="FILE.py:FUNCTION")
@click.option(
    "--stage",
    type=click.Choice((*STAGES, "asm")),
    default="graph",
    show_default=True,
    help="Which text to show, in the order of compilation.",
)
@click.option("--full", is_flag=True, help="Write large constants of a graph, so that it parses.")
@options.output("Write to a file instead of standard output.")
@options.target
@options.debug
def command(function: str, stage: str, full: bool, output: str, target: str | None) -> None:
    """Show one stage of a function's compilation.

    FUNCTION is marked with @gc.entry(*example_arguments) in FILE.py.

    \b
    Example:
      graphc dump model.py:loss --stage loops
      graphc dump model.py:loss --stage asm --target x86-64-v3 -o loss.s
    """
    with traced(function, options.settings(target, None)) as model:
        lowered = model.lower()
        compilation = lowered.compilation
        if stage == "asm":
            text = emit_assembly(compilation.llvm, compilation.options.target)
        elif full and stage in ("graph", "optimized", "kernels"):
            text = print_graph(getattr(compilation, stage), full_constants=True)
        else:
            text = lowered.as_text(stage)
    options.write_text(output, text)
