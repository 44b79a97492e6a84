/* Dot products of 8-bit integers, exact in int32, which wraps around. SHAPE-101
 *
 * The left operand is formed first: each element as the unsigned byte that it is, or is with 128
 * added (where there is an instruction for such dot products), or its difference from the zero
 * point in 16 bits (elsewhere). The right one, less 128 where unsigned, is packed into panels. A row
 * of the left operand is a few runs of neighbouring elements; of four bytes in turn, a word, each
 * product takes all the terms.
 */
#ifndef SYNNERGY_INT8_H
#define SYNNERGY_INT8_H

#include "conv.h"

#if defined(__AVX512VNNI__)
#include <immintrin.h>
typedef uint8_t Formed;
typedef int8_t Packed;
INLINE vi dot_words(vi sum, int32_t a, vi b) { return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)(vi)a, (__m512i)b); }
#else
typedef int16_t Formed;
typedef int16_t Packed;
#if defined(__AVX2__)
#include <immintrin.h>
INLINE vi dot_words(vi sum, int32_t a, vi b) { return sum + (vi)_mm256_madd_epi16((__m256i)(vi)a, (__m256i)b); }
#elif defined(__SSE2__)
#include <emmintrin.h>
INLINE vi dot_words(vi sum, int32_t a, vi b) { return sum + (vi)_mm_madd_epi16((__m128i)(vi)a, (__m128i)b); }
#else
typedef int16_t i16_8 __attribute__((ext_vector_type(8)));
#if defined(__wasm__)
INLINE vi dot_words(vi sum, int32_t a, vi b) {
  return sum + (vi)__builtin_wasm_dot_s_i32x4_i16x8((i16_8)(vi)a, (i16_8)b);
}
#else
#define SPLIT_WORDS 1 /* the first terms of all lanes, then the second ones */
typedef int16_t i16_4 __attribute__((ext_vector_type(4)));
INLINE vi dot_words(vi sum, int32_t a, vi b) {
  i16_4 first = ((i16_8)b).lo, second = ((i16_8)b).hi;
  sum += __builtin_convertvector(first, vi) * __builtin_convertvector((i16_4)(int16_t)a, vi);
  return sum + __builtin_convertvector(second, vi) * __builtin_convertvector((i16_4)(int16_t)(a >> 16), vi);
}
#endif
#endif
#endif

/* Elements of a word. */
#define PER_WORD (4 / (int64_t)sizeof(Formed))
static inline int64_t words_of(int64_t terms) { return parts_of(terms, PER_WORD); }

/* Where term `t` of column `j` of a panel lies in a word of all its columns. */
static inline int64_t place_in_word(int64_t j, int64_t t) {
#if defined(SPLIT_WORDS)
  return j / VL * VL * 2 + t * VL + j % VL;
#else
  return j * PER_WORD + t;
#endif
}

/* A packed matrix: the sums of its columns, padded to SUMS, then its panels. */
enum { SUMS = 16 };
static inline int64_t sums_of(int64_t columns) { return parts_of(columns, SUMS) * SUMS; }

/* Panels of nearly equal numbers of vectors: the first column of one, its columns, and those with
 * what fills its vectors. */
typedef struct {
  int64_t left, width, padded;
} Panel;

static inline int64_t panels_of(int64_t columns) { return parts_of(columns, NR); }

static inline Panel panel_of(int64_t columns, int64_t index) {
  Range vectors = part_of(parts_of(columns, VL), panels_of(columns), index);
  int64_t left = vectors.begin * VL, wide = (vectors.end - vectors.begin) * VL;
  return (Panel){left, least(wide, columns - left), wide};
}

INLINE int32_t element_of(int64_t type, const void *p, int64_t i) {
  return type == I8 ? ((const int8_t *)p)[i] : ((const uint8_t *)p)[i];
}

/* A zero point as seen by formed elements. */
static inline int32_t zero_of(int64_t type, const void *zeros, int64_t i) {
  int32_t zero = zeros ? element_of(type, zeros, i) : 0;
  return sizeof(Formed) > 1 ? 0 : type == I8 ? zero + 128 : zero;
}

/* `count` bytes of that type become formed elements; in place where those are bytes, too. */
static inline void form_run(Formed *to, const uint8_t *from, int64_t count, int64_t type, const void *zeros, int64_t i) {
  if (sizeof(Formed) == 1) {
    uint8_t flip = type == I8 ? 0x80 : 0;
    if (flip || (const uint8_t *)to != from)
      for (int64_t k = 0; k < count; k++) to[k] = (Formed)(from[k] ^ flip);
    return;
  }
  int32_t zero = zeros ? element_of(type, zeros, i) : 0;
  if (type == I8)
    for (int64_t k = 0; k < count; k++) to[k] = (Formed)((int8_t)from[k] - zero);
  else
    for (int64_t k = 0; k < count; k++) to[k] = (Formed)(from[k] - zero);
}

