/* A matrix product with a multiply and an add of its own for each term, in the blocks of TENSOR-10.
 * Included once for each element type: TYPE, and NAMED(name) for its own names. */

typedef TYPE NAMED(vector) __attribute__((ext_vector_type(WIDE / 2 / sizeof(TYPE))));

/* c (+)= a `panel` for up to TALL rows and one block of k. */
static void NAMED(tile)(const TYPE *a, const MatmulShape *shape, int64_t rows, int64_t width, int64_t depth,
                        const TYPE *panel, TYPE *c, int first) {
  enum { LANES = WIDE / 2 / sizeof(TYPE) };
  NAMED(vector) sum[TALL][2] = {0};
  const TYPE *line[TALL];
  UNROLL for (int64_t i = 0; i < TALL; i++) line[i] = a + least(i, rows - 1) * shape->a_row;
  for (int64_t k = 0; k < depth; k++, panel += 2 * LANES) {
    NAMED(vector) left, right;
    memcpy(&left, panel, sizeof left);
    memcpy(&right, panel + LANES, sizeof right);
    UNROLL for (int i = 0; i < TALL; i++) {
      NAMED(vector) value = (NAMED(vector))line[i][k * shape->a_column];
      sum[i][0] += value * left;
      sum[i][1] += value * right;
    }
  }
  for (int64_t i = 0; i < rows; i++, c += shape->n) {
    TYPE block[2 * LANES];
    memcpy(block, sum[i], sizeof block);
    for (int64_t j = 0; j < width; j++) c[j] = first ? block[j] : (TYPE)(c[j] + block[j]);
  }
}

/* `rows` rows and up to WIDE bytes of columns of the result, whole; `panel` is scratch memory.
 * With `scaled` c = alpha (a b) + beta start, otherwise the sum starts from beta start. */
static void NAMED(product)(const TYPE *a, const TYPE *b, const TYPE *start, TYPE *c, const MatmulShape *shape, int64_t rows,
                           int64_t width, TYPE alpha, TYPE beta, TYPE *panel) {
  enum { LANES = WIDE / sizeof(TYPE) };
  int64_t n = shape->n, k = shape->k;
#define START(i, j) ((TYPE)(beta * start[(i) * shape->start_row + (j) * shape->start_column]))
  int started = (start && !shape->scaled) || !k;
  for (int64_t i = 0; i < rows && started; i++)
    for (int64_t j = 0; j < width; j++) c[i * n + j] = start && !shape->scaled ? START(i, j) : 0;
  for (int64_t begin = 0; begin < k; begin += BLOCK) {
    int64_t depth = least(BLOCK, k - begin);
    for (int64_t i = 0; i < depth; i++)
      for (int64_t j = 0; j < LANES; j++)
        panel[i * LANES + j] = j < width ? b[(begin + i) * shape->b_row + j * shape->b_column] : 0;
    for (int64_t i = 0; i < rows; i += TALL)
      NAMED(tile)(a + i * shape->a_row + begin * shape->a_column, shape, least(TALL, rows - i), width, depth, panel,
                  c + i * n, !started && !begin);
  }
  for (int64_t i = 0; i < rows && shape->scaled; i++)
    for (int64_t j = 0; j < width; j++) {
      TYPE scaled = alpha * c[i * n + j];
      c[i * n + j] = start ? (TYPE)(scaled + START(i, j)) : scaled;
    }
#undef START
}

#undef TYPE
#undef NAMED
