/* What is done with one contiguous row, for reductions and normalisations: once for each REAL,
 * a vector of VL of them, and REALS, one of LANES. Rows hold n elements, at least one. */

/* 16 partial sums to one: 16 become 8, 4, 2, 1. TENSOR-12 */
static inline REAL OF(tree)(REALS lanes) {
  __typeof__(lanes.lo) eight = lanes.lo + lanes.hi;
  __typeof__(eight.lo) four = eight.lo + eight.hi;
  __typeof__(four.lo) two = four.lo + four.hi;
  return two.x + two.y;
}

/* The elements left over after whole lanes; +0 for the others, which changes no sum from +0. */
static inline REALS OF(rest)(const REAL *x, int64_t n) {
#if VL > 4
  return __builtin_masked_load(first_lanes(n), x, (REALS)0);
#else
  REAL padded[LANES] = {0};
  REALS lanes;
  for (int64_t i = 0; i < n; i++) padded[i] = x[i];
  memcpy(&lanes, padded, sizeof lanes);
  return lanes;
#endif
}

static inline REAL OF(sum)(const REAL *x, int64_t n) {
  REALS sums = 0, v;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    memcpy(&v, x + i, sizeof v);
    sums += v;
  }
  if (i < n) sums += OF(rest)(x + i, n - i);
  return OF(tree)(sums);
}

static inline REAL OF(square_sum)(const REAL *x, int64_t n) {
  REALS sums = 0, v;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    memcpy(&v, x + i, sizeof v);
    sums += v * v;
  }
  if (i < n) {
    v = OF(rest)(x + i, n - i);
    sums += v * v;
  }
  return OF(tree)(sums);
}

/* The largest, NaN passed over; of zeros either. */
static inline REAL OF(largest)(const REAL *x, int64_t n) {
  REAL top = -(REAL)__builtin_inf();
  int64_t i = 0;
  if (n >= VL) {
    VECTOR tops, v;
    memcpy(&tops, x, sizeof tops);
    tops = tops == tops ? tops : (VECTOR)top;
    for (i = VL; i + VL <= n; i += VL) {
      memcpy(&v, x + i, sizeof v);
      tops = v > tops ? v : tops;
    }
    REAL each[VL];
    memcpy(each, &tops, sizeof each);
    _Pragma("clang loop unroll(full)") for (int half = VL / 2; half; half /= 2)
      _Pragma("clang loop unroll(full)") for (int j = 0; j < half; j++)
        each[j] = each[j + half] > each[j] ? each[j + half] : each[j];
    top = *each;
  }
  for (; i < n; i++) top = x[i] > top ? x[i] : top;
  return top;
}

/* result = e ** (x - shift); the two may be one. */
static inline void OF(powers)(REAL *result, const REAL *x, REAL shift, int64_t n) {
  VECTOR v;
  int64_t i = 0;
  for (; i + VL <= n; i += VL) {
    memcpy(&v, x + i, sizeof v);
    v = POWERS(v - shift);
    memcpy(result + i, &v, sizeof v);
  }
  if (i == n) return;
  REAL padded[VL] = {0};
  for (int64_t j = i; j < n; j++) padded[j - i] = x[j];
  memcpy(&v, padded, sizeof v);
  v = POWERS(v - shift);
  memcpy(padded, &v, sizeof v);
  for (int64_t j = i; j < n; j++) result[j] = padded[j - i];
}
