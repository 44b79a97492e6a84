/* Trigonometric and hyperbolic functions and powers by the reference's formulas, in float64 and in
 * the same order of operations. TENSOR-13, TENSOR-14 */
#ifndef SYNNERGY_TRIGONOMETRY_H
#define SYNNERGY_TRIGONOMETRY_H

#include "functions.h"

/* a + b and the exact error of that sum (Knuth). */
static inline vd two_sum(vd a, vd b, vd *error) {
  vd total = a + b, shadow = total - a;
  *error = (a - (total - shadow)) + (b - shadow);
  return total;
}

/* a b and the exact error of that product (Veltkamp, Dekker). */
static inline vd two_product(vd a, vd b, vd *error) {
  vd product = a * b;
  vd split_a = 134217729.0 * a, high_a = split_a - (split_a - a), low_a = a - high_a;
  vd split_b = 134217729.0 * b, high_b = split_b - (split_b - b), low_b = b - high_b;
  *error = ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b;
  return product;
}

static const double SIN_TERMS[] = {
  -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000,
  1.0 / 355687428096000, -1.0 / 121645100408832000,
};
static const double COS_TERMS[] = {
  1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000,
  -1.0 / 6402373705728000, 1.0 / 2432902008176640000,
};
static const double ATAN_TERMS[] = {-1.0 / 3, 1.0 / 5, -1.0 / 7, 1.0 / 9, -1.0 / 11, 1.0 / 13, -1.0 / 15};
static const double ATANH_TERMS[] = {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11};

typedef struct {
  double high, low;
  int64_t n;
} Reduced;

/* x = n pi/2 + high + low, for finite |x| >= 2^20 (Payne and Hanek): the mantissa times a window
 * of 2/pi in limbs of 27 bits, least significant first. */
static __attribute__((noinline)) Reduced reduce_far(double x) {
  enum { LIMB = 27, WINDOW = 8, MASK = (1 << LIMB) - 1 };
  int64_t bits;
  memcpy(&bits, &x, 8);
  int64_t mantissa = (bits & ((1LL << 52) - 1)) | (1LL << 52);
  int64_t place = ((bits >> 52) & 2047) - 1075 + 54 - 2, start = place / LIMB, shift = place % LIMB;
  if (place < 0) start = 0, shift = 0; /* never, as |x| >= 2^20 */
  int64_t low = (mantissa & MASK) << shift, high = ((mantissa >> LIMB) << shift) + (low >> LIMB);
  int64_t factors[3] = {low & MASK, high & MASK, high >> LIMB}, limbs[WINDOW] = {0}, carry = 0;
  for (int i = 0; i < WINDOW; i++)
    for (int j = 0; j < 3 && j < WINDOW - i; j++) limbs[i + j] += TWO_OVER_PI[start + (WINDOW - 1 - i)] * factors[j];
  for (int i = 0; i < WINDOW; i++) {
    int64_t total = limbs[i] + carry;
    limbs[i] = total & MASK, carry = total >> LIMB;
  }
  /* Two bits of quarter turns, then the fraction of one; from one half on count downwards. */
  int64_t half = (limbs[7] >> (LIMB - 3)) & 1, n = (limbs[7] >> (LIMB - 2)) + half;
  limbs[7] = (limbs[7] & ((1 << (LIMB - 2)) - 1)) - (half << (LIMB - 2));
  vd error, lost, angle, rest;
  vd first = two_sum((vd)((double)limbs[7] * 0x1p-25 + (double)limbs[6] * 0x1p-52),
                     (vd)((double)limbs[5] * 0x1p-79 + (double)limbs[4] * 0x1p-106), &error);
  first = two_sum(first, error + ((double)limbs[3] * 0x1p-133 + (double)limbs[2] * 0x1p-160), &rest);
  angle = two_product(first, (vd)HALF_PI_HIGH, &lost);
  angle = two_sum(angle, lost + (first * HALF_PI_LOW + rest * HALF_PI_HIGH), &rest);
  double sign = bits < 0 ? -1.0 : 1.0;
  return (Reduced){angle[0] * sign, rest[0] * sign, bits < 0 ? -n : n};
}

