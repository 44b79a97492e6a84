/* Matrix products in the order of TENSOR-10, and the panels that B is packed into. */
#include "gemm.h"

typedef float v4 __attribute__((ext_vector_type(4)));

/* Four rows of four values, each row contiguous, become four columns. */
INLINE void transpose_4(const float *from, int64_t apart, float *to, int64_t ldt) {
  v4 r[4], s[4];
  UNROLL for (int i = 0; i < 4; i++) memcpy(&r[i], from + i * apart, 16);
  s[0] = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
  s[1] = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  s[2] = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  s[3] = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  r[0] = __builtin_shufflevector(s[0], s[2], 0, 1, 4, 5);
  r[1] = __builtin_shufflevector(s[0], s[2], 2, 3, 6, 7);
  r[2] = __builtin_shufflevector(s[1], s[3], 0, 1, 4, 5);
  r[3] = __builtin_shufflevector(s[1], s[3], 2, 3, 6, 7);
  UNROLL for (int i = 0; i < 4; i++) memcpy(to + i * ldt, &r[i], 16);
}

/* to[i * ldt + j] = from[i * row + j * column] for a matrix of which one stride is 1. */
static void copy_matrix(const float *from, int64_t row, int64_t column, float *to, int64_t ldt, int64_t rows,
                        int64_t columns) {
  if (column == 1) {
    for (int64_t i = 0; i < rows; i++) {
      const float *restrict line = from + i * row;
      float *restrict out = to + i * ldt;
      int64_t j = 0;
      for (; j + VL <= columns; j += VL) store_vf(out + j, load_vf(line + j));
      for (; j < columns; j++) out[j] = line[j];
    }
    return;
  }
  int64_t i = 0;
  if (row == 1)
    for (; i + 4 <= rows; i += 4) {
      int64_t j = 0;
      for (; j + 4 <= columns; j += 4) transpose_4(from + i + j * column, column, to + i * ldt + j, ldt);
      for (; j < columns; j++)
        for (int64_t each = i; each < i + 4; each++) to[each * ldt + j] = from[each + j * column];
    }
  for (; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) to[i * ldt + j] = from[i * row + j * column];
}

/* result, x, rows, columns of the result: x transposed. */
void TRANSPOSE_F32(const Context *context, const int64_t *args) {
  int64_t rows = args[2], columns = args[3];
  Range part = share(context, rows, 16);
  copy_matrix((const float *)at(context, args[1]) + part.begin, 1, rows, (float *)at(context, args[0]) + part.begin * columns,
              columns, part.end - part.begin, columns);
}

/* packed, b, k, n, row stride, column stride, dimensions of the batch (<= 8), for each: size,
 * stride in b. One matrix after another, each k times `padded(n)` values. */
void PACK_B_F32(const Context *context, const int64_t *args) {
  int64_t k = args[2], n = args[3], dimensions = args[6], wide = padded(n);
  int64_t panels = (n + NR - 1) / NR, blocks = (k + BLOCK - 1) / BLOCK, matrices = 1;
  for (int64_t d = 0; d < dimensions; d++) matrices *= args[7 + 2 * d];
  Range part = share(context, matrices * blocks * panels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t matrix = item / (panels * blocks), block = item / panels % blocks, panel = item % panels;
    int64_t index[MAX_DIMENSIONS], begin = block * BLOCK, depth = least(BLOCK, k - begin), left = panel * NR;
    place_in_batch(matrix, args + 7, 2, dimensions, index);
    const float *b = (const float *)at(context, args[1]) + begin * args[4] + left * args[5];
    for (int64_t d = 0; d < dimensions; d++) b += index[d] * args[8 + 2 * d];
    float *out = (float *)at(context, args[0]) + matrix * k * wide + begin * wide + left * depth;
    int64_t width = least(NR, n - left), ldb = padded(width);
    copy_matrix(b, args[4], args[5], out, ldb, depth, width);
    for (int64_t i = 0; i < depth && width < ldb; i++)
      for (int64_t j = width; j < ldb; j++) out[i * ldb + j] = 0.0f;
  }
}

/* Panels that one row passes at once: with fewer sums than these it would wait for each. */
#define ACROSS (NV == 3 ? 3 : VL == 8 ? 4 : 6)

/* c (+)= a b for one row, one block of k and ACROSS whole packed panels. */
static void multiply_across(const float *restrict a, const float *restrict b, int64_t depth, float *restrict c,
                            int first) {
  vf sum[ACROSS][NV];
  UNROLL for (int p = 0; p < ACROSS; p++) UNROLL for (int j = 0; j < NV; j++) sum[p][j] = (vf)0.0f;
  for (int64_t k = 0; k < depth; k++) {
    vf value = (vf)a[k];
    UNROLL for (int p = 0; p < ACROSS; p++) UNROLL for (int j = 0; j < NV; j++)
      sum[p][j] = fma_vf(value, load_vf(b + (p * depth + k) * NR + j * VL), sum[p][j]);
  }
  UNROLL for (int p = 0; p < ACROSS; p++) UNROLL for (int j = 0; j < NV; j++) {
    float *place = c + p * NR + j * VL;
    store_vf(place, first ? sum[p][j] : load_vf(place) + sum[p][j]);
  }
}

/* Terms of k that pass over a row's sums at once, and columns that one pass covers. */
enum { TERMS = 8, STRIP = 512 };

