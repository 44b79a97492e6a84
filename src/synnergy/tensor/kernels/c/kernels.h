/* What every kernel sees: the operands of its step, its share of the work, the vector width.
 *
 * A program is a row of 64-bit words: for each step a head (number of the kernel in the low 16
 * bits, words of the whole step above them) and its arguments. An argument is an integer, the bits
 * of a float64, or an address: number of a segment << 40 | byte offset. Segment 0 is the
 * workspace, 1 the scratch memory of this thread, others hold weights.
 *
 * Every thread walks the whole program; a kernel computes the share of its *outputs* that belongs
 * to its thread, so that the number of threads can't change a bit.
 */
#ifndef SYNNERGY_KERNELS_H
#define SYNNERGY_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Without a C library: the WASM build has none. */
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#define memmove __builtin_memmove


typedef struct {
  uint8_t *const *segments;
  int64_t thread, threads;
  int *bad_input; /* set where values of an input make no sense, as an index outside its axis */
} Context;

typedef void Kernel(const Context *context, const int64_t *args);

#define ABSENT (-1)

static inline void *at(const Context *context, int64_t address) {
  return context->segments[address >> 40] + (address & ((1LL << 40) - 1));
}

/* NULL for an optional operand that is left out. */
static inline void *at_optional(const Context *context, int64_t address) {
  return address == ABSENT ? NULL : at(context, address);
}

static inline double f64_of(int64_t bits) {
  double value;
  memcpy(&value, &bits, 8);
  return value;
}

typedef struct {
  int64_t begin, end;
} Range;

/* This thread's part of `total` items, whole multiples of `grain` as far as possible. */
static inline Range share(const Context *context, int64_t total, int64_t grain) {
  int64_t blocks = (total + grain - 1) / grain;
  int64_t begin = blocks * context->thread / context->threads * grain;
  int64_t end = blocks * (context->thread + 1) / context->threads * grain;
  return (Range){begin < total ? begin : total, end < total ? end : total};
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Vectors of one register; VL floats. */
#if defined(__AVX512F__)
#define VL 16
#elif defined(__AVX2__)
#define VL 8
#else
#define VL 4
#endif

typedef float vf __attribute__((ext_vector_type(VL)));
typedef int32_t vi __attribute__((ext_vector_type(VL)));
typedef double vd __attribute__((ext_vector_type(VL)));
/* What a comparison of float64 vectors gives, which isn't int64_t everywhere. */
#if __SIZEOF_LONG__ == 8
typedef long vl __attribute__((ext_vector_type(VL)));
#else
typedef long long vl __attribute__((ext_vector_type(VL)));
#endif

static inline vf load_vf(const float *p) {
  vf v;
  memcpy(&v, p, sizeof v);
  return v;
}
static inline void store_vf(float *p, vf v) { memcpy(p, &v, sizeof v); }

/* a b + c, rounded once. SYNNERGY_PLAIN: without such an instruction, by rounding the float64
 * sum to odd (Boldo and Melquiond 2008), as the reference does. */
#if defined(SYNNERGY_PLAIN)
static __attribute__((noinline, unused)) vf fma_slowly(vd p, vd w) {
  vd t = p + w;
  vd h = t - p;
  vd e = (p - (t - h)) + (w - h);
  vl bits = (vl)t;
  vl inexact = (e != 0.0) & (__builtin_elementwise_abs(e) <= 1.7976931348623157e308) & ((bits & 1) == 0);
  vl step = ((e > 0.0) == (t > 0.0)) ? (vl)1 : (vl)-1;
  bits += inexact & step;
  return __builtin_convertvector((vd)bits, vf);
}
/* Rounding twice differs from rounding once only where the float64 sum lies midway between two
 * float32 (its low 29 bits are 1 and zeros) or below their normal range. */
static inline vf fma_vf(vf a, vf b, vf c) {
  vd p = __builtin_convertvector(a, vd) * __builtin_convertvector(b, vd);
  vd w = __builtin_convertvector(c, vd);
  vd t = p + w;
  vl midway = ((vl)t & 0x1fffffff) == 0x10000000;
  vl small = (__builtin_elementwise_abs(t) < 0x1p-126) & (t != 0.0);
  if (__builtin_expect(__builtin_reduce_or(midway | small) != 0, 0)) return fma_slowly(p, w);
  return __builtin_convertvector(t, vf);
}
static inline float fma_f32(float a, float b, float c) {
  double p = (double)a * (double)b, w = c, t = p + w, h = t - p;
  double e = (p - (t - h)) + (w - h);
  int64_t bits;
  memcpy(&bits, &t, 8);
  if (e != 0.0 && __builtin_fabs(e) <= 1.7976931348623157e308 && (bits & 1) == 0)
    bits += (e > 0.0) == (t > 0.0) ? 1 : -1;
  memcpy(&t, &bits, 8);
  return (float)t;
}
#elif defined(SYNNERGY_RELAXED)
/* Stands for f32x4.relaxed_madd, which tools/fused_wasm.py puts in place of every call. */
__attribute__((const)) vf synnergy_fused(vf a, vf b, vf c);
static inline vf fma_vf(vf a, vf b, vf c) { return synnergy_fused(a, b, c); }
static inline float fma_f32(float a, float b, float c) {
  return fma_vf((vf)a, (vf)b, (vf)c)[0];
}
#else
static inline vf fma_vf(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }
static inline float fma_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#endif

/* Element types, as programs number them. */
enum { F16 = 0, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, BOOL };

#endif
