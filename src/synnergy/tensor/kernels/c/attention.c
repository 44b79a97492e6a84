/* What attention does between its two matrix products, and turns of features. SHAPE-110, SHAPE-111 */
#include "functions.h"
#include "rows.h"

/* bias[j] for the `keys` of a query: `mask` (its `columns` floats or bools, or NULL), -inf beyond its
 * columns, and -inf added outside begin..end. Gives whether it is -inf everywhere. */
static int bias_of_query(float *restrict bias, const void *mask, int floats, int64_t columns, int64_t begin, int64_t end,
                         int64_t keys) {
  const float never = -__builtin_inff();
  const float *restrict added = mask;
  const uint8_t *restrict allowed = mask;
  if (!mask) columns = keys;
  for (int64_t j = 0; j < columns; j++) bias[j] = !mask ? 0.0f : floats ? 0.0f + added[j] : allowed[j] ? 0.0f : never;
  for (int64_t j = columns; j < keys; j++) bias[j] = never;
  for (int64_t j = 0; j < least(begin, keys); j++) bias[j] += never;
  for (int64_t j = most(end, 0); j < keys; j++) bias[j] += never;
  int32_t open = 0;
  for (int64_t j = 0; j < keys; j++) open |= bias[j] != never;
  return !open;
}

/* A row of -inf gives zeros. */
static void shares_f32(float *restrict shares, const float *x, int64_t n) {
  float largest = largest_f32(x, n);
  powers_f32(shares, x, largest == -__builtin_inff() ? 0.0f : largest, n);
  float total = sum_f32(shares, n);
  total = total == 0.0f ? 1.0f : total;
  for (int64_t j = 0; j < n; j++) shares[j] /= total;
}

static void shares_f64(float *restrict shares, const float *x, double *wide, int64_t n) {
  double largest = largest_f32(x, n);
  for (int64_t j = 0; j < n; j++) wide[j] = x[j];
  powers_f64(wide, wide, largest == -__builtin_inf() ? 0.0 : largest, n);
  double total = sum_f64(wide, n);
  total = total == 0.0 ? 1.0 : total;
  for (int64_t j = 0; j < n; j++) shares[j] = (float)(wide[j] / total);
}

static void cap_scores(float *restrict capped, const float *x, float cap, int64_t n) {
  for (int64_t j = 0; j < n; j += VL) {
    float part[VL] = {0};
    int64_t count = least(VL, n - j);
    for (int64_t i = 0; i < count; i++) part[i] = x[j + i] / cap;
    store_vf(part, tanh_vf(load_vf(part)));
    for (int64_t i = 0; i < count; i++) capped[j + i] = part[i] * cap;
  }
}

/* shares, scores, results for capped and biased scores or ABSENT, mask or ABSENT, lengths (int64, one
 * for each of the batch) or ABSENT, batch, heads, queries, keys, the mask's strides in elements
 * for batch, head and query, its columns, whether it is float32 (else bool), past, causal, left
 * and right bound of the window (-1: none), cap (float64 bits, 0: none), whether softmax is in
 * float64, scratch of each thread: 16 bytes for each key. All but mask and lengths is float32. */
