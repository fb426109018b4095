"""Conversions of f16 for processors that have no instruction for them.

LLVM calls these two functions then, by names that C compilers' libraries have. Executables find
them there; a process seldom has such a library, so what is loaded into one is given these.
"""

from __future__ import annotations

HALVES = frozenset({"__truncsfhf2", "__extendhfsf2"})

# Rounds to nearest, ties to even. Below 2^-14, 0.5 is added, which rounds to multiples of 2^-24,
# the smallest f16; above, half a unit of the last place, less where that place is even.
TEXT = """
declare i32 @llvm.umin.i32(i32, i32)

define half @__truncsfhf2(float %x) nounwind {
  %bits = bitcast float %x to i32
  %high = lshr i32 %bits, 16
  %sign = and i32 %high, 32768
  %size = and i32 %bits, 2147483647
  %moved = lshr i32 %size, 13
  %odd = and i32 %moved, 1
  %unbiased = sub i32 %size, 939524096
  %almost = add i32 %unbiased, 4095
  %added = add i32 %almost, %odd
  %rounded = lshr i32 %added, 13
  %large = call i32 @llvm.umin.i32(i32 %rounded, i32 31744)
  %positive = bitcast i32 %size to float
  %sum = fadd float %positive, 0.5
  %sum.bits = bitcast float %sum to i32
  %small = sub i32 %sum.bits, 1056964608
  %is.small = icmp ult i32 %size, 947912704
  %number = select i1 %is.small, i32 %small, i32 %large
  %payload = and i32 %moved, 1023
  %nan = or i32 %payload, 32256
  %is.nan = icmp ugt i32 %size, 2139095040
  %found = select i1 %is.nan, i32 %nan, i32 %number
  %signed = or i32 %found, %sign
  %short = trunc i32 %signed to i16
  %half = bitcast i16 %short to half
  ret half %half
}

define float @__extendhfsf2(half %x) nounwind {
  %short = bitcast half %x to i16
  %bits = zext i16 %short to i32
  %high = and i32 %bits, 32768
  %sign = shl i32 %high, 16
  %size = and i32 %bits, 32767
  %moved = shl i32 %size, 13
  %is.endless = icmp uge i32 %size, 31744
  %bias = select i1 %is.endless, i32 1879048192, i32 939524096
  %large = add i32 %moved, %bias
  %units = uitofp i32 %size to float
  %scaled = fmul float %units, 0x3E70000000000000
  %small = bitcast float %scaled to i32
  %is.small = icmp ult i32 %size, 1024
  %number = select i1 %is.small, i32 %small, i32 %large
  %signed = or i32 %number, %sign
  %is.nan = icmp ugt i32 %size, 31744
  %quiet = or i32 %signed, 4194304
  %found = select i1 %is.nan, i32 %quiet, i32 %signed
  %float = bitcast i32 %found to float
  ret float %float
}
"""
