/* Softmax and its kin along one axis, normalisation of rows: once for each REAL. */
static void OF(softmax)(REAL *result, const REAL *x, int64_t n) {
  OF(powers)(result, x, OF(largest)(x, n), n);
  REAL total = OF(sum)(result, n);
  for (int64_t i = 0; i < n; i++) result[i] /= total;
}

static void OF(log_softmax)(REAL *result, const REAL *x, int64_t n) {
  REAL shift = OF(largest)(x, n);
  if (shift == 0) { /* +0 is larger than -0 */
    int positive = 0;
    for (int64_t i = 0; i < n; i++) positive |= x[i] == 0 && !__builtin_signbit(x[i]);
    shift = positive ? (REAL)0.0 : -(REAL)0.0;
  }
  OF(powers)(result, x, shift, n);
  REAL fall = (REAL)log_vd((vd)(double)OF(sum)(result, n))[0];
  for (int64_t i = 0; i < n; i++) result[i] = (x[i] - shift) - fall;
}

/* 1 at the first largest, NaN counting as largest, 0 elsewhere. */
static void OF(hardmax)(REAL *result, const REAL *x, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n && x[best] == x[best]; i++)
    if (!(x[i] <= x[best])) best = i;
  for (int64_t i = 0; i < n; i++) result[i] = i == best;
}

/* x / norm, +0 where the norm is 0. */
static void OF(lp)(REAL *result, const REAL *x, int64_t n, int squared) {
  REAL norm;
  if (squared) {
    norm = __builtin_elementwise_sqrt(OF(square_sum)(x, n));
  } else {
    for (int64_t i = 0; i < n; i++) result[i] = __builtin_elementwise_abs(x[i]);
    norm = OF(sum)(result, n);
  }
  for (int64_t i = 0; i < n; i++) result[i] = norm == 0 ? 0 : x[i] / norm;
}

static void OF(form)(int64_t form, REAL *result, const REAL *x, int64_t n) {
  switch (form) {
    case SOFTMAX: OF(softmax)(result, x, n); break;
    case LOG_SOFTMAX: OF(log_softmax)(result, x, n); break;
    case HARDMAX: OF(hardmax)(result, x, n); break;
    default: OF(lp)(result, x, n, form == LP2); break;
  }
}

/* Groups begin..end of up to LANES neighbouring columns, each gathered into a row. */
static void OF(form_columns)(int64_t form, REAL *result, const REAL *x, int64_t n,
                                  int64_t columns, REAL *rows, Range part) {
  int64_t groups = (columns + LANES - 1) / LANES;
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t left = item % groups * LANES, width = least(LANES, columns - left);
    int64_t origin = item / groups * n * columns + left;
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < width; j++) rows[j * n + i] = x[origin + i * columns + j];
    for (int64_t j = 0; j < width; j++) OF(form)(form, rows + (LANES + j) * n, rows + j * n, n);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < width; j++) result[origin + i * columns + j] = rows[(LANES + j) * n + i];
  }
}

static void OF(form_axis)(const Context *context, const int64_t *args) {
  REAL *result = at(context, args[0]);
  const REAL *x = at(context, args[1]);
  int64_t form = args[3], outer = args[4], n = args[5], columns = args[6];
  if (columns > 1) {
    Range part = share(context, outer * ((columns + LANES - 1) / LANES), 1);
    OF(form_columns)(form, result, x, n, columns, at(context, args[7]), part);
    return;
  }
  Range part = share(context, outer, 1);
  for (int64_t row = part.begin; row < part.end; row++)
    OF(form)(form, result + row * n, x + row * n, n);
}

/* result = x - mean; the sum of the squares of that. */
static inline REAL OF(centre)(REAL *result, const REAL *x, REAL mean, int64_t n) {
  REALS sums = 0, v;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    memcpy(&v, x + i, sizeof v);
    v = v - mean;
    memcpy(result + i, &v, sizeof v);
    sums += v * v;
  }
  if (i < n) {
    for (int64_t j = i; j < n; j++) result[j] = x[j] - mean;
    v = OF(rest)(result + i, n - i);
    sums += v * v;
  }
  return OF(tree)(sums);
}

/* (x inverse) scale + bias for n neighbours that share their factors, or with `each` have one each.
 * x may be the result: vectors are loaded before they are stored. */
static inline void OF(scale)(REAL *result, const REAL *x, REAL inverse, const REAL *scale, const REAL *bias, int64_t n,
                             int each) {
  REALS v, factor = *scale, shift = bias ? *bias : 0;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    memcpy(&v, x + i, sizeof v);
    if (each) memcpy(&factor, scale + i, sizeof factor);
    if (each && bias) memcpy(&shift, bias + i, sizeof shift);
    v = v * inverse * factor;
    if (bias) v = v + shift;
    memcpy(result + i, &v, sizeof v);
  }
  for (; i < n; i++) {
    REAL scaled = x[i] * inverse * scale[each ? i : 0];
    result[i] = bias ? scaled + bias[each ? i : 0] : scaled;
  }
}

static void OF(normalise)(const Context *context, const int64_t *args) {
  REAL *results = at(context, args[0]);
  const REAL *xs = at(context, args[1]), *scale = at(context, args[2]);
  const REAL *bias = at_optional(context, args[3]);
  REAL *means = at_optional(context, args[4]), *inverses = at_optional(context, args[5]);
  int64_t centred = args[7], n = args[9], span = args[11], period = args[12];
  REAL epsilon = (REAL)f64_of(args[10]), count = (REAL)n;
  Range part = share(context, args[8], 1);
  for (int64_t row = part.begin; row < part.end; row++) {
    REAL *result = results + row * n;
    const REAL *x = xs + row * n;
    REAL squares;
    if (centred) {
      REAL mean = OF(sum)(x, n) / count;
      squares = OF(centre)(result, x, mean, n);
      if (means) means[row] = mean;
      x = result;
    } else {
      squares = OF(square_sum)(x, n);
    }
    REAL inverse = (REAL)1.0 / __builtin_elementwise_sqrt(squares / count + epsilon);
    if (inverses) inverses[row] = inverse;
    for (int64_t i = 0; i < n;) {
      int64_t place = row * n + i, factor = place / span % period;
      int64_t run = least(n - i, span == 1 ? period - factor : span - place % span);
      OF(scale)(result + i, x + i, inverse, scale + factor, bias ? bias + factor : NULL, run, span == 1);
      i += run;
    }
  }
}

/* result = bias + factor (sum of the squares of the channels around, in order, from +0). */
static void OF(local_squares)(const Context *context, const int64_t *args) {
  REAL *results = at(context, args[0]);
  const REAL *xs = at(context, args[1]);
  int64_t channels = args[4], inner = args[5], before = args[6], after = args[7];
  REAL factor = (REAL)f64_of(args[8]), bias = (REAL)f64_of(args[9]);
  Range part = share(context, args[3] * channels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t channel = item % channels;
    int64_t first = most(0, channel - before), last = least(channels - 1, channel + after);
    REAL *restrict total = results + item * inner;
    for (int64_t i = 0; i < inner; i++) total[i] = 0;
    for (int64_t other = first; other <= last; other++) {
      const REAL *restrict x = xs + (item - channel + other) * inner;
      for (int64_t i = 0; i < inner; i++) total[i] += x[i] * x[i];
    }
    for (int64_t i = 0; i < inner; i++) total[i] = bias + factor * total[i];
  }
}