/* Dot products of `rows` rows, each a number of runs at these offsets of `words` words, with the
 * columns of a panel, onto what each column starts from, into rows of NR. */
INLINE void int8_tile(int rows, int vectors, const Formed *const *lines, const int64_t *offsets, int64_t runs,
                      int64_t words, const Packed *b, int64_t ldb, const int32_t *start, int32_t *to) {
  vi sum[MR][NV];
  const char *panel = (const char *)b;
  EVERY(int i = 0; i < rows; i++) EVERY(int j = 0; j < vectors; j++) memcpy(&sum[i][j], start + j * VL, sizeof(vi));
  for (int64_t run = 0; run < runs; run++) {
    const char *line[MR];
    EVERY(int i = 0; i < rows; i++) line[i] = (const char *)(lines[i] + offsets[run]);
    for (int64_t word = 0; word < words; word++, panel += 4 * ldb) {
      vi row[NV];
      EVERY(int j = 0; j < vectors; j++) memcpy(&row[j], panel + 4 * j * VL, sizeof(vi));
      EVERY(int i = 0; i < rows; i++) {
        int32_t a;
        memcpy(&a, line[i] + 4 * word, 4);
        EVERY(int j = 0; j < vectors; j++) sum[i][j] = dot_words(sum[i][j], a, row[j]);
      }
    }
  }
  EVERY(int i = 0; i < rows; i++) EVERY(int j = 0; j < vectors; j++)
    memcpy(to + i * NR + j * VL, &sum[i][j], sizeof(vi));
}

typedef void Int8Tile(const Formed *const *, const int64_t *, int64_t, int64_t, const Packed *, int64_t, const int32_t *,
                      int32_t *);
#define INT8_TILE(rows, vectors)                                                                           \
  static void int8_##rows##_##vectors(const Formed *const *lines, const int64_t *offsets, int64_t runs,    \
                                      int64_t words, const Packed *b, int64_t ldb, const int32_t *start,   \
                                      int32_t *to) {                                                       \
    int8_tile(rows, vectors, lines, offsets, runs, words, b, ldb, start, to);                              \
  }
#define INT8_NAMED(rows, vectors) [vectors - 1][rows - 1] = int8_##rows##_##vectors,
ROWS(INT8_TILE, 1)
ROWS(INT8_TILE, 2)
#if NV == 3
ROWS(INT8_TILE, 3)
#endif
static Int8Tile *const INT8_TILES[NV][MR] = {
  ROWS(INT8_NAMED, 1)
  ROWS(INT8_NAMED, 2)
#if NV == 3
  ROWS(INT8_NAMED, 3)
#endif
};

/* What the sums of a panel need besides: zero points, and what they start from. */
typedef struct {
  const int32_t *sums, *bias; /* of the panel's columns; bias or NULL */
  const void *a_zeros;        /* a's, or NULL; of rows where the step is 1 */
  const void *b_zeros;        /* of the panel's columns, or NULL where none differs from the middle */
  int64_t a_type, a_step, b_type, b_step;
  int64_t runs, terms; /* of a row; terms of each run */
} Correction;

/* Sums of a row less what zero points of b's columns make of it. */
static void correct(const Correction *c, int32_t *restrict sums, int64_t width, const Formed *line,
                    const int64_t *offsets, int32_t a_zero) {
  int32_t total = 0, middle = c->b_type == U8 ? 128 : 0;
  for (int64_t run = 0; run < c->runs; run++) {
    const Formed *from = line + offsets[run];
    for (int64_t k = 0; k < c->terms; k++) total += from[k];
  }
  total -= (int32_t)(c->runs * c->terms) * a_zero;
  for (int64_t j = 0; j < width; j++)
    sums[j] -= total * (element_of(c->b_type, c->b_zeros, j * c->b_step) - middle);
}

/* Whole sums of `count` rows, the first of which is number `top`, with one panel, into rows of NR. */
static inline void dot_rows(const Correction *c, const Formed *const *lines, int64_t count, const int64_t *offsets,
                            const Packed *panel, int64_t width, int32_t *to, int64_t top) {
  Int8Tile *const *tiles = INT8_TILES[(width - 1) / VL];
  int32_t start[NR] = {0}, first = zero_of(c->a_type, c->a_zeros, 0);
  for (int64_t j = 0; j < width; j++) start[j] = (c->bias ? c->bias[j] : 0) - (c->a_step ? 0 : first * c->sums[j]);
  for (int64_t i = 0; i < count; i += MR) {
    int64_t rows = least(MR, count - i);
    tiles[rows - 1](lines + i, offsets, c->runs, words_of(c->terms), panel, padded(width), start, to + i * NR);
  }
  for (int64_t i = 0; i < count && (c->a_step || c->b_zeros); i++) {
    int32_t zero = c->a_step ? zero_of(c->a_type, c->a_zeros, top + i) : first;
    for (int64_t j = 0; j < width && c->a_step; j++) to[i * NR + j] -= zero * c->sums[j];
    if (c->b_zeros) correct(c, to + i * NR, width, lines[i], offsets, zero);
  }
}

