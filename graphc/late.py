"""Names of a package that are loaded when they are asked for: importing it stays cheap."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def late_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package whose late names have these homes.

    A home is the name of a module in the package; one that is called like the name is what the
    name stands for, any other has it inside.

    Example: `__getattr__, __dir__ = late_names(__name__, {"fft": "fft", "pad": "padding"})`.
    """
    namespace = vars(sys.modules[package])

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{homes[name]}")
        found: object = module if homes[name] == name else getattr(module, name)
        namespace[name] = found
        return found

    return load, lambda: sorted({*namespace, *homes})
