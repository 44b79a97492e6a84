/* One operand, element by element; the one NaN; conversions between element types. TENSOR-4,
 * TENSOR-15, TENSOR-20, TENSOR-22 */
#include "half.h"
#include "walk.h"

/* element type (F16, F32, F64), address, count: every NaN becomes the one quiet NaN. TENSOR-4 */
void CANONICALISE(const Context *context, const int64_t *args) {
  Range part = share(context, args[2], 1024);
#define CANONICALISE_AS(T, infinity, quiet)                              \
  {                                                                      \
    T *bits = at(context, args[1]), most = (T)((T)-1 >> 1);              \
    for (int64_t i = part.begin; i < part.end; i++)                      \
      bits[i] = (bits[i] & most) > (T)infinity ? (T)quiet : bits[i];     \
  }
  if (args[0] == F16) CANONICALISE_AS(uint16_t, 0x7c00, 0x7e00)
  else if (args[0] == F32) CANONICALISE_AS(uint32_t, 0x7f800000, 0x7fc00000)
  else CANONICALISE_AS(uint64_t, 0x7ff0000000000000, 0x7ff8000000000000)
}

/* As programs number them. */
enum {
  U_NEGATE, U_ABSOLUTE, U_SIGN, U_FLOOR, U_CEIL, U_ROUND, U_SQRT, U_RECIPROCAL, U_RELU, U_LEAKY_RELU,
  U_THRESHOLDED_RELU, U_HARD_SIGMOID, U_HARD_SWISH, U_SOFTSIGN, U_SHRINK, U_CLIP, U_IS_NAN, U_IS_INFINITE
};

#define LARGER_OF(x, y) ((x) != (x) || ((x) == 0 && (y) == 0) ? (x) + (y) : (x) > (y) ? (x) : (y))
#define SMALLER_OF(x, y) ((x) != (x) || ((x) == 0 && (y) == 0) ? -(-(x) + -(y)) : (x) < (y) ? (x) : (y))

#define OVER(R, value)                                    \
  {                                                       \
    R *restrict result = to;                              \
    for (int64_t i = 0; i < n; i++) {                     \
      TYPE x = from[i];                                   \
      result[i] = (R)(value);                             \
    }                                                     \
    break;                                                \
  }

#define UNARY_OF(name, size_of, with_sign, root, shift)                                                        \
  static void name(int64_t operation, void *restrict to, const TYPE *restrict from, int64_t n, TYPE a, TYPE b) { \
    switch (operation) {                                                                                       \
      case U_NEGATE: OVER(TYPE, -x)                                                                            \
      case U_ABSOLUTE: OVER(TYPE, size_of(x))                                                                  \
      case U_SIGN: OVER(TYPE, x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x)                                         \
      case U_FLOOR: OVER(TYPE, FLOORED(x, size_of, with_sign, shift))                                          \
      case U_CEIL: OVER(TYPE, -FLOORED(-x, size_of, with_sign, shift))                                         \
      case U_ROUND: OVER(TYPE, NEAREST(x, size_of, with_sign, shift))                                          \
      case U_SQRT: OVER(TYPE, root(x))                                                                         \
      case U_RECIPROCAL: OVER(TYPE, 1 / x)                                                                     \
      case U_RELU: OVER(TYPE, x > 0 ? x : x != x ? x : 0)                                                      \
      case U_LEAKY_RELU: OVER(TYPE, x < 0 ? a * x : x)                                                         \
      case U_THRESHOLDED_RELU: OVER(TYPE, x != x || x > a ? x : 0)                                             \
      case U_HARD_SIGMOID: OVER(TYPE, HARD_SIGMOID(x, a, b))                                                   \
      case U_HARD_SWISH: OVER(TYPE, x * HARD_SIGMOID(x, a, b))                                                 \
      case U_SOFTSIGN: OVER(TYPE, x / (1 + size_of(x)))                                                        \
      case U_SHRINK: OVER(TYPE, x < -a ? x + b : x > a ? x - b : x != x ? x : 0)                               \
      case U_CLIP: OVER(TYPE, SMALLER_OF(LARGER_OF(x, a), b))                                                  \
      case U_IS_NAN: OVER(uint8_t, x != x)                                                                     \
      default: OVER(uint8_t, (a != 0 && x == INFINITE) || (b != 0 && x == -INFINITE))                          \
    }                                                                                                          \
  }
#define INFINITE ((TYPE)__builtin_inf())
/* `shift` is the first number whose last bit is 1; from there on all are integers. */
#define NEAREST(x, size_of, with_sign, shift) \
  (size_of(x) < (shift) ? with_sign((size_of(x) + (shift)) - (shift), x) : (x))
/* A nearest integer above x is one too high; zeros keep x's sign. */
#define FLOORED(x, size_of, with_sign, shift)                                                                \
  (NEAREST(x, size_of, with_sign, shift) > (x) ? with_sign(NEAREST(x, size_of, with_sign, shift) - 1, x)     \
                                               : NEAREST(x, size_of, with_sign, shift))
/* max(0, min(1, a x + b)) */
#define HARD_SIGMOID(x, a, b) LARGER_OF((TYPE)0, SMALLER_OF((TYPE)1, (a) * (x) + (b)))

#define TYPE float
UNARY_OF(unary_f32, __builtin_fabsf, __builtin_copysignf, __builtin_sqrtf, 0x1p23f)
#undef TYPE
#define TYPE double
UNARY_OF(unary_f64, __builtin_fabs, __builtin_copysign, __builtin_sqrt, 0x1p52)
#undef TYPE

