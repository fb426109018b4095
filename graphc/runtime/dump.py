"""The last files of a dump, behind those of the passes: loops, LLVM IR, assembly, CUDA C."""

from __future__ import annotations

from pathlib import Path

from graphc.codegen import PRINTED, print_for
from graphc.codegen.llvm.engine import emit_assembly
from graphc.codegen.loops.program import Program
from graphc.codegen.target import Target
from graphc.passes import KERNELS, STANDARD

SUFFIXES = {"cuda": "cu"}


def write_targets(folder: Path, program: Program, llvm: str, target: Target) -> None:
    """Write `NN-loops.txt`, `NN-program.ll`, `NN-program.s` and a file per printed target."""
    number = len(STANDARD) + len(KERNELS) + 1
    texts = {
        f"{number:02d}-loops.txt": str(program),
        f"{number + 1:02d}-program.ll": llvm,
        f"{number + 2:02d}-program.s": emit_assembly(llvm, target),
    }
    for name in PRINTED:
        texts[f"{number + 3:02d}-program.{SUFFIXES.get(name, name)}"] = print_for(name, program)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
