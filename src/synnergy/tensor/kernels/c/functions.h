/* Exponential, trigonometric and error functions by the reference's formulas: float64 in the same
 * order of operations, nothing fused. TENSOR-13, TENSOR-14, TENSOR-22
 *
 * name_vd takes float64. name_vf takes float32 through float64: first by a shorter formula, whose
 * result counts only where every number within its error of it rounds to the same float32; where
 * one lane doesn't, by the formula of name_vd.
 */
#ifndef SYNNERGY_FUNCTIONS_H
#define SYNNERGY_FUNCTIONS_H

#include "kernels.h"
#include "tables.h"

#define NAN_F64 __builtin_nan("")
#define INFINITY_F64 __builtin_inf()
#define ALL_LANES _Pragma("clang loop unroll(full)") for (int lane = 0; lane < VL; lane++)

static inline vd widened(vf x) { return __builtin_convertvector(x, vd); }
static inline vf narrowed(vd x) { return __builtin_convertvector(x, vf); }
static inline vd abs_vd(vd x) { return (vd)((vl)x & INT64_MAX); }
static inline vd copysign_vd(vd x, vd sign) { return (vd)(((vl)x & INT64_MAX) | ((vl)sign & INT64_MIN)); }
static inline vd at_most(vd x, double bound) { return x > bound ? (vd)bound : x; }
static inline vd at_least(vd x, double bound) { return x < bound ? (vd)bound : x; }
static inline int none(vl mask) { return !__builtin_reduce_or(mask); }

/* 1.5 2^52: added to a number below 2^51, it leaves the nearest integer in the low bits. */
#define INTEGER_SHIFT 6755399441055744.0
#define INTEGER_BITS 0x4338000000000000LL

static inline vl integer_vl(vd integral) { return (vl)(integral + INTEGER_SHIFT) - INTEGER_BITS; }
static inline vd integer_vd(vl small) { return (vd)(small + INTEGER_BITS) - INTEGER_SHIFT; }

/* The nearest integer, ties to even; larger numbers are integers already. */
static inline vd rint_vd(vd x) {
  vd size = abs_vd(x), whole = (size + 0x1p52) - 0x1p52;
  return size < 0x1p52 ? copysign_vd(whole, x) : x;
}

/* Horner's rule, lowest term first. */
static inline __attribute__((always_inline)) vd polynomial(const double *terms, int count, vd x) {
  vd total = (vd)terms[count - 1];
  _Pragma("clang loop unroll(full)") for (int i = count - 2; i >= 0; i--) total = total * x + terms[i];
  return total;
}
#define POLYNOMIAL(terms, x) polynomial(terms, (int)(sizeof(terms) / sizeof *(terms)), x)

static const double EXP_TERMS[] = {
  1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800,
  1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200,
};
static const double LOG_TERMS[] = {
  2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23,
};

/* 2 ** n for n in -1022..1023. */
static inline vd power_of_two(vl n) { return (vd)((n + 1023) << 52); }

/* f and the number k with e ** (x + low) = (1 + f) 2 ** k; n is k as an integer, anything for NaN. */
static inline vd expm1_reduced(vd x, vd low, vl *n, vd *k) {
  vd shifted = x * INVERSE_LN2 + INTEGER_SHIFT;
  *n = (vl)shifted - INTEGER_BITS;
  *k = shifted - INTEGER_SHIFT;
  vd high = x - *k * LN2_HIGH;
  vd rest = *k * LN2_LOW - low;
  vd r = high - rest;
  vd lost = (high - r) - rest;
  return r + (r * r * POLYNOMIAL(EXP_TERMS, r) + lost);
}

static inline vd exp_sum_vd(vd x, vd low) {
  vl n;
  vd k, f = expm1_reduced(at_most(at_least(x, -800.0), 800.0), abs_vd(x) < 800.0 ? low : (vd)0.0, &n, &k);
  vl first = n >> 1;
  return ((1.0 + f) * power_of_two(first)) * power_of_two(n - first);
}
static inline vd exp_vd(vd x) { return exp_sum_vd(x, (vd)0.0); }

static inline vd expm1_vd(vd x) {
  vl n;
  vd k, f = expm1_reduced(at_most(at_least(x, -64.0), 800.0), (vd)0.0, &n, &k);
  vd half = power_of_two((n > 1024 ? (vl)1024 : n) - 1);
  vd result = (half * f + (half - 0.5)) * 2.0;
  result = k > 1024.0 ? (vd)INFINITY_F64 : k == 0.0 ? f : result;
  return x == 0.0 ? x : result;
}

