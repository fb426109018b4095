"""Golden cases of passes: `tests/golden/<pass>.gir` holds pairs of graphs, before and after.

Cases stand between lines `// -----`. Each opens with its law as a comment; a second comment
`// pipeline: simplify{also=add_any_zero}` stands where the pass is to run with options.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphc.ir.graph import Graph
from graphc.passes.manager import parse_pipeline, run
from graphc.text import parse

FOLDER = Path(__file__).resolve().parents[1] / "golden"
BETWEEN = "// -----\n"
AFTER = "// after\n"
PIPELINE = "// pipeline: "


@dataclass(frozen=True)
class Case:
    """One law: its title, the pipeline that shows it and both texts."""

    title: str
    pipeline: str
    before: str
    after: str

    @property
    def graph(self) -> Graph:
        """The graph before."""
        return parse(self.before)

    def result(self) -> Graph:
        """The graph that the pass makes now."""
        return run(self.graph, parse_pipeline(self.pipeline))

    def text(self, name: str) -> str:
        """The case as the file holds it, with what the pass makes now."""
        option = "" if self.pipeline == name else f"{PIPELINE}{self.pipeline}\n"
        return f"// {self.title}\n{option}{self.graph}\n{AFTER}{self.result()}\n"


def read(path: Path) -> list[Case]:
    """The cases of one file."""
    cases = []
    for part in path.read_text(encoding="utf-8").split(BETWEEN):
        before, _, after = part.partition(AFTER)
        title, before = before.split("\n", 1)
        pipeline = path.stem
        if before.startswith(PIPELINE):
            line, before = before.split("\n", 1)
            pipeline = line.removeprefix(PIPELINE)
        cases.append(Case(title.removeprefix("// "), pipeline, before.strip(), after.strip()))
    return cases


def write(path: Path, cases: list[Case]) -> None:
    """Write the cases with what the passes make now."""
    text = BETWEEN.join(case.text(path.stem) for case in cases)
    path.write_text(text, encoding="utf-8")


def all_cases() -> list[tuple[str, Case]]:
    """Every case of every file, with the file's name."""
    return [(path.stem, case) for path in sorted(FOLDER.glob("*.gir")) for case in read(path)]
