/* Convolutions of any float type, and transposed ones, by loops over runs of columns. TENSOR-17 */
#include "conv.h"
#include "half.h"

/* Columns of a row whose sums are kept together. */
#define CONV_CHUNK 64

#define ADD_PRODUCT_F64(a, b, c) ((c) + (a) * (b))
#define AS_IT_IS(v) (v)
/* A finished float16 sum is rounded before the bias is added, and once more then. */
#define BIASED_F16(v, b) f16_of_f32(f32_of_f16(f16_of_f32(v)) + f32_of_f16(b))
#define BIASED(v, b) ((v) + (b))

/* T: an element; A: a sum; ADD_PRODUCT: TENSOR-10's step. One row of one filter's output: `input`
 * and `weights` are those of the group and the filter. */
#define CONV_ANY_OF(NAME, T, A, READ, WRITE, BIAS, ADD_PRODUCT)                                                    \
  static void conv_row_##NAME(const Geometry *g, const T *input, const T *weights, const T *bias, T *y, int64_t depth, \
                              int64_t row) {                                                                       \
    for (int64_t left = 0; left < g->out[2]; left += CONV_CHUNK) {                                                 \
      int64_t width = least(CONV_CHUNK, g->out[2] - left), k = 0;                                                  \
      A total[CONV_CHUNK], block[CONV_CHUNK], line[CONV_CHUNK];                                                    \
      for (int64_t c = 0; c < g->channels; c++)                                                                    \
        for (int64_t d = 0; d < g->kernel[0]; d++)                                                                 \
          for (int64_t h = 0; h < g->kernel[1]; h++)                                                               \
            for (int64_t w = 0; w < g->kernel[2]; w++, k++) {                                                      \
              int64_t from_depth = depth * g->strides[0] + d * g->dilations[0] - g->before[0];                     \
              int64_t from_row = row * g->strides[1] + h * g->dilations[1] - g->before[1];                         \
              int64_t from = left * g->strides[2] + w * g->dilations[2] - g->before[2];                            \
              int inside = from_depth >= 0 && from_depth < g->in[0] && from_row >= 0 && from_row < g->in[1];       \
              const T *x = inside ? input + ((c * g->in[0] + from_depth) * g->in[1] + from_row) * g->in[2] : input; \
              for (int64_t i = 0; i < width; i++) {                                                                \
                int64_t column = from + i * g->strides[2];                                                         \
                line[i] = inside && column >= 0 && column < g->in[2] ? READ(x[column]) : 0;                        \
              }                                                                                                    \
              if (k % BLOCK == 0)                                                                                  \
                for (int64_t i = 0; i < width; i++) {                                                              \
                  total[i] = k > BLOCK ? total[i] + block[i] : k ? block[i] : 0;                                   \
                  block[i] = 0;                                                                                    \
                }                                                                                                  \
              A weight = READ(weights[k]);                                                                         \
              for (int64_t i = 0; i < width; i++) block[i] = ADD_PRODUCT(weight, line[i], block[i]);               \
            }                                                                                                      \
      for (int64_t i = 0; i < width; i++) {                                                                        \
        A v = k > BLOCK ? total[i] + block[i] : block[i];                                                          \
        y[left + i] = bias ? BIAS(v, *bias) : WRITE(v);                                                            \
      }                                                                                                            \
    }                                                                                                              \
  }                                                                                                                \
  /* The same for a transposed one; terms of the input's columns, each a dot product over channels. */             \
  static void transposed_row_##NAME(const Geometry *g, const T *input, const T *weights, const T *bias, T *y,      \
                                    int64_t depth, int64_t row) {                                                  \
    int64_t whole = g->in[0] * g->in[1] * g->in[2], terms = g->kernel[0] * g->kernel[1] * g->kernel[2], k = 0;     \
    for (int64_t left = 0; left < g->out[2]; left += CONV_CHUNK, k = 0) {                                          \
      int64_t width = least(CONV_CHUNK, g->out[2] - left);                                                         \
      A sum[CONV_CHUNK], total[CONV_CHUNK], block[CONV_CHUNK];                                                     \
      for (int64_t i = 0; i < width; i++) sum[i] = 0;                                                              \
      for (int64_t d = 0; d < g->kernel[0]; d++)                                                                   \
        for (int64_t h = 0; h < g->kernel[1]; h++)                                                                 \
          for (int64_t w = 0; w < g->kernel[2]; w++, k++) {                                                        \
            int64_t from_depth = depth + g->before[0] - d * g->dilations[0];                                       \
            int64_t from_row = row + g->before[1] - h * g->dilations[1], stride = g->strides[2];                   \
            int64_t from = left + g->before[2] - w * g->dilations[2]; /* the first column, times the stride */     \
            if (from_depth < 0 || from_depth % g->strides[0] || from_depth / g->strides[0] >= g->in[0]) continue;  \
            if (from_row < 0 || from_row % g->strides[1] || from_row / g->strides[1] >= g->in[1]) continue;        \
            int64_t first = from > 0 ? (from + stride - 1) / stride : 0;                                           \
            int64_t place = first * stride - from, last = from + width - 1;                                        \
            int64_t count = last < 0 ? 0 : least(last / stride + 1, g->in[2]) - first;                             \
            const T *x = input + (from_depth / g->strides[0] * g->in[1] + from_row / g->strides[1]) * g->in[2] + first; \
            for (int64_t c = 0; c < g->channels; c++) {                                                            \
              if (c % BLOCK == 0)                                                                                  \
                for (int64_t i = 0; i < count; i++) {                                                              \
                  total[i] = c > BLOCK ? total[i] + block[i] : c ? block[i] : 0;                                   \
                  block[i] = 0;                                                                                    \
                }                                                                                                  \
              A weight = READ(weights[c * g->filters * terms + k]);                                                \
              for (int64_t i = 0; i < count; i++)                                                                  \
                block[i] = ADD_PRODUCT(weight, READ(x[c * whole + i]), block[i]);                                  \
            }                                                                                                      \
            for (int64_t i = 0; i < count; i++)                                                                    \
              sum[place + i * stride] += g->channels > BLOCK ? total[i] + block[i] : block[i];                     \
          }                                                                                                        \
      for (int64_t i = 0; i < width; i++) y[left + i] = bias ? BIAS(sum[i], *bias) : WRITE(sum[i]);                \
    }                                                                                                              \
  }
