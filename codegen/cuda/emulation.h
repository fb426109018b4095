// CUDA C on the CPU, so that printed programs run where there is no GPU.
//
//   cc -x c++ -include emulation.h program.cu
//
// Blocks run one after another. The threads of a block are fibers, switched at each
// __syncthreads(), in ascending or (emulated_backwards = 1) descending order: a missing
// barrier shows as a wrong result in one of the two. Shared memory holds all bits set
// before each block. A barrier that some threads do not reach, and with -fsanitize=bounds
// an index outside a local or shared array, end the run and are kept for emulated_fault().

#ifndef EMULATED
#define EMULATED 1

#include <math.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define __global__ static
#define __device__ static
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __shared__ static __attribute__((section("emulated_shared")))
#define __syncthreads() emulation::wait(__LINE__)
#define DYNAMIC_SHARED(name) unsigned char* const name = emulation::dynamic
#define LAUNCH(kernel, blocks, threads, shared, ...) \
  emulation::launch(#kernel, blocks, threads, shared, [&] { kernel(__VA_ARGS__); })

struct Dimensions {
  unsigned x, y, z;
};
static Dimensions gridDim, blockIdx, blockDim, threadIdx;

extern "C" {
extern unsigned char __start_emulated_shared[] __attribute__((weak));
extern unsigned char __stop_emulated_shared[] __attribute__((weak));
int emulated_backwards = 0;
}

namespace emulation {

enum { MOST_THREADS = 1024, STACK = 1 << 18, DYNAMIC = 232448, ENDED = -1, SHUFFLE = -2 };

struct Fiber {
  ucontext_t first;
  jmp_buf at;
  char* stack;
  bool started;
  int site;  // the line of the barrier it waits at, or ENDED
};

static Fiber fibers[MOST_THREADS];
static jmp_buf scheduler;
static unsigned current;
static const char* kernel_name = "";
static void (*body)(void*);
static void* closure;
static char fault[256];
static unsigned char dynamic[DYNAMIC] __attribute__((aligned(16)));
static unsigned char posted[MOST_THREADS][16];

static void stop(const char* what, long long a, long long b) {
  if (fault[0]) return;
  const int used = snprintf(fault, sizeof fault, "%s, block %u: ", kernel_name, blockIdx.x);
  snprintf(fault + used, sizeof fault - used, what, a, b);
}

static void leave() {
  if (!_setjmp(fibers[current].at)) _longjmp(scheduler, 1);
}

static void wait(int line) {
  fibers[current].site = line;
  leave();
}

static void enter() {
  for (;;) {
    body(closure);
    wait(ENDED);
  }
}

static __attribute__((noinline)) void resume(unsigned thread) {
  Fiber& fiber = fibers[thread];
  current = threadIdx.x = thread;
  if (_setjmp(scheduler)) return;
  if (fiber.started) _longjmp(fiber.at, 1);
  fiber.started = true;
  if (!fiber.stack) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    fiber.stack = (char*)mmap(0, STACK, PROT_READ | PROT_WRITE, flags, -1, 0);
  }
  getcontext(&fiber.first);
  fiber.first.uc_stack.ss_sp = fiber.stack;
  fiber.first.uc_stack.ss_size = STACK;
  fiber.first.uc_link = 0;
  makecontext(&fiber.first, enter, 0);
  setcontext(&fiber.first);
}

// Every thread to its next barrier; whether they all came to the same one and it is not the end.
static bool advance(unsigned threads) {
  for (unsigned k = 0; k < threads && !fault[0]; ++k)
    resume(emulated_backwards ? threads - 1 - k : k);
  const int site = fibers[0].site;
  for (unsigned k = 1; k < threads && !fault[0]; ++k)
    if (fibers[k].site != site)
      stop("threads parted: one waits at line %lld, another at %lld", site, fibers[k].site);
  return site != ENDED && !fault[0];
}

template <typename Call>
static void launch(const char* name, long long blocks, int threads, long long shared, Call call) {
  kernel_name = name;
  closure = &call;
  body = [](void* own) { (*(Call*)own)(); };
  blockDim.x = threads;
  gridDim.x = (unsigned)blocks;
  if (shared > DYNAMIC) stop("got %lld bytes of shared memory, expected at most %lld", shared, DYNAMIC);
  for (long long block = 0; block < blocks && !fault[0]; ++block) {
    blockIdx.x = (unsigned)(emulated_backwards ? blocks - 1 - block : block);
    memset(dynamic, 0xff, shared);
    if (__start_emulated_shared)
      memset(__start_emulated_shared, 0xff, __stop_emulated_shared - __start_emulated_shared);
    while (advance(threads)) {
    }
  }
  if (fault[0])
    for (Fiber& fiber : fibers) fiber.started = false;  // abandoned half way
}

}  // namespace emulation

