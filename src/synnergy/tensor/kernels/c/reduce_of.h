/* Sums of floats without a detour, which is most reductions: once for each REAL. */

/* Results begin..end, each of a contiguous row. */
static void OF(sum_rows)(const Reduction *r, REAL *result, const REAL *x, const int64_t *kept, int64_t nk, Range part) {
  int squares = r->operation == SQUARE_SUM;
  for (int64_t index = part.begin; index < part.end; index++) {
    const REAL *row = x + place_of(kept, nk, index);
    REAL total = squares ? OF(square_sum)(row, r->count) : OF(sum)(row, r->count);
    if (r->finish == MEAN) total /= (REAL)r->count;
    if (r->finish == ROOT) total = __builtin_elementwise_sqrt(total);
    result[index] = total;
  }
}

/* One vector's worth of columns, `vectors` of them side by side: the 16 sums of each, then the tree. */
#define WIDE_COLUMNS 4
static inline __attribute__((always_inline)) void OF(sum_vectors)(const Reduction *r, REAL *totals, const REAL *x,
                                                                  int64_t stride, int vectors) {
  REALS partial[LANES][WIDE_COLUMNS], v;
  int squares = r->operation == SQUARE_SUM;
  for (int64_t lane = 0; lane < LANES; lane++) {
    REALS sums[WIDE_COLUMNS] = {0};
    for (int64_t i = lane; i < r->count; i += LANES)
      for (int j = 0; j < vectors; j++) {
        memcpy(&v, x + i * stride + j * LANES, sizeof v);
        sums[j] += squares ? v * v : v;
      }
    for (int j = 0; j < vectors; j++) partial[lane][j] = sums[j];
  }
  for (int half = LANES / 2; half; half /= 2)
    for (int lane = 0; lane < half; lane++)
      for (int j = 0; j < vectors; j++) partial[lane][j] += partial[lane + half][j];
  memcpy(totals, partial, (size_t)vectors * sizeof v);
}

/* Totals of `width` <= COLUMNS columns, whose `count` terms lie `stride` apart. */
static void OF(sum_columns)(const Reduction *r, REAL *result, const REAL *x, int64_t stride, int64_t width) {
  int64_t done = 0;
  for (; done + WIDE_COLUMNS * LANES <= width; done += WIDE_COLUMNS * LANES)
    OF(sum_vectors)(r, result + done, x + done, stride, WIDE_COLUMNS);
  for (; done + LANES <= width; done += LANES) OF(sum_vectors)(r, result + done, x + done, stride, 1);
  for (; done < width; done++) {
    REAL lanes[LANES] = {0};
    REALS sums;
    for (int64_t i = 0; i < r->count; i++) {
      REAL term = x[done + i * stride];
      lanes[i % LANES] += r->operation == SQUARE_SUM ? term * term : term;
    }
    memcpy(&sums, lanes, sizeof sums);
    result[done] = OF(tree)(sums);
  }
  for (int64_t j = 0; j < width; j++) {
    if (r->finish == MEAN) result[j] /= (REAL)r->count;
    if (r->finish == ROOT) result[j] = __builtin_elementwise_sqrt(result[j]);
  }
}
#undef WIDE_COLUMNS
