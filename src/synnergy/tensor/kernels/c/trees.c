/* Tree ensembles: ML-29 to ML-36.
 *
 * Comparisons are of whole numbers: a float's bits, ordered as the floats are, are its key; -0 has
 * the key of +0, NaN the largest or the smallest one, so that one comparison sends it either way.
 * A node leads to the left child unless the key of its feature is above its own; leaves lead to
 * themselves. WALKS walks are under way together: of rows through one tree, or of one row through
 * as many trees. No branch depends on a value that is compared.
 */
#include "kernels.h"

#define WALKS 8
#define WALK_LEVELS 3 /* comparisons between two looks for walks that are still under way */

/* The left child lies `left` nodes further, the right one next to it; in a leaf left is 0. */
typedef struct {
  int32_t above;
  uint16_t key, left;
} NarrowNode;

/* Children are node numbers, in a leaf its own. */
typedef struct {
  int32_t above, key, left, right;
} WideNode;

typedef struct {
  int64_t above;
  int32_t key, left, right, unused;
} WideNode64;

static inline int32_t tree_key_f32(float x, int32_t nan) {
  float zero = x + 0.0f; /* -0 becomes +0 */
  int32_t bits;
  memcpy(&bits, &zero, 4);
  return x != x ? nan : bits ^ ((bits >> 31) & 0x7fffffff);
}

static inline int64_t tree_key_f64(double x, int64_t nan) {
  double zero = x + 0.0;
  int64_t bits;
  memcpy(&bits, &zero, 8);
  return x != x ? nan : bits ^ ((bits >> 63) & 0x7fffffffffffffff);
}

/* How a step's features become keys. `sides`: 1 where NaN goes right everywhere, 2 where it goes
 * left everywhere, 3 where each feature has a key of either kind. */
typedef struct {
  const void *x;
  int64_t dtype, columns, features, sides;
} Features;

static inline float feature_f32(const Features *f, int64_t index) {
  switch (f->dtype) {
    case F32: return ((const float *)f->x)[index];
    case I32: return (float)((const int32_t *)f->x)[index];
    default: return (float)((const int64_t *)f->x)[index];
  }
}

static inline double feature_f64(const Features *f, int64_t index) { return ((const double *)f->x)[index]; }

/* Keys of a row; one feature's are `stride` apart from the next one's. */
#define FOREST_KEYS(TYPE, Key, LEAST, MOST)                                                                         \
  static void tree_keys_##TYPE(const Features *f, int64_t row, Key *keys, int64_t stride) {                      \
    int64_t first = row * f->columns;                                                                      \
    if (f->sides & 1)                                                                                      \
      for (int64_t i = 0; i < f->features; i++) keys[i * stride] = tree_key_##TYPE(feature_##TYPE(f, first + i), MOST); \
    if (f->sides == 3) keys += f->features * stride;                                                       \
    if (f->sides & 2)                                                                                      \
      for (int64_t i = 0; i < f->features; i++) keys[i * stride] = tree_key_##TYPE(feature_##TYPE(f, first + i), LEAST); \
  }
FOREST_KEYS(f32, int32_t, INT32_MIN, INT32_MAX)
FOREST_KEYS(f64, int64_t, INT64_MIN, INT64_MAX)

#define EACH_WALK _Pragma("clang loop unroll(full) vectorize(disable)") for (int lane = 0; lane < WALKS; lane++)

/* Gathers are slower than loads of one node after another. */
#define KEEP_SCALAR(value) __asm__("" : "+r"(value))

#define NEXT_NARROW(at, node, key) (at) + node.left + (key > node.above)
#define NEXT_WIDE(at, node, key) key > node.above ? node.right : node.left
#define IS_INNER_NARROW(at, node) node.left != 0
#define IS_INNER_WIDE(at, node) node.left != (at)

/* From the nodes `at` to leaves, `depth` comparisons at most. Keys of a feature are `stride`
 * apart, of a lane `step`. */