CONV_ANY_OF(f16, uint16_t, float, f32_of_f16, f16_of_f32, BIASED_F16, fma_f32)
CONV_ANY_OF(f32, float, float, AS_IT_IS, AS_IT_IS, BIASED, fma_f32)
CONV_ANY_OF(f64, double, double, AS_IT_IS, AS_IT_IS, BIASED, ADD_PRODUCT_F64)

/* y, x, weights, bias or ABSENT, element type, whether it's transposed, geometry's words (of a
 * transposed one: padding is what is cropped before each axis). There is at least one channel. */
void CONV_ANY(const Context *context, const int64_t *args) {
  Geometry g = geometry_of(args + 6);
  int64_t rows = g.out[0] * g.out[1], whole = g.in[0] * g.in[1] * g.in[2], transposed = args[5];
  int64_t terms = g.kernel[0] * g.kernel[1] * g.kernel[2];
  Range part = share(context, g.images * g.groups * g.filters * rows, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t depth = item % rows / g.out[1], row = item % g.out[1], filter = item / rows % (g.groups * g.filters);
    int64_t image = item / rows / (g.groups * g.filters), group = filter / g.filters;
    int64_t x = (image * g.groups + group) * g.channels * whole, y = item * g.out[2];
    int64_t weights = transposed ? (group * g.channels * g.filters + filter % g.filters) * terms : filter * g.terms;
#define CONV_ANY_ROW(NAME, T)                                                                                     \
  do {                                                                                                            \
    const T *bias = at_optional(context, args[3]);                                                                \
    (transposed ? transposed_row_##NAME : conv_row_##NAME)(                                                       \
        &g, (const T *)at(context, args[1]) + x, (const T *)at(context, args[2]) + weights,                       \
        bias ? bias + filter : NULL, (T *)at(context, args[0]) + y, depth, row);                                  \
  } while (0)
    if (args[4] == F64) CONV_ANY_ROW(f64, double);
    else if (args[4] == F32) CONV_ANY_ROW(f32, float);
    else CONV_ANY_ROW(f16, uint16_t);
  }
}
