/* RNN, GRU and LSTM: a whole sequence in one step. SHAPE-90 to SHAPE-93
 *
 * Rows of the batch don't meet, so that threads share them. At each time hidden units are done a
 * range at a time, all their gates together, so that the recurrent weights are read once.
 */
#include "functions.h"
#include "gemm.h"

enum { CELL_RNN = 0, CELL_GRU, CELL_LSTM };

/* Activations, as programs number them. */
enum {
  CELL_RELU = 0, CELL_TANH, CELL_SIGMOID, CELL_SOFTSIGN, CELL_SOFTPLUS, CELL_LEAKY_RELU, CELL_THRESHOLDED_RELU,
  CELL_ELU, CELL_AFFINE, CELL_SCALED_TANH, CELL_HARD_SIGMOID
};

typedef struct {
  int64_t kind;
  float alpha, beta;
} Activation;

static inline vf cell_positive(vf x) { return x > 0.0f ? x : x != x ? x : (vf)0.0f; }

static __attribute__((noinline)) void other_activation(const Activation *activation, vf *value) {
  vf x = *value, a = (vf)activation->alpha, b = (vf)activation->beta;
  switch (activation->kind) {
  case CELL_RELU: *value = cell_positive(x); break;
  case CELL_SOFTSIGN: *value = x / (__builtin_elementwise_abs(x) + 1.0f); break;
  case CELL_SOFTPLUS: *value = narrowed(softplus_vd(widened(x))); break;
  case CELL_LEAKY_RELU: *value = x < 0.0f ? a * x : x; break;
  case CELL_THRESHOLDED_RELU: *value = x < a ? (vf)0.0f : x; break;
  case CELL_ELU: *value = x < 0.0f ? a * narrowed(expm1_vd(widened(x))) : x; break;
  case CELL_AFFINE: *value = a * x + b; break;
  case CELL_SCALED_TANH: *value = a * tanh_vf(b * x); break;
  default: {
    vf line = cell_positive(a * x + b);
    *value = line > 1.0f ? (vf)1.0f : line;
  }
  }
}

INLINE vf activate(const Activation *activation, vf x) {
  if (activation->kind == CELL_SIGMOID) return sigmoid_vf(x);
  if (activation->kind == CELL_TANH) return tanh_vf(x);
  other_activation(activation, &x);
  return x;
}

/* What a step is told, and where this thread keeps the state of the rows it has at hand. Rows of
 * states are `ld` apart. */
typedef struct {
  int64_t cell, hidden, ld, flag, rows;
  const float *packed, *bias, *peepholes;
  Activation functions[3];
  float clip;
  int clipped;
  float *h, *next, *c, *update, *reset; /* update and reset: GRU's z and r * h */
  float *gates;                         /* rows x NR of each slot */
  const float *const *projected;        /* each row's gates at this time, before the recurrence */
  const uint8_t *active;
} Cell;

enum { SLOTS = 4, CELL_ROWS = 64 };

INLINE vf gate(const Cell *cell, int function, vf x) {
  if (cell->clipped) x = x > cell->clip ? (vf)cell->clip : x < -cell->clip ? (vf)-cell->clip : x;
  return activate(&cell->functions[function], x);
}

/* One row by `count` panels of the same width: enough sums at once to keep multipliers busy. */
INLINE void row_by_panels(int count, int vectors, const float *a, const float *const *b, int64_t depth,
                          float *const *c) {
  vf sum[SLOTS][NV];
  UNROLL for (int s = 0; s < count; s++) UNROLL for (int j = 0; j < vectors; j++) sum[s][j] = (vf)0.0f;
  for (int64_t k = 0; k < depth; k++) {
    vf value = (vf)a[k];
    UNROLL for (int s = 0; s < count; s++) UNROLL for (int j = 0; j < vectors; j++)
      sum[s][j] = fma_vf(value, load_vf(b[s] + (k * vectors + j) * VL), sum[s][j]);
  }
  UNROLL for (int s = 0; s < count; s++) UNROLL for (int j = 0; j < vectors; j++)
    store_vf(c[s] + j * VL, load_vf(c[s] + j * VL) + sum[s][j]);
}

