/* Elements moved as they are: copies by strides, gathers, scatters. SHAPE-3, SHAPE-30 to SHAPE-38 */
#include "walk.h"

typedef float block __attribute__((ext_vector_type(8)));
enum { BLOCK_SIDE = 8, TILE_SIDE = 16, LONG_STRIP = 512 };

#define INTERLEAVE(a, b, low, high)                                      \
  block low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);    \
  block high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);

/* 8 x 8 elements of 4 bytes: row i of x, `across` apart, becomes column i of the result. */
static inline void transpose_block(float *result, int64_t down, const float *x, int64_t across) {
  block r0, r1, r2, r3, r4, r5, r6, r7;
  memcpy(&r0, x, 32), memcpy(&r1, x + across, 32), memcpy(&r2, x + 2 * across, 32), memcpy(&r3, x + 3 * across, 32);
  memcpy(&r4, x + 4 * across, 32), memcpy(&r5, x + 5 * across, 32), memcpy(&r6, x + 6 * across, 32);
  memcpy(&r7, x + 7 * across, 32);
  INTERLEAVE(r0, r4, a0, a1) INTERLEAVE(r1, r5, a2, a3) INTERLEAVE(r2, r6, a4, a5) INTERLEAVE(r3, r7, a6, a7)
  INTERLEAVE(a0, a4, b0, b1) INTERLEAVE(a2, a6, b2, b3) INTERLEAVE(a1, a5, b4, b5) INTERLEAVE(a3, a7, b6, b7)
  INTERLEAVE(b0, b2, c0, c1) INTERLEAVE(b1, b3, c2, c3) INTERLEAVE(b4, b6, c4, c5) INTERLEAVE(b5, b7, c6, c7)
  memcpy(result, &c0, 32), memcpy(result + down, &c1, 32), memcpy(result + 2 * down, &c2, 32);
  memcpy(result + 3 * down, &c3, 32), memcpy(result + 4 * down, &c4, 32), memcpy(result + 5 * down, &c5, 32);
  memcpy(result + 6 * down, &c6, 32), memcpy(result + 7 * down, &c7, 32);
}

/* result[i r + j] = x[i + j s] for i < rows, j < columns. */
#define TRANSPOSE_OF(T)                                                                                      \
  static void transpose_##T(T *restrict result, const T *restrict x, int64_t rows, int64_t columns, int64_t r, \
                            int64_t s) {                                                                     \
    if (columns < BLOCK_SIDE) {                                                                              \
      for (int64_t j = 0; j < columns; j++)                                                                  \
        for (int64_t i = 0; i < rows; i++) result[i * r + j] = x[i + j * s];                                 \
      return;                                                                                                \
    }                                                                                                        \
    for (int64_t top = 0; top < columns; top += TILE_SIDE)                                                   \
      for (int64_t i = 0; i < rows; i++)                                                                     \
        for (int64_t j = top; j < least(columns, top + TILE_SIDE); j++) result[i * r + j] = x[i + j * s];    \
  }
TRANSPOSE_OF(uint8_t) TRANSPOSE_OF(uint16_t) TRANSPOSE_OF(uint32_t) TRANSPOSE_OF(uint64_t)

static void transpose_words(uint32_t *restrict result, const uint32_t *restrict x, int64_t rows, int64_t columns,
                            int64_t r, int64_t s) {
  int64_t i = 0, whole = columns - columns % BLOCK_SIDE;
  for (; whole && i + BLOCK_SIDE <= rows; i += BLOCK_SIDE) {
    for (int64_t j = 0; j < whole; j += BLOCK_SIDE)
      transpose_block((float *)(result + i * r + j), r, (const float *)(x + i + j * s), s);
    transpose_uint32_t(result + i * r + whole, x + i + whole * s, BLOCK_SIDE, columns - whole, r, s);
  }
  transpose_uint32_t(result + i * r, x + i, rows - i, columns, r, s);
}

#define STRIDED_OF(T)                                                                                        \
  static void strided_##T(T *restrict result, const T *restrict x, int64_t n, int64_t r, int64_t s) {        \
    if (r == 1 && s == 0) {                                                                                  \
      T value = *x;                                                                                          \
      for (int64_t i = 0; i < n; i++) result[i] = value;                                                     \
    } else                                                                                                   \
      for (int64_t i = 0; i < n; i++) result[i * r] = x[i * s];                                              \
  }
