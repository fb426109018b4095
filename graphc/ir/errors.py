"""Every error that graphc raises on purpose.

One root, `Error`; each class also derives from the built-in exception that a
Python programmer would expect, so `except ValueError` keeps working. A message
is a lower-case sentence with got and expected, and, where known, ends in the
line of the user's program that it speaks of.
"""

from __future__ import annotations


class Error(Exception):
    """Root of all graphc errors."""


class ShapeError(Error, ValueError):
    """Shapes, axes or sizes that do not fit an operation."""


class DtypeError(Error, TypeError):
    """Element types that an operation does not take."""


class ArgumentError(Error, TypeError):
    """A call with missing, extra or unusable arguments."""


class TraceError(Error, TypeError):
    """A traced value used where Python needs a concrete one."""


class ParseError(Error, ValueError):
    """Text that is not a graph; the message names line and column."""


class VerifyError(Error, ValueError):
    """A graph that breaks a numbered invariant of `graphc.ir.verify`."""


class RewriteError(Error, RuntimeError):
    """Rewrite rules that do not come to an end, or a pass that changed a result."""


class OutOfRangeError(Error, IndexError):
    """An index outside its dimension, found when a compiled call ended."""


class CheckError(Error, AssertionError):
    """A `debug.check` that did not hold, found when a call ended."""


class NanError(Error, FloatingPointError):
    """A NaN among the results of a call under `debug_nans`."""


class DonationError(Error, ValueError):
    """A donated buffer used again, or one that cannot be donated."""


class OutOfMemoryError(Error, MemoryError):
    """A call whose results or working memory do not fit into the machine."""


class CompileError(Error, RuntimeError):
    """Lowering, emission or linking that cannot go on."""


class CacheError(Error, OSError):
    """A cache directory that graphc refuses to use."""


class UnsupportedError(Error, NotImplementedError):
    """Something that graphc names and does not do (yet)."""
