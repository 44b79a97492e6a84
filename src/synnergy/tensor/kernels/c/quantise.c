/* From numbers to small integers and back. SHAPE-100, SHAPE-102 */
#include "int8.h"

INLINE int32_t small_of(int64_t type, const void *p, int64_t i) {
  switch (type) {
  case I8: return ((const int8_t *)p)[i];
  case U8: return ((const uint8_t *)p)[i];
  case I16: return ((const int16_t *)p)[i];
  case U16: return ((const uint16_t *)p)[i];
  default: return ((const int32_t *)p)[i];
  }
}

static inline int64_t size_of_small(int64_t type) { return type == I32 ? 4 : type == I16 || type == U16 ? 2 : 1; }

/* x / scale, quantised, for a run of n; scales and zero points differ where their stride is 1. */
static void quantise_run(void *y, int64_t type, const float *x, const float *scale, const void *zeros, int64_t step,
                         int64_t n) {
  int32_t lowest = lowest_of(type), highest = highest_of(type);
  vf divisor = (vf)*scale;
  vi zero = (vi)(zeros ? small_of(type, zeros, 0) : 0);
  for (int64_t i = 0; i < n; i += VL) {
    int64_t count = least(VL, n - i);
    if (step) {
      divisor = count < VL ? load_part(scale + i, count) : load_vf(scale + i);
      for (int64_t j = 0; j < count && zeros; j++) zero[j] = small_of(type, zeros, i + j);
    }
    vi q = quantised_vi((count < VL ? load_part(x + i, count) : load_vf(x + i)) / divisor, zero, lowest, highest);
    if (type == I8 || type == U8) {
      store_bytes((uint8_t *)y + i, q, count);
      continue;
    }
    vh halves = __builtin_convertvector(q, vh);
    memcpy((uint16_t *)y + i, &halves, (size_t)(2 * count));
  }
}

/* (x - zero) scale for a run of n. */
#define DEQUANTISE_RUN(name, T, W)                                                                                \
  static void dequantise_##name(float *restrict y, const void *from, const float *restrict scale, const void *zeros, \
                                int64_t step, int64_t n) {                                                        \
    const T *restrict x = from, *restrict zero = zeros;                                                           \
    if (!step) {                                                                                                  \
      W shift = zero ? *zero : 0;                                                                                 \
      float factor = *scale;                                                                                      \
      for (int64_t i = 0; i < n; i++) y[i] = (float)((W)x[i] - shift) * factor;                                   \
    } else if (zero) {                                                                                            \
      for (int64_t i = 0; i < n; i++) y[i] = (float)((W)x[i] - (W)zero[i]) * scale[i];                            \
    } else {                                                                                                      \
      for (int64_t i = 0; i < n; i++) y[i] = (float)x[i] * scale[i];                                              \
    }                                                                                                             \
  }
DEQUANTISE_RUN(i8, int8_t, int32_t)
DEQUANTISE_RUN(u8, uint8_t, int32_t)
DEQUANTISE_RUN(i16, int16_t, int32_t)
DEQUANTISE_RUN(u16, uint16_t, int32_t)
DEQUANTISE_RUN(i32, int32_t, int64_t)

/* A walk over runs that have one scale, or a scale for each element (the inner stride is 1): outer,
 * axis, inner sizes, block along the axis, strides of scales for outer, block and inner. */
typedef struct {
  int64_t at, length, scale;
} ScaledRun;

static ScaledRun scaled_run(const int64_t *walk, int64_t at, int64_t end) {
  int64_t axis = walk[1], inner = walk[2], i = at % inner, place = at / inner % axis, outer = at / inner / axis;
  return (ScaledRun){at, least(inner - i, end - at), outer * walk[4] + place / walk[3] * walk[5] + i * walk[6]};
}

/* y, x (F32), scale (F32), zero point or ABSENT (y's type), y's element type, walk: scaled_run's. */
void QUANTISE(const Context *context, const int64_t *args) {
  const int64_t *walk = args + 5;
  int64_t type = args[4], size = size_of_small(type);
  const uint8_t *zeros = at_optional(context, args[3]);
  Range part = share(context, walk[0] * walk[1] * walk[2], 64);
  for (int64_t i = part.begin; i < part.end;) {
    ScaledRun run = scaled_run(walk, i, part.end);
    quantise_run((uint8_t *)at(context, args[0]) + i * size, type, (const float *)at(context, args[1]) + i,
                 (const float *)at(context, args[2]) + run.scale, zeros ? zeros + run.scale * size : NULL, walk[6], run.length);
    i += run.length;
  }
}

