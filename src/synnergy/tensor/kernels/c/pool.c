/* Windows that keep their largest element or a sum, and normalisation by channels.
 *
 * TENSOR-18: elements in row-major order of the kernel. A plane is one channel of one image.
 */
#include "conv.h"
#include "half.h"

enum { POOL_LARGEST = 0, POOL_MEAN, POOL_ABSOLUTE_SUM, POOL_SQUARES_ROOT };

/* For how many elements of the kernel the window at `place` along an axis isn't beyond `before`
 * the input and `after` it. */
static inline int64_t counted(const Geometry *g, int axis, int64_t place, int64_t before, int64_t after) {
  int64_t count = 0;
  for (int64_t k = 0; k < g->kernel[axis]; k++) {
    int64_t at_input = place * g->strides[axis] + k * g->dilations[axis] - g->before[axis];
    count += at_input >= -before && at_input < g->in[axis] + after;
  }
  return count;
}

INLINE vf pool_sums(int64_t operation, int64_t terms, const int32_t *places, const float *copy) {
  vf total = (vf)(operation == POOL_LARGEST ? -__builtin_inff() : 0.0f);
  for (int64_t k = 0; k < terms; k++) {
    vf v = load_vf(copy + places[k]);
    if (operation == POOL_LARGEST) total = ((v > total) | (v != v)) ? v : total;
    if (operation == POOL_MEAN) total += v;
    if (operation == POOL_ABSOLUTE_SUM) total += __builtin_elementwise_abs(v);
    if (operation == POOL_SQUARES_ROOT) total += v * v;
  }
  return total;
}

/* One row of output. */
INLINE void pool_row(int64_t operation, int64_t terms, const int32_t *places, const float *copy, int64_t width,
                     int64_t height, const float *counts, float *y, int64_t room) {
  for (int64_t next = 0; next < width; next += VL) {
    int64_t column = most(0, least(next, width - VL)); /* the last vector may repeat columns */
    vf v = pool_sums(operation, terms, places, copy + column);
    if (operation == POOL_MEAN) v /= (vf)(float)height * load_vf(counts + column);
    if (operation == POOL_SQUARES_ROOT) v = __builtin_elementwise_sqrt(v);
    /* What a narrow row leaves beyond its end, the next row of the band overwrites. */
    if (room - column >= VL) store_vf(y + column, v);
    else write_lanes(y + column, v, least(VL, width - column));
  }
}

/* y, x, operation, whether padding counts, rows of output in a band, scratch memory, geometry's
 * words (a group is a channel, axes of depth are 1), padding behind each axis. */
void POOL_PLANES_F32(const Context *context, const int64_t *args) {
  Geometry g = geometry_of(args + 6);
  const int64_t *after = args + 6 + GEOMETRY_WORDS;
  int64_t operation = args[2], width = g.out[2], padding = args[3];
  float *counts = at(context, args[5]);
  int32_t *places = (int32_t *)(counts + width + VL);
  float *copy = (float *)(places + g.terms);
  Plane plane = plane_of(&g, args[4], places);
  for (int64_t i = 0; i < width; i++)
    counts[i] = (float)counted(&g, 2, i, padding ? g.before[2] : 0, padding ? after[2] : 0);
  int64_t whole = g.in[1] * g.in[2];
  const float *x = at(context, args[1]), *limit = x + g.images * g.groups * whole;
  float fill = operation == POOL_LARGEST ? -__builtin_inff() : 0.0f;
  Range part = share(context, g.images * g.groups * plane.bands, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t top = item % plane.bands * plane.band, bottom = least(g.out[1], top + plane.band);
    float *y = (float *)at(context, args[0]) + item / plane.bands * g.pixels;
    copy_plane(&g, &plane, x + item / plane.bands * whole, top, bottom, fill, limit, copy);
    for (int64_t row = top; row < bottom; row++) {
      const float *from = copy + (row - top) * g.strides[1] * plane.columns;
      int64_t height = operation == POOL_MEAN ? counted(&g, 1, row, padding ? g.before[1] : 0, padding ? after[1] : 0) : 0;
#define POOL_ROW(kind)                                                                                   \
  case kind:                                                                                             \
    pool_row(kind, g.terms, places, from, width, height, counts, y + row * width, (bottom - row) * width); \
    break;
      switch (operation) { POOL_ROW(POOL_LARGEST) POOL_ROW(POOL_MEAN) POOL_ROW(POOL_ABSOLUTE_SUM) POOL_ROW(POOL_SQUARES_ROOT) }
    }
  }
}