#define WALK(NAME, Node, Key, NEXT, IS_INNER)                                                                \
  static inline __attribute__((always_inline)) void NAME(const Node *nodes, const Key *keys, int stride, int step, \
                                                         int64_t depth, int32_t *at) {                     \
    int32_t place[WALKS];                                                                                  \
    EACH_WALK place[lane] = at[lane];                                                                           \
    while (depth > 0) {                                                                                    \
      int64_t levels = least(depth, WALK_LEVELS);                                                               \
      for (int64_t level = 0; level < levels; level++) EACH_WALK {                                              \
        Node node = nodes[place[lane]];                                                                    \
        place[lane] = NEXT(place[lane], node, keys[node.key * stride + lane * step]);                      \
        KEEP_SCALAR(place[lane]);                                                                               \
      }                                                                                                    \
      depth -= levels;                                                                                     \
      if (depth <= 0) break;                                                                               \
      int inner = 0;                                                                                       \
      EACH_WALK inner |= IS_INNER(place[lane], nodes[place[lane]]);                                             \
      if (!inner) break;                                                                                   \
    }                                                                                                      \
    EACH_WALK at[lane] = place[lane];                                                                           \
  }
WALK(walk_narrow, NarrowNode, int32_t, NEXT_NARROW, IS_INNER_NARROW)
WALK(walk_wide, WideNode, int32_t, NEXT_WIDE, IS_INNER_WIDE)
WALK(walk_wide64, WideNode64, int64_t, NEXT_WIDE, IS_INNER_WIDE)

enum { FOREST_SUM, FOREST_MIN, FOREST_MAX };

/* What leaves give: to the only target values[node]; to one of several, for each entry of
 * starts[node] … starts[node + 1], values[entry] to targets[entry]. */
typedef struct {
  const void *values;
  const int32_t *starts, *entry_targets;
  int64_t targets, how;
} Leaves;

#define FOREST_GIVE(TYPE, Real)                                                                                     \
  static inline Real join_##TYPE(int64_t how, Real so_far, Real value, int seen) {                         \
    if (how == FOREST_SUM) return so_far + value;                                                                 \
    return !seen || (how == FOREST_MIN ? value < so_far : value > so_far) ? value : so_far;                       \
  }                                                                                                        \
  static inline void give_##TYPE(const Leaves *leaves, int32_t node, Real *score, uint8_t *seen) {         \
    const Real *values = leaves->values;                                                                   \
    for (int32_t entry = leaves->starts[node]; entry < leaves->starts[node + 1]; entry++) {                \
      int32_t target = leaves->entry_targets[entry];                                                       \
      score[target] = join_##TYPE(leaves->how, score[target], values[entry], seen[target]);                \
      seen[target] = 1;                                                                                    \
    }                                                                                                      \
  }
FOREST_GIVE(f32, float)
FOREST_GIVE(f64, double)

/* score, seen (one byte for each score; ABSENT with one target), x, its element type, rows,
 * columns, features with keys, sides (see Features), nodes, roots (trees and WALKS more), depths
 * (of trees; and for WALKS trees each the largest), trees, values, starts, targets of entries
 * (both ABSENT with one target), targets, how, this thread's scratch, rows of a block (a multiple
 * of WALKS whose keys the scratch holds). */
