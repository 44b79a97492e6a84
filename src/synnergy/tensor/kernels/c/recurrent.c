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
  int64_t cell, hidden, ld, inputs, flag, rows;
  const float *packed, *packed_inputs, *bias, *peepholes;
  Activation functions[3];
  float clip;
  int clipped;
  float *h, *next, *c, *update, *reset; /* update and reset: GRU's z and r * h */
  float *gates;                         /* rows x NR of each slot */
  const float *const *start;            /* for each row what its gates' sums start from */
  float *x;                             /* each row's inputs at this time, where W is at hand */
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

/* `count` slots of up to NR columns: of `span` panels from `left` on, of gates from `first` on. */
typedef struct {
  int64_t left, first;
  int count, span;
} Extent;

static inline int64_t slot_left(const Extent *extent, int slot) { return extent->left + slot % extent->span * NR; }
static inline int64_t slot_gate(const Extent *extent, int slot) { return extent->first + slot / extent->span; }
static inline int64_t slot_width(const Cell *cell, const Extent *extent, int slot) {
  return most(0, least(NR, cell->hidden - slot_left(extent, slot)));
}
static inline float *slot_at(const Cell *cell, int slot) { return cell->gates + slot * CELL_ROWS * NR; }

static void start_slot(const Cell *cell, const Extent *extent, int slot, const float *bias) {
  int64_t width = slot_width(cell, extent, slot), left = slot_left(extent, slot);
  for (int64_t row = 0; row < cell->rows; row++) {
    float *out = slot_at(cell, slot) + row * NR;
    const float *source = bias ? bias + left : cell->start[row] + slot_gate(extent, slot) * cell->hidden + left;
    int64_t i = 0;
    for (; i + VL <= width; i += VL) store_vf(out + i, load_vf(source + i));
    if (i < width) store_vf(out + i, load_part(source + i, width - i));
  }
}

/* slots += a b for `terms` columns of A, block after block. */
static void join_product(const Cell *cell, const Extent *extent, const float *a, int64_t lda, const float *packed,
                         int64_t terms) {
  int64_t wide = padded(cell->hidden), first = slot_width(cell, extent, 0);
  int count = extent->count, even = 1;
  while (!slot_width(cell, extent, count - 1)) count--;
  for (int slot = 0; slot < count; slot++) even &= padded(slot_width(cell, extent, slot)) == padded(first);
  for (int64_t begin = 0; begin < terms; begin += BLOCK) {
    int64_t depth = least(BLOCK, terms - begin);
    const float *panels[SLOTS];
    float *outs[SLOTS];
    for (int slot = 0; slot < count; slot++) {
      int64_t width = slot_width(cell, extent, slot);
      outs[slot] = slot_at(cell, slot);
      panels[slot] = packed + slot_gate(extent, slot) * terms * wide + begin * wide + slot_left(extent, slot) * depth;
      if (width && (cell->rows > 1 || !even))
        multiply_panel(a + begin, lda, panels[slot], padded(width), depth, outs[slot], NR, cell->rows, padded(width), 0);
    }
    if (cell->rows == 1 && even) ROW_BY_PANELS[(first - 1) / VL][count - 1](a + begin, panels, depth, outs);
  }
}

/* slots = start + x W^T, which may be in the start. */
static void enter(const Cell *cell, const Extent *extent) {
  for (int slot = 0; slot < extent->count; slot++) start_slot(cell, extent, slot, NULL);
  if (cell->packed_inputs) join_product(cell, extent, cell->x, cell->inputs, cell->packed_inputs, cell->inputs);
}

/* slots = start + x W^T + h R^T */
static void recur(const Cell *cell, const float *h, const Extent *extent) {
  enter(cell, extent);
  join_product(cell, extent, h, cell->ld, cell->packed, cell->hidden);
}