/* Every element of one window, in order, with its place in the plane. */
#define EACH_IN_WINDOW(g, out, ...)                                                                          \
  for (int64_t d = 0; d < (g)->kernel[0]; d++)                                                               \
    for (int64_t h = 0; h < (g)->kernel[1]; h++)                                                             \
      for (int64_t w = 0; w < (g)->kernel[2]; w++) {                                                         \
        int64_t depth = (out)[0] * (g)->strides[0] + d * (g)->dilations[0] - (g)->before[0];                 \
        int64_t row = (out)[1] * (g)->strides[1] + h * (g)->dilations[1] - (g)->before[1];                   \
        int64_t column = (out)[2] * (g)->strides[2] + w * (g)->dilations[2] - (g)->before[2];                \
        if (depth < 0 || depth >= (g)->in[0] || row < 0 || row >= (g)->in[1] || column < 0 || column >= (g)->in[2]) \
          continue;                                                                                          \
        int64_t place = (depth * (g)->in[1] + row) * (g)->in[2] + column;                                    \
        __VA_ARGS__                                                                                          \
      }

#define SAME(v) (v)
/* The place of the first largest element in a plane of elements T, read as A; -1 without any. */
#define LARGEST_OF(NAME, T, A, READ)                                                       \
  static int64_t window_##NAME(const Geometry *g, const int64_t out[3], const void *plane) { \
    const T *x = plane;                                                                    \
    int64_t best = -1;                                                                     \
    A value = 0;                                                                           \
    EACH_IN_WINDOW(g, out, {                                                               \
      A v = READ(x[place]);                                                                \
      if (best < 0 || v > value || (v != v && value == value)) { best = place; value = v; } \
    })                                                                                     \
    return best;                                                                           \
  }
LARGEST_OF(f16, uint16_t, float, f32_of_f16)
LARGEST_OF(f32, float, float, SAME)
LARGEST_OF(f64, double, double, SAME)
LARGEST_OF(i8, int8_t, int32_t, SAME)
LARGEST_OF(u8, uint8_t, int32_t, SAME)

#define SUM_OF(NAME, T, A, READ)                                                                                   \
  static A pooled_##NAME(const Geometry *g, int64_t operation, const int64_t out[3], const void *plane, int64_t count) { \
    const T *x = plane;                                                                                            \
    A total = 0;                                                                                                   \
    EACH_IN_WINDOW(g, out, {                                                                                       \
      A v = READ(x[place]);                                                                                        \
      total += operation == POOL_MEAN ? v : operation == POOL_SQUARES_ROOT ? v * v : __builtin_elementwise_abs(v); \
    })                                                                                                             \
    return operation == POOL_MEAN           ? total / (A)count                                                     \
           : operation == POOL_SQUARES_ROOT ? __builtin_elementwise_sqrt(total)                                    \
                                            : total;                                                               \
  }
SUM_OF(f16, uint16_t, float, f32_of_f16)
SUM_OF(f32, float, float, SAME)
SUM_OF(f64, double, double, SAME)

/* A place in a plane counted with its axes reversed. */
static int64_t reversed(const Geometry *g, int64_t place) {
  int64_t column = place % g->in[2], row = place / g->in[2] % g->in[1], depth = place / g->in[2] / g->in[1];
  return (column * g->in[1] + row) * g->in[0] + depth;
}

/* y, indices or ABSENT, x, element type, operation, whether padding counts, whether indices count
 * columns first, geometry's words (a group is a channel), padding behind each axis. */