STRIDED_OF(uint8_t) STRIDED_OF(uint16_t) STRIDED_OF(uint32_t) STRIDED_OF(uint64_t)

static void strided(int64_t size, void *result, const void *x, int64_t n, int64_t r, int64_t s) {
  switch (size) {
    case 1: strided_uint8_t(result, x, n, r, s); break;
    case 2: strided_uint16_t(result, x, n, r, s); break;
    case 4: strided_uint32_t(result, x, n, r, s); break;
    default: strided_uint64_t(result, x, n, r, s); break;
  }
}

/* bytes of an element, result, x, then a walk over result and x, whose strides may be negative.
 * Where the last axis lies close in the result and the one before it in x, the two are turned in
 * tiles. */
void COPY(const Context *context, const int64_t *args) {
  int64_t size = args[0], rank = args[3];
  const int64_t *sizes = args + 4, *r = sizes + rank, *s = r + rank;
  uint8_t *result = at(context, args[1]);
  const uint8_t *x = at(context, args[2]);
  if (rank >= 2 && r[rank - 1] == 1 && s[rank - 2] == 1 && s[rank - 1] != 0) {
    int64_t rows = sizes[rank - 2], columns = sizes[rank - 1];
    int64_t strip = columns < BLOCK_SIDE ? LONG_STRIP : TILE_SIDE, strips = (rows + strip - 1) / strip;
    Range part = share(context, product_of(sizes, rank - 2) * strips, 1);
    for (int64_t item = part.begin; item < part.end; item++) {
      int64_t top = item % strips * strip, rest = item / strips, to = top * r[rank - 2], from = top;
      for (int64_t axis = rank - 3; axis >= 0; axis--) {
        to += rest % sizes[axis] * r[axis], from += rest % sizes[axis] * s[axis];
        rest /= sizes[axis];
      }
      void *place = result + to * size;
      const void *source = x + from * size;
      int64_t count = least(strip, rows - top);
      switch (size) {
        case 1: transpose_uint8_t(place, source, count, columns, r[rank - 2], s[rank - 1]); break;
        case 2: transpose_uint16_t(place, source, count, columns, r[rank - 2], s[rank - 1]); break;
        case 4: transpose_words(place, source, count, columns, r[rank - 2], s[rank - 1]); break;
        default: transpose_uint64_t(place, source, count, columns, r[rank - 2], s[rank - 1]); break;
      }
    }
    return;
  }
  Walk walk = walk_share(context, args + 3, 2, 64 / size);
  int64_t to = last_stride(&walk, 0), from = last_stride(&walk, 1);
  for (; walking(&walk); walk_on(&walk)) {
    uint8_t *place = result + walk.place[0] * size;
    const uint8_t *source = x + walk.place[1] * size;
    if (to == 1 && from == 1) memcpy(place, source, (size_t)(walk.length * size));
    else strided(size, place, source, walk.length, to, from);
  }
}

/* An index of int32 or int64, from the front; one outside the axis makes the input a bad one and
 * stands for 0: no axis is empty here. SHAPE-31 */
static inline int64_t index_at(const Context *context, const void *indices, int64_t type, int64_t i, int64_t size) {
  int64_t index = type == I32 ? ((const int32_t *)indices)[i] : ((const int64_t *)indices)[i];
  if (index < -size || index >= size) {
    *context->bad_input = 1;
    return 0;
  }
  return index < 0 ? index + size : index;
}

static inline void move_bytes(uint8_t *to, const uint8_t *from, int64_t bytes) {
  switch (bytes) {
    case 1: *to = *from; break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    case 8: memcpy(to, from, 8); break;
    default: memcpy(to, from, (size_t)bytes); break;
  }
}

#define GATHER_RUN(T)        \
  for (T *place = (T *)to; i < end; i++) *place++ = ((const T *)from)[index_at(context, indices, args[3], i, size)];

/* result, data, indices, the indices' element type, blocks of data, elements of its axis, indices,
 * bytes of what one index takes: result[block, i] = data[block, indices[i]]. */