void ATTENTION_SHARES(const Context *context, const int64_t *args) {
  float *shares = at(context, args[0]), *capped = at_optional(context, args[2]), *biased = at_optional(context, args[3]);
  const float *scores = at(context, args[1]);
  const uint8_t *mask = at_optional(context, args[4]);
  const int64_t *lengths = at_optional(context, args[5]);
  int64_t heads = args[7], queries = args[8], keys = args[9], item = args[14] ? 4 : 1;
  int64_t causal = args[16], before = least(args[17], 1LL << 40), after = args[18];
  float cap = (float)f64_of(args[19]);
  float *bias = at(context, args[21]), *row = bias + keys;
  double *wide = (double *)(row + keys);
  Range part = share(context, args[6] * heads * queries, 1);
  for (int64_t place = part.begin; place < part.end; place++) {
    int64_t query = place % queries, head = place / queries % heads, batch = place / queries / heads;
    int64_t length = lengths ? lengths[batch] : keys;
    if (length < 0 || length > keys) {
      *context->bad_input = 1;
      return;
    }
    int64_t here = query + (lengths ? length - queries : args[15]); /* the query's place among the keys */
    int64_t begin = before < 0 ? 0 : here - before, end = length;
    if (causal) end = least(end, here + 1);
    if (after >= 0 && after < end - here) end = here + after + 1;
    const uint8_t *from = mask ? mask + (batch * args[10] + head * args[11] + query * args[12]) * item : NULL;
    const float *x = scores + place * keys;
    float *result = shares + place * keys;
    if (cap > 0.0f) {
      cap_scores(row, x, cap, keys);
      x = row;
    }
    if (capped) memcpy(capped + place * keys, x, (size_t)keys * 4);
    int nothing = bias_of_query(bias, from, args[14] != 0, args[13], begin, end, keys);
    for (int64_t j = 0; j < keys; j++) row[j] = x[j] + bias[j];
    if (biased) memcpy(biased + place * keys, row, (size_t)keys * 4);
    if (nothing) memset(result, 0, (size_t)keys * 4);
    else if (args[20]) shares_f64(result, row, wide, keys);
    else shares_f32(result, row, keys);
  }
}

/* result, past or ABSENT, x, batch, heads, tokens of the past, tokens of x, bytes of a head's token,
 * whether x has its heads within a token (else tokens within a head): result[batch, head] is
 * the past's tokens, then x's. */
void JOIN_CACHE(const Context *context, const int64_t *args) {
  uint8_t *result = at(context, args[0]);
  const uint8_t *past = at_optional(context, args[1]), *x = at(context, args[2]);
  int64_t heads = args[4], before = args[5], tokens = args[6], size = args[7];
  Range part = share(context, args[3] * heads, 1);
  for (int64_t place = part.begin; place < part.end; place++) {
    int64_t head = place % heads, batch = place / heads;
    uint8_t *to = result + place * (before + tokens) * size;
    if (past) memcpy(to, past + place * before * size, (size_t)(before * size));
    to += before * size;
    for (int64_t token = 0; token < tokens; token++) {
      int64_t from = args[8] ? (batch * tokens + token) * heads + head : place * tokens + token;
      memcpy(to + token * size, x + from * size, (size_t)size);
    }
  }
}

/* result, x, cosines, sines, positions (int64, from the end below 0) or ABSENT, lines of the cosines, batch,
 * tokens, heads, size of a head, features turned, whether pairs are neighbours, x's strides for batch,
 * token and head. */
void ROTATE_F32(const Context *context, const int64_t *args) {
  float *result = at(context, args[0]);
  const float *x = at(context, args[1]), *cosines = at(context, args[2]), *sines = at(context, args[3]);
  const int64_t *positions = at_optional(context, args[4]);
  int64_t lines = args[5], tokens = args[7], heads = args[8], size = args[9], half = args[10] / 2;
  int64_t near = args[11], apart = near ? 1 : half, step = near ? 2 : 1;
  Range part = share(context, args[6] * tokens * heads, 1);
  for (int64_t place = part.begin; place < part.end; place++) {
    int64_t head = place % heads, token = place / heads % tokens, batch = place / heads / tokens;
    int64_t from = batch * args[12] + token * args[13] + head * args[14];
    int64_t line = batch * tokens + token;
    if (positions) {
      line = positions[line];
      if (line < -lines || line >= lines) {
        *context->bad_input = 1;
        return;
      }
      if (line < 0) line += lines;
    }
    const float *restrict in = x + from, *restrict c = cosines + line * half, *restrict s = sines + line * half;
    float *restrict out = result + from;
    for (int64_t j = 0; j < half; j++) {
      float a = in[j * step], b = in[j * step + apart];
      out[j * step] = c[j] * a - s[j] * b;
      out[j * step + apart] = s[j] * a + c[j] * b;
    }
    for (int64_t j = 2 * half; j < size; j++) out[j] = in[j];
  }
}