extern "C" {
// What stopped the run, or an empty text.
const char* emulated_fault() { return emulation::fault; }

void __ubsan_handle_out_of_bounds(void* place, unsigned long index) {
  const char* file = *(const char**)place;
  (void)file;
  const unsigned line = *(unsigned*)((const char**)place + 1);
  emulation::stop("index %lld outside an array, line %lld", (long long)index, line);
  _longjmp(emulation::scheduler, 1);
}
}

enum { cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyHostToDevice };

static inline void cudaMemcpy(void* target, const void* source, size_t size, int) {
  memmove(target, source, size);
}
static inline void cudaMemcpyAsync(void* target, const void* source, size_t size, int) {
  memmove(target, source, size);
}
template <typename T>
static void cudaGetSymbolAddress(void** place, const T& symbol) {
  *place = (void*)&symbol;
}
static inline int cudaPeekAtLastError() { return emulation::fault[0] ? 1 : 0; }
static inline int cudaGetLastError() { return emulation::fault[0] ? 1 : 0; }

template <typename T>
static T __shfl_down_sync(unsigned, T value, int distance) {
  using namespace emulation;
  memcpy(posted[threadIdx.x], &value, sizeof value);
  wait(SHUFFLE);
  if (threadIdx.x % 32 + distance < 32) memcpy(&value, posted[threadIdx.x + distance], sizeof value);
  wait(SHUFFLE);
  return value;
}

static inline int atomicCAS(int* at, int expected, int value) {
  const int before = *at;
  if (before == expected) *at = value;
  return before;
}

static inline int __popcll(uint64_t x) { return __builtin_popcountll(x); }
static inline int __clzll(uint64_t x) { return x ? __builtin_clzll(x) : 64; }
static inline float rsqrtf(float x) { return (float)(1 / sqrt((double)x)); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }

// 16-bit floats: rounded to the nearest value of the type, ties to even, once.

struct __half {
  uint16_t bits;
};
struct __nv_bfloat16 {
  uint16_t bits;
};

// `x` rounded to `precision` bits, none of them worth less than 2^least.
static inline double emulated_rounding(double x, int precision, int least) {
  int exponent = 0;
  frexp(x, &exponent);
  const int last = exponent - precision > least ? exponent - precision : least;
  return ldexp(rint(ldexp(x, -last)), last);
}

static inline __half __double2half(double x) {
  const uint16_t sign = signbit(x) ? 0x8000 : 0;
  if (x != x) return {(uint16_t)(sign | 0x7e00)};
  const double rounded = fabs(x) > 1e6 ? 1e6 : emulated_rounding(fabs(x), 11, -24);
  if (rounded >= 65536.0) return {(uint16_t)(sign | 0x7c00)};
  if (rounded < ldexp(1, -14)) return {(uint16_t)(sign | (uint16_t)ldexp(rounded, 24))};
  int exponent = 0;
  const double fraction = frexp(rounded, &exponent);  // in [0.5, 1)
  return {(uint16_t)(sign | ((exponent + 14) << 10) | ((int)ldexp(fraction, 11) - 1024))};
}
static inline __half __float2half_rn(float x) { return __double2half(x); }

// What CUDA's mathematics has and the C library has not: Winitzki's start, then Halley's method.
static inline double erfinv(double x) {
  const double size = fabs(x), rest = 1 - size;
  if (!(size < 1)) return size == 1 ? copysign(INFINITY, x) : NAN;
  if (size < 1e-9) return x * 0.886226925452758;
  const double length = log(rest * (1 + size));
  const double middle = 2 / (3.141592653589793 * 0.147) + length / 2;
  double y = sqrt(sqrt(middle * middle - length / 0.147) - middle);
  for (int turn = 0; turn < 3; ++turn) {
    const double miss = size > 0.5 ? rest - erfc(y) : erf(y) - size;
    const double step = miss * 0.886226925452758 * exp(y * y);
    y -= step / (1 + y * step);
  }
  return copysign(y, x);
}
static inline float erfinvf(float x) { return (float)erfinv((double)x); }

static inline float __half2float(__half x) {
  const int exponent = x.bits >> 10 & 31, fraction = x.bits & 1023;
  const double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                      : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                     : ldexp(fraction, -24);
  return (float)(x.bits & 0x8000 ? -size : size);
}

static inline __nv_bfloat16 __double2bfloat16(double x) {
  if (x != x) return {0x7fc0};
  const double limit = 1e39;
  const double tame = fabs(x) > limit ? copysign(limit, x) : x;
  const float rounded = (float)emulated_rounding(tame, 8, -133);
  uint32_t bits;
  memcpy(&bits, &rounded, 4);
  return {(uint16_t)(bits >> 16)};
}
static inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __double2bfloat16(x); }

static inline float __bfloat162float(__nv_bfloat16 x) {
  const uint32_t bits = (uint32_t)x.bits << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

#endif