/* high + low = x - n pi/2; NaN where x isn't finite. */
static inline vd reduce_angle(vd x, vd *low, vl *n) {
  vd magnitude = abs_vd(x), near = magnitude < 0x1p20 ? x : (vd)0.0;
  vd shifted = near * INVERSE_HALF_PI + INTEGER_SHIFT, k = shifted - INTEGER_SHIFT;
  vd error, more, third_error, high = near - k * HALF_PI_1;
  high = two_sum(high, -(k * HALF_PI_2), &error);
  vd third = two_product(k, (vd)HALF_PI_3, &third_error);
  high = two_sum(high, -third, &more);
  high = two_sum(high, error + (more - third_error), low);
  *n = (vl)shifted - INTEGER_BITS;
  vl far = (magnitude >= 0x1p20) & (magnitude < INFINITY_F64);
  if (!none(far))
    for (int lane = 0; lane < VL; lane++)
      if (far[lane]) {
        Reduced reduced = reduce_far(x[lane]);
        high[lane] = reduced.high, (*low)[lane] = reduced.low, (*n)[lane] = reduced.n;
      }
  *n &= 3;
  return magnitude < INFINITY_F64 ? high : (vd)NAN_F64;
}

static inline vd sin_reduced(vd r, vd low) {
  vd z = r * r;
  return r + (r * z * POLYNOMIAL(SIN_TERMS, z) + low * (1.0 - 0.5 * z));
}
static inline vd cos_reduced(vd r, vd low) {
  vd z = r * r, half = 0.5 * z, near = 1.0 - half;
  return near + (((1.0 - near) - half) + (z * z * POLYNOMIAL(COS_TERMS, z) - r * low));
}

/* sin(x + quarters pi/2) */
static inline vd sin_quarters(vd x, int quarters) {
  vl n;
  vd low, r = reduce_angle(x, &low, &n);
  n = (n + quarters) & 3;
  vd result = (vl)((n & 1) == 1) ? cos_reduced(r, low) : sin_reduced(r, low);
  return (vl)(n >= 2) ? -result : result;
}
static inline vd sin_vd(vd x) { return x == 0.0 ? x : sin_quarters(x, 0); }
static inline vd cos_vd(vd x) { return sin_quarters(x, 1); }
static inline vd tan_vd(vd x) {
  vl n;
  vd low, r = reduce_angle(x, &low, &n), sine = sin_reduced(r, low), cosine = cos_reduced(r, low);
  vl odd = (n & 1) == 1;
  return x == 0.0 ? x : (odd ? -cosine : sine) / (odd ? sine : cosine);
}

static inline vd atan_vd(vd x) {
  vd magnitude = abs_vd(x);
  vl large = magnitude > 1.0;
  vd a = large ? 1.0 / magnitude : magnitude, j = rint_vd((a != a ? (vd)0.0 : a) * 16.0), centre = j / 16.0;
  vl index = integer_vl(j);
  vd high = (vd)0.0, low = (vd)0.0;
  ALL_LANES high[lane] = ATAN_HIGH[index[lane]], low[lane] = ATAN_LOW[index[lane]];
  vd t = (a - centre) / (1.0 + a * centre), z = t * t;
  vd rest = t * z * POLYNOMIAL(ATAN_TERMS, z) + low;
  vd near = high + (t + rest), turned = HALF_PI_HIGH - (high + (t + (rest - HALF_PI_LOW)));
  return x == 0.0 ? x : copysign_vd(large ? turned : near, x);
}
static inline vd sqrt_vd(vd x) { return __builtin_elementwise_sqrt(x); }
static inline vd asin_vd(vd x) { return atan_vd(x / sqrt_vd((1.0 - x) * (1.0 + x))); }
static inline vd acos_vd(vd x) { return 2.0 * atan_vd(sqrt_vd((1.0 - x) / (1.0 + x))); }

static inline vd sinh_vd(vd x) {
  vd magnitude = abs_vd(x), t = expm1_vd(at_most(magnitude, 700.0)), root = exp_vd(magnitude * 0.5);
  vd result = magnitude < 700.0 ? 0.5 * (t + t / (t + 1.0)) : (0.5 * root) * root;
  return copysign_vd(x != x ? x : result, x);
}
static inline vd cosh_vd(vd x) {
  vd root = exp_vd(abs_vd(x) * 0.5), e = exp_vd(at_most(abs_vd(x), 700.0));
  return abs_vd(x) < 700.0 ? 0.5 * (e + 1.0 / e) : (0.5 * root) * root;
}
static inline vd asinh_vd(vd x) {
  vd magnitude = abs_vd(x), near = at_most(magnitude, 0x1p28), square = near * near;
  vd result = log1p_vd(near + square / (1.0 + sqrt_vd(1.0 + square)));
  return copysign_vd(magnitude > 0x1p28 ? log_vd(magnitude) + LN2 : result, x);
}
static inline vd acosh_vd(vd x) {
  vd near = at_most(x, 0x1p28) - 1.0, result = log1p_vd(near + sqrt_vd(2.0 * near + near * near));
  return x > 0x1p28 ? log_vd(x) + LN2 : result;
}
static inline vd atanh_vd(vd x) {
  vd magnitude = abs_vd(x);
  return copysign_vd(0.5 * log1p_vd(2.0 * magnitude / (1.0 - magnitude)), x);
}