/* sums[j] = a[0] b[0][j] + … in order, for up to TERMS terms and `width` columns. */
INLINE void add_terms(int terms, const float *a, const float *b, int64_t b_row, float *restrict sums, int64_t width,
                      int first) {
  vf value[TERMS];
  UNROLL for (int i = 0; i < terms; i++) value[i] = (vf)a[i];
  int64_t j = 0;
  for (; j + VL <= width; j += VL) {
    vf sum = first ? (vf)0.0f : load_vf(sums + j);
    UNROLL for (int i = 0; i < terms; i++) sum = fma_vf(value[i], load_vf(b + i * b_row + j), sum);
    store_vf(sums + j, sum);
  }
  if (j == width) return;
  vf sum = first ? (vf)0.0f : load_vf(sums + j);
  UNROLL for (int i = 0; i < terms; i++) sum = fma_vf(value[i], load_part(b + i * b_row + j, width - j), sum);
  store_vf(sums + j, sum);
}

/* c (+)= a b for one row and one block of k, B as it lies: it is read once, along its rows. `sums`
 * has room for STRIP values. */
static void multiply_row(const float *a, const float *b, int64_t b_row, int64_t depth, float *restrict c,
                         int64_t width, int first, float *restrict sums) {
  int64_t k = 0;
  for (; k + TERMS <= depth; k += TERMS) add_terms(TERMS, a + k, b + k * b_row, b_row, sums, width, !k);
  for (; k < depth; k++) add_terms(1, a + k, b + k * b_row, b_row, sums, width, !k);
  for (int64_t j = 0; j < width; j++) c[j] = first ? sums[j] : c[j] + sums[j];
}

/* Where MATMUL_F32's arguments of the batch and of what follows stand. */
enum { FIXED = 13, STRIDES = 5 };

/* MATMUL_F32 with B packed, or, where b_row isn't 0, as it lies; then `scratch` is memory of its
 * thread. */
static void matmul_f32(const Context *context, const int64_t *args, int64_t b_row, float *scratch) {
  int64_t m = args[4], n = args[5], k = args[6], lda = args[7], ldc = args[8];
  int64_t dimensions = args[11], follow = args[12], matrices = 1;
  const int64_t *batch = args + FIXED, *after = batch + STRIDES * dimensions;
  for (int64_t d = 0; d < dimensions; d++) matrices *= batch[STRIDES * d];
  int64_t broad = m > 1 ? NR : b_row ? STRIP : ACROSS * NR; /* columns of an item */
  int64_t panels = (n + broad - 1) / broad, wide = padded(n);
  int64_t high = 8 * MR; /* rows that share a panel while it's in the cache */
  int64_t bands = (m + high - 1) / high;
  Range part = share(context, matrices * bands * panels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t index[MAX_DIMENSIONS], panel = item % panels;
    int64_t top = item / panels % bands * high, rows = least(high, m - top), left = panel * broad;
    int64_t width = least(broad, n - left), ldb = padded(width);
    const float *a = (const float *)at(context, args[1]) + top * lda;
    const float *b = (const float *)at(context, args[2]);
    float *c = (float *)at(context, args[0]) + top * ldc + left;
    const float *start = at_optional(context, args[3]);
    if (start) start += top * args[9] + left * args[10];
    place_in_batch(item / (panels * bands), batch, STRIDES, dimensions, index);
    for (int64_t d = 0; d < dimensions; d++) {
      const int64_t *strides = batch + STRIDES * d;
      a += index[d] * strides[1];
      b += index[d] * strides[2] * (b_row ? 1 : k * wide);
      c += index[d] * strides[3];
      if (start) start += index[d] * strides[4];
    }
    if (start && args[10])
      for (int64_t i = 0; i < rows; i++) memcpy(c + i * ldc, start + i * args[9], (size_t)width * sizeof(float));
    else if (start || !k)
      for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) c[i * ldc + j] = start ? start[i * args[9]] : 0.0f;
    for (int64_t begin = 0; begin < k; begin += BLOCK) {
      int64_t depth = least(BLOCK, k - begin), apart = ldb;
      int first = !start && !begin;
      const float *lines = b + begin * wide + left * depth;
      if (m == 1) {
        if (b_row) multiply_row(a + begin, b + begin * b_row + left, b_row, depth, c, width, first, scratch);
        else if (width == broad) multiply_across(a + begin, lines, depth, c, first);
        else
          for (int64_t j = 0; j < width; j += NR) {
            int64_t part = least(NR, width - j);
            multiply_panel(a + begin, lda, lines + j * depth, padded(part), depth, c + j, ldc, 1, part, first);
          }
        continue;
      }
      if (b_row) {
        lines = b + begin * b_row + left;
        if (width == ldb) {
          apart = b_row;
        } else { /* whole vectors could reach beyond the end of memory */
          copy_matrix(lines, b_row, 1, scratch, ldb, depth, width);
          lines = scratch;
        }
      }
      multiply_panel(a + begin, lda, lines, apart, depth, c, ldc, rows, width, first);
    }
    finish(context, after, follow, c, ldc, rows, width, top, left, index, dimensions);
  }
}

/* c, a, packed b, start or ABSENT, m, n, k, row strides of a and c, start's row and column stride
 * (0 or 1), dimensions of the batch (<= 8), operations that follow; for each dimension: size,
 * strides of a, b (in packed matrices), c and start; for each operation AFTER_WORDS.
 *
 * c = start + a b, then the operations. Each row of A and C is contiguous, B is packed by
 * PACK_B_F32. */
void MATMUL_F32(const Context *context, const int64_t *args) { matmul_f32(context, args, 0, NULL); }

/* b's row stride, scratch memory of BLOCK * 192 bytes, then MATMUL_F32's arguments: each row of B
 * is contiguous, and nothing is packed. For few rows of A. */
void MATMUL_IN_PLACE_F32(const Context *context, const int64_t *args) {
  matmul_f32(context, args + 2, args[0], at(context, args[1]));
}
