"""`graphc profile`: where the time of a function goes, kernel by kernel."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from graphc.api.leaves import to_array
from graphc.api.shapes import ShapeDtypeStruct
from graphc.cli import options
from graphc.cli.model import Entry, blaming, opened
from graphc.cli.profile_data import data_of
from graphc.cli.profile_page import page
from graphc.cli.profile_table import show
from graphc.ir.dims import evaluate, names_of
from graphc.ir.types import TensorType
from graphc.ops.effects import sink
from graphc.runtime.cache import DiskCache
from graphc.runtime.machine import Machine, machine
from graphc.runtime.options import Options
from graphc.runtime.profile import Limits, Profile, profile

SEED = 0


def _sizes(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, int]:
    """`NAME=NUMBER`s as a table."""
    found: dict[str, int] = {}
    for text in given:
        name, equals, number = text.partition("=")
        if not (name and equals and number.isdecimal() and len(number) < 16):
            raise click.BadParameter(f"got {text[:60]!r}, expected NAME=NUMBER", context)
        found[name] = int(number)
    return found


def arrays_of(entry: Entry, sizes: Mapping[str, int]) -> list[np.ndarray]:
    """Arguments for calls: the entry's arrays, and drawn ones where it only shows a shape.

    Raises:
        UsageError: a size that is not given, or one that there is not.
    """
    graph = entry.traced.graph
    named = dict.fromkeys(n for type_ in graph.input_types for n in names_of(type_.shape))
    for name in sizes:
        if name not in named:
            expected = f"one of {', '.join(named)}" if named else "none: no size has a name"
            raise click.UsageError(f"got --size {name}={sizes[name]}, expected {expected}")
    missing = [name for name in named if name not in sizes]
    if missing:
        raise click.UsageError(f"got no size of {missing[0]}, expected --size {missing[0]}=NUMBER")
    random = np.random.default_rng(SEED)
    found = []
    for leaf, type_, name in zip(entry.leaves, graph.input_types, graph.names, strict=True):
        if isinstance(leaf, ShapeDtypeStruct):
            found.append(drawn(type_, sizes, random))
        else:
            found.append(np.array(to_array(leaf, type_, name), order="C"))
    return found


def drawn(type_: TensorType, sizes: Mapping[str, int], random: np.random.Generator) -> np.ndarray:
    """Normal numbers, or zeros where the elements are integers, which may be indices."""
    shape = tuple(evaluate(size, sizes) for size in type_.shape)
    if type_.dtype.is_float or type_.dtype.kind == "complex":
        return random.standard_normal(shape).astype(type_.dtype.numpy)
    return np.zeros(shape, type_.dtype.numpy)


def limits_of(settings: Options, again: bool) -> Limits:
    """The machine for a number of threads, measured at most once."""
    cache = DiskCache(settings.cache_dir, strict=False)

    def limits(threads: int) -> Machine:
        return machine(threads, cache, again)

    return functools.cache(limits)


def measured(
    entry: Entry, arrays: Sequence[np.ndarray], repeats: int | None, again: bool
) -> Profile:
    """The profile of an entry; what the program prints meanwhile is not shown."""
    compilation = entry.traced.lower().compilation
    silent = sink.set(None)
    try:
        limits = limits_of(compilation.options, again)
        return profile(compilation, entry.traced.name, arrays, limits, repeats)
    finally:
        sink.reset(silent)


def written(path: str, text: str) -> None:
    """Write a file and say so."""
    Path(path).write_text(text, encoding="utf-8")
    click.echo(f"wrote {path}, {len(text):,} characters")


@click.command("profile", short_help="Show where the time of a function goes.")
@click.argument("function", metavar="FILE.py:FUNCTION")
@click.option("--size", "sizes", multiple=True, metavar="NAME=NUMBER", callback=_sizes,
              help="A size that has a name, in a shape of the entry.")  # fmt: skip
@click.option("--repeats", type=click.IntRange(1, 1_000_000), metavar="N",
              help="Calls to measure; about a second of them by default.")  # fmt: skip
@click.option("--html", metavar="FILE", help="Write a page with the roofline and the source, too.")
@click.option("--json", "json_file", metavar="FILE", help="Write the figures as JSON, too.")
@click.option("--probe", is_flag=True, help="Measure the machine's limits again, first.")
@options.threads("Threads of the calls; all processors by default.")
@options.target
@options.debug
def command(
    function: str,
    sizes: Mapping[str, int],
    repeats: int | None,
    html: str | None,
    json_file: str | None,
    probe: bool,
    threads: int | None,
    target: str | None,
) -> None:
    """Show where the time of a function goes, kernel by kernel.

    FUNCTION is marked with @gc.entry(*example_arguments) in FILE.py. Where an argument is a shape,
    numbers are drawn for it; integers are 0. `of floor` compares a kernel with the least time
    that this machine can take for its operations and bytes: 100 % cannot be beaten.

    \b
    Example:
      graphc profile model.py:step
      graphc profile model.py:step --size batch=64 --threads 1 --html step.html
    """
    with opened(function, options.settings(target, threads)) as entry:
        arrays = arrays_of(entry, sizes)
        with blaming(Path(function.rpartition(":")[0])):
            found = measured(entry, arrays, repeats, probe)
        console = Console(highlight=False, markup=False, emoji=False)
        if not console.is_terminal:
            console.width = 1000  # lines that a program reads are not cut
        with console.capture() as captured:
            show(console, found)
        for line in captured.get().splitlines():
            click.echo(line.rstrip())
        if html is not None:
            written(html, page(found))
        if json_file is not None:
            written(json_file, json.dumps(data_of(found), indent=1) + "\n")
