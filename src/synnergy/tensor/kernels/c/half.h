/* float16 by its bits: the same on targets with and without instructions for it. TENSOR-15 */
#ifndef SYNNERGY_HALF_H
#define SYNNERGY_HALF_H

#include "kernels.h"

/* Exact; a NaN stays one. */
static inline float f32_of_f16(uint16_t half) {
  uint32_t size = half & 0x7fff, exponent = 112;
  float subnormal = (float)size * 0x1p-24f, result;
  exponent = size >= 0x7c00 ? 224 : exponent;
  uint32_t bits = (size << 13) + (exponent << 23);
  memcpy(&result, &bits, 4);
  result = size < 0x400 ? subnormal : result;
  return half & 0x8000 ? -result : result;
}

/* To nearest even; a NaN becomes the quiet one. */
static inline uint16_t f16_of_f32(float x) {
  uint32_t bits, small;
  memcpy(&bits, &x, 4);
  uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  float magnitude, shifted;
  memcpy(&magnitude, &size, 4);
  shifted = magnitude + 0.5f; /* the last bit of 0.5 is the smallest float16 */
  memcpy(&small, &shifted, 4);
  uint32_t half = (size + 0xfff + (size >> 13 & 1) - (112u << 23)) >> 13;
  half = size < 0x38800000 ? small - 0x3f000000 : half;
  half = size >= 0x477ff000 ? 0x7c00 : half;
  half = size > 0x7f800000 ? 0x7e00 : half;
  return (uint16_t)(sign | half);
}

/* The same from float64, in one rounding. */
static inline uint16_t f16_of_f64(double x) {
  uint64_t bits, sign;
  memcpy(&bits, &x, 8);
  sign = bits >> 48 & 0x8000, bits &= 0x7fffffffffffffff;
  double size, small;
  memcpy(&size, &bits, 8);
  small = size + 0x1p28; /* its last bit is 2^-24, float16's */
  uint64_t low;
  memcpy(&low, &small, 8);
  low -= 0x41b0000000000000;
  uint64_t normal = (bits - (1008ull << 52) + 0x1ffffffffff + (bits >> 42 & 1)) >> 42;
  uint64_t result = bits < 0x3f10000000000000 ? low : bits >= 0x40effe0000000000 ? 0x7c00 : normal;
  return (uint16_t)((bits > 0x7ff0000000000000 ? 0x7e00 : result) | sign);
}

#endif