void POOL(const Context *context, const int64_t *args) {
  Geometry g = geometry_of(args + 7);
  const int64_t *after = args + 7 + GEOMETRY_WORDS;
  int64_t *indices = at_optional(context, args[1]);
  int64_t type = args[3], operation = args[4], padding = args[5], whole = g.in[0] * g.in[1] * g.in[2];
  int64_t size = type == F64 ? 8 : type == F32 ? 4 : type == F16 ? 2 : 1;
  Range part = share(context, g.images * g.groups * g.pixels, 16);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t pixel = item % g.pixels, number = item / g.pixels, count = 1;
    int64_t out[3] = {pixel / g.out[2] / g.out[1], pixel / g.out[2] % g.out[1], pixel % g.out[2]};
    const uint8_t *plane = (const uint8_t *)at(context, args[2]) + number * whole * size;
    uint8_t *y = (uint8_t *)at(context, args[0]) + item * size;
    if (operation != POOL_LARGEST) {
      for (int axis = 0; axis < 3 && operation == POOL_MEAN; axis++)
        count *= counted(&g, axis, out[axis], padding ? g.before[axis] : 0, padding ? after[axis] : 0);
      if (type == F64) {
        *(double *)y = pooled_f64(&g, operation, out, plane, count);
      } else if (type == F32) {
        *(float *)y = pooled_f32(&g, operation, out, plane, count);
      } else {
        *(uint16_t *)y = f16_of_f32(pooled_f16(&g, operation, out, plane, count));
      }
      continue;
    }
    static const uint8_t lowest[5][8] = {
        {0x00, 0xfc}, {0, 0, 0x80, 0xff}, {0, 0, 0, 0, 0, 0, 0xf0, 0xff}, {0x80}, {0x00}};
    int64_t place, kind = type == U8 ? 4 : type;
    switch (type) {
      case F16: place = window_f16(&g, out, plane); break;
      case F32: place = window_f32(&g, out, plane); break;
      case F64: place = window_f64(&g, out, plane); break;
      case I8: place = window_i8(&g, out, plane); break;
      default: place = window_u8(&g, out, plane);
    }
    const uint8_t *from = place < 0 ? lowest[kind] : plane + place * size;
    for (int64_t i = 0; i < size; i++) y[i] = from[i];
    if (indices) indices[item] = place < 0 ? -1 : number * whole + (args[6] ? reversed(&g, place) : place);
  }
}

#define BATCH_OF(NAME, T, P, A, READ_X, READ_P, WRITE)                                                             \
  static void batch_##NAME(const int64_t *args, void *y, const void *x, const void *const parameters[4],           \
                           int64_t begin, int64_t end) {                                                           \
    int64_t channels = args[9], pixels = args[10];                                                                 \
    A epsilon = (A)f64_of(args[6]);                                                                                \
    for (int64_t plane = begin; plane < end; plane++) {                                                            \
      A value[4];                                                                                                  \
      for (int i = 0; i < 4; i++) value[i] = READ_P(((const P *)parameters[i])[plane % channels]);                 \
      A factor = value[0] * (1 / __builtin_elementwise_sqrt(value[3] + epsilon));                                  \
      A shift = value[1] - value[2] * factor;                                                                      \
      const T *from = (const T *)x + plane * pixels;                                                               \
      T *to = (T *)y + plane * pixels;                                                                             \
      for (int64_t i = 0; i < pixels; i++) to[i] = WRITE(READ_X(from[i]) * factor + shift);                        \
    }                                                                                                              \
  }
BATCH_OF(f16, uint16_t, uint16_t, float, f32_of_f16, f32_of_f16, f16_of_f32)
BATCH_OF(f16_f32, uint16_t, float, float, f32_of_f16, SAME, f16_of_f32)
BATCH_OF(f32, float, float, float, SAME, SAME, SAME)
BATCH_OF(f64, double, double, double, SAME, SAME, SAME)

/* y, x, scale, bias, mean, variance, bits of epsilon, element type, that of scale and the others
 * (float32 or the same), channels, pixels, images: y = x factor + (bias - mean factor), factor =
 * scale / sqrt(variance + epsilon). TENSOR-19 */
void BATCH_NORMALISE(const Context *context, const int64_t *args) {
  const void *parameters[4];
  for (int i = 0; i < 4; i++) parameters[i] = at(context, args[2 + i]);
  Range part = share(context, args[9] * args[11], 1);
  void *y = at(context, args[0]);
  const void *x = at(context, args[1]);
  if (args[7] == F64) batch_f64(args, y, x, parameters, part.begin, part.end);
  else if (args[7] == F32) batch_f32(args, y, x, parameters, part.begin, part.end);
  else if (args[8] == F32) batch_f16_f32(args, y, x, parameters, part.begin, part.end);
  else batch_f16(args, y, x, parameters, part.begin, part.end);
}
