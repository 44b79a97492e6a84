/* Preprocessing of ai.onnx.ml: ML-11 to ML-19. */
#include "kernels.h"

static inline double number_at(const void *x, int64_t dtype, int64_t i) {
  switch (dtype) {
  case F32: return ((const float *)x)[i];
  case F64: return ((const double *)x)[i];
  case I16: return ((const int16_t *)x)[i];
  case I32: return ((const int32_t *)x)[i];
  default: return (double)((const int64_t *)x)[i];
  }
}
static inline int64_t integer_at(const void *x, int64_t dtype, int64_t i) {
  switch (dtype) {
  case I16: return ((const int16_t *)x)[i];
  case I32: return ((const int32_t *)x)[i];
  default: return ((const int64_t *)x)[i];
  }
}
static inline float narrow_at(const void *x, int64_t dtype, int64_t i) {
  return dtype == I64 ? (float)((const int64_t *)x)[i] : (float)number_at(x, dtype, i);
}
static inline int is_floating(int64_t dtype) { return dtype == F32 || dtype == F64; }

/* result, x, element type, count, imputed values, how many (they repeat), the replaced value (an
 * integer or bits of a float64), whether that is NaN. ML-12 */
void IMPUTE(const Context *context, const int64_t *args) {
  void *result = at(context, args[0]);
  const void *x = at(context, args[1]), *imputed = at(context, args[4]);
  int64_t dtype = args[2], period = args[5], size = dtype == F32 || dtype == I32 ? 4 : 8;
  double replaced = f64_of(args[6]);
  Range part = share(context, args[3], 64);
  for (int64_t i = part.begin; i < part.end; i++) {
    double value = is_floating(dtype) ? number_at(x, dtype, i) : 0.0;
    int missing = !is_floating(dtype) ? integer_at(x, dtype, i) == args[6] : args[7] ? value != value : value == replaced;
    const uint8_t *source = missing ? (const uint8_t *)imputed + i % period * size : (const uint8_t *)x + i * size;
    if (size == 4) ((uint32_t *)result)[i] = *(const uint32_t *)source;
    else ((uint64_t *)result)[i] = *(const uint64_t *)source;
  }
}

/* result, x, element type, count, threshold (bits). ML-13 */
void BINARIZE(const Context *context, const int64_t *args) {
  void *result = at(context, args[0]);
  const void *x = at(context, args[1]);
  double threshold = f64_of(args[4]);
  Range part = share(context, args[3], 64);
  for (int64_t i = part.begin; i < part.end; i++) {
    int above = number_at(x, args[2], i) > threshold;
    switch (args[2]) {
    case F32: ((float *)result)[i] = (float)above; break;
    case F64: ((double *)result)[i] = above; break;
    case I32: ((int32_t *)result)[i] = above; break;
    default: ((int64_t *)result)[i] = above;
    }
  }
}

enum { BY_LARGEST = 0, BY_MAGNITUDES, BY_SQUARES };

/* result (float32), x, element type, rows, columns, norm, this thread's scratch for a row. ML-11 */
void NORMALIZE_COLUMNS(const Context *context, const int64_t *args) {
  int64_t dtype = args[2], n = args[4], norm = args[5];
  const void *x = at(context, args[1]);
  float *terms = at(context, args[6]);
  Range part = share(context, args[3], 4);
  for (int64_t row = part.begin; row < part.end; row++) {
    float *result = (float *)at(context, args[0]) + row * n, total = -0x1.fffffep127f;
    for (int64_t i = 0; i < n; i++) {
      double value = number_at(x, dtype, row * n + i);
      float narrow = result[i] = narrow_at(x, dtype, row * n + i);
      if (norm == BY_SQUARES) terms[i] = dtype == F32 ? narrow * narrow : (float)(value * value);
      else if (norm == BY_MAGNITUDES) terms[i] = (float)__builtin_fabs(value);
      else terms[i] = narrow != narrow ? -0x1.fffffep127f : narrow;
    }
    if (norm == BY_LARGEST) {
      total = terms[0];
      for (int64_t i = 1; i < n; i++) total = terms[i] > total ? terms[i] : total;
    } else
      total = score_sum(terms, terms, n, 0);
    for (int64_t i = 0; i < n && !(total == 0.0f); i++) {
      float root = __builtin_sqrtf(terms[i] / total);
      if (norm != BY_SQUARES) result[i] = result[i] / total;
      else result[i] = number_at(x, dtype, row * n + i) < 0.0 ? -root : root;
    }
  }
}

