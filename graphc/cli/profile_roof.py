"""The roofline of a profile, drawn: speed over operations per byte, both in powers of ten."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from graphc.cli.profile_data import digits, seconds
from graphc.runtime.profile import KernelProfile, Profile

WIDTH, HEIGHT = 900, 380
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 26, 45
RADII = 4.0, 26.0  # of a kernel that takes nothing, and of one that takes all


@dataclass(frozen=True)
class Scales:
    """Where numbers lie on the drawing; the bounds are exponents of ten."""

    left: int
    right: int
    low: int
    high: int

    def x(self, intensity: float) -> float:
        """The place of operations per byte."""
        part = (math.log10(intensity) - self.left) / (self.right - self.left)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def y(self, speed: float) -> float:
        """The place of operations per second."""
        part = (math.log10(speed) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def drawing(profile: Profile) -> str:
    """The drawing as SVG; kernels that compute nothing have no place on it."""
    drawn = [k for k in profile.kernels if k.cost.operations and k.cost.bytes and k.seconds]
    if not drawn:
        return "<p>No kernel computes.</p>"
    scales = _scales(profile, drawn)
    inner = [*_grid(scales), *_roofs(profile, scales), *(_circle(k, scales) for k in drawn)]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(inner)}</svg>'


def _speed(kernel: KernelProfile) -> float:
    return kernel.cost.operations / kernel.seconds


def _intensity(kernel: KernelProfile) -> float:
    return kernel.cost.operations / kernel.cost.bytes


def _scales(profile: Profile, drawn: list[KernelProfile]) -> Scales:
    machine = profile.machine
    ridge = machine.flops / machine.memory_rate
    intensities = [*map(_intensity, drawn), ridge]
    speeds = [*map(_speed, drawn), machine.flops]
    return Scales(
        math.floor(math.log10(min(intensities)) - 0.1),
        math.ceil(math.log10(max(intensities)) + 0.1),
        math.floor(math.log10(min(speeds)) - 0.1),
        math.ceil(math.log10(max(speeds)) + 0.1),
    )


def _grid(scales: Scales) -> list[str]:
    made = []
    for power in range(scales.left, scales.right + 1):
        x = scales.x(10.0**power)
        made.append(f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        text = f"{10.0**power:g}"
        made.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{text}</text>'
        )
    for power in range(scales.low, scales.high + 1):
        y = scales.y(10.0**power)
        made.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        text = f"{10.0 ** (power - 9):g}"
        made.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) // 2
    made.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">operations per byte</text>'
    )
    made.append(f'<text x="8" y="{TOP - 12}">GFLOP/s</text>')
    return made


def _roofs(profile: Profile, scales: Scales) -> list[str]:
    machine, made = profile.machine, []
    roofs = (
        ("memory", machine.memory_rate, "roof"),
        ("L3", machine.l3_rate, "low"),
        ("L2", machine.l2_rate, "low"),
        ("L1", machine.l1_rate, "low"),
    )
    top, last = scales.y(machine.flops), scales.x(machine.flops / machine.memory_rate)
    for _, rate, kind in roofs:
        start = max(10.0**scales.left, 10.0**scales.low / rate)
        x, y = scales.x(start), scales.y(start * rate)
        end = WIDTH - RIGHT if kind == "roof" else last
        path = f"M{x:.1f} {y:.1f}L{scales.x(machine.flops / rate):.1f} {top:.1f}H{end:.1f}"
        made.append(f'<path class="{kind}" fill="none" d="{path}"/>')
    named = ", ".join(f"{name} {digits(rate / 1e9)}" for name, rate, _ in reversed(roofs))
    right, low = WIDTH - RIGHT - 6, HEIGHT - BOTTOM - 8
    text = f"roofs from the left: {named} GB/s"
    made.append(f'<text x="{right}" y="{low}" text-anchor="end">{text}</text>')
    peak = f"{digits(machine.flops / 1e9)} GFLOP/s"
    made.append(f'<text x="{WIDTH - RIGHT}" y="{top - 6:.1f}" text-anchor="end">{peak}</text>')
    return made


def _circle(kernel: KernelProfile, scales: Scales) -> str:
    radius = RADII[0] + (RADII[1] - RADII[0]) * math.sqrt(kernel.share)
    title = (
        f"{kernel.name}: {seconds(kernel.seconds)}, {100 * kernel.share:.1f} % of the time, "
        f"{100 * kernel.fraction:.0f} % of its floor"
    )
    return (
        f'<circle class="{kernel.bound}" cx="{scales.x(_intensity(kernel)):.1f}" '
        f'cy="{scales.y(_speed(kernel)):.1f}" r="{radius:.1f}">'
        f"<title>{escape(title)}</title></circle>"
    )
