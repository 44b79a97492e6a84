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

/* What is done to finished sums. Nearly always that's min(max(sum factor + shift + residual, low),
 * high), each step rounded, where a factor of 1, a shift of -0 and infinite bounds change nothing:
 * then it's `simple`. */
typedef struct {
  int64_t count, simple;
  Operation each[MOST_OPERATIONS];
  Operation factor, shift, residual; /* those that aren't there have no stride; no residual: NULL */
  float low, high;
} Finish;

static const float CONV_ZERO = 0.0f, CONV_NO_SHIFT = -0.0f, CONV_NO_FACTOR = 1.0f;

static void simplify(Finish *f) {
  int64_t i = 0;
  const Operation *o = f->each;
  f->factor = (Operation){.x = &CONV_NO_FACTOR}, f->shift = (Operation){.x = &CONV_NO_SHIFT};
  f->residual = (Operation){.x = NULL};
  f->low = -__builtin_inff(), f->high = __builtin_inff();
  if (i < f->count && o[i].kind == MULTIPLY && !o[i].pixel) f->factor = o[i++];
  if (i < f->count && o[i].kind == ADD && !o[i].pixel) f->shift = o[i++];
  if (i < f->count && o[i].kind == ADD && o[i].pixel) f->residual = o[i++];
  if (i < f->count && o[i].kind == LOW_BOUND) f->low = *o[i++].x;
  if (i < f->count && o[i].kind == HIGH_BOUND) f->high = *o[i++].x;
  f->simple = i == f->count;
}

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
  simplify(&f);
  return f;
}

