/* Places of elements by their order, running sums, and weighted taps along an axis. SHAPE-4,
 * SHAPE-41, SHAPE-54, SHAPE-60, SHAPE-61 */
#include "walk.h"

/* Whole numbers in the order of the elements: NaN above all, both zeros alike. */
static inline int64_t key_of_f64(double x) {
  int64_t bits;
  x = x == 0 ? 0 : x;
  memcpy(&bits, &x, 8);
  return x != x ? INT64_MAX : bits < 0 ? bits ^ INT64_MAX : bits;
}

static inline int64_t key_at(const void *x, int64_t type, int64_t i) {
  switch (type) {
    case F32: return key_of_f64(((const float *)x)[i]);
    case F64: return key_of_f64(((const double *)x)[i]);
    case I8: return ((const int8_t *)x)[i];
    case I16: return ((const int16_t *)x)[i];
    case I32: return ((const int32_t *)x)[i];
    case I64: return ((const int64_t *)x)[i];
    case U8: return ((const uint8_t *)x)[i];
    case U16: return ((const uint16_t *)x)[i];
    case U32: return ((const uint32_t *)x)[i];
    default: return (int64_t)(((const uint64_t *)x)[i] ^ (1ull << 63));
  }
}

/* Smaller is better; NaN is better than all. */
static inline int64_t rank_for_extreme(const void *x, int64_t type, int64_t i, int64_t largest) {
  int64_t key = key_at(x, type, i);
  return largest ? ~key : type <= F64 && key == INT64_MAX ? INT64_MIN : key;
}

/* The first place of the largest (smallest) of n float32 side by side, or -1 where there's a NaN. */
static int64_t first_extreme_f32(const float *x, int64_t n, int64_t largest) {
  vf best = (vf)x[0];
  vi nan = (vi)0;
  int64_t i = 0;
  for (; i + VL <= n; i += VL) {
    vf value = load_vf(x + i);
    nan |= value != value;
    best = (largest ? value > best : value < best) ? value : best;
  }
  float extreme = best[0];
  for (int64_t j = 0; j < n - i + VL; j++) {
    float value = j < VL ? best[j] : x[i + j - VL];
    if (value != value) return -1;
    extreme = (largest ? value > extreme : value < extreme) ? value : extreme;
  }
  if (__builtin_reduce_or(nan)) return -1;
  int64_t place = 0;
  while (place + VL <= n && !__builtin_reduce_or(load_vf(x + place) == extreme)) place += VL;
  while (x[place] != extreme) place++;
  return place;
}

/* element type, result (int64), x, blocks, elements of the axis, inner elements, whether the
 * largest is wanted, whether the last of equals. SHAPE-60 */
void EXTREME_INDEX(const Context *context, const int64_t *args) {
  int64_t type = args[0], size = args[4], inner = args[5], last = args[7];
  int64_t *result = at(context, args[1]);
  const void *x = at(context, args[2]);
  Range part = share(context, args[3] * inner, 8);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t begin = item / inner * size * inner + item % inner, place = 0;
    if (type == F32 && inner == 1 && !last) {
      result[item] = first_extreme_f32((const float *)x + begin, size, args[6]);
      if (result[item] >= 0) continue;
    }
    int64_t best = rank_for_extreme(x, type, begin, args[6]);
    for (int64_t i = 1; i < size; i++) {
      int64_t rank = rank_for_extreme(x, type, begin + i * inner, args[6]);
      if (rank < best || (last && rank == best)) best = rank, place = i;
    }
    result[item] = place;
  }
}

/* The first `count` of a stable ascending order, by insertion: cheap where few are wanted. */
static void insert_sorted(const int64_t *ranks, int64_t size, int64_t *places, int64_t count) {
  int64_t held = 0;
  for (int64_t i = 0; i < size && count; i++) {
    if (held == count && ranks[i] >= ranks[places[count - 1]]) continue;
    int64_t at = held < count ? held++ : count - 1;
    for (; at > 0 && ranks[places[at - 1]] > ranks[i]; at--) places[at] = places[at - 1];
    places[at] = i;
  }
}

/* The whole stable ascending order by merging runs of twice the length each time: where it ends. */
static int64_t *merge_sorted(const int64_t *ranks, int64_t size, int64_t *places, int64_t *other) {
  for (int64_t i = 0; i < size; i++) places[i] = i;
  for (int64_t width = 1; width < size; width *= 2) {
    for (int64_t begin = 0; begin < size; begin += 2 * width) {
      int64_t a = begin, middle = least(begin + width, size), b = middle, end = least(begin + 2 * width, size);
      for (int64_t i = begin; i < end; i++)
        other[i] = a < middle && (b == end || ranks[places[a]] <= ranks[places[b]]) ? places[a++] : places[b++];
    }
    int64_t *swapped = places;
    places = other, other = swapped;
  }
  return places;
}

