/* What convolutions share: where windows lie, and what becomes of a finished sum. */
#ifndef SYNNERGY_CONV_H
#define SYNNERGY_CONV_H

#include "gemm.h"

#define EVERY UNROLL for

/* Number `index` of `parts` nearly equal parts of `total`. */
static inline Range part_of(int64_t total, int64_t parts, int64_t index) {
  return (Range){total * index / parts, total * (index + 1) / parts};
}

static inline int64_t parts_of(int64_t total, int64_t largest) { return (total + largest - 1) / largest; }

/* Axes are depth, row, column; those that a tensor lacks have size 1. */
typedef struct {
  int64_t images, groups, channels, filters; /* channels and filters of one group */
  int64_t in[3], kernel[3], strides[3], dilations[3], before[3], out[3];
  int64_t terms, pixels; /* of a window, of an image's output */
  int64_t padded;        /* whether windows reach beyond the input */
} Geometry;

#define GEOMETRY_WORDS 22

/* From its words: images, groups, channels, filters, then in, kernel, strides, dilations, before,
 * out with three numbers each. */
static Geometry geometry_of(const int64_t *words) {
  Geometry g = {.images = words[0], .groups = words[1], .channels = words[2], .filters = words[3]};
  memcpy(g.in, words + 4, sizeof(int64_t) * 18);
  g.terms = g.channels * g.kernel[0] * g.kernel[1] * g.kernel[2];
  g.pixels = g.out[0] * g.out[1] * g.out[2];
  for (int axis = 0; axis < 3; axis++) {
    int64_t end = (g.out[axis] - 1) * g.strides[axis] + (g.kernel[axis] - 1) * g.dilations[axis] + 1;
    g.padded |= g.before[axis] > 0 || end - g.before[axis] > g.in[axis];
  }
  return g;
}

/* One operation on finished results, as gemm.h numbers them, or one of two that only convolutions
 * know: with a number that isn't NaN, and for LOW_BOUND not -0, for HIGH_BOUND not +0. */
enum { LOW_BOUND = 64, HIGH_BOUND };

typedef struct {
  int64_t kind, filter, pixel, image; /* strides of its operand; the pixel's is 0 or 1 */
  const float *x;
} Operation;

#define MOST_OPERATIONS 16
#define OPERATION_WORDS AFTER_WORDS(1)

typedef struct {
  int64_t count;
  Operation each[MOST_OPERATIONS];
} Finish;

static const float CONV_ZERO = 0.0f;

/* From its words: the count, then for each operation those of gemm.h for rows that are filters,
 * columns that are pixels, and a batch of images. */
static Finish finish_of(const Context *context, const int64_t *words) {
  Finish f = {.count = least(words[0], MOST_OPERATIONS)};
  for (int64_t i = 0; i < f.count; i++) {
    const int64_t *w = words + 1 + i * OPERATION_WORDS;
    Operation *o = &f.each[i];
    *o = (Operation){w[0], w[2], w[3], w[4], w[1] == ABSENT ? &CONV_ZERO : at(context, w[1])};
    if (o->filter || o->pixel || o->image) continue;
    float bound = *o->x;
    int negative = __builtin_signbit(bound) != 0;
    if (o->kind == RECTIFY || (o->kind == MAXIMUM && bound == bound && !(bound == 0.0f && negative)))
      o->kind = LOW_BOUND;
    if (o->kind == MINIMUM && bound == bound && !(bound == 0.0f && !negative)) o->kind = HIGH_BOUND;
  }
  return f;
}

/* NaN passes both bounds. TENSOR-21 */
INLINE vf operate(int64_t kind, vf c, vf x) {
  if (kind == LOW_BOUND) return c <= x ? x : c;
  if (kind == HIGH_BOUND) return c >= x ? x : c;
  return after_vf(kind, c, x);
}

INLINE vf read_lanes(const float *p, int64_t count) {
  return count >= VL ? load_vf(p) : count > 0 ? load_part(p, count) : (vf)0.0f;
}

INLINE void write_lanes(float *p, vf v, int64_t count) {
  if (count >= VL) store_vf(p, v);
  else if (count > 0) store_part(p, v, count);
}

INLINE void operate_all(int64_t kind, int vectors, vf *v, const Operation *o, const float *x, int64_t count) {
  EVERY(int j = 0; j < vectors; j++)
    v[j] = operate(kind, v[j], o->pixel ? read_lanes(x + j * VL, count - j * VL) : (vf)*x);
}

/* `count` pixels from `pixel` on of one filter of an image, held in `vectors` of v, to their place
 * in the result, y. */
INLINE void finish_row(const Finish *f, int vectors, vf *v, float *y, int64_t count, int64_t image, int64_t filter,
                       int64_t pixel) {
  for (const Operation *o = f->each; o < f->each + f->count; o++) {
    const float *x = o->x + image * o->image + filter * o->filter + pixel * o->pixel;
#define OPERATE(kind) case kind: operate_all(kind, vectors, v, o, x, count); break;
    switch (o->kind) {
      OPERATE(ADD) OPERATE(SUBTRACT) OPERATE(SUBTRACT_FROM) OPERATE(MULTIPLY) OPERATE(DIVIDE) OPERATE(DIVIDE_INTO)
      OPERATE(MAXIMUM) OPERATE(MINIMUM) OPERATE(LOW_BOUND) OPERATE(HIGH_BOUND) OPERATE(RECTIFY)
    }
#undef OPERATE
  }
  EVERY(int j = 0; j < vectors; j++) write_lanes(y + j * VL, v[j], count - j * VL);
}

#if VL == 16
#define LOW_HALVES(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH_HALVES(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define EVEN_LANES(a, b) \
  __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ROUNDS 4
#elif VL == 8
#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define EVEN_LANES(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ROUNDS 3
#else
#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define EVEN_LANES(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ROUNDS 2
#endif

/* Row i, lane j becomes row j, lane i: a perfect shuffle of all elements, log2(VL) times. */
INLINE void transpose_vf(vf rows[VL]) {
  EVERY(int round = 0; round < ROUNDS; round++) {
    vf shuffled[VL];
    EVERY(int i = 0; i < VL / 2; i++) {
      shuffled[2 * i] = LOW_HALVES(rows[i], rows[i + VL / 2]);
      shuffled[2 * i + 1] = HIGH_HALVES(rows[i], rows[i + VL / 2]);
    }
    EVERY(int i = 0; i < VL; i++) rows[i] = shuffled[i];
  }
}

#endif