#define ROW_BY(count, vectors)                                                                               \
  static void row_by_##count##_##vectors(const float *a, const float *const *b, int64_t depth, float *const *c) { \
    row_by_panels(count, vectors, a, b, depth, c);                                                          \
  }
typedef void RowBy(const float *, const float *const *, int64_t, float *const *);
#define ROW_BY_EACH(each) each(1, 1) each(2, 1) each(3, 1) each(4, 1) each(1, 2) each(2, 2) each(3, 2) each(4, 2)
#define ROW_BY_NAMED(count, vectors) [vectors - 1][count - 1] = row_by_##count##_##vectors,
ROW_BY_EACH(ROW_BY)
#if NV == 3
ROW_BY(1, 3) ROW_BY(2, 3) ROW_BY(3, 3) ROW_BY(4, 3)
#endif
static RowBy *const ROW_BY_PANELS[NV][SLOTS] = {
  ROW_BY_EACH(ROW_BY_NAMED)
#if NV == 3
  ROW_BY_NAMED(1, 3) ROW_BY_NAMED(2, 3) ROW_BY_NAMED(3, 3) ROW_BY_NAMED(4, 3)
#endif
};

/* Panels from `left` on, `span` of them, of `gates` gates from `first` on: as many slots. */
typedef struct {
  int64_t left, first;
  int gates, span;
} Extent;

static inline int64_t slot_width(const Cell *cell, const Extent *extent, int slot) {
  int64_t left = extent->left + slot % extent->span * NR;
  return left < cell->hidden ? least(NR, cell->hidden - left) : 0;
}

static inline float *slot_at(const Cell *cell, int slot) { return cell->gates + slot * CELL_ROWS * NR; }

/* slots = what was projected (or the bias, for `biased` gates) + a R^T. */
static void recur(const Cell *cell, const float *a, const Extent *extent, int biased) {
  int64_t hidden = cell->hidden, wide = padded(hidden), widths[SLOTS];
  int count = 0, even = 1;
  for (int slot = 0; slot < extent->gates * extent->span; slot++) {
    int64_t width = widths[slot] = slot_width(cell, extent, slot);
    int64_t column = extent->left + slot % extent->span * NR;
    int64_t from = (extent->first + slot / extent->span) * hidden + column;
    int is_biased = biased && slot / extent->span == extent->gates - 1;
    if (!width) continue;
    count = slot + 1;
    even &= padded(width) == padded(widths[0]);
    for (int64_t row = 0; row < cell->rows; row++) {
      float *out = slot_at(cell, slot) + row * NR;
      const float *source = is_biased ? cell->bias + column : cell->projected[row] + from;
      int64_t i = 0;
      for (; i + VL <= width; i += VL) store_vf(out + i, load_vf(source + i));
      if (i < width) store_vf(out + i, load_part(source + i, width - i));
    }
  }
  for (int64_t begin = 0; begin < hidden; begin += BLOCK) {
    int64_t depth = least(BLOCK, hidden - begin);
    const float *panels[SLOTS];
    float *outs[SLOTS];
    int slots = 0;
    for (int slot = 0; slot < count; slot++) {
      if (!widths[slot]) continue;
      int64_t left = extent->left + slot % extent->span * NR, gate = extent->first + slot / extent->span;
      outs[slots] = slot_at(cell, slot);
      panels[slots++] = cell->packed + gate * hidden * wide + begin * wide + left * depth;
      if (cell->rows > 1 || !even)
        multiply_panel(a + begin, cell->ld, panels[slots - 1], padded(widths[slot]), depth, outs[slots - 1], NR,
                       cell->rows, padded(widths[slot]), 0);
    }
    if (cell->rows == 1 && even) ROW_BY_PANELS[(widths[0] - 1) / VL][slots - 1](a + begin, panels, depth, outs);
  }
}

static void rnn_time(const Cell *cell) {
  for (int64_t left = 0; left < cell->hidden; left += SLOTS * NR) {
    Extent extent = {left, 0, 1, SLOTS};
    recur(cell, cell->h, &extent, 0);
    for (int slot = 0; slot < SLOTS; slot++)
      for (int64_t row = 0, width = slot_width(cell, &extent, slot); row < cell->rows; row++)
        for (int64_t j = 0; j < width; j += VL)
          store_vf(cell->next + row * cell->ld + left + slot * NR + j,
                   gate(cell, 0, load_vf(slot_at(cell, slot) + row * NR + j)));
  }
}

