/* The tile that matrix products and convolutions are made of, and what is done to finished results.
 *
 * A tile holds up to MR x NR results in registers while one block of k runs over them. B comes
 * in panels of NR columns: for each block of k, for each panel, `depth` rows of NR values. The
 * last panel is only as wide as it needs, in whole vectors; what lies past the last column there
 * is never stored.
 */
#ifndef SYNNERGY_GEMM_H
#define SYNNERGY_GEMM_H

#include "functions.h"

/* Terms of a dot product that are summed before the sum joins the others. TENSOR-10 */
#define BLOCK 256
/* Rows and vectors of a tile: as many sums as registers hold, and one row of B. */
#if VL == 16 || defined(__aarch64__)
#define MR 8
#define NV 3
#else
#define MR 6
#define NV 2
#endif
#define NR (NV * VL)

#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE static inline __attribute__((always_inline))

/* Columns of B in panels: whole vectors. */
static inline int64_t padded(int64_t n) { return (n + VL - 1) / VL * VL; }

/* The first `count` < VL values of a vector. */
static inline void store_part(float *p, vf v, int64_t count) {
  float values[VL];
  store_vf(values, v);
  for (int64_t j = 0; j < count; j++) p[j] = values[j];
}
static inline vf load_part(const float *p, int64_t count) {
  float values[VL] = {0};
  for (int64_t j = 0; j < count; j++) values[j] = p[j];
  return load_vf(values);
}

INLINE void tile(int rows, int vectors, const float *restrict a, int64_t lda, const float *restrict b, int64_t ldb,
                 int64_t depth, float *restrict c, int64_t ldc, int64_t width, int first) {
  vf sum[MR][NV];
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = (vf)0.0f;
  for (int64_t k = 0; k < depth; k++, b += ldb) {
    vf row[NV];
    UNROLL for (int j = 0; j < vectors; j++) row[j] = load_vf(b + j * VL);
    UNROLL for (int i = 0; i < rows; i++) {
      vf value = (vf)a[i * lda + k];
      UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = fma_vf(value, row[j], sum[i][j]);
    }
  }
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < vectors; j++) {
    float *place = c + i * ldc + j * VL;
    int64_t count = width - j * VL;
    if (j < vectors - 1 || count >= VL) store_vf(place, first ? sum[i][j] : load_vf(place) + sum[i][j]);
    else store_part(place, first ? sum[i][j] : load_part(place, count) + sum[i][j], count);
  }
}

typedef void Tile(const float *restrict a, int64_t lda, const float *restrict b, int64_t ldb, int64_t depth,
                  float *restrict c, int64_t ldc, int64_t width, int first);
#define TILE(rows, vectors)                                                                                      \
  static void tile_##rows##_##vectors(const float *restrict a, int64_t lda, const float *restrict b, int64_t ldb, \
                                      int64_t depth, float *restrict c, int64_t ldc, int64_t width, int first) {  \
    tile(rows, vectors, a, lda, b, ldb, depth, c, ldc, width, first);                                             \
  }
#if MR == 8
#define ROWS(each, vectors) each(1, vectors) each(2, vectors) each(3, vectors) each(4, vectors) \
  each(5, vectors) each(6, vectors) each(7, vectors) each(8, vectors)
#else
#define ROWS(each, vectors) each(1, vectors) each(2, vectors) each(3, vectors) each(4, vectors) \
  each(5, vectors) each(6, vectors)
#endif
#define TILE_AT(rows, vectors) [vectors - 1][rows - 1] = tile_##rows##_##vectors,
ROWS(TILE, 1)
ROWS(TILE, 2)
#if NV == 3
ROWS(TILE, 3)
#endif
static Tile *const TILES[NV][MR] = {
  ROWS(TILE_AT, 1)
  ROWS(TILE_AT, 2)
#if NV == 3
  ROWS(TILE_AT, 3)
#endif
};
#undef TILE
#undef TILE_AT

/* c (+)= a b over one block of `depth` <= BLOCK terms: `rows` rows of A, each contiguous and lda
 * apart, by one panel of `width` <= NR columns, whose rows are ldb apart and readable in whole
 * vectors. With `first` c is written, otherwise the block's sums are added to it. */
static inline void multiply_panel(const float *a, int64_t lda, const float *b, int64_t ldb, int64_t depth, float *c,
                                  int64_t ldc, int64_t rows, int64_t width, int first) {
  Tile *const *tiles = TILES[(width - 1) / VL];
  for (int64_t i = 0; i < rows; i += MR)
    tiles[least(MR, rows - i) - 1](a + i * lda, lda, b, ldb, depth, c + i * ldc, ldc, width, first);
}

