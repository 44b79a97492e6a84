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

/* (e ** r - 1) / r for |r| < 0.347 by Chebyshev interpolation, to 2^-43. */
static const double ABOUT_EXPM1[] = {
  0x1.0000000000000p+0, 0x1.fffffffff7067p-2, 0x1.5555555553b3cp-3, 0x1.5555557463529p-5, 0x1.1111111c5b16fp-7,
  0x1.6c164d62635a8p-10, 0x1.a019ad41ef162p-13, 0x1.a15b19c586d58p-16, 0x1.72c7b3ac3a215p-19,
};
/* erf(z) / z in z^2 / 8 - 1 for |z| <= 4, to 2^-48. */
static const double ABOUT_ERF[] = {
  0x1.6a040781a499cp-2, -0x1.69a0ccda3d64cp-3, 0x1.0dabaf0613ba3p-3, -0x1.b92e95c2082efp-4, 0x1.717efc7866622p-4,
  -0x1.3215d8a93e637p-4, 0x1.ea97f1435b3b1p-5, -0x1.76e8662b934a6p-5, 0x1.0ed52c746d5a7p-5, -0x1.7034e0d4c07fbp-6,
  0x1.d6351b2a68c30p-7, -0x1.1a03324524eb7p-7, 0x1.3e159e4055495p-8, -0x1.51e22dc762af1p-9, 0x1.52d2a857d3684p-10,
  -0x1.41c98e7223066p-11, 0x1.212a99410147fp-12, -0x1.e8ca45225386bp-14, 0x1.8e920ca09e5a6p-15,
  -0x1.495c9865bc3cep-16, 0x1.e1ce46763b7c0p-18, -0x1.df21589961446p-20, 0x1.597abb52dd5a7p-21,
  -0x1.05d62bdd9912cp-21, 0x1.3bcedf8176ef1p-23,
};

/* f and 2 ** k with e ** x about (1 + f) 2 ** k, for |x| < 700. */
static inline vd about_expm1(vd x, vd *scale) {
  vd shifted = about_fma(x, (vd)INVERSE_LN2, (vd)INTEGER_SHIFT);
  vd k = shifted - INTEGER_SHIFT;
  vd r = about_fma(k, (vd)-LN2_LOW, about_fma(k, (vd)-LN2_HIGH, x));
  *scale = (vd)(((vl)shifted << 52) + (1023LL << 52));
  return r * ABOUT_POLYNOMIAL(ABOUT_EXPM1, r);
}
static inline vd about_exp(vd x) {
  vd scale, f = about_expm1(x, &scale);
  return about_fma(f, scale, scale);
}
static inline vd about_erf(vd x) {
  vd z = at_most(at_least(x, -4.0), 4.0);
  vd s = about_fma(z, z * 0.125, (vd)-1.0);
  return z * ABOUT_POLYNOMIAL(ABOUT_ERF, s);
}

/* Whether all between low and high round to one float32 in every lane: the result. */
static inline int settled(vd low, vd high, vf *result) {
  *result = narrowed(low);
  return !__builtin_reduce_or((vi)*result ^ (vi)narrowed(high));
}
/* The same for y, off by 2^-39 of itself at most. */
static inline int settled_near(vd y, vf *result) {
  return settled(y * (1.0 - 0x1p-39), y * (1.0 + 0x1p-39), result);
}

#define EXACTLY(name)                                                        \
  static inline __attribute__((noinline)) void name##_exactly(vf *x) {       \
    *x = narrowed(name##_vd(widened(*x)));                                   \
  }
EXACTLY(exp) EXACTLY(sigmoid) EXACTLY(tanh) EXACTLY(erf) EXACTLY(gelu) EXACTLY(gelu_tanh)
#undef EXACTLY

static inline vf exp_vf(vf x) {
  vf result;
  if (settled_near(about_exp(at_most(at_least(widened(x), -700.0), 700.0)), &result)) return result;
  exp_exactly(&x);
  return x;
}

static inline vf sigmoid_vf(vf x) {
  vf result;
  vd wide = widened(x), e = about_exp(at_least(-abs_vd(wide), -700.0));
  if (settled_near((wide < 0.0 ? e : (vd)1.0) / (1.0 + e), &result)) return result;
  sigmoid_exactly(&x);
  return x;
}

static inline vf tanh_vf(vf x) {
  vf result;
  vd wide = widened(x), scale, f = about_expm1(2.0 * at_most(abs_vd(wide), 22.0), &scale);
  vd t = about_fma(f, scale, scale - 1.0);
  if (settled_near(copysign_vd(t / (t + 2.0), wide), &result)) return result;
  tanh_exactly(&x);
  return x;
}

static inline vf erf_vf(vf x) {
  vf result;
  if (settled_near(about_erf(widened(x)), &result)) return result;
  erf_exactly(&x);
  return x;
}

/* x / 2 (1 + erf(x / sqrt 2)). Below zero the sum cancels: its error is absolute. */
static inline vf gelu_vf(vf x) {
  vf result;
  vd wide = widened(x), y = 0.5 * wide * (1.0 + about_erf(wide * ROOT_HALF)), error = wide * 0x1p-44;
  if (none(wide < -5.65) && settled(y - error, y + error, &result)) return result;
  gelu_exactly(&x);
  return x;
}

/* x / 2 (1 + tanh(u)) = x / (1 + e ** -2u), the left side rounded to 2^-52. */
static inline vf gelu_tanh_vf(vf x) {
  vf result;
  vd wide = widened(x), e = about_exp(at_most(at_least(-2.0 * gelu_inner(wide), -700.0), 700.0));
  vd y = wide / (1.0 + e), error = abs_vd(y) * 0x1p-39 + abs_vd(wide) * 0x1p-51;
  if (settled(y - error, y + error, &result)) return result;
  gelu_tanh_exactly(&x);
  return x;
}

#endif
