"""A process that compiles and runs programs, so that a crash kills it and not the tests.

It reads one program per line of standard input (a JSON string) and answers each with one line:
what is wrong with it, or an empty string.
"""

from __future__ import annotations

import json
import sys
import traceback

import numpy as np

from graphc.ir.errors import Error
from graphc.ir.interpret import interpret
from graphc.ir.text.printer import print_graph
from graphc.ir.verify import verify
from graphc.runtime.compiler import Compilation
from graphc.runtime.options import Settings
from graphc.text import parse
from tests import guard
from tests.fuzz.programs import RandomProgram, read
from tests.judge import disagreement


def fault_of(program: RandomProgram) -> str:
    """The first thing that is wrong with how a program is compiled, or nothing."""
    graph, arrays = program.graph, program.arguments()
    verify(graph)
    if parse(print_graph(graph, full_constants=True)) != graph:
        return "its text parses to another graph"
    compilation = Compilation(graph, program.donated, Settings().resolve())
    for name, stage in (("passes", compilation.optimized), ("plan", compilation.kernels)):
        verify(stage)
        with np.errstate(all="ignore"):
            fault = disagreement(graph, arrays, interpret(stage, *arrays))
        if fault:
            return f"after the {name}: {fault}\n{stage}"
    executable = compilation.executable()
    for at_end in (True, False):
        fault = disagreement(graph, arrays, guard.call(executable, arrays, at_end=at_end))
        if fault:
            return f"native: {fault}\n{compilation.kernels}"
    return ""


def answer(text: str) -> str:
    """What is wrong with the program of a text, exceptions included."""
    try:
        return fault_of(read(text))
    except Error as error:
        return f"{type(error).__name__}: {error}\n{traceback.format_exc()[-900:]}"
    except Exception:  # whatever else a compiler may stumble over is what we look for
        return traceback.format_exc()[-900:]


def main() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
