/* Element by element: each operation rounds to the element type, nothing is fused. TENSOR-20,
 * TENSOR-21 */
#include "walk.h"
#include "trigonometry.h"

/* As programs number them. Truth values are 0 and 1, so that logic is bitwise. */
enum {
  B_ADD, B_SUB, B_MUL, B_DIV, B_MIN, B_MAX, B_MOD, B_FMOD, B_AND, B_OR, B_XOR, B_SHIFT_LEFT, B_SHIFT_RIGHT, B_PRELU,
  B_EQUAL, B_LESS, B_LESS_OR_EQUAL, B_POWER, B_INTEGER_POWER, BINARIES
};

/* n results from runs of a and b whose strides are 0 or 1. */
typedef void Binary(void *result, const void *a, const void *b, int64_t n, int64_t a_stride, int64_t b_stride);

/* The common cases in loops of their own, for what should be fast. */
#define BINARY_FAST(name, T, R, value)                                                                  \
  static void name(void *restrict to, const void *restrict from, const void *restrict other, int64_t n, \
                   int64_t a_stride, int64_t b_stride) {                                                \
    R *restrict result = to;                                                                            \
    const T *restrict a = from, *restrict b = other;                                                    \
    if (a_stride && b_stride)                                                                           \
      for (int64_t i = 0; i < n; i++) {                                                                 \
        T x = a[i], y = b[i];                                                                           \
        result[i] = value;                                                                              \
      }                                                                                                 \
    else if (a_stride) {                                                                                \
      T y = b[0];                                                                                       \
      for (int64_t i = 0; i < n; i++) {                                                                 \
        T x = a[i];                                                                                     \
        result[i] = value;                                                                              \
      }                                                                                                 \
    } else {                                                                                            \
      T x = a[0];                                                                                       \
      for (int64_t i = 0; i < n; i++) {                                                                 \
        T y = b[i * b_stride];                                                                          \
        result[i] = value;                                                                              \
      }                                                                                                 \
    }                                                                                                   \
  }
#define BINARY(name, T, R, value)                                                                       \
  static void name(void *restrict to, const void *restrict from, const void *restrict other, int64_t n, \
                   int64_t a_stride, int64_t b_stride) {                                                \
    R *restrict result = to;                                                                            \
    const T *restrict a = from, *restrict b = other;                                                    \
    _Pragma("clang loop vectorize(disable)") for (int64_t i = 0; i < n; i++) {                          \
      T x = a[i * a_stride], y = b[i * b_stride];                                                       \
      result[i] = (R)(value);                                                                           \
    }                                                                                                   \
  }

/* The larger of two is NaN if either is, and -0 is smaller than +0. */
#define LARGER(x, y) ((x) != (x) || ((x) == 0 && (y) == 0) ? (x) + (y) : (x) > (y) ? (x) : (y))
#define SMALLER(x, y) ((x) != (x) || ((x) == 0 && (y) == 0) ? -(-(x) + -(y)) : (x) < (y) ? (x) : (y))