/* m in [sqrt(1/2), sqrt(2)) and e with x = m 2 ** e, for positive finite x. */
static inline vd split_exponent(vd x, vl *exponent) {
  vl subnormal = x < 0x1p-1022;
  vl bits = (vl)(subnormal ? x * 0x1p54 : x);
  *exponent = ((vl)((bits >> 52) - 1023)) - (subnormal & 54);
  vd m = (vd)((bits & ((1LL << 52) - 1)) | (1023LL << 52));
  vl large = m >= 1.4142135623730951;
  *exponent -= large;
  return large ? m * 0.5 : m;
}

/* ln of x: `low` is what comes to k LN2_LOW. */
static inline vd log_from(vd x, vd correction, int corrected) {
  vl exponent;
  vd m = split_exponent(x, &exponent);
  vd f = m - 1.0, k = integer_vd(exponent);
  vd s = f / (2.0 + f), z = s * s;
  vd half_square = 0.5 * f * f;
  vd rest = z * POLYNOMIAL(LOG_TERMS, z);
  vd low = corrected ? k * LN2_LOW + correction / x : k * LN2_LOW;
  vd result = k * LN2_HIGH - ((half_square - (s * (half_square + rest) + low)) - f);
  result = x == INFINITY_F64 ? (vd)INFINITY_F64 : result;
  return x > 0.0 ? result : x == 0.0 ? (vd)-INFINITY_F64 : (vd)NAN_F64;
}
static inline vd log_vd(vd x) { return log_from(x, x, 0); }

static inline vd log1p_vd(vd x) {
  vd u = 1.0 + x;
  vd result = log_from(u, abs_vd(u) == INFINITY_F64 ? (vd)0.0 : x - (u - 1.0), 1);
  return u == 1.0 ? x : result;
}

static inline vd sigmoid_vd(vd x) {
  vd e = exp_vd(-abs_vd(x));
  return (x < 0.0 ? e : (vd)1.0) / (1.0 + e);
}

static inline vd tanh_vd(vd x) {
  vd t = expm1_vd(2.0 * at_most(abs_vd(x), 22.0));
  return copysign_vd(t / (t + 2.0), x);
}

static inline vd softplus_vd(vd x) { return (x < 0.0 ? (vd)0.0 : x) + log1p_vd(exp_vd(-abs_vd(x))); }

static inline vd erf_vd(vd x) {
  vd magnitude = abs_vd(x), clipped = magnitude < 1.0 ? magnitude : (vd)1.0;
  vd near = x * POLYNOMIAL(ERF_SERIES, clipped * clipped);
  if (none(~(magnitude < 1.0))) return near;
  vd a = at_most(at_least(x != x ? (vd)1.0 : magnitude, 1.0), 6.0);
  vd quarter = rint_vd(a * 4.0);
  vd h = a - quarter * 0.25;
  vl row = integer_vl(quarter) - 4;
  vd far = (vd)0.0, term = (vd)0.0;
  for (int i = 15; i >= 0; i--) {
    ALL_LANES term[lane] = ERF_TABLE[i * 21 + row[lane]];
    far = i == 15 ? term : far * h + term;
  }
  return magnitude < 1.0 ? near : x != x ? x : copysign_vd(far, x);
}

#define ROOT_HALF 0x1.6a09e667f3bcdp-1
static inline vd gelu_vd(vd x) { return 0.5 * x * (1.0 + erf_vd(x * ROOT_HALF)); }

static inline vd gelu_inner(vd x) { return 0.7978845608028654 * (x + 0.044715 * (x * x * x)); }
static inline vd gelu_tanh_vd(vd x) { return 0.5 * x * (1.0 + tanh_vd(gelu_inner(x))); }

/* ---- float32 through float64 ---- */

/* Fused where a float64 instruction for it is everywhere in the build: bits don't hang on it. */
#if defined(SYNNERGY_PLAIN) || defined(__wasm__)
static inline vd about_fma(vd a, vd b, vd c) { return a * b + c; }
#else
static inline vd about_fma(vd a, vd b, vd c) { return __builtin_elementwise_fma(a, b, c); }
#endif

static inline __attribute__((always_inline)) vd about_polynomial(const double *terms, int count, vd x) {
  vd square = x * x, even = (vd)0.0, odd = (vd)0.0;
  _Pragma("clang loop unroll(full)") for (int i = count - 1; i >= 0; i--) {
    if (i & 1) odd = i >= count - 2 ? (vd)terms[i] : about_fma(odd, square, (vd)terms[i]);
    else even = i >= count - 2 ? (vd)terms[i] : about_fma(even, square, (vd)terms[i]);
  }
  return about_fma(odd, x, even);
}
#define ABOUT_POLYNOMIAL(terms, x) about_polynomial(terms, (int)(sizeof(terms) / sizeof *(terms)), x)