/* Where an operation's operand begins for some pixels of a filter. */
INLINE const float *operand_of(const Operation *o, int64_t image, int64_t filter, int64_t pixel) {
  return o->x + image * o->image + filter * o->filter + pixel * o->pixel;
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

/* The operations on `count` pixels from `pixel` on of one filter of an image, in `vectors` of v. */
INLINE void finish_values(const Finish *f, int vectors, vf *v, int64_t count, int64_t image, int64_t filter,
                          int64_t pixel) {
  if (f->simple) {
    vf factor = (vf)*operand_of(&f->factor, image, filter, 0), shift = (vf)*operand_of(&f->shift, image, filter, 0);
    vf low = (vf)f->low, high = (vf)f->high;
    EVERY(int j = 0; j < vectors; j++) v[j] = v[j] * factor + shift;
    if (f->residual.x) operate_all(ADD, vectors, v, &f->residual, operand_of(&f->residual, image, filter, pixel), count);
    EVERY(int j = 0; j < vectors; j++) v[j] = operate(HIGH_BOUND, operate(LOW_BOUND, v[j], low), high);
    return;
  }
  for (const Operation *o = f->each; o < f->each + f->count; o++) {
    const float *x = operand_of(o, image, filter, pixel);
#define OPERATE(kind) case kind: operate_all(kind, vectors, v, o, x, count); break;
    switch (o->kind) {
      OPERATE(ADD) OPERATE(SUBTRACT) OPERATE(SUBTRACT_FROM) OPERATE(MULTIPLY) OPERATE(DIVIDE) OPERATE(DIVIDE_INTO)
      OPERATE(MAXIMUM) OPERATE(MINIMUM) OPERATE(LOW_BOUND) OPERATE(HIGH_BOUND) OPERATE(RECTIFY)
    }
#undef OPERATE
  }
}

/* The same, then written to their place in the result, y. */
INLINE void finish_row(const Finish *f, int vectors, vf *v, float *y, int64_t count, int64_t image, int64_t filter,
                       int64_t pixel) {
  finish_values(f, vectors, v, count, image, filter, pixel);
  EVERY(int j = 0; j < vectors; j++) write_lanes(y + j * VL, v[j], count - j * VL);
}

#if VL == 16
#define LOW_HALVES(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH_HALVES(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define EVEN_LANES(a, b) \
  __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD_LANES(a, b) \
  __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#define ROUNDS 4
#elif VL == 8
#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define EVEN_LANES(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD_LANES(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define ROUNDS 3
#else
#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define EVEN_LANES(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODD_LANES(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7)
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

/* Of a run of elements of a line, each `stride` after the one before: how many lie before the
 * line, and how many lie before its end. */
typedef struct {
  int64_t lead, inside;
} Span;

INLINE Span span_of(int64_t from, int64_t length, int64_t stride, int64_t size) {
  int64_t missing = most(0, stride - 1 - from), left = most(0, size - from + stride - 1);
  if (stride == 2) missing >>= 1, left >>= 1; /* a division takes as long as a short copy */
  else if (stride > 2) missing /= stride, left /= stride;
  return (Span){least(length, missing), least(length, left)};
}

/* `length` elements from `source` on, `fill` for those outside the span. May write up to a vector
 * more, and reads nothing from `end` on. */
INLINE void copy_run(float *to, const float *source, Span span, int64_t length, int64_t stride, float fill,
                     const float *end) {
  int64_t i = span.lead;
  for (int64_t j = 0; j < i; j++) to[j] = fill;
  if (stride == 1) {
    for (; i < span.inside && source + i + VL <= end; i += VL) store_vf(to + i, load_vf(source + i));
  } else if (stride == 2) {
    for (; i < span.inside && source + 2 * i + 2 * VL <= end; i += VL)
      store_vf(to + i, EVEN_LANES(load_vf(source + 2 * i), load_vf(source + 2 * i + VL)));
  }
  for (; i < span.inside; i++) to[i] = source[i * stride];
  for (i = most(span.inside, span.lead); i < length; i++) to[i] = fill;
}

static void fill_run(float *to, int64_t length, float fill) {
  for (int64_t i = 0; i < length; i += VL) store_vf(to + i, (vf)fill);
}

/* A band of rows of a plane: copies of the input rows that it needs, with their padding: for each
 * column phase (of as many as the stride) its columns, so that neighbouring outputs read
 * neighbours. PLANE_ROWS rows of output are computed together, the last ones in vain. */
#define PLANE_ROWS 4

typedef struct {
  int64_t band, bands;          /* rows of output in a band, bands of a plane */
  int64_t rows, columns, phase; /* rows filled; columns of a row; floats of a phase */
} Plane;

/* With the places of the kernel's elements in the copies. */
static Plane plane_of(const Geometry *g, int64_t band, int32_t *places) {
  int64_t rows = parts_of(band, PLANE_ROWS) * PLANE_ROWS, reach = (g->kernel[1] - 1) * g->dilations[1] + 1;
  Plane p = {.band = band, .bands = parts_of(g->out[1], band)};
  p.columns = g->out[2] + (g->kernel[2] - 1) * g->dilations[2] / g->strides[2];
  p.phase = ((rows - 1) * g->strides[1] + reach) * p.columns;
  for (int64_t k = 0; k < g->kernel[1] * g->kernel[2]; k++) {
    int64_t row = k / g->kernel[2] * g->dilations[1], column = k % g->kernel[2] * g->dilations[2];
    places[k] = (int32_t)(column % g->strides[2] * p.phase + row * p.columns + column / g->strides[2]);
  }
  return p;
}

/* Fill the copies for rows top..bottom of output from a plane of input; nothing from `limit` on
 * is read. */
static void copy_plane(const Geometry *g, Plane *p, const float *x, int64_t top, int64_t bottom, float fill,
                       const float *limit, float *copy) {
  p->rows = (bottom - top - 1) * g->strides[1] + (g->kernel[1] - 1) * g->dilations[1] + 1;
  for (int64_t b = 0; b < g->strides[2]; b++) {
    Span span = span_of(b - g->before[2], p->columns, g->strides[2], g->in[2]);
    float *to = copy + b * p->phase;
    int64_t row = top * g->strides[1] - g->before[1];
    for (int64_t i = 0; i < p->rows; i++, row++, to += p->columns)
      if (row < 0 || row >= g->in[1]) fill_run(to, p->columns, fill);
      else copy_run(to, x + row * g->in[2] + b - g->before[2], span, p->columns, g->strides[2], fill, limit);
  }
}

#endif
