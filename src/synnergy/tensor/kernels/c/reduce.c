/* Sums, products and extremes along axes: 16 partial results, then a tree. TENSOR-12, SHAPE-50
 *
 * Terms are brought to one of four types of accumulators first. Extremes compare integers that are
 * ordered as the elements are, so that NaN, -0 and +0 need no care; the smallest is the largest of
 * the complements.
 */
#include "half.h"
#include "rows.h"
#include "walk.h"

/* Terms gathered at a time, a multiple of LANES; columns that are reduced side by side. */
#define TERMS 1024
#define COLUMNS (TERMS / LANES)

typedef int64_t i64_lanes __attribute__((ext_vector_type(LANES)));

/* fold: n terms, a multiple of LANES, into 16 lanes, the first into lane 0.
 * combine: n partial results with as many terms. */
typedef struct {
  void (*fold)(void *lanes, const void *terms, int64_t n);
  void (*combine)(void *partial, const void *terms, int64_t n);
} Arithmetic;

#define ARITHMETIC(NAME, T, LANE_TYPE, EXPRESSION)                                \
  static void fold_##NAME(void *lanes, const void *terms, int64_t n) {            \
    LANE_TYPE a, b;                                                               \
    memcpy(&a, lanes, sizeof a);                                                  \
    for (int64_t i = 0; i < n; i += LANES) {                                      \
      memcpy(&b, (const T *)terms + i, sizeof b);                                 \
      a = EXPRESSION;                                                             \
    }                                                                             \
    memcpy(lanes, &a, sizeof a);                                                  \
  }                                                                               \
  static void combine_##NAME(void *partial, const void *terms, int64_t n) {       \
    T *restrict left = partial;                                                   \
    const T *restrict right = terms;                                              \
    for (int64_t i = 0; i < n; i++) {                                             \
      T a = left[i], b = right[i];                                                \
      left[i] = EXPRESSION;                                                       \
    }                                                                             \
  }
ARITHMETIC(add_f32, float, f32_lanes, a + b)
ARITHMETIC(add_f64, double, f64_lanes, a + b)
ARITHMETIC(add_i32, int32_t, i32_lanes, a + b)
ARITHMETIC(add_i64, int64_t, i64_lanes, a + b)
ARITHMETIC(multiply_f32, float, f32_lanes, a *b)
ARITHMETIC(multiply_f64, double, f64_lanes, a *b)
ARITHMETIC(multiply_i32, int32_t, i32_lanes, a *b)
ARITHMETIC(multiply_i64, int64_t, i64_lanes, a *b)
ARITHMETIC(larger_i32, int32_t, i32_lanes, __builtin_elementwise_max(a, b))
ARITHMETIC(larger_i64, int64_t, i64_lanes, __builtin_elementwise_max(a, b))

/* Integers that are ordered as floats are; the same function leads back. */
static inline int16_t ordered_f16(int16_t bits) { return (int16_t)(bits ^ ((bits >> 15) & INT16_MAX)); }
static inline int32_t ordered_f32(int32_t bits) { return bits ^ ((bits >> 31) & INT32_MAX); }
static inline int64_t ordered_f64(int64_t bits) { return bits ^ ((bits >> 63) & INT64_MAX); }

/* `flip` is 0 where the largest is looked for, -1 for the smallest; NaN is the extreme of both. */
static inline int32_t key_f16(int16_t bits, int32_t flip) {
  return (bits & INT16_MAX) > 0x7c00 ? INT16_MAX : ordered_f16(bits) ^ flip;
}
static inline int32_t key_f32(int32_t bits, int32_t flip) {
  return (bits & INT32_MAX) > 0x7f800000 ? INT32_MAX : ordered_f32(bits) ^ flip;
}
static inline int64_t key_f64(int64_t bits, int64_t flip) {
  return (bits & INT64_MAX) > 0x7ff0000000000000 ? INT64_MAX : ordered_f64(bits) ^ flip;
}

enum { SUM = 0, ABSOLUTE_SUM, SQUARE_SUM, POWER_SUM, PRODUCT, LARGEST, SMALLEST };
enum { AS_IS = 0, MEAN, ROOT, LOGARITHM, FINITE };