/* element type, values, places (int64) or ABSENT, x, blocks, elements of the axis, inner elements,
 * how many, whether the largest are wanted, scratch of three int64 for each element of the axis.
 * SHAPE-61 */
void TOP(const Context *context, const int64_t *args) {
  enum { FEW = 16 };
  int64_t type = args[0], bytes = ITEM_SIZES[type], size = args[5], inner = args[6], count = args[7];
  uint8_t *values = at(context, args[1]);
  int64_t *places = at_optional(context, args[2]);
  const uint8_t *x = at(context, args[3]);
  int64_t *ranks = at(context, args[9]), *order = ranks + size;
  Range part = share(context, args[4] * inner, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t begin = item / inner * size * inner + item % inner, to = item / inner * count * inner + item % inner;
    for (int64_t i = 0; i < size; i++) {
      int64_t key = key_at(x, type, begin + i * inner);
      ranks[i] = args[8] ? ~key : key;
    }
    int64_t *sorted = order;
    if (count <= FEW) insert_sorted(ranks, size, order, count);
    else sorted = merge_sorted(ranks, size, order, order + size);
    for (int64_t i = 0; i < count; i++) {
      move_bytes(values + (to + i * inner) * bytes, x + (begin + sorted[i] * inner) * bytes, bytes);
      if (places) places[to + i * inner] = sorted[i];
    }
  }
}

#define RUNNING_OF(T, operation)                                                                   \
  {                                                                                                \
    T *result = at(context, args[1]);                                                              \
    const T *x = at(context, args[2]);                                                             \
    for (int64_t item = part.begin; item < part.end; item++) {                                     \
      int64_t begin = item / inner * size * inner + item % inner;                                  \
      T total = args[8];                                                                           \
      for (int64_t i = 0; i < size; i++) {                                                         \
        int64_t place = begin + (args[7] ? size - 1 - i : i) * inner;                              \
        T following = total operation x[place];                                                    \
        result[place] = args[6] ? total : following;                                               \
        total = following;                                                                         \
      }                                                                                            \
    }                                                                                              \
  }
#define RUNNING(T)                       \
  if (args[8]) RUNNING_OF(T, *)          \
  else RUNNING_OF(T, +)

/* element type, result, x, blocks, elements of the axis, inner elements, whether an element stays
 * out of its own total, whether from the end, whether products instead of sums. SHAPE-54 */
void RUNNING_TOTAL(const Context *context, const int64_t *args) {
  int64_t size = args[4], inner = args[5];
  Range part = share(context, args[3] * inner, 16);
  switch (args[0]) {
    case F32: RUNNING(float) break;
    case F64: RUNNING(double) break;
    case I32: case U32: RUNNING(uint32_t) break;
    default: RUNNING(uint64_t) break;
  }
}

#define TAPS_OF(T)                                                                                     \
  {                                                                                                    \
    T *result = at(context, args[1]);                                                                  \
    const T *x = at(context, args[2]), *weights = at(context, args[4]);                                \
    int64_t block = part.begin / after, i = part.begin % after;                                        \
    for (int64_t item = part.begin; item < part.end; item++) {                                         \
      const int64_t *index = indices + i * taps;                                                       \
      const T *from = x + block * before * inner, *weight = weights + i * taps;                        \
      T *restrict to = result + item * inner;                                                          \
      if (taps == 2) {                                                                                 \
        const T *a = from + index[0] * inner, *b = from + index[1] * inner;                            \
        for (int64_t j = 0; j < inner; j++) to[j] = a[j] * weight[0] + b[j] * weight[1];               \
      } else                                                                                           \
        for (int64_t j = 0; j < inner; j++) {                                                          \
          T total = from[index[0] * inner + j] * weight[0];                                            \
          for (int64_t tap = 1; tap < taps; tap++) total += from[index[tap] * inner + j] * weight[tap]; \
          to[j] = total;                                                                               \
        }                                                                                              \
      if (++i == after) i = 0, block++;                                                                \
    }                                                                                                  \
  }

/* element type (F32, F64), result, x, indices (int64) and weights of each result along the axis,
 * blocks, elements of the axis before and after, taps, inner elements: sums of separately rounded
 * products, in order of the taps. SHAPE-41 */
void TAPS(const Context *context, const int64_t *args) {
  int64_t before = args[6], after = args[7], taps = args[8], inner = args[9];
  const int64_t *indices = at(context, args[3]);
  Range part = share(context, args[5] * after, 1);
  if (args[0] == F32) TAPS_OF(float)
  else TAPS_OF(double)
}