void GATHER(const Context *context, const int64_t *args) {
  uint8_t *result = at(context, args[0]);
  const uint8_t *data = at(context, args[1]);
  const void *indices = at(context, args[2]);
  int64_t size = args[5], count = args[6], bytes = args[7];
  Range part = share(context, args[4] * count, most(1, 64 / bytes));
  for (int64_t item = part.begin; item < part.end;) {
    int64_t block = item / count, i = item % count, end = least(count, i + part.end - item);
    uint8_t *to = result + item * bytes;
    const uint8_t *from = data + block * size * bytes;
    item += end - i;
    switch (bytes) {
      case 1: GATHER_RUN(uint8_t) break;
      case 2: GATHER_RUN(uint16_t) break;
      case 4: GATHER_RUN(uint32_t) break;
      case 8: GATHER_RUN(uint64_t) break;
      default:
        for (; i < end; i++, to += bytes)
          memcpy(to, from + index_at(context, indices, args[3], i, size) * bytes, (size_t)bytes);
    }
  }
}

/* bytes of an element, result, data, indices, their element type, elements of the axis, data's
 * stride along it, then a walk over data with stride 0 along the axis, of the indices' sizes. */
void GATHER_ELEMENTS(const Context *context, const int64_t *args) {
  uint8_t *result = at(context, args[1]);
  const uint8_t *data = at(context, args[2]);
  const void *indices = at(context, args[3]);
  int64_t size = args[0];
  for (Walk walk = walk_share(context, args + 7, 1, 64); walking(&walk); walk_on(&walk)) {
    int64_t stride = last_stride(&walk, 0);
    for (int64_t i = 0; i < walk.length; i++) {
      int64_t index = index_at(context, indices, args[4], walk.at + i, args[5]);
      move_bytes(result + (walk.at + i) * size, data + (walk.place[0] + i * stride + index * args[6]) * size, size);
    }
  }
}

/* Where the coordinates of a slice point: offset in slices, by the sizes of the axes they count. */
static inline int64_t slice_at(const Context *context, const void *indices, int64_t type, int64_t i, int64_t depth,
                               const int64_t *sizes) {
  int64_t place = 0;
  for (int64_t axis = 0; axis < depth; axis++)
    place = place * sizes[axis] + index_at(context, indices, type, i * depth + axis, sizes[axis]);
  return place;
}

/* result, data, indices, their element type, slices, slices in each batch, elements of data in
 * each batch, bytes of a slice, coordinates, sizes of the axes they count. */
void GATHER_ND(const Context *context, const int64_t *args) {
  uint8_t *result = at(context, args[0]);
  const uint8_t *data = at(context, args[1]);
  const void *indices = at(context, args[2]);
  int64_t bytes = args[7];
  Range part = share(context, args[4], most(1, 64 / bytes));
  for (int64_t i = part.begin; i < part.end; i++) {
    int64_t place = i / args[5] * args[6] + slice_at(context, indices, args[3], i, args[8], args + 9);
    move_bytes(result + i * bytes, data + place * bytes, bytes);
  }
}

/* How an update meets what is there: a Binary by number, or ABSENT to take its place. The first
 * operand is copied, as it lies where the result goes. */
static inline void meet(Binary *combine, uint8_t *place, const uint8_t *update, int64_t bytes) {
  uint64_t there;
  if (!combine) {
    move_bytes(place, update, bytes);
    return;
  }
  memcpy(&there, place, (size_t)bytes);
  combine(place, &there, update, 1, 0, 0);
}

/* bytes of an element, result (a copy of data), indices, their element type, updates, operation
 * (a Binary) or ABSENT, element type, elements of the axis, the result's stride along it, then a
 * walk over the result with stride 0 along the axis, of the indices' sizes. SHAPE-34 */
void SCATTER_ELEMENTS(const Context *context, const int64_t *args) {
  if (context->thread) return;
  uint8_t *result = at(context, args[1]);
  const void *indices = at(context, args[2]);
  const uint8_t *updates = at(context, args[4]);
  Binary *combine = args[5] == ABSENT ? NULL : BINARY_TABLE[args[5]][args[6]];
  int64_t size = args[0];
  Context alone = *context;
  alone.threads = 1;
  for (Walk walk = walk_share(&alone, args + 9, 1, 64); walking(&walk); walk_on(&walk)) {
    int64_t stride = last_stride(&walk, 0);
    for (int64_t i = 0; i < walk.length; i++) {
      int64_t index = index_at(context, indices, args[3], walk.at + i, args[7]);
      meet(combine, result + (walk.place[0] + i * stride + index * args[8]) * size, updates + (walk.at + i) * size, size);
    }
  }
}