#define TREES(NAME, TYPE, Real, Node, Key, WALK_NODES)                                                       \
  void NAME(const Context *context, const int64_t *args) {                                                 \
    Real *scores = at(context, args[0]);                                                                   \
    uint8_t *seen = at_optional(context, args[1]);                                                         \
    Features features = {at(context, args[2]), args[3], args[5], args[6], args[7]};                        \
    const Node *nodes = at(context, args[8]);                                                              \
    const int32_t *roots = at(context, args[9]), *depths = at(context, args[10]);                          \
    int64_t trees = args[11], targets = args[15], block = args[18];                                        \
    Leaves leaves = {at(context, args[12]), at_optional(context, args[13]), at_optional(context, args[14]), \
                     targets, args[16]};                                                                   \
    const Real *values = leaves.values;                                                                    \
    int64_t width = features.features * (features.sides == 3 ? 2 : 1);                                     \
    Key *keys = at(context, args[17]);                                                                     \
    const int32_t *joint = depths + trees;                                                                 \
    Range part = share(context, args[4], WALKS);                                                           \
    int64_t row = part.begin;                                                                              \
    if (seen) memset(seen + row * targets, 0, (size_t)((part.end - row) * targets));                       \
    for (int64_t i = row * targets; i < part.end * targets; i++) scores[i] = 0;                            \
    while (part.end - row >= WALKS) {                                                                      \
      int64_t groups = least(block, part.end - row) / WALKS;                                               \
      for (int64_t i = 0; i < groups * WALKS; i++)                                                         \
        tree_keys_##TYPE(&features, row + i, keys + i / WALKS * WALKS * width + i % WALKS, WALKS);              \
      for (int64_t tree = 0; tree < trees; tree++)                                                         \
        for (int64_t group = 0; group < groups; group++) {                                                 \
          int32_t reached[WALKS];                                                                          \
          EACH_WALK reached[lane] = roots[tree];                                                                \
          WALK_NODES(nodes, keys + group * WALKS * width, WALKS, 1, depths[tree], reached);                \
          Real *score = scores + (row + group * WALKS) * targets;                                          \
          if (seen) {                                                                                      \
            uint8_t *given = seen + (row + group * WALKS) * targets;                                       \
            for (int lane = 0; lane < WALKS; lane++)                                                       \
              give_##TYPE(&leaves, reached[lane], score + lane * targets, given + lane * targets);         \
          } else                                                                                           \
            EACH_WALK score[lane] = join_##TYPE(leaves.how, score[lane], values[reached[lane]], tree > 0);      \
        }                                                                                                  \
      row += groups * WALKS;                                                                               \
    }                                                                                                      \
    for (; row < part.end; row++) {                                                                        \
      tree_keys_##TYPE(&features, row, keys, 1);                                                                \
      Real only = 0;                                                                                       \
      for (int64_t tree = 0; tree < trees; tree += WALKS) {                                                \
        int32_t reached[WALKS];                                                                            \
        EACH_WALK reached[lane] = roots[tree + lane];                                                           \
        WALK_NODES(nodes, keys, 1, 0, joint[tree / WALKS], reached);                                       \
        int64_t count = least(WALKS, trees - tree);                                                        \
        if (seen)                                                                                          \
          for (int64_t i = 0; i < count; i++)                                                              \
            give_##TYPE(&leaves, reached[i], scores + row * targets, seen + row * targets);                \
        else                                                                                               \
          for (int64_t i = 0; i < count; i++)                                                              \
            only = join_##TYPE(leaves.how, only, values[reached[i]], tree + i > 0);                        \
      }                                                                                                    \
      if (!seen) scores[row] = only;                                                                       \
    }                                                                                                      \
  }
TREES(TREES_NARROW, f32, float, NarrowNode, int32_t, walk_narrow)
TREES(TREES_WIDE, f32, float, WideNode, int32_t, walk_wide)
TREES(TREES_F64, f64, double, WideNode64, int64_t, walk_wide64)

/* result, score, seen or ABSENT, base or ABSENT, rows, targets, trees to divide by or 0, element
 * type of score and base, that of result. ML-33 */
void FOREST_SCORES(const Context *context, const int64_t *args) {
  void *result = at(context, args[0]);
  const void *score = at(context, args[1]), *base = at_optional(context, args[3]);
  const uint8_t *seen = at_optional(context, args[2]);
  int64_t targets = args[5], trees = args[6];
  Range part = share(context, args[4], 16);
#define FOREST(Real, Result)                                                            \
  for (int64_t i = part.begin * targets; i < part.end * targets; i++) {                \
    Real value = ((const Real *)score)[i];                                             \
    if (trees) value = value / (Real)trees;                                            \
    if (base) value = seen && !seen[i] ? 0 : value + ((const Real *)base)[i % targets]; \
    ((Result *)result)[i] = (Result)value;                                             \
  }
  if (args[8] == F64) FOREST(double, double)
  else if (args[7] == F64) FOREST(double, float)
  else FOREST(float, float)
#undef FOREST
}