typedef struct {
  int64_t type, operation, finish, count;
  int extreme, integer, wide; /* of its accumulators: keys of an extreme, integers, 8 bytes */
  int64_t size;               /* of an accumulator */
  const Arithmetic *arithmetic;
  const uint8_t *shift;
} Reduction;

static Reduction reduction_of(const Context *context, const int64_t *args) {
  static const Arithmetic table[3][4] = {
      {{fold_add_f32, combine_add_f32},
       {fold_add_f64, combine_add_f64},
       {fold_add_i32, combine_add_i32},
       {fold_add_i64, combine_add_i64}},
      {{fold_multiply_f32, combine_multiply_f32},
       {fold_multiply_f64, combine_multiply_f64},
       {fold_multiply_i32, combine_multiply_i32},
       {fold_multiply_i64, combine_multiply_i64}},
      {{0, 0}, {0, 0}, {fold_larger_i32, combine_larger_i32}, {fold_larger_i64, combine_larger_i64}}};
  Reduction r = {args[3], args[4], args[5], args[6], 0, 0, 0, 0, NULL, at_optional(context, args[2])};
  r.extreme = r.operation >= LARGEST;
  r.integer = r.extreme || r.type > F64;
  r.wide = r.type == F64 || r.type == I64 || r.type == U64;
  r.size = r.wide ? 8 : 4;
  r.arithmetic = &table[r.extreme ? 2 : r.operation == PRODUCT][2 * r.integer + r.wide];
  return r;
}

#define FILL(T, A, EXPRESSION)                                                         \
  do {                                                                                 \
    const T *restrict from = source;                                                   \
    A *restrict to = terms;                                                            \
    if (stride == 1)                                                                   \
      for (int64_t i = 0; i < n; i++) {                                                \
        T v = from[i];                                                                 \
        to[i] = (A)(EXPRESSION);                                                       \
      }                                                                                \
    else                                                                               \
      for (int64_t i = 0; i < n; i++) {                                                \
        T v = from[i * stride];                                                        \
        to[i] = (A)(EXPRESSION);                                                       \
      }                                                                                \
  } while (0)
#define FILL_FLOAT(T, A, VALUE)                                                        \
  do {                                                                                 \
    if (r->operation == ABSOLUTE_SUM) FILL(T, A, __builtin_elementwise_abs(VALUE));    \
    else if (r->operation == SQUARE_SUM) FILL(T, A, (VALUE) * (VALUE));                \
    else FILL(T, A, VALUE);                                                            \
  } while (0)
#define FILL_INTEGER(T, A, KEY)                                                        \
  do {                                                                                 \
    if (r->extreme) FILL(T, A, (A)(KEY) ^ flip);                                       \
    else if (r->operation == ABSOLUTE_SUM) FILL(T, A, v > 0 ? v : (T)0 - v);           \
    else if (r->operation == SQUARE_SUM) FILL(T, A, (A)v *(A)v);                       \
    else FILL(T, A, v);                                                                \
  } while (0)

/* `n` elements that lie `stride` apart, as terms of the accumulators' type. */
static void fill(const Reduction *r, void *terms, const void *source, int64_t stride, int64_t n) {
  int32_t flip = r->operation == SMALLEST ? -1 : 0;
  switch (r->type) {
    case F16:
      if (r->extreme) FILL(int16_t, int32_t, key_f16(v, flip));
      else FILL_FLOAT(uint16_t, float, f32_of_f16(v));
      break;
    case F32:
      if (r->extreme) FILL(int32_t, int32_t, key_f32(v, flip));
      else FILL_FLOAT(float, float, v);
      break;
    case F64:
      if (r->extreme) FILL(int64_t, int64_t, key_f64(v, flip));
      else FILL_FLOAT(double, double, v);
      break;
    case I8: FILL(int8_t, int32_t, v ^ flip); break;
    case I16: FILL(int16_t, int32_t, v ^ flip); break;
    case I32: FILL_INTEGER(int32_t, int32_t, v); break;
    case I64: FILL_INTEGER(int64_t, int64_t, v); break;
    case U16: FILL(uint16_t, int32_t, v ^ flip); break;
    case U32: FILL_INTEGER(uint32_t, int32_t, v ^ 0x80000000u); break;
    case U64: FILL_INTEGER(uint64_t, int64_t, v ^ 0x8000000000000000u); break;
    default: FILL(uint8_t, int32_t, v ^ flip); break; /* U8, BOOL */
  }
}