INLINE void gru_finish(const Cell *cell, int64_t place, vf update, vf raw) {
  vf proposal = gate(cell, 1, raw), h = load_vf(cell->h + place);
  store_vf(cell->next + place, (1.0f - update) * proposal + update * h);
}

static void gru_time(const Cell *cell) {
  int64_t hidden = cell->hidden, ld = cell->ld;
  if (cell->flag) { /* the reset comes after the product */
    for (int64_t left = 0; left < hidden; left += NR) {
      Extent extent = {left, 0, 3, 1};
      recur(cell, cell->h, &extent, 1);
      for (int64_t row = 0, width = slot_width(cell, &extent, 0); row < cell->rows; row++)
        for (int64_t j = 0; j < width; j += VL) {
          int64_t at = row * NR + j, count = least(VL, width - j);
          vf update = gate(cell, 0, load_vf(slot_at(cell, 0) + at));
          vf reset = gate(cell, 0, load_vf(slot_at(cell, 1) + at));
          vf candidate = load_part(cell->projected[row] + 2 * hidden + left + j, count);
          gru_finish(cell, row * ld + left + j, update, candidate + reset * load_vf(slot_at(cell, 2) + at));
        }
    }
    return;
  }
  for (int64_t left = 0; left < hidden; left += 2 * NR) {
    Extent extent = {left, 0, 2, 2};
    recur(cell, cell->h, &extent, 0);
    for (int slot = 0; slot < 2; slot++)
      for (int64_t row = 0, width = slot_width(cell, &extent, slot); row < cell->rows; row++)
        for (int64_t j = 0; j < width; j += VL) {
          int64_t place = row * ld + left + slot * NR + j, at = row * NR + j;
          store_vf(cell->update + place, gate(cell, 0, load_vf(slot_at(cell, slot) + at)));
          vf reset = gate(cell, 0, load_vf(slot_at(cell, 2 + slot) + at));
          store_vf(cell->reset + place, reset * load_vf(cell->h + place));
        }
  }
  for (int64_t left = 0; left < hidden; left += SLOTS * NR) {
    Extent extent = {left, 2, 1, SLOTS};
    recur(cell, cell->reset, &extent, 0);
    for (int slot = 0; slot < SLOTS; slot++)
      for (int64_t row = 0, width = slot_width(cell, &extent, slot); row < cell->rows; row++)
        for (int64_t j = 0; j < width; j += VL) {
          int64_t place = row * ld + left + slot * NR + j;
          gru_finish(cell, place, load_vf(cell->update + place), load_vf(slot_at(cell, slot) + row * NR + j));
        }
  }
}

static void lstm_time(const Cell *cell) {
  int64_t hidden = cell->hidden;
  for (int64_t left = 0; left < hidden; left += NR) {
    Extent extent = {left, 0, 4, 1};
    recur(cell, cell->h, &extent, 0);
    for (int64_t row = 0, width = slot_width(cell, &extent, 0); row < cell->rows; row++) {
      if (!cell->active[row]) continue;
      for (int64_t j = 0; j < width; j += VL) {
        int64_t at = row * NR + j, place = row * cell->ld + left + j, count = least(VL, width - j);
        vf i = load_vf(slot_at(cell, 0) + at), o = load_vf(slot_at(cell, 1) + at);
        vf f = load_vf(slot_at(cell, 2) + at), new = load_vf(slot_at(cell, 3) + at), c = load_vf(cell->c + place);
        const float *peep = cell->peepholes ? cell->peepholes + left + j : NULL;
        if (peep) i = i + load_part(peep, count) * c;
        vf entering = gate(cell, 0, i), kept;
        if (cell->flag) kept = 1.0f - entering;
        else kept = gate(cell, 0, peep ? f + load_part(peep + 2 * hidden, count) * c : f);
        vf state = kept * c + entering * gate(cell, 1, new);
        vf leaving = gate(cell, 0, peep ? o + load_part(peep + hidden, count) * state : o);
        store_vf(cell->c + place, state);
        store_vf(cell->next + place, leaving * activate(&cell->functions[2], state));
      }
    }
  }
}

