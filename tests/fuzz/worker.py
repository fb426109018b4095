"""A process that compiles and runs programs, so that a crash kills it and not the tests.

It reads one program per line of standard input (a JSON string) and answers each with one line:
what is wrong with it, or an empty string. Given files, it says the same of each of them.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from pathlib import Path

import numpy as np

from graphc.ir.errors import Error
from graphc.ir.interpret import interpret
from graphc.ir.text.printer import print_graph
from graphc.ir.verify import verify
from graphc.passes.split_complex import as_memory
from graphc.runtime.compiler import Compilation
from graphc.runtime.options import Settings
from graphc.text import parse
from tests import guard
from tests.fuzz.programs import RandomProgram, read
from tests.judge import disagreement

PATIENCE = 240.0  # seconds of processor time for one program, until a signal ends the process


def fault_of(program: RandomProgram) -> str:
    """The first thing that is wrong with how a program is compiled, or nothing."""
    graph, arrays = program.graph, program.arguments()
    verify(graph)
    if parse(print_graph(graph, full_constants=True)) != graph:
        return "its text parses to another graph"
    with np.errstate(all="ignore"):
        fault = fault_of_stages(program, arrays)
    if fault:
        return fault
    compilation = Compilation(graph, program.donated, Settings().resolve())
    for name, stage in (("passes", compilation.optimized), ("plan", compilation.kernels)):
        verify(stage)
        with np.errstate(all="ignore"):
            fault = disagreement(graph, arrays, interpret(stage, *map(as_memory, arrays)))
        if fault:
            return f"after the {name}: {fault}\n{stage}"
    executable = compilation.executable()
    for at_end in (True, False):
        fault = disagreement(graph, arrays, guard.call(executable, arrays, at_end=at_end))
        if fault:
            return f"native: {fault}\n{compilation.kernels}"
    return ""


def fault_of_stages(program: RandomProgram, arrays: tuple[np.ndarray, ...]) -> str:
    """What is wrong with what the last transformation made, by what the one before gives."""
    if not program.transformations:
        return ""
    before, after = program.stages[-2:]
    last = program.transformations[-1]
    fault = last.fault(before, after, arrays)
    return f"{last}{fault}\n{after}" if fault else ""


def answer(text: str) -> str:
    """What is wrong with the program of a text, exceptions included."""
    try:
        return fault_of(read(text))
    except Error as error:
        return f"{type(error).__name__}: {error}\n{traceback.format_exc()[-900:]}"
    except Exception:  # whatever else a compiler may stumble over is what we look for
        return traceback.format_exc()[-900:]


def main() -> None:
    """Answer for the files named, or until the input ends."""
    for name in sys.argv[1:]:
        print(f"{name}: {answer(Path(name).read_text(encoding='utf-8')) or 'right'}")
    if len(sys.argv) > 1:
        return
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