/* (e ** r - 1) / r for |r| < 0.347 by Chebyshev interpolation, to 2^-37.6. */
static const double ABOUT_EXPM1[] = {
  0x1.fffffffff606dp-1, 0x1.fffffffffe019p-2, 0x1.5555557ebf21cp-3, 0x1.55555565e487bp-5, 0x1.1110a59b13970p-7,
  0x1.6c166b7b527ccp-10, 0x1.a17ed39f3a253p-13, 0x1.a137641712778p-16,
};
/* erf(z) / z in z^2 / 8 - 1 for |z| <= 4, to 2^-42.5. */
static const double ABOUT_ERF[] = {
  0x1.6a040781a499cp-2, -0x1.69a0ccda546f8p-3, 0x1.0dabaf061aaf4p-3, -0x1.b92e95b222de8p-4, 0x1.717efc7399f2bp-4,
  -0x1.3215da47bcb8bp-4, 0x1.ea97f23d8f9e6p-5, -0x1.76e83f36d72e4p-5, 0x1.0ed520b2f4cabp-5, -0x1.7036e95f70717p-6,
  0x1.d6365549c3702p-7, -0x1.19f29a25d3e5ep-7, 0x1.3e0b9b08580cfp-8, -0x1.5290127053989p-9, 0x1.533b91aacf1bdp-10,
  -0x1.3d1f5c56a5bf3p-11, 0x1.1e5a335e8a56ep-12, -0x1.09470d1cc5dc3p-13, 0x1.a7c3511e4d84dp-15,
  -0x1.a7f85d543368dp-17, 0x1.54370a7bf7a43p-18, -0x1.33ca61b9e9205p-18, 0x1.8f8424cd1b681p-20,
};

/* r with x = r + k ln 2, and k in the low bits of *shifted; for |x| < 700. */
static inline vd about_reduced(vd x, vl *shifted) {
  vd k = about_fma(x, (vd)INVERSE_LN2, (vd)INTEGER_SHIFT);
  *shifted = (vl)k;
  return about_fma(k - INTEGER_SHIFT, (vd)-LN2, x);
}
static inline vd about_exp(vd x) {
  vl shifted;
  vd r = about_reduced(x, &shifted);
  return (vd)((vl)about_fma(r, ABOUT_POLYNOMIAL(ABOUT_EXPM1, r), (vd)1.0) + (shifted << 52));
}
static inline vd about_expm1(vd x) {
  vl shifted;
  vd r = about_reduced(x, &shifted), scale = (vd)((shifted << 52) + (1023LL << 52));
  return about_fma(r * ABOUT_POLYNOMIAL(ABOUT_EXPM1, r), scale, scale - 1.0);
}
static inline vd about_erf(vd z) {
  return z * ABOUT_POLYNOMIAL(ABOUT_ERF, about_fma(z, z * 0.125, (vd)-1.0));
}

static inline vf abs_vf(vf x) { return (vf)((vi)x & INT32_MAX); }
static inline vf copysign_vf(vf x, vf sign) { return (vf)((vi)x | ((vi)sign & INT32_MIN)); }
static inline vf at_most_vf(vf x, float bound) { return x > bound ? (vf)bound : x; }
static inline vf at_least_vf(vf x, float bound) { return x < bound ? (vf)bound : x; }
static inline int none_vf(vi mask) { return !__builtin_reduce_or(mask); }

/* Whether no lane of y is within 2^17 of its last places, 2^-36 of it, of the middle between two
 * float32. Says nothing of results that are subnormal in float32, or beyond it. */
static inline int settled_near(vd y) {
  enum { MARGIN = 1 << 17, HALF = 1 << 28 };
  return none((((vl)y + (MARGIN - HALF)) & (2 * HALF - 2 * MARGIN)) == 0);
}

/* Whether all between low and high round to one float32 in every lane: the result. */
static inline int settled(vd low, vd high, vf *result) {
  *result = narrowed(low);
  return none_vf((vi)*result ^ (vi)narrowed(high));
}


/* name_settled: the float32 results by the shorter formula, and whether they count. */