/* operation, element type (F32, F64), result, x, count, a, b: the bits of two parameters, which
 * round to the element type. Tests give BOOL. */
void ELEMENTWISE_UNARY(const Context *context, const int64_t *args) {
  int64_t width = args[1] == F32 ? 4 : 8, result_width = args[0] >= U_IS_NAN ? 1 : width;
  Range part = share(context, args[4], 64);
  uint8_t *result = (uint8_t *)at(context, args[2]) + part.begin * result_width;
  const uint8_t *x = (const uint8_t *)at(context, args[3]) + part.begin * width;
  double a = f64_of(args[5]), b = f64_of(args[6]);
  if (args[1] == F32)
    unary_f32(args[0], result, (const float *)x, part.end - part.begin, (float)a, (float)b);
  else
    unary_f64(args[0], result, (const double *)x, part.end - part.begin, a, b);
}

/* Conversions go through int64 or float64, which hold every element; only uint64 above 2^63
 * needs its own way to the floats. */
#define EACH for (int64_t i = 0; i < n; i++)
#define LOAD(type, T, value) \
  case type: EACH { T x = ((const T *)from)[i]; wide[i] = value; } break;
#define STORE(type, T, value) \
  case type: EACH { x = wide[i], ((T *)to)[i] = (T)(value); } break;

static void load_integers(int64_t type, int64_t *restrict wide, const void *restrict from, int64_t n) {
  switch (type) {
    LOAD(I8, int8_t, x) LOAD(I16, int16_t, x) LOAD(I32, int32_t, x) LOAD(U8, uint8_t, x) LOAD(U16, uint16_t, x)
    LOAD(U32, uint32_t, x) LOAD(BOOL, uint8_t, x)
    default: memcpy(wide, from, (size_t)n * 8);
  }
}

static void load_floats(int64_t type, double *restrict wide, const void *restrict from, int64_t n) {
  switch (type) {
    LOAD(F16, uint16_t, (double)f32_of_f16(x)) LOAD(F32, float, (double)x)
    default: memcpy(wide, from, (size_t)n * 8);
  }
}

static void store_integers(int64_t type, void *restrict to, const int64_t *restrict wide, int64_t n) {
  int64_t x;
  switch (type) {
    STORE(F16, uint16_t, f16_of_f32((float)x)) STORE(F32, float, x) STORE(F64, double, x) STORE(I8, uint8_t, x)
    STORE(U8, uint8_t, x) STORE(I16, uint16_t, x) STORE(U16, uint16_t, x) STORE(I32, uint32_t, x)
    STORE(U32, uint32_t, x) STORE(BOOL, uint8_t, x != 0)
    default: memcpy(to, wide, (size_t)n * 8);
  }
}

static void store_unsigned(int64_t type, void *restrict to, const uint64_t *restrict wide, int64_t n) {
  uint64_t x;
  switch (type) {
    STORE(F16, uint16_t, f16_of_f32((float)x)) STORE(F32, float, x)
    default: EACH ((double *)to)[i] = (double)wide[i];
  }
}

/* Towards zero; NaN and what doesn't fit become the least number, whose low bits are 0. */
static inline int64_t whole_i64(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }
static inline int32_t whole_i32(double x) { return x > -0x1p31 - 1 && x < 0x1p31 ? (int32_t)x : INT32_MIN; }
static inline uint64_t whole_u64(double x) {
  return x >= 0x1p63 && x < 0x1p64 ? (uint64_t)whole_i64(x - 0x1p63) ^ (1ull << 63) : (uint64_t)whole_i64(x);
}

static void store_floats(int64_t type, void *restrict to, const double *restrict wide, int64_t n) {
  double x;
  switch (type) {
    STORE(F16, uint16_t, f16_of_f64(x)) STORE(F32, float, x) STORE(F64, double, x) STORE(I8, uint8_t, whole_i32(x))
    STORE(U8, uint8_t, whole_i32(x)) STORE(I16, uint16_t, whole_i32(x)) STORE(U16, uint16_t, whole_i32(x))
    STORE(I32, int32_t, whole_i32(x)) STORE(U32, uint32_t, whole_i64(x)) STORE(I64, int64_t, whole_i64(x))
    STORE(U64, uint64_t, whole_u64(x))
    default: EACH ((uint8_t *)to)[i] = wide[i] != 0;
  }
}

/* element type, result's element type, result, x, count. TENSOR-15 */
void CAST(const Context *context, const int64_t *args) {
  enum { PIECE = 256 };
  int64_t from = args[0], to = args[1];
  Range part = share(context, args[4], PIECE);
  uint8_t *result = at(context, args[2]);
  const uint8_t *x = at(context, args[3]);
  union {
    int64_t integers[PIECE];
    double floats[PIECE];
  } wide;
  for (int64_t i = part.begin; i < part.end; i += PIECE) {
    int64_t n = least(PIECE, part.end - i);
    void *target = result + i * ITEM_SIZES[to];
    const void *source = x + i * ITEM_SIZES[from];
    if (from <= F64) {
      load_floats(from, wide.floats, source, n);
      store_floats(to, target, wide.floats, n);
    } else if (from == U64 && to <= F64) {
      store_unsigned(to, target, source, n);
    } else {
      load_integers(from, wide.integers, source, n);
      store_integers(to, target, wide.integers, n);
    }
  }
}
