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

#endif