/* Up to -104 it is 0, and results from there to -87.3 are subnormal; from 88.8 on it is infinite. */
static inline int exp_settled(vf x, vf *result) {
  vd y = about_exp(widened(at_most_vf(at_least_vf(x, -104.0f), 89.0f)));
  *result = narrowed(y);
  return settled_near(y) && none_vf(((x > -104.0f) & (x < -87.3f)) | ((x > 88.7f) & (x < 88.8f)));
}

static inline int sigmoid_settled(vf x, vf *result) {
  vd e = about_exp(widened(at_least_vf(-abs_vf(x), -104.0f)));
  vd y = (widened(x) < 0.0 ? e : (vd)1.0) / (1.0 + e);
  *result = narrowed(y);
  return settled_near(y) && none_vf((x > -104.0f) & (x < -87.3f));
}

/* From 9.02 on it is 1. Subnormal results are x itself. */
static inline int tanh_settled(vf x, vf *result) {
  vf size = at_most_vf(abs_vf(x), 10.0f);
  vd t = about_expm1(widened(size + size)), y = t / (t + 2.0);
  *result = copysign_vf(narrowed(y), x);
  return settled_near(y);
}

/* From 3.83 on it is 1. */
static inline int erf_settled(vf x, vf *result) {
  vd y = about_erf(widened(at_most_vf(at_least_vf(x, -4.0f), 4.0f)));
  vf size = abs_vf(x);
  *result = narrowed(y);
  return settled_near(y) && none_vf((size > 0.0f) & (size < 0x1p-120f));
}

/* x / 2 (1 + erf(x / sqrt 2)). Below zero the sum cancels: its error is absolute. */
static inline int gelu_settled(vf x, vf *result) {
  vd wide = widened(x), erf = about_erf(widened(at_most_vf(x, 5.65f)) * ROOT_HALF);
  vd y = 0.5 * wide * (1.0 + erf), error = wide * 0x1p-41;
  return settled(y - error, y + error, result) && none_vf(x < -5.65f);
}

/* x / 2 (1 + tanh(u)) = x / (1 + e ** -2u), the left side rounded to 2^-52. */
static inline int gelu_tanh_settled(vf x, vf *result) {
  vd wide = widened(x), e = about_exp(at_most(at_least(-2.0 * gelu_inner(wide), -700.0), 700.0));
  vd y = wide / (1.0 + e), error = abs_vd(y) * 0x1p-36 + abs_vd(wide) * 0x1p-51;
  return settled(y - error, y + error, result);
}

/* name_vf: one vector. name_f32: `n` elements, which may be replaced in place; vectors that aren't
 * settled wait until the end, so that nothing is called between the others. */
#define THROUGH_F64(name)                                                                  \
  static inline __attribute__((noinline)) void name##_exactly(vf *x) {                     \
    *x = narrowed(name##_vd(widened(*x)));                                                 \
  }                                                                                        \
  static inline vf name##_vf(vf x) {                                                       \
    vf result;                                                                             \
    if (name##_settled(x, &result)) return result;                                         \
    name##_exactly(&x);                                                                    \
    return x;                                                                              \
  }                                                                                        \
  static inline __attribute__((noinline)) void name##_f32(float *to, const float *from, int64_t n) { \
    enum { PIECE = 32 };                                                                   \
    vf waiting[PIECE];                                                                     \
    int64_t places[PIECE];                                                                 \
    for (int64_t begin = 0; begin + VL <= n; begin += PIECE * VL) {                        \
      int64_t count = 0, end = least(n - VL, begin + (PIECE - 1) * VL);                    \
      for (int64_t i = begin; i <= end; i += VL) {                                         \
        vf x = load_vf(from + i), result;                                                  \
        int done = name##_settled(x, &result);                                             \
        store_vf(to + i, result);                                                          \
        waiting[count] = x, places[count] = i;                                             \
        count += !done;                                                                    \
      }                                                                                    \
      for (int64_t i = 0; i < count; i++) {                                                \
        name##_exactly(&waiting[i]);                                                       \
        store_vf(to + places[i], waiting[i]);                                              \
      }                                                                                    \
    }                                                                                      \
    if (n % VL) {                                                                          \
      vf x = (vf)0.0f;                                                                     \
      memcpy(&x, from + n - n % VL, (size_t)(n % VL) * 4);                                 \
      x = name##_vf(x);                                                                    \
      memcpy(to + n - n % VL, &x, (size_t)(n % VL) * 4);                                   \
    }                                                                                      \
  }
THROUGH_F64(exp) THROUGH_F64(sigmoid) THROUGH_F64(tanh) THROUGH_F64(erf) THROUGH_F64(gelu) THROUGH_F64(gelu_tanh)

#endif
