"""A profile as figures for other programs, and what all its forms say in the same words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from graphc.ir.places import Place
from graphc.runtime.machine import Machine
from graphc.runtime.profile import KernelProfile, Profile

SCHEMA = 1
Data: TypeAlias = dict[str, object]


def data_of(profile: Profile) -> Data:
    """The figures, all in seconds, bytes and operations; `schema` counts changes of their form.

    Per kernel, `seconds` is one run's, `total` that of all runs in a call, `share` its part.
    """
    return {
        "schema": SCHEMA,
        "function": profile.name,
        "repeats": profile.repeats,
        "machine": vars(profile.machine).copy(),
        "seconds": {
            "call": profile.call,
            "total": profile.total,
            "copies": profile.copies,
            "between": profile.between,
            "outside": profile.outside,
            "floor": profile.floor,
        },
        "copies": profile.copy_count,
        "kernels": [_kernel(kernel) for kernel in profile.kernels],
    }


def _kernel(kernel: KernelProfile) -> Data:
    return {
        "name": kernel.name,
        "runs": kernel.runs,
        "seconds": kernel.seconds,
        "total": kernel.total,
        "share": kernel.share,
        "flops": kernel.cost.flops,
        "transcendentals": kernel.cost.transcendentals,
        "operations": kernel.cost.operations,
        "bytes": kernel.cost.bytes,
        "floors": dict(kernel.floors),
        "fraction": kernel.fraction,
        "bound": kernel.bound,
        "threads": kernel.shared,
        "sites": [
            {
                "runs": site.runs,
                "seconds": site.seconds,
                "total": site.total,
                "places": [
                    {
                        "file": place.file,
                        "line": place.line,
                        "function": place.function,
                        "gradient": place.gradient,
                    }
                    for place in site.places
                ],
            }
            for site in kernel.sites
        ],
    }


def lines(places: Iterable[Place]) -> str:
    """Places in few words: `model.py:5,10 gradient:5`.

    >>> lines([Place("m.py", 5, "f"), Place("m.py", 5, "f", 1), Place("m.py", 9, "f")])
    'm.py:5,9 gradient:5'
    """
    files: dict[str, dict[int, set[int]]] = {}
    for place in places:
        by_depth = files.setdefault(Path(place.file).name, {})
        by_depth.setdefault(min(place.gradient, 2), set()).add(place.line)
    shown = []
    for file, by_depth in files.items():
        words = []
        for depth, prefix in enumerate(("", "gradient", "second derivative")):
            numbers = ",".join(map(str, sorted(by_depth.get(depth, ()))))
            if numbers:
                words.append(f"{prefix}:{numbers}" if prefix else f":{numbers}")
        joined = " ".join(words)
        shown.append(file + joined if joined.startswith(":") else f"{file} {joined}")
    return "; ".join(shown)


def seconds(value: float) -> str:
    """A time with three digits and its unit.

    >>> seconds(0.0123), seconds(1.5e-7)
    ('12.3 ms', '150 ns')
    """
    for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * scale >= 0.9995:
            return f"{digits(value * scale)} {unit}"
    return f"{value * 1e9:.0f} ns"


def digits(value: float) -> str:
    """A number with about three digits.

    >>> digits(0.04), digits(4.044), digits(123.4)
    ('0.04', '4.04', '123')
    """
    return f"{value:.0f}" if value > 99.9 else f"{value:.1f}" if value > 9.99 else f"{value:.2f}"


def rate(amount: int, spent: float) -> str:
    """Thousands of millions per second, or nothing where there are none."""
    return digits(amount / spent / 1e9) if amount and spent else ""


def headline(profile: Profile) -> str:
    """What was measured, in one line."""
    return (
        f"{profile.name}: {seconds(profile.call)} per call, median of {profile.repeats}; "
        f"floor of its kernels {seconds(profile.floor)}"
    )


def machine_line(machine: Machine) -> str:
    """What the machine can do, in one line."""
    count = f"{machine.threads} thread" + ("s" if machine.threads > 1 else "")
    rates = (machine.memory_rate, machine.l3_rate, machine.l2_rate, machine.l1_rate)
    memory, *caches = [digits(rate / 1e9) for rate in rates]
    start = f", {seconds(machine.launch)} to start them" if machine.threads > 1 else ""
    return (
        f"{machine.name}, {count}{start}: {digits(machine.flops / 1e9)} GFLOP/s (f32), "
        f"{memory} GB/s from memory, {' / '.join(caches)} from L3 / L2 / L1"
    )
