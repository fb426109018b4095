"""The few functions that printed kernels share; a program gets those that it names.

C leaves some results open (division by zero, long shifts, NaN in `max`) and has no
reduction over a block; these close them as graphc defines them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from graphc.ir.types import DTYPES, DType

TYPES = """\
#ifndef EMULATED
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#endif

typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __half f16;
typedef __nv_bfloat16 bf16;
typedef float f32;
typedef double f64;
"""

ONE = "template <typename T>\n__device__ __forceinline__ "


def _saturating(dtype: DType) -> str:
    ending = "LL" if dtype.bits == 64 else ""
    below = 2 ** (dtype.bits - (dtype.kind == "int"))  # the first number too large
    lowest = f"(-{below - 1}{ending} - 1)" if dtype.kind == "int" else "0"
    highest = f"{below - 1}{'' if dtype.kind == 'int' else 'u'}{ending}"
    return f"""\
// Towards zero; saturates and takes NaN to 0.
template <typename F>
__device__ __forceinline__ {dtype} to_{dtype}(F x) {{
  if (x != x) return 0;
  if (x >= (F){below}.0) return {highest};
  return x <= (F){lowest} ? {lowest} : ({dtype})x;
}}
"""


FUNCTIONS = {
    "least": """\
// The smaller of two indices.
__device__ __forceinline__ i64 least(i64 a, i64 b) { return a < b ? a : b; }
""",
    "larger": "// A NaN on either side is the result.\n"
    + ONE
    + "T larger(T a, T b) { return (a >= b || a != a) ? a : b; }\n",
    "smaller": "// A NaN on either side is the result.\n"
    + ONE
    + "T smaller(T a, T b) { return (a <= b || a != a) ? a : b; }\n",
    "sign_of": ONE + "T sign_of(T x) { return x != x ? x : (T)((x > 0) - (x < 0)); }\n",
    "finite_value": ONE + "bool finite_value(T x) { return x - x == 0; }\n",
    "magnitude": ONE + "T magnitude(T x) { return x < 0 ? (T)(0 - (u64)x) : x; }\n",
    "logistic": """\
// 1 / (1 + exp(-x)) without overflow on either side.
__device__ __forceinline__ f32 logistic(f32 x) {
  const f32 tail = expf(-fabsf(x));
  return (x >= 0 ? 1 : tail) / (1 + tail);
}
__device__ __forceinline__ f64 logistic(f64 x) {
  const f64 tail = exp(-fabs(x));
  return (x >= 0 ? 1 : tail) / (1 + tail);
}
""",
    "digamma": """\
// The derivative of lgamma: its reflection, its recurrence up to ten, then its series.
__device__ __forceinline__ f64 digamma(f64 x) {
  f64 total = 0;
  if (x == 0) return -1 / x;
  if (x < 0) {
    const f64 part = x - rint(x);
    if (part == 0 || isinf(x)) return NAN;
    total = -3.141592653589793 / tan(3.141592653589793 * part);
    x = 1 - x;
  }
  f64 lost = 0;  // what the sum and its terms are rounded by
  for (; x < 10; x += 1) {
    const f64 term = -1 / x, sum = total + term, back = sum - total;
    lost += (total - (sum - back)) + (term - back) - fma(term, x, 1.0) / x;
    total = sum;
  }
  const f64 z = 1 / (x * x);
  const f64 series = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240
      - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  return (total + log(x)) + (lost - 0.5 / x - series);
}
__device__ __forceinline__ f32 digamma(f32 x) { return (f32)digamma((f64)x); }
""",
    "same_bits": """\
// The bits of a number, read as another type.
template <typename T, typename F>
__device__ __forceinline__ T same_bits(F x) {
  T y;
  memcpy(&y, &x, sizeof(T));
  return y;
}
""",
    "quotient": "// All bits set where the divisor is 0; the smallest integer by -1 is itself.\n"
    + ONE
    + """\
T quotient(T a, T b) {
  if (b == 0) return (T)~(T)0;
  return (T)-1 < 0 && b == (T)-1 ? (T)(0 - (u64)a) : (T)(a / b);
}
""",
    "remains": "// The dividend where the divisor is 0.\n"
    + ONE
    + """\
T remains(T a, T b) {
  if (b == 0) return a;
  return (T)-1 < 0 && b == (T)-1 ? (T)0 : (T)(a % b);
}
""",
    "whole_power": "// By squaring; 0 for most to a negative power.\n"
    + ONE
    + """\
T whole_power(T base, T exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    return base == (T)-1 ? (exponent & 1 ? base : (T)1) : (T)0;
  }
  u64 result = 1;
  u64 square = (u64)base;
  for (u64 digits = (u64)exponent; digits != 0; digits >>= 1) {
    if (digits & 1) result *= square;
    square *= square;
  }
  return (T)result;
}
""",
    "shifted_left": """\
// 0 where the distance is outside the width.
template <typename U, typename T>
__device__ __forceinline__ U shifted_left(U x, T by) {
  return (u64)by < 8 * sizeof(U) ? (U)((u64)x << by) : (U)0;
}
""",
    "shifted_right": """\
// 0 where the distance is outside the width.
template <typename U, typename T>
__device__ __forceinline__ U shifted_right(U x, T by) {
  return (u64)by < 8 * sizeof(U) ? (U)(x >> by) : (U)0;
}
""",
    "shifted_with_sign": """\
// All sign where the distance is outside the width.
template <typename I, typename T>
__device__ __forceinline__ I shifted_with_sign(I x, T by) {
  return (I)(x >> ((u64)by < 8 * sizeof(I) ? (u64)by : 8 * sizeof(I) - 1));
}
""",
    "report": """\
// Leave a failed check's code for the caller; the lowest code of all stays.
__device__ inline void report(int* status, int code) {
  int seen = atomicCAS(status, 0, code);
  while (seen > code) {
    const int before = atomicCAS(status, seen, code);
    if (before == seen) break;
    seen = before;
  }
}
""",
    "fold_block": """\
template <typename T>
__device__ __forceinline__ T of_lane(T value, int distance) {
  return (T)__shfl_down_sync(0xffffffffu, value, distance);
}
// Combine one value of each thread in a fixed tree; every thread gets the result.
template <int threads, typename T, typename Fold>
__device__ T fold_block(T value, Fold fold) {
  __shared__ T of_warp[threads / 32];
  for (int distance = 16; distance > 0; distance /= 2) {
    const T other = of_lane(value, distance);
    value = fold(value, other);
  }
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  value = of_warp[0];
  for (int warp = 1; warp < threads / 32; ++warp) value = fold(value, of_warp[warp]);
  __syncthreads();
  return value;
}
""",
    **{f"to_{dtype}": _saturating(dtype) for dtype in DTYPES if dtype.is_integer},
}


WORD = re.compile(r"[A-Za-z_]\w*")


def functions_for(text: str, known: Mapping[str, str] = FUNCTIONS) -> list[str]:
    """The definitions that a text names, in the order of the table.

    >>> len(functions_for("y[i] = larger(x[i], 0.0f);"))
    1
    """
    words = set(WORD.findall(text))
    return [definition for name, definition in known.items() if name in words]