/* ln x of positive finite x as an unevaluated sum of two float64. */
static inline vd log_pair(vd x, vd *low) {
  vl exponent;
  vd m = split_exponent(x, &exponent), j = rint_vd(m * 128.0), centre = j / 128.0, k = integer_vd(exponent);
  vl index = integer_vl(at_most(at_least(j, 90.0), 181.0)) - 90;
  vd base_high = (vd)0.0, base_low = (vd)0.0;
  ALL_LANES base_high[lane] = LOG_HIGH[index[lane]], base_low[lane] = LOG_LOW[index[lane]];
  /* ln m = ln centre + 2 atanh(s), s = (m - centre) / (m + centre); the difference is exact. */
  vd base_error, back_error, rest;
  vd difference = m - centre, base = two_sum(m, centre, &base_error), s = difference / base;
  vd back = two_product(s, base, &back_error);
  vd s_low = (((difference - back) - back_error) - s * base_error) / base, z = s * s;
  vd tail = s * z * POLYNOMIAL(ATANH_TERMS, z) + 2.0 * s_low;
  tail = tail + (base_low + k * LN2_LOW);
  vd high = two_sum(k * LN2_HIGH + base_high, 2.0 * s, &rest);
  return two_sum(high, rest + tail, low);
}

/* x ** y with the special values of IEEE 754 `pow`. */
static inline vd power_vd(vd x, vd y) {
  vd magnitude = abs_vd(x), low, error, whole = rint_vd(y);
  vl plain = (magnitude > 0.0) & (magnitude < INFINITY_F64), growing = y > 0.0;
  vd high = log_pair(plain ? magnitude : (vd)1.0, &low);
  vd y_near = at_most(at_least(y, -0x1p64), 0x1p64);
  vd product = two_product(high, y_near != y_near ? (vd)1.0 : y_near, &error);
  vd result = exp_sum_vd(product, error + low * y_near);
  result = magnitude == 0.0 ? (growing ? (vd)0.0 : (vd)INFINITY_F64) : result;
  result = magnitude == INFINITY_F64 ? (growing ? (vd)INFINITY_F64 : (vd)0.0) : result;
  vl integral = whole == y, odd = integral & (abs_vd(y) < 0x1p53) & (rint_vd(y * 0.5) != y * 0.5);
  vl negative = (vl)x < 0;
  result = negative & odd ? -result : result;
  result = negative & plain & ~integral ? (vd)NAN_F64 : result;
  result = ((magnitude == 1.0) & (abs_vd(y) == INFINITY_F64)) ? (vd)1.0 : result;
  result = ((x != x) | (y != y)) ? (vd)NAN_F64 : result;
  return ((y == 0.0) | (x == 1.0)) ? (vd)1.0 : result;
}

/* |y| below 2^23 rounded to an integer, ties to even. */
static inline vf rint_size_vf(vf size) { return (size + 0x1p23f) - 0x1p23f; }

/* e ** (y ln |x|) where that is an ordinary float32, with a sign for negative x. */
static inline int power_settled(vf x, vf y, vf *result) {
  vf size = abs_vf(x), y_size = abs_vf(y), half = y_size * 0.5f;
  vi integral = (y_size >= 0x1p23f) | (rint_size_vf(y_size) == y_size);
  vi odd = integral & (y_size < 0x1p24f) & (half < 0x1p23f) & (rint_size_vf(half) != half);
  vd power = widened(y) * log_vd(widened(size == 0.0f ? (vf)1.0f : size));
  vd magnitude = about_exp(at_most(at_least(power, -700.0), 700.0));
  vf near = narrowed(power), value = size == 0.0f ? (vf)0.0f : narrowed(magnitude);
  *result = (vf)((vi)value | ((vi)x & odd & INT32_MIN));
  vi special = ((x < 0.0f) & ~integral) | ~(size < __builtin_inff()) | ~(y_size < __builtin_inff());
  special |= ((size == 0.0f) & ~(y > 0.0f)) | (near < -87.3f) | (near > 88.7f);
  return settled_near(magnitude) && none_vf(special);
}
static inline __attribute__((noinline)) void power_exactly(vf *x, const vf *y) {
  *x = narrowed(power_vd(widened(*x), widened(*y)));
}
static inline vf power_vf(vf x, vf y) {
  vf result;
  if (power_settled(x, y, &result)) return result;
  power_exactly(&x, &y);
  return x;
}

#endif