/* Terms x become e ** (x - shift); the shift is that of result `index`, or one for each term. */
static void raise(const Reduction *r, void *terms, int64_t index, int64_t n, int each) {
  if (r->wide) {
    const double *shift = (const double *)r->shift + index;
    double *x = terms;
    for (int64_t i = 0; i < n; i++) x[i] -= shift[each ? i : 0];
    powers_f64(x, x, 0.0, n);
  } else {
    const float *shift = (const float *)r->shift + index;
    float *x = terms;
    for (int64_t i = 0; i < n; i++) x[i] -= shift[each ? i : 0];
    powers_f32(x, x, 0.0f, n);
  }
}

/* Terms from..to become what changes no result. */
static void neutral(const Reduction *r, void *terms, int64_t from, int64_t to) {
  int64_t wide = 0, narrow = 0;
  if (r->extreme) wide = INT64_MIN, narrow = INT32_MIN;
  else if (r->operation == PRODUCT) wide = r->integer ? 1 : 0x3ff0000000000000, narrow = r->integer ? 1 : 0x3f800000;
  if (r->wide)
    for (int64_t i = from; i < to; i++) ((int64_t *)terms)[i] = wide;
  else
    for (int64_t i = from; i < to; i++) ((int32_t *)terms)[i] = (int32_t)narrow;
}

#define FINISH_FLOAT(T)                                                        \
  do {                                                                                 \
    T v = *(const T *)total;                                                           \
    if (r->finish == MEAN) v = v / (T)r->count;                                        \
    else if (r->finish == ROOT) v = __builtin_elementwise_sqrt(v);                     \
    else if (r->finish == LOGARITHM) {                                                 \
      v = (T)log_vd((vd)(double)v)[0];                                                             \
      if (r->shift) v = v + ((const T *)r->shift)[index];                                 \
    }                                                                                  \
    value = v;                                                                         \
  } while (0)

/* The total of result `index` becomes an element of the result. */
static void finish_total(const Reduction *r, uint8_t *result, int64_t index, const void *total) {
  int64_t key = r->wide ? *(const int64_t *)total : *(const int32_t *)total;
  if (r->extreme && r->operation == SMALLEST) key = ~key;
  int divides = r->finish == MEAN;
  switch (r->type) {
    case F16: {
      float value = 0;
      if (r->finish == FINITE) {
        value = f32_of_f16((uint16_t)ordered_f16((int16_t)key));
        ((float *)result)[index] = __builtin_isfinite(value) ? value : 0.0f;
        break;
      }
      if (!r->extreme) FINISH_FLOAT(float);
      ((uint16_t *)result)[index] = r->extreme ? (uint16_t)ordered_f16((int16_t)key) : f16_of_f32(value);
      break;
    }
    case F32: {
      float value;
      if (r->extreme) ((int32_t *)result)[index] = ordered_f32((int32_t)key);
      else {
        FINISH_FLOAT(float);
        ((float *)result)[index] = value;
      }
      if (r->finish == FINITE && !__builtin_isfinite(((float *)result)[index])) ((float *)result)[index] = 0.0f;
      break;
    }
    case F64: {
      double value;
      if (r->extreme) ((int64_t *)result)[index] = ordered_f64(key);
      else {
        FINISH_FLOAT(double);
        ((double *)result)[index] = value;
      }
      if (r->finish == FINITE && !__builtin_isfinite(((double *)result)[index])) ((double *)result)[index] = 0.0;
      break;
    }
    case I32: ((int32_t *)result)[index] = (int32_t)(divides ? (int32_t)key / (int32_t)r->count : key); break;
    case I64: ((int64_t *)result)[index] = divides ? key / r->count : key; break;
    case U32: {
      uint32_t v = (uint32_t)key ^ (r->extreme ? 0x80000000u : 0);
      ((uint32_t *)result)[index] = divides ? v / (uint32_t)r->count : v;
      break;
    }
    case U64: {
      uint64_t v = (uint64_t)key ^ (r->extreme ? 0x8000000000000000u : 0);
      ((uint64_t *)result)[index] = divides ? v / (uint64_t)r->count : v;
      break;
    }
    case I16:
    case U16: ((int16_t *)result)[index] = (int16_t)key; break;
    default: ((int8_t *)result)[index] = (int8_t)key; break;
  }
}