/* kind of cell, y, y_h, y_c (each may be ABSENT), x W^T + biases, packed R (a matrix for each
 * gate), bias of GRU's last gate where it belongs inside the reset, peepholes (i, o, f),
 * initial_h, initial_c, lengths (int32; these five may be ABSENT), times, rows of the batch, hidden
 * units, whether times run backwards, linear_before_reset or input_forget, strides of time and row
 * in x W^T and in y, stride of rows in states, clip (bits; infinite for none), three times an
 * activation with alpha and beta (bits), this thread's scratch: CELL_ROWS rows of 5 states of
 * hidden units (a multiple of 16) and of SLOTS times 48. */
void RECURRENT_F32(const Context *context, const int64_t *args) {
  float *y = at_optional(context, args[1]), *finals[2] = {at_optional(context, args[2]), at_optional(context, args[3])};
  const float *projected = at(context, args[4]);
  const float *initials[2] = {at_optional(context, args[8]), at_optional(context, args[9])};
  const int32_t *lengths = at_optional(context, args[10]);
  int64_t times = args[11], hidden = args[13], ld = (hidden + 15) / 16 * 16, states = CELL_ROWS * ld;
  float *scratch = at(context, args[31]);
  Cell cell = {args[0], hidden, ld, args[15], 0, at(context, args[5]), at_optional(context, args[6]),
               at_optional(context, args[7]), {{0, 0, 0}}, (float)f64_of(args[21]), 0, scratch, scratch + states,
               scratch + 2 * states, scratch + 3 * states, scratch + 4 * states, scratch + 5 * states, NULL, NULL};
  cell.clipped = cell.clip <= 0x1.fffffep127f;
  for (int i = 0; i < 3; i++)
    cell.functions[i] = (Activation){args[22 + 3 * i], (float)f64_of(args[23 + 3 * i]), (float)f64_of(args[24 + 3 * i])};
  Range part = share(context, args[12], MR);
  for (int64_t top = part.begin; top < part.end; top += CELL_ROWS) {
    const float *rows[CELL_ROWS];
    uint8_t active[CELL_ROWS];
    int64_t count = cell.rows = least(CELL_ROWS, part.end - top);
    cell.projected = rows;
    cell.active = active;
    memset(scratch, 0, (size_t)(5 * states) * sizeof(float));
    for (int64_t row = 0; row < count; row++) {
      if (initials[0]) memcpy(cell.h + row * ld, initials[0] + (top + row) * args[20], (size_t)hidden * 4);
      if (initials[1]) memcpy(cell.c + row * ld, initials[1] + (top + row) * args[20], (size_t)hidden * 4);
    }
    for (int64_t time = 0; time < times; time++) {
      int64_t places[CELL_ROWS];
      for (int64_t row = 0; row < count; row++) {
        int64_t length = lengths ? lengths[top + row] : times;
        active[row] = time < length;
        places[row] = args[14] && time < length ? length - 1 - time : time;
        rows[row] = projected + places[row] * args[16] + (top + row) * args[17];
      }
      if (cell.cell == CELL_LSTM) lstm_time(&cell);
      else if (cell.cell == CELL_GRU) gru_time(&cell);
      else rnn_time(&cell);
      for (int64_t row = 0; row < count; row++) {
        float *out = y ? y + places[row] * args[18] + (top + row) * args[19] : NULL;
        if (!active[row]) memcpy(cell.next + row * ld, cell.h + row * ld, (size_t)hidden * 4);
        if (out && active[row]) memcpy(out, cell.next + row * ld, (size_t)hidden * 4);
        else if (out) memset(out, 0, (size_t)hidden * 4);
      }
      float *last = cell.h;
      cell.h = cell.next;
      cell.next = last;
    }
    for (int64_t row = 0; row < count; row++)
      for (int state = 0; state < 2; state++) {
        if (!finals[state]) continue;
        float *out = finals[state] + (top + row) * args[20];
        if (lengths ? lengths[top + row] == 0 : times == 0) memset(out, 0, (size_t)hidden * 4);
        else memcpy(out, (state ? cell.c : cell.h) + row * ld, (size_t)hidden * 4);
      }
  }
}
