"""Code generation: graphs of kernels to loops, and loops to target text.

A target that is only printed is loaded when it is asked for, by the name it has here.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType

# target -> the module whose `print_program(program)` gives its text
PRINTED = MappingProxyType({"cuda": "graphc.codegen.cuda.program"})


def print_for(target: str, program: object) -> str:
    """A program as the text of a printed target."""
    text: str = importlib.import_module(PRINTED[target]).print_program(program)
    return text
