/* Classical models: from raw scores to labels and final scores. ML-4 to ML-9 */
#include "kernels.h"
#include "functions.h"

static inline float score_exp(float x) { return exp_vf((vf)x)[0]; }

static inline float score_logistic(float x) {
  float v = 1.0f / (1.0f + score_exp(-__builtin_fabsf(x)));
  return x < 0.0f ? 1.0f - v : v;
}

/* Winitzki's approximation of the inverse error function. ML-7 */
static float score_probit(float x) {
  const float a = 0.147f, term = 2.0f / (3.141592653589793f * a);
  float y = 2.0f * x - 1.0f;
  float log = narrowed(log_vd((vd)(double)((1.0f - y) * (1.0f + y))))[0];
  float v = term + 0.5f * log, v2 = 1.0f / a * log;
  float root = __builtin_sqrtf(-v + __builtin_sqrtf(v * v - v2));
  return 1.4142135623730951f * (y < 0.0f ? -root : root);
}

/* The sum of a row in the order of TENSOR-12; `zero` leaves out what is nearly 0 in `scores`. */
static float score_sum(const float *powers, const float *scores, int64_t n, int zero) {
  float lanes[16] = {0};
  for (int64_t i = 0; i < n; i++) {
    int counts = !zero || scores[i] > 1e-7f || scores[i] < -1e-7f;
    lanes[i % 16] += counts ? powers[i] : 0.0f;
  }
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[half + i];
  return lanes[0];
}

enum { TO_NONE, TO_SOFTMAX, TO_LOGISTIC, TO_SOFTMAX_ZERO, TO_PROBIT };

/* Scores of one row to final ones; `result` is other memory. ML-8, ML-9 */
static void softmax_row(float *result, const float *scores, int64_t n, int zero) {
  float largest = -0x1.fffffep127f;
  for (int64_t i = 0; i < n; i++) largest = scores[i] > largest ? scores[i] : largest;
  for (int64_t i = 0; i < n; i++) result[i] = score_exp(scores[i] - largest);
  float total = score_sum(result, scores, n, zero);
  float lowest = zero ? score_exp(-largest) : 0.0f;
  for (int64_t i = 0; i < n; i++) {
    int counts = !zero || scores[i] > 1e-7f || scores[i] < -1e-7f;
    result[i] = (counts ? result[i] : scores[i] * lowest) / total;
  }
}

static void transform_row(float *result, const float *scores, int64_t n, int64_t transform) {
  switch (transform) {
    case TO_SOFTMAX:
    case TO_SOFTMAX_ZERO: softmax_row(result, scores, n, transform == TO_SOFTMAX_ZERO); break;
    case TO_LOGISTIC:
      for (int64_t i = 0; i < n; i++) result[i] = score_logistic(scores[i]);
      break;
    case TO_PROBIT:
      for (int64_t i = 0; i < n; i++) result[i] = score_probit(scores[i]);
      break;
    default:
      for (int64_t i = 0; i < n; i++) result[i] = scores[i];
  }
}

/* One score for two classes: (1 - s, s) or (-s, s), through TO_LOGISTIC where asked. ML-5 */
static inline void complement_row(float *result, float score, int64_t transform) {
  float final = transform == TO_LOGISTIC ? score_logistic(score) : score;
  result[0] = 1.0f - final;
  result[1] = final;
}
static inline void opposed_row(float *result, float score, int64_t transform) {
  result[0] = transform == TO_LOGISTIC ? score_logistic(-score) : -score;
  result[1] = transform == TO_LOGISTIC ? score_logistic(score) : score;
}

enum { COLUMNS_PLAIN, COLUMNS_COMPLEMENT, COLUMNS_OPPOSED };

/* result, scores, rows, scores of a row, transform, form: COLUMNS_PLAIN as many columns as scores, else
 * two of one score. */
void SCORES_F32(const Context *context, const int64_t *args) {
  float *result = at(context, args[0]);
  const float *scores = at(context, args[1]);
  int64_t n = args[3], transform = args[4];
  Range part = share(context, args[2], 16);
  for (int64_t row = part.begin; row < part.end; row++)
    switch (args[5]) {
      case COLUMNS_COMPLEMENT: complement_row(result + 2 * row, scores[row], transform); break;
      case COLUMNS_OPPOSED: opposed_row(result + 2 * row, scores[row], transform); break;
      default: transform_row(result + n * row, scores + n * row, n, transform);
    }
}

/* The first of the largest; NaN never beats what came before. ML-4 */
static inline int64_t first_largest(const float *scores, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++) best = scores[i] > scores[best] ? i : best;
  return best;
}

enum { CHOOSE_LARGEST, CHOOSE_ABOVE_ZERO, CHOOSE_SECOND_ABOVE_ZERO, CHOOSE_SECOND_FROM_HALF };

/* labels (int64), table, scores, rows, scores of a row, rule: the first of the largest; the second
 * class where the only score is above 0; of two, the second where the largest is above 0 or at
 * least 0.5, else the first of the largest. ML-22, ML-26 */
void CHOOSE_F32(const Context *context, const int64_t *args) {
  int64_t *labels = at(context, args[0]), n = args[4], rule = args[5];
  const int64_t *table = at(context, args[1]);
  const float *scores = at(context, args[2]);
  Range part = share(context, args[3], 8);
  for (int64_t row = part.begin; row < part.end; row++) {
    const float *mine = scores + row * n;
    int64_t chosen = rule == CHOOSE_ABOVE_ZERO ? mine[0] > 0.0f : first_largest(mine, n);
    if (rule == CHOOSE_SECOND_ABOVE_ZERO && mine[chosen] > 0.0f) chosen = 1;
    if (rule == CHOOSE_SECOND_FROM_HALF && mine[chosen] >= 0.5f) chosen = 1;
    labels[row] = table[chosen];
  }
}