enum { MAX_DIMENSIONS = 8 };

/* The place of a batch's matrix number `item`: its index in each dimension. */
static inline void place_in_batch(int64_t item, const int64_t *sizes, int64_t apart, int64_t dimensions,
                                  int64_t *index) {
  for (int64_t d = dimensions - 1; d >= 0; d--) {
    index[d] = item % sizes[d * apart];
    item /= sizes[d * apart];
  }
}

/* What is done to each finished result, in turn; each operation rounds on its own. The operand is
 * a matrix (or one for each of the batch) of which a stride of 0 repeats a row or a column.
 * Maximum and minimum are TENSOR-21's, and so is rectifying: max(c, +0), NaN stays.
 * From THEN_EXP on they are TENSOR-22's functions; convolutions don't know these. */
enum {
  ADD = 0, SUBTRACT, SUBTRACT_FROM, MULTIPLY, DIVIDE, DIVIDE_INTO,
  MAXIMUM, MINIMUM, RECTIFY,
  THEN_EXP, THEN_SIGMOID, THEN_TANH, THEN_ERF, THEN_GELU, THEN_GELU_TANH,
};

INLINE vf after_vf(int64_t kind, vf c, vf x) {
  switch (kind) {
  case ADD: return c + x;
  case SUBTRACT: return c - x;
  case SUBTRACT_FROM: return x - c;
  case MULTIPLY: return c * x;
  case DIVIDE: return c / x;
  case DIVIDE_INTO: return x / c;
  case MAXIMUM: {
    vi odd = (c != c) | ((c == 0.0f) & (x == 0.0f));
    return odd ? c + x : c > x ? c : x;
  }
  case MINIMUM: {
    vi odd = (c != c) | ((c == 0.0f) & (x == 0.0f));
    return odd ? -(-c - x) : c < x ? c : x;
  }
  default: return (vf)((vi)c & ((c > 0.0f) | (c != c)));
  }
}

INLINE void after_matrix(int64_t kind, float *restrict c, int64_t ldc, int64_t rows, int64_t width,
                         const float *restrict x, int64_t ldx, int64_t step) {
  for (int64_t i = 0; i < rows; i++, c += ldc, x += ldx) {
    vf same = (vf)*x;
    int64_t j = 0;
    for (; j + VL <= width; j += VL) store_vf(c + j, after_vf(kind, load_vf(c + j), step ? load_vf(x + j) : same));
    if (j < width)
      store_part(c + j, after_vf(kind, load_part(c + j, width - j), step ? load_part(x + j, width - j) : same),
                 width - j);
  }
}

/* Words of one operation in a step: kind, operand (ABSENT from RECTIFY on), row stride, column stride
 * (0 or 1), then a stride for each dimension of the batch. */
#define AFTER_WORDS(dimensions) (4 + (dimensions))

/* Do `count` operations to the results at row, column of a matrix; `index` is its place in a
 * batch of that many dimensions. */
static void finish(const Context *context, const int64_t *after, int64_t count, float *c, int64_t ldc, int64_t rows,
                   int64_t width, int64_t row, int64_t column, const int64_t *index, int64_t dimensions) {
  for (; count--; after += AFTER_WORDS(dimensions)) {
    int64_t ldx = after[2], step = after[3];
    const float *x = c;
    if (after[1] != ABSENT) {
      x = (const float *)at(context, after[1]) + row * ldx + column * step;
      for (int64_t d = 0; d < dimensions; d++) x += index[d] * after[4 + d];
    }
#define THEN(kind, function) \
  case kind: for (int64_t i = 0; i < rows; i++) function##_f32(c + i * ldc, c + i * ldc, width); break;
#define CASE(kind) case kind: after_matrix(kind, c, ldc, rows, width, x, ldx, step); break;
    switch (after[0]) {
      CASE(ADD) CASE(SUBTRACT) CASE(SUBTRACT_FROM) CASE(MULTIPLY) CASE(DIVIDE)
      CASE(DIVIDE_INTO) CASE(MAXIMUM) CASE(MINIMUM) CASE(RECTIFY)
      THEN(THEN_EXP, exp) THEN(THEN_SIGMOID, sigmoid) THEN(THEN_TANH, tanh)
      THEN(THEN_ERF, erf) THEN(THEN_GELU, gelu) THEN(THEN_GELU_TANH, gelu_tanh)
    }
#undef CASE
#undef THEN
  }
}

#endif