/* Element `index` of dimensions (size, stride), where it lies. */
static int64_t place_of(const int64_t *dims, int64_t rank, int64_t index) {
  int64_t place = 0;
  for (int64_t d = rank - 1; d > 0; d--) {
    place += index % dims[2 * d] * dims[2 * d + 1];
    index /= dims[2 * d];
  }
  return rank ? place + index * dims[1] : 0;
}


#define REAL float
#define REALS f32_lanes
#define OF(name) name##_f32
#include "reduce_of.h"
#undef REAL
#undef REALS
#undef OF

#define REAL double
#define REALS f64_lanes
#define OF(name) name##_f64
#include "reduce_of.h"
#undef REAL
#undef REALS
#undef OF

/* The same for extremes of float32. */
static void extreme_rows_f32(const Reduction *r, uint8_t *result, const int32_t *x, const int64_t *kept, int64_t nk,
                             Range part) {
  int32_t flip = r->operation == SMALLEST ? -1 : 0;
  for (int64_t index = part.begin; index < part.end; index++) {
    const int32_t *row = x + place_of(kept, nk, index);
    i32_lanes tops = INT32_MIN, bits;
    int64_t i = 0;
    for (; i + LANES <= r->count; i += LANES) {
      memcpy(&bits, row + i, sizeof bits);
      i32_lanes size = bits & INT32_MAX, key = bits ^ ((bits >> 31) & INT32_MAX) ^ flip;
      tops = __builtin_elementwise_max(tops, size > 0x7f800000 ? (i32_lanes)INT32_MAX : key);
    }
    int32_t top = __builtin_reduce_max(tops);
    for (; i < r->count; i++) {
      int32_t key = key_f32(row[i], flip);
      top = key > top ? key : top;
    }
    finish_total(r, result, index, &top);
  }
}

/* Whether reduce_of.h knows it. */
static int plain_sum(const Reduction *r) {
  int sums = r->operation == SUM || r->operation == SQUARE_SUM;
  return sums && (r->type == F32 || r->type == F64) && r->finish <= ROOT;
}

/* Results begin..end where the last reduced axis is contiguous, or no kept one is. */
static void reduce_rows(const Reduction *r, uint8_t *result, const uint8_t *x, const int64_t *kept, int64_t nk,
                        const int64_t *reduced, int64_t nr, Range part) {
  int64_t bytes = ITEM_SIZES[r->type];
  int64_t run = nr ? reduced[2 * nr - 2] : 1, stride = nr ? reduced[2 * nr - 1] : 1;
  int plain = (r->operation == SUM || r->operation == PRODUCT) && r->type != F16 && stride == 1 && nr <= 1;
  if (plain_sum(r) && stride == 1 && nr <= 1) {
    if (r->wide) sum_rows_f64(r, (double *)result, (const double *)x, kept, nk, part);
    else sum_rows_f32(r, (float *)result, (const float *)x, kept, nk, part);
    return;
  }
  if (r->extreme && r->type == F32 && stride == 1 && nr <= 1) {
    extreme_rows_f32(r, result, (const int32_t *)x, kept, nk, part);
    return;
  }
  _Alignas(64) int64_t terms[TERMS], lanes[LANES];
  for (int64_t index = part.begin; index < part.end; index++) {
    const uint8_t *source = x + place_of(kept, nk, index) * bytes;
    neutral(r, lanes, 0, LANES);
    int64_t done = 0;
    if (plain) {
      done = r->count / LANES * LANES;
      r->arithmetic->fold(lanes, source, done);
    }
    while (done < r->count) {
      int64_t have = 0, chunk = least(TERMS, r->count - done);
      while (have < chunk) {
        int64_t row = (done + have) / run, column = (done + have) % run, more = least(run - column, chunk - have);
        const uint8_t *from = source + (place_of(reduced, nr - 1, row) + column * stride) * bytes;
        fill(r, (uint8_t *)terms + have * r->size, from, stride, more);
        have += more;
      }
      if (r->operation == POWER_SUM) raise(r, terms, index, chunk, 0);
      int64_t padded = (chunk + LANES - 1) / LANES * LANES;
      neutral(r, terms, chunk, padded);
      r->arithmetic->fold(lanes, terms, padded);
      done += chunk;
    }
    for (int64_t half = LANES / 2; half; half /= 2)
      r->arithmetic->combine(lanes, (uint8_t *)lanes + half * r->size, half);
    finish_total(r, result, index, lanes);
  }
}