/* Rounding to nearest even by the last bit of such a number, for what is below 2^22. */
#define ROUNDER 12582912.0f
#define ROUNDER_BITS 0x4b400000

typedef uint8_t vb __attribute__((ext_vector_type(VL)));
typedef uint16_t vh __attribute__((ext_vector_type(VL)));

static inline int32_t lowest_of(int64_t type) { return type == I8 ? -128 : type == I16 ? -32768 : 0; }
static inline int32_t highest_of(int64_t type) {
  return type == I8 ? 127 : type == U8 ? 255 : type == I16 ? 32767 : 65535;
}

/* Rounded, shifted by the zero point and bounded to the type; NaN is the zero point. SHAPE-100 */
INLINE vi quantised_vi(vf x, vi zero, int32_t lowest, int32_t highest) {
  vf low = __builtin_convertvector((vi)lowest - zero, vf), high = __builtin_convertvector((vi)highest - zero, vf);
  x = x == x ? x : (vf)0.0f;
  x = x < low ? low : x;
  x = x > high ? high : x;
  return (vi)(x + ROUNDER) - ROUNDER_BITS + zero;
}

INLINE void store_bytes(void *p, vi v, int64_t count) {
  vb bytes = __builtin_convertvector(v, vb);
  if (count >= VL) {
    memcpy(p, &bytes, sizeof bytes);
    return;
  }
  uint8_t each[VL];
  memcpy(each, &bytes, sizeof bytes);
  for (int64_t j = 0; j < count; j++) ((uint8_t *)p)[j] = each[j];
}

/* The factors of a panel's columns: one for each, or the same. */
static inline void copy_factors(float *restrict to, const float *factor, int64_t width, int64_t step) {
  for (int64_t j = 0; j < NR; j++) to[j] = j < width ? factor[j * step] : 0.0f;
}

/* round(sum factor) + zero for a row of sums, readable in whole vectors as factors are, and as the
 * result is writable with `whole`. SHAPE-103 */
static inline void requantise_row(uint8_t *to, const int32_t *sums, int64_t width, const float *factors, int64_t type,
                                  int32_t zero, int whole) {
  int32_t lowest = lowest_of(type), highest = highest_of(type);
  for (int64_t j = 0; j < width; j += VL) {
    vi sum;
    memcpy(&sum, sums + j, sizeof sum);
    vf x = __builtin_convertvector(sum, vf) * load_vf(factors + j);
    store_bytes(to + j, quantised_vi(x, (vi)zero, lowest, highest), whole ? VL : width - j);
  }
}

typedef uint8_t u8_16 __attribute__((ext_vector_type(16)));
#define LOW_BYTES(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH_BYTES(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

/* to[j * ldt + i] = from[i * ldf + j], in squares of 16 by 16, the last of which overlap others.
 * With `spare` whole sixteens of columns are readable. */
static void transpose_bytes(const uint8_t *from, int64_t ldf, uint8_t *to, int64_t ldt, int64_t rows, int64_t columns,
                            int spare) {
  if (rows < 16 || (columns < 16 && !spare)) {
    for (int64_t j = 0; j < columns; j++)
      for (int64_t i = 0; i < rows; i++) to[j * ldt + i] = from[i * ldf + j];
    return;
  }
  for (int64_t top = 0; top < rows; top += 16)
    for (int64_t left = 0; left < columns; left += 16) {
      int64_t i = least(top, rows - 16), j = spare ? left : least(left, columns - 16);
      u8_16 v[16], w[16];
      EVERY(int r = 0; r < 16; r++) memcpy(&v[r], from + (i + r) * ldf + j, 16);
      EVERY(int round = 0; round < 4; round++) {
        EVERY(int r = 0; r < 8; r++) {
          w[2 * r] = LOW_BYTES(v[r], v[r + 8]);
          w[2 * r + 1] = HIGH_BYTES(v[r], v[r + 8]);
        }
        EVERY(int r = 0; r < 16; r++) v[r] = w[r];
      }
      if (columns - j >= 16) {
        EVERY(int r = 0; r < 16; r++) memcpy(to + (j + r) * ldt + i, &v[r], 16);
      } else {
        for (int64_t r = 0; r < columns - j; r++) memcpy(to + (j + r) * ldt + i, &v[r], 16);
      }
    }
}

#endif