/* bytes of an element, result (a copy of data), indices, their element type, updates, operation
 * (a Binary) or ABSENT, element type, slices, elements of a slice, coordinates, sizes of the axes
 * they count. SHAPE-34 */
void SCATTER_ND(const Context *context, const int64_t *args) {
  uint8_t *result = at(context, args[1]);
  const void *indices = at(context, args[2]);
  const uint8_t *updates = at(context, args[4]);
  Binary *combine = args[5] == ABSENT ? NULL : BINARY_TABLE[args[5]][args[6]];
  int64_t size = args[0], length = args[8];
  Range part = share(context, length, most(1, 64 / size)); /* each thread its columns of all slices */
  for (int64_t i = 0; i < args[7] && part.begin < part.end; i++) {
    int64_t place = slice_at(context, indices, args[3], i, args[9], args + 10);
    for (int64_t j = part.begin; j < part.end; j++)
      meet(combine, result + (place * length + j) * size, updates + (i * length + j) * size, size);
  }
}

/* bytes of an element, result, x, matrices, rows, columns, whether the upper triangle stays,
 * number of the diagonal (int64) or ABSENT for the main one. The rest is +0. SHAPE-65 */
void TRIANGLE(const Context *context, const int64_t *args) {
  int64_t size = args[0], rows = args[4], columns = args[5];
  const int64_t *given = at_optional(context, args[7]);
  int64_t diagonal = given ? most(-rows - 1, least(*given, columns + 1)) : 0;
  uint8_t *result = at(context, args[1]);
  const uint8_t *x = at(context, args[2]);
  Range part = share(context, args[3] * rows, 1);
  for (int64_t row = part.begin; row < part.end; row++) {
    int64_t from = row % rows + diagonal, begin = 0, end = columns;
    if (args[6]) begin = most(0, least(from, columns));
    else end = most(0, least(from + 1, columns));
    uint8_t *place = result + row * columns * size;
    memset(place, 0, (size_t)(columns * size));
    memcpy(place + begin * size, x + (row * columns + begin) * size, (size_t)((end - begin) * size));
  }
}

/* result, bytes of an element, off and on side by side, indices (float64 whole numbers or int64),
 * whether they are float64, blocks, classes, elements of a block: result[block, class, i] is on
 * where the index is the class, counted from the end below zero. SHAPE-14 */
void ONE_HOT(const Context *context, const int64_t *args) {
  uint8_t *result = at(context, args[0]);
  int64_t bytes = args[1], classes = args[6], inner = args[7];
  const uint8_t *values = at(context, args[2]);
  const void *indices = at(context, args[3]);
  Range part = share(context, args[5] * classes * inner, 64);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t i = item % inner, class = item / inner % classes, place = item / inner / classes * inner + i, index;
    if (args[4]) {
      double whole = ((const double *)indices)[place]; /* cut off towards zero, as a conversion does */
      index = whole > -0x1p62 && whole < 0x1p62 ? (int64_t)whole : classes;
    } else index = ((const int64_t *)indices)[place];
    int on = index == class || (index < 0 && index + classes == class);
    move_bytes(result + item * bytes, values + on * bytes, bytes);
  }
}

/* bytes of what one step takes, result, x, lengths (int64), steps, sequences, whether time comes
 * first: the first `length` steps of each sequence backwards. SHAPE-36 */
void REVERSE_SEQUENCE(const Context *context, const int64_t *args) {
  int64_t bytes = args[0], steps = args[4], sequences = args[5];
  uint8_t *result = at(context, args[1]);
  const uint8_t *x = at(context, args[2]);
  const int64_t *lengths = at(context, args[3]);
  Range part = share(context, steps * sequences, most(1, 64 / bytes));
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t step = args[6] ? item / sequences : item % steps, sequence = args[6] ? item % sequences : item / steps;
    int64_t length = lengths[sequence];
    if (length < 0 || length > steps) *context->bad_input = 1, length = 0;
    int64_t from = step < length ? length - 1 - step : step;
    move_bytes(result + item * bytes, x + (args[6] ? from * sequences + sequence : sequence * steps + from) * bytes, bytes);
  }
}