#define FLOAT_BINARIES(make, suffix, T)                   \
  make(add_##suffix, T, T, x + y)                         \
  make(sub_##suffix, T, T, x - y)                         \
  make(mul_##suffix, T, T, x * y)                         \
  make(div_##suffix, T, T, x / y)                         \
  make(min_##suffix, T, T, SMALLER(x, y))                 \
  make(max_##suffix, T, T, LARGER(x, y))                  \
  make(prelu_##suffix, T, T, x < 0 ? y * x : x)           \
  BINARY(mod_##suffix, T, T, modulo_f64(x, y))            \
  BINARY(fmod_##suffix, T, T, remainder_f64(x, y))        \
  make(equal_##suffix, T, uint8_t, x == y)                \
  make(less_##suffix, T, uint8_t, x < y)                  \
  make(less_or_equal_##suffix, T, uint8_t, x <= y)

/* U: the unsigned type of the same width, which wraps around; also after a widening to int. */
#define INTEGER_BINARIES(suffix, T, U)                                                                  \
  BINARY(min_##suffix, T, T, x < y ? x : y)                                                             \
  BINARY(max_##suffix, T, T, x > y ? x : y)                                                             \
  BINARY(div_##suffix, T, T, y == 0 ? 0 : (T)-1 < 0 && y == (T)-1 ? (U)(0 - (U)x) : x / y)               \
  BINARY(fmod_##suffix, T, T, y == 0 || ((T)-1 < 0 && y == (T)-1) ? 0 : x % y)                          \
  BINARY(mod_##suffix, T, T, y == 0 || ((T)-1 < 0 && y == (T)-1) ? 0 : floored(x % y, y))               \
  BINARY(shift_right_##suffix, T, T,                                                                    \
         y >= 0 && (uint64_t)y < 8 * sizeof(T) ? x >> y : x < 0 ? x >> (8 * sizeof(T) - 1) : 0)         \
  BINARY(less_##suffix, T, uint8_t, x < y)                                                              \
  BINARY(less_or_equal_##suffix, T, uint8_t, x <= y)
#define SIGNED_BINARIES(suffix, T, U) BINARY(prelu_##suffix, T, T, x < 0 ? (U)y * (uint64_t)(U)x : (U)x)
#define WRAPPING_BINARIES(suffix, U)                                                                    \
  BINARY(add_##suffix, U, U, x + y)                                                                     \
  BINARY(sub_##suffix, U, U, x - y)                                                                     \
  BINARY(mul_##suffix, U, U, (uint64_t)x * y)                                                           \
  BINARY(and_##suffix, U, U, x & y)                                                                     \
  BINARY(or_##suffix, U, U, x | y)                                                                      \
  BINARY(xor_##suffix, U, U, x ^ y)                                                                     \
  BINARY(shift_left_##suffix, U, U, y < 8 * sizeof(U) ? (uint64_t)x << y : 0)                           \
  BINARY(equal_##suffix, U, uint8_t, x == y)

/* C's remainder with the sign of the divisor. */
#define floored(rest, y) ((rest) != 0 && ((rest) < 0) != ((y) < 0) ? (rest) + (y) : (rest))

/* The bits of a positive float64 become its mantissa with the leading bit at 52; its exponent. */
static int64_t leading(uint64_t *bits) {
  int64_t exponent = (int64_t)(*bits >> 52);
  if (exponent) {
    *bits = (*bits & ((1ull << 52) - 1)) | 1ull << 52;
    return exponent;
  }
  for (exponent = 1; *bits && *bits < 1ull << 52; exponent--) *bits <<= 1;
  return exponent;
}

/* x - y trunc(x / y), exactly: a subtraction for each bit of the quotient. float32's is the same
 * number. */
static double remainder_f64(double x, double y) {
  uint64_t a, b;
  memcpy(&a, &x, 8);
  memcpy(&b, &y, 8);
  uint64_t sign = a & (1ull << 63), infinite = 0x7ffull << 52;
  a &= ~(1ull << 63), b &= ~(1ull << 63);
  if (a >= infinite || b > infinite || b == 0) return NAN_F64;
  if (a < b) return x;
  int64_t a_exponent = leading(&a), b_exponent = leading(&b);
  for (; a_exponent > b_exponent; a_exponent--) a = (a >= b ? a - b : a) << 1;
  a = a >= b ? a - b : a;
  for (; a && a < 1ull << 52; a_exponent--) a <<= 1;
  a = a_exponent > 0 ? (a & ((1ull << 52) - 1)) | (a ? (uint64_t)a_exponent << 52 : 0) : a >> (1 - a_exponent);
  a |= sign;
  memcpy(&x, &a, 8);
  return x;
}

/* The remainder with the sign of the divisor; of zeros too. */
static double modulo_f64(double x, double y) {
  double rest = remainder_f64(x, y);
  int other = __builtin_signbit(rest) != __builtin_signbit(y);
  return rest == 0 ? __builtin_copysign(rest, y) : other ? rest + y : rest;
}

FLOAT_BINARIES(BINARY_FAST, f32, float)
FLOAT_BINARIES(BINARY, f64, double)
INTEGER_BINARIES(i8, int8_t, uint8_t) INTEGER_BINARIES(u8, uint8_t, uint8_t) SIGNED_BINARIES(i8, int8_t, uint8_t)
INTEGER_BINARIES(i16, int16_t, uint16_t) INTEGER_BINARIES(u16, uint16_t, uint16_t) SIGNED_BINARIES(i16, int16_t, uint16_t)
INTEGER_BINARIES(i32, int32_t, uint32_t) INTEGER_BINARIES(u32, uint32_t, uint32_t) SIGNED_BINARIES(i32, int32_t, uint32_t)
INTEGER_BINARIES(i64, int64_t, uint64_t) INTEGER_BINARIES(u64, uint64_t, uint64_t) SIGNED_BINARIES(i64, int64_t, uint64_t)
WRAPPING_BINARIES(u8, uint8_t) WRAPPING_BINARIES(u16, uint16_t)
WRAPPING_BINARIES(u32, uint32_t) WRAPPING_BINARIES(u64, uint64_t)

/* Square and multiply, wrapping around; a negative exponent gives 1 / x ** -y truncated. */
static int64_t integer_power(int64_t x, int64_t y) {
  if (y < 0) return x == 1 ? 1 : x == -1 ? 1 - 2 * (y & 1) : 0;
  uint64_t result = 1, factor = (uint64_t)x;
  for (; y; y >>= 1, factor *= factor) result = y & 1 ? result * factor : result;
  return (int64_t)result;
}
BINARY(integer_power_i64, int64_t, int64_t, integer_power(x, y))

#define POWER(name, T, V, value)                                                                             \
  static void name(void *to, const void *from, const void *other, int64_t n, int64_t a_stride, int64_t b_stride) { \
    const T *a = from, *b = other;                                                                           \
    for (int64_t i = 0; i < n; i += VL) {                                                                    \
      int64_t count = least(VL, n - i);                                                                      \
      V x = (V)1.0f, y = (V)1.0f;                                                                            \
      for (int64_t j = 0; j < count; j++) x[j] = a[(i + j) * a_stride], y[j] = b[(i + j) * b_stride];        \
      value;                                                                                                 \
      memcpy((T *)to + i, &x, (size_t)count * sizeof(T));                                                    \
    }                                                                                                        \
  }
static __attribute__((noinline)) void power_in_place(vd *x, const vd *y) { *x = power_vd(*x, *y); }
POWER(power_f32, float, vf, x = power_vf(x, y))
POWER(power_f64, double, vd, power_in_place(&x, &y))

#define ON_FLOATS(name) [F32] = name##_f32, [F64] = name##_f64
#define ON_WIDTHS(name)                                                                                            \
  [I8] = name##_u8, [U8] = name##_u8, [I16] = name##_u16, [U16] = name##_u16, [I32] = name##_u32,                  \
  [U32] = name##_u32, [I64] = name##_u64, [U64] = name##_u64, [BOOL] = name##_u8
#define ON_SIGNED(name) [I8] = name##_i8, [I16] = name##_i16, [I32] = name##_i32, [I64] = name##_i64
#define ON_INTEGERS(name) ON_SIGNED(name), [U8] = name##_u8, [U16] = name##_u16, [U32] = name##_u32, [U64] = name##_u64

static Binary *const BINARY_TABLE[BINARIES][BOOL + 1] = {
  [B_ADD] = {ON_FLOATS(add), ON_WIDTHS(add)},
  [B_SUB] = {ON_FLOATS(sub), ON_WIDTHS(sub)},
  [B_MUL] = {ON_FLOATS(mul), ON_WIDTHS(mul)},
  [B_DIV] = {ON_FLOATS(div), ON_INTEGERS(div)},
  [B_MIN] = {ON_FLOATS(min), ON_INTEGERS(min)},
  [B_MAX] = {ON_FLOATS(max), ON_INTEGERS(max)},
  [B_MOD] = {ON_FLOATS(mod), ON_INTEGERS(mod)},
  [B_FMOD] = {ON_FLOATS(fmod), ON_INTEGERS(fmod)},
  [B_AND] = {ON_WIDTHS(and)},
  [B_OR] = {ON_WIDTHS(or)},
  [B_XOR] = {ON_WIDTHS(xor)},
  [B_SHIFT_LEFT] = {ON_WIDTHS(shift_left)},
  [B_SHIFT_RIGHT] = {ON_INTEGERS(shift_right)},
  [B_PRELU] = {ON_FLOATS(prelu), ON_SIGNED(prelu)},
  [B_EQUAL] = {ON_FLOATS(equal), ON_WIDTHS(equal)},
  [B_LESS] = {ON_FLOATS(less), ON_INTEGERS(less)},
  [B_LESS_OR_EQUAL] = {ON_FLOATS(less_or_equal), ON_INTEGERS(less_or_equal)},
  [B_POWER] = {ON_FLOATS(power)},
  [B_INTEGER_POWER] = {[I64] = integer_power_i64},
};

/* operation, the operands' element type, result, a, b, then a walk over a and b. Comparisons give
 * BOOL, the others their operands' type. */
void ELEMENTWISE_BINARY(const Context *context, const int64_t *args) {
  Binary *binary = BINARY_TABLE[args[0]][args[1]];
  int64_t size = ITEM_SIZES[args[1]], result_size = args[0] >= B_EQUAL && args[0] <= B_LESS_OR_EQUAL ? 1 : size;
  uint8_t *result = at(context, args[2]);
  const uint8_t *a = at(context, args[3]), *b = at(context, args[4]);
  for (Walk walk = walk_share(context, args + 5, 2, 64); walking(&walk); walk_on(&walk))
    binary(result + walk.at * result_size, a + walk.place[0] * size, b + walk.place[1] * size, walk.length,
           last_stride(&walk, 0), last_stride(&walk, 1));
}

#define WHERE_OF(T)                                                                                       \
  static void where_##T(T *restrict result, const uint8_t *restrict mask, const T *restrict a,            \
                        const T *restrict b, int64_t n, int64_t m_stride, int64_t a_stride, int64_t b_stride) { \
    if (m_stride && a_stride && b_stride)                                                                 \
      for (int64_t i = 0; i < n; i++) result[i] = mask[i] ? a[i] : b[i];                                  \
    else                                                                                                  \
      for (int64_t i = 0; i < n; i++) result[i] = mask[i * m_stride] ? a[i * a_stride] : b[i * b_stride]; \
  }
WHERE_OF(uint8_t) WHERE_OF(uint16_t) WHERE_OF(uint32_t) WHERE_OF(uint64_t)

/* bytes of an element, result, condition, a, b, then a walk over condition, a and b. */
void WHERE(const Context *context, const int64_t *args) {
  void *result = at(context, args[1]);
  const uint8_t *mask = at(context, args[2]);
  const void *a = at(context, args[3]), *b = at(context, args[4]);
#define WHERE_RUN(T)                                                                                         \
  where_##T((T *)result + walk.at, mask + walk.place[0], (const T *)a + walk.place[1], (const T *)b + walk.place[2], \
            walk.length, last_stride(&walk, 0), last_stride(&walk, 1), last_stride(&walk, 2))
  for (Walk walk = walk_share(context, args + 5, 3, 64); walking(&walk); walk_on(&walk)) switch (args[0]) {
      case 1: WHERE_RUN(uint8_t); break;
      case 2: WHERE_RUN(uint16_t); break;
      case 4: WHERE_RUN(uint32_t); break;
      default: WHERE_RUN(uint64_t); break;
    }
}