/* y (F32), x, scale (F32), zero point or ABSENT (x's type), x's element type, walk: scaled_run's. */
void DEQUANTISE(const Context *context, const int64_t *args) {
  const int64_t *walk = args + 5;
  int64_t type = args[4], size = size_of_small(type);
  const uint8_t *zeros = at_optional(context, args[3]);
  Range part = share(context, walk[0] * walk[1] * walk[2], 64);
  for (int64_t i = part.begin; i < part.end;) {
    ScaledRun run = scaled_run(walk, i, part.end);
    float *y = (float *)at(context, args[0]) + i;
    const uint8_t *x = (const uint8_t *)at(context, args[1]) + i * size, *zero = zeros ? zeros + run.scale * size : NULL;
    const float *scale = (const float *)at(context, args[2]) + run.scale;
    switch (type) {
    case I8: dequantise_i8(y, x, scale, zero, walk[6], run.length); break;
    case U8: dequantise_u8(y, x, scale, zero, walk[6], run.length); break;
    case I16: dequantise_i16(y, x, scale, zero, walk[6], run.length); break;
    case U16: dequantise_u16(y, x, scale, zero, walk[6], run.length); break;
    default: dequantise_i32(y, x, scale, zero, walk[6], run.length);
    }
    i += run.length;
  }
}

/* Lowest and highest of a chunk and 0, or NaN. */
typedef struct {
  float low, high;
} LowHigh;

static LowHigh joined(LowHigh a, LowHigh b) {
  if (a.low != a.low) return a;
  if (b.low != b.low) return b;
  return (LowHigh){a.low < b.low ? a.low : b.low, a.high > b.high ? a.high : b.high};
}

/* extents, x, elements, chunks: the range of each chunk of x. */
void DYNAMIC_RANGE(const Context *context, const int64_t *args) {
  LowHigh *extents = at(context, args[0]);
  const float *x = at(context, args[1]);
  Range part = share(context, args[3], 1);
  for (int64_t chunk = part.begin; chunk < part.end; chunk++) {
    Range range = part_of(args[2], args[3], chunk);
    vf low = (vf)0.0f, high = (vf)0.0f;
    vi odd = (vi)0;
    for (int64_t i = range.begin; i < range.end; i += VL) {
      vf v = range.end - i < VL ? load_part(x + i, range.end - i) : load_vf(x + i);
      low = v < low ? v : low;
      high = v > high ? v : high;
      odd |= v != v;
    }
    LowHigh extent = {0.0f, 0.0f};
    for (int j = 0; j < VL; j++) {
      float nan = __builtin_nanf("");
      extent = joined(extent, odd[j] ? (LowHigh){nan, nan} : (LowHigh){low[j], high[j]});
    }
    extents[chunk] = extent;
  }
}

/* y, scale, zero point, extents, x, elements, chunks. */
void DYNAMIC_QUANTISE(const Context *context, const int64_t *args) {
  LowHigh extent = {0.0f, 0.0f};
  for (int64_t chunk = 0; chunk < args[6]; chunk++) extent = joined(extent, ((const LowHigh *)at(context, args[3]))[chunk]);
  float scale = extent.high == extent.low ? 1.0f : (extent.high - extent.low) / 255.0f;
  uint8_t zero = (uint8_t)quantised_vi((vf)(0.0f - extent.low / scale), (vi)0, 0, 255)[0];
  if (context->thread == 0) {
    *(float *)at(context, args[1]) = scale;
    *(uint8_t *)at(context, args[2]) = zero;
  }
  Range part = share(context, args[5], 64);
  quantise_run((uint8_t *)at(context, args[0]) + part.begin, U8, (const float *)at(context, args[4]) + part.begin, &scale,
               &zero, 0, part.end - part.begin);
}

#define MAP_RUN(T)                                                                                    \
  {                                                                                                   \
    const T *table = at(context, args[2]);                                                            \
    T *restrict y = at(context, args[0]);                                                             \
    _Pragma("clang loop vectorize(disable) unroll_count(8)") for (int64_t i = part.begin; i < part.end; i++) y[i] = table[x[i]]; \
  }

/* y, x, table, elements, bytes of one of y (1 or 4): what the table has for each byte of x. */
void MAP_BYTES(const Context *context, const int64_t *args) {
  const uint8_t *restrict x = at(context, args[1]);
  Range part = share(context, args[3], 64);
  if (args[4] == 1) MAP_RUN(uint8_t)
  else MAP_RUN(uint32_t)
}
