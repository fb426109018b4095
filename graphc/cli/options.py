"""Options that several commands have, and the texts and arrays that they name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click

from graphc.codegen.target import MAXIMUM_THREADS, parse_target
from graphc.ir.errors import ArgumentError, CompileError
from graphc.runtime.options import Settings

Function: TypeAlias = Callable[..., object]


def _checked_target(
    context: click.Context, parameter: click.Parameter, given: str | None
) -> str | None:
    if given is not None:
        try:
            parse_target(given)
        except CompileError as error:
            raise click.BadParameter(str(error).removeprefix("target: "), context) from None
    return given


def debug(function: Function) -> Function:
    """`--debug`: the whole program looks for it."""
    add = click.option(
        "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
    )
    return add(function)


def target(function: Function) -> Function:
    """`--target`, checked."""
    add = click.option(
        "--target",
        metavar="T",
        callback=_checked_target,
        help="CPU to compile for: native, x86-64-v3, aarch64, cpu=NAME[,features=+a,-b].",
    )
    return add(function)


def threads(text: str) -> Callable[[Function], Function]:
    """`--threads`, checked; `text` is its help."""
    return click.option(
        "--threads", type=click.IntRange(1, MAXIMUM_THREADS), metavar="N", help=text
    )


def output(text: str) -> Callable[[Function], Function]:
    """`-o` for a text; `-` and nothing are standard output."""
    return click.option("-o", "--output", metavar="FILE", default="-", help=text)


def write_text(path: str, text: str) -> None:
    """Write a text to a file, or to standard output where the path is `-`."""
    text = text if text.endswith("\n") else text + "\n"
    if path == "-":
        click.echo(text, nl=False)
    else:
        Path(path).write_text(text, encoding="utf-8")


def read_bytes(path: str) -> bytes:
    """A file, or standard input where the path is `-`."""
    return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()


def settings(target: str | None, threads: int | None) -> Settings:
    """The settings that the options stand for; what is not given is the environment's."""
    return Settings(target=target, threads=threads)


def usage(error: ArgumentError) -> click.UsageError:
    """The same complaint as one about the command line."""
    return click.UsageError(str(error), click.get_current_context(silent=True))
