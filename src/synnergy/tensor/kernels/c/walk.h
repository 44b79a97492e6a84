/* Walks over tensors whose axes were collapsed: runs along the last axis, operand by operand.
 *
 * In a step: rank, the sizes of the axes, then for each operand its strides, in elements; 0 where
 * it is the same all along an axis.
 */
#ifndef SYNNERGY_WALK_H
#define SYNNERGY_WALK_H

#include "kernels.h"

/* Bytes of an element, by its type. */
static const uint8_t ITEM_SIZES[] = {
  [F16] = 2, [F32] = 4, [F64] = 8, [I8] = 1, [I16] = 2, [I32] = 4, [I64] = 8, [U8] = 1, [U16] = 2, [U32] = 4,
  [U64] = 8, [BOOL] = 1,
};

enum { MAX_RANK = 32, MAX_OPERANDS = 3 };

typedef struct {
  int64_t rank, operands, end;
  const int64_t *sizes, *strides;
  int64_t index[MAX_RANK];
  /* Of the run at hand: its first element, its length, and where each operand begins. */
  int64_t at, length, place[MAX_OPERANDS];
} Walk;

static inline int64_t product_of(const int64_t *sizes, int64_t rank) {
  int64_t product = 1;
  for (int64_t axis = 0; axis < rank; axis++) product *= sizes[axis];
  return product;
}

/* The stride of an operand along the last axis. */
static inline int64_t last_stride(const Walk *walk, int64_t operand) {
  return walk->strides[(operand + 1) * walk->rank - 1];
}

static inline void find_places(Walk *walk) {
  for (int64_t operand = 0; operand < walk->operands; operand++) {
    int64_t place = 0;
    for (int64_t axis = 0; axis < walk->rank; axis++)
      place += walk->index[axis] * walk->strides[operand * walk->rank + axis];
    walk->place[operand] = place;
  }
  walk->length = least(walk->sizes[walk->rank - 1] - walk->index[walk->rank - 1], walk->end - walk->at);
}

/* args: rank, sizes, strides of each operand. The walk covers this thread's share of the elements. */
static inline Walk walk_share(const Context *context, const int64_t *args, int64_t operands, int64_t grain) {
  Walk walk;
  walk.rank = args[0], walk.operands = operands, walk.sizes = args + 1, walk.strides = args + 1 + args[0];
  Range part = share(context, product_of(walk.sizes, walk.rank), grain);
  walk.at = part.begin, walk.end = part.end;
  int64_t rest = part.begin;
  for (int64_t axis = walk.rank - 1; axis >= 0; axis--) {
    walk.index[axis] = walk.sizes[axis] ? rest % walk.sizes[axis] : 0;
    rest = walk.sizes[axis] ? rest / walk.sizes[axis] : 0;
  }
  find_places(&walk);
  return walk;
}

static inline int walking(const Walk *walk) { return walk->at < walk->end; }

/* On to the next run. */
static inline void walk_on(Walk *walk) {
  int64_t axis = walk->rank - 1;
  walk->at += walk->length;
  int64_t back = walk->index[axis]; /* the first run may have begun inside its row */
  walk->index[axis] = 0;
  for (int64_t operand = 0; operand < walk->operands; operand++)
    walk->place[operand] -= back * walk->strides[operand * walk->rank + axis];
  for (axis--; axis >= 0; axis--) {
    int64_t turn = ++walk->index[axis] == walk->sizes[axis] ? walk->sizes[axis] : 0;
    for (int64_t operand = 0; operand < walk->operands; operand++)
      walk->place[operand] += (1 - turn) * walk->strides[operand * walk->rank + axis];
    if (!turn) break;
    walk->index[axis] = 0;
  }
  walk->length = least(walk->sizes[walk->rank - 1], walk->end - walk->at);
}

#endif
