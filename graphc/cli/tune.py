"""`graphc tune`: search schedules for the kernels of a function, and keep the best."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from graphc.cli import options
from graphc.cli.model import blaming, traced
from graphc.ir.errors import ArgumentError
from graphc.ir.places import Places
from graphc.ops.effects import sink
from graphc.runtime.compiler import Compilation
from graphc.runtime.options import AUTOTUNE_SECONDS
from graphc.runtime.tuner import Outcome, subjects, tune
from graphc.runtime.whole import times, untimed

TEXT_WIDTH = 200  # columns of the table where no terminal says how many there are


def line_of(places: Places) -> str:
    """The user's line of a kernel, and how many more there are."""
    if not places:
        return ""
    first, more = places[0], len(places) - 1
    text = "∂" * first.gradient + f"{Path(first.file).name}:{first.line}"
    return f"{text} +{more}" if more else text


def microseconds(seconds: float) -> str:
    """A time, in the unit of the table."""
    return f"{1e6 * seconds:.4g} us" if seconds else ""


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """What is known of each kernel, the dearest first."""
    return [
        {
            "kernel": one.subject.kernel.name,
            "lines": [str(place) for place in one.subject.places],
            "calls": one.subject.calls,
            "share": one.share,
            "default_seconds": one.before,
            "tuned_seconds": one.after,
            "schedule": dict(one.knobs),
            "tried": one.tried,
            "note": one.note,
        }
        for one in sorted(outcomes, key=lambda one: -one.share)
    ]


def table(outcomes: Sequence[Outcome]) -> Table:
    """Kernels that were looked at; the others in one line."""
    found = Table(box=None, pad_edge=False, caption_justify="left")
    for name in ("kernel", "line", "share", "default", "tuned", "ratio", "tried", "changed"):
        right = name in ("share", "default", "tuned", "ratio", "tried")
        found.add_column(name, justify="right" if right else "left")
    seen = [one for one in outcomes if one.tried or one.note == "no time left"]
    for one in sorted(seen, key=lambda one: -one.share):
        changes = [f"{knob} {number}" for knob, number in one.knobs.items()]
        found.add_row(
            one.subject.kernel.name,
            line_of(one.subject.places),
            f"{one.share:.0%}",
            microseconds(one.before),
            microseconds(one.after),
            f"{one.before / one.after:.2f}" if one.tried else "",
            str(one.tried or ""),
            ", ".join(changes) or one.note,
        )
    return found


def _seconds(context: click.Context, parameter: click.Parameter, given: float) -> float:
    if not 0 < given <= 86_400:
        raise click.BadParameter(f"got {given:g}, expected seconds, up to a day", context)
    return given


def whole(before: Compilation, after: Compilation, seconds: float) -> tuple[float, float, str]:
    """Seconds of a call of the whole program before and after, or why it was not measured."""
    reason = untimed(before.graph)
    if reason:
        return 0.0, 0.0, reason
    silent = sink.set(None)
    try:
        first, second = times([before, after], seconds)
    finally:
        sink.reset(silent)
    return first, second, ""


@click.command("tune", short_help="Search schedules for the kernels of a function.")
@click.argument("function", metavar="FILE.py:FUNCTION")
@click.option("--budget", type=float, default=AUTOTUNE_SECONDS, metavar="SECONDS",
              callback=_seconds, show_default=True, help="How long to search.")  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", help="Write the figures as JSON, too.")
@options.threads("Threads of the kernels; all processors by default.")
@options.debug
def command(function: str, budget: float, json_file: str | None, threads: int | None) -> None:
    """Search schedules for the kernels of a function, by measuring, and keep the best.

    FUNCTION is marked with @gc.entry(*example_arguments) in FILE.py. What is found is kept in
    the cache, by kernel and processor: any program that has the same kernel runs it from then
    on, unless autotune=False or GRAPHC_AUTOTUNE=0. Results stay the same, bit for bit.

    \b
    Example:
      graphc tune model.py:step
      graphc tune model.py:step --budget 120 --threads 1 --json tuned.json
    """
    with traced(function, options.settings(None, threads)) as model:
        compilation = model.lower().compilation
        plain = replace(compilation.options, autotune=0.0)
        before = replace(compilation, options=plain)
        if not subjects(before.kernels):
            raise ArgumentError(f"{function}: got no kernels, expected something to compute")
        outcomes = tune(before.kernels, plain, budget, again=True)
        after = replace(compilation, options=replace(plain, autotune=None))
        with blaming(Path(function.rpartition(":")[0])):
            first, second, reason = whole(before, after, budget)
    report = {"kernels": rows(outcomes), "default_seconds": first, "tuned_seconds": second}
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = TEXT_WIDTH
    with console.capture() as captured:
        console.print(table(outcomes))
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
    click.echo(_summary(outcomes, first, second, reason))
    if json_file is not None:
        text = json.dumps(report, indent=2) + "\n"
        Path(json_file).write_text(text, encoding="utf-8")
        click.echo(f"wrote {json_file}, {len(text):,} characters")


def _summary(outcomes: Sequence[Outcome], first: float, second: float, reason: str) -> str:
    left = sum(not one.tried for one in outcomes)
    text = f"{left} kernels left as they are\n" if left else ""
    if reason:
        return f"{text}whole program: not called, {reason}"
    speed = f"{first / second:.2f} times as fast"
    return f"{text}whole program: {microseconds(first)} before, {microseconds(second)} now: {speed}"
