/* What attention does between its two matrix products, and turns of features. SHAPE-110, SHAPE-111 */
#include "functions.h"
#include "rows.h"

typedef struct {
  const uint8_t *mask; /* NULL: none */
  int64_t floats;      /* whether it's float32, added, rather than bool */
  int64_t width;       /* columns of the mask; beyond them all is masked */
  const int64_t *lengths;
  int64_t total, offset, causal, left, right, length;
} Bias;

/* What is added to the scores of one query: mask, causal bound, window and padding, in this order.
 * `row` is the mask's row. Gives whether it is -inf everywhere. */
static int bias_of_query(const Bias *b, const uint8_t *row, int64_t query, float *restrict bias) {
  const float never = -__builtin_inff();
  int64_t place = query + b->offset;
  int open = 0;
  for (int64_t j = 0; j < b->total; j++) {
    float value = 0.0f;
    int64_t ahead = j - place;
    if (row) value += j >= b->width ? never : b->floats ? ((const float *)row)[j] : row[j] ? 0.0f : never;
    if (b->causal) value += ahead <= 0 ? 0.0f : never;
    if (b->left >= 0 || b->right >= 0)
      value += (b->left < 0 || ahead >= -b->left) && (b->right < 0 || ahead <= b->right) ? 0.0f : never;
    if (b->lengths) value += j < b->length ? 0.0f : never;
    bias[j] = value;
    open |= value != never;
  }
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
  Bias b = {mask, args[14], args[13], at_optional(context, args[5]), args[9], args[15], args[16], args[17], args[18], 0};
  int64_t heads = args[7], queries = args[8], keys = args[9], item = args[14] ? 4 : 1;
  float cap = (float)f64_of(args[19]);
  float *bias = at(context, args[21]), *row = bias + keys;
  double *wide = (double *)(row + keys);
  Range part = share(context, args[6] * heads * queries, 1);
  for (int64_t place = part.begin; place < part.end; place++) {
    int64_t query = place % queries, head = place / queries % heads, batch = place / queries / heads;
    if (b.lengths) b.length = b.lengths[batch], b.offset = b.length - queries;
    const uint8_t *from = mask ? mask + (batch * args[10] + head * args[11] + query * args[12]) * item : NULL;
    const float *x = scores + place * keys;
    float *result = shares + place * keys;
    if (cap > 0.0f) {
      cap_scores(row, x, cap, keys);
      x = row;
    }
    if (capped) memcpy(capped + place * keys, x, (size_t)keys * 4);
    int nothing = bias_of_query(&b, from, query, bias);
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

/* result, x, cosines, sines, positions (int64, checked before) or ABSENT, batch, tokens, heads, size of
 * a head, features turned, whether pairs are neighbours, x's strides for batch, token and head. */
void ROTATE_F32(const Context *context, const int64_t *args) {
  float *result = at(context, args[0]);
  const float *x = at(context, args[1]), *cosines = at(context, args[2]), *sines = at(context, args[3]);
  const int64_t *positions = at_optional(context, args[4]);
  int64_t tokens = args[6], heads = args[7], size = args[8], half = args[9] / 2;
  int64_t near = args[10], apart = near ? 1 : half, step = near ? 2 : 1;
  Range part = share(context, args[5] * tokens * heads, 1);
  for (int64_t place = part.begin; place < part.end; place++) {
    int64_t head = place % heads, token = place / heads % tokens, batch = place / heads / tokens;
    int64_t from = batch * args[11] + token * args[12] + head * args[13];
    int64_t line = batch * tokens + token, angle = (positions ? positions[line] : line) * half;
    const float *restrict in = x + from, *restrict c = cosines + angle, *restrict s = sines + angle;
    float *restrict out = result + from;
    for (int64_t j = 0; j < half; j++) {
      float a = in[j * step], b = in[j * step + apart];
      out[j * step] = c[j] * a - s[j] * b;
      out[j * step + apart] = s[j] * a + c[j] * b;
    }
    for (int64_t j = 2 * half; j < size; j++) out[j] = in[j];
  }
}
