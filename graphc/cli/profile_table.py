"""A profile as a table for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from graphc.cli.profile_data import headline, lines, machine_line, rate, seconds
from graphc.runtime.profile import KernelProfile, Profile

COLUMNS = ("kernel", "calls", "each", "share", "GFLOP/s", "GB/s", "of floor", "bound", "lines")
ALONE = "* on one thread"
WORDS = ("kernel", "bound", "lines")  # columns of text, which start at the left


def show(console: Console, profile: Profile) -> None:
    """Print the lines about function and machine, and the table."""
    console.print(headline(profile))
    console.print(machine_line(profile.machine))
    console.print()
    console.print(table_of(profile))
    if any(alone(kernel, profile) for kernel in profile.kernels):
        console.print(ALONE)


def table_of(profile: Profile) -> Table:
    """A row for each kernel, slowest first, then what is no kernel."""
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        left = column in WORDS
        table.add_column(
            column, justify="left" if left else "right", no_wrap=not left, overflow="fold"
        )
    for kernel in profile.kernels:
        table.add_row(*cells(kernel, profile))
    for name, count, spent in parts(profile):
        each = seconds(spent / count) if count else ""
        table.add_row(name, str(count or ""), each, f"{100 * spent / profile.total:.1f} %")
    return table


def alone(kernel: KernelProfile, profile: Profile) -> bool:
    """Whether a kernel leaves threads idle."""
    return profile.machine.threads > 1 and not kernel.shared


def cells(kernel: KernelProfile, profile: Profile) -> tuple[str, ...]:
    """A kernel's row; figures of speed only where it was run."""
    name = f"{kernel.name} *" if alone(kernel, profile) else kernel.name
    if not kernel.runs:
        return (name, "0", "", "", "", "", "", "", lines(kernel.places))
    return (
        name,
        f"{kernel.runs:,}",
        seconds(kernel.seconds),
        f"{100 * kernel.share:.1f} %",
        rate(kernel.cost.operations, kernel.seconds),
        rate(kernel.cost.bytes, kernel.seconds),
        f"{100 * kernel.fraction:.0f} %",
        kernel.bound,
        lines(kernel.places),
    )


def parts(profile: Profile) -> list[tuple[str, int, float]]:
    """What is no kernel: name, how often (0 where that means nothing), seconds."""
    found = [
        ("copies", profile.copy_count, profile.copies),
        ("between kernels", 0, profile.between),
        ("the call itself", 0, profile.outside),
    ]
    return [part for part in found if part[1] or part[2]]