/* result (float32), x, element type, rows, elements of a row of x, columns to fill, the first of
 * them, columns of the result: what x hasn't got is +0. ML-14 */
void PUT_COLUMNS(const Context *context, const int64_t *args) {
  const void *x = at(context, args[1]);
  int64_t elements = args[4], width = args[5], taken = least(elements, width);
  Range part = share(context, args[3], 8);
  for (int64_t row = part.begin; row < part.end; row++) {
    float *result = (float *)at(context, args[0]) + row * args[7] + args[6];
    for (int64_t i = 0; i < taken; i++) result[i] = narrow_at(x, args[2], row * elements + i);
    for (int64_t i = taken; i < width; i++) result[i] = 0.0f;
  }
}

/* result, x, bytes of an element, rows, columns of x, columns to take (int64), how many. ML-15 */
void TAKE_COLUMNS(const Context *context, const int64_t *args) {
  int64_t size = args[2], columns = args[4], count = args[6];
  const int64_t *indices = at(context, args[5]);
  Range part = share(context, args[3], 8);
  for (int64_t row = part.begin; row < part.end; row++) {
    uint8_t *result = (uint8_t *)at(context, args[0]) + row * count * size;
    const uint8_t *x = (const uint8_t *)at(context, args[1]) + row * columns * size;
    for (int64_t i = 0; i < count; i++) {
      int64_t index = indices[i];
      if (index < 0 || index >= columns) *context->bad_input = 1, index = 0;
      for (int64_t byte = 0; byte < size; byte++) result[i * size + byte] = x[index * size + byte];
    }
  }
}

/* The place of an element among sorted keys: float64 for floats, int64 for integers; n where it
 * isn't there, n + 1 for NaN. */
static int64_t place_among(const void *keys, int64_t n, const void *x, int64_t dtype, int64_t i) {
  int64_t low = 0, high = n;
  if (is_floating(dtype)) {
    double value = number_at(x, dtype, i);
    const double *sorted = keys;
    if (value != value) return n + 1;
    while (low < high) {
      int64_t middle = (low + high) / 2;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low < n && sorted[low] == value ? low : n;
  }
  int64_t value = integer_at(x, dtype, i);
  const int64_t *sorted = keys;
  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low < n && sorted[low] == value ? low : n;
}

/* result, bytes of its elements, x, element type, count, sorted keys, how many, what stands for
 * each key, for all others, and for NaN. ML-16, ML-17 */
void LOOK_UP(const Context *context, const int64_t *args) {
  void *result = at(context, args[0]);
  const void *x = at(context, args[2]), *keys = at(context, args[5]), *values = at(context, args[7]);
  Range part = share(context, args[4], 64);
  for (int64_t i = part.begin; i < part.end; i++) {
    int64_t place = place_among(keys, args[6], x, args[3], i);
    switch (args[1]) {
    case 2: ((uint16_t *)result)[i] = ((const uint16_t *)values)[place]; break;
    case 4: ((uint32_t *)result)[i] = ((const uint32_t *)values)[place]; break;
    default: ((uint64_t *)result)[i] = ((const uint64_t *)values)[place];
    }
  }
}

/* result (float32), x, element type, count, sorted categories (int64), how many, the column of
 * each, columns, whether every element must belong to a category. ML-19 */
void ONE_HOT_COLUMNS(const Context *context, const int64_t *args) {
  const void *x = at(context, args[1]), *keys = at(context, args[4]);
  const int64_t *columns = at(context, args[6]);
  int64_t dtype = args[2], n = args[5], width = args[7];
  Range part = share(context, args[3], 8);
  for (int64_t i = part.begin; i < part.end; i++) {
    float *result = (float *)at(context, args[0]) + i * width;
    int64_t whole = 0, known = 1;
    if (is_floating(dtype)) {
      double value = number_at(x, dtype, i);
      known = __builtin_fabs(value) < 0x1p63;
      if (known) whole = (int64_t)value;
    } else
      whole = integer_at(x, dtype, i);
    int64_t place = known ? place_among(keys, n, &whole, I64, 0) : n;
    memset(result, 0, (size_t)width * sizeof(float));
    if (place < n) result[columns[place]] = 1.0f;
    else if (args[8]) *context->bad_input = 1;
  }
}
