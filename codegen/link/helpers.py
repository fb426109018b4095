"""Rounding to and from half-precision floats, for processors and compilers that lack it.

Machine code for such processors calls functions that a compiler's own library holds; older
ones do not, so a build brings what it needs. The definitions are weak: a library's win.
"""

from __future__ import annotations

from collections.abc import Collection

TO_BFLOAT = """
define weak hidden bfloat @__truncsfbf2(float %x) nounwind {
  %bits = bitcast float %x to i32
  %high = lshr i32 %bits, 16
  %odd = and i32 %high, 1
  %half = add i32 %odd, 32767
  %sum = add i32 %bits, %half
  %rounded = lshr i32 %sum, 16
  %magnitude = and i32 %bits, 2147483647
  %is_nan = icmp ugt i32 %magnitude, 2139095040
  %quiet = or i32 %high, 64
  %chosen = select i1 %is_nan, i32 %quiet, i32 %rounded
  %short = trunc i32 %chosen to i16
  %result = bitcast i16 %short to bfloat
  ret bfloat %result
}
"""


def helper_text(symbols: Collection[str]) -> str:
    """LLVM text with definitions of those symbols that need them; empty where none does.

    >>> helper_text(["fmaf"]), "@__truncsfbf2" in helper_text(["__truncsfbf2"])
    ('', True)
    """
    return TO_BFLOAT if "__truncsfbf2" in symbols else ""
