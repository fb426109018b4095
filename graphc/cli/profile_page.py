"""A profile as one page of HTML: the roofline, the table, the user's lines. It loads nothing."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from html import escape

from graphc.cli.profile_data import headline, lines, machine_line, rate, seconds
from graphc.cli.profile_roof import drawing
from graphc.cli.profile_table import ALONE, COLUMNS, WORDS, alone, cells, parts
from graphc.ir.places import Place
from graphc.runtime.profile import KernelProfile, Profile, Site

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5;
  --back: #ffffff; --card: #f6f8fa; --compute: #1f6feb; --memory: #c2410c; --overhead: #6b7280; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --line: #343c48;
  --back: #14181e; --card: #1c222a; --compute: #6aa5ff; --memory: #fb923c; --overhead: #9ca3af; } }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1.5rem; background: var(--back);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { color: var(--soft); margin: .2rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line);
  padding: .35rem .6rem; cursor: pointer; white-space: nowrap; }
td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; }
th.word, td.word { text-align: left; } td.lines { white-space: normal; }
tr.rest td { color: var(--soft); }
.bar { display: inline-block; height: .65em; min-width: 1px; margin-right: .4em;
  background: currentColor; opacity: .75; }
.compute { color: var(--compute); } .memory { color: var(--memory); }
.overhead { color: var(--overhead); }
code, pre, .name { font: 13px/1.5 ui-monospace, monospace; }
pre { background: var(--card); padding: .5rem .7rem; margin: .3rem 0;
  white-space: pre-wrap; }
summary { cursor: pointer; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--line); } svg .roof { stroke: var(--ink); fill: none; stroke-width: 1.6; }
svg .low { stroke: var(--soft); fill: none; stroke-dasharray: 5 4; }
svg circle { fill: currentColor; fill-opacity: .45; stroke: currentColor; }
"""

SCRIPT = """
for (const head of document.querySelectorAll("th")) head.onclick = () => {
  const body = document.querySelector("tbody"), column = head.cellIndex;
  const down = head.dataset.down = head.dataset.down === "1" ? "" : "1";
  const value = row => { const v = row.cells[column].dataset.value; return isNaN(v) ? v : +v; };
  const rows = [...body.querySelectorAll("tr.kernel")];
  rows.sort((a, b) => { const [x, y] = [value(a), value(b)];
    return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1); });
  body.prepend(...rows);
};
"""

WHAT = (
    "A kernel's floor is the least time in which this machine can do its operations (compute) or "
    "move its bytes (memory), whichever takes longer; of floor, 100 % cannot be beaten. A multiply "
    "and an add are two operations, exp, tanh, sqrt and the like twenty. Bytes are those of the "
    "operands and results, each once. Circles are as large as a kernel's share of the time; "
    "the nearer to a roof, the better."
)


def page(profile: Profile) -> str:
    """The whole page.

    Example: `Path("step.html").write_text(page(profile))`.
    """
    heads = "".join(f'<th{_word(name)} title="sort">{escape(name)}</th>' for name in COLUMNS)
    rows = [_row(kernel, profile) for kernel in profile.kernels]
    rows += [_rest(name, count, spent, profile) for name, count, spent in parts(profile)]
    note = f"<p>{ALONE}</p>" if any(alone(k, profile) for k in profile.kernels) else ""
    title = escape(f"profile of {profile.name}")
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            f"<h1>{escape(headline(profile))}</h1><p>{escape(machine_line(profile.machine))}</p>",
            f"<h2>Kernels</h2><table><thead><tr>{heads}</tr></thead><tbody>",
            *rows,
            f"</tbody></table>{note}<h2>Roofline</h2>{drawing(profile)}<p>{WHAT}</p>",
            f"<script>{SCRIPT}</script></body></html>",
            "",
        ]
    )


def _word(column: str) -> str:
    return ' class="word"' if column in WORDS else ""


def _row(kernel: KernelProfile, profile: Profile) -> str:
    shown = cells(kernel, profile)
    values: Sequence[object] = (
        kernel.name,
        kernel.runs,
        kernel.seconds,
        kernel.share,
        kernel.cost.operations / kernel.seconds if kernel.seconds else 0,
        kernel.cost.bytes / kernel.seconds if kernel.seconds else 0,
        kernel.fraction,
        kernel.bound,
        lines(kernel.places),
    )
    made = []
    for column, text, value in zip(COLUMNS, shown, values, strict=True):
        inner, kind = escape(text), "word" if column in WORDS else ""
        if column == "kernel":
            inner = f'<span class="name">{inner}</span>'
        elif column == "share" and kernel.runs:
            width = f"{4 * kernel.share:.3f}em"
            inner = f'<span class="bar {kernel.bound}" style="width:{width}"></span>{inner}'
        elif column == "bound":
            inner = f'<span class="{kernel.bound}">{inner}</span>'
        elif column == "lines":
            inner, kind = _lines(kernel), "word lines"
        made.append(f'<td class="{kind}" data-value="{escape(str(value))}">{inner}</td>')
    return f'<tr class="kernel">{"".join(made)}</tr>'


def _rest(name: str, count: int, spent: float, profile: Profile) -> str:
    each = seconds(spent / count) if count else ""
    share = f"{100 * spent / profile.total:.1f} %"
    shown = f"<td>{count or ''}</td><td>{each}</td><td>{share}</td>"
    empty = "<td></td>" * (len(COLUMNS) - 4)
    return f'<tr class="rest"><td class="word">{escape(name)}</td>{shown}{empty}</tr>'


def _lines(kernel: KernelProfile) -> str:
    """The user's lines, in short, and unfolded with their text and what each place takes."""
    inner = []
    for site in kernel.sites:
        head = _site(site, kernel) if len(kernel.sites) > 1 else ""
        source = "\n".join(_source(place) for place in site.places)
        inner.append(f"{head}<pre>{source}</pre>" if source else head)
    cost = (
        f"<p>{kernel.cost.operations:,} operations and {kernel.cost.bytes:,} bytes a run; "
        f"floors {', '.join(f'{name} {seconds(s)}' for name, s in kernel.floors.items())}</p>"
    )
    short = escape(lines(kernel.places)) or "no line of yours"
    return f"<details><summary>{short}</summary>{''.join(inner)}{cost}</details>"


def _site(site: Site, kernel: KernelProfile) -> str:
    speed = rate(kernel.cost.operations, site.seconds)
    return (
        f"<p>{site.runs:,} runs of {seconds(site.seconds)}{f', {speed} GFLOP/s' * bool(speed)}</p>"
    )


def _source(place: Place) -> str:
    """A place and the text of its line, if the file is there."""
    where = "gradient of " * place.gradient + f"{place.file}:{place.line}"
    text = linecache.getline(place.file, place.line).strip()
    return escape(f"{where}  {text}" if text else where)
