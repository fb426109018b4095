"""`graphc build`: a function as an executable, a shared library or an object."""

from __future__ import annotations

from pathlib import Path

import click

from graphc.cli import options
from graphc.cli.model import traced
from graphc.codegen.link.build import KINDS, SUFFIXES, build
from graphc.codegen.link.interface import describe
from graphc.codegen.link.names import identifier


@click.command("build")
@click.argument("function", metavar="FILE.py:FUNCTION")
@click.option("-o", "--output", metavar="NAME", help="Default: what the function is called.")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="exe",
    show_default=True,
    help="Executable, shared library with a C header, or object with a C header.",
)
@click.option("--keep", metavar="FOLDER", help="Keep the C texts and objects that are linked.")
@options.threads("Threads where a caller asks for no number; all processors by default.")
@options.target
@options.debug
def command(
    function: str,
    output: str | None,
    kind: str,
    keep: str | None,
    threads: int | None,
    target: str | None,
) -> None:
    """Link a function into a file that needs no Python.

    FUNCTION is marked with @gc.entry(*example_arguments) in FILE.py. The code is for this
    machine's processor; --target x86-64-v3 runs on most.

    \b
    Example:
      graphc build model.py:predict -o predict
      ./predict --help
      graphc build model.py:predict -o predict.so --kind so --target x86-64-v3
    """
    with traced(function, options.settings(target, threads)) as model:
        compilation = model.lower().compilation
        path = Path(output or model.name)
        if path.suffix != SUFFIXES[kind]:
            path = path.with_name(path.name + SUFFIXES[kind])
        name = identifier(path.name.removesuffix(SUFFIXES[kind]) or "model")
        interface = describe(
            compilation.program, model.graph, model.out_tree.paths, model.name, name
        )
        written = build(
            compilation.program,
            interface,
            compilation.options.target,
            kind,
            path,
            threads or 0,
            None if keep is None else Path(keep),
        )
    for made in written:
        click.echo(f"wrote {made}, {made.stat().st_size:,} bytes")