/* Two classes, where leaves may have given the second nothing. ML-35 */
#define FOREST_TWO(TYPE, Real)                                                                                      \
  static int64_t two_##TYPE(float *result, const Real *score, const uint8_t *seen, const Real *base,         \
                            int64_t bases, int64_t transform, int single, int positive) {                    \
    Real first = score[0], second = score[1];                                                                \
    int both = seen[1];                                                                                      \
    if (bases == 2) {                                                                                        \
      Real joint = first + base[1];                                                                          \
      first = both ? -joint : first + base[0];                                                               \
      second = both ? joint : second;                                                                        \
    } else if (bases == 1)                                                                                   \
      first = first + base[0];                                                                               \
    if (!seen[0]) first = 0;                                                                                 \
    if (!both) second = 0;                                                                                   \
    if (bases == 2 || both) {                                                                                \
      float wide[2] = {(float)first, (float)second};                                                         \
      transform_row(result, wide, 2, transform);                                                             \
    } else if (!single || !positive)                                                                         \
      opposed_row(result, (float)first, transform);                                                          \
    else if (transform == TO_LOGISTIC)                                                                          \
      complement_row(result, (float)first, transform);                                                       \
    else {                                                                                                   \
      result[0] = (float)(1 - first);                                                                        \
      result[1] = (float)first;                                                                              \
    }                                                                                                        \
    Real deciding = both ? second : first;                                                                   \
    if (single) return deciding > (positive ? (Real)0.5 : 0);                                                \
    return both ? second > first : deciding > 0;                                                             \
  }

/* More classes: the first largest score among those that a leaf or a base value gave. ML-34 */
#define FOREST_MANY(TYPE, Real)                                                                                     \
  static int64_t many_##TYPE(float *result, float *narrow, const Real *score, const uint8_t *seen,           \
                             const Real *base, int64_t classes, int64_t transform) {                         \
    int64_t best = 0;                                                                                        \
    Real largest = 0;                                                                                        \
    int known = 0;                                                                                           \
    for (int64_t i = 0; i < classes; i++) {                                                                  \
      Real value = base ? score[i] + base[i] : score[i];                                                     \
      int given = base || seen[i];                                                                           \
      if (i == 0 || (given && (!known || value > largest))) {                                                \
        best = i;                                                                                            \
        largest = value;                                                                                     \
      }                                                                                                      \
      known |= given;                                                                                        \
      narrow[i] = (float)value;                                                                              \
    }                                                                                                        \
    transform_row(result, narrow, classes, transform);                                                       \
    return best;                                                                                             \
  }
FOREST_TWO(f32, float) FOREST_TWO(f64, double) FOREST_MANY(f32, float) FOREST_MANY(f64, double)

/* labels (int64), result (float32), score, seen, base or ABSENT, rows, classes, element type of
 * score and base, values of base, transform, table of labels, whether all weights are of one of
 * two classes, whether none is negative, this thread's scratch for a row of float32. */
void FOREST_CLASSES(const Context *context, const int64_t *args) {
  int64_t *labels = at(context, args[0]), classes = args[6], bases = args[8], transform = args[9];
  float *result = at(context, args[1]), *narrow = at(context, args[13]);
  const void *score = at(context, args[2]), *base = at_optional(context, args[4]);
  const uint8_t *seen = at(context, args[3]);
  const int64_t *table = at(context, args[10]);
  int single = (int)args[11], positive = (int)args[12];
  Range part = share(context, args[5], 16);
  for (int64_t row = part.begin; row < part.end; row++) {
    int64_t place = row * classes, chosen;
    if (classes == 2 && args[7] == F64)
      chosen = two_f64(result + place, (const double *)score + place, seen + place, base, bases, transform, single,
                       positive);
    else if (classes == 2)
      chosen = two_f32(result + place, (const float *)score + place, seen + place, base, bases, transform, single,
                       positive);
    else if (args[7] == F64)
      chosen = many_f64(result + place, narrow, (const double *)score + place, seen + place, base, classes, transform);
    else
      chosen = many_f32(result + place, narrow, (const float *)score + place, seen + place, base, classes, transform);
    labels[row] = table[chosen];
  }
}