/* Tiles begin..end of results side by side along a contiguous kept axis. */
static void reduce_columns(const Reduction *r, uint8_t *result, const uint8_t *x, const int64_t *kept, int64_t nk,
                           const int64_t *reduced, int64_t nr, Range part) {
  int64_t bytes = ITEM_SIZES[r->type], columns = kept[2 * nk - 2];
  int64_t tiles = (columns + COLUMNS - 1) / COLUMNS;
  _Alignas(64) int64_t terms[TERMS], partial[TERMS];
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t row = item / tiles, column = item % tiles * COLUMNS, width = least(COLUMNS, columns - column);
    const uint8_t *source = x + (place_of(kept, nk - 1, row) + column) * bytes;
    int64_t index = row * columns + column;
    if (plain_sum(r) && nr <= 1) {
      int64_t stride = nr ? reduced[1] : 0;
      if (r->wide) sum_columns_f64(r, (double *)result + index, (const double *)source, stride, width);
      else sum_columns_f32(r, (float *)result + index, (const float *)source, stride, width);
      continue;
    }
    neutral(r, partial, 0, LANES * width);
    for (int64_t done = 0; done < r->count; done += LANES) {
      int64_t rows = least(LANES, r->count - done);
      for (int64_t j = 0; j < rows; j++) {
        void *place = (uint8_t *)terms + j * width * r->size;
        fill(r, place, source + place_of(reduced, nr, done + j) * bytes, 1, width);
        if (r->operation == POWER_SUM) raise(r, place, index, width, 1);
      }
      r->arithmetic->combine(partial, terms, rows * width);
    }
    for (int64_t half = LANES / 2; half; half /= 2)
      r->arithmetic->combine(partial, (uint8_t *)partial + half * width * r->size, half * width);
    for (int64_t j = 0; j < width; j++) finish_total(r, result, index + j, (uint8_t *)partial + j * r->size);
  }
}

/* result, x, shift or ABSENT, element type, operation, finish, terms of each result (1 at least),
 * kept axes, reduced axes, then size and stride of each kept one and of each reduced one.
 *
 * POWER_SUM adds e ** (x - shift), a shift for each result; LOGARITHM adds that shift again. FINITE
 * makes of a result that is not finite +0, and float32 of float16. Integers' means truncate. */
void REDUCE(const Context *context, const int64_t *args) {
  Reduction r = reduction_of(context, args);
  uint8_t *result = at(context, args[0]);
  const uint8_t *x = at(context, args[1]);
  int64_t nk = args[7], nr = args[8];
  const int64_t *kept = args + 9, *reduced = kept + 2 * nk;
  int64_t results = 1;
  for (int64_t d = 0; d < nk; d++) results *= kept[2 * d];
  if (nk && kept[2 * nk - 1] == 1) {
    int64_t columns = kept[2 * nk - 2];
    Range part = share(context, results / columns * ((columns + COLUMNS - 1) / COLUMNS), 1);
    reduce_columns(&r, result, x, kept, nk, reduced, nr, part);
  } else {
    reduce_rows(&r, result, x, kept, nk, reduced, nr, share(context, results, 8));
  }
}