static void rnn_time(const Cell *cell) {
  for (int64_t left = 0; left < cell->hidden; left += SLOTS * NR) {
    Extent extent = {left, 0, SLOTS, SLOTS};
    recur(cell, cell->h, &extent);
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
      enter(cell, &extent);
      memcpy(slot_at(cell, 3), slot_at(cell, 2), (size_t)(cell->rows * NR) * sizeof(float));
      start_slot(cell, &extent, 2, cell->bias);
      join_product(cell, &extent, cell->h, ld, cell->packed, hidden);
      for (int64_t row = 0, width = slot_width(cell, &extent, 0); row < cell->rows; row++)
        for (int64_t j = 0; j < width; j += VL) {
          int64_t at = row * NR + j;
          vf update = gate(cell, 0, load_vf(slot_at(cell, 0) + at));
          vf reset = gate(cell, 0, load_vf(slot_at(cell, 1) + at));
          vf candidate = load_vf(slot_at(cell, 3) + at);
          gru_finish(cell, row * ld + left + j, update, candidate + reset * load_vf(slot_at(cell, 2) + at));
        }
    }
    return;
  }
  for (int64_t left = 0; left < hidden; left += 2 * NR) {
    Extent extent = {left, 0, 4, 2};
    recur(cell, cell->h, &extent);
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
    Extent extent = {left, 2, SLOTS, SLOTS};
    recur(cell, cell->reset, &extent);
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
    recur(cell, cell->h, &extent);
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

/* kind of cell, y, y_h, y_c (each may be ABSENT), x and packed W or both ABSENT, start (x W^T + biases
 * of every row and time, or without x W^T the biases with strides of 0), packed R (like W a matrix
 * for each gate), bias of GRU's last gate where it belongs inside the reset, peepholes (i, o, f),
 * initial_h, initial_c, lengths (int32; these five may be ABSENT), times, rows of the batch,
 * inputs, hidden units, whether times run backwards, linear_before_reset or input_forget, strides
 * of time and row in x, in start and in y, stride of rows in states, clip (bits; infinite for
 * none), three times an activation with alpha and beta (bits), this thread's scratch: CELL_ROWS
 * rows of 5 states of hidden units (a multiple of 16), of SLOTS times 48, and of inputs. */
void RECURRENT_F32(const Context *context, const int64_t *args) {
  float *y = at_optional(context, args[1]), *finals[2] = {at_optional(context, args[2]), at_optional(context, args[3])};
  const float *x = at_optional(context, args[4]), *start = at(context, args[6]);
  const float *initials[2] = {at_optional(context, args[10]), at_optional(context, args[11])};
  const int32_t *lengths = at_optional(context, args[12]);
  int64_t times = args[13], inputs = args[15], hidden = args[16], ld = (hidden + 15) / 16 * 16, states = CELL_ROWS * ld;
  const int64_t *strides = args + 19, *functions = args + 27;
  float *scratch = at(context, args[36]);
  Cell cell = {.cell = args[0], .hidden = hidden, .ld = ld, .inputs = inputs, .flag = args[18],
               .packed = at(context, args[7]), .packed_inputs = at_optional(context, args[5]),
               .bias = at_optional(context, args[8]), .peepholes = at_optional(context, args[9]),
               .clip = (float)f64_of(args[26]), .h = scratch, .next = scratch + states, .c = scratch + 2 * states,
               .update = scratch + 3 * states, .reset = scratch + 4 * states, .gates = scratch + 5 * states,
               .x = scratch + 5 * states + SLOTS * CELL_ROWS * 48};
  cell.clipped = cell.clip <= 0x1.fffffep127f;
  for (int i = 0; i < 3; i++)
    cell.functions[i] =
        (Activation){functions[3 * i], (float)f64_of(functions[3 * i + 1]), (float)f64_of(functions[3 * i + 2])};
  Range part = share(context, args[14], MR);
  for (int64_t top = part.begin; top < part.end; top += CELL_ROWS) {
    const float *starts[CELL_ROWS];
    uint8_t active[CELL_ROWS];
    int64_t count = cell.rows = least(CELL_ROWS, part.end - top);
    cell.start = starts;
    cell.active = active;
    memset(cell.h, 0, (size_t)(count * ld) * sizeof(float));
    memset(cell.c, 0, (size_t)(count * ld) * sizeof(float));
    int64_t known[CELL_ROWS];
    for (int64_t row = 0; row < count; row++) {
      int64_t length = known[row] = lengths ? lengths[top + row] : times;
      if (length < 0 || length > times) *context->bad_input = 1, known[row] = 0;
      if (initials[0]) memcpy(cell.h + row * ld, initials[0] + (top + row) * strides[6], (size_t)hidden * 4);
      if (initials[1]) memcpy(cell.c + row * ld, initials[1] + (top + row) * strides[6], (size_t)hidden * 4);
    }
    for (int64_t time = 0; time < times; time++) {
      int64_t places[CELL_ROWS];
      for (int64_t row = 0; row < count; row++) {
        int64_t length = known[row];
        active[row] = time < length;
        places[row] = args[17] && time < length ? length - 1 - time : time;
        starts[row] = start + places[row] * strides[2] + (top + row) * strides[3];
        if (x) memcpy(cell.x + row * inputs, x + places[row] * strides[0] + (top + row) * strides[1], (size_t)inputs * 4);
      }
      if (cell.cell == CELL_LSTM) lstm_time(&cell);
      else if (cell.cell == CELL_GRU) gru_time(&cell);
      else rnn_time(&cell);
      for (int64_t row = 0; row < count; row++) {
        float *out = y ? y + places[row] * strides[4] + (top + row) * strides[5] : NULL;
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
        float *out = finals[state] + (top + row) * strides[6];
        if (known[row] == 0) memset(out, 0, (size_t)hidden * 4);
        else memcpy(out, (state ? cell.c : cell.h) + row * ld, (size_t)hidden * 4);
      }
  }
}
